//! Puts the rooms together: from a checked configuration to a running system. The only file that
//! knows them all.

mod store;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use hutong_model::{Clock, Secret};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::token::Signer;
use crate::config::{Checked, Language};
use crate::inbox::{Inbox, InboxOptions};
use crate::ingress::{self, Ingress, IngressMetrics};
use crate::rules::{App, Env};
use crate::store::{Store, StoreOptions};
use crate::text::Lang;

/// A system that is built and not yet running.
pub struct Hutong {
    pub config: Arc<Checked>,
    pub store: Store,
    pub inbox: Inbox,
    pub env: Arc<ArcSwap<Env>>,
    pub ingress: Arc<Ingress>,
    pub clock: Arc<dyn Clock>,
}

impl Hutong {
    /// Opens the store and prepares every room. Nothing is received or sent yet.
    pub async fn build(config: Checked, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let store = Store::open(config.store.url.expose(), &StoreOptions::default())
            .await
            .with_context(|| format!("opening the store {}", config.store.shown()))?;
        let key = store::signing_key(&store, clock.now())
            .await
            .context("reading the signing key")?;
        let env = environment(&config, key);
        let options = InboxOptions {
            keep: config.retention.dedupe,
            ..InboxOptions::default()
        };
        let inbox = Inbox::open(store.clone(), clock.clone(), options)
            .await
            .context("opening the inbox")?;
        let apps = config
            .apps
            .iter()
            .map(|a| (a.id.as_str().to_owned(), a.adapter.clone()))
            .collect();
        let ingress = Arc::new(Ingress {
            apps,
            inbox: inbox.clone(),
            clock: clock.clone(),
            metrics: Arc::new(IngressMetrics::default()),
        });
        Ok(Self {
            config: Arc::new(config),
            store,
            inbox,
            env: Arc::new(ArcSwap::from_pointee(env)),
            ingress,
            clock,
        })
    }

    /// Callbacks and the pages for machines.
    pub fn router(&self) -> Router {
        let health = Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready))
            .with_state(self.store.clone());
        ingress::router(self.ingress.clone()).merge(health)
    }

    /// Starts everything that runs by itself. Ends when cancelled.
    pub fn start(&self, cancel: &CancellationToken) -> TaskTracker {
        let tasks = TaskTracker::new();
        let (store, clock, keep, stop) = (
            self.store.clone(),
            self.clock.clone(),
            self.config.retention.dedupe,
            cancel.clone(),
        );
        tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(Duration::from_secs(60)) => {}
                }
                if let Err(error) = crate::inbox::prune(&store, clock.now(), keep).await {
                    tracing::warn!(%error, "retention.inbox failed; it will be tried again");
                }
            }
        });
        tasks.close();
        tasks
    }
}

async fn ready(State(store): State<Store>) -> (StatusCode, &'static str) {
    match store.ping().await {
        Ok(()) => (StatusCode::OK, "ready\n"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n"),
    }
}

fn environment(config: &Checked, key: Secret) -> Env {
    let apps: BTreeMap<_, _> = config
        .apps
        .iter()
        .map(|a| {
            (
                a.id.clone(),
                App {
                    adapter: a.adapter.clone(),
                    company: a.company.clone(),
                },
            )
        })
        .collect();
    Env {
        apps,
        signer: Signer::new(key),
        zone: config.company.zone,
        lang: match config.company.language {
            Language::Chinese => Lang::Zh,
            Language::English => Lang::En,
        },
        company_name: config.company.name.clone(),
        post_to: BTreeMap::new(),
        public_url: config.server.public_url.clone(),
    }
}
