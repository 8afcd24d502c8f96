//! Text that can be nothing but text: neutralising what people wrote, and cutting by bytes.
//!
//! No escape syntax is documented for any of the platform's dialects, so the characters that could
//! start a mention, a tag, a link or markup are replaced by their full-width twins. The reader sees
//! the same words.

/// What a place draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Plain text in which `<a href>` works (app and app-group text).
    Anchors,
    /// Plain text (robot text, fields of cards).
    Plain,
    /// Headings, bold, links, inline code, quotes, colours (document 90236).
    Markdown,
    /// Also lists, tables, images, code blocks; neither colours nor mentions (document 99110).
    MarkdownV2,
}

impl Dialect {
    pub fn is_markdown(self) -> bool {
        matches!(self, Dialect::Markdown | Dialect::MarkdownV2)
    }
}

/// Invisible, directional and tag characters, which can hide or reorder what is read.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Drops what cannot be seen and collapses runs of empty lines.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut newlines = 0;
    for c in text.chars() {
        let c = match c {
            '\r' => continue,
            '\t' => ' ',
            '\u{2028}' | '\u{2029}' | '\u{85}' => '\n',
            c => c,
        };
        if c == '\n' {
            newlines += 1;
            if newlines <= 2 {
                out.push(c);
            }
        } else if !c.is_control() && !is_hidden(c) {
            newlines = 0;
            out.push(c);
        }
    }
    out
}

/// One piece of foreign text, made inert for `dialect`.
pub fn leaf(text: &str, dialect: Dialect) -> String {
    let text = clean(text);
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text.as_str();
    while let Some(c) = rest.chars().next() {
        let tail = &rest[c.len_utf8()..];
        let twin = match c {
            '<' => '＜',
            '>' => '＞',
            // An address is shown, not linked: links are written by the bot only.
            ':' if tail.starts_with("//") => '：',
            // Whether clients decode entities is not documented.
            '&' if is_entity(tail) => '＆',
            _ if dialect.is_markdown() => match c {
                '*' => '＊',
                '_' => '＿',
                '`' => '｀',
                '[' => '［',
                ']' => '］',
                '!' => '！',
                '|' => '｜',
                '~' => '～',
                '\\' => '＼',
                c => c,
            },
            c => c,
        };
        out.push(twin);
        rest = tail;
    }
    out
}

fn is_entity(after: &str) -> bool {
    let end = after
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '#'))
        .unwrap_or(after.len());
    end > 0 && after[end..].starts_with(';')
}

/// A leaf in one line.
pub fn line_leaf(text: &str, dialect: Dialect) -> String {
    leaf(text, dialect).replace('\n', " ")
}

/// Keeps the beginning of a line from being read as a heading, list or rule.
pub fn guard(text: &str, dialect: Dialect) -> String {
    if !dialect.is_markdown() {
        return text.to_owned();
    }
    let text = text.trim_start();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let numbered = digits > 0 && matches!(text.as_bytes().get(digits), Some(b'.' | b')'));
    if numbered || text.starts_with(['#', '-', '+', '=']) {
        format!("·{text}")
    } else {
        text.to_owned()
    }
}

/// The address of a link, or `None` when it is not one that may be written. Parentheses, quotes
/// and angle brackets are percent-encoded, so that it ends where we end it.
pub fn safe_url(text: &str) -> Option<String> {
    let url = url::Url::parse(text).ok()?;
    if !matches!(url.scheme(), "https" | "http") || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    let mut out = String::new();
    for c in url.as_str().chars() {
        match c {
            '(' | ')' | '<' | '>' | '"' | '\'' | '[' | ']' | '`' | '*' | '|' | '\\' | '!' if !is_ipv6(&url) => {
                out.push_str(&format!("%{:02X}", u32::from(c)));
            }
            c if c.is_whitespace() || c.is_control() => return None,
            c => out.push(c),
        }
    }
    Some(out)
}

fn is_ipv6(url: &url::Url) -> bool {
    matches!(url.host(), Some(url::Host::Ipv6(_)))
}

/// Joins to what stands before it: cutting in front of it would break a letter apart.
fn joins(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}')
}

/// The longest beginning of at most `room` bytes that ends between letters; may be empty.
pub fn fit(text: &str, room: usize) -> usize {
    if text.len() <= room {
        return text.len();
    }
    let mut end = 0;
    for (at, c) in text.char_indices() {
        if at > room {
            break;
        }
        if !joins(c) {
            end = at;
        }
    }
    end
}

/// At most `limit` bytes, with `…` when something was cut.
pub fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let end = fit(text, limit.saturating_sub('…'.len_utf8()));
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_inert() {
        assert_eq!(
            leaf("<@all> **b** [x](http://e)", Dialect::Markdown),
            "＜@all＞ ＊＊b＊＊ ［x］(http：//e)"
        );
        assert_eq!(leaf("R&D &lt;@all&gt; a*b", Dialect::Plain), "R&D ＆lt;@all＆gt; a*b");
        assert_eq!(leaf("a\u{202e}b\u{200b}\u{0}\r\n\n\n\nc", Dialect::Plain), "ab\n\nc");
        assert_eq!(guard("  1. x", Dialect::Markdown), "·1. x");
        assert_eq!(guard("# x", Dialect::MarkdownV2), "·# x");
        assert_eq!(guard("# x", Dialect::Plain), "# x");
    }

    #[test]
    fn addresses_end_where_we_end_them() {
        assert_eq!(
            safe_url("https://e.org/a)b?x=\"1\"").unwrap(),
            "https://e.org/a%29b?x=%221%22"
        );
        for bad in ["javascript:alert(1)", "e.org", "https://u:p@e.org/", "data:text/html,x"] {
            assert_eq!(safe_url(bad), None, "{bad}");
        }
    }

    #[test]
    fn cutting_keeps_letters_whole() {
        assert_eq!(cut("积分积分", 9), "积分…");
        assert_eq!(cut("积分", 6), "积分");
        assert_eq!(fit("ae\u{301}x", 3), 1, "the accent stays with its letter");
        assert_eq!(fit("👍🏽x", 4), 0);
    }
}
