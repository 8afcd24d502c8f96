//! Where effects become outbox rows: what may leave now does, the rest waits.

use std::collections::BTreeMap;

use hutong_model::{Ability, Action, ActionKind, DeliveryClass, Prepared, Timestamp};

use super::digest::{self, Digest, Section};
use super::store::{self, Group, Part, Said, Waiting};
use super::{LONGEST_WAIT, Standing, Verdict, Voice};
use crate::delivery::OutboxRow;
use crate::rules::{Env, PendingEffect};
use crate::store::{StoreError, Tx};

/// The name under which digests stand in the outbox, and of the rule that is told their outcome.
pub const NAME: &str = "noise";
/// Serialises the decisions of all replicas, until the end of the transaction.
const LOCK: &str = "noise.budget";

/// Turns effects into outbox rows. Messages above the budget are put down as waiting, in the same
/// transaction; everything is counted. The order of what is handed in stays.
pub async fn admit(
    tx: &mut Tx,
    env: &Env,
    effects: Vec<PendingEffect>,
    now: Timestamp,
) -> Result<Vec<OutboxRow>, StoreError> {
    if effects.iter().all(|e| e.voice == Voice::Silent) {
        return Ok(effects.into_iter().map(row).collect());
    }
    let budget = &env.noise;
    let day = budget.day(now).to_string();
    let budgeted = |e: &PendingEffect| matches!(e.voice, Voice::Post { must: false, .. });
    let mut standings = match effects.iter().any(budgeted) {
        true => Some(standings(tx, &day, now).await?),
        false => None,
    };
    let mut said: BTreeMap<Group, Said> = BTreeMap::new();
    let mut rows = Vec::with_capacity(effects.len());
    let mut effects = effects.into_iter().peekable();
    while let Some(mut effect) = effects.next() {
        let voice = std::mem::take(&mut effect.voice);
        let mut rest = Vec::new();
        while let Some(part) = effects.next_if(|e| e.part > 0) {
            rest.push(part);
        }
        match voice {
            Voice::Silent => {}
            Voice::Answer(chat) => said.entry((effect.app.clone(), chat)).or_default().answers += 1,
            Voice::Post { chat, must: true, .. } => {
                said.entry((effect.app.clone(), chat)).or_default().beside += 1;
            }
            Voice::Post {
                chat, content, source, ..
            } => {
                let group = (effect.app.clone(), chat);
                let limit = budget.limit(&group.0, &group.1);
                let verdict = match &mut standings {
                    Some(s) => s.of(&group).decide(limit, budget.has_priority(&source)),
                    None => Verdict::Send,
                };
                match verdict {
                    Verdict::Send => said.entry(group).or_default().posts += 1,
                    Verdict::Wait => {
                        store::wait(tx, &waiting(effect, rest, group, *content, source, now)).await?;
                        continue;
                    }
                }
            }
            Voice::Change { card, context, content } => {
                if let Some(mut found) = store::digest_at(tx, &effect.app, &card).await? {
                    digest::replace(&mut found.sections, effect.rule, &content);
                    rows.extend(redrawn(tx, env, &effect, &found, card, context).await?);
                    continue;
                }
            }
            Voice::Recall(message) => {
                if let Some(mut found) = store::digest_at(tx, &effect.app, &message).await? {
                    let mut gone = false;
                    // One message of that rule goes; the rest of the card stays.
                    found.sections.retain(|s| {
                        let keep = gone || s.rule != effect.rule;
                        gone |= !keep;
                        keep
                    });
                    if gone && !found.sections.is_empty() {
                        rows.extend(redrawn(tx, env, &effect, &found, message, None).await?);
                        continue;
                    }
                }
            }
        }
        rows.push(row(effect));
        rows.extend(rest.into_iter().map(row));
    }
    store::add(tx, &day, &said).await?;
    Ok(rows)
}

/// How all groups stand today.
struct Standings {
    groups: BTreeMap<Group, Standing>,
}

impl Standings {
    fn of(&mut self, group: &Group) -> &mut Standing {
        self.groups.entry(group.clone()).or_default()
    }
}

async fn standings(tx: &mut Tx, day: &str, now: Timestamp) -> Result<Standings, StoreError> {
    tx.lock(LOCK).await?;
    let mut groups: BTreeMap<Group, Standing> = BTreeMap::new();
    for (group, used) in store::posts_of_day(tx, day).await? {
        groups.entry(group).or_default().used = used;
    }
    for (group, waiting) in store::waiting_counts(tx).await? {
        groups.entry(group).or_default().waiting = waiting;
    }
    for (group, until) in store::mutes(tx).await? {
        groups.entry(group).or_default().muted = until > now;
    }
    Ok(Standings { groups })
}

