//! Delivery of callbacks as the platforms do it: one attempt, a deadline, and repeats on a ladder
//! of waits for those that were not answered well.
//!
//! The simulator says what a callback looks like ([`CallbackRequest::build`], called for every
//! attempt, so that a repeat can carry a fresh nonce, timestamp and signature where the platform
//! does that) and which answer counts ([`CallbackRequest::accept`]). Repeats follow the simulator's
//! clock and are sent by [`Callbacks::repeat_due`].

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hutong_model::{BoxFuture, Clock, Timestamp};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Url};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::faults::Faults;
use crate::{Done, FaultKind, SimError};

/// Callbacks kept for [`Callbacks::repeat_last`].
const KEEP: usize = 256;
/// Failed callbacks that wait for a repeat.
const MAX_WAITING: usize = 10_000;

/// One attempt, ready for the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// True for POST, false for GET (address checks).
    pub post: bool,
    /// With query.
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Outgoing {
    pub fn post_json(url: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self {
            post: true,
            url: url.into(),
            headers: vec![("content-type".into(), "application/json; charset=utf-8".into())],
            body: body.into(),
        }
    }
}

/// What the other side said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

/// Which attempt is being built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    pub at: Timestamp,
    /// 0 for the first.
    pub number: u32,
}

type Build = dyn Fn(Attempt) -> Outgoing + Send + Sync;
type Over = dyn Fn(Attempt) -> BoxFuture<'static, Option<Result<Answer, String>>> + Send + Sync;
type Accept = dyn Fn(&Answer) -> Result<(), String> + Send + Sync;

/// A callback and all its repeats.
#[derive(Clone)]
pub struct CallbackRequest {
    /// What it is, for complaints (`im.message.receive_v1 om_1`). Never message text.
    pub label: String,
    pub build: Arc<Build>,
    /// Carries an attempt over a long connection and waits for its acknowledgement; `None` when no
    /// connection of the app is live, so that it goes to the callback address.
    pub over: Option<Arc<Over>>,
    /// Whether the platform is content with an answer; `Err` says why not.
    pub accept: Arc<Accept>,
    /// False for callbacks that the platform sends only once (a card click).
    pub repeats: bool,
}

impl CallbackRequest {
    /// A callback that is repeated and content with status 200.
    pub fn new(label: impl Into<String>, build: impl Fn(Attempt) -> Outgoing + Send + Sync + 'static) -> Self {
        Self {
            label: label.into(),
            build: Arc::new(build),
            over: None,
            accept: Arc::new(|answer| match answer.status {
                200 => Ok(()),
                other => Err(format!("status {other}")),
            }),
            repeats: true,
        }
    }

    pub fn accept(mut self, accept: impl Fn(&Answer) -> Result<(), String> + Send + Sync + 'static) -> Self {
        self.accept = Arc::new(accept);
        self
    }

    pub fn over(
        mut self,
        over: impl Fn(Attempt) -> BoxFuture<'static, Option<Result<Answer, String>>> + Send + Sync + 'static,
    ) -> Self {
        self.over = Some(Arc::new(over));
        self
    }

    pub fn once(mut self) -> Self {
        self.repeats = false;
        self
    }
}

impl fmt::Debug for CallbackRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackRequest").field("label", &self.label).finish()
    }
}

/// What became of a callback, its duplicates included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// The first accepted answer, else the last failure.
    pub result: Result<Answer, String>,
    pub ok: u32,
    pub failed: u32,
}

impl Delivered {
    /// Adds the counts to what [`crate::Simulator::act`] returns.
    pub fn add_to(&self, done: &mut Done) {
        done.callbacks_ok += self.ok;
        done.callbacks_failed += self.failed;
    }
}

/// Attempts so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub attempts: u64,
    pub accepted: u64,
    pub failed: u64,
    /// Attempts after the first.
    pub repeats: u64,
    /// Callbacks that reached the end of the ladder, or are sent once and failed.
    pub given_up: u64,
}

#[derive(Debug, Clone)]
struct Waiting {
    request: CallbackRequest,
    due: Timestamp,
    /// Attempts made.
    attempts: u32,
}

#[derive(Debug, Default)]
struct Inner {
    recent: VecDeque<CallbackRequest>,
    waiting: VecDeque<Waiting>,
    counts: Counts,
}

/// The platform's sender of callbacks.
#[derive(Debug)]
pub struct Callbacks {
    client: Client,
    clock: Arc<dyn Clock>,
    ladder: Vec<Duration>,
    faults: Arc<Faults>,
    inner: Mutex<Inner>,
}

