//! Random histories of an organisation against a plain model of who should be where.
//!
//! The system is the pure core as the rule uses it: sources, split, plan, and what carrying a plan
//! out writes into the books. The model knows none of that: per person and group it has one word.
//! 1,000 histories; `HUTONG_SOAK=1` runs 10,000.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{Days, NaiveDate};
use hutong_model::{CompanyId, UserId};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::super::config::{ManualMembers, OnLeave, Source};
use super::super::plan::{Claim, Current, Desired, Plan, Policy, plan};
use super::super::sources::People;
use super::super::split::{base_of, split};
use super::super::world::Tree;
use super::*;
use crate::directory::{Department, PersonId};
use crate::rules::segments::config::Segment;

const PEOPLE: usize = 12;
const STEPS: usize = 50;
/// Groups of the rule, by department: the center (with a feeding segment) and the team below.
const GROUPS: [&str; 2] = ["rd", "emb"];
const PLACES: [&str; 3] = ["rd", "emb", "mk"];

fn person(n: usize) -> PersonId {
    PersonId::parse(&format!("p{n:020}")).unwrap()
}

/// What is true of a person.
#[derive(Debug, Clone, Copy)]
struct Fact {
    place: usize,
    in_segment: bool,
    contractor: bool,
    active: bool,
}

/// The model's word for a person and a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Absent,
    /// By the rule; the last day when the rule has let go.
    Ours(Option<NaiveDate>),
    ByHand,
    Left,
}

struct Model {
    made: [bool; 2],
    words: Vec<[Word; 2]>,
}

struct Org {
    facts: Vec<Fact>,
    today: NaiveDate,
    grace: u64,
    capacity: usize,
    groups: Vec<Current>,
    model: Model,
    tree: Tree,
    own: Source,
    feeder: Source,
}

/// Written a second time on purpose, in other words than `sources`.
fn wanted(fact: Fact, group: usize) -> bool {
    if !fact.active {
        return false;
    }
    let by_department = !fact.contractor && (fact.place == 1 || (fact.place == 0 && group == 0));
    by_department || (group == 0 && fact.in_segment)
}

fn source(department: Option<&str>, contractors: bool) -> Source {
    Source {
        rule: "r".into(),
        department: department.map(str::to_owned),
        include_children: true,
        include_contractors: contractors,
        segment: department.is_none().then(|| Segment {
            id: "s".into(),
            title: "s".into(),
            condition: crate::segment::parse("leader").unwrap(),
        }),
    }
}

impl Org {
    fn new(rng: &mut StdRng) -> Self {
        let department = |id: &str, parent: Option<&str>| Department {
            id: id.into(),
            platform: Platform::Feishu,
            dept_id: id.into(),
            parent: parent.map(str::to_owned),
            name: id.into(),
        };
        let mut facts: Vec<Fact> = (0..PEOPLE)
            .map(|_| Fact {
                place: rng.random_range(0..3),
                in_segment: rng.random_bool(0.3),
                contractor: rng.random_bool(0.2),
                active: true,
            })
            .collect();
        // The operator who owns every group: of no department, and never leaves.
        facts[0] = Fact {
            place: 2,
            in_segment: false,
            contractor: false,
            active: true,
        };
        Self {
            facts,
            today: NaiveDate::from_ymd_opt(2026, 11, 24).unwrap(),
            grace: rng.random_range(0..4),
            capacity: if rng.random_bool(0.5) { 4 } else { 1000 },
            groups: Vec::new(),
            model: Model {
                made: [false; 2],
                words: vec![[Word::Absent; 2]; PEOPLE],
            },
            tree: Tree::new(vec![
                department("rd", None),
                department("emb", Some("rd")),
                department("mk", None),
            ]),
            own: source(Some("rd"), false),
            feeder: source(None, true),
        }
    }

    fn people(&self) -> People {
        let mut people = People::default();
        let mut segment = HashSet::new();
        for (n, fact) in self.facts.iter().enumerate().filter(|(_, f)| f.active) {
            let id = person(n);
            people
                .accounts
                .insert(id.clone(), UserId::new(format!("u{n}")).unwrap());
            people
                .standing
                .entry(PLACES[fact.place].to_owned())
                .or_default()
                .push(id.clone());
            if fact.contractor {
                people.contractors.insert(id.clone());
            }
            if fact.in_segment {
                segment.insert(id);
            }
        }
        people.segments.insert("s".into(), segment);
        people
    }

