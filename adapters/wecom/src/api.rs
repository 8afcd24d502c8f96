//! Talking to the platform: one token per app with a single flight, one refresh and one repeat when
//! it is refused, and an honest outcome for every call.
//!
//! A call that was answered is judged by its code ([`crate::codes`]). A call that was not answered
//! is `NotSent` only when the connection was never made; in every other case the platform may have
//! acted, and the outcome is `Unknown`.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use hutong_model::{
    CallError, ChatId, Clock, FailedReceiver, LimitScope, Outcome, Prepared, Receipt, Secret, Timestamp, UserId,
};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use url::Url;

use crate::codes::{Class, classify, explain};
use crate::config::{is_loopback, may_respond};
use crate::groups::{Group, Groups};
use crate::guard::{Guard, Way};
use crate::prepare::{Call, CardHandle, mark};

/// Answers larger than this are not read.
const MAX_ANSWER: usize = 16 << 20;
/// How many one-use calls are remembered, to tell "used by my own earlier attempt" from "used".
const REMEMBERED: usize = 10_000;

/// Where a call authenticates.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// Corp id and app secret become an access token.
    App { corp_id: String, secret: Secret },
    /// The key of a group robot.
    Robot { key: Secret },
    /// An AI bot's one-use addresses carry their own secret.
    None,
}

/// The HTTP side of one door.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    clock: Arc<dyn Clock>,
    credentials: Credentials,
    token: tokio::sync::Mutex<Held>,
    tried: Mutex<HashSet<String>>,
    guard: Guard,
    groups: Groups,
}

#[derive(Debug, Clone)]
struct Token {
    value: Secret,
    refresh_at: Timestamp,
    until: Timestamp,
}

/// What is known about the access token.
#[derive(Debug, Clone)]
enum Held {
    Nothing,
    Token(Token),
    /// The platform refused the secret; asking again in series blocks our address for an hour.
    Refused {
        until: Timestamp,
        code: i64,
        text: String,
    },
}

/// How long a refused secret is not tried again.
const REFUSED_FOR: Duration = Duration::from_secs(60);

/// Why a call gave no result.
#[derive(Debug, Clone, PartialEq)]
pub enum Fail {
    NotSent(String),
    Unknown(String),
    Auth {
        code: i64,
        text: String,
    },
    Code {
        code: i64,
        text: String,
    },
    /// An HTTP status that no answer of the platform has.
    Http(u16),
    /// A member has had as much as the platform delivers: more would vanish without an error.
    Enough {
        after_ms: u64,
    },
}

/// What is sent: a query, a JSON body, or a file.
#[derive(Debug, Clone, Copy)]
pub enum Payload<'a> {
    Get,
    Json(&'a Value),
    File { name: &'a str, bytes: &'a [u8] },
}

