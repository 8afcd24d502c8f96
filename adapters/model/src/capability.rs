//! What an application can see and do, as data: printed by `/health` and `check`, asked by rules
//! before they promise something, and asserted by tests.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// How much of reality an app sees. A number always carries the classes it was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SeeClass {
    /// Every message of the groups it is in.
    V1,
    /// Only what is addressed to the bot: mentions, private chats, clicks.
    V2,
    /// The platform's own aggregates, without content.
    V3,
    /// Who has read what the bot sent.
    V4,
    /// A click on a card that confirms.
    V5,
    /// Joins, leaves and changes of groups.
    V6,
}

impl SeeClass {
    pub fn as_str(self) -> &'static str {
        match self {
            SeeClass::V1 => "V1",
            SeeClass::V2 => "V2",
            SeeClass::V3 => "V3",
            SeeClass::V4 => "V4",
            SeeClass::V5 => "V5",
            SeeClass::V6 => "V6",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ability {
    SendToChat,
    SendToUser,
    /// May write to a person who has never written to it.
    FirstWord,
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
    Unpin,
    /// The platform's own badges or honours.
    Badge,
    Urgent,
    Calendar,
    Readers,
    ListMembers,
    ListDepartments,
    ListPeople,
    /// The chats that the bot is in.
    ListChats,
    /// The platform's own aggregates (V3).
    Statistics,
    Download,
    /// Cards with buttons that call back, in groups / in private chats.
    ButtonsInChat,
    ButtonsToUser,
    Forms,
    Tables,
    Charts,
    Images,
    MentionUser,
    MentionAll,
    /// Reactions arrive as events.
    SeesReactions,
    SeesRecalls,
    /// Joins and leaves arrive as events.
    SeesMembers,
    /// Changes of people and departments arrive as events.
    SeesDirectory,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// `feishu`, `lark`, `dingtalk`, `dingtalk_robot`, `wecom`, `wecom_aibot` or `wecom_webhook`.
    pub kind: &'static str,
    pub sees: BTreeSet<SeeClass>,
    pub can: BTreeSet<Ability>,
    pub limits: Limits,
    pub rates: Vec<LimitRule>,
    /// What an operator should know beyond the table, one sentence each, in Chinese and English.
    pub remarks: Vec<(&'static str, &'static str)>,
}

impl Capabilities {
    pub fn can(&self, ability: Ability) -> bool {
        self.can.contains(&ability)
    }
    pub fn sees(&self, class: SeeClass) -> bool {
        self.sees.contains(&class)
    }
}

/// Sizes above which a message is split or a call is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub text_bytes: usize,
    pub card_bytes: usize,
    pub buttons: usize,
    pub members_per_call: usize,
    pub chat_members: usize,
}

/// A published limit: at most `count` calls, or receivers, in any window of `window_ms`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitRule {
    /// The call it applies to, or `*` for all calls of the app.
    pub api: &'static str,
    pub scope: LimitScope,
    pub count: u32,
    pub window_ms: u64,
    pub counts: Counts,
}

impl LimitRule {
    /// A limit of calls, whatever their number of receivers.
    pub const fn calls(api: &'static str, scope: LimitScope, count: u32, window_ms: u64) -> Self {
        Self {
            api,
            scope,
            count,
            window_ms,
            counts: Counts::Calls,
        }
    }

    /// A limit of receivers: a call counts as many times as [`crate::effect::Prepared::weight`]
    /// says. A destination is one receiver, so per destination both are the same.
    pub const fn receivers(api: &'static str, scope: LimitScope, count: u32, window_ms: u64) -> Self {
        Self {
            api,
            scope,
            count,
            window_ms,
            counts: Counts::Receivers,
        }
    }
}

/// What a published limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counts {
    Calls,
    Receivers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitScope {
    App,
    /// Per chat or person it goes to.
    Destination,
    /// The whole company, whatever the app.
    Company,
}
