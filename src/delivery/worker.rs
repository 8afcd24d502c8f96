//! The loop: record what came back, take what may leave, commit once, then call.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use hutong_model::{Adapter, AppId, Clock, DeliveryClass, LimitRule, Outcome, Receipt, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::limits::{self, Caller, Limiter, Permit, Priority};
use super::retry::{self, Next};
use super::store::{self, Claimable, Ending};
use super::{DeliveryMetrics, DeliveryOptions, EffectSink};
use crate::store::{Store, StoreError, Tx};

/// Rows looked at in one query, and queries per app, lane and step.
const PAGE: usize = 64;
const PAGES: usize = 8;
/// How often rows of apps that are no longer configured are looked at.
const HOMELESS_EVERY: Duration = Duration::from_secs(60);
/// Of what a platform or an error says, this much is kept.
const DETAIL_CHARS: usize = 200;

/// What one step has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StepResult {
    /// Calls begun.
    pub begun: usize,
    /// Results recorded, and rows ended without a call.
    pub ended: usize,
    /// Calls under way now.
    pub in_flight: usize,
    /// When something is due next, as far as it is known.
    pub next_at: Option<Timestamp>,
}

struct Door {
    adapter: Arc<dyn Adapter>,
    caller: Caller,
    rates: Vec<LimitRule>,
}

struct Finished {
    row: Claimable,
    outcome: Outcome,
    /// Set by a refusal: when the limit may be tried again.
    paused_until: Option<Timestamp>,
}

/// What a step intends to do.
#[derive(Default)]
struct Plan {
    send: Vec<Claimable>,
    end: Vec<(Claimable, Next)>,
    /// The earliest time at which a row that was refused a permit may ask again.
    earliest: Option<Timestamp>,
}

/// Sends what the outbox holds. One per process; on PostgreSQL any number of processes.
pub struct Delivery {
    store: Store,
    doors: BTreeMap<AppId, Door>,
    clock: Arc<dyn Clock>,
    rng: StdRng,
    limiter: Limiter,
    options: DeliveryOptions,
    wake: Arc<Notify>,
    sink: Arc<dyn EffectSink>,
    pub metrics: Arc<DeliveryMetrics>,
    calls: JoinSet<Outcome>,
    under_way: HashMap<Id, Claimable>,
    finished: Vec<Finished>,
    /// Claims whose commit failed: certainly not sent.
    unsent: Vec<(String, String)>,
    turn: usize,
    homeless_at: Option<Timestamp>,
    stopping: bool,
}

impl Delivery {
    /// `seed` feeds tokens and jitter and must differ from process to process. `wake` is rung by
    /// whoever commits outbox rows.
    pub fn new(
        store: Store,
        adapters: HashMap<AppId, Arc<dyn Adapter>>,
        clock: Arc<dyn Clock>,
        seed: u64,
        wake: Arc<Notify>,
        sink: Arc<dyn EffectSink>,
        options: DeliveryOptions,
    ) -> Self {
        let doors = adapters
            .into_iter()
            .map(|(app, adapter)| {
                let company = options.companies.get(&app).map_or("main", |c| c.as_str());
                let caller = Caller {
                    app: app.to_string(),
                    company: format!("{}/{company}", adapter.platform()),
                };
                let rates = adapter.capabilities().rates.clone();
                let door = Door { adapter, caller, rates };
                (app, door)
            })
            .collect();
        Self {
            store,
            doors,
            clock,
            rng: StdRng::seed_from_u64(seed),
            limiter: Limiter::new(options.limits),
            options,
            wake,
            sink,
            metrics: Arc::default(),
            calls: JoinSet::new(),
            under_way: HashMap::new(),
            finished: Vec::new(),
            unsent: Vec::new(),
            turn: 0,
            homeless_at: None,
            stopping: false,
        }
    }

    /// The limiter, for pauses by operators.
    pub fn limiter(&mut self) -> &mut Limiter {
        &mut self.limiter
    }

