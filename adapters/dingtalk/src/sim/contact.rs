//! Directory reads of the new generation: search by name, and one person by union id. The whole
//! directory can be read in the old generation only (6.7).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::api_new::{Answer, Body, Ctx, no};
use super::state::{dept_number, union_id};

/// A page holds 50 at most.
const PAGE: u64 = 50;

impl Ctx<'_> {
    /// `/v1.0/contact/users/{unionId}`
    pub(super) fn contact_user(&mut self, path: &str) -> Answer {
        let id = path.strip_prefix("/v1.0/contact/users/").unwrap_or_default();
        let found = self.state.org.people.iter().find(|p| p.active && union_id(&p.id) == id);
        let person = found.ok_or_else(|| no("invalidParameter.unionId.notFound", id))?;
        Ok(json!({
            "unionId": id, "nick": person.name, "mobile": person.mobile, "email": person.email,
            "stateCode": "86", "avatarUrl": "", "openId": "", "visitor": false,
        }))
    }

    /// `/v1.0/contact/users/search` and `/v1.0/contact/departments/search`: ids only.
    pub(super) fn contact_search(&mut self, people: bool, body: &Value) -> Answer {
        let allowed = ["queryWord", "offset", "size", "fullMatchField"];
        let body = Body::of(body, &allowed, "invalidParameter")?;
        let word = body.text("queryWord", "invalidParameter.queryWord")?;
        let number = |key: &str| body.0.get(key).and_then(Value::as_u64);
        let (Some(offset), Some(size)) = (number("offset"), number("size")) else {
            return Err(no("invalidParameter", "offset and size must be numbers"));
        };
        if size == 0 || size > PAGE {
            return Err(no("invalidParameter.size", size.to_string()));
        }
        let whole = number("fullMatchField") == Some(1);
        let fits = |name: &str| if whole { name == word } else { name.contains(word) };
        let found: BTreeMap<String, Value> = if people {
            let all = self.state.org.people.iter().filter(|p| p.active && fits(&p.name));
            all.map(|p| (p.id.clone(), p.id.as_str().into())).collect()
        } else {
            let all = self.state.org.departments.iter().filter(|d| fits(&d.name));
            all.filter_map(|d| Some((d.id.clone(), dept_number(&d.id)?.into())))
                .collect()
        };
        let (offset, size) = (usize::try_from(offset).unwrap_or(usize::MAX), size as usize);
        let list: Vec<&Value> = found.values().skip(offset).take(size).collect();
        Ok(json!({
            "hasMore": offset.saturating_add(list.len()) < found.len(), "totalCount": found.len(), "list": list,
        }))
    }
}
