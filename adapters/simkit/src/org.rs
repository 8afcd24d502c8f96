//! The organisation as one platform's directory holds it.

use hutong_model::{Day, Employment};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Org {
    pub departments: Vec<SimDepartment>,
    pub people: Vec<SimPerson>,
}

/// The root has the id the platform gives it and is not listed here; `parent: None` means "below
/// the root".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimDepartment {
    pub id: String,
    pub parent: Option<String>,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimPerson {
    /// The platform's user id (`user_id`, `staffId`, `userid`): `[a-z0-9_]{1,32}`. A simulator
    /// derives the other ids (open id, union id) from it.
    pub id: String,
    pub name: String,
    pub employee_no: String,
    /// Id of a [`SimDepartment`].
    pub department: String,
    pub email: String,
    pub mobile: String,
    pub title: String,
    /// User id of the manager.
    pub leader: Option<String>,
    pub active: bool,
    /// First day, site and kind of employment, where the company has filled them in.
    #[serde(default)]
    pub joined_on: Option<Day>,
    #[serde(default)]
    pub office: Option<String>,
    #[serde(default)]
    pub employment: Option<Employment>,
}