    /// One round, without waiting for any call: records results, ends what is over, begins what may
    /// leave. One transaction, none when there is nothing to do.
    pub async fn step(&mut self, now: Timestamp) -> Result<StepResult, StoreError> {
        while let Some(done) = self.calls.try_join_next_with_id() {
            self.came_back(done, now);
        }
        let mut result = StepResult::default();
        let mut tx: Option<Tx> = None;
        let finished = std::mem::take(&mut self.finished);
        let unsent = std::mem::take(&mut self.unsent);
        let outcome = self.round(now, &mut tx, &finished, &unsent, &mut result).await;
        let begun = match (outcome, tx) {
            (Ok(begun), None) => begun,
            (Ok(begun), Some(tx)) => match tx.commit().await {
                Ok(()) => {
                    DeliveryMetrics::add(&self.metrics.commits);
                    if result.ended > 0 {
                        self.sink.committed();
                    }
                    begun
                }
                Err(error) => {
                    // It may have committed all the same: these rows are given back, not sent.
                    let claimed = begun.into_iter().filter_map(|row| Some((row.id, row.token?)));
                    self.unsent.extend(claimed);
                    return Err(self.put_back(finished, unsent, error));
                }
            },
            (Err(error), _) => return Err(self.put_back(finished, unsent, error)),
        };
        result.begun = begun.len();
        for row in begun {
            self.call(row);
        }
        result.in_flight = self.under_way.len();
        let due = store::next_due(&self.store, now).await?;
        result.next_at = [result.next_at, due].into_iter().flatten().min();
        Ok(result)
    }

    fn put_back(&mut self, finished: Vec<Finished>, unsent: Vec<(String, String)>, error: StoreError) -> StoreError {
        self.finished.extend(finished);
        self.unsent.extend(unsent);
        error
    }

    async fn round(
        &mut self,
        now: Timestamp,
        tx: &mut Option<Tx>,
        finished: &[Finished],
        unsent: &[(String, String)],
        result: &mut StepResult,
    ) -> Result<Vec<Claimable>, StoreError> {
        for (id, token) in unsent {
            store::unclaim(open(&self.store, tx).await?, id, token, now).await?;
        }
        for done in finished {
            self.record(open(&self.store, tx).await?, done, now).await?;
            result.ended += 1;
        }
        for row in store::expired_leases(&self.store, tx, now).await? {
            if self.is_ours(&row) {
                continue;
            }
            DeliveryMetrics::add(&self.metrics.abandoned);
            let done = Finished {
                row,
                outcome: Outcome::Unknown {
                    reason: "the sender did not report back".to_owned(),
                },
                paused_until: None,
            };
            self.record(open(&self.store, tx).await?, &done, now).await?;
            result.ended += 1;
        }
        if self.stopping || store::all_paused(&self.store).await? {
            return Ok(Vec::new());
        }
        let plan = self.plan(now, tx).await?;
        result.next_at = plan.earliest;
        for (row, next) in &plan.end {
            self.end(open(&self.store, tx).await?, row, *next, now).await?;
            result.ended += 1;
        }
        let share = self.options.share_limits && !plan.send.is_empty();
        if share {
            self.learn(open(&self.store, tx).await?, &plan.send, now).await?;
        }
        let mut taken = BTreeMap::new();
        let mut begun = Vec::with_capacity(plan.send.len());
        for mut row in plan.send {
            let ask = match (share, self.doors.get(&row.app), &row.prepared) {
                (true, Some(door), Some(prepared)) => Some((door, prepared)),
                _ => None,
            };
            if let Some((door, prepared)) = ask
                && let Permit::At { at, .. } = self.limiter.confirm(now, &door.caller, &door.rates, prepared)
            {
                // Another process has used it in the meantime.
                result.next_at = Some(result.next_at.map_or(at, |e| e.min(at)));
                continue;
            }
            let token = token(&mut self.rng);
            let lease_until = now + self.options.lease;
            if store::claim(open(&self.store, tx).await?, &row, &token, now, lease_until).await? {
                if let Some((door, prepared)) = ask {
                    let limiter = &mut self.limiter;
                    limiter.take_shared(now, &door.caller, &door.rates, prepared, &mut taken);
                }
                row.tries += 1;
                row.token = Some(token);
                if row.attempts == 0 {
                    row.first_attempt_at = Some(now);
                }
                begun.push(row);
            }
        }
        if !taken.is_empty() {
            limits::store::write(open(&self.store, tx).await?, taken.into_values().collect()).await?;
        }
        Ok(begun)
    }

