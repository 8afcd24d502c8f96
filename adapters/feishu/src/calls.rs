//! Actions of the model as calls of the platform. A call is fixed here, once; only the access token
//! and the idempotency key are added when it is sent.

use hutong_model::{
    Action, Block, CalendarEntry, ChatKind, ChatRef, Inline, LimitRule, LimitScope, Message, MessageId, Prepared,
    RenderError, Target, UserId,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::card;
use crate::config::{Urgent, UserIdType};
use crate::escape;
use crate::normalise::PRIVATE;
use crate::render;

/// Names of calls, as limits know them.
pub mod api {
    pub const MESSAGE: &str = "message";
    pub const CARD: &str = "message.patch";
    pub const EDIT: &str = "message.put";
    pub const RECALL: &str = "message.delete";
    pub const REACTION: &str = "reaction";
    pub const URGENT: &str = "message.urgent";
    pub const READERS: &str = "message.readers";
    pub const PIN: &str = "pin";
    pub const UPLOAD: &str = "upload";
    pub const CHAT: &str = "chat";
    pub const MEMBERS: &str = "chat.members";
    pub const CALENDAR: &str = "calendar";
    pub const BADGE: &str = "badge";
}

/// The platform recognises a message's `uuid` for one hour; fifty minutes leave room for the clocks.
const MESSAGE_KEY_MS: i64 = 50 * 60 * 1000;
/// Ten hours for a new chat, used for nine.
const CHAT_KEY_MS: i64 = 9 * 3600 * 1000;
/// Calls that name what they change and end in the same state when repeated: no key is needed.
const REPEATABLE_MS: i64 = 24 * 3600 * 1000;

pub const MEMBERS_PER_CALL: usize = 50;
/// More follow-up calls than this do not belong into one delivery.
const NEW_CHAT_MEMBERS: usize = 500;
const URGENT_PER_CALL: usize = 200;
const ATTENDEES_PER_CALL: usize = 1000;
const IMAGE_BYTES: usize = 10 << 20;
const FILE_BYTES: usize = 30 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// Where the idempotency key stands (feishu.md gotcha 18: body for messages, query for chats,
/// another name for the calendar).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyPlace {
    None,
    BodyUuid,
    QueryUuid,
    QueryIdempotencyKey,
}

/// What the answer means and what follows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum Then {
    /// Success is all there is to know.
    Nothing,
    /// A message was sent.
    Message,
    /// A chat was made; further members, fifty at a time, as `(member_id_type, ids)`.
    Chat {
        more: Vec<(String, Vec<String>)>,
    },
    /// Lists of ids that failed although the call succeeded.
    Members,
    Urgent,
    /// A recall or a dissolution: "it is gone already" is success.
    Gone,
    /// Pages of ids in the member named `field`.
    Ids {
        field: String,
    },
    /// The body is `{name, data}`, sent as a form of several parts; the answer names the file.
    Upload {
        image: bool,
    },
    /// Made in the bot's own calendar, then the people are invited.
    Calendar {
        attendees: Vec<Value>,
    },
    /// A text was changed. When the message turns out to be a card, this card replaces it.
    Edit {
        card: String,
    },
    /// The lists of people who wear a badge are read, changed and written back.
    Badge {
        users: Vec<String>,
        given: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    pub method: Method,
    /// Below the base URL.
    pub path: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    pub key: KeyPlace,
    pub then: Then,
    /// Who is mentioned in a card, with the name to write when the platform does not know one of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<(String, String)>,
}

impl Call {
    pub fn new(method: Method, path: String, then: Then) -> Self {
        Self {
            method,
            path,
            query: Vec::new(),
            body: None,
            key: KeyPlace::None,
            then,
            names: Vec::new(),
        }
    }
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }
    pub fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }
    fn key(mut self, place: KeyPlace) -> Self {
        self.key = place;
        self
    }
    fn mentioning(mut self, content: &Message) -> Self {
        self.names = names(content);
        self
    }

    fn prepared(self, api: &str, to: Option<&str>, key_window_ms: Option<i64>) -> Result<Prepared, RenderError> {
        let request = serde_json::to_string(&self).map_err(|e| RenderError::Invalid(e.to_string()))?;
        Ok(Prepared {
            api: api.to_owned(),
            to: to.map(str::to_owned),
            weight: 1,
            request,
            key_window_ms,
        })
    }
}

