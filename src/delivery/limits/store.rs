//! SQL of the shared slots.

use std::time::Duration;

use hutong_model::Timestamp;

use super::shared::{Shared, SharedRow};
use crate::store::{Dialect, Store, StoreError, Tx, Value, placeholders};

/// How long a row is kept after it has become idle: clocks differ a little.
const KEEP: Duration = Duration::from_secs(60);

/// Reads the rows of these names and keeps every other process from them until the end of the
/// transaction. `slots` that do not exist yet are made, so that there is something to hold;
/// `pauses` are only read. Names are locked in one order everywhere.
pub async fn lock(tx: &mut Tx, slots: &[String], pauses: &[String]) -> Result<Shared, StoreError> {
    let mut found = Shared::new();
    let names: Vec<&String> = slots.iter().chain(pauses).collect();
    if names.is_empty() {
        return Ok(found);
    }
    let marks: Vec<String> = (1..=names.len()).map(|i| format!("${i}")).collect();
    let hold = match tx.dialect() {
        Dialect::Postgres => " FOR UPDATE",
        // One writer at a time.
        Dialect::Sqlite => "",
    };
    let sql = format!(
        "SELECT name, state FROM limiter_slot WHERE name IN ({}) ORDER BY name{hold}",
        marks.join(", ")
    );
    let rows = tx.query(sql).bind_all(names.into_iter().map(Value::from)).all().await?;
    for row in &rows {
        found.insert(row.get("name")?, Some(row.get("state")?));
    }
    let missing: Vec<&String> = slots.iter().filter(|n| !found.contains_key(*n)).collect();
    if missing.is_empty() {
        return Ok(found);
    }
    let sql = format!(
        "INSERT INTO limiter_slot (name, state, idle_at) VALUES {} \
         ON CONFLICT (name) DO UPDATE SET idle_at = limiter_slot.idle_at RETURNING name, state",
        placeholders(missing.len(), 3)
    );
    let mut values = Vec::with_capacity(missing.len() * 3);
    for name in missing {
        values.extend([Value::from(name), Value::from(""), Value::from(0i64)]);
    }
    for row in &tx.query(sql).bind_all(values).all().await? {
        found.insert(row.get("name")?, Some(row.get("state")?));
    }
    Ok(found)
}

/// Writes the state of slots that are locked, or of pauses: of two ends of a pause the later one
/// stays.
pub async fn write(tx: &mut Tx, rows: Vec<SharedRow>) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "INSERT INTO limiter_slot (name, state, idle_at) VALUES {} \
         ON CONFLICT (name) DO UPDATE SET state = excluded.state, idle_at = excluded.idle_at \
         WHERE limiter_slot.idle_at <= excluded.idle_at",
        placeholders(rows.len(), 3)
    );
    let mut values = Vec::with_capacity(rows.len() * 3);
    for row in rows {
        values.extend([Value::from(row.name), Value::from(row.state), Value::from(row.idle_at)]);
    }
    tx.query(sql).bind_all(values).execute().await.map(|_| ())
}

/// Removes rows that say nothing any more, at most 500 a call.
pub async fn prune(store: &Store, now: Timestamp) -> Result<u64, StoreError> {
    let mut tx = store.begin().await?;
    let gone = tx
        .query(
            "DELETE FROM limiter_slot WHERE name IN (SELECT name FROM limiter_slot WHERE idle_at < $1 \
             ORDER BY idle_at LIMIT 500) AND idle_at < $1",
        )
        .bind(now - KEEP)
        .execute()
        .await?;
    tx.commit().await?;
    Ok(gone)
}
