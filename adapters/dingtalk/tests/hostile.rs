//! The shared corpus of hostile texts through every place where a person's text can stand, judged by a
//! reader of its own.
//!
//! The reader below is no copy of the renderer: it parses what the platform's clients are documented to
//! act on (headings, quotes, lists, emphasis, links, images, `dtmd:` and `dingtalk:` links, tables, code,
//! `<a atId>`, `<font>`, `<br>`, literal `<@id>`, `[emoji]`, bare addresses, `@id` with a mention list) and
//! counts every construct it finds. It is read twice, once as a client that knows the backslash and once as
//! one that does not (there only what acts is counted; that `*a*` would be slanted is accepted). The same message with a harmless word in the same place gives the count of what is
//! ours; the hostile one must not have more of anything.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::collections::BTreeMap;

use hutong_dingtalk::render;
use hutong_model::{
    Block, Button, ButtonStyle, Chart, ChartKind, Field, FieldKind, Form, Inline, Message, Table, UserId,
};
use serde_json::Value;

fn corpus() -> Vec<String> {
    include_str!("../../../tests/hostile/texts.txt")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Active {
    Mention,
    MentionAll,
    Link,
    Image,
    Command,
    Tag,
    Emoji,
    Heading,
    Quote,
    Item,
    Rule,
    Emphasis,
    Code,
    Table,
    Entity,
    Hidden,
}

type Counts = BTreeMap<Active, usize>;

fn add(counts: &mut Counts, what: Active) {
    *counts.entry(what).or_default() += 1;
}

/// Characters that show nothing or turn the direction of what follows. The zero-width space is ours.
fn hidden(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(u32::from(c), 0x061C | 0x200E | 0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xFEFF | 0xFFF9..=0xFFFB)
}

/// What clients do with any text: addresses, schemes, mention tokens.
fn tokens(text: &str, ids: &[String], all: bool, counts: &mut Counts) {
    for c in text.chars().filter(|c| hidden(*c)) {
        let _ = c;
        add(counts, Active::Hidden);
    }
    let chars: Vec<char> = text.chars().collect();
    let lower: String = text.to_lowercase();
    for (i, _) in lower.match_indices("://") {
        let scheme = lower.get(..i).unwrap().chars().next_back();
        if scheme.is_some_and(|c| c.is_alphanumeric()) {
            add(counts, Active::Link);
        }
    }
    // A client may forgive blanks before the colon.
    let squeezed: String = lower.chars().filter(|c| !c.is_whitespace()).collect();
    for scheme in [
        "dtmd:",
        "dingtalk:",
        "javascript:",
        "vbscript:",
        "data:text",
        "mailto:",
        "tel:",
        "sms:",
    ] {
        for _ in squeezed.matches(scheme) {
            add(counts, Active::Command);
        }
    }
    for (i, c) in chars.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|j| chars.get(j)).copied().unwrap_or(' ');
        let next = chars.get(i + 1).copied().unwrap_or(' ');
        match c {
            // A host: letters on both sides of a dot, ASCII at least on the right.
            '.' if before.is_alphanumeric() && next.is_ascii_alphabetic() => add(counts, Active::Link),
            '@' => {
                let rest: String = chars[i + 1..].iter().take(64).collect();
                if rest.starts_with("所有人") || rest.to_lowercase().starts_with("all") {
                    if all {
                        add(counts, Active::MentionAll);
                    }
                } else if ids.iter().any(|id| rest.starts_with(id.as_str())) {
                    add(counts, Active::Mention);
                }
            }
            // User-identity sends read these whole.
            '<' => {
                let rest: String = chars[i + 1..].iter().take(24).collect::<String>().to_lowercase();
                if rest.starts_with('@') {
                    add(counts, Active::Mention);
                } else if rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!') {
                    add(counts, Active::Tag);
                }
            }
            _ => {}
        }
    }
}

/// The markdown of robots and cards, block by block. `escapes`: the client knows the backslash.
fn markdown(text: &str, ids: &[String], all: bool, escapes: bool) -> Counts {
    let mut counts = Counts::new();
    tokens(text, ids, all, &mut counts);
    blocks(text, escapes, &mut counts);
    counts
}

