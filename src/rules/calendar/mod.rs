//! The working calendar in chats: this month's days, days off of the company and of oneself, and the
//! warning that next year's notice is not in yet.
//!
//! People see `/日历 本月`, `/日历 我休 2026-12-01..2026-12-03`, `/日历 导出`. Operators enter company days
//! off with `/日历 假期 2026-12-31 公司调休`; what the configuration says cannot be changed there.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use chrono::{Datelike as _, Days, NaiveDate, NaiveTime};
use hutong_model::{Ability, Body, BoxFuture, DeliveryClass, Event, Message, Timestamp};

use crate::access::store::{audit, holders};
use crate::access::{Place, Role};
use crate::calendar::{Desk, WorkCalendar, store};
use crate::commands::{AnswerPlace, ArgKind, ArgSpec, Call, CommandSpec};
use crate::rules::{Ctx, Rule, RuleError};
use crate::schedule::{Coverage, Misfire, Schedule, Spec};
use crate::text::Lang;
use crate::text::calendar::Say;

/// Name of the rule.
pub const NAME: &str = "calendar";
/// Days that one person may enter at once.
const MOST_DAYS: i64 = 92;
/// From this day of December on, the next year must be known.
const WARN_FROM: u32 = 10;

const DATES: ArgSpec = ArgSpec {
    name: "dates",
    names: &["日期", "dates"],
    kind: ArgKind::Text,
    positional: true,
    required: true,
};
const NAME_OF_DAY: ArgSpec = ArgSpec {
    name: "name",
    names: &["名称", "name"],
    kind: ArgKind::Rest,
    positional: true,
    required: false,
};
const MONTH: ArgSpec = ArgSpec {
    name: "month",
    names: &["月", "month"],
    kind: ArgKind::Text,
    positional: true,
    required: false,
};

const fn member(id: &'static str, args: &'static [ArgSpec]) -> CommandSpec {
    CommandSpec {
        id,
        bare: false,
        args,
        roles: &[Role::Member],
        place: AnswerPlace::Private,
    }
}

pub const COMMANDS: &[CommandSpec] = &[
    member("calendar.month", &[MONTH]),
    member("calendar.mine", &[DATES, NAME_OF_DAY]),
    CommandSpec {
        roles: &[Role::Operator],
        ..member("calendar.holiday", &[DATES, NAME_OF_DAY])
    },
];

/// The rule module.
pub struct CalendarRule {
    calendar: Arc<WorkCalendar>,
}

/// `2026-12-01`, or `2026-12-01..2026-12-03` with both ends.
fn dates(text: &str) -> Option<(NaiveDate, NaiveDate)> {
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    let (from, to) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
    (from <= to).then_some((from, to))
}

fn takes_back(name: &str) -> bool {
    matches!(name, "取消" | "cancel" | "remove")
}

impl CalendarRule {
    pub fn new(calendar: Arc<WorkCalendar>) -> Self {
        Self { calendar }
    }

    fn say(ctx: &mut Ctx, call: &Call, say: &Say<'_>) -> Result<(), RuleError> {
        ctx.answer(
            &call.asker,
            AnswerPlace::Private,
            Message::text(say.in_lang(call.asker.lang)),
        )
    }

    /// Zone and days of whoever asks: of the group it was asked in, else of their department.
    async fn desk(&self, ctx: &mut Ctx, call: &Call) -> Result<Desk, RuleError> {
        let chat = call.asker.chat.as_ref().map(|c| c.id.clone());
        let place = match &call.asker.person.department {
            Some(department) => crate::access::store::place_of_department(ctx.tx(), department).await?,
            None => Place::default(),
        };
        let chat = chat.as_ref().map(|c| (&call.asker.app, c));
        let office = self.calendar.office_of(chat, &place).cloned();
        let entered = store::shared(ctx.tx()).await?;
        Ok(self.calendar.desk(office.as_ref(), &entered))
    }

