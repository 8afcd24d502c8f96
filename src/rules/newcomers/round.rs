//! What is due now: the merged welcome, the private cards, check-ins, new buddies for those whose
//! buddy has left, and the hellos that newcomers have asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::NaiveDate;
use hutong_model::{
    Ability, Action, AppId, Block, ButtonStyle, ChatId, CompanyId, DeliveryClass, Inline, Message, Target,
};

use super::buddy::Buddies;
use super::config::{BuddyFrom, Place};
use super::store::{self, Newcomer, State};
use super::{NAME, Newcomers, find, path, words};
use crate::directory::{Person, PersonId, facts};
use crate::rules::{Ctx, RuleError, Who};
use crate::text::Lang;
use crate::text::newcomers::Say;

/// So long the buttons of a card may be pressed.
const VALID: Duration = Duration::from_secs(30 * 86_400);
/// Names in a hello.
const NAMED: usize = 8;

impl Newcomers {
    /// Everything that is due for all companies. `local` is the wall-clock minute of the tick.
    pub(super) async fn round(&self, ctx: &mut Ctx, local: &str) -> Result<(), RuleError> {
        let homes = find::homes(ctx.env());
        let companies: BTreeSet<CompanyId> = homes.iter().map(|(_, c, _)| c.clone()).collect();
        for company in companies {
            // Two ticks at the same moment, on two replicas: the second one finds the work done.
            ctx.tx().lock(&format!("{NAME}:{company}")).await?;
            let today = self.today(ctx);
            let hourly = local.ends_with(":00");
            if find::find(ctx, &company, &homes, today, hourly).await? > 0 {
                self.watch.forget();
            }
            self.follow(ctx, &company, today).await?;
        }
        Ok(())
    }

    async fn follow(&self, ctx: &mut Ctx, company: &CompanyId, today: NaiveDate) -> Result<(), RuleError> {
        let now = ctx.now();
        let mut all = store::under_way(ctx.tx(), company).await?;
        for gone in all.iter().filter(|n| !n.active) {
            store::set_state(ctx.tx(), &gone.person, State::Stopped).await?;
        }
        all.retain(|n| n.active);
        let clock = ctx.local(now).naive_local();
        if !path::open(clock, &self.config, self.workdays.as_ref()) {
            return Ok(());
        }
        let mut buddies = None;
        for newcomer in all.iter().filter(|n| n.state == State::Path) {
            if newcomer.buddy.is_some() && !newcomer.buddy_active {
                self.new_buddy(ctx, company, newcomer, &mut buddies, today).await?;
            }
            self.check_in(ctx, newcomer, today).await?;
        }
        let waiting: Vec<&Newcomer> = all
            .iter()
            .filter(|n| n.state == State::Waiting && n.started_on <= today)
            .collect();
        let oldest = waiting.iter().map(|n| n.found_at).min();
        if oldest.is_some_and(|at| path::merged(at, now, self.config.merge_window)) {
            self.welcome(ctx, company, &waiting, &mut buddies, today).await?;
        }
        self.hellos(ctx, company).await
    }

