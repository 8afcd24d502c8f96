//! A small world for tests of rules: apps that send nothing, and a context around a real store.

use std::collections::BTreeMap;
use std::sync::Arc;

use hutong_model::{
    Ability, Action, Adapter, AppId, Block, Body, BoxFuture, CallError, Capabilities, ChatId, ChatKind, ChatRef,
    CompanyId, DepartmentId, DepartmentRecord, Event, EventId, Limits, Mention, Message, MessageId, Outcome, Page,
    PersonRecord, Platform, Prepared, RawRequest, Received, Rejection, RenderError, Secret, SeeClass, Target,
    Timestamp, UserId,
};

use super::{App, Ctx, Env, PendingEffect, Rule, RuleError};
use crate::access::token::Signer;
use crate::commands::{ArgValue, Asker, Call, Click};
use crate::directory::Person;
use crate::store::Store;
use crate::text::Lang;

/// An app that can do what it is said to and sends nothing: a prepared request is the action as JSON.
pub struct FakeAdapter {
    app: AppId,
    platform: Platform,
    caps: Capabilities,
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
    fn receive(&self, _: &RawRequest<'_>, _: Timestamp) -> Received {
        Received::Rejected(Rejection::Malformed)
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
    fn deliver<'a>(&'a self, _: &'a Prepared, _: &'a str) -> BoxFuture<'a, Outcome> {
        Box::pin(async {
            Outcome::NotSent {
                reason: "fake".to_owned(),
            }
        })
    }
    fn departments<'a>(&'a self, _: Option<&'a str>) -> BoxFuture<'a, Result<Page<DepartmentRecord>, CallError>> {
        Box::pin(async { Err(CallError::NotPossible("departments")) })
    }
    fn people<'a>(
        &'a self,
        _: &'a DepartmentId,
        _: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page<PersonRecord>, CallError>> {
        Box::pin(async { Err(CallError::NotPossible("people")) })
    }
    fn person<'a>(&'a self, _: &'a UserId) -> BoxFuture<'a, Result<Option<PersonRecord>, CallError>> {
        Box::pin(async { Ok(None) })
    }
    fn probe<'a>(&'a self) -> BoxFuture<'a, Result<(), CallError>> {
        Box::pin(async { Ok(()) })
    }
}

pub fn app_id(text: &str) -> AppId {
    AppId::new(text).unwrap()
}

pub fn company() -> CompanyId {
    CompanyId::new("acme").unwrap()
}

pub fn user(text: &str) -> UserId {
    UserId::new(text).unwrap()
}

pub fn group(id: &str) -> ChatRef {
    ChatRef {
        id: ChatId::new(id).unwrap(),
        kind: ChatKind::Group,
        name: None,
    }
}

