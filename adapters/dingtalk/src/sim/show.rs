//! What a person sees of a robot's message: drawn from the request that the bot really sent.

use std::collections::BTreeMap;

use hutong_simkit::{ScreenButton, ScreenField, ScreenPart};
use serde_json::Value;

/// Zero-width spaces are not seen.
fn seen(text: &str) -> String {
    text.replace('\u{200B}', "")
}

/// Whom a text really mentions.
pub struct At<'a> {
    /// User id and display name.
    pub users: &'a [(String, String)],
    pub all: bool,
}

impl At<'_> {
    pub const NONE: At<'static> = At { users: &[], all: false };
}

/// Text with `@id` where the id is in the list.
pub fn text(text: &str, at: &At<'_>) -> Vec<ScreenPart> {
    let mut out = Vec::new();
    for (i, line) in text.split('\n').enumerate() {
        if i > 0 {
            out.push(ScreenPart::Break);
        }
        mentions(line, at, false, &mut out);
    }
    if at.all
        && !out
            .iter()
            .any(|p| matches!(p, ScreenPart::Mention { everyone: true, .. }))
    {
        out.insert(0, everyone());
    }
    out
}

fn everyone() -> ScreenPart {
    ScreenPart::Mention {
        user: String::new(),
        name: "所有人".into(),
        everyone: true,
    }
}

fn mentions(line: &str, at: &At<'_>, strong: bool, out: &mut Vec<ScreenPart>) {
    let mut plain = String::new();
    let flush = |plain: &mut String, out: &mut Vec<ScreenPart>| {
        let text = seen(&std::mem::take(plain));
        if !text.is_empty() {
            out.push(if strong {
                ScreenPart::Strong { text }
            } else {
                ScreenPart::Text { text }
            });
        }
    };
    let mut rest = line;
    while let Some(pos) = rest.find('@') {
        let (before, tail) = rest.split_at(pos);
        plain.push_str(before);
        let after = tail.get(1..).unwrap_or_default();
        let end = after.find(|c: char| c.is_whitespace()).unwrap_or(after.len());
        let id = after.get(..end).unwrap_or_default();
        if let Some((user, name)) = at.users.iter().find(|(user, _)| user == id) {
            flush(&mut plain, out);
            out.push(ScreenPart::Mention {
                user: user.clone(),
                name: name.clone(),
                everyone: false,
            });
            rest = after.get(end..).unwrap_or_default();
        } else if at.all && id == "所有人" {
            flush(&mut plain, out);
            out.push(everyone());
            rest = after.get(end..).unwrap_or_default();
        } else {
            plain.push('@');
            rest = after;
        }
    }
    plain.push_str(rest);
    flush(&mut plain, out);
}

/// The subset of markdown that the platform's clients draw (7.2), card mentions included.
pub fn markdown(source: &str, at: &At<'_>) -> Vec<ScreenPart> {
    let mut out: Vec<ScreenPart> = Vec::new();
    for line in source.split('\n') {
        let line = line.trim_end();
        if line.is_empty() {
            continue;
        }
        if !out.is_empty() {
            out.push(ScreenPart::Break);
        }
        let digits = line.chars().take_while(char::is_ascii_digit).count();
        let numbered = line
            .get(digits..)
            .and_then(|r| r.strip_prefix(". "))
            .filter(|_| digits > 0);
        if let Some(head) = line
            .strip_prefix('#')
            .map(|l| l.trim_start_matches('#'))
            .and_then(|l| l.strip_prefix(' '))
        {
            inline(head, at, true, &mut out);
        } else if let Some(quote) = line.strip_prefix("> ") {
            out.push(ScreenPart::Quote { text: flat(quote, at) });
        } else if let Some(item) = line.strip_prefix("- ") {
            out.push(ScreenPart::ListItem {
                ordered: false,
                number: 0,
                text: flat(item, at),
            });
        } else if let Some(item) = numbered {
            out.push(ScreenPart::ListItem {
                ordered: true,
                number: line.get(..digits).and_then(|d| d.parse().ok()).unwrap_or(0),
                text: flat(item, at),
            });
        } else if line == "———" {
            out.push(ScreenPart::Divider);
        } else {
            inline(line, at, false, &mut out);
        }
    }
    if at.all
        && !out
            .iter()
            .any(|p| matches!(p, ScreenPart::Mention { everyone: true, .. }))
    {
        out.insert(0, everyone());
    }
    out
}

