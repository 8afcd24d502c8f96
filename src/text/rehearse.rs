//! What is said about a rehearsal, in chats and on the command line.

use super::Lang;
use super::commands::CommandText;

#[derive(Debug, Clone)]
pub enum Say<'a> {
    Title {
        company: &'a str,
        from: &'a str,
        to: &'a str,
        days: u32,
    },
    ChatTitle {
        days: u32,
    },
    OnCopy,
    ConfigAlone {
        why: &'a str,
    },
    Nothing,
    Groups {
        groups: usize,
        people: Option<u64>,
    },
    OneGroup {
        name: &'a str,
        people: Option<u32>,
    },
    People {
        people: usize,
    },
    OnePerson {
        name: &'a str,
    },
    Other {
        what: &'a str,
    },
    MovedOff {
        from: &'a str,
        holiday: Option<&'a str>,
    },
    MovedBudget {
        from: &'a str,
    },
    Collides {
        with: &'a str,
    },
    Budget {
        nth: u32,
        limit: u32,
    },
    Merges {
        count: usize,
    },
    DoneBy {
        time: &'a str,
    },
    Problems {
        count: usize,
    },
    Good,
    Silent {
        local: &'a str,
        source: &'a str,
    },
    Dropped {
        local: &'a str,
        source: &'a str,
        place: &'a str,
    },
    OverBudget {
        day: &'a str,
        place: &'a str,
        messages: u32,
        limit: u32,
    },
    OverBudgetGroups {
        day: &'a str,
        groups: usize,
        messages: u32,
        limit: u32,
    },
    StillWaiting {
        place: &'a str,
        messages: u32,
    },
    OverQuota {
        app: &'a str,
        month: &'a str,
        calls: u64,
        limit: u64,
    },
    Failed {
        source: &'a str,
        error: &'a str,
    },
    Usage,
    Rate {
        app: &'a str,
        api: &'a str,
        window: &'a str,
        peak: u64,
        limit: u64,
        percent: u64,
    },
    Quota {
        app: &'a str,
        month: &'a str,
        calls: u64,
        used: u64,
        limit: Option<u64>,
    },
    Total {
        messages: usize,
        groups: usize,
    },
    DiffTitle {
        against: &'a str,
    },
    DiffNone,
    Added,
    Removed,
    MovedTo {
        from: &'a str,
        to: &'a str,
    },
    Asked,
    Busy,
    BadDays {
        typed: &'a str,
    },
    Page {
        page: usize,
        pages: usize,
    },
    More,
    Gone,
    CouldNot {
        why: &'a str,
    },
}

fn people_zh(people: Option<u64>) -> String {
    people.map(|n| format!(",{n} 人")).unwrap_or_default()
}