/// A keep-alive client for loopback: no proxy, no redirects, no trust roots.
pub fn loopback_client(timeout: Duration) -> Result<Client, SimError> {
    // The error says that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .connect_timeout(Duration::from_secs(3))
        .timeout(timeout)
        // As the platforms write them: an official receiver looks them up with their capitals.
        .http1_title_case_headers()
        .tls_certs_only([])
        .build()
        .map_err(|e| SimError::Refused(format!("cannot make an HTTP client: {e}")))
}

impl Callbacks {
    /// `ladder[n]` is the wait after the failure of attempt n; `timeout` is how long the platform
    /// waits for an answer.
    pub fn new(
        clock: Arc<dyn Clock>,
        ladder: Vec<Duration>,
        timeout: Duration,
        faults: Arc<Faults>,
    ) -> Result<Self, SimError> {
        Ok(Self {
            client: loopback_client(timeout)?,
            clock,
            ladder,
            faults,
            inner: Mutex::default(),
        })
    }

    /// Makes the first attempt (and its duplicates, when such a fault waits). What failed is kept
    /// for [`Callbacks::repeat_due`].
    pub async fn deliver(&self, request: CallbackRequest) -> Delivered {
        {
            let mut inner = self.lock();
            if inner.recent.len() == KEEP {
                inner.recent.pop_front();
            }
            inner.recent.push_back(request.clone());
        }
        let fault = self.faults.take_for_callback();
        let times = match &fault {
            Some(FaultKind::Duplicate { times }) => (*times).max(1),
            _ => 1,
        };
        let mut all = self.attempt(&request, 0, fault.as_ref()).await;
        for _ in 1..times {
            let more = self.attempt(&request, 0, None).await;
            all.ok += more.ok;
            all.failed += more.failed;
            if all.result.is_err() {
                all.result = more.result;
            }
        }
        if all.result.is_err() {
            self.wait_for_repeat(request, 1);
        }
        all
    }

    /// Sends once more what is due at the clock, oldest first; returns how many attempts were made.
    /// A callback is tried at most once per call, however far the clock has moved.
    pub async fn repeat_due(&self) -> usize {
        let now = self.clock.now();
        let mut due: Vec<Waiting> = {
            let mut inner = self.lock();
            let (due, later): (Vec<_>, Vec<_>) = inner.waiting.drain(..).partition(|w| w.due <= now);
            inner.waiting = later.into();
            due
        };
        due.sort_by_key(|w| w.due);
        let count = due.len();
        for waiting in due {
            let fault = self.faults.take_for_callback();
            let result = self
                .attempt(&waiting.request, waiting.attempts, fault.as_ref())
                .await
                .result;
            if result.is_err() {
                self.wait_for_repeat(waiting.request, waiting.attempts + 1);
            }
        }
        count
    }

    /// Sends the last `count` callbacks once more in their order, whatever was answered before, as
    /// a platform that did not get the answer. They are not repeated further.
    pub async fn repeat_last(&self, count: usize) -> Vec<Delivered> {
        let again: Vec<CallbackRequest> = {
            let inner = self.lock();
            let skip = inner.recent.len().saturating_sub(count);
            inner.recent.iter().skip(skip).cloned().collect()
        };
        let mut all = Vec::with_capacity(again.len());
        for request in again {
            all.push(self.attempt(&request, 1, None).await);
        }
        all
    }

