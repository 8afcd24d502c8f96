//! What the bot says about groups by department.

use chrono::NaiveDate;
use hutong_model::Ability;

use super::Lang;
use super::condition::Mistake;

/// Why something is left alone when a plan is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptWhy {
    ChangedSince,
    LeftCompany,
    /// Nobody knows whether it was done.
    Unknown,
    /// The platform cannot disband a group.
    CannotDisband,
    /// People are in the new group whom the plan did not add.
    OthersInside,
    /// The owner before is not in the group, or was not known.
    OwnerGone,
    /// The person owns the group.
    OwnsIt,
    /// The group is not there any more.
    GroupGone,
}

/// How much was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    pub groups: usize,
    pub adds: usize,
    pub removes: usize,
}

/// One thing to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Say {
    NoSuchRule {
        typed: String,
        known: String,
    },
    NoSuchDepartment(String),
    DepartmentTwice(String),
    Nobody {
        rule: String,
        dept: String,
    },
    NotYours,
    Paused(String),
    // --- preview
    PreviewTitle(String),
    NothingToDo,
    Create {
        count: usize,
        names: String,
    },
    Rename {
        count: usize,
        names: String,
    },
    Add {
        count: usize,
        names: String,
    },
    Remove {
        count: usize,
        names: String,
    },
    NewOwners(usize),
    NoOwner {
        count: usize,
        names: String,
    },
    TooSmall(usize),
    Unreachable(usize),
    StayOut(usize),
    Orphans(usize),
    ToApply {
        rule: String,
        code: String,
    },
    SecondNeeded,
    /// A new rule; the end of its first days.
    Fresh(String),
    GraceBegins {
        count: usize,
        names: String,
    },
    InGrace(usize),
    Cannot {
        app: String,
        ability: Ability,
        other: Option<String>,
    },
    // --- apply
    PlanChanged {
        rule: String,
    },
    Started {
        started: Started,
        code: String,
    },
    AskedSecond {
        names: String,
        fresh: bool,
    },
    NoSecond {
        fresh: bool,
    },
    ApprovalTitle {
        rule: String,
    },
    ApprovalAsk {
        author: String,
    },
    Approve,
    Decline,
    OwnRequest,
    ApprovalOver,
    ApprovalDecided {
        approved: bool,
    },
    ApprovalYes {
        by: String,
    },
    ApprovalNo {
        by: String,
    },
    // --- undo
    NoSuchRun(String),
    RunUndone(String),
    RunTooOld(String),
    RunPending {
        code: String,
        count: usize,
    },
    UndoTitle {
        rule: String,
        code: String,
    },
    UndoOf {
        at: String,
        by: String,
    },
    Disband {
        count: usize,
        names: String,
    },
    NothingToUndo,
    Kept {
        count: usize,
        items: String,
        more: usize,
    },
    KeptItem {
        name: String,
        why: KeptWhy,
    },
    UndoPauses,
    OrderOld,
    OrderNoAccount(String),
    UndoChanged {
        code: String,
    },
    UndoStarted {
        started: Started,
        rule: String,
    },
    // --- nobody knows whether a group was made
    UnclearTitle(String),
    UnclearAsk,
    UnclearAgain,
    UnclearOver,
    UnclearSettled {
        rule: String,
    },
    // --- rules that are more than a department
    FeedsInto {
        rule: String,
        into: String,
    },
    BadSegment {
        id: String,
        /// From 1.
        at: usize,
        mistake: Mistake,
    },
    Blocked {
        count: usize,
        names: String,
    },
    Taken {
        count: usize,
        names: String,
    },
    /// Two departments of one rule would give their groups one name.
    Twice {
        count: usize,
        names: String,
    },
    /// How long the platform's limits let it take, in minutes.
    Takes(u64),
    NobodyOwns {
        group: String,
        rule: String,
    },
    // --- what people do themselves
    NoSuchGroup(String),
    NotForYou(String),
    InAlready(String),
    /// No room, and nothing opens by itself.
    Full {
        group: String,
        rule: String,
    },
    NotInside(String),
    Mandatory(String),
    LeaveInClient(String),
    Joining(String),
    Leaving(String),
    YouAreBack {
        group: String,
    },
    ManyJoined(usize),
    // --- in the group and to its people
    Welcome {
        dept: String,
    },
    AddedTitle,
    LeaveButton(String),
    YouWereAdded {
        dept: Option<String>,
        groups: String,
        /// The first of the groups that one may leave for good.
        optional: Option<String>,
    },
    YouMoved {
        groups: String,
        until: NaiveDate,
        days: u16,
    },
    // --- rule
    RuleTitle(String),
    RuleRunning {
        auto: bool,
    },
    RulePaused,
    RuleResumed,
    RuleGroup {
        name: String,
        state: String,
        members: usize,
        adding: usize,
    },
    RuleFailed {
        count: usize,
        people: String,
    },
    RuleGrace {
        count: usize,
        people: String,
    },
    RuleLastChange {
        minutes: i64,
    },
    RuleNoGroups,
    RuleMore(usize),
    // --- reasons kept with each change
    ReasonPlan(String),
    ReasonUndo(String),
    ReasonJoined,
    ReasonLeftCompany,
    ReasonMoved,
    ReasonMandatory,
    ReasonOwnerLeft,
    ReasonOwnWish,
    ReasonFull,
    /// What stands beside a group or a person: a word of ours, or the code of the platform.
    Detail(String),
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
            Say::NoSuchRule { typed, known } if known.is_empty() => {
                format!("没有「{typed}」这条建群规则,现在一条也没有。请管理员在配置里加 [[group_rule]]。")
            }
            Say::NoSuchRule { typed, known } => format!("没有「{typed}」这条建群规则。现有:{known}"),
            Say::NoSuchDepartment(dept) => {
                format!("通讯录里找不到部门「{dept}」。请核对规则里的 department,或等下一次通讯录同步。")
            }
            Say::DepartmentTwice(dept) => {
                format!("叫「{dept}」的部门不止一个。请在规则里写全路径,例如 上级部门/{dept}。")
            }
            Say::Nobody { rule, dept } => format!(
                "规则 {rule} 现在一个人也没匹配到(部门「{dept}」里没有有账号的人),什么也不会改。请核对 department,或等通讯录同步完再发 /建群 预览 规则={rule}"
            ),
            Say::NotYours => "没有权限:这条规则管的部门不在你的负责范围内。请找那里的运营或管理员。".to_owned(),
            Say::Paused(rule) => format!("规则 {rule} 已暂停。要继续就发 /群 规则 恢复 {rule}"),
            Say::PreviewTitle(rule) => format!("建群预览 · {rule}"),
            Say::NothingToDo => "群和通讯录一致,没有要改动的。".to_owned(),
            Say::Create { count, names } => format!("新建 {count} 个群:{names}"),
            Say::Rename { count, names } => format!("改名 {count} 个群:{names}"),
            Say::Add { count, names } => format!("加入 {count} 人次:{names}"),
            Say::Remove { count, names } => format!("移出 {count} 人次:{names}"),
            Say::NewOwners(count) => format!("换群主 {count} 个群"),
            Say::NoOwner { count, names } => format!("{count} 个群没有合适的群主,先不建:{names}"),
            Say::TooSmall(count) => format!("{count} 个部门不到两人,先不建"),
            Say::Unreachable(count) => format!("{count} 人在这个平台没有账号,进不了群"),
            Say::StayOut(count) => format!("{count} 人次自己退过群,不再拉回"),
            Say::Orphans(count) => format!("{count} 个群的部门已不在规则里,保持原样"),
            Say::ToApply { rule, code } => format!("确认后发:/建群 执行 规则={rule} 计划={code}"),
            Say::SecondNeeded => "移出的人较多,执行时需要另一位运营确认。".to_owned(),
            Say::Fresh(until) => format!("新规则,{until} 前还在预览期:执行要另一位运营确认,我也不会自动改群。"),
            Say::GraceBegins { count, names } => format!("调岗 {count} 人次,先留在原群,进入宽限期:{names}"),
            Say::InGrace(count) => format!("{count} 人次还在调岗宽限期,到期移出"),
            Say::Cannot { app, ability, other } => {
                let what = ability_zh(*ability);
                match other {
                    Some(other) => {
                        format!("应用 {app} 不能{what}。同平台的 {other} 可以:把规则里的 app 改成 \"{other}\" 再试。")
                    }
                    None => format!(
                        "应用 {app} 不能{what},同平台也没有别的应用可以。请先接入能{what}的应用,或由管理员在客户端里手工操作。"
                    ),
                }
            }
            Say::PlanChanged { rule } => {
                format!("通讯录或群在预览之后变了,这份计划已作废,什么也没有做。请重新发 /建群 预览 规则={rule}")
            }
            Say::Started { started, code } => format!(
                "开始执行:{}。进展用 /群 规则 查看;30 天内可以撤销:/建群 撤销 计划={code}",
                started_zh(started)
            ),
            Say::NoSuchRun(code) => {
                format!("没有执行过计划「{code}」,什么也没有做。执行时的回复里有计划编号,例如 /建群 撤销 计划=7f3a2b")
            }
            Say::RunUndone(code) => format!("计划 {code} 已经撤销过了,什么也没有做。"),
            Say::RunTooOld(code) => {
                format!("计划 {code} 已超过 30 天,不能撤销。请改规则或通讯录,再发 /建群 预览。")
            }
            Say::RunPending { code, count } => {
                format!("计划 {code} 还有 {count} 项没有结果,现在撤销不准确。请过几分钟再发 /建群 撤销 计划={code}")
            }
            Say::UndoTitle { rule, code } => format!("撤销预览 · {rule} · 计划 {code}"),
            Say::UndoOf { at, by } => format!("要撤销的:{at} {by} 执行的计划"),
            Say::Disband { count, names } => format!("解散 {count} 个群(当时新建的):{names}"),
            Say::NothingToUndo => "没有可以恢复的。".to_owned(),
            Say::Kept { count, items, more } => match more {
                0 => format!("保持原样 {count} 项:{items}"),
                more => format!("保持原样 {count} 项:{items},还有 {more} 项"),
            },
            Say::KeptItem { name, why } => format!("{name}({})", kept_zh(*why)),
            Say::OrderOld => "这份命令行请求已超过 15 分钟,什么也没有做。请重新运行。".to_owned(),
            Say::OrderNoAccount(name) => {
                format!("{name} 在这条规则的平台上没有账号,收不到结果,什么也没有做。请换一位运营。")
            }
            Say::UndoPauses => "执行后这条规则会暂停,免得又改回去。".to_owned(),
            Say::UndoChanged { code } => {
                format!("群在预览之后变了,这份撤销已作废,什么也没有做。请重新发 /建群 撤销 计划={code}")
            }
            Say::UndoStarted { started, rule } => format!(
                "开始撤销:{}。规则已暂停,免得又改回去;要恢复就发 /群 规则 恢复 {rule}",
                started_zh(started)
            ),
            Say::AskedSecond { names, fresh } => {
                format!("{},需要另一位运营确认。已私下发给 {names},15 分钟内有效。", second_zh(*fresh))
            }
            Say::NoSecond { fresh } => format!(
                "{},需要另一位运营确认,但除你以外没有能收到消息的运营或管理员,什么也没有做。\n请管理员用 [[role]] 再任命一位{}。",
                second_zh(*fresh),
                match fresh {
                    true => ";公司只有一位运营的,可以把规则的 preview_days 设为 0",
                    false => ";公司只有一位运营的,可以调高 [limits] group_remove_people 和 group_remove_percent,或分批处理",
                }
            ),
            Say::ApprovalTitle { rule } => format!("请确认 · 建群规则 {rule}"),
            Say::ApprovalAsk { author } => format!("{author} 想执行下面的计划,需要你确认:"),
            Say::Approve => "同意执行".to_owned(),
            Say::Decline => "不同意".to_owned(),
            Say::OwnRequest => "这是你自己提出的,需要另一位运营来确认。".to_owned(),
            Say::ApprovalOver => "这份确认已过期,什么也没有做。请重新预览和执行。".to_owned(),
            Say::ApprovalDecided { approved: true } => "已经有人同意过了,不用再按。".to_owned(),
            Say::ApprovalDecided { approved: false } => "已经有人拒绝了,什么也没有做。".to_owned(),
            Say::ApprovalYes { by } => format!("{by} 已同意,开始执行。"),
            Say::ApprovalNo { by } => format!("{by} 没有同意,什么也没有做。"),
            Say::UnclearTitle(name) => format!("建群结果不明 · {name}"),
            Say::UnclearAsk => {
                "平台没有告诉我这个群的编号,它可能已经建好。我不会再建一个。请在客户端里查看:如果没有这个群,按下面的按钮,下次计划会重新建。"
                    .to_owned()
            }
            Say::UnclearAgain => "没有这个群,可以重建".to_owned(),
            Say::UnclearOver => "这个群的情况已经清楚了,什么也没有改。".to_owned(),
            Say::UnclearSettled { rule } => format!("记下了。重新发 /建群 预览 规则={rule}"),
            Say::Welcome { dept } => {
                format!("欢迎来到「{dept}」的交流群。群成员随通讯录更新;有事 @我 发 /帮助。")
            }
            Say::YouWereAdded { dept, groups, optional } => {
                let why = match dept {
                    Some(dept) => format!("你在「{dept}」,所以我把你加入了:{groups}。"),
                    None => format!("按公司的建群规则,我把你加入了:{groups}。"),
                };
                match optional {
                    Some(name) => format!(
                        "{why}不想留在里面可以直接退出,或发 /退出 群 {name};我不会再拉你,想回来发 /加入 群 {name}"
                    ),
                    None => format!("{why}这是工作必需的群,群成员随通讯录更新。"),
                }
            }
            Say::YouMoved { groups, until, days } => format!(
                "你调到了别的部门。{groups} 里你还可以留到 {}({days} 个工作日),方便交接,之后我会把你移出。想长期留下请找那里的运营。",
                until.format("%Y-%m-%d")
            ),
            Say::RuleGrace { count, people } => format!("调岗宽限 {count} 人次(留到):{people}"),
            Say::RuleTitle(rule) => format!("建群规则 · {rule}"),
            Say::RuleRunning { auto: true } => "状态:运行中,新人自动加入".to_owned(),
            Say::RuleRunning { auto: false } => "状态:运行中,按计划执行".to_owned(),
            Say::RulePaused => "已暂停:我不会改动这些群。".to_owned(),
            Say::RuleResumed => "已恢复。".to_owned(),
            Say::RuleGroup {
                name,
                state,
                members,
                adding: 0,
            } => format!("{name}:{} · {members} 人", state_zh(state)),
            Say::RuleGroup {
                name,
                state,
                members,
                adding,
            } => format!("{name}:{} · {members} 人,正在加入 {adding} 人", state_zh(state)),
            Say::RuleFailed { count, people } => format!("没能加入或移出 {count} 人次:{people}"),
            Say::RuleLastChange { minutes } => format!("上一次改动:{minutes} 分钟前"),
            Say::RuleNoGroups => "还没有建过群。先发 /建群 预览。".to_owned(),
            Say::RuleMore(count) => format!("……还有 {count} 个群"),
            Say::ReasonPlan(code) => format!("计划 {code}"),
            Say::ReasonUndo(code) => format!("撤销计划 {code}"),
            Say::ReasonJoined => "加入部门".to_owned(),
            Say::ReasonLeftCompany => "离职".to_owned(),
            Say::ReasonMoved => "调岗宽限到期".to_owned(),
            Say::ReasonMandatory => "必进群,拉回一次".to_owned(),
            Say::ReasonOwnerLeft => "群主离职,换群主".to_owned(),
            Say::ReasonOwnWish => "本人要求".to_owned(),
            Say::ReasonFull => "原群已满,开新群".to_owned(),
            Say::Detail(code) => match detail(code) {
                Some((zh, _)) => zh.to_owned(),
                None => code.clone(),
            },
            Say::Twice { count, names } => format!(
                "{count} 个群名会重名(部门同名),先不建也不改名:{names}。请在规则的 name 里加 {{parent}}(上级部门名)"
            ),
            Say::Full { group, rule } => format!(
                "「{group}」满了,新群要等运营执行下一次计划(/建群 预览 规则={rule})。请告诉那里的运营你想加入。"
            ),
            Say::AddedTitle => "加入群的说明".to_owned(),
            Say::LeaveButton(name) => format!("退出 {name}"),
            Say::FeedsInto { rule, into } => {
                format!("规则 {rule} 自己不建群,它的人都进规则 {into} 的群。请看 /建群 预览 规则={into}")
            }
            Say::BadSegment { id, at, mistake } => format!(
                "分层 {id} 的条件第 {at} 个字有问题:{}。{}。什么也没有改,请管理员改好配置。",
                mistake.what(Lang::Zh),
                mistake.hint(Lang::Zh)
            ),
            Say::Blocked { count, names } => format!("{count} 个群的群主已离开,没人接手,先不移出任何人:{names}"),
            Say::Taken { count, names } => format!("{count} 个群名已被别的规则用了,先不建也不改名:{names}"),
            Say::Takes(minutes) => format!("受平台频率限制,全部做完约要 {}。", span_zh(*minutes)),
            Say::NobodyOwns { group, rule } => format!(
                "「{group}」的群主已离开公司,规则 {rule} 的 owner 名单里没有人能接手。在有群主之前我不会从这个群移出任何人。请在客户端里指定群主,或任命那个部门的负责人、运营后再发 /建群 预览 规则={rule}"
            ),
            Say::NoSuchGroup(name) => format!("没有找到群「{name}」。请写完整的群名,例如 /加入 群 摄影·交流群"),
            Say::NotForYou(name) => {
                format!("「{name}」现在不面向你所在的部门或分层。想参加请找那里的运营,由他手工拉你。")
            }
            Say::InAlready(name) => format!("你已经在「{name}」里,或它正在开新群,不用再加。"),
            Say::NotInside(name) => format!("你不在「{name}」里。"),
            Say::Mandatory(name) => format!("「{name}」是工作必需的群,不能退出。嫌吵可以在客户端里设为免打扰。"),
            Say::LeaveInClient(name) => format!("我不能替你退出「{name}」(你是群主,或应用没有权限),请在客户端里操作。"),
            Say::Joining(name) => format!("正在把你加入「{name}」。"),
            Say::Leaving(name) => format!("正在让你退出「{name}」。以后不会再拉你,想回来发 /加入 群 {name}"),
            Say::YouAreBack { group } => {
                format!("「{group}」是工作必需的群,我把你拉回来了,只这一次。嫌吵可以设为免打扰;确实不该在里面请找运营。")
            }
            Say::ManyJoined(count) => {
                format!("{count} 位同事按通讯录加入了这个群。群成员随通讯录更新;有事 @我 发 /帮助。")
            }
        }
    }

    fn en(&self) -> String {
        match self {
            Say::NoSuchRule { typed, known } if known.is_empty() => format!(
                "There is no group rule \"{typed}\", and no other. An admin can add [[group_rule]] to the configuration."
            ),
            Say::NoSuchRule { typed, known } => format!("There is no group rule \"{typed}\". There are: {known}"),
            Say::NoSuchDepartment(dept) => format!(
                "The directory has no department \"{dept}\". Please check the rule, or wait for the next directory sync."
            ),
            Say::DepartmentTwice(dept) => format!(
                "More than one department is called \"{dept}\". Please write its path in the rule, such as Parent/{dept}."
            ),
            Say::Nobody { rule, dept } => format!(
                "Rule {rule} matches nobody ({dept} has no people with an account), so nothing is changed. Please check department, or wait for the directory sync and send /group plan rule={rule} again."
            ),
            Say::NotYours => {
                "Not allowed: this rule's department is outside your scope. Please ask its operator or an admin."
                    .to_owned()
            }
            Say::Paused(rule) => format!("Rule {rule} is paused. To go on, send /group rule resume {rule}"),
            Say::PreviewTitle(rule) => format!("Group plan · {rule}"),
            Say::NothingToDo => "The groups agree with the directory: nothing to change.".to_owned(),
            Say::Create { count, names } => format!("Create {count} groups: {names}"),
            Say::Rename { count, names } => format!("Rename {count} groups: {names}"),
            Say::Add { count, names } => format!("Add {count}: {names}"),
            Say::Remove { count, names } => format!("Remove {count}: {names}"),
            Say::NewOwners(count) => format!("New owners for {count} groups"),
            Say::NoOwner { count, names } => format!("{count} groups have nobody to own them and wait: {names}"),
            Say::TooSmall(count) => format!("{count} departments have fewer than two people and wait"),
            Say::Unreachable(count) => format!("{count} people have no account on this platform"),
            Say::StayOut(count) => format!("{count} left by themselves and stay out"),
            Say::Orphans(count) => format!("{count} groups belong to departments outside the rule and stay as they are"),
            Say::ToApply { rule, code } => format!("To carry it out: /group apply rule={rule} plan={code}"),
            Say::SecondNeeded => "It removes many people: another operator must confirm.".to_owned(),
            Say::Fresh(until) => format!(
                "A new rule, in preview until {until}: another operator must confirm, and I change nothing by myself."
            ),
            Say::GraceBegins { count, names } => format!("Moved, stay for the grace period {count}: {names}"),
            Say::InGrace(count) => format!("{count} are in their grace period after a move"),
            Say::Cannot { app, ability, other } => {
                let what = ability_en(*ability);
                match other {
                    Some(other) => format!(
                        "The app {app} cannot {what}. {other} on the same platform can: set app = \"{other}\" in the rule."
                    ),
                    None => format!(
                        "The app {app} cannot {what}, nor can another on this platform. Please connect one that can, or do it by hand in the client."
                    ),
                }
            }
            Say::PlanChanged { rule } => format!(
                "The directory or the groups have changed since: this plan is void and nothing was done. Please send /group plan rule={rule} again."
            ),
            Say::Started { started, code } => format!(
                "Started: {}. See /group rule show; to take it back within 30 days: /group undo plan={code}",
                started_en(started)
            ),
            Say::NoSuchRun(code) => format!(
                "No plan \"{code}\" was carried out; nothing was done. Its code stands in the answer to apply: /group undo plan=7f3a2b"
            ),
            Say::RunUndone(code) => format!("Plan {code} has been undone already; nothing was done."),
            Say::RunTooOld(code) => format!(
                "Plan {code} is older than 30 days and cannot be undone. Please change the rule or the directory and send /group plan."
            ),
            Say::RunPending { code, count } => format!(
                "{count} changes of plan {code} have no result yet. Please send /group undo plan={code} again in a few minutes."
            ),
            Say::UndoTitle { rule, code } => format!("Undo · {rule} · plan {code}"),
            Say::UndoOf { at, by } => format!("Takes back: the plan carried out by {by}, {at}"),
            Say::Disband { count, names } => format!("Disband {count} groups it had made: {names}"),
            Say::NothingToUndo => "There is nothing to take back.".to_owned(),
            Say::Kept { count, items, more } => match more {
                0 => format!("Left alone {count}: {items}"),
                more => format!("Left alone {count}: {items} and {more} more"),
            },
            Say::KeptItem { name, why } => format!("{name} ({})", kept_en(*why)),
            Say::OrderOld => "This request is older than 15 minutes; nothing was done. Please run it again.".to_owned(),
            Say::OrderNoAccount(name) => {
                format!("{name} has no account on this rule's platform; nothing was done. Please name another operator.")
            }
            Say::UndoPauses => "This will also pause the rule, so that it does not do it again.".to_owned(),
            Say::UndoChanged { code } => format!(
                "The groups have changed since: this way back is void and nothing was done. Please send /group undo plan={code} again."
            ),
            Say::UndoStarted { started, rule } => format!(
                "Undoing: {}. The rule is paused so that it does not do it again; to go on: /group rule resume {rule}",
                started_en(started)
            ),
            Say::AskedSecond { names, fresh } => format!(
                "{}, so another operator must confirm. I have asked {names}; valid for 15 minutes.",
                second_en(*fresh)
            ),
            Say::NoSecond { fresh } => format!(
                "{}, so another operator must confirm, but I can reach no operator or admin besides you; nothing was done.\nPlease ask an admin to appoint one with [[role]]; {}.",
                second_en(*fresh),
                match fresh {
                    true => "a company with a single operator can set preview_days = 0 in the rule",
                    false => "a company with a single operator can raise [limits] group_remove_people and group_remove_percent, or go in smaller steps",
                }
            ),
            Say::ApprovalTitle { rule } => format!("Please confirm · group rule {rule}"),
            Say::ApprovalAsk { author } => format!("{author} wants to carry out this plan and needs your consent:"),
            Say::Approve => "Carry out".to_owned(),
            Say::Decline => "Decline".to_owned(),
            Say::OwnRequest => "This is your own request: another operator must confirm it.".to_owned(),
            Say::ApprovalOver => "This request has expired; nothing was done. Please preview and apply again.".to_owned(),
            Say::ApprovalDecided { approved: true } => "Somebody has agreed already.".to_owned(),
            Say::ApprovalDecided { approved: false } => "Somebody has declined; nothing was done.".to_owned(),
            Say::ApprovalYes { by } => format!("{by} has agreed; started."),
            Say::ApprovalNo { by } => format!("{by} has declined; nothing was done."),
            Say::UnclearTitle(name) => format!("Was it made? · {name}"),
            Say::UnclearAsk => {
                "The platform did not tell me this group's id, so it may exist; I will not make another. Please look in the client: if it is not there, press the button and the next plan makes it."
                    .to_owned()
            }
            Say::UnclearAgain => "Not there, may be made".to_owned(),
            Say::UnclearOver => "This group is settled by now; nothing was changed.".to_owned(),
            Say::UnclearSettled { rule } => format!("Noted. Please send /group plan rule={rule} again."),
            Say::Welcome { dept } => format!(
                "Welcome to the group of {dept}. Its members follow the directory; mention me with /help for more."
            ),
            Say::YouWereAdded { dept, groups, optional } => {
                let why = match dept {
                    Some(dept) => format!("You are in {dept}, so I have added you to: {groups}."),
                    None => format!("By the company's group rules I have added you to: {groups}."),
                };
                match optional {
                    Some(name) => format!(
                        "{why} You can leave at any time, or send /leave group {name}; I will not add you again. Back: /join group {name}"
                    ),
                    None => format!("{why} Your work needs it; its members follow the directory."),
                }
            }
            Say::YouMoved { groups, until, days } => format!(
                "You have moved to another department. You can stay in {groups} until {} ({days} working days) to hand over; then I will remove you. To stay for longer, please ask its operator.",
                until.format("%Y-%m-%d")
            ),
            Say::RuleGrace { count, people } => format!("In grace after a move, with last day {count}: {people}"),
            Say::RuleTitle(rule) => format!("Group rule · {rule}"),
            Say::RuleRunning { auto: true } => "State: running, newcomers are added by themselves".to_owned(),
            Say::RuleRunning { auto: false } => "State: running, by plan".to_owned(),
            Say::RulePaused => "Paused: I will not change these groups.".to_owned(),
            Say::RuleResumed => "Resumed.".to_owned(),
            Say::RuleGroup {
                name,
                state,
                members,
                adding: 0,
            } => format!("{name}: {state} · {members} people"),
            Say::RuleGroup {
                name,
                state,
                members,
                adding,
            } => format!("{name}: {state} · {members} people, adding {adding}"),
            Say::RuleFailed { count, people } => format!("Could not add or remove {count}: {people}"),
            Say::RuleLastChange { minutes } => format!("Last change: {minutes} min ago"),
            Say::RuleNoGroups => "No groups yet. Begin with /group plan.".to_owned(),
            Say::RuleMore(count) => format!("… and {count} more groups"),
            Say::ReasonPlan(code) => format!("plan {code}"),
            Say::ReasonUndo(code) => format!("undo of plan {code}"),
            Say::ReasonJoined => "joined the department".to_owned(),
            Say::ReasonLeftCompany => "left the company".to_owned(),
            Say::ReasonMoved => "grace after a move is over".to_owned(),
            Say::ReasonMandatory => "mandatory group, brought back once".to_owned(),
            Say::ReasonOwnerLeft => "the owner has left the company".to_owned(),
            Say::ReasonOwnWish => "their own wish".to_owned(),
            Say::FeedsInto { rule, into } => format!(
                "Rule {rule} has no group of its own: its people join the group of rule {into}. See /group plan rule={into}"
            ),
            Say::BadSegment { id, at, mistake } => format!(
                "The condition of segment {id} is wrong at character {at}: {}; {}. Nothing was changed; please ask an admin to correct the configuration.",
                mistake.what(Lang::En),
                mistake.hint(Lang::En)
            ),
            Say::Blocked { count, names } => {
                format!("{count} groups have lost their owner and nobody can take over, so nobody is removed: {names}")
            }
            Say::Taken { count, names } => {
                format!("{count} names belong to a group of another rule, so these wait: {names}")
            }
            Say::Takes(minutes) => format!("The platform's limits let it take about {}.", span_en(*minutes)),
            Say::ReasonFull => "the groups before are full".to_owned(),
            Say::Detail(code) => match detail(code) {
                Some((_, en)) => en.to_owned(),
                None => code.clone(),
            },
            Say::Twice { count, names } => format!(
                "{count} names would belong to two departments, so these wait: {names}. Please put {{parent}} (the department above) into the rule's name"
            ),
            Say::Full { group, rule } => format!(
                "{group} is full, and the next group opens with an operator's plan (/group plan rule={rule}). Please tell its operator that you want to join."
            ),
            Say::AddedTitle => "Why you are in a group".to_owned(),
            Say::LeaveButton(name) => format!("Leave {name}"),
            Say::NobodyOwns { group, rule } => format!(
                "The owner of {group} has left the company, and nobody of the owner list of rule {rule} can take over. Until somebody owns it I remove nobody. Please choose an owner in the client, or appoint a leader or operator there and send /group plan rule={rule}"
            ),
            Say::NoSuchGroup(name) => format!("I find no group \"{name}\". Please write its full name."),
            Say::NotForYou(name) => {
                format!("{name} is not for your department or segment at present. Please ask its operator to add you.")
            }
            Say::InAlready(name) => format!("You are in {name} already, or its next group is about to open."),
            Say::NotInside(name) => format!("You are not in {name}."),
            Say::Mandatory(name) => format!("Your work needs {name}, so you cannot leave it. You can mute it in the client."),
            Say::LeaveInClient(name) => {
                format!("I cannot take you out of {name} (you own it, or the app may not). Please leave it in the client.")
            }
            Say::Joining(name) => format!("I am adding you to {name}."),
            Say::Leaving(name) => {
                format!("I am taking you out of {name}, and will not add you again. Back: /join group {name}")
            }
            Say::YouAreBack { group } => format!(
                "Your work needs {group}, so I have added you again, this once. You can mute it; if you should not be in it, please ask its operator."
            ),
            Say::ManyJoined(count) => {
                format!("{count} colleagues have joined this group. Its members follow the directory.")
            }
        }
    }
}

