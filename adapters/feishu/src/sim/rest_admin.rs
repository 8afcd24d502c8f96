//! Calls about the app itself, the company's daily figures, its badges, and the ways events take.

use std::collections::{BTreeMap, BTreeSet};

use hutong_model::Timestamp;
use hutong_simkit::Simulator as _;
use serde_json::{Value, json};

use super::FeishuSim;
use super::check::Refusal;
use super::rest::{Call, Handled, ok};
use super::rest_directory::below;
use super::scopes;
use super::state::{Author, Grant, ROOT, World, open_department_id};

const DAY_MS: i64 = 86_400_000;
/// The platform's day is that of UTC+8, and its figures are out at 9:30.
const EAST_MS: i64 = 8 * 3_600_000;
const OUT_MS: i64 = 9 * 3_600_000 + 30 * 60_000;

fn refuse<T>(code: i64, what: &str) -> Result<T, Refusal> {
    Err((code, what.to_owned()))
}

pub fn application(world: &World, call: &Call, rest: &[&str]) -> Handled {
    let Some(app) = world.apps.get(&call.app) else {
        return refuse(212_100, "app not install");
    };
    match (call.method.as_str(), rest) {
        ("GET", ["scopes"]) => {
            let list: Vec<Value> = scopes::all()
                .into_iter()
                .map(|s| json!({ "scope_name": s, "grant_status": if app.options.has_scope(s) { 1 } else { 2 } }))
                .collect();
            ok(json!({ "scopes": list }))
        }
        ("GET", ["applications", id]) if *id == "me" || *id == call.app => {
            if call.query("lang").is_none() {
                return refuse(99_992_402, "field validation failed: lang is required");
            }
            let o = &app.options;
            let pending = if o.version_pending { "oav_2" } else { "" };
            ok(json!({ "app": {
                "app_id": call.app, "app_name": o.name, "status": 1, "scene_type": 0, "online_version_id": "oav_1",
                "unaudit_version_id": pending, "primary_language": "zh_cn",
            } }))
        }
        ("GET", ["applications", _]) => refuse(210_508, "insufficient permission level"),
        _ => refuse(99_992_402, "no such call"),
    }
}

pub fn event(sim: &FeishuSim, call: &Call, rest: &[&str]) -> Handled {
    match (call.method.as_str(), rest) {
        ("GET", ["connection"]) => {
            let count: usize = sim
                .links()
                .iter()
                .filter(|(app, _)| *app == call.app)
                .map(|(_, n)| n)
                .sum();
            ok(json!({ "online_instance_cnt": count }))
        }
        ("GET", ["outbound_ip"]) => ok(json!({ "ip_list": ["127.0.0.1"], "has_more": false, "page_token": "" })),
        _ => refuse(99_992_402, "no such call"),
    }
}

pub fn admin(world: &mut World, call: &Call, rest: &[&str]) -> Handled {
    match (call.method.as_str(), rest) {
        ("GET", ["admin_dept_stats"]) => department_stats(world, call),
        ("GET", ["admin_user_stats"]) => user_stats(world, call),
        (method, ["badges", badge, "grants", rest @ ..]) => {
            if !world.badges.contains_key(*badge) {
                return refuse(1_051_113, "cannot find this badge");
            }
            grants(world, call, method, badge, rest)
        }
        _ => refuse(99_992_402, "no such call"),
    }
}

/// What one person did on one day.
#[derive(Default, Clone, Copy)]
struct Did {
    sent: u64,
    there: bool,
}

/// First instant of a day `YYYY-MM-DD` in UTC+8; Howard Hinnant's days-from-civil.
fn day_start(day: &str) -> Option<i64> {
    let mut parts = day.split('-').map(|p| p.parse::<i64>().ok());
    let (y, m, d) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || !(1..=12).contains(&m) || !(1..=31).contains(&d) {
        return None;
    }
    let y = if m <= 2 { y - 1 } else { y };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * (m + if m > 2 { -3 } else { 9 }) + 2) / 5 + d - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some((era * 146_097 + day_of_era - 719_468) * DAY_MS - EAST_MS)
}

/// The one day that is asked for; `None` when its figures are not out yet.
fn day(call: &Call, most_days: i64) -> Result<Option<(String, i64)>, Refusal> {
    let bound = |name: &str| call.query(name).and_then(day_start);
    let (Some(from), Some(to)) = (bound("start_date"), bound("end_date")) else {
        return refuse(1_051_001, "request contain invalid param");
    };
    if to < from || to - from > most_days * DAY_MS {
        return refuse(1_051_001, "request contain invalid param");
    }
    if from != to {
        return refuse(1_051_001, "this simulator knows one day at a time");
    }
    let out = call.now >= Timestamp(from + DAY_MS + OUT_MS);
    Ok(out.then(|| (call.query("start_date").unwrap_or_default().to_owned(), from)))
}

