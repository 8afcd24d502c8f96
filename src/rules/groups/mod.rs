//! Groups by department: every department of a rule has its group, with the people who stand in it.
//!
//! People see: a welcome in a new group, and a private line that says why they were added. Operators
//! type `/建群 预览`, read what would change, and carry out exactly that with `/建群 执行`; large
//! removals need a second operator, and `/建群 撤销` takes a plan back. Who leaves a group by themselves stays out; who leaves the
//! company is removed; every change keeps its reason. With `auto = true` newcomers of a department
//! are added without a plan.

mod apply;
mod back;
mod budget;
mod full;
mod grace;
mod lines;
pub mod order;
mod own;
mod people;
mod plan;
pub mod report;
mod show;
mod sources;
mod split;
mod store;
mod succession;
mod undo;
mod world;

pub use crate::config::rules::groups as config;

use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use chrono_tz::Tz;
use hutong_model::{Body, BoxFuture, ButtonStyle, DeliveryClass, Event, EventHead, Kind, Message, Target, Timestamp};

use super::{Ctx, Rule, RuleError, Who};
use crate::access::Role;
use crate::access::store::{APPROVAL_VALID, Decided, audit, decide_approval, holders, request_approval, rights_of};
use crate::access::store::{Allowed, verdict};
use crate::commands::{AnswerPlace, ArgKind, ArgSpec, Asker, Call, Click, CommandSpec};
use crate::directory::PersonId;
use crate::schedule::{CronExpr, Misfire, Schedule, Spec, Workdays};
use crate::text::Lang;
use crate::text::groups::{Say, Started};

pub use back::run_of;
use config::GroupRule;
use lines::{plan_lines, some_names};
pub use plan::Alone;
use world::World;

pub const NAME: &str = "groups";

/// Four times an hour.
const RECONCILE: &str = "7,22,37,52 * * * *";
const OPERATORS: &[Role] = &[Role::Operator];
/// Operators who are asked to confirm.
const ASKED: usize = 5;

const RULE: ArgSpec = ArgSpec {
    name: "rule",
    names: &["rule", "规则"],
    kind: ArgKind::Text,
    positional: true,
    required: true,
};
const GROUP: ArgSpec = ArgSpec {
    name: "group",
    names: &["group", "群"],
    kind: ArgKind::Rest,
    positional: true,
    required: true,
};
const PLAN: ArgSpec = ArgSpec {
    name: "plan",
    names: &["plan", "计划"],
    kind: ArgKind::Text,
    positional: true,
    required: true,
};
const WHAT: ArgSpec = ArgSpec {
    name: "what",
    names: &["what", "做什么"],
    kind: ArgKind::Choice(&["查看", "暂停", "恢复", "show", "pause", "resume"]),
    positional: true,
    required: true,
};

pub const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        id: "groups.preview",
        bare: false,
        args: &[RULE],
        roles: OPERATORS,
        place: AnswerPlace::Private,
    },
    CommandSpec {
        id: "groups.apply",
        bare: false,
        args: &[RULE, PLAN],
        roles: OPERATORS,
        place: AnswerPlace::Private,
    },
    CommandSpec {
        id: "groups.undo",
        bare: false,
        args: &[PLAN],
        roles: OPERATORS,
        place: AnswerPlace::Private,
    },
    CommandSpec {
        id: "groups.rule",
        bare: false,
        args: &[WHAT, RULE],
        roles: OPERATORS,
        place: AnswerPlace::Private,
    },
    CommandSpec {
        id: "groups.join",
        bare: false,
        args: &[GROUP],
        roles: &[Role::Member],
        place: AnswerPlace::Private,
    },
    CommandSpec {
        id: "groups.leave",
        bare: false,
        args: &[GROUP],
        roles: &[Role::Member],
        place: AnswerPlace::Private,
    },
];

/// See the module.
pub struct Groups {
    rules: Vec<GroupRule>,
    zone: Tz,
    alone: Alone,
    workdays: Arc<dyn Workdays>,
}

