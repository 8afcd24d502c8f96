//! The contract between the core and a platform.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::capability::Capabilities;
use crate::clock::{Clock, Timestamp};
use crate::diagnose::Finding;
use crate::directory::{DepartmentRecord, Page, PersonRecord};
use crate::effect::{Action, Prepared, RenderError};
use crate::event::{Attachment, Body};
use crate::ids::{AppId, ChatId, CompanyId, DepartmentId, MessageId, Platform, UserId};
use crate::link::Link;
use crate::outcome::{CallError, Outcome};
use crate::quota::QuotaBook;
use crate::secret::Secret;
use crate::stats::{ChatRecord, OwnMessage, StatRow, StatScope};

pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A callback as it arrived: raw bytes, nothing decoded.
#[derive(Debug, Clone, Copy)]
pub struct RawRequest<'a> {
    pub post: bool,
    /// The query string without `?`, still percent-encoded.
    pub query: &'a str,
    /// Names in lower case, in the order of arrival.
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
}

impl<'a> RawRequest<'a> {
    /// A header that may stand once. Twice is a rejection: two proxies may read different ones.
    pub fn header(&self, name: &str) -> Result<Option<&'a str>, Rejection> {
        let mut found = self.headers.iter().filter(|(n, _)| *n == name);
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some((_, value)), None) => Ok(Some(value)),
            (Some(_), Some(_)) => Err(Rejection::DoubledHeader),
        }
    }
}

/// What a callback turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Received {
    /// The platform checks the address: answered before any database work.
    Challenge(Answer),
    /// The answer is given only after the events are stored. Valid events of no interest carry
    /// [`Body::Other`].
    Events { events: Vec<Incoming>, answer: Answer },
    /// Counted by kind and answered always alike, so that a prober learns nothing.
    Rejected(Rejection),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    /// The platform's own dedupe key: the message id for messages, the event id for the rest.
    pub key: String,
    /// Chat or person: events of one lane stay in order.
    pub lane: String,
    pub occurred_at: Timestamp,
    pub body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub content_type: &'static str,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(body: impl Into<Vec<u8>>) -> Self {
        Self {
            content_type: "application/json; charset=utf-8",
            body: body.into(),
        }
    }
    pub fn text(body: impl Into<Vec<u8>>) -> Self {
        Self {
            content_type: "text/plain; charset=utf-8",
            body: body.into(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rejection {
    TooLarge,
    MissingHeader,
    DoubledHeader,
    BadSignature,
    BadToken,
    /// Outside the accepted window of time.
    Stale,
    Undecryptable,
    Malformed,
    WrongApp,
}

impl Rejection {
    pub fn as_str(self) -> &'static str {
        match self {
            Rejection::TooLarge => "too_large",
            Rejection::MissingHeader => "missing_header",
            Rejection::DoubledHeader => "doubled_header",
            Rejection::BadSignature => "bad_signature",
            Rejection::BadToken => "bad_token",
            Rejection::Stale => "stale",
            Rejection::Undecryptable => "undecryptable",
            Rejection::Malformed => "malformed",
            Rejection::WrongApp => "wrong_app",
        }
    }
}

/// One configured application on one platform.
///
/// `receive` and `prepare` are pure. `deliver` and the reads talk to the platform with every
/// timeout set (connect 3 s, whole call 15 s) and never follow redirects.
pub trait Adapter: Send + Sync {
    fn app(&self) -> &AppId;
    fn platform(&self) -> Platform;
    fn capabilities(&self) -> &Capabilities;

    /// Verifies, decrypts and translates one callback. No I/O; the same input gives the same output.
    fn receive(&self, request: &RawRequest<'_>, now: Timestamp) -> Received;

    /// Turns an action into requests. More than one when the content is longer than the platform
    /// takes at once; they are sent in order.
    fn prepare(&self, action: &Action) -> Result<Vec<Prepared>, RenderError>;

    /// Sends one prepared request. `key` is the idempotency key of its outbox row: 32 characters
    /// `[a-z0-9]`, the same on every attempt.
    fn deliver<'a>(&'a self, prepared: &'a Prepared, key: &'a str) -> BoxFuture<'a, Outcome>;

    /// Pages through all departments. `cursor` is `None` first, then [`Page::next`].
    fn departments<'a>(&'a self, cursor: Option<&'a str>) -> BoxFuture<'a, Result<Page<DepartmentRecord>, CallError>>;

    /// Pages through the people who are directly in a department.
    fn people<'a>(
        &'a self,
        department: &'a DepartmentId,
        cursor: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page<PersonRecord>, CallError>>;

    /// Reads one person, where the platform allows; used after contact events that carry only ids.
    fn person<'a>(&'a self, user: &'a UserId) -> BoxFuture<'a, Result<Option<PersonRecord>, CallError>>;

    /// Asks the platform whether credentials and address are right (`check --online`, `/health`).
    fn probe<'a>(&'a self) -> BoxFuture<'a, Result<(), CallError>>;

    /// The app's long connection; `None` when it is set to callbacks, or the platform has none.
    fn link(&self) -> Option<Arc<dyn Link>> {
        None
    }

    /// Whether [`Adapter::deliver`] can work in this process right now. False only where calls
    /// travel over a long connection that another replica holds, or that is down.
    fn can_deliver(&self) -> bool {
        true
    }

    /// The count of the calls that the platform sells by the month; `None` where it does not.
    fn quota(&self) -> Option<&dyn QuotaBook> {
        None
    }

    /// Asks one by one whether everything the app needs is set up (`check --online`). `callback` is
    /// the address its callbacks should come to.
    fn diagnose<'a>(&'a self, _callback: Option<&'a str>) -> BoxFuture<'a, Vec<Finding>> {
        Box::pin(async { Vec::new() })
    }

    /// Pages through the chats that the bot is in.
    fn chats<'a>(&'a self, _cursor: Option<&'a str>) -> BoxFuture<'a, Result<Page<ChatRecord>, CallError>> {
        Box::pin(async { Err(CallError::NotPossible("listing chats")) })
    }

    /// What the app itself has posted in a chat between two times, complete, oldest first: settles
    /// whether a message in doubt has arrived. `NotPossible` where the platform shows no history.
    fn own_messages<'a>(
        &'a self,
        _chat: &'a ChatId,
        _from: Timestamp,
        _until: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<OwnMessage>, CallError>> {
        Box::pin(async { Err(CallError::NotPossible("reading a chat")) })
    }

    /// The platform's own figures of one day (`YYYY-MM-DD`).
    fn statistics<'a>(
        &'a self,
        _scope: &'a StatScope,
        _day: &'a str,
        _cursor: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page<StatRow>, CallError>> {
        Box::pin(async { Err(CallError::NotPossible("statistics")) })
    }

    /// Fetches an attachment of a message, at most `limit` bytes.
    fn download<'a>(
        &'a self,
        _message: &'a MessageId,
        _attachment: &'a Attachment,
        _limit: usize,
    ) -> BoxFuture<'a, Result<Vec<u8>, CallError>> {
        Box::pin(async { Err(CallError::NotPossible("downloading")) })
    }
}

