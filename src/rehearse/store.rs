//! SQL of the rehearsal: on its copy, and the requests from chats in the real store.

use std::collections::BTreeMap;

use hutong_model::{ActionKind, AppId, ChatId, DeliveryClass, Event, Prepared, Receipt, Timestamp};

use crate::store::{Row, Store, StoreError, Tx};

/// What is not copied: what is under way is delivered by the service and no plan, and nobody's reading.
pub const LEFT_OUT: [&str; 12] = [
    "inbox",
    "work",
    "outbox",
    "outbox_attempt",
    "outbox_pause",
    "link_lease",
    "audit",
    "activity_message",
    "rehearsal",
    "sync_todo",
    "limiter_slot",
    "alert",
];

/// A row of the outbox as the rehearsal reads it.
#[derive(Debug, Clone)]
pub struct Ready {
    pub id: String,
    pub app: AppId,
    pub lane: String,
    pub class: DeliveryClass,
    pub rule: String,
    pub event: String,
    pub action: String,
    pub part: i64,
    pub prepared: Prepared,
    pub summary: String,
    pub interactive: bool,
    pub tag: Option<String>,
    pub effect: Option<String>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
}

/// Takes everything that is to be sent out of the outbox.
pub async fn take_ready(store: &Store) -> Result<Vec<Ready>, StoreError> {
    let rows = store
        .query(
            "SELECT id, app, lane, class, rule, event_id, action, part, prepared, summary, interactive, tag, effect, \
             created_at, expires_at FROM outbox WHERE state = 'ready' ORDER BY seq",
        )
        .all()
        .await?;
    if !rows.is_empty() {
        store
            .query("DELETE FROM outbox WHERE state = 'ready'")
            .execute()
            .await?;
    }
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Ready, StoreError> {
    Ok(Ready {
        id: row.get("id")?,
        app: row.get("app")?,
        lane: row.get("lane")?,
        class: DeliveryClass::parse(&row.get::<String>("class")?).unwrap_or(DeliveryClass::Once),
        rule: row.get("rule")?,
        event: row.get("event_id")?,
        action: row.get("action")?,
        part: row.get("part")?,
        prepared: serde_json::from_str(&row.get::<String>("prepared")?)
            .map_err(|e| StoreError::Broken(e.to_string()))?,
        summary: row.get("summary")?,
        interactive: row.get("interactive")?,
        tag: row.get("tag")?,
        effect: row.get("effect")?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
    })
}

/// Lets outcomes into the inbox, all at once.
pub async fn tell(store: &Store, told: &[Event], now: Timestamp) -> Result<(), StoreError> {
    if told.is_empty() {
        return Ok(());
    }
    let list: Vec<_> = told
        .iter()
        .map(|t| {
            let body = serde_json::to_string(&t.body)?;
            Ok(serde_json::json!([t.app.as_str(), t.key, body]))
        })
        .collect::<Result<_, serde_json::Error>>()
        .map_err(|e| StoreError::Broken(e.to_string()))?;
    let list = serde_json::to_string(&list).map_err(|e| StoreError::Broken(e.to_string()))?;
    store
        .query(
            "INSERT INTO inbox (app, dedupe, lane, kind, occurred_at, received_at, state, body) \
             SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[0]') || ':done', \
             'effect_done', $2, $2, 0, json_extract(value, '$[2]') FROM json_each($1)",
        )
        .bind(list)
        .bind(now)
        .execute()
        .await
        .map(|_| ())
}

/// Events that are over go: nothing asks for them again.
pub async fn forget_events(store: &Store) -> Result<(), StoreError> {
    store
        .query("DELETE FROM inbox WHERE state <> 0 AND seq NOT IN (SELECT seq FROM work)")
        .execute()
        .await
        .map(|_| ())
}

/// Names of groups and how many people are in them, as far as the directory knows.
pub async fn groups(store: &Store) -> Result<BTreeMap<(AppId, ChatId), (Option<String>, u32)>, StoreError> {
    let rows = store
        .query(
            "SELECT c.app, c.chat_id, c.name, \
             (SELECT COUNT(*) FROM chat_member m WHERE m.app = c.app AND m.chat_id = c.chat_id AND m.left_at IS NULL) AS n \
             FROM chat c WHERE c.active = TRUE",
        )
        .all()
        .await?;
    rows.iter()
        .map(|row| {
            let n = u32::try_from(row.get::<i64>("n")?).unwrap_or(u32::MAX);
            Ok(((row.get("app")?, row.get("chat_id")?), (row.get("name")?, n)))
        })
        .collect()
}

/// Names of people by account.
pub async fn names(store: &Store) -> Result<BTreeMap<String, String>, StoreError> {
    let rows = store
        .query("SELECT i.user_id, p.name FROM identity i JOIN person p ON p.id = i.person")
        .all()
        .await?;
    rows.iter()
        .map(|row| Ok((row.get("user_id")?, row.get("name")?)))
        .collect()
}

/// The people of a chat by account, for a rule that asks who is there.
pub async fn accounts_in(store: &Store, app: &AppId, chat: &str) -> Result<Vec<String>, StoreError> {
    let rows = store
        .query(
            "SELECT DISTINCT i.user_id FROM chat_member m JOIN identity i ON i.person = m.person AND i.is_main = TRUE \
             WHERE m.app = $1 AND m.chat_id = $2 AND m.left_at IS NULL",
        )
        .bind(app)
        .bind(chat)
        .all()
        .await?;
    rows.iter().map(|row| row.get("user_id")).collect()
}

/// Group rules that have made no group yet.
pub async fn has_groups(store: &Store, rule: &str) -> Result<bool, StoreError> {
    let row = store
        .query("SELECT COUNT(*) AS n FROM group_chat WHERE rule = $1 AND state = 'ready'")
        .bind(rule)
        .one()
        .await?;
    Ok(row.get::<i64>("n")? > 0)
}

/// A group that stands for those which a rule will make.
pub async fn placeholder(store: &Store, rule: &str, app: &AppId, name: &str, now: Timestamp) -> Result<(), StoreError> {
    store
        .query(
            "INSERT INTO group_chat (rule, department, app, chat_id, name, owner, state, detail, updated_at) \
             VALUES ($1, 'placeholder', $2, $3, $4, NULL, 'ready', '', $5) ON CONFLICT (rule, department) DO NOTHING",
        )
        .bind(rule)
        .bind(app)
        .bind(format!("rule:{rule}"))
        .bind(name)
        .bind(now)
        .execute()
        .await
        .map(|_| ())
}

/// Budgeted messages by group and day.
pub async fn posts(store: &Store, from: &str) -> Result<BTreeMap<(AppId, ChatId, String), u32>, StoreError> {
    let rows = store
        .query("SELECT app, chat, day, posts FROM noise_day WHERE day >= $1 AND posts > 0")
        .bind(from)
        .all()
        .await?;
    rows.iter()
        .map(|row| {
            let n = u32::try_from(row.get::<i64>("posts")?).unwrap_or(u32::MAX);
            Ok(((row.get("app")?, row.get("chat")?, row.get("day")?), n))
        })
        .collect()
}

/// What `receipt` of a rehearsed effect looks like to its rule.
pub fn receipt(number: u64, action: ActionKind) -> Receipt {
    let mut receipt = Receipt::default();
    match action {
        ActionKind::Send | ActionKind::Reply | ActionKind::UpdateCard => {
            receipt.message = hutong_model::MessageId::new(format!("rehearsed-{number}")).ok();
        }
        ActionKind::CreateChat => receipt.chat = ChatId::new(format!("rehearsed-{number}")).ok(),
        ActionKind::Upload => receipt.handle = Some(format!("rehearsed-{number}")),
        _ => {}
    }
    receipt
}

/// A rehearsal that was asked for in a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub id: String,
    pub days: u32,
    /// JSON.
    pub asker: String,
    pub state: String,
    /// JSON.
    pub lines: Option<String>,
}

