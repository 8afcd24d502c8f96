//! Whether everything is set up as it must be, asked one by one (`check --online`).
//!
//! A token is given to any address and says nothing about rights, so every question is a call of the
//! kind that will be made later. Nothing is sent to anybody.

use hutong_model::{Finding, FindingState};
use serde_json::Value;

use crate::api::{Client, Fail, Payload, outcome};
use crate::codes::{advice, caller_ip, not_for_this_secret};
use crate::config::{AppDoor, Door};

use FindingState::{Good, Missing, Unknown, Warning};

/// What is found about a door. `callback` is the address its callbacks should come to.
pub async fn diagnose(client: &Client, door: &Door, callback: Option<&str>) -> Vec<Finding> {
    match door {
        Door::App(app) => of_app(client, app, callback).await,
        Door::Aibot(bot) if bot.linked() => vec![Finding::new(
            "link",
            Unknown,
            "长连接没有不打扰的查询接口（连一次就会踢掉正在用的连接）：bot_id、Secret 对不对，看「体检」里连接是否就绪",
            "the long connection has nothing to ask without taking it over: whether bot_id and secret are right shows in /health, as connected",
        )],
        Door::Aibot(_) => vec![events(
            callback,
            "智能机器人 → API 模式 → URL 回调",
            "the AI bot's page, API mode, callback URL",
        )],
        Door::Webhook(_) => vec![Finding::new(
            "key",
            Unknown,
            "群机器人没有可以查询的接口：key 对不对、机器人还在不在群里，发第一条消息时才知道",
            "a group robot has nothing to ask: whether the key is right and the robot still in its group shows with the first message",
        )],
    }
}

fn events(callback: Option<&str>, place_zh: &str, place_en: &str) -> Finding {
    let address = callback.unwrap_or("https://…/hook/APP");
    Finding::new(
        "events",
        Unknown,
        format!(
            "平台没有接口能查询回调地址是否已保存：在「{place_zh}」填 {address}，Token 和 EncodingAESKey 与配置一致，保存成功就是通了"
        ),
        format!(
            "the platform has no call that tells the saved callback address: enter {address} at {place_en}, with the token and EncodingAESKey of the configuration; it works when saving succeeds"
        ),
    )
}

/// Cause and next step in both languages, with the code; a number that is not in our table is shown
/// with what the platform said.
fn told(fail: &Fail) -> (String, String) {
    let (code, text) = match fail {
        Fail::Code { code, text } | Fail::Auth { code, text } => (*code, text.as_str()),
        other => {
            let reason = match outcome(other.clone()) {
                hutong_model::Outcome::NotSent { reason } | hutong_model::Outcome::Unknown { reason } => reason,
                hutong_model::Outcome::Rejected { code, .. } | hutong_model::Outcome::RateLimited { code, .. } => code,
                _ => String::new(),
            };
            return (
                format!("没有问到（{reason}）：检查网络出口、代理和 base_url"),
                format!("not asked ({reason}): check the way out, the proxy and base_url"),
            );
        }
    };
    match advice(code).and_then(|a| a.split_once(" / ")) {
        Some((zh, en)) => (format!("{zh}（{code}）"), format!("{en} ({code})")),
        None => (
            format!("平台拒绝了（{code}）：{text}"),
            format!("the platform refused ({code}): {text}"),
        ),
    }
}

fn code_of(fail: &Fail) -> Option<i64> {
    match fail {
        Fail::Code { code, .. } | Fail::Auth { code, .. } => Some(*code),
        _ => None,
    }
}

fn failed(check: &str, state: FindingState, fail: &Fail) -> Finding {
    let (zh, en) = told(fail);
    Finding::new(check, state, zh, en)
}

