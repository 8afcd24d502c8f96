//! How fast events become effects, and how soon a single message is answered.
//!
//! The real system on a SQLite file of its own, in front of the simulated Feishu with the sample
//! company (its 65 people on Feishu), with points, columns and reports switched on. A table for people, and one line of JSON
//! at the end. `cargo bench --bench flow`; less than a minute.
//!
//! The disk is that of the temporary folder: set `TMPDIR` to measure another one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that cannot go on ends"
)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body as HttpBody, Bytes};
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use hutong::app::Hutong;
use hutong::clock::SystemClock;
use hutong::config::{FixedEnvironment, Loader};
use hutong::inbox::Accepted;
use hutong::ingress::{self, Limits};
use hutong::store::{Store, StoreOptions};
use hutong::trace::Trace;
use hutong_feishu::sim::{FeishuSim, SimAppOptions, SimOptions};
use hutong_model::{
    AppId, Body, ChatId, ChatKind, ChatRef, Clock, Incoming, Mention, MessageEvent, MessageId, Platform, Segment,
    Sender, SenderKind, UserId,
};
use hutong_simkit::server::Served;
use hutong_simkit::{ChatSel, Simulator, Verb, company};
use tokio_util::sync::CancellationToken;

const GROUPS: usize = 15;
/// Events that wait when the clock starts.
const BACKLOG: usize = 40_000;
/// Events a second that come in meanwhile.
const RATE: u64 = 2_000;
const MEASURED: Duration = Duration::from_secs(5);
const ANSWERS: usize = 200;

/// Moments of the one message that is under way.
#[derive(Default)]
struct Moments {
    /// The answer to the callback left our handler.
    acknowledged: Mutex<Option<Instant>>,
    /// A request that says something arrived at the platform.
    arrived: Mutex<Option<Instant>>,
}

struct Setup {
    system: Hutong,
    sim: Arc<FeishuSim>,
    sim_app: String,
    moments: Arc<Moments>,
    stop: CancellationToken,
    _served: Served,
    _folder: tempfile::TempDir,
}

async fn note_answer(State(moments): State<Arc<Moments>>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    *moments.acknowledged.lock().unwrap() = Some(Instant::now());
    response
}

/// Stands before the simulated platform and looks at the clock when something arrives.
#[derive(Clone)]
struct Gate {
    moments: Arc<Moments>,
    to: String,
    client: reqwest::Client,
}

async fn gate(State(gate): State<Gate>, request: Request) -> Response {
    let at = Instant::now();
    let (parts, body) = request.into_parts();
    if parts.uri.path().starts_with("/open-apis/im/v1/messages") && parts.method != "GET" {
        gate.moments.arrived.lock().unwrap().get_or_insert(at);
    }
    let body: Bytes = axum::body::to_bytes(body, 4 << 20).await.unwrap();
    let answer = gate
        .client
        .request(parts.method, format!("{}{}", gate.to, parts.uri))
        .headers(parts.headers)
        .body(body)
        .send()
        .await
        .unwrap();
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        if name != "transfer-encoding" && name != "content-length" {
            response = response.header(name, value);
        }
    }
    response.body(HttpBody::from(answer.bytes().await.unwrap())).unwrap()
}

async fn serve(router: Router, stop: &CancellationToken) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(ingress::serve(listener, router, Limits::default(), stop.clone()));
    url
}

