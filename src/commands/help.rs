//! What the bot says about commands: help, suggestions, and what is wrong with an argument. All of
//! it is made from the specs, so that it cannot disagree with what the parser takes.

use hutong_model::{Capabilities, Message, SeeClass};

use super::{AnswerPlace, ArgKind, CommandSpec, Entry, Parsed, Registry};
use crate::access::{Rights, Role};
use crate::text::Lang;
use crate::text::commands::problem;
use crate::text::service::{Say, roles};

/// Lines that fit on a phone.
pub const MAX_LINES: usize = 12;
/// Commands that are explained on a line of their own.
const EXPLAINED: usize = 4;

/// For whom and where help is given.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    pub rights: &'a Rights,
    pub group: bool,
    pub caps: Option<&'a Capabilities>,
    pub lang: Lang,
}

fn for_everyone(entry: &Entry) -> bool {
    entry.spec.roles.contains(&Role::Member)
}

/// The overview: what this person can do here, with three examples, on at most twelve lines.
pub fn overview(registry: &Registry, reader: Reader<'_>) -> Message {
    let Reader {
        rights,
        group,
        caps,
        lang,
    } = reader;
    let here = |e: &&Entry| !group || e.spec.place != AnswerPlace::Private;
    let mut common: Vec<&Entry> = registry
        .entries()
        .iter()
        .filter(|e| for_everyone(e))
        .filter(here)
        .collect();
    // What people come for stands before what is about the bot itself.
    common.sort_by_key(|e| e.spec.id.starts_with("service."));
    let special: Vec<&Entry> = registry
        .entries()
        .iter()
        .filter(|e| !for_everyone(e) && rights.anywhere(e.spec.roles))
        .collect();
    let mut lines = Vec::new();
    for entry in common.iter().take(EXPLAINED) {
        lines.push(format!("{} — {}", entry.text.name(lang), entry.text.about(lang)));
    }
    if common.len() > EXPLAINED {
        lines.push(Say::HelpAlso(names(common.iter().skip(EXPLAINED), lang)).in_lang(lang));
    }
    // What needs a role is not for everyone's eyes: in a group only the way to it is shown.
    if group {
        lines.push(Say::HelpPrivateHasMore.in_lang(lang));
    } else if !special.is_empty() {
        let mine: Vec<Role> = Role::ALL
            .into_iter()
            .filter(|r| *r != Role::Member && rights.0.iter().any(|(held, _)| held == r))
            .collect();
        let more = Say::HelpMoreForYou(mine).in_lang(lang);
        lines.push(format!("{more}{}", names(special.iter(), lang)));
    }
    let examples: Vec<&str> = common
        .iter()
        .chain(special.iter().filter(|_| !group))
        .filter_map(|e| e.text.usage(lang).lines().next())
        // The bare name is no example of anything.
        .filter(|line| line.contains(' '))
        .take(3)
        .collect();
    if !examples.is_empty() {
        lines.extend(
            Say::HelpExamples(examples.join("\n"))
                .in_lang(lang)
                .lines()
                .map(str::to_owned),
        );
    }
    if group && caps.is_some_and(|c| !c.sees(SeeClass::V1)) {
        lines.push(Say::HelpMentionMe.in_lang(lang));
    } else if let Some(first) = common.first() {
        lines.push(Say::HelpOne(first.text.name(lang)).in_lang(lang));
    }
    lines.truncate(MAX_LINES - 1);
    let mut message = Message::card(Say::HelpTitle.in_lang(lang));
    for line in lines {
        message = message.line(line);
    }
    message
}

fn names<'e>(entries: impl Iterator<Item = &'e &'e Entry>, lang: Lang) -> String {
    let list: Vec<String> = entries.map(|e| e.text.name(lang)).collect();
    list.join(" · ")
}

/// Help of one command. Somebody who may not use it learns who may.
pub fn of_command(registry: &Registry, spec: &CommandSpec, lang: Lang) -> Message {
    let Some(entry) = registry.entry(spec.id) else {
        return Message::text(Say::HelpNoSuch(spec.id.to_owned()).in_lang(lang));
    };
    let mut message = Message::card(format!("{} — {}", entry.text.name(lang), entry.text.about(lang)));
    for line in entry.text.usage(lang).lines() {
        message = message.line(line);
    }
    for arg in spec.args {
        if let ArgKind::Choice(choices) = arg.kind {
            let list = format!("{} = {}", arg.shown(lang), choices.join(" / "));
            message = message.line(Say::HelpChoices(list).in_lang(lang));
        }
    }
    let other: Vec<String> = entry
        .text
        .zh
        .iter()
        .chain(entry.text.en)
        .map(|n| format!("/{n}"))
        .filter(|n| *n != entry.text.name(lang))
        .collect();
    if !other.is_empty() {
        message = message.line(Say::HelpAlso(other.join(" · ")).in_lang(lang));
    }
    if !spec.roles.contains(&Role::Member) {
        message = message.line(Say::HelpWho(roles(spec.roles, lang)).in_lang(lang));
    }
    if spec.place == AnswerPlace::Private {
        message = message.note(Say::HelpAnswersPrivately.in_lang(lang));
    }
    message
}

/// What to answer to everything that is not a call. `None` when it is one, or no command at all.
/// Commands that the person has no role for are not suggested.
pub fn explain(parsed: &Parsed, registry: &Registry, rights: &Rights, lang: Lang) -> Option<Message> {
    let name = |spec: &CommandSpec| registry.entry(spec.id).map(|e| e.text.name(lang));
    match parsed {
        Parsed::NotACommand | Parsed::Call { .. } => None,
        Parsed::Help { spec } => Some(of_command(registry, spec, lang)),
        Parsed::Unknown { typed, closest } => {
            let closest = closest.filter(|s| rights.anywhere(s.roles)).and_then(name);
            let typed: String = typed.chars().take(20).collect();
            Some(Message::text(Say::UnknownCommand { typed, closest }.in_lang(lang)))
        }
        Parsed::Incomplete { typed, next } => {
            let next: Vec<String> = next
                .iter()
                .filter(|s| rights.anywhere(s.roles))
                .filter_map(|s| name(s))
                .collect();
            let say = if next.is_empty() {
                Say::UnknownCommand {
                    typed: typed.clone(),
                    closest: None,
                }
            } else {
                Say::Incomplete {
                    typed: typed.clone(),
                    next: next.join(" · "),
                }
            };
            Some(Message::text(say.in_lang(lang)))
        }
        Parsed::BadArgs { spec, problems } => {
            let entry = registry.entry(spec.id)?;
            let mut text = Say::BadArgs(entry.text.name(lang)).in_lang(lang);
            for found in problems {
                text.push('\n');
                text.push_str(&problem(found, lang));
            }
            if let Some(example) = entry.text.usage(lang).lines().next() {
                text.push('\n');
                text.push_str(&Say::Example(example.to_owned()).in_lang(lang));
            }
            Some(Message::text(text))
        }
    }
}

/// What is said to somebody who may not: cause, requirement, next step.
pub fn refusal(registry: &Registry, spec: &CommandSpec, elsewhere: bool, lang: Lang) -> Message {
    let command = registry
        .entry(spec.id)
        .map_or_else(|| spec.id.to_owned(), |e| e.text.name(lang));
    let needs = spec.roles.to_vec();
    let say = if elsewhere {
        Say::NotInThisScope { command, needs }
    } else {
        Say::NotAllowed { command, needs }
    };
    Message::text(say.in_lang(lang))
}
