//! What the simulated platform remembers: people, departments, chats, messages, tokens and keys.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use hutong_model::Timestamp;
use hutong_simkit::{Org, SimDepartment, SimPerson};
use serde_json::{Value, json};

use super::SimAppOptions;
use super::seal::digest;

pub const TENANT: &str = "2ed263bf32cf1651";
pub const ROOT: &str = "0";
pub const HOUR_MS: i64 = 3_600_000;
const TOKEN_MS: i64 = 2 * HOUR_MS;
/// Under this much left, a new token is issued beside the old one (feishu.md 1.1).
const RENEW_MS: i64 = HOUR_MS / 2;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Author {
    Person(String),
    App(String),
    System,
}

/// Whom a message of a person mentions, by placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mentioned {
    Person(String),
    App(String),
    Everyone,
}

#[derive(Debug, Clone)]
pub struct Reaction {
    pub id: String,
    pub emoji: String,
    pub by: Author,
    pub at: i64,
}

#[derive(Debug, Clone)]
pub struct Msg {
    pub id: String,
    pub chat: String,
    pub from: Author,
    pub msg_type: String,
    /// The JSON text as it was sent.
    pub content: String,
    pub mentions: Vec<(String, Mentioned)>,
    pub at: i64,
    pub updated: i64,
    pub edits: u32,
    pub recalled: bool,
    pub parent: Option<String>,
    pub root: Option<String>,
    pub thread: Option<String>,
    pub reactions: Vec<Reaction>,
    pub readers: BTreeMap<String, i64>,
    /// The last toast that a person saw on this card.
    pub toasts: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default)]
pub struct Chat {
    pub id: String,
    pub name: String,
    pub description: String,
    pub group: bool,
    /// User id; the bot owns the chat when it is absent in a group.
    pub owner: Option<String>,
    pub creator_app: Option<String>,
    pub manager_apps: BTreeSet<String>,
    /// User ids in the order of joining.
    pub members: Vec<String>,
    pub apps: Vec<String>,
    pub items: Vec<String>,
    pub pins: Vec<String>,
    /// Only the owner may mention everybody.
    pub at_all_forbidden: bool,
    pub disbanded: bool,
    pub created: i64,
}

impl Chat {
    pub fn has_app(&self, app: &str) -> bool {
        self.apps.iter().any(|a| a == app)
    }
    pub fn has(&self, person: &str) -> bool {
        self.members.iter().any(|m| m == person)
    }
}

#[derive(Debug)]
pub struct App {
    pub options: SimAppOptions,
    pub hook: Option<String>,
    /// Keys of images and files that this app uploaded.
    pub files: HashSet<String>,
    /// Tokens of clicks: until when, and how many updates are left.
    pub click_tokens: HashMap<String, (i64, u32, String)>,
    /// Shared calendars that this app made.
    pub calendars: HashSet<String>,
    /// Calendar entries by event id.
    pub calendar: BTreeMap<String, Value>,
}

/// What somebody uploaded or sent.
#[derive(Debug, Clone)]
pub struct SimFile {
    pub name: String,
    pub media_type: String,
    pub bytes: Vec<u8>,
}

/// One list of people who wear a badge.
#[derive(Debug, Clone)]
pub struct Grant {
    pub id: String,
    pub name: String,
    pub rule: Value,
    /// User ids.
    pub people: Vec<String>,
}

/// A message that went to many people at once.
#[derive(Debug, Clone)]
pub struct Batch {
    pub app: String,
    pub messages: Vec<String>,
    pub recalled: bool,
}

/// Why a token is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadToken {
    /// It was good once: no fault of the caller.
    Dead,
    Unknown,
}

#[derive(Debug, Default)]
pub struct World {
    pub people: BTreeMap<String, SimPerson>,
    pub departments: BTreeMap<String, SimDepartment>,
    pub chats: BTreeMap<String, Chat>,
    pub messages: HashMap<String, Msg>,
    pub apps: BTreeMap<String, App>,
    /// Bytes by image or file key.
    pub files: HashMap<String, SimFile>,
    /// Lists of people by badge.
    pub badges: BTreeMap<String, Vec<Grant>>,
    pub batches: HashMap<String, Batch>,
    open_ids: HashMap<String, (String, String)>,
    union_ids: HashMap<String, String>,
    tokens: HashMap<String, (String, i64)>,
    /// Idempotency keys: until when, and what they made.
    keys: HashMap<(String, String), (i64, String)>,
    seq: u64,
}

