//! The outcome for people: grouped by day, the same message to many groups in one line.

use std::collections::{BTreeMap, BTreeSet};

use super::{Entry, Ground, Moved, Place, Problem, RateUse, Rehearsal};
use crate::text::Lang;
use crate::text::rehearse::Say;

/// Rates used less than this, in percent, are not shown to people.
const WORTH_A_LINE: u64 = 1;

/// All of it, for a terminal.
pub fn text(outcome: &Rehearsal, lang: Lang) -> String {
    let mut lines = vec![
        Say::Title {
            company: &outcome.company,
            from: day_of(&outcome.from),
            to: day_of(&outcome.to),
            days: outcome.days,
        }
        .in_lang(lang),
        match &outcome.ground {
            Ground::Store => Say::OnCopy.in_lang(lang),
            Ground::ConfigAlone { why } => Say::ConfigAlone { why }.in_lang(lang),
        },
    ];
    for (day, list) in days(outcome) {
        lines.push(String::new());
        lines.push(heading(day, lang));
        lines.extend(list.iter().map(|line| format!("  {}", line.text(lang, ": "))));
    }
    lines.push(String::new());
    if outcome.entries.is_empty() {
        lines.push(Say::Nothing.in_lang(lang));
    } else {
        lines.push(total(outcome, lang));
    }
    let usage = usage(outcome, lang);
    if !usage.is_empty() {
        lines.push(Say::Usage.in_lang(lang));
        lines.extend(usage.into_iter().map(|l| format!("  {l}")));
    }
    lines.extend(problems(outcome, lang));
    lines.push(String::new());
    lines.join("\n")
}

/// Short lines for a chat: days, messages, then what to look at.
pub fn chat_lines(outcome: &Rehearsal, lang: Lang) -> Vec<String> {
    let mut lines = Vec::new();
    let problems = problems(outcome, lang);
    if !problems.is_empty() {
        lines.extend(problems);
    }
    for (day, list) in days(outcome) {
        lines.push(heading(day, lang));
        lines.extend(list.iter().map(|line| line.text(lang, " ")));
    }
    if outcome.entries.is_empty() {
        lines.push(Say::Nothing.in_lang(lang));
    } else {
        lines.push(total(outcome, lang));
    }
    lines
}

fn total(outcome: &Rehearsal, lang: Lang) -> String {
    let groups: BTreeSet<(&str, &str)> = outcome
        .entries
        .iter()
        .filter(|e| matches!(e.place, Place::Group { .. }))
        .map(|e| (e.app.as_str(), e.place.id()))
        .collect();
    Say::Total {
        messages: outcome.entries.len(),
        groups: groups.len(),
    }
    .in_lang(lang)
}

fn day_of(local: &str) -> &str {
    local.get(..10).unwrap_or(local)
}

/// `2026-11-30 周一`.
fn heading(day: &str, lang: Lang) -> String {
    use chrono::Datelike as _;
    match day.parse::<chrono::NaiveDate>() {
        Ok(date) if lang == Lang::Zh => format!("{day} {}", crate::config::weekday_zh(date.weekday())),
        Ok(date) => format!("{day} {}", date.weekday()),
        Err(_) => day.to_owned(),
    }
}

/// The same message at the same time, wherever it goes.
struct Line<'a> {
    first: &'a Entry,
    all: Vec<&'a Entry>,
}

fn days(outcome: &Rehearsal) -> BTreeMap<&str, Vec<Line<'_>>> {
    let mut days: BTreeMap<&str, Vec<Line<'_>>> = BTreeMap::new();
    for entry in &outcome.entries {
        let lines = days.entry(entry.day()).or_default();
        let kind = std::mem::discriminant(&entry.place);
        let same = lines.iter_mut().rev().take(64).find(|l| {
            l.first.local == entry.local
                && l.first.source == entry.source
                && l.first.title == entry.title
                && std::mem::discriminant(&l.first.place) == kind
        });
        match same {
            Some(line) => line.all.push(entry),
            None => lines.push(Line {
                first: entry,
                all: vec![entry],
            }),
        }
    }
    days
}

