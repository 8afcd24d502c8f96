//! SQL of reviews and of words found.

use hutong_model::{AppId, ChatId, MessageId, Timestamp};

use super::decide::Approval;
use crate::directory::PersonId;
use crate::issues::Issue;
use crate::store::{Row, StoreError, Tx};

/// What reviewers were asked about one version of an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    pub issue: i64,
    pub version: i64,
    pub sha256: String,
    /// `pending`, `approved`, `returned` or `post`.
    pub state: String,
    pub asked_at: Timestamp,
    pub deputies_at: Timestamp,
    pub until_at: Timestamp,
    pub alerted: bool,
}

const REVIEW: &str = "SELECT issue, version, sha256, state, asked_at, deputies_at, until_at, alerted FROM review ";

fn read(row: &Row) -> Result<Review, StoreError> {
    Ok(Review {
        issue: row.get("issue")?,
        version: row.get("version")?,
        sha256: row.get("sha256")?,
        state: row.get("state")?,
        asked_at: row.get("asked_at")?,
        deputies_at: row.get("deputies_at")?,
        until_at: row.get("until_at")?,
        alerted: row.get("alerted")?,
    })
}

/// Begins a review of this version; one that was begun stays as it is. `until`: of a review after the
/// fact.
pub async fn begin(tx: &mut Tx, issue: &Issue, until: Option<Timestamp>) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO review (issue, version, sha256, state, asked_at, until_at) VALUES ($1, $2, $3, $4, 0, $5) \
         ON CONFLICT (issue, version) DO NOTHING",
    )
    .bind(issue.id)
    .bind(issue.version)
    .bind(issue.sha256.as_str())
    .bind(if until.is_some() { "post" } else { "pending" })
    .bind(until.unwrap_or(Timestamp(0)))
    .execute()
    .await
    .map(|_| ())
}

pub async fn review(tx: &mut Tx, issue: i64, version: i64) -> Result<Option<Review>, StoreError> {
    let row = tx
        .query(format!("{REVIEW} WHERE issue = $1 AND version = $2"))
        .bind(issue)
        .bind(version)
        .optional()
        .await?;
    row.as_ref().map(read).transpose()
}

/// Reviews after the fact that nobody has made yet.
pub async fn open_posts(tx: &mut Tx, limit: i64) -> Result<Vec<Review>, StoreError> {
    let rows = tx
        .query(format!(
            "{REVIEW} WHERE state = 'post' ORDER BY until_at, issue LIMIT $1"
        ))
        .bind(limit)
        .all()
        .await?;
    rows.iter().map(read).collect()
}

pub async fn asked(tx: &mut Tx, issue: i64, version: i64, at: Timestamp) -> Result<(), StoreError> {
    tx.query("UPDATE review SET asked_at = $3 WHERE issue = $1 AND version = $2 AND asked_at = 0")
        .bind(issue)
        .bind(version)
        .bind(at)
        .execute()
        .await
        .map(|_| ())
}

pub async fn deputies_asked(tx: &mut Tx, issue: i64, version: i64, at: Timestamp) -> Result<(), StoreError> {
    tx.query("UPDATE review SET deputies_at = $3 WHERE issue = $1 AND version = $2")
        .bind(issue)
        .bind(version)
        .bind(at)
        .execute()
        .await
        .map(|_| ())
}

pub async fn alerted(tx: &mut Tx, issue: i64, version: i64) -> Result<(), StoreError> {
    tx.query("UPDATE review SET alerted = TRUE WHERE issue = $1 AND version = $2")
        .bind(issue)
        .bind(version)
        .execute()
        .await
        .map(|_| ())
}

/// Enters a decision. False when one was entered before.
pub async fn decided(
    tx: &mut Tx,
    review: &Review,
    state: &str,
    by: &PersonId,
    reason: &str,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let n = tx
        .query(
            "UPDATE review SET state = $3, decided_by = $4, reason = $5, decided_at = $6 \
             WHERE issue = $1 AND version = $2 AND state IN ('pending', 'post')",
        )
        .bind(review.issue)
        .bind(review.version)
        .bind(state)
        .bind(by.as_str())
        .bind(reason)
        .bind(at)
        .execute()
        .await?;
    Ok(n == 1)
}

/// A review of something that says something else by now.
pub async fn void(tx: &mut Tx, review: &Review, at: Timestamp) -> Result<(), StoreError> {
    tx.query("UPDATE review SET state = 'void', decided_at = $3 WHERE issue = $1 AND version = $2")
        .bind(review.issue)
        .bind(review.version)
        .bind(at)
        .execute()
        .await
        .map(|_| ())
}

