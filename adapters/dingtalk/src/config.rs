//! The keys of an `[[app]]` table with `platform = "dingtalk"`, and their checks.

use hutong_model::{AppId, KeyKind, KeyProblem, KeySpec, Secret, Settings, UserId};
use url::Url;

use crate::verify::AesKey;

pub(crate) const fn key(name: &'static str, kind: KeyKind, required: bool, doc: &'static str) -> KeySpec {
    KeySpec {
        name,
        kind,
        required,
        doc,
    }
}

/// Every key, in the order in which an admin meets them in the developer console.
pub const KEYS: &[KeySpec] = &[
    key(
        "client_id",
        KeyKind::Text,
        true,
        "Client ID (AppKey) of the internal app: developer console, credentials page.",
    ),
    key(
        "client_secret",
        KeyKind::Secret,
        true,
        "Client Secret (AppSecret) of the same page; it also signs the robot's messages.",
    ),
    key(
        "corp_id",
        KeyKind::Text,
        true,
        "CorpId of the company: top right of the developer console.",
    ),
    key(
        "robot_code",
        KeyKind::Text,
        false,
        "RobotCode of the app's robot: robot page; the Client ID when left out.",
    ),
    key(
        "robot_name",
        KeyKind::Text,
        false,
        "Name of the robot as people see it; used to leave its mention out of rich text.",
    ),
    key(
        "receive",
        KeyKind::Text,
        false,
        "How events come: callback (HTTP push, when left out) or long_connection (Stream mode, no public address \
         needed); choose the same for events and for robot messages in the developer console.",
    ),
    key(
        "stream_quiet_seconds",
        KeyKind::Integer,
        false,
        "Long connection: replaced when the platform has sent no frame for so long, 60 to 86400; 180 when left out.",
    ),
    key(
        "connections",
        KeyKind::Integer,
        false,
        "Long connection: how many stand side by side, 1 to 4; with 2 hardly a robot message is lost while one is replaced. \
         1 when left out.",
    ),
    key(
        "event_token",
        KeyKind::Secret,
        false,
        "Token of the event subscription (HTTP push): event subscription page; required unless receive is long_connection.",
    ),
    key(
        "event_aes_key",
        KeyKind::Secret,
        false,
        "aes_key of the event subscription, 43 letters and digits, same page; required unless receive is long_connection.",
    ),
    key(
        "card_template_id",
        KeyKind::Text,
        false,
        "Id (ends in .schema) of the published card template; without it there are no buttons and forms.",
    ),
    key(
        "card_secret",
        KeyKind::Secret,
        false,
        "The apiSecret that signs card callbacks, chosen by you; required with card_template_id unless receive is \
         long_connection.",
    ),
    key(
        "card_route_key",
        KeyKind::Text,
        false,
        "The callbackRouteKey under which the card callback is registered; hutong-{app id} when left out.",
    ),
    key(
        "callback_url",
        KeyKind::Url,
        false,
        "Public address of this app's hook; when set, the card callback is registered by the bot itself.",
    ),
    key(
        "group_template_id",
        KeyKind::Text,
        false,
        "Id of the scene group template that holds the robot; without it the bot cannot create groups.",
    ),
    key(
        "cool_app_code",
        KeyKind::Text,
        false,
        "Code of the group app, where the robot came into the groups through one.",
    ),
    key(
        "calendar_user",
        KeyKind::Text,
        false,
        "User id whose calendar holds the bot's entries; without it there are none.",
    ),
    key(
        "root_departments",
        KeyKind::Text,
        false,
        "Department ids to read from, separated by commas; 1 (everyone) when left out.",
    ),
    key(
        "employment_field",
        KeyKind::Text,
        false,
        "Name of the contacts' own field that holds the kind of employment (正式, 实习, 外包, 劳务, 顾问); 用工类型 when \
         left out.",
    ),
    key(
        "agent_id",
        KeyKind::Text,
        false,
        "AgentId of the app, credentials page: people whom the robot cannot reach get a work notice instead.",
    ),
    key(
        "honour_user",
        KeyKind::Text,
        false,
        "User id in whose name honours are granted; without it there are none.",
    ),
    key(
        "statistics",
        KeyKind::Bool,
        false,
        "Whether the company has an edition with usage statistics and the app may read them; false when left out.",
    ),
    key(
        "monthly_calls",
        KeyKind::Integer,
        false,
        "API calls a month that the company has bought, 0 for no limit; 5000 (standard edition) when left out.",
    ),
    key(
        "client_secret_previous",
        KeyKind::Secret,
        false,
        "The Client Secret before a change: robot messages signed with it are still accepted.",
    ),
    key(
        "event_token_previous",
        KeyKind::Secret,
        false,
        "The event token before a change: pushes signed with it are still accepted.",
    ),
    key(
        "event_aes_key_previous",
        KeyKind::Secret,
        false,
        "The event aes_key before a change: pushes sealed with it are still opened.",
    ),
    key(
        "card_secret_previous",
        KeyKind::Secret,
        false,
        "The card_secret before a change: card callbacks signed with it are still accepted.",
    ),
    key(
        "base_url",
        KeyKind::Url,
        false,
        "New API; https://api.dingtalk.com when left out.",
    ),
    key(
        "oapi_url",
        KeyKind::Url,
        false,
        "Old API; https://oapi.dingtalk.com when left out.",
    ),
];

