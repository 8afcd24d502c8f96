//! Our own requests against those that the platform's official client makes for the same purpose:
//! method, path, query, content type and body, up to the order of members. Where ours differ, the
//! difference is written down here with its reason.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::response::IntoResponse as _;
use hutong_feishu::Feishu;
use hutong_model::{
    Action, Adapter as _, AppId, Attachment, AttachmentKind, Block, Build, CalendarEntry, ChatId, ChatKind, ChatRef,
    CompanyId, DepartmentId, Inline, ManualClock, Message, MessageId, Outcome, Secret, SettingValue, Settings, Target,
    Timestamp, UserId,
};
use hutong_simkit::server::Bound;
use serde_json::{Value, json};

use crate::stage::user;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const CHAT: &str = "oc_39927562fa25da07df6771450e18c70e";
const OURS: &str = "om_x100a0b1c2d3e4f5060718293a4b5c6d7";
const THEIRS: &str = "om_x10083f1535f99ab0bf4e9d02dfd85d3e";
const LI: &str = "ou_9f9d51bc70ef21ca5c14f307980a29d8";
const HAN: &str = "ou_6384e2b2184bcbf58eccf10ca7a6563c";
const IMAGE: &str = "img_v3_02ab_11112222-3333-4444-5555-66667777888g";
const FILE: &str = "file_v3_00ab_aaaabbbb-cccc-dddd-eeee-ffff0000111g";

/// Calls of the vectors that no feature of the bot makes.
const UNUSED: [&str; 12] = [
    // Events bring the message; nothing is read back.
    "message_get",
    "message_list_chat",
    "reaction_list",
    "reaction_delete",
    // The listing of chats says what is needed.
    "chat_get",
    "is_in_chat",
    // Single messages have an idempotency key and a result per person.
    "batch_send",
    "event_outbound_ip",
    // People are matched by employee number out of the directory.
    "users_batch_get_id",
    // Entries stand in the bot's own calendar.
    "calendar_create",
    "announcement_get",
    // A card is replaced by PATCH, which has no time limit of half an hour.
    "card_delayed_update",
];

#[derive(Debug, Clone)]
struct Seen {
    method: String,
    path: String,
    query: BTreeSet<(String, String)>,
    content_type: String,
    authorization: String,
    body: Vec<u8>,
}

struct Recorder {
    seen: Mutex<Vec<Seen>>,
    /// Answers by method and path.
    answers: BTreeMap<(String, String), Value>,
    /// Refuses reads from the root of the directory, so that the contact scope is asked.
    narrow: Mutex<bool>,
}

fn pairs(query: &str) -> BTreeSet<(String, String)> {
    url::form_urlencoded::parse(query.as_bytes())
        .map(|(k, v)| {
            // The official client writes Python's booleans.
            let v = if v == "True" { "true".into() } else { v };
            (k.into_owned(), v.into_owned())
        })
        .collect()
}

async fn record(State(recorder): State<Arc<Recorder>>, request: Request) -> axum::response::Response {
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let text = |name: &str| {
        let value = parts.headers.get(name).map(|v| v.to_str().unwrap());
        value.unwrap_or_default().to_owned()
    };
    let seen = Seen {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: pairs(parts.uri.query().unwrap_or_default()),
        content_type: text("content-type"),
        authorization: text("authorization"),
        body: body.to_vec(),
    };
    let path = seen.path.clone();
    let key = (seen.method.clone(), path.clone());
    recorder.seen.lock().unwrap().push(seen);
    if path.ends_with("/tenant_access_token/internal") {
        return axum::Json(
            json!({ "code": 0, "tenant_access_token": "t-g1044ghJRUIJJ5ELPFZLZ4PYOKDCW6QEXAMPLE0", "expire": 7200 }),
        )
        .into_response();
    }
    if path.ends_with("/calendars/primary") {
        let calendar = json!({ "calendar": { "calendar_id": "feishu.cn_EXAMPLE@group.calendar.feishu.cn" } });
        return axum::Json(json!({ "code": 0, "data": { "calendars": [calendar] } })).into_response();
    }
    if path.contains("/resources/") {
        return ([("content-type", "application/octet-stream")], "bytes").into_response();
    }
    let root =
        path.ends_with("/departments/0/children") || parts.uri.query().is_some_and(|q| q.contains("department_id=0&"));
    if root && *recorder.narrow.lock().unwrap() {
        return axum::Json(json!({ "code": 40_004, "msg": "no dept authority error" })).into_response();
    }
    if path.ends_with("/contact/v3/scopes") {
        return axum::Json(
            json!({ "code": 0, "data": { "department_ids": [], "user_ids": [LI, HAN], "has_more": false } }),
        )
        .into_response();
    }
    let answer = recorder
        .answers
        .get(&key)
        .cloned()
        .unwrap_or(json!({ "code": 0, "data": {} }));
    axum::Json(answer).into_response()
}

