//! SQL of the groups rule.

use std::collections::{BTreeSet, HashMap};

use chrono::NaiveDate;
use hutong_model::{AppId, ChatId, Timestamp};

use super::plan::Claim;
use super::split;
use super::undo::{Did, Entry};
use crate::directory::PersonId;
use crate::store::{Row, StoreError, Tx};

pub(super) fn person(row: &Row, column: &str) -> Result<PersonId, StoreError> {
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
    /// The last day of somebody in grace.
    pub until: Option<NaiveDate>,
}

const CLAIM: &str = "SELECT c.rule AS rule, c.department AS department, c.person AS person, p.name AS name, \
     p.active AS active, c.state AS state, c.detail AS detail, c.until_day AS until_day FROM group_claim c JOIN person p ON p.id = c.person";

fn read_claim(row: &Row) -> Result<ClaimRow, StoreError> {
    let state: String = row.get("state")?;
    let until: Option<String> = row.get("until_day")?;
    Ok(ClaimRow {
        rule: row.get("rule")?,
        department: row.get("department")?,
        person: person(row, "person")?,
        name: row.get("name")?,
        active: row.get("active")?,
        claim: Claim::parse(&state).ok_or_else(|| StoreError::Broken(format!("{state} is no state of a claim")))?,
        detail: row.get("detail")?,
        until: until.and_then(|day| day.parse().ok()),
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
         ON CONFLICT (rule, department, person) DO UPDATE SET state = excluded.state, detail = excluded.detail, updated_at = excluded.updated_at, \
           until_day = CASE WHEN excluded.state = 'removing' THEN group_claim.until_day ELSE NULL END",
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

/// They have moved, and stay until the end of this day.
pub async fn set_grace(
    tx: &mut Tx,
    key: Key<'_>,
    who: &PersonId,
    until: NaiveDate,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.query(
        "UPDATE group_claim SET state = 'grace', detail = '', until_day = $4, updated_at = $5 \
         WHERE rule = $1 AND department = $2 AND person = $3",
    )
    .bind(key.rule)
    .bind(key.department)
    .bind(who.as_str())
    .bind(until.to_string())
    .bind(now)
    .execute()
    .await
    .map(|_| ())
}

/// The platform did not remove them: they are in as before.
pub async fn not_removed(
    tx: &mut Tx,
    key: Key<'_>,
    who: &PersonId,
    why: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.query(
        "UPDATE group_claim SET state = CASE WHEN until_day IS NULL THEN 'in' ELSE 'grace' END, detail = $4, \
           updated_at = $5 WHERE rule = $1 AND department = $2 AND person = $3",
    )
    .bind(key.rule)
    .bind(key.department)
    .bind(who.as_str())
    .bind(why)
    .bind(now)
    .execute()
    .await
    .map(|_| ())
}

/// When the rule was seen for the first time; now, if this is it. A rule that had changed something
/// before this was kept is as old as that change.
pub async fn first_seen(tx: &mut Tx, rule: &str, now: Timestamp) -> Result<Timestamp, StoreError> {
    let row = tx
        .query("SELECT first_seen FROM group_rule_state WHERE rule = $1")
        .bind(rule)
        .optional()
        .await?;
    let known: Option<Timestamp> = row.map_or(Ok(None), |r| r.get("first_seen"))?;
    if let Some(at) = known {
        return Ok(at);
    }
    let first = tx
        .query("SELECT at FROM group_change WHERE rule = $1 ORDER BY id LIMIT 1")
        .bind(rule)
        .optional()
        .await?;
    let at = first.map_or(Ok(now), |r| r.get("at"))?;
    tx.query(
        "INSERT INTO group_rule_state (rule, paused, changed_by, changed_at, first_seen) VALUES ($1, FALSE, 'system', $2, $3) \
         ON CONFLICT (rule) DO UPDATE SET first_seen = excluded.first_seen",
    )
    .bind(rule)
    .bind(now)
    .bind(at)
    .execute()
    .await?;
    Ok(at)
}

/// Notes that somebody is brought back into a mandatory group; false when that was done before.
pub async fn bring_back(tx: &mut Tx, key: Key<'_>, who: &PersonId) -> Result<bool, StoreError> {
    let changed = tx
        .query(
            "UPDATE group_claim SET brought_back = TRUE \
             WHERE rule = $1 AND department = $2 AND person = $3 AND brought_back = FALSE",
        )
        .bind(key.rule)
        .bind(key.department)
        .bind(who.as_str())
        .execute()
        .await?;
    Ok(changed > 0)
}

/// When a group was last asked for, and by which run of a plan.
pub async fn last_create(tx: &mut Tx, key: Key<'_>) -> Result<Option<(Timestamp, Option<String>)>, StoreError> {
    let row = tx
        .query(
            "SELECT at, plan FROM group_change WHERE rule = $1 AND department = $2 AND what = 'create' \
             ORDER BY id DESC LIMIT 1",
        )
        .bind(key.rule)
        .bind(key.department)
        .optional()
        .await?;
    row.map(|r| Ok((r.get("at")?, r.get("plan")?))).transpose()
}

/// Groups of this name that were first seen after `since` and belong to no rule; two at most.
pub async fn strangers(tx: &mut Tx, app: &AppId, name: &str, since: Timestamp) -> Result<Vec<ChatId>, StoreError> {
    let rows = tx
        .query(
            "SELECT c.chat_id AS chat_id FROM chat c LEFT JOIN group_chat g ON g.app = c.app AND g.chat_id = c.chat_id \
             WHERE c.app = $1 AND c.name = $2 AND c.kind = 'group' AND c.active = TRUE AND c.external = FALSE \
               AND c.created_at >= $3 AND g.rule IS NULL LIMIT 2",
        )
        .bind(app)
        .bind(name)
        .bind(since)
        .all()
        .await?;
    rows.iter().map(|r| r.get("chat_id")).collect()
}

/// Until when a limit is booked.
pub async fn budget(tx: &mut Tx, place: &str, api: &str) -> Result<Timestamp, StoreError> {
    let row = tx
        .query("SELECT free_at FROM group_budget WHERE place = $1 AND api = $2")
        .bind(place)
        .bind(api)
        .optional()
        .await?;
    row.map_or(Ok(Timestamp(0)), |r| r.get("free_at"))
}

pub async fn set_budget(tx: &mut Tx, place: &str, api: &str, free_at: Timestamp) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO group_budget (place, api, free_at) VALUES ($1, $2, $3) \
         ON CONFLICT (place, api) DO UPDATE SET free_at = excluded.free_at",
    )
    .bind(place)
    .bind(api)
    .bind(free_at)
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

/// Why something is changed, who wanted it, and the run of a plan it belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Why<'a> {
    pub actor: &'a str,
    pub reason: &'a str,
    pub run: Option<&'a str>,
}

/// What is written down of a change.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    pub did: Did,
    pub who: Option<&'a PersonId>,
    pub was: Option<&'a str>,
    pub became: Option<&'a str>,
}

