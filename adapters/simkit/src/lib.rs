//! What the three simulated platforms share: the made-up organisation, the verbs of a person in
//! front of an IM client, what a chat shows, faults, the judge of rate limits, the delivery of
//! callbacks with the real repeat ladders, and the documented HTTP control interface.
//!
//! A simulator is a real HTTP server on loopback. The bot talks to it only over the platform's
//! wire; people (the demo page, tests, developers) act through [`Simulator::act`] or through the
//! control interface, which is the same thing over HTTP.

pub mod company;
pub mod control;
pub mod faults;
pub mod journal;
pub mod judge;
pub mod ladder;
pub mod org;
pub mod screen;
pub mod server;
pub mod sockets;
pub mod verb;

use hutong_model::{BoxFuture, KeyProblem, Platform, Settings};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

pub use org::{Org, SimDepartment, SimPerson};
pub use screen::{ScreenButton, ScreenChat, ScreenField, ScreenItem, ScreenPart};
pub use verb::{ChatSel, Done, Fault, FaultKind, Verb};

/// A platform on loopback.
pub trait Simulator: Send + Sync {
    fn platform(&self) -> Platform;
    /// `http://127.0.0.1:PORT`, the base URL that the adapter's settings point at.
    fn base_url(&self) -> String;
    /// The apps registered on it, with everything needed to configure the bot for them.
    fn apps(&self) -> Vec<SimApp>;
    /// Sets where an app's callbacks go (`http://127.0.0.1:PORT/hook/{app}`), as an admin does in
    /// the developer console, including the platform's address check. `Err` when the check fails.
    fn subscribe<'a>(&'a self, app: &'a str, url: &'a str) -> BoxFuture<'a, Result<(), SimError>>;
    /// Does what a person does. Returns when the platform has done its part and the first attempt
    /// of every callback it caused has been answered (or has failed).
    fn act(&self, verb: Verb) -> BoxFuture<'_, Result<Done, SimError>>;
    /// All chats, groups first.
    fn chats(&self) -> Vec<ScreenChat>;
    /// What `viewer` sees in a chat, oldest first, at most the newest `limit` items.
    fn screen(&self, chat: &str, viewer: &str, limit: usize) -> Vec<ScreenItem>;
    fn people(&self) -> Vec<SimPerson>;
    /// Adds a fault for coming calls or callbacks.
    fn fault(&self, fault: Fault);
    /// Sends every callback whose repeat is due at the simulator's clock; returns how many.
    fn repeat_due(&self) -> BoxFuture<'_, usize>;
    /// Grows whenever any chat changes.
    fn revision(&self) -> watch::Receiver<u64>;
    /// Requests that the real platform would have refused (bad signature, over a limit, unknown id),
    /// as a readable line each. A good bot leaves this empty.
    fn complaints(&self) -> Vec<String>;
    /// Requests seen so far, by path.
    fn calls(&self) -> Vec<(String, u64)>;
    /// Live long connections, by app.
    fn links(&self) -> Vec<(String, usize)> {
        Vec::new()
    }
}

/// An app as the developer console shows it.
#[derive(Debug, Clone)]
pub struct SimApp {
    /// The id under which the simulator knows it, and which [`ChatSel::DirectWith`] names.
    pub id: String,
    /// Value for `platform = ` in the bot's `[[app]]` table.
    pub kind: &'static str,
    pub name: String,
    /// The `[[app]]` keys, base URL and secrets included.
    pub settings: Settings,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "error", content = "detail", rename_all = "snake_case")]
pub enum SimError {
    #[error("no such {0}")]
    NotFound(String),
    #[error("{0}")]
    Refused(String),
    #[error("the callback was not accepted: {0}")]
    Callback(String),
}

impl From<Vec<KeyProblem>> for SimError {
    fn from(problems: Vec<KeyProblem>) -> Self {
        SimError::Refused(
            problems
                .iter()
                .map(|p| format!("{}: {}", p.key, p.what))
                .collect::<Vec<_>>()
                .join("; "),
        )
    }
}
