//! What the bot says about the directory: how it was read, what waits, who is who.

use super::Lang;
use super::commands::CommandText;

#[derive(Debug, Clone)]
pub enum Say<'a> {
    /// In place of the name of somebody who left long ago.
    Former,
    StatusTitle,
    NoReader,
    NeverRead {
        app: &'a str,
    },
    App {
        app: &'a str,
        minutes: i64,
        people: i64,
        departments: i64,
    },
    Changes {
        changed: i64,
        left: i64,
    },
    Waiting {
        people: i64,
    },
    Refused {
        app: &'a str,
        code: &'a str,
        detail: &'a str,
        times: i64,
    },
    HeldTitle,
    Held {
        app: &'a str,
        people: &'a str,
        of: &'a str,
        departments: &'a str,
    },
    HeldNames {
        names: &'a str,
    },
    HeldHow {
        code: &'a str,
    },
    RefusedTitle,
    RefusedHow,
    NothingHeld,
    ConfirmOther {
        code: &'a str,
    },
    Confirmed {
        people: u64,
    },
    Conflicts {
        count: i64,
    },
    Conflict {
        kind: &'a str,
        name: &'a str,
        other: &'a str,
    },
    ConflictHow,
    SamePerson,
    NoPerson,
    NotYourself,
    NeedsAdmin,
    Merged {
        name: &'a str,
        other: &'a str,
    },
    Split {
        name: &'a str,
        other: &'a str,
    },
    Detached {
        name: &'a str,
        platform: &'a str,
    },
    NothingToSplit {
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
            Say::Former => "已离职同事".to_owned(),
            Say::StatusTitle => "通讯录".to_owned(),
            Say::NoReader => "没有应用能读通讯录。请在管理后台给一个应用开通通讯录权限。".to_owned(),
            Say::NeverRead { app } => format!("{app}:还没有完整读过"),
            Say::App {
                app,
                minutes,
                people,
                departments,
            } => format!("{app}:{minutes} 分钟前读完,{people} 人,{departments} 个部门"),
            Say::Changes { changed, left } => format!("上次更新 {changed} 人,离开 {left} 人"),
            Say::Waiting { people } => format!("{people} 人不在名单里,10 分钟后再读一遍,还不在才算离开"),
            Say::Refused {
                app,
                code,
                detail,
                times,
            } => format!("{app}:上次没有采用({times} 次),{}", refused_zh(code, detail)),
            Say::HeldTitle => "通讯录:请你确认".to_owned(),
            Say::Held {
                app,
                people,
                of,
                departments,
            } => match *departments {
                "0" => format!("{app}:有 {people} 人不见了(现有 {of} 人),超过 20 人或 5%,先不动"),
                _ => format!("{app}:有 {people} 人和 {departments} 个部门不见了(现有 {of} 人),超过 20 个或 5%,先不动"),
            },
            Say::HeldNames { names } => format!("例如:{names}"),
            Say::HeldHow { code } => format!("确实离开:发「/通讯录 确认 {code}」;不是:检查应用的可见范围,下次会再读"),
            Say::RefusedTitle => "通讯录没有更新".to_owned(),
            Say::RefusedHow => "什么都没有改动;修好后会自动再读,发「/通讯录 状态」可看结果".to_owned(),
            Say::NothingHeld => "现在没有需要确认的。发「/通讯录 状态」看看。".to_owned(),
            Say::ConfirmOther { code } => {
                format!("名单和这个代码不一样了(可能又有变化)。请重看,确认就发「/通讯录 确认 {code}」")
            }
            Say::Confirmed { people } => {
                format!("记下了:{people} 人。马上再读一遍,两次都不在、相隔 10 分钟以上的才会离开。")
            }
            Say::Conflicts { count } => format!("{count} 个账号像是同一人,但有矛盾,没有合并:"),
            Say::Conflict { kind, name, other } => format!("{name} / {other}:{}", conflict_zh(kind)),
            Say::ConflictHow => "是同一人:「/通讯录 合并 @甲 @乙」;不是:改正平台资料".to_owned(),
            Say::SamePerson => "这两位已经是同一个人了。".to_owned(),
            Say::NoPerson => "没认出是哪两位。请用 @ 选人,两位都要在同一个公司。".to_owned(),
            Say::NotYourself => "和自己有关的合并、拆分,请另一位运营来做。".to_owned(),
            Say::NeedsAdmin => "其中一位有你没有的角色,需要管理员来做。".to_owned(),
            Say::Merged { name, other } => {
                format!("已把 {name} 和 {other} 合并为一人,积分、群、标签都跟着走。可用「/通讯录 拆分」撤销。")
            }
            Say::Split { name, other } => format!("已拆开:{name} 和 {other} 又是两个人,各自的东西回到原处。"),
            Say::Detached { name, platform } => format!("{name} 在{platform}的账号现在是另一个人了。"),
            Say::NothingToSplit { name } => {
                format!("{name} 没有可拆的合并。只想拆出一个账号,请加上平台,例如 平台=dingtalk。")
            }
        }
    }

    fn en(&self) -> String {
        match self {
            Say::Former => "a former colleague".to_owned(),
            Say::StatusTitle => "Directory".to_owned(),
            Say::NoReader => {
                "No app can read the directory. Give one of them the contact permissions in the admin console."
                    .to_owned()
            }
            Say::NeverRead { app } => format!("{app}: never read to the end yet"),
            Say::App {
                app,
                minutes,
                people,
                departments,
            } => format!("{app}: read {minutes} min ago, {people} people, {departments} departments"),
            Say::Changes { changed, left } => format!("Last time {changed} people changed, {left} left"),
            Say::Waiting { people } => {
                format!("{people} people are not listed: they leave when a second reading after 10 min agrees")
            }
            Say::Refused {
                app,
                code,
                detail,
                times,
            } => format!(
                "{app}: the last reading was not used ({times}×), {}",
                refused_en(code, detail)
            ),
            Say::HeldTitle => "Directory: please confirm".to_owned(),
            Say::Held {
                app,
                people,
                of,
                departments,
            } => match *departments {
                "0" => format!("{app}: {people} people are gone ({of} remain), more than 20 or 5 %: nothing was done"),
                _ => format!(
                    "{app}: {people} people and {departments} departments are gone ({of} people remain), more than 20 or 5 %: nothing was done"
                ),
            },
            Say::HeldNames { names } => format!("For example: {names}"),
            Say::HeldHow { code } => format!(
                "They left: send \"/directory confirm {code}\". They did not: check what the app may see; it reads again"
            ),
            Say::RefusedTitle => "The directory was not updated".to_owned(),
            Say::RefusedHow => "Nothing was changed; it is read again by itself, see \"/directory status\"".to_owned(),
            Say::NothingHeld => "Nothing waits for a confirmation. See \"/directory status\".".to_owned(),
            Say::ConfirmOther { code } => format!(
                "The list is not the one of this code (any more). Look again; to confirm send \"/directory confirm {code}\""
            ),
            Say::Confirmed { people } => {
                format!("Noted: {people} people. It is read again now; who is missing twice, 10 minutes apart, leaves.")
            }
            Say::Conflicts { count } => format!("{count} accounts look like one person and were not joined:"),
            Say::Conflict { kind, name, other } => format!("{name} / {other}: {}", conflict_en(kind)),
            Say::ConflictHow => "One person: \"/directory merge @A @B\". Two: correct it on the platform".to_owned(),
            Say::SamePerson => "These two are one person already.".to_owned(),
            Say::NoPerson => "I do not know which two you mean: mention both with @, of one company.".to_owned(),
            Say::NotYourself => "What concerns yourself is for another operator to do.".to_owned(),
            Say::NeedsAdmin => "One of them has a role that you have not: an admin must do this.".to_owned(),
            Say::Merged { name, other } => format!(
                "{name} and {other} are one person now; points, groups and tags follow. \"/directory split\" takes it back."
            ),
            Say::Split { name, other } => {
                format!("Taken apart: {name} and {other} are two people again, each with what was theirs.")
            }
            Say::Detached { name, platform } => format!("The {platform} account of {name} is a person of its own now."),
            Say::NothingToSplit { name } => format!(
                "There is no merge of {name} to take back. For one account alone add the platform, such as platform=dingtalk."
            ),
        }
    }
}

