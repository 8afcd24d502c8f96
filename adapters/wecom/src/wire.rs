//! What stands on the wire: a small XML tree for app callbacks, and the JSON of AI-bot callbacks.
//!
//! The XML reader refuses document types and unknown entities, limits depth and size, and keeps
//! repeated elements (`FormId` may stand twice).

use hutong_model::Rejection;
use quick_xml::Reader;
use quick_xml::events::Event;
use serde::Deserialize;

const MAX_DEPTH: usize = 12;
const MAX_ELEMENTS: usize = 20_000;

/// An XML element: its own text and its children. Attributes never carry anything here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Element {
    pub name: String,
    pub text: String,
    pub children: Vec<Element>,
}

impl Element {
    /// Reads a document whose root is `<xml>`.
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        let mut reader = Reader::from_str(text);
        let mut open: Vec<Element> = Vec::new();
        let mut root = None;
        let mut count = 0usize;
        loop {
            let event = reader.read_event().map_err(|_| Rejection::Malformed)?;
            match event {
                Event::Start(start) => {
                    count += 1;
                    if open.len() >= MAX_DEPTH || count > MAX_ELEMENTS || root.is_some() {
                        return Err(Rejection::Malformed);
                    }
                    open.push(Element {
                        name: start.name().as_ref().to_owned(),
                        ..Element::default()
                    });
                }
                Event::Empty(start) => {
                    count += 1;
                    let parent = open.last_mut().ok_or(Rejection::Malformed)?;
                    if count > MAX_ELEMENTS {
                        return Err(Rejection::Malformed);
                    }
                    parent.children.push(Element {
                        name: start.name().as_ref().to_owned(),
                        ..Element::default()
                    });
                }
                Event::End(_) => {
                    let mut done = open.pop().ok_or(Rejection::Malformed)?;
                    if !done.children.is_empty() {
                        // White space between children is layout; anything else is no message.
                        if !done.text.chars().all(|c| matches!(c, ' ' | '\t' | '\r' | '\n')) {
                            return Err(Rejection::Malformed);
                        }
                        done.text.clear();
                    }
                    match open.last_mut() {
                        Some(parent) => parent.children.push(done),
                        None => root = Some(done),
                    }
                }
                Event::Text(text) => append(&mut open, &text.xml10_content())?,
                Event::CData(text) => append(&mut open, &text.xml10_content())?,
                Event::GeneralRef(reference) => {
                    let resolved = match reference.resolve_char_ref().map_err(|_| Rejection::Malformed)? {
                        Some(c) => c,
                        None => match &*reference {
                            "lt" => '<',
                            "gt" => '>',
                            "amp" => '&',
                            "quot" => '"',
                            "apos" => '\'',
                            _ => return Err(Rejection::Malformed),
                        },
                    };
                    append(&mut open, resolved.encode_utf8(&mut [0; 4]))?;
                }
                Event::Decl(_) | Event::Comment(_) => {}
                Event::DocType(_) | Event::PI(_) => return Err(Rejection::Malformed),
                Event::Eof => break,
            }
        }
        match root {
            Some(root) if open.is_empty() && root.name == "xml" => Ok(root),
            _ => Err(Rejection::Malformed),
        }
    }

    pub fn children_named<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |c| c.name == name)
    }

    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|c| c.name == name)
    }

    /// The text of the first child of that name; `None` when absent or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.child(name).map(|c| c.text.as_str()).filter(|t| !t.is_empty())
    }

    /// The text of the only child of that name.
    pub fn only(&self, name: &str) -> Result<&str, Rejection> {
        let mut found = self.children.iter().filter(|c| c.name == name);
        match (found.next(), found.next()) {
            (Some(child), None) if child.children.is_empty() && !child.text.is_empty() => Ok(&child.text),
            _ => Err(Rejection::Malformed),
        }
    }

    /// Every text with its path, in order: the basis of dedupe keys for events without an id.
    pub fn leaves(&self, path: &str, out: &mut Vec<(String, String)>) {
        let path = format!("{path}/{}", self.name);
        if self.children.is_empty() {
            out.push((path, self.text.clone()));
        } else {
            self.children.iter().for_each(|child| child.leaves(&path, out));
        }
    }
}

fn append(open: &mut [Element], text: &str) -> Result<(), Rejection> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.chars().all(|c| matches!(c, ' ' | '\t' | '\r' | '\n' | '\u{feff}')) => {}
        None => return Err(Rejection::Malformed),
    }
    Ok(())
}

/// The JSON envelope of an AI-bot callback. Doubled names are an error of the reader.
#[derive(Debug, Deserialize)]
pub struct JsonEnvelope {
    pub encrypt: String,
}

/// A callback of an AI bot (documents 100719 and 101027). Everything but the type is optional:
/// what a kind of message needs is asked for where it is used.
#[derive(Debug, Clone, Deserialize)]
pub struct BotCallback {
    pub msgid: String,
    #[serde(default)]
    pub create_time: Option<i64>,
    #[serde(default)]
    pub aibotid: Option<String>,
    #[serde(default)]
    pub chatid: Option<String>,
    #[serde(default)]
    pub chattype: Option<String>,
    #[serde(default)]
    pub from: Option<BotFrom>,
    #[serde(default)]
    pub response_url: Option<String>,
    pub msgtype: String,
    #[serde(flatten)]
    pub content: BotContent,
    #[serde(default)]
    pub quote: Option<BotQuote>,
    #[serde(default)]
    pub event: Option<serde_json::Value>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct BotFrom {
    pub userid: String,
    /// Present only for bots that are not internal to the corp.
    #[serde(default)]
    pub corpid: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub struct BotContent {
    #[serde(default)]
    pub text: Option<BotText>,
    #[serde(default)]
    pub voice: Option<BotText>,
    #[serde(default)]
    pub image: Option<BotMedia>,
    #[serde(default)]
    pub file: Option<BotMedia>,
    #[serde(default)]
    pub video: Option<BotMedia>,
    #[serde(default)]
    pub mixed: Option<BotMixed>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct BotQuote {
    pub msgtype: String,
    #[serde(flatten)]
    pub content: BotContent,
}

#[derive(Debug, Clone, Deserialize)]
pub struct BotText {
    #[serde(default)]
    pub content: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct BotMedia {
    pub url: String,
    /// The key of this file; on the long connection only.
    #[serde(default)]
    pub aeskey: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct BotMixed {
    #[serde(default)]
    pub msg_item: Vec<BotItem>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct BotItem {
    pub msgtype: String,
    #[serde(default)]
    pub text: Option<BotText>,
    #[serde(default)]
    pub image: Option<BotMedia>,
}

/// `event.template_card_event`: nested, unlike the typings of the official SDK.
#[derive(Debug, Clone, Deserialize)]
pub struct BotCardEvent {
    #[serde(default)]
    pub event_key: String,
    #[serde(default)]
    pub task_id: String,
    #[serde(default)]
    pub selected_items: Option<BotSelectedItems>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct BotSelectedItems {
    #[serde(default)]
    pub selected_item: Vec<BotSelectedItem>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct BotSelectedItem {
    #[serde(default)]
    pub question_key: String,
    #[serde(default)]
    pub option_ids: Option<BotOptionIds>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct BotOptionIds {
    #[serde(default)]
    pub option_id: Vec<String>,
}

/// What a click or message needs to be answered; the core keeps it as opaque text.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, Deserialize)]
pub struct ReplyContext {
    /// AI bot: the one-use address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// App card: the one-use code and whose card it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// When it stops working, ms.
    pub until: i64,
}
