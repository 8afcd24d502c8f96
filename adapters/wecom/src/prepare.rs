//! From an action to the calls it takes. Pure: the bytes of a call are fixed here, except for the
//! access token, and for what is derived from the idempotency key when it is sent.
//!
//! Keys, per call:
//! * `message/send` knows `enable_duplicate_check`: identical content to identical receivers inside
//!   an interval of at most 4 h is suppressed (document 90236). So that two different effects
//!   with the same words are not taken for a repeat, a card carries the key as its `task_id` and text an
//!   invisible mark made from it; a repeat of the same effect is identical byte for byte.
//! * `appchat/create` takes the group id from us: the key is the id (document 90245).
//! * `appchat/update` sets things: doing it twice changes nothing more.
//! * A response URL and a response code work once: a repeat is refused, never doubled.
//! * `appchat/send`, `webhook/send`, uploads and the calendar have no key.

use hutong_model::{
    Action, CalendarEntry, ChatId, ChatKind, Message, MessageId, Prepared, RenderError, Target, UserId,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::card::card_update;
use crate::config::{AppDoor, Door};
use crate::render::{self, Place, chat_name};
use crate::text::{Dialect, cut, leaf};
use crate::wire::ReplyContext;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
/// For how long a repeat of a send is recognised: the platform's longest interval, less half an hour.
const SEND_WINDOW: i64 = 210 * MINUTE;
const SEND_INTERVAL: u32 = 14_400;
/// An answer is worth ten minutes, so it asks for no longer memory than that.
const REPLY_WINDOW: i64 = 9 * MINUTE;
const REPLY_INTERVAL: u32 = 600;
/// Members added or removed in one call (documents 90245, 5.4 of the protocol notes: a few hundred).
pub const MEMBERS_PER_CALL: usize = 200;
/// Largest group (document 90245); the administrator may have set less.
pub const CHAT_MEMBERS: usize = 2000;
/// `appchat/send` is counted per member of the group (document 90248). How many there are is not
/// known here: the largest possible number stands until [`crate::groups`] knows better.
const CHAT_WEIGHT: u32 = 2000;
/// Largest upload of any type (document 90253).
const UPLOAD: usize = 20 << 20;

/// One call, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "snake_case")]
pub enum Call {
    Send {
        user: UserId,
        body: Value,
    },
    ChatSend {
        body: Value,
    },
    ChatCreate {
        name: String,
        owner: UserId,
        users: Vec<UserId>,
        hello: String,
    },
    ChatUpdate {
        body: Value,
    },
    ChatGet {
        chat: ChatId,
    },
    CardUpdate {
        card: Option<String>,
        body: Value,
    },
    Recall {
        msgid: String,
    },
    Upload {
        name: String,
        kind: String,
        data: String,
    },
    Schedule {
        body: Value,
    },
    RobotSend {
        body: Value,
    },
    RobotUpload {
        name: String,
        kind: String,
        data: String,
    },
    Respond {
        url: String,
        until: i64,
        body: Value,
    },
}

/// What a message id of this adapter carries beyond the platform's own id: `msgid`, or for cards
/// `task!msgid!code!user`. A click names only the task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CardHandle {
    pub task: Option<String>,
    pub msgid: Option<String>,
    /// Good for one update without a click, for 72 h.
    pub code: Option<String>,
    pub user: Option<String>,
}

impl CardHandle {
    pub fn read(id: &MessageId) -> Self {
        let text = id.as_str();
        if !text.contains('!') {
            return Self {
                msgid: Some(text.to_owned()),
                ..Self::default()
            };
        }
        let mut parts = text.split('!').map(|p| Some(p.to_owned()).filter(|p| !p.is_empty()));
        let mut next = || parts.next().flatten();
        Self {
            task: next(),
            msgid: next(),
            code: next(),
            user: next(),
        }
    }

