//! T1: from a verified event to a stored one. Callers that wait at the same time share one commit;
//! nobody is told "stored" before it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hutong_model::{AppId, Body, Clock, EventId, Incoming, Timestamp};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::store::{Dialect, Store, StoreError, Turn, Tx};

use super::seen::Seen;
use super::store::{self, IGNORED, NewEvent, READY};

/// What became of an event that was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// Stored; it will be handled.
    New,
    /// Stored before; nothing to do.
    Duplicate,
}

/// Why an event was not stored. The platform must not be told "received".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotStored {
    #[error("more events are waiting than may wait")]
    Overload,
    #[error("the store did not take it")]
    Store,
    #[error("shutting down")]
    Stopping,
}

#[derive(Debug, Clone)]
pub struct InboxOptions {
    /// How long a key is remembered; must be longer than any platform repeats (Feishu: 7.1 h).
    pub keep: Duration,
    /// Requests that may wait for a commit at once.
    pub waiting: usize,
}

impl Default for InboxOptions {
    fn default() -> Self {
        Self {
            keep: Duration::from_secs(7 * 86_400),
            waiting: 4096,
        }
    }
}

/// Counters since start.
#[derive(Debug, Default)]
pub struct InboxMetrics {
    pub accepted: AtomicU64,
    pub duplicates: AtomicU64,
    pub commits: AtomicU64,
    pub failed: AtomicU64,
    /// Time of the newest accepted event, ms.
    pub last_event: AtomicU64,
    pressure: Pressure,
}

/// How much of the writer's time receiving needs.
#[derive(Debug)]
struct Pressure {
    start: Instant,
    /// Microseconds since `start`: until then receiving needs the writer for itself; and when
    /// something was stored last.
    until: AtomicU64,
    last: AtomicU64,
    window: Mutex<Window>,
}

/// What was stored in the present stretch of time, written by the committer alone.
#[derive(Debug, Default)]
struct Window {
    since: Duration,
    rows: u64,
    /// What a row costs in a commit that many share, in seconds; 0 while none was seen.
    cost: f64,
}

impl Default for Pressure {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            until: AtomicU64::new(0),
            last: AtomicU64::new(0),
            window: Mutex::default(),
        }
    }
}

/// Receiving is pressed when it would take this part of the time of a writer that did nothing else.
const PRESSED: f64 = 0.2;
/// A commit of so many rows tells what a row costs when receiving is busy.
const MANY: usize = 8;
const WINDOW: Duration = Duration::from_millis(25);
const PRESSURE_LASTS: Duration = Duration::from_millis(60);

impl Pressure {
    fn note(&self, rows: usize, took: Duration) {
        let now = self.start.elapsed();
        let micros = |d: Duration| u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
        self.last.store(micros(now), Ordering::Relaxed);
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.rows += rows as u64;
        if rows >= MANY {
            let cost = took.as_secs_f64() / rows as f64;
            window.cost = if window.cost == 0.0 {
                cost
            } else {
                window.cost + (cost - window.cost) / 16.0
            };
        }
        let length = now.saturating_sub(window.since);
        if length >= WINDOW {
            if window.rows as f64 * window.cost > length.as_secs_f64() * PRESSED {
                self.until.store(micros(now + PRESSURE_LASTS), Ordering::Relaxed);
            }
            window.since = now;
            window.rows = 0;
        }
    }
}

impl InboxMetrics {
    /// True while receiving needs the store for itself: a platform's deadline is seconds, and what
    /// is stored can be handled later.
    pub fn under_pressure(&self) -> bool {
        self.pressure.start.elapsed() < Duration::from_micros(self.pressure.until.load(Ordering::Relaxed))
    }

    /// Time since something was stored.
    pub fn quiet_for(&self) -> Duration {
        let last = Duration::from_micros(self.pressure.last.load(Ordering::Relaxed));
        self.pressure.start.elapsed().saturating_sub(last)
    }
}

/// The door of the inbox. Cheap to clone.
#[derive(Clone)]
pub struct Inbox {
    queue: mpsc::Sender<Request>,
    pub work: Arc<Notify>,
    pub metrics: Arc<InboxMetrics>,
}

/// Who waits for a commit.
type Reply = oneshot::Sender<Result<Accepted, NotStored>>;

struct Request {
    rows: Vec<NewEvent>,
    reply: Reply,
}

