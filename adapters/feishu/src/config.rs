//! The keys of an `[[app]]` table for Feishu and Lark.

use hutong_model::{Build, KeyKind, KeyProblem, KeySpec, Secret};
use url::{Host, Url};

pub const FEISHU_BASE: &str = "https://open.feishu.cn";
pub const LARK_BASE: &str = "https://open.larksuite.com";

const fn key(name: &'static str, kind: KeyKind, required: bool, doc: &'static str) -> KeySpec {
    KeySpec {
        name,
        kind,
        required,
        doc,
    }
}

static KEYS: [KeySpec; 13] = [
    key(
        "base_url",
        KeyKind::Url,
        false,
        "Address of the open platform; default https://open.feishu.cn (feishu) or https://open.larksuite.com (lark). \
         An app exists on one of the two only.",
    ),
    key(
        "app_id",
        KeyKind::Text,
        true,
        "App ID, `cli_...`; developer console, \"Credentials & Basic Info\" (凭证与基础信息).",
    ),
    key(
        "app_secret",
        KeyKind::Secret,
        true,
        "App Secret; same page of the developer console.",
    ),
    key(
        "receive",
        KeyKind::Text,
        false,
        "`callback` (default): the platform calls /hook/ID. `long_connection`: the bot keeps a connection to the \
         platform open and needs no public address; developer console, \"Events & Callbacks\" (事件与回调), \
         \"Subscription mode\" (订阅方式), for events and for callbacks, while the bot is running.",
    ),
    key(
        "encrypt_key",
        KeyKind::Secret,
        false,
        "Encrypt Key; developer console, \"Events & Callbacks\" (事件与回调), \"Encryption strategy\" (加密策略). \
         Required with callbacks: without it they carry no signature.",
    ),
    key(
        "verification_token",
        KeyKind::Secret,
        false,
        "Verification Token; same page as the Encrypt Key.",
    ),
    key(
        "sees_all_messages",
        KeyKind::Bool,
        false,
        "True when the app has the sensitive scope im:message.group_msg and gets every message of its groups; \
         default false: only mentions.",
    ),
    key(
        "user_id_type",
        KeyKind::Text,
        false,
        "`user_id` (default; needs the scope contact:user.employee_id:readonly) or `open_id`: how people are named.",
    ),
    key(
        "bot_open_id",
        KeyKind::Text,
        false,
        "open_id of the bot, `ou_...`; read from the platform at start when it is not set.",
    ),
    key(
        "tenant_key",
        KeyKind::Text,
        false,
        "Refuse callbacks of any other tenant than this one.",
    ),
    key(
        "encrypt_key_previous",
        KeyKind::Secret,
        false,
        "The Encrypt Key before the last change: callbacks sealed with it are accepted, too, until it is taken out.",
    ),
    key(
        "verification_token_previous",
        KeyKind::Secret,
        false,
        "The Verification Token before the last change; accepted as well until it is taken out.",
    ),
    key(
        "urgent",
        KeyKind::Text,
        false,
        "How urgent messages reach people: `app` (default), `sms` or `phone`. The last two use up the company's paid \
         quota and need the scopes im:message.urgent:sms and im:message.urgent:phone.",
    ),
];

pub fn keys(_kind: &str) -> &'static [KeySpec] {
    &KEYS
}

/// How people are named by this app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserIdType {
    UserId,
    OpenId,
}

impl UserIdType {
    pub fn as_str(self) -> &'static str {
        match self {
            UserIdType::UserId => "user_id",
            UserIdType::OpenId => "open_id",
        }
    }
}

/// How a message is made urgent. Text messages and calls cost the company money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgent {
    App,
    Sms,
    Phone,
}

impl Urgent {
    /// Below the message's path.
    pub fn path(self) -> &'static str {
        match self {
            Urgent::App => "/urgent_app",
            Urgent::Sms => "/urgent_sms",
            Urgent::Phone => "/urgent_phone",
        }
    }
}

/// How events come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receive {
    Callback,
    LongConnection,
}

/// The checked settings of one app.
#[derive(Clone)]
pub struct Config {
    /// `feishu` or `lark`.
    pub kind: &'static str,
    /// Without a slash at the end.
    pub base: String,
    pub loopback: bool,
    pub app_id: String,
    pub app_secret: Secret,
    pub receive: Receive,
    /// There with [`Receive::Callback`].
    pub encrypt_key: Option<Secret>,
    pub verification_token: Option<Secret>,
    pub encrypt_key_previous: Option<Secret>,
    pub verification_token_previous: Option<Secret>,
    pub urgent: Urgent,
    pub sees_all: bool,
    pub user_id_type: UserIdType,
    pub bot_open_id: Option<String>,
    pub tenant_key: Option<String>,
}

