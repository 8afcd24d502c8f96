//! T2: events become state and effects. A batch of (event, rule) items shares one transaction and
//! one sync; each item still succeeds or fails alone.
//!
//! The batch first runs without savepoints, because failures are rare. When an item fails after it
//! has written something, the batch is rolled back and runs once more carefully: a savepoint around
//! each item, the failing one undone and put aside in `work`, where it is tried again with growing
//! pauses and finally given up where operators see it. It does not hold up the events behind it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use hutong_model::{AppId, Body, BoxFuture, Clock, Event, Timestamp};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::delivery::{self, EffectSink, OutboxRow};
use crate::dispatch::{Dispatcher, Item, was_asked_for};
use crate::noise::admit::admit;
use crate::rules::{Ctx, Env, PendingEffect, RuleError};
use crate::schedule::{Schedule, TickSink};
use crate::store::{Dialect, Store, StoreError, Tx};
use crate::trace::{Trace, TraceItem};

use super::accept::{InboxMetrics, insert_own};
use super::store::{self, Loaded, Work};

/// Events in one transaction at most: bounds the work that one failure repeats.
const BATCH: usize = 128;
/// Events that are claimed at once where several processes work, and failed items that are tried again.
const CLAIM: usize = 64;
/// How long a batch may hold the one writer of SQLite before it commits what it has: while nothing is
/// being received; while something is; and while receiving is under pressure.
const HOLD_QUIET: Duration = Duration::from_millis(12);
const HOLD_RECEIVING: Duration = Duration::from_millis(3);
const HOLD_PRESSED: Duration = Duration::from_micros(700);
/// So long after the last stored event nothing is being received.
const QUIET: Duration = Duration::from_millis(50);
/// Receiving comes first: while it is under pressure the rules wait, but not longer than this between
/// two small batches, and catch up afterwards.
const LONGEST_WAIT: Duration = Duration::from_millis(250);
/// Attempts before an item is given up.
pub const MAX_ATTEMPTS: i64 = 8;

/// Counters since start.
#[derive(Debug, Default)]
pub struct WorkMetrics {
    pub events: AtomicU64,
    pub items: AtomicU64,
    pub effects: AtomicU64,
    pub failures: AtomicU64,
    pub dead: AtomicU64,
}

/// The worker of one process.
pub struct Worker {
    pub store: Store,
    pub env: Arc<arc_swap::ArcSwap<Env>>,
    pub dispatcher: Arc<Dispatcher>,
    pub clock: Arc<dyn Clock>,
    /// Rung by the inbox when something was stored.
    pub work: Arc<Notify>,
    /// Rung when effects were committed.
    pub effects: Arc<Notify>,
    pub metrics: Arc<WorkMetrics>,
    /// Tells how busy receiving is.
    pub inbox: Arc<InboxMetrics>,
    pub trace: Trace,
    pub pace: Pace,
}

/// What an event has cost lately, so that about as many are read as will be handled.
#[derive(Debug, Default)]
pub struct Pace {
    /// Microseconds; 0 while unknown.
    per_event: AtomicU64,
}

impl Pace {
    fn events_in(&self, hold: Duration) -> usize {
        let per_event = u128::from(self.per_event.load(Ordering::Relaxed));
        // A quarter more than fits: the cost is a mean.
        let fit = (hold.as_micros().saturating_mul(5) / 4).checked_div(per_event);
        usize::try_from(fit.unwrap_or(64)).unwrap_or(BATCH).clamp(1, BATCH)
    }

