//! Makes text from people inert for every client that shows it.
//!
//! Rules and their sources: `protocols/dingtalk.md` 7.4. After [`plain`] a text holds no `@id` that
//! a mention list could match, no address that a client turns into a link, no `dtmd:` command and
//! none of the literal tokens `<@id>`; after [`markdown`] no markup either. Nothing is lost for the
//! reader: characters are replaced by look-alikes or split by zero-width spaces.

/// Splits what must not be read as one token.
const ZWSP: char = '\u{200B}';

/// Characters that a person never types: controls, line and paragraph separators, zero-width marks,
/// bidirectional overrides. The joiner U+200D stays, emoji are made with it.
fn hidden(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c,
            '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}' | '\u{200C}' | '\u{200E}' | '\u{200F}'
            | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
}

/// True when the text before a colon ends in a scheme that a client acts on.
fn ends_in_scheme(before: &str) -> bool {
    let word: String = before
        .trim_end()
        .chars()
        .rev()
        .take_while(char::is_ascii_alphanumeric)
        .collect::<String>()
        .chars()
        .rev()
        .collect::<String>()
        .to_ascii_lowercase();
    [
        "dtmd",
        "dingtalk",
        "javascript",
        "data",
        "vbscript",
        "mailto",
        "tel",
        "sms",
    ]
    .iter()
    .any(|scheme| word.ends_with(scheme))
}

/// Text for a place that draws no markup.
pub fn plain(text: &str) -> String {
    let clean: String = text.replace("\r\n", "\n").chars().filter(|c| !hidden(*c)).collect();
    let mut out = String::with_capacity(clean.len() + 8);
    let mut rest = clean.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '<' => out.push('＜'),
            '>' => out.push('＞'),
            '@' => {
                out.push('@');
                out.push(ZWSP);
            }
            ':' if ends_in_scheme(&out) => out.push('：'),
            ':' if rest.peek() == Some(&'/') => {
                out.push(':');
                out.push(ZWSP);
            }
            // `www.a` and `a.example` become links in clients; 3.5 and 1.2.3 do not.
            '.' if out.chars().next_back().is_some_and(char::is_alphanumeric)
                && rest.peek().is_some_and(|n| n.is_alphabetic()) =>
            {
                out.push('.');
                out.push(ZWSP);
            }
            _ => out.push(c),
        }
    }
    out
}

/// One line of text, for titles and labels.
pub fn line(text: &str, max_chars: usize) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut short: String = flat.chars().take(max_chars).collect();
    if flat.chars().count() > max_chars {
        short.pop();
        short.push('…');
    }
    plain(&short)
}

/// Text at the beginning of a line of markdown. `newline` is what a line break becomes (a quote goes
/// on with its mark).
pub fn markdown(text: &str, newline: &str) -> String {
    inline(text, newline, true)
}

/// Text inside markdown; `at_start` when nothing stands before it on its line.
pub fn inline(text: &str, newline: &str, at_start: bool) -> String {
    let mut out = String::new();
    for (index, line) in plain(text).split('\n').enumerate() {
        if index > 0 {
            out.push_str(newline);
        }
        // Four blanks would begin a code block; after something else on the line they are blanks.
        let line = if index > 0 || at_start {
            line.trim_start_matches([' ', '\t'])
        } else {
            line
        };
        let digits = line.chars().take_while(char::is_ascii_digit).count();
        for (at, c) in line.chars().enumerate() {
            match c {
                // Card markdown draws code, and a client without the backslash would too.
                '`' => out.push('｀'),
                '\\' | '*' | '_' | '{' | '}' | '(' | ')' | '#' | '+' | '-' | '~' | '|' => {
                    out.push('\\');
                    out.push(c);
                }
                // Not every client knows the backslash: split what would still be read together.
                '[' | ']' | '!' => {
                    out.push('\\');
                    out.push(c);
                    out.push(ZWSP);
                }
                '&' => {
                    out.push('&');
                    out.push(ZWSP);
                }
                '.' if at == digits => out.push_str("\\."),
                '=' if at == 0 => out.push_str("\\="),
                _ => out.push(c),
            }
        }
    }
    out
}

/// Text between the brackets of a link or an image of ours: brackets of its own become look-alikes, so
/// that no reader can pair one of them with ours.
pub fn label(text: &str, max_chars: usize) -> String {
    let flat: String = line(text, max_chars)
        .chars()
        .map(|c| match c {
            '[' => '［',
            ']' => '］',
            other => other,
        })
        .collect();
    markdown(&flat, " ")
}

/// An address that the bot or an admin wrote, made safe to stand between parentheses. Only http and
/// https with a host.
pub fn link(url: &str) -> Option<String> {
    let parsed = url::Url::parse(url).ok()?;
    // A numeric IPv6 host needs brackets, which markdown would read as its own.
    if !matches!(parsed.scheme(), "http" | "https")
        || !matches!(parsed.host(), Some(url::Host::Domain(_) | url::Host::Ipv4(_)))
    {
        return None;
    }
    let mut out = String::new();
    for c in parsed.as_str().chars() {
        match c {
            '(' | ')' | '[' | ']' | '<' | '>' | '"' | '\\' | '`' | ' ' | '*' | '|' => {
                out.push_str(&format!("%{:02X}", u32::from(c)));
            }
            _ => out.push(c),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_means_stays_readable() {
        assert_eq!(plain("你好 3.5 分, 12:30"), "你好 3.5 分, 12:30");
        assert_eq!(plain("a@b"), "a@\u{200B}b");
        assert_eq!(plain("<@all>"), "＜@\u{200B}all＞");
        assert_eq!(plain("https://a.cn"), "https:\u{200B}//a.\u{200B}cn");
        assert_eq!(plain("DTMD ://x"), "DTMD ：//x");
        assert_eq!(plain("d\u{200B}tmd:x\u{202E}"), "dtmd：x");
        assert_eq!(markdown("1. a\n# b", "  \n"), "1\\. a  \n\\# b");
        assert_eq!(markdown("[x](y)", "\n"), "\\[\u{200B}x\\]\u{200B}\\(y\\)");
        assert_eq!(label("a]b`c\n[d](e)", 40), "a］b｀c ［d］\\(e\\)");
        assert_eq!(line("很 长\n的 标题", 4), "很 长…");
        assert_eq!(inline("  11月24日", "\n", false), "  11月24日");
        assert_eq!(inline("  11月24日", "\n", true), "11月24日");
        assert_eq!(inline(". b\n   c", "\n", false), "\\. b\nc");
    }

    #[test]
    fn links_are_http_only() {
        assert_eq!(
            link("https://a.example/x(1)?q=a b").unwrap(),
            "https://a.example/x%281%29?q=a%20b"
        );
        for bad in [
            "dtmd://dingtalkclient/sendMessage?content=x",
            "javascript:alert(1)",
            "dingtalk://x",
            "x",
            "",
        ] {
            assert_eq!(link(bad), None, "{bad}");
        }
    }
}
