//! SQL of the newcomers.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use hutong_model::{AppId, ChatId, CompanyId, Platform, Timestamp, UserId};

use super::config::Words;
use crate::directory::PersonId;
use crate::store::{Row, StoreError, Tx};

/// Where somebody is on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Waiting,
    Path,
    Done,
    Stopped,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Path => "path",
            State::Done => "done",
            State::Stopped => "stopped",
        }
    }
    fn parse(text: &str) -> Result<Self, StoreError> {
        [State::Waiting, State::Path, State::Done, State::Stopped]
            .into_iter()
            .find(|s| s.as_str() == text)
            .ok_or_else(|| StoreError::Broken(format!("{text} is no state of a newcomer")))
    }
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newcomer {
    pub person: PersonId,
    pub app: AppId,
    pub found_at: Timestamp,
    pub started_on: NaiveDate,
    pub state: State,
    pub reached: bool,
    pub variant: Option<String>,
    pub checkins: usize,
    pub buddy: Option<PersonId>,
    pub hello_at: Option<Timestamp>,
    pub hello_said_at: Option<Timestamp>,
    pub answered: bool,
    pub contributed_at: Option<Timestamp>,
    // As the directory knows them.
    pub name: String,
    pub language: Option<String>,
    pub active: bool,
    /// Row id and name of their department.
    pub department: Option<String>,
    pub department_name: Option<String>,
    pub buddy_name: Option<String>,
    pub buddy_active: bool,
}

const ROW: &str = "SELECT n.person, n.app, n.found_at, n.started_on, n.state, n.reached, n.variant, n.checkins, n.buddy, \
     n.hello_at, n.hello_said_at, n.answered_at, n.contributed_at, p.name, p.language, p.active, p.department, \
     d.name AS department_name, b.name AS buddy_name, b.active AS buddy_active \
     FROM newcomer n JOIN person p ON p.id = n.person LEFT JOIN department d ON d.id = p.department \
     LEFT JOIN person b ON b.id = n.buddy ";

fn date(text: &str) -> Result<NaiveDate, StoreError> {
    text.parse()
        .map_err(|_| StoreError::Broken(format!("{text:?} is no date")))
}

fn person_id(text: &str) -> Result<PersonId, StoreError> {
    PersonId::parse(text).ok_or_else(|| StoreError::Broken(format!("{text:?} is no person id")))
}

fn read(row: &Row) -> Result<Newcomer, StoreError> {
    let started: String = row.get("started_on")?;
    let (person, state): (String, String) = (row.get("person")?, row.get("state")?);
    let buddy: Option<String> = row.get("buddy")?;
    Ok(Newcomer {
        person: person_id(&person)?,
        app: row.get("app")?,
        found_at: row.get("found_at")?,
        started_on: date(&started)?,
        state: State::parse(&state)?,
        reached: row.get("reached")?,
        variant: row.get("variant")?,
        checkins: usize::try_from(row.get::<i64>("checkins")?).unwrap_or(0),
        buddy: buddy.as_deref().map(person_id).transpose()?,
        hello_at: row.get("hello_at")?,
        hello_said_at: row.get("hello_said_at")?,
        answered: row.get::<Option<Timestamp>>("answered_at")?.is_some(),
        contributed_at: row.get("contributed_at")?,
        name: row.get("name")?,
        language: row.get("language")?,
        active: row.get("active")?,
        department: row.get("department")?,
        department_name: row.get("department_name")?,
        buddy_name: row.get("buddy_name")?,
        buddy_active: row.get::<Option<bool>>("buddy_active")?.unwrap_or(false),
    })
}

/// All who are on their way, in the order in which they were found.
pub async fn under_way(tx: &mut Tx, company: &CompanyId) -> Result<Vec<Newcomer>, StoreError> {
    let sql = format!("{ROW} WHERE n.company = $1 AND n.state IN ('waiting', 'path') ORDER BY n.found_at, n.person");
    tx.query(sql).bind(company).all().await?.iter().map(read).collect()
}

/// Those who began on `from` or later, and all who are on their way; the newest first.
pub async fn listed(tx: &mut Tx, company: &CompanyId, from: NaiveDate) -> Result<Vec<Newcomer>, StoreError> {
    let sql = format!(
        "{ROW} WHERE n.company = $1 AND (n.state IN ('waiting', 'path') OR n.started_on >= $2) \
         ORDER BY n.started_on DESC, n.found_at DESC, n.person"
    );
    let rows = tx.query(sql).bind(company).bind(from.to_string()).all().await?;
    rows.iter().map(read).collect()
}

