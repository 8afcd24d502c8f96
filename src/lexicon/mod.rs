//! The lexicon: words that must not, or not without a second look, appear in a column, and about
//! which members are told in private.
//!
//! A [`Lexicon`] is built once from its files and never changes; [`Handle`] keeps the one in force
//! and takes a new one only when every line of it can be read. [`Lexicon::scan`] finds words however
//! they are spelled (see [`fold`]) and says where in the original text they stand.
//!
//! One automaton (double array, by character) walks over the folded text. It finds
//! words also across separators: such a hit is [`Hit::spaced`] and never blocks, since `此赌，博士不打`
//! is no game of chance. Words that begin or end in a Latin letter or digit are found as whole words.

mod file;
pub mod fold;
mod handle;

#[cfg(test)]
mod tests;

use std::fmt;

use chrono::NaiveDate;
use daachorse::{CharwiseDoubleArrayAhoCorasick, CharwiseDoubleArrayAhoCorasickBuilder};
use hutong_model::ChatId;

pub use file::{LONGEST, MOST_LINES};
use fold::{Folded, Folder};
pub use handle::{Handle, Source};

/// What a word asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// No word: a phrase in which other words do not count.
    Allow,
    /// Worth knowing.
    Note,
    /// A reviewer must look at it.
    Review,
    /// May not be sent.
    Block,
}

impl Level {
    pub const ALL: [Level; 4] = [Level::Allow, Level::Note, Level::Review, Level::Block];

    pub fn as_str(self) -> &'static str {
        match self {
            Level::Allow => "allow",
            Level::Note => "note",
            Level::Review => "review",
            Level::Block => "block",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|l| l.as_str() == text)
    }
}

/// Where a line holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    pub columns: bool,
    pub members: bool,
    /// Chat ids.
    pub groups: Vec<Box<str>>,
}

/// Where a text stands.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// In a column, which goes to these groups.
    Column(&'a [ChatId]),
    /// A message of a member in a group.
    Group(&'a ChatId),
}

impl Scope {
    pub fn covers(&self, place: Place<'_>) -> bool {
        let names = |chat: &ChatId| self.groups.iter().any(|g| **g == *chat.as_str());
        match place {
            Place::Column(chats) => self.columns || chats.iter().any(names),
            Place::Group(chat) => self.members || names(chat),
        }
    }
}

/// One line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub word: Box<str>,
    pub level: Level,
    pub scope: Scope,
    /// Who answers for it.
    pub owner: Box<str>,
    /// The last day on which it holds.
    pub until: Option<NaiveDate>,
    /// From 1.
    pub line: u32,
    file: u16,
}

impl Entry {
    fn holds(&self, place: Place<'_>, today: NaiveDate) -> bool {
        self.until.is_none_or(|d| today <= d) && self.scope.covers(place)
    }
}

/// A line that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    pub file: String,
    /// From 1.
    pub line: u32,
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.reason)
    }
}

/// A word found in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit<'l> {
    pub entry: &'l Entry,
    /// First character in the original text, from 0, and the one behind the last.
    pub start: usize,
    pub end: usize,
    /// Something stands between its letters.
    pub spaced: bool,
}

impl Hit<'_> {
    /// What it asks for: a spaced word never blocks.
    pub fn level(&self) -> Level {
        match self.spaced {
            true => self.entry.level.min(Level::Review),
            false => self.entry.level,
        }
    }
}

/// A word as it is searched for; the same for all lines that fold alike.
#[derive(Debug, Clone, Copy)]
struct Key {
    /// Its lines: from, to.
    lines: (u32, u32),
    gaps: u64,
    whole: (bool, bool),
}

/// Bits of the gaps of a word; more than [`LONGEST`].
const GAPS: usize = 64;
/// Hits of one text; more than this say nothing new.
const MOST_HITS: usize = 10_000;

/// See the module.
#[derive(Default)]
pub struct Lexicon {
    entries: Vec<Entry>,
    keys: Vec<Key>,
    automaton: Option<CharwiseDoubleArrayAhoCorasick<u32>>,
    files: Vec<String>,
}

impl fmt::Debug for Lexicon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lexicon({} words)", self.entries.len())
    }
}

/// Where a raw find stands: characters from 0, bytes of the same places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    start: usize,
    end: usize,
    start_byte: usize,
    end_byte: usize,
    key: u32,
}

