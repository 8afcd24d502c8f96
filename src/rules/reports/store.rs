//! SQL of the counts and the reports.

use hutong_model::{AppId, ChatId, CompanyId, MessageId, Platform, Timestamp, UserId};

use crate::store::{StoreError, Tx};

/// What one event adds to a person's day in a chat.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delta {
    pub messages: i64,
    pub replies: i64,
    pub reactions: i64,
    pub clicks: i64,
    pub commands: i64,
}

/// A day of a person in a chat.
#[derive(Debug, Clone, Copy)]
pub struct Cell<'a> {
    pub app: &'a AppId,
    pub chat: &'a ChatId,
    pub day: &'a str,
    pub user: &'a UserId,
}

/// The one statement that every message costs.
pub async fn add(tx: &mut Tx, cell: Cell<'_>, delta: Delta) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO activity (app, chat, day, user_id, messages, replies, reactions, clicks, commands) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (app, chat, day, user_id) DO UPDATE SET \
         messages = activity.messages + excluded.messages, replies = activity.replies + excluded.replies, \
         reactions = activity.reactions + excluded.reactions, clicks = activity.clicks + excluded.clicks, \
         commands = activity.commands + excluded.commands",
    )
    .bind(cell.app)
    .bind(cell.chat)
    .bind(cell.day)
    .bind(cell.user)
    .bind(delta.messages)
    .bind(delta.replies)
    .bind(delta.reactions)
    .bind(delta.clicks)
    .bind(delta.commands)
    .execute()
    .await
    .map(|_| ())
}

/// A message as a recall must find it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub chat: ChatId,
    pub day: String,
    pub user: UserId,
    pub reply: bool,
    pub addressed: bool,
}

pub async fn remember(tx: &mut Tx, app: &AppId, message: &MessageId, seen: &Seen) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO activity_message (app, message, chat, day, user_id, reply, addressed) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (app, message) DO NOTHING",
    )
    .bind(app)
    .bind(message)
    .bind(&seen.chat)
    .bind(seen.day.as_str())
    .bind(&seen.user)
    .bind(seen.reply)
    .bind(seen.addressed)
    .execute()
    .await
    .map(|_| ())
}

/// Hands out, once, what is known about a message that was taken back.
pub async fn take(tx: &mut Tx, app: &AppId, message: &MessageId) -> Result<Option<Seen>, StoreError> {
    let row = tx
        .query(
            "DELETE FROM activity_message WHERE app = $1 AND message = $2 \
             RETURNING chat, day, user_id, reply, addressed",
        )
        .bind(app)
        .bind(message)
        .optional()
        .await?;
    row.map(|row| {
        Ok(Seen {
            chat: row.get("chat")?,
            day: row.get("day")?,
            user: row.get("user_id")?,
            reply: row.get("reply")?,
            addressed: row.get("addressed")?,
        })
    })
    .transpose()
}

/// The chat of a message, for events that carry only the message.
pub async fn chat_of(tx: &mut Tx, app: &AppId, message: &MessageId) -> Result<Option<ChatId>, StoreError> {
    let row = tx
        .query("SELECT chat FROM activity_message WHERE app = $1 AND message = $2")
        .bind(app)
        .bind(message)
        .optional()
        .await?;
    row.map(|r| r.get("chat")).transpose()
}

pub async fn forget_messages(tx: &mut Tx, before_day: &str) -> Result<u64, StoreError> {
    tx.query("DELETE FROM activity_message WHERE day < $1")
        .bind(before_day)
        .execute()
        .await
}

pub async fn ask(tx: &mut Tx, cell: Cell<'_>, message: &MessageId, at: Timestamp) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO question (app, message, chat, day, user_id, asked_at) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (app, message) DO NOTHING",
    )
    .bind(cell.app)
    .bind(message)
    .bind(cell.chat)
    .bind(cell.day)
    .bind(cell.user)
    .bind(at)
    .execute()
    .await
    .map(|_| ())
}

/// The first reply by somebody else is the answer.
pub async fn answer_to(
    tx: &mut Tx,
    app: &AppId,
    question: &MessageId,
    by: &UserId,
    answer: &MessageId,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let n = tx
        .query(
            "UPDATE question SET answered_at = $4, answer = $5 \
             WHERE app = $1 AND message = $2 AND user_id <> $3 AND answered_at IS NULL",
        )
        .bind(app)
        .bind(question)
        .bind(by)
        .bind(at)
        .bind(answer)
        .execute()
        .await?;
    Ok(n > 0)
}

