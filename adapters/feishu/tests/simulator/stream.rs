//! The long connection: adapter and platform against each other, over real sockets on loopback.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use hutong_feishu::Feishu;
use hutong_feishu::sim::{FeishuSim, SimAppOptions, SimOptions, start};
use hutong_link::{Hold, HttpTransport, LinkHost, LinkNote, Options, TimerClock};
use hutong_model::{
    Action, Adapter as _, AppId, Body, BoxFuture, Build, Button, ButtonStyle, ChatId, CompanyId, Incoming, ManualClock,
    Message, OpenError, Rejection, Secret, SettingValue, Target,
};
use hutong_simkit::server::Served;
use hutong_simkit::{ChatSel, Done, Fault, FaultKind, ScreenPart, Simulator, Verb};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Wire;
use tokio_util::sync::CancellationToken;

use crate::stage::{START, org, user};

/// The program behind a connection: stores what comes, when it may.
struct Program {
    heard: Mutex<Vec<Incoming>>,
    rejected: Mutex<Vec<Rejection>>,
    notes: Mutex<Vec<LinkNote>>,
    /// Commits that may be made; many by default.
    commits: Semaphore,
    broken: AtomicBool,
    /// Driven time becomes real again as soon as a connection is lost.
    resume: AtomicBool,
}

impl LinkHost for Program {
    fn store(&self, events: Vec<Incoming>) -> BoxFuture<'_, bool> {
        Box::pin(async {
            self.commits.acquire().await.unwrap().forget();
            let good = !self.broken.load(Ordering::SeqCst);
            if good {
                self.heard.lock().unwrap().extend(events);
            }
            good
        })
    }
    fn rejected(&self, rejection: Rejection) {
        self.rejected.lock().unwrap().push(rejection);
    }
    fn hold(&self) -> BoxFuture<'_, Hold> {
        unreachable!("not an exclusive connection")
    }
    fn release(&self) -> BoxFuture<'_, ()> {
        unreachable!("not an exclusive connection")
    }
    fn note(&self, note: LinkNote) {
        if matches!(note, LinkNote::Lost { .. }) && self.resume.swap(false, Ordering::SeqCst) {
            tokio::time::resume();
        }
        self.notes.lock().unwrap().push(note);
    }
}

