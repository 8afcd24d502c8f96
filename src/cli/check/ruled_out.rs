//! What the platforms rule out of what a configuration asks for, in words.

use hutong_model::{Ability, SeeClass};

use crate::access::Role;
use crate::config::rules::columns::{Column, ColumnChat};
use crate::config::rules::groups::{GroupRule, OnLeave};
use crate::config::{App, Checked};

/// A sentence in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words {
    pub zh: String,
    pub en: String,
}

pub(super) fn words(zh: impl Into<String>, en: impl Into<String>) -> Words {
    Words {
        zh: zh.into(),
        en: en.into(),
    }
}

/// A feature that will not do all it was asked for.
pub(super) struct RuledOut {
    /// `column weekly-news`, `report`.
    pub feature: String,
    pub app: Option<String>,
    pub why: Words,
}

pub(super) fn ruled_out(checked: &Checked) -> Vec<RuledOut> {
    let mut out = Vec::new();
    for rule in &checked.rules.groups {
        if let Some(app) = checked.apps.iter().find(|app| app.id == rule.app) {
            group_rule(rule, app, checked, &mut out);
        }
    }
    for column in checked.rules.columns.iter().filter(|column| column.enabled) {
        if let Some(app) = checked.apps.iter().find(|app| app.id == column.app) {
            self::column(column, app, checked, &mut out);
        }
    }
    if checked.rules.points.is_some() {
        for app in checked.apps.iter().filter(|app| !hears(app)) {
            out.push(RuledOut {
                feature: "points".to_owned(),
                app: Some(app.id.to_string()),
                why: words(
                    "收不到消息:这里的感谢和查询指令不会有回应",
                    "it receives nothing: thanks and commands get no answer here",
                ),
            });
        }
    }
    if checked.rules.report.is_some() {
        for app in &checked.apps {
            report(app, &mut out);
        }
    }
    out
}

/// Does anything of what people write reach the app?
fn hears(app: &App) -> bool {
    let caps = app.adapter.capabilities();
    caps.sees(SeeClass::V1) || caps.sees(SeeClass::V2)
}

fn group_rule(rule: &GroupRule, app: &App, checked: &Checked, out: &mut Vec<RuledOut>) {
    let caps = app.adapter.capabilities();
    let mut say = |why: Words| {
        out.push(RuledOut {
            feature: format!("group_rule {}", rule.id),
            app: Some(app.id.to_string()),
            why,
        });
    };
    if !caps.can(Ability::CreateChat) {
        say(words(
            "不能建群:这条规则不会建任何群",
            "it cannot create groups: this rule creates none",
        ));
        return;
    }
    if !caps.can(Ability::AddMembers) {
        say(words(
            "不能拉人:之后入职的人进不了群",
            "it cannot add members: later newcomers stay outside",
        ));
    }
    if rule.on_leave == OnLeave::RemoveNow && !caps.can(Ability::RemoveMembers) {
        say(words(
            "不能移出成员:离开部门的人留在群里",
            "it cannot remove members: people who leave stay in the group",
        ));
    }
    if !caps.can(Ability::SetOwner) {
        say(words(
            "不能更换群主:群主离开后要手工处理",
            "it cannot change the owner: when the owner leaves, do it by hand",
        ));
    }
    // People and departments are read by any app of the company.
    let reads = checked
        .apps
        .iter()
        .filter(|other| other.company == app.company)
        .any(|other| {
            let caps = other.adapter.capabilities();
            caps.can(Ability::ListDepartments) && caps.can(Ability::ListPeople)
        });
    if !reads {
        say(words(
            "没有应用能读通讯录:不知道谁在哪个部门",
            "no app can read the directory: nobody knows who is in which department",
        ));
    }
    if !caps.sees(SeeClass::V6) && !caps.can(Ability::ListMembers) {
        say(words(
            "看不见成员进出:手工拉进或退出的人不会被发现",
            "it sees no joins and leaves: members added by hand go unnoticed",
        ));
    }
}

