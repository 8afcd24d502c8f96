//! The old generation: `/topapi/...`, `/gettoken`, `/media/upload`, session webhooks. HTTP 200
//! always, `errcode` says what happened; the gateway's own refusals are errcode 88 with a `sub_code`.

use std::collections::BTreeMap;

use hutong_model::{Employment, Timestamp};
use hutong_simkit::{ScreenPart, SimPerson};
use serde_json::{Value, json};

use super::api_new::flood;
use super::show::{self, At};
use super::state::{Content, ROOT, State, dept_number, union_id};
use super::{Core, notices, rights};
use crate::wire;

#[derive(Debug)]
pub struct Refusal {
    pub errcode: i64,
    pub sub_code: Option<&'static str>,
    pub text: String,
    pub quiet: bool,
}

pub(super) fn no(errcode: i64, text: impl Into<String>) -> Refusal {
    Refusal {
        errcode,
        sub_code: None,
        text: text.into(),
        quiet: false,
    }
}

pub(super) fn gateway(sub: &'static str, text: &str) -> Refusal {
    Refusal {
        sub_code: Some(sub),
        ..no(88, text)
    }
}

impl Refusal {
    pub fn body(&self) -> Value {
        match self.sub_code {
            Some(sub) => json!({
                "errcode": self.errcode, "sub_code": sub, "sub_msg": self.text,
                "errmsg": format!("ding talk error[subcode={sub},submsg={}]", self.text),
            }),
            None => json!({ "errcode": self.errcode, "errmsg": self.text }),
        }
    }
}

pub(super) type Answer = Result<Value, Refusal>;

/// A file of `/media/upload`.
pub struct Upload {
    pub kind: String,
    pub name: String,
    pub bytes: usize,
}

pub fn answer(
    core: &Core,
    state: &mut State,
    path: &str,
    query: &BTreeMap<String, String>,
    body: &Value,
    upload: Option<Upload>,
    now: Timestamp,
) -> Answer {
    let get = |key: &str| query.get(key).map(String::as_str).unwrap_or_default();
    let now_ms = now.millis();
    if path == "/gettoken" {
        let app = state
            .apps
            .iter()
            .find(|a| a.spec.client_id == get("appkey") && a.spec.client_secret == get("appsecret"))
            .map(|a| a.spec.id.clone());
        let token = app.and_then(|a| state.issue_token(&a, now_ms));
        return match token {
            Some(token) => Ok(json!({ "access_token": token, "expires_in": 7200 })),
            None => Err(no(40096, "不合法的appKey或appSecret")),
        };
    }
    if path == "/robot/send" {
        return by_robot(core, state, query, body, now_ms);
    }
    if path == "/robot/sendBySession" {
        return by_session(core, state, get("session"), body, now_ms);
    }
    let token = get("access_token");
    if token.is_empty() {
        return Err(gateway("40000", "access_token is blank"));
    }
    let Some(app) = state.token_owner(token, now_ms) else {
        return Err(Refusal {
            quiet: true,
            ..gateway("40014", "不合法的access_token")
        });
    };
    rights::check_old(state, &app, path, now)?;
    if let Some(call) = path.strip_prefix("/topapi/message/corpconversation/") {
        return match call {
            "asyncsend_v2" | "getsendprogress" | "getsendresult" | "recall" => {
                notices::answer(state, &app, call, body, now)
            }
            _ => Err(no(22, "Invalid method[submsg=不合法ApiName]")),
        };
    }
    if path.starts_with("/topapi/") {
        seen(state, &app, body)?;
    }
    // Not judged by the second: the simulator's clock may stand still while the directory is read.
    match path {
        "/topapi/v2/department/get" => department(state, body),
        "/topapi/v2/department/listsub" => children(state, body, false),
        "/topapi/v2/department/listsubid" => children(state, body, true),
        "/topapi/v2/user/list" => people(state, &app, body),
        "/topapi/user/listid" => {
            let id = dept_id(state, body)?;
            let ids: Vec<&str> = members(state, id).map(|p| p.id.as_str()).collect();
            Ok(json!({ "result": { "userid_list": ids } }))
        }
        "/topapi/v2/user/get" => {
            let user = body.get("userid").and_then(wire::scalar).unwrap_or_default();
            match state.person(&user).filter(|p| p.active) {
                Some(person) => {
                    let mut result = record(state, &app, person);
                    if let Some(leader) = &person.leader {
                        result["manager_userid"] = leader.as_str().into();
                    }
                    Ok(json!({ "result": result }))
                }
                // Part of normal life: somebody has just left.
                None => Err(Refusal {
                    quiet: true,
                    ..no(60121, "找不到该用户")
                }),
            }
        }
        "/topapi/user/getbyunionid" => {
            let union = body.get("unionid").and_then(wire::scalar).unwrap_or_default();
            match state.org.people.iter().find(|p| p.active && union_id(&p.id) == union) {
                Some(person) => Ok(json!({ "result": { "contact_type": 0, "userid": person.id } })),
                None => Err(no(60121, "找不到该用户")),
            }
        }
        "/media/upload" => {
            let upload = upload.ok_or_else(|| no(40035, "缺少参数 media"))?;
            let limit = if upload.kind == "voice" { 2 << 20 } else { 20 << 20 };
            let ending = upload.name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
            let good: &[&str] = match upload.kind.as_str() {
                "image" => &["jpg", "jpeg", "gif", "png", "bmp"],
                "voice" => &["amr", "mp3", "wav"],
                "video" => &["mp4"],
                "file" => &["doc", "docx", "xls", "xlsx", "ppt", "pptx", "zip", "pdf", "rar"],
                _ => return Err(no(40004, "不合法的媒体文件类型")),
            };
            if !good.contains(&ending.as_str()) {
                return Err(no(40005, "不合法的文件类型"));
            }
            if upload.bytes == 0 || upload.bytes > limit {
                return Err(no(40006, "不合法的文件大小"));
            }
            let id = state.hex_id("@lAD");
            state.media.insert(id.clone(), upload.name);
            Ok(json!({ "media_id": id, "created_at": now_ms, "type": upload.kind }))
        }
        _ => Err(no(22, "Invalid method[submsg=不合法ApiName]")),
    }
}