impl Groups {
    /// `zone` and `workdays` are the company's; `alone` is what one operator may remove.
    pub fn new(rules: Vec<GroupRule>, zone: Tz, alone: Alone, workdays: Arc<dyn Workdays>) -> Self {
        Self {
            rules,
            zone,
            alone,
            workdays,
        }
    }

    fn rule(&self, id: &str) -> Option<&GroupRule> {
        self.rules.iter().find(|r| r.id == id)
    }

    fn named(&self, id: &str, lang: Lang) -> Result<&GroupRule, RuleError> {
        self.rule(id).ok_or_else(|| {
            let known: Vec<&str> = self.rules.iter().map(|r| r.id.as_str()).collect();
            refuse(
                &Say::NoSuchRule {
                    typed: id.chars().take(32).collect(),
                    known: known.join(" · "),
                },
                lang,
            )
        })
    }

    async fn apply(&self, ctx: &mut Ctx, rule: &GroupRule, asker: &Asker, code: &str) -> Result<(), RuleError> {
        // Two operators at the same moment: the second one sees what the first has begun.
        ctx.tx().lock(&format!("groups:{}", rule.id)).await?;
        let back = store::undo_shown(ctx.tx(), &rule.id, code).await?;
        let world = look_again(ctx, rule, code, back, asker.lang).await?;
        let fresh = world.back.is_none() && fresh_until(ctx, rule).await?.is_some();
        if fresh || world.plan.needs_second(self.alone) {
            return ask_second(ctx, rule, asker, &world, code, fresh).await;
        }
        let say = self.carry_out(ctx, rule, &world, &asker.person.id, None).await?;
        ctx.answer(asker, AnswerPlace::Private, Message::text(say.in_lang(asker.lang)))
    }

    async fn carry_out(
        &self,
        ctx: &mut Ctx,
        rule: &GroupRule,
        world: &World,
        author: &PersonId,
        second: Option<&PersonId>,
    ) -> Result<Say, RuleError> {
        let plan = &world.plan;
        let code = world.code(&rule.id);
        let now = ctx.now();
        let started = Started {
            groups: plan.changes.len(),
            adds: plan.added().count(),
            removes: plan.removed().count(),
        };
        let back = world.back.as_ref().map(|b| &b.run);
        let detail = serde_json::json!({
            "plan": code,
            "undo": back.map(|r| r.code.as_str()),
            "groups": started.groups,
            "add": started.adds,
            "remove": started.removes,
            "second": second.map(PersonId::as_str),
        });
        let action = if back.is_some() { "groups.undo" } else { "groups.apply" };
        audit(ctx.tx(), now, author.as_str(), action, &rule.id, &detail).await?;
        let event: String = ctx.event_id().bytes().iter().map(|b| format!("{b:02x}")).collect();
        let run = store::Run {
            id: crate::ids::short_hash(&["group plan", &event, &rule.id], 20),
            rule: rule.id.clone(),
            code: code.clone(),
            at: now,
            actor: author.as_str().to_owned(),
            undone: false,
        };
        store::put_run(ctx.tx(), &run, back.map(|r| r.id.as_str()), now).await?;
        if back.is_some() {
            store::set_paused(ctx.tx(), &rule.id, true, author, now).await?;
        }
        let reason = match back {
            Some(back) => Say::ReasonUndo(back.code.clone()),
            None => Say::ReasonPlan(code),
        };
        let why = store::Why {
            actor: author.as_str(),
            reason: &reason.in_lang(ctx.env().lang),
            run: Some(&run.id),
        };
        grace::begin(ctx, rule, &plan.grace, self.workdays.as_ref()).await?;
        apply::emit_plan(ctx, rule, world, why).await?;
        budget::book(ctx, &rule.app, plan).await?;
        if back.is_none() {
            let mut told = people::Told::default();
            told.plan(rule, plan, &world.chats);
            told.tell(ctx).await?;
        }
        Ok(match back {
            Some(_) => Say::UndoStarted {
                started,
                rule: rule.id.clone(),
            },
            None => Say::Started {
                started,
                code: run.code.clone(),
            },
        })
    }

