//! Calls around messages: send, reply, update, recall, read, react, pin, buzz, upload (feishu.md 5.2
//! to 5.6).

use serde_json::{Value, json};

use super::FeishuSim;
use super::check::{self, Refusal};
use super::events::{self, Push};
use super::rest::{Call, Handled, Reply, ok};
use super::rest_files;
use super::state::{Author, HOUR_MS, Mentioned, Msg, Reaction, World};

const DAY_MS: i64 = 24 * HOUR_MS;

fn refuse<T>(code: i64, what: &str) -> Result<T, Refusal> {
    Err((code, what.to_owned()))
}

pub fn messages(sim: &FeishuSim, world: &mut World, call: &Call, rest: &[&str], pushes: &mut Vec<Push>) -> Handled {
    match (call.method.as_str(), rest) {
        ("POST", []) => send(sim, world, call),
        ("GET", []) => history(world, call),
        ("POST", [id, "reply"]) => reply(sim, world, call, id),
        ("PATCH", [id]) => patch(sim, world, call, id),
        ("PUT", [id]) => edit(sim, world, call, id),
        ("DELETE", [id]) => recall(world, call, id, pushes),
        ("GET", [id]) => {
            let message = visible(world, &call.app, id)?;
            let kind = call.id_type(world, "user_id_type")?;
            ok(json!({ "items": [events::message_object(world, &call.app, message, &kind)] }))
        }
        ("GET", [id, "read_users"]) => read_users(world, call, id),
        ("POST", [id, "reactions"]) => react(world, call, id, pushes),
        ("GET", [id, "reactions"]) => reactions(world, call, id),
        ("DELETE", [id, "reactions", reaction]) => unreact(world, call, id, reaction, pushes),
        ("PATCH", [id, kind @ ("urgent_app" | "urgent_sms" | "urgent_phone")]) => urgent(world, call, id, kind),
        ("GET", [id, "resources", key]) => rest_files::resource(world, call, id, key),
        _ => refuse(99_992_402, "no such call"),
    }
}

/// The message, when the bot is in its chat.
fn visible<'w>(world: &'w World, app: &str, id: &str) -> Result<&'w Msg, Refusal> {
    let Some(message) = world.messages.get(id) else {
        return refuse(230_001, "invalid message_id");
    };
    match world.chats.get(&message.chat) {
        Some(chat) if chat.disbanded => refuse(232_009, "the chat has been dissolved"),
        Some(chat) if chat.has_app(app) => Ok(message),
        _ => refuse(230_002, "Bot/User can NOT be out of the chat."),
    }
}

fn own<'w>(world: &'w World, app: &str, id: &str) -> Result<&'w Msg, Refusal> {
    let message = visible(world, app, id)?;
    if message.from == Author::App(app.to_owned()) {
        Ok(message)
    } else {
        refuse(230_012, "the message was not sent by this bot")
    }
}

/// The chat that `receive_id` names; a private chat is made on the first message.
fn place(world: &mut World, call: &Call) -> Result<String, Refusal> {
    let receiver = call.need("receive_id")?.to_owned();
    let kind = call.query("receive_id_type").unwrap_or_default();
    match kind {
        "chat_id" => match world.chats.get(&receiver) {
            Some(chat) if chat.disbanded => refuse(232_009, "the chat has been dissolved"),
            Some(chat) if chat.has_app(&call.app) => Ok(receiver),
            _ => refuse(230_002, "Bot/User can NOT be out of the chat."),
        },
        "open_id" | "union_id" | "user_id" | "email" => {
            if kind == "user_id" && call.query("receive_id_type") == Some("user_id") {
                let scoped = world.apps.get(&call.app).is_some_and(|a| a.options.user_id_scope);
                if !scoped {
                    return refuse(99_991_672, "scope contact:user.employee_id:readonly is required");
                }
            }
            let found = if kind == "email" {
                Ok(world.people.values().find(|p| p.email == receiver))
            } else {
                world.person_by(&call.app, kind, &receiver)
            };
            match found {
                Err(()) => refuse(99_992_361, "open_id cross app"),
                Ok(None) => refuse(230_034, "invalid receive_id"),
                Ok(Some(person)) if !person.active => refuse(230_013, "Bot has NO availability to this user."),
                Ok(Some(person)) => {
                    let user = person.id.clone();
                    Ok(world.direct(&call.app, &user, call.now))
                }
            }
        }
        _ => refuse(230_001, "receive_id_type is required"),
    }
}

/// The key's earlier message, when there is one. At most 50 characters.
fn by_key(world: &World, call: &Call) -> Result<Option<Value>, Refusal> {
    let Some(key) = call.text("uuid") else { return Ok(None) };
    if key.chars().count() > 50 {
        return refuse(230_001, "uuid is longer than 50 characters");
    }
    Ok(world
        .made_by(&call.app, key, call.now)
        .and_then(|id| world.messages.get(id))
        .map(|m| events::message_object(world, &call.app, m, "open_id")))
}

