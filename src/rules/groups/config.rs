//! `[[group_rule]]`: which groups exist because of which departments.

use hutong_model::{AppId, UserId};

use crate::config::rules::segments::Segment;
use crate::config::{Reader, Section, Wrong};
use crate::segment::Expr;

/// Where the people of a rule come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The rule that says so.
    pub rule: String,
    /// Name or id of the department at the top; absent when a segment alone says who is meant.
    pub department: Option<String>,
    /// Whether people of the departments below are members as well.
    pub include_children: bool,
    /// Otherwise people who are known to be contractors stay outside.
    pub include_contractors: bool,
    /// Only people of this segment.
    pub segment: Option<Segment>,
}

/// One rule: a department and those below it, each with its group; or one group of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRule {
    pub id: String,
    pub app: AppId,
    pub source: Source,
    /// 0: one group for the department itself; 1: also one for each department directly below; ...
    pub depth: u8,
    /// The people go into the first group of this rule; the rule has no group of its own.
    pub into: Option<String>,
    /// Other rules whose people go into the first group of this one.
    pub feeders: Vec<Source>,
    /// Name of a group; `{dept}`, `{parent}`, `{segment}`, `{no}` and `{company}` are filled in.
    pub name: String,
    /// So many members, and the next ones go into a further group; 0: nine tenths of what the
    /// platform allows.
    pub split_over: usize,
    /// Whether people may leave for good; otherwise they are brought back once.
    pub optional: bool,
    /// Who owns a group; the first who is available.
    pub owner: Vec<Owner>,
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
    /// Somebody of the department with the tag `deputy` or `副手`: no platform tells it.
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

impl GroupRule {
    /// Where the people come from, as an admin wrote it.
    pub fn source_name(&self) -> String {
        let segment = self.source.segment.as_ref().map(|s| s.title.clone());
        self.source.department.clone().or(segment).unwrap_or_default()
    }
}

impl Section for GroupRule {
    const NAME: &'static str = "group_rule";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let id = reader.id("id").get();
        let app = reader.app("app").get();
        let outer = reader.text("department").length(1..=60).maybe();
        let depth = reader.integer("depth").range(0..=10).get();
        let name = reader.text("name").length(1..=60).parse(template).get();
        let include_children = reader.boolean("include_children").get();
        let inner = reader.table("source", |table| {
            let department = table.text("department").length(1..=60).maybe();
            let depth = table.integer("depth").range(0..=10).maybe();
            let written = table.has("segment");
            let segment = table.text("segment").id_in("segment").maybe();
            let contractors = table.boolean("include_contractors").or(true);
            // One that is not there has been told.
            if written && segment.is_none() {
                return None;
            }
            Some((department, depth, segment, contractors?))
        });
        let into = reader.text("into").id_in("group_rule").maybe();
        let split_over = reader.integer("split_over").range(0..=100_000).get();
        let optional = reader.boolean("optional").get();
        let owner = reader
            .list("owner")
            .count(1..=10)
            .unique()
            .each(|text| Owner::parse(&text))
            .get();
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

        let (depth, name): (u8, String) = (depth?, name?);
        let (inner_department, inner_depth, segment, include_contractors) = inner?;
        if let (Some(outer), Some(inner)) = (&outer, &inner_department)
            && outer != inner
        {
            let what = format!("source says {inner:?}, and department {outer:?}");
            reader.wrong("source", Wrong::new(what, "write the department once"));
            return None;
        }
        let depth = inner_depth.unwrap_or(depth);
        let department = inner_department.or(outer);
        let (id, app): (String, AppId) = (id?, app?);
        // Into itself is what a rule does anyway.
        let into = into.filter(|rule| *rule != id);
        let department = match (department, &segment) {
            (None, None) => Some(reader.text("department").length(1..=60).get()?),
            (department, _) => department,
        };
        let own = into.is_none();
        if own && department.is_some() && depth > 0 && !name.contains("{dept}") {
            let what = "all groups of this rule would have the same name";
            reader.wrong("name", Wrong::new(what, "use {dept} in the name, or depth = 0"));
            return None;
        }
        if own && department.is_none() && (name.contains("{dept}") || name.contains("{parent}")) {
            let what = "a group of a segment has no department to be named after";
            let hint = "use {segment}, for example \"{segment}·交流群\"";
            reader.wrong("name", Wrong::new(what, hint));
            return None;
        }
        if own && segment.is_none() && name.contains("{segment}") {
            let what = "this rule has no segment to be named after";
            reader.wrong(
                "name",
                Wrong::new(what, "use {dept}, or source = { segment = \"...\" }"),
            );
            return None;
        }
        // Two rules that make a group of the same name make two groups that nobody can tell apart.
        if own {
            let mut whose = String::new();
            for (mark, value) in [
                ("{dept}", &department),
                ("{parent}", &department),
                ("{segment}", &segment),
            ] {
                if name.contains(mark) {
                    whose.push_str(value.as_deref().unwrap_or_default());
                    whose.push('\n');
                }
            }
            reader.once("name", format!("{app}\n{whose}\n{name}"), |line| {
                Wrong::new(
                    format!("{name:?} would be the name of a group of another rule too"),
                    format!("the other [[group_rule]] has its name on line {line}; choose another one"),
                )
            });
        }
        let source = Source {
            rule: id.clone(),
            department,
            include_children: include_children?,
            include_contractors,
            // The condition comes in when all sections are read, see `link`.
            segment: segment.map(|id| Segment {
                title: id.clone(),
                condition: Expr::Any(Vec::new()),
                id,
            }),
        };
        Some(Self {
            id,
            app,
            source,
            depth,
            into,
            feeders: Vec::new(),
            name,
            split_over: split_over?,
            optional: optional?,
            owner: owner?,
            manual_members: manual_members?,
            on_leave: on_leave?,
            auto: auto?,
            on_transfer: on_transfer?,
            preview_days: preview_days?,
        })
    }
}

