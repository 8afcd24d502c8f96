//! SQL of the sync.

use std::collections::BTreeMap;

use hutong_model::{AppId, CompanyId, Platform, Timestamp, UserId};

use crate::directory::PersonId;
use crate::directory::people::Entry;
use crate::store::{StoreError, Tx, Value, placeholders};

/// Somebody whom earlier listings of an app named and this one did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    pub user: UserId,
    pub person: PersonId,
    pub since: Timestamp,
    pub confirmed: bool,
}

/// One row of a listing that is being read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    pub user: UserId,
    pub record: String,
    pub digest: String,
    pub leader: Option<UserId>,
    pub read_at: Timestamp,
}

/// Throws away what unfinished readings have left.
pub async fn clear(tx: &mut Tx, app: &AppId, before: Timestamp) -> Result<(), StoreError> {
    tx.query("DELETE FROM sync_person WHERE app = $1 AND run < $2")
        .bind(app)
        .bind(before)
        .execute()
        .await
        .map(|_| ())
}

/// Throws this reading away.
pub async fn drop_run(tx: &mut Tx, app: &AppId, run: Timestamp) -> Result<(), StoreError> {
    tx.query("DELETE FROM sync_person WHERE app = $1 AND run = $2")
        .bind(app)
        .bind(run)
        .execute()
        .await
        .map(|_| ())
}

pub async fn stage(tx: &mut Tx, app: &AppId, run: Timestamp, rows: &[Staged]) -> Result<(), StoreError> {
    let sql = format!(
        "INSERT INTO sync_person (app, run, user_id, record, digest, leader, read_at) VALUES {} \
         ON CONFLICT (app, run, user_id) DO UPDATE SET record = excluded.record, digest = excluded.digest, \
           leader = excluded.leader, read_at = excluded.read_at",
        placeholders(rows.len(), 7)
    );
    let values = rows.iter().flat_map(|row| {
        [
            Value::from(app),
            Value::from(run),
            Value::from(&row.user),
            Value::from(row.record.as_str()),
            Value::from(row.digest.as_str()),
            Value::from(row.leader.as_ref().map(|l| l.as_str().to_owned())),
            Value::from(row.read_at),
        ]
    });
    tx.query(sql).bind_all(values).execute().await.map(|_| ())
}

fn number(n: i64) -> usize {
    usize::try_from(n).unwrap_or(0)
}

pub async fn staged_count(tx: &mut Tx, app: &AppId, run: Timestamp) -> Result<usize, StoreError> {
    let row = tx
        .query("SELECT COUNT(*) AS n FROM sync_person WHERE app = $1 AND run = $2")
        .bind(app)
        .bind(run)
        .one()
        .await?;
    Ok(number(row.get("n")?))
}

/// Staged rows that say something else than is known, after a user id, in its order.
pub async fn news(
    tx: &mut Tx,
    app: &AppId,
    company: &CompanyId,
    platform: Platform,
    run: Timestamp,
    after: &str,
    limit: usize,
) -> Result<Vec<(Entry, String, Timestamp)>, StoreError> {
    let rows = tx
        .query(
            "SELECT s.record, s.digest, s.read_at FROM sync_person s \
             LEFT JOIN identity i ON i.company = $2 AND i.platform = $3 AND i.user_id = s.user_id AND i.is_main = TRUE \
             WHERE s.app = $1 AND s.run = $4 AND s.user_id > $5 \
               AND (i.digest IS NULL OR i.digest <> s.digest OR i.active = FALSE) ORDER BY s.user_id LIMIT $6",
        )
        .bind(app)
        .bind(company)
        .bind(platform.as_str())
        .bind(run)
        .bind(after)
        .bind(limit)
        .all()
        .await?;
    rows.iter()
        .map(|row| {
            let record: String = row.get("record")?;
            let entry = serde_json::from_str(&record).map_err(|e| StoreError::Broken(e.to_string()))?;
            Ok((entry, row.get("digest")?, row.get("read_at")?))
        })
        .collect()
}

