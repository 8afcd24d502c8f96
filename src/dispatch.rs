//! Who gets an event: its commands and clicks go to the rule they belong to, ticks and results to
//! the rule that asked for them, and everything to the rules that want it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hutong_model::{Ability, Body, CardClick, ChatKind, ChatRef, Event, Kind, MessageEvent, SenderKind, UserId};

use crate::access::store::{Allowed, allowed, audit, rights_of};
use crate::access::{Role, token::TokenError};
use crate::commands::help;
use crate::commands::parse::{Parsed, parse};
use crate::commands::registry::Registry;
use crate::commands::{AnswerPlace, Asker, Call, Click};
use crate::rules::service::{self, Assembled};
use crate::rules::{Ctx, Rule, RuleError};
use crate::text::Lang;
use crate::text::service::Say;

/// What is too old when its turn comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ages {
    /// Older commands and clicks are not run: nobody waits for them any more.
    pub command: Duration,
    /// Older messages, reactions and clicks count for nothing. The directory still learns from them.
    pub event: Duration,
}

impl Default for Ages {
    fn default() -> Self {
        Self {
            command: Duration::from_secs(15 * 60),
            event: Duration::from_secs(7 * 86_400),
        }
    }
}

/// The rules, and the way to them.
pub struct Dispatcher {
    pub rules: Vec<Arc<dyn Rule>>,
    pub registry: Arc<Registry>,
    by_name: HashMap<&'static str, usize>,
    ages: Ages,
}

const COMMAND: &str = "/command";
const CLICK: &str = "/click";

/// True for the [`Item::work_name`] of something that a person asked for.
pub fn was_asked_for(work_name: &str) -> bool {
    work_name.ends_with(COMMAND) || work_name.ends_with(CLICK)
}

/// One (event, rule) item.
pub struct Item {
    pub rule: &'static str,
    pub kind: ItemKind,
}

pub enum ItemKind {
    Event,
    Command(Box<Call>, AnswerPlace),
    Click(Box<Click>),
}

impl Item {
    /// Under which name a failure of this item is kept: one event may be a command to a rule and
    /// something that the same rule listens to, and each is tried again alone.
    pub fn work_name(&self) -> String {
        match &self.kind {
            ItemKind::Event => self.rule.to_owned(),
            ItemKind::Command(..) => format!("{}{COMMAND}", self.rule),
            ItemKind::Click(_) => format!("{}{CLICK}", self.rule),
        }
    }

    pub fn asker(&self) -> Option<&Asker> {
        match &self.kind {
            ItemKind::Event => None,
            ItemKind::Command(call, _) => Some(&call.asker),
            ItemKind::Click(click) => Some(&click.asker),
        }
    }

    pub fn place(&self) -> AnswerPlace {
        match &self.kind {
            ItemKind::Command(_, place) => *place,
            _ => AnswerPlace::Private,
        }
    }
}

impl Dispatcher {
    pub fn new(assembled: Assembled, ages: Ages) -> Self {
        let Assembled { rules, registry } = assembled;
        let by_name = rules.iter().enumerate().map(|(i, r)| (r.name(), i)).collect();
        Self {
            rules,
            registry,
            by_name,
            ages,
        }
    }

    fn rule(&self, name: &str) -> Option<&Arc<dyn Rule>> {
        self.by_name.get(name).and_then(|i| self.rules.get(*i))
    }

    /// The items of one event, in the order of the rules.
    pub async fn plan(&self, ctx: &mut Ctx, event: &Event) -> Result<Vec<Item>, RuleError> {
        let mut items = Vec::new();
        let own = match &event.body {
            Body::Message(message) if message.addressed && message.sender.kind == SenderKind::Person => {
                self.command(ctx, event, message).await?
            }
            Body::Click(click) => self.click(ctx, event, click).await?,
            Body::Tick { schedule, .. } => self.named(schedule.split(':').next().unwrap_or("")),
            Body::EffectDone { rule, .. } => self.named(rule),
            _ => None,
        };
        items.extend(own);
        let head = event.head();
        let stale = matches!(head.kind, Kind::Message | Kind::Reaction | Kind::Click)
            && ctx.now().since(event.occurred_at) > self.ages.event;
        if stale {
            tracing::info!(event = %event.id, kind = head.kind.as_str(), "dispatch.stale");
        }
        for rule in &self.rules {
            if stale && rule.name() != service::NAME {
                continue;
            }
            if rule.wants(&head) {
                items.push(Item {
                    rule: rule.name(),
                    kind: ItemKind::Event,
                });
            }
        }
        Ok(items)
    }

