//! What follows an attempt: one pure function, [`next`].
//!
//! The question behind all of it is whether the platform may already have acted. A request that
//! certainly did not arrive is simply tried again. One that may have arrived is in *doubt*, and then
//! its class and the platform's idempotency key decide:
//!
//! | class | key still honoured | no key |
//! |---|---|---|
//! | `once` | the same bytes again | never blindly: a person decides |
//! | `reply` | the same bytes again | once more after 30 s, if then younger than 2 min; else left as unknown |
//! | `state` | again (the newest version) | again: the last write wins |
//! | `hint` | again | dropped |

use std::time::Duration;

use hutong_model::{DeliveryClass, Outcome, Timestamp};
use rand::{Rng, RngExt};

/// What is known about a row when an attempt has ended.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub class: DeliveryClass,
    /// Attempts so far that may have reached the platform, the one that just ended not included.
    pub attempts: u32,
    /// All attempts so far, the one that just ended included; only for the back-off.
    pub tries: u32,
    /// When the first attempt began that may have reached the platform, or the one that just ended.
    pub first_attempt_at: Timestamp,
    /// How long after its first use the platform honours the key.
    pub key_window_ms: Option<i64>,
    pub created_at: Timestamp,
    /// The rule's own end of usefulness; without one the class has a default.
    pub expires_at: Option<Timestamp>,
    /// For `state`: a newer version of the same thing waits behind it.
    pub superseded: bool,
}

/// What to do with the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Sent,
    /// Final: the platform will never take it.
    Rejected,
    /// It certainly did not arrive: again at this time. Does not count as an attempt.
    RetryAt(Timestamp),
    /// It may have arrived, and repeating it is safe or the lesser evil. Counts as an attempt.
    ResendAt(Timestamp),
    /// It may have arrived and is not repeated.
    Unknown,
    /// It may have arrived, and whether to repeat it is for a person to say.
    NeedsDecision,
    /// It certainly did not arrive and is no longer worth sending.
    Expired,
    /// Not worth any doubt, or replaced by a newer version.
    Dropped,
}

/// How long an answer to a person is worth sending.
pub const REPLY_LIFE: Duration = Duration::from_secs(10 * 60);
/// How long an announcement is worth sending when its rule sets no end.
pub const ONCE_LIFE: Duration = Duration::from_secs(6 * 3600);
/// A card with live content is replaced long before that.
pub const STATE_LIFE: Duration = Duration::from_secs(24 * 3600);
pub const HINT_LIFE: Duration = Duration::from_secs(10 * 60);
/// Without a key: when a reply in doubt is sent a second time, and how old it may be then.
pub const REPLY_RESEND_AFTER: Duration = Duration::from_secs(30);
pub const REPLY_RESEND_AGE: Duration = Duration::from_secs(120);
/// Back-off: full jitter between nothing and 1, 2, 4 … 60 s.
const BACK_OFF_FIRST_MS: u64 = 1_000;
const BACK_OFF_MOST_MS: u64 = 60_000;
/// And never sooner than this.
const BACK_OFF_LEAST_MS: u64 = 200;

impl Case {
    /// The moment after which it is not worth sending.
    pub fn deadline(&self) -> Timestamp {
        self.expires_at.unwrap_or(
            self.created_at
                + match self.class {
                    DeliveryClass::Once => ONCE_LIFE,
                    DeliveryClass::Reply => REPLY_LIFE,
                    DeliveryClass::State => STATE_LIFE,
                    DeliveryClass::Hint => HINT_LIFE,
                },
        )
    }

    /// Until when a repeat with the same key is recognised.
    fn key_end(&self) -> Option<Timestamp> {
        let window = u64::try_from(self.key_window_ms?).ok()?;
        Some(self.first_attempt_at + Duration::from_millis(window))
    }

    /// The end for a row that will not be sent again.
    pub fn give_up(&self, in_doubt: bool) -> Next {
        match (self.class, in_doubt) {
            (DeliveryClass::State, _) if self.superseded => Next::Dropped,
            (_, false) => Next::Expired,
            (DeliveryClass::Once, true) => Next::NeedsDecision,
            (DeliveryClass::Reply, true) => Next::Unknown,
            (DeliveryClass::State | DeliveryClass::Hint, true) => Next::Dropped,
        }
    }

