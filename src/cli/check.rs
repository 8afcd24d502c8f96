//! `hutong check --config FILE`: every problem of the file, or what the configuration will do: what
//! each app sees and is able to do, when things happen next, and what the platforms rule out.

use chrono_tz::Tz;
use hutong_model::PlatformEntry;
use serde_json::json;

use crate::config::rules::columns::Column;
use crate::config::{
    Checked, Environment, Holidays, Language, Loader, OnHoliday, OnMakeupWorkday, ScheduleCheck, ScheduleSpec,
};

pub mod dates;
mod ruled_out;

use ruled_out::{RuledOut, SEES, Words, ability_words, notes, ruled_out};

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    Success,
    /// The configuration is not valid.
    BadConfig,
}

impl ExitStatus {
    /// The exit code of the process.
    pub fn code(self) -> u8 {
        match self {
            ExitStatus::Success => 0,
            ExitStatus::BadConfig => 2,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Text {
        colour: bool,
    },
    /// One line: an object with `ok: true`; or one line per problem.
    Json,
}

/// A repetition with all that its dates depend on.
#[derive(Debug, Clone, Copy)]
pub struct Planned<'a> {
    pub spec: &'a ScheduleSpec,
    pub zone: Tz,
    pub on_holiday: OnHoliday,
    pub on_makeup_workday: OnMakeupWorkday,
    pub holidays: &'a Holidays,
}

/// The next dates of a repetition, each as a text with its weekday.
pub type NextDates<'a> = dyn Fn(&Planned<'_>) -> Vec<String> + 'a;

/// So many dates are shown.
const DATES: usize = 5;

/// What there is to check.
pub struct Request<'a> {
    pub text: &'a str,
    /// For messages.
    pub file: &'a str,
    pub env: &'a dyn Environment,
    pub platforms: &'a [PlatformEntry],
    /// `None`: only the form of repetitions is checked.
    pub schedule_check: Option<&'a ScheduleCheck<'a>>,
    pub next_dates: &'a NextDates<'a>,
    pub format: Format,
}

/// [`run`] with the form of repetitions checked only, as text without colours.
pub fn check(
    text: &str,
    file: &str,
    env: &dyn Environment,
    platforms: &[PlatformEntry],
    next_dates: &NextDates<'_>,
) -> (ExitStatus, String) {
    run(&Request {
        text,
        file,
        env,
        platforms,
        schedule_check: None,
        next_dates,
        format: Format::Text { colour: false },
    })
}

/// [`run`] with the scheduler's own check and dates, after the time of the environment's clock, for the command line.
pub fn with_dates(
    text: &str,
    file: &str,
    env: &dyn Environment,
    platforms: &[PlatformEntry],
    format: Format,
) -> (ExitStatus, String) {
    let now = env.clock().now();
    run(&Request {
        text,
        file,
        env,
        platforms,
        schedule_check: Some(&dates::schedule_check(now)),
        next_dates: &dates::next_dates(now),
        format,
    })
}

/// Checks a configuration and says what it will do. Reads nothing but what it is given.
pub fn run(request: &Request<'_>) -> (ExitStatus, String) {
    let mut loader = Loader::new(request.env, request.platforms);
    if let Some(check) = request.schedule_check {
        loader = loader.schedule_check(check);
    }
    match loader.load(request.text, request.file) {
        Err(problems) => {
            let out = match request.format {
                Format::Text { colour } => problems.render(colour),
                Format::Json => problems.json_lines(),
            };
            (ExitStatus::BadConfig, out)
        }
        Ok(checked) => {
            let mut report = Report::of(&checked, request.next_dates);
            report
                .notes
                .extend(dates::coverage(&checked.holidays, request.env.clock().now()));
            let out = match request.format {
                Format::Text { .. } => report.text(request.file),
                Format::Json => report.json(request.file),
            };
            (ExitStatus::Success, out)
        }
    }
}

