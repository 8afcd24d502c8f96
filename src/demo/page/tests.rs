use std::sync::{Arc, Mutex};
use std::time::Duration;

use hutong_model::{BoxFuture, Clock as _, ManualClock, Platform, Timestamp};
use hutong_simkit::company::{self, monday_to_friday};
use hutong_simkit::server::{Bound, Served};
use hutong_simkit::{ScreenPart, Simulator as _, Verb, ladder};
use serde_json::{Value, json};

use super::fake::{Pretend, now, report_card};
use super::*;

struct Steps(Mutex<Vec<TraceItem>>);

impl Backstage for Steps {
    fn recent(&self, since: u64) -> Vec<TraceItem> {
        self.0
            .lock()
            .unwrap()
            .iter()
            .filter(|i| i.seq > since)
            .cloned()
            .collect()
    }
}

struct Hands(ManualClock);

impl TimeControl for Hands {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
    fn advance_to(&self, to: Timestamp) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            if to.millis() - self.0.now().millis() > 40 * 86_400_000 {
                return Err("that is too far".into());
            }
            self.0.set(to);
            Ok(())
        })
    }
}

/// Feishu may choose; a switch that cannot be is told.
struct Ways(Mutex<Receive>);

impl Reception for Ways {
    fn standing(&self) -> Vec<AppReceives> {
        let receive = *self.0.lock().unwrap();
        let long = receive == Receive::LongConnection;
        vec![AppReceives {
            platform: Platform::Feishu,
            receive,
            app: "胡同".into(),
            mixed: false,
            standing: long.then_some("ready"),
            reconnects: u64::from(long),
            why: long.then_some(["连接中断", "the connection broke"]),
        }]
    }
    fn switch(&self, platform: Platform, receive: Receive) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            if platform != Platform::Feishu {
                return Err("it cannot choose".into());
            }
            *self.0.lock().unwrap() = receive;
            Ok(())
        })
    }
}

struct OnePicture;

impl Pictures for OnePicture {
    fn picture(&self, _platform: Platform, handle: &str) -> Option<(String, Vec<u8>)> {
        match handle {
            "png" => Some(("image/png".into(), vec![1, 2, 3])),
            "svg" => Some(("image/svg+xml".into(), b"<svg onload=alert(1)>".to_vec())),
            _ => None,
        }
    }
}

struct Demo {
    served: Served,
    client: reqwest::Client,
    feishu: Arc<Pretend>,
    steps: Arc<Steps>,
}

async fn demo() -> Demo {
    let clock = ManualClock::at(now());
    let feishu = Pretend::new(Platform::Feishu, clock.clone());
    let wecom = Pretend::new(Platform::WeCom, clock.clone());
    feishu.replay(company::history(1, now(), 7, monday_to_friday));
    clock.set(now());
    let steps = Arc::new(Steps(Mutex::default()));
    let bound = Bound::bind(0).await.unwrap();
    let sims: [Arc<Pretend>; 2] = [feishu.clone(), wecom];
    let state = DemoState {
        sims: sims
            .into_iter()
            .map(|sim| DemoSim {
                departments: company::org(sim.platform()).departments,
                sim,
            })
            .collect(),
        backstage: steps.clone(),
        time: Arc::new(Hands(clock)),
        reception: Arc::new(Ways(Mutex::default())),
        pictures: Arc::new(OnePicture),
        hosts: vec![],
        stop: bound.stop_token(),
    };
    Demo {
        served: bound.serve(router(state)),
        client: ladder::loopback_client(Duration::from_secs(5)).unwrap(),
        feishu,
        steps,
    }
}

impl Demo {
    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.served.base_url())
    }
    async fn get(&self, path: &str) -> Value {
        let answer = self.client.get(self.url(path)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    }
    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let answer = self.client.post(self.url(path)).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
    fn somebody(&self) -> String {
        let chats = self.feishu.chats();
        chats.iter().find(|c| c.id == "oc_port").unwrap().members[3].clone()
    }
}

#[tokio::test]
async fn the_page_speaks_both_languages_and_lets_nothing_else_in() {
    let demo = demo().await;
    for (accept, query, tag, word) in [
        ("zh-CN", "", "zh-CN", "机器人幕后"),
        ("en-GB,en;q=0.9", "", "en", "Behind the scenes"),
        ("en", "?lang=zh", "zh-CN", "机器人幕后"),
    ] {
        let answer = demo
            .client
            .get(demo.url(query))
            .header("accept-language", accept)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers().contains_key("set-cookie"), !query.is_empty());
        let html = answer.text().await.unwrap();
        assert!(html.contains(&format!("<html lang=\"{tag}\">")) && html.contains(word));
        assert!(
            !html.contains("style=\"") && !html.contains(" onclick"),
            "nothing inline"
        );
        let boot = html
            .split("id=\"boot\">")
            .nth(1)
            .unwrap()
            .split("</script>")
            .next()
            .unwrap();
        let boot: Value = serde_json::from_str(boot).unwrap();
        assert_eq!(boot["platforms"][0]["id"], "feishu");
        let person = &boot["platforms"][0]["people"][3];
        assert!(
            person["department"].as_str().unwrap().starts_with("研发中心 / "),
            "{person}"
        );
    }
    let html = demo
        .client
        .get(demo.url(""))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    for asset in html.split("assets/").skip(1).map(|s| s.split('"').next().unwrap()) {
        let answer = demo
            .client
            .get(demo.url(&format!("assets/{asset}")))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{asset}");
        assert!(
            answer.headers()["cache-control"]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
    }
    demo.served.stop().await;
}

