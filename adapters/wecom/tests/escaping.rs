//! Every text of the shared corpus of hostile texts, at every place where a text of a person can
//! stand, in everything this adapter sends: a small reader of the four dialects, written apart from
//! the code under test, counts what a client would act on. Nothing may come from the text.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod common;

use std::collections::BTreeMap;

use hutong_model::{
    Action, Adapter, Block, Button, ButtonStyle, CalendarEntry, Chart, ChartKind, ChatId, ChatKind, ChatRef, Field,
    FieldKind, Form, Inline, MentionAllPermit, Message, MessageId, Settings, Table, Target, Timestamp, UserId,
};
use hutong_wecom::WeCom;
use serde_json::{Value, json};

fn corpus() -> Vec<String> {
    let path = format!("{}/../../tests/hostile/texts.txt", env!("CARGO_MANIFEST_DIR"));
    let all: Vec<String> = std::fs::read_to_string(path)
        .unwrap()
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(all.len() >= 300, "{}", all.len());
    all
}

/// What a client would act on, each with its argument.
type Found = BTreeMap<String, usize>;

fn note(found: &mut Found, what: String) {
    *found.entry(what).or_default() += 1;
}

/// Reads the tags that any text of the platform may know: `<@id>`, `<@all>`, `<a href>`, `<font>`,
/// whatever their letters, and also what is not closed. Also entities, which some clients may decode,
/// and bare addresses, which all clients make links of.
fn tags(text: &str, found: &mut Found) {
    let chars: Vec<char> = text.chars().collect();
    for (at, c) in chars.iter().enumerate() {
        match c {
            '<' => {
                let inner: String = chars[at + 1..].iter().take_while(|c| !matches!(c, '>' | '<')).collect();
                match inner.trim_start().strip_prefix('@') {
                    Some(id) => note(found, format!("mention {id}")),
                    None => note(found, format!("tag {}", inner.to_lowercase())),
                }
            }
            '&' => {
                let name: String = chars[at + 1..]
                    .iter()
                    .take_while(|c| c.is_ascii_alphanumeric() || **c == '#')
                    .collect();
                if !name.is_empty() && chars.get(at + 1 + name.chars().count()) == Some(&';') {
                    note(found, "entity".into());
                }
            }
            ':' if chars.get(at + 1) == Some(&'/') && chars.get(at + 2) == Some(&'/') => {
                let from = chars[..at]
                    .iter()
                    .rposition(|c| !c.is_ascii_alphanumeric())
                    .map_or(0, |n| n + 1);
                let url: String = chars[from..]
                    .iter()
                    .take_while(|c| !c.is_whitespace() && !matches!(c, '"' | '>' | ')' | '<'))
                    .collect();
                note(found, format!("address {url}"));
            }
            c if (c.is_control() && *c != '\n')
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{ad}' | '\u{2028}' | '\u{2029}') =>
            {
                note(found, "hidden".into());
            }
            _ => {}
        }
    }
}

/// Markdown of both kinds, read generously: whatever any of the clients might take for markup counts.
fn markdown(text: &str, found: &mut Found) {
    tags(text, found);
    for line in text.lines() {
        let mut line = line.trim_start();
        while let Some(rest) = line.strip_prefix('>') {
            note(found, "quote".into());
            line = rest.trim_start();
        }
        let digits = line.chars().take_while(char::is_ascii_digit).count();
        let after = &line[digits..];
        if digits > 0 && after.starts_with(['.', ')']) && after[1..].starts_with([' ', '\t']) {
            note(found, "ordered item".into());
        }
        if line.starts_with("- ") || line.starts_with("+ ") || line.starts_with("* ") {
            note(found, "item".into());
        }
        let hashes = line.chars().take_while(|c| *c == '#').count();
        if (1..=6).contains(&hashes) && line[hashes..].starts_with([' ', '\t']) {
            note(found, format!("heading {hashes}"));
        }
        let bare: String = line.chars().filter(|c| !c.is_whitespace()).collect();
        if bare.len() >= 3 && ['-', '*', '_', '='].iter().any(|m| bare.chars().all(|c| c == *m)) {
            note(found, "rule".into());
        }
        for _ in line.matches('|') {
            note(found, "cell".into());
        }
    }
    let mut rest = text;
    while let Some(at) = rest.find("](") {
        let image = rest[..at].rfind('[').is_some_and(|open| rest[..open].ends_with('!'));
        let url = &rest[at + 2..];
        let end = url.find(')').unwrap_or(url.len());
        note(
            found,
            format!("{} {}", if image { "image" } else { "link" }, &url[..end]),
        );
        rest = &url[end..];
    }
    for (mark, name) in [
        ("**", "bold"),
        ("`", "code"),
        ("~~", "struck"),
        ("\\", "escape"),
        ("_", "low line"),
        ("[", "bracket"),
    ] {
        for _ in text.matches(mark) {
            note(found, name.into());
        }
    }
    for _ in text.replace("**", "").matches('*') {
        note(found, "star".into());
    }
}

