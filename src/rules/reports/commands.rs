//! What people type, as data.

use crate::access::Role;
use crate::commands::{AnswerPlace, ArgKind, ArgSpec, CommandSpec};

pub const COMMANDS: &[CommandSpec] = &[CommandSpec {
    id: "reports.week",
    bare: false,
    args: &[ArgSpec {
        name: "week",
        names: &["周"],
        kind: ArgKind::Integer { min: 1, max: 53 },
        positional: true,
        required: false,
    }],
    roles: &[Role::Member],
    place: AnswerPlace::Anywhere,
}];
