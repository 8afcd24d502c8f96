//! What the bot says about days of work and days off.

use chrono::{Datelike as _, NaiveDate};

use super::Lang;
use super::commands::CommandText;

#[derive(Debug, Clone)]
pub enum Say<'a> {
    MonthTitle {
        first: NaiveDate,
        worked: usize,
    },
    Off {
        name: &'a str,
        from: NaiveDate,
        to: NaiveDate,
    },
    Makeup {
        days: &'a [NaiveDate],
    },
    Mine {
        days: &'a [NaiveDate],
    },
    YearUnknown {
        year: i32,
    },
    YearMissing {
        year: i32,
    },
    NothingOff,
    MonthNote {
        zone: &'a str,
        link: Option<&'a str>,
    },
    NoMonth,
    NoDates,
    ConfigWins {
        date: NaiveDate,
    },
    NothingChanged,
    DayOffSet {
        from: NaiveDate,
        to: NaiveDate,
        name: &'a str,
    },
    DayOffGone {
        n: usize,
    },
    MineSet {
        from: NaiveDate,
        to: NaiveDate,
    },
    MineGone {
        from: NaiveDate,
        to: NaiveDate,
    },
}

fn list(days: &[NaiveDate]) -> String {
    let days: Vec<String> = days.iter().map(|d| d.format("%m-%d").to_string()).collect();
    days.join(" ")
}

fn span(from: &NaiveDate, to: &NaiveDate, word: &str) -> String {
    match from == to {
        true => from.format("%m-%d").to_string(),
        false => format!("{}{word}{}", from.format("%m-%d"), to.format("%m-%d")),
    }
}

impl Say<'_> {
    pub fn in_lang(&self, lang: Lang) -> String {
        match lang {
            Lang::Zh => self.zh(),
            Lang::En => self.en(),
        }
    }

    fn zh(&self) -> String {
        match self {
            Say::MonthTitle { first, worked } => {
                format!("{}年{}月 · 工作日 {worked} 天", first.year(), first.month())
            }
            Say::Off { name, from, to } => format!("放假 {} {name}", span(from, to, " 至 ")),
            Say::Makeup { days } => format!("调休上班 {}", list(days)),
            Say::Mine { days } => format!("我休 {}", list(days)),
            Say::YearUnknown { year } => format!("{year} 年的放假安排还没有,暂按周一到周五计算"),
            Say::YearMissing { year } => format!(
                "{year} 年的放假安排文件还没有配置,到时会按周一到周五计算。通知发布后,把文件加到 [calendar] national 里再重启。"
            ),
            Say::NothingOff => "这个月没有节假日,也没有调休上班".to_owned(),
            Say::MonthNote { zone, link: None } => format!("时区 {zone}"),
            Say::MonthNote { zone, link: Some(link) } => format!("时区 {zone} · 订阅日历 {link}"),
            Say::NoMonth => "没看懂是哪个月。发 /日历 本月 或 /日历 2026-12".to_owned(),
            Say::NoDates => "没看懂日期。写 2026-12-01,或 2026-12-01..2026-12-03(先早后晚)。".to_owned(),
            Say::ConfigWins { date } => {
                format!("{date} 的假期写在配置文件或放假安排里,以那里为准;要改请改 [calendar] days_off。")
            }
            Say::NothingChanged => "没有变化:这些日子本来就是这样。".to_owned(),
            Say::DayOffSet { from, to, name } => {
                format!(
                    "已记下:{} {name} 放假。那天的栏目会按各自的规则挪动。",
                    span(from, to, " 至 ")
                )
            }
            Say::DayOffGone { n } => format!("已取消 {n} 天的公司假期。"),
            Say::MineSet { from, to } => format!(
                "已记下你休 {}。这几天给你的提醒会转给代理人。取消请在后面加「取消」。",
                span(from, to, " 至 ")
            ),
            Say::MineGone { from, to } => format!("已取消你 {} 的休假。", span(from, to, " 至 ")),
        }
    }

    fn en(&self) -> String {
        match self {
            Say::MonthTitle { first, worked } => format!("{} · {worked} workdays", first.format("%Y-%m")),
            Say::Off { name, from, to } => format!("off {} {name}", span(from, to, " to ")),
            Say::Makeup { days } => format!("worked weekend days {}", list(days)),
            Say::Mine { days } => format!("you are off {}", list(days)),
            Say::YearUnknown { year } => {
                format!("The public holidays of {year} are not known yet: Monday to Friday count as workdays")
            }
            Say::YearMissing { year } => format!(
                "The holiday file for {year} is not configured; Monday to Friday will count as workdays. When the notice is out, add the file to [calendar] national and restart."
            ),
            Say::NothingOff => "No holidays this month, and no worked weekend".to_owned(),
            Say::MonthNote { zone, link: None } => format!("zone {zone}"),
            Say::MonthNote { zone, link: Some(link) } => format!("zone {zone} · subscribe {link}"),
            Say::NoMonth => "Which month? /calendar month, or /calendar month 2026-12".to_owned(),
            Say::NoDates => "Which days? Write 2026-12-01, or 2026-12-01..2026-12-03, the earlier first.".to_owned(),
            Say::ConfigWins { date } => format!(
                "{date} is off by the configuration or the yearly notice, and that wins; change [calendar] days_off."
            ),
            Say::NothingChanged => "Nothing changed: those days were like that before.".to_owned(),
            Say::DayOffSet { from, to, name } => format!(
                "Noted: {} {name} is off. Columns of that day move by their own policy.",
                span(from, to, " to ")
            ),
            Say::DayOffGone { n } => format!("{n} company days off are taken back."),
            Say::MineSet { from, to } => format!(
                "Noted: you are off {}. Reminders for you go to your deputy. Add \"cancel\" to take it back.",
                span(from, to, " to ")
            ),
            Say::MineGone { from, to } => format!("Your days off {} are taken back.", span(from, to, " to ")),
        }
    }
}

pub const COMMANDS: &[CommandText] = &[
    CommandText {
        id: "calendar.month",
        zh: &["日历", "日历 本月"],
        en: &["calendar month", "calendar"],
        about_zh: "看一个月的工作日、放假和调休",
        about_en: "Workdays, days off and worked weekends of a month",
        usage_zh: "/日历 本月\n/日历 2026-12",
        usage_en: "/calendar month\n/calendar month 2026-12",
    },
    CommandText {
        id: "calendar.mine",
        zh: &["日历 我休"],
        en: &["calendar off"],
        about_zh: "记下自己休假的日子",
        about_en: "Note the days you are off",
        usage_zh: "/日历 我休 2026-12-01..2026-12-03",
        usage_en: "/calendar off 2026-12-01..2026-12-03",
    },
    CommandText {
        id: "calendar.holiday",
        zh: &["日历 假期"],
        en: &["calendar holiday"],
        about_zh: "设公司假期",
        about_en: "Enter a company day off",
        usage_zh: "/日历 假期 2026-12-31 公司调休",
        usage_en: "/calendar holiday 2026-12-31 bridging day",
    },
];