    fn note(&self, events: usize, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let Some(now) = took.checked_div(events as u64) else {
            return;
        };
        let before = self.per_event.load(Ordering::Relaxed);
        let mean = if before == 0 { now } else { (before * 7 + now) / 8 };
        self.per_event.store(mean.max(1), Ordering::Relaxed);
    }
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Step {
    pub events: usize,
    pub items: usize,
    pub effects: usize,
}

enum Failure {
    /// This item failed after it had written: the batch must run again, carefully.
    Item,
    /// The whole transaction failed.
    Store(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Failure::Store(error)
    }
}

struct Outcome {
    ctx: Ctx,
    items: usize,
    keep: Vec<i64>,
    failures: u64,
    dead: u64,
    trace: Vec<TraceItem>,
}

impl Worker {
    /// Handles the next batch, if there is one. Errors are those of the store; nothing is lost by
    /// them, the same batch comes again.
    pub async fn step(&self) -> Result<Step, StoreError> {
        let mut tries = 0;
        loop {
            match self.try_step().await {
                Err(error) if error.again() && tries < 5 => {
                    tries += 1;
                    tokio::time::sleep(Duration::from_millis(5 << tries)).await;
                }
                result => return result,
            }
        }
    }

    async fn try_step(&self) -> Result<Step, StoreError> {
        let now = self.clock.now();
        let hold = self.hold();
        let (tx, mut loaded) = match self.store.dialect() {
            Dialect::Sqlite => {
                let loaded = store::next_ready(&self.store, self.pace.events_in(hold)).await?;
                if loaded.is_empty() {
                    return self.retry_work(now).await;
                }
                (self.store.begin().await?, loaded)
            }
            Dialect::Postgres => {
                let mut tx = self.store.begin().await?;
                let loaded = store::claim_ready(&mut tx, CLAIM).await?;
                if loaded.is_empty() {
                    tx.rollback().await?;
                    return self.retry_work(now).await;
                }
                (tx, loaded)
            }
        };
        let started = Instant::now();
        let outcome = match self.run_batch(tx, &mut loaded, now, hold, false).await {
            Ok(outcome) => {
                self.pace.note(loaded.len(), started.elapsed());
                outcome
            }
            Err(Failure::Store(error)) => return Err(error),
            Err(Failure::Item) => {
                // On PostgreSQL the rows were released with the transaction: claim again.
                let (tx, mut loaded) = match self.store.dialect() {
                    Dialect::Sqlite => (self.store.begin().await?, loaded),
                    Dialect::Postgres => {
                        let mut tx = self.store.begin().await?;
                        let loaded = store::claim_ready(&mut tx, CLAIM).await?;
                        (tx, loaded)
                    }
                };
                return match self.run_batch(tx, &mut loaded, now, hold, true).await {
                    Ok(outcome) => self.commit(outcome, &loaded, now).await,
                    Err(Failure::Store(error)) => Err(error),
                    Err(Failure::Item) => Err(StoreError::Broken("a careful batch failed as a whole".to_owned())),
                };
            }
        };
        self.commit(outcome, &loaded, now).await
    }

    /// How long the next batch may hold the writer. PostgreSQL has many.
    fn hold(&self) -> Duration {
        if self.store.dialect() == Dialect::Postgres {
            Duration::MAX
        } else if self.inbox.under_pressure() {
            HOLD_PRESSED
        } else if self.inbox.quiet_for() < QUIET {
            HOLD_RECEIVING
        } else {
            HOLD_QUIET
        }
    }

    /// Runs all items of a batch, or as many events as fit in `hold`; the others leave `loaded`.
    /// The transaction is open afterwards.
    async fn run_batch(
        &self,
        tx: Tx,
        loaded: &mut Vec<Loaded>,
        now: Timestamp,
        hold: Duration,
        careful: bool,
    ) -> Result<Outcome, Failure> {
        let began = Instant::now();
        let mut out = Outcome {
            ctx: Ctx::new(tx, self.env.load_full(), now),
            items: 0,
            keep: Vec::new(),
            failures: 0,
            dead: 0,
            trace: Vec::new(),
        };
        match self.run_items(&mut out, loaded, now, began, hold, careful).await {
            Ok(done) => {
                loaded.truncate(done);
                Ok(out)
            }
            Err(failure) => {
                // Not left to be undone some time later: the rows must be free to be claimed again.
                let (tx, _) = out.ctx.into_parts();
                match tx.rollback().await {
                    Err(error) if matches!(failure, Failure::Item) => Err(Failure::Store(error)),
                    _ => Err(failure),
                }
            }
        }
    }

