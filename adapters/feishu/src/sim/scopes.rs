//! Which scopes let an app make a call: any one of the list is enough. From the "权限要求" row of each
//! call's official page (crawl of May 2026).

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::FeishuSim;
use super::rest::envelope;

const SEND: &[&str] = &["im:message", "im:message:send_as_bot", "im:message:send"];
const UPDATE: &[&str] = &["im:message", "im:message:send_as_bot", "im:message:update"];
const READ: &[&str] = &["im:message", "im:message:readonly", "im:message.history:readonly"];
const CHAT_READ: &[&str] = &[
    "im:chat",
    "im:chat:readonly",
    "im:chat:read",
    "im:chat.group_info:readonly",
];
const MEMBERS_READ: &[&str] = &[
    "im:chat",
    "im:chat:readonly",
    "im:chat.members:read",
    "im:chat.group_info:readonly",
];
const CONTACT: &[&str] = &[
    "contact:contact.base:readonly",
    "contact:contact:access_as_app",
    "contact:contact:readonly_as_app",
];
const TREE: &[&str] = &[
    "contact:contact.base:readonly",
    "contact:department.organize:readonly",
    "contact:contact:access_as_app",
    "contact:contact:readonly_as_app",
];

/// Empty when the call needs none.
pub fn needed(method: &str, path: &[String]) -> &'static [&'static str] {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match (method, path.as_slice()) {
        ("POST", ["im", "v1", "messages"] | ["im", "v1", "messages", _, "reply"]) => SEND,
        ("PUT" | "PATCH", ["im", "v1", "messages", _]) => UPDATE,
        ("DELETE", ["im", "v1", "messages", _]) => &["im:message", "im:message:recall", "im:message:send_as_bot"],
        ("GET", ["im", "v1", "messages", _, "read_users"]) => {
            &["im:message", "im:message:readonly", "im:message:basic"]
        }
        ("GET", ["im", "v1", "messages", _, "reactions"]) => &["im:message.reactions:read", "im:message:readonly"],
        (_, ["im", "v1", "messages", _, "reactions", ..]) => &["im:message", "im:message.reactions:write_only"],
        ("GET", ["im", "v1", "messages", ..]) => READ,
        (_, ["im", "v1", "messages", _, "urgent_app"]) => &["im:message.urgent", "im:message.urgent:app_send"],
        (_, ["im", "v1", "messages", _, "urgent_sms"]) => &["im:message.urgent:sms", "im:message.urgent:sms_send"],
        (_, ["im", "v1", "messages", _, "urgent_phone"]) => {
            &["im:message.urgent:phone", "im:message.urgent:phone_send"]
        }
        ("GET", ["im", "v1", "pins"]) => &["im:message", "im:message.pins:read", "im:message:readonly"],
        (_, ["im", "v1", "pins", ..]) => &["im:message", "im:message.pins:write_only", "im:message:send_as_bot"],
        (_, ["im", "v1", "images" | "files"]) => &["im:resource", "im:resource:upload"],
        (_, ["message", "v4", "batch_send"] | ["im", "v1", "batch_messages", ..]) => {
            &["im:message:send_multi_users", "im:message:send_multi_depts"]
        }
        ("POST", ["im", "v1", "chats"]) => &["im:chat", "im:chat:create"],
        ("GET", ["im", "v1", "chats", _, "members", ..]) => MEMBERS_READ,
        (_, ["im", "v1", "chats", _, "members"]) => &["im:chat", "im:chat.members:write_only"],
        ("GET", ["im", "v1", "chats", ..]) => CHAT_READ,
        ("PUT", ["im", "v1", "chats", _]) => &["im:chat", "im:chat:update"],
        ("DELETE", ["im", "v1", "chats", _]) => &["im:chat", "im:chat:delete"],
        (_, ["contact", "v3", "users", "batch_get_id"]) => &["contact:user.id:readonly"],
        (_, ["contact", "v3", "departments", _, "children"] | ["contact", "v3", "users", "find_by_department"]) => TREE,
        (_, ["contact", ..]) => CONTACT,
        (_, ["calendar", "v4", "calendars", "primary"]) => &[
            "calendar:calendar",
            "calendar:calendar:read",
            "calendar:calendar:readonly",
        ],
        ("POST", ["calendar", "v4", "calendars"]) => &["calendar:calendar", "calendar:calendar:create"],
        ("POST", ["calendar", "v4", "calendars", _, "events"]) => {
            &["calendar:calendar", "calendar:calendar.event:create"]
        }
        ("GET", ["calendar", ..]) => &[
            "calendar:calendar",
            "calendar:calendar.event:read",
            "calendar:calendar:readonly",
        ],
        (_, ["calendar", ..]) => &["calendar:calendar", "calendar:calendar.event:update"],
        (_, ["admin", "v1", "admin_dept_stats"]) => &["admin:admin_dept_stat:readonly"],
        (_, ["admin", "v1", "admin_user_stats"]) => &["admin:admin_user_stat:readonly"],
        (_, ["admin", "v1", "badges", _, "grants", ..]) => &["admin:badge.grant"],
        (_, ["application", "v6", "applications", ..]) => {
            &["application:application:self_manage", "admin:app.info:readonly"]
        }
        (_, ["event", "v1", "outbound_ip"]) => &["event:ip_list"],
        _ => &[],
    }
}

