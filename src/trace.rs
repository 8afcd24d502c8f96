//! What the bot did and why, for people who want to see it happen: the newest items, in memory.
//! Off in production; no message text is kept.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hutong_model::{Body, Event, MessageId, Timestamp, UserId};

/// Newest items kept.
const KEEP: usize = 4000;

/// A ring of trace items. Cheap to clone; the default does nothing.
#[derive(Clone, Default)]
pub struct Trace {
    ring: Option<Arc<Mutex<Ring>>>,
}

#[derive(Default)]
struct Ring {
    next: u64,
    items: VecDeque<TraceItem>,
}

/// One step of one event's way.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceItem {
    /// Grows by one with each item.
    pub seq: u64,
    pub at: Timestamp,
    /// 32 hexadecimal digits.
    pub event: String,
    pub app: String,
    pub lane: String,
    pub kind: &'static str,
    /// Who caused it, as the platform knows them.
    pub user: Option<String>,
    /// The platform's id of the message it is about.
    pub message: Option<String>,
    /// The schedule, for a tick; the emoji, for a reaction.
    pub about: Option<String>,
    pub rule: String,
    /// Idempotency keys of the effects it left.
    pub effects: Vec<String>,
    pub took: Duration,
}

impl TraceItem {
    pub fn ran(event: &Event, rule: &str, effects: Vec<String>, took: Duration, at: Timestamp) -> Self {
        let (user, message, about) = ids(&event.body);
        Self {
            user: user.map(|u| u.as_str().to_owned()),
            message: message.map(|m| m.as_str().to_owned()),
            about: about.map(str::to_owned),
            seq: 0,
            at,
            event: event.id.hex(),
            app: event.app.as_str().to_owned(),
            lane: event.lane.clone(),
            kind: event.body.kind().as_str(),
            rule: rule.to_owned(),
            effects,
            took,
        }
    }
}

/// The ids in an event that say who and what it is about; never what was said.
fn ids(body: &Body) -> (Option<&UserId>, Option<&MessageId>, Option<&str>) {
    match body {
        Body::Message(m) => (m.sender.user.as_ref(), Some(&m.message), None),
        Body::Recall { message, by, .. } => (by.as_ref(), Some(message), None),
        Body::Reaction {
            message, user, emoji, ..
        } => (Some(user), Some(message), Some(emoji)),
        Body::Member { by, users, .. } => {
            let first = users.iter().find_map(|u| u.user.as_ref());
            (by.as_ref().or(first), None, None)
        }
        Body::Bot { by, .. } => (by.as_ref(), None, None),
        Body::Click(click) => (Some(&click.user), None, None),
        Body::Read { user, .. }
        | Body::Person { user, .. }
        | Body::Menu { user, .. }
        | Body::ChatEntered { user, .. } => (Some(user), None, None),
        Body::Tick { schedule, .. } => (None, None, Some(schedule)),
        Body::EffectDone { rule, .. } => (None, None, Some(rule)),
        Body::Chat { .. } | Body::Department { .. } | Body::DirectoryScope | Body::Other { .. } => (None, None, None),
    }
}

impl Trace {
    /// A trace that keeps the newest items.
    pub fn keeping() -> Self {
        Self {
            ring: Some(Arc::default()),
        }
    }

    pub fn on(&self) -> bool {
        self.ring.is_some()
    }

    pub fn extend(&self, items: Vec<TraceItem>) {
        let Some(ring) = &self.ring else { return };
        // A poisoned lock only means that another thread stopped while adding an item.
        let mut ring = ring.lock().unwrap_or_else(|e| e.into_inner());
        for mut item in items {
            item.seq = ring.next;
            ring.next += 1;
            ring.items.push_back(item);
            if ring.items.len() > KEEP {
                ring.items.pop_front();
            }
        }
    }

    /// Items from `since` on, oldest first.
    pub fn since(&self, since: u64) -> Vec<TraceItem> {
        let Some(ring) = &self.ring else { return Vec::new() };
        let ring = ring.lock().unwrap_or_else(|e| e.into_inner());
        ring.items.iter().filter(|i| i.seq >= since).cloned().collect()
    }
}
