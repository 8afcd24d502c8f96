//! SQL of the issues.

use std::collections::BTreeSet;

use hutong_model::{AppId, ChatId, MessageId, Target, Timestamp, UserId};

use super::content::{Content, sha256_of};
use super::{Issue, State};
use crate::directory::PersonId;
use crate::store::{Row, StoreError, Tx, Value, placeholders};

/// An issue in one group. The row is the claim: an issue is sent to a group once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    pub app: AppId,
    pub chat: ChatId,
    /// The message that shows it, once the platform has said so.
    pub card: Option<MessageId>,
    /// `waiting`, `sent` or `failed`.
    pub state: String,
}

/// Where a post goes: its place is a group, or `user:` and a person.
pub fn target(place: &ChatId) -> Target {
    let person = place.as_str().strip_prefix("user:").map(UserId::new);
    match person {
        Some(Ok(user)) => Target::User(user),
        _ => Target::Chat(place.clone()),
    }
}

/// One version of an issue's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub version: i64,
    pub content: Content,
    pub sha256: String,
    pub author: Option<PersonId>,
    pub at: Timestamp,
}

const ISSUE: &str = "SELECT id, column_id, slot, number, state, why, version, content, sha256, author, due_at, at \
     FROM column_issue ";

/// By id.
pub async fn issue(tx: &mut Tx, id: i64) -> Result<Option<Issue>, StoreError> {
    let row = tx.query(format!("{ISSUE} WHERE id = $1")).bind(id).optional().await?;
    row.as_ref().map(read_issue).transpose()
}

/// The issue of a column for a local minute.
pub async fn at_slot(tx: &mut Tx, column: &str, slot: &str) -> Result<Option<Issue>, StoreError> {
    let sql = format!("{ISSUE} WHERE column_id = $1 AND slot = $2");
    let row = tx.query(sql).bind(column).bind(slot).optional().await?;
    row.as_ref().map(read_issue).transpose()
}

/// All issues in a state, the one that is due first at the front.
pub async fn in_state(tx: &mut Tx, state: State, limit: i64) -> Result<Vec<Issue>, StoreError> {
    let sql = format!("{ISSUE} WHERE state = $1 ORDER BY due_at, id LIMIT $2");
    let rows = tx.query(sql).bind(state.as_str()).bind(limit).all().await?;
    rows.iter().map(read_issue).collect()
}

/// Issues that may still be sent and are due before `until`, the first at the front.
pub async fn upcoming(tx: &mut Tx, until: Timestamp, limit: i64) -> Result<Vec<Issue>, StoreError> {
    let sql = format!(
        "{ISSUE} WHERE state IN ('draft', 'pending', 'returned', 'approved', 'scheduled') AND due_at < $1 \
         ORDER BY due_at, id LIMIT $2"
    );
    let rows = tx.query(sql).bind(until).bind(limit).all().await?;
    rows.iter().map(read_issue).collect()
}

/// The newest issues of a column whose time has come, sent or missed, newest first.
pub async fn last(tx: &mut Tx, column: &str, limit: i64) -> Result<Vec<Issue>, StoreError> {
    let sql = format!(
        "{ISSUE} WHERE column_id = $1 AND state IN ('sent', 'corrected', 'missed') ORDER BY due_at DESC, id DESC LIMIT $2"
    );
    let rows = tx.query(sql).bind(column).bind(limit).all().await?;
    rows.iter().map(read_issue).collect()
}

/// The issue for a local minute, made as a draft with this content when there is none. Content and
/// state of one that exists stay as they are.
pub async fn draft(
    tx: &mut Tx,
    column: &str,
    slot: &str,
    due_at: Timestamp,
    content: &Content,
    author: Option<&PersonId>,
    now: Timestamp,
) -> Result<Issue, StoreError> {
    let sha256 = sha256_of(content);
    let made = tx
        .query(
            "INSERT INTO column_issue (column_id, slot, number, state, at, content, version, sha256, author, due_at, why) \
             VALUES ($1, $2, 0, 'draft', $3, $4, 1, $5, $6, $7, '') ON CONFLICT (column_id, slot) DO NOTHING",
        )
        .bind(column)
        .bind(slot)
        .bind(now)
        .bind(json(content)?)
        .bind(sha256)
        .bind(author.map_or("", PersonId::as_str))
        .bind(due_at)
        .execute()
        .await?;
    let Some(issue) = at_slot(tx, column, slot).await? else {
        return Err(StoreError::Broken(
            "an issue that was just made is not there".to_owned(),
        ));
    };
    if made == 1 {
        keep_version(tx, &issue).await?;
    }
    Ok(issue)
}

