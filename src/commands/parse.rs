//! From the segments of a message to a command: a pure function.
//!
//! A command begins with `/` (or the full-width `／`), or stands bare when the bot was addressed and
//! the command allows it. Names are compared after NFKC and case folding; nothing is ever executed
//! on a guess: a misspelt name only leads to a suggestion. Values keep what was typed, except that
//! numbers, dates, times and choices are read after NFKC, so that full-width digits count.

use std::collections::BTreeMap;

use hutong_model::{Mention, Segment};
use unicode_normalization::UnicodeNormalization as _;

use super::nearest::nearest;
use super::registry::Registry;
use super::{ArgKind, ArgSpec, ArgValue, CommandSpec};

/// Longest value in characters.
pub const MAX_VALUE_CHARS: usize = 2000;
/// What stands behind this many characters of a message is not read.
const MAX_ITEMS: usize = 20_000;
/// Longest argument name in characters.
const MAX_KEY_CHARS: usize = 16;

/// What a message turned out to be.
#[derive(Debug, Clone)]
pub enum Parsed {
    NotACommand,
    Call {
        spec: &'static CommandSpec,
        args: BTreeMap<&'static str, ArgValue>,
    },
    /// The first word of several commands: `/建群` without `预览` or `执行`.
    Incomplete {
        typed: String,
        next: Vec<&'static CommandSpec>,
    },
    /// Addressed to the bot, begins like a command, and is none.
    Unknown {
        typed: String,
        closest: Option<&'static CommandSpec>,
    },
    /// `/感谢 ?`
    Help {
        spec: &'static CommandSpec,
    },
    BadArgs {
        spec: &'static CommandSpec,
        problems: Vec<ArgProblem>,
    },
}

