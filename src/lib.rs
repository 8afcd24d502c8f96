pub mod delivery;
pub mod schedule;
