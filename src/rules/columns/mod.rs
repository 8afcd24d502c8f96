//! Columns: something that appears in groups again and again, on workdays, never empty, never twice.
//!
//! People see a card with the items of the issue and a button `有用`, and send things in with
//! `/投稿 每周资讯 ..`. Editors look at what came in (`/栏目 内容`), take or refuse it, pause a column,
//! or send an issue by hand. An issue is an occurrence (column, local minute); it is claimed per
//! chat before it is sent, so that no restart and no second replica sends it again.

mod ahead;
pub mod commands;
mod edit;
mod issue;
pub mod store;
pub mod when;

#[cfg(test)]
mod tests;

pub use crate::config::rules::columns as config;

use std::sync::Arc;

use hutong_model::{Body, BoxFuture, Event, EventHead, Kind};

use self::config::Column;
use self::when::{Calendar, When};
use crate::commands::{Call, Click, CommandSpec};
use crate::issues::{Gate, Open};
use crate::rules::{Ctx, Rule, RuleError};
use crate::schedule::{CronError, CronExpr, Misfire, Schedule, Spec};

/// Name of the rule and first word of its schedule ids (`columns:weekly-news`).
pub const NAME: &str = "columns";

/// Issues that are reviewed are written ahead; no column has a `+` in its id.
const AHEAD: &str = "columns:+ahead";

/// A column with its days.
struct Entry {
    column: Column,
    when: When,
}

/// The rule module.
pub struct ColumnsRule {
    entries: Vec<Entry>,
    calendar: Calendar,
    /// Asked before an issue is sent.
    gate: Arc<dyn Gate>,
}

impl ColumnsRule {
    /// Columns that are not enabled are left out. Errors: a cron expression that cannot be read or
    /// never fires; the configuration's own check has said so before.
    pub fn new(columns: Vec<Column>, calendar: Calendar) -> Result<Self, CronError> {
        let entries = columns
            .into_iter()
            .filter(|c| c.enabled)
            .map(|column| {
                let when = When::new(&column.every, &calendar, column.on_holiday, column.on_makeup_workday)?;
                Ok(Entry { column, when })
            })
            .collect::<Result<_, CronError>>()?;
        Ok(Self {
            entries,
            calendar,
            gate: Arc::new(Open),
        })
    }

    /// Lets this decide what may be sent.
    pub fn with_gate(mut self, gate: Arc<dyn Gate>) -> Self {
        self.gate = gate;
        self
    }

    fn schedule_of(&self, e: &Entry) -> Schedule {
        Schedule {
            id: format!("{NAME}:{}", e.column.id),
            rule: NAME.to_owned(),
            spec: e.when.asked(),
            zone: e.column.zone.unwrap_or(self.calendar.zone),
            // Asked every day where an issue may move: the newest missed minute need not be the one
            // that counts. A cron expression may fire often; of those only the newest is made up for.
            misfire: match e.when.asked() {
                Spec::Cron(_) => Misfire::Once,
                _ => Misfire::All,
            },
            // Later ones still arrive, so that the editors hear what did not appear.
            grace: e.column.lateness.max(std::time::Duration::from_secs(86_400)),
        }
    }

    fn entry(&self, id: &str) -> Option<&Entry> {
        self.entries.iter().find(|e| e.column.id == id)
    }

    /// By id or title, as people type them.
    fn named(&self, typed: &str) -> Option<&Entry> {
        let typed = typed.trim();
        self.entries
            .iter()
            .find(|e| e.column.id.eq_ignore_ascii_case(typed) || e.column.title.eq_ignore_ascii_case(typed))
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
        let mut list: Vec<Schedule> = self.entries.iter().map(|e| self.schedule_of(e)).collect();
        let reviewed = self.entries.iter().any(|e| self.gate.reviews(&e.column.id));
        if let (true, Ok(every)) = (reviewed, CronExpr::parse("10,40 * * * *", self.calendar.today)) {
            list.push(Schedule {
                id: AHEAD.to_owned(),
                rule: NAME.to_owned(),
                spec: Spec::Cron(every),
                zone: self.calendar.zone,
                misfire: Misfire::Once,
                grace: std::time::Duration::from_secs(86_400),
            });
        }
        list
    }

    fn wants(&self, head: &EventHead<'_>) -> bool {
        head.kind == Kind::Recall && !self.entries.is_empty()
    }

    fn on_event<'a>(&'a self, ctx: &'a mut Ctx, event: &'a Event) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move {
            match &event.body {
                Body::Tick { schedule, .. } if schedule == AHEAD => self.ahead(ctx).await,
                Body::Tick { schedule, slot, local } => {
                    let id = schedule.strip_prefix("columns:").unwrap_or(schedule);
                    match self.entry(id) {
                        Some(entry) => self.occurrence(ctx, entry, *slot, local).await,
                        // Taken out of the configuration since.
                        None => Ok(()),
                    }
                }
                Body::EffectDone { ok, receipt, tag, .. } => self.posted(ctx, *ok, receipt, tag).await,
                Body::Recall { message, .. } => {
                    store::withdraw(ctx.tx(), &event.app, message).await?;
                    Ok(())
                }
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
                "columns.send" => self.send_now(ctx, call).await,
                other => Err(RuleError::Fail(format!("columns has no command {other}"))),
            }
        })
    }

    fn on_click<'a>(&'a self, ctx: &'a mut Ctx, click: &'a Click) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move {
            match click.verb.as_str() {
                "useful" => self.useful(ctx, click).await,
                other => Err(RuleError::Fail(format!("columns has no button {other}"))),
            }
        })
    }
}
