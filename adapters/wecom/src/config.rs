//! The keys of an `[[app]]` table for the three doors, and their check.

use hutong_model::{Build, KeyKind, KeyProblem, KeySpec, Secret, Settings};
use url::{Host, Url};

use crate::fields::Fields;
use crate::stream::WS_URL;
use crate::verify::{KeyRing, Keys};

/// Where the platform's API lives.
pub const BASE_URL: &str = "https://qyapi.weixin.qq.com";
const HOST: &str = "qyapi.weixin.qq.com";

pub const APP: &str = "wecom";
pub const AIBOT: &str = "wecom_aibot";
pub const WEBHOOK: &str = "wecom_webhook";

const fn key(name: &'static str, kind: KeyKind, required: bool, doc: &'static str) -> KeySpec {
    KeySpec {
        name,
        kind,
        required,
        doc,
    }
}

const BASE: KeySpec = key(
    "base_url",
    KeyKind::Url,
    false,
    "Address of the API, https://qyapi.weixin.qq.com when absent; other hosts only on loopback (simulator).",
);
const TOKEN: KeySpec = key(
    "token",
    KeyKind::Secret,
    true,
    "Callback token, from the same page as aes_key (应用 → 接收消息 → API 接收; for an AI bot: API 模式).",
);
const AES: KeySpec = key(
    "aes_key",
    KeyKind::Secret,
    true,
    "EncodingAESKey of the callback, 43 characters, generated on the page where the URL is saved.",
);

const TOKEN_PREVIOUS: KeySpec = key(
    "token_previous",
    KeyKind::Secret,
    false,
    "The token before a change, still accepted: set it before saving the new one in the console, remove it a day later.",
);
const AES_PREVIOUS: KeySpec = key(
    "aes_key_previous",
    KeyKind::Secret,
    false,
    "The EncodingAESKey before a change, still accepted: the same steps as token_previous.",
);

static APP_KEYS: [KeySpec; 14] = [
    key(
        "corp_id",
        KeyKind::Text,
        true,
        "企业ID, 管理后台 → 我的企业 → 企业信息.",
    ),
    key(
        "agent_id",
        KeyKind::Integer,
        true,
        "AgentId of the self-built app, shown on its page.",
    ),
    key(
        "secret",
        KeyKind::Secret,
        true,
        "Secret of the self-built app, shown on its page.",
    ),
    TOKEN,
    AES,
    TOKEN_PREVIOUS,
    AES_PREVIOUS,
    key(
        "calendar_owner",
        KeyKind::Text,
        false,
        "Userid that owns calendar entries; the first attendee when absent.",
    ),
    key(
        "account_ceiling",
        KeyKind::Integer,
        false,
        "账号上限 of the company (管理后台 → 我的企业): the app may send 200 times as many person-messages a day; not limited here when absent.",
    ),
    key(
        "employee_no_field",
        KeyKind::Text,
        false,
        "Name of the members' own field (通讯录 → 成员资料显示) that holds the employee number; 工号 when absent.",
    ),
    key(
        "joined_on_field",
        KeyKind::Text,
        false,
        "Name of the members' own field that holds the first day (2026-09-01); 入职日期 when absent.",
    ),
    key(
        "office_field",
        KeyKind::Text,
        false,
        "Name of the members' own field that holds the place of work; 办公地点 when absent.",
    ),
    key(
        "employment_field",
        KeyKind::Text,
        false,
        "Name of the members' own field that holds the kind of employment (正式, 实习, 外包, 劳务, 顾问); 用工类型 when absent.",
    ),
    BASE,
];
const OPTIONAL_TOKEN: KeySpec = KeySpec {
    required: false,
    ..TOKEN
};
const OPTIONAL_AES: KeySpec = KeySpec { required: false, ..AES };
static AIBOT_KEYS: [KeySpec; 11] = [
    key(
        "name",
        KeyKind::Text,
        true,
        "Display name of the robot, as it stands behind @ in a group.",
    ),
    key(
        "receive",
        KeyKind::Text,
        false,
        "How its messages come: callback (default; token, aes_key and an address reachable from outside) or \
         long_connection (bot_id and secret; no address). The console's API mode (API 模式) must be the same.",
    ),
    OPTIONAL_TOKEN,
    OPTIONAL_AES,
    TOKEN_PREVIOUS,
    AES_PREVIOUS,
    key(
        "bot_id",
        KeyKind::Text,
        false,
        "Bot ID; needed for long_connection. For callback: when set, callbacks of another bot are refused.",
    ),
    key(
        "secret",
        KeyKind::Secret,
        false,
        "Secret of the long connection, shown beside the Bot ID (API 模式 → 长连接).",
    ),
    key(
        "ws_url",
        KeyKind::Text,
        false,
        "Address of the long connection, wss://openws.work.weixin.qq.com when absent; ws only on loopback (simulator).",
    ),
    key(
        "welcome",
        KeyKind::Text,
        false,
        "First words to a person who opens the private chat (once a day); nothing is said when absent.",
    ),
    BASE,
];
static WEBHOOK_KEYS: [KeySpec; 3] = [
    key(
        "key",
        KeyKind::Secret,
        true,
        "The key= part of the group robot's webhook address.",
    ),
    key(
        "chat",
        KeyKind::Text,
        true,
        "Name under which rules address the one group that this robot posts to.",
    ),
    BASE,
];

