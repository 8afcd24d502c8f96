//! The calendar as a file for other calendars (RFC 5545): days off and make-up workdays as all-day
//! events, repetitions as events of their own.

use chrono::{Datelike as _, Days, NaiveDate, NaiveDateTime};
use chrono_tz::Tz;
use hutong_model::Timestamp;

use super::WorkCalendar;
use super::store::Entered;
use crate::config::{Checked, Language};
use crate::schedule::calendar::{instant, wall_clock};

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Unique and the same in every export, ASCII.
    pub uid: String,
    pub summary: String,
    pub when: When,
}

/// A whole day, or a wall-clock minute in a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Day(NaiveDate),
    Minute { local: NaiveDateTime, zone: Tz },
}

/// Backslash, semicolon, comma and line ends of a text (RFC 5545, 3.3.11).
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// A line of at most 75 bytes, longer ones folded between characters (RFC 5545, 3.1).
fn push(out: &mut String, line: &str) {
    let mut width = 0;
    for c in line.chars() {
        if width + c.len_utf8() > 75 {
            out.push_str("\r\n ");
            width = 1;
        }
        out.push(c);
        width += c.len_utf8();
    }
    out.push_str("\r\n");
}

/// The calendar of a configuration with the days off entered in chats: days off and worked weekends
/// from last January to the end of next year, and the next issues of every column.
pub fn of(config: &Checked, entered: &[Entered], now: Timestamp) -> String {
    let calendar = WorkCalendar::of(config);
    let english = config.company.language == Language::English;
    let today = wall_clock(calendar.zone, now).map_or(NaiveDate::MIN, |t| t.date());
    let mut entries = Vec::new();
    let first = NaiveDate::from_ymd_opt(today.year(), 1, 1).unwrap_or(today);
    let last = NaiveDate::from_ymd_opt(today.year() + 1, 12, 31).unwrap_or(today);
    for date in first.iter_days().take_while(|d| *d <= last) {
        let own = entered
            .iter()
            .find(|e| e.date == date && e.scope == super::store::COMPANY);
        let named = calendar.table.holiday(date);
        let public = named.map(|(zh, en)| if english { en } else { zh }.to_owned());
        let makeup = calendar
            .table
            .is_makeup(date)
            .then(|| if english { "workday" } else { "调休上班" }.to_owned());
        if let Some(summary) = own.map(|e| e.name.clone()).or(public).or(makeup) {
            entries.push(Entry {
                uid: format!("day-{date}"),
                summary: if summary.is_empty() {
                    "放假".to_owned()
                } else {
                    summary
                },
                when: When::Day(date),
            });
        }
    }
    let desk = calendar.desk(None, entered);
    let rules = crate::rules::columns::when::Calendar {
        zone: calendar.zone,
        workdays: desk.days.clone(),
        on_holiday: config.schedule.on_holiday,
        on_makeup_workday: config.schedule.on_makeup_workday,
        today,
    };
    for column in config.rules.columns.iter().filter(|c| c.enabled) {
        let zone = column.zone.unwrap_or(calendar.zone);
        let Ok(when) =
            crate::rules::columns::when::When::new(&column.every, &rules, column.on_holiday, column.on_makeup_workday)
        else {
            continue;
        };
        for issue in when.upcoming(today.and_time(chrono::NaiveTime::MIN), 8) {
            entries.push(Entry {
                uid: format!("column-{}-{}", column.id, issue.at.format("%Y%m%dT%H%M")),
                summary: column.title.clone(),
                when: When::Minute { local: issue.at, zone },
            });
        }
    }
    file(&config.company.name, &entries, now)
}

/// The file. `stamp` is when it was made.
pub fn file(name: &str, entries: &[Entry], stamp: Timestamp) -> String {
    let utc = |at: Timestamp| {
        wall_clock(chrono_tz::UTC, at).map_or_else(String::new, |t| t.format("%Y%m%dT%H%M%SZ").to_string())
    };
    let mut out = String::new();
    for line in [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Hutong//Calendar//EN",
        "CALSCALE:GREGORIAN",
    ] {
        push(&mut out, line);
    }
    push(&mut out, &format!("X-WR-CALNAME:{}", escaped(name)));
    for entry in entries {
        push(&mut out, "BEGIN:VEVENT");
        push(&mut out, &format!("UID:{}@hutong", entry.uid));
        push(&mut out, &format!("DTSTAMP:{}", utc(stamp)));
        match entry.when {
            When::Day(date) => {
                let next = date.checked_add_days(Days::new(1)).unwrap_or(date);
                push(&mut out, &format!("DTSTART;VALUE=DATE:{}", date.format("%Y%m%d")));
                push(&mut out, &format!("DTEND;VALUE=DATE:{}", next.format("%Y%m%d")));
                push(&mut out, "TRANSP:TRANSPARENT");
            }
            When::Minute { local, zone } => {
                // In UTC: a file without a VTIMEZONE may not name a zone.
                if let Some(at) = instant(zone, local) {
                    push(&mut out, &format!("DTSTART:{}", utc(at)));
                    push(&mut out, "DURATION:PT15M");
                }
            }
        }
        push(&mut out, &format!("SUMMARY:{}", escaped(&entry.summary)));
        push(&mut out, "END:VEVENT");
    }
    push(&mut out, "END:VCALENDAR");
    out
}
