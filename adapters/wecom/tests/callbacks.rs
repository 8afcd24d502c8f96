//! Callbacks: every vector of the HTTP doors, tampering, and the events they become.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod common;

use common::{NOW, app, bot, cases, door_of, get, post, time_of};
use hutong_model::{Body, Received, Rejection, Timestamp};
use hutong_wecom::verify::{Keys, Query, open_media_with};
use serde_json::{Value, json};

use hutong_model::Secret;

fn keys_of(case: &Value) -> Keys {
    let c = &case["credentials"];
    let c = if c.is_null() { case } else { c };
    Keys::new(
        Secret::new(c["token"].as_str().unwrap()),
        &Secret::new(c["encoding_aes_key"].as_str().unwrap()),
        c["receiveid"].as_str().unwrap(),
    )
    .unwrap()
}

fn encrypt_of(body: &str) -> Option<String> {
    if let Ok(value) = serde_json::from_str::<Value>(body) {
        return Some(value["encrypt"].as_str()?.to_owned());
    }
    let xml = hutong_wecom::wire::Element::parse(body).ok()?;
    xml.only("Encrypt").ok().map(str::to_owned)
}

#[test]
fn the_address_check_is_answered_with_the_plain_text_alone() {
    let all = cases("url-verify.json");
    assert_eq!(all.len(), 5);
    for case in all {
        let answer = match get(&door_of(&case), case["query_string"].as_str().unwrap(), time_of(&case)) {
            Received::Challenge(answer) => answer,
            other => panic!("{}: {other:?}", case["id"]),
        };
        assert_eq!(
            answer.body,
            case["expect"]["plaintext"].as_str().unwrap().as_bytes(),
            "{}",
            case["id"]
        );
    }
}

#[test]
fn every_positive_vector_opens() {
    let mut count = 0;
    for file in [
        "post-xml.json",
        "post-json.json",
        "callbacks-encrypted.json",
        "aibot-callbacks-encrypted.json",
        "replies-encrypted.json",
    ] {
        for case in cases(file) {
            let query = Query::read(case["query_string"].as_str().unwrap()).unwrap();
            let encrypt = encrypt_of(case["body"].as_str().unwrap()).unwrap();
            let plain = keys_of(&case).open(&query, &encrypt, time_of(&case)).unwrap();
            let expect = &case["expect"];
            if let Some(text) = expect["plaintext"].as_str() {
                assert_eq!(plain, text, "{}", case["id"]);
            }
            if let Some(sum) = expect["plaintext_sha256"].as_str() {
                use sha2::Digest;
                assert_eq!(
                    hex::encode(sha2::Sha256::digest(plain.as_bytes())),
                    sum,
                    "{}",
                    case["id"]
                );
            }
            for part in expect["plaintext_contains"].as_array().into_iter().flatten() {
                assert!(plain.contains(part.as_str().unwrap()), "{}", case["id"]);
            }
            count += 1;
        }
    }
    assert_eq!(count, 4 + 2 + 46 + 23 + 18);
}

#[test]
fn all_paddings_from_1_to_32_open() {
    let path = format!(
        "{}/tests/vectors/crypto/padding-boundaries.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let find = |name: &str| {
        file["credentials"][name]
            .as_str()
            .or_else(|| file[name].as_str())
            .map(str::to_owned)
    };
    let keys = Keys::new(
        Secret::new(find("token").unwrap()),
        &Secret::new(find("encoding_aes_key").unwrap()),
        find("receiveid").unwrap(),
    )
    .unwrap();
    let all = file["cases"].as_array().unwrap();
    assert_eq!(all.len(), 65);
    let timestamp = find("timestamp").unwrap_or_else(|| "1795305600".into());
    let nonce = find("nonce").unwrap_or_else(|| "1795305601".into());
    for case in all {
        let query = Query {
            signature: case["msg_signature"].as_str().unwrap().into(),
            timestamp: timestamp.clone(),
            nonce: nonce.clone(),
            echostr: None,
        };
        let plain = keys.open(&query, case["encrypt"].as_str().unwrap(), NOW).unwrap();
        assert_eq!(plain, case["message"].as_str().unwrap(), "{}", case["id"]);
    }
}

