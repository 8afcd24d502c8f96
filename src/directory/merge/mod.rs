//! Two people who are one human: merged, audited, and taken apart again.
//!
//! The person who is `gone` points at the other ([`super::Directory::person`] follows). Rows that
//! belong to a person go along and are noted one by one ([`store::PLACES`]); what is only ever added
//! to, such as the ledger, is not rewritten: its accounts keep their names, and who owns an account
//! is a row of its own that goes along.

pub mod store;

#[cfg(test)]
mod tests;

use hutong_model::{CompanyId, Platform, Timestamp};

use super::people;
use super::{Directory, PersonId};
use crate::access::store::audit;
use crate::store::{StoreError, Tx};

/// Who merges by rule.
pub const SYSTEM: &str = "system";

/// Why two people are held to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    EmployeeNo,
    Email,
    Mobile,
    Map,
    /// Two ids of one account.
    Account,
    Operator,
}

impl Why {
    pub fn as_str(self) -> &'static str {
        match self {
            Why::EmployeeNo => "employee_no",
            Why::Email => "email",
            Why::Mobile => "mobile",
            Why::Map => "map",
            Why::Account => "account",
            Why::Operator => "operator",
        }
    }
}

/// A merge that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    pub id: String,
    /// Whom both are from now on.
    pub head: PersonId,
    pub gone: PersonId,
}

/// Makes two people one. The one who was known first stays; the same two merge once.
pub async fn merge(
    tx: &mut Tx,
    company: &CompanyId,
    one: &PersonId,
    two: &PersonId,
    why: Why,
    actor: &str,
    now: Timestamp,
) -> Result<Merged, StoreError> {
    tx.lock("person merge").await?;
    let (head, gone) = store::older_first(tx, one, two).await?;
    let nth = store::count(tx).await?.to_string();
    let id = format!("g{}", crate::ids::short_hash(&[head.as_str(), gone.as_str(), &nth], 12));
    store::enter(tx, &id, company, &head, &gone, why.as_str(), actor, now).await?;
    store::carry(tx, &id, &head, &gone).await?;
    store::point(tx, &gone, Some(&head)).await?;
    if why == Why::Operator {
        store::pin(tx, &head).await?;
    }
    people::settle(tx, company, &head, now, now).await?;
    let detail = serde_json::json!({ "gone": gone.as_str(), "why": why.as_str(), "merge": id });
    audit(tx, now, actor, "person.merge", head.as_str(), &detail).await?;
    Ok(Merged { id, head, gone })
}

/// Takes the newest merge into a person back. `None` when there is none. The accounts stay apart
/// afterwards, whatever they share.
pub async fn split(
    tx: &mut Tx,
    company: &CompanyId,
    head: &PersonId,
    actor: &str,
    now: Timestamp,
) -> Result<Option<Merged>, StoreError> {
    tx.lock("person merge").await?;
    let Some(merged) = store::newest(tx, head).await? else {
        return Ok(None);
    };
    store::point(tx, &merged.gone, None).await?;
    store::bring_back(tx, &merged.id, &merged.head, &merged.gone).await?;
    store::undone(tx, &merged.id, actor, now).await?;
    for person in [&merged.head, &merged.gone] {
        store::pin(tx, person).await?;
        people::settle(tx, company, person, now, now).await?;
    }
    let detail = serde_json::json!({ "gone": merged.gone.as_str(), "merge": merged.id });
    audit(tx, now, actor, "person.split", head.as_str(), &detail).await?;
    Ok(Some(merged))
}

/// Gives the account of one platform a person of its own. `None` when the person has no other
/// account, or none there. What happened so far stays with the person.
pub async fn detach(
    tx: &mut Tx,
    company: &CompanyId,
    person: &PersonId,
    platform: Platform,
    actor: &str,
    now: Timestamp,
) -> Result<Option<PersonId>, StoreError> {
    tx.lock("person merge").await?;
    let accounts = people::store::accounts_of(tx, person).await?;
    let Some(account) = accounts.iter().find(|a| a.platform == platform) else {
        return Ok(None);
    };
    if accounts.len() < 2 {
        return Ok(None);
    }
    let mut id = PersonId::derive(company, platform, &account.main);
    if id == *person || Directory::new(tx).person(&id).await?.is_some() {
        // The name of the account is taken by the person it leaves.
        id = store::another_id(company, platform, &account.main, now)?;
    }
    let from = people::Source { company, platform };
    store::new_like(tx, &id, person, now).await?;
    store::move_account(tx, from, account, &id).await?;
    for person in [person, &id] {
        store::pin(tx, person).await?;
        people::settle(tx, company, person, now, now).await?;
    }
    let detail = serde_json::json!({ "new": id.as_str(), "platform": platform.as_str() });
    audit(tx, now, actor, "person.detach", person.as_str(), &detail).await?;
    Ok(Some(id))
}
