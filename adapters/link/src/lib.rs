//! Keeps long connections alive: one runner for the protocols of all platforms.
//!
//! A platform describes its protocol without I/O ([`hutong_model::Link`]); this crate owns the socket
//! and the time. [`run`] connects, watches that the other side can be heard, acknowledges only what
//! [`LinkHost::store`] has committed, connects again for ever, replaces a connection before it ends,
//! and holds the lease of connections of which only one may live.

mod backoff;
mod connection;
mod fragments;
mod host;
mod runner;
mod transport;

pub use fragments::{FragmentError, FragmentLimits, Fragments};
pub use host::{Cause, Hold, LinkHost, LinkNote, Options, TimerClock};
pub use runner::run;
pub use transport::{ConnectError, HttpTransport, Io, Transport, TransportError, allowed};

#[cfg(test)]
mod tests;
