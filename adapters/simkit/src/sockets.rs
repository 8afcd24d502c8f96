//! Long connections as the platforms keep them: who is connected, pushing a callback to one of them,
//! waiting for its acknowledgement, and everything that goes wrong with a socket.
//!
//! A simulator supplies only its protocol ([`SocketProtocol`]) and one route:
//!
//! ```ignore
//! async fn upgrade(State(state): State<Arc<State>>, ws: WebSocketUpgrade) -> Response {
//!     let app = state.use_ticket(..)?;
//!     ws.on_upgrade(move |socket| async move { state.hub.serve(&app, socket, Protocol::new(..)).await })
//! }
//! ```
//!
//! A callback then goes over a connection with [`crate::ladder::CallbackRequest::over`] and
//! [`Hub::carry`]. In `Simulator::fault`, ask [`Hub::fault`] first: it answers `Some` for the faults
//! of connections, which happen at once and are not kept.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::ladder::Answer;
use crate::{Fault, FaultKind};

/// Frames that wait for a slow client; more are refused.
const QUEUE: usize = 1024;
/// A client that does not read for so long is cut.
const WRITE: Duration = Duration::from_secs(5);
/// How long the closing handshake may take.
const CLOSING: Duration = Duration::from_secs(2);
/// After so long the platform, too, gives a half-open connection up.
const HALF_OPEN: Duration = Duration::from_secs(120);

/// One platform's protocol on one connection, as the server speaks it. WebSocket pings and closing
/// are done by the hub; only text and binary messages come here.
pub trait SocketProtocol: Send + 'static {
    /// The socket is open. Answer [`Reply::Ready`] when callbacks may be pushed from now on.
    fn opened(&mut self, socket: &SocketHandle) -> Vec<Reply> {
        let _ = socket;
        vec![Reply::Ready]
    }
    fn frame(&mut self, socket: &SocketHandle, message: Message) -> Vec<Reply>;
    /// How often [`SocketProtocol::beat`] is called, in real time.
    fn every(&self) -> Option<Duration> {
        None
    }
    /// The platform's own heartbeat.
    fn beat(&mut self) -> Vec<Reply> {
        Vec::new()
    }
    /// Whether this platform announces that it will end a connection.
    fn announces(&self) -> bool {
        false
    }
    /// What it sends then; usually one frame and [`Reply::CutIn`].
    fn announce(&mut self) -> Vec<Reply> {
        Vec::new()
    }
    /// Whether a newer client takes a connection over.
    fn evicts(&self) -> bool {
        false
    }
    /// What the older client is told; usually one frame and [`Reply::Close`].
    fn evict(&mut self) -> Vec<Reply> {
        Vec::new()
    }
    /// The connection is gone.
    fn closed(&mut self, socket: &SocketHandle) {
        let _ = socket;
    }
}

/// What a protocol wants done, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    Send(Message),
    /// Callbacks may be pushed to this connection from now on.
    Ready,
    /// A pushed frame was answered; [`SocketHandle::push`] with this key returns.
    Acked {
        key: String,
        answer: Answer,
    },
    /// Ends in good order.
    Close {
        code: u16,
        reason: String,
    },
    /// Ends without a word, now.
    Cut,
    /// Ends without a word after a while (real time); frames of the client are read until then.
    CutIn(Duration),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketState {
    /// Open, not accepted yet.
    Opening,
    Live,
    /// Not a byte in either direction, no pongs, and the socket stays open. The platform does not
    /// know: callbacks pushed to it get no answer.
    Mute,
    /// Pings are answered, callbacks get lost.
    Zombie,
    /// Its end was announced: nothing is pushed any more.
    Announced,
    /// Taken over by another client.
    Evicted,
    Gone,
}

enum Command {
    Send(Message),
    Announce,
    Evict,
    Close { code: u16, reason: String },
}

struct Entry {
    id: u64,
    app: String,
    state: Mutex<SocketState>,
    queue: mpsc::Sender<Command>,
    /// Rung when the state was changed from outside.
    changed: Notify,
    pending: Mutex<HashMap<String, oneshot::Sender<Answer>>>,
    announces: bool,
    evicts: bool,
}

#[derive(Default)]
struct Inner {
    open: Mutex<BTreeMap<u64, Arc<Entry>>>,
    next: AtomicU64,
    random: AtomicU64,
    opened: AtomicU64,
    grown: Notify,
}

