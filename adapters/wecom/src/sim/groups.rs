//! Groups that an app makes through the API (documents 90245, 90248).

use hutong_model::Timestamp;
use hutong_simkit::judge::{Limit, Verdict};
use serde_json::{Value, json};

use super::Core;
use super::api::{Answer, DAY, HOUR, MINUTE, Params, Place, no, strings, text};
use super::state::{App, Chat};

impl Core {
    pub(super) fn chat_create(&self, app: &App, body: &Value, now: Timestamp) -> Answer {
        if let Verdict::Over { .. } = self.judge.hit("corp/appchat/create/day", now, 1000, DAY, 1) {
            return no(45009, "api freq out of limit");
        }
        // Needs the root department in the visible range (document 90245).
        if !self.state().range(app).iter().any(|d| d == "1") {
            return no(48002, "api forbidden: the root department is not in the visible range");
        }
        let given = text(body, "chatid");
        let id = if given.is_empty() {
            self.code("c")[..32].to_owned()
        } else {
            given.to_owned()
        };
        if id.len() > 32 || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return no(40050, "invalid chatid");
        }
        let bot_chat_id = format!("wr{}", &self.code("")[..20]);
        let mut state = self.state();
        if state.chat(&id).is_some() {
            return no(86215, "chatid existed");
        }
        let mut members: Vec<String> = Vec::new();
        for user in strings(body.get("userlist")) {
            match state.active(&user) {
                Some(p) if !members.contains(&p.id) => members.push(p.id.clone()),
                Some(_) => {}
                None => return no(86216, format!("illegal member {user}")),
            }
        }
        if !(2..=2000).contains(&members.len()) {
            return no(86006, "2 to 2000 members");
        }
        let owner = match text(body, "owner") {
            "" => members.first().cloned(),
            owner => match state.active(owner).map(|p| p.id.clone()) {
                Some(owner) if members.contains(&owner) => Some(owner),
                _ => return no(86005, "the owner is not a member"),
            },
        };
        let name: String = text(body, "name").chars().take(50).collect();
        state.add_chat(Chat {
            id: id.clone(),
            bot_chat_id,
            name: if name.is_empty() { "群聊".into() } else { name },
            group: true,
            members,
            owner,
            creator: Some(app.id.clone()),
            apps: vec![app.id.clone()],
            ..Chat::default()
        });
        Ok(json!({"chatid": id}))
    }

    /// The app's own group by its id; never by the id that AI bots use.
    fn own_chat(&self, app: &App, id: &str) -> Result<usize, (i64, String)> {
        let state = self.state();
        let Some(at) = state.chat(id) else {
            return no(86001, "invalid chatid");
        };
        match state.chats.get(at) {
            Some(chat) if chat.creator.as_deref() == Some(&app.id) && !chat.disbanded => Ok(at),
            _ => no(86008, "chat not belong to this app"),
        }
    }

    pub(super) fn chat_update(&self, app: &App, body: &Value, now: Timestamp) -> Answer {
        if let Verdict::Over { .. } = self.judge.hit("corp/appchat/update/hour", now, 1000, HOUR, 1) {
            return no(45009, "api freq out of limit");
        }
        let at = self.own_chat(app, text(body, "chatid"))?;
        let mut state = self.state();
        let add = strings(body.get("add_user_list"));
        let remove: Vec<String> = strings(body.get("del_user_list"))
            .iter()
            .map(|u| u.to_lowercase())
            .collect();
        let mut joined = Vec::new();
        for user in add {
            match state.active(&user) {
                Some(person) => joined.push(person.id.clone()),
                None => return no(86216, format!("illegal member {user}")),
            }
        }
        let Some(chat) = state.chats.get(at) else {
            return no(86001, "invalid chatid");
        };
        let mut members = chat.members.clone();
        joined.retain(|u| !members.contains(u));
        members.extend(joined);
        members.retain(|u| !remove.contains(&u.to_lowercase()));
        if !(2..=2000).contains(&members.len()) {
            return no(86006, "2 to 2000 members");
        }
        let owner = match text(body, "owner") {
            "" => chat
                .owner
                .clone()
                .filter(|o| members.contains(o))
                .or_else(|| members.first().cloned()),
            owner => match state
                .active(owner)
                .map(|p| p.id.clone())
                .filter(|o| members.contains(o))
            {
                Some(owner) => Some(owner),
                None => return no(86005, "the owner is not a member"),
            },
        };
        if let Some(chat) = state.chats.get_mut(at) {
            chat.members = members;
            chat.owner = owner;
            let name: String = text(body, "name").chars().take(50).collect();
            if !name.is_empty() {
                chat.name = name;
            }
        }
        Ok(json!({}))
    }

    pub(super) fn chat_get(&self, app: &App, params: &Params) -> Answer {
        let at = self.own_chat(app, params.get("chatid").map_or("", String::as_str))?;
        let state = self.state();
        let Some(chat) = state.chats.get(at) else {
            return no(86001, "invalid chatid");
        };
        Ok(json!({"chat_info": {
            "chatid": chat.id, "name": chat.name, "owner": chat.owner, "userlist": chat.members,
        }}))
    }

    pub(super) fn chat_send(&self, app: &App, body: &Value, now: Timestamp) -> Answer {
        let at = self.own_chat(app, text(body, "chatid"))?;
        let members = self
            .state()
            .chats
            .get(at)
            .map(|c| c.members.clone())
            .unwrap_or_default();
        let weight = u32::try_from(members.len()).unwrap_or(u32::MAX);
        let limits = [
            Limit::new("corp/appchat/persons", 20_000, MINUTE),
            Limit::new("corp/appchat/persons", 150_000, HOUR),
        ];
        if let Verdict::Over { .. } = self.judge.hit_all(&limits, now, weight) {
            return no(45009, "api freq out of limit");
        }
        let (parts, _) = self.shown(body, Place::AppChat)?;
        let over = members
            .iter()
            .filter(|user| {
                let limits = [
                    Limit::new(format!("appchat/{}/{user}", app.id), 200, MINUTE),
                    Limit::new(format!("appchat/{}/{user}", app.id), 10_000, DAY),
                ];
                !self.judge.hit_all(&limits, now, 1).is_ok()
            })
            .count();
        if over > 0 {
            self.drop_silently(
                &format!("appchat/send: more than 200 a minute for {over} members"),
                over as u64,
            );
        }
        // What some members missed is still in the group for the others.
        if over < members.len() {
            self.state().push(at, self.item(app, now, parts, None));
        }
        Ok(json!({}))
    }
}