/// The keys of one kind.
pub fn keys(kind: &str) -> &'static [KeySpec] {
    match kind {
        APP => &APP_KEYS,
        AIBOT => &AIBOT_KEYS,
        WEBHOOK => &WEBHOOK_KEYS,
        _ => &[],
    }
}

/// A checked configuration.
#[derive(Debug, Clone)]
pub enum Door {
    App(AppDoor),
    Aibot(AibotDoor),
    Webhook(WebhookDoor),
}

/// A self-built app.
#[derive(Debug, Clone)]
pub struct AppDoor {
    pub corp_id: String,
    pub agent_id: i64,
    pub secret: Secret,
    pub keys: KeyRing,
    pub calendar_owner: Option<String>,
    /// Accounts of the company: 200 person-messages a day for each (document 90312).
    pub account_ceiling: Option<u32>,
    /// The company's own fields.
    pub fields: Fields,
}

/// An AI bot.
#[derive(Debug, Clone)]
pub struct AibotDoor {
    pub name: String,
    pub bot_id: Option<String>,
    pub welcome: Option<String>,
    pub receive: BotReceive,
}

/// How an AI bot's messages come. The platform knows one way at a time.
#[derive(Debug, Clone)]
pub enum BotReceive {
    Callback(KeyRing),
    LongConnection { bot_id: String, secret: Secret, url: Url },
}

impl AibotDoor {
    /// True for the long connection.
    pub fn linked(&self) -> bool {
        matches!(self.receive, BotReceive::LongConnection { .. })
    }

    /// The callback's keys, where it has callbacks.
    pub fn keys(&self) -> Option<&KeyRing> {
        match &self.receive {
            BotReceive::Callback(keys) => Some(keys),
            BotReceive::LongConnection { .. } => None,
        }
    }
}

/// A group robot.
#[derive(Debug, Clone)]
pub struct WebhookDoor {
    pub key: Secret,
    pub chat: String,
}

struct Check<'a> {
    settings: &'a Settings,
    problems: Vec<KeyProblem>,
}

