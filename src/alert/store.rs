//! SQL of the alerts.

use hutong_model::{AppId, Timestamp};

use crate::store::{Store, StoreError, Tx};

/// Notes that a cause is told about today. False when it has been already.
pub async fn raise(tx: &mut Tx, app: &AppId, cause: &str, day: &str, now: Timestamp) -> Result<bool, StoreError> {
    let new = tx
        .query(
            "INSERT INTO alert (app, cause, day, raised_at, told) VALUES ($1, $2, $3, $4, 0) \
             ON CONFLICT (app, cause, day) DO NOTHING",
        )
        .bind(app)
        .bind(cause)
        .bind(day)
        .bind(now)
        .execute()
        .await?;
    Ok(new == 1)
}

pub async fn told(tx: &mut Tx, app: &AppId, cause: &str, day: &str, people: usize) -> Result<(), StoreError> {
    tx.query("UPDATE alert SET told = $4 WHERE app = $1 AND cause = $2 AND day = $3")
        .bind(app)
        .bind(cause)
        .bind(day)
        .bind(people)
        .ensure_rows(1)
        .await
}

/// Causes that operators were told about and that have not been seen mended.
pub async fn open(store: &Store) -> Result<Vec<(String, String)>, StoreError> {
    let rows = store
        .query("SELECT DISTINCT app, cause FROM alert WHERE mended_at IS NULL ORDER BY app, cause")
        .all()
        .await?;
    rows.iter().map(|r| Ok((r.get("app")?, r.get("cause")?))).collect()
}

/// Whether a cause was told about on a day.
pub async fn raised(store: &Store, app: &AppId, cause: &str, day: &str) -> Result<bool, StoreError> {
    let row = store
        .query("SELECT COUNT(*) AS n FROM alert WHERE app = $1 AND cause = $2 AND day = $3")
        .bind(app)
        .bind(cause)
        .bind(day)
        .one()
        .await?;
    Ok(row.get::<i64>("n")? > 0)
}

/// Ends what is open about a cause. Of several processes that see it mended one gets `true`.
pub async fn mend(tx: &mut Tx, app: &str, cause: &str, now: Timestamp) -> Result<bool, StoreError> {
    let changed = tx
        .query("UPDATE alert SET mended_at = $3 WHERE app = $1 AND cause = $2 AND mended_at IS NULL")
        .bind(app)
        .bind(cause)
        .bind(now)
        .execute()
        .await?;
    Ok(changed > 0)
}

/// Messages of each app that wait for a decision. Our own are left out: an alert about alerts would
/// never end.
pub async fn parked(store: &Store) -> Result<Vec<(String, i64)>, StoreError> {
    let rows = store
        .query(
            "SELECT app, COUNT(*) AS n FROM outbox WHERE state = 'needs_decision' AND rule <> $1 \
             GROUP BY app ORDER BY app",
        )
        .bind(super::RULE)
        .all()
        .await?;
    rows.iter().map(|r| Ok((r.get("app")?, r.get("n")?))).collect()
}

/// Old alerts go; open ones stay.
pub async fn prune(store: &Store, before: Timestamp) -> Result<u64, StoreError> {
    store
        .query("DELETE FROM alert WHERE mended_at < $1")
        .bind(before)
        .execute()
        .await
}
