//! Keeps the directory up to date from events.

use hutong_model::{
    Ability, Action, ActionKind, Body, ChatChange, ChatId, ChatKind, ChatRef, CompanyId, DeliveryClass, Event, Mention,
    Message, Platform, SeeClass, Target, UserId,
};

use super::known::{Known, Step};
use crate::directory::people::Learned;
use crate::rules::{Ctx, RuleError};
use crate::text::service::Say;

pub(super) async fn handle(known: &Known, ctx: &mut Ctx, event: &Event) -> Result<(), RuleError> {
    let Some((company, platform)) = ctx
        .env()
        .app(&event.app)
        .map(|a| (a.company.clone(), a.adapter.platform()))
    else {
        // An app that was taken out of the configuration while its events waited.
        return Ok(());
    };
    match &event.body {
        Body::Message(_) => message(known, ctx, event, &company, platform).await,
        Body::Member {
            chat, users, joined, ..
        } => {
            if *joined {
                members_joined(ctx, event, &company, platform, chat, users).await
            } else {
                known.forget_chat(&event.app, &chat.id);
                members_left(ctx, event, &company, platform, chat, users).await
            }
        }
        Body::Bot {
            chat, added, external, ..
        } => bot(known, ctx, event, chat, *added, *external).await,
        Body::Chat { chat, change } => chat_changed(known, ctx, event, &company, platform, chat, change).await,
        Body::Person { user, record, left } => {
            let now = ctx.now();
            let told = event.occurred_at;
            let learned = match record {
                _ if *left => {
                    known.forget_person(&event.app, user);
                    ctx.directory()
                        .account_left(&company, platform, user, told, now)
                        .await?
                }
                Some(record) => {
                    let learned = ctx.directory().learn(&company, platform, record, told, now).await?;
                    if let (Learned::Entered(person), true) = (&learned, record.active) {
                        ctx.directory()
                            .noticed(&event.app, &record.user, person, told.min(now))
                            .await?;
                    }
                    learned
                }
                None => Learned::Stale,
            };
            // The event says too little, or something newer is known already.
            if learned == Learned::Stale {
                ctx.directory().ask_sync(&event.app, Some(user), now).await?;
            }
            Ok(())
        }
        Body::Department { id, record, removed } => {
            let now = ctx.now();
            let told = event.occurred_at.min(now);
            let known = ctx.directory().department_told(&company, platform, id.as_str()).await?;
            // The event says too little, or something newer is known already.
            let stale = known.is_some_and(|at| at > told) || (record.is_none() && !*removed);
            match record {
                _ if stale => ctx.directory().ask_sync(&event.app, None, now).await?,
                Some(record) if !*removed => {
                    ctx.directory()
                        .upsert_department(&company, platform, record, told)
                        .await?;
                }
                _ => {
                    ctx.directory()
                        .department_removed(&company, platform, id.as_str(), told)
                        .await?;
                }
            }
            Ok(())
        }
        Body::EffectDone {
            ok: true,
            action: ActionKind::ListMembers,
            receipt,
            tag,
            ..
        } => members_listed(ctx, event, &company, platform, &receipt.users, tag).await,
        Body::DirectoryScope => {
            let now = ctx.now();
            ctx.directory().ask_sync(&event.app, None, now).await?;
            Ok(())
        }
        _ => Ok(()),
    }
}

async fn message(
    known: &Known,
    ctx: &mut Ctx,
    event: &Event,
    company: &CompanyId,
    platform: Platform,
) -> Result<(), RuleError> {
    let Body::Message(message) = &event.body else {
        return Ok(());
    };
    let Some(user) = &message.sender.user else {
        return Ok(());
    };
    let now = ctx.now();
    let step = known.step(&event.app, &event.body, now);
    if step == Step::Nothing {
        return Ok(());
    }
    let found = ctx
        .directory()
        .presence(&event.app, &message.chat.id, company, platform, user)
        .await?;
    if found.external {
        // Nobody in there is entered; nothing was written that could get lost.
        known.sure(&event.app, &event.body);
        return Ok(());
    }
    let in_chat = found.member || message.chat.kind != ChatKind::Group;
    let named = message.chat.name.is_none() || message.chat.name == found.chat_name;
    let there = found.chat_active && found.person.is_some() && in_chat;
    match step {
        Step::Nothing => return Ok(()),
        Step::Look if there => {
            known.sure(&event.app, &event.body);
            return Ok(());
        }
        Step::Look => known.lost(&event.app, &event.body, now),
        Step::Write => known.written(&event.app, &event.body, now),
    }
    // Only what is not there already: while somebody is not surely known, every message of theirs
    // comes here.
    if !found.chat_active || !named {
        enter_chat(ctx, event, &message.chat).await?;
    }
    let person = match found.person {
        Some(person) => person,
        None => {
            ctx.ask_who(&event.app, user).await?;
            let name = message.sender.name.as_deref();
            ctx.directory()
                .ensure_person(company, platform, user, name, now)
                .await?
                .id
        }
    };
    if !in_chat {
        ctx.directory()
            .joined(&event.app, &message.chat.id, &person, now)
            .await?;
    }
    Ok(())
}

async fn is_external(ctx: &mut Ctx, event: &Event, chat: &ChatRef) -> Result<bool, RuleError> {
    let found = ctx.directory().chat(&event.app, &chat.id).await?;
    Ok(found.is_some_and(|c| c.external))
}

