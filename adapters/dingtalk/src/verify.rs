//! Proof that a callback comes from the platform.
//!
//! One address gets three kinds of request, told apart by the proof they carry:
//!
//! | kind | proof | what it covers | window |
//! |---|---|---|---|
//! | event push | `msg_signature` over token, timestamp, nonce and ciphertext | everything | 8 h back, 5 min ahead |
//! | robot message | headers `timestamp`, `sign` = HMAC-SHA256 with the app secret over the timestamp | **only the timestamp** | 1 h both ways |
//! | card callback | headers `x-ddpaas-signature(-timestamp)` = HMAC-SHA256 with the api secret over the timestamp | **only the timestamp** | 8 h back, 5 min ahead |
//!
//! The platform does not sign the body of robot messages and card callbacks: who has seen one pair
//! of headers can send another body with it until the window closes. TLS up to this program, the
//! checks of company and robot in the body, and the store's memory of message ids are what stands
//! against that; nothing in the protocol does better.
//!
//! Sources: `protocols/dingtalk.md` sections 2, 3.1, 5.4; vectors `crypto`, `http_callback`,
//! `robot_http_sign`, `card_http_sign`.

use std::fmt;

use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::engine::{DecodePaddingMode, Engine as _};
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use hutong_model::{Answer, RawRequest, Rejection, Secret, Timestamp};
use serde::Deserialize;
use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::config::Config;

/// Larger than anything the platform sends.
pub const MAX_BODY: usize = 1 << 20;
/// Events carry no documented window: as long as any platform repeats, plus some skew ahead.
const PAST_MS: i64 = 8 * 3_600_000;
const AHEAD_MS: i64 = 5 * 60_000;
/// Robot messages: "more than one hour apart is not from us" (receive-message page).
const ROBOT_MS: i64 = 3_600_000;
/// PKCS#7 with this block length, not that of AES.
const PAD: usize = 32;

/// The key of event pushes: 32 bytes, its first 16 are the IV.
#[derive(Clone)]
pub struct AesKey([u8; 32]);

impl fmt::Debug for AesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

impl AesKey {
    /// Reads the 43 characters of the console. The last one may carry spare bits (every published
    /// sample does), which a strict base64 reader refuses.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() != 43 {
            return Err("it must have exactly 43 characters");
        }
        if !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err("it must consist of letters and digits");
        }
        let lenient = GeneralPurpose::new(
            &alphabet::STANDARD,
            GeneralPurposeConfig::new()
                .with_decode_allow_trailing_bits(true)
                .with_decode_padding_mode(DecodePaddingMode::Indifferent),
        );
        let bytes = lenient.decode(text).map_err(|_| "it is not base64")?;
        Ok(Self(bytes.try_into().map_err(|_| "it must stand for 32 bytes")?))
    }

    /// Stands where an app has no HTTP push; [`verify`] refuses every push before it is used.
    pub(crate) fn none() -> Self {
        Self([0; 32])
    }

    fn iv(&self) -> [u8; 16] {
        let mut iv = [0; 16];
        iv.copy_from_slice(&self.0[..16]);
        iv
    }

    #[cfg(test)]
    fn hex(&self) -> String {
        hex::encode(self.0)
    }
}

/// `hex(sha1(sorted parts, joined))`.
pub fn signature(token: &str, timestamp: &str, nonce: &str, encrypt: &str) -> String {
    let mut parts = [token, timestamp, nonce, encrypt];
    parts.sort_unstable();
    let mut hash = Sha1::new();
    for part in parts {
        hash.update(part.as_bytes());
    }
    hex::encode(hash.finalize())
}