impl Lexicon {
    /// Builds from files given by name and text. Errors: every line that cannot be used, up to twenty;
    /// then nothing is built. 100,000 words take less than half a second: not for a thread that
    /// others wait for.
    pub fn build<'t>(files: impl IntoIterator<Item = (&'t str, &'t str)>) -> Result<Self, Vec<Problem>> {
        let (mut lines, mut problems, mut names) = (Vec::new(), Vec::new(), Vec::new());
        for (index, (name, text)) in files.into_iter().enumerate() {
            let index = u16::try_from(index).unwrap_or(u16::MAX);
            file::read(index, name, text, &mut lines, &mut problems);
            names.push(name.to_owned());
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        // Stable: lines of one word stay in the order of the files.
        lines.sort_by(|(a, _), (b, _)| a.folded.cmp(&b.folded));
        let mut keys: Vec<Key> = Vec::with_capacity(lines.len());
        let mut words: Vec<(&str, u32)> = Vec::with_capacity(lines.len());
        for (at, (spelled, _)) in (0_u32..).zip(&lines) {
            match (words.last(), keys.last_mut()) {
                (Some((last, _)), Some(key)) if *last == spelled.folded => {
                    key.lines.1 = at + 1;
                    key.gaps |= spelled.gaps;
                }
                _ => {
                    let latin = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
                    words.push((&spelled.folded, u32::try_from(keys.len()).unwrap_or(u32::MAX)));
                    keys.push(Key {
                        lines: (at, at + 1),
                        gaps: spelled.gaps,
                        whole: (
                            latin(spelled.folded.chars().next()),
                            latin(spelled.folded.chars().last()),
                        ),
                    });
                }
            }
        }
        let automaton = if words.is_empty() {
            None
        } else {
            match CharwiseDoubleArrayAhoCorasickBuilder::new().build_with_values(words) {
                Ok(automaton) => Some(automaton),
                Err(error) => {
                    let reason = format!("the words cannot be put together: {error}");
                    let file = names.join(", ");
                    return Err(vec![Problem { file, line: 0, reason }]);
                }
            }
        };
        Ok(Self {
            entries: lines.into_iter().map(|(_, entry)| entry).collect(),
            keys,
            automaton,
            files: names,
        })
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The file that a line stands in.
    pub fn file_of(&self, entry: &Entry) -> &str {
        self.files.get(usize::from(entry.file)).map_or("", String::as_str)
    }

    /// The words of a text that hold at this place and on this day, in order. A word inside a longer
    /// one that asks for as much is left out, and so is everything inside an allowed phrase.
    pub fn scan<'l>(&'l self, text: &str, place: Place<'_>, today: NaiveDate) -> Vec<Hit<'l>> {
        self.scan_with(text, place, today, |text| self.find(text))
    }

    fn scan_with<'l>(
        &'l self,
        text: &str,
        place: Place<'_>,
        today: NaiveDate,
        find: impl FnOnce(&str) -> Vec<Found>,
    ) -> Vec<Hit<'l>> {
        let mut hits: Vec<Hit<'l>> = Vec::new();
        for found in find(text) {
            let Some(key) = self.keys.get(found.key as usize) else {
                continue;
            };
            let lines = self.entries.get(key.lines.0 as usize..key.lines.1 as usize);
            let strictest = lines
                .unwrap_or_default()
                .iter()
                .filter(|e| e.holds(place, today))
                .max_by_key(|e| (e.level == Level::Allow, e.level));
            if let Some(entry) = strictest {
                hits.push(Hit {
                    entry,
                    start: found.start,
                    end: found.end,
                    spaced: spaced(text, found, key.gaps),
                });
            }
        }
        resolve(hits)
    }

    /// Every word in a text, overlapping ones too, in the order of their ends. The folded text is made
    /// in one go and searched in another, which is faster than letter by letter; places are looked up
    /// for finds only.
    fn find(&self, text: &str) -> Vec<Found> {
        let Some(automaton) = &self.automaton else {
            return Vec::new();
        };
        let (folded, marks) = fold_marked(text);
        let mut found = Vec::new();
        for hit in automaton.find_overlapping_iter(&folded) {
            let Some(key) = self.keys.get(hit.value() as usize) else {
                continue;
            };
            let first = place_in(text, &marks, hit.start());
            let last = place_in(text, &marks, hit.end() - 1);
            let (Some(first), Some(last)) = (first, last) else {
                continue;
            };
            let one = Found {
                start: first.n,
                end: last.n + 1,
                start_byte: first.byte,
                end_byte: last.byte + last.c.len_utf8(),
                key: hit.value(),
            };
            if whole(text, one, key.whole, last.ends_at == hit.end()) {
                found.push(one);
                if found.len() == MOST_HITS {
                    break;
                }
            }
        }
        found
    }
}

/// A place that is known in both texts: byte of the folded one, character and byte of the original.
#[derive(Debug, Clone, Copy)]
struct Mark {
    folded: usize,
    n: usize,
    byte: usize,
}

