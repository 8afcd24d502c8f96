//! SQL of the outbox.

use std::time::Duration;

use hutong_model::{ActionKind, AppId, Body, DeliveryClass, EventId, Prepared, Receipt, Timestamp};

use super::EffectSink;
use super::retry::{self, Case, Next};
use crate::store::{Query, Row, Store, StoreError, Tx, Value, placeholders};

/// A request to be sent, as the core hands it in.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxRow {
    /// Idempotency key, 32 characters `[a-z0-9]`, derived from what caused it.
    pub id: String,
    pub app: AppId,
    pub lane: String,
    pub class: DeliveryClass,
    pub rule: String,
    pub event: EventId,
    pub action: ActionKind,
    /// Position among the requests of one effect.
    pub part: usize,
    pub prepared: Prepared,
    /// What a person would read, for operators.
    pub summary: String,
    /// Somebody waits for it: goes before the rest.
    pub interactive: bool,
    /// Present when the rule wants to be told the outcome; comes back unchanged.
    pub tag: Option<serde_json::Value>,
    /// Of two `state` rows of different events with the same key only the newer is sent.
    pub state_key: Option<String>,
    /// Not before this time; `None` is at once.
    pub not_before: Option<Timestamp>,
    /// The end of its usefulness; `None` is the default of its class.
    pub expires_at: Option<Timestamp>,
}

pub(super) const READY: &str = "ready";
const WIDTH: usize = 22;
const COLUMNS: &str = "id, app, lane, class, rule, event_id, action, part, prepared, summary, interactive, state, \
    attempts, tries, next_at, created_at, expires_at, wants_result, tag, state_key, error, effect";

/// Writes rows in the transaction that caused them. A row whose id is known changes nothing, so a
/// transaction that runs again is harmless. Returns how many are new.
pub async fn insert(tx: &mut Tx, rows: &[OutboxRow], now: Timestamp) -> Result<u64, StoreError> {
    let mut new = 0;
    let effects = effects_of(rows);
    let mut rest = rows;
    while !rest.is_empty() {
        // Few sizes, so that few statements are prepared.
        let size = [64, 16, 4, 1].into_iter().find(|n| *n <= rest.len()).unwrap_or(1);
        let (chunk, later) = rest.split_at(size);
        rest = later;
        let text = format!(
            "INSERT INTO outbox ({COLUMNS}) VALUES {} ON CONFLICT (id) DO NOTHING",
            placeholders(chunk.len(), WIDTH)
        );
        let mut values = Vec::with_capacity(chunk.len() * WIDTH);
        let first = rows.len() - rest.len() - size;
        for (row, effect) in chunk.iter().zip(effects.iter().skip(first)) {
            push_values(&mut values, row, *effect, now)?;
        }
        new += tx.query(text).bind_all(values).execute().await?;
    }
    let mut seen: Vec<(&AppId, &str, EventId)> = Vec::new();
    for row in rows.iter().filter(|r| r.class == DeliveryClass::State) {
        if let Some(key) = &row.state_key {
            let entry = (&row.app, key.as_str(), row.event);
            if !seen.contains(&entry) {
                seen.push(entry);
            }
        }
    }
    for (app, key, event) in seen {
        drop_older(tx, app, key, event, now).await?;
    }
    Ok(new)
}

/// For each row the id of the first request of its effect, where the effect has several. The
/// requests of one effect stand together and count from 0.
fn effects_of(rows: &[OutboxRow]) -> Vec<Option<&str>> {
    let mut first = "";
    let next = rows.iter().skip(1).map(Some).chain([None]);
    rows.iter()
        .zip(next)
        .map(|(row, next)| {
            if row.part == 0 {
                first = &row.id;
            }
            (row.part > 0 || next.is_some_and(|n| n.part > 0)).then_some(first)
        })
        .collect()
}

