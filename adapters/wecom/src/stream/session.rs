//! One connection's state: subscribe, heartbeat, callbacks, and requests with their
//! acknowledgements. No I/O and no clock of its own.
//!
//! Callbacks are not acknowledged on this wire. An event is stored first; only then is it answered
//! (the welcome), and only what was stored can cause any other answer.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use hutong_model::{Body, BoxFuture, CloseReason, Frame, Incoming, LinkSession, Rejection, Step, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::calls::Context;
use super::frame::{self, Ids, Inbound};
use super::outbound::{Job, Outbound, Reply, Want};
use super::{Bot, NOT_SUBSCRIBED};
use crate::codes::explain;
use crate::normalise::{self, BotSelf};
use crate::text::cut;
use crate::wire::BotCallback;

/// How long the answer to subscribing may take.
const SUBSCRIBE_WAIT: Duration = Duration::from_secs(10);
/// The official SDKs' interval.
pub const PING_EVERY: Duration = Duration::from_secs(30);
/// How long any acknowledgement may take (as in the official SDKs).
pub const ACK_WAIT: Duration = Duration::from_secs(5);
/// Unanswered pings after which the connection counts as dead.
const MISSED: usize = 2;
/// A message can be answered for a day (846604 afterwards).
const MESSAGE_LIFE: Duration = Duration::from_secs(24 * 3600);
/// A click and an entry for 5 s on the platform's clock; half a second is left for the way.
const SHORT_LIFE: Duration = Duration::from_millis(4_500);
/// Callbacks remembered as answerable; the oldest are forgotten first and answered by a send.
const HEARD: usize = 20_000;
/// Pushes that wait for the store. A store that is so far behind is not working.
const UNSTORED: usize = 10_000;

/// What a callback may be answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Message,
    Click,
    Entered,
    Other,
}

#[derive(Debug)]
struct Heard {
    kind: Kind,
    at: Timestamp,
    /// Answered, or perhaps answered.
    closed: bool,
}

#[derive(Debug)]
struct Flight {
    /// `None` for a welcome, which nobody waits for.
    job: Option<Job>,
    until: Timestamp,
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    Opening,
    Subscribing { req_id: String, until: Timestamp },
    Live,
    Ended,
}

/// See the module.
#[derive(Debug)]
pub struct Session {
    connection: u64,
    bot: Arc<Bot>,
    out: Arc<Outbound>,
    bell: Arc<Notify>,
    ids: Ids,
    phase: Phase,
    next_ping: Timestamp,
    /// Pings without an answer: id and time.
    pings: Vec<(String, Timestamp)>,
    waiting: VecDeque<Job>,
    flights: HashMap<String, Flight>,
    heard: HashMap<String, Heard>,
    heard_order: VecDeque<String>,
    /// Receipts of events that are being stored, with the id of a callback to welcome.
    unstored: HashMap<u64, Option<String>>,
    receipts: u64,
}

impl Session {
    pub(super) fn new(bot: Arc<Bot>, out: Arc<Outbound>, now: Timestamp) -> Self {
        let connection = out.number();
        Self {
            connection,
            bot,
            out,
            bell: Arc::default(),
            ids: Ids::new(connection),
            phase: Phase::Opening,
            next_ping: now + PING_EVERY,
            pings: vec![],
            waiting: VecDeque::new(),
            flights: HashMap::new(),
            heard: HashMap::new(),
            heard_order: VecDeque::new(),
            unstored: HashMap::new(),
            receipts: 0,
        }
    }

    /// Nothing more is taken; whoever waits learns it.
    fn end(&mut self, reason: CloseReason) -> Vec<Step> {
        self.phase = Phase::Ended;
        self.out.down(self.connection);
        self.waiting.clear();
        self.flights.clear();
        self.pings.clear();
        vec![Step::Close(reason)]
    }

    fn subscribed(&mut self, code: i64, text: &str, now: Timestamp) -> Vec<Step> {
        match code {
            0 => {
                self.phase = Phase::Live;
                self.next_ping = now + PING_EVERY;
                self.out.up(self.connection, self.bell.clone());
                vec![Step::Ready]
            }
            // Wrong bot_id or secret; long connections are off for this bot, or for the company.
            853_000 | 846_601 => self.end(CloseReason::Refused {
                code: code.to_string(),
                text: explain(code, text),
            }),
            _ => self.end(CloseReason::Failed(format!("subscribing was answered with {code}"))),
        }
    }

