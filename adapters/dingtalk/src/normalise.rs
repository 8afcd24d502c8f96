//! The platform's words into ours. Pure: the same bytes give the same events.
//!
//! Choices that the protocol leaves open (`protocols/dingtalk.md`, 3 and 5):
//! - A mention is who stands in `atUsers`, never a name in the text. With exactly one mention and one
//!   `@name` in the text the two belong together; with several the order is not promised, so the
//!   names stay text and the people follow at the end.
//! - Somebody of another company is [`SenderKind::External`] without a user id, whatever id the
//!   message carries: it belongs to their directory, not to ours.
//! - Events with a list of people become one event each, `{event id}/{index}`.

use std::collections::BTreeMap;

use hutong_model::{
    Attachment, AttachmentKind, Body, CardClick, ChatChange, ChatId, ChatKind, ChatRef, DepartmentId, Incoming,
    Mention, MessageEvent, MessageId, Rejection, Segment, Sender, SenderKind, Timestamp, UserId,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::config::Config;
use crate::ids::SentId;
use crate::wire::{self, CardCallback, EventPush, RobotMessage};

/// What a message's `reply_context` holds: how to answer exactly this message.
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct ReplyContext {
    /// The session webhook. It is the credential itself: never logged.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// When it ends, ms.
    #[serde(rename = "e", default)]
    pub expires: i64,
    /// Who wrote: the only way to answer in a private chat later.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
}

impl std::fmt::Debug for ReplyContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReplyContext")
            .field("webhook", &self.webhook.as_ref().map(|_| "****"))
            .field("expires", &self.expires)
            .field("user", &self.user)
            .finish()
    }
}

fn id<T, E>(text: Option<String>, make: fn(String) -> Result<T, E>) -> Option<T> {
    text.filter(|t| !t.is_empty()).and_then(|t| make(t).ok())
}

/// A robot message (text, richText, picture, audio, video, file, or a notice).
pub fn robot(config: &Config, body: &[u8], now: Timestamp) -> Result<Incoming, Rejection> {
    let message: RobotMessage = serde_json::from_slice(body).map_err(|_| Rejection::Malformed)?;
    if message.chatbot_corp_id.as_deref().is_some_and(|c| c != config.corp_id) {
        return Err(Rejection::WrongApp);
    }
    let ours = |code: &str| code.is_empty() || code == config.robot_code || code == config.client_id;
    if message.robot_code.as_deref().is_some_and(|c| !ours(c)) {
        return Err(Rejection::WrongApp);
    }
    let conversation: ChatId = id(message.conversation_id.clone(), ChatId::new).ok_or(Rejection::Malformed)?;
    let message_id: MessageId = id(message.msg_id.clone(), MessageId::new).ok_or(Rejection::Malformed)?;
    let kind = match message.conversation_type.as_ref().and_then(wire::scalar).as_deref() {
        Some("1") => ChatKind::Direct,
        Some("2") => ChatKind::Group,
        _ => return Err(Rejection::Malformed),
    };
    let external = message
        .sender_corp_id
        .as_deref()
        .is_some_and(|c| !c.is_empty() && c != config.corp_id);
    let user = if external {
        None
    } else {
        id(message.sender_staff_id.clone(), UserId::new)
    };
    let lane = match (&user, kind) {
        (Some(user), ChatKind::Direct) => format!("user:{user}"),
        _ => format!("chat:{conversation}"),
    };
    let occurred_at = message.create_at.as_ref().and_then(wire::number).map_or(now, Timestamp);
    let incoming = |body| Incoming {
        key: message_id.as_str().to_owned(),
        lane: lane.clone(),
        occurred_at,
        body,
    };
    if message.error_code.as_ref().and_then(wire::scalar).is_some() {
        // The month's quota of pushes is used up: a notice without the text.
        return Ok(incoming(Body::Other {
            name: "robot_over_quota".into(),
        }));
    }
    let (content, attachments) = content(config, &message);
    let webhook = message.session_webhook.clone().filter(|w| config.webhook(w).is_some());
    let context = ReplyContext {
        webhook,
        expires: message
            .session_webhook_expired_time
            .as_ref()
            .and_then(wire::number)
            .unwrap_or(0),
        user: user.clone(),
    };
    let quoted = message
        .text
        .as_ref()
        .and_then(|t| t.replied_msg.as_ref())
        .and_then(|r| r.msg_id.clone())
        .or_else(|| message.original_msg_id.clone());
    Ok(incoming(Body::Message(Box::new(MessageEvent {
        message: message_id.clone(),
        chat: ChatRef {
            id: conversation.clone(),
            kind,
            name: message.conversation_title.clone().filter(|t| !t.is_empty()),
        },
        sender: Sender {
            // Without a staff id: another company, or our own app is not published yet.
            kind: if external {
                SenderKind::External
            } else {
                SenderKind::Person
            },
            user,
            name: message.sender_nick.clone().filter(|n| !n.is_empty()),
        },
        content,
        attachments,
        reply_to: id(quoted, MessageId::new),
        thread: None,
        // The platform delivers nothing else.
        addressed: kind == ChatKind::Direct || message.is_in_at_list.unwrap_or(true),
        mentions_all: false,
        reply_context: serde_json::to_string(&context).ok(),
    }))))
}

