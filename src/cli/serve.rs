//! `hutong serve`: the service.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hutong_model::Clock;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::rehearse::Running;
use crate::app::Hutong;
use crate::cli::check::dates;
use crate::clock::SystemClock;
use crate::config::rules::review::Review;
use crate::config::{Checked, Environment as _, Loader, ProcessEnvironment};
use crate::ingress::{self, Limits};
use crate::rehearse::running;
use crate::trace::Trace;

/// Loads a configuration; problems are printed, all at once.
pub(super) fn load(file: &Path, clock: Arc<dyn Clock>) -> anyhow::Result<Option<Checked>> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("reading the configuration {}", file.display()))?;
    load_text(file, &text, clock)
}

/// The same for a text that was read before; `file` says where it stands.
pub(super) fn load_text(file: &Path, text: &str, clock: Arc<dyn Clock>) -> anyhow::Result<Option<Checked>> {
    let env = ProcessEnvironment::beside(file, clock);
    let check = dates::schedule_check(env.clock().now());
    let loader = Loader::new(&env, crate::adapters::ALL).schedule_check(&check);
    match loader.load(text, &file.display().to_string()) {
        Ok(checked) => Ok(Some(checked)),
        Err(problems) => {
            eprint!("{}", problems.render(false));
            Ok(None)
        }
    }
}

/// How often the files of words are read again.
const WORDS: Duration = Duration::from_secs(60);

/// Takes changed files of words. A broken one changes nothing; `/审核 规则` then names the line.
async fn watch_words(review: Review, file: PathBuf, clock: Arc<dyn Clock>, cancel: CancellationToken) {
    while !review.files.is_empty() {
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(WORDS) => {}
        }
        let (review, file, clock) = (review.clone(), file.clone(), clock.clone());
        // Reading and building would hold up everybody else on this thread.
        let read = tokio::task::spawn_blocking(move || {
            let env = ProcessEnvironment::beside(&file, clock);
            review.reread(&env)
        });
        match read.await {
            Ok(Ok(true)) => tracing::info!("lexicon: the changed words are in force"),
            Ok(Err(problem)) => tracing::warn!(%problem, "lexicon: refused, the words in force stay"),
            Ok(Ok(false)) | Err(_) => {}
        }
    }
}

pub(super) async fn serve(file: &Path) -> anyhow::Result<ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let Some(config) = load(file, clock.clone())? else {
        return Ok(ExitCode::from(2));
    };
    crate::telemetry::start(&config.log);
    let listen = config.server.listen;
    let system = Hutong::build(config, clock, Trace::default()).await?;
    remember(&system, file).await;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("listening on {listen}"))?;
    let cancel = CancellationToken::new();
    let tasks = system.start(&cancel).await;
    if let Some(review) = system.config.rules.review.clone() {
        tokio::spawn(watch_words(
            review,
            file.to_owned(),
            system.clock.clone(),
            cancel.clone(),
        ));
    }
    tracing::info!(listen = %listener.local_addr()?, apps = system.config.apps.len(), "serving");
    let server = tokio::spawn(ingress::serve(
        listener,
        system.router(),
        Limits::default(),
        cancel.clone(),
    ));
    stop_signal().await;
    tracing::info!("stopping: requests in flight are finished");
    cancel.cancel();
    let _ = server.await;
    tasks.wait().await;
    system.store.close().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Leaves the configuration in the store, for `rehearse --against running`.
async fn remember(system: &Hutong, file: &Path) {
    let running = match (std::fs::read_to_string(file), std::path::absolute(file)) {
        (Ok(text), Ok(file)) => match running::without_secrets(&text, crate::adapters::ALL) {
            Some(text) => Running { file, text },
            None => return,
        },
        _ => return,
    };
    let Ok(json) = serde_json::to_string(&running) else {
        return;
    };
    let now = system.clock.now();
    if let Err(error) = crate::rehearse::store::remember_running(&system.store, &json, now).await {
        tracing::warn!(%error, "the running configuration could not be remembered for rehearsals");
    }
}

/// SIGTERM or Ctrl-C.
pub(super) async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut term) => {
            tokio::select! {
                _ = term.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}