struct Planning {
    feature: String,
    spec: ScheduleSpec,
    zone: Tz,
    next: Vec<String>,
}

struct Report<'a> {
    checked: &'a Checked,
    plans: Vec<Planning>,
    ruled_out: Vec<RuledOut>,
    notes: Vec<Words>,
}

impl<'a> Report<'a> {
    fn of(checked: &'a Checked, next_dates: &NextDates<'_>) -> Self {
        Self {
            checked,
            plans: plans(checked, next_dates),
            ruled_out: ruled_out(checked),
            notes: notes(checked),
        }
    }

    fn say(&self, words: &Words) -> String {
        match self.checked.company.language {
            Language::Chinese => words.zh.clone(),
            Language::English => words.en.clone(),
        }
    }

    fn text(&self, file: &str) -> String {
        let zh = self.checked.company.language == Language::Chinese;
        let pick = |chinese: &str, english: &str| if zh { chinese.to_owned() } else { english.to_owned() };
        let checked = self.checked;
        let mut lines = vec![
            format!("{file}: {}", pick("没有问题", "no problems")),
            format!(
                "{} {} · {} · {} {}",
                pick("公司", "company"),
                checked.company.name,
                checked.company.zone,
                pick("数据库", "database"),
                checked.store.shown()
            ),
        ];
        for app in &checked.apps {
            let caps = app.adapter.capabilities();
            lines.push(String::new());
            lines.push(format!("{} {} ({})", pick("应用", "app"), app.id, app.kind));
            lines.push(match app.adapter.link() {
                Some(_) => format!(
                    "  {}",
                    pick(
                        "接收: 长连接 (不需要回调地址)",
                        "receives: over a long connection (no callback address needed)"
                    )
                ),
                None => format!("  {} /hook/{}", pick("接收: 回调", "receives: callbacks at"), app.id),
            });
            let sees: Vec<String> = SEES
                .iter()
                .filter(|(class, ..)| caps.sees(*class))
                .map(|(class, chinese, english)| format!("{} ({})", pick(chinese, english), class.as_str()))
                .collect();
            let sees = if sees.is_empty() {
                pick("什么也看不见,只能发送", "nothing, it only sends")
            } else {
                sees.join(pick(";", "; ").as_str())
            };
            lines.push(format!("  {} {sees}", pick("看得见:", "sees:")));
            let can: Vec<String> = caps
                .can
                .iter()
                .map(|ability| self.say(&ability_words(*ability)))
                .collect();
            lines.push(format!(
                "  {} {}",
                pick("能做:", "can:"),
                can.join(pick("、", ", ").as_str())
            ));
            for (chinese, english) in &caps.remarks {
                lines.push(format!("  {} {}", pick("说明:", "note:"), pick(chinese, english)));
            }
        }
        if !self.plans.is_empty() {
            lines.push(String::new());
            lines.push(pick("时间", "schedules"));
        }
        for plan in &self.plans {
            lines.push(format!("  {}: {} ({})", plan.feature, plan.spec.words(zh), plan.zone));
            for date in &plan.next {
                lines.push(format!("    {date}"));
            }
            if plan.next.is_empty() {
                lines.push(format!("    {}", pick("没有下一次", "no next date")));
            }
        }
        if !self.ruled_out.is_empty() {
            lines.push(String::new());
            lines.push(pick("平台做不到的", "what the platforms rule out"));
        }
        for item in &self.ruled_out {
            let app = item.app.as_ref().map_or(String::new(), |app| format!(" @ {app}"));
            lines.push(format!("  ! {}{app}: {}", item.feature, self.say(&item.why)));
        }
        if !self.notes.is_empty() {
            lines.push(String::new());
            lines.push(pick("提醒", "notes"));
        }
        for note in &self.notes {
            lines.push(format!("  - {}", self.say(note)));
        }
        lines.push(String::new());
        lines.join("\n")
    }

