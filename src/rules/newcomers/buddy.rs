//! Who could be the buddy of a newcomer: people of the same department who have settled in.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};
use hutong_model::CompanyId;

use super::path::{Candidate, PROBATION_DAYS, choose_buddy};
use super::store;
use crate::directory::{Person, PersonId, facts};
use crate::rules::{Ctx, RuleError};
use crate::segment::Dept;

/// Read once for many newcomers.
pub struct Buddies {
    departments: BTreeMap<String, Dept>,
    children: BTreeMap<String, Vec<String>>,
    /// Who stands directly in a department and has settled in.
    settled: BTreeMap<String, Vec<PersonId>>,
    probation: BTreeSet<PersonId>,
    load: BTreeMap<PersonId, usize>,
    before: NaiveDate,
}

impl Buddies {
    pub async fn read(ctx: &mut Ctx, company: &CompanyId, today: NaiveDate) -> Result<Self, RuleError> {
        let before = today
            .checked_sub_days(Days::new(PROBATION_DAYS.unsigned_abs()))
            .unwrap_or(today);
        let mut departments = BTreeMap::new();
        let mut children: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for dept in facts::departments(ctx.tx(), company).await? {
            if let Some(parent) = &dept.parent {
                children.entry(parent.clone()).or_default().push(dept.id.clone());
            }
            departments.insert(dept.id.clone(), dept);
        }
        Ok(Self {
            departments,
            children,
            settled: BTreeMap::new(),
            probation: store::on_probation(ctx.tx(), company, before).await?,
            load: store::loads(ctx.tx(), company).await?,
            before,
        })
    }

    /// The department that a team belongs to: the one above it, unless that is the whole company.
    fn department_of(&self, team: &str) -> String {
        let parent = self.departments.get(team).and_then(|d| d.parent.as_ref());
        let above = parent.and_then(|p| self.departments.get(p)).filter(|p| {
            // The root stands for the company; where it is not told, nothing stands above.
            p.parent.is_some() || !self.is_root(&p.id)
        });
        above.map_or_else(|| team.to_owned(), |p| p.id.clone())
    }

    /// A department without a parent that holds everything else of its platform.
    fn is_root(&self, id: &str) -> bool {
        let Some(own) = self.departments.get(id) else {
            return false;
        };
        own.parent.is_none()
            && !self
                .departments
                .values()
                .any(|d| d.id != id && d.place == own.place && d.parent.is_none())
    }

    /// A department and all below it.
    fn below(&self, top: &str) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        let mut todo = vec![top.to_owned()];
        while let Some(next) = todo.pop() {
            // A circle in the directory ends here.
            if seen.insert(next.clone()) {
                todo.extend(self.children.get(&next).into_iter().flatten().cloned());
            }
        }
        seen
    }

    /// Chooses a buddy and counts them as taken.
    pub async fn choose(&mut self, ctx: &mut Ctx, newcomer: &Person) -> Result<Option<PersonId>, RuleError> {
        let teams: BTreeSet<String> = store::teams(ctx.tx(), &newcomer.id).await?.into_iter().collect();
        let mut candidates: BTreeMap<PersonId, Candidate> = BTreeMap::new();
        for team in &teams {
            for dept in self.below(&self.department_of(team)) {
                if !self.settled.contains_key(&dept) {
                    let people = store::settled_in(ctx.tx(), &dept, self.before).await?;
                    self.settled.insert(dept.clone(), people);
                }
                for person in self.settled.get(&dept).into_iter().flatten() {
                    // Who leads somebody judges them: no buddy.
                    if self.probation.contains(person) || newcomer.leader.as_ref() == Some(person) {
                        continue;
                    }
                    let load = self.load.get(person).copied().unwrap_or(0);
                    let one = candidates.entry(person.clone()).or_insert_with(|| Candidate {
                        person: person.clone(),
                        own_team: false,
                        load,
                    });
                    one.own_team |= teams.contains(&dept);
                }
            }
        }
        let candidates: Vec<Candidate> = candidates.into_values().collect();
        let chosen = choose_buddy(&newcomer.id, &candidates).cloned();
        if let Some(buddy) = &chosen {
            *self.load.entry(buddy.clone()).or_default() += 1;
        }
        Ok(chosen)
    }
}
