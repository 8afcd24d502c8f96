//! The HTTP API: tokens, directory, messages, app groups, uploads, robots and answers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, State as Ctx};
use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hutong_model::Timestamp;
use hutong_simkit::ScreenPart;
use hutong_simkit::judge::{Limit, Verdict};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Core;
use super::media::{download, upload};
use super::show::{self, Dialect, check_card};
use super::state::{App, Card, Item, Kind, Ticket, Token};

pub(super) const MINUTE: u64 = 60_000;
pub(super) const HOUR: u64 = 60 * MINUTE;
pub(super) const DAY: u64 = 24 * HOUR;
const TOKEN_LIFE: Duration = Duration::from_secs(7200);
const CODE_LIFE: Duration = Duration::from_secs(72 * 3600);
const RECALL_LIFE: Duration = Duration::from_secs(24 * 3600);

/// What a call answers: the fields beside `errcode`, or a code and its words.
pub(super) type Answer = Result<Value, (i64, String)>;
pub(super) type Params = HashMap<String, String>;

pub(super) fn no<T>(code: i64, words: impl Into<String>) -> Result<T, (i64, String)> {
    Err((code, words.into()))
}

/// The platform's envelope around a code: HTTP 200, with a hint and the caller's address.
pub fn envelope(code: i64, text: &str) -> Response {
    let errmsg = format!(
        "{text}, hint: [1795305600_28_0000], from ip: 127.0.0.1, more info at https://open.work.weixin.qq.com/devtool/query?e={code}"
    );
    respond(&json!({"errcode": code, "errmsg": errmsg}))
}

fn respond(value: &Value) -> Response {
    (
        [(header::CONTENT_TYPE, "application/json; charset=UTF-8")],
        value.to_string(),
    )
        .into_response()
}

pub(super) fn finish(answer: Answer) -> Response {
    match answer {
        Ok(mut value) => {
            if let Some(fields) = value.as_object_mut() {
                fields.insert("errcode".into(), 0.into());
                fields.insert("errmsg".into(), "ok".into());
            }
            respond(&value)
        }
        Err((code, words)) => envelope(code, &words),
    }
}

pub fn router(core: Arc<Core>) -> Router {
    Router::new()
        .route("/cgi-bin/media/upload", post(upload))
        .route("/cgi-bin/media/get", get(download))
        .route("/cgi-bin/webhook/upload_media", post(upload))
        .route("/file/{code}", get(super::files::serve))
        .route("/cgi-bin/{*call}", get(call).post(call))
        .layer(DefaultBodyLimit::max(32 << 20))
        .with_state(core)
}

async fn call(
    Ctx(core): Ctx<Arc<Core>>,
    method: Method,
    axum::extract::Path(path): axum::extract::Path<String>,
    Query(params): Query<Params>,
    body: Bytes,
) -> Response {
    core.journal.call(&format!("/cgi-bin/{path}"));
    let is_get = matches!(
        path.as_str(),
        "gettoken"
            | "getcallbackip"
            | "get_api_domain_ip"
            | "agent/get"
            | "department/list"
            | "department/simplelist"
            | "user/list"
            | "user/simplelist"
            | "user/get"
            | "appchat/get"
            | "menu/get"
            | "externalcontact/get_follow_user_list"
    );
    if (method == Method::GET) != is_get {
        core.journal.complain(format!("{path}: wrong method {method}"));
        return finish(no(43001, "wrong http method"));
    }
    let value = if is_get {
        Value::Null
    } else {
        // The content type is not looked at.
        match serde_json::from_slice(&body) {
            Ok(value) => value,
            Err(_) => {
                core.journal.complain(format!("{path}: the body is not JSON"));
                return finish(no(47001, "data format error"));
            }
        }
    };
    let answer = core.answer(&path, &params, &value);
    if let Err((code, words)) = &answer {
        // A token that has run out is the platform's business, everything else the caller's.
        if !matches!(code, 42001 | 40014 | 86215) {
            core.journal.complain(format!("{path}: {code} {words}"));
        }
    }
    core.changed();
    finish(answer)
}

pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn strings(value: Option<&Value>) -> Vec<String> {
    value
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|v| v.as_str().map(str::to_owned))
        .collect()
}

impl Core {
    fn answer(&self, path: &str, params: &Params, body: &Value) -> Answer {
        let now = self.clock.now();
        match path {
            "gettoken" => return self.gettoken(params, now),
            "webhook/send" => return self.robot_send(params, body, now),
            "aibot/response" => return self.respond_once(params, body, now),
            _ => {}
        }
        let app = self.authorised(params, now)?;
        {
            let state = self.state();
            let right = match path.split('/').next() {
                Some("oa") => "schedule",
                Some("appchat") => "appchat",
                _ => "trusted_ip",
            };
            if !state.allowed(&app, right) {
                return no(48002, "api forbidden");
            }
            if !state.allowed(&app, "enabled") && path != "agent/get" {
                return no(50003, "app is closed");
            }
        }
        let corp = [
            Limit::new(format!("corp/{path}"), 10_000, MINUTE),
            Limit::new(format!("corp/{path}"), 150_000, HOUR),
        ];
        if let Verdict::Over { .. } = self.judge.hit_all(&corp, now, 1) {
            return no(45009, "api freq out of limit");
        }
        match path {
            "message/send" => self.message_send(&app, body, now),
            "message/update_template_card" => self.card_update(&app, body, now),
            "message/recall" => self.recall(body, now),
            "appchat/create" => self.chat_create(&app, body, now),
            "appchat/update" => self.chat_update(&app, body, now),
            "appchat/get" => self.chat_get(&app, params),
            "appchat/send" => self.chat_send(&app, body, now),
            "department/list"
            | "department/simplelist"
            | "user/list"
            | "user/simplelist"
            | "user/get"
            | "user/list_id" => self.contacts(&app, path, params, body),
            "agent/get" => self.agent(&app, params),
            "getcallbackip" | "get_api_domain_ip" => Ok(json!({"ip_list": ["127.0.0.1"]})),
            "batch/openuserid_to_userid" => {
                let asked = strings(body.get("open_userid_list"));
                if asked.len() > 1000 {
                    return no(40058, "at most 1000 ids");
                }
                let state = self.state();
                // Plain ids come back as invalid, as they do there.
                let (known, invalid): (Vec<_>, Vec<_>) = asked
                    .into_iter()
                    .map(|id| (state.behind(&id), id))
                    .partition(|(behind, _)| behind.is_some());
                let known: Vec<Value> = known
                    .into_iter()
                    .map(|(behind, id)| json!({"open_userid": id, "userid": behind}))
                    .collect();
                let invalid: Vec<String> = invalid.into_iter().map(|(_, id)| id).collect();
                Ok(json!({"userid_list": known, "invalid_open_userid_list": invalid}))
            }
            "menu/create" => self.menu_create(&app, params, body),
            "menu/get" => Ok(self
                .state()
                .menus
                .get(&app.agent_id)
                .cloned()
                .unwrap_or(json!({"button": []}))),
            "oa/schedule/add" => self.schedule_add(&app, body),
            "oa/calendar/add" => self.calendar_add(&app, body),
            "externalcontact/get_follow_user_list"
            | "externalcontact/groupchat/list"
            | "externalcontact/groupchat/get"
            | "externalcontact/groupchat/statistic" => self.customer_call(&app, path, body, now),
            _ => no(40054, format!("no such call: {path}")),
        }
    }

    fn gettoken(&self, params: &Params, now: Timestamp) -> Answer {
        if params.get("corpid") != Some(&self.corp_id) {
            return no(40013, "invalid corpid");
        }
        let secret = params.get("corpsecret").cloned().unwrap_or_default();
        let mut state = self.state();
        let Some(app) = state
            .apps
            .iter()
            .find(|a| a.kind == Kind::App && a.secret == secret)
            .map(|a| a.id.clone())
        else {
            return no(40001, "invalid credential");
        };
        // While a token is valid, the same one is given again.
        if let Some((value, token)) = state.tokens.iter().find(|(_, t)| t.app == app && t.until > now) {
            return Ok(json!({"access_token": value, "expires_in": token.until.since(now).as_secs()}));
        }
        let n = state.next();
        let value = hex::encode(Sha256::digest(format!("token|{app}|{n}").as_bytes()));
        let until = now + TOKEN_LIFE;
        state.tokens.insert(value.clone(), Token { app, until });
        Ok(json!({"access_token": value, "expires_in": TOKEN_LIFE.as_secs()}))
    }

