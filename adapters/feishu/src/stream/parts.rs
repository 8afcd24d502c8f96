//! Joining messages that the platform has split into several frames.
//!
//! Parts come in any order and may be cut inside a character, so that bytes are joined. What is kept
//! is bounded: an end that never completes its sets must not fill the memory.

use std::collections::HashMap;
use std::time::Duration;

use hutong_model::{Rejection, Timestamp};

/// Parts of one message.
const MAX_PARTS: usize = 64;
/// Bytes of one message, and of everything that waits.
const MAX_BYTES: usize = 4 << 20;
/// Messages that wait for a part.
const MAX_SETS: usize = 1000;
/// The official clients drop an incomplete set after 5 or 10 seconds; the platform sends it again.
const LIFE: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Set {
    parts: Vec<Option<Vec<u8>>>,
    missing: usize,
    bytes: usize,
    until: Timestamp,
}

/// Messages of which parts are missing.
#[derive(Debug, Default)]
pub struct Parts {
    sets: HashMap<String, Set>,
    bytes: usize,
}

impl Parts {
    /// Takes part `seq` (from 0) of `sum`. `Ok(Some)` when it was the last one, whatever its number.
    /// A part that came before is ignored. `Err` drops the whole message.
    pub fn add(
        &mut self,
        id: &str,
        sum: usize,
        seq: usize,
        part: Vec<u8>,
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, Rejection> {
        self.expire(now);
        if sum > MAX_PARTS {
            self.drop_set(id);
            return Err(Rejection::TooLarge);
        }
        if seq >= sum || self.sets.get(id).is_some_and(|set| set.parts.len() != sum) {
            self.drop_set(id);
            return Err(Rejection::Malformed);
        }
        if !self.sets.contains_key(id) {
            if self.sets.len() >= MAX_SETS {
                self.drop_oldest();
            }
            let set = Set {
                parts: vec![None; sum],
                missing: sum,
                bytes: 0,
                until: now + LIFE,
            };
            self.sets.insert(id.to_owned(), set);
        }
        let Some(set) = self.sets.get_mut(id) else {
            return Err(Rejection::Malformed);
        };
        let Some(place) = set.parts.get_mut(seq) else {
            return Err(Rejection::Malformed);
        };
        if place.is_some() {
            return Ok(None);
        }
        if set.bytes + part.len() > MAX_BYTES {
            self.drop_set(id);
            return Err(Rejection::TooLarge);
        }
        set.bytes += part.len();
        self.bytes += part.len();
        *place = Some(part);
        set.missing -= 1;
        if set.missing == 0 {
            return Ok(self
                .drop_set(id)
                .map(|set| set.parts.into_iter().flatten().flatten().collect()));
        }
        // One message may take everything, so that this ends with the newest alone.
        while self.bytes > MAX_BYTES && self.sets.len() > 1 {
            self.drop_oldest();
        }
        Ok(None)
    }

    /// Drops what has waited too long; returns how many messages.
    pub fn expire(&mut self, now: Timestamp) -> usize {
        let before = self.sets.len();
        let bytes = &mut self.bytes;
        self.sets.retain(|_, set| {
            let keep = set.until > now;
            if !keep {
                *bytes -= set.bytes;
            }
            keep
        });
        before - self.sets.len()
    }

    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.sets.values().map(|set| set.until).min()
    }

    fn drop_oldest(&mut self) {
        let oldest = self
            .sets
            .iter()
            .min_by_key(|(_, set)| set.until)
            .map(|(id, _)| id.clone());
        if let Some(id) = oldest {
            self.drop_set(&id);
        }
    }

    fn drop_set(&mut self, id: &str) -> Option<Set> {
        let set = self.sets.remove(id)?;
        self.bytes -= set.bytes;
        Some(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    #[test]
    fn bounds_hold() {
        let mut parts = Parts::default();
        assert_eq!(parts.add("a", 65, 0, vec![1], NOW), Err(Rejection::TooLarge));
        assert_eq!(parts.add("a", 2, 2, vec![1], NOW), Err(Rejection::Malformed));
        assert_eq!(parts.add("a", 2, 0, vec![1], NOW), Ok(None));
        assert_eq!(
            parts.add("a", 3, 1, vec![1], NOW),
            Err(Rejection::Malformed),
            "another sum"
        );
        assert_eq!((parts.sets.len(), parts.bytes), (0, 0));

        let half = vec![0; MAX_BYTES / 2 + 1];
        assert_eq!(parts.add("a", 2, 0, half.clone(), NOW), Ok(None));
        assert_eq!(parts.add("a", 2, 1, half.clone(), NOW), Err(Rejection::TooLarge));
        assert_eq!(parts.add("b", 2, 0, half.clone(), NOW), Ok(None));
        assert_eq!(parts.add("c", 2, 0, half, NOW + Duration::from_secs(1)), Ok(None));
        assert!(
            parts.bytes <= MAX_BYTES && parts.sets.contains_key("c"),
            "the older one went"
        );

        let mut parts = Parts::default();
        for n in 0..=MAX_SETS {
            let at = NOW + Duration::from_millis(n as u64);
            assert_eq!(parts.add(&n.to_string(), 2, 0, vec![1], at), Ok(None));
        }
        assert_eq!(parts.sets.len(), MAX_SETS);
        assert!(!parts.sets.contains_key("0"), "the oldest makes room");
        assert_eq!(parts.next_expiry(), Some(NOW + Duration::from_millis(10_001)));
        assert_eq!(parts.expire(NOW + Duration::from_millis(10_001)), 1);
        assert_eq!(parts.expire(NOW + LIFE + LIFE), MAX_SETS - 1);
        assert_eq!((parts.sets.len(), parts.bytes), (0, 0));
        assert_eq!(parts.add("a", 2, 0, vec![1], NOW), Ok(None));
        assert_eq!(
            parts.add("a", 2, 1, vec![2], NOW + LIFE),
            Ok(None),
            "too late for the first part"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn parts_in_any_order_with_repeats_make_the_message_once(
            messages in proptest::collection::vec(
                proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 2..9), 1..5),
            order in proptest::collection::vec(any::<(usize, usize)>(), 0..200),
        ) {
            let mut all: Vec<(usize, usize)> = messages
                .iter()
                .enumerate()
                .flat_map(|(m, parts)| (0..parts.len()).map(move |p| (m, p)))
                .collect();
            for (a, b) in order {
                let (a, b) = (a % all.len(), b % all.len());
                all.swap(a, b);
            }
            let mut parts = Parts::default();
            let mut whole = vec![0; messages.len()];
            for (m, p) in all {
                let message = &messages[m];
                for _ in 0..1 + (m + p) % 2 {
                    // A repeat after the last part would open a new set, as it does for a set that
                    // the platform sends again.
                    if whole[m] > 0 {
                        break;
                    }
                    let got = parts.add(&m.to_string(), message.len(), p, message[p].clone(), NOW).unwrap();
                    if let Some(bytes) = got {
                        prop_assert_eq!(bytes, message.concat());
                        whole[m] += 1;
                    }
                }
            }
            prop_assert_eq!(whole, vec![1; messages.len()]);
            prop_assert_eq!((parts.sets.len(), parts.bytes), (0, 0));
        }
    }
}
