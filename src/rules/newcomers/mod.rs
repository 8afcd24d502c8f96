//! Newcomers: nobody comes unnoticed, nobody is put on a stage.
//!
//! People who are new see a private card on their first day (a few links, their buddy, two buttons),
//! and two private check-ins on later working days. A group sees one line for all who have come within
//! a few minutes, without names; a name is only said when its owner has pressed "say hello". Operators
//! see who is on the way (`/新人 名单`), choose another buddy (`/新人 搭子`), and write welcome texts
//! and see which of them leads to a first contribution (`/新人 话术`).

mod buddy;
mod commands;
mod find;
mod path;
mod round;
pub mod store;
mod words;

#[cfg(test)]
mod tests;

pub use crate::config::rules::newcomers as config;
pub use commands::COMMANDS;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{Days, NaiveDate, TimeDelta, Timelike as _};
use chrono_tz::Tz;
use hutong_model::{AppId, Body, BoxFuture, ChatKind, Event, EventHead, Kind, Message, SenderKind, UserId};

use crate::commands::{AnswerPlace, Call, Click, CommandSpec};
use crate::directory::Person;
use crate::rules::columns::when::Calendar;
use crate::rules::{Ctx, Rule, RuleError};
use crate::schedule::{CronExpr, Misfire, Schedule, Spec, Workdays};
use crate::text::Lang;
use crate::text::newcomers::Say;

use config::Onboard;

pub const NAME: &str = "newcomers";

/// The list of accounts that are watched is read again after this time: another replica may know of
/// more.
const WATCH: Duration = Duration::from_secs(60);

/// See the module.
pub struct Newcomers {
    config: Onboard,
    zone: Tz,
    workdays: Arc<dyn Workdays>,
    watch: Watch,
}

impl Newcomers {
    pub fn new(config: Onboard, calendar: &Calendar) -> Self {
        Self {
            config,
            zone: calendar.zone,
            workdays: calendar.workdays.clone(),
            watch: Watch::default(),
        }
    }

    /// A platform tells of an account.
    async fn told(&self, ctx: &mut Ctx, event: &Event, user: &UserId, left: bool) -> Result<(), RuleError> {
        let Some((company, platform)) = ctx
            .env()
            .app(&event.app)
            .map(|a| (a.company.clone(), a.adapter.platform()))
        else {
            return Ok(());
        };
        if !left {
            // Who it is, and whether they are new, is decided when the directory knows them.
            return Ok(store::sign(ctx.tx(), &event.app, user, event.received_at).await?);
        }
        let Some(person) = ctx.directory().person_of(&company, platform, user).await? else {
            return Ok(());
        };
        store::remember_gone(ctx.tx(), &company).await?;
        let on_the_way = store::one(ctx.tx(), &person.id).await?;
        if on_the_way.is_some_and(|n| matches!(n.state, store::State::Waiting | store::State::Path)) {
            store::set_state(ctx.tx(), &person.id, store::State::Stopped).await?;
        }
        Ok(())
    }

    /// Somebody did something in a group: perhaps it is the first time for a newcomer.
    async fn seen(&self, ctx: &mut Ctx, event: &Event, user: &UserId) -> Result<(), RuleError> {
        let today = self.today(ctx);
        if self.watch.is_old() {
            self.read_watch(ctx, today).await?;
        }
        if !self.watch.has(&event.app, user) {
            return Ok(());
        }
        let Some((company, platform)) = ctx
            .env()
            .app(&event.app)
            .map(|a| (a.company.clone(), a.adapter.platform()))
        else {
            return Ok(());
        };
        if let Some(person) = ctx.directory().person_of(&company, platform, user).await? {
            store::contributed(ctx.tx(), &person.id, event.occurred_at).await?;
        }
        Ok(())
    }

    async fn read_watch(&self, ctx: &mut Ctx, today: NaiveDate) -> Result<(), RuleError> {
        let from = today
            .checked_sub_days(Days::new(path::ACTIVATED_WITHIN_DAYS + 1))
            .unwrap_or(today);
        let env = ctx.env().clone();
        let mut list = HashSet::new();
        for (company, platform, user) in store::watched(ctx.tx(), from).await? {
            for (id, app) in &env.apps {
                if app.company == company && app.adapter.platform() == platform {
                    list.insert((id.clone(), user.clone()));
                }
            }
        }
        self.watch.set(list);
        Ok(())
    }
}

/// The accounts whose first contribution is waited for, so that other messages cost no statement.
#[derive(Default)]
struct Watch(Mutex<Option<Watched>>);

/// When it was read, and who is watched.
type Watched = (Instant, HashSet<(AppId, UserId)>);

impl Watch {
    fn lock(&self) -> MutexGuard<'_, Option<Watched>> {
        // What a panicking thread left is at worst old.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn is_old(&self) -> bool {
        self.lock().as_ref().is_none_or(|(at, _)| at.elapsed() > WATCH)
    }
    fn has(&self, app: &AppId, user: &UserId) -> bool {
        self.lock()
            .as_ref()
            .is_some_and(|(_, list)| list.contains(&(app.clone(), user.clone())))
    }
    fn set(&self, list: HashSet<(AppId, UserId)>) {
        *self.lock() = Some((Instant::now(), list));
    }
    fn forget(&self) {
        *self.lock() = None;
    }
}

