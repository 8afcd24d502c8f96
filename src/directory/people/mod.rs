//! From what platforms tell about accounts to people.
//!
//! Each account keeps what its platform said last. Accounts are joined to one person by the
//! administrator's map, by employee number, by e-mail and by mobile number, in this order; where
//! something speaks against it they stay apart and are listed. The person is then put together from
//! all accounts, so that the result does not depend on which of them was heard of last. What is
//! older than the newest thing said about an account changes nothing.

pub mod store;

#[cfg(test)]
mod tests;

use hutong_model::{
    AppId, CompanyId, Day, DepartmentId, Employment, PersonRecord, Platform, Secret, Timestamp, UserId,
};
use serde::{Deserialize, Serialize};

use super::contact::{self, Contact};
use super::merge::{self, Why};
use super::{PersonId, department_row_id};
use crate::store::{StoreError, Tx};

use store::{Account, Candidate};

pub use store::set_policy;

/// Somebody who comes back within this time is the same colleague as before, not a newcomer.
pub const RETURN_DAYS: u64 = 90;

/// By what accounts of different platforms are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum By {
    EmployeeNo,
    Email,
    Mobile,
}

impl By {
    pub const ALL: [By; 3] = [By::EmployeeNo, By::Email, By::Mobile];

    pub fn as_str(self) -> &'static str {
        match self {
            By::EmployeeNo => "employee_no",
            By::Email => "email",
            By::Mobile => "mobile",
        }
    }

    fn why(self) -> Why {
        match self {
            By::EmployeeNo => Why::EmployeeNo,
            By::Email => Why::Email,
            By::Mobile => Why::Mobile,
        }
    }
}

/// Why two accounts that look like one person are not joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Conflict {
    /// Another account of the same platform that is in use has the same employee number.
    NumberTwice,
    /// The number belongs to somebody else than the accounts that were joined before.
    NumberOther,
    /// The same e-mail for different employee numbers.
    EmailNumbers,
    EmailTwice,
    MobileNumbers,
    MobileTwice,
    /// It fits several people.
    Several,
    /// One of the two holds a role: a person must say so.
    Privileged,
}

impl Conflict {
    pub const ALL: [Conflict; 8] = [
        Conflict::NumberTwice,
        Conflict::NumberOther,
        Conflict::EmailNumbers,
        Conflict::EmailTwice,
        Conflict::MobileNumbers,
        Conflict::MobileTwice,
        Conflict::Several,
        Conflict::Privileged,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Conflict::NumberTwice => "number_twice",
            Conflict::NumberOther => "number_other",
            Conflict::EmailNumbers => "email_numbers",
            Conflict::EmailTwice => "email_twice",
            Conflict::MobileNumbers => "mobile_numbers",
            Conflict::MobileTwice => "mobile_twice",
            Conflict::Several => "several",
            Conflict::Privileged => "privileged",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.as_str() == text)
    }
}

/// How accounts are joined in this installation: the configuration, and the key of the digests.
#[derive(Debug, Clone)]
pub struct Policy {
    pub by: Vec<By>,
    key: Secret,
}

impl Policy {
    pub(super) fn new(by: Vec<By>, key: Secret) -> Self {
        Self { by, key }
    }
}

/// What is kept about an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub user: UserId,
    #[serde(default)]
    pub aliases: Vec<UserId>,
    pub name: String,
    #[serde(default)]
    pub employee_no: Option<String>,
    #[serde(default)]
    pub email_key: Option<String>,
    #[serde(default)]
    pub mobile_key: Option<String>,
    #[serde(default)]
    pub departments: Vec<DepartmentId>,
    #[serde(default)]
    pub leader: Option<UserId>,
    #[serde(default)]
    pub title: Option<String>,
    #[serde(default)]
    pub joined_on: Option<Day>,
    #[serde(default)]
    pub office: Option<String>,
    #[serde(default)]
    pub employment: Option<Employment>,
    pub active: bool,
}

