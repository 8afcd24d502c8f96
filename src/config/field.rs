//! One key on its way from the file to a checked value.
//!
//! A [`Field`] comes from a getter of [`super::Reader`], goes through checks, and ends with
//! [`Field::get`] (needed), [`Field::maybe`] (optional) or [`Field::or`]. Every check that fails
//! records a problem at the exact place and lets the later ones pass.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use hutong_model::IdError;

use super::reader::Shared;
use super::source::Span;

/// Why a value is refused, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    pub what: String,
    pub hint: String,
}

impl Wrong {
    /// `what` reads on after the key: `"09:75" is not a time`. `hint` is a sentence of its own.
    pub fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            hint: hint.into(),
        }
    }
}

impl From<IdError> for Wrong {
    fn from(error: IdError) -> Self {
        Wrong::new(format!("{:?} is not a valid {}", error.text, error.what), error.why)
    }
}

/// An element of a list, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    pub value: T,
    pub(super) span: Span,
}

pub(super) enum State<T> {
    /// Neither in the file nor among the defaults.
    Missing,
    /// A problem is recorded.
    Refused,
    Value(T, Span),
}

/// See the module.
#[must_use = "end with get(), maybe() or or()"]
pub struct Field<'r, T> {
    pub(super) shared: &'r Shared<'r>,
    /// The whole path, for messages.
    pub(super) key: String,
    /// Where to point at when the key is missing.
    pub(super) header: Span,
    /// How to write it, for messages: `listen = "..."`.
    pub(super) form: String,
    pub(super) state: State<T>,
    /// Some element of the list has a problem; the others go on to be checked.
    pub(super) incomplete: bool,
}

impl<'r, T> Field<'r, T> {
    fn with<U>(self, state: State<U>) -> Field<'r, U> {
        Field {
            shared: self.shared,
            key: self.key,
            header: self.header,
            form: self.form,
            state,
            incomplete: self.incomplete,
        }
    }

    fn refuse(&self, span: &Span, wrong: Wrong) {
        self.shared.refuse(span.clone(), &self.key, wrong);
    }

    /// Turns the value into another type, or refuses it.
    pub fn parse<U>(mut self, parse: impl FnOnce(T) -> Result<U, Wrong>) -> Field<'r, U> {
        let state = match std::mem::replace(&mut self.state, State::Missing) {
            State::Missing => State::Missing,
            State::Refused => State::Refused,
            State::Value(value, span) => match parse(value) {
                Ok(value) => State::Value(value, span),
                Err(wrong) => {
                    self.refuse(&span, wrong);
                    State::Refused
                }
            },
        };
        self.with(state)
    }

    pub fn map<U>(self, map: impl FnOnce(T) -> U) -> Field<'r, U> {
        self.parse(|value| Ok(map(value)))
    }

    /// The value. `None` only when a problem is recorded; a missing key is one.
    pub fn get(self) -> Option<T> {
        match self.state {
            State::Value(value, _) if !self.incomplete => Some(value),
            State::Value(..) | State::Refused => None,
            State::Missing => {
                let hint = format!("add {}", self.form);
                self.shared
                    .refuse(self.header, &self.key, Wrong::new("is missing", hint));
                None
            }
        }
    }

    /// The value of a key that may be absent. `None`: absent, or refused with a problem recorded.
    pub fn maybe(self) -> Option<T> {
        match self.state {
            State::Value(value, _) if !self.incomplete => Some(value),
            State::Value(..) | State::Refused | State::Missing => None,
        }
    }

    /// Like [`Field::get`], with a value for an absent key. Fixed defaults belong into the built-in
    /// file; this is for defaults that depend on other keys.
    pub fn or(self, default: T) -> Option<T> {
        match self.state {
            State::Missing => Some(default),
            _ => self.get(),
        }
    }
}

impl<'r> Field<'r, i64> {
    /// Refuses a number outside the range and gives it the type of the field it goes to.
    pub fn range<N>(self, range: RangeInclusive<N>) -> Field<'r, N>
    where
        N: TryFrom<i64> + PartialOrd + fmt::Display,
    {
        self.parse(|n| {
            N::try_from(n)
                .ok()
                .filter(|value| range.contains(value))
                .ok_or_else(|| {
                    Wrong::new(
                        format!("{n} is out of range"),
                        format!("use a whole number from {} to {}", range.start(), range.end()),
                    )
                })
        })
    }
}

impl<'r> Field<'r, f64> {
    pub fn range(self, range: RangeInclusive<f64>) -> Self {
        self.parse(|n| match range.contains(&n) {
            true => Ok(n),
            false => Err(Wrong::new(
                format!("{n} is out of range"),
                format!("use a number from {} to {}", range.start(), range.end()),
            )),
        })
    }
}

impl<'r> Field<'r, Duration> {
    pub fn range(self, range: RangeInclusive<Duration>) -> Self {
        self.parse(|d| match range.contains(&d) {
            true => Ok(d),
            false => Err(Wrong::new(
                format!("{:?} is out of range", duration_text(d)),
                format!(
                    "use {:?} to {:?}",
                    duration_text(*range.start()),
                    duration_text(*range.end())
                ),
            )),
        })
    }
}

