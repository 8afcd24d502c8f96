//! What each door sees and can do, with the published limits (document 90312 unless noted).

use hutong_model::{Ability, Capabilities, LimitRule, LimitScope, Limits, SeeClass};

use crate::config::{AIBOT, APP, Door, WEBHOOK};
use crate::prepare::{CHAT_MEMBERS, MEMBERS_PER_CALL};
use crate::stream::calls;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

const fn rule(api: &'static str, scope: LimitScope, count: u32, window_ms: u64) -> LimitRule {
    LimitRule::calls(api, scope, count, window_ms)
}

/// The capabilities of a door.
pub fn of(door: &Door) -> Capabilities {
    match door {
        Door::App(door) => app(door.account_ceiling),
        Door::Aibot(bot) if bot.linked() => linked(),
        Door::Aibot(_) => aibot(),
        Door::Webhook(_) => webhook(),
    }
}

fn app(account_ceiling: Option<u32>) -> Capabilities {
    use Ability::{
        AddMembers, ButtonsToUser, Calendar, CreateChat, Download, FirstWord, Forms, Images, ListDepartments,
        ListMembers, ListPeople, MentionAll, MentionUser, Recall, RemoveMembers, RenameChat, Reply, SendToChat,
        SendToUser, SetOwner, Statistics, UpdateCard, Upload,
    };
    let mut rates = app_rates();
    if let Some(accounts) = account_ceiling {
        // Person-messages a day: 200 for every account that the company may have.
        let count = accounts.saturating_mul(200);
        rates.push(LimitRule::receivers("message/send", LimitScope::App, count, DAY));
    }
    Capabilities {
        kind: APP,
        sees: [SeeClass::V2, SeeClass::V5].into(),
        can: [
            SendToChat,
            SendToUser,
            FirstWord,
            Reply,
            UpdateCard,
            Recall,
            CreateChat,
            RenameChat,
            SetOwner,
            AddMembers,
            RemoveMembers,
            Upload,
            Calendar,
            ListMembers,
            ListDepartments,
            ListPeople,
            Statistics,
            Download,
            ButtonsToUser,
            Forms,
            Images,
            MentionUser,
            MentionAll,
        ]
        .into(),
        limits: Limits {
            text_bytes: 2048,
            card_bytes: 2048,
            buttons: 6,
            members_per_call: MEMBERS_PER_CALL,
            chat_members: CHAT_MEMBERS,
        },
        rates,
        remarks: vec![
            (
                "只听得到私聊、卡片点击和成员进出应用可见范围；群里的消息一条也听不到。",
                "Hears private messages, clicks, and people entering or leaving its visible range; nothing said in any group.",
            ),
            (
                "只能往自己建的群（appchat）里发；群 ID 与智能机器人的群 ID 不是同一套，需在配置里对应起来。",
                "Posts only to groups it created (appchat); their ids are not those of the AI bot: link the two in the configuration.",
            ),
            (
                "建群要求应用的可见范围是根部门；群不能由程序解散，群里发出的消息不能撤回，也没有成员进出事件（用 appchat/get 轮询）。",
                "Creating groups needs the root department in the visible range; groups cannot be dissolved, posts in them cannot be recalled, and joins are only seen by polling.",
            ),
            (
                "群里没有按钮卡片：按钮改成「要输入的文字」；私聊里的表单只支持选择题。",
                "No button cards in groups: buttons become words to type; forms in private chats hold choices only.",
            ),
            (
                "没有已读回执，用按钮点击数代替。",
                "There are no read receipts: count clicks instead.",
            ),
            (
                "同一成员每分钟超过 30 条或每小时超过 1000 条的消息会被静默丢弃（群消息为每分钟 200 条、每天 10000 条），所以由机器人自己计数、宁可晚发。",
                "More than 30 messages a minute or 1,000 an hour to one person (200 a minute or 10,000 a day in groups) are dropped without an error, so they are counted here and sent later instead.",
            ),
            (
                "统计只有客户群的（按群主和日期），内部群没有；发到群里的消息按群人数计入每分钟 2 万人次的额度。",
                "Statistics exist for customer groups only, by owner and day; a post into a group counts once per member against 20,000 a minute.",
            ),
        ],
    }
}

fn app_rates() -> Vec<LimitRule> {
    vec![
        // Every call of a corp: 10,000 a minute and 150,000 an hour.
        rule("message/send", LimitScope::Company, 10_000, MINUTE),
        rule("message/send", LimitScope::Company, 150_000, HOUR),
        // Above these two the platform says yes and drops the message.
        rule("message/send", LimitScope::Destination, 30, MINUTE),
        rule("message/send", LimitScope::Destination, 1_000, HOUR),
        rule("appchat/create", LimitScope::Company, 1_000, DAY),
        rule("appchat/update", LimitScope::Company, 1_000, HOUR),
        // Counted per member of the group (document 90248); the hourly ceiling grows with the
        // size of the company, this is the smallest.
        LimitRule::receivers("appchat/send", LimitScope::Company, 20_000, MINUTE),
        LimitRule::receivers("appchat/send", LimitScope::Company, 150_000, HOUR),
        rule("appchat/send", LimitScope::Company, 10_000, MINUTE),
        // Per member and app, dropped silently above; a member of several groups reaches it sooner.
        rule("appchat/send", LimitScope::Destination, 200, MINUTE),
        rule("appchat/send", LimitScope::Destination, 10_000, DAY),
        rule("message/update_template_card", LimitScope::Company, 10_000, MINUTE),
        rule("media/upload", LimitScope::Company, 10_000, MINUTE),
    ]
}

