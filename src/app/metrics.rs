//! `GET /metrics`: figures for monitoring, in the Prometheus text format 0.0.4.
//!
//! Counters count since the start of this process; what is read from the store is the same for all
//! replicas. Nothing about people or chats is in it.

use std::fmt::{Display, Write as _};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hutong_model::{Clock, Timestamp};

use super::Hutong;
use crate::config::MetricsFor;
use crate::delivery::DeliveryMetrics;
use crate::inbox::Inbox;
use crate::inbox::worker::WorkMetrics;
use crate::ingress::{IngressMetrics, Peer};
use crate::link::board::{Board, Standing};
use crate::store::{Store, StoreError};

struct Source {
    access: MetricsFor,
    store: Store,
    clock: Arc<dyn Clock>,
    ingress: Arc<IngressMetrics>,
    inbox: Inbox,
    work: Arc<WorkMetrics>,
    delivery: Arc<DeliveryMetrics>,
    links: Board,
}

/// The page, for those who may see it.
pub(super) fn router(system: &Hutong) -> Router {
    let source = Source {
        access: system.config.server.metrics,
        store: system.store.clone(),
        clock: system.clock.clone(),
        ingress: system.ingress.metrics.clone(),
        inbox: system.inbox.clone(),
        work: system.work_metrics.clone(),
        delivery: system.delivery_metrics.clone(),
        links: system.links.clone(),
    };
    Router::new().route("/metrics", get(page)).with_state(Arc::new(source))
}