    /// When the next repeat is due; `None` when nothing waits.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.lock().waiting.iter().map(|w| w.due).min()
    }

    pub fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    fn wait_for_repeat(&self, request: CallbackRequest, attempts: u32) {
        let step = usize::try_from(attempts - 1).ok().and_then(|n| self.ladder.get(n));
        let mut inner = self.lock();
        match step {
            Some(wait) if request.repeats && inner.waiting.len() < MAX_WAITING => {
                let due = self.clock.now() + *wait;
                inner.waiting.push_back(Waiting { request, due, attempts });
            }
            _ => inner.counts.given_up += 1,
        }
    }

    async fn attempt(&self, request: &CallbackRequest, number: u32, fault: Option<&FaultKind>) -> Delivered {
        let attempt = Attempt {
            at: self.clock.now(),
            number,
        };
        let result = match fault {
            Some(FaultKind::LoseCallback) => Err("lost on the way (a fault)".to_owned()),
            Some(FaultKind::Cut) => {
                half_a_request(&(request.build)(attempt)).await;
                Err("cut before it was complete (a fault)".to_owned())
            }
            Some(FaultKind::AcceptThenCut) => {
                let _ = self.carry(request, attempt).await;
                Err("the answer was lost (a fault)".to_owned())
            }
            Some(FaultKind::Status { status }) => {
                let _ = self.carry(request, attempt).await;
                Err(format!("a gateway answered {status} instead (a fault)"))
            }
            Some(FaultKind::Delay { ms }) => {
                tokio::time::sleep(Duration::from_millis(*ms)).await;
                self.carry(request, attempt).await
            }
            _ => self.carry(request, attempt).await,
        };
        let result = result.and_then(|answer| match (request.accept)(&answer) {
            Ok(()) => Ok(answer),
            Err(why) => Err(why),
        });
        let ok = result.is_ok();
        let mut inner = self.lock();
        inner.counts.attempts += 1;
        inner.counts.accepted += u64::from(ok);
        inner.counts.failed += u64::from(!ok);
        inner.counts.repeats += u64::from(number > 0);
        drop(inner);
        if let Err(why) = &result {
            tracing::debug!(callback = %request.label, number, why, "a callback failed");
        }
        Delivered {
            result,
            ok: u32::from(ok),
            failed: u32::from(!ok),
        }
    }

    /// Over a live long connection, else to the callback address.
    async fn carry(&self, request: &CallbackRequest, attempt: Attempt) -> Result<Answer, String> {
        if let Some(over) = &request.over
            && let Some(result) = over(attempt).await
        {
            return result;
        }
        self.send(&(request.build)(attempt)).await
    }

    /// One request over the wire, outside of ladder and faults: address checks.
    pub async fn send(&self, out: &Outgoing) -> Result<Answer, String> {
        let method = if out.post { Method::POST } else { Method::GET };
        let mut request = self.client.request(method, &out.url);
        for (name, value) in &out.headers {
            request = request.header(name, value);
        }
        if out.post {
            request = request.body(out.body.clone());
        }
        let answer = request.send().await.map_err(plain)?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await.map_err(plain)?.to_vec();
        Ok(Answer { status, body })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The error without the URL, whose query may carry a signature.
fn plain(error: reqwest::Error) -> String {
    let what = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "cannot connect"
    } else {
        "no complete answer"
    };
    let mut text = format!("{what}: {}", error.without_url());
    text.truncate(text.floor_char_boundary(300));
    text
}

