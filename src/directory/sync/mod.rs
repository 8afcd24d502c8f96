//! Reads the directory of one app, page by page.
//!
//! Everything that is found is written page by page. Nobody and nothing is removed unless the whole
//! listing ended cleanly; a person only when two whole listings at least ten minutes apart did not
//! name them and the platform, asked for them by name, does not know them either; and not when they
//! are so many that the listing itself is the likelier explanation.

mod store;

use std::collections::BTreeSet;
use std::time::Duration;

use hutong_model::{
    Ability, Adapter, CallError, Clock, CompanyId, DepartmentId, DepartmentRecord, Page, PersonRecord, Timestamp,
};

use super::{Directory, PersonId, department_row_id};
use crate::store::{Store, StoreError};

/// Two listings must agree across this time before somebody has left.
pub const AGREE_AFTER: Duration = Duration::from_secs(10 * 60);
/// A listing that goes on beyond this many pages or departments does not end.
const MAX_PAGES: usize = 20_000;
const MAX_DEPARTMENTS: usize = 50_000;
/// More people than this never leave in one sync; nor more than one in twenty, unless they are two
/// or fewer.
const MAX_LEAVERS: usize = 20;
const FEW_LEAVERS: usize = 2;
/// Rows written in one transaction.
const BATCH: usize = 200;

