//! What the bot did and why, for people who want to see it happen: the newest items, in memory.
//! Off in production; no message text is kept.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hutong_model::{AppId, Body, Event, EventId, Incoming, MessageId, Timestamp, UserId};

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
    /// How the newest events came, by id; oldest first in `order`.
    came: HashMap<String, Via>,
    order: VecDeque<String>,
}

/// How an event came from its platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    Callback,
    LongConnection,
}

impl Via {
    pub fn as_str(self) -> &'static str {
        match self {
            Via::Callback => "callback",
            Via::LongConnection => "long_connection",
        }
    }
}

/// Takes back what [`Trace::arrives`] noted, when the events could not be stored.
#[must_use = "an arrival that failed must be taken back"]
#[derive(Debug, Default)]
pub struct Arrival(Vec<String>);

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
    /// How it came; `None` for events of our own.
    pub via: Option<Via>,
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
            via: None,
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

    /// Notes how events come. Called before they are stored, because they may be handled before the
    /// one who stores them hears of it; the first way counts, a repeat changes nothing.
    pub fn arrives(&self, app: &AppId, events: &[Incoming], via: Via) -> Arrival {
        let Some(ring) = &self.ring else {
            return Arrival::default();
        };
        let mut ring = ring.lock().unwrap_or_else(|e| e.into_inner());
        let mut fresh = Vec::new();
        for event in events {
            let id = EventId::derive(app, &event.key).hex();
            if ring.came.contains_key(&id) {
                continue;
            }
            ring.came.insert(id.clone(), via);
            ring.order.push_back(id.clone());
            if ring.order.len() > KEEP
                && let Some(old) = ring.order.pop_front()
            {
                ring.came.remove(&old);
            }
            fresh.push(id);
        }
        Arrival(fresh)
    }

    /// Those events were not stored: they will come again, by this way or another.
    pub fn forget(&self, arrival: Arrival) {
        let Some(ring) = &self.ring else { return };
        let mut ring = ring.lock().unwrap_or_else(|e| e.into_inner());
        for id in &arrival.0 {
            ring.came.remove(id);
        }
        ring.order.retain(|id| !arrival.0.contains(id));
    }

    pub fn extend(&self, items: Vec<TraceItem>) {
        let Some(ring) = &self.ring else { return };
        // A poisoned lock only means that another thread stopped while adding an item.
        let mut ring = ring.lock().unwrap_or_else(|e| e.into_inner());
        for mut item in items {
            item.seq = ring.next;
            item.via = ring.came.get(&item.event).copied();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn incoming(key: &str) -> Incoming {
        Incoming {
            key: key.to_owned(),
            lane: "chat:c".to_owned(),
            occurred_at: Timestamp(1),
            body: Body::DirectoryScope,
        }
    }

    fn via(trace: &Trace, app: &AppId, key: &str) -> Option<Via> {
        let event = Event {
            id: EventId::derive(app, key),
            seq: 1,
            app: app.clone(),
            key: key.to_owned(),
            lane: String::new(),
            occurred_at: Timestamp(1),
            received_at: Timestamp(1),
            body: Body::DirectoryScope,
        };
        trace.extend(vec![TraceItem::ran(&event, "r", vec![], Duration::ZERO, Timestamp(2))]);
        trace.since(0).last().and_then(|i| i.via)
    }

    #[test]
    fn the_first_way_counts_unless_it_failed() {
        let (trace, app) = (Trace::keeping(), AppId::new("a").unwrap());
        let first = trace.arrives(&app, &[incoming("1")], Via::Callback);
        // A repeat over the other way is no arrival, whatever becomes of it.
        trace.forget(trace.arrives(&app, &[incoming("1")], Via::LongConnection));
        assert_eq!(via(&trace, &app, "1"), Some(Via::Callback));
        trace.forget(first);
        assert_eq!(via(&trace, &app, "1"), None);
        let _stored = trace.arrives(&app, &[incoming("1")], Via::LongConnection);
        assert_eq!(via(&trace, &app, "1"), Some(Via::LongConnection));
        assert_eq!(via(&trace, &app, "2"), None, "an event of our own");
        for n in 0..KEEP + 10 {
            let _stored = trace.arrives(&app, &[incoming(&format!("n{n}"))], Via::Callback);
        }
        assert_eq!(via(&trace, &app, "1"), None, "only the newest are kept");
        let off = Trace::default();
        let _stored = off.arrives(&app, &[incoming("1")], Via::Callback);
    }
}
