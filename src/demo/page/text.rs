//! The page's own words in Chinese and English.

use std::collections::BTreeMap;

/// A language of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lang {
    Zh,
    En,
}

impl Lang {
    pub fn as_str(self) -> &'static str {
        match self {
            Lang::Zh => "zh",
            Lang::En => "en",
        }
    }

    /// For the `lang` attribute.
    pub fn tag(self) -> &'static str {
        match self {
            Lang::Zh => "zh-CN",
            Lang::En => "en",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "zh" => Some(Lang::Zh),
            "en" => Some(Lang::En),
            _ => None,
        }
    }

    /// The better of the two by an `Accept-Language` header; Chinese when it names neither.
    pub fn accepted(header: &str) -> Self {
        let mut best = (Lang::Zh, 0.0_f32);
        for entry in header.split(',') {
            let mut parts = entry.split(';');
            let tag = parts.next().unwrap_or("").trim().to_ascii_lowercase();
            let weight = parts
                .find_map(|p| p.trim().strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()))
                .unwrap_or(1.0);
            let lang = match tag.split('-').next() {
                Some("zh") => Lang::Zh,
                Some("en") => Lang::En,
                _ => continue,
            };
            if weight > best.1 {
                best = (lang, weight);
            }
        }
        best.0
    }
}

