//! The platform's side of the long connection (feishu.md 3 and 9): discovery, connections, delivery.
//!
//! While an app has a connection, its events and card clicks go over one of its connections, chosen at
//! random, and are repeated on the usual ladder after a reply of 500 or silence; a click is sent once.
//! An app that has had a connection and has no callback address is "not online" while it has none:
//! what happens then fails and is repeated.
//!
//! How messages travel is set while the platform runs, for one app or for all (only the members that
//! are to change):
//!
//! ```sh
//! curl $SIM/_sim/stream --json '{"app": "cli_..", "part_bytes": 200}'   # split above so many bytes; 0: never
//! curl $SIM/_sim/stream --json '{"card_frames": true}'                  # clicks as type=card
//! curl $SIM/_sim/stream --json '{"ping_interval": 120, "reconnect_interval": 2, "reconnect_nonce": 1}'
//! curl $SIM/_sim/stream                                                 # how it is set, and who is connected
//! ```
//!
//! Parts go out in a random order that is not theirs, and cuts are inside a character where one is
//! near. Connections fail with the faults `mute_link`, `zombie_link`, `drop_link` and `announce_link`
//! (here: an orderly close), whose `path` names apps.
//!
//! Not confirmed by any source: from which size the platform splits (here: 16 KiB), whether a repeat
//! keeps its `message_id` header (here: a new one).

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::extract::{Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hutong_simkit::control::is_loopback;
use hutong_simkit::ladder::{Answer, Attempt};
use hutong_simkit::sockets::{Hub, Reply, SocketHandle, SocketProtocol};
use serde::Deserialize;
use serde_json::{Value, json};

use super::pbbp2::Pb;
use super::seal::digest;
use super::{DEADLINE, FeishuSim};

/// Of one app at a time.
const MAX_CONNECTIONS: usize = 50;
/// Goes into the address and comes back with every ping.
const SERVICE: i32 = 33_554_678;
/// More parts than any client takes would only be dropped.
const MAX_PARTS: usize = 32;

/// How messages of one app travel.
#[derive(Debug, Clone, Copy)]
struct Manner {
    part_bytes: usize,
    card_frames: bool,
    /// Seconds. Shorter than the platform's 120 and 30, so that nobody waits for minutes.
    reconnect_interval: i64,
    reconnect_nonce: i64,
    ping_interval: i64,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            part_bytes: 16 << 10,
            card_frames: false,
            reconnect_interval: 2,
            reconnect_nonce: 1,
            ping_interval: 120,
        }
    }
}

impl Manner {
    fn client_config(&self) -> Value {
        json!({
            "ReconnectCount": -1,
            "ReconnectInterval": self.reconnect_interval,
            "ReconnectNonce": self.reconnect_nonce,
            "PingInterval": self.ping_interval,
        })
    }
}

#[derive(Debug, Default)]
struct Inner {
    /// Addresses that were handed out and not used: ticket and app.
    tickets: HashMap<String, String>,
    manners: HashMap<String, Manner>,
    /// Apps that have had a connection.
    subscribed: HashSet<String>,
}

/// All long connections of the platform.
#[derive(Debug)]
pub struct Streams {
    pub hub: Hub,
    count: AtomicU64,
    inner: Mutex<Inner>,
}

