//! The demo page: an IM client for the simulated platforms, with the bot's own doing beside it.
//!
//! The page knows the platforms only as [`Simulator`]s, the bot only as a [`Backstage`] and the
//! clock only as a [`TimeControl`]. It has no build step: one template, one stylesheet, two plain scripts.
//!
//! Text from people never becomes markup: the server hands it out as JSON, the script sets it with
//! `textContent`, and the content security policy forbids everything that is not the page's own.

mod api;
mod guard;
mod text;
mod trace;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::routing::{get, post};
use axum::{Router, middleware};
use hutong_model::{BoxFuture, Platform, Timestamp};
use hutong_simkit::company::{Date, monday_to_friday};
use hutong_simkit::{SimDepartment, Simulator};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::platforms::Receive;

pub use trace::{TraceEffect, TraceItem, TraceRule};

/// What the bot did and why, from its store.
pub trait Backstage: Send + Sync {
    /// Items whose [`TraceItem::seq`] is above `since`, oldest first, at most a few hundred of the
    /// newest. An item that has changed (a delivery came through) comes again with the same id and
    /// a new `seq`. Called about twice a second for every open page: keep it cheap.
    fn recent(&self, since: u64) -> Vec<TraceItem>;
}

/// The clock of the demo, driven by the visitor.
pub trait TimeControl: Send + Sync {
    fn now(&self) -> Timestamp;
    /// Lets the time pass: every schedule between now and `to` happens, and everything it causes is
    /// delivered. The error is shown to the visitor.
    fn advance_to(&self, to: Timestamp) -> BoxFuture<'_, Result<(), String>>;
    fn is_workday(&self, date: Date) -> bool {
        monday_to_friday(date)
    }
}

/// How the apps of one platform receive.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AppReceives {
    pub platform: Platform,
    pub receive: Receive,
    /// The name of the app that may choose.
    pub app: String,
    /// Another app of the platform knows callbacks only.
    pub mixed: bool,
    /// How the long connection stands, as [`crate::link::board::Standing`] names it; `None` without one.
    pub standing: Option<&'static str>,
    /// Times that the connection was made anew.
    pub reconnects: u64,
    /// Why it was made anew last, in Chinese and English.
    pub why: Option<[&'static str; 2]>,
}

/// How the bot receives, and the visitor's switch for it.
pub trait Reception: Send + Sync {
    /// One for each platform whose apps may choose. Called about twice a second for every open page.
    fn standing(&self) -> Vec<AppReceives>;
    /// Returns when the bot receives that way. The error is shown to the visitor.
    fn switch(&self, platform: Platform, receive: Receive) -> BoxFuture<'_, Result<(), String>>;
}

/// Files that the bot has uploaded to a platform.
pub trait Pictures: Send + Sync {
    /// Media type and bytes. Only PNG, JPEG, GIF and WebP are shown.
    fn picture(&self, platform: Platform, handle: &str) -> Option<(String, Vec<u8>)>;
}

/// No picture can be shown; the page shows their description instead.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPictures;

impl Pictures for NoPictures {
    fn picture(&self, _platform: Platform, _handle: &str) -> Option<(String, Vec<u8>)> {
        None
    }
}

/// One platform on the page.
#[derive(Clone)]
pub struct DemoSim {
    pub sim: Arc<dyn Simulator>,
    /// Departments by id, for the names beside people.
    pub departments: Vec<SimDepartment>,
}

/// Everything the page is made of.
#[derive(Clone)]
pub struct DemoState {
    /// In the order of the switch; at least one.
    pub sims: Vec<DemoSim>,
    pub backstage: Arc<dyn Backstage>,
    pub time: Arc<dyn TimeControl>,
    pub reception: Arc<dyn Reception>,
    pub pictures: Arc<dyn Pictures>,
    /// Host names under which the page may be asked for, beside `localhost` and IP addresses: a
    /// name that somebody else controls could make a browser here talk to it.
    pub hosts: Vec<String>,
    /// Ends the event streams when the server ends.
    pub stop: CancellationToken,
}

impl DemoState {
    pub(crate) fn sim(&self, platform: Platform) -> Option<&DemoSim> {
        self.sims.iter().find(|s| s.sim.platform() == platform)
    }
}

impl DemoSim {
    /// `研发中心 / 测试组` for a department id; empty when it is not known.
    pub(crate) fn department_path(&self, id: &str) -> String {
        let by_id: BTreeMap<&str, &SimDepartment> = self.departments.iter().map(|d| (d.id.as_str(), d)).collect();
        let mut names: Vec<&str> = Vec::new();
        let mut next = by_id.get(id);
        while let Some(department) = next {
            names.push(&department.name);
            // A directory that runs in circles must not hang the page.
            if names.len() > 8 {
                break;
            }
            next = department.parent.as_deref().and_then(|p| by_id.get(p));
        }
        names.reverse();
        names.join(" / ")
    }
}

pub(crate) use api::{Jump, target};

/// The page, its assets and its interface, to be served at the root of an address.
pub fn router(state: DemoState) -> Router {
    let shared = Arc::new(api::Shared::new(state));
    Router::new()
        .route("/", get(view::page))
        .route("/assets/demo.css", get(view::css))
        .route("/assets/demo.js", get(view::js))
        .route("/assets/parts.js", get(view::parts))
        .route("/assets/icon.svg", get(view::icon))
        .route("/api/chats", get(api::chats))
        .route("/api/screen", get(api::screen))
        .route("/api/picture", get(api::picture))
        .route("/api/events", get(api::events))
        .route("/api/act", post(api::act))
        .route("/api/time", post(api::time))
        .route("/api/receive", post(api::receive))
        .layer(middleware::from_fn_with_state(shared.clone(), guard::guard))
        .with_state(shared)
}

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
