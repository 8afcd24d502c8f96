//! From the wire to the common language. Pure: no clock, no network, no state.
//!
//! Two sources: the decrypted XML of an app (documents 90239, 90240, 90970) and the decrypted JSON
//! of an AI bot (documents 100719, 101027). What is valid and of no interest becomes
//! [`Body::Other`] and is still acknowledged.

use std::collections::BTreeMap;
use std::time::Duration;

use hutong_model::{
    Attachment, AttachmentKind, Body, CardClick, ChatId, ChatKind, ChatRef, DepartmentId, DepartmentRecord, Incoming,
    Mention, MessageEvent, MessageId, PersonRecord, Rejection, Segment, Sender, SenderKind, Timestamp, UserId,
};
use sha2::{Digest, Sha256};

use crate::media::handle;
use crate::wire::{BotCallback, BotCardEvent, BotContent, BotMedia, BotSelectedItems, Element, ReplyContext};

/// The lane of everything about people and departments.
pub const DIRECTORY: &str = "directory";
/// The id of the option that stands for "nothing chosen" in a selection card; never an answer.
pub const NOTHING_CHOSEN: &str = "__none";
/// A response URL works for one hour (document 101138).
const RESPONSE_URL_LIFE: Duration = Duration::from_secs(3600);
/// A response code works for 72 hours (document 94888).
const RESPONSE_CODE_LIFE: Duration = Duration::from_secs(72 * 3600);

fn bad<E>(_: E) -> Rejection {
    Rejection::Malformed
}

fn direct(user: &UserId) -> Option<ChatRef> {
    Some(ChatRef {
        id: ChatId::new(user.as_str()).ok()?,
        kind: ChatKind::Direct,
        name: None,
    })
}

/// The card of a click: all that a click names is the `task_id`, which is the idempotency key of the
/// effect that sent the card. See [`crate::api::CardHandle`].
fn card_of(task_id: &str) -> Option<MessageId> {
    MessageId::new(format!("{task_id}!"))
        .ok()
        .filter(|_| !task_id.is_empty())
}

/// Translates one decrypted app callback.
pub fn app(xml: &Element) -> Result<Incoming, Rejection> {
    let seconds: i64 = xml.only("CreateTime")?.trim().parse().map_err(bad)?;
    let at = Timestamp::from_secs(seconds);
    let from = xml.only("FromUserName")?;
    match xml.only("MsgType")? {
        "event" => app_event(xml, from, at),
        kind => app_message(xml, kind, from, at),
    }
}

fn app_message(xml: &Element, kind: &str, from: &str, at: Timestamp) -> Result<Incoming, Rejection> {
    let user = UserId::new(from).map_err(bad)?;
    let id = xml.only("MsgId")?;
    let media = |kind, tag: &str, name: Option<&str>| -> Result<Vec<Attachment>, Rejection> {
        Ok(vec![Attachment {
            kind,
            name: name.map(str::to_owned),
            bytes: None,
            handle: format!("media:{}", xml.get(tag).ok_or(Rejection::Malformed)?),
        }])
    };
    let (content, attachments) = match kind {
        "text" => (segments(xml.child("Content").map_or("", |c| &c.text)), vec![]),
        "image" => (vec![], media(AttachmentKind::Image, "MediaId", None)?),
        "voice" => (vec![], media(AttachmentKind::Audio, "MediaId", None)?),
        "video" => (vec![], media(AttachmentKind::Video, "MediaId", None)?),
        // Not documented for apps; accepted when it comes, never promised.
        "file" => (vec![], media(AttachmentKind::File, "MediaId", xml.get("FileName"))?),
        "location" => (
            vec![],
            vec![Attachment {
                kind: AttachmentKind::Location,
                name: xml.get("Label").map(str::to_owned),
                bytes: None,
                handle: format!("{},{}", xml.only("Location_X")?, xml.only("Location_Y")?),
            }],
        ),
        "link" => (
            vec![Segment::Link {
                label: xml.get("Title").unwrap_or_default().to_owned(),
                url: xml.get("Url").unwrap_or_default().to_owned(),
            }],
            vec![],
        ),
        other => return Ok(ignored(xml, other, format!("user:{from}"), at)),
    };
    let chat = direct(&user).ok_or(Rejection::Malformed)?;
    Ok(Incoming {
        key: id.to_owned(),
        lane: format!("user:{user}"),
        occurred_at: at,
        body: message(
            MessageId::new(id).map_err(bad)?,
            chat,
            user,
            SenderKind::Person,
            content,
            attachments,
            None,
        ),
    })
}

