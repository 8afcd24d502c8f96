//! Passive replies: what a bot says in the answer to a callback (documents 90241, 101031).

use serde_json::{Value, json};

use super::Core;
use super::show::{self, Dialect, check_card};
use super::state::{App, Kind};

/// Refresh callbacks of one stream. How often the platform sends them is not documented; here they
/// follow one another until the stream is finished.
const REFRESHES: usize = 30;

/// What a callback was about, and so what may be answered.
#[derive(Debug, Clone)]
pub enum Context {
    Message { chat: usize, item: String, user: String },
    Entered { chat: usize },
    Click { chat: usize, item: String, user: String },
    Nothing,
}

impl Core {
    pub(super) async fn passive(&self, app: &App, context: Context, body: &[u8]) {
        let opened = match app.kind {
            Kind::Aibot => self.open_json(app, body),
            _ => self.open_xml(app, body),
        };
        let result = match opened {
            Err(why) => Err(why),
            Ok(plain) if app.kind == Kind::Aibot => self.bot_reply(app, context, &plain).await,
            Ok(plain) => self.app_reply(app, &context, &plain),
        };
        if let Err(why) = result {
            self.journal.complain(format!("passive reply of {}: {why}", app.id));
        }
    }

    fn open_json(&self, app: &App, body: &[u8]) -> Result<String, String> {
        let value: Value = serde_json::from_slice(body).map_err(|_| "not JSON")?;
        let get = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
        let timestamp = match value.get("timestamp") {
            Some(Value::Number(n)) => n.to_string(),
            Some(Value::String(s)) => s.clone(),
            _ => return Err("timestamp is missing".into()),
        };
        let seal = self.seal(app).ok_or("no key")?;
        if seal.signature(&timestamp, get("nonce"), get("encrypt")) != get("msgsignature") {
            return Err("wrong msgsignature".into());
        }
        seal.decrypt(get("encrypt"))
    }

    fn open_xml(&self, app: &App, body: &[u8]) -> Result<String, String> {
        let text = String::from_utf8_lossy(body);
        let seal = self.seal(app).ok_or("no key")?;
        let encrypt = element(&text, "Encrypt").ok_or("Encrypt is missing")?;
        let timestamp = element(&text, "TimeStamp").ok_or("TimeStamp is missing")?;
        let nonce = element(&text, "Nonce").ok_or("Nonce is missing")?;
        if element(&text, "MsgSignature") != Some(seal.signature(&timestamp, &nonce, &encrypt)) {
            return Err("wrong MsgSignature".into());
        }
        seal.decrypt(&encrypt)
    }

    fn app_reply(&self, app: &App, context: &Context, plain: &str) -> Result<(), String> {
        let kind = element(plain, "MsgType").unwrap_or_default();
        match (kind.as_str(), context) {
            ("text", Context::Message { chat, .. } | Context::Click { chat, .. } | Context::Entered { chat }) => {
                let mut state = self.state();
                let dialect = Dialect::Text {
                    anchors: true,
                    mentions: false,
                };
                let parts = show::content(&element(plain, "Content").unwrap_or_default(), dialect, &state.names());
                let item = self.item(app, self.clock.now(), parts, None);
                state.push(*chat, item);
                Ok(())
            }
            ("update_button", Context::Click { item, user, .. }) => {
                let name = element(plain, "ReplaceName").ok_or("ReplaceName is missing")?;
                let mut state = self.state();
                if let Some(card) = state.item_mut(item).and_then(|i| i.card.as_mut()) {
                    let mut value = card.seen_by(user).clone();
                    value["replace_text"] = json!(name);
                    card.own.insert(user.clone(), value);
                }
                Ok(())
            }
            (other, _) => Err(format!("MsgType {other:?} is not drawn here")),
        }
    }

