//! Reports: what happened in a group in a week, counted as it happens, without any text.
//!
//! On the first workday of a week a group sees one card about the week before: how many took part
//! (with its interval, and only where all messages are seen), questions and how long they waited,
//! thanks. Nobody is ever named for silence, and figures about a few people are not shown.
//! `/周报` shows it again; a closed week always shows the same numbers.

mod activity;
pub mod commands;
pub mod figures;
pub mod metrics;
mod store;
pub mod weeks;

#[cfg(test)]
mod tests;

pub use crate::config::rules::reports as config;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{Days, NaiveTime};
use hutong_model::{
    Ability, Action, AppId, Body, BoxFuture, ChatId, ChatKind, ChatRef, DeliveryClass, Event, EventHead, Kind, Message,
    MessageEvent, MessageId, SenderKind, Target, Timestamp, UserId,
};

use self::store::{Cell, Delta, Seen};
use crate::commands::{AnswerPlace, Call, CommandSpec};
use crate::config::OnHoliday;
use crate::rules::columns::when::{Calendar, When};
use crate::rules::{Ctx, Rule, RuleError};
use crate::schedule::{CronError, Misfire, Schedule, Spec};
use crate::text::reports::Say;

pub const NAME: &str = "reports";
/// The weekly moment.
pub const WEEKLY: &str = "reports:weekly";
/// Every night: how active people were, for segments.
pub const ACTIVITY: &str = "reports:activity";
/// A message within this time that mentions somebody who asked is an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30 * 60);
/// A report that is later than this is not wanted any more.
const LATEST: Duration = Duration::from_secs(3 * 86_400);
/// How long a recall can still correct the counts.
const REMEMBER_DAYS: u64 = 14;
/// Mentions of one message that are looked at.
const MOST_MENTIONS: usize = 3;
/// How long it is remembered whether a group is external, so that a message costs no look-up.
const LOOK_AGAIN: Duration = Duration::from_secs(10 * 60);
/// Groups remembered at once; beyond it all are looked up again.
const MOST_GROUPS: usize = 20_000;

/// The rule module.
pub struct ReportsRule {
    config: config::Report,
    calendar: Calendar,
    when: When,
    /// Whether a group has people of other companies in it, and when that was read.
    external: Mutex<HashMap<(AppId, ChatId), (bool, Timestamp)>>,
}

impl ReportsRule {
    /// Errors: a cron expression that cannot be read; the configuration's own check has said so.
    pub fn new(config: config::Report, calendar: Calendar) -> Result<Self, CronError> {
        // A report about last week is wanted on the first day people are back.
        let when = When::new(&config.when, &calendar, Some(OnHoliday::NextWorkday), None)?;
        Ok(Self {
            config,
            calendar,
            when,
            external: Mutex::default(),
        })
    }

    /// True in a group with people of other companies: nothing is recorded there.
    async fn is_external(&self, ctx: &mut Ctx, app: &AppId, chat: &ChatId) -> Result<bool, RuleError> {
        let key = (app.clone(), chat.clone());
        let now = ctx.now();
        let known = self.groups().get(&key).copied();
        if let Some((external, at)) = known
            && now.since(at) < LOOK_AGAIN
        {
            return Ok(external);
        }
        let external = ctx.directory().chat(app, chat).await?.is_some_and(|c| c.external);
        let mut groups = self.groups();
        if groups.len() >= MOST_GROUPS {
            groups.clear();
        }
        groups.insert(key, (external, now));
        Ok(external)
    }

