//! Settles messages in doubt by reading the chat they were meant for.
//!
//! A `once` message whose outcome is not known and whose key is gone waits for a decision. Where the
//! platform lets the app read a chat, its own messages from the time of the attempts are compared
//! with what is accounted for. Sends to one chat leave one at a time, so a message of ours that no
//! other row has a receipt for is this one: it has arrived. When it is not there at two looks a
//! minute apart, after the last moment at which it could have come, it has not, and is sent again.
//! Whatever is not plain stays a decision of a person: two candidates, another row of the same chat
//! in doubt, no permission to read.
//!
//! Contents are not compared: a platform does not give a card back as it was sent.

mod store;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hutong_model::{Adapter, AppId, CallError, ChatId, MessageId, Receipt, Timestamp};
use tokio::sync::Notify;

use self::store::Doubt;
use super::EffectSink;
use super::store::resend;
use crate::store::{Store, StoreError};

/// The clocks of the platform and of this machine may differ by so much.
const BEFORE: Duration = Duration::from_secs(60);
/// A call that was cut may still be carried out for so long.
const AFTER: Duration = Duration::from_secs(15);
/// Between the two looks that must not find it.
const AGAIN: Duration = Duration::from_secs(60);
/// After a look that could not decide.
const LATER: Duration = Duration::from_secs(600);
/// One look at a chat.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a round came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reconciled {
    pub found: usize,
    /// Not there at the first look.
    pub absent: usize,
    /// Not there at the second look: sent again.
    pub resent: usize,
    /// No longer worth sending.
    pub dropped: usize,
    /// When something is worth a look next.
    pub next_at: Option<Timestamp>,
}

impl Reconciled {
    pub fn changed(&self) -> bool {
        self.found + self.absent + self.resent + self.dropped > 0
    }
}

/// See the module. One per process; several on one database do not disturb each other.
#[derive(Clone)]
pub struct Reconciler {
    store: Store,
    adapters: HashMap<AppId, Arc<dyn Adapter>>,
    sink: Arc<dyn EffectSink>,
    wake: Arc<Notify>,
    /// Rows that could not be decided, and when to look again.
    later: Arc<Mutex<HashMap<String, Timestamp>>>,
}

enum Verdict {
    Found(MessageId),
    Absent,
    /// Worth another look when others are settled.
    Unclear,
    /// The chat cannot be read.
    Unreadable,
}

impl Reconciler {
    /// `wake` is rung when a message is to be sent again.
    pub fn new(
        store: Store,
        adapters: HashMap<AppId, Arc<dyn Adapter>>,
        sink: Arc<dyn EffectSink>,
        wake: Arc<Notify>,
    ) -> Self {
        Self {
            store,
            adapters,
            sink,
            wake,
            later: Arc::default(),
        }
    }

    /// Looks at every message in doubt that is due, oldest first.
    pub async fn look(&self, now: Timestamp) -> Result<Reconciled, StoreError> {
        let mut result = Reconciled::default();
        let doubts = store::doubts(&self.store, 50).await?;
        {
            let mut later = self.later.lock().unwrap_or_else(PoisonError::into_inner);
            later.retain(|id, _| doubts.iter().any(|d| d.row.id == *id));
        }
        for doubt in doubts {
            let Some(adapter) = self.adapters.get(&doubt.row.app) else {
                continue;
            };
            let Some(chat) = chat_of(&doubt) else { continue };
            let due = doubt.last + AFTER;
            let due = doubt.absent_at.map_or(due, |at| due.max(at + AGAIN));
            let put_off = {
                let later = self.later.lock().unwrap_or_else(PoisonError::into_inner);
                later.get(&doubt.row.id).copied()
            };
            if put_off.is_some_and(|at| at > now) {
                continue;
            }
            if due > now {
                result.next_at = Some(result.next_at.map_or(due, |at| at.min(due)));
                continue;
            }
            match self.read(adapter.as_ref(), &doubt, &chat).await? {
                verdict @ (Verdict::Unclear | Verdict::Unreadable) => {
                    let at = now + LATER;
                    if matches!(verdict, Verdict::Unclear) {
                        result.next_at = Some(result.next_at.map_or(at, |next| next.min(at)));
                    }
                    let mut later = self.later.lock().unwrap_or_else(PoisonError::into_inner);
                    later.insert(doubt.row.id.clone(), at);
                }
                Verdict::Found(message) => {
                    let mut tx = self.store.begin().await?;
                    let receipt = Receipt {
                        message: Some(message),
                        chat: Some(chat),
                        ..Receipt::default()
                    };
                    let sink = self.sink.as_ref();
                    let ours = store::found(&mut tx, sink, &doubt.row.id, &receipt, now).await?;
                    tx.commit().await?;
                    self.sink.committed();
                    result.found += usize::from(ours);
                    tracing::info!(id = %doubt.row.id, app = %doubt.row.app, "in doubt, and found in the chat");
                }
                Verdict::Absent if doubt.absent_at.is_none() => {
                    store::absent(&self.store, &doubt.row.id, now).await?;
                    result.absent += 1;
                    let at = now + AGAIN;
                    result.next_at = Some(result.next_at.map_or(at, |next| next.min(at)));
                }
                Verdict::Absent => {
                    let mut tx = self.store.begin().await?;
                    let worth = now <= doubt.row.case(now).deadline();
                    let ours = if worth {
                        resend(&mut tx, &doubt.row.id, now).await?
                    } else {
                        store::too_late(&mut tx, self.sink.as_ref(), &doubt.row.id, now).await?
                    };
                    tx.commit().await?;
                    if worth {
                        result.resent += usize::from(ours);
                        self.wake.notify_one();
                    } else {
                        result.dropped += usize::from(ours);
                        self.sink.committed();
                    }
                    tracing::info!(id = %doubt.row.id, app = %doubt.row.app, worth, "in doubt, and twice not found in the chat");
                }
            }
        }
        Ok(result)
    }

    async fn read(&self, adapter: &dyn Adapter, doubt: &Doubt, chat: &ChatId) -> Result<Verdict, StoreError> {
        let (from, until) = (doubt.first - BEFORE, doubt.last + AFTER);
        let read = tokio::time::timeout(PATIENCE, adapter.own_messages(chat, from, until)).await;
        let shown = match read {
            Ok(Ok(shown)) => shown,
            Ok(Err(CallError::NotPossible(_))) | Err(_) => return Ok(Verdict::Unreadable),
            Ok(Err(error)) => {
                tracing::warn!(app = %doubt.row.app, %error, "a chat cannot be read to settle a message in doubt");
                return Ok(Verdict::Unreadable);
            }
        };
        let known: BTreeSet<MessageId> = store::receipts_since(&self.store, &doubt.row.app, from)
            .await?
            .into_iter()
            .filter_map(|receipt| receipt.message)
            .collect();
        let mut strange = shown.into_iter().filter(|m| !known.contains(&m.id));
        let rivals = store::rivals(&self.store, &doubt.row, from, until).await?;
        Ok(match (strange.next(), strange.next()) {
            (None, _) => Verdict::Absent,
            (Some(one), None) if rivals == 0 => Verdict::Found(one.id),
            _ => Verdict::Unclear,
        })
    }
}

/// The chat that a message was to appear in. What goes to a person by their id has none that we know.
fn chat_of(doubt: &Doubt) -> Option<ChatId> {
    if !matches!(doubt.row.action.as_str(), "send" | "reply") {
        return None;
    }
    let to = doubt.row.prepared.as_ref()?.to.clone()?;
    ChatId::new(to).ok()
}
