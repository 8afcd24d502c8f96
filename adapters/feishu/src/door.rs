//! Where plaintext comes in, by whatever way, and is compared with the app it must be for.

use std::sync::OnceLock;

use hutong_model::{Answer, Received, Rejection, Timestamp};

use crate::config::{Config, UserIdType};
use crate::normalise::{self, View};
use crate::verify::Verifier;
use crate::wire::{self, EventPart};

/// Why plaintext may be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// A callback whose signature was right.
    Signed,
    /// A callback without a signature: an address check at most.
    Unsigned { encrypted: bool },
    /// A connection that was opened with the app secret. Nothing is signed there, and the platform
    /// leaves the verification token empty (seen in larksuite/oapi-sdk-go#195), so that it says
    /// nothing; the app id does.
    Connection,
}

/// One app's door. All ways in end here.
pub struct Door {
    pub verifier: Verifier,
    user_id_type: UserIdType,
    sees_all: bool,
    bot_open_id: Option<String>,
    /// The bot's own `open_id` as `bot/v3/info` told it.
    pub learned: OnceLock<String>,
}

impl Door {
    pub fn new(config: &Config) -> Self {
        Self {
            verifier: Verifier::new(
                config.encrypt_key.clone(),
                config.verification_token.clone(),
                config.app_id.clone(),
                config.tenant_key.clone(),
            )
            .with_previous(
                config.encrypt_key_previous.clone(),
                config.verification_token_previous.clone(),
            ),
            user_id_type: config.user_id_type,
            sees_all: config.sees_all,
            bot_open_id: config.bot_open_id.clone(),
            learned: OnceLock::new(),
        }
    }

    pub fn view(&self) -> View<'_> {
        View {
            user_id_type: self.user_id_type,
            sees_all: self.sees_all,
            bot_open_id: self.bot_open_id.as_deref().or(self.learned.get().map(String::as_str)),
        }
    }

    /// Takes plaintext, compares application and token, and translates.
    pub fn accept(&self, plain: &str, trust: Trust, now: Timestamp) -> Result<Received, Rejection> {
        let envelope = wire::read(plain).map_err(|_| Rejection::Malformed)?;
        if envelope.kind.as_str() == "url_verification" && !envelope.has_header {
            // Without encryption only the token speaks for the sender.
            let known = self.verifier.token_matches(envelope.token.as_str());
            let plain = trust == (Trust::Unsigned { encrypted: false });
            if !known || plain && !self.verifier.has_token() {
                return Err(Rejection::BadToken);
            }
            let answer = serde_json::json!({ "challenge": envelope.challenge.as_str() });
            return Ok(Received::Challenge(Answer::json(answer.to_string())));
        }
        if matches!(trust, Trust::Unsigned { .. }) {
            return Err(Rejection::MissingHeader);
        }
        let (app_id, token) = if envelope.has_header {
            (&envelope.header.app_id, &envelope.header.token)
        } else {
            (&envelope.legacy.app_id, &envelope.token)
        };
        if !self.verifier.app_matches(
            app_id.as_str(),
            envelope.header.tenant_key.as_str(),
            envelope.has_header,
        ) {
            return Err(Rejection::WrongApp);
        }
        if trust != Trust::Connection && !self.verifier.token_matches(token.as_str()) {
            return Err(Rejection::BadToken);
        }
        // A click's answer is read as an instruction; `{}` is "nothing to show".
        let answer = match envelope.event {
            EventPart::Click(_) => Answer::json("{}"),
            _ => Answer::json(NOTHING_TO_SAY),
        };
        let event = normalise::incoming(&envelope, plain, self.view(), now);
        Ok(Received::Events {
            events: vec![event],
            answer,
        })
    }
}

/// The answer to an event: nobody reads it.
pub const NOTHING_TO_SAY: &str = r#"{"msg":"success"}"#;