impl<'r> Field<'r, String> {
    /// One of a few words.
    pub fn one_of<T: Clone>(self, words: &[(&str, T)]) -> Field<'r, T> {
        self.parse(|text| match words.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => Ok(value.clone()),
            None => {
                let allowed: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
                let meant = super::nearest::nearest(&text, words.iter().map(|(word, _)| *word));
                Err(Wrong::new(
                    format!("{} is not one of the words for this key", quoted(&text)),
                    match meant {
                        Some(word) => format!("did you mean {word:?}? Allowed: {}", allowed.join(", ")),
                        None => format!("allowed: {}", allowed.join(", ")),
                    },
                ))
            }
        })
    }

    /// A text of so many characters, without line breaks and other control characters.
    pub fn length(self, range: RangeInclusive<usize>) -> Self {
        self.parse(|text| {
            let count = text.chars().count();
            if text.chars().any(char::is_control) {
                Err(Wrong::new(
                    "it has a line break or control character",
                    "write it on one line",
                ))
            } else if text.trim().is_empty() && *range.start() > 0 {
                Err(Wrong::new("it is empty", "write a text, or take the line out"))
            } else if range.contains(&count) {
                Ok(text)
            } else {
                Err(Wrong::new(
                    format!("it has {count} characters"),
                    format!("use {} to {} characters", range.start(), range.end()),
                ))
            }
        })
    }

    /// The text must be the `id` of a block of that section.
    pub fn id_in(self, section: &'static str) -> Self {
        let shared = self.shared;
        self.parse(|text| match shared.has_id(section, &text) {
            true => Ok(text),
            false => Err(shared.unknown_id(section, &text)),
        })
    }
}

impl<'r, T> Field<'r, Vec<Located<T>>> {
    /// Checks and converts each element; every wrong one is a problem of its own.
    pub fn each<U>(mut self, mut parse: impl FnMut(T) -> Result<U, Wrong>) -> Field<'r, Vec<U>> {
        let state = match std::mem::replace(&mut self.state, State::Missing) {
            State::Missing => State::Missing,
            State::Refused => State::Refused,
            State::Value(list, span) => {
                let count = list.len();
                let good: Vec<U> = list
                    .into_iter()
                    .filter_map(|element| match parse(element.value) {
                        Ok(value) => Some(value),
                        Err(wrong) => {
                            self.refuse(&element.span, wrong);
                            None
                        }
                    })
                    .collect();
                match good.len() == count {
                    true => State::Value(good, span),
                    false => State::Refused,
                }
            }
        };
        self.with(state)
    }

    /// How many elements there must be.
    pub fn count(self, range: RangeInclusive<usize>) -> Self {
        self.parse(|list| match list.len() {
            n if range.contains(&n) => Ok(list),
            0 => Err(Wrong::new(
                "the list is empty",
                format!("name at least {}", range.start()),
            )),
            n => Err(Wrong::new(
                format!("the list has {n} elements"),
                format!("use {} to {}", range.start(), range.end()),
            )),
        })
    }
}

impl<'r> Field<'r, Vec<Located<String>>> {
    /// The texts as they stand; empty ones are refused.
    pub fn texts(self) -> Field<'r, Vec<String>> {
        self.each(|text| match text.trim().is_empty() {
            true => Err(Wrong::new("an element is empty", "write a text, or take it out")),
            false => Ok(text),
        })
    }

    /// No element twice.
    pub fn unique(mut self) -> Self {
        if let State::Value(list, _) = &self.state {
            let twice: Vec<(Span, String)> = list
                .iter()
                .enumerate()
                .filter(|(n, element)| list.iter().take(*n).any(|other| other.value == element.value))
                .map(|(_, element)| (element.span.clone(), quoted(&element.value)))
                .collect();
            for (span, text) in &twice {
                self.refuse(span, Wrong::new(format!("{text} stands twice"), "take one of them out"));
            }
            self.incomplete |= !twice.is_empty();
        }
        self
    }
}

/// A text of the file in a message: quoted, cut when long.
pub(super) fn quoted(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{:?}...", &text[..at]),
        None => format!("{text:?}"),
    }
}

const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// `"90s"`, `"2h"`, `"1h30m"`, `"7d"`, `"250ms"`. At most about a hundred years.
pub fn parse_duration(text: &str) -> Option<Duration> {
    const MOST: u64 = 36_600 * 86_400_000;
    let mut rest = text;
    let mut total = 0_u64;
    let mut last = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(letters);
        let (_, size) = UNITS.iter().find(|(name, _)| *name == unit)?;
        if *size >= last {
            return None;
        }
        last = *size;
        total = number.parse::<u64>().ok()?.checked_mul(*size)?.checked_add(total)?;
        rest = after;
    }
    (!text.is_empty() && total <= MOST).then(|| Duration::from_millis(total))
}

/// The shortest text that [`parse_duration`] reads back.
pub fn duration_text(d: Duration) -> String {
    let mut rest = u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut out = String::new();
    for (unit, size) in UNITS {
        let n = rest / size;
        rest %= size;
        if n > 0 {
            out.push_str(&format!("{n}{unit}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_as_written() {
        for (text, ms) in [
            ("2h", 7_200_000),
            ("1h30m", 5_400_000),
            ("7d", 604_800_000),
            ("250ms", 250),
            ("1m1ms", 60_001),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for text in [
            "",
            "2",
            "h",
            "2 h",
            "-2h",
            "2H",
            "2w",
            "30m1h",
            "1h1h",
            "99999999999999999999d",
            "99999d",
            "2小时",
            "1.5h",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn durations_read_back(ms in 0_u64..36_600 * 86_400_000) {
            let d = Duration::from_millis(ms);
            prop_assert_eq!(parse_duration(&duration_text(d)), Some(d));
        }

        #[test]
        fn no_text_breaks_the_duration_parser(text in "[0-9dhms小 .-]{0,24}") {
            let _ = parse_duration(&text);
        }
    }
}
