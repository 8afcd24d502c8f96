//! What the simulated platform remembers. Everything is in memory and behind one lock that is never
//! held across a wait.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hutong_model::Secret;
use hutong_simkit::{Org, ScreenPart, SimDepartment, SimPerson};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::SimAppSpec;
use super::notices::Task;
use super::rights::Month;

/// The root department of every company.
pub const ROOT: i64 = 1;
/// Published samples: session webhooks live 90 minutes.
pub const SESSION_MS: i64 = 5_400_000;
pub const TOKEN_MS: i64 = 7_200_000;
/// After more than 20 messages in a minute a robot is blocked in that group.
pub const BLOCK_MS: i64 = 600_000;
/// Query keys can be read and recalled for a day.
pub const DAY_MS: i64 = 86_400_000;
/// Sessions kept before the dead ones are thrown away.
const SESSIONS: usize = 20_000;

/// An app with what the console holds for it.
pub struct App {
    pub spec: SimAppSpec,
    /// Where everything is sent; set by `subscribe`.
    pub hook: Option<String>,
    pub token: Option<(String, i64)>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    Parts(Vec<ScreenPart>),
    /// By `outTrackId`: drawn from what the card holds now.
    Card(String),
}

#[derive(Debug, Clone)]
pub struct Msg {
    pub id: String,
    pub at_ms: i64,
    /// Person or app; empty for a notice of the platform.
    pub from: String,
    pub bot: bool,
    pub recalled: bool,
    pub edited: bool,
    pub reply_to: Option<String>,
    pub content: Content,
    /// What a person typed, for quoting.
    pub typed: String,
    pub reactions: Vec<(String, Vec<String>)>,
    /// `processQueryKey` of a robot message.
    pub query: Option<String>,
    pub readers: BTreeSet<String>,
}

#[derive(Debug, Clone)]
pub struct Chat {
    /// `openConversationId`, or the opaque id of a private chat.
    pub id: String,
    /// `chat...`, the id of the old API.
    pub old_id: String,
    pub name: String,
    pub group: bool,
    pub members: Vec<String>,
    pub owner: Option<String>,
    pub apps: Vec<String>,
    pub person: Option<String>,
    /// The app that made it from its scene template.
    pub scene_of: Option<String>,
    pub disbanded: bool,
    pub messages: Vec<Msg>,
}

#[derive(Debug, Clone)]
pub struct Card {
    pub app: String,
    pub chat: String,
    pub route: String,
    /// `callbackType` STREAM: presses come over the connection, whatever the mode of events is.
    pub stream: bool,
    pub params: BTreeMap<String, String>,
    /// Per person, over `params`.
    pub private: BTreeMap<String, BTreeMap<String, String>>,
    /// Whom it mentions: user id and name, `@ALL`.
    pub at: Vec<(String, String)>,
}

#[derive(Debug, Clone)]
pub struct Session {
    pub app: String,
    pub chat: String,
    pub expires: i64,
}

/// A short-lived address of a file.
#[derive(Debug, Clone)]
pub struct File {
    pub code: String,
    pub expires: i64,
}

/// `callbackRouteKey` as registered.
#[derive(Debug, Clone)]
pub struct Route {
    pub url: String,
    pub secret: Option<String>,
}

/// A push that waits to be sent once the lock is free.
#[derive(Debug, Clone)]
pub struct Push {
    pub app: String,
    pub name: &'static str,
    pub fields: Value,
}

/// A robot that somebody has added to a group.
#[derive(Debug, Clone)]
pub struct Robot {
    pub name: String,
    pub token: String,
    pub secret: Option<Secret>,
    pub keyword: Option<String>,
    pub chat: String,
}

pub struct State {
    pub corp: String,
    pub org: Org,
    pub apps: Vec<App>,
    /// In order of their making.
    pub chats: Vec<Chat>,
    pub chat_at: HashMap<String, usize>,
    /// Message id to chat and position.
    pub message_at: HashMap<String, (usize, usize)>,
    /// Query key to message ids (one per receiver).
    pub query_at: HashMap<String, Vec<String>>,
    pub cards: HashMap<String, Card>,
    pub sessions: HashMap<String, Session>,
    pub routes: HashMap<(String, String), Route>,
    pub media: HashMap<String, String>,
    pub dings: HashMap<String, Vec<String>>,
    pub robots: Vec<Robot>,
    /// Robot and `msgUuid`.
    pub robot_uuids: BTreeSet<(String, String)>,
    /// DING id to what the receivers see.
    pub ding_messages: HashMap<String, Vec<String>>,
    pub notices: Vec<Task>,
    /// Honour and person.
    pub honours: BTreeSet<(String, String)>,
    /// By download code.
    pub files: HashMap<String, Vec<u8>>,
    pub file_links: HashMap<String, File>,
    pub month: Month,
    pub calendar: Vec<Value>,
    /// Scene group `uuid` and calendar `x-client-token` of each app, to what they made.
    pub once: HashMap<String, Value>,
    /// App and chat, to the end of its block.
    pub blocked: HashMap<(String, String), i64>,
    pub pushes: Vec<Push>,
    counter: u64,
}

