//! The corpus of hostile texts through every place where a text of a person can stand: nothing in it
//! becomes a mention, a link or markup. Judged by the reader, which knows nothing of the renderer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod reader;
mod support;

use std::path::Path;

use hutong_model::{
    Action, Adapter as _, Block, Button, ButtonStyle, CalendarEntry, Chart, ChartKind, ChatId, ChatKind, ChatRef,
    Field, FieldKind, Form, Inline, MentionAllPermit, Message, MessageId, Prepared, Table, Target, Timestamp, UserId,
};
use reader::Active;
use serde_json::{Value, json};
use support::adapter;

fn texts() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/hostile/texts.txt");
    let texts: Vec<String> = std::fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(texts.len() >= 300);
    texts
}

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

fn call(prepared: &Prepared) -> Value {
    serde_json::from_str(&prepared.request).unwrap()
}

fn button(label: &str) -> Button {
    Button {
        label: label.into(),
        action: "a".into(),
        style: ButtonStyle::Normal,
    }
}

/// One message per place, named.
fn places(text: &str) -> Vec<(&'static str, Message)> {
    let t = || text.to_owned();
    let plain = || vec![Inline::Text(t())];
    // In markdown, because of the mention beside it.
    let mixed = || vec![Inline::Text(t()), ours(), Inline::Text(t())];
    let field = |name: &str, kind| Field {
        name: name.into(),
        label: t(),
        kind,
        required: true,
    };
    let choices = || vec![("v".to_owned(), t())];
    let text_field = FieldKind::Text {
        max_chars: 100,
        multiline: true,
    };
    let form = Form {
        fields: vec![
            field("a", text_field),
            field("b", FieldKind::Select(choices())),
            field("c", FieldKind::MultiSelect(choices())),
            field("d", FieldKind::Date),
        ],
        submit: button(text),
    };
    let chart = |kind| {
        Block::Chart(Chart {
            kind,
            title: t(),
            categories: vec![t(), "二".into()],
            series: vec![(t(), vec![Some(1.0), None])],
            unit: t(),
        })
    };
    let titled = |content: Message| Message {
        title: Some(t()),
        ..content
    };
    let beside = |inline: Inline, card: bool| Message {
        card,
        ..Message::default().paragraph(vec![Inline::Text("谢谢 ".into()), inline])
    };
    let parts = Message::card("卡片")
        .block(Block::Image {
            handle: "img_1".into(),
            alt: t(),
        })
        .block(Block::Table(Table {
            columns: vec![t()],
            rows: vec![vec![t()]],
        }))
        .block(Block::Buttons(vec![button(text)]))
        .block(chart(ChartKind::Bar))
        .block(chart(ChartKind::Line))
        .block(chart(ChartKind::Pie))
        .block(Block::Form(form));
    let mut out = vec![
        ("text", Message::text(t())),
        (
            "text of two leaves",
            Message::default().paragraph(vec![Inline::Text(t()), Inline::Text(t())]),
        ),
        ("title of a post", titled(Message::text("x"))),
        ("title of a card", titled(Message::card("").line("x"))),
        ("mention's name", beside(named(text), false)),
        ("mention's name in a card", beside(named(text), true)),
        ("name of a person called all", beside(nobody(text), false)),
        ("name of a person called all, in a card", beside(nobody(text), true)),
        ("parts of a card", parts),
    ];
    let permit = || Inline::MentionAll(MentionAllPermit::granted_by("ap"));
    for card in [false, true] {
        for inlines in [plain(), mixed(), vec![Inline::Text(t()), permit()]] {
            let paragraph = Message {
                card,
                ..Message::default().paragraph(inlines.clone())
            };
            let all = paragraph
                .clone()
                .block(Block::Quote(inlines.clone()))
                .block(Block::Note(inlines.clone()))
                .block(Block::List {
                    ordered: false,
                    items: vec![inlines.clone(), inlines.clone()],
                })
                .block(Block::List {
                    ordered: true,
                    items: vec![inlines],
                });
            out.push(("paragraph", paragraph));
            out.push(("every kind of paragraph", all));
        }
    }
    out
}

fn ours() -> Inline {
    Inline::Mention {
        user: user("u1"),
        name: "陈晨".into(),
    }
}

fn named(name: &str) -> Inline {
    Inline::Mention {
        user: user("u1"),
        name: name.into(),
    }
}

/// An id that the platform would read as everybody.
fn nobody(name: &str) -> Inline {
    Inline::Mention {
        user: user("ALL"),
        name: name.into(),
    }
}

