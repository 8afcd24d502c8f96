//! Text from people, made harmless for each place it can stand in.
//!
//! First choice is a place where nothing is interpreted: `plain_text` of a card, `text` nodes of a
//! post, `text` cells of a table. Where a paragraph mixes text with mentions it has to be card
//! markdown, and every character that could be markup becomes an entity (feishu.md 6.3, rule 2).
//! A text message has no documented escape, so that only inert text is ever put into one.

use std::borrow::Cow;

/// Escapes for card markdown. `&` comes first, so that typed entities stay typed entities.
pub fn markdown(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&#60;"),
            '>' => out.push_str("&#62;"),
            '*' => out.push_str("&#42;"),
            '~' => out.push_str("&sim;"),
            '-' => out.push_str("&#45;"),
            '!' => out.push_str("&#33;"),
            '/' => out.push_str("&#47;"),
            '\\' => out.push_str("&#92;"),
            '[' => out.push_str("&#91;"),
            ']' => out.push_str("&#93;"),
            '(' => out.push_str("&#40;"),
            ')' => out.push_str("&#41;"),
            '#' => out.push_str("&#35;"),
            ':' => out.push_str("&#58;"),
            '+' => out.push_str("&#43;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '`' => out.push_str("&#96;"),
            '$' => out.push_str("&#36;"),
            '_' => out.push_str("&#95;"),
            '|' => out.push_str("&#124;"),
            other if dropped(other) => {}
            other => out.push(other),
        }
    }
}

/// Control characters show nothing, cost six bytes each in JSON, and hide what a text really is. The
/// embeddings, overrides and isolates of bidirectional text turn the rest of the line around when a
/// person leaves them open; marks (U+200E, U+200F) act on nothing but themselves and stay.
fn dropped(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\t')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fff9}'..='\u{fffb}')
}

/// The text without control characters.
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().any(dropped) {
        Cow::Owned(text.chars().filter(|c| !dropped(*c)).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// True when a text message would show this exactly as it stands: no tag, no link, no placeholder,
/// no entity.
pub fn inert(text: &str) -> bool {
    !(text.contains(['<', '>', '&']) || text.contains("](") || text.contains("@_"))
}

/// A place of which it is not known whether anything is interpreted there (the preview line of a card):
/// nothing that could be is left.
pub fn defused(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in printable(text).chars() {
        out.push(match c {
            '<' => '＜',
            '>' => '＞',
            '&' => '＆',
            '[' => '［',
            ']' => '］',
            '@' => '＠',
            '*' => '＊',
            '`' => '｀',
            '~' => '～',
            '\n' | '\t' => ' ',
            other => other,
        });
    }
    out
}

/// The address of a link as markdown can hold it; `None` when it is no web address.
pub fn url(text: &str) -> Option<String> {
    let url = url::Url::parse(text)
        .ok()
        .filter(|u| matches!(u.scheme(), "https" | "http"))?;
    let mut out = String::with_capacity(text.len());
    for c in url.as_str().chars() {
        match c {
            '(' => out.push_str("%28"),
            ')' => out.push_str("%29"),
            '<' => out.push_str("%3C"),
            '>' => out.push_str("%3E"),
            '"' => out.push_str("%22"),
            '\'' => out.push_str("%27"),
            '`' => out.push_str("%60"),
            '[' => out.push_str("%5B"),
            ']' => out.push_str("%5D"),
            '\\' => out.push_str("%5C"),
            other => out.push(other),
        }
    }
    // A host name with one of these in it is no host name afterwards.
    url::Url::parse(&out).ok()?;
    Some(out)
}

/// HTML of a calendar description.
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// `all` is an account to nobody and everybody to the platform: such an id is never written into a
/// mention. (The id type of the model excludes the other spellings.)
pub fn may_be_mentioned(user: &hutong_model::UserId) -> bool {
    !user.as_str().eq_ignore_ascii_case("all")
}

/// Cuts after at most `max` bytes, at a character border, better at the end of a line.
pub fn cut(text: &str, max: usize) -> (&str, &str) {
    if text.len() <= max {
        return (text, "");
    }
    let mut end = max;
    while end > 0 && !text.is_char_boundary(end) {
        end -= 1;
    }
    let (head, _) = text.split_at(end);
    let at = head
        .rfind('\n')
        .map_or(end, |line| if line > max / 2 { line + 1 } else { end });
    text.split_at(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn every_vector_of_escaped_text() {
        let vectors: Value = serde_json::from_str(include_str!("../tests/vectors/text_escape.json")).unwrap();
        let cases = vectors["cases"].as_array().unwrap();
        assert!(cases.len() >= 12);
        for case in cases {
            let input = case["input"].as_str().unwrap();
            let mut out = String::new();
            markdown(input, &mut out);
            assert_eq!(out, case["card_markdown"].as_str().unwrap(), "{input}");
            // What the defensive form would have to change is never put into a text message at all.
            if case["text_message_defensive"] != case["input"] {
                assert!(!inert(input), "{input}");
            }
        }
        for (raw, escaped) in vectors["card_markdown_table"].as_object().unwrap() {
            let mut out = String::new();
            markdown(raw, &mut out);
            assert_eq!(out, escaped.as_str().unwrap());
        }
        assert!(!inert("[click](https://evil.example)") && !inert("&lt;at id=all&gt;") && inert("a_b (c) [d]"));
    }

    #[test]
    fn cutting_keeps_every_character() {
        let text = "胡同".repeat(100);
        let (mut rest, mut out) = (text.as_str(), String::new());
        while !rest.is_empty() {
            let (head, tail) = cut(rest, 100);
            assert!(head.len() <= 100 && !head.is_empty());
            out.push_str(head);
            rest = tail;
        }
        assert_eq!(out, text);
        assert_eq!(cut("aaaaaaa\nbbbb", 10), ("aaaaaaa\n", "bbbb"));
    }
}
