//! Crashes, several processes, limits, and the loop that runs by itself.

use std::time::Duration;

use hutong_model::{Clock as _, DeliveryClass, LimitRule, LimitScope};
use tokio_util::sync::CancellationToken;

use super::super::*;
use super::fake::{Act, Bench, row};
use super::{MINUTE, SECOND, on_each_store};
use crate::store::testing;

/// A process that took rows, committed the claim, and died before or while it sent them.
async fn die_while_sending(bench: &Bench, seed: u64) {
    let mut delivery = bench.delivery(seed);
    let result = delivery.step(bench.clock.now()).await.unwrap();
    assert!(result.begun > 0 && result.in_flight > 0);
    tokio::task::yield_now().await;
    drop(delivery);
}

#[tokio::test]
async fn a_vanished_sender_is_an_unknown_outcome() {
    on_each_store!(|db| {
        let bench = Bench::new(&db.store);
        let mut keyed = row("keyed", "k", DeliveryClass::Once);
        keyed.prepared.key_window_ms = Some(50 * 60_000);
        let rows = [
            keyed,
            row("once", "o", DeliveryClass::Once),
            row("reply", "r", DeliveryClass::Reply),
            row("hint", "h", DeliveryClass::Hint),
        ];
        bench.insert(&rows).await;
        for r in &rows {
            bench.platform.script(&r.id, &[Act::ShowThenHang]);
        }
        die_while_sending(&bench, 1).await;
        for r in &rows {
            assert_eq!(
                bench.state(&r.id).await,
                "sending",
                "the claim was committed before the call"
            );
            assert_eq!(bench.attempts(&r.id).await, ["open"]);
        }
        let mut next = bench.delivery(2);
        let due = next.run_until_idle().await.unwrap();
        assert_eq!(
            due,
            Some(bench.clock.now() + MINUTE),
            "nothing happens before the lease ends"
        );
        assert_eq!(bench.platform.calls_of("keyed"), 1);
        bench.pass(&mut next, MINUTE).await;
        bench.pass(&mut next, 2 * MINUTE).await;
        assert_eq!(bench.state("keyed").await, "sent");
        assert_eq!(bench.state("once").await, "needs_decision");
        assert_eq!(bench.state("reply").await, "sent");
        assert_eq!(bench.state("hint").await, "dropped");
        let shown = bench.platform.shown();
        assert_eq!(shown.iter().filter(|s| *s == "keyed").count(), 1, "{shown:?}");
        assert_eq!(bench.attempts("keyed").await, ["unknown", "sent"]);
        assert_eq!(DeliveryMetrics::get(&next.metrics.abandoned), 4);
    });
}

#[tokio::test]
async fn a_late_result_does_not_count() {
    on_each_store!(|db| {
        let bench = Bench::new(&db.store);
        let mut r = row("f1", "c", DeliveryClass::State);
        r.tag = Some(serde_json::json!(1));
        bench.insert(&[r]).await;
        bench.platform.script("f1", &[Act::ShowThenHang]);
        let mut slow = bench.delivery(1);
        slow.step(bench.clock.now()).await.unwrap();
        tokio::task::yield_now().await;
        // Its own call, however long it takes, is nothing that it takes away from itself.
        bench.clock.advance(MINUTE + SECOND);
        slow.step(bench.clock.now()).await.unwrap();
        assert_eq!(bench.state("f1").await, "sending");
        // Another process does.
        let mut quick = bench.delivery(2);
        bench.pass(&mut quick, 10 * SECOND).await;
        assert_eq!(bench.state("f1").await, "sent");
        assert_eq!(bench.sink.told().len(), 1);
        let receipt = async || {
            let row = db
                .store
                .query("SELECT receipt, done_at FROM outbox WHERE id = 'f1'")
                .one()
                .await
                .unwrap();
            (
                row.get::<String>("receipt").unwrap(),
                row.get::<i64>("done_at").unwrap(),
            )
        };
        let before = receipt().await;
        while bench.platform.calls_of("f1") < 2 {
            tokio::task::yield_now().await;
        }
        bench.platform.let_go();
        slow.run_until_idle().await.unwrap();
        assert_eq!(DeliveryMetrics::get(&slow.metrics.late), 1);
        assert_eq!(receipt().await, before);
        assert_eq!(bench.attempts("f1").await, ["late_sent", "sent"]);
        assert_eq!(bench.sink.told().len(), 1, "the rule is told once");
    });
}

#[tokio::test]
async fn a_panicking_adapter_is_an_unknown_outcome() {
    on_each_store!(|db| {
        let bench = Bench::new(&db.store);
        bench
            .insert(&[row("q1", "c", DeliveryClass::Once), row("q2", "d", DeliveryClass::Once)])
            .await;
        bench.platform.script("q1", &[Act::Panic]);
        let mut delivery = bench.delivery(1);
        delivery.run_until_idle().await.unwrap();
        assert_eq!(
            (bench.state("q1").await, bench.state("q2").await),
            ("needs_decision".into(), "sent".into())
        );
    });
}

