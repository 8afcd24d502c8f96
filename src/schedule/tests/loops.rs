//! The loop on every database that can be had: replicas, restarts, misfires, clocks that jump.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use hutong_model::{BoxFuture, Clock as _, ManualClock, Timestamp};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio_util::sync::CancellationToken;

use super::super::*;
use crate::store::{Store, StoreError, Tx, testing};

const HOUR: Duration = Duration::from_secs(3600);

/// Writes ticks into a table of its own, so that a rolled back transaction leaves none behind.
struct Sink;

impl TickSink for Sink {
    fn tick<'a>(
        &'a self,
        tx: &'a mut Tx,
        schedule: &'a Schedule,
        slot: Timestamp,
        local: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            tx.query("INSERT INTO ticked (job, local, slot, at) VALUES ($1, $2, $3, $4)")
                .bind(&schedule.id)
                .bind(local)
                .bind(slot)
                .bind(now)
                .execute()
                .await
                .map(|_| ())
        })
    }
}

async fn prepare(store: &Store) {
    let mut tx = store.begin().await.unwrap();
    tx.query("CREATE TABLE ticked (job TEXT NOT NULL, local TEXT NOT NULL, slot BIGINT NOT NULL, at BIGINT NOT NULL)")
        .execute()
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn ticked(store: &Store, job: &str) -> Vec<String> {
    let rows = store
        .query("SELECT local FROM ticked WHERE job = $1 ORDER BY slot, local")
        .bind(job)
        .all()
        .await
        .unwrap();
    rows.iter().map(|r| r.get("local").unwrap()).collect()
}

fn job(id: &str, cron: &str, misfire: Misfire, grace: Duration) -> Schedule {
    Schedule {
        id: id.into(),
        rule: "columns".into(),
        spec: Spec::Cron(CronExpr::parse(cron, NaiveDate::from_ymd_opt(2026, 1, 1).unwrap()).unwrap()),
        zone: Tz::Asia__Shanghai,
        misfire,
        grace,
    }
}

/// A moment on the clock in Shanghai.
fn at(text: &str) -> Timestamp {
    let t: DateTime<Utc> = format!("2026-11-{text}+08:00").parse().unwrap();
    Timestamp(t.timestamp_millis())
}

fn scheduler(store: &Store, jobs: &[Schedule]) -> Scheduler {
    Scheduler::new(
        store.clone(),
        jobs.to_vec(),
        Arc::new(Sink),
        Arc::new(ManualClock::at(Timestamp(0))),
    )
}

#[tokio::test]
async fn three_replicas_and_one_occurrence() {
    for db in testing::all().await.unwrap() {
        prepare(&db.store).await;
        let jobs = [
            job("news", "30 9 * * mon-fri", Misfire::Once, 12 * HOUR),
            job("often", "* * * * *", Misfire::All, HOUR),
        ];
        let mut replicas: Vec<Scheduler> = (0..3).map(|_| scheduler(&db.store, &jobs)).collect();
        for replica in &mut replicas {
            let first = replica.tick(at("24T09:28:30")).await.unwrap();
            assert_eq!((first.fired, first.next_at), (0, Some(at("24T09:29:00"))));
        }
        for minute in ["24T09:29:00", "24T09:30:00", "24T09:31:00"] {
            let mut running = Vec::new();
            for mut replica in replicas.drain(..) {
                let now = at(minute);
                running.push(tokio::spawn(async move {
                    let result = replica.tick(now).await.unwrap();
                    (replica, result.fired)
                }));
            }
            let mut fired = 0;
            for task in running {
                let (replica, n) = task.await.unwrap();
                replicas.push(replica);
                fired += n;
            }
            assert_eq!(
                fired,
                if minute == "24T09:30:00" { 2 } else { 1 },
                "{minute} on {}",
                db.name
            );
        }
        assert_eq!(ticked(&db.store, "news").await, ["2026-11-24T09:30"]);
        assert_eq!(ticked(&db.store, "often").await.len(), 3);
    }
}

#[tokio::test]
async fn a_restart_finds_what_it_missed() {
    for db in testing::all().await.unwrap() {
        prepare(&db.store).await;
        let jobs = [
            job("reminder", "0 9 * * *", Misfire::Skip, 12 * HOUR),
            job("digest", "0,30 9,10 * * *", Misfire::Once, 12 * HOUR),
            job("all", "0,30 9,10 * * *", Misfire::All, 12 * HOUR),
        ];
        scheduler(&db.store, &jobs).tick(at("24T08:00:00")).await.unwrap();
        let result = scheduler(&db.store, &jobs).tick(at("24T11:00:00")).await.unwrap();
        assert_eq!((result.fired, result.missed), (5, 4));
        assert!(ticked(&db.store, "reminder").await.is_empty());
        assert_eq!(ticked(&db.store, "digest").await, ["2026-11-24T10:30"]);
        assert_eq!(ticked(&db.store, "all").await.len(), 4);
        let decided = store::decided(&db.store, Some("digest"), 10).await.unwrap();
        let list: Vec<(&str, bool)> = decided.iter().map(|d| (&d.local[11..], d.fired)).collect();
        assert_eq!(
            list,
            [("10:30", true), ("10:00", false), ("09:30", false), ("09:00", false)]
        );
        assert_eq!(store::decided(&db.store, None, 100).await.unwrap().len(), 9);
        // Once more, at the same time or by another process: nothing.
        let result = scheduler(&db.store, &jobs).tick(at("24T11:00:00")).await.unwrap();
        assert_eq!((result.fired, result.missed), (0, 0));
    }
}

#[tokio::test]
async fn a_clock_that_jumps_fires_nothing_twice() {
    for db in testing::all().await.unwrap() {
        prepare(&db.store).await;
        let jobs = [job("h", "0 * * * *", Misfire::Once, 2 * HOUR)];
        let mut s = scheduler(&db.store, &jobs);
        for now in [
            "24T08:59:00",
            "24T09:00:00",
            "24T08:58:00",
            "24T09:00:01",
            "24T09:02:00",
        ] {
            s.tick(at(now)).await.unwrap();
        }
        assert_eq!(ticked(&db.store, "h").await, ["2026-11-24T09:00"]);
        // An hour back, and the same hour again.
        for now in ["24T08:02:00", "24T08:59:59", "24T09:00:00", "24T10:00:00"] {
            s.tick(at(now)).await.unwrap();
        }
        assert_eq!(ticked(&db.store, "h").await, ["2026-11-24T09:00", "2026-11-24T10:00"]);
        // A day ahead by mistake and back again: today goes on, tomorrow's early one is not repeated.
        for now in ["25T12:30:00", "24T10:31:00", "24T11:00:00", "24T12:00:00"] {
            s.tick(at(now)).await.unwrap();
        }
        for hour in 13..=48 {
            s.tick(at("24T00:00:00") + hour * HOUR).await.unwrap();
        }
        let list = ticked(&db.store, "h").await;
        let mut unique = list.clone();
        unique.dedup();
        assert_eq!(list, unique);
        assert_eq!(list.iter().filter(|l| *l == "2026-11-25T12:00").count(), 1);
        // What the jump marked as missed stays missed (decided is decided); the rest fired.
        assert!(list.contains(&"2026-11-25T13:00".to_owned()));
    }
}

#[tokio::test]
async fn a_changed_schedule_owes_nothing_for_its_new_times() {
    for db in testing::all().await.unwrap() {
        prepare(&db.store).await;
        let before = [job("c", "0 10 * * *", Misfire::Once, 12 * HOUR)];
        scheduler(&db.store, &before).tick(at("23T10:00:00")).await.unwrap();
        let after = [job("c", "0 9 * * *", Misfire::Once, 12 * HOUR)];
        let mut s = scheduler(&db.store, &after);
        let result = s.tick(at("24T09:30:00")).await.unwrap();
        assert_eq!(
            (result.fired, result.missed, result.next_at),
            (0, 0, Some(at("25T09:00:00")))
        );
        // With the same meaning a restart does owe it.
        let result = scheduler(&db.store, &after).tick(at("25T09:30:00")).await.unwrap();
        assert_eq!(result.fired, 1);
    }
}

#[tokio::test]
async fn a_tick_that_cannot_be_handed_on_is_not_lost() {
    struct Once(Mutex<bool>);
    impl TickSink for Once {
        fn tick<'a>(
            &'a self,
            tx: &'a mut Tx,
            schedule: &'a Schedule,
            slot: Timestamp,
            local: &'a str,
            now: Timestamp,
        ) -> BoxFuture<'a, Result<(), StoreError>> {
            let first = std::mem::take(&mut *self.0.lock().unwrap());
            Box::pin(async move {
                if first {
                    return Err(StoreError::Unavailable("disk full".into()));
                }
                Sink.tick(tx, schedule, slot, local, now).await
            })
        }
    }
    for db in testing::all().await.unwrap() {
        prepare(&db.store).await;
        let jobs = vec![job("n", "0 9 * * *", Misfire::Skip, HOUR)];
        let clock = Arc::new(ManualClock::at(Timestamp(0)));
        let mut s = Scheduler::new(db.store.clone(), jobs, Arc::new(Once(Mutex::new(true))), clock);
        s.tick(at("24T08:59:00")).await.unwrap();
        assert!(s.tick(at("24T09:00:00")).await.is_err());
        assert!(ticked(&db.store, "n").await.is_empty());
        s.tick(at("24T09:00:01")).await.unwrap();
        assert_eq!(ticked(&db.store, "n").await, ["2026-11-24T09:00"]);
    }
}