    fn acknowledged(&mut self, req_id: &str, code: i64, text: &str, body: Value, now: Timestamp) -> Vec<Step> {
        if let Phase::Subscribing { req_id: own, .. } = &self.phase
            && own == req_id
        {
            return self.subscribed(code, text, now);
        }
        let flight = self.flights.remove(req_id);
        if code == NOT_SUBSCRIBED {
            // The socket lives and the subscription does not: nothing was done, by this request or
            // by any other that is still under way.
            for job in flight.into_iter().chain(self.flights.drain().map(|(_, f)| f)) {
                if let Some(job) = job.job {
                    job.answer(Reply::NotSent("the connection is not subscribed any more".into()));
                }
            }
            return self.end(CloseReason::Failed(format!("not subscribed any more ({code})")));
        }
        if self.pings.iter().any(|(id, _)| id == req_id) {
            self.pings.clear();
        }
        if let Some(job) = flight.and_then(|f| f.job) {
            job.answer(match code {
                0 => Reply::Done(body),
                _ => Reply::Refused {
                    code,
                    text: explain(code, text),
                },
            });
        }
        self.pump(now)
    }

    fn called(&mut self, req_id: String, body: Value, now: Timestamp) -> Vec<Step> {
        let callback = match BotCallback::deserialize(body) {
            Ok(callback) => callback,
            Err(_) => return vec![Step::Rejected(Rejection::Malformed)],
        };
        let event = callback.event.as_ref().and_then(|e| e.get("eventtype"));
        let event = event.and_then(Value::as_str).unwrap_or_default();
        if callback.msgtype == "event" && event == "disconnected_event" {
            return self.end(CloseReason::Evicted);
        }
        // The connection says which bot it is; whether `aibotid` is the `bot_id` of subscribing is
        // not documented.
        let identity = BotSelf {
            name: &self.bot.name,
            id: None,
        };
        let mut incoming = match normalise::bot(&callback, identity, now) {
            Ok(incoming) => incoming,
            Err(rejection) => return vec![Step::Rejected(rejection)],
        };
        let kind = addressed(&mut incoming, &req_id);
        let welcome = (kind == Kind::Entered).then(|| req_id.clone());
        self.hear(req_id, kind, now);
        if self.unstored.len() >= UNSTORED {
            return self.end(CloseReason::Failed("events are not stored".into()));
        }
        self.receipts += 1;
        self.unstored.insert(self.receipts, welcome);
        vec![Step::Store {
            receipt: self.receipts,
            events: vec![incoming],
        }]
    }

    fn hear(&mut self, req_id: String, kind: Kind, now: Timestamp) {
        if kind == Kind::Other {
            return;
        }
        while self.heard_order.len() >= HEARD
            && let Some(old) = self.heard_order.pop_front()
        {
            self.heard.remove(&old);
        }
        let heard = Heard {
            kind,
            at: now,
            closed: false,
        };
        if self.heard.insert(req_id.clone(), heard).is_none() {
            self.heard_order.push_back(req_id);
        }
    }

    /// Whether a callback can still be answered with this command.
    fn answerable(&self, req_id: &str, cmd: &str, now: Timestamp) -> bool {
        let Some(heard) = self.heard.get(req_id) else {
            return false;
        };
        let (wanted, life) = match heard.kind {
            Kind::Message => (frame::RESPOND, MESSAGE_LIFE),
            Kind::Click => (frame::UPDATE, SHORT_LIFE),
            Kind::Entered => (frame::WELCOME, SHORT_LIFE),
            Kind::Other => return false,
        };
        !heard.closed && cmd == wanted && now.since(heard.at) <= life
    }

    /// Takes what waits and writes what may go.
    fn pump(&mut self, now: Timestamp) -> Vec<Step> {
        if self.phase != Phase::Live {
            return vec![];
        }
        self.waiting.extend(self.out.take(self.connection));
        let mut steps = vec![];
        let mut later = VecDeque::new();
        while let Some(job) = self.waiting.pop_front() {
            let (cmd, req_id, body) = match &job.want {
                Want::Own { cmd, body } => (*cmd, self.ids.take(cmd, now), body),
                Want::Answer { cmd, req_id, body } => {
                    // One after the other: the next frame goes when the one before is acknowledged.
                    if self.flights.contains_key(req_id) {
                        later.push_back(job);
                        continue;
                    }
                    if !self.answerable(req_id, cmd, now) {
                        job.answer(Reply::Gone);
                        continue;
                    }
                    (*cmd, req_id.clone(), body)
                }
            };
            if !job.written() {
                continue;
            }
            let goes_on = cmd == frame::UPDATE || body.pointer("/stream/finish") == Some(&json!(false));
            if let (false, Some(heard)) = (goes_on, self.heard.get_mut(&req_id)) {
                heard.closed = true;
            }
            steps.push(Step::Send(frame::write(cmd, &req_id, body)));
            let flight = Flight {
                job: Some(job),
                until: now + ACK_WAIT,
            };
            self.flights.insert(req_id, flight);
        }
        self.waiting = later;
        steps
    }

    fn overdue(&mut self, now: Timestamp) {
        let late: Vec<String> = self
            .flights
            .iter()
            .filter(|(_, f)| f.until <= now)
            .map(|(id, _)| id.clone())
            .collect();
        for id in late {
            // What comes now could be taken for the answer to a later frame of the same id.
            if let Some(heard) = self.heard.get_mut(&id) {
                heard.closed = true;
            }
            if let Some(job) = self.flights.remove(&id).and_then(|f| f.job) {
                job.answer(Reply::Unknown("no acknowledgement in 5 s".into()));
            }
        }
    }