/// Every scope of the table, and those that only events need.
pub fn all() -> Vec<&'static str> {
    const EVENTS: [&str; 6] = [
        "im:message.p2p_msg:readonly",
        "im:message.group_at_msg:readonly",
        "im:message.group_msg",
        "im:message.reactions:read",
        "contact:user.employee_id:readonly",
        "im:chat.members:bot_access",
    ];
    let routes: [(&str, &str); 32] = [
        ("POST", "im/v1/messages"),
        ("PUT", "im/v1/messages/x"),
        ("DELETE", "im/v1/messages/x"),
        ("GET", "im/v1/messages/x/read_users"),
        ("GET", "im/v1/messages/x/reactions"),
        ("POST", "im/v1/messages/x/reactions"),
        ("GET", "im/v1/messages"),
        ("PATCH", "im/v1/messages/x/urgent_app"),
        ("PATCH", "im/v1/messages/x/urgent_sms"),
        ("PATCH", "im/v1/messages/x/urgent_phone"),
        ("GET", "im/v1/pins"),
        ("POST", "im/v1/pins"),
        ("POST", "im/v1/files"),
        ("POST", "message/v4/batch_send"),
        ("POST", "im/v1/chats"),
        ("GET", "im/v1/chats/x/members"),
        ("POST", "im/v1/chats/x/members"),
        ("GET", "im/v1/chats"),
        ("PUT", "im/v1/chats/x"),
        ("DELETE", "im/v1/chats/x"),
        ("POST", "contact/v3/users/batch_get_id"),
        ("GET", "contact/v3/departments/0/children"),
        ("GET", "contact/v3/scopes"),
        ("POST", "calendar/v4/calendars/primary"),
        ("POST", "calendar/v4/calendars"),
        ("POST", "calendar/v4/calendars/x/events"),
        ("GET", "calendar/v4/calendars/x/events/y"),
        ("POST", "calendar/v4/calendars/x/events/y/attendees"),
        ("GET", "admin/v1/admin_dept_stats"),
        ("GET", "admin/v1/admin_user_stats"),
        ("GET", "admin/v1/badges/x/grants"),
        ("GET", "application/v6/applications/me"),
    ];
    let mut all: Vec<&str> = EVENTS.to_vec();
    all.extend(super::events::FIELD_SCOPES.map(|(scope, _)| scope));
    for (method, path) in routes {
        let path: Vec<String> = path.split('/').map(str::to_owned).collect();
        all.extend(needed(method, &path));
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// 99991672, naming the scopes of which one is missing.
pub fn denied(sim: &FeishuSim, route: &str, app: &str, needed: &[&str]) -> Response {
    let list = needed.join(", ");
    sim.journal
        .complain(format!("{route}: 99991672 one of these scopes is needed: {list}"));
    let violations: Vec<Value> = needed
        .iter()
        .map(|s| json!({ "type": "action_scope_required", "subject": s }))
        .collect();
    let answer = json!({
        "code": 99_991_672,
        "msg": format!("Access denied. One of the following scopes is required: [{list}].应用尚未开通所需的应用身份权限：[{list}]，点击链接申请并开通任一权限即可：https://open.feishu.cn/app/{app}/auth?q={}", needed.join(",")),
        "error": { "log_id": "20261124000000SIMULATED", "permission_violations": violations },
    });
    envelope(StatusCode::BAD_REQUEST, answer, None)
}
