//! What is known about people, for segments: the directory, what operators and people themselves
//! have said, and figures that rules have left.

mod store;

use chrono::NaiveDate;

use super::PersonId;
use crate::segment::{Activity, Expr, Facts, Flag, NumberField, SetField, Test, TextField};

pub use store::{all, departments, for_condition, interests_of, set_fact, set_interest, set_tag, tags_of};

/// A figure that a rule leaves about a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    Score,
    Level,
    /// Number of [`Activity`] in [`Activity::ALL`].
    Activity,
}

impl Figure {
    pub fn as_str(self) -> &'static str {
        match self {
            Figure::Score => "score",
            Figure::Level => "level",
            Figure::Activity => "activity",
        }
    }
}

/// An active person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonFacts {
    pub id: PersonId,
    pub name: String,
    pub employee_no: Option<String>,
    pub title: Option<String>,
    pub office: Option<String>,
    pub department_name: Option<String>,
    /// Row ids of the departments the person stands in directly.
    pub departments: Vec<String>,
    pub tags: Vec<String>,
    pub interests: Vec<String>,
    pub platforms: Vec<String>,
    pub joined_on: Option<NaiveDate>,
    pub contractor: Option<bool>,
    /// `None` when no platform tells who leads what.
    pub leader: Option<bool>,
    pub score: Option<i64>,
    pub level: Option<i64>,
    pub activity: Option<Activity>,
}

impl PersonFacts {
    /// Lends the facts as of `today`, the company's date.
    pub fn ask<R>(&self, today: NaiveDate, ask: impl FnOnce(&Facts<'_>) -> R) -> R {
        fn lent(list: &[String]) -> Vec<&str> {
            list.iter().map(String::as_str).collect()
        }
        let (departments, tags) = (lent(&self.departments), lent(&self.tags));
        let (interests, platforms) = (lent(&self.interests), lent(&self.platforms));
        ask(&Facts {
            departments: &departments,
            title: self.title.as_deref(),
            office: self.office.as_deref(),
            employee_no: self.employee_no.as_deref(),
            tags: &tags,
            interests: &interests,
            platforms: &platforms,
            // Somebody who begins tomorrow is not yet a newcomer of minus one day.
            tenure_days: self.joined_on.map(|d| (today - d).num_days().max(0)),
            score: self.score,
            level: self.level,
            activity: self.activity,
            contractor: self.contractor,
            leader: self.leader,
        })
    }
}

/// Which facts are read: a condition over 100,000 people should not wait for those it does not ask.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Needs {
    /// Name of the person and of the department.
    words: bool,
    departments: bool,
    title: bool,
    office: bool,
    employee_no: bool,
    tags: bool,
    interests: bool,
    platforms: bool,
    joined_on: bool,
    contractor: bool,
    figures: bool,
    leader: bool,
}

impl Needs {
    const ALL: Self = Self {
        words: true,
        departments: true,
        title: true,
        office: true,
        employee_no: true,
        tags: true,
        interests: true,
        platforms: true,
        joined_on: true,
        contractor: true,
        figures: true,
        leader: true,
    };

    fn ask(&mut self, condition: &Expr) {
        let test = match condition {
            Expr::All(list) | Expr::Any(list) => return list.iter().for_each(|e| self.ask(e)),
            Expr::Not(inner) => return self.ask(inner),
            Expr::Test(test) => test,
        };
        let field = match test {
            Test::Dept { .. } => &mut self.departments,
            Test::Text { field, .. } => match field {
                TextField::Title => &mut self.title,
                TextField::Office => &mut self.office,
                TextField::EmployeeNo => &mut self.employee_no,
            },
            Test::Has { field, .. } => match field {
                SetField::Tag => &mut self.tags,
                SetField::Interest => &mut self.interests,
                SetField::Platform => &mut self.platforms,
            },
            Test::Number { field, .. } => match field {
                NumberField::TenureDays => &mut self.joined_on,
                NumberField::Score | NumberField::Level => &mut self.figures,
            },
            Test::Activity { .. } => &mut self.figures,
            Test::Flag(flag) => match flag {
                Flag::Contractor => &mut self.contractor,
                Flag::Leader => &mut self.leader,
            },
        };
        *field = true;
    }
}