/// What is wrong with the arguments; the words for it are in [`crate::text::commands`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArgProblem {
    Missing(&'static ArgSpec),
    Empty(&'static ArgSpec),
    Twice(&'static ArgSpec),
    TooLong(&'static ArgSpec),
    NotInteger {
        arg: &'static ArgSpec,
        typed: String,
        min: i64,
        max: i64,
    },
    NotDate {
        arg: &'static ArgSpec,
        typed: String,
    },
    NotTime {
        arg: &'static ArgSpec,
        typed: String,
    },
    NotChoice {
        arg: &'static ArgSpec,
        typed: String,
        choices: &'static [&'static str],
    },
    /// A name was typed where a mention is needed: two people may have the same name.
    NeedsMention {
        arg: &'static ArgSpec,
        typed: String,
    },
    UnknownKey {
        typed: String,
        closest: Option<&'static str>,
    },
    Extra {
        typed: String,
    },
}

/// One thing in a message: a character, a person, or something that is never looked into.
#[derive(Debug, Clone)]
enum Item {
    Char(char),
    Mention(Mention),
    Whole(String),
}

/// Reads a message. `addressed` is true in a private chat and when the bot was mentioned: only then
/// is an unknown command worth an answer, and are bare words understood.
pub fn parse(registry: &Registry, segments: &[Segment], addressed: bool) -> Parsed {
    let items = flatten(segments);
    let start = skip_space(&items, 0);
    let slash = matches!(items.get(start), Some(Item::Char('/' | '／')));
    if !slash && !addressed {
        return Parsed::NotACommand;
    }
    let name_at = start + usize::from(slash);
    if !matches!(items.get(name_at), Some(Item::Char(c)) if !c.is_whitespace() && *c != '/' && *c != '／') {
        return Parsed::NotACommand;
    }
    let words = words(&items, name_at, registry.max_words());
    for count in (1..=words.len()).rev() {
        let Some((_, end)) = words.get(count - 1) else {
            continue;
        };
        let name = joined(&words, count);
        let asks = name.ends_with('?');
        let Some(spec) = registry.find(name.trim_end_matches(['?', ':', ',', '。', '!'])) else {
            continue;
        };
        if !slash && !spec.bare {
            continue;
        }
        if asks || asks_for_help(&items, *end) {
            return Parsed::Help { spec };
        }
        return Args::new(spec, &items, *end).run();
    }
    if !slash || !addressed {
        return Parsed::NotACommand;
    }
    let typed = words.first().map(|(w, _)| w.clone()).unwrap_or_default();
    let near = |count: usize| nearest(&joined(&words, count), registry.names());
    // `/group aply`: the second word is misspelt.
    if let Some(closest) = (2..=words.len()).rev().find_map(near) {
        return Parsed::Unknown {
            typed: joined(&words, 2),
            closest: Some(closest),
        };
    }
    let next = registry.beginning_with(typed.trim_end_matches('?'));
    if !next.is_empty() {
        return Parsed::Incomplete { typed, next };
    }
    Parsed::Unknown {
        closest: near(1),
        typed,
    }
}

/// How names are compared.
pub(super) fn fold(text: &str) -> String {
    text.nfkc().collect::<String>().to_lowercase()
}

fn flatten(segments: &[Segment]) -> Vec<Item> {
    let mut items = Vec::new();
    for segment in segments {
        if items.len() >= MAX_ITEMS {
            break;
        }
        match segment {
            Segment::Text(text) => items.extend(
                text.chars()
                    .filter(|c| !invisible(*c))
                    .take(MAX_ITEMS - items.len())
                    .map(Item::Char),
            ),
            Segment::Mention(mention) => items.push(Item::Mention(mention.clone())),
            Segment::Link { label, url } => items.push(Item::Whole(if url.is_empty() { label } else { url }.clone())),
            Segment::Code(text) => items.push(Item::Whole(text.clone())),
            Segment::Emoji(name) => items.push(Item::Whole(format!("[{name}]"))),
            Segment::Break => items.push(Item::Char('\n')),
        }
    }
    items
}

/// Characters without width that clients put around mentions.
fn invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{202a}'..='\u{202e}')
}

fn skip_space(items: &[Item], mut at: usize) -> usize {
    while matches!(items.get(at), Some(Item::Char(c)) if c.is_whitespace()) {
        at += 1;
    }
    at
}

/// The word that begins at `at`, and where it ends.
fn word(items: &[Item], at: usize) -> (String, usize) {
    let mut text = String::new();
    let mut end = at;
    while let Some(Item::Char(c)) = items.get(end) {
        if c.is_whitespace() {
            break;
        }
        text.push(*c);
        end += 1;
    }
    (text, end)
}

/// Up to `count` folded words and where each ends.
fn words(items: &[Item], at: usize, count: usize) -> Vec<(String, usize)> {
    let mut list = Vec::new();
    let mut at = at;
    while list.len() < count {
        let (text, end) = word(items, at);
        if text.is_empty() || text.chars().count() > 64 {
            break;
        }
        list.push((fold(&text), end));
        at = skip_space(items, end);
    }
    list
}

fn joined(words: &[(String, usize)], count: usize) -> String {
    let list: Vec<&str> = words.iter().take(count).map(|(w, _)| w.as_str()).collect();
    list.join(" ")
}

fn asks_for_help(items: &[Item], at: usize) -> bool {
    let at = skip_space(items, at);
    let (text, end) = word(items, at);
    skip_space(items, end) >= items.len() && matches!(fold(&text).as_str(), "?" | "??" | "帮助" | "help")
}

struct Args<'i> {
    spec: &'static CommandSpec,
    items: &'i [Item],
    at: usize,
    values: BTreeMap<&'static str, ArgValue>,
    problems: Vec<ArgProblem>,
}

impl<'i> Args<'i> {
    fn new(spec: &'static CommandSpec, items: &'i [Item], at: usize) -> Self {
        Self {
            spec,
            items,
            at,
            values: BTreeMap::new(),
            problems: Vec::new(),
        }
    }

