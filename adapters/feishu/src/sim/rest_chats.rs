//! Calls around groups and their members (feishu.md 5.7). The numbers 232011 (operator outside the
//! group) and 232017 (owner only) are not in our notes of the platform's documentation; whoever gets
//! them is refused, which is what matters.

use serde_json::{Value, json};

use super::check::Refusal;
use super::events::{self, Push};
use super::rest::{Call, Handled, ok};
use super::state::{Author, Chat, HOUR_MS, TENANT, World};

const CHAT_MEMBERS: usize = 5000;
const SLICE: usize = 50;

fn refuse<T>(code: i64, what: &str) -> Result<T, Refusal> {
    Err((code, what.to_owned()))
}

pub fn chats(world: &mut World, call: &Call, rest: &[&str], pushes: &mut Vec<Push>) -> Handled {
    match (call.method.as_str(), rest) {
        ("POST", []) => create(world, call),
        ("GET", []) => {
            let items: Vec<Value> = world
                .chats
                .values()
                .filter(|c| c.group && !c.disbanded && c.has_app(&call.app))
                .map(|c| {
                    let mut object = chat_object(world, &call.app, c, "open_id");
                    object["chat_id"] = json!(c.id);
                    object
                })
                .collect();
            ok(call.page(&items, 100)?)
        }
        ("GET", [id]) => {
            let kind = call.id_type(world, "user_id_type")?;
            let Some(chat) = world.chats.get(*id) else {
                return refuse(232_006, "invalid chat_id");
            };
            if !chat.has_app(&call.app) {
                return refuse(232_011, "Operator can NOT be out of the chat.");
            }
            ok(chat_object(world, &call.app, chat, &kind))
        }
        ("PUT", [id]) => update(world, call, id, pushes),
        ("DELETE", [id]) => disband(world, call, id, pushes),
        ("POST", [id, "members"]) => add(world, call, id, pushes),
        ("DELETE", [id, "members"]) => remove(world, call, id, pushes),
        ("GET", [id, "members"]) => list(world, call, id),
        ("GET", [id, "members", "is_in_chat"]) => {
            let inside = world
                .chats
                .get(*id)
                .is_some_and(|c| !c.disbanded && c.has_app(&call.app));
            ok(json!({ "is_in_chat": inside }))
        }
        _ => refuse(99_992_402, "no such call"),
    }
}

/// Counts are texts, and the chat's own id is not repeated.
fn chat_object(world: &World, app: &str, chat: &Chat, kind: &str) -> Value {
    let mut object = json!({
        "avatar": "https://example.invalid/avatar.png",
        "name": chat.name,
        "description": chat.description,
        "add_member_permission": "all_members",
        "share_card_permission": "allowed",
        "at_all_permission": if chat.at_all_forbidden { "only_owner" } else { "all_members" },
        "edit_permission": "all_members",
        "group_message_type": "chat",
        "chat_mode": if chat.group { "group" } else { "p2p" },
        "chat_type": "private",
        "chat_tag": "inner",
        "external": false,
        "tenant_key": TENANT,
        "user_count": chat.members.len().to_string(),
        "bot_count": chat.apps.len().to_string(),
        "chat_status": if chat.disbanded { "dissolved" } else { "normal" },
    });
    if let Some(owner) = &chat.owner {
        object["owner_id"] = json!(world.id_of(app, kind, owner));
        object["owner_id_type"] = json!(kind);
    }
    object
}

/// An open group that the bot is in.
fn group<'w>(world: &'w World, app: &str, id: &str) -> Result<&'w Chat, Refusal> {
    match world.chats.get(id) {
        Some(chat) if chat.disbanded => refuse(232_009, "the chat has been dissolved"),
        Some(chat) if chat.group && chat.has_app(app) => Ok(chat),
        _ => refuse(232_011, "Operator can NOT be out of the chat."),
    }
}

fn may_manage(chat: &Chat, app: &str) -> bool {
    chat.owner.is_none() || chat.creator_app.as_deref() == Some(app) || chat.manager_apps.contains(app)
}

