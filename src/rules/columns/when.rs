//! On which days a column appears: its repetition together with holidays and make-up workdays.

use std::sync::Arc;

use chrono::{Datelike as _, Days, NaiveDate, NaiveDateTime, NaiveTime, Weekday};
use chrono_tz::Tz;

use crate::config::{NthWorkday as ConfigNth, OnHoliday, OnMakeupWorkday, ScheduleSpec};
use crate::schedule::{CronError, CronExpr, NthWorkday, Spec, Workdays};

/// What the company says about days: zone, workdays, and what happens on days off.
#[derive(Debug, Clone)]
pub struct Calendar {
    pub zone: Tz,
    pub workdays: Arc<dyn Workdays>,
    pub on_holiday: OnHoliday,
    pub on_makeup_workday: OnMakeupWorkday,
    /// Where the search begins that refuses a cron expression which never fires.
    pub today: NaiveDate,
}

/// Days that a shift looks ahead or back; longer than any run of days off.
const LONGEST_BREAK: u64 = 31;

/// The scheduler's form of what an operator wrote.
pub fn to_spec(written: &ScheduleSpec, calendar: &Calendar) -> Result<Spec, CronError> {
    Ok(match written {
        ScheduleSpec::Weekly { weekday, time } => Spec::Weekly {
            weekday: *weekday,
            time: *time,
        },
        ScheduleSpec::Monthly { day, time } => Spec::Monthly { day: *day, time: *time },
        ScheduleSpec::NthWorkday { nth, time } => Spec::Workday {
            nth: match nth {
                ConfigNth::FromStart(n) => NthWorkday::First(*n),
                ConfigNth::FromEnd(n) => NthWorkday::Last(*n),
            },
            time: *time,
            workdays: calendar.workdays.clone(),
        },
        ScheduleSpec::NthWeekday { nth, weekday, time } => Spec::NthWeekday {
            nth: *nth,
            weekday: *weekday,
            time: *time,
        },
        ScheduleSpec::Cron(text) => Spec::Cron(CronExpr::parse(text, calendar.today)?),
    })
}

/// An issue that is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// When it appears, on the wall clock.
    pub at: NaiveDateTime,
    /// The date it stands for: another one when a day off has moved it.
    pub of: NaiveDate,
    /// An earlier issue that fell on the same day and does not appear by itself.
    pub swallows: Option<NaiveDate>,
}

/// The time of day of a repetition that has one.
fn time_of(spec: &Spec) -> Option<NaiveTime> {
    match spec {
        Spec::Daily { time }
        | Spec::Weekly { time, .. }
        | Spec::Monthly { time, .. }
        | Spec::NthWeekday { time, .. }
        | Spec::Workday { time, .. } => Some(*time),
        Spec::Cron(_) => None,
    }
}

/// A repetition with its days off.
#[derive(Debug, Clone)]
pub struct When {
    spec: Spec,
    on_holiday: OnHoliday,
    on_makeup_workday: OnMakeupWorkday,
    workdays: Arc<dyn Workdays>,
}

impl When {
    pub fn new(
        written: &ScheduleSpec,
        calendar: &Calendar,
        on_holiday: Option<OnHoliday>,
        on_makeup_workday: Option<OnMakeupWorkday>,
    ) -> Result<Self, CronError> {
        Ok(Self {
            spec: to_spec(written, calendar)?,
            on_holiday: on_holiday.unwrap_or(calendar.on_holiday),
            on_makeup_workday: on_makeup_workday.unwrap_or(calendar.on_makeup_workday),
            workdays: calendar.workdays.clone(),
        })
    }

    /// What the scheduler is asked for. A repetition that may move to another day is asked for every
    /// day at its time; [`When::issue_day`] then says which days count.
    pub fn asked(&self) -> Spec {
        match (self.moves(), time_of(&self.spec)) {
            (true, Some(time)) => Spec::Daily { time },
            // Which day it is depends on days off that may be entered later.
            (_, Some(time)) if matches!(self.spec, Spec::Workday { .. }) => Spec::Daily { time },
            _ => self.spec.clone(),
        }
    }

    /// The same with other workdays: of an office, or with days off that were entered since.
    pub fn on(&self, workdays: &Arc<dyn Workdays>) -> Self {
        let mut other = self.clone();
        if let Spec::Workday { workdays: own, .. } = &mut other.spec {
            own.clone_from(workdays);
        }
        other.workdays.clone_from(workdays);
        other
    }

    /// The next `n` issues after a wall-clock minute.
    pub fn upcoming(&self, after: NaiveDateTime, n: usize) -> Vec<Planned> {
        let asked = self.asked();
        let mut list = Vec::with_capacity(n);
        let mut cursor = after;
        // Monthly issues that are asked for daily: a year and a half of days for each.
        for _ in 0..n.saturating_mul(560) {
            let Some(at) = asked.next_after(cursor) else { break };
            cursor = at;
            let Some(of) = self.issue_day(at.date()) else {
                continue;
            };
            list.push(Planned {
                at,
                of,
                swallows: self.swallowed(at.date(), of),
            });
            if list.len() == n {
                break;
            }
        }
        list
    }

    /// The newest other date whose issue falls on `today` too, beside `of`.
    pub fn swallowed(&self, today: NaiveDate, of: NaiveDate) -> Option<NaiveDate> {
        if !self.moves() {
            return None;
        }
        let off = |d: &NaiveDate| !self.workdays.is_workday(*d);
        let other = |d: &NaiveDate| *d != of && *d < of && self.names(*d);
        let mut back = (1..LONGEST_BREAK)
            .map_while(|n| today.checked_sub_days(Days::new(n)))
            .take_while(off);
        match self.on_holiday {
            OnHoliday::NextWorkday => back.find(other),
            OnHoliday::PrevWorkday => {
                let ahead = (0..LONGEST_BREAK).map_while(|n| today.checked_add_days(Days::new(n)));
                ahead.take_while(|d| *d == today || off(d)).filter(other).last()
            }
            _ => None,
        }
    }

