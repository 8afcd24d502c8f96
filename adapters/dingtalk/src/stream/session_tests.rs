use super::*;
use crate::config::tests::{config, settings};
use hutong_model::{Body, SettingValue};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

const NOW: Timestamp = Timestamp(1_751_600_200_000);

fn session() -> Session {
    let settings = settings().with("receive", SettingValue::Text("long_connection".into()));
    let mut session = Session::new(Arc::new(config(&settings)), NOW);
    assert_eq!(session.opened(NOW), [Step::Ready]);
    session
}

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../tests/vectors/stream_frames.json")).unwrap()
}

fn example(name: &str) -> Value {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/events");
    serde_json::from_str(&std::fs::read_to_string(dir.join(format!("{name}.json"))).unwrap()).unwrap()
}

fn feed(session: &mut Session, frame: &Value) -> Vec<Step> {
    session.received(Frame::Text(frame.to_string()), NOW)
}

/// The acknowledgements in some steps, as JSON.
fn sent(steps: &[Step]) -> Vec<Value> {
    steps
        .iter()
        .filter_map(|step| match step {
            Step::Send(Frame::Text(text)) => Some(serde_json::from_str(text).unwrap()),
            Step::Send(Frame::Binary(_)) => panic!("the platform reads text"),
            _ => None,
        })
        .collect()
}

fn stores(steps: &[Step]) -> Option<(u64, Vec<Incoming>)> {
    let mut found = steps.iter().filter_map(|step| match step {
        Step::Store { receipt, events } => Some((*receipt, events.clone())),
        _ => None,
    });
    let first = found.next();
    assert!(found.next().is_none(), "one frame, one commit");
    first
}

/// What a frame leads to: nothing is sent before the store has answered.
fn settled(frame: &Value, stored: bool) -> (Vec<Incoming>, Value) {
    let mut session = session();
    let steps = feed(&mut session, frame);
    assert_eq!(steps.len(), 1, "{steps:?}");
    let (receipt, events) = stores(&steps).unwrap();
    let acks = sent(&session.stored(receipt, stored, NOW));
    assert_eq!(acks.len(), 1);
    assert_eq!(session.stored(receipt, true, NOW), [], "a receipt is used once");
    (events, acks[0].clone())
}

fn expected(kind: &str, frame: &Value) -> Value {
    let mut ack = vectors()["project_acks"][kind].clone();
    ack["headers"]["messageId"] = frame["headers"]["messageId"].clone();
    ack
}

/// The same up to the layout of the JSON within `data`.
fn same(found: &Value, wanted: &Value) {
    let open = |ack: &Value| {
        let mut ack = ack.clone();
        let data = ack["data"].as_str().unwrap().to_owned();
        ack["data"] = serde_json::from_str(&data).unwrap_or(Value::String(data));
        ack
    };
    assert_eq!(open(found), open(wanted));
}