/// At most this many rows share a commit: bounds how long the first of them waits.
const BATCH: usize = store::MOST_ROWS;

impl Inbox {
    /// Opens the door. Reads the known keys first, so that no repeat slips through after a restart.
    pub async fn open(store: Store, clock: Arc<dyn Clock>, options: InboxOptions) -> Result<Self, StoreError> {
        let seen = match store.dialect() {
            Dialect::Postgres => None,
            Dialect::Sqlite => {
                let now = clock.now();
                let mut seen = Seen::new(options.keep, now);
                let mut after = i64::MIN;
                loop {
                    let page = store::known_ids(&store, after, 20_000).await?;
                    let Some((last, _)) = page.last() else { break };
                    after = *last;
                    for (_, id) in &page {
                        seen.insert(id, now);
                    }
                }
                Some(seen)
            }
        };
        let (queue, receiver) = mpsc::channel(options.waiting);
        let work = Arc::new(Notify::new());
        let metrics = Arc::new(InboxMetrics::default());
        let committer = Committer {
            store,
            seen,
            clock,
            work: work.clone(),
            metrics: metrics.clone(),
        };
        tokio::spawn(committer.run(receiver));
        Ok(Self { queue, work, metrics })
    }

    /// Stores the events of one callback, all or none. Returns after the commit.
    pub async fn accept(&self, app: &AppId, events: Vec<Incoming>, now: Timestamp) -> Result<Accepted, NotStored> {
        let mut rows = Vec::with_capacity(events.len());
        for event in events {
            rows.push(new_event(app, event, now)?);
        }
        if rows.is_empty() {
            return Ok(Accepted::Duplicate);
        }
        let (reply, answer) = oneshot::channel();
        self.queue.try_send(Request { rows, reply }).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => NotStored::Overload,
            mpsc::error::TrySendError::Closed(_) => NotStored::Stopping,
        })?;
        answer.await.unwrap_or(Err(NotStored::Stopping))
    }
}

fn new_event(app: &AppId, event: Incoming, now: Timestamp) -> Result<NewEvent, NotStored> {
    let ignored = matches!(event.body, Body::Other { .. });
    let body = serde_json::to_string(&event.body).map_err(|_| NotStored::Store)?;
    Ok(NewEvent {
        id: EventId::derive(app, &event.key),
        app: app.clone(),
        dedupe: event.key,
        lane: format!("{app}:{}", event.lane),
        kind: event.body.kind().as_str(),
        occurred_at: event.occurred_at,
        received_at: now,
        state: if ignored { IGNORED } else { READY },
        // Of an event of no interest only its name and key are kept.
        body: (!ignored).then_some(body),
    })
}

/// Stores an event of our own (a tick, the result of an effect) in the transaction that caused it.
/// `dedupe` must be unique by the caller's own unique row.
pub async fn insert_own(
    tx: &mut Tx,
    app: &AppId,
    dedupe: String,
    lane: String,
    body: &Body,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let text = serde_json::to_string(body).map_err(|e| StoreError::Broken(e.to_string()))?;
    let row = NewEvent {
        id: EventId::derive(app, &dedupe),
        app: app.clone(),
        dedupe,
        lane,
        kind: body.kind().as_str(),
        occurred_at: now,
        received_at: now,
        state: READY,
        body: Some(text),
    };
    store::insert_in(tx, row).await
}

/// Tells a rule the result of an effect that ended as a part of another one. `key` is the effect's own:
/// the caller tells each once.
pub async fn tell_result(tx: &mut Tx, app: &AppId, key: &str, body: &Body, now: Timestamp) -> Result<bool, StoreError> {
    insert_own(tx, app, format!("done:{key}"), format!("{app}:done"), body, now).await
}

struct Committer {
    store: Store,
    seen: Option<Seen>,
    clock: Arc<dyn Clock>,
    work: Arc<Notify>,
    metrics: Arc<InboxMetrics>,
}

impl Committer {
    async fn run(mut self, mut receiver: mpsc::Receiver<Request>) {
        let mut batch: Vec<Request> = Vec::with_capacity(BATCH);
        loop {
            if batch.is_empty() && receiver.recv_many(&mut batch, BATCH).await == 0 {
                return;
            }
            // Whoever comes while the turn is waited for shares the commit.
            let turn = self.store.turn().await;
            // Requests that are being read and decrypted right now get the chance to join.
            for _ in 0..4 {
                let before = batch.len();
                while batch.len() < BATCH {
                    match receiver.try_recv() {
                        Ok(request) => batch.push(request),
                        Err(_) => break,
                    }
                }
                if batch.len() == BATCH || (batch.len() == before && before > 1) {
                    break;
                }
                tokio::task::yield_now().await;
            }
            self.commit(turn, &mut batch).await;
        }
    }

