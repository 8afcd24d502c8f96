//! What people see of what was really sent: the documented dialects, read by their own small reader.

use std::collections::BTreeMap;

use hutong_simkit::{ScreenButton, ScreenField, ScreenPart};
use serde_json::Value;

/// Names by user id, lower case.
pub type Names = BTreeMap<String, String>;

/// What can be mentioned and drawn at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Plain text; anchors and `<@id>` per flag.
    Text {
        anchors: bool,
        mentions: bool,
    },
    Markdown {
        mentions: bool,
    },
    MarkdownV2,
}

/// Characters that nobody sees.
fn visible(text: &str) -> String {
    text.chars()
        .filter(|c| !matches!(c, '\u{200b}'..='\u{200d}' | '\u{feff}'))
        .collect()
}

fn mention(id: &str, names: &Names) -> ScreenPart {
    let everyone = id == "all";
    ScreenPart::Mention {
        user: if everyone { String::new() } else { id.to_owned() },
        name: if everyone {
            "所有人".to_owned()
        } else {
            names.get(&id.to_lowercase()).cloned().unwrap_or_else(|| id.to_owned())
        },
        everyone,
    }
}

/// Text or markdown as parts.
pub fn content(text: &str, dialect: Dialect, names: &Names) -> Vec<ScreenPart> {
    let text = visible(text);
    let mut out = Vec::new();
    if let Dialect::Text { anchors, mentions } = dialect {
        for (i, line) in text.split('\n').enumerate() {
            if i > 0 {
                out.push(ScreenPart::Break);
            }
            inline(
                line,
                &Inlines {
                    anchors,
                    mentions,
                    ..Inlines::default()
                },
                names,
                &mut out,
            );
        }
        return out;
    }
    let v2 = dialect == Dialect::MarkdownV2;
    let rules = Inlines {
        mentions: matches!(dialect, Dialect::Markdown { mentions: true }),
        markdown: true,
        fonts: !v2,
        anchors: false,
    };
    let lines: Vec<&str> = text.split('\n').collect();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        at += 1;
        if let Some(rest) = line.strip_prefix("> ") {
            out.push(ScreenPart::Quote {
                text: words(rest, &rules, names),
            });
        } else if line.starts_with('#') && line.trim_start_matches('#').starts_with(' ') {
            let title = line.trim_start_matches('#').trim();
            out.push(ScreenPart::Title {
                text: words(title, &rules, names),
                color: "blue".into(),
            });
        } else if v2 && line.trim() == "---" {
            out.push(ScreenPart::Divider);
        } else if v2 && line.starts_with('|') && lines.get(at).is_some_and(|l| is_rule(l)) {
            let columns = cells(line, &rules, names);
            at += 1;
            let mut rows = Vec::new();
            while let Some(row) = lines.get(at).filter(|l| l.starts_with('|')) {
                rows.push(cells(row, &rules, names));
                at += 1;
            }
            out.push(ScreenPart::Table { columns, rows });
        } else if let (true, Some(rest)) = (v2, line.strip_prefix("- ")) {
            out.push(ScreenPart::ListItem {
                ordered: false,
                number: 0,
                text: words(rest, &rules, names),
            });
        } else if let (true, Some((number, rest))) = (v2, numbered(line)) {
            out.push(ScreenPart::ListItem {
                ordered: true,
                number,
                text: words(rest, &rules, names),
            });
        } else {
            let note = line
                .strip_prefix("<font color=\"comment\">")
                .and_then(|l| l.strip_suffix("</font>"))
                .filter(|_| !v2);
            match note {
                Some(note) => out.push(ScreenPart::Note {
                    text: words(note, &Inlines { fonts: true, ..rules }, names),
                }),
                None => {
                    inline(line, &rules, names, &mut out);
                    if at < lines.len() {
                        out.push(ScreenPart::Break);
                    }
                }
            }
        }
    }
    out
}

fn is_rule(line: &str) -> bool {
    line.starts_with('|') && line.contains('-') && line.chars().all(|c| matches!(c, '|' | '-' | ':' | ' '))
}

fn cells(line: &str, rules: &Inlines, names: &Names) -> Vec<String> {
    line.trim()
        .trim_matches('|')
        .split('|')
        .map(|cell| words(cell.trim(), rules, names))
        .collect()
}