impl World {
    pub fn new(org: Org, apps: Vec<SimAppOptions>) -> Self {
        let mut world = Self {
            departments: org.departments.into_iter().map(|d| (d.id.clone(), d)).collect(),
            ..Self::default()
        };
        for options in apps {
            let app = App {
                hook: None,
                files: HashSet::new(),
                click_tokens: HashMap::new(),
                calendars: HashSet::new(),
                calendar: BTreeMap::new(),
                options,
            };
            world.apps.insert(app.options.app_id.clone(), app);
        }
        for person in org.people {
            world.hire(person);
        }
        world
    }

    pub fn hire(&mut self, person: SimPerson) {
        for app in self.apps.keys() {
            self.open_ids
                .insert(open_id(app, &person.id), (app.clone(), person.id.clone()));
        }
        self.union_ids.insert(union_id(&person.id), person.id.clone());
        self.people.insert(person.id.clone(), person);
    }

    /// 32 hexadecimal digits, never the same twice.
    pub fn fresh(&mut self, what: &str) -> String {
        self.seq += 1;
        digest(&[what, &self.seq.to_string()])
    }

    /// Token and remaining seconds.
    pub fn token(&mut self, app: &str, now: Timestamp) -> (String, i64) {
        let best = self
            .tokens
            .iter()
            .filter(|(_, (of, until))| of == app && until - now.0 >= RENEW_MS)
            .max_by_key(|(_, (_, until))| *until)
            .map(|(token, (_, until))| (token.clone(), *until));
        let (token, until) = best.unwrap_or_else(|| {
            let token = format!("t-g1{}", self.fresh("token"));
            let until = now.0 + TOKEN_MS;
            self.tokens.insert(token.clone(), (app.to_owned(), until));
            (token, until)
        });
        (token, (until - now.0) / 1000)
    }

    pub fn app_of_token(&self, token: &str, now: Timestamp) -> Result<String, BadToken> {
        match self.tokens.get(token) {
            Some((app, until)) if *until > now.0 => Ok(app.clone()),
            Some(_) => Err(BadToken::Dead),
            None => Err(BadToken::Unknown),
        }
    }

    pub fn revoke_tokens(&mut self) {
        self.tokens.values_mut().for_each(|(_, until)| *until = 0);
    }

    /// What an idempotency key has already made.
    pub fn made_by(&self, app: &str, key: &str, now: Timestamp) -> Option<&str> {
        let (until, made) = self.keys.get(&(app.to_owned(), key.to_owned()))?;
        (*until > now.0).then_some(made.as_str())
    }

    pub fn remember_key(&mut self, app: &str, key: &str, until: i64, made: &str) {
        self.keys
            .insert((app.to_owned(), key.to_owned()), (until, made.to_owned()));
    }

    /// Whether an app holds a scope: everything but what was withheld from it.
    pub fn has_scope(&self, app: &str, scope: &str) -> bool {
        self.apps.get(app).is_some_and(|a| a.options.has_scope(scope))
    }

    /// Departments below the contact scope of an app; `None` when it is the whole company.
    pub fn contact_scope(&self, app: &str) -> Option<&super::ContactScope> {
        self.apps.get(app)?.options.contact.as_ref()
    }

    /// A person by any of their ids. `Err` when the id belongs to another app.
    pub fn person_by(&self, app: &str, id_type: &str, id: &str) -> Result<Option<&SimPerson>, ()> {
        let user = match id_type {
            "open_id" => match self.open_ids.get(id) {
                Some((of, _)) if of != app => return Err(()),
                found => found.map(|(_, user)| user.as_str()),
            },
            "union_id" => self.union_ids.get(id).map(String::as_str),
            _ => Some(id),
        };
        Ok(user.and_then(|u| self.people.get(u)))
    }

    /// A person by an id of whatever kind, as cards and texts name them.
    pub fn person_any(&self, app: &str, id: &str) -> Option<&SimPerson> {
        let kind = match id.get(..3) {
            Some("ou_") => "open_id",
            Some("on_") => "union_id",
            _ => "user_id",
        };
        self.person_by(app, kind, id).ok().flatten()
    }

