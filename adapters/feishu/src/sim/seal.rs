//! How the platform seals a callback: written for the simulator alone, so that the adapter's own
//! opening is checked against something else than itself.

use aes::Aes256;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// `{"encrypt":"..."}`, compact: AES-256-CBC by hand over the block cipher, IV in front.
pub fn encrypt(encrypt_key: &str, plain: &str, iv: [u8; 16]) -> String {
    let cipher = Aes256::new(&Sha256::digest(encrypt_key.as_bytes()));
    let pad = 16 - plain.len() % 16;
    let mut data = plain.as_bytes().to_vec();
    data.resize(plain.len() + pad, u8::try_from(pad).unwrap_or(16));
    let mut blob = iv.to_vec();
    let mut previous = iv;
    for chunk in data.chunks_exact(16) {
        let mut block = [0u8; 16];
        for ((to, from), chain) in block.iter_mut().zip(chunk).zip(previous) {
            *to = from ^ chain;
        }
        let mut block = Array::from(block);
        cipher.encrypt_block(&mut block);
        previous = block.into();
        blob.extend_from_slice(&previous);
    }
    format!(r#"{{"encrypt":"{}"}}"#, STANDARD.encode(blob))
}

/// Lower-case hexadecimal SHA-256 of timestamp, nonce, key and raw body.
pub fn sign(timestamp: &str, nonce: &str, encrypt_key: &str, body: &str) -> String {
    hex::encode(Sha256::digest(
        format!("{timestamp}{nonce}{encrypt_key}{body}").as_bytes(),
    ))
}

/// 32 hexadecimal digits made from some parts.
pub fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hex::encode(hash.finalize()).chars().take(32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn it_seals_as_the_recorded_clients_do() {
        let vectors: Value = serde_json::from_str(include_str!("../../tests/vectors/crypto_aes.json")).unwrap();
        for case in vectors["valid"].as_array().unwrap() {
            let text = |key: &str| case[key].as_str().unwrap();
            let iv: [u8; 16] = hex::decode(text("iv_hex")).unwrap().try_into().unwrap();
            let sealed = encrypt(text("encrypt_key"), text("plaintext"), iv);
            assert_eq!(
                sealed,
                format!(r#"{{"encrypt":"{}"}}"#, text("ciphertext_b64")),
                "{}",
                case["name"]
            );
        }
        let vectors: Value = serde_json::from_str(include_str!("../../tests/vectors/signature_event.json")).unwrap();
        for case in vectors["cases"].as_array().unwrap() {
            let text = |key: &str| case[key].as_str().unwrap();
            let signature = sign(text("timestamp"), text("nonce"), text("encrypt_key"), text("body"));
            assert_eq!(signature, text("signature"), "{}", case["name"]);
        }
    }
}