fn blocks(text: &str, escapes: bool, counts: &mut Counts) {
    let (mut fenced, mut quoted) = (false, false);
    for line in text.split('\n') {
        let mut line = line;
        let mut depth = 0;
        loop {
            let indent = line.chars().take_while(|c| *c == ' ').count();
            if indent >= 4 || line.starts_with('\t') {
                add(counts, Active::Code);
            }
            line = line.trim_start_matches([' ', '\t']);
            match line.strip_prefix('>') {
                Some(rest) => {
                    depth += 1;
                    // Lines that follow each other are one quote.
                    if depth > 1 || !quoted {
                        add(counts, Active::Quote);
                    }
                    line = rest;
                }
                None => break,
            }
        }
        quoted = depth > 0;
        if line.starts_with("```") || line.starts_with("~~~") {
            fenced = !fenced;
            add(counts, Active::Code);
            continue;
        }
        if fenced {
            continue;
        }
        let heading = line.chars().take_while(|c| *c == '#').count();
        if (1..=6).contains(&heading) {
            add(counts, Active::Heading);
            line = line.get(heading..).unwrap();
        }
        let bare: String = line.chars().filter(|c| *c != ' ').collect();
        if bare.len() >= 3 && ['-', '*', '_', '='].iter().any(|m| bare.chars().all(|c| c == *m)) {
            add(counts, Active::Rule);
        }
        if line.starts_with("- ") || line.starts_with("* ") || line.starts_with("+ ") {
            add(counts, Active::Item);
            line = line.get(2..).unwrap();
        }
        let digits = line.chars().take_while(char::is_ascii_digit).count();
        let after = line.get(digits..).unwrap();
        if digits > 0 && (after.starts_with(". ") || after.starts_with(") ")) {
            add(counts, Active::Item);
        }
        if line.trim_start().starts_with('|') {
            add(counts, Active::Table);
        }
        inline(line, escapes, counts);
    }
}

fn inline(line: &str, escapes: bool, counts: &mut Counts) {
    let chars: Vec<char> = line.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut marks = vec![false; chars.len() + 1];
    for i in 1..chars.len() {
        marks[i] = escapes && at(i - 1) == '\\' && !marks[i - 1];
    }
    let escaped = |i: usize| marks[i];
    let find = |from: usize, wanted: char| (from..chars.len()).find(|j| at(*j) == wanted && !escaped(*j));
    let mut open: BTreeMap<char, usize> = BTreeMap::new();
    let mut i = 0;
    while i < chars.len() {
        let c = at(i);
        if escaped(i) {
            i += 1;
            continue;
        }
        match c {
            '[' => {
                // `[label](target)` and `[label][name]`; a bare `[word]` is an emoji in cards.
                // Of brackets inside brackets the inner ones are the link.
                let close = (i + 1..chars.len())
                    .find(|j| matches!(at(*j), '[' | ']') && !escaped(*j))
                    .filter(|j| at(*j) == ']');
                if let Some(close) = close {
                    match at(close + 1) {
                        '(' | '[' => add(
                            counts,
                            if i > 0 && at(i - 1) == '!' && !escaped(i - 1) {
                                Active::Image
                            } else {
                                Active::Link
                            },
                        ),
                        _ if close > i + 1 && close - i <= 12 && (i + 1..close).all(|j| at(j).is_alphanumeric()) => {
                            add(counts, Active::Emoji);
                        }
                        _ => {}
                    }
                }
            }
            '`' if find(i + 1, '`').is_some() => add(counts, Active::Code),
            '*' | '_' | '~' => {
                // Emphasis opens before something and closes after something.
                let last = i.checked_sub(1).map(at).unwrap_or(' ');
                let opens = !at(i + 1).is_whitespace() && at(i + 1) != '\0';
                let closes = !last.is_whitespace();
                let waiting = open.entry(c).or_default();
                if closes && *waiting > 0 && escapes {
                    *waiting -= 1;
                    add(counts, Active::Emphasis);
                } else if opens {
                    *waiting += 1;
                }
            }
            '&' => {
                let rest: String = chars[i + 1..].iter().take(12).collect();
                let end = rest.find(';');
                if end.is_some_and(|end| {
                    let name = rest.get(..end).unwrap();
                    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '#')
                }) {
                    add(counts, Active::Entity);
                }
            }
            _ => {}
        }
        i += 1;
    }
}

/// Every text that a client would draw, with the name of where it stands and whether it is markdown.
struct Shown {
    place: String,
    text: String,
    markdown: bool,
    ids: Vec<String>,
    all: bool,
}