    /// Commits the batch, or as much of it as one commit takes.
    async fn commit(&mut self, turn: Result<Turn, StoreError>, batch: &mut Vec<Request>) {
        let now = self.clock.now();
        let mut rows: Vec<NewEvent> = Vec::new();
        let mut waiting: Vec<(Reply, Vec<EventId>)> = Vec::with_capacity(batch.len());
        let mut later: Vec<Request> = Vec::new();
        let limit = match &self.seen {
            Some(_) => BATCH,
            None => quantum(batch.iter().map(|r| r.rows.len()).sum()),
        };
        for request in batch.drain(..) {
            if !rows.is_empty() && rows.len() + request.rows.len() > limit {
                later.push(request);
                continue;
            }
            let mut new_ids = Vec::with_capacity(request.rows.len());
            for row in request.rows {
                let is_new = self.seen.as_mut().is_none_or(|seen| seen.insert(&row.id, now));
                if is_new {
                    new_ids.push(row.id);
                    rows.push(row);
                }
            }
            waiting.push((request.reply, new_ids));
        }
        *batch = later;
        let ids: Vec<EventId> = rows.iter().map(|r| r.id).collect();
        let started = Instant::now();
        let stored = match turn {
            Ok(turn) => self.store_rows(turn, rows).await,
            Err(error) => Err(error),
        };
        self.metrics.commits.fetch_add(1, Ordering::Relaxed);
        self.metrics.pressure.note(ids.len(), started.elapsed());
        match stored {
            Ok(mut known_new) => {
                let mut any = false;
                for (reply, new_ids) in waiting {
                    let is_new = match &mut known_new {
                        None => !new_ids.is_empty(),
                        // Two repeats in one statement: the first of them is the new one.
                        Some(set) => new_ids.iter().filter(|id| set.remove(id)).count() > 0,
                    };
                    any |= is_new;
                    let (counter, accepted) = if is_new {
                        (&self.metrics.accepted, Accepted::New)
                    } else {
                        (&self.metrics.duplicates, Accepted::Duplicate)
                    };
                    counter.fetch_add(1, Ordering::Relaxed);
                    let _ = reply.send(Ok(accepted));
                }
                if any {
                    self.metrics
                        .last_event
                        .store(now.millis().max(0) as u64, Ordering::Relaxed);
                    self.work.notify_one();
                }
            }
            Err(error) => {
                tracing::error!(%error, rows = ids.len(), "inbox.commit failed; nothing was acknowledged");
                if let Some(seen) = self.seen.as_mut() {
                    for id in &ids {
                        seen.remove(id);
                    }
                }
                self.metrics.failed.fetch_add(waiting.len() as u64, Ordering::Relaxed);
                for (reply, _) in waiting {
                    let _ = reply.send(Err(NotStored::Store));
                }
            }
        }
    }

    /// `None`: all rows were new. `Some`: the new ones.
    async fn store_rows(
        &self,
        turn: Turn,
        rows: Vec<NewEvent>,
    ) -> Result<Option<std::collections::HashSet<EventId>>, StoreError> {
        if rows.is_empty() {
            return Ok(None);
        }
        if self.seen.is_some() {
            store::append(turn, rows).await.map(|()| None)
        } else {
            store::append_unless_known(turn, rows).await.map(Some)
        }
    }
}

