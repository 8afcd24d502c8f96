//! Messages to many people at once (feishu.md 5.5). No feature of the bot uses them: single messages
//! have an idempotency key and a result per person.

use serde_json::json;

use super::check::{self, Refusal};
use super::rest::{Call, Handled, ok};
use super::state::{Author, Batch, World};

fn refuse<T>(code: i64, what: &str) -> Result<T, Refusal> {
    Err((code, what.to_owned()))
}

/// Private messages to a list of people; content and card are objects here.
pub fn batch(world: &mut World, call: &Call) -> Handled {
    let kind = call.need("msg_type")?;
    let content = if kind == "interactive" {
        &call.body["card"]
    } else {
        &call.body["content"]
    };
    if !content.is_object() {
        return refuse(11_246, "content must be an object");
    }
    let mut content = content.clone();
    if kind == "post" {
        content = content["post"].clone();
    }
    let content = content.to_string();
    check::message(world, &call.app, kind, &content, call.body_len)?;
    let mut users: Vec<String> = Vec::new();
    let mut answer = json!({ "invalid_department_ids": [] });
    for (list, id_type) in [
        ("open_ids", "open_id"),
        ("user_ids", "user_id"),
        ("union_ids", "union_id"),
    ] {
        let mut invalid = Vec::new();
        for id in call.list(list) {
            match world
                .person_by(&call.app, id_type, &id)
                .ok()
                .flatten()
                .filter(|p| p.active)
            {
                Some(person) => users.push(person.id.clone()),
                None => invalid.push(id),
            }
        }
        answer[format!("invalid_{list}")] = json!(invalid);
    }
    for id in call.list("department_ids") {
        let Some(department) = world.department_by("open_department_id", &id).map(|d| d.id.clone()) else {
            continue;
        };
        let inside = super::rest_directory::below(world, &department);
        users.extend(
            world
                .people
                .values()
                .filter(|p| p.active && inside.contains(&p.department))
                .map(|p| p.id.clone()),
        );
    }
    users.sort();
    users.dedup();
    let mut messages = Vec::new();
    for user in users {
        let chat = world.direct(&call.app, &user, call.now);
        let message = world.new_message(&chat, Author::App(call.app.clone()), kind, content.clone(), call.now);
        messages.push(message.id.clone());
        world.post(message);
    }
    let id = format!("bm-{}", world.fresh("batch"));
    let batch = Batch {
        app: call.app.clone(),
        messages,
        recalled: false,
    };
    world.batches.insert(id.clone(), batch);
    answer["message_id"] = json!(id);
    ok(answer)
}

/// How far a batch has got, who has read it (counts only), and taking it back.
pub fn progress(world: &mut World, call: &Call, rest: &[&str]) -> Handled {
    let Some(id) = rest.first() else {
        return refuse(230_001, "no such call");
    };
    let Some(batch) = world.batches.get(*id).filter(|b| b.app == call.app).cloned() else {
        return refuse(230_030, "The message id is invalid, record not found.");
    };
    let sent: Vec<_> = batch.messages.iter().filter_map(|m| world.messages.get(m)).collect();
    let read = sent.iter().filter(|m| !m.readers.is_empty()).count();
    match (call.method.as_str(), rest) {
        ("GET", [_, "get_progress"]) => ok(json!({
            "batch_message_send_progress": {
                "valid_user_ids_count": batch.messages.len(), "success_user_ids_count": sent.len(),
                "read_user_ids_count": read,
            },
            "batch_message_recall_progress": {
                "recall": batch.recalled, "recall_count": sent.iter().filter(|m| m.recalled).count(),
            },
        })),
        // Counts are texts here.
        ("GET", [_, "read_user"]) => ok(json!({
            "read_user": { "read_count": read.to_string(), "total_count": sent.len().to_string() },
        })),
        ("DELETE", [_]) => {
            for message in &batch.messages {
                if let Some(message) = world.messages.get_mut(message) {
                    message.recalled = true;
                }
            }
            if let Some(batch) = world.batches.get_mut(*id) {
                batch.recalled = true;
            }
            ok(json!({}))
        }
        _ => refuse(230_001, "no such call"),
    }
}
