//! Callbacks to events, pure. Everything is decided by the text of one callback and the app's
//! settings; the HTTP door and a later long connection both end here.

use std::collections::BTreeMap;

use hutong_model::{
    Body, CardClick, ChatChange, ChatId, ChatKind, ChatRef, Day, DepartmentId, DepartmentRecord, Employment, Incoming,
    Mention, MessageEvent, MessageId, PersonRecord, Sender, SenderKind, Timestamp, UserId,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::config::UserIdType;
use crate::content::{self, Named};
use crate::wire::{
    CardAction, ChatEvent, ChatEventKind, ChatUser, Department, Envelope, EventPart, Ids, MessageReceived, Text, User,
};

/// The member of a button's value that holds our action token (`card.rs` writes it).
pub const ACTION: &str = "a";

/// The member that says "this card went to one person": click events name a chat but not its kind. A
/// forwarded card keeps it, so that it decides nothing but the kind of chat.
pub const PRIVATE: &str = "p";

/// The root department of the platform.
pub const ROOT: &str = "0";

/// What one app needs to know to read its events.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    pub user_id_type: UserIdType,
    pub sees_all: bool,
    /// The bot's own `open_id`, from the settings or from `bot/v3/info`.
    pub bot_open_id: Option<&'a str>,
}

/// One callback as one event. `plain` is only hashed, for a dedupe key, when the platform gave none.
pub fn incoming(envelope: &Envelope<'_>, plain: &str, view: View<'_>, now: Timestamp) -> Incoming {
    let header = &envelope.header;
    let mut out = Incoming {
        key: [&header.event_id, &envelope.uuid]
            .into_iter()
            .find_map(Text::owned)
            .unwrap_or_else(|| hex::encode(&Sha256::digest(plain.as_bytes())[..16])),
        lane: "other".to_owned(),
        occurred_at: time(&header.create_time).or_else(|| time(&envelope.ts)).unwrap_or(now),
        body: Body::Other {
            name: event_name(envelope),
        },
    };
    // An event that lacks what its kind cannot do without stays "other".
    let _ = fill(&mut out, &envelope.event, header.tenant_key.as_str(), view);
    out
}

fn event_name(envelope: &Envelope<'_>) -> String {
    if envelope.has_header {
        envelope.header.event_type.as_str().chars().take(80).collect()
    } else {
        let kind = envelope.legacy.kind.as_str();
        format!("v1.{}", kind.chars().take(80).collect::<String>())
    }
}

fn fill(out: &mut Incoming, event: &EventPart<'_>, tenant: &str, view: View<'_>) -> Option<()> {
    match event {
        EventPart::Message(received) => return message(out, received, tenant, view),
        EventPart::Reaction { added, event } => {
            let user = user(&event.user_id, view)?;
            at(out, &event.action_time);
            out.lane = user_lane(&user);
            out.body = Body::Reaction {
                message: message_id(&event.message_id)?,
                chat: None,
                user,
                emoji: event.reaction_type.emoji_type.owned()?,
                added: *added,
            };
        }
        EventPart::Read(read) => {
            let user = user(&read.reader.reader_id, view)?;
            at(out, &read.reader.read_time);
            out.lane = user_lane(&user);
            out.body = Body::Read {
                messages: read.message_id_list.iter().filter_map(message_id).collect(),
                user,
            };
        }
        EventPart::Recalled(recalled) => {
            let chat = chat_id(&recalled.chat_id);
            at(out, &recalled.recall_time);
            if let Some(chat) = &chat {
                out.lane = chat_lane(chat);
            }
            out.body = Body::Recall {
                message: message_id(&recalled.message_id)?,
                // The event does not say what kind of chat it is; recalls are looked up by message.
                chat: chat.map(|id| ChatRef {
                    id,
                    kind: ChatKind::Group,
                    name: None,
                }),
                by: None,
            };
        }
        EventPart::Chat { kind, event } => return chat(out, *kind, event, view),
        EventPart::User { deleted, event } => {
            let object = &event.object;
            out.lane = "directory".to_owned();
            out.body = Body::Person {
                user: user(&user_ids(object), view)?,
                // The created and frozen events leave the departments out: then the directory has to
                // be asked before anybody is moved (feishu.md 4.9).
                record: match &object.department_ids {
                    Some(departments) if !deleted && !departments.is_empty() => person(object, view).map(Box::new),
                    _ => None,
                },
                left: *deleted,
            };
        }
        EventPart::Department { deleted, event } => {
            let record = department(&event.object)?;
            let removed = *deleted || event.object.status.is_deleted;
            out.lane = "directory".to_owned();
            out.body = Body::Department {
                id: record.id.clone(),
                record: (!removed).then_some(record),
                removed,
            };
        }
        EventPart::Scope => {
            out.lane = "directory".to_owned();
            out.body = Body::DirectoryScope;
        }
        EventPart::Menu(menu) => {
            let user = user(&menu.operator.operator_id, view)?;
            at(out, &menu.timestamp);
            out.lane = user_lane(&user);
            out.body = Body::Menu {
                user,
                key: menu.event_key.owned()?,
            };
        }
        EventPart::Click(action) => return click(out, action, view),
        EventPart::Other => {}
    }
    Some(())
}