/// Opens a ciphertext. Returns the message and which of `owners` it was made for.
pub fn decrypt<'o>(key: &AesKey, encrypt: &str, owners: &[&'o str]) -> Result<(Vec<u8>, &'o str), Rejection> {
    let sealed = STANDARD.decode(encrypt).map_err(|_| Rejection::Undecryptable)?;
    if sealed.len() < PAD || !sealed.len().is_multiple_of(16) {
        return Err(Rejection::Undecryptable);
    }
    let open = cbc::Decryptor::<aes::Aes256>::new(&key.0.into(), &key.iv().into())
        .decrypt_padded_vec::<NoPadding>(&sealed)
        .map_err(|_| Rejection::Undecryptable)?;
    let pad = usize::from(*open.last().ok_or(Rejection::Undecryptable)?);
    if !(1..=PAD).contains(&pad) || pad > open.len() {
        return Err(Rejection::Undecryptable);
    }
    let open = &open[..open.len() - pad];
    let (head, rest) = open.split_at_checked(20).ok_or(Rejection::Undecryptable)?;
    let length = head
        .get(16..20)
        .and_then(|b| <[u8; 4]>::try_from(b).ok())
        .map(u32::from_be_bytes)
        .ok_or(Rejection::Undecryptable)?;
    let length = usize::try_from(length).map_err(|_| Rejection::Undecryptable)?;
    let (message, owner) = rest.split_at_checked(length).ok_or(Rejection::Undecryptable)?;
    let owner = owners
        .iter()
        .find(|known| known.as_bytes() == owner)
        .ok_or(Rejection::WrongApp)?;
    std::str::from_utf8(message).map_err(|_| Rejection::Malformed)?;
    Ok((message.to_vec(), owner))
}

/// Seals a message. `random` comes from outside so that an answer is a function of its request.
pub fn encrypt(key: &AesKey, random: &[u8; 16], message: &[u8], owner: &str) -> String {
    let mut open = Vec::with_capacity(20 + message.len() + owner.len() + PAD);
    open.extend_from_slice(random);
    open.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    open.extend_from_slice(message);
    open.extend_from_slice(owner.as_bytes());
    let pad = PAD - open.len() % PAD;
    open.resize(open.len() + pad, pad as u8);
    let sealed =
        cbc::Encryptor::<aes::Aes256>::new(&key.0.into(), &key.iv().into()).encrypt_padded_vec::<NoPadding>(&open);
    STANDARD.encode(sealed)
}

/// The encrypted `success` that every push must get.
pub fn success(key: &AesKey, token: &str, timestamp: &str, nonce: &str, random: &[u8; 16], owner: &str) -> Answer {
    let sealed = encrypt(key, random, b"success", owner);
    let body = serde_json::json!({
        "msg_signature": signature(token, timestamp, nonce, &sealed),
        "timeStamp": timestamp,
        "nonce": nonce,
        "encrypt": sealed,
    });
    Answer::json(body.to_string())
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mac) => mac,
        // HMAC takes keys of every length.
        Err(_) => return [0; 32],
    };
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// The `sign` header of robot messages.
pub fn robot_sign(app_secret: &Secret, timestamp: &str) -> String {
    let secret = app_secret.expose();
    STANDARD.encode(hmac(secret.as_bytes(), format!("{timestamp}\n{secret}").as_bytes()))
}

/// The `x-ddpaas-signature` header of card callbacks.
pub fn card_sign(api_secret: &Secret, timestamp: &str) -> String {
    STANDARD.encode(hmac(api_secret.expose().as_bytes(), timestamp.as_bytes()))
}

/// Tries every secret, also after one has fitted: the time taken says nothing.
fn any(secrets: &[Option<&Secret>], fits: impl Fn(&Secret) -> bool) -> bool {
    secrets
        .iter()
        .flatten()
        .fold(false, |found, secret| fits(secret) | found)
}

fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

fn digits(text: &str) -> Result<i64, Rejection> {
    if text.is_empty() || text.len() > 15 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Rejection::Malformed);
    }
    text.parse().map_err(|_| Rejection::Malformed)
}

fn within(at_ms: i64, now: Timestamp, past: i64, ahead: i64) -> Result<(), Rejection> {
    let age = now.millis().saturating_sub(at_ms);
    if age > past || age < -ahead {
        return Err(Rejection::Stale);
    }
    Ok(())
}

/// A callback whose origin is proved.
#[derive(Debug)]
pub enum Proved {
    /// The decrypted message and the answer that acknowledges it.
    Event {
        plain: Vec<u8>,
        answer: Answer,
    },
    Robot,
    /// The timestamp that was signed; a part of the dedupe key.
    Card {
        timestamp: String,
    },
}

