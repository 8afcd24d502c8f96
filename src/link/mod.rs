//! Long connections inside the program: events go through the same door as callbacks
//! ([`Inbox::accept`]), and what only one process may hold is held under a lease of the store.

pub mod board;
pub mod store;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use hutong_link::{Hold, HttpTransport, LinkHost, LinkNote, Options, Transport};
use hutong_model::{AppId, BoxFuture, Clock, Incoming, Link, Rejection};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::store as lease;
use crate::inbox::Inbox;
use crate::ingress::IngressMetrics;
use crate::store::Store;
use crate::trace::{Trace, Via};
use board::{Board, Figures};

/// After a defect of the runner itself.
const AFTER_PANIC: std::time::Duration = std::time::Duration::from_secs(5);

/// What the connections of this process need.
pub struct Links {
    pub links: Vec<(AppId, Arc<dyn Link>)>,
    pub board: Board,
    pub store: Store,
    pub inbox: Inbox,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<IngressMetrics>,
    /// Rung when calls of an app may travel again.
    pub effects: Arc<Notify>,
    /// Tells this process from all others; see [`store`].
    pub holder: String,
    /// Of jitter.
    pub seed: u64,
    pub options: Options,
    /// Told how events came.
    pub trace: Trace,
}

impl Links {
    /// Connects every app that has a long connection, and keeps it connected until `cancel`.
    pub fn start(self, tasks: &TaskTracker, cancel: &CancellationToken) {
        if self.links.is_empty() {
            return;
        }
        let transport: Arc<dyn Transport> = match HttpTransport::new() {
            Ok(transport) => Arc::new(transport),
            Err(error) => {
                tracing::error!(%error, "link.start failed: no app with a long connection receives anything");
                return;
            }
        };
        for (number, (app, link)) in self.links.into_iter().enumerate() {
            let figures = self.board.get(&app).cloned().unwrap_or_default();
            let count = if link.spec().exclusive {
                1
            } else {
                link.connections().max(1)
            };
            for lane in 0..count {
                let host = Arc::new(Host {
                    app: app.clone(),
                    lane,
                    figures: figures.clone(),
                    store: self.store.clone(),
                    inbox: self.inbox.clone(),
                    clock: self.clock.clone(),
                    metrics: self.metrics.clone(),
                    effects: self.effects.clone(),
                    trace: self.trace.clone(),
                    holder: self.holder.clone(),
                    term: AtomicI64::new(0),
                });
                let options = Options {
                    // Side by side, they are not to be replaced at the same moment.
                    seed: self
                        .seed
                        .wrapping_add(number as u64)
                        .wrapping_add(u64::from(lane) << 32),
                    ..self.options.clone()
                };
                let (link, transport) = (link.clone(), transport.clone());
                let (clock, cancel) = (self.clock.clone(), cancel.clone());
                tasks.spawn(keep(link, host, transport, clock, options, cancel));
            }
        }
    }
}

/// Runs a runner; a defect in it is no reason to stay deaf.
async fn keep(
    link: Arc<dyn Link>,
    host: Arc<Host>,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    options: Options,
    cancel: CancellationToken,
) {
    loop {
        let run = hutong_link::run(
            link.clone(),
            host.clone(),
            transport.clone(),
            clock.clone(),
            options.clone(),
            cancel.clone(),
        );
        match tokio::spawn(run).await {
            Ok(()) => return,
            Err(error) => {
                tracing::error!(app = %host.app, panicked = error.is_panic(), "link.runner failed; it begins anew");
                host.figures.panics.fetch_add(1, Ordering::Relaxed);
            }
        }
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(AFTER_PANIC) => {}
        }
    }
}

struct Host {
    app: AppId,
    /// Which of the connections side by side.
    lane: u32,
    figures: Arc<Figures>,
    store: Store,
    inbox: Inbox,
    clock: Arc<dyn Clock>,
    metrics: Arc<IngressMetrics>,
    effects: Arc<Notify>,
    trace: Trace,
    holder: String,
    /// Of the lease, when it is held; 0 otherwise.
    term: AtomicI64,
}

impl LinkHost for Host {
    fn store(&self, events: Vec<Incoming>) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            let now = self.clock.now();
            let count = events.len();
            let arrival = self.trace.arrives(&self.app, &events, Via::LongConnection);
            match self.inbox.accept(&self.app, events, now).await {
                Ok(_) => {
                    for _ in 0..count {
                        self.figures.event(now);
                    }
                    true
                }
                Err(error) => {
                    self.trace.forget(arrival);
                    self.metrics.unavailable.fetch_add(1, Ordering::Relaxed);
                    self.figures.not_stored.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(app = %self.app, %error, "link.store failed; the platform is not told that it arrived");
                    false
                }
            }
        })
    }

    fn rejected(&self, rejection: Rejection) {
        self.metrics.reject(rejection);
        self.figures.rejected.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(app = %self.app, kind = rejection.as_str(), "link.frame rejected");
    }

    fn hold(&self) -> BoxFuture<'_, Hold> {
        Box::pin(async move {
            match lease::take(&self.store, &self.app, &self.holder, self.clock.now()).await {
                Ok(Some(term)) => {
                    let before = self.term.swap(term, Ordering::SeqCst);
                    if before != term {
                        tracing::info!(app = %self.app, term, "link.lease taken");
                    }
                    Hold::Held(lease::TTL)
                }
                Ok(None) => Hold::Taken,
                Err(error) => {
                    tracing::warn!(app = %self.app, %error, "link.lease cannot be read or renewed");
                    Hold::Unknown
                }
            }
        })
    }

    fn release(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let term = self.term.swap(0, Ordering::SeqCst);
            let released = lease::release(&self.store, &self.app, &self.holder, term, self.clock.now()).await;
            if let Err(error) = released {
                tracing::warn!(app = %self.app, %error, "link.lease could not be given back; it runs out by itself");
            }
        })
    }

    fn note(&self, note: LinkNote) {
        let now = self.clock.now();
        let app = &self.app;
        match &note {
            LinkNote::Standby => tracing::info!(%app, "link.standby: another replica holds the connection"),
            LinkNote::Connecting { attempt } => tracing::debug!(%app, attempt, "link.connecting"),
            LinkNote::Ready { took } => {
                tracing::info!(%app, ms = took.as_millis(), "link.ready");
                self.effects.notify_one();
            }
            LinkNote::Replacing => {
                tracing::info!(%app, "link.replacing: the platform has announced the end of the connection")
            }
            LinkNote::Rotating => tracing::info!(%app, "link.rotating"),
            LinkNote::Lost {
                cause,
                reason,
                retry_in,
                connected,
            } => {
                let (cause, ms) = (cause.as_str(), retry_in.as_millis());
                tracing::warn!(%app, cause, reason, connected, retry_ms = ms, "link.lost");
            }
            LinkNote::Refused {
                code, text, retry_in, ..
            } => {
                tracing::error!(%app, code, text, retry_s = retry_in.as_secs(), "link.refused: somebody must act");
            }
            LinkNote::Evicted { retry_in } => {
                tracing::error!(%app, retry_s = retry_in.as_secs(), "link.evicted: the same bot is connected from somewhere else; find and stop it");
            }
            LinkNote::LeaseLost => {
                self.term.store(0, Ordering::SeqCst);
                tracing::warn!(%app, "link.lease lost; the connection is ended");
            }
            LinkNote::Panicked => tracing::error!(%app, "link.session panicked; it was contained"),
            LinkNote::Stopped => tracing::info!(%app, "link.stopped"),
        }
        self.figures.note_of(self.lane, &note, now);
    }
}
