//! What a person in front of an IM client can do, and what can go wrong between them and the bot.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Verb {
    /// `text` may contain `<@USERID>` for a person and `<@bot>` (or `<@APPID>` when several bots
    /// are in the chat) for the bot, `<@all>` for everyone, and backquoted code.
    Say {
        person: String,
        chat: ChatSel,
        text: String,
        #[serde(default)]
        reply_to: Option<String>,
    },
    React {
        person: String,
        message: String,
        emoji: String,
        #[serde(default = "yes")]
        on: bool,
    },
    Recall {
        person: String,
        message: String,
    },
    /// `action` is [`crate::ScreenButton::action`].
    Click {
        person: String,
        message: String,
        action: String,
        #[serde(default)]
        values: BTreeMap<String, Vec<String>>,
    },
    Read {
        person: String,
        message: String,
    },
    Join {
        person: String,
        chat: String,
        #[serde(default)]
        by: Option<String>,
    },
    Leave {
        person: String,
        chat: String,
    },
    /// Changes the department in the directory.
    Transfer {
        person: String,
        department: String,
    },
    Hire {
        person: crate::SimPerson,
    },
    /// Deactivates the account and takes it out of all chats.
    Quit {
        person: String,
    },
    /// A group made by a person; `apps` are added as bots.
    CreateChat {
        name: String,
        owner: String,
        members: Vec<String>,
        #[serde(default)]
        apps: Vec<String>,
    },
    AddBot {
        chat: String,
        app: String,
        by: String,
    },
    RemoveBot {
        chat: String,
        app: String,
        by: String,
    },
    RenameChat {
        chat: String,
        name: String,
        by: String,
    },
    Disband {
        chat: String,
        by: String,
    },
    /// Opens the private chat with a bot, without saying anything.
    OpenDirect {
        person: String,
        app: String,
    },
    /// Sends the last `count` callbacks of this chat once more, as a platform that got no answer.
    RepeatCallbacks {
        count: usize,
    },
}

fn yes() -> bool {
    true
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatSel {
    /// A chat by id.
    Chat(String),
    /// The private chat of the person with this app; made when it does not exist yet.
    DirectWith(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Done {
    pub message: Option<String>,
    pub chat: Option<String>,
    /// Callbacks that were answered as the platform expects, and those that were not.
    pub callbacks_ok: u32,
    pub callbacks_failed: u32,
}

/// A fault for the next `times` requests whose path contains `path` (empty: any), or for the next
/// callbacks when `callbacks` is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    #[serde(default)]
    pub path: String,
    #[serde(default)]
    pub callbacks: bool,
    pub times: u32,
    pub kind: FaultKind,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaultKind {
    /// Real milliseconds before the request is looked at.
    Delay { ms: u64 },
    /// An HTTP status with an empty body, nothing done.
    Status { status: u16 },
    /// The platform's own error code, in its own envelope, nothing done.
    Code { code: i64, text: String },
    /// Does what was asked and then never answers (the connection is cut).
    AcceptThenCut,
    /// Cuts the connection and does nothing.
    Cut,
    /// Callbacks only: the callback is lost on the way, and repeated on the platform's ladder.
    LoseCallback,
    /// Callbacks only: it arrives this many times.
    Duplicate { times: u32 },
    /// All access tokens issued so far stop working.
    RevokeTokens,
    /// Live long connections fall silent in both directions and stay open (half-open).
    MuteLink,
    /// Live long connections still answer pings and deliver nothing.
    ZombieLink,
    /// Live long connections are cut without a word.
    DropLink,
    /// Live long connections are ended as the platform announces it, where it does.
    AnnounceLink,
    /// Another client takes the connection over, where only one may live.
    EvictLink,
}