    /// Runs events one after the other; returns how many fitted in `hold`.
    async fn run_items(
        &self,
        out: &mut Outcome,
        loaded: &[Loaded],
        now: Timestamp,
        began: Instant,
        hold: Duration,
        careful: bool,
    ) -> Result<usize, Failure> {
        let mut done = 0;
        for entry in loaded {
            if done > 0 && began.elapsed() >= hold {
                break;
            }
            done += 1;
            let event = match entry {
                Ok(event) => event,
                Err((seq, error)) => {
                    store::record_failure(out.ctx.tx(), *seq, "inbox", MAX_ATTEMPTS, now, true, error, now).await?;
                    out.keep.push(*seq);
                    out.dead += 1;
                    continue;
                }
            };
            let items = match self
                .guarded(&mut out.ctx, event, "dispatch", careful, Step1::Plan)
                .await?
            {
                Done::Planned(items) => items,
                Done::Failed(error) => {
                    self.put_aside(out, event, "dispatch", 0, &error, now).await?;
                    continue;
                }
                Done::Ran => Vec::new(),
            };
            for item in items {
                out.items += 1;
                let started = Instant::now();
                let mark = out.ctx.effects_mark();
                let rule = item.rule;
                let name = item.work_name();
                match self
                    .guarded(&mut out.ctx, event, rule, careful, Step1::Run(item))
                    .await?
                {
                    Done::Failed(error) => self.put_aside(out, event, &name, 0, &error, now).await?,
                    _ if self.trace.on() => {
                        let effects = out.ctx.effects_since(mark).iter().map(|e| e.key.clone()).collect();
                        out.trace
                            .push(TraceItem::ran(event, rule, effects, started.elapsed(), now));
                    }
                    _ => {}
                }
            }
        }
        Ok(done)
    }

    /// Runs one step of an item so that its failure stays its own.
    async fn guarded(
        &self,
        ctx: &mut Ctx,
        event: &Event,
        rule: &'static str,
        careful: bool,
        step: Step1,
    ) -> Result<Done, Failure> {
        ctx.enter(event.id, rule);
        if let Body::Tick { schedule, .. } = &event.body {
            ctx.caused_by(schedule);
        }
        let mark = ctx.effects_mark();
        let writes = ctx.tx().writes();
        if careful {
            ctx.tx().savepoint().await?;
        }
        let result = AssertUnwindSafe(async {
            match &step {
                Step1::Plan => self.dispatcher.plan(ctx, event).await.map(Done::Planned),
                Step1::Run(item) => self.dispatcher.run(ctx, event, item).await.map(|()| Done::Ran),
            }
        })
        .catch_unwind()
        .await;
        let error = match result {
            Ok(Ok(done)) => {
                if careful {
                    ctx.tx().release().await?;
                }
                return Ok(done);
            }
            Ok(Err(error)) => error,
            Err(panic) => RuleError::Retry(format!("panic: {}", panic_text(panic.as_ref()))),
        };
        // What fails for the database's sake fails for all.
        if let RuleError::Store(error @ (StoreError::Busy(_) | StoreError::Conflict(_) | StoreError::Unavailable(_))) =
            error
        {
            return Err(Failure::Store(error));
        }
        let clean = ctx.tx().writes() == writes && ctx.effects_mark() == mark;
        if careful {
            ctx.tx().rollback_to_savepoint().await?;
            ctx.effects_truncate(mark);
        } else if !(clean && matches!(error, RuleError::Refuse(_))) {
            return Err(Failure::Item);
        }
        match error {
            RuleError::Refuse(message) => {
                if let Step1::Run(item) = &step
                    && let Some(asker) = item.asker()
                    && let Err(error) = ctx.answer(asker, item.place(), *message)
                {
                    return Ok(Done::Failed(error.to_string()));
                }
                Ok(Done::Ran)
            }
            RuleError::Fail(text) => Ok(Done::Failed(format!("!{text}"))),
            other => Ok(Done::Failed(other.to_string())),
        }
    }