/// Gives an open issue other content: a new version, a draft again, whatever was decided before.
/// The same content changes nothing. `None`: it was sent or missed by now.
pub async fn set_content(
    tx: &mut Tx,
    id: i64,
    content: &Content,
    author: Option<&PersonId>,
    now: Timestamp,
) -> Result<Option<Issue>, StoreError> {
    let sha256 = sha256_of(content);
    let n = tx
        .query(
            "UPDATE column_issue SET content = $2, sha256 = $3, author = $4, version = version + 1, state = 'draft', at = $5 \
             WHERE id = $1 AND sha256 <> $3 AND state IN ('draft', 'pending', 'returned', 'approved', 'scheduled')",
        )
        .bind(id)
        .bind(json(content)?)
        .bind(sha256.as_str())
        .bind(author.map_or("", PersonId::as_str))
        .bind(now)
        .execute()
        .await?;
    let found = issue(tx, id).await?.filter(|i| i.state.open());
    if let (1, Some(issue)) = (n, &found) {
        keep_version(tx, issue).await?;
    }
    Ok(found)
}

/// Moves an issue on from one of the states `from`, if it still has this version and fingerprint.
/// Returns false, and changes nothing, when it has not: somebody was faster, or the content changed.
pub async fn move_to(
    tx: &mut Tx,
    id: i64,
    version: i64,
    sha256: &str,
    from: &[State],
    to: State,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let from: Vec<String> = from.iter().map(|s| format!("'{s}'")).collect();
    if from.is_empty() {
        return Ok(false);
    }
    let sql = format!(
        "UPDATE column_issue SET state = $4, at = $5 WHERE id = $1 AND version = $2 AND sha256 = $3 AND state IN ({})",
        from.join(", ")
    );
    let n = tx
        .query(sql)
        .bind(id)
        .bind(version)
        .bind(sha256)
        .bind(to.as_str())
        .bind(now)
        .execute()
        .await?;
    Ok(n == 1)
}

/// Moves an open issue to another moment. False when it was not open any more.
pub async fn set_due(tx: &mut Tx, id: i64, due_at: Timestamp) -> Result<bool, StoreError> {
    let n = tx
        .query(
            "UPDATE column_issue SET due_at = $2 \
             WHERE id = $1 AND state IN ('draft', 'pending', 'returned', 'approved', 'scheduled')",
        )
        .bind(id)
        .bind(due_at)
        .execute()
        .await?;
    Ok(n == 1)
}

/// Its time has passed without it. False when it was not open any more.
pub async fn miss(tx: &mut Tx, id: i64, why: &str, now: Timestamp) -> Result<bool, StoreError> {
    let n = tx
        .query(
            "UPDATE column_issue SET state = 'missed', why = $2, at = $3 \
             WHERE id = $1 AND state IN ('draft', 'pending', 'returned', 'approved', 'scheduled')",
        )
        .bind(id)
        .bind(why)
        .bind(now)
        .execute()
        .await?;
    Ok(n == 1)
}

/// Takes an open issue as sent and gives it its number. `None`: somebody did before.
pub async fn start_sending(tx: &mut Tx, id: i64, now: Timestamp) -> Result<Option<Issue>, StoreError> {
    let n = tx
        .query(
            "UPDATE column_issue SET state = 'sent', at = $2, number = (SELECT COUNT(*) + 1 FROM column_issue o \
             WHERE o.column_id = column_issue.column_id AND o.state IN ('sent', 'corrected')) \
             WHERE id = $1 AND state IN ('draft', 'pending', 'returned', 'approved', 'scheduled')",
        )
        .bind(id)
        .bind(now)
        .execute()
        .await?;
    if n == 1 { issue(tx, id).await } else { Ok(None) }
}