#[tokio::test]
async fn a_person_sees_own_chats_and_no_others() {
    let demo = demo().await;
    let me = demo.somebody();
    let chats = demo.get(&format!("api/chats?platform=feishu&viewer={me}")).await;
    let rows = chats["chats"].as_array().unwrap();
    let row = |id: &str| rows.iter().find(|r| r["id"] == id).unwrap();
    assert_eq!(row("oc_port")["member"], true);
    assert!(row("oc_port")["preview"].as_str().unwrap().chars().count() > 3);
    assert_eq!(row("oc_supply")["member"], false);
    assert_eq!(row("oc_supply")["preview"], "", "what others write stays with them");
    let direct: Vec<&Value> = rows.iter().filter(|r| r["group"] == false).collect();
    assert_eq!(direct.len(), 1, "the webhook has no private chat");
    assert_eq!((&direct[0]["app"], &direct[0]["id"]), (&json!("app1"), &json!("")));
    let order: Vec<i64> = rows.iter().map(|r| r["last_ms"].as_i64().unwrap()).collect();
    assert!(order.is_sorted_by(|a, b| a >= b));

    let screen = demo
        .get(&format!("api/screen?platform=feishu&chat=oc_port&viewer={me}&limit=5"))
        .await;
    assert_eq!(screen["items"].as_array().unwrap().len(), 5);
    assert_eq!((&screen["more"], &screen["member"]), (&json!(true), &json!(true)));
    let all = demo
        .get(&format!(
            "api/screen?platform=feishu&chat=oc_port&viewer={me}&limit=900"
        ))
        .await;
    assert_eq!(all["more"], false);
    assert_eq!(
        all["items"].as_array().unwrap().last(),
        screen["items"].as_array().unwrap().last()
    );
    let shut = demo
        .get(&format!("api/screen?platform=feishu&chat=oc_supply&viewer={me}"))
        .await;
    assert_eq!(shut, json!({"items": [], "more": false, "member": false}));
    for (path, status) in [
        ("api/screen?platform=feishu&chat=zz&viewer=x", 404),
        ("api/screen?platform=dingtalk&chat=zz&viewer=x", 404),
        ("api/screen?platform=icq&chat=zz&viewer=x", 400),
        ("api/chats?platform=feishu", 400),
    ] {
        let answer = demo.client.get(demo.url(path)).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        let body: Value = answer.json().await.unwrap();
        assert!(body["message"].as_str().unwrap().len() > 5);
    }
    demo.served.stop().await;
}

#[tokio::test]
async fn what_is_done_on_the_page_is_done_on_the_platform() {
    let demo = demo().await;
    let me = demo.somebody();
    let say = json!({"do": "say", "person": me, "chat": {"direct_with": "app1"}, "text": "/report"});
    let (status, done) = demo.post("api/act", json!({"platform": "feishu", "verb": say})).await;
    assert_eq!((status, &done["callbacks_ok"]), (200, &json!(1)));
    assert!(matches!(demo.feishu.verbs().last(), Some(Verb::Say { .. })));
    let chats = demo.get(&format!("api/chats?platform=feishu&viewer={me}")).await;
    let direct = chats["chats"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["group"] == false)
        .unwrap();
    let (id, app) = (direct["id"].as_str().unwrap(), &direct["app"]);
    assert_eq!(app, "app1");
    let screen = demo
        .get(&format!("api/screen?platform=feishu&chat={id}&viewer={me}"))
        .await;
    let items = screen["items"].as_array().unwrap();
    assert_eq!((items.len(), &items[1]["bot"]), (2, &json!(true)));
    let parts: Vec<ScreenPart> = serde_json::from_value(items[1]["parts"].clone()).unwrap();
    assert_eq!(parts, report_card());

    let (status, error) = demo
        .post(
            "api/act",
            json!({"platform": "feishu", "verb": {"do": "disband", "chat": "x", "by": "y"}}),
        )
        .await;
    assert_eq!((status, &error["error"]), (409, &json!("refused")));
    let (status, _) = demo
        .post("api/act", json!({"platform": "feishu", "verb": {"do": "fly"}}))
        .await;
    assert_eq!(status, 422);

    let before = demo.feishu.verbs().len();
    let body = json!({"platform": "feishu", "verb": {"do": "recall", "person": me, "message": "m1"}});
    for (name, value) in [("origin", "http://evil.example"), ("host", "evil.example")] {
        let answer = demo
            .client
            .post(demo.url("api/act"))
            .header(name, value)
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 403, "{name}");
    }
    assert_eq!(demo.feishu.verbs().len(), before);
    demo.served.stop().await;
}

