//! One connection: what comes in, what is stored, what is acknowledged.
//!
//! | frame | stored | not stored | not understood |
//! |---|---|---|---|
//! | event | 200 `{"status":"SUCCESS"}` | 200 `{"status":"LATER"}` | 400 |
//! | robot message | 200 `{"response":null}` | 500 | 400 |
//! | card | 200 `{"response":{}}` | 500 | 400 |
//!
//! The platform pushes an event again that was answered with LATER or not at all; for robot messages
//! and cards that is not promised (4.6). Nothing is acknowledged before it is stored.
//!
//! Dedupe keys are those of HTTP mode: `msgId` of a message, `eventId` of an event. Presses on cards
//! have no id of their own there; here it is the `messageId` of the push.

use std::collections::BTreeMap;
use std::sync::Arc;

use hutong_model::{Frame, Incoming, LinkSession, Rejection, Step, Timestamp};

use super::frame::{Kind, Pushed, ack};
use super::{CARD_TOPIC, DELEGATE_TOPIC, ROBOT_TOPIC};
use crate::config::Config;
use crate::normalise;

/// After its announcement the platform is silent for 10 s and closes (4.7).
const DRAIN_MS: u64 = 15_000;
/// A connection that was silent for too long delivers nothing any more, or is healthy and quiet:
/// whatever is under way may still arrive.
const QUIET_DRAIN_MS: u64 = 5_000;
/// Pushes that wait for the store; further ones are sent back at once.
const MAX_WAITING: usize = 4_096;

/// Which acknowledgement a push gets.
#[derive(Debug, Clone, Copy)]
enum Sort {
    Event,
    Robot,
    Card,
}

struct Waiting {
    message_id: Option<String>,
    sort: Sort,
}

pub(super) struct Session {
    config: Arc<Config>,
    waiting: BTreeMap<u64, Waiting>,
    receipt: u64,
    /// The last application frame.
    heard: Timestamp,
    longest_ms: i64,
    /// The next connection was asked for.
    replaced: bool,
}

impl Session {
    pub fn new(config: Arc<Config>, now: Timestamp) -> Self {
        Self {
            config,
            waiting: BTreeMap::new(),
            receipt: 0,
            heard: now,
            longest_ms: 0,
            replaced: false,
        }
    }

    fn replace(&mut self, drain_ms: u64) -> Vec<Step> {
        if std::mem::replace(&mut self.replaced, true) {
            return Vec::new();
        }
        vec![Step::Replace { drain_ms }]
    }

    /// Gaps are what the limit of silence is set by, so the longest ones are told.
    fn hear(&mut self, now: Timestamp) {
        let gap = now.millis().saturating_sub(self.heard.millis());
        if gap > self.longest_ms {
            self.longest_ms = gap;
            tracing::debug!(app = %self.config.client_id, gap_ms = gap, "longest silence of this connection so far");
        }
        self.heard = now;
    }

    fn system(&mut self, frame: &Pushed) -> Vec<Step> {
        match frame.topic().as_str() {
            "ping" => answer(frame.message_id().as_deref(), 200, "OK", &frame.data),
            "disconnect" => self.replace(DRAIN_MS),
            // CONNECTED, REGISTERED, KEEPALIVE: known to one SDK only, which does not answer them.
            _ => Vec::new(),
        }
    }

    fn event(&mut self, frame: &Pushed, now: Timestamp) -> Vec<Step> {
        let read = frame
            .event()
            .ok_or(Rejection::Malformed)
            .and_then(|plain| normalise::event(&self.config, &plain, now));
        match read {
            Ok(normalise::Push::Events(events)) if !events.is_empty() => self.store(frame, Sort::Event, events),
            // There is nothing to store in it.
            Ok(_) => answer(frame.message_id().as_deref(), 200, "OK", SUCCESS),
            Err(why) => refuse(frame, why),
        }
    }

    fn callback(&mut self, frame: &Pushed, now: Timestamp) -> Vec<Step> {
        let (sort, read) = match frame.topic().as_str() {
            ROBOT_TOPIC | DELEGATE_TOPIC => (Sort::Robot, normalise::robot(&self.config, frame.data.as_bytes(), now)),
            CARD_TOPIC => (Sort::Card, self.card(frame, now)),
            _ => return answer(frame.message_id().as_deref(), 404, "not found", ""),
        };
        match read {
            Ok(incoming) => self.store(frame, sort, vec![incoming]),
            Err(why) => refuse(frame, why),
        }
    }