/// All long connections of a simulator. Cheap to clone.
#[derive(Clone)]
pub struct Hub {
    inner: Arc<Inner>,
    stop: CancellationToken,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("live", &self.live()).finish()
    }
}

/// One connection, as the simulator holds it.
#[derive(Clone)]
pub struct SocketHandle {
    entry: Arc<Entry>,
}

impl fmt::Debug for SocketHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketHandle")
            .field("id", &self.entry.id)
            .field("app", &self.entry.app)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SocketHandle {
    /// Unique in the hub, growing with every connection.
    pub fn id(&self) -> u64 {
        self.entry.id
    }

    pub fn app(&self) -> &str {
        &self.entry.app
    }

    pub fn state(&self) -> SocketState {
        *lock(&self.entry.state)
    }

    /// Queues a frame that needs no acknowledgement. False when the connection is gone or its client
    /// reads too slowly. A zombie still sends it.
    pub fn send(&self, message: Message) -> bool {
        self.entry.queue.try_send(Command::Send(message)).is_ok()
    }

    /// Sends `frames` (several when the platform splits a message) and waits until the protocol says
    /// that `key` was acknowledged, at most `deadline` in real time. `Err` says what happened instead.
    pub async fn push(&self, frames: Vec<Message>, key: &str, deadline: Duration) -> Result<Answer, String> {
        let (sender, answer) = oneshot::channel();
        match self.state() {
            SocketState::Gone | SocketState::Evicted => return Err("the connection is gone".into()),
            SocketState::Mute | SocketState::Zombie => {}
            _ => {
                lock(&self.entry.pending).insert(key.to_owned(), sender);
                for frame in frames {
                    if !self.send(frame) {
                        lock(&self.entry.pending).remove(key);
                        return Err("the connection does not take more".into());
                    }
                }
                // It may have ended between the look and the entry: nobody would ever answer.
                if self.state() == SocketState::Gone {
                    lock(&self.entry.pending).remove(key);
                }
                let waited = tokio::time::timeout(deadline, answer).await;
                lock(&self.entry.pending).remove(key);
                return match waited {
                    Ok(Ok(answer)) => Ok(answer),
                    Ok(Err(_)) => Err("the connection ended before the acknowledgement".into()),
                    Err(_) => Err("no acknowledgement in time".into()),
                };
            }
        }
        // Lost on a connection that only looks alive.
        tokio::time::sleep(deadline).await;
        Err("no acknowledgement in time".into())
    }

    /// Ends it in good order.
    pub fn close(&self, code: u16, reason: &str) {
        let _ = self.entry.queue.try_send(Command::Close {
            code,
            reason: reason.to_owned(),
        });
    }

    /// Ends it without a word.
    pub fn cut(&self) {
        self.set(SocketState::Gone);
    }

    /// As when a newer client of the same app has been accepted.
    pub fn evict(&self) {
        self.set(SocketState::Evicted);
        let _ = self.entry.queue.try_send(Command::Evict);
    }

    /// Announces its end, as the platform does it.
    pub fn announce(&self) {
        self.set(SocketState::Announced);
        let _ = self.entry.queue.try_send(Command::Announce);
    }

    fn set(&self, state: SocketState) {
        let mut now = lock(&self.entry.state);
        if *now != SocketState::Gone {
            *now = state;
            drop(now);
            self.entry.changed.notify_one();
        }
    }

    fn acked(&self, key: &str, answer: Answer) {
        if let Some(waiting) = lock(&self.entry.pending).remove(key) {
            let _ = waiting.send(answer);
        }
    }
}

impl Hub {
    /// `seed` decides which connection a callback takes. All connections end with `stop`
    /// ([`crate::server::Bound::stop_token`]).
    pub fn new(seed: u64, stop: CancellationToken) -> Self {
        let inner = Inner::default();
        inner.random.store(seed, Ordering::Relaxed);
        Self {
            inner: Arc::new(inner),
            stop,
        }
    }

    /// Keeps one connection until it ends. Call it in `WebSocketUpgrade::on_upgrade`.
    pub async fn serve(&self, app: &str, socket: WebSocket, protocol: impl SocketProtocol) {
        let (queue, commands) = mpsc::channel(QUEUE);
        let entry = Arc::new(Entry {
            id: self.inner.next.fetch_add(1, Ordering::Relaxed) + 1,
            app: app.to_owned(),
            state: Mutex::new(SocketState::Opening),
            queue,
            changed: Notify::new(),
            pending: Mutex::default(),
            announces: protocol.announces(),
            evicts: protocol.evicts(),
        });
        lock(&self.inner.open).insert(entry.id, entry.clone());
        self.inner.opened.fetch_add(1, Ordering::Relaxed);
        let mut serving = Serving {
            hub: self.inner.clone(),
            handle: SocketHandle { entry },
            protocol,
            cut_at: None,
        };
        serving.run(socket, commands, &self.stop).await;
    }