/// Characters between two marks.
const MARK_EVERY: usize = 256;

fn fold_marked(text: &str) -> (String, Vec<Mark>) {
    let folder = Folder::new();
    let mut folded = String::with_capacity(text.len());
    let mut marks = Vec::with_capacity(text.len() / MARK_EVERY + 1);
    let (mut n, mut byte) = (0, 0);
    let mut rest = text.chars();
    loop {
        let mark = Mark {
            folded: folded.len(),
            n,
            byte,
        };
        marks.push(mark);
        for _ in 0..MARK_EVERY {
            let Some(c) = rest.next() else {
                return (folded, marks);
            };
            match folder.fold(c) {
                Folded::One(c) => folded.push(c),
                Folded::Many(many) => folded.extend(many),
                Folded::Separator | Folded::Invisible => {}
            }
        }
        n += MARK_EVERY;
        byte = text.len() - rest.as_str().len();
    }
}

/// The character of the original that a byte of the folded text comes from.
#[derive(Debug, Clone, Copy)]
struct Origin {
    n: usize,
    byte: usize,
    c: char,
    /// End, in the folded text, of what it folds to.
    ends_at: usize,
}

fn place_in(text: &str, marks: &[Mark], at: usize) -> Option<Origin> {
    let before = marks.partition_point(|m| m.folded <= at).checked_sub(1)?;
    let mark = marks.get(before)?;
    let mut ends_at = mark.folded;
    for (n, (byte, c)) in text.get(mark.byte..)?.char_indices().enumerate() {
        ends_at += match fold::fold(c) {
            Folded::One(c) => c.len_utf8(),
            Folded::Many(many) => many.iter().map(|c| c.len_utf8()).sum(),
            Folded::Separator | Folded::Invisible => 0,
        };
        if ends_at > at {
            return Some(Origin {
                n: mark.n + n,
                byte: mark.byte + byte,
                c,
                ends_at,
            });
        }
    }
    None
}

/// Whether a word that begins or ends in a Latin letter is no part of a longer one. `last`: the find
/// ends with the last letter of its last character.
fn whole(text: &str, found: Found, sides: (bool, bool), last: bool) -> bool {
    let latin = |c: char| match fold::fold(c) {
        Folded::Invisible => None,
        Folded::One(c) => Some(c.is_ascii_alphanumeric()),
        Folded::Many(many) => Some(many.iter().any(char::is_ascii_alphanumeric)),
        Folded::Separator => Some(false),
    };
    let before = || {
        let rest = text.get(..found.start_byte).unwrap_or_default();
        rest.chars().rev().find_map(latin).unwrap_or(false)
    };
    let after = || {
        let rest = text.get(found.end_byte..).unwrap_or_default();
        !last || rest.chars().find_map(latin).unwrap_or(false)
    };
    let inside_a_word = (sides.0 && before()) || (sides.1 && after());
    !inside_a_word
}

/// Whether separators stand where the word itself has none.
fn spaced(text: &str, found: Found, gaps: u64) -> bool {
    let inside = text.get(found.start_byte..found.end_byte).unwrap_or_default();
    let mut letters = 0_usize;
    for c in inside.chars() {
        match fold::fold(c) {
            Folded::One(_) => letters += 1,
            Folded::Many(many) => letters += many.len(),
            Folded::Separator if letters < GAPS && gaps & (1 << letters) == 0 => return true,
            Folded::Separator | Folded::Invisible => {}
        }
    }
    false
}

/// Takes out what stands in an allowed phrase, and what a longer word says as well.
fn resolve(mut hits: Vec<Hit<'_>>) -> Vec<Hit<'_>> {
    let strength = |h: &Hit<'_>| (h.entry.level == Level::Allow, h.level());
    hits.sort_by(|a, b| {
        let span = a.start.cmp(&b.start).then(b.end.cmp(&a.end));
        span.then_with(|| strength(b).cmp(&strength(a)))
    });
    // Sorted by start, so a hit lies inside an earlier one exactly when that one ends late enough: the
    // furthest end so far is all there is to know, for each level.
    let mut allowed = 0;
    let mut reach = [0_usize; 4];
    let mut kept: Vec<Hit<'_>> = Vec::new();
    for hit in hits {
        if hit.entry.level == Level::Allow {
            if !hit.spaced {
                allowed = allowed.max(hit.end);
            }
            continue;
        }
        let level = hit.level() as usize;
        let covered = reach.iter().skip(level).any(|end| *end >= hit.end);
        if hit.end <= allowed || covered {
            continue;
        }
        if let Some(end) = reach.get_mut(level) {
            *end = hit.end;
        }
        kept.push(hit);
    }
    kept
}
