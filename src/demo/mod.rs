//! The offline demo: three simulated platforms, the bot, and a page on which a visitor is a
//! colleague in any of them.

pub mod page;
