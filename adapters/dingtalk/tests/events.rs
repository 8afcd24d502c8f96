//! Every published inbound example becomes the events that were reviewed in
//! `tests/expected/events.json`: file name, form, then key, lane, time and body.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::collections::BTreeMap;
use std::path::Path;

use hutong_dingtalk::{Config, normalise};
use hutong_model::{AppId, Incoming, Secret, SettingValue, Settings, Timestamp};
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp(1_751_600_200_000);

fn config() -> Config {
    let text = |t: &str| SettingValue::Text(t.into());
    let secret = |t: &str| SettingValue::Secret(Secret::new(t));
    let settings = Settings::default()
        .with("client_id", text("dingsim0appkey00001"))
        .with("client_secret", secret("s"))
        .with("corp_id", text("ding9f50b15b000016741"))
        .with("event_token", secret("sim0Token32"))
        .with("event_aes_key", secret("RGYqfvJbsU2O623xNI2SBVvDfka0fHcqWar44Bb6EbQ"))
        .with("card_template_id", text("tmpl-0001.schema"))
        .with("card_secret", secret("mySecret"));
    Config::read(&AppId::new("dt").unwrap(), &settings).unwrap()
}

fn shown(incoming: &Incoming) -> Value {
    json!({
        "key": incoming.key,
        "lane": incoming.lane,
        "occurred_at": incoming.occurred_at,
        "body": incoming.body,
    })
}

fn push(config: &Config, plain: &Value) -> Value {
    // Older examples were captured in other companies.
    let mut plain = plain.clone();
    if plain.get("CorpId").is_some() {
        plain["CorpId"] = "ding9f50b15b000016741".into();
    }
    match normalise::event(config, plain.to_string().as_bytes(), NOW).unwrap() {
        normalise::Push::CheckUrl => json!("check_url"),
        normalise::Push::Events(events) => events
            .iter()
            .map(|e| {
                let mut shown = shown(e);
                // Without an id of its own the key is a hash of the body.
                if e.key.len() == 64 {
                    shown["key"] = "(hash)".into();
                }
                shown
            })
            .collect(),
    }
}

#[test]
fn published_examples_become_the_reviewed_events() {
    let config = config();
    let mut got: BTreeMap<String, Value> = BTreeMap::new();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/events");
    let mut files = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let file: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        files += 1;
        if let Some(body) = file.get("body") {
            let bytes = body.to_string();
            let incoming = if name.starts_with("card_") {
                normalise::card(&config, bytes.as_bytes(), "1751600100000", NOW).unwrap()
            } else {
                normalise::robot(&config, bytes.as_bytes(), NOW).unwrap()
            };
            let mut shown = shown(&incoming);
            if name.starts_with("card_") {
                shown["key"] = "(hash)".into();
            }
            got.insert(name.clone(), shown);
        }
        for form in ["http_plaintext", "http_plaintext_legacy"] {
            if let Some(plain) = file.get(form) {
                got.insert(format!("{name} {form}"), push(&config, plain));
            }
        }
    }
    assert_eq!(files, 34);
    let got = serde_json::to_value(got).unwrap();
    // For a new example: look at what it becomes, judge it, then put it into the file.
    if std::env::var_os("SHOW_EVENTS").is_some() {
        println!("{}", serde_json::to_string_pretty(&got).unwrap());
    }
    let expected: Value = serde_json::from_str(include_str!("expected/events.json")).unwrap();
    for (name, value) in got.as_object().unwrap() {
        assert_eq!(
            Some(value),
            expected.get(name),
            "{name}: {}",
            serde_json::to_string_pretty(value).unwrap()
        );
    }
    assert_eq!(got.as_object().unwrap().len(), expected.as_object().unwrap().len());
}

