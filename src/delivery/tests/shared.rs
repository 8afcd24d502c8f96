//! Several processes on one outbox: together they keep what one alone would keep.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use hutong_model::{Clock as _, DeliveryClass, LimitRule, LimitScope, Prepared, Timestamp};
use proptest::prelude::*;

use super::fake::{Act, Bench, row};
use super::on_each_store;
use crate::delivery::limits::shared::{Shared, SharedRow, names};
use crate::delivery::limits::store as slots;
use crate::delivery::limits::{Caller, Limiter, Permit, Priority};
use crate::delivery::{Delivery, DeliveryMetrics, DeliveryOptions, LimiterConfig};
use crate::store::testing;

/// Calls in windows over a limit, judged from the platform's side.
fn over(calls: &[(Timestamp, Prepared)], rules: &[LimitRule]) -> usize {
    let mut bad = 0;
    for rule in rules {
        let mut places: HashMap<Option<&str>, Vec<i64>> = HashMap::new();
        for (t, call) in calls.iter().filter(|(_, c)| rule.api == "*" || c.api == rule.api) {
            let place = match rule.scope {
                LimitScope::Destination => call.to.as_deref(),
                _ => None,
            };
            places.entry(place).or_default().push(t.millis());
        }
        for times in places.values() {
            let window = usize::try_from(rule.count).unwrap();
            bad += times
                .windows(window + 1)
                .filter(|w| w[window] - w[0] < i64::try_from(rule.window_ms).unwrap())
                .count();
        }
    }
    bad
}

async fn pass_together(bench: &Bench, processes: &mut [Delivery; 3], end: Timestamp) {
    for round in 0.. {
        let [a, b, c] = processes;
        // At the very same time, and one right after the other.
        let (a, b, c) = match round % 2 {
            0 => tokio::join!(a.run_until_idle(), b.run_until_idle(), c.run_until_idle()),
            _ => (
                a.run_until_idle().await,
                b.run_until_idle().await,
                c.run_until_idle().await,
            ),
        };
        let next = [a.unwrap(), b.unwrap(), c.unwrap()].into_iter().flatten().min();
        match next.filter(|t| *t <= end) {
            Some(t) => bench.clock.set(t),
            None => return,
        }
    }
}

fn three(bench: &Bench, share_limits: bool) -> [Delivery; 3] {
    [1, 2, 3].map(|seed| {
        let options = DeliveryOptions {
            share_limits,
            ..DeliveryOptions::default()
        };
        bench.delivery_with(seed, options)
    })
}

fn rates() -> Vec<LimitRule> {
    vec![
        LimitRule::calls("*", LimitScope::App, 50, 1_000),
        LimitRule::calls("send", LimitScope::Destination, 5, 1_000),
    ]
}

#[tokio::test]
async fn three_processes_together_stay_below_every_limit_and_use_it() {
    on_each_store!(|db| {
        let bench = Bench::with_rates(&db.store, rates());
        // Lanes enough that the app's limit is what holds them back, then one that its own holds.
        let mut rows = Vec::new();
        for i in 0..360 {
            let lane = if i % 12 == 0 { 0 } else { i % 12 + (i / 12) % 2 * 20 };
            rows.push(row(&format!("r{i:04}"), &format!("oc_{lane}"), DeliveryClass::Once));
        }
        bench.insert(&rows).await;
        let mut processes = three(&bench, true);
        let begin = bench.clock.now();
        pass_together(&bench, &mut processes, begin + Duration::from_secs(600)).await;
        let calls = bench.platform.times();
        assert_eq!(calls.len(), 360);
        assert_eq!(over(&calls, &rates()), 0);
        let took = calls.iter().map(|(t, _)| t.since(begin)).max().unwrap();
        let used = 360.0 / (50.0 * took.as_secs_f64());
        assert!(used >= 0.75, "{used:.3} of the app's rate used in {took:?}");
        let worked: Vec<u64> = processes
            .iter()
            .map(|p| DeliveryMetrics::get(&p.metrics.attempts))
            .collect();
        eprintln!(
            "{}: {used:.3} of the allowed rate, calls per process {worked:?}",
            db.name
        );
        if db.name == "postgres" {
            assert!(worked.iter().filter(|n| **n > 0).count() >= 2, "{worked:?}");
        }
        // Nothing of it is kept once it says nothing any more.
        assert!(slots::prune(&db.store, bench.clock.now()).await.unwrap() == 0);
        bench.clock.advance(Duration::from_secs(120));
        assert!(slots::prune(&db.store, bench.clock.now()).await.unwrap() > 0);
        let left = db
            .store
            .query("SELECT COUNT(*) AS n FROM limiter_slot")
            .one()
            .await
            .unwrap();
        assert_eq!(left.get::<i64>("n").unwrap(), 0);
    });
}

/// The test above can fail: this is what it would see.
#[tokio::test]
async fn processes_that_do_not_share_go_over() {
    let db = testing::sqlite().await.unwrap();
    let bench = Bench::with_rates(&db.store, rates());
    let rows: Vec<_> = (0..90)
        .map(|i| row(&format!("r{i:04}"), &format!("oc_{i}"), DeliveryClass::Once))
        .collect();
    bench.insert(&rows).await;
    let mut processes = three(&bench, false);
    let end = bench.clock.now() + Duration::from_secs(60);
    pass_together(&bench, &mut processes, end).await;
    assert!(over(&bench.platform.times(), &rates()) > 0);
}

