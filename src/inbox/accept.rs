//! T1: from a verified event to a stored one. Callers that wait at the same time share one commit;
//! nobody is told "stored" before it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hutong_model::{AppId, Body, Clock, EventId, Incoming, Timestamp};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::store::{Dialect, Store, StoreError, Tx};

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

/// How busy receiving is: whether callers share commits right now.
#[derive(Debug)]
struct Pressure {
    start: Instant,
    /// Commits in a row that many shared.
    row: AtomicU64,
    /// Microseconds since `start` of the last of at least [`IN_A_ROW`] such commits.
    last: AtomicU64,
}

impl Default for Pressure {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            row: AtomicU64::new(0),
            last: AtomicU64::new(0),
        }
    }
}

/// A commit that so many callers share means that more are waiting already.
const SHARED_BY_MANY: usize = 6;
/// One or two such commits also follow when the rules held the writer for a batch of theirs, at any
/// modest rate; only when they come one after the other is it receiving that needs the time.
const IN_A_ROW: u64 = 4;
const PRESSURE_LASTS: Duration = Duration::from_millis(25);

impl InboxMetrics {
    fn note_commit(&self, callers: usize) {
        if callers < SHARED_BY_MANY {
            self.pressure.row.store(0, Ordering::Relaxed);
        } else if self.pressure.row.fetch_add(1, Ordering::Relaxed) + 1 >= IN_A_ROW {
            let now = u64::try_from(self.pressure.start.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.pressure.last.store(now, Ordering::Relaxed);
        }
    }

    /// True while receiving needs the store for itself: a platform's deadline is seconds, and what
    /// is stored can be handled later.
    pub fn under_pressure(&self) -> bool {
        let last = Duration::from_micros(self.pressure.last.load(Ordering::Relaxed));
        !last.is_zero() && self.pressure.start.elapsed().saturating_sub(last) < PRESSURE_LASTS
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
const BATCH: usize = 128;

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
            // Requests that are being read and decrypted right now get the chance to join.
            for _ in 0..4 {
                let before = batch.len();
                tokio::task::yield_now().await;
                while batch.len() < BATCH {
                    match receiver.try_recv() {
                        Ok(request) => batch.push(request),
                        Err(_) => break,
                    }
                }
                if batch.len() == before || batch.len() == BATCH {
                    break;
                }
            }
            self.commit(&mut batch).await;
        }
    }

    /// Commits a part of the batch whose size is one of a few, so that few statements are prepared;
    /// the rest stays for the next commit.
    async fn commit(&mut self, batch: &mut Vec<Request>) {
        let now = self.clock.now();
        let mut rows: Vec<NewEvent> = Vec::new();
        let mut waiting: Vec<(Reply, Vec<EventId>)> = Vec::new();
        let mut later: Vec<Request> = Vec::new();
        let total: usize = batch.iter().map(|r| r.rows.len()).sum();
        let limit = quantum(total);
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
        let stored = self.store_rows(rows).await;
        self.metrics.commits.fetch_add(1, Ordering::Relaxed);
        self.metrics.note_commit(waiting.len());
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
    async fn store_rows(&self, rows: Vec<NewEvent>) -> Result<Option<std::collections::HashSet<EventId>>, StoreError> {
        if rows.is_empty() {
            return Ok(None);
        }
        if self.seen.is_some() {
            store::append(&self.store, rows).await.map(|()| None)
        } else {
            store::append_unless_known(&self.store, rows).await.map(Some)
        }
    }
}

/// The largest statement size that is not above `n`.
fn quantum(n: usize) -> usize {
    const SIZES: [usize; 15] = [1, 2, 3, 4, 6, 8, 11, 16, 22, 32, 45, 64, 90, 128, usize::MAX];
    SIZES.iter().rev().skip(1).find(|s| **s <= n).copied().unwrap_or(1)
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
}
