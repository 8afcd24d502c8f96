//! The program is killed again and again under load, and nothing that was acknowledged is lost,
//! booked twice or said twice.
//!
//! The platform and the people live in the test; the program runs as a process of its own on one
//! SQLite file. The seed is printed; `HUTONG_SEED` repeats a run, `HUTONG_SOAK=night` kills 1000
//! times.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hutong::clock::SystemClock;
use hutong::store::{Store, StoreOptions};
use hutong_simkit::{ChatSel, Org, SimDepartment, SimPerson, Verb};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::support::{On, Stage, text_of};

const PEOPLE: usize = 40;
/// On a slow machine the program takes longer to come back, and more is tried meanwhile: nobody may
/// run out of what can be given, or a refusal would look like a loss.
const PLENTY: &str = "[points.give]\nweekly_allowance = 1000\nper_pair_per_day = 100\n";
const SENDERS: usize = 4;

fn org() -> Org {
    let person = |n: usize| SimPerson {
        id: format!("u{n:02}"),
        name: format!("员工{n:02}"),
        employee_no: format!("E{n:03}"),
        department: "101".to_owned(),
        email: format!("u{n}@shiliu.example"),
        mobile: format!("199000000{n:02}"),
        title: "工程师".to_owned(),
        leader: None,
        active: true,
        joined_on: None,
        office: None,
        employment: None,
    };
    Org {
        departments: vec![SimDepartment {
            id: "101".to_owned(),
            parent: None,
            name: "研发中心".to_owned(),
        }],
        people: (0..PEOPLE).map(person).collect(),
    }
}

/// A process that ends with the test, whatever happens.
pub struct Process(Child);

