//! The text of a config file: from byte spans to lines and columns, and what of a line may be shown.
//!
//! A problem shows the line it is about. Lines with secrets are shown with `****` instead: every
//! word that looks like the name of a secret hides what follows it, unless that is a reference to a
//! variable or a file, and the reader adds the spans of values it knows to be secret.

use std::ops::Range;

use super::nearest::distance;

pub(super) type Span = Range<usize>;

/// What stands in for hidden text, whatever its length.
const HIDDEN: &str = "****";
/// A shown line is cut around the marked part when it is longer than this (bytes).
const SHOWN: usize = 240;

/// The text and where its lines begin.
pub(super) struct Source<'a> {
    pub name: &'a str,
    pub text: &'a str,
    starts: Vec<usize>,
    /// Names of keys whose values are secret.
    secret_names: Vec<&'static str>,
}

/// Where a problem stands and how its line is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub line: usize,
    pub column: usize,
    pub end_column: usize,
    pub shown: String,
    /// Byte range of the marked part in `shown`.
    pub mark: Span,
}

impl<'a> Source<'a> {
    pub fn new(name: &'a str, text: &'a str, secret_names: Vec<&'static str>) -> Self {
        let mut starts = vec![0];
        starts.extend(
            text.match_indices('\n')
                .map(|(at, _)| at + 1)
                .filter(|at| *at < text.len()),
        );
        Self {
            name,
            text,
            starts,
            secret_names,
        }
    }

    /// The text of a span, for messages; empty when the span is not one of this text.
    pub fn slice(&self, span: &Span) -> &'a str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// The line a byte stands in, from 0. The end of the text belongs to its last line.
    pub fn line_of(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at).saturating_sub(1)
    }

    pub fn line_span(&self, line: usize) -> Span {
        let start = self.starts.get(line).copied().unwrap_or(0);
        let end = self.starts.get(line + 1).copied().unwrap_or(self.text.len());
        let body = self.text.get(start..end).unwrap_or_default();
        start..start + body.trim_end_matches(['\n', '\r']).len()
    }

    pub fn line_text(&self, line: usize) -> &'a str {
        self.slice(&self.line_span(line))
    }

    /// Places a span. `hidden` are spans that must not be seen.
    pub fn place(&self, span: &Span, hidden: &[Span]) -> Place {
        let line = self.line_of(span.start.min(self.text.len()));
        let whole = self.line_span(line);
        let body = self.slice(&whole);
        let inside = |at: usize| {
            let mut at = at.clamp(whole.start, whole.end) - whole.start;
            while !body.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let mut mark = inside(span.start)..inside(span.end.max(span.start));
        if mark.is_empty() {
            // An empty mark is invisible: take the character it stands before, or the last one.
            match body[mark.start..].chars().next() {
                Some(c) => mark.end += c.len_utf8(),
                None => mark.start -= body.chars().next_back().map_or(0, char::len_utf8),
            }
        }
        let column = |at: usize| body[..at].chars().count() + 1;
        let (start, end) = (column(mark.start), column(mark.end));

        let mut cover: Vec<Span> = self.hidden_in(body);
        cover.extend(
            hidden
                .iter()
                .filter(|h| h.start < whole.end && h.end > whole.start)
                .map(|h| inside(h.start)..inside(h.end)),
        );
        // Later lines of a hidden text of several lines.
        if self.inside_hidden_block(line) {
            cover.push(0..body.len());
        }
        let (shown, mark) = cut(cover_up(body, cover, mark));
        Place {
            line: line + 1,
            column: start,
            end_column: end,
            shown,
            mark,
        }
    }

    /// Is this the name of a secret, or nearly one?
    pub fn is_secret_name(&self, word: &str) -> bool {
        const PARTS: [&str; 9] = [
            "secret",
            "token",
            "passw",
            "aeskey",
            "aes_key",
            "encrypt",
            "credential",
            "private",
            "apikey",
        ];
        let word = word.to_lowercase().replace('-', "_");
        PARTS.iter().any(|part| word.contains(part))
            || self.secret_names.iter().any(|name| {
                let limit = (name.len() / 3).min(3);
                word == *name || (limit > 1 && distance(&word, name, limit) <= limit)
            })
    }

    /// Parts of one line that may be secrets, judged by the words in it alone.
    fn hidden_in(&self, line: &str) -> Vec<Span> {
        let mut hidden = Vec::new();
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let mut at = 0;
        while let Some(from) = line[at..].find(word).map(|n| at + n) {
            let to = line[from..].find(|c| !word(c)).map_or(line.len(), |n| from + n);
            at = to;
            if self.is_secret_name(&line[from..to]) {
                let rest = line[to..].trim_start_matches(['"', '\'']);
                match reference(rest) {
                    Some(rest) => at = line.len() - rest.len(),
                    None => {
                        let value = rest.trim_start_matches([' ', '\t', '=', '.']);
                        hidden.push(line.len() - value.len()..line.len());
                        break;
                    }
                }
            }
        }
        hidden.extend(logins_in(line));
        hidden
    }

    /// A message without the passwords of addresses in it.
    pub fn without_logins(&self, message: &str) -> String {
        cover_up(message, logins_in(message).collect(), 0..0).0
    }

    /// Whether a line is inside a text of several lines that belongs to a secret name.
    fn inside_hidden_block(&self, line: usize) -> bool {
        let mut open: Option<(&str, bool)> = None;
        for n in 0..line {
            let text = self.line_text(n);
            match open {
                Some((quote, _)) => {
                    if text.contains(quote) {
                        open = None;
                    }
                }
                None => {
                    for quote in ["\"\"\"", "'''"] {
                        if let Some(at) = text.find(quote)
                            && !text[at + 3..].contains(quote)
                        {
                            open = Some((quote, !self.hidden_in(text).is_empty()));
                        }
                    }
                }
            }
        }
        open.is_some_and(|(_, secret)| secret)
    }
}