fn push_values(
    values: &mut Vec<Value>,
    row: &OutboxRow,
    effect: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let json = |e: serde_json::Error| StoreError::Broken(e.to_string());
    let tag = row.tag.as_ref().map(serde_json::to_string).transpose().map_err(json)?;
    values.extend([
        Value::from(&row.id),
        Value::from(&row.app),
        Value::from(&row.lane),
        Value::from(row.class.as_str()),
        Value::from(&row.rule),
        Value::from(row.event.hex()),
        Value::from(row.action.as_str()),
        Value::from(row.part),
        Value::from(serde_json::to_string(&row.prepared).map_err(json)?),
        Value::from(&row.summary),
        Value::from(row.interactive),
        Value::from(READY),
        Value::from(0i64),
        Value::from(0i64),
        Value::from(row.not_before.unwrap_or(now).max(now)),
        Value::from(now),
        Value::from(row.expires_at),
        Value::from(tag.is_some()),
        Value::Text(tag),
        Value::Text(row.state_key.clone()),
        Value::Text(None),
        Value::Text(effect.map(str::to_owned)),
    ]);
    Ok(())
}

/// Of live content only the newest version is sent. Rows whose rule waits for the outcome are left
/// to the loop, which drops them and tells the rule.
async fn drop_older(tx: &mut Tx, app: &AppId, key: &str, event: EventId, now: Timestamp) -> Result<(), StoreError> {
    tx.query(
        "UPDATE outbox SET state = 'dropped', code = 'superseded', done_at = $4 \
         WHERE app = $1 AND state_key = $2 AND event_id <> $3 AND state = 'ready' AND wants_result = FALSE \
         AND seq < (SELECT MIN(n.seq) FROM outbox n WHERE n.app = $1 AND n.state_key = $2 AND n.event_id = $3)",
    )
    .bind(app)
    .bind(key)
    .bind(event.hex())
    .bind(now)
    .execute()
    .await
    .map(|_| ())
}

/// A row as the loop needs it.
#[derive(Debug, Clone)]
pub(super) struct Claimable {
    pub id: String,
    pub seq: i64,
    pub app: AppId,
    pub lane: String,
    pub class: DeliveryClass,
    pub rule: String,
    pub event_id: String,
    pub action: String,
    /// `None` when the stored form cannot be read.
    pub prepared: Option<Prepared>,
    pub attempts: u32,
    pub tries: u32,
    pub first_attempt_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub interactive: bool,
    pub wants_result: bool,
    pub tag: Option<String>,
    pub state_key: Option<String>,
    pub token: Option<String>,
    /// Set where the effect has several requests.
    pub effect: Option<String>,
    pub part: i64,
    pub newer: i64,
}

impl Claimable {
    /// The case of an attempt that began at `started`.
    pub fn case(&self, started: Timestamp) -> Case {
        Case {
            class: self.class,
            attempts: self.attempts,
            tries: self.tries,
            first_attempt_at: self.first_attempt_at.unwrap_or(started),
            key_window_ms: self.prepared.as_ref().and_then(|p| p.key_window_ms),
            created_at: self.created_at,
            expires_at: self.expires_at,
            superseded: self.class == DeliveryClass::State && self.newer > 0,
        }
    }
}

const FIELDS: &str = "o.id, o.seq, o.app, o.lane, o.class, o.rule, o.event_id, o.action, o.prepared, o.attempts, \
    o.tries, o.first_attempt_at, o.created_at, o.expires_at, o.interactive, o.wants_result, o.tag, o.state_key, o.token, o.effect, o.part, \
    (SELECT COUNT(*) FROM outbox n WHERE n.app = o.app AND n.state_key = o.state_key AND n.seq > o.seq \
     AND n.event_id <> o.event_id) AS newer";

/// True for a row at the head of its lane: nothing earlier is unfinished, nothing is under way, and
/// a row that waits for a decision has had its time. `$3` is now.
const HEAD: &str = "NOT EXISTS (SELECT 1 FROM outbox e WHERE e.lane = o.lane AND e.done_at IS NULL \
    AND (e.state = 'sending' OR (e.seq < o.seq AND (e.state = 'ready' \
    OR (e.state = 'needs_decision' AND e.hold_until > $3)))))";