fn column(column: &Column, app: &App, checked: &Checked, out: &mut Vec<RuledOut>) {
    let caps = app.adapter.capabilities();
    let mut say = |why: Words| {
        out.push(RuledOut {
            feature: format!("column {}", column.id),
            app: Some(app.id.to_string()),
            why,
        });
    };
    if !caps.can(Ability::SendToChat) {
        say(words(
            "不能在群里发消息:这个栏目发不出去",
            "it cannot post to groups: this column is never sent",
        ));
        return;
    }
    if !caps.can(Ability::ButtonsInChat) {
        say(words(
            "群里没有按钮:「有用」等反馈不统计",
            "no buttons in groups: \"useful\" and other responses are not counted",
        ));
    }
    for chat in &column.chats {
        let ColumnChat::GroupsOf(id) = chat else { continue };
        let Some(rule) = checked.rules.groups.iter().find(|rule| rule.id == *id) else {
            continue;
        };
        if rule.app != column.app {
            say(words(
                format!("规则 {id} 的群由应用 {} 建立:这个应用不在群里", rule.app),
                format!(
                    "the groups of rule {id} are made by the app {}: this app is not in them",
                    rule.app
                ),
            ));
        }
    }
}

/// Which number of the weekly report will be what.
fn report(app: &App, out: &mut Vec<RuledOut>) {
    let caps = app.adapter.capabilities();
    let mut say = |why: Words| {
        out.push(RuledOut {
            feature: "report".to_owned(),
            app: Some(app.id.to_string()),
            why,
        });
    };
    if !caps.can(Ability::SendToChat) {
        say(words(
            "不能在群里发消息:周报发不到它的群",
            "it cannot post to groups: its groups get no report",
        ));
        return;
    }
    match (caps.sees(SeeClass::V1), caps.sees(SeeClass::V2)) {
        (true, _) => {}
        (false, true) => {
            say(words(
                "只看得见 @ 机器人的消息:「参与」是与机器人互动的人数,不是活跃率",
                "it sees only messages that mention it: \"participants\" are people who dealt with the bot, not an active rate",
            ));
            say(words(
                "「提问」「已答」「首答」只算 @ 机器人的问题,答复要点按钮才算",
                "\"questions\", \"answered\" and \"first answer\" count only questions put to the bot, answers only by button",
            ));
            say(words(
                "「热议」「变冷」只算栏目和带 # 的 @ 消息",
                "\"topics\" count only columns and tagged messages to the bot",
            ));
        }
        (false, false) => say(words(
            "收不到消息:「参与」「提问」「热议」都不显示",
            "it receives nothing: participants, questions and topics are left out",
        )),
    }
    match (caps.sees(SeeClass::V4), caps.sees(SeeClass::V5)) {
        (true, _) => {}
        (false, true) => say(words(
            "看不见已读:「读到」只算点了确认的人",
            "it sees no read marks: \"reached\" counts people who confirmed by button",
        )),
        (false, false) => say(words(
            "看不见已读和确认:「读到」不显示",
            "it sees neither reads nor confirmations: \"reached\" is left out",
        )),
    }
    if !caps.sees(SeeClass::V6) && !caps.can(Ability::ListMembers) {
        say(words(
            "不知道群里有谁:比例不显示,只有人数",
            "it does not know the members: counts are shown, no rates",
        ));
    }
}

