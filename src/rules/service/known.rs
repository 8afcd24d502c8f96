//! Whom the directory surely knows, so that a message in a busy group costs no statement.
//!
//! A rule does not learn whether its transaction was committed. So writing somebody down does not
//! make them known; only reading them back, after long enough that the transaction which wrote them
//! must be over, does.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hutong_model::{AppId, Body, ChatId, EventHead, SenderKind, Timestamp, UserId};

/// Longer than a work transaction may take, with its retries.
const SETTLED: Duration = Duration::from_secs(60);
/// About 4 MB. Beyond it all is forgotten, which only costs statements.
const CAPACITY: usize = 60_000;

/// Digests of (app, chat) and (app, user): two that agree by chance would only be looked up too
/// seldom, and one in 10^19 does.
type Key = (u64, u64);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Written down, at this time.
    Written(Timestamp),
    /// Read back.
    Sure,
}

/// What to do about somebody who spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Nothing,
    /// Look whether they are there; enter them if not.
    Look,
    /// Enter them.
    Write,
}

/// See the module.
#[derive(Default)]
pub struct Known {
    map: Mutex<HashMap<Key, Trust>>,
}

impl Known {
    fn map(&self) -> MutexGuard<'_, HashMap<Key, Trust>> {
        // What a panicking thread left is at worst forgetful.
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False only for a message whose author and chat are surely there, or are not to be entered.
    pub fn is_news(&self, head: &EventHead<'_>) -> bool {
        match key(head.app, head.body) {
            Some(key) => self.map().get(&key) != Some(&Trust::Sure),
            None => false,
        }
    }

    pub fn step(&self, app: &AppId, body: &Body, now: Timestamp) -> Step {
        let Some(key) = key(app, body) else {
            return Step::Nothing;
        };
        match self.map().get(&key) {
            Some(Trust::Sure) => Step::Nothing,
            Some(Trust::Written(at)) if now.since(*at) > SETTLED => Step::Look,
            Some(Trust::Written(_)) | None => Step::Write,
        }
    }

    pub fn written(&self, app: &AppId, body: &Body, now: Timestamp) {
        self.put(app, body, Trust::Written(now));
    }

    pub fn sure(&self, app: &AppId, body: &Body) {
        self.put(app, body, Trust::Sure);
    }

    fn put(&self, app: &AppId, body: &Body, trust: Trust) {
        let Some(key) = key(app, body) else { return };
        let mut map = self.map();
        match map.get_mut(&key) {
            // Keeps the moment of the first write: a person who talks all the time gets known too.
            Some(Trust::Written(_)) if matches!(trust, Trust::Written(_)) => {}
            Some(slot) => *slot = trust,
            None => {
                if map.len() >= CAPACITY {
                    map.clear();
                }
                map.insert(key, trust);
            }
        }
    }

    /// They were looked for and were not there: what was written is gone.
    pub fn lost(&self, app: &AppId, body: &Body, now: Timestamp) {
        if let Some(key) = key(app, body) {
            self.map().insert(key, Trust::Written(now));
        }
    }

    /// Somebody left or a chat ended: what was sure is so no more.
    pub fn forget_chat(&self, app: &AppId, chat: &ChatId) {
        let gone = digest(app, chat.as_str());
        self.map().retain(|(chat, _), _| *chat != gone);
    }

    pub fn forget_person(&self, app: &AppId, user: &UserId) {
        let gone = digest(app, user.as_str());
        self.map().retain(|(_, user), _| *user != gone);
    }
}

fn key(app: &AppId, body: &Body) -> Option<Key> {
    let Body::Message(message) = body else { return None };
    if message.sender.kind != SenderKind::Person {
        return None;
    }
    let user = message.sender.user.as_ref()?;
    Some((digest(app, message.chat.id.as_str()), digest(app, user.as_str())))
}

fn digest(app: &AppId, id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (app.as_str(), id).hash(&mut hasher);
    hasher.finish()
}
