//! The rule modules. A rule is a folder and one line in [`all`]: it reads an event, its own tables
//! and the directory, and writes its own tables and effects, all in one transaction. It knows no
//! platform, no clock and no network.

mod ctx;

use hutong_model::{BoxFuture, Event, EventHead, Message};

use crate::commands::{Call, Click, CommandSpec};
use crate::store::StoreError;

pub use ctx::{App, Ctx, Env, PendingEffect, Who, local};

/// A rule module.
pub trait Rule: Send + Sync {
    /// Stable name: part of effect keys, tokens and tables.
    fn name(&self) -> &'static str;

    fn commands(&self) -> &'static [CommandSpec] {
        &[]
    }

    /// Which events it wants to see, cheap and pure. Its own commands, clicks, ticks and effect
    /// results reach it without being asked for here.
    fn wants(&self, _head: &EventHead<'_>) -> bool {
        false
    }

    /// An event it wanted, one of its ticks, or the result of one of its effects.
    fn on_event<'a>(&'a self, ctx: &'a mut Ctx, event: &'a Event) -> BoxFuture<'a, Result<(), RuleError>>;

    fn on_command<'a>(&'a self, _ctx: &'a mut Ctx, call: &'a Call) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move { Err(RuleError::Fail(format!("no handler for the command {}", call.id))) })
    }

    fn on_click<'a>(&'a self, _ctx: &'a mut Ctx, click: &'a Click) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move { Err(RuleError::Fail(format!("no handler for the button {}", click.verb))) })
    }
}

/// Why a rule did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// The person is told; nothing the rule wrote stays.
    #[error("refused")]
    Refuse(Box<Message>),
    /// Something passing: the item runs again later.
    #[error("try again: {0}")]
    Retry(String),
    /// A defect: the item is parked at once, where operators see it.
    #[error("{0}")]
    Fail(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RuleError {
    pub fn refuse(message: Message) -> Self {
        RuleError::Refuse(Box::new(message))
    }
}