    async fn welcome(
        &self,
        ctx: &mut Ctx,
        company: &CompanyId,
        waiting: &[&Newcomer],
        buddies: &mut Option<Buddies>,
        today: NaiveDate,
    ) -> Result<(), RuleError> {
        let now = ctx.now();
        // Those of a moment ago came together with these, also when they are welcomed already.
        let newest = waiting.iter().map(|n| n.found_at).max().unwrap_or(now);
        let together = store::found_since(ctx.tx(), company, newest - path::TOGETHER).await?;
        let mass = together.max(waiting.len()) > self.config.mass_import_over;
        if !mass {
            let lang = ctx.env().lang;
            let places = self.places(ctx, company, waiting).await?;
            for ((app, chat), people) in places {
                let say = Say::GroupWelcome { people: people.len() };
                let part = format!("group:{app}:{chat}");
                post(ctx, &part, &app, &chat, Message::text(say.in_lang(lang)))?;
            }
        }
        let list = words::effective(ctx, &self.config).await?;
        for newcomer in waiting {
            let Some(person) = ctx.directory().person(&newcomer.person).await? else {
                continue;
            };
            let buddy = self.buddy_for(ctx, company, newcomer, &person, buddies, today).await?;
            let lang = lang_of(ctx, &person);
            let chosen = path::choose_words(&person.id, &list);
            let company_name = ctx.env().company_name.clone();
            let text = match chosen {
                Some(words) => words::fill(&words.text, &person, &company_name),
                None => Say::Welcome {
                    name: &person.name,
                    company: &company_name,
                }
                .in_lang(lang),
            };
            let card = self.welcome_card(ctx, newcomer, &text, buddy.as_ref(), lang)?;
            let part = format!("welcome:{}", person.id);
            let reached = ctx
                .tell(&part, &newcomer.app, &person.id, DeliveryClass::Once, card)
                .await?;
            let passed = path::checkins_passed(
                newcomer.started_on,
                today,
                &self.config.checkins,
                self.workdays.as_ref(),
            );
            let variant = chosen.map_or(words::BUILT_IN, |w| w.id.as_str());
            store::welcomed(ctx.tx(), &person.id, variant, reached, passed, now).await?;
            if passed >= self.config.checkins.len() {
                store::set_state(ctx.tx(), &person.id, State::Done).await?;
            }
        }
        Ok(())
    }

    /// The buddy whom an operator has chosen already, or a new one, who is told.
    async fn buddy_for(
        &self,
        ctx: &mut Ctx,
        company: &CompanyId,
        newcomer: &Newcomer,
        person: &Person,
        buddies: &mut Option<Buddies>,
        today: NaiveDate,
    ) -> Result<Option<Person>, RuleError> {
        if let Some(buddy) = newcomer.buddy.as_ref().filter(|_| newcomer.buddy_active) {
            return Ok(ctx.directory().person(buddy).await?);
        }
        if self.config.buddy == BuddyFrom::Nobody {
            return Ok(None);
        }
        if buddies.is_none() {
            *buddies = Some(Buddies::read(ctx, company, today).await?);
        }
        let chosen = match buddies {
            Some(buddies) => buddies.choose(ctx, person).await?,
            None => None,
        };
        store::set_buddy(ctx.tx(), &person.id, chosen.as_ref(), "rule").await?;
        let Some(chosen) = chosen else { return Ok(None) };
        tell_buddy(ctx, newcomer, &chosen, person).await?;
        Ok(ctx.directory().person(&chosen).await?)
    }

    async fn new_buddy(
        &self,
        ctx: &mut Ctx,
        company: &CompanyId,
        newcomer: &Newcomer,
        buddies: &mut Option<Buddies>,
        today: NaiveDate,
    ) -> Result<(), RuleError> {
        let Some(person) = ctx.directory().person(&newcomer.person).await? else {
            return Ok(());
        };
        if let Some(buddy) = self.buddy_for(ctx, company, newcomer, &person, buddies, today).await? {
            tell_newcomer(ctx, newcomer, &person, &buddy).await?;
        }
        Ok(())
    }

    async fn check_in(&self, ctx: &mut Ctx, newcomer: &Newcomer, today: NaiveDate) -> Result<(), RuleError> {
        let days = &self.config.checkins;
        let due = path::checkin_due(
            newcomer.started_on,
            newcomer.checkins,
            today,
            days,
            self.workdays.as_ref(),
        );
        let Some(number) = due else { return Ok(()) };
        let Some(person) = ctx.directory().person(&newcomer.person).await? else {
            return Ok(());
        };
        let lang = lang_of(ctx, &person);
        let last = number + 1 == days.len();
        let day = days.get(number).copied().unwrap_or_default();
        let mut card = Message::card(Say::CheckInTitle { day }.in_lang(lang)).line(
            Say::CheckIn {
                name: &person.name,
                last,
            }
            .in_lang(lang),
        );
        // They may have got another one a moment ago.
        let buddy = store::one(ctx.tx(), &person.id).await?.and_then(|n| n.buddy_name);
        if let Some(buddy) = &buddy {
            card = card.line(
                Say::YourBuddy {
                    name: buddy,
                    team: None,
                }
                .in_lang(lang),
            );
        }
        let who = Who::Only(&person.id);
        let arg = vec![number.to_string()];
        let fine = Say::ButtonFine.in_lang(lang);
        let fine = ctx.button(fine, "fine", arg.clone(), ButtonStyle::Primary, who, VALID)?;
        let talk = Say::ButtonTalk.in_lang(lang);
        let talk = ctx.button(talk, "talk", arg, ButtonStyle::Normal, who, VALID)?;
        let part = format!("checkin{number}:{}", person.id);
        let card = card.buttons(vec![fine, talk]);
        ctx.tell(&part, &newcomer.app, &person.id, DeliveryClass::Once, card)
            .await?;
        store::set_checkins(ctx.tx(), &person.id, number + 1).await?;
        if last {
            store::set_state(ctx.tx(), &person.id, State::Done).await?;
        }
        Ok(())
    }

