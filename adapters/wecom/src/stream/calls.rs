//! From an action to what is said over the connection, and from acknowledgements to an outcome.
//!
//! | action | over the wire | when that is too late |
//! |---|---|---|
//! | reply | `aibot_respond_msg` on the connection that brought the message: a finished `stream`, or a `template_card` | `aibot_send_msg` to the same chat |
//! | update of a card | `aibot_respond_update_msg` within 5 s of the click | `aibot_send_msg`: the new content below the old card |
//! | send | `aibot_send_msg` with an explicit `chat_type` | - |
//! | upload | `aibot_upload_media_init`, `_chunk`, `_finish` | - |
//!
//! Whether a callback can still be answered is known only to the connection, so a stored request
//! holds both ways. A card carries the idempotency key as its `task_id`, which the platform takes once
//! per bot (846625): a repeat of a card is recognised. Nothing else has a key.

use base64::Engine;
use hutong_model::{Action, Block, ChatKind, ChatRef, Message, Outcome, Prepared, Receipt, RenderError, Target};
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::frame;
use super::outbound::{Outbound, Reply, Want};
use crate::api::{Fail, outcome};
use crate::card::{CARD_TEXT, card_body, card_update, cards};
use crate::prepare::{CardHandle, checked, file_name, media_kind};
use crate::render::{self, Lines, Mentions, Place, without_controls};
use crate::text::Dialect;

const HOUR: i64 = 3_600_000;
/// Bytes of one message's content (document 101463; 101138 for markdown).
const CONTENT: usize = 20_480;
/// A message that would need more parts is a document; it would also use up the chat's minute.
const MAX_PARTS: usize = 10;
/// Raw bytes of one piece of an upload.
const CHUNK: usize = 512 << 10;

/// The limits of the platform count replies and pushes of a chat together, so both have one name.
pub const API: &str = frame::SEND;
/// Three frames and more; limited per bot.
pub const UPLOAD: &str = "aibot_upload_media";
/// Is possible only as the answer to a click, and is not counted.
pub const UPDATE: &str = frame::UPDATE;

/// What an event needs to be answered; the core keeps it as opaque text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// Id of the callback, known to its connection only.
    pub req: String,
    /// Where it came from, for when that connection is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat: Option<String>,
    #[serde(default)]
    pub group: bool,
}

impl Context {
    pub fn of(req_id: &str, chat: Option<&ChatRef>) -> Self {
        Self {
            req: req_id.to_owned(),
            chat: chat.map(|c| c.id.to_string()),
            group: chat.is_some_and(|c| c.kind == ChatKind::Group),
        }
    }

    pub fn text(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }

    fn read(text: Option<&str>) -> Option<Self> {
        serde_json::from_str(text?).ok()
    }
}

/// One call, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "snake_case")]
pub enum Call {
    Say {
        chat: String,
        group: bool,
        /// The callback it answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        req: Option<String>,
        body: Value,
    },
    Update {
        context: Option<Context>,
        task: String,
        card: Value,
        /// What is said when the card cannot be changed any more.
        instead: Value,
    },
    Upload {
        name: String,
        kind: String,
        data: String,
    },
}

fn prepared(api: &str, to: Option<&str>, call: &Call, window: Option<i64>) -> Result<Prepared, RenderError> {
    Ok(Prepared {
        api: api.to_owned(),
        to: to.map(str::to_owned),
        weight: 1,
        request: serde_json::to_string(call).map_err(|e| RenderError::Invalid(e.to_string()))?,
        key_window_ms: window,
    })
}

/// The calls of an action.
pub fn prepare(action: &Action) -> Result<Vec<Prepared>, RenderError> {
    match action {
        Action::Send {
            to: Target::Chat(chat),
            content,
        } => say(chat.as_str(), true, None, content),
        Action::Send {
            to: Target::User(user),
            content,
        } => say(user.as_str(), false, None, content),
        Action::Reply {
            chat, context, content, ..
        } => {
            let req = Context::read(context.as_deref()).map(|c| c.req);
            say(chat.id.as_str(), chat.kind == ChatKind::Group, req, content)
        }
        Action::UpdateCard { card, context, content } => {
            let context = Context::read(context.as_deref());
            let mut instead = render::message(content, Place::Answer)?;
            let call = Call::Update {
                task: CardHandle::read(card).task.unwrap_or_else(|| card.stem().to_owned()),
                card: card_update(content),
                // One message, whatever its length: it stands in for one card.
                instead: instead.pop().unwrap_or_default(),
                context,
            };
            Ok(vec![prepared(UPDATE, None, &call, None)?])
        }
        Action::Upload { name, media_type, data } => {
            let call = Call::Upload {
                name: file_name(name),
                kind: media_kind(media_type).to_owned(),
                data: checked(data)?,
            };
            // A second upload of the same bytes is another file that nobody sees.
            Ok(vec![prepared(UPLOAD, None, &call, Some(HOUR))?])
        }
        other => Err(RenderError::NotPossible {
            app_kind: crate::config::AIBOT,
            action: other.kind().as_str(),
            why: "an AI bot sends, answers, changes the card that was pressed, and uploads; nothing else".to_owned(),
        }),
    }
}

