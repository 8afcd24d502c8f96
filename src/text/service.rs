//! What the bot says about itself, about commands, and about what a person may not do.

use crate::link::board::{Standing, Why};
use hutong_link::Cause;
use hutong_model::{Ability, Platform, SeeClass};

use super::Lang;
use crate::access::{Role, Scope};

/// One thing to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Say {
    AskMePrivately,
    // --- commands
    HelpTitle,
    HelpMoreForYou(Vec<Role>),
    HelpAlso(String),
    HelpExamples(String),
    HelpMentionMe,
    HelpPrivateHasMore,
    HelpOne(String),
    HelpNoSuch(String),
    HelpChoices(String),
    HelpWho(String),
    HelpAnswersPrivately,
    UnknownCommand {
        typed: String,
        closest: Option<String>,
    },
    Incomplete {
        typed: String,
        next: String,
    },
    BadArgs(String),
    Example(String),
    NotAllowed {
        command: String,
        needs: Vec<Role>,
    },
    NotInThisScope {
        command: String,
        needs: Vec<Role>,
    },
    ButtonNotForYou,
    ButtonExpired,
    ExternalGroup,
    // --- groups the bot enters
    Greeting {
        mention: bool,
    },
    // --- /me
    MeTitle(String),
    MeDepartment {
        department: String,
        title: Option<String>,
    },
    MePlatforms(Vec<Platform>),
    MeRoles(Vec<(Role, Scope)>),
    MeLanguage,
    // --- /lang
    LanguageSet,
    // --- /health
    HealthTitle,
    AllFine,
    QuietSince {
        minutes: i64,
    },
    NothingHeardYet,
    HealthApp {
        app: String,
        kind: String,
        sees: Vec<SeeClass>,
    },
    HealthLast {
        minutes: Option<i64>,
    },
    HealthNoEventOnLink,
    /// The app receives callbacks.
    HealthCallback,
    /// The app has a long connection.
    HealthLink {
        standing: Standing,
        minutes: i64,
        why: Option<Why>,
    },
    HealthMissing(Vec<Ability>),
    HealthQueues {
        inbox: i64,
        failed: i64,
        outbox: i64,
        parked: i64,
    },
    HealthClockOff {
        seconds: i64,
    },
    HealthClockGood,
    HealthSync {
        minutes: i64,
        people: i64,
        held: i64,
    },
    HealthNoSync,
}

impl Say {
    pub fn in_lang(&self, lang: Lang) -> String {
        match lang {
            Lang::Zh => self.zh(),
            Lang::En => self.en(),
        }
    }

