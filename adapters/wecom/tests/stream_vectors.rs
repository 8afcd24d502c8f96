//! Every recorded exchange of the long connection (`tests/vectors/ws`, see the INDEX of the vectors),
//! played against the session: what it writes must be what the official SDK wrote, up to the numbers
//! in request ids, and what the platform wrote must have its effect.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use hutong_model::{Body, CloseReason, Frame, Link, LinkSession, Secret, Step, Timestamp};
use hutong_wecom::stream::outbound::{Outbound, Reply, Want};
use hutong_wecom::stream::{Bot, BotLink};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

const NOW: Timestamp = Timestamp::from_secs(1_795_305_600);

fn link() -> BotLink {
    let bot = Bot {
        name: "RobotA".into(),
        bot_id: "BOTID-TEST-0001".into(),
        secret: Secret::new("BOT-SECRET-TEST-0001"),
        welcome: None,
    };
    BotLink::new(bot, url::Url::parse("ws://127.0.0.1:9/").unwrap(), true)
}

fn vectors() -> Vec<(String, Value)> {
    let dir = format!("{}/tests/vectors/ws", env!("CARGO_MANIFEST_DIR"));
    let mut all: Vec<(String, Value)> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, serde_json::from_str(&text).unwrap())
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn json_of(frame: &Frame) -> Value {
    match frame {
        Frame::Text(text) => serde_json::from_str(text).unwrap(),
        Frame::Binary(_) => panic!("a binary frame"),
    }
}

/// The frame without its request id, and the id.
fn parted(mut frame: Value) -> (Value, String) {
    let id = frame["headers"]["req_id"].take().as_str().unwrap().to_owned();
    (frame, id)
}

/// `aibot_send_msg_1795305600002_a0000002` has the form of our own ids.
fn same_form(ours: &str, cmd: &str) -> bool {
    let rest = ours.strip_prefix(cmd).and_then(|r| r.strip_prefix('_'));
    rest.and_then(|r| r.split_once('_'))
        .is_some_and(|(ms, hex)| ms.parse::<i64>().is_ok() && hex.len() == 8 && u32::from_str_radix(hex, 16).is_ok())
}

struct Play {
    link: BotLink,
    session: Box<dyn LinkSession>,
    now: Timestamp,
    opened: bool,
    ready: u32,
    closed: Vec<CloseReason>,
    /// Recorded id to ours.
    ids: HashMap<String, String>,
    callbacks: HashSet<String>,
    /// Requests under way: the recorded id, in order.
    asked: Vec<(String, JoinHandle<Reply>)>,
    replies: Vec<(Reply, Value)>,
    events: Vec<(Value, Body)>,
    compared: u32,
}

impl Play {
    fn new() -> Self {
        let link = link();
        let session = link.session(NOW);
        Self {
            link,
            session,
            now: NOW,
            opened: false,
            ready: 0,
            closed: vec![],
            ids: HashMap::new(),
            callbacks: HashSet::new(),
            asked: vec![],
            replies: vec![],
            events: vec![],
            compared: 0,
        }
    }

    fn out(&self) -> Arc<Outbound> {
        self.link.outbound().clone()
    }

    /// Expects exactly one frame among the steps and nothing else but `Ready`.
    fn one_frame(&mut self, steps: Vec<Step>) -> Value {
        let mut frames = self.take(steps);
        assert_eq!(frames.len(), 1, "{frames:?}");
        frames.remove(0)
    }

    fn take(&mut self, steps: Vec<Step>) -> Vec<Value> {
        let mut frames = vec![];
        for step in steps {
            match step {
                Step::Send(frame) => frames.push(json_of(&frame)),
                Step::Ready => self.ready += 1,
                Step::Close(reason) => self.closed.push(reason),
                Step::Store { receipt, events } => {
                    for event in events {
                        self.events.push((json!(event.key), event.body));
                    }
                    let more = self.session.stored(receipt, true, self.now);
                    assert_eq!(more, vec![], "nothing is said by itself");
                }
                other => panic!("{other:?}"),
            }
        }
        frames
    }

