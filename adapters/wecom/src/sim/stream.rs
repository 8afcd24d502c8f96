//! The AI bot's long connection, as the platform serves it (document 101463): subscribe, pings,
//! callbacks without acknowledgement, answers, pushes and uploads.
//!
//! A bot without a saved callback address is in long-connection mode; saving an address ends its
//! connections, and saving an empty one switches back. The socket is at [`PATH`] of the simulator's
//! own address.
//!
//! Faults for requests ([`hutong_simkit::Fault::path`] is the command, e.g. `aibot_send_msg` or
//! `ping`): `code` is acknowledged with it, `status` is not answered at all, `delay` is done and
//! answered later, `cut` and `accept_then_cut` end the connection before and after.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State as Ctx;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use base64::Engine;
use hutong_model::{Clock, Timestamp};
use hutong_simkit::judge::{Limit, Verdict};
use hutong_simkit::ladder::{Answer as Carried, Attempt, CallbackRequest, Outgoing};
use hutong_simkit::sockets::{Hub, Reply, SocketHandle, SocketProtocol, SocketState};
use hutong_simkit::{FaultKind, ScreenPart, SimError};
use md5::{Digest, Md5};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::Core;
use super::api::{HOUR, MINUTE, Place, no, text};
use super::reply::Context;
use super::show::{self, Dialect, check_card};
use super::state::{App, Kind, Media};

/// Where the socket is.
pub const PATH: &str = "/aibot/ws";
const NOT_SUBSCRIBED: i64 = 846_609;
/// A click and an entry can be answered for so long (documents 101027, 101463).
const SHORT: Duration = Duration::from_secs(5);
const MESSAGE_LIFE: Duration = Duration::from_secs(24 * 3600);
/// From the first frame of a stream (document 101463 and both SDKs; the code table says ten).
const STREAM_LIFE: Duration = Duration::from_secs(6 * 60);
const CONTENT: usize = 20_480;
const CHUNK: usize = 512 << 10;
const CHUNKS: u64 = 100;
const UPLOAD_LIFE: Duration = Duration::from_secs(30 * 60);
const MEDIA_LIFE: Duration = Duration::from_secs(3 * 24 * 3600);
const UPLOAD_BYTES: u64 = 20 << 20;

type Done = Result<Value, (i64, String)>;

/// A callback that was pushed over a connection, and what has been answered to it.
#[derive(Debug, Clone)]
struct Pushed {
    context: Context,
    at: Timestamp,
    /// Answered with something that is not a stream.
    closed: bool,
    stream: Option<Stream>,
}

#[derive(Debug, Clone)]
struct Stream {
    id: String,
    item: String,
    since: Timestamp,
    finished: bool,
}

#[derive(Debug)]
struct Upload {
    app: String,
    kind: String,
    name: String,
    size: u64,
    chunks: u64,
    md5: String,
    parts: BTreeMap<u64, Vec<u8>>,
    since: Timestamp,
}

