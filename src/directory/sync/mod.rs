//! Reads the directory of one app, page by page, and brings the mirror up to date.
//!
//! A listing is first read to its end into a staging table and looked at: one that breaks off, goes
//! round in circles, names nobody, or whose departments do not hang together changes nothing. Then
//! what differs is entered in small transactions. Nobody is removed unless two whole listings at
//! least ten minutes apart did not name them and the platform, asked for them by name, does not know
//! them either; and when they are many, not before an operator has said so.

mod listing;
pub mod store;

use std::collections::BTreeSet;
use std::time::Duration;

use hutong_model::{Ability, Adapter, CallError, Clock, CompanyId, DepartmentRecord, PersonRecord, Timestamp, UserId};

use super::people::{self, Entry, Learned, Policy, Source};
use super::{Directory, PersonId, department_row_id};
use crate::store::{Store, StoreError};

/// Two listings must agree across this time before somebody has left.
pub const AGREE_AFTER: Duration = Duration::from_secs(10 * 60);
/// More people than this never leave by themselves; nor more than one in twenty, unless they are two
/// or fewer.
const MAX_LEAVERS: usize = 20;
const FEW_LEAVERS: usize = 2;
/// People entered in one transaction: about 30 ms in which nobody else writes to SQLite.
const BATCH: usize = 50;
/// What an interrupted reading has staged is thrown away after this.
const ABANDONED: Duration = Duration::from_secs(6 * 3600);

/// What a sync has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncReport {
    pub departments: usize,
    pub people: usize,
    /// People about whom the listing said something new.
    pub changed: usize,
    /// People whose account has ended.
    pub left: Vec<PersonId>,
    /// People not named for the first time: they leave if a later listing agrees.
    pub waiting: usize,
    /// People who would have left, but are too many to be believed. An operator must look.
    pub held: usize,
    pub departments_removed: usize,
    pub departments_held: usize,
}

impl SyncReport {
    /// When the next listing is worth reading: at once when leavers only wait for a second one.
    pub fn again_after(&self) -> Option<Duration> {
        (self.waiting > 0).then_some(AGREE_AFTER + Duration::from_secs(1))
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    #[error("this kind of app cannot read the directory: name another app of the company for it")]
    NotPossible,
    #[error(transparent)]
    Call(#[from] CallError),
    /// The platform gave the same page mark twice, or more pages than any company has.
    #[error(
        "the listing of {0} does not end: every page must lead to a new one. Nothing was changed; it is read again in ten minutes"
    )]
    Endless(&'static str),
    #[error(
        "the platform lists no departments: at least one must be visible. Check the range of contacts the app may see; nothing was changed"
    )]
    Empty,
    #[error(
        "the platform lists departments and nobody in them: somebody must be visible. Check the range of contacts the app may see; nothing was changed"
    )]
    Nobody,
    #[error(
        "the department {0:?} came twice and differently: a listing must be one state. Nothing was changed; it is read again in ten minutes"
    )]
    Torn(String),
    #[error(
        "departments stand in a circle ({0}): every department needs a way to the root. Correct the superiors in the platform's admin console; nothing was changed"
    )]
    Cycle(String),
    #[error(
        "the department {department:?} stands below {parent:?}, which is not listed: every superior must be. Check the range of contacts the app may see, or the department in the admin console; nothing was changed"
    )]
    Orphan { department: String, parent: String },
    #[error("a newer reading of the same app has ended meanwhile; this one was thrown away")]
    Superseded,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SyncError {
    /// What operators are told it is about; `None` for what is none of their concern.
    pub fn code(&self) -> Option<&'static str> {
        match self {
            SyncError::NotPossible | SyncError::Superseded | SyncError::Store(_) => None,
            SyncError::Call(_) => Some("call"),
            SyncError::Endless(_) => Some("endless"),
            SyncError::Empty => Some("empty"),
            SyncError::Nobody => Some("nobody"),
            SyncError::Torn(_) => Some("torn"),
            SyncError::Cycle(_) => Some("cycle"),
            SyncError::Orphan { .. } => Some("orphan"),
        }
    }

    /// The names in it, as they are shown.
    fn detail(&self) -> String {
        match self {
            SyncError::Torn(what) | SyncError::Cycle(what) => what.clone(),
            SyncError::Orphan { department, parent } => format!("{department} → {parent}"),
            SyncError::Endless(what) => (*what).to_owned(),
            _ => String::new(),
        }
    }
}

