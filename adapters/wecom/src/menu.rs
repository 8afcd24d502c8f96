//! The app's menu under its private chat (official API catalogue, WwOpenCreateMenu). A press on a
//! `click` entry comes back as [`hutong_model::Body::Menu`].

use hutong_model::{CallError, RenderError};
use serde_json::{Value, json};

use crate::WeCom;
use crate::api::{Payload, read_error};
use crate::config::Door;
use crate::text::{clean, safe_url};

/// One entry. At most three stand beside each other, at most five in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MenuEntry {
    /// Calls back with `key`, at most 128 bytes.
    Click {
        name: String,
        key: String,
    },
    /// Opens an address, at most 1,024 bytes.
    View {
        name: String,
        url: String,
    },
    Folder {
        name: String,
        entries: Vec<MenuEntry>,
    },
}

/// The body of `menu/create`. Names are at most 16 bytes, in a folder 40; they are refused, not cut,
/// since a cut name in a menu says something else.
pub fn menu_body(entries: &[MenuEntry]) -> Result<Value, RenderError> {
    if !(1..=3).contains(&entries.len()) {
        return Err(RenderError::Invalid("a menu has one to three entries".into()));
    }
    let list: Result<Vec<Value>, RenderError> = entries.iter().map(|e| button(e, 16)).collect();
    Ok(json!({"button": list?}))
}

fn button(entry: &MenuEntry, room: usize) -> Result<Value, RenderError> {
    let fits = |what: &'static str, text: &str, limit: usize| {
        let text = clean(text).replace('\n', " ").trim().to_owned();
        match text.len() {
            0 => Err(RenderError::Invalid(format!("{what} is empty"))),
            n if n > limit => Err(RenderError::TooLarge { what, bytes: n, limit }),
            _ => Ok(text),
        }
    };
    Ok(match entry {
        MenuEntry::Click { name, key } => {
            json!({"type": "click", "name": fits("a menu name", name, room)?, "key": fits("a menu key", key, 128)?})
        }
        MenuEntry::View { name, url } => {
            let url = safe_url(url).ok_or_else(|| RenderError::Invalid("not an address that may be opened".into()))?;
            json!({"type": "view", "name": fits("a menu name", name, room)?, "url": fits("a menu address", &url, 1024)?})
        }
        MenuEntry::Folder { name, entries } => {
            if room != 16 || !(1..=5).contains(&entries.len()) {
                return Err(RenderError::Invalid(
                    "a folder holds one to five entries and no folder".into(),
                ));
            }
            let list: Result<Vec<Value>, RenderError> = entries.iter().map(|e| button(e, 40)).collect();
            json!({"name": fits("a menu name", name, 16)?, "sub_button": list?})
        }
    })
}

impl WeCom {
    /// Replaces the app's menu. Clients show it with some delay.
    pub async fn set_menu(&self, entries: &[MenuEntry]) -> Result<(), CallError> {
        let Door::App(app) = &self.door else {
            return Err(CallError::NotPossible("a menu"));
        };
        let body = menu_body(entries).map_err(|e| CallError::Rejected {
            code: "menu".into(),
            text: e.to_string(),
        })?;
        let agent = app.agent_id.to_string();
        self.client
            .call("menu/create", &[("agentid", &agent)], Payload::Json(&body))
            .await
            .map(|_| ())
            .map_err(read_error)
    }
}
