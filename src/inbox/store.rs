//! SQL of the inbox.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::OnceLock;
use std::time::Duration;

use hutong_model::{AppId, Body, Event, EventId, Timestamp};

use crate::store::{Dialect, Row, Store, StoreError, Turn, Tx, Value, placeholders};

pub(super) const READY: i64 = 0;
pub(super) const DONE: i64 = 1;
pub(super) const IGNORED: i64 = 2;

/// A row to be stored.
pub(super) struct NewEvent {
    pub id: EventId,
    pub app: AppId,
    pub dedupe: String,
    pub lane: String,
    pub kind: &'static str,
    pub occurred_at: Timestamp,
    pub received_at: Timestamp,
    pub state: i64,
    pub body: Option<String>,
}

const WIDTH: usize = 8;

const COLUMNS: &str = "app, dedupe, lane, kind, occurred_at, received_at, state, body";

fn insert_text(rows: usize) -> String {
    format!("INSERT INTO inbox ({COLUMNS}) VALUES {}", placeholders(rows, WIDTH))
}

/// Statements for so many rows are prepared on SQLite. In between, the next larger one is used and
/// its last rows stay NULL, which it leaves out.
const SIZES: [usize; 20] = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 32, 40, 48, 64, 96, 128];

/// Rows that [`append`] and [`append_unless_known`] take at once.
pub(super) const MOST_ROWS: usize = 128;

/// The statement that stores `rows` rows known to be new. Its arguments have no numbers: SQLite looks
/// a numbered one up in a list, once for each of a thousand.
fn append_text(rows: usize) -> Cow<'static, str> {
    static TEXTS: [OnceLock<String>; SIZES.len()] = [const { OnceLock::new() }; SIZES.len()];
    let found = SIZES.iter().zip(&TEXTS).find(|(size, _)| **size >= rows);
    match found {
        Some((size, text)) => Cow::Borrowed(text.get_or_init(|| append_sized(*size))),
        None => Cow::Owned(append_sized(rows)),
    }
}

fn append_sized(rows: usize) -> String {
    let row = format!("({})", ["?"; WIDTH].join(","));
    let all = vec![row; rows].join(",");
    format!("INSERT INTO inbox ({COLUMNS}) SELECT * FROM (VALUES {all}) WHERE column1 IS NOT NULL")
}

fn values(rows: Vec<NewEvent>) -> Vec<Value> {
    let mut list = Vec::with_capacity(rows.len() * WIDTH);
    for row in rows {
        list.push(Value::Text(Some(row.app.into())));
        list.push(Value::Text(Some(row.dedupe)));
        list.push(Value::Text(Some(row.lane)));
        list.push(row.kind.into());
        list.push(row.occurred_at.into());
        list.push(row.received_at.into());
        list.push(row.state.into());
        list.push(Value::Text(row.body));
    }
    list
}

/// Stores rows that are known to be new, as one transaction. SQLite only.
pub(super) async fn append(turn: Turn, rows: Vec<NewEvent>) -> Result<(), StoreError> {
    let text = append_text(rows.len());
    turn.execute(text, values(rows)).await.map(|_| ())
}

/// Stores rows; the unique index decides which are new. Returns the new ones.
pub(super) async fn append_unless_known(turn: Turn, rows: Vec<NewEvent>) -> Result<HashSet<EventId>, StoreError> {
    let text = format!(
        "{} ON CONFLICT (app, dedupe) DO NOTHING RETURNING app, dedupe",
        insert_text(rows.len())
    );
    let stored = turn.execute(text.into(), values(rows)).await?;
    stored.iter().map(read_id).collect()
}

/// Stores one event inside a transaction of ours (ticks, results of effects). True when it is new.
pub(super) async fn insert_in(tx: &mut Tx, row: NewEvent) -> Result<bool, StoreError> {
    // SQLite has no unique index here; the caller's own unique row (occurrence, outbox) decides.
    let text = match tx.dialect() {
        Dialect::Sqlite => insert_text(1),
        Dialect::Postgres => format!("{} ON CONFLICT (app, dedupe) DO NOTHING", insert_text(1)),
    };
    Ok(tx.query(text).bind_all(values(vec![row])).execute().await? == 1)
}

fn read_id(row: &Row) -> Result<EventId, StoreError> {
    Ok(EventId::derive(
        &row.get::<AppId>("app")?,
        &row.get::<String>("dedupe")?,
    ))
}

/// The ids of all stored events, page by page.
pub(super) async fn known_ids(store: &Store, after: i64, limit: i64) -> Result<Vec<(i64, EventId)>, StoreError> {
    let rows = store
        .query("SELECT seq, app, dedupe FROM inbox WHERE seq > $1 ORDER BY seq LIMIT $2")
        .bind(after)
        .bind(limit)
        .all()
        .await?;
    rows.iter().map(|row| Ok((row.get("seq")?, read_id(row)?))).collect()
}

