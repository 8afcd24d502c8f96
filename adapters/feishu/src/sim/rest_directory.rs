//! Calls around departments, people, calendars and the bot itself (feishu.md 5.8 to 5.10).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::check::Refusal;
use super::events::{department_object, user_object};
use super::rest::{Call, Handled, Reply, ok};
use super::state::{ROOT, World, bot_open_id, open_department_id};

fn refuse<T>(code: i64, what: &str) -> Result<T, Refusal> {
    Err((code, what.to_owned()))
}

pub fn contact(world: &World, call: &Call, rest: &[&str]) -> Handled {
    let user_kind = call.id_type(world, "user_id_type")?;
    let department_kind = call
        .query("department_id_type")
        .unwrap_or("open_department_id")
        .to_owned();
    let app = &call.app;
    match (call.method.as_str(), rest) {
        ("GET", ["departments", id, "children"]) => {
            let parent = department(world, &department_kind, id)?;
            inside(world, app, &parent)?;
            let ids: Vec<String> = if call.flag("fetch_child") {
                below(world, &parent).into_iter().filter(|d| *d != parent).collect()
            } else {
                children(world, &parent)
            };
            let items: Vec<Value> = ids.iter().map(|d| department_object(world, d)).collect();
            ok(call.page(&items, 50)?)
        }
        ("GET", ["departments", id]) => {
            let id = department(world, &department_kind, id)?;
            inside(world, app, &id)?;
            ok(json!({ "department": department_object(world, &id) }))
        }
        ("GET", ["users", "find_by_department"]) => {
            let id = department(world, &department_kind, call.query("department_id").unwrap_or(ROOT))?;
            inside(world, app, &id)?;
            let items: Vec<Value> = world
                .people
                .values()
                .filter(|p| {
                    p.active && (p.department == id || id == ROOT && !world.departments.contains_key(&p.department))
                })
                .map(|p| user_object(world, app, &p.id, &user_kind))
                .collect();
            ok(call.page(&items, 50)?)
        }
        ("GET", ["users", "batch"]) => {
            let ids: Vec<&str> = call.queries("user_ids").collect();
            if ids.is_empty() || ids.len() > 50 {
                return refuse(40_001, "1 to 50 user_ids");
            }
            let items: Vec<Value> = ids
                .iter()
                .filter_map(|id| world.person_by(app, &user_kind, id).ok().flatten())
                .filter(|p| sees(world, app, &p.id))
                .map(|p| user_object(world, app, &p.id, &user_kind))
                .collect();
            ok(json!({ "items": items }))
        }
        ("POST", ["users", "batch_get_id"]) => {
            let (emails, mobiles) = (call.list("emails"), call.list("mobiles"));
            if emails.len() > 50 || mobiles.len() > 50 {
                return refuse(99_992_402, "at most 50 each");
            }
            let find = |key: &str, value: &str| {
                let mut entry = json!({ key: value });
                let person = world
                    .people
                    .values()
                    .find(|p| p.active && (p.email == value || p.mobile == value));
                if let Some(person) = person {
                    entry["user_id"] = json!(world.id_of(app, &user_kind, &person.id));
                }
                entry
            };
            let mut list: Vec<Value> = emails.iter().map(|e| find("email", e)).collect();
            list.extend(mobiles.iter().map(|m| find("mobile", m)));
            ok(json!({ "user_list": list }))
        }
        ("GET", ["users", id]) => match world.person_by(app, &user_kind, id) {
            Err(()) => refuse(99_992_361, "open_id cross app"),
            Ok(None) => refuse(99_992_351, "not a valid open_id or user_id"),
            Ok(Some(person)) if !sees(world, app, &person.id) => refuse(41_050, "no user authority error"),
            Ok(Some(person)) => ok(json!({ "user": user_object(world, app, &person.id, &user_kind) })),
        },
        ("GET", ["scopes"]) => match world.contact_scope(app) {
            None => ok(json!({ "department_ids": [ROOT], "user_ids": [], "group_ids": [], "has_more": false })),
            Some(scope) => {
                let departments = scope.departments.iter().map(|d| json!(open_department_id(d)));
                let people = scope
                    .people
                    .iter()
                    .map(|u| json!({ "user": world.id_of(app, &user_kind, u) }));
                let all: Vec<Value> = departments.chain(people).collect();
                let mut data = call.page(&all, 100)?;
                let items = data["items"].as_array().cloned().unwrap_or_default();
                let (departments, people): (Vec<Value>, Vec<Value>) = items.into_iter().partition(Value::is_string);
                data["department_ids"] = json!(departments);
                data["user_ids"] = people.into_iter().map(|p| p["user"].clone()).collect();
                data["group_ids"] = json!([]);
                if let Some(map) = data.as_object_mut() {
                    map.remove("items");
                }
                ok(data)
            }
        },
        _ => refuse(99_992_402, "no such call"),
    }
}

