//! The adapter's long connection under the real runner, a store that counts, and a bare client that
//! does what it is told.

#![allow(dead_code, reason = "each test uses its part")]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::RawQuery;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use futures_util::{SinkExt as _, StreamExt as _};
use hutong_dingtalk::sim::DingTalkSim;
use hutong_link::{Hold, HttpTransport, LinkHost, LinkNote, Options, run};
use hutong_model::{
    Action, Adapter, AppId, Body, BoxFuture, Build, CardClick, ChatId, Clock as _, CompanyId, Endpoint, Incoming, Link,
    LinkSession, LinkSpec, ManualClock, MessageEvent, OpenError, Outcome, RawRequest, Received, Rejection, Secret,
    SettingValue, Settings, Timestamp,
};
use hutong_simkit::{ChatSel, Done, Fault, FaultKind, ScreenPart, Simulator as _, Verb};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Wire;
use tokio_util::sync::CancellationToken;

use crate::world::World;

/// Longer than anything takes here, also on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(30);
/// A hundredth of the real limit of silence.
const QUIET_MS: u64 = 700;

/// A store that remembers keys, as the inbox does.
#[derive(Default)]
pub struct Host {
    committed: Mutex<Vec<Incoming>>,
    order: Mutex<Vec<String>>,
    refused: Mutex<Vec<String>>,
    to_refuse: AtomicUsize,
    notes: Mutex<Vec<LinkNote>>,
    /// Arrivals of what was committed already.
    pub doubles: AtomicU64,
    pub rejections: AtomicU64,
}

impl LinkHost for Host {
    fn store(&self, events: Vec<Incoming>) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(2)).await;
            let refuse = self
                .to_refuse
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
            for event in events {
                if refuse.is_ok() {
                    self.refused.lock().unwrap().push(event.key);
                    continue;
                }
                let mut committed = self.committed.lock().unwrap();
                if committed.iter().any(|c| c.key == event.key) {
                    self.doubles.fetch_add(1, Ordering::SeqCst);
                } else {
                    self.order.lock().unwrap().push(event.key.clone());
                    committed.push(event);
                }
            }
            refuse.is_err()
        })
    }
    fn rejected(&self, _: Rejection) {
        self.rejections.fetch_add(1, Ordering::SeqCst);
    }
    fn hold(&self) -> BoxFuture<'_, Hold> {
        panic!("no lease is needed")
    }
    fn release(&self) -> BoxFuture<'_, ()> {
        panic!("no lease is needed")
    }
    fn note(&self, note: LinkNote) {
        self.notes.lock().unwrap().push(note);
    }
}

impl Host {
    pub fn committed(&self) -> Vec<Incoming> {
        self.committed.lock().unwrap().clone()
    }
    pub fn keys(&self) -> BTreeSet<String> {
        self.committed.lock().unwrap().iter().map(|c| c.key.clone()).collect()
    }
    pub fn last_keys(&self, count: usize) -> Vec<String> {
        let order = self.order.lock().unwrap();
        order.iter().skip(order.len().saturating_sub(count)).cloned().collect()
    }
    pub fn refuse(&self, count: usize) {
        self.to_refuse.store(count, Ordering::SeqCst);
    }
    pub fn refused_keys(&self) -> Vec<String> {
        self.refused.lock().unwrap().clone()
    }
    pub fn message(&self) -> MessageEvent {
        let found = self.committed().into_iter().rev().find_map(|c| match c.body {
            Body::Message(m) => Some(*m),
            _ => None,
        });
        found.expect("a message was committed")
    }
    pub fn clicks(&self) -> Vec<CardClick> {
        self.committed()
            .into_iter()
            .filter_map(|c| match c.body {
                Body::Click(c) => Some(*c),
                _ => None,
            })
            .collect()
    }
    pub fn notes(&self) -> Vec<LinkNote> {
        self.notes.lock().unwrap().clone()
    }
    pub fn replacing(&self) -> usize {
        let notes = self.notes();
        notes.iter().filter(|n| **n == LinkNote::Replacing).count()
    }
    /// The longest time that a connection took.
    pub fn longest_wait(&self) -> Duration {
        let notes = self.notes();
        let took = notes.iter().filter_map(|n| match n {
            LinkNote::Ready { took } => Some(*took),
            _ => None,
        });
        took.max().unwrap_or_default()
    }
    pub fn lost_because(&self, why: &str) -> bool {
        self.notes()
            .iter()
            .any(|n| matches!(n, LinkNote::Lost { reason, .. } if reason.contains(why)))
    }
}

