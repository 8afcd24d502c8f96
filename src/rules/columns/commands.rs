//! What people type, as data.

use crate::access::Role;
use crate::commands::{AnswerPlace, ArgKind, ArgSpec, CommandSpec};

const COLUMN: ArgSpec = ArgSpec {
    name: "column",
    names: &["栏目"],
    kind: ArgKind::Text,
    positional: true,
    required: true,
};
const NUMBER: ArgSpec = ArgSpec {
    name: "number",
    names: &["编号"],
    kind: ArgKind::Integer {
        min: 1,
        max: 1_000_000_000,
    },
    positional: true,
    required: true,
};
const EDIT: &[Role] = &[Role::Editor, Role::Operator];

const fn edit(id: &'static str, args: &'static [ArgSpec]) -> CommandSpec {
    CommandSpec {
        id,
        bare: false,
        args,
        roles: EDIT,
        place: AnswerPlace::Private,
    }
}

pub const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        id: "columns.submit",
        bare: false,
        args: &[
            COLUMN,
            ArgSpec {
                name: "text",
                names: &["内容"],
                kind: ArgKind::Rest,
                positional: true,
                required: true,
            },
        ],
        roles: &[Role::Member],
        place: AnswerPlace::Private,
    },
    edit("columns.list", &[]),
    edit("columns.preview", &[COLUMN]),
    edit("columns.accept", &[NUMBER]),
    edit(
        "columns.refuse",
        &[
            NUMBER,
            ArgSpec {
                name: "reason",
                names: &["原因", "理由"],
                kind: ArgKind::Rest,
                positional: true,
                required: true,
            },
        ],
    ),
    edit("columns.pause", &[COLUMN]),
    edit("columns.resume", &[COLUMN]),
    edit("columns.send", &[COLUMN]),
];
