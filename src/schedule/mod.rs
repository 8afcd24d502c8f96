//! When things happen: schedules, their occurrences, and what to do about missed ones.
//!
//! Deciding is pure: [`due`] takes a schedule, the last slot that was handled and the time, and says
//! which occurrences fire. An occurrence is the pair (job id, local minute); the database accepts
//! each pair once, so any number of replicas may decide at the same time and no leader is needed.

pub mod calendar;
pub mod cron;
pub mod spec;
pub mod store;
pub mod workdays;
mod worker;

use std::time::Duration;

use chrono_tz::Tz;
use hutong_model::Timestamp;

pub use calendar::{Occurrence, Occurrences};
pub use cron::{CronError, CronExpr};
pub use spec::{NthWorkday, Spec};
pub use store::touch;
pub use workdays::{Coverage, MondayToFriday, WorkdayError, WorkdayTable, Workdays};
pub use worker::{ScheduleSource, Scheduler, TickResult, TickSink};

/// Something that happens again and again.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Chosen explicitly and kept when the rest changes: with the local minute it is the identity
    /// of an occurrence.
    pub id: String,
    /// The rule that gets the tick.
    pub rule: String,
    pub spec: Spec,
    pub zone: Tz,
    pub misfire: Misfire,
    /// An occurrence that is later than this is never made up for, whatever the policy.
    pub grace: Duration,
}

/// What becomes of occurrences that passed while nobody was there to fire them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfire {
    /// They are left out. For reminders.
    Skip,
    /// The newest one is made up for. For digests.
    Once,
    /// All are made up for, oldest first.
    All,
}

/// What becomes of one occurrence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Fire,
    /// Recorded, so that an operator can see what was left out, and not fired.
    Missed,
}

/// An occurrence whose time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    pub occurrence: Occurrence,
    pub verdict: Verdict,
}

/// An occurrence at most this late counts as on time: a restart over the minute is no misfire.
pub const ON_TIME: Duration = Duration::from_secs(60);
/// Occurrences further back than this (or than the grace, if that is longer) are not even listed.
const LOOK_BACK: Duration = Duration::from_secs(31 * 86_400);
/// How many occurrences one decision returns at most; the newest are kept.
pub const MOST_AT_ONCE: usize = 200;

/// The occurrences after `last_slot` up to `now`, oldest first, with what to do about each.
///
/// `last_slot` is the last slot that was decided about. Without one the schedule is new: nothing is
/// due, the caller remembers `now` as its beginning. When the clock has gone back behind
/// `last_slot`, nothing is due until it has caught up.
pub fn due(schedule: &Schedule, last_slot: Option<Timestamp>, now: Timestamp) -> Vec<Due> {
    let Some(last_slot) = last_slot.filter(|last| *last < now) else {
        return Vec::new();
    };
    let from = last_slot.max(now - LOOK_BACK.max(schedule.grace));
    let mut newest = std::collections::VecDeque::new();
    for occurrence in Occurrences::after(&schedule.spec, schedule.zone, from).take_while(|o| o.slot <= now) {
        if newest.len() == MOST_AT_ONCE {
            newest.pop_front();
        }
        newest.push_back(occurrence);
    }
    let last = newest.back().copied();
    newest
        .into_iter()
        .map(|occurrence| {
            let late = now.since(occurrence.slot);
            let fire = match schedule.misfire {
                Misfire::Skip => late <= ON_TIME,
                Misfire::Once => Some(occurrence) == last && late <= schedule.grace.max(ON_TIME),
                Misfire::All => late <= schedule.grace.max(ON_TIME),
            };
            Due {
                occurrence,
                verdict: if fire { Verdict::Fire } else { Verdict::Missed },
            }
        })
        .collect()
}

impl Schedule {
    /// The next `n` occurrences strictly after `after`, for people to check.
    pub fn upcoming(&self, after: Timestamp, n: usize) -> Vec<Occurrence> {
        Occurrences::after(&self.spec, self.zone, after).take(n).collect()
    }

    /// Changes when the operator changes what the schedule means: an occurrence that lies between
    /// the last slot and the moment of the change must not fire as if it had been missed.
    pub fn fingerprint(&self) -> String {
        format!("{} {}", self.spec.fingerprint(), self.zone)
    }
}

#[cfg(test)]
mod tests;