/// The connections of all AI bots.
pub struct Links {
    pub hub: Hub,
    clock: Arc<dyn Clock>,
    /// By connection: what was pushed over it. It dies with the connection.
    pushed: Mutex<HashMap<u64, HashMap<String, Pushed>>>,
    uploads: Mutex<HashMap<String, Upload>>,
    /// Bots that have subscribed at some time.
    known: Mutex<HashSet<String>>,
    counter: Mutex<u64>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Links {
    pub fn new(stop: CancellationToken, clock: Arc<dyn Clock>) -> Self {
        Self {
            hub: Hub::new(7, stop),
            clock,
            pushed: Mutex::default(),
            uploads: Mutex::default(),
            known: Mutex::default(),
            counter: Mutex::default(),
        }
    }

    fn next(&self) -> u64 {
        let mut counter = lock(&self.counter);
        *counter += 1;
        *counter
    }

    /// The connection that the platform pushes to: the newest one.
    fn current(&self, app: &str) -> Option<SocketHandle> {
        let believed =
            |h: &SocketHandle| matches!(h.state(), SocketState::Live | SocketState::Mute | SocketState::Zombie);
        self.hub.handles(app).into_iter().rfind(believed)
    }

    /// A newer connection has been accepted, or the mode was switched.
    fn evict_all(&self, app: &str) {
        for handle in self.hub.handles(app) {
            match handle.state() {
                // Nothing reaches its client any more.
                SocketState::Mute => handle.cut(),
                SocketState::Live | SocketState::Zombie | SocketState::Opening => handle.evict(),
                _ => {}
            }
        }
    }

    /// The bot is not in this mode any more.
    pub fn end(&self, app: &str) {
        lock(&self.known).remove(app);
        for handle in self.hub.handles(app) {
            handle.close(1000, "long connection mode is off");
        }
    }

    /// Pushes a callback. Nobody acknowledges it: what is written counts as delivered.
    fn push(&self, app: &str, body: &Value, context: &Context) -> Result<Carried, String> {
        let socket = self.current(app).ok_or("no long connection")?;
        let kind = if body.get("msgtype") == Some(&json!("event")) {
            "aibot_event_callback"
        } else {
            "aibot_msg_callback"
        };
        // Never with a prefix by which the SDKs know their own acknowledgements.
        let req_id = format!("cb-{:012}", self.next());
        let frame = json!({"cmd": kind, "headers": {"req_id": req_id}, "body": body});
        if socket.state() != SocketState::Live {
            return Err("lost on a connection that only looks alive".into());
        }
        let pushed = Pushed {
            context: context.clone(),
            at: self.clock.now(),
            closed: false,
            stream: None,
        };
        lock(&self.pushed)
            .entry(socket.id())
            .or_default()
            .insert(req_id, pushed);
        if !socket.send(Message::Text(frame.to_string().into())) {
            return Err("the connection does not take more".into());
        }
        Ok(Carried {
            status: 200,
            body: vec![],
        })
    }
}

pub fn router(core: Arc<Core>) -> Router {
    Router::new().route(PATH, any(upgrade)).with_state(core)
}

async fn upgrade(Ctx(core): Ctx<Arc<Core>>, ws: WebSocketUpgrade) -> Response {
    ws.max_message_size(4 << 20)
        .on_upgrade(move |socket| async move { core.attend(socket).await })
}

/// One frame of a client.
struct Asked {
    cmd: String,
    req_id: String,
    body: Value,
}

fn read(message: &Message) -> Option<Asked> {
    let Message::Text(text) = message else { return None };
    let value: Value = serde_json::from_str(text.as_str()).ok()?;
    Some(Asked {
        cmd: value.get("cmd")?.as_str()?.to_owned(),
        req_id: value.pointer("/headers/req_id")?.as_str()?.to_owned(),
        body: value.get("body").cloned().unwrap_or(Value::Null),
    })
}

/// An acknowledgement: the same id, no command.
fn ack(req_id: &str, done: Done) -> Message {
    let mut frame = json!({"headers": {"req_id": req_id}, "errcode": 0, "errmsg": "ok"});
    match done {
        Ok(Value::Null) => {}
        Ok(body) => frame["body"] = body,
        Err((code, words)) => {
            frame["errcode"] = json!(code);
            frame["errmsg"] = json!(words);
        }
    }
    Message::Text(frame.to_string().into())
}

/// The platform's side of one subscribed connection.
struct Protocol {
    core: Arc<Core>,
    app: App,
    /// The acknowledgement of subscribing.
    first: Option<Message>,
}

impl SocketProtocol for Protocol {
    fn opened(&mut self, _socket: &SocketHandle) -> Vec<Reply> {
        self.first
            .take()
            .map(Reply::Send)
            .into_iter()
            .chain([Reply::Ready])
            .collect()
    }

