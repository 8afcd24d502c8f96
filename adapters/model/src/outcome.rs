//! What became of a call. The one question that matters is whether the platform may have acted:
//! an outcome is [`Outcome::Unknown`] whenever a request byte may have arrived and no readable
//! answer came back.

use serde::{Deserialize, Serialize};

use crate::capability::LimitScope;
use crate::ids::{ChatId, MessageId, UserId};

#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The platform code says success. Individual receivers may still have failed.
    Sent(Receipt),
    /// Final: the platform will never accept this.
    Rejected { code: String, text: String },
    /// Not sent: wait. `after_ms` is the platform's own wish, where it says one.
    RateLimited {
        code: String,
        scope: LimitScope,
        after_ms: Option<u64>,
    },
    /// Not sent: the access token was refused, also after one forced refresh.
    AuthExpired { code: String, text: String },
    /// Not sent: no request byte left, or the platform says it was busy and did nothing.
    NotSent { reason: String },
    /// Perhaps sent: time-out, reset, 5xx or an unreadable answer after bytes were written.
    Unknown { reason: String },
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Receipt {
    #[serde(default)]
    pub message: Option<MessageId>,
    #[serde(default)]
    pub chat: Option<ChatId>,
    /// Names an uploaded file.
    #[serde(default)]
    pub handle: Option<String>,
    #[serde(default)]
    pub users: Vec<UserId>,
    #[serde(default)]
    pub failed: Vec<FailedReceiver>,
}

/// A receiver whom a call that succeeded as a whole did not reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedReceiver {
    pub receiver: String,
    pub code: String,
    pub text: String,
}

/// Why a read (directory, members) failed. Reads are safe to repeat.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// `text` is written for the operator: what is missing and where to set it.
    #[error("refused ({code}): {text}")]
    Rejected { code: String, text: String },
    #[error("rate limited ({code})")]
    RateLimited { code: String, after_ms: Option<u64> },
    #[error("the access token was refused ({code}): {text}")]
    Auth { code: String, text: String },
    #[error("not reachable: {0}")]
    Unavailable(String),
    #[error("{0} is not possible with this kind of app")]
    NotPossible(&'static str),
}