/// Mentions of ours in a message.
fn wanted(message: &Message) -> Vec<String> {
    let mut out = Vec::new();
    let mut take = |inlines: &[Inline]| {
        for inline in inlines {
            match inline {
                Inline::Mention { user, .. } if !user.as_str().eq_ignore_ascii_case("all") => {
                    out.push(user.as_str().to_owned());
                }
                Inline::MentionAll(_) => out.push("all".to_owned()),
                _ => {}
            }
        }
    };
    for block in &message.blocks {
        match block {
            Block::Paragraph(i) | Block::Quote(i) | Block::Note(i) => take(i),
            Block::List { items, .. } => items.iter().for_each(|i| take(i)),
            _ => {}
        }
    }
    out
}

fn sent(message: &Message) -> Vec<(String, Value)> {
    let to_chat = Action::Send {
        to: Target::Chat(ChatId::new("oc_1").unwrap()),
        content: message.clone(),
    };
    let parts = adapter().prepare(&to_chat).unwrap();
    let content = |prepared: &Prepared| {
        let body = call(prepared)["body"].clone();
        // The key is added as one more member; with it the body stays below the platform's limit.
        assert!(body.to_string().len() + 60 < 30 * 1024);
        let content = serde_json::from_str(body["content"].as_str().unwrap()).unwrap();
        (body["msg_type"].as_str().unwrap().to_owned(), content)
    };
    parts.iter().map(content).collect()
}

#[test]
fn no_text_becomes_a_mention_a_link_or_markup_anywhere() {
    let (mut checked, mut wrong) = (0, Vec::new());
    for text in texts() {
        for (place, message) in places(&text) {
            let mut active = Active::default();
            for (kind, content) in sent(&message) {
                active.message(&kind, &content);
            }
            let expected = Active {
                mentions: wanted(&message),
                ..Active::default()
            };
            if active != expected {
                wrong.push(format!("{place}: {text:.80?}: {active:.200?}"));
            }
            checked += 1;
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {checked}:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(20)].join("\n")
    );
    assert!(checked > 12_000, "{checked}");
}

#[test]
fn strong_text_and_the_label_of_our_own_link_hold_nothing_else() {
    for text in texts().into_iter().filter(|t| !t.trim().is_empty()) {
        for card in [false, true] {
            let inlines = vec![
                Inline::Strong(text.clone()),
                Inline::Text(" ".into()),
                Inline::Link {
                    label: text.clone(),
                    url: "https://good.example/a(b)".into(),
                },
            ];
            let message = Message {
                card,
                ..Message::default().paragraph(inlines)
            };
            let mut active = Active::default();
            for (kind, content) in sent(&message) {
                active.message(&kind, &content);
            }
            assert_eq!(active.mentions, Vec::<String>::new(), "{text:?}");
            assert_eq!(active.links, ["https://good.example/a%28b%29"], "{text:?}");
            // Ours: the two stars on each side of every piece of strong text.
            assert!(
                active.markup.len() % 2 == 0 && active.markup.iter().all(|m| m == "strong"),
                "{text:?}"
            );
        }
    }
}

#[test]
fn addresses_of_links_stay_addresses() {
    // Even where an admin pastes one of these as an address it is a web address, or no link at all.
    for text in texts() {
        for card in [false, true] {
            let inlines = vec![Inline::Link {
                label: "看".into(),
                url: text.clone(),
            }];
            let message = Message {
                card,
                ..Message::default().paragraph(inlines)
            };
            let mut active = Active::default();
            for (kind, content) in sent(&message) {
                active.message(&kind, &content);
            }
            assert_eq!(active.mentions, Vec::<String>::new(), "{text:?}");
            assert_eq!(active.markup, Vec::<String>::new(), "{text:?}");
            assert!(active.links.len() <= 1, "{text:?}: {:?}", active.links);
            for link in &active.links {
                let url = url::Url::parse(link).unwrap();
                assert!(matches!(url.scheme(), "http" | "https"), "{text:?}");
            }
        }
    }
}

