//! The company's monthly quota of API calls, counted as far as we can.
//!
//! The platform has no call that tells how much is left. Counted are the calls of this app by the
//! rules of 6.1: token and directory calls are free, throttled ones are not counted. The program
//! writes the counts down and adds up those of the company's apps ([`QuotaBook`]); what other
//! programs of the company use stays unseen, so the count is a lower bound. When the platform answers
//! that the month is used up, that is remembered until the next month, or until a call goes through.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hutong_model::{QuotaBook, QuotaCount, QuotaUse, Timestamp};

use crate::codes::{Class, quota_used_up};
use crate::day;
use crate::http::Failure;

/// Paths that cost nothing.
const FREE: [&str; 5] = [
    "topapi/v2/user/",
    "topapi/user/",
    "topapi/v2/department/",
    "v1.0/oauth2/",
    "gettoken",
];

const KIND: &str = "calls";

struct Count {
    /// `YYYY-MM`, at UTC+8.
    month: String,
    /// Written down, by whoever counted it.
    known: u64,
    /// Not written down yet.
    fresh: u64,
    used_up: bool,
    /// Set when `used_up` has changed and that is not written down yet.
    news: bool,
    /// Of earlier months, not written down yet.
    late: Vec<QuotaCount>,
}

pub struct Quota {
    limit: Option<u64>,
    count: Mutex<Count>,
}

impl Quota {
    pub fn new(limit: Option<u32>) -> Self {
        Self {
            limit: limit.map(u64::from),
            count: Mutex::new(Count {
                month: String::new(),
                known: 0,
                fresh: 0,
                used_up: false,
                news: false,
                late: Vec::new(),
            }),
        }
    }

    fn at(&self, now: Timestamp) -> MutexGuard<'_, Count> {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let month = day::month(now);
        if count.month != month {
            let before = count.take();
            count.late.extend(before);
            count.month = month;
            count.known = 0;
            count.used_up = false;
            count.news = false;
        }
        count
    }

    fn used(&self, count: &Count) -> QuotaUse {
        QuotaUse {
            month: count.month.clone(),
            calls: count.known.saturating_add(count.fresh),
            limit: self.limit,
            used_up: count.used_up,
        }
    }

    /// Counts one call by what became of it.
    pub fn count(&self, path: &str, failure: Option<&Failure>, now: Timestamp) {
        if FREE.iter().any(|free| path.starts_with(free)) {
            return;
        }
        let mut count = self.at(now);
        let before = self.used(&count);
        match failure {
            Some(f) if quota_used_up(&f.code) => {
                if !count.used_up {
                    count.used_up = true;
                    count.news = true;
                    tracing::warn!(
                        month = count.month,
                        "the company's monthly quota of DingTalk API calls is used up"
                    );
                }
            }
            // Not arrived, or throttled.
            Some(f) if matches!(f.class, Class::NotSent | Class::Rate { .. }) => {}
            answer => {
                count.fresh = count.fresh.saturating_add(1);
                // Somebody has bought more.
                if answer.is_none() && count.used_up {
                    count.used_up = false;
                    count.news = true;
                }
                let after = self.used(&count);
                if after.low() && !before.low() {
                    tracing::warn!(
                        month = after.month,
                        calls = after.calls,
                        "four fifths of the monthly quota of DingTalk API calls are used"
                    );
                }
            }
        }
    }
}

impl Count {
    /// What is not written down, as if it were from now on.
    fn take(&mut self) -> Option<QuotaCount> {
        if self.fresh == 0 && !self.news {
            return None;
        }
        let calls = std::mem::take(&mut self.fresh);
        self.known = self.known.saturating_add(calls);
        let news = std::mem::take(&mut self.news);
        Some(QuotaCount {
            month: self.month.clone(),
            kind: KIND,
            calls,
            used_up: news.then_some(self.used_up),
        })
    }
}

impl QuotaBook for Quota {
    fn usage(&self, now: Timestamp) -> QuotaUse {
        self.used(&self.at(now))
    }