fn message(
    id: MessageId,
    chat: ChatRef,
    user: UserId,
    kind: SenderKind,
    content: Vec<Segment>,
    attachments: Vec<Attachment>,
    reply_context: Option<String>,
) -> Body {
    // `@所有人` is nobody's name.
    let mut mentions_all = false;
    let content = content
        .into_iter()
        .map(|segment| match segment {
            Segment::Mention(Mention { name: Some(name), .. }) if matches!(name.as_str(), "所有人" | "all") => {
                mentions_all = true;
                Segment::Text(format!("@{name}"))
            }
            other => other,
        })
        .collect();
    Body::Message(Box::new(MessageEvent {
        message: id,
        chat,
        sender: Sender {
            user: Some(user),
            name: None,
            kind,
        },
        content,
        attachments,
        reply_to: None,
        thread: None,
        // The platform delivers nothing else: private chats, and groups where the bot is mentioned.
        addressed: true,
        mentions_all,
        reply_context,
    }))
}

fn app_event(xml: &Element, from: &str, at: Timestamp) -> Result<Incoming, Rejection> {
    let event = xml.only("Event")?;
    let user = UserId::new(from);
    let person = |left| -> Result<(String, Body), Rejection> {
        let user = user.clone().map_err(bad)?;
        Ok((
            DIRECTORY.to_owned(),
            Body::Person {
                user,
                record: None,
                left,
            },
        ))
    };
    let (lane, body) = match event {
        // In or out of the app's visible range: the only join and leave that an ordinary app hears.
        "subscribe" => person(false)?,
        "unsubscribe" => person(true)?,
        "enter_agent" => {
            let user = user.clone().map_err(bad)?;
            let chat = direct(&user).map(|c| c.id);
            (format!("user:{user}"), Body::ChatEntered { user, chat })
        }
        "click" => {
            let user = user.clone().map_err(bad)?;
            let key = xml.get("EventKey").unwrap_or_default().to_owned();
            (format!("user:{user}"), Body::Menu { user, key })
        }
        "template_card_event" | "template_card_menu_event" => {
            let user = user.clone().map_err(bad)?;
            let context = xml.get("ResponseCode").map(|code| ReplyContext {
                url: None,
                code: Some(code.to_owned()),
                user: Some(user.to_string()),
                until: (at + RESPONSE_CODE_LIFE).millis(),
            });
            let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for item in xml
                .child("SelectedItems")
                .into_iter()
                .flat_map(|items| items.children_named("SelectedItem"))
            {
                let options = item
                    .child("OptionIds")
                    .into_iter()
                    .flat_map(|ids| ids.children_named("OptionId"))
                    .map(|id| id.text.clone());
                choose(&mut values, item.get("QuestionKey").unwrap_or_default(), options);
            }
            let click = CardClick {
                chat: direct(&user),
                card: card_of(xml.get("TaskId").unwrap_or_default()),
                action: xml.get("EventKey").unwrap_or_default().to_owned(),
                values,
                reply_context: context.as_ref().map(context_text),
                user,
            };
            (format!("user:{}", click.user), Body::Click(Box::new(click)))
        }
        "change_contact" => (DIRECTORY.to_owned(), contact(xml)?),
        other => {
            let lane = match &user {
                Ok(user) if from != "sys" => format!("user:{user}"),
                _ => DIRECTORY.to_owned(),
            };
            return Ok(ignored(xml, other, lane, at));
        }
    };
    Ok(Incoming {
        key: event_key(event, xml),
        lane,
        occurred_at: at,
        body,
    })
}

