//! Rendering: looks, limits, and that no text of a person ever becomes a mention, link or markup.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod common;

use hutong_model::{
    Action, Adapter, Block, Button, ButtonStyle, ChatId, ChatKind, ChatRef, Field, FieldKind, Form, Inline,
    MentionAllPermit, Message, MessageId, RenderError, Table, Target, UserId,
};
use hutong_wecom::card::card_update;
use hutong_wecom::render::{Place, message};
use proptest::prelude::*;
use serde_json::{Value, json};

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

/// A message in which every kind of text leaf is `t`.
fn everywhere(t: &str) -> Message {
    let text = || Inline::Text(t.to_owned());
    Message::card(t)
        .paragraph(vec![
            text(),
            Inline::Strong(t.to_owned()),
            Inline::Mention {
                user: user("chenchen"),
                name: t.to_owned(),
            },
            text(),
            Inline::Link {
                label: t.to_owned(),
                url: "https://example.org/a".into(),
            },
            text(),
        ])
        .block(Block::Quote(vec![text()]))
        .block(Block::Note(vec![text()]))
        .block(Block::List {
            ordered: false,
            items: vec![vec![text()], vec![Inline::Strong(t.to_owned()), text()]],
        })
        .block(Block::Image {
            handle: "MEDIA".into(),
            alt: t.to_owned(),
        })
        .block(Block::Table(Table {
            columns: vec![t.to_owned(), "b".into()],
            rows: vec![vec![t.to_owned(), t.to_owned()]],
        }))
}

/// What a client would act on, found by its own small reader of the documented syntax.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Active {
    mentions: Vec<String>,
    links: Vec<String>,
    tags: Vec<String>,
    bare_urls: usize,
    headings: usize,
    lists: usize,
    rules: usize,
    code: usize,
    images: usize,
    bold_marks: usize,
    strays: usize,
    pipes: usize,
    invisible: usize,
}

