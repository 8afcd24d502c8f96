//! What commands are called and how they are explained, in both languages, and what is said about
//! arguments that do not fit.

use super::Lang;
use crate::commands::{ArgKind, ArgProblem};

/// Names and help of one command.
#[derive(Debug, Clone, Copy)]
pub struct CommandText {
    /// The id that code uses, `rule.verb`.
    pub id: &'static str,
    /// Names without the slash; the first of each is shown in help.
    pub zh: &'static [&'static str],
    pub en: &'static [&'static str],
    /// What it does, one line.
    pub about_zh: &'static str,
    pub about_en: &'static str,
    /// Usage, one or two example lines, without the mention of the bot.
    pub usage_zh: &'static str,
    pub usage_en: &'static str,
}

/// All commands of the program, in the order of the help.
pub const ALL: &[CommandText] = &[
    CommandText {
        id: "service.me",
        zh: &["我"],
        en: &["me"],
        about_zh: "我的身份、角色和近况",
        about_en: "who I am here, my roles and what is new for me",
        usage_zh: "/我",
        usage_en: "/me",
    },
    CommandText {
        id: "service.lang",
        zh: &["语言"],
        en: &["lang"],
        about_zh: "选择我和你说中文还是英文",
        about_en: "choose the language I speak to you",
        usage_zh: "/语言 zh\n/语言 en",
        usage_en: "/lang zh\n/lang en",
    },
    CommandText {
        id: "service.health",
        zh: &["体检"],
        en: &["health"],
        about_zh: "看看我工作得怎么样",
        about_en: "how I am doing",
        usage_zh: "/体检\n/体检 应用=feishu",
        usage_en: "/health\n/health app=feishu",
    },
    CommandText {
        id: "service.help",
        zh: &["帮助"],
        en: &["help"],
        about_zh: "你在这里能用的命令",
        about_en: "what you can do here",
        usage_zh: "/帮助\n/帮助 语言",
        usage_en: "/help\n/help lang",
    },
    CommandText {
        id: "groups.preview",
        zh: &["建群 预览"],
        en: &["group plan"],
        about_zh: "先看按部门建群会改动什么,不执行",
        about_en: "see what the department groups rule would change, without doing it",
        usage_zh: "/建群 预览 规则=dept-rd",
        usage_en: "/group plan rule=dept-rd",
    },
    CommandText {
        id: "groups.apply",
        zh: &["建群 执行"],
        en: &["group apply"],
        about_zh: "执行预览过的那份计划",
        about_en: "carry out exactly the plan you have seen",
        usage_zh: "/建群 执行 规则=dept-rd 计划=7f3a2b",
        usage_en: "/group apply rule=dept-rd plan=7f3a2b",
    },
    CommandText {
        id: "groups.undo",
        zh: &["建群 撤销"],
        en: &["group undo"],
        about_zh: "撤销 30 天内执行过的计划:先看,再执行",
        about_en: "take back a plan of the last 30 days: look first, then apply",
        usage_zh: "/建群 撤销 计划=7f3a2b",
        usage_en: "/group undo plan=7f3a2b",
    },
    CommandText {
        id: "groups.rule",
        zh: &["群 规则"],
        en: &["group rule"],
        about_zh: "查看、暂停、恢复一条建群规则",
        about_en: "show, pause or resume a group rule",
        usage_zh: "/群 规则 查看 dept-rd\n/群 规则 暂停 dept-rd",
        usage_en: "/group rule show dept-rd\n/group rule pause dept-rd",
    },
    CommandText {
        id: "groups.join",
        zh: &["加入 群"],
        en: &["join group"],
        about_zh: "回到自己退出过的部门群或分层群",
        about_en: "come back to a group that you have left",
        usage_zh: "/加入 群 嵌入式组·技术交流",
        usage_en: "/join group Embedded·Tech",
    },
    CommandText {
        id: "groups.leave",
        zh: &["退出 群"],
        en: &["leave group"],
        about_zh: "退出一个可选的部门群或分层群,以后不再拉你",
        about_en: "leave an optional group for good",
        usage_zh: "/退出 群 嵌入式组·技术交流",
        usage_en: "/leave group Embedded·Tech",
    },
];

/// Every command of every speaker.
pub fn all() -> impl Iterator<Item = &'static CommandText> {
    ALL.iter()
        .chain(super::points::COMMANDS)
        .chain(super::columns::COMMANDS)
        .chain(super::review::COMMANDS)
        .chain(super::calendar::COMMANDS)
        .chain(super::reports::COMMANDS)
        .chain(super::segments::COMMANDS)
        .chain(super::newcomers::COMMANDS)
        .chain(super::directory::COMMANDS)
        .chain(super::noise::COMMANDS)
        .chain(super::rehearse::COMMANDS)
}

/// The texts of a command id.
pub fn of(id: &str) -> Option<&'static CommandText> {
    all().find(|c| c.id == id)
}