/// Key, Chinese, English. The script and the template name them as `t.key`.
const TEXTS: &[(&str, &str, &str)] = &[
    ("title", "胡同 · 演示", "Hutong · demo"),
    (
        "tagline",
        "在任何一个平台里当一回同事",
        "Be a colleague on any of the platforms",
    ),
    ("noscript", "这个页面需要 JavaScript。", "This page needs JavaScript."),
    ("skip", "跳到对话", "Skip to the conversation"),
    ("other_lang", "English", "中文"),
    ("platforms", "平台", "Platforms"),
    ("feishu", "飞书", "Feishu"),
    ("dingtalk", "钉钉", "DingTalk"),
    ("wecom", "企业微信", "WeCom"),
    ("simulated", "模拟", "simulated"),
    ("you_are", "你现在是", "You are"),
    ("change_person", "换人", "Switch"),
    (
        "find_person",
        "搜索姓名、部门、职务或工号",
        "Search name, department, title or number",
    ),
    ("who_are_you", "你想当谁？", "Who would you like to be?"),
    (
        "no_person",
        "没有找到这样的同事，换个词试试。",
        "Nobody found. Try another word.",
    ),
    ("people_found", "{n} 位同事", "{n} colleagues"),
    ("left_company", "已离职", "has left"),
    ("close", "关闭", "Close"),
    ("chats", "会话", "Chats"),
    ("find_chat", "筛选会话", "Filter chats"),
    ("my_groups", "我的群", "My groups"),
    ("private", "和机器人私聊", "Private, with the bot"),
    ("other_groups", "可以加入的群", "Groups you can join"),
    ("no_chats", "没有匹配的会话", "No chat matches"),
    ("not_opened", "打个招呼吧", "Say hello"),
    ("recalled_short", "[已撤回]", "[taken back]"),
    ("members", "{n} 人", "{n} people"),
    ("member_list", "群成员", "Members"),
    ("owner", "群主", "owner"),
    ("bot", "机器人", "bot"),
    ("join", "加入群聊", "Join the group"),
    ("leave", "退出群聊", "Leave the group"),
    ("not_member", "你不在这个群里", "You are not in this group"),
    (
        "not_member_more",
        "加入后就能看到大家在聊什么，也可以和机器人说话。",
        "Join to see what people talk about, and to talk to the bot.",
    ),
    ("empty_chat", "还没有消息", "Nothing here yet"),
    (
        "empty_chat_more",
        "说句话，或者点下面的例子试试。",
        "Say something, or try one of the examples below.",
    ),
    ("choose_chat", "选一个会话开始", "Choose a chat to begin"),
    (
        "choose_chat_more",
        "左边是你的群，还有和机器人的私聊。",
        "Your groups are on the left, and the private chat with the bot.",
    ),
    ("older", "更早的消息", "Older messages"),
    ("beginning", "这里是开头", "This is the beginning"),
    ("new_messages", "有新消息", "New messages"),
    ("message", "输入消息", "Message"),
    (
        "placeholder_group",
        "发消息，输入 @ 提到同事或机器人",
        "Message; type @ for a colleague or the bot",
    ),
    ("placeholder_direct", "和机器人说点什么", "Say something to the bot"),
    ("send", "发送", "Send"),
    (
        "send_hint",
        "Enter 发送，Shift+Enter 换行",
        "Enter sends, Shift+Enter makes a new line",
    ),
    ("mention", "提到", "Mention"),
    ("mention_list", "可以提到的人", "Whom you can mention"),
    ("everyone", "所有人", "everyone"),
    ("reply", "回复", "Reply"),
    ("replying", "回复 {name}", "Replying to {name}"),
    ("cancel_reply", "取消回复", "Cancel the reply"),
    ("react", "表情", "React"),
    ("recall", "撤回", "Take back"),
    ("recalled", "{name} 撤回了一条消息", "{name} took a message back"),
    ("you", "你", "You"),
    ("edited", "已更新", "updated"),
    ("examples", "试试这些", "Try these"),
    ("submit", "提交", "Submit"),
    ("required", "必填", "required"),
    ("choose", "请选择", "Choose"),
    ("chart_of", "图表：{name}", "Chart: {name}"),
    ("table", "表格", "Table"),
    ("backstage", "机器人幕后", "Behind the scenes"),
    (
        "backstage_more",
        "它看到了什么、按哪条规则、做了什么",
        "What it saw, by which rule, and what it did",
    ),
    ("only_chat", "只看当前会话", "This chat only"),
    ("no_trace", "还没有动静", "Nothing has happened yet"),
    (
        "no_trace_more",
        "在群里 @ 机器人说句话，这里会一步步写出它的想法。",
        "Mention the bot in a group: its steps will appear here.",
    ),
    (
        "not_seen",
        "普通聊天在这个平台上不会推送给机器人，只有 @ 它的消息才会出现在这里。",
        "On this platform ordinary talk is not sent to the bot; only messages that mention it appear here.",
    ),
    ("schedule", "日程", "schedule"),
    ("ms", "{n} 毫秒", "{n} ms"),
    ("attempts", "第 {n} 次", "attempt {n}"),
    ("no_rule", "没有规则需要处理", "No rule wanted it"),
    ("time", "演示时间", "Demo time"),
    (
        "time_more",
        "时间由你推进，定时任务会照常发生。",
        "You move the time; schedules happen on the way.",
    ),
    ("plus_hour", "+1 小时", "+1 h"),
    ("next_workday", "下个工作日 09:30", "Next workday 09:30"),
    ("next_monday", "下周一 10:00", "Next Monday 10:00"),
    ("three_workdays", "过 3 个工作日", "3 workdays later"),
    ("hr_open", "人事变动:调岗、离职、入职…", "People: move, leave, hire…"),
    ("hr_title", "人事变动", "People come and go"),
    (
        "hr_where",
        "在{platform}的通讯录里改动,平台会把变动推送给机器人。",
        "Changes the directory of {platform}, which tells the bot.",
    ),
    ("hr_person", "谁", "Who"),
    ("hr_owner", "当前群的群主", "Owner of this group"),
    ("hr_everybody", "所有人", "Everybody"),
    ("hr_department", "部门", "Department"),
    ("hr_is_in", "现在在 {department}", "Now in {department}"),
    ("hr_transfer", "把 TA 调到这个部门", "Move them there"),
    ("hr_quit", "TA 离职", "They leave the company"),
    ("hr_hire", "这个部门入职一位新同事", "Somebody new begins there"),
    (
        "hr_more",
        "改完后,看看 TA 的私聊;再让时间过去,看群里怎么变。",
        "Then look at their private chat; let time pass, and see the groups change.",
    ),
    ("hr_moved", "{name} 调到了 {department}", "{name} moves to {department}"),
    ("hr_left", "{name} 离职了", "{name} has left"),
    ("hr_hired", "{name} 入职 {department}", "{name} joins {department}"),
    ("moving", "时间正在流逝…", "Time is passing…"),
    ("moved", "现在是 {time}", "It is now {time}"),
    ("receive", "接收方式", "Receives by"),
    ("v_callback", "回调", "callback"),
    ("v_long_connection", "长连接", "connection"),
    ("by_callback", "平台推送到回调地址", "The platform calls an address"),
    ("reconnects", "重连 {n} 次:{why}", "reconnected {n}×: {why}"),
    ("mixed", "自建应用仍走回调", "the self-built app stays with callbacks"),
    ("switching", "正在切换…", "Switching…"),
    ("switched", "{platform}现在经{way}接收", "{platform} now comes by {way}"),
    ("l_idle", "正在连接", "connecting"),
    ("l_connecting", "正在连接", "connecting"),
    ("l_ready", "已连接", "connected"),
    ("l_standby", "由另一个实例连着", "held by another replica"),
    ("l_waiting", "已断开,马上重连", "down, reconnecting"),
    ("l_refused", "被平台拒绝", "refused by the platform"),
    ("l_evicted", "被别处顶下线", "taken over elsewhere"),
    ("l_stopped", "已停止", "stopped"),
    ("tab_chats", "会话", "Chats"),
    ("tab_talk", "对话", "Conversation"),
    ("tab_back", "幕后", "Backstage"),
    ("back", "返回", "Back"),
    ("failed", "没有成功：{why}", "That did not work: {why}"),
    (
        "offline",
        "连接断开了，正在重连…",
        "The connection is lost, trying again…",
    ),
    (
        "callback_failed",
        "机器人没有应答，平台稍后会重发。",
        "The bot did not answer; the platform will repeat it.",
    ),
    ("today", "今天", "Today"),
    ("yesterday", "昨天", "Yesterday"),
    (
        "not_here",
        "{name} 没有{platform}账号，已换成 {other}。",
        "{name} has no account on {platform}; you are {other} now.",
    ),
    // Kinds of events, states and actions, as the core names them.
    ("k_message", "消息", "message"),
    ("k_recall", "撤回", "recall"),
    ("k_reaction", "表情", "reaction"),
    ("k_member", "成员", "member"),
    ("k_bot", "机器人", "bot"),
    ("k_chat", "群", "chat"),
    ("k_click", "点击", "click"),
    ("k_read", "已读", "read"),
    ("k_person", "人员", "person"),
    ("k_department", "部门", "department"),
    ("k_directory_scope", "通讯录", "directory"),
    ("k_menu", "菜单", "menu"),
    ("k_chat_entered", "打开私聊", "opened"),
    ("k_tick", "定时", "tick"),
    ("k_effect_done", "结果", "result"),
    ("k_other", "其他", "other"),
    ("s_waiting", "等待", "waiting"),
    ("s_sending", "发送中", "sending"),
    ("s_sent", "已送达", "sent"),
    ("s_done", "完成", "done"),
    ("s_refused", "婉拒", "refused"),
    ("s_retry", "重试", "retry"),
    ("s_dead", "停止", "stopped"),
    ("s_rejected", "被拒", "rejected"),
    ("s_unknown", "未知", "unknown"),
    ("s_expired", "过期", "expired"),
    ("s_parked", "待定", "parked"),
    ("a_send", "发消息", "send"),
    ("a_reply", "回复", "reply"),
    ("a_update_card", "更新卡片", "update card"),
    ("a_recall", "撤回", "recall"),
    ("a_react", "表情", "react"),
    ("a_create_chat", "建群", "create group"),
    ("a_rename_chat", "改群名", "rename group"),
    ("a_set_owner", "换群主", "set owner"),
    ("a_add_members", "拉人", "add members"),
    ("a_remove_members", "移人", "remove members"),
    ("a_disband", "解散", "disband"),
    ("a_upload", "上传", "upload"),
    ("a_pin", "置顶", "pin"),
    ("a_urgent", "加急", "urgent"),
    ("a_calendar", "日程", "calendar"),
    ("a_readers", "查已读", "readers"),
    ("a_list_members", "查成员", "list members"),
];

