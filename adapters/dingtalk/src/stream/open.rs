//! Where to connect: one call with the app's own credentials, no access token (4.1).

use hutong_model::{Endpoint, LimitScope, OpenError, Secret};
use serde_json::{Value, json};
use url::Url;

use super::{CARD_TOPIC, ROBOT_TOPIC};
use crate::codes::{self, Class};
use crate::config::Config;

const MAX_ANSWER: usize = 64 << 10;

pub(super) fn request(config: &Config) -> Value {
    json!({
        "clientId": config.client_id,
        "clientSecret": config.client_secret.expose(),
        "ua": concat!("hutong/", env!("CARGO_PKG_VERSION")),
        "subscriptions": [
            { "type": "EVENT", "topic": "*" },
            { "type": "CALLBACK", "topic": ROBOT_TOPIC },
            { "type": "CALLBACK", "topic": CARD_TOPIC },
        ],
    })
}

pub(super) async fn open(client: &reqwest::Client, config: &Config) -> Result<Endpoint, OpenError> {
    let unavailable = |reason: &str| OpenError::Unavailable {
        reason: reason.to_owned(),
        after_ms: None,
    };
    let mut url = config.api.clone();
    url.set_path("/v1.0/gateway/connections/open");
    let sent = client
        .post(url)
        // Without it the gateway answers XML (4.1).
        .header("accept", "application/json")
        .json(&request(config))
        .send()
        .await;
    let mut response = sent.map_err(|e| {
        unavailable(match (e.is_timeout(), e.is_connect()) {
            (true, _) => "no answer in time",
            (_, true) => "no connection to the platform",
            _ => "the connection broke before an answer came",
        })
    })?;
    let status = response.status().as_u16();
    let mut bytes = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|_| unavailable("the connection broke within the answer"))?
    {
        if bytes.len() + chunk.len() > MAX_ANSWER {
            return Err(unavailable("the answer is too long"));
        }
        bytes.extend_from_slice(&chunk);
    }
    understand(status, &bytes)
}

/// What the gateway's answer says. The body of a refusal is not documented: the status decides, and a
/// code is used where there is one.
pub(super) fn understand(status: u16, bytes: &[u8]) -> Result<Endpoint, OpenError> {
    let body: Value = serde_json::from_slice(bytes).unwrap_or(Value::Null);
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
    if (200..300).contains(&status) && body.get("code").is_none() {
        return connect_url(text("endpoint"), text("ticket"))
            .map(|url| Endpoint {
                url: Secret::new(url),
                headers: Vec::new(),
            })
            .map_err(|reason| OpenError::Unavailable {
                reason: reason.to_owned(),
                after_ms: None,
            });
    }
    let code = match text("code") {
        "" => status.to_string(),
        code => code.to_owned(),
    };
    let refused = |text: &str| OpenError::Refused {
        code: code.clone(),
        text: text.to_owned(),
    };
    match codes::classify_new(status, text("code")) {
        _ if status == 404 && body.is_null() => Err(OpenError::Unavailable {
            reason: "the address has no gateway".into(),
            after_ms: None,
        }),
        Class::Rate { scope, after_ms } => Err(OpenError::Unavailable {
            reason: match scope {
                LimitScope::Company => format!("the company's limit of calls is reached ({code})"),
                _ => format!("too many connections were asked for ({code})"),
            },
            after_ms: Some(after_ms),
        }),
        Class::Auth => Err(refused(
            "Client ID 或 Client Secret 不对：到开发者后台「凭证与基础信息」核对 client_id 和 client_secret。 \
             Client ID or Client Secret is wrong: compare client_id and client_secret with the credentials page.",
        )),
        Class::Reject => Err(refused(
            "平台拒绝了 Stream 连接：到开发者后台确认应用已发布，事件订阅和机器人消息接收都选了 Stream 模式。 \
             The platform refuses the connection: publish the app and choose Stream mode for events and robot messages.",
        )),
        Class::NotSent | Class::Unknown => Err(OpenError::Unavailable {
            reason: format!("the gateway answered {code}"),
            after_ms: None,
        }),
    }
}