/// What is wrong with an argument, and what would be right. One line.
pub fn problem(problem: &ArgProblem, lang: Lang) -> String {
    match lang {
        Lang::Zh => problem_zh(problem),
        Lang::En => problem_en(problem),
    }
}

fn short(typed: &str) -> String {
    let mut text: String = typed.chars().take(20).collect();
    if typed.chars().count() > 20 {
        text.push('…');
    }
    text
}

fn problem_zh(problem: &ArgProblem) -> String {
    let name = |arg: &crate::commands::ArgSpec| arg.shown(Lang::Zh);
    match problem {
        ArgProblem::Missing(arg) => match arg.kind {
            ArgKind::Person => "还缺一个人:请 @ 一下 TA".to_owned(),
            _ if arg.positional => format!("还缺「{}」,直接写在后面就行", name(arg)),
            _ => format!("还缺「{0}」,写成 {0}=…", name(arg)),
        },
        ArgProblem::Empty(arg) => format!("「{}」是空的,请填上内容", name(arg)),
        ArgProblem::Twice(arg) => format!("「{}」写了两次,留一个就好", name(arg)),
        ArgProblem::TooLong(arg) => {
            format!("「{}」太长了,最多 {} 字", name(arg), crate::commands::MAX_VALUE_CHARS)
        }
        ArgProblem::NotInteger { arg, typed, min, max } => {
            format!("「{}」是「{}」,需要 {min} 到 {max} 的整数", name(arg), short(typed))
        }
        ArgProblem::NotDate { arg, typed } => {
            format!("「{}」是「{}」,需要日期,例如 2026-11-24", name(arg), short(typed))
        }
        ArgProblem::NotTime { arg, typed } => {
            format!(
                "「{}」是「{}」,需要 24 小时制的时间,例如 09:30",
                name(arg),
                short(typed)
            )
        }
        ArgProblem::NotChoice { arg, typed, choices } => {
            format!("「{}」是「{}」,可以填:{}", name(arg), short(typed), choices.join("、"))
        }
        ArgProblem::NeedsMention { arg, typed } => format!(
            "「{}」是「{}」,同名的人可能不止一位,请用 @ 选中 TA",
            name(arg),
            short(typed)
        ),
        ArgProblem::UnknownKey { typed, closest } => match closest {
            Some(meant) => format!("没有「{}」这一项,是不是「{meant}」?", short(typed)),
            None => format!("没有「{}」这一项", short(typed)),
        },
        ArgProblem::Extra { typed } => format!("「{}」多出来了,去掉它再试", short(typed)),
    }
}

fn problem_en(problem: &ArgProblem) -> String {
    let name = |arg: &crate::commands::ArgSpec| arg.shown(Lang::En);
    match problem {
        ArgProblem::Missing(arg) => match arg.kind {
            ArgKind::Person => "A person is missing: mention them with @".to_owned(),
            _ if arg.positional => format!("\"{}\" is missing: just write it at the end", name(arg)),
            _ => format!("\"{0}\" is missing: write {0}=…", name(arg)),
        },
        ArgProblem::Empty(arg) => format!("\"{}\" is empty: please fill it in", name(arg)),
        ArgProblem::Twice(arg) => format!("\"{}\" is there twice: keep one", name(arg)),
        ArgProblem::TooLong(arg) => format!(
            "\"{}\" is too long: at most {} characters",
            name(arg),
            crate::commands::MAX_VALUE_CHARS
        ),
        ArgProblem::NotInteger { arg, typed, min, max } => {
            format!(
                "\"{}\" is \"{}\": a whole number from {min} to {max} is needed",
                name(arg),
                short(typed)
            )
        }
        ArgProblem::NotDate { arg, typed } => {
            format!(
                "\"{}\" is \"{}\": a date is needed, such as 2026-11-24",
                name(arg),
                short(typed)
            )
        }
        ArgProblem::NotTime { arg, typed } => {
            format!(
                "\"{}\" is \"{}\": a time of day is needed, such as 09:30",
                name(arg),
                short(typed)
            )
        }
        ArgProblem::NotChoice { arg, typed, choices } => {
            format!(
                "\"{}\" is \"{}\": it can be {}",
                name(arg),
                short(typed),
                choices.join(", ")
            )
        }
        ArgProblem::NeedsMention { arg, typed } => format!(
            "\"{}\" is \"{}\": names are not unique, please pick the person with @",
            name(arg),
            short(typed)
        ),
        ArgProblem::UnknownKey { typed, closest } => match closest {
            Some(meant) => format!("There is no \"{}\": did you mean \"{meant}\"?", short(typed)),
            None => format!("There is no \"{}\"", short(typed)),
        },
        ArgProblem::Extra { typed } => format!("\"{}\" is too much: leave it out", short(typed)),
    }
}
