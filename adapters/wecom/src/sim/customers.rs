//! Customer groups: groups with people from outside, of which the platform tells who is in them and
//! how much was said a day, never what (official API catalogue, customer groups).

use std::collections::BTreeMap;

use hutong_model::Timestamp;
use serde_json::{Value, json};

use super::api::{Answer, no, strings, text};
use super::state::App;
use super::{Core, WeComSim};

const DAY: i64 = 86_400;
const OFFSET: i64 = 8 * 3_600;

/// A group with people from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomerGroup {
    pub id: String,
    pub name: String,
    pub owner: String,
    pub created: i64,
    pub members: Vec<CustomerMember>,
    /// By the first second of the day in UTC+8: messages, and how many people wrote.
    pub said: BTreeMap<i64, (i64, i64)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerMember {
    pub id: String,
    pub external: bool,
    pub joined: i64,
}

impl WeComSim {
    pub fn add_customer_group(&self, group: CustomerGroup) {
        self.core.state().customers.push(group);
    }
}

fn day(at: i64) -> i64 {
    (at + OFFSET).div_euclid(DAY) * DAY - OFFSET
}

impl Core {
    pub(super) fn customer_call(&self, app: &App, path: &str, body: &Value, now: Timestamp) -> Answer {
        let state = self.state();
        if !state.allowed(app, "customer_contact") {
            return no(48002, "api forbidden");
        }
        let owners = strings(body.pointer("/owner_filter/userid_list"));
        if owners.len() > 100 {
            return no(40032, "at most 100 owners");
        }
        match path {
            "externalcontact/get_follow_user_list" => {
                let mut all: Vec<&str> = state.customers.iter().map(|g| g.owner.as_str()).collect();
                all.sort_unstable();
                all.dedup();
                Ok(json!({"follow_user": all}))
            }
            "externalcontact/groupchat/list" => {
                let limit = body.get("limit").and_then(Value::as_u64).unwrap_or(0);
                if !(1..=1000).contains(&limit) {
                    return no(40058, "limit is 1 to 1000");
                }
                let from: usize = text(body, "cursor").parse().unwrap_or(0);
                let found: Vec<Value> = state
                    .customers
                    .iter()
                    .filter(|g| owners.is_empty() || owners.contains(&g.owner))
                    .map(|g| json!({"chat_id": g.id, "status": 0}))
                    .collect();
                let to = (from + usize::try_from(limit).unwrap_or(0)).min(found.len());
                let page = found.get(from..to).unwrap_or_default();
                let next = if to < found.len() {
                    to.to_string()
                } else {
                    String::new()
                };
                Ok(json!({"group_chat_list": page, "next_cursor": next}))
            }
            "externalcontact/groupchat/get" => {
                let Some(group) = state.customers.iter().find(|g| g.id == text(body, "chat_id")) else {
                    return no(40050, "invalid chat_id");
                };
                let members: Vec<Value> = group
                    .members
                    .iter()
                    .map(|m| {
                        let kind = if m.external { 2 } else { 1 };
                        json!({"userid": m.id, "type": kind, "join_time": m.joined, "join_scene": 1})
                    })
                    .collect();
                Ok(json!({"group_chat": {
                    "chat_id": group.id, "name": group.name, "owner": group.owner, "create_time": group.created,
                    "notice": "", "member_list": members, "admin_list": [],
                }}))
            }
            _ => {
                if owners.is_empty() {
                    return no(40058, "owner_filter is needed");
                }
                let at = |name: &str| body.get(name).and_then(Value::as_i64);
                let Some(begin) = at("day_begin_time").map(day) else {
                    return no(40058, "day_begin_time");
                };
                let end = at("day_end_time").map_or(begin, day);
                let today = day(now.secs());
                if begin > end || end >= today || end - begin > 30 * DAY || begin < today - 180 * DAY {
                    return no(40058, "at most 30 days, of the 180 before today");
                }
                let limit = body.get("limit").and_then(Value::as_u64).unwrap_or(500);
                let offset = body.get("offset").and_then(Value::as_u64).unwrap_or(0);
                if !(1..=1000).contains(&limit) {
                    return no(40058, "limit is 1 to 1000");
                }
                let mut rows: Vec<Value> = owners
                    .iter()
                    .filter_map(|owner| {
                        let groups: Vec<&CustomerGroup> = state
                            .customers
                            .iter()
                            .filter(|g| g.owner == *owner && g.created < end + DAY)
                            .collect();
                        (!groups.is_empty()).then(|| row(owner, &groups, begin, end))
                    })
                    .collect();
                let total = rows.len() as u64;
                let from = usize::try_from(offset).unwrap_or(usize::MAX).min(rows.len());
                rows.drain(..from);
                rows.truncate(usize::try_from(limit).unwrap_or(0));
                let next = offset + rows.len() as u64;
                Ok(json!({"total": total, "next_offset": next, "items": rows}))
            }
        }
    }
}

fn row(owner: &str, groups: &[&CustomerGroup], begin: i64, end: i64) -> Value {
    let within = |at: i64| (begin..end + DAY).contains(&at);
    let said = |g: &CustomerGroup| {
        let days = g.said.range(begin..=end);
        days.fold((0, 0), |(m, p), (_, (messages, people))| (m + messages, p + people))
    };
    let sum = |f: &dyn Fn(&CustomerGroup) -> i64| groups.iter().map(|g| f(g)).sum::<i64>();
    let count = |n: usize| i64::try_from(n).unwrap_or(0);
    json!({"owner": owner, "data": {
        "new_chat_cnt": sum(&|g| i64::from(within(g.created))),
        "chat_total": count(groups.len()),
        "chat_has_msg": sum(&|g| i64::from(said(g).0 > 0)),
        "new_member_cnt": sum(&|g| count(g.members.iter().filter(|m| within(m.joined)).count())),
        "member_total": sum(&|g| count(g.members.iter().filter(|m| m.joined < end + DAY).count())),
        "member_has_msg": sum(&|g| said(g).1),
        "msg_total": sum(&|g| said(g).0),
    }})
}
