//! Ten thousand hostile texts through the renderer: nothing in them stays active.
//!
//! The judge is a small reader of its own: it looks for what a client would act on in the finished
//! request, not for what the renderer claims to escape.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use hutong_dingtalk::render;
use hutong_model::{Block, Inline, Message};
use serde_json::Value;

/// A small fixed generator, so that a failure can be seen again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

const PIECES: &[&str] = &[
    "@",
    "@all",
    "@所有人",
    "@user123 ",
    "<@all>",
    "<@user123>",
    "<a atId=user123>x</a>",
    "</a>",
    "<font>",
    "[",
    "](",
    ")",
    "](http://evil.cn)",
    "[点我](dtmd://dingtalkclient/sendMessage?content=%2Fgive)",
    "!",
    "![](",
    "dtmd:",
    "DtMd ://",
    "dingtalk://dingtalkclient/action/sendmsg",
    "http://evil.cn",
    "https://",
    "HTTPS://EVIL.CN",
    "www.evil.cn",
    "evil.com",
    "javascript:",
    "mailto:a@b.cn",
    "**",
    "*",
    "_",
    "`",
    "```\n",
    "#",
    "\n# ",
    "\n> ",
    "\n- ",
    "\n1. ",
    "\\",
    "\\[",
    "&lt;",
    "&#60;a&#62;",
    "|",
    "~~",
    "\u{200B}",
    "\u{200D}",
    "\u{202E}",
    "\u{2028}",
    "\r\n",
    "\n",
    "\t",
    "    ",
    " ",
    "你好",
    "3.5",
    "a",
    "dt\u{200B}md:",
    "h\u{200C}ttp://x.cn",
    "://",
    "//",
    ":",
    ".",
    "x.y",
    "{",
    "}",
    "+",
    "=",
    "\n===",
    "\u{0}",
    "\u{7f}",
];

fn hostile(random: &mut Random) -> String {
    (0..1 + random.below(12))
        .map(|_| PIECES[random.below(PIECES.len())])
        .collect()
}

/// What a client would act on in text that it does not read as markup.
fn active_in_text(text: &str) -> Option<&'static str> {
    let lower = text.to_lowercase();
    let chars: Vec<char> = lower.chars().collect();
    for (i, c) in chars.iter().enumerate() {
        let next = chars.get(i + 1).copied().unwrap_or(' ');
        match c {
            '@' if !next.is_whitespace() && next != '\u{200B}' => return Some("mention"),
            '<' | '>' => return Some("tag"),
            '.' if i > 0 && chars[i - 1].is_alphanumeric() && next.is_alphabetic() => return Some("bare host"),
            _ => {}
        }
    }
    if lower.contains("://") {
        return Some("address");
    }
    let squeezed: String = lower.chars().filter(|c| !c.is_whitespace()).collect();
    for scheme in ["dtmd:", "dingtalk:", "javascript:", "mailto:"] {
        if squeezed.contains(scheme) {
            return Some("scheme");
        }
    }
    if text
        .chars()
        .any(|c| (c.is_control() && c != '\n') || ('\u{2028}'..='\u{202E}').contains(&c))
    {
        return Some("hidden character");
    }
    None
}

/// What a markdown reader would draw. `lead` is what our own block begins with.
fn active_in_markdown(text: &str, lead: &str) -> Option<&'static str> {
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\\' {
            // The escaped character is text; a reader without escapes is judged below.
            if chars.next() == Some(']') && chars.peek() == Some(&'(') {
                return Some("link without escapes");
            }
            continue;
        }
        if matches!(c, '[' | ']' | '`' | '*' | '_' | '!' | '#' | '~' | '|' | '(' | ')') {
            return Some("markup");
        }
        if c == '&' && chars.peek().is_some_and(|n| n.is_ascii_alphanumeric() || *n == '#') {
            return Some("entity");
        }
    }
    for (index, line) in text.lines().enumerate() {
        let line = if index == 0 {
            line
        } else {
            line.strip_prefix(lead).unwrap_or(line)
        };
        if line.starts_with("    ") || line.starts_with('\t') {
            return Some("code block");
        }
        let digits = line.chars().take_while(char::is_ascii_digit).count();
        if line.starts_with(['-', '+', '=']) || (digits > 0 && line.get(digits..).is_some_and(|r| r.starts_with(". ")))
        {
            return Some("block markup");
        }
    }
    None
}