/// The largest statement size that is not above `n`, for PostgreSQL: few sizes, so that few
/// statements are prepared; the rest stays for the next commit.
fn quantum(n: usize) -> usize {
    const SIZES: [usize; 14] = [1, 2, 3, 4, 6, 8, 11, 16, 22, 32, 45, 64, 90, BATCH];
    SIZES.iter().rev().find(|s| **s <= n).copied().unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing;
    use hutong_model::ManualClock;

    fn incoming(key: &str) -> Incoming {
        Incoming {
            key: key.into(),
            lane: "chat:1".into(),
            occurred_at: Timestamp(5),
            body: Body::DirectoryScope,
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_repeat_is_a_duplicate_now_and_after_a_restart() {
        for t in testing::all().await.unwrap() {
            let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp(1000)));
            let app = AppId::new("fs").unwrap();
            let other = AppId::new("fs2").unwrap();
            let inbox = Inbox::open(t.store.clone(), clock.clone(), InboxOptions::default())
                .await
                .unwrap();
            let tasks: Vec<_> = (0..200)
                .map(|i| {
                    let (inbox, app) = (inbox.clone(), app.clone());
                    tokio::spawn(async move {
                        inbox
                            .accept(&app, vec![incoming(&format!("m{}", i % 100))], Timestamp(1000))
                            .await
                            .unwrap()
                    })
                })
                .collect();
            let mut new = 0;
            for task in tasks {
                new += usize::from(task.await.unwrap() == Accepted::New);
            }
            assert_eq!(new, 100, "{}", t.name);
            // One scope per app: the same key of another app is another event.
            assert_eq!(
                inbox
                    .accept(&other, vec![incoming("m1")], Timestamp(1000))
                    .await
                    .unwrap(),
                Accepted::New
            );
            drop(inbox);
            let again = Inbox::open(t.store.clone(), clock, InboxOptions::default())
                .await
                .unwrap();
            assert_eq!(
                again.accept(&app, vec![incoming("m1")], Timestamp(2000)).await.unwrap(),
                Accepted::Duplicate
            );
            let (ready, ..) = store::counts(&t.store).await.unwrap();
            assert_eq!(ready, 101, "{}", t.name);
        }
    }

    #[tokio::test]
    async fn nothing_is_acknowledged_that_could_not_be_stored() {
        let t = testing::sqlite().await.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp(1000)));
        let app = AppId::new("fs").unwrap();
        let inbox = Inbox::open(t.store.clone(), clock, InboxOptions::default())
            .await
            .unwrap();
        t.store
            .query("ALTER TABLE inbox RENAME TO away")
            .execute()
            .await
            .unwrap();
        assert_eq!(
            inbox.accept(&app, vec![incoming("m1")], Timestamp(1000)).await,
            Err(NotStored::Store)
        );
        t.store
            .query("ALTER TABLE away RENAME TO inbox")
            .execute()
            .await
            .unwrap();
        // The repeat is taken: the failed attempt left no trace in memory.
        assert_eq!(
            inbox.accept(&app, vec![incoming("m1")], Timestamp(1000)).await.unwrap(),
            Accepted::New
        );
    }

    #[test]
    fn few_statement_sizes() {
        assert_eq!(
            (quantum(1), quantum(5), quantum(31), quantum(128), quantum(500)),
            (1, 4, 22, 128, 128)
        );
    }

    #[test]
    fn receiving_is_pressed_by_its_share_of_the_writer_not_by_one_large_commit() {
        let pressed = |p: &Pressure| p.until.load(Ordering::Relaxed) > 0;
        // 60 rows in about 30 ms, 25 us each: 5 % of the writer.
        let calm = Pressure::default();
        calm.note(40, Duration::from_micros(1000));
        std::thread::sleep(Duration::from_millis(30));
        calm.note(20, Duration::from_micros(500));
        assert!(!pressed(&calm));
        // The same rows at 200 us each.
        let pressing = Pressure::default();
        pressing.note(40, Duration::from_micros(8000));
        std::thread::sleep(Duration::from_millis(30));
        pressing.note(20, Duration::from_micros(4000));
        assert!(pressed(&pressing));
    }

    #[tokio::test]
    async fn every_size_of_batch_is_stored_whole() {
        for t in testing::all().await.unwrap() {
            let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp(1000)));
            let app = AppId::new("fs").unwrap();
            let inbox = Inbox::open(t.store.clone(), clock, InboxOptions::default())
                .await
                .unwrap();
            let mut sum = 0;
            for size in [1usize, 2, 9, 11, 13, 17, 33, 50, 65, 97, 127, 128, 129, 300] {
                let events = (0..size).map(|i| incoming(&format!("{size}-{i}"))).collect();
                let accepted = inbox.accept(&app, events, Timestamp(1000)).await;
                assert_eq!(accepted, Ok(Accepted::New), "{} {size}", t.name);
                sum += size as i64;
                let (ready, ..) = store::counts(&t.store).await.unwrap();
                assert_eq!(ready, sum, "{} {size}", t.name);
            }
        }
    }
}