fn span_zh(minutes: u64) -> String {
    match minutes {
        0..=90 => format!("{minutes} 分钟"),
        91..=2880 => format!("{} 小时", minutes.div_ceil(60)),
        _ => format!("{} 天", minutes.div_ceil(1440)),
    }
}

fn span_en(minutes: u64) -> String {
    match minutes {
        0..=90 => format!("{minutes} minutes"),
        91..=2880 => format!("{} hours", minutes.div_ceil(60)),
        _ => format!("{} days", minutes.div_ceil(1440)),
    }
}

fn second_zh(fresh: bool) -> &'static str {
    match fresh {
        true => "规则还在预览期",
        false => "要移出的人较多",
    }
}

fn second_en(fresh: bool) -> &'static str {
    match fresh {
        true => "The rule is in its first days",
        false => "It removes many people",
    }
}

fn started_zh(started: &Started) -> String {
    let Started { groups, adds, removes } = started;
    format!("{groups} 个群有改动,加入 {adds} 人次,移出 {removes} 人次")
}

fn started_en(started: &Started) -> String {
    let Started { groups, adds, removes } = started;
    format!("{groups} groups change, {adds} people are added, {removes} removed")
}

fn kept_zh(why: KeptWhy) -> &'static str {
    match why {
        KeptWhy::ChangedSince => "后来有变动",
        KeptWhy::LeftCompany => "已离职或没有账号",
        KeptWhy::Unknown => "当时没有结果",
        KeptWhy::CannotDisband => "这个平台不能解散群,请在客户端里处理",
        KeptWhy::OthersInside => "群里已有别人,不解散",
        KeptWhy::OwnerGone => "原群主不在群里",
        KeptWhy::OwnsIt => "是现任群主",
        KeptWhy::GroupGone => "群已不在",
    }
}

