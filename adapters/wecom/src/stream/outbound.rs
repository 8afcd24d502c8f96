//! What waits to be sent over the connection. Callers put requests in and wait; the session of the
//! subscribed connection takes them out. Whoever drops a request answers it: as unknown when it was
//! written, as not sent when it was not.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Notify, oneshot};

/// Requests that wait; more are refused (the official SDK has the same limit per request id).
const QUEUE: usize = 500;
/// Real time after which a caller gives up, should the connection's own deadlines fail. Longer than
/// the acknowledgement may take behind another one of the same id.
const PATIENCE: Duration = Duration::from_secs(12);

const WAITING: u8 = 0;
const WRITTEN: u8 = 1;
const ABANDONED: u8 = 2;

/// What became of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// Accepted; the acknowledgement's body.
    Done(Value),
    Refused {
        code: i64,
        text: String,
    },
    /// The callback to be answered did not come over this connection, was answered, or is too old.
    Gone,
    NotSent(String),
    Unknown(String),
}

/// A frame to send.
#[derive(Debug, Clone, PartialEq)]
pub enum Want {
    /// With an id of our own.
    Own { cmd: &'static str, body: Value },
    /// With the id of a callback.
    Answer {
        cmd: &'static str,
        req_id: String,
        body: Value,
    },
}

/// A request on its way. Dropping it is an answer, too.
#[derive(Debug)]
pub struct Job {
    pub want: Want,
    state: Arc<AtomicU8>,
    done: oneshot::Sender<Reply>,
}

impl Job {
    /// Marks it as written. False when nobody waits any more: then it must not be sent.
    pub fn written(&self) -> bool {
        !self.done.is_closed()
            && self
                .state
                .compare_exchange(WAITING, WRITTEN, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
    }

    pub fn answer(self, reply: Reply) {
        let _ = self.done.send(reply);
    }
}

#[derive(Debug)]
struct Live {
    connection: u64,
    bell: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Inner {
    live: Option<Live>,
    queue: VecDeque<Job>,
    connections: u64,
}

/// Shared by an app's adapter and the sessions of its link.
#[derive(Debug, Default)]
pub struct Outbound {
    inner: Mutex<Inner>,
}

impl Outbound {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True while a subscribed connection is there.
    pub fn live(&self) -> bool {
        self.lock().live.is_some()
    }

    /// A number for a new connection.
    pub fn number(&self) -> u64 {
        let mut inner = self.lock();
        inner.connections += 1;
        inner.connections
    }

    /// The connection is subscribed: requests go to it from now on.
    pub fn up(&self, connection: u64, bell: Arc<Notify>) {
        self.lock().live = Some(Live { connection, bell });
    }

    /// The connection is over; what waits for it has not been sent.
    pub fn down(&self, connection: u64) {
        let dropped = {
            let mut inner = self.lock();
            match &inner.live {
                Some(live) if live.connection == connection => {
                    inner.live = None;
                    std::mem::take(&mut inner.queue)
                }
                _ => return,
            }
        };
        drop(dropped);
    }

    /// Everything that waits for this connection.
    pub fn take(&self, connection: u64) -> VecDeque<Job> {
        let mut inner = self.lock();
        match &inner.live {
            Some(live) if live.connection == connection => std::mem::take(&mut inner.queue),
            _ => VecDeque::new(),
        }
    }

    pub fn waits_for(&self, connection: u64) -> bool {
        let inner = self.lock();
        !inner.queue.is_empty() && inner.live.as_ref().is_some_and(|l| l.connection == connection)
    }

    fn put(&self, want: Want) -> Result<(Arc<AtomicU8>, oneshot::Receiver<Reply>), Reply> {
        let (done, answer) = oneshot::channel();
        let state = Arc::new(AtomicU8::new(WAITING));
        let mut inner = self.lock();
        let Some(live) = &inner.live else {
            return Err(Reply::NotSent("no subscribed connection".into()));
        };
        let bell = live.bell.clone();
        if inner.queue.len() >= QUEUE {
            return Err(Reply::NotSent("too many requests wait for the connection".into()));
        }
        inner.queue.push_back(Job {
            want,
            state: state.clone(),
            done,
        });
        drop(inner);
        bell.notify_one();
        Ok((state, answer))
    }

    /// Sends one frame over the subscribed connection and waits for its acknowledgement.
    pub async fn request(&self, want: Want) -> Reply {
        let (state, answer) = match self.put(want) {
            Ok(put) => put,
            Err(reply) => return reply,
        };
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(reply)) => reply,
            // Dropped by the session, or never taken.
            ended => {
                let why = match ended {
                    Ok(_) => "the connection ended",
                    Err(_) => "no acknowledgement in time",
                };
                match state.compare_exchange(WAITING, ABANDONED, Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) => Reply::NotSent(why.into()),
                    Err(_) => Reply::Unknown(why.into()),
                }
            }
        }
    }
}
