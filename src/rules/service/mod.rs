//! What the bot is: help, who I am, health, language; and it keeps the directory up to date from
//! what happens, so that every other rule finds its people and groups there.
//!
//! People see: `/帮助`, `/我`, `/体检`, `/语言`, and one line when the bot comes into a group. The
//! rule stands first in the list of rules: the others then find in the directory whom an event is
//! about.

mod events;
mod features;
mod health;
mod known;
pub mod store;

use std::sync::Arc;

use hutong_model::{BoxFuture, ChatKind, Event, EventHead, Kind, Message};

use super::{Ctx, Rule, RuleError};
use crate::access::store::rights_of;
use crate::access::{Rights, Role};
use crate::commands::help::{self, Reader};
use crate::commands::{AnswerPlace, ArgKind, ArgSpec, Asker, Call, CommandSpec, Registry, RegistryProblem};
use crate::text::Lang;
use crate::text::service::Say;

use known::Known;

pub const NAME: &str = "service";

/// Without an event for this long, people are told since when it is quiet.
const QUIET_MINUTES: i64 = 60;

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

const APP: ArgSpec = ArgSpec {
    name: "app",
    names: &["app", "应用"],
    kind: ArgKind::Text,
    positional: true,
    required: false,
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
        args: &[APP],
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
                "service.health" => self.health(ctx, asker, call.text("app")).await,
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

    async fn health(&self, ctx: &mut Ctx, asker: &Asker, app: Option<&str>) -> Result<(), RuleError> {
        let rights = rights_of(ctx.tx(), &asker.person.id).await?;
        if rights.anywhere(SEES_HEALTH) {
            let message = match app {
                Some(typed) => health::of_app(ctx, &asker.person, typed, asker.lang).await?,
                None => {
                    let (now, lang) = (ctx.now(), asker.lang);
                    let more = self.others.iter().flat_map(|r| r.health_lines(now, lang)).collect();
                    health::overview(ctx, &asker.person, lang, more).await?
                }
            };
            return ctx.answer(asker, AnswerPlace::Private, message);
        }
        let now = ctx.now();
        let minutes = store::last_event(ctx.tx(), &asker.app)
            .await?
            .map(|last| health::minutes(now, last.received_at));
        let say = match minutes {
            None => Say::NothingHeardYet,
            Some(minutes) if minutes >= QUIET_MINUTES => Say::QuietSince { minutes },
            Some(_) => Say::AllFine,
        };
        ctx.answer(asker, AnswerPlace::GroupLine, Message::text(say.in_lang(asker.lang)))
    }
}

#[cfg(test)]
mod tests;
