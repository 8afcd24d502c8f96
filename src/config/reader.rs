//! The reader of one table: typed getters, defaults, positions, unknown keys.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::NaiveTime;
use chrono_tz::Tz;
use hutong_model::AppId;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::env::Environment;
use super::field::{Field, Located, State, Wrong, parse_duration, quoted};
use super::nearest::nearest;
use super::problem::Problem;
use super::schedule_spec::parse_time;
use super::source::{Source, Span};
use super::{ScheduleCheck, builtin};

/// A problem before it has a place on a line.
struct Finding {
    span: Span,
    key: String,
    wrong: Wrong,
}

/// What all readers of one file share.
pub(super) struct Shared<'r> {
    pub source: &'r Source<'r>,
    pub env: &'r dyn Environment,
    pub schedule: &'r ScheduleCheck<'r>,
    /// The ids that the blocks of each section declare, known before any section is read.
    pub ids: BTreeMap<String, BTreeSet<String>>,
    findings: RefCell<Vec<Finding>>,
    hidden: RefCell<Vec<Span>>,
    /// First place of every id read so far, by pattern and id.
    seen: RefCell<BTreeMap<(String, String), Span>>,
    /// Every key that any reader asked for, as patterns (`column[].every.time`).
    asked: RefCell<BTreeSet<String>>,
}

impl<'r> Shared<'r> {
    pub fn new(
        source: &'r Source<'r>,
        env: &'r dyn Environment,
        schedule: &'r ScheduleCheck<'r>,
        ids: BTreeMap<String, BTreeSet<String>>,
    ) -> Self {
        Self {
            source,
            env,
            schedule,
            ids,
            findings: RefCell::default(),
            hidden: RefCell::default(),
            seen: RefCell::default(),
            asked: RefCell::default(),
        }
    }

    pub fn refuse(&self, span: Span, key: &str, wrong: Wrong) {
        self.findings.borrow_mut().push(Finding {
            span,
            key: key.to_owned(),
            wrong,
        });
    }

    /// That part of the file must not be shown.
    pub fn hide(&self, span: Span) {
        self.hidden.borrow_mut().push(span);
    }

    /// Hides the value of a key that nobody knows: it may be a secret with a misspelled name.
    pub fn hide_unknown(&self, key: &Spanned<DeString<'_>>, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Table(table) => table.iter().for_each(|(key, value)| self.hide_unknown(key, value)),
            DeValue::Array(array) if array.iter().any(|v| v.get_ref().is_table()) => {
                let tables = array.iter().filter_map(|v| v.get_ref().as_table());
                tables
                    .flat_map(|table| table.iter())
                    .for_each(|(key, value)| self.hide_unknown(key, value));
            }
            _ if value.span().start >= key.span().end => self.hide(value.span()),
            _ => {}
        }
    }

    pub fn count(&self) -> usize {
        self.findings.borrow().len()
    }

    pub fn has_problem_at(&self, key: &str) -> bool {
        self.findings.borrow().iter().any(|f| f.key == key)
    }

    pub fn has_id(&self, section: &str, id: &str) -> bool {
        self.ids.get(section).is_some_and(|ids| ids.contains(id))
    }

    pub fn unknown_id(&self, section: &str, id: &str) -> Wrong {
        let known: Vec<&str> = self
            .ids
            .get(section)
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        let what = format!("there is no [[{section}]] with id {}", quoted(id));
        match (nearest(id, known.iter().copied()), known.is_empty()) {
            (Some(meant), _) => Wrong::new(what, format!("did you mean {meant:?}?")),
            (None, true) => Wrong::new(what, format!("add a [[{section}]] block with this id")),
            (None, false) => Wrong::new(what, format!("known: {}", known.join(", "))),
        }
    }

    pub fn asked(&self) -> BTreeSet<String> {
        self.asked.borrow().clone()
    }

    /// All problems, in the order of the file.
    pub fn problems(&self) -> Vec<Problem> {
        let hidden = self.hidden.borrow();
        let mut list: Vec<Problem> = self
            .findings
            .borrow()
            .iter()
            .map(|finding| Problem {
                place: self.source.place(&finding.span, &hidden),
                key: finding.key.clone(),
                what: self.source.without_logins(&finding.wrong.what),
                hint: finding.wrong.hint.clone(),
            })
            .collect();
        list.sort_by_key(|p| (p.line(), p.column()));
        list
    }

    /// The value as it stands in the file, for a message.
    fn excerpt(&self, span: &Span, key: &str) -> String {
        const MOST: usize = 40;
        if self.source.is_secret_name(key) {
            return "****".to_owned();
        }
        let place = self.source.place(span, &self.hidden.borrow());
        let line = place.shown.get(place.mark).unwrap_or_default();
        match line.char_indices().nth(MOST) {
            Some((at, _)) => format!("{}...", &line[..at]),
            None => line.to_owned(),
        }
    }
}

