//! When the repetitions of a configuration happen next, by the scheduler and the workday calendar.

use std::sync::Arc;

use chrono::{Datelike, Days, NaiveDate};
use hutong_model::Timestamp;

use super::Planned;
use super::ruled_out::{Words, words};
use crate::calendar::workdays;
use crate::config::{Holidays, NthWorkday, OnHoliday, OnMakeupWorkday, ScheduleSpec, weekday_zh};
use crate::schedule::calendar::{Occurrence, Occurrences, wall_clock};
use crate::schedule::{self, Coverage, CronExpr, Spec, WorkdayTable, Workdays};

/// Issues that may fall out before the search for dates ends.
const SEARCH: usize = 400;

/// A repetition as the scheduler takes it. `today` is where it begins to look whether a cron
/// expression ever happens.
pub fn scheduler_spec(spec: &ScheduleSpec, workdays: Arc<dyn Workdays>, today: NaiveDate) -> Result<Spec, String> {
    Ok(match spec {
        ScheduleSpec::Weekly { weekday, time } => Spec::Weekly {
            weekday: *weekday,
            time: *time,
        },
        ScheduleSpec::Monthly { day, time } => Spec::Monthly { day: *day, time: *time },
        ScheduleSpec::NthWorkday { nth, time } => Spec::Workday {
            nth: match nth {
                NthWorkday::FromStart(n) => schedule::NthWorkday::First(*n),
                NthWorkday::FromEnd(n) => schedule::NthWorkday::Last(*n),
            },
            time: *time,
            workdays,
        },
        ScheduleSpec::NthWeekday { nth, weekday, time } => Spec::NthWeekday {
            nth: *nth,
            weekday: *weekday,
            time: *time,
        },
        ScheduleSpec::Cron(text) => Spec::Cron(CronExpr::parse(text, today).map_err(|e| e.to_string())?),
    })
}

/// The scheduler's own check of a repetition, for [`crate::config::Loader::schedule_check`].
pub fn schedule_check(now: Timestamp) -> impl Fn(&ScheduleSpec) -> Result<(), String> {
    move |spec| {
        let today = wall_clock(chrono_tz::UTC, now).ok_or("the clock is not set")?.date();
        scheduler_spec(spec, Arc::new(schedule::MondayToFriday), today).map(|_| ())
    }
}

/// The next dates after `now`, moved by the holiday policy, as texts with their weekday.
pub fn next_dates(now: Timestamp) -> impl Fn(&Planned<'_>) -> Vec<String> {
    move |planned| {
        let table = workdays(planned.holidays);
        let Some(today) = wall_clock(planned.zone, now).map(|local| local.date()) else {
            return Vec::new();
        };
        let Ok(spec) = scheduler_spec(planned.spec, Arc::new(table.clone()), today) else {
            return Vec::new();
        };
        Occurrences::after(&spec, planned.zone, now)
            .take(SEARCH)
            .filter_map(|occurrence| date(occurrence, planned, &table))
            .take(super::DATES)
            .collect()
    }
}

/// One date; `None` when the policy leaves it out.
fn date(occurrence: Occurrence, planned: &Planned<'_>, table: &WorkdayTable) -> Option<String> {
    let (day, time) = (occurrence.local.date(), occurrence.local.time());
    let text = |day: NaiveDate| format!("{day} {} {}", weekday_zh(day.weekday()), day.weekday());
    if planned.on_makeup_workday == OnMakeupWorkday::Skip && table.is_makeup(day) {
        return None;
    }
    let Some((zh, en)) = table.holiday(day) else {
        return Some(format!("{} {}", text(day), time.format("%H:%M")));
    };
    let step = |forward: bool| {
        (1..=31).map_while(move |n| match forward {
            true => day.checked_add_days(Days::new(n)),
            false => day.checked_sub_days(Days::new(n)),
        })
    };
    let moved = match planned.on_holiday {
        OnHoliday::Skip => return None,
        OnHoliday::Keep => day,
        OnHoliday::NextWorkday => step(true).find(|d| table.is_workday(*d))?,
        OnHoliday::PrevWorkday => step(false).find(|d| table.is_workday(*d))?,
    };
    Some(format!("{} {}  <- {day} {zh} {en}", text(moved), time.format("%H:%M")))
}