fn kept_en(why: KeptWhy) -> &'static str {
    match why {
        KeptWhy::ChangedSince => "changed since",
        KeptWhy::LeftCompany => "left the company or has no account",
        KeptWhy::Unknown => "its result is not known",
        KeptWhy::CannotDisband => "this platform cannot disband: please do it in the client",
        KeptWhy::OthersInside => "others are in it, so it stays",
        KeptWhy::OwnerGone => "its former owner is not in it",
        KeptWhy::OwnsIt => "owns the group",
        KeptWhy::GroupGone => "the group is gone",
    }
}

/// The words for what we note beside a group or a person; a platform's own codes have none.
fn detail(code: &str) -> Option<(&'static str, &'static str)> {
    Some(match code {
        "no_owner" => ("群主已离开,没人接手", "its owner has left and nobody can take over"),
        "no chat id" => ("平台没有告诉群编号", "the platform did not tell its id"),
        "abandoned" => ("没有等到平台的结果", "the platform's answer never came"),
        "?" => ("平台没有说原因", "the platform did not say why"),
        _ => return None,
    })
}

fn state_zh(state: &str) -> &'static str {
    match state {
        "ready" => "正常",
        "making" => "正在建",
        "unclear" => "建群结果不明",
        _ => "没建成",
    }
}

fn ability_zh(ability: Ability) -> &'static str {
    match ability {
        Ability::CreateChat => "建群",
        Ability::AddMembers => "拉人进群",
        _ => "移人出群",
    }
}

fn ability_en(ability: Ability) -> &'static str {
    match ability {
        Ability::CreateChat => "make groups",
        Ability::AddMembers => "add members",
        _ => "remove members",
    }
}