    /// Whether a row that waits may still be sent now, and what becomes of it if not. Asked before
    /// each attempt, since rows also wait for their lane and for permits.
    pub fn before_sending(&self, now: Timestamp) -> Option<Next> {
        let in_doubt = self.attempts > 0;
        let key_gone = in_doubt && self.class != DeliveryClass::State && self.key_end().is_some_and(|end| now > end);
        (now > self.deadline() || key_gone || self.superseded).then(|| self.give_up(in_doubt))
    }
}

/// What follows from the outcome of an attempt.
pub fn next<R: Rng + ?Sized>(case: &Case, outcome: &Outcome, now: Timestamp, rng: &mut R) -> Next {
    match outcome {
        Outcome::Sent(_) => Next::Sent,
        Outcome::Rejected { .. } => Next::Rejected,
        Outcome::RateLimited { after_ms, .. } => {
            let wait = after_ms.unwrap_or(BACK_OFF_FIRST_MS).min(86_400_000);
            retry(case, now + Duration::from_millis(wait))
        }
        Outcome::AuthExpired { .. } | Outcome::NotSent { .. } => retry(case, now + back_off(case.tries, rng)),
        Outcome::Unknown { .. } => unknown(case, now, rng),
    }
}

fn retry(case: &Case, at: Timestamp) -> Next {
    case.before_sending(at).unwrap_or(Next::RetryAt(at))
}

fn unknown<R: Rng + ?Sized>(case: &Case, now: Timestamp, rng: &mut R) -> Next {
    if case.superseded {
        return Next::Dropped;
    }
    let resend_at = match (case.class, case.key_end()) {
        (DeliveryClass::State, _) => now + back_off(case.tries, rng),
        (_, Some(end)) => {
            let at = now + back_off(case.tries, rng);
            if at > end {
                return case.give_up(true);
            }
            at
        }
        (DeliveryClass::Reply, None) => {
            let at = now + REPLY_RESEND_AFTER;
            if case.attempts > 0 || at.since(case.created_at) >= REPLY_RESEND_AGE {
                return Next::Unknown;
            }
            at
        }
        (DeliveryClass::Once, None) => return Next::NeedsDecision,
        (DeliveryClass::Hint, None) => return Next::Dropped,
    };
    if resend_at > case.deadline() {
        return case.give_up(true);
    }
    Next::ResendAt(resend_at)
}