fn content(config: &Config, message: &RobotMessage) -> (Vec<Segment>, Vec<Attachment>) {
    let part = |key: &str| message.content.as_ref().and_then(|c| c.get(key)).and_then(wire::scalar);
    let attachment = |kind, name: Option<String>| Attachment {
        kind,
        name,
        bytes: None,
        handle: part("downloadCode").unwrap_or_default(),
    };
    let mut segments = Vec::new();
    let mut attachments = Vec::new();
    match message.msgtype.as_deref().unwrap_or_default() {
        "text" => {
            let text = message.text.as_ref().and_then(|t| t.content.as_deref()).unwrap_or("");
            segments = read_text(text.trim());
        }
        "richText" => {
            let parts = message
                .content
                .as_ref()
                .and_then(|c| c.get("richText"))
                .and_then(Value::as_array);
            for (index, piece) in parts.into_iter().flatten().enumerate() {
                if let Some(text) = piece.get("text").and_then(Value::as_str) {
                    // Here, unlike in plain text, the mention of the robot stays.
                    if !(index == 0 && mentions_robot(config, message, text)) {
                        segments.extend(read_text(text));
                    }
                } else if piece.get("type").and_then(Value::as_str) == Some("picture") {
                    let code = piece.get("downloadCode").or_else(|| piece.get("pictureDownloadCode"));
                    attachments.push(Attachment {
                        kind: AttachmentKind::Image,
                        name: None,
                        bytes: None,
                        handle: code.and_then(wire::scalar).unwrap_or_default(),
                    });
                }
            }
        }
        "picture" => attachments.push(attachment(AttachmentKind::Image, None)),
        "audio" => {
            attachments.push(attachment(AttachmentKind::Audio, None));
            if let Some(heard) = part("recognition") {
                segments.push(Segment::Text(heard));
            }
        }
        "video" => attachments.push(attachment(AttachmentKind::Video, None)),
        "file" => attachments.push(attachment(AttachmentKind::File, part("fileName"))),
        // Stickers, cards, anything newer.
        _ => attachments.push(attachment(AttachmentKind::Other, None)),
    }
    place_mentions(message, &mut segments);
    (segments, attachments)
}

/// A first part that is nothing but `@name`, in a message that mentions the robot.
fn mentions_robot(config: &Config, message: &RobotMessage, text: &str) -> bool {
    let robot = message.chatbot_user_id.as_deref();
    let mentioned = message
        .at_users
        .iter()
        .flatten()
        .any(|u| robot.is_some() && u.dingtalk_id.as_deref() == robot);
    let Some(name) = text.trim().strip_prefix('@') else {
        return false;
    };
    match &config.robot_name {
        Some(known) => name == known,
        None => mentioned && !name.is_empty() && !name.contains(char::is_whitespace),
    }
}

fn place_mentions(message: &RobotMessage, segments: &mut Vec<Segment>) {
    let robot = message.chatbot_user_id.as_deref();
    let others: Vec<Option<UserId>> = message
        .at_users
        .iter()
        .flatten()
        .filter(|u| robot.is_none() || u.dingtalk_id.as_deref() != robot)
        .map(|u| id(u.staff_id.clone(), UserId::new))
        .collect();
    let tokens: Vec<(usize, usize, usize)> = segments
        .iter()
        .enumerate()
        .flat_map(|(at, segment)| match segment {
            Segment::Text(text) => at_tokens(text).into_iter().map(|(a, b)| (at, a, b)).collect(),
            _ => Vec::new(),
        })
        .collect();
    if let ([user], [(at, from, to)]) = (others.as_slice(), tokens.as_slice())
        && let Some(Segment::Text(text)) = segments.get(*at).cloned()
        && let (Some(before), Some(name), Some(after)) = (text.get(..*from), text.get(from + 1..*to), text.get(*to..))
    {
        let mut placed = Vec::new();
        if !before.is_empty() {
            placed.push(Segment::Text(before.to_owned()));
        }
        placed.push(Segment::Mention(Mention {
            user: user.clone(),
            name: Some(name.to_owned()),
            bot: false,
        }));
        if !after.is_empty() {
            placed.push(Segment::Text(after.to_owned()));
        }
        segments.splice(at..=at, placed);
        return;
    }
    segments.extend(others.into_iter().map(|user| {
        Segment::Mention(Mention {
            user,
            name: None,
            bot: false,
        })
    }));
}

