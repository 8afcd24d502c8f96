//! What admins and developers do in their consoles, and what people do that the verbs of all platforms
//! do not have: badges, scopes, departments, the bot's menu, files.

use hutong_simkit::{Done, SimDepartment, SimError};
use serde_json::{Value, json};

use super::events::{self, Push};
use super::{ContactScope, FeishuSim, SimAppOptions, acts};

impl FeishuSim {
    /// A badge of the company, as an admin makes it in the admin console.
    pub fn add_badge(&self, badge: &str) {
        self.world().badges.entry(badge.to_owned()).or_default();
    }

    /// Who wears a badge, by user id.
    pub fn badge_people(&self, badge: &str) -> Vec<String> {
        let world = self.world();
        let lists = world.badges.get(badge).into_iter().flatten();
        lists.flat_map(|g| g.people.iter().cloned()).collect()
    }

    /// Changes an app as its developer does: scopes, contact scope, state.
    pub fn change_app(&self, app: &str, change: impl FnOnce(&mut SimAppOptions)) {
        if let Some(app) = self.world().apps.get_mut(app) {
            change(&mut app.options);
        }
    }

    /// A person sends an image or a file. `kind` is `image`, `file`, `audio`, `media` or `sticker`.
    pub async fn attach(
        &self,
        person: &str,
        chat: &str,
        kind: &'static str,
        name: &str,
        bytes: Vec<u8>,
    ) -> Result<Done, SimError> {
        let now = self.clock.now();
        let (mut done, pushes) = acts::attach(&mut self.world(), person, chat, kind, name, bytes, now)?;
        self.changed();
        for push in pushes {
            if let Some(delivered) = self.push(push, true).await {
                delivered.add_to(&mut done);
            }
        }
        Ok(done)
    }

    /// A person chooses an entry of the bot's menu.
    pub async fn choose_menu(&self, person: &str, app: &str, key: &str) -> Result<Done, SimError> {
        let push = {
            let world = self.world();
            if !world.people.contains_key(person) || !world.apps.contains_key(app) {
                return Err(SimError::NotFound(format!("person {person} or app {app}")));
            }
            events::menu(&world, app, person, key, self.clock.now().0)
        };
        Ok(self.push_all(vec![push]).await)
    }

    /// An admin changes what an app may see of the directory; `None` is the whole company.
    pub async fn set_contact_scope(&self, app: &str, scope: Option<ContactScope>) -> Done {
        self.change_app(app, |options| options.contact = scope);
        self.push_all(vec![events::scope(app, self.clock.now().0)]).await
    }

    /// An admin makes a department, or renames and moves one.
    pub async fn put_department(&self, department: SimDepartment) -> Done {
        let pushes = {
            let mut world = self.world();
            let id = department.id.clone();
            let old = world.departments.insert(id.clone(), department);
            let object = events::department_object(&world, &id);
            let now = self.clock.now().0;
            match old {
                None => events::department(&world, "contact.department.created_v3", &id, &object, &Value::Null, now),
                Some(old) => {
                    let changed = json!({ "name": old.name });
                    events::department(&world, "contact.department.updated_v3", &id, &object, &changed, now)
                }
            }
        };
        self.push_all(pushes).await
    }

    /// An admin takes an empty department away.
    pub async fn remove_department(&self, id: &str) -> Result<Done, SimError> {
        let pushes = {
            let mut world = self.world();
            if world.people.values().any(|p| p.active && p.department == id) {
                return Err(SimError::Refused(format!("there are people in {id}")));
            }
            if !world.departments.contains_key(id) {
                return Err(SimError::NotFound(format!("department {id}")));
            }
            let mut object = events::department_object(&world, id);
            object["status"] = json!({ "is_deleted": true });
            let old = json!({ "status": { "is_deleted": false } });
            let now = self.clock.now().0;
            let pushes = events::department(&world, "contact.department.deleted_v3", id, &object, &old, now);
            world.departments.remove(id);
            pushes
        };
        Ok(self.push_all(pushes).await)
    }

    /// Whether only the owner of a group may mention everybody.
    pub fn forbid_at_all(&self, chat: &str, forbidden: bool) {
        if let Some(chat) = self.world().chats.get_mut(chat) {
            chat.at_all_forbidden = forbidden;
        }
    }

    async fn push_all(&self, pushes: Vec<Push>) -> Done {
        let mut done = Done::default();
        for push in pushes {
            if let Some(delivered) = self.push(push, true).await {
                delivered.add_to(&mut done);
            }
        }
        done
    }
}