#[test]
fn every_recorded_exchange_is_answered_as_agreed() {
    let all = vectors();
    let mut seen = BTreeSet::new();
    for exchange in all["exchanges"].as_array().unwrap() {
        let name = exchange["name"].as_str().unwrap();
        let frame = match exchange["server_frame"]["see"].as_str() {
            Some(see) => example(see.split(['/', '.']).nth(1).unwrap())["stream_frame"].clone(),
            None => exchange["server_frame"].clone(),
        };
        seen.insert(name.to_owned());
        match name {
            "ping" | "ping_no_specversion" => {
                let steps = feed(&mut session(), &frame);
                let mut wanted = expected("ping", &frame);
                wanted["data"] = frame["data"].clone();
                assert_eq!(sent(&steps), [wanted], "{name}: the data comes back as it was");
                assert_eq!(steps.len(), 1);
            }
            "user_add_org" | "event_handler_returns_later" | "event_handler_raises" | "event_topic_dingTalk" => {
                let (events, ack) = settled(&frame, true);
                // `message` is optional beside SUCCESS; the note of the exchange leaves it out.
                let mut wanted = expected("event_success", &frame);
                wanted["data"] = r#"{"status":"SUCCESS"}"#.into();
                same(&ack, &wanted);
                assert_eq!(events[0].key, frame["headers"]["eventId"].as_str().unwrap());
                let (_, ack) = settled(&frame, false);
                same(&ack, &expected("event_later", &frame));
            }
            "bot_text_group" | "bot_handler_raises" | "bot_over_quota" => {
                let (events, ack) = settled(&frame, true);
                same(&ack, &expected("bot_message", &frame));
                let data: Value = serde_json::from_str(frame["data"].as_str().unwrap()).unwrap();
                assert_eq!(events[0].key, data["msgId"].as_str().unwrap());
                let (_, ack) = settled(&frame, false);
                assert_eq!((&ack["code"], &ack["data"]), (&json!(500), &json!("")));
            }
            "card_callback_stream" => {
                let (events, ack) = settled(&frame, true);
                let mut wanted = expected("card_callback", &frame);
                // The bot changes cards by the API, so that everybody sees it.
                wanted["data"] = r#"{"response":{}}"#.into();
                same(&ack, &wanted);
                assert_eq!(events[0].key, "card:212ca9d7_974_1898c159aa6_00c8");
                assert_eq!(events[0].occurred_at, Timestamp(1_751_600_200_000));
                let Body::Click(click) = &events[0].body else { panic!() };
                assert_eq!(click.action, "like");
                let (_, ack) = settled(&frame, false);
                assert_eq!((&ack["code"], &ack["data"]), (&json!(500), &json!("")));
            }
            "callback_unregistered_topic" | "unknown_type" => {
                let steps = feed(&mut session(), &frame);
                assert_eq!(sent(&steps), [expected("no_handler", &frame)], "{name}");
                assert_eq!(steps.len(), 1);
            }
            "system_KEEPALIVE" => assert_eq!(feed(&mut session(), &frame), []),
            "disconnect" => {
                let mut session = session();
                assert_eq!(feed(&mut session, &frame), [Step::Replace { drain_ms: DRAIN_MS }]);
                assert_eq!(feed(&mut session, &frame), [], "one new connection is enough");
                // The old one goes on reading.
                let push = example("bot_text_group")["stream_frame"].clone();
                let (receipt, _) = stores(&feed(&mut session, &push)).unwrap();
                assert_eq!(sent(&session.stored(receipt, true, NOW)).len(), 1);
                assert_eq!(session.next_tick(), None);
            }
            other => panic!("{other} is not judged"),
        }
    }
    assert_eq!(seen.len(), 14);
}

#[test]
fn every_example_means_the_same_in_both_modes() {
    let reviewed: Value = serde_json::from_str(include_str!("../../tests/expected/events.json")).unwrap();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/events");
    let mut frames = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let file = example(&name);
        let Some(frame) = file.get("stream_frame") else {
            continue;
        };
        frames += 1;
        let (events, _) = settled(frame, true);
        let shown: Vec<Value> = events
            .iter()
            .map(|e| json!({ "key": e.key, "lane": e.lane, "occurred_at": e.occurred_at, "body": e.body }))
            .collect();
        if file["kind"] == "event" {
            let wanted = &reviewed[format!("{name} http_plaintext")];
            assert_eq!(&Value::from(shown), wanted, "{name}");
        } else {
            let mut wanted = reviewed[&name].clone();
            if name.starts_with("card_") {
                wanted["key"] = shown[0]["key"].clone();
                wanted["occurred_at"] = shown[0]["occurred_at"].clone();
            }
            assert_eq!(shown, [wanted], "{name}");
        }
    }
    // All but check_url and the card's HTTP form.
    assert_eq!(frames, 32);
}

#[test]
fn a_delegated_message_is_a_message() {
    let mut frame = example("bot_text_single")["stream_frame"].clone();
    let (plain, _) = settled(&frame, true);
    frame["headers"]["topic"] = DELEGATE_TOPIC.into();
    let (delegated, ack) = settled(&frame, true);
    assert_eq!(delegated, plain);
    same(&ack, &expected("bot_message", &frame));
}

#[test]
fn another_company_or_robot_is_refused_as_in_http_mode() {
    let mut event = example("user_add_org")["stream_frame"].clone();
    event["headers"]["eventCorpId"] = "ding-other".into();
    let mut robot = example("bot_text_group")["stream_frame"].clone();
    let data = robot["data"].as_str().unwrap();
    robot["data"] = data.replace("dingsim0appkey00001", "dingother").into();
    let mut card = example("card_callback_stream")["stream_frame"].clone();
    let data = card["data"].as_str().unwrap();
    card["data"] = data.replace("ding9f50b15b000016741", "ding-other").into();
    for frame in [event, robot, card] {
        let steps = feed(&mut session(), &frame);
        assert_eq!(steps[0], Step::Rejected(Rejection::WrongApp), "{frame}");
        assert_eq!(sent(&steps)[0]["code"], 400);
        assert_eq!(steps.len(), 2);
    }
}

