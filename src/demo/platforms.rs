//! The three simulated platforms with the demo company on them, and the configuration that connects
//! a bot to them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use hutong_dingtalk::sim::SimAppSpec;
use hutong_feishu::sim::SimAppOptions;
use hutong_model::{Clock, KeyKind, Platform};
use hutong_simkit::company::{self, HistoryStep, PlatformApps, Player};
use hutong_simkit::server::Served;
use hutong_simkit::{SimApp, SimError, Simulator, Verb};
use hutong_wecom::sim::{AppSpec, Kind};
use serde::{Deserialize, Serialize};

use crate::adapters;

/// WeCom's group robots: the group they post to, by its key in [`company::groups`], and their name.
const ROBOTS: [(&str, &str); 3] = [("sales", "wecom-sales"), ("sea", "wecom-sea"), ("fast", "wecom-fast")];
/// The app that hears WeCom's groups.
const WECOM_EAR: &str = "wecom-bot";

/// How an app receives: the values of the configuration's key `receive`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Receive {
    #[default]
    Callback,
    LongConnection,
}

impl Receive {
    pub fn as_str(self) -> &'static str {
        match self {
            Receive::Callback => "callback",
            Receive::LongConnection => "long_connection",
        }
    }
}

/// How the apps of each platform receive, as far as they know both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Modes([Receive; 3]);

impl Modes {
    /// All alike.
    pub fn all(receive: Receive) -> Self {
        Self([receive; 3])
    }

    pub fn of(self, platform: Platform) -> Receive {
        let [feishu, dingtalk, wecom] = self.0;
        match platform {
            Platform::Feishu => feishu,
            Platform::DingTalk => dingtalk,
            Platform::WeCom => wecom,
        }
    }

    #[must_use]
    pub fn with(mut self, platform: Platform, receive: Receive) -> Self {
        let [feishu, dingtalk, wecom] = &mut self.0;
        *match platform {
            Platform::Feishu => feishu,
            Platform::DingTalk => dingtalk,
            Platform::WeCom => wecom,
        } = receive;
        self
    }

    /// `None`: the app knows callbacks only.
    fn app(self, platform: Platform, app: &SimApp) -> Option<Receive> {
        knows_both(app.kind).then(|| self.of(platform))
    }
}

/// Whether apps of this kind may choose: WeCom's self-built apps know callbacks only.
pub fn knows_both(kind: &str) -> bool {
    keys_of(kind).iter().any(|key| key.name == RECEIVE)
}

/// The key of the configuration.
const RECEIVE: &str = "receive";

fn keys_of(kind: &str) -> &'static [hutong_model::KeySpec] {
    let entry = adapters::ALL.iter().find(|e| e.kinds.contains(&kind));
    entry.map_or(&[], |e| (e.keys)(kind))
}

/// The running platforms. They end when this is dropped.
pub struct Platforms {
    pub sims: Vec<Arc<dyn Simulator>>,
    pub player: Player,
    _feishu: Served,
}

/// Which ports the platforms listen on, in the order Feishu, DingTalk, WeCom; 0 lets the system choose.
pub type Ports = [u16; 3];

impl Platforms {
    /// Starts them with the company's directories, and nothing said yet.
    pub async fn start(clock: Arc<dyn Clock>, ports: Ports) -> Result<Self, SimError> {
        let [feishu_port, dingtalk_port, wecom_port] = ports;
        let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let (feishu, served) = hutong_feishu::sim::start(hutong_feishu::sim::SimOptions {
            org: company::org(Platform::Feishu),
            clock: clock.clone(),
            port: feishu_port,
            apps: vec![SimAppOptions::new(1, "胡同", true)],
            limits: true,
            extra: None,
        })
        .await?;
        let dingtalk = hutong_dingtalk::sim::start(hutong_dingtalk::sim::SimOptions {
            org: company::org(Platform::DingTalk),
            clock: clock.clone(),
            listen: loopback(dingtalk_port),
            apps: vec![SimAppSpec::new("dingtalk", "胡同")],
            extra: None,
        })
        .await?;
        let mut apps = vec![
            AppSpec::new("wecom", "胡同助手", Kind::App),
            AppSpec::new(WECOM_EAR, "胡同", Kind::Aibot),
        ];
        apps.extend(ROBOTS.map(|(_, id)| AppSpec::new(id, "胡同播报", Kind::Webhook)));
        let wecom = hutong_wecom::sim::start(hutong_wecom::sim::SimOptions {
            org: company::org(Platform::WeCom),
            clock,
            listen: loopback(wecom_port),
            apps,
            extra: None,
        })
        .await?;
        let talk = |direct: &str, group: &str| PlatformApps {
            direct: direct.to_owned(),
            groups: vec![group.to_owned()],
        };
        let feishu_app = feishu.apps().first().map_or_else(String::new, |a| a.id.clone());
        let player = Player::new(BTreeMap::from([
            (Platform::Feishu, talk(&feishu_app, &feishu_app)),
            (Platform::DingTalk, talk("dingtalk", "dingtalk")),
            (Platform::WeCom, talk("wecom", WECOM_EAR)),
        ]));
        Ok(Self {
            sims: vec![feishu, dingtalk, wecom],
            player,
            _feishu: served,
        })
    }

