//! SQL of merges.

use hutong_model::{CompanyId, Platform, Timestamp, UserId};

use super::Merged;
use crate::directory::PersonId;
use crate::directory::people::Source;
use crate::directory::people::store::Account;
use crate::store::{Row, StoreError, Tx};

/// A column that holds person ids and whose rows follow a merge.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub table: &'static str,
    pub column: &'static str,
    /// What names a row beside the person; empty: one row for each person.
    pub key: &'static [&'static str],
    /// The person is part of the primary key: where both have such a row, each keeps their own.
    pub unique: bool,
}

const fn place(table: &'static str, column: &'static str, key: &'static [&'static str], unique: bool) -> Place {
    Place {
        table,
        column,
        key,
        unique,
    }
}

/// What belongs to a person and goes along. A table with a column of person ids stands here or in
/// [`STAYS`]; a test looks.
pub const PLACES: &[Place] = &[
    place("identity", "person", &["company", "platform", "user_id"], false),
    place("sync_seen", "person", &["app", "user_id"], false),
    place("chat_member", "person", &["app", "chat_id"], true),
    place("chat", "owner", &["app", "chat_id"], false),
    place("department", "leader", &["id"], false),
    place("person", "leader", &["id"], false),
    place("person_department", "person", &["department"], true),
    place("person_stay", "person", &["department", "began_at"], true),
    place("person_contact", "person", &["platform", "kind"], true),
    place("person_tag", "person", &["tag"], true),
    place("person_interest", "person", &["interest"], true),
    place("person_fact", "person", &["field"], true),
    place(
        "role_grant",
        "subject",
        &["company", "kind", "role", "source", "scope"],
        true,
    ),
    place("group_claim", "person", &["rule", "department"], true),
    place("group_chat", "owner", &["rule", "department"], false),
    place("group_order", "person", &["id"], false),
    place("ledger_balance", "owner", &["account", "currency"], false),
    place("thanks", "giver", &["cause"], false),
    place("thanks", "receiver", &["cause"], false),
    place("cap_counter", "subject", &["rule", "window_start"], true),
    place("points_dispute", "person", &["seq"], true),
    place("points_person", "person", &[], true),
    place("column_item", "author", &["id"], false),
    place("column_item", "owner", &["id"], false),
    place("column_vote", "person", &["issue"], true),
    place("column_more", "person", &["issue"], true),
    place("column_forward", "person", &["id"], false),
    place("column_issue", "author", &["id"], false),
    place("newcomer", "person", &[], true),
    place("newcomer", "buddy", &["person"], false),
    place("newcomer_gone", "person", &[], true),
    place("lexicon_hit", "person", &["id"], false),
];

/// Columns of person ids that stay as they are, and why that is right.
pub const STAYS: &[(&str, &str, &str)] = &[
    ("audit", "actor", "who did it then; only ever added to"),
    (
        "approval",
        "author",
        "a person may not approve their own request: the id is followed when it is read",
    ),
    ("approval", "decided_by", "history"),
    ("column_state", "changed_by", "history"),
    ("column_plan", "changed_by", "history"),
    ("column_issue_version", "author", "history"),
    ("newcomer_words", "changed_by", "history"),
    ("noise_mute", "changed_by", "history"),
    ("review", "decided_by", "history"),
    ("group_change", "person", "history"),
    ("group_change", "actor", "history"),
    ("group_plan", "actor", "history"),
    ("group_rule_state", "changed_by", "history"),
    ("identity_conflict", "person", "found anew by the next listing"),
    ("identity_conflict", "other", "found anew by the next listing"),
    (
        "ledger_tx",
        "actor",
        "only ever added to; the name is read through the person",
    ),
    ("person_merge", "head", "the merges themselves"),
    ("person_merge", "gone", "the merges themselves"),
    ("person_merge", "actor", "history"),
    ("person_merge", "undone_by", "history"),
    ("person_tag", "given_by", "history"),
    ("role_grant", "granted_by", "history"),
    ("sync_seen", "confirmed_by", "history"),
    ("person", "merged_into", "the pointer itself"),
];

impl Place {
    fn name(&self) -> String {
        format!("{}.{}", self.table, self.column)
    }