/// To others the page does not exist.
async fn page(State(source): State<Arc<Source>>, peer: Option<Extension<Peer>>, headers: HeaderMap) -> Response {
    let peer = peer.map(|Extension(Peer(address))| address.ip());
    if !may_see(source.access, peer, &headers) {
        return StatusCode::NOT_FOUND.into_response();
    }
    match source.text().await {
        Ok(text) => (
            [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
            text,
        )
            .into_response(),
        Err(error) => {
            tracing::warn!(%error, "metrics.read failed");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

fn may_see(access: MetricsFor, peer: Option<IpAddr>, headers: &HeaderMap) -> bool {
    match access {
        MetricsFor::Nobody => false,
        MetricsFor::Anybody => true,
        // A proxy on this machine speaks for people who are not on it.
        MetricsFor::Loopback => {
            peer.is_some_and(|address| address.to_canonical().is_loopback())
                && ["forwarded", "x-forwarded-for", "x-real-ip", "via"]
                    .iter()
                    .all(|name| !headers.contains_key(*name))
        }
    }
}

/// Families of samples, written one after the other.
#[derive(Default)]
struct Page(String);

type Labels<'a> = &'a [(&'a str, &'a str)];

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: Labels<'_>, value: impl Display) {
        self.0.push_str(name);
        for (n, (label, text)) in labels.iter().enumerate() {
            self.0.push(if n == 0 { '{' } else { ',' });
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{label}=\"{text}\"");
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    fn counter(&mut self, name: &str, help: &str, value: &AtomicU64) {
        self.family(name, "counter", help);
        self.sample(name, &[], value.load(Ordering::Relaxed));
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    fn counters(&mut self, name: &str, help: &str, label: &str, values: &[(&str, u64)]) {
        self.family(name, "counter", help);
        for (text, value) in values {
            self.sample(name, &[(label, text)], value);
        }
    }
}

fn seconds(now: Timestamp, then: Timestamp) -> f64 {
    now.since(then).as_secs_f64()
}

impl Source {
    async fn text(&self) -> Result<String, StoreError> {
        let now = self.clock.now();
        let (waiting, retrying, dead, oldest_event) = crate::inbox::counts(&self.store).await?;
        let outbox = crate::delivery::store::counts(&self.store, now).await?;
        let mut page = Page::default();
        page.family("hutong_build_info", "gauge", "The running version.");
        page.sample("hutong_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
        self.receiving(&mut page, now);
        page.gauge("hutong_inbox_waiting", "Events stored and not handled yet.", waiting);
        if let Some(oldest) = oldest_event {
            page.gauge(
                "hutong_inbox_oldest_seconds",
                "Age of the oldest event that is not handled yet.",
                seconds(now, oldest),
            );
        }
        page.gauge(
            "hutong_work_retrying",
            "Items that failed and will be tried again.",
            retrying,
        );
        page.gauge("hutong_work_dead", "Items that wait for an operator.", dead);
        let work = &self.work;
        page.counter("hutong_work_events_total", "Events handled.", &work.events);
        page.counter("hutong_work_items_total", "Failed items run again.", &work.items);
        page.counter("hutong_work_effects_total", "Effects committed.", &work.effects);
        page.counter("hutong_work_failures_total", "Items that failed.", &work.failures);
        page.counter("hutong_work_parked_total", "Items given to an operator.", &work.dead);
        self.sending(&mut page);
        page.family("hutong_outbox_rows", "gauge", "Rows of the outbox by state.");
        for (state, count) in &outbox.by_state {
            page.sample("hutong_outbox_rows", &[("state", state)], count);
        }
        if let Some(oldest) = outbox.oldest_ready {
            page.gauge(
                "hutong_outbox_oldest_seconds",
                "Age of the oldest row that could be sent now.",
                seconds(now, oldest),
            );
        }
        self.connections(&mut page, now);
        Ok(page.0)
    }

    fn receiving(&self, page: &mut Page, now: Timestamp) {
        let ingress = &self.ingress;
        page.counter(
            "hutong_ingress_requests_total",
            "Callbacks that arrived.",
            &ingress.requests,
        );
        page.counter(
            "hutong_ingress_challenges_total",
            "Address checks answered.",
            &ingress.challenges,
        );
        page.counter(
            "hutong_ingress_unavailable_total",
            "Callbacks and frames that could not be stored in time; the platform repeats them.",
            &ingress.unavailable,
        );
        page.counter(
            "hutong_ingress_unknown_app_total",
            "Callbacks for an app that is not configured.",
            &ingress.unknown_app,
        );
        page.counters(
            "hutong_ingress_rejected_total",
            "Callbacks and frames refused, by kind.",
            "kind",
            &ingress.rejections(),
        );
        let inbox = &self.inbox.metrics;
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        page.counters(
            "hutong_inbox_requests_total",
            "Callbacks and frames with events, by what became of them.",
            "result",
            &[
                ("new", get(&inbox.accepted)),
                ("duplicate", get(&inbox.duplicates)),
                ("failed", get(&inbox.failed)),
            ],
        );
        page.counter(
            "hutong_inbox_commits_total",
            "Commits that they shared.",
            &inbox.commits,
        );
        let last = i64::try_from(get(&inbox.last_event)).unwrap_or(i64::MAX);
        if last > 0 {
            page.gauge(
                "hutong_inbox_last_event_age_seconds",
                "Since this process stored a new event.",
                seconds(now, Timestamp(last)),
            );
        }
    }

    fn sending(&self, page: &mut Page) {
        let delivery = &self.delivery;
        page.counter("hutong_delivery_attempts_total", "Calls begun.", &delivery.attempts);
        let get = DeliveryMetrics::get;
        page.counters(
            "hutong_delivery_outcomes_total",
            "Calls by outcome.",
            "outcome",
            &[
                ("sent", get(&delivery.sent)),
                ("rejected", get(&delivery.rejected)),
                ("rate_limited", get(&delivery.rate_limited)),
                ("auth_expired", get(&delivery.auth_expired)),
                ("not_sent", get(&delivery.not_sent)),
                ("unknown", get(&delivery.unknown)),
            ],
        );
        page.counters(
            "hutong_delivery_ended_total",
            "Rows that ended without arriving, or wait for an operator.",
            "how",
            &[
                ("expired", get(&delivery.expired)),
                ("dropped", get(&delivery.dropped)),
                ("needs_decision", get(&delivery.needs_decision)),
                ("abandoned", get(&delivery.abandoned)),
                ("late", get(&delivery.late)),
            ],
        );
        page.counter(
            "hutong_delivery_commits_total",
            "Commits of the outbox.",
            &delivery.commits,
        );
    }

    /// Nothing when no app has a long connection.
    fn connections(&self, page: &mut Page, now: Timestamp) {
        let all: Vec<_> = self
            .links
            .all()
            .map(|(app, f)| (app.as_str(), f, f.snapshot()))
            .collect();
        if all.is_empty() {
            return;
        }
        page.family(
            "hutong_link_state",
            "gauge",
            "1 for the state in which the long connection of an app is in this process.",
        );
        for (app, _, link) in &all {
            for name in Standing::NAMES {
                let here = u8::from(link.standing.as_str() == name);
                page.sample("hutong_link_state", &[("app", app), ("state", name)], here);
            }
        }
        page.family("hutong_link_state_seconds", "gauge", "Since when it is in that state.");
        for (app, _, link) in &all {
            if link.since > Timestamp(0) {
                page.sample("hutong_link_state_seconds", &[("app", app)], seconds(now, link.since));
            }
        }
        page.family(
            "hutong_link_last_event_age_seconds",
            "gauge",
            "Since an event came over it.",
        );
        for (app, _, link) in &all {
            if let Some(at) = link.last_event {
                page.sample("hutong_link_last_event_age_seconds", &[("app", app)], seconds(now, at));
            }
        }
        page.family(
            "hutong_link_reconnects_total",
            "counter",
            "Connections after the first.",
        );
        for (app, _, link) in &all {
            page.sample("hutong_link_reconnects_total", &[("app", app)], link.reconnects);
        }
        page.family(
            "hutong_link_ends_total",
            "counter",
            "Ends and failed attempts, by cause.",
        );
        for (app, figures, _) in &all {
            for (cause, count) in figures.causes() {
                page.sample("hutong_link_ends_total", &[("app", app), ("cause", cause)], count);
            }
        }
        page.family(
            "hutong_link_events_total",
            "counter",
            "Events that came over it, by what became of them.",
        );
        for (app, figures, _) in &all {
            for (result, counter) in [
                ("stored", &figures.events),
                ("not_stored", &figures.not_stored),
                ("rejected", &figures.rejected),
            ] {
                let count = counter.load(Ordering::Relaxed);
                page.sample("hutong_link_events_total", &[("app", app), ("result", result)], count);
            }
        }
        page.family("hutong_link_panics_total", "counter", "Defects that were contained.");
        for (app, figures, _) in &all {
            let count = figures.panics.load(Ordering::Relaxed);
            page.sample("hutong_link_panics_total", &[("app", app)], count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_unless_configured() {
        let none = HeaderMap::new();
        let mut proxied = HeaderMap::new();
        proxied.insert("x-forwarded-for", "203.0.113.9".parse().unwrap());
        let here: Option<IpAddr> = Some("127.0.0.1".parse().unwrap());
        let mapped: Option<IpAddr> = Some("::ffff:127.0.0.1".parse().unwrap());
        let there: Option<IpAddr> = Some("10.0.0.8".parse().unwrap());
        for (access, peer, headers, sees) in [
            (MetricsFor::Loopback, here, &none, true),
            (MetricsFor::Loopback, mapped, &none, true),
            (MetricsFor::Loopback, here, &proxied, false),
            (MetricsFor::Loopback, there, &none, false),
            (MetricsFor::Loopback, None, &none, false),
            (MetricsFor::Nobody, here, &none, false),
            (MetricsFor::Anybody, there, &proxied, true),
        ] {
            assert_eq!(may_see(access, peer, headers), sees, "{access:?} {peer:?}");
        }
    }

    #[test]
    fn labels_are_escaped() {
        let mut page = Page::default();
        page.sample("x", &[("a", "q\"b\\c\nd"), ("b", "2")], 1.5);
        assert_eq!(page.0, "x{a=\"q\\\"b\\\\c\\nd\",b=\"2\"} 1.5\n");
    }
}
