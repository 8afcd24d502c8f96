//! What a rule is given: a transaction, the time, the directory, the abilities of the apps, and a
//! way to leave effects. No network, no clock, no task.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeZone as _};
use chrono_tz::Tz;
use hutong_model::{
    Ability, Action, ActionKind, Adapter, AppId, Button, ButtonStyle, Capabilities, ChatId, ChatKind, ChatRef,
    CompanyId, DeliveryClass, EventId, Mention, Message, Platform, Prepared, RenderError, Target, Timestamp, UserId,
};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::access::Role;
use crate::access::token::{Signer, Token};
use crate::commands::{AnswerPlace, Asker};
use crate::directory::{Directory, Person, PersonId};
use crate::link::board::Board;
use crate::noise::{Budget, Voice};
use crate::store::{Query, StoreError, Tx};
use crate::text::Lang;

use super::RuleError;

/// One configured app, as rules may know it.
pub struct App {
    pub adapter: Arc<dyn Adapter>,
    pub company: CompanyId,
}

/// What stays the same while the program runs with one configuration.
pub struct Env {
    pub apps: BTreeMap<AppId, App>,
    pub signer: Signer,
    /// The company's zone: days, weeks and times of day are meant in it.
    pub zone: Tz,
    pub lang: Lang,
    pub company_name: String,
    /// Where a chat is heard and where one may post to it can be two apps with two ids (one
    /// bot listens, another writes). Key and value are (app, chat).
    pub post_to: BTreeMap<(AppId, ChatId), (AppId, ChatId)>,
    /// What the admin calls a chat that is heard as `(app, chat)`, for platforms that tell no names.
    pub chat_names: BTreeMap<(AppId, ChatId), String>,
    /// For links in messages; without a trailing slash.
    pub public_url: Option<String>,
    /// How the long connections of this process stand.
    pub links: Board,
    /// How much the bot may say of its own accord.
    pub noise: Budget,
}

impl Env {
    pub fn app(&self, id: &AppId) -> Option<&App> {
        self.apps.get(id)
    }
    /// Where to post for a chat that is heard as `(app, chat)`.
    pub fn post_target<'a>(&'a self, app: &'a AppId, chat: &'a ChatId) -> (&'a AppId, &'a ChatId) {
        match self.post_to.get(&(app.clone(), chat.clone())) {
            Some((app, chat)) => (app, chat),
            None => (app, chat),
        }
    }
}

/// An effect that waits for the end of the transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingEffect {
    /// Idempotency key.
    pub key: String,
    pub app: AppId,
    pub lane: String,
    pub class: DeliveryClass,
    pub rule: &'static str,
    pub event: EventId,
    pub action: ActionKind,
    pub part: usize,
    pub prepared: Prepared,
    pub summary: String,
    /// Present when the rule wants to be told the outcome.
    pub tag: Option<serde_json::Value>,
    /// For [`DeliveryClass::State`]: newer versions with the same key replace older ones.
    pub state_key: Option<String>,
    /// True for answers to a person: they go first.
    pub interactive: bool,
    /// What it adds to the talk of a group; of several parts the first says it.
    pub voice: Voice,
}

/// The context of one work item.
pub struct Ctx {
    tx: Tx,
    env: Arc<Env>,
    now: Timestamp,
    event: EventId,
    rule: &'static str,
    /// The schedule whose tick is being handled.
    schedule: Option<String>,
    effects: Vec<PendingEffect>,
}

impl Ctx {
    pub fn new(tx: Tx, env: Arc<Env>, now: Timestamp) -> Self {
        let event = EventId::from_bytes([0; 16]);
        Self {
            tx,
            env,
            now,
            event,
            rule: "",
            schedule: None,
            effects: Vec::new(),
        }
    }

    /// Turns to the next item of the batch.
    pub fn enter(&mut self, event: EventId, rule: &'static str) {
        self.event = event;
        self.rule = rule;
        self.schedule = None;
    }

    /// Says that what follows, until the next [`Ctx::enter`], is caused by a tick of this schedule.
    pub fn caused_by(&mut self, schedule: &str) {
        self.schedule = Some(schedule.to_owned());
    }