/// The departments in the contact scope, those below them included; the root only with the whole company.
pub fn inside(world: &World, app: &str, id: &str) -> Result<(), Refusal> {
    let Some(scope) = world.contact_scope(app) else {
        return Ok(());
    };
    if scope
        .departments
        .iter()
        .any(|d| below(world, d).iter().any(|b| b == id))
    {
        Ok(())
    } else {
        refuse(40_004, "no dept authority error")
    }
}

pub fn sees(world: &World, app: &str, user: &str) -> bool {
    let Some(scope) = world.contact_scope(app) else {
        return true;
    };
    let department = world
        .people
        .get(user)
        .map(|p| p.department.as_str())
        .unwrap_or_default();
    scope.people.iter().any(|p| p == user) || inside(world, app, department).is_ok()
}

fn department(world: &World, kind: &str, id: &str) -> Result<String, Refusal> {
    if id == ROOT {
        return Ok(ROOT.to_owned());
    }
    match world.department_by(kind, id) {
        Some(found) => Ok(found.id.clone()),
        None => refuse(40_008, "department not exist"),
    }
}

fn children(world: &World, parent: &str) -> Vec<String> {
    world
        .departments
        .values()
        .filter(|d| d.parent.as_deref().unwrap_or(ROOT) == parent)
        .map(|d| d.id.clone())
        .collect()
}

/// A department and everything below it, parents first.
pub fn below(world: &World, id: &str) -> Vec<String> {
    let mut out = vec![id.to_owned()];
    let mut seen = BTreeSet::from([id.to_owned()]);
    let mut at = 0;
    while let Some(next) = out.get(at).cloned() {
        for child in children(world, &next) {
            if seen.insert(child.clone()) {
                out.push(child);
            }
        }
        at += 1;
    }
    out
}

pub fn bot(world: &World, call: &Call) -> Handled {
    let name = world.name(&call.app);
    let status = world.apps.get(&call.app).map_or(2, |a| a.options.activate_status);
    Ok(Reply::Top(json!({ "bot": {
        "activate_status": status, "app_name": name, "avatar_url": "https://example.invalid/bot.png", "ip_white_list": [],
        "open_id": bot_open_id(&call.app),
    } })))
}

fn primary(app: &str) -> String {
    format!("feishu.cn_{app}@group.calendar.feishu.cn")
}

pub fn calendar(world: &mut World, call: &Call, rest: &[&str]) -> Handled {
    let own = primary(&call.app);
    let entry = |id: &str| {
        json!({ "calendar_id": id, "summary": "", "description": "", "permissions": "private", "type": "primary",
            "role": "owner", "is_deleted": false, "is_third_party": false, "color": -1, "summary_alias": "" })
    };
    match (call.method.as_str(), rest) {
        ("POST", ["primary"]) => {
            ok(json!({ "calendars": [{ "calendar": entry(&own), "user_id": bot_open_id(&call.app) }] }))
        }
        ("POST", []) => {
            let id = format!("feishu.cn_{}@group.calendar.feishu.cn", world.fresh("calendar"));
            let mut calendar = entry(&id);
            calendar["summary"] = json!(call.text("summary").unwrap_or_default());
            calendar["type"] = json!("shared");
            if let Some(app) = world.apps.get_mut(&call.app) {
                app.calendars.insert(id);
            }
            ok(json!({ "calendar": calendar }))
        }
        (_, [id, ..]) if *id != own && !world.apps.get(&call.app).is_some_and(|a| a.calendars.contains(*id)) => {
            refuse(191_000, "calendar not found")
        }
        ("POST", [_, "events"]) => new_event(world, call),
        (method, [_, "events", id, rest @ ..]) => {
            if !world.apps.get(&call.app).is_some_and(|a| a.calendar.contains_key(*id)) {
                return refuse(193_001, "event not found");
            }
            event(world, call, method, id, rest)
        }
        _ => refuse(99_992_402, "no such call"),
    }
}