fn say(chat: &str, group: bool, req: Option<String>, content: &Message) -> Result<Vec<Prepared>, RenderError> {
    let mut req = req;
    bodies(content)?
        .into_iter()
        .map(|body| {
            let window = body.get("template_card").map(|_| HOUR);
            let call = Call::Say {
                chat: chat.to_owned(),
                group,
                // A message is answered once; what does not fit follows by itself.
                req: req.take(),
                body,
            };
            prepared(API, Some(chat), &call, window)
        })
        .collect()
}

/// The messages of a content: words first, then cards, then pictures.
pub fn bodies(message: &Message) -> Result<Vec<Value>, RenderError> {
    let mut out = Vec::new();
    let cards = match message.interactive() {
        true => cards(message, CARD_TEXT),
        false => None,
    };
    let mut words = |message: &Message| {
        let mut lines = Lines::of(message, Dialect::MarkdownV2, Mentions::Names);
        let parts = lines.pack(CONTENT).into_iter();
        out.extend(parts.map(|content| json!({"msgtype": "markdown", "markdown": {"content": content}})));
    };
    match cards {
        Some(cards) => {
            if card_body(message).len() > CARD_TEXT {
                words(&Message {
                    title: message.title.clone(),
                    blocks: without_controls(message),
                    card: true,
                });
            }
            let cards = cards.into_iter();
            out.extend(cards.map(|card| json!({"msgtype": "template_card", "template_card": card})));
        }
        None => words(message),
    }
    for block in &message.blocks {
        if let Block::Image { handle, .. } = block {
            out.push(json!({"msgtype": "image", "image": {"media_id": handle}}));
        }
    }
    match out.len() {
        0 => Err(RenderError::Invalid("the message is empty".into())),
        n if n > MAX_PARTS => Err(RenderError::TooLarge {
            what: "a message",
            bytes: message.plain().len(),
            limit: MAX_PARTS * CONTENT,
        }),
        _ => Ok(out),
    }
}

/// As the answer to a message, words are a stream that is finished at once (plain text and markdown
/// are not documented there). The id of the stream is ours to choose.
pub fn as_answer(body: &Value, key: &str) -> Value {
    match body.pointer("/markdown/content") {
        Some(content) => json!({
            "msgtype": "stream",
            "stream": {"id": key, "finish": true, "content": content},
        }),
        None => body.clone(),
    }
}

fn with_task(mut body: Value, key: &str) -> Value {
    if let Some(card) = body.get_mut("template_card") {
        card["task_id"] = json!(key);
    }
    body
}

/// Sends one prepared request over the connection.
pub async fn deliver(out: &Outbound, prepared: &Prepared, key: &str) -> Outcome {
    let call: Call = match serde_json::from_str(&prepared.request) {
        Ok(call) => call,
        Err(e) => {
            return Outcome::Rejected {
                code: "request".into(),
                text: format!("a stored request of another version: {e}"),
            };
        }
    };
    let done = match call {
        Call::Say { chat, group, req, body } => speak(out, &chat, group, req, body, key).await,
        Call::Update {
            context,
            task,
            card,
            instead,
        } => update(out, context, &task, card, instead, key).await,
        Call::Upload { name, kind, data } => upload(out, &name, &kind, &data).await,
    };
    match done {
        Ok(receipt) => Outcome::Sent(receipt),
        Err(fail) => outcome(fail),
    }
}

/// The callback cannot be answered: expired (846604), not of this connection (846605), answered
/// (846606), or its stream is closed (846608). What is to be said goes to the chat instead.
fn only_to_the_chat(reply: &Reply) -> bool {
    matches!(
        reply,
        Reply::Gone
            | Reply::Refused {
                code: 846_604..=846_606 | 846_608,
                ..
            }
    )
}