/// What an operator should know that is no problem.
pub(super) fn notes(checked: &Checked) -> Vec<Words> {
    let mut notes = Vec::new();
    if checked.apps.is_empty() {
        notes.push(words(
            "还没有应用:加一段 [[app]]",
            "there is no app yet: add an [[app]] block",
        ));
    }
    if !checked.roles.iter().any(|grant| grant.role == Role::Admin) {
        notes.push(words(
            "还没有管理员:加一段 [[role]],role = \"admin\"",
            "there is no admin yet: add a [[role]] block with role = \"admin\"",
        ));
    }
    if checked.server.public_url.is_none() {
        notes.push(words(
            "没有 public_url:消息里没有网页链接",
            "there is no public_url: messages carry no links to pages",
        ));
    }
    for column in checked.rules.columns.iter().filter(|column| !column.enabled) {
        notes.push(words(
            format!("栏目 {} 已关闭", column.id),
            format!("the column {} is switched off", column.id),
        ));
    }
    notes
}

/// The classes of visibility in Chinese and English.
pub(super) const SEES: [(SeeClass, &str, &str); 6] = [
    (SeeClass::V1, "所在群的全部消息", "every message of its groups"),
    (
        SeeClass::V2,
        "@ 机器人的消息、私聊、点击",
        "mentions, private chats, clicks",
    ),
    (
        SeeClass::V3,
        "平台自己的统计,不含内容",
        "the platform's own statistics, without content",
    ),
    (SeeClass::V4, "谁读了机器人发的消息", "who has read what the bot sent"),
    (SeeClass::V5, "谁点了确认", "who confirmed by button"),
    (
        SeeClass::V6,
        "进群、退群和群的变化",
        "joins, leaves and changes of groups",
    ),
];

pub(super) fn ability_words(ability: Ability) -> Words {
    let (zh, en) = match ability {
        Ability::SendToChat => ("发到群", "post to groups"),
        Ability::SendToUser => ("发私信", "write to people"),
        Ability::FirstWord => ("先开口发私信", "write to people first"),
        Ability::Reply => ("回复", "reply"),
        Ability::UpdateCard => ("更新卡片", "update cards"),
        Ability::Recall => ("撤回", "recall"),
        Ability::React => ("加表情", "react"),
        Ability::CreateChat => ("建群", "create groups"),
        Ability::RenameChat => ("改群名", "rename groups"),
        Ability::SetOwner => ("换群主", "change owners"),
        Ability::AddMembers => ("拉人", "add members"),
        Ability::RemoveMembers => ("移出成员", "remove members"),
        Ability::Disband => ("解散群", "disband groups"),
        Ability::Upload => ("上传文件", "upload files"),
        Ability::Pin => ("置顶", "pin"),
        Ability::Unpin => ("取消置顶", "unpin"),
        Ability::Badge => ("平台勋章", "the platform's badges"),
        Ability::Urgent => ("加急", "urgent notices"),
        Ability::Calendar => ("日程", "calendar entries"),
        Ability::Readers => ("读已读名单", "list readers"),
        Ability::ListMembers => ("读群成员", "list members"),
        Ability::ListDepartments => ("读部门", "list departments"),
        Ability::ListPeople => ("读人员", "list people"),
        Ability::ListChats => ("列出所在的群", "list its groups"),
        Ability::Statistics => ("平台统计", "the platform's statistics"),
        Ability::Download => ("下载附件", "fetch attachments"),
        Ability::ButtonsInChat => ("群里的按钮", "buttons in groups"),
        Ability::ButtonsToUser => ("私聊的按钮", "buttons in private chats"),
        Ability::Forms => ("表单", "forms"),
        Ability::Tables => ("表格", "tables"),
        Ability::Charts => ("图表", "charts"),
        Ability::Images => ("图片", "images"),
        Ability::MentionUser => ("@ 某人", "mention people"),
        Ability::MentionAll => ("@ 所有人", "mention everyone"),
        Ability::SeesReactions => ("收到表情事件", "reactions arrive"),
        Ability::SeesRecalls => ("收到撤回事件", "recalls arrive"),
        Ability::SeesMembers => ("收到进退群事件", "joins and leaves arrive"),
        Ability::SeesDirectory => ("收到通讯录事件", "directory changes arrive"),
    };
    words(zh, en)
}
