//! The judge of rate limits: an exact log of accepted hits per key, so that "at most 50 in any
//! second" means any second and not any aligned one. A client that only counts per calendar second
//! is caught here as it would be by the platform.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use hutong_model::Timestamp;

/// Keys kept before those whose window has passed are thrown away.
const SWEEP_ABOVE: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Ok,
    /// Not counted; the same hit would pass after this time if nothing else came in between.
    Over {
        retry_after_ms: u64,
    },
}

impl Verdict {
    pub fn is_ok(self) -> bool {
        self == Verdict::Ok
    }
}

/// At most `count` hits for `key` in any `window_ms` milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    pub key: String,
    pub count: u32,
    pub window_ms: u64,
}

impl Limit {
    pub fn new(key: impl Into<String>, count: u32, window_ms: u64) -> Self {
        Self {
            key: key.into(),
            count,
            window_ms,
        }
    }
}

/// Exact sliding windows. Refused hits do not count. Memory: at most `count` entries per key, and
/// keys that have been quiet for a whole window are dropped once there are many.
#[derive(Debug, Default)]
pub struct Judge {
    logs: Mutex<HashMap<(String, u64), Log>>,
}

#[derive(Debug, Default)]
struct Log {
    /// Time and weight of accepted hits, oldest first.
    hits: VecDeque<(i64, u64)>,
    sum: u64,
}

impl Log {
    fn expire(&mut self, at: i64, window_ms: u64) {
        while let Some(&(then, weight)) = self.hits.front() {
            if then.saturating_add_unsigned(window_ms) > at {
                break;
            }
            self.hits.pop_front();
            self.sum = self.sum.saturating_sub(weight);
        }
    }

    /// Zero when `weight` fits now.
    fn wait_ms(&self, at: i64, count: u64, window_ms: u64, weight: u64) -> u64 {
        let mut over = (self.sum + weight).saturating_sub(count);
        if over == 0 {
            return 0;
        }
        for &(then, weight) in &self.hits {
            over = over.saturating_sub(weight);
            if over == 0 {
                let free = then.saturating_add_unsigned(window_ms).saturating_sub(at);
                return u64::try_from(free).unwrap_or(0).max(1);
            }
        }
        // Heavier than the whole limit: it never fits.
        window_ms.max(1)
    }

    fn add(&mut self, at: i64, weight: u64) {
        // A clock that steps back must not make the log unordered.
        let at = self.hits.back().map_or(at, |&(last, _)| last.max(at));
        match self.hits.back_mut() {
            Some((last, sum)) if *last == at => *sum += weight,
            _ => self.hits.push_back((at, weight)),
        }
        self.sum += weight;
    }
}

impl Judge {
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one call that weighs `weight` (receivers; at least 1) against one limit.
    pub fn hit(&self, key: &str, at: Timestamp, count: u32, window_ms: u64, weight: u32) -> Verdict {
        self.hit_all(&[Limit::new(key, count, window_ms)], at, weight)
    }

    /// Counts one call against several limits at once. It is counted everywhere or, when one of
    /// them is over, nowhere. The longest wait wins.
    pub fn hit_all(&self, limits: &[Limit], at: Timestamp, weight: u32) -> Verdict {
        let at = at.millis();
        let weight = u64::from(weight.max(1));
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        if logs.len() > SWEEP_ABOVE {
            logs.retain(|(_, window_ms), log| {
                log.expire(at, *window_ms);
                !log.hits.is_empty()
            });
        }
        let mut wait = 0;
        for limit in limits {
            if let Some(log) = logs.get_mut(&(limit.key.clone(), limit.window_ms)) {
                log.expire(at, limit.window_ms);
                wait = wait.max(log.wait_ms(at, u64::from(limit.count), limit.window_ms, weight));
            } else if weight > u64::from(limit.count) {
                wait = wait.max(limit.window_ms.max(1));
            }
        }
        if wait > 0 {
            return Verdict::Over { retry_after_ms: wait };
        }
        for limit in limits {
            logs.entry((limit.key.clone(), limit.window_ms))
                .or_default()
                .add(at, weight);
        }
        Verdict::Ok
    }