/// What is not known about the holidays of this year and the next.
pub(super) fn coverage(holidays: &Holidays, now: Timestamp) -> Vec<Words> {
    let table = workdays(holidays);
    let Some(year) = wall_clock(chrono_tz::UTC, now).map(|local| local.year()) else {
        return Vec::new();
    };
    [year, year + 1]
        .into_iter()
        .filter_map(|year| match table.coverage(year) {
            Coverage::Published => None,
            Coverage::StatutoryOnly => Some(words(
                format!("{year} 年只有法定假日,调休未知:通知发布后更新节假日文件"),
                format!("{year}: only statutory holidays are known; update the holiday file after the yearly notice"),
            )),
            Coverage::Missing => Some(words(
                format!("{year} 年的节假日未知:按周一到周五计算"),
                format!("{year}: no holidays are known; Monday to Friday count as workdays"),
            )),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{parse_time, parse_weekday};

    fn at(text: &str) -> Timestamp {
        Timestamp(chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis())
    }

    fn dates(spec: ScheduleSpec, on_holiday: OnHoliday, now: &str) -> Vec<String> {
        next_dates(at(now))(&Planned {
            spec: &spec,
            zone: chrono_tz::Asia::Shanghai,
            on_holiday,
            on_makeup_workday: OnMakeupWorkday::Normal,
            holidays: &Holidays::default(),
        })
    }

    fn monday() -> ScheduleSpec {
        ScheduleSpec::Weekly {
            weekday: parse_weekday("mon").unwrap(),
            time: parse_time("09:30").unwrap(),
        }
    }

    #[test]
    fn a_monday_column_moves_around_the_spring_festival() {
        // The vectors of the feature study for 2026.
        let found = dates(monday(), OnHoliday::NextWorkday, "2026-02-10T00:00:00+08:00");
        assert_eq!(
            found[..3],
            [
                "2026-02-24 周二 Tue 09:30  <- 2026-02-16 春节 Spring Festival",
                "2026-02-24 周二 Tue 09:30  <- 2026-02-23 春节 Spring Festival",
                "2026-03-02 周一 Mon 09:30",
            ]
        );
        let found = dates(monday(), OnHoliday::PrevWorkday, "2026-02-10T00:00:00+08:00");
        assert!(
            found[0].starts_with("2026-02-14 周六") && found[1].starts_with("2026-02-14 周六"),
            "{found:?}"
        );
        let found = dates(monday(), OnHoliday::Skip, "2026-02-10T00:00:00+08:00");
        assert_eq!((found.len(), found[0].as_str()), (5, "2026-03-02 周一 Mon 09:30"));
    }

    #[test]
    fn workdays_of_a_month_and_cron() {
        let last = ScheduleSpec::NthWorkday {
            nth: NthWorkday::LAST,
            time: parse_time("17:00").unwrap(),
        };
        assert_eq!(
            dates(last, OnHoliday::NextWorkday, "2026-02-10T00:00:00+08:00")[0],
            "2026-02-28 周六 Sat 17:00"
        );
        let cron = ScheduleSpec::Cron("0 9 * * 5".to_owned());
        assert_eq!(
            dates(cron, OnHoliday::Keep, "2026-11-24T12:00:00+08:00")[0],
            "2026-11-27 周五 Fri 09:00"
        );
    }

    #[test]
    fn what_never_happens_is_refused() {
        let check = schedule_check(at("2026-11-24T12:00:00Z"));
        assert!(check(&ScheduleSpec::Cron("0 9 30 2 *".to_owned())).is_err());
        assert!(check(&ScheduleSpec::Cron("0 9 29 2 *".to_owned())).is_ok());
        assert!(check(&monday()).is_ok());
    }

    #[test]
    fn unknown_years_are_named() {
        let at = |text| {
            coverage(&Holidays::default(), at(text))
                .into_iter()
                .map(|w| w.en)
                .collect::<Vec<_>>()
        };
        assert_eq!(at("2025-06-01T00:00:00Z"), Vec::<String>::new());
        let found = at("2026-11-24T00:00:00Z");
        assert!(
            found.len() == 1 && found[0].starts_with("2027: only statutory"),
            "{found:?}"
        );
        assert!(
            at("2030-01-01T00:00:00Z")
                .iter()
                .all(|note| note.contains("no holidays are known"))
        );
    }
}
