//! What people type, as data.

use crate::access::Role;
use crate::commands::{AnswerPlace, ArgKind, ArgSpec, CommandSpec};

const NUMBER: ArgSpec = ArgSpec {
    name: "number",
    names: &["编号", "number"],
    kind: ArgKind::Integer {
        min: 1,
        max: 1_000_000_000,
    },
    positional: true,
    required: true,
};
const EDITORS: &[Role] = &[Role::Editor, Role::Operator];

const fn rest(name: &'static str, names: &'static [&'static str]) -> ArgSpec {
    ArgSpec {
        name,
        names,
        kind: ArgKind::Rest,
        positional: true,
        required: true,
    }
}

const fn private(id: &'static str, args: &'static [ArgSpec], roles: &'static [Role]) -> CommandSpec {
    CommandSpec {
        id,
        bare: false,
        args,
        roles,
        place: AnswerPlace::Private,
    }
}

/// Deputies have no role of their own: the handlers of decisions ask who may decide.
pub const COMMANDS: &[CommandSpec] = &[
    private("review.todo", &[], &[Role::Member]),
    private("review.rules", &[], &[Role::Editor, Role::Reviewer, Role::Operator]),
    private(
        "review.approve",
        &[
            NUMBER,
            ArgSpec {
                name: "draft",
                names: &["稿", "draft"],
                kind: ArgKind::Integer { min: 1, max: 1_000_000 },
                positional: true,
                required: true,
            },
        ],
        &[Role::Member],
    ),
    private(
        "review.return",
        &[NUMBER, rest("reason", &["原因", "理由", "reason"])],
        &[Role::Member],
    ),
    private("review.edit", &[NUMBER, rest("text", &["内容", "text"])], EDITORS),
    private(
        "review.correct",
        &[
            ArgSpec {
                name: "day",
                names: &["日期", "day"],
                kind: ArgKind::Date,
                positional: true,
                required: true,
            },
            ArgSpec {
                name: "column",
                names: &["栏目", "column"],
                kind: ArgKind::Text,
                positional: true,
                required: true,
            },
            rest("text", &["内容", "text"]),
        ],
        EDITORS,
    ),
];
