//! Messages in doubt are settled by reading the chat: none is lost, none is there twice.

use std::time::Duration;

use hutong_model::{Clock as _, DeliveryClass, Timestamp};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::fake::{Act, Bench, row};
use super::on_each_store;
use crate::delivery::Delivery;
use crate::delivery::reconcile::Reconciler;
use crate::store::testing;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

async fn pass(bench: &Bench, delivery: &mut Delivery, reconcilers: &[Reconciler], end: Timestamp) {
    loop {
        let mut next = delivery.run_until_idle().await.unwrap();
        let mut changed = false;
        for reconciler in reconcilers {
            let looked = reconciler.look(bench.clock.now()).await.unwrap();
            changed |= looked.changed();
            next = [next, looked.next_at].into_iter().flatten().min();
        }
        if changed {
            continue;
        }
        match next.filter(|t| *t <= end) {
            Some(t) => bench.clock.set(t),
            // What could not be decided is looked at again by the minute.
            None if bench.clock.now() + MINUTE <= end => bench.clock.advance(MINUTE),
            None => return,
        }
    }
}

#[tokio::test]
async fn with_lost_answers_nothing_is_doubled_and_nothing_is_lost() {
    on_each_store!(|db| {
        let bench = Bench::new(&db.store);
        let mut rng = StdRng::seed_from_u64(11);
        let (mut cut, mut gone) = (0, 0);
        let mut rows = Vec::new();
        for i in 0..80 {
            let id = format!("r{i:02}");
            rows.push(row(&id, &format!("oc_{}", i % 5), DeliveryClass::Once));
            // The platform posts it and the answer is lost; or the request itself.
            match rng.random_range(0..3) {
                0 => {
                    cut += 1;
                    bench.platform.script(&id, &[Act::AcceptThenCut]);
                }
                1 => {
                    gone += 1;
                    bench.platform.script(&id, &[Act::Unknown]);
                }
                _ => {}
            }
        }
        bench.insert(&rows).await;
        let mut delivery = bench.delivery(1);
        // Two processes look.
        let reconcilers = [bench.reconciler(), bench.reconciler()];
        let end = bench.clock.now() + 120 * MINUTE;
        pass(&bench, &mut delivery, &reconcilers, end).await;
        let mut shown = bench.platform.shown();
        assert!(cut > 15 && gone > 15);
        shown.sort();
        let wanted: Vec<String> = (0..80).map(|i| format!("r{i:02}")).collect();
        let doubts = db
            .store
            .query("SELECT id, lane, state, absent_at FROM outbox WHERE state <> 'sent' ORDER BY seq")
            .all()
            .await
            .unwrap();
        for d in &doubts {
            eprintln!(
                "{} {} {} {:?}",
                d.get::<String>("id").unwrap(),
                d.get::<String>("lane").unwrap(),
                d.get::<String>("state").unwrap(),
                d.get::<Option<i64>>("absent_at").unwrap()
            );
        }
        assert_eq!(shown, wanted, "{}: each of them once", db.name);
        for id in wanted {
            assert_eq!(bench.state(&id).await, "sent", "{id}");
        }
        let found = db
            .store
            .query("SELECT COUNT(*) AS n FROM outbox WHERE code = 'reconciled'")
            .one()
            .await
            .unwrap();
        assert_eq!(found.get::<i64>("n").unwrap(), cut);
    });
}

#[tokio::test]
async fn a_message_is_resent_only_after_two_looks_and_while_it_is_worth_it() {
    on_each_store!(|db| {
        let bench = Bench::new(&db.store);
        bench.platform.script("a", &[Act::Unknown]);
        bench.platform.script("b", &[Act::Unknown]);
        let mut short = row("b", "oc_2", DeliveryClass::Once);
        short.expires_at = Some(bench.clock.now() + 70 * SECOND);
        bench.insert(&[row("a", "oc_1", DeliveryClass::Once), short]).await;
        let mut delivery = bench.delivery(1);
        let reconciler = [bench.reconciler()];
        let begin = bench.clock.now();
        pass(&bench, &mut delivery, &reconciler, begin + 74 * SECOND).await;
        assert_eq!(
            (bench.state("a").await.as_str(), bench.platform.calls()),
            ("needs_decision", 2)
        );
        pass(&bench, &mut delivery, &reconciler, begin + 76 * SECOND).await;
        assert_eq!(
            (bench.state("a").await.as_str(), bench.platform.calls_of("a")),
            ("sent", 2)
        );
        assert_eq!(
            (bench.state("b").await.as_str(), bench.platform.calls_of("b")),
            ("dropped", 1)
        );
        assert_eq!(bench.platform.shown(), ["a"]);
    });
}

#[tokio::test]
async fn what_is_not_plain_stays_a_decision() {
    let db = testing::sqlite().await.unwrap();
    let bench = Bench::new(&db.store);
    // Two of one chat in doubt within a minute: which of them is the one that is there?
    for (id, act) in [("x", Act::AcceptThenCut), ("y", Act::Unknown)] {
        bench.platform.script(id, &[act]);
    }
    bench.insert(&[row("x", "oc_1", DeliveryClass::Once)]).await;
    let mut delivery = bench.delivery(1);
    delivery.run_until_idle().await.unwrap();
    db.store
        .query("UPDATE outbox SET hold_until = 0")
        .execute()
        .await
        .unwrap();
    bench.insert(&[row("y", "oc_1", DeliveryClass::Once)]).await;
    delivery.run_until_idle().await.unwrap();
    let reconciler = [bench.reconciler()];
    let end = bench.clock.now() + 30 * MINUTE;
    pass(&bench, &mut delivery, &reconciler, end).await;
    assert_eq!(
        (bench.state("x").await, bench.state("y").await),
        ("needs_decision".into(), "needs_decision".into())
    );
    // Where a chat cannot be read, a person decides, too.
    bench
        .platform
        .readable
        .store(false, std::sync::atomic::Ordering::SeqCst);
    bench.platform.script("z", &[Act::Unknown]);
    bench.insert(&[row("z", "oc_9", DeliveryClass::Once)]).await;
    pass(&bench, &mut delivery, &[bench.reconciler()], end + 30 * MINUTE).await;
    assert_eq!(
        (bench.state("z").await.as_str(), bench.platform.calls_of("z")),
        ("needs_decision", 1)
    );
}
