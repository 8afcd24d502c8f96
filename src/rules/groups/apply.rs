//! From a plan to effects, and from their outcomes to the books.

use std::collections::BTreeMap;
use std::time::Duration;

use hutong_model::{
    Ability, Action, AppId, ButtonStyle, ChatId, ChatKind, DeliveryClass, Event, FailedReceiver, Message, Receipt,
    UserId,
};
use serde::{Deserialize, Serialize};

use super::config::GroupRule;
use super::plan::{Change, Claim};
use super::sources::segment_key;
use super::split::base_of;
use super::store::{self, Chat, Key, Record, Why};
use super::to;
use super::undo::Did;
use super::world::World;
use crate::access::store::{holders, place_of_department};
use crate::directory::PersonId;
use crate::rules::{Ctx, RuleError, Who};
use crate::text::Lang;
use crate::text::groups::Say;

/// State of a group of which nobody knows whether it was made.
pub(super) const UNCLEAR: &str = "unclear";
/// The button that says it was not.
pub(super) const AGAIN: &str = "again";
/// How long that button stays good.
const UNCLEAR_VALID: Duration = Duration::from_secs(7 * 86_400);
/// What the outbox says of a request in doubt that an operator gave up.
const ABANDONED: &str = "abandoned";

/// What we attach to an effect to know later what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Tag {
    #[serde(rename = "t")]
    what: What,
    #[serde(rename = "r")]
    rule: String,
    #[serde(rename = "d")]
    department: String,
    /// People it is about.
    #[serde(rename = "p", default, skip_serializing_if = "Vec::is_empty")]
    people: Vec<String>,
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Why, and who wanted it: a group that is made adds the rest of its people later.
    #[serde(rename = "w", default, skip_serializing_if = "String::is_empty")]
    reason: String,
    /// The run of a plan that it belongs to.
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    run: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Create,
    Rename,
    Owner,
    Add,
    Remove,
    /// Removed because they wished it: they stay out.
    Leave,
    Disband,
}

impl Tag {
    fn new(what: What, key: Key<'_>, people: &[PersonId], run: Option<&str>) -> Self {
        Self {
            what,
            rule: key.rule.to_owned(),
            department: key.department.to_owned(),
            people: people.iter().map(|p| p.as_str().to_owned()).collect(),
            name: None,
            reason: String::new(),
            run: run.map(str::to_owned),
        }
    }

    /// Notes how this part of a run ended.
    async fn ended(&self, ctx: &mut Ctx, did: Did, who: Option<&PersonId>, ok: bool) -> Result<(), RuleError> {
        let Some(run) = &self.run else { return Ok(()) };
        let key = Key {
            rule: &self.rule,
            department: &self.department,
        };
        Ok(store::outcome(ctx.tx(), run, key, did, who, ok).await?)
    }

    fn json(&self) -> Result<serde_json::Value, RuleError> {
        serde_json::to_value(self).map_err(|e| RuleError::Fail(e.to_string()))
    }

    fn people(&self) -> Vec<PersonId> {
        self.people.iter().filter_map(|p| PersonId::parse(p)).collect()
    }
}

/// Tells the calls of one event apart: nobody is added to, or removed from, a group twice in one.
fn part_of(what: &str, chat: &Chat, batch: &[PersonId]) -> String {
    let first = batch.first().map_or("", PersonId::as_str);
    format!("{what}:{}:{}:{first}", chat.rule, chat.department)
}

fn per_call(ctx: &Ctx, app: &AppId) -> usize {
    ctx.caps(app).map_or(1, |c| c.limits.members_per_call).max(1)
}

