//! SQL of the noise budget.

use std::collections::BTreeMap;

use hutong_model::{AppId, ChatId, DeliveryClass, EventId, Message, MessageId, Prepared, Timestamp};
use serde::{Deserialize, Serialize};

use super::digest::{Digest, Section};
use crate::store::{Row, StoreError, Tx, Value, placeholders};

/// A group, as it is posted to.
pub type Group = (AppId, ChatId);

/// One request of a message that waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    pub id: String,
    pub prepared: Prepared,
}

/// A message that waits.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    pub seq: i64,
    pub id: String,
    pub app: AppId,
    pub chat: ChatId,
    pub rule: String,
    pub source: String,
    pub event: EventId,
    pub class: DeliveryClass,
    pub lane: String,
    pub parts: Vec<Part>,
    pub content: Message,
    pub tag: Option<serde_json::Value>,
    pub created_at: Timestamp,
}

/// What was said in a group on a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Said {
    pub posts: i64,
    pub beside: i64,
    pub answers: i64,
}

impl Said {
    pub fn all(&self) -> i64 {
        self.posts + self.beside + self.answers
    }
}

fn json(error: serde_json::Error) -> StoreError {
    StoreError::Broken(error.to_string())
}

/// Budgeted messages of all groups on a day.
pub async fn posts_of_day(tx: &mut Tx, day: &str) -> Result<BTreeMap<Group, u32>, StoreError> {
    let rows = tx
        .query("SELECT app, chat, posts FROM noise_day WHERE day = $1 AND posts > 0")
        .bind(day)
        .all()
        .await?;
    counted(&rows, "posts")
}

/// How many messages wait, by group.
pub async fn waiting_counts(tx: &mut Tx) -> Result<BTreeMap<Group, u32>, StoreError> {
    let rows = tx
        .query("SELECT app, chat, COUNT(*) AS n FROM noise_waiting GROUP BY app, chat")
        .all()
        .await?;
    counted(&rows, "n")
}

fn counted(rows: &[Row], column: &str) -> Result<BTreeMap<Group, u32>, StoreError> {
    rows.iter()
        .map(|row| {
            let n = u32::try_from(row.get::<i64>(column)?).unwrap_or(u32::MAX);
            Ok(((row.get("app")?, row.get("chat")?), n))
        })
        .collect()
}

/// Until when groups are or were muted.
pub async fn mutes(tx: &mut Tx) -> Result<BTreeMap<Group, Timestamp>, StoreError> {
    let rows = tx.query("SELECT app, chat, until FROM noise_mute").all().await?;
    rows.iter()
        .map(|row| Ok(((row.get("app")?, row.get("chat")?), row.get("until")?)))
        .collect()
}

/// Adds to the counts of a day.
pub async fn add(tx: &mut Tx, day: &str, said: &BTreeMap<Group, Said>) -> Result<(), StoreError> {
    let all: Vec<(&Group, &Said)> = said.iter().collect();
    let mut rest = all.as_slice();
    while !rest.is_empty() {
        let size = [64, 16, 4, 1].into_iter().find(|n| *n <= rest.len()).unwrap_or(1);
        let (chunk, later) = rest.split_at(size);
        rest = later;
        let text = format!(
            "INSERT INTO noise_day (app, chat, day, posts, beside, answers) VALUES {} \
             ON CONFLICT (app, chat, day) DO UPDATE SET posts = noise_day.posts + excluded.posts, \
             beside = noise_day.beside + excluded.beside, answers = noise_day.answers + excluded.answers",
            placeholders(size, 6)
        );
        let values = chunk.iter().flat_map(|((app, chat), said)| {
            [
                Value::from(app),
                Value::from(chat),
                Value::from(day),
                Value::from(said.posts),
                Value::from(said.beside),
                Value::from(said.answers),
            ]
        });
        tx.query(text).bind_all(values).execute().await?;
    }
    Ok(())
}

/// What was said in a group on the days `from` to `to`.
pub async fn said(tx: &mut Tx, app: &AppId, chat: &ChatId, from: &str, to: &str) -> Result<Said, StoreError> {
    let row = tx
        .query(
            "SELECT CAST(COALESCE(SUM(posts), 0) AS BIGINT) AS posts, CAST(COALESCE(SUM(beside), 0) AS BIGINT) AS beside, \
             CAST(COALESCE(SUM(answers), 0) AS BIGINT) AS answers FROM noise_day \
             WHERE app = $1 AND chat = $2 AND day BETWEEN $3 AND $4",
        )
        .bind(app)
        .bind(chat)
        .bind(from)
        .bind(to)
        .one()
        .await?;
    Ok(Said {
        posts: row.get("posts")?,
        beside: row.get("beside")?,
        answers: row.get("answers")?,
    })
}

/// Lets a message wait. False when it waits already.
pub async fn wait(tx: &mut Tx, w: &Waiting) -> Result<bool, StoreError> {
    let n = tx
        .query(
            "INSERT INTO noise_waiting (id, app, chat, rule, source, event_id, class, parts, content, tag, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (id) DO NOTHING",
        )
        .bind(&w.id)
        .bind(&w.app)
        .bind(&w.chat)
        .bind(&w.rule)
        .bind(&w.source)
        .bind(w.event.hex())
        .bind(w.class.as_str())
        .bind(serde_json::to_string(&(&w.lane, &w.parts)).map_err(json)?)
        .bind(serde_json::to_string(&w.content).map_err(json)?)
        .bind(w.tag.as_ref().map(serde_json::to_string).transpose().map_err(json)?)
        .bind(w.created_at)
        .execute()
        .await?;
    Ok(n == 1)
}