impl Entry {
    pub fn of(record: &PersonRecord, company: &CompanyId, policy: &Policy) -> Self {
        let filled = |text: &Option<String>| {
            text.as_deref()
                .map(str::trim)
                .filter(|t| !t.is_empty())
                .map(str::to_owned)
        };
        let key = |kind: Contact, text: &Option<String>| {
            text.as_deref().and_then(|t| kind.hash(policy.key.expose(), company, t))
        };
        Self {
            user: record.user.clone(),
            aliases: record.aliases.clone(),
            name: record.name.trim().to_owned(),
            employee_no: filled(&record.employee_no),
            email_key: key(Contact::Email, &record.email),
            mobile_key: key(Contact::Mobile, &record.mobile),
            departments: record.departments.clone(),
            leader: record.leader.clone(),
            title: filled(&record.title),
            joined_on: record.joined_on,
            office: filled(&record.office),
            employment: record.employment,
            active: record.active,
        }
    }

    pub fn json(&self) -> Result<String, StoreError> {
        serde_json::to_string(self).map_err(|e| StoreError::Broken(e.to_string()))
    }

    /// What a platform did not tell this time stays as it told it before.
    fn over(mut self, before: Option<Entry>) -> Self {
        let Some(before) = before else { return self };
        if self.name.is_empty() {
            self.name = before.name;
        }
        if self.departments.is_empty() {
            self.departments = before.departments;
        }
        for alias in before.aliases {
            if !self.aliases.contains(&alias) {
                self.aliases.push(alias);
            }
        }
        self.employee_no = self.employee_no.or(before.employee_no);
        self.email_key = self.email_key.or(before.email_key);
        self.mobile_key = self.mobile_key.or(before.mobile_key);
        self.leader = self.leader.or(before.leader);
        self.title = self.title.or(before.title);
        self.joined_on = self.joined_on.or(before.joined_on);
        self.office = self.office.or(before.office);
        self.employment = self.employment.or(before.employment);
        self
    }
}

/// What became of something that a platform said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Learned {
    Entered(PersonId),
    /// Something newer is known: ask the platform how it stands now.
    Stale,
    /// Somebody who was never here has left.
    Nobody,
}

/// Where something was heard: one company's side of one platform.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    pub company: &'a CompanyId,
    pub platform: Platform,
}

/// Enters what a platform says about an account. `told`: when it said so. `digest`: of the record
/// as a listing has it, absent for events.
pub async fn learn(
    tx: &mut Tx,
    from: Source<'_>,
    entry: Entry,
    policy: &Policy,
    told: Timestamp,
    digest: Option<&str>,
    now: Timestamp,
) -> Result<Learned, StoreError> {
    let account = store::account(tx, from, &entry.user, &entry.aliases).await?;
    if account.as_ref().is_some_and(|a| a.told_at > told) {
        return Ok(Learned::Stale);
    }
    if account.is_none() && !entry.active {
        return Ok(Learned::Nobody);
    }
    let active = entry.active;
    let entry = entry.over(account.as_ref().and_then(|a| a.entry.clone()));
    // Somebody who leaves is not looked for anew; who is back is.
    let known = account.as_ref().map(|a| a.person.clone());
    let mut person = match (&known, active) {
        (Some(person), false) => person.clone(),
        _ => join(tx, from, &entry, account.as_ref(), policy, now).await?,
    };
    store::put_account(tx, from, &entry, &person, told, digest).await?;
    // Somebody who was met under another id of this account alone, before it was known whose it is.
    for alias in entry.aliases.iter().filter(|a| **a != entry.user) {
        let Some(stub) = store::account(tx, from, alias, &[])
            .await?
            .filter(|a| a.person != person)
        else {
            continue;
        };
        let theirs = store::accounts_of(tx, &stub.person).await?;
        if theirs.iter().all(|a| entry.aliases.contains(&a.main)) {
            person = merge::merge(
                tx,
                from.company,
                &person,
                &stub.person,
                Why::Account,
                merge::SYSTEM,
                now,
            )
            .await?
            .head;
        }
    }
    store::place_accounts(tx, from, &entry, &person).await?;
    settle(tx, from.company, &person, told, now).await?;
    for (kind, key) in [(Contact::Email, &entry.email_key), (Contact::Mobile, &entry.mobile_key)] {
        if let Some(key) = key {
            contact::keep(tx, from.company, from.platform, &person, kind, key).await?;
        }
    }
    Ok(Learned::Entered(person))
}