    /// The transaction and the effects that must be written in it.
    pub fn into_parts(self) -> (Tx, Vec<PendingEffect>) {
        (self.tx, self.effects)
    }

    pub fn effects_mark(&self) -> usize {
        self.effects.len()
    }

    /// Effects left since the mark.
    pub fn effects_since(&self, mark: usize) -> &[PendingEffect] {
        self.effects.get(mark..).unwrap_or_default()
    }

    /// Effects that this item has left so far, whatever else stands in the batch: the same number
    /// when the item runs again alone.
    fn effects_of_item(&self) -> usize {
        self.effects
            .iter()
            .rev()
            .take_while(|e| e.event == self.event)
            .filter(|e| e.rule == self.rule)
            .count()
    }

    /// Forgets effects left since the mark, when their item is rolled back.
    pub fn effects_truncate(&mut self, mark: usize) {
        self.effects.truncate(mark);
    }

    pub fn tx(&mut self) -> &mut Tx {
        &mut self.tx
    }

    pub fn query(&mut self, sql: impl Into<Cow<'static, str>>) -> Query<'_> {
        self.tx.query(sql)
    }

    pub fn directory(&mut self) -> Directory<'_> {
        Directory::new(&mut self.tx)
    }

    pub fn env(&self) -> &Arc<Env> {
        &self.env
    }

    /// What a chat is called: as its platform says, else as the configuration does, else as the place
    /// is called that is posted to for it (a group that another app made). `None` when nobody knows.
    pub async fn chat_name(&mut self, app: &AppId, chat: &ChatId) -> Result<Option<String>, RuleError> {
        let env = Arc::clone(&self.env);
        if let Some(name) = self.directory().chat(app, chat).await?.and_then(|c| c.name) {
            return Ok(Some(name));
        }
        if let Some(name) = env.chat_names.get(&(app.clone(), chat.clone())) {
            return Ok(Some(name.clone()));
        }
        let (post_app, post_chat) = env.post_target(app, chat);
        if (post_app, post_chat) == (app, chat) {
            return Ok(None);
        }
        Ok(self.directory().chat(post_app, post_chat).await?.and_then(|c| c.name))
    }

    /// The person whom a mention means. Some platforms hand over the name alone: that is good enough
    /// where nobody shares it. `None`: everybody, a bot, or nobody in particular.
    pub async fn person_mentioned(&mut self, app: &AppId, mention: &Mention) -> Result<Option<Person>, RuleError> {
        let now = self.now;
        let (Some(company), Some(platform)) = (self.env.app(app).map(|a| a.company.clone()), self.platform(app)) else {
            return Err(RuleError::Fail(format!("the app {app} is not configured")));
        };
        if mention.bot {
            return Ok(None);
        }
        let name = mention.name.as_deref();
        match (&mention.user, name) {
            (Some(user), _) => {
                let person = self
                    .directory()
                    .ensure_person(&company, platform, user, name, now)
                    .await?;
                Ok(Some(person))
            }
            (None, Some(name)) => {
                let mut named = self.directory().people_named(&company, platform, name).await?;
                Ok(named.pop().filter(|_| named.is_empty()))
            }
            (None, None) => Ok(None),
        }
    }

    /// Somebody whom the directory does not know has spoken to an app. Where that app cannot read the
    /// directory (an AI bot), an app of the same company that can is asked who it is; also where the
    /// platform gives the two apps different ids for one person, that app's answer names both.
    pub async fn ask_who(&mut self, heard_by: &AppId, user: &UserId) -> Result<(), StoreError> {
        let env = self.env.clone();
        let Some(heard) = env.app(heard_by) else { return Ok(()) };
        if heard.adapter.capabilities().can(Ability::ListPeople) {
            return Ok(());
        }
        let reader = env.apps.iter().find(|(_, app)| {
            app.company == heard.company
                && app.adapter.platform() == heard.adapter.platform()
                && app.adapter.capabilities().can(Ability::ListPeople)
        });
        let now = self.now();
        match reader {
            Some((reader, _)) => self.directory().ask_sync(reader, Some(user), now).await,
            None => Ok(()),
        }
    }

    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The wall clock of the company at `at`.
    pub fn local(&self, at: Timestamp) -> DateTime<Tz> {
        local(self.env.zone, at)
    }

