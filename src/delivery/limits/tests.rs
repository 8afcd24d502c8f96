use super::*;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::collections::BTreeMap;

fn caller() -> Caller {
    Caller {
        app: "fs".into(),
        company: "feishu/main".into(),
    }
}
fn rule(api: &'static str, scope: LimitScope, count: u32, window_ms: u64) -> LimitRule {
    LimitRule::receivers(api, scope, count, window_ms)
}
fn call(api: &str, to: Option<&str>, weight: u32) -> Prepared {
    Prepared {
        api: api.into(),
        to: to.map(str::to_owned),
        weight,
        request: String::new(),
        key_window_ms: None,
    }
}
/// Beside a limit of receivers, the same calls are held by a limit of calls that their weight must
/// not use up.
#[test]
fn a_limit_of_calls_does_not_count_receivers() {
    let minute = 60_000;
    let calls = [LimitRule::calls("post", LimitScope::Company, 10_000, minute)];
    let people = [LimitRule::receivers("post", LimitScope::Company, 20_000, minute)];
    let wait = |rules: &[LimitRule]| {
        let mut limiter = limiter(1.0);
        let post = call("post", Some("g"), 500);
        assert_eq!(
            limiter.permit(Timestamp(0), &caller(), rules, &post, Priority::Bulk),
            Permit::Now
        );
        let next = limiter.permit(Timestamp(0), &caller(), rules, &post, Priority::Bulk);
        next.at().unwrap().millis()
    };
    assert_eq!(wait(&calls), 6);
    assert_eq!(wait(&people), 1_500);
}
fn limiter(share: f64) -> Limiter {
    Limiter::new(LimiterConfig { share, max_keys: 1000 })
}

/// What a platform does: remembers every call and counts each window that ends with one. It shares
/// nothing with the limiter.
#[derive(Default)]
struct Judge {
    log: BTreeMap<(usize, String), Vec<(i64, u64)>>,
}

impl Judge {
    fn saw(&mut self, now: Timestamp, rules: &[LimitRule], prepared: &Prepared) {
        for (i, r) in rules.iter().enumerate() {
            if r.api != "*" && r.api != prepared.api {
                continue;
            }
            let place = match (r.scope, &prepared.to) {
                (LimitScope::Destination, None) => continue,
                (LimitScope::Destination, Some(to)) => to.clone(),
                _ => String::new(),
            };
            let weight = if r.scope == LimitScope::Destination || r.counts == Counts::Calls {
                1
            } else {
                u64::from(prepared.weight)
            };
            self.log.entry((i, place)).or_default().push((now.millis(), weight));
        }
    }

    /// Windows over the limit, and the highest use of each rule in any of its windows.
    fn verdict(&self, rules: &[LimitRule]) -> (usize, BTreeMap<usize, u64>) {
        let mut over = 0;
        let mut highest = BTreeMap::new();
        for ((i, _), calls) in &self.log {
            let rule = &rules[*i];
            let (mut first, mut sum) = (0, 0);
            for (t, weight) in calls {
                sum += weight;
                while calls[first].0 + (rule.window_ms as i64) <= *t {
                    sum -= calls[first].1;
                    first += 1;
                }
                over += usize::from(sum > u64::from(rule.count));
                let top = highest.entry(*i).or_insert(0);
                *top = sum.max(*top);
            }
        }
        (over, highest)
    }
}