    pub fn id_of(&self, app: &str, id_type: &str, user: &str) -> String {
        match id_type {
            "open_id" => open_id(app, user),
            "union_id" => union_id(user),
            _ => user.to_owned(),
        }
    }

    /// The `{open_id, union_id, user_id}` object; `user_id` only with the scope.
    pub fn ids(&self, app: &str, user: &str) -> Value {
        let mut ids = json!({ "union_id": union_id(user), "open_id": open_id(app, user) });
        if self.apps.get(app).is_some_and(|a| a.options.user_id_scope) {
            ids["user_id"] = json!(user);
        }
        ids
    }

    /// The ids of a bot: its `user_id` is there and empty.
    pub fn bot_ids(&self, app: &str) -> Value {
        json!({ "union_id": union_id(app), "user_id": "", "open_id": bot_open_id(app) })
    }

    pub fn author_ids(&self, app: &str, author: &Author) -> Value {
        match author {
            Author::Person(user) => self.ids(app, user),
            Author::App(other) => self.bot_ids(other),
            Author::System => json!({}),
        }
    }

    pub fn name(&self, id: &str) -> String {
        self.people
            .get(id)
            .map(|p| p.name.clone())
            .or_else(|| self.apps.get(id).map(|a| a.options.name.clone()))
            .unwrap_or_else(|| id.to_owned())
    }

    /// The private chat of a person and an app; made on the first need.
    pub fn direct(&mut self, app: &str, user: &str, now: Timestamp) -> String {
        let id = format!("oc_{}", digest(&["direct", app, user]));
        let name = self.name(user);
        self.chats.entry(id.clone()).or_insert_with(|| Chat {
            id: id.clone(),
            name,
            members: vec![user.to_owned()],
            apps: vec![app.to_owned()],
            created: now.0,
            ..Chat::default()
        });
        id
    }

    /// The head of the answer chain of a message that answers `parent`.
    pub fn root_of(&self, parent: &str) -> Option<String> {
        let parent = self.messages.get(parent)?;
        Some(parent.root.clone().unwrap_or_else(|| parent.id.clone()))
    }

    pub fn post(&mut self, message: Msg) {
        if let Some(chat) = self.chats.get_mut(&message.chat) {
            chat.items.push(message.id.clone());
        }
        self.messages.insert(message.id.clone(), message);
    }

    pub fn new_message(&mut self, chat: &str, from: Author, msg_type: &str, content: String, now: Timestamp) -> Msg {
        Msg {
            id: format!("om_x{}", self.fresh("message")),
            chat: chat.to_owned(),
            from,
            msg_type: msg_type.to_owned(),
            content,
            mentions: Vec::new(),
            at: now.0,
            updated: now.0,
            edits: 0,
            recalled: false,
            parent: None,
            root: None,
            thread: None,
            reactions: Vec::new(),
            readers: BTreeMap::new(),
            toasts: BTreeMap::new(),
        }
    }

    /// A grey line in the chat.
    pub fn notice(&mut self, chat: &str, text: &str, now: Timestamp) {
        let content = json!({ "template": text }).to_string();
        let message = self.new_message(chat, Author::System, "system", content, now);
        self.post(message);
    }

    /// The department under which the platform files a person.
    pub fn open_department(&self, id: &str) -> String {
        if id == ROOT || !self.departments.contains_key(id) {
            ROOT.to_owned()
        } else {
            open_department_id(id)
        }
    }

    pub fn department_by(&self, id_type: &str, id: &str) -> Option<&SimDepartment> {
        match id_type {
            "department_id" => self.departments.get(id),
            _ => self.departments.values().find(|d| open_department_id(&d.id) == id),
        }
    }
}

pub fn open_id(app: &str, user: &str) -> String {
    format!("ou_{}", digest(&["open", app, user]))
}

pub fn bot_open_id(app: &str) -> String {
    format!("ou_{}", digest(&["bot", app]))
}

pub fn union_id(user: &str) -> String {
    format!("on_{}", digest(&["union", user]))
}

pub fn open_department_id(id: &str) -> String {
    if id.starts_with("od-") {
        id.to_owned()
    } else {
        format!("od-{}", digest(&["department", id]))
    }
}