/// Place, text, whether it is markdown, and the mention list beside it.
type Put<'p> = dyn FnMut(String, &Value, bool, &[String], bool) + 'p;

fn listed(value: &Value) -> Vec<String> {
    let list = value.pointer("/at/atUserIds").and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .map(|v| v.as_str().unwrap().to_owned())
        .collect()
}

fn shown(message: &Message) -> Vec<Shown> {
    let mut out = Vec::new();
    let mut put = |place: String, text: &Value, markdown: bool, ids: &[String], all: bool| {
        out.push(Shown {
            place,
            text: text.as_str().unwrap().to_owned(),
            markdown,
            ids: ids.to_vec(),
            all,
        });
    };
    let part = |name: &str, part: &render::Part, put: &mut Put<'_>| {
        let param: Value = serde_json::from_str(&part.msg_param).unwrap();
        let plain = part.msg_key == "sampleText";
        for (key, value) in param.as_object().unwrap() {
            if !key.contains("URL") {
                let markdown = !plain && key == "text";
                put(format!("{name} robot {key}"), value, markdown, &[], false);
            }
        }
        let ids = listed(&part.webhook);
        let all = part.webhook.pointer("/at/isAtAll") == Some(&Value::Bool(true));
        let bodies = std::iter::once(("webhook", &part.webhook, ids.as_slice(), all))
            .chain(part.notices.iter().map(|n| ("notice", n, [].as_slice(), false)));
        for (way, body, ids, all) in bodies {
            for (pointer, markdown) in [
                ("/text/content", false),
                ("/markdown/title", false),
                ("/markdown/text", true),
                ("/actionCard/title", false),
                ("/actionCard/text", true),
            ] {
                if let Some(value) = body.pointer(pointer) {
                    put(format!("{name} {way} {pointer}"), value, markdown, ids, all);
                }
            }
        }
    };
    for p in render::parts(message).unwrap() {
        part("message", &p, &mut put);
    }
    // Some places hold more than a card: then there is none.
    if let Ok(card) = render::card(message) {
        for p in &card.before {
            part("before the card", p, &mut put);
        }
        let ids: Vec<String> = card.mentions.users.iter().map(|(u, _)| u.as_str().to_owned()).collect();
        for (key, value) in &card.params {
            // Tokens, styles and the form's JSON are not drawn; the form's labels are.
            if key.starts_with("action") || key == "form_action" || key.starts_with("style") {
                continue;
            }
            if key == "form" {
                let form: Value = serde_json::from_str(value.as_str().unwrap()).unwrap_or(Value::Null);
                for (i, field) in form["fields"].as_array().into_iter().flatten().enumerate() {
                    put(
                        format!("card form {i}"),
                        &field["label"],
                        false,
                        &ids,
                        card.mentions.all,
                    );
                    for choice in field["options"].as_array().into_iter().flatten() {
                        put(
                            format!("card form {i} choice"),
                            &choice["text"],
                            false,
                            &ids,
                            card.mentions.all,
                        );
                    }
                }
                continue;
            }
            // The text goes on from one variable to the next.
            let markdown = key.starts_with("text");
            let place = if markdown {
                "card text".to_owned()
            } else {
                format!("card {key}")
            };
            put(place, value, markdown, &ids, card.mentions.all);
        }
        put(
            "card preview".into(),
            &card.title.clone().into(),
            false,
            &ids,
            card.mentions.all,
        );
    }
    out
}

/// Per place and kind of client: how many pieces were looked at, and what was found in them.
fn counts(list: &[Shown]) -> BTreeMap<(String, bool), (usize, Counts)> {
    let mut out: BTreeMap<(String, bool), (usize, Counts)> = BTreeMap::new();
    for s in list {
        let mut always = Counts::new();
        tokens(&s.text, &s.ids, s.all, &mut always);
        for escapes in [true, false] {
            let mut found = always.clone();
            if s.markdown {
                blocks(&s.text, escapes, &mut found);
            }
            // Several parts of one kind count together.
            let (pieces, sum) = out.entry((s.place.clone(), escapes)).or_default();
            *pieces += usize::from(!s.text.is_empty());
            for (what, n) in found {
                *sum.entry(what).or_default() += n;
            }
        }
    }
    out
}

