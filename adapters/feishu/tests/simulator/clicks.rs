//! Buttons and forms, there and back.

use std::collections::BTreeMap;
use std::time::Duration;

use hutong_model::{
    Action, Block, Body, Button, ButtonStyle, CardClick, ChatKind, Field, FieldKind, Form, Incoming, Message, Target,
};
use hutong_simkit::{ScreenPart, SimError, Simulator, Verb};
use serde_json::json;

use crate::stage::*;

fn survey() -> Message {
    Message::card("调查")
        .buttons(vec![
            Button {
                label: "好".into(),
                action: "rv.1.ok".into(),
                style: ButtonStyle::Primary,
            },
            Button {
                label: "不".into(),
                action: "rv.1.no".into(),
                style: ButtonStyle::Danger,
            },
        ])
        .block(Block::Form(Form {
            fields: vec![
                Field {
                    name: "score".into(),
                    label: "评价".into(),
                    kind: FieldKind::Select(vec![("5".into(), "很好".into()), ("1".into(), "差".into())]),
                    required: true,
                },
                Field {
                    name: "topics".into(),
                    label: "主题".into(),
                    kind: FieldKind::MultiSelect(vec![("a".into(), "甲".into()), ("b".into(), "乙".into())]),
                    required: false,
                },
                Field {
                    name: "words".into(),
                    label: "建议".into(),
                    kind: FieldKind::Text {
                        max_chars: 10,
                        multiline: true,
                    },
                    required: false,
                },
                Field {
                    name: "day".into(),
                    label: "日期".into(),
                    kind: FieldKind::Date,
                    required: false,
                },
            ],
            submit: Button {
                label: "提交".into(),
                action: "sv.7".into(),
                style: ButtonStyle::Normal,
            },
        }))
}

#[tokio::test]
async fn clicks_and_forms_come_back_and_their_answers_are_shown() {
    let stage = stage().await;
    let chat = stage.group(4).await;
    let card = stage.send(&chat, survey()).await;
    stage.take();
    let screen = stage.sim.screen(chat.as_str(), "u001", 5);
    let parts = &screen.last().unwrap().parts;
    let buttons: Vec<_> = parts
        .iter()
        .filter_map(|p| match p {
            ScreenPart::Buttons { buttons } => Some(buttons.clone()),
            _ => None,
        })
        .flatten()
        .collect();
    assert_eq!(
        buttons
            .iter()
            .map(|b| (b.label.as_str(), b.style.as_str()))
            .collect::<Vec<_>>(),
        [("好", "primary"), ("不", "danger")]
    );
    let Some(ScreenPart::Form { fields, submit }) = parts.iter().find(|p| matches!(p, ScreenPart::Form { .. })) else {
        panic!("{parts:?}")
    };
    let kinds: Vec<(&str, &str)> = fields.iter().map(|f| (f.name.as_str(), f.kind.as_str())).collect();
    assert_eq!(
        kinds,
        [
            ("score", "select"),
            ("topics", "multi_select"),
            ("words", "textarea"),
            ("day", "date")
        ]
    );
    assert_eq!(fields[0].label, "评价 *");

    let press = |person: &str, action: &str, values: BTreeMap<String, Vec<String>>| {
        stage.sim.act(Verb::Click {
            person: person.into(),
            message: card.as_str().into(),
            action: action.into(),
            values,
        })
    };
    let click = |incoming: &Incoming| -> CardClick {
        match &incoming.body {
            Body::Click(click) => (**click).clone(),
            other => panic!("{other:?}"),
        }
    };
    let done = press("u001", &buttons[0].action, BTreeMap::new()).await.unwrap();
    assert_eq!(done.callbacks_ok, 1);
    let heard = click(&stage.take()[0]);
    assert_eq!((heard.action.as_str(), heard.user.as_str()), ("rv.1.ok", "u001"));
    assert_eq!(heard.card, Some(card.clone()));
    assert_eq!(heard.chat.unwrap().id, chat);

    let values = |list: &[(&str, &[&str])]| -> BTreeMap<String, Vec<String>> {
        list.iter()
            .map(|(k, v)| ((*k).to_owned(), v.iter().map(|v| (*v).to_owned()).collect()))
            .collect()
    };
    for bad in [
        values(&[]),
        values(&[("score", &["9"])]),
        values(&[("score", &["5"]), ("words", &["12345678901"])]),
        values(&[("score", &["5"]), ("x", &["1"])]),
    ] {
        assert!(matches!(
            press("u001", &submit.action, bad).await,
            Err(SimError::Refused(_))
        ));
    }
    let good = values(&[
        ("score", &["5"]),
        ("topics", &["a", "b"]),
        ("words", &["很好"]),
        ("day", &["2026-12-01"]),
    ]);
    press("u002", &submit.action, good.clone()).await.unwrap();
    let heard = click(&stage.take()[0]);
    assert_eq!((heard.action.as_str(), heard.values), ("sv.7", good));

    // Outsiders cannot press, and unknown buttons are not there.
    assert!(press("u099", &buttons[0].action, BTreeMap::new()).await.is_err());
    assert!(matches!(
        press("u001", "{}", BTreeMap::new()).await,
        Err(SimError::NotFound(_))
    ));
    stage.no_complaints();

    let new = json!({ "schema": "2.0", "config": { "update_multi": true }, "body": { "elements": [
        { "tag": "markdown", "content": "**谢谢** &#60;b&#62;" } ] } });
    *stage.bot().heard.body.lock().unwrap() =
        json!({ "toast": { "type": "success", "content": "已收到" }, "card": { "type": "raw", "data": new } })
            .to_string();
    press("u001", &buttons[1].action, BTreeMap::new()).await.unwrap();
    let seen = |viewer: &str| shown(&stage.sim.screen(chat.as_str(), viewer, 5).last().unwrap().parts);
    assert_eq!(seen("u001"), "谢谢 <b>\n(已收到)");
    assert_eq!(seen("u002"), "谢谢 <b>\n", "a toast is seen by who pressed");
    stage.no_complaints();
}

#[tokio::test]
async fn a_bad_answer_to_a_click_is_a_complaint_and_is_not_repeated() {
    let stage = stage().await;
    let card = stage
        .sent(Action::Send {
            to: Target::User(user("u001")),
            content: survey(),
        })
        .await
        .message
        .unwrap();
    stage.take();
    let action = json!({ "a": "rv.1.ok", "p": 1 }).to_string();
    for (body, code) in [
        ("[]", "200672"),
        (r#"{"toast":{"type":"ok","content":"x"}}"#, "200672"),
        (r#"{"card":{"type":"raw","data":{}}}"#, "200673"),
    ] {
        *stage.bot().heard.body.lock().unwrap() = body.to_owned();
        let verb = Verb::Click {
            person: "u001".into(),
            message: card.as_str().into(),
            action: action.clone(),
            values: BTreeMap::new(),
        };
        let done = stage.sim.act(verb).await.unwrap();
        assert_eq!((done.callbacks_ok, done.callbacks_failed), (0, 1));
        assert!(
            stage.sim.complaints().last().unwrap().contains(code),
            "{:?}",
            stage.sim.complaints()
        );
        let heard = stage.take();
        let Body::Click(click) = &heard[0].body else { panic!() };
        assert_eq!(
            click.chat.as_ref().unwrap().kind,
            ChatKind::Direct,
            "the card says that it was private"
        );
    }
    stage.clock.advance(Duration::from_secs(24 * 3600));
    assert_eq!(stage.sim.repeat_due().await, 0);
}