/// Writes the head and half of the body and closes the connection.
async fn half_a_request(out: &Outgoing) {
    let Ok(url) = Url::parse(&out.url) else { return };
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return;
    };
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let mut bytes = format!(
        "{} {target} HTTP/1.1\r\nhost: {host}:{port}\r\ncontent-length: {}\r\n",
        if out.post { "POST" } else { "GET" },
        out.body.len().max(2)
    )
    .into_bytes();
    for (name, value) in &out.headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(out.body.get(..out.body.len() / 2).unwrap_or_default());
    if let Ok(mut stream) = TcpStream::connect((host, port)).await {
        let _ = stream.write_all(&bytes).await;
        let _ = stream.flush().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fault, server};
    use axum::Router;
    use axum::http::{HeaderMap, StatusCode};
    use axum::routing::post;
    use hutong_model::ManualClock;
    use std::sync::atomic::{AtomicU16, Ordering};

    struct Bot {
        served: server::Served,
        /// Body and the nonce header of every request that arrived complete.
        seen: Arc<Mutex<Vec<(String, String)>>>,
        status: Arc<AtomicU16>,
    }

    async fn bot() -> Bot {
        let seen: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let status = Arc::new(AtomicU16::new(200));
        let (s, st) = (seen.clone(), status.clone());
        let router = Router::new().route(
            "/hook/x",
            post(move |headers: HeaderMap, body: String| async move {
                let nonce = headers["x-nonce"].to_str().unwrap().to_owned();
                s.lock().unwrap().push((body, nonce));
                (
                    StatusCode::from_u16(st.load(Ordering::SeqCst)).unwrap(),
                    "{\"ok\":true}",
                )
            }),
        );
        Bot {
            served: server::Bound::bind(0).await.unwrap().serve(router),
            seen,
            status,
        }
    }

    fn request(bot: &Bot, body: &'static str) -> CallbackRequest {
        let url = format!("{}/hook/x", bot.served.base_url());
        CallbackRequest::new(body, move |attempt| {
            let mut out = Outgoing::post_json(url.clone(), body);
            out.headers
                .push(("x-nonce".into(), format!("{}/{}", attempt.number, attempt.at.millis())));
            out
        })
    }

    fn callbacks(clock: &ManualClock) -> (Callbacks, Arc<Faults>) {
        let faults = Arc::new(Faults::new());
        let ladder = vec![Duration::from_secs(15), Duration::from_secs(300)];
        let callbacks = Callbacks::new(
            Arc::new(clock.clone()),
            ladder,
            Duration::from_millis(500),
            faults.clone(),
        )
        .unwrap();
        (callbacks, faults)
    }

    fn fault(kind: FaultKind) -> Fault {
        Fault {
            path: String::new(),
            callbacks: true,
            times: 1,
            kind,
        }
    }

    #[tokio::test]
    async fn a_refused_callback_climbs_the_ladder_and_is_given_up() {
        let clock = ManualClock::at(Timestamp(0));
        let (callbacks, _) = callbacks(&clock);
        let bot = bot().await;
        bot.status.store(500, Ordering::SeqCst);
        let done = callbacks.deliver(request(&bot, "a")).await;
        assert_eq!((done.ok, done.failed), (0, 1));
        assert_eq!(done.result.unwrap_err(), "status 500");
        assert_eq!(callbacks.next_due(), Some(Timestamp(15_000)));
        assert_eq!(callbacks.repeat_due().await, 0);
        clock.set(Timestamp(15_000));
        assert_eq!(callbacks.repeat_due().await, 1);
        assert_eq!(callbacks.next_due(), Some(Timestamp(315_000)));
        clock.set(Timestamp(400_000));
        assert_eq!(callbacks.repeat_due().await, 1);
        assert_eq!(callbacks.waiting(), 0);
        let nonces: Vec<String> = bot.seen.lock().unwrap().iter().map(|(_, n)| n.clone()).collect();
        assert_eq!(nonces, ["0/0", "1/15000", "2/400000"], "every attempt is signed anew");
        let counts = callbacks.counts();
        assert_eq!(
            (counts.attempts, counts.failed, counts.repeats, counts.given_up),
            (3, 3, 2, 1)
        );
    }

    #[tokio::test]
    async fn a_repeat_that_is_answered_ends_it() {
        let clock = ManualClock::at(Timestamp(0));
        let (callbacks, faults) = callbacks(&clock);
        let bot = bot().await;
        let _ = faults.add(fault(FaultKind::LoseCallback));
        assert!(callbacks.deliver(request(&bot, "a")).await.result.is_err());
        assert!(bot.seen.lock().unwrap().is_empty(), "it was lost");
        clock.advance(Duration::from_secs(20));
        assert_eq!(callbacks.repeat_due().await, 1);
        assert_eq!(bot.seen.lock().unwrap().len(), 1);
        assert_eq!(callbacks.waiting(), 0);
        assert_eq!(callbacks.counts().accepted, 1);
    }

    #[tokio::test]
    async fn an_answer_that_is_lost_is_repeated_although_it_was_handled() {
        let clock = ManualClock::at(Timestamp(0));
        let (callbacks, faults) = callbacks(&clock);
        let bot = bot().await;
        for kind in [FaultKind::AcceptThenCut, FaultKind::Status { status: 502 }] {
            let _ = faults.add(fault(kind));
            assert!(callbacks.deliver(request(&bot, "a")).await.result.is_err());
        }
        assert_eq!(bot.seen.lock().unwrap().len(), 2);
        assert_eq!(callbacks.waiting(), 2);
        let _ = faults.add(fault(FaultKind::Cut));
        assert!(callbacks.deliver(request(&bot, "b").once()).await.result.is_err());
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(bot.seen.lock().unwrap().len(), 2, "half a request is none");
        assert_eq!(callbacks.waiting(), 2, "and this kind is sent only once");
    }

    #[tokio::test]
    async fn duplicates_and_repeats_on_demand() {
        let clock = ManualClock::at(Timestamp(0));
        let (callbacks, faults) = callbacks(&clock);
        let bot = bot().await;
        let _ = faults.add(fault(FaultKind::Duplicate { times: 3 }));
        let delivered = callbacks.deliver(request(&bot, "a")).await;
        let mut done = Done::default();
        delivered.add_to(&mut done);
        assert_eq!((done.callbacks_ok, done.callbacks_failed), (3, 0));
        assert_eq!(delivered.result.unwrap().body, b"{\"ok\":true}");
        callbacks.deliver(request(&bot, "b")).await;
        callbacks.deliver(request(&bot, "c")).await;
        assert_eq!(callbacks.repeat_last(2).await.len(), 2);
        let bodies: Vec<String> = bot.seen.lock().unwrap().iter().map(|(b, _)| b.clone()).collect();
        assert_eq!(bodies, ["a", "a", "a", "b", "c", "b", "c"]);
        assert_eq!(callbacks.waiting(), 0);
    }

    #[tokio::test]
    async fn the_platform_judges_the_answer() {
        let clock = ManualClock::at(Timestamp(0));
        let (callbacks, _) = callbacks(&clock);
        let bot = bot().await;
        let strict = request(&bot, "a").accept(|answer| {
            if answer.body == b"success" {
                Ok(())
            } else {
                Err("not success".into())
            }
        });
        assert_eq!(callbacks.deliver(strict).await.result.unwrap_err(), "not success");
        let nobody = CallbackRequest::new("n", |_| {
            Outgoing::post_json("http://127.0.0.1:1/hook?signature=s3cret", "{}")
        });
        let why = callbacks.deliver(nobody).await.result.unwrap_err();
        assert!(why.starts_with("cannot connect") && !why.contains("s3cret"), "{why}");
    }
}
