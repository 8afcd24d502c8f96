//! What the bot says about how much it says.

use super::Lang;
use super::commands::CommandText;

#[derive(Debug, Clone)]
pub enum Say<'a> {
    DigestTitle { count: usize },
    OnlyInGroup,
    BadDays { typed: &'a str },
    Muted { until: &'a str },
    Unmuted { waiting: u32 },
    NotMuted,
    Standing { used: u32, limit: u32, waiting: u32 },
    StandingMuted { until: &'a str },
    NextMorning { at: &'a str },
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
            Say::DigestTitle { count } => format!("汇总 · {count} 条一起看"),
            Say::OnlyInGroup => "静音按群设置,请在那个群里 @我 发 /静音 群 3天".to_owned(),
            Say::BadDays { typed } => format!("没看懂「{typed}」。请写 1 到 30 天,例如 /静音 群 3天"),
            Say::Muted { until } => {
                format!("好的,{until} 之前我不在本群主动发言;提问照常回答,必读照常发,其余攒到之后的工作日早上")
            }
            Say::Unmuted { waiting: 0 } => "好的,本群恢复正常,没有攒下的消息".to_owned(),
            Say::Unmuted { waiting } => format!("好的,本群恢复正常;攒下的 {waiting} 条在下个工作日早上发"),
            Say::NotMuted => "本群没有静音".to_owned(),
            Say::Standing {
                used,
                limit: 0,
                waiting,
            } => format!("今天主动发言 {used} 条(不限),等待 {waiting} 条"),
            Say::Standing { used, limit, waiting } => format!("今天主动发言 {used}/{limit} 条,等待 {waiting} 条"),
            Say::StandingMuted { until } => format!("静音到 {until}"),
            Say::NextMorning { at } => format!("等待的在 {at} 发"),
        }
    }

    fn en(&self) -> String {
        match self {
            Say::DigestTitle { count } => format!("Digest · {count} messages in one"),
            Say::OnlyInGroup => "A mute is about a group: mention me there and send /mute group 3d".to_owned(),
            Say::BadDays { typed } => format!("\"{typed}\" is no length. Write 1 to 30 days: /mute group 3d"),
            Say::Muted { until } => format!(
                "Until {until} I say nothing here by myself. Questions are answered, must-reads are sent, the rest waits for a workday morning after that"
            ),
            Say::Unmuted { waiting: 0 } => "I speak here again; nothing was waiting".to_owned(),
            Say::Unmuted { waiting } => {
                format!("I speak here again; {waiting} waiting messages go out next workday morning")
            }
            Say::NotMuted => "This group is not muted".to_owned(),
            Say::Standing {
                used,
                limit: 0,
                waiting,
            } => {
                format!("Today {used} messages of my own (no limit), {waiting} waiting")
            }
            Say::Standing { used, limit, waiting } => {
                format!("Today {used} of {limit} messages of my own, {waiting} waiting")
            }
            Say::StandingMuted { until } => format!("muted until {until}"),
            Say::NextMorning { at } => format!("what waits leaves at {at}"),
        }
    }
}

pub const COMMANDS: &[CommandText] = &[
    CommandText {
        id: "noise.mute",
        zh: &["静音 群"],
        en: &["mute group"],
        about_zh: "让我在本群安静几天,不主动发言",
        about_en: "keep me from speaking up in this group for some days",
        usage_zh: "/静音 群 3天",
        usage_en: "/mute group 3d",
    },
    CommandText {
        id: "noise.unmute",
        zh: &["静音 取消"],
        en: &["mute off"],
        about_zh: "取消本群的静音",
        about_en: "let me speak up in this group again",
        usage_zh: "/静音 取消",
        usage_en: "/mute off",
    },
    CommandText {
        id: "noise.status",
        zh: &["静音 状态"],
        en: &["mute status"],
        about_zh: "今天我在本群主动说了几条,还有几条在等",
        about_en: "how much I said here today, and what waits",
        usage_zh: "/静音 状态",
        usage_en: "/mute status",
    },
];