fn flat(line: &str, at: &At<'_>) -> String {
    let mut parts = Vec::new();
    inline(line, at, false, &mut parts);
    parts
        .into_iter()
        .map(|part| match part {
            ScreenPart::Text { text } | ScreenPart::Strong { text } => text,
            ScreenPart::Mention { name, .. } => format!("@{name}"),
            ScreenPart::Link { label, .. } => label,
            ScreenPart::Image { alt, .. } => format!("[{alt}]"),
            _ => String::new(),
        })
        .collect()
}

/// Finds `end` outside of escapes.
fn until<'t>(text: &'t str, end: &str) -> Option<(&'t str, &'t str)> {
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.find(end)?;
        let slashes = text.get(..at)?.chars().rev().take_while(|c| *c == '\\').count();
        if slashes % 2 == 0 {
            return Some((text.get(..at)?, text.get(at + end.len()..)?));
        }
        from = at + end.len();
    }
}

fn inline(line: &str, at: &At<'_>, strong: bool, out: &mut Vec<ScreenPart>) {
    let mut plain = String::new();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let tail = rest.get(c.len_utf8()..).unwrap_or_default();
        let found = match c {
            '\\' => {
                let next = tail.chars().next();
                plain.extend(next);
                rest = tail.get(next.map_or(0, char::len_utf8)..).unwrap_or_default();
                continue;
            }
            '*' if tail.starts_with('*') => until(tail.get(1..).unwrap_or_default(), "**").map(|(text, after)| {
                let mut parts = Vec::new();
                inline(text, at, true, &mut parts);
                (parts, after)
            }),
            '!' if tail.starts_with('[') => {
                link(tail).map(|(alt, handle, after)| (vec![ScreenPart::Image { handle, alt }], after))
            }
            '[' => link(rest).map(|(label, url, after)| (vec![ScreenPart::Link { label, url }], after)),
            '<' => card_mention(rest, at),
            _ => None,
        };
        match found {
            Some((parts, after)) => {
                mentions(&std::mem::take(&mut plain), at, strong, out);
                out.extend(parts);
                rest = after;
            }
            None => {
                plain.push(c);
                rest = tail;
            }
        }
    }
    mentions(&plain, at, strong, out);
}

fn link(text: &str) -> Option<(String, String, &str)> {
    let (label, after) = until(text.strip_prefix('[')?, "]")?;
    let (url, after) = until(after.strip_prefix('(')?, ")")?;
    Some((unescape(label), url.to_owned(), after))
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    seen(&out)
}

/// `<a atId=user>name</a>`: a mention when the card's list has the person too.
fn card_mention<'t>(text: &'t str, at: &At<'_>) -> Option<(Vec<ScreenPart>, &'t str)> {
    let (id, after) = until(text.strip_prefix("<a atId=")?, ">")?;
    let (name, after) = until(after, "</a>")?;
    let part = if at.users.iter().any(|(user, _)| user == id) {
        ScreenPart::Mention {
            user: id.to_owned(),
            name: unescape(name),
            everyone: false,
        }
    } else {
        ScreenPart::Text {
            text: format!("@{}", unescape(name)),
        }
    };
    Some((vec![part], after))
}

