//! What the bot says about reviews, corrections and words of the lexicon.

use super::Lang;
use super::commands::CommandText;

#[derive(Debug, Clone)]
pub enum Say<'a> {
    CardTitle {
        title: &'a str,
        day: &'a str,
    },
    CardHead {
        author: &'a str,
        version: i64,
        number: i64,
    },
    Pool,
    First,
    Removed {
        text: &'a str,
    },
    Added {
        text: &'a str,
    },
    Words {
        list: &'a str,
    },
    NoWords,
    Checks {
        source: bool,
        dated: bool,
        personal: bool,
    },
    Print {
        sha: &'a str,
        closes: &'a str,
    },
    PostHead {
        until: &'a str,
    },
    Yes {
        due: &'a str,
    },
    YesAfter,
    No,
    OtherTime,
    OtherTimeNext {
        title: &'a str,
        day: &'a str,
    },
    NotReviewer,
    Own,
    OtherVersion {
        version: i64,
        number: i64,
    },
    NotWaiting {
        state: &'a str,
    },
    TooLate {
        title: &'a str,
    },
    Blocked {
        words: &'a str,
    },
    NoIssue {
        number: i64,
    },
    NeedReason {
        number: i64,
    },
    Approved {
        title: &'a str,
        due: &'a str,
    },
    ApprovedAfter {
        title: &'a str,
    },
    Returned {
        title: &'a str,
    },
    ToldApproved {
        title: &'a str,
        by: &'a str,
        due: &'a str,
    },
    ToldReturned {
        title: &'a str,
        by: &'a str,
        number: i64,
    },
    ToldTime {
        title: &'a str,
        by: &'a str,
    },
    ToldVoid {
        title: &'a str,
        version: i64,
    },
    HeldTitle {
        title: &'a str,
    },
    HeldNoYes,
    HeldBlocked {
        words: &'a str,
    },
    HeldNotUrgent,
    HeldNext {
        title: &'a str,
    },
    NobodyTitle {
        title: &'a str,
    },
    Nobody,
    Overdue {
        title: &'a str,
        number: i64,
    },
    TodoTitle,
    TodoEmpty,
    TodoRow {
        number: i64,
        title: &'a str,
        due: &'a str,
        version: i64,
        post: bool,
    },
    RulesTitle,
    RulesColumns {
        two: bool,
    },
    RulesUrgent {
        post: bool,
    },
    RulesWords {
        words: usize,
        block: usize,
        review: usize,
        note: usize,
        allow: usize,
    },
    RulesEnding {
        word: &'a str,
        owner: &'a str,
        until: &'a str,
    },
    RulesRefused {
        problem: &'a str,
    },
    RulesMembers {
        on: bool,
    },
    Edited {
        version: i64,
    },
    EditTooShort,
    NoSent {
        title: &'a str,
        day: &'a str,
    },
    NoColumn {
        typed: &'a str,
        known: &'a str,
    },
    CorrectionMark {
        version: i64,
    },
    CorrectionTitle {
        title: &'a str,
    },
    CorrectionRead {
        title: &'a str,
    },
    CorrectionStarted {
        title: &'a str,
        version: i64,
        readers: usize,
        everybody: usize,
    },
    CorrectionReached {
        chat: &'a str,
        people: usize,
    },
    CorrectionAll {
        chat: &'a str,
    },
    NoteTitle,
    NoteWord {
        word: &'a str,
        from: usize,
        to: usize,
    },
    NoteEnd,
    Mistaken,
    MistakenDone,
    MistakenThanks,
    WeekTitle,
    WeekRow {
        word: &'a str,
        hits: i64,
        wrong: i64,
    },
    WeekEnd,
}