/// Reads one table of the file. Getters give the value of the file or, if the key is not there,
/// the one of the built-in file; what else stands in the table is refused at the end.
pub struct Reader<'r> {
    pub(super) shared: &'r Shared<'r>,
    /// `column[2]`, for people.
    pub(super) path: String,
    /// `column[]`, the same for all elements.
    pattern: String,
    given: Option<&'r DeTable<'r>>,
    pub(super) header: Span,
    pub(super) defaults: Option<&'r DeTable<'r>>,
    asked: Vec<&'static str>,
}

/// A value and where problems with it are shown.
pub(super) struct Found<'r> {
    pub value: &'r DeValue<'r>,
    pub span: Span,
}

impl<'r> Reader<'r> {
    pub(super) fn new(
        shared: &'r Shared<'r>,
        path: String,
        pattern: String,
        given: Option<&'r DeTable<'r>>,
        header: Span,
        defaults: Option<&'r DeTable<'r>>,
    ) -> Self {
        Self {
            shared,
            path,
            pattern,
            given,
            header,
            defaults,
            asked: Vec::new(),
        }
    }

    /// Reads with `read`, then refuses what it did not ask for. `None` always has a problem.
    pub(super) fn run<T>(mut self, read: impl FnOnce(&mut Reader<'r>) -> Option<T>) -> Option<T> {
        let before = self.shared.count();
        let value = read(&mut self);
        self.refuse_unknown(value.is_none());
        if value.is_none() && self.shared.count() == before {
            let wrong = Wrong::new(
                "cannot be used",
                "its reader refused it without saying why: please report this",
            );
            self.shared.refuse(self.header.clone(), &self.path, wrong);
        }
        value
    }

    fn refuse_unknown(&self, gave_up: bool) {
        let Some(given) = self.given else { return };
        // Which keys an app has depends on its platform, and its reader always asks for all of them.
        let sample = match self.pattern.as_str() {
            "app[]" => &[],
            pattern => builtin::keys_of(pattern),
        };
        // A reader that gave up may not have asked for everything it knows.
        let known = |key: &str| self.asked.contains(&key) || (gave_up && sample.iter().any(|k| k == key));
        for (key, value) in given.iter().filter(|(key, _)| !known(key.get_ref())) {
            let mut names: Vec<&str> = self.asked.clone();
            names.extend(sample.iter().map(String::as_str));
            names.sort_unstable();
            names.dedup();
            let name = key.get_ref();
            self.shared.hide_unknown(key, value);
            let hint = match nearest(name, names.iter().copied()) {
                Some(meant) => format!("did you mean {meant}?"),
                None => format!("known here: {}", names.join(", ")),
            };
            self.shared
                .refuse(key.span(), &self.key(name), Wrong::new("there is no such key", hint));
        }
    }

    pub(super) fn key(&self, name: &str) -> String {
        match self.path.as_str() {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        }
    }

    fn pattern_of(&self, name: &str) -> String {
        match self.pattern.as_str() {
            "" => name.to_owned(),
            pattern => format!("{pattern}.{name}"),
        }
    }

    pub(super) fn ask(&mut self, name: &'static str) {
        if !self.asked.contains(&name) {
            self.asked.push(name);
            self.shared.asked.borrow_mut().insert(self.pattern_of(name));
        }
    }

    pub(super) fn find(&mut self, name: &'static str) -> Option<Found<'r>> {
        self.ask(name);
        if let Some(value) = self.given.and_then(|t| t.get(name)) {
            return Some(Found {
                value: value.get_ref(),
                span: value.span(),
            });
        }
        let value = self.defaults.and_then(|t| t.get(name))?;
        Some(Found {
            value: value.get_ref(),
            span: self.header.clone(),
        })
    }

    /// Is the key written in the file itself?
    pub fn has(&self, name: &str) -> bool {
        self.given.is_some_and(|t| t.contains_key(name))
    }

    pub(super) fn has_default(&self, name: &str) -> bool {
        self.defaults.is_some_and(|t| t.contains_key(name))
    }

    /// Is the value in the file a table?
    pub(super) fn has_table(&self, name: &str) -> bool {
        self.given
            .and_then(|t| t.get(name))
            .is_some_and(|v| v.get_ref().is_table())
    }

    /// A text of the file without asking for it: for decisions about other keys.
    pub(super) fn peek_text(&self, name: &str) -> Option<String> {
        self.given
            .and_then(|t| t.get(name))
            .and_then(|v| v.get_ref().as_str())
            .map(str::to_owned)
    }

    /// Takes every key of the table as known: where it cannot be said which keys belong here.
    pub(super) fn accept_all(&mut self) {
        self.given = None;
    }

    /// What stands outside of the file: variables, other files, the clock.
    pub fn environment(&self) -> &'r dyn Environment {
        self.shared.env
    }

    /// The ids of all `[[app]]` blocks of the file.
    pub fn app_ids(&self) -> impl Iterator<Item = &'r str> {
        self.shared.ids.get("app").into_iter().flatten().map(String::as_str)
    }