    fn plan(&mut self) -> Plan {
        // As `world::current` fills it in.
        for group in &mut self.groups {
            group.gone = (0..PEOPLE)
                .filter(|n| !self.facts[*n].active)
                .map(person)
                .filter(|p| matches!(group.claims.get(p), Some(Claim::In | Claim::Grace)))
                .collect();
        }
        let people = self.people();
        let mut by_base: HashMap<&str, Vec<&Current>> = HashMap::new();
        for group in &self.groups {
            by_base.entry(base_of(&group.department).0).or_default().push(group);
        }
        let mut desired = Vec::new();
        for (n, department) in GROUPS.iter().enumerate() {
            let (mut members, mut unreachable) = (BTreeSet::new(), BTreeSet::new());
            people.of(&self.own, &self.tree, Some(department), &mut members, &mut unreachable);
            if n == 0 {
                people.of(&self.feeder, &self.tree, None, &mut members, &mut unreachable);
            }
            let want = Desired {
                department: (*department).to_owned(),
                name: (*department).to_owned(),
                owner: Some(person(0)),
                members,
            };
            let siblings = by_base.remove(department).unwrap_or_default();
            desired.extend(split(want, &siblings, self.capacity));
        }
        let policy = Policy {
            manual: ManualMembers::Keep,
            on_leave: OnLeave::RemoveNow,
            grace: self.grace > 0,
            today: self.today,
        };
        plan(policy, &desired, &self.groups)
    }

    fn until(&self) -> NaiveDate {
        self.today.checked_add_days(Days::new(self.grace)).unwrap()
    }

    /// What carrying the plan out leaves in the books, every call answered with yes.
    fn apply(&mut self, plan: &Plan) {
        let until = self.until();
        for change in &plan.changes {
            if change.create.is_some() {
                self.groups.push(Current {
                    department: change.department.clone(),
                    name: change.name.clone(),
                    ready: true,
                    owner: change.create.clone(),
                    members: BTreeSet::new(),
                    claims: BTreeMap::new(),
                    gone: BTreeSet::new(),
                    until: BTreeMap::new(),
                });
            }
            let group = self
                .groups
                .iter_mut()
                .find(|g| g.department == change.department)
                .unwrap();
            for p in &change.add {
                group.members.insert(p.clone());
                group.claims.insert(p.clone(), Claim::In);
                group.until.remove(p);
            }
            for p in &change.remove {
                group.members.remove(p);
                group.claims.insert(p.clone(), Claim::Out);
                group.until.remove(p);
            }
        }
        for (department, p) in &plan.grace {
            let group = self.groups.iter_mut().find(|g| g.department == *department).unwrap();
            group.claims.insert(p.clone(), Claim::Grace);
            group.until.insert(p.clone(), until);
        }
        for (department, p) in &plan.back {
            let group = self.groups.iter_mut().find(|g| g.department == *department).unwrap();
            group.claims.insert(p.clone(), Claim::In);
            group.until.remove(p);
        }
    }

    fn run(&mut self) {
        let first = self.plan();
        self.apply(&first);
        let second = self.plan();
        assert!(second.is_empty() && second.back.is_empty(), "applied twice: {second:?}");
        self.run_model();
    }

    fn run_model(&mut self) {
        let until = self.until();
        for group in 0..2 {
            let all: Vec<usize> = (1..PEOPLE).filter(|n| wanted(self.facts[*n], group)).collect();
            self.model.made[group] |= !all.is_empty();
            if !self.model.made[group] {
                continue;
            }
            for n in 1..PEOPLE {
                let fact = self.facts[n];
                let word = &mut self.model.words[n][group];
                *word = match (*word, wanted(fact, group)) {
                    (Word::Absent | Word::Ours(_), true) => Word::Ours(None),
                    (Word::Ours(_), false) if !fact.active || self.grace == 0 => Word::Absent,
                    (Word::Ours(None), false) => Word::Ours(Some(until)),
                    (Word::Ours(Some(day)), false) if day < self.today => Word::Absent,
                    (same, _) => same,
                };
            }
        }
    }

    /// Somebody goes by themselves.
    fn leaves(&mut self, n: usize, group: usize) {
        let p = person(n);
        for current in self
            .groups
            .iter_mut()
            .filter(|g| base_of(&g.department).0 == GROUPS[group])
        {
            if current.members.remove(&p) {
                current.claims.insert(p.clone(), Claim::Left);
                current.until.remove(&p);
                self.model.words[n][group] = Word::Left;
            }
        }
    }