impl<'a> Record<'a> {
    pub fn of(did: Did, who: &'a PersonId) -> Self {
        Self {
            did,
            who: Some(who),
            was: None,
            became: None,
        }
    }
}

/// A change and why it was made.
pub async fn record(
    tx: &mut Tx,
    key: Key<'_>,
    record: Record<'_>,
    why: Why<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO group_change (at, rule, department, person, what, reason, actor, plan, was, became) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(now)
    .bind(key.rule)
    .bind(key.department)
    .bind(record.who.map(|p| p.as_str().to_owned()))
    .bind(record.did.as_str())
    .bind(why.reason)
    .bind(why.actor)
    .bind(why.run.map(str::to_owned))
    .bind(record.was.map(str::to_owned))
    .bind(record.became.map(str::to_owned))
    .execute()
    .await
    .map(|_| ())
}

/// How a change of a run ended. `who` is absent for what is about the whole group.
pub async fn outcome(
    tx: &mut Tx,
    run: &str,
    key: Key<'_>,
    did: Did,
    who: Option<&PersonId>,
    ok: bool,
) -> Result<(), StoreError> {
    tx.query(
        "UPDATE group_change SET outcome = $1 WHERE plan = $2 AND rule = $3 AND department = $4 AND what = $5 \
           AND ($6 = '' OR person = $6) AND outcome IS NULL",
    )
    .bind(if ok { "ok" } else { "failed" })
    .bind(run)
    .bind(key.rule)
    .bind(key.department)
    .bind(did.as_str())
    .bind(who.map_or("", PersonId::as_str))
    .execute()
    .await
    .map(|_| ())
}

/// A group was not made: nobody came into it.
pub async fn nothing_came(tx: &mut Tx, key: Key<'_>) -> Result<(), StoreError> {
    tx.query(
        "UPDATE group_change SET outcome = 'failed' WHERE rule = $1 AND department = $2 \
           AND what IN ('create', 'add') AND plan IS NOT NULL AND outcome IS NULL",
    )
    .bind(key.rule)
    .bind(key.department)
    .execute()
    .await
    .map(|_| ())
}

/// A plan that was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub id: String,
    pub rule: String,
    pub code: String,
    pub at: Timestamp,
    pub actor: String,
    pub undone: bool,
}

const RUN: &str = "SELECT id, rule, code, at, actor, undone_at FROM group_plan";

