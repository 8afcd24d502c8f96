//! The platform itself, at wire level, on loopback: both API generations on one port, the callbacks
//! of HTTP mode, the connections of Stream mode, and the control interface of [`hutong_simkit::control`] under `/_sim/`.
//!
//! It answers as the reference pages say the platform does, and writes down as a complaint whatever
//! the platform would have refused. Differences that are on purpose:
//! - Directory reads are not judged by the second, because the clock may stand still while the
//!   directory is read; the quotas of the month count only where [`Rights`] sets them.
//! - An app is a group app ("cool app") unless its spec says otherwise, so that it learns in which
//!   groups it is.
//! - Faults of kind `code` in the new generation: `text` is the `code` of the body and `code` is the
//!   HTTP status (400 when it is none), because that generation has no numbers.

mod act;
mod api_new;
mod api_old;
mod cards;
mod company;
mod contact;
mod group_events;
mod notices;
mod push;
mod rights;
mod seal;
mod show;
mod state;
mod stream;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequest as _, Multipart, Request, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use hutong_model::{BoxFuture, Clock, Platform, Secret, SettingValue, Settings};
use hutong_simkit::faults::{Faults, with_faults};
use hutong_simkit::journal::Journal;
use hutong_simkit::judge::Judge;
use hutong_simkit::ladder::Callbacks;
use hutong_simkit::server::{Bound, Served};
use hutong_simkit::sockets::Hub;
use hutong_simkit::{
    Done, Fault, Org, ScreenChat, ScreenItem, ScreenPart, SimApp, SimError, SimPerson, Simulator, Verb, control,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

pub use rights::Rights;
use show::At;
use state::{Content, Robot, Route, State};
use stream::Streams;
pub use stream::{Quirk, StreamTimes};

/// Event pushes are repeated 10 s and 30 s after a failure (event-subscription-and-data-push page).
const LADDER: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(30)];
/// The newer pages name 2500 ms.
const DEADLINE: Duration = Duration::from_millis(2500);

pub struct SimOptions {
    pub org: Org,
    pub clock: Arc<dyn Clock>,
    /// Loopback; port 0 lets the system choose.
    pub listen: SocketAddr,
    pub apps: Vec<SimAppSpec>,
    /// Served beside the platform's own paths and the control interface.
    pub extra: Option<Router>,
}

/// An internal app as an admin sets it up.
#[derive(Debug, Clone)]
pub struct SimAppSpec {
    pub id: String,
    pub name: String,
    pub client_id: String,
    pub client_secret: String,
    pub robot_code: String,
    pub event_token: String,
    /// Without one there are no cards.
    pub card_template_id: Option<String>,
    pub card_secret: String,
    pub card_route_key: String,
    pub group_template_id: Option<String>,
    /// Set when the robot comes into groups by a group app.
    pub cool_app_code: Option<String>,
    /// Whose calendar holds the bot's entries.
    pub calendar_user: Option<String>,
    /// Whether read events are ticked in the console.
    pub read_events: bool,
    /// Needed for work notices.
    pub agent_id: Option<String>,
    /// Honours that exist in the company, and in whose name the app grants them.
    pub honours: Vec<String>,
    pub honour_user: Option<String>,
    /// The company's edition has usage statistics.
    pub statistics: bool,
    pub rights: Rights,
}

impl SimAppSpec {
    /// Everything is derived from the id, so that it is the same at every start.
    pub fn new(id: &str, name: &str) -> Self {
        let made = |what: &str, n: usize| -> String {
            let digest = Sha256::digest(format!("dingtalk/{id}/{what}"));
            hex::encode(digest).chars().take(n).collect()
        };
        let client_id = format!("ding{}", made("client", 16));
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            robot_code: client_id.clone(),
            client_id,
            client_secret: made("secret", 64),
            event_token: made("token", 32),
            card_template_id: Some(format!("{}.schema", made("card", 24))),
            card_secret: made("card secret", 32),
            card_route_key: format!("hutong-{id}"),
            group_template_id: Some(made("group", 24)),
            cool_app_code: Some(format!("COOLAPP-1-{}", made("cool", 24).to_uppercase())),
            calendar_user: None,
            read_events: false,
            agent_id: None,
            honours: Vec::new(),
            honour_user: None,
            statistics: false,
            rights: Rights::default(),
        }
    }

    fn event_key_seed(&self) -> String {
        format!("event key of {}", self.id)
    }
}