/// The card template as documented in [`crate::render`].
pub fn card(params: &BTreeMap<String, String>, at: &At<'_>) -> Vec<ScreenPart> {
    let get = |key: String| params.get(&key).map(String::as_str).unwrap_or_default();
    let mut out = Vec::new();
    let title = get("title".into());
    if !title.is_empty() {
        out.push(ScreenPart::Title {
            text: seen(title),
            color: "blue".into(),
        });
    }
    let texts: Vec<&str> = (1..=8)
        .map(|i| get(format!("text{i}")))
        .filter(|t| !t.is_empty())
        .collect();
    let none_all = At {
        users: at.users,
        all: false,
    };
    if at.all {
        out.push(everyone());
    }
    for (i, text) in texts.into_iter().enumerate() {
        if i > 0 {
            out.push(ScreenPart::Break);
        }
        out.extend(markdown(text, &none_all));
    }
    let form = get("form".into());
    if let Ok(form) = serde_json::from_str::<Value>(form) {
        let fields = form
            .get("fields")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(field)
            .collect();
        out.push(ScreenPart::Form {
            fields,
            submit: ScreenButton {
                label: seen(get("form_submit".into())),
                action: get("form_action".into()).to_owned(),
                style: "primary".into(),
            },
        });
    }
    let buttons: Vec<ScreenButton> = (1..=6)
        .filter(|i| !get(format!("button{i}")).is_empty())
        .map(|i| ScreenButton {
            label: seen(get(format!("button{i}"))),
            action: get(format!("action{i}")).to_owned(),
            style: get(format!("style{i}")).to_owned(),
        })
        .collect();
    if !buttons.is_empty() {
        out.push(ScreenPart::Buttons { buttons });
    }
    out
}

fn field(value: &Value) -> ScreenField {
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
    ScreenField {
        name: text("name").to_owned(),
        label: seen(text("label")),
        kind: match text("type") {
            "SELECT" => "select",
            "MULTI_SELECT" => "multi_select",
            "DATE" => "date",
            _ => "text",
        }
        .to_owned(),
        required: value.get("required").and_then(Value::as_bool).unwrap_or(false),
        options: value
            .get("options")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(|o| {
                let text = |key: &str| o.get(key).and_then(Value::as_str).unwrap_or_default();
                (text("value").to_owned(), seen(text("text")))
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hutong_model::{Block, Inline, Message, UserId};

    #[test]
    fn what_the_adapter_renders_is_seen_as_it_was_meant() {
        let hostile = "[点我](https://x.cn) **a** <@all> @u1 #1";
        let message = Message::card("标题").paragraph(vec![
            Inline::Text(hostile.into()),
            Inline::Strong("重要".into()),
            Inline::Link {
                label: "文档".into(),
                url: "https://a.example/x".into(),
            },
        ]);
        let part = &crate::render::parts(&message).unwrap()[0];
        let param: Value = serde_json::from_str(&part.msg_param).unwrap();
        let parts = markdown(param["text"].as_str().unwrap(), &At::NONE);
        assert_eq!(
            parts,
            [
                ScreenPart::Strong { text: "标题".into() },
                ScreenPart::Break,
                ScreenPart::Text {
                    text: "[点我](https://x.cn) **a** ＜@all＞ @u1 #1".into()
                },
                ScreenPart::Strong { text: "重要".into() },
                ScreenPart::Link {
                    label: "文档".into(),
                    url: "https://a.example/x".into()
                },
            ]
        );
    }

    #[test]
    fn a_mention_needs_the_list() {
        let users = vec![("u1".to_owned(), "陈晨".to_owned())];
        let at = At {
            users: &users,
            all: false,
        };
        let mention = ScreenPart::Mention {
            user: "u1".into(),
            name: "陈晨".into(),
            everyone: false,
        };
        assert!(text("你好 @u1 再见", &at).contains(&mention));
        assert!(!text("你好 @u1 再见", &At::NONE).contains(&mention));
        let message = Message::default().block(Block::Paragraph(vec![Inline::Mention {
            user: UserId::new("u1").unwrap(),
            name: "陈晨".into(),
        }]));
        let params: BTreeMap<String, String> = crate::render::card(&message)
            .unwrap()
            .params
            .into_iter()
            .map(|(k, v)| (k, v.as_str().unwrap().to_owned()))
            .collect();
        assert!(card(&params, &at).contains(&mention));
        assert!(!card(&params, &At::NONE).contains(&mention));
    }
}