/// Full jitter: evenly between the least wait and the bound, which doubles with each try.
fn back_off<R: Rng + ?Sized>(tries: u32, rng: &mut R) -> Duration {
    let bound = (BACK_OFF_FIRST_MS << tries.saturating_sub(1).min(6)).min(BACK_OFF_MOST_MS);
    Duration::from_millis(rng.random_range(BACK_OFF_LEAST_MS..=bound))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hutong_model::{LimitScope, Receipt};
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    const SECOND: i64 = 1_000;
    const MINUTE: i64 = 60 * SECOND;
    const HOUR: i64 = 60 * MINUTE;
    /// Fifty minutes, as the platform with an hour's key is configured.
    const KEY: Option<i64> = Some(50 * MINUTE);

    fn case(class: DeliveryClass, key_window_ms: Option<i64>) -> Case {
        Case {
            class,
            attempts: 0,
            tries: 1,
            first_attempt_at: Timestamp(0),
            key_window_ms,
            created_at: Timestamp(0),
            expires_at: None,
            superseded: false,
        }
    }
    fn unknown_outcome() -> Outcome {
        Outcome::Unknown { reason: "reset".into() }
    }
    fn not_sent() -> Outcome {
        Outcome::NotSent { reason: "dns".into() }
    }
    fn rng() -> StdRng {
        StdRng::seed_from_u64(1)
    }
    fn step(case: &Case, outcome: &Outcome, now: i64) -> Next {
        next(case, outcome, Timestamp(now), &mut rng())
    }

    #[test]
    fn what_the_platform_says_clearly_is_final() {
        for class in [
            DeliveryClass::Once,
            DeliveryClass::Reply,
            DeliveryClass::State,
            DeliveryClass::Hint,
        ] {
            let c = case(class, None);
            assert_eq!(step(&c, &Outcome::Sent(Receipt::default()), 1), Next::Sent);
            let rejected = Outcome::Rejected {
                code: "230002".into(),
                text: "not in chat".into(),
            };
            assert_eq!(step(&c, &rejected, 1), Next::Rejected);
        }
    }

    #[test]
    fn unknown_without_a_key_goes_by_class() {
        let now = 15 * SECOND;
        let by_class = |class| step(&case(class, None), &unknown_outcome(), now);
        assert_eq!(by_class(DeliveryClass::Once), Next::NeedsDecision);
        assert_eq!(by_class(DeliveryClass::Reply), Next::ResendAt(Timestamp(45 * SECOND)));
        assert!(matches!(by_class(DeliveryClass::State), Next::ResendAt(_)));
        assert_eq!(by_class(DeliveryClass::Hint), Next::Dropped);
    }

    #[test]
    fn a_reply_without_a_key_is_repeated_once_and_only_while_young() {
        let mut c = case(DeliveryClass::Reply, None);
        let last = 90 * SECOND - 1;
        assert_eq!(
            step(&c, &unknown_outcome(), last),
            Next::ResendAt(Timestamp(120 * SECOND - 1))
        );
        assert_eq!(step(&c, &unknown_outcome(), last + 1), Next::Unknown);
        c.attempts = 1;
        assert_eq!(step(&c, &unknown_outcome(), 50 * SECOND), Next::Unknown);
        // The second attempt did not leave: still the same second attempt.
        assert!(matches!(step(&c, &not_sent(), 50 * SECOND), Next::RetryAt(_)));
    }

    #[test]
    fn unknown_with_a_key_is_repeated_inside_the_window() {
        for class in [DeliveryClass::Once, DeliveryClass::Reply, DeliveryClass::Hint] {
            let c = case(class, KEY);
            assert!(
                matches!(step(&c, &unknown_outcome(), 15 * SECOND), Next::ResendAt(_)),
                "{class:?}"
            );
        }
        let mut c = case(DeliveryClass::Once, KEY);
        c.attempts = 3;
        assert!(matches!(step(&c, &unknown_outcome(), 49 * MINUTE), Next::ResendAt(_)));
        assert_eq!(step(&c, &unknown_outcome(), 50 * MINUTE), Next::NeedsDecision);
        assert_eq!(step(&c, &not_sent(), 50 * MINUTE), Next::NeedsDecision);
        assert_eq!(c.before_sending(Timestamp(50 * MINUTE)), None);
        assert_eq!(c.before_sending(Timestamp(50 * MINUTE + 1)), Some(Next::NeedsDecision));
        // A reply has lost its worth before the key's window ends, and a card is written again.
        let mut reply = case(DeliveryClass::Reply, KEY);
        reply.attempts = 1;
        assert_eq!(step(&reply, &unknown_outcome(), 10 * MINUTE), Next::Unknown);
        let mut state = case(DeliveryClass::State, KEY);
        state.attempts = 9;
        assert!(matches!(step(&state, &unknown_outcome(), 5 * HOUR), Next::ResendAt(_)));
        let mut hint = case(DeliveryClass::Hint, KEY);
        hint.attempts = 1;
        assert_eq!(step(&hint, &unknown_outcome(), 10 * MINUTE), Next::Dropped);
    }

    #[test]
    fn what_certainly_did_not_arrive_is_tried_until_it_is_worthless() {
        for (class, life) in [
            (DeliveryClass::Reply, 10 * MINUTE),
            (DeliveryClass::Once, 6 * HOUR),
            (DeliveryClass::State, 24 * HOUR),
            (DeliveryClass::Hint, 10 * MINUTE),
        ] {
            let mut c = case(class, None);
            c.tries = 1;
            assert!(
                matches!(step(&c, &not_sent(), life - 2 * SECOND), Next::RetryAt(_)),
                "{class:?}"
            );
            assert_eq!(step(&c, &not_sent(), life), Next::Expired, "{class:?}");
            assert_eq!(c.before_sending(Timestamp(life)), None);
            assert_eq!(c.before_sending(Timestamp(life + 1)), Some(Next::Expired));
            // The rule's own end, earlier or later.
            c.expires_at = Some(Timestamp(life / 2));
            assert_eq!(step(&c, &not_sent(), life / 2), Next::Expired);
            c.expires_at = Some(Timestamp(life * 2));
            assert!(matches!(step(&c, &not_sent(), life), Next::RetryAt(_)));
        }
        let auth = Outcome::AuthExpired {
            code: "99991663".into(),
            text: String::new(),
        };
        assert!(matches!(
            step(&case(DeliveryClass::Once, None), &auth, 0),
            Next::RetryAt(_)
        ));
    }

    #[test]
    fn a_rate_limit_waits_as_long_as_the_platform_says() {
        let limited = |after_ms| Outcome::RateLimited {
            code: "230020".into(),
            scope: LimitScope::Destination,
            after_ms,
        };
        let c = case(DeliveryClass::Once, None);
        assert_eq!(step(&c, &limited(Some(7_500)), 100), Next::RetryAt(Timestamp(7_600)));
        assert_eq!(step(&c, &limited(None), 100), Next::RetryAt(Timestamp(1_100)));
        assert_eq!(
            step(&case(DeliveryClass::Reply, None), &limited(Some(11 * 60_000)), 0),
            Next::Expired
        );
    }

    #[test]
    fn only_the_newest_version_of_a_card_is_repeated() {
        let mut c = case(DeliveryClass::State, None);
        c.superseded = true;
        assert_eq!(step(&c, &unknown_outcome(), 0), Next::Dropped);
        assert_eq!(step(&c, &not_sent(), 0), Next::Dropped);
        assert_eq!(c.before_sending(Timestamp(0)), Some(Next::Dropped));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// The promises that hold whatever happens.
        #[test]
        fn promises(
            class in 0usize..4,
            key in proptest::option::of(0i64..4 * HOUR),
            attempts in 0u32..6,
            tries in 1u32..200,
            created in 0i64..HOUR,
            first in 0i64..HOUR,
            now in 0i64..30 * HOUR,
            which in 0usize..4,
            seed in any::<u64>(),
        ) {
            let class = [DeliveryClass::Once, DeliveryClass::Reply, DeliveryClass::State, DeliveryClass::Hint][class];
            let c = Case {
                class,
                attempts,
                tries: tries.max(attempts + 1),
                first_attempt_at: Timestamp(created + first),
                key_window_ms: key,
                created_at: Timestamp(created),
                expires_at: None,
                superseded: false,
            };
            let now = Timestamp(created + first + now);
            let outcome = [
                unknown_outcome(),
                not_sent(),
                Outcome::AuthExpired { code: String::new(), text: String::new() },
                Outcome::RateLimited { code: String::new(), scope: LimitScope::App, after_ms: None },
            ][which].clone();
            let step = next(&c, &outcome, now, &mut StdRng::seed_from_u64(seed));
            match step {
                Next::ResendAt(t) | Next::RetryAt(t) => {
                    prop_assert!(t > now && t.since(now) <= Duration::from_secs(60));
                    prop_assert!(t <= c.deadline());
                    let in_doubt = attempts > 0 || matches!(step, Next::ResendAt(_));
                    if class == DeliveryClass::Once && in_doubt {
                        // Never blindly: only with a key, inside its window.
                        let end = c.key_end();
                        prop_assert!(matches!(step, Next::RetryAt(_)) && key.is_none() || end.is_some_and(|e| t <= e));
                    }
                }
                Next::Expired => prop_assert!(attempts == 0 && which != 0),
                Next::NeedsDecision => prop_assert_eq!(class, DeliveryClass::Once),
                Next::Unknown => prop_assert_eq!(class, DeliveryClass::Reply),
                Next::Dropped => prop_assert!(matches!(class, DeliveryClass::Hint | DeliveryClass::State)),
                Next::Sent | Next::Rejected => prop_assert!(false),
            }
        }
    }
}
