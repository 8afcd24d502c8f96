//! A company on simulated platforms with the real bot in front of it, on a database of each kind.
//!
//! Time is a manual clock that the platforms and the bot share. Nothing sleeps but the few
//! milliseconds in which a platform pushes what a call has caused.

mod recorder;
mod screen;
mod seal;

use std::collections::BTreeSet;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hutong::app::Hutong;
use hutong::config::{FixedEnvironment, Loader};
use hutong::ingress::{self, Limits};
use hutong::store::{Store, StoreOptions};
use hutong::trace::Trace;
use hutong_model::{Clock as _, Day, Employment, KeyKind, ManualClock, Settings, Timestamp};
use hutong_simkit::server::Served;
use hutong_simkit::{ChatSel, Done, Fault, FaultKind, Org, ScreenChat, SimDepartment, SimPerson, Simulator, Verb};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use recorder::{Recorded, Recorder};
pub use screen::{buttons, folded, text_of};
pub use seal::unknown_event;

/// Tuesday 2026-11-24, 14:00 in Shanghai.
pub const START: Timestamp = Timestamp::from_secs(1_795_500_000);

/// The file `words.tsv` of every bot; used by those whose `[review]` names it.
const WORDS: &str = "内部代号\tblock\t*\t安全 赵敏\t-\n最佳\tnote\tcolumns\t市场 钱进\t-\n";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    Feishu,
    DingTalk,
    WeCom,
}

pub const EVERYWHERE: [On; 3] = [On::Feishu, On::DingTalk, On::WeCom];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Db {
    Sqlite,
    Postgres,
}

fn person(n: usize, id: &str, name: &str, department: &str) -> SimPerson {
    SimPerson {
        id: id.to_owned(),
        name: name.to_owned(),
        employee_no: format!("E{n:03}"),
        department: department.to_owned(),
        email: format!("{id}@shiliu.example"),
        mobile: format!("199000000{n:02}"),
        title: "工程师".to_owned(),
        leader: (id != "u_chen").then(|| "u_chen".to_owned()),
        active: true,
        // 吴桐 began seven weeks ago, 孙悦 and 何田 are not of the staff.
        joined_on: if n == 3 {
            Day::new(2026, 10, 8)
        } else {
            Day::new(2019, 3, 4)
        },
        office: Some(if n == 7 { "苏州" } else { "上海" }.to_owned()),
        employment: Some(match n {
            6 => Employment::Outsourced,
            7 => Employment::Contractor,
            _ => Employment::Regular,
        }),
    }
}

/// Eight people in three departments.
pub fn org() -> Org {
    let department = |id: &str, parent: Option<&str>, name: &str| SimDepartment {
        id: id.to_owned(),
        parent: parent.map(str::to_owned),
        name: name.to_owned(),
    };
    Org {
        departments: vec![
            department("101", None, "研发中心"),
            department("102", Some("101"), "固件组"),
            department("103", None, "市场部"),
        ],
        people: vec![
            person(1, "u_chen", "陈晨", "101"),
            person(2, "u_lin", "林立", "101"),
            person(3, "u_wu", "吴桐", "102"),
            person(4, "u_zhao", "赵敏", "102"),
            person(5, "u_qian", "钱进", "103"),
            person(6, "u_sun", "孙悦", "103"),
            person(7, "u_he", "何田", "103"),
            person(8, "u_gu", "顾盼", "101"),
        ],
    }
}

/// One simulated platform.
pub struct Stage {
    pub on: On,
    pub sim: Arc<dyn Simulator>,
    wecom: Option<Arc<hutong_wecom::sim::WeComSim>>,
    long: bool,
    _served: Option<Served>,
}

impl Stage {
    pub async fn start(on: On, org: Org, clock: Arc<dyn hutong_model::Clock>) -> Self {
        Self::start_as(on, org, clock, true, false).await
    }

    /// Does not judge rates where that can be chosen: people here are faster than people are.
    pub async fn start_unjudged(on: On, org: Org, clock: Arc<dyn hutong_model::Clock>) -> Self {
        Self::start_as(on, org, clock, false, false).await
    }

    /// Its apps receive over long connections.
    pub async fn start_connected(on: On, org: Org, clock: Arc<dyn hutong_model::Clock>) -> Self {
        Self::start_as(on, org, clock, true, true).await
    }