/// The limits of feishu.md 5.1: every API of tier 4 has 1,000/min and 50/s per app, and messages to
/// one chat or one person 5/s, shared by all bots of the chat.
pub fn rates() -> Vec<LimitRule> {
    let rule = LimitRule::calls;
    let mut rules = Vec::new();
    for api in [
        api::MESSAGE,
        api::CARD,
        api::EDIT,
        api::RECALL,
        api::REACTION,
        api::URGENT,
        api::READERS,
        api::PIN,
        api::UPLOAD,
        api::CHAT,
        api::MEMBERS,
        api::CALENDAR,
    ] {
        rules.push(rule(api, LimitScope::App, 1000, 60_000));
        rules.push(rule(api, LimitScope::App, 50, 1000));
    }
    rules.push(rule(api::MESSAGE, LimitScope::Destination, 5, 1000));
    rules.push(rule(api::CARD, LimitScope::Destination, 5, 1000));
    rules.push(rule(api::EDIT, LimitScope::Destination, 5, 1000));
    rules.push(rule(api::PIN, LimitScope::Destination, 5, 1000));
    // Changes of one chat's members must be serial (232019).
    rules.push(rule(api::MEMBERS, LimitScope::Destination, 1, 1000));
    // The badge pages of the documentation: 100 a minute per API. One change reads before it writes, and
    // all of it counts here as one.
    rules.push(rule(api::BADGE, LimitScope::App, 30, 60_000));
    rules
}

/// The id type of a person, by the form of the id (feishu.md 1.3).
pub fn id_type(id: &str) -> &'static str {
    if id.starts_with("ou_") {
        "open_id"
    } else if id.starts_with("on_") {
        "union_id"
    } else {
        "user_id"
    }
}

