//! Departments and members, as far as an app may see them (documents 90208, 90200, 90201, 96067).

use hutong_model::Employment;
use hutong_simkit::{SimDepartment, SimPerson};
use serde_json::{Value, json};

use super::Core;
use super::api::{Answer, Params, no, text};
use super::state::{App, State};

fn number(id: &str) -> i64 {
    id.parse().unwrap_or(0)
}

/// The root is number 1 and is not listed by the organisation.
fn department_json(d: &SimDepartment, names: bool) -> Value {
    let mut value = json!({
        "id": number(&d.id),
        "parentid": d.parent.as_deref().map_or(1, number),
        "order": 10,
    });
    if names {
        value["name"] = json!(d.name);
        value["department_leader"] = json!([]);
    }
    value
}

/// `own`: whether the admin shows the company's own fields to the app.
fn person_json(p: &SimPerson, own: bool) -> Value {
    let attrs: Vec<Value> = [
        ("工号", Some(p.employee_no.clone())),
        ("入职日期", p.joined_on.map(|d| d.to_string())),
        ("办公地点", p.office.clone()),
        ("用工类型", p.employment.map(|e| words(e).to_owned())),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some(json!({"type": 0, "name": name, "text": {"value": value?}})))
    .filter(|_| own)
    .collect();
    let department = number(&p.department);
    json!({
        "userid": p.id,
        "name": p.name,
        "department": [department],
        "main_department": department,
        "order": [1],
        "position": p.title,
        "is_leader_in_dept": [0],
        "direct_leader": p.leader.iter().collect::<Vec<_>>(),
        "telephone": "",
        "alias": "",
        "status": if p.active { 1 } else { 2 },
        "extattr": {"attrs": attrs},
    })
}

fn words(kind: Employment) -> &'static str {
    match kind {
        Employment::Regular => "正式",
        Employment::Intern => "实习",
        Employment::Outsourced => "外包",
        Employment::Contractor => "劳务",
        Employment::Consultant => "顾问",
    }
}

/// Whether `id` is `root` or stands below it.
fn below(state: &State, root: &str, id: &str) -> bool {
    let mut at = Some(id.to_owned());
    for _ in 0..=state.departments.len() {
        let Some(id) = at else { return false };
        if id == root {
            return true;
        }
        at = state
            .departments
            .iter()
            .find(|d| d.id == id)
            .and_then(|d| d.parent.clone());
    }
    false
}

impl Core {
    pub(super) fn contacts(&self, app: &App, path: &str, params: &Params, body: &Value) -> Answer {
        let state = self.state();
        let names = state.allowed(app, "contacts");
        match path {
            "department/simplelist" => departments(&state, app, params, false),
            "user/list_id" if names => no(48002, "api forbidden"),
            "user/list_id" => list_id(&state, body),
            // The contact-sync secret may no longer call these.
            _ if !names => no(48009, "no privilege for this secret"),
            "department/list" => departments(&state, app, params, true),
            "user/get" => {
                let id = params.get("userid").map_or("", String::as_str);
                match state.person(id) {
                    Some(person) if state.sees_department(app, &person.department) => {
                        Ok(person_json(person, state.allowed(app, "own_fields")))
                    }
                    Some(_) => no(60011, "no privilege to access the member"),
                    None => no(60111, "userid not found"),
                }
            }
            _ => users(&state, app, params, path.ends_with("/list")),
        }
    }
}

fn departments(state: &State, app: &App, params: &Params, names: bool) -> Answer {
    let asked = params.get("id").map(String::as_str).filter(|id| !id.is_empty());
    if let Some(id) = asked
        && id != "1"
        && !state.departments.iter().any(|d| d.id == id)
    {
        return no(60123, "invalid department id");
    }
    let mut list = Vec::new();
    if state.sees_department(app, "1") && asked.is_none_or(|id| id == "1") {
        let mut root = json!({"id": 1, "parentid": 0, "order": 100_000_000});
        if names {
            root["name"] = json!("全公司");
            root["department_leader"] = json!([]);
        }
        list.push(root);
    }
    list.extend(
        state
            .departments
            .iter()
            .filter(|d| state.sees_department(app, &d.id))
            .filter(|d| asked.is_none_or(|id| id == "1" || below(state, id, &d.id)))
            .map(|d| department_json(d, names)),
    );
    Ok(json!({ if names { "department" } else { "department_id" }: list }))
}

fn users(state: &State, app: &App, params: &Params, details: bool) -> Answer {
    let id = params.get("department_id").cloned().unwrap_or_default();
    if id != "1" && !state.departments.iter().any(|d| d.id == id) {
        return no(60123, "invalid department id");
    }
    if !state.sees_department(app, &id) {
        return no(60011, "no privilege to access the department");
    }
    let list: Vec<Value> = state
        .people
        .values()
        // A person without a known department stands at the root.
        .filter(|p| p.department == id || (id == "1" && !state.departments.iter().any(|d| d.id == p.department)))
        .map(|p| match details {
            true => person_json(p, state.allowed(app, "own_fields")),
            false => json!({"userid": p.id, "name": p.name, "department": [number(&p.department)]}),
        })
        .collect();
    Ok(json!({"userlist": list}))
}

/// One row per membership, a page at a time; the cursor is the position.
fn list_id(state: &State, body: &Value) -> Answer {
    let limit = body.get("limit").and_then(Value::as_u64).unwrap_or(10_000);
    if !(1..=10_000).contains(&limit) {
        return no(40058, "limit is 1 to 10000");
    }
    let cursor = text(body, "cursor");
    let from: usize = match cursor {
        "" => 0,
        cursor => match cursor.strip_prefix("CURSOR").and_then(|n| n.parse().ok()) {
            Some(from) => from,
            None => return no(40058, "invalid cursor"),
        },
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let rows: Vec<Value> = state
        .people
        .values()
        .skip(from)
        .take(limit)
        .map(|p| json!({"userid": p.id, "department": number(&p.department)}))
        .collect();
    let next = from + rows.len();
    let next = if next < state.people.len() {
        format!("CURSOR{next}")
    } else {
        String::new()
    };
    Ok(json!({"dept_user": rows, "next_cursor": next}))
}