/// Byte ranges of `@name`, where the name ends at a blank.
fn at_tokens(text: &str) -> Vec<(usize, usize)> {
    text.match_indices('@')
        .filter_map(|(from, _)| {
            let rest = text.get(from + 1..)?;
            let length = rest.find(|c: char| c.is_whitespace() || c == '@').unwrap_or(rest.len());
            // An address like a@b is not a mention.
            let free = text
                .get(..from)?
                .chars()
                .next_back()
                .is_none_or(|c| !c.is_ascii_alphanumeric());
            (length > 0 && free).then_some((from, from + 1 + length))
        })
        .collect()
}

/// Text as typed: lines, `code` between backquotes, and http addresses.
fn read_text(text: &str) -> Vec<Segment> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('`') {
        let fence = if rest.get(start..).is_some_and(|r| r.starts_with("```")) {
            "```"
        } else {
            "`"
        };
        let after = rest.get(start + fence.len()..).unwrap_or("");
        let Some(end) = after.find(fence) else { break };
        plain(rest.get(..start).unwrap_or(""), &mut out);
        if let Some(code) = after.get(..end).filter(|c| !c.is_empty()) {
            out.push(Segment::Code(code.to_owned()));
        }
        rest = after.get(end + fence.len()..).unwrap_or("");
    }
    plain(rest, &mut out);
    out
}

fn plain(text: &str, out: &mut Vec<Segment>) {
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            out.push(Segment::Break);
        }
        let mut rest = line.trim_end_matches('\r');
        while let Some(start) = [rest.find("http://"), rest.find("https://")]
            .into_iter()
            .flatten()
            .min()
        {
            let (before, tail) = rest.split_at(start);
            let end = tail
                .find(|c: char| c.is_whitespace() || !c.is_ascii() || matches!(c, '"' | '<' | '>' | ')'))
                .unwrap_or(tail.len());
            let (url, after) = tail.split_at(end);
            if !before.is_empty() {
                out.push(Segment::Text(before.to_owned()));
            }
            out.push(Segment::Link {
                label: String::new(),
                url: url.to_owned(),
            });
            rest = after;
        }
        if !rest.is_empty() {
            out.push(Segment::Text(rest.to_owned()));
        }
    }
}

/// What a decrypted push is.
#[derive(Debug, PartialEq)]
pub enum Push {
    CheckUrl,
    Events(Vec<Incoming>),
}

/// An event push after decryption.
pub fn event(config: &Config, plain: &[u8], now: Timestamp) -> Result<Push, Rejection> {
    let push = EventPush::parse(plain).ok_or(Rejection::Malformed)?;
    let name = push.text("EventType").ok_or(Rejection::Malformed)?;
    if name == "check_url" {
        return Ok(Push::CheckUrl);
    }
    if push.exact("CorpId").is_some_and(|c| c != config.corp_id) {
        return Err(Rejection::WrongApp);
    }
    let key = push
        .text("eventId")
        .or_else(|| push.text("BizId"))
        .unwrap_or_else(|| hex::encode(Sha256::digest(plain)));
    let occurred_at = push
        .number("EventTime")
        .or_else(|| push.number("timeStamp"))
        .map_or(now, Timestamp);
    let bodies = bodies(config, &name, &push);
    let single = bodies.len() == 1;
    Ok(Push::Events(
        bodies
            .into_iter()
            .enumerate()
            .map(|(index, (lane, body))| Incoming {
                key: if single { key.clone() } else { format!("{key}/{index}") },
                lane,
                occurred_at,
                body,
            })
            .collect(),
    ))
}