    fn zh(&self) -> String {
        match self {
            Say::AskMePrivately => "这个只能私下告诉你,请在和我的单聊里再发一次。".to_owned(),
            Say::HelpTitle => "你在这里可以用的命令".to_owned(),
            Say::HelpMoreForYou(roles) => format!("你是{},还可以:", roles_zh(roles)),
            Say::HelpAlso(names) => format!("还有:{names}"),
            Say::HelpExamples(lines) => format!("例如:\n{lines}"),
            Say::HelpMentionMe => "在群里请先 @我,我才听得到。".to_owned(),
            Say::HelpPrivateHasMore => "更多命令请私聊我发 /帮助。".to_owned(),
            Say::HelpOne(name) => format!("想细看某个命令,发:{name} ?"),
            Say::HelpNoSuch(typed) => format!("没有「{typed}」这个命令。发 /帮助 看看有哪些。"),
            Say::HelpChoices(list) => format!("可以填的:{list}"),
            Say::HelpWho(who) => format!("谁可以用:{who}"),
            Say::HelpAnswersPrivately => "结果只发给你自己。".to_owned(),
            Say::UnknownCommand { typed, closest } => match closest {
                Some(name) => format!("没有「/{typed}」这个命令,你是不是想用 {name} ?"),
                None => format!("没有「/{typed}」这个命令。发 /帮助 看看有哪些。"),
            },
            Say::Incomplete { typed, next } => format!("「/{typed}」后面还要接一个词:{next}"),
            Say::BadArgs(name) => format!("{name} 还差一点:"),
            Say::Example(example) => format!("例如:{example}"),
            Say::NotAllowed { command, needs } => format!(
                "没有权限:{command} 需要「{}」。请找管理员开通,或请有这个角色的同事来做。",
                roles_zh(needs)
            ),
            Say::NotInThisScope { command, needs } => format!(
                "没有权限:{command} 在这里需要「{}」,你的角色管的是别的群或部门。请到你负责的范围里用,或请这里的负责人来做。",
                roles_zh(needs)
            ),
            Say::ButtonNotForYou => "这个按钮不是给你的,什么也没有改动。".to_owned(),
            Say::ButtonExpired => "这个按钮已经过期,什么也没有改动。请重新发一次命令。".to_owned(),
            Say::ExternalGroup => "我只为公司内部群服务,在这个外部群里不会回应,也不会记录。".to_owned(),
            Say::Greeting { mention: true } => "大家好,我是小胡同,有事 @我 发 /帮助 就能开始。".to_owned(),
            Say::Greeting { mention: false } => "大家好,我是小胡同,发 /帮助 就能开始。".to_owned(),
            Say::MeTitle(name) => format!("{name},这是你的情况"),
            Say::MeDepartment { department, title } => match title {
                Some(title) => format!("部门:{department} · {title}"),
                None => format!("部门:{department}"),
            },
            Say::MePlatforms(list) => format!("我认得你在:{}(算同一个人)", platforms(list, Lang::Zh).join("、")),
            Say::MeRoles(list) if list.is_empty() => "角色:成员".to_owned(),
            Say::MeRoles(list) => {
                let parts: Vec<String> = list.iter().map(|(r, s)| held(*r, s, Lang::Zh)).collect();
                format!("角色:{}", parts.join("、"))
            }
            Say::MeLanguage => "语言:中文(想换就发 /语言 en)".to_owned(),
            Say::LanguageSet => "好的,以后我和你说中文。".to_owned(),
            Say::HealthTitle => "体检".to_owned(),
            Say::AllFine => "我一切正常。".to_owned(),
            Say::QuietSince { minutes } => {
                format!(
                    "我在,不过已经{}没有收到消息了;如果不对,请告诉管理员。",
                    ago(*minutes, Lang::Zh)
                )
            }
            Say::NothingHeardYet => "我在,只是还没有收到过任何消息。".to_owned(),
            Say::HealthApp { app, kind, sees } => {
                let seen: Vec<&str> = sees.iter().map(|s| sees_zh(*s)).collect();
                format!("{app} · {} · 看得到:{}", kind_zh(kind), seen.join("、"))
            }
            Say::HealthLast { minutes: Some(m) } => format!("上一个事件:{}前", ago(*m, Lang::Zh)),
            Say::HealthLast { minutes: None } => "还没有收到过事件:请检查回调地址和事件订阅".to_owned(),
            Say::HealthNoEventOnLink => "还没有收到过事件:请检查事件订阅".to_owned(),
            Say::HealthCallback => "接收:回调".to_owned(),
            Say::HealthLink { standing, minutes, why } => link_zh(standing, *minutes, *why),
            Say::HealthMissing(list) => {
                let parts: Vec<&str> = list.iter().map(|a| ability_zh(*a)).collect();
                format!("做不到:{}", parts.join("、"))
            }
            Say::HealthQueues {
                inbox,
                failed,
                outbox,
                parked,
            } => format!("待处理 {inbox} · 处理失败 {failed} · 待发送 {outbox} · 等人决定 {parked}"),
            Say::HealthClockOff { seconds } => format!("时钟:和平台差 {seconds} 秒,请检查服务器的对时"),
            Say::HealthClockGood => "时钟:和平台一致".to_owned(),
            Say::HealthSync {
                minutes,
                people,
                held: 0,
            } => {
                format!("通讯录:{people} 人,{}前同步", ago(*minutes, Lang::Zh))
            }
            Say::HealthSync { minutes, people, held } => format!(
                "通讯录:{people} 人,{}前同步;有 {held} 人疑似离职,人数太多没有自动处理,请核对",
                ago(*minutes, Lang::Zh)
            ),
            Say::HealthNoSync => "通讯录:还没有完整同步过".to_owned(),
        }
    }