#[test]
fn broken_frames_are_counted_and_never_accepted() {
    for text in ["", "x", "[]", "{}", r#"{"type":3}"#, "null", "\u{0}"] {
        let steps = session().received(Frame::Text(text.into()), NOW);
        assert_eq!(steps, [Step::Rejected(Rejection::Malformed)], "{text:?}");
    }
    assert_eq!(
        session().received(Frame::Binary(vec![0xff, 0xfe]), NOW),
        [Step::Rejected(Rejection::Malformed)]
    );
    for (name, data) in [
        ("user_add_org", "not JSON"),
        ("user_add_org", "[1]"),
        ("bot_text_group", "{"),
        ("bot_text_group", "{}"),
        ("card_callback_stream", "null"),
    ] {
        let mut frame = example(name)["stream_frame"].clone();
        frame["data"] = data.into();
        let steps = feed(&mut session(), &frame);
        assert_eq!(steps[0], Step::Rejected(Rejection::Malformed), "{name} {data}");
        assert_eq!(sent(&steps)[0]["code"], 400);
    }
}

#[test]
fn headers_may_be_numbers_or_missing() {
    let mut frame = example("bot_text_single")["stream_frame"].clone();
    frame["headers"]["time"] = json!(1_751_600_101_000_i64);
    frame["headers"]["messageId"] = json!(77);
    let (_, ack) = settled(&frame, true);
    assert_eq!(ack["headers"]["messageId"], "77");
    // Nothing to acknowledge with, but stored all the same: a repeat is known by its msgId.
    frame["headers"] = json!({ "topic": ROBOT_TOPIC });
    let mut session = session();
    let (receipt, events) = stores(&feed(&mut session, &frame)).unwrap();
    assert_eq!(events[0].key, "msgSim000000000000000103==");
    assert_eq!(session.stored(receipt, true, NOW), []);
    // Data that was not folded into a string.
    let mut frame = example("user_add_org")["stream_frame"].clone();
    frame["data"] = serde_json::from_str(frame["data"].as_str().unwrap()).unwrap();
    frame["headers"]["eventBornTime"] = json!(1_751_600_001_000_i64);
    let (events, _) = settled(&frame, true);
    assert_eq!(events, settled(&example("user_add_org")["stream_frame"], true).0);
    // Cards without an id are told apart by time and content, as in HTTP mode.
    let mut card = example("card_callback_stream")["stream_frame"].clone();
    card["headers"] = json!({ "topic": CARD_TOPIC, "time": "5" });
    let key = |card: &Value| stores(&feed(&mut self::session(), card)).unwrap().1[0].key.clone();
    let first = key(&card);
    assert_eq!(first, key(&card));
    card["headers"]["time"] = "6".into();
    assert_ne!(first, key(&card));
}

#[test]
fn silence_of_frames_replaces_the_connection_once() {
    let mut session = session();
    let at = |ms: i64| Timestamp(NOW.millis() + ms);
    assert_eq!(session.next_tick(), Some(at(180_000)));
    assert_eq!(session.tick(at(179_999)), []);
    let ping = vectors()["exchanges"][0]["server_frame"].to_string();
    assert_eq!(session.received(Frame::Text(ping), at(100_000)).len(), 1);
    assert_eq!(session.next_tick(), Some(at(280_000)), "a ping of the platform counts");
    session.received(Frame::Text("garbage".into()), at(270_000));
    assert_eq!(session.next_tick(), Some(at(280_000)), "garbage does not");
    assert_eq!(
        session.tick(at(280_000)),
        [Step::Replace {
            drain_ms: QUIET_DRAIN_MS
        }]
    );
    assert_eq!(session.tick(at(500_000)), []);
    assert_eq!(session.next_tick(), None);
}