    /// Holds the limits that these rows need, and learns how far all processes together use them.
    async fn learn(&mut self, tx: &mut Tx, rows: &[Claimable], now: Timestamp) -> Result<(), StoreError> {
        let (mut slots, mut pauses) = (BTreeSet::new(), BTreeSet::new());
        let mut asked = Vec::with_capacity(rows.len());
        for row in rows {
            if let (Some(door), Some(prepared)) = (self.doors.get(&row.app), &row.prepared) {
                let (s, p) = limits::shared::names(&door.caller, &door.rates, prepared);
                slots.extend(s);
                pauses.extend(p);
                asked.push((door, prepared));
            }
        }
        let (slots, pauses): (Vec<_>, Vec<_>) = (slots.into_iter().collect(), pauses.into_iter().collect());
        let shared = limits::store::lock(tx, &slots, &pauses).await?;
        for (door, prepared) in asked {
            self.limiter.learn(now, &door.caller, &door.rates, prepared, &shared);
        }
        Ok(())
    }

    fn is_ours(&self, row: &Claimable) -> bool {
        row.token.is_some() && self.under_way.values().any(|r| r.token == row.token)
    }

    /// Chooses what may leave now: replies of all apps first, then the rest.
    async fn plan(&mut self, now: Timestamp, tx: &mut Option<Tx>) -> Result<Plan, StoreError> {
        let mut plan = Plan::default();
        let mut free = self.options.concurrency.saturating_sub(self.under_way.len());
        // A platform that hangs must leave room for the others, and a broadcast for replies.
        let per_app = match self.doors.len() {
            0 | 1 => self.options.concurrency,
            _ => self.options.concurrency.div_ceil(2),
        };
        let per_bulk = (per_app * 3).div_ceil(4);
        let mut used: HashMap<AppId, (usize, usize)> = HashMap::new();
        for row in self.under_way.values() {
            let entry = used.entry(row.app.clone()).or_default();
            entry.0 += 1;
            entry.1 += usize::from(!row.interactive);
        }
        let mut lanes: HashSet<String> = self.under_way.values().map(|r| r.lane.clone()).collect();
        let mut apps: Vec<AppId> = self.doors.keys().cloned().collect();
        self.turn = self.turn.wrapping_add(1);
        if !apps.is_empty() {
            let start = self.turn % apps.len();
            apps.rotate_left(start);
        }
        for interactive in [true, false] {
            for app in &apps {
                let Some(door) = self.doors.get(app) else { continue };
                // Where calls travel over a long connection that is down or in another process,
                // rows wait for it, or for the replica that holds it, and lose no attempt.
                let can_deliver = door.adapter.can_deliver();
                let quota = door.adapter.quota().map(|book| book.usage(now));
                let (all, bulk) = used.entry(app.clone()).or_default();
                let mut after = i64::MIN;
                for _ in 0..PAGES {
                    let full = free == 0 || *all >= per_app || (!interactive && *bulk >= per_bulk);
                    if full {
                        break;
                    }
                    let page = store::heads(&self.store, tx, app, interactive, now, after, PAGE).await?;
                    let rows = page.len();
                    let mut stuck = 0;
                    for row in page {
                        after = row.seq;
                        if let Some(next) = row.case(now).before_sending(now) {
                            plan.end.push((row, next));
                            continue;
                        }
                        let Some(prepared) = &row.prepared else {
                            plan.end.push((row, Next::Rejected));
                            continue;
                        };
                        match (&quota, row.class) {
                            // The rest of the month is for what matters more.
                            (Some(quota), DeliveryClass::Hint) if quota.low() => {
                                plan.end.push((row, Next::Dropped));
                                continue;
                            }
                            // A card shows its newest state when calls are to be had again.
                            (Some(quota), DeliveryClass::State) if quota.used_up => continue,
                            _ => {}
                        }
                        let full = free == 0 || *all >= per_app || (!interactive && *bulk >= per_bulk);
                        if !can_deliver || full || lanes.contains(&row.lane) {
                            continue;
                        }
                        let priority = if interactive {
                            Priority::Interactive
                        } else {
                            Priority::Bulk
                        };
                        match self.limiter.permit(now, &door.caller, &door.rates, prepared, priority) {
                            Permit::Now => {
                                free -= 1;
                                *all += 1;
                                *bulk += usize::from(!interactive);
                                lanes.insert(row.lane.clone());
                                plan.send.push(row);
                            }
                            Permit::At { at, everywhere } => {
                                plan.earliest = Some(plan.earliest.map_or(at, |e| e.min(at)));
                                stuck += usize::from(everywhere);
                            }
                        }
                    }
                    // A page full of calls that wait for the app's own limit: those behind wait as well.
                    if rows < PAGE || stuck == rows {
                        break;
                    }
                }
            }
        }
        if self
            .homeless_at
            .is_none_or(|t| now >= t || t > now + 2 * HOMELESS_EVERY)
        {
            self.homeless_at = Some(now + HOMELESS_EVERY);
            for row in store::homeless(&self.store, tx, &apps, now).await? {
                if let Some(next) = row.case(now).before_sending(now) {
                    plan.end.push((row, next));
                }
            }
        }
        Ok(plan)
    }