/// One key of an `[[app]]` table, for this kind of app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySpec {
    pub name: &'static str,
    pub kind: KeyKind,
    pub required: bool,
    /// What it is and where the admin finds it, one sentence.
    pub doc: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    Text,
    /// `{ env = "NAME" }` or `{ file = "PATH" }`; a literal only when `base_url` is loopback.
    Secret,
    /// `http` or `https` without query; the adapter says which hosts are expected.
    Url,
    Integer,
    Bool,
}

/// The checked values of an `[[app]]` table.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    values: Vec<(String, SettingValue)>,
}

#[derive(Debug, Clone)]
pub enum SettingValue {
    Text(String),
    Secret(Secret),
    Integer(i64),
    Bool(bool),
}

impl Settings {
    pub fn set(&mut self, key: impl Into<String>, value: SettingValue) {
        let key = key.into();
        self.values.retain(|(k, _)| *k != key);
        self.values.push((key, value));
    }
    /// For tests and for the demo.
    pub fn with(mut self, key: &str, value: SettingValue) -> Self {
        self.set(key, value);
        self
    }
    fn get(&self, key: &str) -> Option<&SettingValue> {
        self.values.iter().find(|(k, _)| k == key).map(|(_, v)| v)
    }
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key) {
            Some(SettingValue::Text(text)) => Some(text),
            _ => None,
        }
    }
    pub fn secret(&self, key: &str) -> Option<&Secret> {
        match self.get(key) {
            Some(SettingValue::Secret(secret)) => Some(secret),
            _ => None,
        }
    }
    pub fn integer(&self, key: &str) -> Option<i64> {
        match self.get(key) {
            Some(SettingValue::Integer(n)) => Some(*n),
            _ => None,
        }
    }
    pub fn bool(&self, key: &str) -> Option<bool> {
        match self.get(key) {
            Some(SettingValue::Bool(b)) => Some(*b),
            _ => None,
        }
    }
}

/// What is wrong with one key; the loader adds file, line and column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyProblem {
    pub key: &'static str,
    pub what: String,
    pub hint: String,
}

/// What an adapter is built from.
#[derive(Debug, Clone)]
pub struct Build {
    pub app: AppId,
    pub company: CompanyId,
    /// The value of `platform` in the `[[app]]` table.
    pub kind: String,
    pub settings: Settings,
    pub clock: Arc<dyn Clock>,
}

/// An adapter, or everything that is wrong with its keys.
pub type BuildResult = Result<Arc<dyn Adapter>, Vec<KeyProblem>>;

/// One line of the program's list of platforms.
#[derive(Clone, Copy)]
pub struct PlatformEntry {
    /// Values of `platform = ` that this crate answers to.
    pub kinds: &'static [&'static str],
    /// Keys of the `[[app]]` table beside `id`, `platform` and `company`.
    pub keys: fn(kind: &str) -> &'static [KeySpec],
    /// Refuses an app without its verification secret.
    pub build: fn(Build) -> BuildResult,
}
