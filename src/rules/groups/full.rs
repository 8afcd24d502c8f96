//! A group is full: the next one opens by itself where newcomers are added without a plan, under the
//! same conditions, and never because of more people at once than an automatic change may move.

use super::config::GroupRule;
use super::people::{MAX_AUTO, SYSTEM, Told, by_itself};
use super::plan::Plan;
use super::split::base_of;
use super::world::{self, World};
use super::{apply, budget};
use crate::access::store::audit;
use crate::rules::{Ctx, RuleError};
use crate::text::groups::Say;
use hutong_model::Ability;

/// Opens the next group for those who found no room under `key`. True: it is being made.
pub(super) async fn open_for(ctx: &mut Ctx, rule: &GroupRule, key: &str, told: &mut Told) -> Result<bool, RuleError> {
    if !ctx.can(&rule.app, Ability::CreateChat) {
        return Ok(false);
    }
    // Two who come at one moment open one group.
    ctx.tx().lock(&format!("groups:{}", rule.id)).await?;
    let world = match world::look(ctx, rule).await {
        Ok(world) => world,
        Err(RuleError::Refuse(_)) => return Ok(false),
        Err(error) => return Err(error),
    };
    Ok(open(ctx, rule, &world, Some(key), told).await? > 0)
}

/// Makes the further groups that a plan wants, of one group or of all. The first group of a
/// department is for a plan that somebody has looked at, and so is one that the platform refused.
pub(super) async fn open(
    ctx: &mut Ctx,
    rule: &GroupRule,
    world: &World,
    only: Option<&str>,
    told: &mut Told,
) -> Result<usize, RuleError> {
    if world.nobody || !ctx.can(&rule.app, Ability::CreateChat) {
        return Ok(0);
    }
    let known = |key: &str| world.chats.iter().find(|c| c.department == key);
    let further = world.plan.creates().filter(|change| {
        let (base, no) = base_of(&change.department);
        no >= 2
            && only.is_none_or(|key| key == base)
            && known(base).is_some_and(|c| c.state == "ready")
            && known(&change.department).is_none()
    });
    let opened = Plan {
        changes: further.cloned().collect(),
        ..Plan::default()
    };
    // So many at once are for somebody to look at. The owner of a group comes on top.
    let newcomers = opened.added().count().saturating_sub(opened.changes.len());
    if opened.changes.is_empty() || newcomers > MAX_AUTO {
        return Ok(0);
    }
    let reason = Say::ReasonFull.in_lang(ctx.env().lang);
    for change in &opened.changes {
        let Some(owner) = &change.create else { continue };
        let now = ctx.now();
        let detail = serde_json::json!({ "group": change.department, "add": change.add.len() });
        audit(ctx.tx(), now, SYSTEM, "groups.open", &rule.id, &detail).await?;
        apply::create(ctx, rule, world, change, owner, by_itself(&reason)).await?;
    }
    budget::book(ctx, &rule.app, &opened).await?;
    told.plan(rule, &opened, &world.chats);
    Ok(opened.changes.len())
}