    /// The id, without the response code when it would be too long.
    pub fn id(&self) -> Option<MessageId> {
        let part = |p: &Option<String>| p.clone().filter(|p| !p.contains('!')).unwrap_or_default();
        if self.task.is_none() {
            return MessageId::new(part(&self.msgid)).ok();
        }
        let full = format!(
            "{}!{}!{}!{}",
            part(&self.task),
            part(&self.msgid),
            part(&self.code),
            part(&self.user)
        );
        let short = format!("{}!{}", part(&self.task), part(&self.msgid));
        MessageId::new(full).or_else(|_| MessageId::new(short)).ok()
    }
}

fn prepared(
    api: &str,
    to: Option<&str>,
    weight: u32,
    call: &Call,
    window: Option<i64>,
) -> Result<Prepared, RenderError> {
    Ok(Prepared {
        api: api.to_owned(),
        to: to.map(str::to_owned),
        weight,
        request: serde_json::to_string(call).map_err(|e| RenderError::Invalid(e.to_string()))?,
        key_window_ms: window,
    })
}

fn not_possible(app_kind: &'static str, action: &Action, why: &str) -> RenderError {
    RenderError::NotPossible {
        app_kind,
        action: action.kind().as_str(),
        why: why.to_owned(),
    }
}

/// The calls of an action, for a door.
pub fn prepare(door: &Door, action: &Action) -> Result<Vec<Prepared>, RenderError> {
    match door {
        Door::App(app) => of_app(app, action),
        Door::Aibot(bot) if bot.linked() => crate::stream::calls::prepare(action),
        Door::Aibot(_) => of_aibot(action),
        Door::Webhook(robot) => of_robot(&robot.chat, action),
    }
}

