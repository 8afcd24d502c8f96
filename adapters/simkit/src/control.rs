//! The control interface: everything a person can do and see in a simulated platform, over HTTP,
//! for programs in any language. It lives on the simulator's own port under `/_sim/`.
//!
//! ```sh
//! SIM=http://127.0.0.1:18701            # printed by `hutong simulate`
//!
//! curl $SIM/_sim/                       # this page in short
//! curl $SIM/_sim/info                   # platform, address, apps, live long connections
//! curl $SIM/_sim/people                 # who works here
//! curl $SIM/_sim/chats                  # groups and private chats
//! curl "$SIM/_sim/screen?chat=CHAT&viewer=u_chen&limit=20"
//!
//! # Where the bot listens; the platform checks the address at once.
//! curl $SIM/_sim/subscribe --json '{"app": "APP", "url": "http://127.0.0.1:8080/hook/feishu"}'
//!
//! # Say something in a group. <@USERID> mentions a person, <@bot> the bot, <@all> everyone.
//! curl $SIM/_sim/act --json '{"do": "say", "person": "u_chen", "chat": {"chat": "CHAT"},
//!                             "text": "<@bot> 感谢 <@u_lin> 帮我看日志"}'
//! # In the private chat with the bot.
//! curl $SIM/_sim/act --json '{"do": "say", "person": "u_chen", "chat": {"direct_with": "APP"}, "text": "/帮助"}'
//! # Press a button, send a form (message and action come from `screen`).
//! curl $SIM/_sim/act --json '{"do": "click", "person": "u_chen", "message": "M", "action": "A",
//!                             "values": {"reason": ["写得很清楚"]}}'
//!
//! # Faults: the next two sends are accepted and never answered; the next callback is lost.
//! curl $SIM/_sim/fault --json '{"path": "/messages", "times": 2, "kind": {"kind": "accept_then_cut"}}'
//! curl $SIM/_sim/fault --json '{"callbacks": true, "times": 1, "kind": {"kind": "lose_callback"}}'
//! curl -X POST $SIM/_sim/repeat_due     # send what is due for a repeat
//!
//! curl $SIM/_sim/complaints             # what the real platform would have refused
//! curl $SIM/_sim/calls                  # requests by path
//! curl -N $SIM/_sim/events              # server-sent events: the revision after every change
//! curl "$SIM/_sim/events?after=41"      # or one long poll: answers when the revision is above 41
//! ```
//!
//! Verbs: every variant of [`Verb`], with `"do"` in snake case. Errors: 404 `{"error": "not_found", ..}`,
//! 409 `{"error": "refused", ..}`, 502 `{"error": "callback", ..}`, each with `"message"`.
//!
//! Loopback only: the server binds 127.0.0.1, and a request whose `Host` or `Origin` is not loopback
//! is refused, so that no web page in a browser on this machine can drive it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{Fault, SimError, Simulator, Verb};

/// How long a long poll waits before it answers with the old revision.
const POLL: Duration = Duration::from_secs(25);
const MAX_LIMIT: usize = 1000;

const HELP: &str = "\
Control interface of a simulated platform (loopback only)

