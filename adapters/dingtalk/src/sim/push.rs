//! Event pushes: the envelope, its encryption, and what counts as an answer.

use std::sync::atomic::{AtomicU64, Ordering};

use hutong_model::Timestamp;
use hutong_simkit::ladder::{Answer, CallbackRequest, Outgoing};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::SimAppSpec;
use super::seal::{self, PushKey};
use super::state::Push;
use super::stream::{self, Streams};

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// Sixteen bytes that never come twice in one process; a simulator has nothing to hide.
fn fresh(what: &str) -> [u8; 16] {
    let digest = Sha256::digest(format!("{what}/{}", COUNTER.fetch_add(1, Ordering::Relaxed)));
    let mut out = [0; 16];
    for (to, from) in out.iter_mut().zip(hex::encode(digest).bytes()) {
        *to = from;
    }
    out
}

/// The event with its envelope (2.7): Pascal case outside, the event's own keys beside it. In Stream
/// mode the envelope is in the headers of the frame.
pub fn request(streams: &Streams, spec: SimAppSpec, hook: String, push: &Push, corp: &str) -> CallbackRequest {
    let id = String::from_utf8_lossy(&fresh("event")).into_owned() + &String::from_utf8_lossy(&fresh(corp));
    let name = push.name;
    let fields = push.fields.clone();
    let corp = corp.to_owned();
    let accepting = spec.clone();
    let streamed = stream::Push::event(&spec.id, name, &id, &corp, &fields);
    // Made once: repeats carry the same event and a new seal.
    let born = std::sync::OnceLock::new();
    let request = CallbackRequest::new(format!("{name} {id}"), move |attempt| {
        let plain = born.get_or_init(|| {
            let mut plain = json!({
                "EventType": name, "EventTime": attempt.at.millis(), "CorpId": corp,
                "BizId": format!("{}00001", attempt.at.millis()), "eventId": id,
            });
            for (key, value) in fields.as_object().into_iter().flatten() {
                plain[key.as_str()] = value.clone();
            }
            plain.to_string()
        });
        outgoing(&spec, &hook, plain, attempt.at)
    })
    .accept(move |answer| match answer.status {
        stream::JUDGED => Ok(()),
        _ => accept(&accepting, answer),
    });
    streams.over(request, streamed)
}

/// The check that saving the address makes.
pub fn check_url(spec: &SimAppSpec, hook: &str, at: Timestamp) -> Outgoing {
    outgoing(spec, hook, r#"{"EventType":"check_url"}"#, at)
}

fn outgoing(spec: &SimAppSpec, hook: &str, plain: &str, at: Timestamp) -> Outgoing {
    let (_, key) = seal::push_key(&spec.event_key_seed());
    let encrypt = PushKey::new(key).seal(fresh("seal"), plain.as_bytes(), &spec.client_id);
    let timestamp = at.millis().to_string();
    let nonce = String::from_utf8_lossy(fresh("nonce").get(..8).unwrap_or_default()).into_owned();
    let signature = seal::sign(&spec.event_token, &timestamp, &nonce, &encrypt);
    // Real requests carry the same value under both names.
    let url = format!("{hook}?signature={signature}&msg_signature={signature}&timestamp={timestamp}&nonce={nonce}");
    Outgoing::post_json(url, json!({ "encrypt": encrypt }).to_string())
}

/// HTTP 200 and an encrypted `success` for the same owner; a plain `success` counts as failure.
pub fn accept(spec: &SimAppSpec, answer: &Answer) -> Result<(), String> {
    if answer.status != 200 {
        return Err(format!("status {}", answer.status));
    }
    let body: Value = serde_json::from_slice(&answer.body).map_err(|_| "the answer is not JSON".to_owned())?;
    let get = |key: &str| {
        body.get(key)
            .and_then(Value::as_str)
            .ok_or_else(|| format!("the answer has no {key}"))
    };
    let (signature, timestamp) = (get("msg_signature")?, get("timeStamp")?);
    let (nonce, encrypt) = (get("nonce")?, get("encrypt")?);
    if signature != seal::sign(&spec.event_token, timestamp, nonce, encrypt) {
        return Err("the answer's signature is wrong".into());
    }
    let (_, key) = seal::push_key(&spec.event_key_seed());
    match PushKey::new(key).open(encrypt) {
        Some((text, owner)) if text == b"success" && owner == spec.client_id => Ok(()),
        _ => Err("the answer does not open to success".into()),
    }
}
