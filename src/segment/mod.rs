//! Segments: which people a condition means, for example
//! `dept under '嵌入式' and (tenure_days < 90 or tag 'mcu') and not contractor`.
//!
//! A condition is parsed once into a typed tree ([`Expr`]); every error points at the character
//! where it begins and says what may stand there. It is then bound to the departments of today
//! ([`Expr::bind`]) and asked person by person ([`Bound::of`]).
//!
//! Three answers: what a platform does not tell about a person is [`Answer::Unknown`], and stays so
//! under `not`. Only people with [`Answer::Yes`] belong to a segment; how many are unknown is shown
//! beside every count.
//!
//! Pure: no I/O, no clock. The caller hands in what is known about each person.

mod bind;
mod parse;
mod show;

pub use bind::{BindError, Bound, Dept, Facts};
pub use parse::{ParseError, parse};

/// Longest condition, in bytes.
pub const MAX_BYTES: usize = 4096;
/// Deepest nesting of parentheses and `not`.
pub const MAX_DEPTH: usize = 32;
/// Most tests in one condition.
pub const MAX_TESTS: usize = 256;

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expr {
    /// All of them; at least two.
    All(Vec<Expr>),
    /// At least one of them; at least two.
    Any(Vec<Expr>),
    Not(Box<Expr>),
    Test(Test),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// In one of these departments; with `below`, also in the departments under them.
    Dept {
        names: Vec<Name>,
        below: bool,
    },
    Text {
        field: TextField,
        how: How,
        values: Vec<String>,
    },
    /// Carries at least one of these.
    Has {
        field: SetField,
        values: Vec<String>,
    },
    Number {
        field: NumberField,
        is: Compare,
        value: i64,
    },
    Activity {
        is: Compare,
        value: Activity,
    },
    Flag(Flag),
}

/// A department as it was typed, and where: `研发中心`, or `石榴巷/研发中心` where a name is not enough.
#[derive(Debug, Clone, Eq)]
pub struct Name {
    pub text: String,
    /// Where it stands in the condition, in characters; for errors found when it is bound.
    pub at: usize,
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Is,
    IsNot,
    Contains,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    Less,
    AtMost,
    Equal,
    NotEqual,
    AtLeast,
    More,
}

impl Compare {
    fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Compare::Less => order.is_lt(),
            Compare::AtMost => order.is_le(),
            Compare::Equal => order.is_eq(),
            Compare::NotEqual => order.is_ne(),
            Compare::AtLeast => order.is_ge(),
            Compare::More => order.is_gt(),
        }
    }
}

/// One value per person; compared without regard to case and to full or half width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextField {
    /// The post as the directory names it.
    Title,
    Office,
    EmployeeNo,
}

/// Several values per person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetField {
    /// Given by operators.
    Tag,
    /// Chosen by the person (`/加入`).
    Interest,
    /// Where the person has an account: `feishu`, `dingtalk`, `wecom`.
    Platform,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberField {
    /// Days since the person joined the company; 0 on the first day.
    TenureDays,
    /// Score of the running season.
    Score,
    /// Level of the points rule.
    Level,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    Contractor,
    /// Leads a department.
    Leader,
}

/// What somebody did in the last four weeks, as far as it was seen (features.md 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Activity {
    /// Nothing was seen.
    None,
    /// Has read or opened something.
    Reached,
    /// Has reacted, clicked, voted or written.
    Interactive,
    /// Has written.
    Contributing,
}

impl Activity {
    pub const ALL: [Activity; 4] = [
        Activity::None,
        Activity::Reached,
        Activity::Interactive,
        Activity::Contributing,
    ];
    pub fn as_str(self) -> &'static str {
        match self {
            Activity::None => "none",
            Activity::Reached => "reached",
            Activity::Interactive => "interactive",
            Activity::Contributing => "contributing",
        }
    }
}

/// Whether a person belongs to a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Yes,
    No,
    /// Something that the condition asks for is not known about this person.
    Unknown,
}

impl From<bool> for Answer {
    fn from(yes: bool) -> Self {
        if yes { Answer::Yes } else { Answer::No }
    }
}

#[cfg(test)]
mod tests;