fn waiting(
    effect: PendingEffect,
    rest: Vec<PendingEffect>,
    (app, chat): Group,
    content: hutong_model::Message,
    source: String,
    now: Timestamp,
) -> Waiting {
    let first = Part {
        id: effect.key.clone(),
        prepared: effect.prepared,
    };
    let others = rest.into_iter().map(|e| Part {
        id: e.key,
        prepared: e.prepared,
    });
    Waiting {
        seq: 0,
        id: effect.key,
        app,
        chat,
        rule: effect.rule.to_owned(),
        source,
        event: effect.event,
        class: effect.class,
        lane: effect.lane,
        parts: std::iter::once(first).chain(others).collect(),
        content,
        tag: effect.tag,
        created_at: now,
    }
}

/// A message inside a digest changed: the digest is drawn anew in the place of it.
async fn redrawn(
    tx: &mut Tx,
    env: &Env,
    effect: &PendingEffect,
    found: &Digest,
    card: hutong_model::MessageId,
    context: Option<String>,
) -> Result<Vec<OutboxRow>, StoreError> {
    store::change_digest(tx, &found.id, &found.sections).await?;
    let Some(app) = env.app(&effect.app) else {
        return Ok(Vec::new());
    };
    let action = Action::UpdateCard {
        card,
        context,
        content: digest::card(&found.sections, env.lang),
    };
    let prepared = app
        .adapter
        .prepare(&action)
        .map_err(|e| StoreError::Broken(format!("a digest cannot be drawn: {e}")))?;
    let summary = action.summary();
    let one = |(part, prepared): (usize, Prepared)| OutboxRow {
        id: crate::ids::short_hash(&[&effect.key, "digest", &part.to_string()], 32),
        app: effect.app.clone(),
        lane: effect.lane.clone(),
        class: DeliveryClass::State,
        rule: effect.rule.to_owned(),
        event: effect.event,
        action: ActionKind::UpdateCard,
        part,
        prepared,
        summary: if part == 0 { summary.clone() } else { String::new() },
        interactive: effect.interactive,
        tag: effect.tag.clone(),
        state_key: Some(format!("noise.digest:{}", found.id)),
        not_before: None,
        expires_at: None,
    };
    Ok(prepared.into_iter().enumerate().map(one).collect())
}

fn row(e: PendingEffect) -> OutboxRow {
    OutboxRow {
        id: e.key,
        app: e.app,
        lane: e.lane,
        class: e.class,
        rule: e.rule.to_owned(),
        event: e.event,
        action: e.action,
        part: e.part,
        prepared: e.prepared,
        summary: e.summary,
        interactive: e.interactive,
        tag: e.tag,
        state_key: e.state_key,
        not_before: None,
        expires_at: None,
    }
}

/// A workday's morning: what waits leaves as far as the budget of the day allows, in order; neighbours
/// become one digest. `event` is the tick, for the names of the digests.
pub async fn release(tx: &mut Tx, env: &Env, event: &hutong_model::EventId, now: Timestamp) -> Result<(), StoreError> {
    let budget = &env.noise;
    let today = budget.day(now);
    if !budget.workdays.is_workday(today) {
        return Ok(());
    }
    let day = today.to_string();
    let mut standings = standings(tx, &day, now).await?;
    let mutes = store::mutes(tx).await?;
    let mut groups: BTreeMap<Group, Vec<Waiting>> = BTreeMap::new();
    for waiting in store::waiting(tx).await? {
        let group = (waiting.app.clone(), waiting.chat.clone());
        groups.entry(group).or_default().push(waiting);
    }
    let mut said: BTreeMap<Group, Said> = BTreeMap::new();
    let mut rows = Vec::new();
    for (group, queue) in groups {
        let standing = standings.of(&group);
        if standing.muted {
            continue;
        }
        let limit = budget.limit(&group.0, &group.1);
        // Where a group's cards have no buttons, none is in the way.
        let buttons = match env.app(&group.0).map(|a| a.adapter.capabilities()) {
            Some(caps) if caps.can(Ability::ButtonsInChat) => caps.limits.buttons,
            _ => usize::MAX,
        };
        let (late, queue): (Vec<Waiting>, Vec<Waiting>) = queue.into_iter().partition(|w| {
            let since = mutes.get(&group).map_or(w.created_at, |until| w.created_at.max(*until));
            now.since(since) > LONGEST_WAIT
        });
        for waiting in late {
            store::no_longer_waits(tx, &waiting.id).await?;
            rows.extend(alone(waiting, Some(now - std::time::Duration::from_millis(1))));
        }
        for bundle in bundles(queue, buttons) {
            if limit > 0 && standing.used >= limit {
                break;
            }
            standing.used += 1;
            said.entry(group.clone()).or_default().posts += 1;
            for waiting in &bundle {
                store::no_longer_waits(tx, &waiting.id).await?;
            }
            rows.extend(leave(tx, env, event, &group, bundle, now).await?);
        }
    }
    store::add(tx, &day, &said).await?;
    crate::delivery::store::insert(tx, &rows, now).await.map(|_| ())
}