    async fn start_as(on: On, org: Org, clock: Arc<dyn hutong_model::Clock>, limits: bool, long: bool) -> Self {
        let listen = "127.0.0.1:0".parse().unwrap();
        let mut wecom = None;
        let (sim, served): (Arc<dyn Simulator>, Option<Served>) = match on {
            On::Feishu => {
                use hutong_feishu::sim::{SimAppOptions, SimOptions, start};
                let mut app = SimAppOptions::new(1, "小胡同", true);
                app.long_connection = long;
                let (sim, served) = start(SimOptions {
                    org,
                    clock,
                    port: 0,
                    apps: vec![app],
                    limits,
                    extra: None,
                })
                .await
                .unwrap();
                (sim, Some(served))
            }
            On::DingTalk => {
                use hutong_dingtalk::sim::{SimAppSpec, SimOptions, start};
                let apps = vec![SimAppSpec::new("dt", "小胡同")];
                let options = SimOptions {
                    org,
                    clock,
                    listen,
                    apps,
                    extra: None,
                };
                (start(options).await.unwrap(), None)
            }
            On::WeCom => {
                use hutong_wecom::sim::{AppSpec, Kind, SimOptions, start};
                let apps = vec![
                    AppSpec::new("wc", "小胡同", Kind::App),
                    AppSpec::new("wc-bot", "小胡同", Kind::Aibot),
                    AppSpec::new("wc-hook", "小胡同", Kind::Webhook),
                ];
                let options = SimOptions {
                    org,
                    clock,
                    listen,
                    apps,
                    extra: None,
                };
                let sim = start(options).await.unwrap();
                wecom = Some(sim.clone());
                (sim, None)
            }
        };
        Self {
            on,
            sim,
            wecom,
            long,
            _served: served,
        }
    }

    /// What only the simulated WeCom can do.
    pub fn wecom(&self) -> &hutong_wecom::sim::WeComSim {
        self.wecom.as_ref().expect("a stage of WeCom")
    }

    /// The id of a platform's app in the bot's configuration.
    pub fn id_of(&self, sim_app: &str) -> String {
        match self.on {
            On::Feishu => "fs".to_owned(),
            _ => sim_app.to_owned(),
        }
    }

    /// The `[[app]]` blocks for this platform.
    pub fn config(&self) -> String {
        let mut out = String::new();
        for app in self.sim.apps() {
            out.push_str(&format!(
                "[[app]]\nid = \"{}\"\nplatform = \"{}\"\n",
                self.id_of(&app.id),
                app.kind
            ));
            out.push_str(&settings_toml(app.kind, &app.settings));
            if self.long && app.settings.text("receive").is_none() {
                out.push_str("receive = \"long_connection\"\n");
            }
        }
        out
    }

    /// The app that hears a group, as the bot and as the platform call it.
    pub fn ear(&self) -> (&'static str, String) {
        match self.on {
            On::Feishu => ("fs", self.sim.apps()[0].id.clone()),
            On::DingTalk => ("dt", "dt".to_owned()),
            On::WeCom => ("wc-bot", "wc-bot".to_owned()),
        }
    }

    /// The app that people write to in private.
    pub fn door(&self) -> (&'static str, String) {
        match self.on {
            On::WeCom => ("wc", "wc".to_owned()),
            _ => self.ear(),
        }
    }
}

fn settings_toml(kind: &str, settings: &Settings) -> String {
    let entry = hutong::adapters::ALL.iter().find(|e| e.kinds.contains(&kind)).unwrap();
    let mut out = String::new();
    for spec in (entry.keys)(kind) {
        let value = match spec.kind {
            KeyKind::Text | KeyKind::Url => settings.text(spec.name).map(|t| format!("{t:?}")),
            KeyKind::Secret => settings.secret(spec.name).map(|s| format!("{:?}", s.expose())),
            KeyKind::Integer => settings.integer(spec.name).map(|n| n.to_string()),
            KeyKind::Bool => settings.bool(spec.name).map(|b| b.to_string()),
        };
        if let Some(value) = value {
            out.push_str(&format!("{} = {value}\n", spec.name));
        }
    }
    out
}