/// Refuses what lies outside the contact scope of the app.
fn seen(state: &State, app: &str, body: &Value) -> Result<(), Refusal> {
    if let Some(id) = body.get("dept_id").and_then(wire::number)
        && (id == ROOT || state.department(id).is_some())
        && !rights::sees_department(state, app, id)
    {
        return Err(no(50_004, "请求的部门id不在授权范围内"));
    }
    match body.get("userid").and_then(wire::scalar) {
        Some(user) if state.active(&user) && !rights::sees_person(state, app, &user) => {
            Err(no(50_002, "请求的员工userid不在授权范围内"))
        }
        _ => Ok(()),
    }
}

fn dept_id(state: &State, body: &Value) -> Result<i64, Refusal> {
    // The official SDK sends scalars as text.
    let id = body
        .get("dept_id")
        .and_then(wire::number)
        .ok_or_else(|| gateway("41001", "缺少参数 dept_id"))?;
    if id != ROOT && state.department(id).is_none() {
        return Err(no(60003, "部门不存在"));
    }
    Ok(id)
}

fn parent_of(state: &State, id: i64) -> i64 {
    let parent = state.department(id).and_then(|d| d.parent.as_deref());
    parent.and_then(dept_number).unwrap_or(ROOT)
}

fn department(state: &State, body: &Value) -> Answer {
    let id = dept_id(state, body)?;
    if id == ROOT {
        return Ok(json!({ "result": { "dept_id": ROOT, "name": "公司", "dept_manager_userid_list": [] } }));
    }
    let name = state.department(id).map(|d| d.name.clone());
    // Whoever others in the department report to, and who is in it.
    let managers: Vec<&str> = members(state, id)
        .filter(|p| members(state, id).any(|o| o.leader.as_deref() == Some(&p.id)))
        .map(|p| p.id.as_str())
        .collect();
    Ok(json!({ "result": {
        "dept_id": id, "name": name, "parent_id": parent_of(state, id), "order": 0,
        "create_dept_group": false, "auto_add_user": false, "dept_manager_userid_list": managers,
    } }))
}

