//! How long a plan takes, by the limits that its platform publishes.
//!
//! Delivery keeps the limits by spacing calls. Here the same spacing is booked when a plan begins,
//! for all rules of a company together and in the database, so that the next plan knows what is
//! before it (one platform allows 1,000 groups a day and 1,000 changes an hour to a whole company).

use std::collections::BTreeMap;
use std::time::Duration;

use hutong_model::{Action, AppId, ChatId, LimitRule, LimitScope, Timestamp, UserId};

use super::plan::Plan;
use super::store;
use crate::rules::{Ctx, RuleError};

/// The part of a limit that delivery uses (`delivery::limits`).
const SHARE: f64 = 0.8;

/// How many calls of each API a plan needs.
fn calls(ctx: &Ctx, app: &AppId, plan: &Plan) -> BTreeMap<String, u64> {
    let per_call = ctx.caps(app).map_or(1, |c| c.limits.members_per_call).max(1);
    let mut found = BTreeMap::new();
    let (Some(own), Ok(chat), Ok(user)) = (ctx.env().app(app), ChatId::new("oc_0"), UserId::new("u0")) else {
        return found;
    };
    let batches = |n: usize| n.div_ceil(per_call);
    let made = || plan.changes.iter().filter(|c| c.create.is_some());
    let there = || plan.changes.iter().filter(|c| c.create.is_none());
    let rest: usize = made().map(|c| batches(c.add.len().saturating_sub(per_call))).sum();
    let kinds = [
        (
            made().count(),
            Action::CreateChat {
                name: "0".to_owned(),
                owner: user.clone(),
                members: vec![user.clone()],
                description: None,
            },
        ),
        (
            rest + there().map(|c| batches(c.add.len())).sum::<usize>(),
            Action::AddMembers {
                chat: chat.clone(),
                users: vec![user.clone()],
            },
        ),
        (
            there().map(|c| batches(c.remove.len())).sum(),
            Action::RemoveMembers {
                chat: chat.clone(),
                users: vec![user.clone()],
            },
        ),
        (
            plan.renames().count(),
            Action::RenameChat {
                chat: chat.clone(),
                name: "0".to_owned(),
            },
        ),
        (
            there().filter(|c| c.new_owner.is_some()).count(),
            Action::SetOwner {
                chat: chat.clone(),
                owner: user,
            },
        ),
        (plan.disbands().count(), Action::Disband { chat }),
    ];
    for (count, action) in kinds.into_iter().filter(|(n, _)| *n > 0) {
        // What the app cannot do is refused elsewhere.
        for prepared in own.adapter.prepare(&action).unwrap_or_default() {
            *found.entry(prepared.api).or_default() += count as u64;
        }
    }
    found
}

/// Milliseconds that `count` calls take under one limit.
fn span(limit: &LimitRule, count: u64) -> i64 {
    let unit = limit.window_ms as f64 / (f64::from(limit.count.max(1)) * SHARE);
    (unit * count as f64).ceil() as i64
}

/// The limits that a plan meets: place, API, milliseconds that it takes of each.
fn spans(ctx: &Ctx, app: &AppId, plan: &Plan) -> Vec<(String, String, i64)> {
    let calls = calls(ctx, app, plan);
    let (Some(own), Some(caps)) = (ctx.env().app(app), ctx.caps(app)) else {
        return Vec::new();
    };
    let mut list = Vec::new();
    for limit in &caps.rates {
        let count = match limit.api {
            "*" => calls.values().sum(),
            api => calls.get(api).copied().unwrap_or_default(),
        };
        let place = match limit.scope {
            LimitScope::Destination => continue,
            LimitScope::App => app.to_string(),
            LimitScope::Company => format!("{}/{}", own.adapter.platform().as_str(), own.company),
        };
        if count > 0 {
            // One API may have several limits.
            let api = format!("{}/{}", limit.api, limit.window_ms);
            list.push((place, api, span(limit, count)));
        }
    }
    list
}

/// How long the plan will take from now on, with what is booked before it.
pub async fn wait(ctx: &mut Ctx, app: &AppId, plan: &Plan) -> Result<Duration, RuleError> {
    let now = ctx.now();
    let mut end = now;
    for (place, api, span) in spans(ctx, app, plan) {
        let free = store::budget(ctx.tx(), &place, &api).await?.max(now);
        end = end.max(Timestamp(free.millis().saturating_add(span)));
    }
    Ok(end.since(now))
}

/// Books the calls of a plan that begins now.
pub async fn book(ctx: &mut Ctx, app: &AppId, plan: &Plan) -> Result<(), RuleError> {
    let now = ctx.now();
    for (place, api, span) in spans(ctx, app, plan) {
        ctx.tx().lock(&format!("group budget:{place}:{api}")).await?;
        let free = store::budget(ctx.tx(), &place, &api).await?.max(now);
        let end = Timestamp(free.millis().saturating_add(span));
        store::set_budget(ctx.tx(), &place, &api, end).await?;
    }
    Ok(())
}