fn read(row: &Row) -> Result<Claimable, StoreError> {
    let count = |name: &str| Ok::<u32, StoreError>(u32::try_from(row.get::<i64>(name)?).unwrap_or(u32::MAX));
    Ok(Claimable {
        id: row.get("id")?,
        seq: row.get("seq")?,
        app: row.get("app")?,
        lane: row.get("lane")?,
        // A class we do not know is treated as the most careful one.
        class: DeliveryClass::parse(&row.get::<String>("class")?).unwrap_or(DeliveryClass::Once),
        rule: row.get("rule")?,
        event_id: row.get("event_id")?,
        action: row.get("action")?,
        prepared: serde_json::from_str(&row.get::<String>("prepared")?).ok(),
        attempts: count("attempts")?,
        tries: count("tries")?,
        first_attempt_at: row.get("first_attempt_at")?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        interactive: row.get("interactive")?,
        wants_result: row.get("wants_result")?,
        tag: row.get("tag")?,
        state_key: row.get("state_key")?,
        token: row.get("token")?,
        effect: row.get("effect")?,
        part: row.get("part")?,
        newer: row.get("newer")?,
    })
}

/// A statement inside the transaction that is open, or outside any.
pub(super) fn on<'q>(store: &'q Store, tx: &'q mut Option<Tx>, sql: String) -> Query<'q> {
    match tx {
        Some(tx) => tx.query(sql),
        None => store.query(sql),
    }
}

/// Lane heads of an app that are due, oldest first, after `after`.
pub(super) async fn heads(
    store: &Store,
    tx: &mut Option<Tx>,
    app: &AppId,
    interactive: bool,
    now: Timestamp,
    after: i64,
    limit: usize,
) -> Result<Vec<Claimable>, StoreError> {
    let sql = format!(
        "SELECT {FIELDS} FROM outbox o WHERE o.app = $1 AND o.interactive = $2 AND o.state = 'ready' \
         AND o.next_at <= $3 AND o.seq > $4 AND {HEAD} ORDER BY o.seq LIMIT $5"
    );
    let rows = on(store, tx, sql)
        .bind(app)
        .bind(interactive)
        .bind(now)
        .bind(after)
        .bind(limit)
        .all()
        .await?;
    rows.iter().map(read).collect()
}

/// Rows that are due and belong to none of these apps.
pub(super) async fn homeless(
    store: &Store,
    tx: &mut Option<Tx>,
    apps: &[AppId],
    now: Timestamp,
) -> Result<Vec<Claimable>, StoreError> {
    let marks: Vec<String> = (0..apps.len()).map(|i| format!("${}", i + 2)).collect();
    let known = if apps.is_empty() {
        String::new()
    } else {
        format!("AND o.app NOT IN ({})", marks.join(", "))
    };
    let sql = format!(
        "SELECT {FIELDS} FROM outbox o WHERE o.state = 'ready' AND o.next_at <= $1 {known} ORDER BY o.next_at LIMIT 100"
    );
    let rows = on(store, tx, sql)
        .bind(now)
        .bind_all(apps.iter().map(Value::from))
        .all()
        .await?;
    rows.iter().map(read).collect()
}

/// Rows whose sender has not reported back in time.
pub(super) async fn expired_leases(
    store: &Store,
    tx: &mut Option<Tx>,
    now: Timestamp,
) -> Result<Vec<Claimable>, StoreError> {
    let sql = format!(
        "SELECT {FIELDS} FROM outbox o WHERE o.state = 'sending' AND o.lease_until <= $1 ORDER BY o.lease_until LIMIT 100"
    );
    let rows = on(store, tx, sql).bind(now).all().await?;
    rows.iter().map(read).collect()
}