async fn act(adapter: &Feishu, action: Action) {
    for prepared in adapter.prepare(&action).unwrap() {
        let outcome = adapter.deliver(&prepared, KEY).await;
        assert!(matches!(outcome, Outcome::Sent(_)), "{action:?}: {outcome:?}");
    }
}

async fn drive(name: &str, adapter: &Feishu, recorder: &Recorder) {
    let chat = || ChatId::new(CHAT).unwrap();
    let message = |id: &str| MessageId::new(id).unwrap();
    let both = || vec![user(LI), user(HAN)];
    let mention = || Inline::Mention {
        user: user(LI),
        name: "李雷".into(),
    };
    let to_chat = |content: Message| Action::Send {
        to: Target::Chat(chat()),
        content,
    };
    let picture = |handle: &str| {
        Message::default().block(Block::Image {
            handle: handle.into(),
            alt: String::new(),
        })
    };
    let card = || {
        Message::card("公告").line("请确认").buttons(vec![hutong_model::Button {
            label: "我已阅读".into(),
            action: "ack".into(),
            style: hutong_model::ButtonStyle::Primary,
        }])
    };
    let upload = |name: &str, media_type: &str, data: &str| Action::Upload {
        name: name.into(),
        media_type: media_type.into(),
        data: data.into(),
    };
    let entry = CalendarEntry {
        title: "分享会".into(),
        description: "线上".into(),
        from: Timestamp::from_secs(1_760_090_000),
        to: Timestamp::from_secs(1_760_093_600),
        attendees: vec![user(LI)],
    };
    let department = DepartmentId::new("od-4e6ac4d14bcd5071a37a39de902c7141").unwrap();
    let narrow = |on: bool| *recorder.narrow.lock().unwrap() = on;
    match name {
        "message_send_text" => {
            act(
                adapter,
                to_chat(Message::default().paragraph(vec![Inline::Text("你好 ".into()), mention()])),
            )
            .await;
        }
        "message_send_post_p2p" => {
            let text = "用户原文 <at user_id=\"all\"></at> 不会被解析";
            let content = Message {
                title: Some("周报".into()),
                ..Message::default().paragraph(vec![Inline::Text(text.into()), mention()])
            };
            let to = Target::User(user(LI));
            act(adapter, Action::Send { to, content }).await;
        }
        "message_send_card" => act(adapter, to_chat(card())).await,
        "message_send_image" => act(adapter, to_chat(picture(IMAGE))).await,
        "message_send_file" => act(adapter, to_chat(picture(FILE))).await,
        "message_reply_in_thread" => {
            let reply = Action::Reply {
                message: message(THEIRS),
                chat: ChatRef {
                    id: chat(),
                    kind: ChatKind::Group,
                    name: None,
                },
                context: None,
                content: Message::text("收到"),
            };
            act(adapter, reply).await;
        }
        "message_update_text" | "card_patch" => {
            let content = if name == "card_patch" {
                card()
            } else {
                Message::text("更正")
            };
            let update = Action::UpdateCard {
                card: message(OURS),
                context: None,
                content,
            };
            act(adapter, update).await;
        }
        "message_recall" => act(adapter, Action::Recall { message: message(OURS) }).await,
        "message_read_users" => act(adapter, Action::Readers { message: message(OURS) }).await,
        "reaction_add" => {
            let emoji = "THUMBSUP".to_owned();
            act(
                adapter,
                Action::React {
                    message: message(THEIRS),
                    emoji,
                },
            )
            .await;
        }
        "image_upload" => act(adapter, upload("a.png", "image/png", "iVBORy1mYWtl")).await,
        "file_upload" => act(adapter, upload("新人手册.pdf", "application/pdf", "JVBERi1mYWtl")).await,
        "resource_get" => {
            let attachment = Attachment {
                kind: AttachmentKind::File,
                name: None,
                bytes: None,
                handle: format!("file:{FILE}"),
            };
            let got = adapter.download(&message(THEIRS), &attachment, 100).await.unwrap();
            assert_eq!(got, b"bytes");
        }
        "chat_create" => {
            let create = Action::CreateChat {
                name: "研发一部".into(),
                owner: user(LI),
                members: both(),
                description: Some("部门群".into()),
            };
            act(adapter, create).await;
        }
        "chat_update" => {
            let name = "研发一部（新）".to_owned();
            act(adapter, Action::RenameChat { chat: chat(), name }).await;
        }
        "chat_list" => drop(adapter.chats(None).await.unwrap()),
        "chat_disband" => act(adapter, Action::Disband { chat: chat() }).await,
        "members_add" => {
            act(
                adapter,
                Action::AddMembers {
                    chat: chat(),
                    users: both(),
                },
            )
            .await
        }
        "members_remove" => {
            act(
                adapter,
                Action::RemoveMembers {
                    chat: chat(),
                    users: vec![user(HAN)],
                },
            )
            .await
        }
        "members_list" => act(adapter, Action::ListMembers { chat: chat() }).await,
        "pin_create" => {
            act(
                adapter,
                Action::Pin {
                    message: message(THEIRS),
                },
            )
            .await
        }
        "pin_delete" => {
            act(
                adapter,
                Action::Unpin {
                    message: message(THEIRS),
                },
            )
            .await
        }
        "urgent_app" => {
            act(
                adapter,
                Action::Urgent {
                    message: message(OURS),
                    users: both(),
                },
            )
            .await
        }
        "bot_info" => adapter.probe().await.unwrap(),
        "ws_connection_count" => drop(adapter.diagnose(None).await),
        "department_children" => drop(adapter.departments(None).await.unwrap()),
        "contact_scopes" => {
            narrow(true);
            drop(adapter.departments(None).await.unwrap());
            narrow(false);
        }
        "users_find_by_department" => drop(adapter.people(&department, None).await.unwrap()),
        "users_batch" => {
            narrow(true);
            let root = DepartmentId::new("0").unwrap();
            let people = adapter.people(&root, None).await.unwrap().items;
            assert!(people.iter().any(|p| p.user == UserId::new(LI).unwrap()), "{people:?}");
            narrow(false);
        }
        "event_create" | "attendees_add" => act(adapter, Action::Calendar { entry }).await,
        other => panic!("{other} is neither driven nor unused"),
    }
}

