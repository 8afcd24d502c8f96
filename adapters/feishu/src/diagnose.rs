//! What is set up and what is missing, asked of the platform itself.
//!
//! Scopes: the platform has a list of what the company has granted (official page
//! application-v6/scope/list, needs no scope). Where that list cannot be had, the cheapest call of each
//! family is made, with an id that names nothing, and its refusal is read: 99991672 names the scopes of
//! which one is missing, everything else means that the call itself is allowed (feishu.md 1.2). Reads
//! that cost nothing are made in any case, because a scope that is granted but not in a published
//! version yet is refused all the same (feishu.md gotcha 31).

use std::collections::BTreeMap;

use hutong_model::{CallError, Finding, FindingState};
use serde_json::{Value, json};

use crate::api::{Api, Failure};
use crate::calls::{Call, Method, Then};
use crate::config::{Config, Urgent};

use FindingState::{Good, Missing, Unknown, Warning};

/// One right that this bot makes use of. Any of `any_of` will do; the first is the one to ask for.
struct Need {
    any_of: &'static [&'static str],
    /// Without it: `Missing` when the bot cannot work, else `Warning`.
    lacking: FindingState,
    zh: &'static str,
    en: &'static str,
    probe: Probe,
}

#[derive(Clone, Copy)]
enum Probe {
    /// Only events tell; no call needs it.
    None,
    /// A read that changes nothing and costs nothing.
    Read(&'static str),
    /// A call that names a message or a group that does not exist.
    Void(Method, &'static str),
}

const fn need(
    any_of: &'static [&'static str],
    lacking: FindingState,
    zh: &'static str,
    en: &'static str,
    probe: Probe,
) -> Need {
    Need {
        any_of,
        lacking,
        zh,
        en,
        probe,
    }
}

const VOID_MESSAGE: &str = "/open-apis/im/v1/messages/om_0";

/// feishu.md 5.11, with the alternatives that the official page of each call names.
static NEEDS: [Need; 22] = [
    need(
        &["im:message:send_as_bot", "im:message"],
        Missing,
        "发消息",
        "sending messages",
        Probe::Void(Method::Post, "/open-apis/im/v1/messages?receive_id_type=chat_id"),
    ),
    need(
        &["im:message.p2p_msg:readonly", "im:message.p2p_msg"],
        Missing,
        "收到私聊消息",
        "private messages to the bot",
        Probe::None,
    ),
    need(
        &["im:message.group_at_msg:readonly", "im:message.group_at_msg"],
        Missing,
        "收到群里 @机器人 的消息",
        "messages in groups that mention the bot",
        Probe::None,
    ),
    need(
        &["im:message.group_msg", "im:message.group_msg:readonly"],
        Warning,
        "收到群里的全部消息，活跃统计要用",
        "every message of its groups, for activity figures",
        Probe::None,
    ),
    need(
        &["contact:user.employee_id:readonly"],
        Warning,
        "拿到成员的 user_id",
        "the user_id of people",
        Probe::None,
    ),
    need(
        &["contact:user.employee:readonly"],
        Warning,
        "看到工号、入职日期、办公城市、用工类型和职务，分层和认人要用",
        "employee number, first day, city, kind of employment and title of people, for segments",
        Probe::None,
    ),
    need(
        &["contact:user.department:readonly"],
        Warning,
        "看到成员的部门和上级",
        "departments and leaders of people",
        Probe::None,
    ),
    need(
        &["im:message.reactions:read", "im:message:readonly"],
        Warning,
        "收到表情回复",
        "reactions to messages",
        Probe::None,
    ),
    need(
        &["im:message.reactions:write_only", "im:message"],
        Warning,
        "给消息加表情",
        "reacting to messages",
        Probe::Void(Method::Post, "/open-apis/im/v1/messages/om_0/reactions"),
    ),
    need(
        &["im:message:readonly", "im:message", "im:message:basic"],
        Warning,
        "查谁读了公告、下载附件",
        "who has read a notice, fetching attachments",
        Probe::Void(
            Method::Get,
            "/open-apis/im/v1/messages/om_0/read_users?user_id_type=open_id",
        ),
    ),
    need(
        &["im:message:update", "im:message:send_as_bot", "im:message"],
        Warning,
        "更新卡片",
        "updating cards",
        Probe::Void(Method::Patch, VOID_MESSAGE),
    ),
    need(
        &["im:message:recall", "im:message:send_as_bot", "im:message"],
        Warning,
        "撤回消息",
        "recalling messages",
        Probe::Void(Method::Delete, VOID_MESSAGE),
    ),
    need(
        &["im:message.pins:write_only", "im:message:send_as_bot", "im:message"],
        Warning,
        "置顶和取消置顶",
        "pinning and unpinning",
        Probe::Void(Method::Delete, "/open-apis/im/v1/pins/om_0"),
    ),
    need(
        &["im:message.urgent", "im:message.urgent:app_send"],
        Warning,
        "应用内加急",
        "urgent messages in the app",
        Probe::Void(
            Method::Patch,
            "/open-apis/im/v1/messages/om_0/urgent_app?user_id_type=open_id",
        ),
    ),
    need(
        &["im:resource", "im:resource:upload"],
        Warning,
        "上传图片和文件",
        "uploading images and files",
        Probe::Void(Method::Post, "/open-apis/im/v1/files"),
    ),
    need(
        &[
            "im:chat:read",
            "im:chat",
            "im:chat:readonly",
            "im:chat.group_info:readonly",
        ],
        Warning,
        "列出机器人所在的群",
        "listing the bot's groups",
        Probe::Read("/open-apis/im/v1/chats?page_size=1"),
    ),
    need(
        &["im:chat:create", "im:chat"],
        Warning,
        "建群",
        "creating groups",
        Probe::None,
    ),
    need(
        &["im:chat.members:write_only", "im:chat"],
        Warning,
        "拉人和移出成员",
        "adding and removing members",
        Probe::Void(
            Method::Post,
            "/open-apis/im/v1/chats/oc_0/members?member_id_type=open_id",
        ),
    ),
    need(
        &[
            "im:chat.members:read",
            "im:chat",
            "im:chat:readonly",
            "im:chat.group_info:readonly",
        ],
        Warning,
        "读群成员，收到进群退群事件",
        "reading members, joins and leaves as events",
        Probe::Void(
            Method::Get,
            "/open-apis/im/v1/chats/oc_0/members?member_id_type=open_id",
        ),
    ),
    need(
        &[
            "contact:contact.base:readonly",
            "contact:contact:readonly_as_app",
            "contact:contact:access_as_app",
        ],
        Missing,
        "读通讯录",
        "reading the directory",
        Probe::Read("/open-apis/contact/v3/scopes?page_size=1"),
    ),
    need(
        &[
            "calendar:calendar",
            "calendar:calendar:read",
            "calendar:calendar:readonly",
        ],
        Warning,
        "建日程",
        "calendar entries",
        Probe::Void(Method::Post, "/open-apis/calendar/v4/calendars/primary"),
    ),
    need(
        &["admin:admin_dept_stat:readonly"],
        Warning,
        "读平台的部门统计",
        "the platform's figures per department",
        Probe::Void(
            Method::Get,
            "/open-apis/admin/v1/admin_dept_stats?department_id_type=open_department_id",
        ),
    ),
];

static BADGES: Need = need(
    &["admin:badge.grant"],
    Warning,
    "发企业勋章",
    "giving the company's badges",
    Probe::Void(Method::Get, "/open-apis/admin/v1/badges/m_0/grants?page_size=1"),
);
static PEOPLE: Need = need(
    &["admin:admin_user_stat:readonly"],
    Warning,
    "读平台的个人统计",
    "the platform's figures per person",
    Probe::Void(Method::Get, "/open-apis/admin/v1/admin_user_stats?user_id_type=open_id"),
);
static SMS: Need = need(
    &["im:message.urgent:sms", "im:message.urgent:sms_send"],
    Missing,
    "短信加急（设置 urgent = \"sms\"）",
    "urgent messages as text messages (setting urgent = \"sms\")",
    Probe::Void(
        Method::Patch,
        "/open-apis/im/v1/messages/om_0/urgent_sms?user_id_type=open_id",
    ),
);
static PHONE: Need = need(
    &["im:message.urgent:phone", "im:message.urgent:phone_send"],
    Missing,
    "电话加急（设置 urgent = \"phone\"）",
    "urgent messages as calls (setting urgent = \"phone\")",
    Probe::Void(
        Method::Patch,
        "/open-apis/im/v1/messages/om_0/urgent_phone?user_id_type=open_id",
    ),
);

/// One finding per question. Nothing is sent to anybody and nothing is changed.
pub async fn diagnose(api: &Api, config: &Config, callback: Option<&str>) -> Vec<Finding> {
    let mut out = Vec::new();
    if !credentials(api, config, &mut out).await {
        // Every further question would get the same answer.
        return out;
    }
    out.push(version(api).await);
    let granted = granted(api).await;
    let extra = match config.urgent {
        Urgent::App => None,
        Urgent::Sms => Some(&SMS),
        Urgent::Phone => Some(&PHONE),
    };
    for need in NEEDS.iter().chain([&PEOPLE, &BADGES]).chain(extra) {
        out.push(scope(api, config, need, granted.as_ref()).await);
    }
    out.push(contact_scope(api).await);
    out.push(groups(api).await);
    out.push(Finding::new(
        "events",
        Unknown,
        "平台不提供查询订阅的接口：到开发者后台「事件与回调」核对事件订阅和回调订阅（card.action.trigger 在回调里），改完要发布版本",
        "the platform has no call that tells the subscriptions: compare them in the developer console, Events & \
         Callbacks (card.action.trigger stands under callbacks), and publish a version after every change",
    ));
    out.push(connections(api).await);
    out.extend(callback.map(|url| address(url, config.loopback)));
    out
}

/// Token and bot; false when there is no use in asking on.
async fn credentials(api: &Api, config: &Config, out: &mut Vec<Finding>) -> bool {
    let answer = match api.get("/open-apis/bot/v3/info".to_owned(), Vec::new()).await {
        Ok(answer) => answer,
        Err(Failure::Code { code, text, .. }) if !matches!(code, 10_013..=10_015 | 99_991_663..=99_991_665) => {
            out.push(token_good());
            out.push(Finding::new(
                "bot",
                Missing,
                format!("机器人能力不可用（{code} {text}）：在开发者后台「添加应用能力」打开机器人并发布版本"),
                format!(
                    "the bot ability is not there ({code} {text}): add it in the developer console, Features, and \
                     publish a version"
                ),
            ));
            return true;
        }
        Err(failure) => {
            let other = if config.kind == "lark" { "feishu" } else { "lark" };
            let why = failure.error();
            let (zh, en) = match why {
                CallError::Unavailable(_) => (
                    format!("连不上平台（{why}）：检查网络出口、代理和 base_url"),
                    format!("the platform cannot be reached ({why}): check the way out, the proxy and base_url"),
                ),
                _ => (
                    format!(
                        "拿不到访问令牌（{why}）：核对「凭证与基础信息」里的 App ID 和 App Secret；如果应用在另一个平台，改成 platform = \"{other}\""
                    ),
                    format!(
                        "no access token ({why}): compare App ID and App Secret with the page Credentials & Basic Info; \
                         if the app lives on the other platform, set platform = \"{other}\""
                    ),
                ),
            };
            out.push(Finding::new("token", Missing, zh, en));
            return false;
        }
    };
    out.push(token_good());
    let bot = &answer["bot"];
    let name = bot["app_name"].as_str().unwrap_or_default();
    out.push(match bot["activate_status"].as_i64() {
        Some(2) | None => Finding::new(
            "bot",
            Good,
            format!("机器人「{name}」已启用"),
            format!("the bot \"{name}\" is enabled"),
        ),
        Some(status) => Finding::new(
            "bot",
            Missing,
            format!("机器人「{name}」没有启用（状态 {status}）：请管理员在管理后台「工作台 › 应用管理」启用"),
            format!(
                "the bot \"{name}\" is not enabled (status {status}): an admin enables it in the admin console, Workplace, \
                 App management"
            ),
        ),
    });
    true
}

fn token_good() -> Finding {
    Finding::new(
        "token",
        Good,
        "App ID 和 App Secret 正确",
        "App ID and App Secret are right",
    )
}

/// Is a version online, and does none wait for approval? Best effort: the read needs a scope of its own.
async fn version(api: &Api) -> Finding {
    let query = vec![("lang".to_owned(), "zh_cn".to_owned())];
    let found = api
        .get("/open-apis/application/v6/applications/me".to_owned(), query)
        .await;
    let Ok(answer) = found else {
        return Finding::new(
            "version",
            Unknown,
            "没有 application:application:self_manage 权限，看不到版本：到「版本管理与发布」确认最近的版本已上线",
            "without the scope application:application:self_manage the version cannot be seen: make sure in the developer \
             console, Version Management & Release, that the last version is online",
        );
    };
    let app = &answer["data"]["app"];
    let text = |key: &str| app[key].as_str().is_some_and(|t| !t.is_empty());
    if !text("online_version_id") {
        Finding::new(
            "version",
            Missing,
            "还没有上线的版本：到「版本管理与发布」创建版本并发布",
            "no version is online: create one in the developer console, Version Management & Release, and publish it",
        )
    } else if text("unaudit_version_id") {
        Finding::new(
            "version",
            Warning,
            "有一个版本在等管理员审核，审核通过前新的权限和事件不生效",
            "a version waits for the admin's approval; new scopes and events do not work before that",
        )
    } else {
        Finding::new("version", Good, "版本已上线", "a version is online")
    }
}

/// What the company has granted, by name; `None` when the platform does not say.
async fn granted(api: &Api) -> Option<BTreeMap<String, bool>> {
    let answer = api
        .get("/open-apis/application/v6/scopes".to_owned(), Vec::new())
        .await
        .ok()?;
    let list = answer["data"]["scopes"].as_array()?;
    let entry = |scope: &Value| Some((scope["scope_name"].as_str()?.to_owned(), scope["grant_status"] == 1));
    Some(list.iter().filter_map(entry).collect())
}

enum Allowed {
    Yes,
    /// One of these would do.
    No(Vec<String>),
    NotKnown(String),
}

async fn try_call(api: &Api, method: Method, path: &str) -> Allowed {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut call = Call::new(method, path.to_owned(), Then::Nothing);
    call.query = query
        .split('&')
        .filter_map(|p| p.split_once('='))
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect();
    if !matches!(method, Method::Get | Method::Delete) {
        call = call.body(json!({}));
    }
    match api.call(&call, "").await {
        Ok(_) => Allowed::Yes,
        Err(failure) => match (failure.missing_scopes(), failure.code()) {
            (Some(scopes), _) => Allowed::No(scopes.to_vec()),
            // It was let in and refused for what it asked.
            (None, Some(_)) => Allowed::Yes,
            (None, None) => Allowed::NotKnown(failure.error().to_string()),
        },
    }
}

async fn scope(api: &Api, config: &Config, need: &Need, granted: Option<&BTreeMap<String, bool>>) -> Finding {
    let first = need.any_of.first().copied().unwrap_or_default();
    let listed = granted.map(|g| need.any_of.iter().any(|s| g.get(*s).copied().unwrap_or(false)));
    let tried = match (need.probe, listed) {
        (Probe::Read(path), _) => Some(try_call(api, Method::Get, path).await),
        (Probe::Void(method, path), None) => Some(try_call(api, method, path).await),
        _ => None,
    };
    let check = format!("scope:{first}");
    let (zh, en) = (need.zh, need.en);
    match (tried, listed) {
        (Some(Allowed::No(_)), Some(true)) => Finding::new(
            check,
            need.lacking,
            format!("{zh}：权限已申请，但还没有生效。发布一个新版本，等管理员审核通过"),
            format!(
                "{en}: the scope is granted but does not work yet. Publish a new version and wait for the approval"
            ),
        ),
        (Some(Allowed::No(scopes)), _) => lacking(check, config, need, &scopes),
        (_, Some(false)) => lacking(check, config, need, &[]),
        (Some(Allowed::Yes), _) | (_, Some(true)) => {
            Finding::new(check, Good, format!("{zh}：可以"), format!("{en}: allowed"))
        }
        (Some(Allowed::NotKnown(why)), None) => Finding::new(
            check,
            Unknown,
            format!("{zh}：没有问到（{why}）"),
            format!("{en}: no answer ({why})"),
        ),
        (None, None) => Finding::new(
            check,
            Unknown,
            format!("{zh}：平台没有给出权限清单，请在「权限管理」核对 {first}"),
            format!(
                "{en}: the platform gives no list of scopes; look for {first} in the developer console, Permissions"
            ),
        ),
    }
}

fn lacking(check: String, config: &Config, need: &Need, named: &[String]) -> Finding {
    let first = need.any_of.first().copied().unwrap_or_default();
    let alternatives: Vec<&str> = if named.is_empty() {
        need.any_of.iter().skip(1).copied().collect()
    } else {
        named.iter().map(String::as_str).filter(|s| *s != first).collect()
    };
    let (mut or_zh, mut or_en) = (String::new(), String::new());
    if !alternatives.is_empty() {
        or_zh = format!("（或 {}）", alternatives.join("、"));
        or_en = format!(" (or {})", alternatives.join(", "));
    }
    // The console's page of this app with the scope filled in.
    let url = format!("{}/app/{}/auth?q={first}", config.base, config.app_id);
    Finding::new(
        check,
        need.lacking,
        format!("{}：缺少权限 {first}{or_zh}。到 {url} 开通，再发布版本", need.zh),
        format!(
            "{}: the scope {first}{or_en} is missing. Add it at {url}, then publish a version",
            need.en
        ),
    )
}

/// Whether the app sees the whole company (feishu.md 5.8: not the same as who may use the bot).
async fn contact_scope(api: &Api) -> Finding {
    const CHECK: &str = "contact_scope";
    let query = ["department_id_type=open_department_id", "page_size=1"]
        .iter()
        .filter_map(|p| p.split_once('='))
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect();
    match api
        .get("/open-apis/contact/v3/departments/0/children".to_owned(), query)
        .await
    {
        Ok(_) => Finding::new(
            CHECK,
            Good,
            "通讯录权限范围是全员",
            "the contact scope is the whole company",
        ),
        Err(failure) if matches!(failure.code(), Some(40_004 | 40_014)) => Finding::new(
            CHECK,
            Warning,
            "通讯录权限范围不是全员，范围外的部门和人看不到：到「权限管理 › 通讯录权限范围」改为全部成员，或确认就是要这样",
            "the contact scope is not the whole company: departments and people outside it are not seen. Widen it in the \
             developer console, Permissions, Contact scope, or leave it if this is intended",
        ),
        Err(failure) => {
            let why = failure.error();
            Finding::new(
                CHECK,
                Unknown,
                format!("没有问到通讯录权限范围（{why}）"),
                format!("the contact scope could not be asked for ({why})"),
            )
        }
    }
}

async fn groups(api: &Api) -> Finding {
    const CHECK: &str = "groups";
    let query = vec![("page_size".to_owned(), "1".to_owned())];
    match api.get("/open-apis/im/v1/chats".to_owned(), query).await {
        Ok(answer) if answer["data"]["items"].as_array().is_some_and(|i| i.is_empty()) => Finding::new(
            CHECK,
            Warning,
            "机器人还不在任何群里：在群设置「群机器人」里添加它",
            "the bot is in no group yet: add it in a group's settings, Bots",
        ),
        Ok(_) => Finding::new(CHECK, Good, "机器人已经在群里", "the bot is in a group"),
        Err(failure) => {
            let why = failure.error();
            Finding::new(
                CHECK,
                Unknown,
                format!("没有问到所在的群（{why}）"),
                format!("its groups could not be asked for ({why})"),
            )
        }
    }
}

/// Best effort: the call is not documented (feishu.md 3.7).
async fn connections(api: &Api) -> Finding {
    const CHECK: &str = "connections";
    let found = api.get("/open-apis/event/v1/connection".to_owned(), Vec::new()).await;
    match found.ok().and_then(|a| a["data"]["online_instance_cnt"].as_i64()) {
        Some(count) => Finding::new(
            CHECK,
            Good,
            format!("平台看到 {count} 条长连接；多于自己启动的，就是别人在分走事件"),
            format!("the platform sees {count} long connections; more than were started here take events away"),
        ),
        None => Finding::new(
            CHECK,
            Unknown,
            "平台没有给出长连接数",
            "the platform does not say how many long connections there are",
        ),
    }
}

/// What can be said about an address without calling it.
fn address(callback: &str, local: bool) -> Finding {
    const CHECK: &str = "callback_address";
    let url = url::Url::parse(callback).ok();
    let private = match url.as_ref().and_then(url::Url::host) {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Some(url::Host::Ipv6(_)) => true,
        Some(url::Host::Domain(name)) => name == "localhost" || !name.contains('.'),
        None => true,
    };
    // A platform on this machine (the simulator) reaches this machine.
    if local {
        return Finding::new(
            CHECK,
            Good,
            format!("平台就在本机，访问得到 {callback}"),
            format!("the platform is on this machine and reaches {callback}"),
        );
    }
    if private {
        return Finding::new(
            CHECK,
            Missing,
            format!("{callback} 不是公网 IPv4 地址，平台访问不到：换成公网域名，或改用 receive = \"long_connection\""),
            format!(
                "{callback} is no public IPv4 address: the platform cannot reach it. Use a public name, or set receive = \
                 \"long_connection\""
            ),
        );
    }
    if url.as_ref().is_some_and(|u| u.scheme() != "https") {
        return Finding::new(
            CHECK,
            Warning,
            format!("{callback} 没有用 https"),
            format!("{callback} does not use https"),
        );
    }
    Finding::new(
        CHECK,
        Unknown,
        format!(
            "平台不说它存了哪个地址：在「事件与回调」把事件和回调的请求地址都设为 {callback}，保存时平台会当场验证"
        ),
        format!(
            "the platform does not tell which address it keeps: set the request URL of events and of callbacks to \
             {callback} in the developer console, Events & Callbacks; it checks the address when it is saved"
        ),
    )
}
