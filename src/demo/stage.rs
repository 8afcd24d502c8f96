//! The demo's stage: the platforms, the real service connected to them over HTTP, and the clock that
//! all of them read.
//!
//! The service is stepped, not started: after every change its events, effects and schedules are
//! worked off at the clock's time. So four weeks pass in seconds with every column and report at its
//! own minute, and afterwards the same steps follow the running clock.
//!
//! How a platform's apps receive can be changed meanwhile ([`Stage::receive`]): the service is built
//! anew on the same store, behind the same address.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use hutong_model::{BoxFuture, Clock as _, Platform, Timestamp};
use hutong_simkit::Simulator;
use hutong_simkit::company::{Date, HistoryStep};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Notify, RwLock};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::backstage::Behind;
use super::clock::{DemoClock, DemoEnvironment};
use super::page::{AppReceives, Reception, TimeControl};
use super::platforms::{Modes, Platforms, Receive, config_id, knows_both};
use crate::adapters;
use crate::app::{Hutong, diagnose, sync_directory};
use crate::cli::check::dates;
use crate::config::{Checked, Loader};
use crate::directory::sync::refresh;
use crate::ingress::{self, Limits};
use crate::link::board::Standing;
use crate::schedule::{WorkdayTable, Workdays as _};
use crate::text::{Lang, service::link_why};
use crate::trace::Trace;

/// How long the stage waits when nothing calls it.
const IDLE: Duration = Duration::from_millis(200);
/// Directory changes and repeats of callbacks are looked at this often.
const CHORES: Duration = Duration::from_secs(5);
/// Events that a platform sends behind an answer arrive within this.
const BEHIND: Duration = Duration::from_millis(15);
/// Schedules stand on whole minutes, waits for permits do not.
const MINUTE_MS: i64 = 60_000;
/// Minutes of the day at which columns and reports appear.
const MOMENTS: [i64; 3] = [9 * 60 + 30, 10 * 60, 16 * 60];
/// The address in the demo's configuration: the door is opened by the stage itself.
const LISTEN: &str = "127.0.0.1:0";
/// Steps of one jump; more means that something never comes to rest.
const MOST_STEPS: usize = 50_000;

/// How long a new connection is waited for; the page shows how it stands in any case.
const CONNECTED: Duration = Duration::from_secs(5);

/// The address for callbacks. It stays, and so does whoever asks there while the service behind it
/// is changed: what platforms were told once (cards carry it) goes on to work.
#[derive(Clone)]
struct Door {
    inside: Arc<RwLock<Option<Router>>>,
    base: String,
}

impl Door {
    async fn open(cancel: CancellationToken) -> anyhow::Result<(Self, JoinHandle<()>)> {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .context("listening for callbacks")?;
        let door = Self {
            inside: Arc::default(),
            base: format!("http://{}", listener.local_addr()?),
        };
        let router = Router::new().fallback(enter).with_state(door.clone());
        let server = tokio::spawn(ingress::serve(listener, router, Limits::default(), cancel));
        Ok((door, server))
    }
}

