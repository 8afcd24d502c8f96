//! Issues of columns: their content, its versions, the state each is in, and where it went.
//!
//! A room of its own, so that the rule that sends columns and the rule that has them reviewed can
//! both work on an issue without knowing each other. Life of an issue:
//!
//! ```text
//! draft -> pending -> approved -> scheduled -> sent -> corrected
//!            \-> returned -> pending ..    any change of the content: draft again
//! draft, pending, returned, approved, scheduled -> missed
//! ```
//!
//! What somebody decides, they decide about a version and the SHA-256 of what it renders to:
//! [`move_to`] changes nothing when either is another one by then.
//!
//! Before an issue is sent, [`Gate::may_send`] is asked. Without a review everything may go
//! ([`Open`]).

mod content;
mod people;
mod store;

#[cfg(test)]
mod tests;

use std::fmt;

use hutong_model::{BoxFuture, Timestamp};

use crate::directory::PersonId;
use crate::store::{StoreError, Tx};

pub use content::{Content, File, Piece, render, sha256_of};
pub use people::authors;
pub use store::{
    Post, Version, at_slot, claim_posts, corrected, draft, in_state, issue, last, miss, move_to, posted, posts,
    set_content, set_due, start_sending, target, upcoming, version, versions,
};

/// Where an issue stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Being written; nobody has looked at it.
    Draft,
    /// Waits for a reviewer.
    Pending,
    /// A reviewer wants it changed.
    Returned,
    /// A reviewer said yes to exactly this content.
    Approved,
    /// Approved, or in no need of it, and waiting for its minute.
    Scheduled,
    /// On its way to, or in, its groups.
    Sent,
    /// Sent, and put right afterwards.
    Corrected,
    /// Its time passed without it; [`Issue::why`] says why.
    Missed,
}

impl State {
    pub const ALL: [State; 8] = [
        State::Draft,
        State::Pending,
        State::Returned,
        State::Approved,
        State::Scheduled,
        State::Sent,
        State::Corrected,
        State::Missed,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            State::Draft => "draft",
            State::Pending => "pending",
            State::Returned => "returned",
            State::Approved => "approved",
            State::Scheduled => "scheduled",
            State::Sent => "sent",
            State::Corrected => "corrected",
            State::Missed => "missed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }

    /// Its content may still change, and it may still be sent.
    pub fn open(self) -> bool {
        !matches!(self, State::Sent | State::Corrected | State::Missed)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why an issue was missed; the text that is stored.
pub mod why {
    /// Too little content.
    pub const EMPTY: &str = "empty";
    /// The service was back too late.
    pub const LATE: &str = "late";
    /// The service was back in quiet hours.
    pub const QUIET: &str = "quiet";
    /// The column was paused.
    pub const PAUSED: &str = "paused";
    /// A later issue of the column fell on the same shifted day.
    pub const MERGED: &str = "merged";
    /// The gate did not let it pass.
    pub const HELD: &str = "held";
}

/// One issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    pub id: i64,
    /// Id of the column.
    pub column: String,
    /// The local minute it stands for, `2026-11-30T09:30`; each group has it at that time of its own
    /// office. Issues sent by hand end in `+`.
    pub slot: String,
    /// Counts the issues of the column that were sent; 0 before.
    pub number: i64,
    pub state: State,
    /// Of a missed issue, see [`why`]; else empty.
    pub why: String,
    /// Grows with every change of the content.
    pub version: i64,
    pub content: Content,
    /// Of what the content renders to, hexadecimal; see [`sha256_of`].
    pub sha256: String,
    /// Who wrote this version; `None`: it was put together from the pool.
    pub author: Option<PersonId>,
    /// When the first group is to have it.
    pub due_at: Timestamp,
    /// The last change of the row.
    pub at: Timestamp,
}

/// What the gate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Send it.
    Yes,
    /// Do not send it at this moment, and do not give it up: asked again within its lateness.
    Wait,
    /// Do not send it. The reason is for editors, Chinese and English.
    No { zh: String, en: String },
}

/// May this issue be sent now? The one point where a review attaches.
pub trait Gate: Send + Sync {
    /// Asked in the transaction that would send it, once for each issue (not for each group).
    /// `issue.sha256` is that of the content about to be sent.
    fn may_send<'a>(
        &'a self,
        tx: &'a mut Tx,
        issue: &'a Issue,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Verdict, StoreError>>;

    /// True when issues need more than time to be sent: editors are then asked to write earlier.
    fn reviews(&self, _column: &str) -> bool {
        false
    }
}

/// Everything may go.
#[derive(Debug, Clone, Copy, Default)]
pub struct Open;

impl Gate for Open {
    fn may_send<'a>(
        &'a self,
        _tx: &'a mut Tx,
        _issue: &'a Issue,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<Verdict, StoreError>> {
        Box::pin(async { Ok(Verdict::Yes) })
    }
}
