//! SQL that reads the ledger.

use std::collections::BTreeMap;

use hutong_model::{AppId, ChatId, CompanyId};

use super::{Dispute, Item, Scorer, ThanksCount};
use crate::directory::{PersonId, told_apart};
use crate::rules::points::ledger::{Account, Currency, Entry, EntryKind, Line};
use crate::store::{Row, Store, StoreError, Tx};

const TX: &str = "SELECT t.seq, t.id, t.at, t.local_date, t.season, t.kind, t.rule, t.rule_version, t.cause, t.actor, \
     t.note, t.reverses, t.prev_hash, t.hash FROM ledger_tx t ";

/// One transaction with its lines.
pub async fn entry(tx: &mut Tx, seq: i64) -> Result<Option<Entry>, StoreError> {
    let sql = format!("{TX} WHERE t.seq = $1");
    let Some(row) = tx.query(sql).bind(seq).optional().await? else {
        return Ok(None);
    };
    let mut entry = read_entry(&row)?;
    entry.lines = lines(tx, seq).await?;
    Ok(Some(entry))
}

/// The sequence number of what people call `L20261124-0042`.
pub async fn seq_of(tx: &mut Tx, id: &str) -> Result<Option<i64>, StoreError> {
    let row = tx
        .query("SELECT seq FROM ledger_tx WHERE id = $1")
        .bind(id)
        .optional()
        .await?;
    row.map(|r| r.get("seq")).transpose()
}

async fn lines(tx: &mut Tx, seq: i64) -> Result<Vec<Line>, StoreError> {
    let rows = tx
        .query("SELECT account, currency, amount FROM ledger_line WHERE seq = $1 ORDER BY line")
        .bind(seq)
        .all()
        .await?;
    rows.iter().map(read_line).collect()
}

/// The newest entries that touched a person's score of a season, on all accounts that are theirs.
pub async fn items(tx: &mut Tx, person: &PersonId, season: &str, limit: i64) -> Result<Vec<Item>, StoreError> {
    let sql = "SELECT t.seq, t.id, t.at, t.local_date, t.season, t.kind, t.rule, t.rule_version, t.cause, t.actor, \
         t.note, t.reverses, t.prev_hash, t.hash, l.amount AS score, p.name AS actor_name, p.active AS actor_active, p.left_at AS actor_left, \
         n.body AS body, \
         (SELECT COUNT(*) FROM ledger_tx r WHERE r.reverses = t.seq) AS reversed \
         FROM ledger_line l JOIN ledger_tx t ON t.seq = l.seq \
         LEFT JOIN person a ON a.id = t.actor LEFT JOIN person p ON p.id = COALESCE(a.merged_into, a.id) LEFT JOIN ledger_note n ON n.seq = t.seq \
         WHERE l.currency = 'score' AND l.account IN \
           (SELECT b.account FROM ledger_balance b WHERE b.owner = $1 AND b.season = $3 AND b.currency = 'score') \
         ORDER BY l.seq DESC LIMIT $2";
    let rows = tx
        .query(sql)
        .bind(person.as_str())
        .bind(limit)
        .bind(season)
        .all()
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Item {
                entry: read_entry(row)?,
                score: row.get("score")?,
                actor_name: row.get("actor_name")?,
                actor_active: row.get::<Option<bool>>("actor_active")?.unwrap_or(true),
                actor_left: row.get("actor_left")?,
                note: row.get("body")?,
                reversed: row.get::<i64>("reversed")? > 0,
            })
        })
        .collect()
}

/// A person's score of a season, on all accounts that are theirs: those of people who turned out to
/// be the same are, too.
pub async fn score_of(tx: &mut Tx, person: &PersonId, season: &str) -> Result<i64, StoreError> {
    tx.query(
        "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) AS n FROM ledger_balance \
         WHERE owner = $1 AND season = $2 AND currency = 'score'",
    )
    .bind(person.as_str())
    .bind(season)
    .one()
    .await?
    .get("n")
}

/// The coins a person holds, on all accounts that are theirs.
pub async fn coins_of(tx: &mut Tx, person: &PersonId) -> Result<i64, StoreError> {
    tx.query(
        "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) AS n FROM ledger_balance \
         WHERE owner = $1 AND currency = 'coin' AND account LIKE 'coin:%'",
    )
    .bind(person.as_str())
    .one()
    .await?
    .get("n")
}

