//! Asking the platform where to connect, and what its refusals mean (feishu.md 3.1 and 3.2).

use hutong_model::{OpenError, Secret};
use serde::Deserialize;
use url::Url;

/// The answer is an address and four numbers.
const MAX_ANSWER: usize = 64 << 10;

/// What the platform wishes about pings and reconnecting; seconds. Sent with the address and with
/// every pong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ClientConfig {
    /// -1: for ever. This bot never gives up, whatever it says.
    pub reconnect_count: i64,
    pub reconnect_interval: i64,
    pub reconnect_nonce: i64,
    pub ping_interval: i64,
}

/// What the official clients assume before they are told.
impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            reconnect_count: -1,
            reconnect_interval: 120,
            reconnect_nonce: 30,
            ping_interval: 120,
        }
    }
}

impl ClientConfig {
    /// The payload of a pong.
    pub fn read(payload: &[u8]) -> Option<Self> {
        serde_json::from_slice(payload).ok()
    }
}

/// Where to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub url: Secret,
    /// Goes into every ping.
    pub service: i32,
    pub config: Option<ClientConfig>,
}

#[derive(Deserialize)]
struct Answer {
    code: i64,
    #[serde(default)]
    msg: String,
    #[serde(default)]
    data: Option<Data>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Data {
    #[serde(rename = "URL")]
    url: String,
    client_config: Option<ClientConfig>,
}

/// `POST {base}/callback/ws/endpoint`.
pub async fn ask(http: &reqwest::Client, base: &str, app_id: &str, app_secret: &Secret) -> Result<Found, OpenError> {
    let unavailable = |reason: String| OpenError::Unavailable { reason, after_ms: None };
    let sent = http
        .post(format!("{base}/callback/ws/endpoint"))
        .header("locale", "zh")
        .json(&serde_json::json!({ "AppID": app_id, "AppSecret": app_secret.expose() }))
        .send()
        .await;
    let mut answer = sent.map_err(|e| unavailable(crate::api::reason(&e)))?;
    let status = answer.status().as_u16();
    let after_ms = answer
        .headers()
        .get("x-ogw-ratelimit-reset")
        .and_then(|v| v.to_str().ok()?.trim().parse::<u64>().ok())
        .map(|s| s.saturating_mul(1000));
    let mut body = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > MAX_ANSWER => {
                return Err(unavailable("the answer is too long".to_owned()));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(e) => return Err(unavailable(crate::api::reason(&e))),
        }
    }
    judge(status, after_ms, &body)
}

/// What an answer means; pure.
pub fn judge(status: u16, after_ms: Option<u64>, body: &[u8]) -> Result<Found, OpenError> {
    let unavailable = |reason: String| Err(OpenError::Unavailable { reason, after_ms });
    if status >= 500 || status == 429 || status == 408 {
        return unavailable(format!("http {status}"));
    }
    let Ok(answer) = serde_json::from_slice::<Answer>(body) else {
        return match status {
            400..=499 => Err(refused(i64::from(status), "http")),
            _ => unavailable(format!("http {status} without a readable answer")),
        };
    };
    match answer.code {
        0 => {}
        403 | 514 | 1_000_040_344 | 1_000_040_350 | 1_000_040_351 => return Err(refused(answer.code, &answer.msg)),
        // 1 (busy), 1000040343 (internal error), and whatever else may come: the official clients
        // try again.
        code => return unavailable(format!("code {code}: {}", short(&answer.msg))),
    }
    let data = answer.data.unwrap_or_default();
    let service = Url::parse(&data.url).ok().and_then(|url| {
        url.query_pairs()
            .find(|(name, _)| name == "service_id")
            .and_then(|(_, value)| value.parse().ok())
    });
    match service {
        Some(service) => Ok(Found {
            url: Secret::new(data.url),
            service,
            config: data.client_config,
        }),
        None => unavailable("the answer has no address with a service_id".to_owned()),
    }
}

/// What a handshake means that was not answered with 101: the platform explains it in headers. A
/// refusal that an operator must act on is [`OpenError::Refused`].
pub fn handshake<'a>(status: u16, header: impl Fn(&str) -> Option<&'a str>) -> OpenError {
    let number = |name: &str| header(name).and_then(|v| v.trim().parse::<i64>().ok());
    let message = header("handshake-msg").unwrap_or_default();
    match (number("handshake-status"), number("handshake-autherrcode")) {
        (Some(403), _) => refused(403, message),
        (Some(514), Some(1_000_040_350)) => refused(1_000_040_350, message),
        (told, _) => OpenError::Unavailable {
            reason: format!(
                "the handshake was answered with {status} ({}): {}",
                told.map_or_else(|| "no reason".to_owned(), |n| n.to_string()),
                short(message)
            ),
            after_ms: None,
        },
    }
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}

