//! Which dates people work on: Monday to Friday, or a table of public holidays and make-up workdays.
//!
//! The table is a data file (`config/holidays-cn.toml`), because a new year's notice must not need a
//! new program. A date the table does not name falls back to Monday to Friday; whether a year is
//! complete is a question of its own, see [`WorkdayTable::coverage`].

use std::collections::BTreeMap;
use std::fmt;

use chrono::{Datelike, Days, NaiveDate, Weekday};
use serde::Deserialize;

/// A calendar of workdays.
pub trait Workdays: Send + Sync + fmt::Debug {
    fn is_workday(&self, date: NaiveDate) -> bool;
}

/// Monday to Friday, no holidays.
#[derive(Debug, Clone, Copy, Default)]
pub struct MondayToFriday;

impl Workdays for MondayToFriday {
    fn is_workday(&self, date: NaiveDate) -> bool {
        !matches!(date.weekday(), Weekday::Sat | Weekday::Sun)
    }
}

/// How much a table knows about a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// The yearly notice is in: bridging days and make-up workdays are known.
    Published,
    /// Only the days fixed by regulation; bridging days and make-up workdays are unknown.
    StatutoryOnly,
    Missing,
}

/// Why a table was refused.
#[derive(Debug, thiserror::Error)]
pub enum WorkdayError {
    #[error("the holiday file is not valid: {0}")]
    Syntax(String),
    #[error("the holiday file has schema {found}, this program reads schema 1")]
    Schema { found: i64 },
    #[error("holiday file, year {year}: {what}")]
    Year { year: i32, what: String },
}