    pub fn sim(&self, platform: Platform) -> Option<&Arc<dyn Simulator>> {
        self.sims.iter().find(|s| s.platform() == platform)
    }

    /// Plays a step; the caller has set the clock.
    pub async fn play(&mut self, step: &HistoryStep) -> Result<(), SimError> {
        let Some(sim) = self.sims.iter().find(|s| s.platform() == step.platform).cloned() else {
            return Ok(());
        };
        match self.player.play(&*sim, step).await {
            Some(Err(error)) => Err(error),
            _ => Ok(()),
        }
    }

    /// Puts the group robots of WeCom into their groups, once these exist.
    pub async fn add_robots(&self) -> Result<(), SimError> {
        let Some(wecom) = self.sim(Platform::WeCom) else {
            return Ok(());
        };
        for (group, robot) in ROBOTS {
            let Some(chat) = self.player.group(group).map(str::to_owned) else {
                continue;
            };
            let owner = wecom.chats().into_iter().find(|c| c.id == chat).and_then(|c| c.owner);
            let Some(by) = owner else { continue };
            let app = robot.to_owned();
            wecom.act(Verb::AddBot { chat, app, by }).await?;
        }
        Ok(())
    }

    /// Every app with its address `{base}/hook/{id}`, as an admin enters it in the developer console.
    /// An app that receives over a long connection has none.
    pub async fn subscribe(&self, base: &str, modes: Modes) -> Result<(), SimError> {
        for sim in &self.sims {
            self.subscribe_at(sim, base, modes).await?;
        }
        Ok(())
    }

    /// [`Platforms::subscribe`] for the apps of one platform.
    pub async fn subscribe_at(&self, sim: &Arc<dyn Simulator>, base: &str, modes: Modes) -> Result<(), SimError> {
        for app in sim.apps().into_iter().filter(hears) {
            let url = format!("{base}/hook/{}", config_id(&app));
            match modes.app(sim.platform(), &app) {
                // DingTalk's apps choose by connecting.
                Some(Receive::LongConnection) if app.kind == "dingtalk" => {}
                Some(Receive::LongConnection) => sim.subscribe(&app.id, "").await?,
                _ => sim.subscribe(&app.id, &url).await?,
            }
        }
        Ok(())
    }

    /// A configuration for all apps. Groups stand in it as soon as they exist.
    pub fn config(&self, store: &str, listen: &str, modes: Modes) -> String {
        let mut out = format!(
            "# Connects hutong to three simulated platforms; the secrets are made up.\n\n\
             [server]\nlisten = {}\n\n[store]\nurl = {}\n\n[company]\nid = \"main\"\nname = {}\n\n[log]\nlevel = \"warn\"\n",
            quoted(listen),
            quoted(store),
            quoted(company::NAME),
        );
        for sim in &self.sims {
            for app in sim.apps() {
                push_app(&mut out, &app, modes.app(sim.platform(), &app));
            }
        }
        for (heard, robot) in ROBOTS {
            if let Some(chat) = self.player.group(heard) {
                let _ = write!(
                    out,
                    "\n[[chat_link]]\nheard = {}\npost = {}\n",
                    quoted(&format!("{WECOM_EAR}:{chat}")),
                    quoted(&format!("{robot}:{robot}")),
                );
                let name = self
                    .sim(Platform::WeCom)
                    .and_then(|sim| sim.chats().into_iter().find(|c| c.id == chat))
                    .map(|c| c.name);
                if let Some(name) = name.filter(|n| !n.is_empty()) {
                    let _ = writeln!(out, "name = {}", quoted(&name));
                }
            }
        }
        self.push_features(&mut out);
        out
    }

