//! What the bot says about points and thanks.

use chrono::{Datelike as _, NaiveDate, Weekday};

use super::Lang;
use super::commands::CommandText;

/// One thing to say. Amounts come written out ([`crate::rules::points::shown`]).
#[derive(Debug, Clone)]
pub enum Say<'a> {
    // Giving
    GroupLine {
        receivers: &'a [String],
        giver: &'a str,
    },
    Delivered {
        receivers: &'a [String],
    },
    /// Name and amount of each receiver.
    Amounts {
        each: &'a [(String, String)],
    },
    ThanksTitle,
    ThanksFrom {
        giver: &'a str,
    },
    ThanksValue {
        value: &'a str,
    },
    ThanksNote {
        amount: String,
        month: String,
    },
    // Why not
    Everybody,
    Bot,
    Yourself,
    Nobody,
    UnknownPerson {
        name: String,
    },
    Left {
        name: String,
    },
    TooMany {
        max: u32,
    },
    ShortReason {
        min: u32,
    },
    Allowance {
        left: i64,
        allowance: i64,
        reset: NaiveDate,
    },
    PairToday {
        name: String,
    },
    // My points
    MineTitle {
        month: u32,
    },
    MineSummary {
        score: String,
        left: i64,
        coin: String,
    },
    MinePlace {
        first: usize,
        last: usize,
        of: usize,
    },
    MineEmpty,
    MineNote,
    EntryThanks {
        giver: &'a str,
    },
    EntryGrant {
        operator: &'a str,
    },
    EntryReversal {
        recalled: bool,
    },
    EntryOther,
    EntryTaken,
    ButtonDispute,
    ButtonUndispute,
    Disputed,
    EntriesTitle {
        name: &'a str,
        season: &'a str,
    },
    MeLine {
        score: String,
        left: i64,
    },
    // Boards
    BoardTitle {
        week: bool,
        scope: Option<&'a str>,
    },
    BoardRow {
        rank: usize,
        name: &'a str,
        score: String,
        helped: i64,
    },
    BoardMine {
        score: String,
        helped: i64,
    },
    BoardEmpty,
    BoardNote {
        people: usize,
    },
    NoDepartment,
    Hidden,
    Shown,
    // Operators
    GrantDone {
        ids: &'a [String],
        names: &'a [String],
        points: i64,
    },
    GrantTitle,
    GrantFrom {
        operator: &'a str,
        points: i64,
    },
    GrantWeek {
        left: i64,
        cap: i64,
        reset: NaiveDate,
    },
    GrantBudget {
        left: i64,
    },
    ReverseDone {
        id: &'a str,
        by: &'a str,
    },
    ReverseAlready {
        id: &'a str,
    },
    ReverseNotFound {
        id: &'a str,
    },
    ReverseIsReversal {
        id: &'a str,
    },
    TakenTitle,
    TakenByOperator {
        id: &'a str,
        amount: String,
    },
    TakenByRecall {
        giver: &'a str,
        amount: String,
    },
    DisputesTitle,
    DisputesNone,
    DisputeRow {
        id: &'a str,
        name: &'a str,
        date: String,
    },
    DisputesNote,
    AnswerTitle {
        id: &'a str,
        operator: &'a str,
    },
    AnswerDone {
        name: &'a str,
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
            Say::GroupLine { receivers, giver } => format!("{} 收到 {giver} 的感谢:", receivers.join("、")),
            Say::Delivered { receivers } => format!("已把你的感谢转达给 {}:", receivers.join("、")),
            Say::Amounts { each } => match each {
                [(_, amount)] if amount == "0" => "(对方今天收到的已经满了,心意照样送到)".to_owned(),
                [(_, amount)] => format!("(+{amount})"),
                [(_, first), rest @ ..] if rest.iter().all(|(_, a)| a == first) => format!("(每人 +{first})"),
                list => format!(
                    "({})",
                    list.iter()
                        .map(|(n, a)| format!("{n} +{a}"))
                        .collect::<Vec<_>>()
                        .join("、")
                ),
            },
            Say::ThanksTitle => "你收到一份感谢".to_owned(),
            Say::ThanksFrom { giver } => format!("{giver} 感谢你:"),
            Say::ThanksValue { value } => format!("体现了「{value}」"),
            Say::ThanksNote { amount, month } => format!("+{amount} 贡献分,本月共 {month}。发 /积分 看明细"),
            Say::Everybody => "感谢要说给具体的人听:请一个一个 @,不能 @所有人。".to_owned(),
            Say::Bot => "谢谢,不过机器人不收积分。把感谢留给帮到你的同事吧。".to_owned(),
            Say::Yourself => "不能给自己加分。把感谢送给帮过你的同事吧。".to_owned(),
            Say::Nobody => "请 @ 一位同事,例如:感谢 @陈晨 帮我定位了驱动问题".to_owned(),
            Say::UnknownPerson { name } => {
                format!("没认出「{name}」是哪位同事:请用 @ 从名单里选,同名的人才不会弄错。")
            }
            Say::Left { name } => format!("{name} 的账号已停用,暂时收不到感谢和积分。"),
            Say::TooMany { max } => format!("一次送 1 到 {max} 分,例如:感谢 @陈晨 2分 帮我定位了驱动问题"),
            Say::ShortReason { min } => {
                format!("再多说一点吧:写清楚 TA 做了什么(至少 {min} 个字,链接、引用和代码不算)。")
            }
            Say::Allowance { left, allowance, reset } => format!(
                "这次没有送出:本周的 {allowance} 分还剩 {left} 分。{}恢复到 {allowance} 分,到时再送也不迟。",
                day_zh(*reset)
            ),
            Say::PairToday { name } => format!("今天已经感谢过 {name} 了,明天可以再送。"),
            Say::MineTitle { month } => format!("我的积分 | {month}月"),
            Say::MineSummary { score, left, coin } => format!("贡献分 {score} · 本周可赠 {left} · 可兑换 {coin}"),
            Say::MinePlace { first, last, of } if first == last => format!("第 {first} 名(共 {of} 人)"),
            Say::MinePlace { first, last, of } => format!("第 {first}–{last} 名(共 {of} 人)"),
            Say::MineEmpty => "这个月还没有记录。帮同事一把,或者先感谢一位帮过你的人。".to_owned(),
            Say::MineNote => "仅自己可见".to_owned(),
            Say::EntryThanks { giver } => format!("{giver} 感谢"),
            Say::EntryGrant { operator } => format!("{operator} 奖励"),
            Say::EntryReversal { recalled: true } => "冲正:消息已撤回".to_owned(),
            Say::EntryReversal { recalled: false } => "冲正".to_owned(),
            Say::EntryOther => "其他".to_owned(),
            Say::EntryTaken => "已冲正".to_owned(),
            Say::ButtonDispute => "有疑问".to_owned(),
            Say::ButtonUndispute => "撤回疑问".to_owned(),
            Say::Disputed => "已收到你的疑问,运营会核对后回复你。".to_owned(),
            Say::EntriesTitle { name, season } => format!("{name} 的积分明细 | {season}"),
            Say::MeLine { score, left } => format!("积分:本月 {score} 分,本周还可送出 {left} 分"),
            Say::BoardTitle { week, scope } => {
                let period = if *week { "本周" } else { "本月" };
                match scope {
                    Some(scope) => format!("{period}贡献榜 | {scope}"),
                    None => format!("{period}贡献榜"),
                }
            }
            Say::BoardRow {
                rank,
                name,
                score,
                helped,
            } => format!("{rank}. {name} {score} 分 · 帮到 {helped} 人"),
            Say::BoardMine { score, helped } => {
                format!("你 {score} 分 · 帮到 {helped} 人(只有你自己看得到)")
            }
            Say::BoardEmpty => "还没有人上榜。第一份感谢可以由你送出。".to_owned(),
            Say::BoardNote { people } => {
                format!("共 {people} 人有分,只列前一半;同分看帮到的人数。发 /排行 隐藏 可以不上榜")
            }
            Say::NoDepartment => "还不知道你在哪个部门,请写明:/排行 本月 部门=研发中心".to_owned(),
            Say::Hidden => "好的,以后榜上不再出现你的名字,积分照常累计。发 /排行 显示 可恢复。".to_owned(),
            Say::Shown => "好的,榜上会重新出现你的名字。".to_owned(),
            Say::GrantDone { ids, names, points } => {
                format!("已奖励 {} 每人 {points} 分。编号 {}", names.join("、"), ids.join("、"))
            }
            Say::GrantTitle => "你收到一份奖励".to_owned(),
            Say::GrantFrom { operator, points } => format!("{operator} 奖励你 {points} 分:"),
            Say::GrantWeek { left, cap, reset } => format!(
                "没有发放:每位运营每周最多奖励 {cap} 分,你本周还剩 {left} 分,{}恢复。",
                day_zh(*reset)
            ),
            Say::GrantBudget { left } => format!("没有发放:本月公司的奖励预算还剩 {left} 分。"),
            Say::ReverseDone { id, by } => format!("已冲正 {id},冲正编号 {by}。当事人会收到说明。"),
            Say::ReverseAlready { id } => format!("{id} 之前已经冲正过,没有再动。"),
            Say::ReverseNotFound { id } => format!("没有找到 {id}。编号形如 L20261123-0042,在 /积分 明细 里可以看到。"),
            Say::ReverseIsReversal { id } => format!("{id} 本身是一笔冲正,不能再冲正。需要补发请用 /积分 奖。"),
            Say::TakenTitle => "一笔积分已冲正".to_owned(),
            Say::TakenByOperator { id, amount } => format!("{id} 的 {amount} 分已由运营冲正,原因:"),
            Say::TakenByRecall { giver, amount } => format!("{giver} 撤回了感谢的消息,对应的 {amount} 分已取消。"),
            Say::DisputesTitle => "待处理的积分疑问".to_owned(),
            Say::DisputesNone => "没有待处理的疑问。".to_owned(),
            Say::DisputeRow { id, name, date } => format!("{name} · {id} 及之前 · {date}"),
            Say::AnswerTitle { id, operator } => format!("{operator} 答复了你对 {id} 的疑问"),
            Say::AnswerDone { name } => format!("已答复 {name},疑问已关闭。"),
            Say::DisputesNote => "核对后用 /积分 冲正 编号 原因=…,或 /积分 答复 编号 @人".to_owned(),
        }
    }

    fn en(&self) -> String {
        match self {
            Say::GroupLine { receivers, giver } => format!("{giver} thanks {}: ", receivers.join(", ")),
            Say::Delivered { receivers } => format!("Your thanks went to {}: ", receivers.join(", ")),
            Say::Amounts { each } => match each {
                [(_, amount)] if amount == "0" => {
                    " (they have had all the points of today; the thanks still arrive)".to_owned()
                }
                [(_, amount)] => format!(" (+{amount})"),
                [(_, first), rest @ ..] if rest.iter().all(|(_, a)| a == first) => format!(" (+{first} each)"),
                list => format!(
                    " ({})",
                    list.iter()
                        .map(|(n, a)| format!("{n} +{a}"))
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            },
            Say::ThanksTitle => "Somebody thanked you".to_owned(),
            Say::ThanksFrom { giver } => format!("{giver} thanks you:"),
            Say::ThanksValue { value } => format!("Value: {value}"),
            Say::ThanksNote { amount, month } => {
                format!("+{amount} score, {month} this month. Send /points for details")
            }
            Say::Everybody => {
                "Thanks are for somebody in particular: mention them one by one, not everybody.".to_owned()
            }
            Say::Bot => "Thank you, but bots take no points. Keep them for a colleague who helped you.".to_owned(),
            Say::Yourself => "You cannot give points to yourself. Thank a colleague who helped you.".to_owned(),
            Say::Nobody => "Mention a colleague, for example: thanks @Chen for finding the driver bug".to_owned(),
            Say::UnknownPerson { name } => {
                format!("I do not know which colleague \"{name}\" is: please pick them with @, names can be shared.")
            }
            Say::Left { name } => format!("{name}'s account is not active, so they cannot receive thanks or points."),
            Say::TooMany { max } => format!("Give 1 to {max} points at a time, for example: thanks @Chen points=2 …"),
            Say::ShortReason { min } => {
                format!(
                    "Say a little more: what did they do? At least {min} characters; links, quotes and code do not count."
                )
            }
            Say::Allowance { left, allowance, reset } => format!(
                "Not sent: {left} of your {allowance} points of this week are left. You have {allowance} again on {}.",
                day_en(*reset)
            ),
            Say::PairToday { name } => format!("You have thanked {name} today; you can again tomorrow."),
            Say::MineTitle { month } => format!("My points | month {month}"),
            Say::MineSummary { score, left, coin } => {
                format!("Score {score} · to give this week {left} · redeemable {coin}")
            }
            Say::MinePlace { first, last, of } if first == last => format!("Place {first} of {of}"),
            Say::MinePlace { first, last, of } => format!("Place {first}–{last} of {of}"),
            Say::MineEmpty => "Nothing yet this month. Help somebody, or thank somebody who helped you.".to_owned(),
            Say::MineNote => "Only you can see this".to_owned(),
            Say::EntryThanks { giver } => format!("thanks from {giver}"),
            Say::EntryGrant { operator } => format!("granted by {operator}"),
            Say::EntryReversal { recalled: true } => "reversed: the message was recalled".to_owned(),
            Say::EntryReversal { recalled: false } => "reversed".to_owned(),
            Say::EntryOther => "other".to_owned(),
            Say::EntryTaken => "reversed later".to_owned(),
            Say::ButtonDispute => "Question this".to_owned(),
            Say::ButtonUndispute => "Take it back".to_owned(),
            Say::Disputed => "We have your question; an operator will check and answer you.".to_owned(),
            Say::EntriesTitle { name, season } => format!("Entries of {name} | {season}"),
            Say::MeLine { score, left } => format!("Points: {score} this month, {left} left to give this week"),
            Say::BoardTitle { week, scope } => {
                let period = if *week { "This week" } else { "This month" };
                match scope {
                    Some(scope) => format!("{period}: contributors | {scope}"),
                    None => format!("{period}: contributors"),
                }
            }
            Say::BoardRow {
                rank,
                name,
                score,
                helped,
            } => format!("{rank}. {name} {score} · helped {helped}"),
            Say::BoardMine { score, helped } => format!("You: {score} · helped {helped} (only you see this)"),
            Say::BoardEmpty => "Nobody is here yet. The first thanks can be yours.".to_owned(),
            Say::BoardNote { people } => {
                format!(
                    "{people} people have a score, the upper half is named; ties go by people helped. /board hide leaves you out"
                )
            }
            Say::NoDepartment => "I do not know your department yet: /board month dept=NAME".to_owned(),
            Say::Hidden => {
                "Done: boards no longer name you, your points go on. /board show brings you back.".to_owned()
            }
            Say::Shown => "Done: boards name you again.".to_owned(),
            Say::GrantDone { ids, names, points } => {
                format!(
                    "Granted {points} points each to {}. Numbers: {}",
                    names.join(", "),
                    ids.join(", ")
                )
            }
            Say::GrantTitle => "You were granted points".to_owned(),
            Say::GrantFrom { operator, points } => format!("{operator} grants you {points} points:"),
            Say::GrantWeek { left, cap, reset } => format!(
                "Nothing granted: an operator grants at most {cap} points a week. You have {left} left, and {cap} again on {}.",
                day_en(*reset)
            ),
            Say::GrantBudget { left } => {
                format!("Nothing granted: {left} points of this month's company budget are left.")
            }
            Say::ReverseDone { id, by } => format!("{id} is reversed by {by}. The person is told."),
            Say::ReverseAlready { id } => format!("{id} was reversed before; nothing changed."),
            Say::ReverseNotFound { id } => {
                format!("There is no {id}. Numbers look like L20261123-0042; /points entries shows them.")
            }
            Say::ReverseIsReversal { id } => {
                format!("{id} is a reversal itself and cannot be reversed. To give points again use /points grant.")
            }
            Say::TakenTitle => "Points were reversed".to_owned(),
            Say::TakenByOperator { id, amount } => {
                format!("{amount} points of {id} were reversed by an operator. Reason:")
            }
            Say::TakenByRecall { giver, amount } => {
                format!("{giver} took the thanking message back; its {amount} points are cancelled.")
            }
            Say::DisputesTitle => "Open questions about points".to_owned(),
            Say::DisputesNone => "There are no open questions.".to_owned(),
            Say::DisputeRow { id, name, date } => format!("{name} · up to {id} · {date}"),
            Say::AnswerTitle { id, operator } => format!("{operator} answered your question about {id}"),
            Say::AnswerDone { name } => format!("{name} has your answer; the question is closed."),
            Say::DisputesNote => {
                "Check, then /points reverse NUMBER reason=… or /points answer NUMBER @person".to_owned()
            }
        }
    }
}

