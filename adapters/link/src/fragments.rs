//! Messages that a platform splits over several frames: collected until all parts are there.
//!
//! Parts may come in any order and more than once; bytes are joined by index, so that a cut inside a
//! UTF-8 character is harmless. Everything is bounded: parts, bytes, open sets, age.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use hutong_model::Timestamp;

/// What is kept at most. The figures of [`FragmentLimits::default`] are those of the specification.
#[derive(Debug, Clone, Copy)]
pub struct FragmentLimits {
    pub parts: usize,
    /// Bytes of one message.
    pub message: usize,
    /// Bytes of all incomplete messages.
    pub total: usize,
    pub sets: usize,
    /// An incomplete message is dropped at this age.
    pub age: Duration,
}

impl Default for FragmentLimits {
    fn default() -> Self {
        Self {
            parts: 64,
            message: 4 << 20,
            total: 32 << 20,
            sets: 1000,
            age: Duration::from_secs(10),
        }
    }
}

/// Why a part was not taken. The message it belongs to is dropped, except for [`FragmentError::Full`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FragmentError {
    #[error("a message of no parts, or of too many")]
    Count,
    #[error("a part outside of its message")]
    Index,
    #[error("parts of one message disagree about their number")]
    Mismatch,
    #[error("a message that is too large")]
    TooLarge,
    /// The part is refused; the platform will send the message again.
    #[error("too many incomplete messages")]
    Full,
}

#[derive(Debug)]
struct Set {
    parts: Vec<Option<Vec<u8>>>,
    missing: usize,
    bytes: usize,
    /// Tells this set from an earlier one with the same key.
    id: u64,
}

/// The incomplete messages of one connection.
#[derive(Debug, Default)]
pub struct Fragments {
    limits: FragmentLimits,
    sets: HashMap<String, Set>,
    /// By age, oldest first; may name sets that are gone.
    order: VecDeque<(Timestamp, String, u64)>,
    bytes: usize,
    next: u64,
    expired: u64,
}

