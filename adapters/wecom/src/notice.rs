//! Cards that announce: one thing to read and one place to go (document 90236, `text_notice` and
//! `news_notice`). Both need a place to go, so a message without a link is never one, and whatever
//! they would lose (mentions, emphasis, lists, longer texts) makes the message markdown instead.

use hutong_model::{Block, Inline, Message};
use serde_json::{Value, json};

use crate::card::card_leaf;
use crate::text::{clean, safe_url};

/// Recommended lengths, in characters: beyond them clients fold or cut.
const TITLE: usize = 26;
const SUB_TITLE: usize = 112;
const KEY: usize = 5;
const VALUE: usize = 26;
const PAIRS: usize = 6;
const LINKS: usize = 3;

fn within(text: &str, limit: usize) -> bool {
    (1..=limit).contains(&clean(text).trim().chars().count())
}

/// The card, when the whole message fits into one.
pub(crate) fn notice(message: &Message) -> Option<Value> {
    let title = message.title.as_deref().filter(|t| message.card && within(t, TITLE))?;
    let (mut words, mut links, mut pairs, mut image) = (Vec::new(), Vec::new(), Vec::new(), None);
    for block in &message.blocks {
        match block {
            Block::Paragraph(inlines) | Block::Note(inlines) => {
                let mut line = String::new();
                let before = links.len();
                for inline in inlines {
                    match inline {
                        Inline::Text(text) => line.push_str(text),
                        Inline::Link { label, url } => links.push((label, safe_url(url)?)),
                        _ => return None,
                    }
                }
                // A link inside a sentence stays in it.
                if links.len() > before && !clean(&line).trim().is_empty() {
                    return None;
                }
                words.push(line);
            }
            // Pairs without a heading: nothing of them is lost in the card's list.
            Block::Table(table) if table.columns.iter().all(|c| clean(c).trim().is_empty()) && pairs.is_empty() => {
                for row in &table.rows {
                    match &row[..] {
                        [key, value] if within(key, KEY) && within(value, VALUE) => {
                            pairs.push(json!({"keyname": card_leaf(key, 128), "value": card_leaf(value, 512)}));
                        }
                        _ => return None,
                    }
                }
            }
            // Only a picture with an address of its own: an uploaded one has none.
            Block::Image { handle, .. } if image.is_none() => {
                image = Some(safe_url(handle).filter(|url| url.starts_with("https://"))?);
            }
            _ => return None,
        }
    }
    let text = clean(&words.join("\n"));
    let text = text.trim();
    let (_, first) = links.first()?;
    if text.chars().count() > SUB_TITLE || links.len() > LINKS || pairs.len() > PAIRS {
        return None;
    }
    let jumps: Vec<Value> = links
        .iter()
        .filter(|(label, _)| !clean(label).trim().is_empty())
        .map(|(label, url)| json!({"type": 1, "title": card_leaf(label, 60), "url": url}))
        .collect();
    let mut card = json!({
        "card_type": "text_notice",
        "main_title": {"title": card_leaf(title, 128)},
        "card_action": {"type": 1, "url": first},
    });
    let text = crate::text::leaf(text, crate::text::Dialect::Plain);
    match image {
        Some(url) => {
            card["card_type"] = json!("news_notice");
            card["card_image"] = json!({"url": url});
            if !text.is_empty() {
                card["main_title"]["desc"] = json!(text);
            }
        }
        None if !text.is_empty() => card["sub_title_text"] = json!(text),
        None => {}
    }
    if !pairs.is_empty() {
        card["horizontal_content_list"] = Value::Array(pairs);
    }
    if !jumps.is_empty() {
        card["jump_list"] = Value::Array(jumps);
    }
    Some(card)
}