    fn frame(&mut self, socket: &SocketHandle, message: Message) -> Vec<Reply> {
        let Some(asked) = read(&message) else {
            self.core
                .journal
                .complain("a frame that is not one of the documentation");
            return vec![];
        };
        self.core.journal.call(&asked.cmd);
        match self.core.faults.take_for_request(&asked.cmd) {
            Some(FaultKind::Code { code, text }) => return vec![Reply::Send(ack(&asked.req_id, Err((code, text))))],
            Some(FaultKind::Status { .. }) => return vec![],
            Some(FaultKind::Cut) => return vec![Reply::Cut],
            Some(FaultKind::AcceptThenCut) => {
                let _ = self.core.command(&self.app, socket.id(), &asked);
                return vec![Reply::Cut];
            }
            Some(FaultKind::Delay { ms }) => {
                let (core, app, socket) = (self.core.clone(), self.app.clone(), socket.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    let done = core.command(&app, socket.id(), &asked);
                    socket.send(ack(&asked.req_id, done));
                });
                return vec![];
            }
            _ => {}
        }
        vec![Reply::Send(ack(
            &asked.req_id,
            self.core.command(&self.app, socket.id(), &asked),
        ))]
    }

    fn evicts(&self) -> bool {
        true
    }

    fn evict(&mut self) -> Vec<Reply> {
        let n = self.core.links.next();
        let frame = json!({
            "cmd": "aibot_event_callback",
            "headers": {"req_id": format!("cb-{n:012}")},
            "body": {
                "msgid": format!("CAIQsimE{n:07}AgMg"), "create_time": self.core.clock.now().secs(),
                "aibotid": self.app.bot_id, "msgtype": "event", "event": {"eventtype": "disconnected_event"},
            },
        });
        vec![
            Reply::Send(Message::Text(frame.to_string().into())),
            // Without a closing handshake: users report 1006 (issue 59 of the official plugin).
            Reply::CutIn(Duration::from_millis(100)),
        ]
    }

    fn closed(&mut self, socket: &SocketHandle) {
        lock(&self.core.links.pushed).remove(&socket.id());
        self.core.changed();
    }
}

impl Core {
    /// Address of the long connection.
    pub(super) fn ws_url(&self) -> String {
        format!("{}{PATH}", self.base.replacen("http://", "ws://", 1))
    }

    /// Switches an AI bot to the long connection.
    pub(super) fn use_links(&self, app: &str) -> Result<(), SimError> {
        let mut state = self.state();
        if let Some(held) = state.apps.iter_mut().find(|a| a.id == app) {
            held.hook = None;
        }
        Ok(())
    }

    /// Until a client has subscribed it can do nothing else.
    async fn attend(self: Arc<Self>, mut socket: WebSocket) {
        while let Some(Ok(message)) = socket.recv().await {
            let answer = match (&message, read(&message)) {
                (Message::Text(_), Some(asked)) if asked.cmd == "aibot_subscribe" => {
                    self.journal.call(&asked.cmd);
                    let answer = match self.faults.take_for_request(&asked.cmd) {
                        Some(FaultKind::Code { code, text }) => Err((code, text)),
                        Some(FaultKind::Status { .. }) => continue,
                        Some(FaultKind::Cut) => return,
                        _ => self.subscribing(&asked.body),
                    };
                    match answer {
                        Ok(app) => {
                            self.links.evict_all(&app.id);
                            lock(&self.links.known).insert(app.id.clone());
                            let protocol = Protocol {
                                core: self.clone(),
                                first: Some(ack(&asked.req_id, Ok(Value::Null))),
                                app: app.clone(),
                            };
                            self.links.hub.serve(&app.id, socket, protocol).await;
                            return;
                        }
                        Err(no) => ack(&asked.req_id, Err(no)),
                    }
                }
                (Message::Text(_), Some(asked)) => {
                    self.journal
                        .complain(format!("{}: {NOT_SUBSCRIBED} not subscribed", asked.cmd));
                    ack(&asked.req_id, no(NOT_SUBSCRIBED, "connection is not subscribed"))
                }
                (Message::Close(_), _) => return,
                _ => continue,
            };
            if socket.send(answer).await.is_err() {
                return;
            }
        }
    }