    /// The ids of the blocks of a section, for checks inside of longer texts.
    pub fn ids_of(&self, section: &'static str) -> Ids<'r> {
        Ids {
            shared: self.shared,
            section,
        }
    }

    /// Refuses the value of a key when another block has said `what` before. Points at both lines.
    pub fn once(&mut self, name: &'static str, what: String, wrong: impl FnOnce(usize) -> Wrong) {
        let span = self.place_of(name);
        let place = (self.pattern_of(name), what);
        let first = self.shared.seen.borrow().get(&place).cloned();
        match first {
            Some(first) => {
                let line = self.shared.source.line_of(first.start) + 1;
                self.wrong(name, wrong(line));
            }
            None => {
                self.shared.seen.borrow_mut().insert(place, span);
            }
        }
    }

    /// Refuses the value of a key for a reason that needs more than this key: contradictions
    /// between keys, references. Points at the value, or at the table when it is a default.
    pub fn wrong(&mut self, name: &'static str, wrong: Wrong) {
        let span = self.place_of(name);
        let key = self.key(name);
        self.shared.refuse(span, &key, wrong);
    }

    pub(super) fn place_of(&self, name: &str) -> Span {
        self.given
            .and_then(|t| t.get(name))
            .map_or(self.header.clone(), Spanned::span)
    }

    /// A key that people may expect here; `hint` says what to write instead.
    pub fn elsewhere(&mut self, name: &'static str, hint: &str) {
        if let Some((key, _)) = self.given.and_then(|t| t.get_key_value(name)) {
            self.asked.push(name);
            let path = self.key(name);
            self.shared
                .refuse(key.span(), &path, Wrong::new("does not stand here", hint));
        }
    }

    fn field<T>(
        &mut self,
        name: &'static str,
        needs: &str,
        example: &str,
        take: impl FnOnce(&'r DeValue<'r>) -> Option<T>,
    ) -> Field<'r, T> {
        let found = self.find(name);
        let key = self.key(name);
        let form = format!("{name} = {example}");
        let state = match found {
            None => State::Missing,
            Some(found) => match take(found.value) {
                Some(value) => State::Value(value, found.span),
                None => {
                    let excerpt = self.shared.excerpt(&found.span, name);
                    let what = format!("{excerpt} is {}, {needs} is needed", kind_of(found.value));
                    self.shared
                        .refuse(found.span, &key, Wrong::new(what, format!("write {form}")));
                    State::Refused
                }
            },
        };
        Field {
            shared: self.shared,
            key,
            header: self.header.clone(),
            form,
            state,
            incomplete: false,
        }
    }

