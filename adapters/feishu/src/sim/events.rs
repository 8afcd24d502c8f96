//! The events that the platform pushes, one per app that may see what happened (feishu.md 4).

use serde_json::{Value, json};

use super::rest_directory::{inside, sees};
use super::state::{Author, Mentioned, Msg, TENANT, World, bot_open_id, open_department_id, open_id};

/// An event for one app, not sealed yet.
#[derive(Debug, Clone)]
pub struct Push {
    pub app: String,
    pub kind: &'static str,
    pub event: Value,
    pub at: i64,
    /// Names it in complaints; no content.
    pub about: String,
}

impl Push {
    /// The plaintext of the callback; `event_id` stays the same through all repeats.
    pub fn plain(&self, world: &mut World) -> Option<String> {
        let event_id = world.fresh("event");
        let options = &world.apps.get(&self.app)?.options;
        // Callbacks of cards give microseconds, events milliseconds.
        let time = if self.kind == "card.action.trigger" {
            self.at * 1000
        } else {
            self.at
        };
        let envelope = json!({
            "schema": "2.0",
            "header": {
                "event_id": event_id,
                "token": options.verification_token,
                "create_time": time.to_string(),
                "event_type": self.kind,
                "tenant_key": TENANT,
                "app_id": self.app,
            },
            "event": self.event,
        });
        // `header` before `event`, as the platform writes it.
        let (header, event) = (envelope["header"].to_string(), envelope["event"].to_string());
        Some(format!(r#"{{"schema":"2.0","header":{header},"event":{event}}}"#))
    }
}

fn apps_of(world: &World, chat: &str) -> Vec<String> {
    world.chats.get(chat).map(|c| c.apps.clone()).unwrap_or_default()
}

fn for_apps(
    world: &World,
    chat: &str,
    kind: &'static str,
    at: i64,
    about: &str,
    event: impl Fn(&str) -> Value,
) -> Vec<Push> {
    apps_of(world, chat)
        .into_iter()
        .map(|app| Push {
            event: event(&app),
            kind,
            at,
            about: about.to_owned(),
            app,
        })
        .collect()
}

/// A message of a person, to the apps that may see it: all of a private chat, every message of a
/// group with the sensitive scope, else only what mentions this very bot.
pub fn message(world: &World, message: &Msg) -> Vec<Push> {
    let (Some(chat), Author::Person(person)) = (world.chats.get(&message.chat), &message.from) else {
        return Vec::new();
    };
    let mut out = Vec::new();
    for app in &chat.apps {
        let Some(options) = world.apps.get(app).map(|a| &a.options) else {
            continue;
        };
        let mentioned = message.mentions.iter().any(|(_, m)| *m == Mentioned::App(app.clone()));
        if chat.group && !options.sees_all && !mentioned {
            continue;
        }
        let mut wire = json!({
            "message_id": message.id,
            "create_time": message.at.to_string(),
            "update_time": message.updated.to_string(),
            "chat_id": message.chat,
            "chat_type": if chat.group { "group" } else { "p2p" },
            "message_type": message.msg_type,
            "content": message.content,
        });
        for (key, value) in [
            ("parent_id", &message.parent),
            ("root_id", &message.root),
            ("thread_id", &message.thread),
        ] {
            if let Some(value) = value {
                wire[key] = json!(value);
            }
        }
        let mentions: Vec<Value> = message
            .mentions
            .iter()
            .filter_map(|(key, who)| {
                let (ids, kind, id) = match who {
                    Mentioned::Person(user) => (world.ids(app, user), "user", user),
                    Mentioned::App(other) => (world.bot_ids(other), "bot", other),
                    // The array has no entry for everybody (feishu.md 4.2).
                    Mentioned::Everyone => return None,
                };
                Some(json!({
                    "key": key, "id": ids, "mentioned_type": kind, "name": world.name(id), "tenant_key": TENANT,
                }))
            })
            .collect();
        if !mentions.is_empty() {
            wire["mentions"] = json!(mentions);
        }
        let sender = json!({ "sender_id": world.ids(app, person), "sender_type": "user", "tenant_key": TENANT });
        out.push(Push {
            app: app.clone(),
            kind: "im.message.receive_v1",
            event: json!({ "sender": sender, "message": wire }),
            at: message.at,
            about: message.id.clone(),
        });
    }
    out
}

pub fn reaction(world: &World, message: &Msg, by: &Author, emoji: &str, added: bool, at: i64) -> Vec<Push> {
    let kind = if added {
        "im.message.reaction.created_v1"
    } else {
        "im.message.reaction.deleted_v1"
    };
    for_apps(world, &message.chat, kind, at, &message.id, |app| {
        let mut event = json!({
            "message_id": message.id,
            "reaction_type": { "emoji_type": emoji },
            "action_time": at.to_string(),
        });
        match by {
            Author::App(other) => {
                event["operator_type"] = json!("app");
                event["app_id"] = json!(other);
            }
            _ => {
                event["operator_type"] = json!("user");
                event["user_id"] = world.author_ids(app, by);
            }
        }
        event
    })
}

pub fn recalled(world: &World, message: &Msg, at: i64) -> Vec<Push> {
    for_apps(world, &message.chat, "im.message.recalled_v1", at, &message.id, |_| {
        json!({
            "message_id": message.id, "chat_id": message.chat, "recall_time": at.to_string(),
            "recall_type": "message_owner",
        })
    })
}

/// Only for what the bot sent to one person; reads in groups have to be asked for.
pub fn read(world: &World, message: &Msg, person: &str, at: i64) -> Vec<Push> {
    let Author::App(app) = &message.from else {
        return Vec::new();
    };
    if world.chats.get(&message.chat).is_none_or(|c| c.group) {
        return Vec::new();
    }
    let reader = json!({ "reader_id": world.ids(app, person), "read_time": at.to_string(), "tenant_key": TENANT });
    vec![Push {
        app: app.clone(),
        kind: "im.message.message_read_v1",
        event: json!({ "reader": reader, "message_id_list": [message.id] }),
        at,
        about: message.id.clone(),
    }]
}

fn chat_event(world: &World, app: &str, chat: &str, by: &Author) -> Value {
    let name = world.chats.get(chat).map(|c| c.name.clone()).unwrap_or_default();
    json!({
        "chat_id": chat,
        "operator_id": world.author_ids(app, by),
        "external": false,
        "operator_tenant_key": TENANT,
        "name": name,
        "i18n_names": { "zh_cn": name, "en_us": "", "ja_jp": "" },
    })
}

pub fn members(world: &World, chat: &str, users: &[String], joined: bool, by: &Author, at: i64) -> Vec<Push> {
    if users.is_empty() {
        return Vec::new();
    }
    let kind = if joined {
        "im.chat.member.user.added_v1"
    } else {
        "im.chat.member.user.deleted_v1"
    };
    for_apps(world, chat, kind, at, chat, |app| {
        let mut event = chat_event(world, app, chat, by);
        let users: Vec<Value> = users
            .iter()
            .map(|u| json!({ "name": world.name(u), "tenant_key": TENANT, "user_id": world.ids(app, u) }))
            .collect();
        event["users"] = json!(users);
        event
    })
}

/// Only the bot that was added or removed is told.
pub fn bot(world: &World, chat: &str, app: &str, added: bool, by: &Author, at: i64) -> Push {
    Push {
        app: app.to_owned(),
        kind: if added {
            "im.chat.member.bot.added_v1"
        } else {
            "im.chat.member.bot.deleted_v1"
        },
        event: chat_event(world, app, chat, by),
        at,
        about: chat.to_owned(),
    }
}

pub fn disbanded(world: &World, chat: &str, by: &Author, at: i64) -> Vec<Push> {
    for_apps(world, chat, "im.chat.disbanded_v1", at, chat, |app| {
        chat_event(world, app, chat, by)
    })
}

/// `before` and `after` hold the changed settings; an owner is given as a user id and written as ids.
pub fn updated(world: &World, chat: &str, before: &Value, after: &Value, by: &Author, at: i64) -> Vec<Push> {
    for_apps(world, chat, "im.chat.updated_v1", at, chat, |app| {
        let mut event = chat_event(world, app, chat, by);
        for (key, settings) in [("before_change", before), ("after_change", after)] {
            let mut settings = settings.clone();
            if let Some(owner) = settings["owner"].as_str().map(str::to_owned) {
                settings["owner_id"] = world.ids(app, &owner);
            }
            if let Some(map) = settings.as_object_mut() {
                map.remove("owner");
            }
            event[key] = settings;
        }
        event
    })
}

pub fn entered(world: &World, app: &str, chat: &str, person: &str, at: i64) -> Push {
    let last = world
        .chats
        .get(chat)
        .and_then(|c| c.items.last())
        .and_then(|id| world.messages.get(id));
    Push {
        app: app.to_owned(),
        kind: "im.chat.access_event.bot_p2p_chat_entered_v1",
        event: json!({
            "chat_id": chat,
            "operator_id": world.ids(app, person),
            "last_message_id": last.map(|m| m.id.clone()).unwrap_or_default(),
            "last_message_create_time": last.map(|m| m.at.to_string()).unwrap_or_default(),
        }),
        at,
        about: chat.to_owned(),
    }
}

/// What a contact event or a directory answer says about a person. `app` decides which ids and
/// `id_type` how the leader is named.
pub fn user_object(world: &World, app: &str, user: &str, id_type: &str) -> Value {
    let Some(person) = world.people.get(user) else {
        return Value::Null;
    };
    let mut object = world.ids(app, user);
    let more = json!({
        "name": person.name,
        "en_name": "",
        "nickname": "",
        "email": person.email,
        "job_title": person.title,
        "mobile": person.mobile,
        "employee_no": person.employee_no,
        "employee_type": person.employment.map_or(0, employee_type),
        "city": person.office.clone().unwrap_or_default(),
        "country": "CN",
        "work_station": "",
        "join_time": person.joined_on.map_or(0, |d| d.midnight_in_china().secs()),
        "gender": 0,
        "status": {
            "is_frozen": false, "is_resigned": !person.active, "is_activated": person.active, "is_exited": false,
            "is_unjoin": false,
        },
        "department_ids": [world.open_department(&person.department)],
        "leader_user_id": person.leader.as_deref().map(|l| world.id_of(app, id_type, l)).unwrap_or_default(),
    });
    if let (Some(to), Value::Object(more)) = (object.as_object_mut(), more) {
        to.extend(more);
        for (scope, fields) in FIELD_SCOPES {
            if !world.has_scope(app, scope) {
                for field in fields {
                    to.remove(*field);
                }
            }
        }
    }
    object
}

/// Scopes without which some fields of a person are left out (field table of contact-v3/user/get).
pub const FIELD_SCOPES: [(&str, &[&str]); 5] = [
    ("contact:user.base:readonly", &["name", "en_name", "nickname"]),
    ("contact:user.email:readonly", &["email"]),
    ("contact:user.phone:readonly", &["mobile"]),
    (
        "contact:user.employee:readonly",
        &[
            "employee_no",
            "employee_type",
            "city",
            "country",
            "work_station",
            "join_time",
            "job_title",
        ],
    ),
    (
        "contact:user.department:readonly",
        &["department_ids", "leader_user_id"],
    ),
];

fn employee_type(kind: hutong_model::Employment) -> i64 {
    use hutong_model::Employment::{Consultant, Contractor, Intern, Outsourced, Regular};
    match kind {
        Regular => 1,
        Intern => 2,
        Outsourced => 3,
        Contractor => 4,
        Consultant => 5,
    }
}

/// To the apps that have the person in their contact scope.
pub fn person(world: &World, kind: &'static str, user: &str, old: &Value, at: i64) -> Vec<Push> {
    world
        .apps
        .keys()
        .filter(|app| sees(world, app, user))
        .map(|app| {
            let mut object = user_object(world, app, user, "open_id");
            // The documentation says that these two leave the departments out.
            if kind != "contact.user.updated_v3"
                && let Some(map) = object.as_object_mut()
            {
                map.remove("department_ids");
            }
            let mut old = old.clone();
            if old.is_object() {
                old["open_id"] = json!(open_id(app, user));
            }
            let event = if old.is_object() {
                json!({ "object": object, "old_object": old })
            } else {
                json!({ "object": object })
            };
            Push {
                app: app.clone(),
                kind,
                event,
                at,
                about: user.to_owned(),
            }
        })
        .collect()
}

/// A department was made, renamed or taken away; `old` holds what was changed.
pub fn department(world: &World, kind: &'static str, id: &str, object: &Value, old: &Value, at: i64) -> Vec<Push> {
    world
        .apps
        .keys()
        .filter(|app| inside(world, app, id).is_ok())
        .map(|app| {
            let mut event = json!({ "object": object });
            if old.is_object() {
                event["old_object"] = old.clone();
                event["old_object"]["open_department_id"] = object["open_department_id"].clone();
            }
            Push {
                app: app.clone(),
                kind,
                event,
                at,
                about: id.to_owned(),
            }
        })
        .collect()
}

/// The part of the directory that an app may see has changed.
pub fn scope(app: &str, at: i64) -> Push {
    let nothing = json!({ "departments": [], "users": [], "user_groups": [] });
    Push {
        app: app.to_owned(),
        kind: "contact.scope.updated_v3",
        event: json!({ "added": nothing, "removed": nothing }),
        at,
        about: app.to_owned(),
    }
}

/// An entry of the bot's menu; the time is a number of seconds here.
pub fn menu(world: &World, app: &str, person: &str, key: &str, at: i64) -> Push {
    Push {
        app: app.to_owned(),
        kind: "application.bot.menu_v6",
        event: json!({
            "operator": { "operator_name": world.name(person), "operator_id": world.ids(app, person) },
            "event_key": key,
            "timestamp": at / 1000,
        }),
        at,
        about: key.to_owned(),
    }
}

/// A department as the directory answers it.
pub fn department_object(world: &World, id: &str) -> Value {
    let Some(department) = world.departments.get(id) else {
        return Value::Null;
    };
    let members = world.people.values().filter(|p| p.active && p.department == id).count();
    json!({
        "name": department.name,
        "i18n_name": { "zh_cn": department.name, "en_us": "", "ja_jp": "" },
        "parent_department_id": department.parent.as_deref().map_or("0".to_owned(), open_department_id),
        "department_id": id,
        "open_department_id": open_department_id(id),
        "leader_user_id": "",
        "chat_id": "",
        "order": "0",
        "unit_ids": [],
        "member_count": members,
        "status": { "is_deleted": false },
        "leaders": [],
        "department_hrbps": [],
    })
}

/// A click on a button, or a form that was sent.
pub fn click(app: &str, operator: Value, token: &str, action: Value, message: &Msg, at: i64) -> Push {
    let mut operator = operator;
    operator["tenant_key"] = json!(TENANT);
    Push {
        app: app.to_owned(),
        kind: "card.action.trigger",
        event: json!({
            "operator": operator,
            "token": token,
            "action": action,
            "host": "im_message",
            "context": { "open_message_id": message.id, "open_chat_id": message.chat },
        }),
        at,
        about: message.id.clone(),
    }
}

/// How REST answers show a message.
pub fn message_object(world: &World, app: &str, message: &Msg, id_type: &str) -> Value {
    let sender = match &message.from {
        Author::App(of) => json!({ "id": of, "id_type": "app_id", "sender_type": "app", "tenant_key": TENANT }),
        Author::Person(user) => json!({
            "id": world.id_of(app, id_type, user), "id_type": id_type, "sender_type": "user", "tenant_key": TENANT,
        }),
        Author::System => json!({ "id": "", "id_type": "", "sender_type": "system", "tenant_key": TENANT }),
    };
    // A card is given back as a text, never as its source.
    let content = if message.msg_type == "interactive" {
        json!({ "title": null, "elements": [[{ "tag": "text", "text": "请升级至最新版本客户端，以查看内容" }]] })
            .to_string()
    } else {
        message.content.clone()
    };
    let mut object = json!({
        "message_id": message.id,
        "root_id": message.root.clone().unwrap_or_default(),
        "parent_id": message.parent.clone().unwrap_or_default(),
        "msg_type": message.msg_type,
        "create_time": message.at.to_string(),
        "update_time": message.updated.to_string(),
        "deleted": message.recalled,
        "updated": message.edits > 0,
        "chat_id": message.chat,
        "sender": sender,
        "body": { "content": content },
    });
    if let Some(thread) = &message.thread {
        object["thread_id"] = json!(thread);
    }
    let mentions: Vec<Value> = message
        .mentions
        .iter()
        .filter_map(|(key, who)| {
            let (id, name) = match who {
                Mentioned::Person(user) => (world.id_of(app, "open_id", user), world.name(user)),
                Mentioned::App(other) => (bot_open_id(other), world.name(other)),
                Mentioned::Everyone => return None,
            };
            Some(json!({ "key": key, "id": id, "id_type": "open_id", "name": name, "tenant_key": TENANT }))
        })
        .collect();
    if !mentions.is_empty() {
        object["mentions"] = json!(mentions);
    }
    object
}
