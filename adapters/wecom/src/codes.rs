//! What the platform's error codes mean for delivery.
//!
//! Source of every line: the global code table, document 90313 (2026-07 edition), unless noted.
//! Only `errcode` decides; `errmsg` is free text and is shown to people, never matched
//! (the one exception is the address in the text of 60020, which is shown, not decided on).

use hutong_model::LimitScope;

/// What became of a call that was answered with a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Ok,
    /// The access token was refused: fetch a new one once, repeat once.
    Token,
    /// Not done: wait. Milliseconds after which the shortest window has passed.
    Rate {
        scope: LimitScope,
        after_ms: u64,
    },
    /// Not done, the platform was busy: repeat with back-off.
    Busy,
    /// `appchat/create` with an id that exists: an earlier attempt of ours was accepted.
    Exists,
    /// Final.
    Refused,
}

/// Classifies a code.
pub fn classify(code: i64) -> Class {
    match code {
        0 => Class::Ok,
        // 40001 invalid secret, 40014 invalid token, 42001 expired token.
        40001 | 40014 | 42001 => Class::Token,
        // -1 system busy, 6000 concurrent modification of the same data.
        -1 | 6000 => Class::Busy,
        // Frequency of one API. Which window was exceeded is not told: the shortest is 60 s
        // (document 90312), and a repeat inside a longer one is answered with the same code.
        45009 => Class::Rate {
            scope: LimitScope::App,
            after_ms: 60_000,
        },
        // Too many concurrent calls of one API.
        45033 => Class::Rate {
            scope: LimitScope::App,
            after_ms: 1_000,
        },
        // AI bot: too many sends to one conversation (document 101463).
        846_607 => Class::Rate {
            scope: LimitScope::Destination,
            after_ms: 60_000,
        },
        // chatid already exists (document 90245).
        86215 => Class::Exists,
        _ => Class::Refused,
    }
}

/// True for the codes that say "this secret may not call this": the contact-sync secret lost most
/// reads on 2022-08-15 and answers with the 48009 family, an app without the right with 48002.
pub fn not_for_this_secret(code: i64) -> bool {
    matches!(code, 48002 | 48009)
}

/// True when the person is unknown, or has left the app's visible range.
pub fn person_unknown(code: i64) -> bool {
    matches!(code, 40003 | 60111 | 60011)
}

/// Cause and next step, Chinese first, for the codes an operator can do something about.
pub fn advice(code: i64) -> Option<&'static str> {
    Some(match code {
        40001 => {
            "应用 Secret 不对，请在管理后台重新复制 / The app secret is wrong: copy it again from the admin console"
        }
        40013 => "企业 ID 不对 / The corp id is wrong",
        40003 | 60111 => "成员不存在 / No such member",
        40050 | 86001 | 86003 => "群不存在或群 ID 不对 / No such group",
        40056 | 301002 => "agent_id 与 Secret 不是同一个应用 / agent_id and secret belong to different apps",
        40058 | 45002 => "内容太长或字段为空 / The content is too long, or a field is empty",
        43012 => "按钮卡片要求应用先配置回调 URL / Cards with buttons need a configured callback URL",
        48002 => {
            "应用没有这个接口的权限；建群要求应用可见范围是根部门 / The app may not call this; groups need the root department in its visible range"
        }
        48009 => "通讯录同步 Secret 不能再读这些信息 / The contact-sync secret may no longer read this",
        50003 => "应用已停用 / The app is disabled",
        60011 | 60021 => "成员或部门不在应用可见范围内 / The member or department is outside the app's visible range",
        60020 => {
            "请把出口 IP 加入应用的「企业可信IP」，约一分钟生效 / Add the outgoing address to the app's trusted IPs; it works after about a minute"
        }
        60140 => "卡片更新凭证已用过或超过 72 小时 / The card's response code was used or is older than 72 hours",
        81011 | 81013 | 82001..=82004 => "收件人全部无效 / No valid receiver",
        86004..=86007 => "群名、群主或人数不符合要求 / Group name, owner or size is not acceptable",
        86008 => "这个群不是本应用建的 / This group was not created by this app",
        86216 => "有成员不在应用可见范围内 / A member is outside the app's visible range",
        42052 => "消息超过 24 小时，不能撤回 / The message is older than 24 hours and cannot be recalled",
        93000 => {
            "群机器人地址无效，或机器人已被移出群 / The group robot's key is invalid, or it was removed from the group"
        }
        93004 => "群机器人已停用 / The group robot is disabled",
        93008 => "机器人不在群里 / The robot is not in the group",
        846_601 => {
            "这个智能机器人没有开启长连接：请在「API 模式」选「长连接」；超过 1000 人的企业要管理员先允许 / The long connection is off for this AI bot: choose it under API mode; in companies of more than 1,000 an administrator must allow it first"
        }
        846_607 => {
            "发得太快，或这个人（群）还没有先找过机器人 / Too fast, or nobody has addressed the bot in this chat yet"
        }
        846_611..=846_616 => "文件没有传完整，请重试 / The upload is not complete: try again",
        846_625 => "这张卡片已经发过 / This card was sent before",
        853_000 => {
            "bot_id 或 Secret 不对，请在智能机器人的「API 模式 → 长连接」重新复制 / Wrong bot_id or secret: copy them again from the AI bot's page, API mode, long connection"
        }
        _ => return None,
    })
}

/// The text of a refusal: advice, then what the platform said, cut to a line. For 60020 the address
/// that has to be added stands in the platform's text (`from ip: ...`).
pub fn explain(code: i64, errmsg: &str) -> String {
    let mut text = String::new();
    if let Some(advice) = advice(code) {
        text.push_str(advice);
        if code == 60020
            && let Some(ip) = caller_ip(errmsg)
        {
            text.push_str(": ");
            text.push_str(&ip);
        }
        text.push_str(" | ");
    }
    text.extend(errmsg.chars().filter(|c| !c.is_control()).take(160));
    text
}

/// The address that a refusal names (`from ip: ...`), when it is one.
pub fn caller_ip(errmsg: &str) -> Option<String> {
    let (_, rest) = errmsg.split_once("from ip: ")?;
    let ip: String = rest
        .chars()
        .take_while(|c| c.is_ascii_hexdigit() || *c == '.' || *c == ':')
        .collect();
    ip.parse::<std::net::IpAddr>().ok().map(|ip| ip.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_classified() {
        assert_eq!(classify(0), Class::Ok);
        for code in [40001, 40014, 42001] {
            assert_eq!(classify(code), Class::Token);
        }
        assert!(matches!(classify(45009), Class::Rate { .. }));
        for code in [81013, 60020, 93000, 86008, 1, i64::MIN, i64::MAX] {
            assert_eq!(classify(code), Class::Refused, "{code}");
        }
    }

    #[test]
    fn the_address_to_trust_is_shown() {
        let said = "not allow to access from your ip, hint: [1_2], from ip: 203.0.113.7, more info at x";
        assert!(
            explain(60020, said).contains("minute: 203.0.113.7 |"),
            "{}",
            explain(60020, said)
        );
        assert!(
            explain(60020, "from ip: <script>").contains("minute |"),
            "no text becomes an address"
        );
    }
}
