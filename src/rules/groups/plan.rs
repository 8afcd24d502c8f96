//! What has to change so that the groups are as the rule wants them. Pure: from what should be and
//! what is to a plan with a short code, which names exactly this plan.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::NaiveDate;

use super::config::{ManualMembers, OnLeave};
use crate::directory::PersonId;

/// What one operator may remove alone; more needs a second one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alone {
    /// People in the whole plan.
    pub people: usize,
    /// Percent of one group.
    pub percent: usize,
}

impl Default for Alone {
    fn default() -> Self {
        Self {
            people: 20,
            percent: 10,
        }
    }
}

/// Fewer than two people are no group, and one platform says so too.
pub const SMALLEST_GROUP: usize = 2;

/// Why somebody stands in our books for a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Claim {
    Adding,
    In,
    /// The platform did not take them.
    Failed,
    Removing,
    Out,
    /// They went by themselves, or somebody took them out by hand: they stay out.
    Left,
    /// They have moved to another department and may stay for some days.
    Grace,
}

impl Claim {
    pub fn as_str(self) -> &'static str {
        match self {
            Claim::Adding => "adding",
            Claim::In => "in",
            Claim::Failed => "failed",
            Claim::Removing => "removing",
            Claim::Out => "out",
            Claim::Left => "left",
            Claim::Grace => "grace",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [
            Claim::Adding,
            Claim::In,
            Claim::Failed,
            Claim::Removing,
            Claim::Out,
            Claim::Left,
            Claim::Grace,
        ]
        .into_iter()
        .find(|c| c.as_str() == text)
    }
}

/// A group as the directory wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// Row id of the department.
    pub department: String,
    pub name: String,
    /// The first of the succession who is available.
    pub owner: Option<PersonId>,
    pub members: BTreeSet<PersonId>,
}

/// A group as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Current {
    pub department: String,
    pub name: String,
    /// It exists; otherwise it is being made.
    pub ready: bool,
    pub owner: Option<PersonId>,
    pub members: BTreeSet<PersonId>,
    pub claims: BTreeMap<PersonId, Claim>,
    /// People whom we added and who have left the company.
    pub gone: BTreeSet<PersonId>,
    /// The last day of those in grace.
    pub until: BTreeMap<PersonId, NaiveDate>,
}

/// What the rule says about people whom it no longer wants in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    pub manual: ManualMembers,
    pub on_leave: OnLeave,
    /// Somebody who has moved stays for some days.
    pub grace: bool,
    pub today: NaiveDate,
}

/// The changes of one group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    pub department: String,
    pub name: String,
    /// The group must be made, with this owner.
    pub create: Option<PersonId>,
    pub rename: bool,
    pub new_owner: Option<PersonId>,
    /// Of a new group all members.
    pub add: Vec<PersonId>,
    pub remove: Vec<PersonId>,
    /// Members before, for the share that is removed.
    pub size: usize,
    /// The group ends. Only the way back from a plan says so, never a plan itself.
    pub disband: bool,
}

impl Change {
    pub(super) fn is_empty(&self) -> bool {
        self.create.is_none()
            && !self.disband
            && !self.rename
            && self.new_owner.is_none()
            && self.add.is_empty()
            && self.remove.is_empty()
    }
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    pub changes: Vec<Change>,
    /// Names of groups that cannot be made because nobody of the succession is available.
    pub no_owner: Vec<String>,
    /// Names of groups that would have fewer than two members.
    pub too_small: Vec<String>,
    /// People who are wanted somewhere and stay out, because they left by themselves.
    pub stay_out: usize,
    /// Groups of departments that the rule no longer reaches. They are left alone.
    pub orphans: usize,
    /// People whose grace begins with this plan, by department.
    pub grace: Vec<(String, PersonId)>,
    /// People who are back before their grace has ended.
    pub back: Vec<(String, PersonId)>,
    /// People who stay for some days more.
    pub in_grace: usize,
    /// Names of groups whose owner is gone and that nobody can take over: nobody is removed there.
    pub blocked: Vec<String>,
    /// Names that a group of another rule has already.
    pub taken: Vec<String>,
    /// Names that two departments of the rule would give their groups.
    pub twice: Vec<String>,
}

