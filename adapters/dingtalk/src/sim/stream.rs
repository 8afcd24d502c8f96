//! Stream mode as the gateway does it: tickets, connections, frames, acknowledgements, heartbeats and
//! announced ends (4.8). Sockets and their faults are the hub's.
//!
//! Whether an app's events and robot messages come by stream is chosen in the console, for each of
//! them. Here the app that connects and subscribes has chosen Stream mode for that topic, until
//! somebody enters a callback address again. In Stream mode nothing goes to the callback address: what
//! finds no connection fails, and comes again on the ladder. For cards the choice is made with each
//! card (`callbackType`).
//!
//! Where the pages are silent: robot messages without acknowledgement are pushed again, as practice
//! reports, on the ladder of events (those that found no connection are lost for good); a push that is repeated keeps `eventId` and `msgId` and gets a new
//! `messageId`, except for cards, which have nothing else.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use axum::extract::State as Shared;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::extract::{RawQuery, Request};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use hutong_simkit::ladder::{Answer, Attempt, CallbackRequest};
use hutong_simkit::sockets::{Hub, Reply, SocketHandle, SocketProtocol, SocketState};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::{Core, json_answer, percent_decoded};

/// Status of an answer that was judged here already: no HTTP answer has it.
pub const JUDGED: u16 = 0;

const TICKET_MS: i64 = 90_000;
const CARD_DEADLINE: Duration = Duration::from_secs(2);
/// The public endpoint of the real gateway has this path, too.
pub const CONNECT: &str = "/connect";
pub const OPEN: &str = "/v1.0/gateway/connections/open";

/// Type and topic of a subscription.
pub type Topic = (String, String);

pub fn topic(kind: &str, name: &str) -> Topic {
    (kind.to_owned(), name.to_owned())
}

pub fn events() -> Topic {
    topic("EVENT", "*")
}

pub fn robot() -> Topic {
    topic("CALLBACK", "/v1.0/im/bot/messages/get")
}

pub fn cards() -> Topic {
    topic("CALLBACK", "/v1.0/card/instances/callback")
}

/// Real times of the gateway; tests shorten them.
#[derive(Debug, Clone, Copy)]
pub struct StreamTimes {
    /// For an acknowledgement of an event or a robot message (4.6); cards: two seconds at most.
    pub ack: Duration,
    /// Between the announcement of an end and the end (4.7).
    pub silence: Duration,
    /// Between two heartbeat frames: one report says 20 to 30 s.
    pub ping: Duration,
}

impl Default for StreamTimes {
    fn default() -> Self {
        Self {
            ack: Duration::from_secs(3),
            silence: Duration::from_secs(10),
            ping: Duration::from_secs(20),
        }
    }
}

/// What else may happen to the next push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quirk {
    /// Frames that nobody can use come before it: no JSON, data that is no JSON, an unknown topic.
    Garbage,
    /// `time` is a number, as the protocol page writes it.
    NumericTime,
    /// Only the headers without which it could not be understood.
    BareHeaders,
    /// It takes a connection whose end was announced, where there is one.
    DuringDisconnect,
}

struct Ticket {
    app: String,
    until: i64,
    topics: BTreeSet<Topic>,
}

#[derive(Default)]
struct Inner {
    tickets: HashMap<String, Ticket>,
    /// What each open connection has subscribed to.
    sockets: HashMap<u64, BTreeSet<Topic>>,
    /// Which topics of which app are set to Stream mode.
    modes: BTreeSet<(String, Topic)>,
    quirks: VecDeque<Quirk>,
    times: StreamTimes,
    counter: u64,
}

/// All of Stream mode; cheap to clone.
#[derive(Clone)]
pub struct Streams {
    pub hub: Hub,
    seed: u64,
    inner: Arc<Mutex<Inner>>,
}

/// What is pushed; the frame around it is made for every attempt.
pub struct Push {
    app: String,
    topic: Topic,
    headers: Map<String, Value>,
    data: String,
    /// The same at every attempt: cards.
    message_id: Option<String>,
    /// When it happened: the first attempt.
    born: OnceLock<i64>,
    /// A robot message that found no connection: it never comes (4.7).
    lost: AtomicBool,
}

