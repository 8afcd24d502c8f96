//! What people do in the client.

use std::collections::BTreeMap;
use std::time::Duration;

use hutong_model::Timestamp;
use hutong_simkit::{ChatSel, Done, ScreenPart, SimError, Verb};
use serde_json::{Value, json};

use super::Core;
use super::reply::Context;
use super::seal::cdata;
use super::show;
use super::state::{App, Chat, Item, Kind, State, Ticket, open_user_id};

const RESPONSE_URL_LIFE: Duration = Duration::from_secs(3600);
const CODE_LIFE: Duration = Duration::from_secs(72 * 3600);
/// The platform's day is that of UTC+8.
const DAY_OFFSET: i64 = 8 * 3600;

fn refused<T>(why: impl Into<String>) -> Result<T, SimError> {
    Err(SimError::Refused(why.into()))
}

fn missing(what: &str, id: &str) -> SimError {
    SimError::NotFound(format!("{what} {id}"))
}

/// What was said, as it is seen and as it goes over the wire.
struct Said {
    parts: Vec<ScreenPart>,
    wire: String,
    /// Apps that were mentioned.
    bots: Vec<String>,
}

/// What follows a change: an event to an app, with its label and elements.
struct Told {
    app: App,
    from: String,
    label: String,
    fields: String,
}

impl State {
    fn member(&self, person: &str, chat: usize) -> Result<(), SimError> {
        let person = self.active(person).ok_or_else(|| missing("person", person))?;
        match self.chats.get(chat) {
            Some(chat) if chat.disbanded => refused("the group was dissolved"),
            Some(chat) if !chat.members.contains(&person.id) => refused(format!("{} is not in this chat", person.id)),
            Some(chat) if chat.creator.is_some() && chat.items.is_empty() => {
                refused("a group made by an app is invisible until something is posted in it")
            }
            Some(_) => Ok(()),
            None => Err(missing("chat", "")),
        }
    }

    fn group(&self, id: &str) -> Result<usize, SimError> {
        match self.chat(id) {
            Some(at) if self.chats.get(at).is_some_and(|c| c.group && !c.disbanded) => Ok(at),
            Some(_) => refused("that is not a group, or it was dissolved"),
            None => Err(missing("chat", id)),
        }
    }

    /// Reads `<@id>`, `<@bot>`, `<@app>` and `<@all>` in what a person types.
    fn said(&self, chat: usize, text: &str) -> Result<Said, SimError> {
        let apps: Vec<&App> = self
            .chats
            .get(chat)
            .map(|c| c.apps.iter().filter_map(|id| self.app(id)).collect())
            .unwrap_or_default();
        let mut said = Said {
            parts: vec![],
            wire: String::new(),
            bots: vec![],
        };
        let push_text = |said: &mut Said, text: &str| {
            said.wire.push_str(text);
            for (i, line) in text.split('\n').enumerate() {
                if i > 0 {
                    said.parts.push(ScreenPart::Break);
                }
                if !line.is_empty() {
                    said.parts.push(ScreenPart::Text { text: line.to_owned() });
                }
            }
        };
        let mut rest = text;
        while let Some(at) = rest.find("<@") {
            let inner = &rest[at + 2..];
            let Some(end) = inner.find('>') else { break };
            push_text(&mut said, &rest[..at]);
            let id = &inner[..end];
            rest = &inner[end + 1..];
            let bots: Vec<&&App> = match id {
                "bot" => apps.iter().filter(|a| a.kind == Kind::Aibot).collect(),
                _ => apps.iter().filter(|a| a.id == id && a.kind == Kind::Aibot).collect(),
            };
            let (user, name, everyone) = if id == "all" {
                (String::new(), "所有人".to_owned(), true)
            } else if let Some(bot) = bots.first() {
                said.bots.extend(bots.iter().map(|a| a.id.clone()));
                (bot.id.clone(), bot.name.clone(), false)
            } else if id == "bot" {
                // Nobody here is called that.
                push_text(&mut said, "@bot");
                continue;
            } else {
                let person = self.person(id).ok_or_else(|| missing("person", id))?;
                (person.id.clone(), person.name.clone(), false)
            };
            said.wire.push('@');
            said.wire.push_str(&name);
            // The client puts a space behind a mention.
            if rest.chars().next().is_some_and(|c| !c.is_whitespace()) {
                said.wire.push(' ');
            }
            said.parts.push(ScreenPart::Mention { user, name, everyone });
        }
        push_text(&mut said, rest);
        Ok(said)
    }