/// A template card: its words are plain, its addresses and ids have fields of their own.
fn card(value: &Value, field: &str, found: &mut Found) {
    match value {
        Value::Object(map) => map.iter().for_each(|(name, value)| card(value, name, found)),
        Value::Array(list) => list.iter().for_each(|value| card(value, field, found)),
        Value::String(text) => match field {
            "url" | "pagepath" | "appid" | "media_id" | "userid" | "icon_url" | "image_url" => {
                note(found, format!("{field} {text}"));
            }
            "card_type" | "key" | "question_key" | "id" | "selected_id" | "task_id" => {
                note(found, format!("{field} {text}"));
                tags(text, found);
            }
            _ => tags(text, found),
        },
        _ => {}
    }
}

/// One request as the platform would read it.
fn read(request: &str, found: &mut Found) {
    let call: Value = serde_json::from_str(request).unwrap();
    let body = call.get("body").cloned().unwrap_or(Value::Null);
    note(found, format!("call {}", call["call"]));
    for who in ["touser", "toparty", "totag", "chatid"] {
        if let Some(Value::String(id)) = body.get(who) {
            assert!(!id.contains('|') && !id.eq_ignore_ascii_case("@all"), "{who} {id}");
            note(found, format!("{who} {id}"));
        }
    }
    assert_ne!(
        body.get("enable_id_trans"),
        Some(&json!(1)),
        "names between $ stay words"
    );
    match body["msgtype"].as_str() {
        Some("text") => {
            tags(body["text"]["content"].as_str().unwrap(), found);
            for id in body["text"]["mentioned_list"].as_array().into_iter().flatten() {
                note(found, format!("mentioned {id}"));
            }
            assert!(body["text"].get("mentioned_mobile_list").is_none());
        }
        Some(kind @ ("markdown" | "markdown_v2")) => markdown(body[kind]["content"].as_str().unwrap(), found),
        Some("template_card") => card(&body["template_card"], "", found),
        Some(kind) => note(found, format!("{kind} {}", body[kind])),
        // Everything else has no markup: groups, schedules, updates, uploads.
        None => card(&call, "", found),
    }
}

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

fn robot() -> WeCom {
    let settings = Settings::default()
        .with("key", common::secret("K"))
        .with("chat", common::text("ops"));
    WeCom::new(common::build("wecom_webhook", settings)).unwrap()
}

/// An AI bot on its long connection.
fn linked() -> WeCom {
    let settings = Settings::default()
        .with("name", common::text("RobotA"))
        .with("receive", common::text("long_connection"))
        .with("bot_id", common::text("AIBOT-TEST-0001"))
        .with("secret", common::secret("S"));
    WeCom::new(common::build("wecom_aibot", settings)).unwrap()
}

