//! SQL of accounts and of the people who are put together from them.

use hutong_model::{AppId, CompanyId, Employment, Platform, Secret, Timestamp, UserId};
use rand::Rng as _;
use std::time::Duration;

use super::{By, Conflict, Entry, Policy, RETURN_DAYS, Source};
use crate::directory::PersonId;
use crate::store::{Row, StoreError, Tx, Value, placeholders};

/// One account of a person, as its platform told it last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub platform: Platform,
    /// The id its platform lists it by.
    pub main: UserId,
    pub person: PersonId,
    pub entry: Option<Entry>,
    pub active: bool,
    pub told_at: Timestamp,
    pub pinned: bool,
}

/// An account that shares a number or an address with another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub person: PersonId,
    pub platform: Platform,
    pub employee_no: Option<String>,
    /// Active, and named by the newest listing.
    pub in_use: bool,
}

/// What a person looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    pub name: Option<String>,
    pub employee_no: Option<String>,
    pub title: Option<String>,
    pub department: Option<String>,
    pub leader: Option<PersonId>,
    pub joined_on: Option<String>,
    pub office: Option<String>,
    pub employment: Option<Employment>,
    pub active: bool,
}

fn person_in(row: &Row, column: &str) -> Result<PersonId, StoreError> {
    let id: String = row.get(column)?;
    PersonId::parse(&id).ok_or_else(|| StoreError::Broken(format!("{column} is not a person id")))
}

fn platform_in(row: &Row) -> Result<Platform, StoreError> {
    let text: String = row.get("platform")?;
    text.parse()
        .map_err(|e: hutong_model::IdError| StoreError::Broken(e.to_string()))
}

fn read_account(row: &Row) -> Result<Account, StoreError> {
    let record: Option<String> = row.get("record")?;
    Ok(Account {
        platform: platform_in(row)?,
        main: row.get("user_id")?,
        person: person_in(row, "person")?,
        // A record of another form is as good as none: the next listing brings it again.
        entry: record.and_then(|text| serde_json::from_str(&text).ok()),
        active: row.get("active")?,
        told_at: row.get("told_at")?,
        pinned: row.get("pinned")?,
    })
}

const ACCOUNT: &str = "SELECT platform, user_id, person, record, active, told_at, pinned FROM identity ";

/// The account with this id, else with one of the other ids it is told to have.
pub async fn account(
    tx: &mut Tx,
    from: Source<'_>,
    user: &UserId,
    aliases: &[UserId],
) -> Result<Option<Account>, StoreError> {
    let sql = format!("{ACCOUNT} WHERE company = $1 AND platform = $2 AND user_id = $3");
    for id in std::iter::once(user).chain(aliases) {
        let row = tx
            .query(sql.clone())
            .bind(from.company)
            .bind(from.platform.as_str())
            .bind(id)
            .optional()
            .await?;
        if let Some(row) = row {
            return read_account(&row).map(Some);
        }
    }
    Ok(None)
}

/// The accounts of a person, in the order of platforms and ids.
pub async fn accounts_of(tx: &mut Tx, person: &PersonId) -> Result<Vec<Account>, StoreError> {
    let sql = format!("{ACCOUNT} WHERE person = $1 AND is_main = TRUE ORDER BY platform, user_id");
    tx.query(sql)
        .bind(person.as_str())
        .all()
        .await?
        .iter()
        .map(read_account)
        .collect()
}

/// Accounts of the company, other than this one, that share a number or an address with it.
pub async fn others_with(
    tx: &mut Tx,
    from: Source<'_>,
    by: By,
    key: &str,
    entry: &Entry,
) -> Result<Vec<Candidate>, StoreError> {
    let column = match by {
        By::EmployeeNo => "employee_no",
        By::Email => "email_key",
        By::Mobile => "mobile_key",
    };
    let sql = format!(
        "SELECT i.person, i.platform, i.employee_no, i.active, \
         (SELECT COUNT(*) FROM sync_seen s WHERE s.user_id = i.user_id AND s.person = i.person AND s.missing_since IS NOT NULL) AS missed \
         FROM identity i WHERE i.company = $1 AND i.{column} = $2 AND i.is_main = TRUE AND NOT (i.platform = $3 AND i.user_id = $4) \
         ORDER BY i.platform, i.user_id"
    );
    let rows = tx
        .query(sql)
        .bind(from.company)
        .bind(key)
        .bind(from.platform.as_str())
        .bind(&entry.user)
        .all()
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Candidate {
                person: person_in(row, "person")?,
                platform: platform_in(row)?,
                employee_no: row.get("employee_no")?,
                in_use: row.get::<bool>("active")? && row.get::<i64>("missed")? == 0,
            })
        })
        .collect()
}

