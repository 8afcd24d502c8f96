//! What the bot is: help, who I am, health, language; and it keeps the directory up to date from
//! what happens, so that every other rule finds its people and groups there.
//!
//! People see: `/帮助`, `/我`, `/体检`, `/语言`, and one line when the bot comes into a group. The
//! rule stands first in the list of rules: the others then find in the directory whom an event is
//! about.

mod events;
mod known;
mod store;

use std::sync::Arc;

use hutong_model::{Ability, BoxFuture, ChatKind, Event, EventHead, Kind, Message};

use super::{Ctx, Rule, RuleError};
use crate::access::store::rights_of;
use crate::access::{Rights, Role};
use crate::commands::help::{self, Reader};
use crate::commands::{AnswerPlace, ArgKind, ArgSpec, Asker, Call, CommandSpec, Registry, RegistryProblem};
use crate::directory::Person;
use crate::text::Lang;
use crate::text::service::Say;

use known::Known;

pub const NAME: &str = "service";

/// Without an event for this long, people are told since when it is quiet.
const QUIET_MINUTES: i64 = 60;
/// Difference to the platform's clock that is worth a line.
const CLOCK_OFF_SECONDS: i64 = 5;

/// Who sees the whole of `/health`.
const SEES_HEALTH: &[Role] = &[Role::Operator, Role::Auditor];

const TOPIC: ArgSpec = ArgSpec {
    name: "topic",
    names: &["topic", "命令"],
    kind: ArgKind::Rest,
    positional: true,
    required: false,
};
const LANGUAGE: ArgSpec = ArgSpec {
    name: "lang",
    names: &["lang", "语言"],
    kind: ArgKind::Choice(&["zh", "en", "中文", "英文"]),
    positional: true,
    required: true,
};

pub const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        id: "service.help",
        bare: true,
        args: &[TOPIC],
        roles: &[Role::Member],
        place: AnswerPlace::Anywhere,
    },
    CommandSpec {
        id: "service.me",
        bare: false,
        args: &[],
        roles: &[Role::Member],
        place: AnswerPlace::Private,
    },
    CommandSpec {
        id: "service.health",
        bare: false,
        args: &[],
        roles: &[Role::Member],
        place: AnswerPlace::GroupLine,
    },
    CommandSpec {
        id: "service.lang",
        bare: false,
        args: &[LANGUAGE],
        roles: &[Role::Member],
        place: AnswerPlace::GroupLine,
    },
];

/// The rule. It holds the other rules, whose commands it explains and whose lines stand in `/me`.
pub struct Service {
    others: Vec<Arc<dyn Rule>>,
    registry: Arc<Registry>,
    known: Known,
}

impl Service {
    pub fn new(others: Vec<Arc<dyn Rule>>, registry: Arc<Registry>) -> Self {
        Self {
            others,
            registry,
            known: Known::default(),
        }
    }

    /// Puts this rule in front of the others, and makes the registry of all their commands.
    pub fn in_front_of(others: Vec<Arc<dyn Rule>>) -> Result<Assembled, Vec<RegistryProblem>> {
        let own = [(NAME, COMMANDS)];
        let registry = Arc::new(Registry::build(
            own.into_iter().chain(others.iter().map(|r| (r.name(), r.commands()))),
        )?);
        let mut rules: Vec<Arc<dyn Rule>> = vec![Arc::new(Service::new(others.clone(), registry.clone()))];
        rules.extend(others);
        Ok(Assembled { rules, registry })
    }
}

/// All rules in the order in which they see an event, and all commands.
pub struct Assembled {
    pub rules: Vec<Arc<dyn Rule>>,
    pub registry: Arc<Registry>,
}

