//! What a human would see: neutral enough to be drawn by one page for all three platforms, and made
//! only from what the bot really sent over the wire.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScreenChat {
    pub id: String,
    pub name: String,
    pub group: bool,
    /// User ids.
    pub members: Vec<String>,
    pub owner: Option<String>,
    /// Ids of [`crate::SimApp`]s in the chat.
    pub apps: Vec<String>,
    /// For a private chat: the person's user id.
    pub person: Option<String>,
    /// Time of the newest item, ms.
    pub last_ms: i64,
    pub disbanded: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScreenItem {
    pub id: String,
    pub at_ms: i64,
    /// User id, app id, or empty for a system notice.
    pub from: String,
    pub from_name: String,
    pub bot: bool,
    pub recalled: bool,
    pub edited: bool,
    /// Id of the item it answers.
    pub reply_to: Option<String>,
    pub parts: Vec<ScreenPart>,
    /// Emoji name and the user ids who put it.
    pub reactions: Vec<(String, Vec<String>)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "part", rename_all = "snake_case")]
pub enum ScreenPart {
    Title {
        text: String,
        color: String,
    },
    Text {
        text: String,
    },
    Strong {
        text: String,
    },
    /// `everyone` is true for a mention of all.
    Mention {
        user: String,
        name: String,
        everyone: bool,
    },
    Link {
        label: String,
        url: String,
    },
    /// Ends a line or a block.
    Break,
    Quote {
        text: String,
    },
    Note {
        text: String,
    },
    Divider,
    ListItem {
        ordered: bool,
        number: u32,
        text: String,
    },
    Table {
        columns: Vec<String>,
        rows: Vec<Vec<String>>,
    },
    Chart {
        title: String,
        categories: Vec<String>,
        series: Vec<(String, Vec<Option<i64>>)>,
        unit: String,
    },
    Image {
        handle: String,
        alt: String,
    },
    Buttons {
        buttons: Vec<ScreenButton>,
    },
    Form {
        fields: Vec<ScreenField>,
        submit: ScreenButton,
    },
    Toast {
        text: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScreenButton {
    pub label: String,
    /// What [`crate::Verb::Click`] takes.
    pub action: String,
    /// `normal`, `primary` or `danger`.
    pub style: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScreenField {
    pub name: String,
    pub label: String,
    /// `text`, `textarea`, `select`, `multi_select` or `date`.
    pub kind: String,
    pub required: bool,
    /// Value and label.
    pub options: Vec<(String, String)>,
}
