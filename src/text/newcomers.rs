//! What the bot says to newcomers, about them, and to those who look after them.

use super::Lang;
use super::commands::CommandText;

/// How far somebody is, for the operators' list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Waiting,
    Silent,
    Answered,
    Contributed,
    NotReached,
    Left,
}

#[derive(Debug, Clone)]
pub enum Say<'a> {
    GroupWelcome {
        people: usize,
    },
    GroupHello {
        names: &'a [String],
        people: usize,
    },
    CardTitle,
    Welcome {
        name: &'a str,
        company: &'a str,
    },
    YourBuddy {
        name: &'a str,
        team: Option<&'a str>,
    },
    NewBuddy {
        name: &'a str,
        team: Option<&'a str>,
    },
    YouAreBuddy {
        name: &'a str,
        team: Option<&'a str>,
    },
    ButtonLook,
    ButtonHello,
    ButtonFine,
    ButtonTalk,
    /// Working days of the check-ins.
    CardNote {
        days: &'a [String],
        groups: bool,
    },
    CheckInTitle {
        day: u16,
    },
    CheckIn {
        name: &'a str,
        last: bool,
    },
    Looking,
    HelloSoon {
        groups: bool,
        buddy: Option<&'a str>,
    },
    HelloAlready,
    Fine,
    Talk {
        buddy: Option<&'a str>,
    },
    BuddyHello {
        name: &'a str,
    },
    BuddyTalk {
        name: &'a str,
    },
    MyBuddy {
        name: &'a str,
    },
    ListTitle {
        people: usize,
    },
    ListEmpty,
    ListRow {
        name: &'a str,
        day: i64,
        buddy: Option<&'a str>,
        stage: Stage,
    },
    More {
        n: usize,
    },
    Completed {
        answered: usize,
        of: usize,
    },
    TwoPeople,
    WhoIsThat,
    NoNewcomer {
        name: &'a str,
    },
    OwnBuddy,
    BuddyLeft {
        name: &'a str,
    },
    BuddySet {
        name: &'a str,
        buddy: &'a str,
    },
    WholeCompany,
    WordsTitle,
    /// Stands where the name of the newcomer will.
    YourName,
    WordsRow {
        id: &'a str,
        share: u32,
        from_config: bool,
        text: &'a str,
    },
    WordsEffect {
        people: u32,
        contributed: u32,
        low: u32,
        high: u32,
    },
    TooFew {
        open: u32,
    },
    OnlyAddressed,
    WordsLength {
        most: usize,
    },
    WordsId,
    WordsOfConfig {
        id: &'a str,
    },
    NoSuchWords {
        typed: &'a str,
        known: &'a [&'a str],
    },
    WordsKept {
        id: &'a str,
    },
    WordsWeighed {
        id: &'a str,
        weight: u32,
    },
}

