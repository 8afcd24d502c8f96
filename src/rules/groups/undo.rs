//! The way back from a plan that was carried out. Pure: from what it really did and what is now to
//! a plan that takes exactly that back.
//!
//! What somebody else has changed since is left alone and named: a person who went by themselves or
//! was added by another plan, a name or an owner that is another one by now, a new group in which
//! there are other people.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::{Change, Claim, Plan};
use crate::directory::PersonId;
use crate::text::groups::KeptWhy;

/// What a plan did to a group or to somebody in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Did {
    Create,
    Rename,
    Owner,
    Add,
    Remove,
    Disband,
}

impl Did {
    pub fn as_str(self) -> &'static str {
        match self {
            Did::Create => "create",
            Did::Rename => "rename",
            Did::Owner => "owner",
            Did::Add => "add",
            Did::Remove => "remove",
            Did::Disband => "disband",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [
            Did::Create,
            Did::Rename,
            Did::Owner,
            Did::Add,
            Did::Remove,
            Did::Disband,
        ]
        .into_iter()
        .find(|d| d.as_str() == text)
    }
}

/// One entry of the book of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub department: String,
    pub did: Did,
    /// Whom it is about; of [`Did::Owner`] the new owner.
    pub person: Option<PersonId>,
    /// Name or owner before.
    pub was: Option<String>,
    /// Name or owner after.
    pub became: Option<String>,
    /// `None`: nobody knows (yet).
    pub done: Option<bool>,
    /// Another plan, or the rule by itself, has moved this person in this group since.
    pub moved_since: bool,
}

/// A group as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Now {
    pub department: String,
    pub name: String,
    pub owner: Option<PersonId>,
    pub members: BTreeSet<PersonId>,
    pub claims: BTreeMap<PersonId, Claim>,
}

/// What is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub item: Item,
    pub why: KeptWhy,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    Person(PersonId),
    /// By name.
    Group(String),
}

/// The plan that takes `entries` back, and what is left alone. `reachable` has everybody who is in
/// the company and has an account.
pub fn way_back(
    entries: &[Entry],
    now: &[Now],
    reachable: &BTreeSet<PersonId>,
    can_disband: bool,
) -> (Plan, Vec<Kept>) {
    let (mut plan, mut kept) = (Plan::default(), Vec::new());
    let mut seen = BTreeSet::new();
    for department in entries.iter().map(|e| e.department.as_str()) {
        if !seen.insert(department) {
            continue;
        }
        let own: Vec<&Entry> = entries.iter().filter(|e| e.department == department).collect();
        kept.extend(own.iter().filter(|e| e.done.is_none()).map(|e| Kept {
            item: item_of(e),
            why: KeptWhy::Unknown,
        }));
        let done: Vec<&Entry> = own.into_iter().filter(|e| e.done == Some(true)).collect();
        if done.is_empty() {
            continue;
        }
        let Some(group) = now.iter().find(|g| g.department == department) else {
            let name = done.iter().find_map(|e| match e.did {
                Did::Create | Did::Rename => e.became.clone(),
                Did::Disband => e.was.clone(),
                Did::Owner | Did::Add | Did::Remove => None,
            });
            kept.push(Kept {
                item: name.map_or_else(|| item_of(done[0]), Item::Group),
                why: KeptWhy::GroupGone,
            });
            continue;
        };
        match done.iter().find(|e| e.did == Did::Create) {
            Some(made) => unmake(made, &done, group, can_disband, &mut plan, &mut kept),
            None => restore(&done, group, reachable, &mut plan, &mut kept),
        }
    }
    (plan, kept)
}

fn item_of(entry: &Entry) -> Item {
    match &entry.person {
        Some(person) => Item::Person(person.clone()),
        None => Item::Group(entry.became.clone().or_else(|| entry.was.clone()).unwrap_or_default()),
    }
}

