//! SQL of `/health`.

use hutong_model::{AppId, Timestamp};

use crate::store::{StoreError, Tx};

pub struct LastEvent {
    pub occurred_at: Timestamp,
    pub received_at: Timestamp,
}

/// The newest event that a platform brought for an app.
pub async fn last_event(tx: &mut Tx, app: &AppId) -> Result<Option<LastEvent>, StoreError> {
    let row = tx
        .query(
            "SELECT occurred_at, received_at FROM inbox WHERE app = $1 AND kind NOT IN ('tick', 'effect_done') \
             ORDER BY seq DESC LIMIT 1",
        )
        .bind(app)
        .optional()
        .await?;
    row.map(|row| {
        Ok(LastEvent {
            occurred_at: row.get("occurred_at")?,
            received_at: row.get("received_at")?,
        })
    })
    .transpose()
}

pub struct Counts {
    pub inbox: i64,
    pub dead_work: i64,
    pub outbox: i64,
    pub parked: i64,
}

pub async fn counts(tx: &mut Tx) -> Result<Counts, StoreError> {
    let one = async |tx: &mut Tx, sql: &'static str| -> Result<i64, StoreError> { tx.query(sql).one().await?.get("n") };
    Ok(Counts {
        inbox: one(tx, "SELECT COUNT(*) AS n FROM inbox WHERE state = 0").await?,
        dead_work: one(tx, "SELECT COUNT(*) AS n FROM work WHERE state = 1").await?,
        outbox: one(
            tx,
            "SELECT COUNT(*) AS n FROM outbox WHERE state IN ('ready', 'sending')",
        )
        .await?,
        parked: one(tx, "SELECT COUNT(*) AS n FROM outbox WHERE state = 'needs_decision'").await?,
    })
}

pub struct LastSync {
    pub finished_at: Timestamp,
    pub people: i64,
    /// People who seem to have left and were kept, because there are too many of them.
    pub held: i64,
}

pub async fn last_sync(tx: &mut Tx, app: &AppId) -> Result<Option<LastSync>, StoreError> {
    let row = tx
        .query("SELECT finished_at, people, leavers_held FROM sync_state WHERE app = $1")
        .bind(app)
        .optional()
        .await?;
    row.map(|row| {
        Ok(LastSync {
            finished_at: row.get("finished_at")?,
            people: row.get("people")?,
            held: row.get("leavers_held")?,
        })
    })
    .transpose()
}