/// Takes a row for sending. False when somebody else was faster.
pub(super) async fn claim(
    tx: &mut Tx,
    row: &Claimable,
    token: &str,
    now: Timestamp,
    lease_until: Timestamp,
) -> Result<bool, StoreError> {
    let changed = tx
        .query(
            "UPDATE outbox SET state = 'sending', token = $2, lease_until = $3, tries = tries + 1, \
             first_attempt_at = CASE WHEN attempts = 0 THEN $4 ELSE first_attempt_at END \
             WHERE id = $1 AND state = 'ready' AND NOT EXISTS (SELECT 1 FROM outbox e \
             WHERE e.lane = outbox.lane AND e.done_at IS NULL AND e.state = 'sending')",
        )
        .bind(&row.id)
        .bind(token)
        .bind(lease_until)
        .bind(now)
        .execute()
        .await?;
    if changed == 0 {
        return Ok(false);
    }
    tx.query("INSERT INTO outbox_attempt (outbox_id, attempt, token, started_at) VALUES ($1, $2, $3, $4)")
        .bind(&row.id)
        .bind(row.tries + 1)
        .bind(token)
        .bind(now)
        .execute()
        .await?;
    Ok(true)
}

/// Gives back a row that was claimed and certainly never sent: its claim may or may not have
/// committed.
pub(super) async fn unclaim(tx: &mut Tx, id: &str, token: &str, now: Timestamp) -> Result<(), StoreError> {
    tx.query("UPDATE outbox SET state = 'ready', token = NULL, lease_until = NULL WHERE id = $1 AND token = $2")
        .bind(id)
        .bind(token)
        .execute()
        .await?;
    end_attempt(tx, id, token, "not_sent", "the claim was not certain", now).await
}

/// What an attempt has come to.
pub(super) struct Ending<'a> {
    pub next: Next,
    /// The token under which it was sent; `None` when it ends without an attempt.
    pub token: Option<&'a str>,
    /// Name and detail of the outcome.
    pub outcome: &'static str,
    pub code: Option<&'a str>,
    pub detail: &'a str,
    pub receipt: Option<&'a Receipt>,
    pub now: Timestamp,
    pub hold: Duration,
}

/// Records what became of a row, and tells its rule when it is over. False when the row is in other
/// hands by now: then only the attempt gets a note.
pub(super) async fn finish(
    tx: &mut Tx,
    sink: &dyn EffectSink,
    row: &Claimable,
    end: &Ending<'_>,
) -> Result<bool, StoreError> {
    let (state, at, counts) = match end.next {
        Next::Sent => ("sent", None, true),
        Next::Rejected => ("rejected", None, false),
        Next::RetryAt(at) => (READY, Some(at), false),
        Next::ResendAt(at) => (READY, Some(at), true),
        Next::Unknown => ("unknown", None, true),
        Next::NeedsDecision => ("needs_decision", None, end.outcome == "unknown"),
        Next::Expired => ("expired", None, false),
        Next::Dropped => ("dropped", None, false),
    };
    let parked = end.next == Next::NeedsDecision;
    let over = at.is_none() && !parked;
    let code = end.code.or(over.then_some(state).filter(|s| *s != "sent"));
    let receipt = end
        .receipt
        .map(serde_json::to_string)
        .transpose()
        .map_err(|e| StoreError::Broken(e.to_string()))?;
    let held_by = match end.token {
        Some(_) => "state = 'sending' AND token = $2",
        None => "state = 'ready' AND $2 = ''",
    };
    let changed = tx
        .query(format!(
            "UPDATE outbox SET state = $3, attempts = attempts + $4, next_at = COALESCE($5, next_at), hold_until = $6, \
             done_at = $7, code = $8, error = $9, receipt = COALESCE($10, receipt), token = NULL, lease_until = NULL \
             WHERE id = $1 AND {held_by}"
        ))
        .bind(&row.id)
        .bind(end.token.unwrap_or(""))
        .bind(state)
        .bind(i64::from(counts))
        .bind(at)
        .bind(parked.then_some(end.now + end.hold))
        .bind(over.then_some(end.now))
        .bind(code)
        .bind(Some(end.detail).filter(|d| !d.is_empty()))
        .bind(receipt)
        .execute()
        .await?;
    if let Some(token) = end.token {
        let outcome = match changed {
            1 => end.outcome.to_owned(),
            _ => format!("late_{}", end.outcome),
        };
        end_attempt(tx, &row.id, token, &outcome, end.detail, end.now).await?;
    }
    if changed == 1 && over && end.next != Next::Sent && end.next != Next::Unknown {
        drop_rest(tx, row, end.now).await?;
    }
    if changed == 1 && over && row.wants_result {
        tell(tx, sink, row, end.next == Next::Sent, code, end.receipt, end.now).await?;
    }
    Ok(changed == 1)
}

