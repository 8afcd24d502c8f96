//! What happens to single people between two plans: they leave a group, leave the company, or come
//! into a department.

use std::collections::{BTreeMap, BTreeSet};

use hutong_model::{Ability, ChatId, DeliveryClass, Event, Mention, Message, UserId};

use super::apply;
use super::config::GroupRule;
use super::grace;
use super::plan::{Alone, Claim};
use super::store::{self, Chat, Key, Why};
use super::world::{self, Tree};
use crate::directory::PersonId;
use crate::rules::{Ctx, RuleError};
use crate::schedule::Workdays;
use crate::text::Lang;
use crate::text::groups::Say;

/// More people than this come into one group only by a plan that somebody has looked at.
const MAX_AUTO: usize = 20;
/// The actor of changes that nobody asked for.
pub(super) const SYSTEM: &str = "system";

/// A change that nobody asked for, with its reason.
pub(super) fn by_itself(reason: &str) -> Why<'_> {
    Why {
        actor: SYSTEM,
        reason,
        run: None,
    }
}

/// Somebody joined or left one of our groups.
pub(super) async fn membership(
    ctx: &mut Ctx,
    event: &Event,
    chat: &ChatId,
    users: &[Mention],
    joined: bool,
    by: Option<&UserId>,
) -> Result<(), RuleError> {
    let ours = store::by_chat(ctx.tx(), &event.app, chat).await?;
    if ours.is_empty() {
        return Ok(());
    }
    let Some((company, platform)) = ctx
        .env()
        .app(&event.app)
        .map(|a| (a.company.clone(), a.adapter.platform()))
    else {
        return Ok(());
    };
    let now = ctx.now();
    for user in users.iter().filter_map(|m| m.user.as_ref()) {
        let Some(person) = ctx.directory().person_of(&company, platform, user).await? else {
            continue;
        };
        for claim in store::claims_of(ctx.tx(), &person.id).await? {
            if !ours
                .iter()
                .any(|c| c.rule == claim.rule && c.department == claim.department)
            {
                continue;
            }
            let key = Key {
                rule: &claim.rule,
                department: &claim.department,
            };
            match (joined, claim.claim) {
                (false, Claim::In | Claim::Adding | Claim::Grace) => {
                    let detail = if by.is_none_or(|b| b == user) {
                        "self"
                    } else {
                        "by hand"
                    };
                    store::set_claim(ctx.tx(), key, &person.id, Claim::Left, detail, now).await?;
                }
                // They came back by themselves: from now on they are there by hand.
                (true, Claim::Left | Claim::Out) => store::drop_claim(ctx.tx(), key, &person.id).await?,
                // Ours, and its result comes with the effect.
                _ => {}
            }
        }
    }
    Ok(())
}

/// Somebody has left the company: they leave all groups they were added to.
pub(super) async fn left_company(ctx: &mut Ctx, event: &Event, user: &UserId) -> Result<(), RuleError> {
    let Some((company, platform)) = ctx
        .env()
        .app(&event.app)
        .map(|a| (a.company.clone(), a.adapter.platform()))
    else {
        return Ok(());
    };
    let Some(person) = ctx.directory().person_of(&company, platform, user).await? else {
        return Ok(());
    };
    remove_leaver(ctx, &person.id).await
}

async fn remove_leaver(ctx: &mut Ctx, person: &PersonId) -> Result<(), RuleError> {
    let reason = Say::ReasonLeftCompany.in_lang(ctx.env().lang);
    for claim in store::claims_of(ctx.tx(), person).await? {
        if !matches!(claim.claim, Claim::In | Claim::Adding | Claim::Grace)
            || store::paused(ctx.tx(), &claim.rule).await?
        {
            continue;
        }
        let chat = store::chat(ctx.tx(), &claim.rule, &claim.department).await?;
        if let Some(chat) = chat.filter(|c| c.chat.is_some() && ctx.can(&c.app, Ability::RemoveMembers)) {
            apply::remove(ctx, &chat, std::slice::from_ref(person), by_itself(&reason)).await?;
        }
    }
    Ok(())
}

/// Somebody is new, or new in a department: rules that say so add them at once.
pub(super) async fn newcomer(
    ctx: &mut Ctx,
    rules: &[GroupRule],
    event: &Event,
    user: &UserId,
) -> Result<(), RuleError> {
    for rule in rules.iter().filter(|r| r.auto) {
        let (company, platform) = world::home(ctx, rule)?;
        let same_company = ctx.env().app(&event.app).is_some_and(|a| a.company == company);
        let event_platform = ctx.platform(&event.app);
        let Some(event_platform) = event_platform.filter(|_| same_company) else {
            continue;
        };
        let Some(person) = ctx.directory().person_of(&company, event_platform, user).await? else {
            continue;
        };
        let Some(account) = ctx.directory().identity_on(&person.id, platform).await? else {
            continue;
        };
        let quiet = store::paused(ctx.tx(), &rule.id).await? || super::fresh_until(ctx, rule).await?.is_some();
        if !person.active || quiet || !ctx.can(&rule.app, Ability::AddMembers) {
            continue;
        }
        // A rule whose department is not there (any more) has nothing to add to.
        let (tree, root) = match world::root_of(ctx, rule).await {
            Ok(found) => found,
            Err(RuleError::Refuse(_)) => continue,
            Err(error) => return Err(error),
        };
        let wanted = wanted(ctx, rule, &tree, &root.id, &person.id).await?;
        let accounts = BTreeMap::from([(person.id.clone(), account)]);
        let mut joined = Vec::new();
        let claims = store::claims_of(ctx.tx(), &person.id).await?;
        for chat in store::chats(ctx.tx(), &rule.id).await? {
            let Some(id) = chat.chat.clone().filter(|_| wanted.contains(&chat.department)) else {
                continue;
            };
            let booked = claims
                .iter()
                .any(|c| c.rule == rule.id && c.department == chat.department && c.claim != Claim::Out);
            if booked || ctx.directory().is_member(&chat.app, &id, &person.id).await? {
                continue;
            }
            joined.push(add_one(ctx, &chat, &person.id, &accounts).await?);
        }
        tell_why(ctx, rule, &person.id, &joined).await?;
    }
    Ok(())
}