#[tokio::test]
async fn one_process_tells_the_others_to_rest() {
    on_each_store!(|db| {
        let bench = Bench::with_rates(&db.store, rates());
        bench.insert(&[row("a1", "oc_1", DeliveryClass::Once)]).await;
        bench.platform.script("a1", &[Act::RateLimited]);
        let [mut first, mut second, _] = three(&bench, true);
        first.run_until_idle().await.unwrap();
        // The second one has never been refused, and something else to send to the same chat.
        bench.clock.advance(Duration::from_millis(400));
        bench.insert(&[row("a2", "oc_1", DeliveryClass::Once)]).await;
        db.store
            .query("UPDATE outbox SET state = 'sent', done_at = 1 WHERE id = 'a1'")
            .execute()
            .await
            .unwrap();
        let next = second.run_until_idle().await.unwrap();
        assert_eq!(bench.platform.calls(), 1, "it rests as well");
        assert_eq!(next, Some(super::fake::START + Duration::from_secs(1)));
        bench.clock.advance(Duration::from_millis(600));
        second.run_until_idle().await.unwrap();
        assert_eq!(bench.platform.calls(), 2);
    });
}

#[tokio::test]
async fn the_use_of_a_limit_outlives_the_process() {
    on_each_store!(|db| {
        let rates = vec![LimitRule::calls("send", LimitScope::App, 20, 60_000)];
        let bench = Bench::with_rates(&db.store, rates.clone());
        let rows: Vec<_> = (0..8)
            .map(|i| row(&format!("r{i}"), &format!("oc_{i}"), DeliveryClass::Once))
            .collect();
        bench.insert(&rows).await;
        // A process that dies after every call.
        for seed in 0..8 {
            let options = DeliveryOptions {
                share_limits: true,
                ..DeliveryOptions::default()
            };
            let mut short_lived = bench.delivery_with(seed, options);
            while bench.platform.calls() as u64 == seed {
                if let Some(next) = short_lived.run_until_idle().await.unwrap() {
                    if bench.platform.calls() as u64 > seed {
                        break;
                    }
                    bench.clock.set(next);
                }
            }
        }
        let times = bench.platform.times();
        assert_eq!(times.len(), 8);
        let gaps: Vec<u128> = times.windows(2).map(|w| w[1].0.since(w[0].0).as_millis()).collect();
        assert!(gaps.iter().all(|gap| *gap == 3_750), "{gaps:?}");
    });
}

/// The table in memory, as the store would hold it.
fn write(table: &mut BTreeMap<String, SharedRow>, rows: BTreeMap<String, SharedRow>) {
    for (name, row) in rows {
        if table.get(&name).is_none_or(|old| old.idle_at <= row.idle_at) {
            table.insert(name, row);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Any limits, any arrivals, clocks that disagree by up to 100 ms, weights that need counting.
    #[test]
    fn no_window_is_over_with_three_limiters(
        limits in proptest::collection::vec((1u32..60, 800u64..5_000, 0usize..2), 1..4),
        gaps in proptest::collection::vec((0i64..120, 0usize..3, 0usize..3), 1..200),
        skews in proptest::array::uniform3(0i64..100),
    ) {
        let scopes = [LimitScope::App, LimitScope::Destination];
        let rules: Vec<LimitRule> = limits.iter().map(|(n, w, s)| LimitRule::calls("*", scopes[*s], *n, *w)).collect();
        let caller = Caller { app: "fs".into(), company: "feishu/main".into() };
        let mut limiters = [0; 3].map(|_| Limiter::new(LimiterConfig::default()));
        let mut table: BTreeMap<String, SharedRow> = BTreeMap::new();
        let mut calls = Vec::new();
        let mut real = 10_000_000i64;
        for (gap, who, to) in gaps {
            real += gap;
            let call = Prepared { api: "send".into(), to: Some(format!("oc_{to}")), weight: 1, request: String::new(), key_window_ms: None };
            let limiter = &mut limiters[who];
            for _ in 0..1000 {
                let now = Timestamp(real + skews[who]);
                let mut permit = limiter.permit(now, &caller, &rules, &call, Priority::Bulk);
                if permit == Permit::Now {
                    let (slots, pauses) = names(&caller, &rules, &call);
                    let shared: Shared = slots.into_iter().chain(pauses)
                        .map(|n| { let state = table.get(&n).map(|r| r.state.clone()); (n, state) })
                        .collect();
                    limiter.learn(now, &caller, &rules, &call, &shared);
                    permit = limiter.confirm(now, &caller, &rules, &call);
                }
                match permit {
                    Permit::Now => {
                        let mut rows = BTreeMap::new();
                        limiter.take_shared(now, &caller, &rules, &call, &mut rows);
                        write(&mut table, rows);
                        calls.push((Timestamp(real), call));
                        break;
                    }
                    Permit::At { at, .. } => real += at.since(now).as_millis() as i64,
                }
            }
        }
        prop_assert_eq!(over(&calls, &rules), 0);
    }
}
