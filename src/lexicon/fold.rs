//! Folding: what two spellings of one word have in common.
//!
//! Full width becomes half width, upper case lower case, traditional simplified; accents go, and
//! characters that nobody sees (zero width, variation selectors, tags) count as not there. Spaces,
//! punctuation and symbols are separators: no part of a word, wherever they stand in it. Words of a
//! list and texts are folded alike, so that a debatable counterpart does no harm. Nothing here is for
//! display.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization as _;

/// One character, tab, its counterpart. Derived from OpenCC, see NOTICE.
const T2S: &str = include_str!("t2s-chars.tsv");

/// Behind the last block of Han characters; what comes after is looked at one by one.
const TABLE: usize = 0x32400;
const INVISIBLE: u32 = 1 << 31;
const SEPARATOR: u32 = 1 << 30;
const MANY: u32 = 1 << 29;

/// What a character folds to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folded {
    One(char),
    /// `½`, `㎏`: few have more than one.
    Many(&'static [char]),
    /// Between words, or put into one to hide it.
    Separator,
    /// As if it were not there.
    Invisible,
}

struct Tables {
    of: Vec<u32>,
    many: BTreeMap<u32, Vec<char>>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(tables);

fn tables() -> Tables {
    let simplified: BTreeMap<char, char> = T2S
        .lines()
        .filter(|l| !l.starts_with('#'))
        .filter_map(|l| {
            let (from, to) = l.split_once('\t')?;
            Some((from.chars().next()?, to.chars().next()?))
        })
        .collect();
    let mut of = vec![INVISIBLE; TABLE];
    let mut many = BTreeMap::new();
    for (code, slot) in (0_u32..).zip(of.iter_mut()) {
        let Some(c) = char::from_u32(code) else { continue };
        *slot = if invisible(c) {
            INVISIBLE
        } else {
            let kept = spell(c, &simplified);
            match kept.as_slice() {
                [] => SEPARATOR,
                [one] => u32::from(*one),
                _ => {
                    many.insert(code, kept);
                    MANY
                }
            }
        };
    }
    Tables { of, many }
}

/// Letters and digits that a character stands for.
fn spell(c: char, simplified: &BTreeMap<char, char>) -> Vec<char> {
    // Latin, Greek and Cyrillic letters carry accents; all others stay composed.
    let plain: Vec<char> = if matches!(u32::from(c), 0..0x0590 | 0x1E00..0x2000) {
        std::iter::once(c).nfkd().filter(|c| !mark(*c)).collect()
    } else {
        std::iter::once(c).nfkc().collect()
    };
    plain
        .into_iter()
        .flat_map(char::to_lowercase)
        .filter(|c| !mark(*c) && c.is_alphanumeric())
        .map(|c| simplified.get(&c).copied().unwrap_or(c))
        .collect()
}

/// Marks that are drawn over a character.
fn mark(c: char) -> bool {
    matches!(u32::from(c), 0x0300..=0x036F | 0x0483..=0x0489 | 0x1AB0..=0x1AFF | 0x1DC0..=0x1DFF | 0x20D0..=0x20FF | 0xFE20..=0xFE2F)
}

/// Takes no room on a screen.
fn invisible(c: char) -> bool {
    mark(c)
        || matches!(u32::from(c),
            0x00..=0x08 | 0x0E..=0x1F | 0x7F..=0x84 | 0x86..=0x9F | 0xAD | 0x034F | 0x061C | 0x115F..=0x1160
            | 0x17B4..=0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F | 0x3164
            | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB | 0xE0000..=0xE0FFF)
}

/// What one character folds to.
#[inline]
pub fn fold(c: char) -> Folded {
    let tables = &*TABLES;
    fold_in(tables, c)
}

#[inline]
fn fold_in(tables: &'static Tables, c: char) -> Folded {
    match tables.of.get(c as usize) {
        // A plain target has none of the marks, which stand above all characters.
        Some(&to) if to < MANY => char::from_u32(to).map_or(Folded::Separator, Folded::One),
        Some(&INVISIBLE) => Folded::Invisible,
        Some(&SEPARATOR) => Folded::Separator,
        Some(_) => tables
            .many
            .get(&u32::from(c))
            .map_or(Folded::Separator, |m| Folded::Many(m)),
        None if invisible(c) => Folded::Invisible,
        None if c.is_alphanumeric() => Folded::One(c),
        None => Folded::Separator,
    }
}

/// The folding with its table at hand, for loops over long texts.
#[derive(Clone, Copy)]
pub(super) struct Folder(&'static Tables);

impl Folder {
    pub fn new() -> Self {
        Self(&TABLES)
    }

    #[inline]
    pub fn fold(self, c: char) -> Folded {
        fold_in(self.0, c)
    }
}

/// A text without separators and everything that does not count.
pub fn squeezed(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match fold(c) {
            Folded::One(c) => out.push(c),
            Folded::Many(many) => out.extend(many),
            Folded::Separator | Folded::Invisible => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_of_one_word() {
        for spelling in [
            "賭博",
            "赌博",
            "赌\u{200B}博",
            "赌 * 博",
            "赌\u{FE0F}博",
            "赌-博",
            "赌\u{0336}博",
        ] {
            assert_eq!(squeezed(spelling), "赌博", "{spelling}");
        }
        for spelling in ["VPN", "ＶＰＮ", "v.p.n", "V\u{00AD}P\u{2060}N", "𝐕𝐏𝐍", "ⓥⓟⓝ"] {
            assert_eq!(squeezed(spelling), "vpn", "{spelling}");
        }
        assert_eq!(squeezed("１００㎏ ½ ① É"), "100kg121e");
        assert_eq!(squeezed("がか 한글"), "がか한글");
    }

    #[test]
    fn the_table_of_characters_is_whole_and_closed() {
        let lines: Vec<&str> = T2S.lines().filter(|l| !l.starts_with('#')).collect();
        assert!(lines.len() > 4_000);
        for line in lines {
            let (from, to) = line.split_once('\t').unwrap();
            assert_eq!((from.chars().count(), to.chars().count()), (1, 1), "{line}");
            assert_eq!(squeezed(from), squeezed(to), "{line}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn folding_twice_changes_nothing(text in "\\PC{0,40}") {
            let once = squeezed(&text);
            prop_assert_eq!(squeezed(&once), once);
        }
    }
}
