//! The door for callbacks: `/hook/{app}`, whatever kind of callback the platform sends there.
//!
//! Raw bytes go to the adapter, which verifies and translates without I/O; events are stored; only
//! then does the success answer leave. Everything that is refused gets one and the same answer.

mod serve;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::any;
use hutong_model::{Adapter, Answer, Clock, RawRequest, Received, Rejection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::inbox::Inbox;
use crate::trace::{Trace, Via};

pub use serve::{Limits, Peer, serve};

/// Platforms give up after 3 s (Feishu) to 5 s (WeCom); before that they are told to come again.
const DEADLINE: Duration = Duration::from_millis(2500);

/// What the door needs.
pub struct Ingress {
    pub apps: HashMap<String, Arc<dyn Adapter>>,
    pub inbox: Inbox,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<IngressMetrics>,
    /// Largest callback that is read, in bytes.
    pub max_body: usize,
    /// Memory for bodies of callbacks under way.
    pub in_flight: InFlight,
    /// Told how events came.
    pub trace: Trace,
}

/// Bounds the memory of callbacks under way: each holds as many permits as its body announces.
pub struct InFlight {
    permits: Arc<Semaphore>,
    all: u32,
}

/// What one permit stands for.
const UNIT: usize = 1024;

impl InFlight {
    /// `bytes` are at least one body of the largest size; the configuration sees to that.
    pub fn new(bytes: usize) -> Self {
        let all = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).max(1);
        Self {
            permits: Arc::new(Semaphore::new(all as usize)),
            all,
        }
    }

    /// `None`: too much is under way, and the platform must come again.
    fn enter(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let wanted = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        self.permits
            .clone()
            .try_acquire_many_owned(wanted.clamp(1, self.all))
            .ok()
    }
}

/// Counters since start.
#[derive(Debug, Default)]
pub struct IngressMetrics {
    pub requests: AtomicU64,
    pub challenges: AtomicU64,
    pub unavailable: AtomicU64,
    pub unknown_app: AtomicU64,
    rejected: [AtomicU64; 9],
}

impl IngressMetrics {
    pub(crate) fn reject(&self, rejection: Rejection) {
        if let Some(counter) = self.rejected.get(rejection as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Refused callbacks by kind.
    pub fn rejections(&self) -> Vec<(&'static str, u64)> {
        const KINDS: [Rejection; 9] = [
            Rejection::TooLarge,
            Rejection::MissingHeader,
            Rejection::DoubledHeader,
            Rejection::BadSignature,
            Rejection::BadToken,
            Rejection::Stale,
            Rejection::Undecryptable,
            Rejection::Malformed,
            Rejection::WrongApp,
        ];
        KINDS
            .iter()
            .filter_map(|k| {
                self.rejected
                    .get(*k as usize)
                    .map(|c| (k.as_str(), c.load(Ordering::Relaxed)))
            })
            .collect()
    }
}

/// The callback routes.
pub fn router(ingress: Arc<Ingress>) -> Router {
    Router::new().route("/hook/{app}", any(hook)).with_state(ingress)
}

async fn hook(State(ingress): State<Arc<Ingress>>, Path(app): Path<String>, request: Request) -> Response {
    ingress.metrics.requests.fetch_add(1, Ordering::Relaxed);
    let Some(adapter) = ingress.apps.get(&app) else {
        ingress.metrics.unknown_app.fetch_add(1, Ordering::Relaxed);
        return refusal();
    };
    let (parts, body) = request.into_parts();
    let post = match parts.method {
        Method::POST => true,
        Method::GET => false,
        _ => return reject(&ingress, Rejection::Malformed),
    };
    // Without an announced length it may become as long as any.
    let length = parts
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.parse().ok())
        .unwrap_or(ingress.max_body);
    // A longer one is read up to the limit and then refused: an answer in the middle of what the
    // other side is still sending may never be seen.
    let length = length.min(ingress.max_body);
    let Some(_room) = ingress.in_flight.enter(length) else {
        ingress.metrics.unavailable.fetch_add(1, Ordering::Relaxed);
        return status(StatusCode::SERVICE_UNAVAILABLE);
    };
    let body = match axum::body::to_bytes(body, ingress.max_body).await {
        Ok(body) => body,
        Err(_) => return reject(&ingress, Rejection::TooLarge),
    };
    let mut headers = Vec::with_capacity(parts.headers.len());
    for (name, value) in &parts.headers {
        match value.to_str() {
            Ok(value) => headers.push((name.as_str(), value)),
            Err(_) => return reject(&ingress, Rejection::Malformed),
        }
    }
    let raw = RawRequest {
        post,
        query: parts.uri.query().unwrap_or(""),
        headers: &headers,
        body: &body,
    };
    let now = ingress.clock.now();
    let (events, answer) = match adapter.receive(&raw, now) {
        Received::Challenge(answer) => {
            ingress.metrics.challenges.fetch_add(1, Ordering::Relaxed);
            return success(answer);
        }
        Received::Rejected(rejection) => return reject(&ingress, rejection),
        Received::Events { events, answer } => (events, answer),
    };
    let arrival = ingress.trace.arrives(adapter.app(), &events, Via::Callback);
    let accepted = ingress.inbox.accept(adapter.app(), events, now);
    match tokio::time::timeout(DEADLINE, accepted).await {
        Ok(Ok(_)) => success(answer),
        Ok(Err(_)) | Err(_) => {
            ingress.trace.forget(arrival);
            ingress.metrics.unavailable.fetch_add(1, Ordering::Relaxed);
            status(StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}

fn success(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    response
}

fn reject(ingress: &Ingress, rejection: Rejection) -> Response {
    ingress.metrics.reject(rejection);
    refusal()
}

/// Alike for every cause, so that a prober learns nothing.
fn refusal() -> Response {
    status(StatusCode::UNAUTHORIZED)
}

fn status(code: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = code;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_share_a_bounded_room() {
        let room = InFlight::new(4 * UNIT);
        let one = room.enter(3 * UNIT).unwrap();
        assert!(room.enter(2 * UNIT).is_none());
        let small = room.enter(10).unwrap();
        assert!(room.enter(1).is_none(), "an empty body needs room for its headers too");
        drop(one);
        assert!(room.enter(3 * UNIT).is_some());
        drop(small);
        // More than there is at all: alone, when nothing else is under way.
        assert!(room.enter(100 * UNIT).is_some());
    }
}
