//! SQL of what is known about people.

use std::collections::HashMap;

use chrono::NaiveDate;
use hutong_model::{CompanyId, Platform, Timestamp};

use super::{Figure, PersonFacts};
use crate::directory::PersonId;
use crate::segment::{Activity, Dept};
use crate::store::{Query, Row, StoreError, Tx};

/// All active people of a company, in the order of their ids. Six statements whatever their number;
/// about 0.5 KiB of memory per person.
pub async fn all(tx: &mut Tx, company: &CompanyId) -> Result<Vec<PersonFacts>, StoreError> {
    read(tx, company, None).await
}

/// One person, when active: what [`all`] would say of them, at the cost of one.
pub async fn one(tx: &mut Tx, company: &CompanyId, person: &PersonId) -> Result<Vec<PersonFacts>, StoreError> {
    read(tx, company, Some(person)).await
}

/// A statement about everybody, or about one person: the `WHERE` then names the person too.
fn about<'q>(tx: &'q mut Tx, sql: &'static str, company: &CompanyId, only: Option<&PersonId>) -> Query<'q> {
    let Some(person) = only else {
        return tx.query(sql).bind(company);
    };
    let one = match sql.contains("p.active = TRUE") {
        true => sql.replace("p.active = TRUE", "p.active = TRUE AND p.id = $2"),
        false => sql.replace("company = $1", "company = $1 AND person = $2"),
    };
    tx.query(one).bind(company).bind(person.as_str())
}