impl Check<'_> {
    fn problem(&mut self, key: &'static str, what: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(KeyProblem {
            key,
            what: what.into(),
            hint: hint.into(),
        });
    }

    fn text(&mut self, key: &'static str, hint: &str) -> String {
        match self.settings.text(key).map(str::trim) {
            Some(text) if !text.is_empty() => text.to_owned(),
            _ => {
                self.problem(key, "is missing", hint);
                String::new()
            }
        }
    }

    fn secret(&mut self, key: &'static str, hint: &str) -> Secret {
        match self.settings.secret(key) {
            Some(secret) if !secret.is_empty() => secret.clone(),
            _ => {
                self.problem(key, "is missing", hint);
                Secret::new("")
            }
        }
    }

    fn callback_keys(&mut self, receive_id: &str) -> Option<KeyRing> {
        let token = self.secret(
            "token",
            "without it anybody could send forged callbacks; copy it from the callback page",
        );
        let aes = self.secret("aes_key", "copy the 43 characters from the callback page");
        self.token_shape("token", &token);
        // Either may change alone: what is not named before is as it is now.
        let old_token = self
            .settings
            .secret("token_previous")
            .filter(|t| !t.is_empty())
            .cloned();
        let old_aes = self
            .settings
            .secret("aes_key_previous")
            .filter(|k| !k.is_empty())
            .cloned();
        if let Some(old) = &old_token {
            self.token_shape("token_previous", old);
        }
        let previous = match (&old_token, &old_aes) {
            (None, None) => None,
            _ => {
                let token = old_token.unwrap_or_else(|| token.clone());
                let key = if old_aes.is_some() {
                    "aes_key_previous"
                } else {
                    "aes_key"
                };
                self.pair(token, &old_aes.unwrap_or_else(|| aes.clone()), receive_id, key)
            }
        };
        if aes.is_empty() {
            return None;
        }
        let current = self.pair(token, &aes, receive_id, "aes_key")?;
        Some(KeyRing::new(current, previous))
    }

    fn token_shape(&mut self, key: &'static str, token: &Secret) {
        let text = token.expose();
        if !text.is_empty() && (text.len() > 32 || !text.bytes().all(|b| b.is_ascii_alphanumeric())) {
            self.problem(key, "is not a callback token", "it has up to 32 letters and digits");
        }
    }

    fn pair(&mut self, token: Secret, aes: &Secret, receive_id: &str, key: &'static str) -> Option<Keys> {
        let keys = Keys::new(token, aes, receive_id);
        if keys.is_none() && !self.problems.iter().any(|p| p.key == key) {
            self.problem(key, "is not an EncodingAESKey", "it has exactly 43 letters and digits");
        }
        keys
    }

    fn long_connection(&mut self) -> BotReceive {
        BotReceive::LongConnection {
            bot_id: self.text(
                "bot_id",
                "the Bot ID of the console's page API 模式 → 长连接; receive = \"long_connection\" needs it",
            ),
            secret: self.secret(
                "secret",
                "copy it from the same page; receive = \"long_connection\" needs it",
            ),
            url: self.ws_url(),
        }
    }

    fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        for (key, names) in [
            ("employee_no_field", &mut fields.employee_no),
            ("joined_on_field", &mut fields.joined_on),
            ("office_field", &mut fields.office),
            ("employment_field", &mut fields.employment),
        ] {
            if let Some(name) = self.settings.text(key).map(str::trim).filter(|n| !n.is_empty()) {
                *names = vec![name.to_owned()];
            }
        }
        fields
    }

    fn ws_url(&mut self) -> Url {
        let text = self.settings.text("ws_url").unwrap_or(WS_URL);
        let url = Url::parse(text).ok().filter(|url| {
            let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
            let platform = url.scheme() == "wss"
                && url.port().is_none()
                && url.host_str().is_some_and(|h| h.ends_with(".weixin.qq.com"));
            plain && (platform || (matches!(url.scheme(), "ws" | "wss") && is_loopback(url)))
        });
        match url {
            Some(url) => url,
            None => {
                self.problem(
                    "ws_url",
                    "is not an address of the platform's long connection",
                    format!("use {WS_URL}, or ws:// on 127.0.0.1 for a simulator"),
                );
                #[expect(clippy::expect_used, reason = "a constant that parses, see the test")]
                Url::parse(WS_URL).expect("the constant is a URL")
            }
        }
    }

    fn base_url(&mut self) -> Url {
        let text = self.settings.text("base_url").unwrap_or(BASE_URL);
        let url = Url::parse(text).ok().filter(|url| {
            let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
            let http = matches!(url.scheme(), "http" | "https");
            plain && (is_platform(url) || (http && is_loopback(url)))
        });
        match url {
            Some(url) => url,
            None => {
                self.problem(
                    "base_url",
                    "is not an address of the platform",
                    format!("use {BASE_URL}, or an address on 127.0.0.1 for a simulator"),
                );
                #[expect(clippy::expect_used, reason = "a constant that parses, see the test")]
                Url::parse(BASE_URL).expect("the constant is a URL")
            }
        }
    }
}

pub(crate) fn is_platform(url: &Url) -> bool {
    url.scheme() == "https" && url.host_str() == Some(HOST) && url.port().is_none()
}

/// True for an address on this machine.
pub fn is_loopback(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https" | "ws" | "wss")
        && match url.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        }
}

/// True for an address that an answer of an AI bot may be sent to: the platform, or the simulator
/// that the app is configured for. Everything else would let a forged address fetch from inside.
pub fn may_respond(url: &Url, base: &Url) -> bool {
    url.username().is_empty()
        && url.password().is_none()
        && (is_platform(url) || (is_loopback(base) && url.origin() == base.origin()))
}

