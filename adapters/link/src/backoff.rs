//! How long to wait before the next attempt: exponential with full jitter, for ever.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

#[derive(Debug)]
pub(crate) struct Jitter(StdRng);

impl Jitter {
    pub fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// Uniform from zero to `most`.
    pub fn up_to(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.0.random_range(0.0..=1.0))
    }

    /// Full jitter: uniform from zero to `first * 2^attempt`, at most `last`. The first retry is
    /// jittered, too, so that an outage does not end in a storm.
    pub fn backoff(&mut self, attempt: u32, (first, last): (Duration, Duration)) -> Duration {
        let most = first.saturating_mul(2_u32.saturating_pow(attempt.min(16))).min(last);
        self.up_to(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_and_spread() {
        let steps = (Duration::from_secs(1), Duration::from_secs(60));
        let mut jitter = Jitter::new(1);
        for attempt in [0, 1, 3, 5, 6, 40, u32::MAX] {
            let most = Duration::from_secs(2_u64.saturating_pow(attempt.min(20)).min(60));
            let waits: Vec<Duration> = (0..2000).map(|_| jitter.backoff(attempt, steps)).collect();
            assert!(waits.iter().all(|w| *w <= most), "attempt {attempt}");
            let mean = waits.iter().sum::<Duration>() / 2000;
            assert!(
                mean > most * 45 / 100 && mean < most * 55 / 100,
                "attempt {attempt}: {mean:?}"
            );
        }
        let again: Vec<Duration> = (0..5).map(|n| Jitter::new(9).backoff(n, steps)).collect();
        assert_eq!(
            again,
            (0..5).map(|n| Jitter::new(9).backoff(n, steps)).collect::<Vec<_>>()
        );
    }
}
