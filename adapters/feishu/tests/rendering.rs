//! What goes out: shapes of requests against the recorded ones, sizes, and above all that no text of
//! a person ever becomes a mention, a link or markup. The reader at the bottom is independent of the
//! renderer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod reader;
mod support;

use std::collections::BTreeSet;

use hutong_model::{
    Action, Adapter as _, Block, Button, ButtonStyle, CalendarEntry, Chart, ChartKind, ChatId, ChatKind, ChatRef,
    Field, FieldKind, Form, Inline, MentionAllPermit, Message, MessageId, Prepared, RenderError, Table, Target,
    Timestamp, UserId,
};
use proptest::prelude::*;
use reader::Active;
use serde_json::{Value, json};
use support::adapter;

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

fn chat() -> ChatId {
    ChatId::new("oc_39927562fa25da07df6771450e18c70e").unwrap()
}

fn send(content: Message) -> Vec<Prepared> {
    adapter()
        .prepare(&Action::Send {
            to: Target::Chat(chat()),
            content,
        })
        .unwrap()
}

fn call(prepared: &Prepared) -> Value {
    serde_json::from_str(&prepared.request).unwrap()
}

/// `msg_type` and the parsed `content` of each part.
fn parts(content: Message) -> Vec<(String, Value)> {
    send(content)
        .iter()
        .map(|prepared| {
            let body = call(prepared)["body"].clone();
            let content = body["content"].as_str().unwrap();
            (
                body["msg_type"].as_str().unwrap().to_owned(),
                serde_json::from_str(content).unwrap(),
            )
        })
        .collect()
}

#[test]
fn a_plain_line_is_a_text_message_and_anything_that_could_be_read_is_a_post() {
    assert_eq!(
        parts(Message::text("你好\n第二行")),
        [("text".to_owned(), json!({ "text": "你好\n第二行" }))]
    );
    let mention = Message::default().paragraph(vec![
        Inline::Text("谢谢 ".into()),
        Inline::Mention {
            user: user("b0b5c21d"),
            name: "李雷</at><at user_id=\"all\">".into(),
        },
    ]);
    assert_eq!(
        parts(mention)[0].1,
        json!({ "text": "谢谢 <at user_id=\"b0b5c21d\"></at>" })
    );
    for risky in [
        "<at user_id=\"all\"></at>",
        "[x](https://evil.example)",
        "@_all",
        "&lt;b&gt;",
        "<b>x</b>",
    ] {
        let (kind, content) = parts(Message::text(risky)).remove(0);
        assert_eq!(kind, "post");
        assert_eq!(
            content["zh_cn"]["content"],
            json!([[{ "tag": "text", "text": risky }]]),
            "as it was typed"
        );
    }
    // Two harmless leaves that together are not.
    let joined = Message::default().paragraph(vec![
        Inline::Text("see [x]".into()),
        Inline::Text("(https://a.b)".into()),
    ]);
    assert_eq!(parts(joined)[0].0, "post");
}

#[test]
fn everyone_is_named_by_a_permit_only() {
    let permitted = Message::default().paragraph(vec![
        Inline::MentionAll(MentionAllPermit::granted_by("ap-1")),
        Inline::Text(" 开会".into()),
    ]);
    assert_eq!(parts(permitted.clone())[0].1["text"], "<at user_id=\"all\"></at> 开会");
    let card = Message {
        card: true,
        ..permitted
    };
    assert_eq!(
        parts(card)[0].1["body"]["elements"][0]["content"],
        "<at id=all></at> 开会"
    );
    // An account that is called like everybody is shown, not pinged.
    let trick = Message::default().paragraph(vec![Inline::Mention {
        user: user("All"),
        name: "x".into(),
    }]);
    assert_eq!(parts(trick)[0].1["text"], "@x");
}

