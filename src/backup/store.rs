//! SQL of backups.

use super::Contents;
use crate::store::{Store, StoreError, Tx};

/// The table in which a backup says what it is.
pub(super) const LABEL: &str = "backup_label";

/// Tables that a store in use has rows in.
const USED: [&str; 5] = ["inbox", "outbox", "person", "ledger_tx", "chat"];

/// The first table of a store in use that has rows, with their number.
pub(super) async fn not_empty(store: &Store) -> Result<Option<String>, StoreError> {
    for table in USED {
        let n = count(store, table).await?;
        if n > 0 {
            return Ok(Some(format!("{n} rows in {table}")));
        }
    }
    Ok(None)
}

async fn count(store: &Store, table: &str) -> Result<i64, StoreError> {
    store
        .query(format!("SELECT COUNT(*) AS n FROM {table}"))
        .one()
        .await?
        .get("n")
}

/// All rows of a backup, whatever table they stand in.
pub(super) async fn rows(copy: &Store) -> Result<i64, StoreError> {
    let tables = copy
        .query("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '\\_sqlx%' ESCAPE '\\' ORDER BY name")
        .all()
        .await?;
    let mut sum = 0;
    for row in &tables {
        sum += count(copy, &row.get::<String>("name")?).await?;
    }
    Ok(sum)
}

/// Writes the label.
pub(super) async fn sign(copy: &Store, contents: &Contents) -> Result<(), StoreError> {
    let text = serde_json::to_string(contents).map_err(|e| StoreError::Broken(e.to_string()))?;
    copy.query(format!("CREATE TABLE {LABEL} (contents TEXT NOT NULL)"))
        .execute()
        .await?;
    copy.query(format!("INSERT INTO {LABEL} (contents) VALUES ($1)"))
        .bind(text)
        .execute()
        .await
        .map(|_| ())
}

pub(super) fn read_label(text: &str) -> Option<Contents> {
    #[derive(serde::Deserialize)]
    struct Label {
        company: String,
        taken_at: i64,
        program: String,
        rows: i64,
        ledger_transactions: i64,
        ledger_head: String,
    }
    let label: Label = serde_json::from_str(text).ok()?;
    Some(Contents {
        company: label.company,
        taken_at: label.taken_at,
        program: label.program,
        rows: label.rows,
        ledger_transactions: label.ledger_transactions,
        ledger_head: label.ledger_head,
    })
}

/// The process that held a connection when the copy was taken may not be there any more.
pub(super) async fn end_link_leases(tx: &mut Tx) -> Result<(), StoreError> {
    tx.query("UPDATE link_lease SET until_at = 0")
        .execute()
        .await
        .map(|_| ())
}

pub(super) async fn waiting_events(store: &Store) -> Result<i64, StoreError> {
    store
        .query("SELECT COUNT(*) AS n FROM inbox WHERE state = 0")
        .one()
        .await?
        .get("n")
}