impl Push {
    /// An event: the envelope of HTTP mode is in the headers.
    pub fn event(app: &str, name: &str, id: &str, corp: &str, fields: &Value) -> Self {
        // Over HTTP the keys of read and recall events begin with capitals (2.7), here they do not.
        let small = |key: &str| {
            let mut chars = key.chars();
            chars
                .next()
                .map(|c| c.to_lowercase().chain(chars).collect::<String>())
                .unwrap_or_default()
        };
        let data: Map<String, Value> = fields
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| (small(key), value.clone()))
            .collect();
        let mut headers = Map::new();
        for (key, value) in [
            ("eventType", name),
            ("eventId", id),
            ("eventCorpId", corp),
            ("eventUnifiedAppId", &uuid(&format!("app of {app}"))),
        ] {
            headers.insert(key.into(), value.into());
        }
        Self {
            app: app.to_owned(),
            topic: events(),
            headers,
            data: Value::Object(data).to_string(),
            message_id: None,
            born: OnceLock::new(),
            lost: AtomicBool::new(false),
        }
    }

    pub fn robot(app: &str, body: &Value) -> Self {
        Self::callback(app, robot(), body, None)
    }

    /// A press. `id` names it at every attempt.
    pub fn card(app: &str, body: &Value, id: String) -> Self {
        Self::callback(app, cards(), body, Some(id))
    }

    fn callback(app: &str, topic: Topic, body: &Value, message_id: Option<String>) -> Self {
        let mut headers = Map::new();
        headers.insert("appId".into(), uuid(&format!("app of {app}")).into());
        Self {
            app: app.to_owned(),
            topic,
            headers,
            data: body.to_string(),
            message_id,
            born: OnceLock::new(),
            lost: AtomicBool::new(false),
        }
    }

    fn frame(&self, message_id: &str, socket: &SocketHandle, at: i64, quirk: Option<Quirk>) -> Value {
        let mut headers = self.headers.clone();
        let born = self.born.get_or_init(|| at);
        if self.topic.0 == "EVENT" {
            headers.insert("eventBornTime".into(), born.to_string().into());
        } else {
            headers.insert("connectionId".into(), connection(socket).into());
        }
        if quirk == Some(Quirk::BareHeaders) {
            headers.retain(|key, _| matches!(key.as_str(), "eventType" | "eventId" | "eventCorpId"));
        } else {
            headers.insert("contentType".into(), "application/json".into());
            headers.insert(
                "time".into(),
                match quirk {
                    Some(Quirk::NumericTime) => at.into(),
                    _ => at.to_string().into(),
                },
            );
        }
        headers.insert("messageId".into(), message_id.into());
        headers.insert("topic".into(), self.topic.1.as_str().into());
        let mut frame = json!({ "type": self.topic.0, "headers": headers, "data": self.data });
        if quirk != Some(Quirk::BareHeaders) {
            frame["specVersion"] = "1.0".into();
        }
        frame
    }

    /// Whether an acknowledgement says that it was taken. Any data counts for a 200, and for events
    /// its `status`, where there is one (4.5).
    fn judge(&self, ack: Answer) -> Result<Answer, String> {
        if ack.status != 200 {
            return Err(format!("acknowledged with code {}", ack.status));
        }
        let data: Value = serde_json::from_slice(&ack.body).unwrap_or(Value::Null);
        if self.topic.0 != "EVENT" {
            // What HTTP mode has as the whole body stands under `response`.
            let body = data.get("response").unwrap_or(&Value::Null).to_string().into_bytes();
            return Ok(Answer { status: 200, body });
        }
        match data.get("status").and_then(Value::as_str) {
            Some("LATER") => Err("acknowledged with LATER".into()),
            _ => Ok(Answer {
                status: JUDGED,
                body: Vec::new(),
            }),
        }
    }
}

fn uuid(what: &str) -> String {
    let hex = hex::encode(Sha256::digest(what));
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}

fn connection(socket: &SocketHandle) -> String {
    uuid(&format!("connection {} of {}", socket.id(), socket.app()))
}

