//! Answers of the platform: what a call ended in, and what stands in an answer that succeeded.

use hutong_model::{CallError, FailedReceiver, LimitScope, Outcome, Receipt};
use serde::Deserialize;
use serde_json::Value;

use crate::calls::Call;
use crate::codes::{self, Class};

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
        /// The scopes of which one is missing, as the platform names them.
        scopes: Vec<String>,
    },
    /// A status without a readable code, below 500.
    Status { status: u16, after_ms: Option<u64> },
    /// Perhaps done.
    Unknown(String),
}

impl Failure {
    pub fn outcome(self, gone_is_done: bool) -> Outcome {
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
            Failure::Code {
                code,
                text,
                after_ms,
                scopes,
            } => {
                let name = code.to_string();
                let text = if scopes.is_empty() {
                    text
                } else {
                    format!("[{}] {text}", scopes.join(", "))
                };
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

    /// 100290 inside "the card could not be built"; the platform's words.
    pub fn unknown_person(&self) -> Option<String> {
        match self {
            Failure::Code {
                code: 230_099, text, ..
            } if text.contains("100290") => Some(text.clone()),
            _ => None,
        }
    }

    /// The scopes of which one is missing; `None` when the failure is another one.
    pub fn missing_scopes(&self) -> Option<&[String]> {
        match self {
            Failure::Code {
                code: 99_991_672 | 99_991_679,
                scopes,
                ..
            } => Some(scopes),
            _ => None,
        }
    }

    pub fn is_auth(&self) -> bool {
        matches!(self, Failure::Code { code, .. } if codes::class(*code) == Class::Auth)
    }

    pub fn code(&self) -> Option<i64> {
        match self {
            Failure::Code { code, .. } => Some(*code),
            _ => None,
        }
    }
}

/// What every answer begins with.
#[derive(Debug, Deserialize)]
pub struct Head {
    pub code: i64,
    #[serde(default)]
    pub msg: String,
    #[serde(default)]
    error: Value,
}

impl Head {
    /// Both shapes of the documentation: `subject`, and `scope` in its older pages; else what stands in
    /// brackets in the text.
    pub fn scopes(&self) -> Vec<String> {
        if !matches!(self.code, 99_991_672 | 99_991_679) {
            return Vec::new();
        }
        let listed: Vec<String> = self.error["permission_violations"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|v| v["subject"].as_str().or(v["scope"].as_str()))
            .map(str::to_owned)
            .collect();
        if !listed.is_empty() {
            return listed;
        }
        let inside = self.msg.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
        inside.map_or_else(Vec::new, |(list, _)| {
            list.split(',')
                .map(|s| s.trim().to_owned())
                .filter(|s| !s.is_empty())
                .collect()
        })
    }
}

/// The token of the next page, when there is one. A page that names itself as the next one would never
/// end.
pub fn page_after(data: &Value, this: Option<&str>) -> Result<Option<String>, CallError> {
    match next_page(data) {
        Some(next) if Some(next.as_str()) == this => {
            Err(CallError::Unavailable("the platform's listing does not end".to_owned()))
        }
        next => Ok(next),
    }
}

/// The token of the next page, when there is one.
pub fn next_page(data: &Value) -> Option<String> {
    if data["has_more"].as_bool() != Some(true) {
        return None;
    }
    data["page_token"].as_str().filter(|t| !t.is_empty()).map(str::to_owned)
}

pub fn id<T>(value: &Value, make: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    value.as_str().and_then(make)
}

/// The three lists of a call that succeeded as a whole (feishu.md 5.7: always read them).
pub fn failed_members(answer: &Value) -> Vec<FailedReceiver> {
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

pub fn failed_list(answer: &Value, list: &str, text: &str) -> Vec<FailedReceiver> {
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

/// The same card with names where these people were mentioned; `None` when there is nothing to change.
pub fn without_mentions(call: &Call, people: &[(String, String)]) -> Option<Call> {
    if people.is_empty() {
        return None;
    }
    let mut card: Value = serde_json::from_str(call.body.as_ref()?["content"].as_str()?).ok()?;
    if card["schema"] != "2.0" {
        return None;
    }
    name_instead(&mut card["body"], people);
    let mut plain = call.clone();
    plain.names.retain(|entry| !people.contains(entry));
    plain.body.as_mut()?["content"] = Value::String(card.to_string());
    Some(plain)
}

fn name_instead(value: &mut Value, names: &[(String, String)]) {
    match value {
        Value::Object(map) if map.get("tag").is_some_and(|t| t == "markdown") => {
            if let Some(Value::String(content)) = map.get_mut("content") {
                for (id, name) in names {
                    let mut shown = "@".to_owned();
                    crate::escape::markdown(name, &mut shown);
                    *content = content.replace(&format!("<at id={id}></at>"), &shown);
                }
            }
        }
        Value::Object(map) => map.values_mut().for_each(|v| name_instead(v, names)),
        Value::Array(items) => items.iter_mut().for_each(|v| name_instead(v, names)),
        _ => {}
    }
}