impl Rule for Service {
    fn name(&self) -> &'static str {
        NAME
    }

    fn commands(&self) -> &'static [CommandSpec] {
        COMMANDS
    }

    fn wants(&self, head: &EventHead<'_>) -> bool {
        match head.kind {
            Kind::Message => self.known.is_news(head),
            Kind::Member | Kind::Bot | Kind::Chat | Kind::Person | Kind::Department | Kind::DirectoryScope => true,
            _ => false,
        }
    }

    fn on_event<'a>(&'a self, ctx: &'a mut Ctx, event: &'a Event) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(events::handle(&self.known, ctx, event))
    }

    fn on_command<'a>(&'a self, ctx: &'a mut Ctx, call: &'a Call) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move {
            let asker = &call.asker;
            match call.id {
                "service.help" => {
                    let message = self.help(ctx, asker, call.text("topic")).await?;
                    ctx.answer(asker, AnswerPlace::Anywhere, message)
                }
                "service.me" => {
                    let message = self.me(ctx, asker).await?;
                    ctx.answer(asker, AnswerPlace::Private, message)
                }
                "service.health" => self.health(ctx, asker).await,
                "service.lang" => {
                    let lang = match call.text("lang") {
                        Some("en" | "英文") => Lang::En,
                        _ => Lang::Zh,
                    };
                    ctx.directory().set_language(&asker.person.id, lang.as_str()).await?;
                    ctx.answer(
                        asker,
                        AnswerPlace::GroupLine,
                        Message::text(Say::LanguageSet.in_lang(lang)),
                    )
                }
                other => Err(RuleError::Fail(format!("no handler for the command {other}"))),
            }
        })
    }
}

fn in_group(asker: &Asker) -> bool {
    asker.chat.as_ref().is_some_and(|c| c.kind == ChatKind::Group)
}

impl Service {
    async fn help(&self, ctx: &mut Ctx, asker: &Asker, topic: Option<&str>) -> Result<Message, RuleError> {
        let rights = rights_of(ctx.tx(), &asker.person.id).await?;
        if let Some(topic) = topic {
            return Ok(match self.registry.named(topic) {
                Some(spec) if rights.anywhere(spec.roles) => help::of_command(&self.registry, spec, asker.lang),
                _ => {
                    let typed: String = topic.chars().take(20).collect();
                    Message::text(Say::HelpNoSuch(typed).in_lang(asker.lang))
                }
            });
        }
        let reader = Reader {
            rights: &rights,
            group: in_group(asker),
            caps: ctx.caps(&asker.app),
            lang: asker.lang,
        };
        Ok(help::overview(&self.registry, reader))
    }

    async fn me(&self, ctx: &mut Ctx, asker: &Asker) -> Result<Message, RuleError> {
        let lang = asker.lang;
        // As of now, and not as of the moment the command was taken in.
        let person = ctx
            .directory()
            .person(&asker.person.id)
            .await?
            .unwrap_or_else(|| asker.person.clone());
        let mut lines = Vec::new();
        if let Some(department) = &person.department_name {
            let say = Say::MeDepartment {
                department: department.clone(),
                title: person.title.clone(),
            };
            lines.push(say.in_lang(lang));
        }
        let mut platforms: Vec<_> = ctx
            .directory()
            .identities(&person.id)
            .await?
            .iter()
            .map(|i| i.platform)
            .collect();
        platforms.dedup();
        lines.push(Say::MePlatforms(platforms).in_lang(lang));
        let Rights(roles) = rights_of(ctx.tx(), &person.id).await?;
        lines.push(Say::MeRoles(roles.into_iter().collect()).in_lang(lang));
        lines.push(Say::MeLanguage.in_lang(lang));
        for rule in &self.others {
            let more = rule.me_lines(ctx, &person, lang).await?;
            lines.extend(more.into_iter().take(3));
        }
        let mut message = Message::card(Say::MeTitle(person.name.clone()).in_lang(lang));
        for line in lines.into_iter().take(help::MAX_LINES - 1) {
            message = message.line(line);
        }
        Ok(message)
    }

    async fn health(&self, ctx: &mut Ctx, asker: &Asker) -> Result<(), RuleError> {
        let rights = rights_of(ctx.tx(), &asker.person.id).await?;
        if rights.anywhere(SEES_HEALTH) {
            let message = full_health(ctx, &asker.person, asker.lang).await?;
            return ctx.answer(asker, AnswerPlace::Private, message);
        }
        let now = ctx.now();
        let minutes = store::last_event(ctx.tx(), &asker.app)
            .await?
            .map(|last| minutes(now, last.received_at));
        let say = match minutes {
            None => Say::NothingHeardYet,
            Some(minutes) if minutes >= QUIET_MINUTES => Say::QuietSince { minutes },
            Some(_) => Say::AllFine,
        };
        ctx.answer(asker, AnswerPlace::GroupLine, Message::text(say.in_lang(asker.lang)))
    }
}

