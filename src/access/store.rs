//! SQL of roles, of the audit trail and of approvals.

use std::collections::BTreeSet;
use std::time::Duration;

use hutong_model::{AppId, ChatId, CompanyId, Platform, Timestamp, UserId};

use super::{Place, Rights, Role, Scope};
use crate::directory::{Person, PersonId};
use crate::store::{Row, StoreError, Tx};

/// How long a second person may take to decide.
pub const APPROVAL_VALID: Duration = Duration::from_secs(15 * 60);

/// Whom a role in the configuration is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    Account(Platform, UserId),
    /// Employee number, the same on all platforms of the company.
    Employee(String),
    Person(PersonId),
}

impl Subject {
    fn columns(&self) -> (&'static str, String) {
        match self {
            Subject::Account(platform, user) => ("account", format!("{platform}:{user}")),
            Subject::Employee(number) => ("employee", number.clone()),
            Subject::Person(id) => ("person", id.as_str().to_owned()),
        }
    }
}

/// A role given to somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub company: CompanyId,
    pub subject: Subject,
    pub role: Role,
    pub scope: Scope,
}

fn scope_text(scope: &Scope) -> String {
    match scope {
        Scope::All => "all".to_owned(),
        Scope::Chat(chat) => format!("chat:{chat}"),
        Scope::Department(dept) => format!("dept:{dept}"),
    }
}

/// Makes the roles of the configuration the ones in force, and leaves those given by command.
pub async fn sync_config_roles(tx: &mut Tx, grants: &[Grant], now: Timestamp) -> Result<(), StoreError> {
    // Replicas start at the same moment.
    tx.lock("config roles").await?;
    tx.query("DELETE FROM role_grant WHERE source = 'config'")
        .execute()
        .await?;
    for grant in grants {
        insert(tx, grant, "config", None, now).await?;
    }
    Ok(())
}

/// Gives a role by command; the caller has checked that it may. Also recorded in the audit trail.
pub async fn grant(tx: &mut Tx, grant: &Grant, by: &PersonId, now: Timestamp) -> Result<(), StoreError> {
    insert(tx, grant, "command", Some(by), now).await?;
    let (_, subject) = grant.subject.columns();
    let detail = format!("{} {}", grant.role.as_str(), scope_text(&grant.scope));
    audit(
        tx,
        now,
        by.as_str(),
        "role.grant",
        &subject,
        &serde_json::json!({ "role": detail }),
    )
    .await
}

async fn insert(
    tx: &mut Tx,
    grant: &Grant,
    source: &str,
    by: Option<&PersonId>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (kind, subject) = grant.subject.columns();
    tx.query(
        "INSERT INTO role_grant (company, kind, subject, role, scope, source, granted_by, granted_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (company, kind, subject, role, scope, source) DO NOTHING",
    )
    .bind(&grant.company)
    .bind(kind)
    .bind(subject)
    .bind(grant.role.as_str())
    .bind(scope_text(&grant.scope))
    .bind(source)
    .bind(by.map(|p| p.as_str().to_owned()))
    .bind(now)
    .execute()
    .await
    .map(|_| ())
}

/// Takes a role away that was given by command. False when there was none.
pub async fn revoke(tx: &mut Tx, grant: &Grant, by: &PersonId, now: Timestamp) -> Result<bool, StoreError> {
    let (kind, subject) = grant.subject.columns();
    let gone = tx
        .query(
            "DELETE FROM role_grant WHERE company = $1 AND kind = $2 AND subject = $3 AND role = $4 AND scope = $5 AND source = 'command'",
        )
        .bind(&grant.company)
        .bind(kind)
        .bind(subject.as_str())
        .bind(grant.role.as_str())
        .bind(scope_text(&grant.scope))
        .execute()
        .await?;
    if gone == 0 {
        return Ok(false);
    }
    let detail = format!("{} {}", grant.role.as_str(), scope_text(&grant.scope));
    audit(
        tx,
        now,
        by.as_str(),
        "role.revoke",
        &subject,
        &serde_json::json!({ "role": detail }),
    )
    .await?;
    Ok(true)
}

/// The condition under which the grant `g` is for the person `p`.
const GRANT_IS_FOR_PERSON: &str = "g.company = p.company AND ((g.kind = 'person' AND g.subject = p.id) \
     OR (g.kind = 'employee' AND g.subject = p.employee_no) \
     OR (g.kind = 'account' AND g.subject IN (SELECT i.platform || ':' || i.user_id FROM identity i \
         WHERE i.person = p.id AND i.company = p.company)))";

