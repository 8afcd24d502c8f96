//! What people do in front of their clients, as changes of the platform's state and the events that
//! follow.

use std::collections::BTreeMap;

use hutong_model::Timestamp;
use hutong_simkit::{ChatSel, Done, SimError, SimPerson, Verb};
use serde_json::{Map, Value, json};

use super::events::{self, Push};
use super::show;
use super::state::{Author, Chat, HOUR_MS, Mentioned, Reaction, SimFile, World};

type Acted = Result<(Done, Vec<Push>), SimError>;

fn refused<T>(why: impl Into<String>) -> Result<T, SimError> {
    Err(SimError::Refused(why.into()))
}

fn missing<T>(what: impl Into<String>) -> Result<T, SimError> {
    Err(SimError::NotFound(what.into()))
}

/// Every verb but clicks and repeats, which talk to the bot by themselves.
pub fn apply(world: &mut World, verb: Verb, now: Timestamp) -> Acted {
    match verb {
        Verb::Say {
            person,
            chat,
            text,
            reply_to,
        } => say(world, &person, &chat, &text, reply_to, now),
        Verb::React {
            person,
            message,
            emoji,
            on,
        } => react(world, &person, &message, &emoji, on, now),
        Verb::Recall { person, message } => recall(world, &person, &message, now),
        Verb::Read { person, message } => read(world, &person, &message, now),
        Verb::Join { person, chat, by } => join(world, &person, &chat, by, now),
        Verb::Leave { person, chat } => leave(world, &person, &chat, now),
        Verb::Transfer { person, department } => transfer(world, &person, &department, now),
        Verb::Hire { person } => hire(world, person, now),
        Verb::Quit { person } => quit(world, &person, now),
        Verb::CreateChat {
            name,
            owner,
            members,
            apps,
        } => create(world, name, &owner, members, apps, now),
        Verb::AddBot { chat, app, by } => set_bot(world, &chat, &app, &by, true, now),
        Verb::RemoveBot { chat, app, by } => set_bot(world, &chat, &app, &by, false, now),
        Verb::RenameChat { chat, name, by } => rename(world, &chat, &name, &by, now),
        Verb::Disband { chat, by } => disband(world, &chat, &by, now),
        Verb::OpenDirect { person, app } => {
            active(world, &person)?;
            known_app(world, &app)?;
            let chat = world.direct(&app, &person, now);
            let push = events::entered(world, &app, &chat, &person, now.0);
            Ok((in_chat(&chat), vec![push]))
        }
        Verb::Click { .. } | Verb::RepeatCallbacks { .. } => refused("not a change of state"),
    }
}

fn in_chat(chat: &str) -> Done {
    Done {
        chat: Some(chat.to_owned()),
        ..Done::default()
    }
}

fn active<'w>(world: &'w World, person: &str) -> Result<&'w SimPerson, SimError> {
    match world.people.get(person) {
        Some(found) if found.active => Ok(found),
        Some(_) => refused(format!("{person} has left the company")),
        None => missing(format!("person {person}")),
    }
}

fn known_app(world: &World, app: &str) -> Result<(), SimError> {
    if world.apps.contains_key(app) {
        Ok(())
    } else {
        missing(format!("app {app}"))
    }
}

/// An open group.
fn group<'w>(world: &'w World, id: &str) -> Result<&'w Chat, SimError> {
    match world.chats.get(id) {
        Some(chat) if chat.disbanded => refused("the group has been dissolved"),
        Some(chat) if chat.group => Ok(chat),
        Some(_) => refused("not a group"),
        None => missing(format!("chat {id}")),
    }
}

/// A chat that the person is in.
fn own_chat<'w>(world: &'w World, id: &str, person: &str) -> Result<&'w Chat, SimError> {
    active(world, person)?;
    match world.chats.get(id) {
        Some(chat) if chat.disbanded => refused("the group has been dissolved"),
        Some(chat) if chat.has(person) => Ok(chat),
        Some(_) => refused(format!("{person} is not in this chat")),
        None => missing(format!("chat {id}")),
    }
}

