//! A custom robot of one group (自定义机器人): posts to its group by a webhook and hears nothing.
//!
//! Anybody in the group can add one without a developer console, which makes it the way into groups
//! where an app's robot cannot be. Source of every fact: `protocols/dingtalk.md` 6.3 of the shared notes
//! and `custom_webhook_sign.json` of the vectors.
//!
//! - Address: `oapi.dingtalk.com/robot/send?access_token=…`, with the sign setting also `timestamp` (ms,
//!   within an hour) and `sign`.
//! - Twenty messages a minute, then blocked for ten (130101, 410100); 20000 bytes a body.
//! - `msgUuid` is sent; for how long the platform remembers it is not documented, so nothing is ever sent
//!   again because of it.

use std::sync::Arc;

use hutong_model::{
    Ability, Action, Adapter, AppId, BoxFuture, Build, CallError, Capabilities, ChatId, Clock, DepartmentId,
    DepartmentRecord, Finding, FindingState, KeyKind, KeyProblem, KeySpec, LimitRule, LimitScope, Limits, Outcome,
    Page, PersonRecord, Platform, Prepared, RawRequest, Received, Rejection, RenderError, Secret, Target, Timestamp,
    UserId,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::config;
use crate::http::{self, Failure};
use crate::render;
use crate::verify;

/// The kind of app, as the configuration names it.
pub const KIND: &str = "dingtalk_robot";
/// Name of its one call.
pub const SEND: &str = "custom_robot_send";
/// A body may have so many bytes.
const BODY_BYTES: usize = 20_000;

/// Every key of an `[[app]]` table of this kind.
pub const KEYS: &[KeySpec] = &[
    config::key(
        "access_token",
        KeyKind::Secret,
        true,
        "The access_token= part of the robot's webhook address.",
    ),
    config::key(
        "sign_secret",
        KeyKind::Secret,
        false,
        "The secret of the security setting 加签, begins with SEC; left out when the robot has keywords or an address list.",
    ),
    config::key(
        "keyword",
        KeyKind::Text,
        false,
        "One of the words of the security setting 自定义关键词; put at the end of messages that do not hold it.",
    ),
    config::key(
        "chat",
        KeyKind::Text,
        true,
        "Name under which rules address the one group that this robot posts to.",
    ),
    config::key(
        "oapi_url",
        KeyKind::Url,
        false,
        "Old API; https://oapi.dingtalk.com when left out.",
    ),
];

#[derive(Debug)]
struct Settings {
    oapi: Url,
    token: Secret,
    secret: Option<Secret>,
    keyword: Option<String>,
    chat: ChatId,
}

impl Settings {
    fn read(settings: &hutong_model::Settings) -> Result<Self, Vec<KeyProblem>> {
        let mut problems = Vec::new();
        let mut problem = |key, what: &str, hint: &str| {
            problems.push(KeyProblem {
                key,
                what: what.to_owned(),
                hint: hint.to_owned(),
            });
        };
        let token = settings.secret("access_token").filter(|t| !t.is_empty()).cloned();
        if token.is_none() {
            problem(
                "access_token",
                "it is missing",
                "copy what stands behind access_token= in the webhook address",
            );
        }
        let secret = settings.secret("sign_secret").filter(|s| !s.is_empty()).cloned();
        if secret.as_ref().is_some_and(|s| !s.expose().starts_with("SEC")) {
            problem(
                "sign_secret",
                "it does not begin with SEC",
                "copy it from the robot's security setting 加签",
            );
        }
        let keyword = settings
            .text("keyword")
            .map(str::trim)
            .filter(|k| !k.is_empty())
            .map(str::to_owned);
        if keyword
            .as_ref()
            .is_some_and(|k| k.chars().count() > 50 || k.chars().any(char::is_control))
        {
            problem("keyword", "it is not one short word", "use one of the robot's keywords");
        }
        let chat = settings.text("chat").map(str::trim).and_then(|c| ChatId::new(c).ok());
        if chat.is_none() {
            problem(
                "chat",
                "it is missing or no chat name",
                "choose any name without spaces, for example hook-plant",
            );
        }
        let oapi = config::address(
            settings,
            "oapi_url",
            "https://oapi.dingtalk.com",
            &["oapi.dingtalk.com"],
        )
        .map_err(|p| problems.push(p))
        .ok();
        match (oapi, token, chat) {
            (Some(oapi), Some(token), Some(chat)) if problems.is_empty() => Ok(Self {
                oapi,
                token,
                secret,
                keyword,
                chat,
            }),
            _ => Err(problems),
        }
    }

    /// The address of one call at `now`.
    fn address(&self, now: Timestamp) -> Url {
        let mut url = self.oapi.clone();
        url.set_path("/robot/send");
        let mut query = url.query_pairs_mut();
        query.append_pair("access_token", self.token.expose());
        if let Some(secret) = &self.secret {
            let timestamp = now.millis().to_string();
            query
                .append_pair("timestamp", &timestamp)
                .append_pair("sign", &verify::robot_sign(secret, &timestamp));
        }
        drop(query);
        url
    }

    /// The platform looks for the keyword in the title and the text.
    fn with_keyword(&self, mut body: Value) -> Value {
        let Some(keyword) = &self.keyword else { return body };
        let said = ["/text/content", "/markdown/text", "/actionCard/text"]
            .into_iter()
            .find(|at| body.pointer(at).is_some_and(Value::is_string));
        if let Some(Value::String(text)) = said.and_then(|at| body.pointer_mut(at))
            && !text.contains(keyword.as_str())
        {
            text.push_str("\n\n");
            text.push_str(keyword);
        }
        body
    }
}

/// What a prepared request holds.
#[derive(Debug, Serialize, Deserialize)]
struct Post {
    body: Value,
}

/// The robot of one group.
pub struct GroupRobot {
    app: AppId,
    settings: Settings,
    capabilities: Capabilities,
    clock: Arc<dyn Clock>,
    client: reqwest::Client,
}

impl GroupRobot {
    /// Checks the settings; talks to nobody.
    pub fn new(build: Build) -> Result<Self, Vec<KeyProblem>> {
        let settings = Settings::read(&build.settings)?;
        let plain = config::loopback(&settings.oapi) && settings.oapi.scheme() == "http";
        let client = http::client(plain).map_err(|what| {
            vec![KeyProblem {
                key: "oapi_url",
                what: format!("no HTTP client: {what}"),
                hint: "check that the system has root certificates".into(),
            }]
        })?;
        Ok(Self {
            app: build.app,
            settings,
            capabilities: capabilities(),
            clock: build.clock,
            client,
        })
    }

    fn not(action: &Action, why: &str) -> RenderError {
        RenderError::NotPossible {
            app_kind: KIND,
            action: action.kind().as_str(),
            why: why.to_owned(),
        }
    }
}

fn capabilities() -> Capabilities {
    Capabilities {
        kind: KIND,
        sees: [].into(),
        can: [Ability::SendToChat, Ability::MentionUser, Ability::MentionAll].into(),
        limits: Limits {
            text_bytes: render::TEXT_BYTES,
            card_bytes: BODY_BYTES,
            buttons: 0,
            members_per_call: 0,
            chat_members: 0,
        },
        // One more than 20 in a minute blocks the robot for ten minutes.
        rates: vec![LimitRule::calls(SEND, LimitScope::App, 20, 60_000)],
        remarks: vec![
            (
                "只能往一个群里发，什么也听不到；知道地址和密钥的人都能用它发消息，请保密。",
                "Posts to one group and hears nothing; whoever knows address and secret can post, so keep them secret.",
            ),
            (
                "每分钟最多 20 条，超过后停 10 分钟；发出的消息不能撤回，结果不明的不会自动重发。",
                "At most 20 messages a minute, then blocked for ten; nothing can be recalled, an unknown outcome is not repeated.",
            ),
        ],
    }
}

impl Adapter for GroupRobot {
    fn app(&self) -> &AppId {
        &self.app
    }

    fn platform(&self) -> Platform {
        Platform::DingTalk
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn receive(&self, _request: &RawRequest<'_>, _now: Timestamp) -> Received {
        // Nothing ever comes from this robot.
        Received::Rejected(Rejection::WrongApp)
    }

    fn prepare(&self, action: &Action) -> Result<Vec<Prepared>, RenderError> {
        let own = &self.settings.chat;
        let content = match action {
            Action::Send {
                to: Target::Chat(chat),
                content,
            } if chat == own => content,
            Action::Reply { chat, content, .. } if chat.id == *own => content,
            Action::Send { .. } | Action::Reply { .. } => {
                return Err(Self::not(action, "a group robot posts to its own group only"));
            }
            _ => return Err(Self::not(action, "a group robot can only post to its group")),
        };
        render::parts(content)?
            .into_iter()
            .map(|part| {
                let body = self.settings.with_keyword(part.webhook);
                let bytes = body.to_string().len();
                if bytes > BODY_BYTES {
                    return Err(RenderError::TooLarge {
                        what: "message of a group robot",
                        bytes,
                        limit: BODY_BYTES,
                    });
                }
                Ok(Prepared {
                    api: SEND.to_owned(),
                    to: Some(own.as_str().to_owned()),
                    weight: 1,
                    request: serde_json::to_string(&Post { body }).map_err(|e| RenderError::Invalid(e.to_string()))?,
                    key_window_ms: None,
                })
            })
            .collect()
    }

    fn deliver<'a>(&'a self, prepared: &'a Prepared, key: &'a str) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let Ok(Post { mut body }) = serde_json::from_str(&prepared.request) else {
                return Outcome::Rejected {
                    code: "request".into(),
                    text: "the stored request cannot be read".into(),
                };
            };
            if body.is_object() {
                body["msgUuid"] = key.into();
            }
            // Signed at the last moment: a signature is good for an hour only.
            let address = self.settings.address(self.clock.now());
            match http::post_old(&self.client, address, &body).await {
                Ok(_) => Outcome::Sent(hutong_model::Receipt::default()),
                Err(failure) => Failure::outcome(failure),
            }
        })
    }

    fn departments<'a>(&'a self, _cursor: Option<&'a str>) -> BoxFuture<'a, Result<Page<DepartmentRecord>, CallError>> {
        Box::pin(async { Err(CallError::NotPossible("reading departments")) })
    }

    fn people<'a>(
        &'a self,
        _department: &'a DepartmentId,
        _cursor: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page<PersonRecord>, CallError>> {
        Box::pin(async { Err(CallError::NotPossible("reading people")) })
    }

    fn person<'a>(&'a self, _user: &'a UserId) -> BoxFuture<'a, Result<Option<PersonRecord>, CallError>> {
        Box::pin(async { Err(CallError::NotPossible("reading a person")) })
    }

    fn probe<'a>(&'a self) -> BoxFuture<'a, Result<(), CallError>> {
        Box::pin(async { Err(CallError::NotPossible("a check without sending")) })
    }

    fn diagnose<'a>(&'a self, _callback: Option<&'a str>) -> BoxFuture<'a, Vec<Finding>> {
        Box::pin(async { vec![finding(self.settings.secret.is_some(), self.settings.keyword.is_some())] })
    }
}

