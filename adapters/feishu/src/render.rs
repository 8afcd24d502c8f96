//! A message tree as what the platform takes: a line of text, a post, an image or a card.
//!
//! A text message is used only for text that it would show exactly as it stands. Anything that a
//! text message could read as a tag, a link or a placeholder goes into a post, whose text nodes are
//! literal; everything with a title bar, something to press, a table or a chart is a card.

use hutong_model::{Block, Inline, Message, RenderError};
use serde_json::{Value, json};

use crate::card::{self, escaped_len};
use crate::escape;

/// The platform takes 150 KB for the request body of a text message.
pub const TEXT_BYTES: usize = 150 * 1024;
/// A post may have 30 KB; longer ones go on in the next message. Text messages are cut at the same
/// length: more than that nobody reads in one piece.
const POST_BUDGET: usize = 28_000;
const NODE_BYTES: usize = 4_000;
/// A message of more parts is a mistake, not a message.
const MAX_PARTS: usize = 40;

/// One message of the platform: `msg_type` and `content` (a JSON text).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub msg_type: &'static str,
    pub content: String,
}

/// `private`: it goes to one person.
pub fn message(message: &Message, private: bool) -> Result<Vec<Part>, RenderError> {
    let parts = if needs_card(message) {
        let cards = card::cards(message, private)?;
        cards
            .into_iter()
            .map(|content| Part {
                msg_type: "interactive",
                content,
            })
            .collect()
    } else if let Some(part) = single_file(message) {
        vec![part]
    } else if let Some(text) = inert_text(message).filter(|t| escaped_len(t) <= POST_BUDGET) {
        vec![Part {
            msg_type: "text",
            content: json!({ "text": text }).to_string(),
        }]
    } else {
        posts(message)
    };
    if parts.len() > MAX_PARTS {
        let bytes = parts.iter().map(|p| p.content.len()).sum();
        return Err(RenderError::TooLarge {
            what: "one message",
            bytes,
            limit: MAX_PARTS * POST_BUDGET,
        });
    }
    Ok(parts)
}

fn needs_card(message: &Message) -> bool {
    message.card
        || message.blocks.iter().any(|b| {
            matches!(
                b,
                Block::Table(_) | Block::Chart(_) | Block::Buttons(_) | Block::Form(_)
            )
        })
}

/// One picture or one file alone.
fn single_file(message: &Message) -> Option<Part> {
    match (message.title.as_deref(), message.blocks.as_slice()) {
        (None, [Block::Image { handle, .. }]) if handle.starts_with("file_") => Some(Part {
            msg_type: "file",
            content: json!({ "file_key": handle }).to_string(),
        }),
        (None, [Block::Image { handle, .. }]) => Some(Part {
            msg_type: "image",
            content: json!({ "image_key": handle }).to_string(),
        }),
        _ => None,
    }
}

/// One line of a message: what begins it, and its inlines.
fn lines(message: &Message) -> Option<Vec<(String, Vec<Inline>)>> {
    let mut out = Vec::new();
    for block in &message.blocks {
        match block {
            Block::Paragraph(inlines) | Block::Note(inlines) => out.push((String::new(), inlines.clone())),
            Block::Quote(inlines) => out.push(("「".to_owned(), {
                let mut inlines = inlines.clone();
                inlines.push(Inline::Text("」".to_owned()));
                inlines
            })),
            Block::List { ordered, items } => {
                for (i, item) in items.iter().enumerate() {
                    let mark = if *ordered {
                        format!("{}. ", i + 1)
                    } else {
                        "· ".to_owned()
                    };
                    out.push((mark, item.clone()));
                }
            }
            _ => return None,
        }
    }
    Some(out)
}

/// The whole message as the `text` of a text message, when nothing in it would be interpreted.
fn inert_text(message: &Message) -> Option<String> {
    if message.title.is_some() {
        return None;
    }
    let mut shown = String::new();
    let mut wire = String::new();
    for (i, (mark, inlines)) in lines(message)?.into_iter().enumerate() {
        for out in [&mut shown, &mut wire] {
            if i > 0 {
                out.push('\n');
            }
            out.push_str(&mark);
        }
        for inline in inlines {
            match inline {
                Inline::Text(text) => {
                    let text = escape::printable(&text);
                    shown.push_str(&text);
                    wire.push_str(&text);
                }
                Inline::Mention { user, .. } if escape::may_be_mentioned(&user) => {
                    // Ids are letters, digits, `-_.@`; the inner text is only shown, so it stays empty.
                    wire.push_str(&format!("<at user_id=\"{user}\"></at>"));
                }
                Inline::Mention { name, .. } => {
                    let text = format!("@{}", escape::printable(&name));
                    shown.push_str(&text);
                    wire.push_str(&text);
                }
                Inline::MentionAll(_) => wire.push_str("<at user_id=\"all\"></at>"),
                Inline::Strong(_) | Inline::Link { .. } => return None,
            }
        }
    }
    // All text leaves together: two of them could join into what neither is alone.
    escape::inert(&shown).then_some(wire)
}

