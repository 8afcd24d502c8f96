//! Boards: competition ranking with a second criterion that everybody can see, and nobody named who
//! is below the middle.

use super::view::Scorer;
use crate::directory::PersonId;

/// Rows named at the top, and on each side of the person who asks.
const TOP: usize = 10;
const NEIGHBOURS: usize = 2;
/// Rows at the top when the person who asks stands further down: the card stays within a phone.
const SHORT_TOP: usize = 5;

/// A person with their place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranked {
    /// 1, 2, 2, 4
    pub rank: usize,
    pub who: Scorer,
}

/// What a board compares: what it shows, so that equal rows have equal places. Hidden thousandths
/// would look like chance.
fn criteria(s: &Scorer) -> (i64, i64) {
    (s.score / 100, s.helped)
}

/// Best first; equal ones share a place and stand in the order of their ids.
pub fn rank(scorers: Vec<Scorer>) -> Vec<Ranked> {
    let mut list: Vec<Scorer> = scorers.into_iter().filter(|s| s.score > 0).collect();
    list.sort_by(|a, b| criteria(b).cmp(&criteria(a)).then_with(|| a.person.cmp(&b.person)));
    let mut out: Vec<Ranked> = Vec::with_capacity(list.len());
    for (i, who) in list.into_iter().enumerate() {
        let rank = match out.last() {
            Some(last) if criteria(&last.who) == criteria(&who) => last.rank,
            _ => i + 1,
        };
        out.push(Ranked { rank, who });
    }
    out
}

/// The last place that may be named: the middle.
pub fn last_named(people: usize) -> usize {
    people.div_ceil(2)
}

/// What a board shows to one person.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rows {
    pub top: Vec<Ranked>,
    /// Around the person who asks, when they are not at the top.
    pub near: Vec<Ranked>,
    /// The person's own row; present also below the middle, where only they see it.
    pub me: Option<Ranked>,
    pub people: usize,
}

pub fn rows(ranked: &[Ranked], me: &PersonId) -> Rows {
    let last = last_named(ranked.len());
    let named: Vec<&Ranked> = ranked.iter().filter(|r| r.rank <= last).collect();
    let own = ranked.iter().position(|r| r.who.person == *me);
    let at_top = own.is_none_or(|i| i < TOP || i >= named.len());
    let top = if at_top { TOP } else { SHORT_TOP };
    let near = match own {
        Some(i) if !at_top => named
            .iter()
            .skip(i.saturating_sub(NEIGHBOURS))
            .take(2 * NEIGHBOURS + 1)
            .map(|r| (*r).clone())
            .collect(),
        _ => Vec::new(),
    };
    Rows {
        top: named.iter().take(top).map(|r| (*r).clone()).collect(),
        near,
        me: own.and_then(|i| ranked.get(i)).cloned(),
        people: ranked.len(),
    }
}

/// The places a person shares: first and last. `None` without a score.
pub fn place(ranked: &[Ranked], me: &PersonId) -> Option<(usize, usize)> {
    let rank = ranked.iter().find(|r| r.who.person == *me)?.rank;
    let sharing = ranked.iter().filter(|r| r.rank == rank).count();
    Some((rank, rank + sharing - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hutong_model::{CompanyId, Platform, UserId};
    use proptest::prelude::*;

    fn id(n: usize) -> PersonId {
        PersonId::derive(
            &CompanyId::new("acme").unwrap(),
            Platform::Feishu,
            &UserId::new(format!("u{n}")).unwrap(),
        )
    }
    fn scorer(n: usize, score: i64, helped: i64) -> Scorer {
        Scorer {
            person: id(n),
            name: format!("n{n}"),
            department: None,
            score,
            helped,
        }
    }
    fn ranks(list: &[(i64, i64)]) -> Vec<usize> {
        let scorers = list.iter().enumerate().map(|(n, (s, h))| scorer(n, *s, *h)).collect();
        rank(scorers).iter().map(|r| r.rank).collect()
    }

    #[test]
    fn competition_ranking() {
        assert_eq!(ranks(&[(4000, 1), (3000, 1), (3000, 1), (1000, 1)]), [1, 2, 2, 4]);
        assert_eq!(ranks(&[(3000, 1), (3000, 2), (3000, 2)]), [1, 1, 3]);
        // What looks equal is equal.
        assert_eq!(ranks(&[(3010, 1), (3090, 1)]), [1, 1]);
        assert_eq!(ranks(&[(0, 9), (100, 0)]), [1]);
        assert!(ranks(&[]).is_empty());
    }

    #[test]
    fn places_are_a_range() {
        let list = rank(vec![
            scorer(1, 9000, 1),
            scorer(2, 5000, 1),
            scorer(3, 5000, 1),
            scorer(4, 1000, 1),
        ]);
        assert_eq!(place(&list, &id(2)), Some((2, 3)));
        assert_eq!(place(&list, &id(4)), Some((4, 4)));
        assert_eq!(place(&list, &id(9)), None);
    }

    #[test]
    fn neighbours_come_when_one_is_further_down() {
        let list = rank((0..60).map(|n| scorer(n, 100_000 - (n as i64) * 1000, 1)).collect());
        let r = rows(&list, &id(20));
        assert_eq!(r.top.len(), 5);
        assert_eq!(r.near.iter().map(|r| r.rank).collect::<Vec<_>>(), [19, 20, 21, 22, 23]);
        let r = rows(&list, &id(3));
        assert_eq!((r.top.len(), r.near.len()), (10, 0));
        let r = rows(&list, &id(50));
        assert_eq!((r.top.len(), r.near.len(), r.me.unwrap().rank), (10, 0, 51));
    }

    proptest! {
        /// Nobody below the middle is named to anybody else, and a card stays short.
        #[test]
        fn nobody_below_the_middle_is_named(scores in proptest::collection::vec((0i64..20_000, 0i64..4), 0..80), me in 0usize..80) {
            let list = rank(scores.iter().enumerate().map(|(n, (s, h))| scorer(n, *s, *h)).collect());
            let shown = rows(&list, &id(me));
            let last = last_named(list.len());
            for row in shown.top.iter().chain(&shown.near) {
                prop_assert!(row.rank <= last);
            }
            prop_assert!(shown.top.len() + shown.near.len() <= 10);
            // A place is one more than the number of strictly better people.
            for row in &list {
                let better = list.iter().filter(|o| criteria(&o.who) > criteria(&row.who)).count();
                prop_assert_eq!(row.rank, better + 1);
            }
        }
    }
}
