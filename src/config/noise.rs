//! `[noise]`: what happens to messages above `[limits] bot_messages_per_day`.

use chrono::NaiveTime;
use hutong_model::{AppId, ChatId};

use super::field::{Wrong, quoted};
use super::reader::Reader;
use super::section::Section;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noise {
    /// When what is above the limit is sent, on workdays.
    pub merge_at: NaiveTime,
    /// Schedules (`columns:ID`) or modules that keep their slot.
    pub priority: Vec<String>,
    /// Groups with a limit of their own; 0 is no limit.
    pub groups: Vec<((AppId, ChatId), u32)>,
}

impl Section for Noise {
    const NAME: &'static str = "noise";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let merge_at = reader.time("merge_at").get();
        let columns = reader.ids_of("column");
        let priority = reader
            .list("priority")
            .count(0..=200)
            .unique()
            .each(|text| match text.split_once(':') {
                Some(("columns", id)) => columns.check(id).map(|()| text.clone()),
                _ if plain(&text) => Ok(text),
                _ => {
                    let hint = "write \"columns:ID\" for a column, or the name of a module such as \"reports\"";
                    Err(Wrong::new(
                        format!("{} names no column and no module", quoted(&text)),
                        hint,
                    ))
                }
            })
            .get();
        let apps: Vec<String> = reader.app_ids().map(str::to_owned).collect();
        let groups = reader
            .list("per_group")
            .count(0..=2_000)
            .unique()
            .each(|text| group(&text, &apps))
            .get();
        Some(Self {
            merge_at: merge_at?,
            priority: priority?,
            groups: groups?,
        })
    }
}

fn plain(text: &str) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-' | ':');
    !text.is_empty() && text.len() <= 80 && text.chars().all(word)
}

fn group(text: &str, apps: &[String]) -> Result<((AppId, ChatId), u32), Wrong> {
    let hint = "write \"APP:CHAT=NUMBER\", for example \"fs:oc_1=5\"";
    let parts = text
        .rsplit_once('=')
        .and_then(|(place, number)| Some((place.split_once(':')?, number.trim().parse::<u32>().ok()?)));
    let Some(((app, chat), number)) = parts.filter(|(_, n)| *n <= 100) else {
        return Err(Wrong::new(
            format!("{} is no group with a limit of 0 to 100", quoted(text)),
            hint,
        ));
    };
    if !apps.iter().any(|a| a == app.trim()) {
        return Err(Wrong::new(format!("there is no app {}", quoted(app.trim())), hint));
    }
    Ok(((AppId::new(app.trim())?, ChatId::new(chat.trim())?), number))
}