fn say(world: &mut World, person: &str, chat: &ChatSel, text: &str, reply_to: Option<String>, now: Timestamp) -> Acted {
    let id = match chat {
        ChatSel::Chat(id) => id.clone(),
        ChatSel::DirectWith(app) => {
            active(world, person)?;
            known_app(world, app)?;
            world.direct(app, person, now)
        }
    };
    let apps = own_chat(world, &id, person)?.apps.clone();
    let (text, mentions) = with_placeholders(world, text, &apps)?;
    let content = json!({ "text": text }).to_string();
    let mut message = world.new_message(&id, Author::Person(person.to_owned()), "text", content, now);
    message.mentions = mentions;
    message.readers.insert(person.to_owned(), now.0);
    if let Some(parent) = reply_to {
        if world.messages.get(&parent).is_none_or(|m| m.chat != id) {
            return missing(format!("message {parent} in this chat"));
        }
        message.root = world.root_of(&parent);
        message.thread = world.messages.get(&parent).and_then(|m| m.thread.clone());
        message.parent = Some(parent);
    }
    let pushes = events::message(world, &message);
    let done = Done {
        message: Some(message.id.clone()),
        ..in_chat(&id)
    };
    world.post(message);
    Ok((done, pushes))
}

/// A file or image in a chat; its bytes can be fetched by whoever is there.
pub fn attach(
    world: &mut World,
    person: &str,
    chat: &str,
    kind: &'static str,
    name: &str,
    bytes: Vec<u8>,
    now: Timestamp,
) -> Acted {
    own_chat(world, chat, person)?;
    let prefix = if kind == "image" { "img" } else { "file" };
    let key = format!("{prefix}_v3_{}", world.fresh("sent"));
    let content = match kind {
        "image" => json!({ "image_key": key }),
        "audio" => json!({ "file_key": key, "duration": 2000 }),
        "sticker" => json!({ "file_key": key }),
        _ => json!({ "file_key": key, "file_name": name }),
    };
    world.files.insert(
        key,
        SimFile {
            name: name.to_owned(),
            media_type: media_type(name).to_owned(),
            bytes,
        },
    );
    let author = Author::Person(person.to_owned());
    let mut message = world.new_message(chat, author, kind, content.to_string(), now);
    message.readers.insert(person.to_owned(), now.0);
    let pushes = events::message(world, &message);
    let done = Done {
        message: Some(message.id.clone()),
        ..in_chat(chat)
    };
    world.post(message);
    Ok((done, pushes))
}

/// Files of JSON are sent back under another type, or a refusal could not be told from them.
fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("png") => "image/png",
        Some("pdf") => "application/pdf",
        _ => "application/octet-stream",
    }
}

/// `<@USER>`, `<@bot>`, `<@APP>` and `<@all>` as the placeholders of the wire.
fn with_placeholders(
    world: &World,
    text: &str,
    apps: &[String],
) -> Result<(String, Vec<(String, Mentioned)>), SimError> {
    let mut out = String::with_capacity(text.len());
    let mut mentions: Vec<(String, Mentioned)> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("<@") {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let Some((name, after)) = from.get(2..).and_then(|t| t.split_once('>')) else {
            out.push_str(from);
            return Ok((out, mentions));
        };
        rest = after;
        let who = match name {
            "all" => {
                out.push_str("@_all");
                if !mentions.iter().any(|(_, m)| *m == Mentioned::Everyone) {
                    mentions.push(("@_all".to_owned(), Mentioned::Everyone));
                }
                continue;
            }
            "bot" => match apps.first() {
                Some(app) => Mentioned::App(app.clone()),
                None => return refused("there is no bot in this chat"),
            },
            id if world.people.contains_key(id) => Mentioned::Person(id.to_owned()),
            id if apps.iter().any(|a| a == id) => Mentioned::App(id.to_owned()),
            other => return missing(format!("person or bot {other} to mention")),
        };
        // One entry per person, however often they are named.
        let key = match mentions.iter().find(|(_, m)| *m == who) {
            Some((key, _)) => key.clone(),
            None => {
                let count = mentions.iter().filter(|(_, m)| *m != Mentioned::Everyone).count();
                let key = format!("@_user_{}", count + 1);
                mentions.push((key.clone(), who));
                key
            }
        };
        out.push_str(&key);
    }
    out.push_str(rest);
    Ok((out, mentions))
}

