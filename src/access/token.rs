//! Action tokens: what a button carries. A token names the rule and verb it is for, its arguments,
//! who may press it and until when, and is signed, so that a forged or altered one does nothing.
//!
//! Form: `base64url(payload).base64url(mac)` where the payload is JSON and the MAC the first 16
//! bytes of HMAC-SHA-256 under the installation's key. ASCII, at most 512 bytes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use hutong_model::{Secret, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// Longest token that all platforms carry.
pub const MAX_BYTES: usize = 512;

/// What a button does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    #[serde(rename = "r")]
    pub rule: String,
    #[serde(rename = "v")]
    pub verb: String,
    #[serde(rename = "a", default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Person id; only this person may press it.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// Name of a role; only people with it may press it.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    #[serde(rename = "e")]
    pub expires_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the button was not made by this installation")]
    Forged,
    #[error("the button has expired")]
    Expired,
    #[error("the button carries more than {MAX_BYTES} bytes")]
    TooLong,
}

/// Makes and reads tokens.
#[derive(Clone)]
pub struct Signer {
    key: Secret,
}

impl Signer {
    /// `key` is a secret of the installation; changing it makes all buttons in old cards useless.
    pub fn new(key: Secret) -> Self {
        Self { key }
    }

    fn mac(&self, payload: &str) -> [u8; 16] {
        let mut out = [0; 16];
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.key.expose().as_bytes()) {
            mac.update(b"hutong action token v1\0");
            mac.update(payload.as_bytes());
            out.copy_from_slice(&mac.finalize().into_bytes()[..16]);
        }
        out
    }

    pub fn sign(&self, token: &Token) -> Result<String, TokenError> {
        let json = serde_json::to_vec(token).map_err(|_| TokenError::TooLong)?;
        let payload = URL_SAFE_NO_PAD.encode(json);
        let text = format!("{payload}.{}", URL_SAFE_NO_PAD.encode(self.mac(&payload)));
        if text.len() > MAX_BYTES {
            Err(TokenError::TooLong)
        } else {
            Ok(text)
        }
    }

    /// The token, if this installation signed it and it is still good at `now`.
    pub fn read(&self, text: &str, now: Timestamp) -> Result<Token, TokenError> {
        if text.len() > MAX_BYTES {
            return Err(TokenError::Forged);
        }
        let (payload, mac) = text.split_once('.').ok_or(TokenError::Forged)?;
        let mac = URL_SAFE_NO_PAD.decode(mac).map_err(|_| TokenError::Forged)?;
        if !bool::from(mac.as_slice().ct_eq(&self.mac(payload))) {
            return Err(TokenError::Forged);
        }
        let json = URL_SAFE_NO_PAD.decode(payload).map_err(|_| TokenError::Forged)?;
        let token: Token = serde_json::from_slice(&json).map_err(|_| TokenError::Forged)?;
        if now > token.expires_at {
            Err(TokenError::Expired)
        } else {
            Ok(token)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        Token {
            rule: "points".into(),
            verb: "dispute".into(),
            args: vec!["L1".into()],
            only: None,
            role: None,
            expires_at: Timestamp(1000),
        }
    }

    #[test]
    fn only_an_unaltered_token_in_time_is_read() {
        let signer = Signer::new(Secret::new("k"));
        let text = signer.sign(&token()).unwrap();
        assert_eq!(signer.read(&text, Timestamp(1000)).unwrap(), token());
        assert_eq!(signer.read(&text, Timestamp(1001)), Err(TokenError::Expired));
        assert_eq!(
            Signer::new(Secret::new("other")).read(&text, Timestamp(0)),
            Err(TokenError::Forged)
        );
        for i in 0..text.len() {
            for bit in 0..7 {
                let mut bytes = text.clone().into_bytes();
                bytes[i] ^= 1 << bit;
                if let Ok(altered) = String::from_utf8(bytes)
                    && signer.read(&altered, Timestamp(0)).is_ok()
                {
                    panic!("altered at {i} bit {bit}: {altered}");
                }
            }
        }
    }

    #[test]
    fn too_much_in_a_button_is_refused() {
        let mut big = token();
        big.args = vec!["x".repeat(600)];
        assert_eq!(Signer::new(Secret::new("k")).sign(&big), Err(TokenError::TooLong));
    }
}