/// A message that is not whole is not continued: the parts behind a missing one are dropped. Calls
/// about people, which stand alone, go on.
async fn drop_rest(tx: &mut Tx, row: &Claimable, now: Timestamp) -> Result<(), StoreError> {
    let Some(effect) = &row.effect else { return Ok(()) };
    if !matches!(row.action.as_str(), "send" | "reply" | "update_card") {
        return Ok(());
    }
    tx.query(
        "UPDATE outbox SET state = 'dropped', code = 'earlier_part', done_at = $3 \
         WHERE effect = $1 AND part > $2 AND state = 'ready'",
    )
    .bind(effect.as_str())
    .bind(row.part)
    .bind(now)
    .execute()
    .await
    .map(|_| ())
}

/// What became of all requests of an effect together: accepted when all are, the code of the first
/// that was not, everybody who was not reached, and the last receipt. `None` while one is not over.
async fn together(tx: &mut Tx, effect: &str) -> Result<Option<(bool, Option<String>, Receipt)>, StoreError> {
    let rows = tx
        .query("SELECT state, code, receipt, done_at FROM outbox WHERE effect = $1 ORDER BY part")
        .bind(effect)
        .all()
        .await?;
    let (mut ok, mut code, mut last, mut failed) = (true, None, Receipt::default(), Vec::new());
    for row in &rows {
        if row.get::<Option<Timestamp>>("done_at")?.is_none() {
            return Ok(None);
        }
        if row.get::<String>("state")? != "sent" && ok {
            ok = false;
            code = row.get("code")?;
        }
        let receipt: Option<Receipt> = row
            .get::<Option<String>>("receipt")?
            .and_then(|r| serde_json::from_str(&r).ok());
        if let Some(receipt) = receipt {
            failed.extend(receipt.failed.iter().cloned());
            last = receipt;
        }
    }
    last.failed = failed;
    Ok(Some((ok, code, last)))
}

async fn end_attempt(
    tx: &mut Tx,
    id: &str,
    token: &str,
    outcome: &str,
    detail: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.query("UPDATE outbox_attempt SET ended_at = $3, outcome = $4, detail = $5 WHERE outbox_id = $1 AND token = $2")
        .bind(id)
        .bind(token)
        .bind(now)
        .bind(outcome)
        .bind(Some(detail).filter(|d| !d.is_empty()))
        .execute()
        .await
        .map(|_| ())
}

async fn tell(
    tx: &mut Tx,
    sink: &dyn EffectSink,
    row: &Claimable,
    ok: bool,
    code: Option<&str>,
    receipt: Option<&Receipt>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let action: ActionKind = serde_json::from_value(serde_json::Value::String(row.action.clone()))
        .map_err(|e| StoreError::Broken(e.to_string()))?;
    let (ok, code, receipt) = match &row.effect {
        None => (ok, code.map(str::to_owned), receipt.cloned().unwrap_or_default()),
        Some(effect) => match together(tx, effect).await? {
            Some(whole) => whole,
            // The one that ends last tells.
            None => return Ok(()),
        },
    };
    let id = row.effect.as_ref().unwrap_or(&row.id);
    let body = Body::EffectDone {
        effect: id.clone(),
        rule: row.rule.clone(),
        action,
        ok,
        code,
        failed: receipt.failed.clone(),
        receipt,
        tag: row
            .tag
            .as_deref()
            .and_then(|t| serde_json::from_str(t).ok())
            .unwrap_or_default(),
    };
    sink.effect_done(tx, &row.app, id, body, now).await
}

