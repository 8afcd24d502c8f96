//! What is decided about newcomers, without rows: who is new, when something may be sent, which
//! check-in is due, who becomes a buddy, which welcome text somebody gets.

use std::time::Duration;

use chrono::{Days, NaiveDate, NaiveDateTime};
use hutong_model::Timestamp;

use super::config::{Onboard, Words};
use crate::directory::PersonId;
use crate::schedule::Workdays;

/// Somebody who began longer ago is no newcomer, whatever their account says.
pub const JOINED_WITHIN_DAYS: i64 = 7;
/// Somebody who comes back within this time is no newcomer.
pub const BACK_WITHIN: Duration = Duration::from_secs(90 * 86_400);
/// So long somebody is on probation and no buddy to others.
pub const PROBATION_DAYS: i64 = 90;
/// Within this time after the first day a first contribution counts as an effect of the welcome.
pub const ACTIVATED_WITHIN_DAYS: u64 = 14;
/// People who are found within this time came together.
pub const TOGETHER: Duration = Duration::from_secs(3600);
/// No calendar has so many days off at a stretch; a broken one ends the search.
const LONGEST: u64 = 400;

/// The first day of somebody who was found on `today`, when they are new at all.
pub fn first_day(joined_on: Option<NaiveDate>, today: NaiveDate) -> Option<NaiveDate> {
    match joined_on {
        None => Some(today),
        Some(day) => ((today - day).num_days() <= JOINED_WITHIN_DAYS).then_some(day),
    }
}

/// Whether something may be sent at this wall-clock time.
pub fn open(at: NaiveDateTime, config: &Onboard, workdays: &dyn Workdays) -> bool {
    workdays.is_workday(at.date()) && at.time() >= config.from && at.time() < config.until
}

/// The `count`-th working day after `day`.
pub fn workday_after(day: NaiveDate, count: u16, workdays: &dyn Workdays) -> NaiveDate {
    let mut left = count;
    let mut day = day;
    for _ in 0..LONGEST {
        if left == 0 {
            break;
        }
        day = day.checked_add_days(Days::new(1)).unwrap_or(day);
        left -= u16::from(workdays.is_workday(day));
    }
    day
}

/// Whether the welcome of those who wait is due: nobody joins it any more, or nobody has to wait
/// longer for those who still come.
pub fn merged(oldest: Timestamp, now: Timestamp, window: Duration) -> bool {
    now.since(oldest) >= window
}

/// The check-in that is due on `today`, by number, when `over` of them are over. One that was missed
/// makes way for a later one that is due as well: nobody is asked twice on one day.
pub fn checkin_due(
    started_on: NaiveDate,
    over: usize,
    today: NaiveDate,
    days: &[u16],
    workdays: &dyn Workdays,
) -> Option<usize> {
    let due = |n: &usize| {
        days.get(*n)
            .is_some_and(|d| workday_after(started_on, *d, workdays) <= today)
    };
    (over..days.len()).rev().find(due)
}

/// Check-ins whose day is over or has come when somebody is welcomed late: they are left out.
pub fn checkins_passed(started_on: NaiveDate, today: NaiveDate, days: &[u16], workdays: &dyn Workdays) -> usize {
    days.iter()
        .take_while(|d| workday_after(started_on, **d, workdays) <= today)
        .count()
}

/// Somebody who could be a buddy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub person: PersonId,
    /// In the newcomer's own team.
    pub own_team: bool,
    /// Newcomers whom they look after already.
    pub load: usize,
}

/// The buddy of a newcomer: from another team where somebody is there, with the least to do; between
/// equals it is always the same one for this newcomer.
pub fn choose_buddy<'c>(newcomer: &PersonId, candidates: &'c [Candidate]) -> Option<&'c PersonId> {
    let lot = |c: &Candidate| crate::ids::short_hash(&["buddy", newcomer.as_str(), c.person.as_str()], 16);
    let able = candidates.iter().filter(|c| c.person != *newcomer);
    able.min_by_key(|c| (c.own_team, c.load, lot(c))).map(|c| &c.person)
}

