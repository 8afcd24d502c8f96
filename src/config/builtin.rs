//! The built-in file, `config/hutong.toml`: defaults for every key and at the same time the sample.
//!
//! Its convention: `# text` is a comment; `#key = value` and `#[[block]]` are TOML that is switched
//! off in the sample. A switched-off key whose comment begins with 必填 (required) or 可选 (optional)
//! has no default: its value is an example. All others are defaults, also those inside the blocks
//! that may stand several times: there they are the defaults of every block.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use hutong_model::PlatformEntry;
use toml::de::{DeTable, DeValue};

use super::nearest::nearest;

/// The file as it is shipped.
pub const TEXT: &str = include_str!("../../config/hutong.toml");

/// Marks of keys without default, at the beginning of their comment.
const MARKS: [&str; 2] = ["# 必填", "# 可选"];

/// How a line of the built-in file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line<'a> {
    /// Active TOML, comment or empty.
    Plain(&'a str),
    /// Switched off, with its default.
    Default(&'a str),
    /// Switched off, an example without default.
    Example(&'a str),
}

fn read_line(line: &str) -> Line<'_> {
    match line.strip_prefix('#') {
        Some(toml) if toml.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()) => {
            match MARKS.iter().any(|mark| toml.contains(mark)) {
                true => Line::Example(toml),
                false => Line::Default(toml),
            }
        }
        _ => Line::Plain(line),
    }
}

fn join<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.fold(String::with_capacity(TEXT.len()), |mut out, line| {
        out.push_str(line);
        out.push('\n');
        out
    })
}

static DEFAULT_TEXT: LazyLock<String> = LazyLock::new(|| {
    join(TEXT.lines().filter_map(|line| match read_line(line) {
        Line::Plain(toml) | Line::Default(toml) => Some(toml),
        Line::Example(_) => None,
    }))
});

static SAMPLE_TEXT: LazyLock<String> = LazyLock::new(|| {
    join(TEXT.lines().map(|line| match read_line(line) {
        Line::Plain(toml) | Line::Default(toml) | Line::Example(toml) => toml,
    }))
});

static DEFAULTS: LazyLock<DeTable<'static>> =
    LazyLock::new(|| DeTable::parse_recoverable(DEFAULT_TEXT.as_str()).0.into_inner());

static KEYS: LazyLock<BTreeMap<String, Vec<String>>> = LazyLock::new(|| {
    let mut keys = BTreeMap::new();
    let sample = DeTable::parse_recoverable(SAMPLE_TEXT.as_str()).0;
    collect("", sample.get_ref(), &mut keys);
    keys
});

