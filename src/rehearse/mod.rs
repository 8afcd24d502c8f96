//! The rehearsal: what the bot would say in the next days, without saying it.
//!
//! The real modules (schedule, dispatch, rules, noise budget) run under a driven clock on a copy of
//! the store in memory; apps draw everything and send nothing, and every effect is answered with
//! "sent". What comes out of the outbox is listed: when, where, who reads it, why it moved, what it
//! collides with, and how much of rates, quotas and the noise budget it uses. Nothing is written to
//! the real store. What people will do meanwhile is not known: answers to them are no part of it.

mod adapter;
pub mod diff;
mod judge;
pub mod order;
pub mod report;
mod run;
pub mod running;
pub mod store;

use chrono::NaiveDate;
use chrono_tz::Tz;
use hutong_model::{ActionKind, AppId, Timestamp};
use serde::Serialize;

use crate::config::Checked;
use crate::store::{Store, StoreError};

pub use run::run;

/// Days that can be rehearsed at once.
pub const MOST_DAYS: u32 = 92;

/// What to rehearse.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub days: u32,
    /// The moment it begins.
    pub from: Timestamp,
}

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Place {
    Group {
        chat: String,
        name: Option<String>,
    },
    Person {
        user: String,
        name: Option<String>,
    },
    /// No message: a change of a group, a file.
    Other {
        what: String,
    },
}

impl Place {
    pub fn id(&self) -> &str {
        match self {
            Place::Group { chat, .. } => chat,
            Place::Person { user, .. } => user,
            Place::Other { what } => what,
        }
    }
}

/// Why something appears on another day than its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Moved {
    /// Its day is no workday.
    DayOff {
        from: NaiveDate,
        holiday_zh: Option<String>,
        holiday_en: Option<String>,
    },
    /// The group had its messages of that day.
    Budget { from: String },
}

/// One message, or one change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// The company's wall clock, `2026-11-30T09:30`.
    pub local: String,
    pub at: Timestamp,
    /// When the platforms' rates let it leave.
    pub leaves_at: Timestamp,
    pub app: AppId,
    pub platform: &'static str,
    pub action: ActionKind,
    pub place: Place,
    /// Who reads it, as far as the directory knows the group.
    pub audience: Option<u32>,
    /// The schedule that causes it (`columns:weekly-news`), else the rule.
    pub source: String,
    pub rule: String,
    /// The first line.
    pub title: String,
    pub text: String,
    pub moved: Option<Moved>,
    /// Other sources in the same group within half an hour.
    pub collides: Vec<String>,
    /// The how-manieth message of the group's day it is, and of how many; 0 is no limit.
    pub budget: Option<(u32, u32)>,
    /// How many messages stand in it, for a digest.
    pub merges: Vec<String>,
    /// Calls of the platform it takes.
    pub calls: u32,
}

impl Entry {
    pub fn day(&self) -> &str {
        self.local.get(..10).unwrap_or(&self.local)
    }
    pub fn time(&self) -> &str {
        self.local.get(11..16).unwrap_or_default()
    }
}

/// Something that must not happen, and would.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "problem", rename_all = "snake_case")]
pub enum Problem {
    /// A planned issue that says nothing in any group.
    Silent { local: String, source: String },
    /// It could not leave before it was worthless.
    Dropped {
        local: String,
        source: String,
        app: AppId,
        place: String,
    },
    /// The group's budget did not reach: so many messages had to wait.
    Budget {
        day: String,
        app: AppId,
        chat: String,
        name: Option<String>,
        messages: u32,
        limit: u32,
    },
    /// Still waiting for room at the end.
    StillWaiting {
        app: AppId,
        chat: String,
        name: Option<String>,
        messages: u32,
    },
    /// More calls in a month than were bought.
    Quota {
        app: AppId,
        month: String,
        calls: u64,
        limit: u64,
    },
    /// A module failed.
    Failed { source: String, error: String },
}

/// How much of a published limit is used at the worst moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RateUse {
    pub app: AppId,
    pub api: String,
    pub scope: &'static str,
    pub window_ms: u64,
    pub limit: u64,
    pub peak: u64,
    pub at: Option<String>,
}

/// Calls of a month.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QuotaUse {
    pub app: AppId,
    pub month: String,
    /// Those of the rehearsal and `used` together.
    pub calls: u64,
    /// Made this month before the rehearsal, as far as the outbox still knows: a lower bound, `[retention]
    /// outbox` may be shorter than a month.
    pub used: u64,
    /// What was bought, where it is known.
    pub limit: Option<u64>,
}

/// What a rehearsal was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "made_from", rename_all = "snake_case")]
pub enum Ground {
    /// A copy of the store.
    Store,
    /// There is no store yet: the configuration alone.
    ConfigAlone { why: String },
}

/// The outcome.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rehearsal {
    pub company: String,
    #[serde(serialize_with = "zone_name")]
    pub zone: Tz,
    pub from: String,
    pub to: String,
    pub days: u32,
    pub ground: Ground,
    pub entries: Vec<Entry>,
    pub problems: Vec<Problem>,
    pub rates: Vec<RateUse>,
    pub quotas: Vec<QuotaUse>,
}

fn zone_name<S: serde::Serializer>(zone: &Tz, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(zone.name())
}

impl Rehearsal {
    /// True when nothing would be dropped and no budget or quota exceeded.
    pub fn good(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Why there is no outcome.
#[derive(Debug, thiserror::Error)]
pub enum RehearseError {
    #[error("days must be 1 to {MOST_DAYS}, not {0}")]
    Days(u32),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Config(String),
}

/// Makes the copy that [`run`] works on. `url`: the real store; absent, or there is none behind it: an
/// empty one.
///
/// Errors: a store that exists and cannot be read.
pub async fn copy_of(url: Option<&str>) -> Result<(Store, Ground), StoreError> {
    let copy = Store::memory().await?;
    let Some(url) = url else {
        let why = "no store was named".to_owned();
        return Ok((copy, Ground::ConfigAlone { why }));
    };
    match copy.copy_from(url, &store::LEFT_OUT).await {
        Ok(()) => {
            store::remember_calls(&copy, url).await?;
            Ok((copy, Ground::Store))
        }
        // A database that is not there yet. One that is there and does not answer is an error.
        Err(StoreError::Unavailable(why)) if url.starts_with("sqlite:") => Ok((copy, Ground::ConfigAlone { why })),
        Err(error) => Err(error),
    }
}

/// The rehearsal of a configuration against the store that it names.
pub async fn of_config(config: &Checked, options: Options) -> Result<Rehearsal, RehearseError> {
    let (copy, ground) = copy_of(Some(config.store.url.expose())).await?;
    let outcome = run(config, &copy, ground, options).await;
    copy.close().await;
    outcome
}