pub async fn ask(tx: &mut Tx, id: &str, days: u32, asker: &str, now: Timestamp) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO rehearsal (id, days, asked_at, asker, state, lines) VALUES ($1, $2, $3, $4, 'waiting', NULL) \
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(id)
    .bind(days)
    .bind(now)
    .bind(asker)
    .execute()
    .await
    .map(|_| ())
}

/// How many somebody's requests wait.
pub async fn waiting(tx: &mut Tx) -> Result<i64, StoreError> {
    let row = tx
        .query("SELECT COUNT(*) AS n FROM rehearsal WHERE state = 'waiting'")
        .one()
        .await?;
    row.get("n")
}

fn read_request(row: &Row) -> Result<Request, StoreError> {
    Ok(Request {
        id: row.get("id")?,
        days: u32::try_from(row.get::<i64>("days")?).unwrap_or(14),
        asker: row.get("asker")?,
        state: row.get("state")?,
        lines: row.get("lines")?,
    })
}

/// The oldest request that waits.
pub async fn next_request(store: &Store) -> Result<Option<Request>, StoreError> {
    let row = store
        .query("SELECT id, days, asker, state, lines FROM rehearsal WHERE state = 'waiting' ORDER BY asked_at LIMIT 1")
        .optional()
        .await?;
    row.as_ref().map(read_request).transpose()
}

