//! Names of things. Every one of them is a checked newtype, so that text from outside cannot become
//! an address: `@all` is not a [`UserId`], and a joined list of users is not one either.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {text:?} is not valid: {why}")]
pub struct IdError {
    pub what: &'static str,
    pub text: String,
    pub why: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
                let text = text.into();
                let check: fn(&str) -> Result<(), &'static str> = $check;
                match check(&text) {
                    Ok(()) => Ok(Self(text)),
                    Err(why) => Err(IdError { what: $what, text: text.chars().take(80).collect(), why }),
                }
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

fn slug(text: &str) -> Result<(), &'static str> {
    let ok = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    match text.chars().next() {
        None => Err("it is empty"),
        Some(_) if text.len() > 32 => Err("it is longer than 32 characters"),
        Some(_) if !text.chars().all(ok) => Err("use a-z, 0-9, - and _"),
        Some(_) => Ok(()),
    }
}

fn user(text: &str) -> Result<(), &'static str> {
    let ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    if text.is_empty() || text.len() > 64 {
        return Err("it must have 1 to 64 characters");
    }
    if !text.chars().all(ok) {
        return Err("use letters, digits, - _ . and @");
    }
    // WeCom reads `@all` in a receiver list as the whole company.
    if text.starts_with('@') {
        return Err("it must not begin with @");
    }
    Ok(())
}

fn opaque(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.len() > 256 {
        return Err("it must have 1 to 256 bytes");
    }
    if text
        .chars()
        .any(|c| c.is_control() || c.is_whitespace() || matches!(c, '|' | '"' | '<' | '>'))
    {
        return Err("it must not contain spaces, quotes, |, < or >");
    }
    Ok(())
}

id!(
    /// One configured application (one door into one platform). Chosen by the admin.
    AppId, "app id", slug
);
id!(
    /// A company: the apps of one company share one directory.
    CompanyId, "company id", slug
);
id!(
    /// A person as the platform names them (Feishu `user_id` or `open_id`, DingTalk `staffId`,
    /// WeCom `userid`). Never `@all`, never a joined list.
    UserId, "user id", user
);
id!(
    /// A conversation as the platform names it.
    ChatId, "chat id", opaque
);
id!(
    /// A message or card as the platform names it; adapters may put what they need to update or
    /// recall it in here. One message may thus have several ids: a receipt knows more than a click.
    /// They agree up to the first `!` ([`MessageId::stem`]); what only one of them knows stands
    /// behind it.
    MessageId, "message id", opaque
);
id!(
    /// A department as the platform names it.
    DepartmentId, "department id", opaque
);

impl MessageId {
    /// What names the message itself: everything before the first `!`. Two ids of one message have
    /// the same stem, whoever told them; compare and queue by it.
    pub fn stem(&self) -> &str {
        self.0.split('!').next().unwrap_or(&self.0)
    }
}

/// The three platform families. Lark is Feishu with other hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    Feishu,
    DingTalk,
    WeCom,
}

impl Platform {
    pub const ALL: [Platform; 3] = [Platform::Feishu, Platform::DingTalk, Platform::WeCom];

    pub fn as_str(self) -> &'static str {
        match self {
            Platform::Feishu => "feishu",
            Platform::DingTalk => "dingtalk",
            Platform::WeCom => "wecom",
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Platform {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Platform::ALL
            .into_iter()
            .find(|p| p.as_str() == text)
            .ok_or_else(|| IdError {
                what: "platform",
                text: text.chars().take(80).collect(),
                why: "use feishu, dingtalk or wecom",
            })
    }
}

/// The identity of an event: derived from its app and its dedupe key, so that a repeat of the same
/// event, on any replica and at any time, has the same identity and causes the same effect keys.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId([u8; 16]);

impl EventId {
    pub fn derive(app: &AppId, key: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(app.as_str().as_bytes());
        hash.update([0]);
        hash.update(key.as_bytes());
        let digest = hash.finalize();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Self(id)
    }

    pub fn bytes(&self) -> [u8; 16] {
        self.0
    }

    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// 32 hexadecimal digits.
    pub fn hex(&self) -> String {
        use std::fmt::Write as _;
        self.0.iter().fold(String::with_capacity(32), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        })
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventId({})", self.hex())
    }
}

impl FromStr for EventId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let bad = || IdError {
            what: "event id",
            text: text.chars().take(80).collect(),
            why: "it must have 32 hexadecimal digits",
        };
        if text.len() != 32 || !text.is_ascii() {
            return Err(bad());
        }
        let mut id = [0; 16];
        for (i, byte) in id.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| bad())?;
        }
        Ok(Self(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_user_id_is_never_everyone() {
        for bad in ["", "@all", "a|b", "a b", "a,b", "张三", "a\n", &"x".repeat(65)] {
            assert!(UserId::new(bad).is_err(), "{bad:?}");
        }
        for good in [
            "ou_7d8a6e6df7621556ce0d21922b676706",
            "zhang.san@corp",
            "manager4220",
            "A-1",
        ] {
            assert!(UserId::new(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn an_event_id_reads_back() {
        let id = EventId::derive(&AppId::new("fs").unwrap(), "om_1");
        assert_eq!(id.hex().parse::<EventId>().unwrap(), id);
        assert_ne!(id, EventId::derive(&AppId::new("fs2").unwrap(), "om_1"));
        assert!("zz".parse::<EventId>().is_err());
    }

    #[test]
    fn ids_of_one_message_share_a_stem() {
        let stem = |id: &str| MessageId::new(id).unwrap().stem().to_owned();
        assert_eq!(stem("task1!msg!code!u1"), stem("task1!"));
        assert_eq!(stem("om_1"), "om_1");
        assert_ne!(stem("task1!"), stem("task2!"));
    }

    proptest! {
        #[test]
        fn no_text_becomes_a_list_of_users(text in ".{0,80}") {
            if let Ok(id) = UserId::new(text) {
                prop_assert!(!id.as_str().contains('|') && !id.as_str().starts_with('@'));
            }
        }
    }
}
