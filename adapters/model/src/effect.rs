//! What the bot asks of a platform. An effect becomes one or more [`Prepared`] requests, whose
//! bytes are fixed in the same transaction as the state that caused them and never change again.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::event::ChatRef;
use crate::ids::{ChatId, MessageId, UserId};
use crate::message::Message;

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "to", content = "id", rename_all = "snake_case")]
pub enum Target {
    Chat(ChatId),
    /// The private chat with a person.
    User(UserId),
}

impl Target {
    pub fn as_str(&self) -> &str {
        match self {
            Target::Chat(id) => id.as_str(),
            Target::User(id) => id.as_str(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    Send {
        to: Target,
        content: Message,
    },
    /// Answers one message. `context` is the event's `reply_context`; where the platform cannot
    /// reply, it is a send to the same chat.
    Reply {
        message: MessageId,
        chat: ChatRef,
        context: Option<String>,
        content: Message,
    },
    /// Replaces a card that was sent before. `context` is the click's `reply_context`.
    UpdateCard {
        card: MessageId,
        context: Option<String>,
        content: Message,
    },
    Recall {
        message: MessageId,
    },
    React {
        message: MessageId,
        emoji: String,
    },
    CreateChat {
        name: String,
        owner: UserId,
        members: Vec<UserId>,
        description: Option<String>,
    },
    RenameChat {
        chat: ChatId,
        name: String,
    },
    SetOwner {
        chat: ChatId,
        owner: UserId,
    },
    AddMembers {
        chat: ChatId,
        users: Vec<UserId>,
    },
    RemoveMembers {
        chat: ChatId,
        users: Vec<UserId>,
    },
    Disband {
        chat: ChatId,
    },
    /// `data` is base64. The receipt's `handle` names the file for [`crate::message::Block::Image`].
    Upload {
        name: String,
        media_type: String,
        data: String,
    },
    Pin {
        message: MessageId,
    },
    /// Buzzes people about a message that the bot sent.
    Urgent {
        message: MessageId,
        users: Vec<UserId>,
    },
    Calendar {
        entry: CalendarEntry,
    },
    /// Asks who has read a message that the bot sent; the receipt's `users` names them.
    Readers {
        message: MessageId,
    },
    /// Asks who is in a chat; the receipt's `users` names them.
    ListMembers {
        chat: ChatId,
    },
    Unpin {
        message: MessageId,
    },
    /// Gives the platform's own badge or honour to people, or takes it from them.
    Badge {
        /// The platform's id of the badge.
        badge: String,
        users: Vec<UserId>,
        given: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalendarEntry {
    pub title: String,
    pub description: String,
    pub from: Timestamp,
    pub to: Timestamp,
    pub attendees: Vec<UserId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    Send,
    Reply,
    UpdateCard,
    Recall,
    React,
    CreateChat,
    RenameChat,
    SetOwner,
    AddMembers,
    RemoveMembers,
    Disband,
    Upload,
    Pin,
    Urgent,
    Calendar,
    Readers,
    ListMembers,
    Unpin,
    Badge,
}

impl ActionKind {
    pub fn as_str(self) -> &'static str {
        match self {
            ActionKind::Send => "send",
            ActionKind::Reply => "reply",
            ActionKind::UpdateCard => "update_card",
            ActionKind::Recall => "recall",
            ActionKind::React => "react",
            ActionKind::CreateChat => "create_chat",
            ActionKind::RenameChat => "rename_chat",
            ActionKind::SetOwner => "set_owner",
            ActionKind::AddMembers => "add_members",
            ActionKind::RemoveMembers => "remove_members",
            ActionKind::Disband => "disband",
            ActionKind::Upload => "upload",
            ActionKind::Pin => "pin",
            ActionKind::Urgent => "urgent",
            ActionKind::Calendar => "calendar",
            ActionKind::Readers => "readers",
            ActionKind::ListMembers => "list_members",
            ActionKind::Unpin => "unpin",
            ActionKind::Badge => "badge",
        }
    }
}

impl Action {
    pub fn kind(&self) -> ActionKind {
        match self {
            Action::Send { .. } => ActionKind::Send,
            Action::Reply { .. } => ActionKind::Reply,
            Action::UpdateCard { .. } => ActionKind::UpdateCard,
            Action::Recall { .. } => ActionKind::Recall,
            Action::React { .. } => ActionKind::React,
            Action::CreateChat { .. } => ActionKind::CreateChat,
            Action::RenameChat { .. } => ActionKind::RenameChat,
            Action::SetOwner { .. } => ActionKind::SetOwner,
            Action::AddMembers { .. } => ActionKind::AddMembers,
            Action::RemoveMembers { .. } => ActionKind::RemoveMembers,
            Action::Disband { .. } => ActionKind::Disband,
            Action::Upload { .. } => ActionKind::Upload,
            Action::Pin { .. } => ActionKind::Pin,
            Action::Urgent { .. } => ActionKind::Urgent,
            Action::Calendar { .. } => ActionKind::Calendar,
            Action::Readers { .. } => ActionKind::Readers,
            Action::ListMembers { .. } => ActionKind::ListMembers,
            Action::Unpin { .. } => ActionKind::Unpin,
            Action::Badge { .. } => ActionKind::Badge,
        }
    }

    /// What a person would read, for the operator's view of the outbox. Empty when there is nothing
    /// to read.
    pub fn summary(&self) -> String {
        match self {
            Action::Send { content, .. } | Action::Reply { content, .. } | Action::UpdateCard { content, .. } => {
                content.plain()
            }
            Action::CreateChat { name, members, .. } => format!("{name} (+{})", members.len()),
            Action::RenameChat { name, .. } => name.clone(),
            Action::AddMembers { users, .. } => format!("+{}", users.len()),
            Action::RemoveMembers { users, .. } => format!("-{}", users.len()),
            Action::Upload { name, .. } => name.clone(),
            Action::Calendar { entry } => entry.title.clone(),
            _ => String::new(),
        }
    }
}

/// How an effect is treated when its outcome is not known, and how long it is worth sending.
/// Deadlines and rules: the table in `ARCHITECTURE.md`, "Delivery".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryClass {
    /// Announcements, columns, prizes, group changes: never resent blindly; parked for a decision.
    Once,
    /// Answers to a person: worth ten minutes; resent once when the outcome is unknown.
    Reply,
    /// Cards with live content: only the newest version matters.
    State,
    /// "+2": dropped at the first doubt.
    Hint,
}

impl DeliveryClass {
    pub fn as_str(self) -> &'static str {
        match self {
            DeliveryClass::Once => "once",
            DeliveryClass::Reply => "reply",
            DeliveryClass::State => "state",
            DeliveryClass::Hint => "hint",
        }
    }
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Once, Self::Reply, Self::State, Self::Hint]
            .into_iter()
            .find(|c| c.as_str() == text)
    }
}

/// One request, ready to be sent: everything but the access token and the idempotency key, which
/// the adapter adds at the moment of sending.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// The platform call, as named in [`crate::capability::LimitRule::api`].
    pub api: String,
    /// The chat or person it goes to, for limits per destination.
    pub to: Option<String>,
    /// How many times the call weighs against limits counted per receiver; at least 1.
    pub weight: u32,
    /// The adapter's own encoding of the request. Never changes after it was stored.
    pub request: String,
    /// How long after the first attempt the platform still recognises the idempotency key; `None`
    /// when the call has no key, so that an unknown outcome must not be resent blindly.
    pub key_window_ms: Option<i64>,
}

/// Why a message cannot be rendered for, or an action done on, this platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    #[error("{app_kind} cannot do {action}: {why}")]
    NotPossible {
        app_kind: &'static str,
        action: &'static str,
        why: String,
    },
    #[error("too large for {what}: {bytes} bytes, at most {limit}")]
    TooLarge {
        what: &'static str,
        bytes: usize,
        limit: usize,
    },
    #[error("{0}")]
    Invalid(String),
}
