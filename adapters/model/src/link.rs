//! Long connections, as the core sees them: the platform keeps a socket open instead of calling us.
//!
//! A platform describes its protocol as a state machine without I/O: frames, stored events and time
//! go in, [`Step`]s come out. Who runs it (the crate `hutong-link`) owns the socket, the clock, the
//! watchdog, reconnecting and the lease, so that all platforms are kept alive in one way and every
//! protocol can be tested with recorded frames and driven time.

use std::fmt;

use crate::adapter::{BoxFuture, Incoming, Rejection};
use crate::clock::Timestamp;
use crate::secret::Secret;

/// What the runner must know before it connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkSpec {
    /// For logs and figures, e.g. `stream`.
    pub name: &'static str,
    /// Only one connection per app may live: it is opened under a lease.
    pub exclusive: bool,
    /// Host suffixes that an endpoint may have: `feishu.cn` allows `feishu.cn` and what ends in
    /// `.feishu.cn`. Anything else is refused before a byte is sent.
    pub hosts: Vec<String>,
    /// The app's base URL is loopback: then, and only then, `ws` and loopback addresses are allowed.
    pub loopback: bool,
    /// Nothing at all received for so long, in milliseconds: the connection is dead. Never more
    /// than 70,000.
    pub quiet_ms: u64,
    /// Age in milliseconds at which the connection is replaced, new before old; 0 for never
    /// (exclusive connections that the platform closes by itself).
    pub rotate_ms: u64,
    /// Largest message taken from the wire, in bytes.
    pub max_frame: usize,
}

/// Where to connect. The URL may carry a ticket, so it is a secret; it is used once.
#[derive(Debug, Clone)]
pub struct Endpoint {
    pub url: Secret,
    pub headers: Vec<(&'static str, Secret)>,
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Credentials, rights or settings are wrong: somebody must act. Tried again every five minutes.
    #[error("refused ({code}): {text}")]
    Refused {
        code: String,
        /// For the operator: what is wrong and where to set it, Chinese first.
        text: String,
    },
    /// Tried again with back-off, not before `after_ms`.
    #[error("not reachable: {reason}")]
    Unavailable { reason: String, after_ms: Option<u64> },
}

#[derive(Clone, PartialEq, Eq)]
pub enum Frame {
    Text(String),
    Binary(Vec<u8>),
}

/// Frames carry what people wrote and, in the first one, secrets: only the size is shown.
impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Frame::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Frame::Binary(bytes) => write!(f, "Binary({} bytes)", bytes.len()),
        }
    }
}

/// What a session wants done, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    Send(Frame),
    /// Commit these events, then call [`LinkSession::stored`] with the same receipt. Only then may
    /// the platform be told that they arrived.
    Store {
        receipt: u64,
        events: Vec<Incoming>,
    },
    /// The platform has accepted us; events may come from now on. Resets the back-off.
    Ready,
    /// Something was refused and dropped; counted by kind.
    Rejected(Rejection),
    /// The platform has announced that it will end this connection: open the next one now. This one
    /// keeps reading until it is closed, `drain_ms` at most.
    Replace {
        drain_ms: u64,
    },
    Close(CloseReason),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// The protocol was broken or an answer is missing: connect again with back-off.
    Failed(String),
    /// As [`OpenError::Refused`].
    Refused { code: String, text: String },
    /// Another holder has taken the connection over: no fight. The runner reports it and tries again
    /// after a long pause, under the lease.
    Evicted,
    /// Nothing wrong: end and connect again.
    Rotate,
}

/// The protocol of one app's long connection.
pub trait Link: Send + Sync {
    fn spec(&self) -> LinkSpec;

    /// How many connections stand side by side in one process, where the platform spreads its pushes over
    /// those that live. Never more than one of an exclusive link.
    fn connections(&self) -> u32 {
        1
    }
    /// Asks the platform where to connect. Called anew for every connection.
    fn open<'a>(&'a self) -> BoxFuture<'a, Result<Endpoint, OpenError>>;
    /// The endpoint answered the upgrade with something else than 101: what that means. `headers` in
    /// lower case.
    fn not_upgraded(&self, status: u16, headers: &[(&str, &str)]) -> OpenError {
        let _ = headers;
        match status {
            401 | 403 => OpenError::Refused {
                code: status.to_string(),
                text: format!(
                    "长连接的地址拒绝了我们({status}),请检查应用的凭证与权限 / the endpoint of the long connection refused us ({status}): check the app's credentials and rights"
                ),
            },
            other => OpenError::Unavailable {
                reason: format!("the endpoint answered {other} instead of upgrading"),
                after_ms: None,
            },
        }
    }
    /// A fresh state machine for one connection.
    fn session(&self, now: Timestamp) -> Box<dyn LinkSession>;
}

/// One connection's state. Never does I/O, never blocks, never panics on what the wire brings.
pub trait LinkSession: Send {
    /// The socket is open.
    fn opened(&mut self, now: Timestamp) -> Vec<Step>;
    fn received(&mut self, frame: Frame, now: Timestamp) -> Vec<Step>;
    /// The events of a [`Step::Store`] are committed (`true`) or could not be stored (`false`: the
    /// platform must be led to send them again, or at least not be told that they arrived).
    fn stored(&mut self, receipt: u64, stored: bool, now: Timestamp) -> Vec<Step>;
    /// When [`LinkSession::tick`] wants to be called next: pings, deadlines.
    fn next_tick(&self) -> Option<Timestamp>;
    fn tick(&mut self, now: Timestamp) -> Vec<Step>;
    /// Resolves when something is to be sent that did not come from the wire (an adapter whose calls
    /// travel over the connection queues them); then [`LinkSession::tick`] is called.
    fn woken(&self) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
    /// A last word before the runner closes in good order (stop, rotation).
    fn closing(&mut self, _now: Timestamp) -> Vec<Step> {
        Vec::new()
    }
}