fn minutes(now: hutong_model::Timestamp, then: hutong_model::Timestamp) -> i64 {
    i64::try_from(now.since(then).as_secs() / 60).unwrap_or(i64::MAX)
}

/// What an app should be able to do; what is missing of it is shown.
const EXPECTED: &[Ability] = &[
    Ability::SendToChat,
    Ability::SendToUser,
    Ability::Reply,
    Ability::UpdateCard,
    Ability::CreateChat,
    Ability::AddMembers,
    Ability::RemoveMembers,
    Ability::ListPeople,
    Ability::ButtonsInChat,
    Ability::ButtonsToUser,
    Ability::SeesMembers,
    Ability::SeesRecalls,
];

async fn full_health(ctx: &mut Ctx, person: &Person, lang: Lang) -> Result<Message, RuleError> {
    let env = ctx.env().clone();
    let now = ctx.now();
    let mut message = Message::card(Say::HealthTitle.in_lang(lang));
    let mut clock_off: i64 = 0;
    let mut synced = Vec::new();
    let mut lines = Vec::new();
    for (id, app) in env.apps.iter().filter(|(_, a)| a.company == person.company) {
        let caps = app.adapter.capabilities();
        let last = store::last_event(ctx.tx(), id).await?;
        if let Some(last) = &last {
            // An event cannot have happened after it arrived: then one of the clocks is wrong.
            clock_off = clock_off.max((last.occurred_at.millis() - last.received_at.millis()) / 1000);
        }
        let head = Say::HealthApp {
            app: id.to_string(),
            kind: caps.kind.to_owned(),
            sees: caps.sees.iter().copied().collect(),
        };
        let link = env.links.get(id).map(|figures| figures.snapshot());
        let receives = match &link {
            None => Say::HealthCallback,
            Some(link) => Say::HealthLink {
                standing: link.standing.clone(),
                minutes: minutes(now, link.since),
                why: link.last_why,
            },
        };
        let age = match (&last, &link) {
            (None, Some(_)) => Say::HealthNoEventOnLink,
            (last, _) => Say::HealthLast {
                minutes: last.as_ref().map(|l| minutes(now, l.received_at)),
            },
        };
        let missing: Vec<Ability> = EXPECTED.iter().copied().filter(|a| !caps.can(*a)).collect();
        let mut line = format!(
            "{} · {} · {}",
            head.in_lang(lang),
            receives.in_lang(lang),
            age.in_lang(lang)
        );
        if !missing.is_empty() {
            line.push_str(" · ");
            line.push_str(&Say::HealthMissing(missing).in_lang(lang));
        }
        if let Some(quota) = app.adapter.quota().map(|book| book.usage(now))
            && (quota.limit.is_some() || quota.used_up)
        {
            line.push_str(" · ");
            line.push_str(&Say::HealthQuota(quota).in_lang(lang));
        }
        lines.push(line);
        if caps.can(Ability::ListPeople) {
            synced.extend(store::last_sync(ctx.tx(), id).await?);
        }
    }
    let counts = store::counts(ctx.tx()).await?;
    lines.push(
        Say::HealthQueues {
            inbox: counts.inbox,
            failed: counts.dead_work,
            outbox: counts.outbox,
            parked: counts.parked,
        }
        .in_lang(lang),
    );
    lines.push(
        if clock_off > CLOCK_OFF_SECONDS {
            Say::HealthClockOff { seconds: clock_off }
        } else {
            Say::HealthClockGood
        }
        .in_lang(lang),
    );
    let sync = match synced.iter().min_by_key(|s| s.finished_at) {
        None => Say::HealthNoSync,
        Some(oldest) => Say::HealthSync {
            minutes: minutes(now, oldest.finished_at),
            people: synced.iter().map(|s| s.people).sum(),
            held: synced.iter().map(|s| s.held).sum(),
        },
    };
    lines.push(sync.in_lang(lang));
    for line in lines {
        message = message.line(line);
    }
    Ok(message)
}

#[cfg(test)]
mod tests;