#[test]
fn a_card_has_native_parts_and_its_buttons_say_what_they_were_given() {
    let message = Message::card("本周")
        .line("用户 <at id=all></at>")
        .block(Block::Table(Table {
            columns: vec!["名次".into(), "成员".into()],
            rows: vec![vec!["1".into(), "<at id=all></at>".into()]],
        }))
        .block(Block::Chart(Chart {
            kind: ChartKind::Bar,
            title: "消息".into(),
            categories: vec!["一".into(), "二".into()],
            series: vec![
                ("A".into(), vec![Some(1.0), None]),
                ("B".into(), vec![Some(2.0), Some(3.0)]),
            ],
            unit: "条".into(),
        }))
        .buttons(vec![Button {
            label: "好".into(),
            action: "tok.1".into(),
            style: ButtonStyle::Primary,
        }])
        .block(Block::Form(Form {
            fields: vec![
                Field {
                    name: "q1".into(),
                    label: "评价".into(),
                    kind: FieldKind::Select(vec![("5".into(), "很好".into())]),
                    required: true,
                },
                Field {
                    name: "q2".into(),
                    label: "建议".into(),
                    kind: FieldKind::Text {
                        max_chars: 500,
                        multiline: true,
                    },
                    required: false,
                },
                Field {
                    name: "q3".into(),
                    label: "日期".into(),
                    kind: FieldKind::Date,
                    required: false,
                },
            ],
            submit: Button {
                label: "提交".into(),
                action: "tok.2".into(),
                style: ButtonStyle::Normal,
            },
        }));
    let (kind, card) = parts(message).remove(0);
    assert_eq!(kind, "interactive");
    assert_eq!(card["schema"], "2.0");
    assert_eq!(card["config"]["update_multi"], true);
    let elements = card["body"]["elements"].as_array().unwrap();
    let tags: Vec<&str> = elements.iter().map(|e| e["tag"].as_str().unwrap()).collect();
    assert_eq!(tags, ["div", "table", "chart", "column_set", "form"]);
    assert_eq!(elements[0]["text"]["tag"], "plain_text");
    assert_eq!(elements[1]["columns"][1]["data_type"], "text");
    assert_eq!(
        elements[2]["chart_spec"]["data"]["values"][1],
        json!({ "x": "二", "y": null, "s": "A" })
    );
    let button = &elements[3]["columns"][0]["elements"][0];
    assert_eq!(
        button["behaviors"],
        json!([{ "type": "callback", "value": { "a": "tok.1" } }])
    );
    let form = elements[4]["elements"].as_array().unwrap();
    let names: Vec<&str> = form.iter().filter_map(|e| e["name"].as_str()).collect();
    assert_eq!(names, ["q1", "q2", "q3", "submit_0"]);
    assert_eq!(form.last().unwrap()["form_action_type"], "submit");
}

#[test]
fn a_card_to_one_person_says_so_in_its_buttons_and_keeps_it() {
    let content = Message::card("x").buttons(vec![Button {
        label: "a".into(),
        action: "t".into(),
        style: ButtonStyle::Normal,
    }]);
    let value = |prepared: &Prepared| {
        let body = call(prepared)["body"].clone();
        let card: Value = serde_json::from_str(body["content"].as_str().unwrap()).unwrap();
        card["body"]["elements"][0]["columns"][0]["elements"][0]["behaviors"][0]["value"].clone()
    };
    let private = json!({ "a": "t", "p": 1 });
    let direct = ChatRef {
        id: chat(),
        kind: ChatKind::Direct,
        name: None,
    };
    let card = MessageId::new("om_1").unwrap();
    for action in [
        Action::Send {
            to: Target::User(user("b0b5c21d")),
            content: content.clone(),
        },
        Action::Reply {
            message: card.clone(),
            chat: direct,
            context: None,
            content: content.clone(),
        },
        Action::UpdateCard {
            card: card.clone(),
            context: Some("p".into()),
            content: content.clone(),
        },
    ] {
        assert_eq!(value(&adapter().prepare(&action).unwrap()[0]), private);
    }
    assert_eq!(value(&send(content)[0]), json!({ "a": "t" }));
}