    pub(super) fn authorised(&self, params: &Params, now: Timestamp) -> Result<App, (i64, String)> {
        let Some(token) = params.get("access_token") else {
            return no(41001, "access_token missing");
        };
        let state = self.state();
        let app = match state.tokens.get(token) {
            None => return no(40014, "invalid access_token"),
            Some(token) if token.until <= now => return no(42001, "access_token expired"),
            Some(token) => state
                .app(&token.app)
                .cloned()
                .ok_or((40014, "invalid access_token".into()))?,
        };
        // A token is given to any address, a call is not taken from any.
        if !state.allowed(&app, "trusted_ip") {
            return no(60020, "not allow to access from your ip");
        }
        Ok(app)
    }

    /// Turns a body into what is seen. `limit` cuts text silently, as the platform does.
    pub(super) fn shown(&self, body: &Value, place: Place) -> Result<(Vec<ScreenPart>, Option<Value>), (i64, String)> {
        let state = self.state();
        let names = state.names();
        let kind = text(body, "msgtype");
        let part = body.get(kind).filter(|p| p.is_object());
        let Some(part) = part else {
            return no(40008, format!("invalid message type {kind:?}"));
        };
        let content = text(part, "content");
        let mentions = place != Place::Person;
        let cut = |limit: usize| -> String {
            if content.len() <= limit {
                return content.to_owned();
            }
            self.journal.complain(format!(
                "{kind} of {} bytes was cut to {limit} without telling",
                content.len()
            ));
            content[..content.floor_char_boundary(limit)].to_owned()
        };
        match (kind, place) {
            ("text" | "markdown" | "markdown_v2", _) if content.is_empty() => no(44004, "content is empty"),
            ("text", _) => {
                let dialect = Dialect::Text {
                    anchors: place != Place::Robot,
                    mentions,
                };
                let mut parts = show::content(&cut(2048), dialect, &names);
                if mentions {
                    parts.extend(show::mentioned(&part["mentioned_list"], &names));
                }
                Ok((parts, None))
            }
            ("markdown", Place::Person | Place::AppChat) => {
                Ok((show::content(&cut(2048), Dialect::Markdown { mentions }, &names), None))
            }
            ("markdown" | "markdown_v2", Place::Robot) if content.len() > 4096 => {
                no(40058, "markdown.content exceed max length 4096")
            }
            ("markdown", Place::Robot) => Ok((show::content(content, Dialect::Markdown { mentions }, &names), None)),
            ("markdown_v2", Place::Robot) => Ok((show::content(content, Dialect::MarkdownV2, &names), None)),
            ("markdown", Place::Answer) if content.len() > 20_480 => {
                no(40058, "markdown.content exceed max length 20480")
            }
            ("markdown", Place::Answer) => Ok((show::content(content, Dialect::MarkdownV2, &names), None)),
            ("image" | "voice" | "video" | "file", _) if place != Place::Answer => {
                let id = text(part, "media_id");
                match state.media.get(id) {
                    Some(media)
                        if media.until > self.clock.now() && media.robot.is_some() == (place == Place::Robot) =>
                    {
                        let alt = format!("[{}]", media.name);
                        Ok((
                            vec![ScreenPart::Image {
                                handle: id.to_owned(),
                                alt,
                            }],
                            None,
                        ))
                    }
                    _ => no(40007, "invalid media_id"),
                }
            }
            ("news" | "textcard", Place::Person | Place::AppChat | Place::Robot) => {
                let articles = part.get("articles").and_then(Value::as_array).map_or(1, Vec::len);
                if !(1..=8).contains(&articles) {
                    return no(45008, "1 to 8 articles");
                }
                let article = part.pointer("/articles/0").unwrap_or(part);
                if text(article, "title").is_empty() || text(article, "url").is_empty() {
                    return no(40058, "title and url");
                }
                let link = ScreenPart::Link {
                    label: text(article, "title").into(),
                    url: text(article, "url").into(),
                };
                Ok((
                    vec![
                        link,
                        ScreenPart::Note {
                            text: text(article, "description").into(),
                        },
                    ],
                    None,
                ))
            }
            ("template_card", Place::Person | Place::Answer | Place::Robot) => {
                check_card(part, place != Place::Robot)?;
                Ok((vec![], Some(part.clone())))
            }
            _ => no(40008, format!("message type {kind} is not possible here")),
        }
    }