/// A gateway was seen to send a heartbeat frame every 20 to 30 seconds (4.7).
pub const STREAM_QUIET_MS: u64 = 180_000;

/// Checked settings of one app.
#[derive(Debug, Clone)]
pub struct Config {
    pub api: Url,
    pub oapi: Url,
    pub client_id: String,
    pub client_secret: Secret,
    pub corp_id: String,
    pub robot_code: String,
    pub robot_name: Option<String>,
    pub receive: Receive,
    /// Stream mode: silence of application frames after which the connection is replaced.
    pub stream_quiet_ms: u64,
    /// Stream mode: connections of one process.
    pub connections: u32,
    /// Empty when there is no HTTP push: then none is accepted.
    pub event_token: Secret,
    /// Means something only together with a token.
    pub event_aes_key: AesKey,
    pub card: Option<CardConfig>,
    pub group_template_id: Option<String>,
    pub cool_app_code: Option<String>,
    pub calendar_user: Option<String>,
    pub root_departments: Vec<i64>,
    /// Names of the company's own field for the kind of employment; the first that a person has counts.
    pub employment_fields: Vec<String>,
    pub agent_id: Option<String>,
    pub honour_user: Option<UserId>,
    pub statistics: bool,
    /// `None`: no limit.
    pub monthly_calls: Option<u32>,
    pub previous: Previous,
}

/// How events, robot messages and presses on new cards come to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Receive {
    #[default]
    Callback,
    /// Stream mode. Callbacks are still accepted where their secrets are set, so that nothing is
    /// lost while an admin changes from one to the other.
    LongConnection,
}

/// What was valid before a change of secrets. Callbacks proved with it are taken as well, so that a
/// secret can be replaced in the console and in the file one after the other without losing one.
#[derive(Debug, Clone, Default)]
pub struct Previous {
    pub client_secret: Option<Secret>,
    pub event_token: Option<Secret>,
    pub event_aes_key: Option<AesKey>,
    pub card_secret: Option<Secret>,
}

/// Of the standard edition (6.1).
pub const MONTHLY_CALLS: u32 = 5_000;

#[derive(Debug, Clone)]
pub struct CardConfig {
    pub template_id: String,
    /// Empty when card callbacks come over the long connection only.
    pub secret: Secret,
    pub route_key: String,
    pub callback_url: Option<String>,
}

/// True for an address that never leaves the machine.
pub fn loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        None => false,
    }
}

pub(crate) fn address(
    settings: &Settings,
    key: &'static str,
    default: &str,
    hosts: &[&str],
) -> Result<Url, KeyProblem> {
    let text = settings.text(key).unwrap_or(default);
    let problem = |what: String| KeyProblem {
        key,
        what,
        hint: format!("use {default}, or a loopback address for a simulator"),
    };
    let url = Url::parse(text).map_err(|e| problem(format!("not an address: {e}")))?;
    if url.query().is_some() || url.fragment().is_some() || !matches!(url.path(), "" | "/") {
        return Err(problem("it must have no path and no query".into()));
    }
    let local = loopback(&url);
    if !local && (url.scheme() != "https" || !hosts.iter().any(|h| url.host_str() == Some(h))) {
        return Err(problem(format!(
            "{} is not a DingTalk host with https",
            url.host_str().unwrap_or("?")
        )));
    }
    if !matches!(url.scheme(), "http" | "https") {
        return Err(problem("it must begin with http:// or https://".into()));
    }
    Ok(url)
}