    fn run(mut self) -> Parsed {
        loop {
            self.at = skip_space(self.items, self.at);
            match self.items.get(self.at) {
                None => break,
                Some(Item::Mention(mention)) => self.mention(mention.clone()),
                Some(Item::Whole(_)) => self.positional(),
                Some(Item::Char(_)) => match self.key_at(self.at, false) {
                    Some((arg, value_at)) => self.keyed(arg, value_at),
                    None => self.positional(),
                },
            }
            // Nobody reads more than a handful of complaints.
            if self.problems.len() >= 5 {
                break;
            }
        }
        for arg in self.spec.args.iter().filter(|a| a.required) {
            let told = self.problems.iter().any(|p| p.about() == Some(arg.name));
            if !self.values.contains_key(arg.name) && !told {
                self.problems.push(ArgProblem::Missing(arg));
            }
        }
        if self.problems.is_empty() {
            Parsed::Call {
                spec: self.spec,
                args: self.values,
            }
        } else {
            Parsed::BadArgs {
                spec: self.spec,
                problems: self.problems,
            }
        }
    }

    fn person_arg(&self) -> Option<&'static ArgSpec> {
        self.spec.args.iter().find(|a| a.kind == ArgKind::Person)
    }

    fn next_positional(&self) -> Option<&'static ArgSpec> {
        self.spec
            .args
            .iter()
            .find(|a| a.positional && a.kind != ArgKind::Person && !self.values.contains_key(a.name))
    }

    /// The argument whose name and separator stand at `at`, and what comes after them. With
    /// `strict` only `=` separates: within a sentence a colon is more often just a colon.
    fn key_at(&self, at: usize, strict: bool) -> Option<(&'static ArgSpec, usize)> {
        let mut name = String::new();
        let mut end = at;
        loop {
            match self.items.get(end) {
                Some(Item::Char('=' | '＝')) => break,
                Some(Item::Char(':' | '：')) if !strict => break,
                Some(Item::Char(' ' | '\u{3000}')) => {
                    let after = skip_space(self.items, end);
                    if matches!(self.items.get(after), Some(Item::Char('=' | '＝'))) {
                        end = after;
                        break;
                    }
                    return None;
                }
                Some(Item::Char(c)) if !c.is_whitespace() && end - at < MAX_KEY_CHARS => name.push(*c),
                _ => return None,
            }
            end += 1;
        }
        let name = fold(&name);
        let arg = self
            .spec
            .args
            .iter()
            .find(|a| a.name == name || a.names.iter().any(|n| fold(n) == name))?;
        Some((arg, end + 1))
    }

    fn keyed(&mut self, arg: &'static ArgSpec, after: usize) {
        let value_at = skip_space(self.items, after);
        if value_at > after && self.key_at(value_at, false).is_some() {
            self.at = value_at;
            self.problems.push(ArgProblem::Empty(arg));
            return;
        }
        match arg.kind {
            ArgKind::Rest => self.rest(arg, value_at),
            ArgKind::Person => {
                let mut people = Vec::new();
                let mut at = value_at;
                while let Some(Item::Mention(mention)) = self.items.get(at) {
                    people.push(mention.clone());
                    at = skip_space(self.items, at + 1);
                }
                if people.is_empty() {
                    let (typed, end) = word(self.items, value_at);
                    self.at = end;
                    self.problems.push(if typed.is_empty() {
                        ArgProblem::Empty(arg)
                    } else {
                        ArgProblem::NeedsMention { arg, typed }
                    });
                } else {
                    self.at = at;
                    self.add_people(arg, people);
                }
            }
            _ => {
                let (text, end) = self.value(value_at);
                self.at = end;
                self.set(arg, text);
            }
        }
    }

    fn mention(&mut self, mention: Mention) {
        if let Some(arg) = self.person_arg() {
            self.at += 1;
            self.add_people(arg, vec![mention]);
            return;
        }
        match self.next_positional() {
            Some(arg) if arg.kind == ArgKind::Rest => self.rest(arg, self.at),
            _ => {
                self.at += 1;
                self.problems.push(ArgProblem::Extra {
                    typed: format!("@{}", mention.name.as_deref().unwrap_or("…")),
                });
            }
        }
    }

    fn add_people(&mut self, arg: &'static ArgSpec, mut people: Vec<Mention>) {
        match self.values.get_mut(arg.name) {
            Some(ArgValue::People(list)) => {
                people.retain(|p| !list.contains(p));
                list.extend(people);
            }
            _ => {
                self.values.insert(arg.name, ArgValue::People(people));
            }
        }
    }

    fn positional(&mut self) {
        let (typed, word_end) = match self.items.get(self.at) {
            Some(Item::Whole(text)) => (text.clone(), self.at + 1),
            _ => word(self.items, self.at),
        };
        let open_person = self
            .person_arg()
            .filter(|a| a.required && !self.values.contains_key(a.name));
        if let (Some(arg), true) = (open_person, typed.starts_with(['@', '＠'])) {
            self.at = word_end;
            self.problems.push(ArgProblem::NeedsMention { arg, typed });
            return;
        }
        match self.next_positional() {
            Some(arg) if arg.kind == ArgKind::Rest => self.rest(arg, self.at),
            Some(arg) => {
                if arg.kind != ArgKind::Text
                    && let Some(problem) = self.unknown_key(&typed)
                {
                    self.at = word_end;
                    self.problems.push(problem);
                    return;
                }
                let (text, end) = self.value(self.at);
                self.at = end;
                self.set(arg, text);
            }
            None => {
                let problem = self.unknown_key(&typed).unwrap_or(ArgProblem::Extra { typed });
                self.at = word_end;
                self.problems.push(problem);
            }
        }
    }

    /// `原囚=..`: a key that the command does not have.
    fn unknown_key(&self, typed: &str) -> Option<ArgProblem> {
        let (key, _) = typed.split_once(['=', '＝'])?;
        let known = self.spec.args.iter().flat_map(|a| a.names.iter().map(|n| (*n, *n)));
        Some(ArgProblem::UnknownKey {
            typed: key.to_owned(),
            closest: nearest(&fold(key), known),
        })
    }

    /// One value: a word, or everything between a pair of quotes. A quote that is never closed is
    /// just a character.
    fn value(&self, at: usize) -> (String, usize) {
        if let Some(Item::Whole(text)) = self.items.get(at) {
            return (text.clone(), at + 1);
        }
        if let Some(Item::Char(open)) = self.items.get(at)
            && let Some(close) = closing(*open)
        {
            let mut text = String::new();
            let mut end = at + 1;
            while let Some(item) = self.items.get(end) {
                match item {
                    Item::Char(c) if *c == close => return (text, end + 1),
                    Item::Char(c) => text.push(*c),
                    Item::Whole(whole) => text.push_str(whole),
                    Item::Mention(m) => push_mention(&mut text, m),
                }
                end += 1;
            }
        }
        word(self.items, at)
    }

    /// Everything to the end, or to the next argument with `=`.
    fn rest(&mut self, arg: &'static ArgSpec, at: usize) {
        let person = self.person_arg();
        let mut text = String::new();
        let mut end = at;
        let mut fresh_word = false;
        while let Some(item) = self.items.get(end) {
            if fresh_word
                && let Some((other, _)) = self.key_at(end, true)
                && other.name != arg.name
                && !self.values.contains_key(other.name)
            {
                break;
            }
            match item {
                Item::Char(c) => text.push(*c),
                Item::Whole(whole) => text.push_str(whole),
                Item::Mention(mention) => match person {
                    Some(person) if !self.values.contains_key(person.name) => {
                        self.add_people(person, vec![mention.clone()]);
                    }
                    _ => push_mention(&mut text, mention),
                },
            }
            fresh_word = matches!(item, Item::Char(c) if c.is_whitespace());
            end += 1;
        }
        self.at = end;
        let text = text.trim();
        let bare = unquote(text).unwrap_or(text).to_owned();
        self.set(arg, bare);
    }

    fn set(&mut self, arg: &'static ArgSpec, text: String) {
        if self.values.contains_key(arg.name) {
            self.problems.push(ArgProblem::Twice(arg));
        } else if text.trim().is_empty() {
            self.problems.push(ArgProblem::Empty(arg));
        } else if text.chars().count() > MAX_VALUE_CHARS {
            self.problems.push(ArgProblem::TooLong(arg));
        } else {
            match typed_value(arg, text) {
                Ok(value) => {
                    self.values.insert(arg.name, value);
                }
                Err(problem) => self.problems.push(problem),
            }
        }
    }
}