/// Where the rows are.
pub struct Place {
    pub url: String,
    _folder: Option<tempfile::TempDir>,
}

impl Place {
    /// `None`: no PostgreSQL server is named, which has been said aloud.
    pub async fn new(db: Db) -> Option<Self> {
        match db {
            Db::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let url = format!("sqlite://{}", folder.path().join("it.db").display());
                Some(Self {
                    url,
                    _folder: Some(folder),
                })
            }
            Db::Postgres => {
                let made = hutong::store::testing::postgres().await.unwrap()?;
                made.store.close().await;
                Some(Self {
                    url: made.url.clone(),
                    _folder: None,
                })
            }
        }
    }

    pub async fn open(&self) -> Store {
        let options = StoreOptions {
            connections: 4,
            // The test server runs without fsync.
            allow_unsafe_durability: true,
            ..StoreOptions::default()
        };
        // A store that was just closed lets go of its file a moment later.
        for _ in 0..200 {
            match Store::open(&self.url, &options).await {
                Ok(store) => return store,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
        Store::open(&self.url, &options).await.unwrap()
    }
}

/// A bot that runs, and is reached over HTTP.
pub struct Running {
    pub system: Hutong,
    pub address: std::net::SocketAddr,
    stop: CancellationToken,
    server: tokio::task::JoinHandle<()>,
    links: TaskTracker,
}

impl Running {
    pub async fn start(place: &Place, text: &str, clock: &ManualClock, port: u16, recorder: &Recorder) -> Self {
        let env = FixedEnvironment::default()
            .variable("STORE", &place.url)
            .file("words.tsv", WORDS)
            .clock(clock.clone());
        let loader = Loader::new(&env, hutong::adapters::ALL);
        let config = loader
            .load(text, "it.toml")
            .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
        let store = place.open().await;
        let system = Hutong::build_on(store, config, Arc::new(clock.clone()), Trace::default())
            .await
            .unwrap();
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let router = recorder.around(system.router());
        let server = tokio::spawn(ingress::serve(listener, router, Limits::default(), stop.clone()));
        let links = TaskTracker::new();
        system.connect(&links, &stop);
        links.close();
        Self {
            system,
            address,
            stop,
            server,
            links,
        }
    }

    pub async fn end(self) {
        self.stop.cancel();
        self.server.await.unwrap();
        self.links.wait().await;
        self.system.store.close().await;
    }
}

/// See the module.
pub struct TestBot {
    pub name: String,
    pub clock: ManualClock,
    pub stage: Stage,
    pub place: Place,
    pub recorder: Recorder,
    running: Option<Running>,
    config: String,
    /// States in which an effect may rest at the end, beside `sent`.
    allowed: BTreeSet<&'static str>,
    complaints: Vec<&'static str>,
}

/// A group, as the platform names it.
#[derive(Debug, Clone)]
pub struct Group(pub String);

impl TestBot {
    pub async fn start(on: On, db: Db) -> Option<Self> {
        Self::start_as(on, db, org(), false).await
    }

    /// In another company; `u_chen` and `u_gu` must work there.
    pub async fn start_in(on: On, db: Db, org: Org) -> Option<Self> {
        Self::start_as(on, db, org, false).await
    }

    /// A bot that no platform calls: it receives over a long connection.
    pub async fn start_connected(on: On, db: Db) -> Option<Self> {
        Self::start_as(on, db, org(), true).await
    }

    async fn start_as(on: On, db: Db, org: Org, long: bool) -> Option<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let place = Place::new(db).await?;
        let clock = ManualClock::at(START);
        let stage = if long {
            Stage::start_connected(on, org, Arc::new(clock.clone())).await
        } else {
            Stage::start(on, org, Arc::new(clock.clone())).await
        };
        let mut config = format!(
            "[store]\nurl = {{ env = \"STORE\" }}\n[company]\nname = \"石榴巷\"\n{}",
            stage.config()
        );
        config.push_str(&format!(
            "[[role]]\nrole = \"operator\"\npeople = [\"{0}:u_chen\"]\n[[role]]\nrole = \"editor\"\npeople = [\"{0}:u_gu\"]\n",
            stage.door().0
        ));
        config.push_str("[points]\n[report]\n");
        let recorder = Recorder::default();
        let running = Running::start(&place, &config, &clock, 0, &recorder).await;
        let bot = Self {
            name: format!("{on:?} on {db:?}"),
            clock,
            stage,
            place,
            recorder,
            running: Some(running),
            config,
            allowed: BTreeSet::new(),
            complaints: Vec::new(),
        };
        bot.introduce().await;
        if long {
            bot.connected().await;
        } else {
            bot.subscribe().await;
        }
        for (app, result) in hutong::app::sync_directory(bot.system()).await {
            result.unwrap_or_else(|e| panic!("{}: reading the directory of {app}: {e}", bot.name));
        }
        Some(bot)
    }

    pub fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    pub fn system(&self) -> &Hutong {
        &self.running().system
    }

    pub fn sim(&self) -> &dyn Simulator {
        self.stage.sim.as_ref()
    }

    pub fn hook(&self, app: &str) -> String {
        format!("http://{}/hook/{app}", self.running().address)
    }

    async fn introduce(&self) {
        for (app, result) in hutong::app::introduce(self.system()).await {
            result.unwrap_or_else(|e| panic!("{}: {app}: {e}", self.name));
        }
    }

    /// Waits until the platform has a connection of the bot.
    pub async fn connected(&self) {
        for _ in 0..1000 {
            if self.sim().links().iter().any(|(_, live)| *live > 0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{}: no connection", self.name);
    }

    /// Tells the platform where the callbacks go; it checks the address.
    pub async fn subscribe(&self) {
        for app in self.sim().apps() {
            if app.kind == "wecom_webhook" {
                continue;
            }
            let url = self.hook(&self.stage.id_of(&app.id));
            self.sim()
                .subscribe(&app.id, &url)
                .await
                .unwrap_or_else(|e| panic!("{}: {}: {e}", self.name, app.id));
        }
    }

    /// Ends the bot and starts it again on the same rows and the same port, with `more` added to
    /// its configuration.
    pub async fn restart(&mut self, more: &str) {
        let old = self.running.take().unwrap();
        let port = old.address.port();
        old.end().await;
        self.config.push_str(more);
        self.running = Some(Running::start(&self.place, &self.config, &self.clock, port, &self.recorder).await);
        self.introduce().await;
    }

    /// Ends the bot and starts it on a fresh database that was filled from a backup. `None`: no such
    /// database can be had; the bot runs on.
    pub async fn restore(&mut self, from: &std::path::Path, db: Db) -> Option<hutong::backup::Restored> {
        let place = Place::new(db).await?;
        let contents = hutong::backup::inspect(from).await.unwrap();
        let company = hutong_model::CompanyId::new(contents.company).unwrap();
        let options = StoreOptions {
            allow_unsafe_durability: true,
            ..StoreOptions::default()
        };
        let restored = hutong::backup::restore(&place.url, &options, &company, from, self.clock.now())
            .await
            .unwrap_or_else(|e| panic!("{}: {e}", self.name));
        let old = self.running.take().unwrap();
        let port = old.address.port();
        old.end().await;
        self.place = place;
        self.running = Some(Running::start(&self.place, &self.config, &self.clock, port, &self.recorder).await);
        self.introduce().await;
        Some(restored)
    }

    /// A second bot on the same rows. The platform does not know it.
    pub async fn replica(&self) -> Running {
        Running::start(&self.place, &self.config, &self.clock, 0, &Recorder::default()).await
    }

    /// Everything that can be done now or within the next two minutes, and what follows from it.
    pub async fn settle(&self) {
        self.settle_for(Duration::from_secs(120)).await;
    }

    pub async fn settle_for(&self, ahead: Duration) {
        let end = self.clock.now() + ahead;
        for _ in 0..400 {
            let before = self.heard();
            let next = self.system().settle().await.unwrap();
            // What our calls caused is pushed behind their answers.
            tokio::time::sleep(Duration::from_millis(12)).await;
            if self.heard() != before {
                continue;
            }
            match next {
                Some(at) if at <= end && at > self.clock.now() => self.clock.set(at),
                _ => return,
            }
        }
        panic!("{}: does not come to rest", self.name);
    }

    fn heard(&self) -> u64 {
        use std::sync::atomic::Ordering;
        let system = self.system();
        let over_links: u64 = system.links.all().map(|(_, f)| f.events.load(Ordering::SeqCst)).sum();
        system.ingress.metrics.requests.load(Ordering::SeqCst) + over_links
    }

    /// Reads the people whom events have named without describing them, as the program does by itself.
    pub async fn read_asked(&self) {
        for app in &self.system().config.apps {
            let can = app.adapter.capabilities().can(hutong_model::Ability::ListPeople);
            if can {
                let (store, clock) = (&self.system().store, &self.clock);
                hutong::directory::sync::refresh(store, app.adapter.as_ref(), &app.company, clock)
                    .await
                    .unwrap_or_else(|e| panic!("{}: {e}", self.name));
            }
        }
    }

    pub async fn act(&self, verb: Verb) -> Done {
        self.clock.advance(Duration::from_millis(1500));
        self.sim()
            .act(verb.clone())
            .await
            .unwrap_or_else(|e| panic!("{}: {verb:?}: {e}", self.name))
    }

    /// A group with the bot and these people; the first owns it. On WeCom also the group robot.
    pub async fn group(&self, name: &str, people: &[&str]) -> Group {
        let apps = match self.stage.on {
            On::WeCom => vec!["wc-bot".to_owned(), "wc-hook".to_owned()],
            _ => vec![self.stage.ear().1],
        };
        let done = self
            .act(Verb::CreateChat {
                name: name.to_owned(),
                owner: people[0].to_owned(),
                members: people[1..].iter().map(|p| (*p).to_owned()).collect(),
                apps,
            })
            .await;
        self.settle().await;
        Group(done.chat.unwrap())
    }

    /// For `[[chat_link]]`: on WeCom the robot writes to the group that the AI bot hears.
    pub fn link(&self, group: &Group) -> String {
        match self.stage.on {
            On::WeCom => format!(
                "[[chat_link]]\nheard = \"wc-bot:{}\"\npost = \"wc-hook:wc-hook\"\n",
                group.0
            ),
            _ => String::new(),
        }
    }

    /// Says it in a group, addressed to the bot. The message's id.
    pub async fn asks(&self, person: &str, group: &Group, text: &str) -> String {
        self.says(person, group, &format!("<@bot> {text}")).await
    }

    pub async fn says(&self, person: &str, group: &Group, text: &str) -> String {
        let done = self
            .act(Verb::Say {
                person: person.to_owned(),
                chat: ChatSel::Chat(group.0.clone()),
                text: text.to_owned(),
                reply_to: None,
            })
            .await;
        assert_eq!(done.callbacks_failed, 0, "{}: {text}", self.name);
        self.settle().await;
        done.message.unwrap()
    }

    /// Says it to the bot alone.
    pub async fn tells(&self, person: &str, text: &str) -> String {
        let done = self
            .act(Verb::Say {
                person: person.to_owned(),
                chat: ChatSel::DirectWith(self.stage.door().1),
                text: text.to_owned(),
                reply_to: None,
            })
            .await;
        assert_eq!(done.callbacks_failed, 0, "{}: {text}", self.name);
        self.settle().await;
        done.message.unwrap()
    }

    /// What a person sees in a group, a line per message, the bot's marked.
    pub fn screen(&self, group: &Group, viewer: &str) -> Vec<String> {
        self.items(&group.0, viewer).iter().map(screen::line).collect()
    }

    pub fn items(&self, chat: &str, viewer: &str) -> Vec<hutong_simkit::ScreenItem> {
        self.sim().screen(chat, viewer, 200)
    }

    /// The private chats of a person with the bot's apps.
    pub fn direct_chats(&self, person: &str) -> Vec<ScreenChat> {
        let mut chats = self.sim().chats();
        chats.retain(|c| !c.group && c.person.as_deref() == Some(person));
        chats
    }

    /// What the bot has written to a person alone, oldest first.
    pub fn private(&self, person: &str) -> Vec<String> {
        self.private_items(person).iter().map(text_of).collect()
    }

    pub fn private_items(&self, person: &str) -> Vec<hutong_simkit::ScreenItem> {
        let mut items: Vec<_> = self
            .direct_chats(person)
            .iter()
            .flat_map(|c| self.items(&c.id, person))
            .filter(|i| i.bot)
            .collect();
        items.sort_by_key(|i| i.at_ms);
        items
    }

    /// What the bot has written in a group.
    pub fn said(&self, group: &Group) -> Vec<String> {
        self.items(&group.0, "u_chen")
            .iter()
            .filter(|i| i.bot && !i.recalled)
            .map(text_of)
            .collect()
    }

    /// The outbox as a person would want to see it when a test fails.
    pub async fn outbox(&self) -> Vec<String> {
        let sql = "SELECT state, action, summary, COALESCE(code, '') AS code, COALESCE(error, '') AS error, tries, next_at FROM outbox ORDER BY seq";
        let rows = self.system().store.query(sql).all().await.unwrap();
        let line = |row: &hutong::store::Row| {
            let text = |name: &str| row.get::<String>(name).unwrap();
            let wait = row.get::<i64>("next_at").unwrap() - self.clock.now().millis();
            format!(
                "{} {} {:?} {} {} tries {} next in {wait} ms",
                text("state"),
                text("action"),
                text("summary"),
                text("code"),
                text("error"),
                row.get::<i64>("tries").unwrap()
            )
        };
        rows.iter().map(line).collect()
    }

    pub async fn count(&self, sql: &str) -> i64 {
        let row = self.system().store.query(sql.to_owned()).one().await;
        row.and_then(|r| r.get("n")).unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    pub async fn execute(&self, sql: &str) {
        self.system().store.query(sql.to_owned()).execute().await.unwrap();
    }

    pub fn fault(&self, path: &str, times: u32, kind: FaultKind) {
        self.sim().fault(Fault {
            path: path.to_owned(),
            callbacks: false,
            times,
            kind,
        });
    }

    /// A story about faults may end with effects in these states.
    pub fn may_end_in(&mut self, state: &'static str) {
        self.allowed.insert(state);
    }

    /// A story in which the platform refuses something; `part` stands in its complaint.
    pub fn may_complain(&mut self, part: &'static str) {
        self.complaints.push(part);
    }

    /// What must hold after every story.
    pub async fn finish(self) {
        let complaints: Vec<String> = self
            .sim()
            .complaints()
            .into_iter()
            .filter(|line| !self.complaints.iter().any(|part| line.contains(part)))
            .collect();
        assert!(
            complaints.is_empty(),
            "{}: the platform complains: {complaints:#?}",
            self.name
        );
        let rows = self
            .system()
            .store
            .query("SELECT state, rule, action, summary, COALESCE(code, '') AS code, COALESCE(error, '') AS error FROM outbox WHERE state <> 'sent'")
            .all()
            .await
            .unwrap();
        for row in rows {
            let get = |name: &str| row.get::<String>(name).unwrap();
            assert!(
                self.allowed.contains(get("state").as_str()),
                "{}: an effect of {} is {}: {} {:?}: {} {}",
                self.name,
                get("rule"),
                get("state"),
                get("action"),
                get("summary"),
                get("code"),
                get("error"),
            );
        }
        let work = self
            .system()
            .store
            .query("SELECT rule, error FROM work")
            .all()
            .await
            .unwrap();
        if let Some(row) = work.first() {
            let (rule, error) = (row.get::<String>("rule").unwrap(), row.get::<String>("error").unwrap());
            panic!("{}: an item of {rule} has failed: {error}", self.name);
        }
        assert_eq!(
            self.count("SELECT COUNT(*) AS n FROM inbox WHERE state = 0").await,
            0,
            "{}: unread events",
            self.name
        );
        let report = hutong::rules::points::verify(&self.system().store).await.unwrap();
        assert!(report.ok(), "{}: the ledger: {:?}", self.name, report.problems);
        if let Some(running) = self.running {
            running.end().await;
        }
    }
}

/// Runs a story on the platforms that are named, on both databases.
pub async fn story<F, Fut>(platforms: &[On], story: F)
where
    F: Fn(TestBot) -> Fut,
    Fut: Future<Output = TestBot>,
{
    for on in platforms {
        for db in [Db::Sqlite, Db::Postgres] {
            if let Some(bot) = TestBot::start(*on, db).await {
                let bot = story(bot).await;
                bot.finish().await;
            }
        }
    }
}

/// Where the sources are.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