pub(crate) struct Core {
    base: String,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    callbacks: Callbacks,
    streams: Streams,
    faults: Arc<Faults>,
    judge: Judge,
    journal: Journal,
    revision: watch::Sender<u64>,
}

impl Core {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.revision.send_modify(|n| *n += 1);
    }

    fn complain(&self, line: String) {
        tracing::debug!(line, "a complaint");
        self.journal.complain(line);
    }

    /// Events that a call has caused are pushed behind its answer, in order.
    fn push_behind(self: &Arc<Self>) {
        let requests: Vec<_> = {
            let mut state = self.state();
            let pushes = std::mem::take(&mut state.pushes);
            pushes.iter().filter_map(|p| act::event(self, &state, p)).collect()
        };
        if requests.is_empty() {
            return;
        }
        let core = Arc::clone(self);
        tokio::spawn(async move {
            for request in requests {
                core.callbacks.deliver(request).await;
            }
        });
    }
}

/// A running simulated DingTalk. Dropping it ends the server.
pub struct DingTalkSim {
    core: Arc<Core>,
    served: Served,
}

/// Starts the platform. Fails when the port is taken or is not on loopback.
pub async fn start(options: SimOptions) -> Result<Arc<DingTalkSim>, SimError> {
    if !options.listen.ip().is_loopback() {
        return Err(SimError::Refused("a simulator listens on loopback only".into()));
    }
    let bound = Bound::bind(options.listen.port())
        .await
        .map_err(|e| SimError::Refused(format!("cannot listen on {}: {e}", options.listen)))?;
    let digest = hex::encode(Sha256::digest(
        options.apps.iter().map(|a| a.id.as_str()).collect::<String>(),
    ));
    let corp = format!("ding{}", digest.get(..32).unwrap_or_default());
    let seed = u64::from_str_radix(digest.get(..16).unwrap_or_default(), 16).unwrap_or_default();
    let faults = Arc::new(Faults::new());
    let core = Arc::new(Core {
        base: bound.base_url(),
        callbacks: Callbacks::new(options.clock.clone(), LADDER.to_vec(), DEADLINE, faults.clone())?,
        clock: options.clock,
        streams: Streams::new(seed, bound.stop_token()),
        state: Mutex::new(State::new(corp, options.org, options.apps)),
        faults,
        judge: Judge::new(),
        journal: Journal::new(),
        revision: watch::Sender::new(0),
    });
    let new = Router::new()
        .route(stream::OPEN, post(stream::open))
        .route(stream::CONNECT, get(stream::connect))
        .route("/v1.0/{*rest}", any(new_generation))
        .with_state(core.clone());
    let old = Router::new()
        .route("/topapi/{*rest}", any(old_generation))
        .route("/robot/{*rest}", any(old_generation))
        .route("/gettoken", any(old_generation))
        .route("/media/upload", any(old_generation))
        .route("/file/{key}", any(file))
        .with_state(core.clone());
    let unknown = Router::new().fallback(unknown_path).with_state(core.clone());
    let mut router = with_faults(new, core.faults.clone(), |code, text| {
        let status = u16::try_from(code)
            .ok()
            .filter(|s| (400..600).contains(s))
            .and_then(|s| StatusCode::from_u16(s).ok())
            .unwrap_or(StatusCode::BAD_REQUEST);
        json_answer(status, &json!({ "code": text, "message": text, "requestid": "fault" }))
    })
    .merge(with_faults(old, core.faults.clone(), |code, text| {
        json_answer(StatusCode::OK, &json!({ "errcode": code, "errmsg": text }))
    }))
    .merge(control::router(core.clone(), bound.stop_token()))
    .merge(unknown);
    if let Some(extra) = options.extra {
        router = router.merge(extra);
    }
    let served = bound.serve(router);
    Ok(Arc::new(DingTalkSim { core, served }))
}

