//! When things happen: schedules, their occurrences, and what to do about missed ones.
//!
//! Deciding is pure: [`due`] takes a schedule, the last slot that was handled and the time, and says
//! which occurrences fire. An occurrence is the pair (job id, local minute); the database accepts
//! each pair once, so any number of replicas may decide at the same time and no leader is needed.

pub mod calendar;
pub mod cron;
pub mod spec;
pub mod workdays;

use std::time::Duration;

use chrono_tz::Tz;
use hutong_model::Timestamp;

pub use calendar::{Occurrence, Occurrences};
pub use cron::{CronError, CronExpr};
pub use spec::{NthWorkday, Spec, SpecError, parse_day, parse_time, parse_weekday};
pub use workdays::{Coverage, MondayToFriday, WorkdayError, WorkdayTable, Workdays};

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
mod tests {
    use super::*;
    use chrono::{DateTime, NaiveDate, Utc};
    use proptest::prelude::*;

    fn schedule(cron: &str, misfire: Misfire, grace: Duration) -> Schedule {
        let today = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
        Schedule {
            id: "j".into(),
            rule: "columns".into(),
            spec: Spec::Cron(CronExpr::parse(cron, today).unwrap()),
            zone: Tz::UTC,
            misfire,
            grace,
        }
    }
    fn t(text: &str) -> Timestamp {
        Timestamp(
            format!("2026-11-{text}Z")
                .parse::<DateTime<Utc>>()
                .unwrap()
                .timestamp_millis(),
        )
    }
    /// Minutes that fire and minutes that are missed.
    fn split(schedule: &Schedule, last: &str, now: &str) -> (Vec<String>, Vec<String>) {
        let (fire, missed): (Vec<Due>, Vec<Due>) = due(schedule, Some(t(last)), t(now))
            .into_iter()
            .partition(|d| d.verdict == Verdict::Fire);
        let texts = |list: Vec<Due>| list.iter().map(|d| d.occurrence.local_text()[8..].to_owned()).collect();
        (texts(fire), texts(missed))
    }
    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn down_at_nine_up_at_eleven() {
        let skip = schedule("0 9 * * *", Misfire::Skip, 12 * HOUR);
        assert_eq!(
            split(&skip, "23T09:00:00", "24T11:00:00"),
            (vec![], vec!["24T09:00".to_owned()])
        );
        let once = schedule("*/30 9-10 * * *", Misfire::Once, 12 * HOUR);
        let (fire, missed) = split(&once, "24T08:00:00", "24T11:00:00");
        assert_eq!(fire, ["24T10:30"]);
        assert_eq!(missed, ["24T09:00", "24T09:30", "24T10:00"]);
        let all = schedule("*/30 9-10 * * *", Misfire::All, 12 * HOUR);
        let (fire, missed) = split(&all, "24T08:00:00", "24T11:00:00");
        assert_eq!(fire, ["24T09:00", "24T09:30", "24T10:00", "24T10:30"]);
        assert!(missed.is_empty());
    }

    #[test]
    fn grace_bounds_what_is_made_up_for() {
        let once = schedule("0 9 * * *", Misfire::Once, HOUR);
        assert_eq!(split(&once, "23T09:00:00", "24T10:00:00").0, ["24T09:00"]);
        assert!(split(&once, "23T09:00:00", "24T10:00:01").0.is_empty());
        let all = schedule("0 * * * *", Misfire::All, 2 * HOUR);
        assert_eq!(split(&all, "24T03:00:00", "24T11:30:00").0, ["24T10:00", "24T11:00"]);
        // A short stop over the minute is no misfire, even without any grace.
        let skip = schedule("0 9 * * *", Misfire::Skip, Duration::ZERO);
        assert_eq!(split(&skip, "23T09:00:00", "24T09:00:59").0, ["24T09:00"]);
    }

    #[test]
    fn a_new_schedule_owes_nothing_and_a_clock_that_went_back_neither() {
        let all = schedule("* * * * *", Misfire::All, 12 * HOUR);
        assert!(due(&all, None, t("24T09:00:00")).is_empty());
        assert!(due(&all, Some(t("24T09:00:00")), t("24T08:00:00")).is_empty());
        assert!(due(&all, Some(t("24T09:00:00")), t("24T09:00:00")).is_empty());
        assert_eq!(due(&all, Some(t("24T09:00:00")), t("24T09:01:00")).len(), 1);
    }

    #[test]
    fn a_year_of_absence_stays_small() {
        let all = schedule("* * * * *", Misfire::All, 12 * HOUR);
        let last = t("24T09:00:00") - Duration::from_secs(366 * 86_400);
        let list = due(&all, Some(last), t("24T09:00:00"));
        assert_eq!(list.len(), MOST_AT_ONCE);
        assert_eq!(list.last().unwrap().occurrence.local_text(), "2026-11-24T09:00");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// However the ticks fall, each occurrence is decided about exactly once.
        #[test]
        fn each_occurrence_is_decided_once(gaps in proptest::collection::vec(1i64..9000, 1..40), misfire in 0usize..3) {
            let misfire = [Misfire::Skip, Misfire::Once, Misfire::All][misfire];
            let s = schedule("*/7 * * * *", misfire, HOUR);
            let start = t("24T00:00:00");
            let mut last = start;
            let mut now = start;
            let mut seen = Vec::new();
            for gap in gaps {
                now = now + Duration::from_secs(gap as u64);
                let list = due(&s, Some(last), now);
                if let Some(newest) = list.last() {
                    last = newest.occurrence.slot;
                }
                for d in list {
                    let late = now.since(d.occurrence.slot);
                    if d.verdict == Verdict::Fire {
                        prop_assert!(late <= HOUR);
                    } else {
                        prop_assert!(late > ON_TIME || misfire == Misfire::Once);
                    }
                    seen.push(d.occurrence);
                }
            }
            prop_assert_eq!(seen, calendar::between(&s.spec, s.zone, start, now));
        }
    }
}
