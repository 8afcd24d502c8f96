//! The loop against a scripted platform, on every database that can be had.

mod fake;
mod loops;
mod reconcile;
mod shared;

use std::time::Duration;

use hutong_model::{Clock as _, DeliveryClass};

use super::*;
use crate::store::testing;
use fake::{Act, Bench, row};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Runs a scenario on every database; says aloud which.
macro_rules! on_each_store {
    (|$store:ident| $body:expr) => {
        for $store in testing::all().await.unwrap() {
            eprintln!("on {}", $store.name);
            $body
        }
    };
}
use on_each_store;

#[tokio::test]
async fn a_row_is_sent_once_with_its_key_and_the_rule_is_told() {
    on_each_store!(|db| {
        let bench = Bench::new(&db.store);
        let mut r = row("a1", "chat1", DeliveryClass::Once);
        r.tag = Some(serde_json::json!({"issue": 7}));
        assert_eq!(bench.insert(&[r.clone()]).await, 1);
        assert_eq!(bench.insert(&[r]).await, 0, "the same effect again is nothing");
        let mut delivery = bench.delivery(1);
        delivery.run_until_idle().await.unwrap();
        assert_eq!(bench.platform.shown(), ["a1"]);
        assert_eq!(bench.state("a1").await, "sent");
        let told = bench.sink.told();
        assert_eq!(told.len(), 1);
        let hutong_model::Body::EffectDone {
            effect,
            ok,
            tag,
            receipt,
            ..
        } = &told[0]
        else {
            panic!("{told:?}")
        };
        assert_eq!((effect.as_str(), *ok), ("a1", true));
        assert_eq!(tag["issue"], 7);
        assert_eq!(receipt.message.as_ref().unwrap().as_str(), "m-a1");
        delivery.run_until_idle().await.unwrap();
        assert_eq!(bench.platform.calls(), 1);
    });
}

#[tokio::test]
async fn a_lane_keeps_its_order_and_lanes_do_not_wait_for_each_other() {
    on_each_store!(|db| {
        let bench = Bench::new(&db.store);
        let mut rows = Vec::new();
        for i in 0..30 {
            for lane in ["x", "y", "z"] {
                rows.push(row(&format!("{lane}{i:02}"), lane, DeliveryClass::Once));
            }
        }
        bench.insert(&rows).await;
        // The first of x is refused for a while: x waits, the others go on.
        bench.platform.script("x00", &[Act::NotSent, Act::NotSent]);
        let mut delivery = bench.delivery(1);
        delivery.run_until_idle().await.unwrap();
        assert!(bench.platform.shown().iter().all(|id| !id.starts_with('x')));
        assert_eq!(bench.platform.shown().len(), 60);
        bench.pass(&mut delivery, MINUTE).await;
        for lane in ["x", "y", "z"] {
            let shown: Vec<String> = bench
                .platform
                .shown()
                .into_iter()
                .filter(|id| id.starts_with(lane))
                .collect();
            let wanted: Vec<String> = (0..30).map(|i| format!("{lane}{i:02}")).collect();
            assert_eq!(shown, wanted);
        }
        assert_eq!(bench.platform.most_at_once_in_a_lane(), 1);
    });
}

#[tokio::test]
async fn calls_wait_for_the_replica_that_holds_the_connection() {
    on_each_store!(|db| {
        let bench = Bench::new(&db.store);
        let mut soon = row("soon", "chat2", DeliveryClass::Hint);
        soon.expires_at = Some(bench.clock.now() + MINUTE);
        bench.insert(&[row("a1", "chat1", DeliveryClass::Once), soon]).await;
        let mut delivery = bench.delivery(1);
        bench.platform.be_away(true);
        for _ in 0..20 {
            delivery.run_until_idle().await.unwrap();
        }
        assert_eq!(bench.platform.calls(), 0);
        assert_eq!(bench.state("a1").await, "ready");
        assert!(bench.attempts("a1").await.is_empty(), "no attempt is burnt");
        // What has lost its use in the meantime ends all the same.
        bench.clock.advance(2 * MINUTE);
        delivery.run_until_idle().await.unwrap();
        assert_eq!(
            (bench.state("soon").await.as_str(), bench.platform.calls()),
            ("expired", 0)
        );
        // The connection is here again.
        bench.platform.be_away(false);
        delivery.run_until_idle().await.unwrap();
        assert_eq!(bench.platform.shown(), ["a1"]);
        assert_eq!(bench.attempts("a1").await.len(), 1);
    });
}

