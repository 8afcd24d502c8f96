//! Keeps the callbacks as they came over the wire, so that they can be sent again, changed.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;

#[derive(Debug, Clone)]
pub struct Recorded {
    pub method: String,
    /// With query.
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    pub status: u16,
}

#[derive(Debug, Clone, Default)]
pub struct Recorder {
    kept: Arc<Mutex<Vec<Recorded>>>,
}

impl Recorder {
    pub fn around(&self, router: Router) -> Router {
        router.layer(middleware::from_fn_with_state(self.clone(), keep))
    }

    /// The newest one, which was taken.
    pub fn last(&self) -> Recorded {
        let kept = self.kept.lock().unwrap();
        kept.iter().rev().find(|r| r.status == 200).unwrap().clone()
    }
}

async fn keep(State(recorder): State<Recorder>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    // Whatever is too large is not ours to keep, and must reach the bot as it came.
    let large = parts
        .headers
        .get("content-length")
        .and_then(|v| v.to_str().ok()?.parse::<u64>().ok())
        .is_none_or(|n| n > 512 * 1024);
    if large {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let Ok(bytes) = axum::body::to_bytes(body, 1 << 20).await else {
        return Response::builder().status(500).body(Body::empty()).unwrap();
    };
    let mut kept = Recorded {
        method: parts.method.to_string(),
        path: parts.uri.to_string(),
        headers: parts
            .headers
            .iter()
            .map(|(n, v)| (n.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
            .collect(),
        body: bytes.clone(),
        status: 0,
    };
    let response = next.run(Request::from_parts(parts, Body::from(bytes))).await;
    kept.status = response.status().as_u16();
    recorder.kept.lock().unwrap().push(kept);
    response
}