/// The roles of a person as of this transaction. Somebody who has left has none.
pub async fn rights_of(tx: &mut Tx, person: &PersonId) -> Result<Rights, StoreError> {
    let sql = format!(
        "SELECT g.role AS role, g.scope AS scope FROM person p JOIN role_grant g ON {GRANT_IS_FOR_PERSON} \
         WHERE p.id = $1 AND p.active = TRUE"
    );
    let rows = tx.query(sql).bind(person.as_str()).all().await?;
    let mut set = BTreeSet::new();
    for row in &rows {
        let (role, scope): (String, String) = (row.get("role")?, row.get("scope")?);
        // A role or scope that this version does not know gives nothing.
        if let (Some(role), Some(scope)) = (Role::parse(&role), Scope::parse(&scope)) {
            set.insert((role, scope));
        }
    }
    Ok(Rights(set))
}

/// Active people of a company who hold a role in a scope that reaches `place`, by id.
pub async fn holders(
    tx: &mut Tx,
    company: &CompanyId,
    any_of: &[Role],
    place: &Place,
) -> Result<Vec<PersonId>, StoreError> {
    let sql = format!(
        "SELECT p.id AS id, g.role AS role, g.scope AS scope FROM role_grant g JOIN person p ON {GRANT_IS_FOR_PERSON} \
         WHERE g.company = $1 AND p.active = TRUE ORDER BY p.id"
    );
    let rows = tx.query(sql).bind(company).all().await?;
    let mut found: Vec<PersonId> = Vec::new();
    for row in &rows {
        let (id, role, scope): (String, String, String) = (row.get("id")?, row.get("role")?, row.get("scope")?);
        let (Some(id), Some(role), Some(scope)) = (PersonId::parse(&id), Role::parse(&role), Scope::parse(&scope))
        else {
            continue;
        };
        if (any_of.contains(&role) || role == Role::Admin) && scope.covers(place) && found.last() != Some(&id) {
            found.push(id);
        }
    }
    Ok(found)
}

/// Everybody who may act as an operator somewhere, in the order of [`holders`].
pub async fn operators_of(tx: &mut Tx, company: &CompanyId) -> Result<Vec<(PersonId, Scope)>, StoreError> {
    let sql = format!(
        "SELECT p.id AS id, g.role AS role, g.scope AS scope FROM role_grant g JOIN person p ON {GRANT_IS_FOR_PERSON} \
         WHERE g.company = $1 AND p.active = TRUE AND g.role IN ('operator', 'admin') ORDER BY p.id"
    );
    let rows = tx.query(sql).bind(company).all().await?;
    let mut found = Vec::new();
    for row in &rows {
        let (id, scope): (String, String) = (row.get("id")?, row.get("scope")?);
        found.extend(PersonId::parse(&id).zip(Scope::parse(&scope)));
    }
    Ok(found)
}

/// The place of a command typed in a chat: the chat, and the department whose group it is.
pub async fn place_of_chat(tx: &mut Tx, app: &AppId, chat: &ChatId) -> Result<Place, StoreError> {
    let row = tx
        .query("SELECT department FROM group_chat WHERE app = $1 AND chat_id = $2 ORDER BY rule LIMIT 1")
        .bind(app)
        .bind(chat)
        .optional()
        .await?;
    let mut place = match row {
        Some(row) => place_of_department(tx, &row.get::<String>("department")?).await?,
        None => Place::default(),
    };
    place.chat = Some(format!("{app}:{chat}"));
    Ok(place)
}

/// A department with all above it, by row id and by name.
pub async fn place_of_department(tx: &mut Tx, department: &str) -> Result<Place, StoreError> {
    let mut place = Place::default();
    // A further group of a department (`ID#2`) belongs to that department.
    let mut next = department.split('#').next().map(str::to_owned);
    // Deeper than any company; a cycle in the directory ends here too.
    for _ in 0..50 {
        let Some(id) = next.take() else { break };
        let Some(row) = tx
            .query("SELECT id, name, parent FROM department WHERE id = $1")
            .bind(id)
            .optional()
            .await?
        else {
            break;
        };
        place.departments.push(row.get("id")?);
        place.departments.push(row.get("name")?);
        next = row.get("parent")?;
    }
    Ok(place)
}

/// What a dispatcher may do with a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    Yes(Rights),
    /// The person holds a fitting role, but not in a scope that reaches this place. The rule may
    /// go on only if it looks at the scope itself (`Rule::checks_scope`).
    Elsewhere(Rights),
    No(Rights),
}

/// Looks at a command's roles in the transaction that acts.
pub async fn allowed(
    tx: &mut Tx,
    person: &Person,
    any_of: &[Role],
    chat: Option<(&AppId, &ChatId)>,
) -> Result<Allowed, StoreError> {
    let rights = rights_of(tx, &person.id).await?;
    if !person.active {
        return Ok(Allowed::No(rights));
    }
    if any_of.contains(&Role::Member) {
        return Ok(Allowed::Yes(rights));
    }
    let place = match chat {
        Some((app, chat)) => place_of_chat(tx, app, chat).await?,
        None => Place::default(),
    };
    Ok(verdict(rights, any_of, &place))
}