/// What a sync has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncReport {
    pub departments: usize,
    pub people: usize,
    /// People who have left the company.
    pub left: Vec<PersonId>,
    /// People not named for the first time: they leave if a later listing agrees.
    pub waiting: usize,
    /// People who would have left, but are too many to be believed. An operator must look.
    pub held: usize,
    pub departments_removed: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    #[error("this kind of app cannot read the directory: name another app of the company for it")]
    NotPossible,
    #[error(transparent)]
    Call(#[from] CallError),
    /// The platform gave the same page mark twice, or more pages than any company has.
    #[error("the listing of {0} does not end; nothing was removed")]
    Endless(&'static str),
    #[error("the platform lists no departments: check the range of contacts the app may see; nothing was removed")]
    Empty,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Watches that a listing goes forward and ends.
struct Cursor {
    what: &'static str,
    next: Option<String>,
    seen: BTreeSet<String>,
}

impl Cursor {
    fn new(what: &'static str) -> Self {
        Self {
            what,
            next: None,
            seen: BTreeSet::new(),
        }
    }

    /// True when there is one more page.
    fn advance<T>(&mut self, page: &Page<T>) -> Result<bool, SyncError> {
        self.next.clone_from(&page.next);
        let Some(mark) = &page.next else { return Ok(false) };
        if self.seen.len() >= MAX_PAGES || !self.seen.insert(mark.clone()) {
            return Err(SyncError::Endless(self.what));
        }
        Ok(true)
    }
}

/// Reads everything an app can see, and removes what is surely gone. Safe to run again at any time,
/// also while another replica does.
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
    let run = clock.now();
    let departments = read_departments(db, adapter, company, run).await?;
    if departments.is_empty() {
        return Err(SyncError::Empty);
    }
    for department in &departments {
        read_people(db, adapter, company, &department.id, run).await?;
    }
    let mut report = SyncReport {
        departments: departments.len(),
        ..SyncReport::default()
    };
    settle_departments(db, adapter, company, &departments, clock.now(), &mut report).await?;
    settle_people(db, adapter, run, clock.now(), &mut report).await?;
    let mut tx = db.begin().await?;
    let now = clock.now();
    store::finished(
        &mut tx,
        adapter.app(),
        report.people,
        report.departments,
        report.held,
        now,
    )
    .await?;
    Directory::new(&mut tx).sync_done(adapter.app(), None, run).await?;
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
    let mut tx = db.begin().await?;
    let todo = Directory::new(&mut tx).sync_todo(adapter.app(), BATCH).await?;
    tx.rollback().await?;
    let mut all = false;
    for (user, asked_at) in todo {
        let Some(user) = user else {
            all = true;
            continue;
        };
        let found = adapter.person(&user).await?;
        let now = clock.now();
        let mut tx = db.begin().await?;
        let mut directory = Directory::new(&mut tx);
        if let Some(record) = &found {
            enter(&mut directory, adapter, company, record, now).await?;
        }
        directory.sync_done(adapter.app(), Some(&user), asked_at).await?;
        tx.commit().await?;
    }
    Ok(all)
}

async fn enter(
    directory: &mut Directory<'_>,
    adapter: &dyn Adapter,
    company: &CompanyId,
    record: &PersonRecord,
    now: Timestamp,
) -> Result<PersonId, StoreError> {
    let id = directory
        .upsert_person(company, adapter.platform(), record, now)
        .await?;
    if !record.active {
        directory.person_left(&id, now).await?;
    }
    Ok(id)
}

async fn read_departments(
    db: &Store,
    adapter: &dyn Adapter,
    company: &CompanyId,
    now: Timestamp,
) -> Result<Vec<DepartmentRecord>, SyncError> {
    let mut cursor = Cursor::new("departments");
    let mut all: Vec<DepartmentRecord> = Vec::new();
    let mut known = BTreeSet::new();
    loop {
        let page = adapter.departments(cursor.next.as_deref()).await?;
        for batch in page.items.chunks(BATCH) {
            let mut tx = db.begin().await?;
            for record in batch {
                Directory::new(&mut tx)
                    .upsert_department(company, adapter.platform(), record, now)
                    .await?;
            }
            tx.commit().await?;
        }
        let more = cursor.advance(&page)?;
        all.extend(page.items.into_iter().filter(|d| known.insert(d.id.clone())));
        if all.len() > MAX_DEPARTMENTS {
            return Err(SyncError::Endless("departments"));
        }
        if !more {
            return Ok(all);
        }
    }
}

async fn read_people(
    db: &Store,
    adapter: &dyn Adapter,
    company: &CompanyId,
    department: &DepartmentId,
    run: Timestamp,
) -> Result<(), SyncError> {
    let mut cursor = Cursor::new("people");
    loop {
        let page = adapter.people(department, cursor.next.as_deref()).await?;
        for batch in page.items.chunks(BATCH) {
            let mut tx = db.begin().await?;
            for record in batch {
                let id = enter(&mut Directory::new(&mut tx), adapter, company, record, run).await?;
                store::seen(&mut tx, adapter.app(), &record.user, &id, run).await?;
            }
            tx.commit().await?;
        }
        if !cursor.advance(&page)? {
            return Ok(());
        }
    }
}

/// Leaders, now that the people are known, and departments that are no more.
async fn settle_departments(
    db: &Store,
    adapter: &dyn Adapter,
    company: &CompanyId,
    listed: &[DepartmentRecord],
    now: Timestamp,
    report: &mut SyncReport,
) -> Result<(), SyncError> {
    let platform = adapter.platform();
    let ids: BTreeSet<String> = listed
        .iter()
        .map(|d| department_row_id(company, platform, d.id.as_str()))
        .collect();
    let mut tx = db.begin().await?;
    for record in listed.iter().filter(|d| d.leader.is_some()) {
        Directory::new(&mut tx)
            .upsert_department(company, platform, record, now)
            .await?;
    }
    let known = Directory::new(&mut tx).departments(company, platform).await?;
    let total = known.len();
    let gone: Vec<_> = known.into_iter().filter(|d| !ids.contains(&d.id)).collect();
    if !too_many(gone.len(), total) {
        for department in &gone {
            Directory::new(&mut tx)
                .department_removed(company, platform, &department.dept_id, now)
                .await?;
        }
        report.departments_removed = gone.len();
    }
    tx.commit().await?;
    Ok(())
}

fn too_many(leaving: usize, of: usize) -> bool {
    leaving > MAX_LEAVERS || (leaving > FEW_LEAVERS && leaving * 20 > of)
}

async fn settle_people(
    db: &Store,
    adapter: &dyn Adapter,
    run: Timestamp,
    now: Timestamp,
    report: &mut SyncReport,
) -> Result<(), SyncError> {
    let app = adapter.app();
    let mut tx = db.begin().await?;
    report.people = store::count_of_run(&mut tx, app, run).await?;
    let missing = store::missing(&mut tx, app, run, now).await?;
    tx.commit().await?;
    // A listing with nobody in it says nothing about anybody.
    if too_many(missing.len(), missing.len() + report.people) || (report.people == 0 && !missing.is_empty()) {
        report.held = missing.len();
        return Ok(());
    }
    for gone in missing {
        if now.since(gone.since) < AGREE_AFTER {
            report.waiting += 1;
            continue;
        }
        // Perhaps the app may only see less than before.
        match adapter.person(&gone.user).await {
            Ok(Some(record)) if record.active => {
                let mut tx = db.begin().await?;
                store::forget(&mut tx, app, &gone.user).await?;
                tx.commit().await?;
            }
            Ok(_) | Err(CallError::NotPossible(_)) => {
                let mut tx = db.begin().await?;
                Directory::new(&mut tx).person_left(&gone.person, now).await?;
                store::forget(&mut tx, app, &gone.user).await?;
                tx.commit().await?;
                report.left.push(gone.person);
            }
            // Not to be known now; the next sync asks again.
            Err(_) => report.waiting += 1,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