/// Everything that waits, oldest first.
pub async fn waiting(tx: &mut Tx) -> Result<Vec<Waiting>, StoreError> {
    let rows = tx
        .query(
            "SELECT seq, id, app, chat, rule, source, event_id, class, parts, content, tag, created_at \
             FROM noise_waiting ORDER BY seq",
        )
        .all()
        .await?;
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Waiting, StoreError> {
    let event: String = row.get("event_id")?;
    let (lane, parts) = serde_json::from_str(&row.get::<String>("parts")?).map_err(json)?;
    Ok(Waiting {
        seq: row.get("seq")?,
        id: row.get("id")?,
        app: row.get("app")?,
        chat: row.get("chat")?,
        rule: row.get("rule")?,
        source: row.get("source")?,
        event: event_id(&event)?,
        class: DeliveryClass::parse(&row.get::<String>("class")?).unwrap_or(DeliveryClass::Once),
        lane,
        parts,
        content: serde_json::from_str(&row.get::<String>("content")?).map_err(json)?,
        tag: row
            .get::<Option<String>>("tag")?
            .map(|t| serde_json::from_str(&t))
            .transpose()
            .map_err(json)?,
        created_at: row.get("created_at")?,
    })
}

fn event_id(text: &str) -> Result<EventId, StoreError> {
    let mut bytes = [0; 16];
    match hex::decode_to_slice(text, &mut bytes) {
        Ok(()) => Ok(EventId::from_bytes(bytes)),
        Err(_) => Err(StoreError::Broken("event_id is not an event id".to_owned())),
    }
}

pub async fn no_longer_waits(tx: &mut Tx, id: &str) -> Result<(), StoreError> {
    tx.query("DELETE FROM noise_waiting WHERE id = $1")
        .bind(id)
        .ensure_rows(1)
        .await
}

pub async fn mute(
    tx: &mut Tx,
    app: &AppId,
    chat: &ChatId,
    until: Timestamp,
    by: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO noise_mute (app, chat, until, changed_by, changed_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (app, chat) DO UPDATE SET until = excluded.until, changed_by = excluded.changed_by, \
         changed_at = excluded.changed_at",
    )
    .bind(app)
    .bind(chat)
    .bind(until)
    .bind(by)
    .bind(now)
    .execute()
    .await
    .map(|_| ())
}

pub async fn keep_digest(
    tx: &mut Tx,
    id: &str,
    app: &AppId,
    chat: &ChatId,
    sections: &[Section],
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO noise_digest (id, app, chat, message, sections, created_at) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(id)
    .bind(app)
    .bind(chat)
    .bind(None::<String>)
    .bind(serde_json::to_string(sections).map_err(json)?)
    .bind(now)
    .execute()
    .await
    .map(|_| ())
}

/// The digest is on the platform, under this name.
pub async fn digest_sent(tx: &mut Tx, id: &str, message: Option<&MessageId>) -> Result<(), StoreError> {
    tx.query("UPDATE noise_digest SET message = $2 WHERE id = $1")
        .bind(id)
        .bind(message.map(|m| m.stem().to_owned()))
        .execute()
        .await
        .map(|_| ())
}

/// The digest with this id.
pub async fn digest(tx: &mut Tx, id: &str) -> Result<Option<Digest>, StoreError> {
    let row = tx
        .query("SELECT id, message, sections FROM noise_digest WHERE id = $1")
        .bind(id)
        .optional()
        .await?;
    row.as_ref().map(read_digest).transpose()
}

/// The digest that a message is.
pub async fn digest_at(tx: &mut Tx, app: &AppId, message: &MessageId) -> Result<Option<Digest>, StoreError> {
    let row = tx
        .query("SELECT id, message, sections FROM noise_digest WHERE app = $1 AND message = $2")
        .bind(app)
        .bind(message.stem())
        .optional()
        .await?;
    row.as_ref().map(read_digest).transpose()
}

fn read_digest(row: &Row) -> Result<Digest, StoreError> {
    Ok(Digest {
        id: row.get("id")?,
        message: row.get("message")?,
        sections: serde_json::from_str(&row.get::<String>("sections")?).map_err(json)?,
    })
}

pub async fn change_digest(tx: &mut Tx, id: &str, sections: &[Section]) -> Result<(), StoreError> {
    tx.query("UPDATE noise_digest SET sections = $2 WHERE id = $1")
        .bind(id)
        .bind(serde_json::to_string(sections).map_err(json)?)
        .execute()
        .await
        .map(|_| ())
}

/// Counts and digests of long ago go.
pub async fn forget(tx: &mut Tx, before_day: &str, before: Timestamp) -> Result<(), StoreError> {
    tx.query("DELETE FROM noise_day WHERE day < $1")
        .bind(before_day)
        .execute()
        .await?;
    tx.query("DELETE FROM noise_digest WHERE created_at < $1")
        .bind(before)
        .execute()
        .await?;
    tx.query("DELETE FROM noise_mute WHERE until < $1")
        .bind(before)
        .execute()
        .await
        .map(|_| ())
}