fn send(sim: &FeishuSim, world: &mut World, call: &Call) -> Handled {
    let chat = place(world, call)?;
    store(sim, world, call, chat, None)
}

fn reply(sim: &FeishuSim, world: &mut World, call: &Call, id: &str) -> Handled {
    let parent = visible(world, &call.app, id)?;
    if parent.recalled {
        return refuse(230_011, "The message was withdrawn.");
    }
    let chat = parent.chat.clone();
    store(sim, world, call, chat, Some(id))
}

fn store(sim: &FeishuSim, world: &mut World, call: &Call, chat: String, parent: Option<&str>) -> Handled {
    let (kind, content) = (call.need("msg_type")?, call.need("content")?);
    if let Some(object) = by_key(world, call)? {
        return ok(object);
    }
    check::message(world, &call.app, kind, content, call.body_len)?;
    if world.chats.get(&chat).is_some_and(|c| c.at_all_forbidden) && check::mentions_everyone(kind, content) {
        return refuse(230_018, "These operations are NOT allowed at current group settings.");
    }
    sim.to_place(&chat, call.now, 230_020)?;
    let mut message = world.new_message(&chat, Author::App(call.app.clone()), kind, content.to_owned(), call.now);
    message.mentions = mentions(world, &call.app, kind, content);
    if let Some(parent) = parent {
        message.parent = Some(parent.to_owned());
        message.root = world.root_of(parent);
        message.thread = world.messages.get(parent).and_then(|m| m.thread.clone());
        if message.thread.is_none() && call.body["reply_in_thread"] == true {
            message.thread = Some(format!("omt_{}", world.fresh("thread").get(..16).unwrap_or_default()));
        }
    }
    if let Some(key) = call.text("uuid") {
        world.remember_key(&call.app, key, call.now.0 + HOUR_MS, &message.id);
    }
    let object = events::message_object(world, &call.app, &message, "open_id");
    world.post(message);
    ok(object)
}

/// Whom a text or post of a bot mentions.
fn mentions(world: &World, app: &str, kind: &str, content: &str) -> Vec<(String, Mentioned)> {
    let mut found = Vec::new();
    if kind == "text" {
        let value: Value = serde_json::from_str(content).unwrap_or_default();
        for piece in value["text"]
            .as_str()
            .unwrap_or_default()
            .split("<at user_id=\"")
            .skip(1)
        {
            let id = piece.split('"').next().unwrap_or_default();
            if let Some(person) = world.person_any(app, id) {
                found.push(Mentioned::Person(person.id.clone()));
            }
        }
    }
    found
        .into_iter()
        .enumerate()
        .map(|(i, m)| (format!("@_user_{}", i + 1), m))
        .collect()
}

fn history(world: &World, call: &Call) -> Handled {
    let app = world.apps.get(&call.app).map(|a| &a.options);
    let Some(id) = call.query("container_id") else {
        return refuse(230_001, "container_id is required");
    };
    let Some(chat) = world.chats.get(id).filter(|c| c.has_app(&call.app)) else {
        return refuse(230_002, "Bot/User can NOT be out of the chat.");
    };
    if chat.group && !app.is_some_and(|a| a.sees_all) {
        return refuse(
            230_027,
            "Lack of necessary permissions, ext=need scope: im:message.group_msg",
        );
    }
    let seconds = |name: &str, default: i64| call.query(name).and_then(|t| t.parse().ok()).unwrap_or(default);
    let (from, to) = (
        seconds("start_time", 0) * 1000,
        seconds("end_time", i64::MAX / 1000) * 1000,
    );
    let mut items: Vec<Value> = chat
        .items
        .iter()
        .filter_map(|id| world.messages.get(id))
        .filter(|m| m.at >= from && m.at <= to)
        .map(|m| events::message_object(world, &call.app, m, "open_id"))
        .collect();
    if call.query("sort_type") == Some("ByCreateTimeDesc") {
        items.reverse();
    }
    ok(call.page(&items, 50)?)
}

fn patch(sim: &FeishuSim, world: &mut World, call: &Call, id: &str) -> Handled {
    let content = call.need("content")?;
    let message = own(world, &call.app, id)?;
    if message.msg_type != "interactive" {
        return refuse(230_001, "This message is NOT a card.");
    }
    if message.recalled {
        return refuse(230_011, "The message was withdrawn.");
    }
    if call.now.0 - message.at > 14 * DAY_MS {
        return refuse(230_031, "the card is older than 14 days");
    }
    let multi = |content: &str| {
        let card: Value = serde_json::from_str(content).unwrap_or_default();
        card["config"]["update_multi"] == true
    };
    if !multi(content) || !multi(&message.content) {
        return refuse(230_001, "update_multi must be true in both versions");
    }
    check::message(world, &call.app, "interactive", content, call.body_len)?;
    sim.to_place(id, call.now, 230_020)?;
    replace(world, id, "interactive", content, call.now.0);
    ok(json!({}))
}

