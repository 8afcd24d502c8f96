//! Keeps us below the platforms' published rates.
//!
//! A token bucket is not enough: after idle time it lets a full bucket and the refill pass within
//! one window. Platforms count in windows, and one of them drops what is above the limit without a
//! word. So calls are spaced (GCRA with a burst of one): after a call of weight `w` the next one
//! waits `w * window / (count * share)`. Where single calls weigh so much that spacing alone could
//! overshoot, the calls of the last window are counted as well. Together this holds in *any*
//! sliding window, see the judge in the tests.
//!
//! A call takes the permits of all its limits or none of them. Replies have a lane of their own:
//! where replies and bulk both wait for the same limit, replies get three of four permits.
//!
//! Pure: time is handed in, nothing sleeps. One [`Limiter`] belongs to one process; where several
//! processes send, [`shared`] keeps them below the limits together.

pub mod shared;
pub mod store;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use hutong_model::{Counts, LimitRule, LimitScope, Prepared, Timestamp};

/// Who calls: limits of a company are shared by all its apps on one platform.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caller {
    pub app: String,
    /// Names the company on one platform, for example `feishu/main`.
    pub company: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// Somebody waits for it.
    Interactive,
    Bulk,
}

/// Whether a call may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// It may leave now; its share of every limit is taken.
    Now,
    /// Nothing is taken.
    At {
        /// Worth asking again at this time.
        at: Timestamp,
        /// Not the destination is the reason: the same call to any other destination waits too.
        everywhere: bool,
    },
}

impl Permit {
    /// When to ask again; `None` when it may leave now.
    pub fn at(self) -> Option<Timestamp> {
        match self {
            Permit::Now => None,
            Permit::At { at, .. } => Some(at),
        }
    }
}

/// What is held back by a pause.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Pause {
    App(String),
    /// One call of an app.
    Api(String, String),
    /// Everything an app sends to one chat or person.
    Destination(String, String),
    Company(String),
}

#[derive(Debug, Clone, Copy)]
pub struct LimiterConfig {
    /// The part of a published rate that we use, 0.1 to 1. The rest absorbs the time that requests
    /// spend on the way, and whoever else uses the same limit.
    pub share: f64,
    /// Limits and pauses kept in memory at once. Idle ones are forgotten first; when none is idle,
    /// calls that need a new one wait.
    pub max_keys: usize,
}

impl Default for LimiterConfig {
    fn default() -> Self {
        Self {
            share: 0.8,
            max_keys: 50_000,
        }
    }
}

/// Slots that a window's calls are summed up in, where there are more.
const BUCKETS: usize = 64;
/// While both wait, bulk gets one permit after this many replies.
const REPLIES_PER_BULK: u8 = 3;
/// A waiter that does not come back within this time of its turn is forgotten.
const WAITER_PATIENCE: Duration = Duration::from_millis(250);
/// Longest pause by back-off.
const LONGEST_BACK_OFF_MS: i64 = 60_000;
/// Longest pause by the unit of a limit, when the platform names no time itself.
const LONGEST_UNIT_MS: i64 = 3_600_000;
/// Idle keys are looked for at the latest after this many permits.
const SWEEP_EVERY: u32 = 4_096;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    /// App or company.
    owner: String,
    api: &'static str,
    scope: LimitScope,
    to: Option<String>,
    count: u32,
    window_ms: u64,
    counts: Counts,
}

#[derive(Debug, Clone, Default)]
struct Slot {
    /// Microseconds: when the next call may leave by spacing alone.
    free_at_us: i64,
    /// Recent calls, oldest first: the last moment and the weight of each bucket.
    recent: VecDeque<(i64, u64)>,
    /// The weights of `recent` together.
    recent_sum: u64,
    /// Until when a refused asker counts as waiting, per priority.
    waiting: [Option<Timestamp>; 2],
    /// Replies permitted while bulk was waiting.
    replies_in_a_row: u8,
    last_was_bulk: bool,
}

#[derive(Debug, Clone, Copy)]
struct Paused {
    until: Timestamp,
    strikes: u32,
}

/// See the module.
#[derive(Debug)]
pub struct Limiter {
    config: LimiterConfig,
    slots: HashMap<Key, Slot>,
    pauses: HashMap<Pause, Paused>,
    since_sweep: u32,
}