    fn call(&mut self, row: Claimable) {
        let Some(door) = self.doors.get(&row.app) else { return };
        let Some(prepared) = row.prepared.clone() else { return };
        DeliveryMetrics::add(&self.metrics.attempts);
        let (adapter, id, limit) = (door.adapter.clone(), row.id.clone(), self.options.call_timeout);
        let handle = self.calls.spawn(async move {
            match tokio::time::timeout(limit, adapter.deliver(&prepared, &id)).await {
                Ok(outcome) => outcome,
                Err(_) => Outcome::Unknown {
                    reason: "no answer in time".to_owned(),
                },
            }
        });
        self.under_way.insert(handle.id(), row);
    }

    /// A call has returned: the limits learn from it at once, the database with the next commit.
    fn came_back(&mut self, done: Result<(Id, Outcome), JoinError>, now: Timestamp) {
        let (id, outcome) = match done {
            Ok((id, outcome)) => (id, outcome),
            Err(error) => (
                error.id(),
                Outcome::Unknown {
                    reason: "the adapter failed while sending".to_owned(),
                },
            ),
        };
        let Some(row) = self.under_way.remove(&id) else { return };
        let counter = match &outcome {
            Outcome::Sent(_) => &self.metrics.sent,
            Outcome::Rejected { .. } => &self.metrics.rejected,
            Outcome::RateLimited { .. } => &self.metrics.rate_limited,
            Outcome::AuthExpired { .. } => &self.metrics.auth_expired,
            Outcome::NotSent { .. } => &self.metrics.not_sent,
            Outcome::Unknown { .. } => &self.metrics.unknown,
        };
        DeliveryMetrics::add(counter);
        let mut paused_until = None;
        if let (Some(door), Some(prepared)) = (self.doors.get(&row.app), &row.prepared) {
            match &outcome {
                Outcome::RateLimited { scope, after_ms, .. } => {
                    let until = self
                        .limiter
                        .rate_limited(now, &door.caller, &door.rates, prepared, *scope, *after_ms);
                    paused_until = Some(until);
                }
                Outcome::Sent(_) => self.limiter.succeeded(now, &door.caller, prepared),
                _ => {}
            }
        }
        self.finished.push(Finished {
            row,
            outcome,
            paused_until,
        });
    }

    /// Writes down what came of an attempt and what follows.
    async fn record(&mut self, tx: &mut Tx, done: &Finished, now: Timestamp) -> Result<(), StoreError> {
        let row = &done.row;
        let mut case = row.case(now);
        case.superseded = store::superseded(tx, row).await?;
        let next = match (&done.outcome, done.paused_until) {
            (Outcome::RateLimited { code, scope, .. }, Some(until)) => {
                let wait = u64::try_from(until.since(now).as_millis()).unwrap_or(u64::MAX);
                let waited = Outcome::RateLimited {
                    code: code.clone(),
                    scope: *scope,
                    after_ms: Some(wait),
                };
                retry::next(&case, &waited, now, &mut self.rng)
            }
            (outcome, _) => retry::next(&case, outcome, now, &mut self.rng),
        };
        let (name, code, detail): (&'static str, Option<&str>, &str) = match &done.outcome {
            Outcome::Sent(_) => ("sent", None, ""),
            Outcome::Rejected { code, text } => ("rejected", Some(code), text),
            Outcome::RateLimited { code, .. } => ("rate_limited", Some(code), ""),
            Outcome::AuthExpired { code, text } => ("auth_expired", Some(code), text),
            Outcome::NotSent { reason } => ("not_sent", None, reason),
            Outcome::Unknown { reason } => ("unknown", None, reason),
        };
        let detail: String = detail.chars().take(DETAIL_CHARS).collect();
        let receipt: Option<&Receipt> = match &done.outcome {
            Outcome::Sent(receipt) => Some(receipt),
            _ => None,
        };
        let ending = Ending {
            next,
            token: Some(row.token.as_deref().unwrap_or("")),
            outcome: name,
            code,
            detail: &detail,
            receipt,
            now,
            hold: self.options.hold,
        };
        if self.options.share_limits
            && done.paused_until.is_some()
            && let (Some(door), Some(prepared)) = (self.doors.get(&row.app), &row.prepared)
        {
            let rows = self.limiter.pauses_over(now, &door.caller, prepared);
            limits::store::write(tx, rows).await?;
        }
        let ours = store::finish(tx, self.sink.as_ref(), row, &ending).await?;
        if !ours {
            DeliveryMetrics::add(&self.metrics.late);
            tracing::warn!(id = %row.id, app = %row.app, outcome = name, "a result came too late to count");
        } else if !matches!(next, Next::Sent) {
            tracing::info!(id = %row.id, app = %row.app, action = %row.action, outcome = name, code, next = ?next, "not sent");
            self.count(next);
        }
        Ok(())
    }