    async fn decide(
        &self,
        ctx: &mut Ctx,
        rule: &GroupRule,
        asker: &Asker,
        approval: &str,
        approve: bool,
    ) -> Result<(), RuleError> {
        let lang = asker.lang;
        let now = ctx.now();
        let approval = match decide_approval(ctx.tx(), approval, &asker.person.id, approve, now).await? {
            Decided::Now(approval) => approval,
            Decided::Already { approved } => return Err(refuse(&Say::ApprovalDecided { approved }, lang)),
            Decided::OwnRequest => return Err(refuse(&Say::OwnRequest, lang)),
            Decided::Expired | Decided::NotFound => return Err(refuse(&Say::ApprovalOver, lang)),
        };
        let body: serde_json::Value = serde_json::from_str(&approval.body).unwrap_or_default();
        if body["rule"] != rule.id.as_str() || approval.rule != NAME {
            return Err(RuleError::Fail("an approval of another rule".to_owned()));
        }
        let by = asker.person.name.clone();
        let told = if approve {
            ctx.tx().lock(&format!("groups:{}", rule.id)).await?;
            let back = match body["undo"].as_str() {
                Some(run) => store::run(ctx.tx(), run).await?,
                None => None,
            };
            let world = look_again(ctx, rule, body["plan"].as_str().unwrap_or_default(), back, lang).await?;
            let say = self
                .carry_out(ctx, rule, &world, &approval.author, Some(&asker.person.id))
                .await?;
            ctx.answer(asker, AnswerPlace::Private, Message::text(say.in_lang(lang)))?;
            Say::ApprovalYes { by }
        } else {
            let say = Say::ApprovalNo { by: by.clone() };
            ctx.answer(asker, AnswerPlace::Private, Message::text(say.in_lang(lang)))?;
            Say::ApprovalNo { by }
        };
        let author_lang = match ctx.directory().person(&approval.author).await? {
            Some(author) => author
                .language
                .as_deref()
                .and_then(Lang::parse)
                .unwrap_or(ctx.env().lang),
            None => return Ok(()),
        };
        let text = Message::text(told.in_lang(author_lang));
        ctx.tell("author", &asker.app, &approval.author, DeliveryClass::Reply, text)
            .await?;
        Ok(())
    }
}

fn refuse(say: &Say, lang: Lang) -> RuleError {
    RuleError::refuse(Message::text(say.in_lang(lang)))
}