    fn subscribing(&self, body: &Value) -> Result<App, (i64, String)> {
        let found = {
            let state = self.state();
            state
                .apps
                .iter()
                .find(|a| a.kind == Kind::Aibot && a.bot_id == text(body, "bot_id") && a.secret == text(body, "secret"))
                .cloned()
        };
        match found {
            None => {
                self.journal.complain("aibot_subscribe: 853000 wrong bot_id or secret");
                no(853_000, "invalid bot_id or secret")
            }
            // A callback URL is saved: the two modes exclude each other.
            Some(app) if app.hook.is_some() => {
                self.journal
                    .complain(format!("aibot_subscribe: 846601 {} has a callback URL", app.id));
                no(846_601, "long connection mode is not enabled")
            }
            Some(app) => Ok(app),
        }
    }

    /// How a callback travels to a bot in long-connection mode; `None` for one with an address, or
    /// one that has never connected.
    pub(super) fn over_link(&self, app: &App, label: &str, body: &Value, context: &Context) -> Option<CallbackRequest> {
        if app.hook.is_some() || !lock(&self.links.known).contains(&app.id) {
            return None;
        }
        let mut body = body.clone();
        // Answers go over the connection; whether the address is sent along is not documented.
        if let Some(fields) = body.as_object_mut() {
            fields.remove("response_url");
        }
        let (links, id, context) = (self.links.clone(), app.id.clone(), context.clone());
        let nowhere = |_: Attempt| Outgoing::post_json("http://127.0.0.1:9/", "{}");
        let request = CallbackRequest::new(label, nowhere).over(move |_| {
            let carried = links.push(&id, &body, &context);
            Box::pin(async move { Some(carried) })
        });
        // Nothing is acknowledged, so nothing is repeated.
        Some(request.once())
    }

    fn command(&self, app: &App, socket: u64, asked: &Asked) -> Done {
        let now = self.clock.now();
        let done = match asked.cmd.as_str() {
            "ping" => Ok(Value::Null),
            "aibot_respond_msg" => self.respond_message(app, socket, asked, now),
            "aibot_respond_welcome_msg" => self.respond_welcome(app, socket, asked, now),
            "aibot_respond_update_msg" => self.respond_update(socket, asked, now),
            "aibot_send_msg" => self.push_message(app, &asked.body, now),
            "aibot_upload_media_init" => self.upload_begin(app, &asked.body, now),
            "aibot_upload_media_chunk" => self.upload_chunk(app, &asked.body, now),
            "aibot_upload_media_finish" => self.upload_end(app, &asked.body, now),
            "aibot_subscribe" => self.subscribing(&asked.body).map(|_| Value::Null),
            other => no(40_054, format!("no such command: {other}")),
        };
        if let Err((code, words)) = &done {
            self.journal.complain(format!("{}: {code} {words}", asked.cmd));
        }
        self.changed();
        done
    }

    /// The callback that a frame answers; its id is known on the connection it came over.
    fn answered(&self, socket: u64, req_id: &str, now: Timestamp, life: Duration) -> Result<Pushed, (i64, String)> {
        match lock(&self.links.pushed).get(&socket).and_then(|all| all.get(req_id)) {
            None => no(846_605, "invalid req_id"),
            Some(pushed) if now.since(pushed.at) > life => no(846_604, "req_id expired"),
            Some(pushed) if pushed.closed => no(846_606, "this callback was already answered"),
            Some(pushed) => Ok(pushed.clone()),
        }
    }

    fn note(&self, socket: u64, req_id: &str, change: impl FnOnce(&mut Pushed)) {
        if let Some(pushed) = lock(&self.links.pushed)
            .get_mut(&socket)
            .and_then(|all| all.get_mut(req_id))
        {
            change(pushed);
        }
    }