/// True when a newer version of the same live content exists.
pub(super) async fn superseded(tx: &mut Tx, row: &Claimable) -> Result<bool, StoreError> {
    let Some(key) = row.state_key.as_deref().filter(|_| row.class == DeliveryClass::State) else {
        return Ok(false);
    };
    let found = tx
        .query("SELECT COUNT(*) AS n FROM outbox WHERE app = $1 AND state_key = $2 AND seq > $3 AND event_id <> $4")
        .bind(&row.app)
        .bind(key)
        .bind(row.seq)
        .bind(&row.event_id)
        .one()
        .await?;
    Ok(found.get::<i64>("n")? > 0)
}

/// The next time at which something changes by itself, later than `now`.
pub(super) async fn next_due(store: &Store, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    let row = store
        .query(
            "SELECT MIN(t.at) AS at FROM (\
             SELECT MIN(next_at) AS at FROM outbox WHERE state = 'ready' AND next_at > $1 \
             UNION ALL SELECT MIN(hold_until) AS at FROM outbox WHERE state = 'needs_decision' AND hold_until > $1 \
             UNION ALL SELECT MIN(lease_until) AS at FROM outbox WHERE state = 'sending' AND lease_until > $1) AS t",
        )
        .bind(now)
        .one()
        .await?;
    row.get("at")
}

// ---------------------------------------------------------------- operators

/// A row whose outcome is not known, for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedRow {
    pub id: String,
    pub app: AppId,
    pub lane: String,
    pub rule: String,
    pub action: String,
    /// `needs_decision` or `unknown`.
    pub state: String,
    pub summary: String,
    pub created_at: Timestamp,
    pub first_attempt_at: Option<Timestamp>,
    pub attempts: i64,
    pub error: Option<String>,
}

/// Rows that wait for a decision, then replies that were left as unknown; newest first.
pub async fn parked(store: &Store, limit: usize) -> Result<Vec<ParkedRow>, StoreError> {
    listed(store, "state IN ('needs_decision', 'unknown')", limit).await
}

async fn listed(store: &Store, which: &'static str, limit: usize) -> Result<Vec<ParkedRow>, StoreError> {
    let sql = format!(
        "SELECT id, app, lane, rule, action, state, summary, created_at, first_attempt_at, attempts, error \
         FROM outbox WHERE {which} ORDER BY state, seq DESC LIMIT $1"
    );
    let rows = store.query(sql).bind(limit).all().await?;
    rows.iter()
        .map(|row| {
            Ok(ParkedRow {
                id: row.get("id")?,
                app: row.get("app")?,
                lane: row.get("lane")?,
                rule: row.get("rule")?,
                action: row.get("action")?,
                state: row.get("state")?,
                summary: row.get("summary")?,
                created_at: row.get("created_at")?,
                first_attempt_at: row.get("first_attempt_at")?,
                attempts: row.get("attempts")?,
                error: row.get("error")?,
            })
        })
        .collect()
}

/// Ends all leases: for a process that has just become the only one on its database, so that what
/// the one before it left half-done need not wait for them.
pub async fn end_leases(store: &Store, now: Timestamp) -> Result<u64, StoreError> {
    store
        .query("UPDATE outbox SET lease_until = $1 WHERE state = 'sending' AND lease_until > $1")
        .bind(now)
        .execute()
        .await
}