/// Leaves everything that a plan says, with its reason.
pub(super) async fn emit_plan(ctx: &mut Ctx, rule: &GroupRule, world: &World, why: Why<'_>) -> Result<(), RuleError> {
    for change in &world.plan.changes {
        let key = Key {
            rule: &rule.id,
            department: &change.department,
        };
        if let Some(owner) = &change.create {
            create(ctx, rule, world, change, owner, why).await?;
            continue;
        }
        let Some(chat) = world.chats.iter().find(|c| c.department == change.department) else {
            continue;
        };
        let Some(id) = &chat.chat else { continue };
        let now = ctx.now();
        let seen = store::seen(ctx.tx(), &chat.app, id).await?;
        let (old_name, _) = seen.unwrap_or_default();
        let old_name = old_name.unwrap_or_else(|| chat.name.clone());
        if change.disband {
            let action = Action::Disband { chat: id.clone() };
            let part = format!("disband:{}", change.department);
            let tag = Tag::new(What::Disband, key, &[], why.run).json()?;
            ctx.emit_tracked(&part, &chat.app, DeliveryClass::Once, action, tag)?;
            let record = Record {
                did: Did::Disband,
                who: None,
                was: Some(&old_name),
                became: None,
            };
            store::record(ctx.tx(), key, record, why, now).await?;
            continue;
        }
        if change.rename && ctx.can(&chat.app, Ability::RenameChat) {
            let tag = Tag {
                name: Some(change.name.clone()),
                ..Tag::new(What::Rename, key, &[], why.run)
            };
            let action = Action::RenameChat {
                chat: id.clone(),
                name: change.name.clone(),
            };
            let part = format!("rename:{}", change.department);
            ctx.emit_tracked(&part, &chat.app, DeliveryClass::Once, action, tag.json()?)?;
            let record = Record {
                did: Did::Rename,
                who: None,
                was: Some(&old_name),
                became: Some(&change.name),
            };
            store::record(ctx.tx(), key, record, why, now).await?;
        }
        add(ctx, chat, &change.add, &world.accounts, why).await?;
        // The new owner first joins, then owns, then the old one may go: one chat is one lane.
        if let Some(owner) = &change.new_owner
            && ctx.can(&chat.app, Ability::SetOwner)
        {
            set_owner(ctx, chat, owner, &world.accounts, why).await?;
        }
        remove(ctx, chat, &change.remove, why).await?;
    }
    Ok(())
}

/// Gives a group to somebody who is in it, or is being added.
pub(super) async fn set_owner(
    ctx: &mut Ctx,
    chat: &Chat,
    owner: &PersonId,
    accounts: &BTreeMap<PersonId, UserId>,
    why: Why<'_>,
) -> Result<(), RuleError> {
    let (Some(id), Some(user)) = (&chat.chat, accounts.get(owner)) else {
        return Ok(());
    };
    let now = ctx.now();
    let key = Key {
        rule: &chat.rule,
        department: &chat.department,
    };
    let (_, old_owner) = store::seen(ctx.tx(), &chat.app, id).await?.unwrap_or_default();
    let action = Action::SetOwner {
        chat: id.clone(),
        owner: user.clone(),
    };
    let part = format!("owner:{}:{}", chat.rule, chat.department);
    let tag = Tag::new(What::Owner, key, std::slice::from_ref(owner), why.run);
    ctx.emit_tracked(&part, &chat.app, DeliveryClass::Once, action, tag.json()?)?;
    let old = old_owner.as_ref().or(chat.owner.as_ref());
    let record = Record {
        was: old.map(PersonId::as_str),
        became: Some(owner.as_str()),
        ..Record::of(Did::Owner, owner)
    };
    Ok(store::record(ctx.tx(), key, record, why, now).await?)
}

/// Makes a group with its first members; the rest is added when it is there.
pub(super) async fn create(
    ctx: &mut Ctx,
    rule: &GroupRule,
    world: &World,
    change: &Change,
    owner: &PersonId,
    why: Why<'_>,
) -> Result<(), RuleError> {
    let now = ctx.now();
    let key = Key {
        rule: &rule.id,
        department: &change.department,
    };
    let Some(owner_user) = world.accounts.get(owner) else {
        return Ok(());
    };
    let chat = Chat {
        rule: rule.id.clone(),
        department: change.department.clone(),
        app: rule.app.clone(),
        chat: None,
        name: change.name.clone(),
        owner: Some(owner.clone()),
        state: "making".to_owned(),
        detail: String::new(),
    };
    store::put_chat(ctx.tx(), &chat, now).await?;
    let record = Record {
        did: Did::Create,
        who: None,
        was: None,
        became: Some(&change.name),
    };
    store::record(ctx.tx(), key, record, why, now).await?;
    // The owner and as many as one call takes; the rest when the group is there.
    let mut first = vec![owner.clone()];
    first.extend(change.add.iter().filter(|p| *p != owner).cloned());
    for person in &first {
        store::set_claim(ctx.tx(), key, person, Claim::Adding, "", now).await?;
        store::record(ctx.tx(), key, Record::of(Did::Add, person), why, now).await?;
    }
    first.truncate(per_call(ctx, &rule.app));
    let members = first.iter().filter_map(|p| world.accounts.get(p)).cloned().collect();
    let tag = Tag {
        reason: why.reason.to_owned(),
        ..Tag::new(What::Create, key, &first, why.run)
    };
    let action = Action::CreateChat {
        name: change.name.clone(),
        owner: owner_user.clone(),
        members,
        description: None,
    };
    let part = format!("create:{}:{}", rule.id, change.department);
    ctx.emit_tracked(&part, &rule.app, DeliveryClass::Once, action, tag.json()?)?;
    Ok(())
}

