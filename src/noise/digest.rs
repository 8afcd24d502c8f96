//! Several messages of a group in one card.

use std::time::Duration;

use hutong_model::{Block, Button, ButtonStyle, Inline, Message, MessageId, Timestamp};
use serde::{Deserialize, Serialize};

use super::admit::NAME;
use crate::access::token::Token;
use crate::rules::Env;
use crate::text::noise::Say;

/// Messages in one digest at most: it is read on a phone.
pub const MOST_SECTIONS: usize = 6;
/// Lines of a digest at most, rows of buttons included.
pub const MOST_LINES: usize = 12;
/// What stands on one line of a phone, in half-width characters.
const LINE_WIDTH: usize = 40;
/// The button that shows a message as a whole.
pub const WHOLE: &str = "whole";
/// How long it is good: as long as digests are kept.
const WHOLE_FOR: Duration = Duration::from_secs(120 * 86_400);

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

pub(super) fn buttons(content: &Message) -> usize {
    let count = |block: &Block| match block {
        Block::Buttons(list) => list.len(),
        _ => 0,
    };
    content.blocks.iter().map(count).sum()
}

/// Lines that a text takes on a phone.
fn lines_of(text: &str) -> usize {
    let width = |line: &str| line.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum::<usize>();
    text.lines().map(|l| width(l).div_ceil(LINE_WIDTH).max(1)).sum()
}

/// One block as text.
fn plain(block: &Block) -> String {
    let alone = Message {
        title: None,
        card: false,
        blocks: vec![block.clone()],
    };
    alone.plain()
}

fn lines_of_block(block: &Block) -> usize {
    match block {
        Block::Divider => 0,
        Block::Buttons(_) => 1,
        other => lines_of(&plain(other)),
    }
}

fn lines_of_title(content: &Message) -> usize {
    content.title.as_deref().map_or(0, lines_of)
}

pub(super) fn lines(content: &Message) -> usize {
    lines_of_title(content) + content.blocks.iter().map(lines_of_block).sum::<usize>()
}

/// What a card can hold.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    pub buttons: usize,
    /// Buttons in a group work, so that a message may be shown in part.
    pub press: bool,
}

/// How many lines of each message are shown, title and buttons included; `None`: all. Absent when
/// they do not stand in one card.
fn layout(all: &[&Message], room: Room) -> Option<Vec<Option<usize>>> {
    // One line for the title, one for what is still to come.
    let budget = MOST_LINES - 2;
    let full: Vec<usize> = all.iter().map(|m| lines(m)).collect();
    let own: usize = all.iter().map(|m| buttons(m)).sum();
    if full.iter().sum::<usize>() <= budget && own <= room.buttons.max(1) {
        return Some(vec![None; all.len()]);
    }
    if !room.press {
        return None;
    }
    // Its title, a line of its text, and the button for the rest.
    let mut shown: Vec<usize> = all
        .iter()
        .zip(&full)
        .map(|(m, full)| (*full).min(lines_of_title(m) + 2))
        .collect();
    let mut rest = budget.checked_sub(shown.iter().sum())?;
    for (shown, full) in shown.iter_mut().zip(&full) {
        let more = rest.min(full - *shown);
        *shown += more;
        rest -= more;
    }
    let shown: Vec<Option<usize>> = shown
        .into_iter()
        .zip(full)
        .map(|(n, full)| (n < full).then_some(n))
        .collect();
    (own + shown.iter().flatten().count() <= room.buttons.max(1)).then_some(shown)
}

/// Whether one more fits behind those.
pub fn fits(sections: &[&Message], next: &Message, room: Room) -> bool {
    let mut all = sections.to_vec();
    all.push(next);
    all.len() <= MOST_SECTIONS && layout(&all, room).is_some()
}

/// What a digest is drawn with.
pub struct Drawing<'a> {
    pub env: &'a Env,
    /// The digest.
    pub id: &'a str,
    pub room: Room,
    pub now: Timestamp,
}

impl Drawing<'_> {
    /// The card, of at most [`MOST_LINES`] lines: what is longer is shown in part, with a button for the
    /// whole. `more` messages of the group still wait.
    pub fn card(&self, sections: &[Section], more: usize) -> Message {
        let lang = self.env.lang;
        let count = sections.len();
        let all: Vec<&Message> = sections.iter().map(|s| &s.content).collect();
        // A card that has changed since may have grown: better long than gone.
        let shown = layout(&all, self.room).unwrap_or_else(|| vec![None; count]);
        let mut card = Message::card(Say::DigestTitle { count }.in_lang(lang));
        for (n, (section, shown)) in sections.iter().zip(shown).enumerate() {
            if n > 0 {
                card = card.block(Block::Divider);
            }
            if let Some(title) = &section.content.title {
                card = card.block(Block::Paragraph(vec![Inline::Strong(title.clone())]));
            }
            let part = shown.and_then(|lines| self.part(section, lines));
            card.blocks
                .extend(part.unwrap_or_else(|| section.content.blocks.clone()));
        }
        match more {
            0 => card,
            more => card.note(Say::DigestMore { more }.in_lang(lang)),
        }
    }

    /// The first lines of a message, its buttons, and the one for the whole.
    fn part(&self, section: &Section, lines: usize) -> Option<Vec<Block>> {
        let token = Token {
            rule: NAME.to_owned(),
            verb: WHOLE.to_owned(),
            args: vec![self.id.to_owned(), section.id.clone()],
            only: None,
            role: None,
            expires_at: self.now + WHOLE_FOR,
        };
        let mut row: Vec<Button> = Vec::new();
        let mut blocks: Vec<Block> = Vec::new();
        let mut left = lines.saturating_sub(lines_of_title(&section.content) + 1);
        for block in &section.content.blocks {
            match block {
                Block::Buttons(own) => row.extend(own.iter().cloned()),
                _ if left == 0 => {}
                block => {
                    let size = lines_of_block(block);
                    if size <= left {
                        blocks.push(block.clone());
                        left -= size;
                    } else {
                        blocks.push(Block::Paragraph(vec![Inline::Text(beginning(&plain(block), left))]));
                        left = 0;
                    }
                }
            }
        }
        row.push(Button {
            label: Say::Whole.in_lang(self.env.lang),
            action: self.env.signer.sign(&token).ok()?,
            style: ButtonStyle::Normal,
        });
        blocks.push(Block::Buttons(row));
        Some(blocks)
    }
}

/// So much of a text as stands on so many lines, with an ellipsis.
fn beginning(text: &str, lines: usize) -> String {
    let mut kept = String::new();
    for line in text.lines().filter(|l| !l.trim().is_empty()) {
        let used = lines_of(&kept);
        if used >= lines {
            break;
        }
        let mut room = (lines - used) * LINE_WIDTH - 2;
        if !kept.is_empty() {
            kept.push('\n');
        }
        for c in line.chars() {
            let width = if c.is_ascii() { 1 } else { 2 };
            if width > room {
                break;
            }
            room -= width;
            kept.push(c);
        }
    }
    kept.push('…');
    kept
}

/// What somebody is shown who asks for the whole: without its buttons, which count on the group's card.
pub fn whole(section: &Section) -> Message {
    let mut content = section.content.clone();
    content.blocks.retain(|block| !matches!(block, Block::Buttons(_)));
    content
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