/// Those who want to be named in the groups and were not yet.
pub async fn unsaid_hellos(tx: &mut Tx, company: &CompanyId) -> Result<Vec<Newcomer>, StoreError> {
    let sql = format!(
        "{ROW} WHERE n.company = $1 AND n.hello_at IS NOT NULL AND n.hello_said_at IS NULL AND n.state <> 'stopped' \
         ORDER BY n.hello_at, n.person"
    );
    tx.query(sql).bind(company).all().await?.iter().map(read).collect()
}

pub async fn one(tx: &mut Tx, person: &PersonId) -> Result<Option<Newcomer>, StoreError> {
    let sql = format!("{ROW} WHERE n.person = $1");
    let row = tx.query(sql).bind(person.as_str()).optional().await?;
    row.as_ref().map(read).transpose()
}

/// Somebody is new. Who was new long ago and left meanwhile begins again.
pub async fn add(
    tx: &mut Tx,
    person: &PersonId,
    company: &CompanyId,
    app: &AppId,
    started_on: NaiveDate,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO newcomer (person, company, app, found_at, started_on, state, reached, checkins) \
         VALUES ($1, $2, $3, $4, $5, 'waiting', FALSE, 0) ON CONFLICT (person) DO UPDATE SET app = excluded.app, \
         found_at = excluded.found_at, started_on = excluded.started_on, state = 'waiting', welcomed_at = NULL, \
         variant = NULL, checkins = 0, buddy = NULL, buddy_by = NULL, hello_at = NULL, hello_said_at = NULL, \
         answered_at = NULL, contributed_at = NULL WHERE newcomer.state IN ('done', 'stopped')",
    )
    .bind(person.as_str())
    .bind(company)
    .bind(app)
    .bind(now)
    .bind(started_on.to_string())
    .execute()
    .await
    .map(|_| ())
}

pub async fn welcomed(
    tx: &mut Tx,
    person: &PersonId,
    variant: &str,
    reached: bool,
    checkins: usize,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.query(
        "UPDATE newcomer SET state = 'path', variant = $2, reached = $3, checkins = $4, welcomed_at = $5 WHERE person = $1",
    )
    .bind(person.as_str())
    .bind(variant)
    .bind(reached)
    .bind(checkins)
    .bind(now)
    .execute()
    .await
    .map(|_| ())
}

pub async fn set_state(tx: &mut Tx, person: &PersonId, state: State) -> Result<(), StoreError> {
    tx.query("UPDATE newcomer SET state = $2 WHERE person = $1")
        .bind(person.as_str())
        .bind(state.as_str())
        .execute()
        .await
        .map(|_| ())
}

pub async fn set_checkins(tx: &mut Tx, person: &PersonId, over: usize) -> Result<(), StoreError> {
    tx.query("UPDATE newcomer SET checkins = $2 WHERE person = $1")
        .bind(person.as_str())
        .bind(over)
        .execute()
        .await
        .map(|_| ())
}

pub async fn set_buddy(tx: &mut Tx, person: &PersonId, buddy: Option<&PersonId>, by: &str) -> Result<(), StoreError> {
    tx.query("UPDATE newcomer SET buddy = $2, buddy_by = $3 WHERE person = $1")
        .bind(person.as_str())
        .bind(buddy.map(PersonId::as_str))
        .bind(by)
        .execute()
        .await
        .map(|_| ())
}

/// They pressed a button; `hello`: they want to be named. False when that is nothing new.
pub async fn answered(tx: &mut Tx, person: &PersonId, hello: bool, now: Timestamp) -> Result<bool, StoreError> {
    tx.query("UPDATE newcomer SET answered_at = COALESCE(answered_at, $2) WHERE person = $1")
        .bind(person.as_str())
        .bind(now)
        .execute()
        .await?;
    if !hello {
        return Ok(false);
    }
    let n = tx
        .query("UPDATE newcomer SET hello_at = $2 WHERE person = $1 AND hello_at IS NULL")
        .bind(person.as_str())
        .bind(now)
        .execute()
        .await?;
    Ok(n > 0)
}

