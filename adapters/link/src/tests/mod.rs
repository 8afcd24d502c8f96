//! A made-up platform in memory (real WebSocket bytes over a pipe, driven time) and one on loopback.

mod driven;
mod leases;
mod loopback;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use hutong_model::{
    Body, BoxFuture, Clock as _, CloseReason, Endpoint, Frame, Incoming, Link, LinkSession, LinkSpec, OpenError,
    Rejection, Secret, Step, Timestamp,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_util::sync::CancellationToken;

use crate::{ConnectError, Hold, Io, LinkHost, LinkNote, Options, TimerClock, Transport, run};

/// What the server does with one connection before it greets.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    pub open_takes: Duration,
    /// `Some`: the endpoint is not given.
    pub open_fails: Option<OpenError>,
    pub open_hangs: bool,
    pub connect_takes: Duration,
    pub connect_fails: bool,
    pub connect_hangs: bool,
    /// It never greets, so that the session is never ready.
    pub silent: bool,
}

#[derive(Debug)]
pub(super) enum Do {
    Say(Message),
    /// Neither reads nor writes any more, and stays open.
    Mute,
    Cut,
    Close,
}

#[derive(Clone)]
pub(super) struct ServerConn {
    pub id: u64,
    pub queue: mpsc::UnboundedSender<Do>,
    pub announced: Arc<AtomicBool>,
}

impl ServerConn {
    pub fn say(&self, text: &str) -> bool {
        self.queue.send(Do::Say(Message::text(text))).is_ok()
    }
    pub fn tell(&self, what: Do) {
        let _ = self.queue.send(what);
    }
}

#[derive(Default)]
pub(super) struct State {
    pub plans: BTreeMap<u64, Plan>,
    pub plan: Plan,
    pub asked: Vec<Instant>,
    /// Greeted connections that still live.
    pub live: BTreeMap<u64, ServerConn>,
    pub greeted: Vec<(u64, Instant)>,
    pub most_live: usize,
    pub acked: BTreeSet<String>,
    pub nacked: BTreeSet<String>,
    /// Acknowledged and not committed: must stay empty.
    pub lies: Vec<String>,
    /// Connections that ended with a close frame of the client.
    pub closed_well: Vec<u64>,
}

/// The platform, its link, and the program that runs it.
pub(super) struct World {
    pub state: Mutex<State>,
    pub committed: Mutex<BTreeSet<String>>,
    pub order: Mutex<Vec<String>>,
    pub notes: Mutex<Vec<(Instant, LinkNote)>>,
    pub rejections: AtomicUsize,
    pub store_takes: Mutex<Duration>,
    pub store_fails: AtomicBool,
    pub storing: AtomicUsize,
    pub most_storing: AtomicUsize,
    pub spec: LinkSpec,
}

pub(super) fn spec() -> LinkSpec {
    LinkSpec {
        name: "fake",
        exclusive: false,
        hosts: vec!["fake.example".into()],
        loopback: true,
        quiet_ms: 70_000,
        rotate_ms: 0,
        max_frame: 64 << 10,
    }
}

impl World {
    pub fn new(spec: LinkSpec) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            committed: Mutex::default(),
            order: Mutex::default(),
            notes: Mutex::default(),
            rejections: AtomicUsize::new(0),
            store_takes: Mutex::new(Duration::from_millis(20)),
            store_fails: AtomicBool::new(false),
            storing: AtomicUsize::new(0),
            most_storing: AtomicUsize::new(0),
            spec,
        })
    }
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
    pub fn notes(&self) -> Vec<(Instant, LinkNote)> {
        self.notes.lock().unwrap().clone()
    }
    pub fn count(&self, wanted: impl Fn(&LinkNote) -> bool) -> usize {
        self.notes.lock().unwrap().iter().filter(|(_, n)| wanted(n)).count()
    }
    pub fn ready(&self) -> usize {
        self.count(|n| matches!(n, LinkNote::Ready { .. }))
    }
    /// Waits (in driven time) until `done`; panics with the notes after `limit`.
    pub async fn until(&self, what: &str, limit: Duration, done: impl Fn(&Self) -> bool) {
        let begin = Instant::now();
        while !done(self) {
            if begin.elapsed() > limit {
                let notes = self.notes();
                let last: Vec<_> = notes.iter().rev().take(8).collect();
                panic!("{what}: not within {limit:?}; last notes {last:?}");
            }
            let fine = begin.elapsed() < Duration::from_secs(2);
            sleep(Duration::from_millis(if fine { 5 } else { 100 })).await;
        }
    }
    pub fn last_note(&self) -> Option<LinkNote> {
        self.notes.lock().unwrap().last().map(|(_, n)| n.clone())
    }
    pub fn newest(&self) -> ServerConn {
        self.state()
            .live
            .values()
            .next_back()
            .cloned()
            .expect("a live connection")
    }
    pub fn start(self: &Arc<Self>, options: Options) -> Running {
        let host = Arc::new(Program {
            world: self.clone(),
            lease: None,
        });
        self.start_with(host, options)
    }
    pub fn start_with(self: &Arc<Self>, host: Arc<Program>, options: Options) -> Running {
        let cancel = CancellationToken::new();
        let clock = Arc::new(TimerClock::starting(Timestamp(1_795_305_600_000)));
        let _ = clock.now();
        let task = tokio::spawn(run(
            Arc::new(FakeLink(self.clone())),
            host,
            Arc::new(Pipe(self.clone())),
            clock,
            options,
            cancel.clone(),
        ));
        Running { task, cancel }
    }
}