    fn compare(&mut self, ours: Value, recorded: &Value) {
        let cmd = recorded["cmd"].as_str().unwrap().to_owned();
        let (mut recorded, id) = parted(recorded.clone());
        if let Some(body) = recorded.get_mut("body").and_then(Value::as_object_mut) {
            // Only sent by the SDK when its caller asks for it.
            body.remove("scene");
            body.remove("plug_version");
        }
        let (ours, own) = parted(ours);
        assert_eq!(ours, recorded);
        if self.callbacks.contains(&id) {
            assert_eq!(own, id, "an answer carries the callback's id");
        } else {
            assert!(same_form(&own, &cmd), "{own}");
        }
        self.ids.insert(id, own);
        self.compared += 1;
    }

    async fn client(&mut self, recorded: &Value) {
        let cmd = recorded["cmd"].as_str().unwrap();
        match cmd {
            "aibot_subscribe" => {
                if self.opened {
                    self.reconnect();
                }
                self.opened = true;
                let steps = self.session.opened(self.now);
                let ours = self.one_frame(steps);
                self.compare(ours, recorded);
            }
            "ping" => {
                self.now = self.session.next_tick().unwrap();
                let steps = self.session.tick(self.now);
                let ours = self.one_frame(steps);
                self.compare(ours, recorded);
            }
            _ => {
                let id = recorded["headers"]["req_id"].as_str().unwrap().to_owned();
                let body = recorded["body"].clone();
                let cmd: &'static str = Box::leak(cmd.to_owned().into_boxed_str());
                let want = if self.callbacks.contains(&id) {
                    Want::Answer {
                        cmd,
                        req_id: id.clone(),
                        body,
                    }
                } else {
                    Want::Own { cmd, body }
                };
                let out = self.out();
                self.asked
                    .push((id, tokio::spawn(async move { out.request(want).await })));
                // The session is woken by the request.
                tokio::time::timeout(Duration::from_secs(5), self.session.woken())
                    .await
                    .unwrap();
                let steps = self.session.tick(self.now);
                let ours = self.one_frame(steps);
                self.compare(ours, recorded);
            }
        }
    }

    /// The recording goes on with a new connection: this one must have ended, or was ended by the
    /// platform.
    fn reconnect(&mut self) {
        for _ in 0..4 {
            let Some(at) = self.session.next_tick() else { break };
            if self.ids.keys().all(|id| !id.starts_with("ping")) {
                break;
            }
            self.now = at;
            let steps = self.session.tick(at);
            assert_eq!(self.take(steps), Vec::<Value>::new());
        }
        self.session = self.link.session(self.now);
    }

    async fn server(&mut self, recorded: &Value) {
        let mut frame = recorded.clone();
        let id = frame["headers"]["req_id"].as_str().unwrap().to_owned();
        let callback = frame.get("cmd").is_some();
        if callback {
            self.callbacks.insert(id.clone());
        } else if let Some(own) = self.ids.get(&id) {
            frame["headers"]["req_id"] = json!(own);
        }
        let steps = self.session.received(Frame::Text(frame.to_string()), self.now);
        assert_eq!(self.take(steps), Vec::<Value>::new(), "nothing is said by itself");
        if !callback && let Some(at) = self.asked.iter().position(|(asked, _)| *asked == id) {
            let (_, handle) = self.asked.remove(at);
            let reply = tokio::time::timeout(Duration::from_secs(5), handle)
                .await
                .unwrap()
                .unwrap();
            self.replies.push((reply, recorded.clone()));
        }
    }
}