    /// Ends a row that is not sent at all.
    async fn end(&self, tx: &mut Tx, row: &Claimable, next: Next, now: Timestamp) -> Result<(), StoreError> {
        let unreadable = next == Next::Rejected;
        let ending = Ending {
            next,
            token: None,
            outcome: "none",
            code: unreadable.then_some("unreadable"),
            detail: if unreadable {
                "the stored request cannot be read"
            } else {
                ""
            },
            receipt: None,
            now,
            hold: self.options.hold,
        };
        if store::finish(tx, self.sink.as_ref(), row, &ending).await? {
            tracing::info!(id = %row.id, app = %row.app, action = %row.action, next = ?next, "ended without a call");
            self.count(next);
        }
        Ok(())
    }

    fn count(&self, next: Next) {
        match next {
            Next::Expired => DeliveryMetrics::add(&self.metrics.expired),
            Next::Dropped => DeliveryMetrics::add(&self.metrics.dropped),
            Next::NeedsDecision => DeliveryMetrics::add(&self.metrics.needs_decision),
            _ => {}
        }
    }

    /// Runs until `cancel`: then begins nothing more, and waits for the calls under way.
    pub async fn run(mut self, cancel: CancellationToken) {
        let wake = self.wake.clone();
        loop {
            let now = self.clock.now();
            let wait = match self.step(now).await {
                Ok(result) => result
                    .next_at
                    .map_or(self.options.poll, |at| at.since(now).min(self.options.poll)),
                Err(error) => {
                    tracing::warn!(%error, "the outbox cannot be read or written; trying again");
                    self.options.poll
                }
            };
            tokio::select! {
                () = cancel.cancelled() => break,
                () = wake.notified() => {}
                Some(done) = self.calls.join_next_with_id() => {
                    let now = self.clock.now();
                    self.came_back(done, now);
                    self.gather().await;
                }
                () = tokio::time::sleep(wait.max(Duration::from_millis(1))) => {}
            }
        }
        self.stop().await;
    }

    /// Calls that end at nearly the same time share a commit.
    async fn gather(&mut self) {
        for _ in 0..4 {
            tokio::task::yield_now().await;
            let now = self.clock.now();
            while let Some(done) = self.calls.try_join_next_with_id() {
                self.came_back(done, now);
            }
        }
    }

    async fn stop(&mut self) {
        self.stopping = true;
        let drain = self.options.drain;
        let calls_end = async {
            while let Some(done) = self.calls.join_next_with_id().await {
                let now = self.clock.now();
                self.came_back(done, now);
            }
        };
        if tokio::time::timeout(drain, calls_end).await.is_err() {
            tracing::warn!("calls were still under way when the time to stop was over; their leases will end");
        }
        let now = self.clock.now();
        if let Err(error) = self.step(now).await {
            tracing::warn!(%error, "the last results could not be recorded; their leases will end");
        }
    }

    /// Steps until nothing more can be done at the present time of the clock, waiting for all calls.
    /// Returns when something is due next. For tests and for driven time.
    pub async fn run_until_idle(&mut self) -> Result<Option<Timestamp>, StoreError> {
        loop {
            let result = self.step(self.clock.now()).await?;
            if result.in_flight > 0 {
                if let Some(done) = self.calls.join_next_with_id().await {
                    let now = self.clock.now();
                    self.came_back(done, now);
                }
            } else if result.begun == 0 && result.ended == 0 {
                return Ok(result.next_at);
            }
        }
    }
}

fn token(rng: &mut StdRng) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    (0..24)
        .map(|_| char::from(LETTERS[rng.random_range(0..LETTERS.len())]))
        .collect()
}

async fn open<'t>(store: &Store, tx: &'t mut Option<Tx>) -> Result<&'t mut Tx, StoreError> {
    match tx {
        Some(tx) => Ok(tx),
        None => Ok(tx.insert(store.begin().await?)),
    }
}
