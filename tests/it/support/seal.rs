//! Genuine callbacks of the test's own making: what a platform would send for an event that we do
//! not know.

use aes::Aes256;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hutong_model::{Secret, Settings, Timestamp};
use hutong_wecom::verify::Keys;
use sha2::{Digest, Sha256};

use super::{On, Recorded};

/// An event with a name that no adapter knows; `id` is its key.
pub fn unknown_event(on: On, settings: &Settings, id: &str, now: Timestamp) -> Recorded {
    match on {
        On::Feishu => feishu(settings, id, now),
        On::DingTalk => dingtalk(settings, id, now),
        On::WeCom => wecom(settings, id, now),
    }
}

fn secret<'s>(settings: &'s Settings, key: &str) -> &'s str {
    settings.secret(key).unwrap().expose()
}

fn post(path: String, headers: Vec<(String, String)>, body: Vec<u8>) -> Recorded {
    Recorded {
        method: "POST".to_owned(),
        path,
        headers,
        body: body.into(),
        status: 200,
    }
}

fn feishu(settings: &Settings, id: &str, now: Timestamp) -> Recorded {
    let plain = serde_json::json!({
        "schema": "2.0",
        "header": {
            "event_id": id, "event_type": "vc.meeting.somewhat_new_v9", "create_time": now.millis().to_string(),
            "token": secret(settings, "verification_token"), "app_id": settings.text("app_id").unwrap(),
            "tenant_key": "t1",
        },
        "event": {},
    })
    .to_string();
    let key = secret(settings, "encrypt_key");
    let cipher = Aes256::new(&Sha256::digest(key.as_bytes()));
    let pad = 16 - plain.len() % 16;
    let mut data = plain.into_bytes();
    data.extend(std::iter::repeat_n(u8::try_from(pad).unwrap(), pad));
    let mut previous = [7u8; 16];
    let mut blob = previous.to_vec();
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
    let body = serde_json::json!({ "encrypt": STANDARD.encode(blob) }).to_string();
    let (at, nonce) = (now.secs().to_string(), "n0nce");
    let signature = hex::encode(Sha256::digest(format!("{at}{nonce}{key}{body}").as_bytes()));
    let headers = vec![
        ("x-lark-request-timestamp".to_owned(), at),
        ("x-lark-request-nonce".to_owned(), nonce.to_owned()),
        ("x-lark-signature".to_owned(), signature),
    ];
    post("/hook/fs".to_owned(), headers, body.into_bytes())
}

/// The two others seal alike; only the envelopes differ.
fn sealed(keys: &Keys, plain: &str, at: i64) -> (String, String) {
    let envelope: serde_json::Value = serde_json::from_slice(&keys.seal_json(plain, at, "n0nce")).unwrap();
    let text = |name: &str| envelope[name].as_str().unwrap().to_owned();
    (text("encrypt"), text("msgsignature"))
}

fn dingtalk(settings: &Settings, id: &str, now: Timestamp) -> Recorded {
    let keys = Keys::new(
        Secret::new(secret(settings, "event_token")),
        settings.secret("event_aes_key").unwrap(),
        settings.text("client_id").unwrap(),
    )
    .unwrap();
    let plain = serde_json::json!({
        "EventType": "somewhat_new_event", "EventTime": now.millis(), "CorpId": settings.text("corp_id").unwrap(),
        "BizId": id, "eventId": id,
    });
    let at = now.millis();
    let (encrypt, signature) = sealed(&keys, &plain.to_string(), at);
    // The platform repeats the signature under a second name; one is enough.
    post(
        format!("/hook/dt?msg_signature={signature}&timestamp={at}&nonce=n0nce"),
        vec![("content-type".to_owned(), "application/json".to_owned())],
        serde_json::json!({ "encrypt": encrypt }).to_string().into_bytes(),
    )
}

fn wecom(settings: &Settings, id: &str, now: Timestamp) -> Recorded {
    let keys = Keys::new(
        Secret::new(secret(settings, "token")),
        settings.secret("aes_key").unwrap(),
        "",
    )
    .unwrap();
    let plain = serde_json::json!({
        "msgid": id, "aibotid": settings.text("bot_id").unwrap(), "chattype": "single",
        "from": { "userid": "u_lin" }, "create_time": now.secs(),
        "msgtype": "event", "event": { "eventtype": "somewhat_new_event" },
    });
    let at = now.secs();
    let (encrypt, signature) = sealed(&keys, &plain.to_string(), at);
    post(
        format!("/hook/wc-bot?msg_signature={signature}&timestamp={at}&nonce=n0nce"),
        vec![("content-type".to_owned(), "application/json".to_owned())],
        serde_json::json!({ "encrypt": encrypt }).to_string().into_bytes(),
    )
}
