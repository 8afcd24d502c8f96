//! `[[role]]`: who may do what, and where.

use hutong_model::{AppId, ChatId, UserId};

use crate::access::{Role, Scope};

use super::field::{Wrong, quoted};
use super::reader::Reader;
use super::section::Section;

/// One grant: these people have this role there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleGrant {
    pub role: Role,
    pub people: Vec<Who>,
    pub scope: Scope,
}

/// A person as an admin names them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Who {
    /// `app:user_id`
    User { app: AppId, user: UserId },
    /// An employee number: the person on every platform.
    Employee(String),
}

impl Who {
    /// `apps` are the declared ones.
    pub(crate) fn parse(text: &str, apps: &[&str]) -> Result<Self, Wrong> {
        const HINT: &str = "write \"app:user_id\", for example \"fs:ou_123\", or an employee number";
        match text.split_once(':') {
            Some((app, user)) => {
                known_app(text, app, apps)?;
                let wrong = |why: &str| Wrong::new(format!("{} is not a person: {why}", quoted(text)), HINT);
                Ok(Who::User {
                    app: AppId::new(app).map_err(|e| wrong(e.why))?,
                    user: UserId::new(user).map_err(|e| wrong(e.why))?,
                })
            }
            None => {
                let good = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
                match (1..=64).contains(&text.chars().count()) && text.chars().all(good) {
                    true => Ok(Who::Employee(text.to_owned())),
                    false => Err(Wrong::new(format!("{} is not a person", quoted(text)), HINT)),
                }
            }
        }
    }
}

impl std::fmt::Display for Who {
    /// As it is written.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Who::User { app, user } => write!(f, "{app}:{user}"),
            Who::Employee(number) => f.write_str(number),
        }
    }
}

/// `all`, `chat:app:chat_id`, `dept:name`.
fn scope(text: &str, apps: &[&str]) -> Result<Scope, Wrong> {
    const HINT: &str = "use \"all\", \"chat:APP:CHAT_ID\" or \"dept:NAME\"";
    let wrong = |why: &str| Wrong::new(format!("{} is not a scope: {why}", quoted(text)), HINT);
    let scope = Scope::parse(text).ok_or_else(|| wrong("it has another form"))?;
    match &scope {
        Scope::All => {}
        Scope::Chat(chat) => {
            let (app, chat) = chat.split_once(':').ok_or_else(|| wrong("the app is missing"))?;
            known_app(text, app, apps)?;
            ChatId::new(chat).map_err(|e| wrong(e.why))?;
        }
        Scope::Department(name) => {
            if name.trim() != name || name.chars().any(char::is_control) {
                return Err(wrong("the name has spaces around it"));
            }
        }
    }
    Ok(scope)
}

fn known_app(text: &str, app: &str, apps: &[&str]) -> Result<(), Wrong> {
    if apps.contains(&app) {
        return Ok(());
    }
    let hint = match (super::nearest::nearest(app, apps.iter().copied()), apps.is_empty()) {
        (Some(meant), _) => format!("did you mean {meant:?}?"),
        (None, true) => "add an [[app]] block with this id".to_owned(),
        (None, false) => format!("known apps: {}", apps.join(", ")),
    };
    Err(Wrong::new(
        format!("{}: there is no app {}", quoted(text), quoted(app)),
        hint,
    ))
}

impl Section for RoleGrant {
    const NAME: &'static str = "role";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let apps: Vec<&str> = reader.app_ids().collect();
        let role = reader
            .text("role")
            .one_of(&Role::ALL.map(|role| (role.as_str(), role)))
            .get();
        let people = reader
            .list("people")
            .count(1..=1_000)
            .unique()
            .each(|text| Who::parse(&text, &apps))
            .get();
        let scope = reader.text("scope").parse(|text| scope(&text, &apps)).get();
        Some(Self {
            role: role?,
            people: people?,
            scope: scope?,
        })
    }
}