impl ArgProblem {
    /// The argument that it is about, by the name that code uses.
    pub fn about(&self) -> Option<&'static str> {
        match self {
            ArgProblem::Missing(arg) | ArgProblem::Empty(arg) | ArgProblem::Twice(arg) | ArgProblem::TooLong(arg) => {
                Some(arg.name)
            }
            ArgProblem::NotInteger { arg, .. }
            | ArgProblem::NotDate { arg, .. }
            | ArgProblem::NotTime { arg, .. }
            | ArgProblem::NotChoice { arg, .. }
            | ArgProblem::NeedsMention { arg, .. } => Some(arg.name),
            ArgProblem::UnknownKey { .. } | ArgProblem::Extra { .. } => None,
        }
    }
}

fn closing(open: char) -> Option<char> {
    match open {
        '"' => Some('"'),
        '\'' => Some('\''),
        '＂' => Some('＂'),
        '“' => Some('”'),
        '‘' => Some('’'),
        '「' => Some('」'),
        '『' => Some('』'),
        _ => None,
    }
}

fn unquote(text: &str) -> Option<&str> {
    let mut chars = text.chars();
    let close = closing(chars.next()?)?;
    let inner = chars.as_str().strip_suffix(close)?;
    (!inner.contains(close)).then_some(inner)
}

