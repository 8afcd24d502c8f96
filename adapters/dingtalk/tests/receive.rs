//! The published requests through the front door, and hostile ones that stay outside.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

use std::sync::{Arc, LazyLock};

use hutong_model::{
    Adapter, AppId, Body, Build, CompanyId, ManualClock, RawRequest, Received, Rejection, Secret, SettingValue,
    Settings, Timestamp,
};
use proptest::prelude::*;
use serde_json::Value;

fn adapter(corp: &str, card_secret: &str) -> Arc<dyn Adapter> {
    let text = |t: &str| SettingValue::Text(t.into());
    let secret = |t: &str| SettingValue::Secret(Secret::new(t));
    let settings = Settings::default()
        .with("client_id", text("dingsim0appkey00001"))
        .with(
            "client_secret",
            secret("sim-app-secret-000000000000000000000000000000000000000000000001"),
        )
        .with("corp_id", text(corp))
        .with("event_token", secret("sim0Token32"))
        .with("event_aes_key", secret("RGYqfvJbsU2O623xNI2SBVvDfka0fHcqWar44Bb6EbQ"))
        .with("card_template_id", text("tmpl-0001.schema"))
        .with("card_secret", secret(card_secret));
    (hutong_dingtalk::ENTRY.build)(Build {
        app: AppId::new("dt").unwrap(),
        company: CompanyId::new("c").unwrap(),
        kind: "dingtalk".into(),
        settings,
        clock: Arc::new(ManualClock::default()),
    })
    .unwrap_or_else(|p| panic!("{p:?}"))
}

fn vector(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn request<'a>(query: &'a str, headers: &'a [(&'a str, &'a str)], body: &'a [u8]) -> RawRequest<'a> {
    RawRequest {
        post: true,
        query,
        headers,
        body,
    }
}

/// Made once: a client with the system's trust roots takes its time.
static ONE: LazyLock<Arc<dyn Adapter>> = LazyLock::new(|| adapter(CORP, "mySecret"));

const CORP: &str = "ding0simcorp0000000000000000000000ab";