#[test]
fn every_negative_vector_is_rejected_and_nothing_panics() {
    let (mut refused, mut stages) = (0, std::collections::BTreeMap::new());
    for case in cases("negative.json") {
        let door = door_of(&case);
        let query = case["query_string"].as_str().unwrap();
        let got = match case["body"].as_str() {
            Some(body) => post(&door, query, body.as_bytes(), NOW),
            None => get(&door, query, NOW),
        };
        if case["expect"]["ok"] == true {
            assert!(matches!(got, Received::Events { .. }), "{}: {got:?}", case["id"]);
            continue;
        }
        let Received::Rejected(rejection) = got else {
            panic!("{} was accepted: {got:?}", case["id"]);
        };
        stages.insert(case["id"].as_str().unwrap().to_owned(), rejection);
        refused += 1;
    }
    assert_eq!(refused, 28);
    let at = |id: &str| stages.iter().find(|(k, _)| k.starts_with(id)).map(|(_, r)| *r).unwrap();
    for id in ["neg-01", "neg-02", "neg-04", "neg-05", "neg-24"] {
        assert_eq!(at(id), Rejection::BadSignature, "{id}");
    }
    for id in ["neg-07", "neg-08", "neg-09", "neg-13"] {
        assert_eq!(at(id), Rejection::WrongApp, "{id}");
    }
    for id in [
        "neg-06-", "neg-06b", "neg-11", "neg-12", "neg-14", "neg-15", "neg-16", "neg-17", "neg-18", "neg-23",
    ] {
        assert_eq!(at(id), Rejection::Undecryptable, "{id}");
    }
    for id in ["neg-19", "neg-21", "neg-22"] {
        assert_eq!(at(id), Rejection::Malformed, "{id}");
    }
}

#[test]
fn media_opens_with_both_kinds_of_key() {
    use base64::Engine;
    let engine = base64::engine::general_purpose::STANDARD;
    let all = cases("media-decrypt.json");
    assert_eq!(all.len(), 9);
    for case in all {
        let sealed = engine.decode(case["ciphertext_base64"].as_str().unwrap()).unwrap();
        let opened = open_media_with(case["aeskey_base64"].as_str().unwrap(), &sealed);
        match case["expect"]["ok"] == true {
            true => {
                let plain = engine.decode(case["plaintext_base64"].as_str().unwrap()).unwrap();
                assert_eq!(opened.unwrap(), plain, "{}", case["id"]);
            }
            false => assert_eq!(opened, None, "{}", case["id"]),
        }
    }
}

/// Flips every bit of the body of a valid request, one at a time.
fn all_flips_are_rejected(door: &hutong_wecom::WeCom, query: &str, body: &str) -> usize {
    let mut bytes = body.as_bytes().to_vec();
    assert!(
        matches!(post(door, query, &bytes, NOW), Received::Events { .. }),
        "the request is valid"
    );
    for at in 0..bytes.len() {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            let got = post(door, query, &bytes, NOW);
            assert!(
                matches!(got, Received::Rejected(_)),
                "byte {at} bit {bit} of {body}: {got:?}"
            );
            bytes[at] ^= 1 << bit;
        }
    }
    bytes.len() * 8
}

#[test]
fn every_single_flipped_bit_of_a_body_is_rejected() {
    let mut flips = 0;
    for case in cases("callbacks-encrypted.json").iter().filter(|c| {
        ["cb-msg-text", "cb-event-click", "cb-event-change_contact-create_user"].contains(&c["id"].as_str().unwrap())
    }) {
        flips += all_flips_are_rejected(
            &app(),
            case["query_string"].as_str().unwrap(),
            case["body"].as_str().unwrap(),
        );
    }
    for case in cases("aibot-callbacks-encrypted.json").iter().take(2) {
        flips += all_flips_are_rejected(
            &bot(),
            case["query_string"].as_str().unwrap(),
            case["body"].as_str().unwrap(),
        );
    }
    assert!(flips > 20_000, "{flips}");
}

