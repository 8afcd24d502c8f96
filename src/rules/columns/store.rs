//! SQL of the columns.

use hutong_model::{AppId, ChatId, CompanyId, MessageId, Timestamp};

use crate::directory::PersonId;
use crate::issues::Issue;
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
    /// JSON list of files.
    pub files: String,
    /// `2026-12-31`, or empty.
    pub expires: String,
    /// Who answers for it.
    pub owner: Option<PersonId>,
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
    /// JSON list of [`crate::issues::File`].
    pub files: &'a str,
    pub at: Timestamp,
}

/// Returns false for a repeat.
pub async fn submit(tx: &mut Tx, item: &NewItem<'_>) -> Result<bool, StoreError> {
    let n = tx
        .query(
            "INSERT INTO column_item (column_id, cause, author, body, state, app, message, at, files, owner) \
             VALUES ($1, $2, $3, $4, 'pending', $5, $6, $7, $8, $3) ON CONFLICT (cause) DO NOTHING",
        )
        .bind(item.column)
        .bind(item.cause.as_str())
        .bind(item.author.as_str())
        .bind(item.body)
        .bind(item.app)
        .bind(item.message.map(|m| m.as_str().to_owned()))
        .bind(item.at)
        .bind(item.files)
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

const ITEM: &str = "SELECT i.id, i.column_id, i.author, p.name AS author_name, i.body, i.app, i.state, i.files, i.expires, i.owner \
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

/// The groups that group rules keep for a department, `*` for all.
pub async fn chats_of_department(tx: &mut Tx, app: &AppId, name: &str) -> Result<Vec<(AppId, ChatId)>, StoreError> {
    let rows = tx
        .query(
            "SELECT DISTINCT g.app AS app, g.chat_id AS chat_id FROM group_chat g \
             LEFT JOIN department d ON d.id = g.department \
             WHERE g.app = $1 AND g.state = 'ready' AND g.chat_id IS NOT NULL AND ($2 = '*' OR d.name = $2 OR g.department = $2) \
             ORDER BY chat_id",
        )
        .bind(app)
        .bind(name)
        .all()
        .await?;
    rows.iter()
        .map(|row| Ok((row.get("app")?, row.get("chat_id")?)))
        .collect()
}

/// The person with an employee number.
pub async fn employee(tx: &mut Tx, company: &CompanyId, number: &str) -> Result<Option<PersonId>, StoreError> {
    let row = tx
        .query("SELECT id FROM person WHERE company = $1 AND employee_no = $2 ORDER BY active DESC, id LIMIT 1")
        .bind(company)
        .bind(number)
        .optional()
        .await?;
    let id: Option<String> = row.map(|r| r.get("id")).transpose()?;
    Ok(id.and_then(|id| PersonId::parse(&id)))
}

/// Notes that something was said; false when it was said before.
pub async fn tell_once(tx: &mut Tx, what: &str, at: Timestamp) -> Result<bool, StoreError> {
    let n = tx
        .query("INSERT INTO column_told (what, at) VALUES ($1, $2) ON CONFLICT (what) DO NOTHING")
        .bind(what)
        .bind(at)
        .execute()
        .await?;
    Ok(n == 1)
}

/// True when it was said before.
pub async fn told(tx: &mut Tx, what: &str) -> Result<bool, StoreError> {
    let row = tx
        .query("SELECT COUNT(*) AS n FROM column_told WHERE what = $1")
        .bind(what)
        .one()
        .await?;
    Ok(row.get::<i64>("n")? > 0)
}

/// Issues that wait behind another column.
pub async fn spaced(tx: &mut Tx) -> Result<Vec<Issue>, StoreError> {
    let rows = tx
        .query(
            "SELECT i.id AS id FROM column_issue i JOIN column_told t ON t.what = 'spaced:' || i.id \
             WHERE i.state IN ('draft', 'pending', 'returned', 'approved', 'scheduled') ORDER BY i.id",
        )
        .all()
        .await?;
    let mut list = Vec::new();
    for row in &rows {
        list.extend(crate::issues::issue(tx, row.get("id")?).await?);
    }
    Ok(list)
}

/// True when a column appears half as often as it is written.
pub async fn halved(tx: &mut Tx, column: &str) -> Result<bool, StoreError> {
    told(tx, &format!("halved:{column}")).await
}

/// Back to the full frequency.
pub async fn unhalve(tx: &mut Tx, column: &str) -> Result<u64, StoreError> {
    tx.query("DELETE FROM column_told WHERE what = $1")
        .bind(format!("halved:{column}"))
        .execute()
        .await
}

/// Accepted items whose time ends before `until` and whose owner was not asked yet.
pub async fn expiring(tx: &mut Tx, until: &str, limit: i64) -> Result<Vec<Item>, StoreError> {
    let sql = format!(
        "{ITEM} WHERE i.state IN ('approved', 'pending') AND i.expires <> '' AND i.expires <= $1 \
         AND NOT EXISTS (SELECT 1 FROM column_told t WHERE t.what = 'expiry:' || i.id || ':' || i.expires) \
         ORDER BY i.expires, i.id LIMIT $2"
    );
    let rows = tx.query(sql).bind(until).bind(limit).all().await?;
    rows.iter().map(read_item).collect()
}

/// Until when an item is true, and who answers for it.
pub async fn set_expiry(tx: &mut Tx, id: i64, expires: &str, owner: &PersonId) -> Result<bool, StoreError> {
    let n = tx
        .query("UPDATE column_item SET expires = $2, owner = $3 WHERE id = $1 AND state <> 'used'")
        .bind(id)
        .bind(expires)
        .bind(owner.as_str())
        .execute()
        .await?;
    Ok(n == 1)
}

/// Adds the names of files that came with the message of a submission.
pub async fn attach(tx: &mut Tx, app: &AppId, message: &MessageId, files: &str) -> Result<u64, StoreError> {
    tx.query("UPDATE column_item SET files = $3 WHERE app = $1 AND message = $2 AND state <> 'used'")
        .bind(app)
        .bind(message)
        .bind(files)
        .execute()
        .await
}

/// Something forwarded to the bot that waits for its column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    pub id: i64,
    pub person: String,
    pub body: String,
    pub files: String,
    pub message: Option<MessageId>,
}

