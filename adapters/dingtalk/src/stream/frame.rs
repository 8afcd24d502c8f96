//! Frames of the connection: `{"specVersion", "type", "headers", "data"}`, where `data` is JSON in a
//! string, and their acknowledgements (4.3 and 4.5).

use hutong_model::Frame;
use serde_json::{Map, Value, json};

use crate::wire;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    System,
    Event,
    Callback,
    Other,
}

/// A frame from the platform.
pub(super) struct Pushed {
    pub kind: Kind,
    headers: Map<String, Value>,
    /// As it came, so that it can be given back unchanged.
    pub data: String,
}

impl Pushed {
    /// `None`: not a frame. Everything but the type may be missing.
    pub fn read(text: &str) -> Option<Self> {
        let Ok(Value::Object(mut frame)) = serde_json::from_str(text) else {
            return None;
        };
        let kind = match frame.get("type")?.as_str()? {
            "SYSTEM" => Kind::System,
            "EVENT" => Kind::Event,
            "CALLBACK" => Kind::Callback,
            _ => Kind::Other,
        };
        let headers = match frame.remove("headers") {
            Some(Value::Object(headers)) => headers,
            _ => Map::new(),
        };
        let data = match frame.remove("data") {
            Some(Value::String(data)) => data,
            None | Some(Value::Null) => String::new(),
            Some(other) => other.to_string(),
        };
        Some(Self { kind, headers, data })
    }

    /// Values are texts; the protocol page writes `time` as a number, so numbers are read, too.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).and_then(wire::scalar)
    }

    pub fn topic(&self) -> String {
        self.header("topic").unwrap_or_default()
    }

    /// The name of this push. Without one there is nothing to acknowledge.
    pub fn message_id(&self) -> Option<String> {
        self.header("messageId")
    }

    /// An event as HTTP mode would have brought it, decrypted: the frame's headers are the envelope.
    /// `None`: the data is no JSON object.
    pub fn event(&self) -> Option<Vec<u8>> {
        let Ok(Value::Object(mut plain)) = serde_json::from_str(&self.data) else {
            return None;
        };
        for (key, header) in [
            ("EventType", "eventType"),
            ("CorpId", "eventCorpId"),
            ("eventId", "eventId"),
            ("EventTime", "eventBornTime"),
        ] {
            if let Some(value) = self.header(header) {
                plain.insert(key.into(), value.into());
            }
        }
        Some(Value::Object(plain).to_string().into_bytes())
    }
}

/// `code`: 200 handled, 400 not understood, 404 nobody for the topic, 500 not handled.
pub(super) fn ack(message_id: &str, code: u16, message: &str, data: &str) -> Frame {
    Frame::Text(
        json!({
            "code": code,
            "headers": { "messageId": message_id, "contentType": "application/json" },
            "message": message,
            "data": data,
        })
        .to_string(),
    )
}
