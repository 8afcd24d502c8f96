//! Who owns a group when its owner has left: the first of the rule's list who is there. Where nobody
//! is, the operators above are asked, and nobody is removed from the group until somebody owns it.

use hutong_model::{Ability, DeliveryClass, Message};

use super::apply;
use super::config::GroupRule;
use super::people::{by_itself, lang_of};
use super::store::{self, Chat};
use super::world;
use crate::access::Place;
use crate::access::store::{holders, place_of_department};
use crate::directory::PersonId;
use crate::rules::{Ctx, RuleError};
use crate::text::groups::Say;

/// What stands beside a group that nobody can own.
pub const NO_OWNER: &str = "no_owner";

/// Gives the group of somebody who has left to the next of the succession. False: there is nobody.
pub async fn hand_over(ctx: &mut Ctx, rule: &GroupRule, chat: &Chat) -> Result<bool, RuleError> {
    let world = match world::look(ctx, rule).await {
        Ok(world) => world,
        // A department that is not there has no group to repair.
        Err(RuleError::Refuse(_)) => return Ok(false),
        Err(error) => return Err(error),
    };
    let change = world.plan.changes.iter().find(|c| c.department == chat.department);
    let next = change.and_then(|c| c.new_owner.clone());
    let (Some(owner), true) = (next, ctx.can(&chat.app, Ability::SetOwner)) else {
        alert(ctx, rule, chat).await?;
        return Ok(false);
    };
    let reason = Say::ReasonOwnerLeft.in_lang(ctx.env().lang);
    let why = by_itself(&reason);
    if change.is_some_and(|c| c.add.contains(&owner)) {
        apply::add(ctx, chat, std::slice::from_ref(&owner), &world.accounts, why).await?;
    }
    apply::set_owner(ctx, chat, &owner, &world.accounts, why).await?;
    Ok(true)
}

/// Tells the operators of the department above, once as long as it lasts.
async fn alert(ctx: &mut Ctx, rule: &GroupRule, chat: &Chat) -> Result<(), RuleError> {
    if chat.detail == NO_OWNER {
        return Ok(());
    }
    let now = ctx.now();
    let noted = Chat {
        detail: NO_OWNER.to_owned(),
        ..chat.clone()
    };
    store::put_chat(ctx.tx(), &noted, now).await?;
    let (company, _) = world::home(ctx, rule)?;
    let own = place_of_department(ctx.tx(), &chat.department).await?;
    // Row id and name of the department itself stand first.
    let above = Place {
        departments: own.departments.iter().skip(2).cloned().collect(),
        ..Place::default()
    };
    let mut operators: Vec<PersonId> = holders(ctx.tx(), &company, super::OPERATORS, &above).await?;
    if operators.is_empty() {
        operators = holders(ctx.tx(), &company, super::OPERATORS, &own).await?;
    }
    for person in operators.iter().take(super::ASKED) {
        let lang = lang_of(ctx, person).await?;
        let say = Say::NobodyOwns {
            group: chat.name.clone(),
            rule: rule.id.clone(),
        };
        let part = format!("no owner:{}:{}:{person}", chat.rule, chat.department);
        let text = Message::text(say.in_lang(lang));
        ctx.tell(&part, &chat.app, person, DeliveryClass::Once, text).await?;
    }
    Ok(())
}