    /// The key of a row as one text; `of` is the alias of the table.
    fn key_of(&self, of: &str) -> String {
        if self.key.is_empty() {
            return "''".to_owned();
        }
        let parts: Vec<String> = self.key.iter().map(|c| format!("CAST({of}.{c} AS TEXT)")).collect();
        parts.join(" || '|' || ")
    }
}

fn person_in(row: &Row, column: &str) -> Result<PersonId, StoreError> {
    let id: String = row.get(column)?;
    PersonId::parse(&id).ok_or_else(|| StoreError::Broken(format!("{column} is not a person id")))
}

/// Moves the rows of `gone` to `head` and notes each of them.
pub async fn carry(tx: &mut Tx, merge: &str, head: &PersonId, gone: &PersonId) -> Result<(), StoreError> {
    for place in PLACES {
        let Place { table, column, .. } = place;
        let (key, other) = (place.key_of("t"), place.key_of("o"));
        let free = match place.unique {
            true => format!("AND NOT EXISTS (SELECT 1 FROM {table} o WHERE o.{column} = $4 AND {other} = {key})"),
            false => "AND $4 <> ''".to_owned(),
        };
        let sql = format!(
            "INSERT INTO person_merge_row (merge_id, place, row_key) SELECT $1, $2, {key} FROM {table} t WHERE t.{column} = $3 {free}"
        );
        let moved = tx
            .query(sql)
            .bind(merge)
            .bind(place.name())
            .bind(gone.as_str())
            .bind(head.as_str())
            .execute()
            .await?;
        if moved > 0 {
            turn(tx, place, merge, gone, head).await?;
        }
    }
    Ok(())
}

/// Moves the noted rows back.
pub async fn bring_back(tx: &mut Tx, merge: &str, head: &PersonId, gone: &PersonId) -> Result<(), StoreError> {
    for place in PLACES {
        turn(tx, place, merge, head, gone).await?;
    }
    Ok(())
}

async fn turn(tx: &mut Tx, place: &Place, merge: &str, from: &PersonId, to: &PersonId) -> Result<(), StoreError> {
    let Place { table, column, .. } = place;
    let key = place.key_of(table);
    let sql = format!(
        "UPDATE {table} SET {column} = $1 WHERE {column} = $2 AND {key} IN \
         (SELECT r.row_key FROM person_merge_row r WHERE r.merge_id = $3 AND r.place = $4)"
    );
    tx.query(sql)
        .bind(to.as_str())
        .bind(from.as_str())
        .bind(merge)
        .bind(place.name())
        .execute()
        .await
        .map(|_| ())
}

/// Who was known first, and the other.
pub async fn older_first(tx: &mut Tx, one: &PersonId, two: &PersonId) -> Result<(PersonId, PersonId), StoreError> {
    let row = tx
        .query("SELECT id FROM person WHERE id IN ($1, $2) ORDER BY created_at, id LIMIT 1")
        .bind(one.as_str())
        .bind(two.as_str())
        .one()
        .await?;
    let head = person_in(&row, "id")?;
    let gone = if head == *one { two.clone() } else { one.clone() };
    Ok((head, gone))
}

pub async fn count(tx: &mut Tx) -> Result<i64, StoreError> {
    tx.query("SELECT COUNT(*) AS n FROM person_merge").one().await?.get("n")
}

