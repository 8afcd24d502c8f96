//! Several messages of a group in one card.

use hutong_model::{Block, Inline, Message, MessageId};
use serde::{Deserialize, Serialize};

use crate::text::Lang;
use crate::text::noise::Say;

/// Messages in one digest at most: it is read on a phone.
pub const MOST_SECTIONS: usize = 6;

/// One message inside a digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// Key of the effect it was.
    pub id: String,
    pub rule: String,
    /// The event that caused it, in hexadecimal.
    pub event: String,
    /// Present when its rule wants to be told the outcome.
    pub tag: Option<serde_json::Value>,
    pub content: Message,
}

/// True for a message that can be a part of another: text and buttons, no form, no picture, nothing
/// that pings everybody (a permit covers one message).
pub fn mergeable(content: &Message) -> bool {
    let plain = |line: &[Inline]| !line.iter().any(|i| matches!(i, Inline::MentionAll(_)));
    content.blocks.iter().all(|block| match block {
        Block::Paragraph(line) | Block::Quote(line) | Block::Note(line) => plain(line),
        Block::List { items, .. } => items.iter().all(|line| plain(line)),
        Block::Table(_) | Block::Divider | Block::Buttons(_) => true,
        Block::Chart(_) | Block::Image { .. } | Block::Form(_) => false,
    })
}

fn buttons(content: &Message) -> usize {
    let count = |block: &Block| match block {
        Block::Buttons(list) => list.len(),
        _ => 0,
    };
    content.blocks.iter().map(count).sum()
}

/// Whether one more fits behind those.
pub fn fits(sections: &[&Message], next: &Message, most_buttons: usize) -> bool {
    let all: usize = sections.iter().map(|s| buttons(s)).sum();
    sections.len() < MOST_SECTIONS && all + buttons(next) <= most_buttons.max(1)
}

/// The card.
pub fn card(sections: &[Section], lang: Lang) -> Message {
    let count = sections.len();
    let mut card = Message::card(Say::DigestTitle { count }.in_lang(lang));
    for (n, section) in sections.iter().enumerate() {
        if n > 0 {
            card = card.block(Block::Divider);
        }
        if let Some(title) = &section.content.title {
            card = card.block(Block::Paragraph(vec![Inline::Strong(title.clone())]));
        }
        card.blocks.extend(section.content.blocks.iter().cloned());
    }
    card
}

/// Puts new content in the place of the message that it is a version of: the one of that rule with the
/// same title, or its only one. False when there is none.
pub fn replace(sections: &mut [Section], rule: &str, content: &Message) -> bool {
    let of_rule = |s: &Section| s.rule == rule;
    let titled = sections
        .iter()
        .position(|s| of_rule(s) && s.content.title == content.title);
    let only = || {
        let mut found = sections.iter().enumerate().filter(|(_, s)| of_rule(s));
        found.next().filter(|_| found.next().is_none()).map(|(n, _)| n)
    };
    match titled.or_else(only).and_then(|n| sections.get_mut(n)) {
        Some(section) => {
            section.content = content.clone();
            true
        }
        None => false,
    }
}

/// Where a digest is shown, and what stands in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Digest {
    pub id: String,
    pub message: Option<MessageId>,
    pub sections: Vec<Section>,
}