    /// Keys in memory.
    pub fn keys(&self) -> usize {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp(ms)
    }

    #[test]
    fn the_window_slides() {
        let judge = Judge::new();
        for t in [900, 950, 1000] {
            assert_eq!(judge.hit("a", at(t), 3, 1000, 1), Verdict::Ok);
        }
        // An aligned second has begun at 1000, and only one of the three hits lies in it.
        assert_eq!(
            judge.hit("a", at(1200), 3, 1000, 1),
            Verdict::Over { retry_after_ms: 700 }
        );
        assert_eq!(
            judge.hit("a", at(1899), 3, 1000, 1),
            Verdict::Over { retry_after_ms: 1 }
        );
        assert_eq!(judge.hit("a", at(1900), 3, 1000, 1), Verdict::Ok);
        assert_eq!(judge.hit("b", at(1200), 3, 1000, 1), Verdict::Ok);
    }

    #[test]
    fn receivers_weigh() {
        let judge = Judge::new();
        assert_eq!(judge.hit("a", at(0), 100, 60_000, 80), Verdict::Ok);
        assert_eq!(
            judge.hit("a", at(10), 100, 60_000, 21),
            Verdict::Over { retry_after_ms: 59_990 }
        );
        assert_eq!(judge.hit("a", at(10), 100, 60_000, 20), Verdict::Ok);
        assert_eq!(
            judge.hit("c", at(0), 5, 1000, 6),
            Verdict::Over { retry_after_ms: 1000 }
        );
    }

    #[test]
    fn a_call_counts_everywhere_or_nowhere() {
        let judge = Judge::new();
        let both = [Limit::new("app", 10, 1000), Limit::new("chat", 1, 1000)];
        assert!(judge.hit_all(&both, at(0), 1).is_ok());
        assert!(!judge.hit_all(&both, at(1), 1).is_ok());
        for _ in 0..9 {
            assert!(judge.hit("app", at(2), 10, 1000, 1).is_ok());
        }
        assert!(!judge.hit("app", at(2), 10, 1000, 1).is_ok());
    }

    #[test]
    fn quiet_keys_are_forgotten() {
        let judge = Judge::new();
        for n in 0..10_000 {
            judge.hit(&format!("chat{n}"), at(n * 10), 5, 1000, 1);
        }
        assert!(judge.keys() <= SWEEP_ABOVE + 1, "{}", judge.keys());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_window_ever_holds_more_than_the_limit(
            steps in prop::collection::vec((0i64..400, 1u32..4), 1..120),
            count in 1u32..8,
        ) {
            let judge = Judge::new();
            let (mut now, mut passed) = (0, Vec::new());
            for (step, weight) in steps {
                now += step;
                match judge.hit("k", at(now), count, 1000, weight) {
                    Verdict::Ok => passed.push((now, weight)),
                    Verdict::Over { retry_after_ms } => {
                        prop_assert!((1..=1000).contains(&retry_after_ms));
                    }
                }
            }
            for &(start, _) in &passed {
                let sum: u32 = passed.iter().filter(|(t, _)| (start..start + 1000).contains(t)).map(|(_, w)| w).sum();
                prop_assert!(sum <= count, "{sum} in the window from {start}");
            }
        }

        #[test]
        fn the_wait_that_is_named_is_enough_and_not_too_long(
            times in prop::collection::vec(0i64..900, 1..20),
            count in 1u32..5,
        ) {
            let mut times = times;
            times.sort_unstable();
            let fresh = || {
                let judge = Judge::new();
                for &t in &times {
                    judge.hit("k", at(t), count, 1000, 1);
                }
                judge
            };
            if let Verdict::Over { retry_after_ms } = fresh().hit("k", at(900), count, 1000, 1) {
                let then = 900 + retry_after_ms as i64;
                prop_assert!(fresh().hit("k", at(then), count, 1000, 1).is_ok());
                prop_assert!(!fresh().hit("k", at(then - 1), count, 1000, 1).is_ok());
            }
        }
    }
}
