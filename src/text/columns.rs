//! What the bot says about columns.
