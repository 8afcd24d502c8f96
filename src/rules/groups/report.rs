//! A plan for people and machines on the command line: every group, every person, every reason.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::back;
use super::config::GroupRule;
use super::plan::{Alone, Change, Claim};
use super::store::{self, Run};
use super::world::{self, World};
use super::{fresh_until, plan_lines, refuse_inability, refuse_nobody, takes};
use crate::directory::PersonId;
use crate::rules::{Ctx, RuleError};
use crate::text::Lang;

/// One person who comes or goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Move {
    pub person: String,
    pub name: String,
    pub reason: &'static str,
}

/// What happens to one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupReport {
    /// `create`, `change` or `disband`.
    pub what: &'static str,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Members now.
    pub members: usize,
    pub add: Vec<Move>,
    pub remove: Vec<Move>,
}

/// A plan, or the way back from one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub rule: String,
    /// Absent when there is nothing to do.
    pub plan: Option<String>,
    /// The plan that this one takes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undo_of: Option<String>,
    pub second_operator: bool,
    pub groups: Vec<GroupReport>,
    /// The preview as an operator reads it in a chat.
    pub summary: Vec<String>,
}

/// The plan of a rule as it is now. Refused like `/建群 预览`.
pub async fn of_rule(ctx: &mut Ctx, rule: &GroupRule, alone: Alone, lang: Lang) -> Result<Report, RuleError> {
    let world = world::look(ctx, rule).await?;
    refuse_nobody(rule, &world, lang)?;
    report(ctx, rule, &world, alone, lang).await
}

/// The way back from the last run with this code; it may be carried out afterwards.
pub async fn of_undo(ctx: &mut Ctx, rule: &GroupRule, run: Run, alone: Alone, lang: Lang) -> Result<Report, RuleError> {
    let id = run.id.clone();
    let world = back::look(ctx, rule, run, lang).await?;
    let report = report(ctx, rule, &world, alone, lang).await?;
    if let Some(code) = &report.plan {
        let now = ctx.now();
        store::show_undo(ctx.tx(), &rule.id, code, &id, now).await?;
    }
    Ok(report)
}

async fn report(ctx: &mut Ctx, rule: &GroupRule, world: &World, alone: Alone, lang: Lang) -> Result<Report, RuleError> {
    refuse_inability(ctx, world, lang)?;
    let mut claims: BTreeMap<(String, PersonId), (Claim, bool)> = BTreeMap::new();
    for row in store::claims(ctx.tx(), &rule.id).await? {
        claims.insert((row.department, row.person), (row.claim, row.active));
    }
    let undo = world.back.as_ref().map(|b| b.run.code.clone());
    let by_segment = rule.source.department.is_none();
    let name = |id: &PersonId| world.names.get(id).cloned().unwrap_or_else(|| "?".to_owned());
    let group = |change: &Change| {
        let moves = |list: &[PersonId], reason: &dyn Fn(&PersonId) -> &'static str| -> Vec<Move> {
            list.iter()
                .map(|p| Move {
                    person: p.as_str().to_owned(),
                    name: name(p),
                    reason: reason(p),
                })
                .collect()
        };
        let known = world.chats.iter().find(|c| c.department == change.department);
        let why_out = |p: &PersonId| match claims.get(&(change.department.clone(), p.clone())) {
            _ if undo.is_some() => "added by that plan",
            Some((_, false)) => "left the company",
            Some((Claim::Grace, _)) => "moved, grace is over",
            Some((Claim::In | Claim::Failed, _)) if by_segment => "no longer in the segment",
            Some((Claim::In | Claim::Failed, _)) => "no longer in the department",
            _ => "added by hand",
        };
        let why_in = |p: &PersonId| match claims.get(&(change.department.clone(), p.clone())) {
            _ if undo.is_some() => "removed by that plan",
            Some((Claim::Failed, _)) => "failed before, tried again",
            _ if change.new_owner.as_ref() == Some(p) => "is to own the group",
            _ if by_segment => "in the segment",
            _ => "in the department",
        };
        GroupReport {
            what: match (&change.create, change.disband) {
                (Some(_), _) => "create",
                (None, true) => "disband",
                (None, false) => "change",
            },
            name: change.name.clone(),
            old_name: known.filter(|_| change.rename).map(|c| c.name.clone()),
            owner: change.create.as_ref().or(change.new_owner.as_ref()).map(name),
            members: change.size,
            add: moves(&change.add, &why_in),
            remove: moves(&change.remove, &why_out),
        }
    };
    let groups: Vec<GroupReport> = world.plan.changes.iter().map(group).collect();
    let fresh = world.back.is_none() && fresh_until(ctx, rule).await?.is_some();
    let any = !world.plan.is_empty();
    let mut summary = plan_lines(world, usize::MAX, lang);
    summary.extend(takes(ctx, world).await?.map(|say| say.in_lang(lang)));
    Ok(Report {
        rule: rule.id.clone(),
        plan: any.then(|| world.code(&rule.id)),
        second_operator: any && (fresh || world.plan.needs_second(alone)),
        undo_of: undo,
        groups,
        summary,
    })
}

impl Report {
    /// As a diff: `+` comes, `-` goes, `~` changes.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let _ = match &self.undo_of {
            None => writeln!(out, "group rule {}", self.rule),
            Some(code) => writeln!(out, "group rule {}: the way back from plan {code}", self.rule),
        };
        for group in &self.groups {
            let sign = match group.what {
                "create" => '+',
                "disband" => '-',
                _ => '~',
            };
            let _ = writeln!(out, "{sign} {} ({} members)", group.name, group.members);
            if let Some(old) = &group.old_name {
                let _ = writeln!(out, "    ~ name: {old} -> {}", group.name);
            }
            if let Some(owner) = &group.owner {
                let _ = writeln!(out, "    ~ owner: {owner}");
            }
            for (sign, list) in [('+', &group.add), ('-', &group.remove)] {
                for one in list {
                    let _ = writeln!(out, "    {sign} {} ({})", one.name, one.reason);
                }
            }
        }
        for line in &self.summary {
            let _ = writeln!(out, "# {line}");
        }
        if self.second_operator {
            let _ = writeln!(out, "# needs a second operator");
        }
        if let Some(code) = &self.plan {
            let rule = &self.rule;
            let _ = writeln!(
                out,
                "next: hutong groups apply --rule {rule} --plan {code} --as EMPLOYEE_NO"
            );
        }
        out
    }
}
