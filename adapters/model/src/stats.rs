//! The platform's own aggregates (visibility class V3): numbers without content.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::ids::{ChatId, DepartmentId, MessageId, UserId};

/// Which aggregate a read asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", content = "id", rename_all = "snake_case")]
pub enum StatScope {
    /// All departments of the company, one row per department.
    Departments,
    /// All people, one row per person.
    People,
    Chat(ChatId),
}

/// Whom a row counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", content = "id", rename_all = "snake_case")]
pub enum StatSubject {
    Company,
    Department(DepartmentId),
    Person(UserId),
    Chat(ChatId),
}

/// One number of one day. `metric` is a common name where platforms mean the same
/// (`messages`, `active_people`, `members`, `groups`), else `<platform>.<field>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatRow {
    /// `YYYY-MM-DD`, in the platform's own day (UTC+8).
    pub day: String,
    pub subject: StatSubject,
    pub metric: String,
    pub value: i64,
}

/// A message that the app itself has posted, as the platform shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnMessage {
    pub id: MessageId,
    pub at: Timestamp,
}

/// A chat that the bot is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatRecord {
    pub id: ChatId,
    pub name: String,
    #[serde(default)]
    pub owner: Option<UserId>,
    #[serde(default)]
    pub external: bool,
    #[serde(default)]
    pub members: Option<u32>,
}