fn of_app(app: &AppDoor, action: &Action) -> Result<Vec<Prepared>, RenderError> {
    let kind = crate::config::APP;
    match action {
        Action::Send {
            to: Target::User(user),
            content,
        } => to_person(app, user, content, SEND_INTERVAL, SEND_WINDOW),
        Action::Send {
            to: Target::Chat(chat),
            content,
        } => to_chat(chat, content),
        Action::Reply { chat, content, .. } => match chat.kind {
            ChatKind::Group => to_chat(&chat.id, content),
            ChatKind::Direct => {
                let user = UserId::new(chat.id.as_str()).map_err(|e| RenderError::Invalid(e.to_string()))?;
                to_person(app, &user, content, REPLY_INTERVAL, REPLY_WINDOW)
            }
        },
        Action::UpdateCard { card, context, content } => {
            let handle = CardHandle::read(card);
            let context = context
                .as_deref()
                .and_then(|c| serde_json::from_str::<ReplyContext>(c).ok());
            let (code, user) = match context {
                Some(ReplyContext {
                    code: Some(code),
                    user: Some(user),
                    ..
                }) => (code, user),
                _ => match (handle.code, handle.user) {
                    (Some(code), Some(user)) => (code, user),
                    _ => {
                        return Err(not_possible(
                            kind,
                            action,
                            "a card is updated with the code of a click, or once with the code of its sending",
                        ));
                    }
                },
            };
            let mut card = card_update(content);
            if let Some(task) = &handle.task {
                card["task_id"] = json!(task);
            }
            let body = json!({
                "userids": [user],
                "agentid": app.agent_id,
                "response_code": code,
                "template_card": card,
            });
            let call = Call::CardUpdate {
                card: handle.task,
                body,
            };
            Ok(vec![prepared(
                "message/update_template_card",
                Some(&user),
                1,
                &call,
                Some(71 * HOUR),
            )?])
        }
        Action::Recall { message } => match CardHandle::read(message).msgid {
            Some(msgid) => Ok(vec![prepared(
                "message/recall",
                None,
                1,
                &Call::Recall { msgid },
                Some(24 * HOUR),
            )?]),
            None => Err(not_possible(
                kind,
                action,
                "only a message sent to a person has an id to recall it by",
            )),
        },
        Action::CreateChat {
            name,
            owner,
            members,
            description,
        } => {
            let mut users = vec![owner.clone()];
            for user in members {
                if !users.iter().any(|u| u.as_str().eq_ignore_ascii_case(user.as_str())) {
                    users.push(user.clone());
                }
            }
            if users.len() < 2 {
                return Err(RenderError::Invalid("a group of WeCom has at least two members".into()));
            }
            if users.len() > CHAT_MEMBERS {
                return Err(RenderError::TooLarge {
                    what: "a group (members)",
                    bytes: users.len(),
                    limit: CHAT_MEMBERS,
                });
            }
            let name = chat_name(name)?;
            // A new group is invisible to everybody until something is said in it: without a
            // description that is left to whoever made it.
            let hello = description.as_deref().map(str::trim).unwrap_or_default();
            let hello = leaf(hello, Dialect::Anchors);
            let call = Call::ChatCreate {
                name,
                owner: owner.clone(),
                users,
                hello: cut(&hello, 2048),
            };
            // The id stays taken, so a repeat is recognised for as long as the group exists.
            Ok(vec![prepared("appchat/create", None, 1, &call, Some(30 * 24 * HOUR))?])
        }
        Action::RenameChat { chat, name } => update(chat, "name", json!(chat_name(name)?)),
        Action::SetOwner { chat, owner } => update(chat, "owner", json!(owner)),
        Action::AddMembers { chat, users } => members(chat, "add_user_list", users),
        Action::RemoveMembers { chat, users } => members(chat, "del_user_list", users),
        Action::Upload { name, media_type, data } => {
            let media = media_kind(media_type);
            let call = Call::Upload {
                name: file_name(name),
                kind: media.to_owned(),
                data: checked(data)?,
            };
            Ok(vec![prepared("media/upload", None, 1, &call, None)?])
        }
        Action::Calendar { entry } => schedule(app, entry),
        Action::ListMembers { chat } => {
            let call = Call::ChatGet { chat: chat.clone() };
            Ok(vec![prepared(
                "appchat/get",
                Some(chat.as_str()),
                1,
                &call,
                Some(30 * 24 * HOUR),
            )?])
        }
        Action::React { .. }
        | Action::Pin { .. }
        | Action::Unpin { .. }
        | Action::Badge { .. }
        | Action::Urgent { .. } => Err(not_possible(kind, action, "the platform has no such call")),
        Action::Disband { .. } => Err(not_possible(
            kind,
            action,
            "no call dissolves a group, and two members must stay; a person dissolves it in the client",
        )),
        Action::Readers { .. } => Err(not_possible(
            kind,
            action,
            "the platform tells nobody who has read a message; count clicks on a button instead",
        )),
    }
}

fn to_person(
    app: &AppDoor,
    user: &UserId,
    content: &Message,
    interval: u32,
    window: i64,
) -> Result<Vec<Prepared>, RenderError> {
    render::message(content, Place::Person)?
        .into_iter()
        .map(|mut body| {
            // Pictures and files have no place for a mark: two equal ones would be taken for a repeat.
            let marked = markable(&body);
            body["touser"] = json!(user);
            body["agentid"] = json!(app.agent_id);
            body["safe"] = json!(0);
            body["enable_id_trans"] = json!(0);
            body["enable_duplicate_check"] = json!(i32::from(marked));
            if marked {
                body["duplicate_check_interval"] = json!(interval);
            }
            let call = Call::Send {
                user: user.clone(),
                body,
            };
            prepared("message/send", Some(user.as_str()), 1, &call, marked.then_some(window))
        })
        .collect()
}

fn markable(body: &Value) -> bool {
    matches!(body["msgtype"].as_str(), Some("text" | "markdown" | "template_card"))
}