fn refused(code: i64, message: &str) -> OpenError {
    let what = match code {
        403 => {
            "平台不允许这个应用建立长连接：在开发者后台确认应用已启用、已发布版本 / \
             the platform forbids the long connection: see in the developer console that the app is enabled and a \
             version is published"
        }
        514 => {
            "App ID 或 App Secret 不对：从开发者后台「凭证与基础信息」重新复制 / \
             app_id or app_secret is wrong: copy them again from \"Credentials & Basic Info\""
        }
        1_000_040_344 => "没有收到凭证：填写 app_id 和 app_secret / no credentials arrived: set app_id and app_secret",
        1_000_040_350 => {
            "这个应用的长连接已有 50 条：关掉多余的进程，再过五分钟会重试 / \
             the app has 50 long connections already: end the surplus processes; tried again in five minutes"
        }
        1_000_040_351 => {
            "应用属于另一个站点：飞书应用用 platform = \"feishu\"，Lark 应用用 platform = \"lark\" / \
             the app belongs to the other site: platform = \"feishu\" for Feishu apps, \"lark\" for Lark apps"
        }
        _ => "地址不提供长连接：检查 base_url / there is no long connection at this address: check base_url",
    };
    let message = short(message);
    let text = if message.is_empty() {
        what.to_owned()
    } else {
        format!("{what} ({message})")
    };
    OpenError::Refused {
        code: code.to_string(),
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn behaviour() -> Value {
        serde_json::from_str(include_str!("../../tests/vectors/ws_client_behaviour.json")).unwrap()
    }

    fn is_refused(error: &OpenError) -> bool {
        matches!(error, OpenError::Refused { .. })
    }

    #[test]
    fn recorded_answers_give_address_service_and_wishes() {
        for text in [
            include_str!("../../tests/vectors/ws_session_capture_python.json"),
            include_str!("../../tests/vectors/ws_session_capture_node.json"),
        ] {
            let capture: Value = serde_json::from_str(text).unwrap();
            // The port was taken out of the recording.
            let body = capture["endpoint_response"].to_string().replace("PORT", "1234");
            let found = judge(200, None, body.as_bytes()).unwrap();
            assert_eq!(found.service, 33_554_678);
            assert!(found.url.expose().contains("device_id=7012345678901234567"));
            let config = found.config.unwrap();
            assert_eq!(
                (config.reconnect_count, config.reconnect_nonce, config.ping_interval),
                (-1, 1, 120)
            );
        }
    }

    /// The official Python client is right about every recorded failure; the other one stops at
    /// "busy", which the table of 3.1 calls a bug.
    #[test]
    fn failures_of_the_address_are_fatal_where_they_are_for_the_official_client() {
        let mut seen = 0;
        for case in behaviour()["endpoint_failures"].as_array().unwrap() {
            let response = &case["response"];
            let status = u16::try_from(response["http"].as_u64().unwrap()).unwrap();
            let body = response["body"].to_string();
            let error = judge(status, None, body.as_bytes()).unwrap_err();
            let python = case["python"].as_str().unwrap();
            if python != "(not run)" {
                assert_eq!(is_refused(&error), python.contains("stops"), "{case}: {error}");
                seen += 1;
            }
        }
        assert!(seen >= 8, "{seen}");
        let wrong_site = json!({ "code": 1_000_040_351, "msg": "Incorrect domain name" }).to_string();
        assert!(is_refused(&judge(200, None, wrong_site.as_bytes()).unwrap_err()));
        assert!(is_refused(&judge(404, None, b"404 page not found").unwrap_err()));
    }

    #[test]
    fn failures_of_the_handshake_are_fatal_where_they_are_for_the_official_client() {
        for case in behaviour()["handshake_failures"].as_array().unwrap() {
            let status = u16::try_from(case["status"].as_u64().unwrap()).unwrap();
            let error = handshake(status, |name| {
                let headers = case["headers"].as_object().unwrap();
                let found = headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.and_then(|(_, value)| value.as_str())
            });
            assert_eq!(
                is_refused(&error),
                case["python"].as_str().unwrap().contains("stops"),
                "{case}"
            );
        }
    }

    #[test]
    fn answers_that_make_no_sense_are_tried_again_and_waits_are_kept() {
        for body in [
            "",
            "[]",
            "{}",
            r#"{"code":0}"#,
            r#"{"code":0,"data":null}"#,
            r#"{"code":0,"data":{"URL":"nonsense"}}"#,
            r#"{"code":0,"data":{"URL":"wss://msg-frontier.feishu.cn/ws/v2?device_id=1&service_id=x"}}"#,
            r#"{"code":77,"msg":"?"}"#,
        ] {
            assert!(!is_refused(&judge(200, None, body.as_bytes()).unwrap_err()), "{body}");
        }
        let limited = judge(429, Some(52_000), b"{}").unwrap_err();
        assert!(matches!(
            limited,
            OpenError::Unavailable {
                after_ms: Some(52_000),
                ..
            }
        ));
        let error = judge(200, None, br#"{"code":514,"msg":"a\u0007b"}"#).unwrap_err();
        assert!(
            matches!(&error, OpenError::Refused { code, text } if code == "514" && text.ends_with("(ab)")),
            "{error}"
        );
    }
}