    /// Replies and pushes of one chat together.
    fn room(&self, app: &App, chat: usize, now: Timestamp) -> Result<(), (i64, String)> {
        let name = format!("aibot/{}/{chat}", app.id);
        let limits = [Limit::new(name.clone(), 30, MINUTE), Limit::new(name, 1_000, HOUR)];
        match self.judge.hit_all(&limits, now, 1) {
            Verdict::Over { .. } => no(846_607, "send message frequency limit"),
            _ => Ok(()),
        }
    }

    fn respond_message(&self, app: &App, socket: u64, asked: &Asked, now: Timestamp) -> Done {
        let pushed = self.answered(socket, &asked.req_id, now, MESSAGE_LIFE)?;
        let Context::Message { chat, item, .. } = &pushed.context else {
            return no(846_605, "only a message is answered with this command");
        };
        let kind = text(&asked.body, "msgtype");
        if matches!(kind, "stream" | "stream_with_template_card") {
            return self.stream_frame(app, socket, asked, &pushed, *chat, item, now);
        }
        if pushed.stream.is_some() {
            return no(846_606, "this callback was already answered with a stream");
        }
        let (parts, card) = match kind {
            "template_card" => (vec![], Some(self.new_card(app, &asked.body)?)),
            "file" | "image" | "voice" | "video" => (self.media_parts(app, kind, &asked.body, now)?, None),
            _ => return no(40_008, format!("message type {kind:?} is not possible as a reply")),
        };
        self.room(app, *chat, now)?;
        let mut answer = self.item(app, now, parts, card);
        answer.reply_to = Some(item.clone());
        self.state().push(*chat, answer);
        self.note(socket, &asked.req_id, |p| p.closed = true);
        Ok(Value::Null)
    }