/// Adds people to a group that exists, in as many calls as the platform needs.
pub(super) async fn add(
    ctx: &mut Ctx,
    chat: &Chat,
    people: &[PersonId],
    accounts: &BTreeMap<PersonId, UserId>,
    why: Why<'_>,
) -> Result<(), RuleError> {
    let now = ctx.now();
    let key = Key {
        rule: &chat.rule,
        department: &chat.department,
    };
    for person in people {
        store::set_claim(ctx.tx(), key, person, Claim::Adding, "", now).await?;
        store::record(ctx.tx(), key, Record::of(Did::Add, person), why, now).await?;
    }
    emit_adds(ctx, chat, people, accounts, why.run)
}

fn emit_adds(
    ctx: &mut Ctx,
    chat: &Chat,
    people: &[PersonId],
    accounts: &BTreeMap<PersonId, UserId>,
    run: Option<&str>,
) -> Result<(), RuleError> {
    let Some(id) = &chat.chat else { return Ok(()) };
    let key = Key {
        rule: &chat.rule,
        department: &chat.department,
    };
    for batch in people.chunks(per_call(ctx, &chat.app)) {
        let users: Vec<UserId> = batch.iter().filter_map(|p| accounts.get(p)).cloned().collect();
        if users.is_empty() {
            continue;
        }
        let action = Action::AddMembers {
            chat: id.clone(),
            users,
        };
        let part = part_of("add", chat, batch);
        let tag = Tag::new(What::Add, key, batch, run).json()?;
        ctx.emit_tracked(&part, &chat.app, DeliveryClass::Once, action, tag)?;
    }
    Ok(())
}

/// Removes people from a group.
pub(super) async fn remove(ctx: &mut Ctx, chat: &Chat, people: &[PersonId], why: Why<'_>) -> Result<(), RuleError> {
    take_out(ctx, chat, people, why, What::Remove).await
}

/// Removes somebody who wishes it: they stay out.
pub(super) async fn leave(ctx: &mut Ctx, chat: &Chat, person: &PersonId, why: Why<'_>) -> Result<(), RuleError> {
    take_out(ctx, chat, std::slice::from_ref(person), why, What::Leave).await
}

async fn take_out(ctx: &mut Ctx, chat: &Chat, people: &[PersonId], why: Why<'_>, what: What) -> Result<(), RuleError> {
    let Some(id) = &chat.chat else { return Ok(()) };
    let now = ctx.now();
    let platform = ctx.platform(&chat.app);
    let key = Key {
        rule: &chat.rule,
        department: &chat.department,
    };
    let mut found: Vec<(PersonId, UserId)> = Vec::new();
    for person in people {
        let user = match platform {
            Some(platform) => ctx.directory().identity_on(person, platform).await?,
            None => None,
        };
        if let Some(user) = user {
            store::set_claim(ctx.tx(), key, person, Claim::Removing, "", now).await?;
            store::record(ctx.tx(), key, Record::of(Did::Remove, person), why, now).await?;
            found.push((person.clone(), user));
        }
    }
    for batch in found.chunks(per_call(ctx, &chat.app)) {
        let (people, users): (Vec<PersonId>, Vec<UserId>) = batch.iter().cloned().unzip();
        let action = Action::RemoveMembers {
            chat: id.clone(),
            users,
        };
        let part = part_of("remove", chat, &people);
        let tag = Tag::new(what, key, &people, why.run).json()?;
        ctx.emit_tracked(&part, &chat.app, DeliveryClass::Once, action, tag)?;
    }
    Ok(())
}

