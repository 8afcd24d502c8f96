//! Talking to the platform: the access token, one exchange, and what its end means.
//!
//! The question that decides everything else is whether the platform may have acted. A request that
//! never left is [`Outcome::NotSent`]; one that left and brought no readable answer is
//! [`Outcome::Unknown`]; only a code of 0 is success (reliability.md 3.2).

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hutong_model::{ChatId, Clock, FailedReceiver, MessageId, Outcome, Prepared, Receipt, Secret, Timestamp, UserId};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::multipart::{Form, Part};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;

pub use crate::answer::{Failure, next_page, page_after};
use crate::answer::{Head, failed_list, failed_members, id, without_mentions};
use crate::badges;
use crate::calls::{self, Call, Method, Then};
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
    /// Held while the people of a badge are read and written back.
    pub badges: Mutex<()>,
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
            badges: Mutex::new(()),
        })
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
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
                        scopes: Vec::new(),
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
                    scopes: Vec::new(),
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
        match serde_json::from_slice::<Head>(&body) {
            Ok(head) if head.code == 0 && (200..300).contains(&status) => Ok(body),
            // The platform says what happened, whatever the status says.
            Ok(head) if head.code != 0 && (status < 500 || codes::class(head.code) != Class::Reject) => {
                Err(Failure::Code {
                    code: head.code,
                    scopes: head.scopes(),
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
        let mut call = Call::new(Method::Get, path, Then::Nothing);
        call.query = query;
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
        let mut done = self.perform(&call, key).await;
        // Nothing was sent. One id that this app does not know fails the whole card (feishu.md gotcha 22):
        // the message matters more than the ping. First without those whom the refusal names, then
        // without any.
        let (mut rest, mut unreached) = (call, Vec::new());
        for all in [false, true] {
            let Some(text) = done.as_ref().err().and_then(Failure::unknown_person) else {
                break;
            };
            let unknown: Vec<(String, String)> = rest
                .names
                .iter()
                .filter(|(id, _)| all || text.contains(id.as_str()))
                .cloned()
                .collect();
            if let Some(plain) = without_mentions(&rest, &unknown) {
                tracing::warn!(app = %self.app_id, "a person in a card is not known, sending it with their name only");
                done = self.perform(&plain, key).await;
                rest = plain;
                unreached.extend(unknown.into_iter().map(|(receiver, _)| FailedReceiver {
                    receiver,
                    code: "100290".to_owned(),
                    text: "平台不认识，只写了名字 / not known to the platform: named, not pinged".to_owned(),
                }));
            }
        }
        if let Ok(receipt) = &mut done {
            receipt.failed.extend(unreached);
        }
        match done {
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
            Then::Badge { users, given } => badges::change(self, call, users, *given).await,
            Then::Edit { card } => match self.call(call, key).await {
                Ok(_) => Ok(Receipt::default()),
                // It is a card: `PUT` is for texts only.
                Err(Failure::Code { code: 230_001, .. }) => {
                    let mut patch = Call::new(Method::Patch, call.path.clone(), Then::Nothing);
                    patch.body = Some(json!({ "content": card }));
                    self.call(&patch, key).await.map(|_| Receipt::default())
                }
                Err(other) => Err(other),
            },
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
                let primary = Call::new(Method::Post, call.path.clone(), Then::Nothing);
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
        let path = format!("{events}/{}/attendees", calls::segment(event));
        let failed = self.invite(&path, &call.query, attendees).await?;
        Ok(Receipt {
            handle: Some(event.to_owned()),
            failed,
            ..Receipt::default()
        })
    }

    /// One person whom the platform refuses (has left, is outside the availability range) refuses the
    /// whole list; then everybody is invited alone, and who fails is named.
    async fn invite(
        &self,
        path: &str,
        query: &[(String, String)],
        attendees: &[Value],
    ) -> Result<Vec<FailedReceiver>, Failure> {
        if attendees.is_empty() {
            return Ok(Vec::new());
        }
        let call = |attendees: &[Value]| {
            let mut call = Call::new(Method::Post, path.to_owned(), Then::Nothing)
                .body(json!({ "attendees": attendees, "need_notification": true }));
            call.query = query.to_vec();
            call
        };
        let refusal = |failure: Failure, attendee: &Value| match failure {
            Failure::Code { code, text, .. } if codes::class(code) == Class::Reject => Ok(FailedReceiver {
                receiver: attendee["user_id"].as_str().unwrap_or_default().to_owned(),
                code: code.to_string(),
                text: codes::explain(code, &text),
            }),
            other => Err(other),
        };
        match (self.call(&call(attendees), "").await, attendees) {
            (Ok(_), _) => Ok(Vec::new()),
            (Err(failure), [alone]) => Ok(vec![refusal(failure, alone)?]),
            (Err(Failure::Code { code, .. }), many) if codes::class(code) == Class::Reject => {
                let mut failed = Vec::new();
                for attendee in many {
                    if let Err(failure) = self.call(&call(std::slice::from_ref(attendee)), "").await {
                        failed.push(refusal(failure, attendee)?);
                    }
                }
                Ok(failed)
            }
            (Err(other), _) => Err(other),
        }
    }

    /// An answer that is a file. `Err` when it is longer than `limit`, or JSON, which is how the
    /// platform refuses (feishu.md 5.6).
    pub async fn download(&self, path: &str, kind: &str, limit: usize) -> Result<Vec<u8>, Failure> {
        let call = Call::new(Method::Get, path.to_owned(), Then::Nothing).query("type", kind);
        let token = self.token(None).await?;
        match self.file(self.request(&call, "", &token)?, limit).await {
            Err(failure) if failure.is_auth() => {
                let token = self.token(Some(token.generation)).await?;
                self.file(self.request(&call, "", &token)?, limit).await
            }
            other => other,
        }
    }

    async fn file(&self, request: reqwest::RequestBuilder, limit: usize) -> Result<Vec<u8>, Failure> {
        let mut response = request.send().await.map_err(|e| Failure::Unknown(reason(&e)))?;
        let status = response.status().as_u16();
        let json = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .is_some_and(|t| t.starts_with("application/json"));
        let refused = status != 200 || json;
        // A refusal is short; what a person sent as a JSON file carries another type.
        let limit = if refused { 64 << 10 } else { limit };
        let too_long = || Failure::Code {
            code: 234_037,
            text: format!("longer than {limit} bytes"),
            after_ms: None,
            scopes: Vec::new(),
        };
        if response.content_length().is_some_and(|n| n > limit as u64) {
            return Err(too_long());
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| Failure::Unknown(reason(&e)))? {
            if body.len() + chunk.len() > limit {
                return Err(too_long());
            }
            body.extend_from_slice(&chunk);
        }
        if !refused {
            return Ok(body);
        }
        match serde_json::from_slice::<Head>(&body) {
            Ok(head) if head.code != 0 => Err(Failure::Code {
                code: head.code,
                scopes: head.scopes(),
                text: head.msg,
                after_ms: None,
            }),
            _ => Err(Failure::Status { status, after_ms: None }),
        }
    }
}

fn form(body: &Value, image: bool) -> Result<Form, Failure> {
    let bad = |what: &str| Failure::Code {
        code: 234_006,
        text: what.to_owned(),
        after_ms: None,
        scopes: Vec::new(),
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