fn new_event(world: &mut World, call: &Call) -> Handled {
    let seconds = |which: &str| {
        let time = &call.body[which];
        match (time["timestamp"].as_str(), time["date"].as_str()) {
            (Some(text), None) => text.parse::<i64>().ok(),
            (None, Some(_)) => Some(0),
            _ => None,
        }
    };
    let (Some(from), Some(to)) = (seconds("start_time"), seconds("end_time")) else {
        return refuse(190_014, "start_time and end_time hold a timestamp or a date");
    };
    if to < from {
        return refuse(190_014, "the event ends before it begins");
    }
    let key = call.query("idempotency_key").map(|k| format!("event {k}"));
    if call
        .query("idempotency_key")
        .is_some_and(|k| !(32..=128).contains(&k.len()))
    {
        return refuse(190_014, "idempotency_key has 32 to 128 characters");
    }
    let made = key
        .as_deref()
        .and_then(|k| world.made_by(&call.app, k, call.now))
        .map(str::to_owned);
    let id = match made {
        Some(id) => id,
        None => {
            let id = format!("{}_0", world.fresh("event"));
            let mut event = call.body.clone();
            event["event_id"] = json!(id);
            event["attendees"] = json!([]);
            if let Some(app) = world.apps.get_mut(&call.app) {
                app.calendar.insert(id.clone(), event);
            }
            if let Some(key) = key {
                world.remember_key(&call.app, &key, i64::MAX, &id);
            }
            id
        }
    };
    let event = world
        .apps
        .get(&call.app)
        .and_then(|a| a.calendar.get(&id))
        .cloned()
        .unwrap_or_default();
    ok(json!({ "event": event }))
}

fn event(world: &mut World, call: &Call, method: &str, id: &str, rest: &[&str]) -> Handled {
    let kind = call.id_type(world, "user_id_type")?;
    let mut attendees = Vec::new();
    if method == "POST" && rest == ["attendees"] {
        let wanted = call.body["attendees"].as_array().cloned().unwrap_or_default();
        if wanted.is_empty() || wanted.len() > 1000 {
            return refuse(190_014, "1 to 1000 attendees");
        }
        for attendee in wanted {
            if attendee["type"] == "user" {
                let user = attendee["user_id"].as_str().unwrap_or_default();
                match world.person_by(&call.app, &kind, user).ok().flatten() {
                    Some(person) if !person.active => return refuse(195_100, "user is dismissed"),
                    Some(person) => attendees.push(json!({
                        "type": "user", "attendee_id": format!("user_{}", person.id), "rsvp_status": "needs_action",
                        "display_name": person.name, "user_id": user, "is_optional": false,
                    })),
                    None => return refuse(194_002, "attendee not found"),
                }
            } else {
                attendees.push(attendee);
            }
        }
    }
    let Some(app) = world.apps.get_mut(&call.app) else {
        return refuse(191_002, "no calendar access role");
    };
    match (method, rest) {
        ("DELETE", []) => {
            app.calendar.remove(id);
            ok(json!({}))
        }
        ("GET", []) => ok(json!({ "event": app.calendar.get(id) })),
        ("PATCH", []) => {
            if let (Some(Value::Object(event)), Some(change)) = (app.calendar.get_mut(id), call.body.as_object()) {
                event.extend(change.clone());
            }
            ok(json!({ "event": app.calendar.get(id) }))
        }
        ("POST", ["attendees"]) => {
            if let Some(list) = app.calendar.get_mut(id).and_then(|e| e["attendees"].as_array_mut()) {
                for attendee in &attendees {
                    if !list
                        .iter()
                        .any(|a| a["user_id"] == attendee["user_id"] && a["type"] == attendee["type"])
                    {
                        list.push(attendee.clone());
                    }
                }
            }
            ok(json!({ "attendees": attendees }))
        }
        ("GET", ["attendees"]) => {
            let items = app
                .calendar
                .get(id)
                .and_then(|e| e["attendees"].as_array())
                .cloned()
                .unwrap_or_default();
            ok(call.page(&items, 100)?)
        }
        _ => refuse(99_992_402, "no such call"),
    }
}