fn aibot() -> Capabilities {
    use Ability::{ButtonsInChat, ButtonsToUser, Download, Forms, Reply, Tables};
    Capabilities {
        kind: AIBOT,
        sees: [SeeClass::V2, SeeClass::V5].into(),
        can: [Reply, ButtonsInChat, ButtonsToUser, Forms, Tables, Download].into(),
        limits: Limits {
            text_bytes: 20_480,
            card_bytes: 2048,
            buttons: 6,
            members_per_call: 0,
            chat_members: 0,
        },
        rates: vec![],
        remarks: vec![
            (
                "群里只听得到 @ 它的消息，外加私聊和卡片点击；每个只能回答一次，一小时内有效，不能主动发消息。",
                "Hears what mentions it in a group, private messages and clicks; answers each once, within an hour, and says nothing on its own.",
            ),
            (
                "它的群 ID（wr…）与应用建的群（appchat）不是同一套，需在配置里对应起来；主动发群消息用应用建的群或群机器人。",
                "Its group ids (wr...) are not those of appchat: link the two in the configuration; to post to a group use an app-created group or a group robot.",
            ),
            (
                "机器人要由人手动加进群；创建者应是超级管理员，否则成员 ID 是加密的：要等同一公司的自建应用换算出来，才认得是谁。",
                "A person adds it to a group; its creator should be a super administrator; otherwise user ids are encrypted, and people are strangers until the company's self-built app has resolved them.",
            ),
            (
                "点击后原卡片不能改，新内容作为新消息发出。回答里 @ 人不会提醒。",
                "After a click the card stays as it is and the new content is a new message. Mentions in its answers notify nobody.",
            ),
        ],
    }
}

/// An AI bot on a long connection (document 101463).
fn linked() -> Capabilities {
    use Ability::{
        ButtonsInChat, ButtonsToUser, Download, Forms, Images, Reply, SendToChat, SendToUser, Tables, UpdateCard,
        Upload,
    };
    Capabilities {
        can: [
            Reply,
            SendToChat,
            SendToUser,
            UpdateCard,
            Upload,
            Download,
            Images,
            ButtonsInChat,
            ButtonsToUser,
            Forms,
            Tables,
        ]
        .into(),
        rates: vec![
            // Replies and pushes of a chat together.
            rule(calls::API, LimitScope::Destination, 30, MINUTE),
            rule(calls::API, LimitScope::Destination, 1_000, HOUR),
            rule(calls::UPLOAD, LimitScope::App, 30, MINUTE),
            rule(calls::UPLOAD, LimitScope::App, 1_000, HOUR),
        ],
        remarks: vec![
            (
                "群里只听得到 @ 它的消息，外加私聊和卡片点击；只能往有人找过它的群和私聊里发消息。",
                "Hears what mentions it in a group, private messages and clicks; sends only to groups and persons that have addressed it before.",
            ),
            (
                "同一个机器人只能有一条长连接：别的程序连上，这里就会断开并告警。",
                "One long connection per bot: when another program connects, this one ends and raises an alarm.",
            ),
            (
                "卡片只能在点击后 5 秒内更新；晚了，新内容作为新消息发出。",
                "A card changes only within 5 s of a click; later the new content is a new message.",
            ),
            (
                "它的群 ID（wr…）与应用建的群（appchat）不是同一套，需在配置里对应起来。",
                "Its group ids (wr...) are not those of appchat: link the two in the configuration.",
            ),
            (
                "机器人要由人手动加进群；创建者应是超级管理员，否则成员 ID 是加密的：要等同一公司的自建应用换算出来，才认得是谁。",
                "A person adds it to a group; its creator should be a super administrator; otherwise user ids are encrypted, and people are strangers until the company's self-built app has resolved them.",
            ),
            (
                "每个群或私聊每分钟最多 30 条、每小时 1000 条；@ 人不会提醒；发送没有防重机制（卡片除外）。",
                "At most 30 messages a minute and 1,000 an hour per chat; mentions notify nobody; only cards are recognised when sent twice.",
            ),
        ],
        ..aibot()
    }
}

fn webhook() -> Capabilities {
    use Ability::{MentionAll, MentionUser, SendToChat, Tables, Upload};
    Capabilities {
        kind: WEBHOOK,
        sees: [].into(),
        can: [SendToChat, Upload, Tables, MentionUser, MentionAll].into(),
        limits: Limits {
            text_bytes: 2048,
            card_bytes: 4096,
            buttons: 0,
            members_per_call: 0,
            chat_members: 0,
        },
        // Document 99110.
        rates: vec![rule("webhook/send", LimitScope::App, 20, MINUTE)],
        remarks: vec![
            (
                "只能往一个群里发，什么也听不到；知道 key 的人都能用它发消息，请保密。",
                "Posts to one group and hears nothing; whoever knows the key can post, so keep it secret.",
            ),
            (
                "发送没有防重机制，结果不明的消息不会自动重发；图片以文件形式发出。",
                "Sends have no idempotency key, so an unknown outcome is not repeated; pictures are sent as files.",
            ),
        ],
    }
}