/// Public holidays and make-up workdays by date.
#[derive(Debug, Clone, Default)]
pub struct WorkdayTable {
    years: BTreeMap<i32, Coverage>,
    /// Holiday names, Chinese and English, by date off.
    off: BTreeMap<NaiveDate, (String, String)>,
    work: std::collections::BTreeSet<NaiveDate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    schema: i64,
    #[serde(rename = "region")]
    _region: String,
    #[serde(rename = "timezone")]
    _timezone: String,
    #[serde(default)]
    year: Vec<RawYear>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawYear {
    year: i32,
    status: String,
    #[serde(default, rename = "source")]
    _source: Option<String>,
    #[serde(default, rename = "issued")]
    _issued: Option<toml::value::Datetime>,
    #[serde(default)]
    off: Vec<RawOff>,
    #[serde(default)]
    work: Vec<toml::value::Datetime>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOff {
    name: String,
    name_en: String,
    from: toml::value::Datetime,
    to: toml::value::Datetime,
}

impl WorkdayTable {
    /// The table of mainland China that comes with the program.
    pub fn china() -> Result<Self, WorkdayError> {
        Self::from_toml(include_str!("../../config/holidays-cn.toml"))
    }

    /// Reads a holiday file, schema 1: `[[year]]` tables with `off` ranges (both ends included) and
    /// `work` dates.
    pub fn from_toml(text: &str) -> Result<Self, WorkdayError> {
        let raw: RawFile = toml::from_str(text).map_err(|e| WorkdayError::Syntax(e.to_string()))?;
        if raw.schema != 1 {
            return Err(WorkdayError::Schema { found: raw.schema });
        }
        let mut table = Self::default();
        for y in raw.year {
            let bad = |what: String| WorkdayError::Year { year: y.year, what };
            let coverage = match y.status.as_str() {
                "published" => Coverage::Published,
                "statutory-only" => Coverage::StatutoryOnly,
                other => return Err(bad(format!("status `{other}`: use published or statutory-only"))),
            };
            if table.years.insert(y.year, coverage).is_some() {
                return Err(bad("it stands in the file twice".into()));
            }
            for range in &y.off {
                let (from, to) = (date(&range.from).map_err(bad)?, date(&range.to).map_err(bad)?);
                if to < from || (to - from).num_days() > 31 {
                    return Err(bad(format!("{}: from {from} to {to} is no range of days", range.name)));
                }
                let mut day = from;
                while day <= to {
                    table.off.insert(day, (range.name.clone(), range.name_en.clone()));
                    day = day + Days::new(1);
                }
            }
            for day in &y.work {
                let day = date(day).map_err(bad)?;
                if table.off.contains_key(&day) {
                    return Err(bad(format!("{day} is both a day off and a workday")));
                }
                table.work.insert(day);
            }
        }
        Ok(table)
    }

    /// Puts a yearly notice in place of what was known about its year. Days that it moves in the
    /// December before are set too.
    pub fn add_year(&mut self, year: &crate::calendar::national::Year) {
        self.off.retain(|date, _| date.year() != year.year);
        self.work.retain(|date| date.year() != year.year);
        for day in &year.days {
            self.off.remove(&day.date);
            self.work.remove(&day.date);
            match day.off {
                true => drop(self.off.insert(day.date, (day.name.clone(), day.name.clone()))),
                false => drop(self.work.insert(day.date)),
            }
        }
        self.years.insert(year.year, Coverage::Published);
    }

    /// A day off of the company, besides the public ones.
    pub fn add_day_off(&mut self, date: NaiveDate, name: &str) {
        self.work.remove(&date);
        self.off.insert(date, (name.to_owned(), name.to_owned()));
    }

    /// What the table knows about a year; the last days of December may also be moved by the notice
    /// of the following year.
    pub fn coverage(&self, year: i32) -> Coverage {
        self.years.get(&year).copied().unwrap_or(Coverage::Missing)
    }

    /// The holiday a date belongs to, Chinese and English.
    pub fn holiday(&self, date: NaiveDate) -> Option<(&str, &str)> {
        self.off.get(&date).map(|(zh, en)| (zh.as_str(), en.as_str()))
    }

    /// True for a weekend day on which people work.
    pub fn is_makeup(&self, date: NaiveDate) -> bool {
        self.work.contains(&date)
    }
}

impl Workdays for WorkdayTable {
    fn is_workday(&self, date: NaiveDate) -> bool {
        self.work.contains(&date) || (!self.off.contains_key(&date) && MondayToFriday.is_workday(date))
    }
}

fn date(value: &toml::value::Datetime) -> Result<NaiveDate, String> {
    let plain = value.time.is_none() && value.offset.is_none();
    value
        .date
        .filter(|_| plain)
        .and_then(|d| NaiveDate::from_ymd_opt(i32::from(d.year), u32::from(d.month), u32::from(d.day)))
        .ok_or_else(|| format!("{value} is not a date"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn the_chinese_table_of_2026_agrees_with_published_counts() {
        let table = WorkdayTable::china().unwrap();
        // Days off and make-up workdays per year; working days per month of 2026.
        for (year, off, work) in [(2024, 28, 8), (2025, 28, 5), (2026, 33, 6)] {
            assert_eq!(table.off.keys().filter(|k| k.year() == year).count(), off, "{year}");
            assert_eq!(table.work.iter().filter(|k| k.year() == year).count(), work, "{year}");
            assert_eq!(table.coverage(year), Coverage::Published);
        }
        let mut months = [0; 12];
        let mut day = d("2026-01-01");
        while day.year() == 2026 {
            months[day.month0() as usize] += usize::from(table.is_workday(day));
            day = day + Days::new(1);
        }
        assert_eq!(months, [21, 16, 22, 21, 19, 21, 23, 21, 22, 18, 21, 23]);
        assert!(table.is_makeup(d("2026-02-28")) && table.is_workday(d("2026-02-28")));
        assert_eq!(table.holiday(d("2026-10-01")), Some(("国庆节", "National Day")));
        assert_eq!(table.coverage(2027), Coverage::StatutoryOnly);
        assert_eq!(table.coverage(2031), Coverage::Missing);
    }

    #[test]
    fn a_wrong_table_is_refused_with_its_place() {
        let head = "schema = 1\nregion = \"CN\"\ntimezone = \"Asia/Shanghai\"\n";
        for (body, part) in [
            ("[[year]]\nyear = 2030\nstatus = \"maybe\"\n", "status `maybe`"),
            (
                "[[year]]\nyear = 2030\nstatus = \"published\"\noff = [{ name = \"a\", name_en = \"b\", from = 2030-01-02, to = 2030-01-01 }]\n",
                "no range of days",
            ),
            (
                "[[year]]\nyear = 2030\nstatus = \"published\"\noff = [{ name = \"a\", name_en = \"b\", from = 2030-01-01, to = 2030-01-01 }]\nwork = [2030-01-01]\n",
                "both a day off and a workday",
            ),
            (
                "[[year]]\nyear = 2030\nstatus = \"published\"\nwork = [2030-01-01T09:00:00]\n",
                "is not a date",
            ),
            (
                "[[year]]\nyear = 2030\nstatus = \"published\"\nholiday = []\n",
                "unknown field",
            ),
        ] {
            let error = WorkdayTable::from_toml(&format!("{head}{body}"))
                .unwrap_err()
                .to_string();
            assert!(error.contains(part), "{body}: {error}");
        }
        assert!(matches!(
            WorkdayTable::from_toml(&head.replace('1', "2")),
            Err(WorkdayError::Schema { found: 2 })
        ));
    }
}