#[test]
fn ten_thousand_texts_stay_text() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for round in 0..10_000 {
        let text = hostile(&mut random);
        if text
            .trim_matches(|c: char| c.is_whitespace() || c.is_control())
            .is_empty()
        {
            continue;
        }
        let plain = render::parts(&Message::text(text.clone())).unwrap();
        for part in &plain {
            let param: Value = serde_json::from_str(&part.msg_param).unwrap();
            let out = param["content"].as_str().unwrap();
            assert_eq!(active_in_text(out), None, "{round}: {text:?} -> {out:?}");
            assert_eq!(part.webhook["at"]["isAtAll"], false);
            assert_eq!(part.webhook["at"]["atUserIds"].as_array().unwrap().len(), 0);
            let hook = part.webhook["text"]["content"].as_str().unwrap();
            assert_eq!(active_in_text(hook), None, "{round}: {text:?} -> {hook:?}");
        }
        let block = match round % 3 {
            0 => Block::Paragraph(vec![Inline::Text(text.clone())]),
            1 => Block::Note(vec![Inline::Text(text.clone())]),
            _ => Block::Quote(vec![Inline::Text(text.clone())]),
        };
        let lead = if round % 3 == 2 { "> " } else { "" };
        let message = Message::card(text.clone()).block(block);
        for part in &render::parts(&message).unwrap() {
            let param: Value = serde_json::from_str(&part.msg_param).unwrap();
            assert_eq!(
                active_in_text(param["title"].as_str().unwrap()),
                None,
                "{round}: {text:?}"
            );
            let whole = param["text"].as_str().unwrap();
            // Our own heading, then the block with our own mark.
            let body = whole.strip_prefix("#### ").unwrap();
            let (head, body) = body.split_once("\n\n").unwrap_or((body, ""));
            let body = body.strip_prefix(lead).unwrap_or(body);
            for out in [head, body] {
                let unquoted = out.replace("\n> ", "\n");
                assert_eq!(active_in_text(&unquoted), None, "{round}: {text:?} -> {out:?}");
                assert_eq!(active_in_markdown(out, lead), None, "{round}: {text:?} -> {out:?}");
            }
        }
        let card = render::card(&message).unwrap();
        assert!(card.mentions.users.is_empty() && !card.mentions.all);
        for (name, value) in &card.params {
            let out = value.as_str().unwrap();
            let out = out.strip_prefix(lead).unwrap_or(out).replace("\n> ", "\n");
            assert_eq!(active_in_text(&out), None, "{round}: {name} {text:?} -> {out:?}");
        }
    }
}

#[test]
fn the_judge_sees_what_is_active() {
    for text in [
        "@user123 x",
        "@所有人",
        "<@all>",
        "https://evil.cn",
        "evil.cn",
        "DTMD ://x",
        "dingtalk://x",
        "a\u{202E}b",
    ] {
        assert!(active_in_text(text).is_some(), "{text:?}");
    }
    for text in [
        "[a](b)",
        "![](b)",
        "**a**",
        "`a`",
        "\\[a\\](b)",
        "&lt;a",
        "a\n# b",
        "a\n1. b",
        "a\n- b",
        "a\n    b",
    ] {
        assert!(active_in_markdown(text, "").is_some(), "{text:?}");
    }
    for text in ["你好 3.5 分", "a@\u{200B}b", "https:\u{200B}//evil.\u{200B}cn"] {
        assert_eq!(active_in_text(text), None, "{text:?}");
    }
}