    /// Says the names of those who asked for it, all in one line of each group.
    async fn hellos(&self, ctx: &mut Ctx, company: &CompanyId) -> Result<(), RuleError> {
        let now = ctx.now();
        let all = store::unsaid_hellos(ctx.tx(), company).await?;
        let oldest = all.iter().filter_map(|n| n.hello_at).min();
        if !oldest.is_some_and(|at| path::merged(at, now, self.config.merge_window)) {
            return Ok(());
        }
        let list: Vec<&Newcomer> = all.iter().filter(|n| n.active).collect();
        let lang = ctx.env().lang;
        for ((app, chat), people) in self.places(ctx, company, &list).await? {
            let names: Vec<String> = people
                .iter()
                .take(NAMED)
                .map(|n| with_team(&n.name, n.department_name.as_deref(), lang))
                .collect();
            let say = Say::GroupHello {
                names: &names,
                people: people.len(),
            };
            let part = format!("hello:{app}:{chat}");
            post(ctx, &part, &app, &chat, Message::text(say.in_lang(lang)))?;
        }
        for newcomer in &all {
            store::hello_said(ctx.tx(), &newcomer.person, now).await?;
        }
        Ok(())
    }

    /// The groups that hear of these people, each with those it is about.
    async fn places<'n>(
        &self,
        ctx: &mut Ctx,
        company: &CompanyId,
        people: &[&'n Newcomer],
    ) -> Result<BTreeMap<(AppId, ChatId), Vec<&'n Newcomer>>, RuleError> {
        let mut places: BTreeMap<(AppId, ChatId), Vec<&'n Newcomer>> = BTreeMap::new();
        let env = ctx.env().clone();
        for place in &self.config.groups {
            match place {
                Place::Chat(app, chat) => {
                    let Some(there) = env.app(app).filter(|a| a.company == *company) else {
                        continue;
                    };
                    let platform = there.adapter.platform();
                    for newcomer in people {
                        if store::has_account(ctx.tx(), &newcomer.person, platform).await? {
                            enter(&mut places, app, chat, newcomer);
                        }
                    }
                }
                Place::GroupsOf(rule) => {
                    let groups = store::groups_of_rule(ctx.tx(), rule).await?;
                    if groups.is_empty() {
                        continue;
                    }
                    let departments = facts::departments(ctx.tx(), company).await?;
                    let parents: BTreeMap<&str, Option<&str>> = departments
                        .iter()
                        .map(|d| (d.id.as_str(), d.parent.as_deref()))
                        .collect();
                    for newcomer in people {
                        for team in store::teams(ctx.tx(), &newcomer.person).await? {
                            // The nearest group above, not all of them.
                            let up = std::iter::successors(Some(team.as_str()), |d| parents.get(d).copied().flatten());
                            let group = up
                                .take(departments.len())
                                .find_map(|d| groups.iter().find(|(dept, ..)| dept == d));
                            if let Some((_, app, chat)) = group.filter(|(_, app, _)| env.app(app).is_some()) {
                                enter(&mut places, app, chat, newcomer);
                            }
                        }
                    }
                }
            }
        }
        Ok(places)
    }

    fn welcome_card(
        &self,
        ctx: &Ctx,
        newcomer: &Newcomer,
        text: &str,
        buddy: Option<&Person>,
        lang: Lang,
    ) -> Result<Message, RuleError> {
        let mut card = Message::card(Say::CardTitle.in_lang(lang)).line(text);
        if let Some(buddy) = buddy {
            let say = Say::YourBuddy {
                name: &buddy.name,
                team: buddy.department_name.as_deref(),
            };
            card = card.line(say.in_lang(lang));
        }
        if !self.config.links.is_empty() {
            let item = |l: &super::config::Link| {
                vec![Inline::Link {
                    label: l.label.clone(),
                    url: l.url.clone(),
                }]
            };
            card = card.block(Block::List {
                ordered: true,
                items: self.config.links.iter().map(item).collect(),
            });
        }
        let who = Who::Only(&newcomer.person);
        let look = Say::ButtonLook.in_lang(lang);
        let look = ctx.button(look, "look", Vec::new(), ButtonStyle::Normal, who, VALID)?;
        let hello = Say::ButtonHello.in_lang(lang);
        let hello = ctx.button(hello, "hello", Vec::new(), ButtonStyle::Primary, who, VALID)?;
        let days: Vec<String> = self.config.checkins.iter().map(u16::to_string).collect();
        let note = Say::CardNote {
            days: &days,
            groups: !self.config.groups.is_empty(),
        };
        Ok(card.buttons(vec![look, hello]).note(note.in_lang(lang)))
    }

    pub(super) fn today(&self, ctx: &Ctx) -> NaiveDate {
        ctx.local(ctx.now()).date_naive()
    }
}