fn bodies(config: &Config, name: &str, push: &EventPush) -> Vec<(String, Body)> {
    let directory = |body| ("directory".to_owned(), body);
    let other = || vec![directory(Body::Other { name: name.to_owned() })];
    let people = |left| -> Vec<(String, Body)> {
        push.list("userId")
            .into_iter()
            .filter_map(|u| UserId::new(u).ok())
            .map(|user| {
                directory(Body::Person {
                    user,
                    record: None,
                    left,
                })
            })
            .collect()
    };
    let departments = |removed| -> Vec<(String, Body)> {
        push.list("deptId")
            .into_iter()
            .filter_map(|d| DepartmentId::new(d).ok())
            .map(|id| {
                directory(Body::Department {
                    id,
                    record: None,
                    removed,
                })
            })
            .collect()
    };
    let chat = || {
        id(push.text("openConversationId"), ChatId::new).map(|chat| ChatRef {
            id: chat,
            kind: ChatKind::Group,
            name: None,
        })
    };
    let in_chat = |body: fn(&EventPush, ChatRef, Option<UserId>) -> Option<Body>| -> Vec<(String, Body)> {
        chat()
            .and_then(|c| {
                let lane = format!("chat:{}", c.id);
                body(push, c, id(push.text("operator"), UserId::new)).map(|b| (lane, b))
            })
            .into_iter()
            .collect()
    };
    let read = |push: &EventPush| -> Option<(String, Body)> {
        let query = push.text("processQueryKey")?;
        let user = id(push.text("userId"), UserId::new)?;
        Some((
            format!("user:{user}"),
            Body::Read {
                messages: sent_ids(push, &query, &user),
                user,
            },
        ))
    };
    let found = match name {
        "user_add_org" | "user_modify_org" | "user_active_org" => people(false),
        "user_leave_org" => people(true),
        "org_dept_create" | "org_dept_modify" => departments(false),
        "org_dept_remove" => departments(true),
        "chat_add_member" => in_chat(|p, c, by| member(p, c, by, true)),
        "chat_remove_member" => in_chat(|p, c, by| member(p, c, by, false)),
        "chat_quit" => in_chat(|_, chat, by| {
            Some(Body::Member {
                chat,
                users: vec![Mention {
                    user: Some(by.clone()?),
                    name: None,
                    bot: false,
                }],
                joined: false,
                by,
            })
        }),
        "chat_update_title" => in_chat(|push, mut chat, _| {
            let title = push.text("title")?;
            chat.name = Some(title.clone());
            Some(Body::Chat {
                chat,
                change: ChatChange::Updated {
                    name: Some(title),
                    owner: None,
                },
            })
        }),
        "chat_update_owner" => in_chat(|push, chat, _| {
            let owner = id(push.text("owner"), UserId::new)?;
            Some(Body::Chat {
                chat,
                change: ChatChange::Updated {
                    name: None,
                    owner: Some(owner),
                },
            })
        }),
        "chat_disband" => in_chat(|_, chat, _| {
            Some(Body::Chat {
                chat,
                change: ChatChange::Disbanded,
            })
        }),
        "im_cool_app_install" | "im_cool_app_uninstall" => {
            let external = push
                .text("openConversationCorpId")
                .is_some_and(|corp| corp != config.corp_id);
            chat()
                .map(|chat| {
                    (
                        format!("chat:{}", chat.id),
                        Body::Bot {
                            chat,
                            added: name == "im_cool_app_install",
                            by: id(push.text("operator"), UserId::new),
                            external,
                        },
                    )
                })
                .into_iter()
                .collect()
        }
        "robot_msg_read" => read(push).into_iter().collect(),
        "robot_msg_recall" => recalled(push).into_iter().collect(),
        _ => Vec::new(),
    };
    if found.is_empty() { other() } else { found }
}

fn member(push: &EventPush, chat: ChatRef, by: Option<UserId>, joined: bool) -> Option<Body> {
    let users: Vec<Mention> = push
        .list("userId")
        .into_iter()
        .filter_map(|u| UserId::new(u).ok())
        .map(|user| Mention {
            user: Some(user),
            name: None,
            bot: false,
        })
        .collect();
    (!users.is_empty()).then_some(Body::Member {
        chat,
        users,
        joined,
        by,
    })
}

/// Under which names we may know a message of ours: in a group by the group, in a private chat by
/// the reader, for the event does not say which of the two the conversation id is.
fn sent_ids(push: &EventPush, query: &str, user: &UserId) -> Vec<MessageId> {
    let group = id(push.text("openConversationId"), ChatId::new).and_then(|c| SentId::group(&c, query).encode());
    group.into_iter().chain(SentId::user(user, query).encode()).collect()
}