impl State {
    pub fn new(corp: String, org: Org, specs: Vec<SimAppSpec>) -> Self {
        Self {
            corp,
            org,
            apps: specs
                .into_iter()
                .map(|spec| App {
                    spec,
                    hook: None,
                    token: None,
                })
                .collect(),
            chats: Vec::new(),
            chat_at: HashMap::new(),
            message_at: HashMap::new(),
            query_at: HashMap::new(),
            cards: HashMap::new(),
            sessions: HashMap::new(),
            routes: HashMap::new(),
            media: HashMap::new(),
            dings: HashMap::new(),
            robots: Vec::new(),
            robot_uuids: BTreeSet::new(),
            ding_messages: HashMap::new(),
            notices: Vec::new(),
            honours: BTreeSet::new(),
            files: HashMap::new(),
            file_links: HashMap::new(),
            month: Month::default(),
            calendar: Vec::new(),
            once: HashMap::new(),
            blocked: HashMap::new(),
            pushes: Vec::new(),
            counter: 0,
        }
    }

    fn digest(&mut self, what: &str) -> Vec<u8> {
        self.counter += 1;
        Sha256::digest(format!("{}/{what}/{}", self.corp, self.counter)).to_vec()
    }

    /// A new id that looks like the platform's: base64 with all its characters.
    pub fn id(&mut self, prefix: &str) -> String {
        let digest = self.digest(prefix);
        format!("{prefix}{}", STANDARD.encode(digest.get(..16).unwrap_or_default()))
    }

    /// A new id in hexadecimal digits.
    pub fn hex_id(&mut self, prefix: &str) -> String {
        let digest = self.digest(prefix);
        format!("{prefix}{}", hex::encode(digest.get(..16).unwrap_or_default()))
    }

    pub fn app(&self, id: &str) -> Option<&App> {
        self.apps.iter().find(|a| a.spec.id == id)
    }

    pub fn app_mut(&mut self, id: &str) -> Option<&mut App> {
        self.apps.iter_mut().find(|a| a.spec.id == id)
    }

    pub fn person(&self, id: &str) -> Option<&SimPerson> {
        self.org.people.iter().find(|p| p.id == id)
    }

    pub fn active(&self, id: &str) -> bool {
        self.person(id).is_some_and(|p| p.active)
    }

    pub fn name(&self, id: &str) -> String {
        self.person(id).map_or_else(|| id.to_owned(), |p| p.name.clone())
    }

    pub fn department(&self, id: i64) -> Option<&SimDepartment> {
        self.org.departments.iter().find(|d| dept_number(&d.id) == Some(id))
    }

    pub fn chat(&self, id: &str) -> Option<&Chat> {
        self.chat_at.get(id).and_then(|at| self.chats.get(*at))
    }

    pub fn chat_mut(&mut self, id: &str) -> Option<&mut Chat> {
        self.chat_at.get(id).and_then(|at| self.chats.get_mut(*at))
    }

    pub fn message(&self, id: &str) -> Option<&Msg> {
        let (chat, at) = self.message_at.get(id)?;
        self.chats.get(*chat)?.messages.get(*at)
    }

    pub fn message_mut(&mut self, id: &str) -> Option<&mut Msg> {
        let (chat, at) = self.message_at.get(id)?;
        self.chats.get_mut(*chat)?.messages.get_mut(*at)
    }

    pub fn chat_of_message(&self, id: &str) -> Option<&Chat> {
        self.message_at.get(id).and_then(|(chat, _)| self.chats.get(*chat))
    }

    pub fn new_group(
        &mut self,
        name: String,
        owner: Option<String>,
        members: Vec<String>,
        apps: Vec<String>,
    ) -> String {
        let id = self.id("cid");
        let old_id = self.hex_id("chat");
        self.add_chat(Chat {
            id: id.clone(),
            old_id,
            name,
            group: true,
            members,
            owner,
            apps,
            person: None,
            scene_of: None,
            disbanded: false,
            messages: Vec::new(),
        });
        id
    }

    fn add_chat(&mut self, chat: Chat) {
        self.chat_at.insert(chat.id.clone(), self.chats.len());
        self.chats.push(chat);
    }