/// Who did something in a group that is worth counting: a message that is no command, or a reaction.
fn contributor(body: &Body) -> Option<&UserId> {
    match body {
        Body::Message(message) if message.chat.kind == ChatKind::Group && message.sender.kind == SenderKind::Person => {
            let command = message.text().starts_with(['/', '／']);
            message.sender.user.as_ref().filter(|_| !command)
        }
        Body::Reaction { user, added: true, .. } => Some(user),
        _ => None,
    }
}

impl Rule for Newcomers {
    fn name(&self) -> &'static str {
        NAME
    }

    fn commands(&self) -> &'static [CommandSpec] {
        COMMANDS
    }

    fn checks_scope(&self, _command: &str) -> bool {
        true
    }

    fn schedules(&self) -> Vec<Schedule> {
        // Every five minutes of the hours in which something may be sent: nights cost nothing. Housekeeping:
        // who moves the clock on need not stop at each of them.
        let last = self.config.until - TimeDelta::minutes(1);
        let text = format!("*/5 {}-{} * * *", self.config.from.hour(), last.hour());
        // The date only proves that the expression comes true at some time.
        let every = CronExpr::parse(&text, NaiveDate::default());
        let schedule = |expr| Schedule {
            id: format!("{NAME}:~round"),
            rule: NAME.to_owned(),
            spec: Spec::Cron(expr),
            zone: self.zone,
            // Each looks at all there is: the newest makes up for those before it.
            misfire: Misfire::Once,
            grace: Duration::from_secs(15 * 60),
        };
        every.ok().map(schedule).into_iter().collect()
    }

    fn wants(&self, head: &EventHead<'_>) -> bool {
        match head.kind {
            Kind::Person => true,
            Kind::Message | Kind::Reaction => {
                contributor(head.body).is_some_and(|user| self.watch.is_old() || self.watch.has(head.app, user))
            }
            _ => false,
        }
    }

    fn on_event<'a>(&'a self, ctx: &'a mut Ctx, event: &'a Event) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move {
            match &event.body {
                Body::Tick { local, .. } => self.round(ctx, local).await,
                Body::Person { user, record, left } => {
                    let left = *left || record.as_ref().is_some_and(|r| !r.active);
                    self.told(ctx, event, user, left).await
                }
                body => match contributor(body) {
                    Some(user) => self.seen(ctx, event, user).await,
                    None => Ok(()),
                },
            }
        })
    }

    fn on_command<'a>(&'a self, ctx: &'a mut Ctx, call: &'a Call) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move {
            match call.id {
                "newcomers.list" => self.list(ctx, call).await,
                "newcomers.buddy" => self.buddy(ctx, call).await,
                "newcomers.words" => self.words(ctx, call).await,
                "newcomers.edit" => self.edit(ctx, call).await,
                "newcomers.weight" => self.weigh(ctx, call).await,
                other => Err(RuleError::Fail(format!("newcomers has no command {other}"))),
            }
        })
    }

    fn on_click<'a>(&'a self, ctx: &'a mut Ctx, click: &'a Click) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move {
            let (now, lang) = (ctx.now(), click.asker.lang);
            let person = click.asker.person.clone();
            let Some(newcomer) = store::one(ctx.tx(), &person.id).await? else {
                return Ok(());
            };
            let first = store::answered(ctx.tx(), &person.id, click.verb == "hello", now).await?;
            let buddy = newcomer.buddy_name.as_deref().filter(|_| newcomer.buddy_active);
            let groups = !self.config.groups.is_empty();
            let say = match click.verb.as_str() {
                "look" => Say::Looking,
                "hello" if first => Say::HelloSoon { groups, buddy },
                "hello" => Say::HelloAlready,
                "fine" => Say::Fine,
                "talk" => Say::Talk { buddy },
                other => return Err(RuleError::Fail(format!("newcomers has no button {other}"))),
            };
            let wants_buddy = match click.verb.as_str() {
                "hello" => first,
                // Each check-in may call the buddy once.
                "talk" => true,
                _ => false,
            };
            if let Some(buddy) = newcomer.buddy.as_ref().filter(|_| wants_buddy && newcomer.buddy_active)
                && let Some(told) = ctx.directory().person(buddy).await?
            {
                let theirs = round::lang_of(ctx, &told);
                let name = person.name.as_str();
                let message = match click.verb.as_str() {
                    "hello" => Say::BuddyHello { name },
                    _ => Say::BuddyTalk { name },
                };
                let part = format!("called:{buddy}");
                let text = Message::text(message.in_lang(theirs));
                let class = hutong_model::DeliveryClass::Once;
                ctx.tell(&part, &newcomer.app, buddy, class, text).await?;
            }
            let text = Message::text(say.in_lang(lang));
            ctx.answer(&click.asker, AnswerPlace::Private, text)
        })
    }

    fn me_lines<'a>(
        &'a self,
        ctx: &'a mut Ctx,
        person: &'a Person,
        lang: Lang,
    ) -> BoxFuture<'a, Result<Vec<String>, RuleError>> {
        Box::pin(async move {
            let newcomer = store::one(ctx.tx(), &person.id).await?;
            let buddy = newcomer
                .filter(|n| n.state == store::State::Path && n.buddy_active)
                .and_then(|n| n.buddy_name);
            Ok(buddy
                .map(|name| Say::MyBuddy { name: &name }.in_lang(lang))
                .into_iter()
                .collect())
        })
    }
}
