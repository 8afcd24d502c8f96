use super::*;
use crate::inbox::InboxOptions;
use crate::store::testing;
use hutong_model::{Body, ManualClock, Timestamp};

fn app() -> AppId {
    AppId::new("bot").unwrap()
}

const NOW: Timestamp = Timestamp(1_795_500_000_000);

#[tokio::test]
async fn one_process_holds_the_lease_until_it_runs_out() {
    for t in testing::all().await.unwrap() {
        let store = &t.store;
        let take = async |holder: &str, at: Timestamp| lease::take(store, &app(), holder, at).await.unwrap();
        assert_eq!(take("a", NOW).await, Some(1), "{}", t.name);
        assert_eq!(take("b", NOW).await, None);
        assert_eq!(take("a", NOW + lease::TTL / 2).await, Some(1), "renewed");
        assert_eq!(take("b", NOW + lease::TTL).await, None, "by the renewal");
        assert_eq!(take("b", NOW + lease::TTL * 2).await, Some(2), "and a later term");
        assert_eq!(take("a", NOW + lease::TTL * 2).await, None, "the old holder learns it");
        // The old one cannot give back what it no longer has.
        let now = NOW + lease::TTL * 2;
        assert!(!lease::release(store, &app(), "a", 1, now).await.unwrap());
        assert!(
            !lease::release(store, &app(), "b", 1, now).await.unwrap(),
            "an older term of its own"
        );
        assert_eq!(take("a", now).await, None);
        assert!(lease::release(store, &app(), "b", 2, now).await.unwrap());
        assert_eq!(take("a", now).await, Some(3), "at once");
        let other = AppId::new("other").unwrap();
        assert_eq!(
            lease::take(store, &other, "b", now).await.unwrap(),
            Some(1),
            "each app has its own"
        );
        assert_eq!(lease::end_all(store, now).await.unwrap(), 2);
        assert_eq!(take("b", now).await, Some(4));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_that_ask_at_once_one_gets_it() {
    for t in testing::all().await.unwrap() {
        for round in 0..5 {
            let now = NOW + lease::TTL * (round * 2);
            let tasks: Vec<_> = (0..16)
                .map(|n| {
                    let store = t.store.clone();
                    tokio::spawn(async move {
                        lease::take(&store, &app(), &format!("h{round}-{n}"), now)
                            .await
                            .unwrap()
                    })
                })
                .collect();
            let mut terms = Vec::new();
            for task in tasks {
                terms.extend(task.await.unwrap());
            }
            assert_eq!(terms, [i64::from(round) + 1], "{}", t.name);
        }
    }
}

async fn host(store: &Store, clock: &ManualClock) -> (Host, Board) {
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    let inbox = Inbox::open(store.clone(), clock.clone(), InboxOptions::default())
        .await
        .unwrap();
    let board = Board::of([app()]);
    let host = Host {
        app: app(),
        figures: board.get(&app()).unwrap().clone(),
        store: store.clone(),
        inbox,
        clock,
        metrics: Arc::default(),
        effects: Arc::default(),
        holder: "h1".into(),
        term: AtomicI64::new(0),
    };
    (host, board)
}

fn event(key: &str) -> Incoming {
    Incoming {
        key: key.into(),
        lane: "chat:1".into(),
        occurred_at: NOW,
        body: Body::DirectoryScope,
    }
}

#[tokio::test]
async fn events_go_through_the_door_of_callbacks() {
    for t in testing::all().await.unwrap() {
        let clock = ManualClock::at(NOW);
        let (host, board) = host(&t.store, &clock).await;
        assert!(host.store(vec![event("m1")]).await);
        assert!(host.store(vec![event("m1")]).await, "a repeat is safe, too");
        let (waiting, ..) = crate::inbox::counts(&t.store).await.unwrap();
        assert_eq!(waiting, 1, "{}", t.name);
        let figures = board.get(&app()).unwrap();
        assert_eq!(figures.snapshot().last_event, Some(NOW));

        // What cannot be committed is not called stored.
        t.store
            .query("ALTER TABLE inbox RENAME TO away")
            .execute()
            .await
            .unwrap();
        assert!(!host.store(vec![event("m2")]).await);
        t.store
            .query("ALTER TABLE away RENAME TO inbox")
            .execute()
            .await
            .unwrap();
        assert!(host.store(vec![event("m2")]).await, "the repeat is");
        assert_eq!(figures.not_stored.load(Ordering::Relaxed), 1);
        assert_eq!(host.metrics.unavailable.load(Ordering::Relaxed), 1);

        host.rejected(Rejection::TooLarge);
        assert!(
            host.metrics.rejections().contains(&("too_large", 1)),
            "with those of callbacks"
        );
    }
}

#[tokio::test]
async fn the_lease_is_asked_for_renewed_and_given_back() {
    for t in testing::all().await.unwrap() {
        let clock = ManualClock::at(NOW);
        let (host, _) = host(&t.store, &clock).await;
        assert_eq!(host.hold().await, Hold::Held(lease::TTL), "{}", t.name);
        clock.advance(lease::TTL / 3);
        assert_eq!(host.hold().await, Hold::Held(lease::TTL));
        let other = async |at| lease::take(&t.store, &app(), "h2", at).await.unwrap();
        assert_eq!(other(clock.now()).await, None);
        host.release().await;
        assert_eq!(other(clock.now()).await, Some(2));
        assert_eq!(host.hold().await, Hold::Taken);
        t.store
            .query("ALTER TABLE link_lease RENAME TO away")
            .execute()
            .await
            .unwrap();
        assert_eq!(host.hold().await, Hold::Unknown);
        t.store
            .query("ALTER TABLE away RENAME TO link_lease")
            .execute()
            .await
            .unwrap();
    }
}
