//! `/加入 群` and `/退出 群`: what people do about their own place in a group.

use std::collections::BTreeMap;

use hutong_model::{Ability, Message};

use super::config::GroupRule;
use super::people::Seat;
use super::plan::Claim;
use super::split::base_of;
use super::store::{self, Chat, Why};
use super::world::{self, Trees};
use super::{Groups, apply, full, people, refuse};
use crate::commands::{AnswerPlace, Asker, Call};
use crate::rules::{Ctx, RuleError};
use crate::text::groups::Say;

/// The verb of the button that takes somebody out of an optional group.
pub(super) const LEAVE: &str = "leave";

/// The group that is meant, by its name or by the id of its rule, among those of the rules of the
/// asker's company and platform.
async fn meant<'r>(
    groups: &'r Groups,
    ctx: &mut Ctx,
    call: &Call,
) -> Result<Option<(&'r GroupRule, Vec<Chat>)>, RuleError> {
    let typed = call.text("group").unwrap_or_default().trim();
    let home = ctx.platform(&call.asker.app);
    for rule in groups.rules.iter().filter(|r| r.into.is_none()) {
        let (company, platform) = world::home(ctx, rule)?;
        if company != call.asker.person.company || Some(platform) != home {
            continue;
        }
        let ready = |c: &Chat| c.state == "ready" && (c.name == typed || rule.id == typed);
        let list: Vec<Chat> = store::chats(ctx.tx(), &rule.id)
            .await?
            .into_iter()
            .filter(ready)
            .collect();
        if !list.is_empty() {
            return Ok(Some((rule, list)));
        }
    }
    Ok(None)
}

pub(super) async fn join(groups: &Groups, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
    let (asker, lang) = (&call.asker, call.asker.lang);
    let typed = call.text("group").unwrap_or_default().to_owned();
    let Some((rule, chats)) = meant(groups, ctx, call).await? else {
        return Err(refuse(&Say::NoSuchGroup(typed), lang));
    };
    let (tree, root) = world::root_of(ctx, &mut Trees::default(), rule).await?;
    let wanted = world::wanted(ctx, rule, &tree, root.as_ref(), &asker.person.id).await?;
    let Some(chat) = chats.into_iter().find(|c| wanted.contains(base_of(&c.department).0)) else {
        return Err(refuse(&Say::NotForYou(typed), lang));
    };
    let key = base_of(&chat.department).0.to_owned();
    let claims = store::claims_of(ctx.tx(), &asker.person.id).await?;
    let left = claims
        .iter()
        .find(|c| c.rule == rule.id && base_of(&c.department).0 == key && c.claim == Claim::Left);
    // Back to the group that they left, or to the first with room.
    let chat = match left {
        Some(left) => store::chat(ctx.tx(), &rule.id, &left.department).await?,
        None => match people::place_for(ctx, rule, &key, &asker.person.id).await? {
            Seat::Free(chat) => Some(chat),
            Seat::Taken | Seat::Waiting => None,
            Seat::None => return join_next(ctx, rule, call, &chat, &key).await,
        },
    };
    let inside = match chat.as_ref().and_then(|c| Some((c.app.clone(), c.chat.clone()?))) {
        Some((app, id)) => ctx.directory().is_member(&app, &id, &asker.person.id).await?,
        None => true,
    };
    let Some(chat) = chat.filter(|_| !inside) else {
        return Err(refuse(&Say::InAlready(typed), lang));
    };
    if !ctx.can(&chat.app, Ability::AddMembers) || store::paused(ctx.tx(), &rule.id).await? {
        return Err(refuse(&Say::Paused(rule.id.clone()), lang));
    }
    let accounts = BTreeMap::from([(asker.person.id.clone(), asker.user.clone())]);
    let reason = Say::ReasonOwnWish.in_lang(ctx.env().lang);
    let why = Why {
        actor: asker.person.id.as_str(),
        reason: &reason,
        run: None,
    };
    apply::add(ctx, &chat, std::slice::from_ref(&asker.person.id), &accounts, why).await?;
    let say = Say::Joining(chat.name);
    ctx.answer(asker, AnswerPlace::Private, Message::text(say.in_lang(lang)))
}

/// The groups are full: the next one opens where that goes without a plan.
async fn join_next(ctx: &mut Ctx, rule: &GroupRule, call: &Call, chat: &Chat, key: &str) -> Result<(), RuleError> {
    let (asker, lang) = (&call.asker, call.asker.lang);
    let held = store::paused(ctx.tx(), &rule.id).await? || super::fresh_until(ctx, rule).await?.is_some();
    let mut told = people::Told::default();
    if !rule.auto || held || !full::open_for(ctx, rule, key, &mut told).await? {
        let say = Say::Full {
            group: chat.name.clone(),
            rule: rule.id.clone(),
        };
        return Err(refuse(&say, lang));
    }
    told.tell(ctx).await?;
    let say = Say::Joining(chat.name.clone());
    ctx.answer(asker, AnswerPlace::Private, Message::text(say.in_lang(lang)))
}

/// The button on the card that says why somebody was added.
pub(super) async fn leave_by_button(
    ctx: &mut Ctx,
    rule: &GroupRule,
    asker: &Asker,
    department: &str,
) -> Result<(), RuleError> {
    let Some(chat) = store::chat(ctx.tx(), &rule.id, department).await? else {
        return Err(refuse(&Say::NotInside(rule.id.clone()), asker.lang));
    };
    let inside = match &chat.chat {
        Some(id) => ctx.directory().is_member(&chat.app, id, &asker.person.id).await?,
        None => false,
    };
    match inside {
        true => leave_chat(ctx, rule, asker, chat).await,
        false => Err(refuse(&Say::NotInside(chat.name), asker.lang)),
    }
}

pub(super) async fn leave(groups: &Groups, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
    let (asker, lang) = (&call.asker, call.asker.lang);
    let typed = call.text("group").unwrap_or_default().to_owned();
    let Some((rule, chats)) = meant(groups, ctx, call).await? else {
        return Err(refuse(&Say::NoSuchGroup(typed), lang));
    };
    let mut inside = None;
    for chat in chats {
        if let Some(id) = &chat.chat
            && ctx.directory().is_member(&chat.app, id, &asker.person.id).await?
        {
            inside = Some(chat);
            break;
        }
    }
    let Some(chat) = inside else {
        return Err(refuse(&Say::NotInside(typed), lang));
    };
    leave_chat(ctx, rule, asker, chat).await
}

/// They are in it, and go for good where that is theirs to say.
async fn leave_chat(ctx: &mut Ctx, rule: &GroupRule, asker: &Asker, chat: Chat) -> Result<(), RuleError> {
    let lang = asker.lang;
    if !rule.optional {
        return Err(refuse(&Say::Mandatory(chat.name), lang));
    }
    if chat.owner.as_ref() == Some(&asker.person.id) || !ctx.can(&chat.app, Ability::RemoveMembers) {
        return Err(refuse(&Say::LeaveInClient(chat.name), lang));
    }
    let reason = Say::ReasonOwnWish.in_lang(ctx.env().lang);
    let why = Why {
        actor: asker.person.id.as_str(),
        reason: &reason,
        run: None,
    };
    apply::leave(ctx, &chat, &asker.person.id, why).await?;
    let say = Say::Leaving(chat.name);
    ctx.answer(asker, AnswerPlace::Private, Message::text(say.in_lang(lang)))
}
