//! A group that grows too large gets a sibling. Pure.
//!
//! Nobody is moved: whoever has a place keeps it, newcomers take the first free one. So the groups
//! do not fill up evenly, and people do not change groups when others come and go.

use std::collections::BTreeSet;

use super::plan::{Claim, Current, Desired};
use crate::directory::PersonId;

/// Key of a sibling in our books: `KEY`, `KEY#2`, `KEY#3`, ...
pub fn key_of(base: &str, no: usize) -> String {
    match no {
        0 | 1 => base.to_owned(),
        no => format!("{base}#{no}"),
    }
}

/// The key of the first group, and the number of this one.
pub fn base_of(key: &str) -> (&str, usize) {
    match key.rsplit_once('#').map(|(base, no)| (base, no.parse::<usize>())) {
        Some((base, Ok(no))) if no >= 2 && !base.is_empty() => (base, no),
        _ => (key, 1),
    }
}

/// `群`, `群·二群`, `群·三群`, ..; where the template has `{no}`, the number stands there.
pub fn name_of(template: &str, no: usize) -> String {
    if template.contains("{no}") {
        return template.replace("{no}", &no.to_string());
    }
    const DIGITS: [&str; 11] = ["", "", "二", "三", "四", "五", "六", "七", "八", "九", "十"];
    match (no, DIGITS.get(no)) {
        (0 | 1, _) => template.to_owned(),
        (_, Some(digit)) => format!("{template}·{digit}群"),
        (no, None) => format!("{template}·{no}群"),
    }
}

/// How many members a group takes before the next one opens: what the rule says, at most nine
/// tenths of what the platform allows (`platform` 0: it says nothing).
pub fn capacity(split_over: usize, platform: usize) -> usize {
    let most = match platform {
        0 => usize::MAX,
        // The application itself may count as a member.
        n => (n - n.div_ceil(10)).max(2),
    };
    match split_over {
        0 => most,
        n => n.clamp(2, most),
    }
}

/// Whether somebody has a place in this group: booked, or there by hand.
fn at_home(group: &Current, person: &PersonId) -> bool {
    match group.claims.get(person) {
        Some(Claim::Out) | None => group.members.contains(person),
        Some(_) => true,
    }
}