fn user() -> UserId {
    UserId::new("user123").unwrap()
}

fn button(label: &str) -> Button {
    Button {
        label: label.into(),
        action: "tok.1".into(),
        style: ButtonStyle::Primary,
    }
}

fn text(t: &str) -> Inline {
    Inline::Text(t.to_owned())
}

/// Every place where a text leaf can stand. A real mention of `user123` stands in some of them, so that
/// a text that spells the same id would be found out.
fn places(t: &str) -> Vec<(&'static str, Message)> {
    let base = || Message::card("标题").line("开头");
    let mention = Inline::Mention {
        user: user(),
        name: "陈晨".into(),
    };
    let link = || Inline::Link {
        label: "打开".into(),
        url: "https://bot.example.com/a".into(),
    };
    let form = |label: &str, choice: &str, submit: &str| Form {
        fields: vec![
            Field {
                name: "why".into(),
                label: label.into(),
                kind: FieldKind::Text {
                    max_chars: 100,
                    multiline: true,
                },
                required: true,
            },
            Field {
                name: "one".into(),
                label: "哪个".into(),
                kind: FieldKind::Select(vec![("v".into(), choice.into())]),
                required: false,
            },
        ],
        submit: button(submit),
    };
    let chart = |title: &str, category: &str, series: &str, unit: &str| {
        Block::Chart(Chart {
            kind: ChartKind::Bar,
            title: title.into(),
            categories: vec![category.into(), "乙".into()],
            series: vec![(series.into(), vec![Some(3.0), None])],
            unit: unit.into(),
        })
    };
    let table = |head: &str, cell: &str| {
        Block::Table(Table {
            columns: vec!["列".into(), head.into()],
            rows: vec![vec!["甲".into(), cell.into()], vec![cell.into(), "乙".into()]],
        })
    };
    vec![
        ("plain line", Message::text(t)),
        (
            "plain line after text",
            Message::default().paragraph(vec![text("你好 "), text(t)]),
        ),
        (
            "plain line with a mention",
            Message::default().paragraph(vec![mention.clone(), text(t)]),
        ),
        (
            "plain line after a link",
            Message::default().paragraph(vec![link(), text(t), text("完")]),
        ),
        ("title", Message::card(t).line("正文")),
        ("paragraph", base().line(t)),
        (
            "paragraph after strong",
            base().paragraph(vec![Inline::Strong("强调".into()), text(t)]),
        ),
        (
            "paragraph before strong",
            base().paragraph(vec![text(t), Inline::Strong("强调".into())]),
        ),
        (
            "strong",
            base().paragraph(vec![text("前 "), Inline::Strong(t.to_owned()), text(" 后")]),
        ),
        ("beside a mention", base().paragraph(vec![mention.clone(), text(t)])),
        (
            "name of a mention",
            base().paragraph(vec![Inline::Mention {
                user: user(),
                name: t.to_owned(),
            }]),
        ),
        (
            "label of a link",
            base().paragraph(vec![
                text("见 "),
                Inline::Link {
                    label: t.to_owned(),
                    url: "https://bot.example.com/a".into(),
                },
                text(" 。"),
            ]),
        ),
        ("after a link", base().paragraph(vec![link(), text(t), text(" 完")])),
        ("before a link", base().paragraph(vec![text(t), link(), text(" 完")])),
        ("quote", base().block(Block::Quote(vec![text(t)]))),
        ("note", base().note(t)),
        (
            "item",
            base().block(Block::List {
                ordered: false,
                items: vec![vec![text(t)], vec![text("乙")]],
            }),
        ),
        (
            "ordered item",
            base().block(Block::List {
                ordered: true,
                items: vec![vec![text(t)], vec![text("乙")]],
            }),
        ),
        ("table head", base().block(table(t, "格"))),
        ("table cell", base().block(table("头", t))),
        ("chart title", base().block(chart(t, "甲", "系", "个"))),
        ("chart category", base().block(chart("图", t, "系", "个"))),
        ("chart series", base().block(chart("图", "甲", t, "个"))),
        ("chart unit", base().block(chart("图", "甲", "系", t))),
        (
            "image",
            base().block(Block::Image {
                handle: "@lADabc".into(),
                alt: t.to_owned(),
            }),
        ),
        ("button", base().buttons(vec![button(t), button("乙")])),
        ("form label", base().block(Block::Form(form(t, "选", "提交")))),
        ("form choice", base().block(Block::Form(form("为何", t, "提交")))),
        ("form submit", base().block(Block::Form(form("为何", "选", t)))),
        ("action card", base().line(t).paragraph(vec![link()])),
        ("two leaves", base().paragraph(vec![text(t), text(t)])),
    ]
}