impl Say<'_> {
    pub fn in_lang(&self, lang: Lang) -> String {
        match lang {
            Lang::Zh => self.zh(),
            Lang::En => self.en(),
        }
    }

    fn zh(&self) -> String {
        let tick = |on: &bool| if *on { "☑" } else { "☐" };
        match self {
            Say::CardTitle { title, day } => format!("审核 │ {title} {day}"),
            Say::CardHead {
                author,
                version,
                number,
            } => format!("作者 {author} · 第 {version} 稿 · 编号 {number}"),
            Say::Pool => "投稿汇集".to_owned(),
            Say::First => "初稿".to_owned(),
            Say::Removed { text } => format!("− {text}"),
            Say::Added { text } => format!("+ {text}"),
            Say::Words { list } => format!("词库:{list}"),
            Say::NoWords => "词库:没有命中".to_owned(),
            Say::Checks {
                source,
                dated,
                personal,
            } => format!(
                "{}来源已附 {}数据有日期 ☐对外口径已确认 {}不含个人信息(点「通过」即四项都确认)",
                tick(source),
                tick(dated),
                tick(personal)
            ),
            Say::Print { sha, closes } => format!("内容指纹 {sha}… · {closes} 前没有通过就不发"),
            Say::PostHead { until } => format!("这一期已先发出,请在 {until} 前补审"),
            Say::Yes { due } => format!("通过并排期 {due}"),
            Say::YesAfter => "补审通过".to_owned(),
            Say::No => "退回".to_owned(),
            Say::OtherTime => "改时间".to_owned(),
            Say::OtherTimeNext { title, day } => {
                format!("已请编辑换个时间发「{title}」{day} 这一期;改好后发 /栏目 改时间,内容不变就不用重审。")
            }
            Say::NotReviewer => "只有审核人和代审人可以处理。需要的话请管理员在 [[role]] 里加上。".to_owned(),
            Say::Own => "你是这一期的作者,需要另一个人来审。发 /审核 待办 的同事都可以。".to_owned(),
            Say::OtherVersion { version, number } => {
                format!(
                    "你看的不是现在的内容:它已改到第 {version} 稿,之前的通过不算数。请看新卡片,或发 /审核 待办(编号 {number})。"
                )
            }
            Say::NotWaiting { state } => format!("这一期现在是「{state}」,没有再动。发 /审核 待办 看还有什么要审。"),
            Say::TooLate { title } => format!("已过截止时间(发送前 30 分钟),这一期不发了。可以发 /栏目 补发 {title}。"),
            Say::Blocked { words } => format!("有词库里不能发的词:{words}。请退回作者改掉再审。"),
            Say::NoIssue { number } => format!("没有编号 {number} 的一期。发 /审核 待办 看编号。"),
            Say::NeedReason { number } => format!("请写一句原因,作者才知道怎么改:/审核 退回 {number} 原因=…"),
            Say::Approved { title, due } => format!("已通过「{title}」,{due} 发出。内容再改一个字,都要重审。"),
            Say::ApprovedAfter { title } => format!("「{title}」补审通过,谢谢。"),
            Say::Returned { title } => format!("已退回「{title}」,作者会收到原因。"),
            Say::ToldApproved { title, by, due } => format!("「{title}」{by} 已审核通过,已排期 {due}。"),
            Say::ToldReturned { title, by, number } => {
                format!("「{title}」被 {by} 退回。改好后发 /审核 改稿 {number} 新内容,会自动再送审。原因:")
            }
            Say::ToldTime { title, by } => format!("{by} 希望「{title}」换个时间发,请发 /栏目 改时间。"),
            Say::ToldVoid { title, version } => {
                format!("「{title}」通过后又改了,第 {version} 稿的通过作废,已重新送审。")
            }
            Say::HeldTitle { title } => format!("「{title}」这一期没有发出"),
            Say::HeldNoYes => "发送前 30 分钟还没有人审核通过,所以不发。".to_owned(),
            Say::HeldBlocked { words } => format!("内容里有词库中不能发的词({words}),所以不发。"),
            Say::HeldNotUrgent => "手动补发没有经过审核,这里不允许先发后审。".to_owned(),
            Say::HeldNext { title } => format!("内容没问题的话:/栏目 补发 {title}(先发后审),或等下一期。"),
            Say::NobodyTitle { title } => format!("「{title}」没有可以审核的人"),
            Say::Nobody => {
                "审核人和代审人都不在或都是作者。请在 [[role]] 加 reviewer,或在 [review] deputies 加工号。".to_owned()
            }
            Say::Overdue { title, number } => {
                format!("「{title}」(编号 {number})先发后审,已过两小时还没有人补审。发 /审核 通过 {number} 或 /更正。")
            }
            Say::TodoTitle => "审核待办".to_owned(),
            Say::TodoEmpty => "没有等你审核的内容。".to_owned(),
            Say::TodoRow {
                number,
                title,
                due,
                version,
                post,
            } => {
                let what = if *post { "补审,截止" } else { "发送" };
                format!("{number} · {title} 第 {version} 稿 · {what} {due}")
            }
            Say::RulesTitle => "审核规则".to_owned(),
            Say::RulesColumns { two: true } => "栏目:作者之外的人通过后才发,截止发送前 30 分钟;改动即作废。".to_owned(),
            Say::RulesColumns { two: false } => "栏目:不审核。".to_owned(),
            Say::RulesUrgent { post: true } => "补发:可先发后审,两小时内补审。".to_owned(),
            Say::RulesUrgent { post: false } => "补发:不允许先发后审。".to_owned(),
            Say::RulesWords {
                words,
                block,
                review,
                note,
                allow,
            } => {
                format!("词库 {words} 条:不能发 {block},需审 {review},提示 {note},放行短语 {allow}")
            }
            Say::RulesEnding { word, owner, until } => format!("将到期:{word} · {owner} · {until},是否续期?"),
            Say::RulesRefused { problem } => format!("新词库没有启用,仍用旧的:{problem}"),
            Say::RulesMembers { on: true } => "群消息:只私下提醒作者,不删除、不公开。".to_owned(),
            Say::RulesMembers { on: false } => "群消息:不看。".to_owned(),
            Say::Edited { version } => format!("已改为第 {version} 稿,正在送审;之前的通过不再算数。"),
            Say::EditTooShort => "内容太短。一行一条,至少写 6 个字。".to_owned(),
            Say::NoSent { title, day } => format!("「{title}」{day} 没有发出过的一期。发 /栏目 列表 看发过哪些。"),
            Say::NoColumn { typed, known } => format!("没有叫「{typed}」的栏目。现有:{known}"),
            Say::CorrectionMark { version } => format!("已更正 · 第 {version} 版"),
            Say::CorrectionTitle { title } => format!("更正 │ {title}"),
            Say::CorrectionRead { title } => format!("你看过的「{title}」有更正,以下为准:"),
            Say::CorrectionStarted {
                title,
                version,
                readers,
                everybody,
            } => format!(
                "「{title}」已更正为第 {version} 版,两小时内请他人补审。{readers} 个群能查已读,只告知看过旧版的人;{everybody} 个群查不到,已在群里告知所有人。"
            ),
            Say::CorrectionReached { chat, people } => format!("{chat}:{people} 人看过旧版,已逐一告知。"),
            Say::CorrectionAll { chat } => format!("{chat}:没能查到谁看过,已在群里告知所有人。"),
            Say::NoteTitle => "留意一个词".to_owned(),
            Say::NoteWord { word, from, to } => format!("你刚才的消息第 {from}–{to} 个字:「{word}」在公司词库里"),
            Say::NoteEnd => "只有你看得到,消息没有删除,也没有保存内容。弄错了就点「误报」。".to_owned(),
            Say::Mistaken => "误报".to_owned(),
            Say::MistakenDone => "已记过了,谢谢。".to_owned(),
            Say::MistakenThanks => "谢谢,已记为误报,每周会给运营看。".to_owned(),
            Say::WeekTitle => "词库一周".to_owned(),
            Say::WeekRow { word, hits, wrong } => format!("{word}:命中 {hits},误报 {wrong}"),
            Say::WeekEnd => "误报多的词,可改级别,或加一条 allow 短语。".to_owned(),
        }
    }

    fn en(&self) -> String {
        let tick = |on: &bool| if *on { "☑" } else { "☐" };
        match self {
            Say::CardTitle { title, day } => format!("Review │ {title} {day}"),
            Say::CardHead {
                author,
                version,
                number,
            } => format!("By {author} · draft {version} · number {number}"),
            Say::Pool => "submissions".to_owned(),
            Say::First => "First draft".to_owned(),
            Say::Removed { text } => format!("− {text}"),
            Say::Added { text } => format!("+ {text}"),
            Say::Words { list } => format!("Lexicon: {list}"),
            Say::NoWords => "Lexicon: nothing found".to_owned(),
            Say::Checks {
                source,
                dated,
                personal,
            } => format!(
                "{}sources {}figures dated ☐wording agreed {}no personal data (approving confirms all four)",
                tick(source),
                tick(dated),
                tick(personal)
            ),
            Say::Print { sha, closes } => format!("Fingerprint {sha}… · not sent without a yes by {closes}"),
            Say::PostHead { until } => format!("Already sent as urgent; please look at it by {until}"),
            Say::Yes { due } => format!("Approve for {due}"),
            Say::YesAfter => "Approve".to_owned(),
            Say::No => "Return".to_owned(),
            Say::OtherTime => "Other time".to_owned(),
            Say::OtherTimeNext { title, day } => format!(
                "The editors are asked for another time for \"{title}\" of {day}: /column time; unchanged content needs no new review."
            ),
            Say::NotReviewer => "Only reviewers and deputies decide. An admin can add you in [[role]].".to_owned(),
            Say::Own => "You wrote this one; somebody else has to review it, any reviewer will do.".to_owned(),
            Say::OtherVersion { version, number } => format!(
                "This is not what you looked at: it is draft {version} now, and an earlier yes is void. See the new card, or /review todo (number {number})."
            ),
            Say::NotWaiting { state } => format!("It is {state} now; nothing changed. /review todo shows what waits."),
            Say::TooLate { title } => {
                format!("It is past the deadline (30 minutes before) and is not sent. You can: /column send {title}")
            }
            Say::Blocked { words } => format!("It has words that may not be sent: {words}. Please return it."),
            Say::NoIssue { number } => format!("There is no issue {number}. /review todo shows the numbers."),
            Say::NeedReason { number } => {
                format!("Please say why, so that it can be changed: /review return {number} reason=…")
            }
            Say::Approved { title, due } => {
                format!("\"{title}\" is approved for {due}. Any change needs a new review.")
            }
            Say::ApprovedAfter { title } => format!("\"{title}\" is reviewed, thank you."),
            Say::Returned { title } => format!("\"{title}\" is returned; its author hears why."),
            Say::ToldApproved { title, by, due } => format!("\"{title}\" was approved by {by} and goes out {due}."),
            Say::ToldReturned { title, by, number } => {
                format!(
                    "\"{title}\" was returned by {by}. Change it with /review edit {number} new text; it is reviewed again. Why:"
                )
            }
            Say::ToldTime { title, by } => format!("{by} asks for another time for \"{title}\": /column time"),
            Say::ToldVoid { title, version } => {
                format!(
                    "\"{title}\" changed after its approval: the yes to draft {version} is void, it is in review again."
                )
            }
            Say::HeldTitle { title } => format!("\"{title}\" was not sent this time"),
            Say::HeldNoYes => "Nobody had approved it 30 minutes before, so it is not sent.".to_owned(),
            Say::HeldBlocked { words } => format!("It has words that may not be sent ({words})."),
            Say::HeldNotUrgent => "It was sent by hand without a review, which is not allowed here.".to_owned(),
            Say::HeldNext { title } => {
                format!("If it is fine: /column send {title} (reviewed afterwards), or the next issue.")
            }
            Say::NobodyTitle { title } => format!("Nobody can review \"{title}\""),
            Say::Nobody => {
                "Reviewers and deputies are away or wrote it. Add a reviewer in [[role]] or [review] deputies."
                    .to_owned()
            }
            Say::Overdue { title, number } => format!(
                "\"{title}\" (number {number}) was sent as urgent and nobody looked at it in two hours: /review approve {number} or /correct."
            ),
            Say::TodoTitle => "To review".to_owned(),
            Say::TodoEmpty => "Nothing waits for your review.".to_owned(),
            Say::TodoRow {
                number,
                title,
                due,
                version,
                post,
            } => {
                let what = if *post { "sent; look at it by" } else { "due" };
                format!("{number} · {title} draft {version} · {what} {due}")
            }
            Say::RulesTitle => "Review rules".to_owned(),
            Say::RulesColumns { two: true } => {
                "Columns: sent after a yes of somebody else, 30 minutes before at the latest; a change voids it."
                    .to_owned()
            }
            Say::RulesColumns { two: false } => "Columns: not reviewed.".to_owned(),
            Say::RulesUrgent { post: true } => "By hand: sent first, reviewed within two hours.".to_owned(),
            Say::RulesUrgent { post: false } => "By hand: not without a review.".to_owned(),
            Say::RulesWords {
                words,
                block,
                review,
                note,
                allow,
            } => {
                format!(
                    "Lexicon of {words} lines: block {block}, review {review}, note {note}, allowed phrases {allow}"
                )
            }
            Say::RulesEnding { word, owner, until } => format!("Ends soon: {word} · {owner} · {until}. Renew it?"),
            Say::RulesRefused { problem } => format!("The new lexicon is not in force, the old one stays: {problem}"),
            Say::RulesMembers { on: true } => "Group messages: a private note to the author, nothing else.".to_owned(),
            Say::RulesMembers { on: false } => "Group messages: not looked at.".to_owned(),
            Say::Edited { version } => format!("It is draft {version} now and in review; an earlier yes is void."),
            Say::EditTooShort => "That is too short: one item a line, at least 6 characters.".to_owned(),
            Say::NoSent { title, day } => {
                format!("No issue of \"{title}\" was sent on {day}. /column list shows them.")
            }
            Say::NoColumn { typed, known } => format!("There is no column \"{typed}\". There are: {known}"),
            Say::CorrectionMark { version } => format!("Corrected · version {version}"),
            Say::CorrectionTitle { title } => format!("Correction │ {title}"),
            Say::CorrectionRead { title } => format!("\"{title}\", which you have read, was corrected. This is right:"),
            Say::CorrectionStarted {
                title,
                version,
                readers,
                everybody,
            } => format!(
                "\"{title}\" is version {version} now; somebody else reviews it within two hours. {readers} groups tell who has read it: only they are told. {everybody} groups do not: everybody is told there."
            ),
            Say::CorrectionReached { chat, people } => {
                format!("{chat}: {people} people had read the old version and are told.")
            }
            Say::CorrectionAll { chat } => {
                format!("{chat}: the readers are not known; everybody is told in the group.")
            }
            Say::NoteTitle => "A word to watch".to_owned(),
            Say::NoteWord { word, from, to } => {
                format!("Your message, characters {from}–{to}: \"{word}\" is in the lexicon")
            }
            Say::NoteEnd => {
                "Only you see this. Nothing was removed, no text is kept. Wrong? Press the button.".to_owned()
            }
            Say::Mistaken => "Not a hit".to_owned(),
            Say::MistakenDone => "That is noted already, thank you.".to_owned(),
            Say::MistakenThanks => "Thank you; operators see it in the weekly list.".to_owned(),
            Say::WeekTitle => "The lexicon this week".to_owned(),
            Say::WeekRow { word, hits, wrong } => format!("{word}: {hits} hits, {wrong} mistaken"),
            Say::WeekEnd => "For words that are often mistaken: another level, or an allowed phrase.".to_owned(),
        }
    }
}

