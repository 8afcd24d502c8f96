//! The part of a [`Limiter`] that several processes share.
//!
//! A process plans with what it remembers. Before it claims rows it locks the slots they need in
//! the store, learns how far they are used by now, takes only what still fits, and writes them back
//! in the transaction of the claims: one statement to learn and one to write for a whole batch, and
//! no commit of its own. Of processes that want the same slot at the same time the second one waits
//! for the first one's commit and sees its use, so that all of them together keep what one alone
//! would keep.
//!
//! Time is that of the processes. A clock that runs ahead by `d` lets a call of another process
//! follow `d` too early, once; the unused part of the limits (`1 - share`) covers a quarter of the
//! shortest window.

use std::collections::BTreeMap;

use hutong_model::{LimitRule, Prepared, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Caller, Key, Limiter, Pause, Paused, Permit, Slot};

/// Rows of the shared table: name and state. A name without a state is free.
pub type Shared = BTreeMap<String, Option<String>>;

/// A row as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedRow {
    pub name: String,
    pub state: String,
    pub idle_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct SlotState {
    /// Microseconds: when the next call may leave.
    f: i64,
    /// The last moment and the weight of each bucket of the last window.
    r: Vec<(i64, u64)>,
}

#[derive(Serialize, Deserialize)]
struct PauseState {
    until: i64,
    strikes: u32,
}

impl Key {
    fn name(&self) -> String {
        // What people choose stands last, so that no two keys share a name.
        format!(
            "slot|{}|{}|{:?}|{}/{}|{:?}|{}",
            self.owner,
            self.api,
            self.scope,
            self.count,
            self.window_ms,
            self.counts,
            self.to.as_deref().unwrap_or("")
        )
    }
}

impl Pause {
    fn name(&self) -> String {
        match self {
            Pause::App(app) => format!("pause|app|{app}"),
            Pause::Api(app, api) => format!("pause|api|{app}|{api}"),
            Pause::Destination(app, to) => format!("pause|to|{app}|{to}"),
            Pause::Company(company) => format!("pause|company|{company}"),
        }
    }

    /// The pauses that may hold a call back.
    fn over(caller: &Caller, prepared: &Prepared) -> Vec<Pause> {
        let mut list = vec![
            Pause::App(caller.app.clone()),
            Pause::Company(caller.company.clone()),
            Pause::Api(caller.app.clone(), prepared.api.clone()),
        ];
        if let Some(to) = &prepared.to {
            list.push(Pause::Destination(caller.app.clone(), to.clone()));
        }
        list
    }
}

fn keys<'a>(caller: &'a Caller, rules: &'a [LimitRule], prepared: &'a Prepared) -> impl Iterator<Item = Key> + 'a {
    rules.iter().filter_map(move |r| Key::of(r, caller, prepared))
}

/// What must be locked before [`Limiter::learn`]: the slots of a call, and the pauses over it.
pub fn names(caller: &Caller, rules: &[LimitRule], prepared: &Prepared) -> (Vec<String>, Vec<String>) {
    (
        keys(caller, rules, prepared).map(|k| k.name()).collect(),
        Pause::over(caller, prepared).iter().map(Pause::name).collect(),
    )
}

impl Limiter {
    /// Replaces what is remembered about a call's limits by what the processes share. Permits of
    /// these limits that were taken since the last time are forgotten.
    pub fn learn(
        &mut self,
        now: Timestamp,
        caller: &Caller,
        rules: &[LimitRule],
        prepared: &Prepared,
        shared: &Shared,
    ) {
        for key in keys(caller, rules, prepared) {
            let state: Option<SlotState> = read(shared, &key.name());
            let slot = self.slots.entry(key).or_default();
            let state = state.unwrap_or(SlotState { f: 0, r: Vec::new() });
            slot.free_at_us = state.f;
            slot.recent_sum = state.r.iter().map(|(_, w)| w).sum();
            slot.recent = state.r.into();
        }
        for what in Pause::over(caller, prepared) {
            if let Some(state) = read::<PauseState>(shared, &what.name())
                && state.until > now.millis()
            {
                let until = Timestamp(state.until);
                let entry = self.pauses.entry(what).or_insert(Paused { until, strikes: 0 });
                entry.until = entry.until.max(until);
                entry.strikes = entry.strikes.max(state.strikes);
            }
        }
    }

    /// Whether a call that was permitted may still leave after [`Limiter::learn`]. Takes nothing, and
    /// asks for no turn: both were settled by [`Limiter::permit`].
    pub fn confirm(&self, now: Timestamp, caller: &Caller, rules: &[LimitRule], prepared: &Prepared) -> Permit {
        let mut at = self.paused(now, caller, prepared);
        for key in keys(caller, rules, prepared) {
            if let Some(slot) = self.slots.get(&key) {
                let earliest = slot.earliest(&key, key.weight(prepared), self.config.share);
                at = at.max(Some(earliest));
            }
        }
        match at.filter(|at| *at > now) {
            Some(at) => Permit::At { at, everywhere: false },
            None => Permit::Now,
        }
    }

    /// Takes the permits of a call that is certain to leave, and says what is to be written.
    pub fn take_shared(
        &mut self,
        now: Timestamp,
        caller: &Caller,
        rules: &[LimitRule],
        prepared: &Prepared,
        written: &mut BTreeMap<String, SharedRow>,
    ) {
        let share = self.config.share;
        for key in keys(caller, rules, prepared) {
            let slot = self.slots.entry(key.clone()).or_default();
            slot.take(&key, now, key.weight(prepared), share);
            let name = key.name();
            let row = SharedRow {
                name: name.clone(),
                state: slot.state(),
                idle_at: slot.idle_at(&key, share),
            };
            written.insert(name, row);
        }
    }

    /// The pauses over a call that are in force, to be written after a refusal.
    pub fn pauses_over(&self, now: Timestamp, caller: &Caller, prepared: &Prepared) -> Vec<SharedRow> {
        Pause::over(caller, prepared)
            .into_iter()
            .filter_map(|what| {
                let paused = self.pauses.get(&what).filter(|p| p.until > now)?;
                let state = PauseState {
                    until: paused.until.millis(),
                    strikes: paused.strikes,
                };
                Some(SharedRow {
                    name: what.name(),
                    state: write(&state),
                    idle_at: paused.until,
                })
            })
            .collect()
    }
}

impl Slot {
    fn state(&self) -> String {
        write(&SlotState {
            f: self.free_at_us,
            r: self.recent.iter().copied().collect(),
        })
    }

    fn idle_at(&self, key: &Key, share: f64) -> Timestamp {
        let by_spacing = self.free_at_us.saturating_add(999).div_euclid(1000);
        let by_count = self.recent.back().map_or(i64::MIN, |(t, _)| t + key.counted_ms(share));
        Timestamp(by_spacing.max(by_count))
    }
}

fn read<T: serde::de::DeserializeOwned>(shared: &Shared, name: &str) -> Option<T> {
    let text = shared.get(name)?.as_deref()?;
    serde_json::from_str(text).ok()
}

/// Numbers only: writing them cannot fail.
fn write<T: Serialize>(state: &T) -> String {
    serde_json::to_string(state).unwrap_or_default()
}