fn json_answer(status: StatusCode, body: &Value) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "application/json;charset=UTF-8")],
        body.to_string(),
    )
        .into_response()
}

/// The path with ids taken out.
fn route(path: &str) -> &str {
    if path.ends_with("/convertToOpenConversationId") {
        "/v1.0/im/chat/{chatId}/convertToOpenConversationId"
    } else if path.starts_with("/v1.0/orgCulture/honors/") && path.ends_with("/grant") {
        "/v1.0/orgCulture/honors/{honorId}/grant"
    } else if path.starts_with("/v1.0/orgCulture/honors/") {
        "/v1.0/orgCulture/honors/{honorId}/recall"
    } else if path.starts_with("/v1.0/contact/users/") && !path.ends_with("/search") {
        "/v1.0/contact/users/{unionId}"
    } else if path.starts_with("/v1.0/calendar/users/") {
        "/v1.0/calendar/users/{unionId}/calendars/primary/events"
    } else {
        path
    }
}

fn query_of(request: &Request) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
        .into_owned()
        .collect()
}

fn one<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|v| v.to_str().ok())
}

fn percent_decoded(path: &str) -> String {
    // Paths hold ids that were percent-encoded; none of them has a `+` that means a blank.
    let marked = path.replace('+', "%2B");
    url::form_urlencoded::parse(format!("p={marked}").as_bytes())
        .next()
        .map(|(_, v)| v.into_owned())
        .unwrap_or_default()
}

async fn new_generation(Shared(core): Shared<Arc<Core>>, request: Request) -> Response {
    let query = query_of(&request);
    let (parts, body) = request.into_parts();
    let path = percent_decoded(parts.uri.path());
    core.journal.call(route(&path));
    let Ok(bytes) = axum::body::to_bytes(body, 4 << 20).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let body: Value = if bytes.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&bytes).unwrap_or(Value::Null)
    };
    let call = api_new::Call {
        method: parts.method.as_str(),
        path: &path,
        query: &query,
        token: one(&parts.headers, "x-acs-dingtalk-access-token"),
        client_token: one(&parts.headers, "x-client-token"),
        body: &body,
    };
    let answer = {
        let mut state = core.state();
        api_new::answer(&core, &mut state, &call, core.clock.now())
    };
    match answer {
        Ok(body) => {
            core.push_behind();
            if parts.method != "GET" {
                core.changed();
            }
            json_answer(StatusCode::OK, &body)
        }
        Err(refusal) => {
            if !refusal.quiet {
                core.complain(format!("{} {path}: {} {}", parts.method, refusal.code, refusal.text));
            }
            let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
            let mut body = if refusal.status == 200 {
                json!({ "errcode": 404, "errmsg": refusal.text })
            } else {
                json!({ "code": refusal.code, "message": refusal.text, "requestid": core.state().hex_id("") })
            };
            if !refusal.scopes.is_empty() {
                body["accessdenieddetail"] = json!({ "requiredScopes": refusal.scopes });
            }
            json_answer(status, &body)
        }
    }
}

async fn upload_of(request: Request) -> Option<api_old::Upload> {
    let mut form = Multipart::from_request(request, &()).await.ok()?;
    let (mut kind, mut file) = (None, None);
    while let Ok(Some(field)) = form.next_field().await {
        match field.name() {
            Some("type") => kind = field.text().await.ok(),
            Some("media") => {
                let name = field.file_name().unwrap_or_default().to_owned();
                file = Some((name, field.bytes().await.ok()?.len()));
            }
            _ => return None,
        }
    }
    let (name, bytes) = file?;
    Some(api_old::Upload {
        kind: kind?,
        name,
        bytes,
    })
}

