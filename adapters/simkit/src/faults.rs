//! What can go wrong between the bot and the platform, and how a simulator makes it happen.
//!
//! A simulator keeps one [`Faults`] store, wraps its router with [`with_faults`] and hands the same
//! store to [`crate::ladder::Callbacks`]. The faults that need the platform's own envelope
//! ([`FaultKind::Code`]) go through the function given to [`with_faults`].

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use crate::{Fault, FaultKind};

/// Paths of the control interface are never faulty.
const CONTROL: &str = "/_sim";

/// Faults that wait for their request or callback, oldest first.
#[derive(Debug, Default)]
pub struct Faults {
    waiting: Mutex<VecDeque<Fault>>,
}

impl Faults {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a fault. Returns true when the simulator must revoke all access tokens now: that one
    /// happens at once and is not kept.
    #[must_use = "true asks the simulator to revoke its tokens"]
    pub fn add(&self, fault: Fault) -> bool {
        if fault.kind == FaultKind::RevokeTokens {
            return true;
        }
        if fault.times > 0 {
            self.lock().push_back(fault);
        }
        false
    }

    /// The fault for a request to `path`, used up by this call.
    pub fn take_for_request(&self, path: &str) -> Option<FaultKind> {
        self.take(|f| !is_for_callbacks(f) && path.contains(&f.path))
    }

    /// The fault for the next callback, used up by this call.
    pub fn take_for_callback(&self) -> Option<FaultKind> {
        self.take(is_for_callbacks)
    }

    fn take(&self, wanted: impl Fn(&Fault) -> bool) -> Option<FaultKind> {
        let mut waiting = self.lock();
        let at = waiting.iter().position(wanted)?;
        let fault = waiting.get_mut(at)?;
        fault.times = fault.times.saturating_sub(1);
        let kind = fault.kind.clone();
        if fault.times == 0 {
            waiting.remove(at);
        }
        Some(kind)
    }

    /// Faults that have not happened yet.
    pub fn waiting(&self) -> Vec<Fault> {
        self.lock().iter().cloned().collect()
    }

    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Fault>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_for_callbacks(fault: &Fault) -> bool {
    fault.callbacks || matches!(fault.kind, FaultKind::LoseCallback | FaultKind::Duplicate { .. })
}

/// The platform's envelope around an error code.
pub type Envelope = fn(code: i64, text: &str) -> Response;

/// Lets the waiting faults happen to the requests of a simulator's router.
///
/// `Delay` waits and goes on; `Status` and `Code` answer without doing anything; `Cut` closes the
/// connection without doing anything; `AcceptThenCut` lets the handler do its work and closes the
/// connection instead of answering.
pub fn with_faults(router: Router, faults: Arc<Faults>, envelope: Envelope) -> Router {
    router.layer(middleware::from_fn_with_state((faults, envelope), apply))
}

async fn apply(State((faults, envelope)): State<(Arc<Faults>, Envelope)>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if path.starts_with(CONTROL) {
        return next.run(request).await;
    }
    match faults.take_for_request(path) {
        None
        | Some(
            FaultKind::LoseCallback
            | FaultKind::Duplicate { .. }
            | FaultKind::RevokeTokens
            | FaultKind::MuteLink
            | FaultKind::ZombieLink
            | FaultKind::DropLink
            | FaultKind::AnnounceLink
            | FaultKind::EvictLink,
        ) => next.run(request).await,
        Some(FaultKind::Delay { ms }) => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            next.run(request).await
        }
        Some(FaultKind::Status { status }) => StatusCode::from_u16(status)
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            .into_response(),
        Some(FaultKind::Code { code, text }) => envelope(code, &text),
        Some(FaultKind::Cut) => cut(),
        Some(FaultKind::AcceptThenCut) => {
            drop(next.run(request).await);
            cut()
        }
    }
}

