//! The HTTP door of the platform: who calls, how often, and in what envelope the answer goes back.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hutong_model::Timestamp;
use hutong_simkit::judge::{Limit, Verdict};
use serde_json::{Value, json};

use super::FeishuSim;
use super::check::Refusal;
use super::events::Push;
use super::state::{BadToken, SimFile, World};
use super::{rest_admin, rest_batch, rest_chats, rest_directory, rest_files, rest_messages, scopes};

/// 30 MB of file and the rest of the form.
const MAX_BODY: usize = 33 << 20;

/// One authorised call.
pub struct Call {
    pub method: String,
    /// Decoded, below `/open-apis`.
    pub path: Vec<String>,
    query: Vec<(String, String)>,
    pub body: Value,
    pub body_len: usize,
    pub upload: Option<Upload>,
    pub app: String,
    pub now: Timestamp,
}

/// The parts of a multipart form.
#[derive(Debug, Default)]
pub struct Upload {
    pub fields: Vec<(String, String)>,
    pub file: Vec<u8>,
}

impl Call {
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
            .filter(|v| !v.is_empty())
    }
    pub fn queries<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.query
            .iter()
            .filter(move |(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }
    /// Official clients write `True`.
    pub fn flag(&self, name: &str) -> bool {
        self.query(name).is_some_and(|v| v.eq_ignore_ascii_case("true"))
    }
    pub fn text(&self, name: &str) -> Option<&str> {
        self.body[name].as_str().filter(|t| !t.is_empty())
    }
    /// Required texts of the body.
    pub fn need(&self, name: &str) -> Result<&str, Refusal> {
        self.text(name)
            .ok_or_else(|| (99_992_402, format!("field validation failed: {name} is required")))
    }
    pub fn list(&self, name: &str) -> Vec<String> {
        let items = self.body[name].as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// `user_id_type` (or another name of it); user ids need the scope.
    pub fn id_type(&self, world: &World, name: &str) -> Result<String, Refusal> {
        let kind = self.query(name).unwrap_or("open_id");
        if !matches!(kind, "open_id" | "union_id" | "user_id") {
            return Err((99_992_402, format!("field validation failed: {name} {kind}")));
        }
        if kind == "user_id" && !world.apps.get(&self.app).is_some_and(|a| a.options.user_id_scope) {
            return Err((
                99_991_672,
                "Access denied. One of the following scopes is required: [contact:user.employee_id:readonly]"
                    .to_owned(),
            ));
        }
        Ok(kind.to_owned())
    }

    /// One page of `items`, at most `most` long. Tokens contain what must be percent-encoded.
    pub fn page(&self, items: &[Value], most: usize) -> Result<Value, Refusal> {
        let size = match self.query("page_size") {
            Some(text) => text.parse::<usize>().ok().filter(|n| (1..=most).contains(n)),
            None => Some(most.min(20)),
        };
        let Some(size) = size else {
            return Err((40_011, format!("page size is 1 to {most}")));
        };
        let start = match self.query("page_token") {
            None => 0,
            Some(token) => token
                .strip_prefix("p+/")
                .and_then(|t| t.strip_suffix("=="))
                .and_then(|t| t.parse::<usize>().ok())
                .ok_or((40_012, "page token is invalid".to_owned()))?,
        };
        let end = start.saturating_add(size).min(items.len());
        let page = items.get(start..end).unwrap_or_default();
        let mut data = json!({ "items": page, "has_more": end < items.len() });
        if end < items.len() {
            data["page_token"] = json!(format!("p+/{end}=="));
        }
        Ok(data)
    }
}

/// What a call leads to.
pub enum Reply {
    /// Below `data`.
    Data(Value),
    /// Beside `code`, as the old calls answer.
    Top(Value),
    /// Raw bytes.
    File(SimFile),
}

pub type Handled = Result<Reply, Refusal>;

pub fn ok(data: Value) -> Handled {
    Ok(Reply::Data(data))
}

/// Everything that is not the control interface.
pub async fn serve(sim: Arc<FeishuSim>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path: Vec<String> = parts
        .uri
        .path()
        .split('/')
        .filter(|s| !s.is_empty())
        .skip(1)
        .map(percent_decode)
        .collect();
    let known = parts.uri.path().starts_with("/open-apis/");
    let route = route_name(parts.method.as_str(), &path);
    sim.journal.call(&route);
    if !known {
        return (StatusCode::NOT_FOUND, "404 page not found").into_response();
    }
    let now = sim.clock.now();
    let multipart = content_type(&parts.headers).starts_with("multipart/form-data");
    let mut upload = None;
    let mut bytes = Bytes::new();
    if multipart {
        match read_form(Request::from_parts(parts.clone(), body)).await {
            Ok(form) => upload = Some(form),
            Err(what) => return refused(&sim, &route, (99_992_402, what), None),
        }
    } else {
        bytes = match axum::body::to_bytes(body, MAX_BODY).await {
            Ok(bytes) => bytes,
            Err(_) => return refused(&sim, &route, (99_992_402, "the body cannot be read".to_owned()), None),
        };
    }
    let json = if bytes.is_empty() {
        Ok(Value::Null)
    } else {
        serde_json::from_slice::<Value>(&bytes)
    };
    let Ok(json) = json else {
        return refused(&sim, &route, (99_992_402, "the body is not JSON".to_owned()), None);
    };
    let segments: Vec<&str> = path.iter().map(String::as_str).collect();
    if segments == ["auth", "v3", "tenant_access_token", "internal"] {
        return issue_token(&sim, &route, &json, now);
    }
    let app = match authorise(&sim, &parts.headers, now) {
        Ok(app) => app,
        // A token that was good before is no fault of the caller.
        Err((BadToken::Dead, refusal)) => return envelope_error(refusal.0, &refusal.1, None),
        Err((BadToken::Unknown, refusal)) => return refused(&sim, &route, refusal, None),
    };
    let query = parts.uri.query().unwrap_or_default();
    let call = Call {
        method: parts.method.as_str().to_owned(),
        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        body: json,
        body_len: bytes.len(),
        upload,
        app,
        now,
        path,
    };
    if let Some(wait) = sim.over_app_limit(&route, &call) {
        return refused(
            &sim,
            &route,
            (99_991_400, "request trigger frequency limit".to_owned()),
            Some(wait),
        );
    }
    let mut pushes = Vec::new();
    let handled = {
        let mut world = sim.world();
        let needed = scopes::needed(&call.method, &call.path);
        if !needed.is_empty() && !needed.iter().any(|s| world.has_scope(&call.app, s)) {
            drop(world);
            return scopes::denied(&sim, &route, &call.app, needed);
        }
        handle(&sim, &mut world, &call, &mut pushes)
    };
    sim.later(pushes);
    match handled {
        Ok(reply) => {
            sim.changed();
            let mut answer = match reply {
                Reply::Data(data) => json!({ "data": data }),
                Reply::Top(top) => top,
                Reply::File(file) => return send_file(file),
            };
            answer["code"] = json!(0);
            answer["msg"] = json!("success");
            envelope(StatusCode::OK, answer, None)
        }
        Err(refusal) => refused(&sim, &route, refusal, None),
    }
}

fn handle(sim: &FeishuSim, world: &mut World, call: &Call, pushes: &mut Vec<Push>) -> Handled {
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["im", "v1", "messages", rest @ ..] => rest_messages::messages(sim, world, call, rest, pushes),
        ["im", "v1", "pins", rest @ ..] => rest_messages::pins(sim, world, call, rest),
        ["im", "v1", kind @ ("images" | "files")] => rest_files::upload(world, call, kind),
        ["message", "v4", "batch_send"] => rest_batch::batch(world, call),
        ["im", "v1", "batch_messages", rest @ ..] => rest_batch::progress(world, call, rest),
        ["interactive", "v1", "card", "update"] => rest_messages::delayed_update(world, call),
        ["im", "v1", "chats", rest @ ..] => rest_chats::chats(world, call, rest, pushes),
        ["contact", "v3", rest @ ..] => rest_directory::contact(world, call, rest),
        ["calendar", "v4", "calendars", rest @ ..] => rest_directory::calendar(world, call, rest),
        ["bot", "v3", "info"] => rest_directory::bot(world, call),
        ["application", "v6", rest @ ..] => rest_admin::application(world, call, rest),
        ["admin", "v1", rest @ ..] => rest_admin::admin(world, call, rest),
        ["event", "v1", rest @ ..] => rest_admin::event(sim, call, rest),
        _ => Err((99_992_402, format!("no such call: {} /{}", call.method, path.join("/")))),
    }
}

