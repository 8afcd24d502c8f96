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
const DATE: ArgSpec = ArgSpec {
    name: "date",
    names: &["日期", "date"],
    kind: ArgKind::Date,
    positional: true,
    required: false,
};
const TEXT: ArgSpec = ArgSpec {
    name: "text",
    names: &["内容", "text"],
    kind: ArgKind::Rest,
    positional: true,
    required: false,
};

const fn key(name: &'static str, names: &'static [&'static str], kind: ArgKind) -> ArgSpec {
    ArgSpec {
        name,
        names,
        kind,
        positional: false,
        required: false,
    }
}

const EVERY: ArgSpec = key("every", &["每", "every"], ArgKind::Text);
const TIME: ArgSpec = key("time", &["时", "time"], ArgKind::Time);
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

const fn operate(id: &'static str, args: &'static [ArgSpec]) -> CommandSpec {
    CommandSpec {
        roles: &[Role::Operator],
        ..edit(id, args)
    }
}

pub const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        id: "columns.submit",
        bare: false,
        args: &[
            ArgSpec {
                required: false,
                ..COLUMN
            },
            TEXT,
        ],
        roles: &[Role::Member],
        place: AnswerPlace::Private,
    },
    edit("columns.list", &[]),
    edit("columns.preview", &[COLUMN]),
    edit("columns.content", &[COLUMN, DATE, TEXT]),
    edit("columns.plan", &[COLUMN]),
    edit(
        "columns.show",
        &[COLUMN, key("format", &["格式", "format"], ArgKind::Text)],
    ),
    edit("columns.expiry", &[NUMBER, DATE]),
    operate(
        "columns.new",
        &[
            COLUMN,
            EVERY,
            TIME,
            key("chats", &["群", "chats"], ArgKind::Text),
            key("editors", &["编辑", "editors"], ArgKind::Person),
            key("deputies", &["代理", "deputies"], ArgKind::Person),
            key("reviewers", &["审核", "reviewers"], ArgKind::Person),
            key("on_holiday", &["假期", "on_holiday"], ArgKind::Text),
            key("min_items", &["至少", "min_items"], ArgKind::Integer { min: 1, max: 8 }),
        ],
    ),
    operate("columns.move", &[COLUMN, EVERY, TIME]),
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
