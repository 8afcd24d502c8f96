//! The new generation: `/v1.0/...`, token in a header, errors as HTTP status and `code`.
//!
//! Checked as strictly as the reference pages describe the calls: unknown keys, wrong types, limits
//! of length and number, robots that are not in the group. Codes are those of the pages.

use std::collections::BTreeMap;

use hutong_model::Timestamp;
use hutong_simkit::judge::Limit;
use serde_json::{Map, Value, json};

use super::show::{self, At};
use super::state::{BLOCK_MS, Content, DAY_MS, State, union_id};
use super::{Core, group_events, rights};

/// A request that the platform does not carry out.
#[derive(Debug)]
pub struct Refusal {
    pub status: u16,
    pub code: String,
    pub text: String,
    /// Part of normal life (an expired token): no complaint.
    pub quiet: bool,
    /// `accessdenieddetail.requiredScopes`
    pub scopes: Vec<String>,
}

pub(super) fn no(code: &str, text: impl Into<String>) -> Refusal {
    Refusal {
        status: 400,
        code: code.to_owned(),
        text: text.into(),
        quiet: false,
        scopes: Vec::new(),
    }
}

pub(super) type Answer = Result<Value, Refusal>;

/// A JSON object with exactly these keys allowed.
pub(super) struct Body<'a>(pub(super) &'a Map<String, Value>);

impl<'a> Body<'a> {
    pub(super) fn of(value: &'a Value, allowed: &[&str], code: &str) -> Result<Self, Refusal> {
        let map = value
            .as_object()
            .ok_or_else(|| no(code, "the body is not a JSON object"))?;
        match map.keys().find(|k| !allowed.contains(&k.as_str())) {
            Some(key) => Err(no(code, format!("unknown key {key}"))),
            None => Ok(Self(map)),
        }
    }

    pub(super) fn text(&self, key: &str, code: &str) -> Result<&'a str, Refusal> {
        match self.0.get(key).and_then(Value::as_str) {
            Some(text) if !text.is_empty() => Ok(text),
            _ => Err(no(code, format!("{key} must be a text"))),
        }
    }

    pub(super) fn optional(&self, key: &str) -> Option<&'a str> {
        self.0.get(key).and_then(Value::as_str)
    }

    pub(super) fn texts(&self, key: &str, code: &str) -> Result<Vec<String>, Refusal> {
        let list = self.0.get(key).and_then(Value::as_array);
        let list = list.ok_or_else(|| no(code, format!("{key} must be a list")))?;
        list.iter()
            .map(|v| {
                v.as_str()
                    .map(str::to_owned)
                    .ok_or_else(|| no(code, format!("{key} must hold texts")))
            })
            .collect()
    }
}

/// One request, its token already stripped of the header.
pub struct Call<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub query: &'a BTreeMap<String, String>,
    pub token: Option<&'a str>,
    pub client_token: Option<&'a str>,
    pub body: &'a Value,
}