#[tokio::test]
async fn an_unknown_outcome_goes_by_class_and_key() {
    on_each_store!(|db| {
        let bench = Bench::new(&db.store);
        let classes = [
            ("once", DeliveryClass::Once),
            ("reply", DeliveryClass::Reply),
            ("state", DeliveryClass::State),
            ("hint", DeliveryClass::Hint),
        ];
        for (name, class) in classes {
            bench
                .insert(&[row(&format!("{name}n"), &format!("{name}n"), class)])
                .await;
            let mut keyed = row(&format!("{name}k"), &format!("{name}k"), class);
            keyed.prepared.key_window_ms = Some(50 * 60_000);
            bench.insert(&[keyed]).await;
            // The platform shows the message and cuts the connection.
            bench.platform.script(&format!("{name}n"), &[Act::AcceptThenCut]);
            bench.platform.script(&format!("{name}k"), &[Act::AcceptThenCut]);
        }
        let mut delivery = bench.delivery(1);
        delivery.run_until_idle().await.unwrap();
        bench.pass(&mut delivery, 2 * MINUTE).await;
        for (id, state, calls) in [
            ("oncen", "needs_decision", 1),
            ("oncek", "sent", 2),
            ("replyn", "sent", 2),
            ("replyk", "sent", 2),
            ("staten", "sent", 2),
            ("statek", "sent", 2),
            ("hintn", "dropped", 1),
            ("hintk", "sent", 2),
        ] {
            assert_eq!(
                (bench.state(id).await.as_str(), bench.platform.calls_of(id)),
                (state, calls),
                "{id}"
            );
        }
        // With a key the platform shows it once; without, the classes that repeat accept a second one.
        for (id, times) in [
            ("oncen", 1),
            ("oncek", 1),
            ("replyk", 1),
            ("hintk", 1),
            ("replyn", 2),
            ("staten", 2),
        ] {
            assert_eq!(
                bench.platform.shown().iter().filter(|s| *s == id).count(),
                times,
                "{id}"
            );
        }
    });
}

#[tokio::test]
async fn a_row_that_waits_for_a_decision_stops_its_lane_for_a_minute() {
    on_each_store!(|db| {
        let bench = Bench::new(&db.store);
        bench
            .insert(&[row("p1", "c", DeliveryClass::Once), row("p2", "c", DeliveryClass::Once)])
            .await;
        bench.platform.script("p1", &[Act::Unknown]);
        let mut delivery = bench.delivery(1);
        let next = delivery.run_until_idle().await.unwrap();
        assert_eq!(bench.state("p2").await, "ready");
        assert_eq!(
            next,
            Some(bench.clock.now() + MINUTE),
            "the loop knows when to look again"
        );
        bench.pass(&mut delivery, MINUTE - SECOND).await;
        assert_eq!(bench.state("p2").await, "ready");
        bench.pass(&mut delivery, SECOND).await;
        assert_eq!(bench.state("p2").await, "sent");

        // The operators see it, with its text, and decide.
        let parked = store::parked(&db.store, 10).await.unwrap();
        assert_eq!(parked.len(), 1);
        assert_eq!(
            (parked[0].id.as_str(), parked[0].summary.as_str()),
            ("p1", "text of p1")
        );
        bench.clock.advance(7 * 60 * MINUTE);
        let mut tx = db.store.begin().await.unwrap();
        assert!(store::resend(&mut tx, "p1", bench.clock.now()).await.unwrap());
        assert!(
            !store::resend(&mut tx, "p2", bench.clock.now()).await.unwrap(),
            "sent rows are not resent"
        );
        tx.commit().await.unwrap();
        delivery.run_until_idle().await.unwrap();
        assert_eq!(bench.state("p1").await, "sent");
    });
}