pub async fn hello_said(tx: &mut Tx, person: &PersonId, now: Timestamp) -> Result<(), StoreError> {
    tx.query("UPDATE newcomer SET hello_said_at = $2 WHERE person = $1")
        .bind(person.as_str())
        .bind(now)
        .execute()
        .await
        .map(|_| ())
}

pub async fn contributed(tx: &mut Tx, person: &PersonId, at: Timestamp) -> Result<(), StoreError> {
    tx.query("UPDATE newcomer SET contributed_at = $2 WHERE person = $1 AND contributed_at IS NULL")
        .bind(person.as_str())
        .bind(at)
        .execute()
        .await
        .map(|_| ())
}

/// Accounts of newcomers since `from` who have not contributed yet.
pub async fn watched(tx: &mut Tx, from: NaiveDate) -> Result<Vec<(CompanyId, Platform, UserId)>, StoreError> {
    let rows = tx
        .query(
            "SELECT i.company, i.platform, i.user_id FROM newcomer n JOIN identity i ON i.person = n.person \
             WHERE n.contributed_at IS NULL AND n.state <> 'stopped' AND n.started_on >= $1",
        )
        .bind(from.to_string())
        .all()
        .await?;
    rows.iter()
        .map(|row| {
            let platform: String = row.get("platform")?;
            let platform = platform
                .parse()
                .map_err(|e: hutong_model::IdError| StoreError::Broken(e.to_string()))?;
            Ok((row.get("company")?, platform, row.get("user_id")?))
        })
        .collect()
}

/// How many of a company were found since.
pub async fn found_since(tx: &mut Tx, company: &CompanyId, since: Timestamp) -> Result<usize, StoreError> {
    let row = tx
        .query("SELECT COUNT(*) AS n FROM newcomer WHERE company = $1 AND found_at >= $2")
        .bind(company)
        .bind(since)
        .one()
        .await?;
    Ok(usize::try_from(row.get::<i64>("n")?).unwrap_or(0))
}

// --- who is new ---

/// A platform has told that an account is new or changed.
pub async fn sign(tx: &mut Tx, app: &AppId, user: &UserId, at: Timestamp) -> Result<(), StoreError> {
    tx.query("INSERT INTO newcomer_sign (app, user_id, at) VALUES ($1, $2, $3) ON CONFLICT (app, user_id) DO NOTHING")
        .bind(app)
        .bind(user)
        .bind(at)
        .execute()
        .await
        .map(|_| ())
}

pub async fn signs(tx: &mut Tx, app: &AppId) -> Result<Vec<(UserId, Timestamp)>, StoreError> {
    let rows = tx
        .query("SELECT user_id, at FROM newcomer_sign WHERE app = $1 ORDER BY at, user_id")
        .bind(app)
        .all()
        .await?;
    rows.iter()
        .map(|row| Ok((row.get("user_id")?, row.get("at")?)))
        .collect()
}

pub async fn drop_sign(tx: &mut Tx, app: &AppId, user: &UserId) -> Result<(), StoreError> {
    tx.query("DELETE FROM newcomer_sign WHERE app = $1 AND user_id = $2")
        .bind(app)
        .bind(user)
        .execute()
        .await
        .map(|_| ())
}

/// Since when the directory of an app is known; noted at the first call after its first reading.
pub async fn baseline(tx: &mut Tx, app: &AppId) -> Result<Option<Timestamp>, StoreError> {
    tx.query(
        "INSERT INTO newcomer_baseline (app, at) SELECT app, finished_at FROM sync_state WHERE app = $1 \
         ON CONFLICT (app) DO NOTHING",
    )
    .bind(app)
    .execute()
    .await?;
    let row = tx
        .query("SELECT at FROM newcomer_baseline WHERE app = $1")
        .bind(app)
        .optional()
        .await?;
    row.map(|r| r.get("at")).transpose()
}

/// What decides whether somebody is new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub person: PersonId,
    pub created_at: Timestamp,
    pub joined_on: Option<NaiveDate>,
}

fn read_known(row: &Row) -> Result<Known, StoreError> {
    let (person, joined): (String, Option<String>) = (row.get("id")?, row.get("joined_on")?);
    Ok(Known {
        person: person_id(&person)?,
        created_at: row.get("created_at")?,
        joined_on: joined.and_then(|d| d.parse().ok()),
    })
}

