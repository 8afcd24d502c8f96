//! Deciding whether a callback is genuine, and opening it.
//!
//! Order of work (reliability.md 5.2): size, headers present and single, time window, signature in
//! constant time over the raw bytes, decryption, application and token. Only an address check may
//! come without signature headers, since the platform sends none with it (feishu.md 2.1).

use aes::Aes256Dec;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, InnerIvInit, KeyInit};
use hutong_model::{RawRequest, Rejection, Secret, Timestamp};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::wire::Outer;

/// The largest callback: a 150 KB text, escaped twice and in base64, stays below it.
pub const MAX_BODY: usize = 1 << 20;
/// An address check is about 200 bytes; nothing larger is decrypted without a signature.
pub const MAX_UNSIGNED: usize = 4096;
/// The fourth repeat of an event comes 7 h 5 min after the first (feishu.md 2.6); whether a repeat
/// is signed anew is not known, so that the window must let it through.
pub const PAST_MS: i64 = 8 * 3600 * 1000;
pub const FUTURE_MS: i64 = 5 * 60 * 1000;

const SIGNATURE: &str = "x-lark-signature";

/// The keys of one app.
#[derive(Clone)]
pub struct Verifier {
    /// The present key first; while secrets are being changed, the one before it as well. Empty for an app
    /// with a long connection only: then no callback is genuine.
    seals: Vec<Seal>,
    /// Present and previous verification token; empty when none is configured.
    tokens: Vec<Secret>,
    app_id: String,
    tenant_key: Option<String>,
}

#[derive(Clone)]
struct Seal {
    encrypt_key: Secret,
    /// Key schedule made once: SHA-256 of the encrypt key.
    cipher: Aes256Dec,
}

impl Seal {
    fn new(encrypt_key: Secret) -> Self {
        Self {
            cipher: Aes256Dec::new(&Sha256::digest(encrypt_key.expose().as_bytes())),
            encrypt_key,
        }
    }
}

/// A callback that was opened. `signed` and `encrypted` are false only for a possible address check.
#[derive(Debug)]
pub struct Opened {
    pub plain: String,
    pub signed: bool,
    pub encrypted: bool,
}

impl Verifier {
    pub fn new(
        encrypt_key: Option<Secret>,
        verification_token: Option<Secret>,
        app_id: String,
        tenant_key: Option<String>,
    ) -> Self {
        Self {
            seals: encrypt_key.map(Seal::new).into_iter().collect(),
            tokens: verification_token.into_iter().collect(),
            app_id,
            tenant_key,
        }
    }

    /// Accepts what was sealed before the last change of secrets, too. The platform goes on repeating
    /// events for seven hours, and the console and this program never change at the same moment. An old secret alone counts for nothing.
    #[must_use]
    pub fn with_previous(mut self, encrypt_key: Option<Secret>, verification_token: Option<Secret>) -> Self {
        if !self.seals.is_empty() {
            self.seals.extend(encrypt_key.map(Seal::new));
        }
        if !self.tokens.is_empty() {
            self.tokens.extend(verification_token);
        }
        self
    }