/// What the platform made of one of our effects.
#[expect(clippy::too_many_arguments, reason = "the parts of one event, and the rules")]
pub(super) async fn settle(
    ctx: &mut Ctx,
    rules: &[GroupRule],
    event: &Event,
    ok: bool,
    code: Option<&str>,
    receipt: &Receipt,
    failed: &[FailedReceiver],
    tag: &serde_json::Value,
) -> Result<(), RuleError> {
    let tag: Tag = serde_json::from_value(tag.clone()).map_err(|e| RuleError::Fail(format!("tag: {e}")))?;
    let Some(mut chat) = store::chat(ctx.tx(), &tag.rule, &tag.department).await? else {
        return Ok(());
    };
    let now = ctx.now();
    let code = code.unwrap_or("?").to_owned();
    match (tag.what, ok) {
        (What::Create, true) => match &receipt.chat {
            // Said twice: the first time counts.
            Some(id) if chat.chat.as_ref() == Some(id) && chat.state == "ready" => {}
            Some(id) => created(ctx, rules, ctx.platform(&event.app), &tag, chat, id, failed).await?,
            None => unclear(ctx, chat, "no chat id").await?,
        },
        // Somebody has given up a call that may have arrived.
        (What::Create, false) if code == ABANDONED => unclear(ctx, chat, &code).await?,
        (What::Create, false) => {
            not_made(ctx, chat, &code).await?;
        }
        (What::Add, _) => added(ctx, &tag, &chat, ok, &code, failed).await?,
        (What::Remove | What::Leave, _) => removed(ctx, &tag, &chat, ok, &code, failed).await?,
        (What::Rename, true) => {
            tag.ended(ctx, Did::Rename, None, true).await?;
            if let Some(name) = &tag.name {
                chat.name.clone_from(name);
                store::put_chat(ctx.tx(), &chat, now).await?;
                if let Some(id) = &chat.chat {
                    ctx.directory()
                        .upsert_chat(&chat.app, id, ChatKind::Group, Some(name), false, now)
                        .await?;
                }
            }
        }
        (What::Owner, true) => {
            tag.ended(ctx, Did::Owner, None, true).await?;
            if let Some(owner) = tag.people().into_iter().next() {
                if let Some(id) = &chat.chat {
                    ctx.directory().set_chat_owner(&chat.app, id, &owner, now).await?;
                }
                chat.owner = Some(owner);
                chat.detail = String::new();
                store::put_chat(ctx.tx(), &chat, now).await?;
            }
        }
        (What::Disband, true) => {
            tag.ended(ctx, Did::Disband, None, true).await?;
            if let Some(id) = &chat.chat {
                ctx.directory().chat_inactive(&chat.app, id, now).await?;
                ctx.directory().everyone_left(&chat.app, id, now).await?;
            }
            let key = Key {
                rule: &chat.rule,
                department: &chat.department,
            };
            store::forget_chat(ctx.tx(), key).await?;
        }
        // The next plan says it again.
        (What::Rename | What::Owner | What::Disband, false) => {
            let did = match tag.what {
                What::Rename => Did::Rename,
                What::Owner => Did::Owner,
                _ => Did::Disband,
            };
            tag.ended(ctx, did, None, false).await?;
            chat.detail = code;
            store::put_chat(ctx.tx(), &chat, now).await?;
        }
    }
    Ok(())
}

/// The group is certainly not there: the next plan makes it.
pub(super) async fn not_made(ctx: &mut Ctx, mut chat: Chat, why: &str) -> Result<(), RuleError> {
    let now = ctx.now();
    chat.state = "failed".to_owned();
    chat.detail = why.to_owned();
    store::put_chat(ctx.tx(), &chat, now).await?;
    let key = Key {
        rule: &chat.rule,
        department: &chat.department,
    };
    store::nothing_came(ctx.tx(), key).await?;
    for claim in store::claims(ctx.tx(), &chat.rule).await? {
        if claim.department == chat.department && claim.claim == Claim::Adding {
            store::set_claim(ctx.tx(), key, &claim.person, Claim::Failed, why, now).await?;
        }
    }
    Ok(())
}