fn numbered(line: &str) -> Option<(u32, &str)> {
    let (number, rest) = line.split_once(". ")?;
    Some((number.parse().ok()?, rest))
}

#[derive(Debug, Clone, Copy, Default)]
struct Inlines {
    markdown: bool,
    mentions: bool,
    anchors: bool,
    fonts: bool,
}

fn words(text: &str, rules: &Inlines, names: &Names) -> String {
    let mut parts = Vec::new();
    inline(text, rules, names, &mut parts);
    plain(&parts)
}

fn inline(line: &str, rules: &Inlines, names: &Names, out: &mut Vec<ScreenPart>) {
    let mut text = String::new();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let found = special(rest, rules, names);
        if let Some((parts, used)) = found {
            if !text.is_empty() {
                out.push(ScreenPart::Text {
                    text: std::mem::take(&mut text),
                });
            }
            out.extend(parts);
            rest = &rest[used..];
        } else {
            text.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    if !text.is_empty() {
        out.push(ScreenPart::Text { text });
    }
}

fn special(rest: &str, rules: &Inlines, names: &Names) -> Option<(Vec<ScreenPart>, usize)> {
    if rules.mentions
        && let Some(inner) = rest.strip_prefix("<@")
    {
        let end = inner.find('>')?;
        return Some((vec![mention(&inner[..end], names)], end + 3));
    }
    if rules.anchors
        && let Some(inner) = rest.strip_prefix("<a href=\"")
    {
        let end = inner.find("\">")?;
        let after = &inner[end + 2..];
        let close = after.find("</a>")?;
        let link = ScreenPart::Link {
            label: after[..close].to_owned(),
            url: inner[..end].to_owned(),
        };
        return Some((vec![link], 9 + end + 2 + close + 4));
    }
    if !rules.markdown {
        return None;
    }
    if rules.fonts && rest.starts_with("<font ") {
        let end = rest.find('>')?;
        return Some((vec![], end + 1));
    }
    if rules.fonts && rest.starts_with("</font>") {
        return Some((vec![], 7));
    }
    if let Some(inner) = rest.strip_prefix("**") {
        let end = inner.find("**").filter(|n| *n > 0)?;
        return Some((
            vec![ScreenPart::Strong {
                text: inner[..end].to_owned(),
            }],
            end + 4,
        ));
    }
    if let Some(inner) = rest.strip_prefix('[') {
        let middle = inner.find("](")?;
        let end = inner[middle..].find(')')? + middle;
        let link = ScreenPart::Link {
            label: inner[..middle].to_owned(),
            url: inner[middle + 2..end].to_owned(),
        };
        return Some((vec![link], end + 2));
    }
    None
}

/// Mentions that come in a list beside the text.
pub fn mentioned(list: &Value, names: &Names) -> Vec<ScreenPart> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(|id| mention(if id == "@all" { "all" } else { id }, names))
        .collect()
}

/// The words of parts, for quotes.
pub fn plain(parts: &[ScreenPart]) -> String {
    let mut out = String::new();
    for part in parts {
        match part {
            ScreenPart::Text { text }
            | ScreenPart::Strong { text }
            | ScreenPart::Title { text, .. }
            | ScreenPart::Quote { text }
            | ScreenPart::Note { text }
            | ScreenPart::ListItem { text, .. }
            | ScreenPart::Toast { text } => out.push_str(text),
            ScreenPart::Mention { name, .. } => {
                out.push('@');
                out.push_str(name);
            }
            ScreenPart::Link { label, .. } => out.push_str(label),
            ScreenPart::Break => out.push('\n'),
            ScreenPart::Image { alt, .. } => out.push_str(alt),
            _ => {}
        }
    }
    out
}

fn text_at<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn options(list: &Value) -> Vec<(String, String)> {
    list.as_array()
        .into_iter()
        .flatten()
        .map(|o| (text_at(o, "/id").to_owned(), text_at(o, "/text").to_owned()))
        .collect()
}