fn contact(xml: &Element) -> Result<Body, Rejection> {
    let change = xml.only("ChangeType")?;
    let user = || UserId::new(xml.only("UserID")?).map_err(bad);
    let department = |tag| DepartmentId::new(xml.only(tag)?).map_err(bad);
    Ok(match change {
        // A changed id (allowed once per member) arrives under the new id; the directory then names
        // the person anew.
        "create_user" | "update_user" => {
            let user = match xml.get("NewUserID") {
                Some(new) => UserId::new(new).map_err(bad)?,
                None => user()?,
            };
            // Only integrations older than 2022-08-15 are told names.
            let record = xml.get("Name").map(|name| Box::new(full_record(xml, &user, name)));
            Body::Person {
                user,
                record,
                left: false,
            }
        }
        "delete_user" => Body::Person {
            user: user()?,
            record: None,
            left: true,
        },
        "create_party" | "update_party" => {
            let id = department("Id")?;
            let record = xml.get("Name").map(|name| DepartmentRecord {
                id: id.clone(),
                parent: xml
                    .get("ParentId")
                    .and_then(|p| DepartmentId::new(p).ok())
                    .filter(|p| p.as_str() != "0"),
                name: name.to_owned(),
                leader: None,
            });
            Body::Department {
                id,
                record,
                removed: false,
            }
        }
        "delete_party" => Body::Department {
            id: department("Id")?,
            record: None,
            removed: true,
        },
        other => Body::Other {
            name: format!("change_contact.{}", short(other)),
        },
    })
}

fn full_record(xml: &Element, user: &UserId, name: &str) -> PersonRecord {
    PersonRecord {
        email: xml.get("BizMail").or(xml.get("Email")).map(str::to_owned),
        mobile: xml.get("Mobile").map(str::to_owned),
        departments: xml
            .get("Department")
            .unwrap_or_default()
            .split(',')
            .filter_map(|id| DepartmentId::new(id.trim()).ok())
            .collect(),
        leader: xml
            .get("DirectLeader")
            .and_then(|ids| ids.split(',').next())
            .and_then(|id| UserId::new(id).ok()),
        title: xml.get("Position").map(str::to_owned),
        active: matches!(xml.get("Status"), None | Some("1" | "4")),
        ..PersonRecord::new(user.clone(), name)
    }
}

fn ignored(xml: &Element, name: &str, lane: String, at: Timestamp) -> Incoming {
    let key = match xml.get("MsgId") {
        Some(id) => id.to_owned(),
        None => event_key(name, xml),
    };
    let name = match xml.get("ChangeType") {
        Some(change) => format!("{}.{}", short(name), short(change)),
        None => short(name),
    };
    Incoming {
        key,
        lane,
        occurred_at: at,
        body: Body::Other { name },
    }
}

fn short(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
        .take(48)
        .collect()
}

/// Events carry no id. The documented key is sender and time; several different events of one
/// second (contact changes all come from `sys`) need the rest of the content as well. The response
/// code is left out: whether a repeat carries the same one is not documented.
fn event_key(event: &str, xml: &Element) -> String {
    let mut leaves = Vec::new();
    xml.leaves("", &mut leaves);
    let mut hash = Sha256::new();
    for (path, text) in leaves.iter().filter(|(path, _)| !path.ends_with("/ResponseCode")) {
        hash.update(path.as_bytes());
        hash.update([0]);
        hash.update(text.as_bytes());
        hash.update([1]);
    }
    let digest = hash.finalize();
    format!("{}:{}", short(event), hex::encode(&digest[..16]))
}

fn choose(values: &mut BTreeMap<String, Vec<String>>, question: &str, options: impl Iterator<Item = String>) {
    let chosen: Vec<String> = options.filter(|id| id != NOTHING_CHOSEN && !id.is_empty()).collect();
    if !question.is_empty() && !chosen.is_empty() {
        values.entry(question.to_owned()).or_default().extend(chosen);
    }
}

fn context_text(context: &ReplyContext) -> String {
    serde_json::to_string(context).unwrap_or_default()
}

