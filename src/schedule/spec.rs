//! What an operator may ask for: a cron expression, or a rule in words ("every Monday at 09:30",
//! "the last workday of the month"). How it is written belongs to the configuration.

use std::fmt;
use std::sync::Arc;

use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, Timelike, Weekday};

use super::cron::CronExpr;
use super::workdays::Workdays;

/// When something happens, in wall-clock time of a zone that is named elsewhere.
#[derive(Debug, Clone)]
pub enum Spec {
    Cron(CronExpr),
    Daily {
        time: NaiveTime,
    },
    Weekly {
        weekday: Weekday,
        time: NaiveTime,
    },
    /// Day 1 to 31; in a shorter month its last day.
    Monthly {
        day: u8,
        time: NaiveTime,
    },
    /// A weekday counted within the month, 1 to 5 or -1 for the last one. A month without it has none.
    NthWeekday {
        nth: i8,
        weekday: Weekday,
        time: NaiveTime,
    },
    /// A workday counted within the month. A month with fewer workdays has none.
    Workday {
        nth: NthWorkday,
        time: NaiveTime,
        workdays: Arc<dyn Workdays>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NthWorkday {
    /// 1 is the first workday of the month.
    First(u8),
    /// 1 is the last workday of the month, 2 the one before it.
    Last(u8),
}

/// Months without an occurrence after which a search gives up.
const SEARCH_MONTHS: u32 = 61;

impl Spec {
    /// The first wall-clock minute strictly after `after`. `None` when the rule never comes true
    /// within five years.
    pub fn next_after(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        match self {
            Spec::Cron(expr) => expr.next_after(after),
            Spec::Daily { time } => first_day(after, *time, |_| true),
            Spec::Weekly { weekday, time } => first_day(after, *time, |d| d.weekday() == *weekday),
            Spec::Monthly { day, time } => in_months(after, *time, |first| {
                let last = last_of_month(first)?;
                first.with_day(u32::from(*day).min(last.day()))
            }),
            Spec::NthWeekday { nth, weekday, time } => in_months(after, *time, |first| {
                let last = last_of_month(first)?;
                let days: Vec<NaiveDate> = first
                    .iter_days()
                    .take_while(|d| *d <= last)
                    .filter(|d| d.weekday() == *weekday)
                    .collect();
                match u8::try_from(*nth) {
                    Ok(n) => days.get(usize::from(n.checked_sub(1)?)).copied(),
                    Err(_) => days.last().copied(),
                }
            }),
            Spec::Workday { nth, time, workdays } => {
                in_months(after, *time, |first| nth.find(first, workdays.as_ref()))
            }
        }
    }

    /// A text that is equal for equal rules; changes when the operator changes the rule.
    pub fn fingerprint(&self) -> String {
        match self {
            Spec::Cron(expr) => format!("cron {}", expr.as_str()),
            Spec::Daily { time } => format!("daily {}", clock(*time)),
            Spec::Weekly { weekday, time } => format!("weekly {weekday} {}", clock(*time)),
            Spec::Monthly { day, time } => format!("monthly {day} {}", clock(*time)),
            Spec::NthWeekday { nth, weekday, time } => format!("monthly {nth} {weekday} {}", clock(*time)),
            Spec::Workday { nth, time, .. } => format!("{nth} {}", clock(*time)),
        }
    }
}

impl fmt::Display for NthWorkday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NthWorkday::First(n) => write!(f, "workday {n}"),
            NthWorkday::Last(n) => write!(f, "workday -{n}"),
        }
    }
}

impl NthWorkday {
    /// The date in the month that begins on `first`.
    pub fn find(self, first: NaiveDate, workdays: &dyn Workdays) -> Option<NaiveDate> {
        let last = last_of_month(first)?;
        let days = first.iter_days().take_while(|d| *d <= last);
        match self {
            NthWorkday::First(n) => days
                .filter(|d| workdays.is_workday(*d))
                .nth(usize::from(n.checked_sub(1)?)),
            NthWorkday::Last(n) => {
                let days: Vec<NaiveDate> = days.filter(|d| workdays.is_workday(*d)).collect();
                let i = days.len().checked_sub(usize::from(n))?;
                days.get(i).copied()
            }
        }
    }
}

fn clock(time: NaiveTime) -> String {
    format!("{:02}:{:02}", time.hour(), time.minute())
}

fn first_day(after: NaiveDateTime, time: NaiveTime, wanted: impl Fn(NaiveDate) -> bool) -> Option<NaiveDateTime> {
    after
        .date()
        .iter_days()
        .take(9)
        .filter(|d| wanted(*d))
        .map(|d| d.and_time(time))
        .find(|t| *t > after)
}