#[test]
fn names_of_groups_and_calendar_entries() {
    let chat = ChatId::new("oc_1").unwrap();
    for text in texts() {
        let actions = [
            Action::CreateChat {
                name: text.clone(),
                owner: user("u1"),
                members: vec![],
                description: Some(text.clone()),
            },
            Action::RenameChat {
                chat: chat.clone(),
                name: text.clone(),
            },
        ];
        for action in actions {
            let request = call(&adapter().prepare(&action).unwrap()[0]);
            // Plain members of a JSON body: nothing is interpreted, nothing else is there.
            let body = request["body"].as_object().unwrap();
            assert!(body.keys().all(|k| {
                [
                    "name",
                    "description",
                    "owner_id",
                    "user_id_list",
                    "chat_mode",
                    "chat_type",
                ]
                .contains(&k.as_str())
            }));
            assert!(!body["name"].as_str().unwrap().contains('\u{202e}'));
        }
        let entry = CalendarEntry {
            title: text.clone(),
            description: text.clone(),
            from: Timestamp::from_secs(1_760_090_000),
            to: Timestamp::from_secs(1_760_093_600),
            attendees: vec![],
        };
        let request = call(&adapter().prepare(&Action::Calendar { entry }).unwrap()[0]);
        let mut active = Active::default();
        active.html(request["body"]["description"].as_str().unwrap());
        assert_eq!(active, Active::default(), "{text:?}");
    }
}

#[test]
fn replies_and_updates_are_as_clean_as_messages() {
    let (message, chat) = (MessageId::new("om_1").unwrap(), ChatId::new("oc_1").unwrap());
    for text in texts() {
        let content = Message::card(text.clone()).line(text.clone()).note(text.clone());
        let reply = Action::Reply {
            message: message.clone(),
            chat: ChatRef {
                id: chat.clone(),
                kind: ChatKind::Group,
                name: None,
            },
            context: None,
            content: content.clone(),
        };
        let update = Action::UpdateCard {
            card: message.clone(),
            context: None,
            content,
        };
        let edit = Action::UpdateCard {
            card: message.clone(),
            context: None,
            content: Message::text(text.clone()),
        };
        for action in [reply, update, edit] {
            for prepared in adapter().prepare(&action).unwrap() {
                let request = call(&prepared);
                let content: Value = serde_json::from_str(request["body"]["content"].as_str().unwrap()).unwrap();
                let kind = request["body"]["msg_type"].as_str().unwrap_or("interactive");
                let mut active = Active::default();
                active.message(kind, &content);
                assert_eq!(active, Active::default(), "{text:?}");
                // The card that takes the place of an edited text when that was a card.
                if let Some(card) = request["then"]["card"].as_str() {
                    let mut active = Active::default();
                    active.message("interactive", &serde_json::from_str(card).unwrap());
                    assert_eq!(active, Active::default(), "{text:?}");
                }
            }
        }
    }
}

/// The reader must see what it is there to see: a blind one would find every renderer clean.
#[test]
fn the_reader_is_not_blind() {
    let text = |source: &str| {
        let mut active = Active::default();
        active.text(source);
        (active.mentions.len(), active.links.len(), active.markup.len())
    };
    assert_eq!(text("<at user_id=\"all\"></at>"), (1, 0, 0));
    assert_eq!(text("<AT  Id = 'ou_1' >x</at>"), (1, 0, 0));
    assert_eq!(text("@_all @_user_12"), (2, 0, 0));
    assert_eq!(text("[x](https://evil.example)"), (0, 1, 0));
    assert_eq!(text("<a href='https://evil.example'>x</a>").1, 1);
    assert_eq!(text("<b>x</b>"), (0, 0, 2));
    assert_eq!(text("a_b (c) [d] 1.2 @all"), (0, 0, 0));
    let markdown = |source: &str| {
        let mut active = Active::default();
        active.markdown(source);
        (active.mentions.len(), active.links.len(), active.markup.len())
    };
    assert_eq!(markdown("<at ids=ou_1,ou_2></at>"), (2, 0, 0));
    assert_eq!(markdown("**x**"), (0, 0, 2));
    assert_eq!(markdown("a\n# x"), (0, 0, 1));
    assert_eq!(markdown("see https://evil.example").1, 1);
    assert_eq!(markdown("&#60;at id&#61;all&#62; &amp;lt;"), (0, 0, 0));
    assert_eq!(markdown("`x` ~~y~~ <font color='red'>"), (0, 0, 7));
    let mut active = Active::default();
    let column = json!({ "name": "c", "data_type": "markdown" });
    active.card(&json!({ "tag": "table", "columns": [column], "rows": [{ "c": "<at id=all></at>" }] }));
    assert_eq!(active.mentions, ["all"]);
    // Most of the corpus is active somewhere when nothing is done about it.
    let raw = texts()
        .iter()
        .filter(|t| text(t) != (0, 0, 0) || markdown(t) != (0, 0, 0))
        .count();
    assert!(raw > 300, "{raw}");
}
