//! From the outbox to the platforms.
//!
//! Rows are written by the core in the transaction that caused them ([`store::insert`]). The loop
//! ([`Delivery`]) takes the head of each lane when its limits allow, records the attempt, commits,
//! and only then talks to the platform; what came of it is recorded under the same token. A row whose
//! sender vanished is found by its lease. Decisions are pure: [`limits`] says when a call may leave,
//! [`retry`] what follows from its outcome.
//!
//! An effect may need several requests. They share `effect`, leave in order, and their rule is told
//! once, when the last of them is over. Behind a part of a message that did not arrive the rest is
//! dropped: nobody reads half an answer.
//!
//! | state | means | next |
//! |---|---|---|
//! | `ready` | waits for its turn (`next_at`) | `sending`, `expired`, `dropped` |
//! | `sending` | an attempt is under way, under a lease | any other |
//! | `sent`, `rejected`, `expired`, `dropped` | over | - |
//! | `unknown` | a reply that may have arrived; over | `ready` by an operator |
//! | `needs_decision` | may have arrived; stops its lane for a minute | `ready`, `sent`, `dropped` by an operator |
//! | `held` | kept back after a restore | `ready` by an operator |

pub mod limits;
pub mod reconcile;
pub mod retry;
pub mod store;
mod worker;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hutong_model::{AppId, Body, BoxFuture, CompanyId, Timestamp};

use crate::store::{StoreError, Tx};

pub use limits::{Limiter, LimiterConfig, Pause};
pub use store::{OutboxCounts, OutboxRow, ParkedRow};
pub use worker::{Delivery, StepResult};

/// Where the results of effects go: the inbox.
pub trait EffectSink: Send + Sync {
    /// Stores an `EffectDone` event in the transaction that records the result. `key` is the id of the
    /// outbox row; it is told at most once for each row.
    fn effect_done<'a>(
        &'a self,
        tx: &'a mut Tx,
        app: &'a AppId,
        key: &'a str,
        body: Body,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Called after a transaction with results has committed.
    fn committed(&self) {}
}

#[derive(Debug, Clone)]
pub struct DeliveryOptions {
    /// Calls under way at once, over all apps.
    pub concurrency: usize,
    /// How long a sender may take before its row counts as abandoned.
    pub lease: Duration,
    /// When a call is given up by us; the adapters' own time-outs are shorter.
    pub call_timeout: Duration,
    /// How long a row that waits for a decision stops the rows behind it.
    pub hold: Duration,
    /// The database is looked at again after this time even when nobody rang.
    pub poll: Duration,
    /// How long calls under way may take when the program stops.
    pub drain: Duration,
    pub limits: LimiterConfig,
    /// Other processes send from the same outbox: the limits are kept together, in the store.
    pub share_limits: bool,
    /// Companies of the apps; limits of a company are shared. Unnamed apps belong to `main`.
    pub companies: HashMap<AppId, CompanyId>,
}

impl Default for DeliveryOptions {
    fn default() -> Self {
        Self {
            concurrency: 32,
            lease: Duration::from_secs(60),
            call_timeout: Duration::from_secs(30),
            hold: Duration::from_secs(60),
            poll: Duration::from_secs(1),
            drain: Duration::from_secs(20),
            limits: LimiterConfig::default(),
            share_limits: false,
            companies: HashMap::new(),
        }
    }
}

/// Counters since start.
#[derive(Debug, Default)]
pub struct DeliveryMetrics {
    pub attempts: AtomicU64,
    pub sent: AtomicU64,
    pub rejected: AtomicU64,
    pub rate_limited: AtomicU64,
    pub auth_expired: AtomicU64,
    pub not_sent: AtomicU64,
    pub unknown: AtomicU64,
    pub expired: AtomicU64,
    pub dropped: AtomicU64,
    pub needs_decision: AtomicU64,
    /// Senders that vanished.
    pub abandoned: AtomicU64,
    /// Results that came after the row had passed into other hands.
    pub late: AtomicU64,
    pub commits: AtomicU64,
}

impl DeliveryMetrics {
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
    pub fn get(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }
}