/// What the settings say of the robot's security; only a message would show whether they are right.
fn finding(signs: bool, keyword: bool) -> Finding {
    let (state, zh, en) = match (signs, keyword) {
        (true, _) => (
            FindingState::Unknown,
            "加签已设置;是否正确要发一条消息才知道",
            "signing is set; only a message shows whether the secret is right",
        ),
        (false, true) => (
            FindingState::Unknown,
            "只有关键词:知道地址的人都能发带这个词的消息,建议改用加签",
            "keyword only: whoever knows the address can post with that word; signing is safer",
        ),
        (false, false) => (
            FindingState::Warning,
            "没有加签也没有关键词:机器人须在安全设置里登记本机出口地址",
            "neither signing nor keyword: the robot's address list must name this machine",
        ),
    };
    Finding::new("security", state, zh, en)
}

#[cfg(test)]
mod tests {
    use hutong_model::{ManualClock, Message, SettingValue};

    use super::*;

    fn build(more: &[(&str, SettingValue)]) -> Result<GroupRobot, Vec<KeyProblem>> {
        let mut settings = hutong_model::Settings::default()
            .with("access_token", SettingValue::Secret(Secret::new("simtoken")))
            .with("chat", SettingValue::Text("hook-plant".into()))
            .with("oapi_url", SettingValue::Text("http://127.0.0.1:9".into()));
        for (key, value) in more {
            settings.set(*key, value.clone());
        }
        GroupRobot::new(Build {
            kind: KIND.to_owned(),
            company: hutong_model::CompanyId::new("main").unwrap(),
            app: AppId::new("hook").unwrap(),
            settings,
            clock: Arc::new(ManualClock::at(Timestamp(1_751_600_000_123))),
        })
    }