/// Keeps what was forwarded; `None` for a repeat.
pub async fn keep_forward(tx: &mut Tx, item: &NewItem<'_>) -> Result<Option<i64>, StoreError> {
    let row = tx
        .query(
            "INSERT INTO column_forward (person, cause, body, files, app, message, at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (cause) DO NOTHING RETURNING id",
        )
        .bind(item.author.as_str())
        .bind(item.cause.as_str())
        .bind(item.body)
        .bind(item.files)
        .bind(item.app)
        .bind(item.message.map(|m| m.as_str().to_owned()))
        .bind(item.at)
        .optional()
        .await?;
    row.map(|r| r.get("id")).transpose()
}

/// Takes it out again.
pub async fn take_forward(tx: &mut Tx, id: i64) -> Result<Option<Forward>, StoreError> {
    let row = tx
        .query("DELETE FROM column_forward WHERE id = $1 RETURNING id, person, body, files, message")
        .bind(id)
        .optional()
        .await?;
    row.map(|row| {
        Ok(Forward {
            id: row.get("id")?,
            person: row.get("person")?,
            body: row.get("body")?,
            files: row.get("files")?,
            message: row.get("message")?,
        })
    })
    .transpose()
}

/// Forwards that nobody decided about within a week go.
pub async fn prune_forwards(tx: &mut Tx, before: Timestamp) -> Result<u64, StoreError> {
    tx.query("DELETE FROM column_forward WHERE at < $1")
        .bind(before)
        .execute()
        .await
}

/// Counts somebody who wants to see more. Returns how many there are.
pub async fn more(tx: &mut Tx, issue: i64, person: &PersonId, at: Timestamp) -> Result<i64, StoreError> {
    tx.query("INSERT INTO column_more (issue, person, at) VALUES ($1, $2, $3) ON CONFLICT (issue, person) DO NOTHING")
        .bind(issue)
        .bind(person.as_str())
        .bind(at)
        .execute()
        .await?;
    mores(tx, issue).await
}

pub async fn mores(tx: &mut Tx, issue: i64) -> Result<i64, StoreError> {
    let row = tx
        .query("SELECT COUNT(*) AS n FROM column_more WHERE issue = $1")
        .bind(issue)
        .one()
        .await?;
    row.get("n")
}

/// People in a group now, for the pace of a broadcast; at least 1.
pub async fn members(tx: &mut Tx, app: &AppId, chat: &ChatId) -> Result<i64, StoreError> {
    let row = tx
        .query("SELECT COUNT(*) AS n FROM chat_member WHERE app = $1 AND chat_id = $2 AND left_at IS NULL")
        .bind(app)
        .bind(chat)
        .one()
        .await?;
    Ok(row.get::<i64>("n")?.max(1))
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
        files: row.get("files")?,
        expires: row.get("expires")?,
        owner: PersonId::parse(&row.get::<String>("owner")?),
    })
}

/// Columns that were made in a chat, as TOML, by id.
pub(super) async fn plans(tx: &mut Tx) -> Result<Vec<String>, StoreError> {
    tx.query("SELECT plan FROM column_plan ORDER BY column_id")
        .all()
        .await?
        .iter()
        .map(|row| row.get("plan"))
        .collect()
}

/// Keeps a column that was made, or changed, in a chat.
pub(super) async fn keep_plan(
    tx: &mut Tx,
    column: &str,
    plan: String,
    by: &PersonId,
    at: Timestamp,
) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO column_plan (column_id, plan, changed_by, changed_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (column_id) DO UPDATE SET plan = excluded.plan, changed_by = excluded.changed_by, \
         changed_at = excluded.changed_at",
    )
    .bind(column)
    .bind(plan)
    .bind(by.as_str())
    .bind(at)
    .execute()
    .await
    .map(|_| ())
}
