//! Adapters with the credentials of the vectors.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::sync::Arc;

use hutong_model::{
    AppId, Build, CompanyId, ManualClock, RawRequest, Received, Secret, SettingValue, Settings, Timestamp,
};
use hutong_wecom::WeCom;
use serde_json::Value;

/// 2026-11-22T00:00:00Z, the time around which the vectors were made.
pub const NOW: Timestamp = Timestamp::from_secs(1_795_305_600);

pub fn text(value: &str) -> SettingValue {
    SettingValue::Text(value.into())
}

pub fn secret(value: &str) -> SettingValue {
    SettingValue::Secret(Secret::new(value))
}

pub fn build(kind: &str, settings: Settings) -> Build {
    Build {
        app: AppId::new("door").unwrap(),
        company: CompanyId::new("main").unwrap(),
        kind: kind.into(),
        settings,
        clock: Arc::new(ManualClock::at(NOW)),
    }
}

pub fn app_settings(token: &str, aes: &str, corp: &str) -> Settings {
    Settings::default()
        .with("corp_id", text(corp))
        .with("agent_id", SettingValue::Integer(1_000_002))
        .with("secret", secret("SECRET-TEST-0001"))
        .with("token", secret(token))
        .with("aes_key", secret(aes))
}

pub fn bot_settings(token: &str, aes: &str) -> Settings {
    Settings::default()
        .with("name", text("RobotA"))
        .with("token", secret(token))
        .with("aes_key", secret(aes))
}

pub fn app() -> WeCom {
    let settings = app_settings(
        "AppCbToken20261123",
        "DFOmmvA4o137YbkaiMhizhiMGRe3vRL2sVgQKYUIaxw",
        "ww1a2b3c4d5e6f7081",
    );
    WeCom::new(build("wecom", settings)).unwrap()
}

pub fn bot() -> WeCom {
    let settings = bot_settings("BotCbToken20261123", "hglp0csbjp0dWw1xoG2WRmsbcUetmg3y3PPrapRMyn0");
    WeCom::new(build("wecom_aibot", settings)).unwrap()
}

/// The door for the credentials of a case.
pub fn door_of(case: &Value) -> WeCom {
    let credentials = &case["credentials"];
    let get = |name: &str| credentials[name].as_str().unwrap();
    let (token, aes, receive_id) = (get("token"), get("encoding_aes_key"), get("receiveid"));
    if receive_id.is_empty() {
        WeCom::new(build("wecom_aibot", bot_settings(token, aes))).unwrap()
    } else {
        WeCom::new(build("wecom", app_settings(token, aes, receive_id))).unwrap()
    }
}

pub fn cases(file: &str) -> Vec<Value> {
    let path = format!("{}/tests/vectors/crypto/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    value["cases"].as_array().unwrap().clone()
}

pub fn post(door: &WeCom, query: &str, body: &[u8], now: Timestamp) -> Received {
    use hutong_model::Adapter;
    door.receive(
        &RawRequest {
            post: true,
            query,
            headers: &[],
            body,
        },
        now,
    )
}

pub fn get(door: &WeCom, query: &str, now: Timestamp) -> Received {
    use hutong_model::Adapter;
    door.receive(
        &RawRequest {
            post: false,
            query,
            headers: &[],
            body: b"",
        },
        now,
    )
}

/// When a case was signed.
pub fn time_of(case: &Value) -> Timestamp {
    let seconds: i64 = case["query"]["timestamp"].as_str().unwrap().parse().unwrap();
    Timestamp::from_secs(seconds)
}