/// Checks an `[[app]]` table. An app without its verification secrets is refused.
pub fn check(build: &Build) -> Result<(Door, Url), Vec<KeyProblem>> {
    let mut check = Check {
        settings: &build.settings,
        problems: vec![],
    };
    let base = check.base_url();
    let door = match build.kind.as_str() {
        APP => {
            let corp_id = check.text("corp_id", "管理后台 → 我的企业 → 企业ID, it begins with ww");
            let secret = check.secret("secret", "copy it from the app's page");
            let agent_id = match build.settings.integer("agent_id") {
                Some(id) if id >= 0 => id,
                _ => {
                    check.problem(
                        "agent_id",
                        "is missing or negative",
                        "the AgentId of the app's page, a number",
                    );
                    0
                }
            };
            let calendar_owner = build.settings.text("calendar_owner").map(str::to_owned);
            if let Some(owner) = &calendar_owner
                && hutong_model::UserId::new(owner.as_str()).is_err()
            {
                check.problem("calendar_owner", "is not a userid", "use the userid from 通讯录");
            }
            let account_ceiling = match build.settings.integer("account_ceiling") {
                None => None,
                Some(n) => match u32::try_from(n).ok().filter(|n| (1..=10_000_000).contains(n)) {
                    Some(n) => Some(n),
                    None => {
                        check.problem("account_ceiling", "is not a number of accounts", "use 1 to 10000000");
                        None
                    }
                },
            };
            check.callback_keys(&corp_id).map(|keys| {
                Door::App(AppDoor {
                    corp_id: corp_id.clone(),
                    agent_id,
                    secret,
                    keys,
                    calendar_owner,
                    account_ceiling,
                    fields: check.fields(),
                })
            })
        }
        AIBOT => {
            let name = check.text("name", "the robot's display name, without @");
            let receive = match build.settings.text("receive").map(str::trim) {
                // A company's own AI bot encrypts with an empty receive id.
                None | Some("callback") => check.callback_keys("").map(BotReceive::Callback),
                Some("long_connection") => Some(check.long_connection()),
                Some(_) => {
                    check.problem(
                        "receive",
                        "is not a way to receive",
                        "write \"callback\" or \"long_connection\"",
                    );
                    None
                }
            };
            receive.map(|receive| {
                Door::Aibot(AibotDoor {
                    name: name.trim_start_matches('@').to_owned(),
                    bot_id: build.settings.text("bot_id").map(str::to_owned),
                    welcome: build.settings.text("welcome").map(str::to_owned),
                    receive,
                })
            })
        }
        WEBHOOK => {
            let key = check.secret("key", "the part behind key= of the webhook address");
            let chat = check.text("chat", "any name, for example ops-group");
            if hutong_model::ChatId::new(chat.as_str()).is_err() && !chat.is_empty() {
                check.problem("chat", "is not a chat name", "use a name without spaces and quotes");
            }
            Some(Door::Webhook(WebhookDoor { key, chat }))
        }
        other => {
            check.problem(
                "platform",
                format!("{other} is not a door of WeCom"),
                "use wecom, wecom_aibot or wecom_webhook",
            );
            None
        }
    };
    match door {
        Some(door) if check.problems.is_empty() => Ok((door, base)),
        _ => Err(check.problems),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_platform_and_loopback_are_answered() {
        let real = Url::parse(BASE_URL).unwrap();
        let sim = Url::parse("http://127.0.0.1:4000").unwrap();
        assert!(Url::parse(WS_URL).is_ok());
        let ok = |text: &str, base: &Url| Url::parse(text).is_ok_and(|url| may_respond(&url, base));
        assert!(ok(
            "https://qyapi.weixin.qq.com/cgi-bin/aibot/response?response_code=1",
            &real
        ));
        assert!(ok("http://127.0.0.1:4000/cgi-bin/aibot/response?response_code=1", &sim));
        for bad in [
            "http://qyapi.weixin.qq.com/x",
            "https://qyapi.weixin.qq.com:8443/x",
            "https://qyapi.weixin.qq.com.evil.example/x",
            "https://a@qyapi.weixin.qq.com/x",
            "http://127.0.0.1:4000/x",
            "https://169.254.169.254/latest",
        ] {
            assert!(!ok(bad, &real), "{bad}");
        }
        assert!(!ok("http://127.0.0.1:4001/x", &sim), "another port is another service");
    }
}
