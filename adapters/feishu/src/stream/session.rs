//! One connection's state (feishu.md 3.3 to 3.7): pings and their deadline, joining of parts, and a
//! reply for every message after it is stored, not before.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hutong_link::{FragmentError, Fragments};
use hutong_model::{CloseReason, Frame as Wire, LinkSession, Received, Rejection, Step, Timestamp};

use super::Wishes;
use super::discovery::ClientConfig;
use super::frame::{CONTROL, DATA, Frame};
use crate::door::{Door, NOTHING_TO_SAY, Trust};
use crate::verify::MAX_BODY;

/// The platform asks for a ping every 120 s, which finds a dead connection too late (feishu.md 3.7).
const PING_AT_MOST: Duration = Duration::from_secs(30);
/// Nothing at all came for so long after a ping: the connection is dead. A connection that falls
/// silent right after a pong is given up 30 + 35 seconds later.
const PONG_DEADLINE: Duration = Duration::from_secs(35);
/// Messages that are being stored; the platform has to send the rest again.
const MAX_PENDING: usize = 10_000;

/// A message whose reply waits for the store.
struct Pending {
    /// The frame that completed it, without its payload.
    frame: Frame,
    received: Timestamp,
    /// What the person who clicked is shown; events have none.
    answer: Option<Vec<u8>>,
}

/// The state machine of one connection.
pub struct Session {
    door: Arc<Door>,
    wishes: Arc<Wishes>,
    service: i32,
    ping: Duration,
    next_ping: Option<Timestamp>,
    /// When the connection is dead unless something comes.
    deadline: Option<Timestamp>,
    parts: Fragments,
    pending: HashMap<u64, Pending>,
    receipts: u64,
    ready: bool,
}

impl Session {
    pub fn new(door: Arc<Door>, wishes: Arc<Wishes>) -> Self {
        let (service, ping_s) = wishes.for_session();
        Self {
            door,
            wishes,
            service,
            ping: ping_every(ping_s),
            next_ping: None,
            deadline: None,
            parts: Fragments::default(),
            pending: HashMap::new(),
            receipts: 0,
            ready: false,
        }
    }

    fn ping(&mut self, now: Timestamp) -> Step {
        self.next_ping = Some(now + self.ping);
        self.deadline.get_or_insert(now + PONG_DEADLINE);
        send(Frame::ping(self.service))
    }

    fn adopt(&mut self, config: ClientConfig, now: Timestamp) {
        self.wishes.told(config);
        let ping = ping_every(config.ping_interval);
        if ping != self.ping {
            self.ping = ping;
            self.next_ping = Some(now + ping);
        }
    }

    fn control(&mut self, frame: &Frame, now: Timestamp, steps: &mut Vec<Step>) {
        if frame.header("type") != Some("pong") {
            return;
        }
        match frame.payload.as_deref() {
            None | Some([]) => {}
            Some(payload) => match ClientConfig::read(payload) {
                Some(config) => self.adopt(config, now),
                None => steps.push(Step::Rejected(Rejection::Malformed)),
            },
        }
    }

    fn data(&mut self, mut frame: Frame, now: Timestamp, steps: &mut Vec<Step>) {
        // Card clicks come as `event` or, for some tenants, as `card`: the same to us. A kind that is
        // not known is not ours to acknowledge.
        if !matches!(frame.header("type"), Some("event" | "card")) {
            return;
        }
        let number = |name: &str, default: usize| match frame.header(name) {
            None | Some("") => Some(default),
            Some(text) => text.parse::<usize>().ok(),
        };
        let (Some(sum), Some(seq)) = (number("sum", 1), number("seq", 0)) else {
            return steps.push(Step::Rejected(Rejection::Malformed));
        };
        let payload = frame.payload.take().unwrap_or_default();
        let bytes = if sum <= 1 {
            payload
        } else {
            let Some(id) = frame
                .header("message_id")
                .filter(|id| !id.is_empty())
                .map(str::to_owned)
            else {
                return steps.push(Step::Rejected(Rejection::Malformed));
            };
            match self.parts.add(&id, seq, sum, payload, now) {
                Ok(Some(whole)) => whole,
                Ok(None) => return,
                Err(error) => return steps.push(Step::Rejected(refusal(error))),
            }
        };
        let received = if bytes.len() > MAX_BODY {
            Err(Rejection::TooLarge)
        } else {
            std::str::from_utf8(&bytes)
                .map_err(|_| Rejection::Malformed)
                .and_then(|plain| self.door.accept(plain, Trust::Connection, now))
        };
        match received {
            Ok(Received::Events { .. }) if self.pending.len() >= MAX_PENDING => {
                steps.push(send(frame.reply(0, verdict(500, None))));
            }
            Ok(Received::Events { events, answer }) => {
                self.receipts += 1;
                let answer = (answer.body != NOTHING_TO_SAY.as_bytes()).then_some(answer.body);
                self.pending.insert(
                    self.receipts,
                    Pending {
                        frame,
                        received: now,
                        answer,
                    },
                );
                steps.push(Step::Store {
                    receipt: self.receipts,
                    events,
                });
            }
            // An address check has no meaning here and is none of our business.
            Ok(Received::Challenge(_)) => steps.push(send(frame.reply(0, verdict(200, None)))),
            Ok(Received::Rejected(rejection)) | Err(rejection) => {
                steps.push(Step::Rejected(rejection));
                // As a callback is answered: the platform's console shows that we do not take it.
                steps.push(send(frame.reply(0, verdict(500, None))));
            }
        }
    }
}