    fn en(&self) -> String {
        match self {
            Say::AskMePrivately => "This is for your eyes only: please ask me again in our private chat.".to_owned(),
            Say::HelpTitle => "What you can do here".to_owned(),
            Say::HelpMoreForYou(roles) => format!("As {} you can also:", roles_en(roles)),
            Say::HelpAlso(names) => format!("Also: {names}"),
            Say::HelpExamples(lines) => format!("For example:\n{lines}"),
            Say::HelpMentionMe => "In groups please mention me first, or I do not hear it.".to_owned(),
            Say::HelpPrivateHasMore => "Send me /help privately for more.".to_owned(),
            Say::HelpOne(name) => format!("For one command in detail, send: {name} ?"),
            Say::HelpNoSuch(typed) => format!("There is no command \"{typed}\". Send /help to see what there is."),
            Say::HelpChoices(list) => format!("Choices: {list}"),
            Say::HelpWho(who) => format!("For: {who}"),
            Say::HelpAnswersPrivately => "The answer is sent to you alone.".to_owned(),
            Say::UnknownCommand { typed, closest } => match closest {
                Some(name) => format!("There is no command \"/{typed}\". Did you mean {name} ?"),
                None => format!("There is no command \"/{typed}\". Send /help to see what there is."),
            },
            Say::Incomplete { typed, next } => format!("\"/{typed}\" needs one more word: {next}"),
            Say::BadArgs(name) => format!("{name} is nearly right:"),
            Say::Example(example) => format!("For example: {example}"),
            Say::NotAllowed { command, needs } => format!(
                "Not allowed: {command} needs the role {}. Please ask an admin for it, or a colleague who has it.",
                roles_en(needs)
            ),
            Say::NotInThisScope { command, needs } => format!(
                "Not allowed: {command} needs the role {} here, and yours is for other groups or departments. Please use it there, or ask who is responsible here.",
                roles_en(needs)
            ),
            Say::ButtonNotForYou => "This button is not for you; nothing was changed.".to_owned(),
            Say::ButtonExpired => {
                "This button has expired; nothing was changed. Please send the command again.".to_owned()
            }
            Say::ExternalGroup => {
                "I serve the company's own groups only: in this external group I stay silent and record nothing."
                    .to_owned()
            }
            Say::Greeting { mention: true } => {
                "Hello everyone, I am Hutong. Mention me with /help to begin.".to_owned()
            }
            Say::Greeting { mention: false } => "Hello everyone, I am Hutong. Send /help to begin.".to_owned(),
            Say::MeTitle(name) => format!("{name}, this is you"),
            Say::MeDepartment { department, title } => match title {
                Some(title) => format!("Department: {department} · {title}"),
                None => format!("Department: {department}"),
            },
            Say::MePlatforms(list) => format!(
                "I know you on: {} (as one person)",
                platforms(list, Lang::En).join(", ")
            ),
            Say::MeRoles(list) if list.is_empty() => "Role: member".to_owned(),
            Say::MeRoles(list) => {
                let parts: Vec<String> = list.iter().map(|(r, s)| held(*r, s, Lang::En)).collect();
                format!("Roles: {}", parts.join(", "))
            }
            Say::MeLanguage => "Language: English (send /lang zh to change)".to_owned(),
            Say::LanguageSet => "Fine, I will speak English to you.".to_owned(),
            Say::HealthTitle => "Health".to_owned(),
            Say::AllFine => "I am fine.".to_owned(),
            Say::QuietSince { minutes } => format!(
                "I am here, but have heard nothing for {}. If that seems wrong, please tell an admin.",
                ago(*minutes, Lang::En)
            ),
            Say::NothingHeardYet => "I am here, and have not heard anything yet.".to_owned(),
            Say::HealthApp { app, kind, sees } => {
                let seen: Vec<&str> = sees.iter().map(|s| sees_en(*s)).collect();
                format!("{app} · {} · sees: {}", kind_en(kind), seen.join(", "))
            }
            Say::HealthLast { minutes: Some(m) } => format!("last event {} ago", ago(*m, Lang::En)),
            Say::HealthLast { minutes: None } => {
                "no event yet: please check the callback address and the event subscription".to_owned()
            }
            Say::HealthNoEventOnLink => "no event yet: please check the event subscription".to_owned(),
            Say::HealthCallback => "receives: callbacks".to_owned(),
            Say::HealthLink { standing, minutes, why } => link_en(standing, *minutes, *why),
            Say::HealthMissing(list) => {
                let parts: Vec<&str> = list.iter().map(|a| ability_en(*a)).collect();
                format!("cannot: {}", parts.join(", "))
            }
            Say::HealthQueues {
                inbox,
                failed,
                outbox,
                parked,
            } => format!("waiting {inbox} · failed {failed} · to send {outbox} · for a decision {parked}"),
            Say::HealthClockOff { seconds } => {
                format!("Clock: {seconds} s away from the platform, please check time synchronisation")
            }
            Say::HealthClockGood => "Clock: agrees with the platform".to_owned(),
            Say::HealthSync {
                minutes,
                people,
                held: 0,
            } => {
                format!("Directory: {people} people, synced {} ago", ago(*minutes, Lang::En))
            }
            Say::HealthSync { minutes, people, held } => format!(
                "Directory: {people} people, synced {} ago; {held} seem to have left, too many to apply unseen: please check",
                ago(*minutes, Lang::En)
            ),
            Say::HealthNoSync => "Directory: never fully synced".to_owned(),
        }
    }
}

