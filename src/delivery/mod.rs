//! From the outbox to the platforms.

pub mod limits;
pub mod retry;