    async fn month(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let desk = self.desk(ctx, call).await?;
        let today = crate::rules::local(desk.zone, ctx.now()).date_naive();
        let first = match call.text("month").map(str::trim) {
            None | Some("" | "本月" | "this") => today.with_day(1),
            Some("下月" | "next") => today
                .with_day(1)
                .and_then(|d| d.checked_add_months(chrono::Months::new(1))),
            Some(text) => format!("{text}-01").parse().ok(),
        };
        let Some(first) = first else {
            return Self::say(ctx, call, &Say::NoMonth);
        };
        let lang = call.asker.lang;
        let days: Vec<NaiveDate> = first.iter_days().take_while(|d| d.month() == first.month()).collect();
        let worked = days.iter().filter(|d| desk.days.is_workday(**d)).count();
        let mut card = Message::card(Say::MonthTitle { first, worked }.in_lang(lang));
        let entered = store::shared(ctx.tx()).await?;
        let mut runs: Vec<(String, NaiveDate, NaiveDate)> = Vec::new();
        let mut makeup = Vec::new();
        for day in &days {
            let weekend = matches!(day.weekday(), chrono::Weekday::Sat | chrono::Weekday::Sun);
            if desk.days.is_workday(*day) {
                if weekend {
                    makeup.push(*day);
                }
                continue;
            }
            let own = entered.iter().find(|e| e.date == *day).map(|e| e.name.clone());
            let named = self.calendar.table.holiday(*day);
            let public = named.map(|(zh, en)| if lang == Lang::Zh { zh } else { en }.to_owned());
            let Some(name) = own.or(public).filter(|n| !n.is_empty()) else {
                continue;
            };
            match runs.last_mut() {
                Some((last, _, to)) if *last == name && to.succ_opt() == Some(*day) => *to = *day,
                _ => runs.push((name, *day, *day)),
            }
        }
        for (name, from, to) in runs.iter().take(5) {
            card = card.line(
                Say::Off {
                    name,
                    from: *from,
                    to: *to,
                }
                .in_lang(lang),
            );
        }
        if runs.is_empty() && makeup.is_empty() {
            card = card.line(Say::NothingOff.in_lang(lang));
        }
        if !makeup.is_empty() {
            card = card.line(Say::Makeup { days: &makeup }.in_lang(lang));
        }
        let mine = store::of_person(ctx.tx(), &call.asker.person.id, first).await?;
        let mine: Vec<NaiveDate> = mine.into_iter().filter(|d| days.contains(d)).collect();
        if !mine.is_empty() {
            card = card.line(Say::Mine { days: &mine }.in_lang(lang));
        }
        if self.calendar.table.coverage(first.year()) != Coverage::Published {
            card = card.line(Say::YearUnknown { year: first.year() }.in_lang(lang));
        }
        let link = self.link(ctx)?;
        let note = Say::MonthNote {
            zone: desk.zone.name(),
            link: link.as_deref(),
        };
        ctx.answer(&call.asker, AnswerPlace::Private, card.note(note.in_lang(lang)))
    }

    /// Where the calendar can be fetched as a file, if this installation has an address.
    fn link(&self, ctx: &Ctx) -> Result<Option<String>, RuleError> {
        let env = ctx.env();
        let Some(url) = &env.public_url else {
            return Ok(None);
        };
        let token = crate::access::token::Token {
            rule: NAME.to_owned(),
            verb: "ics".to_owned(),
            args: Vec::new(),
            only: None,
            role: None,
            expires_at: ctx.now() + Duration::from_secs(400 * 86_400),
        };
        let token = env.signer.sign(&token).map_err(|e| RuleError::Fail(e.to_string()))?;
        Ok(Some(format!("{url}/calendar/{token}.ics")))
    }

    async fn holiday(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let Some((from, to)) = call.text("dates").and_then(dates) else {
            return Self::say(ctx, call, &Say::NoDates);
        };
        let name: String = call.text("name").unwrap_or_default().trim().chars().take(40).collect();
        let now = ctx.now();
        let mut changed = 0;
        for date in from.iter_days().take_while(|d| *d <= to).take(31) {
            let back = takes_back(&name);
            let by_config = self.calendar.table.holiday(date).is_some();
            if by_config {
                if back {
                    return Self::say(ctx, call, &Say::ConfigWins { date });
                }
                continue;
            }
            let done = match back {
                true => store::remove(ctx.tx(), store::COMPANY, date).await?,
                false => {
                    let day = store::Entered {
                        scope: store::COMPANY.to_owned(),
                        date,
                        name: if name.is_empty() {
                            "放假".to_owned()
                        } else {
                            name.clone()
                        },
                    };
                    store::enter(ctx.tx(), &day, &call.asker.person.id, now).await?
                }
            };
            if done {
                changed += 1;
                let actor = call.asker.person.id.as_str();
                let action = if back {
                    "calendar.day_off.remove"
                } else {
                    "calendar.day_off"
                };
                audit(
                    ctx.tx(),
                    now,
                    actor,
                    action,
                    &date.to_string(),
                    &serde_json::Value::Null,
                )
                .await?;
            }
        }
        let say = match (changed, takes_back(&name)) {
            (0, _) => Say::NothingChanged,
            (n, true) => Say::DayOffGone { n },
            (_, false) => Say::DayOffSet { from, to, name: &name },
        };
        Self::say(ctx, call, &say)
    }

