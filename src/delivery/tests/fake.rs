//! A platform that does what a script says and remembers what it showed.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hutong_model::{
    Action, ActionKind, Adapter, AppId, Body, BoxFuture, CallError, Capabilities, ChatId, Clock as _, DeliveryClass,
    DepartmentId, DepartmentRecord, EventId, LimitRule, LimitScope, Limits, ManualClock, MessageId, Outcome,
    OwnMessage, Page, PersonRecord, Platform, Prepared, QuotaBook, QuotaCount, QuotaUse, RawRequest, Receipt, Received,
    Rejection, RenderError, Timestamp, UserId,
};
use tokio::sync::Notify;

use super::super::*;
use crate::store::{Store, StoreError, Tx};

/// What the platform does with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Rejected,
    RateLimited,
    NotSent,
    /// Nothing arrives and nothing comes back.
    Unknown,
    /// It is shown, and the answer is lost.
    AcceptThenCut,
    /// It is shown, and the answer comes when [`Fake::let_go`] is called.
    ShowThenHang,
    Panic,
}

#[derive(Default)]
struct Log {
    scripts: HashMap<String, VecDeque<Act>>,
    calls: Vec<String>,
    shown: Vec<String>,
    /// Chat, message and time of what is shown.
    history: Vec<(String, OwnMessage)>,
    /// Keys that the platform honours.
    keys: BTreeSet<String>,
    under_way: HashMap<String, usize>,
    most: usize,
    at: Vec<(Timestamp, Prepared)>,
}

pub struct Fake {
    app: AppId,
    capabilities: Capabilities,
    clock: ManualClock,
    log: Mutex<Log>,
    gate: Notify,
    /// Its calls travel over a connection that is not here.
    away: AtomicBool,
    /// What it says about a monthly quota.
    pub month: Mutex<QuotaUse>,
    /// The app may read its chats.
    pub readable: AtomicBool,
}

impl QuotaBook for Fake {
    fn usage(&self, _: Timestamp) -> QuotaUse {
        self.month.lock().unwrap().clone()
    }
    fn drain(&self, _: Timestamp) -> Vec<QuotaCount> {
        Vec::new()
    }
    fn give_back(&self, _: Vec<QuotaCount>) {}
    fn learn(&self, _: Timestamp, _: &str, _: u64, _: bool) {}
}

impl Fake {
    pub fn script(&self, id: &str, acts: &[Act]) {
        let mut log = self.log.lock().unwrap();
        log.scripts.entry(id.to_owned()).or_default().extend(acts);
    }
    pub fn clear_scripts(&self) {
        self.log.lock().unwrap().scripts.clear();
    }
    /// What people see, in order.
    pub fn shown(&self) -> Vec<String> {
        self.log.lock().unwrap().shown.clone()
    }
    pub fn calls(&self) -> usize {
        self.log.lock().unwrap().calls.len()
    }
    pub fn calls_of(&self, id: &str) -> usize {
        self.log.lock().unwrap().calls.iter().filter(|c| *c == id).count()
    }
    pub fn most_at_once_in_a_lane(&self) -> usize {
        self.log.lock().unwrap().most
    }
    /// When each call came, with its request.
    pub fn times(&self) -> Vec<(Timestamp, Prepared)> {
        self.log.lock().unwrap().at.clone()
    }
    pub fn be_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }
    pub fn let_go(&self) {
        self.gate.notify_waiters();
    }

    async fn answer(&self, prepared: &Prepared, id: &str) -> Outcome {
        let lane = prepared.to.clone().unwrap_or_default();
        let act = {
            let mut log = self.log.lock().unwrap();
            log.calls.push(id.to_owned());
            log.at.push((self.clock.now(), prepared.clone()));
            let here = log.under_way.entry(lane.clone()).or_default();
            *here += 1;
            log.most = log.most.max(log.under_way[&lane]);
            log.scripts.get_mut(id).and_then(VecDeque::pop_front)
        };
        // So that calls overlap.
        tokio::task::yield_now().await;
        let show = || {
            let mut log = self.log.lock().unwrap();
            let honoured = prepared.key_window_ms.is_some() && !log.keys.insert(id.to_owned());
            if !honoured {
                log.shown.push(id.to_owned());
                // The same text twice is two messages.
                let n = log.shown.iter().filter(|s| *s == id).count();
                let name = if n == 1 {
                    format!("m-{id}")
                } else {
                    format!("m-{id}-{n}")
                };
                let message = OwnMessage {
                    id: MessageId::new(name).unwrap(),
                    at: self.clock.now(),
                };
                log.history.push((lane.clone(), message));
            }
        };
        let unknown = |reason: &str| Outcome::Unknown {
            reason: reason.to_owned(),
        };
        let sent = Outcome::Sent(Receipt {
            message: Some(MessageId::new(format!("m-{id}")).unwrap()),
            ..Receipt::default()
        });
        let outcome = match act {
            None => {
                show();
                sent
            }
            Some(Act::AcceptThenCut) => {
                show();
                unknown("connection reset")
            }
            Some(Act::ShowThenHang) => {
                show();
                self.gate.notified().await;
                sent
            }
            Some(Act::Unknown) => unknown("timed out"),
            Some(Act::NotSent) => Outcome::NotSent {
                reason: "refused".into(),
            },
            Some(Act::RateLimited) => Outcome::RateLimited {
                code: "230020".into(),
                scope: LimitScope::Destination,
                after_ms: None,
            },
            Some(Act::Rejected) => Outcome::Rejected {
                code: "40035".into(),
                text: "no such chat".into(),
            },
            Some(Act::Panic) => panic!("a defect in an adapter"),
        };
        if let Some(n) = self.log.lock().unwrap().under_way.get_mut(&lane) {
            *n -= 1;
        }
        outcome
    }
}