    fn message_send(&self, app: &App, body: &Value, now: Timestamp) -> Answer {
        if body.get("agentid").and_then(Value::as_i64) != Some(app.agent_id) {
            return no(301_002, "agentid not match token");
        }
        let touser = text(body, "touser");
        if touser.is_empty() && text(body, "toparty").is_empty() && text(body, "totag").is_empty() {
            return no(82001, "user & party & tag all empty");
        }
        let asked: Vec<&str> = touser.split('|').filter(|u| !u.is_empty()).collect();
        if asked.len() > 1000 {
            return no(40032, "more than 1000 users");
        }
        if asked_list(body, "toparty").len() > 100 || asked_list(body, "totag").len() > 100 {
            return no(40032, "more than 100 departments or tags");
        }
        if body.get("template_card").is_some_and(presses) && app.hook.is_none() {
            return no(43012, "interactive card needs a callback url");
        }
        let check = body.get("enable_duplicate_check").and_then(Value::as_i64) == Some(1);
        let interval = body
            .get("duplicate_check_interval")
            .and_then(Value::as_u64)
            .unwrap_or(1800);
        if check && interval > 14_400 {
            return no(40058, "duplicate_check_interval");
        }
        let print: [u8; 32] = Sha256::digest(format!("{}|{body}", app.id).as_bytes()).into();
        {
            let mut state = self.state();
            state.sent.retain(|_, (_, until)| *until > now);
            if let (true, Some((msgid, _))) = (check, state.sent.get(&print)) {
                // What the platform answers to a suppressed repeat is not documented.
                return Ok(json!({"invaliduser": "", "invalidparty": "", "invalidtag": "", "msgid": msgid}));
            }
        }
        let (parts, card) = self.shown(body, Place::Person)?;
        if let Some(card) = &card {
            self.new_task(&app.id, card)?;
        }
        let (mut reached, mut invalid, mut unlicensed) = (Vec::new(), Vec::new(), Vec::new());
        // There are no tags here.
        let (mut no_party, no_tag) = (Vec::new(), asked_list(body, "totag"));
        {
            let state = self.state();
            let everyone = touser == "@all";
            let parties = if everyone { vec![] } else { asked_list(body, "toparty") };
            for party in parties {
                let known = party == "1" || state.departments.iter().any(|d| d.id == party);
                if !known || !state.sees_department(app, &party) {
                    no_party.push(party);
                    continue;
                }
                let people = state.people.values().filter(|p| p.department == party || party == "1");
                reached.extend(people.filter(|p| p.active).map(|p| p.id.clone()));
            }
            if everyone {
                let people = state.people.values().filter_map(|p| state.reachable(app, &p.id));
                reached.extend(people);
            } else {
                for id in asked {
                    match state.reachable(app, id) {
                        Some(person) => reached.push(person),
                        None => invalid.push(id.to_lowercase()),
                    }
                }
            }
            reached.sort();
            reached.dedup();
            reached.retain(|id| {
                let licensed = !state.unlicensed.contains(&id.to_lowercase());
                if !licensed {
                    unlicensed.push(id.to_lowercase());
                }
                licensed
            });
            if let Some(accounts) = state.account_ceiling {
                let limit = Limit::new(format!("send/{}/day", app.id), accounts.saturating_mul(200), DAY);
                let weight = u32::try_from(reached.len()).unwrap_or(u32::MAX);
                if let Verdict::Over { .. } = self.judge.hit_all(&[limit], now, weight) {
                    return no(45009, "api freq out of limit");
                }
            }
        }
        // A member without a licence is named; nobody at all is a refusal.
        if reached.is_empty() && unlicensed.is_empty() {
            return no(81013, "user & party & tag all invalid");
        }
        let mut items = Vec::new();
        let mut last = None;
        for user in &reached {
            let limits = [
                Limit::new(format!("send/{}/{user}", app.id), 30, MINUTE),
                Limit::new(format!("send/{}/{user}", app.id), 1000, HOUR),
            ];
            if let Verdict::Over { .. } = self.judge.hit_all(&limits, now, 1) {
                self.drop_silently(
                    &format!("message/send to {user}: more than 30 a minute or 1,000 an hour"),
                    1,
                );
                continue;
            }
            let mut state = self.state();
            let chat = state.direct(&app.id, user);
            let id = state.push(chat, self.item(app, now, parts.clone(), card.clone()));
            last = Some(chat);
            items.push(id);
        }
        let msgid = self.code("M");
        let mut answer = json!({
            "invaliduser": invalid.join("|"), "invalidparty": no_party.join("|"), "invalidtag": no_tag.join("|"),
            "unlicenseduser": unlicensed.join("|"), "msgid": msgid,
        });
        if let (true, Some(chat), Some(item)) = (card.as_ref().is_some_and(presses), last, items.last()) {
            let code = self.code("RC");
            let ticket = Ticket {
                app: app.id.clone(),
                chat,
                item: item.clone(),
                until: now + CODE_LIFE,
                used: false,
            };
            self.state().codes.insert(code.clone(), ticket);
            answer["response_code"] = json!(code);
        }
        let mut state = self.state();
        state.messages.insert(msgid.clone(), (now, items));
        if check {
            state.sent.insert(print, (msgid, now + Duration::from_secs(interval)));
        }
        Ok(answer)
    }

