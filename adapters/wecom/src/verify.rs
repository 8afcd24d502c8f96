//! Signature and encryption of callbacks (documents 90968 and 90238).
//!
//! * Signature: lower-case hex of SHA-1 over the byte-wise sorted concatenation of token,
//!   timestamp, nonce and the base64 text. CBC has no authentication of its own, so the signature is
//!   checked before anything is decrypted.
//! * Cipher: AES-256-CBC, IV = first 16 bytes of the key, padding PKCS#7 to 32 bytes (not 16).
//! * Plain text: 16 random bytes, length (u32 big endian), message, receive id. The receive id is
//!   the corp id for an app and empty for a company's own AI bot; it is compared always.
//!
//! Every failure is a [`Rejection`]; nothing in here panics on foreign input.

use std::time::Duration;

use aes::Aes256;
use aes::cipher::block_padding::NoPadding;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hutong_model::{Rejection, Secret, Timestamp};
use sha1::{Digest, Sha1};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// How old a callback may be. The platform's repeats end long before; whether they carry a new
/// timestamp is not documented, so the window is wide and the inbox dedupes.
pub const PAST: Duration = Duration::from_secs(8 * 3600);
/// How far the platform's clock may be ahead of ours.
pub const FUTURE: Duration = Duration::from_secs(5 * 60);
/// Size of the largest request that is looked at.
pub const MAX_BODY: usize = 1 << 20;

const PAD: usize = 32;
/// Random bytes and length field.
const HEAD: usize = 20;

/// The last of the 43 symbols of an EncodingAESKey carries two unused bits, which the official
/// sample key sets: a strict decoder would refuse it.
const KEY_BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
const BODY_BASE64: GeneralPurpose = base64::engine::general_purpose::STANDARD;

/// Token, key and receive id of one callback.
#[derive(Clone)]
pub struct Keys {
    token: Secret,
    key: [u8; 32],
    receive_id: String,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("receive_id", &self.receive_id)
            .finish_non_exhaustive()
    }
}

/// What the query of a callback carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub signature: String,
    pub timestamp: String,
    pub nonce: String,
    pub echostr: Option<String>,
}

impl Keys {
    /// `None` when the key is not 43 characters of base64.
    pub fn new(token: Secret, aes_key: &Secret, receive_id: impl Into<String>) -> Option<Self> {
        Some(Self {
            token,
            key: decode_key(aes_key.expose())?,
            receive_id: receive_id.into(),
        })
    }

    fn sign(&self, timestamp: &str, nonce: &str, encrypt: &str) -> String {
        let mut parts = [self.token.expose(), timestamp, nonce, encrypt];
        parts.sort_unstable();
        let mut hash = Sha1::new();
        for part in parts {
            hash.update(part.as_bytes());
        }
        hex::encode(hash.finalize())
    }

    /// Checks time and signature of `encrypt` and opens it.
    pub fn open(&self, query: &Query, encrypt: &str, now: Timestamp) -> Result<String, Rejection> {
        let at = query.time()?;
        if at > now + FUTURE || now > at + PAST {
            return Err(Rejection::Stale);
        }
        let expected = self.sign(&query.timestamp, &query.nonce, encrypt);
        if !bool::from(expected.as_bytes().ct_eq(query.signature.as_bytes())) {
            return Err(Rejection::BadSignature);
        }
        self.decrypt(encrypt)
    }

    fn decrypt(&self, encrypt: &str) -> Result<String, Rejection> {
        let sealed = BODY_BASE64.decode(encrypt).map_err(|_| Rejection::Undecryptable)?;
        let plain = decrypt_blocks(&self.key, &sealed).ok_or(Rejection::Undecryptable)?;
        let body = plain.get(HEAD..).ok_or(Rejection::Undecryptable)?;
        let length = plain
            .get(16..HEAD)
            .and_then(|bytes| <[u8; 4]>::try_from(bytes).ok())
            .map(u32::from_be_bytes)
            .and_then(|n| usize::try_from(n).ok())
            .ok_or(Rejection::Undecryptable)?;
        let message = body.get(..length).ok_or(Rejection::Undecryptable)?;
        let receive_id = body.get(length..).ok_or(Rejection::Undecryptable)?;
        if !bool::from(receive_id.ct_eq(self.receive_id.as_bytes())) {
            return Err(Rejection::WrongApp);
        }
        String::from_utf8(message.to_vec()).map_err(|_| Rejection::Undecryptable)
    }

