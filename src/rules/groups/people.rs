//! What happens to single people between two plans: they leave a group, leave the company, or come
//! into a department.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hutong_model::{Ability, Action, AppId, ButtonStyle, ChatId, DeliveryClass, Event, Mention, Message, UserId};

use super::config::GroupRule;
use super::plan::{Alone, Claim, Plan};
use super::split::{self, base_of};
use super::store::{self, Chat, Key, Why};
use super::world::{self, Trees};
use super::{apply, full, grace, own, succession, to};
use crate::directory::PersonId;
use crate::rules::{Ctx, RuleError, Who};
use crate::schedule::Workdays;
use crate::text::Lang;
use crate::text::groups::Say;

/// More people than this come into one group only by a plan that somebody has looked at.
pub(super) const MAX_AUTO: usize = 20;
/// More people than this are told in their groups, not one by one.
const MAX_TOLD: usize = 20;
/// Buttons on the card that says why: one for each optional group, so many at most.
const MAX_BUTTONS: usize = 4;
/// So long they take somebody out; the command does so at any time.
const LEAVE_VALID: Duration = Duration::from_secs(30 * 86_400);
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
    rules: &[GroupRule],
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
        let claims = store::claims_of(ctx.tx(), &person.id).await?;
        // Somebody who was there by hand and goes by themselves stays out too.
        for group in ours.iter().filter(|_| !joined) {
            let booked = claims
                .iter()
                .any(|c| c.rule == group.rule && c.department == group.department);
            if !booked && by.is_none_or(|b| b == user) {
                let key = Key {
                    rule: &group.rule,
                    department: &group.department,
                };
                store::set_claim(ctx.tx(), key, &person.id, Claim::Left, "self", now).await?;
            }
        }
        for claim in claims {
            let is_it = |c: &&Chat| c.rule == claim.rule && c.department == claim.department;
            let Some(group) = ours.iter().find(is_it) else {
                continue;
            };
            let key = Key {
                rule: &claim.rule,
                department: &claim.department,
            };
            match (joined, claim.claim) {
                (false, Claim::In | Claim::Adding | Claim::Grace) => {
                    let alone = by.is_none_or(|b| b == user);
                    let detail = if alone { "self" } else { "by hand" };
                    store::set_claim(ctx.tx(), key, &person.id, Claim::Left, detail, now).await?;
                    let rule = rules.iter().find(|r| r.id == claim.rule && !r.optional);
                    if let Some(rule) = rule.filter(|_| alone && person.active && claim.claim != Claim::Grace) {
                        bring_back(ctx, rule, group, &person.id, user).await?;
                    }
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

/// Who leaves a mandatory group comes back once, with a word about it, and never a second time.
async fn bring_back(
    ctx: &mut Ctx,
    rule: &GroupRule,
    group: &Chat,
    person: &PersonId,
    user: &UserId,
) -> Result<(), RuleError> {
    let key = Key {
        rule: &group.rule,
        department: &group.department,
    };
    let held = store::paused(ctx.tx(), &rule.id).await? || super::fresh_until(ctx, rule).await?.is_some();
    if held || !ctx.can(&group.app, Ability::AddMembers) {
        return Ok(());
    }
    let (tree, root) = match world::root_of(ctx, &mut Trees::default(), rule).await {
        Ok(found) => found,
        Err(RuleError::Refuse(_)) => return Ok(()),
        Err(error) => return Err(error),
    };
    let wanted = world::wanted(ctx, rule, &tree, root.as_ref(), person).await?;
    if !wanted.contains(base_of(&group.department).0) || !store::bring_back(ctx.tx(), key, person).await? {
        return Ok(());
    }
    let reason = Say::ReasonMandatory.in_lang(ctx.env().lang);
    let accounts = BTreeMap::from([(person.clone(), user.clone())]);
    apply::add(ctx, group, std::slice::from_ref(person), &accounts, by_itself(&reason)).await?;
    let say = Say::YouAreBack {
        group: group.name.clone(),
    };
    let lang = lang_of(ctx, person).await?;
    let part = format!("back:{}:{}:{person}", group.rule, group.department);
    let text = Message::text(say.in_lang(lang));
    ctx.tell(&part, &group.app, person, DeliveryClass::Once, text).await?;
    Ok(())
}

pub(super) async fn lang_of(ctx: &mut Ctx, person: &PersonId) -> Result<Lang, RuleError> {
    let own = ctx.directory().person(person).await?.and_then(|p| p.language);
    Ok(own.as_deref().and_then(Lang::parse).unwrap_or(ctx.env().lang))
}

/// Somebody has left the company: they leave all groups they were added to.
pub(super) async fn left_company(
    ctx: &mut Ctx,
    rules: &[GroupRule],
    event: &Event,
    user: &UserId,
) -> Result<(), RuleError> {
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
    remove_leaver(ctx, rules, None, &person.id).await
}

/// Takes a leaver out of the groups of one rule, or of all.
async fn remove_leaver(
    ctx: &mut Ctx,
    rules: &[GroupRule],
    only: Option<&str>,
    person: &PersonId,
) -> Result<(), RuleError> {
    let reason = Say::ReasonLeftCompany.in_lang(ctx.env().lang);
    for claim in store::claims_of(ctx.tx(), person).await? {
        if only.is_some_and(|rule| rule != claim.rule)
            || !matches!(claim.claim, Claim::In | Claim::Adding | Claim::Grace)
            || store::paused(ctx.tx(), &claim.rule).await?
        {
            continue;
        }
        let Some(chat) = store::chat(ctx.tx(), &claim.rule, &claim.department).await? else {
            continue;
        };
        if chat.chat.is_none() || !ctx.can(&chat.app, Ability::RemoveMembers) {
            continue;
        }
        let rule = rules.iter().find(|r| r.id == claim.rule);
        // The group first needs somebody else to own it.
        if chat.owner.as_ref() == Some(person)
            && let Some(rule) = rule
            && !succession::hand_over(ctx, rule, &chat).await?
        {
            continue;
        }
        apply::remove(ctx, &chat, std::slice::from_ref(person), by_itself(&reason)).await?;
    }
    Ok(())
}

/// A group that somebody was added to.
#[derive(Debug)]
struct Place {
    name: String,
    rule: String,
    department: String,
    optional: bool,
}

/// People who were added, and to which groups: each is told once, whatever the number of rules.
#[derive(Debug, Default)]
pub(super) struct Told {
    by_person: BTreeMap<(AppId, PersonId), Vec<Place>>,
    by_chat: BTreeMap<(AppId, ChatId), usize>,
}

impl Told {
    pub(super) fn add(&mut self, rule: &GroupRule, chat: &Chat, person: &PersonId) {
        let key = (chat.app.clone(), person.clone());
        let groups = self.by_person.entry(key).or_default();
        groups.push(Place {
            name: chat.name.clone(),
            rule: chat.rule.clone(),
            department: chat.department.clone(),
            optional: rule.optional,
        });
        if let Some(id) = &chat.chat {
            *self.by_chat.entry((chat.app.clone(), id.clone())).or_default() += 1;
        }
    }

    /// Everybody whom a plan adds.
    pub(super) fn plan(&mut self, rule: &GroupRule, plan: &Plan, chats: &[Chat]) {
        for change in &plan.changes {
            let chat = chats.iter().find(|c| c.department == change.department).cloned();
            let chat = chat.filter(|_| change.create.is_none()).unwrap_or_else(|| Chat {
                rule: rule.id.clone(),
                department: change.department.clone(),
                app: rule.app.clone(),
                chat: None,
                name: change.name.clone(),
                owner: None,
                state: String::new(),
                detail: String::new(),
            });
            for person in &change.add {
                self.add(rule, &chat, person);
            }
        }
    }

    /// A private line to each; where there are many, one line to each group instead.
    pub(super) async fn tell(self, ctx: &mut Ctx) -> Result<(), RuleError> {
        if self.by_person.len() > MAX_TOLD {
            for ((app, chat), count) in self.by_chat {
                if ctx.can(&app, Ability::SendToChat) {
                    let text = Say::ManyJoined(count).in_lang(ctx.env().lang);
                    let action = Action::Send {
                        to: to(&chat),
                        content: Message::text(text),
                    };
                    ctx.emit(&format!("joined:{chat}"), &app, DeliveryClass::Once, action)?;
                }
            }
            return Ok(());
        }
        for ((app, person), groups) in self.by_person {
            let Some(found) = ctx.directory().person(&person).await? else {
                continue;
            };
            let own = found.language.as_deref().and_then(Lang::parse);
            let lang = own.unwrap_or(ctx.env().lang);
            let names: Vec<&str> = groups.iter().map(|g| g.name.as_str()).collect();
            let say = Say::YouWereAdded {
                dept: found.department_name,
                groups: names.join("、"),
                optional: groups.iter().find(|g| g.optional).map(|g| g.name.clone()),
            };
            let mut message = Message::card(Say::AddedTitle.in_lang(lang)).line(say.in_lang(lang));
            let mut buttons = Vec::new();
            for group in groups.iter().filter(|g| g.optional).take(MAX_BUTTONS) {
                buttons.push(ctx.button(
                    Say::LeaveButton(group.name.clone()).in_lang(lang),
                    own::LEAVE,
                    vec![group.department.clone(), group.rule.clone()],
                    ButtonStyle::Normal,
                    Who::Only(&person),
                    LEAVE_VALID,
                )?);
            }
            if !buttons.is_empty() {
                message = message.buttons(buttons);
            }
            ctx.tell(
                &format!("why:{app}:{person}"),
                &app,
                &person,
                DeliveryClass::Once,
                message,
            )
            .await?;
        }
        Ok(())
    }
}

/// Somebody is new, or new in a department: rules that say so add them at once.
pub(super) async fn newcomer(
    ctx: &mut Ctx,
    rules: &[GroupRule],
    event: &Event,
    user: &UserId,
) -> Result<(), RuleError> {
    let (mut trees, mut told) = (Trees::default(), Told::default());
    for rule in rules.iter().filter(|r| r.auto && r.into.is_none()) {
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
        let accounts = BTreeMap::from([(person.id.clone(), account)]);
        let claims = store::claims_of(ctx.tx(), &person.id).await?;
        for key in wanted {
            let booked = claims
                .iter()
                .any(|c| c.rule == rule.id && base_of(&c.department).0 == key && c.claim != Claim::Out);
            if booked {
                continue;
            }
            match place_for(ctx, rule, &key, &person.id).await? {
                Seat::Free(chat) => {
                    add_one(ctx, &chat, &person.id, &accounts).await?;
                    told.add(rule, &chat, &person.id);
                }
                Seat::None => {
                    full::open_for(ctx, rule, &key, &mut told).await?;
                }
                Seat::Taken | Seat::Waiting => {}
            }
        }
    }
    told.tell(ctx).await
}

/// Where somebody new comes into a group and its siblings.
pub(super) enum Seat {
    /// The first group with room.
    Free(Chat),
    /// They are in one of them.
    Taken,
    /// No group was made yet, or the next one is being made.
    Waiting,
    /// All are full.
    None,
}

pub(super) async fn place_for(
    ctx: &mut Ctx,
    rule: &GroupRule,
    key: &str,
    person: &PersonId,
) -> Result<Seat, RuleError> {
    let limit = ctx.caps(&rule.app).map_or(0, |c| c.limits.chat_members);
    let capacity = split::capacity(rule.split_over, limit);
    let (mut free, mut some, mut open) = (None, false, false);
    for chat in store::siblings(ctx.tx(), &rule.id, key).await? {
        let Some(id) = chat.chat.clone().filter(|_| chat.state == "ready") else {
            open = true;
            continue;
        };
        some = true;
        if ctx.directory().is_member(&chat.app, &id, person).await? {
            return Ok(Seat::Taken);
        }
        if free.is_none() && store::size(ctx.tx(), &chat.app, &id).await? < capacity {
            free = Some(chat);
        }
    }
    Ok(match free {
        Some(chat) => Seat::Free(chat),
        None if open || !some => Seat::Waiting,
        None => Seat::None,
    })
}

async fn add_one(
    ctx: &mut Ctx,
    chat: &Chat,
    person: &PersonId,
    accounts: &BTreeMap<PersonId, UserId>,
) -> Result<(), RuleError> {
    let reason = Say::ReasonJoined.in_lang(ctx.env().lang);
    apply::add(ctx, chat, std::slice::from_ref(person), accounts, by_itself(&reason)).await
}

/// What no event told: people whom a directory sync found to have left or to be new.
pub(super) async fn reconcile(
    ctx: &mut Ctx,
    rules: &[GroupRule],
    rule: &GroupRule,
    alone: Alone,
    workdays: &dyn Workdays,
    told: &mut Told,
) -> Result<(), RuleError> {
    let fresh = super::fresh_until(ctx, rule).await?.is_some();
    if rule.into.is_some() || store::paused(ctx.tx(), &rule.id).await? {
        return Ok(());
    }
    ctx.tx().lock(&format!("groups:{}", rule.id)).await?;
    apply::find_unclear(ctx, rules, rule).await?;
    let gone: BTreeSet<PersonId> = store::claims(ctx.tx(), &rule.id)
        .await?
        .into_iter()
        .filter(|c| !c.active && matches!(c.claim, Claim::In | Claim::Grace))
        .map(|c| c.person)
        .collect();
    // So many leavers at once are a broken directory rather than a bad day.
    if gone.len() <= alone.people {
        for person in &gone {
            remove_leaver(ctx, rules, Some(&rule.id), person).await?;
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
    for change in world.plan.changes.iter().filter(|c| c.create.is_none()) {
        let new: Vec<PersonId> = change
            .add
            .iter()
            .filter(|p| change.new_owner.as_ref() != Some(*p))
            .filter(|p| !failed.contains(&(change.department.clone(), (*p).clone())))
            .cloned()
            .collect();
        let chat = world.chats.iter().find(|c| c.department == change.department);
        let Some(chat) = chat.filter(|_| !new.is_empty() && new.len() <= MAX_AUTO) else {
            continue;
        };
        apply::add(ctx, chat, &new, &world.accounts, by_itself(&reason)).await?;
        for person in &new {
            told.add(rule, chat, person);
        }
    }
    full::open(ctx, rule, &world, None, told).await?;
    Ok(())
}
