//! What a subscribed AI bot says over its long connection: answers to callbacks, and messages by itself.
//! Uploads are in [`super::upload`].

use std::time::Duration;

use hutong_model::Timestamp;
use hutong_simkit::ScreenPart;
use hutong_simkit::judge::{Limit, Verdict};
use serde_json::{Value, json};

use super::Core;
use super::api::{HOUR, MINUTE, Place, no, text};
use super::reply::Context;
use super::show::{self, Dialect, check_card};
use super::state::App;
use super::stream::{Asked, Done, MESSAGE_LIFE, Pushed, Stream, lock};

/// A click and an entry can be answered for so long (documents 101027, 101463).
const SHORT: Duration = Duration::from_secs(5);
/// From the first frame of a stream (document 101463 and both SDKs; the code table says ten).
const STREAM_LIFE: Duration = Duration::from_secs(6 * 60);
const CONTENT: usize = 20_480;

impl Core {
    pub(super) fn command(&self, app: &App, socket: u64, asked: &Asked) -> Done {
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
}