/// Who the AI bot is, as the configuration says.
#[derive(Debug, Clone, Copy)]
pub struct BotSelf<'a> {
    /// The name that stands behind `@` in a group.
    pub name: &'a str,
    /// Its `aibotid`, when configured.
    pub id: Option<&'a str>,
}

/// Translates one decrypted AI-bot callback. `sent` is the time in the request's query, for
/// messages, which carry none of their own.
pub fn bot(callback: &BotCallback, bot: BotSelf<'_>, sent: Timestamp) -> Result<Incoming, Rejection> {
    if let (Some(expected), Some(actual)) = (bot.id, callback.aibotid.as_deref())
        && expected != actual
    {
        return Err(Rejection::WrongApp);
    }
    let at = callback.create_time.map_or(sent, Timestamp::from_secs);
    let incoming = |lane, body| Incoming {
        key: callback.msgid.clone(),
        lane,
        occurred_at: at,
        body,
    };
    let Some(from) = &callback.from else {
        let name = match callback.event.as_ref().and_then(|e| e.get("eventtype")) {
            Some(serde_json::Value::String(name)) => short(name),
            _ => short(&callback.msgtype),
        };
        return Ok(incoming(DIRECTORY.to_owned(), Body::Other { name }));
    };
    let user = UserId::new(from.userid.as_str()).map_err(bad)?;
    let chat = match callback
        .chatid
        .as_deref()
        .filter(|_| callback.chattype.as_deref() != Some("single"))
    {
        Some(id) => ChatRef {
            id: ChatId::new(id).map_err(bad)?,
            kind: ChatKind::Group,
            name: None,
        },
        None => direct(&user).ok_or(Rejection::Malformed)?,
    };
    let lane = match chat.kind {
        ChatKind::Group => format!("chat:{}", chat.id),
        ChatKind::Direct => format!("user:{user}"),
    };
    let context = callback.response_url.as_ref().map(|url| {
        context_text(&ReplyContext {
            url: Some(url.clone()),
            code: None,
            user: None,
            until: (at + RESPONSE_URL_LIFE).millis(),
        })
    });
    if callback.msgtype == "event" {
        let body = bot_event(callback, user, chat, context)?;
        return Ok(incoming(lane, body));
    }
    let group = chat.kind == ChatKind::Group;
    let Some((content, mut attachments)) = bot_content(&callback.msgtype, &callback.content, group.then_some(bot.name))
    else {
        let name = short(&callback.msgtype);
        return Ok(incoming(lane, Body::Other { name }));
    };
    if let Some(quote) = &callback.quote {
        attachments.extend(quoted(&quote.msgtype, &quote.content));
    }
    let kind = match from.corpid {
        Some(_) => SenderKind::External,
        None => SenderKind::Person,
    };
    let id = MessageId::new(callback.msgid.as_str()).map_err(bad)?;
    Ok(incoming(
        lane,
        message(id, chat, user, kind, content, attachments, context),
    ))
}

fn bot_event(callback: &BotCallback, user: UserId, chat: ChatRef, context: Option<String>) -> Result<Body, Rejection> {
    let event = callback.event.as_ref().ok_or(Rejection::Malformed)?;
    let name = event
        .get("eventtype")
        .and_then(|t| t.as_str())
        .ok_or(Rejection::Malformed)?;
    let detail = event.get(name);
    Ok(match name {
        "enter_chat" => Body::ChatEntered {
            user,
            chat: Some(chat.id),
        },
        "template_card_event" => {
            let card: BotCardEvent = detail
                .and_then(BotCardEvent::deserialize_from)
                .ok_or(Rejection::Malformed)?;
            Body::Click(Box::new(CardClick {
                user,
                chat: Some(chat),
                card: card_of(&card.task_id),
                action: card.event_key,
                values: selected(card.selected_items),
                reply_context: context,
            }))
        }
        // Thumbs under an answer: 1 like, 2 dislike, 3 taken back. Only arrives for messages that
        // were sent with a feedback id.
        "feedback_event" => {
            let id = detail.and_then(|d| d.get("id")).and_then(|id| id.as_str());
            let kind = detail.and_then(|d| d.get("type")).and_then(serde_json::Value::as_i64);
            match (id.and_then(|id| MessageId::new(id).ok()), kind) {
                (Some(message), Some(kind @ 1..=3)) => Body::Reaction {
                    message,
                    chat: Some(chat),
                    user,
                    emoji: match kind {
                        1 => "like",
                        2 => "dislike",
                        _ => "feedback",
                    }
                    .to_owned(),
                    added: kind != 3,
                },
                _ => Body::Other {
                    name: "feedback_event".to_owned(),
                },
            }
        }
        other => Body::Other { name: short(other) },
    })
}

