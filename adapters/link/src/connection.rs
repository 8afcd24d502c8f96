//! One connection, from asking for the endpoint to the last byte: a task that drives a session.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt as _, StreamExt as _};
use hutong_model::{
    BoxFuture, Clock, CloseReason, Frame, Incoming, Link, LinkSession, LinkSpec, OpenError, Rejection, Step,
};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::host::{Cause, LinkHost, Options};
use crate::transport::{ConnectError, Io, Transport};

/// The longest silence that any platform is allowed.
const MAX_QUIET: Duration = Duration::from_secs(70);
const MAX_PING: Duration = Duration::from_secs(30);
/// The longest time that an announced end is waited for.
const MAX_DRAIN: Duration = Duration::from_secs(120);
/// A session is ticked no more often than this.
const MIN_TICK: Duration = Duration::from_millis(5);
/// Outgoing bytes that may wait in memory.
const WRITE_BUFFER: usize = 8 << 20;
/// A last close frame when nothing is waited for any more.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a connection is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Retire {
    No,
    /// In good order: commits are finished and acknowledged.
    Gently,
    /// The right to it is lost.
    Now,
}

/// What a connection says while it lives; each at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Ready,
    Replace,
}

/// Why it has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    Refused {
        code: String,
        text: String,
    },
    Unavailable {
        cause: Cause,
        reason: String,
        after: Option<Duration>,
    },
    Evicted,
    /// Nothing wrong.
    Done(&'static str),
    Panicked,
}

impl End {
    fn lost(cause: Cause, reason: impl Into<String>) -> Self {
        End::Unavailable {
            cause,
            reason: reason.into(),
            after: None,
        }
    }
}

impl From<OpenError> for End {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Refused { code, text } => End::Refused { code, text },
            OpenError::Unavailable { reason, after_ms } => End::Unavailable {
                cause: Cause::NoEndpoint,
                reason,
                after: after_ms.map(Duration::from_millis),
            },
        }
    }
}

/// Everything that connections of one link share.
pub(crate) struct Shared {
    pub link: Arc<dyn Link>,
    pub host: Arc<dyn LinkHost>,
    pub transport: Arc<dyn Transport>,
    pub clock: Arc<dyn Clock>,
    pub options: Options,
    pub spec: LinkSpec,
    /// When an event came or a call went last.
    pub busy: Mutex<Option<Instant>>,
}

