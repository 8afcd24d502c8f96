//! What an operator may ask for: a cron expression, or a rule in words ("every Monday at 09:30",
//! "the last workday of the month"). Numbers never stand for weekdays here, only names do.

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

/// Why a piece of a spec was refused; cause and example in one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    #[error("`{0}` is not a weekday: use mon tue wed thu fri sat sun or 周一 … 周日")]
    Weekday(String),
    #[error("`{0}` is not a time of day: write hours and minutes with two digits each, for example 09:30")]
    Time(String),
    #[error("`{0}` is not a workday of the month: use first_workday, 2nd_workday … 10th_workday or last_workday")]
    Nth(String),
    #[error("{0} is not a day of the month: use 1 to 31")]
    Day(i64),
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

    /// Reads `first_workday`, `3rd_workday`, `last_workday`.
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        let bad = || SpecError::Nth(text.chars().take(40).collect());
        let word = text.trim().to_ascii_lowercase();
        let name = word.strip_suffix("_workday").ok_or_else(bad)?;
        match name {
            "first" => Ok(NthWorkday::First(1)),
            "last" => Ok(NthWorkday::Last(1)),
            _ => {
                let digits = name.trim_end_matches(|c: char| c.is_ascii_alphabetic());
                let n: u8 = digits.parse().map_err(|_| bad())?;
                let suffix = match n {
                    1 => "st",
                    2 => "nd",
                    3 => "rd",
                    _ => "th",
                };
                if (1..=10).contains(&n) && name.len() == digits.len() + 2 && name.ends_with(suffix) {
                    Ok(NthWorkday::First(n))
                } else {
                    Err(bad())
                }
            }
        }
    }
}

/// Reads a weekday by name, English (`mon`, `Monday`) or Chinese (`周一`, `星期一`).
pub fn parse_weekday(text: &str) -> Result<Weekday, SpecError> {
    let word = text.trim().to_ascii_lowercase();
    let chinese = ["周", "星期", "礼拜"].iter().find_map(|p| word.strip_prefix(p));
    let found = match chinese {
        Some("一") => Some(Weekday::Mon),
        Some("二") => Some(Weekday::Tue),
        Some("三") => Some(Weekday::Wed),
        Some("四") => Some(Weekday::Thu),
        Some("五") => Some(Weekday::Fri),
        Some("六") => Some(Weekday::Sat),
        Some("日" | "天") => Some(Weekday::Sun),
        Some(_) => None,
        None => word.parse().ok(),
    };
    found.ok_or_else(|| SpecError::Weekday(text.chars().take(40).collect()))
}

/// Reads a time of day, `09:30`.
pub fn parse_time(text: &str) -> Result<NaiveTime, SpecError> {
    let word = text.trim();
    let shape = word.len() == 5
        && word
            .bytes()
            .enumerate()
            .all(|(i, b)| if i == 2 { b == b':' } else { b.is_ascii_digit() });
    let parsed = if shape {
        NaiveTime::parse_from_str(word, "%H:%M").ok()
    } else {
        None
    };
    parsed.ok_or_else(|| SpecError::Time(text.chars().take(40).collect()))
}

/// Checks a day of the month.
pub fn parse_day(day: i64) -> Result<u8, SpecError> {
    match u8::try_from(day) {
        Ok(d) if (1..=31).contains(&d) => Ok(d),
        _ => Err(SpecError::Day(day)),
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
    fn weekdays_have_names_only() {
        for text in ["mon", "Monday", "MON", "周一", "星期一", "礼拜一", " mon "] {
            assert_eq!(parse_weekday(text), Ok(Weekday::Mon), "{text}");
        }
        assert_eq!(parse_weekday("周日"), parse_weekday("星期天"));
        for text in ["1", "0", "", "周八", "m", "月曜"] {
            assert!(parse_weekday(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_written_one_way() {
        assert_eq!(parse_time("09:30"), Ok(NaiveTime::from_hms_opt(9, 30, 0).unwrap()));
        for text in ["9:30", "24:00", "09:60", "0930", "09:30:00", "+9:30", "九点半"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
        assert!(parse_day(0).is_err() && parse_day(32).is_err() && parse_day(31).is_ok());
    }

    #[test]
    fn weekly_and_monthly() {
        let time = parse_time("09:30").unwrap();
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
        let daily = Spec::Daily { time };
        assert_eq!(run(&daily, "2026-12-31T09:30", 1), ["01-01T09:30"]);
        assert_ne!(weekly.fingerprint(), monthly.fingerprint());
    }

    #[test]
    fn workdays_of_the_month_follow_the_calendar() {
        let time = parse_time("10:00").unwrap();
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

    #[test]
    fn nth_reads_what_people_write() {
        assert_eq!(NthWorkday::parse("first_workday"), Ok(NthWorkday::First(1)));
        assert_eq!(NthWorkday::parse("1st_workday"), Ok(NthWorkday::First(1)));
        assert_eq!(NthWorkday::parse("3rd_workday"), Ok(NthWorkday::First(3)));
        assert_eq!(NthWorkday::parse("last_workday"), Ok(NthWorkday::Last(1)));
        for text in [
            "2_workday",
            "2rd_workday",
            "0th_workday",
            "11th_workday",
            "workday",
            "last",
        ] {
            assert!(NthWorkday::parse(text).is_err(), "{text}");
        }
    }
}