GET  /_sim/info                          platform, address, apps, live long connections by app
GET  /_sim/people                        the directory
GET  /_sim/chats                         groups and private chats
GET  /_sim/screen?chat=&viewer=&limit=   what a person sees, oldest first
GET  /_sim/complaints                    requests the real platform would have refused
GET  /_sim/calls                         requests by path
GET  /_sim/events                        server-sent events with the revision
GET  /_sim/events?after=N                long poll: answers when the revision is above N
POST /_sim/act         a verb            {\"do\": \"say\", \"person\": \"u_x\", \"chat\": {\"chat\": \"ID\"}, \"text\": \"<@bot> hi\"}
POST /_sim/fault       a fault           {\"path\": \"/send\", \"times\": 1, \"kind\": {\"kind\": \"cut\"}}
POST /_sim/subscribe   where callbacks go  {\"app\": \"APP\", \"url\": \"http://127.0.0.1:8080/hook/x\"}
POST /_sim/repeat_due                    sends the callbacks whose repeat is due

Verbs: say react recall click read join leave transfer hire quit create_chat add_bot remove_bot
       rename_chat disband open_direct repeat_callbacks
Chats in a verb: {\"chat\": \"CHAT\"} or {\"direct_with\": \"APP\"}
In a text: <@USERID> a person, <@bot> or <@APP> the bot, <@all> everyone
Faults: delay status code accept_then_cut cut lose_callback duplicate revoke_tokens
        mute_link zombie_link drop_link announce_link evict_link (\"path\": app ids that contain it)
";

#[derive(Clone)]
struct Control {
    sim: Arc<dyn Simulator>,
    stop: CancellationToken,
}

/// The control interface of `sim`. `stop` ends the event streams when the server ends
/// ([`crate::server::Bound::stop_token`]).
pub fn router(sim: Arc<dyn Simulator>, stop: CancellationToken) -> Router {
    Router::new()
        .route("/_sim", get(help))
        .route("/_sim/", get(help))
        .route("/_sim/info", get(info))
        .route("/_sim/people", get(people))
        .route("/_sim/chats", get(chats))
        .route("/_sim/screen", get(screen))
        .route("/_sim/complaints", get(complaints))
        .route("/_sim/calls", get(calls))
        .route("/_sim/events", get(events))
        .route("/_sim/act", post(act))
        .route("/_sim/fault", post(fault))
        .route("/_sim/subscribe", post(subscribe))
        .route("/_sim/repeat_due", post(repeat_due))
        .layer(middleware::from_fn(loopback_only))
        .with_state(Control { sim, stop })
}

async fn loopback_only(request: Request, next: Next) -> Response {
    if is_loopback(request.headers()) {
        next.run(request).await
    } else {
        problem(
            StatusCode::FORBIDDEN,
            "forbidden",
            "the control interface answers only to 127.0.0.1 and localhost",
        )
    }
}

/// `Host`, and `Origin` where a browser sends it, must name this machine.
pub fn is_loopback(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|v| v.to_str().unwrap_or(""));
    let host = text(header::HOST).is_some_and(is_loopback_authority);
    let origin = text(header::ORIGIN).is_none_or(|origin| {
        origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"))
            .is_some_and(is_loopback_authority)
    });
    host && origin
}

fn is_loopback_authority(authority: &str) -> bool {
    let name = match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => authority,
    };
    matches!(name, "127.0.0.1" | "localhost" | "[::1]")
}

fn problem(status: StatusCode, error: &str, message: impl Into<String>) -> Response {
    (status, Json(json!({"error": error, "message": message.into()}))).into_response()
}

impl IntoResponse for SimError {
    fn into_response(self) -> Response {
        let (status, error) = match &self {
            SimError::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
            SimError::Refused(_) => (StatusCode::CONFLICT, "refused"),
            SimError::Callback(_) => (StatusCode::BAD_GATEWAY, "callback"),
        };
        problem(status, error, self.to_string())
    }
}

/// A body or query that cannot be read, as JSON with the reason.
enum Unreadable {
    Body(JsonRejection),
    Query(QueryRejection),
}

impl From<JsonRejection> for Unreadable {
    fn from(rejection: JsonRejection) -> Self {
        Unreadable::Body(rejection)
    }
}

impl From<QueryRejection> for Unreadable {
    fn from(rejection: QueryRejection) -> Self {
        Unreadable::Query(rejection)
    }
}

impl IntoResponse for Unreadable {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Unreadable::Body(r) => (r.status(), r.body_text()),
            Unreadable::Query(r) => (r.status(), r.body_text()),
        };
        problem(status, "unreadable", text)
    }
}

async fn help() -> &'static str {
    HELP
}

