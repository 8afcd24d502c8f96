//! Somebody who moves to another department stays in the old group for some working days.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use hutong_model::{Ability, DeliveryClass, Event, Message, UserId};

use super::config::GroupRule;
use super::plan::{Alone, Claim};
use super::sources::segment_key;
use super::split::base_of;
use super::store::{self, Key};
use super::world::{self, World};
use super::{apply, people};
use crate::directory::{Department, PersonId};
use crate::rules::{Ctx, RuleError};
use crate::schedule::Workdays;
use crate::text::Lang;
use crate::text::groups::Say;

/// No calendar has so many days off at a stretch; a broken one ends the search.
const LONGEST: u64 = 400;

/// The last of `count` working days after `today`: somebody who moves today stays through it.
pub fn last_day(today: NaiveDate, count: u16, workdays: &dyn Workdays) -> NaiveDate {
    let mut left = count;
    let mut day = today;
    for _ in 0..LONGEST {
        if left == 0 {
            break;
        }
        day = day.checked_add_days(Days::new(1)).unwrap_or(day);
        left -= u16::from(workdays.is_workday(day));
    }
    day
}

/// Begins the grace of people, and tells each of them once, whatever the number of groups.
pub async fn begin(
    ctx: &mut Ctx,
    rule: &GroupRule,
    moved: &[(String, PersonId)],
    workdays: &dyn Workdays,
) -> Result<(), RuleError> {
    let now = ctx.now();
    let until = last_day(ctx.local(now).date_naive(), rule.on_transfer.grace_workdays, workdays);
    let mut told: BTreeMap<&PersonId, Vec<String>> = BTreeMap::new();
    for (department, person) in moved {
        let key = Key {
            rule: &rule.id,
            department,
        };
        store::set_grace(ctx.tx(), key, person, until, now).await?;
        let chat = store::chat(ctx.tx(), &rule.id, department).await?;
        told.entry(person).or_default().extend(chat.map(|c| c.name));
    }
    if !rule.on_transfer.notice {
        return Ok(());
    }
    for (person, groups) in told {
        let Some(found) = ctx.directory().person(person).await? else {
            continue;
        };
        let own = found.language.as_deref().and_then(Lang::parse);
        let say = Say::YouMoved {
            groups: groups.join("、"),
            until,
            days: rule.on_transfer.grace_workdays,
        };
        let text = Message::text(say.in_lang(own.unwrap_or(ctx.env().lang)));
        let part = format!("grace:{}:{person}", rule.id);
        ctx.tell(&part, &rule.app, person, DeliveryClass::Once, text).await?;
    }
    Ok(())
}

async fn end(ctx: &mut Ctx, rule: &GroupRule, department: &str, person: &PersonId) -> Result<(), RuleError> {
    let now = ctx.now();
    let key = Key {
        rule: &rule.id,
        department,
    };
    Ok(store::set_claim(ctx.tx(), key, person, Claim::In, "", now).await?)
}

/// Somebody stands in other departments than before, as far as an event says.
pub async fn moved(
    ctx: &mut Ctx,
    rules: &[GroupRule],
    event: &Event,
    user: &UserId,
    workdays: &dyn Workdays,
) -> Result<(), RuleError> {
    let mut trees = world::Trees::default();
    for rule in rules
        .iter()
        .filter(|r| r.on_transfer.grace_workdays > 0 && r.into.is_none())
    {
        let (company, _) = world::home(ctx, rule)?;
        let here = ctx.env().app(&event.app).is_some_and(|a| a.company == company);
        let Some(platform) = ctx.platform(&event.app).filter(|_| here) else {
            continue;
        };
        let Some(person) = ctx.directory().person_of(&company, platform, user).await? else {
            continue;
        };
        if store::paused(ctx.tx(), &rule.id).await? || super::fresh_until(ctx, rule).await?.is_some() {
            continue;
        }
        let claims: Vec<_> = store::claims_of(ctx.tx(), &person.id)
            .await?
            .into_iter()
            .filter(|c| c.rule == rule.id && matches!(c.claim, Claim::In | Claim::Grace))
            .collect();
        if claims.is_empty() {
            continue;
        }
        let (tree, root) = match world::root_of(ctx, &mut trees, rule).await {
            Ok(found) => found,
            Err(RuleError::Refuse(_)) => continue,
            Err(error) => return Err(error),
        };
        let wanted = match world::wanted(ctx, rule, &tree, root.as_ref(), &person.id).await {
            Ok(wanted) => wanted,
            Err(RuleError::Refuse(_)) => continue,
            Err(error) => return Err(error),
        };
        let mut leaves = Vec::new();
        for claim in claims {
            let chat = store::chat(ctx.tx(), &rule.id, &claim.department).await?;
            // An owner stays, and a group of a department that is gone is left alone.
            let owns = chat.is_none_or(|c| c.owner.as_ref() == Some(&person.id));
            let base = base_of(&claim.department).0;
            match (claim.claim, wanted.contains(base)) {
                (Claim::Grace, true) => end(ctx, rule, &claim.department, &person.id).await?,
                (Claim::In, false) if !owns && reaches(&tree, root.as_ref(), rule, base) => {
                    leaves.push((claim.department, person.id.clone()));
                }
                _ => {}
            }
        }
        begin(ctx, rule, &leaves, workdays).await?;
    }
    Ok(())
}

