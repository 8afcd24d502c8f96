//! The frames of the AI bot's long connection (document 101463; recorded in `tests/vectors/ws`).
//!
//! A request is `{"cmd", "headers": {"req_id"}, "body"}`, an acknowledgement the same `req_id` with
//! `errcode` and without `cmd`. Requests of ours have ids of their own, `<cmd>_<unix ms>_<8 hex>`;
//! the answer to a callback carries the callback's.

use hutong_model::{Frame, Rejection, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

pub const SUBSCRIBE: &str = "aibot_subscribe";
pub const PING: &str = "ping";
pub const MESSAGE: &str = "aibot_msg_callback";
pub const EVENT: &str = "aibot_event_callback";
pub const RESPOND: &str = "aibot_respond_msg";
pub const WELCOME: &str = "aibot_respond_welcome_msg";
pub const UPDATE: &str = "aibot_respond_update_msg";
pub const SEND: &str = "aibot_send_msg";
pub const UPLOAD_INIT: &str = "aibot_upload_media_init";
pub const UPLOAD_CHUNK: &str = "aibot_upload_media_chunk";
pub const UPLOAD_FINISH: &str = "aibot_upload_media_finish";

/// What came from the platform.
#[derive(Debug, Clone, PartialEq)]
pub enum Inbound {
    Callback {
        cmd: String,
        req_id: String,
        body: Value,
    },
    Ack {
        req_id: String,
        code: i64,
        text: String,
        body: Value,
    },
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    cmd: Option<String>,
    headers: Headers,
    #[serde(default)]
    errcode: Option<i64>,
    #[serde(default)]
    errmsg: Option<String>,
    #[serde(default)]
    body: Value,
}

#[derive(Deserialize)]
struct Headers {
    req_id: String,
}

/// Reads one frame. Fields that are not known are ignored.
pub fn read(frame: &Frame) -> Result<Inbound, Rejection> {
    let Frame::Text(text) = frame else {
        return Err(Rejection::Malformed);
    };
    let raw: Raw = serde_json::from_str(text).map_err(|_| Rejection::Malformed)?;
    let req_id = raw.headers.req_id;
    match raw.cmd {
        Some(cmd) if !cmd.is_empty() => Ok(Inbound::Callback {
            cmd,
            req_id,
            body: raw.body,
        }),
        _ => Ok(Inbound::Ack {
            req_id,
            code: raw.errcode.ok_or(Rejection::Malformed)?,
            text: raw.errmsg.unwrap_or_default(),
            body: raw.body,
        }),
    }
}

/// A frame of ours. A ping has no body.
pub fn write(cmd: &str, req_id: &str, body: &Value) -> Frame {
    let mut frame = json!({"cmd": cmd, "headers": {"req_id": req_id}});
    if !body.is_null() {
        frame["body"] = body.clone();
    }
    Frame::Text(frame.to_string())
}

/// Ids of our own requests, unique on one connection.
#[derive(Debug, Clone, Default)]
pub struct Ids {
    next: u32,
}

impl Ids {
    /// `seed` keeps the ids of one connection apart from those of the one before.
    pub fn new(seed: u64) -> Self {
        // Spread over the 8 digits (Knuth's multiplicative constant), so that two connections of
        // one millisecond do not meet.
        let low = u32::try_from(seed & u64::from(u32::MAX)).unwrap_or(0);
        Self {
            next: low.wrapping_mul(0x9E37_79B1),
        }
    }

    pub fn take(&mut self, cmd: &str, now: Timestamp) -> String {
        self.next = self.next.wrapping_add(1);
        format!("{cmd}_{}_{:08x}", now.millis(), self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_told_apart_by_cmd() {
        let text = |t: &str| Frame::Text(t.into());
        assert!(matches!(
            read(&text(r#"{"cmd":"x","headers":{"req_id":"r"},"body":{"a":1}}"#)),
            Ok(Inbound::Callback { .. })
        ));
        let ack = read(&text(
            r#"{"headers":{"req_id":"r"},"errcode":0,"errmsg":"ok","new":[]}"#,
        ))
        .unwrap();
        assert_eq!(
            ack,
            Inbound::Ack {
                req_id: "r".into(),
                code: 0,
                text: "ok".into(),
                body: Value::Null
            }
        );
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"headers":{}}"#,
            r#"{"headers":{"req_id":"r"}}"#,
            r#"{"headers":{"req_id":7},"errcode":0}"#,
            r#"{"headers":{"req_id":"r"},"errcode":"0"}"#,
        ] {
            assert_eq!(read(&text(bad)), Err(Rejection::Malformed), "{bad}");
        }
        assert_eq!(read(&Frame::Binary(b"{}".to_vec())), Err(Rejection::Malformed));
    }

    #[test]
    fn ids_have_the_recorded_form_and_differ() {
        let mut ids = Ids::new(1);
        let (a, b) = (ids.take(SEND, Timestamp(7)), ids.take(SEND, Timestamp(7)));
        assert_ne!(a, b);
        let hex = a.strip_prefix("aibot_send_msg_7_").unwrap();
        assert!(hex.len() == 8 && hex.bytes().all(|b| b.is_ascii_hexdigit()), "{a}");
        assert_ne!(a, Ids::new(2).take(SEND, Timestamp(7)));
    }
}
