//! What the bot says about groups by department.