/// Everybody of a company with a score in a season, opted-out and former colleagues left out.
pub async fn season_scorers(tx: &mut Tx, company: &CompanyId, season: &str) -> Result<Vec<Scorer>, StoreError> {
    let rows = tx
        .query(
            "SELECT p.id, p.name, d.name AS department, b.amount AS score, \
             (SELECT COUNT(*) FROM person s WHERE s.company = p.company AND s.name = p.name AND s.active = TRUE) AS sharing, \
             (SELECT COUNT(DISTINCT h.giver) FROM thanks h WHERE h.receiver = p.id AND h.withdrawn = FALSE \
              AND substr(h.local_date, 1, 7) = $2) AS helped \
             FROM (SELECT owner, CAST(SUM(amount) AS BIGINT) AS amount FROM ledger_balance \
               WHERE season = $2 AND currency = 'score' GROUP BY owner) b JOIN person p ON p.id = b.owner \
             LEFT JOIN department d ON d.id = p.department LEFT JOIN points_person o ON o.person = p.id \
             WHERE b.amount > 0 AND p.company = $1 AND p.active = TRUE \
             AND (o.hidden IS NULL OR o.hidden = FALSE) ORDER BY p.id",
        )
        .bind(company)
        .bind(season)
        .all()
        .await?;
    rows.iter().map(read_scorer).collect()
}

/// The same for the days `from` to `to` (local dates, both included).
pub async fn period_scorers(tx: &mut Tx, company: &CompanyId, from: &str, to: &str) -> Result<Vec<Scorer>, StoreError> {
    let rows = tx
        .query(
            "SELECT p.id, p.name, d.name AS department, s.score AS score, \
             (SELECT COUNT(*) FROM person n WHERE n.company = p.company AND n.name = p.name AND n.active = TRUE) AS sharing, \
             (SELECT COUNT(DISTINCT h.giver) FROM thanks h WHERE h.receiver = p.id AND h.withdrawn = FALSE \
              AND h.local_date BETWEEN $2 AND $3) AS helped \
             FROM (SELECT b.owner AS owner, CAST(SUM(l.amount) AS BIGINT) AS score FROM ledger_tx t \
               JOIN ledger_line l ON l.seq = t.seq \
               JOIN ledger_balance b ON b.account = l.account AND b.currency = l.currency \
               WHERE t.local_date BETWEEN $2 AND $3 AND l.currency = 'score' AND b.owner <> '' GROUP BY b.owner) s \
             JOIN person p ON p.id = s.owner LEFT JOIN department d ON d.id = p.department \
             LEFT JOIN points_person o ON o.person = p.id \
             WHERE s.score > 0 AND p.company = $1 AND p.active = TRUE \
             AND (o.hidden IS NULL OR o.hidden = FALSE) ORDER BY p.id",
        )
        .bind(company)
        .bind(from)
        .bind(to)
        .all()
        .await?;
    rows.iter().map(read_scorer).collect()
}

fn read_scorer(row: &Row) -> Result<Scorer, StoreError> {
    let id: String = row.get("id")?;
    let (name, department): (String, Option<String>) = (row.get("name")?, row.get("department")?);
    Ok(Scorer {
        person: PersonId::parse(&id).ok_or_else(|| broken("a person"))?,
        name: told_apart(&name, department.as_deref(), row.get("sharing")?),
        department,
        score: row.get("score")?,
        helped: row.get("helped")?,
    })
}

/// Whether the person has an open question about an entry.
pub async fn disputed(tx: &mut Tx, seq: i64, person: &PersonId) -> Result<bool, StoreError> {
    let row = tx
        .query("SELECT COUNT(*) AS n FROM points_dispute WHERE seq = $1 AND person = $2 AND open = TRUE")
        .bind(seq)
        .bind(person.as_str())
        .one()
        .await?;
    Ok(row.get::<i64>("n")? > 0)
}

/// Open questions of a company, oldest first.
pub async fn disputes(tx: &mut Tx, company: &CompanyId, limit: i64) -> Result<Vec<Dispute>, StoreError> {
    let rows = tx
        .query(
            "SELECT t.id AS id, p.name AS name, q.at AS at FROM points_dispute q JOIN ledger_tx t ON t.seq = q.seq \
             JOIN person p ON p.id = q.person WHERE q.open = TRUE AND p.company = $1 ORDER BY q.at, t.seq LIMIT $2",
        )
        .bind(company)
        .bind(limit)
        .all()
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Dispute {
                id: row.get("id")?,
                person_name: row.get("name")?,
                at: row.get("at")?,
            })
        })
        .collect()
}

pub async fn hidden(tx: &mut Tx, person: &PersonId) -> Result<bool, StoreError> {
    let row = tx
        .query("SELECT COUNT(*) AS n FROM points_person WHERE person = $1 AND hidden = TRUE")
        .bind(person.as_str())
        .one()
        .await?;
    Ok(row.get::<i64>("n")? > 0)
}