    /// Encrypts and signs a passive reply of an AI bot, in the envelope of document 101031. The
    /// random prefix is derived from key and content, so that the same input gives the same
    /// bytes; equal replies to equal requests reveal only that they are equal.
    pub fn seal_json(&self, message: &str, timestamp: i64, nonce: &str) -> Vec<u8> {
        let mut hash = Sha256::new();
        hash.update(self.key);
        hash.update(nonce.as_bytes());
        hash.update(timestamp.to_be_bytes());
        hash.update(message.as_bytes());
        let digest = hash.finalize();
        let mut prefix = [0u8; 16];
        prefix.copy_from_slice(&digest[..16]);
        let encrypt = self.encrypt(message, prefix);
        let signature = self.sign(&timestamp.to_string(), nonce, &encrypt);
        serde_json::json!({
            "encrypt": encrypt,
            "msgsignature": signature,
            "timestamp": timestamp,
            "nonce": nonce,
        })
        .to_string()
        .into_bytes()
    }

    fn encrypt(&self, message: &str, prefix: [u8; 16]) -> String {
        let mut plain = Vec::with_capacity(HEAD + message.len() + self.receive_id.len() + PAD);
        plain.extend_from_slice(&prefix);
        plain.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
        plain.extend_from_slice(message.as_bytes());
        plain.extend_from_slice(self.receive_id.as_bytes());
        let pad = PAD - plain.len() % PAD;
        plain.resize(plain.len() + pad, u8::try_from(pad).unwrap_or(32));
        let (key, iv) = (self.key.into(), iv(&self.key).into());
        BODY_BASE64.encode(cbc::Encryptor::<Aes256>::new(&key, &iv).encrypt_padded_vec::<NoPadding>(&plain))
    }

    /// Opens a file that an AI bot was sent (document 100719): the whole body is one cipher text,
    /// without random prefix and receive id. `None` when it does not decrypt.
    pub fn open_media(&self, body: &[u8]) -> Option<Vec<u8>> {
        decrypt_blocks(&self.key, body)
    }
}

/// The keys of a callback: those in force and, while they are being changed, those before. Callbacks
/// that are under way when the admin saves new ones are still signed with the old.
#[derive(Debug, Clone)]
pub struct KeyRing {
    current: Keys,
    previous: Option<Keys>,
}

impl KeyRing {
    pub fn new(current: Keys, previous: Option<Keys>) -> Self {
        Self { current, previous }
    }

    /// The keys in force: what is sealed without being asked is sealed with these.
    pub fn current(&self) -> &Keys {
        &self.current
    }

    /// Opens with the keys in force, else with those before. The keys that opened it also seal the
    /// answer, since they are the ones the platform has.
    pub fn open(&self, query: &Query, encrypt: &str, now: Timestamp) -> Result<(String, &Keys), Rejection> {
        let rejection = match self.current.open(query, encrypt, now) {
            Ok(plain) => return Ok((plain, &self.current)),
            Err(rejection) => rejection,
        };
        match &self.previous {
            Some(previous) => match previous.open(query, encrypt, now) {
                Ok(plain) => Ok((plain, previous)),
                Err(_) => Err(rejection),
            },
            None => Err(rejection),
        }
    }

    /// [`Keys::open_media`] with whichever key opens it.
    pub fn open_media(&self, body: &[u8]) -> Option<Vec<u8>> {
        let previous = || self.previous.as_ref().and_then(|keys| keys.open_media(body));
        self.current.open_media(body).or_else(previous)
    }
}

/// The same with the key that stands beside a media URL on the long connection.
pub fn open_media_with(aes_key: &str, body: &[u8]) -> Option<Vec<u8>> {
    decrypt_blocks(&decode_key(aes_key.trim_end_matches('='))?, body)
}

fn decode_key(text: &str) -> Option<[u8; 32]> {
    if text.len() != 43 {
        return None;
    }
    KEY_BASE64.decode(text).ok()?.try_into().ok()
}

fn iv(key: &[u8; 32]) -> [u8; 16] {
    let mut iv = [0; 16];
    iv.copy_from_slice(&key[..16]);
    iv
}

/// Decrypts and strips the padding: a multiple of 32 bytes, last byte 1..=32, all pad bytes equal.
fn decrypt_blocks(key: &[u8; 32], sealed: &[u8]) -> Option<Vec<u8>> {
    if sealed.is_empty() || !sealed.len().is_multiple_of(PAD) {
        return None;
    }
    let mut plain = cbc::Decryptor::<Aes256>::new(&(*key).into(), &iv(key).into())
        .decrypt_padded_vec::<NoPadding>(sealed)
        .ok()?;
    let pad = usize::from(*plain.last()?);
    if pad == 0 || pad > PAD {
        return None;
    }
    let keep = plain.len().checked_sub(pad)?;
    if plain.get(keep..)?.iter().any(|b| usize::from(*b) != pad) {
        return None;
    }
    plain.truncate(keep);
    Some(plain)
}