/// Checks one request in the order: size, headers, time, signature, decryption, owner.
pub fn verify(config: &Config, request: &RawRequest<'_>, now: Timestamp) -> Result<Proved, Rejection> {
    if request.body.len() > MAX_BODY {
        return Err(Rejection::TooLarge);
    }
    if !request.post {
        return Err(Rejection::Malformed);
    }
    let card = request.header("x-ddpaas-signature")?;
    let robot = request.header("sign")?;
    let query = Query::parse(request.query)?;
    let event = query.msg_signature.as_ref().or(query.signature.as_ref());
    match (event, robot, card) {
        (Some(_), None, None) if !config.takes_pushes() => Err(Rejection::WrongApp),
        (None, None, Some(_)) if config.card.as_ref().is_none_or(|c| c.secret.is_empty()) => Err(Rejection::WrongApp),
        (Some(given), None, None) => event_push(config, given, &query, request.body, now),
        (None, Some(sign), None) => {
            let timestamp = request.header("timestamp")?.ok_or(Rejection::MissingHeader)?;
            within(digits(timestamp)?, now, ROBOT_MS, ROBOT_MS)?;
            let secrets = [Some(&config.client_secret), config.previous.client_secret.as_ref()];
            if !any(&secrets, |secret| same(&robot_sign(secret, timestamp), sign)) {
                return Err(Rejection::BadSignature);
            }
            Ok(Proved::Robot)
        }
        (None, None, Some(sign)) => {
            let timestamp = request
                .header("x-ddpaas-signature-timestamp")?
                .ok_or(Rejection::MissingHeader)?;
            within(digits(timestamp)?, now, PAST_MS, AHEAD_MS)?;
            let secret = &config.card.as_ref().ok_or(Rejection::WrongApp)?.secret;
            let secrets = [Some(secret), config.previous.card_secret.as_ref()];
            if !any(&secrets, |secret| same(&card_sign(secret, timestamp), sign)) {
                return Err(Rejection::BadSignature);
            }
            Ok(Proved::Card {
                timestamp: timestamp.to_owned(),
            })
        }
        (None, None, None) => Err(Rejection::MissingHeader),
        // Two kinds of proof in one request: two readers could understand it differently.
        _ => Err(Rejection::Malformed),
    }
}

#[derive(Default)]
struct Query {
    signature: Option<String>,
    msg_signature: Option<String>,
    timestamp: Option<String>,
    nonce: Option<String>,
}

impl Query {
    fn parse(text: &str) -> Result<Self, Rejection> {
        let mut query = Self::default();
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            let slot = match name.as_ref() {
                "signature" => &mut query.signature,
                "msg_signature" => &mut query.msg_signature,
                "timestamp" => &mut query.timestamp,
                "nonce" => &mut query.nonce,
                _ => continue,
            };
            if slot.replace(value.into_owned()).is_some() {
                return Err(Rejection::DoubledHeader);
            }
        }
        Ok(query)
    }
}

#[derive(Deserialize)]
struct Sealed {
    encrypt: String,
}

fn event_push(config: &Config, given: &str, query: &Query, body: &[u8], now: Timestamp) -> Result<Proved, Rejection> {
    let timestamp = query.timestamp.as_deref().ok_or(Rejection::MissingHeader)?;
    let nonce = query.nonce.as_deref().ok_or(Rejection::MissingHeader)?;
    let at = digits(timestamp)?;
    // Real pushes carry milliseconds; seconds are seen in samples of replies.
    within(
        if timestamp.len() <= 11 { at * 1000 } else { at },
        now,
        PAST_MS,
        AHEAD_MS,
    )?;
    let sealed: Sealed = serde_json::from_slice(body).map_err(|_| Rejection::Malformed)?;
    // Real requests carry the same value under both names.
    let twin = query.signature.as_deref().unwrap_or(given);
    let tokens = [Some(&config.event_token), config.previous.event_token.as_ref()];
    let fits = |token: &Secret| {
        let expected = signature(token.expose(), timestamp, nonce, &sealed.encrypt);
        same(&expected, given) & same(&expected, twin)
    };
    let token = tokens
        .into_iter()
        .flatten()
        .fold(
            None,
            |found, token| if fits(token) { found.or(Some(token)) } else { found },
        )
        .ok_or(Rejection::BadSignature)?
        .expose();
    let owners = [config.client_id.as_str(), config.corp_id.as_str()];
    let open = |key: &AesKey| decrypt(key, &sealed.encrypt, &owners);
    let (key, (plain, owner)) = match (open(&config.event_aes_key), &config.previous.event_aes_key) {
        (Ok(opened), _) => (&config.event_aes_key, opened),
        (Err(why), None) => return Err(why),
        // Under the wrong key the padding is right by chance only.
        (Err(why), Some(older)) => (older, open(older).map_err(|_| why)?),
    };
    let random = answer_random(key, timestamp, nonce, &sealed.encrypt);
    Ok(Proved::Event {
        answer: success(key, token, timestamp, nonce, &random, owner),
        plain,
    })
}

