//! What the simulated platform remembers. Everything is in memory and behind one lock that is never
//! held across a wait.

use std::collections::{BTreeMap, HashMap, HashSet};

use hutong_model::Timestamp;
use hutong_simkit::{Org, ScreenChat, ScreenItem, ScreenPart, SimDepartment, SimPerson};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::show::{self, Names};

/// The three doors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Self-built app.
    App,
    Aibot,
    /// Group robot.
    Webhook,
}

#[derive(Debug, Clone)]
pub struct App {
    pub id: String,
    pub name: String,
    pub kind: Kind,
    pub agent_id: i64,
    /// App secret, or the key of a robot.
    pub secret: String,
    pub token: String,
    pub aes_key: String,
    /// `aibotid`.
    pub bot_id: String,
    /// Where callbacks go, once saved.
    pub hook: Option<String>,
}

/// A card with what was changed for single viewers.
#[derive(Debug, Clone)]
pub struct Card {
    pub app: String,
    pub value: Value,
    pub own: HashMap<String, Value>,
}

impl Card {
    pub fn seen_by(&self, viewer: &str) -> &Value {
        self.own.get(viewer).unwrap_or(&self.value)
    }
}

#[derive(Debug, Clone, Default)]
pub struct Item {
    pub id: String,
    pub at: Timestamp,
    pub from: String,
    pub from_name: String,
    pub bot: bool,
    pub recalled: bool,
    pub edited: bool,
    pub reply_to: Option<String>,
    pub parts: Vec<ScreenPart>,
    pub card: Option<Card>,
    pub reactions: Vec<(String, Vec<String>)>,
}

#[derive(Debug, Clone, Default)]
pub struct Chat {
    /// On the screen. For an app group it is the app's id of it; for another group the AI bots'.
    pub id: String,
    /// What AI bots call it. A name space of its own, without conversion.
    pub bot_chat_id: String,
    pub name: String,
    pub group: bool,
    pub members: Vec<String>,
    pub owner: Option<String>,
    pub apps: Vec<String>,
    pub person: Option<String>,
    pub items: Vec<Item>,
    pub disbanded: bool,
    /// The app that created it through the API.
    pub creator: Option<String>,
}

/// Something that works once, until a time.
#[derive(Debug, Clone)]
pub struct Ticket {
    pub app: String,
    pub chat: usize,
    /// The message it belongs to.
    pub item: String,
    pub until: Timestamp,
    pub used: bool,
}

#[derive(Debug, Clone)]
pub struct Token {
    pub app: String,
    pub until: Timestamp,
}

#[derive(Debug, Clone)]
pub struct Media {
    /// Whose it is: a robot's upload serves that robot only.
    pub robot: Option<String>,
    pub kind: String,
    pub name: String,
    pub bytes: Vec<u8>,
    pub until: Timestamp,
}

#[derive(Debug, Default)]
pub struct State {
    pub apps: Vec<App>,
    pub departments: Vec<SimDepartment>,
    pub people: BTreeMap<String, SimPerson>,
    pub chats: Vec<Chat>,
    pub chat_at: HashMap<String, usize>,
    /// Message to (chat, position).
    pub item_at: HashMap<String, (usize, usize)>,
    pub tokens: HashMap<String, Token>,
    /// Codes of cards sent and clicked.
    pub codes: HashMap<String, Ticket>,
    /// Codes of answer addresses.
    pub answers: HashMap<String, Ticket>,
    pub tasks: HashSet<(String, String)>,
    /// Duplicate check: content to message id and end of the interval.
    pub sent: HashMap<[u8; 32], (String, Timestamp)>,
    /// Message ids of `message/send`: the items they became.
    pub messages: HashMap<String, (Timestamp, Vec<String>)>,
    pub media: HashMap<String, Media>,
    pub schedules: Vec<Value>,
    /// Calendar to its app and organizer.
    pub calendars: HashMap<String, (String, String)>,
    pub customers: Vec<super::customers::CustomerGroup>,
    pub rights: HashMap<String, super::rights::Rights>,
    /// People without a licence, lower case.
    pub unlicensed: HashSet<String>,
    pub account_ceiling: Option<u32>,
    /// AI bots whose creator is no super administrator: they are told encrypted ids.
    pub encrypts: HashSet<String>,
    /// Files of AI bots: encrypted, until when they are there, by the code in their address.
    pub files: HashMap<String, (Vec<u8>, Timestamp)>,
    pub menus: HashMap<i64, Value>,
    /// App and person to the day of the last first entry.
    pub entered: HashMap<(String, String), i64>,
    pub counter: u64,
    /// AI bot and chat in which somebody has addressed it: only there it may speak by itself.
    pub addressed: HashSet<(String, usize)>,
}