fn in_months(
    after: NaiveDateTime,
    time: NaiveTime,
    pick: impl Fn(NaiveDate) -> Option<NaiveDate>,
) -> Option<NaiveDateTime> {
    let mut first = after.date().with_day(1)?;
    for _ in 0..SEARCH_MONTHS {
        if let Some(found) = pick(first).map(|d| d.and_time(time)).filter(|t| *t > after) {
            return Some(found);
        }
        first = first.checked_add_months(chrono::Months::new(1))?;
    }
    None
}

fn last_of_month(first: NaiveDate) -> Option<NaiveDate> {
    first
        .checked_add_months(chrono::Months::new(1))?
        .checked_sub_days(Days::new(1))
}

#[cfg(test)]
mod tests {
    use super::super::workdays::{MondayToFriday, WorkdayTable};
    use super::*;

    fn run(spec: &Spec, after: &str, n: usize) -> Vec<String> {
        let mut t = NaiveDateTime::parse_from_str(after, "%Y-%m-%dT%H:%M").unwrap();
        let mut out = Vec::new();
        for _ in 0..n {
            t = spec.next_after(t).unwrap();
            out.push(t.format("%m-%dT%H:%M").to_string());
        }
        out
    }

    #[test]
    fn weekly_and_monthly() {
        let time = NaiveTime::from_hms_opt(9, 30, 0).unwrap();
        let weekly = Spec::Weekly {
            weekday: Weekday::Mon,
            time,
        };
        assert_eq!(
            run(&weekly, "2026-11-23T09:29", 3),
            ["11-23T09:30", "11-30T09:30", "12-07T09:30"]
        );
        assert_eq!(run(&weekly, "2026-11-23T09:30", 1), ["11-30T09:30"]);
        let monthly = Spec::Monthly { day: 31, time };
        assert_eq!(
            run(&monthly, "2026-01-31T09:30", 3),
            ["02-28T09:30", "03-31T09:30", "04-30T09:30"]
        );
        let second = Spec::NthWeekday {
            nth: 2,
            weekday: Weekday::Mon,
            time,
        };
        assert_eq!(
            run(&second, "2026-01-01T00:00", 3),
            ["01-12T09:30", "02-09T09:30", "03-09T09:30"]
        );
        let last = Spec::NthWeekday {
            nth: -1,
            weekday: Weekday::Fri,
            time,
        };
        assert_eq!(run(&last, "2026-01-01T00:00", 2), ["01-30T09:30", "02-27T09:30"]);
        // Only months with five of them.
        let fifth = Spec::NthWeekday {
            nth: 5,
            weekday: Weekday::Mon,
            time,
        };
        assert_eq!(run(&fifth, "2026-01-01T00:00", 2), ["03-30T09:30", "06-29T09:30"]);
        let daily = Spec::Daily { time };
        assert_eq!(run(&daily, "2026-12-31T09:30", 1), ["01-01T09:30"]);
        assert_ne!(weekly.fingerprint(), monthly.fingerprint());
    }

    #[test]
    fn workdays_of_the_month_follow_the_calendar() {
        let time = NaiveTime::from_hms_opt(10, 0, 0).unwrap();
        let china: Arc<dyn Workdays> = Arc::new(WorkdayTable::china().unwrap());
        let first = Spec::Workday {
            nth: NthWorkday::First(1),
            time,
            workdays: china.clone(),
        };
        assert_eq!(run(&first, "2026-01-01T00:00", 2), ["01-04T10:00", "02-02T10:00"]);
        assert_eq!(run(&first, "2026-05-01T00:00", 1), ["05-06T10:00"]);
        assert_eq!(run(&first, "2026-10-01T00:00", 1), ["10-08T10:00"]);
        let last = Spec::Workday {
            nth: NthWorkday::Last(1),
            time,
            workdays: china,
        };
        assert_eq!(run(&last, "2026-02-01T00:00", 1), ["02-28T10:00"]);
        let plain = Spec::Workday {
            nth: NthWorkday::Last(1),
            time,
            workdays: Arc::new(MondayToFriday),
        };
        assert_eq!(run(&plain, "2026-02-01T00:00", 1), ["02-27T10:00"]);
        let none = Spec::Workday {
            nth: NthWorkday::First(30),
            time,
            workdays: Arc::new(MondayToFriday),
        };
        assert_eq!(none.next_after("2026-02-01T00:00:00".parse().unwrap()), None);
    }
}