/// The words of all routes; every other segment is an id.
const WORDS: [&str; 59] = [
    "admin",
    "admin_dept_stats",
    "admin_user_stats",
    "application",
    "applications",
    "attendees",
    "auth",
    "badges",
    "batch",
    "batch_get_id",
    "batch_messages",
    "batch_send",
    "bot",
    "calendar",
    "calendars",
    "card",
    "chats",
    "children",
    "connection",
    "contact",
    "departments",
    "docx",
    "event",
    "events",
    "files",
    "find_by_department",
    "get_progress",
    "grants",
    "im",
    "images",
    "info",
    "interactive",
    "internal",
    "is_in_chat",
    "me",
    "members",
    "message",
    "messages",
    "outbound_ip",
    "pins",
    "primary",
    "reactions",
    "read_user",
    "read_users",
    "reply",
    "resources",
    "scopes",
    "tenant_access_token",
    "update",
    "urgent_app",
    "urgent_phone",
    "urgent_sms",
    "users",
    "v1",
    "v2",
    "v3",
    "v4",
    "v6",
    "wiki",
];

/// The route with ids left out, for counts and limits.
fn route_name(method: &str, path: &[String]) -> String {
    let plain: Vec<&str> = path
        .iter()
        .map(|s| if WORDS.contains(&s.as_str()) { s } else { "{id}" })
        .collect();
    format!("{method} /{}", plain.join("/"))
}