    /// A connection that the platform believes to be alive, any of them: mute and zombie ones too.
    pub fn pick(&self, app: &str) -> Option<SocketHandle> {
        self.pick_where(app, |_| true)
    }

    /// As [`Hub::pick`], among those that `wanted` accepts (e.g. by what they subscribed to).
    pub fn pick_where(&self, app: &str, wanted: impl Fn(&SocketHandle) -> bool) -> Option<SocketHandle> {
        let all: Vec<SocketHandle> = self
            .handles(app)
            .into_iter()
            .filter(|h| matches!(h.state(), SocketState::Live | SocketState::Mute | SocketState::Zombie))
            .filter(wanted)
            .collect();
        let count = u64::try_from(all.len()).ok().filter(|n| *n > 0)?;
        let at = usize::try_from(self.random() % count).ok()?;
        all.into_iter().nth(at)
    }

    /// Pushes over a picked connection. `make` builds the frames for it and names the key of the
    /// acknowledgement. `None` when the app has no connection, as
    /// [`crate::ladder::CallbackRequest::over`] wants it.
    pub async fn carry(
        &self,
        app: &str,
        deadline: Duration,
        make: impl FnOnce(&SocketHandle) -> (Vec<Message>, String),
    ) -> Option<Result<Answer, String>> {
        let socket = self.pick(app)?;
        let (frames, key) = make(&socket);
        Some(socket.push(frames, &key, deadline).await)
    }

    /// All connections of an app that are still open, oldest first.
    pub fn handles(&self, app: &str) -> Vec<SocketHandle> {
        lock(&self.inner.open)
            .values()
            .filter(|e| e.app == app)
            .map(|e| SocketHandle { entry: e.clone() })
            .collect()
    }