/// An account is no longer in use. The person has left when none of theirs is.
pub async fn account_left(
    tx: &mut Tx,
    from: Source<'_>,
    user: &UserId,
    told: Timestamp,
    now: Timestamp,
) -> Result<Learned, StoreError> {
    let Some(account) = store::account(tx, from, user, &[]).await? else {
        return Ok(Learned::Nobody);
    };
    if account.told_at > told {
        return Ok(Learned::Stale);
    }
    store::end_account(tx, from, &account.main, told).await?;
    settle(tx, from.company, &account.person, told, now).await?;
    Ok(Learned::Entered(account.person))
}

/// Puts a person together from their accounts.
pub(super) async fn settle(
    tx: &mut Tx,
    company: &CompanyId,
    person: &PersonId,
    told: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    let accounts = store::accounts_of(tx, person).await?;
    if accounts.is_empty() {
        return Ok(());
    }
    let active = accounts.iter().any(|a| a.active);
    // In the order of the platforms, those in use first.
    let entries: Vec<(&Account, &Entry)> = accounts
        .iter()
        .filter(|a| a.active == active)
        .filter_map(|a| Some((a, a.entry.as_ref()?)))
        .collect();
    let first = |pick: fn(&Entry) -> Option<&String>| entries.iter().find_map(|(_, e)| pick(e)).cloned();
    let rows = |a: &Account, e: &Entry| -> Vec<String> {
        e.departments
            .iter()
            .map(|d| department_row_id(company, a.platform, d.as_str()))
            .collect()
    };
    let mut departments: Vec<String> = Vec::new();
    for row in entries.iter().flat_map(|(a, e)| rows(a, e)) {
        if !departments.contains(&row) {
            departments.push(row);
        }
    }
    let mut leader = None;
    for (account, entry) in &entries {
        if let Some(user) = &entry.leader {
            let from = Source {
                company,
                platform: account.platform,
            };
            leader = store::account(tx, from, user, &[]).await?.map(|a| a.person);
        }
        if leader.is_some() {
            break;
        }
    }
    let shape = store::Shape {
        name: first(|e| Some(&e.name).filter(|n| !n.is_empty())),
        employee_no: first(|e| e.employee_no.as_ref()),
        title: first(|e| e.title.as_ref()),
        department: departments.first().cloned(),
        leader,
        joined_on: entries.iter().find_map(|(_, e)| e.joined_on).map(|d| d.to_string()),
        office: first(|e| e.office.as_ref()),
        employment: entries.iter().find_map(|(_, e)| e.employment),
        active,
    };
    store::shape(tx, person, &shape, now).await?;
    if !entries.is_empty() {
        store::stand_in(tx, person, &departments).await?;
    }
    store::stay(tx, person, if active { &departments } else { &[] }, told.min(now)).await?;
    if !active {
        store::leave_chats(tx, person, now).await?;
    }
    Ok(())
}

