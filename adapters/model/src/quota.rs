//! A quota of calls that a platform sells by the month, and how its count survives a restart.
//!
//! An adapter counts its own calls; it has no store. The program takes what was counted since the
//! last time ([`QuotaBook::drain`]), writes it down, and tells the adapter what all of the company's
//! apps and processes have used together ([`QuotaBook::learn`]).

use crate::clock::Timestamp;

/// How a month stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaUse {
    /// `YYYY-MM`, in the platform's own zone.
    pub month: String,
    /// As far as we know: others may use the same quota.
    pub calls: u64,
    /// `None`: no limit.
    pub limit: Option<u64>,
    /// The platform has said that nothing is left.
    pub used_up: bool,
}

impl QuotaUse {
    /// Four fifths are gone: time to save or to buy.
    pub fn low(&self) -> bool {
        self.used_up
            || self
                .limit
                .is_some_and(|limit| self.calls.saturating_mul(5) >= limit.saturating_mul(4))
    }

    pub fn left(&self) -> Option<u64> {
        match (self.limit, self.used_up) {
            (_, true) => Some(0),
            (Some(limit), false) => Some(limit.saturating_sub(self.calls)),
            (None, false) => None,
        }
    }
}

/// What was counted and is not written down yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaCount {
    pub month: String,
    /// What is counted, for example `calls`.
    pub kind: &'static str,
    pub calls: u64,
    /// What the platform last said about it: nothing left, or (a call went through) something.
    pub used_up: Option<bool>,
}

/// See the module. Never blocks on I/O.
pub trait QuotaBook: Send + Sync {
    fn usage(&self, now: Timestamp) -> QuotaUse;
    /// What was counted since the last time; it counts as written from now on.
    fn drain(&self, now: Timestamp) -> Vec<QuotaCount>;
    /// It could not be written: it is handed out again with the next [`QuotaBook::drain`].
    fn give_back(&self, counts: Vec<QuotaCount>);
    /// What is written down for the present month, everybody's together.
    fn learn(&self, now: Timestamp, month: &str, calls: u64, used_up: bool);
    /// The present month, as [`QuotaUse::month`].
    fn month(&self, now: Timestamp) -> String {
        self.usage(now).month
    }
}