#[tokio::test]
async fn the_loop_runs_by_itself() {
    let db = testing::sqlite().await.unwrap();
    prepare(&db.store).await;
    let clock = ManualClock::at(at("24T08:59:59"));
    let jobs = vec![job("l", "0 9 * * *", Misfire::Skip, HOUR)];
    let s = Scheduler::new(db.store.clone(), jobs, Arc::new(Sink), Arc::new(clock.clone()));
    let cancel = CancellationToken::new();
    let running = tokio::spawn(s.run(cancel.clone()));
    let until = std::time::Instant::now() + Duration::from_secs(10);
    let known = async || {
        db.store
            .query("SELECT COUNT(*) AS n FROM schedule_state")
            .one()
            .await
            .unwrap()
            .get::<i64>("n")
    };
    while known().await.unwrap() == 0 {
        assert!(std::time::Instant::now() < until);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    clock.advance(Duration::from_secs(1));
    while ticked(&db.store, "l").await.is_empty() {
        assert!(std::time::Instant::now() < until, "the minute passed unseen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    cancel.cancel();
    tokio::time::timeout(Duration::from_secs(5), running)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(clock.now(), at("24T09:00:00"));
}

#[tokio::test]
async fn old_decisions_are_pruned_and_young_ones_kept() {
    for db in testing::all().await.unwrap() {
        prepare(&db.store).await;
        let jobs = [job("p", "0 9 * * *", Misfire::All, 12 * HOUR)];
        let mut s = scheduler(&db.store, &jobs);
        s.tick(at("23T08:00:00")).await.unwrap();
        s.tick(at("23T09:00:00")).await.unwrap();
        s.tick(at("24T09:00:00")).await.unwrap();
        let late = at("24T08:00:00") + Duration::from_secs(62 * 86_400);
        assert_eq!(store::prune(&db.store, late, Duration::ZERO).await.unwrap(), 1);
        assert_eq!(store::decided(&db.store, None, 9).await.unwrap().len(), 1);
    }
}

/// Random stops, several replicas, small clock errors: each occurrence that the policy owes fires
/// exactly once. `HUTONG_SOAK=night` runs more seeds.
#[tokio::test]
async fn random_months_fire_exactly_what_is_owed() {
    let seeds = if std::env::var("HUTONG_SOAK").is_ok_and(|v| v == "night") {
        200
    } else {
        6
    };
    for seed in 0..seeds {
        let db = testing::sqlite().await.unwrap();
        prepare(&db.store).await;
        let mut rng = StdRng::seed_from_u64(seed);
        let jobs = [
            job("hourly", "17 * * * *", Misfire::All, 1000 * HOUR),
            job("daily", "30 9 * * *", Misfire::Once, 12 * HOUR),
            job("workday", "0 18 * * 1-5", Misfire::Skip, HOUR),
        ];
        let start = at("01T00:00:00");
        let mut now = start;
        let mut replicas: Vec<Scheduler> = (0..3).map(|_| scheduler(&db.store, &jobs)).collect();
        for replica in &mut replicas {
            replica.tick(now).await.unwrap();
        }
        // When anyone looked: what the policies owe follows from that alone.
        let mut looks = vec![now];
        while now < start + Duration::from_secs(8 * 86_400) {
            let step = match rng.random_range(0..20) {
                0 => rng.random_range(3_600..20 * 3_600),
                _ => rng.random_range(1..1_800),
            };
            now = now + Duration::from_secs(step);
            let i = rng.random_range(0..3);
            if rng.random_range(0..10) == 0 {
                replicas[i] = scheduler(&db.store, &jobs);
            }
            replicas[i].tick(now).await.unwrap();
            looks.push(now);
        }
        for j in &jobs {
            let mut owed: Vec<String> = Vec::new();
            for pair in looks.windows(2) {
                let here = calendar::between(&j.spec, j.zone, pair[0], pair[1]);
                let last = here.last().copied();
                for o in here {
                    let late = pair[1].since(o.slot);
                    let fires = match j.misfire {
                        Misfire::All => true,
                        Misfire::Once => Some(o) == last && late <= j.grace,
                        Misfire::Skip => late <= ON_TIME,
                    };
                    if fires {
                        owed.push(o.local_text());
                    }
                }
            }
            assert_eq!(ticked(&db.store, &j.id).await, owed, "seed {seed}, {}", j.id);
        }
    }
}