#[test]
fn a_store_that_never_answers_fills_up_to_a_bound() {
    let mut session = session();
    let frame = example("user_add_org")["stream_frame"].clone();
    for _ in 0..MAX_WAITING {
        assert!(stores(&feed(&mut session, &frame)).is_some());
    }
    let steps = feed(&mut session, &frame);
    same(&sent(&steps)[0], &expected("event_later", &frame));
    assert_eq!(steps.len(), 1);
    assert_eq!(session.stored(1, true, NOW).len(), 1);
    assert!(stores(&feed(&mut session, &frame)).is_some(), "and takes again");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z$/*.0-9]{0,8}".prop_map(Value::from),
        prop::sample::select(vec![
            "EVENT",
            "CALLBACK",
            "SYSTEM",
            "*",
            "ping",
            "disconnect",
            ROBOT_TOPIC,
            DELEGATE_TOPIC,
            CARD_TOPIC,
            "user_add_org",
            "chat_quit",
            "robot_msg_read",
            "1",
            "2",
            "text",
            "richText",
            "picture",
            "{}",
            "[]",
            "{\"a\":",
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-zA-Z]{1,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Frames that are nearly right: an example in which some places were overwritten.
fn any_frame() -> impl Strategy<Value = Value> {
    let names = [
        "user_add_org",
        "chat_add_member",
        "robot_msg_read",
        "bot_text_group",
        "bot_richtext_group",
        "bot_picture_single",
        "card_callback_stream",
    ];
    let keys = vec![
        "messageId",
        "topic",
        "time",
        "eventId",
        "eventType",
        "eventCorpId",
        "eventBornTime",
    ];
    (
        prop::sample::select(names.to_vec()),
        prop::collection::vec((prop::sample::select(keys), any_json()), 0..3),
        prop::option::weighted(
            0.4,
            prop_oneof![any_json(), any_json().prop_map(|v| v.to_string().into())],
        ),
        prop::collection::vec(
            (
                "[a-zA-Z]{1,6}|msgId|conversationType|userId|content|atUsers|text",
                any_json(),
            ),
            0..3,
        ),
        prop::option::weighted(0.2, any_json()),
        prop::option::weighted(0.1, any_json()),
    )
        .prop_map(|(name, headers, data, inner, kind, whole)| {
            let mut frame = example(name)["stream_frame"].clone();
            for (key, value) in headers {
                frame["headers"][key] = value;
            }
            let mut body: Value = serde_json::from_str(frame["data"].as_str().unwrap()).unwrap();
            for (key, value) in inner {
                body[key] = value;
            }
            frame["data"] = body.to_string().into();
            if let Some(data) = data {
                frame["data"] = data;
            }
            if let Some(kind) = kind {
                frame["type"] = kind;
            }
            whole.unwrap_or(frame)
        })
}

fn success(ack: &Value) -> bool {
    let status = serde_json::from_str::<Value>(ack["data"].as_str().unwrap())
        .ok()
        .and_then(|d| d["status"].as_str().map(str::to_owned));
    ack["code"] == 200 && status.as_deref() != Some("LATER")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    /// Whatever comes, a success is said only for what was stored, once, and by its own name.
    #[test]
    fn nothing_is_acknowledged_that_was_not_stored(frames in prop::collection::vec((any_frame(), any::<Option<bool>>()), 1..6)) {
        let mut session = session();
        for (frame, stored) in frames {
            let steps = feed(&mut session, &frame);
            let system = frame["type"] == "SYSTEM";
            let check = frame["headers"]["eventType"] == "check_url";
            for ack in sent(&steps) {
                prop_assert!(system || check || !success(&ack), "{} for {}", ack, frame);
            }
            let Some((receipt, events)) = stores(&steps) else { continue };
            prop_assert!(!events.is_empty());
            prop_assert!(sent(&steps).is_empty(), "first the store");
            let Some(stored) = stored else { continue };
            let acks = sent(&session.stored(receipt, stored, NOW));
            prop_assert!(acks.len() <= 1);
            for ack in acks {
                prop_assert_eq!(success(&ack), stored);
                prop_assert_eq!(
                    ack["headers"]["messageId"].as_str().map(str::to_owned),
                    crate::wire::scalar(&frame["headers"]["messageId"])
                );
            }
        }
    }

    #[test]
    fn random_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200), text in ".{0,80}", json in any_json()) {
        let mut session = session();
        for frame in [Frame::Binary(bytes), Frame::Text(text), Frame::Text(json.to_string())] {
            for step in session.received(frame, NOW) {
                prop_assert!(matches!(step, Step::Rejected(_) | Step::Send(_) | Step::Replace { .. }), "{:?}", step);
            }
        }
    }
}