/// What a platform says in a refusal can be long; a line on a phone is not.
const REFUSAL_CHARS: usize = 80;

fn short(text: &str) -> String {
    match text.char_indices().nth(REFUSAL_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn link_zh(standing: &Standing, minutes: i64, why: Option<Why>) -> String {
    let time = ago(minutes, Lang::Zh);
    let state = match standing {
        Standing::Ready => format!("已连 {time}"),
        Standing::Idle | Standing::Connecting => "正在连接".to_owned(),
        Standing::Standby => "由另一个实例连着".to_owned(),
        Standing::Waiting => format!("已断 {time},会自动重连"),
        Standing::Refused { code, text } => format!("被平台拒绝 {time}({code}:{}),每 5 分钟再试", short(text)),
        Standing::Evicted => "被别处顶下线:同一个机器人在别的地方也连着,请先停掉那一个".to_owned(),
        Standing::Stopped => "已停止".to_owned(),
    };
    match why {
        Some(why) => format!("接收:长连接,{state};上次重连:{}", why_zh(why)),
        None => format!("接收:长连接,{state}"),
    }
}

fn link_en(standing: &Standing, minutes: i64, why: Option<Why>) -> String {
    let time = ago(minutes, Lang::En);
    let state = match standing {
        Standing::Ready => format!("connected for {time}"),
        Standing::Idle | Standing::Connecting => "connecting".to_owned(),
        Standing::Standby => "held by another replica".to_owned(),
        Standing::Waiting => format!("down for {time}, reconnecting by itself"),
        Standing::Refused { code, text } => format!(
            "refused by the platform for {time} ({code}: {}), tried every 5 minutes",
            short(text)
        ),
        Standing::Evicted => "taken over: the same bot is connected elsewhere too, please stop that one".to_owned(),
        Standing::Stopped => "stopped".to_owned(),
    };
    match why {
        Some(why) => format!("receives: long connection, {state}; last reconnect: {}", why_en(why)),
        None => format!("receives: long connection, {state}"),
    }
}

/// Why a connection was made anew.
pub fn link_why(why: Why, lang: Lang) -> &'static str {
    match lang {
        Lang::Zh => why_zh(why),
        Lang::En => why_en(why),
    }
}

fn why_zh(why: Why) -> &'static str {
    match why {
        Why::Lost(Cause::NoEndpoint) => "平台没有给出连接地址",
        Why::Lost(Cause::NoConnection) => "连不上平台",
        Why::Lost(Cause::NotAccepted) => "平台没有及时接受连接",
        Why::Lost(Cause::Silence) => "太久没有任何声音",
        Why::Lost(Cause::Closed) => "平台关闭了连接",
        Why::Lost(Cause::Broken) => "连接中断",
        Why::Lost(Cause::Protocol) => "平台没有按协议回答",
        Why::Lost(Cause::Ended) => "正常结束",
        Why::Lost(Cause::Defect) => "程序出错,已恢复",
        Why::Announced => "平台预告断开",
        Why::Rotated => "定时更换",
        Why::Refused => "被拒绝",
        Why::Evicted => "被顶下线",
        Why::LeaseLost => "让给另一个实例",
    }
}

fn why_en(why: Why) -> &'static str {
    match why {
        Why::Lost(Cause::NoEndpoint) => "the platform gave no endpoint",
        Why::Lost(Cause::NoConnection) => "the platform could not be reached",
        Why::Lost(Cause::NotAccepted) => "the platform did not accept it in time",
        Why::Lost(Cause::Silence) => "nothing was heard for too long",
        Why::Lost(Cause::Closed) => "closed by the platform",
        Why::Lost(Cause::Broken) => "the connection broke",
        Why::Lost(Cause::Protocol) => "the platform did not keep to the protocol",
        Why::Lost(Cause::Ended) => "ended in good order",
        Why::Lost(Cause::Defect) => "a defect of the program, contained",
        Why::Announced => "announced by the platform",
        Why::Rotated => "routine replacement",
        Why::Refused => "refused",
        Why::Evicted => "taken over",
        Why::LeaseLost => "passed to another replica",
    }
}