fn posts(message: &Message) -> Vec<Part> {
    let mut paragraphs: Vec<Vec<Value>> = Vec::new();
    for block in &message.blocks {
        match block {
            Block::Divider => paragraphs.push(vec![json!({ "tag": "hr" })]),
            Block::Image { handle, .. } => paragraphs.push(vec![json!({ "tag": "img", "image_key": handle })]),
            other => {
                let one = Message {
                    title: None,
                    blocks: vec![other.clone()],
                    card: false,
                };
                for (mark, inlines) in lines(&one).unwrap_or_default() {
                    post_paragraphs(&mark, &inlines, &mut paragraphs);
                }
            }
        }
    }
    let title = message.title.as_deref().unwrap_or_default();
    let mut parts = Vec::new();
    let mut page: Vec<Vec<Value>> = Vec::new();
    let mut bytes = 0;
    for paragraph in paragraphs {
        let size = escaped_len(&Value::from(paragraph.clone()).to_string()) + 1;
        if !page.is_empty() && bytes + size > POST_BUDGET - 1_000 {
            parts.push(post(
                if parts.is_empty() { title } else { "" },
                std::mem::take(&mut page),
            ));
            bytes = 0;
        }
        bytes += size;
        page.push(paragraph);
    }
    parts.push(post(if parts.is_empty() { title } else { "" }, page));
    parts
}

/// The locale wrapper is required when sending, and absent when receiving (feishu.md 5.2).
fn post(title: &str, content: Vec<Vec<Value>>) -> Part {
    let title = escape::printable(escape::cut(title, 400).0);
    Part {
        msg_type: "post",
        content: json!({ "zh_cn": { "title": title, "content": content } }).to_string(),
    }
}

/// The paragraph being written, and the finished ones.
struct Paragraphs<'o> {
    out: &'o mut Vec<Vec<Value>>,
    current: Vec<Value>,
    bytes: usize,
}

impl Paragraphs<'_> {
    fn text(&mut self, text: &str, strong: bool) {
        self.node(if strong {
            json!({ "tag": "text", "text": text, "style": ["bold"] })
        } else {
            json!({ "tag": "text", "text": text })
        });
    }

    fn node(&mut self, node: Value) {
        let size = escaped_len(&node.to_string());
        if self.bytes + size > POST_BUDGET - 2_000 {
            self.end();
        }
        self.bytes += size;
        self.current.push(node);
    }

    fn end(&mut self) {
        if self.current.is_empty() {
            self.current.push(json!({ "tag": "text", "text": "" }));
        }
        self.out.push(std::mem::take(&mut self.current));
        self.bytes = 0;
    }
}

fn post_paragraphs(mark: &str, inlines: &[Inline], out: &mut Vec<Vec<Value>>) {
    let mut to = Paragraphs {
        out,
        current: Vec::new(),
        bytes: 0,
    };
    if !mark.is_empty() {
        to.text(mark, false);
    }
    for inline in inlines {
        match inline {
            Inline::Text(text) | Inline::Strong(text) => {
                let strong = matches!(inline, Inline::Strong(_));
                for (i, line) in escape::printable(text).split('\n').enumerate() {
                    if i > 0 {
                        to.end();
                    }
                    let mut rest = line;
                    while !rest.is_empty() {
                        let (head, tail) = escape::cut(rest, NODE_BYTES);
                        to.text(head, strong);
                        rest = tail;
                    }
                }
            }
            Inline::Mention { user, .. } if escape::may_be_mentioned(user) => {
                to.node(json!({ "tag": "at", "user_id": user.as_str() }));
            }
            Inline::Mention { name, .. } => to.text(&escape::printable(&format!("@{name}")), false),
            Inline::MentionAll(_) => to.node(json!({ "tag": "at", "user_id": "all" })),
            Inline::Link { label, url } => match escape::url(url) {
                Some(url) => to.node(json!({ "tag": "a", "text": escape::printable(label), "href": url })),
                None => to.text(&escape::printable(&format!("{label} {url}")), false),
            },
        }
    }
    to.end();
}