#[tokio::test]
async fn every_recorded_exchange_is_ours_too() {
    let all = vectors();
    assert_eq!(all.len(), 39);
    let mut compared = 0;
    for (name, vector) in all {
        let mut play = Play::new();
        for frame in vector["frames"].as_array().unwrap() {
            match frame["dir"].as_str().unwrap() {
                "client->server" => play.client(&frame["frame"]).await,
                "server->client" => play.server(&frame["frame"]).await,
                other => panic!("{other}"),
            }
        }
        // The same as the SDK reported for its caller.
        for (reply, recorded) in &play.replies {
            match recorded["errcode"].as_i64().unwrap() {
                0 => {
                    let body = recorded.get("body").cloned().unwrap_or(Value::Null);
                    assert_eq!(*reply, Reply::Done(body), "{name}");
                }
                wanted => assert!(
                    matches!(reply, Reply::Refused { code, .. } if *code == wanted),
                    "{name}: {reply:?}"
                ),
            }
        }
        let connections = u32::try_from(vector["sdk_outcome"]["connections"].as_u64().unwrap_or(1)).unwrap();
        let last = play.closed.last();
        match name.as_str() {
            "subscribe-refused" => {
                assert_eq!((play.ready, play.closed.len()), (0, 3));
                assert!(
                    matches!(last, Some(CloseReason::Refused { code, text }) if code == "853000" && text.contains("Secret")),
                    "{last:?}"
                );
            }
            "disconnected-event" => {
                assert_eq!(play.closed, [CloseReason::Evicted]);
                assert!(!play.out().live());
            }
            "ping-unanswered" => {
                assert_eq!(play.ready, connections);
                assert!(matches!(last, Some(CloseReason::Failed(_))), "{last:?}");
            }
            _ => {
                assert_eq!(play.ready, connections, "{name}");
                assert_eq!(play.closed, [], "{name}");
            }
        }
        // No acknowledgement: after 5 s the caller learns that nobody knows.
        if let Some((_, waiting)) = play.asked.pop() {
            assert_eq!(name, "reply-ack-timeout");
            let steps = play.session.tick(play.now + Duration::from_secs(5));
            assert_eq!(steps, []);
            assert!(matches!(waiting.await.unwrap(), Reply::Unknown(_)));
        }
        for (key, body) in &play.events {
            assert_pushed(&name, &vector, key, body);
        }
        let pushes = vector["frames"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|f| {
                let cmd = f["frame"]["cmd"].as_str().unwrap_or_default();
                let taken_over = f["frame"].pointer("/body/event/eventtype") == Some(&json!("disconnected_event"));
                matches!(cmd, "aibot_msg_callback" | "aibot_event_callback") && !taken_over
            })
            .count();
        assert_eq!(play.events.len(), pushes, "{name}");
        compared += play.compared;
    }
    assert_eq!(compared, 74, "frames of the SDK");
}

/// The event is the recorded one and says how it is answered.
fn assert_pushed(name: &str, vector: &Value, key: &Value, body: &Body) {
    let frames = vector["frames"].as_array().unwrap();
    let frame = frames
        .iter()
        .map(|f| &f["frame"])
        .find(|f| f.pointer("/body/msgid") == Some(key))
        .unwrap();
    let context = |text: &Option<String>| -> Value { serde_json::from_str(text.as_deref().unwrap()).unwrap() };
    let group = frame["body"]["chattype"] == "group";
    let chat = if group {
        &frame["body"]["chatid"]
    } else {
        &frame["body"]["from"]["userid"]
    };
    let wanted = json!({"req": frame["headers"]["req_id"], "chat": chat, "group": group});
    match body {
        Body::Message(message) => {
            assert_eq!(context(&message.reply_context), wanted, "{name}");
            let kind = frame["body"]["msgtype"].as_str().unwrap();
            if let Some(key) = frame["body"][kind].get("aeskey") {
                let handle = &message.attachments[0].handle;
                assert!(
                    handle.ends_with(&format!("#aeskey={}", key.as_str().unwrap())),
                    "{handle}"
                );
            }
        }
        Body::Click(click) => assert_eq!(context(&click.reply_context), wanted, "{name}"),
        Body::ChatEntered { user, .. } => assert_eq!(json!(user), frame["body"]["from"]["userid"]),
        Body::Reaction { emoji, .. } => assert_eq!(emoji, "dislike"),
        Body::Other { name } => assert_eq!(name, "auth_change_event"),
        other => panic!("{name}: {other:?}"),
    }
}