#[test]
fn the_query_must_be_whole_single_and_of_now() {
    let case = &cases("callbacks-encrypted.json")[0];
    let (query, body) = (
        case["query_string"].as_str().unwrap(),
        case["body"].as_str().unwrap().as_bytes(),
    );
    let door = app();
    let rejection = |query: &str, now| match post(&door, query, body, now) {
        Received::Rejected(rejection) => Some(rejection),
        _ => None,
    };
    assert_eq!(rejection(query, NOW), None);
    let pairs: Vec<&str> = query.split('&').collect();
    for skip in 0..pairs.len() {
        let mut left = pairs.clone();
        let gone = left.remove(skip);
        assert_eq!(
            rejection(&left.join("&"), NOW),
            Some(Rejection::MissingHeader),
            "without {gone}"
        );
        assert_eq!(
            rejection(&format!("{query}&{gone}"), NOW),
            Some(Rejection::DoubledHeader),
            "twice {gone}"
        );
    }
    assert_eq!(
        rejection(&format!("{query}&utm=1"), NOW),
        None,
        "an unknown name is nobody's business"
    );
    assert_eq!(
        rejection(&query.replace("timestamp=1", "timestamp=-1"), NOW),
        Some(Rejection::Malformed)
    );
    assert_eq!(
        rejection(&query.replace("nonce=", "nonce=%zz"), NOW),
        Some(Rejection::Malformed)
    );
    let sent = time_of(case).secs();
    let at = |s| Timestamp::from_secs(sent + s);
    assert_eq!(rejection(query, at(8 * 3600)), None, "a repeat hours later");
    assert_eq!(rejection(query, at(8 * 3600 + 1)), Some(Rejection::Stale));
    assert_eq!(rejection(query, at(-300)), None, "their clock is ahead");
    assert_eq!(rejection(query, at(-301)), Some(Rejection::Stale));
    // Flipping any character of the signed query.
    for at in 0..query.len() {
        let mut changed = query.as_bytes().to_vec();
        changed[at] ^= 1;
        if let Ok(changed) = String::from_utf8(changed) {
            assert!(rejection(&changed, NOW).is_some(), "{changed}");
        }
    }
}

#[test]
fn another_agent_and_another_bot_are_refused() {
    let case = cases("callbacks-encrypted.json")
        .into_iter()
        .find(|c| c["id"] == "cb-msg-text")
        .unwrap();
    let settings = common::app_settings(
        "AppCbToken20261123",
        "DFOmmvA4o137YbkaiMhizhiMGRe3vRL2sVgQKYUIaxw",
        "ww1a2b3c4d5e6f7081",
    )
    .with("agent_id", hutong_model::SettingValue::Integer(7));
    let other = hutong_wecom::WeCom::new(common::build("wecom", settings)).unwrap();
    let got = post(
        &other,
        case["query_string"].as_str().unwrap(),
        case["body"].as_str().unwrap().as_bytes(),
        NOW,
    );
    assert_eq!(got, Received::Rejected(Rejection::WrongApp));

    let case = &cases("aibot-callbacks-encrypted.json")[0];
    let settings = common::bot_settings("BotCbToken20261123", "hglp0csbjp0dWw1xoG2WRmsbcUetmg3y3PPrapRMyn0")
        .with("bot_id", common::text("AIBOT-OTHER"));
    let other = hutong_wecom::WeCom::new(common::build("wecom_aibot", settings)).unwrap();
    let got = post(
        &other,
        case["query_string"].as_str().unwrap(),
        case["body"].as_str().unwrap().as_bytes(),
        NOW,
    );
    assert_eq!(got, Received::Rejected(Rejection::WrongApp));
}

#[test]
fn what_a_robot_gets_is_refused_and_so_is_too_much() {
    let settings = hutong_model::Settings::default()
        .with("key", common::secret("K"))
        .with("chat", common::text("ops"));
    let robot = hutong_wecom::WeCom::new(common::build("wecom_webhook", settings)).unwrap();
    assert_eq!(post(&robot, "", b"", NOW), Received::Rejected(Rejection::WrongApp));
    let huge = vec![b'x'; (1 << 20) + 1];
    assert_eq!(post(&app(), "a=1", &huge, NOW), Received::Rejected(Rejection::TooLarge));
}

/// Every callback of the vectors as the event it becomes, against the reviewed file. To accept a
/// change: look at the difference that the failure prints, then edit the file by hand.
#[test]
fn callbacks_become_the_reviewed_events() {
    let path = format!("{}/tests/expected-events.json", env!("CARGO_MANIFEST_DIR"));
    let expected: serde_json::Map<String, Value> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut seen = serde_json::Map::new();
    for (door, file) in [
        (app(), "callbacks-encrypted.json"),
        (bot(), "aibot-callbacks-encrypted.json"),
    ] {
        for case in cases(file) {
            let got = post(
                &door,
                case["query_string"].as_str().unwrap(),
                case["body"].as_str().unwrap().as_bytes(),
                NOW,
            );
            let Received::Events { events, answer } = got else {
                panic!("{}: {got:?}", case["id"]);
            };
            assert!(answer.body.is_empty());
            let [event] = &events[..] else { panic!("{}", case["id"]) };
            seen.insert(
                case["id"].as_str().unwrap().to_owned(),
                json!({"key": event.key, "lane": event.lane, "at": event.occurred_at.millis(), "body": event.body}),
            );
        }
    }
    let differing: Vec<String> = seen
        .iter()
        .filter(|(id, event)| expected.get(*id) != Some(event))
        .map(|(id, event)| format!("{:?}: {event}", id))
        .collect();
    assert!(differing.is_empty(), "differing:\n{}", differing.join(",\n"));
    assert_eq!(seen.len(), expected.len());
    let keys: std::collections::BTreeSet<_> = seen.values().map(|e| e["key"].to_string()).collect();
    assert_eq!(keys.len(), seen.len(), "different events have different keys");
}