impl Streams {
    pub fn new(seed: u64, stop: CancellationToken) -> Self {
        Self {
            hub: Hub::new(seed, stop),
            seed,
            inner: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fresh(&self, what: &str) -> String {
        let mut inner = self.lock();
        inner.counter += 1;
        let n = inner.counter;
        drop(inner);
        uuid(&format!("{}/{what}/{n}", self.seed))
    }

    /// The `messageId` of a push.
    pub fn message_id(&self) -> String {
        self.fresh("message").replace('-', "")
    }

    pub fn set_times(&self, times: StreamTimes) {
        self.lock().times = times;
    }

    pub fn add_quirk(&self, quirk: Quirk) {
        self.lock().quirks.push_back(quirk);
    }

    /// Whether this app gets this by stream.
    pub fn takes(&self, app: &str, topic: &Topic) -> bool {
        self.lock().modes.contains(&(app.to_owned(), topic.clone()))
    }

    /// The admin has chosen HTTP push.
    pub fn choose_http(&self, app: &str) {
        self.lock().modes.retain(|(a, _)| a != app);
    }

    fn pick(&self, app: &str, topic: &Topic, quirk: Option<Quirk>) -> Option<SocketHandle> {
        let subscribed: BTreeSet<u64> = self
            .lock()
            .sockets
            .iter()
            .filter(|(_, topics)| topics.contains(topic))
            .map(|(id, _)| *id)
            .collect();
        let ending = (quirk == Some(Quirk::DuringDisconnect))
            .then(|| {
                let mut all = self.hub.handles(app).into_iter();
                all.rfind(|h| h.state() == SocketState::Announced && subscribed.contains(&h.id()))
            })
            .flatten();
        ending.or_else(|| self.hub.pick_where(app, |h| subscribed.contains(&h.id())))
    }

    /// Lets a callback travel by stream when that is chosen at the time of the attempt.
    pub fn over(&self, request: CallbackRequest, push: Push) -> CallbackRequest {
        let streams = self.clone();
        let push = Arc::new(push);
        request.over(move |attempt| {
            let (streams, push) = (streams.clone(), push.clone());
            Box::pin(async move { streams.carry(&push, attempt).await })
        })
    }

    async fn carry(&self, push: &Push, attempt: Attempt) -> Option<Result<Answer, String>> {
        // For cards the choice was made with the card.
        if push.message_id.is_none() && !self.takes(&push.app, &push.topic) {
            return None;
        }
        let (quirk, times) = {
            let mut inner = self.lock();
            (inner.quirks.pop_front(), inner.times)
        };
        let socket = match self.pick(&push.app, &push.topic, quirk) {
            Some(socket) if !push.lost.load(Ordering::Relaxed) => socket,
            _ => {
                push.lost.store(push.topic == robot(), Ordering::Relaxed);
                return Some(Err("no connection takes it".into()));
            }
        };
        let key = push.message_id.clone().unwrap_or_else(|| self.message_id());
        let at = attempt.at.millis();
        let mut frames = Vec::new();
        if quirk == Some(Quirk::Garbage) {
            frames.extend(self.garbage(&push.topic, at));
        }
        frames.push(text(&push.frame(&key, &socket, at, quirk)));
        let deadline = if push.message_id.is_some() {
            times.ack.min(CARD_DEADLINE)
        } else {
            times.ack
        };
        let answer = socket.push(frames, &key, deadline).await;
        Some(answer.and_then(|ack| push.judge(ack)))
    }

    fn garbage(&self, topic: &Topic, at: i64) -> Vec<Message> {
        let headers = |topic: &str| json!({ "messageId": self.message_id(), "topic": topic, "time": at.to_string() });
        vec![
            "no JSON".into(),
            "{\"type\":\"EVENT\"".into(),
            text(&json!({ "type": topic.0, "headers": headers(&topic.1), "data": "{\"broken\":" })),
            text(&json!({ "type": "CALLBACK", "headers": headers("/v1.0/not/registered"), "data": "{}" })),
            text(&json!({ "type": "WHATEVER", "headers": {}, "data": 7 })),
        ]
    }
}

fn text(frame: &Value) -> Message {
    frame.to_string().into()
}

fn system(topic: &str, id: &str, at: i64, data: &Value) -> Message {
    text(&json!({
        "specVersion": "1.0", "type": "SYSTEM",
        "headers": {
            "contentType": "application/json", "messageId": id, "time": at.to_string(), "topic": topic,
        },
        "data": data.to_string(),
    }))
}

/// The gateway's side of one connection.
struct Gateway {
    core: Arc<Core>,
    topics: BTreeSet<Topic>,
    socket: Option<SocketHandle>,
    /// Heartbeats that were not answered yet, newest last.
    pings: VecDeque<(String, Value)>,
}

impl Gateway {
    fn ack(&mut self, frame: &str) -> Result<Option<Reply>, String> {
        let ack: Value = serde_json::from_str(frame).map_err(|_| "it is no JSON".to_owned())?;
        let code = ack.get("code").and_then(Value::as_u64);
        let code = code
            .and_then(|c| u16::try_from(c).ok())
            .filter(|c| *c != JUDGED)
            .ok_or("it has no code")?;
        let id = ack
            .pointer("/headers/messageId")
            .and_then(Value::as_str)
            .ok_or("it names no messageId")?;
        // Any data is taken: a text, nothing, or JSON.
        let data = match ack.get("data") {
            Some(Value::String(data)) => data.clone(),
            None | Some(Value::Null) => String::new(),
            Some(other) => other.to_string(),
        };
        if let Some(at) = self.pings.iter().position(|(ping, _)| ping == id) {
            let sent = self.pings.remove(at).map(|(_, data)| data);
            // Some clients write the JSON anew.
            if code != 200 || serde_json::from_str::<Value>(&data).ok() != sent {
                return Err("a heartbeat was not answered with its data".into());
            }
            return Ok(None);
        }
        Ok(Some(Reply::Acked {
            key: id.to_owned(),
            answer: Answer {
                status: code,
                body: data.into_bytes(),
            },
        }))
    }
}

impl SocketProtocol for Gateway {
    fn opened(&mut self, socket: &SocketHandle) -> Vec<Reply> {
        let mut inner = self.core.streams.lock();
        for topic in &self.topics {
            inner.modes.insert((socket.app().to_owned(), topic.clone()));
        }
        inner.sockets.insert(socket.id(), self.topics.clone());
        drop(inner);
        self.socket = Some(socket.clone());
        vec![Reply::Ready]
    }

    fn frame(&mut self, socket: &SocketHandle, message: Message) -> Vec<Reply> {
        let Message::Text(frame) = message else {
            self.core
                .complain(format!("stream of {}: frames are text", socket.app()));
            return Vec::new();
        };
        match self.ack(&frame) {
            Ok(reply) => reply.into_iter().collect(),
            Err(why) => {
                self.core
                    .complain(format!("stream of {}: acknowledgement: {why}", socket.app()));
                Vec::new()
            }
        }
    }

    fn every(&self) -> Option<Duration> {
        Some(self.core.streams.lock().times.ping)
    }

    fn beat(&mut self) -> Vec<Reply> {
        // After its announcement it is silent (4.7), and so is one that only looks alive.
        let live = |socket: &SocketHandle| socket.state() == SocketState::Live;
        if !self.socket.as_ref().is_some_and(live) {
            return Vec::new();
        }
        let id = self.core.streams.message_id();
        let data = json!({ "opaque": id });
        if self.pings.len() == 16 {
            self.pings.pop_front();
        }
        self.pings.push_back((id.clone(), data.clone()));
        vec![Reply::Send(system("ping", &id, self.core.clock.now().millis(), &data))]
    }

    fn announces(&self) -> bool {
        true
    }

    fn announce(&mut self) -> Vec<Reply> {
        let id = self.core.streams.message_id();
        let data = json!({ "reason": "persistent connection is timeout" });
        let silence = self.core.streams.lock().times.silence;
        vec![
            Reply::Send(system("disconnect", &id, self.core.clock.now().millis(), &data)),
            Reply::CutIn(silence),
        ]
    }

    fn closed(&mut self, socket: &SocketHandle) {
        self.core.streams.lock().sockets.remove(&socket.id());
    }
}

/// `POST /v1.0/gateway/connections/open`
pub async fn open(Shared(core): Shared<Arc<Core>>, request: Request) -> Response {
    core.journal.call(OPEN);
    let (parts, body) = request.into_parts();
    let json_in = |name: header::HeaderName| {
        super::one(&parts.headers, name.as_str()).is_some_and(|v| v.to_ascii_lowercase().contains("application/json"))
    };
    let wants_json = json_in(header::ACCEPT);
    if !json_in(header::CONTENT_TYPE) {
        core.complain(format!("POST {OPEN}: the body must be application/json"));
        return refusal(StatusCode::BAD_REQUEST, "invalidParameter.contentType");
    }
    let Ok(bytes) = axum::body::to_bytes(body, 64 << 10).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let given = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
    let app = {
        let state = core.state();
        let found = state
            .apps
            .iter()
            .find(|a| a.spec.client_id == given("clientId") && a.spec.client_secret == given("clientSecret"));
        found.map(|a| a.spec.id.clone())
    };
    let Some(app) = app else {
        core.complain(format!("POST {OPEN}: the credentials are wrong"));
        return refusal(StatusCode::UNAUTHORIZED, "authFailed");
    };
    let topics = match subscriptions(&body) {
        Ok(topics) => topics,
        Err(why) => {
            core.complain(format!("POST {OPEN}: {why}"));
            return refusal(StatusCode::BAD_REQUEST, "invalidParameter.subscriptions");
        }
    };
    let ticket = core.streams.fresh("ticket");
    let now = core.clock.now().millis();
    let mut inner = core.streams.lock();
    inner.tickets.retain(|_, t| t.until > now);
    inner.tickets.insert(
        ticket.clone(),
        Ticket {
            app,
            until: now + TICKET_MS,
            topics,
        },
    );
    drop(inner);
    let endpoint = format!("{}{CONNECT}", core.base.replacen("http", "ws", 1));
    if !wants_json {
        core.complain(format!(
            "POST {OPEN}: without accept: application/json the answer is XML"
        ));
        let xml = format!("<result><endpoint>{endpoint}</endpoint><ticket>{ticket}</ticket></result>");
        return ([(header::CONTENT_TYPE, "application/xml")], xml).into_response();
    }
    json_answer(StatusCode::OK, &json!({ "endpoint": endpoint, "ticket": ticket }))
}

/// The body of a refusal is not documented (4.1); this is the shape of the generation.
fn refusal(status: StatusCode, code: &str) -> Response {
    json_answer(status, &json!({ "code": code, "message": code, "requestid": "stream" }))
}

fn subscriptions(body: &Value) -> Result<BTreeSet<Topic>, String> {
    let list = body.get("subscriptions").and_then(Value::as_array);
    let list = list.filter(|l| !l.is_empty()).ok_or("nothing is subscribed")?;
    list.iter()
        .map(|item| {
            let get = |key: &str| item.get(key).and_then(Value::as_str);
            match (get("type"), get("topic")) {
                (Some(kind @ ("EVENT" | "CALLBACK" | "SYSTEM")), Some(name)) if !name.is_empty() => {
                    Ok(topic(kind, name))
                }
                _ => Err(format!("not a subscription: {item}")),
            }
        })
        .collect()
}

/// The upgrade. A ticket is good for one connection within 90 s.
pub async fn connect(
    Shared(core): Shared<Arc<Core>>,
    RawQuery(query): RawQuery,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    core.journal.call(CONNECT);
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => {
            core.complain(format!("{CONNECT}: {rejection}"));
            return rejection.into_response();
        }
    };
    // Some clients encode the ticket, some do not.
    let ticket = query
        .as_deref()
        .unwrap_or_default()
        .split('&')
        .find_map(|pair| pair.strip_prefix("ticket="))
        .map(percent_decoded)
        .unwrap_or_default();
    let now = core.clock.now().millis();
    let found = core.streams.lock().tickets.remove(&ticket).filter(|t| t.until > now);
    let Some(Ticket { app, topics, .. }) = found else {
        core.complain(format!("{CONNECT}: the ticket is unknown, used or too old"));
        return refusal(StatusCode::UNAUTHORIZED, "invalidTicket");
    };
    let hub = core.streams.hub.clone();
    upgrade.on_upgrade(move |socket| async move {
        let gateway = Gateway {
            core,
            topics,
            socket: None,
            pings: VecDeque::new(),
        };
        hub.serve(&app, socket, gateway).await;
    })
}