/// An active person behind an account who is not on the list yet.
pub async fn unlisted(
    tx: &mut Tx,
    company: &CompanyId,
    platform: Platform,
    user: &UserId,
) -> Result<Option<Known>, StoreError> {
    let row = tx
        .query(
            "SELECT p.id, p.created_at, p.joined_on FROM person p JOIN identity i ON i.person = p.id \
             WHERE i.company = $1 AND i.platform = $2 AND i.user_id = $3 AND p.active = TRUE \
             AND NOT EXISTS (SELECT 1 FROM newcomer n WHERE n.person = p.id)",
        )
        .bind(company)
        .bind(platform.as_str())
        .bind(user)
        .optional()
        .await?;
    row.as_ref().map(read_known).transpose()
}

/// People whom the listings of an app name, and who were met for the first time after `after`.
pub async fn listed_after(tx: &mut Tx, app: &AppId, after: Timestamp) -> Result<Vec<Known>, StoreError> {
    let rows = tx
        .query(
            "SELECT p.id, p.created_at, p.joined_on FROM person p JOIN sync_seen s ON s.person = p.id AND s.app = $1 \
             WHERE p.active = TRUE AND p.created_at > $2 \
             AND NOT EXISTS (SELECT 1 FROM newcomer n WHERE n.person = p.id) ORDER BY p.id",
        )
        .bind(app)
        .bind(after)
        .all()
        .await?;
    rows.iter().map(read_known).collect()
}

/// People on a platform whose first day is `from` or later, as the directory tells. Who has come back
/// after less than `back_within_ms` is no newcomer, whatever day they are said to have begun on.
pub async fn began_since(
    tx: &mut Tx,
    company: &CompanyId,
    platform: Platform,
    from: NaiveDate,
    back_within_ms: i64,
) -> Result<Vec<Known>, StoreError> {
    let rows = tx
        .query(
            "SELECT p.id, p.created_at, p.joined_on FROM person p WHERE p.company = $1 AND p.active = TRUE \
             AND p.joined_on >= $3 AND EXISTS (SELECT 1 FROM identity i WHERE i.person = p.id AND i.platform = $2) \
             AND NOT EXISTS (SELECT 1 FROM newcomer n WHERE n.person = p.id) \
             AND NOT EXISTS (SELECT 1 FROM newcomer_gone g WHERE g.person = p.id \
               AND (g.back_at IS NULL OR g.back_at - g.left_at <= $4)) ORDER BY p.id",
        )
        .bind(company)
        .bind(platform.as_str())
        .bind(from.to_string())
        .bind(back_within_ms)
        .all()
        .await?;
    rows.iter().map(read_known).collect()
}

/// Remembers who has left.
pub async fn remember_gone(tx: &mut Tx, company: &CompanyId) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO newcomer_gone (person, left_at) SELECT id, left_at FROM person \
         WHERE company = $1 AND active = FALSE AND left_at IS NOT NULL \
         ON CONFLICT (person) DO UPDATE SET left_at = excluded.left_at, back_at = NULL \
         WHERE newcomer_gone.left_at <> excluded.left_at",
    )
    .bind(company)
    .execute()
    .await
    .map(|_| ())
}

/// Who is back, with the time they left; each once.
pub async fn take_back(
    tx: &mut Tx,
    company: &CompanyId,
    now: Timestamp,
) -> Result<Vec<(PersonId, Timestamp)>, StoreError> {
    let rows = tx
        .query(
            "UPDATE newcomer_gone SET back_at = $2 WHERE back_at IS NULL AND person IN \
             (SELECT id FROM person WHERE company = $1 AND active = TRUE) RETURNING person, left_at",
        )
        .bind(company)
        .bind(now)
        .all()
        .await?;
    rows.iter()
        .map(|row| {
            let person: String = row.get("person")?;
            Ok((person_id(&person)?, row.get("left_at")?))
        })
        .collect()
}

pub async fn has_account(tx: &mut Tx, person: &PersonId, platform: Platform) -> Result<bool, StoreError> {
    let row = tx
        .query("SELECT COUNT(*) AS n FROM identity WHERE person = $1 AND platform = $2")
        .bind(person.as_str())
        .bind(platform.as_str())
        .one()
        .await?;
    Ok(row.get::<i64>("n")? > 0)
}

// --- buddies ---

/// Departments in which a person stands directly.
pub async fn teams(tx: &mut Tx, person: &PersonId) -> Result<Vec<String>, StoreError> {
    let rows = tx
        .query("SELECT department FROM person_department WHERE person = $1 ORDER BY department")
        .bind(person.as_str())
        .all()
        .await?;
    rows.iter().map(|row| row.get("department")).collect()
}

