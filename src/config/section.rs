//! How a part of the program takes its section out of the file.

use std::cell::RefCell;
use std::collections::BTreeSet;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::builtin;
use super::field::Wrong;
use super::nearest::nearest;
use super::reader::{Reader, Shared, kind_of};
use super::source::Span;

/// One section: `[points]`, or one of several `[[column]]`. See the module page of
/// [`crate::config`] for a complete example.
pub trait Section: Sized {
    /// The name between the brackets; may have dots (`calendar.office`).
    const NAME: &'static str;

    /// Reads the section. Call every getter first and keep the results, then build the struct with
    /// `?`: so all problems are found, not only the first. `None` means that a problem is recorded.
    fn read(reader: &mut Reader<'_>) -> Option<Self>;
}

/// The top of the file.
pub(super) struct Root<'r> {
    shared: &'r Shared<'r>,
    given: &'r DeTable<'r>,
    names: RefCell<BTreeSet<&'static str>>,
}

/// A section in the file.
enum Placed<'r> {
    Absent,
    Table(&'r DeTable<'r>, Span),
    Blocks(&'r [Spanned<DeValue<'r>>]),
    Other(&'r DeValue<'r>, Span),
}

impl<'r> Root<'r> {
    pub fn new(shared: &'r Shared<'r>, given: &'r DeTable<'r>) -> Self {
        Self {
            shared,
            given,
            names: RefCell::default(),
        }
    }

