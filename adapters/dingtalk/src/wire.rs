//! The platform's JSON, as loosely as it is really sent: every field may be missing, unknown fields
//! are ignored, numbers may be strings, and event keys differ in case between subscriptions.

use serde::Deserialize;
use serde_json::{Map, Value};

/// A robot message (`protocols/dingtalk.md`, 3.2).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RobotMessage {
    pub msgtype: Option<String>,
    pub text: Option<Text>,
    pub content: Option<Value>,
    pub msg_id: Option<String>,
    pub create_at: Option<Value>,
    pub conversation_type: Option<Value>,
    pub conversation_id: Option<String>,
    pub conversation_title: Option<String>,
    pub sender_id: Option<String>,
    pub sender_staff_id: Option<String>,
    pub sender_nick: Option<String>,
    pub sender_corp_id: Option<String>,
    pub chatbot_corp_id: Option<String>,
    pub chatbot_user_id: Option<String>,
    pub at_users: Option<Vec<AtUser>>,
    pub is_in_at_list: Option<bool>,
    pub session_webhook: Option<String>,
    pub session_webhook_expired_time: Option<Value>,
    pub robot_code: Option<String>,
    pub original_msg_id: Option<String>,
    /// Monthly quota used up; pages disagree about the names and the type.
    #[serde(alias = "errCode")]
    pub error_code: Option<Value>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Text {
    pub content: Option<String>,
    /// Undocumented: the quoted message, sent by some clients.
    pub replied_msg: Option<Replied>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Replied {
    pub msg_id: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AtUser {
    pub dingtalk_id: Option<String>,
    pub staff_id: Option<String>,
}

/// A card callback (5.4). `content` and `value` are JSON inside a string.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CardCallback {
    pub out_track_id: Option<String>,
    pub corp_id: Option<String>,
    pub user_id: Option<String>,
    pub space_type: Option<String>,
    pub space_id: Option<String>,
    pub content: Option<Value>,
    pub value: Option<Value>,
}

/// An event push after decryption. Keys are looked up as the current subscription spells them, then
/// whatever their case.
#[derive(Debug, Clone)]
pub struct EventPush(Map<String, Value>);

impl EventPush {
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(map)) => Some(Self(map)),
            _ => None,
        }
    }

    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0
            .get(key)
            .or_else(|| self.0.iter().find(|(k, _)| k.eq_ignore_ascii_case(key)).map(|(_, v)| v))
    }

    /// Only this spelling: `CorpId` is the receiving company, `corpId` that of the group.
    pub fn exact(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(Value::as_str)
    }

    pub fn text(&self, key: &str) -> Option<String> {
        self.get(key).and_then(scalar)
    }

    pub fn number(&self, key: &str) -> Option<i64> {
        self.get(key).and_then(number)
    }

    /// An array of scalars, or one scalar.
    pub fn list(&self, key: &str) -> Vec<String> {
        match self.get(key) {
            Some(Value::Array(items)) => items.iter().filter_map(scalar).collect(),
            Some(other) => scalar(other).into_iter().collect(),
            None => Vec::new(),
        }
    }
}

/// Text or number as text; nothing for the empty text.
pub fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        Value::Number(n) => Some(n.to_string()),
        _ => None,
    }
}

pub fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(n) => n.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Booleans come as booleans, as text and as 0 / 1.
pub fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(b) => Some(*b),
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(n) => n.as_i64().map(|n| n != 0),
        _ => None,
    }
}

/// JSON that may stand as itself or inside a string.
pub fn unfold(value: Option<&Value>) -> Option<Value> {
    match value? {
        Value::String(text) => serde_json::from_str(text).ok(),
        Value::Null => None,
        other => Some(other.clone()),
    }
}
