//! Review: nothing goes out in a column that only one person has seen, and words that must not appear
//! are found before readers find them.
//!
//! An issue that is written (`draft`) goes to the reviewers as a private card with what changed, what
//! the lexicon found and a checklist (`pending`). Somebody who wrote none of it says yes, or returns
//! it with a reason. A yes holds for one version and its SHA-256: every edit makes a new version, and
//! the gate ([`Gate`]) lets pass only what was approved half an hour before its time. Issues sent by
//! hand go first and are looked at within two hours, where the configuration says so. `/更正` puts
//! right what went out wrong. Authors of group messages are told in private about words of the lexicon.

mod card;
mod commands;
mod correct;
mod decide;
mod desk;
mod gate;
mod members;
mod store;
mod watch;

#[cfg(test)]
mod tests;

pub use crate::config::rules::review as config;

use std::sync::Arc;
use std::time::Duration;

use chrono::{NaiveDate, NaiveTime, Weekday};
use hutong_model::{AppId, Body, BoxFuture, ChatId, ChatKind, DeliveryClass, Event, EventHead, Message, SenderKind};

use crate::access::store::holders;
use crate::access::{Place, Role};
use crate::commands::{Asker, Call, Click, CommandSpec};
use crate::config::rules::columns::{Column, ColumnChat};
use crate::directory::PersonId;
use crate::issues::{self, Issue};
use crate::rules::columns::when::Calendar;
use crate::rules::columns::written::stored;
use crate::rules::{Ctx, Rule, RuleError};
use crate::schedule::{CronExpr, Misfire, Schedule, Spec};
use crate::store::{StoreError, Tx};
use crate::text::Lang;
use crate::text::review::Say;

use config::{Columns, Review};
pub use gate::ReviewGate;

pub const NAME: &str = "review";
/// Half hours before an issue are among these minutes, for all usual times.
const EVERY: &str = "*/15 * * * *";
/// Housekeeping: done when the service looks. Where nobody has looked, the gate holds the issue itself.
const WATCH: &str = "review:~watch";
const WEEK: &str = "review:week";

/// What the review knows of a column.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub id: String,
    pub title: String,
    pub app: AppId,
    pub chats: Vec<ChatId>,
}

impl Known {
    fn of(column: &Column) -> Self {
        let chats = column.chats.iter().filter_map(|chat| match chat {
            ColumnChat::Chat(chat) => Some(chat.clone()),
            _ => None,
        });
        Self {
            id: column.id.clone(),
            title: column.title.clone(),
            app: column.app.clone(),
            chats: chats.collect(),
        }
    }
}

/// What rule and gate share.
pub struct Desk {
    pub(super) config: Review,
    /// Those of the configuration; see [`Desk::all`].
    columns: Vec<Known>,
    pub(super) calendar: Calendar,
}

/// The rule module.
pub struct ReviewRule {
    desk: Arc<Desk>,
}

impl ReviewRule {
    pub fn new(config: Review, columns: &[Column], calendar: Calendar) -> Self {
        let columns = columns.iter().map(Known::of).collect();
        Self {
            desk: Arc::new(Desk {
                config,
                columns,
                calendar,
            }),
        }
    }

    /// What the sender of columns asks.
    pub fn gate(&self) -> Arc<ReviewGate> {
        Arc::new(ReviewGate(self.desk.clone()))
    }

    fn reviews(&self, column: &str) -> bool {
        self.desk.reviews(column)
    }
}

impl Desk {
    /// Whether issues of this column need a yes. One that was made in a chat is no way round it.
    pub(super) fn reviews(&self, column: &str) -> bool {
        let only = &self.config.only;
        self.config.columns == Columns::TwoPerson && (only.is_empty() || only.iter().any(|c| c == column))
    }

    /// The columns of the configuration, then those made in chats.
    pub(super) async fn all(&self, tx: &mut Tx) -> Result<Vec<Known>, StoreError> {
        let mut list = self.columns.clone();
        for column in stored(tx).await? {
            if self.columns.iter().all(|c| c.id != column.id) {
                list.push(Known::of(&column));
            }
        }
        Ok(list)
    }

    pub(super) async fn column(&self, tx: &mut Tx, id: &str) -> Result<Option<Known>, StoreError> {
        match self.columns.iter().find(|c| c.id == id) {
            Some(known) => Ok(Some(known.clone())),
            None => Ok(self.all(tx).await?.into_iter().find(|c| c.id == id)),
        }
    }

    fn today(&self, ctx: &Ctx) -> NaiveDate {
        crate::rules::local(self.calendar.zone, ctx.now()).date_naive()
    }
}