impl Client {
    /// `Err` carries the reason when the HTTP client cannot be built.
    pub fn new(base: Url, clock: Arc<dyn Clock>, credentials: Credentials) -> Result<Self, String> {
        // Another part of the program may have installed a provider: then that one serves.
        let _ = rustls_provider();
        let mut http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(3))
            .timeout(Duration::from_secs(15))
            .redirect(reqwest::redirect::Policy::none())
            .pool_idle_timeout(Duration::from_secs(20));
        if is_loopback(&base) {
            // A company's proxy knows no way to this machine.
            http = http.no_proxy();
        }
        let http = http.build().map_err(|e| e.without_url().to_string())?;
        Ok(Self {
            http,
            base,
            clock,
            credentials,
            token: tokio::sync::Mutex::new(Held::Nothing),
            tried: Mutex::new(HashSet::new()),
            guard: Guard::default(),
            groups: Groups::default(),
        })
    }

    /// What is known of the groups that the app made.
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// Gets an access token when there is none yet.
    pub async fn sign_in(&self) -> Result<(), Fail> {
        self.token(None).await.map(|_| ())
    }

    fn url(&self, api: &str, query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/cgi-bin/{api}", self.base.path().trim_end_matches('/')));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// The body behind an address, at most `limit` bytes, and whether the answer names a file.
    async fn read(&self, url: Url, limit: usize) -> Result<(Vec<u8>, bool), Fail> {
        let mut answer = self.http.get(url).send().await.map_err(|e| transport(e, false))?;
        match answer.status().as_u16() {
            200 => {}
            status if status >= 500 => return Err(Fail::Unknown(format!("http {status}"))),
            status => return Err(Fail::Http(status)),
        }
        let named = answer.headers().contains_key(reqwest::header::CONTENT_DISPOSITION);
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|e| transport(e, true))? {
            if bytes.len() + chunk.len() > limit {
                return Err(Fail::Code {
                    code: 45001,
                    text: format!("文件超过 {limit} 字节 / the file has more than {limit} bytes"),
                });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok((bytes, named))
    }

    /// Fetches what is no call: a file of an AI bot, from the platform's storage.
    pub async fn fetch(&self, url: Url, limit: usize) -> Result<Vec<u8>, Fail> {
        self.read(url, limit).await.map(|(bytes, _)| bytes)
    }

    /// `media/get`: the file, or JSON with a code (document 90253).
    pub async fn media(&self, id: &str, limit: usize) -> Result<Vec<u8>, Fail> {
        let token = self.token(None).await?;
        match self.media_once(id, limit, &token).await {
            Err(Fail::Auth { .. }) => {
                let token = self.token(Some(&token)).await?;
                self.media_once(id, limit, &token).await
            }
            other => other,
        }
    }

    async fn media_once(&self, id: &str, limit: usize, token: &Secret) -> Result<Vec<u8>, Fail> {
        let url = self.url("media/get", &[("media_id", id), ("access_token", token.expose())]);
        let (bytes, named) = self.read(url, limit).await?;
        // A file comes with its name; only without one is JSON an answer and not somebody's file.
        match serde_json::from_slice::<Value>(&bytes) {
            Ok(answer) if !named && answer.get("errcode").is_some() => Err(judged(answer)
                .err()
                .unwrap_or_else(|| Fail::Unknown("the answer is not readable".into()))),
            _ => Ok(bytes),
        }
    }

    /// One request and its answer, without authentication.
    async fn exchange(&self, url: Url, payload: Payload<'_>) -> Result<Value, Fail> {
        let request = match payload {
            Payload::Get => self.http.get(url),
            Payload::Json(body) => self.http.post(url).json(body),
            Payload::File { name, bytes } => {
                let part = Part::bytes(bytes.to_vec()).file_name(name.to_owned());
                self.http.post(url).multipart(Form::new().part("media", part))
            }
        };
        let answer = request.send().await.map_err(|e| transport(e, false))?;
        let status = answer.status().as_u16();
        if status >= 500 {
            return Err(Fail::Unknown(format!("http {status}")));
        }
        if status != 200 {
            return Err(Fail::Http(status));
        }
        let mut bytes = Vec::new();
        let mut answer = answer;
        while let Some(chunk) = answer.chunk().await.map_err(|e| transport(e, true))? {
            if bytes.len() + chunk.len() > MAX_ANSWER {
                return Err(Fail::Unknown("the answer is too large".into()));
            }
            bytes.extend_from_slice(&chunk);
        }
        let value: Value =
            serde_json::from_slice(&bytes).map_err(|_| Fail::Unknown("the answer is not readable".into()))?;
        if !value.is_object() {
            return Err(Fail::Unknown("the answer is not readable".into()));
        }
        judged(value)
    }

    /// The current token; a new one when there is none, when four fifths of its life are over, or
    /// when it is the one that was just `refused`. Callers wait for one another here, so that
    /// many of them cause one request.
    async fn token(&self, refused: Option<&Secret>) -> Result<Secret, Fail> {
        let Credentials::App { corp_id, secret } = &self.credentials else {
            return Err(Fail::NotSent("this door has no access token".into()));
        };
        let mut held = self.token.lock().await;
        let now = self.clock.now();
        let mut spare = None;
        match &*held {
            Held::Token(token) if refused != Some(&token.value) => {
                if now < token.refresh_at {
                    return Ok(token.value.clone());
                }
                spare = Some(token.clone()).filter(|t| now < t.until);
            }
            Held::Refused { until, code, text } if now < *until => {
                return Err(Fail::Auth {
                    code: *code,
                    text: text.clone(),
                });
            }
            _ => {}
        }
        match self.fetch_token(corp_id, secret, now).await {
            Ok(token) => {
                let value = token.value.clone();
                *held = Held::Token(token);
                Ok(value)
            }
            Err(Fail::Auth { code, text }) => {
                *held = Held::Refused {
                    until: now + REFUSED_FOR,
                    code,
                    text: text.clone(),
                };
                Err(Fail::Auth { code, text })
            }
            // Renewed early, there is time to try again.
            Err(fail) => spare.map(|t| t.value).ok_or(fail),
        }
    }

    async fn fetch_token(&self, corp_id: &str, secret: &Secret, now: Timestamp) -> Result<Token, Fail> {
        let url = self.url("gettoken", &[("corpid", corp_id), ("corpsecret", secret.expose())]);
        let answer = self.exchange(url, Payload::Get).await.map_err(|fail| match fail {
            // Whatever became of this request, the call it was for has not been made.
            Fail::Unknown(reason) | Fail::NotSent(reason) => Fail::NotSent(format!("no access token: {reason}")),
            Fail::Http(status) => Fail::NotSent(format!("no access token: http {status}")),
            Fail::Code { code, text } if classify(code) == Class::Refused => Fail::Auth { code, text },
            other => other,
        })?;
        let value = answer.get("access_token").and_then(Value::as_str).unwrap_or_default();
        if value.is_empty() {
            return Err(Fail::NotSent("no access token in the answer".into()));
        }
        let life = Duration::from_secs(answer.get("expires_in").and_then(Value::as_u64).unwrap_or(7200));
        Ok(Token {
            value: Secret::new(value),
            refresh_at: now + life * 4 / 5,
            until: now + life,
        })
    }

    /// A call with the access token.
    pub async fn call(&self, api: &str, query: &[(&str, &str)], payload: Payload<'_>) -> Result<Value, Fail> {
        let token = self.token(None).await?;
        match self.once(api, query, payload, &token).await {
            Err(Fail::Auth { .. }) => {
                let token = self.token(Some(&token)).await?;
                self.once(api, query, payload, &token).await
            }
            other => other,
        }
    }

    async fn once(
        &self,
        api: &str,
        query: &[(&str, &str)],
        payload: Payload<'_>,
        token: &Secret,
    ) -> Result<Value, Fail> {
        let mut all = query.to_vec();
        all.push(("access_token", token.expose()));
        self.exchange(self.url(api, &all), payload).await
    }

    async fn robot(&self, api: &str, query: &[(&str, &str)], payload: Payload<'_>) -> Result<Value, Fail> {
        let Credentials::Robot { key } = &self.credentials else {
            return Err(Fail::NotSent("this door has no robot key".into()));
        };
        let mut all = query.to_vec();
        all.push(("key", key.expose()));
        self.exchange(self.url(api, &all), payload).await
    }

    /// True when this key has been tried before by this process.
    fn tried_before(&self, key: &str) -> bool {
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        if tried.len() >= REMEMBERED {
            tried.clear();
        }
        !tried.insert(key.to_owned())
    }

    /// A send that is counted for each of `members` before it leaves.
    async fn counted(&self, way: Way, members: &[String], api: &str, body: &Value) -> Result<Value, Fail> {
        let each = || members.iter().map(String::as_str);
        self.guard
            .take(way, each(), self.clock.now())
            .map_err(|after_ms| Fail::Enough { after_ms })?;
        let result = self.call(api, &[], Payload::Json(body)).await;
        // What the platform did not take counts for nobody.
        if result.is_err() && !matches!(result, Err(Fail::Unknown(_))) {
            self.guard.give_back(way, each());
        }
        result
    }

    /// Reads a group of the app and remembers it (document 90245).
    async fn group(&self, chat: &str) -> Result<Vec<UserId>, Fail> {
        let answer = self.call("appchat/get", &[("chatid", chat)], Payload::Get).await?;
        let info = answer.get("chat_info").cloned().unwrap_or_default();
        let text = |name: &str| {
            info.get(name)
                .and_then(Value::as_str)
                .filter(|t| !t.is_empty())
                .map(str::to_owned)
        };
        let members = strings(info.get("userlist"));
        let users = members.iter().filter_map(|id| UserId::new(id.as_str()).ok()).collect();
        let group = Group {
            name: text("name"),
            owner: text("owner"),
            members: members.iter().map(|id| id.to_lowercase()).collect(),
        };
        self.groups.learn(chat, group);
        Ok(users)
    }

    /// Sends one prepared request.
    pub async fn deliver(&self, prepared: &Prepared, key: &str) -> Outcome {
        let call: Call = match serde_json::from_str(&prepared.request) {
            Ok(call) => call,
            Err(e) => {
                return Outcome::Rejected {
                    code: "request".into(),
                    text: format!("a stored request of another version: {e}"),
                };
            }
        };
        match self.carry_out(&prepared.api, call, key).await {
            Ok(receipt) => Outcome::Sent(receipt),
            Err(fail) => outcome(fail),
        }
    }

    async fn carry_out(&self, api: &str, call: Call, key: &str) -> Result<Receipt, Fail> {
        match call {
            Call::Send { user, mut body } => {
                if body["enable_duplicate_check"] == 1 {
                    mark(&mut body, key);
                }
                let answer = self.counted(Way::Direct, &[user.to_string()], api, &body).await?;
                let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
                let card = body.get("template_card").is_some();
                let handle = CardHandle {
                    task: card.then(|| key.to_owned()),
                    msgid: text("msgid"),
                    code: text("response_code"),
                    user: Some(user.to_string()),
                };
                Ok(Receipt {
                    message: handle.id(),
                    failed: failed(&answer, &user),
                    ..Receipt::default()
                })
            }
            Call::ChatSend { body } => {
                let chat = body.get("chatid").and_then(Value::as_str).unwrap_or_default();
                let known = self.groups.get(chat);
                let members = known.as_ref().map(|group| group.members.clone()).unwrap_or_default();
                self.counted(Way::Group, &members, api, &body).await?;
                if known.is_none() {
                    // The next post is weighed by its members. Nothing depends on this one read.
                    let _ = self.group(chat).await;
                }
                Ok(Receipt::default())
            }
            Call::ChatUpdate { body } => {
                self.call(api, &[], Payload::Json(&body)).await?;
                let text = |name: &str| body.get(name).and_then(Value::as_str);
                self.groups.change(
                    text("chatid").unwrap_or_default(),
                    text("name"),
                    text("owner"),
                    &strings(body.get("add_user_list")),
                    &strings(body.get("del_user_list")),
                );
                Ok(Receipt::default())
            }
            Call::ChatCreate {
                name,
                owner,
                users,
                hello,
            } => {
                let body = json!({"name": name, "owner": owner, "userlist": users, "chatid": key});
                let chat = match self.call(api, &[], Payload::Json(&body)).await {
                    Ok(answer) => answer
                        .get("chatid")
                        .and_then(Value::as_str)
                        .and_then(|id| ChatId::new(id).ok()),
                    // An earlier attempt of this very effect made it; who is in it by now, it says itself.
                    Err(Fail::Code { code, .. }) if classify(code) == Class::Exists => {
                        if let Err(Fail::Code { code: 86008, text }) = self.group(key).await {
                            return Err(Fail::Code { code: 86008, text });
                        }
                        ChatId::new(key).ok()
                    }
                    Err(fail) => return Err(fail),
                };
                let members: Vec<String> = users.iter().map(|id| id.as_str().to_lowercase()).collect();
                if let Some(chat) = &chat
                    && self.groups.get(chat.as_str()).is_none()
                {
                    let group = Group {
                        name: Some(name),
                        owner: Some(owner.to_string()),
                        members: members.clone(),
                    };
                    self.groups.learn(chat.as_str(), group);
                }
                let first = json!({"chatid": key, "msgtype": "text", "text": {"content": hello}, "safe": 0});
                // The group exists whether or not these words arrive.
                if !hello.is_empty()
                    && let Err(fail) = self.counted(Way::Group, &members, "appchat/send", &first).await
                {
                    tracing::warn!(api = "appchat/send", reason = ?kind_of(&fail), "a new group stays invisible until something is posted");
                }
                Ok(Receipt {
                    chat,
                    ..Receipt::default()
                })
            }
            Call::ChatGet { chat } => {
                let users = self.group(chat.as_str()).await?;
                Ok(Receipt {
                    chat: Some(chat),
                    users,
                    ..Receipt::default()
                })
            }
            Call::CardUpdate { card, body } => {
                let again = self.tried_before(key);
                let answer = match self.call(api, &[], Payload::Json(&body)).await {
                    Ok(answer) => answer,
                    // The code works once: this effect's own earlier attempt has used it.
                    Err(Fail::Code { code: 60140, .. }) if again => Value::Null,
                    Err(fail) => return Err(fail),
                };
                let failed = answer
                    .get("invaliduser")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .map(|id| failed_receiver(id, "invaliduser"))
                    .collect();
                let message = CardHandle {
                    task: card,
                    ..CardHandle::default()
                };
                Ok(Receipt {
                    message: message.task.is_some().then(|| message.id()).flatten(),
                    failed,
                    ..Receipt::default()
                })
            }
            Call::Recall { msgid } => {
                self.call(api, &[], Payload::Json(&json!({"msgid": msgid}))).await?;
                Ok(Receipt::default())
            }
            Call::Upload { name, kind, data } => {
                let bytes = decode(&data)?;
                let file = Payload::File {
                    name: &name,
                    bytes: &bytes,
                };
                Ok(uploaded(&self.call(api, &[("type", &kind)], file).await?))
            }
            Call::Schedule { body } => {
                let answer = self.call(api, &[], Payload::Json(&body)).await?;
                let handle = answer.get("schedule_id").and_then(Value::as_str).map(str::to_owned);
                Ok(Receipt {
                    handle,
                    ..Receipt::default()
                })
            }
            Call::RobotSend { body } => {
                self.robot(api, &[], Payload::Json(&body)).await?;
                Ok(Receipt::default())
            }
            Call::RobotUpload { name, kind, data } => {
                let bytes = decode(&data)?;
                let file = Payload::File {
                    name: &name,
                    bytes: &bytes,
                };
                Ok(uploaded(&self.robot(api, &[("type", &kind)], file).await?))
            }
            Call::Respond { url, until, mut body } => {
                let refuse = |code: i64, text: &str| Fail::Code {
                    code,
                    text: text.to_owned(),
                };
                let url = Url::parse(&url)
                    .ok()
                    .filter(|url| may_respond(url, &self.base))
                    .ok_or_else(|| refuse(0, "the answer address is not one of the platform's"))?;
                if self.clock.now().millis() > until {
                    return Err(refuse(
                        60140,
                        "the address to answer to works for one hour, which is over",
                    ));
                }
                if let Some(card) = body.get_mut("template_card") {
                    card["task_id"] = json!(key);
                }
                let again = self.tried_before(key);
                match self.exchange(url, Payload::Json(&body)).await {
                    Ok(_) => {}
                    Err(Fail::Code { code: 60140, .. }) if again => {}
                    Err(fail) => return Err(fail),
                }
                let card = body.get("template_card").is_some();
                let handle = CardHandle {
                    task: card.then(|| key.to_owned()),
                    ..CardHandle::default()
                };
                Ok(Receipt {
                    message: card.then(|| handle.id()).flatten(),
                    ..Receipt::default()
                })
            }
        }
    }
}

fn rustls_provider() -> Result<(), ()> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| ())
}

