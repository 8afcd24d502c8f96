//! All commands by all their names, built once at the start.

use std::collections::HashMap;

use hutong_model::{Mention, Segment, UserId};

use super::CommandSpec;
use super::parse::{Parsed, fold, parse};
use crate::text::Lang;
use crate::text::commands::{CommandText, all};

/// A command, its texts and the rule that answers it.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub spec: &'static CommandSpec,
    pub text: &'static CommandText,
    pub rule: &'static str,
}

/// Why the commands do not fit together; a defect that a test finds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryProblem {
    #[error("the command {0} has no texts")]
    NoTexts(&'static str),
    #[error("the command {0} is there twice")]
    Twice(&'static str),
    #[error("the name {name:?} belongs to {first} and to {second}")]
    NameTaken {
        name: String,
        first: &'static str,
        second: &'static str,
    },
    #[error("the argument {name:?} of {command} is named twice")]
    ArgumentTaken { command: &'static str, name: String },
    #[error("the example {example:?} of {command} is not read as that command: {why}")]
    Example {
        command: &'static str,
        example: String,
        why: String,
    },
}

/// See the module.
#[derive(Debug)]
pub struct Registry {
    entries: Vec<Entry>,
    by_name: HashMap<String, usize>,
    max_words: usize,
}

impl Registry {
    /// `rules` are the names of the rules with their commands.
    pub fn build(
        rules: impl IntoIterator<Item = (&'static str, &'static [CommandSpec])>,
    ) -> Result<Self, Vec<RegistryProblem>> {
        let mut problems = Vec::new();
        let mut entries: Vec<Entry> = Vec::new();
        for (rule, specs) in rules {
            for spec in specs {
                if entries.iter().any(|e| e.spec.id == spec.id) {
                    problems.push(RegistryProblem::Twice(spec.id));
                    continue;
                }
                match crate::text::commands::of(spec.id) {
                    Some(text) => entries.push(Entry { spec, text, rule }),
                    None => problems.push(RegistryProblem::NoTexts(spec.id)),
                }
            }
        }
        // Help speaks in the order of the texts.
        entries.sort_by_key(|e| all().position(|t| t.id == e.spec.id));
        let mut by_name: HashMap<String, usize> = HashMap::new();
        let mut max_words = 1;
        for (index, entry) in entries.iter().enumerate() {
            let mut argument_names: Vec<String> = Vec::new();
            for arg in entry.spec.args {
                let mut own: Vec<String> = arg.names.iter().map(|n| fold(n)).collect();
                own.push(arg.name.to_owned());
                own.sort();
                own.dedup();
                for name in own {
                    if argument_names.contains(&name) {
                        problems.push(RegistryProblem::ArgumentTaken {
                            command: entry.spec.id,
                            name: name.clone(),
                        });
                    }
                    argument_names.push(name);
                }
            }
            for name in entry.text.zh.iter().chain(entry.text.en) {
                let name = fold(name);
                max_words = max_words.max(name.split(' ').count());
                match by_name.get(&name).and_then(|i| entries.get(*i)) {
                    Some(other) if other.spec.id != entry.spec.id => problems.push(RegistryProblem::NameTaken {
                        name,
                        first: other.spec.id,
                        second: entry.spec.id,
                    }),
                    _ => {
                        by_name.insert(name, index);
                    }
                }
            }
        }
        // Chinese is written without spaces: `/建群预览` is `/建群 预览`, unless it is a name itself.
        let joined: Vec<(String, usize)> = by_name
            .iter()
            .filter(|(name, _)| name.contains(' ') && !name.is_ascii())
            .map(|(name, index)| (name.replace(' ', ""), *index))
            .collect();
        for (name, index) in joined {
            by_name.entry(name).or_insert(index);
        }
        if problems.is_empty() {
            Ok(Self {
                entries,
                by_name,
                max_words,
            })
        } else {
            Err(problems)
        }
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub fn entry(&self, id: &str) -> Option<&Entry> {
        self.entries.iter().find(|e| e.spec.id == id)
    }

    /// The rule that answers a command.
    pub fn rule_of(&self, id: &str) -> Option<&'static str> {
        self.entry(id).map(|e| e.rule)
    }

    /// The command with this name; the name is already folded.
    pub(super) fn find(&self, name: &str) -> Option<&'static CommandSpec> {
        self.by_name
            .get(name)
            .and_then(|i| self.entries.get(*i))
            .map(|e| e.spec)
    }

    /// The command that a person calls so, with or without slash.
    pub fn named(&self, typed: &str) -> Option<&'static CommandSpec> {
        let folded = fold(typed.trim());
        let words: Vec<&str> = folded.trim_start_matches('/').split_whitespace().collect();
        self.find(&words.join(" "))
    }

    pub(super) fn max_words(&self) -> usize {
        self.max_words
    }

    /// Commands of more than one word that begin with this one, in the order of the help.
    pub(super) fn beginning_with(&self, word: &str) -> Vec<&'static CommandSpec> {
        let begins = |name: &str| fold(name).strip_prefix(word).is_some_and(|rest| rest.starts_with(' '));
        self.entries
            .iter()
            .filter(|e| e.text.zh.iter().chain(e.text.en).any(|n| begins(n)))
            .map(|e| e.spec)
            .collect()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = (&str, &'static CommandSpec)> {
        self.entries
            .iter()
            .flat_map(|e| e.text.zh.iter().chain(e.text.en).map(|n| (*n, e.spec)))
    }

    /// Reads every example of every text; what is not read as its own command is a defect.
    pub fn check_examples(&self) -> Vec<RegistryProblem> {
        let mut problems = Vec::new();
        for entry in &self.entries {
            let lines = entry.text.usage_zh.lines().chain(entry.text.usage_en.lines());
            for example in lines.filter(|l| !l.trim().is_empty()) {
                let why = match parse(self, &example_segments(example), true) {
                    Parsed::Call { spec, .. } if spec.id == entry.spec.id => continue,
                    other => format!("{other:?}"),
                };
                problems.push(RegistryProblem::Example {
                    command: entry.spec.id,
                    example: example.to_owned(),
                    why,
                });
            }
        }
        problems
    }
}

impl CommandText {
    /// The first name, as it is typed.
    pub fn name(&self, lang: Lang) -> String {
        let names = match lang {
            Lang::Zh => self.zh,
            Lang::En => self.en,
        };
        format!("/{}", names.first().copied().unwrap_or(self.id))
    }

    pub fn about(&self, lang: Lang) -> &'static str {
        match lang {
            Lang::Zh => self.about_zh,
            Lang::En => self.about_en,
        }
    }

    pub fn usage(&self, lang: Lang) -> &'static str {
        match lang {
            Lang::Zh => self.usage_zh,
            Lang::En => self.usage_en,
        }
    }
}

/// What a platform would make of an example line: `@name` is a mention of a person.
pub fn example_segments(line: &str) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut text = String::new();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        if c != '@' {
            text.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        }
        if !text.is_empty() {
            segments.push(Segment::Text(std::mem::take(&mut text)));
        }
        let tail = &rest[1..];
        let end = tail.find(char::is_whitespace).unwrap_or(tail.len());
        let name = &tail[..end];
        segments.push(Segment::Mention(Mention {
            user: UserId::new(format!("u{}", crate::ids::short_hash(&[name], 8))).ok(),
            name: Some(name.to_owned()),
            bot: false,
        }));
        rest = &tail[end..];
    }
    if !text.is_empty() {
        segments.push(Segment::Text(text));
    }
    segments
}
