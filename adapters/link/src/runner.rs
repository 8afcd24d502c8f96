//! Keeps one link connected: which connection is the one, when the next is opened, who holds the
//! lease.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use hutong_model::{Clock, Link};
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::backoff::Jitter;
use crate::connection::{End, Retire, Said, Shared, connection};
use crate::host::{Cause, Hold, LinkHost, LinkNote, Options};
use crate::transport::Transport;

/// Connections that wait for their announced end.
const MAX_OLD: usize = 8;
/// The longest wait that a platform may ask for.
const MAX_AFTER: Duration = Duration::from_secs(600);
/// One question about the lease.
const LEASE_CALL: Duration = Duration::from_secs(5);

/// Keeps `link` connected until `cancel`; returns when the last connection has ended.
///
/// `clock` is what sessions see; waiting follows the runtime's timers.
pub async fn run(
    link: Arc<dyn Link>,
    host: Arc<dyn LinkHost>,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    options: Options,
    cancel: CancellationToken,
) {
    let spec = link.spec();
    let (said, saying) = mpsc::unbounded_channel();
    let runner = Runner {
        jitter: Jitter::new(options.seed),
        shared: Arc::new(Shared {
            link,
            host,
            transport,
            clock,
            options,
            spec,
            busy: std::sync::Mutex::default(),
        }),
        said,
        held: BTreeMap::new(),
        ids: HashMap::new(),
        tasks: JoinSet::new(),
        next_id: 0,
        next_at: Some(Instant::now()),
        rotate_at: None,
        rotate_by: None,
        attempt: 0,
        quick: 0,
        lease: None,
        standing_by: false,
    };
    runner.run(saying, cancel).await;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Being opened.
    Next,
    /// The one.
    Primary,
    /// Replaced; reads until its end.
    Old,
}