/// "Send it again": the doubt is settled by a person, and the row gets a new life of its class. Also
/// releases a held row. False when no such row waits.
pub async fn resend(tx: &mut Tx, id: &str, now: Timestamp) -> Result<bool, StoreError> {
    // A rule that was already told "unknown" is not told a second time.
    let changed = tx
        .query(
            "UPDATE outbox SET state = 'ready', attempts = 0, next_at = $2, hold_until = NULL, done_at = NULL, \
             wants_result = CASE WHEN state = 'unknown' THEN FALSE ELSE wants_result END, \
             expires_at = $2 + CASE WHEN class = 'once' THEN $3 WHEN class = 'state' THEN $4 ELSE $5 END \
             WHERE id = $1 AND state IN ('needs_decision', 'unknown', 'held')",
        )
        .bind(id)
        .bind(now)
        .bind(millis(retry::ONCE_LIFE))
        .bind(millis(retry::STATE_LIFE))
        .bind(millis(retry::REPLY_LIFE))
        .execute()
        .await?;
    Ok(changed == 1)
}

/// "It has arrived": recorded as sent, and its rule is told so.
pub async fn settle(tx: &mut Tx, sink: &dyn EffectSink, id: &str, now: Timestamp) -> Result<bool, StoreError> {
    decide(tx, sink, id, true, now).await
}

/// "Leave it": never sent again.
pub async fn abandon(tx: &mut Tx, sink: &dyn EffectSink, id: &str, now: Timestamp) -> Result<bool, StoreError> {
    decide(tx, sink, id, false, now).await
}

async fn decide(
    tx: &mut Tx,
    sink: &dyn EffectSink,
    id: &str,
    arrived: bool,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let sql = format!(
        "SELECT {FIELDS}, o.state FROM outbox o WHERE o.id = $1 AND o.state IN ('needs_decision', 'unknown', 'held')"
    );
    let Some(found) = tx.query(sql).bind(id).optional().await? else {
        return Ok(false);
    };
    let (row, state): (Claimable, String) = (read(&found)?, found.get("state")?);
    let (to, code) = if arrived {
        ("sent", "settled")
    } else {
        ("dropped", "abandoned")
    };
    let changed = tx
        .query("UPDATE outbox SET state = $2, code = $3, done_at = $4, hold_until = NULL WHERE id = $1 AND state = $5")
        .bind(id)
        .bind(to)
        .bind(code)
        .bind(now)
        .bind(&state)
        .execute()
        .await?;
    if changed == 1 && !arrived {
        drop_rest(tx, &row, now).await?;
    }
    if changed == 1 && row.wants_result && state != "unknown" {
        tell(tx, sink, &row, arrived, Some(code), None, now).await?;
    }
    Ok(changed == 1)
}

/// After a backup was restored: rows older than `before` wait for an operator instead of leaving
/// again. Returns how many.
pub async fn hold_older(tx: &mut Tx, before: Timestamp) -> Result<u64, StoreError> {
    tx.query("UPDATE outbox SET state = 'held', token = NULL, lease_until = NULL WHERE state IN ('ready', 'sending') AND created_at < $1")
        .bind(before)
        .execute()
        .await
}

/// Lets held rows go: one, or all. Each gets a new life of its class. Returns how many.
pub async fn release_held(tx: &mut Tx, id: Option<&str>, now: Timestamp) -> Result<u64, StoreError> {
    let mut released = 0;
    for id in held_ids(tx, id).await? {
        released += u64::from(resend(tx, &id, now).await?);
    }
    Ok(released)
}

/// Held rows are never sent: one, or all. Returns how many.
pub async fn abandon_held(
    tx: &mut Tx,
    sink: &dyn EffectSink,
    id: Option<&str>,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let mut abandoned = 0;
    for id in held_ids(tx, id).await? {
        abandoned += u64::from(abandon(tx, sink, &id, now).await?);
    }
    Ok(abandoned)
}