async fn enter_chat(ctx: &mut Ctx, event: &Event, chat: &ChatRef) -> Result<(), RuleError> {
    let now = ctx.now();
    ctx.directory()
        .upsert_chat(&event.app, &chat.id, chat.kind, chat.name.as_deref(), false, now)
        .await?;
    Ok(())
}

async fn members_joined(
    ctx: &mut Ctx,
    event: &Event,
    company: &CompanyId,
    platform: Platform,
    chat: &ChatRef,
    users: &[Mention],
) -> Result<(), RuleError> {
    if is_external(ctx, event, chat).await? {
        return Ok(());
    }
    enter_chat(ctx, event, chat).await?;
    let now = ctx.now();
    for mention in users.iter().filter(|m| !m.bot) {
        let Some(user) = &mention.user else { continue };
        let person = ctx
            .directory()
            .ensure_person(company, platform, user, mention.name.as_deref(), now)
            .await?;
        ctx.directory()
            .joined(&event.app, &chat.id, &person.id, event.occurred_at)
            .await?;
    }
    Ok(())
}

async fn members_left(
    ctx: &mut Ctx,
    event: &Event,
    company: &CompanyId,
    platform: Platform,
    chat: &ChatRef,
    users: &[Mention],
) -> Result<(), RuleError> {
    for user in users.iter().filter_map(|m| m.user.as_ref()) {
        if let Some(person) = ctx.directory().person_of(company, platform, user).await? {
            ctx.directory()
                .left(&event.app, &chat.id, &person.id, event.occurred_at)
                .await?;
        }
    }
    Ok(())
}

/// A share of members is only ever printed where every message is seen.
fn can_count_members(ctx: &Ctx, event: &Event) -> bool {
    ctx.can(&event.app, Ability::ListMembers) && ctx.caps(&event.app).is_some_and(|c| c.sees(SeeClass::V1))
}

/// Who was in a group when the bot came.
async fn members_listed(
    ctx: &mut Ctx,
    event: &Event,
    company: &CompanyId,
    platform: Platform,
    users: &[UserId],
    tag: &serde_json::Value,
) -> Result<(), RuleError> {
    let Some(chat) = tag
        .get("chat")
        .and_then(|c| c.as_str())
        .and_then(|c| ChatId::new(c).ok())
    else {
        return Ok(());
    };
    let now = ctx.now();
    for user in users {
        let person = ctx
            .directory()
            .ensure_person(company, platform, user, None, now)
            .await?;
        ctx.directory().joined(&event.app, &chat, &person.id, now).await?;
    }
    Ok(())
}

async fn bot(
    known: &Known,
    ctx: &mut Ctx,
    event: &Event,
    chat: &ChatRef,
    added: bool,
    external: bool,
) -> Result<(), RuleError> {
    let now = ctx.now();
    if !added {
        known.forget_chat(&event.app, &chat.id);
        ctx.directory().chat_inactive(&event.app, &chat.id, now).await?;
        return Ok(());
    }
    let before = ctx.directory().chat(&event.app, &chat.id).await?;
    ctx.directory()
        .upsert_chat(&event.app, &chat.id, chat.kind, chat.name.as_deref(), external, now)
        .await?;
    known.forget_chat(&event.app, &chat.id);
    if external {
        ctx.directory().set_external(&event.app, &chat.id, true, now).await?;
    } else if chat.kind == ChatKind::Group && can_count_members(ctx, event) {
        // Joins are told from now on, those who are in it already are not: without them a report
        // would only know the people who have spoken.
        ctx.emit_tracked(
            "members",
            &event.app,
            DeliveryClass::State,
            Action::ListMembers { chat: chat.id.clone() },
            serde_json::json!({ "chat": chat.id.as_str() }),
        )?;
    }
    // Somebody who takes the bot out and in again has met it. A group that the bot made itself, or
    // whose first message came before this event, is known but was not greeted: silence is kinder.
    if before.is_some() || chat.kind == ChatKind::Direct || !ctx.can(&event.app, Ability::SendToChat) {
        return Ok(());
    }
    let say = if external {
        Say::ExternalGroup
    } else {
        Say::Greeting {
            mention: ctx.caps(&event.app).is_some_and(|c| !c.sees(SeeClass::V1)),
        }
    };
    let text = say.in_lang(ctx.env().lang);
    ctx.emit(
        "greeting",
        &event.app,
        DeliveryClass::Reply,
        Action::Send {
            to: Target::Chat(chat.id.clone()),
            content: Message::text(text),
        },
    )?;
    Ok(())
}

async fn chat_changed(
    known: &Known,
    ctx: &mut Ctx,
    event: &Event,
    company: &CompanyId,
    platform: Platform,
    chat: &ChatRef,
    change: &ChatChange,
) -> Result<(), RuleError> {
    let now = ctx.now();
    match change {
        ChatChange::Disbanded => {
            known.forget_chat(&event.app, &chat.id);
            ctx.directory().chat_inactive(&event.app, &chat.id, now).await?;
            ctx.directory().everyone_left(&event.app, &chat.id, now).await?;
        }
        ChatChange::Updated { name, owner } => {
            let name = name.as_deref().or(chat.name.as_deref());
            ctx.directory()
                .upsert_chat(&event.app, &chat.id, chat.kind, name, false, now)
                .await?;
            if let Some(owner) = owner {
                let person = ctx
                    .directory()
                    .ensure_person(company, platform, owner, None, now)
                    .await?;
                ctx.directory()
                    .set_chat_owner(&event.app, &chat.id, &person.id, now)
                    .await?;
            }
        }
    }
    Ok(())
}
