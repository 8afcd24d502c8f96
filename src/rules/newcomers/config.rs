//! `[onboard]`: how newcomers are received.

use std::time::Duration;

use chrono::NaiveTime;
use hutong_model::{AppId, ChatId};

use crate::config::{Reader, Section, Wrong};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Onboard {
    /// Groups that are told how many have come. Empty: no group is told anything.
    pub groups: Vec<Place>,
    /// Joins within this time are one welcome.
    pub merge_window: Duration,
    /// When more people than this come at a time, no group is told.
    pub mass_import_over: usize,
    /// Working days after the first day on which somebody is asked how they are; grows.
    pub checkins: Vec<u16>,
    pub buddy: BuddyFrom,
    /// What a newcomer should read.
    pub links: Vec<Link>,
    /// Nothing is sent before `from` and from `until` on, nor on days off.
    pub from: NaiveTime,
    pub until: NaiveTime,
    /// Welcome texts of the file; what operators write comes on top.
    pub words: Vec<Words>,
}

/// A group that is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Chat(AppId, ChatId),
    /// `rule:ID`: the groups of that `[[group_rule]]`, each for its own people.
    GroupsOf(String),
}

/// Where buddies come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuddyFrom {
    /// The same department, rather from another team than from the own.
    SameDeptOtherTeam,
    Nobody,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub label: String,
    pub url: String,
}

/// One way to say welcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    pub id: String,
    pub text: String,
    /// How often it is used, relative to the others; 0: no longer.
    pub weight: u32,
}

/// Longest welcome text, in characters.
pub const LONGEST_WORDS: usize = 200;
pub const HEAVIEST: u32 = 100;

impl Section for Onboard {
    const NAME: &'static str = "onboard";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let apps: Vec<&str> = reader.app_ids().collect();
        let rules = reader.ids_of("group_rule");
        let groups = reader
            .list("groups")
            .count(0..=50)
            .unique()
            .each(|text| match text.strip_prefix("rule:") {
                Some(rule) => rules.check(rule).map(|()| Place::GroupsOf(rule.to_owned())),
                None => chat(&text, &apps),
            });
        let groups = groups.get();
        let minute = Duration::from_secs(60);
        let merge_window = reader
            .duration("merge_window")
            .range(Duration::ZERO..=60 * minute)
            .get();
        let mass_import_over = reader.integer("mass_import_over").range(1..=10_000usize).get();
        let checkins = reader.list("checkins").count(0..=6).each(|text| workdays(&text));
        let checkins = checkins
            .parse(|days| match days.windows(2).all(|pair| pair[0] < pair[1]) {
                true => Ok(days),
                false => Err(Wrong::new("the days do not grow", "write them in order, each once")),
            })
            .get();
        let from_buddies = [
            ("same_dept_other_team", BuddyFrom::SameDeptOtherTeam),
            ("none", BuddyFrom::Nobody),
        ];
        let buddy = reader.text("buddy").one_of(&from_buddies).get();
        let links = reader.list("links").count(0..=3).each(|text| link(&text)).get();
        let from = reader.time("from").get();
        let until = reader.time("until").get();
        let words = reader.tables("words", |table| {
            let id = table.id("id").get();
            let text = table.text("text").length(1..=LONGEST_WORDS).get();
            let weight = table.integer("weight").range(0..=HEAVIEST).get();
            Some(Words {
                id: id?,
                text: text?,
                weight: weight?,
            })
        });
        let (from, until) = (from?, until?);
        if until <= from {
            let what = "nothing could ever be sent";
            reader.wrong("until", Wrong::new(what, "use a time of the same day after `from`"));
            return None;
        }
        Some(Self {
            groups: groups?,
            merge_window: merge_window?,
            mass_import_over: mass_import_over?,
            checkins: checkins?,
            buddy: buddy?,
            links: links?,
            from,
            until,
            words: words?,
        })
    }
}

fn chat(text: &str, apps: &[&str]) -> Result<Place, Wrong> {
    let hint = "write \"APP:CHAT_ID\", or \"rule:ID\" for the groups of a [[group_rule]]";
    match text.split_once(':') {
        Some((app, chat)) if apps.contains(&app) => Ok(Place::Chat(AppId::new(app)?, ChatId::new(chat)?)),
        _ => Err(Wrong::new(format!("{text:?} names no group"), hint)),
    }
}

/// `3wd`: the third working day after the first day.
fn workdays(text: &str) -> Result<u16, Wrong> {
    let count = text.strip_suffix("wd").and_then(|n| n.parse().ok());
    count.filter(|n| (1..=90).contains(n)).ok_or_else(|| {
        Wrong::new(
            format!("{text:?} is no number of working days"),
            "write 1wd to 90wd, for example \"3wd\"",
        )
    })
}

/// `label https://..`.
fn link(text: &str) -> Result<Link, Wrong> {
    let wrong = || {
        Wrong::new(
            format!("{text:?} is no link"),
            "write a label, a space and an address, for example \"新人手册 https://wiki.example.com/start\"",
        )
    };
    let (label, url) = text.trim().rsplit_once(' ').ok_or_else(wrong)?;
    let label = label.trim();
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let good = host.is_some_and(|h| !h.is_empty() && !h.starts_with('/'))
        && !url.contains(|c: char| c.is_control() || c.is_whitespace() || matches!(c, '\\' | '"' | '<' | '>' | '|'));
    let short = (1..=20).contains(&label.chars().count()) && !label.chars().any(char::is_control);
    match good && short && url.len() <= 500 {
        true => Ok(Link {
            label: label.to_owned(),
            url: url.to_owned(),
        }),
        false => Err(wrong()),
    }
}
