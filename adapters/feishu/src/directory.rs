//! Reading departments and people (feishu.md 5.8).
//!
//! The platform shows an app what lies in its contact scope. With the whole company in it, one
//! listing from the root gives every department; otherwise the scope itself says where to begin. A
//! tree too large for one listing is walked level by level.
//!
//! Listings end: a page that names itself as the next one, and a walk of more pages than any company
//! has, are errors.

use hutong_model::{CallError, DepartmentId, DepartmentRecord, Page, PersonRecord, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::{Api, page_after};
use crate::calls::{id_type, segment};
use crate::normalise::{self, ROOT, View};
use crate::wire;

/// Where a listing of departments stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Walk {
    /// Departments whose children are still to be read; the first one now.
    queue: Vec<String>,
    /// Ask for whole subtrees.
    deep: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    page: Option<String>,
    /// Pages read so far.
    #[serde(default)]
    read: u32,
}

impl Walk {
    fn start() -> Self {
        Self {
            queue: vec![ROOT.to_owned()],
            deep: true,
            page: None,
            read: 0,
        }
    }
    fn next(mut self) -> Option<String> {
        self.read += 1;
        if self.queue.is_empty() {
            None
        } else {
            serde_json::to_string(&self).ok()
        }
    }
}

/// 20,000 pages of 50 departments.
const MOST_PAGES: u32 = 20_000;
const NO_PERMISSION: [i64; 2] = [40_004, 40_014];
const TOO_LARGE: i64 = 43_010;

pub async fn departments(api: &Api, view: View<'_>, cursor: Option<&str>) -> Result<Page<DepartmentRecord>, CallError> {
    let mut walk = match cursor {
        None => Walk::start(),
        Some(text) => serde_json::from_str(text).map_err(|_| CallError::Rejected {
            code: "cursor".into(),
            text: "not a cursor of this listing".into(),
        })?,
    };
    if walk.read > MOST_PAGES {
        return Err(endless());
    }
    let Some(parent) = walk.queue.first().cloned() else {
        return Ok(Page {
            items: Vec::new(),
            next: None,
        });
    };
    let mut query = vec![
        ("user_id_type".to_owned(), view.user_id_type.as_str().to_owned()),
        ("department_id_type".to_owned(), "open_department_id".to_owned()),
        ("fetch_child".to_owned(), walk.deep.to_string()),
        ("page_size".to_owned(), "50".to_owned()),
    ];
    if let Some(page) = &walk.page {
        query.push(("page_token".to_owned(), page.clone()));
    }
    let path = format!("/open-apis/contact/v3/departments/{}/children", segment(&parent));
    let answer = match api.get(path, query).await {
        Ok(answer) => answer,
        Err(failure) if failure.code() == Some(TOO_LARGE) && walk.deep => {
            walk.deep = false;
            walk.page = None;
            return Ok(Page {
                items: Vec::new(),
                next: walk.next(),
            });
        }
        Err(failure) if parent == ROOT && failure.code().is_some_and(|c| NO_PERMISSION.contains(&c)) => {
            return from_scope(api, view).await;
        }
        Err(failure) => return Err(failure.error()),
    };
    let data = &answer["data"];
    let mut items = Vec::new();
    if parent == ROOT
        && walk.page.is_none()
        && let Ok(id) = DepartmentId::new(ROOT)
    {
        // The listing leaves the root itself out, and people can stand directly below it.
        items.push(root(id));
    }
    items.extend(read_departments(&data["items"]));
    if !walk.deep {
        walk.queue.extend(
            items
                .iter()
                .filter(|d| d.id.as_str() != ROOT)
                .map(|d| d.id.as_str().to_owned()),
        );
    }
    walk.page = page_after(data, walk.page.as_deref())?;
    if walk.page.is_none() {
        walk.queue.remove(0);
    }
    Ok(Page {
        items,
        next: walk.next(),
    })
}

fn endless() -> CallError {
    CallError::Unavailable("the platform's listing does not end".to_owned())
}

fn root(id: DepartmentId) -> DepartmentRecord {
    DepartmentRecord {
        id,
        parent: None,
        name: "全公司".to_owned(),
        leader: None,
    }
}

/// What the contact scope names, apart from groups of users: departments and single people.
struct Scope {
    departments: Vec<String>,
    people: Vec<String>,
}

async fn scope(api: &Api, view: View<'_>) -> Result<Scope, CallError> {
    let mut found = Scope {
        departments: Vec::new(),
        people: Vec::new(),
    };
    let mut page: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let mut query = vec![
            ("user_id_type".to_owned(), view.user_id_type.as_str().to_owned()),
            ("department_id_type".to_owned(), "open_department_id".to_owned()),
            ("page_size".to_owned(), "100".to_owned()),
        ];
        if let Some(page) = &page {
            query.push(("page_token".to_owned(), page.clone()));
        }
        let answer = api
            .get("/open-apis/contact/v3/scopes".to_owned(), query)
            .await
            .map_err(crate::api::Failure::error)?;
        let data = &answer["data"];
        for (list, key) in [
            (&mut found.departments, "department_ids"),
            (&mut found.people, "user_ids"),
        ] {
            let ids = data[key].as_array().into_iter().flatten().filter_map(Value::as_str);
            list.extend(ids.filter(|id| *id != ROOT).map(str::to_owned));
        }
        page = page_after(data, page.as_deref())?;
        if page.is_none() {
            return Ok(found);
        }
    }
    Err(endless())
}

