//! SQL of the columns.

use std::collections::BTreeSet;

use hutong_model::{AppId, ChatId, MessageId, Timestamp};

use crate::directory::PersonId;
use crate::store::{Row, StoreError, Tx, Value, placeholders};

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

/// An occurrence that was handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    pub id: i64,
    pub column: String,
    pub slot: String,
    pub number: i64,
    pub state: String,
    pub at: Timestamp,
    /// JSON of the lines that were sent.
    pub items: String,
}

/// An issue in one chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    pub app: AppId,
    pub chat: ChatId,
    pub card: Option<MessageId>,
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

/// Claims an occurrence. `None` when it was handled before.
pub async fn claim_issue(
    tx: &mut Tx,
    column: &str,
    slot: &str,
    state: &str,
    items: &str,
    at: Timestamp,
) -> Result<Option<Issue>, StoreError> {
    let row = tx
        .query(
            "INSERT INTO column_issue (column_id, slot, number, state, at, items) VALUES ($1, $2, \
             (SELECT COUNT(*) + 1 FROM column_issue o WHERE o.column_id = $1 AND o.state = 'sent'), $3, $4, $5) \
             ON CONFLICT (column_id, slot) DO NOTHING \
             RETURNING id, column_id, slot, number, state, at, items",
        )
        .bind(column)
        .bind(slot)
        .bind(state)
        .bind(at)
        .bind(items)
        .optional()
        .await?;
    row.as_ref().map(read_issue).transpose()
}

pub async fn mark_used(tx: &mut Tx, item: i64, issue: i64) -> Result<(), StoreError> {
    tx.query("UPDATE column_item SET state = 'used', issue = $2 WHERE id = $1 AND state = 'approved'")
        .bind(item)
        .bind(issue)
        .ensure_rows(1)
        .await
}

pub async fn issue(tx: &mut Tx, id: i64) -> Result<Option<Issue>, StoreError> {
    tx.query("SELECT id, column_id, slot, number, state, at, items FROM column_issue WHERE id = $1")
        .bind(id)
        .optional()
        .await?
        .as_ref()
        .map(read_issue)
        .transpose()
}

/// The newest occurrence of a column, sent or not.
pub async fn last_issue(tx: &mut Tx, column: &str) -> Result<Option<Issue>, StoreError> {
    tx.query(
        "SELECT id, column_id, slot, number, state, at, items FROM column_issue WHERE column_id = $1 \
         ORDER BY id DESC LIMIT 1",
    )
    .bind(column)
    .optional()
    .await?
    .as_ref()
    .map(read_issue)
    .transpose()
}

/// Claims an issue for chats; returns those where it was not claimed before.
pub async fn claim_posts(
    tx: &mut Tx,
    issue: i64,
    chats: &[(AppId, ChatId)],
) -> Result<BTreeSet<(AppId, ChatId)>, StoreError> {
    let mut claimed = BTreeSet::new();
    let mut rest = chats;
    while !rest.is_empty() {
        // Few sizes, so that few statements are prepared.
        let size = [100, 20, 4, 1].into_iter().find(|n| *n <= rest.len()).unwrap_or(1);
        let (chunk, later) = rest.split_at(size);
        rest = later;
        let text = format!(
            "INSERT INTO column_post (issue, app, chat, state) VALUES {} \
             ON CONFLICT (issue, app, chat) DO NOTHING RETURNING app, chat",
            placeholders(size, 4)
        );
        let values = chunk.iter().flat_map(|(app, chat)| {
            [
                Value::from(issue),
                Value::from(app),
                Value::from(chat),
                Value::from("waiting"),
            ]
        });
        for row in tx.query(text).bind_all(values).all().await? {
            claimed.insert((row.get("app")?, row.get("chat")?));
        }
    }
    Ok(claimed)
}

pub async fn posted(
    tx: &mut Tx,
    issue: i64,
    app: &AppId,
    chat: &ChatId,
    card: Option<&MessageId>,
    ok: bool,
) -> Result<(), StoreError> {
    tx.query("UPDATE column_post SET card = $4, state = $5 WHERE issue = $1 AND app = $2 AND chat = $3")
        .bind(issue)
        .bind(app)
        .bind(chat)
        .bind(card.map(|c| c.as_str().to_owned()))
        .bind(if ok { "sent" } else { "failed" })
        .execute()
        .await
        .map(|_| ())
}

pub async fn posts(tx: &mut Tx, issue: i64, limit: i64) -> Result<Vec<Post>, StoreError> {
    let rows = tx
        .query("SELECT app, chat, card FROM column_post WHERE issue = $1 ORDER BY app, chat LIMIT $2")
        .bind(issue)
        .bind(limit)
        .all()
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Post {
                app: row.get("app")?,
                chat: row.get("chat")?,
                card: row.get("card")?,
            })
        })
        .collect()
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

fn read_issue(row: &Row) -> Result<Issue, StoreError> {
    Ok(Issue {
        id: row.get("id")?,
        column: row.get("column_id")?,
        slot: row.get("slot")?,
        number: row.get("number")?,
        state: row.get("state")?,
        at: row.get("at")?,
        items: row.get("items")?,
    })
}
