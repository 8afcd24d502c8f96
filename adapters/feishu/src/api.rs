//! Talking to the platform: the access token, one exchange, and what its end means.
//!
//! The question that decides everything else is whether the platform may have acted. A request that
//! never left is [`Outcome::NotSent`]; one that left and brought no readable answer is
//! [`Outcome::Unknown`]; only a code of 0 is success (reliability.md 3.2).

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hutong_model::{
    CallError, ChatId, Clock, FailedReceiver, LimitScope, MessageId, Outcome, Prepared, Receipt, Secret, Timestamp,
    UserId,
};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::multipart::{Form, Part};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::calls::{self, Call, KeyPlace, Method, Then};
use crate::codes::{self, Class};
use crate::config::Config;

const CONNECT: Duration = Duration::from_secs(3);
const WHOLE_CALL: Duration = Duration::from_secs(15);
/// Answers are small; a page of people is about 100 KB.
const MAX_ANSWER: usize = 8 << 20;
/// A token that was refused right after it was fetched by force is not fetched again at once.
const FORCED_APART: Duration = Duration::from_secs(2);
/// A read that met a rate limit is tried this many times more, after the wait the platform asks for.
const READ_RETRIES: u32 = 2;
const LONGEST_READ_WAIT: Duration = Duration::from_secs(5);
/// Pages of one listing; 1,000 pages of 100 are the largest chats many times over.
const MAX_PAGES: usize = 1000;

/// The platform's answer with code 0, or why there is none.
#[derive(Debug)]
pub enum Failure {
    /// No request byte left.
    NotSent(String),
    /// The platform's own code.
    Code {
        code: i64,
        text: String,
        after_ms: Option<u64>,
    },
    /// A status without a readable code, below 500.
    Status { status: u16, after_ms: Option<u64> },
    /// Perhaps done.
    Unknown(String),
}

impl Failure {
    fn outcome(self, gone_is_done: bool) -> Outcome {
        match self {
            Failure::NotSent(reason) => Outcome::NotSent { reason },
            Failure::Unknown(reason) => Outcome::Unknown { reason },
            Failure::Status { status: 429, after_ms } => Outcome::RateLimited {
                code: "http_429".to_owned(),
                scope: LimitScope::App,
                after_ms,
            },
            Failure::Status { status: 408, .. } => Outcome::Unknown {
                reason: "http 408".to_owned(),
            },
            Failure::Status { status, .. } => Outcome::Rejected {
                code: format!("http_{status}"),
                text: "no readable answer".to_owned(),
            },
            Failure::Code { code, text, after_ms } => {
                let name = code.to_string();
                match codes::class(code) {
                    Class::Gone if gone_is_done => Outcome::Sent(Receipt::default()),
                    Class::Reject | Class::Gone => Outcome::Rejected {
                        code: name,
                        text: codes::explain(code, &text),
                    },
                    Class::Rate(scope) => Outcome::RateLimited {
                        code: name,
                        scope,
                        after_ms,
                    },
                    Class::Auth => Outcome::AuthExpired {
                        code: name,
                        text: codes::explain(code, &text),
                    },
                    Class::Busy => Outcome::NotSent {
                        reason: format!("{name}: {}", codes::explain(code, &text)),
                    },
                    Class::Unknown => Outcome::Unknown {
                        reason: format!("{name}: {}", codes::explain(code, &text)),
                    },
                }
            }
        }
    }

    pub fn error(self) -> CallError {
        match self.outcome(false) {
            Outcome::Rejected { code, text } => CallError::Rejected { code, text },
            Outcome::RateLimited { code, after_ms, .. } => CallError::RateLimited { code, after_ms },
            Outcome::AuthExpired { code, text } => CallError::Auth { code, text },
            Outcome::NotSent { reason } | Outcome::Unknown { reason } => CallError::Unavailable(reason),
            Outcome::Sent(_) => CallError::Unavailable("an answer without content".to_owned()),
        }
    }

    fn is_auth(&self) -> bool {
        matches!(self, Failure::Code { code, .. } if codes::class(*code) == Class::Auth)
    }

    pub fn code(&self) -> Option<i64> {
        match self {
            Failure::Code { code, .. } => Some(*code),
            _ => None,
        }
    }
}

