//! Callbacks, as the platform sends them and as nobody should.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use hutong_feishu::Feishu;
use hutong_model::{Adapter as _, Body, RawRequest, Received, Rejection, SenderKind, SettingValue, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{BOT, Callback, KEY, NOW, adapter, build, encrypt, settings, sign};

fn vector(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn events() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/events");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn one(received: Received) -> hutong_model::Incoming {
    match received {
        Received::Events { mut events, .. } if events.len() == 1 => events.remove(0),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_recorded_event_reads_as_expected() {
    let adapter = adapter();
    let names = events();
    assert!(names.len() >= 50, "{}", names.len());
    let mut wrong = Vec::new();
    for name in names {
        let plain = vector(&format!("events/{name}"));
        let incoming = one(Callback::of(&plain.to_string(), NOW).receive(adapter, NOW));
        let actual = json!({
            "key": incoming.key,
            "lane": incoming.lane,
            "occurred_at": incoming.occurred_at,
            "body": serde_json::to_value(&incoming.body).unwrap(),
        });
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expected").join(&name);
        let expected: Value =
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap_or_default()).unwrap_or_default();
        if actual != expected {
            wrong.push(format!("{name}\n got {actual:#}\n expected {expected:#}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_recorded_request_is_judged_as_its_record_says() {
    let adapter = adapter();
    let cases = vector("http_requests.json");
    let cases = cases["cases"].as_array().unwrap();
    assert!(cases.len() >= 25);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let headers: Vec<(String, String)> = case["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(k, v)| (k.to_ascii_lowercase(), v.as_str().unwrap().to_owned()))
            .collect();
        let headers: Vec<(&str, &str)> = headers.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let request = RawRequest {
            post: true,
            query: "",
            headers: &headers,
            body: case["body"].as_str().unwrap().as_bytes(),
        };
        let received = adapter.receive(&request, NOW);
        let expected = match name {
            // The record is of a receiver without an encrypt key; ours never is without one.
            "event_plain_ok" | "event_plain_while_encrypt_key_set_signed" => "reject",
            // Replay of 2020: outside our window.
            "event_old_timestamp" => "reject",
            // The console sends a plain check when the address is saved before the key. It shows the
            // token and gains nothing, so that it is answered.
            "challenge_plain_while_encrypt_key_set" => "accept",
            _ => case["expect"].as_str().unwrap(),
        };
        match (&received, expected) {
            (Received::Rejected(_), "reject") | (Received::Events { .. }, "accept") => {}
            (Received::Challenge(answer), "accept") => {
                let said: Value = serde_json::from_slice(&answer.body).unwrap();
                let reply = case["expect_reply"].as_str();
                assert!(
                    reply.is_none_or(|r| serde_json::from_str::<Value>(r).unwrap() == said),
                    "{name}: {said}"
                );
            }
            _ => panic!("{name}: {received:?}"),
        }
    }
}

#[test]
fn a_plain_address_check_needs_a_configured_token() {
    let check = |adapter: &Feishu, body: String| {
        adapter.receive(
            &RawRequest {
                post: true,
                query: "",
                headers: &[],
                body: body.as_bytes(),
            },
            NOW,
        )
    };
    let plain = json!({ "challenge": "a\"b", "token": support::TOKEN, "type": "url_verification" }).to_string();
    assert!(matches!(check(adapter(), plain.clone()), Received::Challenge(_)));
    let without = Feishu::new(&build(settings().with(
        "verification_token",
        SettingValue::Secret(hutong_model::Secret::new("")),
    )))
    .unwrap();
    assert_eq!(check(&without, plain.clone()), Received::Rejected(Rejection::BadToken));
    // Encryption proves the key, so that the token may be missing there.
    assert!(matches!(check(&without, encrypt(KEY, &plain)), Received::Challenge(_)));
    // An event in the dress of an address check is none.
    let event = vector("events/im.message.receive_v1.text_p2p.json").to_string();
    assert_eq!(
        check(adapter(), encrypt(KEY, &event)),
        Received::Rejected(Rejection::MissingHeader)
    );
    let dressed = event.replacen('{', r#"{"type":"url_verification","challenge":"x","#, 1);
    assert_eq!(
        check(adapter(), encrypt(KEY, &dressed)),
        Received::Rejected(Rejection::MissingHeader)
    );
    assert_eq!(check(adapter(), dressed), Received::Rejected(Rejection::MissingHeader));
}

#[test]
fn no_single_flipped_bit_passes() {
    let adapter = adapter();
    let plain = vector("events/im.message.recalled_v1.json").to_string();
    let good = Callback::of(&plain, NOW);
    assert!(matches!(good.receive(adapter, NOW), Received::Events { .. }));
    let headers = good.headers();
    for bit in 0..good.body.len() * 8 {
        let mut body = good.body.clone();
        body[bit / 8] ^= 1 << (bit % 8);
        let received = adapter.receive(
            &RawRequest {
                post: true,
                query: "",
                headers: &headers,
                body: &body,
            },
            NOW,
        );
        assert_eq!(received, Received::Rejected(Rejection::BadSignature), "bit {bit}");
    }
}

#[test]
fn headers_stand_once_or_not_at_all() {
    let adapter = adapter();
    let plain = vector("events/im.message.recalled_v1.json").to_string();
    let good = Callback::of(&plain, NOW);
    let receive = |headers: &[(&str, &str)]| {
        adapter.receive(
            &RawRequest {
                post: true,
                query: "",
                headers,
                body: &good.body,
            },
            NOW,
        )
    };
    for i in 1..4 {
        let mut missing = good.headers();
        let header = missing.remove(i);
        assert_eq!(receive(&missing), Received::Rejected(Rejection::MissingHeader));
        let mut doubled = good.headers();
        doubled.push(header);
        assert_eq!(receive(&doubled), Received::Rejected(Rejection::DoubledHeader));
    }
    assert_eq!(receive(&[]), Received::Rejected(Rejection::MissingHeader));
    let get = RawRequest {
        post: false,
        query: "",
        headers: &good.headers(),
        body: &good.body,
    };
    assert_eq!(adapter.receive(&get, NOW), Received::Rejected(Rejection::Malformed));
    let huge = vec![b' '; (1 << 20) + 1];
    let huge = RawRequest {
        post: true,
        query: "",
        headers: &good.headers(),
        body: &huge,
    };
    assert_eq!(adapter.receive(&huge, NOW), Received::Rejected(Rejection::TooLarge));
}

#[test]
fn the_window_lets_the_last_repeat_through_and_no_replay() {
    let adapter = adapter();
    let plain = vector("events/im.message.recalled_v1.json").to_string();
    let hours = |h: i64| Timestamp(NOW.0 + h * 3_600_000);
    let at = |h: i64| Callback::of(&plain, hours(h)).receive(adapter, NOW);
    // The ladder ends 7 h 5 min 15 s after the first push.
    assert!(matches!(at(-7), Received::Events { .. }));
    assert!(matches!(
        Callback::of(&plain, Timestamp(NOW.0 - 25_515_000)).receive(adapter, NOW),
        Received::Events { .. }
    ));
    assert_eq!(at(-9), Received::Rejected(Rejection::Stale));
    assert_eq!(at(1), Received::Rejected(Rejection::Stale));
    assert!(matches!(
        Callback::of(&plain, Timestamp(NOW.0 + 240_000)).receive(adapter, NOW),
        Received::Events { .. }
    ));
}

#[test]
fn another_app_another_tenant_and_another_token_are_refused() {
    let event = vector("events/im.message.recalled_v1.json");
    let changed = |member: &str, value: &str| {
        let mut event = event.clone();
        event["header"][member] = json!(value);
        Callback::of(&event.to_string(), NOW)
    };
    let adapter = adapter();
    assert_eq!(
        changed("app_id", "cli_other").receive(adapter, NOW),
        Received::Rejected(Rejection::WrongApp)
    );
    assert_eq!(
        changed("token", "x").receive(adapter, NOW),
        Received::Rejected(Rejection::BadToken)
    );
    assert!(matches!(
        changed("tenant_key", "x").receive(adapter, NOW),
        Received::Events { .. }
    ));
    let strict = Feishu::new(&build(
        settings().with("tenant_key", SettingValue::Text("2ed263bf32cf1651".into())),
    ))
    .unwrap();
    assert_eq!(
        changed("tenant_key", "x").receive(&strict, NOW),
        Received::Rejected(Rejection::WrongApp)
    );
    assert!(matches!(
        changed("event_id", "e").receive(&strict, NOW),
        Received::Events { .. }
    ));
}

#[test]
fn unknown_and_odd_events_are_counted_not_refused() {
    let adapter = adapter();
    let mut event = vector("events/im.message.recalled_v1.json");
    event["header"]["event_type"] = json!("im.brand_new_v9");
    event["event"] = json!({ "user_id": 5, "nested": [[{ "a": null }]] });
    let incoming = one(Callback::of(&event.to_string(), NOW).receive(adapter, NOW));
    assert_eq!(
        incoming.body,
        Body::Other {
            name: "im.brand_new_v9".into()
        }
    );
    // A known kind without what it cannot do without.
    event["header"]["event_type"] = json!("im.message.receive_v1");
    let incoming = one(Callback::of(&event.to_string(), NOW).receive(adapter, NOW));
    assert_eq!(
        incoming.body,
        Body::Other {
            name: "im.message.receive_v1".into()
        }
    );
    assert_eq!(incoming.key, event["header"]["event_id"].as_str().unwrap());
}

#[test]
fn the_bot_is_found_before_its_id_is_known() {
    let mut unknown = settings();
    unknown.set("bot_open_id", SettingValue::Bool(false));
    let at_only = Feishu::new(&build(unknown.clone())).unwrap();
    let sees_all = Feishu::new(&build(unknown.with("sees_all_messages", SettingValue::Bool(true)))).unwrap();
    let mut event = vector("events/im.message.receive_v1.text_mention_bot_and_user.json");
    let addressed =
        |adapter: &Feishu, event: &Value| match one(Callback::of(&event.to_string(), NOW).receive(adapter, NOW)).body {
            Body::Message(m) => (m.addressed, m.mentions().count()),
            other => panic!("{other:?}"),
        };
    assert_eq!(addressed(&at_only, &event), (true, 1));
    assert_eq!(addressed(&sees_all, &event), (true, 1));
    // Two bots: which one is us cannot be said by an app that gets every message.
    event["event"]["message"]["mentions"][1]["mentioned_type"] = json!("bot");
    assert_eq!(addressed(&at_only, &event), (true, 1));
    assert_eq!(addressed(&sees_all, &event), (false, 2));
    // Once the id is known, only the id counts.
    event["event"]["message"]["mentions"][0]["id"]["open_id"] = json!("ou_other");
    event["event"]["message"]["mentions"][1]["id"]["open_id"] = json!(BOT);
    let known = adapter();
    assert_eq!(addressed(known, &event), (true, 1));
}

#[test]
fn outsiders_are_marked() {
    let mut event = vector("events/im.message.receive_v1.text_p2p.json");
    event["event"]["sender"]["tenant_key"] = json!("another");
    let incoming = one(Callback::of(&event.to_string(), NOW).receive(adapter(), NOW));
    let Body::Message(message) = incoming.body else {
        panic!()
    };
    assert_eq!(message.sender.kind, SenderKind::External);
}

#[test]
fn people_can_be_named_by_open_id() {
    let by_open_id = Feishu::new(&build(
        settings().with("user_id_type", SettingValue::Text("open_id".into())),
    ))
    .unwrap();
    let event = vector("events/im.message.receive_v1.text_p2p.json").to_string();
    let Body::Message(message) = one(Callback::of(&event, NOW).receive(&by_open_id, NOW)).body else {
        panic!()
    };
    assert_eq!(
        message.sender.user.unwrap().as_str(),
        "ou_6384e2b2184bcbf58eccf10ca7a6563c"
    );
}

#[test]
fn an_app_without_its_encrypt_key_is_refused_with_a_way_out() {
    let bare = settings().with("encrypt_key", SettingValue::Secret(hutong_model::Secret::new("")));
    let problems = Feishu::new(&build(
        bare.with("base_url", SettingValue::Text("https://evil.example".into())),
    ))
    .err()
    .unwrap();
    let keys: BTreeSet<&str> = problems.iter().map(|p| p.key).collect();
    assert_eq!(keys, BTreeSet::from(["base_url", "encrypt_key"]));
    assert!(problems.iter().all(|p| !p.hint.is_empty()));
}

#[test]
fn the_events_cover_every_kind_of_the_model_that_the_platform_has() {
    let adapter = adapter();
    let seen: BTreeSet<&str> = events()
        .iter()
        .map(|name| one(Callback::of(&vector(&format!("events/{name}")).to_string(), NOW).receive(adapter, NOW)))
        .map(|incoming| incoming.body.kind().as_str())
        .collect();
    let expected = [
        "message",
        "recall",
        "reaction",
        "member",
        "bot",
        "chat",
        "click",
        "read",
        "person",
        "department",
        "directory_scope",
        "menu",
        "chat_entered",
        "other",
    ];
    assert_eq!(seen, BTreeSet::from(expected));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Bytes from anybody: never a panic, never an event without a signature.
    #[test]
    fn arbitrary_bodies_are_refused(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let received = adapter().receive(&RawRequest { post: true, query: "", headers: &[], body: &body }, NOW);
        prop_assert!(matches!(received, Received::Rejected(_)), "{:?}", received);
    }

    /// Genuine senders with any content: an event or a refusal, never a panic.
    #[test]
    fn arbitrary_plaintexts_do_not_panic(plain in ".{0,200}") {
        let body = encrypt(KEY, &plain).into_bytes();
        let signature = sign(KEY, "1760000000", "n", &body);
        let headers = [
            ("x-lark-request-timestamp", "1760000000"),
            ("x-lark-request-nonce", "n"),
            ("x-lark-signature", signature.as_str()),
        ];
        let received = adapter().receive(&RawRequest { post: true, query: "", headers: &headers, body: &body }, NOW);
        prop_assert!(matches!(received, Received::Rejected(_)));
    }
}

#[test]
fn secrets_may_be_changed_without_losing_an_event() {
    const OLD_KEY: &str = "before the change";
    const OLD_TOKEN: &str = "token-before";
    let secret = |text: &str| SettingValue::Secret(hutong_model::Secret::new(text));
    let both = Feishu::new(&build(
        settings()
            .with("encrypt_key_previous", secret(OLD_KEY))
            .with("verification_token_previous", secret(OLD_TOKEN)),
    ))
    .unwrap();
    let mut event = vector("events/im.message.recalled_v1.json");
    let sealed = |key: &str, event: &Value| {
        let body = encrypt(key, &event.to_string()).into_bytes();
        let (timestamp, nonce) = (NOW.secs().to_string(), "n".to_owned());
        Callback {
            signature: sign(key, &timestamp, &nonce, &body),
            timestamp,
            nonce,
            body,
        }
    };
    let accepted = |received: Received| matches!(received, Received::Events { .. });
    assert!(accepted(sealed(KEY, &event).receive(&both, NOW)));
    event["header"]["token"] = json!(OLD_TOKEN);
    assert!(accepted(sealed(OLD_KEY, &event).receive(&both, NOW)));
    assert!(
        accepted(sealed(KEY, &event).receive(&both, NOW)),
        "changed one after the other"
    );
    assert_eq!(
        sealed("third", &event).receive(&both, NOW),
        Received::Rejected(Rejection::BadSignature)
    );
    event["header"]["token"] = json!("third");
    assert_eq!(
        sealed(OLD_KEY, &event).receive(&both, NOW),
        Received::Rejected(Rejection::BadToken)
    );
    // Without the setting the old ones are as bad as any.
    assert_eq!(
        sealed(OLD_KEY, &event).receive(adapter(), NOW),
        Received::Rejected(Rejection::BadSignature)
    );
    // The address check of the console comes without a signature, under either key.
    for key in [KEY, OLD_KEY] {
        let check = json!({ "challenge": "x", "token": OLD_TOKEN, "type": "url_verification" }).to_string();
        let body = encrypt(key, &check);
        let request = RawRequest {
            post: true,
            query: "",
            headers: &[],
            body: body.as_bytes(),
        };
        assert!(matches!(both.receive(&request, NOW), Received::Challenge(_)), "{key}");
    }
}
