//! When something happens again: what an operator writes, checked for form. The meaning (zones,
//! holidays, missed times) is the scheduler's.

use std::fmt;

use chrono::{NaiveTime, Weekday};

/// A repetition as written in a config file or in a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScheduleSpec {
    /// `{ weekday = "mon", time = "09:30" }`
    Weekly { weekday: Weekday, time: NaiveTime },
    /// `{ day = 1, time = "09:30" }`; a month without that day uses its last day.
    Monthly { day: u8, time: NaiveTime },
    /// `{ nth = "last_workday", time = "17:00" }`: of every month.
    NthWorkday { nth: NthWorkday, time: NaiveTime },
    /// `{ nth = "2nd mon", time = "09:30" }`: of every month. 1 to 5; -1 is the last one. A month
    /// without a fifth one has none.
    NthWeekday { nth: i8, weekday: Weekday, time: NaiveTime },
    /// `{ cron = "30 9 * * 1-5" }`: five fields, as in crontab.
    Cron(String),
}

/// A workday of a month, counted from one end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NthWorkday {
    /// 1 is the first workday of the month.
    FromStart(u8),
    /// 1 is the last workday of the month.
    FromEnd(u8),
}

impl NthWorkday {
    pub const FIRST: NthWorkday = NthWorkday::FromStart(1);
    pub const LAST: NthWorkday = NthWorkday::FromEnd(1);

    /// `first_workday`, `2nd_workday` to `10th_workday`, `last_workday`.
    pub fn parse(text: &str) -> Option<Self> {
        let all = (1..=10).map(NthWorkday::FromStart).chain([Self::LAST]);
        all.into_iter().find(|nth| nth.to_string() == text)
    }
}

impl fmt::Display for NthWorkday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ordinal = |n: &u8| match n {
            2 => "nd",
            3 => "rd",
            _ => "th",
        };
        match self {
            NthWorkday::FromStart(1) => f.write_str("first_workday"),
            NthWorkday::FromEnd(1) => f.write_str("last_workday"),
            NthWorkday::FromStart(n) => write!(f, "{n}{}_workday", ordinal(n)),
            NthWorkday::FromEnd(n) => write!(f, "{n}{}_last_workday", ordinal(n)),
        }
    }
}

fn ordinal(nth: i8) -> String {
    match nth {
        -1 => "last".to_owned(),
        1 => "first".to_owned(),
        2 => "2nd".to_owned(),
        3 => "3rd".to_owned(),
        n => format!("{n}th"),
    }
}

/// `first mon`, `2nd mon` to `5th mon`, `last fri`: a weekday of a month.
pub fn parse_nth_weekday(text: &str) -> Option<(i8, Weekday)> {
    let (nth, weekday) = text.trim().split_once(' ')?;
    let nth = [1, 2, 3, 4, 5, -1]
        .into_iter()
        .find(|n| ordinal(*n) == nth || (*n == 1 && nth == "1st"))?;
    Some((nth, parse_weekday(weekday.trim())?))
}

impl ScheduleSpec {
    /// As it is written in the configuration, an inline table.
    pub fn toml(&self) -> String {
        let short = |weekday: &Weekday| weekday.to_string().to_lowercase();
        let at = |time: &NaiveTime| format!("time = \"{}\"", time.format("%H:%M"));
        match self {
            ScheduleSpec::Weekly { weekday, time } => format!("{{ weekday = \"{}\", {} }}", short(weekday), at(time)),
            ScheduleSpec::Monthly { day, time } => format!("{{ day = {day}, {} }}", at(time)),
            ScheduleSpec::NthWorkday { nth, time } => format!("{{ nth = \"{nth}\", {} }}", at(time)),
            ScheduleSpec::NthWeekday { nth, weekday, time } => {
                format!("{{ nth = \"{} {}\", {} }}", ordinal(*nth), short(weekday), at(time))
            }
            ScheduleSpec::Cron(text) => format!("{{ cron = \"{text}\" }}"),
        }
    }

    /// The time of day, where there is one.
    pub fn time(&self) -> Option<NaiveTime> {
        match self {
            ScheduleSpec::Weekly { time, .. }
            | ScheduleSpec::Monthly { time, .. }
            | ScheduleSpec::NthWorkday { time, .. }
            | ScheduleSpec::NthWeekday { time, .. } => Some(*time),
            ScheduleSpec::Cron(_) => None,
        }
    }

