//! What an issue says, and the fingerprint of it.

use hutong_model::{Block, Inline, Message};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::text::Lang;
use crate::text::columns::Say;

/// What an issue says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Content {
    /// Name of the column as people read it.
    pub title: String,
    pub pieces: Vec<Piece>,
}

/// One item of an issue.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Piece {
    /// Verbatim, as a person wrote it.
    pub text: String,
    /// Name of the person who sent it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Row of the pool that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<i64>,
    /// What travels with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
}

/// A file of a submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    pub name: String,
    /// What the platform calls it, for [`Block::Image`]; only where the app it came to knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

impl Content {
    /// From its stored form. Rows from before versions hold the bare list of pieces.
    pub(super) fn parse(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok().or_else(|| {
            let pieces = serde_json::from_str(json).ok()?;
            let title = String::new();
            Some(Self { title, pieces })
        })
    }

    /// What people read for a difference: one line for each item.
    pub fn lines(&self) -> Vec<String> {
        self.pieces
            .iter()
            .map(|p| match &p.by {
                Some(by) => format!("{} —— {by}", p.text),
                None => p.text.clone(),
            })
            .collect()
    }
}

/// The card of an issue without its buttons. `number` 0 leaves the number out. What people wrote is
/// verbatim.
pub fn render(content: &Content, number: i64, lang: Lang) -> Message {
    let title = content.title.as_str();
    let heading = match number {
        0 => title.to_owned(),
        number => Say::IssueTitle { title, number }.in_lang(lang),
    };
    let mut items = Vec::with_capacity(content.pieces.len());
    for piece in &content.pieces {
        let mut line = vec![Inline::Text(piece.text.clone())];
        if let Some(name) = &piece.by {
            line.push(Inline::Text(Say::By { name }.in_lang(lang)));
        }
        for file in piece.files.iter().filter(|f| f.image.is_none()) {
            line.push(Inline::Text(Say::Attached { name: &file.name }.in_lang(lang)));
        }
        items.push(line);
    }
    let mut card = Message::card(heading).block(Block::List { ordered: true, items });
    for file in content.pieces.iter().flat_map(|p| &p.files) {
        if let Some(handle) = &file.image {
            card = card.block(Block::Image {
                handle: handle.clone(),
                alt: file.name.clone(),
            });
        }
    }
    card
}

/// SHA-256, hexadecimal, of what the content renders to: the card without its number, its buttons
/// and its counts, in Chinese and in English.
pub fn sha256_of(content: &Content) -> String {
    let mut hash = Sha256::new();
    for lang in [Lang::Zh, Lang::En] {
        hash.update(render(content, 0, lang).plain().as_bytes());
        hash.update([0]);
    }
    // The plain twin shows an image by its name only.
    for file in content.pieces.iter().flat_map(|p| &p.files) {
        hash.update(file.image.as_deref().unwrap_or_default().as_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}
