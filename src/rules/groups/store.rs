//! SQL of the groups rule.

use std::collections::BTreeMap;

use hutong_model::{AppId, ChatId, CompanyId, Platform, Timestamp, UserId};

use super::plan::Claim;
use crate::directory::PersonId;
use crate::store::{Row, StoreError, Tx};

fn person(row: &Row, column: &str) -> Result<PersonId, StoreError> {
    let text: String = row.get(column)?;
    PersonId::parse(&text).ok_or_else(|| StoreError::Broken(format!("{column} is not a person id")))
}

pub async fn paused(tx: &mut Tx, rule: &str) -> Result<bool, StoreError> {
    let row = tx
        .query("SELECT paused FROM group_rule_state WHERE rule = $1")
        .bind(rule)
        .optional()
        .await?;
    row.map_or(Ok(false), |r| r.get("paused"))
}

pub async fn set_paused(
    tx: &mut Tx,
    rule: &str,
    paused: bool,
    by: &PersonId,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO group_rule_state (rule, paused, changed_by, changed_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (rule) DO UPDATE SET paused = excluded.paused, changed_by = excluded.changed_by, changed_at = excluded.changed_at",
    )
    .bind(rule)
    .bind(paused)
    .bind(by.as_str())
    .bind(now)
    .execute()
    .await
    .map(|_| ())
}

/// The group of one department.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chat {
    pub rule: String,
    pub department: String,
    pub app: AppId,
    pub chat: Option<ChatId>,
    pub name: String,
    pub owner: Option<PersonId>,
    pub state: String,
    pub detail: String,
}

const CHAT: &str = "SELECT rule, department, app, chat_id, name, owner, state, detail FROM group_chat";

fn read_chat(row: &Row) -> Result<Chat, StoreError> {
    let owner: Option<String> = row.get("owner")?;
    Ok(Chat {
        rule: row.get("rule")?,
        department: row.get("department")?,
        app: row.get("app")?,
        chat: row.get("chat_id")?,
        name: row.get("name")?,
        owner: owner.as_deref().and_then(PersonId::parse),
        state: row.get("state")?,
        detail: row.get("detail")?,
    })
}

pub async fn chats(tx: &mut Tx, rule: &str) -> Result<Vec<Chat>, StoreError> {
    let rows = tx
        .query(format!("{CHAT} WHERE rule = $1 ORDER BY department"))
        .bind(rule)
        .all()
        .await?;
    rows.iter().map(read_chat).collect()
}

pub async fn chat(tx: &mut Tx, rule: &str, department: &str) -> Result<Option<Chat>, StoreError> {
    let row = tx
        .query(format!("{CHAT} WHERE rule = $1 AND department = $2"))
        .bind(rule)
        .bind(department)
        .optional()
        .await?;
    row.as_ref().map(read_chat).transpose()
}

/// Our groups that are this chat; normally one or none.
pub async fn by_chat(tx: &mut Tx, app: &AppId, chat: &ChatId) -> Result<Vec<Chat>, StoreError> {
    let rows = tx
        .query(format!("{CHAT} WHERE app = $1 AND chat_id = $2"))
        .bind(app)
        .bind(chat)
        .all()
        .await?;
    rows.iter().map(read_chat).collect()
}

/// Enters or changes a group as a whole.
pub async fn put_chat(tx: &mut Tx, chat: &Chat, now: Timestamp) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO group_chat (rule, department, app, chat_id, name, owner, state, detail, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         ON CONFLICT (rule, department) DO UPDATE SET app = excluded.app, chat_id = excluded.chat_id, name = excluded.name, \
           owner = excluded.owner, state = excluded.state, detail = excluded.detail, updated_at = excluded.updated_at",
    )
    .bind(chat.rule.as_str())
    .bind(chat.department.as_str())
    .bind(&chat.app)
    .bind(chat.chat.as_ref().map(|c| c.as_str().to_owned()))
    .bind(chat.name.as_str())
    .bind(chat.owner.as_ref().map(|o| o.as_str().to_owned()))
    .bind(chat.state.as_str())
    .bind(chat.detail.as_str())
    .bind(now)
    .execute()
    .await
    .map(|_| ())
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRow {
    pub rule: String,
    pub department: String,
    pub person: PersonId,
    pub name: String,
    pub active: bool,
    pub claim: Claim,
    pub detail: String,
}

const CLAIM: &str = "SELECT c.rule AS rule, c.department AS department, c.person AS person, p.name AS name, \
     p.active AS active, c.state AS state, c.detail AS detail FROM group_claim c JOIN person p ON p.id = c.person";

