use proptest::prelude::*;

use super::*;

const DEPT: &str = "d";
const NEW: &str = "new";

fn person(n: u8) -> PersonId {
    PersonId::parse(&format!("p{n:020}")).unwrap()
}

fn people(list: impl IntoIterator<Item = u8>) -> BTreeSet<PersonId> {
    list.into_iter().map(person).collect()
}

fn everybody() -> BTreeSet<PersonId> {
    people(0..20)
}

fn group(members: impl IntoIterator<Item = u8>, owner: u8) -> Now {
    let members = people(members);
    Now {
        department: DEPT.into(),
        name: "嵌入式".into(),
        owner: Some(person(owner)),
        claims: members.iter().map(|p| (p.clone(), Claim::In)).collect(),
        members,
    }
}

fn entry(department: &str, did: Did, person: Option<&PersonId>, done: bool) -> Entry {
    Entry {
        department: department.into(),
        did,
        person: person.cloned(),
        was: None,
        became: None,
        done: Some(done),
        moved_since: false,
    }
}

/// Carries a plan out on plain groups, in the order in which the effects go, and writes it down.
fn carry_out(groups: &mut BTreeMap<String, Now>, plan: &Plan, refused: &BTreeSet<PersonId>) -> Vec<Entry> {
    let mut book = Vec::new();
    for change in &plan.changes {
        let id = change.department.as_str();
        if change.disband {
            let gone = groups.remove(id).unwrap();
            let was = Some(gone.name);
            book.push(Entry {
                was,
                ..entry(id, Did::Disband, None, true)
            });
            continue;
        }
        if let Some(owner) = &change.create {
            groups.insert(
                id.to_owned(),
                Now {
                    department: id.to_owned(),
                    name: change.name.clone(),
                    owner: Some(owner.clone()),
                    members: BTreeSet::new(),
                    claims: BTreeMap::new(),
                },
            );
            let became = Some(change.name.clone());
            book.push(Entry {
                became,
                ..entry(id, Did::Create, None, true)
            });
        }
        let group = groups.get_mut(id).unwrap();
        if change.rename {
            let (was, became) = (Some(group.name.clone()), Some(change.name.clone()));
            book.push(Entry {
                was,
                became,
                ..entry(id, Did::Rename, None, true)
            });
            group.name.clone_from(&change.name);
        }
        for p in &change.add {
            let ok = !refused.contains(p);
            book.push(entry(id, Did::Add, Some(p), ok));
            group
                .claims
                .insert(p.clone(), if ok { Claim::In } else { Claim::Failed });
            if ok {
                group.members.insert(p.clone());
            }
        }
        if let Some(owner) = &change.new_owner {
            let (was, became) = (group.owner.as_ref(), Some(owner.as_str().to_owned()));
            let was = was.map(|o| o.as_str().to_owned());
            let ok = group.members.contains(owner);
            book.push(Entry {
                was,
                became,
                ..entry(id, Did::Owner, Some(owner), ok)
            });
            if ok {
                group.owner = Some(owner.clone());
            }
        }
        for p in &change.remove {
            let ok = !refused.contains(p) && group.owner.as_ref() != Some(p);
            book.push(entry(id, Did::Remove, Some(p), ok));
            if ok {
                group.claims.insert(p.clone(), Claim::Out);
                group.members.remove(p);
            }
        }
    }
    book
}

fn back(groups: &BTreeMap<String, Now>, book: &[Entry], can_disband: bool) -> (Plan, Vec<Kept>) {
    let now: Vec<Now> = groups.values().cloned().collect();
    way_back(book, &now, &everybody(), can_disband)
}

fn some(list: &BTreeSet<u8>, from: &BTreeSet<PersonId>, inside: bool) -> Vec<PersonId> {
    let chosen = list.iter().map(|n| person(*n));
    chosen.filter(|p| from.contains(p) == inside).collect()
}