    fn callbacks_of(&self, kind: Kind) -> Vec<App> {
        self.apps.iter().filter(|a| a.kind == kind).cloned().collect()
    }
}

impl Core {
    pub(super) async fn perform(&self, verb: Verb) -> Result<Done, SimError> {
        let now = self.clock.now();
        match verb {
            Verb::Say {
                person,
                chat,
                text,
                reply_to,
            } => self.say(&person, &chat, &text, reply_to).await,
            Verb::Click {
                person,
                message,
                action,
                values,
            } => self.click(&person, &message, &action, &values).await,
            Verb::OpenDirect { person, app } => self.open(&person, &app).await,
            Verb::Hire { person } => {
                {
                    let mut state = self.state();
                    if state.person(&person.id).is_some() {
                        return refused("this user id is taken");
                    }
                    state.people.insert(person.id.to_lowercase(), person.clone());
                }
                // The only news of a newcomer that an ordinary app gets: the visible range has grown.
                self.range(&person.id, "subscribe").await
            }
            Verb::Quit { person } => {
                let id = {
                    let mut state = self.state();
                    let held = state
                        .people
                        .get_mut(&person.to_lowercase())
                        .ok_or_else(|| missing("person", &person))?;
                    held.active = false;
                    let id = held.id.clone();
                    for chat in state.chats.iter_mut().filter(|c| c.group) {
                        chat.members.retain(|m| *m != id);
                    }
                    id
                };
                self.range(&id, "unsubscribe").await
            }
            Verb::RepeatCallbacks { count } => {
                let mut done = Done::default();
                for delivered in self.callbacks.repeat_last(count).await {
                    delivered.add_to(&mut done);
                }
                Ok(done)
            }
            other => self.quietly(other, now),
        }
    }