async fn info(State(c): State<Control>) -> Json<serde_json::Value> {
    let apps: Vec<_> = c
        .sim
        .apps()
        .into_iter()
        .map(|app| json!({"id": app.id, "kind": app.kind, "name": app.name}))
        .collect();
    Json(json!({
        "platform": c.sim.platform(),
        "base_url": c.sim.base_url(),
        "apps": apps,
        "links": c.sim.links().into_iter().collect::<BTreeMap<_, _>>(),
        "revision": *c.sim.revision().borrow(),
    }))
}

async fn people(State(c): State<Control>) -> Json<Vec<crate::SimPerson>> {
    Json(c.sim.people())
}

async fn chats(State(c): State<Control>) -> Json<Vec<crate::ScreenChat>> {
    Json(c.sim.chats())
}

#[derive(Deserialize)]
struct ScreenQuery {
    chat: String,
    viewer: String,
    #[serde(default = "fifty")]
    limit: usize,
}

fn fifty() -> usize {
    50
}

async fn screen(
    State(c): State<Control>,
    query: Result<Query<ScreenQuery>, QueryRejection>,
) -> Result<Json<Vec<crate::ScreenItem>>, Unreadable> {
    let Query(q) = query?;
    Ok(Json(c.sim.screen(&q.chat, &q.viewer, q.limit.min(MAX_LIMIT))))
}

async fn complaints(State(c): State<Control>) -> Json<Vec<String>> {
    Json(c.sim.complaints())
}

async fn calls(State(c): State<Control>) -> Json<Vec<(String, u64)>> {
    Json(c.sim.calls())
}

async fn act(State(c): State<Control>, body: Result<Json<Verb>, JsonRejection>) -> Response {
    match body {
        Ok(Json(verb)) => c.sim.act(verb).await.map(Json).into_response(),
        Err(rejection) => Unreadable::from(rejection).into_response(),
    }
}

async fn fault(State(c): State<Control>, body: Result<Json<Fault>, JsonRejection>) -> Result<StatusCode, Unreadable> {
    c.sim.fault(body?.0);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct Subscription {
    app: String,
    url: String,
}

async fn subscribe(State(c): State<Control>, body: Result<Json<Subscription>, JsonRejection>) -> Response {
    match body {
        Ok(Json(s)) => match c.sim.subscribe(&s.app, &s.url).await {
            Ok(()) => StatusCode::NO_CONTENT.into_response(),
            Err(error) => error.into_response(),
        },
        Err(rejection) => Unreadable::from(rejection).into_response(),
    }
}

async fn repeat_due(State(c): State<Control>) -> Json<serde_json::Value> {
    Json(json!({"sent": c.sim.repeat_due().await}))
}

#[derive(Deserialize)]
struct EventsQuery {
    after: Option<u64>,
}

async fn events(State(c): State<Control>, query: Result<Query<EventsQuery>, QueryRejection>) -> Response {
    let mut revision = c.sim.revision();
    let after = match query {
        Ok(Query(q)) => q.after,
        Err(rejection) => return Unreadable::from(rejection).into_response(),
    };
    if let Some(after) = after {
        let grown = async {
            let _ = tokio::time::timeout(POLL, revision.wait_for(|now| *now > after)).await;
        };
        tokio::select! {
            () = grown => {}
            () = c.stop.cancelled() => {}
        }
        return Json(json!({"revision": *c.sim.revision().borrow()})).into_response();
    }
    revision.mark_changed();
    let stream = stream::unfold(revision, |mut revision| async move {
        revision.changed().await.ok()?;
        let now = *revision.borrow_and_update();
        let event = Event::default().event("revision").data(now.to_string());
        Some((Ok::<_, Infallible>(event), revision))
    })
    .take_until(c.stop.clone().cancelled_owned());
    Sse::new(stream).keep_alive(KeepAlive::default()).into_response()
}

#[cfg(test)]
mod tests;