/// Whose account this is. Two people who turn out to be one are merged.
async fn join(
    tx: &mut Tx,
    from: Source<'_>,
    entry: &Entry,
    account: Option<&Account>,
    policy: &Policy,
    now: Timestamp,
) -> Result<PersonId, StoreError> {
    let known = account.map(|a| &a.person);
    let own = || PersonId::derive(from.company, from.platform, &entry.user);
    if account.is_some_and(|a| a.pinned) {
        return Ok(known.cloned().unwrap_or_else(own));
    }
    let found = find(tx, from, entry, known, policy).await?;
    let mut conflict = None;
    let mut person = known.cloned();
    match found {
        Found::Nobody => {}
        Found::Conflict(kind, other) => conflict = Some((kind, other)),
        Found::Person(other, why) => match known {
            None => person = Some(other),
            Some(known) if *known == other => {}
            Some(known) => {
                // What somebody types into their own profile gives nobody a role.
                let guarded = matches!(why, Why::Email | Why::Mobile)
                    && (store::holds_a_role(tx, known).await? || store::holds_a_role(tx, &other).await?);
                if guarded {
                    conflict = Some((Conflict::Privileged, other));
                } else {
                    person = Some(
                        merge::merge(tx, from.company, known, &other, why, merge::SYSTEM, now)
                            .await?
                            .head,
                    );
                }
            }
        },
    }
    // Without a row yet: enter the person first, so that the account can point at somebody.
    let person = match person {
        Some(person) => person,
        None => {
            let id = own();
            store::new_person(tx, from.company, &id, entry, now).await?
        }
    };
    store::set_conflict(tx, from, &entry.user, &person, conflict.as_ref(), now).await?;
    Ok(person)
}

enum Found {
    Nobody,
    Person(PersonId, Why),
    Conflict(Conflict, PersonId),
}

async fn find(
    tx: &mut Tx,
    from: Source<'_>,
    entry: &Entry,
    known: Option<&PersonId>,
    policy: &Policy,
) -> Result<Found, StoreError> {
    if let Some(person) = store::mapped(tx, from, &entry.user).await? {
        return Ok(Found::Person(person, Why::Map));
    }
    // Joined before, and the number now says that they are two.
    if let (Some(known), Some(number)) = (known, &entry.employee_no) {
        let accounts = store::accounts_of(tx, known).await?;
        let other = accounts.iter().find(|a| {
            let number_there = a.entry.as_ref().and_then(|e| e.employee_no.as_ref());
            a.main != entry.user && a.active && number_there.is_some_and(|n| n != number)
        });
        if other.is_some() {
            return Ok(Found::Conflict(Conflict::NumberOther, known.clone()));
        }
    }
    for by in &policy.by {
        let key = match by {
            By::EmployeeNo => &entry.employee_no,
            By::Email => &entry.email_key,
            By::Mobile => &entry.mobile_key,
        };
        let Some(key) = key else { continue };
        let others = store::others_with(tx, from, *by, key, entry).await?;
        match decide(*by, entry, from.platform, known, &others) {
            Found::Nobody => {}
            found => return Ok(found),
        }
    }
    Ok(Found::Nobody)
}

/// Whether accounts that share something are the same person's.
fn decide(by: By, entry: &Entry, platform: Platform, known: Option<&PersonId>, others: &[Candidate]) -> Found {
    let (twice, numbers) = match by {
        By::EmployeeNo => (Conflict::NumberTwice, Conflict::NumberOther),
        By::Email => (Conflict::EmailTwice, Conflict::EmailNumbers),
        By::Mobile => (Conflict::MobileTwice, Conflict::MobileNumbers),
    };
    // Those who are this person already say nothing new.
    let others: Vec<&Candidate> = others.iter().filter(|c| known != Some(&c.person)).collect();
    let Some(first) = others.first() else {
        return Found::Nobody;
    };
    if let Some(c) = others.iter().find(|c| c.platform == platform && c.in_use) {
        return Found::Conflict(twice, c.person.clone());
    }
    if let Some(number) = &entry.employee_no
        && let Some(c) = others
            .iter()
            .find(|c| c.employee_no.as_ref().is_some_and(|n| n != number))
    {
        return Found::Conflict(numbers, c.person.clone());
    }
    if let Some(c) = others.iter().find(|c| c.person != first.person) {
        return Found::Conflict(Conflict::Several, c.person.clone());
    }
    Found::Person(first.person.clone(), by.why())
}

/// Says that an app has heard of somebody, so that a later listing can miss them.
pub async fn noticed(
    tx: &mut Tx,
    app: &AppId,
    user: &UserId,
    person: &PersonId,
    told: Timestamp,
) -> Result<(), StoreError> {
    store::noticed(tx, app, user, person, told).await
}
