//! A screen as text. What would notify somebody or lead somewhere is marked, so that a test sees it:
//! `⟦@陈晨⟧` pings, `⟦@@⟧` pings everyone, `⟦label→url⟧` is a link, `<有用>` a button.

use hutong_simkit::{ScreenButton, ScreenItem, ScreenPart};

pub fn line(item: &ScreenItem) -> String {
    let who = if item.bot { "bot" } else { item.from_name.as_str() };
    let state = if item.recalled { " (recalled)" } else { "" };
    format!("{who}{state}: {}", text_of(item))
}

pub fn text_of(item: &ScreenItem) -> String {
    item.parts.iter().map(part).collect()
}

fn part(part: &ScreenPart) -> String {
    match part {
        ScreenPart::Title { text, .. } => format!("[{text}]\n"),
        ScreenPart::Text { text } | ScreenPart::Strong { text } => text.clone(),
        ScreenPart::Mention { everyone: true, .. } => "⟦@@⟧".to_owned(),
        ScreenPart::Mention { name, .. } => format!("⟦@{name}⟧"),
        ScreenPart::Link { label, url } => format!("⟦{label}→{url}⟧"),
        ScreenPart::Break => "\n".to_owned(),
        ScreenPart::Quote { text } => format!("> {text}\n"),
        ScreenPart::Note { text } => format!("({text})\n"),
        ScreenPart::Divider => "---\n".to_owned(),
        ScreenPart::ListItem { number, text, .. } => format!("{number}. {text}\n"),
        ScreenPart::Table { columns, rows } => {
            let rows: Vec<String> = std::iter::once(columns).chain(rows).map(|r| r.join("|")).collect();
            format!("{}\n", rows.join("\n"))
        }
        ScreenPart::Chart { title, .. } => format!("chart {title}\n"),
        ScreenPart::Image { alt, .. } => format!("image {alt}\n"),
        ScreenPart::Buttons { buttons } => buttons.iter().map(|b| format!("<{}>", b.label)).collect(),
        ScreenPart::Form { fields, submit } => {
            let fields: Vec<&str> = fields.iter().map(|f| f.label.as_str()).collect();
            format!("form {} <{}>", fields.join(", "), submit.label)
        }
        ScreenPart::Toast { text } => format!("toast {text}\n"),
    }
}

/// The buttons of a message.
pub fn buttons(item: &ScreenItem) -> Vec<ScreenButton> {
    item.parts
        .iter()
        .flat_map(|p| match p {
            ScreenPart::Buttons { buttons } => buttons.clone(),
            _ => Vec::new(),
        })
        .collect()
}

/// Full-width signs look like their narrow twins; that is how some are made harmless.
pub fn folded(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap(),
            other => other,
        })
        .filter(|c| !c.is_whitespace() && *c != '\u{200b}')
        .collect()
}