    pub fn text(&mut self, name: &'static str) -> Field<'r, String> {
        self.field(name, "a text", "\"...\"", |value| value.as_str().map(str::to_owned))
    }

    pub fn integer(&mut self, name: &'static str) -> Field<'r, i64> {
        self.field(name, "a whole number", "1", integer_of)
    }

    /// A number with or without a fraction.
    pub fn number(&mut self, name: &'static str) -> Field<'r, f64> {
        self.field(name, "a number", "0.5", |value| match value {
            DeValue::Float(text) => text.as_str().parse::<f64>().ok().filter(|n| n.is_finite()),
            other => integer_of(other).map(|n| n as f64),
        })
    }

    pub fn boolean(&mut self, name: &'static str) -> Field<'r, bool> {
        self.field(name, "true or false", "true", DeValue::as_bool)
    }

    /// `"2h"`, `"1h30m"`, `"7d"`.
    pub fn duration(&mut self, name: &'static str) -> Field<'r, Duration> {
        self.field(name, "a duration", "\"2h\"", |value| value.as_str().map(str::to_owned))
            .parse(|text| {
                let hint = "write a number with d, h, m, s or ms, for example \"2h\", \"1h30m\" or \"7d\"";
                parse_duration(&text).ok_or_else(|| Wrong::new(format!("{} is not a duration", quoted(&text)), hint))
            })
    }

    /// A time of day, `"09:30"` or the TOML time `09:30:00`.
    pub fn time(&mut self, name: &'static str) -> Field<'r, NaiveTime> {
        let field = self.field(name, "a time of day", "\"09:30\"", |value| match value {
            DeValue::String(text) => Some(text.clone().into_owned()),
            DeValue::Datetime(at) => match (at.date, at.time, at.offset) {
                (None, Some(time), None) => Some(match time.second {
                    None | Some(0) => format!("{:02}:{:02}", time.hour, time.minute),
                    Some(second) => format!("{:02}:{:02}:{second:02}", time.hour, time.minute),
                }),
                _ => None,
            },
            _ => None,
        });
        field.parse(|text| {
            let hint = "write hours and minutes, from \"00:00\" to \"23:59\"";
            parse_time(&text).ok_or_else(|| Wrong::new(format!("{} is not a time of day", quoted(&text)), hint))
        })
    }

    /// A zone of the IANA list: `"Asia/Shanghai"`.
    pub fn zone(&mut self, name: &'static str) -> Field<'r, Tz> {
        self.field(name, "a time zone", "\"Asia/Shanghai\"", |value| {
            value.as_str().map(str::to_owned)
        })
        .parse(|text| {
            text.parse::<Tz>().map_err(|_| {
                let hint = match nearest(&text, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name())) {
                    Some(meant) => format!("did you mean {meant:?}?"),
                    None => {
                        "use a name of the IANA list, for example \"Asia/Shanghai\" or \"Europe/Berlin\"".to_owned()
                    }
                };
                Wrong::new(format!("{} is not a known time zone", quoted(&text)), hint)
            })
        })
    }

    /// The id of a block: `a-z 0-9 - _`, at most 32 characters, once per section.
    pub fn id(&mut self, name: &'static str) -> Field<'r, String> {
        let shared = self.shared;
        let field = self.text(name).parse(|text| {
            AppId::new(text.as_str()).map_err(|error| {
                Wrong::new(
                    format!("{} is not an id: {}", quoted(&text), error.why),
                    "an id has 1 to 32 characters of a-z, 0-9, - and _",
                )
            })?;
            Ok(text)
        });
        let place = (self.pattern_of(name), field.key.clone());
        let span = match &field.state {
            State::Value(_, span) => span.clone(),
            _ => self.header.clone(),
        };
        field.parse(|text| {
            let mut seen = shared.seen.borrow_mut();
            match seen.get(&(place.0.clone(), text.clone())) {
                Some(first) => Err(Wrong::new(
                    format!("the id {text:?} stands twice"),
                    format!(
                        "the first is on line {}; choose another one",
                        shared.source.line_of(first.start) + 1
                    ),
                )),
                None => {
                    seen.insert((place.0, text.clone()), span);
                    Ok(text)
                }
            }
        })
    }

    /// The id of an `[[app]]` of this file.
    pub fn app(&mut self, name: &'static str) -> Field<'r, AppId> {
        let shared = self.shared;
        self.text(name)
            .id_in("app")
            .parse(move |text| AppId::new(text.as_str()).map_err(|_| shared.unknown_id("app", &text)))
    }

    /// A list of texts; go on with [`Field::texts`] or [`Field::each`].
    pub fn list(&mut self, name: &'static str) -> Field<'r, Vec<Located<String>>> {
        let found = self.find(name);
        let key = self.key(name);
        let form = format!("{name} = [\"...\"]");
        let mut incomplete = false;
        let state = match found {
            None => State::Missing,
            Some(Found {
                value: DeValue::Array(array),
                span,
            }) => {
                let from_file = self.has(name);
                let mut list = Vec::with_capacity(array.len());
                for element in array.iter() {
                    let at = if from_file { element.span() } else { span.clone() };
                    match element.get_ref().as_str() {
                        Some(text) => list.push(Located {
                            value: text.to_owned(),
                            span: at,
                        }),
                        None => {
                            let excerpt = self.shared.excerpt(&at, name);
                            let what = format!("{excerpt} is {}, a text is needed", kind_of(element.get_ref()));
                            self.shared.refuse(at, &key, Wrong::new(what, format!("write {form}")));
                        }
                    }
                }
                incomplete = list.len() < array.len();
                State::Value(list, span)
            }
            Some(Found { value, span }) => {
                let excerpt = self.shared.excerpt(&span, name);
                let what = format!("{excerpt} is {}, a list is needed", kind_of(value));
                self.shared
                    .refuse(span, &key, Wrong::new(what, format!("write {form}")));
                State::Refused
            }
        };
        Field {
            shared: self.shared,
            key,
            header: self.header.clone(),
            form,
            state,
            incomplete,
        }
    }

    fn child(
        &self,
        name: &str,
        given: Option<&'r DeTable<'r>>,
        header: Span,
        defaults: Option<&'r DeTable<'r>>,
        number: Option<usize>,
    ) -> Reader<'r> {
        let (path, pattern) = match number {
            Some(n) => (
                format!("{}[{n}]", self.key(name)),
                format!("{}[]", self.pattern_of(name)),
            ),
            None => (self.key(name), self.pattern_of(name)),
        };
        Reader::new(self.shared, path, pattern, given, header, defaults)
    }

    /// A table inside this one, `[section.name]` or `name = { ... }`. Absent: read from the
    /// defaults alone.
    pub fn table<T>(&mut self, name: &'static str, read: impl FnOnce(&mut Reader<'r>) -> Option<T>) -> Option<T> {
        self.ask(name);
        let defaults = self
            .defaults
            .and_then(|t| t.get(name))
            .and_then(|v| v.get_ref().as_table());
        match self.given.and_then(|t| t.get(name)) {
            None => self.child(name, None, self.header.clone(), defaults, None).run(read),
            Some(value) => match value.get_ref() {
                DeValue::Table(table) => self.child(name, Some(table), value.span(), defaults, None).run(read),
                other => {
                    let excerpt = self.shared.excerpt(&value.span(), name);
                    let what = format!("{excerpt} is {}, a table is needed", kind_of(other));
                    let key = self.key(name);
                    self.shared.refuse(
                        value.span(),
                        &key,
                        Wrong::new(what, format!("write {name} = {{ ... }}")),
                    );
                    None
                }
            },
        }
    }

    /// Blocks inside this table, `[[section.name]]`. `None` when one of them has a problem.
    pub fn tables<T>(
        &mut self,
        name: &'static str,
        mut read: impl FnMut(&mut Reader<'r>) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.ask(name);
        let defaults = match self.defaults.and_then(|t| t.get(name)).map(Spanned::get_ref) {
            Some(DeValue::Array(array)) => array.first().and_then(|v| v.get_ref().as_table()),
            _ => None,
        };
        let Some(value) = self.given.and_then(|t| t.get(name)) else {
            return Some(Vec::new());
        };
        let key = self.key(name);
        let DeValue::Array(array) = value.get_ref() else {
            let what = format!("{} stands once, but several are possible", kind_of(value.get_ref()));
            self.shared.refuse(
                value.span(),
                &key,
                Wrong::new(what, format!("write [[{key}]], one block each")),
            );
            return None;
        };
        let mut list = Vec::with_capacity(array.len());
        for (n, element) in array.iter().enumerate() {
            match element.get_ref() {
                DeValue::Table(table) => {
                    let child = self.child(name, Some(table), element.span(), defaults, Some(n + 1));
                    list.extend(child.run(&mut read));
                }
                other => {
                    let what = format!(
                        "{} is {}, a table is needed",
                        self.shared.excerpt(&element.span(), name),
                        kind_of(other)
                    );
                    self.shared.refuse(
                        element.span(),
                        &key,
                        Wrong::new(what, format!("write [[{key}]], one block each")),
                    );
                }
            }
        }
        (list.len() == array.len()).then_some(list)
    }
}

/// See [`Reader::ids_of`].
pub struct Ids<'r> {
    shared: &'r Shared<'r>,
    section: &'static str,
}

impl Ids<'_> {
    /// Refuses an id that no block of the section declares.
    pub fn check(&self, id: &str) -> Result<(), Wrong> {
        match self.shared.has_id(self.section, id) {
            true => Ok(()),
            false => Err(self.shared.unknown_id(self.section, id)),
        }
    }
}

fn integer_of(value: &DeValue<'_>) -> Option<i64> {
    let number = value.as_integer()?;
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// The kind of a value, for messages.
pub(super) fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) if integer_of(value).is_none() => "a number that is too large",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