impl BotCardEvent {
    fn deserialize_from(value: &serde_json::Value) -> Option<Self> {
        serde::Deserialize::deserialize(value).ok()
    }
}

fn selected(items: Option<BotSelectedItems>) -> BTreeMap<String, Vec<String>> {
    let mut values = BTreeMap::new();
    for item in items.map(|i| i.selected_item).unwrap_or_default() {
        let options = item.option_ids.map(|o| o.option_id).unwrap_or_default();
        choose(&mut values, &item.question_key, options.into_iter());
    }
    values
}

fn bot_content(kind: &str, content: &BotContent, strip: Option<&str>) -> Option<(Vec<Segment>, Vec<Attachment>)> {
    let text = |text: &str| match strip {
        Some(name) => segments(&without_mention(text, name)),
        None => segments(text),
    };
    let file = |kind, media: &BotMedia| Attachment {
        kind,
        name: None,
        bytes: None,
        handle: handle(&media.url, media.aeskey.as_deref()),
    };
    Some(match kind {
        "text" => (text(&content.text.as_ref()?.content), vec![]),
        // The platform has recognised the words; there is no sound to fetch.
        "voice" => (text(&content.voice.as_ref()?.content), vec![]),
        "image" => (vec![], vec![file(AttachmentKind::Image, content.image.as_ref()?)]),
        "file" => (vec![], vec![file(AttachmentKind::File, content.file.as_ref()?)]),
        "video" => (vec![], vec![file(AttachmentKind::Video, content.video.as_ref()?)]),
        "mixed" => {
            let (mut words, mut files) = (Vec::new(), Vec::new());
            for item in &content.mixed.as_ref()?.msg_item {
                if let Some(t) = &item.text {
                    if !words.is_empty() {
                        words.push(Segment::Break);
                    }
                    words.extend(text(&t.content));
                }
                if let Some(image) = &item.image {
                    files.push(file(AttachmentKind::Image, image));
                }
            }
            (words, files)
        }
        _ => return None,
    })
}

/// A quoted message has neither author nor id: only its content is known. Its words become the
/// handle of a `Forwarded` attachment.
fn quoted(kind: &str, content: &BotContent) -> Vec<Attachment> {
    let Some((words, mut files)) = bot_content(kind, content, None) else {
        return vec![];
    };
    let words: String = words
        .iter()
        .map(|s| match s {
            Segment::Text(t) | Segment::Code(t) => t.clone(),
            // A mention in typed text always has its name; one that has none shows nothing, as in a message.
            Segment::Mention(m) => m.name.as_deref().map(|name| format!("@{name}")).unwrap_or_default(),
            Segment::Break => "\n".to_owned(),
            Segment::Link { label, url } => {
                if label.is_empty() {
                    url.clone()
                } else {
                    label.clone()
                }
            }
            Segment::Emoji(name) => format!("[{name}]"),
        })
        .collect();
    for file in &mut files {
        file.name = Some("quote".to_owned());
    }
    if !words.is_empty() {
        files.insert(
            0,
            Attachment {
                kind: AttachmentKind::Forwarded,
                name: Some("quote".to_owned()),
                bytes: None,
                handle: words,
            },
        );
    }
    files
}

