//! `[[role]]`: who may do what, and where.

use hutong_model::{AppId, ChatId, UserId};

use super::field::{Wrong, quoted};
use super::reader::Reader;
use super::section::Section;

/// One grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleGrant {
    pub role: Role,
    pub people: Vec<Who>,
    pub scope: Scope,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    Member,
    Moderator,
    Operator,
    Editor,
    Reviewer,
    Approver,
    Auditor,
    Admin,
}

impl Role {
    pub const ALL: [Role; 8] = [
        Role::Member,
        Role::Moderator,
        Role::Operator,
        Role::Editor,
        Role::Reviewer,
        Role::Approver,
        Role::Auditor,
        Role::Admin,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Role::Member => "member",
            Role::Moderator => "moderator",
            Role::Operator => "operator",
            Role::Editor => "editor",
            Role::Reviewer => "reviewer",
            Role::Approver => "approver",
            Role::Auditor => "auditor",
            Role::Admin => "admin",
        }
    }
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
    pub(super) fn parse<'a>(text: &str, apps: impl Iterator<Item = &'a str>) -> Result<Self, Wrong> {
        const HINT: &str = "write \"app:user_id\", for example \"fs:ou_123\", or an employee number";
        match text.split_once(':') {
            Some((app, user)) => {
                let apps: Vec<&str> = apps.collect();
                if !apps.contains(&app) {
                    let hint = match (super::nearest::nearest(app, apps.iter().copied()), apps.is_empty()) {
                        (Some(meant), _) => format!("did you mean {meant:?}?"),
                        (None, true) => "add an [[app]] block with this id".to_owned(),
                        (None, false) => format!("known apps: {}", apps.join(", ")),
                    };
                    return Err(Wrong::new(
                        format!("{}: there is no app {}", quoted(text), quoted(app)),
                        hint,
                    ));
                }
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

/// Where a role holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The whole company.
    All,
    Chat(ChatId),
    /// A department, by name or id, with everything below it.
    Department(String),
}

impl Scope {
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        const HINT: &str = "use \"all\", \"chat:CHAT_ID\" or \"dept:NAME\"";
        let wrong = |why: &str| Wrong::new(format!("{} is not a scope: {why}", quoted(text)), HINT);
        match text.split_once(':') {
            None if text == "all" => Ok(Scope::All),
            Some(("chat", chat)) => Ok(Scope::Chat(ChatId::new(chat).map_err(|e| wrong(e.why))?)),
            Some(("dept", name)) if !name.trim().is_empty() && !name.chars().any(char::is_control) => {
                Ok(Scope::Department(name.trim().to_owned()))
            }
            Some(("dept", _)) => Err(wrong("the department is missing")),
            _ => Err(wrong("it has another form")),
        }
    }
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
            .each(|text| Who::parse(&text, apps.iter().copied()))
            .get();
        let scope = reader.text("scope").parse(|text| Scope::parse(&text)).get();
        Some(Self {
            role: role?,
            people: people?,
            scope: scope?,
        })
    }
}