impl Setup {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let moments = Arc::new(Moments::default());
        let stop = CancellationToken::new();
        let app = SimAppOptions::new(1, "小胡同", true);
        let (sim, served) = hutong_feishu::sim::start(SimOptions {
            org: company::org(Platform::Feishu),
            clock: clock.clone(),
            port: 0,
            apps: vec![app.clone()],
            limits: true,
            extra: None,
        })
        .await
        .unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let to = sim.base_url();
        let gate_state = Gate {
            moments: moments.clone(),
            to: to.trim_end_matches('/').to_owned(),
            client,
        };
        let platform = serve(Router::new().fallback(gate).with_state(gate_state), &stop).await;
        let url = format!("sqlite://{}", folder.path().join("flow.db").display());
        let text = format!(
            "[store]\nurl = {{ env = \"STORE\" }}\n[company]\nname = \"石榴巷\"\n[[app]]\nid = \"fs\"\nplatform = \"feishu\"\n\
             app_id = \"{}\"\napp_secret = \"{}\"\nencrypt_key = \"{}\"\nverification_token = \"{}\"\nsees_all_messages = true\nbase_url = \"{platform}\"\n\
             [points]\n[report]\n[[column]]\nid = \"tip\"\ntitle = \"工具推荐\"\napp = \"fs\"\nchats = [\"oc_flow0\"]\nevery = {{ weekday = \"mon\", time = \"09:30\" }}\n",
            app.app_id, app.app_secret, app.encrypt_key, app.verification_token
        );
        let env = FixedEnvironment::default().variable("STORE", &url);
        let config = Loader::new(&env, hutong::adapters::ALL)
            .load(&text, "flow.toml")
            .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
        let store = Store::open(&url, &StoreOptions::default()).await.unwrap();
        let system = Hutong::build_on(store, config, clock, Trace::default()).await.unwrap();
        let router = system
            .router()
            .layer(middleware::from_fn_with_state(moments.clone(), note_answer));
        let bot = serve(router, &stop).await;
        for (app, result) in hutong::app::introduce(&system).await {
            result.unwrap_or_else(|e| panic!("{app}: {e}"));
        }
        let sim_app = sim.apps()[0].id.clone();
        sim.subscribe(&sim_app, &format!("{bot}/hook/fs")).await.unwrap();
        for (app, result) in hutong::app::sync_directory(&system).await {
            result.unwrap_or_else(|e| panic!("{app}: {e}"));
        }
        Self {
            system,
            sim,
            sim_app,
            moments,
            stop,
            _served: served,
            _folder: folder,
        }
    }
}

/// The n-th message of the stream: mostly talk, some replies, mentions and questions, now and then
/// thanks or a recall.
fn incoming(n: usize, people: &[(String, String)], now: hutong_model::Timestamp) -> Incoming {
    let group = n % GROUPS;
    let (id, name) = &people[(n / GROUPS + group * 7) % people.len()];
    let chat = ChatRef {
        id: ChatId::new(format!("oc_flow{group}")).unwrap(),
        kind: ChatKind::Group,
        name: None,
    };
    let message = |n: usize| MessageId::new(format!("om_flow{n:08}")).unwrap();
    let other = || {
        let (id, name) = &people[(n * 31 + 17) % people.len()];
        Segment::Mention(Mention {
            user: Some(UserId::new(id.clone()).unwrap()),
            name: Some(name.clone()),
            bot: false,
        })
    };
    let text = |t: &str| Segment::Text(t.to_owned());
    let body = if n % 100 == 99 {
        Body::Recall {
            message: message(n.saturating_sub(50 * GROUPS)),
            chat: Some(chat.clone()),
            by: None,
        }
    } else {
        let (content, addressed) = match n % 50 {
            7 => (vec![text("感谢 "), other(), text(" 帮我定位了驱动问题")], true),
            3 | 23 => (vec![text("新的样机什么时候能到实验室?")], false),
            11 | 31 | 41 => (vec![other(), text(" 你看一下这个日志,是不是电源的问题")], false),
            _ => (
                vec![text("今天把第三版的测试跑完了,结果放在共享目录里,大家有空看看")],
                false,
            ),
        };
        Body::Message(Box::new(MessageEvent {
            message: message(n),
            chat: chat.clone(),
            sender: Sender {
                user: Some(UserId::new(id.clone()).unwrap()),
                name: Some(name.clone()),
                kind: SenderKind::Person,
            },
            content,
            attachments: Vec::new(),
            reply_to: (n % 10 == 5).then(|| message(n.saturating_sub(GROUPS))),
            thread: None,
            addressed,
            mentions_all: false,
            reply_context: None,
        }))
    };
    Incoming {
        key: format!("flow-{n}"),
        lane: format!("chat:{}", chat.id),
        occurred_at: now,
        body,
    }
}