    fn named(&self, name: &str) -> Option<Item> {
        self.rule(name).map(|rule| Item {
            rule: rule.name(),
            kind: ItemKind::Event,
        })
    }

    pub async fn run(&self, ctx: &mut Ctx, event: &Event, item: &Item) -> Result<(), RuleError> {
        let rule = self
            .rule(item.rule)
            .ok_or_else(|| RuleError::Fail(format!("the rule {} is gone", item.rule)))?;
        match &item.kind {
            ItemKind::Event => rule.on_event(ctx, event).await,
            ItemKind::Command(call, _) => rule.on_command(ctx, call).await,
            ItemKind::Click(click) => rule.on_click(ctx, click).await,
        }
    }
}

impl Dispatcher {
    /// What an addressed message asks for, if it is a command that this person may use here.
    /// Everything else that looks like a command is answered at once, privately.
    async fn command(&self, ctx: &mut Ctx, event: &Event, message: &MessageEvent) -> Result<Option<Item>, RuleError> {
        let parsed = parse(&self.registry, &message.content, message.addressed);
        if matches!(parsed, Parsed::NotACommand) || ctx.now().since(event.occurred_at) > self.ages.command {
            return Ok(None);
        }
        let Some(user) = &message.sender.user else {
            return Ok(None);
        };
        if outside(ctx, event, &message.chat).await? {
            return Ok(None);
        }
        let name = message.sender.name.as_deref();
        let mut asker = self.asker(ctx, event, user, name, Some(message.chat.clone())).await?;
        asker.message = Some(message.message.clone());
        asker.reply_context.clone_from(&message.reply_context);
        let lang = asker.lang;
        let Parsed::Call { spec, args } = parsed else {
            let rights = rights_of(ctx.tx(), &asker.person.id).await?;
            if let Some(answer) = help::explain(&parsed, &self.registry, &rights, lang) {
                ctx.answer(&asker, AnswerPlace::Private, answer)?;
            }
            return Ok(None);
        };
        let Some(rule) = self.registry.rule_of(spec.id).and_then(|name| self.rule(name)) else {
            return Err(RuleError::Fail(format!("the command {} belongs to no rule", spec.id)));
        };
        let here = (&event.app, &message.chat.id);
        let elsewhere = match allowed(ctx.tx(), &asker.person, spec.roles, Some(here)).await? {
            Allowed::Yes(_) => None,
            Allowed::Elsewhere(_) if rule.checks_scope(spec.id) => None,
            Allowed::Elsewhere(_) => Some(true),
            Allowed::No(_) => Some(false),
        };
        if let Some(elsewhere) = elsewhere {
            let (now, actor) = (ctx.now(), asker.person.id.as_str().to_owned());
            let detail = serde_json::json!({ "app": event.app.as_str(), "chat": message.chat.id.as_str() });
            audit(ctx.tx(), now, &actor, "denied", spec.id, &detail).await?;
            ctx.answer(
                &asker,
                AnswerPlace::Private,
                help::refusal(&self.registry, spec, elsewhere, lang),
            )?;
            return Ok(None);
        }
        let call = Call {
            id: spec.id,
            asker,
            args,
        };
        Ok(Some(Item {
            rule: rule.name(),
            kind: ItemKind::Command(Box::new(call), spec.place),
        }))
    }

