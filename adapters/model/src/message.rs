//! What the bot says: a tree of typed blocks that every adapter renders to its own cards and text.
//!
//! Text from people only ever stands in [`Inline::Text`]. It can never become a mention, a link or
//! markup: an adapter must escape it for every dialect it renders to. Pinging everyone needs a
//! [`MentionAllPermit`], which no text can produce.

use serde::{Deserialize, Serialize};

use crate::ids::UserId;

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Message {
    /// Shown as the card's header; absent for a plain line of text.
    #[serde(default)]
    pub title: Option<String>,
    pub blocks: Vec<Block>,
    /// False renders as plain text where that is possible, so that a one-line answer looks like one.
    #[serde(default)]
    pub card: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "block", content = "v", rename_all = "snake_case")]
pub enum Block {
    Paragraph(Vec<Inline>),
    List {
        ordered: bool,
        items: Vec<Vec<Inline>>,
    },
    Quote(Vec<Inline>),
    Table(Table),
    Chart(Chart),
    /// `handle` comes from an upload's receipt.
    Image {
        handle: String,
        alt: String,
    },
    Divider,
    Buttons(Vec<Button>),
    Form(Form),
    /// Small print.
    Note(Vec<Inline>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "inline", content = "v", rename_all = "snake_case")]
pub enum Inline {
    /// Verbatim: never markup, never a mention, whatever it contains.
    Text(String),
    Strong(String),
    /// Pings one person. `name` is what the plain-text twin shows.
    Mention {
        user: UserId,
        name: String,
    },
    MentionAll(MentionAllPermit),
    /// A link written by the bot or an admin, never by an employee.
    Link {
        label: String,
        url: String,
    },
}

/// The right to ping everyone in a chat. It names the approval that granted it, so that the place
/// where it is made is easy to find and to audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MentionAllPermit {
    approval: String,
}

impl MentionAllPermit {
    /// `approval` is the id of the approved request. Limits: an approval covers one message.
    pub fn granted_by(approval: impl Into<String>) -> Self {
        Self {
            approval: approval.into(),
        }
    }
    pub fn approval(&self) -> &str {
        &self.approval
    }
}

