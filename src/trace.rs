//! What the bot did and why, for people who want to see it happen: the newest items, in memory.
//! Off in production; no message text is kept.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hutong_model::{Event, Timestamp};

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
    pub rule: String,
    /// Idempotency keys of the effects it left.
    pub effects: Vec<String>,
    pub took: Duration,
}

impl TraceItem {
    pub fn ran(event: &Event, rule: &str, effects: Vec<String>, took: Duration, at: Timestamp) -> Self {
        Self {
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