impl Streams {
    pub fn new(hub: Hub) -> Self {
        Self {
            hub,
            count: AtomicU64::new(0),
            inner: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn manner(&self, app: &str) -> Manner {
        self.lock().manners.get(app).copied().unwrap_or_default()
    }

    /// Whether the app receives over a connection, now or as soon as it has one again.
    pub fn subscribed(&self, app: &str) -> bool {
        self.lock().subscribed.contains(app)
    }

    fn fresh(&self, what: &str) -> String {
        let n = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        digest(&[what, &n.to_string()])
    }

    /// Carries one attempt. `None`: the app has no connection, and an address may be tried.
    pub async fn carry(&self, app: &str, plain: &str, card: bool, attempt: Attempt) -> Option<Result<Answer, String>> {
        let manner = self.manner(app);
        let delivery = Delivery {
            kind: if card && manner.card_frames { "card" } else { "event" },
            message_id: uuid(&self.fresh("delivery")),
            trace_id: self.fresh("trace"),
            timestamp: attempt.at.0,
            instance_id: self.fresh("instance"),
            service: SERVICE,
            seq_id: self.count.fetch_add(MAX_PARTS as u64, Ordering::Relaxed) + 1,
            // Above 2^53: a client that counts in doubles cannot echo it.
            log_id: 7_000_000_000_000_000_001 + self.count.load(Ordering::Relaxed),
            log_id_new: Some(format!("20261124000000{}", &self.fresh("log")[..6].to_uppercase())),
        };
        let mut frames = delivery.frames(plain, &cuts(plain, manner.part_bytes));
        shuffle(&mut frames);
        let frames = frames.into_iter().map(|f| Message::Binary(f.into())).collect();
        let key = delivery.message_id.clone();
        self.hub.carry(app, DEADLINE, move |_| (frames, key)).await
    }
}

/// `8-4-4-4-12`, as message ids are written.
fn uuid(hex: &str) -> String {
    let mut out = String::with_capacity(36);
    for (i, c) in hex.chars().take(32).enumerate() {
        if matches!(i, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        out.push(c);
    }
    out
}

/// One message to one connection.
struct Delivery {
    kind: &'static str,
    message_id: String,
    trace_id: String,
    timestamp: i64,
    instance_id: String,
    service: i32,
    /// Of the first part; the others follow.
    seq_id: u64,
    log_id: u64,
    log_id_new: Option<String>,
}

impl Delivery {
    /// The parts of `plain`, cut before these bytes, in their order.
    fn frames(&self, plain: &str, cuts: &[usize]) -> Vec<Vec<u8>> {
        let bytes = plain.as_bytes();
        let mut edges = vec![0];
        edges.extend_from_slice(cuts);
        edges.push(bytes.len());
        let sum = edges.len() - 1;
        edges
            .windows(2)
            .enumerate()
            .map(|(seq, edge)| {
                let part = bytes.get(edge[0]..edge[1]).unwrap_or_default();
                let header = |key: &str, value: &str| (key.to_owned(), value.to_owned());
                Pb {
                    seq_id: self.seq_id + seq as u64,
                    log_id: self.log_id + seq as u64,
                    service: self.service,
                    method: 1,
                    headers: vec![
                        header("type", self.kind),
                        header("message_id", &self.message_id),
                        header("sum", &sum.to_string()),
                        header("seq", &seq.to_string()),
                        header("trace_id", &self.trace_id),
                        header("timestamp", &self.timestamp.to_string()),
                        header("instance_id", &self.instance_id),
                    ],
                    payload: Some(part.to_vec()),
                    log_id_new: self.log_id_new.clone(),
                }
                .write()
            })
            .collect()
    }
}

/// Where to cut: every `part` bytes, moved into a character where one is near.
fn cuts(plain: &str, part: usize) -> Vec<usize> {
    if part == 0 || plain.len() <= part {
        return Vec::new();
    }
    let part = part.max(plain.len().div_ceil(MAX_PARTS));
    let mut cuts = Vec::new();
    let mut at = part;
    while at < plain.len() {
        let near = (at..plain.len().min(at + part.min(64))).find(|i| !plain.is_char_boundary(*i));
        cuts.push(near.unwrap_or(at));
        at += part;
    }
    cuts
}

/// Any order but their own.
fn shuffle<T>(parts: &mut [T]) {
    let count = parts.len();
    for i in (1..count).rev() {
        // Strictly below: every part leaves its place (Sattolo's shuffle).
        let j = rand::random::<u32>() as usize % i;
        parts.swap(i, j);
    }
}

/// The two addresses of the platform, faults included, are merged by the caller.
pub fn router(sim: &Arc<FeishuSim>) -> Router {
    Router::new()
        .route("/callback/ws/endpoint", post(endpoint))
        .route("/ws/v2", get(upgrade))
        .with_state(sim.clone())
}

/// The envelope of discovery; official clients need `data` to be an object.
pub fn envelope(code: i64, text: &str) -> Response {
    let body = json!({ "code": code, "msg": text, "data": {} });
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

async fn endpoint(State(sim): State<Arc<FeishuSim>>, body: Bytes) -> Response {
    let route = "POST /callback/ws/endpoint";
    sim.journal.call(route);
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |key: &str| body[key].as_str().unwrap_or_default();
    let (id, secret) = (text("AppID"), text("AppSecret"));
    let refusal = {
        let world = sim.world();
        match world.apps.get(id) {
            _ if id.is_empty() || secret.is_empty() => Some((1_000_040_344, "no credential")),
            None => Some((514, "app_id or app_secret is invalid")),
            Some(app) if app.options.app_secret != secret => Some((514, "app_id or app_secret is invalid")),
            Some(_) if sim.streams.hub.handles(id).len() >= MAX_CONNECTIONS => {
                Some((1_000_040_350, "exceed connection limit"))
            }
            Some(_) => None,
        }
    };
    if let Some((code, what)) = refusal {
        sim.journal.complain(format!("{route}: {code} {what}"));
        return envelope(code, what);
    }
    let streams = &sim.streams;
    let ticket = uuid(&streams.fresh("ticket"));
    streams.lock().tickets.insert(ticket.clone(), id.to_owned());
    let device = 7_012_345_678_901_234_567 + streams.count.fetch_add(1, Ordering::Relaxed);
    let url = format!(
        "{}/ws/v2?fpid=493&aid=552564&device_id={device}&access_key={}&service_id={SERVICE}&ticket={ticket}",
        sim.base.replacen("http", "ws", 1),
        streams.fresh("access"),
    );
    let data = json!({ "URL": url, "ClientConfig": streams.manner(id).client_config() });
    let answer = json!({ "code": 0, "msg": "", "data": data });
    ([(header::CONTENT_TYPE, "application/json")], answer.to_string()).into_response()
}

async fn upgrade(
    State(sim): State<Arc<FeishuSim>>,
    Query(query): Query<HashMap<String, String>>,
    socket: WebSocketUpgrade,
) -> Response {
    let route = "GET /ws/v2";
    sim.journal.call(route);
    let refuse = |status: u16, message: &str, code: Option<i64>| {
        sim.journal.complain(format!("{route}: {status} {message}"));
        let mut answer = StatusCode::UNAUTHORIZED.into_response();
        let headers = answer.headers_mut();
        headers.insert("handshake-status", header::HeaderValue::from(status));
        if let Ok(message) = header::HeaderValue::from_str(message) {
            headers.insert("handshake-msg", message);
        }
        if let Some(code) = code {
            headers.insert("handshake-autherrcode", header::HeaderValue::from(code));
        }
        answer
    };
    let ticket = query.get("ticket").map(String::as_str).unwrap_or_default();
    let Some(app) = sim.streams.lock().tickets.remove(ticket) else {
        return refuse(514, "the ticket is unknown or was used", None);
    };
    if sim.streams.hub.handles(&app).len() >= MAX_CONNECTIONS {
        return refuse(514, "exceed connection limit", Some(1_000_040_350));
    }
    let sim = sim.clone();
    socket.on_upgrade(move |socket| async move {
        sim.streams.lock().subscribed.insert(app.clone());
        let protocol = Protocol {
            sim: sim.clone(),
            app: app.clone(),
        };
        sim.streams.hub.serve(&app, socket, protocol).await;
    })
}

/// What the platform does with the frames of one client.
struct Protocol {
    sim: Arc<FeishuSim>,
    app: String,
}

impl Protocol {
    fn complain(&self, what: &str) {
        self.sim
            .journal
            .complain(format!("long connection of {}: {what}", self.app));
    }

    fn pong(&self) -> Reply {
        let config = self.sim.streams.manner(&self.app).client_config();
        let pong = Pb {
            service: SERVICE,
            headers: vec![("type".to_owned(), "pong".to_owned())],
            payload: Some(config.to_string().into_bytes()),
            ..Pb::default()
        };
        Reply::Send(Message::Binary(pong.write().into()))
    }

    /// A reply, as the caller of the ladder reads answers: status and body.
    fn reply(&self, frame: &Pb) -> Vec<Reply> {
        let Some(key) = frame.header("message_id").filter(|k| !k.is_empty()) else {
            self.complain("a reply without message_id");
            return Vec::new();
        };
        let payload: Value = match serde_json::from_slice(frame.payload.as_deref().unwrap_or_default()) {
            Ok(payload) => payload,
            Err(_) => {
                self.complain("a reply whose payload is not JSON");
                return Vec::new();
            }
        };
        let status = payload["code"].as_u64().and_then(|code| u16::try_from(code).ok());
        let Some(status) = status else {
            self.complain("a reply without a code");
            return Vec::new();
        };
        let body = match &payload["data"] {
            Value::Null => b"{}".to_vec(),
            Value::String(data) => match STANDARD.decode(data) {
                Ok(body) => body,
                Err(_) => {
                    self.complain("a reply whose data is not base64");
                    Vec::new()
                }
            },
            _ => {
                self.complain("a reply whose data is not a string");
                Vec::new()
            }
        };
        vec![Reply::Acked {
            key: key.to_owned(),
            answer: Answer { status, body },
        }]
    }
}

impl SocketProtocol for Protocol {
    fn frame(&mut self, _: &SocketHandle, message: Message) -> Vec<Reply> {
        let Message::Binary(bytes) = message else {
            self.complain("a text message");
            return Vec::new();
        };
        let frame = match Pb::read(&bytes) {
            Ok(frame) => frame,
            Err(what) => {
                self.complain(&format!("a frame that cannot be read: {what}"));
                return Vec::new();
            }
        };
        if frame.service != SERVICE {
            self.complain(&format!("service {} is not the one of the address", frame.service));
        }
        match (frame.method, frame.header("type")) {
            (0, Some("ping")) => vec![self.pong()],
            (1, Some("event" | "card")) => self.reply(&frame),
            (method, kind) => {
                self.complain(&format!("method {method}, type {kind:?}"));
                Vec::new()
            }
        }
    }

    /// Nothing of this platform's own is known; a server that stops closes its sockets in order.
    fn announces(&self) -> bool {
        true
    }

    fn announce(&mut self) -> Vec<Reply> {
        vec![Reply::Close {
            code: 1001,
            reason: "going away".to_owned(),
        }]
    }
}

/// What may be changed while the platform runs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    app: Option<String>,
    part_bytes: Option<usize>,
    card_frames: Option<bool>,
    reconnect_interval: Option<i64>,
    reconnect_nonce: Option<i64>,
    ping_interval: Option<i64>,
}

/// `/_sim/stream`, beside the common control interface and as closed to strangers.
pub fn control(sim: &Arc<FeishuSim>) -> Router {
    Router::new()
        .route("/_sim/stream", get(manners).post(change))
        .layer(middleware::from_fn(|request: Request, next: Next| async move {
            if is_loopback(request.headers()) {
                next.run(request).await
            } else {
                StatusCode::FORBIDDEN.into_response()
            }
        }))
        .with_state(sim.clone())
}

async fn manners(State(sim): State<Arc<FeishuSim>>) -> Response {
    let apps: Vec<String> = sim.world().apps.keys().cloned().collect();
    let all: Vec<Value> = apps
        .iter()
        .map(|app| {
            let m = sim.streams.manner(app);
            json!({
                "app": app,
                "connections": sim.streams.hub.handles(app).len(),
                "part_bytes": m.part_bytes,
                "card_frames": m.card_frames,
                "client_config": m.client_config(),
            })
        })
        .collect();
    axum::Json(all).into_response()
}

async fn change(State(sim): State<Arc<FeishuSim>>, body: Bytes) -> Response {
    let change: Change = match serde_json::from_slice(&body) {
        Ok(change) => change,
        Err(e) => return (StatusCode::BAD_REQUEST, e.to_string()).into_response(),
    };
    let known: Vec<String> = sim.world().apps.keys().cloned().collect();
    let apps: Vec<String> = match change.app {
        None => known,
        Some(app) if known.contains(&app) => vec![app],
        Some(app) => return (StatusCode::NOT_FOUND, format!("no such app {app}")).into_response(),
    };
    let mut inner = sim.streams.lock();
    for app in apps {
        let manner = inner.manners.entry(app).or_default();
        let set = |to: &mut i64, from: Option<i64>| *to = from.unwrap_or(*to);
        manner.part_bytes = change.part_bytes.unwrap_or(manner.part_bytes);
        manner.card_frames = change.card_frames.unwrap_or(manner.card_frames);
        set(&mut manner.reconnect_interval, change.reconnect_interval);
        set(&mut manner.reconnect_nonce, change.reconnect_nonce);
        set(&mut manner.ping_interval, change.ping_interval);
    }
    StatusCode::NO_CONTENT.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../tests/vectors/ws_frames.json")).unwrap()
    }

    /// Pushes are, byte for byte, those that the official clients were seen to accept.
    #[test]
    fn pushed_frames_equal_the_recorded_ones() {
        let vectors = vectors();
        let frame = |name: &str| {
            let all = vectors["frames"].as_array().unwrap();
            all.iter().find(|f| f["name"] == name).unwrap()
        };
        let hex_of = |name: &str| frame(name)["hex"].as_str().unwrap().to_owned();
        let delivery = |name: &str, kind: &'static str| {
            let fields = &frame(name)["fields"];
            let number = |key: &str| fields[key].as_str().unwrap().parse::<u64>().unwrap();
            Delivery {
                kind,
                message_id: fields["headers"][1][1].as_str().unwrap().to_owned(),
                trace_id: "0a1b2c3d4e5f60718293a4b5c6d7e8f9".into(),
                timestamp: 1_760_000_000_200,
                instance_id: "opaque-instance-id".into(),
                service: SERVICE,
                seq_id: number("SeqID"),
                log_id: number("LogID"),
                log_id_new: fields["LogIDNew"].as_str().map(str::to_owned),
            }
        };
        for (name, kind) in [
            ("event_single", "event"),
            ("event_large_log_id", "event"),
            ("card_callback_as_event", "event"),
            ("card_callback_as_card", "card"),
        ] {
            let plain = frame(name)["fields"]["payload_utf8"].as_str().unwrap();
            let frames = delivery(name, kind).frames(plain, &[]);
            assert_eq!(
                frames.iter().map(hex::encode).collect::<Vec<_>>(),
                [hex_of(name)],
                "{name}"
            );
        }
        let plain = vectors["split_joined_payload_utf8"].as_str().unwrap();
        let lengths = [0, 1].map(|n| {
            let payload = frame(&format!("event_split_{n}_of_3"))["fields"]["payload_base64"].clone();
            STANDARD.decode(payload.as_str().unwrap()).unwrap().len()
        });
        let cuts = [lengths[0], lengths[0] + lengths[1]];
        assert!(
            !plain.is_char_boundary(cuts[1]),
            "the recorded cut is inside a character"
        );
        let frames = delivery("event_split_0_of_3", "event").frames(plain, &cuts);
        for (n, wire) in frames.iter().enumerate() {
            assert_eq!(hex::encode(wire), hex_of(&format!("event_split_{n}_of_3")));
        }
    }

    #[test]
    fn cuts_are_inside_characters_and_few_and_no_part_keeps_its_place() {
        let text = "一二三四五六七八九十".repeat(20);
        let cuts_of = cuts(&text, 100);
        assert_eq!(cuts_of.len(), 5);
        assert!(cuts_of.iter().all(|at| !text.is_char_boundary(*at)), "{cuts_of:?}");
        assert!(cuts_of.is_sorted());
        assert_eq!(cuts("abcdef", 2), [2, 4]);
        assert!(cuts(&text, 0).is_empty() && cuts(&text, 600).is_empty());
        assert!(cuts(&text, 1).len() < MAX_PARTS);
        for count in 2..9 {
            let mut parts: Vec<usize> = (0..count).collect();
            shuffle(&mut parts);
            assert!(parts.iter().enumerate().all(|(i, p)| i != *p), "{parts:?}");
        }
        assert_eq!(
            uuid("0123456789abcdef0123456789abcdef"),
            "01234567-89ab-cdef-0123-456789abcdef"
        );
    }
}
