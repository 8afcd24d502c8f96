//! The lease of a long connection: at most one process holds it, a dead one loses it by itself.

use std::time::Duration;

use hutong_model::{AppId, Timestamp};

use crate::store::{Store, StoreError};

/// How long it lasts without being renewed.
pub const TTL: Duration = Duration::from_secs(30);

/// Takes or renews the lease of `app`. `Some` is its term; `None`: another process holds it.
///
/// One statement, so that of two processes that ask at the same time one gets it on either database.
/// Expiry goes by the clocks of the processes: they should agree within a few seconds.
pub async fn take(store: &Store, app: &AppId, holder: &str, now: Timestamp) -> Result<Option<i64>, StoreError> {
    let mut tx = store.begin().await?;
    let row = tx
        .query(
            "INSERT INTO link_lease (app, term, holder, until_at, changed_at) VALUES ($1, 1, $2, $3, $4) \
             ON CONFLICT (app) DO UPDATE SET \
             term = CASE WHEN link_lease.holder = $2 THEN link_lease.term ELSE link_lease.term + 1 END, \
             changed_at = CASE WHEN link_lease.holder = $2 THEN link_lease.changed_at ELSE $4 END, \
             holder = $2, until_at = $3 \
             WHERE link_lease.holder = $2 OR link_lease.until_at <= $4 \
             RETURNING term",
        )
        .bind(app)
        .bind(holder)
        .bind(now + TTL)
        .bind(now)
        .optional()
        .await?;
    tx.commit().await?;
    row.map(|row| row.get("term")).transpose()
}

/// Gives it back. Nothing happens when it has passed into other hands, or to a later term.
pub async fn release(store: &Store, app: &AppId, holder: &str, term: i64, now: Timestamp) -> Result<bool, StoreError> {
    let changed = store
        .query("UPDATE link_lease SET until_at = $4 WHERE app = $1 AND holder = $2 AND term = $3 AND until_at > $4")
        .bind(app)
        .bind(holder)
        .bind(term)
        .bind(now)
        .execute()
        .await?;
    Ok(changed > 0)
}

/// Ends all leases: where the store belongs to one process, whoever held them is dead.
pub async fn end_all(store: &Store, now: Timestamp) -> Result<u64, StoreError> {
    store
        .query("UPDATE link_lease SET until_at = $1 WHERE until_at > $1")
        .bind(now)
        .execute()
        .await
}