fn react(world: &mut World, person: &str, id: &str, emoji: &str, on: bool, now: Timestamp) -> Acted {
    let Some(message) = world.messages.get(id) else {
        return missing(format!("message {id}"));
    };
    own_chat(world, &message.chat, person)?;
    let chat = message.chat.clone();
    let by = Author::Person(person.to_owned());
    let there = message.reactions.iter().any(|r| r.by == by && r.emoji == emoji);
    let done = Done {
        message: Some(id.to_owned()),
        ..in_chat(&chat)
    };
    if there == on || message.recalled {
        return Ok((done, Vec::new()));
    }
    let pushes = events::reaction(world, message, &by, emoji, on, now.0);
    let reaction = Reaction {
        id: world.fresh("reaction"),
        emoji: emoji.to_owned(),
        by: by.clone(),
        at: now.0,
    };
    if let Some(message) = world.messages.get_mut(id) {
        if on {
            message.reactions.push(reaction);
        } else {
            message.reactions.retain(|r| !(r.by == by && r.emoji == emoji));
        }
    }
    Ok((done, pushes))
}

fn recall(world: &mut World, person: &str, id: &str, now: Timestamp) -> Acted {
    let Some(message) = world.messages.get(id) else {
        return missing(format!("message {id}"));
    };
    let chat = own_chat(world, &message.chat, person)?;
    if message.from != Author::Person(person.to_owned()) && chat.owner.as_deref() != Some(person) {
        return refused("only the author or the group's owner may recall");
    }
    let done = Done {
        message: Some(id.to_owned()),
        ..in_chat(&chat.id)
    };
    if message.recalled {
        return Ok((done, Vec::new()));
    }
    let pushes = events::recalled(world, message, now.0);
    if let Some(message) = world.messages.get_mut(id) {
        message.recalled = true;
    }
    Ok((done, pushes))
}

fn read(world: &mut World, person: &str, id: &str, now: Timestamp) -> Acted {
    let Some(message) = world.messages.get(id) else {
        return missing(format!("message {id}"));
    };
    own_chat(world, &message.chat, person)?;
    let done = Done {
        message: Some(id.to_owned()),
        ..in_chat(&message.chat)
    };
    if message.readers.contains_key(person) {
        return Ok((done, Vec::new()));
    }
    let pushes = events::read(world, message, person, now.0);
    if let Some(message) = world.messages.get_mut(id) {
        message.readers.insert(person.to_owned(), now.0);
    }
    Ok((done, pushes))
}

fn join(world: &mut World, person: &str, chat: &str, by: Option<String>, now: Timestamp) -> Acted {
    active(world, person)?;
    if group(world, chat)?.has(person) {
        return Ok((in_chat(chat), Vec::new()));
    }
    if let Some(chat) = world.chats.get_mut(chat) {
        chat.members.push(person.to_owned());
    }
    let text = match &by {
        Some(by) => format!("{} 邀请 {} 加入群聊", world.name(by), world.name(person)),
        None => format!("{} 加入群聊", world.name(person)),
    };
    world.notice(chat, &text, now);
    let by = Author::Person(by.unwrap_or_else(|| person.to_owned()));
    let pushes = events::members(world, chat, &[person.to_owned()], true, &by, now.0);
    Ok((in_chat(chat), pushes))
}

fn leave(world: &mut World, person: &str, chat: &str, now: Timestamp) -> Acted {
    if !group(world, chat)?.has(person) {
        return refused(format!("{person} is not in this chat"));
    }
    if let Some(chat) = world.chats.get_mut(chat) {
        chat.members.retain(|m| m != person);
        if chat.owner.as_deref() == Some(person) {
            chat.owner = chat.members.first().cloned();
        }
    }
    let text = format!("{} 退出群聊", world.name(person));
    world.notice(chat, &text, now);
    let by = Author::Person(person.to_owned());
    let pushes = events::members(world, chat, &[person.to_owned()], false, &by, now.0);
    Ok((in_chat(chat), pushes))
}

fn transfer(world: &mut World, person: &str, department: &str, now: Timestamp) -> Acted {
    let old = world.open_department(&active(world, person)?.department);
    if !world.departments.contains_key(department) {
        return missing(format!("department {department}"));
    }
    if let Some(person) = world.people.get_mut(person) {
        person.department = department.to_owned();
    }
    let old = json!({ "department_ids": [old] });
    Ok((
        Done::default(),
        events::person(world, "contact.user.updated_v3", person, &old, now.0),
    ))
}