async fn held_ids(tx: &mut Tx, id: Option<&str>) -> Result<Vec<String>, StoreError> {
    tx.query("SELECT id FROM outbox WHERE state = 'held' AND ($1 IS NULL OR id = $2) ORDER BY seq")
        .bind(id.map(str::to_owned))
        .bind(id.unwrap_or_default())
        .all()
        .await?
        .iter()
        .map(|row| row.get("id"))
        .collect()
}

/// Rows that are held, newest first.
pub async fn held(store: &Store, limit: usize) -> Result<Vec<ParkedRow>, StoreError> {
    listed(store, "state = 'held'", limit).await
}

/// Stops or resumes all sending, for every replica and across restarts.
pub async fn pause_all(tx: &mut Tx, paused: bool, now: Timestamp) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO outbox_pause (scope, paused, changed_at) VALUES ('all', $1, $2) \
         ON CONFLICT (scope) DO UPDATE SET paused = excluded.paused, changed_at = excluded.changed_at",
    )
    .bind(paused)
    .bind(now)
    .execute()
    .await
    .map(|_| ())
}

/// Whether all sending is stopped.
pub async fn all_paused(store: &Store) -> Result<bool, StoreError> {
    let row = store
        .query("SELECT paused FROM outbox_pause WHERE scope = 'all'")
        .optional()
        .await?;
    Ok(row.map(|r| r.get("paused")).transpose()?.unwrap_or(false))
}

/// How the outbox stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutboxCounts {
    /// Rows by state.
    pub by_state: Vec<(String, i64)>,
    /// When the oldest row was written that is due and still waits.
    pub oldest_ready: Option<Timestamp>,
}

impl OutboxCounts {
    pub fn of(&self, state: &str) -> i64 {
        self.by_state.iter().find(|(s, _)| s == state).map_or(0, |(_, n)| *n)
    }
    /// How long the oldest row has waited.
    pub fn oldest_age(&self, now: Timestamp) -> Duration {
        self.oldest_ready.map_or(Duration::ZERO, |t| now.since(t))
    }
}

pub async fn counts(store: &Store, now: Timestamp) -> Result<OutboxCounts, StoreError> {
    let rows = store
        .query("SELECT state, COUNT(*) AS n FROM outbox GROUP BY state ORDER BY state")
        .all()
        .await?;
    let by_state = rows
        .iter()
        .map(|r| Ok((r.get("state")?, r.get("n")?)))
        .collect::<Result<_, StoreError>>()?;
    let oldest = store
        .query("SELECT MIN(created_at) AS at FROM outbox WHERE state = 'ready' AND next_at <= $1")
        .bind(now)
        .one()
        .await?;
    Ok(OutboxCounts {
        by_state,
        oldest_ready: oldest.get("at")?,
    })
}

/// Removes rows that ended before `now - keep` with their attempts, at most 500 a call. Returns how
/// many went.
pub async fn prune(store: &Store, now: Timestamp, keep: Duration) -> Result<u64, StoreError> {
    let mut tx = store.begin().await?;
    let rows = tx
        .query("SELECT id FROM outbox WHERE done_at IS NOT NULL AND done_at < $1 ORDER BY done_at LIMIT 500")
        .bind(now - keep)
        .all()
        .await?;
    if rows.is_empty() {
        return Ok(0);
    }
    let ids = rows
        .iter()
        .map(|r| r.get::<String>("id").map(Value::from))
        .collect::<Result<Vec<_>, _>>()?;
    let marks: Vec<String> = (1..=ids.len()).map(|i| format!("${i}")).collect();
    let marks = marks.join(", ");
    tx.query(format!("DELETE FROM outbox_attempt WHERE outbox_id IN ({marks})"))
        .bind_all(ids.clone())
        .execute()
        .await?;
    let gone = tx
        .query(format!("DELETE FROM outbox WHERE id IN ({marks})"))
        .bind_all(ids)
        .execute()
        .await?;
    tx.commit().await?;
    Ok(gone)
}

fn millis(d: Duration) -> i64 {
    i64::try_from(d.as_millis()).unwrap_or(i64::MAX)
}
