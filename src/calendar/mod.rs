//! The working calendar: on which days, and at which hours, people of an office work.
//!
//! It is made of layers, the later ones on top: Monday to Friday; the yearly public notice (the
//! built-in table or files of the published layout, [`national`]); company days off from the
//! configuration; days off that an operator has entered in a chat. A person has days off besides.
//! Arithmetic is done in the office of whoever reads, never in that of whoever wrote.

pub mod config;
pub mod ics;
pub mod national;
pub mod store;
pub mod worktime;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::NaiveDate;
use chrono_tz::Tz;
use hutong_model::{AppId, ChatId};

use crate::access::Place;
use crate::config::{Checked, Holidays};
use crate::directory::PersonId;
use crate::schedule::{MondayToFriday, WorkdayTable, Workdays};
use crate::store::{StoreError, Tx};

pub use config::{CalendarConfig, DayOff, Office};
pub use worktime::Hours;

/// The calendar of a company as the configuration has it.
#[derive(Debug, Clone)]
pub struct WorkCalendar {
    pub zone: Tz,
    /// With the company's days off of the configuration.
    pub table: Arc<WorkdayTable>,
    /// Other workdays than those of the table, where somebody brings their own.
    pub below: Option<Arc<dyn Workdays>>,
    pub offices: Vec<Office>,
    pub hours: Hours,
}

/// Where somebody works: a zone and its days.
#[derive(Debug, Clone)]
pub struct Desk {
    /// Id of the office; empty: the company.
    pub office: String,
    pub zone: Tz,
    pub days: Arc<dyn Workdays>,
}

/// Days off on top of other workdays.
#[derive(Debug, Clone)]
pub struct WithDaysOff {
    pub below: Arc<dyn Workdays>,
    /// Date and name.
    pub off: BTreeMap<NaiveDate, String>,
}

impl Workdays for WithDaysOff {
    fn is_workday(&self, date: NaiveDate) -> bool {
        !self.off.contains_key(&date) && self.below.is_workday(date)
    }
}

/// The workdays of a configuration: its own file or the table that comes with the program, then the
/// yearly notices, then the company's days off.
pub fn workdays(holidays: &Holidays) -> WorkdayTable {
    let table = match &holidays.file {
        Some(file) => WorkdayTable::from_toml(&file.text),
        None => WorkdayTable::china(),
    };
    // The loader and the tests of the scheduler have read both.
    let mut table = table.unwrap_or_default();
    for year in &holidays.national {
        table.add_year(year);
    }
    for day in &holidays.days_off {
        table.add_day_off(day.date, &day.name);
    }
    table
}

impl WorkCalendar {
    pub fn of(config: &Checked) -> Self {
        Self {
            zone: config.company.zone,
            table: Arc::new(workdays(&config.holidays)),
            below: None,
            offices: config.calendar.offices.clone(),
            hours: config.calendar.hours,
        }
    }

    pub fn plain(zone: Tz, table: WorkdayTable) -> Self {
        Self {
            zone,
            table: Arc::new(table),
            below: None,
            offices: Vec::new(),
            hours: Hours::default(),
        }
    }

    /// The office that a group or a department belongs to; `None`: the company's own.
    pub fn office_of(&self, chat: Option<(&AppId, &ChatId)>, place: &Place) -> Option<&Office> {
        let named = chat.and_then(|(app, chat)| {
            let key = format!("{app}:{chat}");
            self.offices.iter().find(|o| o.groups.contains(&key))
        });
        // The nearest department that an office claims.
        named.or_else(|| {
            place
                .departments
                .iter()
                .find_map(|d| self.offices.iter().find(|o| o.departments.contains(d)))
        })
    }

    /// Zone and workdays of an office (`None`: of the company), with the days off entered in chats.
    pub fn desk(&self, office: Option<&Office>, entered: &[store::Entered]) -> Desk {
        let below: Arc<dyn Workdays> = match office {
            Some(office) if office.weekends_only => Arc::new(MondayToFriday),
            _ => match &self.below {
                Some(below) => below.clone(),
                None => self.table.clone(),
            },
        };
        let id = office.map_or("", |o| o.id.as_str());
        let mut off: BTreeMap<NaiveDate, String> = entered
            .iter()
            .filter(|e| e.scope == store::COMPANY || e.scope == store::office_scope(id))
            .map(|e| (e.date, e.name.clone()))
            .collect();
        if let Some(office) = office {
            off.extend(office.days_off.iter().map(|d| (d.date, d.name.clone())));
        }
        Desk {
            office: id.to_owned(),
            zone: office.map_or(self.zone, |o| o.zone),
            days: Arc::new(WithDaysOff { below, off }),
        }
    }

    /// Every zone that somebody works in, the company's first.
    pub fn zones(&self) -> Vec<Tz> {
        let mut list = vec![self.zone];
        for office in &self.offices {
            if !list.contains(&office.zone) {
                list.push(office.zone);
            }
        }
        list
    }
}

/// True unless the person has said that they are off on this date.
pub async fn at_work_date(tx: &mut Tx, person: &PersonId, date: NaiveDate) -> Result<bool, StoreError> {
    Ok(!store::is_off(tx, person, date).await?)
}