    /// The time at which the second unanswered ping counts as missed.
    fn dead_at(&self) -> Option<Timestamp> {
        match self.pings.last() {
            Some((_, sent)) if self.pings.len() >= MISSED => Some(*sent + ACK_WAIT),
            _ => None,
        }
    }
}

/// Puts into the event how to answer it, and says what kind it is.
fn addressed(incoming: &mut Incoming, req_id: &str) -> Kind {
    match &mut incoming.body {
        Body::Message(message) => {
            message.reply_context = Context::of(req_id, Some(&message.chat)).text();
            Kind::Message
        }
        Body::Click(click) => {
            click.reply_context = Context::of(req_id, click.chat.as_ref()).text();
            Kind::Click
        }
        Body::ChatEntered { .. } => Kind::Entered,
        _ => Kind::Other,
    }
}

impl LinkSession for Session {
    fn opened(&mut self, now: Timestamp) -> Vec<Step> {
        let req_id = self.ids.take(frame::SUBSCRIBE, now);
        let body = json!({"bot_id": self.bot.bot_id, "secret": self.bot.secret.expose()});
        let first = frame::write(frame::SUBSCRIBE, &req_id, &body);
        self.phase = Phase::Subscribing {
            req_id,
            until: now + SUBSCRIBE_WAIT,
        };
        vec![Step::Send(first)]
    }

    fn received(&mut self, frame: Frame, now: Timestamp) -> Vec<Step> {
        if self.phase == Phase::Ended {
            return vec![];
        }
        match frame::read(&frame) {
            Err(rejection) => vec![Step::Rejected(rejection)],
            Ok(Inbound::Ack {
                req_id,
                code,
                text,
                body,
            }) => self.acknowledged(&req_id, code, &text, body, now),
            Ok(Inbound::Callback { cmd, req_id, body }) if cmd == frame::MESSAGE || cmd == frame::EVENT => {
                self.called(req_id, body, now)
            }
            // Commands of a later edition.
            Ok(Inbound::Callback { .. }) => vec![],
        }
    }

    fn stored(&mut self, receipt: u64, stored: bool, now: Timestamp) -> Vec<Step> {
        let Some(welcome) = self.unstored.remove(&receipt) else {
            return vec![];
        };
        if self.phase == Phase::Ended {
            return vec![];
        }
        if !stored {
            // The wire knows no repeat: rather be seen as away than swallow what people say.
            return self.end(CloseReason::Failed("an event could not be stored".into()));
        }
        let (Some(req_id), Some(words)) = (welcome, &self.bot.welcome) else {
            return vec![];
        };
        if self.phase != Phase::Live || !self.answerable(&req_id, frame::WELCOME, now) {
            return vec![];
        }
        let body = json!({"msgtype": "text", "text": {"content": cut(words, 2048)}});
        let greeting = frame::write(frame::WELCOME, &req_id, &body);
        if let Some(heard) = self.heard.get_mut(&req_id) {
            heard.closed = true;
        }
        let flight = Flight {
            job: None,
            until: now + ACK_WAIT,
        };
        self.flights.insert(req_id, flight);
        vec![Step::Send(greeting)]
    }

    fn next_tick(&self) -> Option<Timestamp> {
        match &self.phase {
            Phase::Opening | Phase::Ended => None,
            Phase::Subscribing { until, .. } => Some(*until),
            Phase::Live => self
                .flights
                .values()
                .map(|f| f.until)
                .chain([self.next_ping])
                .chain(self.dead_at())
                .min(),
        }
    }

    fn tick(&mut self, now: Timestamp) -> Vec<Step> {
        match &self.phase {
            Phase::Opening | Phase::Ended => return vec![],
            Phase::Subscribing { until, .. } => {
                return match now >= *until {
                    true => self.end(CloseReason::Failed("no answer to subscribing".into())),
                    false => vec![],
                };
            }
            Phase::Live => {}
        }
        if self.dead_at().is_some_and(|at| now >= at) {
            return self.end(CloseReason::Failed("two pings without an answer".into()));
        }
        self.overdue(now);
        let mut steps = vec![];
        if now >= self.next_ping {
            let req_id = self.ids.take(frame::PING, now);
            steps.push(Step::Send(frame::write(frame::PING, &req_id, &Value::Null)));
            self.pings.push((req_id, now));
            self.next_ping = now + PING_EVERY;
        }
        steps.extend(self.pump(now));
        steps
    }

    fn woken(&self) -> BoxFuture<'static, ()> {
        let (out, bell, connection) = (self.out.clone(), self.bell.clone(), self.connection);
        Box::pin(async move {
            while !out.waits_for(connection) {
                bell.notified().await;
            }
        })
    }

    fn closing(&mut self, _now: Timestamp) -> Vec<Step> {
        // No new requests; those under way may still be acknowledged.
        self.out.down(self.connection);
        vec![]
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.out.down(self.connection);
    }
}