impl Shared {
    fn is_busy(&self) {
        *self.busy.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    pub fn last_busy(&self) -> Option<Instant> {
        *self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Socket = WebSocketStream<Box<dyn Io>>;
type Stored = (u64, bool);

/// Runs one connection to its end.
pub(crate) async fn connection(
    shared: Arc<Shared>,
    id: u64,
    said: mpsc::UnboundedSender<(u64, Said)>,
    mut orders: watch::Receiver<Retire>,
) -> End {
    let socket = tokio::select! {
        socket = open(&shared) => socket,
        _ = ordered(&mut orders, Retire::Gently) => return End::Done("stopped while it was being opened"),
    };
    let socket = match socket {
        Ok(socket) => socket,
        Err(end) => return end,
    };
    let now = Instant::now();
    let session = shared.link.session(shared.clock.now());
    let mut live = Live {
        woken: session.woken(),
        session,
        socket,
        stores: FuturesUnordered::new(),
        heard: now,
        ticked: None,
        ready: false,
        replaced: false,
        deaf: false,
        closing: false,
        drain_until: None,
        said: Box::new(move |what| {
            // Nobody listens when the runner is gone; then orders say the same.
            let _ = said.send((id, what));
        }),
        shared,
    };
    let mut at_once = orders.clone();
    let end = tokio::select! {
        biased;
        () = ordered(&mut at_once, Retire::Now) => None,
        end = live.talk(orders) => Some(end),
    };
    if end.is_none() {
        live.farewell().await;
    }
    live.leave_stores();
    match end {
        Some(Ok(end) | Err(end)) => end,
        None => End::Done("ended at once"),
    }
}

/// Waits for an order at least as strong; an orphan is to end in good order.
async fn ordered(orders: &mut watch::Receiver<Retire>, least: Retire) {
    if orders.wait_for(|o| *o >= least).await.is_err() && least == Retire::Now {
        std::future::pending::<()>().await;
    }
}

async fn open(shared: &Shared) -> Result<Socket, End> {
    let endpoint = timeout(shared.options.open, shared.link.open()).await.map_err(|_| {
        End::lost(
            Cause::NoEndpoint,
            "the platform does not say where to connect: no answer in time",
        )
    })??;
    let connected = timeout(
        shared.options.connect,
        shared.transport.connect(&endpoint, &shared.spec),
    )
    .await
    .map_err(|_| End::lost(Cause::NoConnection, "the endpoint does not answer in time"))?;
    let io = connected.map_err(|error| match error {
        ConnectError::NotAllowed(why) => End::Refused {
            code: "endpoint".into(),
            text: format!(
                "平台给出的长连接地址不在允许的范围内,未连接;请检查网络是否被劫持、base_url 是否正确 / \
                 the endpoint given for the long connection is not allowed ({why}); nothing was sent: check base_url and whether the network is tampered with"
            ),
        },
        ConnectError::Status { status, headers } => {
            let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            shared.link.not_upgraded(status, &headers).into()
        }
        ConnectError::Failed(reason) => End::lost(Cause::NoConnection, reason),
    })?;
    let max = Some(shared.spec.max_frame);
    let config = WebSocketConfig::default()
        .read_buffer_size(16 << 10)
        .write_buffer_size(16 << 10)
        .max_write_buffer_size(WRITE_BUFFER)
        .max_message_size(max)
        .max_frame_size(max);
    Ok(WebSocketStream::from_raw_socket(io, Role::Client, Some(config)).await)
}

struct Live {
    shared: Arc<Shared>,
    session: Box<dyn LinkSession>,
    woken: BoxFuture<'static, ()>,
    socket: Socket,
    stores: FuturesUnordered<BoxFuture<'static, Stored>>,
    /// When anything was received last.
    heard: Instant,
    ticked: Option<Instant>,
    ready: bool,
    replaced: bool,
    /// Nothing is read, because too many commits are under way.
    deaf: bool,
    /// Our close frame is sent: nothing may follow it.
    closing: bool,
    drain_until: Option<Instant>,
    said: Box<dyn Fn(Said) + Send>,
}

/// `Err` ends the connection, too; it is what `?` carries out of the depth.
type Flow<T = ()> = Result<T, End>;

impl Live {
    async fn talk(&mut self, mut orders: watch::Receiver<Retire>) -> Flow<End> {
        let options = self.shared.options.clone();
        let quiet = match Duration::from_millis(self.shared.spec.quiet_ms) {
            Duration::ZERO => MAX_QUIET,
            quiet => quiet.min(MAX_QUIET),
        };
        let ping_every = options.ping.min(MAX_PING).min(quiet / 3);
        let opened = Instant::now();
        let mut ping_at = opened + ping_every;
        let steps = self.session.opened(self.shared.clock.now());
        self.act(steps).await?;
        loop {
            let now = Instant::now();
            let tick_at = self.tick_at(now);
            if tick_at.is_some_and(|at| at <= now) {
                self.tick().await?;
                continue;
            }
            let ready_by = (!self.ready).then(|| opened + options.ready);
            let reading = self.stores.len() < options.stores.max(1);
            if reading && self.deaf {
                // The silence of that time was ours.
                self.heard = now;
            }
            self.deaf = !reading;
            tokio::select! {
                biased;
                () = ordered(&mut orders, Retire::Gently) => {
                    self.retire().await?;
                    return Ok(End::Done("ended in good order"));
                }
                Some((receipt, stored)) = self.stores.next(), if !self.stores.is_empty() => {
                    let steps = self.session.stored(receipt, stored, self.shared.clock.now());
                    self.act(steps).await?;
                }
                message = self.socket.next(), if reading => self.take(message).await?,
                () = maybe(tick_at) => self.tick().await?,
                () = &mut self.woken => {
                    self.shared.is_busy();
                    self.woken = self.session.woken();
                    self.tick().await?;
                }
                () = sleep_until(ping_at) => {
                    ping_at = Instant::now() + ping_every;
                    self.write(Message::Ping(Bytes::new())).await?;
                }
                () = sleep_until(self.heard + quiet), if reading => {
                    self.farewell().await;
                    return Ok(End::lost(Cause::Silence, format!("nothing was heard for {} s", quiet.as_secs())));
                }
                () = maybe(ready_by) => {
                    self.farewell().await;
                    return Ok(End::lost(Cause::NotAccepted, "the platform did not accept the connection in time"));
                }
                () = maybe(self.drain_until) => {
                    self.retire().await?;
                    return Ok(End::Done("drained"));
                }
            }
        }
    }

    /// When to tick, no sooner than [`MIN_TICK`] after the last time.
    fn tick_at(&self, now: Instant) -> Option<Instant> {
        let wanted = self.session.next_tick()?;
        let at = now + wanted.since(self.shared.clock.now());
        Some(self.ticked.map_or(at, |last| at.max(last + MIN_TICK)))
    }

    async fn tick(&mut self) -> Flow {
        self.ticked = Some(Instant::now());
        let steps = self.session.tick(self.shared.clock.now());
        self.act(steps).await
    }

    async fn take(&mut self, message: Option<Result<Message, Error>>) -> Flow {
        let frame = match message {
            Some(Ok(message)) => {
                self.heard = Instant::now();
                match message {
                    Message::Text(text) => Frame::Text(text.as_str().to_owned()),
                    Message::Binary(bytes) => Frame::Binary(bytes.to_vec()),
                    Message::Close(frame) => {
                        // Asking once more sends the answer.
                        let _ = timeout(FAREWELL, self.socket.next()).await;
                        let mut why = "closed by the platform".to_owned();
                        if let Some(frame) = frame {
                            why = format!("{why}: {} {}", u16::from(frame.code), frame.reason.as_str());
                            why.truncate(why.floor_char_boundary(200));
                        }
                        return Err(End::lost(Cause::Closed, why));
                    }
                    Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return Ok(()),
                }
            }
            Some(Err(error)) => {
                if matches!(error, Error::Capacity(_)) {
                    self.shared.host.rejected(Rejection::TooLarge);
                }
                return Err(End::lost(
                    Cause::Broken,
                    format!("the connection broke: {}", plain(&error)),
                ));
            }
            None => return Err(End::lost(Cause::Broken, "the connection ended without a word")),
        };
        let steps = self.session.received(frame, self.shared.clock.now());
        self.act(steps).await
    }

    /// Does what the session wants, in its order.
    async fn act(&mut self, steps: Vec<Step>) -> Flow {
        let mut todo: VecDeque<Step> = steps.into();
        while let Some(step) = todo.pop_front() {
            match step {
                Step::Send(_) if self.closing => {}
                Step::Send(Frame::Text(text)) => self.write(Message::text(text)).await?,
                Step::Send(Frame::Binary(bytes)) => self.write(Message::binary(bytes)).await?,
                Step::Store { receipt, events } => {
                    self.shared.is_busy();
                    let mut store = store(self.shared.clone(), receipt, events);
                    // Polled at once, so that the host sees events in the order of their arrival.
                    match futures_util::poll!(&mut store) {
                        std::task::Poll::Ready((receipt, stored)) => {
                            todo.extend(self.session.stored(receipt, stored, self.shared.clock.now()));
                        }
                        std::task::Poll::Pending => self.stores.push(store),
                    }
                }
                Step::Ready if !self.ready => {
                    self.ready = true;
                    (self.said)(Said::Ready);
                }
                Step::Ready => {}
                Step::Rejected(rejection) => self.shared.host.rejected(rejection),
                Step::Replace { drain_ms } => {
                    if !self.replaced {
                        self.replaced = true;
                        self.drain_until = Some(Instant::now() + Duration::from_millis(drain_ms).min(MAX_DRAIN));
                        (self.said)(Said::Replace);
                    }
                }
                Step::Close(_) if self.closing => {}
                Step::Close(CloseReason::Rotate) => {
                    // Boxed: retiring acts on what still arrives.
                    Box::pin(self.retire()).await?;
                    return Err(End::Done("ended by the session"));
                }
                Step::Close(reason) => {
                    self.farewell().await;
                    return Err(match reason {
                        CloseReason::Refused { code, text } => End::Refused { code, text },
                        CloseReason::Evicted => End::Evicted,
                        CloseReason::Failed(why) => End::lost(Cause::Protocol, why),
                        CloseReason::Rotate => End::Done("ended by the session"),
                    });
                }
            }
        }
        Ok(())
    }

    async fn write(&mut self, message: Message) -> Flow {
        match timeout(self.shared.options.write, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(End::lost(Cause::Broken, format!("cannot write: {}", plain(&error)))),
            Err(_) => Err(End::lost(
                Cause::Broken,
                "the platform does not read: a message could not be written in time",
            )),
        }
    }

    /// Ends in good order: what is being committed is finished and acknowledged, the session has its
    /// last word, and what arrives until the other side closes, too, is still stored. (It is not
    /// acknowledged: nothing may follow a close frame.)
    async fn retire(&mut self) -> Flow {
        let limit = Instant::now() + self.shared.options.store;
        while let Ok(Some((receipt, stored))) = tokio::time::timeout_at(limit, self.stores.next()).await {
            let steps = self.session.stored(receipt, stored, self.shared.clock.now());
            self.act(steps).await?;
        }
        if !self.closing {
            let steps = self.session.closing(self.shared.clock.now());
            self.act(steps).await?;
            self.closing = true;
            self.write(Message::Close(None)).await?;
        }
        let limit = Instant::now() + self.shared.options.retire;
        loop {
            let Ok(message) = tokio::time::timeout_at(limit, self.socket.next()).await else {
                break;
            };
            if self.take(message).await.is_err() {
                break;
            }
        }
        let limit = Instant::now() + self.shared.options.store;
        while let Ok(Some(_)) = tokio::time::timeout_at(limit, self.stores.next()).await {}
        Ok(())
    }

    /// A close frame for the other side's log; nothing is waited for.
    async fn farewell(&mut self) {
        self.closing = true;
        let _ = timeout(FAREWELL, self.socket.send(Message::Close(None))).await;
    }

    /// The connection has failed while events were being committed: the commits go on, and the
    /// platform's repeat will find them done.
    fn leave_stores(&mut self) {
        let mut stores = std::mem::take(&mut self.stores);
        if !stores.is_empty() {
            tokio::spawn(async move { while stores.next().await.is_some() {} });
        }
    }
}

fn store(shared: Arc<Shared>, receipt: u64, events: Vec<Incoming>) -> BoxFuture<'static, Stored> {
    Box::pin(async move {
        let stored = timeout(shared.options.store, shared.host.store(events)).await;
        (receipt, stored.unwrap_or(false))
    })
}

async fn maybe(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Errors of the WebSocket layer; those of protocol may quote the wire, which is not for logs.
fn plain(error: &Error) -> String {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => "it is closed".into(),
        Error::Io(error) => error.kind().to_string(),
        Error::Capacity(_) => "a message that is too large".into(),
        Error::Protocol(error) => error.to_string(),
        Error::Utf8(_) => "text that is not UTF-8".into(),
        _ => "a defect of the protocol".into(),
    }
}