/// People whose leader became known only now: account of the person, person of the leader.
pub async fn leaders(
    tx: &mut Tx,
    app: &AppId,
    company: &CompanyId,
    platform: Platform,
    run: Timestamp,
    after: &str,
    limit: usize,
) -> Result<Vec<(String, PersonId)>, StoreError> {
    let rows = tx
        .query(
            "SELECT s.user_id, i.person FROM sync_person s \
             JOIN identity i ON i.company = $2 AND i.platform = $3 AND i.user_id = s.user_id \
             JOIN identity l ON l.company = $2 AND l.platform = $3 AND l.user_id = s.leader \
             JOIN person p ON p.id = i.person \
             WHERE s.app = $1 AND s.run = $4 AND s.user_id > $5 AND s.leader IS NOT NULL \
               AND (p.leader IS NULL OR p.leader <> l.person) ORDER BY s.user_id LIMIT $6",
        )
        .bind(app)
        .bind(company)
        .bind(platform.as_str())
        .bind(run)
        .bind(after)
        .bind(limit)
        .all()
        .await?;
    rows.iter()
        .map(|row| {
            let person: String = row.get("person")?;
            let person = PersonId::parse(&person).ok_or_else(|| StoreError::Broken("not a person id".to_owned()))?;
            Ok((row.get("user_id")?, person))
        })
        .collect()
}

/// Everybody whom this reading named is there; whoever else was named before is missed from now on.
/// Accounts that are out of use already are nobody's concern, nor are those that another app of the
/// platform still lists.
pub async fn mark(
    tx: &mut Tx,
    app: &AppId,
    company: &CompanyId,
    platform: Platform,
    run: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO sync_seen (app, user_id, person, run) \
         SELECT s.app, s.user_id, i.person, s.run FROM sync_person s \
         JOIN identity i ON i.company = $2 AND i.platform = $3 AND i.user_id = s.user_id \
         WHERE s.app = $1 AND s.run = $4 \
         ON CONFLICT (app, user_id) DO UPDATE SET person = excluded.person, missing_since = NULL, confirmed_by = NULL, \
           confirmed_at = NULL, run = CASE WHEN sync_seen.run > excluded.run THEN sync_seen.run ELSE excluded.run END",
    )
    .bind(app)
    .bind(company)
    .bind(platform.as_str())
    .bind(run)
    .execute()
    .await?;
    tx.query(
        "DELETE FROM sync_seen WHERE app = $1 AND run < $4 AND (user_id IN (SELECT i.user_id FROM identity i \
           WHERE i.company = $2 AND i.platform = $3 AND i.active = FALSE) \
         OR user_id IN (SELECT o.user_id FROM sync_seen o WHERE o.app <> $1 AND o.missing_since IS NULL AND o.person = sync_seen.person))",
    )
    .bind(app)
    .bind(company)
    .bind(platform.as_str())
    .bind(run)
    .execute()
    .await?;
    tx.query("UPDATE sync_seen SET missing_since = COALESCE(missing_since, $3) WHERE app = $1 AND run < $2")
        .bind(app)
        .bind(run)
        .bind(now)
        .execute()
        .await
        .map(|_| ())
}

/// Before anything is entered: those who are not in this reading are missed, so that a new account
/// of theirs is not taken for a second one.
pub async fn mark_missing(tx: &mut Tx, app: &AppId, run: Timestamp, now: Timestamp) -> Result<(), StoreError> {
    tx.query(
        "UPDATE sync_seen SET missing_since = $3 WHERE app = $1 AND run < $2 AND missing_since IS NULL \
         AND user_id NOT IN (SELECT s.user_id FROM sync_person s WHERE s.app = $1 AND s.run = $2)",
    )
    .bind(app)
    .bind(run)
    .bind(now)
    .execute()
    .await
    .map(|_| ())
}

/// Those who are missed, by user id.
pub async fn missing(tx: &mut Tx, app: &AppId, limit: usize, after: &str) -> Result<Vec<Missing>, StoreError> {
    let rows = tx
        .query(
            "SELECT user_id, person, missing_since, confirmed_at FROM sync_seen WHERE app = $1 AND missing_since IS NOT NULL \
             AND user_id > $3 ORDER BY user_id LIMIT $2",
        )
        .bind(app)
        .bind(limit)
        .bind(after)
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
                confirmed: row.get::<Option<i64>>("confirmed_at")?.is_some(),
            })
        })
        .collect()
}

/// How many are missed without an operator's word, and how many an app has named in all.
pub async fn counts(tx: &mut Tx, app: &AppId) -> Result<(usize, usize), StoreError> {
    let row = tx
        .query(
            "SELECT COUNT(*) AS n, CAST(COALESCE(SUM(CASE WHEN missing_since IS NOT NULL AND confirmed_at IS NULL \
             THEN 1 ELSE 0 END), 0) AS BIGINT) AS m FROM sync_seen WHERE app = $1",
        )
        .bind(app)
        .one()
        .await?;
    Ok((number(row.get("m")?), number(row.get("n")?)))
}