async fn old_generation(Shared(core): Shared<Arc<Core>>, mut request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let query = query_of(&request);
    core.journal.call(&path);
    let (mut body, mut upload) = (Value::Null, None);
    if path == "/media/upload" {
        request
            .extensions_mut()
            .insert(axum::extract::DefaultBodyLimit::max(32 << 20));
        upload = upload_of(request).await;
    } else {
        let bytes: Bytes = match axum::body::to_bytes(request.into_body(), 4 << 20).await {
            Ok(bytes) => bytes,
            Err(_) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        };
        if !bytes.is_empty() {
            body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        }
    }
    let answer = {
        let mut state = core.state();
        api_old::answer(&core, &mut state, &path, &query, &body, upload, core.clock.now())
    };
    match answer {
        Ok(mut body) => {
            body["errcode"] = 0.into();
            body["errmsg"] = "ok".into();
            if path.starts_with("/robot/") {
                core.changed();
            }
            json_answer(StatusCode::OK, &body)
        }
        Err(refusal) => {
            if !refusal.quiet {
                core.complain(format!("{path}: {} {}", refusal.errcode, refusal.text));
            }
            json_answer(StatusCode::OK, &refusal.body())
        }
    }
}

/// A file behind its signed address: a token has no business here.
async fn file(Shared(core): Shared<Arc<Core>>, request: Request) -> Response {
    core.journal.call("/file");
    let key = request.uri().path().rsplit('/').next().unwrap_or_default();
    if one(request.headers(), "x-acs-dingtalk-access-token").is_some() {
        core.complain("a token was sent to the file store".into());
    }
    let state = core.state();
    let link = state
        .file_links
        .get(key)
        .filter(|l| l.expires > core.clock.now().millis());
    match link.and_then(|l| state.files.get(&l.code)) {
        Some(bytes) => bytes.clone().into_response(),
        None => StatusCode::FORBIDDEN.into_response(),
    }
}

async fn unknown_path(Shared(core): Shared<Arc<Core>>, request: Request) -> Response {
    core.complain(format!("{} {}: unknown path", request.method(), request.uri().path()));
    json_answer(
        StatusCode::OK,
        &json!({ "errcode": 404, "errmsg": "请求的URI地址不存在" }),
    )
}

impl DingTalkSim {
    /// The address that it really listens on.
    pub fn addr(&self) -> SocketAddr {
        self.served.addr()
    }

    /// Somebody adds a robot to a group: the settings of a `dingtalk_robot` that posts there under `name`.
    /// `secret` begins with SEC, as real ones do.
    pub fn add_robot(&self, chat: &str, name: &str, secret: Option<&str>, keyword: Option<&str>) -> Settings {
        let mut state = self.core.state();
        let token = state.hex_id("");
        state.robots.push(Robot {
            name: name.to_owned(),
            token: token.clone(),
            secret: secret.map(Secret::new),
            keyword: keyword.map(str::to_owned),
            chat: chat.to_owned(),
        });
        let mut settings = Settings::default()
            .with("access_token", SettingValue::Secret(Secret::new(token)))
            .with("chat", SettingValue::Text(format!("hook-{}", state.robots.len())))
            .with("oapi_url", SettingValue::Text(self.core.base.clone()));
        if let Some(secret) = secret {
            settings.set("sign_secret", SettingValue::Secret(Secret::new(secret)));
        }
        if let Some(keyword) = keyword {
            settings.set("keyword", SettingValue::Text(keyword.to_owned()));
        }
        settings
    }

    /// Its long connections: how many are live, and what may happen to them.
    pub fn sockets(&self) -> &Hub {
        &self.core.streams.hub
    }

    pub fn stream_times(&self, times: StreamTimes) {
        self.core.streams.set_times(times);
    }

    /// Something odd happens to the next push over a connection.
    pub fn stream_quirk(&self, quirk: Quirk) {
        self.core.streams.add_quirk(quirk);
    }

    /// Everything about DING and the calendar that no screen shows: receivers by DING id, entries.
    pub fn side_effects(&self) -> (Vec<(String, Vec<String>)>, Vec<Value>) {
        let state = self.core.state();
        let dings = state.dings.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        (dings, state.calendar.clone())
    }