    pub(super) fn drop_silently(&self, what: &str, weight: u64) {
        *self.dropped.lock().unwrap_or_else(std::sync::PoisonError::into_inner) += weight;
        self.journal.complain(format!("{what}: dropped without an error"));
    }

    pub(super) fn item(&self, app: &App, now: Timestamp, parts: Vec<ScreenPart>, card: Option<Value>) -> Item {
        Item {
            at: now,
            from: app.id.clone(),
            from_name: app.name.clone(),
            bot: true,
            parts,
            card: card.map(|value| Card {
                app: app.id.clone(),
                value,
                own: HashMap::new(),
            }),
            ..Item::default()
        }
    }

    /// A task id is used once per app.
    pub(super) fn new_task(&self, app: &str, card: &Value) -> Result<(), (i64, String)> {
        let task = text(card, "task_id");
        if !task.is_empty() && !self.state().tasks.insert((app.to_owned(), task.to_owned())) {
            return no(846_625, "task_id was used before");
        }
        Ok(())
    }

    fn card_update(&self, app: &App, body: &Value, now: Timestamp) -> Answer {
        if body.get("agentid").and_then(Value::as_i64) != Some(app.agent_id) {
            return no(301_002, "agentid not match token");
        }
        let code = text(body, "response_code").to_owned();
        let users = strings(body.get("userids"));
        if users.is_empty() && body.get("atall").and_then(Value::as_i64) != Some(1) {
            return no(82001, "nobody to update");
        }
        let replace = body.pointer("/button/replace_name").and_then(Value::as_str);
        let card = body.get("template_card").filter(|c| !c.is_null());
        if let Some(card) = card {
            check_card(card, true)?;
        } else if replace.is_none() {
            return no(42014, "template_card or button is needed");
        }
        let mut state = self.state();
        let item = match state.codes.get_mut(&code) {
            Some(ticket) if ticket.app == app.id && !ticket.used && ticket.until > now => {
                ticket.used = true;
                ticket.item.clone()
            }
            _ => return no(60140, "invalid response_code"),
        };
        let (known, invalid): (Vec<String>, Vec<String>) = users.into_iter().partition(|u| state.active(u).is_some());
        let known: Vec<String> = known
            .iter()
            .filter_map(|u| state.active(u).map(|p| p.id.clone()))
            .collect();
        if let Some(item) = state.item_mut(&item)
            && let Some(held) = &mut item.card
        {
            for user in known {
                let mut value = card.cloned().unwrap_or_else(|| held.seen_by(&user).clone());
                if let Some(name) = replace {
                    value["replace_text"] = json!(name);
                }
                held.own.insert(user, value);
            }
            item.edited = true;
        }
        Ok(json!({"invaliduser": invalid}))
    }

