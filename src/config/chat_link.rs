//! `[[chat_link]]`: one group that is heard by one app and written to by another.
//!
//! On WeCom an AI bot hears a group, and a self-built app or a group robot writes to it; the two know
//! the group by different ids, and no call tells which belong together. The admin says it here.

use hutong_model::{AppId, ChatId};

use super::field::{Wrong, quoted};
use super::reader::Reader;
use super::section::Section;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatLink {
    pub heard: (AppId, ChatId),
    pub post: (AppId, ChatId),
    /// What the group is called in reports, where no platform tells: an AI bot hears no names, and a
    /// group robot has none to give.
    pub name: Option<String>,
}

fn place(text: &str, apps: &[&str]) -> Result<(AppId, ChatId), Wrong> {
    const HINT: &str = "write \"APP:CHAT_ID\", for example \"wecom-bot:wrkABC123\"";
    let (app, chat) = text
        .split_once(':')
        .ok_or_else(|| Wrong::new(format!("{} names no chat", quoted(text)), HINT))?;
    if !apps.contains(&app) {
        let hint = format!("known apps: {}", apps.join(", "));
        return Err(Wrong::new(
            format!("{}: there is no app {}", quoted(text), quoted(app)),
            hint,
        ));
    }
    Ok((AppId::new(app)?, ChatId::new(chat)?))
}

impl Section for ChatLink {
    const NAME: &'static str = "chat_link";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let apps: Vec<&str> = reader.app_ids().collect();
        let heard = reader.text("heard").parse(|text| place(&text, &apps)).get();
        let post = reader.text("post").parse(|text| place(&text, &apps)).get();
        let name = reader.text("name").length(1..=60).maybe();
        Some(Self {
            heard: heard?,
            post: post?,
            name,
        })
    }
}