    fn push_features(&self, out: &mut String) {
        let people = Cast::new();
        for (role, who) in [
            ("admin", vec![&people.admin]),
            ("operator", vec![&people.feishu, &people.dingtalk, &people.wecom]),
            ("editor", vec![&people.editor]),
            ("reviewer", vec![&people.feishu]),
        ] {
            let list: Vec<String> = who.iter().map(|p| quoted(p)).collect();
            let _ = write!(out, "\n[[role]]\nrole = \"{role}\"\npeople = [{}]\n", list.join(", "));
        }
        for (id, app, department, depth) in RULES {
            let _ = write!(
                out,
                "\n[[group_rule]]\nid = \"{id}\"\napp = \"{app}\"\ndepartment = \"{department}\"\ndepth = {depth}\nname = \"{{dept}}·部门群\"\npreview_days = 0\non_transfer = {{ grace_workdays = 3, notice = true }}\n"
            );
        }
        let hq = self.player.group("hq").map(|chat| quoted(&format!("feishu:{chat}")));
        let _ = write!(
            out,
            "\n[onboard]\ngroups = [{}]\nlinks = [\"新人手册 https://wiki.example.com/start\", \"报销与考勤 https://wiki.example.com/hr\", \"常用工具 https://wiki.example.com/tools\"]\n",
            hq.unwrap_or_default(),
        );
        for (id, title, every, items, keys) in COLUMNS {
            let mut chats: Vec<String> = keys
                .iter()
                .filter_map(|key| self.player.group(key))
                .map(quoted)
                .collect();
            chats.push(quoted("rule:rd"));
            let items: Vec<String> = items.iter().map(|i| quoted(i)).collect();
            let _ = write!(
                out,
                "\n[[column]]\nid = \"{id}\"\ntitle = \"{title}\"\napp = \"feishu\"\nchats = [{}]\nevery = {every}\nitems = [{}]\n",
                chats.join(", "),
                items.join(", "),
            );
        }
        let _ = write!(out, "\n[review]\nonly = [{}]\n", quoted(REVIEWED));
        out.push_str("\n[points]\nvalues = [\"客户第一\", \"协作\", \"较真\"]\n\n[report]\nwhen = { weekday = \"mon\", time = \"10:00\" }\n");
    }
}

/// Group rules: id, app, department, depth.
pub const RULES: [(&str, &str, &str, u8); 3] = [
    ("rd", "feishu", "研发中心", 1),
    ("pd", "dingtalk", "生产部", 1),
    ("mk", "wecom", "市场部", 0),
];

/// An id, a title, a repetition, standing items, and groups by key.
type ColumnPlan = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

/// Columns. What is in an issue comes from people, except the standing last line of one of them.
pub const COLUMNS: [ColumnPlan; 3] = [
    (
        "weekly-news",
        "每周资讯",
        "{ weekday = \"mon\", time = \"09:30\" }",
        &[],
        &["rd_all", "hq"],
    ),
    (
        "sharing",
        "经验分享",
        "{ weekday = \"thu\", time = \"16:00\" }",
        &["投稿方式:私聊我发 /投稿 经验分享 加一句话"],
        &["rd_all", "port"],
    ),
    (
        REVIEWED,
        "公司公告",
        // The Wednesday after the four weeks.
        "{ cron = \"0 15 25 11 *\" }",
        &[REVIEWED_ITEM],
        &["rd_all", "hq"],
    ),
];

/// The column that is sent only after a second person has said yes.
pub const REVIEWED: &str = "notice";
/// What stands in it from the beginning; the program asks for two items, people bring the other.
pub const REVIEWED_ITEM: &str = "12 月 31 日下午全员大会,地点另行通知";

/// Whether callbacks go to an app: a group robot only posts.
fn hears(app: &SimApp) -> bool {
    !app.kind.ends_with("webhook")
}

/// The id of an app in the configuration: Feishu's own are long.
pub fn config_id(app: &SimApp) -> String {
    match app.kind {
        "feishu" | "lark" => app.kind.to_owned(),
        _ => app.id.clone(),
    }
}