fn hire(world: &mut World, person: SimPerson, now: Timestamp) -> Acted {
    if world.people.contains_key(&person.id) {
        return refused(format!("{} is taken", person.id));
    }
    let id = person.id.clone();
    world.hire(person);
    Ok((
        Done::default(),
        events::person(world, "contact.user.created_v3", &id, &Value::Null, now.0),
    ))
}

fn quit(world: &mut World, person: &str, now: Timestamp) -> Acted {
    let old = world.open_department(&active(world, person)?.department);
    if let Some(person) = world.people.get_mut(person) {
        person.active = false;
    }
    let old = json!({ "department_ids": [old] });
    let mut pushes = events::person(world, "contact.user.deleted_v3", person, &old, now.0);
    let chats: Vec<String> = world
        .chats
        .values()
        .filter(|c| c.group && !c.disbanded && c.has(person))
        .map(|c| c.id.clone())
        .collect();
    for chat in chats {
        pushes.extend(leave(world, person, &chat, now)?.1);
    }
    Ok((Done::default(), pushes))
}

fn create(
    world: &mut World,
    name: String,
    owner: &str,
    members: Vec<String>,
    apps: Vec<String>,
    now: Timestamp,
) -> Acted {
    active(world, owner)?;
    let mut all = vec![owner.to_owned()];
    for member in members {
        active(world, &member)?;
        if !all.contains(&member) {
            all.push(member);
        }
    }
    for app in &apps {
        known_app(world, app)?;
    }
    let id = format!("oc_{}", world.fresh("chat"));
    world.chats.insert(
        id.clone(),
        Chat {
            id: id.clone(),
            name,
            group: true,
            owner: Some(owner.to_owned()),
            members: all,
            created: now.0,
            ..Chat::default()
        },
    );
    let text = format!("{} 创建了群聊", world.name(owner));
    world.notice(&id, &text, now);
    let mut pushes = Vec::new();
    for app in apps {
        pushes.extend(set_bot(world, &id, &app, owner, true, now)?.1);
    }
    Ok((in_chat(&id), pushes))
}

fn set_bot(world: &mut World, chat: &str, app: &str, by: &str, add: bool, now: Timestamp) -> Acted {
    known_app(world, app)?;
    own_chat(world, chat, by)?;
    if group(world, chat)?.has_app(app) == add {
        return Ok((in_chat(chat), Vec::new()));
    }
    let push = events::bot(world, chat, app, add, &Author::Person(by.to_owned()), now.0);
    if let Some(chat) = world.chats.get_mut(chat) {
        if add {
            chat.apps.push(app.to_owned());
        } else {
            chat.apps.retain(|a| a != app);
            chat.manager_apps.remove(app);
        }
    }
    let text = match add {
        true => format!("{} 添加了机器人 {}", world.name(by), world.name(app)),
        false => format!("{} 移除了机器人 {}", world.name(by), world.name(app)),
    };
    world.notice(chat, &text, now);
    Ok((in_chat(chat), vec![push]))
}

fn rename(world: &mut World, chat: &str, name: &str, by: &str, now: Timestamp) -> Acted {
    own_chat(world, chat, by)?;
    let before = json!({ "name": group(world, chat)?.name });
    if let Some(chat) = world.chats.get_mut(chat) {
        name.clone_into(&mut chat.name);
    }
    let text = format!("{} 将群名改为「{name}」", world.name(by));
    world.notice(chat, &text, now);
    let by = Author::Person(by.to_owned());
    let pushes = events::updated(world, chat, &before, &json!({ "name": name }), &by, now.0);
    Ok((in_chat(chat), pushes))
}

fn disband(world: &mut World, chat: &str, by: &str, now: Timestamp) -> Acted {
    own_chat(world, chat, by)?;
    if group(world, chat)?.owner.as_deref() != Some(by) {
        return refused("only the owner may dissolve the group");
    }
    let pushes = events::disbanded(world, chat, &Author::Person(by.to_owned()), now.0);
    world.notice(chat, "群聊已解散", now);
    if let Some(chat) = world.chats.get_mut(chat) {
        chat.disbanded = true;
    }
    Ok((in_chat(chat), pushes))
}