    /// The day as an operator types it in a chat, with a time: `周一`, `每月1日`, `最后工作日`, `first_workday`,
    /// `2nd mon`, or five fields of cron (the time is then not looked at).
    pub fn typed(day: &str, time: Option<NaiveTime>) -> Option<Self> {
        let day = day.trim().trim_start_matches('每').trim();
        if day.split_whitespace().count() == 5 {
            return cron_form(day).is_ok().then(|| ScheduleSpec::Cron(day.to_owned()));
        }
        let time = time?;
        if let Some(weekday) = parse_weekday(day) {
            return Some(ScheduleSpec::Weekly { weekday, time });
        }
        let nth = match day {
            "月最后工作日" | "最后工作日" => Some(NthWorkday::LAST),
            "月第一工作日" | "第一工作日" => Some(NthWorkday::FIRST),
            other => NthWorkday::parse(other),
        };
        if let Some(nth) = nth {
            return Some(ScheduleSpec::NthWorkday { nth, time });
        }
        if let Some((nth, weekday)) = parse_nth_weekday(day) {
            return Some(ScheduleSpec::NthWeekday { nth, weekday, time });
        }
        let number = day.trim_start_matches('月').trim_end_matches(['日', '号']);
        let number: u8 = number.parse().ok().filter(|n| (1..=31).contains(n))?;
        // A bare number could be meant as a weekday.
        let said = day.ends_with(['日', '号']);
        said.then_some(ScheduleSpec::Monthly { day: number, time })
    }
}

/// `mon` to `sun`, also in full, also `周一` to `周日`.
pub fn parse_weekday(text: &str) -> Option<Weekday> {
    let lower = text.to_lowercase();
    let chinese = lower
        .strip_prefix("周")
        .or_else(|| lower.strip_prefix("星期"))
        .or_else(|| lower.strip_prefix("礼拜"));
    match chinese {
        Some("一") => Some(Weekday::Mon),
        Some("二") => Some(Weekday::Tue),
        Some("三") => Some(Weekday::Wed),
        Some("四") => Some(Weekday::Thu),
        Some("五") => Some(Weekday::Fri),
        Some("六") => Some(Weekday::Sat),
        Some("日" | "天") => Some(Weekday::Sun),
        Some(_) => None,
        None => lower.parse().ok(),
    }
}

/// `周一`.
pub fn weekday_zh(weekday: Weekday) -> &'static str {
    match weekday {
        Weekday::Mon => "周一",
        Weekday::Tue => "周二",
        Weekday::Wed => "周三",
        Weekday::Thu => "周四",
        Weekday::Fri => "周五",
        Weekday::Sat => "周六",
        Weekday::Sun => "周日",
    }
}

/// `HH:MM`, 24 hours.
pub fn parse_time(text: &str) -> Option<NaiveTime> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |t: &str| t.len() <= 2 && !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    if !digits(hour) || !digits(minute) || minute.len() != 2 {
        return None;
    }
    NaiveTime::from_hms_opt(hour.parse().ok()?, minute.parse().ok()?, 0)
}

impl ScheduleSpec {
    /// As a person would say it.
    pub fn words(&self, chinese: bool) -> String {
        let at = |time: &NaiveTime| time.format("%H:%M").to_string();
        match (self, chinese) {
            (ScheduleSpec::Weekly { weekday, time }, true) => format!("每{} {}", weekday_zh(*weekday), at(time)),
            (ScheduleSpec::Weekly { weekday, time }, false) => format!("every {weekday} {}", at(time)),
            (ScheduleSpec::Monthly { day, time }, true) => format!("每月{day}日 {}", at(time)),
            (ScheduleSpec::Monthly { day, time }, false) => format!("day {day} of every month {}", at(time)),
            (ScheduleSpec::NthWorkday { nth, time }, true) => match nth {
                NthWorkday::FromStart(n) => format!("每月第{n}个工作日 {}", at(time)),
                NthWorkday::FromEnd(n) => format!("每月倒数第{n}个工作日 {}", at(time)),
            },
            (ScheduleSpec::NthWorkday { nth, time }, false) => match nth {
                NthWorkday::FromStart(n) => format!("workday {n} of every month {}", at(time)),
                NthWorkday::FromEnd(n) => format!("workday {n} from the end of every month {}", at(time)),
            },
            (ScheduleSpec::NthWeekday { nth, weekday, time }, true) => match nth {
                -1 => format!("每月最后一个{} {}", weekday_zh(*weekday), at(time)),
                n => format!("每月第{n}个{} {}", weekday_zh(*weekday), at(time)),
            },
            (ScheduleSpec::NthWeekday { nth, weekday, time }, false) => {
                format!("{} {weekday} of every month {}", ordinal(*nth), at(time))
            }
            (ScheduleSpec::Cron(text), _) => format!("cron {text}"),
        }
    }
}

impl fmt::Display for ScheduleSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words(false))
    }
}