    fn new_card(&self, app: &App, body: &Value) -> Done {
        let card = body.get("template_card").filter(|c| c.is_object());
        let card = card.ok_or((42_014, "template_card is missing".to_owned()))?;
        check_card(card, true)?;
        self.new_task(&app.id, card)?;
        Ok(card.clone())
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one frame")]
    fn stream_frame(
        &self,
        app: &App,
        socket: u64,
        asked: &Asked,
        pushed: &Pushed,
        chat: usize,
        quoted: &str,
        now: Timestamp,
    ) -> Done {
        let stream = asked.body.get("stream").cloned().unwrap_or_default();
        let (id, content) = (text(&stream, "id"), text(&stream, "content"));
        if id.is_empty() {
            return no(40_058, "stream.id is missing");
        }
        if content.len() > CONTENT {
            return no(40_058, "stream.content exceed max length 20480");
        }
        if stream.get("msg_item").is_some() {
            self.journal
                .complain("stream.msg_item is not supported on the long connection");
        }
        let finished = stream.get("finish") == Some(&json!(true));
        let card = match asked.body.get("template_card") {
            Some(_) => Some(self.new_card(app, &asked.body)?),
            None => None,
        };
        let parts = show::content(content, Dialect::MarkdownV2, &self.state().names());
        match &pushed.stream {
            Some(held) if held.id != id => return no(846_606, "this callback was already answered with a stream"),
            Some(held) if held.finished || now.since(held.since) > STREAM_LIFE => {
                return no(846_608, "stream message update expired (>6 minutes), cannot update");
            }
            Some(held) => {
                // The whole content anew: it replaces what was there.
                if let Some(item) = self.state().item_mut(&held.item) {
                    item.parts = parts;
                }
            }
            None => {
                self.room(app, chat, now)?;
                let mut answer = self.item(app, now, parts, None);
                answer.reply_to = Some(quoted.to_owned());
                let item = self.state().push(chat, answer);
                let held = Stream {
                    id: id.to_owned(),
                    item,
                    since: now,
                    finished,
                };
                self.note(socket, &asked.req_id, |p| p.stream = Some(held));
            }
        }
        self.note(socket, &asked.req_id, |p| {
            if let Some(held) = &mut p.stream {
                held.finished |= finished;
            }
        });
        if let Some(card) = card {
            let item = self.item(app, now, vec![], Some(card));
            self.state().push(chat, item);
        }
        Ok(Value::Null)
    }

    fn respond_welcome(&self, app: &App, socket: u64, asked: &Asked, now: Timestamp) -> Done {
        let pushed = self.answered(socket, &asked.req_id, now, SHORT)?;
        let Context::Entered { chat } = pushed.context else {
            return no(846_605, "only an entry is welcomed");
        };
        let (parts, card) = match text(&asked.body, "msgtype") {
            "text" => {
                let content = asked
                    .body
                    .pointer("/text/content")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                if content.is_empty() {
                    return no(44_004, "content is empty");
                }
                let dialect = Dialect::Text {
                    anchors: false,
                    mentions: false,
                };
                (show::content(content, dialect, &self.state().names()), None)
            }
            "template_card" => (vec![], Some(self.new_card(app, &asked.body)?)),
            kind => return no(40_008, format!("message type {kind:?} is not possible as a welcome")),
        };
        let item = self.item(app, now, parts, card);
        self.state().push(chat, item);
        self.note(socket, &asked.req_id, |p| p.closed = true);
        Ok(Value::Null)
    }

    fn respond_update(&self, socket: u64, asked: &Asked, now: Timestamp) -> Done {
        let pushed = self.answered(socket, &asked.req_id, now, SHORT)?;
        let Context::Click { item, user, .. } = &pushed.context else {
            return no(846_605, "only a click changes a card");
        };
        if asked.body.get("response_type") != Some(&json!("update_template_card")) {
            return no(40_008, "response_type is update_template_card");
        }
        self.change_card(item, user, &asked.body).map(|()| Value::Null)
    }

    fn push_message(&self, app: &App, body: &Value, now: Timestamp) -> Done {
        let id = text(body, "chatid");
        let kind = body.get("chat_type").and_then(Value::as_i64).unwrap_or(0);
        let chat = {
            let state = self.state();
            let group = state.chats.iter().position(|c| {
                // Letters count here: group ids are case-sensitive.
                c.group && !c.disbanded && !id.is_empty() && c.bot_chat_id == id && c.apps.contains(&app.id)
            });
            let single = state
                .active(id)
                .and_then(|person| state.chat(&format!("dm_{}_{}", app.id, person.id)));
            match kind {
                1 => single,
                2 => group,
                0 => group.or(single),
                _ => None,
            }
        };
        let known_person = kind != 2 && self.state().active(id).is_some();
        let Some(chat) = chat else {
            return match known_person {
                true => no(846_607, "the user has not sent a message to the bot"),
                false => no(93_006, "invalid chatid"),
            };
        };
        if !self.state().addressed.contains(&(app.id.clone(), chat)) {
            return no(846_607, "nobody has addressed the bot in this chat");
        }
        let kind = text(body, "msgtype");
        let (parts, card) = match kind {
            "markdown" => self.shown(body, Place::Answer)?,
            "template_card" => (vec![], Some(self.new_card(app, body)?)),
            "file" | "image" | "voice" | "video" => (self.media_parts(app, kind, body, now)?, None),
            _ => return no(40_008, format!("message type {kind:?} is not possible here")),
        };
        self.room(app, chat, now)?;
        let item = self.item(app, now, parts, card);
        self.state().push(chat, item);
        Ok(Value::Null)
    }

    fn media_parts(
        &self,
        app: &App,
        kind: &str,
        body: &Value,
        now: Timestamp,
    ) -> Result<Vec<ScreenPart>, (i64, String)> {
        let id = body
            .pointer(&format!("/{kind}/media_id"))
            .and_then(Value::as_str)
            .unwrap_or_default();
        match self.state().media.get(id) {
            Some(media) if media.until > now && media.kind == kind && media.robot.as_deref() == Some(&app.id) => {
                Ok(vec![ScreenPart::Image {
                    handle: id.to_owned(),
                    alt: format!("[{}]", media.name),
                }])
            }
            _ => no(40_007, "invalid media_id"),
        }
    }

    fn upload_begin(&self, app: &App, body: &Value, now: Timestamp) -> Done {
        let name = format!("aibot-upload/{}", app.id);
        let limits = [Limit::new(name.clone(), 30, MINUTE), Limit::new(name, 1_000, HOUR)];
        if let Verdict::Over { .. } = self.judge.hit_all(&limits, now, 1) {
            return no(45_009, "api freq out of limit");
        }
        let number = |name: &str| body.get(name).and_then(Value::as_u64).unwrap_or(0);
        let (size, chunks) = (number("total_size"), number("total_chunks"));
        let kind = text(body, "type");
        if !matches!(kind, "file" | "image" | "voice" | "video") {
            return no(40_004, "invalid media type");
        }
        if !(5..=UPLOAD_BYTES).contains(&size) {
            return no(40_006, "invalid media size");
        }
        if chunks == 0 || chunks > CHUNKS || size > chunks * CHUNK as u64 {
            return no(846_612, "total_chunks does not fit total_size");
        }
        let md5 = text(body, "md5");
        if md5.len() != 32 || text(body, "filename").is_empty() {
            return no(40_058, "md5 and filename are needed");
        }
        let id = self.code("UP");
        let upload = Upload {
            app: app.id.clone(),
            kind: kind.to_owned(),
            name: text(body, "filename").to_owned(),
            size,
            chunks,
            md5: md5.to_owned(),
            parts: BTreeMap::new(),
            since: now,
        };
        let mut uploads = lock(&self.links.uploads);
        uploads.retain(|_, u| now.since(u.since) <= UPLOAD_LIFE);
        uploads.insert(id.clone(), upload);
        Ok(json!({"upload_id": id}))
    }

    fn upload_chunk(&self, app: &App, body: &Value, now: Timestamp) -> Done {
        let mut uploads = lock(&self.links.uploads);
        let upload = uploads
            .get_mut(text(body, "upload_id"))
            .filter(|u| u.app == app.id && now.since(u.since) <= UPLOAD_LIFE);
        let Some(upload) = upload else {
            return no(846_611, "invalid upload_id");
        };
        let index = body.get("chunk_index").and_then(Value::as_u64);
        let Some(index) = index.filter(|n| *n < upload.chunks) else {
            return no(846_612, "invalid chunk_index");
        };
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(text(body, "base64_data"))
            .map_err(|_| (846_613, "base64_data does not decode".to_owned()))?;
        if bytes.is_empty() || bytes.len() > CHUNK {
            return no(846_614, "a chunk has 1 to 524288 bytes");
        }
        // The same piece again replaces itself.
        upload.parts.insert(index, bytes);
        Ok(Value::Null)
    }

    fn upload_end(&self, app: &App, body: &Value, now: Timestamp) -> Done {
        let id = text(body, "upload_id");
        let upload = {
            let mut uploads = lock(&self.links.uploads);
            match uploads.get(id) {
                Some(u) if u.app == app.id && now.since(u.since) <= UPLOAD_LIFE => {
                    if u.parts.len() as u64 != u.chunks {
                        return no(846_615, "chunks are missing");
                    }
                }
                _ => return no(846_611, "invalid upload_id"),
            }
            uploads.remove(id)
        };
        let Some(upload) = upload else {
            return no(846_611, "invalid upload_id");
        };
        let bytes: Vec<u8> = upload.parts.into_values().flatten().collect();
        if bytes.len() as u64 != upload.size || !hex::encode(Md5::digest(&bytes)).eq_ignore_ascii_case(&upload.md5) {
            return no(846_616, "size or md5 differ from what was announced");
        }
        let media_id = self.code("BM");
        let media = Media {
            robot: Some(app.id.clone()),
            kind: upload.kind.clone(),
            name: upload.name,
            bytes,
            until: now + MEDIA_LIFE,
        };
        self.state().media.insert(media_id.clone(), media);
        Ok(json!({"type": upload.kind, "media_id": media_id, "created_at": now.secs().to_string()}))
    }
}
