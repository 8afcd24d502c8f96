//! People and departments as a platform tells them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::ids::{DepartmentId, UserId};

/// A person as the platform's directory (or a contact event) describes them. Fields the app may
/// not see are `None`: that is no statement that they are empty.
///
/// `email` and `mobile` are personal data: `Debug` does not show them. Read them only to recognise the
/// same person on another platform.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonRecord {
    pub user: UserId,
    /// Other ids of the same account on this platform (Feishu `open_id`, `union_id`, DingTalk
    /// `unionId`), so that an event that carries only one of them still finds the person.
    #[serde(default)]
    pub aliases: Vec<UserId>,
    pub name: String,
    #[serde(default)]
    pub employee_no: Option<String>,
    #[serde(default)]
    pub email: Option<String>,
    #[serde(default)]
    pub mobile: Option<String>,
    #[serde(default)]
    pub departments: Vec<DepartmentId>,
    #[serde(default)]
    pub leader: Option<UserId>,
    #[serde(default)]
    pub title: Option<String>,
    /// The first day at the company.
    #[serde(default)]
    pub joined_on: Option<Day>,
    /// Where they work: a city or a site, as the company writes it.
    #[serde(default)]
    pub office: Option<String>,
    #[serde(default)]
    pub employment: Option<Employment>,
    /// False when the account is deactivated, frozen or has left.
    pub active: bool,
}

impl PersonRecord {
    /// An active person of whom nothing is told but the name.
    pub fn new(user: UserId, name: impl Into<String>) -> Self {
        Self {
            user,
            aliases: Vec::new(),
            name: name.into(),
            employee_no: None,
            email: None,
            mobile: None,
            departments: Vec::new(),
            leader: None,
            title: None,
            joined_on: None,
            office: None,
            employment: None,
            active: true,
        }
    }
}

impl fmt::Debug for PersonRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = |field: &Option<String>| field.as_ref().map(|_| "****");
        f.debug_struct("PersonRecord")
            .field("user", &self.user)
            .field("aliases", &self.aliases)
            .field("name", &self.name)
            .field("employee_no", &self.employee_no)
            .field("email", &hidden(&self.email))
            .field("mobile", &hidden(&self.mobile))
            .field("departments", &self.departments)
            .field("leader", &self.leader)
            .field("title", &self.title)
            .field("joined_on", &self.joined_on)
            .field("office", &self.office)
            .field("employment", &self.employment)
            .field("active", &self.active)
            .finish()
    }
}

/// How somebody is employed. What a company has made up itself and we cannot tell is no kind at all:
/// then nothing is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Employment {
    Regular,
    Intern,
    /// Employed by another company (外包).
    Outsourced,
    /// Engaged for a time or a piece of work (劳务).
    Contractor,
    Consultant,
}

impl Employment {
    pub const ALL: [Self; 5] = [
        Self::Regular,
        Self::Intern,
        Self::Outsourced,
        Self::Contractor,
        Self::Consultant,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Regular => "regular",
            Self::Intern => "intern",
            Self::Outsourced => "outsourced",
            Self::Contractor => "contractor",
            Self::Consultant => "consultant",
        }
    }

    /// Somebody who works here and does not belong to the staff.
    pub fn is_contractor(self) -> bool {
        matches!(self, Self::Outsourced | Self::Contractor | Self::Consultant)
    }

    /// Reads the words that companies write into a field of their own; `None` for others.
    pub fn from_words(text: &str) -> Option<Self> {
        match text.trim().to_lowercase().as_str() {
            "正式" | "正式员工" | "正式工" | "全职" | "全职员工" | "在编" | "regular" | "employee" | "full-time"
            | "permanent" => Some(Self::Regular),
            "实习" | "实习生" | "实习员工" | "intern" | "internship" => Some(Self::Intern),
            "外包" | "外包员工" | "外包人员" | "派遣" | "劳务派遣" | "outsourced" | "outsourcing" => {
                Some(Self::Outsourced)
            }
            "劳务" | "劳务工" | "劳务合同" | "合同工" | "临时工" | "contractor" | "temporary" => {
                Some(Self::Contractor)
            }
            "顾问" | "外部顾问" | "consultant" => Some(Self::Consultant),
            _ => None,
        }
    }
}

/// A day of the calendar, between the years 1900 and 2999. Written `2026-11-24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day {
    year: u16,
    month: u8,
    day: u8,
}

/// The text is not a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a day such as 2026-11-24")]
pub struct NotADay;

impl Day {
    /// Mainland China: UTC+8 all year.
    const CHINA_MS: i64 = 8 * 3_600_000;

