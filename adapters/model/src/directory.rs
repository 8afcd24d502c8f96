//! People and departments as a platform tells them.

use serde::{Deserialize, Serialize};

use crate::ids::{DepartmentId, UserId};

/// A person as the platform's directory (or a contact event) describes them. Fields the app may
/// not see are `None`: that is no statement that they are empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonRecord {
    pub user: UserId,
    /// Other ids of the same account on this platform (Feishu `open_id`, `union_id`, DingTalk
    /// `unionId`), so that an event that carries only one of them still finds the person.
    #[serde(default)]
    pub aliases: Vec<UserId>,
    pub name: String,
    #[serde(default)]
    pub employee_no: Option<String>,
    #[serde(default)]
    pub email: Option<String>,
    #[serde(default)]
    pub mobile: Option<String>,
    #[serde(default)]
    pub departments: Vec<DepartmentId>,
    #[serde(default)]
    pub leader: Option<UserId>,
    #[serde(default)]
    pub title: Option<String>,
    /// False when the account is deactivated, frozen or has left.
    pub active: bool,
}

/// A department as the platform describes it. The root has no parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepartmentRecord {
    pub id: DepartmentId,
    #[serde(default)]
    pub parent: Option<DepartmentId>,
    pub name: String,
    #[serde(default)]
    pub leader: Option<UserId>,
}

/// One page of a listing. The listing has ended exactly when `next` is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
}
