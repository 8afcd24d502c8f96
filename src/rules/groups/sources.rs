//! Whom a rule wants, from what the directory says. Pure.
//!
//! A group is fed by the rule's own source and by those of other rules (`into`). Somebody is wanted
//! as long as one of them says so: the last claim that goes takes the person out, not the first.

pub mod store;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use hutong_model::UserId;

use super::config::Source;
use super::world::Tree;
use crate::directory::PersonId;

/// The people of a company as the directory has them.
#[derive(Debug, Default)]
pub struct People {
    /// Who stands directly in a department.
    pub standing: HashMap<String, Vec<PersonId>>,
    /// People known to be contractors.
    pub contractors: HashSet<PersonId>,
    pub names: BTreeMap<PersonId, String>,
    /// Who has an account on the platform.
    pub accounts: BTreeMap<PersonId, UserId>,
    /// People of a segment, by its id.
    pub segments: HashMap<String, HashSet<PersonId>>,
}

impl People {
    fn fits(&self, source: &Source, person: &PersonId) -> bool {
        let segment = source.segment.as_ref().map(|s| self.segments.get(&s.id));
        (source.include_contractors || !self.contractors.contains(person))
            && segment.is_none_or(|set| set.is_some_and(|set| set.contains(person)))
    }

    /// Adds the people whom a source means to `wanted`, those of `department` or of the whole
    /// segment; whoever has no account goes to `unreachable`.
    pub fn of(
        &self,
        source: &Source,
        tree: &Tree,
        department: Option<&str>,
        wanted: &mut BTreeSet<PersonId>,
        unreachable: &mut BTreeSet<PersonId>,
    ) {
        let mut take = |person: &PersonId| {
            if self.fits(source, person) {
                match self.accounts.contains_key(person) {
                    true => wanted.insert(person.clone()),
                    false => unreachable.insert(person.clone()),
                };
            }
        };
        match (department, &source.segment) {
            (Some(department), _) => {
                let depth = if source.include_children { usize::MAX } else { 0 };
                for part in tree.levels(department, depth) {
                    self.standing.get(&part.id).into_iter().flatten().for_each(&mut take);
                }
            }
            (None, Some(segment)) => {
                self.segments.get(&segment.id).into_iter().flatten().for_each(&mut take);
            }
            (None, None) => {}
        }
    }
}

/// The key of the group of a segment in our books.
pub fn segment_key(segment: &str) -> String {
    format!("segment:{segment}")
}