    pub fn new(year: i64, month: i64, day: i64) -> Option<Self> {
        let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        let last = match month {
            2 => 28 + i64::from(leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        if !(1900..3000).contains(&year) || !(1..=last).contains(&day) {
            return None;
        }
        Some(Self {
            year: u16::try_from(year).ok()?,
            month: u8::try_from(month).ok()?,
            day: u8::try_from(day).ok()?,
        })
    }

    /// The day in China on which a moment falls: the platforms give a hire date as the moment of that
    /// day's midnight there. A moment not after 1970 is no date: it stands for "not filled in".
    pub fn in_china(at: Timestamp) -> Option<Self> {
        if at.millis() <= 0 {
            return None;
        }
        // Days to civil: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms".
        let z = at.millis().checked_add(Self::CHINA_MS)?.div_euclid(86_400_000) + 719_468;
        let era = z.div_euclid(146_097);
        let doe = z.rem_euclid(146_097);
        let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        let year = yoe + era * 400 + i64::from(month <= 2);
        Self::new(year, month, doy - (153 * mp + 2) / 5 + 1)
    }

    /// The moment of the day's midnight in China.
    pub fn midnight_in_china(self) -> Timestamp {
        let (month, day) = (i64::from(self.month), i64::from(self.day));
        let y = i64::from(self.year) - i64::from(month <= 2);
        let era = y.div_euclid(400);
        let yoe = y.rem_euclid(400);
        let mp = if month > 2 { month - 3 } else { month + 9 };
        let doe = yoe * 365 + yoe / 4 - yoe / 100 + (153 * mp + 2) / 5 + day - 1;
        Timestamp((era * 146_097 + doe - 719_468) * 86_400_000 - Self::CHINA_MS)
    }
}

impl FromStr for Day {
    type Err = NotADay;

    /// Reads `2026-11-24`, `2026/11/24`, `2026.11.24`, `2026年11月24日` and `20261124`; single digits where
    /// there are signs between them; a time of day behind it is left out.
    fn from_str(text: &str) -> Result<Self, NotADay> {
        let text = text.trim();
        let text = text.split([' ', 'T']).next().unwrap_or_default();
        if text.len() > 32 {
            return Err(NotADay);
        }
        let parts: Vec<&str> = if text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit()) {
            [0..4, 4..6, 6..8].into_iter().filter_map(|r| text.get(r)).collect()
        } else {
            text.trim_end_matches('日').split(['-', '/', '.', '年', '月']).collect()
        };
        let [year, month, day] = parts.as_slice() else {
            return Err(NotADay);
        };
        let number = |part: &str, most: usize| {
            let ok = (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
            ok.then(|| part.parse::<i64>().ok()).flatten().ok_or(NotADay)
        };
        Self::new(number(year, 4)?, number(month, 2)?, number(day, 2)?).ok_or(NotADay)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl TryFrom<String> for Day {
    type Error = NotADay;
    fn try_from(text: String) -> Result<Self, NotADay> {
        text.parse()
    }
}

impl From<Day> for String {
    fn from(day: Day) -> String {
        day.to_string()
    }
}

/// A department as the platform describes it. The root has no parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepartmentRecord {
    pub id: DepartmentId,
    #[serde(default)]
    pub parent: Option<DepartmentId>,
    pub name: String,
    #[serde(default)]
    pub leader: Option<UserId>,
}

/// One page of a listing. The listing has ended exactly when `next` is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Option<String> {
        text.parse::<Day>().ok().map(|d| d.to_string())
    }

    #[test]
    fn days_are_read_as_people_write_them() {
        for good in [
            "2026-03-09",
            "2026/3/9",
            "2026.03.09",
            "2026年3月9日",
            "20260309",
            " 2026-03-09 00:00:00 ",
            "2026-03-09T08:00:00+08:00",
        ] {
            assert_eq!(day(good).as_deref(), Some("2026-03-09"), "{good}");
        }
        for bad in [
            "",
            "2026",
            "2026-02-29",
            "2026-13-01",
            "1899-01-01",
            "3000-01-01",
            "03/09/2026",
            "26-3-9",
            "+026-3-9",
            "待定",
            "2026-3-9-1",
            "2026-00-10",
            "٢٠٢٦-١-١",
        ] {
            assert_eq!(day(bad), None, "{bad}");
        }
        assert_eq!(day("2024-02-29").as_deref(), Some("2024-02-29"));
    }

    #[test]
    fn a_hire_date_is_the_day_in_china() {
        let at = |ms| Day::in_china(Timestamp(ms)).map(|d| d.to_string());
        // Midnight of 24 November 2026 in China, and one millisecond before.
        assert_eq!(at(1_795_449_600_000).as_deref(), Some("2026-11-24"));
        assert_eq!(at(1_795_449_599_999).as_deref(), Some("2026-11-23"));
        assert_eq!((at(0), at(-1), at(i64::MAX)), (None, None, None));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(256))]
        #[test]
        fn a_day_and_its_midnight_name_each_other(days in 1i64..370_000) {
            let at = Timestamp(days * 86_400_000 - Day::CHINA_MS);
            let found = Day::in_china(at).unwrap();
            assert_eq!(found.midnight_in_china(), at);
            assert_eq!(Day::in_china(Timestamp(at.0 + 86_399_999)), Some(found));
            assert_eq!(found.to_string().parse::<Day>(), Ok(found));
        }
    }

    #[test]
    fn what_nobody_told_is_no_kind_of_employment() {
        assert_eq!(Employment::from_words("外包"), Some(Employment::Outsourced));
        assert_eq!(Employment::from_words(" Intern "), Some(Employment::Intern));
        assert_eq!(Employment::from_words("P6"), None);
        assert_eq!(Employment::from_words(""), None);
        for kind in Employment::ALL {
            assert_eq!(
                Employment::from_words(kind.as_str()),
                Some(kind),
                "its own name is read back"
            );
        }
        let contractors = Employment::ALL.map(Employment::is_contractor);
        assert_eq!(contractors, [false, false, true, true, true]);
    }

    #[test]
    fn mail_and_mobile_are_not_shown() {
        let mut record = PersonRecord::new(UserId::new("u1").unwrap(), "陈晨");
        record.email = Some("chen@corp.example".into());
        record.mobile = Some("+8613800000000".into());
        let shown = format!("{record:?}");
        assert!(shown.contains("陈晨") && shown.contains("****"), "{shown}");
        assert!(!shown.contains("chen@") && !shown.contains("138"), "{shown}");
        // An event that was stored before these fields existed is still read.
        let old = r#"{"user":"u1","name":"陈晨","active":true}"#;
        assert_eq!(serde_json::from_str::<PersonRecord>(old).unwrap().joined_on, None);
    }
}