    fn locate(&self, name: &'static str) -> Placed<'r> {
        self.names.borrow_mut().insert(name);
        match descend(self.given, name) {
            None => Placed::Absent,
            Some(value) => match value.get_ref() {
                DeValue::Table(table) => Placed::Table(table, value.span()),
                DeValue::Array(array) => Placed::Blocks(array),
                other => Placed::Other(other, value.span()),
            },
        }
    }

    fn refuse(&self, span: Span, name: &str, what: String, hint: String) {
        self.shared.refuse(span, name, Wrong::new(what, hint));
    }

    /// A section that is always there: `[server]`. Absent: all defaults.
    pub fn always<S: Section>(&self) -> Option<S> {
        match self.locate(S::NAME) {
            Placed::Absent => {
                let defaults = default_table(S::NAME);
                Reader::new(self.shared, S::NAME.into(), S::NAME.into(), None, 0..0, defaults).run(S::read)
            }
            placed => self.table(placed),
        }
    }

    /// A section that switches something on: `[points]`. Absent: off.
    pub fn switch<S: Section>(&self) -> Option<Option<S>> {
        match self.locate(S::NAME) {
            Placed::Absent => Some(None),
            placed => self.table(placed).map(Some),
        }
    }

    fn table<S: Section>(&self, placed: Placed<'r>) -> Option<S> {
        let name = S::NAME;
        let hint = format!("write [{name}], once");
        match placed {
            Placed::Table(table, span) => {
                let defaults = default_table(name);
                Reader::new(self.shared, name.into(), name.into(), Some(table), span, defaults).run(S::read)
            }
            Placed::Blocks(blocks) => {
                let span = blocks.first().map_or(0..0, Spanned::span);
                self.refuse(span, name, "this section stands once, not in blocks".to_owned(), hint);
                None
            }
            Placed::Other(value, span) => {
                self.refuse(
                    span,
                    name,
                    format!("{} stands where a section is needed", kind_of(value)),
                    hint,
                );
                None
            }
            Placed::Absent => None,
        }
    }

    /// A section that may stand several times: `[[column]]`. Absent: none.
    pub fn many<S: Section>(&self) -> Option<Vec<S>> {
        self.many_with(S::NAME, S::read)
    }

    pub fn many_with<T>(
        &self,
        name: &'static str,
        mut read: impl FnMut(&mut Reader<'r>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let hint = format!("write [[{name}]], one block each");
        let (value, span) = match self.locate(name) {
            Placed::Absent => return Some(Vec::new()),
            Placed::Blocks(blocks) => {
                let mut list = Vec::with_capacity(blocks.len());
                for (n, block) in blocks.iter().enumerate() {
                    let DeValue::Table(table) = block.get_ref() else {
                        let what = format!("{} stands where a block is needed", kind_of(block.get_ref()));
                        self.refuse(block.span(), name, what, hint.clone());
                        continue;
                    };
                    let (path, pattern) = (format!("{name}[{}]", n + 1), format!("{name}[]"));
                    let defaults = default_table(name);
                    let reader = Reader::new(self.shared, path, pattern, Some(table), block.span(), defaults);
                    list.extend(reader.run(&mut read));
                }
                return (list.len() == blocks.len()).then_some(list);
            }
            Placed::Table(_, span) => ("a single table", span),
            Placed::Other(value, span) => (kind_of(value), span),
        };
        self.refuse(span, name, format!("{value} stands where blocks are needed"), hint);
        None
    }

    /// Refuses a key of the block number `at` (from 0) of a section, for a reason that needs other
    /// blocks as well.
    pub fn wrong_in(&self, name: &'static str, at: usize, key: &str, wrong: Wrong) {
        let block = descend(self.given, name)
            .and_then(|section| section.get_ref().as_array()?.get(at))
            .and_then(|block| Some((block.get_ref().as_table()?, block.span())));
        let Some((table, span)) = block else { return };
        let span = table.get(key).map_or(span, Spanned::span);
        self.shared.refuse(span, &format!("{name}[{}].{key}", at + 1), wrong);
    }

    /// Refuses what no section has claimed. Call after all sections are read.
    pub fn refuse_unknown(&self) {
        let names = self.names.borrow();
        self.unknown("", self.given, &names);
    }

    fn unknown(&self, prefix: &str, table: &DeTable<'_>, names: &BTreeSet<&'static str>) {
        for (key, value) in table.iter() {
            let name = key.get_ref().as_ref();
            let full = match prefix {
                "" => name.to_owned(),
                prefix => format!("{prefix}.{name}"),
            };
            if names.contains(full.as_str()) {
                continue;
            }
            let below = format!("{full}.");
            if names.iter().any(|known| known.starts_with(&below)) {
                match value.get_ref() {
                    DeValue::Table(table) => self.unknown(&full, table, names),
                    other => {
                        let what = format!("{} stands where a table is needed", kind_of(other));
                        let inside: Vec<&str> = names.iter().filter(|n| n.starts_with(&below)).copied().collect();
                        self.refuse(key.span(), &full, what, format!("known here: {}", inside.join(", ")));
                    }
                }
                continue;
            }
            self.shared.hide_unknown(key, value);
            let is_section = matches!(value.get_ref(), DeValue::Table(_))
                || matches!(value.get_ref(), DeValue::Array(a) if a.iter().any(|v| v.get_ref().is_table()));
            let what = if is_section {
                "there is no such section"
            } else {
                "there is no such key outside of sections"
            };
            let home = names
                .iter()
                .find(|known| builtin::keys_of(known).iter().any(|k| k == name));
            let hint = match (nearest(&full, names.iter().copied()), home) {
                (_, Some(home)) if !is_section => format!("it belongs into [{home}]"),
                (Some(meant), _) => format!("did you mean {meant}?"),
                (None, _) => format!(
                    "known sections: {}",
                    names.iter().copied().collect::<Vec<_>>().join(", ")
                ),
            };
            self.refuse(key.span(), &full, what.to_owned(), hint);
        }
    }
}

fn descend<'t, 'i>(table: &'t DeTable<'i>, name: &str) -> Option<&'t Spanned<DeValue<'i>>> {
    let (first, rest) = match name.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (name, None),
    };
    let value = table.get(first)?;
    match rest {
        None => Some(value),
        Some(rest) => descend(value.get_ref().as_table()?, rest),
    }
}

/// The defaults of a section; of a section with blocks, those that hold for every block.
fn default_table(name: &str) -> Option<&'static DeTable<'static>> {
    match descend(builtin::defaults(), name)?.get_ref() {
        DeValue::Table(table) => Some(table),
        DeValue::Array(array) => array.first()?.get_ref().as_table(),
        _ => None,
    }
}