/// What a role is called.
pub fn role(role: Role, lang: Lang) -> &'static str {
    match (lang, role) {
        (Lang::Zh, Role::Member) => "成员",
        (Lang::Zh, Role::Moderator) => "版主",
        (Lang::Zh, Role::Editor) => "编辑",
        (Lang::Zh, Role::Reviewer) => "审核",
        (Lang::Zh, Role::Operator) => "运营",
        (Lang::Zh, Role::Approver) => "审批",
        (Lang::Zh, Role::Auditor) => "审计",
        (Lang::Zh, Role::Admin) => "管理员",
        (Lang::En, Role::Member) => "member",
        (Lang::En, Role::Moderator) => "moderator",
        (Lang::En, Role::Editor) => "editor",
        (Lang::En, Role::Reviewer) => "reviewer",
        (Lang::En, Role::Operator) => "operator",
        (Lang::En, Role::Approver) => "approver",
        (Lang::En, Role::Auditor) => "auditor",
        (Lang::En, Role::Admin) => "admin",
    }
}

/// Several roles of which one is enough.
pub fn roles(list: &[Role], lang: Lang) -> String {
    match lang {
        Lang::Zh => roles_zh(list),
        Lang::En => roles_en(list),
    }
}

fn roles_zh(list: &[Role]) -> String {
    let names: Vec<&str> = list.iter().map(|r| role(*r, Lang::Zh)).collect();
    names.join("或")
}

fn roles_en(list: &[Role]) -> String {
    let names: Vec<&str> = list.iter().map(|r| role(*r, Lang::En)).collect();
    names.join(" or ")
}

fn held(r: Role, scope: &Scope, lang: Lang) -> String {
    let name = role(r, lang);
    match (lang, scope) {
        (Lang::Zh, Scope::All) => name.to_owned(),
        (Lang::En, Scope::All) => name.to_owned(),
        (Lang::Zh, Scope::Department(dept)) => format!("{name}({dept})"),
        (Lang::En, Scope::Department(dept)) => format!("{name} ({dept})"),
        // The platform's id of a chat says nothing to a person.
        (Lang::Zh, Scope::Chat(_)) => format!("{name}(单个群)"),
        (Lang::En, Scope::Chat(_)) => format!("{name} (one group)"),
    }
}

fn platforms(list: &[Platform], lang: Lang) -> Vec<String> {
    list.iter()
        .map(|p| match lang {
            Lang::Zh => kind_zh(p.as_str()).to_owned(),
            Lang::En => kind_en(p.as_str()).to_owned(),
        })
        .collect()
}

/// Kinds of apps as people call them; the words are data of [`hutong_model::Capabilities::kind`].
fn kind_zh(kind: &str) -> &str {
    match kind {
        "feishu" => "飞书",
        "lark" => "Lark",
        "dingtalk" => "钉钉",
        "dingtalk_robot" => "钉钉群机器人",
        "wecom" => "企业微信",
        "wecom_aibot" => "企业微信智能机器人",
        "wecom_webhook" => "企业微信群机器人",
        other => other,
    }
}

fn kind_en(kind: &str) -> &str {
    match kind {
        "feishu" => "Feishu",
        "lark" => "Lark",
        "dingtalk" => "DingTalk",
        "dingtalk_robot" => "DingTalk group robot",
        "wecom" => "WeCom",
        "wecom_aibot" => "WeCom AI bot",
        "wecom_webhook" => "WeCom group robot",
        other => other,
    }
}

/// A span of time in the largest unit that fits.
fn ago(minutes: i64, lang: Lang) -> String {
    match (lang, minutes) {
        (Lang::Zh, ..1) => "不到 1 分钟".to_owned(),
        (Lang::Zh, 1..120) => format!(" {minutes} 分钟"),
        (Lang::Zh, 120..2880) => format!(" {} 小时", minutes / 60),
        (Lang::Zh, _) => format!(" {} 天", minutes / 1440),
        (Lang::En, ..1) => "less than a minute".to_owned(),
        (Lang::En, 1..120) => format!("{minutes} min"),
        (Lang::En, 120..2880) => format!("{} h", minutes / 60),
        (Lang::En, _) => format!("{} days", minutes / 1440),
    }
}

