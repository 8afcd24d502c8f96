//! The demo's stage: the platforms, the real service connected to them over HTTP, and the clock that
//! all of them read.
//!
//! The service is stepped, not started: after every change its events, effects and schedules are
//! worked off at the clock's time. So four weeks pass in seconds with every column and report at its
//! own minute, and afterwards the same steps follow the running clock.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use hutong_model::{BoxFuture, Clock as _, Platform, Timestamp};
use hutong_simkit::Simulator;
use hutong_simkit::company::{Date, HistoryStep};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::backstage::Behind;
use super::clock::{DemoClock, DemoEnvironment};
use super::page::TimeControl;
use super::platforms::Platforms;
use crate::adapters;
use crate::app::{Hutong, sync_directory};
use crate::cli::check::dates;
use crate::config::Loader;
use crate::directory::sync::refresh;
use crate::ingress::{self, Limits};
use crate::schedule::{WorkdayTable, Workdays as _};
use crate::trace::Trace;

/// How long the stage waits when nothing calls it.
const IDLE: Duration = Duration::from_millis(200);
/// Directory changes and repeats of callbacks are looked at this often.
const CHORES: Duration = Duration::from_secs(5);
/// Events that a platform sends behind an answer arrive within this.
const BEHIND: Duration = Duration::from_millis(15);
const QUARTER_MS: i64 = 15 * 60 * 1000;
/// Minutes of the day at which columns and reports appear.
const MOMENTS: [i64; 3] = [9 * 60 + 30, 10 * 60, 16 * 60];
/// Steps of one jump; more means that something never comes to rest.
const MOST_STEPS: usize = 50_000;

/// The service with its server.
struct House {
    system: Arc<Hutong>,
    base: String,
    cancel: CancellationToken,
    server: JoinHandle<()>,
}

impl House {
    async fn open(config: &str, clock: &DemoClock, trace: Trace) -> anyhow::Result<Self> {
        let env = DemoEnvironment(Arc::new(clock.clone()));
        let check = dates::schedule_check(clock.now());
        let checked = Loader::new(&env, adapters::ALL)
            .schedule_check(&check)
            .load(config, "demo.toml")
            .map_err(|problems| anyhow!("the demo's configuration:\n{}", problems.render(false)))?;
        let system = Hutong::build(checked, Arc::new(clock.clone()), trace).await?;
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .context("listening for callbacks")?;
        let base = format!("http://{}", listener.local_addr()?);
        let cancel = CancellationToken::new();
        let server = tokio::spawn(ingress::serve(
            listener,
            system.router(),
            Limits::default(),
            cancel.clone(),
        ));
        Ok(Self {
            system: Arc::new(system),
            base,
            cancel,
            server,
        })
    }

    async fn close(self) {
        self.cancel.cancel();
        let _ = self.server.await;
        self.system.store.close().await;
    }
}

/// See the module.
pub struct Stage {
    pub clock: DemoClock,
    pub platforms: Platforms,
    pub system: Arc<Hutong>,
    pub behind: Arc<Behind>,
    /// When something is due next, as the last step said.
    due: Mutex<Option<Timestamp>>,
    /// One at a time drives: the running clock, or a jump.
    driving: Mutex<()>,
    call: Notify,
    workdays: WorkdayTable,
    cancel: CancellationToken,
    _server: JoinHandle<()>,
}

impl Stage {
    /// Starts the platforms, makes the company's groups with the bot in them, and connects the
    /// service as an admin does: first the apps, then the groups into the configuration, then a restart.
    /// `groups` are the steps that make the groups.
    pub async fn build(folder: &std::path::Path, start: Timestamp, groups: &[HistoryStep]) -> anyhow::Result<Self> {
        let clock = DemoClock::at(start);
        let mut platforms = Platforms::start(Arc::new(clock.clone()), [0; 3]).await?;
        let store = format!("sqlite://{}", folder.join("hutong-demo.db").display());
        let config = |p: &Platforms| p.config(&store, "127.0.0.1:0");

        let first = House::open(&config(&platforms), &clock, Trace::default()).await?;
        platforms.subscribe(&first.base).await?;
        for (app, outcome) in sync_directory(&first.system).await {
            outcome.with_context(|| format!("reading the directory of {app}"))?;
        }
        for step in groups {
            clock.move_to(step.at);
            platforms.play(step).await?;
            first.system.settle().await?;
        }
        platforms.add_robots().await?;
        tokio::time::sleep(BEHIND).await;
        first.system.settle().await?;
        first.close().await;

        let trace = Trace::keeping();
        let house = House::open(&config(&platforms), &clock, trace.clone()).await?;
        platforms.subscribe(&house.base).await?;
        let workdays = dates::workdays(&house.system.config.holidays);
        let behind = Arc::new(Behind::new(
            trace,
            house.system.store.clone(),
            &house.system.config,
            platforms.sims.clone(),
        ));
        let stage = Self {
            clock,
            platforms,
            system: house.system,
            behind,
            due: Mutex::new(None),
            driving: Mutex::new(()),
            call: Notify::new(),
            workdays,
            cancel: house.cancel,
            _server: house.server,
        };
        stage.step().await?;
        Ok(stage)
    }

    pub fn sim(&self, platform: Platform) -> anyhow::Result<Arc<dyn Simulator>> {
        let sim = self.platforms.sim(platform).cloned();
        sim.with_context(|| format!("{platform} takes no part"))
    }

    /// Works off everything that can be done now; what is due next is remembered.
    pub async fn step(&self) -> anyhow::Result<Option<Timestamp>> {
        let next = self.system.settle().await?;
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
        self.pass_by(to, |at| match at.millis() % QUARTER_MS {
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
            let wait = match *self.due.lock().await {
                Some(at) => at.since(self.clock.now()).clamp(Duration::from_millis(2), IDLE),
                None => IDLE,
            };
            tokio::select! {
                () = cancel.cancelled() => return,
                () = self.system.inbox.work.notified() => {}
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
    async fn chores(&self) {
        for sim in &self.platforms.sims {
            sim.repeat_due().await;
        }
        for app in &self.system.config.apps {
            match refresh(&self.system.store, app.adapter.as_ref(), &app.company, &self.clock).await {
                Ok(false) => {}
                Ok(true) => {
                    for (app, outcome) in sync_directory(&self.system).await {
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
    async fn jump(&self, to: Timestamp) -> anyhow::Result<()> {
        let _driving = self.driving.lock().await;
        self.clock.stop();
        let moved = async {
            self.step().await?;
            self.pass(to).await?;
            self.rest().await
        };
        let result = moved.await;
        self.behind.look().await;
        self.clock.run();
        self.call.notify_one();
        result
    }

    /// What the simulated platforms would have refused.
    pub fn complaints(&self) -> Vec<String> {
        let of = |sim: &Arc<dyn Simulator>| {
            let platform = sim.platform();
            let lines: Vec<String> = sim.complaints().iter().map(|c| format!("{platform}: {c}")).collect();
            lines
        };
        self.platforms.sims.iter().flat_map(of).collect()
    }

    pub async fn close(&self) {
        self.cancel.cancel();
        self.system.store.close().await;
    }
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