/// A message that mentions somebody who asked since `since` answers them.
#[expect(clippy::too_many_arguments, reason = "one statement with its arguments")]
pub async fn answer_person(
    tx: &mut Tx,
    app: &AppId,
    chat: &ChatId,
    asker: &UserId,
    by: &UserId,
    answer: &MessageId,
    since: Timestamp,
    at: Timestamp,
) -> Result<(), StoreError> {
    if asker == by {
        return Ok(());
    }
    tx.query(
        "UPDATE question SET answered_at = $5, answer = $6 \
         WHERE app = $1 AND chat = $2 AND user_id = $3 AND asked_at >= $4 AND answered_at IS NULL",
    )
    .bind(app)
    .bind(chat)
    .bind(asker)
    .bind(since)
    .bind(at)
    .bind(answer)
    .execute()
    .await
    .map(|_| ())
}

/// A message that was taken back asked nothing and answered nothing.
pub async fn unask(tx: &mut Tx, app: &AppId, message: &MessageId) -> Result<(), StoreError> {
    tx.query("DELETE FROM question WHERE app = $1 AND message = $2")
        .bind(app)
        .bind(message)
        .execute()
        .await?;
    tx.query("UPDATE question SET answered_at = NULL, answer = NULL WHERE app = $1 AND answer = $2")
        .bind(app)
        .bind(message)
        .execute()
        .await
        .map(|_| ())
}

/// Sums of a chat over some days.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Distinct accounts with any action.
    pub people: i64,
    pub messages: i64,
    pub replies: i64,
    pub reactions: i64,
    pub clicks: i64,
    pub commands: i64,
}

pub async fn sums(tx: &mut Tx, app: &AppId, chat: &ChatId, from: &str, to: &str) -> Result<Sums, StoreError> {
    let row = tx
        .query(
            "SELECT COUNT(DISTINCT user_id) AS people, CAST(COALESCE(SUM(messages), 0) AS BIGINT) AS messages, \
             CAST(COALESCE(SUM(replies), 0) AS BIGINT) AS replies, \
             CAST(COALESCE(SUM(reactions), 0) AS BIGINT) AS reactions, \
             CAST(COALESCE(SUM(clicks), 0) AS BIGINT) AS clicks, \
             CAST(COALESCE(SUM(commands), 0) AS BIGINT) AS commands FROM activity \
             WHERE app = $1 AND chat = $2 AND day BETWEEN $3 AND $4 AND messages + reactions + clicks > 0",
        )
        .bind(app)
        .bind(chat)
        .bind(from)
        .bind(to)
        .one()
        .await?;
    Ok(Sums {
        people: row.get("people")?,
        messages: row.get("messages")?,
        replies: row.get("replies")?,
        reactions: row.get("reactions")?,
        clicks: row.get("clicks")?,
        commands: row.get("commands")?,
    })
}

/// Where and whom a rate is about.
#[derive(Debug, Clone, Copy)]
pub struct Group<'a> {
    pub app: &'a AppId,
    pub chat: &'a ChatId,
    pub company: &'a CompanyId,
    pub platform: Platform,
    /// Members who had joined before the first and were there until the second.
    pub joined_before: Timestamp,
    pub there_until: Timestamp,
}

/// Members on at least half of the workdays, as far as the bot knows its groups.
pub async fn eligible(tx: &mut Tx, g: Group<'_>) -> Result<i64, StoreError> {
    let row = tx
        .query(
            "SELECT COUNT(DISTINCT m.person) AS n FROM chat_member m JOIN person p ON p.id = m.person \
             WHERE m.app = $1 AND m.chat_id = $2 AND m.joined_at < $3 AND (m.left_at IS NULL OR m.left_at >= $4) \
             AND p.active = TRUE",
        )
        .bind(g.app)
        .bind(g.chat)
        .bind(g.joined_before)
        .bind(g.there_until)
        .one()
        .await?;
    row.get("n")
}

/// Eligible members with any visible action on the days `from` to `to`.
pub async fn active(tx: &mut Tx, g: Group<'_>, from: &str, to: &str) -> Result<i64, StoreError> {
    let row = tx
        .query(
            "SELECT COUNT(DISTINCT i.person) AS n FROM activity a \
             JOIN identity i ON i.company = $3 AND i.platform = $4 AND i.user_id = a.user_id \
             JOIN chat_member m ON m.app = a.app AND m.chat_id = a.chat AND m.person = i.person \
             JOIN person p ON p.id = i.person \
             WHERE a.app = $1 AND a.chat = $2 AND a.day BETWEEN $5 AND $6 AND a.messages + a.reactions + a.clicks > 0 \
             AND m.joined_at < $7 AND (m.left_at IS NULL OR m.left_at >= $8) AND p.active = TRUE",
        )
        .bind(g.app)
        .bind(g.chat)
        .bind(g.company)
        .bind(g.platform.as_str())
        .bind(from)
        .bind(to)
        .bind(g.joined_before)
        .bind(g.there_until)
        .one()
        .await?;
    row.get("n")
}