fn read_claim(row: &Row) -> Result<ClaimRow, StoreError> {
    let state: String = row.get("state")?;
    Ok(ClaimRow {
        rule: row.get("rule")?,
        department: row.get("department")?,
        person: person(row, "person")?,
        name: row.get("name")?,
        active: row.get("active")?,
        claim: Claim::parse(&state).ok_or_else(|| StoreError::Broken(format!("{state} is no state of a claim")))?,
        detail: row.get("detail")?,
    })
}

pub async fn claims(tx: &mut Tx, rule: &str) -> Result<Vec<ClaimRow>, StoreError> {
    let rows = tx
        .query(format!("{CLAIM} WHERE c.rule = $1 ORDER BY c.department, c.person"))
        .bind(rule)
        .all()
        .await?;
    rows.iter().map(read_claim).collect()
}

pub async fn claims_of(tx: &mut Tx, who: &PersonId) -> Result<Vec<ClaimRow>, StoreError> {
    let rows = tx
        .query(format!("{CLAIM} WHERE c.person = $1 ORDER BY c.rule, c.department"))
        .bind(who.as_str())
        .all()
        .await?;
    rows.iter().map(read_claim).collect()
}

/// The place of one person in the books of one group.
#[derive(Debug, Clone, Copy)]
pub struct Key<'a> {
    pub rule: &'a str,
    pub department: &'a str,
}

pub async fn set_claim(
    tx: &mut Tx,
    key: Key<'_>,
    who: &PersonId,
    claim: Claim,
    detail: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO group_claim (rule, department, person, state, detail, updated_at) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (rule, department, person) DO UPDATE SET state = excluded.state, detail = excluded.detail, updated_at = excluded.updated_at",
    )
    .bind(key.rule)
    .bind(key.department)
    .bind(who.as_str())
    .bind(claim.as_str())
    .bind(detail)
    .bind(now)
    .execute()
    .await
    .map(|_| ())
}

/// From now on they are there by hand, or not at all.
pub async fn drop_claim(tx: &mut Tx, key: Key<'_>, who: &PersonId) -> Result<(), StoreError> {
    tx.query("DELETE FROM group_claim WHERE rule = $1 AND department = $2 AND person = $3")
        .bind(key.rule)
        .bind(key.department)
        .bind(who.as_str())
        .execute()
        .await
        .map(|_| ())
}

/// A change and why it was made.
pub async fn record(
    tx: &mut Tx,
    key: Key<'_>,
    who: Option<&PersonId>,
    what: &str,
    reason: &str,
    actor: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO group_change (at, rule, department, person, what, reason, actor) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(now)
    .bind(key.rule)
    .bind(key.department)
    .bind(who.map(|p| p.as_str().to_owned()))
    .bind(what)
    .bind(reason)
    .bind(actor)
    .execute()
    .await
    .map(|_| ())
}

/// When the rule last changed something.
pub async fn last_change(tx: &mut Tx, rule: &str) -> Result<Option<Timestamp>, StoreError> {
    let row = tx
        .query("SELECT at FROM group_change WHERE rule = $1 ORDER BY id DESC LIMIT 1")
        .bind(rule)
        .optional()
        .await?;
    row.map(|r| r.get("at")).transpose()
}

/// The account of everybody on a platform.
pub async fn accounts(
    tx: &mut Tx,
    company: &CompanyId,
    platform: Platform,
) -> Result<BTreeMap<PersonId, UserId>, StoreError> {
    let rows = tx
        .query(
            "SELECT i.person AS person, i.user_id AS user_id FROM identity i JOIN person p ON p.id = i.person \
             WHERE i.company = $1 AND i.platform = $2 AND i.is_main = TRUE AND p.active = TRUE ORDER BY i.user_id",
        )
        .bind(company)
        .bind(platform.as_str())
        .all()
        .await?;
    let mut map = BTreeMap::new();
    for row in &rows {
        map.entry(person(row, "person")?).or_insert(row.get("user_id")?);
    }
    Ok(map)
}

/// The departments a person stands in directly, by row id.
pub async fn departments_of(tx: &mut Tx, who: &PersonId) -> Result<Vec<String>, StoreError> {
    let rows = tx
        .query("SELECT department FROM person_department WHERE person = $1 ORDER BY department")
        .bind(who.as_str())
        .all()
        .await?;
    rows.iter().map(|r| r.get("department")).collect()
}
