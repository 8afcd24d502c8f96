//! What the bot says about columns.

use super::Lang;
use super::commands::CommandText;

/// Why an issue was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSent<'a> {
    Empty {
        items: usize,
        needed: usize,
    },
    Late,
    Quiet,
    /// The review did not let it pass, for this reason.
    Held {
        zh: &'a str,
        en: &'a str,
    },
}

#[derive(Debug, Clone)]
pub enum Say<'a> {
    IssueTitle {
        title: &'a str,
        number: i64,
    },
    By {
        name: &'a str,
    },
    Attached {
        name: &'a str,
    },
    Useful {
        count: i64,
    },
    IssueNote {
        title: &'a str,
    },
    NotSentTitle {
        title: &'a str,
    },
    NotSent {
        why: NotSent<'a>,
    },
    NotSentNext {
        title: &'a str,
    },
    NoSuchColumn {
        typed: &'a str,
        titles: &'a [&'a str],
    },
    TooShort,
    TooMany {
        most: i64,
    },
    Submitted {
        title: &'a str,
    },
    SubmittedTitle {
        title: &'a str,
        author: &'a str,
    },
    SubmittedNote {
        id: i64,
    },
    ListTitle,
    ListEmpty,
    ListRow {
        title: &'a str,
        when: String,
        paused: bool,
        approved: i64,
        pending: i64,
    },
    ListLast {
        title: &'a str,
        slot: &'a str,
        state: &'a str,
    },
    PreviewNote {
        ready: usize,
        needed: usize,
    },
    PendingRow {
        id: i64,
        author: &'a str,
    },
    NoItem {
        id: i64,
    },
    Accepted {
        id: i64,
        title: &'a str,
    },
    AlreadyDecided {
        id: i64,
    },
    YourItemAccepted {
        title: &'a str,
    },
    Refused {
        id: i64,
    },
    YourItemRefused {
        title: &'a str,
    },
    Paused {
        title: &'a str,
    },
    Resumed {
        title: &'a str,
    },
    Sent {
        title: &'a str,
        number: i64,
        chats: usize,
    },
    NothingToSend,
    JustSent {
        title: &'a str,
    },
    NoChats {
        title: &'a str,
    },
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
            Say::IssueTitle { title, number } => format!("{title} 第 {number} 期"),
            Say::By { name } => format!(" —— {name}"),
            Say::Attached { name } => format!(" (附件 {name})"),
            Say::Useful { count: 0 } => "有用".to_owned(),
            Say::Useful { count } => format!("有用 {count}"),
            Say::IssueNote { title } => format!("想写一条?发 /投稿 {title} 你的内容"),
            Say::NotSentTitle { title } => format!("「{title}」这期没有发出"),
            Say::NotSent {
                why: NotSent::Empty { items, needed },
            } => format!("现在有 {items} 条内容,至少要 {needed} 条,所以没有发空的一期。"),
            Say::NotSent { why: NotSent::Late } => "服务恢复时已经过了可以补发的时间。".to_owned(),
            Say::NotSent { why: NotSent::Quiet } => "服务恢复时已是休息时间,没有打扰大家。".to_owned(),
            Say::NotSent {
                why: NotSent::Held { zh, .. },
            } => (*zh).to_owned(),
            Say::NotSentNext { title } => format!("备好内容后发 /栏目 补发 {title},或等下一期。"),
            Say::NoSuchColumn { typed, titles } => {
                format!("没有叫「{typed}」的栏目。现有栏目:{}", titles.join("、"))
            }
            Say::TooShort => "内容再具体一点吧,至少写 6 个字。".to_owned(),
            Say::TooMany { most } => format!("你已有 {most} 条投稿在等编辑看,等一条有结果再投吧。"),
            Say::Submitted { title } => format!("收到,谢谢投稿「{title}」。编辑看过后会告诉你结果。"),
            Say::SubmittedTitle { title, author } => format!("「{title}」收到 {author} 的投稿"),
            Say::SubmittedNote { id } => format!("/栏目 采用 {id}  或  /栏目 退回 {id} 原因=…"),
            Say::ListTitle => "栏目".to_owned(),
            Say::ListEmpty => "还没有配置栏目。在配置文件里加一段 [[column]] 即可。".to_owned(),
            Say::ListRow {
                title,
                when,
                paused,
                approved,
                pending,
            } => {
                let state = if *paused { "(已暂停)" } else { "" };
                format!("{title}{state} {when} · 备好 {approved} 条 · 待看 {pending} 条")
            }
            Say::ListLast { title, slot, state } => {
                let what = match *state {
                    "sent" => "已发",
                    "empty" => "内容不够,未发",
                    "late" => "过时,未发",
                    "quiet" => "休息时间,未发",
                    "paused" => "暂停中,未发",
                    "merged" => "与后一期同日,未发",
                    "held" => "审核没有通过,未发",
                    "corrected" => "已发,已更正",
                    other => other,
                };
                format!("{title} 上一次:{slot} {what}")
            }
            Say::PreviewNote { ready, needed } => format!("预览,只有你看得到 · 备好 {ready} 条,至少 {needed} 条"),
            Say::PendingRow { id, author } => format!("待看 {id} · {author}:"),
            Say::NoItem { id } => format!("没有编号为 {id} 的投稿。发 /栏目 内容 栏目名 可以看到待看的编号。"),
            Say::Accepted { id, title } => format!("已采用 {id},会出现在「{title}」的下一期。"),
            Say::AlreadyDecided { id } => format!("{id} 已经处理过了,没有再动。"),
            Say::YourItemAccepted { title } => format!("你给「{title}」的投稿已采用,下一期见。"),
            Say::Refused { id } => format!("已退回 {id},作者会收到原因。"),
            Say::YourItemRefused { title } => format!("你给「{title}」的投稿这次没有采用,编辑说:"),
            Say::Paused { title } => format!("「{title}」已暂停,恢复请发 /栏目 恢复 {title}"),
            Say::Resumed { title } => format!("「{title}」已恢复,从下一期开始。"),
            Say::Sent { title, number, chats } => format!("「{title}」第 {number} 期正在发往 {chats} 个群。"),
            Say::NothingToSend => "没有备好的内容,没有发送。先 /栏目 采用 一条投稿吧。".to_owned(),
            Say::JustSent { title } => format!("「{title}」十分钟内刚发过一期,没有重复发送。"),
            Say::NoChats { title } => format!("「{title}」现在没有可以发的群,没有发送。"),
        }
    }

    fn en(&self) -> String {
        match self {
            Say::IssueTitle { title, number } => format!("{title}, issue {number}"),
            Say::By { name } => format!(" — {name}"),
            Say::Attached { name } => format!(" (attached: {name})"),
            Say::Useful { count: 0 } => "Useful".to_owned(),
            Say::Useful { count } => format!("Useful {count}"),
            Say::IssueNote { title } => format!("Something to add? /submit {title} your text"),
            Say::NotSentTitle { title } => format!("\"{title}\" was not sent this time"),
            Say::NotSent {
                why: NotSent::Empty { items, needed },
            } => format!("There are {items} items and at least {needed} are needed, so no empty issue went out."),
            Say::NotSent { why: NotSent::Late } => "When the service was back, it was too late for it.".to_owned(),
            Say::NotSent { why: NotSent::Quiet } => {
                "When the service was back, people were resting; nobody was disturbed.".to_owned()
            }
            Say::NotSent {
                why: NotSent::Held { en, .. },
            } => (*en).to_owned(),
            Say::NotSentNext { title } => {
                format!("When the content is ready: /column send {title}, or wait for the next issue.")
            }
            Say::NoSuchColumn { typed, titles } => {
                format!("There is no column \"{typed}\". There are: {}", titles.join(", "))
            }
            Say::TooShort => "Please be a little more specific: at least 6 characters.".to_owned(),
            Say::TooMany { most } => {
                format!("{most} of your submissions wait for an editor; please wait for one of them.")
            }
            Say::Submitted { title } => {
                format!("Thank you for writing for \"{title}\". An editor reads it and you hear the result.")
            }
            Say::SubmittedTitle { title, author } => format!("\"{title}\": a submission by {author}"),
            Say::SubmittedNote { id } => format!("/column accept {id}  or  /column refuse {id} reason=…"),
            Say::ListTitle => "Columns".to_owned(),
            Say::ListEmpty => "No columns are configured. Add a [[column]] block to the configuration.".to_owned(),
            Say::ListRow {
                title,
                when,
                paused,
                approved,
                pending,
            } => {
                let state = if *paused { " (paused)" } else { "" };
                format!("{title}{state} {when} · {approved} ready · {pending} to read")
            }
            Say::ListLast { title, slot, state } => {
                let what = match *state {
                    "sent" => "sent",
                    "empty" => "not sent, too little content",
                    "late" => "not sent, too late",
                    "quiet" => "not sent, quiet hours",
                    "paused" => "not sent, paused",
                    "merged" => "not sent, a later issue fell on the same day",
                    "held" => "not sent, not approved",
                    "corrected" => "sent and corrected",
                    other => other,
                };
                format!("{title}, last time: {slot} {what}")
            }
            Say::PreviewNote { ready, needed } => {
                format!("Preview, only for you · {ready} ready, at least {needed} needed")
            }
            Say::PendingRow { id, author } => format!("To read {id} · {author}: "),
            Say::NoItem { id } => format!("There is no submission {id}. /column preview NAME shows the numbers."),
            Say::Accepted { id, title } => format!("{id} is accepted and goes into the next \"{title}\"."),
            Say::AlreadyDecided { id } => format!("{id} was decided before; nothing changed."),
            Say::YourItemAccepted { title } => format!("Your text for \"{title}\" is accepted: see the next issue."),
            Say::Refused { id } => format!("{id} is refused; the author is told why."),
            Say::YourItemRefused { title } => {
                format!("Your text for \"{title}\" was not taken this time. The editor says:")
            }
            Say::Paused { title } => format!("\"{title}\" is paused; /column resume {title} continues it."),
            Say::Resumed { title } => format!("\"{title}\" continues with its next issue."),
            Say::Sent { title, number, chats } => {
                format!("\"{title}\" issue {number} is on its way to {chats} groups.")
            }
            Say::NothingToSend => "Nothing is ready, so nothing was sent. Accept a submission first.".to_owned(),
            Say::JustSent { title } => {
                format!("\"{title}\" went out within the last ten minutes; nothing was sent again.")
            }
            Say::NoChats { title } => format!("\"{title}\" has no group to go to now; nothing was sent."),
        }
    }
}