fn children(state: &State, body: &Value, ids_only: bool) -> Answer {
    let id = dept_id(state, body)?;
    let list: Vec<(i64, &str)> = state
        .org
        .departments
        .iter()
        .filter_map(|d| Some((dept_number(&d.id)?, d.name.as_str())))
        .filter(|(child, _)| parent_of(state, *child) == id)
        .collect();
    if ids_only {
        let ids: Vec<i64> = list.iter().map(|(id, _)| *id).collect();
        return Ok(json!({ "result": { "dept_id_list": ids } }));
    }
    let list: Vec<Value> = list
        .iter()
        .map(|(child, name)| {
            json!({ "dept_id": child, "name": name, "parent_id": id, "create_dept_group": false, "auto_add_user": false })
        })
        .collect();
    Ok(json!({ "result": list }))
}

fn members(state: &State, id: i64) -> impl Iterator<Item = &SimPerson> {
    state
        .org
        .people
        .iter()
        .filter(move |p| p.active && dept_number(&p.department) == Some(id))
}

fn people(state: &State, app: &str, body: &Value) -> Answer {
    let id = dept_id(state, body)?;
    let size = body.get("size").and_then(wire::number).unwrap_or(0);
    let cursor = body.get("cursor").and_then(wire::number).unwrap_or(-1);
    if !(1..=100).contains(&size) || !(0..=100_000).contains(&cursor) {
        return Err(gateway("40035", "size 或 cursor 不合法"));
    }
    let all: Vec<&SimPerson> = members(state, id).collect();
    let page: Vec<Value> = all
        .iter()
        .skip(cursor as usize)
        .take(size as usize)
        .map(|p| record(state, app, p))
        .collect();
    let next = cursor + page.len() as i64;
    let mut result = json!({ "has_more": next < all.len() as i64, "list": page });
    // Absent on the last page.
    if next < all.len() as i64 {
        result["next_cursor"] = next.into();
    }
    Ok(json!({ "result": result }))
}

fn record(state: &State, app: &str, person: &SimPerson) -> Value {
    let mut record = json!({
        "userid": person.id, "unionid": union_id(&person.id), "name": person.name,
        "mobile": person.mobile, "job_number": person.employee_no, "title": person.title,
        "email": "", "org_email": person.email, "active": person.active,
        "dept_id_list": dept_number(&person.department).into_iter().collect::<Vec<_>>(),
        "admin": false, "boss": false, "work_place": person.office.clone().unwrap_or_default(),
    });
    if let Some(day) = person.joined_on {
        record["hired_date"] = day.midnight_in_china().millis().into();
    }
    if let Some(kind) = person.employment {
        record["extension"] = json!({ EMPLOYMENT_FIELD: words(kind) }).to_string().into();
    }
    if let Some(map) = record.as_object_mut() {
        for field in rights::hidden_fields(state, app) {
            map.remove(*field);
        }
    }
    record
}

/// The field that the company has added to its people.
const EMPLOYMENT_FIELD: &str = "用工类型";

fn words(kind: Employment) -> &'static str {
    match kind {
        Employment::Regular => "正式",
        Employment::Intern => "实习",
        Employment::Outsourced => "外包",
        Employment::Contractor => "劳务",
        Employment::Consultant => "顾问",
    }
}

/// A reply to one message. The address is the credential.
fn by_session(core: &Core, state: &mut State, key: &str, body: &Value, now: i64) -> Answer {
    // That a session ends is part of normal life; one that never was is not.
    let session = state.sessions.get(key).cloned();
    let Some(session) = session.filter(|s| s.expires > now) else {
        return Err(Refusal {
            quiet: state.sessions.contains_key(key),
            ..no(300_001, "session 不存在")
        });
    };
    if body.to_string().len() > 20_000 {
        return Err(no(460_101, "message too long, exceed 20000 bytes"));
    }
    let parts = reply_parts(state, &session.chat, body)?;
    if let Err(why) = flood(core, state, &session.app, &session.chat, now) {
        return Err(no(130_101, why));
    }
    state.post(&session.chat, now, &session.app, true, Content::Parts(parts));
    Ok(json!({}))
}

