//! Template cards: what can be pressed (document 90236, template cards).
//!
//! Texts in cards are plain: no markup, no mentions. Lengths beyond the recommendations are cut, and
//! long words go into a message of their own ([`crate::render`]).

use hutong_model::{Block, Button, ButtonStyle, FieldKind, Form, Inline, Message};
use serde_json::{Value, json};

use crate::normalise::NOTHING_CHOSEN;
use crate::render::{Lines, Mentions, inlines_of, without_controls};
use crate::text::{Dialect, cut, line_leaf, safe_url};

/// Text of a card beyond which the words go into a message of their own.
pub(crate) const CARD_TEXT: usize = 512;
/// The same where there is no other message to put them into.
pub(crate) const LONG_CARD_TEXT: usize = 2048;
const BUTTONS: usize = 6;

/// The words of a card: everything but title, controls and pictures, as plain text.
pub(crate) fn card_body(message: &Message) -> String {
    let words = Message {
        title: None,
        blocks: without_controls(message),
        card: false,
    };
    let mut lines = Lines::of(&words, Dialect::Plain, Mentions::Names);
    lines.pack(usize::MAX / 2).join("\n")
}

pub(crate) fn card_leaf(text: &str, limit: usize) -> String {
    cut(line_leaf(text, Dialect::Plain).trim(), limit)
}

/// Title and words of a card: without a title, the first line becomes it.
fn card_head(message: &Message, limit: usize) -> (String, String) {
    let body = card_body(message);
    match &message.title {
        Some(title) => (card_leaf(title, 128), cut(&body, limit)),
        None => {
            let (first, rest) = body.split_once('\n').unwrap_or((&body, ""));
            if first.len() <= 128 {
                (first.to_owned(), cut(rest, limit))
            } else {
                (String::new(), cut(&body, limit))
            }
        }
    }
}

/// Cards for the controls of a message (document 90236, section on template cards), or `None` when
/// no card type can hold them (text fields, dates, too many choices).
///
/// Words of more than `room` bytes are left out: the caller says them in another message.
pub(crate) fn cards(message: &Message, room: usize) -> Option<Vec<Value>> {
    let (mut title, mut body) = card_head(message, usize::MAX);
    if body.len() > room {
        body.clear();
        if title.is_empty() {
            title = "请选择 Please choose".to_owned();
        }
    }
    let mut out = Vec::new();
    let buttons: Vec<&Button> = message
        .blocks
        .iter()
        .filter_map(|b| match b {
            Block::Buttons(buttons) => Some(buttons),
            _ => None,
        })
        .flatten()
        .collect();
    let forms: Vec<&Form> = message
        .blocks
        .iter()
        .filter_map(|b| match b {
            Block::Form(form) => Some(form),
            _ => None,
        })
        .collect();
    for form in forms {
        out.push(form_card(form, &title, &body)?);
    }
    for chunk in buttons.chunks(BUTTONS) {
        let list: Vec<Value> = chunk
            .iter()
            .map(|b| json!({"text": card_leaf(&b.label, 60), "style": style(b.style), "key": b.action}))
            .collect();
        let mut card = json!({
            "card_type": "button_interaction",
            "main_title": {"title": title},
            "button_list": list,
        });
        if !body.is_empty() {
            card["sub_title_text"] = Value::String(body.clone());
        }
        add_links(&mut card, message);
        out.push(card);
    }
    Some(out).filter(|cards| !cards.is_empty())
}

/// 1 is the filled blue button; the documentation numbers four looks and shows 2 for a refusal.
fn style(style: ButtonStyle) -> u8 {
    match style {
        ButtonStyle::Primary => 1,
        ButtonStyle::Danger => 2,
        ButtonStyle::Normal => 4,
    }
}

fn add_links(card: &mut Value, message: &Message) {
    let links: Vec<Value> = message
        .blocks
        .iter()
        .flat_map(inlines_of)
        .filter_map(|i| match i {
            Inline::Link { label, url } => {
                safe_url(url).map(|url| json!({"type": 1, "title": card_leaf(label, 60), "url": url}))
            }
            _ => None,
        })
        .take(3)
        .collect();
    if !links.is_empty() {
        card["jump_list"] = Value::Array(links);
    }
}

fn form_card(form: &Form, title: &str, body: &str) -> Option<Value> {
    let submit = json!({"text": card_leaf(&form.submit.label, 60), "key": form.submit.action});
    let option = |(id, text): &(String, String)| json!({"id": id, "text": card_leaf(text, 60)});
    let fits = |options: &[(String, String)], most: usize| {
        !options.is_empty() && options.len() <= most && options.iter().all(|(id, _)| !id.is_empty() && id.len() <= 128)
    };
    if let [field] = &form.fields[..]
        && let FieldKind::Select(options) | FieldKind::MultiSelect(options) = &field.kind
        && fits(options, 20)
    {
        let label = card_leaf(&field.label, 128);
        let desc = match (title == label, body.is_empty()) {
            (true, _) => body.to_owned(),
            (false, true) => label,
            (false, false) => format!("{body}\n{label}"),
        };
        let mode = i32::from(matches!(field.kind, FieldKind::MultiSelect(_)));
        let list: Vec<Value> = options
            .iter()
            .map(|o| {
                let mut value = option(o);
                value["is_checked"] = Value::Bool(false);
                value
            })
            .collect();
        return Some(json!({
            "card_type": "vote_interaction",
            "main_title": {"title": title, "desc": cut(&desc, CARD_TEXT)},
            "checkbox": {"question_key": field.name, "mode": mode, "option_list": list},
            "submit_button": submit,
        }));
    }
    if form.fields.is_empty() || form.fields.len() > 3 {
        return None;
    }
    let mut lists = Vec::new();
    for field in &form.fields {
        let FieldKind::Select(options) = &field.kind else {
            return None;
        };
        // The platform always has one option chosen: a neutral first one stands for none.
        if !fits(options, 9) {
            return None;
        }
        let mut list = vec![json!({"id": NOTHING_CHOSEN, "text": "请选择 / choose"})];
        list.extend(options.iter().map(option));
        lists.push(json!({
            "question_key": field.name,
            "title": card_leaf(&field.label, 128),
            "selected_id": NOTHING_CHOSEN,
            "option_list": list,
        }));
    }
    Some(json!({
        "card_type": "multiple_interaction",
        "main_title": {"title": title, "desc": cut(body, CARD_TEXT)},
        "select_list": lists,
        "submit_button": submit,
    }))
}

/// A card that replaces one that was sent. What has nothing to press becomes a card whose only
/// button is grey (`replace_text`, document 94888).
pub fn card_update(message: &Message) -> Value {
    if message.interactive()
        && let Some(mut cards) = cards(message, LONG_CARD_TEXT)
        && cards.len() == 1
        && let Some(card) = cards.pop()
    {
        return card;
    }
    let (title, body) = card_head(message, LONG_CARD_TEXT);
    let mut card = json!({
        "card_type": "button_interaction",
        "main_title": {"title": title},
        "button_list": [{"text": "已处理 Done", "style": 1, "key": "done"}],
        "replace_text": "已处理 Done",
    });
    if !body.is_empty() {
        card["sub_title_text"] = Value::String(body);
    }
    add_links(&mut card, message);
    card
}