/// The adapter's link with a shorter limit of silence.
struct Hasty(Arc<dyn Link>);

impl Link for Hasty {
    fn spec(&self) -> LinkSpec {
        let spec = self.0.spec();
        assert_eq!(
            (spec.quiet_ms, spec.rotate_ms, spec.exclusive),
            (70_000, 7_200_000, false)
        );
        assert!(spec.loopback && spec.hosts == ["dingtalk.com"]);
        LinkSpec {
            quiet_ms: QUIET_MS,
            ..spec
        }
    }
    fn open<'a>(&'a self) -> BoxFuture<'a, Result<Endpoint, OpenError>> {
        self.0.open()
    }
    fn session(&self, now: Timestamp) -> Box<dyn LinkSession> {
        self.0.session(now)
    }
}

/// The settings of the simulated app, set to Stream mode.
pub fn settings_of(sim: &DingTalkSim) -> Settings {
    let app = sim.apps().remove(0);
    app.settings
        .with("receive", SettingValue::Text("long_connection".into()))
}

pub fn adapter_of(settings: Settings, clock: &ManualClock) -> Arc<dyn Adapter> {
    (hutong_dingtalk::ENTRY.build)(Build {
        app: AppId::new("dt").unwrap(),
        company: CompanyId::new("c").unwrap(),
        kind: "dingtalk".into(),
        settings,
        clock: Arc::new(clock.clone()),
    })
    .unwrap_or_else(|p| panic!("{p:?}"))
}

pub fn link_of(settings: Settings, clock: &ManualClock) -> Arc<dyn Link> {
    adapter_of(settings, clock).link().expect("a long connection")
}

pub struct Streamed {
    pub sim: Arc<DingTalkSim>,
    pub adapter: Arc<dyn Adapter>,
    pub host: Arc<Host>,
    pub clock: ManualClock,
    keys: AtomicUsize,
    cancel: CancellationToken,
    running: Mutex<Option<JoinHandle<()>>>,
    _world: Option<World>,
}

impl Streamed {
    pub async fn new() -> Self {
        let world = World::new().await;
        let mut s = Self::on(world.sim.clone(), world.clock.clone(), false).await;
        s._world = Some(world);
        s
    }

    /// With several connections side by side.
    pub async fn side_by_side(connections: u32) -> Self {
        let world = World::new().await;
        let mut s = Self::on_many(world.sim.clone(), world.clock.clone(), false, connections).await;
        s._world = Some(world);
        s
    }

    /// Connects. `pushes`: with the secrets of callbacks as well.
    pub async fn on(sim: Arc<DingTalkSim>, clock: ManualClock, pushes: bool) -> Self {
        Self::on_many(sim, clock, pushes, 1).await
    }

    async fn on_many(sim: Arc<DingTalkSim>, clock: ManualClock, pushes: bool, connections: u32) -> Self {
        let mut settings = settings_of(&sim).with("connections", SettingValue::Integer(connections.into()));
        if !pushes {
            for key in ["event_token", "event_aes_key", "card_secret"] {
                settings.set(key, SettingValue::Secret(Secret::new("")));
            }
        }
        let adapter = adapter_of(settings, &clock);
        let host = Arc::new(Host::default());
        let cancel = CancellationToken::new();
        let link = adapter.link().unwrap();
        assert_eq!(link.connections(), connections);
        let runs: Vec<_> = (0..connections)
            .map(|lane| {
                run(
                    Arc::new(Hasty(link.clone())),
                    host.clone(),
                    Arc::new(HttpTransport::new().unwrap()),
                    Arc::new(clock.clone()),
                    Options {
                        backoff: (Duration::from_millis(5), Duration::from_millis(50)),
                        retire: Duration::from_millis(500),
                        replace_burst: 10_000,
                        seed: u64::from(lane),
                        ..Options::default()
                    },
                    cancel.clone(),
                )
            })
            .collect();
        let running = tokio::spawn(async move {
            futures_util::future::join_all(runs).await;
        });
        let wanted = usize::try_from(connections).unwrap();
        assert!(sim.sockets().wait_live("bot", wanted, LIMIT).await);
        Self {
            sim,
            adapter,
            host,
            clock,
            keys: AtomicUsize::new(0),
            cancel,
            running: Mutex::new(Some(running)),
            _world: None,
        }
    }