/// Columns and rows of text. On a phone only two or three columns stay readable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chart {
    pub kind: ChartKind,
    pub title: String,
    pub categories: Vec<String>,
    /// Name and one value per category; `None` where nothing is known.
    pub series: Vec<(String, Vec<Option<f64>>)>,
    pub unit: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChartKind {
    Bar,
    Line,
    Pie,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    pub label: String,
    /// Comes back unchanged in [`crate::event::CardClick::action`]. At most 512 bytes of ASCII.
    pub action: String,
    #[serde(default)]
    pub style: ButtonStyle,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ButtonStyle {
    #[default]
    Normal,
    Primary,
    Danger,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Form {
    pub fields: Vec<Field>,
    pub submit: Button,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// ASCII name, unique in the form.
    pub name: String,
    pub label: String,
    pub kind: FieldKind,
    pub required: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "field", content = "v", rename_all = "snake_case")]
pub enum FieldKind {
    Text {
        max_chars: u32,
        multiline: bool,
    },
    /// Value and label of each choice.
    Select(Vec<(String, String)>),
    MultiSelect(Vec<(String, String)>),
    Date,
}

impl Message {
    /// One line of text.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            title: None,
            blocks: vec![Block::Paragraph(vec![Inline::Text(text.into())])],
            card: false,
        }
    }

    /// A card with a header and no blocks yet.
    pub fn card(title: impl Into<String>) -> Self {
        Self {
            title: Some(title.into()),
            blocks: Vec::new(),
            card: true,
        }
    }

    pub fn block(mut self, block: Block) -> Self {
        self.blocks.push(block);
        self
    }

    pub fn line(self, text: impl Into<String>) -> Self {
        self.block(Block::Paragraph(vec![Inline::Text(text.into())]))
    }

    pub fn paragraph(self, inlines: Vec<Inline>) -> Self {
        self.block(Block::Paragraph(inlines))
    }

    pub fn note(self, text: impl Into<String>) -> Self {
        self.block(Block::Note(vec![Inline::Text(text.into())]))
    }

    pub fn buttons(self, buttons: Vec<Button>) -> Self {
        self.block(Block::Buttons(buttons))
    }

    /// The plain-text twin: the same content in the same order, one item per line, for clients that
    /// do not draw cards, for logs of what was said, and for reading aloud.
    pub fn plain(&self) -> String {
        let mut lines: Vec<String> = Vec::new();
        if let Some(title) = &self.title {
            lines.push(format!("【{title}】"));
        }
        for block in &self.blocks {
            match block {
                Block::Paragraph(inlines) | Block::Note(inlines) => lines.push(plain_inlines(inlines)),
                Block::Quote(inlines) => lines.push(format!("> {}", plain_inlines(inlines))),
                Block::List { ordered, items } => {
                    for (i, item) in items.iter().enumerate() {
                        let mark = if *ordered {
                            format!("{}. ", i + 1)
                        } else {
                            "· ".to_owned()
                        };
                        lines.push(format!("{mark}{}", plain_inlines(item)));
                    }
                }
                Block::Table(table) => {
                    lines.push(table.columns.join(" | "));
                    lines.extend(table.rows.iter().map(|row| row.join(" | ")));
                }
                Block::Chart(chart) => {
                    lines.push(chart.title.clone());
                    for (name, values) in &chart.series {
                        let cells: Vec<String> = chart
                            .categories
                            .iter()
                            .zip(values)
                            .map(|(c, v)| match v {
                                Some(v) => format!("{c} {v}{}", chart.unit),
                                None => format!("{c} –"),
                            })
                            .collect();
                        lines.push(format!("{name}: {}", cells.join(", ")));
                    }
                }
                Block::Image { alt, .. } => lines.push(format!("[{alt}]")),
                Block::Divider => lines.push("—".to_owned()),
                Block::Buttons(buttons) => {
                    lines.push(
                        buttons
                            .iter()
                            .map(|b| format!("[{}]", b.label))
                            .collect::<Vec<_>>()
                            .join(" "),
                    );
                }
                Block::Form(form) => {
                    lines.extend(form.fields.iter().map(|f| format!("{}: ____", f.label)));
                    lines.push(format!("[{}]", form.submit.label));
                }
            }
        }
        lines.join("\n")
    }

    /// True when it needs a card to be of use: it has something to press.
    pub fn interactive(&self) -> bool {
        self.blocks
            .iter()
            .any(|b| matches!(b, Block::Buttons(_) | Block::Form(_)))
    }
}

fn plain_inlines(inlines: &[Inline]) -> String {
    let mut out = String::new();
    for inline in inlines {
        match inline {
            Inline::Text(text) | Inline::Strong(text) => out.push_str(text),
            Inline::Mention { name, .. } => {
                out.push('@');
                out.push_str(name);
            }
            Inline::MentionAll(_) => out.push_str("@所有人"),
            Inline::Link { label, url } => out.push_str(&format!("{label} {url}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_twin_says_the_same_in_the_same_order() {
        let message = Message::card("我的积分")
            .line("贡献分 46")
            .block(Block::List {
                ordered: true,
                items: vec![
                    vec![Inline::Text("感谢".into())],
                    vec![Inline::Mention {
                        user: UserId::new("u1").unwrap(),
                        name: "陈晨".into(),
                    }],
                ],
            })
            .buttons(vec![Button {
                label: "更多".into(),
                action: "a".into(),
                style: ButtonStyle::Primary,
            }]);
        assert_eq!(message.plain(), "【我的积分】\n贡献分 46\n1. 感谢\n2. @陈晨\n[更多]");
        assert!(message.interactive());
        let stored = serde_json::to_string(&message).unwrap();
        assert_eq!(serde_json::from_str::<Message>(&stored).unwrap(), message);
    }
}