/// Puts what is derived from the key into a message: the task id of a card, or an invisible mark
/// behind the text (zero-width characters: a reader sees nothing).
pub fn mark(body: &mut Value, key: &str) {
    if let Some(card) = body.get_mut("template_card") {
        card["task_id"] = json!(key);
        return;
    }
    for kind in ["text", "markdown"] {
        if let Some(Value::String(content)) = body.get_mut(kind).and_then(|b| b.get_mut("content")) {
            let hash = key
                .bytes()
                .fold(0x811c_9dc5_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
            content.extend((0..16).map(|bit| {
                if (hash ^ (hash >> 16)) >> bit & 1 == 0 {
                    '\u{200b}'
                } else {
                    '\u{200c}'
                }
            }));
        }
    }
}

fn to_chat(chat: &ChatId, content: &Message) -> Result<Vec<Prepared>, RenderError> {
    render::message(content, Place::AppChat)?
        .into_iter()
        .map(|mut body| {
            body["chatid"] = json!(chat);
            body["safe"] = json!(0);
            prepared(
                "appchat/send",
                Some(chat.as_str()),
                CHAT_WEIGHT,
                &Call::ChatSend { body },
                None,
            )
        })
        .collect()
}

fn update(chat: &ChatId, field: &str, value: Value) -> Result<Vec<Prepared>, RenderError> {
    let call = Call::ChatUpdate {
        body: json!({"chatid": chat, field: value}),
    };
    Ok(vec![prepared(
        "appchat/update",
        Some(chat.as_str()),
        1,
        &call,
        Some(24 * HOUR),
    )?])
}

fn members(chat: &ChatId, field: &str, users: &[UserId]) -> Result<Vec<Prepared>, RenderError> {
    let mut out = Vec::new();
    for chunk in users.chunks(MEMBERS_PER_CALL) {
        out.extend(update(chat, field, json!(chunk))?);
    }
    if out.is_empty() {
        return Err(RenderError::Invalid("nobody to add or remove".into()));
    }
    Ok(out)
}

fn schedule(app: &AppDoor, entry: &CalendarEntry) -> Result<Vec<Prepared>, RenderError> {
    let organizer = match (&app.calendar_owner, entry.attendees.first()) {
        (Some(owner), _) => owner.clone(),
        (None, Some(first)) => first.to_string(),
        (None, None) => return Err(RenderError::Invalid("a calendar entry needs somebody to own it".into())),
    };
    if entry.attendees.len() > 2000 {
        return Err(RenderError::TooLarge {
            what: "a calendar entry (attendees)",
            bytes: entry.attendees.len(),
            limit: 2000,
        });
    }
    let attendees: Vec<Value> = entry.attendees.iter().map(|u| json!({"userid": u})).collect();
    let body = json!({"schedule": {
        "organizer": organizer,
        "start_time": entry.from.secs(),
        "end_time": entry.to.secs(),
        "attendees": attendees,
        "summary": cut(&leaf(&entry.title, Dialect::Plain), 128),
        "description": cut(&leaf(&entry.description, Dialect::Plain), 512),
        "reminders": {"is_remind": 1, "remind_before_event_secs": 900, "timezone": 8},
    }});
    Ok(vec![prepared(
        "oa/schedule/add",
        None,
        1,
        &Call::Schedule { body },
        None,
    )?])
}

fn of_aibot(action: &Action) -> Result<Vec<Prepared>, RenderError> {
    let kind = crate::config::AIBOT;
    let (to, context, content) = match action {
        Action::Reply {
            chat, context, content, ..
        } => (Some(chat.id.as_str()), context, content),
        // The card itself can only be changed in the answer to the click's callback, which is given
        // before any rule has run: the new content is posted below it instead (document 101138).
        Action::UpdateCard { context, content, .. } => (None, context, content),
        _ => {
            return Err(not_possible(
                kind,
                action,
                "an AI bot with a callback URL answers what addresses it, once each, and does nothing else; \
                 post through the app (groups it created) or through a group robot",
            ));
        }
    };
    let context = context
        .as_deref()
        .and_then(|c| serde_json::from_str::<ReplyContext>(c).ok());
    let Some(ReplyContext {
        url: Some(url), until, ..
    }) = context
    else {
        return Err(not_possible(kind, action, "this event brought no address to answer to"));
    };
    let mut out = Vec::new();
    for body in render::message(content, Place::Answer)? {
        let call = Call::Respond {
            url: url.clone(),
            until,
            body,
        };
        out.push(prepared("aibot/response", to, 1, &call, Some(55 * MINUTE))?);
    }
    Ok(out)
}

fn of_robot(own: &str, action: &Action) -> Result<Vec<Prepared>, RenderError> {
    let kind = crate::config::WEBHOOK;
    let content = match action {
        Action::Send {
            to: Target::Chat(chat),
            content,
        } if chat.as_str() == own => content,
        Action::Reply { chat, content, .. } if chat.id.as_str() == own => content,
        Action::Upload { name, media_type, data } => {
            let media = if media_kind(media_type) == "voice" {
                "voice"
            } else {
                "file"
            };
            let call = Call::RobotUpload {
                name: file_name(name),
                kind: media.to_owned(),
                data: checked(data)?,
            };
            return Ok(vec![prepared("webhook/upload_media", None, 1, &call, None)?]);
        }
        Action::Send {
            to: Target::Chat(_), ..
        }
        | Action::Reply { .. } => {
            return Err(not_possible(kind, action, "a group robot posts to its own group only"));
        }
        _ => return Err(not_possible(kind, action, "a group robot can only post to its group")),
    };
    render::message(content, Place::Robot)?
        .into_iter()
        .map(|body| prepared("webhook/send", Some(own), 1, &Call::RobotSend { body }, None))
        .collect()
}

/// The platform's word for a media type (document 90253).
pub(crate) fn media_kind(media_type: &str) -> &'static str {
    match media_type {
        "image/png" | "image/jpeg" => "image",
        "audio/amr" => "voice",
        "video/mp4" => "video",
        _ => "file",
    }
}