    fn drain(&self, now: Timestamp) -> Vec<QuotaCount> {
        let mut count = self.at(now);
        let mut list = std::mem::take(&mut count.late);
        list.extend(count.take());
        list
    }

    fn give_back(&self, counts: Vec<QuotaCount>) {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        for old in counts {
            if old.month == count.month {
                count.known = count.known.saturating_sub(old.calls);
                count.fresh = count.fresh.saturating_add(old.calls);
                count.news |= old.used_up.is_some();
            } else {
                count.late.push(old);
            }
        }
    }

    fn learn(&self, now: Timestamp, month: &str, calls: u64, used_up: bool) {
        let mut count = self.at(now);
        if count.month != month {
            return;
        }
        count.known = calls;
        if !count.news {
            count.used_up = used_up;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hutong_model::LimitScope;

    #[test]
    fn calls_are_counted_by_the_month_and_by_what_became_of_them() {
        let (november, december) = (Timestamp(1_795_500_000_000), Timestamp(1_796_500_000_000));
        let quota = Quota::new(Some(5));
        let path = "v1.0/robot/groupMessages/send";
        for _ in 0..3 {
            quota.count(path, None, november);
        }
        quota.count("topapi/v2/user/get", None, november);
        let refused = |class, code: &str| Failure {
            class,
            code: code.into(),
            text: String::new(),
        };
        let rate = Class::Rate {
            scope: LimitScope::App,
            after_ms: 1,
        };
        quota.count(path, Some(&refused(rate, "90018")), november);
        quota.count(path, Some(&refused(Class::NotSent, "")), november);
        assert_eq!((quota.usage(november).calls, quota.usage(november).low()), (3, false));
        // A refusal and a lost answer are calls.
        quota.count(path, Some(&refused(Class::Reject, "x")), november);
        assert!(quota.usage(november).low());
        quota.count(
            path,
            Some(&refused(rate, "Forbidden.AccessDenied.ApiCountLimitForOrg")),
            november,
        );
        let usage = quota.usage(november);
        assert_eq!((usage.calls, usage.used_up), (4, true));
        assert_eq!(usage.left(), Some(0));
        // A call that goes through says that somebody has bought more.
        quota.count(path, None, november);
        assert_eq!((quota.usage(november).used_up, quota.usage(november).calls), (false, 5));
        let fresh = quota.usage(december);
        assert_eq!((fresh.calls, fresh.used_up, fresh.limit), (0, false, Some(5)));
        assert_ne!(usage.month, fresh.month);
        assert!(!Quota::new(None).usage(november).low());
    }
    #[test]
    fn counts_are_handed_over_once_and_come_back_when_they_could_not_be_written() {
        let (november, december) = (Timestamp(1_795_500_000_000), Timestamp(1_796_500_000_000));
        let quota = Quota::new(Some(100));
        let path = "v1.0/robot/groupMessages/send";
        quota.learn(november, "2026-11", 40, false);
        quota.count(path, None, november);
        quota.count(path, None, november);
        assert_eq!(quota.usage(november).calls, 42);
        let taken = quota.drain(november);
        assert_eq!((taken.len(), taken[0].calls, taken[0].kind), (1, 2, "calls"));
        assert_eq!((quota.usage(november).calls, quota.drain(november)), (42, Vec::new()));
        quota.give_back(taken.clone());
        assert_eq!((quota.usage(november).calls, quota.drain(november)), (42, taken));
        // Another process counted as well.
        quota.learn(november, "2026-11", 55, false);
        quota.count(path, None, november);
        assert_eq!(quota.usage(november).calls, 56);
        // The rest of a month is not lost when the next one begins, and is none of its own.
        assert_eq!(quota.usage(december).calls, 0);
        let late = quota.drain(december);
        assert_eq!((late[0].month.as_str(), late[0].calls), ("2026-11", 1));
        // A word about another month changes nothing.
        quota.learn(december, "2026-11", 99, true);
        assert_eq!((quota.usage(december).calls, quota.usage(december).used_up), (0, false));
    }
}