    fn groups(&self) -> std::sync::MutexGuard<'_, HashMap<(AppId, ChatId), (bool, Timestamp)>> {
        // A memory of what can be read again.
        self.external.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn message(&self, ctx: &mut Ctx, event: &Event, m: &MessageEvent) -> Result<(), RuleError> {
        let (SenderKind::Person, ChatKind::Group, Some(user)) = (m.sender.kind, m.chat.kind, &m.sender.user) else {
            return Ok(());
        };
        let app = &event.app;
        if self.is_external(ctx, app, &m.chat.id).await? {
            return Ok(());
        }
        let day = ctx.local(event.occurred_at).date_naive().to_string();
        let cell = Cell {
            app,
            chat: &m.chat.id,
            day: &day,
            user,
        };
        let reply = m.reply_to.is_some() || m.thread.is_some();
        let delta = Delta {
            messages: 1,
            replies: i64::from(reply),
            commands: i64::from(m.addressed),
            ..Delta::default()
        };
        store::add(ctx.tx(), cell, delta).await?;
        if ctx.can(app, Ability::SeesRecalls) || ctx.can(app, Ability::SeesReactions) {
            let seen = Seen {
                chat: m.chat.id.clone(),
                day: day.clone(),
                user: user.clone(),
                reply,
                addressed: m.addressed,
            };
            store::remember(ctx.tx(), app, &m.message, &seen).await?;
        }
        let at = event.occurred_at;
        if reply {
            for question in [&m.reply_to, &m.thread].into_iter().flatten() {
                if store::answer_to(ctx.tx(), app, question, user, &m.message, at).await? {
                    break;
                }
            }
        } else {
            let people = m.mentions().filter(|p| !p.bot).filter_map(|p| p.user.as_ref());
            for asker in people.take(MOST_MENTIONS) {
                let since = at - ANSWER_WITHIN;
                store::answer_person(ctx.tx(), app, &m.chat.id, asker, user, &m.message, since, at).await?;
            }
            if metrics::is_question(&m.text()) {
                store::ask(ctx.tx(), cell, &m.message, at).await?;
            }
        }
        Ok(())
    }

    async fn recalled(&self, ctx: &mut Ctx, app: &AppId, message: &MessageId) -> Result<(), RuleError> {
        let Some(seen) = store::take(ctx.tx(), app, message).await? else {
            return Ok(());
        };
        let cell = Cell {
            app,
            chat: &seen.chat,
            day: &seen.day,
            user: &seen.user,
        };
        let delta = Delta {
            messages: -1,
            replies: -i64::from(seen.reply),
            commands: -i64::from(seen.addressed),
            ..Delta::default()
        };
        store::add(ctx.tx(), cell, delta).await?;
        Ok(store::unask(ctx.tx(), app, message).await?)
    }

    async fn light(
        &self,
        ctx: &mut Ctx,
        event: &Event,
        chat: Option<&ChatRef>,
        message: Option<&MessageId>,
        user: &UserId,
        delta: Delta,
    ) -> Result<(), RuleError> {
        let chat = match (chat, message) {
            (Some(chat), _) if chat.kind == ChatKind::Group => Some(chat.id.clone()),
            (Some(_), _) => None,
            (None, Some(message)) => store::chat_of(ctx.tx(), &event.app, message).await?,
            (None, None) => None,
        };
        let Some(chat) = chat else {
            return Ok(());
        };
        if self.is_external(ctx, &event.app, &chat).await? {
            return Ok(());
        }
        let day = ctx.local(event.occurred_at).date_naive().to_string();
        let cell = Cell {
            app: &event.app,
            chat: &chat,
            day: &day,
            user,
        };
        Ok(store::add(ctx.tx(), cell, delta).await?)
    }

    /// The weekly moment: one card for every group where something happened.
    async fn weekly(&self, ctx: &mut Ctx, local: &str) -> Result<(), RuleError> {
        let Ok(minute) = chrono::NaiveDateTime::parse_from_str(local, "%Y-%m-%dT%H:%M") else {
            return Err(RuleError::Fail("a tick without a local minute".to_owned()));
        };
        let today = minute.date();
        if self.when.issue_day(today).is_none() {
            return Ok(());
        }
        let period = weeks::last_reported(today, self.calendar.workdays.as_ref());
        let env = ctx.env().clone();
        let now = ctx.now();
        for app in env.apps.keys() {
            for chat in ctx.directory().groups(app).await? {
                if chat.external {
                    continue;
                }
                let (post_app, post_chat) = env.post_target(app, &chat.chat);
                if !ctx.can(post_app, Ability::SendToChat) {
                    continue;
                }
                let charts = ctx.can(post_app, Ability::Charts);
                let card = self.card(ctx, app, &chat.chat, &period, env.lang, charts).await?;
                let Some(content) = card else { continue };
                if !store::claim_post(ctx.tx(), app, &chat.chat, &period.week, now).await? {
                    continue;
                }
                let action = Action::Send {
                    to: Target::Chat(post_chat.clone()),
                    content,
                };
                let part = format!("{}:{app}:{}", period.week, chat.chat);
                ctx.emit(&part, post_app, DeliveryClass::Once, action)?;
            }
        }
        let forget = today.checked_sub_days(Days::new(REMEMBER_DAYS)).unwrap_or(today);
        store::forget_messages(ctx.tx(), &forget.to_string()).await?;
        Ok(())
    }