/// Every yes that was ever given for an issue.
pub async fn approvals(tx: &mut Tx, issue: i64) -> Result<Vec<Approval>, StoreError> {
    let rows = tx
        .query("SELECT version, sha256, decided_by, decided_at FROM review WHERE issue = $1 AND state = 'approved'")
        .bind(issue)
        .all()
        .await?;
    let mut list = Vec::with_capacity(rows.len());
    for row in &rows {
        let by: String = row.get("decided_by")?;
        list.push(Approval {
            by: PersonId::parse(&by).ok_or_else(|| StoreError::Broken("a reviewer is not a person id".to_owned()))?,
            version: row.get("version")?,
            sha256: row.get("sha256")?,
            at: row.get("decided_at")?,
        });
    }
    Ok(list)
}

/// A correction in one group.
pub async fn correction(tx: &mut Tx, issue: &Issue, app: &AppId, chat: &ChatId, reach: &str) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO review_correction (issue, version, app, chat, reach) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (issue, version, app, chat) DO UPDATE SET reach = excluded.reach",
    )
    .bind(issue.id)
    .bind(issue.version)
    .bind(app)
    .bind(chat)
    .bind(reach)
    .execute()
    .await
    .map(|_| ())
}

pub async fn correction_told(
    tx: &mut Tx,
    issue: &Issue,
    app: &AppId,
    chat: &ChatId,
    told: usize,
) -> Result<(), StoreError> {
    tx.query("UPDATE review_correction SET told = $5 WHERE issue = $1 AND version = $2 AND app = $3 AND chat = $4")
        .bind(issue.id)
        .bind(issue.version)
        .bind(app)
        .bind(chat)
        .bind(i64::try_from(told).unwrap_or(i64::MAX))
        .execute()
        .await
        .map(|_| ())
}

/// A word found in a message of a member.
#[derive(Debug, Clone)]
pub struct NewHit<'a> {
    pub app: &'a AppId,
    pub chat: &'a ChatId,
    pub message: &'a MessageId,
    pub person: &'a PersonId,
    pub word: &'a str,
    pub level: &'a str,
    pub from: usize,
    pub to: usize,
    pub at: Timestamp,
}

/// Enters it; `None` for a repeat, else its id.
pub async fn hit(tx: &mut Tx, hit: &NewHit<'_>) -> Result<Option<i64>, StoreError> {
    let row = tx
        .query(
            "INSERT INTO lexicon_hit (app, chat, message, person, word, level, from_char, to_char, at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (app, message, word, from_char) DO NOTHING RETURNING id",
        )
        .bind(hit.app)
        .bind(hit.chat)
        .bind(hit.message)
        .bind(hit.person.as_str())
        .bind(hit.word)
        .bind(hit.level)
        .bind(i64::try_from(hit.from).unwrap_or(i64::MAX))
        .bind(i64::try_from(hit.to).unwrap_or(i64::MAX))
        .bind(hit.at)
        .optional()
        .await?;
    row.map(|r| r.get("id")).transpose()
}

/// The author of a message says that its hits from this one on are none. How many that changed.
pub async fn mistaken(tx: &mut Tx, id: i64, person: &PersonId) -> Result<u64, StoreError> {
    tx.query(
        "UPDATE lexicon_hit SET mistaken = TRUE WHERE mistaken = FALSE AND person = $2 AND EXISTS (SELECT 1 FROM \
         lexicon_hit one WHERE one.id = $1 AND one.app = lexicon_hit.app AND one.message = lexicon_hit.message)",
    )
    .bind(id)
    .bind(person.as_str())
    .execute()
    .await
}

/// Hits and, among them, mistaken ones of each word since then, most mistaken first.
pub async fn week(tx: &mut Tx, since: Timestamp, limit: i64) -> Result<Vec<(String, i64, i64)>, StoreError> {
    let rows = tx
        .query(
            "SELECT word, COUNT(*) AS n, SUM(CASE WHEN mistaken THEN 1 ELSE 0 END) AS wrong FROM lexicon_hit \
             WHERE at >= $1 GROUP BY word ORDER BY 3 DESC, 2 DESC, word LIMIT $2",
        )
        .bind(since)
        .bind(limit)
        .all()
        .await?;
    rows.iter()
        .map(|r| Ok((r.get("word")?, r.get("n")?, r.get("wrong")?)))
        .collect()
}