/// An answer by its code. A few old calls leave `errcode` out of a success.
fn judged(answer: Value) -> Result<Value, Fail> {
    let code = match answer.get("errcode") {
        None | Some(Value::Null) => 0,
        Some(code) => code
            .as_i64()
            .ok_or_else(|| Fail::Unknown("the answer is not readable".into()))?,
    };
    if code == 0 {
        return Ok(answer);
    }
    let text = explain(code, answer.get("errmsg").and_then(Value::as_str).unwrap_or_default());
    Err(match classify(code) {
        Class::Token => Fail::Auth { code, text },
        _ => Fail::Code { code, text },
    })
}

fn strings(list: Option<&Value>) -> Vec<String> {
    list.and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|id| id.as_str().map(str::to_owned))
        .collect()
}

fn decode(data: &str) -> Result<Vec<u8>, Fail> {
    base64::engine::general_purpose::STANDARD
        .decode(data)
        .map_err(|_| Fail::Code {
            code: 40006,
            text: "the upload is not valid base64".into(),
        })
}

fn uploaded(answer: &Value) -> Receipt {
    Receipt {
        handle: answer.get("media_id").and_then(Value::as_str).map(str::to_owned),
        ..Receipt::default()
    }
}

/// Receivers that an accepted send did not reach: joined by `|`, user ids in lower case.
fn failed(answer: &Value, user: &UserId) -> Vec<FailedReceiver> {
    ["invaliduser", "invalidparty", "invalidtag", "unlicenseduser"]
        .into_iter()
        .flat_map(|field| {
            let list = answer.get(field).and_then(Value::as_str).unwrap_or_default();
            list.split('|')
                .filter(|id| !id.is_empty())
                .map(|id| {
                    let id = if id.eq_ignore_ascii_case(user.as_str()) {
                        user.as_str()
                    } else {
                        id
                    };
                    failed_receiver(id, field)
                })
                .collect::<Vec<_>>()
        })
        .collect()
}