impl Fragments {
    pub fn new(limits: FragmentLimits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Takes part `index` (from 0) of `count`. `Some`: the message is complete, here are its bytes.
    pub fn add(
        &mut self,
        key: &str,
        index: usize,
        count: usize,
        part: Vec<u8>,
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, FragmentError> {
        self.expire(now);
        let checked = self.check(key, index, count, part.len());
        match checked {
            Err(FragmentError::Full) => return Err(FragmentError::Full),
            Err(error) => {
                self.drop_set(key);
                return Err(error);
            }
            Ok(()) => {}
        }
        if count == 1 {
            self.drop_set(key);
            return Ok(Some(part));
        }
        if !self.sets.contains_key(key) {
            self.next += 1;
            self.order.push_back((now, key.to_owned(), self.next));
        }
        let id = self.next;
        let set = self.sets.entry(key.to_owned()).or_insert_with(|| Set {
            parts: vec![None; count],
            missing: count,
            bytes: 0,
            id,
        });
        if let Some(slot @ None) = set.parts.get_mut(index) {
            set.missing -= 1;
            set.bytes += part.len();
            self.bytes += part.len();
            *slot = Some(part);
        }
        if set.missing > 0 {
            return Ok(None);
        }
        let Some(set) = self.drop_set(key) else {
            return Ok(None);
        };
        let mut whole = Vec::with_capacity(set.bytes);
        for part in set.parts.into_iter().flatten() {
            whole.extend_from_slice(&part);
        }
        Ok(Some(whole))
    }

    fn check(&self, key: &str, index: usize, count: usize, size: usize) -> Result<(), FragmentError> {
        if count == 0 || count > self.limits.parts {
            return Err(FragmentError::Count);
        }
        if index >= count {
            return Err(FragmentError::Index);
        }
        let set = self.sets.get(key);
        if set.is_some_and(|s| s.parts.len() != count) {
            return Err(FragmentError::Mismatch);
        }
        if set.and_then(|s| s.parts.get(index)).is_some_and(Option::is_some) {
            return Ok(());
        }
        if set.map_or(0, |s| s.bytes).saturating_add(size) > self.limits.message {
            return Err(FragmentError::TooLarge);
        }
        let waits = count > 1;
        if waits
            && (self.bytes.saturating_add(size) > self.limits.total
                || (set.is_none() && self.sets.len() >= self.limits.sets))
        {
            return Err(FragmentError::Full);
        }
        Ok(())
    }

    /// Drops what is too old; done by [`Fragments::add`], too. Returns how many messages went.
    pub fn expire(&mut self, now: Timestamp) -> usize {
        let mut gone = 0;
        while let Some((since, key, id)) = self.order.front() {
            let current = self.sets.get(key).is_some_and(|s| s.id == *id);
            if current && now.since(*since) < self.limits.age {
                break;
            }
            if let Some((_, key, _)) = self.order.pop_front()
                && current
            {
                self.drop_set(&key);
                gone += 1;
            }
        }
        self.expired += gone as u64;
        gone
    }

    /// Messages that are not complete.
    pub fn open(&self) -> usize {
        self.sets.len()
    }

    /// Messages that were never completed.
    pub fn expired(&self) -> u64 {
        self.expired
    }

    fn drop_set(&mut self, key: &str) -> Option<Set> {
        let set = self.sets.remove(key)?;
        self.bytes -= set.bytes;
        // Completed sets leave their line in the order; without this, a busy connection that always
        // has one old incomplete set in front would collect them.
        if self.order.len() > 2 * self.sets.len() + 16 {
            let sets = &self.sets;
            self.order.retain(|(_, k, id)| sets.get(k).is_some_and(|s| s.id == *id));
        }
        Some(set)
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
    fn whole_messages_pass_and_cut_characters_join() {
        let mut f = Fragments::default();
        assert_eq!(f.add("a", 0, 1, b"x".to_vec(), at(0)), Ok(Some(b"x".to_vec())));
        let text = "胡同".as_bytes();
        assert_eq!(f.add("b", 1, 2, text[2..].to_vec(), at(0)), Ok(None));
        assert_eq!(f.add("b", 0, 2, text[..2].to_vec(), at(1)), Ok(Some(text.to_vec())));
        assert_eq!((f.open(), f.bytes), (0, 0));
    }

    #[test]
    fn bounds() {
        let mut f = Fragments::default();
        assert_eq!(f.add("a", 0, 0, vec![], at(0)), Err(FragmentError::Count));
        assert_eq!(f.add("a", 0, 65, vec![], at(0)), Err(FragmentError::Count));
        assert_eq!(f.add("a", 64, 64, vec![], at(0)), Err(FragmentError::Index));
        assert_eq!(
            f.add("a", 0, 1, vec![0; (4 << 20) + 1], at(0)),
            Err(FragmentError::TooLarge)
        );
        assert_eq!(f.add("a", 0, 2, vec![0; 3 << 20], at(0)), Ok(None));
        assert_eq!(f.add("a", 0, 3, vec![], at(0)), Err(FragmentError::Mismatch));
        assert_eq!(f.open(), 0, "the message is dropped");
        assert_eq!(f.add("a", 0, 2, vec![0; 3 << 20], at(0)), Ok(None));
        assert_eq!(f.add("a", 1, 2, vec![0; 2 << 20], at(0)), Err(FragmentError::TooLarge));
        assert_eq!((f.open(), f.bytes), (0, 0));

        for n in 0..1000 {
            assert_eq!(f.add(&format!("s{n}"), 0, 2, vec![n as u8], at(n)), Ok(None));
        }
        assert_eq!(f.add("more", 0, 2, vec![1], at(9_999)), Err(FragmentError::Full));
        assert_eq!(
            f.add("s3", 1, 2, vec![9], at(9_999)),
            Ok(Some(vec![3, 9])),
            "known ones go on"
        );
        assert_eq!(f.add("more", 0, 2, vec![1], at(9_999)), Ok(None));
        // Ten seconds after their first part, and not before, they go.
        assert_eq!(f.expire(at(10_000)), 1);
        assert_eq!(f.expire(at(10_999)), 998);
        assert_eq!((f.open(), f.expired()), (1, 999));
        assert_eq!(
            f.add("s5", 1, 2, vec![1], at(11_000)),
            Ok(None),
            "its first part is gone"
        );

        let mut f = Fragments::default();
        for n in 0..8 {
            assert_eq!(f.add(&format!("big{n}"), 0, 2, vec![0; 4 << 20], at(0)), Ok(None));
        }
        assert_eq!(f.add("big8", 0, 2, vec![0; 1], at(0)), Err(FragmentError::Full));
        assert_eq!(f.add("whole", 0, 1, vec![0; 1], at(0)), Ok(Some(vec![0])));
    }

    #[test]
    fn an_old_incomplete_set_in_front_does_not_let_the_order_grow() {
        let mut f = Fragments::default();
        assert_eq!(f.add("old", 0, 2, vec![], at(0)), Ok(None));
        for n in 0..5000 {
            let key = format!("m{n}");
            assert_eq!(f.add(&key, 0, 2, vec![1], at(1)), Ok(None));
            assert_eq!(f.add(&key, 1, 2, vec![2], at(1)), Ok(Some(vec![1, 2])));
        }
        assert!(f.order.len() < 32, "{}", f.order.len());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Any order, with repeats: every message comes out once complete, as it was.
        #[test]
        fn any_order_with_repeats(
            messages in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), 2..7), 1..5),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
        ) {
            let mut wire: Vec<(usize, usize)> = Vec::new();
            for (m, parts) in messages.iter().enumerate() {
                wire.extend((0..parts.len()).map(|p| (m, p)));
            }
            // A shuffle with repeats in front of every part once, in reverse.
            let mut sent: Vec<(usize, usize)> = order.iter().map(|i| wire[i.index(wire.len())]).collect();
            sent.extend(wire.iter().rev());
            let mut f = Fragments::default();
            let mut out: HashMap<usize, usize> = HashMap::new();
            for (m, p) in sent {
                let parts = &messages[m];
                if let Some(whole) = f.add(&m.to_string(), p, parts.len(), parts[p].clone(), at(0)).unwrap() {
                    prop_assert_eq!(whole, parts.concat());
                    *out.entry(m).or_default() += 1;
                }
            }
            prop_assert_eq!(out.len(), messages.len());
            prop_assert_eq!(f.bytes, f.sets.values().map(|s| s.bytes).sum::<usize>());
        }
    }
}
