//! Work notices (6.9): accepted at once, carried out afterwards, and what went wrong only in the result.

use hutong_model::Timestamp;
use serde_json::{Value, json};

use super::api_old::{Answer, no};
use super::show::{self, At};
use super::state::{Content, DAY_MS, State};
use crate::wire;

#[derive(Debug, Clone)]
pub struct Task {
    pub id: i64,
    pub app: String,
    pub at_ms: i64,
    polls: u32,
    /// Person and message.
    sent: Vec<(String, String)>,
    invalid: Vec<String>,
    /// Person and code.
    forbidden: Vec<(String, &'static str)>,
    content: String,
}

pub fn answer(state: &mut State, app: &str, call: &str, body: &Value, now: Timestamp) -> Answer {
    let agent = body.get("agent_id").and_then(wire::scalar);
    let known = state.app(app).and_then(|a| a.spec.agent_id.clone());
    if agent.is_none() || agent != known {
        return Err(no(40_056, "不合法的agentid"));
    }
    if call == "asyncsend_v2" {
        return send(state, app, body, now.millis());
    }
    let key = if call == "recall" { "msg_task_id" } else { "task_id" };
    let id = body.get(key).and_then(wire::number);
    let slow = state.app(app).is_some_and(|a| a.spec.rights.slow_notices);
    let at = state
        .notices
        .iter()
        .position(|t| Some(t.id) == id && t.app == app && now.millis() - t.at_ms <= DAY_MS);
    let Some(at) = at else {
        return Err(no(40_035, format!("不合法的参数 {key}")));
    };
    let Some(task) = state.notices.get_mut(at) else {
        return Err(no(-1, "系统繁忙"));
    };
    match call {
        "getsendprogress" => {
            task.polls += 1;
            let done = task.polls > 1 || !slow;
            Ok(json!({ "progress": {
                "progress_in_percent": if done { 100 } else { 50 }, "status": if done { 2 } else { 1 },
            } }))
        }
        "getsendresult" => {
            let task = task.clone();
            let read =
                |message: &str, person: &String| state.message(message).is_some_and(|m| m.readers.contains(person));
            let (read, unread): (Vec<_>, Vec<_>) = task.sent.iter().partition(|(person, m)| read(m, person));
            let names = |list: Vec<&(String, String)>| -> Vec<String> { list.iter().map(|(p, _)| p.clone()).collect() };
            let reasons: Vec<Value> = task
                .forbidden
                .iter()
                .map(|(user, code)| json!({ "code": code, "count": 500, "userid": user }))
                .collect();
            let forbidden: Vec<&String> = task.forbidden.iter().map(|(user, _)| user).collect();
            Ok(json!({ "send_result": {
                "invalid_user_id_list": task.invalid, "forbidden_user_id_list": forbidden,
                "forbidden_list": reasons, "failed_user_id_list": [], "invalid_dept_id_list": [],
                "read_user_id_list": names(read), "unread_user_id_list": names(unread),
            } }))
        }
        _ => {
            let messages: Vec<String> = task.sent.iter().map(|(_, m)| m.clone()).collect();
            for id in messages {
                if let Some(message) = state.message_mut(&id) {
                    message.recalled = true;
                }
            }
            Ok(json!({}))
        }
    }
}

fn send(state: &mut State, app: &str, body: &Value, now: i64) -> Answer {
    let allowed = ["agent_id", "userid_list", "dept_id_list", "to_all_user", "msg"];
    if let Some(key) = body
        .as_object()
        .and_then(|b| b.keys().find(|k| !allowed.contains(&k.as_str())))
    {
        return Err(no(40_035, format!("不合法的参数 {key}")));
    }
    let list = body.get("userid_list").and_then(Value::as_str).unwrap_or_default();
    let users: Vec<String> = list.split(',').filter(|u| !u.is_empty()).map(str::to_owned).collect();
    if users.is_empty() || users.len() > 100 {
        return Err(no(40_035, "不合法的参数 userid_list"));
    }
    let message = body.get("msg").cloned().unwrap_or(Value::Null);
    let content = message.to_string();
    if content.len() > 2048 {
        return Err(no(40_035, format!("msg 超过2048字节：{}", content.len())));
    }
    let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let parts = match text("/msgtype") {
        "text" if !text("/text/content").is_empty() => show::text(text("/text/content"), &At::NONE),
        "markdown" if !text("/markdown/title").is_empty() && !text("/markdown/text").is_empty() => {
            show::markdown(text("/markdown/text"), &At::NONE)
        }
        other => return Err(no(40_035, format!("不合法的消息 {other}"))),
    };
    let mut task = Task {
        id: 256_271_000_000 + i64::try_from(state.notices.len()).unwrap_or_default() + 1,
        app: app.to_owned(),
        at_ms: now,
        polls: 0,
        sent: Vec::new(),
        invalid: Vec::new(),
        forbidden: Vec::new(),
        content,
    };
    for user in users {
        let today = |t: &&Task| t.at_ms.div_euclid(DAY_MS) == now.div_euclid(DAY_MS);
        let got: Vec<&Task> = state
            .notices
            .iter()
            .filter(today)
            .filter(|t| t.sent.iter().any(|(p, _)| *p == user))
            .collect();
        // Over the limits the call succeeds and the notice is dropped.
        if !state.active(&user) {
            task.invalid.push(user);
        } else if got.iter().any(|t| t.content == task.content) {
            task.forbidden.push((user, "143106"));
        } else if got.len() >= 500 {
            task.forbidden.push((user, "143105"));
        } else {
            let chat = state.direct(&user, app);
            let id = state.post(&chat, now, app, true, Content::Parts(parts.clone()));
            task.sent.push((user, id));
        }
    }
    let id = task.id;
    state.notices.push(task);
    Ok(json!({ "task_id": id }))
}