#[expect(clippy::too_many_arguments, reason = "one argument for each column")]
pub async fn enter(
    tx: &mut Tx,
    id: &str,
    company: &CompanyId,
    head: &PersonId,
    gone: &PersonId,
    why: &str,
    actor: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.query("INSERT INTO person_merge (id, company, head, gone, why, actor, at) VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(id)
        .bind(company)
        .bind(head.as_str())
        .bind(gone.as_str())
        .bind(why)
        .bind(actor)
        .bind(now)
        .ensure_rows(1)
        .await
}

/// Lets a person, and everybody who points at them, point at another; or stand for themselves again
/// together with those who were merged into them.
pub async fn point(tx: &mut Tx, gone: &PersonId, head: Option<&PersonId>) -> Result<(), StoreError> {
    if let Some(head) = head {
        tx.query("UPDATE person SET merged_into = $2, active = FALSE WHERE id = $1 OR merged_into = $1")
            .bind(gone.as_str())
            .bind(head.as_str())
            .execute()
            .await?;
        return Ok(());
    }
    tx.query("UPDATE person SET merged_into = NULL WHERE id = $1")
        .bind(gone.as_str())
        .execute()
        .await?;
    // Deeper than any chain of merges.
    for _ in 0..20 {
        let changed = tx
            .query(
                "UPDATE person SET merged_into = $1 WHERE merged_into IS NOT NULL AND merged_into <> $1 AND id IN \
                 (SELECT m.gone FROM person_merge m JOIN person p ON p.id = m.head \
                  WHERE m.undone_at IS NULL AND (p.id = $1 OR p.merged_into = $1))",
            )
            .bind(gone.as_str())
            .execute()
            .await?;
        if changed == 0 {
            break;
        }
    }
    Ok(())
}

/// The newest merge into a person that stands.
pub async fn newest(tx: &mut Tx, head: &PersonId) -> Result<Option<Merged>, StoreError> {
    let row = tx
        .query(
            "SELECT m.id, m.head, m.gone FROM person_merge m WHERE m.head = $1 AND m.undone_at IS NULL \
             ORDER BY m.at DESC, m.id DESC LIMIT 1",
        )
        .bind(head.as_str())
        .optional()
        .await?;
    row.map(|row| {
        Ok(Merged {
            id: row.get("id")?,
            head: person_in(&row, "head")?,
            gone: person_in(&row, "gone")?,
        })
    })
    .transpose()
}

pub async fn undone(tx: &mut Tx, id: &str, actor: &str, now: Timestamp) -> Result<(), StoreError> {
    tx.query("UPDATE person_merge SET undone_at = $2, undone_by = $3 WHERE id = $1 AND undone_at IS NULL")
        .bind(id)
        .bind(now)
        .bind(actor)
        .ensure_rows(1)
        .await
}

/// The accounts of a person are not joined or parted by rule any more.
pub async fn pin(tx: &mut Tx, person: &PersonId) -> Result<(), StoreError> {
    tx.query("UPDATE identity SET pinned = TRUE WHERE person = $1")
        .bind(person.as_str())
        .execute()
        .await
        .map(|_| ())
}

/// An id for an account whose own one is taken.
pub fn another_id(
    company: &CompanyId,
    platform: Platform,
    user: &UserId,
    now: Timestamp,
) -> Result<PersonId, StoreError> {
    let parts = [company.as_str(), platform.as_str(), user.as_str(), &now.to_string()];
    let id = format!("p{}", crate::ids::short_hash(&parts, 20));
    PersonId::parse(&id).ok_or_else(|| StoreError::Broken("a derived id is not a person id".to_owned()))
}

/// A person who begins with the looks of another.
pub async fn new_like(tx: &mut Tx, id: &PersonId, like: &PersonId, now: Timestamp) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO person (id, company, name, active, created_at, language) \
         SELECT $1, company, name, active, CAST($3 AS BIGINT), language FROM person WHERE id = $2",
    )
    .bind(id.as_str())
    .bind(like.as_str())
    .bind(now)
    .ensure_rows(1)
    .await
}

/// Gives an account with its other ids to a person.
pub async fn move_account(tx: &mut Tx, from: Source<'_>, account: &Account, to: &PersonId) -> Result<(), StoreError> {
    let aliases = account.entry.iter().flat_map(|e| &e.aliases);
    for user in std::iter::once(&account.main).chain(aliases) {
        tx.query("UPDATE identity SET person = $4 WHERE company = $1 AND platform = $2 AND user_id = $3")
            .bind(from.company)
            .bind(from.platform.as_str())
            .bind(user)
            .bind(to.as_str())
            .execute()
            .await?;
        tx.query("UPDATE sync_seen SET person = $2 WHERE user_id = $1 AND person = $3")
            .bind(user)
            .bind(to.as_str())
            .bind(account.person.as_str())
            .execute()
            .await?;
    }
    Ok(())
}