/// One path segment: ids are opaque, `@` and the like are percent-encoded.
fn seg(id: &str) -> String {
    let mut out = String::with_capacity(id.len());
    for b in id.bytes() {
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    // A segment of dots would climb out of the path.
    if out.bytes().all(|b| b == b'.') {
        out.replace('.', "%2E")
    } else {
        out
    }
}

/// Percent-encodes a calendar or other id for use in a path.
pub fn segment(id: &str) -> String {
    seg(id)
}

fn message_path(message: &MessageId, rest: &str) -> String {
    format!("/open-apis/im/v1/messages/{}{rest}", seg(message.as_str()))
}

fn chat_path(chat: &str, rest: &str) -> String {
    format!("/open-apis/im/v1/chats/{}{rest}", seg(chat))
}

/// Turns an action into calls, in the order in which they must be made.
pub fn prepare(action: &Action, ids: UserIdType, urgent: Urgent) -> Result<Vec<Prepared>, RenderError> {
    match action {
        Action::Send { to, content } => send(to, content),
        Action::Reply {
            message, chat, content, ..
        } => reply(message, chat, content),
        Action::UpdateCard { card, context, content } => update(card, context.as_deref(), content).map(one),
        Action::Recall { message } => Call::new(Method::Delete, message_path(message, ""), Then::Gone)
            .prepared(api::RECALL, None, Some(REPEATABLE_MS))
            .map(one),
        Action::React { message, emoji } => {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if emoji.is_empty() || !emoji.chars().all(plain) {
                return Err(RenderError::Invalid(format!(
                    "{emoji:?} is not a Feishu emoji name such as THUMBSUP"
                )));
            }
            Call::new(Method::Post, message_path(message, "/reactions"), Then::Nothing)
                .body(json!({ "reaction_type": { "emoji_type": emoji } }))
                .prepared(api::REACTION, None, Some(REPEATABLE_MS))
                .map(one)
        }
        Action::CreateChat {
            name,
            owner,
            members,
            description,
        } => create_chat(name, owner, members, description.as_deref()).map(one),
        Action::RenameChat { chat, name } => Call::new(Method::Put, chat_path(chat.as_str(), ""), Then::Nothing)
            .query("user_id_type", ids.as_str())
            .body(json!({ "name": escape::printable(name) }))
            .prepared(api::CHAT, Some(chat.as_str()), Some(REPEATABLE_MS))
            .map(one),
        Action::SetOwner { chat, owner } => Call::new(Method::Put, chat_path(chat.as_str(), ""), Then::Nothing)
            .query("user_id_type", id_type(owner.as_str()))
            .body(json!({ "owner_id": owner.as_str() }))
            .prepared(api::CHAT, Some(chat.as_str()), Some(REPEATABLE_MS))
            .map(one),
        Action::AddMembers { chat, users } => by_type(users, MEMBERS_PER_CALL)
            .into_iter()
            .map(|(kind, list)| {
                add_members(chat.as_str(), kind, &list).prepared(api::MEMBERS, Some(chat.as_str()), Some(REPEATABLE_MS))
            })
            .collect(),
        Action::RemoveMembers { chat, users } => by_type(users, MEMBERS_PER_CALL)
            .into_iter()
            .map(|(kind, list)| {
                Call::new(Method::Delete, chat_path(chat.as_str(), "/members"), Then::Members)
                    .query("member_id_type", kind)
                    .body(json!({ "id_list": list }))
                    .prepared(api::MEMBERS, Some(chat.as_str()), Some(REPEATABLE_MS))
            })
            .collect(),
        Action::Disband { chat } => Call::new(Method::Delete, chat_path(chat.as_str(), ""), Then::Gone)
            .prepared(api::CHAT, Some(chat.as_str()), Some(REPEATABLE_MS))
            .map(one),
        Action::Upload { name, media_type, data } => upload(name, media_type, data).map(one),
        Action::Pin { message } => Call::new(Method::Post, "/open-apis/im/v1/pins".to_owned(), Then::Nothing)
            .body(json!({ "message_id": message.as_str() }))
            .prepared(api::PIN, Some(message.as_str()), Some(REPEATABLE_MS))
            .map(one),
        // A second call buzzes a second time, and there is no key.
        Action::Urgent { message, users } => by_type(users, URGENT_PER_CALL)
            .into_iter()
            .map(|(kind, list)| {
                Call::new(Method::Patch, message_path(message, urgent.path()), Then::Urgent)
                    .query("user_id_type", kind)
                    .body(json!({ "user_id_list": list }))
                    .prepared(api::URGENT, None, None)
            })
            .collect(),
        Action::Calendar { entry } => calendar(entry).map(one),
        Action::Readers { message } => Call::new(
            Method::Get,
            message_path(message, "/read_users"),
            Then::Ids {
                field: "user_id".to_owned(),
            },
        )
        .query("user_id_type", ids.as_str())
        .query("page_size", "100")
        .prepared(api::READERS, None, Some(REPEATABLE_MS))
        .map(one),
        Action::ListMembers { chat } => Call::new(
            Method::Get,
            chat_path(chat.as_str(), "/members"),
            Then::Ids {
                field: "member_id".to_owned(),
            },
        )
        .query("member_id_type", ids.as_str())
        .query("page_size", "100")
        .prepared(api::MEMBERS, Some(chat.as_str()), Some(REPEATABLE_MS))
        .map(one),
        Action::Unpin { message } => Call::new(
            Method::Delete,
            format!("/open-apis/im/v1/pins/{}", seg(message.as_str())),
            Then::Gone,
        )
        .prepared(api::PIN, Some(message.as_str()), Some(REPEATABLE_MS))
        .map(one),
        Action::Badge { badge, users, given } => {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            if badge.is_empty() || badge.len() > 64 || !badge.chars().all(plain) {
                return Err(RenderError::Invalid(format!(
                    "{badge:?} is not the id of a Feishu badge such as m_DjMzaK"
                )));
            }
            by_type(users, usize::MAX)
                .into_iter()
                .map(|(kind, users)| {
                    let then = Then::Badge { users, given: *given };
                    Call::new(
                        Method::Get,
                        format!("/open-apis/admin/v1/badges/{}/grants", seg(badge)),
                        then,
                    )
                    .query("user_id_type", kind)
                    .prepared(api::BADGE, Some(badge), Some(REPEATABLE_MS))
                })
                .collect()
        }
    }
}

/// A card takes the place of a card (`PATCH`), a text that of a text (`PUT`): the wrong verb is refused
/// with 230001 (feishu.md gotcha 21).
fn update(card: &MessageId, context: Option<&str>, content: &Message) -> Result<Prepared, RenderError> {
    let private = context == Some(PRIVATE);
    let whole = card::single(content, private)?;
    let mut parts = render::message(content, private)?;
    match parts.pop() {
        Some(part) if parts.is_empty() && matches!(part.msg_type, "text" | "post") => {
            Call::new(Method::Put, message_path(card, ""), Then::Edit { card: whole })
                .body(json!({ "msg_type": part.msg_type, "content": part.content }))
                .prepared(api::EDIT, Some(card.as_str()), Some(REPEATABLE_MS))
        }
        _ => Call::new(Method::Patch, message_path(card, ""), Then::Nothing)
            .body(json!({ "content": whole }))
            .mentioning(content)
            .prepared(api::CARD, Some(card.as_str()), Some(REPEATABLE_MS)),
    }
}

/// Everybody whom a message mentions, with the name that its writer knows.
fn names(content: &Message) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    let mut take = |inlines: &[Inline]| {
        for inline in inlines {
            if let Inline::Mention { user, name } = inline
                && !out.iter().any(|(id, _)| id == user.as_str())
            {
                out.push((user.as_str().to_owned(), name.clone()));
            }
        }
    };
    for block in &content.blocks {
        match block {
            Block::Paragraph(inlines) | Block::Quote(inlines) | Block::Note(inlines) => take(inlines),
            Block::List { items, .. } => items.iter().for_each(|i| take(i)),
            _ => {}
        }
    }
    out
}