impl Config {
    /// Collects every problem instead of stopping at the first.
    pub fn read(build: &Build) -> Result<Self, Vec<KeyProblem>> {
        let settings = &build.settings;
        let mut problems = Vec::new();
        let lark = build.kind == "lark";
        let (kind, default_base) = if lark {
            ("lark", LARK_BASE)
        } else {
            ("feishu", FEISHU_BASE)
        };

        let (base, loopback) = match base_url(settings.text("base_url").unwrap_or(default_base)) {
            Ok(found) => found,
            Err(what) => {
                problems.push(KeyProblem {
                    key: "base_url",
                    what,
                    hint: format!("leave it out for {default_base}, or name a simulator on 127.0.0.1"),
                });
                (default_base.to_owned(), false)
            }
        };
        let app_id = settings.text("app_id").unwrap_or_default().to_owned();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !app_id.starts_with("cli_") || app_id.len() > 64 || !app_id.chars().all(plain) {
            problems.push(KeyProblem {
                key: "app_id",
                what: "it must begin with cli_".to_owned(),
                hint: "copy the App ID from the developer console, page \"Credentials & Basic Info\"".to_owned(),
            });
        }
        let app_secret = settings.secret("app_secret").filter(|s| !s.is_empty()).cloned();
        if app_secret.is_none() {
            problems.push(KeyProblem {
                key: "app_secret",
                what: "it is missing or empty".to_owned(),
                hint: "copy the App Secret from the developer console".to_owned(),
            });
        }
        let receive = match settings.text("receive") {
            None | Some("callback") => Receive::Callback,
            Some("long_connection") => Receive::LongConnection,
            Some(other) => {
                problems.push(KeyProblem {
                    key: "receive",
                    what: format!("{other:?} is not known"),
                    hint: "use callback or long_connection".to_owned(),
                });
                Receive::LongConnection
            }
        };
        let encrypt_key = settings.secret("encrypt_key").filter(|s| !s.is_empty()).cloned();
        if encrypt_key.is_none() && receive == Receive::Callback {
            problems.push(KeyProblem {
                key: "encrypt_key",
                what: "it is missing or empty".to_owned(),
                hint:
                    "set an Encrypt Key in the developer console (Events & Callbacks, Encryption strategy) and put it \
                       here: without it anybody could send events; or set receive = \"long_connection\", which needs \
                       none"
                        .to_owned(),
            });
        }
        let user_id_type = match settings.text("user_id_type") {
            None | Some("user_id") => UserIdType::UserId,
            Some("open_id") => UserIdType::OpenId,
            Some(other) => {
                problems.push(KeyProblem {
                    key: "user_id_type",
                    what: format!("{other:?} is not known"),
                    hint: "use user_id or open_id".to_owned(),
                });
                UserIdType::UserId
            }
        };
        let urgent = match settings.text("urgent") {
            None | Some("app") => Urgent::App,
            Some("sms") => Urgent::Sms,
            Some("phone") => Urgent::Phone,
            Some(other) => {
                problems.push(KeyProblem {
                    key: "urgent",
                    what: format!("{other:?} is not known"),
                    hint: "use app, sms or phone".to_owned(),
                });
                Urgent::App
            }
        };
        let optional = |key: &str| settings.secret(key).filter(|s| !s.is_empty()).cloned();
        let bot_open_id = settings.text("bot_open_id").map(str::to_owned);
        if bot_open_id.as_deref().is_some_and(|id| !id.starts_with("ou_")) {
            problems.push(KeyProblem {
                key: "bot_open_id",
                what: "it must begin with ou_".to_owned(),
                hint: "leave it out: the bot asks the platform for it at start".to_owned(),
            });
        }
        match app_secret {
            Some(app_secret) if problems.is_empty() => Ok(Self {
                kind,
                base,
                loopback,
                app_id,
                app_secret,
                receive,
                encrypt_key,
                verification_token: optional("verification_token"),
                encrypt_key_previous: optional("encrypt_key_previous"),
                verification_token_previous: optional("verification_token_previous"),
                urgent,
                sees_all: settings.bool("sees_all_messages").unwrap_or(false),
                user_id_type,
                bot_open_id,
                tenant_key: settings.text("tenant_key").filter(|t| !t.is_empty()).map(str::to_owned),
            }),
            _ => Err(problems),
        }
    }
}

/// The address without a slash at the end, and whether it is on this machine. The app secret is sent
/// there, so that only the platform's own hosts and loopback are taken.
fn base_url(text: &str) -> Result<(String, bool), String> {
    let url = Url::parse(text).map_err(|e| format!("it is not an address: {e}"))?;
    let loopback = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let official = url.scheme() == "https"
        && url.port().is_none()
        && matches!(url.host_str(), Some("open.feishu.cn" | "open.larksuite.com"));
    if !(official || loopback && matches!(url.scheme(), "http" | "https")) {
        return Err("only https://open.feishu.cn, https://open.larksuite.com and this machine are allowed".to_owned());
    }
    if !matches!(url.path(), "" | "/")
        || url.query().is_some()
        || url.fragment().is_some()
        || !url.username().is_empty()
    {
        return Err("it must have no path, query or user name".to_owned());
    }
    Ok((url.as_str().trim_end_matches('/').to_owned(), loopback))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_goes_to_the_platform_or_to_this_machine_only() {
        for good in [
            "https://open.feishu.cn",
            "https://open.larksuite.com/",
            "http://127.0.0.1:8080",
            "http://[::1]:9",
            "http://localhost:1",
        ] {
            assert!(base_url(good).is_ok(), "{good}");
        }
        for bad in [
            "http://open.feishu.cn",
            "https://open.feishu.cn.evil.example",
            "https://evil.example",
            "https://open.feishu.cn:8443",
            "https://user@open.feishu.cn",
            "https://open.feishu.cn/x",
            "http://10.0.0.1",
            "ftp://127.0.0.1",
            "nonsense",
        ] {
            assert!(base_url(bad).is_err(), "{bad}");
        }
        assert_eq!(
            base_url("http://127.0.0.1:8080/"),
            Ok(("http://127.0.0.1:8080".to_owned(), true))
        );
    }
}