#[tokio::test]
async fn the_visitor_moves_the_time() {
    let demo = demo().await;
    let (status, moved) = demo.post("api/time", json!({"jump": "workday"})).await;
    assert_eq!(status, 200);
    assert_eq!(moved["minute"], 9 * 60 + 30);
    assert_eq!(
        moved["now_ms"].as_i64().unwrap() - now().millis(),
        15 * 3_600_000 + 30 * 60_000
    );
    let (status, moved) = demo.post("api/time", json!({"jump": "monday"})).await;
    assert_eq!((status, &moved["minute"]), (200, &json!(600)));
    let (status, _) = demo.post("api/time", json!({"jump": "century"})).await;
    assert_eq!(status, 422);
    demo.served.stop().await;
}

#[tokio::test]
async fn only_pictures_are_served_as_pictures() {
    let demo = demo().await;
    for (handle, status) in [("png", 200), ("svg", 404), ("other", 404)] {
        let url = demo.url(&format!("api/picture?platform=feishu&handle={handle}"));
        let answer = demo.client.get(url).send().await.unwrap();
        assert_eq!(answer.status(), status, "{handle}");
    }
    demo.served.stop().await;
}

fn trace(seq: u64, id: &str) -> TraceItem {
    TraceItem {
        id: id.into(),
        seq,
        at_ms: 0,
        platform: Some(Platform::Feishu),
        app: "app1".into(),
        chat: Some("oc_port".into()),
        kind: "message".into(),
        via: Some("callback".into()),
        summary: "感谢".into(),
        accepted_ms: Some(0.8),
        rules: vec![TraceRule {
            name: "points".into(),
            state: "done".into(),
            why: "+3".into(),
            ms: Some(1.2),
        }],
        effects: vec![],
    }
}

/// Reads server-sent events until one of this name comes.
async fn next(stream: &mut reqwest::Response, buffer: &mut String, name: &str) -> Value {
    let wait = async {
        loop {
            while let Some((event, rest)) = buffer.clone().split_once("\n\n") {
                *buffer = rest.to_owned();
                let data = event.lines().find_map(|l| l.strip_prefix("data: ")).unwrap_or("null");
                if event.lines().any(|l| l == format!("event: {name}")) {
                    return serde_json::from_str(data).unwrap();
                }
            }
            let chunk = stream.chunk().await.unwrap().expect("the stream goes on");
            buffer.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    };
    tokio::time::timeout(Duration::from_secs(5), wait).await.expect(name)
}

#[tokio::test]
async fn changes_come_by_themselves() {
    let demo = demo().await;
    demo.steps.0.lock().unwrap().extend([trace(1, "a"), trace(2, "b")]);
    let mut stream = demo.client.get(demo.url("api/events?since=1")).send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let mut buffer = String::new();
    assert_eq!(
        next(&mut stream, &mut buffer, "time").await["now_ms"],
        json!(now().millis())
    );
    let before = next(&mut stream, &mut buffer, "receive").await;
    assert_eq!(
        (&before[0]["receive"], &before[0]["standing"]),
        (&json!("callback"), &Value::Null)
    );
    let items = next(&mut stream, &mut buffer, "trace").await;
    assert_eq!((items.as_array().unwrap().len(), &items[0]["id"]), (1, &json!("b")));
    demo.feishu.put("oc_port", "app1", report_card(), None);
    let revision = next(&mut stream, &mut buffer, "revision").await;
    assert_eq!(revision["platform"], "feishu");
    demo.steps.0.lock().unwrap().push(trace(3, "a"));
    let items = next(&mut stream, &mut buffer, "trace").await;
    assert_eq!((&items[0]["id"], &items[0]["seq"]), (&json!("a"), &json!(3)));
    let (status, ways) = demo
        .post(
            "api/receive",
            json!({"platform": "feishu", "receive": "long_connection"}),
        )
        .await;
    assert_eq!((status, &ways[0]["standing"]), (200, &json!("ready")));
    let now_so = next(&mut stream, &mut buffer, "receive").await;
    assert_eq!(
        (&now_so[0]["receive"], &now_so[0]["reconnects"]),
        (&json!("long_connection"), &json!(1))
    );
    for (body, status) in [
        (json!({"platform": "wecom", "receive": "long_connection"}), 409),
        (json!({"platform": "dingtalk", "receive": "callback"}), 404),
        (json!({"platform": "feishu", "receive": "pigeon"}), 422),
    ] {
        assert_eq!(demo.post("api/receive", body.clone()).await.0, status, "{body}");
    }
    let foreign = demo
        .client
        .post(demo.url("api/receive"))
        .header("origin", "https://evil.example")
        .json(&json!({"platform": "feishu", "receive": "callback"}));
    assert_eq!(foreign.send().await.unwrap().status(), 403);
    demo.post("api/time", json!({"jump": "hour"})).await;
    assert_eq!(
        next(&mut stream, &mut buffer, "time").await["now_ms"],
        json!(now().millis() + 3_600_000)
    );
    let begin = std::time::Instant::now();
    demo.served.stop().await;
    assert!(
        begin.elapsed() < Duration::from_millis(1500),
        "an open page does not hold up the end"
    );
}