impl Config {
    /// Checks everything and reports every problem at once.
    pub fn read(app: &AppId, settings: &Settings) -> Result<Self, Vec<KeyProblem>> {
        let mut problems = Vec::new();
        let mut text = |key: &'static str, hint: &str| match settings.text(key).map(str::trim) {
            Some(t) if !t.is_empty() => t.to_owned(),
            _ => {
                problems.push(KeyProblem {
                    key,
                    what: "it is missing".into(),
                    hint: hint.into(),
                });
                String::new()
            }
        };
        let client_id = text("client_id", "copy the Client ID from the credentials page");
        let corp_id = text("corp_id", "copy the CorpId from the developer console");
        let mut secret = |key: &'static str, hint: &str| match settings.secret(key) {
            Some(s) if !s.is_empty() => s.clone(),
            _ => {
                problems.push(KeyProblem {
                    key,
                    what: "it is missing; without it callbacks cannot be verified".into(),
                    hint: hint.into(),
                });
                Secret::new("")
            }
        };
        let client_secret = secret("client_secret", "copy the Client Secret from the credentials page");
        let receive = match settings.text("receive").map(str::trim) {
            None | Some("" | "callback") => Some(Receive::Callback),
            Some("long_connection") => Some(Receive::LongConnection),
            Some(_) => None,
        };
        let given = |key: &str| settings.secret(key).is_some_and(|s| !s.is_empty());
        // Stream mode needs neither; one without the other is a mistake in either mode.
        let pushes = receive != Some(Receive::LongConnection) || given("event_token") || given("event_aes_key");
        let (event_token, aes) = if pushes {
            (
                secret("event_token", "choose HTTP push on the event subscription page"),
                secret("event_aes_key", "choose HTTP push on the event subscription page"),
            )
        } else {
            (Secret::new(""), Secret::new(""))
        };
        if receive.is_none() {
            problems.push(KeyProblem {
                key: "receive",
                what: "it is neither callback nor long_connection".into(),
                hint: "use \"long_connection\" for Stream mode, or leave it out for HTTP push".into(),
            });
        }
        let stream_quiet_ms = match settings.integer("stream_quiet_seconds") {
            None => STREAM_QUIET_MS,
            Some(n) => match u64::try_from(n) {
                Ok(seconds @ 60..=86_400) => seconds * 1_000,
                _ => {
                    problems.push(KeyProblem {
                        key: "stream_quiet_seconds",
                        what: format!("{n} is not between 60 and 86400"),
                        hint: "leave it out for 180 seconds".into(),
                    });
                    STREAM_QUIET_MS
                }
            },
        };
        let connections = match settings.integer("connections") {
            None => 1,
            Some(n) => match u32::try_from(n) {
                Ok(n @ 1..=4) => n,
                _ => {
                    problems.push(KeyProblem {
                        key: "connections",
                        what: format!("{n} is not between 1 and 4"),
                        hint: "2 is enough; leave it out for one".into(),
                    });
                    1
                }
            },
        };
        let event_aes_key = if !pushes {
            Some(AesKey::none())
        } else if aes.is_empty() {
            None
        } else {
            AesKey::parse(aes.expose())
                .map_err(|what| {
                    problems.push(KeyProblem {
                        key: "event_aes_key",
                        what: what.into(),
                        hint: "copy the aes_key of the event subscription page: 43 letters and digits".into(),
                    });
                })
                .ok()
        };
        let mut url = |key, default, hosts: &[&str]| {
            address(settings, key, default, hosts)
                .map_err(|p| problems.push(p))
                .ok()
        };
        let api = url(
            "base_url",
            "https://api.dingtalk.com",
            &["api.dingtalk.com", "api.dingtalk.io"],
        );
        let oapi = url("oapi_url", "https://oapi.dingtalk.com", &["oapi.dingtalk.com"]);
        let optional = |key: &str| {
            settings
                .text(key)
                .map(str::trim)
                .filter(|t| !t.is_empty())
                .map(str::to_owned)
        };
        let streaming = receive == Some(Receive::LongConnection);
        let card = optional("card_template_id").and_then(|template_id| match settings.secret("card_secret") {
            secret if streaming || given("card_secret") => Some(CardConfig {
                template_id,
                secret: secret.cloned().unwrap_or_else(|| Secret::new("")),
                route_key: optional("card_route_key").unwrap_or_else(|| format!("hutong-{app}")),
                callback_url: optional("callback_url"),
            }),
            _ => {
                problems.push(KeyProblem {
                    key: "card_secret",
                    what: "it is missing; without it anybody could press buttons in another's name".into(),
                    hint: "choose a long random text; it is registered together with the card callback".into(),
                });
                None
            }
        });
        let mut root_departments = Vec::new();
        for part in optional("root_departments").unwrap_or_else(|| "1".into()).split(',') {
            match part.trim().parse::<i64>() {
                Ok(id) if id > 0 => root_departments.push(id),
                _ => problems.push(KeyProblem {
                    key: "root_departments",
                    what: format!("{:?} is not a department id", part.trim()),
                    hint: "use numbers separated by commas".into(),
                }),
            }
        }
        let older = |key: &str| settings.secret(key).filter(|s| !s.is_empty()).cloned();
        let previous = Previous {
            client_secret: older("client_secret_previous"),
            event_token: older("event_token_previous"),
            event_aes_key: older("event_aes_key_previous").and_then(|key| {
                AesKey::parse(key.expose())
                    .map_err(|what| {
                        problems.push(KeyProblem {
                            key: "event_aes_key_previous",
                            what: what.into(),
                            hint: "use the aes_key that was set before, or leave it out".into(),
                        });
                    })
                    .ok()
            }),
            card_secret: older("card_secret_previous"),
        };
        let agent_id = optional("agent_id");
        if agent_id
            .as_deref()
            .is_some_and(|a| !a.bytes().all(|b| b.is_ascii_digit()))
        {
            problems.push(KeyProblem {
                key: "agent_id",
                what: "it is not a number".into(),
                hint: "copy the AgentId from the credentials page".into(),
            });
        }
        let honour_user = optional("honour_user").and_then(|text| {
            UserId::new(text)
                .map_err(|e| {
                    problems.push(KeyProblem {
                        key: "honour_user",
                        what: e.to_string(),
                        hint: "use the userId of the person who grants honours".into(),
                    });
                })
                .ok()
        });
        let monthly_calls = match settings.integer("monthly_calls") {
            None => Some(MONTHLY_CALLS),
            Some(0) => None,
            Some(n) => match u32::try_from(n) {
                Ok(n) => Some(n),
                Err(_) => {
                    problems.push(KeyProblem {
                        key: "monthly_calls",
                        what: format!("{n} is not a number of calls"),
                        hint: "use the number of the company's edition, or 0 for no limit".into(),
                    });
                    None
                }
            },
        };
        match (api, oapi, event_aes_key, receive) {
            (Some(api), Some(oapi), Some(event_aes_key), Some(receive)) if problems.is_empty() => Ok(Self {
                receive,
                stream_quiet_ms,
                connections,
                robot_code: optional("robot_code").unwrap_or_else(|| client_id.clone()),
                robot_name: optional("robot_name"),
                group_template_id: optional("group_template_id"),
                cool_app_code: optional("cool_app_code"),
                calendar_user: optional("calendar_user"),
                api,
                oapi,
                client_id,
                client_secret,
                corp_id,
                event_token,
                event_aes_key,
                card,
                root_departments,
                employment_fields: match optional("employment_field") {
                    Some(name) => vec![name],
                    None => ["用工类型", "员工类型"].map(str::to_owned).to_vec(),
                },
                agent_id,
                honour_user,
                statistics: settings.bool("statistics").unwrap_or(false),
                monthly_calls,
                previous,
            }),
            _ => Err(problems),
        }
    }

    pub fn streams(&self) -> bool {
        self.receive == Receive::LongConnection
    }

    /// Whether an event push can be proved at all.
    pub fn takes_pushes(&self) -> bool {
        !self.event_token.is_empty()
    }

    /// The address that a reply may go to: only the old API's own host, over TLS unless it is
    /// loopback, so that a forged message cannot make the bot call somewhere else.
    pub fn webhook(&self, text: &str) -> Option<Url> {
        let url = Url::parse(text).ok()?;
        let same = url.scheme() == self.oapi.scheme()
            && url.host() == self.oapi.host()
            && url.port_or_known_default() == self.oapi.port_or_known_default()
            && url.username().is_empty()
            && url.password().is_none();
        same.then_some(url)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use hutong_model::SettingValue;

    pub(crate) fn settings() -> Settings {
        let text = |t: &str| SettingValue::Text(t.into());
        let secret = |t: &str| SettingValue::Secret(Secret::new(t));
        Settings::default()
            .with("client_id", text("dingsim0appkey00001"))
            .with("client_secret", secret("sim-app-secret"))
            .with("corp_id", text("ding9f50b15b000016741"))
            .with("event_token", secret("sim0Token32"))
            .with("event_aes_key", secret("RGYqfvJbsU2O623xNI2SBVvDfka0fHcqWar44Bb6EbQ"))
            .with("card_template_id", text("tmpl-0001.schema"))
            .with("card_secret", secret("mySecret"))
            .with("group_template_id", text("tmpl-0001"))
            .with("calendar_user", text("manager1"))
    }

    pub(crate) fn config(settings: &Settings) -> Config {
        Config::read(&AppId::new("dt").unwrap(), settings).unwrap()
    }

    #[test]
    fn an_app_without_its_verification_secrets_is_refused() {
        assert!(Config::read(&AppId::new("dt").unwrap(), &settings()).is_ok());
        for key in ["client_secret", "event_token", "event_aes_key", "card_secret"] {
            let broken = settings().with(key, SettingValue::Secret(Secret::new("")));
            let problems = Config::read(&AppId::new("dt").unwrap(), &broken).unwrap_err();
            assert_eq!(problems.len(), 1, "{key}: {problems:?}");
            assert_eq!(problems[0].key, key);
        }
        let problems = Config::read(&AppId::new("dt").unwrap(), &Settings::default()).unwrap_err();
        assert_eq!(problems.len(), 5, "{problems:?}");
    }

    #[test]
    fn a_long_connection_needs_no_secrets_of_callbacks() {
        let read = |settings: &Settings| Config::read(&AppId::new("dt").unwrap(), settings);
        let text = |t: &str| SettingValue::Text(t.into());
        let none = || SettingValue::Secret(Secret::new(""));
        let stream = settings().with("receive", text("long_connection"));
        let bare = stream
            .clone()
            .with("event_token", none())
            .with("event_aes_key", none())
            .with("card_secret", none());
        let config = read(&bare).unwrap();
        assert!(config.streams() && !config.takes_pushes());
        assert_eq!(config.stream_quiet_ms, 180_000);
        assert!(config.card.is_some(), "cards come over the connection");
        assert!(read(&stream).unwrap().takes_pushes(), "both ways while changing over");
        for half in ["event_token", "event_aes_key"] {
            let problems = read(&stream.clone().with(half, none())).unwrap_err();
            assert_eq!(problems[0].key, half);
        }
        assert_eq!(
            read(&bare.clone().with("client_secret", none())).unwrap_err()[0].key,
            "client_secret"
        );
        assert_eq!(
            read(&settings().with("receive", text("stream"))).unwrap_err()[0].key,
            "receive"
        );
        let quiet = |n| read(&bare.clone().with("stream_quiet_seconds", SettingValue::Integer(n)));
        assert_eq!(quiet(60).unwrap().stream_quiet_ms, 60_000);
        for wrong in [59, 86_401, -1] {
            assert_eq!(quiet(wrong).unwrap_err()[0].key, "stream_quiet_seconds");
        }
    }

    #[test]
    fn further_keys_are_checked_too() {
        let with = |key: &str, value| Config::read(&AppId::new("dt").unwrap(), &settings().with(key, value));
        let text = |t: &str| SettingValue::Text(t.into());
        for (key, value) in [
            ("agent_id", text("12x")),
            ("honour_user", text("@all")),
            ("monthly_calls", SettingValue::Integer(-1)),
            ("event_aes_key_previous", SettingValue::Secret(Secret::new("short"))),
        ] {
            let problems = with(key, value).unwrap_err();
            assert_eq!((problems.len(), problems[0].key), (1, key));
        }
        assert_eq!(config(&settings()).monthly_calls, Some(5000));
        assert_eq!(
            with("monthly_calls", SettingValue::Integer(0)).unwrap().monthly_calls,
            None
        );
    }

    #[test]
    fn other_hosts_only_on_loopback() {
        let with = |url: &str| {
            Config::read(
                &AppId::new("dt").unwrap(),
                &settings().with("base_url", SettingValue::Text(url.into())),
            )
        };
        for good in [
            "http://127.0.0.1:8080",
            "http://localhost:1/",
            "http://[::1]:9",
            "https://api.dingtalk.io",
        ] {
            assert!(with(good).is_ok(), "{good}");
        }
        for bad in [
            "http://api.dingtalk.com",
            "https://api.dingtalk.com.evil.example",
            "https://evil.example",
            "https://api.dingtalk.com/x",
            "http://127.0.0.1:1/?a=b",
            "ftp://127.0.0.1",
            "nonsense",
        ] {
            assert!(with(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_reply_address_must_be_the_platforms_own() {
        let c = config(&settings());
        assert!(
            c.webhook("https://oapi.dingtalk.com/robot/sendBySession?session=1")
                .is_some()
        );
        for bad in [
            "http://oapi.dingtalk.com/robot/sendBySession?session=1",
            "https://oapi.dingtalk.com.evil.example/x",
            "https://oapi.dingtalk.com:8443/x",
            "https://user@oapi.dingtalk.com/x",
            "https://evil.example/oapi.dingtalk.com",
            "file:///etc/passwd",
            "",
        ] {
            assert!(c.webhook(bad).is_none(), "{bad}");
        }
    }
}
