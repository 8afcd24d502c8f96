use std::sync::Mutex;

use hutong_model::{BoxFuture, Platform};
use tokio::sync::watch;

use super::*;
use crate::server::{Bound, Served};
use crate::{ChatSel, Done, ScreenChat, ScreenItem, ScreenPart, SimApp, SimPerson};

/// A platform with one chat, in which everything said is shown.
struct Tiny {
    said: Mutex<Vec<(String, String)>>,
    faults: Mutex<Vec<Fault>>,
    revision: watch::Sender<u64>,
}

impl Simulator for Tiny {
    fn platform(&self) -> Platform {
        Platform::Feishu
    }
    fn base_url(&self) -> String {
        "http://127.0.0.1:1".into()
    }
    fn apps(&self) -> Vec<SimApp> {
        vec![SimApp {
            id: "cli_1".into(),
            kind: "feishu",
            name: "胡同".into(),
            settings: Default::default(),
        }]
    }
    fn subscribe<'a>(&'a self, app: &'a str, url: &'a str) -> BoxFuture<'a, Result<(), SimError>> {
        Box::pin(async move {
            match (app, url.starts_with("http://127.0.0.1")) {
                ("cli_1", true) => Ok(()),
                ("cli_1", false) => Err(SimError::Callback("no answer".into())),
                _ => Err(SimError::NotFound("app".into())),
            }
        })
    }
    fn act(&self, verb: Verb) -> BoxFuture<'_, Result<Done, SimError>> {
        Box::pin(async move {
            let Verb::Say {
                person,
                chat: ChatSel::Chat(chat),
                text,
                ..
            } = verb
            else {
                return Err(SimError::Refused("this person may not do that".into()));
            };
            if chat != "c1" {
                return Err(SimError::NotFound(format!("chat {chat}")));
            }
            self.said.lock().unwrap().push((person, text));
            self.revision.send_modify(|n| *n += 1);
            Ok(Done {
                message: Some("m1".into()),
                callbacks_ok: 1,
                ..Done::default()
            })
        })
    }
    fn chats(&self) -> Vec<ScreenChat> {
        vec![ScreenChat {
            id: "c1".into(),
            name: "驱动组".into(),
            group: true,
            members: vec!["u_a".into()],
            owner: None,
            apps: vec!["cli_1".into()],
            person: None,
            last_ms: 0,
            disbanded: false,
        }]
    }
    fn screen(&self, _chat: &str, viewer: &str, limit: usize) -> Vec<ScreenItem> {
        let said = self.said.lock().unwrap();
        let skip = said.len().saturating_sub(limit);
        said.iter()
            .skip(skip)
            .map(|(person, text)| ScreenItem {
                id: "m".into(),
                at_ms: 0,
                from: person.clone(),
                from_name: viewer.to_owned(),
                bot: false,
                recalled: false,
                edited: false,
                reply_to: None,
                parts: vec![ScreenPart::Text { text: text.clone() }],
                reactions: vec![],
            })
            .collect()
    }
    fn people(&self) -> Vec<SimPerson> {
        vec![]
    }
    fn fault(&self, fault: Fault) {
        self.faults.lock().unwrap().push(fault);
    }
    fn repeat_due(&self) -> BoxFuture<'_, usize> {
        Box::pin(async { 2 })
    }
    fn revision(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }
    fn complaints(&self) -> Vec<String> {
        vec!["bad token on /send".into()]
    }
    fn calls(&self) -> Vec<(String, u64)> {
        vec![("/send".into(), 3)]
    }
}

async fn served() -> (Arc<Tiny>, Served, reqwest::Client) {
    let tiny = Arc::new(Tiny {
        said: Mutex::default(),
        faults: Mutex::default(),
        revision: watch::Sender::new(7),
    });
    let bound = Bound::bind(0).await.unwrap();
    let router = router(tiny.clone(), bound.stop_token());
    let client = crate::ladder::loopback_client(Duration::from_secs(5)).unwrap();
    (tiny, bound.serve(router), client)
}