impl Rule for Groups {
    fn name(&self) -> &'static str {
        NAME
    }

    fn commands(&self) -> &'static [CommandSpec] {
        COMMANDS
    }

    /// Finds what events have not told.
    fn schedules(&self) -> Vec<Schedule> {
        // The date only proves that the expression comes true at some time.
        let every = CronExpr::parse(RECONCILE, NaiveDate::default());
        let schedule = |expr| Schedule {
            id: format!("{NAME}:reconcile"),
            rule: NAME.to_owned(),
            spec: Spec::Cron(expr),
            zone: self.zone,
            misfire: Misfire::Skip,
            grace: Duration::from_secs(15 * 60),
        };
        match self.rules.is_empty() {
            true => Vec::new(),
            false => every.ok().map(schedule).into_iter().collect(),
        }
    }

    fn wants(&self, head: &EventHead<'_>) -> bool {
        !self.rules.is_empty() && matches!(head.kind, Kind::Member | Kind::Person)
    }

    fn checks_scope(&self, _command: &str) -> bool {
        true
    }

    fn on_event<'a>(&'a self, ctx: &'a mut Ctx, event: &'a Event) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move {
            match &event.body {
                Body::Member {
                    chat,
                    users,
                    joined,
                    by,
                } => people::membership(ctx, &self.rules, event, &chat.id, users, *joined, by.as_ref()).await,
                Body::Person { user, left: true, .. } => people::left_company(ctx, &self.rules, event, user).await,
                Body::Person {
                    user,
                    record: Some(record),
                    ..
                } if record.active => {
                    people::newcomer(ctx, &self.rules, event, user).await?;
                    grace::moved(ctx, &self.rules, event, user, self.workdays.as_ref()).await
                }
                Body::Person {
                    user, record: Some(_), ..
                } => people::left_company(ctx, &self.rules, event, user).await,
                Body::Tick { schedule, .. } if schedule.starts_with(order::TICK) => {
                    let id = schedule.strip_prefix(order::TICK).unwrap_or_default();
                    order::carry_out(self, ctx, id).await
                }
                Body::Tick { .. } => {
                    let mut told = people::Told::default();
                    for rule in &self.rules {
                        let workdays = self.workdays.as_ref();
                        people::reconcile(ctx, &self.rules, rule, self.alone, workdays, &mut told).await?;
                    }
                    told.tell(ctx).await
                }
                Body::EffectDone {
                    ok,
                    code,
                    receipt,
                    failed,
                    tag,
                    ..
                } => apply::settle(ctx, &self.rules, event, *ok, code.as_deref(), receipt, failed, tag).await,
                _ => Ok(()),
            }
        })
    }

    fn on_command<'a>(&'a self, ctx: &'a mut Ctx, call: &'a Call) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move {
            let asker = &call.asker;
            match call.id {
                "groups.join" => return own::join(self, ctx, call).await,
                "groups.leave" => return own::leave(self, ctx, call).await,
                _ => {}
            }
            let code = call.text("plan").unwrap_or_default();
            let run = match call.id {
                "groups.undo" => Some(back::run_of(ctx, code, asker.lang).await?),
                _ => None,
            };
            let named = match &run {
                Some(run) => &run.rule,
                None => call.text("rule").unwrap_or_default(),
            };
            let rule = self.named(named, asker.lang)?;
            if rule_company(ctx, rule)? != asker.person.company {
                return Err(refuse(&Say::NotYours, asker.lang));
            }
            require(ctx, rule, &asker.person.id, asker.lang).await?;
            if let Some(run) = run {
                return back::show(ctx, rule, asker, run, self.alone).await;
            }
            match call.id {
                "groups.preview" => preview(ctx, rule, asker, self.alone).await,
                "groups.apply" => self.apply(ctx, rule, asker, code).await,
                "groups.rule" => match call.text("what") {
                    Some("暂停" | "pause") => pause(ctx, rule, asker, true).await,
                    Some("恢复" | "resume") => pause(ctx, rule, asker, false).await,
                    _ => show::show(ctx, rule, asker).await,
                },
                other => Err(RuleError::Fail(format!("no handler for the command {other}"))),
            }
        })
    }

    fn on_click<'a>(&'a self, ctx: &'a mut Ctx, click: &'a Click) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move {
            let (Some(id), Some(rule)) = (click.args.first(), click.args.get(1)) else {
                return Err(RuleError::Fail("a button without arguments".to_owned()));
            };
            let rule = self.named(rule, click.asker.lang)?;
            if rule_company(ctx, rule)? != click.asker.person.company {
                return Err(refuse(&Say::NotYours, click.asker.lang));
            }
            if click.verb == own::LEAVE {
                return own::leave_by_button(ctx, rule, &click.asker, id).await;
            }
            require(ctx, rule, &click.asker.person.id, click.asker.lang).await?;
            if click.verb == apply::AGAIN {
                return make_again(ctx, rule, &click.asker, id).await;
            }
            self.decide(ctx, rule, &click.asker, id, click.verb == "approve").await
        })
    }
}

fn rule_company(ctx: &Ctx, rule: &GroupRule) -> Result<hutong_model::CompanyId, RuleError> {
    world::home(ctx, rule).map(|(company, _)| company)
}