#[tokio::test]
async fn operators_settle_or_abandon_what_is_in_doubt() {
    on_each_store!(|db| {
        let bench = Bench::new(&db.store);
        for id in ["s1", "s2"] {
            let mut r = row(id, id, DeliveryClass::Once);
            r.tag = Some(serde_json::Value::Null);
            bench.insert(&[r]).await;
            bench.platform.script(id, &[Act::Unknown]);
        }
        let mut delivery = bench.delivery(1);
        delivery.run_until_idle().await.unwrap();
        assert!(bench.sink.told().is_empty(), "not over yet");
        let mut tx = db.store.begin().await.unwrap();
        let now = bench.clock.now();
        assert!(store::settle(&mut tx, bench.sink.as_ref(), "s1", now).await.unwrap());
        assert!(!store::settle(&mut tx, bench.sink.as_ref(), "s1", now).await.unwrap());
        assert!(store::abandon(&mut tx, bench.sink.as_ref(), "s2", now).await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(
            (bench.state("s1").await, bench.state("s2").await),
            ("sent".into(), "dropped".into())
        );
        let told: Vec<(bool, Option<String>)> = bench
            .sink
            .told()
            .into_iter()
            .map(|b| match b {
                hutong_model::Body::EffectDone { ok, code, .. } => (ok, code),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(
            told,
            [(true, Some("settled".into())), (false, Some("abandoned".into()))]
        );
        bench.pass(&mut delivery, 60 * MINUTE).await;
        assert_eq!(bench.platform.calls(), 2);
    });
}

#[tokio::test]
async fn a_rate_limit_pauses_and_does_not_count() {
    on_each_store!(|db| {
        let bench = Bench::new(&db.store);
        bench
            .insert(&[row("r1", "c", DeliveryClass::Once), row("r2", "c", DeliveryClass::Once)])
            .await;
        bench.insert(&[row("other", "d", DeliveryClass::Once)]).await;
        bench.platform.script(
            "r1",
            &[Act::RateLimited, Act::RateLimited, Act::RateLimited, Act::Unknown],
        );
        let mut delivery = bench.delivery(1);
        let next = delivery.run_until_idle().await.unwrap();
        assert_eq!(next, Some(bench.clock.now() + SECOND));
        assert_eq!(bench.state("other").await, "sent", "only the destination rests");
        // 1 s, then 2 s, then 4 s.
        for (wait, calls) in [(1, 2), (1, 2), (1, 3), (3, 3), (1, 4)] {
            bench.pass(&mut delivery, wait * SECOND).await;
            assert_eq!(bench.platform.calls_of("r1"), calls);
        }
        // Its first attempt that may have arrived was the fourth, and it counts as the only one.
        assert_eq!(bench.state("r1").await, "needs_decision");
        let parked = store::parked(&db.store, 1).await.unwrap();
        assert_eq!(parked[0].attempts, 1);
        assert_eq!(parked[0].first_attempt_at, Some(bench.clock.now()));
        assert_eq!(DeliveryMetrics::get(&delivery.metrics.rate_limited), 3);
    });
}

#[tokio::test]
async fn a_refusal_is_final_and_its_rule_is_told_why() {
    on_each_store!(|db| {
        let bench = Bench::new(&db.store);
        let mut r = row("j1", "c", DeliveryClass::Once);
        r.tag = Some(serde_json::json!(1));
        bench.insert(&[r, row("j2", "c", DeliveryClass::Once)]).await;
        bench.platform.script("j1", &[Act::Rejected]);
        let mut delivery = bench.delivery(1);
        delivery.run_until_idle().await.unwrap();
        assert_eq!(
            (bench.state("j1").await, bench.state("j2").await),
            ("rejected".into(), "sent".into())
        );
        let told = bench.sink.told();
        assert!(
            matches!(&told[..], [hutong_model::Body::EffectDone { ok: false, code: Some(code), .. }] if code == "40035"),
            "{told:?}"
        );
    });
}

#[tokio::test]
async fn only_the_newest_version_of_a_card_is_sent() {
    on_each_store!(|db| {
        let bench = Bench::new(&db.store);
        let version = |id: &str, event: u8| {
            let mut r = row(id, "c", DeliveryClass::State);
            r.state_key = Some("vote:7".into());
            r.event = hutong_model::EventId::from_bytes([event; 16]);
            r
        };
        // One event may need two requests for one version.
        bench.insert(&[version("v1a", 1), version("v1b", 1)]).await;
        bench.insert(&[version("v2", 2)]).await;
        bench.insert(&[row("between", "c", DeliveryClass::Once)]).await;
        bench.insert(&[version("v3a", 3), version("v3b", 3)]).await;
        let mut delivery = bench.delivery(1);
        delivery.run_until_idle().await.unwrap();
        assert_eq!(bench.platform.shown(), ["between", "v3a", "v3b"]);
        assert_eq!(bench.state("v2").await, "dropped");

        // A version that is in doubt is not repeated once a newer one exists, and its rule is told.
        let mut v4 = version("v4", 4);
        v4.tag = Some(serde_json::json!(4));
        bench.insert(&[v4]).await;
        bench.platform.script("v4", &[Act::Unknown]);
        delivery.run_until_idle().await.unwrap();
        assert_eq!(bench.state("v4").await, "ready");
        bench.insert(&[version("v5", 5)]).await;
        bench.pass(&mut delivery, 2 * SECOND).await;
        assert_eq!(
            (bench.state("v4").await, bench.state("v5").await),
            ("dropped".into(), "sent".into())
        );
        assert_eq!(bench.platform.calls_of("v4"), 1);
        assert_eq!(bench.sink.told().len(), 1);
    });
}

#[tokio::test]
async fn a_reply_expires_and_the_lane_goes_on() {
    on_each_store!(|db| {
        let bench = Bench::new(&db.store);
        let mut r = row("e1", "c", DeliveryClass::Reply);
        r.tag = Some(serde_json::json!("late"));
        bench.insert(&[r, row("e2", "c", DeliveryClass::Once)]).await;
        bench.platform.script("e1", &[Act::NotSent; 200]);
        let mut delivery = bench.delivery(1);
        for _ in 0..9 {
            bench.pass(&mut delivery, MINUTE).await;
            assert_eq!(bench.state("e1").await, "ready");
        }
        bench.pass(&mut delivery, 2 * MINUTE).await;
        assert_eq!(
            (bench.state("e1").await, bench.state("e2").await),
            ("expired".into(), "sent".into())
        );
        let told = bench.sink.told();
        assert!(
            matches!(&told[..], [hutong_model::Body::EffectDone { ok: false, code: Some(code), .. }] if code == "expired"),
            "{told:?}"
        );
        // A rule's own end, and a row that may not leave before its time.
        let mut own = row("e3", "d", DeliveryClass::Once);
        own.not_before = Some(bench.clock.now() + 10 * SECOND);
        own.expires_at = Some(bench.clock.now() + 5 * SECOND);
        let mut waits = row("e4", "e", DeliveryClass::Once);
        waits.not_before = own.not_before;
        bench.insert(&[own, waits]).await;
        delivery.run_until_idle().await.unwrap();
        assert_eq!(bench.state("e4").await, "ready");
        bench.pass(&mut delivery, 10 * SECOND).await;
        assert_eq!(
            (bench.state("e3").await, bench.state("e4").await),
            ("expired".into(), "sent".into())
        );
        assert_eq!(bench.platform.calls_of("e3"), 0);
    });
}

#[tokio::test]
async fn the_switch_stops_everything_also_after_a_restart() {
    on_each_store!(|db| {
        let bench = Bench::new(&db.store);
        let switch = async |on: bool| {
            let mut tx = db.store.begin().await.unwrap();
            store::pause_all(&mut tx, on, bench.clock.now()).await.unwrap();
            tx.commit().await.unwrap();
        };
        switch(true).await;
        bench.insert(&[row("w1", "c", DeliveryClass::Once)]).await;
        bench.delivery(1).run_until_idle().await.unwrap();
        bench.delivery(2).run_until_idle().await.unwrap();
        assert_eq!(bench.platform.calls(), 0);
        let counts = store::counts(&db.store, bench.clock.now() + MINUTE).await.unwrap();
        assert_eq!(counts.of("ready"), 1);
        assert_eq!(counts.oldest_age(bench.clock.now() + MINUTE), MINUTE);
        switch(false).await;
        bench.delivery(3).run_until_idle().await.unwrap();
        assert_eq!(bench.state("w1").await, "sent");
    });
}

#[tokio::test]
async fn restored_rows_are_held_and_old_ones_pruned() {
    on_each_store!(|db| {
        let bench = Bench::new(&db.store);
        bench.insert(&[row("h1", "c", DeliveryClass::Once)]).await;
        bench.clock.advance(MINUTE);
        bench.insert(&[row("h2", "d", DeliveryClass::Once)]).await;
        let mut tx = db.store.begin().await.unwrap();
        assert_eq!(store::hold_older(&mut tx, bench.clock.now()).await.unwrap(), 1);
        tx.commit().await.unwrap();
        let mut delivery = bench.delivery(1);
        delivery.run_until_idle().await.unwrap();
        assert_eq!(
            (bench.state("h1").await, bench.state("h2").await),
            ("held".into(), "sent".into())
        );
        let keep = 7 * 24 * 60 * MINUTE;
        let later = bench.clock.now() + keep;
        assert_eq!(store::prune(&db.store, later, keep).await.unwrap(), 0);
        assert_eq!(store::prune(&db.store, later + SECOND, keep).await.unwrap(), 1);
        let left = db
            .store
            .query("SELECT COUNT(*) AS n FROM outbox_attempt")
            .one()
            .await
            .unwrap();
        assert_eq!(left.get::<i64>("n").unwrap(), 0);
        assert_eq!(bench.state("h1").await, "held", "what waits for a person is kept");
    });
}

#[tokio::test]
async fn rows_of_an_app_that_is_gone_expire() {
    on_each_store!(|db| {
        let bench = Bench::new(&db.store);
        let mut r = row("g1", "c", DeliveryClass::Reply);
        r.app = hutong_model::AppId::new("gone").unwrap();
        bench.insert(&[r]).await;
        let mut delivery = bench.delivery(1);
        bench.pass(&mut delivery, 12 * MINUTE).await;
        assert_eq!(bench.state("g1").await, "expired");
    });
}

/// Three parts of one effect that its rule wants to hear of.
fn parts(action: hutong_model::ActionKind) -> Vec<OutboxRow> {
    (0..3)
        .map(|part| OutboxRow {
            part,
            action,
            tag: Some(serde_json::json!({"n": 1})),
            ..row(
                &format!("{}{part}", action.as_str()),
                action.as_str(),
                DeliveryClass::Once,
            )
        })
        .collect()
}

#[tokio::test]
async fn the_parts_of_an_effect_are_told_once_and_a_broken_message_ends() {
    use hutong_model::{ActionKind, Body};
    on_each_store!(|db| {
        let bench = Bench::new(&db.store);
        for action in [ActionKind::Send, ActionKind::AddMembers, ActionKind::Reply] {
            bench.insert(&parts(action)).await;
        }
        bench.platform.script("send1", &[Act::Rejected]);
        bench.platform.script("add_members0", &[Act::Rejected]);
        let mut delivery = bench.delivery(1);
        delivery.run_until_idle().await.unwrap();
        let mut shown = bench.platform.shown();
        shown.sort();
        assert_eq!(
            shown,
            ["add_members1", "add_members2", "reply0", "reply1", "reply2", "send0"]
        );
        assert_eq!(bench.state("send2").await, "dropped");
        let mut told: Vec<(String, bool, Option<String>)> = bench
            .sink
            .told()
            .into_iter()
            .map(|body| match body {
                Body::EffectDone { effect, ok, code, .. } => (effect, ok, code),
                other => panic!("{other:?}"),
            })
            .collect();
        told.sort();
        let refused = Some("40035".to_owned());
        assert_eq!(
            told,
            [
                ("add_members0".to_owned(), false, refused.clone()),
                ("reply0".to_owned(), true, None),
                ("send0".to_owned(), false, refused),
            ]
        );
    });
}