#[tokio::test]
async fn several_processes_send_each_row_once_and_in_order() {
    on_each_store!(|db| {
        let bench = Bench::new(&db.store);
        let mut rows = Vec::new();
        for i in 0..20 {
            for lane in 0..8 {
                rows.push(row(
                    &format!("l{lane}n{i:02}"),
                    &format!("lane{lane}"),
                    DeliveryClass::Once,
                ));
            }
        }
        bench.insert(&rows).await;
        let mut workers = Vec::new();
        for seed in 1..4 {
            let mut delivery = bench.delivery(seed);
            workers.push(tokio::spawn(async move {
                for _ in 0..200 {
                    delivery.run_until_idle().await.unwrap();
                    tokio::task::yield_now().await;
                }
            }));
        }
        for worker in workers {
            worker.await.unwrap();
        }
        let shown = bench.platform.shown();
        assert_eq!(shown.len(), rows.len());
        for lane in 0..8 {
            let prefix = format!("l{lane}n");
            let here: Vec<&String> = shown.iter().filter(|s| s.starts_with(&prefix)).collect();
            assert!(here.is_sorted(), "{here:?}");
            assert_eq!(here.len(), 20);
        }
        assert_eq!(bench.platform.most_at_once_in_a_lane(), 1);
    });
}

#[tokio::test]
async fn limits_hold_and_replies_pass_an_announcement() {
    on_each_store!(|db| {
        let rates = vec![
            LimitRule::calls("*", LimitScope::App, 50, 1_000),
            LimitRule::calls("send", LimitScope::Destination, 5, 1_000),
        ];
        let bench = Bench::with_rates(&db.store, rates);
        let rows: Vec<OutboxRow> = (0..160)
            .map(|i| row(&format!("b{i:03}"), &format!("u{i}"), DeliveryClass::Once))
            .collect();
        bench.insert(&rows).await;
        let mut delivery = bench.delivery(1);
        let began = bench.clock.now();
        bench.pass(&mut delivery, SECOND).await;
        bench.insert(&[row("answer", "asker", DeliveryClass::Reply)]).await;
        let asked = bench.clock.now();
        bench.pass(&mut delivery, 10 * SECOND).await;
        let times = bench.platform.times();
        assert_eq!(times.len(), 161);
        for (i, (t, _)) in times.iter().enumerate() {
            let in_window = times[..=i].iter().filter(|(o, _)| t.since(*o) < SECOND).count();
            assert!(in_window <= 50, "{in_window} calls in one second");
        }
        let answered = times.iter().find(|(_, p)| p.to.as_deref() == Some("asker")).unwrap().0;
        assert!(
            answered.since(asked) <= Duration::from_millis(300),
            "{:?}",
            answered.since(asked)
        );
        let took = times[160].0.since(began);
        assert!(
            took <= Duration::from_millis(4_300),
            "{took:?}: at least three quarters of the rate are used"
        );
        let commits = DeliveryMetrics::get(&delivery.metrics.commits);
        assert!(commits <= 330, "{commits} commits for 161 rows");
    });
}

#[tokio::test]
async fn results_and_claims_share_commits() {
    on_each_store!(|db| {
        let bench = Bench::new(&db.store);
        let rows: Vec<OutboxRow> = (0..320)
            .map(|i| row(&format!("n{i:03}"), &format!("u{i}"), DeliveryClass::Once))
            .collect();
        bench.insert(&rows).await;
        let mut delivery = bench.delivery(1);
        delivery.run_until_idle().await.unwrap();
        assert_eq!(bench.platform.shown().len(), 320);
        let commits = DeliveryMetrics::get(&delivery.metrics.commits);
        assert!(commits <= 160, "{commits} commits for 320 rows");
    });
}