    /// What changes the platform and is told to nobody: apps of WeCom hear nothing of it.
    fn quietly(&self, verb: Verb, now: Timestamp) -> Result<Done, SimError> {
        let mut state = self.state();
        let mut done = Done::default();
        match verb {
            Verb::React {
                person,
                message,
                emoji,
                on,
            } => {
                let chat = state.item(&message).ok_or_else(|| missing("message", &message))?.0;
                state.member(&person, chat)?;
                let item = state.item_mut(&message).ok_or_else(|| missing("message", &message))?;
                item.reactions.iter_mut().for_each(|(e, who)| {
                    if *e == emoji {
                        who.retain(|p| *p != person);
                    }
                });
                if on {
                    match item.reactions.iter_mut().find(|(e, _)| *e == emoji) {
                        Some((_, who)) => who.push(person),
                        None => item.reactions.push((emoji, vec![person])),
                    }
                }
                item.reactions.retain(|(_, who)| !who.is_empty());
                done.message = Some(message);
            }
            Verb::Recall { person, message } => {
                let item = state.item_mut(&message).ok_or_else(|| missing("message", &message))?;
                if item.from != person {
                    return refused("only the author takes a message back");
                }
                item.recalled = true;
                done.message = Some(message);
            }
            // There are no read receipts for anybody to hear of.
            Verb::Read { person, message } => {
                let chat = state.item(&message).ok_or_else(|| missing("message", &message))?.0;
                state.member(&person, chat)?;
                done.message = Some(message);
            }
            Verb::Join { person, chat, .. } => {
                let at = state.group(&chat)?;
                let (id, name) = state
                    .active(&person)
                    .map(|p| (p.id.clone(), p.name.clone()))
                    .ok_or_else(|| missing("person", &person))?;
                let held = state.chats.get_mut(at).ok_or_else(|| missing("chat", &chat))?;
                if !held.members.contains(&id) {
                    held.members.push(id);
                    state.notice(at, now, format!("{name} 加入了群聊"));
                }
                done.chat = Some(chat);
            }
            Verb::Leave { person, chat } => {
                let at = state.group(&chat)?;
                state.member(&person, at)?;
                let (id, name) = state
                    .person(&person)
                    .map(|p| (p.id.clone(), p.name.clone()))
                    .ok_or_else(|| missing("person", &person))?;
                if let Some(held) = state.chats.get_mut(at) {
                    held.members.retain(|m| *m != id);
                    if held.owner.as_deref() == Some(&id) {
                        held.owner = held.members.first().cloned();
                    }
                }
                state.notice(at, now, format!("{name} 退出了群聊"));
                done.chat = Some(chat);
            }
            Verb::Transfer { person, department } => {
                if !state.departments.iter().any(|d| d.id == department) {
                    return Err(missing("department", &department));
                }
                let held = state
                    .people
                    .get_mut(&person.to_lowercase())
                    .ok_or_else(|| missing("person", &person))?;
                held.department = department;
            }
            Verb::CreateChat {
                name,
                owner,
                members,
                apps,
            } => {
                let n = state.next();
                let id = format!("wrSIM{n:010}");
                let mut all: Vec<String> = Vec::new();
                for person in std::iter::once(&owner).chain(&members) {
                    let person = state.active(person).ok_or_else(|| missing("person", person))?;
                    if !all.contains(&person.id) {
                        all.push(person.id.clone());
                    }
                }
                for app in &apps {
                    addable(&state, app)?;
                }
                let at = state.add_chat(Chat {
                    id: id.clone(),
                    bot_chat_id: id.clone(),
                    name: name.clone(),
                    group: true,
                    owner: all.first().cloned(),
                    members: all,
                    apps,
                    ..Chat::default()
                });
                state.notice(at, now, format!("群聊「{name}」建好了"));
                done.chat = Some(id);
            }
            Verb::AddBot { chat, app, by } => {
                let at = state.group(&chat)?;
                state.member(&by, at)?;
                addable(&state, &app)?;
                if let Some(held) = state.chats.get_mut(at).filter(|c| !c.apps.contains(&app)) {
                    held.apps.push(app);
                }
                done.chat = Some(chat);
            }
            Verb::RemoveBot { chat, app, by } => {
                let at = state.group(&chat)?;
                state.member(&by, at)?;
                if let Some(held) = state.chats.get_mut(at) {
                    held.apps.retain(|a| *a != app);
                }
                done.chat = Some(chat);
            }
            Verb::RenameChat { chat, name, by } => {
                let at = state.group(&chat)?;
                state.member(&by, at)?;
                if let Some(held) = state.chats.get_mut(at) {
                    held.name.clone_from(&name);
                }
                state.notice(at, now, format!("群名改为「{name}」"));
                done.chat = Some(chat);
            }
            Verb::Disband { chat, by } => {
                let at = state.group(&chat)?;
                if state.chats.get(at).and_then(|c| c.owner.as_deref()) != Some(&by) {
                    return refused("only the owner dissolves a group");
                }
                if let Some(held) = state.chats.get_mut(at) {
                    held.disbanded = true;
                }
                done.chat = Some(chat);
            }
            _ => return refused("not possible on WeCom"),
        }
        Ok(done)
    }

    async fn range(&self, person: &str, event: &str) -> Result<Done, SimError> {
        let apps = self.state().callbacks_of(Kind::App);
        let mut done = Done::default();
        for app in apps {
            let told = Told {
                fields: format!("<MsgType>{}</MsgType><Event>{}</Event>", cdata("event"), cdata(event)),
                from: person.to_owned(),
                label: format!("{event} {person}"),
                app,
            };
            self.tell(told, Context::Nothing, &mut done).await;
        }
        Ok(done)
    }

    async fn tell(&self, told: Told, context: Context, done: &mut Done) {
        self.app_event(&told.app, &told.from, &told.label, &told.fields, context, done)
            .await;
    }