    fn card(&self, frame: &Pushed, now: Timestamp) -> Result<Incoming, Rejection> {
        let time = frame.header("time").unwrap_or_default();
        let mut press = normalise::card(&self.config, frame.data.as_bytes(), &time, now)?;
        // Without an id the key stays what HTTP mode makes of time and data.
        if let Some(id) = frame.message_id() {
            press.key = format!("card:{id}");
        }
        Ok(press)
    }

    fn store(&mut self, frame: &Pushed, sort: Sort, events: Vec<Incoming>) -> Vec<Step> {
        let waiting = Waiting {
            message_id: frame.message_id(),
            sort,
        };
        if self.waiting.len() >= MAX_WAITING {
            return settle(&waiting, false);
        }
        self.receipt += 1;
        self.waiting.insert(self.receipt, waiting);
        vec![Step::Store {
            receipt: self.receipt,
            events,
        }]
    }

    fn text(&mut self, text: &str, now: Timestamp) -> Vec<Step> {
        let Some(frame) = Pushed::read(text) else {
            return vec![Step::Rejected(Rejection::Malformed)];
        };
        self.hear(now);
        match frame.kind {
            Kind::System => self.system(&frame),
            Kind::Event => self.event(&frame, now),
            Kind::Callback => self.callback(&frame, now),
            Kind::Other => answer(frame.message_id().as_deref(), 404, "not found", ""),
        }
    }
}

const SUCCESS: &str = r#"{"status":"SUCCESS"}"#;
const LATER: &str = r#"{"status":"LATER","message":"later"}"#;

fn answer(message_id: Option<&str>, code: u16, message: &str, data: &str) -> Vec<Step> {
    message_id
        .map(|id| Step::Send(ack(id, code, message, data)))
        .into_iter()
        .collect()
}

/// Counted and told apart from success, so that the platform's list of failed pushes shows it.
fn refuse(frame: &Pushed, why: Rejection) -> Vec<Step> {
    let mut steps = vec![Step::Rejected(why)];
    steps.extend(answer(frame.message_id().as_deref(), 400, why.as_str(), ""));
    steps
}

fn settle(push: &Waiting, stored: bool) -> Vec<Step> {
    let id = push.message_id.as_deref();
    match (push.sort, stored) {
        (Sort::Event, true) => answer(id, 200, "OK", SUCCESS),
        (Sort::Event, false) => answer(id, 200, "OK", LATER),
        (Sort::Robot, true) => answer(id, 200, "OK", r#"{"response":null}"#),
        // An empty answer leaves the card as it is; the change for everybody comes by the API.
        (Sort::Card, true) => answer(id, 200, "OK", r#"{"response":{}}"#),
        (Sort::Robot | Sort::Card, false) => answer(id, 500, "not stored", ""),
    }
}

impl LinkSession for Session {
    fn opened(&mut self, now: Timestamp) -> Vec<Step> {
        self.heard = now;
        // The ticket was the acceptance: pushes come at once.
        vec![Step::Ready]
    }

    fn received(&mut self, frame: Frame, now: Timestamp) -> Vec<Step> {
        match frame {
            Frame::Text(text) => self.text(&text, now),
            // The platform sends text; the same in another wrapping means the same.
            Frame::Binary(bytes) => match std::str::from_utf8(&bytes) {
                Ok(text) => self.text(text, now),
                Err(_) => vec![Step::Rejected(Rejection::Malformed)],
            },
        }
    }

    fn stored(&mut self, receipt: u64, stored: bool, _now: Timestamp) -> Vec<Step> {
        match self.waiting.remove(&receipt) {
            Some(push) => settle(&push, stored),
            None => Vec::new(),
        }
    }

    fn next_tick(&self) -> Option<Timestamp> {
        let quiet = i64::try_from(self.config.stream_quiet_ms).unwrap_or(i64::MAX);
        (!self.replaced).then(|| Timestamp(self.heard.millis().saturating_add(quiet)))
    }

    fn tick(&mut self, now: Timestamp) -> Vec<Step> {
        match self.next_tick() {
            // Sockets that answer pings and deliver nothing are the most reported defect (4.7). The
            // new connection comes before the end of the old one, for it may be merely quiet.
            Some(due) if now >= due => {
                tracing::info!(app = %self.config.client_id, "no frame for too long: the connection is replaced");
                self.replace(QUIET_DRAIN_MS)
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