/// The person whom the administrator's map gives this account to, once one of its accounts is known.
pub async fn mapped(tx: &mut Tx, from: Source<'_>, user: &UserId) -> Result<Option<PersonId>, StoreError> {
    let row = tx
        .query(
            "SELECT i.person FROM identity_map m JOIN identity_map o ON o.company = m.company AND o.person_key = m.person_key \
             JOIN identity i ON i.company = o.company AND i.platform = o.platform AND i.user_id = o.user_id \
             JOIN person p ON p.id = i.person \
             WHERE m.company = $1 AND m.platform = $2 AND m.user_id = $3 ORDER BY p.created_at, p.id LIMIT 1",
        )
        .bind(from.company)
        .bind(from.platform.as_str())
        .bind(user)
        .optional()
        .await?;
    row.as_ref().map(|r| person_in(r, "person")).transpose()
}

/// Whether a person holds a role, by whatever it was given.
pub async fn holds_a_role(tx: &mut Tx, person: &PersonId) -> Result<bool, StoreError> {
    let rights = crate::access::store::rights_of(tx, person).await?;
    Ok(!rights.0.is_empty())
}

/// Enters a person who is not known yet. The id of somebody whose account now belongs to another
/// person is not given out again.
pub async fn new_person(
    tx: &mut Tx,
    company: &CompanyId,
    id: &PersonId,
    entry: &Entry,
    now: Timestamp,
) -> Result<PersonId, StoreError> {
    let name = match entry.name.as_str() {
        "" => entry.user.as_str(),
        name => name,
    };
    tx.query(
        "INSERT INTO person (id, company, name, active, created_at) VALUES ($1, $2, $3, TRUE, $4) \
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(id.as_str())
    .bind(company)
    .bind(name)
    .bind(now)
    .execute()
    .await?;
    Ok(id.clone())
}

/// Writes down what is known about an account.
pub async fn put_account(
    tx: &mut Tx,
    from: Source<'_>,
    entry: &Entry,
    person: &PersonId,
    told: Timestamp,
    digest: Option<&str>,
) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO identity (company, platform, user_id, person, is_main, record, digest, employee_no, email_key, mobile_key, active, told_at) \
         VALUES ($1, $2, $3, $4, TRUE, $5, $6, $7, $8, $9, $10, $11) \
         ON CONFLICT (company, platform, user_id) DO UPDATE SET person = excluded.person, is_main = TRUE, record = excluded.record, \
           digest = excluded.digest, employee_no = excluded.employee_no, email_key = excluded.email_key, \
           mobile_key = excluded.mobile_key, active = excluded.active, told_at = excluded.told_at",
    )
    .bind(from.company)
    .bind(from.platform.as_str())
    .bind(&entry.user)
    .bind(person.as_str())
    .bind(entry.json()?)
    .bind(digest.map(str::to_owned))
    .bind(entry.employee_no.clone())
    .bind(entry.email_key.clone())
    .bind(entry.mobile_key.clone())
    .bind(entry.active)
    .bind(told)
    .execute()
    .await
    .map(|_| ())
}