fn recalled(push: &EventPush) -> Option<(String, Body)> {
    let query = push.text("processQueryKey")?;
    let chat = id(push.text("openConversationId"), ChatId::new)?;
    Some((
        format!("chat:{chat}"),
        Body::Recall {
            message: SentId::group(&chat, &query).encode()?,
            chat: Some(ChatRef {
                id: chat,
                kind: ChatKind::Group,
                name: None,
            }),
            by: id(push.text("userId"), UserId::new),
        },
    ))
}

/// A press on a card. The dedupe key is the body with the signed timestamp: the platform names no
/// event, and two presses of the same person are two events.
pub fn card(config: &Config, body: &[u8], timestamp: &str, now: Timestamp) -> Result<Incoming, Rejection> {
    let callback: CardCallback = serde_json::from_slice(body).map_err(|_| Rejection::Malformed)?;
    if callback.corp_id.as_deref().is_some_and(|c| c != config.corp_id) {
        return Err(Rejection::WrongApp);
    }
    let user: UserId = id(callback.user_id, UserId::new).ok_or(Rejection::Malformed)?;
    let track = callback
        .out_track_id
        .filter(|t| !t.is_empty())
        .ok_or(Rejection::Malformed)?;
    let mut hash = Sha256::new();
    hash.update(timestamp.as_bytes());
    hash.update([0]);
    hash.update(body);
    let key = format!("card:{}", hex::encode(hash.finalize()));
    let data = wire::unfold(callback.content.as_ref())
        .or_else(|| wire::unfold(callback.value.as_ref()))
        .unwrap_or(Value::Null);
    let private = data.get("cardPrivateData");
    // Older cards put the parameters beside `cardPrivateData`.
    let params = private
        .and_then(|p| p.get("params"))
        .or_else(|| data.get("params"))
        .and_then(Value::as_object);
    let action = params
        .and_then(|p| p.get("action"))
        .and_then(wire::scalar)
        .or_else(|| private?.get("actionIds")?.get(0).and_then(wire::scalar))
        .filter(|a| a.len() <= 512 && a.is_ascii())
        .ok_or(Rejection::Malformed)?;
    let mut values = BTreeMap::new();
    for (name, value) in params.into_iter().flatten() {
        match (name.as_str(), value) {
            ("action", _) => {}
            ("form", form) => {
                for (field, value) in wire::unfold(Some(form))
                    .as_ref()
                    .and_then(Value::as_object)
                    .into_iter()
                    .flatten()
                {
                    values.insert(field.clone(), choices(value));
                }
            }
            (_, value) => {
                values.insert(name.clone(), choices(value));
            }
        }
    }
    let chat = callback
        .space_id
        .filter(|_| {
            callback
                .space_type
                .as_deref()
                .is_some_and(|t| t.eq_ignore_ascii_case("im"))
        })
        .and_then(|s| ChatId::new(s).ok())
        .map(|id| ChatRef {
            id,
            kind: ChatKind::Group,
            name: None,
        });
    let lane = match &chat {
        Some(chat) => format!("chat:{}", chat.id),
        None => format!("user:{user}"),
    };
    Ok(Incoming {
        key,
        lane,
        occurred_at: timestamp.parse().map_or(now, Timestamp),
        body: Body::Click(Box::new(CardClick {
            user,
            chat,
            card: SentId::track(&track).encode(),
            action,
            values,
            reply_context: None,
        })),
    })
}

