//! Reads a whole listing into the staging table, page by page, and says whether it can be believed.
//! Nothing of the mirror is touched here.

use std::collections::{BTreeMap, BTreeSet};

use hutong_model::{Adapter, Clock, CompanyId, DepartmentId, DepartmentRecord, Page, Timestamp};
use sha2::{Digest as _, Sha256};

use super::{SyncError, store};
use crate::directory::people::{Entry, Policy};
use crate::store::Store;

/// A listing that goes on beyond this many pages or departments does not end.
const MAX_PAGES: usize = 20_000;
const MAX_DEPARTMENTS: usize = 50_000;
/// Pages one after the other that bring nothing.
const MAX_BLANK: usize = 50;
/// Rows staged in one statement.
const ROWS: usize = 100;

/// Watches that a listing goes forward and ends.
struct Cursor {
    what: &'static str,
    next: Option<String>,
    seen: BTreeSet<String>,
    blank: usize,
}

impl Cursor {
    fn new(what: &'static str) -> Self {
        Self {
            what,
            next: None,
            seen: BTreeSet::new(),
            blank: 0,
        }
    }

    /// True when there is one more page.
    fn advance<T>(&mut self, page: &Page<T>) -> Result<bool, SyncError> {
        self.next.clone_from(&page.next);
        let Some(mark) = &page.next else { return Ok(false) };
        self.blank = if page.items.is_empty() { self.blank + 1 } else { 0 };
        if self.seen.len() >= MAX_PAGES || self.blank > MAX_BLANK || !self.seen.insert(mark.clone()) {
            return Err(SyncError::Endless(self.what));
        }
        Ok(true)
    }
}

/// All departments, checked: there are some, no one is its own superior, and each stands below one
/// that is listed too, where the app sees the whole tree. `known` are those of earlier listings.
pub(super) async fn departments(
    adapter: &dyn Adapter,
    known: &BTreeSet<String>,
) -> Result<Vec<DepartmentRecord>, SyncError> {
    let mut cursor = Cursor::new("departments");
    let mut all: BTreeMap<DepartmentId, DepartmentRecord> = BTreeMap::new();
    loop {
        let page = adapter.departments(cursor.next.as_deref()).await?;
        let more = cursor.advance(&page)?;
        for record in page.items {
            let id = record.id.clone();
            let parent = record.parent.clone();
            if let Some(before) = all.insert(id.clone(), record)
                && before.parent != parent
            {
                return Err(SyncError::Torn(id.to_string()));
            }
        }
        if all.len() > MAX_DEPARTMENTS {
            return Err(SyncError::Endless("departments"));
        }
        if !more {
            break;
        }
    }
    check(&all, known)?;
    Ok(all.into_values().collect())
}

fn check(all: &BTreeMap<DepartmentId, DepartmentRecord>, known: &BTreeSet<String>) -> Result<(), SyncError> {
    if all.is_empty() {
        return Err(SyncError::Empty);
    }
    // An app that may see a part only names superiors that it does not list; one that sees the root
    // sees everything.
    let whole = all.values().any(|d| d.parent.is_none());
    let named = |id: &DepartmentId| all.get(id).map_or_else(|| id.to_string(), |d| d.name.clone());
    let mut sound: BTreeSet<&DepartmentId> = BTreeSet::new();
    for start in all.keys() {
        let mut path: Vec<&DepartmentId> = Vec::new();
        let mut at = start;
        while !sound.contains(at) {
            if let Some(from) = path.iter().position(|id| *id == at) {
                let circle: Vec<String> = path.iter().skip(from).take(5).map(|id| named(id)).collect();
                return Err(SyncError::Cycle(circle.join(" → ")));
            }
            path.push(at);
            let Some(record) = all.get(at) else { break };
            let Some(parent) = &record.parent else { break };
            if !all.contains_key(parent) {
                if whole || known.contains(parent.as_str()) {
                    return Err(SyncError::Orphan {
                        department: record.name.clone(),
                        parent: parent.to_string(),
                    });
                }
                break;
            }
            at = parent;
        }
        sound.extend(path);
    }
    Ok(())
}

/// Stages everybody who is in use and directly in these departments. Returns how many there are.
pub(super) async fn people(
    db: &Store,
    adapter: &dyn Adapter,
    company: &CompanyId,
    departments: &[DepartmentRecord],
    policy: &Policy,
    run: Timestamp,
    clock: &dyn Clock,
) -> Result<usize, SyncError> {
    for department in departments {
        let mut cursor = Cursor::new("people");
        loop {
            // As of before the question: what happens while it is answered is newer.
            let asked = clock.now();
            let page = adapter.people(&department.id, cursor.next.as_deref()).await?;
            let more = cursor.advance(&page)?;
            let mut rows: BTreeMap<String, store::Staged> = BTreeMap::new();
            for record in page.items.iter().filter(|r| r.active) {
                let entry = Entry::of(record, company, policy);
                let text = entry.json()?;
                let staged = store::Staged {
                    digest: hex::encode(Sha256::digest(text.as_bytes()).get(..16).unwrap_or_default()),
                    record: text,
                    leader: entry.leader.clone(),
                    user: entry.user,
                    read_at: asked,
                };
                rows.insert(staged.user.as_str().to_owned(), staged);
            }
            let rows: Vec<store::Staged> = rows.into_values().collect();
            for part in rows.chunks(ROWS) {
                let mut tx = db.begin().await?;
                store::stage(&mut tx, adapter.app(), run, part).await?;
                tx.commit().await?;
            }
            if !more {
                break;
            }
        }
    }
    let mut tx = db.begin().await?;
    let count = store::staged_count(&mut tx, adapter.app(), run).await?;
    tx.rollback().await?;
    if count == 0 {
        return Err(SyncError::Nobody);
    }
    Ok(count)
}