fn reaches(tree: &world::Tree, root: Option<&Department>, rule: &GroupRule, base: &str) -> bool {
    match (root, &rule.source.segment) {
        (Some(root), _) => {
            let levels = tree.levels(&root.id, usize::from(rule.depth));
            levels.iter().any(|d| d.id == base)
        }
        (None, Some(segment)) => segment_key(&segment.id) == base,
        (None, None) => false,
    }
}

/// What no event told, and whose grace is over. More people at once than one operator may remove
/// wait for a plan: so many moves are a reorganisation, or a broken directory.
pub async fn follow(
    ctx: &mut Ctx,
    rule: &GroupRule,
    world: &World,
    alone: Alone,
    workdays: &dyn Workdays,
) -> Result<(), RuleError> {
    for (department, person) in &world.plan.back {
        end(ctx, rule, department, person).await?;
    }
    if world.plan.grace.len() <= alone.people {
        begin(ctx, rule, &world.plan.grace, workdays).await?;
    }
    if !ctx.can(&rule.app, Ability::RemoveMembers) {
        return Ok(());
    }
    let today = ctx.local(ctx.now()).date_naive();
    let claims = store::claims(ctx.tx(), &rule.id).await?;
    // Whom the platform would not remove waits for somebody to look.
    let over: Vec<_> = claims
        .into_iter()
        .filter(|c| c.claim == Claim::Grace && c.detail.is_empty() && c.until.is_some_and(|day| day < today))
        .collect();
    let reason = Say::ReasonMoved.in_lang(ctx.env().lang);
    let mut goes: Vec<(&str, Vec<PersonId>)> = Vec::new();
    for change in &world.plan.changes {
        let own = |p: &&PersonId| {
            over.iter()
                .any(|c| c.department == change.department && c.person == **p)
        };
        let list: Vec<PersonId> = change.remove.iter().filter(own).cloned().collect();
        if !list.is_empty() {
            goes.push((&change.department, list));
        }
    }
    if goes.iter().map(|(_, list)| list.len()).sum::<usize>() > alone.people {
        return Ok(());
    }
    for (department, list) in goes {
        if let Some(chat) = world.chats.iter().find(|c| c.department == department) {
            apply::remove(ctx, chat, &list, people::by_itself(&reason)).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::WorkdayTable;

    #[test]
    fn the_grace_counts_working_days_of_the_table() {
        let table = WorkdayTable::china().unwrap();
        let last = |from: &str, n: u16| last_day(from.parse().unwrap(), n, &table).to_string();
        assert_eq!(last("2026-11-24", 7), "2026-12-03");
        assert_eq!(last("2026-11-27", 1), "2026-11-30");
        // Over the National Day holidays, which end with a make-up Saturday.
        assert_eq!(last("2026-09-30", 1), "2026-10-08");
        assert_eq!(last("2026-09-30", 3), "2026-10-10");
        assert_eq!(last("2026-11-24", 0), "2026-11-24");
    }
}
