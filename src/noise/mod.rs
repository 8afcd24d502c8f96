//! The noise budget: how much the bot may say in a group of its own accord.
//!
//! At most `[limits] bot_messages_per_day` messages in a group on a day; what is above waits for the
//! next workday's morning, where the messages of a group become one (a digest) as far as they can.
//! Answers to a person, cards that change, private messages and must-reads are no part of it, and a
//! source with priority keeps its slot (it uses the budget up all the same). Nothing is dropped: a
//! message that waits in vain ends in the outbox as expired, where operators and its rule see it.
//!
//! The decision stands where effects become outbox rows ([`admit::admit`]), so no rule knows of it,
//! and in the same transaction, so it holds under retries and with several replicas. Pure decisions
//! are here; the morning is a tick of the rule [`crate::rules::noise`].

pub mod admit;
pub mod digest;
pub mod store;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, NaiveTime};
use chrono_tz::Tz;
use hutong_model::{AppId, ChatId, Message, MessageId, Timestamp};

use crate::schedule::{Workdays, calendar};

/// So long a message waits for room before it ends as expired; days of a mute do not count.
pub const LONGEST_WAIT: Duration = Duration::from_secs(10 * 86_400);

/// What the configuration says about noise.
#[derive(Debug, Clone)]
pub struct Budget {
    /// Messages of its own accord in a group and day; 0 is no limit.
    pub per_day: u32,
    /// Groups with a number of their own.
    pub groups: BTreeMap<(AppId, ChatId), u32>,
    /// Schedules (`columns:weekly-news`) or rules (`reports`) that keep their slot.
    pub priority: Vec<String>,
    /// When what waited is sent, on workdays.
    pub merge_at: NaiveTime,
    pub zone: Tz,
    pub workdays: Arc<dyn Workdays>,
}

/// What an effect adds to the talk of a group.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Voice {
    /// Nothing new is said there: a private message, a change of a group, a reaction.
    #[default]
    Silent,
    /// An answer to somebody in a group.
    Answer(ChatId),
    /// A message of the bot's own accord.
    Post {
        chat: ChatId,
        content: Box<Message>,
        /// Schedule id of the tick that caused it, else the rule.
        source: String,
        /// Must be read: no part of the budget.
        must: bool,
    },
    /// A card gets new content. It may stand in a digest by now.
    Change {
        card: MessageId,
        context: Option<String>,
        content: Box<Message>,
    },
    /// A message is taken back. It may stand in a digest by now.
    Recall(MessageId),
}

/// A group's day so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    pub used: u32,
    pub waiting: u32,
    pub muted: bool,
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Send,
    Wait,
}

impl Standing {
    /// Decides about the next message and counts it.
    pub fn decide(&mut self, limit: u32, priority: bool) -> Verdict {
        // Behind something that waits, others wait as well: the order stays.
        let room = limit == 0 || (self.used < limit && self.waiting == 0);
        if !self.muted && (priority || room) {
            self.used = self.used.saturating_add(1);
            Verdict::Send
        } else {
            self.waiting = self.waiting.saturating_add(1);
            Verdict::Wait
        }
    }
}

impl Budget {
    /// No limit at all, Monday to Friday.
    pub fn unlimited(zone: Tz) -> Self {
        Self {
            per_day: 0,
            groups: BTreeMap::new(),
            priority: Vec::new(),
            merge_at: NaiveTime::from_hms_opt(9, 0, 0).unwrap_or(NaiveTime::MIN),
            zone,
            workdays: Arc::new(crate::schedule::MondayToFriday),
        }
    }

    pub fn limit(&self, app: &AppId, chat: &ChatId) -> u32 {
        let own = self.groups.get(&(app.clone(), chat.clone()));
        own.copied().unwrap_or(self.per_day)
    }

    pub fn has_priority(&self, source: &str) -> bool {
        self.priority.iter().any(|p| {
            source == p
                || source
                    .strip_prefix(p.as_str())
                    .is_some_and(|rest| rest.starts_with(':'))
        })
    }

    pub fn local(&self, at: Timestamp) -> DateTime<Tz> {
        crate::rules::local(self.zone, at)
    }

    pub fn day(&self, at: Timestamp) -> NaiveDate {
        self.local(at).date_naive()
    }

    /// The next morning on which what waits is sent, strictly after `after`.
    pub fn next_morning(&self, after: Timestamp) -> Option<Timestamp> {
        let first = self.day(after);
        (0..60)
            .filter_map(|n| first.checked_add_days(Days::new(n)))
            .filter(|day| self.workdays.is_workday(*day))
            .filter_map(|day| calendar::instant(self.zone, day.and_time(self.merge_at)))
            .find(|at| *at > after)
    }
}