const EVENT: &str = "SELECT seq, app, dedupe, lane, occurred_at, received_at, body FROM inbox";

/// An event, or why its stored form cannot be read.
pub(super) type Loaded = Result<Event, (i64, String)>;

fn read_event(row: &Row) -> Result<Loaded, StoreError> {
    let seq: i64 = row.get("seq")?;
    let app: AppId = row.get("app")?;
    let key: String = row.get("dedupe")?;
    let text: Option<String> = row.get("body")?;
    let body = match text.as_deref().map(serde_json::from_str::<Body>) {
        Some(Ok(body)) => body,
        Some(Err(error)) => return Ok(Err((seq, format!("the stored event cannot be read: {error}")))),
        None => return Ok(Err((seq, "the stored event has no body".to_owned()))),
    };
    Ok(Ok(Event {
        id: EventId::derive(&app, &key),
        seq,
        app,
        key,
        lane: row.get("lane")?,
        occurred_at: row.get("occurred_at")?,
        received_at: row.get("received_at")?,
        body,
    }))
}

/// The next events to handle, oldest first. SQLite: one process, one worker, in order of arrival.
pub(super) async fn next_ready(store: &Store, limit: usize) -> Result<Vec<Loaded>, StoreError> {
    let sql = format!("{EVENT} WHERE state = 0 ORDER BY seq LIMIT $1");
    store
        .query(sql)
        .bind(limit)
        .all()
        .await?
        .iter()
        .map(read_event)
        .collect()
}

/// The same for several processes: only the oldest unfinished event of each lane, and none that
/// another process holds.
pub(super) async fn claim_ready(tx: &mut Tx, limit: usize) -> Result<Vec<Loaded>, StoreError> {
    let sql = format!(
        "{EVENT} i WHERE i.state = 0 AND NOT EXISTS \
         (SELECT 1 FROM inbox o WHERE o.state = 0 AND o.lane = i.lane AND o.seq < i.seq) \
         ORDER BY i.seq LIMIT $1 FOR UPDATE SKIP LOCKED"
    );
    tx.query(sql).bind(limit).all().await?.iter().map(read_event).collect()
}

/// Marks events as done. Their bodies go, except those in `keep`, which have work left.
pub(super) async fn finish(tx: &mut Tx, seqs: &[i64], keep: &[i64], now: Timestamp) -> Result<(), StoreError> {
    if seqs.is_empty() {
        return Ok(());
    }
    match tx.dialect() {
        // The worker took every ready row up to the last one, so a range says the same and is one text.
        Dialect::Sqlite if keep.is_empty() => {
            let (first, last) = (
                seqs.iter().min().copied().unwrap_or(0),
                seqs.iter().max().copied().unwrap_or(0),
            );
            tx.query(
                "UPDATE inbox SET state = $1, done_at = $2, body = NULL WHERE seq BETWEEN $3 AND $4 AND state = 0",
            )
            .bind(DONE)
            .bind(now)
            .bind(first)
            .bind(last)
            .execute()
            .await?;
        }
        _ => {
            for seq in seqs {
                tx.query("UPDATE inbox SET state = $1, done_at = $2, body = CASE WHEN $3 THEN body ELSE NULL END WHERE seq = $4")
                    .bind(DONE)
                    .bind(now)
                    .bind(keep.contains(seq))
                    .bind(*seq)
                    .execute()
                    .await?;
            }
        }
    }
    Ok(())
}

/// What failed and waits for another try.
pub(super) struct Work {
    pub rule: String,
    pub attempts: i64,
    pub event: Loaded,
}

pub(super) async fn due_work(tx: &mut Tx, now: Timestamp, limit: usize) -> Result<Vec<Work>, StoreError> {
    let lock = match tx.dialect() {
        Dialect::Sqlite => "",
        Dialect::Postgres => "FOR UPDATE OF w SKIP LOCKED",
    };
    let sql = format!(
        "SELECT w.rule, w.attempts, i.seq, i.app, i.dedupe, i.lane, i.occurred_at, i.received_at, i.body \
         FROM work w JOIN inbox i ON i.seq = w.seq WHERE w.state = 0 AND w.next_at <= $1 ORDER BY w.next_at, w.seq LIMIT $2 {lock}"
    );
    let rows = tx.query(sql).bind(now).bind(limit).all().await?;
    rows.iter()
        .map(|row| {
            Ok(Work {
                rule: row.get("rule")?,
                attempts: row.get("attempts")?,
                event: read_event(row)?,
            })
        })
        .collect()
}

