//! What operators see and decide about the directory: how it was read, leavers who are too many to
//! be believed, accounts that may be one person.
//!
//! Operators are told once about a listing that was refused or that waits for them, and use
//! `/通讯录 状态 | 确认 | 合并 | 拆分`. All of it is for operators of the whole company.

#[cfg(test)]
mod tests;

use hutong_model::{Body, BoxFuture, DeliveryClass, Event, Message, Platform};

use super::{Ctx, Rule, RuleError};
use crate::access::Place;
use crate::access::Role;
use crate::access::store::{holders, rights_of};
use crate::commands::{AnswerPlace, ArgKind, ArgSpec, Call, CommandSpec};
use crate::directory::merge::{self, Why};
use crate::directory::people;
use crate::directory::sync::store as listing;
use crate::directory::sync::store::Notice;
use crate::directory::{PLATFORM_NAMES, Person, PersonId, told_apart};
use crate::text::Lang;
use crate::text::directory::Say;

pub const NAME: &str = "directory";
/// The tick that tells this rule to look for notices.
pub const NEWS: &str = "directory:news";

const OPERATORS: &[Role] = &[Role::Operator];
/// Operators who are told by themselves.
const TOLD: usize = 5;
const NAMES_SHOWN: usize = 8;
const CONFLICTS_SHOWN: usize = 3;
/// A platform that does not answer is worth a word after so many times.
const CALLS_FAILED: i64 = 3;

pub const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        id: "directory.status",
        bare: false,
        args: &[],
        roles: OPERATORS,
        place: AnswerPlace::Private,
    },
    CommandSpec {
        id: "directory.confirm",
        bare: false,
        args: &[ArgSpec {
            name: "code",
            names: &["代码", "code"],
            kind: ArgKind::Text,
            positional: true,
            required: false,
        }],
        roles: OPERATORS,
        place: AnswerPlace::Private,
    },
    CommandSpec {
        id: "directory.merge",
        bare: false,
        args: &[ArgSpec {
            name: "who",
            names: &["人", "who"],
            kind: ArgKind::Person,
            positional: true,
            required: true,
        }],
        roles: OPERATORS,
        place: AnswerPlace::Private,
    },
    CommandSpec {
        id: "directory.split",
        bare: false,
        args: &[
            ArgSpec {
                name: "who",
                names: &["人", "who"],
                kind: ArgKind::Person,
                positional: true,
                required: true,
            },
            ArgSpec {
                name: "platform",
                names: &["平台", "platform"],
                kind: ArgKind::Choice(PLATFORM_NAMES),
                positional: false,
                required: false,
            },
        ],
        roles: OPERATORS,
        place: AnswerPlace::Private,
    },
];

/// See the module.
#[derive(Debug, Default)]
pub struct DirectoryRule;

fn refuse(say: &Say<'_>, lang: Lang) -> RuleError {
    RuleError::refuse(Message::text(say.in_lang(lang)))
}

/// Names with their departments: these commands are about who is who.
fn named(name: &str, department: Option<&str>) -> String {
    told_apart(name, department, 2)
}

impl DirectoryRule {
    async fn status(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let (lang, now) = (call.asker.lang, ctx.now());
        let company = call.asker.person.company.clone();
        let env = ctx.env().clone();
        let mut card = Message::card(Say::StatusTitle.in_lang(lang));
        let notices = listing::notices(ctx.tx()).await?;
        let mut any = false;
        for (id, app) in env.apps.iter().filter(|(_, a)| a.company == company) {
            let caps = app.adapter.capabilities();
            if !caps.can(hutong_model::Ability::ListPeople) || !caps.can(hutong_model::Ability::ListDepartments) {
                continue;
            }
            any = true;
            let name = id.as_str();
            match listing::last(ctx.tx(), id).await? {
                None => card = card.line(Say::NeverRead { app: name }.in_lang(lang)),
                Some(last) => {
                    let minutes = i64::try_from(now.since(last.finished_at).as_secs() / 60).unwrap_or(i64::MAX);
                    let say = Say::App {
                        app: name,
                        minutes,
                        people: last.people,
                        departments: last.departments,
                    };
                    card = card.line(say.in_lang(lang));
                    if last.changed > 0 || last.left > 0 {
                        let (changed, left) = (last.changed, last.left);
                        card = card.line(Say::Changes { changed, left }.in_lang(lang));
                    }
                    if last.waiting > 0 {
                        card = card.line(Say::Waiting { people: last.waiting }.in_lang(lang));
                    }
                }
            }
            for notice in notices.iter().filter(|n| n.app == *id) {
                for line in notice_lines(ctx, notice, lang).await? {
                    card = card.line(line);
                }
            }
        }
        if !any {
            return Err(refuse(&Say::NoReader, lang));
        }
        let (conflicts, count) = people::store::conflicts(ctx.tx(), &company, CONFLICTS_SHOWN).await?;
        if count > 0 {
            card = card.line(Say::Conflicts { count }.in_lang(lang));
            for c in &conflicts {
                let say = Say::Conflict {
                    kind: c.kind.as_str(),
                    name: &named(&c.name, c.department.as_deref()),
                    other: &named(&c.other_name, c.other_department.as_deref()),
                };
                card = card.line(say.in_lang(lang));
            }
            card = card.note(Say::ConflictHow.in_lang(lang));
        }
        ctx.answer(&call.asker, AnswerPlace::Private, card)
    }