pub const COMMANDS: &[CommandText] = &[
    CommandText {
        id: "columns.submit",
        zh: &["投稿"],
        en: &["submit"],
        about_zh: "给栏目投一条稿",
        about_en: "Write something for a column",
        usage_zh: "/投稿 经验分享 半小时定位掉帧的办法",
        usage_en: "/submit sharing how we found the dropped frames in half an hour",
    },
    CommandText {
        id: "columns.list",
        zh: &["栏目 列表", "栏目"],
        en: &["column list", "column"],
        about_zh: "看所有栏目和备稿情况",
        about_en: "All columns and how full they are",
        usage_zh: "/栏目 列表",
        usage_en: "/column list",
    },
    CommandText {
        id: "columns.preview",
        zh: &["栏目 内容", "栏目 预览"],
        en: &["column preview"],
        about_zh: "预览下一期和待看的投稿",
        about_en: "Preview the next issue and what waits to be read",
        usage_zh: "/栏目 内容 每周资讯",
        usage_en: "/column preview weekly-news",
    },
    CommandText {
        id: "columns.accept",
        zh: &["栏目 采用"],
        en: &["column accept"],
        about_zh: "采用一条投稿",
        about_en: "Accept a submission",
        usage_zh: "/栏目 采用 12",
        usage_en: "/column accept 12",
    },
    CommandText {
        id: "columns.refuse",
        zh: &["栏目 退回"],
        en: &["column refuse"],
        about_zh: "退回一条投稿并告诉作者原因",
        about_en: "Refuse a submission and tell the author why",
        usage_zh: "/栏目 退回 12 原因=请补充结论",
        usage_en: "/column refuse 12 reason=please add the result",
    },
    CommandText {
        id: "columns.pause",
        zh: &["栏目 暂停"],
        en: &["column pause"],
        about_zh: "暂停一个栏目",
        about_en: "Pause a column",
        usage_zh: "/栏目 暂停 每周资讯",
        usage_en: "/column pause weekly-news",
    },
    CommandText {
        id: "columns.resume",
        zh: &["栏目 恢复"],
        en: &["column resume"],
        about_zh: "恢复一个栏目",
        about_en: "Resume a column",
        usage_zh: "/栏目 恢复 每周资讯",
        usage_en: "/column resume weekly-news",
    },
    CommandText {
        id: "columns.send",
        zh: &["栏目 补发"],
        en: &["column send"],
        about_zh: "现在就发一期",
        about_en: "Send an issue now",
        usage_zh: "/栏目 补发 每周资讯",
        usage_en: "/column send weekly-news",
    },
];
