//! The frame in which everything travels over the long connection (feishu.md 3.3): proto2 message
//! `pbbp2.Frame`, written by hand for `prost`.
//!
//! The required fields are written also when they are 0, because the platform's other clients do so
//! and one official decoder refuses a frame without them; so do we. Unknown fields are skipped.

use std::fmt;

use prost::Message;

#[derive(Clone, PartialEq, Message)]
struct WireHeader {
    #[prost(string, optional, tag = "1")]
    key: Option<String>,
    #[prost(string, optional, tag = "2")]
    value: Option<String>,
}

/// All fields optional, so that presence can be told and a zero is written.
#[derive(Clone, PartialEq, Message)]
struct WireFrame {
    #[prost(uint64, optional, tag = "1")]
    seq_id: Option<u64>,
    #[prost(uint64, optional, tag = "2")]
    log_id: Option<u64>,
    #[prost(int32, optional, tag = "3")]
    service: Option<i32>,
    #[prost(int32, optional, tag = "4")]
    method: Option<i32>,
    #[prost(message, repeated, tag = "5")]
    headers: Vec<WireHeader>,
    #[prost(string, optional, tag = "6")]
    payload_encoding: Option<String>,
    #[prost(string, optional, tag = "7")]
    payload_type: Option<String>,
    #[prost(bytes = "vec", optional, tag = "8")]
    payload: Option<Vec<u8>>,
    #[prost(string, optional, tag = "9")]
    log_id_new: Option<String>,
}

/// `method` of pings and pongs.
pub const CONTROL: i32 = 0;
/// `method` of events and of their replies.
pub const DATA: i32 = 1;

/// One message of the connection.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Frame {
    pub seq_id: u64,
    pub log_id: u64,
    /// `service_id` of the address.
    pub service: i32,
    pub method: i32,
    pub headers: Vec<(String, String)>,
    pub payload_encoding: Option<String>,
    pub payload_type: Option<String>,
    pub payload: Option<Vec<u8>>,
    /// Textual log id; echoed.
    pub log_id_new: Option<String>,
}

/// A payload holds what people wrote.
impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("method", &self.method)
            .field("type", &self.header("type"))
            .field("payload", &self.payload.as_ref().map(Vec::len))
            .finish_non_exhaustive()
    }
}

impl Frame {
    /// `None` for bytes that are no frame, or one without its required fields.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let wire = WireFrame::decode(bytes).ok()?;
        let mut headers = Vec::with_capacity(wire.headers.len());
        for header in wire.headers {
            headers.push((header.key?, header.value?));
        }
        Some(Self {
            seq_id: wire.seq_id?,
            log_id: wire.log_id?,
            service: wire.service?,
            method: wire.method?,
            headers,
            payload_encoding: wire.payload_encoding,
            payload_type: wire.payload_type,
            payload: wire.payload,
            log_id_new: wire.log_id_new,
        })
    }

    pub fn encode(self) -> Vec<u8> {
        let header = |(key, value)| WireHeader {
            key: Some(key),
            value: Some(value),
        };
        WireFrame {
            seq_id: Some(self.seq_id),
            log_id: Some(self.log_id),
            service: Some(self.service),
            method: Some(self.method),
            headers: self.headers.into_iter().map(header).collect(),
            payload_encoding: self.payload_encoding,
            payload_type: self.payload_type,
            payload: self.payload,
            log_id_new: self.log_id_new,
        }
        .encode_to_vec()
    }

    pub fn ping(service: i32) -> Self {
        Self {
            service,
            method: CONTROL,
            headers: vec![("type".to_owned(), "ping".to_owned())],
            ..Self::default()
        }
    }

    /// The first header of this name, as the official clients look it up.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The reply to this frame: the same frame with `biz_rt` (milliseconds of handling) appended and
    /// the payload replaced (feishu.md 3.5).
    pub fn reply(mut self, took_ms: u64, payload: Vec<u8>) -> Self {
        self.headers.push(("biz_rt".to_owned(), took_ms.to_string()));
        self.payload = Some(payload);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;
    use serde_json::Value;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../tests/vectors/ws_frames.json")).unwrap()
    }

    #[test]
    fn every_recorded_frame_reads_as_recorded_and_is_written_back_byte_for_byte() {
        let vectors = vectors();
        let frames = vectors["frames"].as_array().unwrap();
        assert!(frames.len() >= 14, "{}", frames.len());
        for case in frames {
            let name = case["name"].as_str().unwrap();
            let bytes = hex::decode(case["hex"].as_str().unwrap()).unwrap();
            let frame = Frame::decode(&bytes).unwrap_or_else(|| panic!("{name}"));
            let fields = &case["fields"];
            assert_eq!(fields["SeqID"], frame.seq_id.to_string(), "{name}");
            assert_eq!(fields["LogID"], frame.log_id.to_string(), "{name}");
            assert_eq!(fields["service"], frame.service, "{name}");
            assert_eq!(fields["method"], frame.method, "{name}");
            assert_eq!(fields["LogIDNew"].as_str(), frame.log_id_new.as_deref(), "{name}");
            let payload = fields["payload_base64"].as_str().map(|b| STANDARD.decode(b).unwrap());
            assert_eq!(payload, frame.payload, "{name}");
            let headers: Vec<(String, String)> = serde_json::from_value(fields["headers"].clone()).unwrap();
            assert_eq!(headers, frame.headers, "{name}");
            assert_eq!(frame.encode(), bytes, "{name}");
        }
    }

    #[test]
    fn frames_without_a_required_field_are_no_frames_and_unknown_fields_are_skipped() {
        let vectors = vectors();
        let invalid = vectors["invalid"].as_array().unwrap();
        assert!(invalid.len() >= 7);
        for case in invalid {
            let bytes = hex::decode(case["hex"].as_str().unwrap()).unwrap();
            let accepted = case["node"] == "accepted";
            assert_eq!(Frame::decode(&bytes).is_some(), accepted, "{}", case["name"]);
        }
    }

    #[test]
    fn the_ping_is_the_one_that_the_official_clients_send() {
        assert_eq!(
            hex::encode(Frame::ping(33_554_678).encode()),
            "0800100018f681801020002a0c0a0474797065120470696e67"
        );
        let other = Frame::ping(-1).encode();
        assert_eq!(Frame::decode(&other).unwrap().service, -1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn whatever_bytes_come_nothing_panics_and_a_frame_survives_its_journey(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            seq_id: u64, log_id: u64, service: i32, method: i32,
            headers in proptest::collection::vec((".{0,8}", ".{0,8}"), 0..5),
            payload in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..64)),
            cut in 0usize..64,
        ) {
            let _ = Frame::decode(&bytes);
            let frame = Frame {
                seq_id, log_id, service, method, headers, payload, log_id_new: Some("x".to_owned()),
                ..Frame::default()
            };
            let mut wire = frame.clone().encode();
            prop_assert_eq!(Frame::decode(&wire), Some(frame));
            wire.truncate(wire.len().saturating_sub(cut));
            let _ = Frame::decode(&wire);
        }
    }
}
