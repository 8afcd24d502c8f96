//! What runs by itself beside the way of an event: the directory is read, old rows go.

use std::time::Duration;

use chrono::Timelike as _;
use hutong_model::{Ability, Adapter, AppId, Body, CallError, Clock, Timestamp};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Hutong;
use crate::directory::sync::{SyncError, SyncReport, refresh, store as listing, sync_app};
use crate::inbox::Inbox;
use crate::inbox::accept::insert_own;
use crate::rules::directory::{NEWS, worth_telling};
use crate::rules::service::store::keep_findings;
use crate::store::{Store, StoreError};

/// After a failed reading.
const AGAIN: Duration = Duration::from_secs(10 * 60);
/// What events named without describing is read this often.
const REFRESH: Duration = Duration::from_secs(5);

/// A platform that has not answered after so long is asked again later.
const PATIENCE: Duration = Duration::from_secs(60);
/// Permissions are asked for again this often.
const DIAGNOSE: Duration = Duration::from_secs(6 * 3600);
/// Rehearsals that were asked for in a chat are looked for this often.
const ASKED: Duration = Duration::from_secs(2);

/// What a reading of one app's directory came to.
pub type SyncOutcome = (AppId, Result<SyncReport, SyncError>);

/// Reads the directory of every app that may read one, one after the other.
pub async fn sync_directory(system: &Hutong) -> Vec<SyncOutcome> {
    let mut list = Vec::new();
    for app in &system.config.apps {
        let caps = app.adapter.capabilities();
        if caps.can(Ability::ListDepartments) && caps.can(Ability::ListPeople) {
            let result = sync_app(&system.store, app.adapter.as_ref(), &app.company, system.clock.as_ref()).await;
            list.push((app.id.clone(), result));
        }
    }
    announce(&system.store, &system.inbox, system.clock.as_ref()).await;
    list
}

/// Wakes the rule that tells operators what waits for them.
async fn announce(store: &Store, inbox: &Inbox, clock: &dyn Clock) {
    let done = async {
        let now = clock.now();
        let mut tx = store.begin().await?;
        let own = AppId::new("hutong").map_err(|e| StoreError::Broken(e.to_string()))?;
        let mut any = false;
        for notice in listing::notices(&mut tx).await?.iter().filter(|n| worth_telling(n)) {
            let body = Body::Tick {
                schedule: NEWS.to_owned(),
                slot: now,
                local: String::new(),
            };
            let key = format!("{NEWS}:{}:{}:{}:{}", notice.app, notice.kind, notice.code, notice.since);
            any |= insert_own(&mut tx, &own, key, NEWS.to_owned(), &body, now).await?;
        }
        match any {
            true => tx.commit().await?,
            false => tx.rollback().await?,
        }
        Ok::<bool, StoreError>(any)
    };
    match done.await {
        Ok(true) => inbox.work.notify_one(),
        Ok(false) => {}
        Err(error) => tracing::warn!(%error, "directory.announce failed; it will be tried again"),
    }
}

/// The next time of night at which everything is read anew: 03:00 by the company's clock, and some
/// minutes that differ from app to app.
fn next_night(zone: chrono_tz::Tz, app: &AppId, now: Timestamp) -> Timestamp {
    let spread = app
        .as_str()
        .bytes()
        .fold(0_u64, |sum, b| (sum * 31 + u64::from(b)) % 50);
    let local = crate::rules::local(zone, now);
    let seconds = u64::from(local.time().num_seconds_from_midnight());
    let night = (3 * 60 + spread) * 60;
    let wait = match night > seconds + 3600 {
        true => night - seconds,
        false => night + 86_400 - seconds,
    };
    now + Duration::from_secs(wait)
}

/// Asks every platform for what an app must know of itself, such as its own id in mentions.
pub async fn introduce(system: &Hutong) -> Vec<(AppId, Result<(), CallError>)> {
    let mut list = Vec::new();
    for app in &system.config.apps {
        list.push((app.id.clone(), probe(app.adapter.as_ref()).await));
    }
    list
}

async fn probe(adapter: &dyn Adapter) -> Result<(), CallError> {
    match adapter.probe().await {
        // Nothing to ask.
        Err(CallError::NotPossible(_)) => Ok(()),
        result => result,
    }
}

/// Asks every platform whether an app is set up as it must be, and keeps the answers for `/health`.
pub async fn diagnose(system: &Hutong) -> Result<(), StoreError> {
    for app in &system.config.apps {
        let base = system.config.server.public_url.as_deref();
        ask(&system.store, &app.id, app.adapter.as_ref(), base, system.clock.now()).await?;
    }
    Ok(())
}