    fn recall(&self, body: &Value, now: Timestamp) -> Answer {
        let mut state = self.state();
        let Some((at, items)) = state.messages.get(text(body, "msgid")).cloned() else {
            return no(40058, "invalid msgid");
        };
        if now > at + RECALL_LIFE {
            return no(42052, "message is too old to recall");
        }
        for id in items {
            if let Some(item) = state.item_mut(&id) {
                item.recalled = true;
            }
        }
        Ok(json!({}))
    }

    fn robot_send(&self, params: &Params, body: &Value, now: Timestamp) -> Answer {
        let key = params.get("key").cloned().unwrap_or_default();
        let found = {
            let state = self.state();
            state
                .apps
                .iter()
                .find(|a| a.kind == Kind::Webhook && a.secret == key)
                .cloned()
                .and_then(|app| {
                    let chat = state
                        .chats
                        .iter()
                        .position(|c| c.group && !c.disbanded && c.apps.contains(&app.id))?;
                    Some((app, chat))
                })
        };
        let Some((app, chat)) = found else {
            return no(93000, "invalid webhook url");
        };
        if let Verdict::Over { .. } = self.judge.hit(&format!("robot/{}", app.id), now, 20, MINUTE, 1) {
            return no(45009, "api freq out of limit");
        }
        let (parts, card) = self.shown(body, Place::Robot)?;
        self.state().push(chat, self.item(&app, now, parts, card));
        Ok(json!({}))
    }

    fn respond_once(&self, params: &Params, body: &Value, now: Timestamp) -> Answer {
        let code = params.get("response_code").cloned().unwrap_or_default();
        let live = |t: &Ticket| !t.used && t.until > now;
        let Some(ticket) = self.state().answers.get(&code).filter(|t| live(t)).cloned() else {
            return no(60140, "invalid response_code");
        };
        let (parts, card) = self.shown(body, Place::Answer)?;
        if let Some(card) = &card {
            self.new_task(&ticket.app, card)?;
        }
        let mut state = self.state();
        // Looked at again under the lock: of two answers at once, one wins.
        match state.answers.get_mut(&code) {
            Some(held) if live(held) => held.used = true,
            _ => return no(60140, "invalid response_code"),
        }
        let Some(app) = state.app(&ticket.app).cloned() else {
            return no(60140, "invalid response_code");
        };
        let mut item = self.item(&app, now, parts, card);
        // In a group the answer quotes the message it answers.
        if state.chats.get(ticket.chat).is_some_and(|c| c.group) {
            item.reply_to = Some(ticket.item);
        }
        state.push(ticket.chat, item);
        Ok(json!({}))
    }
}

/// Receivers joined by `|`.
fn asked_list(body: &Value, name: &str) -> Vec<String> {
    text(body, name)
        .split('|')
        .filter(|id| !id.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Whether a card has something that calls back: then it needs a saved callback address, and its
/// sending is answered with a response code (document 90236).
fn presses(card: &Value) -> bool {
    let kind = text(card, "card_type");
    card.get("action_menu").is_some()
        || matches!(kind, "button_interaction" | "vote_interaction" | "multiple_interaction")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Person,
    AppChat,
    Robot,
    Answer,
}