impl Query {
    /// Reads the query: every name once, percent-decoded exactly once, `+` left alone.
    pub fn read(query: &str) -> Result<Self, Rejection> {
        let (mut signature, mut timestamp, mut nonce, mut echostr) = (None, None, None, None);
        for pair in query.split('&').filter(|p| !p.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let slot = match name {
                "msg_signature" => &mut signature,
                "timestamp" => &mut timestamp,
                "nonce" => &mut nonce,
                "echostr" => &mut echostr,
                _ => continue,
            };
            if slot.is_some() {
                return Err(Rejection::DoubledHeader);
            }
            *slot = Some(percent_decode(value)?);
        }
        let read = Self {
            signature: signature.ok_or(Rejection::MissingHeader)?,
            timestamp: timestamp.ok_or(Rejection::MissingHeader)?,
            nonce: nonce.ok_or(Rejection::MissingHeader)?,
            echostr,
        };
        read.time()?;
        Ok(read)
    }

    /// The time of the request, in whole seconds.
    pub fn time(&self) -> Result<Timestamp, Rejection> {
        if self.timestamp.is_empty() || self.timestamp.len() > 12 || !self.timestamp.bytes().all(|b| b.is_ascii_digit())
        {
            return Err(Rejection::Malformed);
        }
        let seconds = self.timestamp.parse().map_err(|_| Rejection::Malformed)?;
        Ok(Timestamp::from_secs(seconds))
    }
}

fn percent_decode(text: &str) -> Result<String, Rejection> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
        match (digit(bytes.next()), digit(bytes.next())) {
            (Some(high), Some(low)) => out.push((high * 16 + low) as u8),
            _ => return Err(Rejection::Malformed),
        }
    }
    String::from_utf8(out).map_err(|_| Rejection::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys::new(
            Secret::new("Token"),
            &Secret::new("DFOmmvA4o137YbkaiMhizhiMGRe3vRL2sVgQKYUIaxw"),
            "ww1",
        )
        .unwrap()
    }

    fn seal(plain: &[u8]) -> String {
        let key = keys().key;
        let sealed =
            cbc::Encryptor::<Aes256>::new(&key.into(), &iv(&key).into()).encrypt_padded_vec::<NoPadding>(plain);
        BODY_BASE64.encode(sealed)
    }

    /// Head, message `hi`, receive id, then `pad` bytes of the value `pad`.
    fn padded(pad: u8) -> Vec<u8> {
        let mut plain = vec![b'r'; 16];
        plain.extend(2u32.to_be_bytes());
        plain.extend(b"hiww1");
        plain.extend(std::iter::repeat_n(pad, usize::from(pad)));
        plain
    }

    #[test]
    fn padding_of_more_than_32_is_refused_even_when_it_is_even() {
        assert_eq!(keys().decrypt(&seal(&padded(7))), Ok("hi".to_owned()));
        // 25 bytes and a pad of 39 make 64: everything about it is right but its length.
        assert_eq!(keys().decrypt(&seal(&padded(39))), Err(Rejection::Undecryptable));
    }

    #[test]
    fn debug_shows_no_secret() {
        let text = format!("{:?}", keys());
        assert!(!text.contains("Token") && text.contains("ww1"), "{text}");
    }

    #[test]
    fn encryption_is_the_recorded_one_byte_for_byte() {
        let path = format!(
            "{}/tests/vectors/crypto/encrypt-deterministic.json",
            env!("CARGO_MANIFEST_DIR")
        );
        let file: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let cases = file["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 8);
        for case in cases {
            let get = |name: &str| case[name].as_str().unwrap();
            let aes = Secret::new(get("encoding_aes_key"));
            let keys = Keys::new(Secret::new(get("token")), &aes, get("receiveid")).unwrap();
            let prefix = hex::decode(get("random16_hex")).unwrap().try_into().unwrap();
            let encrypt = keys.encrypt(get("message"), prefix);
            assert_eq!(encrypt, get("encrypt"), "{}", get("id"));
            assert_eq!(
                keys.sign(get("timestamp"), get("nonce"), &encrypt),
                get("msg_signature")
            );
            assert_eq!(keys.decrypt(&encrypt).unwrap(), get("message"));
        }
    }
}