pub(super) struct Running {
    pub task: JoinHandle<()>,
    pub cancel: CancellationToken,
}

impl Running {
    pub async fn stop(self) {
        self.cancel.cancel();
        self.task.await.unwrap();
    }
}

/// A lease in memory, shared by replicas.
#[derive(Default)]
pub(super) struct Lease {
    pub holder: Option<(u8, Instant)>,
    pub terms: u32,
    pub released: u32,
}

/// This replica's number, the lease that it shares, and how its store answers.
type Share = (u8, Arc<Mutex<Lease>>, Arc<Mutex<Outage>>);

pub(super) struct Program {
    pub world: Arc<World>,
    pub lease: Option<Share>,
}

/// How this replica's store answers questions about the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Outage {
    #[default]
    No,
    Unknown,
    Hangs,
}

pub(super) const TTL: Duration = Duration::from_secs(30);

impl LinkHost for Program {
    fn store(&self, events: Vec<Incoming>) -> BoxFuture<'_, bool> {
        let w = &self.world;
        Box::pin(async move {
            for event in &events {
                w.order.lock().unwrap().push(event.key.clone());
            }
            let storing = w.storing.fetch_add(1, Ordering::SeqCst) + 1;
            w.most_storing.fetch_max(storing, Ordering::SeqCst);
            let takes = *w.store_takes.lock().unwrap();
            sleep(takes).await;
            w.storing.fetch_sub(1, Ordering::SeqCst);
            if w.store_fails.load(Ordering::SeqCst) {
                return false;
            }
            w.committed.lock().unwrap().extend(events.into_iter().map(|e| e.key));
            true
        })
    }
    fn rejected(&self, _: Rejection) {
        self.world.rejections.fetch_add(1, Ordering::SeqCst);
    }
    fn hold(&self) -> BoxFuture<'_, Hold> {
        Box::pin(async move {
            let Some((me, lease, outage)) = &self.lease else {
                return Hold::Held(TTL);
            };
            let state = *outage.lock().unwrap();
            match state {
                Outage::No => {}
                Outage::Unknown => return Hold::Unknown,
                Outage::Hangs => std::future::pending().await,
            }
            let now = Instant::now();
            let mut lease = lease.lock().unwrap();
            match lease.holder {
                Some((holder, until)) if holder != *me && until > now => Hold::Taken,
                before => {
                    if before.is_none_or(|(holder, _)| holder != *me) {
                        lease.terms += 1;
                    }
                    lease.holder = Some((*me, now + TTL));
                    Hold::Held(TTL)
                }
            }
        })
    }
    fn release(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Some((me, lease, _)) = &self.lease {
                let mut lease = lease.lock().unwrap();
                if lease.holder.is_some_and(|(holder, _)| holder == *me) {
                    lease.holder = None;
                    lease.released += 1;
                }
            }
        })
    }
    fn note(&self, note: LinkNote) {
        self.world.notes.lock().unwrap().push((Instant::now(), note));
    }
}

pub(super) struct FakeLink(pub Arc<World>);

impl Link for FakeLink {
    fn spec(&self) -> LinkSpec {
        self.0.spec.clone()
    }
    fn open<'a>(&'a self) -> BoxFuture<'a, Result<Endpoint, OpenError>> {
        Box::pin(async move {
            let (number, plan) = {
                let mut state = self.0.state();
                state.asked.push(Instant::now());
                let number = state.asked.len() as u64;
                (number, state.plans.get(&number).unwrap_or(&state.plan).clone())
            };
            sleep(plan.open_takes).await;
            if plan.open_hangs {
                std::future::pending::<()>().await;
            }
            match plan.open_fails {
                Some(error) => Err(error),
                None => Ok(Endpoint {
                    url: Secret::new(format!("ws://127.0.0.1/{number}")),
                    headers: Vec::new(),
                }),
            }
        })
    }
    fn session(&self, _: Timestamp) -> Box<dyn LinkSession> {
        Box::new(FakeSession::default())
    }
}

/// `hello`: ready. `event KEY`: stored, then `ack KEY`. `bye MS`: announced. The rest by name.
#[derive(Default)]
pub(super) struct FakeSession {
    receipts: BTreeMap<u64, String>,
    next: u64,
}