fn read_run(row: &Row) -> Result<Run, StoreError> {
    let undone: Option<Timestamp> = row.get("undone_at")?;
    Ok(Run {
        id: row.get("id")?,
        rule: row.get("rule")?,
        code: row.get("code")?,
        at: row.get("at")?,
        actor: row.get("actor")?,
        undone: undone.is_some(),
    })
}

/// Notes that a plan is carried out; `back` is the run it takes back, which counts as undone now.
pub async fn put_run(tx: &mut Tx, run: &Run, back: Option<&str>, now: Timestamp) -> Result<(), StoreError> {
    tx.query("INSERT INTO group_plan (id, rule, code, at, actor, undo_of) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(run.id.as_str())
        .bind(run.rule.as_str())
        .bind(run.code.as_str())
        .bind(run.at)
        .bind(run.actor.as_str())
        .bind(back.map(str::to_owned))
        .execute()
        .await?;
    if let Some(back) = back {
        tx.query("UPDATE group_plan SET undone_at = $2 WHERE id = $1")
            .bind(back)
            .bind(now)
            .execute()
            .await?;
    }
    Ok(())
}

/// The last run with this code.
pub async fn run_by_code(tx: &mut Tx, code: &str) -> Result<Option<Run>, StoreError> {
    let row = tx
        .query(format!("{RUN} WHERE code = $1 ORDER BY at DESC, id DESC LIMIT 1"))
        .bind(code)
        .optional()
        .await?;
    row.as_ref().map(read_run).transpose()
}

pub async fn run(tx: &mut Tx, id: &str) -> Result<Option<Run>, StoreError> {
    let row = tx.query(format!("{RUN} WHERE id = $1")).bind(id).optional().await?;
    row.as_ref().map(read_run).transpose()
}

/// A way back with this code was shown; it may be carried out.
pub async fn show_undo(tx: &mut Tx, rule: &str, code: &str, run: &str, now: Timestamp) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO group_undo (rule, code, plan, shown_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (rule, code) DO UPDATE SET plan = excluded.plan, shown_at = excluded.shown_at",
    )
    .bind(rule)
    .bind(code)
    .bind(run)
    .bind(now)
    .execute()
    .await
    .map(|_| ())
}

/// The run that the way back with this code takes back.
pub async fn undo_shown(tx: &mut Tx, rule: &str, code: &str) -> Result<Option<Run>, StoreError> {
    let row = tx
        .query("SELECT plan FROM group_undo WHERE rule = $1 AND code = $2")
        .bind(rule)
        .bind(code)
        .optional()
        .await?;
    match row {
        Some(row) => run(tx, &row.get::<String>("plan")?).await,
        None => Ok(None),
    }
}

/// What a run did, in order, and whether anything else has moved the same people since.
pub async fn entries(tx: &mut Tx, run: &Run) -> Result<Vec<Entry>, StoreError> {
    let rows = tx
        .query(
            "SELECT id, department, person, what, was, became, outcome FROM group_change WHERE plan = $1 ORDER BY id",
        )
        .bind(run.id.as_str())
        .all()
        .await?;
    let first: i64 = rows.first().map_or(Ok(i64::MAX), |r| r.get("id"))?;
    let later = tx
        .query(
            "SELECT department, person FROM group_change WHERE rule = $1 AND id > $2 AND person IS NOT NULL \
               AND what IN ('add', 'remove') AND (plan IS NULL OR plan <> $3) AND (outcome IS NULL OR outcome = 'ok')",
        )
        .bind(run.rule.as_str())
        .bind(first)
        .bind(run.id.as_str())
        .all()
        .await?;
    let mut moved: BTreeSet<(String, String)> = BTreeSet::new();
    for row in &later {
        moved.insert((row.get("department")?, row.get("person")?));
    }
    let mut list = Vec::new();
    for row in &rows {
        let (what, outcome): (String, Option<String>) = (row.get("what")?, row.get("outcome")?);
        let who: Option<String> = row.get("person")?;
        let department: String = row.get("department")?;
        list.push(Entry {
            did: Did::parse(&what).ok_or_else(|| StoreError::Broken(format!("{what} is no change of a group")))?,
            person: who.as_deref().and_then(PersonId::parse),
            was: row.get("was")?,
            became: row.get("became")?,
            done: outcome.map(|o| o == "ok"),
            moved_since: who.is_some_and(|who| moved.contains(&(department.clone(), who))),
            department,
        });
    }
    Ok(list)
}