/// Says something in a group, through the app that posts there.
fn post(ctx: &mut Ctx, part: &str, app: &AppId, chat: &ChatId, message: Message) -> Result<(), RuleError> {
    let env = ctx.env().clone();
    let (app, chat) = env.post_target(app, chat);
    if ctx.can(app, Ability::SendToChat) {
        let action = Action::Send {
            to: Target::Chat(chat.clone()),
            content: message,
        };
        ctx.emit(part, app, DeliveryClass::Once, action)?;
    }
    Ok(())
}

fn enter<'n>(
    places: &mut BTreeMap<(AppId, ChatId), Vec<&'n Newcomer>>,
    app: &AppId,
    chat: &ChatId,
    newcomer: &'n Newcomer,
) {
    let there = places.entry((app.clone(), chat.clone())).or_default();
    // Named by two entries of the configuration, or standing in two teams.
    if !there.iter().any(|n| n.person == newcomer.person) {
        there.push(newcomer);
    }
}

pub(super) fn lang_of(ctx: &Ctx, person: &Person) -> Lang {
    let own = person.language.as_deref().and_then(Lang::parse);
    own.unwrap_or(ctx.env().lang)
}

/// `陈晨(固件组)`.
pub(super) fn with_team(name: &str, team: Option<&str>, lang: Lang) -> String {
    match (team, lang) {
        (None, _) => name.to_owned(),
        (Some(team), Lang::Zh) => format!("{name}({team})"),
        (Some(team), Lang::En) => format!("{name} ({team})"),
    }
}

/// Tells somebody that they are the buddy of a newcomer.
pub(super) async fn tell_buddy(
    ctx: &mut Ctx,
    newcomer: &Newcomer,
    buddy: &PersonId,
    person: &Person,
) -> Result<(), RuleError> {
    let Some(told) = ctx.directory().person(buddy).await? else {
        return Ok(());
    };
    let lang = lang_of(ctx, &told);
    let say = Say::YouAreBuddy {
        name: &person.name,
        team: person.department_name.as_deref(),
    };
    let part = format!("buddy:{}:{buddy}", person.id);
    let text = Message::text(say.in_lang(lang));
    ctx.tell(&part, &newcomer.app, buddy, DeliveryClass::Once, text).await?;
    Ok(())
}

/// Tells a newcomer who their buddy is now.
pub(super) async fn tell_newcomer(
    ctx: &mut Ctx,
    newcomer: &Newcomer,
    person: &Person,
    buddy: &Person,
) -> Result<(), RuleError> {
    let lang = lang_of(ctx, person);
    let say = Say::NewBuddy {
        name: &buddy.name,
        team: buddy.department_name.as_deref(),
    };
    let part = format!("newbuddy:{}", person.id);
    let text = Message::text(say.in_lang(lang));
    ctx.tell(&part, &newcomer.app, &person.id, DeliveryClass::Once, text)
        .await?;
    Ok(())
}