    /// Somebody adds a person by hand to the first group.
    fn by_hand(&mut self, n: usize, group: usize) {
        let p = person(n);
        let of = |g: &&mut Current| base_of(&g.department).0 == GROUPS[group];
        if self.groups.iter_mut().filter(of).any(|g| g.members.contains(&p)) {
            return;
        }
        if let Some(first) = self.groups.iter_mut().find(|g| g.department == GROUPS[group]) {
            first.members.insert(p.clone());
            if matches!(first.claims.get(&p), Some(Claim::Left | Claim::Out)) {
                first.claims.remove(&p);
            }
            self.model.words[n][group] = Word::ByHand;
        }
    }

    fn step(&mut self, rng: &mut StdRng) {
        let n = rng.random_range(1..PEOPLE);
        let group = rng.random_range(0..2);
        match rng.random_range(0..10) {
            0 | 1 => self.facts[n].place = rng.random_range(0..3),
            2 => self.facts[n].in_segment ^= true,
            3 => self.facts[n].contractor ^= true,
            4 => self.facts[n].active ^= true,
            5 => self.leaves(n, group),
            6 if self.facts[n].active => self.by_hand(n, group),
            7 => self.today = self.today.checked_add_days(Days::new(rng.random_range(1..4))).unwrap(),
            _ => self.run(),
        }
    }

    /// Differences between the groups and the model.
    fn differences(&self) -> Vec<String> {
        let mut list = Vec::new();
        for (g, base) in GROUPS.iter().enumerate() {
            for n in 1..PEOPLE {
                let p = person(n);
                let of = |c: &&Current| base_of(&c.department).0 == *base;
                let inside = self.groups.iter().filter(of).filter(|c| c.members.contains(&p)).count();
                let word = self.model.words[n][g];
                let right = usize::from(matches!(word, Word::Ours(_) | Word::ByHand));
                if inside != right {
                    list.push(format!("{base} {n}: {inside} times inside, the model says {word:?}"));
                }
            }
        }
        list
    }
}

/// Histories, by the switch that the long tests share.
fn count() -> u64 {
    match std::env::var_os("HUTONG_SOAK") {
        Some(_) => 10_000,
        None => 1_000,
    }
}

#[test]
fn random_histories_agree_with_the_plain_model() {
    let company = CompanyId::new("hx").unwrap();
    assert_eq!(company.as_str(), "hx");
    let mut moves = 0;
    for seed in 0..count() {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut org = Org::new(&mut rng);
        for step in 0..STEPS {
            org.step(&mut rng);
            let wrong = org.differences();
            assert!(wrong.is_empty(), "seed {seed}, step {step}: {wrong:?}");
            moves += 1;
        }
        org.run();
        assert!(org.differences().is_empty(), "seed {seed}: {:?}", org.differences());
    }
    assert_eq!(moves, count() * STEPS as u64);
}

/// The same facts, whatever the order in which they came true: the same people in the groups.
#[test]
fn the_union_of_claims_does_not_depend_on_the_order() {
    for seed in 0..count() / 5 {
        let mut rng = StdRng::seed_from_u64(seed);
        let start = Org::new(&mut rng);
        let changes: Vec<(usize, usize)> = (0..12)
            .map(|_| (rng.random_range(1..PEOPLE), rng.random_range(0..4)))
            .collect();
        let mut ends = Vec::new();
        for order in 0..4u64 {
            let mut org = Org::new(&mut StdRng::seed_from_u64(seed));
            org.facts.clone_from(&start.facts);
            org.grace = 0;
            org.capacity = 1000;
            org.run();
            let mut list = changes.clone();
            // A change of a fact is a flip, so every order ends in the same facts.
            let mut shuffle = StdRng::seed_from_u64(order);
            for i in (1..list.len()).rev() {
                list.swap(i, shuffle.random_range(0..=i));
            }
            for (n, what) in list {
                let fact = &mut org.facts[n];
                match what {
                    0 => fact.place = 1 - fact.place.min(1),
                    1 => fact.in_segment ^= true,
                    2 => fact.contractor ^= true,
                    _ => fact.active ^= true,
                }
                if shuffle.random_bool(0.5) {
                    org.run();
                }
            }
            org.run();
            let members: Vec<(String, BTreeSet<PersonId>)> = org
                .groups
                .iter()
                .map(|g| (g.department.clone(), g.members.clone()))
                .collect();
            ends.push(members.into_iter().collect::<BTreeMap<_, _>>());
        }
        // A group that was made in one order only, because it was wanted for a moment, has nobody
        // but its owner at the end.
        for end in &mut ends {
            end.retain(|_, members| members.len() > 1);
        }
        assert!(ends.windows(2).all(|w| w[0] == w[1]), "seed {seed}: {ends:?}");
    }
}
