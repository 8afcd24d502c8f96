//! `[[column]]`: something that appears in groups again and again.

use std::fmt;
use std::time::Duration;

use chrono::NaiveTime;
use chrono_tz::Tz;
use hutong_model::{AppId, ChatId};

use crate::config::{ON_HOLIDAY, ON_MAKEUP_WORKDAY, OnHoliday, OnMakeupWorkday, Reader, ScheduleSpec, Section, Who};

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
    /// Hours in which nothing late is sent.
    pub quiet: Quiet,
    /// Who writes it; nobody named: everybody with the role.
    pub editors: Vec<Who>,
    /// Who is reminded when no editor is there.
    pub deputies: Vec<Who>,
    /// Who reviews it; nobody named: everybody with the role.
    pub reviewers: Vec<Who>,
    pub enabled: bool,
}

/// From when to when, over midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet {
    pub from: NaiveTime,
    pub to: NaiveTime,
}

impl Default for Quiet {
    fn default() -> Self {
        let at = |h, m| NaiveTime::from_hms_opt(h, m, 0).unwrap_or(NaiveTime::MIN);
        Self {
            from: at(21, 0),
            to: at(8, 30),
        }
    }
}

impl Quiet {
    pub fn holds(&self, time: NaiveTime) -> bool {
        match self.from <= self.to {
            true => time >= self.from && time < self.to,
            false => time >= self.from || time < self.to,
        }
    }
}

/// Where a column appears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnChat {
    Chat(ChatId),
    /// `rule:ID`: every group of that `[[group_rule]]`.
    GroupsOf(String),
    /// `dept:NAME`: the groups of this department; `dept:*`: of every department.
    Department(String),
    /// `segment:ID`: every person of a segment, in private.
    Segment(String),
}

impl fmt::Display for ColumnChat {
    /// As it is written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ColumnChat::Chat(chat) => write!(f, "{chat}"),
            ColumnChat::GroupsOf(rule) => write!(f, "rule:{rule}"),
            ColumnChat::Department(name) => write!(f, "dept:{name}"),
            ColumnChat::Segment(id) => write!(f, "segment:{id}"),
        }
    }
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
        let segments = reader.ids_of("segment");
        let apps: Vec<&str> = reader.app_ids().collect();
        let mut people = |name| {
            let list = reader.list(name).count(0..=20).unique();
            list.each(|text| Who::parse(&text, &apps)).get()
        };
        let (editors, deputies, reviewers) = (people("editors"), people("deputies"), people("reviewers"));
        let chats = reader
            .list("chats")
            .count(1..=500)
            .unique()
            .each(|text| match text.strip_prefix("rule:") {
                Some(rule) => rules.check(rule).map(|()| ColumnChat::GroupsOf(rule.to_owned())),
                None => match (text.strip_prefix("dept:"), text.strip_prefix("segment:")) {
                    (Some(name), _) => Ok(ColumnChat::Department(name.to_owned())),
                    (_, Some(id)) => segments.check(id).map(|()| ColumnChat::Segment(id.to_owned())),
                    _ => Ok(ColumnChat::Chat(ChatId::new(text)?)),
                },
            });
        let chats = chats.get();
        let every = reader.schedule("every").get();
        let zone = reader.zone("zone").maybe();
        let items = reader.list("items").count(0..=50).texts().get();
        let min_items = reader.integer("min_items").range(0..=50).get();
        let lateness = reader.duration("lateness").range(Duration::ZERO..=7 * 24 * HOUR).get();
        let on_holiday = reader.text("on_holiday").one_of(&ON_HOLIDAY).maybe();
        let on_makeup_workday = reader.text("on_makeup_workday").one_of(&ON_MAKEUP_WORKDAY).maybe();
        let quiet = reader.table("quiet", |reader| {
            let (from, to) = (reader.time("from").get(), reader.time("to").get());
            Some(Quiet { from: from?, to: to? })
        });
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
            quiet: quiet?,
            editors: editors?,
            deputies: deputies?,
            reviewers: reviewers?,
            enabled: enabled?,
        })
    }
}
