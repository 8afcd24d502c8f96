//! The loop: whatever is due is decided about and handed to the inbox in one transaction.
//!
//! Every replica runs it. The row (job, local minute) is what makes an occurrence happen once: whose
//! insert comes second changes nothing and hands nothing on.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hutong_model::{BoxFuture, Clock, Timestamp};
use tokio_util::sync::CancellationToken;

use super::store;
use super::{Schedule, Verdict, calendar, due};
use crate::store::{Store, StoreError, Tx};

/// Where ticks go: the inbox.
pub trait TickSink: Send + Sync {
    /// Stores a `Tick` event in the transaction that records the occurrence. Called at most once for
    /// each (job, local minute). `local` is `2026-11-24T09:30`.
    fn tick<'a>(
        &'a self,
        tx: &'a mut Tx,
        schedule: &'a Schedule,
        slot: Timestamp,
        local: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Called after a transaction with ticks has committed.
    fn committed(&self) {}
}

/// Schedules that stand in the database and may change while the program runs.
pub trait ScheduleSource: Send + Sync {
    /// All of them as they are now.
    fn stored<'a>(&'a self, tx: &'a mut Tx) -> BoxFuture<'a, Result<Vec<Schedule>, StoreError>>;
}

/// When the memory is this far ahead of the clock, the clock has been set back.
const CLOCK_BACK: Duration = Duration::from_secs(5 * 60);
/// The clock is read again at the latest after this time: it may be driven, set, or have slept.
const POLL: Duration = Duration::from_secs(1);

/// What one tick has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TickResult {
    pub fired: usize,
    pub missed: usize,
    /// When the next occurrence is, over all schedules.
    pub next_at: Option<Timestamp>,
}

/// Fires schedules.
pub struct Scheduler {
    store: Store,
    schedules: Vec<Schedule>,
    /// Those of [`Scheduler::with_source`] stand behind the fixed ones.
    fixed: usize,
    source: Option<Arc<dyn ScheduleSource>>,
    /// The state of the stored schedules that was read last, see [`super::touch`].
    epoch: Option<i64>,
    sink: Arc<dyn TickSink>,
    clock: Arc<dyn Clock>,
    /// Per schedule: the last slot decided about, and the next one. Empty before the first tick.
    known: HashMap<String, Known>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    last_slot: Timestamp,
    next: Option<Timestamp>,
}

impl Scheduler {
    /// Ids must be unique: of two schedules with the same id only the first counts.
    pub fn new(store: Store, schedules: Vec<Schedule>, sink: Arc<dyn TickSink>, clock: Arc<dyn Clock>) -> Self {
        let mut seen = std::collections::HashSet::new();
        let schedules: Vec<Schedule> = schedules.into_iter().filter(|s| seen.insert(s.id.clone())).collect();
        Self {
            store,
            fixed: schedules.len(),
            source: None,
            epoch: None,
            schedules,
            sink,
            clock,
            known: HashMap::new(),
        }
    }

    /// Adds schedules that may change while it runs. A fixed one wins over a stored one with its id.
    pub fn with_source(mut self, source: Arc<dyn ScheduleSource>) -> Self {
        self.source = Some(source);
        self
    }

    /// Reads the stored schedules again when somebody has touched them, in any replica.
    async fn look(&mut self) -> Result<(), StoreError> {
        let Some(source) = self.source.clone() else {
            return Ok(());
        };
        let epoch = store::epoch(&self.store).await?;
        if self.epoch == Some(epoch) {
            return Ok(());
        }
        let mut tx = self.store.begin().await?;
        let stored = source.stored(&mut tx).await?;
        tx.commit().await?;
        self.schedules.truncate(self.fixed);
        for schedule in stored {
            if self.schedules.iter().all(|s| s.id != schedule.id) {
                self.schedules.push(schedule);
            }
        }
        // Everything is learnt again: what a changed schedule owed under its old times is forgotten.
        self.known.clear();
        self.epoch = Some(epoch);
        Ok(())
    }

