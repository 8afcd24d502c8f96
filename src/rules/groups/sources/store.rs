//! SQL of whom a rule means.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use hutong_model::{CompanyId, Platform, UserId};

use super::People;
use crate::directory::PersonId;
use crate::rules::groups::store::person;
use crate::store::{Row, StoreError, Tx, Value, placeholders};

/// Ids in one statement: a database takes so many parameters and hardly more.
const AT_ONCE: usize = 400;

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

/// Everybody of a company, with the departments they stand in; accounts and segments stay empty.
pub async fn people(tx: &mut Tx, company: &CompanyId) -> Result<People, StoreError> {
    let rows = tx
        .query(
            "SELECT d.department AS department, p.id AS person, p.name AS name, p.contractor AS contractor \
             FROM person p LEFT JOIN person_department d ON d.person = p.id WHERE p.company = $1 AND p.active = TRUE",
        )
        .bind(company)
        .all()
        .await?;
    let mut people = People::default();
    for row in &rows {
        let who = person(row, "person")?;
        let department: Option<String> = row.get("department")?;
        let contractor: Option<bool> = row.get("contractor")?;
        if contractor == Some(true) {
            people.contractors.insert(who.clone());
        }
        people.names.insert(who.clone(), row.get("name")?);
        if let Some(department) = department {
            people.standing.entry(department).or_default().push(who);
        }
    }
    Ok(people)
}

fn values(ids: &[&str]) -> Vec<Value> {
    ids.iter().map(|id| Value::Text(Some((*id).to_owned()))).collect()
}

/// Those who stand directly in some departments, with their accounts on a platform; segments stay
/// empty. What [`people`] and [`accounts`] would say of them, at the cost of them alone.
pub async fn people_in(
    tx: &mut Tx,
    company: &CompanyId,
    platform: Platform,
    departments: &BTreeSet<&str>,
) -> Result<People, StoreError> {
    let mut people = People::default();
    let departments: Vec<&str> = departments.iter().copied().collect();
    for some in departments.chunks(AT_ONCE) {
        let (list, n) = (placeholders(1, some.len()), some.len());
        let sql = format!(
            "SELECT d.department AS department, p.id AS person, p.name AS name, p.contractor AS contractor, \
             i.user_id AS user_id FROM person_department d JOIN person p ON p.id = d.person \
             LEFT JOIN identity i ON i.person = p.id AND i.company = ${} AND i.platform = ${} AND i.is_main = TRUE \
             WHERE d.department IN {list} AND p.company = ${} AND p.active = TRUE ORDER BY d.department, p.id, i.user_id",
            n + 1,
            n + 2,
            n + 1,
        );
        let query = tx.query(sql).bind_all(values(some));
        let rows = query.bind(company).bind(platform.as_str()).all().await?;
        for row in &rows {
            let who = person(row, "person")?;
            let contractor: Option<bool> = row.get("contractor")?;
            if contractor == Some(true) {
                people.contractors.insert(who.clone());
            }
            people.account(row, &who)?;
            let standing = people.standing.entry(row.get("department")?).or_default();
            // Two accounts are two rows of one person.
            if standing.last() != Some(&who) {
                standing.push(who);
            }
        }
    }
    Ok(people)
}

/// Adds name and account of some people, those who are in the company.
pub async fn add_people(
    tx: &mut Tx,
    company: &CompanyId,
    platform: Platform,
    who: &BTreeSet<PersonId>,
    people: &mut People,
) -> Result<(), StoreError> {
    let ids: Vec<&str> = who.iter().map(PersonId::as_str).collect();
    for some in ids.chunks(AT_ONCE) {
        let (list, n) = (placeholders(1, some.len()), some.len());
        let sql = format!(
            "SELECT p.id AS person, p.name AS name, i.user_id AS user_id FROM person p \
             LEFT JOIN identity i ON i.person = p.id AND i.company = ${} AND i.platform = ${} AND i.is_main = TRUE \
             WHERE p.id IN {list} AND p.company = ${} AND p.active = TRUE ORDER BY p.id, i.user_id",
            n + 1,
            n + 2,
            n + 1,
        );
        let query = tx.query(sql).bind_all(values(some));
        let rows = query.bind(company).bind(platform.as_str()).all().await?;
        for row in &rows {
            let who = person(row, "person")?;
            people.account(row, &who)?;
        }
    }
    Ok(())
}

impl People {
    fn account(&mut self, row: &Row, who: &PersonId) -> Result<(), StoreError> {
        self.names.insert(who.clone(), row.get("name")?);
        let user: Option<UserId> = row.get("user_id")?;
        if let Some(user) = user {
            self.accounts.entry(who.clone()).or_insert(user);
        }
        Ok(())
    }
}

/// Whether a person is known to be a contractor.
pub async fn is_contractor(tx: &mut Tx, who: &PersonId) -> Result<bool, StoreError> {
    let row = tx
        .query("SELECT contractor FROM person WHERE id = $1")
        .bind(who.as_str())
        .optional()
        .await?;
    let known: Option<bool> = row.map_or(Ok(None), |r| r.get("contractor"))?;
    Ok(known == Some(true))
}

/// Who leads which department, by row id.
pub async fn leaders(tx: &mut Tx, company: &CompanyId) -> Result<HashMap<String, PersonId>, StoreError> {
    let rows = tx
        .query("SELECT id, leader FROM department WHERE company = $1 AND active = TRUE AND leader IS NOT NULL")
        .bind(company)
        .all()
        .await?;
    rows.iter().map(|r| Ok((r.get("id")?, person(r, "leader")?))).collect()
}

/// People with the tag of a deputy.
pub async fn deputies(tx: &mut Tx, company: &CompanyId) -> Result<HashSet<PersonId>, StoreError> {
    let rows = tx
        .query(
            "SELECT t.person AS person FROM person_tag t JOIN person p ON p.id = t.person \
             WHERE p.company = $1 AND p.active = TRUE AND t.tag IN ('deputy', '副手')",
        )
        .bind(company)
        .all()
        .await?;
    rows.iter().map(|r| person(r, "person")).collect()
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
