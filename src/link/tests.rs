use std::time::Duration;

use axum::Router;
use axum::extract::ws::{Message as Wire, WebSocketUpgrade};
use axum::routing::any;
use hutong_model::{Body, Endpoint, Frame, LinkSession, LinkSpec, ManualClock, OpenError, Secret, Step, Timestamp};
use hutong_simkit::ladder::Answer;
use hutong_simkit::server::Bound;
use hutong_simkit::sockets::{Hub, Reply, SocketHandle, SocketProtocol};

use super::*;
use crate::inbox::InboxOptions;
use crate::store::testing;
use crate::trace::Trace;

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
        lane: 0,
        figures: board.get(&app()).unwrap().clone(),
        store: store.clone(),
        inbox,
        clock,
        metrics: Arc::default(),
        effects: Arc::default(),
        trace: Trace::default(),
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

/// Of which only one may live. Every text frame is an event; it is acknowledged with its text.
struct OnlyOne(String);

impl Link for OnlyOne {
    fn spec(&self) -> LinkSpec {
        LinkSpec {
            name: "only_one",
            exclusive: true,
            hosts: Vec::new(),
            loopback: true,
            quiet_ms: 70_000,
            rotate_ms: 0,
            max_frame: 1 << 16,
        }
    }
    fn open<'a>(&'a self) -> BoxFuture<'a, Result<Endpoint, OpenError>> {
        Box::pin(async {
            Ok(Endpoint {
                url: Secret::new(self.0.clone()),
                headers: Vec::new(),
            })
        })
    }
    fn session(&self, _: Timestamp) -> Box<dyn LinkSession> {
        Box::new(Echo(Vec::new()))
    }
}

struct Echo(Vec<String>);

impl LinkSession for Echo {
    fn opened(&mut self, _: Timestamp) -> Vec<Step> {
        vec![Step::Ready]
    }
    fn received(&mut self, frame: Frame, _: Timestamp) -> Vec<Step> {
        let Frame::Text(key) = frame else { return Vec::new() };
        let step = Step::Store {
            receipt: self.0.len() as u64,
            events: vec![event(&key)],
        };
        self.0.push(key);
        vec![step]
    }
    fn stored(&mut self, receipt: u64, stored: bool, _: Timestamp) -> Vec<Step> {
        let key = self.0[receipt as usize].clone();
        stored.then_some(Step::Send(Frame::Text(key))).into_iter().collect()
    }
    fn next_tick(&self) -> Option<Timestamp> {
        None
    }
    fn tick(&mut self, _: Timestamp) -> Vec<Step> {
        Vec::new()
    }
}

struct Server;

impl SocketProtocol for Server {
    fn frame(&mut self, _: &SocketHandle, message: Wire) -> Vec<Reply> {
        let Wire::Text(key) = message else { return Vec::new() };
        vec![Reply::Acked {
            key: key.to_string(),
            answer: Answer {
                status: 200,
                body: Vec::new(),
            },
        }]
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_replicas_one_is_connected_and_the_other_follows() {
    for t in testing::all().await.unwrap() {
        let bound = Bound::bind(0).await.unwrap();
        let hub = Hub::new(1, bound.stop_token());
        let h = hub.clone();
        let router = Router::new().route(
            "/ws",
            any(move |ws: WebSocketUpgrade| async move {
                ws.on_upgrade(move |socket| async move { h.serve("bot", socket, Server).await })
            }),
        );
        let served = bound.serve(router);
        let clock = ManualClock::at(NOW);
        let replica = async |holder: &str| {
            let (host, board) = host(&t.store, &clock).await;
            let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
            let links = Links {
                links: vec![(app(), Arc::new(OnlyOne(format!("ws://{}/ws", served.addr()))))],
                board: board.clone(),
                store: t.store.clone(),
                inbox: host.inbox.clone(),
                clock: Arc::new(clock.clone()),
                metrics: Arc::default(),
                effects: Arc::default(),
                holder: holder.into(),
                seed: 1,
                options: Options {
                    standby: Duration::from_millis(100),
                    ..Options::default()
                },
                trace: Trace::default(),
            };
            links.start(&tasks, &cancel);
            tasks.close();
            (board, tasks, cancel)
        };
        let standing = |board: &Board| board.get(&app()).unwrap().snapshot().standing.as_str();
        let limit = Duration::from_secs(10);
        let (a, a_tasks, a_cancel) = replica("a").await;
        assert!(hub.wait_live("bot", 1, limit).await, "{}", t.name);
        let (b, b_tasks, b_cancel) = replica("b").await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!((standing(&a), standing(&b)), ("ready", "standby"), "{}", t.name);
        assert_eq!(hub.opened(), 1, "it did not even try");
        let push = async |key: &str| {
            let frame = vec![Wire::text(key)];
            hub.carry("bot", limit, |_| (frame, key.to_owned())).await.unwrap()
        };
        assert!(push("m1").await.is_ok());
        // The holder stops: the other one need not wait for the lease to run out.
        a_cancel.cancel();
        a_tasks.wait().await;
        assert!(hub.wait_live("bot", 1, limit).await, "{}", t.name);
        // The platform knows of the connection a moment before we do.
        for _ in 0..500 {
            if standing(&b) == "ready" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!((standing(&a), standing(&b)), ("stopped", "ready"), "{}", t.name);
        assert!(push("m2").await.is_ok());
        let (waiting, ..) = crate::inbox::counts(&t.store).await.unwrap();
        assert_eq!(waiting, 2, "{}", t.name);
        b_cancel.cancel();
        b_tasks.wait().await;
        let row = t
            .store
            .query("SELECT term, holder FROM link_lease")
            .one()
            .await
            .unwrap();
        assert_eq!(
            (row.get::<i64>("term").unwrap(), row.get::<String>("holder").unwrap()),
            (2, "b".into())
        );
        served.stop().await;
    }
}