#[test]
fn no_text_of_a_person_becomes_active_anywhere() {
    let corpus = corpus();
    assert!(corpus.len() >= 300, "{}", corpus.len());
    let ours: Vec<_> = places("词").iter().map(|(_, m)| counts(&shown(m))).collect();
    let mut looked = 0;
    let mut bad = Vec::new();
    for (row, t) in corpus.iter().enumerate() {
        for (at, ((place, message), ours)) in places(t).iter().zip(&ours).enumerate() {
            // The long runs are slow to read: each in a third of the places, all places in turn.
            if t.len() > 300 && (row + at) % 3 != 0 {
                continue;
            }
            if message.plain().trim().is_empty() || render::parts(message).is_err() {
                continue;
            }
            for ((where_, escapes), (pieces, found)) in counts(&shown(message)) {
                looked += pieces;
                // What goes before a card that is too long is drawn like the message.
                let like = where_.replace("before the card", "message");
                let allowed = ours
                    .get(&(where_.clone(), escapes))
                    .or_else(|| ours.get(&(like, escapes)))
                    .cloned()
                    .unwrap_or_default()
                    .1;
                for (what, n) in found {
                    let mut allowed = allowed.get(&what).copied().unwrap_or(0);
                    // A quote that is cut in two goes on as a quote.
                    if what == Active::Quote {
                        allowed *= pieces;
                    }
                    if n > allowed {
                        bad.push(format!(
                            "{what:?} x{n} in {place} / {where_} (escapes {escapes}): {t:?}"
                        ));
                    }
                }
            }
        }
    }
    assert!(looked > 200_000, "{looked}");
    let kinds: std::collections::BTreeSet<String> =
        bad.iter().map(|b| b.split(':').next().unwrap().to_owned()).collect();
    assert!(
        bad.is_empty(),
        "{} of {looked}: {kinds:#?}\n{:#?}",
        bad.len(),
        &bad[..bad.len().min(12)]
    );
}

#[test]
fn the_judge_sees_what_clients_act_on() {
    let ids = ["user123".to_owned()];
    for (source, what) in [
        ("# a", Active::Heading),
        ("> a", Active::Quote),
        ("- a", Active::Item),
        ("1. a", Active::Item),
        ("---", Active::Rule),
        ("**a**", Active::Emphasis),
        ("_a_", Active::Emphasis),
        ("`a`", Active::Code),
        ("```\nx\n```", Active::Code),
        ("    a", Active::Code),
        ("[a](b)", Active::Link),
        ("![a](b)", Active::Image),
        ("[a][b]", Active::Link),
        ("[微笑]", Active::Emoji),
        ("|a|b|", Active::Table),
        ("https://evil.cn", Active::Link),
        ("evil.cn", Active::Link),
        ("[x](dtmd://dingtalkclient/sendMessage?content=y)", Active::Command),
        ("DTMD ://x", Active::Command),
        ("<a atId=user123>x</a>", Active::Tag),
        ("<font color=red>", Active::Tag),
        ("<@all>", Active::Mention),
        ("@user123", Active::Mention),
        ("@所有人", Active::MentionAll),
        ("&lt;a&gt;", Active::Entity),
        ("a\u{202E}b", Active::Hidden),
    ] {
        let found = markdown(source, &ids, true, true);
        assert!(found.contains_key(&what), "{source:?}: {found:?}");
    }
    for quiet in [
        "你好 3.5 分",
        "a@\u{200B}b",
        "\\*a\\*",
        "\\[\u{200B}a\\]\u{200B}\\(b\\)",
        "＜a＞",
        "1\\. a",
    ] {
        assert_eq!(markdown(quiet, &ids, true, true), Counts::new(), "{quiet:?}");
    }
    // Without escapes the backslash saves nobody.
    assert!(!markdown("\\[a\\](b)", &ids, true, false).is_empty());
    assert!(markdown("\\[\u{200B}a\\]\u{200B}\\(b\\)", &ids, true, false).is_empty());
}