    async fn confirm(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let (lang, now) = (call.asker.lang, ctx.now());
        let company = call.asker.person.company.clone();
        let env = ctx.env().clone();
        let own = |n: &Notice| n.kind == "held" && env.app(&n.app).is_some_and(|a| a.company == company);
        let held: Vec<Notice> = listing::notices(ctx.tx()).await?.into_iter().filter(own).collect();
        let Some(first) = held.first() else {
            return Err(refuse(&Say::NothingHeld, lang));
        };
        let typed = call.text("code").map(|c| c.trim().to_lowercase());
        let Some(notice) = held.iter().find(|n| Some(&n.code) == typed.as_ref()) else {
            // Without the code, or with that of another list: show what it would be about.
            let mut card = Message::card(Say::HeldTitle.in_lang(lang));
            for line in notice_lines(ctx, first, lang).await? {
                card = card.line(line);
            }
            if typed.is_some() {
                card = card.note(Say::ConfirmOther { code: &first.code }.in_lang(lang));
            }
            return ctx.answer(&call.asker, AnswerPlace::Private, card);
        };
        let Some(platform) = ctx.platform(&notice.app) else {
            return Err(refuse(&Say::NothingHeld, lang));
        };
        let by = &call.asker.person.id;
        let people = listing::confirm(ctx.tx(), &notice.app, &company, platform, by, now).await?;
        listing::notice_over(ctx.tx(), &notice.app, "held").await?;
        ctx.directory().ask_sync(&notice.app, None, now).await?;
        let detail = serde_json::json!({ "code": notice.code, "people": people });
        crate::access::store::audit(
            ctx.tx(),
            now,
            by.as_str(),
            "directory.confirm",
            notice.app.as_str(),
            &detail,
        )
        .await?;
        ctx.answer(
            &call.asker,
            AnswerPlace::Private,
            Message::text(Say::Confirmed { people }.in_lang(lang)),
        )
    }

    async fn people(&self, ctx: &mut Ctx, call: &Call) -> Result<Vec<Person>, RuleError> {
        let mut list: Vec<Person> = Vec::new();
        for mention in call.people("who") {
            let Some(person) = ctx.person_mentioned(&call.asker.app, mention).await? else {
                return Err(refuse(&Say::NoPerson, call.asker.lang));
            };
            if person.company != call.asker.person.company {
                return Err(refuse(&Say::NoPerson, call.asker.lang));
            }
            list.push(person);
        }
        Ok(list)
    }

    /// Who joins two people gives each the rights of the other: not for oneself, and not beyond
    /// one's own.
    async fn may(&self, ctx: &mut Ctx, call: &Call, about: &[&Person]) -> Result<(), RuleError> {
        let asker = &call.asker.person.id;
        if about.iter().any(|p| p.id == *asker) {
            return Err(refuse(&Say::NotYourself, call.asker.lang));
        }
        let own = rights_of(ctx.tx(), asker).await?;
        if own.0.iter().any(|(role, _)| *role == Role::Admin) {
            return Ok(());
        }
        for person in about {
            let theirs = rights_of(ctx.tx(), &person.id).await?;
            if !theirs.0.is_subset(&own.0) {
                return Err(refuse(&Say::NeedsAdmin, call.asker.lang));
            }
        }
        Ok(())
    }

    async fn merge(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let (lang, now) = (call.asker.lang, ctx.now());
        let list = self.people(ctx, call).await?;
        let [one, two] = list.as_slice() else {
            return Err(refuse(&Say::NoPerson, lang));
        };
        if one.id == two.id {
            return Err(refuse(&Say::SamePerson, lang));
        }
        self.may(ctx, call, &[one, two]).await?;
        let by = call.asker.person.id.as_str();
        merge::merge(ctx.tx(), &one.company, &one.id, &two.id, Why::Operator, by, now).await?;
        let (name, other) = (of(one), of(two));
        let say = Say::Merged {
            name: &name,
            other: &other,
        };
        ctx.answer(&call.asker, AnswerPlace::Private, Message::text(say.in_lang(lang)))
    }

