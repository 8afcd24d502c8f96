//! The yearly notice about public holidays as a file: `{"year": 2026, "papers": [..], "days":
//! [{"name": "元旦", "date": "2026-01-01", "isOffDay": true}, ..]}`, the layout in which the notices
//! are commonly published. A notice may also move days of the December before its year.

use chrono::{Datelike as _, NaiveDate};
use serde::Deserialize;

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Year {
    pub year: i32,
    /// The notices it was made from.
    pub papers: Vec<String>,
    pub days: Vec<Day>,
}

/// A day that differs from Monday to Friday, or a weekend day named as a holiday.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    pub name: String,
    pub date: NaiveDate,
    pub off: bool,
}

/// Why a file was refused. Lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct NationalError {
    pub line: usize,
    pub what: String,
}

#[derive(Deserialize)]
struct RawYear {
    year: i32,
    #[serde(default)]
    papers: Vec<String>,
    days: Vec<RawDay>,
}

#[derive(Deserialize)]
struct RawDay {
    name: String,
    date: String,
    #[serde(rename = "isOffDay")]
    off: bool,
}

/// Reads a file. `expected` is the year that its name promises, if it does.
pub fn read(text: &str, expected: Option<i32>) -> Result<Year, NationalError> {
    let raw: RawYear = serde_json::from_str(text).map_err(|e| NationalError {
        line: e.line().max(1),
        what: format!("this is not the published layout: {e}"),
    })?;
    let wrong = |needle: &str, what: String| NationalError {
        line: text.lines().position(|l| l.contains(needle)).map_or(1, |n| n + 1),
        what,
    };
    if let Some(expected) = expected.filter(|e| *e != raw.year) {
        let what = format!("the file is for {}, its name says {expected}", raw.year);
        return Err(wrong("\"year\"", what));
    }
    if raw.days.is_empty() {
        return Err(wrong(
            "\"days\"",
            format!("no days: the notice for {} is not in it", raw.year),
        ));
    }
    let mut days: Vec<Day> = Vec::with_capacity(raw.days.len());
    for day in raw.days {
        let date = NaiveDate::parse_from_str(&day.date, "%Y-%m-%d")
            .map_err(|_| wrong(&day.date, format!("`{}` is not a date", day.date)))?;
        let december_before = date.year() == raw.year - 1 && date.month() == 12;
        if date.year() != raw.year && !december_before {
            let what = format!("{date} is not in {} and not in the December before", raw.year);
            return Err(wrong(&day.date, what));
        }
        if days.iter().any(|d| d.date == date) {
            return Err(wrong(&day.date, format!("{date} stands in the file twice")));
        }
        days.push(Day {
            name: day.name.chars().take(40).collect(),
            date,
            off: day.off,
        });
    }
    let papers = raw.papers;
    Ok(Year {
        year: raw.year,
        papers,
        days,
    })
}

/// The year that a file's name promises: `2027.json`, `holidays-2027.json`.
pub fn year_in_name(path: &str) -> Option<i32> {
    let file = path.rsplit(['/', '\\']).next().unwrap_or(path);
    let stem = file.split('.').next().unwrap_or(file);
    let digits = stem.rsplit(|c: char| !c.is_ascii_digit()).next()?;
    (digits.len() == 4).then(|| digits.parse().ok()).flatten()
}