/// The departments that the contact scope names, to be read before their children. The root stands for
/// the people whom the scope names one by one.
async fn from_scope(api: &Api, view: View<'_>) -> Result<Page<DepartmentRecord>, CallError> {
    let queue = scope(api, view).await?.departments;
    let mut items: Vec<DepartmentRecord> = DepartmentId::new(ROOT).ok().map(root).into_iter().collect();
    for id in &queue {
        let query = vec![("department_id_type".to_owned(), "open_department_id".to_owned())];
        let path = format!("/open-apis/contact/v3/departments/{}", segment(id));
        let answer = api.get(path, query).await.map_err(crate::api::Failure::error)?;
        items.extend(read_departments(&Value::from(vec![
            answer["data"]["department"].clone(),
        ])));
    }
    Ok(Page {
        items,
        next: Walk {
            queue,
            deep: true,
            page: None,
            read: 0,
        }
        .next(),
    })
}

fn read_departments(items: &Value) -> Vec<DepartmentRecord> {
    let items = items.as_array().map(Vec::as_slice).unwrap_or_default();
    items
        .iter()
        .filter_map(|item| {
            let text = item.to_string();
            let wire: wire::Department<'_> = serde_json::from_str(&text).ok()?;
            if wire.status.is_deleted {
                None
            } else {
                normalise::department(&wire)
            }
        })
        .collect()
}

pub async fn people(
    api: &Api,
    view: View<'_>,
    department: &DepartmentId,
    cursor: Option<&str>,
) -> Result<Page<PersonRecord>, CallError> {
    let mut query = vec![
        ("user_id_type".to_owned(), view.user_id_type.as_str().to_owned()),
        ("department_id_type".to_owned(), "open_department_id".to_owned()),
        ("department_id".to_owned(), department.as_str().to_owned()),
        ("page_size".to_owned(), "50".to_owned()),
    ];
    if let Some(cursor) = cursor {
        query.push(("page_token".to_owned(), cursor.to_owned()));
    }
    let answer = match api
        .get("/open-apis/contact/v3/users/find_by_department".to_owned(), query)
        .await
    {
        Ok(answer) => answer,
        // Not the whole company: whoever is in the scope by name belongs here.
        Err(failure) if department.as_str() == ROOT && failure.code().is_some_and(|c| NO_PERMISSION.contains(&c)) => {
            return named_people(api, view).await;
        }
        Err(failure) => return Err(failure.error()),
    };
    let data = &answer["data"];
    let items = data["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(Page {
        items: items.iter().filter_map(|item| read_person(item, view)).collect(),
        next: page_after(data, cursor)?,
    })
}

/// The people whom the contact scope names one by one, fifty to a call.
async fn named_people(api: &Api, view: View<'_>) -> Result<Page<PersonRecord>, CallError> {
    let mut items = Vec::new();
    for slice in scope(api, view).await?.people.chunks(50) {
        let mut query = vec![
            ("user_id_type".to_owned(), view.user_id_type.as_str().to_owned()),
            ("department_id_type".to_owned(), "open_department_id".to_owned()),
        ];
        query.extend(slice.iter().map(|id| ("user_ids".to_owned(), id.clone())));
        let answer = api
            .get("/open-apis/contact/v3/users/batch".to_owned(), query)
            .await
            .map_err(crate::api::Failure::error)?;
        let found = answer["data"]["items"].as_array().into_iter().flatten();
        items.extend(found.filter_map(|item| read_person(item, view)));
    }
    Ok(Page { items, next: None })
}

fn read_person(item: &Value, view: View<'_>) -> Option<PersonRecord> {
    let text = item.to_string();
    let wire: wire::User<'_> = serde_json::from_str(&text).ok()?;
    normalise::person(&wire, view)
}

/// `None` when the platform does not know the id.
pub async fn person(api: &Api, view: View<'_>, user: &UserId) -> Result<Option<PersonRecord>, CallError> {
    let query = vec![
        ("user_id_type".to_owned(), id_type(user.as_str()).to_owned()),
        ("department_id_type".to_owned(), "open_department_id".to_owned()),
    ];
    let path = format!("/open-apis/contact/v3/users/{}", segment(user.as_str()));
    match api.get(path, query).await {
        Ok(answer) => Ok(read_person(&answer["data"]["user"], view)),
        Err(failure) if matches!(failure.code(), Some(99_992_351 | 99_992_360 | 99_992_364 | 41_012)) => Ok(None),
        Err(failure) => Err(failure.error()),
    }
}
