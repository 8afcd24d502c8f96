//! The adapter and the simulated platform against each other, over real HTTP on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod actions;
mod clicks;
mod faults;
mod reads;
mod recorded;
mod requests;
mod stage;
mod stream;
mod talk;