/// The passwords of `scheme://user:password@host`.
fn logins_in(text: &str) -> impl Iterator<Item = Span> {
    text.match_indices("://").filter_map(|(at, mark)| {
        let from = at + mark.len();
        let to = text[from..]
            .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\''))
            .map_or(text.len(), |n| from + n);
        let end = text[from..to].rfind('@').map(|n| from + n)?;
        let colon = text[from..end].find(':').map(|n| from + n)?;
        Some(colon + 1..end)
    })
}

/// The rest of the line after ` = { env = "NAME" }` or `.file = "PATH"`; nothing when something
/// else follows the name of a secret.
fn reference(rest: &str) -> Option<&str> {
    let blank = [' ', '\t'];
    let rest = rest.trim_start_matches(blank);
    let inner = match rest.strip_prefix('.') {
        Some(inner) => inner,
        None => rest
            .strip_prefix('=')?
            .trim_start_matches(blank)
            .strip_prefix('{')?
            .trim_start_matches(blank),
    };
    let is_env = inner.starts_with("env");
    let value = inner
        .strip_prefix("env")
        .or_else(|| inner.strip_prefix("file"))?
        .trim_start_matches(blank)
        .strip_prefix('=')?
        .trim_start_matches(blank);
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (name, after) = value[1..].split_once(quote)?;
    (!is_env || super::env::is_variable(name)).then_some(after)
}

/// Replaces the covered parts and moves the mark along.
fn cover_up(line: &str, mut cover: Vec<Span>, mark: Span) -> (String, Span) {
    cover.retain(|c| !c.is_empty());
    cover.sort_by_key(|c| c.start);
    let mut merged: Vec<Span> = Vec::new();
    for next in cover {
        match merged.last_mut() {
            Some(last) if next.start <= last.end => last.end = last.end.max(next.end),
            _ => merged.push(next),
        }
    }
    let mut shown = String::with_capacity(line.len());
    let mut moved = mark.clone();
    let mut at = 0;
    for part in &merged {
        shown.push_str(&line[at..part.start]);
        let from = shown.len();
        shown.push_str(HIDDEN);
        if mark.start >= part.start && mark.start < part.end {
            moved.start = from;
        } else if mark.start >= part.end {
            moved.start = shown.len() + (mark.start - part.end);
        }
        if mark.end > part.start && mark.end <= part.end {
            moved.end = shown.len();
        } else if mark.end > part.end {
            moved.end = shown.len() + (mark.end - part.end);
        }
        at = part.end;
    }
    shown.push_str(&line[at..]);
    (shown, moved)
}