    /// Checks the request and returns its plaintext. Unsigned plaintext must be used for nothing but
    /// an address check.
    pub fn open(&self, request: &RawRequest<'_>, now: Timestamp) -> Result<Opened, Rejection> {
        if request.body.len() > MAX_BODY {
            return Err(Rejection::TooLarge);
        }
        if !request.post {
            return Err(Rejection::Malformed);
        }
        if self.seals.is_empty() {
            return Err(Rejection::BadSignature);
        }
        // The key whose signature it is; none when it carries no signature.
        let mut seal = None;
        for candidate in &self.seals {
            match candidate.signature(request, now) {
                Ok(true) => {
                    seal = Some(candidate);
                    break;
                }
                Ok(false) => {}
                Err(Rejection::BadSignature) => {}
                Err(other) => return Err(other),
            }
        }
        let signed = seal.is_some();
        if !signed && request.headers.iter().any(|(name, _)| *name == SIGNATURE) {
            return Err(Rejection::BadSignature);
        }
        if !signed && request.body.len() > MAX_UNSIGNED {
            return Err(Rejection::MissingHeader);
        }
        let outer: Outer<'_> = serde_json::from_slice(request.body).map_err(|_| Rejection::Malformed)?;
        let encrypted = !outer.encrypt.is_empty();
        let plain = if !encrypted {
            // The platform encrypts every event once an encrypt key is set, so that a plain one is
            // somebody trying to go around it. A plain address check is what the console sends when
            // the address is saved before the key: harmless, and it must still show the token.
            if signed {
                return Err(Rejection::Malformed);
            }
            std::str::from_utf8(request.body)
                .map_err(|_| Rejection::Malformed)?
                .to_owned()
        } else {
            match seal {
                Some(seal) => seal.decrypt(outer.encrypt.as_str())?,
                // An address check says nothing of its key. With the wrong one the padding is nearly
                // always wrong, and else the text is no JSON.
                None => self
                    .seals
                    .iter()
                    .filter_map(|seal| seal.decrypt(outer.encrypt.as_str()).ok())
                    .find(|plain| plain.starts_with('{'))
                    .ok_or(Rejection::Undecryptable)?,
            }
        };
        Ok(Opened {
            plain,
            signed,
            encrypted,
        })
    }

    /// The verification token that the plaintext carries. Not compared when none is configured: the
    /// signature already speaks for the sender.
    pub fn token_matches(&self, token: &str) -> bool {
        let equal = |expected: &Secret| bool::from(expected.expose().as_bytes().ct_eq(token.as_bytes()));
        self.tokens.is_empty() || self.tokens.iter().any(equal)
    }