impl LinkSession for FakeSession {
    fn opened(&mut self, _: Timestamp) -> Vec<Step> {
        vec![Step::Send(Frame::Text("hi".into()))]
    }
    fn received(&mut self, frame: Frame, now: Timestamp) -> Vec<Step> {
        let Frame::Text(text) = frame else {
            return vec![Step::Rejected(Rejection::Malformed)];
        };
        match text.split_once(' ').unwrap_or((&text, "")) {
            ("hello", _) => vec![Step::Ready],
            ("event", key) => {
                self.next += 1;
                self.receipts.insert(self.next, key.to_owned());
                vec![Step::Store {
                    receipt: self.next,
                    events: vec![Incoming {
                        key: key.to_owned(),
                        lane: "l".into(),
                        occurred_at: now,
                        body: Body::DirectoryScope,
                    }],
                }]
            }
            ("bye", ms) => vec![Step::Replace {
                drain_ms: ms.parse().unwrap_or(10_000),
            }],
            ("refuse", _) => vec![Step::Close(CloseReason::Refused {
                code: "514".into(),
                text: "bad secret".into(),
            })],
            ("evict", _) => vec![Step::Close(CloseReason::Evicted)],
            ("fail", _) => vec![Step::Close(CloseReason::Failed("broken".into()))],
            ("turn", _) => vec![Step::Close(CloseReason::Rotate)],
            ("flood", _) => (0..200).map(|_| Step::Send(Frame::Binary(vec![0; 10_000]))).collect(),
            ("panic", _) => panic!("a defect on purpose"),
            _ => vec![Step::Rejected(Rejection::Malformed)],
        }
    }
    fn stored(&mut self, receipt: u64, stored: bool, _: Timestamp) -> Vec<Step> {
        let key = self.receipts.remove(&receipt).expect("a receipt of ours");
        let word = if stored { "ack" } else { "nack" };
        vec![Step::Send(Frame::Text(format!("{word} {key}")))]
    }
    fn next_tick(&self) -> Option<Timestamp> {
        None
    }
    fn tick(&mut self, _: Timestamp) -> Vec<Step> {
        Vec::new()
    }
    fn closing(&mut self, _: Timestamp) -> Vec<Step> {
        vec![Step::Send(Frame::Text("last word".into()))]
    }
}

struct Pipe(Arc<World>);

impl Transport for Pipe {
    fn connect<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        _: &'a LinkSpec,
    ) -> BoxFuture<'a, Result<Box<dyn Io>, ConnectError>> {
        Box::pin(async move {
            let number: u64 = endpoint.url.expose().rsplit('/').next().unwrap().parse().unwrap();
            let plan = {
                let state = self.0.state();
                state.plans.get(&number).unwrap_or(&state.plan).clone()
            };
            sleep(plan.connect_takes).await;
            if plan.connect_hangs {
                std::future::pending::<()>().await;
            }
            if plan.connect_fails {
                return Err(ConnectError::Failed("no route".into()));
            }
            let (ours, theirs) = tokio::io::duplex(32 << 10);
            tokio::spawn(serve(self.0.clone(), number, theirs, plan.silent));
            Ok(Box::new(ours) as Box<dyn Io>)
        })
    }
}

/// The platform's side of one connection.
async fn serve(world: Arc<World>, id: u64, io: tokio::io::DuplexStream, silent: bool) {
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
    let (queue, mut orders) = mpsc::unbounded_channel();
    if !silent {
        if socket.send(Message::text("hello")).await.is_err() {
            return;
        }
        let mut state = world.state();
        state.live.insert(
            id,
            ServerConn {
                id,
                queue,
                announced: Arc::default(),
            },
        );
        state.most_live = state.most_live.max(state.live.len());
        state.greeted.push((id, Instant::now()));
    }
    loop {
        tokio::select! {
            biased;
            order = orders.recv(), if !silent => match order {
                Some(Do::Say(message)) => {
                    if socket.send(message).await.is_err() { break; }
                }
                Some(Do::Mute) => {
                    // Open, and not a byte in either direction; dropped with the test.
                    sleep(Duration::from_secs(600)).await;
                    break;
                }
                Some(Do::Close) => {
                    let _ = socket.close(None).await;
                    while let Some(Ok(_)) = socket.next().await {}
                    break;
                }
                Some(Do::Cut) | None => break,
            },
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    let mut state = world.state();
                    match text.split_once(' ') {
                        Some(("ack", key)) => {
                            if !world.committed.lock().unwrap().contains(key) {
                                state.lies.push(key.to_owned());
                            }
                            state.acked.insert(key.to_owned());
                        }
                        Some(("nack", key)) => { state.nacked.insert(key.to_owned()); }
                        _ => {}
                    }
                }
                Some(Ok(Message::Close(_))) => {
                    world.state().closed_well.push(id);
                    let _ = socket.flush().await;
                    break;
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            }
        }
    }
    world.state().live.remove(&id);
}