/// Compares. The order of `desired` is kept.
pub fn plan(policy: Policy, desired: &[Desired], current: &[Current]) -> Plan {
    let mut plan = Plan::default();
    let known: HashMap<&str, &Current> = current.iter().map(|c| (c.department.as_str(), c)).collect();
    for want in desired {
        match known.get(want.department.as_str()) {
            None => create(want, &mut plan),
            // What is being made is finished first.
            Some(have) if !have.ready => {}
            Some(have) => adjust(policy, want, have, &mut plan),
        }
    }
    let wanted: HashSet<&str> = desired.iter().map(|d| d.department.as_str()).collect();
    plan.orphans = current
        .iter()
        .filter(|c| !wanted.contains(c.department.as_str()))
        .count();
    plan
}

fn create(want: &Desired, plan: &mut Plan) {
    let others = want.members.iter().filter(|p| Some(*p) != want.owner.as_ref()).count();
    if want.members.is_empty() || others + usize::from(want.owner.is_some()) < SMALLEST_GROUP {
        plan.too_small.push(want.name.clone());
        return;
    }
    let Some(owner) = &want.owner else {
        plan.no_owner.push(want.name.clone());
        return;
    };
    let mut members = want.members.clone();
    members.insert(owner.clone());
    plan.changes.push(Change {
        department: want.department.clone(),
        name: want.name.clone(),
        create: Some(owner.clone()),
        add: members.into_iter().collect(),
        ..Change::default()
    });
}

