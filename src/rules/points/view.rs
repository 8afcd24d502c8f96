//! What is read from the ledger for people, boards, other modules and the check.

pub mod store;

use hutong_model::Timestamp;

use super::ledger::Entry;
use crate::directory::PersonId;

/// One line of a person's card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub entry: Entry,
    /// What it changed for this person's score, in thousandths.
    pub score: i64,
    /// The giver's or operator's name, where a person acted.
    pub actor_name: Option<String>,
    pub actor_active: bool,
    pub actor_left: Option<Timestamp>,
    pub note: Option<String>,
    /// True when it was taken back later.
    pub reversed: bool,
}

/// One person on a board, before ranking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scorer {
    pub person: PersonId,
    pub name: String,
    pub department: Option<String>,
    /// Thousandths.
    pub score: i64,
    /// Distinct people who thanked this person.
    pub helped: i64,
}

/// A question about an entry that waits for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispute {
    pub id: String,
    pub person_name: String,
    pub at: Timestamp,
}

/// Thanks given in a chat in some days.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ThanksCount {
    pub all: i64,
    /// Between people of different departments.
    pub across: i64,
}
