//! Reading departments and people with an app's secret (documents 90208, 90200, 90201, 96067).
//!
//! Names come from `department/list` and `user/list`. A contact-sync secret may no longer call these
//! (48009 family); then `department/simplelist` and `user/list_id` give ids only, and the id stands
//! in for the name.

use hutong_model::{CallError, DepartmentId, DepartmentRecord, Page, PersonRecord, UserId};
use serde_json::{Value, json};

use crate::api::{Client, Fail, Payload, read_error};
use crate::codes::{not_for_this_secret, person_unknown};
use crate::fields::Fields;

/// Encrypted user ids begin like this in every sample; a plain one may do so too.
const ENCRYPTED: &str = "wo";
/// Marks a cursor of `user/list_id`.
const BY_ID: &str = "list_id:";

fn refused(result: &Result<Value, Fail>) -> bool {
    matches!(result, Err(Fail::Code { code, .. }) if not_for_this_secret(*code))
}

fn id_text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::Number(n) => Some(n.to_string()),
        Value::String(s) if !s.is_empty() => Some(s.clone()),
        _ => None,
    }
}

fn department(value: &Value) -> Option<DepartmentRecord> {
    let id = id_text(value.get("id"))?;
    let name = value.get("name").and_then(Value::as_str).filter(|n| !n.is_empty());
    Some(DepartmentRecord {
        name: name.unwrap_or(&id).to_owned(),
        id: DepartmentId::new(id).ok()?,
        // The root (id 1) says 0. A parent outside the visible range is named but not listed.
        parent: id_text(value.get("parentid"))
            .filter(|p| p != "0")
            .and_then(|p| DepartmentId::new(p).ok()),
        leader: value
            .pointer("/department_leader/0")
            .and_then(Value::as_str)
            .and_then(|id| UserId::new(id).ok()),
    })
}

fn person(value: &Value, fields: &Fields) -> Option<PersonRecord> {
    let text = |name: &str| {
        value
            .get(name)
            .and_then(Value::as_str)
            .filter(|t| !t.is_empty())
            .map(str::to_owned)
    };
    let user = UserId::new(text("userid")?).ok()?;
    let main = id_text(value.get("main_department"));
    let mut departments: Vec<DepartmentId> = value
        .get("department")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|id| DepartmentId::new(id_text(Some(id))?).ok())
        .collect();
    // The main department first.
    if let Some(at) = departments.iter().position(|d| Some(d.as_str()) == main.as_deref()) {
        departments.swap(0, at);
    }
    let name = text("name").unwrap_or_else(|| user.to_string());
    let mut record = PersonRecord {
        email: text("biz_mail").or(text("email")),
        mobile: text("mobile"),
        departments,
        leader: value
            .pointer("/direct_leader/0")
            .and_then(Value::as_str)
            .and_then(|id| UserId::new(id).ok()),
        title: text("position"),
        // 1 active, 2 disabled, 4 not yet activated, 5 left.
        active: matches!(value.get("status").and_then(Value::as_i64), None | Some(1 | 4)),
        ..PersonRecord::new(user, name)
    };
    fields.read_json(value, &mut record);
    Some(record)
}

fn list<T>(answer: &Value, field: &str, item: impl Fn(&Value) -> Option<T>) -> Vec<T> {
    answer
        .get(field)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(item)
        .collect()
}

/// All departments the app may see; the platform gives them in one answer.
pub async fn departments(client: &Client) -> Result<Page<DepartmentRecord>, CallError> {
    let named = client.call("department/list", &[], Payload::Get).await;
    let items = if refused(&named) {
        let ids = client
            .call("department/simplelist", &[], Payload::Get)
            .await
            .map_err(read_error)?;
        list(&ids, "department_id", department)
    } else {
        list(&named.map_err(read_error)?, "department", department)
    };
    Ok(Page { items, next: None })
}

/// The people directly in a department.
pub async fn people(
    client: &Client,
    fields: &Fields,
    department: &DepartmentId,
    cursor: Option<&str>,
) -> Result<Page<PersonRecord>, CallError> {
    if let Some(cursor) = cursor.and_then(|c| c.strip_prefix(BY_ID)) {
        return people_by_id(client, department, cursor).await;
    }
    let query = [("department_id", department.as_str())];
    let named = client.call("user/list", &query, Payload::Get).await;
    if refused(&named) {
        return people_by_id(client, department, "").await;
    }
    Ok(Page {
        items: list(&named.map_err(read_error)?, "userlist", |one| person(one, fields)),
        next: None,
    })
}

/// `user/list_id` lists the whole company, one row per membership: the rows of one department are
/// kept.
async fn people_by_id(
    client: &Client,
    department: &DepartmentId,
    cursor: &str,
) -> Result<Page<PersonRecord>, CallError> {
    let body = json!({"cursor": cursor, "limit": 10_000});
    let answer = client
        .call("user/list_id", &[], Payload::Json(&body))
        .await
        .map_err(read_error)?;
    let rows = answer.get("dept_user").and_then(Value::as_array);
    let items = rows
        .into_iter()
        .flatten()
        .filter(|row| id_text(row.get("department")).as_deref() == Some(department.as_str()))
        .filter_map(|row| {
            let user = UserId::new(row.get("userid")?.as_str()?).ok()?;
            Some(PersonRecord {
                departments: vec![department.clone()],
                ..PersonRecord::new(user.clone(), user.to_string())
            })
        })
        .collect();
    let next = answer
        .get("next_cursor")
        .and_then(Value::as_str)
        .filter(|c| !c.is_empty())
        .map(|c| format!("{BY_ID}{c}"));
    Ok(Page { items, next })
}

/// The user id behind the encrypted id that an AI bot of a creator who is no super administrator gets
/// (document 101521). `None` when the company knows no such id.
async fn decrypted(client: &Client, user: &UserId) -> Result<Option<UserId>, CallError> {
    let body = json!({ "open_userid_list": [user.as_str()] });
    let answer = client
        .call("batch/openuserid_to_userid", &[], Payload::Json(&body))
        .await
        .map_err(read_error)?;
    // An id that is plain already comes back in `invalid_open_userid_list`.
    let found = answer.get("userid_list").and_then(Value::as_array);
    Ok(found
        .into_iter()
        .flatten()
        .find(|row| row.get("open_userid").and_then(Value::as_str) == Some(user.as_str()))
        .and_then(|row| row.get("userid").and_then(Value::as_str))
        .and_then(|id| UserId::new(id).ok()))
}

/// One person; `None` when unknown, or outside the app's visible range. An encrypted id is an alias of
/// the person it stands for.
pub async fn one(client: &Client, fields: &Fields, user: &UserId) -> Result<Option<PersonRecord>, CallError> {
    let found = plain(client, fields, user).await?;
    if found.is_some() || !user.as_str().starts_with(ENCRYPTED) {
        return Ok(found);
    }
    let Some(behind) = decrypted(client, user).await? else {
        return Ok(None);
    };
    let mut found = plain(client, fields, &behind).await?;
    if let Some(record) = &mut found {
        record.aliases.push(user.clone());
    }
    Ok(found)
}

async fn plain(client: &Client, fields: &Fields, user: &UserId) -> Result<Option<PersonRecord>, CallError> {
    match client
        .call("user/get", &[("userid", user.as_str())], Payload::Get)
        .await
    {
        Ok(answer) => Ok(person(&answer, fields)),
        Err(Fail::Code { code, .. }) if person_unknown(code) => Ok(None),
        Err(fail) => Err(read_error(fail)),
    }
}