/// Sixteen characters that nobody can foresee without the key, yet the same for a repeated request:
/// `receive` gives the same answer to the same input.
fn answer_random(key: &AesKey, timestamp: &str, nonce: &str, encrypt: &str) -> [u8; 16] {
    let mac = hmac(&key.0, format!("{timestamp}\n{nonce}\n{encrypt}").as_bytes());
    let mut random = [0; 16];
    for (out, byte) in random.iter_mut().zip(hex::encode(mac).bytes()) {
        *out = byte;
    }
    random
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{config, settings};
    use hutong_model::SettingValue;
    use serde_json::Value;

    fn vectors(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    fn s(v: &Value) -> &str {
        v.as_str().unwrap()
    }

    #[test]
    fn keys_are_read_as_the_console_issues_them() {
        let all = vectors(include_str!("../tests/vectors/crypto.json"));
        let cases = all["key_handling"].as_array().unwrap();
        assert_eq!(cases.len(), 7);
        for case in cases {
            let key = AesKey::parse(s(&case["encoding_aes_key"]));
            if s(&case["expected"]).starts_with("accept") {
                assert_eq!(key.unwrap().hex(), s(&case["aes_key_hex"]), "{}", case["id"]);
            } else {
                assert!(key.is_err(), "{}", case["id"]);
            }
        }
    }

    #[test]
    fn published_and_generated_samples_open_and_close_byte_for_byte() {
        let all = vectors(include_str!("../tests/vectors/crypto.json"));
        let mut seen = 0;
        for (list, plain_at, random_at) in [("published_samples", true, true), ("generated", false, false)] {
            for case in all[list].as_array().unwrap() {
                let key = AesKey::parse(s(&case["encoding_aes_key"])).unwrap();
                let owner = s(&case["owner_key"]);
                let sealed = s(&case["encrypt"]);
                let plain = if plain_at {
                    s(&case["expected"]["plaintext"])
                } else {
                    s(&case["plaintext"])
                };
                let random = if random_at {
                    s(&case["expected"]["random16"])
                } else {
                    s(&case["random16"])
                };
                assert_eq!(
                    signature(s(&case["token"]), s(&case["timestamp"]), s(&case["nonce"]), sealed),
                    s(&case["signature"]),
                    "{}",
                    case["id"]
                );
                let (open, found) = decrypt(&key, sealed, &["somebody", owner]).unwrap();
                assert_eq!((open.as_slice(), found), (plain.as_bytes(), owner), "{}", case["id"]);
                let random: [u8; 16] = random.as_bytes().try_into().unwrap();
                assert_eq!(
                    encrypt(&key, &random, plain.as_bytes(), owner),
                    sealed,
                    "{}",
                    case["id"]
                );
                seen += 1;
            }
        }
        assert_eq!(seen, 15);
    }

    #[test]
    fn bad_ciphertexts_are_refused_for_the_right_reason() {
        let all = vectors(include_str!("../tests/vectors/crypto.json"));
        let cases = all["must_reject"].as_array().unwrap();
        assert_eq!(cases.len(), 12);
        for case in cases {
            let sealed = s(&case["encrypt"]);
            let signed = signature(s(&case["token"]), s(&case["timestamp"]), s(&case["nonce"]), sealed);
            let id = s(&case["id"]);
            if matches!(id, "bad_signature" | "signature_over_old_timestamp") {
                assert_ne!(signed, s(&case["signature"]), "{id}");
                continue;
            }
            assert_eq!(signed, s(&case["signature"]), "{id}");
            let key = AesKey::parse(s(&case["encoding_aes_key"])).unwrap();
            let expected = match id {
                "wrong_owner_key" => Rejection::WrongApp,
                "plaintext_invalid_utf8" => Rejection::Malformed,
                _ => Rejection::Undecryptable,
            };
            assert_eq!(
                decrypt(&key, sealed, &[s(&case["owner_key"])]).unwrap_err(),
                expected,
                "{id}"
            );
        }
    }

    #[test]
    fn full_pushes_are_accepted_and_answered_as_published() {
        let all = vectors(include_str!("../tests/vectors/http_callback.json"));
        let config = config(&settings());
        let cases = all["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 5);
        for case in cases {
            let body = s(&case["request"]["body"]);
            let query = s(&case["request"]["query"]);
            let now = Query::parse(query).ok().unwrap().timestamp.unwrap().parse().unwrap();
            let request = RawRequest {
                post: true,
                query,
                headers: &[("content-type", "application/json")],
                body: body.as_bytes(),
            };
            let Proved::Event { plain, answer } = verify(&config, &request, Timestamp(now)).unwrap() else {
                panic!("not an event");
            };
            assert_eq!(plain, s(&case["decrypted_plaintext"]).as_bytes());
            // Our own answer opens to "success" for the same owner.
            let answer: Value = serde_json::from_slice(&answer.body).unwrap();
            let (open, owner) =
                decrypt(&config.event_aes_key, s(&answer["encrypt"]), &["dingsim0appkey00001"]).unwrap();
            assert_eq!((open.as_slice(), owner), (b"success".as_slice(), "dingsim0appkey00001"));
            assert_eq!(
                s(&answer["msg_signature"]),
                signature(
                    "sim0Token32",
                    s(&answer["timeStamp"]),
                    s(&answer["nonce"]),
                    s(&answer["encrypt"])
                )
            );
            // With the published inputs it is the published answer.
            let expected = &case["expected_reply"];
            let random: [u8; 16] = s(&expected["inputs"]["random16"]).as_bytes().try_into().unwrap();
            let ours = success(
                &config.event_aes_key,
                "sim0Token32",
                s(&expected["inputs"]["timeStamp"]),
                s(&expected["inputs"]["nonce"]),
                &random,
                "dingsim0appkey00001",
            );
            assert_eq!(serde_json::from_slice::<Value>(&ours.body).unwrap(), expected["body"]);
        }
    }

    #[test]
    fn robot_headers_follow_the_published_cases() {
        let all = vectors(include_str!("../tests/vectors/robot_http_sign.json"));
        for case in all["samples"].as_array().unwrap() {
            assert_eq!(
                robot_sign(&Secret::new(s(&case["app_secret"])), s(&case["timestamp"])),
                s(&case["sign"])
            );
        }
        let cases = all["window_cases"].as_array().unwrap();
        assert_eq!(cases.len(), 9);
        for case in cases {
            // `wrong_secret` signs the fresh header with the right secret and checks with another.
            let secret = SettingValue::Secret(Secret::new(s(&case["app_secret"])));
            let config = config(&settings().with("client_secret", secret));
            let mut headers = Vec::new();
            if let (Some(t), Some(sign)) = (case["timestamp"].as_str(), case["sign"].as_str()) {
                headers = vec![("timestamp", t), ("sign", sign)];
            }
            let request = RawRequest {
                post: true,
                query: "",
                headers: &headers,
                body: b"{}",
            };
            let got = verify(&config, &request, Timestamp(case["now_ms"].as_i64().unwrap()));
            assert_eq!(
                got.is_ok(),
                s(&case["expected"]).starts_with("accept"),
                "{}: {got:?}",
                case["id"]
            );
        }
    }

    #[test]
    fn card_headers_follow_the_published_cases() {
        let all = vectors(include_str!("../tests/vectors/card_http_sign.json"));
        for case in all["samples"].as_array().unwrap() {
            assert_eq!(
                card_sign(&Secret::new(s(&case["api_secret"])), s(&case["timestamp"])),
                s(&case["signature"])
            );
        }
        let config = config(&settings());
        let full = &all["full_request"];
        let time = s(&full["headers"]["x-ddpaas-signature-timestamp"]);
        let sign = s(&full["headers"]["x-ddpaas-signature"]);
        let check = |headers: &[(&str, &str)], now: i64| {
            verify(
                &config,
                &RawRequest {
                    post: true,
                    query: "",
                    headers,
                    body: s(&full["body"]).as_bytes(),
                },
                Timestamp(now),
            )
        };
        let (t, n) = ("x-ddpaas-signature-timestamp", "x-ddpaas-signature");
        let at: i64 = time.parse().unwrap();
        assert!(check(&[(t, time), (n, sign)], at).is_ok());
        assert_eq!(check(&[(n, sign)], at).unwrap_err(), Rejection::MissingHeader);
        assert_eq!(check(&[(t, time)], at).unwrap_err(), Rejection::MissingHeader);
        assert_eq!(
            check(&[(t, time), (n, sign), (n, sign)], at).unwrap_err(),
            Rejection::DoubledHeader
        );
        assert_eq!(
            check(&[(t, time), (n, sign)], at + PAST_MS + 1).unwrap_err(),
            Rejection::Stale
        );
        assert_eq!(
            check(&[(t, "1751600000124"), (n, sign)], at).unwrap_err(),
            Rejection::BadSignature
        );
    }

    #[test]
    fn no_single_bit_of_a_push_can_be_changed() {
        let all = vectors(include_str!("../tests/vectors/http_callback.json"));
        let case = &all["cases"][2]["request"];
        let config = config(&settings());
        let now = Timestamp(1_751_600_010_000);
        let body = s(&case["body"]).as_bytes();
        let check = |query: &str, body: &[u8]| {
            let request = RawRequest {
                post: true,
                query,
                headers: &[],
                body,
            };
            verify(&config, &request, now)
        };
        assert!(check(s(&case["query"]), body).is_ok());
        for i in 0..body.len() * 8 {
            let mut changed = body.to_vec();
            changed[i / 8] ^= 1 << (i % 8);
            assert!(check(s(&case["query"]), &changed).is_err(), "bit {i}");
        }
        // Every value of the query is covered too.
        let values = [
            ("msg_signature", "a3582cd63b7a4482c875762ecd63d539c9fb4b74"),
            ("timestamp", "1751600010000"),
            ("nonce", "evN0nce1"),
        ];
        let query = |values: &[(&str, String)]| {
            values
                .iter()
                .map(|(n, v)| {
                    format!(
                        "{n}={}",
                        url::form_urlencoded::byte_serialize(v.as_bytes()).collect::<String>()
                    )
                })
                .collect::<Vec<_>>()
                .join("&")
        };
        let fresh: Vec<(&str, String)> = values.iter().map(|(n, v)| (*n, (*v).to_owned())).collect();
        assert!(check(&query(&fresh), body).is_ok());
        for (which, (_, value)) in values.iter().enumerate() {
            for i in 0..value.len() * 7 {
                let mut bytes = value.as_bytes().to_vec();
                bytes[i / 7] ^= 1 << (i % 7);
                let mut changed = fresh.clone();
                changed[which].1 = String::from_utf8(bytes).unwrap();
                assert!(check(&query(&changed), body).is_err(), "{which} bit {i}");
            }
        }
    }

    #[test]
    fn the_secrets_before_a_change_are_accepted_until_they_are_taken_out() {
        let all = vectors(include_str!("../tests/vectors/http_callback.json"));
        let case = &all["cases"][2]["request"];
        let now = Timestamp(1_751_600_010_000);
        let secret = |t: &str| SettingValue::Secret(Secret::new(t));
        let (token, key) = ("sim0Token32", "RGYqfvJbsU2O623xNI2SBVvDfka0fHcqWar44Bb6EbQ");
        let other_key = "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij";
        let push = |settings: &hutong_model::Settings| {
            let request = RawRequest {
                post: true,
                query: s(&case["query"]),
                headers: &[],
                body: s(&case["body"]).as_bytes(),
            };
            verify(&config(settings), &request, now)
        };
        let Ok(Proved::Event { plain, answer }) = push(&settings()) else {
            panic!()
        };
        // Both have changed in the file and not yet in the console, or the other way round.
        let changed = settings()
            .with("event_token", secret("newToken"))
            .with("event_aes_key", secret(other_key));
        assert_eq!(push(&changed).unwrap_err(), Rejection::BadSignature);
        let half = changed.clone().with("event_token_previous", secret(token));
        assert!(push(&half).is_err(), "the key is still the new one");
        let whole = half.clone().with("event_aes_key_previous", secret(key));
        match push(&whole).unwrap() {
            // The answer is sealed and signed with what the platform used.
            Proved::Event { plain: p, answer: a } => assert_eq!((p, a), (plain, answer)),
            other => panic!("{other:?}"),
        }
        let swapped = settings()
            .with("event_token_previous", secret("oldToken"))
            .with("event_aes_key_previous", secret(other_key));
        assert!(push(&swapped).is_ok());
        // Robot messages and card callbacks.
        let time = "1751600010000";
        let robot = robot_sign(&Secret::new("sim-app-secret"), time);
        let card = card_sign(&Secret::new("mySecret"), time);
        let (robot_headers, card_headers) = (
            [("timestamp", time), ("sign", robot.as_str())],
            [
                ("x-ddpaas-signature-timestamp", time),
                ("x-ddpaas-signature", card.as_str()),
            ],
        );
        for (headers, key, old) in [
            (robot_headers, "client_secret", "sim-app-secret"),
            (card_headers, "card_secret", "mySecret"),
        ] {
            let check = |settings: &hutong_model::Settings| {
                let request = RawRequest {
                    post: true,
                    query: "",
                    headers: &headers,
                    body: b"{}",
                };
                verify(&config(settings), &request, now).err()
            };
            let changed = settings().with(key, secret("changed"));
            assert_eq!(check(&changed), Some(Rejection::BadSignature), "{key}");
            let previous = match key {
                "client_secret" => "client_secret_previous",
                _ => "card_secret_previous",
            };
            assert_eq!(
                check(&changed.clone().with(previous, secret("else"))),
                Some(Rejection::BadSignature)
            );
            assert_eq!(check(&changed.with(previous, secret(old))), None, "{key}");
        }
    }

    #[test]
    fn headers_that_are_missing_doubled_or_mixed_are_refused() {
        let config = config(&settings());
        let secret = Secret::new("sim-app-secret");
        let time = "1751600010000";
        let sign = robot_sign(&secret, time);
        let now = Timestamp(1_751_600_010_000);
        let check = |query: &str, headers: &[(&str, &str)]| {
            verify(
                &config,
                &RawRequest {
                    post: true,
                    query,
                    headers,
                    body: b"{}",
                },
                now,
            )
            .err()
        };
        assert_eq!(check("", &[("timestamp", time), ("sign", &sign)]), None);
        // The proof covers the timestamp and nothing else: another body passes it. Company, robot
        // and message id are checked after it.
        assert_eq!(check("x=y", &[("timestamp", time), ("sign", &sign)]), None);
        assert_eq!(check("", &[("sign", &sign)]), Some(Rejection::MissingHeader));
        assert_eq!(check("", &[("timestamp", time)]), Some(Rejection::MissingHeader));
        assert_eq!(
            check("", &[("timestamp", time), ("sign", &sign), ("sign", &sign)]),
            Some(Rejection::DoubledHeader)
        );
        assert_eq!(
            check("", &[("timestamp", time), ("timestamp", time), ("sign", &sign)]),
            Some(Rejection::DoubledHeader)
        );
        assert_eq!(
            check(
                "signature=1&timestamp=1&nonce=1",
                &[("timestamp", time), ("sign", &sign)]
            ),
            Some(Rejection::Malformed)
        );
        assert_eq!(check("signature=1&nonce=1", &[]), Some(Rejection::MissingHeader));
        assert_eq!(
            check("signature=1&signature=1&nonce=1&timestamp=1751600010000", &[]),
            Some(Rejection::DoubledHeader)
        );
        assert_eq!(
            check("signature=1&nonce=1&timestamp=1751500010000", &[]),
            Some(Rejection::Stale)
        );
        for bit in 0..sign.len() * 7 {
            let mut changed = sign.clone().into_bytes();
            changed[bit / 7] ^= 1 << (bit % 7);
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(
                check("", &[("timestamp", time), ("sign", &changed)]),
                Some(Rejection::BadSignature)
            );
        }
    }
}