impl Adapter for Fake {
    fn app(&self) -> &AppId {
        &self.app
    }
    fn platform(&self) -> Platform {
        Platform::Feishu
    }
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }
    fn receive(&self, _: &RawRequest<'_>, _: Timestamp) -> Received {
        Received::Rejected(Rejection::Malformed)
    }
    fn prepare(&self, _: &Action) -> Result<Vec<Prepared>, RenderError> {
        Err(RenderError::Invalid("not part of these tests".into()))
    }
    fn deliver<'a>(&'a self, prepared: &'a Prepared, key: &'a str) -> BoxFuture<'a, Outcome> {
        Box::pin(self.answer(prepared, key))
    }
    fn own_messages<'a>(
        &'a self,
        chat: &'a ChatId,
        from: Timestamp,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<OwnMessage>, CallError>> {
        Box::pin(async move {
            if !self.readable.load(Ordering::SeqCst) {
                return Err(CallError::NotPossible("reading a chat"));
            }
            let log = self.log.lock().unwrap();
            let here = log.history.iter().filter(|(lane, _)| lane == chat.as_str());
            Ok(here
                .map(|(_, m)| m.clone())
                .filter(|m| m.at >= from && m.at <= until)
                .collect())
        })
    }
    fn quota(&self) -> Option<&dyn QuotaBook> {
        Some(self)
    }
    fn can_deliver(&self) -> bool {
        !self.away.load(Ordering::SeqCst)
    }
    fn departments<'a>(&'a self, _: Option<&'a str>) -> BoxFuture<'a, Result<Page<DepartmentRecord>, CallError>> {
        Box::pin(async { Err(CallError::NotPossible("departments")) })
    }
    fn people<'a>(
        &'a self,
        _: &'a DepartmentId,
        _: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page<PersonRecord>, CallError>> {
        Box::pin(async { Err(CallError::NotPossible("people")) })
    }
    fn person<'a>(&'a self, _: &'a UserId) -> BoxFuture<'a, Result<Option<PersonRecord>, CallError>> {
        Box::pin(async { Err(CallError::NotPossible("person")) })
    }
    fn probe<'a>(&'a self) -> BoxFuture<'a, Result<(), CallError>> {
        Box::pin(async { Ok(()) })
    }
}

/// Remembers what it was told. Only what is committed counts, so it writes nothing anywhere.
#[derive(Default)]
pub struct Sink {
    told: Mutex<Vec<Body>>,
}

impl Sink {
    pub fn told(&self) -> Vec<Body> {
        self.told.lock().unwrap().clone()
    }
}

impl EffectSink for Sink {
    fn effect_done<'a>(
        &'a self,
        _: &'a mut Tx,
        _: &'a AppId,
        _: &'a str,
        body: Body,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.told.lock().unwrap().push(body);
        Box::pin(async { Ok(()) })
    }
}

/// One platform, one clock, one database.
pub struct Bench {
    pub store: Store,
    pub clock: ManualClock,
    pub platform: Arc<Fake>,
    pub sink: Arc<Sink>,
    pub wake: Arc<Notify>,
}

