//! Cards against the recorded ones: the same tags with the same members, each of the same kind. The
//! recorded cards passed an independent check of schema 2.0; what ours have beyond them is named here
//! with its source.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use hutong_model::{
    Action, Adapter as _, Block, Button, ButtonStyle, Chart, ChartKind, ChatId, Field, FieldKind, Form, Inline,
    Message, Table, Target, UserId,
};
use serde_json::Value;
use support::adapter;

/// What a member holds.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "text",
        Value::Number(_) => "number",
        Value::Bool(_) => "bool",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
        Value::Null => "null",
    }
}

type Shapes = BTreeMap<String, BTreeSet<(String, &'static str)>>;

/// Members by tag. What a button's value, a chart's data and a table's rows hold is ours to choose.
fn shapes(value: &Value, out: &mut Shapes) {
    match value {
        Value::Object(map) => {
            if let Some(tag) = map.get("tag").and_then(Value::as_str) {
                let known = out.entry(tag.to_owned()).or_default();
                known.extend(map.iter().map(|(k, v)| (k.clone(), kind(v))));
            }
            for (key, value) in map {
                match key.as_str() {
                    "value" | "rows" | "data" => {}
                    "chart_spec" => {
                        let name = format!("chart {}", value["type"].as_str().unwrap_or_default());
                        let members = value.as_object().unwrap().iter().map(|(k, v)| (k.clone(), kind(v)));
                        out.entry(name).or_default().extend(members);
                    }
                    "columns" if map.get("tag").is_some_and(|t| t == "table") => {
                        for column in value.as_array().unwrap() {
                            let members = column.as_object().unwrap().iter().map(|(k, v)| (k.clone(), kind(v)));
                            out.entry("table column".to_owned()).or_default().extend(members);
                        }
                    }
                    _ => shapes(value, out),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|v| shapes(v, out)),
        _ => {}
    }
}

fn recorded() -> (Shapes, BTreeMap<String, Value>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/cards");
    let (mut all, mut cards) = (Shapes::new(), BTreeMap::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let card: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        shapes(&card, &mut all);
        cards.insert(path.file_stem().unwrap().to_str().unwrap().to_owned(), card);
    }
    assert!(cards.len() >= 9);
    (all, cards)
}

/// Members that none of the recorded cards has.
const MORE: [(&str, &str, &str); 9] = [
    // feishu.md 6.1 names these.
    ("img", "img_key", "text"),
    ("img", "alt", "object"),
    ("input", "required", "bool"),
    ("multi_select_static", "required", "bool"),
    ("date_picker", "required", "bool"),
    // The official pages of plain text and Markdown components in schema 2.0.
    ("plain_text", "text_size", "text"),
    ("plain_text", "text_color", "text"),
    ("markdown", "text_size", "text"),
    // VChart: groups are two fields of the axis.
    ("chart bar", "xField", "list"),
];

fn card(message: Message) -> Value {
    let action = Action::Send {
        to: Target::Chat(ChatId::new("oc_1").unwrap()),
        content: message,
    };
    let prepared = adapter().prepare(&action).unwrap();
    assert_eq!(prepared.len(), 1);
    let request: Value = serde_json::from_str(&prepared[0].request).unwrap();
    serde_json::from_str(request["body"]["content"].as_str().unwrap()).unwrap()
}

fn button(label: &str, style: ButtonStyle) -> Button {
    Button {
        label: label.into(),
        action: "a".into(),
        style,
    }
}

fn chart(kind: ChartKind, series: &[(&str, &[f64])], categories: &[&str]) -> Block {
    Block::Chart(Chart {
        kind,
        title: "每日消息数".into(),
        categories: categories.iter().map(|c| (*c).to_owned()).collect(),
        series: series
            .iter()
            .map(|(name, values)| ((*name).to_owned(), values.iter().map(|v| Some(*v)).collect()))
            .collect(),
        unit: String::new(),
    })
}

fn everything() -> Message {
    let choices = || vec![("5".to_owned(), "很好".to_owned()), ("3".to_owned(), "一般".to_owned())];
    let field = |name: &str, kind, required| Field {
        name: name.into(),
        label: name.into(),
        kind,
        required,
    };
    let mention = Inline::Mention {
        user: UserId::new("ou_9f9d51bc70ef21ca5c14f307980a29d8").unwrap(),
        name: "李雷".into(),
    };
    Message::card("一切")
        .line("文字")
        .paragraph(vec![mention, Inline::Strong("请处理".into())])
        .block(Block::Quote(vec![Inline::Text("原话".into())]))
        .block(Block::List {
            ordered: true,
            items: vec![vec![Inline::Text("一".into())]],
        })
        .block(Block::Divider)
        .block(Block::Image {
            handle: "img_1".into(),
            alt: "图".into(),
        })
        .block(Block::Table(Table {
            columns: vec!["名次".into(), "成员".into(), "积分".into()],
            rows: vec![vec!["1".into(), "李雷".into(), "120".into()]],
        }))
        .block(chart(ChartKind::Bar, &[("消息", &[120.0, 98.0])], &["周一", "周二"]))
        .block(chart(ChartKind::Bar, &[("消息", &[1.0]), ("成员", &[2.0])], &["周一"]))
        .block(chart(
            ChartKind::Line,
            &[("消息", &[10.0, 12.0]), ("成员", &[3.0, 5.0])],
            &["09-01", "09-02"],
        ))
        .block(chart(ChartKind::Pie, &[("类", &[40.0, 25.0])], &["提问", "分享"]))
        .buttons(vec![
            button("通过", ButtonStyle::Primary),
            button("拒绝", ButtonStyle::Danger),
            button("再看", ButtonStyle::Normal),
        ])
        .block(Block::Form(Form {
            fields: vec![
                field("q1", FieldKind::Select(choices()), true),
                field("q2", FieldKind::MultiSelect(choices()), false),
                field("q3", FieldKind::Date, false),
                field(
                    "q4",
                    FieldKind::Text {
                        max_chars: 500,
                        multiline: true,
                    },
                    false,
                ),
                field(
                    "q5",
                    FieldKind::Text {
                        max_chars: 50,
                        multiline: false,
                    },
                    true,
                ),
            ],
            submit: button("提交", ButtonStyle::Primary),
        }))
        .note("小字")
        .block(Block::Note(vec![Inline::Strong("小字".into())]))
}

#[test]
fn every_part_of_our_cards_has_the_shape_of_the_recorded_ones() {
    let (known, _) = recorded();
    let card = card(everything());
    assert_eq!(card["schema"], "2.0");
    assert_eq!(card["config"]["update_multi"], true);
    let mut ours = Shapes::new();
    shapes(&card, &mut ours);
    let expected_tags = [
        "button",
        "chart",
        "chart bar",
        "chart line",
        "chart pie",
        "column",
        "column_set",
        "date_picker",
        "div",
        "form",
        "hr",
        "img",
        "input",
        "markdown",
        "multi_select_static",
        "plain_text",
        "select_static",
        "table",
        "table column",
    ];
    assert_eq!(ours.keys().map(String::as_str).collect::<Vec<_>>(), expected_tags);
    let mut more = BTreeSet::new();
    for (tag, members) in &ours {
        let empty = BTreeSet::new();
        for (member, kind) in members {
            let known = known.get(tag).unwrap_or(&empty).contains(&(member.clone(), *kind));
            if !known && member != "tag" {
                let named = MORE.contains(&(tag, member, kind));
                // Members of charts are compared across the kinds of charts: legends, labels, titles.
                let in_a_chart = tag.starts_with("chart ") && known_in_any_chart(member, kind);
                assert!(named || in_a_chart, "{tag}.{member} ({kind}) is in no recorded card");
                more.insert((tag.clone(), member.clone()));
            }
        }
    }
    // Nothing stands in the list of additions that is not used.
    for (tag, member, _) in MORE {
        assert!(more.contains(&(tag.to_owned(), member.to_owned())), "{tag}.{member}");
    }
}

fn known_in_any_chart(member: &str, kind: &str) -> bool {
    let (known, _) = recorded();
    known
        .iter()
        .filter(|(tag, _)| tag.starts_with("chart "))
        .any(|(_, members)| members.iter().any(|(m, k)| m == member && *k == kind))
}

/// The same leaderboard, survey and figures as in the records: what is drawn says the same.
#[test]
fn the_recorded_cards_can_be_said_in_our_words() {
    let (_, cards) = recorded();
    let element = |card: &Value, tag: &str| {
        card["body"]["elements"]
            .as_array()
            .unwrap()
            .iter()
            .find(|e| e["tag"] == tag)
            .cloned()
            .unwrap()
    };
    let ours = card(everything());
    // Bar and pie: the fields that say what is drawn along which axis.
    let charts: Vec<Value> = ours["body"]["elements"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|e| e["tag"] == "chart")
        .map(|e| e["chart_spec"].clone())
        .collect();
    let theirs = element(&cards["chart_bar_weekly"], "chart")["chart_spec"].clone();
    assert_eq!(charts[0]["title"], theirs["title"]);
    let first = &charts[0]["data"]["values"][0];
    let (x, y) = (
        charts[0]["xField"].as_str().unwrap(),
        charts[0]["yField"].as_str().unwrap(),
    );
    let recorded = &theirs["data"]["values"][0];
    assert_eq!(first[x], recorded[theirs["xField"].as_str().unwrap()]);
    assert_eq!(first[y].as_f64(), recorded[theirs["yField"].as_str().unwrap()].as_f64());
    // One line per series, told apart by the series field.
    let line = &charts[2];
    let names: BTreeSet<&str> = line["data"]["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v[line["seriesField"].as_str().unwrap()].as_str().unwrap())
        .collect();
    assert_eq!(names, BTreeSet::from(["消息", "成员"]));
    let pie = &charts[3];
    let first = &pie["data"]["values"][0];
    assert_eq!(first[pie["categoryField"].as_str().unwrap()], "提问");
    assert_eq!(first[pie["valueField"].as_str().unwrap()], 40.0);
    // The table's rows name its columns, as in the record.
    for table in [element(&ours, "table"), element(&cards["table_leaderboard"], "table")] {
        let columns: BTreeSet<&str> = table["columns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["name"].as_str().unwrap())
            .collect();
        for row in table["rows"].as_array().unwrap() {
            assert!(row.as_object().unwrap().keys().all(|k| columns.contains(k.as_str())));
        }
    }
    // A form's fields have names, its button submits.
    for form in [element(&ours, "form"), element(&cards["form_survey"], "form")] {
        let text = form.to_string();
        assert!(text.contains("\"form_action_type\":\"submit\""));
        assert!(text.contains("\"tag\":\"select_static\"") && text.contains("\"tag\":\"date_picker\""));
    }
}

#[test]
fn the_text_twin_says_what_the_card_says() {
    let card = card(
        Message::card("公告：国庆值班")
            .line("请在 <9 月 30 日> 前确认 @陈晨")
            .note("小字"),
    );
    let twin = card["config"]["summary"]["content"].as_str().unwrap();
    assert_eq!(twin, "【公告：国庆值班】 请在 ＜9 月 30 日＞ 前确认 ＠陈晨 小字");
}
