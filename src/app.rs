//! Puts the rooms together: from a checked configuration to a running system. The only file that
//! knows them all.

mod chores;
mod metrics;
mod store;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use hutong_model::{Adapter, AppId, BoxFuture, Clock, Secret, Timestamp};
use rand::Rng as _;
use tokio::sync::{Mutex, Notify};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::store::{Grant, Subject, sync_config_roles};
use crate::access::token::Signer;
use crate::config::{Checked, Language, Who};
use crate::delivery::{Delivery, DeliveryMetrics, DeliveryOptions};
use crate::dispatch::{Ages, Dispatcher};
use crate::inbox::worker::{InboxSink, Pace, WorkMetrics, Worker};
use crate::inbox::{Inbox, InboxOptions};
use crate::ingress::{self, InFlight, Ingress, IngressMetrics};
use crate::link::Links;
use crate::link::board::Board;
use crate::rules::columns::when::Calendar;
use crate::rules::service::Service;
use crate::rules::{App, Env, Rule};
use crate::schedule::{Schedule, ScheduleSource, Scheduler};
use crate::store::{Dialect, Store, StoreError, StoreOptions, Tx};
use crate::text::Lang;
use crate::trace::Trace;

pub use chores::{SyncOutcome, diagnose, introduce, sync_directory};

/// A system that is built and not yet running.
pub struct Hutong {
    pub config: Arc<Checked>,
    pub store: Store,
    pub inbox: Inbox,
    pub env: Arc<ArcSwap<Env>>,
    pub ingress: Arc<Ingress>,
    pub clock: Arc<dyn Clock>,
    pub rules: Vec<Arc<dyn Rule>>,
    pub trace: Trace,
    pub work_metrics: Arc<WorkMetrics>,
    pub delivery_metrics: Arc<DeliveryMetrics>,
    /// How the long connections stand.
    pub links: Board,
    worker: Arc<Worker>,
    /// Rung when effects were committed.
    effects: Arc<Notify>,
    /// Taken by [`Hutong::start`]; stepped by [`Hutong::settle`].
    driven: Mutex<Option<Driven>>,
}

/// What the rules keep in the database.
struct StoredSchedules(Vec<Arc<dyn Rule>>);

impl ScheduleSource for StoredSchedules {
    fn stored<'a>(&'a self, tx: &'a mut Tx) -> BoxFuture<'a, Result<Vec<Schedule>, StoreError>> {
        Box::pin(async move {
            let mut list = Vec::new();
            for rule in &self.0 {
                list.extend(rule.stored_schedules(tx).await?);
            }
            Ok(list)
        })
    }
}

struct Driven {
    delivery: Delivery,
    scheduler: Scheduler,
}

impl Hutong {
    /// Opens the store and prepares every room. Nothing is received or sent yet.
    ///
    /// `trace` keeps what was done and why, for people who watch.
    pub async fn build(config: Checked, clock: Arc<dyn Clock>, trace: Trace) -> anyhow::Result<Self> {
        let store = Store::open(config.store.url.expose(), &StoreOptions::default())
            .await
            .with_context(|| format!("opening the store {}", config.store.shown()))?;
        Self::build_on(store, config, clock, trace).await
    }