#[test]
fn both_forms_of_an_event_mean_the_same() {
    let config = config();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/events");
    let mut compared = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let file: Value = serde_json::from_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap()).unwrap();
        if let (Some(new), Some(old)) = (file.get("http_plaintext"), file.get("http_plaintext_legacy")) {
            let (new, old) = (push(&config, new), push(&config, old));
            assert_eq!(new[0]["body"]["kind"], old[0]["body"]["kind"], "{}", file["id"]);
            compared += 1;
        }
    }
    assert!(compared >= 11, "{compared}");
}

/// The long connection brings the same events: the envelope in the frame's headers, the fields in its data.
#[test]
fn the_stream_form_of_an_event_means_the_same() {
    let config = config();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/events");
    let (mut events, mut callbacks) = (0, 0);
    for entry in std::fs::read_dir(dir).unwrap() {
        let file: Value = serde_json::from_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap()).unwrap();
        let id = file["id"].as_str().unwrap();
        let Some(frame) = file.get("stream_frame").filter(|f| f.is_object()) else {
            continue;
        };
        let data: Value = serde_json::from_str(frame["data"].as_str().unwrap()).unwrap();
        if frame["type"] == "EVENT" {
            let headers = &frame["headers"];
            let mut plain = data.clone();
            plain["EventType"] = headers["eventType"].clone();
            plain["EventTime"] = headers["eventBornTime"].clone();
            plain["CorpId"] = headers["eventCorpId"].clone();
            plain["eventId"] = headers["eventId"].clone();
            let (stream, http) = (push(&config, &plain), push(&config, &file["http_plaintext"]));
            assert_eq!(stream.as_array().unwrap().len(), http.as_array().unwrap().len(), "{id}");
            for (a, b) in stream.as_array().unwrap().iter().zip(http.as_array().unwrap()) {
                for part in ["body", "lane", "key", "occurred_at"] {
                    assert_eq!(a[part], b[part], "{id} {part}");
                }
            }
            events += 1;
        } else {
            assert_eq!(data, file["body"], "{id}: the same bytes in both ways");
            callbacks += 1;
        }
    }
    assert_eq!((events, callbacks), (19, 13));
}

/// What each published example is in the common model, one line per file.
#[test]
fn every_published_file_has_its_kind() {
    let expected: Value = serde_json::from_str(include_str!("expected/events.json")).unwrap();
    let kinds: BTreeMap<&str, &[&str]> = BTreeMap::from([
        (
            "person",
            ["user_add_org", "user_modify_org", "user_leave_org", "user_active_org"].as_slice(),
        ),
        (
            "department",
            ["org_dept_create", "org_dept_modify", "org_dept_remove"].as_slice(),
        ),
        (
            "member",
            ["chat_add_member", "chat_remove_member", "chat_quit"].as_slice(),
        ),
        (
            "chat",
            ["chat_update_owner", "chat_update_title", "chat_disband"].as_slice(),
        ),
        ("bot", ["im_cool_app_install", "im_cool_app_uninstall"].as_slice()),
        ("read", ["robot_msg_read"].as_slice()),
        ("recall", ["robot_msg_recall"].as_slice()),
        (
            "other",
            ["calendar_event_change", "storage_dentry_create", "bot_over_quota"].as_slice(),
        ),
        (
            "message",
            [
                "bot_text_group",
                "bot_text_group_at_users",
                "bot_text_single",
                "bot_text_external_sender",
                "bot_text_quoted",
                "bot_richtext_group",
                "bot_picture_single",
                "bot_file_single",
                "bot_audio_single",
                "bot_video_single",
                "bot_unknown_type",
            ]
            .as_slice(),
        ),
        ("click", ["card_callback_stream", "card_callback_http"].as_slice()),
    ]);
    let mut files = 1; // check_url
    for (kind, names) in kinds {
        for name in names {
            files += 1;
            let mut forms = 0;
            for (key, shown) in expected.as_object().unwrap() {
                if key == name || key.split(' ').next() == Some(name) {
                    let first = shown.get(0).unwrap_or(shown);
                    assert_eq!(first["body"]["kind"], kind, "{key}");
                    forms += 1;
                }
            }
            assert!(forms > 0, "{name}");
        }
    }
    assert_eq!(files, 34);
}