fn one(prepared: Prepared) -> Vec<Prepared> {
    vec![prepared]
}

fn send(to: &Target, content: &Message) -> Result<Vec<Prepared>, RenderError> {
    let kind = match to {
        Target::Chat(_) => "chat_id",
        Target::User(user) => id_type(user.as_str()),
    };
    render::message(content, matches!(to, Target::User(_)))?
        .into_iter()
        .map(|part| {
            Call::new(Method::Post, "/open-apis/im/v1/messages".to_owned(), Then::Message)
                .query("receive_id_type", kind)
                .body(json!({ "receive_id": to.as_str(), "msg_type": part.msg_type, "content": part.content }))
                .key(KeyPlace::BodyUuid)
                .mentioning(content)
                .prepared(api::MESSAGE, Some(to.as_str()), Some(MESSAGE_KEY_MS))
        })
        .collect()
}

fn reply(message: &MessageId, chat: &ChatRef, content: &Message) -> Result<Vec<Prepared>, RenderError> {
    render::message(content, chat.kind == ChatKind::Direct)?
        .into_iter()
        .map(|part| {
            Call::new(Method::Post, message_path(message, "/reply"), Then::Message)
                .body(json!({ "msg_type": part.msg_type, "content": part.content }))
                .key(KeyPlace::BodyUuid)
                .mentioning(content)
                .prepared(api::MESSAGE, Some(chat.id.as_str()), Some(MESSAGE_KEY_MS))
        })
        .collect()
}

/// People in slices of at most `size`, never two kinds of id in one call.
fn by_type(users: &[UserId], size: usize) -> Vec<(&'static str, Vec<String>)> {
    let mut out = Vec::new();
    for kind in ["user_id", "open_id", "union_id"] {
        let mut seen = std::collections::HashSet::new();
        let list: Vec<String> = users
            .iter()
            .map(UserId::as_str)
            .filter(|id| id_type(id) == kind && seen.insert(*id))
            .map(str::to_owned)
            .collect();
        out.extend(list.chunks(size).map(|slice| (kind, slice.to_vec())));
    }
    out
}

/// `succeed_type=1`: adds whom it can and lists the rest.
pub fn add_members(chat: &str, kind: &str, list: &[String]) -> Call {
    Call::new(Method::Post, chat_path(chat, "/members"), Then::Members)
        .query("member_id_type", kind)
        .query("succeed_type", "1")
        .body(json!({ "id_list": list }))
}

fn create_chat(
    name: &str,
    owner: &UserId,
    members: &[UserId],
    description: Option<&str>,
) -> Result<Prepared, RenderError> {
    if members.len() > NEW_CHAT_MEMBERS {
        return Err(RenderError::NotPossible {
            app_kind: "feishu",
            action: "create_chat",
            why: format!("at most {NEW_CHAT_MEMBERS} people at once: create the group, then add the others"),
        });
    }
    // The owner is a member by being the owner; the first slice goes with the creation if its ids
    // are of the owner's kind.
    let kind = id_type(owner.as_str());
    let others: Vec<UserId> = members.iter().filter(|m| *m != owner).cloned().collect();
    let mut first = Vec::new();
    let mut more = Vec::new();
    for (slice_kind, list) in by_type(&others, MEMBERS_PER_CALL) {
        if slice_kind == kind && first.is_empty() {
            first = list;
        } else {
            more.push((slice_kind.to_owned(), list));
        }
    }
    let mut body = json!({
        "name": escape::printable(escape::cut(name, 180).0),
        "owner_id": owner.as_str(),
        "user_id_list": first,
        "chat_mode": "group",
        "chat_type": "private",
    });
    if let Some(description) = description {
        body["description"] = json!(escape::printable(escape::cut(description, 300).0));
    }
    Call::new(Method::Post, "/open-apis/im/v1/chats".to_owned(), Then::Chat { more })
        .query("user_id_type", kind)
        // The bot stays able to rename and to add members although a person owns the group.
        .query("set_bot_manager", "true")
        .body(body)
        .key(KeyPlace::QueryUuid)
        .prepared(api::CHAT, Some(owner.as_str()), Some(CHAT_KEY_MS))
}