    /// [`Hutong::build`] on a store that is open already; the address in the configuration is not
    /// looked at.
    pub async fn build_on(store: Store, config: Checked, clock: Arc<dyn Clock>, trace: Trace) -> anyhow::Result<Self> {
        let now = clock.now();
        if store.dialect() == Dialect::Sqlite {
            // The file is ours alone: whoever was sending before is dead.
            crate::delivery::store::end_leases(&store, now)
                .await
                .context("looking for what was left half-sent")?;
            crate::link::store::end_all(&store, now)
                .await
                .context("ending the leases of long connections")?;
        }
        let key = store::signing_key(&store, now)
            .await
            .context("reading the signing key")?;
        store::contact_key(&store, now)
            .await
            .context("reading the key of contact hashes")?;
        enter_roles(&store, &config, now).await.context("entering the roles")?;
        enter_identity(&store, &config, now)
            .await
            .context("entering who is one person")?;
        let links = Board::of(
            config
                .apps
                .iter()
                .filter(|a| a.adapter.link().is_some())
                .map(|a| a.id.clone()),
        );
        let env = Arc::new(ArcSwap::from_pointee(environment(&config, key, links.clone())));
        let options = InboxOptions {
            keep: config.retention.dedupe,
            ..InboxOptions::default()
        };
        let inbox = Inbox::open(store.clone(), clock.clone(), options)
            .await
            .context("opening the inbox")?;

        let calendar = calendar(&config, now);
        let others = crate::rules::all(&config, &calendar).context("reading a schedule")?;
        let assembled = Service::in_front_of(others).map_err(|problems| {
            let list: Vec<String> = problems.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("the commands do not fit together: {}", list.join("; "))
        })?;
        let rules = assembled.rules.clone();
        let dispatcher = Arc::new(Dispatcher::new(
            assembled,
            Ages {
                command: config.limits.command_max_age,
                event: config.limits.event_max_age,
            },
        ));

        let effects = Arc::new(Notify::new());
        let sink = Arc::new(InboxSink::new(inbox.work.clone()));
        let adapters: HashMap<AppId, Arc<dyn Adapter>> =
            config.apps.iter().map(|a| (a.id.clone(), a.adapter.clone())).collect();
        let delivery = Delivery::new(
            store.clone(),
            adapters.clone(),
            clock.clone(),
            rand::rng().next_u64(),
            effects.clone(),
            sink.clone(),
            DeliveryOptions {
                companies: config.apps.iter().map(|a| (a.id.clone(), a.company.clone())).collect(),
                ..DeliveryOptions::default()
            },
        );
        let schedules = rules.iter().flat_map(|r| r.schedules()).collect();
        let scheduler = Scheduler::new(store.clone(), schedules, sink, clock.clone())
            .with_source(Arc::new(StoredSchedules(rules.clone())));
        let work_metrics = Arc::new(WorkMetrics::default());
        let worker = Arc::new(Worker {
            store: store.clone(),
            env: env.clone(),
            dispatcher,
            clock: clock.clone(),
            work: inbox.work.clone(),
            effects: effects.clone(),
            metrics: work_metrics.clone(),
            inbox: inbox.metrics.clone(),
            trace: trace.clone(),
            pace: Pace::default(),
        });
        let ingress = Arc::new(Ingress {
            apps: adapters.into_iter().map(|(id, a)| (id.into(), a)).collect(),
            inbox: inbox.clone(),
            clock: clock.clone(),
            metrics: Arc::new(IngressMetrics::default()),
            max_body: config.limits.body_bytes,
            in_flight: InFlight::new(config.limits.in_flight_bytes),
            trace: trace.clone(),
        });
        Ok(Self {
            config: Arc::new(config),
            store,
            inbox,
            env,
            ingress,
            clock,
            rules,
            trace,
            work_metrics,
            delivery_metrics: delivery.metrics.clone(),
            links,
            worker,
            effects,
            driven: Mutex::new(Some(Driven { delivery, scheduler })),
        })
    }

    /// Callbacks and the pages for machines: `/healthz`, `/readyz`, `/metrics`.
    pub fn router(&self) -> Router {
        let health = Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready))
            .with_state(self.store.clone());
        let calendar = Router::new()
            .route("/calendar/{token}", get(calendar_file))
            .with_state((
                self.config.clone(),
                self.store.clone(),
                self.env.clone(),
                self.clock.clone(),
            ));
        ingress::router(self.ingress.clone())
            .merge(health)
            .merge(calendar)
            .merge(metrics::router(self))
    }

    /// Opens the long connections of the apps that receive over one, and keeps them open until
    /// cancelled. Part of [`Hutong::start`]; alone where the rest is driven by [`Hutong::settle`].
    pub fn connect(&self, tasks: &TaskTracker, cancel: &CancellationToken) {
        let links = self
            .config
            .apps
            .iter()
            .filter_map(|a| Some((a.id.clone(), a.adapter.link()?)))
            .collect();
        let mut rng = rand::rng();
        Links {
            links,
            board: self.links.clone(),
            store: self.store.clone(),
            inbox: self.inbox.clone(),
            clock: self.clock.clone(),
            metrics: self.ingress.metrics.clone(),
            effects: self.effects.clone(),
            holder: format!("{:016x}", rng.next_u64()),
            seed: rng.next_u64(),
            options: hutong_link::Options::default(),
            trace: self.trace.clone(),
        }
        .start(tasks, cancel);
    }

    /// Starts everything that runs by itself. Ends when cancelled.
    pub async fn start(&self, cancel: &CancellationToken) -> TaskTracker {
        let tasks = TaskTracker::new();
        let worker = self.worker.clone();
        let stop = cancel.clone();
        tasks.spawn(async move { worker.run(stop).await });
        if let Some(Driven { delivery, scheduler }) = self.driven.lock().await.take() {
            tasks.spawn(delivery.run(cancel.clone()));
            tasks.spawn(scheduler.run(cancel.clone()));
        }
        self.connect(&tasks, cancel);
        chores::spawn(&tasks, self, cancel);
        tasks.close();
        tasks
    }

    /// Does everything that can be done at the present time of the clock, step by step: due ticks,
    /// events, effects, and what follows from their results. For tests and for driven time; does
    /// nothing after [`Hutong::start`]. Returns when something is due next.
    pub async fn settle(&self) -> Result<Option<Timestamp>, StoreError> {
        let mut driven = self.driven.lock().await;
        let Some(Driven { delivery, scheduler }) = driven.as_mut() else {
            return Ok(None);
        };
        loop {
            let ticks = scheduler.tick(self.clock.now()).await?;
            let work = self.worker.run_until_idle().await?;
            let next = delivery.run_until_idle().await?;
            // Results of deliveries may have come back as events.
            let more = self.worker.run_until_idle().await?;
            let asked = crate::rehearse::order::run_asked(&self.config, &self.store, self.clock.as_ref()).await?;
            if ticks.fired == 0 && work.events == 0 && more.events == 0 && more.items == 0 && asked == 0 {
                return Ok([ticks.next_at, next].into_iter().flatten().min());
            }
        }
    }

    /// Rings the delivery, for callers that changed the outbox or the clock.
    pub fn ring(&self) {
        self.effects.notify_one();
        self.inbox.work.notify_one();
    }
}

