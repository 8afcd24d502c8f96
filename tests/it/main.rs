//! Everything together: the real bot over real HTTP, in front of simulated platforms, on a database
//! of each kind; the program itself as a process; and the house rules that no compiler checks.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod support;

mod backup;
mod cli;
mod columns;
mod crash;
mod directory;
mod door;
mod faults;
mod groups;
mod hostile;
mod links;
mod newcomers;
mod people;
mod quota;
mod rehearse;
mod review;
mod talk;
mod tidy;