#[derive(Debug, Deserialize)]
struct TokenAnswer {
    code: i64,
    #[serde(default)]
    msg: String,
    #[serde(default)]
    tenant_access_token: Option<String>,
    /// Seconds.
    #[serde(default)]
    expire: Option<i64>,
}

#[derive(Clone)]
struct Token {
    text: Secret,
    generation: u64,
    fetched: Instant,
    fetched_at: Timestamp,
    life: Duration,
    forced: bool,
}

impl Token {
    /// At 80 % of its life a token is replaced: with the platform's two hours that is at 24 minutes
    /// left, where it hands out a new one and keeps the old one alive (feishu.md 1.1). Both the
    /// machine's monotonic clock and the clock of the app count, so that a clock that is set, or
    /// driven, cannot make an old token look young.
    fn fresh(&self, now: Timestamp) -> bool {
        let limit = self.life.mul_f64(0.8);
        self.fetched.elapsed() < limit && now.since(self.fetched_at) < limit
    }
}

/// One app's connection to its platform.
pub struct Api {
    http: reqwest::Client,
    base: String,
    app_id: String,
    app_secret: Secret,
    clock: Arc<dyn Clock>,
    /// Held while a token is fetched, so that there is one fetch however many callers wait.
    token: Mutex<Option<Token>>,
    /// The bot's own calendar, asked for once.
    calendar: OnceLock<String>,
}

impl Api {
    pub fn new(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, String> {
        // Another adapter may have installed it first; they all choose the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(WHOLE_CALL)
            .redirect(reqwest::redirect::Policy::none())
            .pool_idle_timeout(Duration::from_secs(50))
            .user_agent("hutong");
        if config.loopback {
            builder = builder.no_proxy();
        }
        Ok(Self {
            http: builder.build().map_err(|e| e.to_string())?,
            base: config.base.clone(),
            app_id: config.app_id.clone(),
            app_secret: config.app_secret.clone(),
            clock,
            token: Mutex::new(None),
            calendar: OnceLock::new(),
        })
    }

    /// For calls that carry their own credentials: the address of the long connection.
    pub fn client(&self) -> reqwest::Client {
        self.http.clone()
    }

    /// The token to use. `refused` is the generation the platform has just refused: a newer one in the
    /// cache is used without another fetch.
    async fn token(&self, refused: Option<u64>) -> Result<Token, Failure> {
        let mut slot = self.token.lock().await;
        if let Some(token) = slot.as_ref() {
            match refused {
                None if token.fresh(self.clock.now()) => return Ok(token.clone()),
                Some(generation) if token.generation != generation => return Ok(token.clone()),
                Some(_) if token.forced && token.fetched.elapsed() < FORCED_APART => {
                    return Err(Failure::Code {
                        code: 99_991_663,
                        text: "a token fetched just now is refused too".to_owned(),
                        after_ms: None,
                    });
                }
                _ => {}
            }
        }
        let generation = slot.as_ref().map_or(0, |t| t.generation) + 1;
        let body = json!({ "app_id": self.app_id, "app_secret": self.app_secret.expose() });
        let request = self
            .http
            .post(format!("{}/open-apis/auth/v3/tenant_access_token/internal", self.base))
            .header(CONTENT_TYPE, "application/json; charset=utf-8")
            .body(body.to_string());
        // Whatever goes wrong here, the call that needs the token has not been made.
        let answer = match self.exchange(request).await {
            Ok(bytes) => bytes,
            Err(Failure::Unknown(reason)) => return Err(Failure::NotSent(format!("access token: {reason}"))),
            Err(Failure::Status { status, .. }) if status != 429 => {
                return Err(Failure::NotSent(format!("access token: http {status}")));
            }
            Err(other) => return Err(other),
        };
        let answer: TokenAnswer =
            serde_json::from_slice(&answer).map_err(|_| Failure::NotSent("access token: unreadable answer".into()))?;
        let text = match answer.tenant_access_token {
            Some(text) if answer.code == 0 && !text.is_empty() => text,
            _ => {
                return Err(Failure::Code {
                    code: answer.code,
                    text: answer.msg,
                    after_ms: None,
                });
            }
        };
        let life = Duration::from_secs(answer.expire.unwrap_or(0).clamp(0, 7200).unsigned_abs());
        let token = Token {
            text: Secret::new(text),
            generation,
            fetched: Instant::now(),
            fetched_at: self.clock.now(),
            life,
            forced: refused.is_some(),
        };
        *slot = Some(token.clone());
        Ok(token)
    }

    /// Sends and reads; `Ok` is the body of an answer whose code, where it has one, is 0.
    async fn exchange(&self, request: reqwest::RequestBuilder) -> Result<Vec<u8>, Failure> {
        let mut response = match request.send().await {
            Ok(response) => response,
            // DNS, TCP and TLS, the connect timeout included: before any byte of the request.
            Err(e) if e.is_connect() || e.is_builder() => {
                return Err(Failure::NotSent(format!("not connected: {}", reason(&e))));
            }
            Err(e) => return Err(Failure::Unknown(reason(&e))),
        };
        let status = response.status().as_u16();
        let after_ms = response
            .headers()
            .get("x-ogw-ratelimit-reset")
            .and_then(|v| v.to_str().ok()?.trim().parse::<u64>().ok())
            .map(|s| s.saturating_mul(1000));
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > MAX_ANSWER => {
                    return Err(Failure::Unknown("the answer is too long".to_owned()));
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(e) => return Err(Failure::Unknown(reason(&e))),
            }
        }
        #[derive(Deserialize)]
        struct Head {
            code: i64,
            #[serde(default)]
            msg: String,
        }
        match serde_json::from_slice::<Head>(&body) {
            Ok(head) if head.code == 0 && (200..300).contains(&status) => Ok(body),
            // The platform says what happened, whatever the status says.
            Ok(head) if head.code != 0 && (status < 500 || codes::class(head.code) != Class::Reject) => {
                Err(Failure::Code {
                    code: head.code,
                    text: head.msg,
                    after_ms,
                })
            }
            _ if status == 429 => Err(Failure::Status { status, after_ms }),
            _ if (300..500).contains(&status) => Err(Failure::Status { status, after_ms }),
            _ => Err(Failure::Unknown(format!("http {status} without a readable answer"))),
        }
    }