fn did(world: &World, from: i64) -> BTreeMap<String, Did> {
    let mut out: BTreeMap<String, Did> = BTreeMap::new();
    let inside = |at: i64| (from..from + DAY_MS).contains(&at);
    for message in world.messages.values() {
        if let Author::Person(user) = &message.from
            && inside(message.at)
        {
            let did = out.entry(user.clone()).or_default();
            did.sent += 1;
            did.there = true;
        }
        let read = message
            .readers
            .iter()
            .filter(|(_, at)| inside(**at))
            .map(|(user, _)| user);
        let reacted = message
            .reactions
            .iter()
            .filter(|r| inside(r.at))
            .filter_map(|r| match &r.by {
                Author::Person(user) => Some(user),
                _ => None,
            });
        for user in read.chain(reacted) {
            out.entry(user.clone()).or_default().there = true;
        }
    }
    out
}

fn department_stats(world: &World, call: &Call) -> Handled {
    let kind = call.query("department_id_type").unwrap_or_default();
    let wanted = call.query("department_id");
    if !matches!(kind, "department_id" | "open_department_id") || call.query("contains_child_dept").is_none() {
        return refuse(1_051_001, "request contain invalid param");
    }
    let root = match wanted {
        None => return refuse(1_051_001, "request contain invalid param"),
        Some(ROOT) => ROOT.to_owned(),
        Some(id) => match world.department_by(kind, id) {
            Some(found) => found.id.clone(),
            None => return refuse(1_051_003, "There is no query permission for this department's data"),
        },
    };
    let Some((date, from)) = day(call, 91)? else {
        return ok(call.page(&[], 20)?);
    };
    let did = did(world, from);
    let ids = if call.flag("contains_child_dept") {
        below(world, &root)
    } else {
        vec![root]
    };
    let rows: Vec<Value> = ids
        .iter()
        .map(|id| {
            let inside: BTreeSet<String> = below(world, id).into_iter().collect();
            let people: Vec<_> = world
                .people
                .values()
                .filter(|p| p.active && (id == ROOT || inside.contains(&p.department)))
                .collect();
            let of = |p: &&hutong_simkit::SimPerson| did.get(&p.id).copied().unwrap_or_default();
            let sent: u64 = people.iter().map(|p| of(p).sent).sum();
            let senders = people.iter().filter(|p| of(p).sent > 0).count();
            let there = people.iter().filter(|p| of(p).there).count();
            let shown = if id == ROOT || kind == "department_id" {
                id.clone()
            } else {
                open_department_id(id)
            };
            json!({
                "date": date, "department_id": shown,
                "department_name": world.departments.get(id).map(|d| d.name.clone()).unwrap_or_default(),
                "department_path": "", "total_user_num": people.len(), "active_user_num": people.len(),
                "active_user_rate": "1.00", "suite_dau": there, "suite_active_rate": "0.00", "new_user_num": 0,
                "new_active_num": 0, "resign_user_num": 0, "im_dau": there, "send_messenger_user_num": senders,
                "send_messenger_num": sent, "avg_send_messenger_num": "0.00", "docs_dau": 0, "cal_dau": 0, "vc_dau": 0,
                "email_send_count": "0",
            })
        })
        .collect();
    ok(call.page(&rows, 20)?)
}

fn user_stats(world: &World, call: &Call) -> Handled {
    let kind = call.id_type(world, "user_id_type")?;
    let Some((date, from)) = day(call, 31)? else {
        return ok(call.page(&[], 60)?);
    };
    let did = did(world, from);
    let rows: Vec<Value> = world
        .people
        .values()
        .filter(|p| p.active)
        .map(|p| {
            let did = did.get(&p.id).copied().unwrap_or_default();
            json!({
                "date": date, "user_id": world.id_of(&call.app, &kind, &p.id), "user_name": p.name,
                "department_name": "", "department_path": "", "user_active_flag": 1,
                "suite_active_flag": u8::from(did.there), "im_active_flag": u8::from(did.there),
                "send_messenger_num": did.sent, "docs_active_flag": 0, "create_docs_num": 0, "vc_duration": 0,
                "active_os": "", "email_send_count": "0",
            })
        })
        .collect();
    ok(call.page(&rows, 60)?)
}