fn push_mention(text: &mut String, mention: &Mention) {
    // Without a name: the platform has left it in the text.
    if let Some(name) = &mention.name {
        text.push('@');
        text.push_str(name);
    }
}

fn typed_value(arg: &'static ArgSpec, text: String) -> Result<ArgValue, ArgProblem> {
    match arg.kind {
        ArgKind::Text | ArgKind::Rest => Ok(ArgValue::Text(text)),
        ArgKind::Integer { min, max } => {
            let plain = fold(&text);
            match plain.strip_prefix('+').unwrap_or(&plain).parse::<i64>() {
                Ok(n) if (min..=max).contains(&n) => Ok(ArgValue::Integer(n)),
                _ => Err(ArgProblem::NotInteger {
                    arg,
                    typed: text,
                    min,
                    max,
                }),
            }
        }
        ArgKind::Date => {
            let plain = fold(&text)
                .replace(['/', '.', '年', '月'], "-")
                .trim_end_matches('日')
                .to_owned();
            chrono::NaiveDate::parse_from_str(&plain, "%Y-%m-%d")
                .map(ArgValue::Date)
                .map_err(|_| ArgProblem::NotDate { arg, typed: text })
        }
        ArgKind::Time => chrono::NaiveTime::parse_from_str(&fold(&text), "%H:%M")
            .map(ArgValue::Time)
            .map_err(|_| ArgProblem::NotTime { arg, typed: text }),
        ArgKind::Choice(choices) => {
            let plain = fold(&text);
            choices
                .iter()
                .find(|c| fold(c) == plain)
                .map(|c| ArgValue::Text((*c).to_owned()))
                .ok_or(ArgProblem::NotChoice {
                    arg,
                    typed: text,
                    choices,
                })
        }
        ArgKind::Person => Err(ArgProblem::NeedsMention { arg, typed: text }),
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
