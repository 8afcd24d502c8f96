//! What the bot says in weekly reports.

use super::Lang;
use super::commands::CommandText;

#[derive(Debug, Clone)]
pub enum Say<'a> {
    Title {
        group: Option<&'a str>,
        week: u32,
        workdays: usize,
        open: bool,
    },
    Merged {
        weeks: u32,
    },
    SourceAll,
    SourceAddressed,
    /// Rate in percent, with its change in points against the week before, where both are known.
    Active {
        active: i64,
        members: i64,
        percent: i64,
        change: Option<i64>,
    },
    ActiveOnly {
        people: i64,
    },
    Interval {
        low: i64,
        high: i64,
    },
    FewPeople {
        least: u32,
    },
    BotOnly {
        people: i64,
        actions: i64,
    },
    BotFew {
        actions: i64,
    },
    Posts {
        per_day: String,
        before: Option<String>,
        replies: i64,
        light: i64,
    },
    Questions {
        asked: i64,
        answered: i64,
    },
    Median {
        minutes: i64,
        before: Option<i64>,
    },
    MedianUnknown,
    Thanks {
        all: i64,
        across: i64,
    },
    /// Of all messages, where all are seen.
    BotShare {
        bot: i64,
        all: i64,
        percent: i64,
    },
    /// Where only messages to the bot are seen: no share.
    BotSaid {
        bot: i64,
        seen: i64,
    },
    Waiting {
        questions: i64,
    },
    Quiet,
    OnlyInGroup,
    NoSuchWeek {
        week: i64,
    },
    ChartTitle,
    ChartThis,
    ChartBefore,
    ChartActive,
    ChartAsked,
    ChartAnswered,
    ChartThanks,
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
            Say::Title {
                group,
                week,
                workdays,
                open,
            } => {
                let so_far = if *open { "至今," } else { "" };
                format!("{} | 第{week}周({so_far}{workdays}个工作日)", group.unwrap_or("本群"))
            }
            Say::Merged { weeks } => format!("含之前 {weeks} 周:那几周工作日不足 3 天,并入本周"),
            Say::SourceAll => "数据来源:全部消息".to_owned(),
            Say::SourceAddressed => "数据来源:仅@机器人的消息。本群看不到其他消息,不算参与率".to_owned(),
            Say::Active {
                active,
                members,
                percent,
                change,
            } => format!("参与率 {active}/{members} 人({percent}%){}", arrow(*change)),
            Say::ActiveOnly { people } => format!("参与 {people} 人"),
            Say::Interval { low, high } => format!("95% 区间 {low}–{high}%"),
            Say::FewPeople { least } => format!("参与人数不显示(少于 {least} 人的数字不公开)"),
            Say::BotOnly { people, actions } => format!("机器人互动 {people} 人 · {actions} 次"),
            Say::BotFew { actions } => format!("机器人互动 {actions} 次"),
            Say::Posts {
                per_day,
                before,
                replies,
                light,
            } => {
                let before = before.as_ref().map(|b| format!("(上周 {b})")).unwrap_or_default();
                format!("每工作日 {per_day} 条消息{before} · 回复 {replies} · 表情和点击 {light}")
            }
            Say::Questions { asked, answered } => format!("提问 {asked} · 已答 {answered}"),
            Say::Median { minutes, before } => {
                format!("首答中位 {}(工作时间){}", spell_zh(*minutes), trend(*minutes, *before))
            }
            Say::MedianUnknown => "首答中位:多数问题还没等到回答".to_owned(),
            Say::Thanks { all, across: 0 } => format!("感谢 {all} 次"),
            Say::Thanks { all, across } => format!("感谢 {all} 次,跨部门 {across} 次"),
            Say::BotShare { bot, all, percent } => format!("机器人消息 {bot}/{all} 条({percent}%)[V1]"),
            Say::BotSaid { bot, seen } => format!("机器人消息 {bot} 条(只看得见 @ 我的 {seen} 条,不算占比)[V2]"),
            Say::Waiting { questions } => format!("待帮忙:{questions} 个问题还没人回答,看看你会不会?"),
            Say::Quiet => "这周还没有可以统计的互动。".to_owned(),
            Say::OnlyInGroup => "周报按群统计,请在群里 @我 发 /周报".to_owned(),
            Say::NoSuchWeek { week } => format!("没有可看的第 {week} 周,请写已经开始的周,例如 /周报 周=47"),
            Say::ChartTitle => "本周与上周".to_owned(),
            Say::ChartThis => "本周".to_owned(),
            Say::ChartBefore => "上周".to_owned(),
            Say::ChartActive => "参与".to_owned(),
            Say::ChartAsked => "提问".to_owned(),
            Say::ChartAnswered => "已答".to_owned(),
            Say::ChartThanks => "感谢".to_owned(),
        }
    }

    fn en(&self) -> String {
        match self {
            Say::Title {
                group,
                week,
                workdays,
                open,
            } => {
                let so_far = if *open { "so far, " } else { "" };
                format!(
                    "{} | week {week} ({so_far}{workdays} workdays)",
                    group.unwrap_or("This group")
                )
            }
            Say::Merged { weeks } => format!("Includes the {weeks} weeks before, which had fewer than 3 workdays"),
            Say::SourceAll => "Seen: all messages".to_owned(),
            Say::SourceAddressed => {
                "Seen: only messages to the bot. The rest is not visible here, so there is no participation rate"
                    .to_owned()
            }
            Say::Active {
                active,
                members,
                percent,
                change,
            } => format!("Took part: {active} of {members} ({percent}%){}", arrow(*change)),
            Say::ActiveOnly { people } => format!("Took part: {people}"),
            Say::Interval { low, high } => format!("95% interval {low}–{high}%"),
            Say::FewPeople { least } => format!("How many took part is not shown (fewer than {least} people)"),
            Say::BotOnly { people, actions } => format!("Used the bot: {people} people, {actions} times"),
            Say::BotFew { actions } => format!("Used the bot: {actions} times"),
            Say::Posts {
                per_day,
                before,
                replies,
                light,
            } => {
                let before = before.as_ref().map(|b| format!(" (before: {b})")).unwrap_or_default();
                format!("{per_day} messages a workday{before} · {replies} replies · {light} reactions and clicks")
            }
            Say::Questions { asked, answered } => format!("{asked} questions · {answered} answered"),
            Say::Median { minutes, before } => {
                format!(
                    "Median first answer {} (office hours){}",
                    spell_en(*minutes),
                    trend(*minutes, *before)
                )
            }
            Say::MedianUnknown => "Median first answer: most questions still wait".to_owned(),
            Say::Thanks { all, across: 0 } => format!("{all} thanks"),
            Say::Thanks { all, across } => format!("{all} thanks, {across} across departments"),
            Say::BotShare { bot, all, percent } => format!("Bot messages: {bot} of {all} ({percent}%) [V1]"),
            Say::BotSaid { bot, seen } => {
                format!("Bot messages: {bot} (only {seen} to the bot are seen, so no share) [V2]")
            }
            Say::Waiting { questions } => format!("Can you help? {questions} questions have no answer yet"),
            Say::Quiet => "Nothing to count this week yet.".to_owned(),
            Say::OnlyInGroup => "Reports are about groups: mention me in one and send /report".to_owned(),
            Say::NoSuchWeek { week } => {
                format!("There is no week {week} to see; name one that has begun: /report week=47")
            }
            Say::ChartTitle => "This week and the one before".to_owned(),
            Say::ChartThis => "this week".to_owned(),
            Say::ChartBefore => "before".to_owned(),
            Say::ChartActive => "people".to_owned(),
            Say::ChartAsked => "questions".to_owned(),
            Say::ChartAnswered => "answered".to_owned(),
            Say::ChartThanks => "thanks".to_owned(),
        }
    }
}

fn arrow(change: Option<i64>) -> String {
    match change {
        Some(n) if n > 0 => format!(" ▲{n}"),
        Some(n) if n < 0 => format!(" ▼{}", -n),
        _ => String::new(),
    }
}

fn trend(now: i64, before: Option<i64>) -> &'static str {
    match before {
        Some(before) if now < before => " ▼",
        Some(before) if now > before => " ▲",
        _ => "",
    }
}

fn spell_zh(minutes: i64) -> String {
    match (minutes / 60, minutes % 60) {
        (0, m) => format!("{m}分"),
        (h, 0) => format!("{h}小时"),
        (h, m) => format!("{h}小时{m}分"),
    }
}

fn spell_en(minutes: i64) -> String {
    match (minutes / 60, minutes % 60) {
        (0, m) => format!("{m} min"),
        (h, 0) => format!("{h} h"),
        (h, m) => format!("{h} h {m} min"),
    }
}

pub const COMMANDS: &[CommandText] = &[CommandText {
    id: "reports.week",
    zh: &["周报"],
    en: &["report"],
    about_zh: "看本群的周报",
    about_en: "The weekly report of this group",
    usage_zh: "/周报\n/周报 周=47",
    usage_en: "/report\n/report week=47",
}];