    async fn say(&self, person: &str, sel: &ChatSel, text: &str, reply_to: Option<String>) -> Result<Done, SimError> {
        let now = self.clock.now();
        let (at, message, said, bots, app, quote, from) = {
            let mut state = self.state();
            let (from, from_name) = state
                .active(person)
                .map(|p| (p.id.clone(), p.name.clone()))
                .ok_or_else(|| missing("person", person))?;
            let (at, app) = match sel {
                ChatSel::Chat(id) => {
                    let at = state.chat(id).ok_or_else(|| missing("chat", id))?;
                    let app = state
                        .chats
                        .get(at)
                        .filter(|c| !c.group)
                        .and_then(|c| c.apps.first().cloned());
                    (at, app)
                }
                ChatSel::DirectWith(app) => (state.direct(app, &from), Some(app.clone())),
            };
            let app = match app {
                Some(id) => {
                    let app = state.app(&id).cloned().ok_or_else(|| missing("app", &id))?;
                    if app.kind == Kind::Webhook {
                        return refused("nobody can talk to a group robot");
                    }
                    Some(app)
                }
                None => None,
            };
            state.member(&from, at)?;
            let said = state.said(at, text)?;
            let quote = match &reply_to {
                Some(id) => {
                    let (chat, item) = state.item(id).ok_or_else(|| missing("message", id))?;
                    if chat != at {
                        return refused("that message is in another chat");
                    }
                    Some(match &item.card {
                        Some(card) => show::plain(&show::card(card.seen_by(&from), &state.names())),
                        None => show::plain(&item.parts),
                    })
                }
                None => None,
            };
            let bots: Vec<App> = said.bots.iter().filter_map(|id| state.app(id).cloned()).collect();
            let item = Item {
                at: now,
                from: from.clone(),
                from_name,
                reply_to,
                parts: said.parts.clone(),
                ..Item::default()
            };
            let message = state.push(at, item);
            (at, message, said, bots, app, quote, from)
        };
        let mut done = Done {
            message: Some(message.clone()),
            ..Done::default()
        };
        done.chat = self.state().chats.get(at).map(|c| c.id.clone());
        match app {
            Some(app) if app.kind == Kind::App => {
                let n = self.state().next();
                let fields = format!(
                    "<MsgType>{}</MsgType><Content>{}</Content><MsgId>{}</MsgId>",
                    cdata("text"),
                    cdata(&said.wire),
                    7_204_513_000_000_000_000_u64 + n
                );
                let told = Told {
                    app,
                    from: from.clone(),
                    label: format!("text {message}"),
                    fields,
                };
                self.tell(
                    told,
                    Context::Message {
                        chat: at,
                        item: message,
                        user: from,
                    },
                    &mut done,
                )
                .await;
            }
            Some(bot) => {
                self.tell_bot(&bot, at, &message, &from, &said.wire, quote.as_deref(), &mut done)
                    .await
            }
            // In a group a bot hears only what mentions it.
            None => {
                for bot in bots {
                    self.tell_bot(&bot, at, &message, &from, &said.wire, quote.as_deref(), &mut done)
                        .await;
                }
            }
        }
        Ok(done)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one message, used at two places above"
    )]
    async fn tell_bot(
        &self,
        bot: &App,
        chat: usize,
        message: &str,
        from: &str,
        text: &str,
        quote: Option<&str>,
        done: &mut Done,
    ) {
        self.state().addressed.insert((bot.id.clone(), chat));
        let mut body = self.bot_head(bot, chat, from);
        body["response_url"] = json!(self.answer_address(bot, chat, message));
        body["msgtype"] = json!("text");
        body["text"] = json!({"content": text});
        if let Some(quote) = quote {
            body["quote"] = json!({"msgtype": "text", "text": {"content": quote}});
        }
        let context = Context::Message {
            chat,
            item: message.to_owned(),
            user: from.to_owned(),
        };
        self.bot_event(bot, &format!("bot text {message}"), &body, false, context, done)
            .await;
    }

    pub(super) fn bot_head(&self, bot: &App, chat: usize, from: &str) -> Value {
        let mut state = self.state();
        let n = state.next();
        let from = match state.encrypts.contains(&bot.id) {
            true => open_user_id(from),
            false => from.to_owned(),
        };
        let mut body = json!({
            "msgid": format!("CAIQsim{n:08}AgMg"), "aibotid": bot.bot_id, "chattype": "single", "from": {"userid": from},
        });
        if let Some(chat) = state.chats.get(chat).filter(|c| c.group) {
            body["chattype"] = json!("group");
            body["chatid"] = json!(chat.bot_chat_id);
        }
        body
    }

    /// A new one-use address for the answer to a message or click.
    pub(super) fn answer_address(&self, bot: &App, chat: usize, item: &str) -> String {
        let code = self.code("A");
        let ticket = Ticket {
            app: bot.id.clone(),
            chat,
            item: item.to_owned(),
            until: self.clock.now() + RESPONSE_URL_LIFE,
            used: false,
        };
        let mut state = self.state();
        let now = self.clock.now();
        if state.answers.len() > 20_000 {
            state.answers.retain(|_, t| t.until > now);
        }
        state.answers.insert(code.clone(), ticket);
        format!("{}/cgi-bin/aibot/response?response_code={code}", self.base)
    }

    async fn open(&self, person: &str, app: &str) -> Result<Done, SimError> {
        let now = self.clock.now();
        let (app, at, from, first) = {
            let mut state = self.state();
            let from = state
                .active(person)
                .map(|p| p.id.clone())
                .ok_or_else(|| missing("person", person))?;
            let app = state.app(app).cloned().ok_or_else(|| missing("app", app))?;
            if app.kind == Kind::Webhook {
                return refused("a group robot has no private chat");
            }
            let at = state.direct(&app.id, &from);
            let day = (now.secs() + DAY_OFFSET).div_euclid(86_400);
            let before = state.entered.insert((app.id.clone(), from.clone()), day);
            (app, at, from, before != Some(day))
        };
        let mut done = Done {
            chat: self.state().chats.get(at).map(|c| c.id.clone()),
            ..Done::default()
        };
        match app.kind {
            Kind::App => {
                let fields = format!(
                    "<MsgType>{}</MsgType><Event>{}</Event><EventKey>{}</EventKey>",
                    cdata("event"),
                    cdata("enter_agent"),
                    cdata("")
                );
                let label = format!("enter_agent {from}");
                self.tell(
                    Told {
                        app,
                        from,
                        label,
                        fields,
                    },
                    Context::Entered { chat: at },
                    &mut done,
                )
                .await;
            }
            // Once a day.
            _ if first => {
                let mut body = self.bot_head(&app, at, &from);
                body["create_time"] = json!(now.secs());
                body["msgtype"] = json!("event");
                body["event"] = json!({"eventtype": "enter_chat"});
                let label = format!("enter_chat {from}");
                self.bot_event(&app, &label, &body, false, Context::Entered { chat: at }, &mut done)
                    .await;
            }
            _ => {}
        }
        Ok(done)
    }

    async fn click(
        &self,
        person: &str,
        message: &str,
        action: &str,
        values: &BTreeMap<String, Vec<String>>,
    ) -> Result<Done, SimError> {
        let now = self.clock.now();
        let (chat, card, app, from) = {
            let state = self.state();
            let (chat, item) = state.item(message).ok_or_else(|| missing("message", message))?;
            state.member(person, chat)?;
            let from = state
                .person(person)
                .map(|p| p.id.clone())
                .ok_or_else(|| missing("person", person))?;
            let card = item.card.as_ref().filter(|_| !item.recalled);
            let Some(card) = card else {
                return refused("that message has nothing to press");
            };
            let app = state.app(&card.app).cloned().ok_or_else(|| missing("app", &card.app))?;
            (chat, card.seen_by(&from).clone(), app, from)
        };
        let chosen = choices(&card, action, values)?;
        let get = |name: &str| card.get(name).and_then(Value::as_str).unwrap_or_default();
        let (kind, task) = (get("card_type"), get("task_id"));
        let mut done = Done {
            message: Some(message.to_owned()),
            ..Done::default()
        };
        let context = Context::Click {
            chat,
            item: message.to_owned(),
            user: from.clone(),
        };
        let label = format!("click {message} by {from}");
        if app.kind == Kind::App {
            let code = self.code("RC");
            let ticket = Ticket {
                app: app.id.clone(),
                chat,
                item: message.to_owned(),
                until: now + CODE_LIFE,
                used: false,
            };
            self.state().codes.insert(code.clone(), ticket);
            let mut fields = format!(
                "<MsgType>{}</MsgType><Event>{}</Event><EventKey>{}</EventKey><TaskId>{}</TaskId><CardType>{}</CardType><ResponseCode>{}</ResponseCode>",
                cdata("event"),
                cdata("template_card_event"),
                cdata(action),
                cdata(task),
                cdata(kind),
                cdata(&code)
            );
            if !chosen.is_empty() {
                fields.push_str("<SelectedItems>");
                for (question, options) in &chosen {
                    fields.push_str(&format!(
                        "<SelectedItem><QuestionKey>{}</QuestionKey><OptionIds>",
                        cdata(question)
                    ));
                    for option in options {
                        fields.push_str(&format!("<OptionId>{}</OptionId>", cdata(option)));
                    }
                    fields.push_str("</OptionIds></SelectedItem>");
                }
                fields.push_str("</SelectedItems>");
            }
            self.tell(
                Told {
                    app,
                    from,
                    label,
                    fields,
                },
                context,
                &mut done,
            )
            .await;
            return Ok(done);
        }
        let mut detail = json!({"card_type": kind, "event_key": action, "task_id": task});
        if !chosen.is_empty() {
            let items: Vec<Value> = chosen
                .iter()
                .map(|(question, options)| json!({"question_key": question, "option_ids": {"option_id": options}}))
                .collect();
            detail["selected_items"] = json!({"selected_item": items});
        }
        let mut body = self.bot_head(&app, chat, &from);
        body["create_time"] = json!(now.secs());
        body["response_url"] = json!(self.answer_address(&app, chat, message));
        body["msgtype"] = json!("event");
        body["event"] = json!({"eventtype": "template_card_event", "template_card_event": detail});
        self.bot_event(&app, &label, &body, true, context, &mut done).await;
        Ok(done)
    }
}

