//! A small world for tests of rules: apps that only write down what they are asked, a store, and a
//! dispatcher of its own that lets events, typed commands and pressed buttons reach the rules.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use hutong_model::{
    Ability, Action, ActionKind, Adapter, Answer, AppId, BoxFuture, CallError, Capabilities, ChatId, ChatKind, ChatRef,
    Clock as _, CompanyId, DepartmentId, DepartmentRecord, Event, EventId, Limits, ManualClock, MessageEvent,
    MessageId, Outcome, Page, PersonRecord, Platform, Prepared, RawRequest, Receipt, Received, RenderError, Secret,
    Sender, SenderKind, Timestamp, UserId,
};
use hutong_model::{Body, Kind, SeeClass};

use super::{App, Ctx, Env, PendingEffect, Rule, RuleError};
use crate::access::Role;
use crate::access::store::{Allowed, Grant, Subject, allowed, rights_of, sync_config_roles};
use crate::access::token::Signer;
use crate::commands::{Asker, Call, Click, Parsed, Registry, example_segments, parse};
use crate::directory::{Directory, Person, PersonId};
use crate::store::testing::TestStore;
use crate::text::Lang;

/// Answer of one page: items and next cursor, or why not.
type Pages<T> = Vec<Result<Page<T>, CallError>>;

/// An app that writes down nothing and promises what it is told to promise. A prepared request is
/// the action itself as JSON.
pub struct FakeAdapter {
    pub app: AppId,
    pub platform: Platform,
    pub caps: Capabilities,
    /// Pages of departments; the cursor is the number of the page.
    pub departments: Mutex<Pages<DepartmentRecord>>,
    /// Pages of people by department.
    pub people: Mutex<BTreeMap<String, Pages<PersonRecord>>>,
}

impl FakeAdapter {
    pub fn new(app: &str, platform: Platform, abilities: impl IntoIterator<Item = Ability>) -> Self {
        Self {
            app: AppId::new(app).unwrap(),
            platform,
            caps: Capabilities {
                kind: platform.as_str(),
                sees: [SeeClass::V1, SeeClass::V2, SeeClass::V5, SeeClass::V6].into(),
                can: abilities.into_iter().collect::<BTreeSet<_>>(),
                limits: Limits {
                    text_bytes: 4000,
                    card_bytes: 20_000,
                    buttons: 6,
                    members_per_call: 3,
                    chat_members: 500,
                },
                rates: Vec::new(),
                remarks: Vec::new(),
            },
            departments: Mutex::default(),
            people: Mutex::default(),
        }
    }
}

fn page_at<T: Clone>(pages: &Pages<T>, cursor: Option<&str>) -> Result<Page<T>, CallError> {
    let index: usize = cursor.and_then(|c| c.parse().ok()).unwrap_or(0);
    pages.get(index).cloned().unwrap_or(Ok(Page {
        items: Vec::new(),
        next: None,
    }))
}

impl Adapter for FakeAdapter {
    fn app(&self) -> &AppId {
        &self.app
    }
    fn platform(&self) -> Platform {
        self.platform
    }
    fn capabilities(&self) -> &Capabilities {
        &self.caps
    }
    fn receive(&self, _request: &RawRequest<'_>, _now: Timestamp) -> Received {
        Received::Events {
            events: Vec::new(),
            answer: Answer::text(""),
        }
    }
    fn prepare(&self, action: &Action) -> Result<Vec<Prepared>, RenderError> {
        Ok(vec![Prepared {
            api: action.kind().as_str().to_owned(),
            to: None,
            weight: 1,
            request: serde_json::to_string(action).unwrap(),
            key_window_ms: None,
        }])
    }
    fn deliver<'a>(&'a self, _prepared: &'a Prepared, _key: &'a str) -> BoxFuture<'a, Outcome> {
        Box::pin(async { Outcome::Sent(Receipt::default()) })
    }
    fn departments<'a>(&'a self, cursor: Option<&'a str>) -> BoxFuture<'a, Result<Page<DepartmentRecord>, CallError>> {
        Box::pin(async move { page_at(&self.departments.lock().unwrap(), cursor) })
    }
    fn people<'a>(
        &'a self,
        department: &'a DepartmentId,
        cursor: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page<PersonRecord>, CallError>> {
        Box::pin(async move {
            match self.people.lock().unwrap().get(department.as_str()) {
                Some(pages) => page_at(pages, cursor),
                None => Ok(Page {
                    items: Vec::new(),
                    next: None,
                }),
            }
        })
    }
    fn person<'a>(&'a self, user: &'a UserId) -> BoxFuture<'a, Result<Option<PersonRecord>, CallError>> {
        Box::pin(async move {
            let people = self.people.lock().unwrap();
            let all = people.values().flatten().flatten().flat_map(|p| &p.items);
            Ok(all.into_iter().find(|p| p.user == *user).cloned())
        })
    }
    fn probe<'a>(&'a self) -> BoxFuture<'a, Result<(), CallError>> {
        Box::pin(async { Ok(()) })
    }
}