/// When each question was asked and answered.
pub async fn questions(
    tx: &mut Tx,
    app: &AppId,
    chat: &ChatId,
    from: &str,
    to: &str,
) -> Result<Vec<(Timestamp, Option<Timestamp>)>, StoreError> {
    let rows = tx
        .query(
            "SELECT asked_at, answered_at FROM question WHERE app = $1 AND chat = $2 AND day BETWEEN $3 AND $4 \
             ORDER BY asked_at",
        )
        .bind(app)
        .bind(chat)
        .bind(from)
        .bind(to)
        .all()
        .await?;
    rows.iter()
        .map(|row| Ok((row.get("asked_at")?, row.get("answered_at")?)))
        .collect()
}

/// The stored figures of a closed week.
pub async fn snapshot(tx: &mut Tx, app: &AppId, chat: &ChatId, week: &str) -> Result<Option<String>, StoreError> {
    let row = tx
        .query("SELECT figures FROM report WHERE app = $1 AND chat = $2 AND week = $3")
        .bind(app)
        .bind(chat)
        .bind(week)
        .optional()
        .await?;
    row.map(|r| r.get("figures")).transpose()
}

pub async fn keep_snapshot(
    tx: &mut Tx,
    app: &AppId,
    chat: &ChatId,
    week: &str,
    figures: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO report (app, chat, week, figures, made_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (app, chat, week) DO NOTHING",
    )
    .bind(app)
    .bind(chat)
    .bind(week)
    .bind(figures)
    .bind(at)
    .execute()
    .await
    .map(|_| ())
}

/// Claims the posting of a week's report; false when it was posted before.
pub async fn claim_post(
    tx: &mut Tx,
    app: &AppId,
    chat: &ChatId,
    week: &str,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let n = tx
        .query(
            "INSERT INTO report_post (app, chat, week, at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (app, chat, week) DO NOTHING",
        )
        .bind(app)
        .bind(chat)
        .bind(week)
        .bind(at)
        .execute()
        .await?;
    Ok(n == 1)
}

/// What was seen of a person in the groups of an app since a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doings {
    pub person: String,
    pub messages: i64,
    /// Reactions and clicks.
    pub light: i64,
}

pub async fn doings(
    tx: &mut Tx,
    app: &AppId,
    company: &CompanyId,
    platform: Platform,
    from: &str,
) -> Result<Vec<Doings>, StoreError> {
    let rows = tx
        .query(
            "SELECT i.person, CAST(SUM(a.messages) AS BIGINT) AS messages, \
             CAST(SUM(a.reactions + a.clicks) AS BIGINT) AS light FROM activity a \
             JOIN identity i ON i.company = $2 AND i.platform = $3 AND i.user_id = a.user_id \
             WHERE a.app = $1 AND a.day >= $4 GROUP BY i.person",
        )
        .bind(app)
        .bind(company)
        .bind(platform.as_str())
        .bind(from)
        .all()
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Doings {
                person: row.get("person")?,
                messages: row.get("messages")?,
                light: row.get("light")?,
            })
        })
        .collect()
}

/// Active people of a company with an account on a platform.
pub async fn people_on(tx: &mut Tx, company: &CompanyId, platform: Platform) -> Result<Vec<String>, StoreError> {
    let rows = tx
        .query(
            "SELECT DISTINCT i.person FROM identity i JOIN person p ON p.id = i.person \
             WHERE i.company = $1 AND i.platform = $2 AND p.active = TRUE",
        )
        .bind(company)
        .bind(platform.as_str())
        .all()
        .await?;
    rows.iter().map(|row| row.get("person")).collect()
}

/// The figures of activity that are left now.
pub async fn activity_facts(tx: &mut Tx, company: &CompanyId) -> Result<Vec<(String, i64)>, StoreError> {
    let rows = tx
        .query(
            "SELECT f.person, f.value FROM person_fact f JOIN person p ON p.id = f.person \
             WHERE p.company = $1 AND f.field = 'activity'",
        )
        .bind(company)
        .all()
        .await?;
    rows.iter()
        .map(|row| Ok((row.get("person")?, row.get("value")?)))
        .collect()
}

pub async fn forget_activity(tx: &mut Tx, person: &str) -> Result<(), StoreError> {
    tx.query("DELETE FROM person_fact WHERE person = $1 AND field = 'activity'")
        .bind(person)
        .execute()
        .await
        .map(|_| ())
}
