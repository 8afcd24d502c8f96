//! What the runner needs from the program, and what it tells it.

use std::time::Duration;

use hutong_model::{BoxFuture, Clock, Incoming, Rejection, Timestamp};
use tokio::time::Instant;

/// The program, as one app's runner sees it.
pub trait LinkHost: Send + Sync {
    /// Commits events; true when they are safe (also when they were known already). Called in the
    /// order of arrival, and polled once before the next call: what queues at its first poll keeps
    /// that order. May be dropped before it is finished, at the end of a connection.
    fn store(&self, events: Vec<Incoming>) -> BoxFuture<'_, bool>;
    /// Something was refused and dropped.
    fn rejected(&self, rejection: Rejection);
    /// Takes or renews the app's lease. Only for exclusive links.
    fn hold(&self) -> BoxFuture<'_, Hold>;
    /// Gives the lease back.
    fn release(&self) -> BoxFuture<'_, ()>;
    /// For logs, figures and alerts. Must return at once.
    fn note(&self, note: LinkNote);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// It is ours for so long, counted from the beginning of the call.
    Held(Duration),
    /// Another replica has it.
    Taken,
    /// The store does not answer: what was held lasts until it runs out.
    Unknown,
}

/// What has happened to a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkNote {
    /// Another replica holds the lease (or nobody can say): this one waits.
    Standby,
    Connecting {
        /// Failures since the last stable connection.
        attempt: u32,
    },
    /// Events may come. `took` counts from the beginning of connecting.
    Ready {
        took: Duration,
    },
    /// The platform has announced the end; the next connection is being opened.
    Replacing,
    /// Old enough to be replaced; the next connection is being opened.
    Rotating,
    /// There is no connection, or the next one could not be opened.
    Lost {
        cause: Cause,
        /// In detail, for logs. No secrets, nothing that people wrote.
        reason: String,
        retry_in: Duration,
        /// Another connection still works (it was to be rotated).
        connected: bool,
    },
    /// Somebody must act.
    Refused {
        code: String,
        text: String,
        retry_in: Duration,
        connected: bool,
    },
    /// Somebody else has taken the connection over.
    Evicted {
        retry_in: Duration,
    },
    /// The lease was lost while it was needed; the connection is ended.
    LeaseLost,
    /// A defect of a session; it was contained.
    Panicked,
    Stopped,
}

/// What ended a connection, or kept it from coming about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The platform did not say where to connect.
    NoEndpoint,
    NoConnection,
    /// Connected, and not accepted in time.
    NotAccepted,
    /// Nothing was heard for too long.
    Silence,
    /// Closed by the platform.
    Closed,
    /// Ended without a word, or beyond repair.
    Broken,
    /// It does not speak the protocol as we know it, or an answer is missing.
    Protocol,
    /// In good order.
    Ended,
    /// A defect of our own.
    Defect,
}

impl Cause {
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::NoEndpoint => "no_endpoint",
            Cause::NoConnection => "no_connection",
            Cause::NotAccepted => "not_accepted",
            Cause::Silence => "silence",
            Cause::Closed => "closed",
            Cause::Broken => "broken",
            Cause::Protocol => "protocol",
            Cause::Ended => "ended",
            Cause::Defect => "defect",
        }
    }
}

/// Times and bounds. The defaults are those of the specification; tests shorten them.
#[derive(Debug, Clone)]
pub struct Options {
    /// Of jitter.
    pub seed: u64,
    /// Asking the platform where to connect.
    pub open: Duration,
    /// Connecting, TLS and upgrade together.
    pub connect: Duration,
    /// From the open socket to [`hutong_model::Step::Ready`].
    pub ready: Duration,
    /// One outgoing message.
    pub write: Duration,
    /// One commit; afterwards it counts as failed.
    pub store: Duration,
    /// Commits under way; when there are more, nothing is read.
    pub stores: usize,
    /// Between WebSocket pings of our own; never more than 30 s nor a third of the quiet time.
    pub ping: Duration,
    /// First and last step of the exponential back-off.
    pub backoff: (Duration, Duration),
    /// A connection that has lived for so long resets the back-off.
    pub stable: Duration,
    /// After a refusal.
    pub refused: Duration,
    /// After an eviction.
    pub evicted: Duration,
    /// Between looks at a lease that another replica holds.
    pub standby: Duration,
    /// The closing handshake; what still arrives is stored.
    pub retire: Duration,
    /// From the stop to the end of the last connection.
    pub stop: Duration,
    /// An exclusive connection is replaced when nothing has come or gone for so long, because there
    /// is a gap between the old one and the new; at the latest after `calm_most`.
    pub calm: Duration,
    pub calm_most: Duration,
    /// Announced ends in a row, each before its connection was stable, that are followed at once;
    /// more are followed with back-off.
    pub replace_burst: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 0,
            open: Duration::from_secs(20),
            connect: Duration::from_secs(10),
            ready: Duration::from_secs(30),
            write: Duration::from_secs(10),
            store: Duration::from_secs(15),
            stores: 64,
            ping: Duration::from_secs(25),
            backoff: (Duration::from_secs(1), Duration::from_secs(60)),
            stable: Duration::from_secs(60),
            refused: Duration::from_secs(300),
            evicted: Duration::from_secs(300),
            standby: Duration::from_secs(5),
            retire: Duration::from_secs(5),
            stop: Duration::from_secs(20),
            calm: Duration::from_secs(30),
            calm_most: Duration::from_secs(600),
            replace_burst: 20,
        }
    }
}

/// A clock that follows the runtime's timers: with paused time, it is driven with them.
#[derive(Debug, Clone, Copy)]
pub struct TimerClock {
    base: Timestamp,
    start: Instant,
}

impl TimerClock {
    pub fn starting(base: Timestamp) -> Self {
        Self {
            base,
            start: Instant::now(),
        }
    }
}

impl Clock for TimerClock {
    fn now(&self) -> Timestamp {
        self.base + self.start.elapsed()
    }
}