/// The company that all apps of a kit belong to.
pub fn company() -> CompanyId {
    CompanyId::new("hx").unwrap()
}

pub fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

pub fn group(id: &str) -> ChatRef {
    ChatRef {
        id: ChatId::new(id).unwrap(),
        kind: ChatKind::Group,
        name: None,
    }
}

pub fn direct(id: &str) -> ChatRef {
    ChatRef {
        kind: ChatKind::Direct,
        ..group(id)
    }
}

/// A person for the directory; the employee number is the user id in upper case.
pub fn record(id: &str, name: &str, departments: &[&str]) -> PersonRecord {
    PersonRecord {
        user: user(id),
        aliases: Vec::new(),
        name: name.to_owned(),
        employee_no: Some(id.to_uppercase()),
        email: None,
        mobile: None,
        departments: departments.iter().map(|d| DepartmentId::new(*d).unwrap()).collect(),
        leader: None,
        title: None,
        active: true,
        joined_on: None,
        office: None,
        employment: None,
    }
}

pub fn department(id: &str, parent: Option<&str>, name: &str) -> DepartmentRecord {
    DepartmentRecord {
        id: DepartmentId::new(id).unwrap(),
        parent: parent.map(|p| DepartmentId::new(p).unwrap()),
        name: name.to_owned(),
        leader: None,
    }
}

/// What became of one thing that happened.
#[derive(Debug)]
pub struct Done {
    pub effects: Vec<PendingEffect>,
    /// Refused, failed or fine; what is refused or failed has left nothing.
    pub result: Result<(), RuleError>,
}

impl Done {
    /// What the apps were asked to do, in order.
    pub fn actions(&self) -> Vec<Action> {
        let read = |e: &PendingEffect| serde_json::from_str(&e.prepared.request).unwrap();
        self.effects.iter().map(read).collect()
    }

    /// Everything that was said, as plain text, refusals included.
    pub fn said(&self) -> Vec<String> {
        let mut list: Vec<String> = self
            .actions()
            .iter()
            .filter(|a| {
                matches!(
                    a,
                    Action::Send { .. } | Action::Reply { .. } | Action::UpdateCard { .. }
                )
            })
            .map(Action::summary)
            .collect();
        if let Err(RuleError::Refuse(message)) = &self.result {
            list.push(message.plain());
        }
        list
    }

    /// The action tokens of all buttons, in order.
    pub fn buttons(&self) -> Vec<String> {
        use hutong_model::Block;
        let mut list = Vec::new();
        for action in self.actions() {
            let (Action::Send { content, .. } | Action::Reply { content, .. } | Action::UpdateCard { content, .. }) =
                action
            else {
                continue;
            };
            for block in content.blocks {
                if let Block::Buttons(buttons) = block {
                    list.extend(buttons.into_iter().map(|b| b.action));
                }
            }
        }
        list
    }
}

/// See the module.
pub struct Kit {
    pub test: TestStore,
    pub env: Arc<Env>,
    pub rules: Vec<Arc<dyn Rule>>,
    pub registry: Arc<Registry>,
    pub clock: ManualClock,
    next: AtomicI64,
}

/// 2026-11-24 10:00 in Shanghai, a Tuesday.
pub const START: Timestamp = Timestamp(1_795_485_600_000);

/// An environment with these apps.
pub fn env(apps: Vec<Arc<FakeAdapter>>) -> Arc<Env> {
    let apps = apps
        .into_iter()
        .map(|adapter| {
            let app = App {
                company: company(),
                adapter: adapter.clone(),
            };
            (adapter.app.clone(), app)
        })
        .collect();
    Arc::new(Env {
        apps,
        signer: Signer::new(Secret::new("test key")),
        zone: chrono_tz::Asia::Shanghai,
        lang: Lang::Zh,
        company_name: "海星科技".to_owned(),
        post_to: BTreeMap::new(),
        chat_names: BTreeMap::new(),
        public_url: None,
        links: Default::default(),
        noise: crate::noise::Budget::unlimited(chrono_tz::Asia::Shanghai),
    })
}