async fn read(tx: &mut Tx, company: &CompanyId, only: Option<&PersonId>) -> Result<Vec<PersonFacts>, StoreError> {
    const PEOPLE: &str = "SELECT p.id, p.name, p.employee_no, p.title, p.office, p.joined_on, p.contractor, \
         d.name AS department_name FROM person p LEFT JOIN department d ON d.id = p.department \
         WHERE p.company = $1 AND p.active = TRUE ORDER BY p.id";
    let rows = about(tx, PEOPLE, company, only).all().await?;
    let mut people = Vec::with_capacity(rows.len());
    let mut index = HashMap::with_capacity(rows.len());
    for row in &rows {
        let id: String = row.get("id")?;
        let joined: Option<String> = row.get("joined_on")?;
        index.insert(id.clone(), people.len());
        people.push(PersonFacts {
            id: PersonId::parse(&id).ok_or_else(|| StoreError::Broken("id is not a person id".to_owned()))?,
            name: row.get("name")?,
            employee_no: row.get("employee_no")?,
            title: row.get("title")?,
            office: row.get("office")?,
            department_name: row.get("department_name")?,
            departments: Vec::new(),
            tags: Vec::new(),
            interests: Vec::new(),
            platforms: Vec::new(),
            joined_on: joined.and_then(|d| NaiveDate::parse_from_str(&d, "%Y-%m-%d").ok()),
            contractor: row.get("contractor")?,
            leader: None,
            score: None,
            level: None,
            activity: None,
        });
    }
    drop(rows);
    type Into = fn(&mut PersonFacts, String);
    let lists: [(&'static str, Into); 4] = [
        (
            "SELECT l.person, l.department AS value FROM person_department l JOIN person p ON p.id = l.person \
             WHERE p.company = $1 AND p.active = TRUE ORDER BY l.person, l.department",
            |p, v| p.departments.push(v),
        ),
        (
            "SELECT DISTINCT person, platform AS value FROM identity WHERE company = $1 ORDER BY person, platform",
            |p, v| p.platforms.push(v),
        ),
        (
            "SELECT l.person, l.tag AS value FROM person_tag l JOIN person p ON p.id = l.person \
             WHERE p.company = $1 AND p.active = TRUE ORDER BY l.person, l.tag",
            |p, v| p.tags.push(v),
        ),
        (
            "SELECT l.person, l.interest AS value FROM person_interest l JOIN person p ON p.id = l.person \
             WHERE p.company = $1 AND p.active = TRUE ORDER BY l.person, l.interest",
            |p, v| p.interests.push(v),
        ),
    ];
    for (sql, into) in lists {
        for row in about(tx, sql, company, only).all().await? {
            let person: String = row.get("person")?;
            if let Some(facts) = index.get(&person).and_then(|i| people.get_mut(*i)) {
                into(facts, row.get("value")?);
            }
        }
    }
    const FIGURES: &str = "SELECT f.person, f.field, f.value FROM person_fact f JOIN person p ON p.id = f.person \
         WHERE p.company = $1 AND p.active = TRUE";
    let figures = about(tx, FIGURES, company, only).all().await?;
    for row in &figures {
        let (person, field): (String, String) = (row.get("person")?, row.get("field")?);
        let value: i64 = row.get("value")?;
        if let Some(facts) = index.get(&person).and_then(|i| people.get_mut(*i)) {
            match field.as_str() {
                "score" => facts.score = Some(value),
                "level" => facts.level = Some(value),
                "activity" => {
                    facts.activity = usize::try_from(value).ok().and_then(|n| Activity::ALL.get(n).copied());
                }
                _ => {}
            }
        }
    }
    let leaders = tx
        .query("SELECT leader FROM department WHERE company = $1 AND active = TRUE AND leader IS NOT NULL")
        .bind(company)
        .all()
        .await?;
    if !leaders.is_empty() {
        for facts in &mut people {
            facts.leader = Some(false);
        }
        for row in &leaders {
            let person: String = row.get("leader")?;
            if let Some(facts) = index.get(&person).and_then(|i| people.get_mut(*i)) {
                facts.leader = Some(true);
            }
        }
    }
    Ok(people)
}

/// All departments of a company, on all its platforms.
pub async fn departments(tx: &mut Tx, company: &CompanyId) -> Result<Vec<Dept>, StoreError> {
    let rows = tx
        .query("SELECT id, platform, parent, name FROM department WHERE company = $1 AND active = TRUE ORDER BY id")
        .bind(company)
        .all()
        .await?;
    rows.iter()
        .map(|row| {
            let platform: String = row.get("platform")?;
            let place = [Platform::Feishu, Platform::DingTalk, Platform::WeCom]
                .into_iter()
                .find(|p| p.as_str() == platform);
            Ok(Dept {
                id: row.get("id")?,
                place: place.map_or("", Platform::as_str),
                parent: row.get("parent")?,
                name: row.get("name")?,
            })
        })
        .collect()
}

/// Gives a tag to a person or takes it; false when nothing changed.
pub async fn set_tag(
    tx: &mut Tx,
    person: &PersonId,
    tag: &str,
    on: bool,
    by: &PersonId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let query = if on {
        tx.query(
            "INSERT INTO person_tag (person, tag, given_by, at) VALUES ($1, $2, $3, $4) ON CONFLICT (person, tag) DO NOTHING",
        )
        .bind(person.as_str())
        .bind(tag)
        .bind(by.as_str())
        .bind(now)
    } else {
        tx.query("DELETE FROM person_tag WHERE person = $1 AND tag = $2")
            .bind(person.as_str())
            .bind(tag)
    };
    Ok(query.execute().await? > 0)
}

/// Enters an interest of a person or takes it out; false when nothing changed.
pub async fn set_interest(
    tx: &mut Tx,
    person: &PersonId,
    interest: &str,
    on: bool,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let query = if on {
        tx.query(
            "INSERT INTO person_interest (person, interest, at) VALUES ($1, $2, $3) ON CONFLICT (person, interest) DO NOTHING",
        )
        .bind(person.as_str())
        .bind(interest)
        .bind(now)
    } else {
        tx.query("DELETE FROM person_interest WHERE person = $1 AND interest = $2")
            .bind(person.as_str())
            .bind(interest)
    };
    Ok(query.execute().await? > 0)
}

pub async fn interests_of(tx: &mut Tx, person: &PersonId) -> Result<Vec<String>, StoreError> {
    let rows = tx
        .query("SELECT interest FROM person_interest WHERE person = $1 ORDER BY interest")
        .bind(person.as_str())
        .all()
        .await?;
    rows.iter().map(|row: &Row| row.get("interest")).collect()
}

pub async fn tags_of(tx: &mut Tx, person: &PersonId) -> Result<Vec<String>, StoreError> {
    let rows = tx
        .query("SELECT tag FROM person_tag WHERE person = $1 ORDER BY tag")
        .bind(person.as_str())
        .all()
        .await?;
    rows.iter().map(|row: &Row| row.get("tag")).collect()
}

/// Leaves a figure about a person; the newest counts.
pub async fn set_fact(
    tx: &mut Tx,
    person: &PersonId,
    figure: Figure,
    value: i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO person_fact (person, field, value, at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (person, field) DO UPDATE SET value = excluded.value, at = excluded.at WHERE person_fact.at <= excluded.at",
    )
    .bind(person.as_str())
    .bind(figure.as_str())
    .bind(value)
    .bind(now)
    .execute()
    .await
    .map(|_| ())
}