impl Key {
    fn of(rule: &LimitRule, caller: &Caller, prepared: &Prepared) -> Option<Self> {
        if rule.count == 0 || rule.window_ms == 0 || (rule.api != "*" && rule.api != prepared.api) {
            return None;
        }
        let (owner, to) = match rule.scope {
            LimitScope::App => (&caller.app, None),
            LimitScope::Company => (&caller.company, None),
            LimitScope::Destination => (&caller.app, Some(prepared.to.clone()?)),
        };
        Some(Self {
            owner: owner.clone(),
            api: rule.api,
            scope: rule.scope,
            to,
            count: rule.count,
            window_ms: rule.window_ms,
            counts: rule.counts,
        })
    }

    /// A destination is one receiver; an app and a company may have limits per receiver.
    fn weight(&self, prepared: &Prepared) -> u32 {
        match (self.counts, self.scope) {
            (Counts::Calls, _) | (_, LimitScope::Destination) => 1,
            (Counts::Receivers, LimitScope::App | LimitScope::Company) => prepared.weight.max(1),
        }
    }

    /// Microseconds that one unit of weight occupies.
    fn unit_us(&self, share: f64) -> i64 {
        ((self.window_ms as f64) * 1000.0 / (f64::from(self.count) * share)).ceil() as i64
    }

    /// The window in which calls are counted, in milliseconds: a little longer than published, since
    /// requests may be delayed on the way by different times.
    fn counted_ms(&self, share: f64) -> i64 {
        let window = self.window_ms as f64;
        (window * (1.0 + (1.0 - share) / 2.0)).ceil() as i64
    }
}

impl Slot {
    fn earliest(&self, key: &Key, weight: u32, share: f64) -> Timestamp {
        let by_spacing = self.free_at_us.saturating_add(999).div_euclid(1000);
        let counted = key.counted_ms(share);
        // A call above the whole limit goes alone.
        let room = u64::from(key.count) - u64::from(weight.min(key.count));
        let mut sum = self.recent_sum;
        let mut by_count = i64::MIN;
        for (moment, weight) in &self.recent {
            if sum <= room {
                break;
            }
            sum -= weight;
            by_count = moment.saturating_add(counted);
        }
        Timestamp(by_spacing.max(by_count))
    }

    fn take(&mut self, key: &Key, now: Timestamp, weight: u32, share: f64) {
        let now_us = now.millis().saturating_mul(1000);
        // Callers come at whole milliseconds: what is lost to rounding is carried on, so that fast
        // limits are used fully.
        let start = if self.free_at_us > now_us - 1000 {
            self.free_at_us
        } else {
            now_us
        };
        self.free_at_us = start.saturating_add(key.unit_us(share).saturating_mul(i64::from(weight)));
        let counted = key.counted_ms(share);
        while let Some((_, w)) = self.recent.pop_front_if(|(t, _)| *t + counted <= now.millis()) {
            self.recent_sum -= w;
        }
        // Where many calls fit into a window, those close together are summed up and counted until
        // the latest of them could leave it: longer, never shorter.
        let moment = if key.count as usize <= BUCKETS {
            now.millis()
        } else {
            let width = (counted / BUCKETS as i64).max(1);
            (now.millis().div_euclid(width) + 1).saturating_mul(width)
        };
        let weight = u64::from(weight.min(key.count));
        self.recent_sum += weight;
        match self.recent.back_mut() {
            Some((t, w)) if *t >= moment => *w += weight,
            _ => self.recent.push_back((moment, weight)),
        }
    }

    fn waits(&self, who: Priority, now: Timestamp) -> bool {
        self.waiting[who as usize].is_some_and(|until| now <= until)
    }

    /// True when `who` must let the other side go first.
    fn yields(&self, who: Priority, now: Timestamp) -> bool {
        match who {
            Priority::Bulk => {
                self.waits(Priority::Interactive, now)
                    && (self.last_was_bulk || self.replies_in_a_row < REPLIES_PER_BULK)
            }
            Priority::Interactive => self.waits(Priority::Bulk, now) && self.replies_in_a_row >= REPLIES_PER_BULK,
        }
    }