async fn ready(State(store): State<Store>) -> (StatusCode, &'static str) {
    match store.ping().await {
        Ok(()) => (StatusCode::OK, "ready\n"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n"),
    }
}

type CalendarState = (Arc<Checked>, Store, Arc<ArcSwap<Env>>, Arc<dyn Clock>);

/// The calendar as a file, for whoever holds a link that the bot has given out.
async fn calendar_file(
    State((config, store, env, clock)): State<CalendarState>,
    axum::extract::Path(token): axum::extract::Path<String>,
) -> axum::response::Response {
    use axum::response::IntoResponse as _;
    let now = clock.now();
    let token = token.strip_suffix(".ics").unwrap_or(&token);
    let good = env
        .load()
        .signer
        .read(token, now)
        .is_ok_and(|t| t.rule == crate::rules::calendar::NAME && t.verb == "ics");
    if !good {
        return (StatusCode::NOT_FOUND, "ask the bot for a new link\n").into_response();
    }
    let entered = async {
        let mut tx = store.begin().await?;
        crate::calendar::store::shared(&mut tx).await
    };
    match entered.await {
        Ok(entered) => {
            let text = crate::calendar::ics::of(&config, &entered, now);
            (
                [(axum::http::header::CONTENT_TYPE, "text/calendar; charset=utf-8")],
                text,
            )
                .into_response()
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n").into_response(),
    }
}

pub(crate) fn calendar(config: &Checked, now: Timestamp) -> Calendar {
    Calendar {
        zone: config.company.zone,
        workdays: Arc::new(crate::calendar::workdays(&config.holidays)),
        on_holiday: config.schedule.on_holiday,
        on_makeup_workday: config.schedule.on_makeup_workday,
        today: crate::rules::local(config.company.zone, now).date_naive(),
    }
}

pub(crate) fn environment(config: &Checked, key: Secret, links: Board) -> Env {
    let apps: BTreeMap<_, _> = config
        .apps
        .iter()
        .map(|a| {
            (
                a.id.clone(),
                App {
                    adapter: a.adapter.clone(),
                    company: a.company.clone(),
                },
            )
        })
        .collect();
    Env {
        apps,
        signer: Signer::new(key),
        zone: config.company.zone,
        lang: match config.company.language {
            Language::Chinese => Lang::Zh,
            Language::English => Lang::En,
        },
        company_name: config.company.name.clone(),
        post_to: config
            .chat_links
            .iter()
            .map(|l| (l.heard.clone(), l.post.clone()))
            .collect(),
        chat_names: config
            .chat_links
            .iter()
            .filter_map(|l| Some((l.heard.clone(), l.name.clone()?)))
            .collect(),
        public_url: config.server.public_url.clone(),
        links,
        noise: budget(config),
    }
}

fn budget(config: &Checked) -> crate::noise::Budget {
    crate::noise::Budget {
        per_day: config.limits.bot_messages_per_day,
        groups: config.noise.groups.iter().cloned().collect(),
        priority: config.noise.priority.clone(),
        merge_at: config.noise.merge_at,
        zone: config.company.zone,
        workdays: Arc::new(crate::calendar::workdays(&config.holidays)),
    }
}

/// The grants of the configuration, as the store takes them.
fn grants(config: &Checked) -> Vec<Grant> {
    let mut list = Vec::new();
    for role in &config.roles {
        for who in &role.people {
            let (company, subject) = match who {
                Who::Employee(number) => (config.company.id.clone(), Subject::Employee(number.clone())),
                Who::User { app, user } => match config.apps.iter().find(|a| a.id == *app) {
                    Some(a) => (a.company.clone(), Subject::Account(a.adapter.platform(), user.clone())),
                    None => continue,
                },
            };
            list.push(Grant {
                company,
                subject,
                role: role.role,
                scope: role.scope.clone(),
            });
        }
    }
    list
}

pub(crate) async fn enter_roles(store: &Store, config: &Checked, now: Timestamp) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    sync_config_roles(&mut tx, &grants(config), now).await?;
    tx.commit().await
}

/// By what accounts are joined, and the administrator's map, as the directory takes them.
async fn enter_identity(store: &Store, config: &Checked, now: Timestamp) -> Result<(), StoreError> {
    let mut map = Vec::new();
    for (n, accounts) in config.identity.map.iter().enumerate() {
        for (app, user) in accounts {
            if let Some(a) = config.apps.iter().find(|a| a.id == *app) {
                map.push((n.to_string(), a.adapter.platform(), user.clone()));
            }
        }
    }
    let mut tx = store.begin().await?;
    crate::directory::people::set_policy(&mut tx, &config.company.id, &config.identity.by, &map, now).await?;
    tx.commit().await
}