fn edit(sim: &FeishuSim, world: &mut World, call: &Call, id: &str) -> Handled {
    let (kind, content) = (call.need("msg_type")?, call.need("content")?);
    let message = own(world, &call.app, id)?;
    if !matches!(kind, "text" | "post") || !matches!(message.msg_type.as_str(), "text" | "post") {
        return refuse(230_001, "only text and post can be edited");
    }
    if message.edits >= 20 {
        return refuse(230_072, "the message has been edited 20 times");
    }
    check::message(world, &call.app, kind, content, call.body_len)?;
    sim.to_place(id, call.now, 230_020)?;
    replace(world, id, kind, content, call.now.0);
    match world.messages.get(id) {
        Some(message) => ok(events::message_object(world, &call.app, message, "open_id")),
        None => ok(json!({})),
    }
}

/// A new version of a message.
pub fn replace(world: &mut World, id: &str, kind: &str, content: &str, at: i64) {
    if let Some(message) = world.messages.get_mut(id) {
        message.msg_type = kind.to_owned();
        message.content = content.to_owned();
        message.updated = at;
        message.edits += 1;
    }
}

fn recall(world: &mut World, call: &Call, id: &str, pushes: &mut Vec<Push>) -> Handled {
    let message = visible(world, &call.app, id)?;
    if message.recalled {
        return refuse(230_011, "The message was withdrawn.");
    }
    let chat = world.chats.get(&message.chat);
    let admin = chat.is_some_and(|c| {
        c.group
            && (c.owner.is_none() || c.creator_app.as_ref() == Some(&call.app) || c.manager_apps.contains(&call.app))
    });
    if message.from != Author::App(call.app.clone()) && !admin {
        return refuse(230_026, "No permission to recall this message.");
    }
    pushes.extend(events::recalled(world, message, call.now.0));
    if let Some(message) = world.messages.get_mut(id) {
        message.recalled = true;
    }
    ok(json!({}))
}

fn read_users(world: &World, call: &Call, id: &str) -> Handled {
    let kind = call.id_type(world, "user_id_type")?;
    let message = own(world, &call.app, id)?;
    if call.now.0 - message.at > 7 * DAY_MS {
        return refuse(230_033, "the message is older than 7 days");
    }
    let items: Vec<Value> = message
        .readers
        .iter()
        .map(|(user, at)| {
            json!({
                "user_id_type": kind, "user_id": world.id_of(&call.app, &kind, user), "timestamp": at.to_string(),
                "tenant_key": super::state::TENANT,
            })
        })
        .collect();
    ok(call.page(&items, 100)?)
}

fn reaction_object(world: &World, app: &str, reaction: &Reaction) -> Value {
    let (operator, kind) = match &reaction.by {
        Author::Person(user) => (world.id_of(app, "open_id", user), "user"),
        Author::App(of) => (of.clone(), "app"),
        Author::System => (String::new(), "app"),
    };
    json!({
        "reaction_id": reaction.id,
        "operator": { "operator_id": operator, "operator_type": kind },
        "action_time": reaction.at.to_string(),
        "reaction_type": { "emoji_type": reaction.emoji },
    })
}

fn react(world: &mut World, call: &Call, id: &str, pushes: &mut Vec<Push>) -> Handled {
    let emoji = call.body["reaction_type"]["emoji_type"].as_str().unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if emoji.is_empty() || emoji.len() > 40 || !emoji.chars().all(plain) {
        return refuse(231_001, "reaction type is invalid");
    }
    let message = visible(world, &call.app, id)?;
    if message.recalled {
        return refuse(231_003, "the message does not exist");
    }
    let by = Author::App(call.app.clone());
    if let Some(same) = message.reactions.iter().find(|r| r.by == by && r.emoji == emoji) {
        return ok(reaction_object(world, &call.app, same));
    }
    pushes.extend(events::reaction(world, message, &by, emoji, true, call.now.0));
    let reaction = Reaction {
        id: format!("ZC{}", world.fresh("reaction")),
        emoji: emoji.to_owned(),
        by,
        at: call.now.0,
    };
    let object = reaction_object(world, &call.app, &reaction);
    if let Some(message) = world.messages.get_mut(id) {
        message.reactions.push(reaction);
    }
    ok(object)
}