    fn json(&self, file: &str) -> String {
        let both = |words: &Words| json!({ "zh": words.zh, "en": words.en });
        let apps: Vec<_> = self
            .checked
            .apps
            .iter()
            .map(|app| {
                let caps = app.adapter.capabilities();
                json!({
                    "id": app.id,
                    "platform": app.kind,
                    "company": app.company,
                    "receive": if app.adapter.link().is_some() { "long_connection" } else { "callback" },
                    "hook": app.adapter.link().is_none().then(|| format!("/hook/{}", app.id)),
                    "sees": caps.sees,
                    "can": caps.can,
                    "remarks": caps.remarks.iter().map(|(zh, en)| json!({ "zh": zh, "en": en })).collect::<Vec<_>>(),
                })
            })
            .collect();
        let plans: Vec<_> = self
            .plans
            .iter()
            .map(|plan| {
                json!({
                    "feature": plan.feature,
                    "when": plan.spec.words(false),
                    "zone": plan.zone.name(),
                    "next": plan.next,
                })
            })
            .collect();
        let ruled_out: Vec<_> = self
            .ruled_out
            .iter()
            .map(|item| json!({ "feature": item.feature, "app": item.app, "why": both(&item.why) }))
            .collect();
        let value = json!({
            "ok": true,
            "file": file,
            "apps": apps,
            "schedules": plans,
            "ruled_out": ruled_out,
            "notes": self.notes.iter().map(both).collect::<Vec<_>>(),
        });
        format!("{value}\n")
    }
}

fn plans(checked: &Checked, next_dates: &NextDates<'_>) -> Vec<Planning> {
    let plan = |feature: String, spec: &ScheduleSpec, zone: Option<Tz>, column: Option<&Column>| {
        let planned = Planned {
            spec,
            zone: zone.unwrap_or(checked.company.zone),
            on_holiday: column.and_then(|c| c.on_holiday).unwrap_or(checked.schedule.on_holiday),
            on_makeup_workday: column
                .and_then(|c| c.on_makeup_workday)
                .unwrap_or(checked.schedule.on_makeup_workday),
            holidays: &checked.holidays,
        };
        let mut next = next_dates(&planned);
        next.truncate(DATES);
        Planning {
            feature,
            spec: spec.clone(),
            zone: planned.zone,
            next,
        }
    };
    let columns = checked.rules.columns.iter().filter(|column| column.enabled);
    let mut plans: Vec<Planning> = columns
        .map(|column| {
            plan(
                format!("column {} ({})", column.id, column.title),
                &column.every,
                column.zone,
                Some(column),
            )
        })
        .collect();
    plans.extend(
        checked
            .rules
            .report
            .iter()
            .map(|report| plan("report".to_owned(), &report.when, None, None)),
    );
    plans
}

#[cfg(test)]
mod tests {
    use chrono_tz::Asia;

    use super::*;
    use crate::config::tests::{APP, PLATFORMS, environment};

    const PRIVATE: &str = r#"
[[app]]
id = "wx"
platform = "fake_private"
app_id = "cli_2"
app_secret = { env = "APP_SECRET" }

[[role]]
role = "admin"
people = ["fs:u1"]

[report]

[[group_rule]]
id = "rd"
app = "fs"
department = "研发"

[[column]]
id = "news"
title = "每周资讯"
app = "wx"
chats = ["rule:rd"]
zone = "Europe/Berlin"
every = { weekday = "fri", time = "16:00" }
"#;

    fn dates_of(planned: &Planned<'_>) -> Vec<String> {
        (1..=9)
            .map(|n| format!("date {n} of {} in {}", planned.spec, planned.zone))
            .collect()
    }

    fn outcome(text: &str, format: Format) -> (ExitStatus, String) {
        run(&Request {
            text,
            file: "hutong.toml",
            env: &environment(),
            platforms: &PLATFORMS,
            schedule_check: None,
            next_dates: &dates_of,
            format,
        })
    }

