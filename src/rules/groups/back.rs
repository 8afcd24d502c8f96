//! `/建群 撤销`: shows the way back from a plan that was carried out. `/建群 执行` then goes it.

use std::collections::BTreeSet;
use std::time::Duration;

use hutong_model::Ability;

use super::config::GroupRule;
use super::plan::{Alone, Plan};
use super::sources::store as whom;
use super::store::{self, Run};
use super::undo::{Entry, Kept, Now, way_back};
use super::world::{self, World};
use super::{lines, refuse, refuse_inability};
use crate::commands::{AnswerPlace, Asker};
use crate::rules::{Ctx, RuleError};
use crate::text::Lang;
use crate::text::groups::Say;

/// How long a plan can be taken back.
const UNDO_VALID: Duration = Duration::from_secs(30 * 86_400);
/// A change of which nothing was heard for so long is not waited for.
const PENDING: Duration = Duration::from_secs(86_400);

/// What makes a plan a way back.
pub struct Back {
    pub run: Run,
    pub kept: Vec<Kept>,
}

/// The run that a code means, when it can be taken back.
pub async fn run_of(ctx: &mut Ctx, code: &str, lang: Lang) -> Result<Run, RuleError> {
    let typed: String = code.chars().take(32).collect();
    let Some(run) = store::run_by_code(ctx.tx(), &typed).await? else {
        return Err(refuse(&Say::NoSuchRun(typed), lang));
    };
    Ok(run)
}

fn refuse_old(ctx: &Ctx, run: &Run, lang: Lang) -> Result<(), RuleError> {
    if run.undone {
        return Err(refuse(&Say::RunUndone(run.code.clone()), lang));
    }
    if ctx.now().since(run.at) > UNDO_VALID {
        return Err(refuse(&Say::RunTooOld(run.code.clone()), lang));
    }
    Ok(())
}

/// The way back as it is at this moment.
pub async fn look(ctx: &mut Ctx, rule: &GroupRule, run: Run, lang: Lang) -> Result<World, RuleError> {
    refuse_old(ctx, &run, lang)?;
    let (company, platform) = world::home(ctx, rule)?;
    let (_, root) = world::root_of(ctx, &mut world::Trees::default(), rule).await?;
    let accounts = whom::accounts(ctx.tx(), &company, platform).await?;
    let entries = store::entries(ctx.tx(), &run).await?;
    let pending = entries.iter().filter(|e| e.done.is_none()).count();
    if pending > 0 && ctx.now().since(run.at) < PENDING {
        let say = Say::RunPending {
            code: run.code.clone(),
            count: pending,
        };
        return Err(refuse(&say, lang));
    }
    let chats = store::chats(ctx.tx(), &rule.id).await?;
    let (current, names) = world::current(ctx, rule, &chats).await?;
    let mut now = Vec::new();
    for group in current.into_iter().filter(|c| c.ready) {
        let chat = chats.iter().find(|c| c.department == group.department);
        let Some((chat, id)) = chat.and_then(|c| Some((c, c.chat.as_ref()?))) else {
            continue;
        };
        // A group that has ended outside is not there to be changed.
        let Some((name, owner)) = store::seen(ctx.tx(), &chat.app, id).await? else {
            continue;
        };
        now.push(Now {
            department: group.department,
            name: name.unwrap_or(group.name),
            owner: owner.or(group.owner),
            members: group.members,
            claims: group.claims,
        });
    }
    let reachable = accounts.keys().cloned().collect();
    let can_disband = ctx.can(&rule.app, Ability::Disband);
    let (plan, kept) = way_back(&entries, &now, &reachable, can_disband);
    let mut names: std::collections::BTreeMap<_, _> = names.into_iter().collect();
    for person in people_of(&entries, &plan) {
        if !names.contains_key(&person)
            && let Some(found) = ctx.directory().person(&person).await?
        {
            names.insert(person, found.name);
        }
    }
    Ok(World {
        app: rule.app.clone(),
        root,
        accounts,
        names,
        chats,
        unreachable: 0,
        nobody: false,
        plan,
        back: Some(Back { run, kept }),
    })
}

fn people_of(entries: &[Entry], plan: &Plan) -> BTreeSet<crate::directory::PersonId> {
    let owners = plan.changes.iter().filter_map(|c| c.new_owner.clone());
    entries.iter().filter_map(|e| e.person.clone()).chain(owners).collect()
}

/// `/建群 撤销`: shows what would be taken back, and how to do it.
pub async fn show(ctx: &mut Ctx, rule: &GroupRule, asker: &Asker, run: Run, alone: Alone) -> Result<(), RuleError> {
    let lang = asker.lang;
    let at = ctx.local(run.at).format("%Y-%m-%d %H:%M").to_string();
    let actor = match crate::directory::PersonId::parse(&run.actor) {
        Some(id) => ctx.directory().person(&id).await?.map_or(run.actor.clone(), |p| p.name),
        None => run.actor.clone(),
    };
    let world = look(ctx, rule, run.clone(), lang).await?;
    refuse_inability(ctx, &world, lang)?;
    let title = Say::UndoTitle {
        rule: rule.id.clone(),
        code: run.code.clone(),
    };
    let mut last = Vec::new();
    if !world.plan.is_empty() {
        let code = world.code(&rule.id);
        let now = ctx.now();
        store::show_undo(ctx.tx(), &rule.id, &code, &run.id, now).await?;
        last.push(Say::UndoPauses);
        last.extend(world.plan.needs_second(alone).then_some(Say::SecondNeeded));
        last.push(Say::ToApply {
            rule: rule.id.clone(),
            code,
        });
    }
    let message = lines::way_back(title, Say::UndoOf { at, by: actor }, &world, &last, lang);
    ctx.answer(asker, AnswerPlace::Private, message)
}