/// User ids of a list; what is unknown, and what has left.
fn people(world: &World, app: &str, kind: &str, ids: &[String]) -> (Vec<String>, Vec<String>, Vec<String>) {
    let (mut good, mut unknown, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    for id in ids {
        match world.person_by(app, kind, id).ok().flatten() {
            Some(person) if person.active => good.push(person.id.clone()),
            Some(_) => gone.push(id.clone()),
            None => unknown.push(id.clone()),
        }
    }
    (good, unknown, gone)
}

fn create(world: &mut World, call: &Call) -> Handled {
    let kind = call.id_type(world, "user_id_type")?;
    let owner = call.text("owner_id").map(str::to_owned);
    // The key counts together with the owner, for ten hours.
    let key = match call.query("uuid") {
        Some(key) if key.chars().count() > 50 => return refuse(99_992_402, "uuid is longer than 50 characters"),
        Some(key) => Some(format!("chat {key} {}", owner.as_deref().unwrap_or_default())),
        None => None,
    };
    if let Some(made) = key
        .as_deref()
        .and_then(|k| world.made_by(&call.app, k, call.now))
        .map(str::to_owned)
        && let Some(chat) = world.chats.get(&made)
    {
        return ok(created(world, &call.app, chat, &kind));
    }
    let mut ids = call.list("user_id_list");
    if ids.len() > SLICE {
        return refuse(
            99_992_402,
            "field validation failed: user_id_list has more than 50 entries",
        );
    }
    ids.extend(owner.clone());
    let (good, unknown, gone) = people(world, &call.app, &kind, &ids);
    if !unknown.is_empty() {
        return refuse(232_043, "Your request contains unavailable ids.");
    }
    if !gone.is_empty() {
        return refuse(232_022, "the list contains people who have left");
    }
    let owner = owner.and_then(|id| {
        world
            .person_by(&call.app, &kind, &id)
            .ok()
            .flatten()
            .map(|p| p.id.clone())
    });
    let mut members = Vec::new();
    for user in owner.iter().cloned().chain(good) {
        if !members.contains(&user) {
            members.push(user);
        }
    }
    let chat = Chat {
        id: format!("oc_{}", world.fresh("chat")),
        name: call.text("name").unwrap_or_default().to_owned(),
        description: call.text("description").unwrap_or_default().to_owned(),
        group: true,
        owner,
        creator_app: Some(call.app.clone()),
        manager_apps: call
            .flag("set_bot_manager")
            .then(|| call.app.clone())
            .into_iter()
            .collect(),
        members,
        apps: vec![call.app.clone()],
        created: call.now.0,
        ..Chat::default()
    };
    if let Some(key) = key {
        world.remember_key(&call.app, &key, call.now.0 + 10 * HOUR_MS, &chat.id);
    }
    let data = created(world, &call.app, &chat, &kind);
    let id = chat.id.clone();
    world.chats.insert(id.clone(), chat);
    let text = format!("{} 创建了群聊", world.name(&call.app));
    world.notice(&id, &text, call.now);
    ok(data)
}

fn created(world: &World, app: &str, chat: &Chat, kind: &str) -> Value {
    let mut data = chat_object(world, app, chat, kind);
    data["chat_id"] = json!(chat.id);
    data
}

fn update(world: &mut World, call: &Call, id: &str, pushes: &mut Vec<Push>) -> Handled {
    let kind = call.id_type(world, "user_id_type")?;
    let chat = group(world, &call.app, id)?;
    let (mut before, mut after) = (json!({}), json!({}));
    if let Some(name) = call.text("name") {
        before["name"] = json!(chat.name);
        after["name"] = json!(name);
    }
    if let Some(owner) = call.text("owner_id") {
        if !may_manage(chat, &call.app) {
            return refuse(232_017, "only the owner may hand the group on");
        }
        let person = world.person_by(&call.app, &kind, owner).ok().flatten();
        let Some(person) = person.filter(|p| chat.has(&p.id)) else {
            return refuse(232_043, "Your request contains unavailable ids.");
        };
        before["owner"] = json!(chat.owner);
        after["owner"] = json!(person.id);
    }
    let description = call.text("description").map(str::to_owned);
    let by = Author::App(call.app.clone());
    let new_name = after["name"].as_str().map(str::to_owned);
    let new_owner = after["owner"].as_str().map(str::to_owned);
    if let Some(chat) = world.chats.get_mut(id) {
        if let Some(name) = &new_name {
            chat.name.clone_from(name);
        }
        if let Some(owner) = &new_owner {
            chat.owner = Some(owner.clone());
        }
        if let Some(description) = description {
            chat.description = description;
        }
    }
    if let Some(name) = new_name {
        let text = format!("{} 将群名改为「{name}」", world.name(&call.app));
        world.notice(id, &text, call.now);
    }
    if let Some(owner) = new_owner {
        let text = format!("{} 成为群主", world.name(&owner));
        world.notice(id, &text, call.now);
    }
    pushes.extend(events::updated(world, id, &before, &after, &by, call.now.0));
    ok(json!({}))
}

fn disband(world: &mut World, call: &Call, id: &str, pushes: &mut Vec<Push>) -> Handled {
    let chat = group(world, &call.app, id)?;
    if chat.owner.is_some() && chat.creator_app.as_ref() != Some(&call.app) {
        return refuse(232_017, "only the owner may dissolve the group");
    }
    pushes.extend(events::disbanded(world, id, &Author::App(call.app.clone()), call.now.0));
    world.notice(id, "群聊已解散", call.now);
    if let Some(chat) = world.chats.get_mut(id) {
        chat.disbanded = true;
    }
    ok(json!({}))
}

/// 1 to 50 ids of one kind.
fn slice(call: &Call) -> Result<Vec<String>, Refusal> {
    let ids = call.list("id_list");
    if ids.is_empty() || ids.len() > SLICE {
        return refuse(99_992_402, "field validation failed: id_list has 1 to 50 entries");
    }
    Ok(ids)
}

fn add(world: &mut World, call: &Call, id: &str, pushes: &mut Vec<Push>) -> Handled {
    let kind = call.id_type(world, "member_id_type")?;
    let ids = slice(call)?;
    let chat = group(world, &call.app, id)?;
    let (good, unknown, gone) = people(world, &call.app, &kind, &ids);
    let strict = call.query("succeed_type").unwrap_or("0");
    if strict == "0" && !unknown.is_empty() || strict == "2" && !(unknown.is_empty() && gone.is_empty()) {
        return refuse(232_043, "Your request contains unavailable ids.");
    }
    let mut new: Vec<String> = good.into_iter().filter(|u| !chat.has(u)).collect();
    new.dedup();
    if chat.members.len() + new.len() > CHAT_MEMBERS {
        return refuse(232_013, "the group is full");
    }
    if let Some(chat) = world.chats.get_mut(id) {
        chat.members.extend(new.iter().cloned());
    }
    if !new.is_empty() {
        let names: Vec<String> = new.iter().map(|u| world.name(u)).collect();
        let text = format!("{} 邀请 {} 加入群聊", world.name(&call.app), names.join("、"));
        world.notice(id, &text, call.now);
    }
    pushes.extend(events::members(
        world,
        id,
        &new,
        true,
        &Author::App(call.app.clone()),
        call.now.0,
    ));
    ok(json!({ "invalid_id_list": gone, "not_existed_id_list": unknown, "pending_approval_id_list": [] }))
}

fn remove(world: &mut World, call: &Call, id: &str, pushes: &mut Vec<Push>) -> Handled {
    let kind = call.id_type(world, "member_id_type")?;
    let ids = slice(call)?;
    let chat = group(world, &call.app, id)?;
    if !may_manage(chat, &call.app) {
        return refuse(232_017, "only the owner or an admin may remove people");
    }
    let mut out = Vec::new();
    let mut invalid = Vec::new();
    for entry in ids {
        let person = world.person_by(&call.app, &kind, &entry).ok().flatten();
        match person.filter(|p| chat.has(&p.id)) {
            Some(person) => out.push(person.id.clone()),
            None => invalid.push(entry),
        }
    }
    if let Some(chat) = world.chats.get_mut(id) {
        chat.members.retain(|m| !out.contains(m));
    }
    if !out.is_empty() {
        let names: Vec<String> = out.iter().map(|u| world.name(u)).collect();
        let text = format!("{} 将 {} 移出群聊", world.name(&call.app), names.join("、"));
        world.notice(id, &text, call.now);
    }
    pushes.extend(events::members(
        world,
        id,
        &out,
        false,
        &Author::App(call.app.clone()),
        call.now.0,
    ));
    ok(json!({ "invalid_id_list": invalid }))
}

fn list(world: &World, call: &Call, id: &str) -> Handled {
    let kind = call.id_type(world, "member_id_type")?;
    let chat = group(world, &call.app, id)?;
    let items: Vec<Value> = chat
        .members
        .iter()
        .map(|user| {
            json!({
                "member_id_type": kind, "member_id": world.id_of(&call.app, &kind, user), "name": world.name(user),
                "tenant_key": TENANT,
            })
        })
        .collect();
    let mut data = call.page(&items, 100)?;
    data["member_total"] = json!(items.len());
    ok(data)
}