    fn request(&self, call: &Call, key: &str, token: &Token) -> Result<reqwest::RequestBuilder, Failure> {
        let (query, body) = calls::with_key(call, key);
        let method = match call.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Patch => reqwest::Method::PATCH,
            Method::Delete => reqwest::Method::DELETE,
        };
        let mut request = self
            .http
            .request(method, format!("{}{}", self.base, call.path))
            .header(AUTHORIZATION, format!("Bearer {}", token.text.expose()));
        if !query.is_empty() {
            request = request.query(&query);
        }
        match (&call.then, body) {
            (Then::Upload { image }, Some(body)) => Ok(request.multipart(form(&body, *image)?)),
            (_, Some(body)) => Ok(request
                .header(CONTENT_TYPE, "application/json; charset=utf-8")
                .body(body.to_string())),
            (_, None) => Ok(request),
        }
    }

    /// One call with a token; after a refusal of the token, once more with a new one.
    pub async fn call(&self, call: &Call, key: &str) -> Result<Value, Failure> {
        let token = self.token(None).await?;
        let first = self.exchange(self.request(call, key, &token)?).await;
        let answer = match first {
            Err(failure) if failure.is_auth() => {
                tracing::info!(app = %self.app_id, "access token refused, fetching a new one");
                let token = self.token(Some(token.generation)).await?;
                self.exchange(self.request(call, key, &token)?).await?
            }
            other => other?,
        };
        serde_json::from_slice(&answer).map_err(|_| Failure::Unknown("an answer that cannot be read".to_owned()))
    }

    /// `GET` without a key. Reads are safe to repeat, so that a listing of many small departments waits
    /// out the limit per second instead of failing half-way.
    pub async fn get(&self, path: String, query: Vec<(String, String)>) -> Result<Value, Failure> {
        let call = Call {
            method: Method::Get,
            path,
            query,
            body: None,
            key: KeyPlace::None,
            then: Then::Nothing,
        };
        for _ in 0..READ_RETRIES {
            match self.call(&call, "").await {
                Err(Failure::Code { code, after_ms, .. }) if matches!(codes::class(code), Class::Rate(_)) => {
                    let wait = Duration::from_millis(after_ms.unwrap_or(1000).max(50));
                    tokio::time::sleep(wait.min(LONGEST_READ_WAIT)).await;
                }
                other => return other,
            }
        }
        self.call(&call, "").await
    }

    /// Sends one prepared request.
    pub async fn deliver(&self, prepared: &Prepared, key: &str) -> Outcome {
        let call: Call = match serde_json::from_str(&prepared.request) {
            Ok(call) => call,
            Err(e) => {
                return Outcome::Rejected {
                    code: "stored_request".to_owned(),
                    text: format!("cannot be read: {e}"),
                };
            }
        };
        let gone = call.then == Then::Gone;
        match self.perform(&call, key).await {
            Ok(receipt) => Outcome::Sent(receipt),
            Err(failure) => failure.outcome(gone),
        }
    }

    async fn perform(&self, call: &Call, key: &str) -> Result<Receipt, Failure> {
        match &call.then {
            Then::Nothing | Then::Gone => self.call(call, key).await.map(|_| Receipt::default()),
            Then::Message => {
                let answer = self.call(call, key).await?;
                let data = &answer["data"];
                Ok(Receipt {
                    message: id(&data["message_id"], |t| MessageId::new(t).ok()),
                    chat: id(&data["chat_id"], |t| ChatId::new(t).ok()),
                    ..Receipt::default()
                })
            }
            Then::Members => Ok(Receipt {
                failed: failed_members(&self.call(call, key).await?),
                ..Receipt::default()
            }),
            Then::Urgent => {
                let answer = self.call(call, key).await?;
                let failed = failed_list(&answer, "invalid_user_id_list", "不在群里 / not in the chat");
                Ok(Receipt {
                    failed,
                    ..Receipt::default()
                })
            }
            Then::Upload { image } => {
                let answer = self.call(call, key).await?;
                let name = if *image { "image_key" } else { "file_key" };
                let handle = answer["data"][name].as_str().map(str::to_owned);
                match handle {
                    Some(handle) => Ok(Receipt {
                        handle: Some(handle),
                        ..Receipt::default()
                    }),
                    None => Err(Failure::Unknown(format!("the answer has no {name}"))),
                }
            }
            Then::Ids { field } => self.all_ids(call, field).await,
            Then::Chat { more } => self.new_chat(call, key, more).await,
            Then::Calendar { attendees } => self.calendar_entry(call, key, attendees).await,
        }
    }

    /// Makes the chat, then adds everybody beyond the first fifty. A repeat with the same key finds
    /// the same chat, and adding somebody twice changes nothing, so that a failure half-way may simply
    /// be repeated.
    async fn new_chat(&self, call: &Call, key: &str, more: &[(String, Vec<String>)]) -> Result<Receipt, Failure> {
        let answer = self.call(call, key).await?;
        let Some(chat) = id(&answer["data"]["chat_id"], |t| ChatId::new(t).ok()) else {
            return Err(Failure::Unknown("the answer has no chat_id".to_owned()));
        };
        let mut failed = Vec::new();
        for (kind, list) in more {
            let add = calls::add_members(chat.as_str(), kind, list);
            match self.call(&add, key).await {
                Ok(answer) => failed.extend(failed_members(&answer)),
                Err(Failure::Code { code, text, .. }) if codes::class(code) == Class::Reject => {
                    failed.extend(list.iter().map(|receiver| FailedReceiver {
                        receiver: receiver.clone(),
                        code: code.to_string(),
                        text: codes::explain(code, &text),
                    }));
                }
                Err(other) => return Err(other),
            }
        }
        Ok(Receipt {
            chat: Some(chat),
            failed,
            ..Receipt::default()
        })
    }

    async fn all_ids(&self, call: &Call, field: &str) -> Result<Receipt, Failure> {
        let mut users = Vec::new();
        let mut page: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut call = call.clone();
            if let Some(token) = &page {
                call.query.push(("page_token".to_owned(), token.clone()));
            }
            let answer = self.call(&call, "").await?;
            let data = &answer["data"];
            let items = data["items"].as_array().map(Vec::as_slice).unwrap_or_default();
            users.extend(
                items
                    .iter()
                    .filter_map(|item| id(&item[field], |t| UserId::new(t).ok())),
            );
            page = next_page(data);
            if page.is_none() {
                // A page may hold a person twice when members join meanwhile.
                let mut seen = std::collections::HashSet::new();
                users.retain(|u| seen.insert(u.clone()));
                return Ok(Receipt {
                    users,
                    ..Receipt::default()
                });
            }
        }
        Err(Failure::Unknown("the listing does not end".to_owned()))
    }

    async fn calendar_entry(&self, call: &Call, key: &str, attendees: &[Value]) -> Result<Receipt, Failure> {
        let calendar = match self.calendar.get() {
            Some(calendar) => calendar.clone(),
            None => {
                let primary = Call {
                    method: Method::Post,
                    path: call.path.clone(),
                    query: Vec::new(),
                    body: None,
                    key: KeyPlace::None,
                    then: Then::Nothing,
                };
                let answer = self.call(&primary, "").await?;
                let found = answer["data"]["calendars"][0]["calendar"]["calendar_id"].as_str();
                let Some(found) = found else {
                    return Err(Failure::NotSent("the bot has no calendar".to_owned()));
                };
                let _ = self.calendar.set(found.to_owned());
                found.to_owned()
            }
        };
        let events = format!("/open-apis/calendar/v4/calendars/{}/events", calls::segment(&calendar));
        let create = Call {
            path: events.clone(),
            then: Then::Nothing,
            ..call.clone()
        };
        let answer = self.call(&create, key).await?;
        let Some(event) = answer["data"]["event"]["event_id"].as_str() else {
            return Err(Failure::Unknown("the answer has no event_id".to_owned()));
        };
        if !attendees.is_empty() {
            let invite = Call {
                method: Method::Post,
                path: format!("{events}/{}/attendees", calls::segment(event)),
                query: call.query.clone(),
                body: Some(json!({ "attendees": attendees, "need_notification": true })),
                key: KeyPlace::None,
                then: Then::Nothing,
            };
            self.call(&invite, "").await?;
        }
        Ok(Receipt {
            handle: Some(event.to_owned()),
            ..Receipt::default()
        })
    }
}