/// Reads everything an app can see, and removes what is surely gone. Safe to run again at any time,
/// also while another replica does. What operators must know about it is left as a notice.
pub async fn sync_app(
    db: &Store,
    adapter: &dyn Adapter,
    company: &CompanyId,
    clock: &dyn Clock,
) -> Result<SyncReport, SyncError> {
    let caps = adapter.capabilities();
    if !caps.can(Ability::ListDepartments) || !caps.can(Ability::ListPeople) {
        return Err(SyncError::NotPossible);
    }
    // Later than the last one, whatever the clock says: a row belongs to one reading.
    let mut tx = db.begin().await?;
    let last = store::newest_run(&mut tx, adapter.app()).await?;
    tx.rollback().await?;
    let run = clock.now().max(Timestamp(last.0 + 1));
    let outcome = read_and_enter(db, adapter, company, clock, run).await;
    let mut tx = db.begin().await?;
    match &outcome {
        Ok(_) => store::notice_over(&mut tx, adapter.app(), "refused").await?,
        Err(error) => {
            store::drop_run(&mut tx, adapter.app(), run).await?;
            if let Some(code) = error.code() {
                store::notice(&mut tx, adapter.app(), "refused", code, &error.detail(), clock.now()).await?;
            }
        }
    }
    tx.commit().await?;
    outcome
}

async fn read_and_enter(
    db: &Store,
    adapter: &dyn Adapter,
    company: &CompanyId,
    clock: &dyn Clock,
    run: Timestamp,
) -> Result<SyncReport, SyncError> {
    let (app, platform) = (adapter.app(), adapter.platform());
    let from = Source { company, platform };
    let mut tx = db.begin().await?;
    store::clear(&mut tx, app, run - ABANDONED).await?;
    store::drop_run(&mut tx, app, run).await?;
    let policy = people::store::policy(&mut tx).await?;
    let standing = store::standing(&mut tx, company, platform).await?;
    tx.commit().await?;
    let known: BTreeSet<String> = standing
        .iter()
        .filter(|(_, d)| d.active)
        .map(|(id, _)| id.clone())
        .collect();
    let departments = listing::departments(adapter, &known).await?;
    let mut report = SyncReport {
        departments: departments.len(),
        ..SyncReport::default()
    };
    report.people = listing::people(db, adapter, company, &departments, &policy, run, clock).await?;

    let mut tx = db.begin().await?;
    tx.lock(&format!("directory:{app}")).await?;
    if store::newest_run(&mut tx, app).await? > run {
        return Err(SyncError::Superseded);
    }
    store::mark_missing(&mut tx, app, run, clock.now()).await?;
    tx.commit().await?;

    enter_departments(db, from, &departments, run).await?;
    report.changed = enter_people(db, adapter, from, &policy, run, clock).await?;
    // Leaders, now that the people are known.
    enter_departments(db, from, &departments, run).await?;
    let mut tx = db.begin().await?;
    store::mark(&mut tx, app, company, platform, run, clock.now()).await?;
    tx.commit().await?;

    let gone = settle_departments(db, from, &departments, clock.now(), &mut report).await?;
    settle_people(db, adapter, from, clock, &mut report).await?;
    let mut tx = db.begin().await?;
    let now = clock.now();
    store::finished(&mut tx, app, run, &report, now).await?;
    if report.held + report.departments_held > 0 {
        let code = store::held_code(&mut tx, app, &gone).await?;
        let detail = format!("{} {} {}", report.held, report.people, report.departments_held);
        store::notice(&mut tx, app, "held", &code, &detail, now).await?;
    } else {
        store::notice_over(&mut tx, app, "held").await?;
    }
    Directory::new(&mut tx).sync_done(app, None, run).await?;
    tx.commit().await?;
    Ok(report)
}