/// A field's answer: text, number, a list, or the form component's `{"index", "value"}`.
fn choices(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(choices).collect(),
        Value::Object(map) => map.get("value").map(choices).unwrap_or_default(),
        Value::Bool(b) => vec![b.to_string()],
        other => wire::scalar(other).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{config, settings};

    fn config_now() -> Config {
        config(&settings())
    }

    #[test]
    fn several_mentions_keep_their_names_as_text() {
        let body = serde_json::json!({
            "msgtype": "text", "msgId": "m1", "conversationId": "cid1", "conversationType": "2", "createAt": "5",
            "chatbotUserId": "bot", "text": {"content": " 感谢 @甲 和 @乙"},
            "atUsers": [{"dingtalkId": "bot"}, {"dingtalkId": "x", "staffId": "u1"}, {"dingtalkId": "y"}],
        });
        let got = robot(&config_now(), body.to_string().as_bytes(), Timestamp(1)).unwrap();
        let Body::Message(message) = got.body else { panic!() };
        assert_eq!(got.occurred_at, Timestamp(5));
        assert_eq!(message.content[0], Segment::Text("感谢 @甲 和 @乙".into()));
        let users: Vec<_> = message
            .mentions()
            .map(|m| m.user.as_ref().map(|u| u.as_str().to_owned()))
            .collect();
        assert_eq!(users, [Some("u1".to_owned()), None]);
    }

    #[test]
    fn code_and_links_are_told_from_text() {
        assert_eq!(
            read_text("看 `rm -rf` 和 https://a.example/b?c=1，好\n```x\ny```"),
            [
                Segment::Text("看 ".into()),
                Segment::Code("rm -rf".into()),
                Segment::Text(" 和 ".into()),
                Segment::Link {
                    label: String::new(),
                    url: "https://a.example/b?c=1".into()
                },
                Segment::Text("，好".into()),
                Segment::Break,
                Segment::Code("x\ny".into()),
            ]
        );
        assert_eq!(read_text("一个 ` 而已"), [Segment::Text("一个 ` 而已".into())]);
    }

    #[test]
    fn another_company_or_another_robot_is_refused() {
        let base = serde_json::json!({
            "msgtype": "text", "msgId": "m1", "conversationId": "cid1", "conversationType": "1",
            "text": {"content": "x"},
        });
        let with = |key: &str, value: &str| {
            let mut body = base.clone();
            body[key] = value.into();
            robot(&config_now(), body.to_string().as_bytes(), Timestamp(1))
        };
        assert!(with("robotCode", "dingsim0appkey00001").is_ok());
        assert_eq!(with("robotCode", "other").unwrap_err(), Rejection::WrongApp);
        assert_eq!(with("chatbotCorpId", "other").unwrap_err(), Rejection::WrongApp);
        assert_eq!(with("msgId", "").unwrap_err(), Rejection::Malformed);
        assert_eq!(with("conversationType", "7").unwrap_err(), Rejection::Malformed);
        let push = br#"{"EventType":"user_add_org","CorpId":"other","userId":["u"]}"#;
        assert_eq!(
            event(&config_now(), push, Timestamp(1)).unwrap_err(),
            Rejection::WrongApp
        );
        let click = br#"{"corpId":"other","userId":"u","outTrackId":"t","content":"{}"}"#;
        assert_eq!(
            card(&config_now(), click, "1", Timestamp(1)).unwrap_err(),
            Rejection::WrongApp
        );
    }

    #[test]
    fn a_form_comes_back_by_field() {
        let content = serde_json::json!({"cardPrivateData": {"actionIds": ["submit"], "params": {
            "action": "tok", "form": {"why": "因为", "one": {"index": 0, "value": "a"},
            "many": {"index": [0, 1], "value": ["a", "b"]}, "n": 3}}}});
        let body = serde_json::json!({"type": "actionCallback", "outTrackId": "t1", "userId": "u1",
            "content": content.to_string()});
        let got = card(
            &config_now(),
            body.to_string().as_bytes(),
            "1751600000123",
            Timestamp(1),
        )
        .unwrap();
        let Body::Click(click) = got.body else { panic!() };
        assert_eq!(click.action, "tok");
        assert_eq!(click.values["why"], ["因为"]);
        assert_eq!(click.values["one"], ["a"]);
        assert_eq!(click.values["many"], ["a", "b"]);
        assert_eq!(click.values["n"], ["3"]);
        // The same press twice is two presses when it was signed twice, one when it was repeated.
        let again = card(
            &config_now(),
            body.to_string().as_bytes(),
            "1751600000123",
            Timestamp(9),
        )
        .unwrap();
        let later = card(
            &config_now(),
            body.to_string().as_bytes(),
            "1751600000124",
            Timestamp(9),
        )
        .unwrap();
        assert_eq!(again.key, got.key);
        assert_ne!(later.key, got.key);
    }

    #[test]
    fn people_of_one_push_become_one_event_each() {
        let push = br#"{"EventType":"user_add_org","eventId":"e1","userId":["a","b",""],"EventTime":7}"#;
        let Push::Events(events) = event(&config_now(), push, Timestamp(1)).unwrap() else {
            panic!()
        };
        let keys: Vec<_> = events.iter().map(|e| e.key.as_str()).collect();
        assert_eq!(keys, ["e1/0", "e1/1"]);
    }
}
