//! The rule modules. A rule is a folder and one line in [`all`]: it reads an event, its own tables
//! and the directory, and writes its own tables and effects, all in one transaction. It knows no
//! platform, no clock and no network.

pub mod calendar;
pub mod columns;
mod ctx;
pub mod directory;
#[cfg(test)]
pub(crate) mod fake;
pub mod groups;
pub mod newcomers;
pub mod noise;
pub mod points;
pub mod rehearsal;
pub mod reports;
pub mod review;
pub mod segments;
pub mod service;
#[cfg(test)]
pub mod testkit;

use std::sync::Arc;

use chrono::NaiveDate;
use hutong_model::{BoxFuture, Event, EventHead, Message, Timestamp};

use crate::commands::{Call, Click, CommandSpec};
use crate::config::Checked;
use crate::directory::Person;
use crate::schedule::{CronError, Schedule};
use crate::store::{StoreError, Tx};
use crate::text::Lang;

use columns::when::Calendar;

pub use ctx::{App, Ctx, Env, PendingEffect, Who, local};

/// All rules that the configuration switches on, in the order in which they see an event. The one
/// line per rule.
pub fn all(config: &Checked, calendar: &Calendar) -> Result<Vec<Arc<dyn Rule>>, CronError> {
    let sections = &config.rules;
    let mut rules: Vec<Arc<dyn Rule>> = vec![Arc::new(directory::DirectoryRule)];
    if !sections.groups.is_empty() {
        let alone = groups::Alone {
            people: config.limits.group_remove_people as usize,
            percent: usize::from(config.limits.group_remove_percent),
        };
        rules.push(Arc::new(groups::Groups::new(
            sections.groups.clone(),
            calendar.zone,
            alone,
            calendar.workdays.clone(),
        )));
    }
    if !sections.segments.is_empty() || sections.interests.is_some() {
        rules.push(Arc::new(segments::Segments::new(
            sections.segments.clone(),
            sections.interests.clone(),
            calendar.zone,
        )));
    }
    if let Some(onboard) = &sections.onboard {
        rules.push(Arc::new(newcomers::Newcomers::new(onboard.clone(), calendar)));
    }
    if let Some(points) = &sections.points {
        rules.push(Arc::new(points::PointsRule::new(points.clone(), calendar.zone)));
    }
    let work_calendar = Arc::new(crate::calendar::WorkCalendar::of(config));
    let review = sections
        .review
        .as_ref()
        .map(|config| review::ReviewRule::new(config.clone(), &sections.columns, calendar.clone()));
    let mut columns = columns::ColumnsRule::new(sections.columns.clone(), calendar.clone())?
        .with_work(work_calendar.clone())
        .with_segments(sections.segments.clone());
    if let Some(review) = &review {
        columns = columns.with_gate(review.gate());
    }
    rules.push(Arc::new(columns));
    if let Some(review) = review {
        rules.push(Arc::new(review));
    }
    rules.push(Arc::new(self::calendar::CalendarRule::new(work_calendar)));
    if let Some(report) = &sections.report {
        rules.push(Arc::new(reports::ReportsRule::new(report.clone(), calendar.clone())?));
    }
    rules.push(Arc::new(rehearsal::RehearsalRule));
    rules.push(Arc::new(noise::NoiseRule::new(calendar.zone, config.noise.merge_at)));
    Ok(rules)
}

/// A rule module.
pub trait Rule: Send + Sync {
    /// Stable name: part of effect keys, tokens and tables.
    fn name(&self) -> &'static str;

    fn commands(&self) -> &'static [CommandSpec] {
        &[]
    }

    /// When it wants to be woken. The tick reaches the rule named in the schedule.
    fn schedules(&self) -> Vec<Schedule> {
        Vec::new()
    }

    /// For a rehearsal: of which day an issue of this schedule appears on `day`, where the rule moves
    /// issues over days off; the same day when nothing moves. `None`: nothing is planned for that day,
    /// or the rule has no such notion.
    fn issue_of(&self, _schedule: &str, _day: NaiveDate) -> Option<NaiveDate> {
        None
    }

    /// For a rehearsal: the first and last day of which an issue of this schedule on `day` speaks, where
    /// it says nothing when people said nothing then. `None`: it always has something to say.
    fn issue_about(&self, _schedule: &str, _day: NaiveDate) -> Option<(NaiveDate, NaiveDate)> {
        None
    }

    /// Which events it wants to see, cheap and pure. Its own commands, clicks, ticks and effect
    /// results reach it without being asked for here.
    fn wants(&self, _head: &EventHead<'_>) -> bool {
        false
    }

    /// An event it wanted, one of its ticks, or the result of one of its effects.
    fn on_event<'a>(&'a self, ctx: &'a mut Ctx, event: &'a Event) -> BoxFuture<'a, Result<(), RuleError>>;

    fn on_command<'a>(&'a self, _ctx: &'a mut Ctx, call: &'a Call) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move { Err(RuleError::Fail(format!("no handler for the command {}", call.id))) })
    }

    /// True for a command whose handler checks itself that the person's role reaches what the
    /// command is about. Without that, a role held for another group or department is no role here.
    fn checks_scope(&self, _command: &str) -> bool {
        false
    }

    /// What this rule adds to `/me`: at most three short lines about this person, in this language.
    fn me_lines<'a>(
        &'a self,
        _ctx: &'a mut Ctx,
        _person: &'a Person,
        _lang: Lang,
    ) -> BoxFuture<'a, Result<Vec<String>, RuleError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// What this rule adds to `/health` for operators: short lines about what it lacks.
    fn health_lines(&self, _now: Timestamp, _lang: Lang) -> Vec<String> {
        Vec::new()
    }

    /// Schedules that stand in the database (made or changed in a chat), beside [`Rule::schedules`].
    /// Read again whenever [`crate::schedule::touch`] was called.
    fn stored_schedules<'a>(&'a self, _tx: &'a mut Tx) -> BoxFuture<'a, Result<Vec<Schedule>, StoreError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn on_click<'a>(&'a self, _ctx: &'a mut Ctx, click: &'a Click) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move { Err(RuleError::Fail(format!("no handler for the button {}", click.verb))) })
    }
}

/// Why a rule did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// The person is told; nothing the rule wrote stays.
    #[error("refused")]
    Refuse(Box<Message>),
    /// Something passing: the item runs again later.
    #[error("try again: {0}")]
    Retry(String),
    /// A defect: the item is parked at once, where operators see it.
    #[error("{0}")]
    Fail(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RuleError {
    pub fn refuse(message: Message) -> Self {
        RuleError::Refuse(Box::new(message))
    }
}