/// A post of a group's own robot. The address is the credential, and the security setting the second one.
fn by_robot(core: &Core, state: &mut State, query: &BTreeMap<String, String>, body: &Value, now: i64) -> Answer {
    let get = |key: &str| query.get(key).map(String::as_str).unwrap_or_default();
    let Some(robot) = state.robots.iter().find(|r| r.token == get("access_token")).cloned() else {
        return Err(no(300_005, "token is not exist"));
    };
    if let Some(secret) = &robot.secret {
        let timestamp: i64 = get("timestamp").parse().unwrap_or(0);
        if (now - timestamp).abs() > HOUR_MS {
            return Err(no(310_000, "invalid timestamp"));
        }
        if get("sign") != crate::verify::robot_sign(secret, get("timestamp")) {
            return Err(no(310_000, "sign not match"));
        }
    }
    if let Some(keyword) = &robot.keyword {
        let said = ["/text/content", "/markdown/title", "/markdown/text"];
        let holds = |at: &&str| {
            body.pointer(at)
                .and_then(Value::as_str)
                .is_some_and(|t| t.contains(keyword))
        };
        if !said.iter().any(holds) {
            return Err(no(310_000, "keywords not in content"));
        }
    }
    if body.to_string().len() > 20_000 {
        return Err(no(460_101, "message too long, exceed 20000 bytes"));
    }
    if state.chat(&robot.chat).is_none_or(|c| c.disbanded) {
        return Err(no(400_013, "群已被解散"));
    }
    let parts = reply_parts(state, &robot.chat, body)?;
    let uuid = get_text(body, "msgUuid");
    if !uuid.is_empty() && !state.robot_uuids.insert((robot.token.clone(), uuid.to_owned())) {
        return Ok(json!({}));
    }
    if let Err(why) = flood(core, state, &robot.token, &robot.chat, now) {
        state.robot_uuids.remove(&(robot.token.clone(), uuid.to_owned()));
        return Err(no(130_101, why));
    }
    state.post(&robot.chat, now, &robot.name, true, Content::Parts(parts));
    Ok(json!({}))
}

const HOUR_MS: i64 = 3_600_000;

fn get_text<'b>(body: &'b Value, key: &str) -> &'b str {
    body.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The body of a reply, by webhook or in the answer to the message itself.
pub fn reply_parts(state: &State, chat: &str, body: &Value) -> Result<Vec<ScreenPart>, Refusal> {
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let members = state.chat(chat).map(|c| c.members.clone()).unwrap_or_default();
    let group = state.chat(chat).is_some_and(|c| c.group);
    let ids = body.pointer("/at/atUserIds").and_then(Value::as_array);
    let mut users = Vec::new();
    for id in ids.into_iter().flatten() {
        // null or an empty text comes from code that mentions a sender without an id.
        let id = wire::scalar(id).ok_or_else(|| no(400_105, "atUserIds 含空值"))?;
        // Those who are not in the group are ignored.
        if group && members.contains(&id) {
            users.push((id.clone(), state.name(&id)));
        }
    }
    let at = At {
        users: &users,
        all: group && body.pointer("/at/isAtAll") == Some(&Value::Bool(true)),
    };
    match text("/msgtype") {
        "text" if !text("/text/content").is_empty() => Ok(show::text(text("/text/content"), &at)),
        "markdown" if text("/markdown/title").is_empty() => Err(no(400_402, "缺少参数 title")),
        "markdown" if !text("/markdown/text").is_empty() => Ok(show::markdown(text("/markdown/text"), &at)),
        other => Err(no(400_105, format!("msgtype {other:?} 不支持或内容为空"))),
    }
}
