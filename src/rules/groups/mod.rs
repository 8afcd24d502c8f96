//! Groups by department.
use crate::commands::CommandSpec;
pub const NAME: &str = "groups";
pub const COMMANDS: &[CommandSpec] = &[];