/// One line of a text that may have several.
fn one_line(text: &str, most: usize) -> String {
    let line: Vec<&str> = text.split_whitespace().collect();
    let line = line.join(" ");
    match line.chars().count() > most {
        true => line.chars().take(most).chain(['…']).collect(),
        false => line,
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
        let team = |team: &Option<&str>| team.map(|t| format!("({t})")).unwrap_or_default();
        match self {
            Say::GroupWelcome { people } => {
                format!("欢迎 {people} 位新同事!想认识大家的时候,TA 们会自己来打招呼,请多带一带。")
            }
            Say::GroupHello { names, people } => {
                let rest = people.saturating_sub(names.len());
                let more = if rest > 0 {
                    format!(" 等 {people} 位")
                } else {
                    String::new()
                };
                format!("{}{more} 向大家问好,请多关照!", names.join("、"))
            }
            Say::CardTitle => "欢迎你来".to_owned(),
            Say::Welcome { name, company } => format!("{name},欢迎加入{company}!不用急,先到处看看。"),
            Say::YourBuddy { name, team: t } => format!("你的搭子是 {name}{},有不懂的尽管问 TA。", team(t)),
            Say::NewBuddy { name, team: t } => format!("你的搭子换成了 {name}{},有不懂的尽管问 TA。", team(t)),
            Say::YouAreBuddy { name, team: t } => format!(
                "想请你做新同事 {name}{} 的搭子:有空时打个招呼,带 TA 认识人、认识路。不方便的话,告诉运营就好。",
                team(t)
            ),
            Say::ButtonLook => "我先看看".to_owned(),
            Say::ButtonHello => "打个招呼".to_owned(),
            Say::ButtonFine => "一切顺利".to_owned(),
            Say::ButtonTalk => "想找人聊聊".to_owned(),
            Say::CardNote { days, groups } => {
                let again = match days.is_empty() {
                    true => String::new(),
                    false => format!("第 {} 个工作日我会再来问问你。", days.join("、")),
                };
                let stage = match groups {
                    true => "点「打个招呼」之前,群里不会提到你的名字。",
                    false => "",
                };
                match format!("{again}{stage}") {
                    text if text.is_empty() => "有事直接在这里问我。".to_owned(),
                    text => text,
                }
            }
            Say::CheckInTitle { day } => format!("第 {day} 个工作日,还顺利吗?"),
            Say::CheckIn { name, last: false } => format!("{name},缺权限、缺设备、找不到人,都可以说。"),
            Say::CheckIn { name, last: true } => {
                format!("{name},这是我最后一次主动来问。以后有事,随时在这里找我。")
            }
            Say::Looking => "好的,慢慢看。这两周想打招呼了,回到那张卡片点一下就行。".to_owned(),
            Say::HelloSoon { groups: true, buddy } => match buddy {
                Some(buddy) => format!("好的,稍后替你在群里问好,也告诉 {buddy} 一声。"),
                None => "好的,稍后替你在群里问好。".to_owned(),
            },
            Say::HelloSoon { groups: false, buddy } => match buddy {
                Some(buddy) => format!("好的,已告诉你的搭子 {buddy}。"),
                None => "好的,记下了。".to_owned(),
            },
            Say::HelloAlready => "已经替你打过招呼了。".to_owned(),
            Say::Fine => "那就好!".to_owned(),
            Say::Talk { buddy: Some(buddy) } => format!("已告诉你的搭子 {buddy},TA 会来找你。"),
            Say::Talk { buddy: None } => "记下了。你还没有搭子,可以先找你的主管聊聊。".to_owned(),
            Say::BuddyHello { name } => format!("{name} 向你问好!有空和 TA 聊两句。"),
            Say::BuddyTalk { name } => format!("{name} 想找人聊聊,请今天抽空问一下。"),
            Say::MyBuddy { name } => format!("搭子:{name}"),
            Say::ListTitle { people } => format!("新同事 {people} 位"),
            Say::ListEmpty => "最近 30 天没有新同事。".to_owned(),
            Say::ListRow {
                name,
                day,
                buddy,
                stage,
            } => {
                let buddy = match buddy {
                    Some(buddy) => format!("搭子 {buddy}"),
                    None => "还没有搭子".to_owned(),
                };
                let stage = match stage {
                    Stage::Waiting => "等待欢迎",
                    Stage::Silent => "还没有动静",
                    Stage::Answered => "有回应",
                    Stage::Contributed => "已在群里开口",
                    Stage::NotReached => "私信不到",
                    Stage::Left => "已离开",
                };
                match *day < 1 {
                    true => format!("{name} · 还没到岗 · {buddy} · {stage}"),
                    false => format!("{name} · 第 {day} 天 · {buddy} · {stage}"),
                }
            }
            Say::More { n } => format!("还有 {n} 个没有列出"),
            Say::Completed { answered, of } => format!("走完引导的 {of} 人中,{answered} 人有回应"),
            Say::TwoPeople => "请 @ 两个人:先新同事,后搭子。例如 /新人 搭子 @张三 @李四".to_owned(),
            Say::WhoIsThat => "没认出是谁。请用 @ 从列表里选中 TA。".to_owned(),
            Say::NoNewcomer { name } => {
                format!("{name} 不在新同事名单里(或不在你负责的部门)。发 /新人 名单 看看有谁。")
            }
            Say::OwnBuddy => "自己不能做自己的搭子,请换一位。".to_owned(),
            Say::BuddyLeft { name } => format!("{name} 已经离开公司,请换一位。"),
            Say::BuddySet { name, buddy } => format!("{name} 的搭子是 {buddy} 了,双方都会收到消息。"),
            Say::WholeCompany => "没有权限:话术全公司共用,需要范围为 all 的运营角色。可以请公司管理员来改。".to_owned(),
            Say::WordsTitle => "欢迎话术".to_owned(),
            Say::YourName => "(姓名)".to_owned(),
            Say::WordsRow {
                id,
                share,
                from_config,
                text,
            } => {
                let from = if *from_config { "(配置)" } else { "" };
                format!("{id}{from} · 占 {share} % · {}", one_line(text, 40))
            }
            Say::WordsEffect {
                people,
                contributed,
                low,
                high,
            } => format!("14 天内在群里开口:{people} 人中 {contributed} 人({low}–{high} %)"),
            Say::TooFew { open } => format!("满 14 天的不足 5 人,暂不显示效果(还在路上 {open} 人)"),
            Say::OnlyAddressed => "部分平台只看得到 @ 我的消息,开口的人数会偏少。".to_owned(),
            Say::WordsLength { most } => format!("话术要 1 到 {most} 个字。"),
            Say::WordsId => "编号用 1 到 20 个字母、数字或汉字,例如 warm;default 是内置的,改不了。".to_owned(),
            Say::WordsOfConfig { id } => {
                format!("「{id}」写在配置文件里,以配置为准,这里改不了。请改 [[onboard.words]],或换一个编号。")
            }
            Say::NoSuchWords { typed, known } => match known.is_empty() {
                true => format!("没有「{typed}」。先写一条:/新人 话术 编辑 {typed} 欢迎{{name}}!"),
                false => format!("没有「{typed}」。现有:{}", known.join("、")),
            },
            Say::WordsKept { id } => format!("已保存「{id}」,从下一位新同事起使用。"),
            Say::WordsWeighed { id, weight: 0 } => format!("「{id}」已停用。"),
            Say::WordsWeighed { id, weight } => format!("「{id}」的权重改为 {weight}。"),
        }
    }

    fn en(&self) -> String {
        let team = |team: &Option<&str>| team.map(|t| format!(" ({t})")).unwrap_or_default();
        match self {
            Say::GroupWelcome { people: 1 } => {
                "Welcome to one new colleague! They will say hello when they like; please show them around.".to_owned()
            }
            Say::GroupWelcome { people } => format!(
                "Welcome to {people} new colleagues! They will say hello when they like; please show them around."
            ),
            Say::GroupHello { names, people } => {
                let rest = people.saturating_sub(names.len());
                let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
                let verb = if *people == 1 { "says" } else { "say" };
                format!("{}{more} {verb} hello to everybody!", names.join(", "))
            }
            Say::CardTitle => "Welcome".to_owned(),
            Say::Welcome { name, company } => format!("{name}, welcome to {company}! No hurry: have a look around first."),
            Say::YourBuddy { name, team: t } => format!("Your buddy is {name}{}. Ask them anything.", team(t)),
            Say::NewBuddy { name, team: t } => format!("Your buddy is now {name}{}. Ask them anything.", team(t)),
            Say::YouAreBuddy { name, team: t } => format!(
                "Would you be the buddy of {name}{}, who is new? Say hello when you can and show them people and places. If it does not suit you, tell an operator.",
                team(t)
            ),
            Say::ButtonLook => "I'll look around".to_owned(),
            Say::ButtonHello => "Say hello".to_owned(),
            Say::ButtonFine => "All is well".to_owned(),
            Say::ButtonTalk => "I'd like to talk".to_owned(),
            Say::CardNote { days, groups } => {
                let again = match days.is_empty() {
                    true => String::new(),
                    false => format!("I will ask again on working day {}. ", days.join(" and ")),
                };
                let stage = match groups {
                    true => "No group hears your name before you press \"Say hello\".",
                    false => "",
                };
                match format!("{again}{stage}").trim() {
                    "" => "Ask me here whatever you need.".to_owned(),
                    text => text.to_owned(),
                }
            }
            Say::CheckInTitle { day } => format!("Working day {day}: how is it going?"),
            Say::CheckIn { name, last: false } => {
                format!("{name}, is anything missing: access, equipment, somebody to ask?")
            }
            Say::CheckIn { name, last: true } => {
                format!("{name}, this is the last time I ask by myself. You can always find me here.")
            }
            Say::Looking => {
                "Take your time. If you want to say hello within two weeks, press the button on that card.".to_owned()
            }
            Say::HelloSoon { groups: true, buddy } => match buddy {
                Some(buddy) => format!("I will say hello for you in the group in a moment, and tell {buddy}."),
                None => "I will say hello for you in the group in a moment.".to_owned(),
            },
            Say::HelloSoon { groups: false, buddy } => match buddy {
                Some(buddy) => format!("I have told your buddy {buddy}."),
                None => "Noted.".to_owned(),
            },
            Say::HelloAlready => "I have said hello for you already.".to_owned(),
            Say::Fine => "Good to hear!".to_owned(),
            Say::Talk { buddy: Some(buddy) } => format!("I have told your buddy {buddy}, who will find you."),
            Say::Talk { buddy: None } => "Noted. You have no buddy yet: your manager is the one to ask.".to_owned(),
            Say::BuddyHello { name } => format!("{name} says hello to you! Have a word with them when you can."),
            Say::BuddyTalk { name } => format!("{name} would like to talk to somebody. Please ask them today."),
            Say::MyBuddy { name } => format!("Buddy: {name}"),
            Say::ListTitle { people } => format!("Newcomers: {people}"),
            Say::ListEmpty => "Nobody new in the last 30 days.".to_owned(),
            Say::ListRow {
                name,
                day,
                buddy,
                stage,
            } => {
                let buddy = match buddy {
                    Some(buddy) => format!("buddy {buddy}"),
                    None => "no buddy yet".to_owned(),
                };
                let stage = match stage {
                    Stage::Waiting => "waits for the welcome",
                    Stage::Silent => "silent so far",
                    Stage::Answered => "has answered",
                    Stage::Contributed => "has spoken in a group",
                    Stage::NotReached => "cannot be written to",
                    Stage::Left => "has left",
                };
                match *day < 1 {
                    true => format!("{name} · not here yet · {buddy} · {stage}"),
                    false => format!("{name} · day {day} · {buddy} · {stage}"),
                }
            }
            Say::More { n } => format!("{n} more are not shown"),
            Say::Completed { answered, of } => format!("Of {of} who finished the path, {answered} have answered"),
            Say::TwoPeople => {
                "Please mention two people: the newcomer, then the buddy. For example /newcomer buddy @Zhang @Li"
                    .to_owned()
            }
            Say::WhoIsThat => "I do not know who that is. Please pick them from the list with @.".to_owned(),
            Say::NoNewcomer { name } => {
                format!("{name} is not on the list of newcomers (or not in your department). See /newcomer list.")
            }
            Say::OwnBuddy => "Nobody is their own buddy: please choose somebody else.".to_owned(),
            Say::BuddyLeft { name } => format!("{name} has left the company: please choose somebody else."),
            Say::BuddySet { name, buddy } => format!("{buddy} is the buddy of {name} now; both are told."),
            Say::WholeCompany => {
                "Not allowed: welcome texts are for the whole company and need the operator role with scope all. An administrator can change them."
                    .to_owned()
            }
            Say::WordsTitle => "Welcome texts".to_owned(),
            Say::YourName => "(name)".to_owned(),
            Say::WordsRow {
                id,
                share,
                from_config,
                text,
            } => {
                let from = if *from_config { " (config)" } else { "" };
                format!("{id}{from} · {share} % · {}", one_line(text, 60))
            }
            Say::WordsEffect {
                people,
                contributed,
                low,
                high,
            } => format!("Spoke in a group within 14 days: {contributed} of {people} ({low}–{high} %)"),
            Say::TooFew { open } => {
                format!("Fewer than 5 have had their 14 days: not shown yet ({open} on the way)")
            }
            Say::OnlyAddressed => "Some platforms show me only what is addressed to me: too few are counted.".to_owned(),
            Say::WordsLength { most } => format!("A welcome text has 1 to {most} characters."),
            Say::WordsId => {
                "An id has 1 to 20 letters or digits, such as warm; default is built in and cannot be changed."
                    .to_owned()
            }
            Say::WordsOfConfig { id } => format!(
                "\"{id}\" stands in the configuration, which wins. Change [[onboard.words]], or use another id."
            ),
            Say::NoSuchWords { typed, known } => match known.is_empty() {
                true => format!("There is no \"{typed}\". Write one: /newcomer words edit {typed} Welcome {{name}}!"),
                false => format!("There is no \"{typed}\". There are: {}", known.join(", ")),
            },
            Say::WordsKept { id } => format!("\"{id}\" is kept and used from the next newcomer on."),
            Say::WordsWeighed { id, weight: 0 } => format!("\"{id}\" is used no more."),
            Say::WordsWeighed { id, weight } => format!("\"{id}\" now has the weight {weight}."),
        }
    }
}