/// Cuts a very long line around the mark.
fn cut((line, mark): (String, Span)) -> (String, Span) {
    if line.len() <= SHOWN {
        return (line, mark);
    }
    let floor = |mut at: usize| {
        at = at.min(line.len());
        while !line.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let from = floor(mark.start.saturating_sub(SHOWN / 4));
    let to = floor(from + SHOWN);
    let end = floor(mark.end.min(to)).max(mark.start);
    (line[from..to].to_owned(), mark.start - from..end - from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source<'_> {
        Source::new("t.toml", text, vec!["app_secret", "encoding_key", "key"])
    }

    fn shown(text: &str) -> String {
        source(text).place(&(0..1), &[]).shown
    }

    #[test]
    fn lines_and_columns_count_characters() {
        let text = "a = 1\r\n名 = \"周报\"\n";
        let place = source(text).place(&(text.find('周').unwrap()..text.find('报').unwrap()), &[]);
        assert_eq!((place.line, place.column, place.end_column), (2, 6, 7));
        assert_eq!(&place.shown[place.mark.clone()], "周");
        let end = source(text).place(&(text.len()..text.len()), &[]);
        assert_eq!(end.line, 2);
        let empty = source("").place(&(0..0), &[]);
        assert_eq!((empty.line, empty.column), (1, 1));
    }

    #[test]
    fn a_secret_is_hidden_by_its_name() {
        for line in [
            "app_secret = \"canary\"",
            "app_secert = 'canary'",
            "\"app_secret\" = \"canary\"",
            "app_secret \"canary\"",
            "app_secret = { value = \"canary\" }",
            "app_secret.value = \"canary\"",
            "app_secret = { env = \"canary\" }",
            "app = [{ id = \"a\", app_secret = \"canary",
            "a = { env = \"X\" }, verification_token = \"canary\"",
            "url = \"postgres://hutong:canary@db/hutong\"",
            "key = \"canary\"",
        ] {
            assert!(!shown(line).contains("canary"), "{}", shown(line));
        }
    }

    #[test]
    fn names_of_variables_and_other_keys_stay_visible() {
        for line in [
            "app_secret = { env = \"FEISHU_SECRET\" }",
            "app_secret = { file = \"/run/secrets/a\" }",
            "app_secret.env = \"FEISHU_SECRET\"",
            "listen = \"127.0.0.1:8080\"",
            "public_url = \"https://bot.example.com:8443/x\"",
        ] {
            assert_eq!(shown(line), line);
        }
    }

    #[test]
    fn later_lines_of_a_secret_are_hidden() {
        let text = "app_secret = \"\"\"\nfirst canary\nsecond canary\n\"\"\"\nid = 1\n";
        let source = source(text);
        for at in [text.find("first").unwrap(), text.find("second").unwrap()] {
            assert_eq!(source.place(&(at..at + 3), &[]).shown, HIDDEN);
        }
        let at = text.find("id").unwrap();
        assert_eq!(source.place(&(at..at + 2), &[]).shown, "id = 1");
    }

    #[test]
    fn the_mark_moves_with_the_hidden_part() {
        let hidden = Some(5..13);
        let (line, mark) = cover_up("ab = \"canary\" # c", Vec::from_iter(hidden.clone()), 16..17);
        assert_eq!((line.as_str(), &line[mark]), ("ab = **** # c", "c"));
        let (line, mark) = cover_up("ab = \"canary\"", Vec::from_iter(hidden), 5..13);
        assert_eq!((line.as_str(), &line[mark]), ("ab = ****", "****"));
    }

    #[test]
    fn long_lines_are_cut_around_the_mark() {
        let text = format!("x = \"{}报{}\"", "周".repeat(400), "周".repeat(400));
        let at = text.find('报').unwrap();
        let place = source(&text).place(&(at..at + 3), &[]);
        assert!(place.shown.len() <= SHOWN + 4);
        assert_eq!(&place.shown[place.mark.clone()], "报");
    }
}
