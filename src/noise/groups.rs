//! What is counted by group, where a group can be reached in several ways: see [`Env::group_of`].

use std::collections::BTreeMap;

use hutong_model::Timestamp;

use super::store::{self, Group};
use crate::rules::Env;
use crate::store::{StoreError, Tx};

/// Budgeted messages of all groups on a day.
pub async fn posts_of_day(tx: &mut Tx, env: &Env, day: &str) -> Result<BTreeMap<Group, u32>, StoreError> {
    Ok(sums(env, store::posts_of_day(tx, day).await?))
}

/// How many messages wait, by group.
pub async fn waiting_counts(tx: &mut Tx, env: &Env) -> Result<BTreeMap<Group, u32>, StoreError> {
    Ok(sums(env, store::waiting_counts(tx).await?))
}

/// Until when groups are or were muted.
pub async fn mutes(tx: &mut Tx, env: &Env) -> Result<BTreeMap<Group, Timestamp>, StoreError> {
    let mut ends: BTreeMap<Group, Timestamp> = BTreeMap::new();
    for ((app, chat), until) in store::mutes(tx).await? {
        let end = ends.entry(env.group_of(&app, &chat)).or_insert(until);
        *end = until.max(*end);
    }
    Ok(ends)
}

fn sums(env: &Env, counts: BTreeMap<Group, u32>) -> BTreeMap<Group, u32> {
    let mut sums: BTreeMap<Group, u32> = BTreeMap::new();
    for ((app, chat), n) in counts {
        let sum = sums.entry(env.group_of(&app, &chat)).or_default();
        *sum = sum.saturating_add(n);
    }
    sums
}
