//! Which days a weekly report is about. A week with fewer than three workdays has no report of its
//! own; its days belong to the next one.

use chrono::{Datelike as _, Days, NaiveDate, Weekday};

use crate::schedule::Workdays;

/// Fewer workdays make no week.
const LEAST_WORKDAYS: usize = 3;
/// Short weeks in a row, at most.
const MOST_SHORT: usize = 4;

/// The days of one report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// `2026-W47`
    pub week: String,
    pub number: u32,
    /// A Monday; earlier than the week's own when short weeks before it are included.
    pub from: NaiveDate,
    /// A Sunday.
    pub to: NaiveDate,
    pub workdays: Vec<NaiveDate>,
    /// How many short weeks before it are included.
    pub merged: u32,
}

pub fn monday_of(date: NaiveDate) -> NaiveDate {
    back(date, u64::from(date.weekday().num_days_from_monday()))
}

fn back(date: NaiveDate, days: u64) -> NaiveDate {
    date.checked_sub_days(Days::new(days)).unwrap_or(date)
}

fn workdays_of(monday: NaiveDate, days: usize, workdays: &dyn Workdays) -> Vec<NaiveDate> {
    monday
        .iter_days()
        .take(days)
        .filter(|d| workdays.is_workday(*d))
        .collect()
}

fn short(monday: NaiveDate, workdays: &dyn Workdays) -> bool {
    workdays_of(monday, 7, workdays).len() < LEAST_WORKDAYS
}

/// The period of the week that begins on `monday`.
pub fn period(monday: NaiveDate, workdays: &dyn Workdays) -> Period {
    let mut from = monday;
    let mut merged = 0;
    while (merged as usize) < MOST_SHORT && short(back(from, 7), workdays) {
        from = back(from, 7);
        merged += 1;
    }
    let week = monday.iso_week();
    let to = monday.checked_add_days(Days::new(6)).unwrap_or(monday);
    let days = 7 * (merged as usize + 1);
    Period {
        week: format!("{}-W{:02}", week.year(), week.week()),
        number: week.week(),
        from,
        to,
        workdays: workdays_of(from, days, workdays),
        merged,
    }
}

/// The newest week before today's that has a report.
pub fn last_reported(today: NaiveDate, workdays: &dyn Workdays) -> Period {
    let mut monday = back(monday_of(today), 7);
    for _ in 0..MOST_SHORT {
        if !short(monday, workdays) {
            break;
        }
        monday = back(monday, 7);
    }
    period(monday, workdays)
}

/// The period before another one, for comparison.
pub fn before(this: &Period, workdays: &dyn Workdays) -> Period {
    last_reported(this.from, workdays)
}

/// What somebody means by a week number: the newest such week that has begun.
pub fn numbered(number: u32, today: NaiveDate, workdays: &dyn Workdays) -> Option<Period> {
    let year = today.iso_week().year();
    let monday = [year, year - 1]
        .into_iter()
        .filter_map(|y| NaiveDate::from_isoywd_opt(y, number, Weekday::Mon))
        .find(|monday| *monday <= today)?;
    Some(period(monday, workdays))
}

impl Period {
    pub fn open(&self, today: NaiveDate) -> bool {
        today <= self.to
    }

    /// Somebody who had joined by the first of these days and left after the second was there on
    /// half of the workdays.
    pub fn half(&self) -> Option<(NaiveDate, NaiveDate)> {
        let n = self.workdays.len();
        let join = self.workdays.get(n / 2)?;
        let leave = self.workdays.get(n.div_ceil(2).checked_sub(1)?)?;
        Some((*join, *leave))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::WorkdayTable;

    fn d(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn weeks_of_2026() {
        let china = WorkdayTable::china().unwrap();
        let p = last_reported(d("2026-11-24"), &china);
        assert_eq!(
            (p.week.as_str(), p.number, p.workdays.len(), p.merged),
            ("2026-W47", 47, 5, 0)
        );
        assert_eq!((p.from, p.to), (d("2026-11-16"), d("2026-11-22")));
        assert_eq!(before(&p, &china).week, "2026-W46");
        assert_eq!(p.half(), Some((d("2026-11-18"), d("2026-11-18"))));
        // Spring Festival: week 8 has no workday, week 7 six.
        let p = last_reported(d("2026-02-24"), &china);
        assert_eq!((p.week.as_str(), p.workdays.len()), ("2026-W07", 6));
        let p = last_reported(d("2026-03-02"), &china);
        assert_eq!((p.week.as_str(), p.merged, p.from), ("2026-W09", 1, d("2026-02-16")));
        assert_eq!(before(&p, &china).week, "2026-W07");
        // Weeks 40 and 41 have three workdays: just enough.
        assert_eq!(last_reported(d("2026-10-12"), &china).workdays.len(), 3);
    }

    #[test]
    fn a_number_means_the_newest_such_week() {
        let china = WorkdayTable::china().unwrap();
        assert_eq!(numbered(47, d("2026-11-24"), &china).unwrap().week, "2026-W47");
        assert!(numbered(48, d("2026-11-24"), &china).unwrap().open(d("2026-11-24")));
        assert_eq!(numbered(52, d("2026-11-24"), &china).unwrap().week, "2025-W52");
        // 2025 has no week 53 and that of 2026 has not begun.
        assert_eq!(numbered(53, d("2026-11-24"), &china), None);
    }
}