/// A response that is never written: the connection is closed and the client sees the end of the
/// stream before the first byte of an answer.
///
/// hyper polls the body before it flushes the head, and a body that fails ends the connection, so
/// that the head stays unwritten. The test below holds hyper to that.
pub fn cut() -> Response {
    let broken = stream::iter([Err::<Bytes, _>(std::io::Error::other("connection cut on purpose"))]);
    Response::new(Body::from_stream(broken))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::post;
    use std::sync::atomic::{AtomicU32, Ordering};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    fn fault(path: &str, times: u32, kind: FaultKind) -> Fault {
        Fault {
            path: path.into(),
            callbacks: false,
            times,
            kind,
        }
    }

    #[test]
    fn faults_are_used_up_in_order() {
        let faults = Faults::new();
        assert!(!faults.add(fault("/send", 2, FaultKind::Cut)));
        assert!(!faults.add(fault("", 1, FaultKind::Status { status: 502 })));
        assert!(!faults.add(fault("", 1, FaultKind::LoseCallback)));
        assert!(!faults.add(fault("", 0, FaultKind::Cut)));
        assert!(faults.add(fault("", 1, FaultKind::RevokeTokens)));
        assert_eq!(faults.take_for_request("/v1/send"), Some(FaultKind::Cut));
        assert_eq!(
            faults.take_for_request("/other"),
            Some(FaultKind::Status { status: 502 })
        );
        assert_eq!(faults.take_for_request("/other"), None);
        assert_eq!(faults.take_for_callback(), Some(FaultKind::LoseCallback));
        assert_eq!(faults.take_for_callback(), None);
        assert_eq!(faults.waiting(), [fault("/send", 1, FaultKind::Cut)]);
        faults.clear();
        assert_eq!(faults.take_for_request("/v1/send"), None);
    }

    async fn raw(address: std::net::SocketAddr, path: &str) -> Vec<u8> {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A reset is as good as an end here.
        let _ = tokio::time::timeout(Duration::from_millis(300), stream.read_to_end(&mut answer)).await;
        answer
    }

    #[tokio::test]
    async fn faults_happen_to_requests() {
        let done = Arc::new(AtomicU32::new(0));
        let seen = done.clone();
        let router = Router::new()
            .route(
                "/send",
                post(move || async move {
                    seen.fetch_add(1, Ordering::SeqCst);
                    "done"
                }),
            )
            .route("/_sim/act", post(|| async { "control" }));
        let faults = Arc::new(Faults::new());
        let router = with_faults(router, faults.clone(), |code, text| {
            format!("{code} {text}").into_response()
        });
        let served = crate::server::Bound::bind(0).await.unwrap().serve(router);
        let at = served.addr();

        let _ = faults.add(fault("", 1, FaultKind::AcceptThenCut));
        assert_eq!(raw(at, "/send").await, b"", "not one byte of an answer");
        assert_eq!(done.load(Ordering::SeqCst), 1, "the work was done");

        let _ = faults.add(fault("", 1, FaultKind::Cut));
        assert!(raw(at, "/_sim/act").await.ends_with(b"control"));
        assert_eq!(raw(at, "/send").await, b"");
        assert_eq!(done.load(Ordering::SeqCst), 1, "nothing was done");

        let _ = faults.add(fault("", 1, FaultKind::Status { status: 503 }));
        assert!(raw(at, "/send").await.starts_with(b"HTTP/1.1 503"));

        let _ = faults.add(fault(
            "/send",
            1,
            FaultKind::Code {
                code: 99,
                text: "busy".into(),
            },
        ));
        assert!(raw(at, "/send").await.ends_with(b"99 busy"));

        let _ = faults.add(fault("", 1, FaultKind::Delay { ms: 60 }));
        let begin = std::time::Instant::now();
        assert!(raw(at, "/send").await.ends_with(b"done"));
        assert!(begin.elapsed() >= Duration::from_millis(60));
        assert_eq!(done.load(Ordering::SeqCst), 2);
        served.stop().await;
    }

    #[tokio::test]
    async fn a_client_sees_a_cut_as_an_error() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let faults = Arc::new(Faults::new());
        let router = Router::new().route("/send", post(|| async { "done" }));
        let router = with_faults(router, faults.clone(), |_, _| ().into_response());
        let served = crate::server::Bound::bind(0).await.unwrap().serve(router);
        let client = crate::ladder::loopback_client(Duration::from_secs(2)).unwrap();
        let url = format!("{}/send", served.base_url());
        assert_eq!(client.post(&url).send().await.unwrap().status(), 200);
        let _ = faults.add(fault("", 1, FaultKind::AcceptThenCut));
        let error = client.post(&url).body("x").send().await.unwrap_err();
        assert!(!error.is_connect() && !error.is_timeout(), "{error:?}");
        assert_eq!(client.post(&url).send().await.unwrap().status(), 200);
        served.stop().await;
    }
}