/// The five fields of a crontab line: name, least, most.
const CRON_FIELDS: [(&str, u32, u32); 5] = [
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day", 1, 31),
    ("month", 1, 12),
    ("weekday", 0, 7),
];

/// Checks the form of a five-field cron expression: numbers, names, `*`, lists, ranges, steps.
/// The error names the field. Whether it ever fires is for the scheduler to say.
pub fn cron_form(text: &str) -> Result<(), String> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() != CRON_FIELDS.len() {
        return Err(format!(
            "it has {} fields and needs five: minute hour day month weekday",
            fields.len()
        ));
    }
    for (field, (name, least, most)) in fields.iter().zip(CRON_FIELDS) {
        for item in field.split(',') {
            cron_item(item, name, least, most).map_err(|why| format!("{name} {item:?}: {why}"))?;
        }
    }
    Ok(())
}

fn cron_item(item: &str, field: &str, least: u32, most: u32) -> Result<(), String> {
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (item, None),
    };
    let value = |text: &str| -> Result<u32, String> {
        const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
        const MONTHS: [&str; 12] = [
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ];
        let lower = text.to_ascii_lowercase();
        let named = match field {
            "weekday" => DAYS.iter().position(|d| *d == lower),
            "month" => MONTHS.iter().position(|m| *m == lower).map(|n| n + 1),
            _ => None,
        };
        let n = match named {
            Some(n) => u32::try_from(n).ok(),
            None if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
            None => None,
        };
        n.filter(|n| (least..=most).contains(n))
            .ok_or_else(|| format!("use {least} to {most}"))
    };
    let many = match range.split_once('-') {
        _ if range == "*" => true,
        Some((from, to)) => {
            let (from, to) = (value(from)?, value(to)?);
            // `fri-sun` and `5-0` end on Sunday, which is 0 and 7.
            if from > to && !(field == "weekday" && to == 0) {
                return Err("the range runs backwards".to_owned());
            }
            true
        }
        None => {
            value(range)?;
            false
        }
    };
    match step {
        None => Ok(()),
        Some(_) if !many => Err("a step needs * or a range before it".to_owned()),
        Some(step) => match step.parse::<u32>() {
            Ok(n) if n >= 1 && n <= most => Ok(()),
            _ => Err(format!("a step is a number from 1 to {most}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weekdays_in_two_languages() {
        for (text, day) in [
            ("mon", Weekday::Mon),
            ("Sunday", Weekday::Sun),
            ("周日", Weekday::Sun),
            ("星期三", Weekday::Wed),
        ] {
            assert_eq!(parse_weekday(text), Some(day), "{text}");
        }
        for text in ["", "1", "周", "周八", "mo", "周一二"] {
            assert_eq!(parse_weekday(text), None, "{text}");
        }
    }

    #[test]
    fn times_of_day() {
        let at = |h, m| NaiveTime::from_hms_opt(h, m, 0);
        for (text, time) in [
            ("09:30", at(9, 30)),
            ("9:05", at(9, 5)),
            ("23:59", at(23, 59)),
            ("00:00", at(0, 0)),
        ] {
            assert_eq!(parse_time(text), time, "{text}");
        }
        for text in ["24:00", "9:5", "9", "", ":", "09:60", "+9:00", "009:00", "09:30:00"] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    #[test]
    fn workdays_of_a_month() {
        for text in [
            "first_workday",
            "2nd_workday",
            "3rd_workday",
            "10th_workday",
            "last_workday",
        ] {
            assert_eq!(NthWorkday::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "0th_workday",
            "1st_workday",
            "11th_workday",
            "2th_workday",
            "second",
            "workday_3",
        ] {
            assert_eq!(NthWorkday::parse(text), None, "{text}");
        }
    }

    #[test]
    fn forms_of_cron() {
        for text in [
            "30 9 * * 1-5",
            "*/15 8-18 1,15 * *",
            "0 9 * * FRI-SUN",
            "0 0 29 feb *",
            "5 4 * * 5-7",
            "0 9 * * 0",
        ] {
            assert_eq!(cron_form(text), Ok(()), "{text}");
        }
        for (text, part) in [
            ("", "0 fields"),
            ("0 30 9 * * 1", "6 fields"),
            ("60 9 * * *", "minute \"60\""),
            ("0 9 0 * *", "day \"0\""),
            ("0 9 * 13 *", "month"),
            ("0 9 * * 8", "weekday"),
            ("0 9 * * moon", "weekday"),
            ("5/10 9 * * *", "step"),
            ("*/0 9 * * *", "step"),
            ("0 18-8 * * *", "backwards"),
            ("0 9,, * * *", "hour"),
            ("@daily", "1 fields"),
        ] {
            let error = cron_form(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