fn grant_object(world: &World, call: &Call, badge: &str, grant: &Grant, people: bool) -> Result<Value, Refusal> {
    let kind = call.id_type(world, "user_id_type")?;
    let mut object = json!({
        "id": grant.id, "badge_id": badge, "name": grant.name, "grant_type": 0, "time_zone": "Asia/Shanghai",
        "rule_detail": grant.rule, "is_grant_all": false,
    });
    if people {
        let ids: Vec<String> = grant.people.iter().map(|u| world.id_of(&call.app, &kind, u)).collect();
        object["user_ids"] = json!(ids);
        object["department_ids"] = json!([]);
        object["group_ids"] = json!([]);
    }
    Ok(object)
}

/// A list as it is written: always as a whole.
fn written(world: &World, call: &Call, id: String) -> Result<Grant, Refusal> {
    let kind = call.id_type(world, "user_id_type")?;
    let bad = |what: &str| Err((1_051_001, format!("request contain invalid param: {what}")));
    let name = call.text("name").unwrap_or_default();
    if name.is_empty() || name.chars().count() > 100 {
        return refuse(1_051_201, "cannot exceed the max length limit of grant name");
    }
    if call.body["grant_type"] != 0 || call.text("time_zone").is_none() || call.body["is_grant_all"] != false {
        return bad("grant_type, time_zone, is_grant_all");
    }
    let rule = &call.body["rule_detail"];
    let from = rule["effective_time"].as_str().and_then(|t| t.parse::<i64>().ok());
    if from.is_none_or(|t| (t * 1000 + EAST_MS).rem_euclid(DAY_MS) != 0) {
        return bad("effective_time is no midnight");
    }
    let ids = call.list("user_ids");
    if ids.is_empty() || ids.len() > 500 {
        return bad("1 to 500 people");
    }
    let mut people = Vec::new();
    for id in ids {
        match world.person_by(&call.app, &kind, &id).ok().flatten() {
            Some(person) => people.push(person.id.clone()),
            None => return bad("user_ids"),
        }
    }
    Ok(Grant {
        id,
        name: name.to_owned(),
        rule: rule.clone(),
        people,
    })
}

fn grants(world: &mut World, call: &Call, method: &str, badge: &str, rest: &[&str]) -> Handled {
    let lists = world.badges.get(badge).cloned().unwrap_or_default();
    let found = |id: &str| lists.iter().find(|g| g.id == id);
    match (method, rest) {
        ("GET", []) => {
            let name = call.query("name");
            let mut objects = Vec::new();
            for grant in lists.iter().rev().filter(|g| name.is_none_or(|n| g.name == n)) {
                objects.push(grant_object(world, call, badge, grant, false)?);
            }
            let mut data = call.page(&objects, 50)?;
            data["grants"] = data["items"].take();
            if let Some(map) = data.as_object_mut() {
                map.remove("items");
            }
            ok(data)
        }
        ("GET", [id]) => match found(id) {
            Some(grant) => ok(json!({ "grant": grant_object(world, call, badge, grant, true)? })),
            None => refuse(1_051_205, "cannot find this grant"),
        },
        ("POST", []) => {
            if lists.len() >= 1000 {
                return refuse(1_051_204, "reach the count limit of grant");
            }
            let id = format!("g_{}", world.fresh("grant").get(..6).unwrap_or_default());
            let grant = written(world, call, id)?;
            if lists.iter().any(|g| g.name == grant.name) {
                return refuse(1_051_200, "grant name are duplicated");
            }
            let object = grant_object(world, call, badge, &grant, true)?;
            world.badges.entry(badge.to_owned()).or_default().push(grant);
            ok(json!({ "grant": object }))
        }
        ("PUT", [id]) => {
            if found(id).is_none() {
                return refuse(1_051_205, "cannot find this grant");
            }
            let grant = written(world, call, (*id).to_owned())?;
            if lists.iter().any(|g| g.name == grant.name && g.id != *id) {
                return refuse(1_051_200, "grant name are duplicated");
            }
            let object = grant_object(world, call, badge, &grant, true)?;
            if let Some(old) = world.badges.get_mut(badge).into_iter().flatten().find(|g| g.id == *id) {
                *old = grant;
            }
            ok(json!({ "grant": object }))
        }
        ("DELETE", [id]) => {
            if found(id).is_none() {
                return refuse(1_051_205, "cannot find this grant");
            }
            if let Some(lists) = world.badges.get_mut(badge) {
                lists.retain(|g| g.id != *id);
            }
            ok(json!({}))
        }
        _ => refuse(99_992_402, "no such call"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_at_midnight_in_china() {
        assert_eq!(day_start("1970-01-01"), Some(-EAST_MS));
        assert_eq!(day_start("2026-11-24"), Some(1_795_449_600_000));
        assert_eq!(day_start("2024-02-29"), Some(1_709_136_000_000));
        assert_eq!(day_start("2026-13-01"), None);
        assert_eq!(day_start("x"), None);
    }
}
