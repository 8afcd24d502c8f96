//! Driven time: hours of outages, rotation and silence in seconds.

use super::*;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

const MINUTE: Duration = Duration::from_secs(60);

fn seeded(seed: u64) -> Options {
    Options {
        seed,
        ..Options::default()
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_is_committed_is_acknowledged_and_order_is_kept() {
    let world = World::new(spec());
    let running = world.start(seeded(1));
    world.until("ready", MINUTE, |w| w.ready() == 1).await;
    let conn = world.newest();
    for n in 0..500 {
        conn.say(&format!("event {n}"));
    }
    world.until("acks", MINUTE, |w| w.state().acked.len() == 500).await;
    assert!(world.state().lies.is_empty());
    assert_eq!(
        *world.order.lock().unwrap(),
        (0..500).map(|n| n.to_string()).collect::<Vec<_>>()
    );
    let most = world.most_storing.load(Ordering::SeqCst);
    assert!(most > 8 && most <= 64, "{most} commits at once");

    // What cannot be stored is not acknowledged, and the connection goes on.
    world.store_fails.store(true, Ordering::SeqCst);
    conn.say("event lost");
    world.until("nack", MINUTE, |w| w.state().nacked.contains("lost")).await;
    // A commit that never returns counts as failed, in time.
    *world.store_takes.lock().unwrap() = Duration::from_secs(3600);
    conn.say("event stuck");
    let begin = Instant::now();
    world
        .until("nack", MINUTE, |w| w.state().nacked.contains("stuck"))
        .await;
    assert!(begin.elapsed() <= Duration::from_secs(16));
    assert_eq!(world.ready(), 1);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn mute_and_half_open_connections_are_cut_off_within_seventy_seconds() {
    let mut rng = StdRng::seed_from_u64(3);
    let mut worst = Duration::ZERO;
    for round in 0..40_u64 {
        // Whatever a platform asks for, seventy seconds are the limit.
        let quiet_ms = [70_000, 45_000, 600_000, 0][round as usize % 4];
        let world = World::new(LinkSpec { quiet_ms, ..spec() });
        let running = world.start(seeded(round));
        world.until("ready", MINUTE, |w| w.ready() == 1).await;
        sleep(Duration::from_millis(rng.random_range(0..200_000))).await;
        assert_eq!(world.ready(), 1, "a quiet but living connection stays");
        world.newest().tell(Do::Mute);
        let mute = Instant::now();
        world
            .until("cut off", Duration::from_secs(75), |w| {
                w.count(|n| matches!(n, LinkNote::Lost { .. })) == 1
            })
            .await;
        let lost = world
            .notes()
            .into_iter()
            .find(|(_, n)| matches!(n, LinkNote::Lost { .. }));
        worst = worst.max(lost.unwrap().0 - mute);
        world.until("again", Duration::from_secs(5), |w| w.ready() == 2).await;
        running.stop().await;
    }
    // Counted from the last thing that was heard, so less than the limit.
    assert!(worst <= Duration::from_millis(70_000), "{worst:?}");
    assert!(worst > Duration::from_secs(45), "{worst:?}");
}

#[tokio::test(start_paused = true)]
async fn five_hundred_faults_and_never_stuck() {
    let mut rng = StdRng::seed_from_u64(11);
    let world = World::new(spec());
    let running = world.start(seeded(11));
    let mut kinds = [0_u32; 16];
    for cycle in 0..500_usize {
        world
            .until("connected", Duration::from_secs(420), |w| {
                w.state().live.values().any(|c| !c.announced.load(Ordering::SeqCst))
                    && matches!(w.last_note(), Some(LinkNote::Ready { .. }))
            })
            .await;
        // Sometimes stable, sometimes not.
        sleep(Duration::from_millis(rng.random_range(0..90_000))).await;
        let ready = world.ready();
        let conn = world.newest();
        let next = world.state().asked.len() as u64 + 1;
        let plan = |plan: Plan| {
            world.state().plans.insert(next, plan);
        };
        let kind = rng.random_range(0..16_usize);
        kinds[kind] += 1;
        match kind {
            0 => conn.tell(Do::Cut),
            1 => conn.tell(Do::Close),
            2 => conn.tell(Do::Mute),
            3 => drop(conn.say("fail")),
            4 => drop(conn.say("turn")),
            5 => drop(conn.say("panic")),
            6 => drop(conn.say("evict")),
            7 => drop(conn.say("refuse")),
            8 => conn.tell(Do::Say(Message::binary(vec![0; 100_000]))),
            9 => {
                // It asks for a lot and reads nothing.
                conn.say("flood");
                conn.tell(Do::Mute);
            }
            10 => drop(conn.say("bye 10000")),
            n => {
                plan(match n {
                    11 => Plan {
                        open_hangs: true,
                        ..Plan::default()
                    },
                    12 => Plan {
                        connect_hangs: true,
                        ..Plan::default()
                    },
                    13 => Plan {
                        silent: true,
                        ..Plan::default()
                    },
                    14 => Plan {
                        connect_fails: true,
                        ..Plan::default()
                    },
                    _ => Plan {
                        open_fails: Some(OpenError::Unavailable {
                            reason: "busy".into(),
                            after_ms: Some(30_000),
                        }),
                        ..Plan::default()
                    },
                });
                conn.tell(Do::Cut);
            }
        }
        world
            .until(&format!("cycle {cycle}, fault {kind}"), Duration::from_secs(420), |w| {
                w.ready() > ready
            })
            .await;
        let key = format!("after-{cycle}");
        world.until("a live one", MINUTE, |w| !w.state().live.is_empty()).await;
        world.newest().say(&format!("event {key}"));
        world
            .until("an event after it", MINUTE, |w| w.state().acked.contains(&key))
            .await;
    }
    assert!(kinds.iter().all(|n| *n > 10), "{kinds:?}");
    assert!(world.state().lies.is_empty());
    assert!(world.count(|n| *n == LinkNote::Panicked) as u32 == kinds[5]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn two_hundred_announced_ends_lose_nothing() {
    let mut rng = StdRng::seed_from_u64(5);
    let world = World::new(spec());
    {
        let mut state = world.state();
        state.plan.open_takes = Duration::from_millis(300);
        state.plan.connect_takes = Duration::from_millis(200);
    }
    let running = world.start(seeded(5));
    world.until("ready", MINUTE, |w| w.ready() == 1).await;

    // The platform: an event every 200 ms, to a random connection whose end is not announced; when
    // there is none it waits, and after one second it is lost for good.
    let done = Arc::new(AtomicBool::new(false));
    let lost = Arc::new(AtomicUsize::new(0));
    let pushed = Arc::new(AtomicUsize::new(0));
    let (w, d, l, p) = (world.clone(), done.clone(), lost.clone(), pushed.clone());
    let pusher = tokio::spawn(async move {
        let mut rng = StdRng::seed_from_u64(6);
        let mut number = 0;
        while !d.load(Ordering::SeqCst) {
            sleep(Duration::from_millis(200)).await;
            number += 1;
            let since = Instant::now();
            loop {
                let live: Vec<ServerConn> = {
                    let state = w.state();
                    let live = state.live.values();
                    live.filter(|c| !c.announced.load(Ordering::SeqCst)).cloned().collect()
                };
                if !live.is_empty() {
                    live[rng.random_range(0..live.len())].say(&format!("event {number}"));
                    p.fetch_add(1, Ordering::SeqCst);
                    break;
                }
                if since.elapsed() > Duration::from_secs(1) {
                    l.fetch_add(1, Ordering::SeqCst);
                    break;
                }
                sleep(Duration::from_millis(10)).await;
            }
        }
    });
    for cycle in 1..=200_usize {
        sleep(Duration::from_millis(rng.random_range(5_000..120_000))).await;
        let old = world.newest();
        old.announced.store(true, Ordering::SeqCst);
        old.say("bye 10000");
        let begin = Instant::now();
        world
            .until("the next one", Duration::from_secs(1), |w| w.ready() == cycle + 1)
            .await;
        assert!(begin.elapsed() <= Duration::from_secs(1));
        assert!(
            world.state().live.contains_key(&old.id),
            "the old one is still open when the new one is ready"
        );
        // Ten seconds of silence, then the platform ends it.
        let ends = rng.random_range(0..2) == 0;
        if ends {
            sleep(Duration::from_secs(9)).await;
            old.tell(Do::Cut);
        } else {
            sleep(Duration::from_secs(12)).await;
            assert!(!world.state().live.contains_key(&old.id), "ended by us after its time");
        }
    }
    done.store(true, Ordering::SeqCst);
    pusher.await.unwrap();
    sleep(Duration::from_secs(2)).await;
    {
        let state = world.state();
        assert_eq!(lost.load(Ordering::SeqCst), 0);
        assert!(pushed.load(Ordering::SeqCst) > 10_000);
        assert_eq!(state.acked.len(), pushed.load(Ordering::SeqCst), "0 lost");
        assert!(state.lies.is_empty());
        assert_eq!(world.count(|n| *n == LinkNote::Replacing), 200);
        assert_eq!(world.count(|n| matches!(n, LinkNote::Lost { .. })), 0);
    }
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn after_a_day_of_outage_it_is_back_within_a_minute() {
    let world = World::new(spec());
    let running = world.start(seeded(2));
    world.until("ready", MINUTE, |w| w.ready() == 1).await;
    sleep(2 * MINUTE).await;
    world.state().plan.open_fails = Some(OpenError::Unavailable {
        reason: "503".into(),
        after_ms: None,
    });
    let before = world.state().asked.len();
    world.newest().tell(Do::Cut);
    sleep(Duration::from_secs(24 * 3600)).await;
    let gaps: Vec<Duration> = {
        let state = world.state();
        let tries = &state.asked[before..];
        tries.windows(2).map(|w| w[1] - w[0]).collect()
    };
    // The mean wait is half a minute.
    assert!((2400..3600).contains(&gaps.len()), "{}", gaps.len());
    assert!(gaps.iter().all(|g| *g <= Duration::from_millis(60_010)));
    for (n, gap) in gaps.iter().take(7).enumerate() {
        assert!(
            *gap <= Duration::from_millis((2000 << n) + 10),
            "retry {n} after {gap:?}"
        );
    }
    assert!(gaps.iter().any(|g| *g > Duration::from_secs(55)));
    world.state().plan.open_fails = None;
    world.until("back", MINUTE, |w| w.ready() == 2).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_back_off_is_reset_only_by_a_stable_minute() {
    let world = World::new(spec());
    let running = world.start(seeded(4));
    // A platform that greets and ends at once is not asked thirty times per second.
    for n in 1..=12 {
        world.until("ready", 2 * MINUTE, |w| w.ready() == n).await;
        world.newest().tell(Do::Cut);
        world
            .until("gone", MINUTE, |w| w.count(|n| matches!(n, LinkNote::Lost { .. })) == n)
            .await;
    }
    let waits: Vec<Duration> = world
        .notes()
        .iter()
        .filter_map(|(_, n)| match n {
            LinkNote::Lost { retry_in, .. } => Some(*retry_in),
            _ => None,
        })
        .collect();
    assert!(waits.iter().skip(5).sum::<Duration>() > 2 * MINUTE, "{waits:?}");
    world.until("ready", 2 * MINUTE, |w| w.ready() == 13).await;
    sleep(Duration::from_secs(61)).await;
    world.newest().tell(Do::Cut);
    let begin = Instant::now();
    world.until("at once", MINUTE, |w| w.ready() == 14).await;
    assert!(begin.elapsed() <= Duration::from_millis(1010));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_announcements_is_slowed_down() {
    let world = World::new(spec());
    let running = world.start(seeded(8));
    let begin = Instant::now();
    let mut seen = 0;
    while begin.elapsed() < 10 * MINUTE {
        let conns: Vec<ServerConn> = world.state().live.values().filter(|c| c.id > seen).cloned().collect();
        for conn in conns {
            seen = conn.id;
            conn.say("bye 10000");
        }
        sleep(Duration::from_millis(5)).await;
    }
    let asked = world.state().asked.len();
    assert!((25..80).contains(&asked), "{asked} connections in ten minutes");
    assert!(world.state().most_live <= 25);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_reported_and_tried_every_five_minutes() {
    let world = World::new(spec());
    world.state().plan.open_fails = Some(OpenError::Refused {
        code: "514".into(),
        text: "bad secret".into(),
    });
    let running = world.start(seeded(1));
    sleep(Duration::from_secs(3600)).await;
    let gaps: Vec<Duration> = world.state().asked.windows(2).map(|w| w[1] - w[0]).collect();
    assert!((10..=12).contains(&gaps.len()), "{gaps:?}");
    assert!(
        gaps.iter()
            .all(|g| (Duration::from_secs(300)..=Duration::from_secs(311)).contains(g)),
        "{gaps:?}"
    );
    let told = world.count(|n| matches!(n, LinkNote::Refused { code, .. } if code == "514"));
    assert_eq!(told, world.state().asked.len(), "every time");
    // Fixed in the console: at the next look it works.
    world.state().plan.open_fails = None;
    world.until("ready", Duration::from_secs(311), |w| w.ready() == 1).await;
    // A session can find out, too.
    world.newest().say("refuse");
    world
        .until("refused", MINUTE, |w| {
            matches!(w.last_note(), Some(LinkNote::Refused { connected: false, .. }))
        })
        .await;
    let asked = world.state().asked.len();
    sleep(Duration::from_secs(295)).await;
    assert_eq!(world.state().asked.len(), asked);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn rotation_opens_the_new_before_it_ends_the_old() {
    let world = World::new(LinkSpec {
        rotate_ms: 2 * 3600 * 1000,
        ..spec()
    });
    let running = world.start(seeded(7));
    world.until("ready", MINUTE, |w| w.ready() == 1).await;
    // At the third rotation the platform is out of order for a while: the old one goes on.
    sleep(Duration::from_secs(4 * 3600)).await;
    let fails = Some(OpenError::Unavailable {
        reason: "503".into(),
        after_ms: None,
    });
    world.state().plan.open_fails = fails;
    let ready = world.ready();
    sleep(Duration::from_secs(2 * 3600)).await;
    assert_eq!((world.ready(), world.state().live.len()), (ready, 1));
    assert!(world.count(|n| matches!(n, LinkNote::Lost { connected: true, .. })) > 10);
    let still = world.newest();
    still.say("event meanwhile");
    world
        .until("ack", MINUTE, |w| w.state().acked.contains("meanwhile"))
        .await;
    world.state().plan.open_fails = None;
    sleep(Duration::from_secs(18 * 3600)).await;
    let rotations = world.count(|n| *n == LinkNote::Rotating);
    assert!((11..=15).contains(&rotations), "{rotations} in a day");
    assert_eq!(world.count(|n| matches!(n, LinkNote::Lost { connected: false, .. })), 0);
    {
        let state = world.state();
        assert_eq!(state.most_live, 2);
        assert_eq!(state.closed_well.len(), rotations, "each with a close frame");
        let ages: Vec<Duration> = state.greeted.windows(2).map(|w| w[1].1 - w[0].1).collect();
        assert!(ages.iter().all(|a| *a >= Duration::from_secs(5760)), "{ages:?}");
        assert!(ages.windows(2).any(|w| w[0] != w[1]), "with jitter");
    }
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn stopping_finishes_what_was_taken() {
    let world = World::new(spec());
    *world.store_takes.lock().unwrap() = Duration::from_secs(2);
    let running = world.start(seeded(1));
    world.until("ready", MINUTE, |w| w.ready() == 1).await;
    for n in 0..20 {
        world.newest().say(&format!("event {n}"));
    }
    world
        .until("taken", MINUTE, |w| w.order.lock().unwrap().len() == 20)
        .await;
    let begin = Instant::now();
    running.stop().await;
    assert!(begin.elapsed() <= Duration::from_secs(4), "{:?}", begin.elapsed());
    {
        let state = world.state();
        assert_eq!(state.acked.len(), 20, "committed and acknowledged");
        assert_eq!(state.closed_well, [1]);
        assert!(world.last_note() == Some(LinkNote::Stopped));
        assert_eq!(state.asked.len(), 1, "and nothing new was opened");
    }

    // A platform that does not answer cannot hold the stop up.
    let world = World::new(spec());
    let running = world.start(seeded(1));
    world.until("ready", MINUTE, |w| w.ready() == 1).await;
    world.newest().tell(Do::Mute);
    sleep(Duration::from_millis(50)).await;
    let begin = Instant::now();
    running.stop().await;
    assert!(begin.elapsed() <= Duration::from_secs(20), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_the_wire_brings_is_bounded() {
    let world = World::new(spec());
    let running = world.start(seeded(1));
    world.until("ready", MINUTE, |w| w.ready() == 1).await;
    world.newest().tell(Do::Say(Message::text("x".repeat(65 << 10))));
    world.until("again", MINUTE, |w| w.ready() == 2).await;
    assert_eq!(world.rejections.load(Ordering::SeqCst), 1);
    world.newest().tell(Do::Say(Message::binary(vec![1, 2, 3])));
    world
        .until("refused by the session", MINUTE, |w| {
            w.rejections.load(Ordering::SeqCst) == 2
        })
        .await;
    assert_eq!(world.ready(), 2);
    // A platform that asks and does not read is left after the write timeout.
    let conn = world.newest();
    conn.say("flood");
    conn.tell(Do::Mute);
    world.until("left", Duration::from_secs(30), |w| w.ready() == 3).await;
    running.stop().await;
}