/// The other ids of an account point at the same person.
pub async fn place_accounts(tx: &mut Tx, from: Source<'_>, entry: &Entry, person: &PersonId) -> Result<(), StoreError> {
    let aliases: Vec<&UserId> = entry.aliases.iter().filter(|a| **a != entry.user).collect();
    if aliases.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "INSERT INTO identity (company, platform, user_id, person, is_main) VALUES {} \
         ON CONFLICT (company, platform, user_id) DO UPDATE SET person = excluded.person, is_main = excluded.is_main",
        placeholders(aliases.len(), 5)
    );
    let values = aliases.iter().flat_map(|alias| {
        [
            Value::from(from.company),
            Value::from(from.platform.as_str()),
            Value::from(*alias),
            Value::from(person.as_str()),
            Value::from(false),
        ]
    });
    tx.query(sql).bind_all(values).execute().await.map(|_| ())
}

/// An account is no longer in use.
pub async fn end_account(tx: &mut Tx, from: Source<'_>, user: &UserId, told: Timestamp) -> Result<(), StoreError> {
    tx.query(
        "UPDATE identity SET active = FALSE, told_at = $4, digest = NULL WHERE company = $1 AND platform = $2 AND user_id = $3",
    )
    .bind(from.company)
    .bind(from.platform.as_str())
    .bind(user)
    .bind(told)
    .execute()
    .await
    .map(|_| ())
}

/// All accounts of a person end.
pub async fn end_all(tx: &mut Tx, person: &PersonId) -> Result<(), StoreError> {
    tx.query("UPDATE identity SET active = FALSE, digest = NULL WHERE person = $1")
        .bind(person.as_str())
        .execute()
        .await
        .map(|_| ())
}

/// Changes what a person looks like, where it is different. Who leaves and comes back within
/// [`RETURN_DAYS`] has returned; the time they left stays written.
pub async fn shape(tx: &mut Tx, person: &PersonId, shape: &Shape, now: Timestamp) -> Result<(), StoreError> {
    tx.query(
        "UPDATE person SET name = COALESCE($2, name), employee_no = COALESCE($3, employee_no), title = COALESCE($4, title), \
           department = COALESCE($5, department), leader = COALESCE($6, leader), active = $7, \
           joined_on = COALESCE($10, joined_on), office = COALESCE($11, office), employment = COALESCE($12, employment), \
           contractor = COALESCE($13, contractor), \
           left_at = CASE WHEN active AND NOT $7 THEN CAST($8 AS BIGINT) ELSE left_at END, \
           returned_at = CASE WHEN $7 AND NOT active THEN CASE WHEN left_at IS NOT NULL AND left_at >= $9 THEN CAST($8 AS BIGINT) END \
             ELSE returned_at END \
         WHERE id = $1",
    )
    .bind(person.as_str())
    .bind(shape.name.clone())
    .bind(shape.employee_no.clone())
    .bind(shape.title.clone())
    .bind(shape.department.clone())
    .bind(shape.leader.as_ref().map(|p| p.as_str().to_owned()))
    .bind(shape.active)
    .bind(now)
    .bind(now - Duration::from_secs(RETURN_DAYS * 86_400))
    .bind(shape.joined_on.clone())
    .bind(shape.office.clone())
    .bind(shape.employment.map(|e| e.as_str().to_owned()))
    .bind(shape.employment.map(Employment::is_contractor))
    .execute()
    .await
    .map(|_| ())
}

/// The departments a person stands in directly.
pub async fn stand_in(tx: &mut Tx, person: &PersonId, departments: &[String]) -> Result<(), StoreError> {
    let rows = tx
        .query("SELECT department FROM person_department WHERE person = $1")
        .bind(person.as_str())
        .all()
        .await?;
    let before: Vec<String> = rows.iter().map(|r| r.get("department")).collect::<Result<_, _>>()?;
    for gone in before.iter().filter(|d| !departments.contains(d)) {
        tx.query("DELETE FROM person_department WHERE person = $1 AND department = $2")
            .bind(person.as_str())
            .bind(gone)
            .execute()
            .await?;
    }
    for new in departments.iter().filter(|d| !before.contains(d)) {
        tx.query(
            "INSERT INTO person_department (person, department) VALUES ($1, $2) ON CONFLICT (person, department) DO NOTHING",
        )
        .bind(person.as_str())
        .bind(new)
        .execute()
        .await?;
    }
    Ok(())
}