    pub fn event_id(&self) -> EventId {
        self.event
    }

    /// Randomness that is the same when the item runs again.
    pub fn rng(&self) -> StdRng {
        let mut seed = [0; 32];
        seed[..16].copy_from_slice(&self.event.bytes());
        for (i, byte) in self.rule.bytes().take(16).enumerate() {
            seed[16 + i] = byte;
        }
        StdRng::from_seed(seed)
    }

    pub fn caps(&self, app: &AppId) -> Option<&Capabilities> {
        self.env.app(app).map(|a| a.adapter.capabilities())
    }

    pub fn can(&self, app: &AppId, ability: Ability) -> bool {
        self.caps(app).is_some_and(|c| c.can(ability))
    }

    pub fn platform(&self, app: &AppId) -> Option<Platform> {
        self.env.app(app).map(|a| a.adapter.platform())
    }

    /// Leaves an effect. `part` tells the effects of one item apart and must not depend on chance:
    /// together with event and rule it makes the idempotency key. Returns that key.
    pub fn emit(&mut self, part: &str, app: &AppId, class: DeliveryClass, action: Action) -> Result<String, RuleError> {
        self.emit_full(part, app, class, action, None, None, false)
    }

    /// Like [`Ctx::emit_tracked`] for a message that must be read: the noise budget and a mute of the
    /// group do not hold it up.
    pub fn emit_must(
        &mut self,
        part: &str,
        app: &AppId,
        action: Action,
        tag: Option<serde_json::Value>,
    ) -> Result<String, RuleError> {
        let mark = self.effects.len();
        let key = self.emit_full(part, app, DeliveryClass::Once, action, tag, None, false)?;
        if let Some(PendingEffect {
            voice: Voice::Post { must, .. },
            ..
        }) = self.effects.get_mut(mark)
        {
            *must = true;
        }
        Ok(key)
    }

    /// Like [`Ctx::emit`]; when it is done, the rule gets an `EffectDone` event with `tag`: one for
    /// the effect as a whole, also when it needs several requests. It is `ok` when all of them are,
    /// and `failed` names everybody whom any of them did not reach.
    pub fn emit_tracked(
        &mut self,
        part: &str,
        app: &AppId,
        class: DeliveryClass,
        action: Action,
        tag: serde_json::Value,
    ) -> Result<String, RuleError> {
        self.emit_full(part, app, class, action, Some(tag), None, false)
    }

    /// Leaves a new version of something that is shown (a card with live content).
    pub fn emit_state(
        &mut self,
        part: &str,
        app: &AppId,
        state_key: &str,
        action: Action,
    ) -> Result<String, RuleError> {
        self.emit_full(
            part,
            app,
            DeliveryClass::State,
            action,
            None,
            Some(state_key.to_owned()),
            true,
        )
    }

    #[expect(clippy::too_many_arguments, reason = "the one place that all public forms end in")]
    fn emit_full(
        &mut self,
        part: &str,
        app: &AppId,
        class: DeliveryClass,
        action: Action,
        tag: Option<serde_json::Value>,
        state_key: Option<String>,
        interactive: bool,
    ) -> Result<String, RuleError> {
        let adapter = self
            .env
            .app(app)
            .map(|a| a.adapter.clone())
            .ok_or_else(|| RuleError::Fail(format!("the app {app} is not configured")))?;
        let prepared = adapter
            .prepare(&action)
            .map_err(|e: RenderError| RuleError::Fail(e.to_string()))?;
        let lane = lane_of(app, &action);
        let summary = action.summary();
        let mut voice = self.voice_of(&action, class, interactive);
        let (kind, interactive) = (action.kind(), interactive || class == DeliveryClass::Reply);
        let mut first_key = String::new();
        for (index, prepared) in prepared.into_iter().enumerate() {
            let key = crate::ids::effect_key(&self.event, self.rule, part, index);
            if index == 0 {
                first_key.clone_from(&key);
            }
            self.effects.push(PendingEffect {
                key,
                app: app.clone(),
                lane: lane.clone(),
                class,
                rule: self.rule,
                event: self.event,
                action: kind,
                part: index,
                prepared,
                summary: if index == 0 { summary.clone() } else { String::new() },
                tag: tag.clone(),
                state_key: state_key.clone(),
                interactive,
                voice: std::mem::take(&mut voice),
            });
        }
        Ok(first_key)
    }

