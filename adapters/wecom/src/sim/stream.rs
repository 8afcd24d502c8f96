//! The AI bot's long connection, as the platform serves it (document 101463): subscribe, pings,
//! and callbacks without acknowledgement. What a bot says over it is in [`super::command`].
//!
//! A bot without a saved callback address is in long-connection mode; saving an address ends its
//! connections, and saving an empty one switches back. The socket is at [`PATH`] of the simulator's
//! own address.
//!
//! Faults for requests ([`hutong_simkit::Fault::path`] is the command, e.g. `aibot_send_msg` or
//! `ping`): `code` is acknowledged with it, `status` is not answered at all, `delay` is done and
//! answered later, `cut` and `accept_then_cut` end the connection before and after.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State as Ctx;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use hutong_model::{Clock, Timestamp};
use hutong_simkit::ladder::{Answer as Carried, Attempt, CallbackRequest, Outgoing};
use hutong_simkit::sockets::{Hub, Reply, SocketHandle, SocketProtocol, SocketState};
use hutong_simkit::{FaultKind, SimError};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::Core;
use super::api::{no, text};
use super::reply::Context;
use super::state::{App, Kind};
use super::upload::Upload;

/// Where the socket is.
pub const PATH: &str = "/aibot/ws";
const NOT_SUBSCRIBED: i64 = 846_609;
/// How long a message can be answered.
pub(super) const MESSAGE_LIFE: Duration = Duration::from_secs(24 * 3600);

/// Callbacks of one connection above which those of yesterday are forgotten (unknown is as good as
/// expired).
const KEEP: usize = 20_000;

pub(super) type Done = Result<Value, (i64, String)>;

/// A callback that was pushed over a connection, and what has been answered to it.
#[derive(Debug, Clone)]
pub(super) struct Pushed {
    pub context: Context,
    pub at: Timestamp,
    /// Answered with something that is not a stream.
    pub closed: bool,
    pub stream: Option<Stream>,
}

#[derive(Debug, Clone)]
pub(super) struct Stream {
    pub id: String,
    pub item: String,
    pub since: Timestamp,
    pub finished: bool,
}

/// The connections of all AI bots.
pub struct Links {
    pub hub: Hub,
    stop: CancellationToken,
    clock: Arc<dyn Clock>,
    /// By connection: what was pushed over it. It dies with the connection.
    pub(super) pushed: Mutex<HashMap<u64, HashMap<String, Pushed>>>,
    pub(super) uploads: Mutex<HashMap<String, Upload>>,
    /// Bots that have subscribed at some time.
    known: Mutex<HashSet<String>>,
    counter: Mutex<u64>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Links {
    pub fn new(stop: CancellationToken, clock: Arc<dyn Clock>) -> Self {
        Self {
            hub: Hub::new(7, stop.clone()),
            stop,
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
        {
            let mut all = lock(&self.pushed);
            let held = all.entry(socket.id()).or_default();
            if held.len() >= KEEP {
                let now = self.clock.now();
                held.retain(|_, p| now.since(p.at) <= MESSAGE_LIFE);
            }
            held.insert(req_id, pushed);
        }
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
pub(super) struct Asked {
    pub cmd: String,
    pub req_id: String,
    pub body: Value,
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
        loop {
            let message = tokio::select! {
                () = self.links.stop.cancelled() => return,
                message = socket.recv() => message,
            };
            let Some(Ok(message)) = message else { return };
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

    pub(super) fn subscribing(&self, body: &Value) -> Result<App, (i64, String)> {
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
}
