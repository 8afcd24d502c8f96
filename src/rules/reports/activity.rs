//! How active somebody was in the last 28 days, as a fact that segments ask about (features.md 3.1).
//!
//! Written once a night from the counts that are kept anyway; only what has changed is written. The
//! levels are those that the bot can see: who has written is contributing, who has reacted or clicked is
//! interactive. That somebody did nothing is said only of people on a platform where the bot sees every
//! message of its groups; of others it is not known.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Days;
use hutong_model::{CompanyId, Platform, SeeClass};

use super::store;
use crate::directory::PersonId;
use crate::directory::facts::{self, Figure};
use crate::rules::{Ctx, RuleError};
use crate::segment::Activity;

/// Days that are looked at, today included.
const WINDOW: u64 = 28;

/// Brings the figures of everybody up to date.
pub(super) async fn write(ctx: &mut Ctx) -> Result<(), RuleError> {
    let now = ctx.now();
    let today = ctx.local(now).date_naive();
    let from = today
        .checked_sub_days(Days::new(WINDOW - 1))
        .unwrap_or(today)
        .to_string();
    let env = ctx.env().clone();
    let mut levels: BTreeMap<CompanyId, BTreeMap<String, Activity>> = BTreeMap::new();
    let mut whole: BTreeSet<(CompanyId, Platform)> = BTreeSet::new();
    for (id, app) in &env.apps {
        let platform = app.adapter.platform();
        if app.adapter.capabilities().sees.contains(&SeeClass::V1) {
            whole.insert((app.company.clone(), platform));
        }
        let of_company = levels.entry(app.company.clone()).or_default();
        for did in store::doings(ctx.tx(), id, &app.company, platform, &from).await? {
            let level = if did.messages > 0 {
                Activity::Contributing
            } else if did.light > 0 {
                Activity::Interactive
            } else {
                continue;
            };
            let entry = of_company.entry(did.person).or_insert(level);
            *entry = (*entry).max(level);
        }
    }
    for (company, platform) in &whole {
        let people = store::people_on(ctx.tx(), company, *platform).await?;
        let of_company = levels.entry(company.clone()).or_default();
        for person in people {
            of_company.entry(person).or_insert(Activity::None);
        }
    }
    for (company, wanted) in levels {
        let known: BTreeMap<String, i64> = store::activity_facts(ctx.tx(), &company).await?.into_iter().collect();
        for gone in known.keys().filter(|person| !wanted.contains_key(*person)) {
            store::forget_activity(ctx.tx(), gone).await?;
        }
        for (person, level) in wanted {
            let value = Activity::ALL.iter().position(|l| *l == level).unwrap_or(0);
            let value = i64::try_from(value).unwrap_or(0);
            if known.get(&person) == Some(&value) {
                continue;
            }
            if let Some(person) = PersonId::parse(&person) {
                facts::set_fact(ctx.tx(), &person, Figure::Activity, value, now).await?;
            }
        }
    }
    Ok(())
}
