//! A column as TOML: how the configuration, a chat and the database all write it.

use std::time::Duration;

use hutong_model::{AppId, ChatId, Timestamp, UserId};
use toml::{Table, Value};

use super::config::{Column, ColumnChat, Quiet};
use super::store;
use crate::config::{
    NthWorkday, ON_HOLIDAY, ON_MAKEUP_WORKDAY, ScheduleSpec, Who, duration_text, parse_duration, parse_nth_weekday,
    parse_time, parse_weekday,
};
use crate::directory::PersonId;
use crate::store::{StoreError, Tx};

fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

fn list<T: ToString>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(|i| quoted(&i.to_string())).collect();
    format!("[{}]", items.join(", "))
}

/// The block that says the same in the configuration.
pub fn toml(column: &Column) -> String {
    let mut out = String::from("[[column]]\n");
    let mut line = |key: &str, value: String| {
        out.push_str(key);
        out.push_str(" = ");
        out.push_str(&value);
        out.push('\n');
    };
    line("id", quoted(&column.id));
    line("title", quoted(&column.title));
    line("app", quoted(column.app.as_str()));
    line("chats", list(&column.chats));
    line("every", column.every.toml());
    if let Some(zone) = column.zone {
        line("zone", quoted(zone.name()));
    }
    if !column.items.is_empty() {
        line("items", list(&column.items));
    }
    line("min_items", column.min_items.to_string());
    line("lateness", quoted(&duration_text(column.lateness)));
    let word = |words: &[(&'static str, _)], wanted| words.iter().find(|(_, w)| *w == wanted).map(|(t, _)| quoted(t));
    if let Some(text) = column.on_holiday.and_then(|policy| word(&ON_HOLIDAY, policy)) {
        line("on_holiday", text);
    }
    let makeup = column
        .on_makeup_workday
        .and_then(|policy| ON_MAKEUP_WORKDAY.iter().find(|(_, p)| *p == policy));
    if let Some((text, _)) = makeup {
        line("on_makeup_workday", quoted(text));
    }
    let at = |time: chrono::NaiveTime| quoted(&time.format("%H:%M").to_string());
    line(
        "quiet",
        format!("{{ from = {}, to = {} }}", at(column.quiet.from), at(column.quiet.to)),
    );
    for (key, people) in [
        ("editors", &column.editors),
        ("deputies", &column.deputies),
        ("reviewers", &column.reviewers),
    ] {
        if !people.is_empty() {
            line(key, list(people));
        }
    }
    if !column.enabled {
        line("enabled", "false".to_owned());
    }
    out
}

fn every(value: &Value) -> Option<ScheduleSpec> {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    if let Some(cron) = text("cron") {
        return Some(ScheduleSpec::Cron(cron.to_owned()));
    }
    let time = parse_time(text("time")?)?;
    if let Some(weekday) = text("weekday") {
        let weekday = parse_weekday(weekday)?;
        return Some(ScheduleSpec::Weekly { weekday, time });
    }
    if let Some(day) = value.get("day").and_then(Value::as_integer) {
        let day = u8::try_from(day).ok()?;
        return Some(ScheduleSpec::Monthly { day, time });
    }
    let nth = text("nth")?;
    match (NthWorkday::parse(nth), parse_nth_weekday(nth)) {
        (Some(nth), _) => Some(ScheduleSpec::NthWorkday { nth, time }),
        (None, Some((nth, weekday))) => Some(ScheduleSpec::NthWeekday { nth, weekday, time }),
        (None, None) => None,
    }
}

fn who(text: &str) -> Option<Who> {
    match text.split_once(':') {
        Some((app, user)) => Some(Who::User {
            app: AppId::new(app).ok()?,
            user: UserId::new(user).ok()?,
        }),
        None => Some(Who::Employee(text.to_owned())),
    }
}

/// Reads what [`toml`] wrote.
pub fn parse(text: &str) -> Option<Column> {
    let file: Table = text.parse().ok()?;
    let block = file.get("column")?.as_array()?.first()?;
    let string = |key: &str| block.get(key).and_then(Value::as_str);
    let texts = |key: &str| -> Vec<String> {
        let list = block.get(key).and_then(Value::as_array);
        let texts = list.into_iter().flatten().filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    };
    let people = |key: &str| -> Vec<Who> { texts(key).iter().filter_map(|t| who(t)).collect() };
    let quiet = block.get("quiet").and_then(|q| {
        let at = |key: &str| q.get(key).and_then(Value::as_str).and_then(parse_time);
        Some(Quiet {
            from: at("from")?,
            to: at("to")?,
        })
    });
    Some(Column {
        id: string("id")?.to_owned(),
        title: string("title")?.to_owned(),
        app: AppId::new(string("app")?).ok()?,
        chats: texts("chats").iter().filter_map(|t| audience(t)).collect(),
        every: every(block.get("every")?)?,
        zone: string("zone").and_then(|z| z.parse().ok()),
        items: texts("items"),
        min_items: block
            .get("min_items")
            .and_then(Value::as_integer)
            .and_then(|n| u32::try_from(n).ok())?,
        lateness: string("lateness")
            .and_then(parse_duration)
            .unwrap_or(Duration::from_secs(7_200)),
        on_holiday: string("on_holiday").and_then(|t| ON_HOLIDAY.iter().find(|(w, _)| *w == t).map(|(_, p)| *p)),
        on_makeup_workday: string("on_makeup_workday")
            .and_then(|t| ON_MAKEUP_WORKDAY.iter().find(|(w, _)| *w == t).map(|(_, p)| *p)),
        quiet: quiet.unwrap_or_default(),
        editors: people("editors"),
        deputies: people("deputies"),
        reviewers: people("reviewers"),
        enabled: block.get("enabled").and_then(Value::as_bool).unwrap_or(true),
    })
}

/// One place a column goes to, as it is typed.
pub fn audience(text: &str) -> Option<ColumnChat> {
    if let Some(rule) = text.strip_prefix("rule:") {
        return Some(ColumnChat::GroupsOf(rule.to_owned()));
    }
    if let Some(name) = text.strip_prefix("dept:") {
        return Some(ColumnChat::Department(name.to_owned()));
    }
    if let Some(id) = text.strip_prefix("segment:") {
        return Some(ColumnChat::Segment(id.to_owned()));
    }
    ChatId::new(text).ok().map(ColumnChat::Chat)
}

/// Columns that were made in a chat, by id.
pub async fn stored(tx: &mut Tx) -> Result<Vec<Column>, StoreError> {
    store::plans(tx)
        .await?
        .iter()
        .map(|text| {
            parse(text).ok_or_else(|| StoreError::Broken("a column that was made in a chat cannot be read".to_owned()))
        })
        .collect()
}

/// Keeps a column that was made, or changed, in a chat, and has the schedule read again.
pub async fn keep(tx: &mut Tx, column: &Column, by: &PersonId, at: Timestamp) -> Result<(), StoreError> {
    store::keep_plan(tx, &column.id, toml(column), by, at).await?;
    crate::schedule::touch(tx).await
}