    async fn split(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let (lang, now) = (call.asker.lang, ctx.now());
        let list = self.people(ctx, call).await?;
        let [person] = list.as_slice() else {
            return Err(refuse(&Say::NoPerson, lang));
        };
        self.may(ctx, call, &[person]).await?;
        let by = call.asker.person.id.as_str();
        let name = of(person);
        let text = match call.text("platform").and_then(|p| p.parse::<Platform>().ok()) {
            Some(platform) => {
                let new = merge::detach(ctx.tx(), &person.company, &person.id, platform, by, now).await?;
                if new.is_none() {
                    return Err(refuse(&Say::NothingToSplit { name: &name }, lang));
                }
                let platform = platform.as_str();
                Say::Detached { name: &name, platform }.in_lang(lang)
            }
            None => {
                let Some(merged) = merge::split(ctx.tx(), &person.company, &person.id, by, now).await? else {
                    return Err(refuse(&Say::NothingToSplit { name: &name }, lang));
                };
                let other = ctx.directory().person(&merged.gone).await?;
                let other = other.as_ref().map(of).unwrap_or_default();
                Say::Split {
                    name: &name,
                    other: &other,
                }
                .in_lang(lang)
            }
        };
        ctx.answer(&call.asker, AnswerPlace::Private, Message::text(text))
    }

    /// Tells operators what waits for them, once.
    async fn news(&self, ctx: &mut Ctx) -> Result<(), RuleError> {
        let now = ctx.now();
        for notice in listing::notices(ctx.tx()).await? {
            if !worth_telling(&notice) || !listing::told(ctx.tx(), &notice, now).await? {
                continue;
            }
            let Some(company) = ctx.env().app(&notice.app).map(|a| a.company.clone()) else {
                continue;
            };
            let operators = holders(ctx.tx(), &company, OPERATORS, &Place::default()).await?;
            for person in operators.iter().take(TOLD) {
                self.tell(ctx, &notice, person).await?;
            }
        }
        Ok(())
    }

    async fn tell(&self, ctx: &mut Ctx, notice: &Notice, person: &PersonId) -> Result<(), RuleError> {
        let env = ctx.env().clone();
        let own = ctx.directory().person(person).await?.and_then(|p| p.language);
        let lang = own.as_deref().and_then(Lang::parse).unwrap_or(env.lang);
        let title = match notice.kind.as_str() {
            "held" => Say::HeldTitle,
            _ => Say::RefusedTitle,
        };
        let mut card = Message::card(title.in_lang(lang));
        for line in notice_lines(ctx, notice, lang).await? {
            card = card.line(line);
        }
        if notice.kind != "held" {
            card = card.note(Say::RefusedHow.in_lang(lang));
        }
        let part = format!("{}:{}:{}:{person}", notice.kind, notice.app, notice.code);
        // The app itself first, then whatever reaches them.
        let others = env.apps.keys().filter(|id| **id != notice.app);
        for app in std::iter::once(&notice.app).chain(others) {
            if ctx.tell(&part, app, person, DeliveryClass::Once, card.clone()).await? {
                break;
            }
        }
        Ok(())
    }
}

/// A person with their department.
fn of(person: &Person) -> String {
    named(&person.name, person.department_name.as_deref())
}

/// True for what operators should hear of by themselves.
pub fn worth_telling(notice: &Notice) -> bool {
    !notice.told && (notice.code != "call" || notice.times >= CALLS_FAILED)
}

async fn notice_lines(ctx: &mut Ctx, notice: &Notice, lang: Lang) -> Result<Vec<String>, RuleError> {
    let app = notice.app.as_str();
    if notice.kind != "held" {
        let say = Say::Refused {
            app,
            code: &notice.code,
            detail: &notice.detail,
            times: notice.times,
        };
        return Ok(vec![say.in_lang(lang)]);
    }
    let mut figures = notice.detail.split(' ');
    let mut next = || figures.next().unwrap_or("0");
    let (people, of, departments) = (next(), next(), next());
    let mut lines = vec![
        Say::Held {
            app,
            people,
            of,
            departments,
        }
        .in_lang(lang),
    ];
    let names = listing::missing_names(ctx.tx(), &notice.app, NAMES_SHOWN).await?;
    if !names.is_empty() {
        let names: Vec<String> = names.iter().map(|(n, d)| named(n, d.as_deref())).collect();
        let names = &names.join("、");
        lines.push(Say::HeldNames { names }.in_lang(lang));
    }
    lines.push(Say::HeldHow { code: &notice.code }.in_lang(lang));
    Ok(lines)
}

impl Rule for DirectoryRule {
    fn name(&self) -> &'static str {
        NAME
    }

    fn commands(&self) -> &'static [CommandSpec] {
        COMMANDS
    }

    fn on_event<'a>(&'a self, ctx: &'a mut Ctx, event: &'a Event) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move {
            match &event.body {
                Body::Tick { .. } => self.news(ctx).await,
                _ => Ok(()),
            }
        })
    }

    fn on_command<'a>(&'a self, ctx: &'a mut Ctx, call: &'a Call) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move {
            match call.id {
                "directory.status" => self.status(ctx, call).await,
                "directory.confirm" => self.confirm(ctx, call).await,
                "directory.merge" => self.merge(ctx, call).await,
                "directory.split" => self.split(ctx, call).await,
                other => Err(RuleError::Fail(format!("directory has no command {other}"))),
            }
        })
    }
}