/// The history of where a person stands: what is no longer so ends, what is new begins.
pub async fn stay(tx: &mut Tx, person: &PersonId, departments: &[String], at: Timestamp) -> Result<(), StoreError> {
    let rows = tx
        .query("SELECT department FROM person_stay WHERE person = $1 AND ended_at IS NULL")
        .bind(person.as_str())
        .all()
        .await?;
    let open: Vec<String> = rows.iter().map(|r| r.get("department")).collect::<Result<_, _>>()?;
    for gone in open.iter().filter(|d| !departments.contains(d)) {
        tx.query(
            "UPDATE person_stay SET ended_at = CASE WHEN began_at > $3 THEN began_at ELSE $3 END \
             WHERE person = $1 AND department = $2 AND ended_at IS NULL",
        )
        .bind(person.as_str())
        .bind(gone)
        .bind(at)
        .execute()
        .await?;
    }
    for new in departments.iter().filter(|d| !open.contains(d)) {
        tx.query(
            "INSERT INTO person_stay (person, department, began_at) VALUES ($1, $2, $3) \
             ON CONFLICT (person, department, began_at) DO UPDATE SET ended_at = NULL",
        )
        .bind(person.as_str())
        .bind(new)
        .bind(at)
        .execute()
        .await?;
    }
    Ok(())
}

/// The departments a person stood in at a moment, by row id.
pub async fn departments_at(tx: &mut Tx, person: &PersonId, at: Timestamp) -> Result<Vec<String>, StoreError> {
    let rows = tx
        .query(
            "SELECT department FROM person_stay WHERE person = $1 AND began_at <= $2 AND (ended_at IS NULL OR ended_at > $2) \
             ORDER BY began_at, department",
        )
        .bind(person.as_str())
        .bind(at)
        .all()
        .await?;
    rows.iter().map(|r| r.get("department")).collect()
}

/// Somebody who has left is in no chat any more.
pub async fn leave_chats(tx: &mut Tx, person: &PersonId, now: Timestamp) -> Result<(), StoreError> {
    tx.query("UPDATE chat_member SET left_at = $2 WHERE person = $1 AND left_at IS NULL")
        .bind(person.as_str())
        .bind(now)
        .execute()
        .await
        .map(|_| ())
}

/// Writes down, or takes back, that something speaks against joining an account.
pub async fn set_conflict(
    tx: &mut Tx,
    from: Source<'_>,
    user: &UserId,
    person: &PersonId,
    conflict: Option<&(Conflict, PersonId)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let kind = conflict.map_or("", |(kind, _)| kind.as_str());
    tx.query("DELETE FROM identity_conflict WHERE company = $1 AND platform = $2 AND user_id = $3 AND kind <> $4")
        .bind(from.company)
        .bind(from.platform.as_str())
        .bind(user)
        .bind(kind)
        .execute()
        .await?;
    let Some((_, other)) = conflict else { return Ok(()) };
    tx.query(
        "INSERT INTO identity_conflict (company, platform, user_id, kind, person, other, since) VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (company, platform, user_id, kind) DO UPDATE SET person = excluded.person, other = excluded.other",
    )
    .bind(from.company)
    .bind(from.platform.as_str())
    .bind(user)
    .bind(kind)
    .bind(person.as_str())
    .bind(other.as_str())
    .bind(now)
    .execute()
    .await
    .map(|_| ())
}

/// See [`super::noticed`].
pub async fn noticed(
    tx: &mut Tx,
    app: &AppId,
    user: &UserId,
    person: &PersonId,
    told: Timestamp,
) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO sync_seen (app, user_id, person, run) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (app, user_id) DO UPDATE SET person = excluded.person, missing_since = NULL, confirmed_by = NULL, \
           confirmed_at = NULL, run = CASE WHEN sync_seen.run > excluded.run THEN sync_seen.run ELSE excluded.run END",
    )
    .bind(app)
    .bind(user)
    .bind(person.as_str())
    .bind(told)
    .execute()
    .await
    .map(|_| ())
}