/// Writes to a person through this app, or another of their platforms.
pub(super) async fn reach(
    ctx: &mut Ctx,
    part: &str,
    app: &AppId,
    person: &PersonId,
    class: DeliveryClass,
    message: Message,
) -> Result<bool, RuleError> {
    if ctx.tell(part, app, person, class, message.clone()).await? {
        return Ok(true);
    }
    let others: Vec<AppId> = ctx.env().apps.keys().filter(|a| *a != app).cloned().collect();
    for other in others {
        if ctx.tell(part, &other, person, class, message.clone()).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) async fn language_of(ctx: &mut Ctx, person: &PersonId) -> Result<Lang, RuleError> {
    let found = ctx.directory().person(person).await?;
    let own = found.and_then(|p| p.language).and_then(|l| Lang::parse(&l));
    Ok(own.unwrap_or(ctx.env().lang))
}

/// Active holders of these roles in the company of an app.
pub(super) async fn people(ctx: &mut Ctx, app: &AppId, roles: &[Role]) -> Result<Vec<PersonId>, RuleError> {
    let Some(company) = ctx.env().app(app).map(|a| a.company.clone()) else {
        return Ok(Vec::new());
    };
    Ok(holders(ctx.tx(), &company, roles, &Place::default()).await?)
}

pub(super) fn refuse(say: &Say<'_>, lang: Lang) -> RuleError {
    RuleError::refuse(Message::text(say.in_lang(lang)))
}

/// The day of an issue as people write it: `11-30`.
pub(super) fn day_of(issue: &Issue) -> &str {
    issue.slot.get(5..10).unwrap_or(&issue.slot)
}

/// Issue numbers are typed.
pub(super) async fn numbered(ctx: &mut Ctx, number: i64, asker: &Asker) -> Result<Issue, RuleError> {
    issues::issue(ctx.tx(), number)
        .await?
        .ok_or_else(|| refuse(&Say::NoIssue { number }, asker.lang))
}

impl Rule for ReviewRule {
    fn name(&self) -> &'static str {
        NAME
    }

    fn commands(&self) -> &'static [CommandSpec] {
        commands::COMMANDS
    }

    fn schedules(&self) -> Vec<Schedule> {
        let schedule = |id: &str, spec, grace| Schedule {
            id: id.to_owned(),
            rule: NAME.to_owned(),
            spec,
            zone: self.desk.calendar.zone,
            misfire: Misfire::Once,
            grace,
        };
        const HOUR: Duration = Duration::from_secs(3_600);
        let mut list = Vec::new();
        if let Ok(every) = CronExpr::parse(EVERY, NaiveDate::default()) {
            list.push(schedule(WATCH, Spec::Cron(every), 24 * HOUR));
        }
        if let Some(time) = NaiveTime::from_hms_opt(9, 0, 0) {
            let weekday = Weekday::Mon;
            list.push(schedule(WEEK, Spec::Weekly { weekday, time }, 24 * HOUR));
        }
        list
    }

    fn wants(&self, head: &EventHead<'_>) -> bool {
        match head.body {
            Body::Message(m) => {
                self.desk.config.members
                    && m.chat.kind == ChatKind::Group
                    && m.sender.kind == SenderKind::Person
                    && !self.desk.config.words.lexicon().is_empty()
            }
            _ => false,
        }
    }

    fn on_event<'a>(&'a self, ctx: &'a mut Ctx, event: &'a Event) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move {
            match &event.body {
                Body::Tick { schedule, .. } if schedule == WATCH => self.watch(ctx).await,
                Body::Tick { schedule, .. } if schedule == WEEK => self.week(ctx).await,
                Body::Message(message) => self.message(ctx, &event.app, message).await,
                Body::EffectDone { ok, receipt, tag, .. } => self.read_by(ctx, &event.app, *ok, receipt, tag).await,
                _ => Ok(()),
            }
        })
    }

    fn on_command<'a>(&'a self, ctx: &'a mut Ctx, call: &'a Call) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move {
            match call.id {
                "review.todo" => self.todo(ctx, call).await,
                "review.rules" => self.rules(ctx, call),
                "review.approve" => self.approve_typed(ctx, call).await,
                "review.return" => self.return_typed(ctx, call).await,
                "review.edit" => self.edit(ctx, call).await,
                "review.correct" => self.correct(ctx, call).await,
                other => Err(RuleError::Fail(format!("review has no command {other}"))),
            }
        })
    }

    fn on_click<'a>(&'a self, ctx: &'a mut Ctx, click: &'a Click) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move {
            match click.verb.as_str() {
                "yes" => self.yes(ctx, click).await,
                "no" => self.no(ctx, click).await,
                "time" => self.other_time(ctx, click).await,
                "mistaken" => self.mistaken(ctx, click).await,
                other => Err(RuleError::Fail(format!("review has no button {other}"))),
            }
        })
    }
}