/// The decision of [`allowed`], without the reading.
pub fn verdict(rights: Rights, any_of: &[Role], place: &Place) -> Allowed {
    if rights.allows(any_of, place) {
        Allowed::Yes(rights)
    } else if rights.anywhere(any_of) {
        Allowed::Elsewhere(rights)
    } else {
        Allowed::No(rights)
    }
}

/// Adds to the audit trail. `detail` holds ids and numbers, never message text. `actor` is a person
/// id or `system`.
pub async fn audit(
    tx: &mut Tx,
    now: Timestamp,
    actor: &str,
    action: &str,
    target: &str,
    detail: &serde_json::Value,
) -> Result<(), StoreError> {
    tx.query("INSERT INTO audit (at, actor, action, target, detail) VALUES ($1, $2, $3, $4, $5)")
        .bind(now)
        .bind(actor)
        .bind(action)
        .bind(target)
        .bind(detail.to_string())
        .execute()
        .await
        .map(|_| ())
}

/// Something that waits for, or got, a second person's decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    pub id: String,
    pub rule: String,
    pub kind: String,
    pub body: String,
    pub author: PersonId,
    pub expires_at: Timestamp,
}

/// How a decision went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    /// This decision is the one that counts.
    Now(Approval),
    /// Somebody decided before.
    Already {
        approved: bool,
    },
    OwnRequest,
    Expired,
    NotFound,
}

/// Asks for a second person. The same request of the same author, while it is open, is the same row.
pub async fn request_approval(
    tx: &mut Tx,
    rule: &str,
    kind: &str,
    body: &str,
    author: &PersonId,
    now: Timestamp,
) -> Result<String, StoreError> {
    let id = format!(
        "a{}",
        crate::ids::short_hash(&[rule, kind, body, author.as_str(), &now.to_string()], 12)
    );
    tx.query(
        "INSERT INTO approval (id, rule, kind, body, author, created_at, expires_at, state) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, 0) ON CONFLICT (id) DO NOTHING",
    )
    .bind(id.as_str())
    .bind(rule)
    .bind(kind)
    .bind(body)
    .bind(author.as_str())
    .bind(now)
    .bind(now + APPROVAL_VALID)
    .execute()
    .await?;
    audit(
        tx,
        now,
        author.as_str(),
        "approval.ask",
        &id,
        &serde_json::json!({ "rule": rule, "kind": kind }),
    )
    .await?;
    Ok(id)
}

/// Decides. The caller has checked that `by` holds the role; that it is another person than the
/// author is checked here. Of two decisions at the same moment one counts.
pub async fn decide_approval(
    tx: &mut Tx,
    id: &str,
    by: &PersonId,
    approve: bool,
    now: Timestamp,
) -> Result<Decided, StoreError> {
    let Some(row) = tx
        .query("SELECT id, rule, kind, body, author, expires_at, state FROM approval WHERE id = $1")
        .bind(id)
        .optional()
        .await?
    else {
        return Ok(Decided::NotFound);
    };
    let approval = read_approval(&row)?;
    let state: i64 = row.get("state")?;
    if state != 0 {
        return Ok(Decided::Already { approved: state == 1 });
    }
    if approval.author == *by {
        return Ok(Decided::OwnRequest);
    }
    if now > approval.expires_at {
        return Ok(Decided::Expired);
    }
    let changed = tx
        .query("UPDATE approval SET state = $2, decided_by = $3, decided_at = $4 WHERE id = $1 AND state = 0 AND author <> $3 AND expires_at >= $4")
        .bind(id)
        .bind(if approve { 1i64 } else { 2 })
        .bind(by.as_str())
        .bind(now)
        .execute()
        .await?;
    if changed != 1 {
        return Ok(Decided::Already { approved: false });
    }
    let action = if approve { "approval.yes" } else { "approval.no" };
    audit(
        tx,
        now,
        by.as_str(),
        action,
        id,
        &serde_json::json!({ "author": approval.author.as_str() }),
    )
    .await?;
    Ok(Decided::Now(approval))
}

fn read_approval(row: &Row) -> Result<Approval, StoreError> {
    let author: String = row.get("author")?;
    Ok(Approval {
        id: row.get("id")?,
        rule: row.get("rule")?,
        kind: row.get("kind")?,
        body: row.get("body")?,
        author: PersonId::parse(&author).ok_or_else(|| StoreError::Broken("author is not a person id".to_owned()))?,
        expires_at: row.get("expires_at")?,
    })
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
