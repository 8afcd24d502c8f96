//! What happened: everything that enters the system is an [`Event`], whether a platform, the clock
//! or the result of one of our own calls brought it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::directory::{DepartmentRecord, PersonRecord};
use crate::effect::ActionKind;
use crate::ids::{AppId, ChatId, DepartmentId, EventId, MessageId, UserId};
use crate::outcome::{FailedReceiver, Receipt};

/// An event as the inbox holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub id: EventId,
    /// Position in the inbox; grows with arrival.
    pub seq: i64,
    pub app: AppId,
    /// What makes a repeat recognisable; unique per app.
    pub key: String,
    /// Events of one lane are handled in the order of their arrival.
    pub lane: String,
    /// When it happened, by the platform's clock.
    pub occurred_at: Timestamp,
    pub received_at: Timestamp,
    pub body: Body,
}

/// The part of an event that a rule may look at to say whether it wants it.
#[derive(Debug, Clone, Copy)]
pub struct EventHead<'a> {
    pub app: &'a AppId,
    pub kind: Kind,
    pub body: &'a Body,
}

impl Event {
    pub fn head(&self) -> EventHead<'_> {
        EventHead {
            app: &self.app,
            kind: self.body.kind(),
            body: &self.body,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Message,
    Recall,
    Reaction,
    Member,
    Bot,
    Chat,
    Click,
    Read,
    Person,
    Department,
    DirectoryScope,
    Menu,
    ChatEntered,
    Tick,
    EffectDone,
    Other,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Message => "message",
            Kind::Recall => "recall",
            Kind::Reaction => "reaction",
            Kind::Member => "member",
            Kind::Bot => "bot",
            Kind::Chat => "chat",
            Kind::Click => "click",
            Kind::Read => "read",
            Kind::Person => "person",
            Kind::Department => "department",
            Kind::DirectoryScope => "directory_scope",
            Kind::Menu => "menu",
            Kind::ChatEntered => "chat_entered",
            Kind::Tick => "tick",
            Kind::EffectDone => "effect_done",
            Kind::Other => "other",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Body {
    Message(Box<MessageEvent>),
    /// A message was taken back by its author or an admin.
    Recall {
        message: MessageId,
        chat: Option<ChatRef>,
        by: Option<UserId>,
    },
    /// An emoji was put on, or taken off, a message. `emoji` is the platform's own name of it.
    Reaction {
        message: MessageId,
        chat: Option<ChatRef>,
        user: UserId,
        emoji: String,
        added: bool,
    },
    /// People joined or left a chat.
    Member {
        chat: ChatRef,
        users: Vec<Mention>,
        joined: bool,
        by: Option<UserId>,
    },
    /// The bot itself was added to, or removed from, a chat.
    Bot {
        chat: ChatRef,
        added: bool,
        by: Option<UserId>,
        external: bool,
    },
    Chat {
        chat: ChatRef,
        change: ChatChange,
    },
    /// A button was pressed or a form sent.
    Click(Box<CardClick>),
    /// Somebody read messages that the bot sent.
    Read {
        messages: Vec<MessageId>,
        user: UserId,
    },
    /// A person was created or changed; `record` is absent when the platform sends ids only and
    /// the directory must be asked.
    Person {
        user: UserId,
        record: Option<Box<PersonRecord>>,
        left: bool,
    },
    Department {
        id: DepartmentId,
        record: Option<DepartmentRecord>,
        removed: bool,
    },
    /// The part of the directory that the app may see has changed: read it again.
    DirectoryScope,
    /// A menu entry of the bot was chosen.
    Menu {
        user: UserId,
        key: String,
    },
    /// Somebody opened the private chat with the bot.
    ChatEntered {
        user: UserId,
        chat: Option<ChatId>,
    },
    /// The schedule reached an occurrence. `slot` is the scheduled instant; `local` the wall-clock
    /// minute it stands for (`2026-11-24T09:30`).
    Tick {
        schedule: String,
        slot: Timestamp,
        local: String,
    },
    /// The result of an effect whose rule asked for it.
    EffectDone {
        /// The effect's idempotency key.
        effect: String,
        rule: String,
        action: ActionKind,
        /// True when the platform has accepted it.
        ok: bool,
        code: Option<String>,
        receipt: Receipt,
        failed: Vec<FailedReceiver>,
        /// What the rule attached to the effect, unchanged.
        tag: serde_json::Value,
    },
    /// Valid, and of no interest: kept by name so that it can be counted.
    Other {
        name: String,
    },
}

impl Body {
    pub fn kind(&self) -> Kind {
        match self {
            Body::Message(_) => Kind::Message,
            Body::Recall { .. } => Kind::Recall,
            Body::Reaction { .. } => Kind::Reaction,
            Body::Member { .. } => Kind::Member,
            Body::Bot { .. } => Kind::Bot,
            Body::Chat { .. } => Kind::Chat,
            Body::Click(_) => Kind::Click,
            Body::Read { .. } => Kind::Read,
            Body::Person { .. } => Kind::Person,
            Body::Department { .. } => Kind::Department,
            Body::DirectoryScope => Kind::DirectoryScope,
            Body::Menu { .. } => Kind::Menu,
            Body::ChatEntered { .. } => Kind::ChatEntered,
            Body::Tick { .. } => Kind::Tick,
            Body::EffectDone { .. } => Kind::EffectDone,
            Body::Other { .. } => Kind::Other,
        }
    }
}

/// A conversation together with what kind it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChatRef {
    pub id: ChatId,
    pub kind: ChatKind,
    /// The title, where the event carries it.
    #[serde(default)]
    pub name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatKind {
    Group,
    /// One person and the bot.
    Direct,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum ChatChange {
    Updated {
        name: Option<String>,
        owner: Option<UserId>,
    },
    Disbanded,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessageEvent {
    pub message: MessageId,
    pub chat: ChatRef,
    pub sender: Sender,
    /// The text in order, the mention of the bot itself left out.
    pub content: Vec<Segment>,
    #[serde(default)]
    pub attachments: Vec<Attachment>,
    /// The message this one answers.
    #[serde(default)]
    pub reply_to: Option<MessageId>,
    /// The first message of the thread it stands in.
    #[serde(default)]
    pub thread: Option<MessageId>,
    /// True in a private chat, and in a group when the bot was mentioned.
    pub addressed: bool,
    #[serde(default)]
    pub mentions_all: bool,
    /// What the adapter needs to answer exactly this message, where the platform gives such a
    /// thing (session webhook, response URL). Opaque to everyone else; expires.
    #[serde(default)]
    pub reply_context: Option<String>,
}

impl MessageEvent {
    /// What a person would read: mentions as `@name`, links as their label. Trimmed. A mention whose
    /// name the platform does not tell adds nothing: its name stands in the text already.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for segment in &self.content {
            match segment {
                Segment::Text(text) | Segment::Code(text) => out.push_str(text),
                Segment::Mention(m) => {
                    if let Some(name) = &m.name {
                        out.push('@');
                        out.push_str(name);
                    }
                }
                Segment::Link { label, url } => out.push_str(if label.is_empty() { url } else { label }),
                Segment::Emoji(name) => {
                    out.push('[');
                    out.push_str(name);
                    out.push(']');
                }
                Segment::Break => out.push('\n'),
            }
        }
        out.trim().to_owned()
    }

    /// The people mentioned, in order, without the bot.
    pub fn mentions(&self) -> impl Iterator<Item = &Mention> {
        self.content.iter().filter_map(|s| match s {
            Segment::Mention(m) => Some(m),
            _ => None,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "t", content = "v", rename_all = "snake_case")]
pub enum Segment {
    Text(String),
    Mention(Mention),
    Link {
        label: String,
        url: String,
    },
    /// Code and other verbatim text: never read as a command or as thanks.
    Code(String),
    Emoji(String),
    Break,
}

/// A person named in a message. `user` is absent where the platform gives only a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mention {
    pub user: Option<UserId>,
    pub name: Option<String>,
    /// Another bot, not a person.
    #[serde(default)]
    pub bot: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    pub user: Option<UserId>,
    pub name: Option<String>,
    pub kind: SenderKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SenderKind {
    Person,
    /// A bot or the platform itself: never counted, never answered.
    Bot,
    /// Somebody outside the company.
    External,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    pub kind: AttachmentKind,
    pub name: Option<String>,
    pub bytes: Option<u64>,
    /// What the adapter needs to fetch it.
    pub handle: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttachmentKind {
    Image,
    File,
    Audio,
    Video,
    Sticker,
    SharedChat,
    Forwarded,
    Location,
    Other,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CardClick {
    pub user: UserId,
    pub chat: Option<ChatRef>,
    /// The card, where the platform says which.
    pub card: Option<MessageId>,
    /// The button's action token, as we sent it.
    pub action: String,
    /// Values of the form fields by name; several for a multiple choice.
    #[serde(default)]
    pub values: BTreeMap<String, Vec<String>>,
    /// What the adapter needs to update the card or answer (WeCom response code). Opaque.
    #[serde(default)]
    pub reply_context: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mention_without_a_name_is_not_shown_as_a_question_mark() {
        let mention = |name: Option<&str>| {
            Segment::Mention(Mention {
                user: Some(UserId::new("u1").unwrap()),
                name: name.map(str::to_owned),
                bot: false,
            })
        };
        let mut message = MessageEvent {
            message: MessageId::new("m").unwrap(),
            chat: ChatRef {
                id: ChatId::new("c").unwrap(),
                kind: ChatKind::Group,
                name: None,
            },
            sender: Sender {
                user: None,
                name: None,
                kind: SenderKind::Person,
            },
            content: vec![Segment::Text("@陈晨 @李雷 周五好".into()), mention(None), mention(None)],
            attachments: vec![],
            reply_to: None,
            thread: None,
            addressed: true,
            mentions_all: false,
            reply_context: None,
        };
        assert_eq!(message.text(), "@陈晨 @李雷 周五好");
        message.content = vec![mention(Some("陈晨")), Segment::Text(" 好".into())];
        assert_eq!(message.text(), "@陈晨 好");
    }

    #[test]
    fn a_body_reads_back_from_its_stored_form() {
        let bodies = [
            Body::DirectoryScope,
            Body::Message(Box::new(MessageEvent {
                message: MessageId::new("om_1").unwrap(),
                chat: ChatRef {
                    id: ChatId::new("oc_1").unwrap(),
                    kind: ChatKind::Group,
                    name: None,
                },
                sender: Sender {
                    user: Some(UserId::new("u1").unwrap()),
                    name: None,
                    kind: SenderKind::Person,
                },
                content: vec![
                    Segment::Text("感谢 ".into()),
                    Segment::Mention(Mention {
                        user: None,
                        name: Some("陈晨".into()),
                        bot: false,
                    }),
                    Segment::Break,
                ],
                attachments: vec![],
                reply_to: None,
                thread: None,
                addressed: true,
                mentions_all: false,
                reply_context: None,
            })),
            Body::Chat {
                chat: ChatRef {
                    id: ChatId::new("oc_1").unwrap(),
                    kind: ChatKind::Group,
                    name: None,
                },
                change: ChatChange::Disbanded,
            },
            Body::Tick {
                schedule: "column:x".into(),
                slot: Timestamp(1),
                local: "2026-11-24T09:30".into(),
            },
        ];
        for body in bodies {
            let text = serde_json::to_string(&body).unwrap();
            assert_eq!(serde_json::from_str::<Body>(&text).unwrap(), body, "{text}");
        }
    }
}