/// A template card.
pub fn card(card: &Value, names: &Names) -> Vec<ScreenPart> {
    let mut out = Vec::new();
    let plain_rules = Dialect::Text {
        anchors: false,
        mentions: false,
    };
    for (pointer, title) in [
        ("/main_title/title", true),
        ("/main_title/desc", false),
        ("/sub_title_text", false),
    ] {
        let text = visible(text_at(card, pointer));
        if text.is_empty() {
            continue;
        }
        if title {
            out.push(ScreenPart::Title {
                text,
                color: "blue".into(),
            });
        } else {
            out.extend(content(&text, plain_rules, names));
            out.push(ScreenPart::Break);
        }
    }
    for pair in card
        .get("horizontal_content_list")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let text = format!("{}: {}", text_at(pair, "/keyname"), text_at(pair, "/value"));
        out.extend([ScreenPart::Text { text }, ScreenPart::Break]);
    }
    for link in card.get("jump_list").and_then(Value::as_array).into_iter().flatten() {
        out.push(ScreenPart::Link {
            label: text_at(link, "/title").into(),
            url: text_at(link, "/url").into(),
        });
        out.push(ScreenPart::Break);
    }
    let replaced = card.get("replace_text").and_then(Value::as_str);
    let submit = ScreenButton {
        label: text_at(card, "/submit_button/text").to_owned(),
        action: text_at(card, "/submit_button/key").to_owned(),
        style: "primary".into(),
    };
    match text_at(card, "/card_type") {
        "button_interaction" => match replaced {
            // A grey button that cannot be pressed.
            Some(text) => out.push(ScreenPart::Note { text: text.to_owned() }),
            None => out.push(ScreenPart::Buttons { buttons: buttons(card) }),
        },
        "vote_interaction" => out.push(ScreenPart::Form {
            fields: vec![ScreenField {
                name: text_at(card, "/checkbox/question_key").to_owned(),
                label: text_at(card, "/main_title/desc").to_owned(),
                kind: if card.pointer("/checkbox/mode") == Some(&1.into()) {
                    "multi_select"
                } else {
                    "select"
                }
                .into(),
                required: true,
                options: options(card.pointer("/checkbox/option_list").unwrap_or(&Value::Null)),
            }],
            submit,
        }),
        "multiple_interaction" => {
            let fields = card.get("select_list").and_then(Value::as_array).into_iter().flatten();
            out.push(ScreenPart::Form {
                fields: fields
                    .map(|list| ScreenField {
                        name: text_at(list, "/question_key").to_owned(),
                        label: text_at(list, "/title").to_owned(),
                        kind: "select".into(),
                        required: true,
                        options: options(list.get("option_list").unwrap_or(&Value::Null)),
                    })
                    .collect(),
                submit,
            });
        }
        _ => {}
    }
    out
}

fn buttons(card: &Value) -> Vec<ScreenButton> {
    card.get("button_list")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|b| ScreenButton {
            label: text_at(b, "/text").to_owned(),
            action: text_at(b, "/key").to_owned(),
            style: match b.get("style").and_then(Value::as_i64) {
                Some(2) => "danger",
                Some(3 | 4) => "normal",
                _ => "primary",
            }
            .into(),
        })
        .collect()
}