fn percent_decode(segment: &str) -> String {
    let mut out = Vec::with_capacity(segment.len());
    let bytes = segment.as_bytes();
    let mut i = 0;
    while let Some(&b) = bytes.get(i) {
        let hex = segment.get(i + 1..i + 3).and_then(|h| u8::from_str_radix(h, 16).ok());
        match (b, hex) {
            (b'%', Some(decoded)) => {
                out.push(decoded);
                i += 3;
            }
            _ => {
                out.push(b);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn content_type(headers: &HeaderMap) -> &str {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default()
}

async fn read_form(request: Request<Body>) -> Result<Upload, String> {
    let mut form = Multipart::from_request(request, &()).await.map_err(|e| e.to_string())?;
    let mut out = Upload::default();
    while let Some(field) = form.next_field().await.map_err(|e| e.to_string())? {
        let name = field.name().unwrap_or_default().to_owned();
        let bytes = field.bytes().await.map_err(|e| e.to_string())?;
        if matches!(name.as_str(), "image" | "file") {
            out.file = bytes.to_vec();
        } else {
            out.fields.push((name, String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    Ok(out)
}

fn issue_token(sim: &FeishuSim, route: &str, body: &Value, now: Timestamp) -> Response {
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    let (id, secret) = (text("app_id"), text("app_secret"));
    let mut world = sim.world();
    let refusal = match world.apps.get(&id) {
        None => Some((10_014, "app not exists or is unavailable")),
        Some(app) if app.options.app_secret != secret => Some((10_015, "app secret invalid")),
        Some(_) => None,
    };
    if let Some((code, what)) = refusal {
        drop(world);
        sim.journal.complain(format!("{route}: {code} {what}"));
        // This call answers 200 with a code inside.
        return envelope(StatusCode::OK, json!({ "code": code, "msg": what }), None);
    }
    let (token, expire) = world.token(&id, now);
    envelope(
        StatusCode::OK,
        json!({ "code": 0, "msg": "ok", "tenant_access_token": token, "expire": expire }),
        None,
    )
}

fn authorise(sim: &FeishuSim, headers: &HeaderMap, now: Timestamp) -> Result<String, (BadToken, Refusal)> {
    let header = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    let Some(token) = header.and_then(|h| h.strip_prefix("Bearer ")) else {
        return Err((
            BadToken::Unknown,
            (99_991_661, "Missing access token for authorization".to_owned()),
        ));
    };
    if !token.starts_with("t-") && !token.starts_with("u-") {
        return Err((
            BadToken::Unknown,
            (99_991_671, "Invalid access token: must start with t- or u-".to_owned()),
        ));
    }
    sim.world()
        .app_of_token(token, now)
        .map_err(|bad| (bad, (99_991_663, "Invalid access token for authorization".to_owned())))
}

fn send_file(file: SimFile) -> Response {
    let mut response = file.bytes.into_response();
    let headers = response.headers_mut();
    if let Ok(kind) = header::HeaderValue::from_str(&file.media_type) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    let name: String = url::form_urlencoded::byte_serialize(file.name.as_bytes()).collect();
    if let Ok(name) = header::HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    response
}

fn refused(sim: &FeishuSim, route: &str, (code, what): Refusal, wait_ms: Option<u64>) -> Response {
    sim.journal.complain(format!("{route}: {code} {what}"));
    envelope_error(code, &what, wait_ms)
}

/// The platform's envelope around a code, also for faults.
pub fn envelope_error(code: i64, what: &str, wait_ms: Option<u64>) -> Response {
    let status = match code {
        99_991_400 => StatusCode::TOO_MANY_REQUESTS,
        40_004 | 40_014 | 1_051_002 | 1_051_003 => StatusCode::FORBIDDEN,
        _ => StatusCode::BAD_REQUEST,
    };
    let answer = json!({ "code": code, "msg": what, "error": { "log_id": "20261124000000SIMULATED" } });
    envelope(status, answer, wait_ms)
}

pub fn envelope(status: StatusCode, answer: Value, wait_ms: Option<u64>) -> Response {
    let mut response = (status, answer.to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json; charset=utf-8"),
    );
    headers.insert(
        "x-tt-logid",
        header::HeaderValue::from_static("20261124000000SIMULATED"),
    );
    if let Some(wait) = wait_ms {
        headers.insert("x-ogw-ratelimit-limit", header::HeaderValue::from_static("50"));
        headers.insert("x-ogw-ratelimit-reset", header::HeaderValue::from(wait.div_ceil(1000)));
    }
    response
}

impl FeishuSim {
    /// Tier 4 of feishu.md 5.1, per API, app and tenant. Milliseconds to wait when over.
    fn over_app_limit(&self, route: &str, call: &Call) -> Option<u64> {
        if !self.limits {
            return None;
        }
        let key = format!("{}|{route}", call.app);
        let limits = [Limit::new(key.clone(), 50, 1000), Limit::new(key, 1000, 60_000)];
        match self.judge.hit_all(&limits, call.now, 1) {
            Verdict::Ok => None,
            Verdict::Over { retry_after_ms } => Some(retry_after_ms),
        }
    }

    /// Five a second to one place, whoever sends.
    pub(super) fn to_place(&self, place: &str, now: Timestamp, code: i64) -> Result<(), Refusal> {
        if !self.limits || self.judge.hit(place, now, 5, 1000, 1).is_ok() {
            return Ok(());
        }
        Err((code, "ext=send message frequency limit".to_owned()))
    }
}