    async fn mine(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let Some((from, to)) = call
            .text("dates")
            .and_then(dates)
            .filter(|(a, b)| (*b - *a).num_days() < MOST_DAYS)
        else {
            return Self::say(ctx, call, &Say::NoDates);
        };
        let back = call.text("name").is_some_and(|n| takes_back(n.trim()));
        let person = call.asker.person.id.clone();
        let (scope, now) = (store::person_scope(&person), ctx.now());
        for date in from.iter_days().take_while(|d| *d <= to) {
            match back {
                true => drop(store::remove(ctx.tx(), &scope, date).await?),
                false => {
                    let day = store::Entered {
                        scope: scope.clone(),
                        date,
                        name: String::new(),
                    };
                    store::enter(ctx.tx(), &day, &person, now).await?;
                }
            }
        }
        let say = if back {
            Say::MineGone { from, to }
        } else {
            Say::MineSet { from, to }
        };
        Self::say(ctx, call, &say)
    }

    /// Tells operators that next year is not known, each day from 10 December on.
    async fn warn(&self, ctx: &mut Ctx, local: &str) -> Result<(), RuleError> {
        let Some(today) = local.get(..10).and_then(|d| d.parse::<NaiveDate>().ok()) else {
            return Ok(());
        };
        let next = today.year() + 1;
        if today.month() != 12 || today.day() < WARN_FROM || self.calendar.table.coverage(next) == Coverage::Published {
            return Ok(());
        }
        let env = ctx.env().clone();
        let mut told = Vec::new();
        for (app, a) in &env.apps {
            if !a.adapter.capabilities().can(Ability::SendToUser) {
                continue;
            }
            for person in holders(ctx.tx(), &a.company, &[Role::Operator], &Place::default()).await? {
                if told.contains(&person) {
                    continue;
                }
                let text = Message::text(Say::YearMissing { year: next }.in_lang(env.lang));
                if ctx
                    .tell(&format!("year:{person}"), app, &person, DeliveryClass::Once, text)
                    .await?
                {
                    told.push(person);
                }
            }
        }
        Ok(())
    }
}

impl Rule for CalendarRule {
    fn name(&self) -> &'static str {
        NAME
    }

    fn commands(&self) -> &'static [CommandSpec] {
        COMMANDS
    }

    fn schedules(&self) -> Vec<Schedule> {
        vec![Schedule {
            id: format!("{NAME}:~year"),
            rule: NAME.to_owned(),
            spec: Spec::Daily {
                time: NaiveTime::from_hms_opt(9, 30, 0).unwrap_or(NaiveTime::MIN),
            },
            zone: self.calendar.zone,
            misfire: Misfire::Once,
            grace: Duration::from_secs(12 * 3600),
        }]
    }

    fn health_lines(&self, now: Timestamp, lang: Lang) -> Vec<String> {
        let today = crate::rules::local(self.calendar.zone, now).date_naive();
        let mut years = vec![today.year()];
        let soon = today.checked_add_days(Days::new(22)).map(|d| d.year());
        years.extend(soon.filter(|y| *y != today.year()));
        years
            .into_iter()
            .filter(|y| self.calendar.table.coverage(*y) != Coverage::Published)
            .map(|year| Say::YearUnknown { year }.in_lang(lang))
            .collect()
    }

    fn on_event<'a>(&'a self, ctx: &'a mut Ctx, event: &'a Event) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move {
            match &event.body {
                Body::Tick { local, .. } => self.warn(ctx, local).await,
                _ => Ok(()),
            }
        })
    }

    fn on_command<'a>(&'a self, ctx: &'a mut Ctx, call: &'a Call) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move {
            match call.id {
                "calendar.month" => self.month(ctx, call).await,
                "calendar.holiday" => self.holiday(ctx, call).await,
                "calendar.mine" => self.mine(ctx, call).await,
                other => Err(RuleError::Fail(format!("calendar has no command {other}"))),
            }
        })
    }
}
