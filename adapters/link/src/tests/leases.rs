//! Connections of which only one may live: lease, eviction, two replicas.

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn exclusive() -> LinkSpec {
    LinkSpec {
        exclusive: true,
        ..spec()
    }
}

struct Replica {
    running: Running,
    world: Arc<World>,
    outage: Arc<Mutex<Outage>>,
}

fn replica(number: u8, lease: &Arc<Mutex<Lease>>) -> Replica {
    let world = World::new(exclusive());
    let outage = Arc::new(Mutex::new(Outage::No));
    let host = Arc::new(Program {
        world: world.clone(),
        lease: Some((number, lease.clone(), outage.clone())),
    });
    let options = Options {
        seed: u64::from(number),
        ..Options::default()
    };
    Replica {
        running: world.start_with(host, options),
        world,
        outage,
    }
}

fn live(replica: &Replica) -> usize {
    replica.world.state().live.len()
}

#[tokio::test(start_paused = true)]
async fn one_of_two_connects_and_the_other_takes_over() {
    let lease = Arc::new(Mutex::new(Lease::default()));
    let a = replica(1, &lease);
    a.world.until("ready", MINUTE, |w| w.ready() == 1).await;
    let b = replica(2, &lease);
    sleep(Duration::from_secs(3600)).await;
    assert_eq!((live(&a), live(&b)), (1, 0));
    assert!(
        b.world.state().asked.is_empty(),
        "it has not even asked for an endpoint"
    );
    assert_eq!(b.world.count(|n| *n == LinkNote::Standby), 1, "said once");
    assert_eq!(lease.lock().unwrap().terms, 1, "renewed, not taken again");
    // The connection breaks: the holder keeps the lease and connects again.
    a.world.newest().tell(Do::Cut);
    a.world.until("again", MINUTE, |w| w.ready() == 2).await;
    assert_eq!((live(&a), live(&b)), (1, 0));
    // It stops in good order: the other one need not wait for the lease to run out.
    let begin = Instant::now();
    a.running.stop().await;
    b.world.until("taken over", MINUTE, |w| w.ready() == 1).await;
    assert!(begin.elapsed() < Duration::from_secs(12), "{:?}", begin.elapsed());
    assert_eq!(lease.lock().unwrap().released, 1);
    b.running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_cannot_renew_ends_before_another_begins() {
    for outage in [Outage::Unknown, Outage::Hangs] {
        let lease = Arc::new(Mutex::new(Lease::default()));
        let a = replica(1, &lease);
        a.world.until("ready", MINUTE, |w| w.ready() == 1).await;
        let b = replica(2, &lease);
        sleep(10 * MINUTE).await;
        // A short outage of the store is no reason to end a connection.
        *a.outage.lock().unwrap() = outage;
        sleep(Duration::from_secs(8)).await;
        *a.outage.lock().unwrap() = Outage::No;
        sleep(MINUTE).await;
        assert_eq!((live(&a), a.world.ready()), (1, 1), "{outage:?}");
        // A long one is.
        *a.outage.lock().unwrap() = outage;
        let begin = Instant::now();
        loop {
            assert!(live(&a) + live(&b) <= 1, "{outage:?}: two at the same time");
            if b.world.ready() == 1 {
                break;
            }
            assert!(begin.elapsed() < Duration::from_secs(50), "{outage:?}");
            sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(a.world.count(|n| *n == LinkNote::LeaseLost), 1);
        *a.outage.lock().unwrap() = Outage::No;
        sleep(10 * MINUTE).await;
        assert_eq!((live(&a), live(&b)), (0, 1), "no fight afterwards");
        assert!(a.world.state().lies.is_empty());
        a.running.stop().await;
        b.running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_eviction_is_reported_and_not_fought() {
    let lease = Arc::new(Mutex::new(Lease::default()));
    let a = replica(1, &lease);
    a.world.until("ready", MINUTE, |w| w.ready() == 1).await;
    let b = replica(2, &lease);
    for round in 1..=3 {
        sleep(Duration::from_secs(90)).await;
        let asked = a.world.state().asked.len();
        a.world.newest().say("evict");
        a.world
            .until("reported", MINUTE, |w| {
                w.count(|n| matches!(n, LinkNote::Evicted { .. })) == round
            })
            .await;
        sleep(Duration::from_secs(299)).await;
        assert_eq!(a.world.state().asked.len(), asked, "a long pause");
        assert!(b.world.state().asked.is_empty(), "and our other replica pauses, too");
        a.world
            .until("again", Duration::from_secs(20), |w| w.ready() == round + 1)
            .await;
    }
    assert_eq!(lease.lock().unwrap().terms, 1);
    a.running.stop().await;
    b.running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_exclusive_connection_ends_before_the_next_one_is_opened() {
    let world = World::new(LinkSpec {
        rotate_ms: 3_600_000,
        ..exclusive()
    });
    let running = world.start(Options::default());
    world.until("ready", MINUTE, |w| w.ready() == 1).await;
    sleep(Duration::from_secs(7200)).await;
    world.newest().say("bye 10000");
    let ready = world.ready();
    world.until("next", MINUTE, |w| w.ready() == ready + 1).await;
    assert!(ready >= 2);
    assert_eq!(world.state().most_live, 1);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_zombie_of_which_only_one_may_live_is_replaced_within_two_hours() {
    let (mut gaps, mut deaf) = (Vec::new(), Vec::new());
    for seed in 0..20 {
        let world = World::new(LinkSpec {
            rotate_ms: 2 * 3_600_000,
            ..exclusive()
        });
        let running = world.start(Options {
            seed,
            ..Options::default()
        });
        world.until("ready", MINUTE, |w| w.ready() == 1).await;
        // From now on it answers pings, and nothing else comes.
        let begin = Instant::now();
        world
            .until("replaced", Duration::from_secs(7_300), |w| w.ready() == 2)
            .await;
        deaf.push(begin.elapsed());
        let ended = world.notes().iter().find(|(_, n)| *n == LinkNote::Rotating).unwrap().0;
        let ready = world
            .notes()
            .iter()
            .rfind(|(_, n)| matches!(n, LinkNote::Ready { .. }))
            .unwrap()
            .0;
        gaps.push(ready - ended);
        world.newest().say("event after");
        world
            .until("heard", MINUTE, |w| w.state().acked.contains("after"))
            .await;
        assert_eq!(world.state().most_live, 1);
        running.stop().await;
    }
    deaf.sort();
    gaps.sort();
    assert!(
        deaf[0] >= Duration::from_secs(5_760) && deaf[19] <= Duration::from_secs(7_200),
        "{deaf:?}"
    );
    assert!(gaps[19] <= Duration::from_secs(2), "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn a_rotation_with_a_gap_waits_for_a_quiet_moment_but_not_for_ever() {
    // Due between 5 s and 725 s from `begin`. Busy a little longer, and busy all the time.
    for (busy_s, from_s, to_s) in [(745u64, 605u64, 790u64), (5_000, 605, 1_340)] {
        let world = World::new(LinkSpec {
            rotate_ms: 3_600_000,
            ..exclusive()
        });
        let running = world.start(Options::default());
        world.until("ready", MINUTE, |w| w.ready() == 1).await;
        sleep(Duration::from_secs(2_875)).await;
        let begin = Instant::now();
        let mut n = 0;
        let mut rotated = None;
        while rotated.is_none() && begin.elapsed() < Duration::from_secs(5_000) {
            if begin.elapsed() < Duration::from_secs(busy_s) {
                n += usize::from(world.newest().say(&format!("event {n}")));
            }
            sleep(Duration::from_secs(10)).await;
            let notes = world.notes();
            rotated = notes
                .iter()
                .find(|(_, note)| *note == LinkNote::Rotating)
                .map(|(at, _)| *at - begin);
        }
        let rotated = rotated.expect("it is replaced in the end");
        let range = Duration::from_secs(from_s)..=Duration::from_secs(to_s);
        assert!(range.contains(&rotated), "{rotated:?} not in {range:?}");
        world.until("next", MINUTE, |w| w.ready() == 2).await;
        assert_eq!(
            world.committed.lock().unwrap().len(),
            n,
            "what came before the gap is stored"
        );
        running.stop().await;
    }
}
