//! Counters per member, kept by the client.
//!
//! Above 30 messages a minute or 1,000 an hour to one member, and above 200 a minute or 10,000 a day
//! in app groups, the platform answers "ok" and drops the message (documents 90312, 90248). Nothing
//! but our own count can tell. Ids are compared without regard to case, as the platform does.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use hutong_model::Timestamp;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Members remembered before those who have been quiet for a whole window are dropped.
const SWEEP_ABOVE: usize = 20_000;

/// What a message goes through: the two are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// `message/send`.
    Direct,
    /// `appchat/send`.
    Group,
}

impl Way {
    /// Count and window, milliseconds.
    fn limits(self) -> [(u32, i64); 2] {
        match self {
            Way::Direct => [(30, MINUTE), (1_000, HOUR)],
            Way::Group => [(200, MINUTE), (10_000, DAY)],
        }
    }
}

/// One window of one member. Hits closer together than `grain` are kept as one at the time of the
/// last: fewer entries, and never a hit forgotten too early.
#[derive(Debug, Default)]
struct Window {
    /// First and last moment, and how many.
    hits: VecDeque<(i64, i64, u32)>,
    sum: u32,
}

impl Window {
    fn expire(&mut self, now: i64, length: i64) {
        while let Some(&(_, last, n)) = self.hits.front() {
            if last + length > now {
                break;
            }
            self.hits.pop_front();
            self.sum = self.sum.saturating_sub(n);
        }
    }

    fn wait(&self, now: i64, count: u32, length: i64) -> i64 {
        match self.hits.front() {
            Some(&(_, last, _)) if self.sum >= count => (last + length - now).max(1),
            _ => 0,
        }
    }

    fn add(&mut self, now: i64, grain: i64) {
        match self.hits.back_mut() {
            Some((first, last, n)) if now - *first < grain => {
                *last = now.max(*last);
                *n += 1;
            }
            _ => self.hits.push_back((now, now, 1)),
        }
        self.sum += 1;
    }

    fn take_back(&mut self) {
        if let Some((_, _, n)) = self.hits.back_mut() {
            *n = n.saturating_sub(1);
            if *n == 0 {
                self.hits.pop_back();
            }
            self.sum = self.sum.saturating_sub(1);
        }
    }
}

/// What was sent to whom in the last minute, hour and day.
#[derive(Debug, Default)]
pub struct Guard {
    members: Mutex<HashMap<(Way, String), [Window; 2]>>,
}

impl Guard {
    /// Counts one message to every member, or, when one of them has had enough, to nobody:
    /// milliseconds after which it would pass.
    pub fn take<'a>(
        &self,
        way: Way,
        members: impl Iterator<Item = &'a str> + Clone,
        now: Timestamp,
    ) -> Result<(), u64> {
        let now = now.millis();
        let mut all = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() > SWEEP_ABOVE {
            all.retain(|(way, _), windows| {
                for (window, (_, length)) in windows.iter_mut().zip(way.limits()) {
                    window.expire(now, length);
                }
                windows.iter().any(|w| w.sum > 0)
            });
        }
        let mut wait = 0;
        for member in members.clone() {
            if let Some(windows) = all.get_mut(&(way, member.to_lowercase())) {
                for (window, (count, length)) in windows.iter_mut().zip(way.limits()) {
                    window.expire(now, length);
                    wait = wait.max(window.wait(now, count, length));
                }
            }
        }
        if wait > 0 {
            return Err(u64::try_from(wait).unwrap_or(1));
        }
        for member in members {
            let windows = all.entry((way, member.to_lowercase())).or_default();
            for (window, (_, length)) in windows.iter_mut().zip(way.limits()) {
                window.add(now, length / 1_000);
            }
        }
        Ok(())
    }

    /// Takes a count back: no byte of the request has left.
    pub fn give_back<'a>(&self, way: Way, members: impl Iterator<Item = &'a str>) {
        let mut all = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        for member in members {
            if let Some(windows) = all.get_mut(&(way, member.to_lowercase())) {
                windows.iter_mut().for_each(Window::take_back);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_member_gets_thirty_a_minute_and_the_group_way_is_counted_apart() {
        let guard = Guard::default();
        let at = |ms| Timestamp(1_000_000 + ms);
        for i in 0..30 {
            assert_eq!(guard.take(Way::Direct, ["LiSi"].into_iter(), at(i)), Ok(()));
        }
        assert!(
            guard.take(Way::Direct, ["lisi"].into_iter(), at(100)).is_err(),
            "case does not matter"
        );
        assert_eq!(guard.take(Way::Direct, ["wangwu"].into_iter(), at(100)), Ok(()));
        assert!(
            guard
                .take(Way::Direct, ["wangwu", "lisi"].into_iter(), at(100))
                .is_err(),
            "all or nobody"
        );
        assert_eq!(guard.take(Way::Group, ["lisi"].into_iter(), at(100)), Ok(()));
        guard.give_back(Way::Direct, ["lisi"].into_iter());
        assert_eq!(guard.take(Way::Direct, ["lisi"].into_iter(), at(101)), Ok(()));
        let wait = guard.take(Way::Direct, ["lisi"].into_iter(), at(102)).unwrap_err();
        assert_eq!(
            guard.take(Way::Direct, ["lisi"].into_iter(), at(102 + wait as i64)),
            Ok(())
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn no_window_holds_more_than_the_limit(gaps in prop::collection::vec(0i64..9_000, 200..2_500)) {
            let guard = Guard::default();
            let (mut now, mut passed) = (0i64, Vec::new());
            for gap in gaps {
                now += gap;
                if guard.take(Way::Direct, ["u"].into_iter(), Timestamp(now)).is_ok() {
                    passed.push(now);
                }
            }
            for (count, length) in Way::Direct.limits() {
                for (i, from) in passed.iter().enumerate() {
                    let inside = passed[i..].iter().take_while(|t| **t < from + length).count();
                    prop_assert!(inside <= count as usize, "{inside} in {length} ms");
                }
            }
        }
    }
}