    async fn put_aside(
        &self,
        out: &mut Outcome,
        event: &Event,
        rule: &str,
        before: i64,
        error: &str,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let (at_once, text) = match error.strip_prefix('!') {
            Some(text) => (true, text),
            None => (false, error),
        };
        let attempts = before + 1;
        let dead = at_once || attempts >= MAX_ATTEMPTS;
        let next_at = now + backoff(attempts);
        tracing::warn!(event = %event.id, rule, attempts, dead, error = text, "inbox.item failed");
        store::record_failure(out.ctx.tx(), event.seq, rule, attempts, next_at, dead, text, now).await?;
        out.keep.push(event.seq);
        out.failures += 1;
        out.dead += u64::from(dead);
        Ok(())
    }

    async fn commit(&self, outcome: Outcome, loaded: &[Loaded], now: Timestamp) -> Result<Step, StoreError> {
        let Outcome {
            ctx,
            items,
            keep,
            failures,
            dead,
            trace,
        } = outcome;
        let env = ctx.env().clone();
        let (mut tx, effects) = ctx.into_parts();
        let seqs: Vec<i64> = loaded
            .iter()
            .map(|l| l.as_ref().map_or_else(|(seq, _)| *seq, |e| e.seq))
            .collect();
        store::finish(&mut tx, &seqs, &keep, now).await?;
        let count = effects.len();
        write_effects(&mut tx, &env, effects, now).await?;
        tx.commit().await?;
        if count > 0 {
            self.effects.notify_one();
        }
        self.metrics.events.fetch_add(seqs.len() as u64, Ordering::Relaxed);
        self.metrics.items.fetch_add(items as u64, Ordering::Relaxed);
        self.metrics.effects.fetch_add(count as u64, Ordering::Relaxed);
        self.metrics.failures.fetch_add(failures, Ordering::Relaxed);
        self.metrics.dead.fetch_add(dead, Ordering::Relaxed);
        self.trace.extend(trace);
        Ok(Step {
            events: seqs.len(),
            items,
            effects: count,
        })
    }

    /// Gives items that failed before another try.
    async fn retry_work(&self, now: Timestamp) -> Result<Step, StoreError> {
        match store::next_work_at(&self.store).await? {
            Some(at) if at <= now => {}
            _ => return Ok(Step::default()),
        }
        let mut tx = self.store.begin().await?;
        let due = store::due_work(&mut tx, now, CLAIM).await?;
        let mut out = Outcome {
            ctx: Ctx::new(tx, self.env.load_full(), now),
            items: 0,
            keep: Vec::new(),
            failures: 0,
            dead: 0,
            trace: Vec::new(),
        };
        for Work { rule, attempts, event } in due {
            let event = match event {
                Ok(event) => event,
                Err((seq, error)) => {
                    store::record_failure(out.ctx.tx(), seq, &rule, attempts, now, true, &error, now).await?;
                    continue;
                }
            };
            match self.retry_one(&mut out, &event, &rule, attempts, now).await {
                Ok(()) => {}
                Err(Failure::Store(error)) => return Err(error),
                Err(Failure::Item) => return Err(StoreError::Broken("a careful item failed as a whole".to_owned())),
            }
        }
        self.commit(out, &[], now).await
    }

    async fn retry_one(
        &self,
        out: &mut Outcome,
        event: &Event,
        rule: &str,
        attempts: i64,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let items = match self.guarded(&mut out.ctx, event, "dispatch", true, Step1::Plan).await? {
            Done::Planned(items) => items,
            Done::Failed(error) => return self.put_aside(out, event, "dispatch", attempts, &error, now).await,
            Done::Ran => Vec::new(),
        };
        let all = rule == "dispatch";
        let mut found = false;
        let mut failed = false;
        for item in items.into_iter().filter(|i| all || i.work_name() == rule) {
            found = true;
            out.items += 1;
            let (of, name) = (item.rule, item.work_name());
            if let Done::Failed(error) = self.guarded(&mut out.ctx, event, of, true, Step1::Run(item)).await? {
                failed = true;
                self.put_aside(out, event, &name, if all { 0 } else { attempts }, &error, now)
                    .await?;
            }
        }
        if !found && was_asked_for(rule) {
            // Too old by now to do it unseen: somebody must know that it was never done.
            let why = "it failed until it was too old to be run";
            store::record_failure(out.ctx.tx(), event.seq, rule, attempts, now, true, why, now).await?;
            out.dead += 1;
            tracing::warn!(event = %event.id, rule, "inbox.item is too old to be run");
            return Ok(());
        }
        if !failed || all {
            store::work_done(out.ctx.tx(), event.seq, rule).await?;
        }
        if !found && !all {
            tracing::info!(event = %event.id, rule, "inbox.item has no taker any more");
        }
        Ok(())
    }