/// Name and owner of a chat as the directory last saw them, when it is still there.
pub async fn seen(
    tx: &mut Tx,
    app: &AppId,
    chat: &ChatId,
) -> Result<Option<(Option<String>, Option<PersonId>)>, StoreError> {
    let row = tx
        .query("SELECT name, owner FROM chat WHERE app = $1 AND chat_id = $2 AND active = TRUE")
        .bind(app)
        .bind(chat)
        .optional()
        .await?;
    row.map(|row| {
        let owner: Option<String> = row.get("owner")?;
        Ok((row.get("name")?, owner.as_deref().and_then(PersonId::parse)))
    })
    .transpose()
}

/// A group is no more: its books are closed. What was done stays in the book of changes.
pub async fn forget_chat(tx: &mut Tx, key: Key<'_>) -> Result<(), StoreError> {
    for table in ["group_claim", "group_chat"] {
        tx.query(format!("DELETE FROM {table} WHERE rule = $1 AND department = $2"))
            .bind(key.rule)
            .bind(key.department)
            .execute()
            .await?;
    }
    Ok(())
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

/// Who is in the groups of a rule, by key.
pub async fn members(tx: &mut Tx, rule: &str) -> Result<HashMap<String, BTreeSet<PersonId>>, StoreError> {
    let rows = tx
        .query(
            "SELECT g.department AS department, m.person AS person FROM group_chat g \
             JOIN chat_member m ON m.app = g.app AND m.chat_id = g.chat_id WHERE g.rule = $1 AND m.left_at IS NULL",
        )
        .bind(rule)
        .all()
        .await?;
    let mut map: HashMap<String, BTreeSet<PersonId>> = HashMap::new();
    for row in &rows {
        map.entry(row.get("department")?)
            .or_default()
            .insert(person(row, "person")?);
    }
    Ok(map)
}

/// Names of the groups of other rules of an app.
pub async fn names_of_others(tx: &mut Tx, app: &AppId, rule: &str) -> Result<BTreeSet<String>, StoreError> {
    let rows = tx
        .query("SELECT name FROM group_chat WHERE app = $1 AND rule <> $2 AND state <> 'failed'")
        .bind(app)
        .bind(rule)
        .all()
        .await?;
    rows.iter().map(|r| r.get("name")).collect()
}

/// A group and its siblings, in order.
pub async fn siblings(tx: &mut Tx, rule: &str, key: &str) -> Result<Vec<Chat>, StoreError> {
    let rows = tx
        .query(format!(
            "{CHAT} WHERE rule = $1 AND (department = $2 OR substr(department, 1, length($2) + 1) = $2 || '#')"
        ))
        .bind(rule)
        .bind(key)
        .all()
        .await?;
    let mut list = rows.iter().map(read_chat).collect::<Result<Vec<_>, _>>()?;
    list.sort_by_key(|c| split::base_of(&c.department).1);
    Ok(list)
}

/// Members of a chat.
pub async fn size(tx: &mut Tx, app: &AppId, chat: &ChatId) -> Result<usize, StoreError> {
    let row = tx
        .query("SELECT COUNT(*) AS n FROM chat_member WHERE app = $1 AND chat_id = $2 AND left_at IS NULL")
        .bind(app)
        .bind(chat)
        .one()
        .await?;
    Ok(usize::try_from(row.get::<i64>("n")?).unwrap_or_default())
}

/// A plan that somebody asks for on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub id: String,
    pub rule: String,
    pub code: String,
    pub person: PersonId,
    pub at: Timestamp,
    pub state: String,
    pub answer: String,
}

/// False: it is there already.
pub async fn put_order(tx: &mut Tx, order: &Order) -> Result<bool, StoreError> {
    let rows = tx
        .query(
            "INSERT INTO group_order (id, rule, code, person, at, state, answer) VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(order.id.as_str())
        .bind(order.rule.as_str())
        .bind(order.code.as_str())
        .bind(order.person.as_str())
        .bind(order.at)
        .bind(order.state.as_str())
        .bind(order.answer.as_str())
        .execute()
        .await?;
    Ok(rows > 0)
}

pub async fn order(tx: &mut Tx, id: &str) -> Result<Option<Order>, StoreError> {
    let row = tx
        .query("SELECT id, rule, code, person, at, state, answer FROM group_order WHERE id = $1")
        .bind(id)
        .optional()
        .await?;
    row.map(|row| {
        Ok(Order {
            id: row.get("id")?,
            rule: row.get("rule")?,
            code: row.get("code")?,
            person: person(&row, "person")?,
            at: row.get("at")?,
            state: row.get("state")?,
            answer: row.get("answer")?,
        })
    })
    .transpose()
}

pub async fn answer_order(tx: &mut Tx, id: &str, state: &str, answer: &str) -> Result<(), StoreError> {
    tx.query("UPDATE group_order SET state = $2, answer = $3 WHERE id = $1")
        .bind(id)
        .bind(state)
        .bind(answer)
        .execute()
        .await
        .map(|_| ())
}
