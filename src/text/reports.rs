//! What the bot says about reports.