fn failed_receiver(id: &str, why: &str) -> FailedReceiver {
    FailedReceiver {
        receiver: id.to_owned(),
        code: why.to_owned(),
        text: match why {
            "unlicenseduser" => "账号未激活或没有许可 / the account has no licence",
            "invalidparty" => "部门不在应用可见范围内或不存在 / no such department in the app's visible range",
            "invalidtag" => "标签不在应用可见范围内或不存在 / no such tag in the app's visible range",
            _ => "不在应用可见范围内或不存在 / not in the app's visible range, or unknown",
        }
        .to_owned(),
    }
}

fn transport(error: reqwest::Error, answered: bool) -> Fail {
    let unsent = !answered && (error.is_connect() || error.is_builder());
    // The address carries a secret in its query: it must not stand in a text.
    let error = error.without_url();
    let what = if error.is_timeout() { "timeout" } else { "connection" };
    let reason = format!("{what}: {}", root_cause(&error));
    if unsent {
        Fail::NotSent(reason)
    } else {
        Fail::Unknown(reason)
    }
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string().chars().take(160).collect()
}

/// For logs: what kind of failure, without any text of the platform.
fn kind_of(fail: &Fail) -> String {
    match fail {
        Fail::NotSent(_) => "not_sent".into(),
        Fail::Unknown(_) => "unknown".into(),
        Fail::Auth { code, .. } | Fail::Code { code, .. } => code.to_string(),
        Fail::Http(status) => format!("http_{status}"),
        Fail::Enough { .. } => "member_limit".into(),
    }
}