    /// Honours that people have now: honour and person.
    pub fn honours(&self) -> Vec<(String, String)> {
        self.core.state().honours.iter().cloned().collect()
    }

    /// Changes what the admin has granted or the company has bought.
    pub fn set_rights(&self, app: &str, rights: Rights) {
        if let Some(app) = self.core.state().app_mut(app) {
            app.spec.rights = rights;
        }
    }

    /// Keeps a file as somebody would have sent it; the answer is its `downloadCode`.
    pub fn put_file(&self, bytes: Vec<u8>) -> String {
        let mut state = self.core.state();
        let code = state.id("code");
        state.files.insert(code.clone(), bytes);
        code
    }
}

impl Simulator for Core {
    fn platform(&self) -> Platform {
        Platform::DingTalk
    }

    fn base_url(&self) -> String {
        self.base.clone()
    }

    fn apps(&self) -> Vec<SimApp> {
        let state = self.state();
        let text = |t: &str| SettingValue::Text(t.to_owned());
        let secret = |t: &str| SettingValue::Secret(Secret::new(t));
        state
            .apps
            .iter()
            .map(|app| {
                let s = &app.spec;
                let mut settings = Settings::default()
                    .with("base_url", text(&self.base))
                    .with("oapi_url", text(&self.base))
                    .with("client_id", text(&s.client_id))
                    .with("client_secret", secret(&s.client_secret))
                    .with("corp_id", text(&state.corp))
                    .with("robot_code", text(&s.robot_code))
                    .with("robot_name", text(&s.name))
                    .with("event_token", secret(&s.event_token))
                    .with("event_aes_key", secret(&seal::push_key(&s.event_key_seed()).0));
                for (key, value) in [
                    ("card_template_id", &s.card_template_id),
                    ("group_template_id", &s.group_template_id),
                    ("cool_app_code", &s.cool_app_code),
                    ("calendar_user", &s.calendar_user),
                    ("agent_id", &s.agent_id),
                    ("honour_user", &s.honour_user),
                ] {
                    if let Some(value) = value {
                        settings.set(key, text(value));
                    }
                }
                if s.statistics {
                    settings.set("statistics", SettingValue::Bool(true));
                }
                if s.card_template_id.is_some() {
                    settings.set("card_secret", secret(&s.card_secret));
                    settings.set("card_route_key", text(&s.card_route_key));
                }
                SimApp {
                    id: s.id.clone(),
                    kind: "dingtalk",
                    name: s.name.clone(),
                    settings,
                }
            })
            .collect()
    }