    async fn bot_reply(&self, app: &App, context: Context, plain: &str) -> Result<(), String> {
        let value: Value = serde_json::from_str(plain).map_err(|_| "not JSON inside")?;
        let kind = value.get("msgtype").and_then(Value::as_str).unwrap_or_default();
        let card = value.get("template_card").filter(|c| c.is_object()).cloned();
        match (context, kind) {
            (Context::Entered { chat }, "text" | "template_card")
            | (Context::Message { chat, .. }, "template_card") => {
                if let Some(card) = &card {
                    check_card(card, true).map_err(|(code, why)| format!("{code} {why}"))?;
                    self.new_task(&app.id, card)
                        .map_err(|(code, why)| format!("{code} {why}"))?;
                }
                let mut state = self.state();
                let content = value
                    .pointer("/text/content")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                let plain_text = Dialect::Text {
                    anchors: false,
                    mentions: false,
                };
                let parts = show::content(content, plain_text, &state.names());
                let item = self.item(app, self.clock.now(), parts, card);
                state.push(chat, item);
                Ok(())
            }
            (Context::Message { chat, item, user }, "stream" | "stream_with_template_card") => {
                self.stream(app, chat, &item, &user, value).await
            }
            (Context::Click { chat: _, item, user }, _)
                if value.get("response_type") == Some(&json!("update_template_card")) =>
            {
                self.change_card(&item, &user, &value)
                    .map_err(|(code, why)| format!("{code} {why}"))
            }
            (_, kind) => Err(format!("{kind:?} is not possible as an answer to this callback")),
        }
    }

    /// The update of an AI bot's card, as the answer to a click: for everybody, or for some.
    pub(super) fn change_card(&self, item: &str, user: &str, value: &Value) -> Result<(), (i64, String)> {
        let card = value.get("template_card").filter(|c| c.is_object());
        let card = card.ok_or((42014, "template_card is missing".to_owned()))?;
        check_card(card, true)?;
        let users = value.get("userids").and_then(Value::as_array).cloned();
        let mut state = self.state();
        let gone = || (846_605, "the card is gone".to_owned());
        let held = state.item_mut(item).ok_or_else(gone)?;
        held.edited = true;
        let held = held.card.as_mut().ok_or_else(gone)?;
        if held.value.get("task_id") != card.get("task_id") {
            return Err((846_625, "another task_id than the card's".into()));
        }
        match users {
            Some(users) if !users.is_empty() => {
                for user in users.iter().filter_map(Value::as_str) {
                    held.own.insert(user.to_owned(), card.clone());
                }
            }
            _ => {
                held.own.remove(user);
                held.own.clear();
                held.value = card.clone();
            }
        }
        Ok(())
    }

    /// The content of a stream replaces what it said before; the platform asks on until it is finished.
    async fn stream(&self, app: &App, chat: usize, item: &str, user: &str, first: Value) -> Result<(), String> {
        let mut value = first;
        let mut shown: Option<String> = None;
        let id = value
            .pointer("/stream/id")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        for _ in 0..REFRESHES {
            let content = value
                .pointer("/stream/content")
                .and_then(Value::as_str)
                .unwrap_or_default();
            if content.len() > 20_480 {
                return Err("stream content of more than 20,480 bytes".into());
            }
            {
                let mut state = self.state();
                let parts = show::content(content, Dialect::MarkdownV2, &state.names());
                match &shown {
                    Some(id) => {
                        if let Some(item) = state.item_mut(id) {
                            item.parts = parts;
                        }
                    }
                    None => {
                        let mut answer = self.item(app, self.clock.now(), parts, None);
                        answer.reply_to = Some(item.to_owned());
                        shown = Some(state.push(chat, answer));
                    }
                }
            }
            self.changed();
            if value.pointer("/stream/finish") == Some(&json!(true)) {
                return Ok(());
            }
            let (group, bot_chat) = {
                let state = self.state();
                let chat = state.chats.get(chat);
                (
                    chat.is_some_and(|c| c.group),
                    chat.map(|c| c.bot_chat_id.clone()).unwrap_or_default(),
                )
            };
            let mut ask = json!({
                "msgid": self.code("CAIQ"), "aibotid": app.bot_id, "chattype": if group { "group" } else { "single" },
                "from": {"userid": user}, "msgtype": "stream", "stream": {"id": id},
            });
            if group {
                ask["chatid"] = json!(bot_chat);
            }
            let Some(body) = self.refresh(app, &ask).await else {
                return Err("a stream was not finished".into());
            };
            value = serde_json::from_str(&self.open_json(app, &body)?).map_err(|_| "not JSON inside")?;
        }
        Err("a stream was not finished".into())
    }
}

/// The text of an element, without CDATA.
fn element(xml: &str, name: &str) -> Option<String> {
    let open = format!("<{name}>");
    let from = xml.find(&open)? + open.len();
    let inner = &xml[from..];
    let inner = &inner[..inner.find(&format!("</{name}>"))?];
    Some(inner.replace("<![CDATA[", "").replace("]]>", ""))
}