/// Waits while the service is being changed; the change waits for those who are inside.
async fn enter(State(door): State<Door>, request: Request) -> Response {
    let inside = door.inside.read().await;
    match inside.as_ref() {
        Some(router) => match router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        },
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

fn checked(config: &str, clock: &DemoClock) -> anyhow::Result<Checked> {
    let env = DemoEnvironment(Arc::new(clock.clone()));
    let check = dates::schedule_check(clock.now());
    Loader::new(&env, adapters::ALL)
        .schedule_check(&check)
        .load(config, "demo.toml")
        .map_err(|problems| anyhow!("the demo's configuration:\n{}", problems.render(false)))
}

/// The long connections of a service.
struct Lines {
    tasks: TaskTracker,
    cancel: CancellationToken,
}

impl Lines {
    fn connect(system: &Hutong) -> Self {
        let lines = Self {
            tasks: TaskTracker::new(),
            cancel: CancellationToken::new(),
        };
        system.connect(&lines.tasks, &lines.cancel);
        lines.tasks.close();
        lines
    }

    /// In good order: what is being stored is stored and acknowledged.
    async fn end(&self) {
        self.cancel.cancel();
        self.tasks.wait().await;
    }
}

/// See the module.
pub struct Stage {
    pub clock: DemoClock,
    pub platforms: Platforms,
    system: ArcSwap<Hutong>,
    pub behind: Arc<Behind>,
    /// When something is due next, as the last step said.
    due: Mutex<Option<Timestamp>>,
    /// One at a time drives: the running clock, a jump, or a change of the service.
    driving: Mutex<()>,
    call: Notify,
    workdays: WorkdayTable,
    /// The address of the store, for configurations.
    url: String,
    trace: Trace,
    modes: std::sync::Mutex<Modes>,
    lines: Mutex<Lines>,
    door: Door,
    cancel: CancellationToken,
    /// Complaints of the platforms that a question about permissions causes on purpose.
    asked: BTreeSet<String>,
    _server: JoinHandle<()>,
}

impl Stage {
    /// Starts the platforms, makes the company's groups with the bot in them, and connects the
    /// service as an admin does: first the apps, then the groups into the configuration, then a restart.
    /// `groups` are the steps that make the groups. Everything comes by callback at first.
    pub async fn build(folder: &std::path::Path, start: Timestamp, groups: &[HistoryStep]) -> anyhow::Result<Self> {
        let clock = DemoClock::at(start);
        let mut platforms = Platforms::start(Arc::new(clock.clone()), [0; 3]).await?;
        let url = format!("sqlite://{}", folder.join("hutong-demo.db").display());
        let modes = Modes::default();
        let cancel = CancellationToken::new();
        let (door, server) = Door::open(cancel.clone()).await?;
        let build = async |platforms: &Platforms, trace| {
            let config = checked(&platforms.config(&url, LISTEN, modes), &clock)?;
            let system = Hutong::build(config, Arc::new(clock.clone()), trace).await?;
            *door.inside.write().await = Some(system.router());
            platforms.subscribe(&door.base, modes).await?;
            anyhow::Ok(system)
        };

        let first = build(&platforms, Trace::default()).await?;
        for (app, outcome) in sync_directory(&first).await {
            outcome.with_context(|| format!("reading the directory of {app}"))?;
        }
        // Permissions show in how a platform refuses a question about something that is not there.
        let before = complaints_of(&platforms);
        diagnose(&first).await.context("asking the platforms for permissions")?;
        let asked = complaints_of(&platforms).difference(&before).cloned().collect();
        for step in groups {
            clock.move_to(step.at);
            platforms.play(step).await?;
            first.settle().await?;
        }
        platforms.add_robots().await?;
        tokio::time::sleep(BEHIND).await;
        first.settle().await?;
        *door.inside.write().await = None;
        first.store.close().await;
        drop(first);

        let trace = Trace::keeping();
        let system = build(&platforms, trace.clone()).await?;
        let workdays = crate::calendar::workdays(&system.config.holidays);
        let behind = Arc::new(Behind::new(
            trace.clone(),
            system.store.clone(),
            &system.config,
            platforms.sims.clone(),
        ));
        let stage = Self {
            lines: Mutex::new(Lines::connect(&system)),
            clock,
            platforms,
            system: ArcSwap::from_pointee(system),
            behind,
            due: Mutex::new(None),
            driving: Mutex::new(()),
            call: Notify::new(),
            workdays,
            url,
            trace,
            modes: std::sync::Mutex::new(modes),
            door,
            cancel,
            asked,
            _server: server,
        };
        stage.step().await?;
        Ok(stage)
    }

    /// The service as it is now.
    pub fn system(&self) -> Arc<Hutong> {
        self.system.load_full()
    }

    /// How the platforms' apps receive.
    pub fn modes(&self) -> Modes {
        *self.modes.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Changes how apps receive: the service is built anew on the same store with that configuration.
    /// Callbacks that arrive meanwhile wait at the door; connections end in good order before. Returns
    /// when the new connections stand, or after a few seconds.
    pub async fn receive(&self, modes: Modes) -> anyhow::Result<()> {
        let _driving = self.driving.lock().await;
        let before = self.modes();
        if before == modes {
            return Ok(());
        }
        // Before anything ends: a configuration that does not load changes nothing.
        let config = checked(&self.platforms.config(&self.url, LISTEN, modes), &self.clock)?;
        let old = self.system();
        let mut lines = self.lines.lock().await;
        let mut inside = self.door.inside.write().await;
        lines.end().await;
        let built = Hutong::build_on(
            old.store.clone(),
            config,
            Arc::new(self.clock.clone()),
            self.trace.clone(),
        );
        let system = match built.await {
            Ok(system) => Arc::new(system),
            Err(error) => {
                *lines = Lines::connect(&old);
                return Err(error);
            }
        };
        *inside = Some(system.router());
        drop(inside);
        self.system.store(system.clone());
        *self.modes.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = modes;
        // Addresses first: a platform refuses a connection to an app that has one.
        let mut entered = Ok(());
        for sim in &self.platforms.sims {
            if before.of(sim.platform()) != modes.of(sim.platform()) {
                let this = self.platforms.subscribe_at(sim, &self.door.base, modes).await;
                entered = entered.and(this);
            }
        }
        *lines = Lines::connect(&system);
        drop(lines);
        self.connected().await;
        self.call.notify_one();
        entered.context("entering the address for callbacks")
    }

    /// Waits until every connection stands or is refused, at most [`CONNECTED`]. What a platform
    /// pushes without a connection may be lost for good.
    async fn connected(&self) {
        let system = self.system();
        let settled = async {
            while system.links.all().any(|(_, figures)| {
                let standing = figures.snapshot().standing;
                !matches!(standing, Standing::Ready | Standing::Refused { .. } | Standing::Evicted)
            }) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout(CONNECTED, settled).await;
    }

    pub fn sim(&self, platform: Platform) -> anyhow::Result<Arc<dyn Simulator>> {
        let sim = self.platforms.sim(platform).cloned();
        sim.with_context(|| format!("{platform} takes no part"))
    }

    /// Works off everything that can be done now; what is due next is remembered.
    pub async fn step(&self) -> anyhow::Result<Option<Timestamp>> {
        let next = self.system().settle().await?;
        *self.due.lock().await = next;
        Ok(next)
    }

    /// Lets the time pass until `to`; the clock stands at `to` afterwards. Schedules, waits for permits
    /// and repeats happen at their own instants on the way.
    pub async fn pass(&self, to: Timestamp) -> anyhow::Result<()> {
        self.pass_by(to, |at| at).await
    }

    /// [`Stage::pass`] for weeks: the quarter-hourly look at the department groups happens only at the
    /// moments of columns and reports, and whenever else the stage is stepped.
    pub async fn pass_quickly(&self, to: Timestamp) -> anyhow::Result<()> {
        self.pass_by(to, |at| match at.millis() % MINUTE_MS {
            0 => moment_from(at),
            _ => at,
        })
        .await
    }

    async fn pass_by(&self, to: Timestamp, stop: impl Fn(Timestamp) -> Timestamp) -> anyhow::Result<()> {
        for _ in 0..MOST_STEPS {
            let due = *self.due.lock().await;
            match due.map(&stop) {
                Some(at) if at < to => {
                    self.clock.move_to(at);
                    self.step().await?;
                }
                _ => {
                    self.clock.move_to(to);
                    return Ok(());
                }
            }
        }
        Err(anyhow!("the service does not come to rest"))
    }

    /// Works until nothing is left to do now, with what platforms send behind their answers and what
    /// waits for a moment because of a rate limit.
    pub async fn rest(&self) -> anyhow::Result<()> {
        for _ in 0..40 {
            let before = self.clock.now();
            let next = self.step().await?;
            tokio::time::sleep(BEHIND).await;
            let again = self.step().await?;
            let soon = again.or(next).filter(|at| at.since(before) <= Duration::from_secs(20));
            match soon {
                Some(at) => self.clock.move_to(at),
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// Follows the running clock until cancelled.
    pub async fn live(self: Arc<Self>, cancel: CancellationToken) {
        self.clock.run();
        let mut chores = tokio::time::interval(CHORES);
        chores.tick().await;
        loop {
            let system = self.system();
            let wait = match *self.due.lock().await {
                Some(at) => at.since(self.clock.now()).clamp(Duration::from_millis(2), IDLE),
                None => IDLE,
            };
            tokio::select! {
                () = cancel.cancelled() => return,
                () = system.inbox.work.notified() => {}
                () = self.call.notified() => {}
                () = tokio::time::sleep(wait) => {}
                _ = chores.tick() => self.chores().await,
            }
            let _driving = self.driving.lock().await;
            if let Err(error) = self.step().await {
                tracing::warn!(%error, "demo.step failed; it will be tried again");
                tokio::time::sleep(IDLE).await;
            }
            self.behind.look().await;
        }
    }

    /// What the service does in the background while it is started.
    pub(super) async fn chores(&self) {
        for sim in &self.platforms.sims {
            sim.repeat_due().await;
        }
        let system = self.system();
        for app in &system.config.apps {
            match refresh(&system.store, app.adapter.as_ref(), &app.company, &self.clock).await {
                Ok(false) => {}
                Ok(true) => {
                    for (app, outcome) in sync_directory(&system).await {
                        if let Err(error) = outcome {
                            tracing::warn!(%app, %error, "directory.sync failed");
                        }
                    }
                }
                Err(error) => tracing::debug!(app = %app.id, %error, "directory.refresh failed"),
            }
        }
    }

    /// A jump of the running clock.
    pub(super) async fn jump(&self, to: Timestamp) -> anyhow::Result<()> {
        let _driving = self.driving.lock().await;
        self.clock.stop();
        let moved = async {
            self.step().await?;
            // What a platform told by its id alone is read before the time goes on.
            self.chores().await;
            self.step().await?;
            self.pass(to).await?;
            self.rest().await?;
            // Deadlines of connections have passed with the time; whoever speaks next is to be heard.
            tokio::time::sleep(BEHIND).await;
            self.connected().await;
            anyhow::Ok(())
        };
        let result = moved.await;
        self.behind.look().await;
        self.clock.run();
        self.call.notify_one();
        result
    }

    /// Whether people work on that date.
    pub fn is_workday(&self, day: chrono::NaiveDate) -> bool {
        self.workdays.is_workday(day)
    }

    /// What the simulated platforms would have refused.
    pub fn complaints(&self) -> Vec<String> {
        let all = self.platforms.sims.iter().flat_map(complaints_in);
        all.filter(|line| !self.asked.contains(line)).collect()
    }

    pub async fn close(&self) {
        self.lines.lock().await.end().await;
        self.cancel.cancel();
        self.system().store.close().await;
    }
}

fn complaints_in(sim: &Arc<dyn Simulator>) -> Vec<String> {
    let platform = sim.platform();
    sim.complaints().iter().map(|c| format!("{platform}: {c}")).collect()
}

fn complaints_of(platforms: &Platforms) -> BTreeSet<String> {
    platforms.sims.iter().flat_map(complaints_in).collect()
}

/// The first moment of [`MOMENTS`] at or after `at`.
fn moment_from(at: Timestamp) -> Timestamp {
    let today = Date::of(at);
    let all = [today, today.plus(1)]
        .into_iter()
        .flat_map(|day| MOMENTS.map(|m| day.at_minute(m)));
    all.filter(|moment| *moment >= at).min().unwrap_or(at)
}

/// The visitor's hand on the clock.
pub struct Hand(pub Arc<Stage>);

impl TimeControl for Hand {
    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    fn advance_to(&self, to: Timestamp) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move { self.0.jump(to).await.map_err(|e| format!("{e:#}")) })
    }

    fn is_workday(&self, date: Date) -> bool {
        let (year, month, day) = date.ymd();
        let found = i32::try_from(year)
            .ok()
            .and_then(|year| chrono::NaiveDate::from_ymd_opt(year, month, day));
        found.is_none_or(|day| self.0.workdays.is_workday(day))
    }
}

impl Reception for Stage {
    fn standing(&self) -> Vec<AppReceives> {
        let (modes, system) = (self.modes(), self.system());
        let mut list = Vec::new();
        for sim in &self.platforms.sims {
            let platform = sim.platform();
            let apps = sim.apps();
            let Some(app) = apps.iter().find(|a| knows_both(a.kind)) else {
                continue;
            };
            let seen = system.links.all().find(|(id, _)| id.as_str() == config_id(app));
            let seen = seen.map(|(_, figures)| figures.snapshot());
            let why = seen.as_ref().and_then(|s| s.last_why);
            list.push(AppReceives {
                platform,
                receive: modes.of(platform),
                app: app.name.clone(),
                mixed: apps.iter().any(|a| !knows_both(a.kind) && !a.kind.ends_with("webhook")),
                standing: seen.as_ref().map(|s| s.standing.as_str()),
                reconnects: seen.as_ref().map_or(0, |s| s.reconnects),
                why: why.map(|why| [link_why(why, Lang::Zh), link_why(why, Lang::En)]),
            });
        }
        list
    }

    fn switch(&self, platform: Platform, receive: Receive) -> BoxFuture<'_, Result<(), String>> {
        let modes = self.modes().with(platform, receive);
        Box::pin(async move { self.receive(modes).await.map_err(|e| format!("{e:#}")) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_moment_may_be_tomorrow() {
        let day = Date::of(Timestamp::from_secs(1_795_164_000));
        assert_eq!(moment_from(day.at_minute(570)), day.at_minute(570));
        assert_eq!(moment_from(day.at_minute(571)), day.at_minute(600));
        assert_eq!(moment_from(day.at_minute(961)), day.plus(1).at_minute(570));
    }
}