    pub fn has_token(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// Schema 1.0 events carry the tenant elsewhere and are only counted, so that it is compared for
    /// schema 2.0.
    pub fn app_matches(&self, app_id: &str, tenant_key: &str, compare_tenant: bool) -> bool {
        let tenant = || self.tenant_key.as_deref().is_none_or(|expected| expected == tenant_key);
        app_id == self.app_id && (!compare_tenant || tenant())
    }
}

impl Seal {
    /// `Ok(true)` when the signature is there and right, `Ok(false)` when none of its headers is.
    fn signature(&self, request: &RawRequest<'_>, now: Timestamp) -> Result<bool, Rejection> {
        let timestamp = request.header("x-lark-request-timestamp")?;
        let nonce = request.header("x-lark-request-nonce")?;
        let signature = request.header(SIGNATURE)?;
        let (timestamp, nonce, signature) = match (timestamp, nonce, signature) {
            (None, None, None) => return Ok(false),
            (Some(t), Some(n), Some(s)) => (t, n, s),
            _ => return Err(Rejection::MissingHeader),
        };
        // Digits only: `parse` alone would take a sign.
        if timestamp.is_empty() || timestamp.len() > 12 || !timestamp.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Rejection::Malformed);
        }
        let at = timestamp
            .parse::<i64>()
            .map_err(|_| Rejection::Malformed)?
            .saturating_mul(1000);
        if at < now.0.saturating_sub(PAST_MS) || at > now.0.saturating_add(FUTURE_MS) {
            return Err(Rejection::Stale);
        }
        let mut hash = Sha256::new();
        hash.update(timestamp.as_bytes());
        hash.update(nonce.as_bytes());
        hash.update(self.encrypt_key.expose().as_bytes());
        hash.update(request.body);
        let mut expected = [0u8; 64];
        hex::encode_to_slice(hash.finalize(), &mut expected).map_err(|_| Rejection::BadSignature)?;
        // The platform writes lower-case digits; anything else is not its signature.
        if bool::from(expected.ct_eq(signature.as_bytes())) {
            Ok(true)
        } else {
            Err(Rejection::BadSignature)
        }
    }

    /// AES-256-CBC, IV in front, PKCS#7 (feishu.md 2.4).
    fn decrypt(&self, encrypted: &str) -> Result<String, Rejection> {
        let mut blob = STANDARD.decode(encrypted).map_err(|_| Rejection::Undecryptable)?;
        let Some((iv, data)) = blob.split_at_mut_checked(16) else {
            return Err(Rejection::Undecryptable);
        };
        if data.is_empty() || data.len() % 16 != 0 {
            return Err(Rejection::Undecryptable);
        }
        let decryptor = cbc::Decryptor::<Aes256Dec>::inner_iv_slice_init(self.cipher.clone(), iv)
            .map_err(|_| Rejection::Undecryptable)?;
        let length = decryptor
            .decrypt_padded::<Pkcs7>(data)
            .map_err(|_| Rejection::Undecryptable)?
            .len();
        blob.truncate(16 + length);
        blob.drain(..16);
        String::from_utf8(blob).map_err(|_| Rejection::Undecryptable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn verifier(key: &str) -> Seal {
        Seal::new(Secret::new(key))
    }

    #[test]
    fn every_published_and_recorded_ciphertext_opens_and_every_broken_one_is_refused() {
        let vectors: Value = serde_json::from_str(include_str!("../tests/vectors/crypto_aes.json")).unwrap();
        let valid = vectors["valid"].as_array().unwrap();
        assert!(valid.len() >= 7);
        for case in valid {
            let plain =
                verifier(case["encrypt_key"].as_str().unwrap()).decrypt(case["ciphertext_b64"].as_str().unwrap());
            assert_eq!(
                plain.as_deref(),
                Ok(case["plaintext"].as_str().unwrap()),
                "{}",
                case["name"]
            );
        }
        let invalid = vectors["invalid"].as_array().unwrap();
        assert!(invalid.len() >= 6);
        for case in invalid {
            let plain =
                verifier(case["encrypt_key"].as_str().unwrap()).decrypt(case["ciphertext_b64"].as_str().unwrap());
            assert_eq!(plain, Err(Rejection::Undecryptable), "{}", case["name"]);
        }
    }

    #[test]
    fn every_recorded_signature_is_accepted_and_its_neighbours_are_not() {
        let vectors: Value = serde_json::from_str(include_str!("../tests/vectors/signature_event.json")).unwrap();
        for case in vectors["cases"].as_array().unwrap() {
            let text = |key: &str| case[key].as_str().unwrap();
            let verifier = verifier(text("encrypt_key"));
            let now = Timestamp::from_secs(text("timestamp").parse().unwrap());
            let check = |timestamp: &str, nonce: &str, signature: &str, body: &str| {
                let headers = [
                    ("x-lark-request-timestamp", timestamp),
                    ("x-lark-request-nonce", nonce),
                    ("x-lark-signature", signature),
                ];
                verifier.signature(
                    &RawRequest {
                        post: true,
                        query: "",
                        headers: &headers,
                        body: body.as_bytes(),
                    },
                    now,
                )
            };
            let (t, n, s, b) = (text("timestamp"), text("nonce"), text("signature"), text("body"));
            assert_eq!(check(t, n, s, b), Ok(true), "{}", case["name"]);
            assert_eq!(check(t, n, &s.to_uppercase(), b), Err(Rejection::BadSignature));
            assert_eq!(check(t, n, &s[..63], b), Err(Rejection::BadSignature));
            assert_eq!(check(t, n, "", b), Err(Rejection::BadSignature));
            assert_eq!(check(t, &format!("{n}0"), s, b), Err(Rejection::BadSignature));
            assert_eq!(check(t, n, s, &format!("{b} ")), Err(Rejection::BadSignature));
            assert_eq!(check(&format!("+{t}"), n, s, b), Err(Rejection::Malformed));
            assert_eq!(check("", n, s, b), Err(Rejection::Malformed));
        }
    }
}
