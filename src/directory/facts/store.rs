//! SQL of what is known about people.

use std::collections::HashMap;

use chrono::NaiveDate;
use hutong_model::{CompanyId, Platform, Timestamp};

use super::{Figure, Needs, PersonFacts};
use crate::directory::PersonId;
use crate::segment::{Activity, Dept, Expr};
use crate::store::{FromColumn, Query, Row, StoreError, Tx};

/// All active people of a company, in the order of their ids. Six statements whatever their number;
/// about 0.5 KiB of memory per person.
pub async fn all(tx: &mut Tx, company: &CompanyId) -> Result<Vec<PersonFacts>, StoreError> {
    read(tx, company, None, Needs::ALL).await
}

/// Like [`all`], or of one person, with the facts that a condition asks for; the others stay empty, as
/// does the name, and there is no order. With `words` name, departments and order are there as well.
pub async fn for_condition(
    tx: &mut Tx,
    company: &CompanyId,
    condition: &Expr,
    only: Option<&PersonId>,
    words: bool,
) -> Result<Vec<PersonFacts>, StoreError> {
    let mut needs = Needs {
        words,
        departments: words,
        ..Needs::default()
    };
    needs.ask(condition);
    read(tx, company, only, needs).await
}

/// A statement about everybody, or about one person: the `WHERE` then names the person too.
fn about<'q>(tx: &'q mut Tx, sql: &str, company: &CompanyId, only: Option<&PersonId>) -> Query<'q> {
    let Some(person) = only else {
        return tx.query(sql.to_owned()).bind(company);
    };
    let one = match sql.contains("p.active = TRUE") {
        true => sql.replace("p.active = TRUE", "p.active = TRUE AND p.id = $2"),
        false => sql.replace("company = $1", "company = $1 AND person = $2"),
    };
    tx.query(one).bind(company).bind(person.as_str())
}

/// Every value of every row costs: what is not needed is not asked for.
fn people_sql(needs: Needs) -> String {
    let mut sql = "SELECT p.id AS id".to_owned();
    let columns = [
        (needs.words, "p.name AS name"),
        (needs.words, "d.name AS department_name"),
        (needs.employee_no, "p.employee_no AS employee_no"),
        (needs.title, "p.title AS title"),
        (needs.office, "p.office AS office"),
        (needs.joined_on, "p.joined_on AS joined_on"),
        (needs.contractor, "p.contractor AS contractor"),
    ];
    for (_, column) in columns.iter().filter(|(needed, _)| *needed) {
        sql.push_str(", ");
        sql.push_str(column);
    }
    sql.push_str(" FROM person p");
    if needs.words {
        sql.push_str(" LEFT JOIN department d ON d.id = p.department");
    }
    sql.push_str(" WHERE p.company = $1 AND p.active = TRUE");
    if needs.words {
        sql.push_str(" ORDER BY p.id");
    }
    sql
}

fn if_read<T: FromColumn>(needed: bool, row: &Row, column: &str) -> Result<Option<T>, StoreError>
where
    Option<T>: FromColumn,
{
    match needed {
        true => row.get(column),
        false => Ok(None),
    }
}

async fn read(
    tx: &mut Tx,
    company: &CompanyId,
    only: Option<&PersonId>,
    needs: Needs,
) -> Result<Vec<PersonFacts>, StoreError> {
    let rows = about(tx, &people_sql(needs), company, only).all().await?;
    let mut people = Vec::with_capacity(rows.len());
    let mut index = HashMap::with_capacity(rows.len());
    for row in &rows {
        let id: String = row.get("id")?;
        let joined: Option<String> = if_read(needs.joined_on, row, "joined_on")?;
        index.insert(id.clone(), people.len());
        people.push(PersonFacts {
            id: PersonId::parse(&id).ok_or_else(|| StoreError::Broken("id is not a person id".to_owned()))?,
            name: if_read(needs.words, row, "name")?.unwrap_or_default(),
            employee_no: if_read(needs.employee_no, row, "employee_no")?,
            title: if_read(needs.title, row, "title")?,
            office: if_read(needs.office, row, "office")?,
            department_name: if_read(needs.words, row, "department_name")?,
            departments: Vec::new(),
            tags: Vec::new(),
            interests: Vec::new(),
            platforms: Vec::new(),
            joined_on: joined.and_then(|d| NaiveDate::parse_from_str(&d, "%Y-%m-%d").ok()),
            contractor: if_read(needs.contractor, row, "contractor")?,
            leader: None,
            score: None,
            level: None,
            activity: None,
        });
    }
    drop(rows);
    type Into = fn(&mut PersonFacts, String);
    let lists: [(bool, &'static str, Into); 4] = [
        (
            needs.departments,
            "SELECT l.person, l.department AS value FROM person_department l JOIN person p ON p.id = l.person \
             WHERE p.company = $1 AND p.active = TRUE ORDER BY l.person, l.department",
            |p, v| p.departments.push(v),
        ),
        (
            needs.platforms,
            "SELECT DISTINCT person, platform AS value FROM identity WHERE company = $1 ORDER BY person, platform",
            |p, v| p.platforms.push(v),
        ),
        (
            needs.tags,
            "SELECT l.person, l.tag AS value FROM person_tag l JOIN person p ON p.id = l.person \
             WHERE p.company = $1 AND p.active = TRUE ORDER BY l.person, l.tag",
            |p, v| p.tags.push(v),
        ),
        (
            needs.interests,
            "SELECT l.person, l.interest AS value FROM person_interest l JOIN person p ON p.id = l.person \
             WHERE p.company = $1 AND p.active = TRUE ORDER BY l.person, l.interest",
            |p, v| p.interests.push(v),
        ),
    ];
    for (_, sql, into) in lists.into_iter().filter(|(needed, ..)| *needed) {
        for row in about(tx, sql, company, only).all().await? {
            let person: String = row.get("person")?;
            if let Some(facts) = index.get(&person).and_then(|i| people.get_mut(*i)) {
                into(facts, row.get("value")?);
            }
        }
    }
    const FIGURES: &str = "SELECT f.person, f.field, f.value FROM person_fact f JOIN person p ON p.id = f.person \
         WHERE p.company = $1 AND p.active = TRUE";
    let figures = match needs.figures {
        true => about(tx, FIGURES, company, only).all().await?,
        false => Vec::new(),
    };
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
    if !needs.leader {
        return Ok(people);
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