    async fn on_demand(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let asker = &call.asker;
        let say = |ctx: &mut Ctx, say: Say<'_>| {
            ctx.answer(asker, AnswerPlace::Anywhere, Message::text(say.in_lang(asker.lang)))
        };
        let Some(chat) = asker.chat.as_ref().filter(|c| c.kind == ChatKind::Group) else {
            return say(ctx, Say::OnlyInGroup);
        };
        let today = ctx.local(ctx.now()).date_naive();
        let workdays = self.calendar.workdays.as_ref();
        let period = match call.integer("week") {
            None => weeks::last_reported(today, workdays),
            Some(week) => {
                let found = u32::try_from(week)
                    .ok()
                    .and_then(|w| weeks::numbered(w, today, workdays));
                match found {
                    Some(period) => period,
                    None => return say(ctx, Say::NoSuchWeek { week }),
                }
            }
        };
        let charts = ctx.can(&asker.app, Ability::Charts);
        match self
            .card(ctx, &asker.app, &chat.id, &period, asker.lang, charts)
            .await?
        {
            Some(card) => ctx.answer(asker, AnswerPlace::Anywhere, card),
            None => say(ctx, Say::Quiet),
        }
    }
}

impl Rule for ReportsRule {
    fn name(&self) -> &'static str {
        NAME
    }

    fn commands(&self) -> &'static [CommandSpec] {
        commands::COMMANDS
    }

    fn schedules(&self) -> Vec<Schedule> {
        let weekly = Schedule {
            id: WEEKLY.to_owned(),
            rule: NAME.to_owned(),
            spec: self.when.asked(),
            zone: self.calendar.zone,
            // Asked every day: the newest missed minute need not be the one that counts.
            misfire: Misfire::All,
            grace: LATEST,
        };
        let activity = Schedule {
            id: ACTIVITY.to_owned(),
            rule: NAME.to_owned(),
            // A quiet hour; what is written is about whole days.
            spec: Spec::Daily {
                time: NaiveTime::from_hms_opt(3, 50, 0).unwrap_or_default(),
            },
            zone: self.calendar.zone,
            misfire: Misfire::Once,
            grace: Duration::from_secs(86_400),
        };
        vec![weekly, activity]
    }

    fn issue_of(&self, _schedule: &str, day: chrono::NaiveDate) -> Option<chrono::NaiveDate> {
        self.when.issue_day(day)
    }

    fn wants(&self, head: &EventHead<'_>) -> bool {
        match head.body {
            Body::Message(m) => m.chat.kind == ChatKind::Group && m.sender.kind == SenderKind::Person,
            Body::Click(c) => c.chat.as_ref().is_some_and(|c| c.kind == ChatKind::Group),
            _ => matches!(head.kind, Kind::Recall | Kind::Reaction | Kind::Bot),
        }
    }

    fn on_event<'a>(&'a self, ctx: &'a mut Ctx, event: &'a Event) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move {
            match &event.body {
                Body::Message(m) => self.message(ctx, event, m).await,
                Body::Recall { message, .. } => self.recalled(ctx, &event.app, message).await,
                Body::Reaction {
                    message,
                    chat,
                    user,
                    added,
                    ..
                } => {
                    let delta = Delta {
                        reactions: if *added { 1 } else { -1 },
                        ..Delta::default()
                    };
                    self.light(ctx, event, chat.as_ref(), Some(message), user, delta).await
                }
                Body::Click(click) => {
                    let delta = Delta {
                        clicks: 1,
                        ..Delta::default()
                    };
                    self.light(ctx, event, click.chat.as_ref(), None, &click.user, delta)
                        .await
                }
                // It says whether the group is external.
                Body::Bot { chat, .. } => {
                    self.groups().remove(&(event.app.clone(), chat.id.clone()));
                    Ok(())
                }
                Body::Tick { schedule, .. } if schedule == ACTIVITY => activity::write(ctx).await,
                Body::Tick { local, .. } => self.weekly(ctx, local).await,
                _ => Ok(()),
            }
        })
    }

    fn on_command<'a>(&'a self, ctx: &'a mut Ctx, call: &'a Call) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move {
            match call.id {
                "reports.week" => self.on_demand(ctx, call).await,
                other => Err(RuleError::Fail(format!("reports has no command {other}"))),
            }
        })
    }
}