/// The departments whose groups the rule wants this person in.
pub(super) async fn wanted(
    ctx: &mut Ctx,
    rule: &GroupRule,
    tree: &Tree,
    root: &str,
    person: &PersonId,
) -> Result<BTreeSet<String>, RuleError> {
    let levels = tree.levels(root, usize::from(rule.depth));
    let targets: BTreeSet<&str> = levels.iter().map(|d| d.id.as_str()).collect();
    let own = store::departments_of(ctx.tx(), person).await?;
    let reached = own.iter().flat_map(|d| match rule.include_children {
        true => tree.upwards(d),
        false => vec![d.as_str()],
    });
    Ok(reached.filter(|d| targets.contains(d)).map(str::to_owned).collect())
}

async fn add_one(
    ctx: &mut Ctx,
    chat: &Chat,
    person: &PersonId,
    accounts: &BTreeMap<PersonId, UserId>,
) -> Result<String, RuleError> {
    let reason = Say::ReasonJoined.in_lang(ctx.env().lang);
    apply::add(ctx, chat, std::slice::from_ref(person), accounts, by_itself(&reason)).await?;
    Ok(chat.name.clone())
}

/// The private line to somebody who was added.
async fn tell_why(ctx: &mut Ctx, rule: &GroupRule, person: &PersonId, groups: &[String]) -> Result<(), RuleError> {
    if groups.is_empty() {
        return Ok(());
    }
    let Some(found) = ctx.directory().person(person).await? else {
        return Ok(());
    };
    let lang = found
        .language
        .as_deref()
        .and_then(Lang::parse)
        .unwrap_or(ctx.env().lang);
    let say = Say::YouWereAdded {
        dept: found.department_name.unwrap_or_else(|| rule.department.clone()),
        groups: groups.join("、"),
    };
    let part = format!("why:{}:{person}", rule.id);
    let text = Message::text(say.in_lang(lang));
    ctx.tell(&part, &rule.app, person, DeliveryClass::Once, text).await?;
    Ok(())
}

/// What no event told: people whom a directory sync found to have left or to be new.
pub(super) async fn reconcile(
    ctx: &mut Ctx,
    rule: &GroupRule,
    alone: Alone,
    workdays: &dyn Workdays,
) -> Result<(), RuleError> {
    let fresh = super::fresh_until(ctx, rule).await?.is_some();
    if store::paused(ctx.tx(), &rule.id).await? {
        return Ok(());
    }
    ctx.tx().lock(&format!("groups:{}", rule.id)).await?;
    let gone: BTreeSet<PersonId> = store::claims(ctx.tx(), &rule.id)
        .await?
        .into_iter()
        .filter(|c| !c.active && matches!(c.claim, Claim::In | Claim::Grace))
        .map(|c| c.person)
        .collect();
    // So many leavers at once are a broken directory rather than a bad day.
    if gone.len() <= alone.people {
        for person in &gone {
            remove_leaver(ctx, person).await?;
        }
    }
    let graceful = rule.on_transfer.grace_workdays > 0;
    let adds = rule.auto && ctx.can(&rule.app, Ability::AddMembers);
    if fresh || !(adds || graceful) {
        return Ok(());
    }
    let world = match world::look(ctx, rule).await {
        Ok(world) => world,
        Err(RuleError::Refuse(_)) => return Ok(()),
        Err(error) => return Err(error),
    };
    if world.nobody {
        return Ok(());
    }
    if graceful {
        grace::follow(ctx, rule, &world, alone, workdays).await?;
    }
    if !adds {
        return Ok(());
    }
    let failed: BTreeSet<(String, PersonId)> = store::claims(ctx.tx(), &rule.id)
        .await?
        .into_iter()
        // Whom the platform refused, it refuses again until somebody looks.
        .filter(|c| c.claim == Claim::Failed)
        .map(|c| (c.department, c.person))
        .collect();
    let reason = Say::ReasonJoined.in_lang(ctx.env().lang);
    let mut told: BTreeMap<PersonId, Vec<String>> = BTreeMap::new();
    for change in world.plan.changes.iter().filter(|c| c.create.is_none()) {
        let new: Vec<PersonId> = change
            .add
            .iter()
            .filter(|p| !failed.contains(&(change.department.clone(), (*p).clone())))
            .cloned()
            .collect();
        let chat = world.chats.iter().find(|c| c.department == change.department);
        let Some(chat) = chat.filter(|_| !new.is_empty() && new.len() <= MAX_AUTO) else {
            continue;
        };
        apply::add(ctx, chat, &new, &world.accounts, by_itself(&reason)).await?;
        for person in new {
            told.entry(person).or_default().push(chat.name.clone());
        }
    }
    for (person, groups) in &told {
        tell_why(ctx, rule, person, groups).await?;
    }
    Ok(())
}