impl Kit {
    pub fn new(test: TestStore, env: Arc<Env>, rules: Vec<Arc<dyn Rule>>) -> Self {
        let registry = Registry::build(rules.iter().map(|r| (r.name(), r.commands()))).unwrap();
        Self {
            test,
            env,
            rules,
            registry: Arc::new(registry),
            clock: ManualClock::at(START),
            next: AtomicI64::new(1),
        }
    }

    pub async fn ctx(&self) -> Ctx {
        let tx = self.test.store.begin().await.unwrap();
        Ctx::new(tx, self.env.clone(), self.clock.now())
    }

    /// Enters departments and people of one platform.
    pub async fn directory(&self, platform: Platform, departments: &[DepartmentRecord], people: &[PersonRecord]) {
        let mut tx = self.test.store.begin().await.unwrap();
        let mut directory = Directory::new(&mut tx);
        for d in departments {
            directory
                .upsert_department(&company(), platform, d, self.clock.now())
                .await
                .unwrap();
        }
        for p in people {
            directory
                .upsert_person(&company(), platform, p, self.clock.now())
                .await
                .unwrap();
        }
        tx.commit().await.unwrap();
    }

    pub async fn person(&self, app: &str, id: &str) -> Person {
        let platform = self.env.app(&AppId::new(app).unwrap()).unwrap().adapter.platform();
        let mut tx = self.test.store.begin().await.unwrap();
        let found = Directory::new(&mut tx)
            .ensure_person(&company(), platform, &user(id), None, self.clock.now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        found
    }

    /// Makes these the roles of the configuration.
    pub async fn roles(&self, grants: &[(&PersonId, Role, crate::access::Scope)]) {
        let grants: Vec<Grant> = grants
            .iter()
            .map(|(person, role, scope)| Grant {
                company: company(),
                subject: Subject::Person((*person).clone()),
                role: *role,
                scope: scope.clone(),
            })
            .collect();
        let mut tx = self.test.store.begin().await.unwrap();
        sync_config_roles(&mut tx, &grants, self.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
    }

    fn stamp(&self, app: &str, body: Body) -> Event {
        let seq = self.next.fetch_add(1, Ordering::SeqCst);
        let app = AppId::new(app).unwrap();
        let key = format!("k{seq}");
        Event {
            id: EventId::derive(&app, &key),
            seq,
            app,
            key,
            lane: "lane".to_owned(),
            occurred_at: self.clock.now(),
            received_at: self.clock.now(),
            body,
        }
    }

    /// Lets an event reach every rule that wants it; ticks and results reach their own rule.
    pub async fn event(&self, app: &str, body: Body) -> Done {
        let event = self.stamp(app, body);
        self.deliver(&event).await
    }

    /// The same event as often as wanted.
    pub async fn deliver(&self, event: &Event) -> Done {
        let owner = match &event.body {
            Body::EffectDone { rule, .. } => Some(rule.clone()),
            Body::Tick { schedule, .. } => schedule.split(':').next().map(str::to_owned),
            _ => None,
        };
        let mut ctx = self.ctx().await;
        for rule in &self.rules {
            let wanted = match &owner {
                Some(name) => name == rule.name(),
                None => rule.wants(&event.head()),
            };
            if !wanted {
                continue;
            }
            ctx.enter(event.id, rule.name());
            if let Err(error) = rule.on_event(&mut ctx, event).await {
                // Events are not refused: whatever goes wrong here is a defect.
                panic!("{} failed on {:?}: {error}", rule.name(), event.body.kind());
            }
        }
        self.finish(ctx, Ok(())).await
    }

    async fn finish(&self, ctx: Ctx, result: Result<(), RuleError>) -> Done {
        let (tx, effects) = ctx.into_parts();
        if result.is_ok() {
            tx.commit().await.unwrap();
            Done { effects, result }
        } else {
            tx.rollback().await.unwrap();
            Done {
                effects: Vec::new(),
                result,
            }
        }
    }

    /// A message event from a person, `@name` being mentions.
    pub fn message(&self, id: &str, chat: &ChatRef, text: &str) -> MessageEvent {
        let seq = self.next.load(Ordering::SeqCst);
        MessageEvent {
            message: MessageId::new(format!("m{seq}")).unwrap(),
            chat: chat.clone(),
            sender: Sender {
                user: Some(user(id)),
                name: Some(format!("姓名{id}")),
                kind: SenderKind::Person,
            },
            content: example_segments(text),
            attachments: Vec::new(),
            reply_to: None,
            thread: None,
            addressed: true,
            mentions_all: false,
            reply_context: None,
        }
    }

    async fn asker(&self, app: &str, id: &str, chat: Option<ChatRef>, message: Option<MessageId>) -> Asker {
        let person = self.person(app, id).await;
        let lang = person
            .language
            .as_deref()
            .and_then(Lang::parse)
            .unwrap_or(self.env.lang);
        Asker {
            person,
            app: AppId::new(app).unwrap(),
            user: user(id),
            lang,
            chat,
            message,
            reply_context: None,
        }
    }

    /// A command typed to the bot, checked like the dispatcher does.
    pub async fn command(&self, app: &str, id: &str, chat: &ChatRef, text: &str) -> Done {
        let message = self.message(id, chat, text);
        self.command_message(app, id, chat, message).await
    }

    /// The same with a message that was put together by hand.
    pub async fn command_message(&self, app: &str, id: &str, chat: &ChatRef, message: MessageEvent) -> Done {
        let asker = self
            .asker(app, id, Some(chat.clone()), Some(message.message.clone()))
            .await;
        let event = self.stamp(app, Body::Message(Box::new(message.clone())));
        let mut ctx = self.ctx().await;
        let (spec, args) = match parse(&self.registry, &message.content, true) {
            Parsed::Call { spec, args } => (spec, args),
            other => {
                let rights = rights_of(ctx.tx(), &asker.person.id).await.unwrap();
                let answer = crate::commands::help::explain(&other, &self.registry, &rights, asker.lang);
                let refused = answer.map_or_else(|| RuleError::Fail("not a command".to_owned()), RuleError::refuse);
                return self.finish(ctx, Err(refused)).await;
            }
        };
        let rule_name = self.registry.rule_of(spec.id).unwrap();
        let rule = self.rules.iter().find(|r| r.name() == rule_name).unwrap();
        let verdict = allowed(
            ctx.tx(),
            &asker.person,
            spec.roles,
            Some((&AppId::new(app).unwrap(), &chat.id)),
        )
        .await
        .unwrap();
        let elsewhere = matches!(verdict, Allowed::Elsewhere(_));
        if matches!(verdict, Allowed::No(_)) || (elsewhere && !rule.checks_scope(spec.id)) {
            let message = crate::commands::help::refusal(&self.registry, spec, elsewhere, asker.lang);
            return self.finish(ctx, Err(RuleError::refuse(message))).await;
        }
        ctx.enter(event.id, rule.name());
        let call = Call {
            id: spec.id,
            asker,
            args,
        };
        let result = rule.on_command(&mut ctx, &call).await;
        self.finish(ctx, result).await
    }

    /// A press of a button of ours.
    pub async fn press(&self, app: &str, id: &str, action: &str) -> Done {
        let asker = self.asker(app, id, None, None).await;
        let mut ctx = self.ctx().await;
        let token = match self.env.signer.read(action, self.clock.now()) {
            Ok(token) => token,
            Err(error) => return self.finish(ctx, Err(RuleError::Fail(error.to_string()))).await,
        };
        let barred = token.only.as_deref().is_some_and(|p| p != asker.person.id.as_str());
        let role = token.role.as_deref().and_then(Role::parse);
        let rights = rights_of(ctx.tx(), &asker.person.id).await.unwrap();
        if barred || role.is_some_and(|r| !rights.anywhere(&[r])) {
            let say = crate::text::service::Say::ButtonNotForYou.in_lang(asker.lang);
            let refused = RuleError::refuse(hutong_model::Message::text(say));
            return self.finish(ctx, Err(refused)).await;
        }
        let rule = self.rules.iter().find(|r| r.name() == token.rule).unwrap();
        let event = self.stamp(app, Body::Other { name: "click".into() });
        assert_eq!(event.head().kind, Kind::Other);
        ctx.enter(event.id, rule.name());
        let click = Click {
            verb: token.verb,
            args: token.args,
            values: BTreeMap::new(),
            asker,
            card: None,
        };
        let result = rule.on_click(&mut ctx, &click).await;
        self.finish(ctx, result).await
    }
}

/// The event that tells a rule what became of its effect.
pub fn outcome_of(effect: &PendingEffect, ok: bool, receipt: Receipt) -> Body {
    let action: Action = serde_json::from_str(&effect.prepared.request).unwrap();
    let kind: ActionKind = action.kind();
    Body::EffectDone {
        effect: effect.key.clone(),
        rule: effect.rule.to_owned(),
        action: kind,
        ok,
        code: (!ok).then(|| "refused".to_owned()),
        failed: receipt.failed.clone(),
        receipt,
        tag: effect.tag.clone().unwrap(),
    }
}
