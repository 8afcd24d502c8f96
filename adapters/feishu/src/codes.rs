//! The one table of platform codes: what each means for the call that got it, and what an operator
//! should do about it. Numbers are reused between calls (230071, 230072, 230075); the class given
//! here holds for every call in which this adapter can meet the code.
//!
//! Sources: feishu.md 1.2 (all calls), 5.1 (rates), 5.2 to 5.9 (per family), which quote the official
//! error pages. A code that is not listed is final: the platform has answered and refused.

use hutong_model::LimitScope;

/// What a code other than 0 says about the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Final.
    Reject,
    /// Nothing was done; wait.
    Rate(LimitScope),
    /// The access token is not accepted: refresh once, try once more.
    Auth,
    /// Nothing was done; the platform was busy.
    Busy,
    /// The same key is being worked on, or the platform failed inside: perhaps done.
    Unknown,
    /// What was asked for is already so, when it was a recall or a dissolution; final for every
    /// other call (a send to a chat that is gone).
    Gone,
}

struct Row(u32, Class, &'static str);

use Class::{Auth, Busy, Gone, Rate, Reject, Unknown};

const APP: Class = Rate(LimitScope::App);
const DESTINATION: Class = Rate(LimitScope::Destination);

/// Sorted by code. The text is for the operator: Chinese, then English.
static TABLE: &[Row] = &[
    // Batch send and old calls (5.5).
    Row(10003, Reject, "参数不对 / bad parameter"),
    // Token call (1.2).
    Row(
        10013,
        Reject,
        "拿不到令牌，检查 app_id / no token could be issued: check app_id",
    ),
    Row(
        10014,
        Reject,
        "应用不可用，在开发者后台启用并发布 / the app is not available: enable and publish it in the developer console",
    ),
    Row(
        10015,
        Reject,
        "App Secret 不对 / wrong app_secret: copy it again from the developer console",
    ),
    // Custom robot rate (5.1).
    Row(11232, APP, "发送太快 / sending too fast"),
    Row(
        11310,
        Reject,
        "卡片元素过多或正在被点击 / too many card elements, or the card is being clicked",
    ),
    // Directory (5.8).
    Row(40003, Unknown, "平台内部错误 / internal error of the platform"),
    Row(
        40004,
        Reject,
        "没有部门权限，扩大通讯录权限范围 / no department permission: widen the contact scope of the app",
    ),
    Row(40008, Reject, "部门不存在 / the department does not exist"),
    Row(40011, Reject, "分页大小不对 / bad page size"),
    Row(
        40012,
        Reject,
        "分页标记过期，重新读取 / the page token has expired: read again from the start",
    ),
    Row(
        40014,
        Reject,
        "没有上级部门权限 / no permission for the parent department: widen the contact scope",
    ),
    Row(
        41050,
        Reject,
        "没有该成员的权限，扩大通讯录权限范围 / no permission for this person: widen the contact scope",
    ),
    Row(
        43010,
        Reject,
        "部门太大，不能一次读取 / the department is too large to be read at once",
    ),
    // Calendar (5.9).
    Row(190_002, Reject, "日历参数不对 / bad calendar parameter"),
    Row(190_003, Unknown, "日历内部错误 / internal error of the calendar"),
    Row(190_004, APP, "日历请求太快 / calendar calls too fast"),
    Row(190_005, APP, "日历请求太快 / calendar calls too fast"),
    Row(190_010, APP, "日历请求太快 / calendar calls too fast"),
    Row(190_013, Reject, "日程内容未通过审核 / the entry's content was refused"),
    Row(190_014, Reject, "日历参数不对 / bad calendar parameter"),
    Row(191_000, Reject, "日历不存在 / calendar not found"),
    Row(191_002, Reject, "没有日历权限 / no right on this calendar"),
    Row(193_001, Reject, "日程不存在 / calendar entry not found"),
    Row(194_002, Reject, "不能添加参与人 / attendees may not be added"),
    Row(195_100, Reject, "成员已离职 / the person has left"),
    // The list of granted scopes (official page application-v6/scope/list).
    Row(
        212_100,
        Reject,
        "应用未安装到企业 / the app is not installed in this company",
    ),
    // Messages (5.2, 5.3).
    Row(230_001, Reject, "消息参数不对 / bad message parameter"),
    Row(
        230_002,
        Reject,
        "机器人不在群里，请重新拉入 / the bot is not in the group: add it again",
    ),
    Row(
        230_006,
        Reject,
        "机器人能力未开启或版本未发布 / bot capability is off or no version is published",
    ),
    Row(230_009, Reject, "消息已过可撤回时间 / too late to recall the message"),
    Row(230_011, Gone, "消息已撤回 / the message has been recalled"),
    Row(230_012, Reject, "不是本机器人发的消息 / not a message of this bot"),
    Row(
        230_013,
        Reject,
        "对方不在应用可用范围内或已离职 / the person is outside the availability range of the app, or has left",
    ),
    Row(230_015, Reject, "不能分享该卡片 / this card cannot be shared"),
    Row(
        230_017,
        Reject,
        "不是本应用上传的文件 / the file was uploaded by another app",
    ),
    Row(
        230_018,
        Reject,
        "群设置不允许（禁言或禁止 @所有人）/ the group's settings forbid it (muted, or mentioning everyone is off)",
    ),
    Row(230_019, Reject, "话题不存在 / the topic does not exist"),
    Row(
        230_020,
        DESTINATION,
        "对同一个群或人发得太快 / too many messages to one group or person",
    ),
    Row(230_022, Reject, "内容未通过审核 / the content was refused by the audit"),
    Row(
        230_023,
        Reject,
        "对方未读加急太多 / the person has too many unread urgent messages",
    ),
    Row(
        230_024,
        Reject,
        "加急额度用完 / the quota of urgent messages is used up",
    ),
    Row(230_025, Reject, "内容太长 / the content is too long"),
    Row(230_026, Reject, "没有撤回权限 / no right to recall this message"),
    Row(
        230_027,
        Reject,
        "缺少权限或是外部群 / a permission is missing, or it is an external group",
    ),
    Row(230_028, Reject, "内容未通过审核 / the content was refused by the audit"),
    Row(230_029, Reject, "对方已离职 / the person has left"),
    Row(230_030, Reject, "没有这个批量消息 / no such batch message"),
    Row(
        230_031,
        Reject,
        "卡片超过 14 天，不能更新 / the card is older than 14 days and cannot be updated",
    ),
    Row(
        230_033,
        Reject,
        "消息超过 7 天，不能查已读 / older than 7 days: who has read it is no longer known",
    ),
    Row(230_034, Reject, "接收人 ID 不对 / the receiver's id is not valid"),
    Row(230_035, Reject, "没有发言权限 / the bot may not speak here"),
    Row(
        230_036,
        Reject,
        "不能跨租户发送 / sending to another tenant is not possible",
    ),
    Row(
        230_038,
        Reject,
        "不能跨租户私聊 / private chats with another tenant are not possible",
    ),
    Row(230_046, Reject, "没有置顶权限 / no right to pin here"),
    Row(230_047, DESTINATION, "置顶太快 / pinning too fast"),
    Row(230_049, Unknown, "同一条消息正在发送 / the same message is being sent"),
    Row(230_050, Reject, "消息对机器人不可见 / the bot cannot see this message"),
    Row(230_052, Reject, "不允许加急 / urgent messages are not allowed"),
    Row(230_053, Reject, "对方屏蔽了机器人 / the person has blocked the bot"),
    Row(
        230_054,
        Reject,
        "不允许的消息类型 / this kind of message is not allowed",
    ),
    Row(
        230_055,
        Reject,
        "文件类型不符 / the file does not fit the kind of message",
    ),
    Row(230_071, Reject, "该群不支持话题 / this group has no topics"),
    Row(230_072, Reject, "不能对这条消息操作 / not possible with this message"),
    Row(
        230_075,
        Reject,
        "加密群或超过可编辑时间 / an encrypted chat, or too late to edit",
    ),
    Row(
        230_098,
        Reject,
        "会话已折叠，不能加急 / the chat is folded: no urgent messages",
    ),
    Row(230_099, Reject, "卡片内容有误 / the card could not be built"),
    Row(230_110, Gone, "消息已删除 / the message is gone"),
    Row(230_111, Reject, "消息已自毁 / the message has destroyed itself"),
    // Reactions (5.4).
    Row(231_001, Reject, "表情名不对 / no such emoji"),
    Row(231_002, Reject, "没有表情权限 / no right to react here"),
    Row(231_003, Reject, "消息不存在 / the message does not exist"),
    Row(231_008, Reject, "没有表情权限 / no right to react here"),
    Row(
        231_015,
        Unknown,
        "同一个表情正在添加 / the same reaction is being added",
    ),
    // Groups (5.7).
    Row(232_009, Gone, "群已解散 / the group has been dissolved"),
    Row(232_013, Reject, "群人数已满 / the group is full"),
    Row(232_019, DESTINATION, "群操作太快 / group changes too fast"),
    Row(232_022, Reject, "有成员已离职 / somebody in the list has left"),
    Row(
        232_024,
        Reject,
        "有成员不在应用可用范围内 / somebody is outside the availability range of the app",
    ),
    Row(232_033, Reject, "外部群不支持 / not possible in an external group"),
    Row(232_043, Reject, "成员 ID 有误 / an id in the list is not valid"),
    Row(
        232_044,
        Reject,
        "管理员人数已满 / the group has its full number of admins",
    ),
    Row(232_068, Unknown, "同一个群正在创建 / the same group is being created"),
    // Files (5.6).
    Row(234_001, Reject, "文件参数不对 / bad parameter of a file"),
    Row(234_003, Reject, "文件不在这条消息里 / the file is not in this message"),
    Row(
        234_004,
        Reject,
        "机器人不在消息所在的群里 / the bot is not in the message's chat",
    ),
    Row(234_006, Reject, "文件太大 / the file is too large"),
    Row(234_010, Reject, "文件是空的 / the file is empty"),
    Row(234_011, Reject, "图片格式不支持 / the image format is not supported"),
    Row(
        234_037,
        Reject,
        "文件太大，不能下载 / the file is too large to be fetched",
    ),
    Row(
        234_038,
        Reject,
        "群开启了防泄密，不能下载 / the chat is restricted: its files cannot be fetched",
    ),
    Row(234_039, Reject, "图片尺寸太大 / the image has too many pixels"),
    Row(
        234_043,
        Reject,
        "这种消息的文件不能下载 / files of this kind of message cannot be fetched",
    ),
    // Statistics and badges (official pages admin-v1).
    Row(1_051_000, Unknown, "平台内部错误 / internal error of the platform"),
    Row(1_051_001, Reject, "参数不对 / bad parameter"),
    Row(
        1_051_002,
        Reject,
        "应用无权访问该数据 / the app has no access to these data",
    ),
    Row(
        1_051_003,
        Reject,
        "数据权限范围或套餐不包含它，在开发者后台「权限管理」申请数据范围 / outside the app's data range, or not in the \
         company's plan: ask for the range in the developer console, Permissions",
    ),
    Row(1_051_113, Reject, "没有这个勋章 / no such badge"),
    Row(1_051_200, Reject, "授予名单重名 / a list of this name exists"),
    Row(
        1_051_204,
        Reject,
        "授予名单已满 / the badge has its full number of lists",
    ),
    Row(1_051_205, Gone, "授予名单不存在 / no such list of people"),
    // Every call (1.2, 5.1).
    Row(99_991_400, APP, "请求太快 / calls too fast"),
    Row(
        99_991_401,
        Reject,
        "本机 IP 不在应用白名单 / the address of this machine is not on the app's allow-list",
    ),
    Row(
        99_991_403,
        Reject,
        "本月接口额度用完 / the tenant's monthly quota of calls is used up",
    ),
    Row(99_991_661, Auth, "请求没有令牌 / the call carried no token"),
    Row(
        99_991_662,
        Reject,
        "应用未启用 / the app is not in use: enable it in the admin console",
    ),
    Row(99_991_663, Auth, "令牌失效 / the access token is not valid"),
    Row(99_991_664, Auth, "令牌失效 / the access token is not valid"),
    Row(99_991_665, Auth, "令牌失效 / the access token is not valid"),
    Row(99_991_668, Auth, "令牌失效 / the access token is not valid"),
    Row(99_991_671, Auth, "令牌格式不对 / the access token has a wrong form"),
    Row(
        99_991_672,
        Reject,
        "应用缺少权限，在开发者后台开通并重新发布 / a scope is missing: add it in the developer console and publish a version",
    ),
    Row(
        99_991_673,
        Reject,
        "应用未被企业授权 / the app is not authorised in this company",
    ),
    Row(99_991_679, Reject, "缺少用户权限 / a user scope is missing"),
    Row(99_992_351, Reject, "用户不存在 / this person does not exist"),
    Row(99_992_360, Reject, "ID 不存在 / this id does not exist"),
    Row(
        99_992_361,
        Reject,
        "open_id 属于别的应用 / this open_id belongs to another app",
    ),
    Row(99_992_364, Reject, "ID 不存在 / this id does not exist"),
    Row(
        99_992_402,
        Reject,
        "字段校验失败 / a field did not pass the platform's check",
    ),
    // Long connection and discovery share numbers above 10^9; "system busy" is the only one that
    // can come back from a call.
    Row(1_000_040_343, Busy, "平台繁忙 / the platform is busy"),
];

fn row(code: i64) -> Option<&'static Row> {
    let code = u32::try_from(code).ok()?;
    TABLE
        .binary_search_by_key(&code, |r| r.0)
        .ok()
        .and_then(|i| TABLE.get(i))
}

/// The class of a code other than 0.
pub fn class(code: i64) -> Class {
    row(code).map_or(Reject, |r| r.1)
}

/// A sentence for the operator: what we know of the code, then what the platform said.
pub fn explain(code: i64, message: &str) -> String {
    let said: String = message.chars().take(300).collect();
    match row(code) {
        Some(row) => format!("{} ({said})", row.2),
        None => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_says_what_the_documentation_says() {
        assert!(TABLE.windows(2).all(|w| w[0].0 < w[1].0));
        for code in [99_991_400, 230_020, 232_019, 11_232, 190_004, 190_010] {
            assert!(matches!(class(code), Rate(_)), "{code}: feishu.md 5.1");
        }
        for code in [99_991_663, 99_991_664, 99_991_665, 99_991_671] {
            assert_eq!(class(code), Auth, "{code}: feishu.md 1.2");
        }
        for code in [230_002, 230_013, 230_025, 99_991_672, 10_015, 123_456_789, -1] {
            assert_eq!(class(code), Reject, "{code}");
        }
        assert_eq!(class(230_049), Unknown);
        assert!(explain(230_002, "Bot not in chat").contains("add it again"));
    }
}
