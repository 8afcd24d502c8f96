//! The platform's side of callback encryption, written apart from `verify.rs` so that the two check
//! each other: the block chaining is done by hand here.

use aes::Aes256;
use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use sha1::{Digest, Sha1};

const BLOCK: usize = 16;
/// Padding goes to multiples of this.
const UNIT: usize = 32;

/// Token, key and receive id of a callback, as the developer console shows them.
#[derive(Clone)]
pub struct Seal {
    pub token: String,
    key: [u8; 32],
    receive_id: String,
}

impl Seal {
    /// `None` when the key is not an EncodingAESKey.
    pub fn new(token: &str, aes_key: &str, receive_id: &str) -> Option<Self> {
        let lenient = GeneralPurpose::new(
            &alphabet::STANDARD,
            GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
        );
        let key = lenient.decode(format!("{aes_key}=")).ok()?.try_into().ok()?;
        Some(Self {
            token: token.to_owned(),
            key,
            receive_id: receive_id.to_owned(),
        })
    }

    pub fn signature(&self, timestamp: &str, nonce: &str, encrypt: &str) -> String {
        let mut parts = [self.token.clone(), timestamp.into(), nonce.into(), encrypt.into()];
        parts.sort();
        hex::encode(Sha1::digest(parts.concat().as_bytes()))
    }

    pub fn encrypt(&self, message: &str, random: [u8; 16]) -> String {
        let mut data = random.to_vec();
        data.extend((message.len() as u32).to_be_bytes());
        data.extend(message.bytes());
        data.extend(self.receive_id.bytes());
        STANDARD.encode(self.chain(data))
    }

    /// A file of an AI bot: the whole of it, without prefix, length and receive id (document 100719).
    pub fn encrypt_file(&self, bytes: &[u8]) -> Vec<u8> {
        self.chain(bytes.to_vec())
    }

    fn chain(&self, mut data: Vec<u8>) -> Vec<u8> {
        let pad = UNIT - data.len() % UNIT;
        data.extend(std::iter::repeat_n(pad as u8, pad));
        let cipher = Aes256::new(&self.key.into());
        let mut previous = [0u8; BLOCK];
        previous.copy_from_slice(&self.key[..BLOCK]);
        let mut out = Vec::with_capacity(data.len());
        for chunk in data.chunks_exact(BLOCK) {
            let mut block = previous;
            for (b, c) in block.iter_mut().zip(chunk) {
                *b ^= c;
            }
            let mut block = block.into();
            cipher.encrypt_block(&mut block);
            previous = block.into();
            out.extend(previous);
        }
        out
    }

    /// Opens what the bot answered; `Err` says what is wrong with it.
    pub fn decrypt(&self, encrypt: &str) -> Result<String, String> {
        let data = STANDARD.decode(encrypt).map_err(|_| "not base64")?;
        if data.is_empty() || data.len() % UNIT != 0 {
            return Err("not whole blocks of 32".into());
        }
        let cipher = Aes256::new(&self.key.into());
        let mut previous = [0u8; BLOCK];
        previous.copy_from_slice(&self.key[..BLOCK]);
        let mut plain = Vec::with_capacity(data.len());
        for chunk in data.chunks_exact(BLOCK) {
            let mut sealed = [0u8; BLOCK];
            sealed.copy_from_slice(chunk);
            let mut block = sealed.into();
            cipher.decrypt_block(&mut block);
            let block: [u8; BLOCK] = block.into();
            plain.extend(block.iter().zip(previous).map(|(b, p)| b ^ p));
            previous = sealed;
        }
        let pad = usize::from(plain.last().copied().unwrap_or(0));
        if !(1..=UNIT).contains(&pad) || plain.len() < 20 + pad {
            return Err("wrong padding".into());
        }
        plain.truncate(plain.len() - pad);
        let body = plain.split_off(20);
        let length = plain.iter().skip(16).fold(0usize, |n, b| n << 8 | usize::from(*b));
        if length > body.len() {
            return Err("wrong length".into());
        }
        let (message, receive_id) = body.split_at(length);
        if receive_id != self.receive_id.as_bytes() {
            return Err("wrong receive id".into());
        }
        String::from_utf8(message.to_vec()).map_err(|_| "not UTF-8".into())
    }
}

/// A text in XML.
pub fn cdata(text: &str) -> String {
    format!("<![CDATA[{}]]>", text.replace("]]>", "]]]]><![CDATA[>"))
}

/// A value in a query string.
pub fn percent(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encryption_is_the_recorded_one_byte_for_byte() {
        let path = format!(
            "{}/tests/vectors/crypto/encrypt-deterministic.json",
            env!("CARGO_MANIFEST_DIR")
        );
        let file: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        for case in file["cases"].as_array().unwrap() {
            let get = |name: &str| case[name].as_str().unwrap();
            let seal = Seal::new(get("token"), get("encoding_aes_key"), get("receiveid")).unwrap();
            let random = hex::decode(get("random16_hex")).unwrap().try_into().unwrap();
            let encrypt = seal.encrypt(get("message"), random);
            assert_eq!(encrypt, get("encrypt"), "{}", get("id"));
            assert_eq!(
                seal.signature(get("timestamp"), get("nonce"), &encrypt),
                get("msg_signature")
            );
            assert_eq!(seal.decrypt(&encrypt).unwrap(), get("message"));
        }
    }

    #[test]
    fn recorded_replies_open() {
        let path = format!(
            "{}/tests/vectors/crypto/replies-encrypted.json",
            env!("CARGO_MANIFEST_DIR")
        );
        let file: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let mut count = 0;
        for case in file["cases"].as_array().unwrap() {
            let Ok(body) = serde_json::from_str::<serde_json::Value>(case["body"].as_str().unwrap()) else {
                continue;
            };
            let get = |name: &str| case["credentials"][name].as_str().unwrap();
            let seal = Seal::new(get("token"), get("encoding_aes_key"), get("receiveid")).unwrap();
            let plain = seal.decrypt(body["encrypt"].as_str().unwrap()).unwrap();
            assert_eq!(plain, case["expect"]["plaintext"].as_str().unwrap());
            count += 1;
        }
        assert_eq!(count, 13);
    }
}