/// How accounts are joined here. The key is drawn once and kept.
pub async fn policy(tx: &mut Tx) -> Result<Policy, StoreError> {
    for last in [false, true] {
        let rows = tx
            .query("SELECT name, value FROM setting WHERE name IN ('identity.by', 'contact_key')")
            .all()
            .await?;
        let (mut by, mut key) = (None, None);
        for row in &rows {
            let (name, value): (String, String) = (row.get("name")?, row.get("value")?);
            match name.as_str() {
                "contact_key" => key = Some(value),
                _ => by = Some(value),
            }
        }
        if let Some(key) = key {
            let by = match by {
                Some(list) => By::ALL
                    .into_iter()
                    .filter(|b| list.split(',').any(|l| l == b.as_str()))
                    .collect(),
                None => By::ALL.to_vec(),
            };
            return Ok(Policy::new(by, Secret::new(key)));
        }
        if !last {
            let mut bytes = [0u8; 32];
            rand::rng().fill_bytes(&mut bytes);
            tx.query(
                "INSERT INTO setting (name, value, created_at) VALUES ('contact_key', $1, 0) ON CONFLICT (name) DO NOTHING",
            )
            .bind(hex::encode(bytes))
            .execute()
            .await?;
        }
    }
    Err(StoreError::Broken("the key of the identities is not there".to_owned()))
}

/// Makes the configuration the one in force: by what accounts are joined, and the administrator's map.
pub async fn set_policy(
    tx: &mut Tx,
    company: &CompanyId,
    by: &[By],
    map: &[(String, Platform, UserId)],
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.lock("identity policy").await?;
    let list: Vec<&str> = by.iter().map(|b| b.as_str()).collect();
    tx.query(
        "INSERT INTO setting (name, value, created_at) VALUES ('identity.by', $1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
    .bind(list.join(","))
    .bind(now)
    .execute()
    .await?;
    tx.query("DELETE FROM identity_map").execute().await?;
    for (key, platform, user) in map {
        tx.query(
            "INSERT INTO identity_map (company, platform, user_id, person_key) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (company, platform, user_id) DO UPDATE SET person_key = excluded.person_key",
        )
        .bind(company)
        .bind(platform.as_str())
        .bind(user)
        .bind(key.as_str())
        .execute()
        .await?;
        // Looked at again by the next listing, whatever it says.
        tx.query("UPDATE identity SET digest = NULL WHERE company = $1 AND platform = $2 AND user_id = $3")
            .bind(company)
            .bind(platform.as_str())
            .bind(user)
            .execute()
            .await?;
    }
    Ok(())
}

/// A conflict as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub platform: Platform,
    pub kind: Conflict,
    pub name: String,
    pub department: Option<String>,
    pub other_name: String,
    pub other_department: Option<String>,
}

/// What speaks against joining accounts, oldest first, and how many there are.
pub async fn conflicts(tx: &mut Tx, company: &CompanyId, limit: usize) -> Result<(Vec<Listed>, i64), StoreError> {
    let count = tx
        .query("SELECT COUNT(*) AS n FROM identity_conflict WHERE company = $1")
        .bind(company)
        .one()
        .await?;
    let rows = tx
        .query(
            "SELECT c.platform, c.kind, p.name, d.name AS department, o.name AS other_name, e.name AS other_department \
             FROM identity_conflict c JOIN person p ON p.id = c.person JOIN person o ON o.id = c.other \
             LEFT JOIN department d ON d.id = p.department LEFT JOIN department e ON e.id = o.department \
             WHERE c.company = $1 ORDER BY c.since, c.platform, c.user_id LIMIT $2",
        )
        .bind(company)
        .bind(limit)
        .all()
        .await?;
    let mut list = Vec::new();
    for row in &rows {
        let kind: String = row.get("kind")?;
        let Some(kind) = Conflict::parse(&kind) else { continue };
        list.push(Listed {
            platform: platform_in(row)?,
            kind,
            name: row.get("name")?,
            department: row.get("department")?,
            other_name: row.get("other_name")?,
            other_department: row.get("other_department")?,
        });
    }
    Ok((list, count.get("n")?))
}
