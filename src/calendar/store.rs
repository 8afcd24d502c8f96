//! SQL of the days off that were entered in chats.

use chrono::NaiveDate;
use hutong_model::Timestamp;

use crate::directory::PersonId;
use crate::store::{StoreError, Tx};

/// Scope of a day off of everybody.
pub const COMPANY: &str = "company";

/// Scope of a day off of an office.
pub fn office_scope(id: &str) -> String {
    format!("office:{id}")
}

/// Scope of a day off of one person.
pub fn person_scope(person: &PersonId) -> String {
    format!("person:{person}")
}

/// A day off that somebody has entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entered {
    pub scope: String,
    pub date: NaiveDate,
    pub name: String,
}

/// Enters a day off, or gives it another name. False: it stood there with this name.
pub async fn enter(tx: &mut Tx, day: &Entered, by: &PersonId, at: Timestamp) -> Result<bool, StoreError> {
    let n = tx
        .query(
            "INSERT INTO day_off (scope, date, name, entered_by, at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (scope, date) DO UPDATE SET name = excluded.name, entered_by = excluded.entered_by, \
             at = excluded.at WHERE day_off.name <> excluded.name",
        )
        .bind(day.scope.as_str())
        .bind(day.date.to_string())
        .bind(day.name.as_str())
        .bind(by.as_str())
        .bind(at)
        .execute()
        .await?;
    Ok(n == 1)
}

/// Takes a day off out again. False: it was not there.
pub async fn remove(tx: &mut Tx, scope: &str, date: NaiveDate) -> Result<bool, StoreError> {
    let n = tx
        .query("DELETE FROM day_off WHERE scope = $1 AND date = $2")
        .bind(scope)
        .bind(date.to_string())
        .execute()
        .await?;
    Ok(n == 1)
}

/// All days off of the company and its offices, not those of people.
pub async fn shared(tx: &mut Tx) -> Result<Vec<Entered>, StoreError> {
    let rows = tx
        .query("SELECT scope, date, name FROM day_off WHERE scope = 'company' OR scope LIKE 'office:%' ORDER BY date, scope")
        .all()
        .await?;
    rows.iter()
        .map(|row| {
            let date: String = row.get("date")?;
            Ok(Entered {
                scope: row.get("scope")?,
                date: date
                    .parse()
                    .map_err(|_| StoreError::Broken("a day off without a date".to_owned()))?,
                name: row.get("name")?,
            })
        })
        .collect()
}

/// Days off of a person from `from` on, in order.
pub async fn of_person(tx: &mut Tx, person: &PersonId, from: NaiveDate) -> Result<Vec<NaiveDate>, StoreError> {
    let rows = tx
        .query("SELECT date FROM day_off WHERE scope = $1 AND date >= $2 ORDER BY date")
        .bind(person_scope(person))
        .bind(from.to_string())
        .all()
        .await?;
    rows.iter()
        .map(|row| {
            let date: String = row.get("date")?;
            date.parse()
                .map_err(|_| StoreError::Broken("a day off without a date".to_owned()))
        })
        .collect()
}

/// True when the person has this day off by themselves.
pub async fn is_off(tx: &mut Tx, person: &PersonId, date: NaiveDate) -> Result<bool, StoreError> {
    let row = tx
        .query("SELECT COUNT(*) AS n FROM day_off WHERE scope = $1 AND date = $2")
        .bind(person_scope(person))
        .bind(date.to_string())
        .one()
        .await?;
    Ok(row.get::<i64>("n")? > 0)
}