    /// Steps until there is nothing to do now.
    pub async fn run_until_idle(&self) -> Result<Step, StoreError> {
        let mut sum = Step::default();
        loop {
            let step = self.step().await?;
            if step == Step::default() {
                return Ok(sum);
            }
            sum.events += step.events;
            sum.items += step.items;
            sum.effects += step.effects;
        }
    }

    /// Works until cancelled.
    pub async fn run(&self, cancel: CancellationToken) {
        loop {
            let rung = self.work.notified();
            let pause = match self.step().await {
                Ok(step) if step != Step::default() => {
                    if cancel.is_cancelled() {
                        return;
                    }
                    let waiting = Instant::now();
                    while self.inbox.under_pressure() && waiting.elapsed() < LONGEST_WAIT {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                    tokio::task::yield_now().await;
                    continue;
                }
                Ok(_) => Duration::from_secs(1),
                Err(error) => {
                    tracing::error!(%error, "inbox.work failed; it will be tried again");
                    Duration::from_secs(1)
                }
            };
            tokio::select! {
                () = cancel.cancelled() => return,
                () = rung => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}

enum Step1 {
    Plan,
    Run(Item),
}

enum Done {
    Planned(Vec<Item>),
    Ran,
    Failed(String),
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "unknown".to_owned())
}

/// 1 s, 4 s, 16 s, .. at most one hour.
fn backoff(attempts: i64) -> Duration {
    let power = u32::try_from(attempts - 1).unwrap_or(0).min(6);
    Duration::from_secs(4u64.pow(power)).min(Duration::from_secs(3600))
}

async fn write_effects(tx: &mut Tx, env: &Env, effects: Vec<PendingEffect>, now: Timestamp) -> Result<(), StoreError> {
    if effects.is_empty() {
        return Ok(());
    }
    let rows: Vec<OutboxRow> = admit(tx, env, effects, now).await?;
    delivery::store::insert(tx, &rows, now).await.map(|_| ())
}

/// Lets ticks and the results of effects into the inbox, like everything else that happens.
pub struct InboxSink {
    work: Arc<Notify>,
}

impl InboxSink {
    pub fn new(work: Arc<Notify>) -> Self {
        Self { work }
    }
}

impl TickSink for InboxSink {
    fn tick<'a>(
        &'a self,
        tx: &'a mut Tx,
        schedule: &'a Schedule,
        slot: Timestamp,
        local: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            // The app under which events of our own are stored.
            let own = AppId::new("hutong").map_err(|e| StoreError::Broken(e.to_string()))?;
            let body = Body::Tick {
                schedule: schedule.id.clone(),
                slot,
                local: local.to_owned(),
            };
            let (key, lane) = (format!("tick:{}:{local}", schedule.id), format!("tick:{}", schedule.id));
            insert_own(tx, &own, key, lane, &body, now).await.map(|_| ())
        })
    }

    fn committed(&self) {
        self.work.notify_one();
    }
}

impl EffectSink for InboxSink {
    fn effect_done<'a>(
        &'a self,
        tx: &'a mut Tx,
        app: &'a AppId,
        key: &'a str,
        body: Body,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            insert_own(tx, app, format!("done:{key}"), format!("{app}:done"), &body, now)
                .await
                .map(|_| ())
        })
    }

    fn committed(&self) {
        self.work.notify_one();
    }
}

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;