/// Thanks given in a chat on the days `from` to `to`. This is the read model for reports: they
/// never look into the tables themselves.
pub async fn thanks_in_chat(
    tx: &mut Tx,
    app: &AppId,
    chat: &ChatId,
    from: &str,
    to: &str,
) -> Result<ThanksCount, StoreError> {
    let row = tx
        .query(
            "SELECT COUNT(*) AS n, CAST(COALESCE(SUM(CASE WHEN cross_department THEN 1 ELSE 0 END), 0) AS BIGINT) AS x \
             FROM thanks WHERE app = $1 AND chat = $2 AND local_date BETWEEN $3 AND $4 AND withdrawn = FALSE",
        )
        .bind(app)
        .bind(chat)
        .bind(from)
        .bind(to)
        .one()
        .await?;
    Ok(ThanksCount {
        all: row.get("n")?,
        across: row.get("x")?,
    })
}

/// The whole ledger, in parts, for the check.
pub async fn entries_after(store: &Store, seq: i64, limit: i64) -> Result<Vec<Entry>, StoreError> {
    let sql = format!("{TX} WHERE t.seq > $1 ORDER BY t.seq LIMIT $2");
    let mut list: Vec<Entry> = store
        .query(sql)
        .bind(seq)
        .bind(limit)
        .all()
        .await?
        .iter()
        .map(read_entry)
        .collect::<Result<_, _>>()?;
    let (Some(first), Some(last)) = (list.first(), list.last()) else {
        return Ok(list);
    };
    let rows = store
        .query("SELECT seq, account, currency, amount FROM ledger_line WHERE seq BETWEEN $1 AND $2 ORDER BY seq, line")
        .bind(first.seq)
        .bind(last.seq)
        .all()
        .await?;
    let mut lines: BTreeMap<i64, Vec<Line>> = BTreeMap::new();
    for row in &rows {
        lines.entry(row.get("seq")?).or_default().push(read_line(row)?);
    }
    for entry in &mut list {
        entry.lines = lines.remove(&entry.seq).unwrap_or_default();
    }
    Ok(list)
}

/// How many lines stand in the ledger; those of no transaction would be missed otherwise.
pub async fn line_count(store: &Store) -> Result<i64, StoreError> {
    store
        .query("SELECT COUNT(*) AS n FROM ledger_line")
        .one()
        .await?
        .get("n")
}

pub async fn head(store: &Store) -> Result<(i64, String), StoreError> {
    let row = store
        .query("SELECT seq, hash FROM ledger_head WHERE one = 1")
        .one()
        .await?;
    Ok((row.get("seq")?, row.get("hash")?))
}

pub async fn balances(store: &Store) -> Result<BTreeMap<(String, String), i64>, StoreError> {
    let rows = store
        .query("SELECT account, currency, amount FROM ledger_balance")
        .all()
        .await?;
    rows.iter()
        .map(|row| Ok(((row.get("account")?, row.get("currency")?), row.get("amount")?)))
        .collect()
}

/// Cause and the sequence number it was entered under.
pub async fn causes(store: &Store) -> Result<BTreeMap<String, i64>, StoreError> {
    let rows = store.query("SELECT cause, seq FROM ledger_cause").all().await?;
    rows.iter()
        .map(|row| Ok((row.get("cause")?, row.get("seq")?)))
        .collect()
}

/// All counters of one rule, by (subject, window).
pub async fn cap_counters(store: &Store, rule: &str) -> Result<BTreeMap<(String, String), i64>, StoreError> {
    let rows = store
        .query("SELECT subject, window_start, used FROM cap_counter WHERE rule = $1")
        .bind(rule)
        .all()
        .await?;
    rows.iter()
        .map(|row| Ok(((row.get("subject")?, row.get("window_start")?), row.get("used")?)))
        .collect()
}

fn broken(what: &str) -> StoreError {
    StoreError::Broken(format!("the ledger holds {what} that this program does not know"))
}

fn read_entry(row: &Row) -> Result<Entry, StoreError> {
    let kind: String = row.get("kind")?;
    Ok(Entry {
        seq: row.get("seq")?,
        id: row.get("id")?,
        at: row.get("at")?,
        local_date: row.get("local_date")?,
        season: row.get("season")?,
        kind: EntryKind::parse(&kind).ok_or_else(|| broken("a kind"))?,
        rule: row.get("rule")?,
        rule_version: row.get("rule_version")?,
        cause: row.get("cause")?,
        actor: row.get("actor")?,
        note: row.get("note")?,
        reverses: row.get("reverses")?,
        prev_hash: row.get("prev_hash")?,
        hash: row.get("hash")?,
        lines: Vec::new(),
    })
}

fn read_line(row: &Row) -> Result<Line, StoreError> {
    let account: String = row.get("account")?;
    let currency: String = row.get("currency")?;
    Ok(Line {
        account: Account::parse(&account).ok_or_else(|| broken("an account"))?,
        currency: Currency::parse(&currency).ok_or_else(|| broken("a currency"))?,
        amount: row.get("amount")?,
    })
}
