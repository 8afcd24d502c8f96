//! Columns: something that appears in groups again and again, on workdays, never empty, never twice.
//!
//! People see a card with the items of the issue and a button `有用`, and send things in with
//! `/投稿 每周资讯 ..`. Editors look at what came in (`/栏目 内容`), take or refuse it, pause a column,
//! or send an issue by hand. An issue is an occurrence (column, local minute); it is claimed per
//! chat before it is sent, so that no restart and no second replica sends it again.

mod audience;
pub mod commands;
mod desk;
mod edit;
mod forward;
mod issue;
mod make;
pub mod store;
pub mod when;
pub mod written;

#[cfg(test)]
mod tests;

pub use crate::config::rules::columns as config;

use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;
use hutong_model::{Body, BoxFuture, Event, EventHead};

use self::config::Column;
use self::when::{Calendar, When};
use crate::calendar::WorkCalendar;
use crate::commands::{Call, Click, CommandSpec};
use crate::config::rules::segments::Segment;
use crate::issues::{Gate, Open};
use crate::rules::{Ctx, Rule, RuleError};
use crate::schedule::{CronError, CronExpr, Misfire, Schedule, Spec, WorkdayTable};
use crate::store::{StoreError, Tx};

/// Name of the rule and first word of its schedule ids (`columns:weekly-news`).
pub const NAME: &str = "columns";

/// What the desk of the columns does: reminders, issues that had to wait, items that expire.
const DESK: &str = "columns:~desk";

/// With the number of an issue: the end of its wait behind another column.
const WAITING: &str = "columns:!";

/// A column with its days.
struct Entry {
    column: Column,
    when: When,
    /// Made in a chat; the configuration does not know it.
    stored: bool,
}

/// The rule module.
pub struct ColumnsRule {
    /// Those of the configuration.
    entries: Vec<Arc<Entry>>,
    /// Ids of all columns of the configuration, also of those that are switched off.
    configured: Vec<String>,
    calendar: Calendar,
    /// Offices, hours and days off.
    work: Arc<WorkCalendar>,
    segments: Vec<Segment>,
    /// Asked before an issue is sent.
    gate: Arc<dyn Gate>,
}

impl ColumnsRule {
    /// Columns that are not enabled are left out. Errors: a cron expression that cannot be read or
    /// never fires; the configuration's own check has said so before.
    pub fn new(columns: Vec<Column>, calendar: Calendar) -> Result<Self, CronError> {
        let configured = columns.iter().map(|c| c.id.clone()).collect();
        let entries = columns
            .into_iter()
            .filter(|c| c.enabled)
            .map(|column| Entry::new(column, &calendar, false).map(Arc::new))
            .collect::<Result<_, CronError>>()?;
        let mut work = WorkCalendar::plain(calendar.zone, WorkdayTable::default());
        work.below = Some(calendar.workdays.clone());
        Ok(Self {
            entries,
            configured,
            calendar,
            work: Arc::new(work),
            segments: Vec::new(),
            gate: Arc::new(Open),
        })
    }

    /// Lets this decide what may be sent.
    pub fn with_gate(mut self, gate: Arc<dyn Gate>) -> Self {
        self.gate = gate;
        self
    }

    /// Offices with their zones and days off.
    pub fn with_work(mut self, work: Arc<WorkCalendar>) -> Self {
        self.work = work;
        self
    }

    /// The segments that columns may be for.
    pub fn with_segments(mut self, segments: Vec<Segment>) -> Self {
        self.segments = segments;
        self
    }

    /// All columns as they are now: those of the configuration, then those made in chats. One of the
    /// configuration wins over one with its id.
    async fn all(&self, tx: &mut Tx) -> Result<Vec<Arc<Entry>>, StoreError> {
        let mut list = self.entries.clone();
        for column in written::stored(tx).await? {
            if self.configured.contains(&column.id) {
                continue;
            }
            let id = column.id.clone();
            match Entry::new(column, &self.calendar, true) {
                Ok(entry) => list.push(Arc::new(entry)),
                Err(error) => tracing::warn!(column = %id, %error, "a column made in a chat never appears"),
            }
        }
        Ok(list)
    }

    async fn entry(&self, tx: &mut Tx, id: &str) -> Result<Option<Arc<Entry>>, StoreError> {
        Ok(self.all(tx).await?.into_iter().find(|e| e.column.id == id))
    }

    /// Of one column: its schedule in every zone that somebody reads in.
    fn schedules_of(&self, entry: &Entry) -> Vec<Schedule> {
        let zones = match entry.column.zone {
            Some(zone) => vec![zone],
            None => self.work.zones(),
        };
        let spec = entry.when.asked();
        let schedule = |(n, zone): (usize, Tz)| Schedule {
            id: match n {
                0 => format!("{NAME}:{}", entry.column.id),
                _ => format!("{NAME}:{}@{}", entry.column.id, zone.name()),
            },
            rule: NAME.to_owned(),
            spec: spec.clone(),
            zone,
            // Asked every day where an issue may move: the newest missed minute need not be the one
            // that counts. A cron expression may fire often; of those only the newest is made up for.
            misfire: match spec {
                Spec::Cron(_) => Misfire::Once,
                _ => Misfire::All,
            },
            // Later ones still arrive, so that the editors hear what did not appear.
            grace: entry.column.lateness.max(Duration::from_secs(86_400)),
        };
        zones.into_iter().enumerate().map(schedule).collect()
    }

    fn desk_schedule(&self) -> Option<Schedule> {
        // Twice an hour, while people may be at work.
        Some(Schedule {
            id: DESK.to_owned(),
            rule: NAME.to_owned(),
            spec: Spec::Cron(CronExpr::parse("*/30 8-19 * * *", self.calendar.today).ok()?),
            zone: self.calendar.zone,
            misfire: Misfire::Once,
            grace: Duration::from_secs(3_600),
        })
    }
}