/// Active people who stand directly in a department and did not begin after `before`, as far as the
/// directory tells.
pub async fn settled_in(tx: &mut Tx, department: &str, before: NaiveDate) -> Result<Vec<PersonId>, StoreError> {
    let rows = tx
        .query(
            "SELECT p.id FROM person p JOIN person_department pd ON pd.person = p.id WHERE pd.department = $1 \
             AND p.active = TRUE AND (p.joined_on IS NULL OR p.joined_on <= $2) ORDER BY p.id",
        )
        .bind(department)
        .bind(before.to_string())
        .all()
        .await?;
    rows.iter()
        .map(|row| {
            let person: String = row.get("id")?;
            person_id(&person)
        })
        .collect()
}

/// Everybody who came as a newcomer after `before`.
pub async fn on_probation(
    tx: &mut Tx,
    company: &CompanyId,
    before: NaiveDate,
) -> Result<BTreeSet<PersonId>, StoreError> {
    let rows = tx
        .query("SELECT person FROM newcomer WHERE company = $1 AND started_on > $2")
        .bind(company)
        .bind(before.to_string())
        .all()
        .await?;
    rows.iter()
        .map(|row| {
            let person: String = row.get("person")?;
            person_id(&person)
        })
        .collect()
}

/// How many newcomers each buddy looks after.
pub async fn loads(tx: &mut Tx, company: &CompanyId) -> Result<BTreeMap<PersonId, usize>, StoreError> {
    let rows = tx
        .query(
            "SELECT buddy, COUNT(*) AS n FROM newcomer WHERE company = $1 AND buddy IS NOT NULL \
             AND state IN ('waiting', 'path') GROUP BY buddy",
        )
        .bind(company)
        .all()
        .await?;
    rows.iter()
        .map(|row| {
            let buddy: String = row.get("buddy")?;
            Ok((person_id(&buddy)?, usize::try_from(row.get::<i64>("n")?).unwrap_or(0)))
        })
        .collect()
}

/// The groups that a group rule keeps: department, app, chat.
pub async fn groups_of_rule(tx: &mut Tx, rule: &str) -> Result<Vec<(String, AppId, ChatId)>, StoreError> {
    let rows = tx
        .query(
            "SELECT department, app, chat_id FROM group_chat WHERE rule = $1 AND state = 'ready' \
             AND chat_id IS NOT NULL ORDER BY department",
        )
        .bind(rule)
        .all()
        .await?;
    rows.iter()
        .map(|row| Ok((row.get("department")?, row.get("app")?, row.get("chat_id")?)))
        .collect()
}

// --- welcome texts ---

pub async fn words(tx: &mut Tx) -> Result<Vec<Words>, StoreError> {
    let rows = tx
        .query("SELECT id, body, weight FROM newcomer_words ORDER BY id")
        .all()
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Words {
                id: row.get("id")?,
                text: row.get("body")?,
                weight: u32::try_from(row.get::<i64>("weight")?).unwrap_or(0),
            })
        })
        .collect()
}

pub async fn put_words(tx: &mut Tx, words: &Words, by: &PersonId, now: Timestamp) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO newcomer_words (id, body, weight, changed_by, changed_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (id) DO UPDATE SET body = excluded.body, weight = excluded.weight, \
         changed_by = excluded.changed_by, changed_at = excluded.changed_at",
    )
    .bind(words.id.as_str())
    .bind(words.text.as_str())
    .bind(words.weight)
    .bind(by.as_str())
    .bind(now)
    .execute()
    .await
    .map(|_| ())
}

/// Of the welcomed since `from`: text, first day, first contribution.
pub async fn outcomes(
    tx: &mut Tx,
    company: &CompanyId,
    from: NaiveDate,
) -> Result<Vec<(String, NaiveDate, Option<Timestamp>)>, StoreError> {
    let rows = tx
        .query(
            "SELECT variant, started_on, contributed_at FROM newcomer WHERE company = $1 AND variant IS NOT NULL \
             AND started_on >= $2 AND reached = TRUE",
        )
        .bind(company)
        .bind(from.to_string())
        .all()
        .await?;
    rows.iter()
        .map(|row| {
            let started: String = row.get("started_on")?;
            Ok((row.get("variant")?, date(&started)?, row.get("contributed_at")?))
        })
        .collect()
}