/// The welcome text of a newcomer: the same whenever it is asked, by weight over many people.
pub fn choose_words<'w>(newcomer: &PersonId, words: &'w [Words]) -> Option<&'w Words> {
    let total: u64 = words.iter().map(|w| u64::from(w.weight)).sum();
    let lot = crate::ids::short_hash(&["welcome", newcomer.as_str()], 16);
    let lot = lot
        .bytes()
        .fold(0u64, |n, b| n.wrapping_mul(131).wrapping_add(u64::from(b)));
    let mut left = (lot >> 8).checked_rem(total)?;
    words.iter().find(|w| {
        let weight = u64::from(w.weight);
        let here = left < weight;
        left = left.saturating_sub(weight);
        here
    })
}

/// How many of the people of a welcome text have contributed in time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effect {
    pub people: u32,
    pub contributed: u32,
    /// Too early to say.
    pub open: u32,
}

impl Effect {
    /// Counts one person: those whose time is not over yet count for nothing, also when they have
    /// contributed, or the early ones would make every text look good.
    pub fn count(&mut self, started_on: NaiveDate, contributed_on: Option<NaiveDate>, today: NaiveDate) {
        let end = started_on
            .checked_add_days(Days::new(ACTIVATED_WITHIN_DAYS))
            .unwrap_or(started_on);
        if today < end {
            self.open += 1;
            return;
        }
        self.people += 1;
        self.contributed += u32::from(contributed_on.is_some_and(|day| day < end));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use hutong_model::{CompanyId, Platform, UserId};
    use proptest::prelude::*;

    use super::*;
    use crate::rules::newcomers::tests::onboard;
    use crate::schedule::{MondayToFriday, WorkdayTable};

    fn d(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }
    fn id(n: usize) -> PersonId {
        let company = CompanyId::new("hx").unwrap();
        PersonId::derive(&company, Platform::Feishu, &UserId::new(format!("u{n}")).unwrap())
    }
    fn words(weights: &[u32]) -> Vec<Words> {
        let one = |(n, weight): (usize, &u32)| Words {
            id: format!("w{n}"),
            text: "欢迎".to_owned(),
            weight: *weight,
        };
        weights.iter().enumerate().map(one).collect()
    }

    #[test]
    fn who_is_new() {
        let today = d("2026-11-24");
        assert_eq!(first_day(None, today), Some(today));
        assert_eq!(first_day(Some(d("2026-11-17")), today), Some(d("2026-11-17")));
        assert_eq!(first_day(Some(d("2026-11-16")), today), None);
        // Entered before the first day: it counts from that day.
        assert_eq!(first_day(Some(d("2026-12-01")), today), Some(d("2026-12-01")));
    }

    #[test]
    fn nights_and_days_off_are_quiet() {
        let (config, table) = (onboard(), WorkdayTable::china().unwrap());
        let at = |text: &str| open(text.parse().unwrap(), &config, &table);
        assert!(at("2026-11-24T09:00:00") && at("2026-11-24T19:59:00"));
        assert!(!at("2026-11-24T08:59:00") && !at("2026-11-24T20:00:00"));
        assert!(!at("2026-11-28T10:00:00"), "a Saturday");
        assert!(at("2026-02-14T10:00:00"), "a make-up Saturday");
        assert!(!at("2026-10-05T10:00:00"), "a holiday");
    }

    #[test]
    fn check_ins_come_on_working_days_and_never_two_at_once() {
        let due = |over, today: &str| checkin_due(d("2026-11-24"), over, d(today), &[3, 10], &MondayToFriday);
        assert_eq!(due(0, "2026-11-26"), None);
        assert_eq!(due(0, "2026-11-27"), Some(0));
        assert_eq!(due(1, "2026-12-07"), None);
        assert_eq!(due(1, "2026-12-08"), Some(1));
        assert_eq!(due(0, "2026-12-20"), Some(1), "the missed one makes way");
        assert_eq!(due(2, "2027-01-20"), None);
        let passed = |today: &str| checkins_passed(d("2026-11-24"), d(today), &[3, 10], &MondayToFriday);
        assert_eq!(
            (passed("2026-11-26"), passed("2026-11-27"), passed("2026-12-08")),
            (0, 1, 2)
        );
    }

    #[test]
    fn what_counts_for_a_welcome_text() {
        let mut effect = Effect::default();
        let today = d("2026-12-20");
        effect.count(d("2026-12-01"), Some(d("2026-12-14")), today);
        effect.count(d("2026-12-01"), Some(d("2026-12-15")), today);
        effect.count(d("2026-12-01"), None, today);
        effect.count(d("2026-12-07"), Some(d("2026-12-08")), today);
        let wanted = Effect {
            people: 3,
            contributed: 1,
            open: 1,
        };
        assert_eq!(effect, wanted);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_buddy_is_from_another_team_and_the_work_is_shared(teams in prop::collection::vec(any::<bool>(), 1..12), come in 1usize..40) {
            let mut load: BTreeMap<PersonId, usize> = BTreeMap::new();
            for n in 0..come {
                let candidates: Vec<Candidate> = teams
                    .iter()
                    .enumerate()
                    .map(|(i, own_team)| Candidate { person: id(i), own_team: *own_team, load: load.get(&id(i)).copied().unwrap_or(0) })
                    .collect();
                let newcomer = id(1000 + n);
                let chosen = choose_buddy(&newcomer, &candidates).unwrap().clone();
                let mut turned = candidates.clone();
                turned.reverse();
                prop_assert_eq!(Some(&chosen), choose_buddy(&newcomer, &turned), "order decides nothing");
                let own = candidates.iter().find(|c| c.person == chosen).unwrap().own_team;
                prop_assert_eq!(own, teams.iter().all(|t| *t));
                *load.entry(chosen).or_default() += 1;
            }
            let able = teams.iter().filter(|own| !**own).count();
            let able = if able == 0 { teams.len() } else { able };
            let most = load.values().max().copied().unwrap_or(0);
            prop_assert!(most <= come.div_ceil(able), "{most} of {come} by {able}");
        }

        #[test]
        fn nobody_is_their_own_buddy(n in 0usize..50) {
            let own = [Candidate { person: id(n), own_team: false, load: 0 }];
            prop_assert_eq!(choose_buddy(&id(n), &own), None);
        }

        #[test]
        fn a_text_is_chosen_by_weight_and_for_good(weights in prop::collection::vec(0u32..4, 0..5)) {
            let list = words(&weights);
            let total: u32 = weights.iter().sum();
            let mut seen: BTreeMap<String, u32> = BTreeMap::new();
            for n in 0..400 {
                let chosen = choose_words(&id(n), &list);
                prop_assert_eq!(chosen, choose_words(&id(n), &list));
                prop_assert_eq!(chosen.is_some(), total > 0);
                if let Some(words) = chosen {
                    prop_assert!(words.weight > 0);
                    *seen.entry(words.id.clone()).or_default() += 1;
                }
            }
            for words in list.iter().filter(|w| w.weight > 0) {
                let share = f64::from(seen.get(&words.id).copied().unwrap_or(0)) / 400.0;
                let wanted = f64::from(words.weight) / f64::from(total);
                prop_assert!((share - wanted).abs() < 0.12, "{} {share} {wanted}", words.id);
            }
        }

        #[test]
        fn every_check_in_comes_at_most_once_and_in_order(start in 0u64..300, steps in prop::collection::vec(1u64..20, 1..30)) {
            let table = WorkdayTable::china().unwrap();
            let begin = d("2026-01-05").checked_add_days(Days::new(start)).unwrap();
            let (mut today, mut over) = (begin, 0);
            for step in steps {
                today = today.checked_add_days(Days::new(step)).unwrap();
                if let Some(n) = checkin_due(begin, over, today, &[3, 10], &table) {
                    prop_assert!(n >= over && workday_after(begin, [3, 10][n], &table) <= today);
                    over = n + 1;
                }
                prop_assert_eq!(checkin_due(begin, over, today, &[3, 10], &table), None);
            }
        }
    }
}
