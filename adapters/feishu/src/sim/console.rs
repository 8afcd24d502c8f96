//! What the common control interface has no verb for, because only this platform has it or needs
//! bytes: files that people send, badges of the admin console.
//!
//! ```sh
//! curl $SIM/_sim/attach --json '{"person": "u_chen", "chat": "CHAT", "kind": "file", "name": "a.txt", "base64": "YQ=="}'
//! curl $SIM/_sim/badge --json '{"badge": "m_star"}'     # made when it is not there
//! curl "$SIM/_sim/badge?badge=m_star"                   # who wears it
//! ```

use std::sync::Arc;

use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hutong_simkit::SimError;
use hutong_simkit::control::is_loopback;
use serde::Deserialize;

use super::FeishuSim;

/// Beside the common control interface and as closed to strangers.
pub fn router(sim: &Arc<FeishuSim>) -> Router {
    Router::new()
        .route("/_sim/attach", post(attach))
        .route("/_sim/badge", get(worn).post(badge))
        .layer(middleware::from_fn(|request: Request, next: Next| async move {
            if is_loopback(request.headers()) {
                next.run(request).await
            } else {
                StatusCode::FORBIDDEN.into_response()
            }
        }))
        .with_state(sim.clone())
}

#[derive(Deserialize)]
struct Attach {
    person: String,
    chat: String,
    kind: String,
    name: String,
    base64: String,
}

async fn attach(State(sim): State<Arc<FeishuSim>>, Json(what): Json<Attach>) -> Response {
    let kinds = ["image", "file", "audio", "media", "sticker"];
    let kind = kinds.into_iter().find(|k| *k == what.kind);
    let (Some(kind), Ok(bytes)) = (kind, STANDARD.decode(&what.base64)) else {
        return SimError::Refused(format!("kind is one of {kinds:?}, base64 is base64")).into_response();
    };
    match sim.attach(&what.person, &what.chat, kind, &what.name, bytes).await {
        Ok(done) => Json(done).into_response(),
        Err(error) => error.into_response(),
    }
}

#[derive(Deserialize)]
struct Badge {
    badge: String,
}

async fn badge(State(sim): State<Arc<FeishuSim>>, Json(what): Json<Badge>) -> StatusCode {
    sim.add_badge(&what.badge);
    StatusCode::NO_CONTENT
}

async fn worn(State(sim): State<Arc<FeishuSim>>, Query(what): Query<Badge>) -> Json<Vec<String>> {
    Json(sim.badge_people(&what.badge))
}