async fn ask(
    store: &Store,
    id: &AppId,
    adapter: &dyn Adapter,
    base: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let url = base.map(|base| format!("{}/hook/{id}", base.trim_end_matches('/')));
    // Who does not answer now is asked again; what was known stays.
    let Ok(found) = tokio::time::timeout(PATIENCE, adapter.diagnose(url.as_deref())).await else {
        return Ok(());
    };
    let mut tx = store.begin().await?;
    keep_findings(&mut tx, id, &found, now).await?;
    tx.commit().await
}

pub(super) fn spawn(tasks: &TaskTracker, system: &Hutong, cancel: &CancellationToken) {
    for app in system.config.apps.clone() {
        let cancel = cancel.clone();
        tasks.spawn(async move {
            let mut wait = Duration::from_secs(2);
            while let Err(error) = probe(app.adapter.as_ref()).await {
                tracing::warn!(app = %app.id, %error, "app.probe failed; it will be tried again");
                tokio::select! {
                    () = cancel.cancelled() => return,
                    () = tokio::time::sleep(wait) => {}
                }
                wait = (wait * 2).min(AGAIN);
            }
        });
    }
    for app in system.config.apps.clone() {
        let caps = app.adapter.capabilities();
        if !(caps.can(Ability::ListDepartments) && caps.can(Ability::ListPeople)) {
            continue;
        }
        let (store, inbox, clock, cancel) = (
            system.store.clone(),
            system.inbox.clone(),
            system.clock.clone(),
            cancel.clone(),
        );
        let zone = system.config.company.zone;
        tasks.spawn(async move {
            let mut due: Option<Timestamp> = None;
            loop {
                let now = clock.now();
                if due.is_none_or(|at| now >= at) {
                    due = Some(match sync_app(&store, app.adapter.as_ref(), &app.company, clock.as_ref()).await {
                        Ok(report) => {
                            tracing::info!(app = %app.id, people = report.people, departments = report.departments, left = report.left.len(), held = report.held, "directory.sync done");
                            match report.again_after() {
                                Some(soon) => now + soon,
                                None => next_night(zone, &app.id, now),
                            }
                        }
                        Err(error) => {
                            tracing::warn!(app = %app.id, %error, "directory.sync failed; the mirror stays as it is");
                            now + AGAIN
                        }
                    });
                    announce(&store, &inbox, clock.as_ref()).await;
                } else {
                    match refresh(&store, app.adapter.as_ref(), &app.company, clock.as_ref()).await {
                        Ok(true) => due = None,
                        Ok(false) => {}
                        Err(error) => tracing::debug!(app = %app.id, %error, "directory.refresh failed"),
                    }
                }
                tokio::select! {
                    () = cancel.cancelled() => return,
                    () = tokio::time::sleep(REFRESH) => {}
                }
            }
        });
    }
    for app in system.config.apps.clone() {
        let base = system.config.server.public_url.clone();
        let (store, clock, cancel) = (system.store.clone(), system.clock.clone(), cancel.clone());
        tasks.spawn(async move {
            loop {
                if let Err(error) = ask(&store, &app.id, app.adapter.as_ref(), base.as_deref(), clock.now()).await {
                    tracing::warn!(app = %app.id, %error, "app.diagnose could not be kept; it will be asked again");
                }
                tokio::select! {
                    () = cancel.cancelled() => return,
                    () = tokio::time::sleep(DIAGNOSE) => {}
                }
            }
        });
    }
    let (config, store, clock, work, stop) = (
        system.config.clone(),
        system.store.clone(),
        system.clock.clone(),
        system.inbox.work.clone(),
        cancel.clone(),
    );
    tasks.spawn(async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(ASKED) => {}
            }
            match crate::rehearse::order::run_asked(&config, &store, clock.as_ref()).await {
                Ok(0) => {}
                Ok(_) => work.notify_one(),
                Err(error) => tracing::warn!(%error, "rehearse.asked failed; it will be tried again"),
            }
        }
    });
    let (store, clock, retention, cancel) = (
        system.store.clone(),
        system.clock.clone(),
        system.config.retention.clone(),
        cancel.clone(),
    );
    tasks.spawn(async move {
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(Duration::from_secs(60)) => {}
            }
            let now = clock.now();
            let keep = retention.dedupe.max(retention.inbox);
            if let Err(error) = crate::inbox::prune(&store, now, keep).await {
                tracing::warn!(%error, "retention.inbox failed; it will be tried again");
            }
            if let Err(error) = crate::delivery::store::prune(&store, now, retention.outbox).await {
                tracing::warn!(%error, "retention.outbox failed; it will be tried again");
            }
            if let Err(error) = crate::schedule::store::prune(&store, now, retention.inbox).await {
                tracing::warn!(%error, "retention.schedule failed; it will be tried again");
            }
        }
    });
}