pub const COMMANDS: &[CommandText] = &[
    CommandText {
        id: "newcomers.list",
        zh: &["新人 名单", "新人"],
        en: &["newcomer list", "newcomer"],
        about_zh: "最近来了谁、搭子是谁、走到哪一步",
        about_en: "who is new, their buddies and how far they are",
        usage_zh: "/新人 名单",
        usage_en: "/newcomer list",
    },
    CommandText {
        id: "newcomers.buddy",
        zh: &["新人 搭子"],
        en: &["newcomer buddy"],
        about_zh: "给新同事换一位搭子",
        about_en: "give a newcomer another buddy",
        usage_zh: "/新人 搭子 @张三 @李四",
        usage_en: "/newcomer buddy @Zhang @Li",
    },
    CommandText {
        id: "newcomers.words",
        zh: &["新人 话术"],
        en: &["newcomer words"],
        about_zh: "有哪些欢迎语、各占多少、效果如何",
        about_en: "the welcome texts, how often each is used and what it brings",
        usage_zh: "/新人 话术",
        usage_en: "/newcomer words",
    },
    CommandText {
        id: "newcomers.edit",
        zh: &["新人 话术 编辑"],
        en: &["newcomer words edit"],
        about_zh: "新写或修改一条欢迎语,可用 {name} {company} {dept}",
        about_en: "write or change a welcome text, with {name} {company} {dept}",
        usage_zh: "/新人 话术 编辑 warm 欢迎{name},茶水间在左手边",
        usage_en: "/newcomer words edit warm Welcome {name}, tea is on the left",
    },
    CommandText {
        id: "newcomers.weight",
        zh: &["新人 话术 权重"],
        en: &["newcomer words weight"],
        about_zh: "一条欢迎语用得多少,0 为停用",
        about_en: "how often a welcome text is used; 0: never",
        usage_zh: "/新人 话术 权重 warm 2",
        usage_en: "/newcomer words weight warm 2",
    },
];