fn stems(folder: &str) -> Vec<String> {
    let path = format!("{}/tests/vectors/{folder}", env!("CARGO_MANIFEST_DIR"));
    let mut all: Vec<String> = std::fs::read_dir(path)
        .unwrap()
        .map(|f| f.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    all.sort();
    all
}

fn file(path: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/vectors/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn as_json(event: &hutong_model::Incoming) -> Value {
    json!({"key": event.key, "lane": event.lane, "at": event.occurred_at.millis(), "body": event.body})
}

/// Every plain file, without its envelope, is the same event; what has none is named.
#[test]
fn every_file_of_the_vectors_is_an_event_that_was_reviewed() {
    let expected: serde_json::Map<String, Value> = serde_json::from_str(
        &std::fs::read_to_string(format!("{}/tests/expected-events.json", env!("CARGO_MANIFEST_DIR"))).unwrap(),
    )
    .unwrap();
    let (mut xml, mut bot, mut replies) = (0, 0, 0);
    for name in stems("callbacks-xml") {
        if name.starts_with("reply-") {
            replies += 1;
            continue;
        }
        let element = hutong_wecom::wire::Element::parse(&file(&format!("callbacks-xml/{name}.xml"))).unwrap();
        let event = hutong_wecom::normalise::app(&element).unwrap();
        assert_eq!(Some(&as_json(&event)), expected.get(&format!("cb-{name}")), "{name}");
        xml += 1;
    }
    let identity = hutong_wecom::normalise::BotSelf {
        name: "RobotA",
        id: None,
    };
    for name in stems("aibot") {
        if name.starts_with("reply-") || name.starts_with("response_url-") {
            replies += 1;
            continue;
        }
        let callback = serde_json::from_str(&file(&format!("aibot/{name}.json"))).unwrap();
        let event = hutong_wecom::normalise::bot(&callback, identity, NOW).unwrap();
        let known = expected.get(&format!("aibot-cb-{name}"));
        let mut ours = as_json(&event);
        match known {
            Some(known) => {
                // A message has no time of its own: it is that of the request, and what depends on it.
                if callback.create_time.is_none() {
                    ours["at"] = known["at"].clone();
                    ours["body"]["reply_context"] = known["body"]["reply_context"].clone();
                    if known["body"].get("reply_context").is_none() {
                        ours["body"].as_object_mut().unwrap().remove("reply_context");
                    }
                }
                assert_eq!(&ours, known, "{name}");
            }
            // Only on the long connection, or only known from a plug-in.
            None => match name.as_str() {
                "event-auth_change_event-plugin" => {
                    assert_eq!(
                        event.body,
                        Body::Other {
                            name: "auth_change_event".into()
                        }
                    );
                }
                "event-disconnected_event-ws" => {
                    assert_eq!(
                        event.body,
                        Body::Other {
                            name: "disconnected_event".into()
                        }
                    );
                }
                "msg-image-single-ws" => {
                    let Body::Message(message) = &event.body else { panic!() };
                    assert_eq!(message.attachments.len(), 1);
                }
                other => panic!("{other} is not in the reviewed file"),
            },
        }
        bot += 1;
    }
    assert_eq!((xml, bot, replies), (46, 26, 5 + 15));
}

/// What the vectors do not hold: kinds that no rule uses are events without meaning, never an error.
#[test]
fn kinds_without_a_use_are_acknowledged() {
    for (kind, more) in [
        (
            "open_approval_change",
            "<ApprovalInfo><ThirdNo>1</ThirdNo></ApprovalInfo>",
        ),
        ("share_agent_change", ""),
        ("share_chain_change", ""),
        ("scancode_push", "<EventKey>k</EventKey>"),
        ("pic_sysphoto", "<EventKey>k</EventKey>"),
        ("location_select", "<EventKey>k</EventKey>"),
        ("sys_approval_change", ""),
        ("kf_msg_or_event", "<Token>t</Token>"),
        ("something_new", ""),
    ] {
        let xml = format!(
            "<xml><ToUserName>ww1</ToUserName><FromUserName>zhangsan</FromUserName><CreateTime>1795305600</CreateTime><MsgType>event</MsgType><Event>{kind}</Event>{more}<AgentID>1000002</AgentID></xml>"
        );
        let element = hutong_wecom::wire::Element::parse(&xml).unwrap();
        let event = hutong_wecom::normalise::app(&element).unwrap();
        assert_eq!(event.body, Body::Other { name: kind.into() });
    }
}

/// A quoted message shows its words as they were written, mentions and addresses too.
#[test]
fn a_quote_reads_as_it_was_written() {
    let callback = json!({
        "msgid": "m1", "chattype": "group", "chatid": "wr1", "from": {"userid": "zhangsan"}, "msgtype": "text",
        "text": {"content": "@RobotA 这个怎么看"},
        "quote": {"msgtype": "text", "text": {"content": "@王五 看 https://example.org/a `@x`\n第二行 a@b.c"}},
    });
    let callback = serde_json::from_value(callback).unwrap();
    let identity = hutong_wecom::normalise::BotSelf {
        name: "RobotA",
        id: None,
    };
    let event = hutong_wecom::normalise::bot(&callback, identity, NOW).unwrap();
    let Body::Message(message) = event.body else { panic!() };
    assert_eq!(message.text(), "这个怎么看");
    assert_eq!(
        message.attachments[0].handle,
        "@王五 看 https://example.org/a @x\n第二行 a@b.c"
    );
}

/// While the admin changes token or key, callbacks signed with either are taken, and an answer is
/// sealed with the keys that opened the request.
#[test]
fn keys_before_a_change_are_still_accepted() {
    const NEW_AES: &str = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C";
    const OLD_AES: &str = "DFOmmvA4o137YbkaiMhizhiMGRe3vRL2sVgQKYUIaxw";
    let case = &cases("callbacks-encrypted.json")[0];
    let got = |settings| {
        let door = hutong_wecom::WeCom::new(common::build("wecom", settings)).unwrap();
        let query = case["query_string"].as_str().unwrap();
        matches!(
            post(&door, query, case["body"].as_str().unwrap().as_bytes(), NOW),
            Received::Events { .. }
        )
    };
    let corp = "ww1a2b3c4d5e6f7081";
    let new = || common::app_settings("NewToken", NEW_AES, corp);
    let old_token = || common::secret("AppCbToken20261123");
    let old_aes = || common::secret(OLD_AES);
    assert!(!got(new()), "only the new ones");
    assert!(
        got(new()
            .with("token_previous", old_token())
            .with("aes_key_previous", old_aes())),
        "both changed"
    );
    assert!(!got(new().with("token_previous", old_token())), "the key is another");
    assert!(
        got(common::app_settings("NewToken", OLD_AES, corp).with("token_previous", old_token())),
        "only the token changed"
    );
    assert!(
        got(common::app_settings("AppCbToken20261123", NEW_AES, corp).with("aes_key_previous", old_aes())),
        "only the key changed"
    );
    // A forged one is refused by both pairs.
    for case in cases("negative.json").iter().filter(|c| c["expect"]["ok"] != true) {
        let c = &case["credentials"];
        let (token, aes, id) = (
            c["token"].as_str().unwrap(),
            c["encoding_aes_key"].as_str().unwrap(),
            c["receiveid"].as_str().unwrap(),
        );
        let door = match id {
            "" => hutong_wecom::WeCom::new(common::build(
                "wecom_aibot",
                common::bot_settings("NewToken", NEW_AES)
                    .with("token_previous", common::secret(token))
                    .with("aes_key_previous", common::secret(aes)),
            )),
            id => hutong_wecom::WeCom::new(common::build(
                "wecom",
                common::app_settings("NewToken", NEW_AES, id)
                    .with("token_previous", common::secret(token))
                    .with("aes_key_previous", common::secret(aes)),
            )),
        }
        .unwrap();
        let query = case["query_string"].as_str().unwrap();
        let got = match case["body"].as_str() {
            Some(body) => post(&door, query, body.as_bytes(), NOW),
            None => get(&door, query, NOW),
        };
        assert!(matches!(got, Received::Rejected(_)), "{}", case["id"]);
    }
    // The welcome opens with the old keys when the request came with them.
    let settings = common::bot_settings("NewToken", NEW_AES)
        .with("token_previous", common::secret("BotCbToken20261123"))
        .with(
            "aes_key_previous",
            common::secret("hglp0csbjp0dWw1xoG2WRmsbcUetmg3y3PPrapRMyn0"),
        )
        .with("welcome", common::text("你好"));
    let door = hutong_wecom::WeCom::new(common::build("wecom_aibot", settings)).unwrap();
    let case = &cases("aibot-callbacks-encrypted.json")[0];
    let query = case["query_string"].as_str().unwrap();
    let Received::Events { answer, .. } = post(&door, query, case["body"].as_str().unwrap().as_bytes(), NOW) else {
        panic!()
    };
    let reply: Value = serde_json::from_slice(&answer.body).unwrap();
    let sealed = Query {
        signature: reply["msgsignature"].as_str().unwrap().into(),
        timestamp: reply["timestamp"].to_string(),
        nonce: reply["nonce"].as_str().unwrap().into(),
        echostr: None,
    };
    assert!(
        keys_of(case)
            .open(&sealed, reply["encrypt"].as_str().unwrap(), NOW)
            .unwrap()
            .contains("你好")
    );
    // Wrong ones are told by their own names.
    for (key, value) in [("aes_key_previous", "short"), ("token_previous", "with space")] {
        let problems = hutong_wecom::WeCom::new(common::build("wecom", new().with(key, common::secret(value))));
        assert_eq!(problems.err().unwrap()[0].key, key);
    }
}

#[test]
fn a_welcome_is_said_in_the_callback_and_opens_with_the_same_key() {
    let settings = common::bot_settings("BotCbToken20261123", "hglp0csbjp0dWw1xoG2WRmsbcUetmg3y3PPrapRMyn0")
        .with("welcome", common::text("你好，我是运营助手。"));
    let door = hutong_wecom::WeCom::new(common::build("wecom_aibot", settings)).unwrap();
    let case = &cases("aibot-callbacks-encrypted.json")[0];
    assert!(case["id"].as_str().unwrap().contains("enter_chat"));
    let run = || {
        post(
            &door,
            case["query_string"].as_str().unwrap(),
            case["body"].as_str().unwrap().as_bytes(),
            NOW,
        )
    };
    let Received::Events { answer, events } = run() else {
        panic!()
    };
    assert!(matches!(events[0].body, Body::ChatEntered { .. }));
    let reply: Value = serde_json::from_slice(&answer.body).unwrap();
    let query = Query {
        signature: reply["msgsignature"].as_str().unwrap().into(),
        timestamp: reply["timestamp"].to_string(),
        nonce: reply["nonce"].as_str().unwrap().into(),
        echostr: None,
    };
    assert_eq!(
        query.nonce,
        case["query"]["nonce"].as_str().unwrap(),
        "the nonce of the request"
    );
    let plain = keys_of(case)
        .open(&query, reply["encrypt"].as_str().unwrap(), NOW)
        .unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&plain).unwrap(),
        json!({"msgtype": "text", "text": {"content": "你好，我是运营助手。"}})
    );
    assert_eq!(run(), run(), "the same input gives the same output");
}

#[test]
fn an_app_without_its_secrets_is_not_built() {
    let problems = |kind, settings| hutong_wecom::WeCom::new(common::build(kind, settings)).err().unwrap();
    let missing: Vec<_> = problems("wecom", hutong_model::Settings::default())
        .iter()
        .map(|p| p.key)
        .collect();
    assert_eq!(missing, ["corp_id", "secret", "agent_id", "token", "aes_key"]);
    let good = || common::bot_settings("Token", "hglp0csbjp0dWw1xoG2WRmsbcUetmg3y3PPrapRMyn0");
    for (key, value) in [
        ("aes_key", common::secret("short")),
        ("token", common::secret("with space")),
        ("token", common::secret("")),
        ("base_url", common::text("https://evil.example")),
        ("base_url", common::text("http://qyapi.weixin.qq.com")),
        ("base_url", common::text("http://10.0.0.1:8080")),
    ] {
        assert_eq!(problems("wecom_aibot", good().with(key, value))[0].key, key);
    }
    let sim = good().with("base_url", common::text("http://127.0.0.1:8080"));
    assert!(hutong_wecom::WeCom::new(common::build("wecom_aibot", sim)).is_ok());
}