fn active(content: &str, markdown: bool) -> Active {
    let mut found = Active::default();
    let mut rest = content;
    while let Some(open) = rest.find('<') {
        let inner = &rest[open + 1..];
        let end = inner.find('>').unwrap_or(inner.len());
        let tag = &inner[..end];
        match tag.strip_prefix('@') {
            Some(id) => found.mentions.push(id.to_owned()),
            None => {
                if let Some(url) = tag.strip_prefix("a href=\"") {
                    found.links.push(url.trim_end_matches('"').to_owned());
                }
                found.tags.push(tag.split(' ').next().unwrap_or_default().to_owned());
            }
        }
        rest = &inner[end..];
    }
    found.invisible = content
        .chars()
        .filter(|c| (c.is_control() && *c != '\n') || matches!(*c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'))
        .count();
    let mut bytes = content;
    while let Some(at) = bytes.find("://") {
        found.bare_urls += 1;
        bytes = &bytes[at + 3..];
    }
    if !markdown {
        return found;
    }
    for line in content.lines() {
        let line = line.trim_start();
        let line = line.strip_prefix('>').map_or(line, str::trim_start);
        found.headings += usize::from(line.starts_with('#'));
        found.rules += usize::from(line.starts_with("---") || line.starts_with("==="));
        let digits = line.chars().take_while(char::is_ascii_digit).count();
        found.lists += usize::from(
            line.starts_with("- ")
                || line.starts_with("+ ")
                || line.starts_with("* ")
                || (digits > 0 && line[digits..].starts_with(['.', ')'])),
        );
        found.pipes += line.matches('|').count();
    }
    let mut rest = content;
    while let Some(at) = rest.find("](") {
        let url = &rest[at + 2..];
        let end = url.find(')').unwrap_or(url.len());
        found.links.push(url[..end].to_owned());
        rest = &url[end..];
    }
    found.images = content.matches("![").count();
    found.code = content.matches('`').count();
    found.bold_marks = content.matches("**").count();
    found.strays = content.matches(['_', '~', '\\']).count() + content.replace("**", "").matches('*').count();
    found
}

fn parts(message_: &Message, place: Place) -> Vec<Active> {
    message(message_, place)
        .unwrap()
        .iter()
        .filter_map(|body| {
            let kind = body["msgtype"].as_str().unwrap();
            let content = body[kind]["content"].as_str()?;
            Some(active(content, kind != "text"))
        })
        .collect()
}

const PLACES: [Place; 4] = [Place::Person, Place::AppChat, Place::Answer, Place::Robot];

thread_local! {
    static PLAIN: Vec<(Place, Vec<Active>)> = PLACES.iter().map(|p| (*p, parts(&everywhere("x"), *p))).collect();
}

fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("<@all>".to_owned()),
        Just("<@zhangsan>".to_owned()),
        Just("&lt;@all&gt;".to_owned()),
        Just("<font color=\"warning\">".to_owned()),
        Just("<a href=\"https://evil.example\">x</a>".to_owned()),
        Just("[x](https://evil.example)".to_owned()),
        Just("![x](https://evil.example/x.png)".to_owned()),
        Just("https://evil.example".to_owned()),
        Just("](https://evil.example)".to_owned()),
        Just("\n# h".to_owned()),
        Just("\n- l".to_owned()),
        Just("\n1. l".to_owned()),
        Just("\n---\n".to_owned()),
        Just("\n===\n".to_owned()),
        Just("\n> q".to_owned()),
        Just("\n| a | b |\n| - | - |\n".to_owned()),
        Just("```\n".to_owned()),
        Just("`**__~~".to_owned()),
        Just("\\*\\<".to_owned()),
        Just("@all @所有人 ".to_owned()),
        Just("\u{202e}\u{200b}\u{0}\u{1b}".to_owned()),
        Just("$userName=zhangsan$".to_owned()),
        prop::collection::vec(any::<char>(), 0..6).prop_map(String::from_iter),
        prop::collection::vec(32u8..127, 0..8).prop_map(|b| b.into_iter().map(char::from).collect()),
    ];
    // At the beginning, in the middle and at the end of a line.
    (prop::collection::vec(piece, 1..6), any::<bool>()).prop_map(|(pieces, first)| match first {
        true => format!("{}x", pieces.concat()),
        false => format!("x{}", pieces.concat()),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    // Ten thousand texts, each at one of the four places.
    #[test]
    fn no_text_becomes_active(text in hostile(), at in 0usize..4) {
        let place = PLACES[at];
        let got = parts(&everywhere(&text), place);
        let plain = &PLAIN.with(|all| all.iter().find(|(p, _)| *p == place).map(|(_, a)| a.clone())).unwrap();
        let all = |list: &[Active], f: fn(&Active) -> usize| list.iter().map(f).sum::<usize>();
        let names = |list: &[Active], f: fn(&Active) -> &Vec<String>| list.iter().flat_map(|a| f(a).clone()).collect::<Vec<_>>();
        prop_assert_eq!(names(&got, |a| &a.mentions), names(plain, |a| &a.mentions));
        prop_assert_eq!(names(&got, |a| &a.links), names(plain, |a| &a.links));
        let counts: [fn(&Active) -> usize; 9] = [|a| a.bare_urls, |a| a.headings, |a| a.lists, |a| a.rules, |a| a.code, |a| a.images, |a| a.strays, |a| a.pipes, |a| a.invisible];
        for f in counts {
            prop_assert_eq!(all(&got, f), all(plain, f), "{:?} {:?}", place, got);
        }
        prop_assert!(all(&got, |a| a.bold_marks) % 2 == 0);
        for tag in names(&got, |a| &a.tags) {
            prop_assert!(["font", "/font", "a", "/a"].contains(&tag.as_str()), "{}", tag);
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_part_fits_and_nothing_is_lost(text in "[a-z积分🎉 \\n]{0,1500}") {
        let words: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        prop_assume!(!words.is_empty());
        for (place, limit) in [(Place::Person, 2000), (Place::AppChat, 2048), (Place::Robot, 2048)] {
            let spans = || vec![
                Inline::Strong("开头".into()),
                Inline::Text(text.replace('\n', " ")),
                Inline::Strong("中间".repeat(400)),
                Inline::Text(text.replace('\n', " ")),
            ];
            let list = Message::card("t").block(Block::List { ordered: true, items: vec![spans()] });
            let quote = Message::card("t").block(Block::Quote(spans())).block(Block::Note(spans()));
            for m in [Message::text(text.clone()), Message::card("t").line(text.clone()), list, quote] {
                let bodies = message(&m, place).unwrap();
                let mut said = String::new();
                for body in &bodies {
                    let kind = body["msgtype"].as_str().unwrap();
                    let content = body[kind]["content"].as_str().unwrap();
                    let limit = if place == Place::Robot && kind == "markdown" { 4096 } else { limit };
                    prop_assert!(content.len() <= limit, "{} > {}", content.len(), limit);
                    said.push_str(content);
                }
                let said = said.replace("<font color=\"comment\">", "").replace("</font>", "");
                let said: String = said.chars().filter(|c| !c.is_whitespace() && !matches!(c, '>' | '│')).collect();
                prop_assert!(said.ends_with(&words));
            }
        }
        let answer = &message(&Message::text(text.repeat(8)), Place::Answer).unwrap()[..];
        prop_assert_eq!(answer.len(), 1);
        prop_assert!(answer[0]["markdown"]["content"].as_str().unwrap().len() <= 20_480);
    }
}

fn one(m: &Message, place: Place) -> Value {
    let bodies = message(m, place).unwrap();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    bodies[0].clone()
}

fn button(label: &str, action: &str, style: ButtonStyle) -> Button {
    Button {
        label: label.into(),
        action: action.into(),
        style,
    }
}

#[test]
fn a_line_stays_a_line_and_a_card_is_markdown() {
    let line = Message::text("贡献分 46");
    for (place, kind) in [
        (Place::Person, "text"),
        (Place::AppChat, "text"),
        (Place::Robot, "text"),
        (Place::Answer, "markdown"),
    ] {
        let body = one(&line, place);
        assert_eq!(body, json!({"msgtype": kind, kind: {"content": "贡献分 46"}}));
    }
    let card = Message::card("周报").paragraph(vec![
        Inline::Text("本周 ".into()),
        Inline::Strong("12".into()),
        Inline::Text(" 次".into()),
    ]);
    assert_eq!(
        one(&card, Place::Person)["markdown"]["content"],
        "### 周报\n本周 **12** 次"
    );
}

#[test]
fn mentions_ping_by_the_means_of_the_place() {
    let mention = Message {
        title: None,
        card: false,
        blocks: vec![Block::Paragraph(vec![
            Inline::Text("欢迎 ".into()),
            Inline::Mention {
                user: user("chenchen"),
                name: "陈晨".into(),
            },
        ])],
    };
    assert_eq!(
        one(&mention, Place::AppChat)["text"],
        json!({"content": "欢迎 @陈晨", "mentioned_list": ["chenchen"]})
    );
    assert_eq!(one(&mention, Place::Person)["text"], json!({"content": "欢迎 @陈晨"}));
    let structured = Message {
        card: true,
        ..mention.clone()
    };
    assert_eq!(
        one(&structured, Place::Robot)["markdown"]["content"],
        "欢迎 <@chenchen>"
    );
    let all = Message::card("公告").paragraph(vec![
        Inline::MentionAll(MentionAllPermit::granted_by("appr-1")),
        Inline::Text(" 请看".into()),
    ]);
    assert_eq!(
        one(&all, Place::AppChat)["text"],
        json!({"content": "【公告】\n@所有人 请看", "mentioned_list": ["@all"]})
    );
    assert!(!one(&all, Place::Person).to_string().contains("mentioned_list"));
}

#[test]
fn buttons_become_a_card_or_words() {
    let m = Message::card("内容审核 #42").line("来自 张三").buttons(vec![
        button("通过", "review.approve", ButtonStyle::Primary),
        button("拒绝", "/review reject 42", ButtonStyle::Danger),
    ]);
    let card = json!({
        "card_type": "button_interaction",
        "main_title": {"title": "内容审核 #42"},
        "sub_title_text": "来自 张三",
        "button_list": [
            {"text": "通过", "style": 1, "key": "review.approve"},
            {"text": "拒绝", "style": 2, "key": "/review reject 42"},
        ],
    });
    for place in [Place::Person, Place::Answer] {
        assert_eq!(one(&m, place)["template_card"], card);
    }
    for place in [Place::AppChat, Place::Robot] {
        let content = one(&m, place)["markdown"]["content"].as_str().unwrap().to_owned();
        assert!(content.contains("▸ 拒绝：发送 send /review reject 42"), "{content}");
        assert!(content.contains("▸ 通过："), "{content}");
    }
    let many = (0..8)
        .map(|i| button(&format!("b{i}"), "a", ButtonStyle::Normal))
        .collect();
    assert_eq!(
        message(&Message::card("t").buttons(many), Place::Person).unwrap().len(),
        2,
        "six to a card"
    );
    let long = Message::card("长文")
        .line("字".repeat(400))
        .buttons(vec![button("好", "ok", ButtonStyle::Normal)]);
    let kinds: Vec<_> = message(&long, Place::Person)
        .unwrap()
        .iter()
        .map(|b| b["msgtype"].clone())
        .collect();
    assert_eq!(kinds, ["markdown", "template_card"]);
    let card = &message(&long, Place::Person).unwrap()[1]["template_card"];
    assert!(card.get("sub_title_text").is_none(), "the words are said once");
    assert_eq!(card["main_title"]["title"], "长文");
    assert!(message(&Message::default(), Place::Answer).is_err());
}

#[test]
fn forms_of_choices_become_cards_and_others_words() {
    let options = vec![("a".to_owned(), "爬山".to_owned()), ("b".to_owned(), "露营".to_owned())];
    let field = |name: &str, kind| Field {
        name: name.into(),
        label: format!("问 {name}"),
        kind,
        required: true,
    };
    let form = |fields| {
        Message::card("团建").block(Block::Form(Form {
            fields,
            submit: button("提交", "vote:7", ButtonStyle::Primary),
        }))
    };
    let vote = one(
        &form(vec![field("q1", FieldKind::MultiSelect(options.clone()))]),
        Place::Person,
    );
    assert_eq!(vote["template_card"]["card_type"], "vote_interaction");
    assert_eq!(vote["template_card"]["checkbox"]["mode"], 1);
    assert_eq!(
        vote["template_card"]["submit_button"],
        json!({"text": "提交", "key": "vote:7"})
    );
    let two = one(
        &form(vec![
            field("q1", FieldKind::Select(options.clone())),
            field("q2", FieldKind::Select(options)),
        ]),
        Place::Answer,
    );
    assert_eq!(two["template_card"]["card_type"], "multiple_interaction");
    assert_eq!(
        two["template_card"]["select_list"][1]["selected_id"], "__none",
        "nothing is chosen for anybody"
    );
    let text = one(
        &form(vec![field(
            "why",
            FieldKind::Text {
                max_chars: 100,
                multiline: false,
            },
        )]),
        Place::Person,
    );
    assert_eq!(text["msgtype"], "markdown");
}

#[test]
fn tables_are_drawn_where_they_can_be() {
    let m = Message::card("周榜").block(Block::Table(Table {
        columns: vec!["姓名".into(), "分".into()],
        rows: vec![vec!["王五".into(), "12".into()]],
    }));
    assert_eq!(
        one(&m, Place::Robot)["markdown_v2"]["content"],
        "### 周榜\n\n| 姓名 | 分 |\n| --- | --- |\n| 王五 | 12 |"
    );
    assert_eq!(
        one(&m, Place::AppChat)["markdown"]["content"],
        "### 周榜\n**姓名 ｜ 分**\n王五 ｜ 12"
    );
    let long = Message::card("榜").block(Block::Table(Table {
        columns: vec!["姓名".into(), "分".into()],
        rows: (0..400).map(|i| vec![format!("成员{i}"), "12".into()]).collect(),
    }));
    let bodies = message(&long, Place::Robot).unwrap();
    assert!(bodies.len() > 1);
    for body in &bodies {
        let content = body["markdown_v2"]["content"].as_str().unwrap();
        assert!(
            content.contains("| 姓名 | 分 |\n| --- | --- |\n"),
            "every part has the head of its table"
        );
        assert!(content.len() <= 4096);
    }
}

#[test]
fn an_updated_card_keeps_or_greys_its_buttons() {
    let live = Message::card("投票")
        .line("3 人")
        .buttons(vec![button("参加", "join", ButtonStyle::Primary)]);
    assert_eq!(card_update(&live)["button_list"][0]["key"], "join");
    assert!(card_update(&live).get("replace_text").is_none());
    let done = card_update(&Message::card("投票").line("已截止"));
    assert_eq!(done["sub_title_text"], "已截止");
    assert_eq!(done["replace_text"], "已处理 Done");
}

#[test]
fn each_door_says_what_it_cannot_do() {
    let settings = hutong_model::Settings::default()
        .with("key", common::secret("K"))
        .with("chat", common::text("ops"));
    let robot = hutong_wecom::WeCom::new(common::build("wecom_webhook", settings)).unwrap();
    let chat = |id: &str| Target::Chat(ChatId::new(id).unwrap());
    let send = |to| Action::Send {
        to,
        content: Message::text("x"),
    };
    let id = || MessageId::new("m").unwrap();
    let impossible = |door: &hutong_wecom::WeCom, action: Action| matches!(door.prepare(&action), Err(RenderError::NotPossible { app_kind, .. }) if app_kind == door.capabilities().kind);
    assert!(robot.prepare(&send(chat("ops"))).is_ok());
    assert!(impossible(&robot, send(chat("other"))));
    assert!(impossible(&robot, send(Target::User(user("zhangsan")))));
    assert!(impossible(&common::bot(), send(chat("wr1"))));
    assert!(impossible(
        &common::app(),
        Action::Disband {
            chat: ChatId::new("c").unwrap()
        }
    ));
    assert!(impossible(&common::app(), Action::Readers { message: id() }));
    assert!(impossible(
        &common::app(),
        Action::UpdateCard {
            card: id(),
            context: None,
            content: Message::text("x")
        }
    ));
    let reply = Action::Reply {
        message: id(),
        chat: ChatRef {
            id: ChatId::new("zhangsan").unwrap(),
            kind: ChatKind::Direct,
            name: None,
        },
        context: None,
        content: Message::text("x"),
    };
    assert!(impossible(&common::bot(), reply.clone()), "an answer needs its address");
    let prepared = common::app().prepare(&reply).unwrap();
    assert_eq!(
        (prepared[0].api.as_str(), prepared[0].to.as_deref()),
        ("message/send", Some("zhangsan"))
    );
    assert!(prepared[0].key_window_ms.is_some());
    assert_eq!(
        common::app().prepare(&send(chat("c1"))).unwrap()[0].key_window_ms,
        None,
        "group posts have no key"
    );
    assert!(
        !prepared[0].request.contains("SECRET"),
        "no secret is stored with a request"
    );
}
