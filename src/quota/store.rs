//! SQL of the monthly quotas.

use hutong_model::{AppId, QuotaCount, Timestamp};

use crate::store::{Store, StoreError, Tx, Value};

/// Adds what was counted. The platform's last word about the month replaces the one before it.
pub async fn add(tx: &mut Tx, app: &AppId, count: &QuotaCount, now: Timestamp) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO api_quota (app, month, kind, calls, used_up, changed_at) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (app, month, kind) DO UPDATE SET calls = api_quota.calls + excluded.calls, \
         used_up = CASE WHEN $7 THEN excluded.used_up ELSE api_quota.used_up END, changed_at = excluded.changed_at",
    )
    .bind(app)
    .bind(&count.month)
    .bind(count.kind)
    .bind(i64::try_from(count.calls).unwrap_or(i64::MAX))
    .bind(count.used_up.unwrap_or(false))
    .bind(now)
    .bind(count.used_up.is_some())
    .execute()
    .await
    .map(|_| ())
}

/// The calls of these apps in a month together, and whether the platform has told the one that heard
/// of it last that nothing is left.
pub async fn used(store: &Store, apps: &[AppId], month: &str) -> Result<(u64, bool), StoreError> {
    let marks: Vec<String> = (0..apps.len()).map(|i| format!("${}", i + 2)).collect();
    if marks.is_empty() {
        return Ok((0, false));
    }
    let row = store
        .query(format!(
            "SELECT CAST(COALESCE(SUM(calls), 0) AS BIGINT) AS calls, \
             CAST(COALESCE(SUM(CASE WHEN used_up THEN 1 ELSE 0 END), 0) AS BIGINT) AS ends \
             FROM api_quota WHERE month = $1 AND app IN ({})",
            marks.join(", ")
        ))
        .bind(month)
        .bind_all(apps.iter().map(Value::from))
        .one()
        .await?;
    let calls = u64::try_from(row.get::<i64>("calls")?).unwrap_or(0);
    Ok((calls, row.get::<i64>("ends")? > 0))
}

/// Old months go, after a year.
pub async fn prune(store: &Store, before: Timestamp) -> Result<u64, StoreError> {
    store
        .query("DELETE FROM api_quota WHERE changed_at < $1")
        .bind(before)
        .execute()
        .await
}