#[test]
fn long_messages_are_divided_below_the_limits_and_lose_nothing() {
    let text = "胡同里的消息 \"引号\" 与 <尖括号>\n".repeat(6_000);
    for message in [Message::text(text.clone()), Message::card("长").line(text.clone())] {
        let card = message.card;
        let prepared = send(message);
        assert!(prepared.len() > 3);
        let mut seen = 0;
        for part in &prepared {
            let body = call(part)["body"].clone();
            let with_key = body.to_string().len() + 50;
            assert!(with_key < 30 * 1024, "{with_key}");
            let content: Value = serde_json::from_str(body["content"].as_str().unwrap()).unwrap();
            // The preview line of a card says some of it a second time.
            let said = if card {
                content["body"].to_string()
            } else {
                content.to_string()
            };
            seen += said.matches("胡同里").count();
            assert!(!card || tags(&content) <= 200);
        }
        assert_eq!(seen, 6_000);
    }
    let many = Message::card("表").block(Block::Table(Table {
        columns: vec!["a".into(), "b".into()],
        rows: (0..2_000).map(|i| vec![i.to_string(), "名字".repeat(8)]).collect(),
    }));
    let mut rows = 0;
    for (_, card) in parts(many) {
        let tables: Vec<&Value> = card["body"]["elements"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|e| e["tag"] == "table")
            .collect();
        assert!(tables.len() <= 5);
        rows += tables
            .iter()
            .map(|t| t["rows"].as_array().unwrap().len())
            .sum::<usize>();
    }
    assert_eq!(rows, 2_000);
    let update = Action::UpdateCard {
        card: MessageId::new("om_1").unwrap(),
        context: None,
        content: Message::card("长").line(text),
    };
    assert!(matches!(adapter().prepare(&update), Err(RenderError::TooLarge { .. })));
}

fn tags(value: &Value) -> usize {
    match value {
        Value::Object(map) => usize::from(map.contains_key("tag")) + map.values().map(tags).sum::<usize>(),
        Value::Array(items) => items.iter().map(tags).sum(),
        _ => 0,
    }
}

#[test]
fn slices_hold_fifty_and_never_two_kinds_of_id() {
    let users: Vec<UserId> = (0..120)
        .map(|i| user(&if i % 3 == 0 { format!("ou_{i}") } else { format!("u{i}") }))
        .collect();
    let prepared = adapter()
        .prepare(&Action::AddMembers {
            chat: chat(),
            users: users.clone(),
        })
        .unwrap();
    let mut seen = BTreeSet::new();
    for part in &prepared {
        let call = call(part);
        let list = call["body"]["id_list"].as_array().unwrap();
        assert!(list.len() <= 50);
        let kind = call["query"][0][1].as_str().unwrap();
        for id in list {
            let id = id.as_str().unwrap();
            assert_eq!(kind, if id.starts_with("ou_") { "open_id" } else { "user_id" });
            seen.insert(id.to_owned());
        }
    }
    assert_eq!(seen.len(), 120);
    assert_eq!(prepared.len(), 3);
}