/// The token of the next page, when there is one.
pub fn next_page(data: &Value) -> Option<String> {
    if data["has_more"].as_bool() != Some(true) {
        return None;
    }
    data["page_token"].as_str().filter(|t| !t.is_empty()).map(str::to_owned)
}

fn id<T>(value: &Value, make: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    value.as_str().and_then(make)
}

/// The three lists of a call that succeeded as a whole (feishu.md 5.7: always read them).
fn failed_members(answer: &Value) -> Vec<FailedReceiver> {
    [
        (
            "invalid_id_list",
            "ID 无效或不可见 / the id is not valid or not visible to the app",
        ),
        ("not_existed_id_list", "没有此人 / no such person"),
        (
            "pending_approval_id_list",
            "等待群主审批 / waits for the owner's approval",
        ),
    ]
    .into_iter()
    .flat_map(|(list, text)| failed_list(answer, list, text))
    .collect()
}

fn failed_list(answer: &Value, list: &str, text: &str) -> Vec<FailedReceiver> {
    let ids = answer["data"][list].as_array().map(Vec::as_slice).unwrap_or_default();
    ids.iter()
        .filter_map(Value::as_str)
        .map(|receiver| FailedReceiver {
            receiver: receiver.to_owned(),
            code: list.to_owned(),
            text: text.to_owned(),
        })
        .collect()
}