fn collect(pattern: &str, table: &DeTable<'_>, keys: &mut BTreeMap<String, Vec<String>>) {
    for (key, value) in table.iter() {
        let names = keys.entry(pattern.to_owned()).or_default();
        if !names.iter().any(|name| name == key.get_ref()) {
            names.push(key.get_ref().to_string());
        }
        let below = match pattern {
            "" => key.get_ref().to_string(),
            _ => format!("{pattern}.{}", key.get_ref()),
        };
        match value.get_ref() {
            DeValue::Table(table) => collect(&below, table, keys),
            DeValue::Array(array) => {
                for element in array.iter() {
                    if let DeValue::Table(table) = element.get_ref() {
                        collect(&format!("{below}[]"), table, keys);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Every block and key switched on, with defaults and examples.
pub fn sample() -> &'static str {
    &SAMPLE_TEXT
}

pub(super) fn defaults() -> &'static DeTable<'static> {
    &DEFAULTS
}

/// The keys that the sample shows in a table, by pattern: `""`, `points.give`, `column[]`.
pub(super) fn keys_of(pattern: &str) -> &'static [String] {
    KEYS.get(pattern).map_or(&[], Vec::as_slice)
}

/// The key of the sample that a word names exactly, or nearly.
pub(super) fn key_like(word: &str) -> Option<&'static str> {
    nearest(word, KEYS.values().flatten().map(String::as_str))
}

/// Differences between the `[[app]]` blocks of the sample and the keys that the platforms of this
/// program take: `feishu: encrypt_key is not shown`. Empty when the sample is complete.
pub fn sample_gaps(platforms: &[PlatformEntry]) -> Vec<String> {
    let sample = DeTable::parse_recoverable(sample()).0;
    let blocks: Vec<&DeTable<'_>> = match sample.get_ref().get("app").map(|v| v.get_ref()) {
        Some(DeValue::Array(array)) => array.iter().filter_map(|v| v.get_ref().as_table()).collect(),
        _ => Vec::new(),
    };
    let kind_of = |block: &DeTable<'_>| {
        block
            .get("platform")
            .and_then(|v| v.get_ref().as_str())
            .map(str::to_owned)
    };
    let mut gaps = Vec::new();
    for entry in platforms {
        for kind in entry.kinds {
            let Some(block) = blocks.iter().find(|block| kind_of(block).as_deref() == Some(*kind)) else {
                gaps.push(format!("{kind}: no block"));
                continue;
            };
            let keys = (entry.keys)(kind);
            for key in keys.iter().filter(|key| !block.contains_key(key.name)) {
                gaps.push(format!("{kind}: {} is not shown", key.name));
            }
            for (key, _) in block.iter() {
                let name = key.get_ref().as_ref();
                if !["id", "platform", "company"].contains(&name) && !keys.iter().any(|k| k.name == name) {
                    gaps.push(format!("{kind}: {name} is not a key"));
                }
            }
        }
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text before the comment, and the comment.
    fn split(line: &str) -> (&str, &str) {
        match line.find(" # ") {
            Some(at) => (line[..at].trim_end(), line[at..].trim()),
            None => (line.trim_end(), ""),
        }
    }

    #[test]
    fn all_three_readings_are_toml() {
        for text in [TEXT, &DEFAULT_TEXT, &SAMPLE_TEXT] {
            if let Err(error) = DeTable::parse(text) {
                panic!("{error}");
            }
        }
    }

    #[test]
    fn every_key_has_a_comment_in_two_languages() {
        let mut keys = 0;
        for line in TEXT.lines() {
            let toml = match read_line(line) {
                Line::Plain(toml) if toml.is_empty() || toml.starts_with('#') || toml.starts_with('[') => continue,
                Line::Default(toml) if toml.starts_with('[') => continue,
                Line::Plain(toml) | Line::Default(toml) | Line::Example(toml) => toml,
            };
            keys += 1;
            let (_, comment) = split(toml);
            let (chinese, english) = comment
                .split_once(" / ")
                .unwrap_or_else(|| panic!("no comment: {line}"));
            assert!(chinese.chars().any(|c| ('一'..='龥').contains(&c)), "{line}");
            assert!(english.chars().any(|c| c.is_ascii_lowercase()), "{line}");
        }
        assert!(keys > 60, "{keys}");
    }

    #[test]
    fn a_key_that_is_switched_off_outside_blocks_has_no_default() {
        let mut in_block = false;
        for line in TEXT.lines() {
            match read_line(line) {
                Line::Plain(toml) if toml.starts_with('[') => in_block = false,
                Line::Default(toml) if toml.starts_with('[') => in_block = true,
                Line::Default(toml) => assert!(in_block, "must be active or marked: {toml}"),
                _ => {}
            }
        }
    }

    #[test]
    fn lines_are_told_apart() {
        assert_eq!(read_line("# id = 1"), Line::Plain("# id = 1"));
        assert_eq!(
            read_line("#id = 1 # 必填 x / required"),
            Line::Example("id = 1 # 必填 x / required")
        );
        assert_eq!(read_line("#id = 1 # x / y"), Line::Default("id = 1 # x / y"));
        assert_eq!(read_line("#[[app]]"), Line::Default("[[app]]"));
        assert_eq!(read_line("id = 1"), Line::Plain("id = 1"));
    }
}