pub async fn request(tx: &mut Tx, id: &str) -> Result<Option<Request>, StoreError> {
    let row = tx
        .query("SELECT id, days, asker, state, lines FROM rehearsal WHERE id = $1")
        .bind(id)
        .optional()
        .await?;
    row.as_ref().map(read_request).transpose()
}

/// Answers a request. False when another replica has.
pub async fn answer(
    tx: &mut Tx,
    id: &str,
    state: &str,
    lines: &str,
    keep_since: Timestamp,
) -> Result<bool, StoreError> {
    let n = tx
        .query("UPDATE rehearsal SET state = $2, lines = $3 WHERE id = $1 AND state = 'waiting'")
        .bind(id)
        .bind(state)
        .bind(lines)
        .execute()
        .await?;
    tx.query("DELETE FROM rehearsal WHERE asked_at < $1")
        .bind(keep_since)
        .execute()
        .await?;
    Ok(n == 1)
}

/// Remembers the configuration that the service runs with, for comparisons.
pub async fn remember_running(store: &Store, json: &str, now: Timestamp) -> Result<(), StoreError> {
    store
        .query(
            "INSERT INTO setting (name, value, created_at) VALUES ('running_config', $1, $2) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value, created_at = excluded.created_at",
        )
        .bind(json)
        .bind(now)
        .execute()
        .await
        .map(|_| ())
}

pub async fn running(store: &Store) -> Result<Option<String>, StoreError> {
    let row = store
        .query("SELECT value FROM setting WHERE name = 'running_config'")
        .optional()
        .await?;
    row.map(|r| r.get("value")).transpose()
}

/// Calls that the real store behind `url` knows of, kept in the copy by app and hour.
pub async fn remember_calls(copy: &Store, url: &str) -> Result<(), StoreError> {
    let calls = crate::store::calls_by_hour(url).await?;
    let json = serde_json::to_string(&calls).map_err(|e| StoreError::Broken(e.to_string()))?;
    copy.query(
        "INSERT INTO setting (name, value, created_at) VALUES ('rehearsal_calls', $1, 0) \
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
    .bind(json)
    .execute()
    .await
    .map(|_| ())
}

/// What [`remember_calls`] has found: app, hour, calls.
pub async fn calls_of_month(copy: &Store) -> Result<Vec<(AppId, Timestamp, u64)>, StoreError> {
    let row = copy
        .query("SELECT value FROM setting WHERE name = 'rehearsal_calls'")
        .optional()
        .await?;
    let Some(row) = row else { return Ok(Vec::new()) };
    let list: Vec<(String, i64, i64)> =
        serde_json::from_str(&row.get::<String>("value")?).map_err(|e| StoreError::Broken(e.to_string()))?;
    Ok(list
        .into_iter()
        .filter_map(|(app, hour, n)| {
            let at = Timestamp::from_millis(hour.checked_mul(3_600_000)?);
            Some((AppId::new(app).ok()?, at, u64::try_from(n).ok()?))
        })
        .collect())
}

/// True when people wrote something in a group of the company on the days `first` to `last`.
pub async fn talked(store: &Store, first: &str, last: &str) -> Result<bool, StoreError> {
    let row = store
        .query(
            "SELECT COUNT(*) AS n FROM activity a JOIN chat c ON c.app = a.app AND c.chat_id = a.chat \
             WHERE a.day BETWEEN $1 AND $2 AND a.messages > 0 AND c.active = TRUE AND c.external = FALSE",
        )
        .bind(first)
        .bind(last)
        .one()
        .await?;
    Ok(row.get::<i64>("n")? > 0)
}
