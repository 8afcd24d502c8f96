//! What happened, durably: events are stored before they are acknowledged ([`accept`]), and handled
//! in batches whose effects commit with them ([`worker`]).

pub mod accept;
mod seen;
mod store;
pub mod worker;

pub use accept::{Accepted, Inbox, InboxOptions, tell_result};
pub use store::{DeadItem, counts, dead_items, prune, retry_dead};
