//! Badges of the company (勋章), given to people as lists of grants.
//!
//! The platform knows no "give this person this badge": a badge has lists of people, each list with a
//! name of its own and at most 500 entries, and a list is always written as a whole. This bot keeps its
//! people in lists called `hutong-1`, `hutong-2`, ... and leaves lists made by hand alone. A change that
//! is done twice ends in the same state, so that it may be repeated.
//!
//! Two apps of one company must not change the same badge: each has a lane of its own.
//!
//! Source: the official pages admin-v1/badge/badge-grant (list, get, create, update, delete); scope
//! `admin:badge.grant`. Unconfirmed: what the platform does with an id that it does not know. It is
//! expected to refuse the whole list, and then everybody in the change is reported as failed.

use hutong_model::{FailedReceiver, Receipt};
use serde_json::{Value, json};

use crate::api::{Api, Failure, next_page};
use crate::calls::{Call, Method, Then, segment};
use crate::codes::{self, Class};

/// Entries of one list.
const LIST: usize = 500;
/// A badge has at most 1,000 lists, fifty to a page.
const PAGES: usize = 25;

struct List {
    id: String,
    number: usize,
    grant: Value,
    people: Vec<String>,
}

/// Gives the badge to people, or takes it from them. `call` names the badge and the kind of id.
pub async fn change(api: &Api, call: &Call, users: &[String], given: bool) -> Result<Receipt, Failure> {
    // Two changes at once would write over each other. Between processes the outbox sees to it: all
    // changes of one badge stand in one lane, and of a lane only the oldest row that is not finished is
    // ever sent, by the one replica that has leased it. This lock is for callers that have no outbox.
    let _turn = api.badges.lock().await;
    let mut lists = read(api, call).await?;
    let mut failed = Vec::new();
    let mut missing: Vec<String> = Vec::new();
    if given {
        let known = |u: &String| lists.iter().any(|l| l.people.contains(u));
        missing = users.iter().filter(|u| !known(u)).cloned().collect();
    }
    for list in &mut lists {
        let changed: Vec<String> = if given {
            let room = LIST.saturating_sub(list.people.len()).min(missing.len());
            let new: Vec<String> = missing.drain(..room).collect();
            list.people.extend(new.iter().cloned());
            new
        } else {
            let (out, stay) = std::mem::take(&mut list.people)
                .into_iter()
                .partition(|u| users.contains(u));
            list.people = stay;
            out
        };
        if changed.is_empty() {
            continue;
        }
        let path = format!("{}/{}", call.path, segment(&list.id));
        let write = if list.people.is_empty() {
            // A list must name somebody.
            with_body(call, Method::Delete, &path, Value::Null)
        } else {
            with_body(call, Method::Put, &path, list.body())
        };
        settle(api.call(&write, "").await, &changed, &mut failed)?;
    }
    let mut number = lists.iter().map(|l| l.number).max().unwrap_or(0);
    while !missing.is_empty() {
        number += 1;
        let people: Vec<String> = missing.drain(..missing.len().min(LIST)).collect();
        let mut body = fresh(api, number);
        body["user_ids"] = json!(people);
        let create = with_body(call, Method::Post, &call.path, body);
        settle(api.call(&create, "").await, &people, &mut failed)?;
    }
    Ok(Receipt {
        failed,
        ..Receipt::default()
    })
}

/// A final refusal concerns these people; everything else concerns the whole change.
fn settle(result: Result<Value, Failure>, people: &[String], failed: &mut Vec<FailedReceiver>) -> Result<(), Failure> {
    match result {
        Ok(_) => Ok(()),
        Err(Failure::Code {
            code: 1_051_001, text, ..
        }) => {
            failed.extend(people.iter().map(|receiver| FailedReceiver {
                receiver: receiver.clone(),
                code: "1051001".to_owned(),
                text: codes::explain(1_051_001, &text),
            }));
            Ok(())
        }
        // Somebody else made the list in between: the repeat will find it.
        Err(Failure::Code {
            code: 1_051_200, text, ..
        }) => Err(Failure::NotSent(text)),
        Err(other) => Err(other),
    }
}

/// This bot's lists of the badge, with their people.
async fn read(api: &Api, call: &Call) -> Result<Vec<List>, Failure> {
    let mut found = Vec::new();
    let mut page: Option<String> = None;
    for _ in 0..PAGES {
        let mut query = call.query.clone();
        query.push(("page_size".to_owned(), "50".to_owned()));
        query.extend(page.take().map(|token| ("page_token".to_owned(), token)));
        let answer = api.get(call.path.clone(), query).await?;
        let data = &answer["data"];
        for grant in data["grants"].as_array().into_iter().flatten() {
            if let (Some(id), Some(number)) = (grant["id"].as_str(), grant["name"].as_str().and_then(number_of)) {
                found.push((id.to_owned(), number));
            }
        }
        page = next_page(data);
        if page.is_none() {
            break;
        }
    }
    if page.is_some() {
        return Err(Failure::NotSent(
            "the listing of the badge's people does not end".to_owned(),
        ));
    }
    let mut lists = Vec::with_capacity(found.len());
    for (id, number) in found {
        // Only the single page names the people.
        let answer = match api
            .get(format!("{}/{}", call.path, segment(&id)), call.query.clone())
            .await
        {
            Err(Failure::Code { code, .. }) if codes::class(code) == Class::Gone => continue,
            other => other?,
        };
        let grant = answer["data"]["grant"].clone();
        let people = grant["user_ids"].as_array().into_iter().flatten();
        lists.push(List {
            people: people.filter_map(Value::as_str).map(str::to_owned).collect(),
            id,
            number,
            grant,
        });
    }
    lists.sort_by_key(|l| l.number);
    Ok(lists)
}

fn number_of(name: &str) -> Option<usize> {
    name.strip_prefix("hutong-")?.parse().ok()
}

impl List {
    /// Everything that a list has, since it is written as a whole.
    fn body(&self) -> Value {
        let mut body = json!({ "user_ids": self.people });
        for key in [
            "name",
            "grant_type",
            "time_zone",
            "rule_detail",
            "is_grant_all",
            "department_ids",
            "group_ids",
        ] {
            if let Some(value) = self.grant.get(key).filter(|v| !v.is_null()) {
                body[key] = value.clone();
            }
        }
        body
    }
}

fn name(number: usize) -> String {
    format!("hutong-{number}")
}

/// A list without an end. It begins at a midnight of its time zone, as the platform demands.
fn fresh(api: &Api, number: usize) -> Value {
    const DAY: i64 = 86_400;
    const EAST: i64 = 8 * 3600;
    let midnight = (api.now().secs() + EAST).div_euclid(DAY) * DAY - EAST;
    json!({
        "name": name(number),
        "grant_type": 0,
        "time_zone": "Asia/Shanghai",
        "rule_detail": { "effective_time": midnight.to_string(), "expiration_time": "0" },
        "is_grant_all": false,
    })
}

fn with_body(call: &Call, method: Method, path: &str, body: Value) -> Call {
    let mut out = Call::new(method, path.to_owned(), Then::Nothing);
    out.query.clone_from(&call.query);
    if !body.is_null() {
        out.body = Some(body);
    }
    out
}