impl LinkSession for Session {
    fn opened(&mut self, now: Timestamp) -> Vec<Step> {
        vec![self.ping(now)]
    }

    fn received(&mut self, frame: Wire, now: Timestamp) -> Vec<Step> {
        let bytes = match frame {
            Wire::Binary(bytes) => bytes,
            Wire::Text(_) => return vec![Step::Rejected(Rejection::Malformed)],
        };
        let Some(frame) = Frame::decode(&bytes) else {
            return vec![Step::Rejected(Rejection::Malformed)];
        };
        self.deadline = None;
        let mut steps = Vec::new();
        // The first frame that makes sense shows that somebody is there.
        if !self.ready {
            self.ready = true;
            self.wishes.connected();
            steps.push(Step::Ready);
        }
        match frame.method {
            CONTROL => self.control(&frame, now, &mut steps),
            DATA => self.data(frame, now, &mut steps),
            _ => {}
        }
        steps
    }

    fn stored(&mut self, receipt: u64, stored: bool, now: Timestamp) -> Vec<Step> {
        let Some(pending) = self.pending.remove(&receipt) else {
            return Vec::new();
        };
        let took = u64::try_from(now.since(pending.received).as_millis()).unwrap_or(u64::MAX);
        let payload = if stored {
            verdict(200, pending.answer.as_deref())
        } else {
            verdict(500, None)
        };
        vec![send(pending.frame.reply(took, payload))]
    }

    fn next_tick(&self) -> Option<Timestamp> {
        // Parts that wait too long are dropped with the pings and whenever another part comes.
        [self.next_ping, self.deadline].into_iter().flatten().min()
    }

    fn tick(&mut self, now: Timestamp) -> Vec<Step> {
        self.parts.expire(now);
        if self.deadline.is_some_and(|at| at <= now) {
            self.next_ping = None;
            self.deadline = None;
            return vec![Step::Close(CloseReason::Failed(format!(
                "no answer to a ping within {} s",
                PONG_DEADLINE.as_secs()
            )))];
        }
        match self.next_ping {
            Some(at) if at <= now => vec![self.ping(now)],
            _ => Vec::new(),
        }
    }
}

/// 30 s at most; a wish of less than a second is none.
fn ping_every(wished_s: i64) -> Duration {
    match u64::try_from(wished_s) {
        Ok(seconds @ 1..) => Duration::from_secs(seconds).min(PING_AT_MOST),
        _ => PING_AT_MOST,
    }
}

fn refusal(error: FragmentError) -> Rejection {
    match error {
        FragmentError::Count | FragmentError::TooLarge | FragmentError::Full => Rejection::TooLarge,
        FragmentError::Index | FragmentError::Mismatch => Rejection::Malformed,
    }
}

fn send(frame: Frame) -> Step {
    Step::Send(Wire::Binary(frame.encode()))
}

/// Payload of a reply: 200 for taken, 500 for "send it again"; `data` is what a callback is answered
/// with.
fn verdict(code: u16, data: Option<&[u8]>) -> Vec<u8> {
    match data {
        Some(data) => format!(r#"{{"code":{code},"data":"{}"}}"#, STANDARD.encode(data)),
        None => format!(r#"{{"code":{code}}}"#),
    }
    .into_bytes()
}
