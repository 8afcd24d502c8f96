//! What the company's admin has allowed an app, and what not: the answers of the real platform to an
//! app that is set up halfway.

use std::collections::HashSet;

use hutong_simkit::SimError;

use super::WeComSim;
use super::state::{App, State};

/// Rights that can be withheld, by name, and what is answered then.
///
/// | name | effect |
/// |---|---|
/// | `trusted_ip` | every call but `gettoken` and those of robots and AI bots: 60020 |
/// | `enabled` | the app is closed: `agent/get` says so, every other call 50003 |
/// | `contacts` | the secret reads ids only: 48009, and `user/list_id` works |
/// | `customer_contact` | `externalcontact/*`: 48002 |
/// | `schedule` | `oa/*`: 48002 |
/// | `appchat` | `appchat/*`: 48002 |
/// | `own_fields` | members come without the company's own fields |
pub const RIGHTS: [&str; 7] = [
    "trusted_ip",
    "enabled",
    "contacts",
    "customer_contact",
    "schedule",
    "appchat",
    "own_fields",
];

/// Of one app. Everything is allowed until something is withheld.
#[derive(Debug, Clone, Default)]
pub struct Rights {
    withheld: HashSet<String>,
    /// Departments of the visible range; `None` is the whole company.
    visible: Option<Vec<String>>,
}

impl State {
    pub fn allowed(&self, app: &App, right: &str) -> bool {
        self.rights.get(&app.id).is_none_or(|r| !r.withheld.contains(right))
    }

    /// The departments of the visible range as the admin chose them; the root is `1`.
    pub fn range(&self, app: &App) -> Vec<String> {
        let chosen = self.rights.get(&app.id).and_then(|r| r.visible.clone());
        chosen.unwrap_or_else(|| vec!["1".to_owned()])
    }

    /// Whether a department lies in the visible range.
    pub fn sees_department(&self, app: &App, id: &str) -> bool {
        let range = self.range(app);
        if range.iter().any(|r| r == "1") {
            return true;
        }
        let mut at = Some(id.to_owned());
        // As many steps as there are departments: a ring must not hold us.
        for _ in 0..=self.departments.len() {
            let Some(id) = at else { return false };
            if range.contains(&id) {
                return true;
            }
            at = self
                .departments
                .iter()
                .find(|d| d.id == id)
                .and_then(|d| d.parent.clone());
        }
        false
    }

    /// An active person in the visible range: their id as it is written.
    pub fn reachable(&self, app: &App, id: &str) -> Option<String> {
        self.active(id)
            .filter(|p| self.sees_department(app, &p.department))
            .map(|p| p.id.clone())
    }
}

impl WeComSim {
    /// Takes a right from an app, see [`RIGHTS`].
    pub fn withhold(&self, app: &str, right: &str) -> Result<(), SimError> {
        self.with_rights(app, right, |rights| {
            rights.withheld.insert(right.to_owned());
        })
    }

    /// Gives it back.
    pub fn grant(&self, app: &str, right: &str) -> Result<(), SimError> {
        self.with_rights(app, right, |rights| {
            rights.withheld.remove(right);
        })
    }

    /// Narrows the visible range of an app to some departments; `["1"]` is the whole company.
    pub fn show_to(&self, app: &str, departments: &[&str]) -> Result<(), SimError> {
        let chosen = departments.iter().map(|d| (*d).to_owned()).collect();
        self.with_rights(app, "enabled", |rights| rights.visible = Some(chosen))
    }

    /// Makes an AI bot one whose creator is no super administrator: people come to it under encrypted ids.
    pub fn encrypt_ids(&self, app: &str) {
        self.core.state().encrypts.insert(app.to_owned());
    }

    /// Takes the licence of a person: what is sent to them is answered with `unlicenseduser`.
    pub fn unlicense(&self, person: &str) {
        self.core.state().unlicensed.insert(person.to_lowercase());
    }

    /// Accounts that the company may have; 200 person-messages a day per app for each.
    pub fn account_ceiling(&self, accounts: u32) {
        self.core.state().account_ceiling = Some(accounts);
    }

    fn with_rights(&self, app: &str, right: &str, change: impl FnOnce(&mut Rights)) -> Result<(), SimError> {
        if !RIGHTS.contains(&right) {
            return Err(SimError::Refused(format!(
                "no right {right}; there are {}",
                RIGHTS.join(", ")
            )));
        }
        let mut state = self.core.state();
        if state.app(app).is_none() {
            return Err(SimError::NotFound(format!("app {app}")));
        }
        change(state.rights.entry(app.to_owned()).or_default());
        drop(state);
        self.core.changed();
        Ok(())
    }
}
