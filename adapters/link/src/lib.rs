//! Keeps long connections alive: one runner for the protocols of all platforms.
//!
//! A platform describes its protocol without I/O ([`hutong_model::Link`]); this crate owns the socket
//! and the time.

mod fragments;

pub use fragments::{FragmentError, FragmentLimits, Fragments};
