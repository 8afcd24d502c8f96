//! One request to the platform: access token, both API generations, and what an answer means.
//!
//! The token is fetched once for everybody who waits for it, renewed in the background of a call when
//! 80 % of its life is over, and on a refusal renewed once and the call repeated once. Its age is
//! measured from its receipt by the machine's monotonic clock, so that a wrong wall clock cannot make
//! it look valid. Tokens of the new API work in the old one (1.1), so there is one per app.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hutong_model::{CallError, Clock, Outcome};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use url::Url;

use crate::codes::{self, Class};
use crate::config::{Config, loopback};
use crate::quota::{Quota, Usage};

/// Larger than any answer we ask for.
const MAX_ANSWER: usize = 8 << 20;

/// A call that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub class: Class,
    pub code: String,
    pub text: String,
}

impl Failure {
    fn new(class: Class, code: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            class,
            code: code.into(),
            text: text.into(),
        }
    }

    pub fn rejected(code: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Class::Reject, code, text)
    }

    pub fn unknown(text: impl Into<String>) -> Self {
        Self::new(Class::Unknown, "", text)
    }

    fn explained(&self) -> String {
        match codes::hint(&self.code) {
            Some(hint) => format!("{} — {hint}", self.text),
            None => self.text.clone(),
        }
    }

    pub fn outcome(self) -> Outcome {
        let text = self.explained();
        match self.class {
            Class::Reject => Outcome::Rejected { code: self.code, text },
            Class::Rate { scope, after_ms } => Outcome::RateLimited {
                code: self.code,
                scope,
                after_ms: Some(after_ms),
            },
            Class::Auth => Outcome::AuthExpired { code: self.code, text },
            Class::NotSent => Outcome::NotSent { reason: text },
            Class::Unknown => Outcome::Unknown { reason: text },
        }
    }

    pub fn call_error(self) -> CallError {
        let text = self.explained();
        match self.class {
            Class::Reject => CallError::Rejected { code: self.code, text },
            Class::Rate { after_ms, .. } => CallError::RateLimited {
                code: self.code,
                after_ms: Some(after_ms),
            },
            Class::Auth => CallError::Auth { code: self.code, text },
            Class::NotSent | Class::Unknown => CallError::Unavailable(text),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    New,
    Old,
}

#[derive(Debug, Clone)]
pub enum Payload {
    None,
    Json(Value),
    File {
        kind: String,
        name: String,
        media_type: String,
        bytes: Vec<u8>,
    },
}

/// A request without its token.
#[derive(Debug, Clone)]
pub struct Request {
    pub generation: Generation,
    pub method: reqwest::Method,
    /// Path segments, not encoded.
    pub path: Vec<String>,
    pub query: Vec<(&'static str, String)>,
    pub payload: Payload,
    /// `x-client-token`, where the call knows it.
    pub client_token: Option<String>,
}

impl Request {
    fn new(generation: Generation, method: reqwest::Method, path: &str, payload: Payload) -> Self {
        Self {
            generation,
            method,
            path: path.split('/').map(str::to_owned).collect(),
            query: Vec::new(),
            payload,
            client_token: None,
        }
    }

    pub fn post(path: &str, body: Value) -> Self {
        Self::new(Generation::New, reqwest::Method::POST, path, Payload::Json(body))
    }

    pub fn put(path: &str, body: Value) -> Self {
        Self::new(Generation::New, reqwest::Method::PUT, path, Payload::Json(body))
    }

    pub fn get(path: &str, query: Vec<(&'static str, String)>) -> Self {
        let mut request = Self::new(Generation::New, reqwest::Method::GET, path, Payload::None);
        request.query = query;
        request
    }

    pub fn old(path: &str, body: Value) -> Self {
        Self::new(Generation::Old, reqwest::Method::POST, path, Payload::Json(body))
    }

    pub fn upload(payload: Payload) -> Self {
        Self::new(Generation::Old, reqwest::Method::POST, "media/upload", payload)
    }
}

struct Token {
    value: String,
    received: Instant,
    life: Duration,
}

impl Token {
    fn fresh(&self) -> bool {
        self.received.elapsed() < self.life.mul_f64(0.8)
    }
}

pub struct Http {
    client: reqwest::Client,
    token: Mutex<Option<Token>>,
    clock: Arc<dyn Clock>,
    quota: Quota,
}

impl Http {
    pub fn new(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let local = |url: &Url| loopback(url) && url.scheme() == "http";
        Ok(Self {
            client: client(local(&config.api) && local(&config.oapi))?,
            token: Mutex::new(None),
            clock,
            quota: Quota::new(config.monthly_calls),
        })
    }

    /// For the one call that has its own credentials: opening a long connection.
    pub fn client(&self) -> reqwest::Client {
        self.client.clone()
    }

    /// How much of the month's quota this process has used.
    pub fn usage(&self) -> Usage {
        self.quota.usage(self.clock.now())
    }

    /// Forgets the token and fetches one: proves address and credentials.
    pub async fn fresh_token(&self, config: &Config) -> Result<(), Failure> {
        let mut held = self.token.lock().await;
        *held = None;
        *held = Some(self.fetch_token(config).await?);
        Ok(())
    }

    /// The token to use; `refused` is the one that the platform has just refused.
    async fn token(&self, config: &Config, refused: Option<&str>) -> Result<String, Failure> {
        // Whoever waits here finds the token that the one before fetched.
        let mut held = self.token.lock().await;
        if let Some(token) = held.as_ref()
            && Some(token.value.as_str()) != refused
            && token.fresh()
        {
            return Ok(token.value.clone());
        }
        match self.fetch_token(config).await {
            Ok(token) => {
                let value = token.value.clone();
                *held = Some(token);
                Ok(value)
            }
            // Early renewal failed: the old one is good for the rest of its life.
            Err(failure) => match held.as_ref() {
                Some(token) if Some(token.value.as_str()) != refused && token.received.elapsed() < token.life => {
                    Ok(token.value.clone())
                }
                _ => Err(failure),
            },
        }
    }

    async fn fetch_token(&self, config: &Config) -> Result<Token, Failure> {
        let received = Instant::now();
        let url = join(&config.api, ["v1.0", "oauth2", "accessToken"].into_iter())?;
        let body = json!({ "appKey": config.client_id, "appSecret": config.client_secret.expose() });
        let sent = self.client.post(url).json(&body).send().await;
        let answer = match sent {
            Ok(response) => read(Generation::New, response).await,
            Err(e) => Err(transport(&e)),
        };
        match answer {
            Ok(body) => {
                let value = body.get("accessToken").and_then(Value::as_str).unwrap_or_default();
                if value.is_empty() {
                    return Err(Failure::new(Class::NotSent, "", "the token answer has no token"));
                }
                let life = body.get("expireIn").and_then(Value::as_u64).unwrap_or(7200);
                Ok(Token {
                    value: value.to_owned(),
                    received,
                    life: Duration::from_secs(life),
                })
            }
            // What was to be sent has not been sent, whatever became of the token call.
            Err(f) => Err(match f.class {
                Class::Reject | Class::Auth => Failure {
                    class: Class::Auth,
                    ..f
                },
                Class::Unknown | Class::NotSent => Failure {
                    class: Class::NotSent,
                    text: format!("no access token: {}", f.text),
                    ..f
                },
                Class::Rate { .. } => f,
            }),
        }
    }

    /// Sends a request with the token; on a refused token once more with a new one.
    pub async fn call(&self, config: &Config, request: &Request) -> Result<Value, Failure> {
        let token = self.token(config, None).await?;
        match self.once(config, request, &token).await {
            Err(Failure { class: Class::Auth, .. }) => {
                let token = self.token(config, Some(&token)).await?;
                self.once(config, request, &token).await
            }
            answer => answer,
        }
    }

    async fn once(&self, config: &Config, request: &Request, token: &str) -> Result<Value, Failure> {
        let base = match request.generation {
            Generation::New => &config.api,
            Generation::Old => &config.oapi,
        };
        let mut url = join(base, request.path.iter().map(String::as_str))?;
        if !request.query.is_empty() || request.generation == Generation::Old {
            let mut pairs = url.query_pairs_mut();
            if request.generation == Generation::Old {
                pairs.append_pair("access_token", token);
            }
            for (name, value) in &request.query {
                pairs.append_pair(name, value);
            }
        }
        let mut builder = self.client.request(request.method.clone(), url);
        if request.generation == Generation::New {
            builder = builder.header("x-acs-dingtalk-access-token", token);
        }
        if let Some(key) = &request.client_token {
            builder = builder.header("x-client-token", key);
        }
        builder = match &request.payload {
            Payload::None => builder,
            Payload::Json(body) => builder.json(body),
            Payload::File {
                kind,
                name,
                media_type,
                bytes,
            } => {
                let part = reqwest::multipart::Part::bytes(bytes.clone())
                    .file_name(name.clone())
                    .mime_str(media_type)
                    .map_err(|_| Failure::rejected("media_type", format!("{media_type:?} is not a media type")))?;
                builder.multipart(
                    reqwest::multipart::Form::new()
                        .text("type", kind.clone())
                        .part("media", part),
                )
            }
        };
        let answer = match builder.send().await {
            Ok(response) => read(request.generation, response).await,
            Err(e) => Err(transport(&e)),
        };
        let path = request.path.join("/");
        self.quota.count(&path, answer.as_ref().err(), self.clock.now());
        answer
    }

    /// Fetches a file from an address that the platform has just given: signed for a short time, so no
    /// token goes there. Stops as soon as it is longer than `limit`.
    pub async fn file(&self, url: Url, limit: usize) -> Result<Vec<u8>, Failure> {
        let too_long = || Failure::rejected("too_large", format!("the file is longer than {limit} bytes"));
        let mut response = self.client.get(url).send().await.map_err(|e| transport(&e))?;
        if !response.status().is_success() {
            return Err(Failure::rejected(
                response.status().as_u16().to_string(),
                "the file is not there (any more)",
            ));
        }
        if response
            .content_length()
            .is_some_and(|n| usize::try_from(n).map_or(true, |n| n > limit))
        {
            return Err(too_long());
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| transport(&e))? {
            if bytes.len() + chunk.len() > limit {
                return Err(too_long());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// Posts to a session webhook: the address is the credential, there is no token.
    pub async fn webhook(&self, url: Url, body: &Value) -> Result<Value, Failure> {
        post_old(&self.client, url, body).await
    }
}

/// The one way to make a client. `plain`: it talks only to this machine, without TLS.
pub fn client(plain: bool) -> Result<reqwest::Client, String> {
    // Another part of the program may have installed one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(3))
        .timeout(Duration::from_secs(15))
        .redirect(reqwest::redirect::Policy::none())
        .user_agent("hutong");
    if plain {
        // No TLS there, so no need to load the trust roots either.
        builder = builder.no_proxy().tls_certs_only([]);
    }
    builder.build().map_err(|e| e.to_string())
}

/// A call whose address is its credential.
pub async fn post_old(client: &reqwest::Client, url: Url, body: &Value) -> Result<Value, Failure> {
    match client.post(url).json(body).send().await {
        Ok(response) => read(Generation::Old, response).await,
        Err(e) => Err(transport(&e)),
    }
}

fn join<'a>(base: &Url, path: impl Iterator<Item = &'a str>) -> Result<Url, Failure> {
    let mut url = base.clone();
    url.path_segments_mut()
        .map_err(|()| Failure::rejected("base_url", "the address cannot hold a path"))?
        .clear()
        .extend(path);
    Ok(url)
}

/// Only a failed connection proves that nothing was sent. The address is left out: it may hold a
/// token or be a session webhook.
fn transport(error: &reqwest::Error) -> Failure {
    if error.is_connect() || error.is_builder() {
        return Failure::new(Class::NotSent, "", "no connection to the platform");
    }
    Failure::unknown(if error.is_timeout() {
        "no answer in time"
    } else {
        "the connection broke before an answer came"
    })
}

async fn read(generation: Generation, mut response: reqwest::Response) -> Result<Value, Failure> {
    let status = response.status().as_u16();
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() <= MAX_ANSWER => bytes.extend_from_slice(&chunk),
            Ok(Some(_)) => return Err(Failure::unknown("the answer is too long")),
            Ok(None) => break,
            Err(e) => return Err(transport(&e)),
        }
    }
    understand(generation, status, &bytes)
}

/// What an answer says. Either generation may answer in the other's shape (1.3).
pub fn understand(generation: Generation, status: u16, bytes: &[u8]) -> Result<Value, Failure> {
    let body: Value = match serde_json::from_slice(bytes) {
        Ok(body) => body,
        Err(_) if status == 429 => {
            return Err(Failure::new(codes::classify_new(429, ""), "429", "too many requests"));
        }
        Err(_) => return Err(Failure::unknown(format!("unreadable answer, HTTP {status}"))),
    };
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(errcode) = body.get("errcode").and_then(crate::wire::number) {
        if errcode == 0 && status < 300 {
            return Ok(body);
        }
        let sub = body.get("sub_code").and_then(crate::wire::scalar);
        let class = codes::classify_old(errcode, sub.as_deref());
        let reason = match text("sub_msg") {
            sub if sub.is_empty() => text("errmsg"),
            sub => sub,
        };
        return Err(Failure::new(class, sub.unwrap_or_else(|| errcode.to_string()), reason));
    }
    // More than 10000 calls in 20 s from one address: banned for five minutes.
    if body.get("status").and_then(Value::as_i64) == Some(1111) {
        let class = Class::Rate {
            scope: hutong_model::LimitScope::App,
            after_ms: 300_000,
        };
        return Err(Failure::new(class, "1111", "this address is banned for five minutes"));
    }
    if status >= 300 {
        let code = text("code");
        if code.is_empty() && status < 500 && status != 429 {
            return Err(Failure::unknown(format!("unreadable answer, HTTP {status}")));
        }
        let mut reason = text("message");
        if let Some(scopes) = body
            .pointer("/accessdenieddetail/requiredScopes")
            .and_then(Value::as_array)
        {
            let names: Vec<&str> = scopes.iter().filter_map(Value::as_str).collect();
            reason = format!("{reason} ({})", names.join(", "));
        }
        return Err(Failure::new(codes::classify_new(status, &code), code, reason));
    }
    if generation == Generation::Old {
        return Err(Failure::unknown("the answer has no errcode"));
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_error_bodies_become_outcomes() {
        let all: Value = serde_json::from_str(include_str!("../tests/vectors/errors.json")).unwrap();
        for (list, generation) in [
            ("new_api", Generation::New),
            ("old_api", Generation::Old),
            ("custom_webhook", Generation::Old),
        ] {
            for case in all[list].as_array().unwrap() {
                let got = understand(
                    generation,
                    case["http"].as_u64().unwrap() as u16,
                    case["body"].to_string().as_bytes(),
                );
                let failure = got.unwrap_err();
                assert_ne!(failure.class, Class::Unknown, "{}", case["id"]);
                assert!(!failure.code.is_empty(), "{}", case["id"]);
            }
        }
        let ban = understand(Generation::Old, 200, all["ip_ban"]["body"].to_string().as_bytes()).unwrap_err();
        assert!(matches!(ban.class, Class::Rate { after_ms: 300_000, .. }));
        let denied = understand(Generation::New, 403, all["new_api"][3]["body"].to_string().as_bytes()).unwrap_err();
        let Outcome::Rejected { text, .. } = denied.outcome() else {
            panic!()
        };
        assert!(
            text.contains("qyapi_robot_sendmsg") && text.contains("权限管理"),
            "{text}"
        );
    }

    #[test]
    fn an_answer_that_cannot_be_read_is_unknown() {
        for (status, body) in [
            (200, "<html>"),
            (502, ""),
            (504, "gateway"),
            (200, "{}"),
            (404, "{}"),
            (500, r#"{"code":"system.error"}"#),
        ] {
            let got = understand(Generation::Old, status, body.as_bytes()).unwrap_err();
            assert_eq!(got.class, Class::Unknown, "{status} {body}");
        }
        // An unknown path of the new host answers 200 in the shape of the old one.
        let got = understand(Generation::New, 200, br#"{"errcode":404,"errmsg":"x"}"#).unwrap_err();
        assert_eq!(got.class, Class::Reject);
    }
}
