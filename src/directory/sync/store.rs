//! SQL of the sync.

use hutong_model::{AppId, Timestamp, UserId};

use crate::directory::PersonId;
use crate::store::{StoreError, Tx};

/// Somebody whom earlier listings of an app named and this one did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    pub user: UserId,
    pub person: PersonId,
    pub since: Timestamp,
}

pub async fn seen(
    tx: &mut Tx,
    app: &AppId,
    user: &UserId,
    person: &PersonId,
    run: Timestamp,
) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO sync_seen (app, user_id, person, run) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (app, user_id) DO UPDATE SET person = excluded.person, run = excluded.run, missing_since = NULL",
    )
    .bind(app)
    .bind(user)
    .bind(person.as_str())
    .bind(run)
    .execute()
    .await
    .map(|_| ())
}

/// How many people this run has named.
pub async fn count_of_run(tx: &mut Tx, app: &AppId, run: Timestamp) -> Result<usize, StoreError> {
    let row = tx
        .query("SELECT COUNT(*) AS n FROM sync_seen WHERE app = $1 AND run >= $2")
        .bind(app)
        .bind(run)
        .one()
        .await?;
    Ok(usize::try_from(row.get::<i64>("n")?).unwrap_or(0))
}

/// Notes who was not named by the run that began at `run`, and returns them.
pub async fn missing(tx: &mut Tx, app: &AppId, run: Timestamp, now: Timestamp) -> Result<Vec<Missing>, StoreError> {
    // Those who are known to have left by another way are nobody's concern any more.
    tx.query(
        "DELETE FROM sync_seen WHERE app = $1 AND run < $2 AND person IN (SELECT id FROM person WHERE active = FALSE)",
    )
    .bind(app)
    .bind(run)
    .execute()
    .await?;
    tx.query("UPDATE sync_seen SET missing_since = COALESCE(missing_since, $3) WHERE app = $1 AND run < $2")
        .bind(app)
        .bind(run)
        .bind(now)
        .execute()
        .await?;
    let rows = tx
        .query("SELECT user_id, person, missing_since FROM sync_seen WHERE app = $1 AND run < $2 ORDER BY user_id")
        .bind(app)
        .bind(run)
        .all()
        .await?;
    rows.iter()
        .map(|row| {
            let person: String = row.get("person")?;
            Ok(Missing {
                user: row.get("user_id")?,
                person: PersonId::parse(&person)
                    .ok_or_else(|| StoreError::Broken("person is not a person id".to_owned()))?,
                since: row.get("missing_since")?,
            })
        })
        .collect()
}

/// They have left, or are known to be there although not listed: nobody to miss.
pub async fn forget(tx: &mut Tx, app: &AppId, user: &UserId) -> Result<(), StoreError> {
    tx.query("DELETE FROM sync_seen WHERE app = $1 AND user_id = $2")
        .bind(app)
        .bind(user)
        .execute()
        .await
        .map(|_| ())
}

/// Notes a whole sync, for `/health`.
pub async fn finished(
    tx: &mut Tx,
    app: &AppId,
    people: usize,
    departments: usize,
    held: usize,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO sync_state (app, finished_at, people, departments, leavers_held) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (app) DO UPDATE SET finished_at = excluded.finished_at, people = excluded.people, \
           departments = excluded.departments, leavers_held = excluded.leavers_held",
    )
    .bind(app)
    .bind(now)
    .bind(people)
    .bind(departments)
    .bind(held)
    .execute()
    .await
    .map(|_| ())
}