fn form(body: &Value, image: bool) -> Result<Form, Failure> {
    let bad = |what: &str| Failure::Code {
        code: 234_006,
        text: what.to_owned(),
        after_ms: None,
    };
    let data = STANDARD
        .decode(body["data"].as_str().unwrap_or_default())
        .map_err(|_| bad("the file is not base64"))?;
    let name = body["name"].as_str().unwrap_or("file").to_owned();
    let part = Part::bytes(data).file_name(name.clone());
    Ok(if image {
        Form::new().text("image_type", "message").part("image", part)
    } else {
        let kind = body["file_type"].as_str().unwrap_or("stream").to_owned();
        Form::new()
            .text("file_type", kind)
            .text("file_name", name)
            .part("file", part)
    })
}

/// The kind of error without the address: it is our own, and a query can hold ids.
pub fn reason(error: &reqwest::Error) -> String {
    use std::error::Error as _;
    let kind = if error.is_timeout() {
        "time-out"
    } else if error.is_connect() {
        "connect"
    } else if error.is_body() || error.is_decode() {
        "body"
    } else {
        "connection"
    };
    let mut source = error.source();
    let mut last = String::new();
    while let Some(cause) = source {
        last = cause.to_string();
        source = cause.source();
    }
    if last.is_empty() {
        kind.to_owned()
    } else {
        format!("{kind}: {last}")
    }
}