/// Examples that a click puts into the message field: label and text. `@` at the end opens the list
/// of people; in a group the bot is mentioned before it.
pub(super) fn examples(lang: Lang) -> [(&'static str, &'static str); 5] {
    match lang {
        Lang::Zh => [
            ("感谢 @…", "感谢 @"),
            ("/积分", "/积分"),
            ("/排行", "/排行"),
            ("/周报", "/周报"),
            ("/帮助", "/帮助"),
        ],
        Lang::En => [
            ("Thank @…", "感谢 @"),
            ("/points", "/points"),
            ("/board", "/board"),
            ("/report", "/report"),
            ("/help", "/help"),
        ],
    }
}

/// All texts of one language by key.
pub(super) fn table(lang: Lang) -> BTreeMap<&'static str, &'static str> {
    TEXTS
        .iter()
        .map(|(key, zh, en)| (*key, if lang == Lang::Zh { *zh } else { *en }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_language_is_chosen_by_the_browser() {
        for (header, lang) in [
            ("", Lang::Zh),
            ("en-US,en;q=0.9,zh-CN;q=0.8", Lang::En),
            ("zh-CN,zh;q=0.9,en;q=0.8", Lang::Zh),
            ("de-DE,de;q=0.9,en;q=0.5", Lang::En),
            ("fr, *;q=0.1", Lang::Zh),
            ("en;q=0.2, zh-TW;q=0.7", Lang::Zh),
            ("en;q=oops", Lang::En),
        ] {
            assert_eq!(Lang::accepted(header), lang, "{header}");
        }
    }

    #[test]
    fn the_script_names_only_texts_that_exist_and_every_text_is_used() {
        let template = include_str!("page.html");
        let table = table(Lang::En);
        let mut used = BTreeSet::new();
        for source in [include_str!("demo.js"), include_str!("parts.js"), template] {
            for (at, _) in source.match_indices("t.") {
                let before = source[..at].chars().next_back().unwrap_or(' ');
                if before.is_ascii_alphanumeric() || before == '_' || before == '.' || before == ')' {
                    continue;
                }
                let key: String = source[at + 2..]
                    .chars()
                    .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                    .collect();
                assert!(table.contains_key(key.as_str()), "t.{key} is not in the table");
                used.insert(key);
            }
        }
        for (key, zh, en) in TEXTS {
            assert!(!zh.is_empty() && !en.is_empty(), "{key}");
            // Platforms, kinds, states, actions and ways are looked up by their name.
            let by_name = ["k_", "s_", "a_", "v_", "l_"].iter().any(|p| key.starts_with(p))
                || ["feishu", "dingtalk", "wecom"].contains(key);
            assert!(by_name || used.contains(*key), "{key} is never shown");
        }
        assert_eq!(table.len(), TEXTS.len(), "no key stands twice");
    }
}