fn message(out: &mut Incoming, received: &MessageReceived<'_>, tenant: &str, view: View<'_>) -> Option<()> {
    let wire = &received.message;
    let message = message_id(&wire.message_id)?;
    let chat = ChatRef {
        id: chat_id(&wire.chat_id)?,
        kind: if wire.chat_type.as_str() == "p2p" {
            ChatKind::Direct
        } else {
            ChatKind::Group
        },
        name: None,
    };
    let own = own_mention(received, view);
    let named: Vec<Named<'_>> = wire
        .mentions
        .iter()
        .enumerate()
        .map(|(i, m)| Named {
            key: m.key.as_str(),
            own: own == Some(i),
            everyone: m.key.as_str() == "@_all",
            mention: Mention {
                user: user(&m.id, view),
                name: m.name.owned(),
                bot: m.mentioned_type.as_str() == "bot",
            },
        })
        .collect();
    let kind = wire.message_type.as_str();
    let content = content::read(kind, wire.content.as_str(), message.as_str(), &named);
    let sender = &received.sender;
    out.key = message.as_str().to_owned();
    out.lane = chat_lane(&chat.id);
    at(out, &wire.create_time);
    out.body = Body::Message(Box::new(MessageEvent {
        addressed: chat.kind == ChatKind::Direct || own.is_some(),
        message,
        chat,
        sender: Sender {
            user: user(&sender.sender_id, view),
            name: None,
            kind: match (sender.sender_type.as_str(), sender.tenant_key.as_str()) {
                _ if kind == "system" => SenderKind::Bot,
                ("user", theirs) if theirs.is_empty() || tenant.is_empty() || theirs == tenant => SenderKind::Person,
                ("user", _) => SenderKind::External,
                _ => SenderKind::Bot,
            },
        },
        content: content.segments,
        attachments: content.attachments,
        reply_to: message_id(&wire.parent_id),
        thread: message_id(&wire.root_id),
        mentions_all: content.mentions_all,
        reply_context: None,
    }));
    Some(())
}

/// Which entry of `mentions` is the bot itself. Once its `open_id` is known only that decides, never
/// the name. Until then: an app that is told of mentions only is told because it was mentioned, so
/// the first bot in the list is taken for it; an app that sees every message takes a bot for itself
/// only when no other bot is mentioned. A bot is marked by `mentioned_type`; where no entry has one,
/// an app that is told of mentions only takes the first account without a `user_id`.
fn own_mention(received: &MessageReceived<'_>, view: View<'_>) -> Option<usize> {
    let mentions = &received.message.mentions;
    if let Some(own) = view.bot_open_id {
        return mentions.iter().position(|m| m.id.open_id.as_str() == own);
    }
    if !view.sees_all && mentions.iter().all(|m| m.mentioned_type.is_empty()) {
        return mentions
            .iter()
            .position(|m| m.id.user_id.is_empty() && m.key.as_str() != "@_all");
    }
    let mut bots = mentions
        .iter()
        .enumerate()
        .filter(|(_, m)| m.mentioned_type.as_str() == "bot")
        .map(|(i, _)| i);
    let first = bots.next()?;
    (!view.sees_all || bots.next().is_none()).then_some(first)
}