/// What is wrong with `into`: the number of the rule, from 0, and why. One that names no rule has
/// been told when it was read.
pub fn wrong_feeds(rules: &[GroupRule]) -> Vec<(usize, Wrong)> {
    let next = |rule: &GroupRule| {
        let into = rule.into.as_ref()?;
        rules.iter().position(|r| r.id == *into)
    };
    let mut wrong = Vec::new();
    let mut told: Vec<usize> = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        let Some(target) = next(rule).and_then(|n| rules.get(n)) else {
            continue;
        };
        if target.app != rule.app {
            let what = format!(
                "rule {:?} has the app {:?}, and {:?} has {:?}: people of one app cannot join a group of another",
                rule.id,
                rule.app.as_str(),
                target.id,
                target.app.as_str()
            );
            let hint = "give both rules the same app, or remove into so that this rule has a group of its own";
            wrong.push((at, Wrong::new(what, hint)));
        }
        // A ring is told once, at its first rule.
        let mut ring = vec![at];
        let mut way = next(rule);
        while let Some(n) = way.filter(|n| !ring.contains(n)) {
            ring.push(n);
            way = rules.get(n).and_then(next);
        }
        if way == Some(at) && !told.contains(&at) {
            let mut names: Vec<&str> = ring
                .iter()
                .filter_map(|n| rules.get(*n))
                .map(|r| r.id.as_str())
                .collect();
            names.push(&rule.id);
            let what = format!(
                "the rules {} lead in a ring, so none of them has a group",
                names.join(" -> ")
            );
            wrong.push((
                at,
                Wrong::new(what, "remove into from the rule that is to have the group"),
            ));
            told.extend(ring);
        }
    }
    wrong
}

/// Gives rules the conditions of their segments, and groups the rules that feed them.
pub fn link(rules: &mut [GroupRule], segments: &[Segment]) {
    for segment in rules.iter_mut().filter_map(|r| r.source.segment.as_mut()) {
        if let Some(found) = segments.iter().find(|s| s.id == segment.id) {
            segment.clone_from(found);
        }
    }
    let mut feeds: Vec<(String, Source)> = Vec::new();
    for rule in rules.iter() {
        // A rule may feed one that feeds another. A ring is refused before; here it ends the search.
        let mut seen = vec![rule.id.as_str()];
        let mut at = rule;
        while let Some(next) = at.into.as_ref().and_then(|id| rules.iter().find(|r| r.id == *id)) {
            if seen.contains(&next.id.as_str()) {
                break;
            }
            seen.push(&next.id);
            at = next;
        }
        if at.id != rule.id && at.into.is_none() {
            feeds.push((at.id.clone(), rule.source.clone()));
        }
    }
    for (target, source) in feeds {
        if let Some(rule) = rules.iter_mut().find(|r| r.id == target) {
            rule.feeders.push(source);
        }
    }
}

/// Only known placeholders stand between braces.
fn template(text: String) -> Result<String, Wrong> {
    let mut rest = text.clone();
    for mark in ["{dept}", "{parent}", "{segment}", "{no}", "{company}"] {
        rest = rest.replace(mark, "");
    }
    match rest.contains(['{', '}']) {
        false => Ok(text),
        true => Err(Wrong::new(
            format!("{text:?} has a placeholder that is not known"),
            "use {dept}, {parent}, {segment}, {no} and {company}, for example \"{dept}·技术交流\"",
        )),
    }
}
