//! What a simulated chat shows, as plain lines: for the tour's transcript.

use hutong_simkit::{ScreenItem, ScreenPart};

/// The newest card of the bot with a button, and the first button's action. Looked for before every
/// press: an update of a card renews its buttons.
pub fn newest_button(items: &[ScreenItem]) -> Option<(String, String)> {
    items.iter().rev().filter(|i| i.bot).find_map(|item| {
        let action = item.parts.iter().find_map(|p| match p {
            ScreenPart::Buttons { buttons } => buttons.first().map(|b| b.action.clone()),
            _ => None,
        })?;
        Some((item.id.clone(), action))
    })
}

/// The lines of an item. A card has its title first and its buttons in brackets.
pub fn lines(item: &ScreenItem) -> Vec<String> {
    let mut out = Lines::default();
    if item.recalled {
        out.whole("(taken back)".to_owned());
        return out.done();
    }
    for part in &item.parts {
        match part {
            ScreenPart::Title { text, .. } => out.whole(format!("【{text}】")),
            ScreenPart::Text { text } => out.text(text),
            ScreenPart::Strong { text } => out.push(text),
            ScreenPart::Mention { name, everyone, .. } => {
                let name = if *everyone && name.is_empty() {
                    "所有人"
                } else {
                    name
                };
                out.push(&format!("@{name}"));
            }
            ScreenPart::Link { label, url } => out.push(&format!("{label} <{url}>")),
            ScreenPart::Break => out.end(),
            ScreenPart::Quote { text } => {
                out.end();
                for line in text.lines() {
                    out.whole(format!("│ {line}"));
                }
            }
            ScreenPart::Note { text } => out.whole(format!("· {text}")),
            ScreenPart::Divider => out.whole("────".to_owned()),
            ScreenPart::ListItem { ordered, number, text } => out.whole(match ordered {
                true => format!("{number}. {text}"),
                false => format!("- {text}"),
            }),
            ScreenPart::Table { columns, rows } => {
                out.whole(columns.join(" | "));
                for row in rows {
                    out.whole(row.join(" | "));
                }
            }
            ScreenPart::Chart {
                title,
                categories,
                series,
                unit,
            } => {
                out.whole(format!("[{title}]"));
                for (name, values) in series {
                    let points: Vec<String> = categories
                        .iter()
                        .zip(values)
                        .map(|(at, n)| format!("{at} {}", n.map_or("-".to_owned(), |n| format!("{n}{unit}"))))
                        .collect();
                    out.whole(format!("  {name}: {}", points.join(", ")));
                }
            }
            ScreenPart::Image { alt, .. } => out.whole(format!("[{alt}]")),
            ScreenPart::Buttons { buttons } => {
                let labels: Vec<String> = buttons.iter().map(|b| format!("[ {} ]", b.label)).collect();
                out.whole(labels.join(" "));
            }
            ScreenPart::Form { fields, submit } => {
                for field in fields {
                    out.whole(format!("{}: ____", field.label));
                }
                out.whole(format!("[ {} ]", submit.label));
            }
            ScreenPart::Toast { text } => out.whole(format!("({text})")),
        }
    }
    out.done()
}

#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    open: String,
}

impl Lines {
    fn push(&mut self, text: &str) {
        self.open.push_str(text);
    }
    fn text(&mut self, text: &str) {
        let mut parts = text.split('\n');
        self.push(parts.next().unwrap_or_default());
        for line in parts {
            self.end();
            self.push(line);
        }
    }
    fn end(&mut self) {
        if !self.open.trim().is_empty() {
            self.lines.push(std::mem::take(&mut self.open).trim_end().to_owned());
        }
        self.open.clear();
    }
    fn whole(&mut self, line: String) {
        self.end();
        self.lines.push(line);
    }
    fn done(mut self) -> Vec<String> {
        self.end();
        self.lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_reads_line_by_line() {
        let text = |t: &str| ScreenPart::Text { text: t.to_owned() };
        let item = ScreenItem {
            id: "m1".into(),
            at_ms: 0,
            from: "app".into(),
            from_name: "胡同".into(),
            bot: true,
            recalled: false,
            edited: false,
            reply_to: None,
            parts: vec![
                ScreenPart::Title {
                    text: "周报".into(),
                    color: "blue".into(),
                },
                text("参与 "),
                ScreenPart::Strong { text: "41 人".into() },
                ScreenPart::Break,
                text("第二行\n第三行"),
                ScreenPart::Quote { text: "引文".into() },
                ScreenPart::Note { text: "注".into() },
            ],
            reactions: vec![],
        };
        assert_eq!(
            lines(&item),
            ["【周报】", "参与 41 人", "第二行", "第三行", "│ 引文", "· 注"]
        );
        let gone = ScreenItem { recalled: true, ..item };
        assert_eq!(lines(&gone), ["(taken back)"]);
    }
}
