//! Who may do what: roles within scopes, deny by default, and signed buttons.

pub mod store;
pub mod token;

use std::collections::BTreeSet;

/// A role, from the fewest rights to the most. What each may do stands with the commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    Member,
    Moderator,
    Editor,
    Reviewer,
    Operator,
    Approver,
    Auditor,
    Admin,
}

impl Role {
    pub const ALL: [Role; 8] = [
        Role::Member,
        Role::Moderator,
        Role::Editor,
        Role::Reviewer,
        Role::Operator,
        Role::Approver,
        Role::Auditor,
        Role::Admin,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Role::Member => "member",
            Role::Moderator => "moderator",
            Role::Editor => "editor",
            Role::Reviewer => "reviewer",
            Role::Operator => "operator",
            Role::Approver => "approver",
            Role::Auditor => "auditor",
            Role::Admin => "admin",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Role::ALL.into_iter().find(|r| r.as_str() == text)
    }
}

/// Where a role holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    All,
    /// `app:chat_id`, or the chat id alone, which the platforms make unique.
    Chat(String),
    /// Department row id or name.
    Department(String),
}

impl Scope {
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            None if text == "all" => Some(Scope::All),
            Some(("chat", rest)) if !rest.is_empty() => Some(Scope::Chat(rest.to_owned())),
            Some(("dept", rest)) if !rest.is_empty() => Some(Scope::Department(rest.to_owned())),
            _ => None,
        }
    }

    /// True when a right held in `self` reaches `place`.
    pub fn covers(&self, place: &Place) -> bool {
        match self {
            Scope::All => true,
            Scope::Chat(chat) => place
                .chat
                .as_deref()
                .is_some_and(|here| here == chat || here.split_once(':').is_some_and(|(_, id)| id == chat)),
            Scope::Department(dept) => place.departments.iter().any(|d| d == dept),
        }
    }
}

/// Where a command acts: the chat it was typed in or names, and the departments (row ids and names,
/// with their parents) that it concerns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    pub chat: Option<String>,
    pub departments: Vec<String>,
}

/// The roles a person holds, read in the transaction that acts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights(pub BTreeSet<(Role, Scope)>);

impl Rights {
    /// Everybody is a member everywhere; an admin may do all. Anything else must have been given.
    pub fn allows(&self, any_of: &[Role], place: &Place) -> bool {
        any_of.contains(&Role::Member)
            || self
                .0
                .iter()
                .any(|(role, scope)| scope.covers(place) && (any_of.contains(role) || *role == Role::Admin))
    }

    /// True when the person holds one of the roles anywhere: decides whether help mentions it.
    pub fn anywhere(&self, any_of: &[Role]) -> bool {
        any_of.contains(&Role::Member)
            || self
                .0
                .iter()
                .any(|(role, _)| any_of.contains(role) || *role == Role::Admin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_allowed_that_was_not_given() {
        let nobody = Rights::default();
        let here = Place {
            chat: Some("fs:oc_1".into()),
            departments: vec!["研发中心".into()],
        };
        for role in Role::ALL {
            assert_eq!(nobody.allows(&[role], &here), role == Role::Member);
        }
        let operator = Rights([(Role::Operator, Scope::Department("研发中心".into()))].into());
        assert!(operator.allows(&[Role::Operator], &here));
        assert!(!operator.allows(&[Role::Admin], &here));
        assert!(!operator.allows(
            &[Role::Operator],
            &Place {
                chat: Some("fs:oc_1".into()),
                departments: vec![]
            }
        ));
        let admin = Rights([(Role::Admin, Scope::All)].into());
        assert!(admin.allows(&[Role::Operator], &Place::default()));
    }
}
