//! `/health` for those who look after the bot: all apps in a few lines, or one app in full. What
//! works comes from capability data, what is missing from the last answers of the platform.

use hutong_model::{Ability, FindingState, Message, Timestamp};

use super::features::{FEATURES, Standing};
use super::store::{self, Found};
use crate::commands::help;
use crate::directory::Person;
use crate::rules::{Ctx, RuleError};
use crate::text::Lang;
use crate::text::health::Say as More;
use crate::text::service::Say;

/// Difference to the platform's clock that is worth a line.
const CLOCK_OFF_SECONDS: i64 = 5;

pub fn minutes(now: Timestamp, then: Timestamp) -> i64 {
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

/// All apps in a few lines, and what other rules have to say (`more`).
pub async fn overview(ctx: &mut Ctx, person: &Person, lang: Lang, more: Vec<String>) -> Result<Message, RuleError> {
    let env = ctx.env().clone();
    let now = ctx.now();
    let mut message = Message::card(Say::HealthTitle.in_lang(lang));
    let mut clock_off: i64 = 0;
    let mut synced = Vec::new();
    let mut lines = Vec::new();
    let mut names = Vec::new();
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
        let (_, missing, warnings) = counted(&store::findings(ctx.tx(), id).await?);
        if missing + warnings > 0 {
            let say = More::Checked {
                missing,
                warnings,
                app: id.as_str(),
            };
            line.push_str(" · ");
            line.push_str(&say.in_lang(lang));
        }
        lines.push(line);
        names.push(id.to_string());
        if caps.can(Ability::ListPeople) {
            synced.extend(store::last_sync(ctx.tx(), id).await?);
        }
    }
    // Title, apps, perhaps a line for those who found no place, and three lines of the service.
    let room = (help::MAX_LINES - 4).saturating_sub(more.len()).max(1);
    if lines.len() > room {
        let left: Vec<&str> = names.iter().skip(room - 1).map(String::as_str).collect();
        lines.truncate(room - 1);
        let apps = left.join("、");
        lines.push(More::MoreApps { apps: &apps }.in_lang(lang));
    }
    lines.extend(more);
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

/// Good answers, missing things and warnings.
fn counted(found: &[Found]) -> (usize, usize, usize) {
    let count = |state: FindingState| found.iter().filter(|f| f.state == state).count();
    (
        count(FindingState::Good),
        count(FindingState::Missing),
        count(FindingState::Warning),
    )
}

/// One app: what works, what is less, what is off, and what the platform says is missing.
pub async fn of_app(ctx: &mut Ctx, person: &Person, typed: &str, lang: Lang) -> Result<Message, RuleError> {
    let env = ctx.env().clone();
    let own = || env.apps.iter().filter(|(_, a)| a.company == person.company);
    let Some((id, app)) = own().find(|(id, _)| id.as_str().eq_ignore_ascii_case(typed.trim())) else {
        let known: Vec<&str> = own().map(|(id, _)| id.as_str()).collect();
        let typed: String = typed.chars().take(32).collect();
        let say = More::NoSuchApp {
            typed: &typed,
            known: &known.join("、"),
        };
        return Err(RuleError::refuse(Message::text(say.in_lang(lang))));
    };
    let caps = app.adapter.capabilities();
    let now = ctx.now();
    let mut works = Vec::new();
    let (mut less, mut off) = (Vec::new(), Vec::new());
    for feature in FEATURES {
        let name = match lang {
            Lang::Zh => feature.zh,
            Lang::En => feature.en,
        };
        match feature.standing(caps) {
            Standing::Works => works.push(name),
            Standing::Degraded(why) => {
                let why: Vec<&str> = why
                    .iter()
                    .map(|(zh, en)| if lang == Lang::Zh { *zh } else { *en })
                    .collect();
                less.push(
                    More::Degraded {
                        feature: name,
                        less: &why,
                    }
                    .in_lang(lang),
                );
            }
            Standing::Off(lacks) => off.push(
                More::Off {
                    feature: name,
                    lacks: &lacks,
                }
                .in_lang(lang),
            ),
        }
    }
    let found = store::findings(ctx.tx(), id).await?;
    let (good, ..) = counted(&found);
    let said = |f: &Found| if lang == Lang::Zh { f.zh.clone() } else { f.en.clone() };
    let missing = found.iter().filter(|f| f.state == FindingState::Missing);
    let warnings = found.iter().filter(|f| f.state == FindingState::Warning);
    let mut lines: Vec<String> = missing
        .map(|f| More::Missing { what: &said(f) }.in_lang(lang))
        .collect();
    lines.extend(off);
    lines.extend(less);
    lines.extend(warnings.map(|f| More::Warning { what: &said(f) }.in_lang(lang)));
    if !works.is_empty() {
        lines.insert(0, More::Works { features: &works }.in_lang(lang));
    }
    let asked = match found.first() {
        Some(first) => More::Asked {
            minutes: minutes(now, first.at),
            good,
        },
        None => More::NotAsked,
    };
    // Title and the last line; one more when not all has room.
    let room = help::MAX_LINES - 2;
    if lines.len() > room {
        let n = lines.len() - (room - 1);
        lines.truncate(room - 1);
        lines.push(More::More { n }.in_lang(lang));
    }
    let mut card = Message::card(More::Title { app: id.as_str() }.in_lang(lang));
    for line in lines {
        card = card.line(line);
    }
    Ok(card.note(asked.in_lang(lang)))
}
