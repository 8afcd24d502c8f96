//! Calls, against a server that answers with the bodies of the recorded exchanges.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod common;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use hutong_model::{
    Action, Adapter, CalendarEntry, CallError, ChatId, DepartmentId, Message, MessageId, Outcome, Target, Timestamp,
    UserId,
};
use hutong_wecom::WeCom;
use serde_json::{Value, json};

const KEY: &str = "k0123456789abcdef0123456789abcde";

/// What the server saw: method, path, query, body.
#[derive(Debug, Clone)]
struct Seen {
    method: String,
    path: String,
    query: String,
    body: Bytes,
}

impl Seen {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[derive(Clone, Default)]
struct Script {
    /// Status and body per expected path, in order.
    answers: Arc<Mutex<VecDeque<(String, u16, String)>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Script {
    fn answer(&self, path: &str, body: Value) -> &Self {
        self.raw(path, 200, body.to_string())
    }
    fn raw(&self, path: &str, status: u16, body: String) -> &Self {
        self.answers.lock().unwrap().push_back((path.into(), status, body));
        self
    }
    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
    fn business(&self) -> Vec<Seen> {
        self.seen()
            .into_iter()
            .filter(|s| s.path != "/cgi-bin/gettoken")
            .collect()
    }
}

async fn handle(State(script): State<Script>, method: Method, uri: Uri, body: Bytes) -> (StatusCode, String) {
    script.seen.lock().unwrap().push(Seen {
        method: method.to_string(),
        path: uri.path().into(),
        query: uri.query().unwrap_or_default().into(),
        body,
    });
    let mut answers = script.answers.lock().unwrap();
    match answers.iter().position(|(path, ..)| path == uri.path()) {
        Some(at) => {
            let (_, status, body) = answers.remove(at).unwrap();
            (StatusCode::from_u16(status).unwrap(), body)
        }
        None if uri.path() == "/cgi-bin/gettoken" => (
            StatusCode::OK,
            json!({"errcode": 0, "errmsg": "ok", "access_token": "ACCESS-TOKEN-TEST-0001", "expires_in": 7200})
                .to_string(),
        ),
        None => (
            StatusCode::OK,
            json!({"errcode": 99999, "errmsg": "not in the script"}).to_string(),
        ),
    }
}

async fn serve() -> (Script, String) {
    let script = Script::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(handle).with_state(script.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (script, url)
}

async fn app() -> (Script, WeCom) {
    let (script, url) = serve().await;
    let settings = common::app_settings(
        "Token",
        "DFOmmvA4o137YbkaiMhizhiMGRe3vRL2sVgQKYUIaxw",
        "ww1a2b3c4d5e6f7081",
    )
    .with("base_url", common::text(&url));
    (script, WeCom::new(common::build("wecom", settings)).unwrap())
}

async fn robot() -> (Script, WeCom) {
    let (script, url) = serve().await;
    let settings = hutong_model::Settings::default()
        .with("key", common::secret("WEBHOOK-KEY-TEST-0001"))
        .with("chat", common::text("ops"))
        .with("base_url", common::text(&url));
    (script, WeCom::new(common::build("wecom_webhook", settings)).unwrap())
}

fn vector(name: &str) -> Value {
    let path = format!("{}/tests/vectors/rest/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

fn to_user(text: &str) -> Action {
    Action::Send {
        to: Target::User(user("ZhangSan")),
        content: Message::text(text),
    }
}

async fn deliver(door: &WeCom, action: &Action) -> Outcome {
    let prepared = door.prepare(action).unwrap();
    assert_eq!(prepared.len(), 1);
    door.deliver(&prepared[0], KEY).await
}

/// Plays one exchange: the answer is the vector's, method, path, query names and the fields of the
/// body must be the ones that the vector's client sent.
async fn play(name: &str, door: &(Script, WeCom), action: &Action) -> Outcome {
    let (script, adapter) = door;
    let vector = vector(name);
    let exchange = &vector["exchanges"][0];
    script.answer(exchange["path"].as_str().unwrap(), exchange["response"].clone());
    let before = script.business().len();
    let outcome = deliver(adapter, action).await;
    let seen = &script.business()[before];
    assert_eq!(seen.method, exchange["method"].as_str().unwrap(), "{name}");
    assert_eq!(seen.path, exchange["path"].as_str().unwrap(), "{name}");
    for (query, value) in exchange["query"].as_object().unwrap() {
        let value = value.as_str().unwrap();
        let known = ["access_token", "key", "type", "chatid"].contains(&query.as_str());
        assert!(
            !known || seen.query.contains(&format!("{query}={value}")),
            "{name}: {}",
            seen.query
        );
    }
    if let Some(fields) = exchange["body"].as_object() {
        let body = seen.json();
        let kind = fields.get("msgtype").and_then(Value::as_str);
        for (field, value) in fields {
            // Lists of receivers that this adapter never fills are left out.
            if value == ""
                || value == &json!([])
                || value == &json!(0)
                || ["toparty", "partyids"].contains(&field.as_str())
            {
                continue;
            }
            let ours = &body[field];
            assert!(!ours.is_null(), "{name}: {field} is missing in {body}");
            assert_eq!(
                std::mem::discriminant(ours),
                std::mem::discriminant(value),
                "{name}: type of {field}"
            );
            if ["msgtype", "agentid"].contains(&field.as_str()) {
                assert_eq!(ours, value, "{name}");
            }
        }
        if let Some(kind) = kind {
            assert!(body[kind].is_object(), "{name}");
        }
    }
    outcome
}

#[tokio::test]
async fn sends_to_a_person() {
    let door = app().await;
    let text = to_user("你的快递已到");
    let Outcome::Sent(receipt) = play("message-send-text", &door, &text).await else {
        panic!()
    };
    assert_eq!(receipt.message.unwrap().as_str(), "MSGID-TEST-0001");
    assert!(receipt.failed.is_empty());
    play("message-send-duplicate-check", &door, &text).await;
    let card = Action::Send {
        to: Target::User(user("ZhangSan")),
        content: Message::card("审核").line("x").buttons(vec![hutong_model::Button {
            label: "通过".into(),
            action: "review.approve".into(),
            style: hutong_model::ButtonStyle::Primary,
        }]),
    };
    let Outcome::Sent(receipt) = play("message-send-template_card-button_interaction", &door, &card).await else {
        panic!()
    };
    let id = receipt.message.unwrap();
    assert_eq!(
        id.as_str(),
        format!("{KEY}!MSGID-TEST-0001!RESPONSE-CODE-TEST-1!ZhangSan")
    );
    assert_eq!(
        door.0.business().last().unwrap().json()["template_card"]["task_id"],
        KEY
    );
    // The code that came with the card updates it without a click.
    let update = Action::UpdateCard {
        card: id,
        context: None,
        content: Message::card("审核").line("已通过"),
    };
    assert!(matches!(
        play("message-update_template_card-card", &door, &update).await,
        Outcome::Sent(_)
    ));
    let sent = door.0.business().last().unwrap().json();
    assert_eq!(sent["response_code"], "RESPONSE-CODE-TEST-1");
    assert_eq!(sent["template_card"]["task_id"], KEY);
    // The code is used up now. For this key that is its own doing; for another it is a refusal.
    let used = vector("message-update_template_card-60140")["exchanges"][0]["response"].clone();
    let path = "/cgi-bin/message/update_template_card";
    door.0.answer(path, used.clone());
    assert!(matches!(deliver(&door.1, &update).await, Outcome::Sent(_)));
    door.0.answer(path, used);
    let prepared = door.1.prepare(&update).unwrap();
    let other = door.1.deliver(&prepared[0], "another0123456789abcdef012345678").await;
    assert!(
        matches!(other, Outcome::Rejected { ref code, .. } if code == "60140"),
        "{other:?}"
    );
}

#[tokio::test]
async fn a_receiver_who_was_not_reached_is_named() {
    let door = app().await;
    let to_lisi = Action::Send {
        to: Target::User(user("LiSi")),
        content: Message::text("hi"),
    };
    let Outcome::Sent(receipt) = play("message-send-partial", &door, &to_lisi).await else {
        panic!()
    };
    assert_eq!(receipt.failed[0].receiver, "LiSi", "the platform answers in lower case");
    let Outcome::Rejected { code, .. } = play("message-send-81013", &door, &to_lisi).await else {
        panic!()
    };
    assert_eq!(code, "81013");
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let door = app().await;
    let Outcome::Rejected { code, text } = play("message-send-60020", &door, &to_user("hi")).await else {
        panic!()
    };
    assert_eq!(code, "60020");
    assert!(text.contains("企业可信IP") && text.contains("203.0.113.7"), "{text}");
    let limited = play("message-send-45009", &door, &to_user("hi")).await;
    assert!(
        matches!(
            limited,
            Outcome::RateLimited {
                after_ms: Some(60_000),
                ..
            }
        ),
        "{limited:?}"
    );
    let to_chat = Action::Send {
        to: Target::Chat(ChatId::new("someoneElsesChat").unwrap()),
        content: Message::text("x"),
    };
    let refused = play("appchat-send-86008", &door, &to_chat).await;
    assert!(matches!(refused, Outcome::Rejected { ref code, .. } if code == "86008"));
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_and_the_call_repeated_once() {
    for (name, code) in [
        ("token-expired-42001-retry", 42001),
        ("token-invalid-40014-retry", 40014),
    ] {
        let (script, door) = app().await;
        let vector = vector(name);
        for exchange in vector["exchanges"].as_array().unwrap() {
            if exchange["path"] != "/cgi-bin/gettoken" {
                script.answer(exchange["path"].as_str().unwrap(), exchange["response"].clone());
            }
        }
        assert!(
            matches!(deliver(&door, &to_user("hi")).await, Outcome::Sent(_)),
            "{code}"
        );
        let paths: Vec<String> = script
            .seen()
            .iter()
            .map(|s| s.path.rsplit('/').next().unwrap().to_owned())
            .collect();
        assert_eq!(paths, ["gettoken", "send", "gettoken", "send"]);
    }
    // Refused again: no loop.
    let (script, door) = app().await;
    for _ in 0..5 {
        script.answer("/cgi-bin/message/send", json!({"errcode": 42001, "errmsg": "expired"}));
    }
    assert!(matches!(
        deliver(&door, &to_user("hi")).await,
        Outcome::AuthExpired { .. }
    ));
    assert_eq!(script.business().len(), 2);
}

#[tokio::test]
async fn a_wrong_secret_is_told_and_not_tried_again() {
    for (name, code) in [("gettoken-40001", "40001"), ("gettoken-40013", "40013")] {
        let (script, door) = app().await;
        script.answer("/cgi-bin/gettoken", vector(name)["exchanges"][0]["response"].clone());
        let outcome = deliver(&door, &to_user("hi")).await;
        assert!(
            matches!(outcome, Outcome::AuthExpired { code: ref c, .. } if c == code),
            "{outcome:?}"
        );
        assert_eq!(script.seen().len(), 1, "the call itself was never made");
        assert!(matches!(
            deliver(&door, &to_user("hi")).await,
            Outcome::AuthExpired { .. }
        ));
        assert_eq!(
            script.seen().len(),
            1,
            "wrong secrets in series would block our address"
        );
    }
}

#[tokio::test]
async fn many_callers_share_one_token_request() {
    let (script, door) = app().await;
    for _ in 0..20 {
        script.answer("/cgi-bin/message/send", json!({"errcode": 0, "msgid": "M"}));
    }
    let prepared = door.prepare(&to_user("hi")).unwrap();
    let door = Arc::new(door);
    let mut tasks = tokio::task::JoinSet::new();
    for i in 0..20 {
        let (door, prepared) = (door.clone(), prepared[0].clone());
        tasks.spawn(async move { door.deliver(&prepared, &format!("{i:032}")).await });
    }
    while let Some(outcome) = tasks.join_next().await {
        assert!(matches!(outcome.unwrap(), Outcome::Sent(_)));
    }
    assert_eq!(
        script.seen().iter().filter(|s| s.path == "/cgi-bin/gettoken").count(),
        1
    );
    let contents: std::collections::BTreeSet<String> = script
        .business()
        .iter()
        .map(|s| s.json()["text"]["content"].to_string())
        .collect();
    assert!(contents.len() > 10, "equal words of different effects are told apart");
}

#[tokio::test]
async fn groups_are_made_and_changed() {
    let door = app().await;
    let create = Action::CreateChat {
        name: "研发部".into(),
        owner: user("zhangsan"),
        members: vec![user("lisi"), user("ZhangSan"), user("wangwu")],
        description: Some("大家好".into()),
    };
    door.0
        .answer("/cgi-bin/appchat/send", json!({"errcode": 0, "errmsg": "ok"}));
    let Outcome::Sent(receipt) = play("appchat-create", &door, &create).await else {
        panic!()
    };
    assert_eq!(receipt.chat.unwrap().as_str(), "opsChat0001");
    let seen = door.0.business();
    assert_eq!(seen[0].json()["chatid"], KEY, "the key is the id");
    assert_eq!(seen[0].json()["userlist"], json!(["zhangsan", "lisi", "wangwu"]));
    assert_eq!(
        seen[1].path, "/cgi-bin/appchat/send",
        "a group shows up with its first message, here its description"
    );
    // A repeat of the same effect finds its group.
    door.0.answer(
        "/cgi-bin/appchat/create",
        json!({"errcode": 86215, "errmsg": "chatid existed"}),
    );
    let Outcome::Sent(receipt) = deliver(&door.1, &create).await else {
        panic!()
    };
    assert_eq!(receipt.chat.unwrap().as_str(), KEY);

    let chat = || ChatId::new("opsChat0001").unwrap();
    for action in [
        Action::RenameChat {
            chat: chat(),
            name: "研发部（2026）".into(),
        },
        Action::SetOwner {
            chat: chat(),
            owner: user("lisi"),
        },
        Action::AddMembers {
            chat: chat(),
            users: vec![user("zhaoliu")],
        },
        Action::RemoveMembers {
            chat: chat(),
            users: vec![user("wangwu")],
        },
    ] {
        door.0
            .answer("/cgi-bin/appchat/update", json!({"errcode": 0, "errmsg": "ok"}));
        assert!(matches!(deliver(&door.1, &action).await, Outcome::Sent(_)));
    }
    let update = &vector("appchat-update")["exchanges"][0]["body"];
    let merged = door
        .0
        .business()
        .iter()
        .filter(|s| s.path.ends_with("update"))
        .fold(json!({}), |mut all, s| {
            all.as_object_mut()
                .unwrap()
                .extend(s.json().as_object().unwrap().clone());
            all
        });
    assert_eq!(&merged, update, "the four calls together are the recorded one");
    let Outcome::Sent(receipt) = play("appchat-get", &door, &Action::ListMembers { chat: chat() }).await else {
        panic!()
    };
    assert_eq!(receipt.users, [user("zhangsan"), user("lisi"), user("wangwu")]);
    let many = Action::AddMembers {
        chat: chat(),
        users: (0..450).map(|i| user(&format!("u{i}"))).collect(),
    };
    assert_eq!(door.1.prepare(&many).unwrap().len(), 3);
    let posted = play(
        "appchat-send-text",
        &door,
        &Action::Send {
            to: Target::Chat(chat()),
            content: Message::text("每周专栏更新了"),
        },
    )
    .await;
    assert!(matches!(posted, Outcome::Sent(_)));
    let markdown = Action::Send {
        to: Target::Chat(chat()),
        content: Message::card("每周专栏").line("第 12 期"),
    };
    assert!(matches!(
        play("appchat-send-markdown", &door, &markdown).await,
        Outcome::Sent(_)
    ));
}

#[tokio::test]
async fn the_rest_of_the_calls() {
    let door = app().await;
    let recall = Action::Recall {
        message: MessageId::new("MSGID-TEST-0001").unwrap(),
    };
    assert!(matches!(play("message-recall", &door, &recall).await, Outcome::Sent(_)));
    let upload = Action::Upload {
        name: "report.txt".into(),
        media_type: "text/plain".into(),
        data: "MDEyMzQ1Njc4OQ==".into(),
    };
    let Outcome::Sent(receipt) = play("media-upload", &door, &upload).await else {
        panic!()
    };
    assert_eq!(receipt.handle.as_deref(), Some("MEDIA-TEST-0001"));
    let body = String::from_utf8_lossy(&door.0.business().last().unwrap().body).into_owned();
    assert!(
        body.contains("name=\"media\"; filename=\"report.txt\"") && body.contains("0123456789"),
        "{body}"
    );
    let entry = CalendarEntry {
        title: "新人午餐".into(),
        description: "一起吃饭".into(),
        from: Timestamp::from_secs(1_795_312_800),
        to: Timestamp::from_secs(1_795_316_400),
        attendees: vec![user("zhangsan"), user("lisi")],
    };
    let path = "/cgi-bin/oa/schedule/add";
    door.0
        .answer(path, vector("oa-schedule-add")["exchanges"][0]["response"].clone());
    let Outcome::Sent(receipt) = deliver(&door.1, &Action::Calendar { entry }).await else {
        panic!()
    };
    assert!(receipt.handle.is_some());
    let sent = door.0.business().last().unwrap().json();
    let recorded = &vector("oa-schedule-add")["exchanges"][0]["body"];
    let names = |v: &Value| {
        v["schedule"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<std::collections::BTreeSet<_>>()
    };
    assert!(names(&sent).is_subset(&names(recorded)), "{sent} {recorded}");

    let door = robot().await;
    let send = |m| Action::Send {
        to: Target::Chat(ChatId::new("ops").unwrap()),
        content: m,
    };
    let ping = Message::text("签到啦").paragraph(vec![hutong_model::Inline::Mention {
        user: user("zhangsan"),
        name: "张三".into(),
    }]);
    assert!(matches!(
        play("webhook-send-text", &door, &send(ping)).await,
        Outcome::Sent(_)
    ));
    assert_eq!(
        door.0.business()[0].json()["text"]["mentioned_list"],
        json!(["zhangsan"])
    );
    assert!(matches!(
        play("webhook-send-markdown", &door, &send(Message::card("提醒").line("x"))).await,
        Outcome::Sent(_)
    ));
    for (name, code) in [("webhook-send-93000", "93000"), ("webhook-send-40058", "40058")] {
        door.0.answer(
            "/cgi-bin/webhook/send",
            vector(name)["exchanges"][0]["response"].clone(),
        );
        let outcome = deliver(&door.1, &send(Message::text("x"))).await;
        assert!(
            matches!(outcome, Outcome::Rejected { code: ref c, .. } if c == code),
            "{outcome:?}"
        );
    }
    door.0.answer(
        "/cgi-bin/webhook/send",
        vector("webhook-send-45009")["exchanges"][0]["response"].clone(),
    );
    assert!(matches!(
        deliver(&door.1, &send(Message::text("x"))).await,
        Outcome::RateLimited { .. }
    ));
    assert!(matches!(
        play("webhook-upload_media", &door, &upload).await,
        Outcome::Sent(_)
    ));
}

#[tokio::test]
async fn an_answer_of_the_bot_is_used_once_and_checked() {
    let (script, url) = serve().await;
    let settings = common::bot_settings("Token", "DFOmmvA4o137YbkaiMhizhiMGRe3vRL2sVgQKYUIaxw")
        .with("base_url", common::text(&url));
    let door = (
        script.clone(),
        WeCom::new(common::build("wecom_aibot", settings)).unwrap(),
    );
    let reply = |address: &str, until: i64| Action::Reply {
        message: MessageId::new("m").unwrap(),
        chat: hutong_model::ChatRef {
            id: ChatId::new("wr1").unwrap(),
            kind: hutong_model::ChatKind::Group,
            name: None,
        },
        context: Some(json!({"url": address, "until": until}).to_string()),
        content: Message::card("任务完成").line("x"),
    };
    let address = format!("{url}/cgi-bin/aibot/response?response_code=RESPONSE_CODE_1");
    let later = common::NOW.millis() + 1000;
    assert!(matches!(
        play("aibot-response_url-markdown", &door, &reply(&address, later)).await,
        Outcome::Sent(_)
    ));
    assert_eq!(
        script.seen()[0].query,
        "response_code=RESPONSE_CODE_1",
        "the address is used as it came"
    );
    assert!(
        matches!(
            deliver(&door.1, &reply(&address, common::NOW.millis() - 1)).await,
            Outcome::Rejected { .. }
        ),
        "an hour is over"
    );
    for foreign in ["http://127.0.0.1:1/x", "https://evil.example/x", "file:///etc/passwd"] {
        assert!(
            matches!(deliver(&door.1, &reply(foreign, later)).await, Outcome::Rejected { .. }),
            "{foreign}"
        );
    }
    assert_eq!(script.seen().len(), 1);
}

#[tokio::test]
async fn what_is_not_known_is_not_claimed() {
    let path = "/cgi-bin/message/send";
    for (status, body) in [
        (500, ""),
        (502, "<html>"),
        (504, ""),
        (200, "not json"),
        (200, "[]"),
        (200, "{\"errcode\":\"x\"}"),
    ] {
        let (script, door) = app().await;
        script.raw(path, status, body.into());
        let outcome = deliver(&door, &to_user("hi")).await;
        assert!(
            matches!(outcome, Outcome::Unknown { .. }),
            "{status} {body}: {outcome:?}"
        );
    }
    let (script, door) = app().await;
    script.raw(path, 200, "{\"errmsg\":\"ok\",\"msgid\":\"M\"}".into());
    assert!(
        matches!(deliver(&door, &to_user("hi")).await, Outcome::Sent(_)),
        "a success may lack its code"
    );
    for (status, body) in [(200, "{\"errcode\":-1}"), (200, "{\"errcode\":6000}")] {
        script.raw(path, status, body.into());
        assert!(
            matches!(deliver(&door, &to_user("hi")).await, Outcome::NotSent { .. }),
            "{body}"
        );
    }
    script.raw(path, 429, String::new());
    assert!(matches!(
        deliver(&door, &to_user("hi")).await,
        Outcome::RateLimited { .. }
    ));
    script.raw(path, 404, String::new());
    assert!(matches!(deliver(&door, &to_user("hi")).await, Outcome::Rejected { .. }));
    // A server that took the request and closed, and one that is not there.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let settings = common::app_settings("Token", "DFOmmvA4o137YbkaiMhizhiMGRe3vRL2sVgQKYUIaxw", "ww1")
        .with("base_url", common::text(&format!("http://{address}")));
    drop(listener);
    let door = WeCom::new(common::build("wecom", settings)).unwrap();
    let Outcome::NotSent { reason } = deliver(&door, &to_user("hi")).await else {
        panic!()
    };
    assert!(!reason.contains("corpsecret") && !reason.contains("SECRET"), "{reason}");
}

#[tokio::test]
async fn the_directory_is_read_as_far_as_the_secret_allows() {
    let (script, door) = app().await;
    let response = |name: &str| vector(name)["exchanges"][0]["response"].clone();
    script.answer("/cgi-bin/department/list", response("department-list"));
    let departments = door.departments(None).await.unwrap();
    assert_eq!(departments.next, None);
    let [root, second] = &departments.items[..] else {
        panic!()
    };
    assert_eq!((root.parent.as_ref(), root.name.as_str()), (None, "示例公司"));
    assert_eq!(
        (
            second.parent.as_ref().unwrap().as_str(),
            second.leader.as_ref().unwrap().as_str()
        ),
        ("1", "zhangsan")
    );
    let two = DepartmentId::new("2").unwrap();
    script.answer("/cgi-bin/user/list", response("user-list"));
    let people = door.people(&two, None).await.unwrap();
    assert_eq!((people.items[0].name.as_str(), people.items[0].active), ("张三", true));
    assert_eq!(people.items[0].leader.as_ref().unwrap().as_str(), "lisi");
    script.answer("/cgi-bin/user/get", response("user-get"));
    assert_eq!(
        door.person(&user("zhangsan")).await.unwrap().unwrap().title.as_deref(),
        Some("工程师")
    );
    script.answer(
        "/cgi-bin/user/get",
        json!({"errcode": 60111, "errmsg": "userid not found"}),
    );
    assert_eq!(door.person(&user("nobody")).await.unwrap(), None);
    // The contact-sync secret: ids only, page by page.
    script.answer(
        "/cgi-bin/department/list",
        json!({"errcode": 48009, "errmsg": "no privilege"}),
    );
    script.answer("/cgi-bin/department/simplelist", response("department-simplelist"));
    assert_eq!(door.departments(None).await.unwrap().items[2].name, "3");
    script.answer(
        "/cgi-bin/user/list",
        json!({"errcode": 48009, "errmsg": "no privilege"}),
    );
    let mut first = response("user-list_id");
    first["next_cursor"] = json!("CURSOR");
    script.answer("/cgi-bin/user/list_id", first);
    let page = door.people(&two, None).await.unwrap();
    assert_eq!(
        page.items.iter().map(|p| p.user.as_str()).collect::<Vec<_>>(),
        ["zhangsan", "lisi"]
    );
    script.answer("/cgi-bin/user/list_id", response("user-list_id"));
    assert_eq!(door.people(&two, page.next.as_deref()).await.unwrap().next, None);
    assert_eq!(script.business().last().unwrap().json()["cursor"], "CURSOR");
    script.answer("/cgi-bin/user/list", response("user-list_id-48002"));
    script.answer("/cgi-bin/user/list_id", response("user-list_id-48002"));
    assert!(matches!(door.people(&two, None).await, Err(CallError::Rejected { .. })));
    let (_, robot) = robot().await;
    assert!(matches!(robot.departments(None).await, Err(CallError::NotPossible(_))));
}

#[tokio::test]
async fn the_probe_makes_a_business_call() {
    let (script, door) = app().await;
    script.answer(
        "/cgi-bin/agent/get",
        json!({"errcode": 0, "errmsg": "ok", "agentid": 1_000_002}),
    );
    door.probe().await.unwrap();
    let refusal = vector("message-send-60020")["exchanges"][0]["response"].clone();
    script.answer("/cgi-bin/agent/get", refusal);
    let Err(CallError::Rejected { text, .. }) = door.probe().await else {
        panic!()
    };
    assert!(text.contains("203.0.113.7"), "{text}");
}
