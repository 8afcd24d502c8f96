//! The file of words: tab-separated text, one word a line.
//!
//! ```text
//! # word    level    scope              owner     until
//! 最佳      note     columns            法务 王芳  2027-06-30
//! 内部代号  block    columns,members    安全 赵强  -
//! 发票      review   group:oc_1a2b3c    财务 王芳  2026-12-31
//! 最佳实践  allow    *                  法务 王芳  -
//! ```
//!
//! (Shown with spaces; the file has one tab between fields.) Level: `block`, `review`, `note`, or
//! `allow` for a phrase in which no other word counts. Scope: `columns`, `members`, `group:ID`, several
//! with commas, or `*` for all. Owner: whoever answers for the line. Until: the last day on which it
//! holds, `-` for no end. Lines that are empty or begin with `#` say nothing. UTF-8, with or without a
//! byte order mark; at most [`MOST_LINES`] lines.

use chrono::NaiveDate;

use super::fold::{Folded, fold};
use super::{Entry, Level, Problem, Scope};

/// Lines of all files together.
pub const MOST_LINES: usize = 400_000;
/// Letters and digits of a word after folding.
pub const LONGEST: usize = 60;
/// Problems that are told one by one.
const MOST_PROBLEMS: usize = 20;

/// A word as it is searched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spelled {
    pub folded: String,
    /// Bit n: a separator may stand after letter n (from 1), because the line itself has one there.
    pub gaps: u64,
}

/// Why a word cannot be searched for.
pub(super) fn spell(word: &str) -> Result<Spelled, &'static str> {
    let mut folded = String::new();
    let (mut letters, mut gaps) = (0_usize, 0_u64);
    for c in word.chars() {
        match fold(c) {
            Folded::One(c) => {
                folded.push(c);
                letters += 1;
            }
            Folded::Many(many) => {
                folded.extend(many);
                letters += many.len();
            }
            Folded::Separator if (1..=LONGEST).contains(&letters) => gaps |= 1 << letters,
            Folded::Separator | Folded::Invisible => {}
        }
    }
    match (letters, folded.as_bytes()) {
        (0, _) => Err("it has no letter and no digit, so it would be found everywhere or nowhere"),
        (1, [_]) => Err("a single letter or digit is found in nearly every text"),
        (n, _) if n > LONGEST => Err("it is longer than 60 characters"),
        _ => Ok(Spelled { folded, gaps }),
    }
}

fn level(text: &str) -> Result<Level, String> {
    Level::parse(text).ok_or_else(|| format!("the level {text:?} is none of block, review, note, allow"))
}

fn scope(text: &str) -> Result<Scope, String> {
    let mut scope = Scope::default();
    for part in text.split([',', '，']).map(str::trim) {
        match part {
            "*" => {
                scope.columns = true;
                scope.members = true;
            }
            "columns" => scope.columns = true,
            "members" => scope.members = true,
            other => match other.strip_prefix("group:").filter(|id| !id.is_empty()) {
                Some(id) => scope.groups.push(id.into()),
                None => return Err(format!("the scope {other:?} is none of columns, members, group:ID, *")),
            },
        }
    }
    Ok(scope)
}

fn until(text: &str) -> Result<Option<NaiveDate>, String> {
    match text {
        "-" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| format!("{text:?} is not a date: write 2026-12-31, or - for no end")),
    }
}

fn line(text: &str) -> Result<(Entry, Spelled), String> {
    let fields: Vec<&str> = text.split('\t').map(str::trim).filter(|f| !f.is_empty()).collect();
    let [word, level_text, scope_text, owner, until_text] = fields.as_slice() else {
        let n = fields.len();
        return Err(format!(
            "it has {n} fields and needs 5 with a tab between: word, level, scope, owner, until"
        ));
    };
    let spelled = spell(word).map_err(str::to_owned)?;
    let entry = Entry {
        word: (*word).into(),
        level: level(level_text)?,
        scope: scope(scope_text)?,
        owner: (*owner).into(),
        until: until(until_text)?,
        line: 0,
        file: 0,
    };
    Ok((entry, spelled))
}

/// Reads one file. Every broken line is a problem; with any, nothing of the file is used.
pub(super) fn read(file: u16, name: &str, text: &str, into: &mut Vec<(Spelled, Entry)>, problems: &mut Vec<Problem>) {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    for (n, row) in (1_u32..).zip(text.lines()) {
        if row.trim().is_empty() || row.starts_with('#') {
            continue;
        }
        let result = match into.len() {
            MOST_LINES.. => Err(format!("there are more than {MOST_LINES} lines")),
            _ => line(row),
        };
        match result {
            Ok((entry, spelled)) => into.push((spelled, Entry { line: n, file, ..entry })),
            Err(reason) => {
                problems.push(Problem {
                    file: name.to_owned(),
                    line: n,
                    reason,
                });
                if problems.len() >= MOST_PROBLEMS || into.len() >= MOST_LINES {
                    return;
                }
            }
        }
    }
}