    /// For [`crate::Simulator::links`]: accepted connections by app that really work.
    pub fn live(&self) -> Vec<(String, usize)> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for entry in lock(&self.inner.open).values() {
            if *lock(&entry.state) == SocketState::Live {
                *counts.entry(entry.app.clone()).or_default() += 1;
            }
        }
        counts.into_iter().collect()
    }

    /// Connections ever opened.
    pub fn opened(&self) -> u64 {
        self.inner.opened.load(Ordering::Relaxed)
    }

    /// Waits until the app has `count` working connections or more; false after `limit`.
    pub async fn wait_live(&self, app: &str, count: usize, limit: Duration) -> bool {
        let enough = || self.live().iter().any(|(a, n)| a == app && *n >= count);
        tokio::time::timeout(limit, async {
            loop {
                let grown = self.inner.grown.notified();
                tokio::pin!(grown);
                grown.as_mut().enable();
                if enough() {
                    return;
                }
                grown.await;
            }
        })
        .await
        .is_ok()
    }

    /// Lets a fault happen to the connections of all apps whose id contains `fault.path` (empty:
    /// all). `None`: not a fault of connections. `Some`: how many it has hit.
    pub fn fault(&self, fault: &Fault) -> Option<usize> {
        let state = match fault.kind {
            FaultKind::MuteLink => SocketState::Mute,
            FaultKind::ZombieLink => SocketState::Zombie,
            FaultKind::DropLink => SocketState::Gone,
            FaultKind::AnnounceLink => SocketState::Announced,
            FaultKind::EvictLink => SocketState::Evicted,
            _ => return None,
        };
        let hit: Vec<SocketHandle> = lock(&self.inner.open)
            .values()
            .filter(|e| e.app.contains(&fault.path))
            .map(|e| SocketHandle { entry: e.clone() })
            .filter(|h| match (state, h.state()) {
                (_, SocketState::Gone) => false,
                // These may follow a worse state; the rest happens to healthy connections.
                (SocketState::Gone, _) => true,
                (SocketState::Announced, SocketState::Live) => h.entry.announces,
                (SocketState::Evicted, SocketState::Live) => h.entry.evicts,
                (_, now) => now == SocketState::Live,
            })
            .collect();
        for handle in &hit {
            match state {
                SocketState::Announced => handle.announce(),
                SocketState::Evicted => handle.evict(),
                other => handle.set(other),
            }
        }
        Some(hit.len())
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn random(&self) -> u64 {
        let mut z = self
            .inner
            .random
            .fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed)
            .wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// The task of one connection. Its end, however it comes, takes the connection out of the hub.
struct Serving<P: SocketProtocol> {
    hub: Arc<Inner>,
    handle: SocketHandle,
    protocol: P,
    cut_at: Option<Instant>,
}

impl<P: SocketProtocol> Drop for Serving<P> {
    fn drop(&mut self) {
        *lock(&self.handle.entry.state) = SocketState::Gone;
        lock(&self.hub.open).remove(&self.handle.entry.id);
        // Whoever waits for an acknowledgement learns that none will come.
        lock(&self.handle.entry.pending).clear();
        self.protocol.closed(&self.handle);
    }
}

/// Whether the connection goes on.
#[derive(PartialEq)]
enum Go {
    On,
    End,
}

impl<P: SocketProtocol> Serving<P> {
    async fn run(&mut self, mut socket: WebSocket, mut commands: mpsc::Receiver<Command>, stop: &CancellationToken) {
        let replies = self.protocol.opened(&self.handle);
        if self.apply(&mut socket, replies).await == Go::End {
            return;
        }
        let mut beat = self.protocol.every().map(|every| {
            let mut timer = tokio::time::interval_at(Instant::now() + every, every);
            timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            timer
        });
        loop {
            match self.handle.state() {
                SocketState::Gone => return,
                SocketState::Mute => {
                    // Not even read: the library would answer pings.
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = self.handle.entry.changed.notified() => continue,
                        () = tokio::time::sleep(HALF_OPEN) => return,
                    }
                }
                _ => {}
            }
            let replies = tokio::select! {
                biased;
                () = stop.cancelled() => {
                    close(&mut socket, 1001, "going away").await;
                    return;
                }
                () = self.handle.entry.changed.notified() => continue,
                () = until(self.cut_at) => return,
                command = commands.recv() => match command {
                    Some(Command::Send(message)) => vec![Reply::Send(message)],
                    Some(Command::Announce) => self.protocol.announce(),
                    Some(Command::Evict) => self.protocol.evict(),
                    Some(Command::Close { code, reason }) => vec![Reply::Close { code, reason }],
                    None => return,
                },
                message = socket.recv() => match message {
                    Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                        self.protocol.frame(&self.handle, message)
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => Vec::new(),
                    Some(Ok(Message::Close(_))) => {
                        // The library answers the close frame when it is asked once more.
                        let _ = tokio::time::timeout(CLOSING, socket.recv()).await;
                        return;
                    }
                    Some(Err(_)) | None => return,
                },
                () = tick(&mut beat) => self.protocol.beat(),
            };
            if self.apply(&mut socket, replies).await == Go::End {
                return;
            }
        }
    }

    async fn apply(&mut self, socket: &mut WebSocket, replies: Vec<Reply>) -> Go {
        for reply in replies {
            if matches!(self.handle.state(), SocketState::Mute | SocketState::Gone) {
                return Go::On;
            }
            match reply {
                Reply::Send(message) => {
                    if !matches!(tokio::time::timeout(WRITE, socket.send(message)).await, Ok(Ok(()))) {
                        return Go::End;
                    }
                }
                Reply::Ready => {
                    let mut state = lock(&self.handle.entry.state);
                    if *state == SocketState::Opening {
                        *state = SocketState::Live;
                    }
                    drop(state);
                    self.hub.grown.notify_waiters();
                }
                Reply::Acked { key, answer } => self.handle.acked(&key, answer),
                Reply::Close { code, reason } => {
                    close(socket, code, &reason).await;
                    return Go::End;
                }
                Reply::Cut => return Go::End,
                Reply::CutIn(wait) => self.cut_at = Some(Instant::now() + wait),
            }
        }
        Go::On
    }
}

/// Sends a close frame and waits a little for the answer, so that the client sees an end in order.
async fn close(socket: &mut WebSocket, code: u16, reason: &str) {
    let frame = Message::Close(Some(CloseFrame {
        code,
        reason: Utf8Bytes::from(reason),
    }));
    let _ = tokio::time::timeout(CLOSING, async {
        if socket.send(frame).await.is_ok() {
            while let Some(Ok(_)) = socket.recv().await {}
        }
    })
    .await;
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn tick(timer: &mut Option<tokio::time::Interval>) {
    match timer {
        Some(timer) => {
            timer.tick().await;
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