/// A click that is about to be sent: the app it goes to and the callback.
pub fn click(
    world: &mut World,
    person: &str,
    id: &str,
    action: &str,
    values: &BTreeMap<String, Vec<String>>,
    now: Timestamp,
) -> Result<Push, SimError> {
    let Some(message) = world.messages.get(id).cloned() else {
        return missing(format!("message {id}"));
    };
    own_chat(world, &message.chat, person)?;
    let Author::App(app) = &message.from else {
        return refused("not a card of a bot");
    };
    if message.msg_type != "interactive" || message.recalled {
        return refused("there is nothing to press");
    }
    let card: Value = serde_json::from_str(&message.content).unwrap_or_default();
    let Some((button, form)) = find(&card["body"], action, None) else {
        return missing(format!("button {action:?}"));
    };
    let callback = button["behaviors"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|b| b["type"] == "callback");
    let value = callback.map(|b| b["value"].clone()).unwrap_or_default();
    let mut pressed = json!({ "value": value, "tag": "button" });
    if let (Some(form), "submit") = (form, button["form_action_type"].as_str().unwrap_or_default()) {
        pressed["timezone"] = json!("Asia/Shanghai");
        pressed["name"] = button["name"].clone();
        pressed["form_value"] = Value::Object(form_value(form, values)?);
    }
    let operator = world.ids(app, person);
    let token = format!("c-{}", world.fresh("click"));
    let app = app.clone();
    if let Some(app) = world.apps.get_mut(&app) {
        app.click_tokens.retain(|_, (until, ..)| *until > now.0);
        app.click_tokens
            .insert(token.clone(), (now.0 + HOUR_MS / 2, 2, id.to_owned()));
    }
    Ok(events::click(&app, operator, &token, pressed, &message, now.0))
}

/// The button with this action, and the form around it.
fn find<'v>(value: &'v Value, action: &str, form: Option<&'v Value>) -> Option<(&'v Value, Option<&'v Value>)> {
    match value {
        Value::Object(map) => {
            if value["tag"] == "button" && show::button_action(value).as_deref() == Some(action) {
                return Some((value, form));
            }
            let form = if value["tag"] == "form" { Some(value) } else { form };
            map.values().find_map(|v| find(v, action, form))
        }
        Value::Array(items) => items.iter().find_map(|v| find(v, action, form)),
        _ => None,
    }
}

/// What the client sends for a form, after the checks that it makes itself.
fn form_value(form: &Value, values: &BTreeMap<String, Vec<String>>) -> Result<Map<String, Value>, SimError> {
    let mut out = Map::new();
    for element in form["elements"].as_array().into_iter().flatten() {
        let (Some(name), Some(tag)) = (element["name"].as_str(), element["tag"].as_str()) else {
            continue;
        };
        if tag == "button" {
            continue;
        }
        let given: Vec<&str> = values
            .get(name)
            .into_iter()
            .flatten()
            .map(String::as_str)
            .filter(|v| !v.is_empty())
            .collect();
        if given.is_empty() {
            if element["required"] == true {
                return refused(format!("{name} must be filled in"));
            }
            continue;
        }
        let options = element["options"].as_array();
        let unknown = given
            .iter()
            .find(|v| options.is_some_and(|o| !o.iter().any(|o| o["value"] == **v)));
        if let Some(unknown) = unknown {
            return refused(format!("{name} has no choice {unknown:?}"));
        }
        let first = given.first().copied().unwrap_or_default();
        let most = element["max_length"].as_u64().unwrap_or(1000);
        if tag == "input" && first.chars().count() as u64 > most {
            return refused(format!("{name} takes at most {most} characters"));
        }
        let value = match tag {
            "multi_select_static" | "multi_select_person" => json!(given),
            "date_picker" => json!(format!("{first} +0800")),
            _ => json!(first),
        };
        out.insert(name.to_owned(), value);
    }
    if let Some(name) = values.keys().find(|name| {
        !form["elements"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|e| e["name"] == name.as_str())
    }) {
        return refused(format!("the form has no field {name}"));
    }
    Ok(out)
}