fn chat(out: &mut Incoming, kind: ChatEventKind, event: &ChatEvent<'_>, view: View<'_>) -> Option<()> {
    let id = chat_id(&event.chat_id)?;
    out.lane = chat_lane(&id);
    let by = user(&event.operator_id, view);
    if kind == ChatEventKind::DirectEntered {
        out.body = Body::ChatEntered {
            user: by?,
            chat: Some(id),
        };
        return Some(());
    }
    let chat = ChatRef {
        id,
        kind: ChatKind::Group,
        name: event.name.owned(),
    };
    out.body = match kind {
        ChatEventKind::MembersAdded | ChatEventKind::MembersGone => Body::Member {
            chat,
            users: event.users.iter().map(|u| member(u, view)).collect(),
            joined: kind == ChatEventKind::MembersAdded,
            by,
        },
        ChatEventKind::BotAdded | ChatEventKind::BotGone => Body::Bot {
            chat,
            added: kind == ChatEventKind::BotAdded,
            by,
            external: event.external,
        },
        ChatEventKind::Disbanded => Body::Chat {
            chat,
            change: ChatChange::Disbanded,
        },
        ChatEventKind::Updated | ChatEventKind::DirectEntered => {
            let after = &event.after_change;
            Body::Chat {
                chat: ChatRef {
                    name: after.name.owned().or(chat.name),
                    ..chat
                },
                change: ChatChange::Updated {
                    name: after.name.owned(),
                    owner: user(&after.owner_id, view),
                },
            }
        }
    };
    Some(())
}

fn member(wire: &ChatUser<'_>, view: View<'_>) -> Mention {
    Mention {
        user: user(&wire.user_id, view),
        name: wire.name.owned(),
        bot: false,
    }
}

fn click(out: &mut Incoming, event: &CardAction<'_>, view: View<'_>) -> Option<()> {
    let user = user(&event.operator, view)?;
    let private = event.action.value.get(PRIVATE).is_some();
    let kind = if private { ChatKind::Direct } else { ChatKind::Group };
    let chat = chat_id(&event.context.open_chat_id).map(|id| ChatRef { id, kind, name: None });
    out.lane = match &chat {
        Some(chat) => chat_lane(&chat.id),
        None => user_lane(&user),
    };
    let part = &event.action;
    let mut values: BTreeMap<String, Vec<String>> = part
        .form_value
        .iter()
        .map(|(name, value)| (name.clone(), form_values(value)))
        .collect();
    // A single component outside a form calls back with its own member.
    let mut single = Vec::new();
    single.extend(part.option.iter().map(|o| plain_date(o)));
    single.extend(part.options.iter().flatten().cloned());
    single.extend(part.input_value.iter().cloned());
    single.extend(part.checked.iter().map(bool::to_string));
    if !single.is_empty() {
        values.insert(part.name.some().unwrap_or("value").to_owned(), single);
    }
    out.body = Body::Click(Box::new(CardClick {
        user,
        chat,
        card: message_id(&event.context.open_message_id),
        action: action(&part.value),
        values,
        // What `UpdateCard` needs to keep the mark in the new version.
        reply_context: private.then(|| PRIVATE.to_owned()),
    }));
    Some(())
}

/// The button's token. Values that we did not write (cards made elsewhere) are given as they are.
fn action(value: &Value) -> String {
    match value {
        Value::Object(map) => match map.get(ACTION) {
            Some(Value::String(action)) => action.clone(),
            _ => value.to_string(),
        },
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn form_values(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::String(text) if text.is_empty() => Vec::new(),
        Value::String(text) => vec![plain_date(text)],
        Value::Array(items) => items.iter().flat_map(form_values).collect(),
        other => vec![other.to_string()],
    }
}

/// A date picker answers `2026-04-01 +0800`: the date a person chose, with the offset of the client.
/// The date alone is what was meant.
fn plain_date(text: &str) -> String {
    let shape = |pattern: &str, text: &str| {
        text.len() == pattern.len()
            && text.bytes().zip(pattern.bytes()).all(|(t, p)| match p {
                b'd' => t.is_ascii_digit(),
                b's' => matches!(t, b'+' | b'-'),
                other => t == other,
            })
    };
    if shape("dddd-dd-dd sdddd", text) {
        text.chars().take(10).collect()
    } else {
        text.to_owned()
    }
}

/// Takes the event's own time where it has one, else keeps the envelope's.
fn at(out: &mut Incoming, text: &Text<'_>) {
    if let Some(at) = time(text) {
        out.occurred_at = at;
    }
}

/// Seconds, milliseconds and microseconds are told apart by their size: the platform uses all three
/// (feishu.md 2.5, gotcha 27). 10^11 ms is 1973 and 10^11 s is the year 5138.
fn time(text: &Text<'_>) -> Option<Timestamp> {
    // Schema 1.0 writes seconds with a fraction.
    let whole = text.as_str().split('.').next().unwrap_or_default();
    let n: i64 = whole.parse().ok().filter(|n| *n > 0)?;
    Some(Timestamp(match n {
        100_000_000_000_000.. => n / 1000,
        100_000_000_000.. => n,
        _ => n * 1000,
    }))
}

/// The id that this app uses for people: `user_id` when the event carries it, else `open_id` (or the
/// other way round by setting).
pub fn user(ids: &Ids<'_>, view: View<'_>) -> Option<UserId> {
    let order = match view.user_id_type {
        UserIdType::UserId => [&ids.user_id, &ids.open_id, &ids.union_id],
        UserIdType::OpenId => [&ids.open_id, &ids.user_id, &ids.union_id],
    };
    order.into_iter().find_map(|id| UserId::new(id.some()?).ok())
}

fn user_ids<'a>(user: &User<'a>) -> Ids<'a> {
    Ids {
        open_id: user.open_id.clone(),
        union_id: user.union_id.clone(),
        user_id: user.user_id.clone(),
    }
}

