//! What an error of the platform means for us: one table for each API generation.
//!
//! The only question that matters is whether the platform may have acted. Sources: the error list of
//! each call's reference page, the global error table of the old generation, and the throttling page
//! (all cited in `protocols/dingtalk.md`, sections 1.3, 6.1 and 6.3; sample bodies in
//! `tests/vectors/errors.json`).

use hutong_model::LimitScope;

/// How to treat a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Final: it will never be accepted.
    Reject,
    /// Not done: wait this long at least.
    Rate { scope: LimitScope, after_ms: u64 },
    /// Not done: the access token was refused.
    Auth,
    /// Not done: busy, or no byte was sent.
    NotSent,
    /// Perhaps done.
    Unknown,
}

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60_000;
const HOUR: u64 = 3_600_000;

const fn rate(scope: LimitScope, after_ms: u64) -> Class {
    Class::Rate { scope, after_ms }
}

/// New generation (`api.dingtalk.com`): HTTP status and `code`.
pub fn classify_new(status: u16, code: &str) -> Class {
    // A wrong token is HTTP 400, not 401 (observed); 401 is accepted too.
    if code.contains("InvalidAuthentication") || code.contains("AuthenticationFailed") || status == 401 {
        return Class::Auth;
    }
    // Limits are HTTP 403, told from missing permissions by their prefix only (throttling page).
    if let Some(kind) = code.strip_prefix("Forbidden.AccessDenied.") {
        return match kind {
            // The month's quota of the whole company: asking again sooner only costs log lines.
            k if k.starts_with("ApiCountLimit") => rate(LimitScope::Company, HOUR),
            k if k.starts_with("Qpm") => rate(LimitScope::App, MINUTE),
            "QpsLimitForApi" => rate(LimitScope::Company, 2 * SECOND),
            k if k.starts_with('Q') => rate(LimitScope::App, SECOND),
            _ => Class::Reject,
        };
    }
    match code {
        // Robot sends: the flooding rule of robots blocks for ten minutes (custom robot page).
        "send.too.fast" | "send.byToken.tooFast" => return rate(LimitScope::Destination, 10 * MINUTE),
        // DING: 6000 a minute for one robot.
        "toomuch.msg" => return rate(LimitScope::App, MINUTE),
        // Calendar: 100 events a day for one organiser.
        "flowLimit" => return rate(LimitScope::Destination, HOUR),
        // Robot sends: the platform itself does not know.
        "unknown.send.result" => return Class::Unknown,
        _ => {}
    }
    match status {
        429 => rate(LimitScope::App, SECOND),
        // The gateway answers 504 after 3 s while the call may go on behind it.
        500.. => Class::Unknown,
        _ => Class::Reject,
    }
}

/// Old generation (`oapi.dingtalk.com`), custom robots and session webhooks: `errcode` and, where
/// the gateway wrapped the reason (errcode 88), `sub_code`. Never called with errcode 0.
pub fn classify_old(errcode: i64, sub_code: Option<&str>) -> Class {
    let code = match (errcode, sub_code.map(|s| s.trim().parse::<i64>())) {
        (88, Some(Ok(sub))) => sub,
        // 88 without a reason is a time-out behind the gateway (retry page).
        (88, _) => return Class::Unknown,
        (code, _) => code,
    };
    match code {
        // Token wrong, expired, blank.
        40014 | 42001 | 40001 | 40000 => Class::Auth,
        // Busy: documented as "retry up to three times", nothing was done.
        -1 => Class::NotSent,
        // Upstream time-out.
        15 => Class::Unknown,
        90002 => rate(LimitScope::Company, SECOND),
        90018 => rate(LimitScope::App, SECOND),
        90020 => rate(LimitScope::Company, HOUR),
        // More than 20 messages a minute in one group: the robot is blocked for ten minutes.
        130101 | 410100 | 660026 => rate(LimitScope::Destination, 10 * MINUTE),
        _ => Class::Reject,
    }
}

/// The session of a reply address is over: send as the robot instead (issue reports; the text
/// differs, the code does not).
pub const SESSION_GONE: i64 = 300_001;

/// The one who asks is outside the contact scope of the app, or does not exist.
pub const USER_GONE: [&str; 3] = ["60121", "33012", "40031"];

/// The month's calls of the whole company are used up, in the words of either generation (6.1).
pub fn quota_used_up(code: &str) -> bool {
    code == "90020" || code.starts_with("Forbidden.AccessDenied.ApiCountLimit")
}