pub const START: Timestamp = Timestamp::from_secs(1_795_500_000);

impl Bench {
    pub fn new(store: &Store) -> Self {
        Self::with_rates(store, Vec::new())
    }

    pub fn with_rates(store: &Store, rates: Vec<LimitRule>) -> Self {
        let clock = ManualClock::at(START);
        let platform = Fake {
            app: AppId::new("fs").unwrap(),
            capabilities: Capabilities {
                kind: "feishu",
                sees: BTreeSet::new(),
                can: BTreeSet::new(),
                limits: Limits {
                    text_bytes: 1000,
                    card_bytes: 1000,
                    buttons: 5,
                    members_per_call: 50,
                    chat_members: 500,
                },
                rates,
                remarks: Vec::new(),
            },
            clock: clock.clone(),
            log: Mutex::default(),
            gate: Notify::new(),
            away: AtomicBool::new(false),
            readable: AtomicBool::new(true),
            month: Mutex::new(QuotaUse {
                month: "2026-11".into(),
                calls: 0,
                limit: None,
                used_up: false,
            }),
        };
        Self {
            store: store.clone(),
            clock,
            platform: Arc::new(platform),
            sink: Arc::default(),
            wake: Arc::default(),
        }
    }

    pub async fn insert(&self, rows: &[OutboxRow]) -> u64 {
        let mut tx = self.store.begin().await.unwrap();
        let new = store::insert(&mut tx, rows, self.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        new
    }

    pub fn delivery(&self, seed: u64) -> Delivery {
        self.delivery_with(seed, DeliveryOptions::default())
    }

    pub fn delivery_with(&self, seed: u64, options: DeliveryOptions) -> Delivery {
        let adapter: Arc<dyn Adapter> = self.platform.clone();
        Delivery::new(
            self.store.clone(),
            HashMap::from([(self.platform.app.clone(), adapter)]),
            Arc::new(self.clock.clone()),
            seed,
            self.wake.clone(),
            self.sink.clone(),
            options,
        )
    }

    pub fn reconciler(&self) -> crate::delivery::reconcile::Reconciler {
        let adapter: Arc<dyn Adapter> = self.platform.clone();
        crate::delivery::reconcile::Reconciler::new(
            self.store.clone(),
            HashMap::from([(self.platform.app.clone(), adapter)]),
            self.sink.clone(),
            self.wake.clone(),
        )
    }

    pub async fn state(&self, id: &str) -> String {
        let row = self
            .store
            .query("SELECT state FROM outbox WHERE id = $1")
            .bind(id)
            .one()
            .await
            .unwrap();
        row.get("state").unwrap()
    }

    pub async fn attempts(&self, id: &str) -> Vec<String> {
        let rows = self
            .store
            .query("SELECT outcome FROM outbox_attempt WHERE outbox_id = $1 ORDER BY attempt")
            .bind(id)
            .all()
            .await
            .unwrap();
        rows.iter()
            .map(|r| {
                r.get::<Option<String>>("outcome")
                    .unwrap()
                    .unwrap_or_else(|| "open".into())
            })
            .collect()
    }

    /// Moves time on, stopping wherever the loop says that something is due.
    pub async fn pass(&self, delivery: &mut Delivery, by: Duration) {
        let end = self.clock.now() + by;
        loop {
            let next = delivery.run_until_idle().await.unwrap();
            match next.filter(|t| *t <= end) {
                Some(t) => {
                    assert!(t > self.clock.now(), "the loop asks to be run again at once");
                    self.clock.set(t);
                }
                None => break,
            }
        }
        self.clock.set(end);
        delivery.run_until_idle().await.unwrap();
    }
}

/// A row of the test app for a lane of its own name.
pub fn row(id: &str, lane: &str, class: DeliveryClass) -> OutboxRow {
    OutboxRow {
        id: id.to_owned(),
        app: AppId::new("fs").unwrap(),
        lane: lane.to_owned(),
        class,
        rule: "test".into(),
        event: EventId::from_bytes([9; 16]),
        action: ActionKind::Send,
        part: 0,
        prepared: Prepared {
            api: "send".into(),
            to: Some(lane.to_owned()),
            weight: 1,
            request: format!("body of {id}"),
            key_window_ms: None,
        },
        summary: format!("text of {id}"),
        interactive: class == DeliveryClass::Reply,
        tag: None,
        state_key: None,
        not_before: None,
        expires_at: None,
    }
}