/// A person as the directory or a contact event tells them.
pub fn person(wire: &User<'_>, view: View<'_>) -> Option<PersonRecord> {
    let ids = user_ids(wire);
    let user = user(&ids, view)?;
    let aliases = [&ids.user_id, &ids.open_id, &ids.union_id]
        .into_iter()
        .filter_map(|id| UserId::new(id.some()?).ok())
        .filter(|id| *id != user)
        .collect();
    let status = wire.status;
    Some(PersonRecord {
        user,
        aliases,
        name: wire.name.as_str().to_owned(),
        employee_no: wire.employee_no.owned(),
        email: wire.enterprise_email.owned().or_else(|| wire.email.owned()),
        mobile: wire.mobile.owned(),
        departments: wire
            .department_ids
            .iter()
            .flatten()
            .filter_map(|id| DepartmentId::new(id.some()?).ok())
            .collect(),
        leader: wire.leader_user_id.some().and_then(|id| UserId::new(id).ok()),
        title: wire.job_title.owned(),
        joined_on: wire
            .join_time
            .some()
            .and_then(|secs| secs.parse().ok())
            .and_then(|secs| Day::in_china(Timestamp::from_secs(secs))),
        // `work_station` is a desk, not a place.
        office: wire.city.owned(),
        employment: wire.employee_type.some().and_then(employment),
        active: !(status.is_frozen || status.is_resigned || status.is_exited),
    })
}

/// Official page contact-v3/user/get: 1 正式, 2 实习, 3 外包, 4 劳务, 5 顾问; others are the company's own.
fn employment(number: &str) -> Option<Employment> {
    match number {
        "1" => Some(Employment::Regular),
        "2" => Some(Employment::Intern),
        "3" => Some(Employment::Outsourced),
        "4" => Some(Employment::Contractor),
        "5" => Some(Employment::Consultant),
        _ => None,
    }
}

pub fn department(wire: &Department<'_>) -> Option<DepartmentRecord> {
    Some(DepartmentRecord {
        id: DepartmentId::new(wire.open_department_id.some()?).ok()?,
        parent: Some(DepartmentId::new(wire.parent_department_id.some().unwrap_or(ROOT)).ok()?),
        name: wire.name.as_str().to_owned(),
        leader: wire.leader_user_id.some().and_then(|id| UserId::new(id).ok()),
    })
}

fn message_id(text: &Text<'_>) -> Option<MessageId> {
    MessageId::new(text.some()?).ok()
}

fn chat_id(text: &Text<'_>) -> Option<ChatId> {
    ChatId::new(text.some()?).ok()
}

fn chat_lane(chat: &ChatId) -> String {
    format!("chat:{chat}")
}

fn user_lane(user: &UserId) -> String {
    format!("user:{user}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_apart_by_their_size() {
        let at = |t: &str| time(&Text(t.into()));
        assert_eq!(at("1760000000"), Some(Timestamp(1_760_000_000_000)));
        assert_eq!(at("1760000000123"), Some(Timestamp(1_760_000_000_123)));
        assert_eq!(at("1760000005000000"), Some(Timestamp(1_760_000_005_000)));
        assert_eq!(at(""), None);
        assert_eq!(at("-5"), None);
        assert_eq!(at("99999999999999999999"), None);
    }

    #[test]
    fn dates_lose_their_offset_and_nothing_else_does() {
        assert_eq!(plain_date("2026-04-01 +0800"), "2026-04-01");
        assert_eq!(plain_date("2026-04-29 07:07 +0800"), "2026-04-29 07:07 +0800");
        assert_eq!(plain_date("2026-04-01 下午8"), "2026-04-01 下午8");
    }
}