fn upload(name: &str, media_type: &str, data: &str) -> Result<Prepared, RenderError> {
    let image = media_type.starts_with("image/");
    let limit = if image { IMAGE_BYTES } else { FILE_BYTES };
    // Base64: four characters for three bytes.
    let bytes = data.len() / 4 * 3;
    if bytes > limit {
        return Err(RenderError::TooLarge {
            what: if image { "an image" } else { "a file" },
            bytes,
            limit,
        });
    }
    if data.is_empty() {
        return Err(RenderError::Invalid("an empty file cannot be uploaded".to_owned()));
    }
    let path = if image {
        "/open-apis/im/v1/images"
    } else {
        "/open-apis/im/v1/files"
    };
    Call::new(Method::Post, path.to_owned(), Then::Upload { image })
        .body(json!({ "name": name, "data": data, "file_type": file_type(name) }))
        // A repeat leaves an unused file behind, nothing that anybody sees.
        .prepared(api::UPLOAD, None, Some(REPEATABLE_MS))
}

fn file_type(name: &str) -> &'static str {
    let ending = name
        .rsplit_once('.')
        .map(|(_, e)| e.to_ascii_lowercase())
        .unwrap_or_default();
    match ending.as_str() {
        "opus" => "opus",
        "mp4" => "mp4",
        "pdf" => "pdf",
        "doc" | "docx" => "doc",
        "xls" | "xlsx" => "xls",
        "ppt" | "pptx" => "ppt",
        _ => "stream",
    }
}

fn calendar(entry: &CalendarEntry) -> Result<Prepared, RenderError> {
    if entry.to < entry.from {
        return Err(RenderError::Invalid(
            "a calendar entry must not end before it begins".to_owned(),
        ));
    }
    if entry.attendees.len() > ATTENDEES_PER_CALL {
        return Err(RenderError::TooLarge {
            what: "the list of attendees",
            bytes: entry.attendees.len(),
            limit: ATTENDEES_PER_CALL,
        });
    }
    let kinds = by_type(&entry.attendees, ATTENDEES_PER_CALL);
    if kinds.len() > 1 {
        return Err(RenderError::Invalid(
            "attendees must all be named by the same kind of id".to_owned(),
        ));
    }
    let kind = kinds.first().map_or("open_id", |(kind, _)| kind);
    let attendees = kinds
        .iter()
        .flat_map(|(_, list)| list.iter().map(|id| json!({ "type": "user", "user_id": id })))
        .collect();
    let time = |at: hutong_model::Timestamp| json!({ "timestamp": at.secs().to_string(), "timezone": "Asia/Shanghai" });
    Call::new(
        Method::Post,
        "/open-apis/calendar/v4/calendars/primary".to_owned(),
        Then::Calendar { attendees },
    )
    .query("user_id_type", kind)
    .body(json!({
        "summary": escape::printable(escape::cut(&entry.title, 900).0),
        // Read as HTML by the platform.
        "description": escape::html(&escape::printable(escape::cut(&entry.description, 8000).0)),
        "need_notification": true,
        "start_time": time(entry.from),
        "end_time": time(entry.to),
        "vchat": { "vc_type": "no_meeting" },
    }))
    .key(KeyPlace::QueryIdempotencyKey)
    // The documentation gives no end of the key's life; as for messages.
    .prepared(api::CALENDAR, None, Some(MESSAGE_KEY_MS))
}

/// Adds the key where this call takes it.
pub fn with_key(call: &Call, key: &str) -> (Vec<(String, String)>, Option<Value>) {
    let mut query = call.query.clone();
    let mut body = call.body.clone();
    match call.key {
        KeyPlace::None => {}
        KeyPlace::BodyUuid => {
            if let Some(Value::Object(map)) = body.as_mut() {
                map.insert("uuid".to_owned(), Value::String(key.to_owned()));
            } else {
                body = Some(Value::Object(Map::from_iter([(
                    "uuid".to_owned(),
                    Value::String(key.to_owned()),
                )])));
            }
        }
        KeyPlace::QueryUuid => query.push(("uuid".to_owned(), key.to_owned())),
        KeyPlace::QueryIdempotencyKey => query.push(("idempotency_key".to_owned(), key.to_owned())),
    }
    (query, body)
}