    fn subscribe<'a>(&'a self, app: &'a str, url: &'a str) -> BoxFuture<'a, Result<(), SimError>> {
        Box::pin(async move {
            let spec = self.state().app(app).map(|a| a.spec.clone());
            let spec = spec.ok_or_else(|| SimError::NotFound(format!("app {app}")))?;
            let check = push::check_url(&spec, url, self.clock.now());
            let answer = self.callbacks.send(&check).await.map_err(SimError::Callback)?;
            push::accept(&spec, &answer).map_err(SimError::Callback)?;
            let mut state = self.state();
            // The admin registers the card callback together with it.
            let route = Route {
                url: url.to_owned(),
                secret: Some(spec.card_secret.clone()),
            };
            state
                .routes
                .insert((spec.id.clone(), spec.card_route_key.clone()), route);
            if let Some(app) = state.app_mut(app) {
                app.hook = Some(url.to_owned());
            }
            self.streams.choose_http(app);
            Ok(())
        })
    }

    fn act(&self, verb: Verb) -> BoxFuture<'_, Result<Done, SimError>> {
        Box::pin(act::act(self, verb))
    }

    fn chats(&self) -> Vec<ScreenChat> {
        let state = self.state();
        let mut chats: Vec<ScreenChat> = state
            .chats
            .iter()
            .map(|c| ScreenChat {
                id: c.id.clone(),
                name: c.name.clone(),
                group: c.group,
                members: c.members.clone(),
                owner: c.owner.clone(),
                apps: c.apps.clone(),
                person: c.person.clone(),
                last_ms: c.messages.last().map_or(0, |m| m.at_ms),
                disbanded: c.disbanded,
            })
            .collect();
        chats.sort_by_key(|c| !c.group);
        chats
    }

    fn screen(&self, chat: &str, viewer: &str, limit: usize) -> Vec<ScreenItem> {
        let state = self.state();
        let Some(chat) = state.chat(chat) else {
            return Vec::new();
        };
        let skip = chat.messages.len().saturating_sub(limit);
        chat.messages
            .iter()
            .skip(skip)
            .map(|m| ScreenItem {
                id: m.id.clone(),
                at_ms: m.at_ms,
                from: m.from.clone(),
                from_name: match state.app(&m.from) {
                    Some(app) if m.bot => app.spec.name.clone(),
                    _ => state.name(&m.from),
                },
                bot: m.bot,
                recalled: m.recalled,
                edited: m.edited,
                reply_to: m.reply_to.clone(),
                parts: if m.recalled {
                    Vec::new()
                } else {
                    parts(&state, &m.content, viewer)
                },
                reactions: m.reactions.clone(),
            })
            .collect()
    }

    fn people(&self) -> Vec<SimPerson> {
        self.state().org.people.clone()
    }

    fn links(&self) -> Vec<(String, usize)> {
        self.streams.hub.live()
    }

    fn fault(&self, fault: Fault) {
        if self.streams.hub.fault(&fault).is_some() {
            return;
        }
        if self.faults.add(fault) {
            for app in &mut self.state().apps {
                app.token = None;
            }
        }
    }

    fn repeat_due(&self) -> BoxFuture<'_, usize> {
        Box::pin(self.callbacks.repeat_due())
    }

    fn revision(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    fn complaints(&self) -> Vec<String> {
        self.journal.complaints()
    }

    fn calls(&self) -> Vec<(String, u64)> {
        self.journal.calls()
    }
}

fn parts(state: &State, content: &Content, viewer: &str) -> Vec<ScreenPart> {
    match content {
        Content::Parts(parts) => parts.clone(),
        Content::Card(track) => match state.cards.get(track) {
            Some(card) => {
                let users: Vec<(String, String)> = card.at.iter().filter(|(id, _)| id != "@ALL").cloned().collect();
                let at = At {
                    users: &users,
                    all: card.at.iter().any(|(id, _)| id == "@ALL"),
                };
                show::card(&act::view(card, viewer), &at)
            }
            None => Vec::new(),
        },
    }
}

impl Simulator for DingTalkSim {
    fn platform(&self) -> Platform {
        self.core.platform()
    }
    fn base_url(&self) -> String {
        self.core.base_url()
    }
    fn apps(&self) -> Vec<SimApp> {
        self.core.apps()
    }
    fn subscribe<'a>(&'a self, app: &'a str, url: &'a str) -> BoxFuture<'a, Result<(), SimError>> {
        self.core.subscribe(app, url)
    }
    fn act(&self, verb: Verb) -> BoxFuture<'_, Result<Done, SimError>> {
        self.core.act(verb)
    }
    fn chats(&self) -> Vec<ScreenChat> {
        self.core.chats()
    }
    fn screen(&self, chat: &str, viewer: &str, limit: usize) -> Vec<ScreenItem> {
        self.core.screen(chat, viewer, limit)
    }
    fn people(&self) -> Vec<SimPerson> {
        self.core.people()
    }
    fn fault(&self, fault: Fault) {
        self.core.fault(fault);
    }
    fn repeat_due(&self) -> BoxFuture<'_, usize> {
        self.core.repeat_due()
    }
    fn revision(&self) -> watch::Receiver<u64> {
        self.core.revision()
    }
    fn complaints(&self) -> Vec<String> {
        self.core.complaints()
    }
    fn calls(&self) -> Vec<(String, u64)> {
        self.core.calls()
    }
    fn links(&self) -> Vec<(String, usize)> {
        self.core.links()
    }
}
