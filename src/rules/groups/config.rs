//! `[[group_rule]]`: which groups exist because of which departments.

use hutong_model::{AppId, UserId};

use crate::config::{Reader, Section, Wrong};

/// One rule: a department and those below it, each with its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRule {
    pub id: String,
    pub app: AppId,
    /// Name or id of the department at the top.
    pub department: String,
    /// 0: one group for the department itself; 1: also one for each department directly below; ...
    pub depth: u8,
    /// Name of a group; `{dept}` and `{company}` are filled in.
    pub name: String,
    /// Who owns a group; the first who is available.
    pub owner: Vec<Owner>,
    /// Whether people of the departments below are members as well.
    pub include_children: bool,
    pub manual_members: ManualMembers,
    pub on_leave: OnLeave,
    /// Whether somebody who is new in a department is added without a plan.
    pub auto: bool,
    pub on_transfer: OnTransfer,
    /// So long a new rule is only looked at: every plan needs a second operator, and nothing is
    /// changed without a plan.
    pub preview_days: u16,
}

/// What happens to somebody who moves to another department of the company.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnTransfer {
    /// Working days that they stay in the old group; 0: they go with the next plan.
    pub grace_workdays: u16,
    /// Whether they are told.
    pub notice: bool,
}

/// Who may own a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// The leader of the department.
    Leader,
    Deputy,
    /// An operator whose scope covers the department.
    BotOperator,
    User(UserId),
}

impl Owner {
    fn parse(text: &str) -> Result<Self, Wrong> {
        match text {
            "leader" => Ok(Owner::Leader),
            "deputy" => Ok(Owner::Deputy),
            "bot_operator" => Ok(Owner::BotOperator),
            _ => match text.strip_prefix("user:").map(UserId::new) {
                Some(Ok(user)) => Ok(Owner::User(user)),
                _ => Err(Wrong::new(
                    format!("{text:?} cannot own a group"),
                    "use \"leader\", \"deputy\", \"bot_operator\" or \"user:USER_ID\"",
                )),
            },
        }
    }
}

/// What happens to members whom the rule does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManualMembers {
    Keep,
    Remove,
}

/// What happens to a member who leaves the department or the company.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnLeave {
    RemoveNow,
    Keep,
}

impl Section for GroupRule {
    const NAME: &'static str = "group_rule";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let id = reader.id("id").get();
        let app = reader.app("app").get();
        let department = reader.text("department").length(1..=60).get();
        let depth = reader.integer("depth").range(0..=10).get();
        let name = reader.text("name").length(1..=60).parse(template).get();
        let owner = reader
            .list("owner")
            .count(1..=10)
            .unique()
            .each(|text| Owner::parse(&text))
            .get();
        let include_children = reader.boolean("include_children").get();
        let manual = [("keep", ManualMembers::Keep), ("remove", ManualMembers::Remove)];
        let manual_members = reader.text("manual_members").one_of(&manual).get();
        let leave = [("remove_now", OnLeave::RemoveNow), ("keep", OnLeave::Keep)];
        let on_leave = reader.text("on_leave").one_of(&leave).get();

        let auto = reader.boolean("auto").get();

        let on_transfer = reader.table("on_transfer", |table| {
            let grace_workdays = table.integer("grace_workdays").range(0..=60).get();
            let notice = table.boolean("notice").get();
            Some(OnTransfer {
                grace_workdays: grace_workdays?,
                notice: notice?,
            })
        });
        let preview_days = reader.integer("preview_days").range(0..=60).get();
        if let (Some(transfer), Some(OnLeave::Keep)) = (&on_transfer, &on_leave)
            && transfer.grace_workdays > 0
        {
            let what = "with on_leave = \"keep\" nobody is removed, so there is no grace period";
            let hint = "use on_leave = \"remove_now\", or grace_workdays = 0";
            reader.wrong("on_transfer", Wrong::new(what, hint));
            return None;
        }

        let (depth, name) = (depth?, name?);
        if depth > 0 && !name.contains("{dept}") {
            let what = "all groups of this rule would have the same name";
            reader.wrong("name", Wrong::new(what, "use {dept} in the name, or depth = 0"));
            return None;
        }
        let (app, department) = (app?, department?);
        // Two rules that make a group of the same name make two groups that nobody can tell apart.
        let whose = if name.contains("{dept}") {
            department.as_str()
        } else {
            ""
        };
        reader.once("name", format!("{app}\n{whose}\n{name}"), |line| {
            Wrong::new(
                format!("{name:?} would be the name of a group of another rule too"),
                format!("the other [[group_rule]] has its name on line {line}; choose another one"),
            )
        });
        Some(Self {
            id: id?,
            app,
            department,
            depth,
            name,
            owner: owner?,
            include_children: include_children?,
            manual_members: manual_members?,
            on_leave: on_leave?,
            auto: auto?,
            on_transfer: on_transfer?,
            preview_days: preview_days?,
        })
    }
}

/// Only `{dept}` and `{company}` stand between braces.
fn template(text: String) -> Result<String, Wrong> {
    let rest = text.replace("{dept}", "").replace("{company}", "");
    match rest.contains(['{', '}']) {
        false => Ok(text),
        true => Err(Wrong::new(
            format!("{text:?} has a placeholder that is not known"),
            "use {dept} and {company}, for example \"{dept}·技术交流\"",
        )),
    }
}
