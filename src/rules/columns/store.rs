//! SQL of the columns.

use hutong_model::{AppId, ChatId, MessageId, Timestamp};

use crate::directory::PersonId;
use crate::store::{Row, StoreError, Tx};

/// Something sent in for a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub id: i64,
    pub column: String,
    pub author: PersonId,
    pub author_name: String,
    pub body: String,
    pub app: AppId,
    pub state: String,
}

pub async fn paused(tx: &mut Tx, column: &str) -> Result<bool, StoreError> {
    let row = tx
        .query("SELECT COUNT(*) AS n FROM column_state WHERE column_id = $1 AND paused = TRUE")
        .bind(column)
        .one()
        .await?;
    Ok(row.get::<i64>("n")? > 0)
}

pub async fn set_paused(
    tx: &mut Tx,
    column: &str,
    paused: bool,
    by: &PersonId,
    at: Timestamp,
) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO column_state (column_id, paused, changed_by, changed_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (column_id) DO UPDATE SET paused = excluded.paused, changed_by = excluded.changed_by, \
         changed_at = excluded.changed_at",
    )
    .bind(column)
    .bind(paused)
    .bind(by.as_str())
    .bind(at)
    .execute()
    .await
    .map(|_| ())
}

/// What is sent in; its cause is entered once.
#[derive(Debug, Clone)]
pub struct NewItem<'a> {
    pub column: &'a str,
    pub cause: String,
    pub author: &'a PersonId,
    pub body: &'a str,
    pub app: &'a AppId,
    pub message: Option<&'a MessageId>,
    pub at: Timestamp,
}

/// Returns false for a repeat.
pub async fn submit(tx: &mut Tx, item: &NewItem<'_>) -> Result<bool, StoreError> {
    let n = tx
        .query(
            "INSERT INTO column_item (column_id, cause, author, body, state, app, message, at) \
             VALUES ($1, $2, $3, $4, 'pending', $5, $6, $7) ON CONFLICT (cause) DO NOTHING",
        )
        .bind(item.column)
        .bind(item.cause.as_str())
        .bind(item.author.as_str())
        .bind(item.body)
        .bind(item.app)
        .bind(item.message.map(|m| m.as_str().to_owned()))
        .bind(item.at)
        .execute()
        .await?;
    Ok(n == 1)
}

/// A submission whose message was taken back goes too, unless it has appeared.
pub async fn withdraw(tx: &mut Tx, app: &AppId, message: &MessageId) -> Result<u64, StoreError> {
    tx.query("DELETE FROM column_item WHERE app = $1 AND message = $2 AND state <> 'used'")
        .bind(app)
        .bind(message)
        .execute()
        .await
}

const ITEM: &str = "SELECT i.id, i.column_id, i.author, p.name AS author_name, i.body, i.app, i.state \
     FROM column_item i JOIN person p ON p.id = i.author ";

pub async fn items(tx: &mut Tx, column: &str, state: &str, limit: i64) -> Result<Vec<Item>, StoreError> {
    let sql = format!("{ITEM} WHERE i.column_id = $1 AND i.state = $2 ORDER BY i.id LIMIT $3");
    let rows = tx.query(sql).bind(column).bind(state).bind(limit).all().await?;
    rows.iter().map(read_item).collect()
}

pub async fn item(tx: &mut Tx, id: i64) -> Result<Option<Item>, StoreError> {
    let sql = format!("{ITEM} WHERE i.id = $1");
    tx.query(sql)
        .bind(id)
        .optional()
        .await?
        .as_ref()
        .map(read_item)
        .transpose()
}

pub async fn count(tx: &mut Tx, column: &str, state: &str) -> Result<i64, StoreError> {
    let row = tx
        .query("SELECT COUNT(*) AS n FROM column_item WHERE column_id = $1 AND state = $2")
        .bind(column)
        .bind(state)
        .one()
        .await?;
    row.get("n")
}

/// How many of a person's submissions wait to be looked at.
pub async fn pending_of(tx: &mut Tx, column: &str, author: &PersonId) -> Result<i64, StoreError> {
    let row = tx
        .query("SELECT COUNT(*) AS n FROM column_item WHERE column_id = $1 AND author = $2 AND state = 'pending'")
        .bind(column)
        .bind(author.as_str())
        .one()
        .await?;
    row.get("n")
}

/// Two editors may decide at once: only the first one counts. Returns whether this was it.
pub async fn decide(tx: &mut Tx, id: i64, state: &str) -> Result<bool, StoreError> {
    let n = tx
        .query("UPDATE column_item SET state = $2 WHERE id = $1 AND state = 'pending'")
        .bind(id)
        .bind(state)
        .execute()
        .await?;
    Ok(n == 1)
}

pub async fn mark_used(tx: &mut Tx, item: i64, issue: i64) -> Result<(), StoreError> {
    tx.query("UPDATE column_item SET state = 'used', issue = $2 WHERE id = $1 AND state = 'approved'")
        .bind(item)
        .bind(issue)
        .ensure_rows(1)
        .await
}

/// Counts a person once. Returns false when they were counted before.
pub async fn vote(tx: &mut Tx, issue: i64, person: &PersonId, at: Timestamp) -> Result<bool, StoreError> {
    let n = tx
        .query("INSERT INTO column_vote (issue, person, at) VALUES ($1, $2, $3) ON CONFLICT (issue, person) DO NOTHING")
        .bind(issue)
        .bind(person.as_str())
        .bind(at)
        .execute()
        .await?;
    Ok(n == 1)
}

pub async fn votes(tx: &mut Tx, issue: i64) -> Result<i64, StoreError> {
    let row = tx
        .query("SELECT COUNT(*) AS n FROM column_vote WHERE issue = $1")
        .bind(issue)
        .one()
        .await?;
    row.get("n")
}

/// One more message of the bot in a group on a day; returns how many there are now.
pub async fn count_post(tx: &mut Tx, app: &AppId, chat: &ChatId, day: &str) -> Result<i64, StoreError> {
    let row = tx
        .query(
            "INSERT INTO bot_post_count (app, chat, day, n) VALUES ($1, $2, $3, 1) \
             ON CONFLICT (app, chat, day) DO UPDATE SET n = bot_post_count.n + 1 RETURNING n",
        )
        .bind(app)
        .bind(chat)
        .bind(day)
        .one()
        .await?;
    row.get("n")
}

/// The groups that a group rule keeps.
pub async fn chats_of_rule(tx: &mut Tx, rule: &str) -> Result<Vec<(AppId, ChatId)>, StoreError> {
    let rows = tx
        .query("SELECT app, chat_id FROM group_chat WHERE rule = $1 AND state = 'ready' AND chat_id IS NOT NULL ORDER BY department")
        .bind(rule)
        .all()
        .await?;
    rows.iter()
        .map(|row| Ok((row.get("app")?, row.get("chat_id")?)))
        .collect()
}

fn read_item(row: &Row) -> Result<Item, StoreError> {
    let author: String = row.get("author")?;
    Ok(Item {
        id: row.get("id")?,
        column: row.get("column_id")?,
        author: PersonId::parse(&author).ok_or_else(|| StoreError::Broken("author is not a person id".to_owned()))?,
        author_name: row.get("author_name")?,
        body: row.get("body")?,
        app: row.get("app")?,
        state: row.get("state")?,
    })
}
