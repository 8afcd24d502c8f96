//! The company's monthly quota of API calls, counted as far as this process can.
//!
//! The platform has no call that tells how much is left. Counted are the calls of this app since the
//! program started, by the rules of 6.1: token and directory calls are free, throttled ones are not
//! counted. Other apps of the company use the same quota, so the count is a lower bound. When the
//! platform answers that the month is used up, that is remembered until the next month.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hutong_model::Timestamp;

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

/// How much of the month's quota this process has used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// `YYYY-MM`, at UTC+8.
    pub month: String,
    /// Calls of this app since the program started, in this month.
    pub calls: u32,
    /// `None`: no limit.
    pub limit: Option<u32>,
    /// The platform has said that the month is used up.
    pub used_up: bool,
}

impl Usage {
    /// Four fifths are gone: time to save or to buy.
    pub fn low(&self) -> bool {
        self.used_up
            || self
                .limit
                .is_some_and(|limit| u64::from(self.calls) * 5 >= u64::from(limit) * 4)
    }
}

pub struct Quota {
    count: Mutex<Usage>,
}

impl Quota {
    pub fn new(limit: Option<u32>) -> Self {
        Self {
            count: Mutex::new(Usage {
                month: String::new(),
                calls: 0,
                limit,
                used_up: false,
            }),
        }
    }

    fn at(&self, now: Timestamp) -> MutexGuard<'_, Usage> {
        let mut usage = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let month = day::month(now);
        if usage.month != month {
            usage.month = month;
            usage.calls = 0;
            usage.used_up = false;
        }
        usage
    }

    pub fn usage(&self, now: Timestamp) -> Usage {
        self.at(now).clone()
    }

    /// Counts one call by what became of it.
    pub fn count(&self, path: &str, failure: Option<&Failure>, now: Timestamp) {
        if FREE.iter().any(|free| path.starts_with(free)) {
            return;
        }
        let mut usage = self.at(now);
        match failure {
            Some(f) if quota_used_up(&f.code) => {
                if !usage.used_up {
                    tracing::warn!(
                        month = usage.month,
                        "the company's monthly quota of DingTalk API calls is used up"
                    );
                }
                usage.used_up = true;
            }
            // Not arrived, or throttled.
            Some(f) if matches!(f.class, Class::NotSent | Class::Rate { .. }) => {}
            _ => {
                let before = usage.low();
                usage.calls = usage.calls.saturating_add(1);
                if usage.low() && !before {
                    tracing::warn!(
                        month = usage.month,
                        calls = usage.calls,
                        "four fifths of the monthly quota of DingTalk API calls are used"
                    );
                }
            }
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
        let fresh = quota.usage(december);
        assert_eq!((fresh.calls, fresh.used_up, fresh.limit), (0, false, Some(5)));
        assert_ne!(usage.month, fresh.month);
        assert!(!Quota::new(None).usage(november).low());
    }
}
