//! From text to a call: one registry of commands, with Chinese and ASCII names.
//!
//! A spec names the command, its arguments, who may use it and where its answer may appear; names
//! and help texts are in [`crate::text::commands`]. What a person typed becomes a [`Call`].

pub mod help;
mod nearest;
pub mod parse;
pub mod registry;

use std::collections::BTreeMap;

use hutong_model::{AppId, ChatRef, Mention, MessageId, UserId};

use crate::access::Role;
use crate::directory::Person;
use crate::text::Lang;

pub use nearest::{distance, nearest};
pub use parse::{ArgProblem, MAX_VALUE_CHARS, Parsed, parse};
pub use registry::{Entry, Registry, RegistryProblem, example_segments};

/// A command as data.
#[derive(Debug, Clone, Copy)]
pub struct CommandSpec {
    /// `rule.verb`, also the key of its texts.
    pub id: &'static str,
    /// Also understood without the slash, when the bot is addressed: `感谢 @陈晨 ..`.
    pub bare: bool,
    pub args: &'static [ArgSpec],
    /// Any of these roles may use it; [`Role::Member`] is everybody.
    pub roles: &'static [Role],
    pub place: AnswerPlace,
}

/// One `key=value` argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArgSpec {
    /// The name that code uses, ASCII.
    pub name: &'static str,
    /// What may be typed for it, ASCII and Chinese.
    pub names: &'static [&'static str],
    pub kind: ArgKind,
    /// May also stand without its key, in this order among the positional ones.
    pub positional: bool,
    pub required: bool,
}

impl ArgSpec {
    /// The name that a person is shown.
    pub fn shown(&self, lang: Lang) -> &'static str {
        let fits = |n: &&&'static str| n.is_ascii() == (lang == Lang::En);
        self.names
            .iter()
            .find(fits)
            .or(self.names.first())
            .copied()
            .unwrap_or(self.name)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgKind {
    Text,
    /// The rest of the line.
    Rest,
    Integer {
        min: i64,
        max: i64,
    },
    /// `2026-11-24`
    Date,
    /// `09:30`
    Time,
    Choice(&'static [&'static str]),
    Person,
}

/// Where the answer of a command may appear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerPlace {
    /// Only to the person who asked.
    Private,
    /// At most one line in the group it was typed in.
    GroupLine,
    /// In full where it was typed: nothing personal in it.
    Anywhere,
}

/// Who asked, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Asker {
    pub person: Person,
    pub app: AppId,
    pub user: UserId,
    pub lang: Lang,
    /// Where it was typed or pressed; absent for a click whose platform does not say.
    pub chat: Option<ChatRef>,
    /// The message that asked; absent for clicks.
    pub message: Option<MessageId>,
    /// See [`hutong_model::MessageEvent::reply_context`].
    pub reply_context: Option<String>,
}

/// A command, parsed and allowed.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub id: &'static str,
    pub asker: Asker,
    /// By [`ArgSpec::name`].
    pub args: BTreeMap<&'static str, ArgValue>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ArgValue {
    Text(String),
    Integer(i64),
    Date(chrono::NaiveDate),
    Time(chrono::NaiveTime),
    /// People named by mention, in order.
    People(Vec<Mention>),
}

impl Call {
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.args.get(name) {
            Some(ArgValue::Text(text)) => Some(text),
            _ => None,
        }
    }
    pub fn integer(&self, name: &str) -> Option<i64> {
        match self.args.get(name) {
            Some(ArgValue::Integer(n)) => Some(*n),
            _ => None,
        }
    }
    pub fn people(&self, name: &str) -> &[Mention] {
        match self.args.get(name) {
            Some(ArgValue::People(people)) => people,
            _ => &[],
        }
    }
    pub fn date(&self, name: &str) -> Option<chrono::NaiveDate> {
        match self.args.get(name) {
            Some(ArgValue::Date(date)) => Some(*date),
            _ => None,
        }
    }
    pub fn time(&self, name: &str) -> Option<chrono::NaiveTime> {
        match self.args.get(name) {
            Some(ArgValue::Time(time)) => Some(*time),
            _ => None,
        }
    }
}

/// A press of one of our buttons or a form sent, verified and allowed.
#[derive(Debug, Clone, PartialEq)]
pub struct Click {
    pub verb: String,
    pub args: Vec<String>,
    /// Form values by field name.
    pub values: BTreeMap<String, Vec<String>>,
    pub asker: Asker,
    /// The card that was pressed, where the platform says which.
    pub card: Option<MessageId>,
}