/// Reads the people whom events named without describing them. True when an event asked for all of
/// the directory: then [`sync_app`] is due.
pub async fn refresh(
    db: &Store,
    adapter: &dyn Adapter,
    company: &CompanyId,
    clock: &dyn Clock,
) -> Result<bool, SyncError> {
    let app = adapter.app();
    let from = Source {
        company,
        platform: adapter.platform(),
    };
    let mut tx = db.begin().await?;
    let todo = Directory::new(&mut tx).sync_todo(app, BATCH).await?;
    tx.rollback().await?;
    let mut all = false;
    for (user, asked_at) in todo {
        let Some(user) = user else {
            all = true;
            continue;
        };
        let asked = clock.now();
        let found = match adapter.person(&user).await {
            Ok(found) => found,
            Err(CallError::NotPossible(_)) => {
                // Only a listing can tell.
                let mut tx = db.begin().await?;
                Directory::new(&mut tx).sync_done(app, Some(&user), asked_at).await?;
                Directory::new(&mut tx).ask_sync(app, None, asked).await?;
                tx.commit().await?;
                all = true;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let now = clock.now();
        let mut tx = db.begin().await?;
        match &found {
            Some(record) => {
                let policy = people::store::policy(&mut tx).await?;
                let entry = Entry::of(record, company, &policy);
                let (main, active) = (entry.user.clone(), entry.active);
                let learned = people::learn(&mut tx, from, entry, &policy, asked, None, now).await?;
                if let (Learned::Entered(person), true) = (&learned, active) {
                    people::noticed(&mut tx, app, &main, person, asked).await?;
                }
            }
            // Perhaps the app may only see less than before: the next listings decide.
            None => store::doubt(&mut tx, app, &user, now).await?,
        }
        Directory::new(&mut tx).sync_done(app, Some(&user), asked_at).await?;
        tx.commit().await?;
    }
    Ok(all)
}

async fn enter_departments(
    db: &Store,
    from: Source<'_>,
    listed: &[DepartmentRecord],
    told: Timestamp,
) -> Result<(), SyncError> {
    let mut tx = db.begin().await?;
    let standing = store::standing(&mut tx, from.company, from.platform).await?;
    tx.rollback().await?;
    for part in listed.chunks(BATCH) {
        let mut tx = db.begin().await?;
        for record in part {
            let row = department_row_id(from.company, from.platform, record.id.as_str());
            let parent = record
                .parent
                .as_ref()
                .map(|p| department_row_id(from.company, from.platform, p.as_str()));
            let leader = match &record.leader {
                Some(user) => people::store::account(&mut tx, from, user, &[])
                    .await?
                    .map(|a| a.person),
                None => None,
            };
            if let Some(before) = standing.get(record.id.as_str()) {
                // An event has said something newer while the listing was read.
                if before.updated_at > told {
                    continue;
                }
                let led = leader
                    .as_ref()
                    .is_none_or(|l| before.leader.as_deref() == Some(l.as_str()));
                if before.active && before.name == record.name && before.parent == parent && led {
                    if before.missing_since.is_some() {
                        store::set_missing(&mut tx, &row, None).await?;
                    }
                    continue;
                }
            }
            Directory::new(&mut tx)
                .upsert_department(from.company, from.platform, record, told)
                .await?;
            store::set_missing(&mut tx, &row, None).await?;
        }
        tx.commit().await?;
    }
    Ok(())
}

/// Enters what the listing says differently from what is known; returns about how many people.
async fn enter_people(
    db: &Store,
    adapter: &dyn Adapter,
    from: Source<'_>,
    policy: &Policy,
    run: Timestamp,
    clock: &dyn Clock,
) -> Result<usize, SyncError> {
    let (app, mut changed) = (adapter.app(), 0);
    let mut after = String::new();
    loop {
        let mut tx = db.begin().await?;
        let rows = store::news(&mut tx, app, from.company, from.platform, run, &after, BATCH).await?;
        let Some((last, ..)) = rows.last() else {
            tx.rollback().await?;
            break;
        };
        after = last.user.as_str().to_owned();
        for (entry, digest, read_at) in rows {
            let user = entry.user.clone();
            let now = clock.now();
            match people::learn(&mut tx, from, entry, policy, read_at, Some(&digest), now).await? {
                Learned::Entered(_) => changed += 1,
                // An event said something newer while the listing was read: ask how it stands.
                Learned::Stale => Directory::new(&mut tx).ask_sync(app, Some(&user), now).await?,
                Learned::Nobody => {}
            }
        }
        tx.commit().await?;
    }
    let mut after = String::new();
    loop {
        let mut tx = db.begin().await?;
        let rows = store::leaders(&mut tx, app, from.company, from.platform, run, &after, BATCH).await?;
        let Some((last, _)) = rows.last() else {
            tx.rollback().await?;
            break;
        };
        after.clone_from(last);
        let now = clock.now();
        for (_, person) in &rows {
            people::settle(&mut tx, from.company, person, run, now).await?;
        }
        tx.commit().await?;
    }
    Ok(changed)
}

/// Departments that two listings did not name are no more; returns those that wait for an operator.
async fn settle_departments(
    db: &Store,
    from: Source<'_>,
    listed: &[DepartmentRecord],
    now: Timestamp,
    report: &mut SyncReport,
) -> Result<Vec<String>, SyncError> {
    let ids: BTreeSet<&str> = listed.iter().map(|d| d.id.as_str()).collect();
    let mut tx = db.begin().await?;
    let standing = store::standing(&mut tx, from.company, from.platform).await?;
    let active = standing.values().filter(|d| d.active).count();
    let gone: Vec<_> = standing
        .iter()
        .filter(|(id, d)| d.active && !ids.contains(id.as_str()))
        .collect();
    let unconfirmed = gone.iter().filter(|(_, d)| !d.confirmed).count();
    let held = too_many(unconfirmed, active);
    let mut waiting = Vec::new();
    for (id, department) in gone {
        let row = department_row_id(from.company, from.platform, id);
        let Some(since) = department.missing_since else {
            store::set_missing(&mut tx, &row, Some(now)).await?;
            if held {
                waiting.push(id.clone());
            }
            continue;
        };
        if held && !department.confirmed {
            waiting.push(id.clone());
        } else if now.since(since) >= AGREE_AFTER {
            Directory::new(&mut tx)
                .department_removed(from.company, from.platform, id, now)
                .await?;
            store::set_missing(&mut tx, &row, None).await?;
            report.departments_removed += 1;
        }
    }
    report.departments_held = waiting.len();
    tx.commit().await?;
    Ok(waiting)
}

fn too_many(leaving: usize, of: usize) -> bool {
    leaving > MAX_LEAVERS || (leaving > FEW_LEAVERS && leaving * 20 > of)
}

async fn settle_people(
    db: &Store,
    adapter: &dyn Adapter,
    from: Source<'_>,
    clock: &dyn Clock,
    report: &mut SyncReport,
) -> Result<(), SyncError> {
    let app = adapter.app();
    let mut tx = db.begin().await?;
    let (unconfirmed, of) = store::counts(&mut tx, app).await?;
    tx.rollback().await?;
    let held = too_many(unconfirmed, of);
    if held {
        report.held = unconfirmed;
    }
    let mut after = String::new();
    loop {
        let mut tx = db.begin().await?;
        let part = store::missing(&mut tx, app, BATCH, &after).await?;
        tx.rollback().await?;
        let Some(last) = part.last() else { return Ok(()) };
        after = last.user.as_str().to_owned();
        for gone in part {
            if held && !gone.confirmed {
                continue;
            }
            let now = clock.now();
            if now.since(gone.since) < AGREE_AFTER {
                report.waiting += 1;
                continue;
            }
            match still_there(adapter, &gone.user).await {
                Some(true) => {
                    // Perhaps the app may only list less than before.
                    let mut tx = db.begin().await?;
                    store::forget(&mut tx, app, &gone.user).await?;
                    tx.commit().await?;
                }
                Some(false) => {
                    let mut tx = db.begin().await?;
                    if let Learned::Entered(person) = people::account_left(&mut tx, from, &gone.user, now, now).await? {
                        report.left.push(person);
                    }
                    store::forget(&mut tx, app, &gone.user).await?;
                    tx.commit().await?;
                }
                // Not to be known now; the next sync asks again.
                None => report.waiting += 1,
            }
        }
    }
}

/// Whether the platform still knows somebody whom its listings do not name; `None` when it does not
/// say.
async fn still_there(adapter: &dyn Adapter, user: &UserId) -> Option<bool> {
    match adapter.person(user).await {
        Ok(Some(PersonRecord { active, .. })) => Some(active),
        Ok(None) | Err(CallError::NotPossible(_)) => Some(false),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod history_tests;