/// An issue's state in words.
pub fn state(state: &str, lang: Lang) -> &str {
    match (lang, state) {
        (Lang::En, other) => other,
        (Lang::Zh, "draft") => "草稿",
        (Lang::Zh, "pending") => "待审",
        (Lang::Zh, "returned") => "退回",
        (Lang::Zh, "approved") => "通过",
        (Lang::Zh, "scheduled") => "已排期",
        (Lang::Zh, "sent") => "已发",
        (Lang::Zh, "corrected") => "已更正",
        (Lang::Zh, "missed") => "未发",
        (Lang::Zh, other) => other,
    }
}

pub const COMMANDS: &[CommandText] = &[
    CommandText {
        id: "review.todo",
        zh: &["审核 待办", "审核"],
        en: &["review todo", "review"],
        about_zh: "看等你审核的内容",
        about_en: "What waits for your review",
        usage_zh: "/审核 待办",
        usage_en: "/review todo",
    },
    CommandText {
        id: "review.rules",
        zh: &["审核 规则"],
        en: &["review rules"],
        about_zh: "看审核规则和词库",
        about_en: "How reviews go, and the lexicon",
        usage_zh: "/审核 规则",
        usage_en: "/review rules",
    },
    CommandText {
        id: "review.approve",
        zh: &["审核 通过"],
        en: &["review approve"],
        about_zh: "通过你看过的那一稿",
        about_en: "Approve the draft you looked at",
        usage_zh: "/审核 通过 12 稿=3",
        usage_en: "/review approve 12 draft=3",
    },
    CommandText {
        id: "review.return",
        zh: &["审核 退回"],
        en: &["review return"],
        about_zh: "退回并告诉作者原因",
        about_en: "Return a draft and say why",
        usage_zh: "/审核 退回 12 原因=第二条没有日期",
        usage_en: "/review return 12 reason=the second item has no date",
    },
    CommandText {
        id: "review.edit",
        zh: &["审核 改稿"],
        en: &["review edit"],
        about_zh: "换掉一期的内容并重新送审,一行一条",
        about_en: "Give an issue other content and have it reviewed again, one item a line",
        usage_zh: "/审核 改稿 12 新的第一条内容",
        usage_en: "/review edit 12 the new first item",
    },
    CommandText {
        id: "review.correct",
        zh: &["更正"],
        en: &["correct"],
        about_zh: "更正已发的一期,告知看过旧版的人",
        about_en: "Correct an issue that was sent, and tell those who read it",
        usage_zh: "/更正 2026-11-23 每周资讯 改正后的内容",
        usage_en: "/correct 2026-11-23 weekly-news the right text",
    },
];