/// Puts a sent issue right: the new content is a new version, its state `corrected`. `None`: it was
/// never sent.
pub async fn corrected(
    tx: &mut Tx,
    id: i64,
    content: &Content,
    author: &PersonId,
    now: Timestamp,
) -> Result<Option<Issue>, StoreError> {
    let n = tx
        .query(
            "UPDATE column_issue SET content = $2, sha256 = $3, author = $4, version = version + 1, state = 'corrected', \
             at = $5 WHERE id = $1 AND state IN ('sent', 'corrected')",
        )
        .bind(id)
        .bind(json(content)?)
        .bind(sha256_of(content))
        .bind(author.as_str())
        .bind(now)
        .execute()
        .await?;
    if n == 0 {
        return Ok(None);
    }
    let found = issue(tx, id).await?;
    if let Some(issue) = &found {
        keep_version(tx, issue).await?;
    }
    Ok(found)
}

async fn keep_version(tx: &mut Tx, issue: &Issue) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO column_issue_version (issue, version, content, sha256, author, at) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (issue, version) DO NOTHING",
    )
    .bind(issue.id)
    .bind(issue.version)
    .bind(json(&issue.content)?)
    .bind(issue.sha256.as_str())
    .bind(issue.author.as_ref().map_or("", PersonId::as_str))
    .bind(issue.at)
    .execute()
    .await
    .map(|_| ())
}

const VERSION: &str = "SELECT version, content, sha256, author, at FROM column_issue_version ";

/// Every version of an issue, the first at the front.
pub async fn versions(tx: &mut Tx, issue: i64) -> Result<Vec<Version>, StoreError> {
    let sql = format!("{VERSION} WHERE issue = $1 ORDER BY version");
    let rows = tx.query(sql).bind(issue).all().await?;
    rows.iter().map(read_version).collect()
}

/// One version of an issue.
pub async fn version(tx: &mut Tx, issue: i64, version: i64) -> Result<Option<Version>, StoreError> {
    let sql = format!("{VERSION} WHERE issue = $1 AND version = $2");
    let row = tx.query(sql).bind(issue).bind(version).optional().await?;
    row.as_ref().map(read_version).transpose()
}

/// Claims an issue for groups; returns those where it was not claimed before. The same transaction
/// leaves the messages, so that they stand or fall together.
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

/// What became of an issue in a group.
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

/// Where an issue went.
pub async fn posts(tx: &mut Tx, issue: i64, limit: i64) -> Result<Vec<Post>, StoreError> {
    let rows = tx
        .query("SELECT app, chat, card, state FROM column_post WHERE issue = $1 ORDER BY app, chat LIMIT $2")
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
                state: row.get("state")?,
            })
        })
        .collect()
}

fn json(content: &Content) -> Result<String, StoreError> {
    serde_json::to_string(content).map_err(|e| StoreError::Broken(e.to_string()))
}

fn read_content(row: &Row) -> Result<Content, StoreError> {
    let text: String = row.get("content")?;
    Content::parse(&text).ok_or_else(|| StoreError::Broken("the content of an issue cannot be read".to_owned()))
}

fn read_author(row: &Row) -> Result<Option<PersonId>, StoreError> {
    let author: String = row.get("author")?;
    Ok(PersonId::parse(&author))
}

fn read_issue(row: &Row) -> Result<Issue, StoreError> {
    let state: String = row.get("state")?;
    let column: String = row.get("column_id")?;
    let mut content = read_content(row)?;
    if content.title.is_empty() {
        content.title.clone_from(&column);
    }
    Ok(Issue {
        id: row.get("id")?,
        column,
        slot: row.get("slot")?,
        number: row.get("number")?,
        state: State::parse(&state).ok_or_else(|| StoreError::Broken(format!("an issue in the state {state}")))?,
        why: row.get("why")?,
        version: row.get("version")?,
        content,
        sha256: row.get("sha256")?,
        author: read_author(row)?,
        due_at: row.get("due_at")?,
        at: row.get("at")?,
    })
}

fn read_version(row: &Row) -> Result<Version, StoreError> {
    Ok(Version {
        version: row.get("version")?,
        content: read_content(row)?,
        sha256: row.get("sha256")?,
        author: read_author(row)?,
        at: row.get("at")?,
    })
}

/// Who sent in a submission; `None` when it is not there.
pub(super) async fn author_of_item(tx: &mut Tx, item: i64) -> Result<Option<PersonId>, StoreError> {
    let row = tx
        .query("SELECT author FROM column_item WHERE id = $1")
        .bind(item)
        .optional()
        .await?;
    let author: Option<String> = row.map(|r| r.get("author")).transpose()?;
    Ok(author.as_deref().and_then(PersonId::parse))
}
