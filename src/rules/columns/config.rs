//! `[[column]]`: something that appears in groups again and again.

use std::time::Duration;

use chrono_tz::Tz;
use hutong_model::{AppId, ChatId};

use crate::config::{ON_HOLIDAY, ON_MAKEUP_WORKDAY, OnHoliday, OnMakeupWorkday, Reader, ScheduleSpec, Section};

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Part of the key of every issue: a renamed column is a new column.
    pub id: String,
    pub title: String,
    pub app: AppId,
    pub chats: Vec<ColumnChat>,
    pub every: ScheduleSpec,
    /// `None`: the zone of the company.
    pub zone: Option<Tz>,
    /// Standing content, one line each; editors add the rest for each issue.
    pub items: Vec<String>,
    /// An issue with fewer items is not sent.
    pub min_items: u32,
    /// How late an issue may still be sent after the service was down.
    pub lateness: Duration,
    /// `None`: as in `[schedule]`.
    pub on_holiday: Option<OnHoliday>,
    /// `None`: as in `[schedule]`.
    pub on_makeup_workday: Option<OnMakeupWorkday>,
    pub enabled: bool,
}

/// Where a column appears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnChat {
    Chat(ChatId),
    /// `rule:ID`: every group of that `[[group_rule]]`.
    GroupsOf(String),
}

impl Section for Column {
    const NAME: &'static str = "column";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        const HOUR: Duration = Duration::from_secs(3_600);
        reader.elsewhere("cron", "write every = { cron = \"...\" }");
        let id = reader.id("id").get();
        let title = reader.text("title").length(1..=40).get();
        let app = reader.app("app").get();
        let rules = reader.ids_of("group_rule");
        let chats = reader
            .list("chats")
            .count(1..=500)
            .unique()
            .each(|text| match text.strip_prefix("rule:") {
                Some(rule) => rules.check(rule).map(|()| ColumnChat::GroupsOf(rule.to_owned())),
                None => Ok(ColumnChat::Chat(ChatId::new(text)?)),
            });
        let chats = chats.get();
        let every = reader.schedule("every").get();
        let zone = reader.zone("zone").maybe();
        let items = reader.list("items").count(0..=50).texts().get();
        let min_items = reader.integer("min_items").range(0..=50).get();
        let lateness = reader.duration("lateness").range(Duration::ZERO..=7 * 24 * HOUR).get();
        let on_holiday = reader.text("on_holiday").one_of(&ON_HOLIDAY).maybe();
        let on_makeup_workday = reader.text("on_makeup_workday").one_of(&ON_MAKEUP_WORKDAY).maybe();
        let enabled = reader.boolean("enabled").get();
        Some(Self {
            id: id?,
            title: title?,
            app: app?,
            chats: chats?,
            every: every?,
            zone,
            items: items?,
            min_items: min_items?,
            lateness: lateness?,
            on_holiday,
            on_makeup_workday,
            enabled: enabled?,
        })
    }
}