/// The endpoint with the ticket as its query. Which hosts it may name is checked by whoever connects.
pub(super) fn connect_url(endpoint: &str, ticket: &str) -> Result<String, &'static str> {
    let mut url = Url::parse(endpoint).map_err(|_| "the answer names no endpoint")?;
    if ticket.is_empty() {
        return Err("the answer has no ticket");
    }
    let mut query = url.query().map(|q| format!("{q}&")).unwrap_or_default();
    query.push_str("ticket=");
    for byte in ticket.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => query.push(char::from(byte)),
            _ => query.push_str(&format!("%{byte:02X}")),
        }
    }
    url.set_query(Some(&query));
    Ok(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{config, settings};

    #[test]
    fn the_request_is_that_of_the_official_clients() {
        let all: Value = serde_json::from_str(include_str!("../../tests/vectors/stream_frames.json")).unwrap();
        let ours = request(&config(&settings()));
        for (sdk, theirs) in all["open"]["requests"].as_object().unwrap() {
            let keys: Vec<&String> = theirs["body"].as_object().unwrap().keys().collect();
            for (key, value) in ours.as_object().unwrap() {
                assert!(keys.contains(&key), "{sdk} does not send {key}");
                assert_eq!(value.is_array(), theirs["body"][key].is_array());
            }
            for subscription in ours["subscriptions"].as_array().unwrap() {
                assert!(
                    theirs["body"]["subscriptions"]
                        .as_array()
                        .unwrap()
                        .contains(subscription),
                    "{sdk}: {subscription}"
                );
            }
        }
        assert_eq!(ours["clientId"], "dingsim0appkey00001");
        assert_eq!(ours["subscriptions"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn the_ticket_is_percent_encoded() {
        let all: Value = serde_json::from_str(include_str!("../../tests/vectors/stream_frames.json")).unwrap();
        let python = all["connect"]["python_0.24.3"]["raw_target"].as_str().unwrap();
        assert_eq!(
            connect_url("ws://127.0.0.1:9/connect", "0f1e2d3c4b5a69788796a5b4c3d2e1f0==").unwrap(),
            format!("ws://127.0.0.1:9{python}")
        );
        let body = all["open"]["response_example"]["body"].to_string();
        let endpoint = understand(200, body.as_bytes()).unwrap();
        assert_eq!(
            endpoint.url.expose(),
            "wss://wss-open-connection.dingtalk.com/connect?ticket=68ad4ee2-bdd3-11ed-8ca5-76a2ba0f2ad6"
        );
        assert_eq!(
            connect_url("wss://a.dingtalk.com/c?x=1", "a b+c&d=é#").unwrap(),
            "wss://a.dingtalk.com/c?x=1&ticket=a%20b%2Bc%26d%3D%C3%A9%23"
        );
    }

    #[test]
    fn an_answer_is_a_place_a_refusal_or_a_wait() {
        let refused = |status, body: &str| match understand(status, body.as_bytes()) {
            Err(OpenError::Refused { code, text }) => {
                assert!(text.contains("开发者后台"));
                code
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(401, ""), "401");
        assert_eq!(refused(401, r#"{"code":"authFailed","message":"x"}"#), "authFailed");
        assert_eq!(
            refused(400, r#"{"code":"InvalidAuthentication"}"#),
            "InvalidAuthentication"
        );
        assert_eq!(
            refused(403, r#"{"code":"Forbidden.AccessDenied.X"}"#),
            "Forbidden.AccessDenied.X"
        );
        let waits = |status, body: &str| match understand(status, body.as_bytes()) {
            Err(OpenError::Unavailable { after_ms, reason }) => {
                assert!(!reason.is_empty());
                after_ms
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(waits(500, ""), None);
        assert_eq!(waits(502, "<html>"), None);
        assert_eq!(waits(404, "<html>"), None);
        assert_eq!(waits(200, "<xml/>"), None);
        assert_eq!(waits(200, r#"{"endpoint":"wss://a.dingtalk.com/c"}"#), None);
        assert_eq!(waits(200, r#"{"ticket":"t"}"#), None);
        assert_eq!(waits(429, "{}"), Some(1_000));
        assert_eq!(
            waits(403, r#"{"code":"Forbidden.AccessDenied.QpsLimitForAppkeyAndApi"}"#),
            Some(1_000)
        );
    }
}