    /// What a press of one of our buttons asks for. A forged, foreign or expired button does nothing
    /// and says so to the person who pressed it.
    async fn click(&self, ctx: &mut Ctx, event: &Event, click: &CardClick) -> Result<Option<Item>, RuleError> {
        if let Some(chat) = &click.chat
            && outside(ctx, event, chat).await?
        {
            return Ok(None);
        }
        let mut asker = self.asker(ctx, event, &click.user, None, click.chat.clone()).await?;
        asker.reply_context.clone_from(&click.reply_context);
        // An app that can only answer what addressed it answers the card.
        if !ctx.can(&event.app, Ability::SendToChat) && !ctx.can(&event.app, Ability::SendToUser) {
            asker.message.clone_from(&click.card);
        }
        let lang = asker.lang;
        if !asker.person.active || ctx.now().since(event.occurred_at) > self.ages.command {
            return Ok(None);
        }
        let token = match ctx.env().signer.read(&click.action, ctx.now()) {
            Ok(token) => token,
            Err(TokenError::Expired) => {
                ctx.answer(
                    &asker,
                    AnswerPlace::Private,
                    hutong_model::Message::text(Say::ButtonExpired.in_lang(lang)),
                )?;
                return Ok(None);
            }
            Err(_) => {
                let (now, actor) = (ctx.now(), asker.person.id.as_str().to_owned());
                let detail = serde_json::json!({ "app": event.app.as_str() });
                audit(ctx.tx(), now, &actor, "denied", "button", &detail).await?;
                return Ok(None);
            }
        };
        let Some(rule) = self.rule(&token.rule) else {
            return Ok(None);
        };
        let for_somebody_else = token
            .only
            .as_deref()
            .is_some_and(|only| only != asker.person.id.as_str());
        let without_role = match token.role.as_deref().map(Role::parse) {
            None => false,
            Some(None) => true,
            Some(Some(role)) => {
                let here = click.chat.as_ref().map(|c| (&event.app, &c.id));
                match allowed(ctx.tx(), &asker.person, &[role], here).await? {
                    Allowed::Yes(_) => false,
                    // A private card is pressed in no group: the rule looks at the scope.
                    Allowed::Elsewhere(_) => click.chat.as_ref().is_some_and(|c| c.kind == ChatKind::Group),
                    Allowed::No(_) => true,
                }
            }
        };
        if for_somebody_else || without_role {
            let (now, actor) = (ctx.now(), asker.person.id.as_str().to_owned());
            let target = format!("button {}.{}", token.rule, token.verb);
            audit(ctx.tx(), now, &actor, "denied", &target, &serde_json::Value::Null).await?;
            ctx.answer(
                &asker,
                AnswerPlace::Private,
                hutong_model::Message::text(Say::ButtonNotForYou.in_lang(lang)),
            )?;
            return Ok(None);
        }
        let click = Click {
            verb: token.verb,
            args: token.args,
            values: click.values.clone(),
            asker,
            card: click.card.clone(),
        };
        Ok(Some(Item {
            rule: rule.name(),
            kind: ItemKind::Click(Box::new(click)),
        }))
    }

    async fn asker(
        &self,
        ctx: &mut Ctx,
        event: &Event,
        user: &UserId,
        name: Option<&str>,
        chat: Option<ChatRef>,
    ) -> Result<Asker, RuleError> {
        let env = ctx.env().clone();
        let app = env
            .app(&event.app)
            .ok_or_else(|| RuleError::Fail(format!("the app {} is not configured", event.app)))?;
        let now = ctx.now();
        let platform = app.adapter.platform();
        let person = match ctx.directory().person_of(&app.company, platform, user).await? {
            Some(person) => person,
            None => {
                ctx.ask_who(&event.app, user).await?;
                ctx.directory()
                    .ensure_person(&app.company, platform, user, name, now)
                    .await?
            }
        };
        let lang = person.language.as_deref().and_then(Lang::parse).unwrap_or(env.lang);
        // An app that cannot read the directory may know people under ids that no other app can send to.
        let user = match app.adapter.capabilities().can(Ability::ListPeople) {
            true => None,
            false => ctx.directory().identity_on(&person.id, platform).await?,
        }
        .unwrap_or_else(|| user.clone());
        Ok(Asker {
            person,
            app: event.app.clone(),
            user,
            lang,
            chat,
            message: None,
            reply_context: None,
        })
    }
}

/// True in a group with people of other companies: nobody is served or entered there. Asked only
/// about commands and clicks, so that other messages cost no statement.
async fn outside(ctx: &mut Ctx, event: &Event, chat: &ChatRef) -> Result<bool, RuleError> {
    if chat.kind != ChatKind::Group {
        return Ok(false);
    }
    let found = ctx.directory().chat(&event.app, &chat.id).await?;
    Ok(found.is_some_and(|c| c.external))
}

#[cfg(test)]
mod tests;