/// When the next failed item is due.
pub(super) async fn next_work_at(store: &Store) -> Result<Option<Timestamp>, StoreError> {
    let row = store
        .query("SELECT MIN(next_at) AS at FROM work WHERE state = 0")
        .one()
        .await?;
    row.get("at")
}

#[expect(clippy::too_many_arguments, reason = "one row, written in one place")]
pub(super) async fn record_failure(
    tx: &mut Tx,
    seq: i64,
    rule: &str,
    attempts: i64,
    next_at: Timestamp,
    dead: bool,
    error: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO work (seq, rule, attempts, next_at, state, error, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (seq, rule) DO UPDATE SET attempts = excluded.attempts, next_at = excluded.next_at, \
           state = excluded.state, error = excluded.error, updated_at = excluded.updated_at",
    )
    .bind(seq)
    .bind(rule)
    .bind(attempts)
    .bind(next_at)
    .bind(i64::from(dead))
    .bind(error)
    .bind(now)
    .execute()
    .await
    .map(|_| ())
}

/// A failed item has succeeded: its row goes, and the event's body with the last one.
pub(super) async fn work_done(tx: &mut Tx, seq: i64, rule: &str) -> Result<(), StoreError> {
    tx.query("DELETE FROM work WHERE seq = $1 AND rule = $2")
        .bind(seq)
        .bind(rule)
        .execute()
        .await?;
    tx.query("UPDATE inbox SET body = NULL WHERE seq = $1 AND state <> 0 AND NOT EXISTS (SELECT 1 FROM work WHERE work.seq = inbox.seq)")
        .bind(seq)
        .execute()
        .await
        .map(|_| ())
}

/// An item that was given up, for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadItem {
    pub seq: i64,
    pub rule: String,
    pub kind: String,
    pub attempts: i64,
    pub error: String,
    pub at: Timestamp,
}

/// Items that were given up, newest first.
pub async fn dead_items(store: &Store, limit: usize) -> Result<Vec<DeadItem>, StoreError> {
    let rows = store
        .query(
            "SELECT w.seq, w.rule, w.attempts, w.error, w.updated_at, i.kind FROM work w JOIN inbox i ON i.seq = w.seq \
             WHERE w.state = 1 ORDER BY w.updated_at DESC, w.seq DESC LIMIT $1",
        )
        .bind(limit)
        .all()
        .await?;
    rows.iter()
        .map(|row| {
            Ok(DeadItem {
                seq: row.get("seq")?,
                rule: row.get("rule")?,
                kind: row.get("kind")?,
                attempts: row.get("attempts")?,
                error: row.get("error")?,
                at: row.get("updated_at")?,
            })
        })
        .collect()
}

/// Gives an item that was given up another round of attempts. False when there is none.
pub async fn retry_dead(store: &Store, seq: i64, rule: &str, now: Timestamp) -> Result<bool, StoreError> {
    let changed = store
        .query("UPDATE work SET state = 0, attempts = 0, next_at = $3, updated_at = $3 WHERE seq = $1 AND rule = $2 AND state = 1")
        .bind(seq)
        .bind(rule)
        .bind(now)
        .execute()
        .await?;
    Ok(changed == 1)
}

/// Events waiting, items waiting for another try, items given up, and the age of the oldest event.
pub async fn counts(store: &Store) -> Result<(i64, i64, i64, Option<Timestamp>), StoreError> {
    let ready = store
        .query("SELECT COUNT(*) AS n, MIN(received_at) AS oldest FROM inbox WHERE state = 0")
        .one()
        .await?;
    let work = store
        .query("SELECT CAST(COALESCE(SUM(CASE WHEN state = 0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS waiting, CAST(COALESCE(SUM(CASE WHEN state = 1 THEN 1 ELSE 0 END), 0) AS BIGINT) AS dead FROM work")
        .one()
        .await?;
    Ok((
        ready.get("n")?,
        work.get("waiting")?,
        work.get("dead")?,
        ready.get("oldest")?,
    ))
}

/// Removes keys older than `keep`, at most 500 rows a call. Returns how many went.
pub async fn prune(store: &Store, now: Timestamp, keep: Duration) -> Result<u64, StoreError> {
    store
        .query(
            "DELETE FROM inbox WHERE seq IN (SELECT i.seq FROM inbox i WHERE i.received_at < $1 AND i.state <> 0 \
             AND NOT EXISTS (SELECT 1 FROM work w WHERE w.seq = i.seq) ORDER BY i.seq LIMIT 500)",
        )
        .bind(now - keep)
        .execute()
        .await
}