/// Every kind of block with the text at every place that takes one, one message per place, so that a
/// failure names it. Only the text differs between a hostile and a harmless run.
fn messages(t: &str) -> Vec<(&'static str, Message)> {
    let s = || t.to_owned();
    let words = |i| Message::text("").paragraph(vec![i]);
    let link = |label: String| Inline::Link {
        label,
        url: "https://example.org/a".into(),
    };
    let button = |label: String| Button {
        label,
        action: "/ok".into(),
        style: ButtonStyle::Primary,
    };
    let form = |fields, submit| {
        Message::card("表").block(Block::Form(Form {
            fields,
            submit: button(submit),
        }))
    };
    let field = |label: String, kind| Field {
        name: "q".into(),
        label,
        kind,
        required: true,
    };
    let select = |label: String| FieldKind::Select(vec![("a".into(), label), ("b".into(), "乙".into())]);
    let many = |label: String| FieldKind::MultiSelect(vec![("a".into(), label), ("b".into(), "乙".into())]);
    let chart = |title: String, category: String, series: String, unit: String| {
        Message::card("图").block(Block::Chart(Chart {
            kind: ChartKind::Bar,
            title,
            categories: vec![category, "二".into()],
            series: vec![(series, vec![Some(1.0), None])],
            unit,
        }))
    };
    let table = |a: String, b: String| {
        Message::card("表").block(Block::Table(Table {
            columns: vec![a, "乙".into()],
            rows: vec![vec![b, "1".into()]],
        }))
    };
    let list = |ordered| {
        Message::card("单").block(Block::List {
            ordered,
            items: vec![
                vec![Inline::Text(s())],
                vec![Inline::Strong(s()), Inline::Text("后".into())],
            ],
        })
    };
    vec![
        ("line", Message::text(t)),
        ("second line", Message::text(format!("甲\n{t}"))),
        ("title", Message::card(t).line("x")),
        ("paragraph", Message::card("x").line(t)),
        (
            "between",
            Message::card("x").paragraph(vec![
                Inline::Text("前".into()),
                Inline::Text(s()),
                Inline::Text("后".into()),
            ]),
        ),
        ("strong", words(Inline::Strong(s()))),
        (
            "mention name",
            words(Inline::Mention {
                user: user("chenchen"),
                name: s(),
            }),
        ),
        (
            "beside everyone",
            Message::text("").paragraph(vec![
                Inline::MentionAll(MentionAllPermit::granted_by("approval-1")),
                Inline::Text(s()),
            ]),
        ),
        ("link label", words(link(s()))),
        (
            "beside a link",
            Message::card("x").paragraph(vec![Inline::Text(s()), link("开".into()), Inline::Text(s())]),
        ),
        ("quote", Message::card("x").block(Block::Quote(vec![Inline::Text(s())]))),
        ("note", Message::card("x").note(t)),
        ("list", list(false)),
        ("ordered list", list(true)),
        ("column", table(s(), "1".into())),
        ("cell", table("甲".into(), s())),
        ("chart title", chart(s(), "一".into(), "甲".into(), "人".into())),
        ("chart category", chart("图".into(), s(), "甲".into(), "人".into())),
        ("chart series", chart("图".into(), "一".into(), s(), "人".into())),
        ("chart unit", chart("图".into(), "一".into(), "甲".into(), s())),
        (
            "image",
            Message::card("x").block(Block::Image {
                handle: "MEDIA".into(),
                alt: s(),
            }),
        ),
        (
            "image with an address",
            Message::card("x").block(Block::Image {
                handle: "https://example.org/a.png".into(),
                alt: s(),
            }),
        ),
        ("notice title", Message::card(t).paragraph(vec![link("开".into())])),
        ("notice words", Message::card("x").line(t).paragraph(vec![link(s())])),
        (
            "notice pairs",
            Message::card("x")
                .block(Block::Table(Table {
                    columns: vec![],
                    rows: vec![vec![s(), "1".into()], vec!["二".into(), s()]],
                }))
                .paragraph(vec![link("开".into())]),
        ),
        (
            "button",
            Message::card("x")
                .line("y")
                .buttons(vec![button(s()), button("好".into())]),
        ),
        ("button card title", Message::card(t).buttons(vec![button("好".into())])),
        (
            "button card words",
            Message::card("x")
                .line(t)
                .block(Block::Quote(vec![Inline::Strong(s())]))
                .buttons(vec![button("好".into())]),
        ),
        (
            "button card link",
            Message::card("x")
                .paragraph(vec![link(s())])
                .buttons(vec![button("好".into())]),
        ),
        (
            "button card mention",
            Message::card("x")
                .paragraph(vec![Inline::Mention {
                    user: user("chenchen"),
                    name: s(),
                }])
                .buttons(vec![button("好".into())]),
        ),
        ("vote label", form(vec![field(s(), select("甲".into()))], "交".into())),
        ("vote option", form(vec![field("问".into(), many(s()))], "交".into())),
        ("vote submit", form(vec![field("问".into(), select("甲".into()))], s())),
        (
            "choices label",
            form(
                vec![field(s(), select("甲".into())), field("二".into(), select("甲".into()))],
                "交".into(),
            ),
        ),
        (
            "choices option",
            form(
                vec![field("一".into(), select(s())), field("二".into(), select("甲".into()))],
                "交".into(),
            ),
        ),
        (
            "form that is words",
            form(
                vec![field(
                    s(),
                    FieldKind::Text {
                        max_chars: 9,
                        multiline: false,
                    },
                )],
                s(),
            ),
        ),
    ]
}