fn addable(state: &State, app: &str) -> Result<(), SimError> {
    let app = state.app(app).ok_or_else(|| missing("app", app))?;
    match app.kind {
        Kind::Aibot => Ok(()),
        Kind::App => refused("a self-built app cannot be put into a group"),
        Kind::Webhook
            if state
                .chats
                .iter()
                .any(|c| c.group && !c.disbanded && c.apps.contains(&app.id)) =>
        {
            refused("a group robot belongs to one group")
        }
        Kind::Webhook => Ok(()),
    }
}

type Chosen = Vec<(String, Vec<String>)>;

/// What the client sends along with a press: one entry per question. Refuses what it cannot press.
fn choices(card: &Value, action: &str, values: &BTreeMap<String, Vec<String>>) -> Result<Chosen, SimError> {
    let text = |value: &Value, pointer: &str| -> String {
        value
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let list = |pointer: &str| {
        card.pointer(pointer)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    if card.get("replace_text").is_some() {
        return refused("the button is grey");
    }
    let menu = list("/action_menu/action_list")
        .iter()
        .any(|a| text(a, "/key") == action);
    let button = list("/button_list").iter().any(|b| text(b, "/key") == action);
    let submit = text(card, "/submit_button/key") == action;
    if menu {
        return Ok(vec![]);
    }
    if !button && !submit {
        return refused(format!("the card has no button {action}"));
    }
    let mut chosen = Vec::new();
    let one = |question: &Value, many: bool, options: Vec<Value>| -> Result<(String, Vec<String>), SimError> {
        let key = text(question, "/question_key");
        let known: Vec<String> = options.iter().map(|o| text(o, "/id")).collect();
        let picked = values.get(&key).cloned().unwrap_or_default();
        if picked.iter().any(|p| !known.contains(p)) || (picked.len() > 1 && !many) {
            return refused(format!("{key}: not one of its options"));
        }
        Ok((key, picked))
    };
    if let Some(checkbox) = card.get("checkbox") {
        let many = checkbox.get("mode").and_then(Value::as_i64) == Some(1);
        let (key, picked) = one(checkbox, many, list("/checkbox/option_list"))?;
        if picked.is_empty() {
            return refused("nothing is chosen");
        }
        chosen.push((key, picked));
    }
    // A selection always has a choice: the default, or the first.
    for question in list("/select_list")
        .into_iter()
        .chain(card.get("button_selection").cloned())
    {
        let options = question
            .get("option_list")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let (key, mut picked) = one(&question, false, options.clone())?;
        if picked.is_empty() {
            let default = text(&question, "/selected_id");
            picked.push(if default.is_empty() {
                options.first().map(|o| text(o, "/id")).unwrap_or_default()
            } else {
                default
            });
        }
        chosen.push((key, picked));
    }
    Ok(chosen)
}