/// Stores events `from..to`, many at a time.
async fn feed(setup: &Setup, people: &Arc<Vec<(String, String)>>, from: usize, to: usize) {
    let app = AppId::new("fs").unwrap();
    let tasks: Vec<_> = (0..64)
        .map(|lane| {
            let (inbox, people, app) = (setup.system.inbox.clone(), people.clone(), app.clone());
            tokio::spawn(async move {
                for n in (from + lane..to).step_by(64) {
                    let now = SystemClock.now();
                    let accepted = inbox.accept(&app, vec![incoming(n, &people, now)], now).await;
                    assert_eq!(accepted, Ok(Accepted::New));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

struct Flow {
    name: &'static str,
    seconds: f64,
    events: u64,
    items: u64,
    effects: u64,
    received: u64,
    waiting: i64,
}

/// Counts while the worker drains what waits; receives `RATE` events a second meanwhile if wished.
async fn flow(
    setup: &Setup,
    name: &'static str,
    people: &Arc<Vec<(String, String)>>,
    next: usize,
    receiving: bool,
) -> Flow {
    let received = Arc::new(AtomicU64::new(0));
    let metrics = &setup.system.work_metrics;
    let read = || {
        (
            metrics.events.load(Ordering::Relaxed),
            metrics.items.load(Ordering::Relaxed),
            metrics.effects.load(Ordering::Relaxed),
        )
    };
    let before = read();
    let started = Instant::now();
    let mut n = next;
    let app = AppId::new("fs").unwrap();
    while started.elapsed() < MEASURED {
        tokio::time::sleep(Duration::from_millis(2)).await;
        let due = next + (started.elapsed().as_micros() as u64 * RATE / 1_000_000) as usize;
        while receiving && n < due {
            let (inbox, people, app, received) = (
                setup.system.inbox.clone(),
                people.clone(),
                app.clone(),
                received.clone(),
            );
            let event = n;
            n += 1;
            tokio::spawn(async move {
                let now = SystemClock.now();
                let stored = inbox.accept(&app, vec![incoming(event, &people, now)], now).await;
                assert_eq!(stored, Ok(Accepted::New));
                received.fetch_add(1, Ordering::Relaxed);
            });
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    let after = read();
    Flow {
        name,
        seconds,
        events: after.0 - before.0,
        items: after.1 - before.1,
        effects: after.2 - before.2,
        received: received.load(Ordering::Relaxed),
        waiting: waiting(setup).await,
    }
}

async fn waiting(setup: &Setup) -> i64 {
    let sql = "SELECT COUNT(*) AS n FROM inbox WHERE state = 0";
    setup.system.store.query(sql).one().await.unwrap().get("n").unwrap()
}

async fn drained(setup: &Setup) {
    while waiting(setup).await > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Times of one answer, in ms: callback to acknowledgement, acknowledgement to commit of the
/// effect, commit to arrival of the answer at the platform, acknowledgement to arrival.
type Steps = [f64; 4];

async fn answer(setup: &Setup, person: &str) -> Steps {
    *setup.moments.acknowledged.lock().unwrap() = None;
    *setup.moments.arrived.lock().unwrap() = None;
    // The commit is seen by a thread that looks every 50 us; it sleeps in between.
    let metrics = setup.system.work_metrics.clone();
    let before = metrics.effects.load(Ordering::Relaxed);
    let give_up = Arc::new(AtomicBool::new(false));
    let stop = give_up.clone();
    let watcher = std::thread::spawn(move || {
        while metrics.effects.load(Ordering::Relaxed) == before && !stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_micros(50));
        }
        Instant::now()
    });
    let verb = Verb::Say {
        person: person.to_owned(),
        chat: ChatSel::DirectWith(setup.sim_app.clone()),
        text: "/我".to_owned(),
        reply_to: None,
    };
    let began = Instant::now();
    setup.sim.act(verb).await.unwrap();
    let arrived = loop {
        if let Some(at) = *setup.moments.arrived.lock().unwrap() {
            break at;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "no answer came");
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    give_up.store(true, Ordering::Relaxed);
    let committed = watcher.join().unwrap();
    let acknowledged = setup.moments.acknowledged.lock().unwrap().unwrap();
    // A step may have begun before the one before it was seen to end.
    let ms = |a: Instant, b: Instant| b.saturating_duration_since(a).as_secs_f64() * 1e3;
    [
        ms(began, acknowledged),
        ms(acknowledged, committed),
        ms(committed, arrived),
        ms(acknowledged, arrived),
    ]
}

/// The value that `share` of the sorted list does not exceed.
fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values
        .get((last as f64 * share).round() as usize)
        .copied()
        .unwrap_or(0.0)
}

#[tokio::main]
async fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let setup = Setup::new().await;
    let people: Arc<Vec<_>> = Arc::new(setup.sim.people().into_iter().map(|p| (p.id, p.name)).collect());
    let tasks = setup.system.start(&setup.stop).await;
    println!("{} people, {GROUPS} groups, SQLite", people.len());

    // One message at a time on an idle system.
    let mut steps: Vec<Steps> = Vec::new();
    for n in 0..ANSWERS + 20 {
        let (person, _) = &people[n % people.len()];
        let measured = answer(&setup, person).await;
        // The first ones open connections and prepare statements.
        if n >= 20 {
            steps.push(measured);
        }
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    let names = [
        "callback sent -> acknowledged",
        "acknowledged -> effect committed",
        "effect committed -> request at platform",
        "acknowledged -> request at platform",
    ];
    let mut json = Vec::new();
    println!(
        "\none `/我` at a time, {} of them              median ms   p99 ms",
        steps.len()
    );
    for (i, name) in names.iter().enumerate() {
        let mut list: Vec<f64> = steps.iter().map(|s| s[i]).collect();
        let (p50, p99) = (quantile(&mut list, 0.5), quantile(&mut list, 0.99));
        println!("  {name:<42} {p50:>8.2} {p99:>8.2}");
        json.push(format!("\"{name}\":[{p50:.2},{p99:.2}]"));
    }

    // A backlog, with and without events coming in meanwhile. The first messages make the people
    // and groups known and are not counted.
    let mut next = 0;
    feed(&setup, &people, next, 4_000).await;
    next += 4_000;
    drained(&setup).await;
    println!("\nbacklog of {BACKLOG} events                  events/s  items/s  effects/s  received/s  still waiting");
    for (name, receiving) in [("not receiving", false), ("receiving", true)] {
        feed(&setup, &people, next, next + BACKLOG).await;
        next += BACKLOG;
        // What the inbox calls pressure ends a moment after the last shared commit.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let f = flow(&setup, name, &people, next, receiving).await;
        next += (RATE * 10) as usize;
        let per = |n: u64| n as f64 / f.seconds;
        println!(
            "  {:<38} {:>8.0} {:>8.0} {:>10.0} {:>11.0} {:>14}",
            f.name,
            per(f.events),
            per(f.items),
            per(f.effects),
            per(f.received),
            f.waiting
        );
        json.push(format!(
            "\"{}\":{{\"events\":{:.0},\"items\":{:.0},\"effects\":{:.0},\"received\":{:.0},\"waiting\":{}}}",
            f.name,
            per(f.events),
            per(f.items),
            per(f.effects),
            per(f.received),
            f.waiting
        ));
        drained(&setup).await;
    }
    println!("\n{{{}}}", json.join(","));
    setup.stop.cancel();
    let _ = tokio::time::timeout(Duration::from_secs(5), tasks.wait()).await;
}