fn result(reply: Reply) -> Result<Value, Fail> {
    match reply {
        Reply::Done(body) => Ok(body),
        Reply::Refused { code, text } => Err(Fail::Code { code, text }),
        Reply::Gone => Err(Fail::NotSent("the callback cannot be answered any more".into())),
        Reply::NotSent(reason) => Err(Fail::NotSent(reason)),
        Reply::Unknown(reason) => Err(Fail::Unknown(reason)),
    }
}

async fn speak(
    out: &Outbound,
    chat: &str,
    group: bool,
    req: Option<String>,
    body: Value,
    key: &str,
) -> Result<Receipt, Fail> {
    let body = with_task(body, key);
    let card = body.get("template_card").is_some();
    let mut answered = None;
    if let Some(req_id) = req {
        let want = Want::Answer {
            cmd: frame::RESPOND,
            req_id,
            body: as_answer(&body, key),
        };
        answered = Some(out.request(want).await).filter(|reply| !only_to_the_chat(reply));
    }
    let reply = match answered {
        Some(reply) => reply,
        None => {
            let mut body = body;
            body["chatid"] = json!(chat);
            body["chat_type"] = json!(if group { 2 } else { 1 });
            out.request(Want::Own { cmd: frame::SEND, body }).await
        }
    };
    match result(reply) {
        Ok(_) => {}
        // The task id is this effect's own key: an earlier attempt of it was accepted.
        Err(Fail::Code { code: 846_625, .. }) if card => {}
        Err(fail) => return Err(fail),
    }
    let handle = CardHandle {
        task: card.then(|| key.to_owned()),
        ..CardHandle::default()
    };
    Ok(Receipt {
        message: card.then(|| handle.id()).flatten(),
        ..Receipt::default()
    })
}

async fn update(
    out: &Outbound,
    context: Option<Context>,
    task: &str,
    card: Value,
    instead: Value,
    key: &str,
) -> Result<Receipt, Fail> {
    let Some(context) = context else {
        return Err(Fail::Code {
            code: 846_605,
            text:
                "智能机器人只能在有人点击后 5 秒内更新卡片 / An AI bot changes a card only within 5 s of a click on it"
                    .into(),
        });
    };
    let mut card = card;
    card["task_id"] = json!(task);
    let want = Want::Answer {
        cmd: frame::UPDATE,
        req_id: context.req.clone(),
        body: json!({"response_type": "update_template_card", "template_card": card}),
    };
    let reply = out.request(want).await;
    if !only_to_the_chat(&reply) {
        let handle = CardHandle {
            task: Some(task.to_owned()),
            ..CardHandle::default()
        };
        return result(reply).map(|_| Receipt {
            message: handle.id(),
            ..Receipt::default()
        });
    }
    match context.chat {
        Some(chat) => speak(out, &chat, context.group, None, instead, key).await,
        None => result(reply).map(|_| Receipt::default()),
    }
}

/// A file in pieces. Until the last step nothing has happened that anybody could see, so that a doubt
/// about an earlier one is none about the file.
async fn upload(out: &Outbound, name: &str, kind: &str, data: &str) -> Result<Receipt, Fail> {
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(data)
        .map_err(|_| Fail::Code {
            code: 40006,
            text: "the upload is not valid base64".into(),
        })?;
    let step = |cmd, body| async move {
        result(out.request(Want::Own { cmd, body }).await).map_err(|fail| match fail {
            Fail::Unknown(reason) => Fail::NotSent(format!("{cmd}: {reason}")),
            other => other,
        })
    };
    let begun = step(
        frame::UPLOAD_INIT,
        json!({
            "type": kind,
            "filename": name,
            "total_size": bytes.len(),
            "total_chunks": bytes.len().div_ceil(CHUNK),
            "md5": hex::encode(Md5::digest(&bytes)),
        }),
    )
    .await?;
    let id = begun.get("upload_id").and_then(Value::as_str).unwrap_or_default();
    if id.is_empty() {
        return Err(Fail::NotSent("no upload_id in the answer".into()));
    }
    // Numbered from 0 in every SDK, although one typing comment says 1.
    for (index, chunk) in bytes.chunks(CHUNK).enumerate() {
        let data = base64::engine::general_purpose::STANDARD.encode(chunk);
        let body = json!({"upload_id": id, "chunk_index": index, "base64_data": data});
        step(frame::UPLOAD_CHUNK, body).await?;
    }
    let done = step(frame::UPLOAD_FINISH, json!({"upload_id": id})).await?;
    match done.get("media_id").and_then(Value::as_str) {
        Some(media) => Ok(Receipt {
            handle: Some(media.to_owned()),
            ..Receipt::default()
        }),
        None => Err(Fail::NotSent("no media_id in the answer".into())),
    }
}
