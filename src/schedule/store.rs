//! SQL of the schedule.

use std::collections::HashMap;
use std::time::Duration;

use hutong_model::Timestamp;

use super::{Due, Verdict};
use crate::store::{Store, StoreError, Tx};

/// What is remembered about a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct JobState {
    pub last_slot: Timestamp,
    pub spec: String,
}

pub(super) async fn states(tx: &mut Tx) -> Result<HashMap<String, JobState>, StoreError> {
    let rows = tx
        .query("SELECT job, last_slot, spec FROM schedule_state")
        .all()
        .await?;
    rows.iter()
        .map(|row| {
            let state = JobState {
                last_slot: row.get("last_slot")?,
                spec: row.get("spec")?,
            };
            Ok((row.get("job")?, state))
        })
        .collect()
}

/// Remembers a job from now on; what it meant before is forgotten.
pub(super) async fn begin(tx: &mut Tx, job: &str, now: Timestamp, spec: &str) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO schedule_state (job, last_slot, spec) VALUES ($1, $2, $3) \
         ON CONFLICT (job) DO UPDATE SET last_slot = excluded.last_slot, spec = excluded.spec \
         WHERE schedule_state.spec <> excluded.spec",
    )
    .bind(job)
    .bind(now)
    .bind(spec)
    .execute()
    .await
    .map(|_| ())
}

pub(super) async fn last_slot(tx: &mut Tx, job: &str) -> Result<Option<Timestamp>, StoreError> {
    let row = tx
        .query("SELECT last_slot FROM schedule_state WHERE job = $1")
        .bind(job)
        .optional()
        .await?;
    row.map(|r| r.get("last_slot")).transpose()
}

/// Decides about one occurrence. False when it was decided before, by whomever.
pub(super) async fn decide(tx: &mut Tx, job: &str, due: &Due, now: Timestamp) -> Result<bool, StoreError> {
    let state = match due.verdict {
        Verdict::Fire => "fired",
        Verdict::Missed => "missed",
    };
    let changed = tx
        .query(
            "INSERT INTO occurrence (job, local, slot, state, decided_at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (job, local) DO NOTHING",
        )
        .bind(job)
        .bind(due.occurrence.local_text())
        .bind(due.occurrence.slot)
        .bind(state)
        .bind(now)
        .execute()
        .await?;
    Ok(changed == 1)
}

/// Moves the memory forward, never back.
pub(super) async fn advance(tx: &mut Tx, job: &str, slot: Timestamp) -> Result<(), StoreError> {
    tx.query("UPDATE schedule_state SET last_slot = $2 WHERE job = $1 AND last_slot < $2")
        .bind(job)
        .bind(slot)
        .execute()
        .await
        .map(|_| ())
}

/// Moves the memory back to now, after the clock was seen to have run ahead.
pub(super) async fn rewind(tx: &mut Tx, job: &str, now: Timestamp) -> Result<(), StoreError> {
    tx.query("UPDATE schedule_state SET last_slot = $2 WHERE job = $1 AND last_slot > $2")
        .bind(job)
        .bind(now)
        .execute()
        .await
        .map(|_| ())
}

/// Says that stored schedules have changed: every replica reads them again within a second.
pub async fn touch(tx: &mut Tx) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO schedule_epoch (one, n) VALUES (1, 1) \
         ON CONFLICT (one) DO UPDATE SET n = schedule_epoch.n + 1",
    )
    .execute()
    .await
    .map(|_| ())
}

pub(super) async fn epoch(store: &Store) -> Result<i64, StoreError> {
    let row = store.query("SELECT n FROM schedule_epoch WHERE one = 1").all().await?;
    row.first().map_or(Ok(0), |r| r.get("n"))
}

/// An occurrence that was decided about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    pub job: String,
    /// `2026-11-24T09:30`.
    pub local: String,
    pub slot: Timestamp,
    pub fired: bool,
    pub decided_at: Timestamp,
}

/// The newest decisions, of one job or of all.
pub async fn decided(store: &Store, job: Option<&str>, limit: usize) -> Result<Vec<Decided>, StoreError> {
    let rows = store
        .query(
            "SELECT job, local, slot, state, decided_at FROM occurrence WHERE ($1 = '' OR job = $1) \
             ORDER BY slot DESC, job LIMIT $2",
        )
        .bind(job.unwrap_or(""))
        .bind(limit)
        .all()
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Decided {
                job: row.get("job")?,
                local: row.get("local")?,
                slot: row.get("slot")?,
                fired: row.get::<String>("state")? == "fired",
                decided_at: row.get("decided_at")?,
            })
        })
        .collect()
}

/// Removes decisions older than `keep` (at least 62 days, so that none is taken twice), at most 500 a
/// call. Returns how many went.
pub async fn prune(store: &Store, now: Timestamp, keep: Duration) -> Result<u64, StoreError> {
    let keep = keep.max(Duration::from_secs(62 * 86_400));
    let mut tx = store.begin().await?;
    let gone = tx
        .query(
            "DELETE FROM occurrence WHERE slot IN (SELECT slot FROM occurrence WHERE slot < $1 ORDER BY slot LIMIT 500)",
        )
        .bind(now - keep)
        .execute()
        .await?;
    tx.commit().await?;
    Ok(gone)
}