    fn took(&mut self, who: Priority, now: Timestamp) {
        self.waiting[who as usize] = None;
        self.last_was_bulk = who == Priority::Bulk;
        self.replies_in_a_row = match who {
            Priority::Bulk => 0,
            Priority::Interactive if self.waits(Priority::Bulk, now) => self.replies_in_a_row.saturating_add(1),
            Priority::Interactive => 0,
        };
    }

    fn idle(&self, key: &Key, now: Timestamp, share: f64) -> bool {
        let counted = key.counted_ms(share);
        self.free_at_us < now.millis().saturating_mul(1000)
            && self.recent.back().is_none_or(|(t, _)| t + counted <= now.millis())
            && self.waiting.iter().flatten().all(|until| *until < now)
    }
}

impl Limiter {
    pub fn new(config: LimiterConfig) -> Self {
        Self {
            config: LimiterConfig {
                share: if config.share.is_finite() {
                    config.share.clamp(0.1, 1.0)
                } else {
                    0.8
                },
                max_keys: config.max_keys.max(16),
            },
            slots: HashMap::new(),
            pauses: HashMap::new(),
            since_sweep: 0,
        }
    }

    /// Asks for all limits of one call. Ask for waiting replies before waiting bulk.
    pub fn permit(
        &mut self,
        now: Timestamp,
        caller: &Caller,
        rules: &[LimitRule],
        prepared: &Prepared,
        priority: Priority,
    ) -> Permit {
        if let Some(at) = self.paused(now, caller, prepared) {
            let everywhere = self.pause_end(now, caller, &prepared.api, None).is_some();
            return Permit::At { at, everywhere };
        }
        let share = self.config.share;
        let keys: Vec<Key> = rules.iter().filter_map(|r| Key::of(r, caller, prepared)).collect();
        self.since_sweep = self.since_sweep.saturating_add(1);
        if self.since_sweep >= SWEEP_EVERY {
            self.sweep(now);
        }
        let mut free_at: Vec<Option<Timestamp>> = Vec::with_capacity(keys.len());
        for key in &keys {
            let slot = self.slots.get(key);
            free_at.push(slot.map(|s| s.earliest(key, key.weight(prepared), share)));
        }
        let at = free_at.iter().flatten().max().copied().unwrap_or(now);
        if at > now {
            // Waiting counts at the limits that hold the call back, not at those that are free.
            for (key, free_at) in keys.iter().zip(&free_at) {
                if *free_at == Some(at)
                    && let Some(slot) = self.slots.get_mut(key)
                {
                    slot.waiting[priority as usize] = Some(at + WAITER_PATIENCE);
                }
            }
            let everywhere = keys
                .iter()
                .zip(&free_at)
                .any(|(key, free_at)| key.to.is_none() && free_at.is_some_and(|t| t > now));
            return Permit::At { at, everywhere };
        }
        let missing = free_at.iter().filter(|f| f.is_none()).count();
        if self.slots.len() + missing > self.config.max_keys {
            self.sweep(now);
            if self.slots.len() + missing > self.config.max_keys {
                return Permit::At {
                    at: now + Duration::from_secs(1),
                    everywhere: false,
                };
            }
        }
        let other = 1 - priority as usize;
        let mut turn = None;
        let mut everywhere = false;
        for key in &keys {
            if let Some(slot) = self.slots.get_mut(key)
                && slot.yields(priority, now)
            {
                let until = slot.waiting[other].unwrap_or(now);
                slot.waiting[priority as usize] = Some(until + WAITER_PATIENCE);
                turn = turn.max(Some(until));
                everywhere |= key.to.is_none();
            }
        }
        if let Some(until) = turn {
            return Permit::At {
                at: until + Duration::from_millis(1),
                everywhere,
            };
        }
        for key in keys {
            let slot = self.slots.entry(key.clone()).or_default();
            slot.take(&key, now, key.weight(prepared), share);
            slot.took(priority, now);
        }
        Permit::Now
    }

    /// Holds something back until a time; a later end wins.
    pub fn pause(&mut self, what: Pause, until: Timestamp) {
        let entry = self.pauses.entry(what).or_insert(Paused { until, strikes: 0 });
        entry.until = entry.until.max(until);
    }

    /// Ends a pause at once and forgets its history.
    pub fn resume(&mut self, what: &Pause) {
        self.pauses.remove(what);
    }