/// Two apps of one company: `fs` sees everything and can do everything, `wc` sees only what is
/// addressed to it and can only answer and post.
pub fn env() -> Arc<Env> {
    let all = [
        Ability::SendToChat,
        Ability::SendToUser,
        Ability::Reply,
        Ability::UpdateCard,
        Ability::Recall,
        Ability::ButtonsInChat,
        Ability::ButtonsToUser,
        Ability::Charts,
        Ability::SeesReactions,
        Ability::SeesRecalls,
    ];
    let few = [Ability::SendToChat, Ability::Reply];
    let app = |id: &str, platform, sees: &[SeeClass], can: &[Ability]| {
        let adapter = FakeAdapter {
            app: app_id(id),
            platform,
            caps: Capabilities {
                kind: "feishu",
                sees: sees.iter().copied().collect(),
                can: can.iter().copied().collect(),
                limits: Limits {
                    text_bytes: 4000,
                    card_bytes: 28_000,
                    buttons: 6,
                    members_per_call: 50,
                    chat_members: 500,
                },
                rates: Vec::new(),
                remarks: Vec::new(),
            },
        };
        (
            app_id(id),
            App {
                adapter: Arc::new(adapter),
                company: company(),
            },
        )
    };
    Arc::new(Env {
        apps: BTreeMap::from([
            app("fs", Platform::Feishu, &[SeeClass::V1, SeeClass::V2], &all),
            app("wc", Platform::WeCom, &[SeeClass::V2], &few),
        ]),
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

/// `2026-11-24T10:00` on the company's wall clock.
pub fn at(local: &str) -> Timestamp {
    use chrono::TimeZone as _;
    let naive = chrono::NaiveDateTime::parse_from_str(local, "%Y-%m-%dT%H:%M").unwrap();
    let time = chrono_tz::Asia::Shanghai.from_local_datetime(&naive).unwrap();
    Timestamp(time.timestamp_millis())
}

/// Store, environment and time; every call is one work item in its own transaction.
pub struct World {
    pub store: Store,
    pub env: Arc<Env>,
    pub now: Timestamp,
    pub serial: u32,
}

/// What one item left behind.
#[derive(Debug, Default)]
pub struct Left {
    pub effects: Vec<PendingEffect>,
}

impl Left {
    pub fn actions(&self) -> Vec<Action> {
        self.effects
            .iter()
            .map(|e| serde_json::from_str(&e.prepared.request).unwrap())
            .collect()
    }
    /// All that was said, one text per message, with where it went.
    pub fn said(&self) -> Vec<(String, String)> {
        self.actions()
            .iter()
            .map(|a| match a {
                Action::Send {
                    to: Target::Chat(c), ..
                } => (format!("chat {c}"), a.summary()),
                Action::Send {
                    to: Target::User(u), ..
                } => (format!("user {u}"), a.summary()),
                Action::Reply { chat, .. } => (format!("reply {}", chat.id), a.summary()),
                Action::UpdateCard { card, .. } => (format!("card {card}"), a.summary()),
                other => (other.kind().as_str().to_owned(), a.summary()),
            })
            .collect()
    }
    /// What went to one place, all of it.
    pub fn to(&self, place: &str) -> String {
        let list: Vec<String> = self
            .said()
            .into_iter()
            .filter(|(p, _)| p == place)
            .map(|(_, t)| t)
            .collect();
        list.join("\n")
    }
    /// The buttons of all messages.
    pub fn buttons(&self) -> Vec<hutong_model::Button> {
        let contents = self.actions().into_iter().filter_map(|a| match a {
            Action::Send { content, .. } | Action::Reply { content, .. } | Action::UpdateCard { content, .. } => {
                Some(content)
            }
            _ => None,
        });
        let blocks = contents.flat_map(|m: Message| m.blocks);
        blocks
            .filter_map(|b| match b {
                Block::Buttons(list) => Some(list),
                _ => None,
            })
            .flatten()
            .collect()
    }
}

impl World {
    pub fn new(store: &Store, now: &str) -> Self {
        Self {
            store: store.clone(),
            env: env(),
            now: at(now),
            serial: 0,
        }
    }

    pub fn next_id(&mut self) -> EventId {
        self.serial += 1;
        EventId::derive(&app_id("fs"), &format!("e{}", self.serial))
    }

    pub async fn person(&self, app: &str, id: &str, name: &str) -> Person {
        let mut tx = self.store.begin().await.unwrap();
        let platform = self.env.app(&app_id(app)).unwrap().adapter.platform();
        let record = PersonRecord {
            user: user(id),
            aliases: vec![],
            name: name.to_owned(),
            employee_no: None,
            email: None,
            mobile: None,
            departments: vec![],
            leader: None,
            title: None,
            active: true,
            joined_on: None,
            office: None,
            employment: None,
        };
        let mut directory = crate::directory::Directory::new(&mut tx);
        let id = directory
            .upsert_person(&company(), platform, &record, self.now)
            .await
            .unwrap();
        let person = directory.person(&id).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        person
    }

    pub fn ctx(&self, tx: crate::store::Tx, event: EventId, rule: &dyn Rule) -> Ctx {
        let mut ctx = Ctx::new(tx, self.env.clone(), self.now);
        ctx.enter(event, rule.name());
        ctx
    }

    async fn finish(&self, ctx: Ctx, result: Result<(), RuleError>) -> Result<Left, RuleError> {
        let (tx, effects) = ctx.into_parts();
        match result {
            Ok(()) => {
                tx.commit().await.unwrap();
                Ok(Left { effects })
            }
            Err(error) => {
                tx.rollback().await.unwrap();
                Err(error)
            }
        }
    }

    /// A command in a group, as message `message`; without one, in a private chat.
    pub async fn command(
        &mut self,
        rule: &dyn Rule,
        id: &'static str,
        by: &Person,
        message: Option<&str>,
        args: &[(&'static str, ArgValue)],
    ) -> Result<Left, RuleError> {
        let event = match message {
            Some(m) => EventId::derive(&app_id("fs"), m),
            None => self.next_id(),
        };
        let asker = self.asker(by, message).await;
        let call = Call {
            id,
            asker,
            args: args.iter().cloned().collect(),
        };
        let mut ctx = self.ctx(self.store.begin().await.unwrap(), event, rule);
        let result = rule.on_command(&mut ctx, &call).await;
        self.finish(ctx, result).await
    }

    pub async fn asker(&self, by: &Person, message: Option<&str>) -> Asker {
        let mut tx = self.store.begin().await.unwrap();
        let identity = crate::directory::Directory::new(&mut tx)
            .identities(&by.id)
            .await
            .unwrap();
        let identity = identity.into_iter().next().unwrap();
        let app = self
            .env
            .apps
            .iter()
            .find(|(_, a)| a.adapter.platform() == identity.platform);
        let chat = match message {
            Some(_) => group("oc_1"),
            None => ChatRef {
                kind: ChatKind::Direct,
                ..group("direct")
            },
        };
        Asker {
            person: by.clone(),
            app: app.unwrap().0.clone(),
            user: identity.user,
            lang: Lang::Zh,
            chat: Some(chat),
            message: Some(MessageId::new(message.unwrap_or("private")).unwrap()),
            reply_context: None,
        }
    }

    /// A press of a button, which is read and checked like the real thing.
    pub async fn click(
        &mut self,
        rule: &dyn Rule,
        by: &Person,
        button: &hutong_model::Button,
        card: Option<&str>,
    ) -> Result<Left, RuleError> {
        let token = self.env.signer.read(&button.action, self.now).unwrap();
        assert_eq!(token.rule, rule.name());
        if let Some(only) = &token.only {
            assert_eq!(only, by.id.as_str());
        }
        let event = self.next_id();
        let mut asker = self.asker(by, None).await;
        asker.message = None;
        let click = Click {
            verb: token.verb,
            args: token.args,
            values: BTreeMap::new(),
            asker,
            card: card.map(|c| MessageId::new(c).unwrap()),
        };
        let mut ctx = self.ctx(self.store.begin().await.unwrap(), event, rule);
        let result = rule.on_click(&mut ctx, &click).await;
        self.finish(ctx, result).await
    }

    /// An event of app `fs`.
    pub async fn event(&mut self, rule: &dyn Rule, key: &str, body: Body) -> Result<Left, RuleError> {
        self.event_of("fs", rule, key, body).await
    }

    pub async fn event_of(&mut self, app: &str, rule: &dyn Rule, key: &str, body: Body) -> Result<Left, RuleError> {
        let app = app_id(app);
        let event = Event {
            id: EventId::derive(&app, key),
            seq: 1,
            app,
            key: key.to_owned(),
            lane: "l".to_owned(),
            occurred_at: self.now,
            received_at: self.now,
            body,
        };
        let mut ctx = self.ctx(self.store.begin().await.unwrap(), event.id, rule);
        let result = rule.on_event(&mut ctx, &event).await;
        self.finish(ctx, result).await
    }

    /// The result of an effect, for a rule that asked to be told.
    pub fn done(effect: &PendingEffect, message: &str) -> Body {
        Body::EffectDone {
            effect: effect.key.clone(),
            rule: effect.rule.to_owned(),
            action: hutong_model::ActionKind::Send,
            ok: true,
            code: None,
            receipt: hutong_model::Receipt {
                message: Some(MessageId::new(message).unwrap()),
                ..Default::default()
            },
            failed: vec![],
            tag: effect.tag.clone().unwrap(),
        }
    }
}

pub fn mention(id: &str, name: &str) -> Mention {
    Mention {
        user: Some(user(id)),
        name: Some(name.to_owned()),
        bot: false,
    }
}

pub fn text(value: &str) -> ArgValue {
    ArgValue::Text(value.to_owned())
}

/// The same environment, where one app can do more.
pub fn env_with(env: &Env, app: &str, more: &[Ability]) -> Arc<Env> {
    let mut apps = BTreeMap::new();
    for (id, old) in &env.apps {
        let mut caps = old.adapter.capabilities().clone();
        if id.as_str() == app {
            caps.can.extend(more);
        }
        let adapter = FakeAdapter {
            app: id.clone(),
            platform: old.adapter.platform(),
            caps,
        };
        apps.insert(
            id.clone(),
            App {
                adapter: Arc::new(adapter),
                company: old.company.clone(),
            },
        );
    }
    Arc::new(Env {
        apps,
        signer: Signer::new(Secret::new("test key")),
        zone: env.zone,
        lang: env.lang,
        company_name: env.company_name.clone(),
        post_to: BTreeMap::new(),
        chat_names: BTreeMap::new(),
        public_url: None,
        links: Default::default(),
        noise: env.noise.clone(),
    })
}