/// A basic string of TOML; JSON writes it the same way.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn push_app(out: &mut String, app: &SimApp, receive: Option<Receive>) {
    let _ = write!(
        out,
        "\n[[app]]\nid = {}\nplatform = {}\n",
        quoted(&config_id(app)),
        quoted(app.kind)
    );
    for spec in keys_of(app.kind) {
        let value = match spec.kind {
            _ if spec.name == RECEIVE => receive.map(|r| quoted(r.as_str())),
            KeyKind::Text | KeyKind::Url => app.settings.text(spec.name).map(quoted),
            // These open nothing but the platform on this machine.
            KeyKind::Secret => app.settings.secret(spec.name).map(|s| quoted(s.expose())),
            KeyKind::Integer => app.settings.integer(spec.name).map(|n| n.to_string()),
            KeyKind::Bool => app.settings.bool(spec.name).map(|b| b.to_string()),
        };
        if let Some(value) = value {
            let _ = writeln!(out, "{} = {value}", spec.name);
        }
    }
}

/// Employee numbers of the people with a part in the demo.
pub struct Cast {
    pub admin: String,
    /// Operators, at home on the platform of that name.
    pub feishu: String,
    pub dingtalk: String,
    pub wecom: String,
    /// Looks through what people send in.
    pub editor: String,
}

impl Cast {
    pub fn new() -> Self {
        let by_title = |platform, title: &str| {
            company::org(platform)
                .people
                .into_iter()
                .find(|p| p.title == title)
                .map_or_else(String::new, |p| p.employee_no)
        };
        Self {
            admin: by_title(Platform::Feishu, "总经理兼研发负责人"),
            feishu: by_title(Platform::Feishu, "人力行政经理"),
            dingtalk: by_title(Platform::DingTalk, "生产经理"),
            wecom: by_title(Platform::WeCom, "市场总监"),
            editor: by_title(Platform::Feishu, "培训专员"),
        }
    }
}

impl Default for Cast {
    fn default() -> Self {
        Self::new()
    }
}

/// The user id of an employee on a platform.
pub fn user_of(platform: Platform, employee_no: &str) -> Option<String> {
    let people = company::org(platform).people;
    people.into_iter().find(|p| p.employee_no == employee_no).map(|p| p.id)
}

#[cfg(test)]
mod tests {
    use hutong_model::{ManualClock, Timestamp};

    use super::*;
    use crate::config::Loader;
    use crate::demo::clock::DemoEnvironment;

    #[tokio::test]
    async fn the_configuration_fits_the_platforms_before_and_after_the_groups() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let now = Timestamp::from_secs(1_795_164_000);
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(now));
        let mut platforms = Platforms::start(clock.clone(), [0; 3]).await.unwrap();
        let env = DemoEnvironment(clock);
        let load = |text: &str| Loader::new(&env, adapters::ALL).load(text, "t").unwrap();
        let config = |p: &Platforms, modes| load(&p.config("sqlite://x.db", "127.0.0.1:0", modes));
        let before = config(&platforms, Modes::default());
        assert_eq!((before.apps.len(), before.chat_links.len()), (7, 0));
        let connected = |modes| {
            let apps = config(&platforms, modes).apps;
            let ids = apps
                .iter()
                .filter(|a| a.adapter.link().is_some())
                .map(|a| a.id.as_str().to_owned());
            ids.collect::<Vec<_>>()
        };
        assert!(connected(Modes::default()).is_empty());
        assert_eq!(
            connected(Modes::all(Receive::LongConnection)),
            ["feishu", "dingtalk", WECOM_EAR]
        );
        let one = Modes::default().with(Platform::DingTalk, Receive::LongConnection);
        assert_eq!(connected(one), ["dingtalk"]);
        let script = company::history(1, now, 7, company::monday_to_friday);
        for step in script.take_while(|s| matches!(s.verb, Verb::CreateChat { .. })) {
            platforms.play(&step).await.unwrap();
        }
        platforms.add_robots().await.unwrap();
        let after = config(&platforms, Modes::default());
        assert_eq!(after.chat_links.len(), ROBOTS.len());
        assert!(after.rules.columns.iter().all(|c| c.chats.len() == 3));
        assert_eq!(after.rules.groups.len(), RULES.len());
        assert!(platforms.sims.iter().all(|s| s.complaints().is_empty()));
    }

    #[test]
    fn everybody_with_a_part_has_an_account() {
        let cast = Cast::new();
        for (platform, who) in [
            (Platform::Feishu, &cast.admin),
            (Platform::Feishu, &cast.feishu),
            (Platform::Feishu, &cast.editor),
            (Platform::DingTalk, &cast.dingtalk),
            (Platform::WeCom, &cast.wecom),
        ] {
            assert!(user_of(platform, who).is_some(), "{platform} {who}");
        }
    }
}