/// Somebody is missed whom the platform, asked for them alone, does not know. The next listing
/// decides.
pub async fn doubt(tx: &mut Tx, app: &AppId, user: &UserId, now: Timestamp) -> Result<(), StoreError> {
    tx.query("UPDATE sync_seen SET missing_since = COALESCE(missing_since, $3) WHERE app = $1 AND user_id = $2")
        .bind(app)
        .bind(user)
        .bind(now)
        .execute()
        .await
        .map(|_| ())
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

/// The start of the newest whole reading.
pub async fn newest_run(tx: &mut Tx, app: &AppId) -> Result<Timestamp, StoreError> {
    let row = tx
        .query("SELECT run FROM sync_state WHERE app = $1")
        .bind(app)
        .optional()
        .await?;
    row.map_or(Ok(Timestamp(0)), |r| r.get("run"))
}

/// Notes a whole sync.
pub async fn finished(
    tx: &mut Tx,
    app: &AppId,
    run: Timestamp,
    report: &super::SyncReport,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO sync_state (app, finished_at, people, departments, leavers_held, run, entered, leavers, waiting, departments_held) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
         ON CONFLICT (app) DO UPDATE SET finished_at = excluded.finished_at, people = excluded.people, \
           departments = excluded.departments, leavers_held = excluded.leavers_held, run = excluded.run, \
           entered = excluded.entered, leavers = excluded.leavers, waiting = excluded.waiting, \
           departments_held = excluded.departments_held",
    )
    .bind(app)
    .bind(now)
    .bind(report.people)
    .bind(report.departments)
    .bind(report.held)
    .bind(run)
    .bind(report.changed)
    .bind(report.left.len())
    .bind(report.waiting)
    .bind(report.departments_held)
    .execute()
    .await?;
    tx.query("DELETE FROM sync_person WHERE app = $1 AND run <= $2")
        .bind(app)
        .bind(run)
        .execute()
        .await
        .map(|_| ())
}

/// What operators must know about an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub app: AppId,
    pub kind: String,
    pub code: String,
    pub detail: String,
    pub times: i64,
    pub since: Timestamp,
    pub told: bool,
}

/// Leaves a notice, or counts one more of the same. Another one begins anew.
pub async fn notice(
    tx: &mut Tx,
    app: &AppId,
    kind: &str,
    code: &str,
    detail: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO sync_notice (app, kind, code, detail, times, since) VALUES ($1, $2, $3, $4, 1, $5) \
         ON CONFLICT (app, kind) DO UPDATE SET detail = excluded.detail, code = excluded.code, \
           times = CASE WHEN sync_notice.code = excluded.code THEN sync_notice.times + 1 ELSE 1 END, \
           since = CASE WHEN sync_notice.code = excluded.code THEN sync_notice.since ELSE excluded.since END, \
           told_at = CASE WHEN sync_notice.code = excluded.code THEN sync_notice.told_at END",
    )
    .bind(app)
    .bind(kind)
    .bind(code)
    .bind(detail)
    .bind(now)
    .execute()
    .await
    .map(|_| ())
}

pub async fn notice_over(tx: &mut Tx, app: &AppId, kind: &str) -> Result<(), StoreError> {
    tx.query("DELETE FROM sync_notice WHERE app = $1 AND kind = $2")
        .bind(app)
        .bind(kind)
        .execute()
        .await
        .map(|_| ())
}

pub async fn notices(tx: &mut Tx) -> Result<Vec<Notice>, StoreError> {
    let rows = tx
        .query("SELECT app, kind, code, detail, times, since, told_at FROM sync_notice ORDER BY app, kind")
        .all()
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Notice {
                app: row.get("app")?,
                kind: row.get("kind")?,
                code: row.get("code")?,
                detail: row.get("detail")?,
                times: row.get("times")?,
                since: row.get("since")?,
                told: row.get::<Option<i64>>("told_at")?.is_some(),
            })
        })
        .collect()
}

/// Operators are told about this now. False when they were before.
pub async fn told(tx: &mut Tx, notice: &Notice, now: Timestamp) -> Result<bool, StoreError> {
    let changed = tx
        .query("UPDATE sync_notice SET told_at = $4 WHERE app = $1 AND kind = $2 AND code = $3 AND told_at IS NULL")
        .bind(&notice.app)
        .bind(notice.kind.as_str())
        .bind(notice.code.as_str())
        .bind(now)
        .execute()
        .await?;
    Ok(changed > 0)
}

/// What exactly is waiting: the same accounts and departments, the same code.
pub async fn held_code(tx: &mut Tx, app: &AppId, departments: &[String]) -> Result<String, StoreError> {
    use sha2::{Digest as _, Sha256};
    let mut hash = Sha256::new();
    let mut after = String::new();
    loop {
        let part = missing(tx, app, 1000, &after).await?;
        let Some(last) = part.last() else { break };
        after = last.user.as_str().to_owned();
        for m in part.iter().filter(|m| !m.confirmed) {
            hash.update(m.user.as_str().as_bytes());
            hash.update([0]);
        }
    }
    for department in departments {
        hash.update([1]);
        hash.update(department.as_bytes());
    }
    Ok(hex::encode(hash.finalize().get(..3).unwrap_or_default()))
}

