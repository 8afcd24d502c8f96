//! What the page shows of the bot's work: event, rules, effects.

use hutong_model::Platform;
use serde::{Deserialize, Serialize};

/// One event and all that came of it. Summaries are for the visitor of a demo with made-up people;
/// they are never logged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceItem {
    /// The event's id: stays when the item changes.
    pub id: String,
    /// Grows with every change of any item.
    pub seq: u64,
    /// When it happened, by the driven clock.
    pub at_ms: i64,
    /// `None` for ticks of the schedule.
    pub platform: Option<Platform>,
    pub app: String,
    /// The platform's chat id, where there is one.
    pub chat: Option<String>,
    /// The kind of event as [`hutong_model::Kind::as_str`] names it.
    pub kind: String,
    /// How it came, `callback` or `long_connection`; `None` for events of our own.
    pub via: Option<String>,
    /// One readable line.
    pub summary: String,
    /// From arrival to commit of the inbox, ms.
    pub accepted_ms: Option<f64>,
    pub rules: Vec<TraceRule>,
    pub effects: Vec<TraceEffect>,
}

/// What one rule made of the event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceRule {
    pub name: String,
    /// `waiting`, `done`, `refused`, `retry` or `dead`.
    pub state: String,
    /// Why, in a few words: `+3 for thanks`, `over the weekly allowance`. May be empty.
    pub why: String,
    pub ms: Option<f64>,
}

/// One call to a platform that a rule asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceEffect {
    pub rule: String,
    /// As [`hutong_model::ActionKind::as_str`] names it.
    pub action: String,
    /// The chat or person it goes to, readable.
    pub to: String,
    /// The beginning of what a person reads.
    pub summary: String,
    /// `waiting`, `sending`, `sent`, `rejected`, `unknown`, `expired` or `parked`.
    pub state: String,
    pub attempts: u32,
    /// From commit to the platform's answer, ms.
    pub ms: Option<f64>,
}