/// The group may be there, and nobody knows its name on the platform. Making another one would be
/// worse than asking: plans leave it alone until an operator has said that it is not there.
async fn unclear(ctx: &mut Ctx, mut chat: Chat, why: &str) -> Result<(), RuleError> {
    let now = ctx.now();
    chat.state = UNCLEAR.to_owned();
    chat.detail = why.to_owned();
    store::put_chat(ctx.tx(), &chat, now).await?;
    let Some(company) = ctx.env().app(&chat.app).map(|a| a.company.clone()) else {
        return Ok(());
    };
    let place = place_of_department(ctx.tx(), &chat.department).await?;
    let operators = holders(ctx.tx(), &company, super::OPERATORS, &place).await?;
    for person in operators.iter().take(super::ASKED) {
        let own = ctx.directory().person(person).await?.and_then(|p| p.language);
        let lang = own.as_deref().and_then(Lang::parse).unwrap_or(ctx.env().lang);
        let args = vec![chat.department.clone(), chat.rule.clone()];
        let button = ctx.button(
            Say::UnclearAgain.in_lang(lang),
            AGAIN,
            args,
            ButtonStyle::Danger,
            Who::Only(person),
            UNCLEAR_VALID,
        )?;
        let card = Message::card(Say::UnclearTitle(chat.name.clone()).in_lang(lang))
            .line(Say::UnclearAsk.in_lang(lang))
            .buttons(vec![button]);
        let part = format!("unclear:{}:{}:{person}", chat.rule, chat.department);
        ctx.tell(&part, &chat.app, person, DeliveryClass::Once, card).await?;
    }
    Ok(())
}

/// Groups of which nobody knew whether they were made, and which the directory has seen since: one
/// with the name, first seen after it was asked for, that belongs to no rule. So a platform without
/// idempotency keys gets no second group, and nobody has to be asked.
pub(super) async fn find_unclear(ctx: &mut Ctx, rules: &[GroupRule], rule: &GroupRule) -> Result<(), RuleError> {
    for chat in store::chats(ctx.tx(), &rule.id).await? {
        if chat.state != UNCLEAR {
            continue;
        }
        let key = Key {
            rule: &chat.rule,
            department: &chat.department,
        };
        let Some((asked, run)) = store::last_create(ctx.tx(), key).await? else {
            continue;
        };
        let found = store::strangers(ctx.tx(), &chat.app, &chat.name, asked).await?;
        if let [one] = &found[..] {
            // Who is in it is not known: everybody is added once more, which changes nothing for
            // those who are.
            let tag = Tag::new(What::Create, key, &[], run.as_deref());
            let platform = ctx.platform(&chat.app);
            created(ctx, rules, platform, &tag, chat.clone(), one, &[]).await?;
        }
    }
    Ok(())
}

async fn created(
    ctx: &mut Ctx,
    rules: &[GroupRule],
    platform: Option<hutong_model::Platform>,
    tag: &Tag,
    mut chat: Chat,
    id: &ChatId,
    failed: &[FailedReceiver],
) -> Result<(), RuleError> {
    let now = ctx.now();
    chat.chat = Some(id.clone());
    chat.state = "ready".to_owned();
    chat.detail = String::new();
    store::put_chat(ctx.tx(), &chat, now).await?;
    tag.ended(ctx, Did::Create, None, true).await?;
    ctx.directory()
        .upsert_chat(&chat.app, id, ChatKind::Group, Some(&chat.name), false, now)
        .await?;
    if let Some(owner) = &chat.owner {
        ctx.directory().set_chat_owner(&chat.app, id, owner, now).await?;
    }
    added(ctx, tag, &chat, true, "", failed).await?;
    // A new group may stay invisible in some clients until its first message.
    let segment = rules
        .iter()
        .find(|r| r.id == chat.rule)
        .and_then(|r| r.source.segment.as_ref());
    let dept = match segment {
        Some(segment) if base_of(&chat.department).0 == segment_key(&segment.id) => segment.title.clone(),
        _ => department_name(ctx, &chat.department).await?,
    };
    let text = Say::Welcome { dept }.in_lang(ctx.env().lang);
    if ctx.can(&chat.app, Ability::SendToChat) {
        let action = Action::Send {
            to: to(id),
            content: Message::text(text),
        };
        ctx.emit(
            &format!("welcome:{}:{}", chat.rule, chat.department),
            &chat.app,
            DeliveryClass::Once,
            action,
        )?;
    }
    let mut rest = Vec::new();
    let mut accounts = BTreeMap::new();
    for claim in store::claims(ctx.tx(), &tag.rule).await? {
        if claim.department != tag.department || claim.claim != Claim::Adding || !claim.active {
            continue;
        }
        if let Some(platform) = platform
            && let Some(user) = ctx.directory().identity_on(&claim.person, platform).await?
        {
            accounts.insert(claim.person.clone(), user);
            rest.push(claim.person);
        }
    }
    emit_adds(ctx, &chat, &rest, &accounts, tag.run.as_deref())
}