#[test]
fn keys_and_windows_follow_what_the_platform_honours() {
    let window = |action: &Action| adapter().prepare(action).unwrap()[0].key_window_ms;
    assert_eq!(
        window(&Action::Send {
            to: Target::Chat(chat()),
            content: Message::text("x")
        }),
        Some(3_000_000)
    );
    let urgent = Action::Urgent {
        message: MessageId::new("om_1").unwrap(),
        users: vec![user("u1")],
    };
    assert_eq!(window(&urgent), None, "a second buzz is heard");
    let entry = CalendarEntry {
        title: "分享会".into(),
        description: "<b>x</b>".into(),
        from: Timestamp::from_secs(1_760_090_000),
        to: Timestamp::from_secs(1_760_093_600),
        attendees: vec![user("u1")],
    };
    let prepared = adapter().prepare(&Action::Calendar { entry: entry.clone() }).unwrap();
    let body = call(&prepared[0])["body"].clone();
    assert_eq!(body["description"], "&lt;b&gt;x&lt;/b&gt;");
    assert_eq!(body["start_time"]["timestamp"], "1760090000");
    let backwards = CalendarEntry {
        to: Timestamp(0),
        ..entry
    };
    assert!(adapter().prepare(&Action::Calendar { entry: backwards }).is_err());
    // An id is one path segment, whatever it contains.
    let odd = Action::Recall {
        message: MessageId::new("../../x?y#z%").unwrap(),
    };
    let path = call(&adapter().prepare(&odd).unwrap()[0])["path"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(path, "/open-apis/im/v1/messages/..%2F..%2Fx%3Fy%23z%25");
}

// ---------------------------------------------------------------------------------------------
// No text becomes markup.

fn active(message: Message) -> Active {
    let mut out = Active::default();
    for (kind, content) in parts(message) {
        out.message(&kind, &content);
    }
    out
}

fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("<at user_id=\"all\"></at>".to_owned()),
        Just("<at id=all></at>".to_owned()),
        Just("&#60;at id=all&#62;".to_owned()),
        Just("</at>".to_owned()),
        Just("[x](https://evil.example)".to_owned()),
        Just("](".to_owned()),
        Just("@_all".to_owned()),
        Just("@_user_1".to_owned()),
        Just("**".to_owned()),
        Just("```\n".to_owned()),
        Just("\n# ".to_owned()),
        Just("\n> ".to_owned()),
        Just("<font color='red'>".to_owned()),
        Just("\u{0}\u{7}\r".to_owned()),
        Just("\\".to_owned()),
        "[<>&@_\\[\\]()*`~#|$!:;\"'a-z0-9 \n]{0,12}",
        "[一-龥]{0,4}",
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|p| p.concat())
}

/// Every place where text of a person can stand, each with the next of the texts, and mentions and
/// links of our own beside it.
fn message(texts: &[String], mixed: bool, card: bool) -> Message {
    let mut next = texts.iter().cycle().cloned();
    let mut text = move || next.next().unwrap();
    let title = card.then(&mut text);
    let mut paragraph = || {
        if !mixed {
            return vec![Inline::Text(text()), Inline::Text(text())];
        }
        vec![
            Inline::Text(text()),
            Inline::Mention {
                user: user("u1"),
                name: text(),
            },
            Inline::Text(text()),
            Inline::Link {
                label: text(),
                url: "https://good.example/a(b)".into(),
            },
        ]
    };
    let mut message = Message {
        title,
        blocks: vec![],
        card,
    }
    .paragraph(paragraph())
    .block(Block::Quote(paragraph()))
    .block(Block::List {
        ordered: true,
        items: vec![paragraph()],
    })
    .block(Block::Note(vec![Inline::Text(text())]));
    if card {
        message = message
            .block(Block::Table(Table {
                columns: vec![text()],
                rows: vec![vec![text()]],
            }))
            .block(Block::Image {
                handle: "img_1".into(),
                alt: text(),
            })
            .buttons(vec![Button {
                label: text(),
                action: "a".into(),
                style: ButtonStyle::Danger,
            }])
            .block(Block::Form(Form {
                fields: vec![Field {
                    name: "q".into(),
                    label: text(),
                    kind: FieldKind::MultiSelect(vec![("v".into(), text())]),
                    required: true,
                }],
                submit: Button {
                    label: text(),
                    action: "b".into(),
                    style: ButtonStyle::Normal,
                },
            }));
    }
    message
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, max_shrink_iters: 200, ..ProptestConfig::default() })]

    /// Ten thousand texts, five to a message.
    #[test]
    fn no_text_becomes_a_mention_a_link_or_markup(texts in proptest::collection::vec(nasty(), 5), mixed in any::<bool>(), card in any::<bool>()) {
        let active = active(message(&texts, mixed, card));
        let times = if mixed { 3 } else { 0 };
        prop_assert_eq!(active.mentions, vec!["u1".to_owned(); times]);
        let url = "https://good.example/a%28b%29";
        prop_assert_eq!(active.links, vec![url.to_owned(); times]);
        prop_assert_eq!(active.markup, Vec::<String>::new());
    }
}