    pub async fn stop(&self) {
        self.cancel.cancel();
        let running = self.running.lock().unwrap().take();
        tokio::time::timeout(LIMIT, running.unwrap()).await.unwrap().unwrap();
        assert!(self.until(|s| s.sim.links().is_empty()).await);
    }

    pub async fn until(&self, what: impl Fn(&Self) -> bool) -> bool {
        for _ in 0..1_500 {
            if what(self) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    pub async fn act(&self, verb: Verb) -> Done {
        self.sim.act(verb).await.unwrap()
    }

    pub async fn group(&self) -> ChatId {
        let done = self
            .act(Verb::CreateChat {
                name: "测试群".into(),
                owner: "u_chen".into(),
                members: vec!["u_chen".into(), "u_lin".into()],
                apps: vec!["bot".into()],
            })
            .await;
        ChatId::new(done.chat.unwrap()).unwrap()
    }

    pub async fn say(&self, person: &str, chat: &ChatId, text: &str) -> Done {
        self.act(Verb::Say {
            person: person.into(),
            chat: ChatSel::Chat(chat.as_str().into()),
            text: text.into(),
            reply_to: None,
        })
        .await
    }

    pub async fn sent(&self, action: &Action) {
        for prepared in self.adapter.prepare(action).unwrap() {
            let key = format!("{:032}", self.keys.fetch_add(1, Ordering::SeqCst));
            let outcome = self.adapter.deliver(&prepared, &key).await;
            assert!(matches!(outcome, Outcome::Sent(_)), "{outcome:?}");
        }
    }

    pub fn newest(&self, chat: &ChatId) -> Vec<ScreenPart> {
        let items = self.sim.screen(chat.as_str(), "u_chen", 100);
        items.into_iter().rfind(|i| i.bot).unwrap().parts
    }

    pub fn newest_id(&self, chat: &ChatId) -> String {
        let items = self.sim.screen(chat.as_str(), "u_chen", 100);
        items.into_iter().rfind(|i| i.bot).unwrap().id
    }

    pub fn calls(&self, path: &str) -> u64 {
        let calls = self.sim.calls();
        calls.into_iter().find(|(p, _)| p == path).map_or(0, |(_, n)| n)
    }

    pub fn fault(&self, kind: FaultKind) {
        self.sim.fault(Fault {
            path: String::new(),
            callbacks: false,
            times: 1,
            kind,
        });
    }

    pub fn no_complaints(&self) {
        assert_eq!(self.sim.complaints(), Vec::<String>::new());
    }
}

/// A callback address that notes why the adapter refuses.
pub fn hook(adapter: Arc<dyn Adapter>, clock: ManualClock) -> (Router, Arc<Mutex<Vec<&'static str>>>) {
    let seen: Arc<Mutex<Vec<&'static str>>> = Arc::default();
    let noted = seen.clone();
    let receive = move |RawQuery(query): RawQuery, headers: HeaderMap, body: Bytes| {
        let list: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
        let request = RawRequest {
            post: true,
            query: query.as_deref().unwrap_or(""),
            headers: &list,
            body: &body,
        };
        let answer = match adapter.receive(&request, clock.now()) {
            Received::Rejected(why) => {
                noted.lock().unwrap().push(why.as_str());
                StatusCode::FORBIDDEN
            }
            _ => {
                noted.lock().unwrap().push("taken");
                StatusCode::OK
            }
        };
        async move { answer }
    };
    (Router::new().route("/hook", post(receive)), seen)
}

/// A client that does only what it is told.
pub struct Client {
    http: reqwest::Client,
    base: String,
    id: String,
    secret: String,
    sockets: Vec<WebSocketStream<TcpStream>>,
    pub answer_pings: bool,
}

impl Client {
    pub fn new(sim: &DingTalkSim) -> Self {
        let settings = settings_of(sim);
        Self {
            http: hutong_simkit::ladder::loopback_client(Duration::from_secs(5)).unwrap(),
            base: sim.base_url(),
            id: settings.text("client_id").unwrap().to_owned(),
            secret: settings.secret("client_secret").unwrap().expose().to_owned(),
            sockets: Vec::new(),
            answer_pings: true,
        }
    }

    fn request(&self, topics: &[(&str, &str)], secret: &str) -> reqwest::RequestBuilder {
        let list: Vec<Value> = topics.iter().map(|(k, t)| json!({ "type": k, "topic": t })).collect();
        let secret = if secret.is_empty() { &self.secret } else { secret };
        let body = json!({ "clientId": self.id, "clientSecret": secret, "subscriptions": list, "extras": null });
        self.http
            .post(format!("{}/v1.0/gateway/connections/open", self.base))
            .header("content-type", "application/json")
            .body(body.to_string())
    }

    /// Status and ticket.
    pub async fn open(&self, topics: &[(&str, &str)], secret: &str) -> (u16, String) {
        let answer = self
            .request(topics, secret)
            .header("accept", "application/json")
            .send()
            .await
            .unwrap();
        let status = answer.status().as_u16();
        let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        if status == 200 {
            assert_eq!(body.as_object().unwrap().len(), 2, "exactly endpoint and ticket");
            assert!(body["endpoint"].as_str().unwrap().starts_with("ws://127.0.0.1:"));
        }
        (status, body["ticket"].as_str().unwrap_or_default().to_owned())
    }

    pub async fn open_as_xml(&self) -> String {
        let answer = self.request(&[("EVENT", "*")], "").send().await.unwrap();
        answer.text().await.unwrap()
    }

    pub async fn connect(&mut self, ticket: &str) -> bool {
        let address = self.base.trim_start_matches("http://");
        let stream = TcpStream::connect(address).await.unwrap();
        let url = format!("ws://{address}/connect?ticket={ticket}");
        match tokio_tungstenite::client_async(url, stream).await {
            Ok((socket, _)) => {
                self.sockets.push(socket);
                true
            }
            Err(_) => false,
        }
    }

    pub async fn close_all(&mut self) {
        for mut socket in self.sockets.drain(..) {
            let _ = socket.close(None).await;
        }
    }

    async fn read(&mut self) -> Option<Value> {
        let socket = self.sockets.last_mut().unwrap();
        loop {
            match tokio::time::timeout(LIMIT, socket.next())
                .await
                .expect("a frame in time")
            {
                Some(Ok(Wire::Text(text))) => return Some(serde_json::from_str(text.as_str()).unwrap()),
                Some(Ok(Wire::Close(_))) => panic!("a close frame"),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// The next frame that is no heartbeat; those are answered on the way.
    pub async fn next(&mut self) -> Value {
        loop {
            let frame = self.read().await.expect("the connection lives");
            if frame["type"] != "SYSTEM" {
                return frame;
            }
            if self.answer_pings {
                let data = frame["data"].as_str().unwrap().to_owned();
                self.ack(&frame, &data, 200).await;
            }
        }
    }

    pub async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.read().await.expect("the connection lives");
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    pub async fn next_and(&mut self, data: &str, code: u16) -> Value {
        let frame = self.next().await;
        self.ack(&frame, data, code).await;
        frame
    }

    /// All headers come back, as one SDK does it.
    pub async fn ack(&mut self, frame: &Value, data: &str, code: u16) {
        let ack = json!({ "code": code, "headers": frame["headers"], "message": "OK", "data": data });
        let socket = self.sockets.last_mut().unwrap();
        socket.send(Wire::text(ack.to_string())).await.unwrap();
    }

    pub async fn ends_without_a_word(&mut self) -> bool {
        self.read().await.is_none()
    }
}
