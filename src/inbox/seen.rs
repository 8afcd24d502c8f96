//! The keys of the events that one process has stored, for SQLite: filled from the file at start,
//! so that an acknowledgement needs no search in an index of random keys. PostgreSQL has a unique
//! index instead, because there several processes store.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Duration;

use hutong_model::{EventId, Timestamp};

/// Event ids are digests already: the first eight bytes are as good a hash as any.
#[derive(Default)]
pub(super) struct Passthrough(u64);

impl Hasher for Passthrough {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = self.0.rotate_left(32) ^ u64::from_le_bytes(word);
        }
    }
}

type Set = HashSet<u128, BuildHasherDefault<Passthrough>>;

/// Keys of two periods: when a period has passed, the older set goes. A key is kept for at least one
/// period and at most two.
pub(super) struct Seen {
    current: Set,
    previous: Set,
    period: Duration,
    rotated_at: Timestamp,
}

impl Seen {
    pub(super) fn new(period: Duration, now: Timestamp) -> Self {
        Self {
            current: Set::default(),
            previous: Set::default(),
            period,
            rotated_at: now,
        }
    }

    fn key(id: &EventId) -> u128 {
        u128::from_le_bytes(id.bytes())
    }

    /// True when the key is new.
    pub(super) fn insert(&mut self, id: &EventId, now: Timestamp) -> bool {
        if now.since(self.rotated_at) >= self.period {
            self.previous = std::mem::take(&mut self.current);
            self.rotated_at = now;
        }
        let key = Self::key(id);
        !self.previous.contains(&key) && self.current.insert(key)
    }

    /// Takes a key back whose row could not be stored.
    pub(super) fn remove(&mut self, id: &EventId) {
        self.current.remove(&Self::key(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hutong_model::AppId;

    #[test]
    fn a_key_lives_one_period_at_least() {
        let app = AppId::new("a").unwrap();
        let id = EventId::derive(&app, "k");
        let day = Duration::from_secs(86_400);
        let mut seen = Seen::new(day * 7, Timestamp(0));
        assert!(seen.insert(&id, Timestamp(0) + day * 6));
        assert!(!seen.insert(&id, Timestamp(0) + day * 7));
        assert!(!seen.insert(&id, Timestamp(0) + day * 13));
        assert!(seen.insert(&id, Timestamp(0) + day * 14));
        seen.remove(&id);
        assert!(seen.insert(&id, Timestamp(0) + day * 14));
    }
}
