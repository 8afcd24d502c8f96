//! What people type, as data.

use super::operate::GRANT_MAX;
use crate::access::Role;
use crate::commands::{AnswerPlace, ArgKind, ArgSpec, CommandSpec};

const TO: ArgSpec = ArgSpec {
    name: "to",
    names: &["给", "人"],
    kind: ArgKind::Person,
    positional: true,
    required: true,
};
const REASON: ArgSpec = ArgSpec {
    name: "reason",
    names: &["原因", "理由"],
    kind: ArgKind::Rest,
    positional: true,
    required: true,
};
const ID: ArgSpec = ArgSpec {
    name: "id",
    names: &["编号"],
    kind: ArgKind::Text,
    positional: true,
    required: true,
};
const SEASON: ArgSpec = ArgSpec {
    name: "month",
    names: &["月", "月份"],
    kind: ArgKind::Text,
    positional: true,
    required: false,
};

const MEMBER: &[Role] = &[Role::Member];
const OPERATOR: &[Role] = &[Role::Operator];
const LOOK: &[Role] = &[Role::Operator, Role::Auditor];

const fn private(id: &'static str, args: &'static [ArgSpec], roles: &'static [Role]) -> CommandSpec {
    CommandSpec {
        id,
        bare: false,
        args,
        roles,
        place: AnswerPlace::Private,
    }
}

pub const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        id: "points.thanks",
        bare: true,
        // Who and why are checked by the rule, which answers kindly and in private.
        args: &[
            ArgSpec { required: false, ..TO },
            ArgSpec {
                name: "points",
                names: &["分", "积分"],
                kind: ArgKind::Integer { min: 1, max: 100 },
                positional: false,
                required: false,
            },
            ArgSpec {
                required: false,
                ..REASON
            },
        ],
        roles: MEMBER,
        place: AnswerPlace::GroupLine,
    },
    private("points.mine", &[], MEMBER),
    private("points.entries", &[SEASON], MEMBER),
    private(
        "points.board",
        &[
            ArgSpec {
                name: "period",
                names: &["期间"],
                kind: ArgKind::Choice(&["本月", "本周", "month", "week"]),
                positional: true,
                required: false,
            },
            ArgSpec {
                name: "dept",
                names: &["部门"],
                kind: ArgKind::Text,
                positional: true,
                required: false,
            },
        ],
        MEMBER,
    ),
    private("points.hide", &[], MEMBER),
    private("points.show", &[], MEMBER),
    private(
        "points.grant",
        &[
            TO,
            ArgSpec {
                name: "points",
                names: &["分", "积分"],
                kind: ArgKind::Integer { min: 1, max: GRANT_MAX },
                positional: true,
                required: true,
            },
            REASON,
        ],
        OPERATOR,
    ),
    private("points.reverse", &[ID, REASON], OPERATOR),
    private("points.lookup", &[TO, SEASON], LOOK),
    private("points.disputes", &[], LOOK),
    private("points.answer", &[ID, TO, REASON], OPERATOR),
];
