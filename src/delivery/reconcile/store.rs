//! SQL of the messages in doubt.

use hutong_model::{AppId, Receipt, Timestamp};

use crate::delivery::EffectSink;
use crate::delivery::store::{Claimable, FIELDS, decide, read};
use crate::store::{Store, StoreError, Tx};

/// A message that waits for a decision, and the time in which it may have arrived.
#[derive(Debug, Clone)]
pub(in crate::delivery) struct Doubt {
    pub row: Claimable,
    /// The first attempt began.
    pub first: Timestamp,
    /// The last one had certainly left us.
    pub last: Timestamp,
    /// It was looked for then, and was not there.
    pub absent_at: Option<Timestamp>,
}

/// Messages that wait for a decision, oldest first. An attempt that nobody reported the end of may
/// have gone on for a minute.
pub(in crate::delivery) async fn doubts(store: &Store, limit: usize) -> Result<Vec<Doubt>, StoreError> {
    let rows = store
        .query(format!(
            "SELECT {FIELDS}, o.absent_at, \
             (SELECT MIN(a.started_at) FROM outbox_attempt a WHERE a.outbox_id = o.id) AS first_at, \
             (SELECT MAX(COALESCE(a.ended_at, a.started_at + 60000)) FROM outbox_attempt a WHERE a.outbox_id = o.id) AS last_at \
             FROM outbox o WHERE o.state = 'needs_decision' ORDER BY o.seq LIMIT $1"
        ))
        .bind(limit)
        .all()
        .await?;
    let mut list = Vec::with_capacity(rows.len());
    for found in &rows {
        let (first, last): (Option<Timestamp>, Option<Timestamp>) = (found.get("first_at")?, found.get("last_at")?);
        let (Some(first), Some(last)) = (first, last) else {
            continue;
        };
        list.push(Doubt {
            row: read(found)?,
            first,
            last,
            absent_at: found.get("absent_at")?,
        });
    }
    Ok(list)
}

/// What is accounted for: receipts of an app since a time.
pub(in crate::delivery) async fn receipts_since(
    store: &Store,
    app: &AppId,
    since: Timestamp,
) -> Result<Vec<Receipt>, StoreError> {
    let rows = store
        .query("SELECT receipt FROM outbox WHERE app = $1 AND receipt IS NOT NULL AND done_at >= $2")
        .bind(app)
        .bind(since)
        .all()
        .await?;
    let mut list = Vec::with_capacity(rows.len());
    for row in &rows {
        list.extend(serde_json::from_str(&row.get::<String>("receipt")?));
    }
    Ok(list)
}

/// Other messages of the same lane that may have arrived in a span without our knowing.
pub(in crate::delivery) async fn rivals(
    store: &Store,
    row: &Claimable,
    from: Timestamp,
    until: Timestamp,
) -> Result<i64, StoreError> {
    let found = store
        .query(
            "SELECT COUNT(*) AS n FROM outbox o WHERE o.lane = $1 AND o.id <> $2 AND o.receipt IS NULL \
             AND EXISTS (SELECT 1 FROM outbox_attempt a WHERE a.outbox_id = o.id AND a.started_at <= $4 \
             AND COALESCE(a.ended_at, a.started_at + 60000) >= $3 AND COALESCE(a.outcome, 'unknown') = 'unknown')",
        )
        .bind(&row.lane)
        .bind(&row.id)
        .bind(from)
        .bind(until)
        .one()
        .await?;
    found.get("n")
}

/// It stands in the chat.
pub(in crate::delivery) async fn found(
    tx: &mut Tx,
    sink: &dyn EffectSink,
    id: &str,
    receipt: &Receipt,
    now: Timestamp,
) -> Result<bool, StoreError> {
    decide(tx, sink, id, Some(receipt), "reconciled", now).await
}

/// It does not stand in the chat, and is not worth sending any more.
pub(in crate::delivery) async fn too_late(
    tx: &mut Tx,
    sink: &dyn EffectSink,
    id: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    decide(tx, sink, id, None, "expired", now).await
}

/// It did not stand in the chat at a first look.
pub(in crate::delivery) async fn absent(store: &Store, id: &str, now: Timestamp) -> Result<(), StoreError> {
    store
        .query("UPDATE outbox SET absent_at = $2 WHERE id = $1 AND state = 'needs_decision' AND absent_at IS NULL")
        .bind(id)
        .bind(now)
        .execute()
        .await
        .map(|_| ())
}
