//! What is known of the groups that the app made: learned from every call that says it.
//!
//! No call lists them and no event tells who joins or leaves (document 90245). `appchat/send` counts
//! one person-message for every member (document 90248), so a group of unknown size is taken for the
//! largest there can be until a call has named its members.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use hutong_model::ChatId;

use crate::prepare::CHAT_MEMBERS;

/// A group as the last call told it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    pub name: Option<String>,
    pub owner: Option<String>,
    /// User ids in lower case.
    pub members: Vec<String>,
}

/// By chat id, which is compared with regard to case.
#[derive(Debug, Default)]
pub struct Groups(Mutex<HashMap<String, Group>>);

impl Groups {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Group>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn learn(&self, chat: &str, group: Group) {
        self.lock().insert(chat.to_owned(), group);
    }

    pub fn get(&self, chat: &str) -> Option<Group> {
        self.lock().get(chat).cloned()
    }

    /// What an accepted `appchat/update` changed. Nothing when the group is not known.
    pub fn change(&self, chat: &str, name: Option<&str>, owner: Option<&str>, add: &[String], remove: &[String]) {
        let mut all = self.lock();
        let Some(group) = all.get_mut(chat) else { return };
        if let Some(name) = name {
            group.name = Some(name.to_owned());
        }
        if let Some(owner) = owner {
            group.owner = Some(owner.to_owned());
        }
        let remove: Vec<String> = remove.iter().map(|id| id.to_lowercase()).collect();
        group.members.retain(|id| !remove.contains(id));
        for id in add.iter().map(|id| id.to_lowercase()) {
            if !group.members.contains(&id) {
                group.members.push(id);
            }
        }
    }

    /// Person-messages that one post into the group costs.
    pub fn weight(&self, chat: &ChatId) -> u32 {
        let known = self.lock().get(chat.as_str()).map(|group| group.members.len());
        u32::try_from(known.unwrap_or(CHAT_MEMBERS)).unwrap_or(u32::MAX).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_group_is_the_largest_there_can_be() {
        let groups = Groups::default();
        let chat = ChatId::new("c1").unwrap();
        assert_eq!(groups.weight(&chat), 2_000);
        let members = ["a", "b", "c"].map(str::to_owned).to_vec();
        groups.learn(
            "c1",
            Group {
                members,
                ..Group::default()
            },
        );
        assert_eq!(groups.weight(&chat), 3);
        groups.change("c1", Some("新名"), None, &["D".into(), "a".into()], &["B".into()]);
        let group = groups.get("c1").unwrap();
        assert_eq!(
            (group.name.as_deref(), group.members.join(",")),
            (Some("新名"), "a,c,d".to_owned())
        );
        groups.change("c2", Some("x"), None, &["a".into()], &[]);
        assert_eq!(groups.get("c2"), None, "half a group is no knowledge");
    }
}