fn people_en(people: Option<u64>) -> String {
    people.map(|n| format!(", {n} people")).unwrap_or_default()
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
                company,
                from,
                to,
                days,
            } => format!("预演 {company} · {from} 至 {to}({days} 天)"),
            Say::ChatTitle { days } => format!("预演 · 未来 {days} 天"),
            Say::OnCopy => "按数据库副本,什么也不发送".to_owned(),
            Say::ConfigAlone { why } => format!("没有数据库,只按配置({why})"),
            Say::Nothing => "这段时间我不会主动说什么".to_owned(),
            Say::Groups { groups, people } => format!("{groups} 个群{}", people_zh(*people)),
            Say::OneGroup { name, people } => format!("{name}{}", people_zh(people.map(u64::from))),
            Say::People { people } => format!("私信 {people} 人"),
            Say::OnePerson { name } => format!("私信 {name}"),
            Say::Other { what } => format!("操作 {what}"),
            Say::MovedOff { from, holiday } => format!("原定 {from}({}),已移动", holiday.unwrap_or("休息日")),
            Say::MovedBudget { from } => format!("原定 {from},群里当天已说满,移到早上"),
            Say::Collides { with } => format!("与 {with} 相隔不到 30 分钟"),
            Say::Budget { nth, limit: 0 } => format!("当天第 {nth} 条"),
            Say::Budget { nth, limit } => format!("当天第 {nth}/{limit} 条"),
            Say::Merges { count } => format!("合并 {count} 条"),
            Say::DoneBy { time } => format!("{time} 发完"),
            Say::Problems { count } => format!("要处理的 {count} 处"),
            Say::Good => "没有会被丢弃的消息,没有超额".to_owned(),
            Say::Silent { local, source } => format!("{local} {source}:到时没有内容可发"),
            Say::Dropped { local, source, place } => format!("{local} {source} → {place}:发出前就过时了"),
            Say::OverBudget {
                day,
                place,
                messages,
                limit,
            } => {
                format!("{day} {place}:超出每天 {limit} 条,{messages} 条改到早上")
            }
            Say::OverBudgetGroups {
                day,
                groups,
                messages,
                limit,
            } => {
                format!("{day} {groups} 个群:超出每天 {limit} 条,共 {messages} 条改到早上")
            }
            Say::StillWaiting { place, messages } => format!("{place}:到最后还有 {messages} 条等不到名额"),
            Say::OverQuota {
                app,
                month,
                calls,
                limit,
            } => {
                format!("{app} {month}:要调用 {calls} 次,只买了 {limit} 次")
            }
            Say::Failed { source, error } => format!("{source} 出错:{error}"),
            Say::Usage => "用量(最忙的时刻)".to_owned(),
            Say::Rate {
                app,
                api,
                window,
                peak,
                limit,
                percent,
            } => {
                format!("{app} {api} 每 {window}:{peak}/{limit}({percent}%)")
            }
            Say::Quota {
                app,
                month,
                calls,
                used,
                limit,
            } => {
                let of = limit.map_or_else(String::new, |limit| format!("/{limit}"));
                let used = match used {
                    0 => String::new(),
                    used => format!("(含已用的至少 {used} 次)"),
                };
                format!("{app} {month} 调用 {calls}{of} 次{used}")
            }
            Say::Total { messages, groups } => format!("共 {messages} 条,{groups} 个群"),
            Say::DiffTitle { against } => format!("与 {against} 相比"),
            Say::DiffNone => "没有差别".to_owned(),
            Say::Added => "新增".to_owned(),
            Say::Removed => "去掉".to_owned(),
            Say::MovedTo { from, to } => format!("{from} 改到 {to}"),
            Say::Asked => "好的,正在预演,结果私信给你".to_owned(),
            Say::Busy => "前面还有几个预演在排队,请几分钟后再试".to_owned(),
            Say::BadDays { typed } => format!("没看懂「{typed}」。请写 1 到 92 天,例如 /预演 14天"),
            Say::Page { page, pages } => format!("第 {page}/{pages} 页"),
            Say::More => "下一页".to_owned(),
            Say::Gone => "这次预演的结果已经清理,请再发一次 /预演".to_owned(),
            Say::CouldNot { why } => format!("预演没有成功:{why}。请管理员在服务器上运行 hutong rehearse 查看"),
        }
    }

    fn en(&self) -> String {
        match self {
            Say::Title {
                company,
                from,
                to,
                days,
            } => format!("Rehearsal {company} · {from} to {to} ({days} days)"),
            Say::ChatTitle { days } => format!("Rehearsal · the next {days} days"),
            Say::OnCopy => "on a copy of the store, nothing is sent".to_owned(),
            Say::ConfigAlone { why } => format!("no store, from the configuration alone ({why})"),
            Say::Nothing => "I would say nothing of my own accord".to_owned(),
            Say::Groups { groups, people } => format!("{groups} groups{}", people_en(*people)),
            Say::OneGroup { name, people } => format!("{name}{}", people_en(people.map(u64::from))),
            Say::People { people } => format!("{people} people in private"),
            Say::OnePerson { name } => format!("{name} in private"),
            Say::Other { what } => format!("change of {what}"),
            Say::MovedOff { from, holiday } => format!("moved from {from} ({})", holiday.unwrap_or("day off")),
            Say::MovedBudget { from } => format!("moved from {from}: the group had its messages of that day"),
            Say::Collides { with } => format!("within 30 minutes of {with}"),
            Say::Budget { nth, limit: 0 } => format!("number {nth} of the day"),
            Say::Budget { nth, limit } => format!("number {nth} of {limit} of the day"),
            Say::Merges { count } => format!("{count} in one"),
            Say::DoneBy { time } => format!("done by {time}"),
            Say::Problems { count } => format!("{count} to look at"),
            Say::Good => "nothing would be dropped, nothing exceeded".to_owned(),
            Say::Silent { local, source } => format!("{local} {source}: nothing to send when it is due"),
            Say::Dropped { local, source, place } => {
                format!("{local} {source} -> {place}: out of date before it leaves")
            }
            Say::OverBudget {
                day,
                place,
                messages,
                limit,
            } => {
                format!("{day} {place}: above {limit} a day, {messages} wait for the morning")
            }
            Say::OverBudgetGroups {
                day,
                groups,
                messages,
                limit,
            } => {
                format!("{day} {groups} groups: above {limit} a day, {messages} wait for the morning")
            }
            Say::StillWaiting { place, messages } => format!("{place}: {messages} still wait for room at the end"),
            Say::OverQuota {
                app,
                month,
                calls,
                limit,
            } => format!("{app} {month}: {calls} calls, {limit} were bought"),
            Say::Failed { source, error } => format!("{source} failed: {error}"),
            Say::Usage => "Usage (at the busiest moment)".to_owned(),
            Say::Rate {
                app,
                api,
                window,
                peak,
                limit,
                percent,
            } => {
                format!("{app} {api} per {window}: {peak} of {limit} ({percent}%)")
            }
            Say::Quota {
                app,
                month,
                calls,
                used,
                limit,
            } => {
                let of = limit.map_or_else(String::new, |limit| format!(" of {limit}"));
                let used = match used {
                    0 => String::new(),
                    used => format!(", at least {used} of them already made"),
                };
                format!("{app} {month}: {calls}{of} calls{used}")
            }
            Say::Total { messages, groups } => format!("{messages} messages, {groups} groups"),
            Say::DiffTitle { against } => format!("Compared with {against}"),
            Say::DiffNone => "no difference".to_owned(),
            Say::Added => "added".to_owned(),
            Say::Removed => "removed".to_owned(),
            Say::MovedTo { from, to } => format!("{from} moves to {to}"),
            Say::Asked => "Rehearsing; the outcome comes in private".to_owned(),
            Say::Busy => "Several rehearsals are waiting already; please try again in a few minutes".to_owned(),
            Say::BadDays { typed } => format!("\"{typed}\" is no length. Write 1 to 92 days: /rehearse 14d"),
            Say::Page { page, pages } => format!("page {page} of {pages}"),
            Say::More => "Next page".to_owned(),
            Say::Gone => "That rehearsal has been cleared away; please send /rehearse again".to_owned(),
            Say::CouldNot { why } => {
                format!("The rehearsal did not work: {why}. Ask the admin to run hutong rehearse on the server")
            }
        }
    }
}

pub const COMMANDS: &[CommandText] = &[CommandText {
    id: "rehearsal.ask",
    zh: &["预演"],
    en: &["rehearse"],
    about_zh: "未来几天我会在哪里说什么,先看一遍",
    about_en: "what I would say where in the next days",
    usage_zh: "/预演 14天",
    usage_en: "/rehearse 14d",
}];