/// Feeds calls from a list of arrivals, in order per destination, asking whenever told to.
fn run(limiter: &mut Limiter, rules: &[LimitRule], mut calls: Vec<(Timestamp, Prepared)>) -> (Judge, Timestamp) {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;
    calls.sort_by_key(|(t, _)| *t);
    let mut queues: BTreeMap<Option<String>, VecDeque<(Timestamp, Prepared)>> = BTreeMap::new();
    for (t, c) in calls {
        queues.entry(c.to.clone()).or_default().push_back((t, c));
    }
    let mut heap = BinaryHeap::new();
    for (to, queue) in &queues {
        heap.push(Reverse((queue[0].0, to.clone())));
    }
    let mut judge = Judge::default();
    let mut end = Timestamp(0);
    while let Some(Reverse((now, to))) = heap.pop() {
        let queue = queues.get_mut(&to).unwrap();
        let prepared = queue[0].1.clone();
        match limiter.permit(now, &caller(), rules, &prepared, Priority::Bulk) {
            Permit::Now => {
                judge.saw(now, rules, &prepared);
                end = now;
                queue.pop_front();
                if let Some((arrival, _)) = queue.front() {
                    heap.push(Reverse((now.max(*arrival), to)));
                }
            }
            Permit::At { at: t, .. } => {
                assert!(t > now);
                heap.push(Reverse((t, to)));
            }
        }
    }
    (judge, end)
}

#[test]
fn spacing_holds_where_a_bucket_would_not() {
    // A greedy caller after idle time: a token bucket let 9 of 5 a second through, 39 of 20 a minute.
    for (count, window) in [(5, 1_000), (20, 60_000), (1, 1_000), (3, 1_000), (7, 1_000)] {
        let rules = [rule("send", LimitScope::App, count, window)];
        let mut limiter = limiter(1.0);
        let calls = (0..200)
            .map(|_| (Timestamp(3_600_000), call("send", None, 1)))
            .collect();
        let (judge, _) = run(&mut limiter, &rules, calls);
        let (over, highest) = judge.verdict(&rules);
        assert_eq!(over, 0, "{count} per {window}");
        assert_eq!(highest[&0], u64::from(count), "the full rate is used at share 1");
    }
}

#[test]
fn a_hundred_thousand_sends_stay_below_every_limit() {
    let rules = [
        rule("*", LimitScope::App, 50, 1_000),
        rule("send", LimitScope::App, 1_000, 60_000),
        rule("send", LimitScope::Destination, 5, 1_000),
        rule("post", LimitScope::Destination, 20, 60_000),
        rule("post", LimitScope::Company, 20_000, 60_000),
        rule("create", LimitScope::App, 1, 1_000),
    ];
    let mut total = 0;
    for seed in 0..5u64 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut limiter = Limiter::new(LimiterConfig::default());
        // Quiet hours and rushes: the time between arrivals differs widely.
        let mut t = 1_000_000i64;
        let mut calls = Vec::new();
        for i in 0..20_000 {
            let rush = (i / 500) % 2 == 0;
            t += if rush {
                rng.random_range(0..50)
            } else {
                rng.random_range(0..150)
            };
            let to = format!("oc_{}", rng.random_range(0..24));
            let (api, weight) = match rng.random_range(0..100) {
                0 => ("create", 1),
                1..30 => ("post", if rng.random_range(0..50) == 0 { 20 } else { 1 }),
                _ => ("send", 1),
            };
            calls.push((Timestamp(t), call(api, Some(&to), weight)));
        }
        total += calls.len();
        let (judge, _) = run(&mut limiter, &rules, calls);
        let (over, highest) = judge.verdict(&rules);
        assert_eq!(over, 0, "seed {seed}");
        for (rule, least) in [(0, 36), (2, 4), (3, 16), (5, 1)] {
            assert!(
                highest[&rule] >= least,
                "seed {seed}: limit {rule} was never reached: {highest:?}"
            );
        }
    }
    assert!(total >= 100_000);
}