/// Deals the members of a group to it and its siblings. `want` has the key of the first group and
/// the template of the name; `groups` has those that exist, in any order.
pub fn split(want: Desired, groups: &[&Current], capacity: usize) -> Vec<Desired> {
    let known = |no: usize| groups.iter().find(|g| base_of(&g.department).1 == no);
    let last = groups.iter().map(|g| base_of(&g.department).1).max().unwrap_or(1);
    let mut seats: Vec<BTreeSet<PersonId>> = vec![BTreeSet::new(); last];
    let mut waiting = Vec::new();
    for person in &want.members {
        let home = (1..=last).find(|no| known(*no).is_some_and(|g| at_home(g, person)));
        match home.and_then(|no| seats.get_mut(no - 1)) {
            Some(seat) => {
                seat.insert(person.clone());
            }
            None => waiting.push(person.clone()),
        }
    }
    let mut used: Vec<usize> = (1..=last)
        .map(|no| {
            let others = known(no).map_or(0, |g| g.members.iter().filter(|m| !want.members.contains(*m)).count());
            let own = seats.get(no - 1).map_or(0, |seat| {
                // Who has gone by themselves needs no seat.
                let left = |p: &&PersonId| known(no).is_some_and(|g| g.claims.get(*p) == Some(&Claim::Left));
                seat.iter().filter(|p| !left(p)).count()
            });
            others + own
        })
        .collect();
    let mut from = 0;
    for person in waiting {
        while used.get(from).is_some_and(|n| *n >= capacity) {
            from += 1;
        }
        if from == used.len() {
            used.push(0);
            seats.push(BTreeSet::new());
        }
        if let (Some(seat), Some(count)) = (seats.get_mut(from), used.get_mut(from)) {
            seat.insert(person);
            *count += 1;
        }
    }
    seats
        .into_iter()
        .enumerate()
        .map(|(i, members)| Desired {
            department: key_of(&want.department, i + 1),
            name: name_of(&want.name, i + 1),
            owner: want.owner.clone(),
            members,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn person(n: usize) -> PersonId {
        PersonId::parse(&format!("p{n:020}")).unwrap()
    }

    fn want(people: impl IntoIterator<Item = usize>) -> Desired {
        Desired {
            department: "hx:feishu:rd".into(),
            name: "研发".into(),
            owner: None,
            members: people.into_iter().map(person).collect(),
        }
    }

    /// As if everything had been carried out.
    fn done(desired: &[Desired]) -> Vec<Current> {
        desired
            .iter()
            .map(|d| Current {
                department: d.department.clone(),
                name: d.name.clone(),
                ready: true,
                owner: None,
                members: d.members.clone(),
                claims: d.members.iter().map(|p| (p.clone(), Claim::In)).collect(),
                gone: BTreeSet::new(),
                until: BTreeMap::new(),
            })
            .collect()
    }

    #[test]
    fn keys_names_and_room() {
        assert_eq!(key_of("d", 1), "d");
        assert_eq!(base_of(&key_of("d", 3)), ("d", 3));
        for odd in ["d#1", "d#x", "#2", "d#"] {
            assert_eq!(base_of(odd), (odd, 1));
        }
        assert_eq!(
            [1, 2, 10, 11].map(|n| name_of("研发", n)),
            ["研发", "研发·二群", "研发·十群", "研发·11群"]
        );
        assert_eq!(name_of("研发{no}群", 1), "研发1群");
        assert_eq!(capacity(0, 2000), 1800);
        assert_eq!(
            (capacity(500, 2000), capacity(5000, 2000), capacity(7, 0)),
            (500, 1800, 7)
        );
    }

    #[test]
    fn nobody_changes_groups_when_others_come_and_go() {
        let first = split(want(0..25), &[], 10);
        assert_eq!(first.iter().map(|d| d.members.len()).collect::<Vec<_>>(), [10, 10, 5]);
        assert_eq!(first[1].name, "研发·二群");
        let now = done(&first);
        let groups: Vec<&Current> = now.iter().collect();
        // Two leave, and keep their seats until they are out; so three who come find the third group.
        let next = split(want((2..25).chain(100..103)), &groups, 10);
        assert!((100..103).all(|n| next[2].members.contains(&person(n))));
        let mut out = now.clone();
        out[0].members.retain(|p| next[0].members.contains(p));
        let groups: Vec<&Current> = out.iter().collect();
        let later = split(want((2..25).chain(100..103)), &groups, 10);
        assert!(later[0].members.contains(&person(100)) && later[0].members.contains(&person(101)));
        for n in 2..25 {
            let place = |d: &[Desired]| d.iter().position(|d| d.members.contains(&person(n)));
            assert_eq!(place(&first), place(&next), "{n}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn everybody_has_one_place_and_keeps_it(
            rounds in proptest::collection::vec(proptest::collection::btree_set(0usize..60, 0..50), 1..8),
            capacity in 2usize..20,
        ) {
            let mut now: Vec<Current> = Vec::new();
            for round in rounds {
                let groups: Vec<&Current> = now.iter().collect();
                let next = split(want(round.iter().copied()), &groups, capacity);
                let dealt: usize = next.iter().map(|d| d.members.len()).sum();
                prop_assert_eq!(dealt, round.len());
                for d in &next {
                    prop_assert!(d.members.len() <= capacity);
                }
                for old in &now {
                    for p in &old.members {
                        let at = next.iter().find(|d| d.members.contains(p));
                        prop_assert!(at.is_none_or(|d| d.department == old.department));
                    }
                }
                now = done(&next);
            }
        }
    }
}