async fn of_app(client: &Client, app: &AppDoor, callback: Option<&str>) -> Vec<Finding> {
    let events = || {
        events(
            callback,
            "应用 → 接收消息 → 设置 API 接收",
            "the app's page, receiving messages, API",
        )
    };
    if let Err(fail) = client.sign_in().await {
        return vec![failed("token", Missing, &fail), events()];
    }
    let mut all = vec![Finding::new(
        "token",
        Good,
        "企业 ID 与应用 Secret 正确",
        "corp id and app secret are right",
    )];
    let agent_id = app.agent_id.to_string();
    let agent = client.call("agent/get", &[("agentid", &agent_id)], Payload::Get).await;
    if let Err(fail) = &agent
        && code_of(fail) == Some(60020)
    {
        let ip = match fail {
            Fail::Code { text, .. } => caller_ip(text),
            _ => None,
        };
        let ip = ip.unwrap_or_else(|| "?".into());
        all.push(Finding::new(
            "trusted_ip",
            Missing,
            format!("出口 IP {ip} 不在白名单：应用页面 → 企业可信IP → 添加 {ip}（要先配置回调地址或可信域名），约一分钟生效；之后再查一次"),
            format!("the outgoing address {ip} is not trusted: the app's page, 企业可信IP, add {ip} (a callback URL or trusted domain comes first); it works after about a minute, then ask again"),
        ));
        all.push(events());
        return all;
    }
    if agent.is_ok() {
        all.push(Finding::new(
            "trusted_ip",
            Good,
            "这台机器的出口 IP 可以调用接口",
            "calls from this machine's outgoing address are accepted",
        ));
    }
    match &agent {
        Err(fail) => all.push(failed("agent", Missing, fail)),
        Ok(agent) => seen(agent, &mut all),
    }
    contacts(client, &mut all).await;
    match client
        .call("externalcontact/get_follow_user_list", &[], Payload::Get)
        .await
    {
        Ok(_) => all.push(Finding::new(
            "customer_contact",
            Good,
            "可以读客户群的统计",
            "statistics of customer groups can be read",
        )),
        Err(fail) if code_of(&fail).is_some() => all.push(Finding::new(
            "customer_contact",
            Warning,
            "读不到客户群统计（内部群本来就没有）：需要时在 客户联系 → 可调用接口的应用 里加上本应用",
            "no statistics of customer groups (internal groups have none anyway): if needed, add this app at 客户联系, 可调用接口的应用",
        )),
        Err(fail) => all.push(failed("customer_contact", Unknown, &fail)),
    }
    all.push(events());
    if let Ok(answer) = client.call("getcallbackip", &[], Payload::Get).await {
        let list: Vec<&str> = answer
            .get("ip_list")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .take(12)
            .collect();
        if !list.is_empty() {
            let list = list.join(", ");
            all.push(Finding::new(
                "callback_sources",
                Good,
                format!("回调来自这些地址，防火墙要放行（会变，每天核对）：{list}"),
                format!("callbacks come from these addresses; a firewall must let them in (they change, check daily): {list}"),
            ));
        }
    }
    all
}

/// What `agent/get` tells: closed or not, and who may see the app (document 90227).
fn seen(agent: &Value, all: &mut Vec<Finding>) {
    let name = agent.get("name").and_then(Value::as_str).unwrap_or("?");
    all.push(if agent.get("close").and_then(Value::as_i64) == Some(1) {
        Finding::new(
            "agent",
            Missing,
            format!("应用「{name}」已停用：管理后台 → 应用管理 → 启用，否则什么也发不出去"),
            format!("the app {name} is disabled: enable it in the admin console, otherwise nothing can be sent"),
        )
    } else {
        Finding::new(
            "agent",
            Good,
            format!("应用「{name}」已启用，agent_id 与 Secret 是同一个应用"),
            format!("the app {name} is enabled; agent_id and secret belong together"),
        )
    });
    let list = |pointer: &str| agent.pointer(pointer).and_then(Value::as_array).map_or(0, Vec::len);
    let root = agent
        .pointer("/allow_partys/partyid")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .any(|id| id.as_i64() == Some(1) || id.as_str() == Some("1"));
    let (people, departments) = (list("/allow_userinfos/user"), list("/allow_partys/partyid"));
    if root {
        all.push(Finding::new(
            "visible_range",
            Good,
            "可见范围是整个企业：可以给所有人发消息，可以建群",
            "the visible range is the whole company: everybody can be reached, groups can be created",
        ));
        return;
    }
    all.push(Finding::new(
        "visible_range",
        if people + departments + list("/allow_tags/tagid") == 0 { Missing } else { Warning },
        format!("可见范围只有 {departments} 个部门和 {people} 个成员，范围外的人收不到消息：应用 → 可见范围"),
        format!("the visible range holds {departments} departments and {people} members only; nobody else can be reached: the app's page, 可见范围"),
    ));
    all.push(Finding::new(
        "create_chat",
        Warning,
        "不能建群：平台要求可见范围包含根部门（应用 → 可见范围 → 选整个企业）",
        "groups cannot be created: the visible range must hold the root department (the app's page, 可见范围, the whole company)",
    ));
}

async fn contacts(client: &Client, all: &mut Vec<Finding>) {
    match client.call("department/list", &[], Payload::Get).await {
        Ok(answer) => {
            let list = answer.get("department").and_then(Value::as_array);
            let count = list.map_or(0, Vec::len);
            let named = list
                .into_iter()
                .flatten()
                .any(|d| d.get("name").and_then(Value::as_str).is_some_and(|n| !n.is_empty()));
            all.push(match (count, named) {
                (0, _) => Finding::new(
                    "contacts",
                    Missing,
                    "一个部门也看不到：应用 → 可见范围 → 选部门",
                    "no department can be seen: the app's page, 可见范围, choose departments",
                ),
                (_, false) => Finding::new(
                    "contacts",
                    Warning,
                    format!("看得到 {count} 个部门，但没有名称，会用编号代替"),
                    format!("{count} departments can be seen, without names: numbers stand in for them"),
                ),
                (_, true) => Finding::new(
                    "contacts",
                    Good,
                    format!("看得到 {count} 个部门和它们的名称"),
                    format!("{count} departments can be seen, with their names"),
                ),
            });
        }
        Err(fail) if code_of(&fail).is_some_and(not_for_this_secret) => {
            all.push(Finding::new(
                "contacts",
                Warning,
                "这个 Secret 只读得到编号，读不到姓名和部门名：换成自建应用的 Secret",
                "this secret reads ids only, no names of people and departments: use the secret of the self-built app",
            ));
        }
        Err(fail) => all.push(failed("contacts", Missing, &fail)),
    }
}