    #[test]
    fn a_person_reads_what_will_happen() {
        let (status, out) = check(
            &format!("{APP}{PRIVATE}"),
            "hutong.toml",
            &environment(),
            &PLATFORMS,
            &dates_of,
        );
        insta::assert_snapshot!(out, @r"
        hutong.toml: 没有问题
        公司 本公司 · Asia/Shanghai · 数据库 sqlite://data/hutong.db

        应用 fs (fake)
          接收: 回调 /hook/fs
          看得见: @ 机器人的消息、私聊、点击 (V2)
          能做: 发到群、发私信、建群、拉人、读部门、读人员、群里的按钮
          说明: 群里只能收到 @ 机器人的消息。

        应用 wx (fake_private)
          接收: 回调 /hook/wx
          看得见: @ 机器人的消息、私聊、点击 (V2)
          能做: 发私信
          说明: 群里只能收到 @ 机器人的消息。

        时间
          column news (每周资讯): 每周五 16:00 (Europe/Berlin)
            date 1 of every Fri 16:00 in Europe/Berlin
            date 2 of every Fri 16:00 in Europe/Berlin
            date 3 of every Fri 16:00 in Europe/Berlin
            date 4 of every Fri 16:00 in Europe/Berlin
            date 5 of every Fri 16:00 in Europe/Berlin
          report: 每周一 10:00 (Asia/Shanghai)
            date 1 of every Mon 10:00 in Asia/Shanghai
            date 2 of every Mon 10:00 in Asia/Shanghai
            date 3 of every Mon 10:00 in Asia/Shanghai
            date 4 of every Mon 10:00 in Asia/Shanghai
            date 5 of every Mon 10:00 in Asia/Shanghai

        平台做不到的
          ! group_rule rd @ fs: 不能移出成员:离开部门的人留在群里
          ! group_rule rd @ fs: 不能更换群主:群主离开后要手工处理
          ! group_rule rd @ fs: 看不见成员进出:手工拉进或退出的人不会被发现
          ! column news @ wx: 不能在群里发消息:这个栏目发不出去
          ! report @ fs: 只看得见 @ 机器人的消息:「参与」是与机器人互动的人数,不是活跃率
          ! report @ fs: 「提问」「已答」「首答」只算 @ 机器人的问题,答复要点按钮才算
          ! report @ fs: 「热议」「变冷」只算栏目和带 # 的 @ 消息
          ! report @ fs: 看不见已读和确认:「读到」不显示
          ! report @ fs: 不知道群里有谁:比例不显示,只有人数
          ! report @ wx: 不能在群里发消息:周报发不到它的群

        提醒
          - 没有 public_url:消息里没有网页链接
          - 2027 年只有法定假日,调休未知:通知发布后更新节假日文件
        ");
        assert_eq!(status.code(), 0);
    }

    #[test]
    fn in_english_too() {
        let text =
            format!("[company]\nlanguage = \"en\"\n[server]\npublic_url = \"https://b.example\"\n{APP}[points]\n");
        let (_, out) = outcome(&text, Format::Text { colour: false });
        insta::assert_snapshot!(out, @r#"
        hutong.toml: no problems
        company 本公司 · Asia/Shanghai · database sqlite://data/hutong.db

        app fs (fake)
          receives: callbacks at /hook/fs
          sees: mentions, private chats, clicks (V2)
          can: post to groups, write to people, create groups, add members, list departments, list people, buttons in groups
          note: In groups it gets only messages that mention it.

        notes
          - there is no admin yet: add a [[role]] block with role = "admin"
          - 2027: only statutory holidays are known; update the holiday file after the yearly notice
        "#);
    }

    #[test]
    fn a_tool_reads_the_same() {
        let (status, out) = outcome(&format!("{APP}{PRIVATE}"), Format::Json);
        assert_eq!((status, out.lines().count()), (ExitStatus::Success, 1));
        let value: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(value["ok"], true);
        assert_eq!(value["apps"][0]["hook"], "/hook/fs");
        assert_eq!(value["apps"][0]["receive"], "callback");
        assert_eq!(value["apps"][0]["sees"], json!(["V2"]));
        assert_eq!(value["apps"][1]["can"], json!(["send_to_user"]));
        assert_eq!(value["schedules"][0]["zone"], "Europe/Berlin");
        assert_eq!(value["schedules"][1]["zone"], "Asia/Shanghai");
        assert_eq!(value["schedules"][0]["next"].as_array().unwrap().len(), DATES);
        let column = &value["ruled_out"]
            .as_array()
            .unwrap()
            .iter()
            .find(|r| r["feature"] == "column news")
            .unwrap();
        assert_eq!(
            column["why"]["en"],
            "it cannot post to groups: this column is never sent"
        );
    }

    #[test]
    fn real_dates_follow_the_clock_of_the_environment() {
        let text = format!("{APP}{PRIVATE}");
        let (_, out) = with_dates(&text, "f", &environment(), &PLATFORMS, Format::Text { colour: false });
        assert!(
            out.contains("  report: 每周一 10:00 (Asia/Shanghai)\n    2026-11-30 周一 Mon 10:00\n"),
            "{out}"
        );
        let never = "[report]\nwhen = { cron = \"0 9 30 2 *\" }\n";
        let (status, _) = with_dates(never, "f", &environment(), &PLATFORMS, Format::Json);
        assert_eq!(status, ExitStatus::BadConfig);
    }

    #[test]
    fn problems_end_with_code_two() {
        let bad = "[server]\nlisten = 1\nlisen = 2\n";
        let (status, out) = outcome(bad, Format::Text { colour: false });
        assert_eq!(status.code(), 2);
        assert!(
            out.contains("hutong.toml:2:10") && out.ends_with("hutong.toml: 2 problems\n"),
            "{out}"
        );
        let (status, out) = outcome(bad, Format::Json);
        assert_eq!((status.code(), out.lines().count()), (2, 2));
        for line in out.lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(value["file"], "hutong.toml");
        }
    }

    #[test]
    fn the_scheduler_may_refuse_a_repetition() {
        let never = |spec: &ScheduleSpec| match spec {
            ScheduleSpec::Cron(_) => Err("it never happens".to_owned()),
            _ => Ok(()),
        };
        let text = "[report]\nwhen = { cron = \"0 9 30 2 *\" }\n";
        let (status, out) = run(&Request {
            text,
            file: "f",
            env: &environment(),
            platforms: &PLATFORMS,
            schedule_check: Some(&never),
            next_dates: &dates_of,
            format: Format::Text { colour: false },
        });
        assert_eq!(status, ExitStatus::BadConfig);
        assert!(out.contains("it never happens") && out.contains("f:2:17"), "{out}");
    }

    #[test]
    fn dates_know_zone_and_holiday_policy() {
        let seen = std::cell::RefCell::new(Vec::new());
        let record = |planned: &Planned<'_>| {
            seen.borrow_mut()
                .push((planned.zone, planned.on_holiday, planned.on_makeup_workday));
            Vec::new()
        };
        let text = format!("{APP}{PRIVATE}on_holiday = \"skip\"\n[schedule]\non_makeup_workday = \"skip\"\n");
        let (_, out) = check(&text, "f", &environment(), &PLATFORMS, &record);
        assert!(out.contains("没有下一次"));
        assert_eq!(
            *seen.borrow(),
            [
                (chrono_tz::Europe::Berlin, OnHoliday::Skip, OnMakeupWorkday::Skip),
                (Asia::Shanghai, OnHoliday::NextWorkday, OnMakeupWorkday::Skip),
            ]
        );
    }
}
