//! The offline demo: three simulated platforms, the bot, and a page on which a visitor is a
//! colleague in any of them.
//!
//! Reading order: [`platforms`], [`stage`], [`weeks`], [`backstage`], [`tour`], [`page`].

mod backstage;
mod clock;
pub mod page;
pub mod platforms;
#[cfg(test)]
mod receive_tests;
mod screen;
mod stage;
mod stories;
pub mod tour;
pub mod weeks;

pub use clock::DemoClock;
pub use stage::{Hand, Stage};