/// The id under which an AI bot knows somebody when its creator is no super administrator.
pub fn open_user_id(user: &str) -> String {
    let digest = Sha256::digest(format!("open user id of {}", user.to_lowercase()));
    format!(
        "wo{}",
        hex::encode(digest).chars().take(32).collect::<String>().to_uppercase()
    )
}

impl State {
    /// The person behind an encrypted id.
    pub fn behind(&self, open: &str) -> Option<String> {
        self.people
            .values()
            .map(|p| &p.id)
            .find(|id| open_user_id(id) == open)
            .cloned()
    }

    pub fn new(org: Org, apps: Vec<App>) -> Self {
        Self {
            apps,
            departments: org.departments,
            people: org.people.into_iter().map(|p| (p.id.to_lowercase(), p)).collect(),
            ..Self::default()
        }
    }

    pub fn app(&self, id: &str) -> Option<&App> {
        self.apps.iter().find(|a| a.id == id)
    }

    /// Ids are compared without regard to case.
    pub fn person(&self, id: &str) -> Option<&SimPerson> {
        self.people.get(&id.to_lowercase())
    }

    pub fn active(&self, id: &str) -> Option<&SimPerson> {
        self.person(id).filter(|p| p.active)
    }

    pub fn names(&self) -> Names {
        self.people.iter().map(|(id, p)| (id.clone(), p.name.clone())).collect()
    }

    pub fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    pub fn add_chat(&mut self, chat: Chat) -> usize {
        let at = self.chats.len();
        self.chat_at.insert(chat.id.clone(), at);
        self.chats.push(chat);
        at
    }

    pub fn chat(&self, id: &str) -> Option<usize> {
        self.chat_at.get(id).copied()
    }

    /// The private chat of a person with an app.
    pub fn direct(&mut self, app: &str, person: &str) -> usize {
        let id = format!("dm_{app}_{person}");
        if let Some(at) = self.chat(&id) {
            return at;
        }
        let name = self.app(app).map(|a| a.name.clone()).unwrap_or_default();
        self.add_chat(Chat {
            id,
            name,
            members: vec![person.to_owned()],
            apps: vec![app.to_owned()],
            person: Some(person.to_owned()),
            ..Chat::default()
        })
    }

    /// Puts a message into a chat; returns its id.
    pub fn push(&mut self, chat: usize, mut item: Item) -> String {
        let n = self.next();
        item.id = format!("msg{n:06}");
        let id = item.id.clone();
        if let Some(chat_) = self.chats.get_mut(chat) {
            self.item_at.insert(id.clone(), (chat, chat_.items.len()));
            chat_.items.push(item);
        }
        id
    }

    pub fn notice(&mut self, chat: usize, at: Timestamp, text: String) {
        let item = Item {
            at,
            parts: vec![ScreenPart::Text { text }],
            ..Item::default()
        };
        self.push(chat, item);
    }

    pub fn item(&self, id: &str) -> Option<(usize, &Item)> {
        let (chat, at) = *self.item_at.get(id)?;
        Some((chat, self.chats.get(chat)?.items.get(at)?))
    }

    pub fn item_mut(&mut self, id: &str) -> Option<&mut Item> {
        let (chat, at) = *self.item_at.get(id)?;
        self.chats.get_mut(chat)?.items.get_mut(at)
    }

    pub fn screen_chats(&self) -> Vec<ScreenChat> {
        let mut all: Vec<&Chat> = self.chats.iter().collect();
        all.sort_by_key(|c| !c.group);
        all.into_iter()
            // A group made through the API shows up with its first message.
            .filter(|c| c.creator.is_none() || !c.items.is_empty())
            .map(|c| ScreenChat {
                id: c.id.clone(),
                name: c.name.clone(),
                group: c.group,
                members: c.members.clone(),
                owner: c.owner.clone(),
                apps: c.apps.clone(),
                person: c.person.clone(),
                last_ms: c.items.last().map_or(0, |i| i.at.millis()),
                disbanded: c.disbanded,
            })
            .collect()
    }

    pub fn screen(&self, chat: &str, viewer: &str, limit: usize) -> Vec<ScreenItem> {
        let Some(chat) = self.chat(chat).and_then(|at| self.chats.get(at)) else {
            return vec![];
        };
        let names = self.names();
        let skip = chat.items.len().saturating_sub(limit);
        chat.items
            .iter()
            .skip(skip)
            .map(|item| ScreenItem {
                id: item.id.clone(),
                at_ms: item.at.millis(),
                from: item.from.clone(),
                from_name: item.from_name.clone(),
                bot: item.bot,
                recalled: item.recalled,
                edited: item.edited,
                reply_to: item.reply_to.clone(),
                parts: match &item.card {
                    _ if item.recalled => vec![],
                    Some(card) => show::card(card.seen_by(viewer), &names),
                    None => item.parts.clone(),
                },
                reactions: item.reactions.clone(),
            })
            .collect()
    }
}