pub fn answer(core: &Core, state: &mut State, call: &Call<'_>, now: Timestamp) -> Answer {
    if (call.method, call.path) == ("POST", "/v1.0/oauth2/accessToken") {
        return access_token(state, call.body, now.millis());
    }
    let Some(token) = call.token else {
        return Err(no(
            "AuthenticationFailed.MissingParameter",
            "缺少参数：x-acs-dingtalk-access-token",
        ));
    };
    let app = state.token_owner(token, now.millis()).ok_or_else(|| Refusal {
        quiet: true,
        ..no("InvalidAuthentication", "不合法的access_token")
    })?;
    rights::check_new(state, &app, call.path, now)?;
    // 20 calls a second for one app and one API (standard edition).
    let key = format!("{app} {} {}", call.method, super::route(call.path));
    if !core.judge.hit_all(&[Limit::new(key, 20, 1000)], now, 1).is_ok() {
        return Err(Refusal {
            status: 403,
            ..no(
                "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi",
                "您的企业应用调用钉钉开放平台当前接口的所有请求都被暂时禁用了",
            )
        });
    }
    let mut ctx = Ctx {
        core,
        state,
        app,
        now: now.millis(),
    };
    let body = call.body;
    match (call.method, call.path) {
        ("POST", "/v1.0/robot/groupMessages/send") => ctx.group_send(body),
        ("POST", "/v1.0/robot/oToMessages/batchSend") => ctx.user_send(body),
        ("POST", "/v1.0/robot/groupMessages/query") => ctx.group_readers(body),
        ("GET", "/v1.0/robot/oToMessages/readStatus") => ctx.user_readers(call.query),
        ("POST", "/v1.0/robot/groupMessages/recall") => ctx.recall(body, true),
        ("POST", "/v1.0/robot/otoMessages/batchRecall") => ctx.recall(body, false),
        ("POST", "/v1.0/robot/ding/send") => ctx.ding(body),
        ("POST", "/v1.0/robot/ding/recall") => ctx.ding_recall(body),
        ("POST", "/v1.0/robot/messageFiles/download") => ctx.file(body),
        ("GET", "/v1.0/exclusive/data/activeGroups") => ctx.active_groups(call.query),
        ("GET", "/v1.0/datacenter/activeUserData") => ctx.company_day(call.query, false),
        ("GET", "/v1.0/datacenter/groupMessageData") => ctx.company_day(call.query, true),
        ("POST", path) if path.starts_with("/v1.0/orgCulture/honors/") => ctx.honour(path, body),
        ("POST", "/v1.0/contact/users/search") => ctx.contact_search(true, body),
        ("POST", "/v1.0/contact/departments/search") => ctx.contact_search(false, body),
        ("GET", path) if path.starts_with("/v1.0/contact/users/") => ctx.contact_user(path),
        ("POST", "/v1.0/card/instances/createAndDeliver") => ctx.create_card(body),
        ("POST", "/v1.0/card/instances") => ctx.card(body),
        ("POST", "/v1.0/card/instances/deliver") => ctx.deliver_card(body),
        ("PUT", "/v1.0/card/instances") => ctx.update_card(body),
        ("POST", "/v1.0/card/callbacks/register") => ctx.register(body),
        ("POST", "/v1.0/im/group/create") => ctx.create_plain(body),
        ("POST", "/v1.0/im/group/update") => ctx.update_plain(body),
        ("POST", "/v1.0/im/sceneGroup/create") => ctx.create_group(body),
        ("POST", "/v1.0/im/sceneGroup/update") => ctx.update_group(body),
        ("POST", "/v1.0/im/sceneGroup/member/add") => ctx.members(body, true),
        ("POST", "/v1.0/im/sceneGroup/member/delete") => ctx.members(body, false),
        ("POST", "/v1.0/im/sceneGroups/members/batchQuery") => ctx.member_list(body),
        ("POST", "/v1.0/im/sceneGroups/query") => ctx.group_info(body),
        ("POST", "/v1.0/im/chat/scenegroup/disband") => ctx.disband(body),
        ("POST", path) if path.ends_with("/convertToOpenConversationId") => ctx.convert(path),
        ("POST", path) if path.starts_with("/v1.0/calendar/users/") => ctx.calendar(path, body, call.client_token),
        // An unknown path answers 200 in the shape of the old generation.
        _ => Err(Refusal {
            status: 200,
            ..no("404", "请求的URI地址不存在")
        }),
    }
}

fn access_token(state: &mut State, body: &Value, now: i64) -> Answer {
    let wrong = || no("invalidClientIdOrSecret", "无效的clientId或者clientSecret");
    let body = Body::of(body, &["appKey", "appSecret"], "invalidClientIdOrSecret")?;
    let key = body.text("appKey", "invalidClientIdOrSecret")?;
    let secret = body.text("appSecret", "invalidClientIdOrSecret")?;
    let app = state
        .apps
        .iter()
        .find(|a| a.spec.client_id == key && a.spec.client_secret == secret)
        .map(|a| a.spec.id.clone())
        .ok_or_else(wrong)?;
    let token = state.issue_token(&app, now).ok_or_else(wrong)?;
    Ok(json!({ "accessToken": token, "expireIn": super::state::TOKEN_MS / 1000 }))
}

pub(super) struct Ctx<'a> {
    pub(super) core: &'a Core,
    pub(super) state: &'a mut State,
    pub(super) app: String,
    pub(super) now: i64,
}