    fn post(robot: &GroupRobot, text: &str) -> Vec<Prepared> {
        robot
            .prepare(&Action::Send {
                to: Target::Chat(ChatId::new("hook-plant").unwrap()),
                content: Message::text(text),
            })
            .unwrap()
    }

    #[test]
    fn addresses_are_signed_as_recorded() {
        let vectors: Value = serde_json::from_str(include_str!("../tests/vectors/custom_webhook_sign.json")).unwrap();
        let samples = vectors["samples"].as_array().unwrap();
        assert!(samples.len() >= 4);
        for sample in samples {
            let text = |key: &str| sample[key].as_str().unwrap();
            let signed = verify::robot_sign(&Secret::new(text("secret")), text("timestamp"));
            assert_eq!(signed, text("sign_base64"));
            // The documentation's own example has a secret without the SEC of real ones.
            let settings = Settings {
                oapi: Url::parse("https://oapi.dingtalk.com").unwrap(),
                token: Secret::new("simtoken"),
                secret: Some(Secret::new(text("secret"))),
                keyword: None,
                chat: ChatId::new("c").unwrap(),
            };
            let at = Timestamp(text("timestamp").parse().unwrap());
            if let Some(url) = sample["url"].as_str() {
                assert_eq!(settings.address(at).as_str(), url);
            }
            let found = settings.address(at).to_string();
            assert!(
                found.ends_with(&format!("sign={}", text("sign_url_encoded"))),
                "{found}"
            );
        }
    }