/// Everything the doors would send for a text, by place.
fn sent(t: &str, doors: &[WeCom; 4]) -> Vec<(String, Found)> {
    let [app, bot, robot, linked] = doors;
    let direct = || ChatRef {
        id: ChatId::new("linjie").unwrap(),
        kind: ChatKind::Direct,
        name: None,
    };
    let context =
        json!({"url": "https://qyapi.weixin.qq.com/cgi-bin/aibot/response?response_code=1", "until": 1}).to_string();
    let code = json!({"code": "RC", "user": "linjie", "until": 1}).to_string();
    let mut all: Vec<(String, &WeCom, Action)> = Vec::new();
    for (place, content) in messages(t) {
        let to = |to| Action::Send {
            to,
            content: content.clone(),
        };
        all.push((format!("person: {place}"), app, to(Target::User(user("linjie")))));
        all.push((
            format!("group: {place}"),
            app,
            to(Target::Chat(ChatId::new("c1").unwrap())),
        ));
        all.push((
            format!("linked: {place}"),
            linked,
            to(Target::Chat(ChatId::new("wr1").unwrap())),
        ));
        all.push((
            format!("robot: {place}"),
            robot,
            to(Target::Chat(ChatId::new("ops").unwrap())),
        ));
        all.push((
            format!("answer: {place}"),
            bot,
            Action::Reply {
                message: MessageId::new("m").unwrap(),
                chat: direct(),
                context: Some(context.clone()),
                content: content.clone(),
            },
        ));
        all.push((
            format!("update: {place}"),
            app,
            Action::UpdateCard {
                card: MessageId::new("task!").unwrap(),
                context: Some(code.clone()),
                content,
            },
        ));
    }
    let entry = |title: &str, description: &str| Action::Calendar {
        entry: CalendarEntry {
            title: title.into(),
            description: description.into(),
            from: Timestamp::from_secs(1),
            to: Timestamp::from_secs(2),
            attendees: vec![user("linjie")],
        },
    };
    all.push(("schedule title".into(), app, entry(t, "x")));
    all.push(("schedule words".into(), app, entry("x", t)));
    let named = |name: &str| Action::RenameChat {
        chat: ChatId::new("c1").unwrap(),
        name: name.into(),
    };
    all.push(("group name".into(), app, named(&format!("群{t}"))));
    all.push((
        "group welcome".into(),
        app,
        Action::CreateChat {
            name: format!("群{t}"),
            owner: user("linjie"),
            members: vec![user("wangwu")],
            description: Some(format!("好{t}")),
        },
    ));
    all.push((
        "file name".into(),
        app,
        Action::Upload {
            name: t.into(),
            media_type: "text/plain".into(),
            data: "MDEyMzQ1Njc4OQ==".into(),
        },
    ));
    all.into_iter()
        .map(|(place, door, action)| {
            let mut found = Found::new();
            // An empty text may leave nothing to say at some places; that is no request.
            for prepared in door.prepare(&action).unwrap_or_default() {
                read(&prepared.request, &mut found);
            }
            (place, found)
        })
        .collect()
}

/// Harmless texts of the same shape: as many lines and blanks, only letters between them. Whether a
/// message becomes a card, or is split, depends on how long a text is after escaping, which makes one
/// byte three: so one twin keeps the bytes and the other has three for every mark.
fn twins(text: &str) -> [String; 2] {
    let twin = |mark: char| {
        text.chars()
            .filter(|c| c.is_whitespace() || !(c.is_control() || unseen(*c)))
            .map(|c| match c {
                c if c.is_whitespace() => c,
                c if c.is_ascii_alphanumeric() => 'x',
                c if c.is_ascii() => mark,
                c if c.len_utf8() == 2 => '\u{e9}',
                c if c.len_utf8() == 3 => '甲',
                _ => '\u{20000}',
            })
            .collect()
    };
    [twin('x'), twin('甲')]
}

/// Format and tag characters, which nobody sees.
fn unseen(c: char) -> bool {
    matches!(u32::from(c), 0xad | 0x61c | 0x180e | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f | 0xfeff | 0xfff9..=0xfffb | 0xe0000..=0xe007f)
}

