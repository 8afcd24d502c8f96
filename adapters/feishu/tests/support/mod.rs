//! What the platform's side does, written for the tests alone: encryption and signature.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::sync::{Arc, LazyLock};

use aes::Aes256Enc;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeEncrypt, KeyIvInit};
use hutong_feishu::Feishu;
use hutong_model::{
    AppId, Build, CompanyId, ManualClock, RawRequest, Received, Secret, SettingValue, Settings, Timestamp,
};
use sha2::{Digest, Sha256};

pub const APP: &str = "cli_a1b2c3d4e5f60718";
pub const KEY: &str = "kudryavka";
pub const TOKEN: &str = "v0kenExample0123456789abcdefABCD";
pub const BOT: &str = "ou_fabcaa97871555b68aa095335975e613";
pub const NOW: Timestamp = Timestamp::from_secs(1_760_000_001);

pub fn settings() -> Settings {
    Settings::default()
        .with("app_id", SettingValue::Text(APP.into()))
        .with("app_secret", SettingValue::Secret(Secret::new("fake-app-secret-0001")))
        .with("encrypt_key", SettingValue::Secret(Secret::new(KEY)))
        .with("verification_token", SettingValue::Secret(Secret::new(TOKEN)))
        .with("bot_open_id", SettingValue::Text(BOT.into()))
}

pub fn build(settings: Settings) -> Build {
    Build {
        app: AppId::new("fs").unwrap(),
        company: CompanyId::new("main").unwrap(),
        kind: "feishu".into(),
        settings,
        clock: Arc::new(ManualClock::at(NOW)),
    }
}

/// One for all tests of a binary: a client with its certificates is not made in no time.
pub fn adapter() -> &'static Feishu {
    static ADAPTER: LazyLock<Feishu> = LazyLock::new(|| Feishu::new(&build(settings())).unwrap());
    &ADAPTER
}

pub fn encrypt(key: &str, plain: &str) -> String {
    let iv: [u8; 16] = *b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f";
    let key = Sha256::digest(key.as_bytes());
    let encryptor = cbc::Encryptor::<Aes256Enc>::new(&key, &iv.into());
    let mut blob = iv.to_vec();
    blob.extend(encryptor.encrypt_padded_vec::<Pkcs7>(plain.as_bytes()));
    format!(r#"{{"encrypt":"{}"}}"#, STANDARD.encode(blob))
}

pub fn sign(key: &str, timestamp: &str, nonce: &str, body: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(timestamp);
    hash.update(nonce);
    hash.update(key);
    hash.update(body);
    hex::encode(hash.finalize())
}

/// The headers and body of a genuine callback.
pub struct Callback {
    pub timestamp: String,
    pub nonce: String,
    pub signature: String,
    pub body: Vec<u8>,
}

impl Callback {
    pub fn of(plain: &str, at: Timestamp) -> Self {
        let body = encrypt(KEY, plain).into_bytes();
        let (timestamp, nonce) = (at.secs().to_string(), "1234567890".to_owned());
        Self {
            signature: sign(KEY, &timestamp, &nonce, &body),
            timestamp,
            nonce,
            body,
        }
    }

    pub fn receive(&self, adapter: &Feishu, now: Timestamp) -> Received {
        use hutong_model::Adapter as _;
        let headers = self.headers();
        adapter.receive(
            &RawRequest {
                post: true,
                query: "",
                headers: &headers,
                body: &self.body,
            },
            now,
        )
    }

    pub fn headers(&self) -> Vec<(&str, &str)> {
        vec![
            ("content-type", "application/json; charset=utf-8"),
            ("x-lark-request-timestamp", &self.timestamp),
            ("x-lark-request-nonce", &self.nonce),
            ("x-lark-signature", &self.signature),
        ]
    }
}
