//! SQL of `/health`.

use hutong_model::{AppId, Finding, FindingState, Timestamp};

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

/// What a platform answered about an app, and when.
pub struct Found {
    pub state: FindingState,
    pub zh: String,
    pub en: String,
    pub at: Timestamp,
}

const STATES: [(FindingState, &str); 4] = [
    (FindingState::Good, "good"),
    (FindingState::Warning, "warning"),
    (FindingState::Missing, "missing"),
    (FindingState::Unknown, "unknown"),
];

/// Keeps the newest answers about an app in place of those before.
pub async fn keep_findings(tx: &mut Tx, app: &AppId, found: &[Finding], at: Timestamp) -> Result<(), StoreError> {
    tx.query("DELETE FROM app_finding WHERE app = $1")
        .bind(app)
        .execute()
        .await?;
    for (position, finding) in found.iter().enumerate() {
        let state = STATES
            .iter()
            .find(|(s, _)| *s == finding.state)
            .map_or("unknown", |(_, t)| t);
        tx.query(
            "INSERT INTO app_finding (app, position, question, state, zh, en, at) VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (app, position) DO UPDATE SET question = excluded.question, state = excluded.state, \
             zh = excluded.zh, en = excluded.en, at = excluded.at",
        )
        .bind(app)
        .bind(position)
        .bind(finding.check.as_str())
        .bind(state)
        .bind(finding.zh.as_str())
        .bind(finding.en.as_str())
        .bind(at)
        .execute()
        .await?;
    }
    Ok(())
}

pub async fn findings(tx: &mut Tx, app: &AppId) -> Result<Vec<Found>, StoreError> {
    let rows = tx
        .query("SELECT state, zh, en, at FROM app_finding WHERE app = $1 ORDER BY position")
        .bind(app)
        .all()
        .await?;
    rows.iter()
        .map(|row| {
            let state: String = row.get("state")?;
            Ok(Found {
                state: STATES
                    .iter()
                    .find(|(_, t)| *t == state)
                    .map_or(FindingState::Unknown, |(s, _)| *s),
                zh: row.get("zh")?,
                en: row.get("en")?,
                at: row.get("at")?,
            })
        })
        .collect()
}