    /// What an action adds to the talk of a group.
    fn voice_of(&self, action: &Action, class: DeliveryClass, interactive: bool) -> Voice {
        match action {
            Action::Send {
                to: Target::Chat(chat), ..
            } if interactive || matches!(class, DeliveryClass::Reply | DeliveryClass::Hint) => {
                // A hint is worth nothing the next morning: it belongs to what somebody just did.
                Voice::Answer(chat.clone())
            }
            Action::Send {
                to: Target::Chat(chat),
                content,
            } => Voice::Post {
                chat: chat.clone(),
                content: Box::new(content.clone()),
                source: self.schedule.clone().unwrap_or_else(|| self.rule.to_owned()),
                must: false,
            },
            Action::Reply { chat, .. } if chat.kind == ChatKind::Group => Voice::Answer(chat.id.clone()),
            Action::UpdateCard { card, context, content } => Voice::Change {
                card: card.clone(),
                context: context.clone(),
                content: Box::new(content.clone()),
            },
            Action::Recall { message } => Voice::Recall(message.clone()),
            _ => Voice::Silent,
        }
    }

    /// Answers the person who asked, where the command's answer may appear. `group_line` is what the
    /// group sees (at most one line) when the full answer is private.
    pub fn answer(&mut self, asker: &Asker, place: AnswerPlace, message: Message) -> Result<(), RuleError> {
        let in_group = asker.chat.as_ref().is_some_and(|c| c.kind == ChatKind::Group);
        let part = format!("answer{}", self.effects_of_item());
        let (app, action) = match (&asker.chat, place) {
            (Some(chat), AnswerPlace::GroupLine | AnswerPlace::Anywhere) => {
                (asker.app.clone(), reply_or_send(asker, chat, message))
            }
            (Some(chat), AnswerPlace::Private) if !in_group => (asker.app.clone(), reply_or_send(asker, chat, message)),
            _ => match self.private_door(asker) {
                Some(app) => (
                    app,
                    Action::Send {
                        to: Target::User(asker.user.clone()),
                        content: message,
                    },
                ),
                // No way to reach the person alone: say so where they asked, without the content.
                None => match &asker.chat {
                    Some(chat) => (
                        asker.app.clone(),
                        reply_or_send(
                            asker,
                            chat,
                            Message::text(crate::text::service::Say::AskMePrivately.in_lang(asker.lang)),
                        ),
                    ),
                    None => return Ok(()),
                },
            },
        };
        self.emit_full(&part, &app, DeliveryClass::Reply, action, None, None, true)
            .map(|_| ())
    }

    /// An app of the same company and platform that can write to this person alone.
    fn private_door(&self, asker: &Asker) -> Option<AppId> {
        self.door_to_people(&asker.app)
    }

    /// The app through which people are written to alone: this one or another of its company and
    /// platform, rather one that need not wait until they have written to it.
    fn door_to_people(&self, app: &AppId) -> Option<AppId> {
        let own = self.env.app(app)?;
        let able = |a: &App, first: bool| {
            let caps = a.adapter.capabilities();
            caps.can(Ability::SendToUser) && (!first || caps.can(Ability::FirstWord))
        };
        [true, false].into_iter().find_map(|first| {
            if able(own, first) {
                return Some(app.clone());
            }
            let near =
                |a: &App| a.company == own.company && a.adapter.platform() == own.adapter.platform() && able(a, first);
            let found = self.env.apps.iter().find(|(_, a)| near(a));
            found.map(|(id, _)| id.clone())
        })
    }

    /// Writes to a person through an app, if that app can reach people.
    pub async fn tell(
        &mut self,
        part: &str,
        app: &AppId,
        person: &PersonId,
        class: DeliveryClass,
        message: Message,
    ) -> Result<bool, RuleError> {
        let Some(platform) = self.platform(app) else {
            return Ok(false);
        };
        let Some(user) = self.directory().identity_on(person, platform).await? else {
            return Ok(false);
        };
        let Some(door) = self.door_to_people(app) else {
            return Ok(false);
        };
        self.emit(
            part,
            &door,
            class,
            Action::Send {
                to: Target::User(user),
                content: message,
            },
        )?;
        Ok(true)
    }