    /// The private chat of a person with an app; made when it does not exist yet.
    pub fn direct(&mut self, person: &str, app: &str) -> String {
        let found = self
            .chats
            .iter()
            .find(|c| !c.group && c.person.as_deref() == Some(person) && c.apps.iter().any(|a| a == app));
        if let Some(chat) = found {
            return chat.id.clone();
        }
        let id = self.id("cid");
        let old_id = self.hex_id("chat");
        let name = self.app(app).map(|a| a.spec.name.clone()).unwrap_or_default();
        self.add_chat(Chat {
            id: id.clone(),
            old_id,
            name,
            group: false,
            members: vec![person.to_owned()],
            owner: None,
            apps: vec![app.to_owned()],
            person: Some(person.to_owned()),
            scene_of: None,
            disbanded: false,
            messages: Vec::new(),
        });
        id
    }

    /// Puts a message into a chat and returns its id.
    pub fn post(&mut self, chat: &str, at_ms: i64, from: &str, bot: bool, content: Content) -> String {
        let id = self.id("msg");
        self.post_as(id, chat, at_ms, from, bot, content)
    }

    pub fn post_as(&mut self, id: String, chat: &str, at_ms: i64, from: &str, bot: bool, content: Content) -> String {
        let Some(at) = self.chat_at.get(chat).copied() else {
            return id;
        };
        if let Some(chat) = self.chats.get_mut(at) {
            self.message_at.insert(id.clone(), (at, chat.messages.len()));
            chat.messages.push(Msg {
                id: id.clone(),
                at_ms,
                from: from.to_owned(),
                bot,
                recalled: false,
                edited: false,
                reply_to: None,
                content,
                typed: String::new(),
                reactions: Vec::new(),
                query: None,
                readers: BTreeSet::new(),
            });
        }
        id
    }

    /// Marks messages as the result of one robot send.
    pub fn with_query(&mut self, messages: &[String]) -> String {
        let query = self.id("");
        for id in messages {
            if let Some(message) = self.message_mut(id) {
                message.query = Some(query.clone());
            }
        }
        self.query_at.insert(query.clone(), messages.to_vec());
        query
    }

    pub fn notice(&mut self, chat: &str, at_ms: i64, text: String) {
        self.post(chat, at_ms, "", false, Content::Parts(vec![ScreenPart::Text { text }]));
    }

    pub fn open_session(&mut self, app: &str, chat: &str, now: i64) -> (String, i64) {
        if self.sessions.len() > SESSIONS {
            self.sessions.retain(|_, s| s.expires > now);
        }
        let key = self.hex_id("");
        let expires = now + SESSION_MS;
        self.sessions.insert(
            key.clone(),
            Session {
                app: app.to_owned(),
                chat: chat.to_owned(),
                expires,
            },
        );
        (key, expires)
    }

    /// The app's token: the same one again, and longer, while it is valid.
    pub fn issue_token(&mut self, app: &str, now: i64) -> Option<String> {
        let fresh = self.hex_id("at");
        let app = self.app_mut(app)?;
        let value = match &app.token {
            Some((value, expires)) if *expires > now => value.clone(),
            _ => fresh,
        };
        app.token = Some((value.clone(), now + TOKEN_MS));
        Some(value)
    }

    pub fn token_owner(&self, token: &str, now: i64) -> Option<String> {
        self.apps
            .iter()
            .find(|a| {
                a.token
                    .as_ref()
                    .is_some_and(|(value, until)| value == token && *until > now)
            })
            .map(|a| a.spec.id.clone())
    }

    /// A group event goes to the apps in the group, a directory event to all.
    pub fn push_chat(&mut self, chat: &str, name: &'static str, fields: Value) {
        let Some(chat) = self.chat(chat) else { return };
        let mut apps: BTreeSet<String> = chat.apps.iter().cloned().collect();
        apps.extend(chat.scene_of.clone());
        for app in apps {
            self.pushes.push(Push {
                app,
                name,
                fields: fields.clone(),
            });
        }
    }

    pub fn push_all(&mut self, name: &'static str, fields: &Value) {
        for app in &self.apps {
            self.pushes.push(Push {
                app: app.spec.id.clone(),
                name,
                fields: fields.clone(),
            });
        }
    }
}

/// The platform's department ids are numbers.
pub fn dept_number(id: &str) -> Option<i64> {
    id.parse().ok()
}

/// The id that works for calendars; derived, so that it is the same after a restart.
pub fn union_id(person: &str) -> String {
    format!("{person}iEiE")
}

/// The encrypted id of a person or robot in messages: of no use anywhere else.
pub fn lwcp(id: &str) -> String {
    let digest = Sha256::digest(format!("lwcp/{id}"));
    format!("$:LWCP_v1:${}", STANDARD.encode(digest.get(..12).unwrap_or_default()))
}