    /// Cron expressions have no one time of day and stay on their days; a day off is then skipped.
    fn moves(&self) -> bool {
        matches!(self.on_holiday, OnHoliday::NextWorkday | OnHoliday::PrevWorkday) && time_of(&self.spec).is_some()
    }

    /// Whether the repetition names this date, days off aside.
    fn names(&self, date: NaiveDate) -> bool {
        let makeup = matches!(date.weekday(), Weekday::Sat | Weekday::Sun) && self.workdays.is_workday(date);
        if makeup && self.on_makeup_workday == OnMakeupWorkday::Skip {
            return false;
        }
        let midnight = NaiveDateTime::new(date, NaiveTime::MIN);
        let before = midnight - chrono::TimeDelta::minutes(1);
        self.spec.next_after(before).is_some_and(|t| t.date() == date)
    }

    /// The date whose issue appears on `today`; `None` when none does. When two issues fall on one
    /// day, only the later one appears.
    pub fn issue_day(&self, today: NaiveDate) -> Option<NaiveDate> {
        let work = |d: NaiveDate| self.workdays.is_workday(d);
        if self.on_holiday == OnHoliday::Keep {
            return self.names(today).then_some(today);
        }
        if !work(today) {
            return None;
        }
        match self.on_holiday {
            OnHoliday::NextWorkday if self.moves() => {
                let back = (0..LONGEST_BREAK).map_while(|n| today.checked_sub_days(Days::new(n)));
                back.take_while(|d| *d == today || !work(*d)).find(|d| self.names(*d))
            }
            OnHoliday::PrevWorkday if self.moves() => {
                let ahead = (0..LONGEST_BREAK).map_while(|n| today.checked_add_days(Days::new(n)));
                ahead
                    .take_while(|d| *d == today || !work(*d))
                    .filter(|d| self.names(*d))
                    .last()
            }
            _ => self.names(today).then_some(today),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::WorkdayTable;

    fn calendar() -> Calendar {
        Calendar {
            zone: chrono_tz::Asia::Shanghai,
            workdays: Arc::new(WorkdayTable::china().unwrap()),
            on_holiday: OnHoliday::NextWorkday,
            on_makeup_workday: OnMakeupWorkday::Normal,
            today: d("2026-01-01"),
        }
    }
    fn d(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }
    fn monday() -> ScheduleSpec {
        ScheduleSpec::Weekly {
            weekday: Weekday::Mon,
            time: NaiveTime::from_hms_opt(9, 30, 0).unwrap(),
        }
    }
    /// Day and the Monday it stands for, where they differ or are no Monday.
    fn moved(when: &When) -> Vec<(String, String)> {
        d("2026-01-01")
            .iter_days()
            .take(365)
            .filter_map(|day| when.issue_day(day).map(|of| (day, of)))
            .filter(|(day, of)| day != of)
            .map(|(day, of)| (day.to_string(), of.to_string()))
            .collect()
    }
    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn a_monday_column_around_the_holidays_of_2026() {
        let next = When::new(&monday(), &calendar(), None, None).unwrap();
        assert_eq!(
            moved(&next),
            pairs(&[
                ("2026-02-24", "2026-02-23"),
                ("2026-04-07", "2026-04-06"),
                ("2026-05-06", "2026-05-04"),
                ("2026-10-08", "2026-10-05"),
            ])
        );
        let prev = When::new(&monday(), &calendar(), Some(OnHoliday::PrevWorkday), None).unwrap();
        assert_eq!(
            moved(&prev),
            pairs(&[
                ("2026-02-14", "2026-02-23"),
                ("2026-04-03", "2026-04-06"),
                ("2026-04-30", "2026-05-04"),
                ("2026-09-30", "2026-10-05"),
            ])
        );
        let skip = When::new(&monday(), &calendar(), Some(OnHoliday::Skip), None).unwrap();
        assert!(moved(&skip).is_empty() && skip.issue_day(d("2026-02-16")).is_none());
        assert_eq!(skip.issue_day(d("2026-02-09")), Some(d("2026-02-09")));
        let keep = When::new(&monday(), &calendar(), Some(OnHoliday::Keep), None).unwrap();
        assert_eq!(keep.issue_day(d("2026-02-16")), Some(d("2026-02-16")));
        assert!(matches!(next.asked(), Spec::Daily { .. }) && matches!(skip.asked(), Spec::Weekly { .. }));
    }

    #[test]
    fn make_up_workdays_and_cron() {
        let saturday = ScheduleSpec::Weekly {
            weekday: Weekday::Sat,
            time: NaiveTime::from_hms_opt(9, 30, 0).unwrap(),
        };
        // 2026-02-14 is a Saturday that is worked.
        let normal = When::new(&saturday, &calendar(), Some(OnHoliday::Skip), None).unwrap();
        assert_eq!(normal.issue_day(d("2026-02-14")), Some(d("2026-02-14")));
        let skip = When::new(
            &saturday,
            &calendar(),
            Some(OnHoliday::Skip),
            Some(OnMakeupWorkday::Skip),
        )
        .unwrap();
        assert_eq!(skip.issue_day(d("2026-02-14")), None);
        let cron = When::new(&ScheduleSpec::Cron("30 9 * * 1-5".into()), &calendar(), None, None).unwrap();
        assert!(matches!(cron.asked(), Spec::Cron(_)));
        assert_eq!(cron.issue_day(d("2026-02-17")), None);
        assert_eq!(cron.issue_day(d("2026-02-24")), Some(d("2026-02-24")));
    }
}