#[test]
fn three_quarters_of_the_allowed_rate_are_used_when_there_is_enough_to_do() {
    for (rules, to, weights) in [
        (vec![rule("*", LimitScope::App, 50, 1_000)], 1, 1..2u32),
        (vec![rule("send", LimitScope::App, 1_000, 60_000)], 3, 1..2),
        (vec![rule("send", LimitScope::Destination, 5, 1_000)], 1, 1..2),
        (vec![rule("send", LimitScope::App, 20, 60_000)], 2, 1..2),
        (vec![rule("send", LimitScope::Company, 20_000, 60_000)], 2, 1..4_000),
        (
            vec![
                rule("send", LimitScope::App, 37, 999),
                rule("*", LimitScope::App, 3_000, 60_000),
            ],
            2,
            1..2,
        ),
    ] {
        let mut rng = StdRng::seed_from_u64(7);
        let mut limiter = Limiter::new(LimiterConfig::default());
        let mut sum = 0u64;
        let calls = (0..3_000)
            .map(|i| {
                let weight = rng.random_range(weights.clone());
                sum += u64::from(weight);
                (Timestamp(0), call("send", Some(&format!("oc_{}", i % to)), weight))
            })
            .collect();
        let (judge, end) = run(&mut limiter, &rules, calls);
        assert_eq!(judge.verdict(&rules).0, 0, "{rules:?}");
        let allowed = rules
            .iter()
            .map(|r| f64::from(r.count) * end.millis() as f64 / r.window_ms as f64)
            .fold(f64::MAX, f64::min);
        let used = sum as f64 / allowed;
        assert!(used >= 0.75, "{rules:?}: {used:.3} of the allowed rate used");
        assert!(used <= 0.85, "{rules:?}: {used:.3} of the allowed rate used");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any mix of limits, weights (also above the limit) and arrivals.
    #[test]
    fn no_window_is_ever_over(
        limits in proptest::collection::vec((1u32..200, 50u64..5_000, 0usize..3), 1..4),
        calls in proptest::collection::vec((0i64..200, 0usize..3, 1u32..300), 1..250),
        share in 0.5f64..=1.0,
    ) {
        let scopes = [LimitScope::App, LimitScope::Destination, LimitScope::Company];
        let rules: Vec<LimitRule> = limits.iter().map(|(n, w, s)| rule("*", scopes[*s], *n, *w)).collect();
        let smallest = rules.iter().map(|r| r.count).min().unwrap_or(1);
        let mut t = 0;
        let calls: Vec<(Timestamp, Prepared)> = calls
            .into_iter()
            .map(|(gap, to, weight)| {
                t += gap;
                (Timestamp(t), call("send", Some(&format!("u{to}")), weight.min(smallest)))
            })
            .collect();
        let n = calls.len();
        let mut limiter = limiter(share);
        let (judge, _) = run(&mut limiter, &rules, calls);
        let (over, _) = judge.verdict(&rules);
        prop_assert_eq!(over, 0);
        let seen: usize = judge.log.iter().filter(|((i, _), _)| *i == 0).map(|(_, l)| l.len()).sum();
        prop_assert_eq!(seen, n);
    }
}

#[test]
fn a_call_above_the_whole_limit_goes_alone() {
    let rules = [rule("send", LimitScope::App, 10, 1_000)];
    let mut limiter = limiter(1.0);
    let big = call("send", None, 25);
    assert_eq!(
        limiter.permit(Timestamp(0), &caller(), &rules, &call("send", None, 1), Priority::Bulk),
        Permit::Now
    );
    let at = limiter.permit(Timestamp(100), &caller(), &rules, &big, Priority::Bulk);
    assert_eq!(at.at(), Some(Timestamp(1_000)));
    assert_eq!(
        limiter.permit(Timestamp(1_000), &caller(), &rules, &big, Priority::Bulk),
        Permit::Now
    );
    let next = limiter.permit(
        Timestamp(1_001),
        &caller(),
        &rules,
        &call("send", None, 1),
        Priority::Bulk,
    );
    assert_eq!(next.at(), Some(Timestamp(3_500)), "and pays its full weight");
}

#[test]
fn all_limits_of_a_call_or_none() {
    let rules = [
        rule("*", LimitScope::App, 10, 1_000),
        rule("send", LimitScope::Destination, 1, 10_000),
    ];
    let mut limiter = limiter(1.0);
    let mut ask = |t: i64, to: &str| {
        limiter.permit(
            Timestamp(t),
            &caller(),
            &rules,
            &call("send", Some(to), 1),
            Priority::Bulk,
        )
    };
    assert_eq!(ask(0, "a"), Permit::Now);
    for t in [100, 200, 300] {
        let refused = Permit::At {
            at: Timestamp(10_000),
            everywhere: false,
        };
        assert_eq!(ask(t, "a"), refused);
    }
    assert_eq!(
        ask(300, "b"),
        Permit::Now,
        "the refused calls took nothing from the app's limit"
    );
    let refused = Permit::At {
        at: Timestamp(400),
        everywhere: true,
    };
    assert_eq!(ask(301, "c"), refused);
}

#[test]
fn replies_get_more_than_half_and_bulk_is_not_starved() {
    let rules = [rule("*", LimitScope::App, 50, 1_000)];
    let mut limiter = limiter(0.8);
    let (mut now, mut replies, mut bulk) = (Timestamp(0), 0u32, 0u32);
    // Both always have something to send. Bulk even asks first.
    while now < Timestamp(60_000) {
        let mut next = Timestamp(i64::MAX);
        for priority in [Priority::Bulk, Priority::Interactive] {
            match limiter.permit(now, &caller(), &rules, &call("send", None, 1), priority) {
                Permit::Now if priority == Priority::Bulk => bulk += 1,
                Permit::Now => replies += 1,
                Permit::At { at: t, .. } => next = next.min(t),
            }
        }
        now = next
            .min(now + Duration::from_millis(25))
            .max(now + Duration::from_millis(1));
    }
    let share = f64::from(replies) / f64::from(replies + bulk);
    assert!(share >= 0.5, "{replies} replies, {bulk} bulk");
    assert!(share <= 0.85, "{replies} replies, {bulk} bulk");
    assert!(replies + bulk >= 60 * 37, "{}", replies + bulk);

    // Alone, each gets everything.
    let mut limiter = super::Limiter::new(LimiterConfig::default());
    let mut n = 0;
    for t in 0..10_000 {
        n += u32::from(
            limiter.permit(Timestamp(t), &caller(), &rules, &call("send", None, 1), Priority::Bulk) == Permit::Now,
        );
    }
    assert!((399..=401).contains(&n), "{n}");
}

#[test]
fn a_reply_waits_shortly_beside_an_announcement() {
    let rules = [
        rule("*", LimitScope::App, 50, 1_000),
        rule("send", LimitScope::App, 1_000, 60_000),
    ];
    let mut limiter = Limiter::new(LimiterConfig::default());
    let mut rng = StdRng::seed_from_u64(3);
    let mut waiting: Option<Timestamp> = None;
    let (mut worst, mut answered) = (0, 0);
    for t in 0..300_000 {
        let now = Timestamp(t);
        if waiting.is_none() && rng.random_range(0..500) == 0 {
            waiting = Some(now);
        }
        if let Some(since) = waiting {
            let permit = limiter.permit(now, &caller(), &rules, &call("send", None, 1), Priority::Interactive);
            if permit == Permit::Now {
                worst = worst.max(now.since(since).as_millis());
                answered += 1;
                waiting = None;
            }
        }
        let _ = limiter.permit(now, &caller(), &rules, &call("send", None, 1), Priority::Bulk);
    }
    assert!(answered > 400, "{answered}");
    assert!(worst <= 300, "a reply waited {worst} ms");
}

#[test]
fn a_destination_rests_longer_each_time() {
    let rules = [rule("send", LimitScope::Destination, 5, 1_000)];
    let mut limiter = limiter(0.8);
    let c = call("send", Some("oc_1"), 1);
    let mut now = Timestamp(0);
    for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
        let until = limiter.rate_limited(now, &caller(), &rules, &c, LimitScope::Destination, None);
        assert_eq!(until, now + Duration::from_secs(seconds));
        let again = limiter.rate_limited(now, &caller(), &rules, &c, LimitScope::Destination, None);
        assert_eq!(again, until, "two refusals at once are one");
        assert_eq!(
            limiter.permit(now, &caller(), &rules, &c, Priority::Interactive),
            Permit::At {
                at: until,
                everywhere: false
            }
        );
        let other = call("send", Some("oc_2"), 1);
        assert_eq!(limiter.paused(now, &caller(), &other), None);
        now = until;
    }
    assert_eq!(
        limiter.permit(now, &caller(), &rules, &c, Priority::Interactive),
        Permit::Now
    );
    limiter.succeeded(now, &caller(), &c);
    let until = limiter.rate_limited(now, &caller(), &rules, &c, LimitScope::Destination, None);
    assert_eq!(until, now + Duration::from_secs(1));
}