/// A permission that the app was not granted, in the words of either generation (1.3).
pub fn permission_missing(code: &str) -> bool {
    code == "60011" || code.ends_with("AccessTokenPermissionDenied")
}

/// What an operator should do about a refusal, where the code says it.
pub fn hint(code: &str) -> Option<&'static str> {
    Some(match code {
        c if c.ends_with("AccessTokenPermissionDenied") => {
            "开发者后台 > 权限管理 中为应用开通所需权限 / grant the permission to the app in the developer console"
        }
        "60011" => {
            "开发者后台 > 权限管理 中为应用开通所需权限 / grant the permission to the app in the developer console"
        }
        c if c.ends_with("IpNotInWhiteList") => {
            "把服务器出口 IP 加入应用的服务器出口 IP 白名单 / add this server's address to the app's IP list"
        }
        "60020" => "把服务器出口 IP 加入应用的服务器出口 IP 白名单 / add this server's address to the app's IP list",
        "invalidClientIdOrSecret" | "40096" => {
            "核对 client_id 与 client_secret / compare client_id and client_secret with the console"
        }
        "50002" | "50004" => {
            "把应用的通讯录权限范围设为全部员工，或设置 root_departments / set the app's contact scope to everyone, or set root_departments"
        }
        "robot.notExsit" | "invalidParameter.robotCode.notExsit" => {
            "机器人不在该群中 / the robot is not a member of this chat"
        }
        "param.templateNotExist" | "param.templateUnpublished" => {
            "发布卡片模板并核对 card_template_id / publish the card template and check card_template_id"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_error_bodies_are_read_as_their_notes_say() {
        let all: serde_json::Value = serde_json::from_str(include_str!("../tests/vectors/errors.json")).unwrap();
        let mut seen = 0;
        for case in all["new_api"].as_array().unwrap() {
            let class = classify_new(
                case["http"].as_u64().unwrap() as u16,
                case["body"]["code"].as_str().unwrap(),
            );
            let expected = match case["id"].as_str().unwrap() {
                "bad_token" | "missing_token_header" => Class::Auth,
                "bad_app_key_or_secret" | "permission_missing" | "ip_not_in_whitelist" => Class::Reject,
                "qps_app_api" => rate(LimitScope::App, SECOND),
                "qpm_app_api" => rate(LimitScope::App, MINUTE),
                "qps_api_global" => rate(LimitScope::Company, 2 * SECOND),
                "monthly_quota" => rate(LimitScope::Company, HOUR),
                other => panic!("no expectation for {other}"),
            };
            assert_eq!(class, expected, "{}", case["id"]);
            seen += 1;
        }
        for case in all["old_api"].as_array().unwrap() {
            let class = classify_old(
                case["body"]["errcode"].as_i64().unwrap(),
                case["body"]["sub_code"].as_str(),
            );
            let expected = match case["id"].as_str().unwrap() {
                "bad_token" | "bad_token_direct" | "expired_token" | "missing_token" => Class::Auth,
                "bad_app_key_or_secret" | "permission_missing" | "unknown_path" | "user_not_found" => Class::Reject,
                "global_limit" | "global_limit_88" => rate(LimitScope::Company, SECOND),
                "app_qps" => rate(LimitScope::App, SECOND),
                "monthly_quota" => rate(LimitScope::Company, HOUR),
                "system_busy" => Class::NotSent,
                other => panic!("no expectation for {other}"),
            };
            assert_eq!(class, expected, "{}", case["id"]);
            seen += 1;
        }
        for case in all["custom_webhook"].as_array().unwrap() {
            let code = case["body"]["errcode"].as_i64().unwrap();
            let expected = match case["id"].as_str().unwrap() {
                "too_fast" | "flooded" | "too_fast_documented" => rate(LimitScope::Destination, 10 * MINUTE),
                _ => Class::Reject,
            };
            assert_eq!(classify_old(code, None), expected, "{}", case["id"]);
            seen += 1;
        }
        assert!(seen >= 28, "{seen}");
    }

    #[test]
    fn doubt_is_not_a_refusal() {
        assert_eq!(classify_new(504, ""), Class::Unknown);
        assert_eq!(classify_new(500, "system.error"), Class::Unknown);
        assert_eq!(classify_new(400, "unknown.send.result"), Class::Unknown);
        assert_eq!(classify_old(15, None), Class::Unknown);
        assert_eq!(classify_old(88, None), Class::Unknown);
        assert_eq!(classify_old(88, Some("")), Class::Unknown);
    }
}