struct Held {
    role: Role,
    orders: watch::Sender<Retire>,
    started: Instant,
    ready: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Lease {
    until: Instant,
    renew_at: Instant,
}

struct Runner {
    shared: Arc<Shared>,
    jitter: Jitter,
    said: mpsc::UnboundedSender<(u64, Said)>,
    held: BTreeMap<u64, Held>,
    ids: HashMap<Id, u64>,
    tasks: JoinSet<End>,
    next_id: u64,
    /// When to open a connection; `None` while one is being opened or none is wanted.
    next_at: Option<Instant>,
    rotate_at: Option<Instant>,
    /// Until when a rotation that is due may wait for a quiet moment.
    rotate_by: Option<Instant>,
    /// Failures since the last stable connection.
    attempt: u32,
    /// Announced ends since the last stable connection.
    quick: u32,
    lease: Option<Lease>,
    standing_by: bool,
}

async fn maybe(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

impl Runner {
    async fn run(mut self, mut saying: mpsc::UnboundedReceiver<(u64, Said)>, cancel: CancellationToken) {
        loop {
            let renew_at = self.lease.map(|l| l.renew_at);
            tokio::select! {
                biased;
                () = cancel.cancelled() => break,
                Some((id, what)) = saying.recv() => self.heard(id, what),
                Some(ended) = self.tasks.join_next_with_id(), if !self.tasks.is_empty() => self.joined(ended),
                () = maybe(renew_at) => self.renew().await,
                () = maybe(self.next_at) => self.connect().await,
                () = maybe(self.rotate_at) => self.rotate(),
            }
        }
        self.stop().await;
    }

    fn note(&self, note: LinkNote) {
        self.shared.host.note(note);
    }

    fn find(&self, role: Role) -> Option<u64> {
        self.held.iter().find(|(_, h)| h.role == role).map(|(id, _)| *id)
    }

    fn order(&self, id: u64, order: Retire) {
        if let Some(held) = self.held.get(&id) {
            // Only upwards: who must end at once does not end gently.
            held.orders.send_if_modified(|now| {
                let stronger = order > *now;
                *now = order.max(*now);
                stronger
            });
        }
    }

    async fn connect(&mut self) {
        self.next_at = None;
        if self.find(Role::Next).is_some() {
            return;
        }
        if self.shared.spec.exclusive {
            if !self.held.is_empty() {
                // Its end comes back here.
                return;
            }
            if self.lease.is_none() && !self.take_lease().await {
                let wait = self.shared.options.standby;
                self.next_at = Some(Instant::now() + wait / 2 + self.jitter.up_to(wait / 2));
                return;
            }
        }
        self.note(LinkNote::Connecting { attempt: self.attempt });
        self.next_id += 1;
        let id = self.next_id;
        let (orders, receiver) = watch::channel(Retire::No);
        let task = self
            .tasks
            .spawn(connection(self.shared.clone(), id, self.said.clone(), receiver));
        self.ids.insert(task.id(), id);
        self.held.insert(
            id,
            Held {
                role: Role::Next,
                orders,
                started: Instant::now(),
                ready: None,
            },
        );
    }

    fn heard(&mut self, id: u64, what: Said) {
        let now = Instant::now();
        let Some(held) = self.held.get_mut(&id) else { return };
        match (what, held.role) {
            (Said::Ready, Role::Next) => {
                let took = now - held.started;
                held.ready = Some(now);
                let before = self.find(Role::Primary);
                if let Some(held) = self.held.get_mut(&id) {
                    held.role = Role::Primary;
                }
                if let Some(before) = before {
                    if let Some(held) = self.held.get_mut(&before) {
                        held.role = Role::Old;
                    }
                    self.order(before, Retire::Gently);
                }
                let every = Duration::from_millis(self.shared.spec.rotate_ms);
                self.rotate_at = (!every.is_zero()).then(|| now + every * 4 / 5 + self.jitter.up_to(every / 5));
                self.rotate_by = None;
                self.note(LinkNote::Ready { took });
            }
            (Said::Ready, _) | (Said::Replace, Role::Old) => {}
            (Said::Replace, role) => {
                held.role = Role::Old;
                let stable = held.ready.is_some_and(|at| now - at >= self.shared.options.stable);
                if stable {
                    self.attempt = 0;
                    self.quick = 0;
                } else {
                    self.quick += 1;
                }
                self.rotate_at = None;
                self.note(LinkNote::Replacing);
                if self.shared.spec.exclusive {
                    // Two may not live: the end of this one opens the next.
                    self.order(id, Retire::Gently);
                }
                let old: Vec<u64> = self
                    .held
                    .iter()
                    .filter(|(_, h)| h.role == Role::Old)
                    .map(|(id, _)| *id)
                    .collect();
                for id in old.iter().take(old.len().saturating_sub(MAX_OLD)) {
                    self.order(*id, Retire::Gently);
                }
                if self.find(Role::Next).is_none() {
                    let wait = if role == Role::Primary && self.quick <= self.shared.options.replace_burst {
                        Duration::ZERO
                    } else {
                        self.back_off()
                    };
                    self.next_at = Some(now + wait);
                }
            }
        }
    }

    fn joined(&mut self, ended: Result<(Id, End), JoinError>) {
        let (task, end) = match ended {
            Ok((task, end)) => (task, end),
            Err(error) => {
                let task = error.id();
                if error.is_panic() {
                    self.note(LinkNote::Panicked);
                }
                (task, End::Panicked)
            }
        };
        let held = self.ids.remove(&task).and_then(|id| self.held.remove(&id));
        let Some(held) = held else { return };
        let now = Instant::now();
        if held.role == Role::Old {
            // Expected. An exclusive link opens its next connection only now.
            let alone = self.find(Role::Next).is_none() && self.find(Role::Primary).is_none();
            if alone && self.next_at.is_none() {
                self.next_at = Some(now);
            }
            return;
        }
        if held.role == Role::Primary {
            self.rotate_at = None;
        }
        if held.ready.is_some_and(|at| now - at >= self.shared.options.stable) {
            self.attempt = 0;
            self.quick = 0;
        }
        let (refused, evicted) = (self.shared.options.refused, self.shared.options.evicted);
        let wait = match &end {
            End::Refused { .. } => refused + self.jitter.up_to(refused / 30),
            End::Evicted => evicted + self.jitter.up_to(evicted / 30),
            End::Unavailable { after, .. } => self.back_off() + after.unwrap_or_default().min(MAX_AFTER),
            End::Done(_) | End::Panicked => self.back_off(),
        };
        // While another one is being opened, or is due sooner, that one counts.
        let (retry_in, at) = match (self.find(Role::Next).is_some(), self.next_at) {
            (true, _) => (Duration::ZERO, None),
            (false, Some(at)) if at < now + wait => (at.saturating_duration_since(now), Some(at)),
            _ => (wait, Some(now + wait)),
        };
        self.next_at = at;
        let connected = self.find(Role::Primary).is_some();
        let lost = |cause, reason| LinkNote::Lost {
            cause,
            reason,
            retry_in,
            connected,
        };
        self.note(match end {
            End::Refused { code, text } => LinkNote::Refused {
                code,
                text,
                retry_in,
                connected,
            },
            End::Evicted => LinkNote::Evicted { retry_in },
            End::Unavailable { cause, reason, .. } => lost(cause, reason),
            End::Done(why) => lost(Cause::Ended, why.to_owned()),
            End::Panicked => lost(Cause::Defect, "a defect of the session".to_owned()),
        });
    }

    /// The wait after one more failure.
    fn back_off(&mut self) -> Duration {
        let wait = self.jitter.backoff(self.attempt, self.shared.options.backoff);
        self.attempt = self.attempt.saturating_add(1);
        wait
    }

    fn rotate(&mut self) {
        self.rotate_at = None;
        let Some(primary) = self.find(Role::Primary) else {
            return;
        };
        if let Some(at) = self.calm_at() {
            self.rotate_at = Some(at);
            return;
        }
        self.rotate_by = None;
        self.note(LinkNote::Rotating);
        if self.shared.spec.exclusive {
            if let Some(held) = self.held.get_mut(&primary) {
                held.role = Role::Old;
            }
            self.order(primary, Retire::Gently);
        }
        if self.find(Role::Next).is_none() {
            self.attempt = 0;
            self.next_at = Some(Instant::now());
        }
    }

    /// An exclusive connection cannot be replaced without a gap: when a better moment for it is. `None`
    /// when it is now.
    fn calm_at(&mut self) -> Option<Instant> {
        if !self.shared.spec.exclusive {
            return None;
        }
        let now = Instant::now();
        let options = &self.shared.options;
        let by = *self.rotate_by.get_or_insert(now + options.calm_most);
        let calm = self.shared.last_busy()? + options.calm;
        (now < by && now < calm).then_some(calm.min(by))
    }

    /// True when the lease is ours.
    async fn take_lease(&mut self) -> bool {
        let begin = Instant::now();
        match timeout(LEASE_CALL, self.shared.host.hold()).await {
            Ok(Hold::Held(time)) => {
                // A tenth is the margin in which a connection can still be ended.
                self.lease = Some(Lease {
                    until: begin + time * 9 / 10,
                    renew_at: begin + time / 3,
                });
                self.standing_by = false;
                true
            }
            _ => {
                if !self.standing_by {
                    self.standing_by = true;
                    self.note(LinkNote::Standby);
                }
                false
            }
        }
    }

    async fn renew(&mut self) {
        let Some(lease) = self.lease else { return };
        let begin = Instant::now();
        let answer = if begin >= lease.until {
            // Asleep for too long: whoever has taken it since must not be disturbed.
            Hold::Taken
        } else {
            let limit = lease.until.min(begin + LEASE_CALL);
            tokio::time::timeout_at(limit, self.shared.host.hold())
                .await
                .unwrap_or(Hold::Unknown)
        };
        let now = Instant::now();
        self.lease = match answer {
            Hold::Held(time) => Some(Lease {
                until: begin + time * 9 / 10,
                renew_at: begin + time / 3,
            }),
            Hold::Unknown if now < lease.until => Some(Lease {
                until: lease.until,
                renew_at: (now + Duration::from_secs(1)).min(lease.until),
            }),
            _ => None,
        };
        if self.lease.is_none() {
            self.note(LinkNote::LeaseLost);
            let ids: Vec<u64> = self.held.keys().copied().collect();
            for id in ids {
                if let Some(held) = self.held.get_mut(&id) {
                    held.role = Role::Old;
                }
                self.order(id, Retire::Now);
            }
            self.rotate_at = None;
            let wait = self.shared.options.standby;
            let at = now + wait / 2 + self.jitter.up_to(wait / 2);
            self.next_at = Some(self.next_at.map_or(at, |due| due.max(at)));
        }
    }

    async fn stop(mut self) {
        let ids: Vec<u64> = self.held.keys().copied().collect();
        for id in ids {
            self.order(id, Retire::Gently);
        }
        let limit = Instant::now() + self.shared.options.stop;
        while let Ok(Some(_)) = tokio::time::timeout_at(limit, self.tasks.join_next()).await {}
        self.tasks.shutdown().await;
        if self.lease.is_some() {
            let _ = timeout(LEASE_CALL, self.shared.host.release()).await;
        }
        self.note(LinkNote::Stopped);
    }
}
