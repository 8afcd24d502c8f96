//! The platform's side of the proofs: signs and encrypts callbacks, opens the bot's answers.
//!
//! Written apart from the adapter's own code, block by block from the published description, so that
//! the two can only agree by both being right.

use aes::Aes256;
use aes::cipher::{Array, BlockCipherDecrypt as _, BlockCipherEncrypt as _, KeyInit as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// HMAC-SHA256 as in RFC 2104, in base64.
pub fn hmac_base64(key: &[u8], message: &[u8]) -> String {
    let mut block = [0_u8; 64];
    if key.len() > 64 {
        for (to, from) in block.iter_mut().zip(Sha256::digest(key)) {
            *to = from;
        }
    } else {
        for (to, from) in block.iter_mut().zip(key) {
            *to = *from;
        }
    }
    let inner = Sha256::new()
        .chain_update(block.map(|b| b ^ 0x36))
        .chain_update(message)
        .finalize();
    let outer = Sha256::new().chain_update(block.map(|b| b ^ 0x5c)).chain_update(inner);
    STANDARD.encode(outer.finalize())
}

/// The signature over a push and over its answer.
pub fn sign(token: &str, timestamp: &str, nonce: &str, encrypt: &str) -> String {
    let mut all = [token, timestamp, nonce, encrypt];
    all.sort();
    hex::encode(Sha1::digest(all.concat().as_bytes()))
}

/// The secret that the console shows once: 43 characters that stand for 32 bytes.
pub struct PushKey {
    cipher: Aes256,
    iv: [u8; 16],
}

impl PushKey {
    /// `key` is what [`PushKey::text`] shows.
    pub fn new(key: [u8; 32]) -> Self {
        let mut iv = [0; 16];
        for (to, from) in iv.iter_mut().zip(key) {
            *to = from;
        }
        Self {
            cipher: Aes256::new(&Array::from(key)),
            iv,
        }
    }

    /// CBC by hand over `random | length | text | owner`, padded to 32.
    pub fn seal(&self, random: [u8; 16], text: &[u8], owner: &str) -> String {
        let mut bytes = random.to_vec();
        bytes.extend((text.len() as u32).to_be_bytes());
        bytes.extend(text);
        bytes.extend(owner.bytes());
        let fill = 32 - bytes.len() % 32;
        bytes.extend(std::iter::repeat_n(fill as u8, fill));
        let mut last = self.iv;
        let mut out = Vec::with_capacity(bytes.len());
        for chunk in bytes.chunks(16) {
            let mut block = [0_u8; 16];
            for ((to, plain), previous) in block.iter_mut().zip(chunk).zip(last) {
                *to = plain ^ previous;
            }
            let mut block = Array::from(block);
            self.cipher.encrypt_block(&mut block);
            last = block.into();
            out.extend(last);
        }
        STANDARD.encode(out)
    }

    /// The text and the owner of a sealed answer.
    pub fn open(&self, sealed: &str) -> Option<(Vec<u8>, String)> {
        let bytes = STANDARD.decode(sealed).ok()?;
        if bytes.is_empty() || bytes.len() % 16 != 0 {
            return None;
        }
        let mut last = self.iv;
        let mut out = Vec::with_capacity(bytes.len());
        for chunk in bytes.chunks(16) {
            let block: [u8; 16] = chunk.try_into().ok()?;
            let mut open = Array::from(block);
            self.cipher.decrypt_block(&mut open);
            out.extend(open.iter().zip(last).map(|(a, b)| a ^ b));
            last = block;
        }
        let fill = usize::from(*out.last()?);
        if !(1..=32).contains(&fill) || fill > out.len() {
            return None;
        }
        out.truncate(out.len() - fill);
        let length = u32::from_be_bytes(out.get(16..20)?.try_into().ok()?) as usize;
        let text = out.get(20..20_usize.checked_add(length)?)?.to_vec();
        let owner = String::from_utf8(out.get(20 + length..)?.to_vec()).ok()?;
        Some((text, owner))
    }
}

/// 43 letters and digits for 32 bytes, derived from a name: the bytes are chosen so that the text
/// has neither `+` nor `/`, as the console's keys do.
pub fn push_key(name: &str) -> (String, [u8; 32]) {
    let mut text = String::new();
    let mut round = 0_u32;
    while text.len() < 43 {
        let digest = Sha256::new()
            .chain_update(name.as_bytes())
            .chain_update(round.to_be_bytes())
            .finalize();
        text.extend(STANDARD.encode(digest).chars().filter(char::is_ascii_alphanumeric));
        round += 1;
    }
    text.truncate(42);
    // Two spare bits of the last character are zero, so that every base64 reader takes it.
    text.push('Q');
    let bytes = STANDARD.decode(format!("{text}=")).unwrap_or_default();
    (text, bytes.try_into().unwrap_or([0; 32]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify;

    #[test]
    fn the_published_samples_agree() {
        let all: serde_json::Value = serde_json::from_str(include_str!("../../tests/vectors/crypto.json")).unwrap();
        for case in all["generated"].as_array().unwrap() {
            let s = |k: &str| case[k].as_str().unwrap();
            let hex = case["expected"]["aes_key_hex"].as_str().unwrap();
            let key = PushKey::new(hex::decode(hex).unwrap().try_into().unwrap());
            let random = s("random16").as_bytes().try_into().unwrap();
            assert_eq!(
                key.seal(random, s("plaintext").as_bytes(), s("owner_key")),
                s("encrypt")
            );
            let (text, owner) = key.open(s("encrypt")).unwrap();
            assert_eq!(
                (text.as_slice(), owner.as_str()),
                (s("plaintext").as_bytes(), s("owner_key"))
            );
            assert_eq!(
                sign(s("token"), s("timestamp"), s("nonce"), s("encrypt")),
                s("signature")
            );
        }
        let robot: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/vectors/robot_http_sign.json")).unwrap();
        for case in robot["samples"].as_array().unwrap() {
            let secret = case["app_secret"].as_str().unwrap();
            let message = case["string_to_sign"].as_str().unwrap();
            assert_eq!(
                hmac_base64(secret.as_bytes(), message.as_bytes()),
                case["sign"].as_str().unwrap()
            );
        }
    }

    #[test]
    fn a_made_key_is_one_that_the_console_could_show() {
        let (text, bytes) = push_key("app");
        assert!(verify::AesKey::parse(&text).is_ok());
        assert_ne!(bytes, [0; 32]);
        let key = PushKey::new(bytes);
        let sealed = key.seal([7; 16], "你好".as_bytes(), "owner");
        assert_eq!(
            key.open(&sealed).unwrap(),
            ("你好".as_bytes().to_vec(), "owner".to_owned())
        );
        let (open, owner) = verify::decrypt(&verify::AesKey::parse(&text).unwrap(), &sealed, &["owner"]).unwrap();
        assert_eq!((open.as_slice(), owner), ("你好".as_bytes(), "owner"));
    }
}
