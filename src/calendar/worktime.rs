//! Arithmetic with working time.

use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use hutong_model::Timestamp;

use super::Desk;
use crate::config::parse_time;
use crate::schedule::calendar::{instant, wall_clock};

/// From when to when people work on a workday.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    pub from: NaiveTime,
    pub to: NaiveTime,
}

impl Default for Hours {
    fn default() -> Self {
        let at = |h| NaiveTime::from_hms_opt(h, 0, 0).unwrap_or(NaiveTime::MIN);
        Self {
            from: at(9),
            to: at(18),
        }
    }
}

impl Hours {
    /// `09:00-18:00`.
    pub fn parse(text: &str) -> Option<Self> {
        let (from, to) = text.split_once('-')?;
        let (from, to) = (parse_time(from.trim())?, parse_time(to.trim())?);
        (from < to).then_some(Self { from, to })
    }
}

/// Days that a count of working hours looks back at most.
const LONGEST: u64 = 62;

/// The instant from which `hours` of working time pass until `until`: the last day is counted from its
/// beginning of work (or from `until`, if that is earlier), full days before it as far as needed.
/// `None`: no such instant within two months.
pub fn working_hours_before(desk: &Desk, hours: Hours, until: Timestamp, count: u32) -> Option<Timestamp> {
    let end = wall_clock(desk.zone, until)?;
    let mut left = TimeDelta::hours(i64::from(count));
    let mut day: NaiveDate = end.date();
    for _ in 0..LONGEST {
        if desk.days.is_workday(day) {
            let begin = day.and_time(hours.from);
            let stop: NaiveDateTime = end.min(day.and_time(hours.to));
            let worked = (stop - begin).max(TimeDelta::zero());
            if worked >= left {
                return instant(desk.zone, stop - left);
            }
            left -= worked;
        }
        day = day.checked_sub_days(Days::new(1))?;
    }
    None
}

/// True at an hour of a workday at which people work.
pub fn at_work(desk: &Desk, hours: Hours, at: Timestamp) -> bool {
    wall_clock(desk.zone, at)
        .is_some_and(|t| desk.days.is_workday(t.date()) && t.time() >= hours.from && t.time() < hours.to)
}