/// The outcome of a send that failed.
pub fn outcome(fail: Fail) -> Outcome {
    match fail {
        Fail::NotSent(reason) => Outcome::NotSent { reason },
        Fail::Unknown(reason) => Outcome::Unknown { reason },
        Fail::Auth { code, text } => Outcome::AuthExpired {
            code: code.to_string(),
            text,
        },
        Fail::Enough { after_ms } => Outcome::RateLimited {
            code: "member_limit".into(),
            scope: LimitScope::Destination,
            after_ms: Some(after_ms),
        },
        Fail::Http(429) => Outcome::RateLimited {
            code: "http_429".into(),
            scope: LimitScope::App,
            after_ms: Some(60_000),
        },
        Fail::Http(status) => Outcome::Rejected {
            code: format!("http_{status}"),
            text: "这不是企业微信的回答，请检查 base_url 与代理 / not an answer of WeCom: check base_url and proxy"
                .into(),
        },
        Fail::Code { code, text } => match classify(code) {
            Class::Rate { scope, after_ms } => Outcome::RateLimited {
                code: code.to_string(),
                scope,
                after_ms: Some(after_ms),
            },
            Class::Busy => Outcome::NotSent {
                reason: format!("busy ({code})"),
            },
            _ => Outcome::Rejected {
                code: code.to_string(),
                text,
            },
        },
    }
}

/// The error of a read that failed.
pub fn read_error(fail: Fail) -> CallError {
    match outcome(fail) {
        Outcome::Rejected { code, text } => CallError::Rejected { code, text },
        Outcome::RateLimited { code, after_ms, .. } => CallError::RateLimited { code, after_ms },
        Outcome::AuthExpired { code, text } => CallError::Auth { code, text },
        Outcome::NotSent { reason } | Outcome::Unknown { reason } => CallError::Unavailable(reason),
        Outcome::Sent(_) => CallError::Unavailable("no answer".into()),
    }
}