/// The name of a department row, for texts.
pub(super) async fn department_name(ctx: &mut Ctx, department: &str) -> Result<String, RuleError> {
    let place = crate::access::store::place_of_department(ctx.tx(), department).await?;
    Ok(place.departments.get(1).cloned().unwrap_or_default())
}

/// Why this person was not reached, if they were not.
async fn failure_of(
    ctx: &mut Ctx,
    chat: &Chat,
    person: &PersonId,
    failed: &[FailedReceiver],
) -> Result<Option<String>, RuleError> {
    if failed.is_empty() {
        return Ok(None);
    }
    let Some(platform) = ctx.platform(&chat.app) else {
        return Ok(None);
    };
    let user = ctx.directory().identity_on(person, platform).await?;
    let found = failed
        .iter()
        // One platform does not care about the case of its ids.
        .find(|f| {
            user.as_ref()
                .is_some_and(|u| u.as_str().eq_ignore_ascii_case(&f.receiver))
        });
    Ok(found.map(|f| f.code.clone()))
}

async fn added(
    ctx: &mut Ctx,
    tag: &Tag,
    chat: &Chat,
    ok: bool,
    code: &str,
    failed: &[FailedReceiver],
) -> Result<(), RuleError> {
    let now = ctx.now();
    let key = Key {
        rule: &tag.rule,
        department: &tag.department,
    };
    for person in tag.people() {
        let why = if ok {
            failure_of(ctx, chat, &person, failed).await?
        } else {
            Some(code.to_owned())
        };
        let came = why.is_none() && chat.chat.is_some();
        tag.ended(ctx, Did::Add, Some(&person), came).await?;
        match (why, &chat.chat) {
            (None, Some(id)) => {
                store::set_claim(ctx.tx(), key, &person, Claim::In, "", now).await?;
                ctx.directory().joined(&chat.app, id, &person, now).await?;
            }
            (why, _) => {
                let why = why.unwrap_or_default();
                store::set_claim(ctx.tx(), key, &person, Claim::Failed, &why, now).await?;
            }
        }
    }
    Ok(())
}

async fn removed(
    ctx: &mut Ctx,
    tag: &Tag,
    chat: &Chat,
    ok: bool,
    code: &str,
    failed: &[FailedReceiver],
) -> Result<(), RuleError> {
    let now = ctx.now();
    let key = Key {
        rule: &tag.rule,
        department: &tag.department,
    };
    for person in tag.people() {
        let why = if ok {
            failure_of(ctx, chat, &person, failed).await?
        } else {
            Some(code.to_owned())
        };
        let went = why.is_none() && chat.chat.is_some();
        tag.ended(ctx, Did::Remove, Some(&person), went).await?;
        let active = ctx.directory().person(&person).await?.is_some_and(|p| p.active);
        match (why, &chat.chat) {
            (None, Some(id)) => {
                let (claim, detail) = match tag.what {
                    What::Leave => (Claim::Left, "self"),
                    _ => (Claim::Out, ""),
                };
                store::set_claim(ctx.tx(), key, &person, claim, detail, now).await?;
                ctx.directory().left(&chat.app, id, &person, now).await?;
            }
            // The platform took a leaver out itself, or knows them no more: they are out.
            (why, _) if !active => {
                let why = why.unwrap_or_default();
                store::set_claim(ctx.tx(), key, &person, Claim::Out, &why, now).await?;
            }
            (why, _) => {
                let why = why.unwrap_or_default();
                store::not_removed(ctx.tx(), key, &person, &why, now).await?;
            }
        }
    }
    Ok(())
}
