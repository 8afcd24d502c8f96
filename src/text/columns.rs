//! What the bot says about columns.

use chrono::{Datelike as _, NaiveDate, NaiveDateTime, Weekday};

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
        until: Option<&'a str>,
    },
    NothingToSend,
    JustSent {
        title: &'a str,
    },
    More {
        count: i64,
    },
    Write,
    Moved {
        of: NaiveDate,
        reason: &'a str,
    },
    BroadcastUntil {
        title: &'a str,
        chats: usize,
        clock: &'a str,
    },
    Reminder {
        title: &'a str,
        when: &'a str,
        ready: usize,
        needed: usize,
        hours: u32,
    },
    ReminderHow {
        title: &'a str,
    },
    Deputy,
    MergeTitle {
        title: &'a str,
        of: &'a str,
        into: &'a str,
    },
    MergeButton,
    Merged,
    TooLate,
    Halve {
        title: &'a str,
    },
    HalveButton,
    Halved {
        title: &'a str,
    },
    Expires {
        title: &'a str,
        id: i64,
        until: &'a str,
    },
    Renew {
        days: u64,
    },
    Renewed {
        until: String,
    },
    NotASubmission,
    WhichColumn,
    LeftAlone,
    HowToSubmit {
        titles: &'a [&'a str],
    },
    FieldColumn,
    FieldText,
    FormTitle,
    NoSuchDay {
        typed: &'a str,
    },
    NeverFires {
        why: &'a str,
    },
    NameTaken {
        title: &'a str,
    },
    NoSuchAudience {
        typed: &'a str,
    },
    NoAudience,
    NoSuchPolicy {
        typed: &'a str,
    },
    Made {
        title: &'a str,
    },
    Retimed {
        title: &'a str,
    },
    ConfigWins {
        title: &'a str,
        line: &'a str,
    },
    PlanTitle {
        title: &'a str,
    },
    PlanRow {
        at: NaiveDateTime,
        of: Option<NaiveDate>,
        reason: &'a str,
        swallows: Option<&'a str>,
    },
    PlanNote {
        zone: &'a str,
    },
    TomlTitle {
        title: &'a str,
        stored: bool,
    },
    NotAnEditor {
        title: &'a str,
    },
    NoIssueThen {
        dates: &'a [String],
    },
    ContentSet {
        slot: &'a str,
        version: i64,
    },
    NoChats {
        title: &'a str,
    },
}

/// The day of a slot.
fn day_of(slot: &str) -> &str {
    slot.get(5..10).unwrap_or(slot)
}

fn holiday<'t>(reason: &'t str, other: &'t str) -> &'t str {
    if reason.is_empty() { other } else { reason }
}