/// Why a reading was refused, and what is needed.
fn refused_zh(code: &str, detail: &str) -> String {
    match code {
        "call" => "平台没有正常回答;会自动再试".to_owned(),
        "endless" => "分页绕回了原处,名单没有结尾;会自动再读".to_owned(),
        "empty" => "平台没有列出任何部门;请检查应用的通讯录可见范围".to_owned(),
        "nobody" => "部门里一个人也没有列出;请检查应用的通讯录可见范围".to_owned(),
        "torn" => format!("部门 {detail} 前后两页不一致;会自动再读"),
        "cycle" => format!("部门的上级绕成了圈({detail});请在管理后台改正上级"),
        "orphan" => format!("部门的上级没有列出({detail});请检查可见范围或改正上级"),
        _ => "原因不明".to_owned(),
    }
}

fn refused_en(code: &str, detail: &str) -> String {
    match code {
        "call" => "the platform did not answer properly; it is tried again".to_owned(),
        "endless" => "its pages lead back to an earlier one, so it has no end; it is read again".to_owned(),
        "empty" => "no department is listed; check the range of contacts the app may see".to_owned(),
        "nobody" => "nobody is listed in the departments; check the range of contacts the app may see".to_owned(),
        "torn" => format!("department {detail} differs between two pages; it is read again"),
        "cycle" => format!("departments stand in a circle ({detail}); correct the superiors in the admin console"),
        "orphan" => format!("a superior is not listed ({detail}); check the range of contacts or correct the superior"),
        _ => "for an unknown reason".to_owned(),
    }
}