/// An operator says that those who are missed now have really left.
pub async fn confirm(
    tx: &mut Tx,
    app: &AppId,
    company: &CompanyId,
    platform: Platform,
    by: &PersonId,
    now: Timestamp,
) -> Result<u64, StoreError> {
    tx.query(
        "UPDATE department SET confirmed_at = $3 WHERE company = $1 AND platform = $2 AND missing_since IS NOT NULL AND active = TRUE",
    )
    .bind(company)
    .bind(platform.as_str())
    .bind(now)
    .execute()
    .await?;
    tx.query("UPDATE sync_seen SET confirmed_by = $2, confirmed_at = $3 WHERE app = $1 AND missing_since IS NOT NULL AND confirmed_at IS NULL")
        .bind(app)
        .bind(by.as_str())
        .bind(now)
        .execute()
        .await
}

/// A department as it stands in the mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub parent: Option<String>,
    pub name: String,
    pub leader: Option<String>,
    pub active: bool,
    pub updated_at: Timestamp,
    pub missing_since: Option<Timestamp>,
    pub confirmed: bool,
}

/// All departments of a platform by the platform's own id.
pub async fn standing(
    tx: &mut Tx,
    company: &CompanyId,
    platform: Platform,
) -> Result<BTreeMap<String, Standing>, StoreError> {
    let rows = tx
        .query(
            "SELECT dept_id, parent, name, leader, active, updated_at, missing_since, confirmed_at FROM department \
             WHERE company = $1 AND platform = $2",
        )
        .bind(company)
        .bind(platform.as_str())
        .all()
        .await?;
    rows.iter()
        .map(|row| {
            Ok((
                row.get("dept_id")?,
                Standing {
                    parent: row.get("parent")?,
                    name: row.get("name")?,
                    leader: row.get("leader")?,
                    active: row.get("active")?,
                    updated_at: row.get("updated_at")?,
                    missing_since: row.get("missing_since")?,
                    confirmed: row.get::<Option<i64>>("confirmed_at")?.is_some(),
                },
            ))
        })
        .collect()
}

/// A department is missed from now on, or is there (`None`).
pub async fn set_missing(tx: &mut Tx, row: &str, since: Option<Timestamp>) -> Result<(), StoreError> {
    tx.query("UPDATE department SET missing_since = $2, confirmed_at = CASE WHEN $2 IS NULL THEN NULL ELSE confirmed_at END WHERE id = $1")
        .bind(row)
        .bind(since.map(|s| s.0))
        .execute()
        .await
        .map(|_| ())
}

/// How an app's listing stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Last {
    pub finished_at: Timestamp,
    pub people: i64,
    pub departments: i64,
    pub changed: i64,
    pub left: i64,
    pub waiting: i64,
    pub held: i64,
    pub departments_held: i64,
}

pub async fn last(tx: &mut Tx, app: &AppId) -> Result<Option<Last>, StoreError> {
    let row = tx
        .query(
            "SELECT finished_at, people, departments, entered, leavers, waiting, leavers_held, departments_held FROM sync_state WHERE app = $1",
        )
        .bind(app)
        .optional()
        .await?;
    row.map(|row| {
        Ok(Last {
            finished_at: row.get("finished_at")?,
            people: row.get("people")?,
            departments: row.get("departments")?,
            changed: row.get("entered")?,
            left: row.get("leavers")?,
            waiting: row.get("waiting")?,
            held: row.get("leavers_held")?,
            departments_held: row.get("departments_held")?,
        })
    })
    .transpose()
}

/// Names of some of those who are missed, with their departments.
pub async fn missing_names(
    tx: &mut Tx,
    app: &AppId,
    limit: usize,
) -> Result<Vec<(String, Option<String>)>, StoreError> {
    let rows = tx
        .query(
            "SELECT p.name, d.name AS department FROM sync_seen s JOIN person p ON p.id = s.person \
             LEFT JOIN department d ON d.id = p.department \
             WHERE s.app = $1 AND s.missing_since IS NOT NULL AND s.confirmed_at IS NULL ORDER BY s.user_id LIMIT $2",
        )
        .bind(app)
        .bind(limit)
        .all()
        .await?;
    rows.iter()
        .map(|row| Ok((row.get("name")?, row.get("department")?)))
        .collect()
}