impl Entry {
    fn new(column: Column, calendar: &Calendar, stored: bool) -> Result<Self, CronError> {
        let when = When::new(&column.every, calendar, column.on_holiday, column.on_makeup_workday)?;
        Ok(Self { column, when, stored })
    }
}

impl Rule for ColumnsRule {
    fn name(&self) -> &'static str {
        NAME
    }

    fn commands(&self) -> &'static [CommandSpec] {
        commands::COMMANDS
    }

    fn schedules(&self) -> Vec<Schedule> {
        let mut list: Vec<Schedule> = self.entries.iter().flat_map(|e| self.schedules_of(e)).collect();
        if !list.is_empty() {
            list.extend(self.desk_schedule());
        }
        list
    }

    fn stored_schedules<'a>(&'a self, tx: &'a mut Tx) -> BoxFuture<'a, Result<Vec<Schedule>, StoreError>> {
        Box::pin(async move {
            let all = self.all(tx).await?;
            let stored = all.iter().filter(|e| e.stored && e.column.enabled);
            let mut list: Vec<Schedule> = stored.flat_map(|e| self.schedules_of(e)).collect();
            if !list.is_empty() {
                list.extend(self.desk_schedule());
            }
            // Issues that wait behind another column: each at its own minute.
            for issue in store::spaced(tx).await? {
                let Some(entry) = all.iter().find(|e| e.column.id == issue.column) else {
                    continue;
                };
                let zone = self.zone_of(entry);
                if let Some(at) = crate::schedule::calendar::wall_clock(zone, issue.due_at) {
                    list.push(Schedule {
                        id: format!("{WAITING}{}", issue.id),
                        rule: NAME.to_owned(),
                        spec: Spec::Daily { time: at.time() },
                        zone,
                        misfire: Misfire::Once,
                        grace: Duration::from_secs(86_400),
                    });
                }
            }
            Ok(list)
        })
    }

    fn issue_of(&self, schedule: &str, day: chrono::NaiveDate) -> Option<chrono::NaiveDate> {
        let id = schedule.strip_prefix("columns:")?;
        let id = id.split('@').next().unwrap_or(id);
        let entry = self.entries.iter().find(|e| e.column.id == id)?;
        entry.when.issue_day(day)
    }

    fn wants(&self, head: &EventHead<'_>) -> bool {
        match head.body {
            Body::Recall { .. } => true,
            Body::Message(message) => forward::is_for_us(message),
            _ => false,
        }
    }

    fn on_event<'a>(&'a self, ctx: &'a mut Ctx, event: &'a Event) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move {
            match &event.body {
                Body::Tick { schedule, .. } if schedule == DESK => self.desk(ctx).await,
                Body::Tick { schedule, .. } if schedule.starts_with(WAITING) => {
                    let id = schedule.strip_prefix(WAITING).and_then(|id| id.parse().ok());
                    self.waited(ctx, id.unwrap_or(0)).await
                }
                Body::Tick { schedule, slot, local } => {
                    let id = schedule.strip_prefix("columns:").unwrap_or(schedule);
                    let (id, zone) = match id.split_once('@') {
                        Some((id, zone)) => (id, zone.parse().ok()),
                        None => (id, None),
                    };
                    match self.entry(ctx.tx(), id).await? {
                        Some(entry) => self.occurrence(ctx, &entry, zone, *slot, local).await,
                        // Taken out of the configuration since.
                        None => Ok(()),
                    }
                }
                Body::EffectDone { ok, receipt, tag, .. } => self.posted(ctx, &event.app, *ok, receipt, tag).await,
                Body::Recall { message, .. } => {
                    store::withdraw(ctx.tx(), &event.app, message).await?;
                    Ok(())
                }
                Body::Message(message) => self.forwarded(ctx, event, message).await,
                _ => Ok(()),
            }
        })
    }

    fn on_command<'a>(&'a self, ctx: &'a mut Ctx, call: &'a Call) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move {
            match call.id {
                "columns.submit" => self.submit(ctx, call).await,
                "columns.list" => self.list(ctx, call).await,
                "columns.preview" => self.preview(ctx, call).await,
                "columns.accept" => self.accept(ctx, call).await,
                "columns.refuse" => self.refuse(ctx, call).await,
                "columns.pause" => self.pause(ctx, call, true).await,
                "columns.resume" => self.pause(ctx, call, false).await,
                "columns.new" => self.make(ctx, call).await,
                "columns.plan" => self.plan(ctx, call).await,
                "columns.content" => self.content(ctx, call).await,
                "columns.move" => self.retime(ctx, call).await,
                "columns.show" => self.show(ctx, call).await,
                "columns.expiry" => self.expiry(ctx, call).await,
                "columns.send" => self.send_now(ctx, call).await,
                other => Err(RuleError::Fail(format!("columns has no command {other}"))),
            }
        })
    }

    fn on_click<'a>(&'a self, ctx: &'a mut Ctx, click: &'a Click) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move {
            match click.verb.as_str() {
                "useful" | "more" => self.useful(ctx, click).await,
                "write" => self.ask_for_text(ctx, &click.asker).await,
                "form" => self.form_sent(ctx, click).await,
                "into" => self.forward_into(ctx, click).await,
                "halve" => self.halve(ctx, click).await,
                "merge" => self.merge(ctx, click).await,
                "renew" => self.renew(ctx, click).await,
                other => Err(RuleError::Fail(format!("columns has no button {other}"))),
            }
        })
    }
}