fn conflict_zh(kind: &str) -> &'static str {
    match kind {
        "number_twice" => "同一平台两个在用账号工号相同",
        "number_other" => "已合并的账号工号不同",
        "email_numbers" => "邮箱相同,工号不同",
        "email_twice" => "同一平台两个在用账号邮箱相同",
        "mobile_numbers" => "手机号相同,工号不同",
        "mobile_twice" => "同一平台两个在用账号手机号相同",
        "several" => "和好几个人都对得上",
        "privileged" => "其中一位有角色,只凭邮箱或手机号不合并",
        _ => "有矛盾",
    }
}

fn conflict_en(kind: &str) -> &'static str {
    match kind {
        "number_twice" => "two accounts in use on one platform have the same employee number",
        "number_other" => "accounts that were joined have different employee numbers",
        "email_numbers" => "same e-mail, different employee numbers",
        "email_twice" => "two accounts in use on one platform have the same e-mail",
        "mobile_numbers" => "same mobile number, different employee numbers",
        "mobile_twice" => "two accounts in use on one platform have the same mobile number",
        "several" => "it fits several people",
        "privileged" => "one of them holds a role: e-mail or mobile alone is not enough",
        _ => "something speaks against it",
    }
}

pub const COMMANDS: &[CommandText] = &[
    CommandText {
        id: "directory.status",
        zh: &["通讯录 状态", "通讯录"],
        en: &["directory status", "directory"],
        about_zh: "通讯录上次读到什么,有什么在等,为什么",
        about_en: "what the directory was last read as, what waits and why",
        usage_zh: "/通讯录 状态",
        usage_en: "/directory status",
    },
    CommandText {
        id: "directory.confirm",
        zh: &["通讯录 确认"],
        en: &["directory confirm"],
        about_zh: "确认很多人确实离开了",
        about_en: "confirm that many people have really left",
        usage_zh: "/通讯录 确认 7f3a2b",
        usage_en: "/directory confirm 7f3a2b",
    },
    CommandText {
        id: "directory.merge",
        zh: &["通讯录 合并"],
        en: &["directory merge"],
        about_zh: "两个账号是同一个人:合并,可撤销",
        about_en: "two accounts are one person: merge them, can be taken back",
        usage_zh: "/通讯录 合并 @陈晨 @陈晨2",
        usage_en: "/directory merge @chen @chen2",
    },
    CommandText {
        id: "directory.split",
        zh: &["通讯录 拆分"],
        en: &["directory split"],
        about_zh: "撤销合并,或拆出一个平台的账号",
        about_en: "take a merge back, or part the account of one platform",
        usage_zh: "/通讯录 拆分 @陈晨\n/通讯录 拆分 @陈晨 平台=dingtalk",
        usage_en: "/directory split @chen\n/directory split @chen platform=dingtalk",
    },
];
