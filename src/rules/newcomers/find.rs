//! Who is new: what platforms tell about accounts, what the nightly reading finds, and the first day
//! where a directory knows it. All of it ends in a row; nothing is said here.

use std::time::Duration;

use chrono::{Days, NaiveDate};
use hutong_model::{Ability, AppId, CompanyId, Platform, Timestamp};

use super::path::{BACK_WITHIN, JOINED_WITHIN_DAYS, first_day};
use super::store::{self, Known};
use crate::rules::{Ctx, Env, RuleError};

/// Somebody who was met so long before a platform tells of them was no newcomer.
const MET_BEFORE: Duration = Duration::from_secs(86_400);
/// An account of which nothing more is heard is forgotten.
const FORGET: Duration = Duration::from_secs(2 * 86_400);

/// One app for each company and platform: the one that reads the directory, and writes to people.
pub fn homes(env: &Env) -> Vec<(AppId, CompanyId, Platform)> {
    let mut list: Vec<(AppId, CompanyId, Platform)> = Vec::new();
    for wanted in [
        &[Ability::ListPeople, Ability::SendToUser][..],
        &[Ability::SendToUser],
        &[],
    ] {
        for (id, app) in &env.apps {
            let platform = app.adapter.platform();
            let there = list.iter().any(|(_, c, p)| *c == app.company && *p == platform);
            let caps = app.adapter.capabilities();
            if !there && wanted.iter().all(|a| caps.can(*a)) {
                list.push((id.clone(), app.company.clone(), platform));
            }
        }
    }
    list
}

/// Looks for newcomers on all platforms of a company; returns how many were found.
pub async fn find(
    ctx: &mut Ctx,
    company: &CompanyId,
    homes: &[(AppId, CompanyId, Platform)],
    today: NaiveDate,
    hourly: bool,
) -> Result<usize, RuleError> {
    let now = ctx.now();
    let mut found = 0;
    if hourly {
        store::remember_gone(ctx.tx(), company).await?;
    }
    for (person, left_at) in store::take_back(ctx.tx(), company, now).await? {
        if now.since(left_at) <= BACK_WITHIN {
            continue;
        }
        for (app, _, platform) in homes.iter().filter(|(_, c, _)| c == company) {
            if store::has_account(ctx.tx(), &person, *platform).await? {
                store::add(ctx.tx(), &person, company, app, today, now).await?;
                found += 1;
                break;
            }
        }
    }
    for (home, _, platform) in homes.iter().filter(|(_, c, _)| c == company) {
        let mut new: Vec<Known> = Vec::new();
        let env = ctx.env().clone();
        let apps = env
            .apps
            .iter()
            .filter(|(_, a)| a.company == *company && a.adapter.platform() == *platform);
        for (id, app) in apps {
            let since = store::baseline(ctx.tx(), id).await?;
            let reads = app.adapter.capabilities().can(Ability::ListPeople);
            for (user, at) in store::signs(ctx.tx(), id).await? {
                let known = store::unlisted(ctx.tx(), company, *platform, &user).await?;
                // What was there before the directory was first read is not new because it changes.
                let settled = !reads || since.is_some();
                let fresh =
                    known.filter(|k| k.created_at + MET_BEFORE >= at && since.is_none_or(|s| k.created_at >= s));
                match fresh {
                    Some(known) if settled => {
                        store::drop_sign(ctx.tx(), id, &user).await?;
                        new.push(known);
                    }
                    _ if now.since(at) > FORGET => store::drop_sign(ctx.tx(), id, &user).await?,
                    _ => {}
                }
            }
            if let Some(since) = since {
                new.extend(store::listed_after(ctx.tx(), id, since).await?);
            }
        }
        let from = today
            .checked_sub_days(Days::new(JOINED_WITHIN_DAYS.unsigned_abs()))
            .unwrap_or(today);
        let back = i64::try_from(BACK_WITHIN.as_millis()).unwrap_or(i64::MAX);
        new.extend(store::began_since(ctx.tx(), company, *platform, from, back).await?);
        new.sort_by(|a, b| a.person.cmp(&b.person));
        new.dedup_by(|a, b| a.person == b.person);
        for known in new {
            if let Some(first) = first_day(known.joined_on, day_of(ctx, known.created_at, today)) {
                store::add(ctx.tx(), &known.person, company, home, first, now).await?;
                found += 1;
            }
        }
    }
    Ok(found)
}

/// The day on which somebody was met, when that is lately: the first day of those of whom no
/// directory tells one.
fn day_of(ctx: &Ctx, created_at: Timestamp, today: NaiveDate) -> NaiveDate {
    let met = ctx.local(created_at).date_naive();
    match (today - met).num_days() {
        0..=JOINED_WITHIN_DAYS => met,
        _ => today,
    }
}