#[tokio::test]
async fn the_loop_runs_by_itself_and_stops_in_order() {
    on_each_store!(|db| {
        let bench = Bench::new(&db.store);
        let cancel = CancellationToken::new();
        let running = tokio::spawn(bench.delivery(1).run(cancel.clone()));
        tokio::time::sleep(Duration::from_millis(20)).await;
        bench.insert(&[row("z1", "c", DeliveryClass::Once)]).await;
        bench.wake.notify_one();
        let until = std::time::Instant::now() + Duration::from_secs(10);
        while bench.state("z1").await != "sent" {
            assert!(std::time::Instant::now() < until, "the bell was not heard");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        // A call under way when the program stops is waited for and recorded.
        bench.platform.script("z2", &[Act::ShowThenHang]);
        bench.insert(&[row("z2", "c", DeliveryClass::Once)]).await;
        bench.wake.notify_one();
        while bench.platform.calls_of("z2") == 0 {
            assert!(std::time::Instant::now() < until);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        cancel.cancel();
        tokio::time::sleep(Duration::from_millis(20)).await;
        bench.insert(&[row("z3", "d", DeliveryClass::Once)]).await;
        bench.wake.notify_one();
        bench.platform.let_go();
        tokio::time::timeout(Duration::from_secs(10), running)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (bench.state("z2").await, bench.state("z3").await),
            ("sent".into(), "ready".into())
        );
    });
}

/// Random scripts, crashes at random moments, two processes: with a key everything is shown exactly
/// once; without one nothing of class `once` is shown twice, and nothing is left without an end or a
/// person to decide.
#[tokio::test]
async fn nothing_is_lost_and_nothing_doubled_under_crashes() {
    use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
    on_each_store!(|db| {
        let bench = Bench::new(&db.store);
        let mut rng = StdRng::seed_from_u64(20_261_124);
        let acts = [
            Act::NotSent,
            Act::Unknown,
            Act::AcceptThenCut,
            Act::RateLimited,
            Act::Panic,
            Act::ShowThenHang,
        ];
        let mut rows = Vec::new();
        for i in 0..120 {
            let keyed = i % 2 == 0;
            let mut r = row(&format!("c{i:03}"), &format!("lane{}", i % 10), DeliveryClass::Once);
            r.prepared.key_window_ms = keyed.then_some(5 * 3_600_000);
            for _ in 0..rng.random_range(0..3) {
                let act = acts[rng.random_range(0..if i < 60 { 6 } else { 4 })];
                bench.platform.script(&r.id, &[act]);
            }
            rows.push(r);
        }
        bench.insert(&rows).await;
        for seed in 0..40 {
            let mut delivery = bench.delivery(seed);
            for _ in 0..rng.random_range(1..6) {
                delivery.step(bench.clock.now()).await.unwrap();
                for _ in 0..rng.random_range(0..5) {
                    tokio::task::yield_now().await;
                }
                bench.clock.advance(Duration::from_millis(rng.random_range(0..4_000)));
            }
            drop(delivery);
            bench.clock.advance(Duration::from_secs(rng.random_range(0..90)));
        }
        bench.platform.clear_scripts();
        let mut last = bench.delivery(99);
        bench.pass(&mut last, 3_600 * SECOND).await;
        let shown = bench.platform.shown();
        for r in &rows {
            let times = shown.iter().filter(|s| **s == r.id).count();
            let state = bench.state(&r.id).await;
            if r.prepared.key_window_ms.is_some() {
                assert_eq!(
                    (times, state.as_str()),
                    (1, "sent"),
                    "{}: {:?}",
                    r.id,
                    bench.attempts(&r.id).await
                );
            } else {
                assert!(times <= 1, "{} was shown {times} times", r.id);
                assert!(state == "sent" || state == "needs_decision", "{}: {state}", r.id);
                assert!(times == 1 || state == "needs_decision", "{} is lost", r.id);
            }
        }
        let open = store::counts(&db.store, bench.clock.now()).await.unwrap();
        assert_eq!(open.of("ready") + open.of("sending"), 0, "{open:?}");
    });
}

#[tokio::test]
async fn near_the_end_of_a_monthly_quota_the_rest_is_for_what_matters() {
    on_each_store!(|db| {
        let bench = Bench::new(&db.store);
        let put = async |name: &str| {
            let rows = [
                ("o", DeliveryClass::Once),
                ("r", DeliveryClass::Reply),
                ("s", DeliveryClass::State),
                ("h", DeliveryClass::Hint),
            ]
            .map(|(class, of)| row(&format!("{name}{class}"), &format!("{name}{class}"), of));
            bench.insert(&rows).await
        };
        let month = |calls, used_up| {
            let mut month = bench.platform.month.lock().unwrap();
            (month.calls, month.limit, month.used_up) = (calls, Some(5_000), used_up);
        };
        let mut delivery = bench.delivery(1);
        month(3_999, false);
        put("a").await;
        delivery.run_until_idle().await.unwrap();
        month(4_000, false);
        put("b").await;
        delivery.run_until_idle().await.unwrap();
        month(4_100, true);
        put("c").await;
        delivery.run_until_idle().await.unwrap();
        for (id, state) in [
            ("ah", "sent"),
            ("bo", "sent"),
            ("br", "sent"),
            ("bs", "sent"),
            ("bh", "dropped"),
            // The platform itself decides about these: a package may have been bought.
            ("co", "sent"),
            ("cr", "sent"),
            ("cs", "ready"),
            ("ch", "dropped"),
        ] {
            assert_eq!(bench.state(id).await, state, "{id}");
        }
        month(4_100, false);
        delivery.run_until_idle().await.unwrap();
        assert_eq!(bench.state("cs").await, "sent");
    });
}
