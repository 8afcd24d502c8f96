//! `[calendar]` with its blocks `[[calendar.office]]`.

use chrono::NaiveDate;
use chrono_tz::Tz;

use super::national::{self, Year};
use super::worktime::Hours;
use crate::config::{Reader, Section, Wrong};

/// `[calendar]`: days off and offices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CalendarConfig {
    /// Yearly notices as files, on top of the built-in table.
    pub national: Vec<Year>,
    /// Company days off, besides the public ones.
    pub days_off: Vec<DayOff>,
    pub hours: Hours,
    pub offices: Vec<Office>,
}

/// A day off with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayOff {
    pub date: NaiveDate,
    pub name: String,
}

/// `[[calendar.office]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Office {
    pub id: String,
    pub zone: Tz,
    /// Groups that read there, `app:chat_id`.
    pub groups: Vec<String>,
    /// Departments that work there, with everything below them.
    pub departments: Vec<String>,
    /// The public holidays of the company do not hold there.
    pub weekends_only: bool,
    pub days_off: Vec<DayOff>,
}

/// `2026-12-31 公司调休`
fn day_off(text: &str) -> Result<DayOff, Wrong> {
    let (date, name) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let date = date.parse().map_err(|_| {
        Wrong::new(
            format!("{text:?} does not begin with a date"),
            "write \"2026-12-31\" or \"2026-12-31 name of the day\"",
        )
    })?;
    let name: String = name.trim().chars().take(40).collect();
    Ok(DayOff { date, name })
}

impl Section for CalendarConfig {
    const NAME: &'static str = "calendar";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let env = reader.environment();
        let national = reader.list("national").count(0..=20).unique().each(|path| {
            let text = env.file(&path).map_err(|why| {
                let hint = "relative paths begin at the folder of this file; take it out for the built-in holidays";
                Wrong::new(format!("the file {path:?} cannot be read: {why}"), hint)
            })?;
            read_year(&path, &text)
        });
        let national = national.get();
        let days_off = reader
            .list("days_off")
            .count(0..=100)
            .unique()
            .each(|t| day_off(&t))
            .get();
        let hours = reader.text("hours").parse(|text| {
            Hours::parse(&text).ok_or_else(|| {
                Wrong::new(
                    format!("{text:?} are not hours"),
                    "write \"09:00-18:00\", the earlier first",
                )
            })
        });
        let hours = hours.get();
        let offices = reader.tables("office", read_office);
        Some(Self {
            national: national?,
            days_off: days_off?,
            hours: hours?,
            offices: offices?,
        })
    }
}

fn read_office(reader: &mut Reader<'_>) -> Option<Office> {
    let apps: Vec<&str> = reader.app_ids().collect();
    let id = reader.text("id").parse(|id| {
        let good = (1..=32).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        match good {
            true => Ok(id),
            false => Err(Wrong::new(
                format!("{id:?} is not an id"),
                "use a-z 0-9 -, for example \"sgp\"",
            )),
        }
    });
    let id = id.get();
    let zone = reader.zone("tz").get();
    let groups = reader.list("groups").count(0..=500).unique().each(|text| {
        let known = text.split_once(':').is_some_and(|(app, _)| apps.contains(&app));
        match known {
            true => Ok(text),
            false => Err(Wrong::new(
                format!("{text:?} is not a group of an app"),
                "write \"app:chat_id\" with the id of an [[app]]",
            )),
        }
    });
    let groups = groups.get();
    let departments = reader.list("departments").count(0..=200).texts().get();
    let weekends_only = reader.boolean("weekends_only").get();
    let days_off = reader
        .list("days_off")
        .count(0..=100)
        .unique()
        .each(|t| day_off(&t))
        .get();
    Some(Office {
        id: id?,
        zone: zone?,
        groups: groups?,
        departments: departments?,
        weekends_only: weekends_only?,
        days_off: days_off?,
    })
}

/// One file of the list `national`. The error names the line.
pub(crate) fn read_year(path: &str, text: &str) -> Result<Year, Wrong> {
    national::read(text, national::year_in_name(path)).map_err(|e| {
        Wrong::new(
            format!("{path}, {e}"),
            "take the file out, or use one of the published layout: year, papers, days [name, date, isOffDay]",
        )
    })
}