impl Line<'_> {
    fn text(&self, lang: Lang, after_time: &str) -> String {
        let first = self.first;
        let title = if first.title.is_empty() {
            first.action.as_str().to_owned()
        } else {
            first.title.clone()
        };
        let mut parts = vec![format!("{}{after_time}{title} → {}", first.time(), self.place(lang))];
        match &first.moved {
            Some(Moved::DayOff {
                from,
                holiday_zh,
                holiday_en,
            }) => {
                let holiday = match lang {
                    Lang::Zh => holiday_zh.as_deref(),
                    Lang::En => holiday_en.as_deref(),
                };
                let from = from.format("%m-%d").to_string();
                parts.push(Say::MovedOff { from: &from, holiday }.in_lang(lang));
            }
            Some(Moved::Budget { from }) => {
                let from = from.get(5..).unwrap_or(from).replace('T', " ");
                parts.push(Say::MovedBudget { from: &from }.in_lang(lang));
            }
            None => {}
        }
        let merges = self.all.iter().map(|e| e.merges.len()).max().unwrap_or(0);
        if merges > 0 {
            parts.push(Say::Merges { count: merges }.in_lang(lang));
        }
        let with: BTreeSet<&str> = self.all.iter().flat_map(|e| &e.collides).map(String::as_str).collect();
        if !with.is_empty() {
            let with: Vec<&str> = with.into_iter().take(3).collect();
            parts.push(Say::Collides { with: &with.join(", ") }.in_lang(lang));
        }
        if let Some((nth, limit)) = self.all.iter().filter_map(|e| e.budget).max() {
            parts.push(Say::Budget { nth, limit }.in_lang(lang));
        }
        if let Some(last) = self.all.iter().max_by_key(|e| e.leaves_at)
            && last.leaves_at.since(last.at) >= std::time::Duration::from_secs(60)
        {
            let minutes = last.leaves_at.since(last.at).as_secs().div_ceil(60);
            let time = later(first.time(), minutes);
            parts.push(Say::DoneBy { time: &time }.in_lang(lang));
        }
        parts.join(" · ")
    }

    fn place(&self, lang: Lang) -> String {
        let one = self.all.len() == 1;
        match &self.first.place {
            Place::Group { chat, name } if one => Say::OneGroup {
                name: name.as_deref().unwrap_or(chat),
                people: self.first.audience,
            }
            .in_lang(lang),
            Place::Group { .. } => {
                let known: u64 = self.all.iter().filter_map(|e| e.audience).map(u64::from).sum();
                Say::Groups {
                    groups: self.all.len(),
                    people: (known > 0).then_some(known),
                }
                .in_lang(lang)
            }
            Place::Person { user, name } if one => Say::OnePerson {
                name: name.as_deref().unwrap_or(user),
            }
            .in_lang(lang),
            Place::Person { .. } => Say::People { people: self.all.len() }.in_lang(lang),
            Place::Other { what } => Say::Other { what }.in_lang(lang),
        }
    }
}

/// `09:30` and so many minutes.
fn later(time: &str, minutes: u64) -> String {
    let begin = chrono::NaiveTime::parse_from_str(time, "%H:%M").unwrap_or_default();
    let minutes = i64::try_from(minutes).unwrap_or(0);
    let (at, _) = begin.overflowing_add_signed(chrono::TimeDelta::minutes(minutes));
    at.format("%H:%M").to_string()
}

fn usage(outcome: &Rehearsal, lang: Lang) -> Vec<String> {
    let percent = |r: &RateUse| (r.peak * 100).div_ceil(r.limit.max(1));
    let rates = outcome.rates.iter().filter(|r| percent(r) >= WORTH_A_LINE).map(|r| {
        Say::Rate {
            app: r.app.as_str(),
            api: &r.api,
            window: &window(r.window_ms),
            peak: r.peak,
            limit: r.limit,
            percent: percent(r),
        }
        .in_lang(lang)
    });
    let quotas = outcome.quotas.iter().map(|q| {
        Say::Quota {
            app: q.app.as_str(),
            month: &q.month,
            calls: q.calls,
            limit: q.limit,
        }
        .in_lang(lang)
    });
    rates.chain(quotas).collect()
}

fn window(ms: u64) -> String {
    match ms {
        ms if ms % 86_400_000 == 0 => format!("{} d", ms / 86_400_000),
        ms if ms % 3_600_000 == 0 => format!("{} h", ms / 3_600_000),
        ms if ms % 60_000 == 0 => format!("{} min", ms / 60_000),
        ms if ms % 1_000 == 0 => format!("{} s", ms / 1_000),
        ms => format!("{ms} ms"),
    }
}

fn problems(outcome: &Rehearsal, lang: Lang) -> Vec<String> {
    if outcome.problems.is_empty() {
        return vec![Say::Good.in_lang(lang)];
    }
    let mut lines = Vec::new();
    // Many groups on one day are one line.
    let mut budgets: BTreeMap<(&str, u32), Vec<(&str, u32)>> = BTreeMap::new();
    for problem in &outcome.problems {
        match problem {
            Problem::Budget {
                day,
                chat,
                name,
                messages,
                limit,
                ..
            } => budgets
                .entry((day, *limit))
                .or_default()
                .push((name.as_deref().unwrap_or(chat), *messages)),
            Problem::Silent { local, source } => lines.push(
                Say::Silent {
                    local: &local.replace('T', " "),
                    source,
                }
                .in_lang(lang),
            ),
            Problem::Dropped {
                local, source, place, ..
            } => lines.push(
                Say::Dropped {
                    local: &local.replace('T', " "),
                    source,
                    place,
                }
                .in_lang(lang),
            ),
            Problem::StillWaiting {
                chat, name, messages, ..
            } => lines.push(
                Say::StillWaiting {
                    place: name.as_deref().unwrap_or(chat),
                    messages: *messages,
                }
                .in_lang(lang),
            ),
            Problem::Quota {
                app,
                month,
                calls,
                limit,
            } => lines.push(
                Say::OverQuota {
                    app: app.as_str(),
                    month,
                    calls: *calls,
                    limit: *limit,
                }
                .in_lang(lang),
            ),
            Problem::Failed { source, error } => lines.push(Say::Failed { source, error }.in_lang(lang)),
        }
    }
    for ((day, limit), groups) in budgets {
        lines.push(match groups.as_slice() {
            [(place, messages)] => Say::OverBudget {
                day,
                place,
                messages: *messages,
                limit,
            }
            .in_lang(lang),
            many => Say::OverBudgetGroups {
                day,
                groups: many.len(),
                messages: many.iter().map(|(_, n)| n).sum(),
                limit,
            }
            .in_lang(lang),
        });
    }
    let mut all = vec![Say::Problems { count: lines.len() }.in_lang(lang)];
    all.extend(lines.into_iter().map(|l| format!("! {l}")));
    all
}