fn adjust(policy: Policy, want: &Desired, have: &Current, plan: &mut Plan) {
    let mut change = Change {
        department: want.department.clone(),
        name: want.name.clone(),
        rename: want.name != have.name,
        size: have.members.len(),
        ..Change::default()
    };
    let owner_there = have
        .owner
        .as_ref()
        .is_some_and(|o| have.members.contains(o) && !have.gone.contains(o));
    if !owner_there {
        change.new_owner = want.owner.clone().filter(|o| have.owner.as_ref() != Some(o));
    }
    // Whoever is to own a group must be in it first.
    let joins = change
        .new_owner
        .iter()
        .filter(|o| !have.members.contains(*o) && !want.members.contains(*o));
    let on_the_way = |p: &PersonId| matches!(have.claims.get(p), Some(Claim::Adding | Claim::Removing));
    change.add.extend(joins.filter(|o| !on_the_way(o)).cloned());
    for person in want.members.difference(&have.members) {
        match have.claims.get(person) {
            None | Some(Claim::Failed | Claim::Out | Claim::In | Claim::Grace) => change.add.push(person.clone()),
            Some(Claim::Left) => plan.stay_out += 1,
            Some(Claim::Adding | Claim::Removing) => {}
        }
    }
    for person in have.members.intersection(&want.members) {
        if have.claims.get(person) == Some(&Claim::Grace) {
            plan.back.push((want.department.clone(), person.clone()));
        }
    }
    for person in have.members.difference(&want.members) {
        // Whoever owns the group, or is to own it, is there because of that.
        let owns = (owner_there && have.owner.as_ref() == Some(person)) || change.new_owner.as_ref() == Some(person);
        if owns {
            continue;
        }
        let stays = policy.grace && !have.gone.contains(person);
        let goes = match have.claims.get(person) {
            Some(Claim::Grace) if stays && have.until.get(person).is_some_and(|day| policy.today <= *day) => {
                plan.in_grace += 1;
                false
            }
            Some(Claim::In) if stays && policy.on_leave == OnLeave::RemoveNow => {
                plan.grace.push((want.department.clone(), person.clone()));
                false
            }
            Some(Claim::In | Claim::Failed | Claim::Grace) => policy.on_leave == OnLeave::RemoveNow,
            Some(Claim::Adding | Claim::Removing) => false,
            None | Some(Claim::Out | Claim::Left) => policy.manual == ManualMembers::Remove,
        };
        if goes {
            change.remove.push(person.clone());
        }
    }
    // Without an owner nobody can repair a wrong removal.
    let returns = have.owner.as_ref().is_some_and(|o| change.add.contains(o));
    if !owner_there && !returns && have.owner.is_some() && want.owner.is_none() {
        plan.blocked.push(have.name.clone());
        change.remove.clear();
        if !change.is_empty() {
            plan.changes.push(change);
        }
        return;
    }
    change
        .remove
        .extend(have.gone.iter().filter(|p| !have.members.contains(*p)).cloned());
    if !change.is_empty() {
        plan.changes.push(change);
    }
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.grace.is_empty()
    }

    /// Takes out groups whose name a group of another rule has already.
    pub fn leave_taken(&mut self, names: &BTreeSet<String>) {
        let left = self.leave(|c| names.contains(&c.name));
        self.taken.extend(left);
    }

    /// Takes out groups that would have one name: nobody could tell them apart. Who has the name
    /// already keeps it; of several that would get it none does. A group outside of the rule's reach
    /// (`desired`) does not count, so that a department that was made anew gets its group.
    pub fn leave_twice(&mut self, desired: &[Desired], current: &[Current]) {
        let wanted: HashSet<&str> = desired.iter().map(|d| d.department.as_str()).collect();
        // A rename that is left out keeps its old name, which may be wanted by another one.
        loop {
            let mut held: HashMap<String, usize> = HashMap::new();
            let mut moving: HashSet<&str> = HashSet::new();
            for change in self.changes.iter().filter(|c| c.create.is_some() || c.rename) {
                *held.entry(change.name.clone()).or_default() += 1;
                moving.insert(&change.department);
            }
            for group in current {
                if wanted.contains(group.department.as_str()) && !moving.contains(group.department.as_str()) {
                    *held.entry(group.name.clone()).or_default() += 1;
                }
            }
            let left = self.leave(|c| held.get(&c.name).is_some_and(|n| *n > 1));
            if left.is_empty() {
                break;
            }
            self.twice.extend(left);
        }
        self.twice.sort_unstable();
        self.twice.dedup();
    }

    /// Leaves out what gives a group a name that it may not have, and returns those names. A group
    /// that is there is still looked after, under the name that it has.
    fn leave(&mut self, bad: impl Fn(&Change) -> bool) -> Vec<String> {
        let mut names = Vec::new();
        self.changes.retain_mut(|change| {
            if !(change.create.is_some() || change.rename) || !bad(change) {
                return true;
            }
            names.push(change.name.clone());
            change.rename = false;
            change.create.is_none() && !change.is_empty()
        });
        names
    }

    pub fn creates(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|c| c.create.is_some())
    }

    pub fn renames(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|c| c.rename)
    }

    pub fn disbands(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|c| c.disband)
    }

    pub fn added(&self) -> impl Iterator<Item = &PersonId> {
        self.changes.iter().flat_map(|c| &c.add)
    }

    pub fn removed(&self) -> impl Iterator<Item = &PersonId> {
        self.changes.iter().flat_map(|c| &c.remove)
    }

    /// True when one operator alone may not carry it out.
    pub fn needs_second(&self, alone: Alone) -> bool {
        let share = |c: &Change| c.remove.len() * 100 > c.size.max(1) * alone.percent;
        self.removed().count() > alone.people || self.changes.iter().any(|c| c.disband || share(c))
    }

    /// Names this plan: another one has another code.
    pub fn code(&self, rule: &str) -> String {
        let mut parts: Vec<&str> = vec![rule];
        for change in &self.changes {
            parts.extend(["group", &change.department, &change.name]);
            parts.push(if change.rename { "rename" } else { "" });
            parts.extend(["create", change.create.as_ref().map_or("", PersonId::as_str)]);
            parts.extend(["owner", change.new_owner.as_ref().map_or("", PersonId::as_str)]);
            parts.push("add");
            parts.extend(change.add.iter().map(PersonId::as_str));
            parts.push("remove");
            parts.extend(change.remove.iter().map(PersonId::as_str));
            if change.disband {
                parts.push("disband");
            }
        }
        for (department, person) in &self.grace {
            parts.extend(["grace", department, person.as_str()]);
        }
        crate::ids::short_hash(&parts, 6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn person(n: u8) -> PersonId {
        PersonId::parse(&format!("p{n:020}")).unwrap()
    }

    fn people(list: impl IntoIterator<Item = u8>) -> BTreeSet<PersonId> {
        list.into_iter().map(person).collect()
    }

    fn want(members: impl IntoIterator<Item = u8>) -> Desired {
        Desired {
            department: "d".into(),
            name: "嵌入式·技术交流".into(),
            owner: Some(person(1)),
            members: people(members),
        }
    }

    fn have(members: &[u8], claims: &[(u8, Claim)]) -> Current {
        Current {
            department: "d".into(),
            name: "嵌入式·技术交流".into(),
            ready: true,
            owner: Some(person(1)),
            members: people(members.iter().copied()),
            claims: claims.iter().map(|(n, c)| (person(*n), *c)).collect(),
            gone: BTreeSet::new(),
            until: BTreeMap::new(),
        }
    }

    fn policy(manual: ManualMembers, on_leave: OnLeave) -> Policy {
        Policy {
            manual,
            on_leave,
            grace: false,
            today: NaiveDate::from_ymd_opt(2026, 11, 24).unwrap(),
        }
    }

    fn keep(want: Desired, have: Current) -> Plan {
        plan(policy(ManualMembers::Keep, OnLeave::RemoveNow), &[want], &[have])
    }

    #[test]
    fn a_group_that_is_as_wanted_has_no_plan() {
        let plan = keep(want([1, 2, 3]), have(&[1, 2, 3], &[(2, Claim::In), (3, Claim::In)]));
        assert!(plan.is_empty());
        assert_eq!(plan.code("r"), Plan::default().code("r"));
        assert_ne!(plan.code("r"), plan.code("s"));
    }

    #[test]
    fn a_new_group_needs_an_owner_and_two_people() {
        let made = plan(policy(ManualMembers::Keep, OnLeave::RemoveNow), &[want([1, 2])], &[]);
        assert_eq!(made.creates().count(), 1);
        assert_eq!(made.added().count(), 2);
        let alone = plan(policy(ManualMembers::Keep, OnLeave::RemoveNow), &[want([1])], &[]);
        assert!(alone.is_empty() && alone.too_small.len() == 1);
        let headless = Desired {
            owner: None,
            ..want([1, 2])
        };
        let headless = plan(policy(ManualMembers::Keep, OnLeave::RemoveNow), &[headless], &[]);
        assert!(headless.is_empty() && headless.no_owner.len() == 1);
        let making = Current {
            ready: false,
            ..have(&[], &[])
        };
        assert!(keep(want([1, 2]), making).is_empty());
    }

    #[test]
    fn people_added_by_hand_are_kept_unless_the_rule_says_otherwise() {
        let claims = [(2, Claim::In)];
        let kept = keep(want([1]), have(&[1, 2, 9], &claims));
        assert_eq!(kept.removed().collect::<Vec<_>>(), [&person(2)]);
        let all = plan(
            policy(ManualMembers::Remove, OnLeave::RemoveNow),
            &[want([1])],
            &[have(&[1, 2, 9], &claims)],
        );
        assert_eq!(all.removed().count(), 2);
        let none = plan(
            policy(ManualMembers::Keep, OnLeave::Keep),
            &[want([1])],
            &[have(&[1, 2, 9], &claims)],
        );
        assert!(none.is_empty());
    }

    #[test]
    fn who_left_by_themselves_stays_out_and_who_failed_is_tried_again() {
        let plan = keep(
            want([1, 2, 3, 4, 5]),
            have(&[1], &[(2, Claim::Left), (3, Claim::Failed), (4, Claim::Adding)]),
        );
        assert_eq!(plan.added().collect::<Vec<_>>(), [&person(3), &person(5)]);
        assert_eq!(plan.stay_out, 1);
    }

    #[test]
    fn leavers_go_and_a_group_gets_a_new_owner() {
        let mut current = have(&[2, 3], &[(1, Claim::In), (2, Claim::In), (3, Claim::In)]);
        current.gone = people([1]);
        let plan = keep(
            Desired {
                owner: Some(person(2)),
                ..want([2, 3])
            },
            current,
        );
        assert_eq!(plan.removed().collect::<Vec<_>>(), [&person(1)]);
        assert_eq!(plan.changes[0].new_owner, Some(person(2)));
    }

    #[test]
    fn who_is_to_own_a_group_is_not_taken_out_of_it() {
        let mut current = have(&[1, 2, 3], &[(1, Claim::In), (2, Claim::In), (3, Claim::In)]);
        current.owner = None;
        let plan = keep(want([2, 3]), current);
        assert_eq!(plan.changes[0].new_owner, Some(person(1)));
        assert_eq!(plan.removed().count(), 0);
    }

    #[test]
    fn large_removals_need_a_second_operator() {
        let claims: Vec<(u8, Claim)> = (1..=100).map(|n| (n, Claim::In)).collect();
        let all: Vec<u8> = (1..=100).collect();
        assert!(!keep(want(1..=90), have(&all, &claims)).needs_second(Alone::default()));
        assert!(keep(want(1..=89), have(&all, &claims)).needs_second(Alone::default()));
        let many: Vec<(Desired, Current)> = (0..3)
            .map(|i| {
                let id = format!("d{i}");
                let (mut w, mut h) = (want(1..=92), have(&all, &claims));
                w.department.clone_from(&id);
                h.department = id;
                (w, h)
            })
            .collect();
        let (wants, haves): (Vec<_>, Vec<_>) = many.into_iter().unzip();
        let plan = plan(policy(ManualMembers::Keep, OnLeave::RemoveNow), &wants, &haves);
        assert_eq!(plan.removed().count(), 24);
        assert!(plan.needs_second(Alone::default()));
    }

    #[test]
    fn who_moves_stays_for_some_days_and_a_leaver_does_not() {
        let graceful = |today: &str| Policy {
            grace: true,
            today: today.parse().unwrap(),
            ..policy(ManualMembers::Keep, OnLeave::RemoveNow)
        };
        let claims = [(2, Claim::In), (3, Claim::Grace), (4, Claim::Grace), (5, Claim::In)];
        let mut current = have(&[1, 2, 3, 4, 5], &claims);
        current.until = [3, 4].map(|n| (person(n), "2026-12-03".parse().unwrap())).into();
        current.gone = people([5]);
        let at = |day: &str, current: &Current| plan(graceful(day), &[want([1, 4])], std::slice::from_ref(current));
        let first = at("2026-12-03", &current);
        assert_eq!(first.grace, [("d".to_owned(), person(2))]);
        assert_eq!(first.back, [("d".to_owned(), person(4))]);
        assert_eq!(
            (first.in_grace, first.removed().collect::<Vec<_>>()),
            (1, vec![&person(5)])
        );
        // The day after the last.
        let later = at("2026-12-04", &current);
        assert_eq!(later.removed().collect::<Vec<_>>(), [&person(3), &person(5)]);
        assert_ne!(first.code("r"), later.code("r"));
    }

    #[test]
    fn of_two_groups_with_one_name_the_one_that_has_it_keeps_it() {
        let at = |department: &str, name: &str| Desired {
            department: department.into(),
            name: name.into(),
            ..want([1, 2])
        };
        let there = |department: &str, name: &str| Current {
            department: department.into(),
            name: name.into(),
            ..have(&[1, 2], &[(2, Claim::In)])
        };
        let run = |desired: &[Desired], current: &[Current]| {
            let mut made = plan(policy(ManualMembers::Keep, OnLeave::RemoveNow), desired, current);
            made.leave_twice(desired, current);
            let names: Vec<String> = made
                .changes
                .iter()
                .map(|c| format!("{}:{}", c.department, c.name))
                .collect();
            (names, made.twice)
        };
        let none = (Vec::<String>::new(), vec!["n".to_owned()]);
        // Neither is there: none is made. One is there: the other is not made, or keeps its name.
        assert_eq!(run(&[at("a", "n"), at("b", "n")], &[]), none);
        assert_eq!(run(&[at("a", "n"), at("b", "n")], &[there("a", "n")]), none);
        assert_eq!(
            run(&[at("a", "n"), at("b", "n")], &[there("a", "n"), there("b", "m")]),
            none
        );
        // Names that change places do not stand in each other's way ...
        let swapped = run(&[at("a", "m"), at("b", "n")], &[there("a", "n"), there("b", "m")]);
        assert_eq!(swapped, (vec!["a:m".to_owned(), "b:n".to_owned()], Vec::new()));
        // ... unless one of them stays.
        let chain = run(
            &[at("a", "m"), at("b", "x"), at("c", "x")],
            &[there("a", "n"), there("b", "m"), there("c", "x")],
        );
        assert_eq!(chain, (Vec::new(), vec!["m".to_owned(), "x".to_owned()]));
        // A group of a department that is gone stays out of it.
        let anew = run(&[at("b", "n")], &[there("a", "n")]);
        assert_eq!(anew, (vec!["b:n".to_owned()], Vec::new()));
        // Members are looked after all the same.
        let mut more = at("b", "n");
        more.members = people([1, 2, 3]);
        let (names, twice) = run(&[at("a", "n"), more], &[there("a", "n"), there("b", "m")]);
        assert_eq!((names, twice), (vec!["b:n".to_owned()], vec!["n".to_owned()]));
    }

    fn claim() -> impl Strategy<Value = Claim> {
        prop_oneof![
            Just(Claim::Adding),
            Just(Claim::In),
            Just(Claim::Failed),
            Just(Claim::Removing),
            Just(Claim::Out),
            Just(Claim::Left),
            Just(Claim::Grace)
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// Carried out, a plan leads to a state that needs no further plan, and it never touches
        /// people added by hand or people who left by themselves.
        #[test]
        fn a_plan_carried_out_is_finished(
            wanted in proptest::collection::btree_set(1u8..20, 2..12),
            members in proptest::collection::btree_set(1u8..20, 0..12),
            claims in proptest::collection::btree_map(1u8..20, claim(), 0..12),
        ) {
            let members: Vec<u8> = members.into_iter().collect();
            let claims: Vec<(u8, Claim)> = claims.into_iter().collect();
            let mut current = have(&members, &claims);
            let desired = Desired { owner: None, ..want(wanted) };
            let first = keep(desired.clone(), current.clone());
            for change in &first.changes {
                for p in &change.add {
                    prop_assert!(!matches!(current.claims.get(p), Some(Claim::Left)));
                    current.members.insert(p.clone());
                    current.claims.insert(p.clone(), Claim::In);
                }
                for p in &change.remove {
                    prop_assert!(matches!(current.claims.get(p), Some(Claim::In | Claim::Failed | Claim::Grace)));
                    current.members.remove(p);
                    current.claims.insert(p.clone(), Claim::Out);
                }
            }
            let second = keep(desired, current);
            prop_assert!(second.is_empty(), "{second:?}");
        }
    }
}