/// The person must be an operator of the department that the rule begins at, read now.
async fn require(ctx: &mut Ctx, rule: &GroupRule, person: &PersonId, lang: Lang) -> Result<(), RuleError> {
    let (_, root) = world::root_of(ctx, &mut world::Trees::default(), rule).await?;
    let place = world::place_of(ctx, root.as_ref()).await?;
    let rights = rights_of(ctx.tx(), person).await?;
    match verdict(rights, OPERATORS, &place) {
        Allowed::Yes(_) => Ok(()),
        Allowed::Elsewhere(_) | Allowed::No(_) => Err(refuse(&Say::NotYours, lang)),
    }
}

fn refuse_nobody(rule: &GroupRule, world: &World, lang: Lang) -> Result<(), RuleError> {
    match world.nobody {
        false => Ok(()),
        true => Err(refuse(
            &Say::Nobody {
                rule: rule.id.clone(),
                dept: rule.source_name(),
            },
            lang,
        )),
    }
}

fn refuse_inability(ctx: &Ctx, world: &World, lang: Lang) -> Result<(), RuleError> {
    match world::inability(ctx, world) {
        None => Ok(()),
        Some((ability, other)) => Err(refuse(
            &Say::Cannot {
                app: world.app.to_string(),
                ability,
                other: other.map(|o| o.to_string()),
            },
            lang,
        )),
    }
}

/// The end of a new rule's first days, while they last.
pub(super) async fn fresh_until(ctx: &mut Ctx, rule: &GroupRule) -> Result<Option<Timestamp>, RuleError> {
    let now = ctx.now();
    let end =
        store::first_seen(ctx.tx(), &rule.id, now).await? + Duration::from_secs(u64::from(rule.preview_days) * 86_400);
    Ok((now < end).then_some(end))
}

async fn preview(ctx: &mut Ctx, rule: &GroupRule, asker: &Asker, alone: Alone) -> Result<(), RuleError> {
    let world = world::look(ctx, rule).await?;
    refuse_nobody(rule, &world, asker.lang)?;
    refuse_inability(ctx, &world, asker.lang)?;
    let fresh = fresh_until(ctx, rule).await?;
    let fresh = fresh.map(|at| ctx.local(at).format("%m-%d %H:%M").to_string());
    let tail = lines::Tail {
        second: match fresh {
            Some(until) => Some(Say::Fresh(until)),
            None => world.plan.needs_second(alone).then_some(Say::SecondNeeded),
        },
        takes: takes(ctx, &world).await?,
        apply: Say::ToApply {
            rule: rule.id.clone(),
            code: world.code(&rule.id),
        },
    };
    let message = lines::preview(&rule.id, &world, tail, asker.lang);
    ctx.answer(asker, AnswerPlace::Private, message)
}

/// The plan as it is now, when that is still the one that was seen. A way back may be gone also while
/// the rule is paused, and pauses it.
async fn look_again(
    ctx: &mut Ctx,
    rule: &GroupRule,
    code: &str,
    back: Option<store::Run>,
    lang: Lang,
) -> Result<World, RuleError> {
    let changed = match &back {
        Some(run) => Say::UndoChanged { code: run.code.clone() },
        None => Say::PlanChanged { rule: rule.id.clone() },
    };
    let world = match back {
        Some(run) => back::look(ctx, rule, run, lang).await?,
        None if store::paused(ctx.tx(), &rule.id).await? => {
            return Err(refuse(&Say::Paused(rule.id.clone()), lang));
        }
        None => world::look(ctx, rule).await?,
    };
    refuse_nobody(rule, &world, lang)?;
    refuse_inability(ctx, &world, lang)?;
    match world.plan.is_empty() || world.code(&rule.id) != code {
        true => Err(refuse(&changed, lang)),
        false => Ok(world),
    }
}