#[test]
fn a_published_robot_message_is_an_event() {
    let full = &vector(include_str!("vectors/robot_http_sign.json"))["full_request"];
    let headers = [
        ("content-type", "application/json; charset=utf-8"),
        ("timestamp", full["headers"]["timestamp"].as_str().unwrap()),
        ("sign", full["headers"]["sign"].as_str().unwrap()),
    ];
    let body = full["body"].as_str().unwrap().as_bytes();
    let now = Timestamp(1_751_600_000_200);
    let got = adapter(CORP, "mySecret").receive(&request("", &headers, body), now);
    let Received::Events { events, answer } = got else {
        panic!("{got:?}")
    };
    assert_eq!(events[0].key, "msgSim000000000000000001==");
    assert_eq!(answer.body, br#"{"msgtype":"empty"}"#);
    // The same message for another company's bot, and an hour too late.
    let other = adapter("dingother", "mySecret");
    assert_eq!(
        other.receive(&request("", &headers, body), now),
        Received::Rejected(Rejection::WrongApp)
    );
    let late = Timestamp(now.millis() + 3_600_001);
    assert_eq!(
        adapter(CORP, "mySecret").receive(&request("", &headers, body), late),
        Received::Rejected(Rejection::Stale)
    );
    let huge = vec![b' '; (1 << 20) + 1];
    assert_eq!(
        adapter(CORP, "mySecret").receive(&request("", &headers, &huge), now),
        Received::Rejected(Rejection::TooLarge)
    );
}

#[test]
fn a_published_card_callback_is_a_click() {
    let full = &vector(include_str!("vectors/card_http_sign.json"))["full_request"];
    let headers = [
        (
            "x-ddpaas-signature-timestamp",
            full["headers"]["x-ddpaas-signature-timestamp"].as_str().unwrap(),
        ),
        (
            "x-ddpaas-signature",
            full["headers"]["x-ddpaas-signature"].as_str().unwrap(),
        ),
    ];
    let body = full["body"].as_str().unwrap().as_bytes();
    let now = Timestamp(1_751_600_000_200);
    let got = adapter(CORP, "mySecret").receive(&request("", &headers, body), now);
    let Received::Events { events, .. } = got else {
        panic!("{got:?}")
    };
    assert!(
        matches!(&events[0].body, Body::Click(c) if c.action == "accept"),
        "{events:?}"
    );
    assert_eq!(
        adapter(CORP, "another").receive(&request("", &headers, body), now),
        Received::Rejected(Rejection::BadSignature)
    );
}

#[test]
fn published_pushes_are_challenges_and_events() {
    let all = vector(include_str!("vectors/http_callback.json"));
    let adapter = adapter("ding9f50b15bxxxx16741", "mySecret");
    let mut kinds = Vec::new();
    for case in all["cases"].as_array().unwrap() {
        let query = case["request"]["query"].as_str().unwrap();
        let body = case["request"]["body"].as_str().unwrap().as_bytes();
        let at: i64 = query.split("timestamp=").nth(1).unwrap()[..13].parse().unwrap();
        let got = adapter.receive(&request(query, &[], body), Timestamp(at + 1_000));
        // The same input, the same output: a repeat is answered alike.
        assert_eq!(got, adapter.receive(&request(query, &[], body), Timestamp(at + 1_000)));
        kinds.push(match got {
            Received::Challenge(_) => "challenge",
            Received::Events { .. } => "events",
            Received::Rejected(why) => why.as_str(),
        });
        // Eight hours are enough for every repeat; an hour ahead is nobody's clock.
        for (now, expected) in [
            (at + 8 * 3_600_000 + 1, Rejection::Stale),
            (at - 300_001, Rejection::Stale),
        ] {
            assert_eq!(
                adapter.receive(&request(query, &[], body), Timestamp(now)),
                Received::Rejected(expected)
            );
        }
    }
    assert_eq!(kinds, ["challenge", "challenge", "events", "events", "events"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_unproved_gets_in(
        query in "(signature=[a-f0-9]{0,40}&)?(msg_signature=[a-f0-9]{40}&)?timestamp=[0-9]{0,14}&nonce=.{0,8}",
        sign in proptest::option::of(".{0,50}"),
        card in proptest::option::of(".{0,50}"),
        time in "[0-9a-z]{0,14}",
        body in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut headers = vec![("timestamp", time.as_str()), ("x-ddpaas-signature-timestamp", time.as_str())];
        headers.extend(sign.as_deref().map(|s| ("sign", s)));
        headers.extend(card.as_deref().map(|c| ("x-ddpaas-signature", c)));
        for headers in [&headers[..], &[]] {
            let got = ONE.receive(&request(&query, headers, &body), Timestamp(1_751_600_000_000));
            prop_assert!(matches!(got, Received::Rejected(_)), "{:?}", got);
        }
    }

    /// Behind a good proof the body may still be anything.
    #[test]
    fn odd_bodies_behind_a_good_proof_never_panic(
        kind in "(text|richText|picture|audio|video|file|x)?",
        text in ".{0,80}",
        odd in proptest::sample::select(vec!["null", "[]", "{}", "7", "\"x\"", "[{}]", "[7]", "{\"richText\":[7,{}]}"]),
        conversation in "[12]?",
    ) {
        let full = vector(include_str!("vectors/robot_http_sign.json"));
        let headers = [
            ("timestamp", full["full_request"]["headers"]["timestamp"].as_str().unwrap()),
            ("sign", full["full_request"]["headers"]["sign"].as_str().unwrap()),
        ];
        let mut body = serde_json::json!({
            "msgtype": kind, "msgId": "m1", "conversationId": "cid1", "conversationType": conversation,
            "text": {"content": text}, "isInAtList": true, "chatbotUserId": "b", "senderStaffId": text,
            "atUsers": [{"dingtalkId": "b"}, {"dingtalkId": "c", "staffId": text}],
        });
        body["content"] = serde_json::from_str(odd).unwrap();
        body["createAt"] = serde_json::from_str(odd).unwrap();
        let bytes = body.to_string();
        let got = ONE.receive(&request("", &headers, bytes.as_bytes()), Timestamp(1_751_600_000_000));
        if conversation.is_empty() {
            prop_assert_eq!(got, Received::Rejected(Rejection::Malformed));
        } else {
            prop_assert!(matches!(got, Received::Events { .. }), "{:?}", got);
        }
    }
}