/// Neighbours that may stand in one card, in order.
fn bundles(queue: Vec<Waiting>, buttons: usize) -> Vec<Vec<Waiting>> {
    let mut list: Vec<Vec<Waiting>> = Vec::new();
    let able = |w: &Waiting| w.class == DeliveryClass::Once && digest::mergeable(&w.content);
    for waiting in queue {
        match list.last_mut() {
            Some(last)
                if able(&waiting)
                    && last.iter().all(able)
                    && digest::fits(
                        &last.iter().map(|w| &w.content).collect::<Vec<_>>(),
                        &waiting.content,
                        buttons,
                    ) =>
            {
                last.push(waiting);
            }
            _ => list.push(vec![waiting]),
        }
    }
    list
}

/// The rows of a bundle: the message itself, or a digest. What cannot be drawn as one leaves one by
/// one rather than not at all.
async fn leave(
    tx: &mut Tx,
    env: &Env,
    event: &hutong_model::EventId,
    (app, chat): &Group,
    bundle: Vec<Waiting>,
    now: Timestamp,
) -> Result<Vec<OutboxRow>, StoreError> {
    let lane = bundle.first().map_or_else(String::new, |w| w.lane.clone());
    let drawn = match (bundle.len(), env.app(app)) {
        (2.., Some(known)) => {
            let sections: Vec<Section> = bundle.iter().map(section).collect();
            let action = Action::Send {
                to: hutong_model::Target::Chat(chat.clone()),
                content: digest::card(&sections, env.lang),
            };
            let drawn = known.adapter.prepare(&action).ok();
            drawn.map(|prepared| (prepared, action.summary(), sections))
        }
        _ => None,
    };
    let Some((prepared, summary, sections)) = drawn else {
        return Ok(bundle.into_iter().flat_map(|w| alone(w, None)).collect());
    };
    let first = bundle.first().map_or("", |w| w.id.as_str());
    let id = crate::ids::short_hash(&[&event.hex(), NAME, first], 32);
    store::keep_digest(tx, &id, app, chat, &sections, now).await?;
    let one = |(part, prepared): (usize, Prepared)| OutboxRow {
        id: match part {
            0 => id.clone(),
            part => crate::ids::short_hash(&[&id, &part.to_string()], 32),
        },
        app: app.clone(),
        lane: lane.clone(),
        class: DeliveryClass::Once,
        rule: NAME.to_owned(),
        event: *event,
        action: ActionKind::Send,
        part,
        prepared,
        summary: if part == 0 { summary.clone() } else { String::new() },
        interactive: false,
        tag: Some(serde_json::json!({ "digest": id })),
        state_key: None,
        not_before: None,
        expires_at: None,
    };
    Ok(prepared.into_iter().enumerate().map(one).collect())
}

fn section(w: &Waiting) -> Section {
    Section {
        id: w.id.clone(),
        rule: w.rule.clone(),
        event: w.event.hex(),
        tag: w.tag.clone(),
        content: w.content.clone(),
    }
}

/// The message as it was meant; `expires_at` now for one that has waited in vain.
fn alone(w: Waiting, expires_at: Option<Timestamp>) -> Vec<OutboxRow> {
    let summary = w.content.plain();
    let one = |(part, p): (usize, Part)| OutboxRow {
        id: p.id,
        app: w.app.clone(),
        lane: w.lane.clone(),
        class: w.class,
        rule: w.rule.clone(),
        event: w.event,
        action: ActionKind::Send,
        part,
        prepared: p.prepared,
        summary: if part == 0 { summary.clone() } else { String::new() },
        interactive: false,
        tag: w.tag.clone(),
        state_key: None,
        not_before: None,
        expires_at,
    };
    w.parts.into_iter().enumerate().map(one).collect()
}