struct Replica {
    program: Arc<Program>,
    cancel: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Replica {
    fn start(adapter: &Feishu) -> Self {
        let program = Arc::new(Program {
            heard: Mutex::default(),
            rejected: Mutex::default(),
            notes: Mutex::default(),
            commits: Semaphore::new(10_000),
            broken: AtomicBool::new(false),
            resume: AtomicBool::new(false),
        });
        let cancel = CancellationToken::new();
        let options = Options {
            backoff: (Duration::from_millis(5), Duration::from_millis(20)),
            ..Options::default()
        };
        let task = tokio::spawn(hutong_link::run(
            adapter.link().unwrap(),
            program.clone(),
            Arc::new(HttpTransport::new().unwrap()),
            Arc::new(TimerClock::starting(START)),
            options,
            cancel.clone(),
        ));
        Self { program, cancel, task }
    }

    async fn stop(self) {
        self.cancel.cancel();
        self.task.await.unwrap();
    }

    fn take(&self) -> Vec<Incoming> {
        std::mem::take(&mut *self.program.heard.lock().unwrap())
    }

    /// Waits until connections have been ready so many times.
    async fn until_ready(&self, times: usize) {
        for _ in 0..2000 {
            if self.ready() >= times {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(self.ready(), times, "{:?}", self.program.notes.lock().unwrap());
    }

    fn ready(&self) -> usize {
        let notes = self.program.notes.lock().unwrap();
        notes.iter().filter(|n| matches!(n, LinkNote::Ready { .. })).count()
    }
}

/// A platform with one app that receives over a connection, and has no callback address.
struct House {
    sim: Arc<FeishuSim>,
    _served: Served,
    clock: ManualClock,
    adapter: Feishu,
    app: String,
    client: reqwest::Client,
}

fn build(sim: &FeishuSim, clock: &ManualClock, change: &[(&str, SettingValue)]) -> Build {
    let app = sim.apps().remove(0);
    // A connection needs neither.
    let mut settings = app.settings.clone();
    for key in ["encrypt_key", "verification_token"] {
        settings.set(key, SettingValue::Secret(Secret::new("")));
    }
    for (key, value) in change {
        settings.set(*key, value.clone());
    }
    Build {
        app: AppId::new("fs").unwrap(),
        company: CompanyId::new("main").unwrap(),
        kind: app.kind.to_owned(),
        settings,
        clock: Arc::new(clock.clone()),
    }
}

impl House {
    async fn new() -> Self {
        let clock = ManualClock::at(START);
        let options = SimAppOptions {
            long_connection: true,
            ..SimAppOptions::new(1, "胡同", true)
        };
        let (sim, served) = start(SimOptions {
            org: org(),
            clock: Arc::new(clock.clone()),
            port: 0,
            apps: vec![options],
            limits: true,
            extra: None,
        })
        .await
        .unwrap();
        let adapter = Feishu::new(&build(&sim, &clock, &[])).unwrap();
        let app = sim.apps().remove(0).id;
        let client = hutong_simkit::ladder::loopback_client(Duration::from_secs(5)).unwrap();
        Self {
            sim,
            _served: served,
            clock,
            adapter,
            app,
            client,
        }
    }

    async fn live(&self, count: usize) {
        for _ in 0..2000 {
            if self.sim.links().iter().map(|(_, n)| n).sum::<usize>() == count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{count} connections are wanted, there are {:?}", self.sim.links());
    }

    async fn group(&self) -> ChatId {
        let verb = Verb::CreateChat {
            name: "研发一部".into(),
            owner: "u000".into(),
            members: vec!["u001".into()],
            apps: vec![self.app.clone()],
        };
        ChatId::new(self.sim.act(verb).await.unwrap().chat.unwrap()).unwrap()
    }

    async fn say(&self, chat: &ChatId, text: &str) -> Done {
        let verb = Verb::Say {
            person: "u001".into(),
            chat: ChatSel::Chat(chat.as_str().into()),
            text: text.into(),
            reply_to: None,
        };
        self.sim.act(verb).await.unwrap()
    }

    fn fault(&self, kind: FaultKind) {
        self.sim.fault(Fault {
            path: self.app.clone(),
            callbacks: false,
            times: 1,
            kind,
        });
    }

    async fn manner(&self, change: Value) {
        let url = format!("{}/_sim/stream", self.sim.base_url());
        let answer = self.client.post(url).body(change.to_string()).send().await.unwrap();
        assert_eq!(answer.status(), 204);
    }

    async fn discover(&self, id: &str, secret: &str) -> Value {
        let url = format!("{}/callback/ws/endpoint", self.sim.base_url());
        let body = json!({ "AppID": id, "AppSecret": secret }).to_string();
        let answer = self.client.post(url).body(body).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }

    async fn address(&self) -> String {
        let app = self.sim.apps().remove(0);
        let found = self
            .discover(&app.id, app.settings.secret("app_secret").unwrap().expose())
            .await;
        found["data"]["URL"].as_str().unwrap().to_owned()
    }

    fn no_complaints(&self, replicas: &[&Replica]) {
        assert_eq!(self.sim.complaints(), Vec::<String>::new());
        for replica in replicas {
            assert_eq!(*replica.program.rejected.lock().unwrap(), []);
        }
    }
}

type Client = WebSocketStream<TcpStream>;

/// A client of the tests' own; `Err` is the status and headers of a refused handshake.
async fn connect(url: &str) -> Result<Client, (u16, Vec<(String, String)>)> {
    let address = url.split('/').nth(2).unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    match tokio_tungstenite::client_async(url, stream).await {
        Ok((client, _)) => Ok(client),
        Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => {
            let headers = answer.headers().iter();
            let headers = headers.map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned()));
            Err((answer.status().as_u16(), headers.collect()))
        }
        Err(other) => panic!("{other}"),
    }
}

fn texts(heard: &[Incoming]) -> Vec<String> {
    heard
        .iter()
        .filter_map(|i| match &i.body {
            Body::Message(m) => Some(m.text()),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn events_come_over_the_connection_and_are_acknowledged_after_the_store_only() {
    let house = House::new().await;
    let chat = house.group().await;
    let done = house.say(&chat, "没人").await;
    assert_eq!(
        (done.callbacks_ok, done.callbacks_failed),
        (0, 0),
        "the app receives nowhere yet"
    );
    let replica = Replica::start(&house.adapter);
    house.live(1).await;

    let done = house.say(&chat, "你好").await;
    assert_eq!((done.callbacks_ok, done.callbacks_failed), (1, 0));
    assert_eq!(texts(&replica.take()), ["你好"]);

    // No acknowledgement before the commit.
    let permits = replica.program.commits.available_permits();
    replica.program.commits.forget_permits(permits);
    let said = {
        let (sim, chat) = (house.sim.clone(), chat.clone());
        tokio::spawn(async move {
            sim.act(Verb::Say {
                person: "u001".into(),
                chat: ChatSel::Chat(chat.as_str().into()),
                text: "慢".into(),
                reply_to: None,
            })
            .await
            .unwrap()
        })
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!said.is_finished() && replica.take().is_empty());
    replica.program.commits.add_permits(1_000);
    let done = said.await.unwrap();
    assert_eq!((done.callbacks_ok, texts(&replica.take())), (1, vec!["慢".to_owned()]));

    // What could not be stored comes again on the ladder, as the same event.
    replica.program.broken.store(true, Ordering::SeqCst);
    let done = house.say(&chat, "再来").await;
    assert_eq!((done.callbacks_ok, done.callbacks_failed), (0, 1));
    replica.program.broken.store(false, Ordering::SeqCst);
    house.clock.advance(Duration::from_secs(14));
    assert_eq!(house.sim.repeat_due().await, 0);
    house.clock.advance(Duration::from_secs(1));
    assert_eq!(house.sim.repeat_due().await, 1);
    assert_eq!(texts(&replica.take()), ["再来"]);
    house.no_complaints(&[&replica]);
    replica.stop().await;

    // Nobody is connected: the app is not online, and the platform tries again.
    house.live(0).await;
    let done = house.say(&chat, "有人吗").await;
    assert_eq!((done.callbacks_ok, done.callbacks_failed), (0, 1));
    let replica = Replica::start(&house.adapter);
    house.live(1).await;
    house.clock.advance(Duration::from_secs(15));
    assert_eq!(house.sim.repeat_due().await, 1);
    assert_eq!(texts(&replica.take()), ["有人吗"]);
    replica.stop().await;
}

#[tokio::test]
async fn split_messages_and_clicks_of_both_kinds() {
    let house = House::new().await;
    let replica = Replica::start(&house.adapter);
    house.live(1).await;
    let chat = house.group().await;
    replica.take();
    for size in [1, 50, 333, 1000] {
        house.manner(json!({ "app": house.app, "part_bytes": size })).await;
        let text = "胡同里的猫🐈".repeat(size / 20 + 3);
        let done = house.say(&chat, &text).await;
        assert_eq!((done.callbacks_ok, done.callbacks_failed), (1, 0), "{size}");
        assert_eq!(texts(&replica.take()), [text], "{size}");
    }
    house.adapter.probe().await.unwrap();
    let action = Action::Send {
        to: Target::Chat(chat.clone()),
        content: Message::text("请确认").buttons(vec![Button {
            label: "知道了".into(),
            action: "ack:1".into(),
            style: ButtonStyle::Primary,
        }]),
    };
    for prepared in house.adapter.prepare(&action).unwrap() {
        house
            .adapter
            .deliver(&prepared, "00000000000000000000000000000001")
            .await;
    }
    let screen = house.sim.screen(chat.as_str(), "u001", 10);
    let item = screen.iter().rev().find(|i| i.bot).unwrap();
    let button = item
        .parts
        .iter()
        .find_map(|p| match p {
            ScreenPart::Buttons { buttons } => buttons.first().cloned(),
            _ => None,
        })
        .unwrap();
    for card_frames in [false, true] {
        house.manner(json!({ "card_frames": card_frames })).await;
        let done = house
            .sim
            .act(Verb::Click {
                person: "u001".into(),
                message: item.id.clone(),
                action: button.action.clone(),
                values: Default::default(),
            })
            .await
            .unwrap();
        assert_eq!((done.callbacks_ok, done.callbacks_failed), (1, 0), "{card_frames}");
        let heard = replica.take();
        assert!(
            matches!(&heard[..], [Incoming { body: Body::Click(click), .. }] if click.user == user("u001")),
            "{heard:?}"
        );
    }
    house.no_complaints(&[&replica]);
    replica.stop().await;
}

#[tokio::test]
async fn two_replicas_share_and_none_gets_what_the_other_has() {
    let house = House::new().await;
    let (one, two) = (Replica::start(&house.adapter), Replica::start(&house.adapter));
    house.live(2).await;
    let chat = house.group().await;
    one.take();
    two.take();
    for n in 0..40 {
        assert_eq!(house.say(&chat, &n.to_string()).await.callbacks_ok, 1);
    }
    let (mut all, other) = (texts(&one.take()), texts(&two.take()));
    assert!(
        !all.is_empty() && !other.is_empty(),
        "{} and {}",
        all.len(),
        other.len()
    );
    all.extend(other);
    all.sort_by_key(|t| t.parse::<u32>().unwrap());
    assert_eq!(all, (0..40).map(|n| n.to_string()).collect::<Vec<_>>());
    house.no_complaints(&[&one, &two]);
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn lost_connections_are_replaced_and_nothing_is_lost() {
    let house = House::new().await;
    let replica = Replica::start(&house.adapter);
    house.live(1).await;
    let chat = house.group().await;
    replica.take();
    for (n, kind) in [FaultKind::DropLink, FaultKind::AnnounceLink, FaultKind::DropLink]
        .into_iter()
        .enumerate()
    {
        replica.until_ready(n + 1).await;
        house.fault(kind.clone());
        replica.until_ready(n + 2).await;
        house.live(1).await;
        assert_eq!(house.say(&chat, &n.to_string()).await.callbacks_ok, 1, "{kind:?}");
    }
    assert_eq!(texts(&replica.take()), ["0", "1", "2"]);

    // A zombie swallows what is pushed; the platform notices and repeats.
    house.fault(FaultKind::ZombieLink);
    let done = house.say(&chat, "僵尸").await;
    assert_eq!((done.callbacks_ok, done.callbacks_failed), (0, 1));
    house.fault(FaultKind::DropLink);
    house.live(1).await;
    house.clock.advance(Duration::from_secs(15));
    assert_eq!(house.sim.repeat_due().await, 1);
    assert_eq!(texts(&replica.take()), ["僵尸"]);
    house.no_complaints(&[&replica]);
    replica.stop().await;
}

#[tokio::test]
async fn a_mute_connection_is_cut_within_seventy_seconds() {
    let house = House::new().await;
    let replica = Replica::start(&house.adapter);
    replica.until_ready(1).await;
    house.fault(FaultKind::MuteLink);
    // From here on time is driven: whenever nothing happens, it goes on to the next timer.
    replica.program.resume.store(true, Ordering::SeqCst);
    tokio::time::pause();
    let since = tokio::time::Instant::now();
    while replica.program.resume.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let deaf = since.elapsed();
    assert!(
        deaf <= Duration::from_secs(70) && deaf >= Duration::from_secs(30),
        "{deaf:?}"
    );
    let lost = replica
        .program
        .notes
        .lock()
        .unwrap()
        .iter()
        .any(|n| matches!(n, LinkNote::Lost { reason, .. } if reason.contains("ping")));
    assert!(lost, "{:?}", replica.program.notes.lock().unwrap());
    replica.until_ready(2).await;
    // The platform still believes in the mute one and would give it events, which it repeats; so it
    // gives both up first.
    house.fault(FaultKind::DropLink);
    replica.until_ready(3).await;
    let chat = house.group().await;
    assert_eq!(house.say(&chat, "回来了").await.callbacks_ok, 1);
    assert_eq!(texts(&replica.take()), ["回来了"]);
    replica.stop().await;
}

#[tokio::test]
async fn discovery_and_handshake_refuse_as_documented() {
    let house = House::new().await;
    let opened = |change: Vec<(&'static str, SettingValue)>| {
        let adapter = Feishu::new(&build(&house.sim, &house.clock, &change)).unwrap();
        async move { adapter.link().unwrap().open().await.map(|_| ()) }
    };
    let code = |result: Result<(), OpenError>| match result {
        Err(OpenError::Refused { code, text }) => {
            assert!(!text.is_empty());
            code
        }
        other => panic!("{other:?}"),
    };
    let secret = SettingValue::Secret(Secret::new("wrong"));
    assert_eq!(code(opened(vec![("app_secret", secret)]).await), "514");
    let stranger = SettingValue::Text("cli_0000000000000000".into());
    assert_eq!(code(opened(vec![("app_id", stranger)]).await), "514");
    for wanted in [1, 403, 1_000_040_343, 1_000_040_350, 1_000_040_351] {
        house.sim.fault(Fault {
            path: "/callback/ws/endpoint".into(),
            callbacks: false,
            times: 1,
            kind: FaultKind::Code {
                code: wanted,
                text: "x".into(),
            },
        });
        let result = opened(Vec::new()).await;
        match (&result, wanted) {
            (Err(OpenError::Unavailable { .. }), 1 | 1_000_040_343) => {}
            (Err(OpenError::Refused { code, .. }), _) => assert_eq!(*code, wanted.to_string()),
            _ => panic!("{wanted}: {result:?}"),
        }
    }
    assert_eq!(
        house.discover("", "").await,
        json!({ "code": 1_000_040_344, "msg": "no credential", "data": {} })
    );

    // An address works once; the refusal is one to try again after.
    let link = house.adapter.link().unwrap();
    let address = house.address().await;
    let (query, first) = (address.split_once('?').unwrap().1, address.find("device_id"));
    assert!(
        first > address.find("fpid") && query.contains("service_id="),
        "{address}"
    );
    let mut clients = vec![connect(&address).await.unwrap()];
    let explain = |(status, headers): (u16, Vec<(String, String)>)| {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        link.not_upgraded(status, &headers)
    };
    let used = explain(connect(&address).await.err().unwrap());
    assert!(matches!(used, OpenError::Unavailable { .. }), "{used:?}");

    // The fifty-first connection is refused, at whichever door it comes too late.
    let late = house.address().await;
    while clients.len() < 50 {
        clients.push(connect(&house.address().await).await.unwrap());
    }
    house.live(50).await;
    let full = explain(connect(&late).await.err().unwrap());
    assert!(
        matches!(&full, OpenError::Refused { code, .. } if code == "1000040350"),
        "{full:?}"
    );
    assert_eq!(code(opened(Vec::new()).await), "1000040350");
    drop(clients.pop());
    house.live(49).await;
    assert!(opened(Vec::new()).await.is_ok());
}

/// What the adapter never does: a client that answers with another log id, with 500, late, twice, or
/// sends what is no frame.
#[tokio::test]
async fn a_strange_client_is_judged_by_its_message_ids() {
    let house = House::new().await;
    let chat = house.group().await;
    let mut client = connect(&house.address().await).await.unwrap();
    house.live(1).await;
    let hex = |text: &str| Wire::Binary(hex::decode(text).unwrap().into());
    client
        .send(hex("0800100018f681801020002a0c0a0474797065120470696e67"))
        .await
        .unwrap();
    let Wire::Binary(pong) = client.next().await.unwrap().unwrap() else {
        panic!()
    };
    let config = br#"{"ReconnectCount":-1,"ReconnectInterval":2,"ReconnectNonce":1,"PingInterval":120}"#;
    let reads = |bytes: &[u8]| -> Value {
        let at = bytes.iter().position(|b| *b == b'{').unwrap();
        serde_json::from_slice(&bytes[at..]).unwrap()
    };
    assert_eq!(reads(&pong), serde_json::from_slice::<Value>(config).unwrap());

    for (answer, good) in [
        (r#"{"code":200}"#, 1),
        (r#"{"code":200,"headers":null,"data":null}"#, 1),
        (r#"{"code":500}"#, 0),
    ] {
        let said = {
            let (sim, chat) = (house.sim.clone(), chat.clone());
            tokio::spawn(async move {
                let verb = Verb::Say {
                    person: "u001".into(),
                    chat: ChatSel::Chat(chat.as_str().into()),
                    text: "在吗".into(),
                    reply_to: None,
                };
                sim.act(verb).await.unwrap()
            })
        };
        let Wire::Binary(frame) = client.next().await.unwrap().unwrap() else {
            panic!()
        };
        let text = String::from_utf8_lossy(&frame).into_owned();
        let id = text
            .split("message_id")
            .nth(1)
            .unwrap()
            .chars()
            .skip(2)
            .take(36)
            .collect::<String>();
        // SeqID and LogID 0: only the message id counts. Fields in another order than theirs.
        let mut reply = Vec::new();
        for (key, value) in [("type", "event"), ("message_id", id.as_str())] {
            reply.extend([0x2a, (key.len() + value.len() + 4) as u8, 0x0a, key.len() as u8]);
            reply.extend(key.as_bytes());
            reply.extend([0x12, value.len() as u8]);
            reply.extend(value.as_bytes());
        }
        reply.extend([0x42, answer.len() as u8]);
        reply.extend(answer.as_bytes());
        reply.extend([0x20, 1, 0x18, 0xf6, 0x81, 0x80, 0x10, 0x10, 0, 0x08, 0]);
        for _ in 0..2 {
            client.send(Wire::Binary(reply.clone().into())).await.unwrap();
        }
        let done = said.await.unwrap();
        assert_eq!((done.callbacks_ok, done.callbacks_failed), (good, 1 - good), "{answer}");
    }
    assert_eq!(house.sim.complaints(), Vec::<String>::new());
    client.send(Wire::Binary(vec![1, 2, 3].into())).await.unwrap();
    client.send(Wire::Text("{}".into())).await.unwrap();
    client
        .send(hex("08001000180120002a0c0a0474797065120470696e67"))
        .await
        .unwrap();
    let _ = client.next().await.unwrap().unwrap();
    let complaints = house.sim.complaints().join("\n");
    assert_eq!(house.sim.complaints().len(), 3, "{complaints}");
    assert!(complaints.contains("cannot be read") && complaints.contains("text") && complaints.contains("service 1"));
}