    /// A button of this rule. `only`/`role` say who may press it; it stays good for `valid`.
    pub fn button(
        &self,
        label: impl Into<String>,
        verb: &str,
        args: Vec<String>,
        style: ButtonStyle,
        who: Who<'_>,
        valid: Duration,
    ) -> Result<Button, RuleError> {
        let token = Token {
            rule: self.rule.to_owned(),
            verb: verb.to_owned(),
            args,
            only: match who {
                Who::Only(person) => Some(person.as_str().to_owned()),
                _ => None,
            },
            role: match who {
                Who::Role(role) => Some(role.as_str().to_owned()),
                _ => None,
            },
            expires_at: self.now + valid,
        };
        let action = self
            .env
            .signer
            .sign(&token)
            .map_err(|e| RuleError::Fail(e.to_string()))?;
        Ok(Button {
            label: label.into(),
            action,
            style,
        })
    }
}

/// Who may press a button.
#[derive(Debug, Clone, Copy)]
pub enum Who<'a> {
    Anyone,
    Only(&'a PersonId),
    Role(Role),
}

fn reply_or_send(asker: &Asker, chat: &ChatRef, content: Message) -> Action {
    match &asker.message {
        Some(message) => Action::Reply {
            message: message.clone(),
            chat: chat.clone(),
            context: asker.reply_context.clone(),
            content,
        },
        None if chat.kind == ChatKind::Direct => Action::Send {
            to: Target::User(asker.user.clone()),
            content,
        },
        None => Action::Send {
            to: Target::Chat(chat.id.clone()),
            content,
        },
    }
}

/// The ordered queue of an effect: one destination of one app. What is done to a message goes by
/// its stem, so that a click and a stored receipt mean the same queue.
pub(crate) fn lane_of(app: &AppId, action: &Action) -> String {
    let to = match action {
        Action::Send { to, .. } => to.as_str(),
        Action::Reply { chat, .. } => chat.id.as_str(),
        Action::UpdateCard { card, .. } => card.stem(),
        Action::Recall { message }
        | Action::React { message, .. }
        | Action::Pin { message }
        | Action::Unpin { message }
        | Action::Urgent { message, .. }
        | Action::Readers { message } => message.stem(),
        Action::RenameChat { chat, .. }
        | Action::SetOwner { chat, .. }
        | Action::AddMembers { chat, .. }
        | Action::RemoveMembers { chat, .. }
        | Action::Disband { chat }
        | Action::ListMembers { chat } => chat.as_str(),
        Action::CreateChat { name, .. } => name,
        Action::Upload { .. } => "upload",
        Action::Calendar { .. } => "calendar",
        Action::Badge { badge, .. } => badge,
    };
    format!("{app}:{to}")
}

/// The wall clock of a zone at an instant.
pub fn local(zone: Tz, at: Timestamp) -> DateTime<Tz> {
    match zone.timestamp_millis_opt(at.millis()) {
        chrono::LocalResult::Single(t) | chrono::LocalResult::Ambiguous(t, _) => t,
        chrono::LocalResult::None => zone.timestamp_nanos(0),
    }
}

#[cfg(test)]
mod lane_tests {
    use super::*;

    /// A badge is changed by reading and writing whole lists: the outbox sends one row of a lane at a
    /// time, whichever replica it is, so all changes of a badge must stand in one lane.
    #[test]
    fn all_changes_of_a_badge_stand_in_one_lane() {
        let app = AppId::new("fs").unwrap();
        let change = |badge: &str, user: &str, given| Action::Badge {
            badge: badge.to_owned(),
            users: vec![UserId::new(user).unwrap()],
            given,
        };
        let lane = lane_of(&app, &change("m_star", "u1", true));
        assert_eq!(lane, lane_of(&app, &change("m_star", "u2", false)));
        assert_ne!(lane, lane_of(&app, &change("m_moon", "u1", true)));
    }
}
