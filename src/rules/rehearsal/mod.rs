//! `/预演 14天`: what the bot would say in the next days, page by page. People who edit or operate ask.
//!
//! Only the wish is written down here; the service runs the rehearsal on a copy of the store
//! ([`crate::rehearse::order`]) and lets this rule know.

use std::time::Duration;

use hutong_model::{Body, BoxFuture, ButtonStyle, Event, Message};

use super::{Ctx, Rule, RuleError, Who};
use crate::access::Role;
use crate::commands::{AnswerPlace, ArgKind, ArgSpec, Asker, Call, Click, CommandSpec};
use crate::directory::PersonId;
use crate::rehearse::order::{Asked, RULE};
use crate::rehearse::{MOST_DAYS, store};
use crate::text::Lang;
use crate::text::rehearse::Say;

pub const NAME: &str = RULE;
/// Lines on a page, beside title and page number.
const LINES: usize = 9;
const DEFAULT_DAYS: u32 = 14;
/// Requests that may wait together.
const MOST_WAITING: i64 = 5;
/// How long the next page can be asked for.
const PAGES_FOR: Duration = Duration::from_secs(7 * 86_400);

pub const COMMANDS: &[CommandSpec] = &[CommandSpec {
    id: "rehearsal.ask",
    bare: false,
    args: &[ArgSpec {
        name: "days",
        names: &["天数", "days"],
        kind: ArgKind::Text,
        positional: true,
        required: false,
    }],
    roles: &[Role::Editor, Role::Operator],
    place: AnswerPlace::Private,
}];

/// The rule.
pub struct RehearsalRule;

impl RehearsalRule {
    async fn ask(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let asker = &call.asker;
        let refuse = |say: Say<'_>| RuleError::refuse(Message::text(say.in_lang(asker.lang)));
        let days = match call.text("days") {
            None => DEFAULT_DAYS,
            Some(typed) => days(typed).ok_or_else(|| refuse(Say::BadDays { typed }))?,
        };
        if store::waiting(ctx.tx()).await? >= MOST_WAITING {
            return Err(refuse(Say::Busy));
        }
        let asked = Asked {
            app: asker.app.clone(),
            user: asker.user.clone(),
            person: asker.person.id.as_str().to_owned(),
            lang: asker.lang.as_str().to_owned(),
        };
        let json = serde_json::to_string(&asked).map_err(|e| RuleError::Fail(e.to_string()))?;
        let (now, id) = (ctx.now(), ctx.event_id().hex());
        store::ask(ctx.tx(), &id, days, &json, now).await?;
        ctx.answer(
            asker,
            AnswerPlace::Private,
            Message::text(Say::Asked.in_lang(asker.lang)),
        )
    }

    async fn show(&self, ctx: &mut Ctx, asker: &Asker, id: &str, page: usize) -> Result<(), RuleError> {
        let lang = asker.lang;
        let Some(request) = store::request(ctx.tx(), id).await? else {
            return ctx.answer(asker, AnswerPlace::Private, Message::text(Say::Gone.in_lang(lang)));
        };
        let lines: Vec<String> = serde_json::from_str(request.lines.as_deref().unwrap_or("[]"))
            .map_err(|e| RuleError::Fail(e.to_string()))?;
        if request.state == "failed" {
            let why = lines.first().map_or("", String::as_str);
            return ctx.answer(
                asker,
                AnswerPlace::Private,
                Message::text(Say::CouldNot { why }.in_lang(lang)),
            );
        }
        let pages = lines.len().div_ceil(LINES).max(1);
        let page = page.clamp(1, pages);
        let mut card = Message::card(Say::ChatTitle { days: request.days }.in_lang(lang));
        for line in lines.iter().skip((page - 1) * LINES).take(LINES) {
            card = card.line(line.clone());
        }
        if pages > 1 {
            card = card.note(Say::Page { page, pages }.in_lang(lang));
        }
        if page < pages {
            let button = ctx.button(
                Say::More.in_lang(lang),
                "page",
                vec![id.to_owned(), (page + 1).to_string()],
                ButtonStyle::Normal,
                Who::Only(&asker.person.id),
                PAGES_FOR,
            )?;
            card = card.buttons(vec![button]);
        }
        ctx.answer(asker, AnswerPlace::Private, card)
    }

    /// It has run: its first page goes to the one who asked.
    async fn ran(&self, ctx: &mut Ctx, tag: &serde_json::Value) -> Result<(), RuleError> {
        let Some(id) = tag.get("rehearsal").and_then(serde_json::Value::as_str) else {
            return Ok(());
        };
        let Some(request) = store::request(ctx.tx(), id).await? else {
            return Ok(());
        };
        let asked: Asked = serde_json::from_str(&request.asker).map_err(|e| RuleError::Fail(e.to_string()))?;
        let person = PersonId::parse(&asked.person);
        let person = match person {
            Some(id) => ctx.directory().person(&id).await?,
            None => None,
        };
        let Some(person) = person.filter(|p| p.active) else {
            return Ok(());
        };
        let asker = Asker {
            person,
            app: asked.app,
            user: asked.user,
            lang: Lang::parse(&asked.lang).unwrap_or_default(),
            chat: None,
            message: None,
            reply_context: None,
        };
        self.show(ctx, &asker, id, 1).await
    }
}

/// `14天`, `未来14天`, `14d`, `14`, `2周`.
fn days(typed: &str) -> Option<u32> {
    let typed = typed.trim();
    let typed = ["未来", "next"]
        .iter()
        .find_map(|word| typed.strip_prefix(word))
        .unwrap_or(typed)
        .trim();
    let end = typed.find(|c: char| !c.is_ascii_digit()).unwrap_or(typed.len());
    let (number, unit) = typed.split_at(end);
    let n: u32 = number.parse().ok()?;
    let days = match unit.trim() {
        "" | "天" | "日" | "d" | "day" | "days" => n,
        "周" | "星期" | "w" | "week" | "weeks" => n.checked_mul(7)?,
        _ => return None,
    };
    (1..=MOST_DAYS).contains(&days).then_some(days)
}

impl Rule for RehearsalRule {
    fn name(&self) -> &'static str {
        NAME
    }

    fn commands(&self) -> &'static [CommandSpec] {
        COMMANDS
    }

    fn on_event<'a>(&'a self, ctx: &'a mut Ctx, event: &'a Event) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move {
            match &event.body {
                Body::EffectDone { tag, .. } => self.ran(ctx, tag).await,
                _ => Ok(()),
            }
        })
    }

    fn on_command<'a>(&'a self, ctx: &'a mut Ctx, call: &'a Call) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(self.ask(ctx, call))
    }

    fn on_click<'a>(&'a self, ctx: &'a mut Ctx, click: &'a Click) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move {
            let id = click.args.first().cloned().unwrap_or_default();
            let page = click.args.get(1).and_then(|p| p.parse().ok()).unwrap_or(1);
            self.show(ctx, &click.asker, &id, page).await
        })
    }
}

#[cfg(test)]
mod tests;