/// What the platform refuses in a template card: code and words. The code table has one code per
/// field (42014..42051) without saying which; the ones here stand for their family.
pub fn check_card(card: &Value, interactive: bool) -> Result<(), (i64, String)> {
    let bad = |code, what: &str| Err((code, format!("template card: {what}")));
    let len = |pointer: &str| text_at(card, pointer).len();
    let list = |name: &str| card.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let kind = text_at(card, "/card_type");
    let needs_task = matches!(kind, "button_interaction" | "vote_interaction" | "multiple_interaction");
    if needs_task && !interactive {
        return bad(42014, "this kind is not possible here");
    }
    let task = text_at(card, "/task_id");
    let task_ok = task.len() <= 128
        && task
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'@'));
    if (needs_task && task.is_empty()) || !task_ok {
        return bad(42015, "task_id is missing or not of [0-9A-Za-z_@-]{1,128}");
    }
    let option_ok = |o: &Value| (1..=128).contains(&text_at(o, "/id").len()) && !text_at(o, "/text").is_empty();
    match kind {
        "text_notice" | "news_notice" => {
            if card.pointer("/card_action/type").is_none() {
                return bad(42016, "card_action is missing");
            }
            if kind == "text_notice" && len("/main_title/title") == 0 && len("/sub_title_text") == 0 {
                return bad(42019, "title or sub title");
            }
            let pictured = card.pointer("/card_image/url").is_some() || card.get("image_text_area").is_some();
            if kind == "news_notice" && !pictured {
                return bad(42034, "card_image or image_text_area is needed");
            }
            let ratio = card.pointer("/card_image/aspect_ratio").and_then(Value::as_f64);
            if ratio.is_some_and(|r| !(1.3..=2.25).contains(&r)) {
                return bad(42034, "aspect_ratio is 1.3 to 2.25");
            }
            if card.get("action_menu").is_some() && task.is_empty() {
                return bad(42015, "action_menu needs a task_id");
            }
        }
        "button_interaction" => {
            let buttons = list("button_list");
            if buttons.is_empty() || buttons.len() > 6 {
                return bad(42017, "1 to 6 buttons");
            }
            for button in &buttons {
                if text_at(button, "/text").is_empty() || !(1..=1024).contains(&text_at(button, "/key").len()) {
                    return bad(42018, "a button needs text, and a key of at most 1,024 bytes");
                }
            }
            if len("/main_title/title") == 0 && len("/sub_title_text") == 0 {
                return bad(42019, "title or sub title");
            }
        }
        "vote_interaction" => {
            let choices = card
                .pointer("/checkbox/option_list")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default();
            if choices.is_empty()
                || choices.len() > 20
                || !choices.iter().all(option_ok)
                || len("/checkbox/question_key") == 0
            {
                return bad(42027, "1 to 20 options with id and text");
            }
            if !(1..=1024).contains(&len("/submit_button/key")) {
                return bad(42028, "submit_button");
            }
        }
        "multiple_interaction" => {
            let lists = list("select_list");
            if lists.is_empty() || lists.len() > 3 {
                return bad(42029, "1 to 3 selections");
            }
            for one in &lists {
                let choices = one
                    .get("option_list")
                    .and_then(Value::as_array)
                    .cloned()
                    .unwrap_or_default();
                if choices.is_empty() || choices.len() > 10 || !choices.iter().all(option_ok) {
                    return bad(42030, "1 to 10 options with id and text");
                }
            }
            if !(1..=1024).contains(&len("/submit_button/key")) {
                return bad(42028, "submit_button");
            }
        }
        _ => return bad(42014, "unknown card_type"),
    }
    if list("jump_list").len() > 3 || list("horizontal_content_list").len() > 6 {
        return bad(42020, "too many entries");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_cards_are_accepted_and_drawn() {
        let folder = format!("{}/tests/vectors/aibot", env!("CARGO_MANIFEST_DIR"));
        let mut count = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let value: Value = serde_json::from_str(&std::fs::read_to_string(file.unwrap().path()).unwrap()).unwrap();
            if let Some(found) = value.get("template_card") {
                assert_eq!(check_card(found, true), Ok(()), "{found}");
                assert!(matches!(card(found, &Names::new())[0], ScreenPart::Title { .. }));
                count += 1;
            }
        }
        assert!(count >= 8, "{count}");
    }

    #[test]
    fn the_dialects_are_read_as_documented() {
        let names = Names::from([("linjie".to_owned(), "林洁".to_owned())]);
        let text = |t: &str| ScreenPart::Text { text: t.into() };
        let v1 = content(
            "# 周报\n**12** 次 <@LinJie>\n> 引\n- 不是列表",
            Dialect::Markdown { mentions: true },
            &names,
        );
        assert_eq!(
            v1,
            [
                ScreenPart::Title {
                    text: "周报".into(),
                    color: "blue".into()
                },
                ScreenPart::Strong { text: "12".into() },
                text(" 次 "),
                ScreenPart::Mention {
                    user: "LinJie".into(),
                    name: "林洁".into(),
                    everyone: false
                },
                ScreenPart::Break,
                ScreenPart::Quote { text: "引".into() },
                text("- 不是列表"),
            ]
        );
        let v2 = content("- 一\n2. 二\n---\n<@linjie>", Dialect::MarkdownV2, &names);
        assert_eq!(
            v2,
            [
                ScreenPart::ListItem {
                    ordered: false,
                    number: 0,
                    text: "一".into()
                },
                ScreenPart::ListItem {
                    ordered: true,
                    number: 2,
                    text: "二".into()
                },
                ScreenPart::Divider,
                text("<@linjie>"),
            ]
        );
        let everyone = content(
            "<@all> 看\u{200b}",
            Dialect::Text {
                anchors: true,
                mentions: true,
            },
            &names,
        );
        assert!(matches!(&everyone[0], ScreenPart::Mention { everyone: true, .. }));
        assert_eq!(everyone[1], text(" 看"), "what nobody sees is not shown");
    }
}