prop_compose! {
    /// A group, and a plan that changes it and makes another.
    fn story()(
        members in proptest::collection::btree_set(0u8..20, 2..12),
        owner in any::<prop::sample::Index>(),
        touched in proptest::collection::btree_set(0u8..20, 0..12),
        new_owner in proptest::option::of(any::<prop::sample::Index>()),
        rename in any::<bool>(),
        made in proptest::option::of(proptest::collection::btree_set(0u8..20, 2..6)),
        refused in proptest::collection::btree_set(0u8..20, 0..4),
    ) -> (Now, Plan, BTreeSet<PersonId>) {
        let all: Vec<u8> = members.iter().copied().collect();
        let before = group(members, *owner.get(&all));
        let mut change = Change {
            department: DEPT.into(),
            name: if rename { "端侧".into() } else { before.name.clone() },
            rename,
            add: some(&touched, &before.members, false),
            remove: some(&touched, &before.members, true),
            size: before.members.len(),
            ..Change::default()
        };
        let mut after: Vec<PersonId> = before.members.iter().filter(|p| !change.remove.contains(p)).cloned().collect();
        after.extend(change.add.iter().cloned());
        change.new_owner = new_owner
            .filter(|_| !after.is_empty())
            .map(|i| i.get(&after).clone())
            .filter(|o| before.owner.as_ref() != Some(o));
        let mut plan = Plan::default();
        if !change.is_empty() {
            plan.changes.push(change);
        }
        if let Some(made) = made {
            let list: Vec<PersonId> = made.into_iter().map(person).collect();
            plan.changes.push(Change {
                department: NEW.into(),
                name: "新群".into(),
                create: list.first().cloned(),
                add: list,
                ..Change::default()
            });
        }
        (before, plan, people(refused))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Nobody else has changed anything: members, names and owners are again what they were, a new
    /// group is gone, and there is nothing left to take back.
    #[test]
    fn the_way_back_restores_exactly((before, plan, refused) in story()) {
        let mut groups = BTreeMap::from([(DEPT.to_owned(), before.clone())]);
        let book = carry_out(&mut groups, &plan, &refused);
        let (undo, kept) = back(&groups, &book, true);
        prop_assert!(kept.is_empty(), "{kept:?}");
        let undo_book = carry_out(&mut groups, &undo, &BTreeSet::new());
        prop_assert_eq!(groups.len(), 1);
        let after = &groups[DEPT];
        prop_assert_eq!(&after.members, &before.members);
        prop_assert_eq!(&after.name, &before.name);
        prop_assert_eq!(&after.owner, &before.owner);
        let (again, _) = back(&groups, &book, true);
        prop_assert!(again.is_empty(), "{again:?}");
        // The way back of the way back is the plan once more, as far as it was done.
        let (forth, _) = back(&groups, &undo_book, true);
        let came: BTreeSet<_> = forth.added().collect();
        let first: BTreeSet<_> = book
            .iter()
            .filter(|e| e.did == Did::Add && e.done == Some(true) && e.department == DEPT)
            .filter_map(|e| e.person.as_ref())
            .collect();
        prop_assert_eq!(came, first);
    }

    /// What others have changed since stays as it is and is named; the rest is taken back.
    #[test]
    fn what_others_changed_is_left_alone(
        (before, plan, refused) in story(),
        hands in proptest::collection::btree_set(0u8..20, 0..6),
        by_name in any::<bool>(),
    ) {
        let mut groups = BTreeMap::from([(DEPT.to_owned(), before.clone())]);
        let book = carry_out(&mut groups, &plan, &refused);
        let mut touched = BTreeSet::new();
        for p in hands.into_iter().map(person) {
            let group = groups.get_mut(DEPT).unwrap();
            if group.owner.as_ref() == Some(&p) {
                continue;
            }
            if group.members.remove(&p) {
                group.claims.insert(p.clone(), Claim::Left);
            } else {
                group.members.insert(p.clone());
                group.claims.remove(&p);
            }
            touched.insert(p);
        }
        if by_name {
            groups.get_mut(DEPT).unwrap().name = "手工改的".into();
        }
        let hand_made = groups[DEPT].clone();
        let (undo, kept) = back(&groups, &book, true);
        carry_out(&mut groups, &undo, &BTreeSet::new());
        let after = &groups[DEPT];
        for p in &touched {
            prop_assert_eq!(after.members.contains(p), hand_made.members.contains(p));
            let ours = book.iter().any(|e| {
                e.department == DEPT && e.person.as_ref() == Some(p) && e.done == Some(true) && matches!(e.did, Did::Add | Did::Remove)
            });
            let named = kept.iter().any(|k| k.item == Item::Person(p.clone()));
            prop_assert!(named || !ours, "{p} is not named");
        }
        for p in everybody().difference(&touched) {
            let owns = after.owner.as_ref() == Some(p);
            prop_assert!(owns || after.members.contains(p) == before.members.contains(p));
        }
        let renamed = book.iter().any(|e| e.did == Did::Rename);
        if by_name {
            prop_assert_eq!(after.name.as_str(), "手工改的");
            let named = kept.iter().any(|k| k.item == Item::Group(after.name.clone()) && k.why == KeptWhy::ChangedSince);
            prop_assert!(named || !renamed);
        } else {
            prop_assert_eq!(&after.name, &before.name);
        }
    }
}

fn new_group() -> (BTreeMap<String, Now>, Vec<Entry>) {
    let mut groups = BTreeMap::new();
    let plan = Plan {
        changes: vec![Change {
            department: NEW.into(),
            name: "新群".into(),
            create: Some(person(1)),
            add: vec![person(1), person(2)],
            ..Change::default()
        }],
        ..Plan::default()
    };
    let book = carry_out(&mut groups, &plan, &BTreeSet::new());
    (groups, book)
}

#[test]
fn a_new_group_with_others_in_it_or_on_a_platform_that_cannot_disband_stays() {
    let (mut groups, book) = new_group();
    let (plan, kept) = back(&groups, &book, false);
    assert!(plan.is_empty());
    assert_eq!(kept[0].why, KeptWhy::CannotDisband);
    assert!(
        back(&groups, &book, true)
            .0
            .needs_second(super::super::plan::Alone::default())
    );
    groups.get_mut(NEW).unwrap().members.insert(person(9));
    let (plan, kept) = back(&groups, &book, true);
    assert!(plan.is_empty());
    assert_eq!(kept[0].why, KeptWhy::OthersInside);
    groups.clear();
    assert_eq!(back(&groups, &book, true).1[0].why, KeptWhy::GroupGone);
}

#[test]
fn leavers_later_moves_and_unknown_results_are_named() {
    let now = group([1, 2], 1);
    let mut gone = entry(DEPT, Did::Remove, Some(&person(19)), true);
    let mut open = entry(DEPT, Did::Add, Some(&person(2)), true);
    open.done = None;
    let mut moved = entry(DEPT, Did::Add, Some(&person(2)), true);
    moved.moved_since = true;
    let reachable = people(0..10);
    let why = |e: &Entry| {
        let (plan, kept) = way_back(std::slice::from_ref(e), std::slice::from_ref(&now), &reachable, true);
        assert!(plan.is_empty());
        kept[0].why
    };
    assert_eq!(why(&gone), KeptWhy::LeftCompany);
    gone.done = Some(false);
    assert!(
        way_back(&[gone], std::slice::from_ref(&now), &reachable, true)
            .1
            .is_empty()
    );
    assert_eq!(why(&open), KeptWhy::Unknown);
    assert_eq!(why(&moved), KeptWhy::ChangedSince);
    let owner = Entry {
        was: Some(person(7).as_str().to_owned()),
        ..entry(DEPT, Did::Owner, Some(&person(1)), true)
    };
    assert_eq!(why(&owner), KeptWhy::OwnerGone);
}