impl Process {
    pub fn start(config: &Path) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_hutong"))
            .args(["serve", "--config"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// SIGKILL.
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub async fn ready(address: SocketAddr, process: &mut Process) {
    let client = hutong_simkit::ladder::loopback_client(Duration::from_secs(2)).unwrap();
    for _ in 0..1000 {
        let answer = client.get(format!("http://{address}/readyz")).send().await;
        if answer.is_ok_and(|a| a.status() == 200) {
            return;
        }
        if let Some(status) = process.0.try_wait().unwrap() {
            panic!("the program ended by itself: {status}");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the program does not get ready");
}

/// What somebody said, and what must come of it.
#[derive(Debug, Clone)]
struct Sent {
    message: String,
    /// Stands in the answer and in no other.
    word: String,
    thanks: bool,
    acknowledged: bool,
}

struct Load {
    stage: Stage,
    app: String,
    group: String,
    sent: Mutex<Vec<Sent>>,
    count: AtomicUsize,
    stop: AtomicBool,
}

impl Load {
    async fn run(self: Arc<Self>) {
        while !self.stop.load(Ordering::SeqCst) {
            let n = self.count.fetch_add(1, Ordering::SeqCst);
            let thanks = n % 12 == 5;
            let word = format!("字{n:06}");
            let person = n % PEOPLE;
            let (chat, text) = if thanks {
                // Another pair every time, so that no limit of a pair is reached.
                let other = (person + 1 + (n / PEOPLE) % (PEOPLE - 1)) % PEOPLE;
                let text = format!("<@bot> 感谢 <@u{other:02}> 帮我定位了驱动问题{word}");
                (ChatSel::Chat(self.group.clone()), text)
            } else {
                (ChatSel::DirectWith(self.app.clone()), format!("/{word}"))
            };
            let person = format!("u{person:02}");
            let done = self
                .stage
                .sim
                .act(Verb::Say {
                    person,
                    chat,
                    text,
                    reply_to: None,
                })
                .await
                .unwrap();
            let acknowledged = done.callbacks_ok > 0;
            self.sent.lock().unwrap().push(Sent {
                message: done.message.unwrap(),
                word,
                thanks,
                acknowledged,
            });
            let pause = if acknowledged { 45 } else { 15 };
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }
}

/// Waits until nothing is left to do; the program keeps running.
async fn idle(database: &Path) {
    let options = StoreOptions {
        beside: true,
        ..StoreOptions::default()
    };
    let store = Store::open(&format!("sqlite://{}", database.display()), &options)
        .await
        .unwrap();
    let begin = Instant::now();
    loop {
        let row = store
            .query(
                "SELECT (SELECT COUNT(*) FROM outbox WHERE done_at IS NULL) + \
                 (SELECT COUNT(*) FROM inbox WHERE state = 0) AS n",
            )
            .one()
            .await
            .unwrap();
        let left: i64 = row.get("n").unwrap();
        if left == 0 {
            break;
        }
        assert!(
            begin.elapsed() < Duration::from_secs(120),
            "{left} things are never done"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    store.close().await;
}

/// SIGTERM; the exit code, and how long it took.
fn terminate(process: &mut Process) -> (Option<i32>, Duration) {
    let begin = Instant::now();
    let sent = Command::new("kill")
        .args(["-TERM", &process.0.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
    while begin.elapsed() < Duration::from_secs(30) {
        if let Some(status) = process.0.try_wait().unwrap() {
            return (status.code(), begin.elapsed());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it does not stop");
}

struct Scene {
    load: Arc<Load>,
    config: PathBuf,
    database: PathBuf,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

/// The platform, the configuration and the running program.
async fn scene() -> (Scene, Process) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let stage = Stage::start_unjudged(On::Feishu, org(), Arc::new(SystemClock)).await;
    let folder = tempfile::tempdir().unwrap();
    let address = {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        taken.local_addr().unwrap()
    };
    let database = folder.path().join("crash.db");
    let config = folder.path().join("hutong.toml");
    let text = format!(
        "[server]\nlisten = \"{address}\"\n[store]\nurl = \"sqlite://{}\"\n[log]\nlevel = \"error\"\n{}[points]\n{PLENTY}",
        database.display(),
        stage.config()
    );
    std::fs::write(&config, text).unwrap();
    let mut process = Process::start(&config);
    ready(address, &mut process).await;
    let app = stage.sim.apps()[0].id.clone();
    stage
        .sim
        .subscribe(&app, &format!("http://{address}/hook/fs"))
        .await
        .unwrap();
    let done = stage
        .sim
        .act(Verb::CreateChat {
            name: "研发交流".to_owned(),
            owner: "u00".to_owned(),
            members: (1..PEOPLE).map(|n| format!("u{n:02}")).collect(),
            apps: vec![app.clone()],
        })
        .await
        .unwrap();
    let load = Arc::new(Load {
        stage,
        app,
        group: done.chat.unwrap(),
        sent: Mutex::default(),
        count: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
    });
    let scene = Scene {
        load,
        config,
        database,
        address,
        _folder: folder,
    };
    (scene, process)
}

/// The history against the screen and the rows, in the words of the trade: lost is acknowledged and
/// absent, duplicated is there more than once.
async fn judge(scene: &Scene) -> usize {
    let sim = scene.load.stage.sim.as_ref();
    let mut shown: BTreeMap<String, usize> = BTreeMap::new();
    for chat in sim.chats() {
        for item in sim.screen(&chat.id, "u00", 100_000).iter().filter(|i| i.bot) {
            // Cards about thanks go to the receiver; the line in the group is the answer.
            let text = text_of(item);
            let Some(at) = text.find('字').filter(|_| chat.group || text.contains("没有「")) else {
                continue;
            };
            let word: String = text[at..].chars().take(7).collect();
            *shown.entry(word).or_default() += 1;
        }
    }
    let url = format!("sqlite://{}", scene.database.display());
    let store = Store::open(&url, &StoreOptions::default()).await.unwrap();
    let count = async |sql: &str| -> i64 { store.query(sql.to_owned()).one().await.unwrap().get("n").unwrap() };
    let rows = store
        .query("SELECT message, COUNT(*) AS n FROM thanks GROUP BY message")
        .all()
        .await
        .unwrap();
    let booked: BTreeMap<String, i64> = rows
        .iter()
        .map(|r| (r.get::<String>("message").unwrap(), r.get::<i64>("n").unwrap()))
        .collect();

    let sent = scene.load.sent.lock().unwrap().clone();
    let acknowledged: Vec<&Sent> = sent.iter().filter(|s| s.acknowledged).collect();
    let (mut lost, mut duplicated) = (Vec::new(), Vec::new());
    for one in &sent {
        let seen = shown.get(&one.word).copied().unwrap_or(0);
        let entries = booked.get(&one.message).copied().unwrap_or(0);
        if one.acknowledged && (seen == 0 || one.thanks && entries == 0) {
            let sql = "SELECT COALESCE(MAX(state), -1) AS n FROM inbox WHERE dedupe = $1";
            let row = store.query(sql).bind(one.message.as_str()).one().await.unwrap();
            // Where it ended: -1 means that it was never stored.
            let state: i64 = row.get("n").unwrap();
            lost.push((one, format!("shown {seen}, booked {entries}, inbox state {state}")));
        }
        if seen > 1 || entries > 1 {
            duplicated.push(one);
        }
    }
    assert!(
        lost.is_empty(),
        "lost {} of {} acknowledged: {:?}",
        lost.len(),
        acknowledged.len(),
        &lost[..lost.len().min(5)]
    );
    assert!(
        duplicated.is_empty(),
        "duplicated: {:?}",
        &duplicated[..duplicated.len().min(5)]
    );
    let messages = count("SELECT COUNT(*) AS n FROM inbox WHERE kind = 'message'").await;
    assert!(messages >= acknowledged.len() as i64, "{messages} messages are stored");
    for (what, sql) in [
        ("unread events", "SELECT COUNT(*) AS n FROM inbox WHERE state = 0"),
        ("failed items", "SELECT COUNT(*) AS n FROM work"),
        (
            "effects not shown",
            "SELECT COUNT(*) AS n FROM outbox WHERE state <> 'sent'",
        ),
        (
            "currencies that do not sum to zero",
            "SELECT COUNT(*) AS n FROM (SELECT currency FROM ledger_line GROUP BY currency HAVING SUM(amount) <> 0) AS t",
        ),
    ] {
        assert_eq!(count(sql).await, 0, "{what}");
    }
    let report = hutong::rules::points::verify(&store).await.unwrap();
    assert!(report.ok(), "{:?}", report.problems);
    store.close().await;
    assert_eq!(
        sim.complaints().iter().filter(|c| !c.contains("im.")).count(),
        0,
        "{:?}",
        sim.complaints()
    );
    acknowledged.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_doubled_when_it_is_killed() {
    let kills = match std::env::var("HUTONG_SOAK").as_deref() {
        Ok("night") => 1000,
        _ => 50,
    };
    let seed = std::env::var("HUTONG_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or_else(rand::random::<u64>);
    eprintln!("crash test: {kills} kills, HUTONG_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let (scene, mut process) = scene().await;
    let begin = Instant::now();
    let senders: Vec<_> = (0..SENDERS).map(|_| tokio::spawn(scene.load.clone().run())).collect();
    for _ in 0..kills {
        // Some die before they are ready.
        if rng.random_range(0..5) > 0 {
            ready(scene.address, &mut process).await;
        }
        tokio::time::sleep(Duration::from_millis(rng.random_range(1..250))).await;
        process.kill();
        process = Process::start(&scene.config);
    }
    ready(scene.address, &mut process).await;
    scene.load.stop.store(true, Ordering::SeqCst);
    for sender in senders {
        sender.await.unwrap();
    }
    eprintln!("crash test: killed after {:?}", begin.elapsed());
    idle(&scene.database).await;
    eprintln!("crash test: idle after {:?}", begin.elapsed());
    let (code, _) = terminate(&mut process);
    assert_eq!(code, Some(0));
    let acknowledged = judge(&scene).await;
    eprintln!("crash test: {acknowledged} acknowledged messages, 0 lost, 0 doubled");
    assert!(
        acknowledged >= kills,
        "too little was acknowledged to mean anything: {acknowledged}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asked_to_stop_it_finishes_what_it_has_begun() {
    let (scene, mut process) = scene().await;
    let senders: Vec<_> = (0..SENDERS).map(|_| tokio::spawn(scene.load.clone().run())).collect();
    tokio::time::sleep(Duration::from_millis(600)).await;
    let (code, took) = tokio::task::spawn_blocking(move || terminate(&mut process))
        .await
        .unwrap();
    assert_eq!(code, Some(0), "after {took:?}");
    assert!(took < Duration::from_secs(10), "it took {took:?}");
    scene.load.stop.store(true, Ordering::SeqCst);
    for sender in senders {
        sender.await.unwrap();
    }
    let mut process = Process::start(&scene.config);
    ready(scene.address, &mut process).await;
    idle(&scene.database).await;
    let (code, _) = terminate(&mut process);
    assert_eq!(code, Some(0));
    assert!(judge(&scene).await > 5);
}