/// What we do otherwise, and why: the members of query and body that are changed before comparing.
fn as_ours(name: &str, query: &mut BTreeSet<(String, String)>, body: &mut Value) {
    let content = |body: &mut Value, content: Value| body["content"] = json!(content.to_string());
    let key = |query: &mut BTreeSet<(String, String)>, name: &str| {
        query.retain(|(k, _)| k != name);
        query.insert((name.to_owned(), KEY.to_owned()));
    };
    if body.get("uuid").is_some() {
        body["uuid"] = json!(KEY);
    }
    let without = |body: &mut Value, members: &[&str]| {
        members
            .iter()
            .for_each(|m| drop(body.as_object_mut().unwrap().remove(*m)));
    };
    match name {
        // A name inside the tag would be text of a person inside a tag (feishu.md 6.3, rule 4).
        "message_send_text" => content(body, json!({ "text": format!("你好 <at user_id=\"{LI}\"></at>") })),
        // No node of Markdown: texts of people stand in literal nodes.
        "message_send_post_p2p" => {
            let mut post: Value = serde_json::from_str(body["content"].as_str().unwrap()).unwrap();
            post["zh_cn"]["content"].as_array_mut().unwrap().truncate(1);
            content(body, post);
        }
        // The layout of cards is compared in `cards.rs`.
        "message_send_card" | "card_patch" => without(body, &["content"]),
        // The model knows no wish to open a topic; inside one a reply stays there by itself.
        "message_reply_in_thread" => without(body, &["reply_in_thread"]),
        "chat_create" => {
            key(query, "uuid");
            // The owner is a member by being the owner; everything else stays as the company set it.
            body["user_id_list"] = json!([HAN]);
            without(
                body,
                &[
                    "group_message_type",
                    "join_message_visibility",
                    "leave_message_visibility",
                    "membership_approval",
                ],
            );
        }
        "chat_update" => without(body, &["at_all_permission"]),
        "event_create" => {
            key(query, "idempotency_key");
            // When to remind is each person's own setting.
            without(body, &["reminders"]);
        }
        // The model invites people, not groups.
        "attendees_add" => drop(body["attendees"].as_array_mut().unwrap().pop()),
        _ => {}
    }
}