    /// Decides about everything that is due. Without a source it touches the database only when
    /// something is.
    pub async fn tick(&mut self, now: Timestamp) -> Result<TickResult, StoreError> {
        self.look().await?;
        if self.known.len() < self.schedules.len() {
            self.learn(now).await?;
        }
        let waiting = |known: &Known| known.last_slot <= now + CLOCK_BACK && known.next.is_none_or(|next| now < next);
        let todo: Vec<Schedule> = self
            .schedules
            .iter()
            .filter(|s| self.known.get(&s.id).is_none_or(|k| !waiting(k)))
            .cloned()
            .collect();
        let mut result = TickResult::default();
        if !todo.is_empty() {
            let mut learnt = Vec::with_capacity(todo.len());
            let mut tx = self.store.begin().await?;
            for schedule in &todo {
                learnt.push(self.decide(&mut tx, schedule, now, &mut result).await?);
            }
            tx.commit().await?;
            for (schedule, last_slot) in todo.iter().zip(learnt) {
                self.remember(schedule, last_slot);
            }
            if result.fired > 0 {
                self.sink.committed();
            }
        }
        // Housekeeping (`rule:~name`) is done when somebody looks, and is no reason to look.
        let of_note = |id: &&String| !id.contains(":~");
        let known = self.known.iter().filter(|(id, _)| of_note(id));
        result.next_at = known.filter_map(|(_, k)| k.next).min();
        Ok(result)
    }

    async fn decide(
        &self,
        tx: &mut Tx,
        schedule: &Schedule,
        now: Timestamp,
        result: &mut TickResult,
    ) -> Result<Timestamp, StoreError> {
        // Another replica may have gone on meanwhile.
        let mut last_slot = store::last_slot(tx, &schedule.id).await?.unwrap_or(now);
        if last_slot > now + CLOCK_BACK {
            tracing::warn!(
                job = %schedule.id, now = %now, last = %last_slot,
                "the clock has gone back; occurrences that were decided about are not repeated"
            );
            store::rewind(tx, &schedule.id, now).await?;
            last_slot = now;
        }
        for due in due(schedule, Some(last_slot), now) {
            let occurrence = due.occurrence;
            last_slot = last_slot.max(occurrence.slot);
            if !store::decide(tx, &schedule.id, &due, now).await? {
                continue;
            }
            match due.verdict {
                Verdict::Fire => {
                    let local = occurrence.local_text();
                    self.sink.tick(tx, schedule, occurrence.slot, &local, now).await?;
                    result.fired += 1;
                }
                Verdict::Missed => {
                    tracing::info!(job = %schedule.id, local = %occurrence.local_text(), "missed and not made up for");
                    result.missed += 1;
                }
            }
        }
        store::advance(tx, &schedule.id, last_slot).await?;
        Ok(last_slot)
    }

    /// Reads what was decided before this process began, and begins what is new or has a new meaning.
    async fn learn(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        let states = store::states(&mut tx).await?;
        let mut learnt = Vec::new();
        for schedule in &self.schedules {
            let spec = schedule.fingerprint();
            let last_slot = match states.get(&schedule.id) {
                Some(state) if state.spec == spec => state.last_slot,
                _ => {
                    store::begin(&mut tx, &schedule.id, now, &spec).await?;
                    now
                }
            };
            learnt.push(last_slot);
        }
        tx.commit().await?;
        let schedules = self.schedules.clone();
        for (schedule, last_slot) in schedules.iter().zip(learnt) {
            self.remember(schedule, last_slot);
        }
        Ok(())
    }

    fn remember(&mut self, schedule: &Schedule, last_slot: Timestamp) {
        let next = calendar::next_after(&schedule.spec, schedule.zone, last_slot).map(|o| o.slot);
        self.known.insert(schedule.id.clone(), Known { last_slot, next });
    }

    /// Ticks until `cancel`.
    pub async fn run(mut self, cancel: CancellationToken) {
        loop {
            let now = self.clock.now();
            let wait = match self.tick(now).await {
                Ok(result) => result.next_at.map_or(POLL, |at| at.since(now).min(POLL)),
                Err(error) => {
                    tracing::warn!(%error, "due occurrences could not be recorded; trying again");
                    POLL
                }
            };
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(wait.max(Duration::from_millis(1))) => {}
            }
        }
    }
}
