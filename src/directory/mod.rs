//! Who is who and who is where: the local mirror that rules read without a network call.
//!
//! A person is one human in one company, whatever platform they are met on: the accounts
//! ([`Identity`]) of one company and platform share ids across apps. Which accounts are one person is
//! found out in [`people`], and can be corrected by operators ([`merge`]).

pub mod contact;
pub mod facts;
pub mod merge;
pub mod people;
mod store;
pub mod sync;

use std::time::Duration;

use hutong_model::{AppId, ChatKind, CompanyId, Platform, Timestamp, UserId};

use crate::text::Lang;
use crate::text::directory::Say;

pub use store::{Directory, department_row_id};

/// Our own name of a person: `p` and 20 characters `[a-z0-9]`. Never changes, is never reused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PersonId(String);

impl PersonId {
    /// Derived from what first identified the person, so that two replicas that meet the same
    /// account at the same moment make the same person.
    pub fn derive(company: &CompanyId, platform: Platform, user: &UserId) -> Self {
        let digest = crate::ids::short_hash(&[company.as_str(), platform.as_str(), user.as_str()], 20);
        Self(format!("p{digest}"))
    }

    pub fn parse(text: &str) -> Option<Self> {
        let ok = text.len() == 21
            && text.starts_with('p')
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        ok.then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for PersonId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is known about an account in a chat, read in one statement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Presence {
    /// The chat is shared with people outside the company.
    pub external: bool,
    /// The bot is in the chat and it exists.
    pub chat_active: bool,
    pub chat_name: Option<String>,
    /// The person behind the account.
    pub person: Option<PersonId>,
    /// They are in the chat now.
    pub member: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub id: PersonId,
    pub company: CompanyId,
    pub name: String,
    pub employee_no: Option<String>,
    pub title: Option<String>,
    /// Row id of the department, see [`department_row_id`].
    pub department: Option<String>,
    pub department_name: Option<String>,
    pub leader: Option<PersonId>,
    /// `zh` or `en`, when the person has chosen.
    pub language: Option<String>,
    pub active: bool,
    /// Not employed by the company itself; `None` when no platform tells.
    pub contractor: Option<bool>,
    /// When they last left, also when they are back.
    pub left_at: Option<Timestamp>,
    /// When they came back, if that was within [`people::RETURN_DAYS`]: no newcomer then.
    pub returned_at: Option<Timestamp>,
}

/// How platforms are named where somebody must choose one.
pub const PLATFORM_NAMES: &[&str] = &["feishu", "dingtalk", "wecom"];

/// So long a name is shown after somebody has left.
const NAMED_AFTER: Duration = Duration::from_secs(30 * 86_400);

impl Person {
    /// The name under which a person is shown: leavers have none after 30 days.
    pub fn shown_name(&self, now: Timestamp, lang: Lang) -> String {
        shown_name(&self.name, self.active, self.left_at, now, lang)
    }
}

/// See [`Person::shown_name`]; for lists that have read only this much.
pub fn shown_name(name: &str, active: bool, left_at: Option<Timestamp>, now: Timestamp, lang: Lang) -> String {
    let forgotten = !active && left_at.is_some_and(|left| now.since(left) > NAMED_AFTER);
    match forgotten {
        true => Say::Former.in_lang(lang),
        false => name.to_owned(),
    }
}

/// Names as a list shows them: with the department where colleagues share the name.
pub fn told_apart(name: &str, department: Option<&str>, sharing: i64) -> String {
    match department {
        Some(department) if sharing > 1 => format!("{name}({department})"),
        _ => name.to_owned(),
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub platform: Platform,
    pub user: UserId,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatInfo {
    pub app: AppId,
    pub chat: hutong_model::ChatId,
    pub kind: ChatKind,
    pub name: Option<String>,
    pub external: bool,
    pub active: bool,
    pub created_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Department {
    pub id: String,
    pub platform: Platform,
    pub dept_id: String,
    pub parent: Option<String>,
    pub name: String,
}