fn reactions(world: &World, call: &Call, id: &str) -> Handled {
    let message = visible(world, &call.app, id)?;
    let items: Vec<Value> = message
        .reactions
        .iter()
        .filter(|r| call.query("reaction_type").is_none_or(|wanted| wanted == r.emoji))
        .map(|r| reaction_object(world, &call.app, r))
        .collect();
    ok(call.page(&items, 50)?)
}

fn unreact(world: &mut World, call: &Call, id: &str, reaction: &str, pushes: &mut Vec<Push>) -> Handled {
    let message = visible(world, &call.app, id)?;
    let found = message.reactions.iter().find(|r| r.id == reaction);
    let Some(found) = found.filter(|r| r.by == Author::App(call.app.clone())) else {
        return refuse(231_002, "the reaction is not this bot's");
    };
    let object = reaction_object(world, &call.app, found);
    pushes.extend(events::reaction(
        world,
        message,
        &found.by,
        &found.emoji,
        false,
        call.now.0,
    ));
    if let Some(message) = world.messages.get_mut(id) {
        message.reactions.retain(|r| r.id != reaction);
    }
    ok(object)
}

fn urgent(world: &mut World, call: &Call, id: &str, how: &str) -> Handled {
    let kind = call.id_type(world, "user_id_type")?;
    let list = call.list("user_id_list");
    let message = own(world, &call.app, id)?;
    if list.len() > 200 {
        return refuse(230_001, "at most 200 people");
    }
    let chat = message.chat.clone();
    let mut good = Vec::new();
    let mut invalid = Vec::new();
    for entry in &list {
        let person = world.person_by(&call.app, &kind, entry).ok().flatten();
        match person.filter(|p| world.chats.get(&chat).is_some_and(|c| c.has(&p.id))) {
            Some(person) => good.push(person.name.clone()),
            None => invalid.push(entry.clone()),
        }
    }
    if good.is_empty() {
        return refuse(230_001, "nobody in user_id_list is in the chat");
    }
    let how = match how {
        "urgent_sms" => "短信加急",
        "urgent_phone" => "电话加急",
        _ => "加急",
    };
    let text = format!("{} 发出{how}：{}", world.name(&call.app), good.join("、"));
    world.notice(&chat, &text, call.now);
    ok(json!({ "invalid_user_id_list": invalid }))
}

pub fn pins(sim: &FeishuSim, world: &mut World, call: &Call, rest: &[&str]) -> Handled {
    match (call.method.as_str(), rest) {
        ("POST", []) => {
            let id = call.need("message_id")?;
            let message = visible(world, &call.app, id)?;
            sim.to_place(&format!("pin {id}"), call.now, 230_047)?;
            let chat = message.chat.clone();
            if let Some(chat) = world.chats.get_mut(&chat)
                && !chat.pins.iter().any(|p| p == id)
            {
                chat.pins.push(id.to_owned());
            }
            ok(json!({ "pin": {
                "message_id": id, "chat_id": chat, "operator_id": call.app, "operator_id_type": "app_id",
                "create_time": call.now.0.to_string(),
            } }))
        }
        ("DELETE", [id]) => {
            let chat = visible(world, &call.app, id)?.chat.clone();
            if let Some(chat) = world.chats.get_mut(&chat) {
                chat.pins.retain(|p| p != id);
            }
            ok(json!({}))
        }
        ("GET", []) => {
            let chat = world.chats.get(call.query("chat_id").unwrap_or_default());
            let Some(chat) = chat.filter(|c| c.has_app(&call.app)) else {
                return refuse(230_002, "Bot/User can NOT be out of the chat.");
            };
            let items: Vec<Value> = chat
                .pins
                .iter()
                .map(|id| json!({ "message_id": id, "chat_id": chat.id, "operator_id": call.app, "operator_id_type": "app_id" }))
                .collect();
            ok(call.page(&items, 50)?)
        }
        _ => refuse(99_992_402, "no such call"),
    }
}

/// A click's token: 30 minutes, two updates, the card as an object.
pub fn delayed_update(world: &mut World, call: &Call) -> Handled {
    let token = call.need("token")?;
    let entry = world
        .apps
        .get(&call.app)
        .and_then(|a| a.click_tokens.get(token))
        .cloned();
    let Some((until, left, message)) = entry.filter(|(until, left, _)| *until > call.now.0 && *left > 0) else {
        return refuse(300_030, "the token is not valid any more");
    };
    check::card(world, &call.app, &call.body["card"])?;
    if let Some(app) = world.apps.get_mut(&call.app) {
        app.click_tokens
            .insert(token.to_owned(), (until, left - 1, message.clone()));
    }
    replace(
        world,
        &message,
        "interactive",
        &call.body["card"].to_string(),
        call.now.0,
    );
    Ok(Reply::Top(json!({})))
}