fn weekday_zh(weekday: Weekday) -> &'static str {
    let n = weekday.num_days_from_monday() as usize;
    ["周一", "周二", "周三", "周四", "周五", "周六", "周日"]
        .get(n)
        .copied()
        .unwrap_or_default()
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
            Say::More { count: 0 } => "想看更多".to_owned(),
            Say::More { count } => format!("想看更多 {count}"),
            Say::Write => "投稿".to_owned(),
            Say::Moved { of, reason } => format!("原定 {} ,因{}改到今天", of.format("%m-%d"), holiday(reason, "放假")),
            Say::BroadcastUntil { title, chats, clock } => {
                format!("「{title}」正在发往 {chats} 处,按平台的速度预计 {clock} 发完。")
            }
            Say::Reminder {
                title,
                when,
                ready,
                needed,
                hours,
            } => {
                format!("「{title}」{when} 要发,还差内容:备好 {ready} 条,至少 {needed} 条(剩约 {hours} 个工作小时)")
            }
            Say::ReminderHow { title } => {
                format!("发 /栏目 内容 {title} 内容=…,或 /栏目 采用 一条投稿。不够就不发,不会发空的。")
            }
            Say::Deputy => "编辑今天不在,所以提醒你。".to_owned(),
            Say::MergeTitle { title, of, into } => {
                format!(
                    "「{title}」{} 的一期因放假和 {} 同日,只发后一期。要把前一期的内容并进去吗?",
                    day_of(of),
                    day_of(into)
                )
            }
            Say::MergeButton => "并进后一期".to_owned(),
            Say::Merged => "已并进后一期。".to_owned(),
            Say::TooLate => "这一期已经发出或过期,没有改动。".to_owned(),
            Say::Halve { title } => format!("「{title}」连续两期没有内容。要不要改为隔周发一期?"),
            Say::HalveButton => "改为隔周".to_owned(),
            Say::Halved { title } => format!("「{title}」已改为隔周。恢复原频率:/栏目 恢复 {title}"),
            Say::Expires { title, id, until } => format!("「{title}」的第 {id} 条 {until} 到期,是否续期?"),
            Say::Renew { days } => format!("续期 {days} 天"),
            Say::Renewed { until } => format!("好的,有效到 {until}。"),
            Say::NotASubmission => "不是投稿".to_owned(),
            Say::WhichColumn => "这是给哪个栏目的投稿?".to_owned(),
            Say::LeftAlone => "好的,没有投稿。".to_owned(),
            Say::HowToSubmit { titles } => format!("发 /投稿 栏目名 你的内容。栏目有:{}", titles.join("、")),
            Say::FieldColumn => "栏目".to_owned(),
            Say::FieldText => "内容".to_owned(),
            Say::FormTitle => "投稿".to_owned(),
            Say::NoSuchDay { typed } => format!(
                "没看懂「{typed}」。每=周一 时=09:30;也可以每=1日、每=最后工作日、每=\"2nd mon\"。星期只用名字,不用数字。"
            ),
            Say::NeverFires { why } => format!("这个时间永远不会到,没有改动:{why}"),
            Say::NameTaken { title } => format!("不能用「{title}」这个名字:已有同名栏目、名字是空的,或栏目太多了。"),
            Say::NoSuchAudience { typed } => {
                format!("不认识「{typed}」。群= 可写群编号、rule:规则、dept:部门、dept:*、segment:分层。")
            }
            Say::NoAudience => "要发到哪里?在群里发这条命令,或写 群=dept:*".to_owned(),
            Say::NoSuchPolicy { typed } => format!("假期= 可写 顺延、提前、跳过、照发,没有「{typed}」。"),
            Say::Made { title } => format!("栏目「{title}」建好了,接下来会在:"),
            Say::Retimed { title } => format!("「{title}」的时间改好了,接下来会在:"),
            Say::ConfigWins { title, line } => {
                format!("「{title}」写在配置文件里,以配置为准,没有改动。请在它的 [[column]] 里写:\n{line}")
            }
            Say::PlanTitle { title } => format!("「{title}」接下来"),
            Say::PlanRow {
                at,
                of,
                reason,
                swallows,
            } => {
                let mut line = format!("{} {}", at.format("%m-%d"), weekday_zh(at.weekday()));
                line.push_str(&at.format(" %H:%M").to_string());
                if let Some(of) = of {
                    line.push_str(&format!("(原 {} {})", of.format("%m-%d"), holiday(reason, "放假")));
                }
                if let Some(slot) = swallows {
                    line.push_str(&format!(",{} 的一期不另发", day_of(slot)));
                }
                line
            }
            Say::PlanNote { zone } => format!("时区 {zone}"),
            Say::TomlTitle { title, stored: true } => format!("「{title}」是在聊天里建的,等同于配置:"),
            Say::TomlTitle { title, stored: false } => format!("「{title}」写在配置文件里(以它为准):"),
            Say::NotAnEditor { title } => format!("「{title}」的内容由它的编辑来写,请找编辑或运营。"),
            Say::NoIssueThen { dates } => format!("那天没有这个栏目。接下来是:{}", dates.join("、")),
            Say::ContentSet { slot, version } => {
                format!("第 {version} 稿,{} 发。改动后需要重新审核。", slot.replace('T', " "))
            }
            Say::Sent {
                title,
                number,
                chats,
                until: Some(until),
            } => {
                format!("「{title}」第 {number} 期正在发往 {chats} 处,按平台的速度预计 {until} 发完。")
            }
            Say::Sent {
                title,
                number,
                chats,
                until: None,
            } => format!("「{title}」第 {number} 期正在发往 {chats} 个群。"),
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
            Say::More { count: 0 } => "More of this".to_owned(),
            Say::More { count } => format!("More of this {count}"),
            Say::Write => "Submit".to_owned(),
            Say::Moved { of, reason } => {
                format!(
                    "Planned for {}, moved to today: {}",
                    of.format("%m-%d"),
                    holiday(reason, "day off")
                )
            }
            Say::BroadcastUntil { title, chats, clock } => {
                format!("\"{title}\" is on its way to {chats} places; at the platform's pace until about {clock}.")
            }
            Say::Reminder {
                title,
                when,
                ready,
                needed,
                hours,
            } => format!(
                "\"{title}\" is due {when}: {ready} items are ready, {needed} are needed (about {hours} working hours left)"
            ),
            Say::ReminderHow { title } => {
                format!("/column content {title} text=…, or accept a submission. Nothing empty is ever sent.")
            }
            Say::Deputy => "No editor is there today, so you are reminded.".to_owned(),
            Say::MergeTitle { title, of, into } => format!(
                "\"{title}\": the issue of {} falls on the same day as that of {}; only the later one is sent. Take the earlier content into it?",
                day_of(of),
                day_of(into)
            ),
            Say::MergeButton => "Merge".to_owned(),
            Say::Merged => "Merged into the later issue.".to_owned(),
            Say::TooLate => "That issue was sent or is over; nothing changed.".to_owned(),
            Say::Halve { title } => {
                format!("\"{title}\" had nothing to say twice in a row. Every second week instead?")
            }
            Say::HalveButton => "Every second week".to_owned(),
            Say::Halved { title } => {
                format!("\"{title}\" appears every second week now. /column resume {title} takes it back.")
            }
            Say::Expires { title, id, until } => format!("\"{title}\": item {id} ends on {until}. Renew it?"),
            Say::Renew { days } => format!("Renew for {days} days"),
            Say::Renewed { until } => format!("Good until {until}."),
            Say::NotASubmission => "Not a submission".to_owned(),
            Say::WhichColumn => "Which column is this for?".to_owned(),
            Say::LeftAlone => "Fine, nothing was submitted.".to_owned(),
            Say::HowToSubmit { titles } => format!("/submit COLUMN your text. Columns: {}", titles.join(", ")),
            Say::FieldColumn => "Column".to_owned(),
            Say::FieldText => "Text".to_owned(),
            Say::FormTitle => "Submit".to_owned(),
            Say::NoSuchDay { typed } => format!(
                "\"{typed}\" is no repetition. every=mon time=09:30; also every=first_workday, every=\"2nd mon\". Names of weekdays only, no numbers."
            ),
            Say::NeverFires { why } => format!("That never happens, so nothing changed: {why}"),
            Say::NameTaken { title } => {
                format!("\"{title}\" cannot be used: the name is taken or empty, or there are too many columns.")
            }
            Say::NoSuchAudience { typed } => {
                format!("\"{typed}\" is unknown. chats= takes chat ids, rule:ID, dept:NAME, dept:*, segment:ID.")
            }
            Say::NoAudience => "Where to? Type it in a group, or add chats=dept:*".to_owned(),
            Say::NoSuchPolicy { typed } => {
                format!("on_holiday= takes next_workday, prev_workday, skip or keep, not \"{typed}\".")
            }
            Say::Made { title } => format!("Column \"{title}\" is made. It appears:"),
            Say::Retimed { title } => format!("\"{title}\" has a new time. It appears:"),
            Say::ConfigWins { title, line } => format!(
                "\"{title}\" stands in the configuration, and that wins; nothing changed. Write in its [[column]]:\n{line}"
            ),
            Say::PlanTitle { title } => format!("\"{title}\" appears"),
            Say::PlanRow {
                at,
                of,
                reason,
                swallows,
            } => {
                let mut line = at.format("%m-%d %a %H:%M").to_string();
                if let Some(of) = of {
                    line.push_str(&format!(
                        " (planned {}, {})",
                        of.format("%m-%d"),
                        holiday(reason, "day off")
                    ));
                }
                if let Some(slot) = swallows {
                    line.push_str(&format!("; the issue of {} is not sent by itself", day_of(slot)));
                }
                line
            }
            Say::PlanNote { zone } => format!("zone {zone}"),
            Say::TomlTitle { title, stored: true } => format!("\"{title}\" was made in a chat; the same as:"),
            Say::TomlTitle { title, stored: false } => format!("\"{title}\" stands in the configuration, which wins:"),
            Say::NotAnEditor { title } => format!("The content of \"{title}\" is written by its editors."),
            Say::NoIssueThen { dates } => format!("There is no issue on that day. Next: {}", dates.join(", ")),
            Say::ContentSet { slot, version } => {
                format!(
                    "Version {version}, sent {}. A change has to be reviewed again.",
                    slot.replace('T', " ")
                )
            }
            Say::Sent {
                title,
                number,
                chats,
                until: Some(until),
            } => {
                format!(
                    "\"{title}\" issue {number} is on its way to {chats} places; at the platform's pace until about {until}."
                )
            }
            Say::Sent {
                title,
                number,
                chats,
                until: None,
            } => {
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
        id: "columns.content",
        zh: &["栏目 内容"],
        en: &["column content"],
        about_zh: "写某一期的内容;不写内容则预览",
        about_en: "Write the content of an issue; without text: preview",
        usage_zh: "/栏目 内容 每周资讯 日期=2026-11-30 内容=第一条;第二条",
        usage_en: "/column content weekly-news date=2026-11-30 text=one;two",
    },
    CommandText {
        id: "columns.new",
        zh: &["栏目 新建"],
        en: &["column new"],
        about_zh: "新建一个栏目",
        about_en: "Make a column",
        usage_zh: "/栏目 新建 每周资讯 每=周一 时=09:30 群=dept:* 编辑=@李敏 审核=@赵强 假期=顺延",
        usage_en: "/column new news every=mon time=09:30 chats=dept:* editors=@Li on_holiday=next_workday",
    },
    CommandText {
        id: "columns.plan",
        zh: &["栏目 排期"],
        en: &["column plan"],
        about_zh: "接下来八期的日期,以及为什么挪动",
        about_en: "The next eight dates, and why they moved",
        usage_zh: "/栏目 排期 每周资讯",
        usage_en: "/column plan weekly-news",
    },
    CommandText {
        id: "columns.show",
        zh: &["栏目 查看"],
        en: &["column show"],
        about_zh: "以配置文件的写法看一个栏目",
        about_en: "A column as the configuration writes it",
        usage_zh: "/栏目 查看 每周资讯 格式=toml",
        usage_en: "/column show weekly-news format=toml",
    },
    CommandText {
        id: "columns.expiry",
        zh: &["栏目 到期"],
        en: &["column expiry"],
        about_zh: "一条内容有效到哪天,到期前会问你",
        about_en: "Until when an item is true; you are asked before",
        usage_zh: "/栏目 到期 12 2026-12-31",
        usage_en: "/column expiry 12 2026-12-31",
    },
    CommandText {
        id: "columns.move",
        zh: &["栏目 改时间"],
        en: &["column move"],
        about_zh: "改一个栏目的时间",
        about_en: "Change when a column appears",
        usage_zh: "/栏目 改时间 每周资讯 每=周二 时=10:00",
        usage_en: "/column move weekly-news every=tue time=10:00",
    },
    CommandText {
        id: "columns.preview",
        zh: &["栏目 预览"],
        en: &["column preview"],
        about_zh: "预览下一期和待看的投稿",
        about_en: "Preview the next issue and what waits to be read",
        usage_zh: "/栏目 预览 每周资讯",
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