    #[test]
    fn what_is_refused_by_the_platform_means_what_it_says() {
        let vectors: Value = serde_json::from_str(include_str!("../tests/vectors/custom_webhook_sign.json")).unwrap();
        for error in vectors["errors"].as_array().unwrap() {
            let bytes = error["body"].to_string();
            let failure = http::understand(http::Generation::Old, 200, bytes.as_bytes()).unwrap_err();
            let code = error["body"]["errcode"].as_i64().unwrap();
            let rate = matches!(failure.class, crate::codes::Class::Rate { after_ms: 600_000, .. });
            assert_eq!(rate, [130_101, 410_100, 660_026].contains(&code), "{error}");
        }
    }

    #[test]
    fn settings_are_checked_all_at_once() {
        let keys = |problems: Vec<KeyProblem>| problems.into_iter().map(|p| p.key).collect::<Vec<_>>();
        let text = |t: &str| SettingValue::Text(t.into());
        let bad = build(&[
            ("access_token", SettingValue::Secret(Secret::new(""))),
            ("sign_secret", SettingValue::Secret(Secret::new("short"))),
            ("chat", text("")),
            ("oapi_url", text("https://evil.example")),
        ])
        .err()
        .unwrap();
        assert_eq!(keys(bad), ["access_token", "sign_secret", "chat", "oapi_url"]);
        assert!(build(&[]).is_ok(), "an address list needs neither secret nor keyword");
    }

    #[test]
    fn a_keyword_is_added_where_it_is_missing() {
        let robot = build(&[("keyword", SettingValue::Text("生产".into()))]).ok().unwrap();
        let said = |text: &str| {
            let prepared = post(&robot, text);
            let body: Value = serde_json::from_str(&prepared[0].request).unwrap();
            body["body"].to_string()
        };
        assert_eq!(said("今天停线").matches("生产").count(), 1);
        assert_eq!(said("生产线今天停").matches("生产").count(), 1, "not twice");
    }

    #[test]
    fn only_its_own_group_is_reached() {
        let robot = build(&[]).ok().unwrap();
        let prepared = post(&robot, "今天停线");
        assert_eq!((prepared.len(), prepared[0].key_window_ms), (1, None));
        let content = Message::text("x");
        for action in [
            Action::Send {
                to: Target::Chat(ChatId::new("other").unwrap()),
                content: content.clone(),
            },
            Action::Send {
                to: Target::User(UserId::new("u").unwrap()),
                content,
            },
            Action::Disband {
                chat: ChatId::new("hook-plant").unwrap(),
            },
        ] {
            assert!(
                matches!(robot.prepare(&action), Err(RenderError::NotPossible { .. })),
                "{action:?}"
            );
        }
        let long = "长".repeat(30_000);
        let all = post(&robot, &long);
        assert!(
            all.len() > 1 && all.iter().all(|p| p.request.len() < BODY_BYTES + 64),
            "{}",
            all.len()
        );
    }
}