fn form(body: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(body).into_owned();
    let boundary = text.lines().next().unwrap().to_owned();
    let parts = text.split(&boundary).filter_map(|part| {
        let (head, value) = part.split_once("\r\n\r\n")?;
        let name = head.split("name=\"").nth(1)?.split('"').next()?;
        Some((name.to_owned(), value.trim_end_matches("\r\n").to_owned()))
    });
    parts.collect()
}

#[tokio::test]
async fn every_request_is_the_official_client_s_own() {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/rest_requests.json")).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    let path = |case: &Value| {
        let path = case["path"].as_str().unwrap();
        path.split_once('?').unwrap_or((path, "")).0.to_owned()
    };
    let recorder = Arc::new(Recorder {
        seen: Mutex::default(),
        answers: cases
            .iter()
            .map(|c| {
                (
                    (c["method"].as_str().unwrap().to_owned(), path(c)),
                    c["response"].clone(),
                )
            })
            .collect(),
        narrow: Mutex::new(false),
    });
    let bound = Bound::bind(0).await.unwrap();
    let base = bound.base_url();
    let router = axum::Router::new().fallback(record).with_state(recorder.clone());
    let _served = bound.serve(router);
    let secret = |text: &str| SettingValue::Secret(Secret::new(text));
    let build = || Build {
        app: AppId::new("fs").unwrap(),
        company: CompanyId::new("main").unwrap(),
        kind: "feishu".into(),
        settings: Settings::default()
            .with("base_url", SettingValue::Text(base.clone()))
            .with("app_id", SettingValue::Text("cli_a1b2c3d4e5f60718".into()))
            .with("app_secret", secret("fake-app-secret-0001"))
            .with("encrypt_key", secret("kudryavka"))
            .with("user_id_type", SettingValue::Text("open_id".into())),
        clock: Arc::new(ManualClock::at(Timestamp::from_secs(1_760_000_001))),
    };
    let (mut compared, mut bytes) = (0, 0);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        if UNUSED.contains(&name) {
            continue;
        }
        recorder.seen.lock().unwrap().clear();
        let adapter = Feishu::new(&build()).unwrap();
        drive(name, &adapter, &recorder).await;
        let seen = recorder.seen.lock().unwrap().clone();
        let method = case["method"].as_str().unwrap();
        let ours = seen
            .iter()
            .find(|s| s.method == method && s.path == path(case))
            .unwrap_or_else(|| panic!("{name}: {seen:?}"));
        let mut query = pairs(case["path"].as_str().unwrap().split_once('?').map_or("", |(_, q)| q));
        let mut body = case["body"].clone();
        as_ours(name, &mut query, &mut body);
        assert_eq!(ours.query, query, "{name}");
        assert_eq!(
            ours.authorization,
            case["headers"]["Authorization"].as_str().unwrap(),
            "{name}"
        );
        if let Some(multipart) = case["body_multipart"].as_str() {
            assert!(
                ours.content_type.starts_with("multipart/form-data; boundary="),
                "{name}"
            );
            // The official client leaves an empty part for what it was not given; the platform takes both.
            let theirs: Vec<_> = form(multipart.as_bytes())
                .into_iter()
                .filter(|(n, _)| n != "duration")
                .collect();
            let mut mine = form(&ours.body);
            // Bytes that are no text: the record writes them as an escape.
            mine.iter_mut().for_each(|(_, v)| *v = v.replace('\u{fffd}', "\\x89"));
            assert_eq!(mine, theirs, "{name}");
        } else if body.is_null() {
            assert_eq!(ours.body, b"", "{name}");
        } else {
            assert_eq!(ours.content_type, "application/json; charset=utf-8", "{name}");
            let mut mine: Value = serde_json::from_slice(&ours.body).unwrap();
            if matches!(name, "message_send_card" | "card_patch") {
                mine.as_object_mut().unwrap().remove("content");
            }
            // `content` is JSON inside JSON: its members may stand in another order, too.
            for value in [&mut mine, &mut body] {
                if let Some(content) = value["content"].as_str() {
                    value["content"] = serde_json::from_str(content).unwrap();
                }
            }
            assert_eq!(mine, body, "{name}");
            bytes += ours.body.len();
        }
        compared += 1;
    }
    assert_eq!(
        compared + UNUSED.len(),
        cases.len(),
        "every recorded call is compared or named as unused"
    );
    assert!(compared >= 32 && bytes > 0, "{compared}");
}