async fn get_json(client: &reqwest::Client, url: String) -> serde_json::Value {
    client.get(url).send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn what_a_person_does_over_http_is_seen_over_http() {
    let (tiny, served, client) = served().await;
    let at = |path: &str| format!("{}/_sim/{path}", served.base_url());
    let body: serde_json::Value =
        json!({"do": "say", "person": "u_a", "chat": {"chat": "c1"}, "text": "<@bot> 感谢 <@u_b>"});
    let done: Done = client
        .post(at("act"))
        .json(&body)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!((done.message.as_deref(), done.callbacks_ok), (Some("m1"), 1));
    let screen = get_json(&client, at("screen?chat=c1&viewer=u_z&limit=5")).await;
    assert_eq!(screen[0]["parts"][0]["text"], "<@bot> 感谢 <@u_b>");
    assert_eq!(screen[0]["from_name"], "u_z", "the viewer is passed on");
    assert_eq!(get_json(&client, at("chats")).await[0]["name"], "驱动组");
    assert_eq!(get_json(&client, at("complaints")).await, json!(["bad token on /send"]));
    assert_eq!(get_json(&client, at("calls")).await, json!([["/send", 3]]));
    let info = get_json(&client, at("info")).await;
    assert_eq!(
        (&info["platform"], &info["apps"][0]["id"]),
        (&json!("feishu"), &json!("cli_1"))
    );
    let help = client.get(at("")).send().await.unwrap().text().await.unwrap();
    assert!(help.contains("/_sim/act"));

    let fault = json!({"path": "/send", "times": 1, "kind": {"kind": "delay", "ms": 5}});
    let status = client.post(at("fault")).json(&fault).send().await.unwrap().status();
    assert_eq!(status, 204);
    assert_eq!(tiny.faults.lock().unwrap()[0].kind, crate::FaultKind::Delay { ms: 5 });
    let sent: serde_json::Value = client
        .post(at("repeat_due"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(sent, json!({"sent": 2}));
    for (app, url, status) in [
        ("cli_1", "http://127.0.0.1:9/hook/x", 204),
        ("cli_1", "http://192.0.2.1/", 502),
        ("other", "http://127.0.0.1:9/", 404),
    ] {
        let answer = client
            .post(at("subscribe"))
            .json(&json!({"app": app, "url": url}))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), status, "{app} {url}");
    }
    served.stop().await;
}

#[tokio::test]
async fn errors_say_what_is_wrong() {
    let (_, served, client) = served().await;
    let at = |path: &str| format!("{}/_sim/{path}", served.base_url());
    for (body, status, error) in [
        (json!({"do": "recall", "person": "u_a", "message": "m"}), 409, "refused"),
        (
            json!({"do": "say", "person": "u_a", "chat": {"chat": "zz"}, "text": ""}),
            404,
            "not_found",
        ),
        (json!({"do": "dance"}), 422, "unreadable"),
    ] {
        let answer = client.post(at("act")).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), status, "{body}");
        let answer: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(answer["error"], error);
        assert!(answer["message"].as_str().unwrap().len() > 5, "{answer}");
    }
    let answer = client.get(at("screen?chat=c1")).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    served.stop().await;
}

#[tokio::test]
async fn a_page_from_elsewhere_cannot_drive_it() {
    let (tiny, served, client) = served().await;
    let url = format!("{}/_sim/act", served.base_url());
    let body = json!({"do": "say", "person": "u_a", "chat": {"chat": "c1"}, "text": "x"});
    for (name, value) in [
        ("host", "evil.example"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        let answer = client.post(&url).header(name, value).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 403, "{name}: {value}");
    }
    assert!(tiny.said.lock().unwrap().is_empty());
    let own = format!("http://localhost:{}", served.addr().port());
    let answer = client
        .post(&url)
        .header("origin", own)
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert!(is_loopback_authority("[::1]:80") && is_loopback_authority("localhost"));
    assert!(!is_loopback_authority("127.0.0.1.evil.example:80") && !is_loopback_authority(""));
    served.stop().await;
}

#[tokio::test]
async fn changes_are_told() {
    let (tiny, served, client) = served().await;
    let url = format!("{}/_sim/events", served.base_url());
    assert_eq!(
        get_json(&client, format!("{url}?after=6")).await["revision"],
        7,
        "at once"
    );
    let poll = tokio::spawn({
        let (client, url) = (client.clone(), url.clone());
        async move { get_json(&client, format!("{url}?after=7")).await }
    });
    let mut events = client.get(&url).send().await.unwrap();
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    let first = events.chunk().await.unwrap().unwrap();
    assert_eq!(first, "event: revision\ndata: 7\n\n");
    tokio::time::sleep(Duration::from_millis(20)).await;
    tiny.revision.send_modify(|n| *n += 1);
    assert_eq!(events.chunk().await.unwrap().unwrap(), "event: revision\ndata: 8\n\n");
    assert_eq!(poll.await.unwrap()["revision"], 8);
    // A stream that is open does not hold up the end.
    let begin = std::time::Instant::now();
    served.stop().await;
    assert!(begin.elapsed() < Duration::from_millis(1500));
    assert!(events.chunk().await.map_or(true, |c| c.is_none()));
}