/// Takes the mention of the robot out. Its display name may contain spaces, so the configured name
/// decides; when it is nowhere, everything up to the first `/` of a text that begins with `@` is it.
fn without_mention(text: &str, name: &str) -> String {
    let mention = format!("@{name}");
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut found = false;
    while let Some(at) = rest.find(&mention) {
        let (before, after) = rest.split_at(at);
        let after = &after[mention.len()..];
        // `@Robot` is not the beginning of `@RobotTwo`.
        if after.chars().next().is_none_or(ends_name) {
            out.push_str(before);
            rest = after.strip_prefix(|c: char| c.is_whitespace()).unwrap_or(after);
            found = true;
        } else {
            out.push_str(before);
            out.push_str(&mention);
            rest = after;
        }
    }
    out.push_str(rest);
    if !found
        && out.trim_start().starts_with('@')
        && let Some(slash) = out.find('/')
    {
        out.drain(..slash);
    }
    out.trim().to_owned()
}

/// Where a name behind `@` ends.
fn ends_name(c: char) -> bool {
    c.is_whitespace()
        || (c.is_ascii_punctuation() && !matches!(c, '_' | '-' | '.'))
        || matches!(
            c,
            '，' | '。'
                | '！'
                | '？'
                | '、'
                | '；'
                | '：'
                | '（'
                | '）'
                | '“'
                | '”'
                | '《'
                | '》'
                | '【'
                | '】'
                | '…'
        )
}

/// Splits typed text: lines, `@name` (the platform gives no id), and code between backquotes.
pub fn segments(text: &str) -> Vec<Segment> {
    let mut out = Vec::new();
    for (i, line) in text.replace("\r\n", "\n").split('\n').enumerate() {
        if i > 0 {
            out.push(Segment::Break);
        }
        let mut rest = line;
        while let Some(open) = rest.find('`') {
            let inner = &rest[open + 1..];
            let Some(close) = inner.find('`').filter(|n| *n > 0) else {
                break;
            };
            names(&rest[..open], &mut out);
            out.push(Segment::Code(inner[..close].to_owned()));
            rest = &inner[close + 1..];
        }
        names(rest, &mut out);
    }
    out
}

fn names(text: &str, out: &mut Vec<Segment>) {
    let mut plain = String::new();
    let mut before: Option<char> = None;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let tail = &rest[c.len_utf8()..];
        let end = tail.find(ends_name).unwrap_or(tail.len());
        // An address like a@b.c is no mention.
        if c == '@' && end > 0 && before.is_none_or(|b| !b.is_ascii() || ends_name(b)) {
            if !plain.is_empty() {
                out.push(Segment::Text(std::mem::take(&mut plain)));
            }
            let name = &tail[..end];
            out.push(Segment::Mention(Mention {
                user: None,
                name: Some(name.to_owned()),
                bot: false,
            }));
            before = name.chars().last();
            rest = &tail[end..];
        } else {
            plain.push(c);
            before = Some(c);
            rest = tail;
        }
    }
    if !plain.is_empty() {
        out.push(Segment::Text(plain));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_robot_is_taken_out_and_nobody_else() {
        let cases = [
            ("@运营 助手 /积分 @王五 +5", "运营 助手", "/积分 @王五 +5"),
            ("谢谢 @小胡", "小胡", "谢谢"),
            ("@小胡同学 你好 @小胡 /help", "小胡", "@小胡同学 你好 /help"),
            ("@Renamed Bot /help", "小胡", "/help"),
            ("@王五 你好", "小胡", "@王五 你好"),
        ];
        for (text, name, expected) in cases {
            assert_eq!(without_mention(text, name), expected, "{text}");
        }
    }

    #[test]
    fn names_and_code_are_recognised() {
        let mention = |n: &str| {
            Segment::Mention(Mention {
                user: None,
                name: Some(n.to_owned()),
                bot: false,
            })
        };
        assert_eq!(
            segments("感谢 @陈晨，还有`@x /y`\nto a@b.c"),
            vec![
                Segment::Text("感谢 ".into()),
                mention("陈晨"),
                Segment::Text("，还有".into()),
                Segment::Code("@x /y".into()),
                Segment::Break,
                Segment::Text("to a@b.c".into()),
            ]
        );
        assert_eq!(segments("@"), vec![Segment::Text("@".into())]);
        assert_eq!(segments("``"), vec![Segment::Text("``".into())]);
    }
}