fn sees_zh(class: SeeClass) -> &'static str {
    match class {
        SeeClass::V1 => "群里全部消息",
        SeeClass::V2 => "@我和私聊",
        SeeClass::V3 => "平台统计",
        SeeClass::V4 => "已读",
        SeeClass::V5 => "按钮",
        SeeClass::V6 => "进退群",
    }
}

fn sees_en(class: SeeClass) -> &'static str {
    match class {
        SeeClass::V1 => "all group messages",
        SeeClass::V2 => "mentions and private chats",
        SeeClass::V3 => "platform statistics",
        SeeClass::V4 => "reads",
        SeeClass::V5 => "buttons",
        SeeClass::V6 => "joins and leaves",
    }
}

/// What an ability is called.
pub fn ability(ability: Ability, lang: Lang) -> &'static str {
    match lang {
        Lang::Zh => ability_zh(ability),
        Lang::En => ability_en(ability),
    }
}

fn ability_zh(ability: Ability) -> &'static str {
    match ability {
        Ability::SendToChat => "往群里发",
        Ability::SendToUser => "私聊",
        Ability::FirstWord => "先开口私聊",
        Ability::Reply => "回复",
        Ability::UpdateCard => "更新卡片",
        Ability::Recall => "撤回",
        Ability::React => "表情回应",
        Ability::CreateChat => "建群",
        Ability::RenameChat => "改群名",
        Ability::SetOwner => "换群主",
        Ability::AddMembers => "拉人",
        Ability::RemoveMembers => "移人",
        Ability::Disband => "解散群",
        Ability::Upload => "传文件",
        Ability::Pin => "置顶",
        Ability::Unpin => "取消置顶",
        Ability::Badge => "平台勋章",
        Ability::Urgent => "加急",
        Ability::Calendar => "日历",
        Ability::Readers => "查已读",
        Ability::ListMembers => "查群成员",
        Ability::ListDepartments => "读部门",
        Ability::ListPeople => "读通讯录",
        Ability::ListChats => "列出所在的群",
        Ability::Statistics => "读平台统计",
        Ability::Download => "下载附件",
        Ability::ButtonsInChat => "群里的按钮",
        Ability::ButtonsToUser => "私聊里的按钮",
        Ability::Forms => "表单",
        Ability::Tables => "表格",
        Ability::Charts => "图表",
        Ability::Images => "图片",
        Ability::MentionUser => "@人",
        Ability::MentionAll => "@所有人",
        Ability::SeesReactions => "看到表情",
        Ability::SeesRecalls => "看到撤回",
        Ability::SeesMembers => "看到进退群",
        Ability::SeesDirectory => "看到人事变动",
    }
}

fn ability_en(ability: Ability) -> &'static str {
    match ability {
        Ability::SendToChat => "post in groups",
        Ability::SendToUser => "write privately",
        Ability::FirstWord => "begin a private chat",
        Ability::Reply => "reply",
        Ability::UpdateCard => "update cards",
        Ability::Recall => "recall",
        Ability::React => "react",
        Ability::CreateChat => "make groups",
        Ability::RenameChat => "rename groups",
        Ability::SetOwner => "change owners",
        Ability::AddMembers => "add members",
        Ability::RemoveMembers => "remove members",
        Ability::Disband => "disband groups",
        Ability::Upload => "upload files",
        Ability::Pin => "pin",
        Ability::Unpin => "unpin",
        Ability::Badge => "give the platform's badges",
        Ability::Urgent => "buzz people",
        Ability::Calendar => "use the calendar",
        Ability::Readers => "ask who has read",
        Ability::ListMembers => "list members",
        Ability::ListDepartments => "read departments",
        Ability::ListPeople => "read the directory",
        Ability::ListChats => "list its groups",
        Ability::Statistics => "read the platform's statistics",
        Ability::Download => "fetch attachments",
        Ability::ButtonsInChat => "use buttons in groups",
        Ability::ButtonsToUser => "use buttons privately",
        Ability::Forms => "show forms",
        Ability::Tables => "show tables",
        Ability::Charts => "show charts",
        Ability::Images => "show images",
        Ability::MentionUser => "mention people",
        Ability::MentionAll => "mention everyone",
        Ability::SeesReactions => "see reactions",
        Ability::SeesRecalls => "see recalls",
        Ability::SeesMembers => "see joins and leaves",
        Ability::SeesDirectory => "see directory changes",
    }
}