fn day_zh(date: NaiveDate) -> String {
    let day = match date.weekday() {
        Weekday::Mon => "周一",
        Weekday::Tue => "周二",
        Weekday::Wed => "周三",
        Weekday::Thu => "周四",
        Weekday::Fri => "周五",
        Weekday::Sat => "周六",
        Weekday::Sun => "周日",
    };
    format!("{day}({})", date.format("%m-%d"))
}

fn day_en(date: NaiveDate) -> String {
    format!("{} ({})", date.weekday(), date.format("%m-%d"))
}

pub const COMMANDS: &[CommandText] = &[
    CommandText {
        id: "points.thanks",
        zh: &["感谢"],
        en: &["thanks"],
        about_zh: "感谢一位同事,对方会收到贡献分",
        about_en: "Thank a colleague; they get score for it",
        usage_zh: "感谢 @陈晨 帮我定位了驱动问题 #客户第一",
        usage_en: "thanks @Chen found the driver bug with me",
    },
    CommandText {
        id: "points.mine",
        zh: &["积分"],
        en: &["points"],
        about_zh: "看自己的积分、可赠额度和最近的记录",
        about_en: "Your points, what you can give, and the latest entries",
        usage_zh: "/积分",
        usage_en: "/points",
    },
    CommandText {
        id: "points.entries",
        zh: &["积分 明细"],
        en: &["points entries"],
        about_zh: "看自己某个月的积分明细",
        about_en: "Your entries of a month",
        usage_zh: "/积分 明细 2026-11",
        usage_en: "/points entries 2026-11",
    },
    CommandText {
        id: "points.board",
        zh: &["排行"],
        en: &["board"],
        about_zh: "本月或本周的贡献榜",
        about_en: "Who contributed this month or week",
        usage_zh: "/排行 本月\n/排行 本周 部门",
        usage_en: "/board month\n/board week dept",
    },
    CommandText {
        id: "points.hide",
        zh: &["排行 隐藏"],
        en: &["board hide"],
        about_zh: "不在榜上出现",
        about_en: "Leave me out of boards",
        usage_zh: "/排行 隐藏",
        usage_en: "/board hide",
    },
    CommandText {
        id: "points.show",
        zh: &["排行 显示"],
        en: &["board show"],
        about_zh: "重新在榜上出现",
        about_en: "Name me on boards again",
        usage_zh: "/排行 显示",
        usage_en: "/board show",
    },
    CommandText {
        id: "points.grant",
        zh: &["积分 奖"],
        en: &["points grant"],
        about_zh: "奖励同事积分(写明原因)",
        about_en: "Grant points, with a reason",
        usage_zh: "/积分 奖 @张三 20 原因=整理了测试规范",
        usage_en: "/points grant @Zhang 20 reason=sorted out the test guide",
    },
    CommandText {
        id: "points.reverse",
        zh: &["积分 冲正"],
        en: &["points reverse"],
        about_zh: "冲正一笔积分(写明原因)",
        about_en: "Reverse an entry, with a reason",
        usage_zh: "/积分 冲正 L20261123-0042 原因=重复",
        usage_en: "/points reverse L20261123-0042 reason=twice",
    },
    CommandText {
        id: "points.lookup",
        zh: &["积分 查"],
        en: &["points lookup"],
        about_zh: "看一位同事某个月的积分明细",
        about_en: "A person's entries of a month",
        usage_zh: "/积分 查 @张三 2026-11",
        usage_en: "/points lookup @Zhang 2026-11",
    },
    CommandText {
        id: "points.disputes",
        zh: &["积分 疑问"],
        en: &["points questions"],
        about_zh: "看待处理的积分疑问",
        about_en: "Open questions about points",
        usage_zh: "/积分 疑问",
        usage_en: "/points questions",
    },
    CommandText {
        id: "points.answer",
        zh: &["积分 答复"],
        en: &["points answer"],
        about_zh: "答复并关闭一个积分疑问",
        about_en: "Answer and close a question about points",
        usage_zh: "/积分 答复 L20261123-0042 @张三 已核对,记录无误",
        usage_en: "/points answer L20261123-0042 @Zhang checked, it is right",
    },
];