    /// The platform said "too fast" although we kept our distance: somebody else shares the limit.
    /// Pauses what the limit covers and says until when.
    ///
    /// The platform's own wish counts where it states one. Else a destination rests 1, 2, 4 … 60 s
    /// from one refusal to the next; a limit of the whole app or company rests by its unit: the
    /// shortest window that applies, then the next longer one, at most an hour.
    pub fn rate_limited(
        &mut self,
        now: Timestamp,
        caller: &Caller,
        rules: &[LimitRule],
        prepared: &Prepared,
        scope: LimitScope,
        after_ms: Option<u64>,
    ) -> Timestamp {
        let mut windows: Vec<i64> = rules
            .iter()
            .filter(|r| r.scope == scope && (r.api == "*" || r.api == prepared.api))
            .map(|r| i64::try_from(r.window_ms).unwrap_or(i64::MAX))
            .collect();
        windows.sort_unstable();
        let what = match (scope, &prepared.to) {
            (LimitScope::Destination, Some(to)) => Pause::Destination(caller.app.clone(), to.clone()),
            (LimitScope::Company, _) => Pause::Company(caller.company.clone()),
            (LimitScope::App | LimitScope::Destination, _) => Pause::Api(caller.app.clone(), prepared.api.clone()),
        };
        let entry = self.pauses.entry(what).or_insert(Paused { until: now, strikes: 0 });
        // Several calls that were under way together are one refusal, not several.
        if entry.strikes == 0 || entry.until <= now {
            entry.strikes = entry.strikes.saturating_add(1);
        }
        let back_off = (1000i64 << (entry.strikes - 1).min(6)).min(LONGEST_BACK_OFF_MS);
        let ms = match after_ms {
            Some(ms) => i64::try_from(ms).unwrap_or(LONGEST_UNIT_MS).clamp(1, 86_400_000),
            None if scope == LimitScope::Destination => back_off,
            None => {
                let i = (entry.strikes as usize - 1).min(windows.len().saturating_sub(1));
                windows
                    .get(i)
                    .map_or(back_off, |w| (*w).clamp(back_off.min(1000), LONGEST_UNIT_MS))
            }
        };
        entry.until = entry.until.max(now + Duration::from_millis(ms as u64));
        entry.until
    }

    /// A call went through: the next refusal starts from a short pause again.
    pub fn succeeded(&mut self, now: Timestamp, caller: &Caller, prepared: &Prepared) {
        if self.pauses.is_empty() {
            return;
        }
        let mut over = vec![
            Pause::Company(caller.company.clone()),
            Pause::Api(caller.app.clone(), prepared.api.clone()),
        ];
        if let Some(to) = &prepared.to {
            over.push(Pause::Destination(caller.app.clone(), to.clone()));
        }
        for what in over {
            if self.pauses.get(&what).is_some_and(|p| p.until <= now) {
                self.pauses.remove(&what);
            }
        }
    }

    /// Limits and pauses in memory.
    pub fn keys(&self) -> usize {
        self.slots.len() + self.pauses.len()
    }

    /// The end of the pause that holds this call back, where there is one.
    pub fn paused(&self, now: Timestamp, caller: &Caller, prepared: &Prepared) -> Option<Timestamp> {
        self.pause_end(now, caller, &prepared.api, prepared.to.as_deref())
    }

    fn pause_end(&self, now: Timestamp, caller: &Caller, api: &str, to: Option<&str>) -> Option<Timestamp> {
        if self.pauses.is_empty() {
            return None;
        }
        let until = |what: &Pause| self.pauses.get(what).map(|p| p.until);
        [
            until(&Pause::App(caller.app.clone())),
            until(&Pause::Company(caller.company.clone())),
            until(&Pause::Api(caller.app.clone(), api.to_owned())),
            to.and_then(|to| until(&Pause::Destination(caller.app.clone(), to.to_owned()))),
        ]
        .into_iter()
        .flatten()
        .max()
        .filter(|until| *until > now)
    }

    fn sweep(&mut self, now: Timestamp) {
        let share = self.config.share;
        self.slots.retain(|key, slot| !slot.idle(key, now, share));
        // A pause is remembered a while after its end, for the back-off.
        let forget = Duration::from_millis(2 * LONGEST_BACK_OFF_MS as u64);
        self.pauses.retain(|_, p| p.until + forget > now);
        self.since_sweep = 0;
    }
}

#[cfg(test)]
mod tests;