/// Title, text, and up to five buttons.
const ACTION_CARD: &[&str] = &[
    "title",
    "text",
    "actionTitle1",
    "actionURL1",
    "actionTitle2",
    "actionURL2",
    "actionTitle3",
    "actionURL3",
    "actionTitle4",
    "actionURL4",
    "actionTitle5",
    "actionURL5",
];

/// Keys of each message template, all of them texts (robot-message-type page).
fn template(key: &str) -> Option<&'static [&'static str]> {
    Some(match key {
        "sampleText" => &["content"],
        "sampleMarkdown" => &["title", "text"],
        "sampleImageMsg" => &["photoURL"],
        "sampleLink" => &["title", "text", "picUrl", "messageUrl"],
        "sampleActionCard" => &["title", "text", "singleTitle", "singleURL"],
        "sampleActionCard2" => ACTION_CARD.split_at(6).0,
        "sampleActionCard3" => ACTION_CARD.split_at(8).0,
        "sampleActionCard4" => ACTION_CARD.split_at(10).0,
        "sampleActionCard5" => ACTION_CARD,
        _ => return None,
    })
}

impl Ctx<'_> {
    pub(super) fn robot(&self, body: &Body<'_>) -> Result<(), Refusal> {
        let code = body.text("robotCode", "invalidParameter.robotCode.empty")?;
        match self.state.app(&self.app) {
            Some(app) if app.spec.robot_code == code => Ok(()),
            _ => Err(no("invalidParameter.robotCode.auth", "robotCode 与应用不匹配")),
        }
    }

    /// A group with this robot in it.
    pub(super) fn group(&self, id: &str) -> Result<(), Refusal> {
        let chat = self.state.chat(id).filter(|c| c.group);
        let chat = chat.ok_or_else(|| no("invalid.openConversationId", "无效的会话"))?;
        if chat.disbanded {
            return Err(no("group.disbanded", "群已解散"));
        }
        if !chat.apps.contains(&self.app) {
            return Err(no("robot.notExsit", "机器人不在群中"));
        }
        Ok(())
    }

    fn content(&self, body: &Body<'_>) -> Result<Content, Refusal> {
        let key = body.text("msgKey", "invalidParameter.msgKey.empty")?;
        let param = body.text("msgParam", "invalidParameter.msgParam.invalid")?;
        if param.len() > 15_000 {
            return Err(no(
                "invalidParameter.msgParam.tooLong",
                format!("{} bytes", param.len()),
            ));
        }
        let wanted = template(key).ok_or_else(|| no("invalidParameter.msgKey.invalid", key))?;
        let param: Value =
            serde_json::from_str(param).map_err(|_| no("invalidParameter.msgParam.invalid", "msgParam is not JSON"))?;
        let param = Body::of(&param, wanted, "invalidParameter.msgParam.invalid")?;
        let mut texts = Vec::new();
        for name in wanted {
            texts.push(param.text(name, "invalidParameter.msgParam.invalid")?);
        }
        let parts = match (key, texts.as_slice()) {
            ("sampleText", [content]) => show::text(content, &At::NONE),
            ("sampleMarkdown", [_, text]) => show::markdown(text, &At::NONE),
            ("sampleImageMsg", [url]) => show::markdown(&format!("![图片]({url})"), &At::NONE),
            (key, [_, text, links @ ..]) if key.starts_with("sampleActionCard") => {
                let links: String = links
                    .chunks(2)
                    .filter_map(|pair| match pair {
                        [label, url] => Some(format!("\n\n[{label}]({url})")),
                        _ => None,
                    })
                    .collect();
                show::markdown(&format!("{text}{links}"), &At::NONE)
            }
            (_, [title, text, ..]) => show::markdown(&format!("#### {title}\n{text}"), &At::NONE),
            _ => Vec::new(),
        };
        Ok(Content::Parts(parts))
    }

    fn group_send(&mut self, body: &Value) -> Answer {
        let allowed = ["robotCode", "openConversationId", "msgKey", "msgParam", "coolAppCode"];
        let body = Body::of(body, &allowed, "invalidParameter.param.invalid")?;
        self.robot(&body)?;
        let chat = body.text("openConversationId", "miss.openConversationId")?.to_owned();
        self.group(&chat)?;
        let cool = self.state.app(&self.app).and_then(|a| a.spec.cool_app_code.clone());
        if cool.as_deref() != body.optional("coolAppCode") {
            return Err(no("invalidParameter.robotCode.coolApp", "coolAppCode 不匹配"));
        }
        let content = self.content(&body)?;
        if let Err(why) = flood(self.core, self.state, &self.app, &chat, self.now) {
            return Err(no("send.too.fast", why));
        }
        let id = self.state.post(&chat, self.now, &self.app, true, content);
        Ok(json!({ "processQueryKey": self.state.with_query(&[id]) }))
    }

    fn user_send(&mut self, body: &Value) -> Answer {
        let allowed = ["robotCode", "userIds", "msgKey", "msgParam"];
        let body = Body::of(body, &allowed, "invalidParameter.param.invalid")?;
        self.robot(&body)?;
        let users = body.texts("userIds", "invalidParameter.userIds.empty")?;
        match users.len() {
            0 => return Err(no("invalidParameter.userIds.empty", "userIds")),
            1..=20 => {}
            n => return Err(no("invalidParameter.userIds.overMax", format!("{n} people"))),
        }
        let content = self.content(&body)?;
        let rights = self
            .state
            .app(&self.app)
            .map(|a| a.spec.rights.clone())
            .unwrap_or_default();
        let (good, bad): (Vec<String>, Vec<String>) = users
            .into_iter()
            .partition(|u| self.state.active(u) && !rights.out_of_reach.contains(u));
        let (held, good): (Vec<String>, Vec<String>) =
            good.into_iter().partition(|u| rights.flow_controlled.contains(u));
        let mut ids = Vec::new();
        for user in good {
            let chat = self.state.direct(&user, &self.app);
            ids.push(self.state.post(&chat, self.now, &self.app, true, content.clone()));
        }
        let query = self.state.with_query(&ids);
        Ok(json!({ "processQueryKey": query, "invalidStaffIdList": bad, "flowControlledStaffIdList": held }))
    }

    /// The messages of one of our sends, not older than a day.
    fn sent(&self, query: &str) -> Result<Vec<String>, Refusal> {
        let ids = self.state.query_at.get(query).cloned().unwrap_or_default();
        let first = ids.first().and_then(|id| self.state.message(id));
        match first {
            Some(m) if m.from != self.app => Err(no("not.allowed.robotCode", "不是该机器人发送的消息")),
            Some(m) if self.now - m.at_ms > DAY_MS => Err(no("processQueryKey.expireTime", "超过24小时")),
            Some(_) => Ok(ids),
            None => Err(no("invalid.processQueryKey", "无效的processQueryKey")),
        }
    }

    fn group_readers(&mut self, body: &Value) -> Answer {
        let allowed = [
            "robotCode",
            "openConversationId",
            "processQueryKey",
            "maxResults",
            "nextToken",
        ];
        let body = Body::of(body, &allowed, "invalidParameter.param.invalid")?;
        self.robot(&body)?;
        self.group(body.text("openConversationId", "invalid.openConversationId")?)?;
        let ids = self.sent(body.text("processQueryKey", "invalidParameter.processQueryKey.missing")?)?;
        let size = body.0.get("maxResults").and_then(Value::as_u64).unwrap_or(200) as usize;
        if !(1..=200).contains(&size) {
            return Err(no("invalidParameter.pageSize.invalid", size.to_string()));
        }
        let from: usize = match body.optional("nextToken") {
            None => 0,
            Some(token) => token
                .parse()
                .map_err(|_| no("invalidParameter.cursor.invalid", token))?,
        };
        let message = ids.first().and_then(|id| self.state.message(id));
        let all: Vec<&String> = message.iter().flat_map(|m| &m.readers).collect();
        let page: Vec<&&String> = all.iter().skip(from).take(size).collect();
        let more = from + page.len() < all.len();
        Ok(json!({
            "sendStatus": if message.is_some_and(|m| m.recalled) { "RECALLED" } else { "SUCCESS" },
            "readUserIds": page,
            "hasMore": more,
            "nextToken": if more { (from + page.len()).to_string() } else { String::new() },
        }))
    }

    fn user_readers(&mut self, query: &BTreeMap<String, String>) -> Answer {
        let code = query.get("robotCode").map(String::as_str).unwrap_or_default();
        if self.state.app(&self.app).is_none_or(|a| a.spec.robot_code != code) {
            return Err(no("invalidParameter.robotCode.empty", "robotCode"));
        }
        let key = query.get("processQueryKey").map(String::as_str).unwrap_or_default();
        let mut list = Vec::new();
        for id in self.sent(key)? {
            let person = self.state.chat_of_message(&id).and_then(|c| c.person.clone());
            let (Some(person), Some(message)) = (person, self.state.message(&id)) else {
                continue;
            };
            let read = message.readers.contains(&person);
            list.push(json!({
                "name": self.state.name(&person), "userId": person,
                "readStatus": if read { "READ" } else { "UNREAD" },
            }));
        }
        Ok(json!({ "sendStatus": "SUCCESS", "messageReadInfoList": list }))
    }

    fn recall(&mut self, body: &Value, group: bool) -> Answer {
        let allowed: &[&str] = if group {
            &["robotCode", "openConversationId", "processQueryKeys"]
        } else {
            &["robotCode", "processQueryKeys"]
        };
        let body = Body::of(body, allowed, "invalidParameter.param.invalid")?;
        self.robot(&body)?;
        if group {
            self.group(body.text("openConversationId", "miss.openConversationId")?)?;
        }
        let keys = body.texts("processQueryKeys", "invalidParameter.processQueryKey.missing")?;
        if keys.len() > 20 {
            return Err(no("invalidParameter.processQueryKeys.overMax", keys.len().to_string()));
        }
        let mut done = Vec::new();
        let mut failed = Map::new();
        for key in keys {
            match self.sent(&key) {
                Ok(ids) => {
                    for id in ids {
                        if let Some(message) = self.state.message_mut(&id) {
                            message.recalled = true;
                        }
                    }
                    done.push(key);
                }
                Err(refusal) => {
                    failed.insert(key, refusal.code.into());
                }
            }
        }
        Ok(json!({ "successResult": done, "failedResult": failed }))
    }

    fn ding(&mut self, body: &Value) -> Answer {
        let allowed = ["robotCode", "remindType", "receiverUserIdList", "content", "callVoice"];
        let body = Body::of(body, &allowed, "invalidParameter.param.invalid")?;
        self.robot(&body)?;
        let kind = body.0.get("remindType").and_then(Value::as_i64);
        let users = body.texts("receiverUserIdList", "miss.staffId")?;
        let limit = match kind {
            Some(1) => 200,
            Some(2 | 3) => 20,
            _ => return Err(no("invalidParameter.param.invalid", "remindType")),
        };
        if users.is_empty() {
            return Err(no("miss.staffId", "receiverUserIdList"));
        }
        if users.len() > limit {
            return Err(no("ding.receivercount.limit", users.len().to_string()));
        }
        let content = body.text("content", "invalidParameter.param.invalid")?.to_owned();
        let (good, bad): (Vec<String>, Vec<String>) = users.into_iter().partition(|u| self.state.active(u));
        let mut shown = Vec::new();
        for user in &good {
            let chat = self.state.direct(user, &self.app);
            let parts = show::text(&format!("【DING】{content}"), &At::NONE);
            shown.push(self.state.post(&chat, self.now, &self.app, true, Content::Parts(parts)));
        }
        let id = self.state.hex_id("ding");
        self.state.dings.insert(id.clone(), good);
        self.state.ding_messages.insert(id.clone(), shown);
        Ok(json!({ "openDingId": id, "failedList": bad }))
    }

    fn ding_recall(&mut self, body: &Value) -> Answer {
        let body = Body::of(body, &["robotCode", "openDingId"], "invalidParameter.param.invalid")?;
        self.robot(&body)?;
        let id = body.text("openDingId", "invalidParameter.param.invalid")?;
        let shown = self.state.ding_messages.remove(id);
        for message in shown.ok_or_else(|| no("recall.ding.exception", id))? {
            if let Some(message) = self.state.message_mut(&message) {
                message.recalled = true;
            }
        }
        Ok(json!({ "openDingId": id }))
    }

    fn people(&self, ids: &[String]) -> Result<(), Refusal> {
        match ids.iter().find(|id| !self.state.active(id)) {
            Some(id) => Err(no("member.notFound", id.clone())),
            None => Ok(()),
        }
    }

    fn create_group(&mut self, body: &Value) -> Answer {
        let allowed = [
            "title",
            "template_id",
            "owner_user_id",
            "user_ids",
            "subadmin_ids",
            "uuid",
            "icon",
            "management_options",
        ];
        let body = Body::of(body, &allowed, "parameter.invalid")?;
        let title = body.text("title", "parameter.invalid")?;
        if title.chars().count() > 30 {
            return Err(no("parameter.invalid", "title 超过30个字符"));
        }
        let template = body.text("template_id", "parameter.invalid")?;
        let known = self
            .state
            .app(&self.app)
            .and_then(|a| a.spec.group_template_id.as_deref());
        if known != Some(template) {
            return Err(no("groupTemplate.notFound", template));
        }
        let owner = body.text("owner_user_id", "parameter.invalid")?.to_owned();
        let mut members = body.texts("user_ids", "parameter.invalid")?;
        if !members.contains(&owner) {
            members.insert(0, owner.clone());
        }
        if members.len() > 1000 {
            return Err(no("member.exceed", members.len().to_string()));
        }
        self.people(&members)?;
        let once = body.optional("uuid").map(|u| format!("{}/group/{u}", self.app));
        if let Some(made) = once.as_ref().and_then(|k| self.state.once.get(k)) {
            return Ok(made.clone());
        }
        let id = self
            .state
            .new_group(title.to_owned(), Some(owner), members, vec![self.app.clone()]);
        let app = self.app.clone();
        let Some(chat) = self.state.chat_mut(&id) else {
            return Err(no("system.error", "the group is gone"));
        };
        chat.scene_of = Some(app);
        let made = json!({ "open_conversation_id": chat.id, "chat_id": chat.old_id });
        self.state.notice(&id, self.now, format!("群「{title}」已创建"));
        if let Some(key) = once {
            self.state.once.insert(key, made.clone());
        }
        Ok(made)
    }

    /// A group that this app made from its template.
    fn own_group(&self, id: &str) -> Result<(), Refusal> {
        match self.state.chat(id) {
            Some(chat) if chat.disbanded => Err(no("parameter.invalid", "群已解散")),
            Some(chat) if chat.scene_of.as_deref() == Some(&self.app) => Ok(()),
            Some(_) => Err(no("permession.checkFailed", "不是该应用创建的群")),
            None => Err(no("parameter.invalid", "open_conversation_id")),
        }
    }

    /// A plain group: no robot is in it, and `chatid` is the handle for changes (6.6).
    fn create_plain(&mut self, body: &Value) -> Answer {
        let allowed = [
            "name",
            "owner",
            "ownerType",
            "useridlist",
            "conversationTag",
            "managementOptions",
            "icon",
        ];
        let body = Body::of(body, &allowed, "parameter.invalid")?;
        let name = body.text("name", "parameter.invalid")?;
        if name.chars().count() > 20 {
            return Err(no("parameter.invalid", "name 超过20个字符"));
        }
        let owner = body.text("owner", "parameter.invalid")?.to_owned();
        let mut members = body.texts("useridlist", "parameter.invalid")?;
        if !members.contains(&owner) {
            members.insert(0, owner.clone());
        }
        if members.iter().any(|m| !self.state.active(m)) {
            return Err(no("permession.checkFailed", "成员不在可见范围内"));
        }
        let id = self.state.new_group(name.to_owned(), Some(owner), members, Vec::new());
        let old = self.state.chat(&id).map(|c| c.old_id.clone());
        Ok(json!({ "openConversationId": id, "chatid": old, "conversationTag": 2 }))
    }

    fn update_plain(&mut self, body: &Value) -> Answer {
        let allowed = [
            "chatid",
            "name",
            "owner",
            "ownerType",
            "add_useridlist",
            "del_useridlist",
            "managementOptions",
            "icon",
        ];
        let body = Body::of(body, &allowed, "parameter.invalid")?;
        let old = body.text("chatid", "parameter.invalid")?;
        let chat = self.state.chats.iter().find(|c| c.old_id == old && !c.disbanded);
        let id = chat
            .map(|c| c.id.clone())
            .ok_or_else(|| no("parameter.invalid", "chatid"))?;
        let list = |key: &str| match body.0.get(key) {
            Some(_) => body.texts(key, "parameter.invalid"),
            None => Ok(Vec::new()),
        };
        let (add, remove) = (list("add_useridlist")?, list("del_useridlist")?);
        self.people(&add)?;
        if let Some(name) = body.optional("name") {
            if name.is_empty() || name.chars().count() > 20 {
                return Err(no("parameter.invalid", "name"));
            }
            group_events::rename(self.state, &id, name, None, self.now);
        }
        group_events::join(self.state, &id, &add, None, self.now);
        group_events::remove(self.state, &id, &remove, None, self.now);
        if let Some(owner) = body.optional("owner") {
            group_events::owner(self.state, &id, owner, self.now);
        }
        Ok(json!({ "success": true }))
    }

    fn convert(&mut self, path: &str) -> Answer {
        let old = path
            .strip_prefix("/v1.0/im/chat/")
            .and_then(|p| p.strip_suffix("/convertToOpenConversationId"));
        match self.state.chats.iter().find(|c| Some(c.old_id.as_str()) == old) {
            Some(chat) => Ok(json!({ "openConversationId": chat.id })),
            None => Err(no("invalideChatId", "chatId")),
        }
    }

    fn update_group(&mut self, body: &Value) -> Answer {
        let allowed = [
            "open_conversation_id",
            "title",
            "owner_user_id",
            "icon",
            "management_options",
        ];
        let body = Body::of(body, &allowed, "parameter.invalid")?;
        let id = body.text("open_conversation_id", "parameter.invalid")?.to_owned();
        self.own_group(&id)?;
        if let Some(title) = body.optional("title") {
            if title.is_empty() || title.chars().count() > 30 {
                return Err(no("parameter.invalid", "title"));
            }
            group_events::rename(self.state, &id, title, None, self.now);
        }
        if let Some(owner) = body.optional("owner_user_id") {
            if self
                .state
                .chat(&id)
                .is_none_or(|c| !c.members.iter().any(|m| m == owner))
            {
                return Err(no("parameter.invalid", "owner_user_id 不在群中"));
            }
            group_events::owner(self.state, &id, owner, self.now);
        }
        Ok(json!({ "success": true }))
    }

    fn members(&mut self, body: &Value, add: bool) -> Answer {
        let allowed = ["open_conversation_id", "user_ids", "union_ids"];
        let body = Body::of(body, &allowed, "parameter.invalid")?;
        let id = body.text("open_conversation_id", "parameter.invalid")?.to_owned();
        self.own_group(&id)?;
        let users = body.texts("user_ids", "parameter.invalid")?;
        if users.is_empty() {
            return Err(no("parameter.invalid", "user_ids"));
        }
        if add {
            self.people(&users)?;
            if self
                .state
                .chat(&id)
                .is_some_and(|c| c.members.len() + users.len() > 1000)
            {
                return Err(no("member.exceed", "1000"));
            }
            group_events::join(self.state, &id, &users, None, self.now);
        } else {
            group_events::remove(self.state, &id, &users, None, self.now);
        }
        Ok(json!({ "success": true }))
    }

    fn member_list(&mut self, body: &Value) -> Answer {
        let allowed = ["openConversationId", "maxResults", "nextToken", "coolAppCode"];
        let body = Body::of(body, &allowed, "paramIllegal")?;
        let chat = self.state.chat(body.text("openConversationId", "paramBlank")?);
        let chat = chat.ok_or_else(|| no("cidEncryptError", "openConversationId"))?;
        let cool = self.state.app(&self.app).and_then(|a| a.spec.cool_app_code.as_deref());
        let by_app = cool.is_some() && cool == body.optional("coolAppCode") && chat.apps.contains(&self.app);
        if chat.scene_of.as_deref() != Some(&self.app) && !by_app {
            return Err(no("groupPermissionDenied", "无权限访问该群"));
        }
        let from: usize = match body.optional("nextToken") {
            None => 0,
            Some(token) => token.parse().map_err(|_| no("paramIllegal", "nextToken"))?,
        };
        // Whatever was asked for, up to 1000 come at once.
        let page: Vec<&String> = chat.members.iter().skip(from).take(1000).collect();
        let more = from + page.len() < chat.members.len();
        Ok(json!({
            "success": true, "memberUserIds": page, "hasMore": more,
            "nextToken": (from + page.len()).to_string(),
        }))
    }

    fn group_info(&mut self, body: &Value) -> Answer {
        let body = Body::of(body, &["openConversationId", "coolAppCode"], "paramIllegal")?;
        let id = body.text("openConversationId", "paramBlank")?;
        self.own_group(id).map_err(|r| no("groupPermissionDenied", r.text))?;
        let chat = self.state.chat(id).ok_or_else(|| no("paramIllegal", id))?;
        Ok(json!({
            "success": true, "openConversationId": id, "title": chat.name, "ownerUserId": chat.owner, "status": 1,
        }))
    }

    fn disband(&mut self, body: &Value) -> Answer {
        let body = Body::of(body, &["openConversationId"], "paramIllegal")?;
        let id = body.text("openConversationId", "paramIllegal")?.to_owned();
        self.own_group(&id)?;
        group_events::disband(self.state, &id, None, self.now);
        Ok(json!({ "success": true }))
    }

    fn calendar(&mut self, path: &str, body: &Value, client_token: Option<&str>) -> Answer {
        let who = path
            .strip_prefix("/v1.0/calendar/users/")
            .and_then(|p| p.strip_suffix("/calendars/primary/events"))
            .ok_or_else(|| no("invalidParameter", "path"))?;
        let known = |union: &str| {
            self.state
                .org
                .people
                .iter()
                .any(|p| p.active && union_id(&p.id) == union)
        };
        if !known(who) {
            return Err(no("invalidParameter.userId", who));
        }
        let allowed = [
            "summary",
            "description",
            "start",
            "end",
            "isAllDay",
            "attendees",
            "location",
            "reminders",
            "extra",
        ];
        let body = Body::of(body, &allowed, "invalidParameter")?;
        body.text("summary", "invalidParameter.summary")?;
        for key in ["start", "end"] {
            let time = body.0.get(key).and_then(|t| t.get("dateTime")).and_then(Value::as_str);
            if time.is_none_or(|t| t.len() != 25 || !t.contains('T')) {
                return Err(no("invalidParameter", key));
            }
        }
        let people = body.0.get("attendees").and_then(Value::as_array);
        for person in people.into_iter().flatten() {
            let id = person.get("id").and_then(Value::as_str).unwrap_or_default();
            if !known(id) {
                return Err(no("invalidParameter.attendees", id));
            }
        }
        let once = client_token.map(|t| format!("{}/calendar/{t}", self.app));
        if let Some(made) = once.as_ref().and_then(|k| self.state.once.get(k)) {
            return Ok(made.clone());
        }
        let id = self.state.hex_id("evt");
        let mut made = Value::Object(body.0.clone());
        made["id"] = id.into();
        made["organizer"] = json!({ "id": who });
        self.state.calendar.push(made.clone());
        if let Some(key) = once {
            self.state.once.insert(key, made.clone());
        }
        Ok(made)
    }
}

/// More than 20 messages in any minute into one group: blocked for ten minutes.
pub fn flood(core: &Core, state: &mut State, app: &str, chat: &str, now: i64) -> Result<(), String> {
    if !state.chat(chat).is_some_and(|c| c.group) {
        return Ok(());
    }
    let key = (app.to_owned(), chat.to_owned());
    if state.blocked.get(&key).is_some_and(|until| *until > now) {
        return Err("blocked for ten minutes".into());
    }
    let verdict = core
        .judge
        .hit(&format!("flood {app} {chat}"), Timestamp(now), 20, 60_000, 1);
    if !verdict.is_ok() {
        state.blocked.insert(key, now + BLOCK_MS);
        return Err("send too fast, exceed 20 times per minute".into());
    }
    Ok(())
}