/// Whether names outside ASCII arrive intact is not documented; the official plugin strips them too.
pub(crate) fn file_name(name: &str) -> String {
    let name: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') {
                c
            } else {
                '_'
            }
        })
        .take(120)
        .collect();
    if name.trim_matches(['_', '.']).is_empty() {
        "file".to_owned()
    } else {
        name
    }
}

/// Base64 of 6 bytes to 20 MB.
pub(crate) fn checked(data: &str) -> Result<String, RenderError> {
    let bytes = data.len() / 4 * 3;
    if bytes > UPLOAD {
        return Err(RenderError::TooLarge {
            what: "an upload",
            bytes,
            limit: UPLOAD,
        });
    }
    if data.len() < 8 {
        return Err(RenderError::Invalid("an upload has more than 5 bytes".into()));
    }
    Ok(data.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_handle_reads_back() {
        let full = CardHandle {
            task: Some("k".into()),
            msgid: Some("m=".into()),
            code: Some("c".into()),
            user: Some("u".into()),
        };
        assert_eq!(CardHandle::read(&full.id().unwrap()), full);
        let long = CardHandle {
            code: Some("c".repeat(300)),
            ..full.clone()
        };
        assert_eq!(CardHandle::read(&long.id().unwrap()).code, None);
        let plain = CardHandle {
            msgid: Some("m=".into()),
            ..CardHandle::default()
        };
        assert_eq!(plain.id().unwrap().as_str(), "m=");
        assert_eq!(
            CardHandle::read(&MessageId::new("k!").unwrap()).task.as_deref(),
            Some("k")
        );
    }

    #[test]
    fn a_mark_depends_on_the_key_only() {
        let marked = |key: &str| {
            let mut body = json!({"text": {"content": "好"}});
            mark(&mut body, key);
            body["text"]["content"].as_str().unwrap().to_owned()
        };
        assert_eq!(marked("a1"), marked("a1"));
        assert_ne!(marked("a1"), marked("a2"));
        assert_eq!(marked("a1").len(), "好".len() + render::MARK_BYTES);
    }
}
