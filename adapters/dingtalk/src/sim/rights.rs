//! What the admin has granted, and what the company has bought: permissions by name, the contact scope,
//! the address list, quotas of the month, and who is out of the robot's reach.

use hutong_model::Timestamp;

use super::SimAppSpec;
use super::api_new::{self, no};
use super::api_old;
use super::state::{ROOT, State, dept_number};
use crate::day;

/// Everything is granted and unlimited unless it is said here.
#[derive(Debug, Clone, Default)]
pub struct Rights {
    /// Permissions that the app does not have, as the console names them.
    pub without: Vec<String>,
    /// Departments (with what is below them) that the app may see; `None` for everyone.
    pub contact_scope: Option<Vec<i64>>,
    /// This machine is not on the app's address list.
    pub ip_refused: bool,
    /// API calls a month of the whole company; free ones are not counted (6.1).
    pub monthly_calls: Option<u32>,
    /// Robot messages that are pushed a month; then only a notice without text comes.
    pub monthly_pushes: Option<u32>,
    /// People outside the robot's visible range: `invalidStaffIdList`.
    pub out_of_reach: Vec<String>,
    /// People whom the platform holds back: `flowControlledStaffIdList`.
    pub flow_controlled: Vec<String>,
    /// Work notices are still running when their state is asked first.
    pub slow_notices: bool,
}

/// What has been used of a month.
#[derive(Debug, Default)]
pub struct Month {
    name: String,
    calls: u32,
    pushes: u32,
}

impl Month {
    fn at(&mut self, now: Timestamp) -> &mut Self {
        let name = day::month(now);
        if self.name != name {
            *self = Self {
                name,
                ..Self::default()
            };
        }
        self
    }
}

/// The permission that a call of the new generation needs (its page, or `rest_requests.json`).
fn needed_new(path: &str) -> Option<&'static str> {
    let path = path.strip_prefix("/v1.0/")?;
    let table = [
        ("robot/ding/", "Premium.Ding.Write"),
        ("robot/groups/", "qyapi_chat_manage"),
        ("robot/", "qyapi_robot_sendmsg"),
        ("im/chat/scenegroup/", "qyapi_chat_manage"),
        ("im/chat/", "qyapi_chat_read"),
        ("im/", "qyapi_chat_manage"),
        ("card/streaming", "Card.Streaming.Write"),
        ("card/", "Card.Instance.Write"),
        ("calendar/", "Calendar.Event.Write"),
        ("orgCulture/honors/", "OrgCulture.Honor.Write"),
        ("exclusive/data/", "Custom.Common.Read"),
    ];
    table
        .iter()
        .find(|(prefix, _)| path.starts_with(prefix))
        .map(|(_, n)| *n)
}

fn needed_old(path: &str) -> Option<&'static str> {
    let path = path.strip_prefix("/topapi/")?;
    let table = [
        ("v2/department/", "qyapi_get_department_list"),
        ("v2/user/list", "qyapi_get_department_member"),
        ("user/list", "qyapi_get_department_member"),
        ("v2/user/get", "qyapi_get_member"),
        ("user/get", "qyapi_get_member"),
    ];
    table
        .iter()
        .find(|(prefix, _)| path.starts_with(prefix))
        .map(|(_, n)| *n)
}

/// What is left out of a person's record without the permission of that name. The names are those of the
/// console's list; that the last one covers these fields is not documented.
const FIELDS: [(&str, &[&str]); 3] = [
    ("fieldMobile", &["mobile"]),
    ("fieldEmail", &["email", "org_email"]),
    (
        "fieldProfile",
        &["hired_date", "work_place", "extension", "job_number", "title"],
    ),
];

pub fn hidden_fields<'s>(state: &'s State, app: &str) -> impl Iterator<Item = &'static &'static str> + use<'s> {
    let without = rights(state, app).map(|r| r.without.as_slice()).unwrap_or_default();
    FIELDS
        .iter()
        .filter(move |(name, _)| without.iter().any(|w| w == name))
        .flat_map(|(_, fields)| *fields)
}

fn rights<'s>(state: &'s State, app: &str) -> Option<&'s Rights> {
    state.app(app).map(|a| &a.spec.rights)
}

/// Refuses a call of the new generation, in the order of the gateway: address, quota, permission.
pub fn check_new(state: &mut State, app: &str, path: &str, now: Timestamp) -> Result<(), api_new::Refusal> {
    let Some(rights) = rights(state, app).cloned() else {
        return Ok(());
    };
    let denied = |code: &str, text: &str| api_new::Refusal {
        status: 403,
        ..no(code, text)
    };
    if rights.ip_refused {
        return Err(denied(
            "Forbidden.AccessDenied.IpNotInWhiteList",
            "访问ip不在白名单之中",
        ));
    }
    if !spend(state, &rights, now) {
        return Err(denied("Forbidden.AccessDenied.ApiCountLimitForOrg", "当月调用量超限"));
    }
    match needed_new(path) {
        Some(name) if rights.without.iter().any(|w| w == name) => Err(api_new::Refusal {
            scopes: vec![name.to_owned()],
            ..denied(
                "Forbidden.AccessDenied.AccessTokenPermissionDenied",
                "应用尚未开通所需的权限",
            )
        }),
        _ => Ok(()),
    }
}

pub fn check_old(state: &mut State, app: &str, path: &str, now: Timestamp) -> Result<(), api_old::Refusal> {
    let Some(rights) = rights(state, app).cloned() else {
        return Ok(());
    };
    if rights.ip_refused {
        return Err(api_old::no(60_020, "访问ip不在白名单之中"));
    }
    let contacts = ["/topapi/v2/user/", "/topapi/user/", "/topapi/v2/department/"];
    let free = contacts.iter().any(|free| path.starts_with(free));
    if !free && !spend(state, &rights, now) {
        return Err(api_old::no(90_020, "调用量超限"));
    }
    match needed_old(path) {
        Some(name) if rights.without.iter().any(|w| w == name) => {
            Err(api_old::gateway("60011", &format!("应用尚未开通所需的权限：[{name}]")))
        }
        _ => Ok(()),
    }
}

fn spend(state: &mut State, rights: &Rights, now: Timestamp) -> bool {
    let month = state.month.at(now);
    if rights.monthly_calls.is_some_and(|limit| month.calls >= limit) {
        return false;
    }
    month.calls += 1;
    true
}

/// Counts one push to the robot; false when the month is used up.
pub fn push(state: &mut State, spec: &SimAppSpec, now: i64) -> bool {
    let month = state.month.at(Timestamp(now));
    if spec.rights.monthly_pushes.is_some_and(|limit| month.pushes >= limit) {
        return false;
    }
    month.pushes += 1;
    true
}

/// Whether the app may see a department: it, or one above it, is in the scope.
pub fn sees_department(state: &State, app: &str, id: i64) -> bool {
    let Some(scope) = rights(state, app).and_then(|r| r.contact_scope.as_ref()) else {
        return true;
    };
    let mut at = id;
    // Deeper than any tree.
    for _ in 0..64 {
        if scope.contains(&at) {
            return true;
        }
        if at == ROOT {
            return false;
        }
        let parent = state.department(at).and_then(|d| d.parent.as_deref());
        at = parent.and_then(dept_number).unwrap_or(ROOT);
    }
    false
}

pub fn sees_person(state: &State, app: &str, user: &str) -> bool {
    let department = state.person(user).and_then(|p| dept_number(&p.department));
    department.is_none_or(|d| sees_department(state, app, d))
}