#[test]
fn no_text_of_the_corpus_becomes_active_anywhere() {
    let doors = [common::app(), common::bot(), robot(), linked()];
    let ours: usize = sent("甲乙", &doors)
        .iter()
        .map(|(_, f)| f.values().sum::<usize>())
        .sum();
    assert!(ours > 500, "the reader finds what is ours: {ours}");
    let (mut texts, mut places, mut active) = (0, 0, Vec::new());
    let mut known: BTreeMap<String, Vec<Found>> = BTreeMap::new();
    let mut ours_of = |twin: &str| -> Vec<Found> {
        let fresh = || sent(twin, &doors).into_iter().map(|(_, found)| found).collect();
        known.entry(twin.to_owned()).or_insert_with(fresh).clone()
    };
    for text in corpus() {
        texts += 1;
        let [short, long] = twins(&text);
        let mut twin = ours_of(&short);
        let got = sent(&text, &doors);
        places += got.len();
        // Where a text is split in between, what is repeated around each part is ours.
        let repeats = ["call ", "touser ", "chatid ", "quote", "tag font", "tag /font", "bold"];
        let over = |what: &str, count: usize, ours: usize| {
            let split = ours > 0 && text.len() > 400 && repeats.iter().any(|s| what.starts_with(s));
            count > ours && !split
        };
        let of = |twin: &Found, what: &str| twin.get(what).copied().unwrap_or(0);
        let differs = got
            .iter()
            .zip(&twin)
            .any(|((_, found), twin)| found.iter().any(|(what, n)| over(what, *n, of(twin, what))));
        if differs {
            for (one, other) in twin.iter_mut().zip(ours_of(&long)) {
                for (what, n) in other {
                    let held = one.entry(what).or_default();
                    *held = n.max(*held);
                }
            }
        }
        for ((place, found), twin) in got.iter().zip(&twin) {
            for (what, n) in found.iter().filter(|(what, n)| over(what, **n, of(twin, what))) {
                active.push(format!("{place}: {what} x{n} (ours {}) from {text:?}", of(twin, what)));
            }
        }
    }
    let shown: Vec<String> = active
        .iter()
        .take(20)
        .map(|line| line.chars().take(300).collect())
        .collect();
    assert!(active.is_empty(), "{} active:\n{}", active.len(), shown.join("\n"));
    assert!(texts >= 300 && places > 300 * 220, "{texts} texts at {places} places");
}

#[test]
fn the_reader_finds_what_is_active() {
    // Teeth: raw texts of the corpus are full of what must never pass.
    let mut found = Found::new();
    for text in corpus() {
        markdown(&text, &mut found);
    }
    let has = |what: &str| found.keys().any(|k| k.starts_with(what));
    for what in [
        "mention all",
        "tag font",
        "tag a href",
        "link ",
        "image ",
        "heading 1",
        "address http",
        "bold",
        "code",
        "hidden",
        "entity",
        "cell",
        "quote",
    ] {
        assert!(has(what), "{what}");
    }
}

#[test]
fn ids_hold_neither_everyone_nor_a_list() {
    for bad in [
        "@all",
        "@ALL",
        "a|b",
        "|",
        "@a",
        "",
        "a b",
        "a\n",
        "<@a>",
        "张三",
        "a\u{200b}",
    ] {
        assert!(UserId::new(bad).is_err(), "{bad:?}");
    }
    for bad in ["a|b", "a b", "<a>", "\"", ""] {
        assert!(
            ChatId::new(bad).is_err() && hutong_model::DepartmentId::new(bad).is_err(),
            "{bad:?}"
        );
    }
    // No text of the corpus is an id of somebody else, so none can address a message or be mentioned.
    let mut ids = 0;
    for text in corpus() {
        for text in [text.clone(), text.trim().to_owned()] {
            if let Ok(id) = UserId::new(text.as_str()) {
                assert!(
                    !id.as_str().contains('|')
                        && !id.as_str().starts_with('@')
                        && !id.as_str().eq_ignore_ascii_case("@all")
                );
                ids += 1;
            }
        }
    }
    assert!(ids < 200, "{ids}");
    // Ids from the platform pass the same door: an event of a person called @all or a|b is no event.
    for from in ["@all", "a|b"] {
        let xml = format!(
            "<xml><ToUserName>ww1</ToUserName><FromUserName><![CDATA[{from}]]></FromUserName><CreateTime>1</CreateTime><MsgType>text</MsgType><Content>x</Content><MsgId>1</MsgId></xml>"
        );
        let element = hutong_wecom::wire::Element::parse(&xml).unwrap();
        assert!(hutong_wecom::normalise::app(&element).is_err(), "{from}");
    }
    // A configured owner of schedules, too.
    let settings = common::app_settings("Token", "DFOmmvA4o137YbkaiMhizhiMGRe3vRL2sVgQKYUIaxw", "ww1")
        .with("calendar_owner", common::text("@all"));
    assert_eq!(
        WeCom::new(common::build("wecom", settings)).err().unwrap()[0].key,
        "calendar_owner"
    );
}