/// A group that the plan made goes as a whole, or stays as a whole.
fn unmake(made: &Entry, done: &[&Entry], group: &Now, can_disband: bool, plan: &mut Plan, kept: &mut Vec<Kept>) {
    let added = |p: &PersonId| {
        done.iter()
            .any(|e| e.did == Did::Add && e.person.as_ref() == Some(p) && !e.moved_since)
    };
    let why = if !can_disband {
        Some(KeptWhy::CannotDisband)
    } else if !group.members.iter().all(added) {
        Some(KeptWhy::OthersInside)
    } else if made.became.as_ref() != Some(&group.name) {
        Some(KeptWhy::ChangedSince)
    } else {
        None
    };
    match why {
        Some(why) => kept.push(Kept {
            item: Item::Group(group.name.clone()),
            why,
        }),
        None => plan.changes.push(Change {
            department: group.department.clone(),
            name: group.name.clone(),
            disband: true,
            size: group.members.len(),
            ..Change::default()
        }),
    }
}

fn restore(done: &[&Entry], group: &Now, reachable: &BTreeSet<PersonId>, plan: &mut Plan, kept: &mut Vec<Kept>) {
    let mut change = Change {
        department: group.department.clone(),
        name: group.name.clone(),
        size: group.members.len(),
        ..Change::default()
    };
    let mut owner_entry = None;
    for entry in done {
        let verdict = match (entry.did, &entry.person) {
            (Did::Rename, _) => match &entry.was {
                Some(was) if entry.became.as_ref() == Some(&group.name) => {
                    change.rename = *was != group.name;
                    change.name.clone_from(was);
                    Ok(())
                }
                _ => Err(KeptWhy::ChangedSince),
            },
            (Did::Add, Some(person)) => {
                let ours = matches!(group.claims.get(person), Some(Claim::In | Claim::Grace)) && !entry.moved_since;
                match group.members.contains(person) && ours {
                    true => {
                        change.remove.push(person.clone());
                        Ok(())
                    }
                    false => Err(KeptWhy::ChangedSince),
                }
            }
            (Did::Remove, Some(person)) => {
                let ours = matches!(group.claims.get(person), Some(Claim::Out)) && !entry.moved_since;
                if !reachable.contains(person) {
                    Err(KeptWhy::LeftCompany)
                } else if group.members.contains(person) || !ours {
                    Err(KeptWhy::ChangedSince)
                } else {
                    change.add.push(person.clone());
                    Ok(())
                }
            }
            (Did::Owner, _) => {
                owner_entry = Some(*entry);
                Ok(())
            }
            (Did::Add | Did::Remove | Did::Create | Did::Disband, _) => Ok(()),
        };
        if let Err(why) = verdict {
            let item = match entry.did {
                Did::Rename => Item::Group(group.name.clone()),
                _ => item_of(entry),
            };
            kept.push(Kept { item, why });
        }
    }
    if let Some(entry) = owner_entry {
        match old_owner(entry, group, &change, reachable) {
            Ok(old) => change.new_owner = Some(old),
            Err(why) => kept.push(Kept {
                item: Item::Group(group.name.clone()),
                why,
            }),
        }
    }
    // A group keeps its owner.
    let owner = change.new_owner.clone().or_else(|| group.owner.clone());
    if let Some(at) = change.remove.iter().position(|p| Some(p) == owner.as_ref()) {
        kept.push(Kept {
            item: Item::Person(change.remove.remove(at)),
            why: KeptWhy::OwnsIt,
        });
    }
    if !change.is_empty() {
        plan.changes.push(change);
    }
}

fn old_owner(entry: &Entry, group: &Now, change: &Change, reachable: &BTreeSet<PersonId>) -> Result<PersonId, KeptWhy> {
    if group.owner.is_none() || group.owner != entry.person {
        return Err(KeptWhy::ChangedSince);
    }
    let old = entry
        .was
        .as_deref()
        .and_then(PersonId::parse)
        .ok_or(KeptWhy::OwnerGone)?;
    let there = group.members.contains(&old) && !change.remove.contains(&old);
    match reachable.contains(&old) && (there || change.add.contains(&old)) {
        true => Ok(old),
        false => Err(KeptWhy::OwnerGone),
    }
}

#[cfg(test)]
mod tests;