async fn ask_second(
    ctx: &mut Ctx,
    rule: &GroupRule,
    asker: &Asker,
    world: &World,
    code: &str,
    fresh: bool,
) -> Result<(), RuleError> {
    let place = world::place_of(ctx, world.root.as_ref()).await?;
    let others = holders(ctx.tx(), &asker.person.company, OPERATORS, &place).await?;
    let back = world.back.as_ref().map(|b| b.run.id.as_str());
    let body = serde_json::json!({ "rule": rule.id, "plan": code, "undo": back }).to_string();
    let now = ctx.now();
    let id = request_approval(ctx.tx(), NAME, "apply", &body, &asker.person.id, now).await?;
    let mut asked = Vec::new();
    for person in others.iter().filter(|p| **p != asker.person.id) {
        if asked.len() >= ASKED {
            break;
        }
        let Some(found) = ctx.directory().person(person).await? else {
            continue;
        };
        let lang = found
            .language
            .as_deref()
            .and_then(Lang::parse)
            .unwrap_or(ctx.env().lang);
        let message = lines::approval(&rule.id, &asker.person.name, world, lang);
        let args = vec![id.clone(), rule.id.clone()];
        let only = Who::Only(person);
        let yes = ctx.button(
            Say::Approve.in_lang(lang),
            "approve",
            args.clone(),
            ButtonStyle::Danger,
            only,
            APPROVAL_VALID,
        )?;
        let no = ctx.button(
            Say::Decline.in_lang(lang),
            "decline",
            args,
            ButtonStyle::Normal,
            only,
            APPROVAL_VALID,
        )?;
        let part = format!("second:{person}");
        let message = message.buttons(vec![yes, no]);
        if ctx
            .tell(&part, &asker.app, person, DeliveryClass::Reply, message)
            .await?
        {
            asked.push(found.name);
        }
    }
    if asked.is_empty() {
        return Err(refuse(&Say::NoSecond { fresh }, asker.lang));
    }
    let say = Say::AskedSecond {
        names: asked.join("、"),
        fresh,
    };
    ctx.answer(asker, AnswerPlace::Private, Message::text(say.in_lang(asker.lang)))
}

/// An operator has looked: the group is not there, and the next plan may make it.
async fn make_again(ctx: &mut Ctx, rule: &GroupRule, asker: &Asker, department: &str) -> Result<(), RuleError> {
    ctx.tx().lock(&format!("groups:{}", rule.id)).await?;
    let found = store::chat(ctx.tx(), &rule.id, department).await?;
    let Some(chat) = found.filter(|c| c.state == apply::UNCLEAR) else {
        return Err(refuse(&Say::UnclearOver, asker.lang));
    };
    let now = ctx.now();
    let detail = serde_json::json!({ "department": department });
    audit(
        ctx.tx(),
        now,
        asker.person.id.as_str(),
        "groups.not_made",
        &rule.id,
        &detail,
    )
    .await?;
    let why = chat.detail.clone();
    apply::not_made(ctx, chat, &why).await?;
    let say = Say::UnclearSettled { rule: rule.id.clone() };
    ctx.answer(asker, AnswerPlace::Private, Message::text(say.in_lang(asker.lang)))
}

async fn pause(ctx: &mut Ctx, rule: &GroupRule, asker: &Asker, paused: bool) -> Result<(), RuleError> {
    let now = ctx.now();
    store::set_paused(ctx.tx(), &rule.id, paused, &asker.person.id, now).await?;
    let action = if paused { "groups.pause" } else { "groups.resume" };
    let by = asker.person.id.as_str();
    audit(ctx.tx(), now, by, action, &rule.id, &serde_json::json!({})).await?;
    let say = if paused { Say::RulePaused } else { Say::RuleResumed };
    ctx.answer(asker, AnswerPlace::Private, Message::text(say.in_lang(asker.lang)))
}

/// How long a plan takes, when that is worth a word.
async fn takes(ctx: &mut Ctx, world: &World) -> Result<Option<Say>, RuleError> {
    let minutes = budget::wait(ctx, &world.app, &world.plan).await?.as_secs().div_ceil(60);
    Ok((minutes > 1).then_some(Say::Takes(minutes)))
}

/// Where a message for a chat goes.
fn to(chat: &hutong_model::ChatId) -> Target {
    Target::Chat(chat.clone())
}

#[cfg(test)]
mod tests;