#[test]
fn an_app_rests_by_the_unit_of_its_limit() {
    let rules = [
        rule("send", LimitScope::App, 20, 60_000),
        rule("send", LimitScope::App, 1_000, 86_400_000),
        rule("other", LimitScope::App, 1, 10),
    ];
    let mut limiter = limiter(0.8);
    let c = call("send", Some("oc_1"), 1);
    let t0 = Timestamp(0);
    let until = limiter.rate_limited(t0, &caller(), &rules, &c, LimitScope::App, None);
    assert_eq!(until, Timestamp(60_000));
    assert_eq!(
        limiter.paused(t0, &caller(), &call("send", Some("oc_2"), 1)),
        Some(until)
    );
    assert_eq!(limiter.paused(t0, &caller(), &call("other", None, 1)), None);
    // Refused again right after it: the longer limit it must have been; an hour at most.
    let until = limiter.rate_limited(until, &caller(), &rules, &c, LimitScope::App, None);
    assert_eq!(until, Timestamp(60_000 + 3_600_000));
    // The platform's own wish counts.
    let wish = limiter.rate_limited(until, &caller(), &rules, &c, LimitScope::App, Some(2_500));
    assert_eq!(wish, until + Duration::from_millis(2_500));
    // A company's pause holds its other apps too.
    limiter.rate_limited(t0, &caller(), &rules, &c, LimitScope::Company, Some(9_000));
    let sibling = Caller {
        app: "fs2".into(),
        company: "feishu/main".into(),
    };
    assert_eq!(limiter.paused(t0, &sibling, &c), Some(Timestamp(9_000)));
    limiter.resume(&Pause::Company("feishu/main".into()));
    assert_eq!(limiter.paused(t0, &sibling, &c), None);
    limiter.pause(Pause::App("fs2".into()), Timestamp(500));
    assert_eq!(limiter.paused(t0, &sibling, &c), Some(Timestamp(500)));
    assert_eq!(limiter.paused(Timestamp(500), &sibling, &c), None);
}

#[test]
fn memory_stays_bounded() {
    let rules = [rule("send", LimitScope::Destination, 5, 1_000)];
    let mut limiter = limiter(0.8);
    let mut refused = 0;
    for i in 0..20_000i64 {
        let c = call("send", Some(&format!("u{i}")), 1);
        // A new destination every two milliseconds; each is idle again after 1.1 s.
        if limiter.permit(Timestamp(2 * i), &caller(), &rules, &c, Priority::Bulk) != Permit::Now {
            refused += 1;
        }
        assert!(limiter.keys() <= 1_000);
    }
    assert_eq!(refused, 0);
    // More destinations at once than there is room for: the rest waits, nothing is forgotten early.
    let mut limiter = super::Limiter::new(LimiterConfig {
        share: 0.8,
        max_keys: 16,
    });
    let asked: Vec<Permit> = (0..20)
        .map(|i| {
            limiter.permit(
                Timestamp(0),
                &caller(),
                &rules,
                &call("send", Some(&format!("u{i}")), 1),
                Priority::Bulk,
            )
        })
        .collect();
    assert_eq!(asked.iter().filter(|p| **p == Permit::Now).count(), 16);
    assert_eq!(asked[16].at(), Some(Timestamp(1_000)));
}
