//! What people do, and the callbacks that follow.

use std::collections::BTreeMap;

use hutong_simkit::ladder::{CallbackRequest, Outgoing};
use hutong_simkit::{ChatSel, Done, ScreenPart, SimError, SimPerson, Verb};
use serde_json::{Value, json};

use super::seal;
use super::state::{Card, Content, Push, Route, State, lwcp, union_id};
use super::{Core, SimAppSpec, api_old, group_events, push, rights, stream};

/// A piece of what somebody typed.
#[derive(Debug, PartialEq)]
enum Piece<'t> {
    Text(&'t str),
    /// `<@...>`: a person, an app, `bot` or `all`.
    At(&'t str),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("<@") {
        let (before, tail) = rest.split_at(start);
        let Some(end) = tail.find('>') else { break };
        if !before.is_empty() {
            out.push(Piece::Text(before));
        }
        out.push(Piece::At(tail.get(2..end).unwrap_or_default()));
        rest = tail.get(end + 1..).unwrap_or_default();
    }
    if !rest.is_empty() {
        out.push(Piece::Text(rest));
    }
    out
}

/// What was said, as the client shows it and as the robots get it.
struct Said {
    parts: Vec<ScreenPart>,
    /// The robots' mentions left out, as the platform does.
    text: String,
    people: Vec<String>,
    apps: Vec<String>,
}

fn read(state: &State, chat_apps: &[String], text: &str) -> Said {
    let mut said = Said {
        parts: Vec::new(),
        text: String::new(),
        people: Vec::new(),
        apps: Vec::new(),
    };
    let mention = |user: &str, name: String, everyone: bool| ScreenPart::Mention {
        user: user.to_owned(),
        name,
        everyone,
    };
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => {
                for (i, line) in text.split('\n').enumerate() {
                    if i > 0 {
                        said.parts.push(ScreenPart::Break);
                    }
                    if !line.is_empty() {
                        said.parts.push(ScreenPart::Text { text: line.to_owned() });
                    }
                }
                said.text.push_str(text);
            }
            Piece::At("all") => {
                said.parts.push(mention("", "所有人".into(), true));
                said.text.push_str("@所有人");
            }
            Piece::At(id) => {
                let app = if id == "bot" {
                    chat_apps.first().map(String::as_str)
                } else {
                    chat_apps.iter().map(String::as_str).find(|a| *a == id)
                };
                if let Some(app) = app.and_then(|a| state.app(a)) {
                    said.parts.push(mention(&app.spec.id, app.spec.name.clone(), false));
                    if !said.apps.contains(&app.spec.id) {
                        said.apps.push(app.spec.id.clone());
                    }
                } else {
                    let name = state.name(id);
                    said.text.push_str(&format!("@{name}"));
                    if state.person(id).is_some() {
                        said.parts.push(mention(id, name, false));
                        if !said.people.contains(&id.to_owned()) {
                            said.people.push(id.to_owned());
                        }
                    } else {
                        said.parts.push(ScreenPart::Text {
                            text: format!("@{name}"),
                        });
                    }
                }
            }
        }
    }
    said
}

fn missing(what: &str, id: &str) -> SimError {
    SimError::NotFound(format!("{what} {id}"))
}

/// A callback, where it goes, and what its answer does.
enum After {
    Event,
    /// The answer may hold a reply to show in this chat.
    Robot {
        app: String,
        chat: String,
    },
    /// The answer may change the card for the one who pressed.
    Card {
        track: String,
        person: String,
    },
}

pub async fn act(core: &Core, verb: Verb) -> Result<Done, SimError> {
    let mut done = Done::default();
    if let Verb::RepeatCallbacks { count } = verb {
        for delivered in core.callbacks.repeat_last(count).await {
            delivered.add_to(&mut done);
        }
        return Ok(done);
    }
    let mut requests = Vec::new();
    {
        let mut state = core.state();
        let now = core.clock.now().millis();
        apply(core, &mut state, verb, now, &mut done, &mut requests)?;
        for push in std::mem::take(&mut state.pushes) {
            requests.extend(event(core, &state, &push).map(|r| (r, After::Event)));
        }
    }
    core.changed();
    for (request, after) in requests {
        let delivered = core.callbacks.deliver(request).await;
        delivered.add_to(&mut done);
        let answer = delivered
            .result
            .ok()
            .and_then(|a| serde_json::from_slice::<Value>(&a.body).ok());
        if let Some(answer) = answer {
            follow(core, after, &answer);
        }
    }
    Ok(done)
}

/// What the answer to a callback asks for.
fn follow(core: &Core, after: After, answer: &Value) {
    let mut state = core.state();
    match after {
        After::Event => return,
        After::Robot { app, chat } => {
            if answer
                .get("msgtype")
                .and_then(Value::as_str)
                .is_none_or(|t| t == "empty")
            {
                return;
            }
            match api_old::reply_parts(&state, &chat, answer) {
                Ok(parts) => {
                    let now = core.clock.now().millis();
                    state.post(&chat, now, &app, true, Content::Parts(parts));
                }
                Err(refusal) => core.complain(format!("answer to a robot message: {}", refusal.text)),
            }
        }
        After::Card { track, person } => {
            let Some(card) = state.cards.get_mut(&track) else {
                return;
            };
            let mut changed = false;
            // Both change the view of the one who pressed, and only theirs.
            for key in ["cardData", "userPrivateData"] {
                let map = answer
                    .pointer(&format!("/{key}/cardParamMap"))
                    .and_then(Value::as_object);
                for (name, value) in map.into_iter().flatten() {
                    if let Some(text) = value.as_str() {
                        let view = card.private.entry(person.clone()).or_default();
                        view.insert(name.clone(), text.to_owned());
                        changed = true;
                    }
                }
            }
            if !changed {
                return;
            }
        }
    }
    drop(state);
    core.changed();
}

fn apply(
    core: &Core,
    state: &mut State,
    verb: Verb,
    now: i64,
    done: &mut Done,
    requests: &mut Vec<(CallbackRequest, After)>,
) -> Result<(), SimError> {
    match verb {
        Verb::Say {
            person,
            chat,
            text,
            reply_to,
        } => say(core, state, &person, &chat, &text, reply_to, now, done, requests),
        Verb::React {
            person,
            message,
            emoji,
            on,
        } => {
            let found = state
                .message_mut(&message)
                .ok_or_else(|| missing("message", &message))?;
            let at = found.reactions.iter().position(|(e, _)| *e == emoji);
            match (at.and_then(|at| found.reactions.get_mut(at)), on) {
                (Some((_, people)), true) if !people.contains(&person) => people.push(person),
                (Some((_, people)), false) => people.retain(|p| *p != person),
                (None, true) => found.reactions.push((emoji, vec![person])),
                _ => {}
            }
            found.reactions.retain(|(_, people)| !people.is_empty());
            // Robots learn nothing of it.
            Ok(())
        }
        Verb::Recall { person, message } => {
            let found = state
                .message_mut(&message)
                .ok_or_else(|| missing("message", &message))?;
            if found.from != person {
                return Err(SimError::Refused("it is somebody else's message".into()));
            }
            found.recalled = true;
            Ok(())
        }
        Verb::Click {
            person,
            message,
            action,
            values,
        } => click(core, state, &person, &message, &action, &values, requests),
        Verb::Read { person, message } => {
            let chat = state
                .chat_of_message(&message)
                .ok_or_else(|| missing("message", &message))?;
            if !chat.members.contains(&person) {
                return Err(SimError::Refused(format!("{person} is not in the chat")));
            }
            let chat_id = chat.id.clone();
            let found = state
                .message_mut(&message)
                .ok_or_else(|| missing("message", &message))?;
            let new = found.readers.insert(person.clone());
            let (app, query) = (found.from.clone(), found.query.clone());
            if let (true, Some(query), Some(spec)) = (new, query, state.app(&app).map(|a| a.spec.clone()))
                && spec.read_events
            {
                // Keys are in Pascal case here, over HTTP (2.7), and one of them is misspelt.
                let fields = json!({
                    "OpenConversationId": chat_id, "UserId": person, "OperatTime": now.to_string(),
                    "UnionId": union_id(&person), "ProcessQueryKey": query, "RobotCode": spec.robot_code,
                });
                state.pushes.push(Push {
                    app,
                    name: "robot_msg_read",
                    fields,
                });
            }
            Ok(())
        }
        Verb::Join { person, chat, by } => {
            known(state, &person)?;
            group(state, &chat)?;
            group_events::join(state, &chat, &[person], by.as_deref(), now);
            Ok(())
        }
        Verb::Leave { person, chat } => {
            member(state, &chat, &person)?;
            group_events::quit(state, &chat, &person, now);
            Ok(())
        }
        Verb::Transfer { person, department } => {
            if !state.org.departments.iter().any(|d| d.id == department) {
                return Err(missing("department", &department));
            }
            let found = state.org.people.iter_mut().find(|p| p.id == person);
            let found = found.ok_or_else(|| missing("person", &person))?;
            found.department = department;
            state.push_all(
                "user_modify_org",
                &json!({ "timeStamp": now.to_string(), "userId": [person] }),
            );
            Ok(())
        }
        Verb::Hire { person } => hire(state, person, now),
        Verb::Quit { person } => {
            let found = state.org.people.iter_mut().find(|p| p.id == person && p.active);
            let found = found.ok_or_else(|| missing("person", &person))?;
            found.active = false;
            let groups: Vec<String> = state
                .chats
                .iter()
                .filter(|c| c.group && c.members.contains(&person))
                .map(|c| c.id.clone())
                .collect();
            for chat in groups {
                group_events::remove(state, &chat, std::slice::from_ref(&person), None, now);
            }
            state.push_all(
                "user_leave_org",
                &json!({ "timeStamp": now.to_string(), "userId": [person] }),
            );
            Ok(())
        }
        Verb::CreateChat {
            name,
            owner,
            mut members,
            apps,
        } => {
            if !members.contains(&owner) {
                members.insert(0, owner.clone());
            }
            for person in &members {
                known(state, person)?;
            }
            if let Some(app) = apps.iter().find(|a| state.app(a).is_none()) {
                return Err(missing("app", app));
            }
            let chat = state.new_group(name.clone(), Some(owner.clone()), members, Vec::new());
            state.notice(&chat, now, format!("群「{name}」已创建"));
            for app in apps {
                group_events::robot(state, &chat, &app, &owner, true, now);
            }
            done.chat = Some(chat);
            Ok(())
        }
        Verb::AddBot { chat, app, by } => {
            member(state, &chat, &by)?;
            state.app(&app).ok_or_else(|| missing("app", &app))?;
            group_events::robot(state, &chat, &app, &by, true, now);
            Ok(())
        }
        Verb::RemoveBot { chat, app, by } => {
            member(state, &chat, &by)?;
            group_events::robot(state, &chat, &app, &by, false, now);
            Ok(())
        }
        Verb::RenameChat { chat, name, by } => {
            member(state, &chat, &by)?;
            group_events::rename(state, &chat, &name, Some(&by), now);
            Ok(())
        }
        Verb::Disband { chat, by } => {
            let owner = group(state, &chat)?;
            if owner.as_deref() != Some(&by) {
                return Err(SimError::Refused("only the owner can dissolve the group".into()));
            }
            group_events::disband(state, &chat, Some(&by), now);
            Ok(())
        }
        Verb::OpenDirect { person, app } => {
            known(state, &person)?;
            state.app(&app).ok_or_else(|| missing("app", &app))?;
            done.chat = Some(state.direct(&person, &app));
            Ok(())
        }
        // Answered before.
        Verb::RepeatCallbacks { .. } => Ok(()),
    }
}

fn known(state: &State, person: &str) -> Result<(), SimError> {
    if state.active(person) {
        Ok(())
    } else {
        Err(missing("person", person))
    }
}

/// A living group; returns its owner.
fn group(state: &State, chat: &str) -> Result<Option<String>, SimError> {
    match state.chat(chat) {
        Some(c) if c.disbanded => Err(SimError::Refused("the group was dissolved".into())),
        Some(c) if c.group => Ok(c.owner.clone()),
        _ => Err(missing("group", chat)),
    }
}

fn member(state: &State, chat: &str, person: &str) -> Result<(), SimError> {
    group(state, chat)?;
    match state.chat(chat) {
        Some(c) if c.members.iter().any(|m| m == person) => Ok(()),
        _ => Err(SimError::Refused(format!("{person} is not in the group"))),
    }
}

fn hire(state: &mut State, person: SimPerson, now: i64) -> Result<(), SimError> {
    if state.person(&person.id).is_some() {
        return Err(SimError::Refused(format!("{} exists already", person.id)));
    }
    let fields = json!({ "timeStamp": now.to_string(), "userId": [person.id] });
    state.org.people.push(person);
    state.push_all("user_add_org", &fields);
    Ok(())
}

#[expect(
    clippy::too_many_arguments,
    reason = "the fields of one verb and where its results go"
)]
fn say(
    core: &Core,
    state: &mut State,
    person: &str,
    chat: &ChatSel,
    text: &str,
    reply_to: Option<String>,
    now: i64,
    done: &mut Done,
    requests: &mut Vec<(CallbackRequest, After)>,
) -> Result<(), SimError> {
    known(state, person)?;
    let chat_id = match chat {
        ChatSel::Chat(id) => id.clone(),
        ChatSel::DirectWith(app) => {
            state.app(app).ok_or_else(|| missing("app", app))?;
            state.direct(person, app)
        }
    };
    let chat = state.chat(&chat_id).ok_or_else(|| missing("chat", &chat_id))?;
    if chat.disbanded {
        return Err(SimError::Refused("the group was dissolved".into()));
    }
    if !chat.members.iter().any(|m| m == person) {
        return Err(SimError::Refused(format!("{person} is not in the chat")));
    }
    let said = read(state, &chat.apps, text);
    // In a group only the robots that are mentioned by themselves; in a private chat the one there.
    let receivers = if chat.group {
        said.apps.clone()
    } else {
        chat.apps.clone()
    };
    let quoted = reply_to.as_deref().and_then(|id| state.message(id)).cloned();
    let id = state.post(&chat_id, now, person, false, Content::Parts(said.parts.clone()));
    if let Some(message) = state.message_mut(&id) {
        message.typed = said.text.clone();
        message.reply_to = reply_to;
    }
    done.message = Some(id.clone());
    done.chat = Some(chat_id.clone());
    for app in receivers {
        let Some((spec, hook)) = state.app(&app).map(|a| (a.spec.clone(), a.hook.clone())) else {
            continue;
        };
        let streams = core.streams.takes(&app, &stream::robot());
        if hook.is_none() && !streams {
            continue;
        }
        let hook = hook.unwrap_or_default();
        let mut body = robot_body(core, state, &spec, &chat_id, &id, person, &said, now);
        if let Some(quoted) = &quoted {
            // Undocumented; sent by some clients.
            body["text"]["isReplyMsg"] = true.into();
            body["text"]["repliedMsg"] = json!({
                "msgType": "text", "msgId": quoted.id, "senderId": lwcp(&quoted.from),
                "createdAt": quoted.at_ms, "content": { "text": quoted.typed },
            });
            body["originalMsgId"] = quoted.id.as_str().into();
        }
        if !rights::push(state, &spec, now) {
            over_quota(&mut body);
        }
        let streamed = stream::Push::robot(&app, &body);
        let bytes = body.to_string().into_bytes();
        let secret = spec.client_secret.clone();
        let mut request = CallbackRequest::new(format!("robot message {id}"), move |attempt| {
            let timestamp = attempt.at.millis().to_string();
            let sign = seal::hmac_base64(secret.as_bytes(), format!("{timestamp}\n{secret}").as_bytes());
            let mut out = Outgoing::post_json(hook.clone(), bytes.clone());
            out.headers.push(("timestamp".into(), timestamp));
            out.headers.push(("sign".into(), sign));
            out
        });
        // Fire and forget (4.6); in Stream mode they were seen to come again.
        request.repeats = streams;
        requests.push((
            core.streams.over(request, streamed),
            After::Robot {
                app,
                chat: chat_id.clone(),
            },
        ));
    }
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "the fields of one wire message")]
fn robot_body(
    core: &Core,
    state: &mut State,
    spec: &SimAppSpec,
    chat: &str,
    id: &str,
    person: &str,
    said: &Said,
    now: i64,
) -> Value {
    let (session, expires) = state.open_session(&spec.id, chat, now);
    let robot = lwcp(&spec.robot_code);
    let mut body = json!({
        "senderPlatform": "Mac",
        "conversationId": chat,
        "chatbotCorpId": state.corp,
        "chatbotUserId": robot,
        "msgId": id,
        "senderNick": state.name(person),
        "isAdmin": false,
        "senderStaffId": person,
        "sessionWebhookExpiredTime": expires,
        "createAt": now,
        "senderCorpId": state.corp,
        "senderId": lwcp(person),
        "sessionWebhook": format!("{}/robot/sendBySession?session={session}", core.base),
        "robotCode": spec.robot_code,
        "msgtype": "text",
    });
    let Some(found) = state.chat(chat) else { return body };
    if found.group {
        let mut at = vec![json!({ "dingtalkId": robot })];
        at.extend(
            said.people
                .iter()
                .map(|p| json!({ "dingtalkId": lwcp(p), "staffId": p, "unionId": union_id(p) })),
        );
        body["conversationType"] = "2".into();
        body["conversationTitle"] = found.name.as_str().into();
        body["isInAtList"] = true.into();
        body["atUsers"] = at.into();
        // The mention is gone, the blank before the text stays.
        body["text"] = json!({ "content": format!(" {}", said.text.trim()) });
    } else {
        body["conversationType"] = "1".into();
        body["text"] = json!({ "content": said.text });
    }
    body
}

/// The month's pushes are used up: a notice in place of the text.
fn over_quota(body: &mut Value) {
    if let Some(body) = body.as_object_mut() {
        body.remove("text");
    }
    body["errorCode"] = "20001".into();
    body["errorMessage"] = "受调用量超量影响，当前我的消息服务已经暂停。".into();
}

fn click(
    core: &Core,
    state: &mut State,
    person: &str,
    message: &str,
    action: &str,
    values: &BTreeMap<String, Vec<String>>,
    requests: &mut Vec<(CallbackRequest, After)>,
) -> Result<(), SimError> {
    known(state, person)?;
    let found = state.message(message).ok_or_else(|| missing("message", message))?;
    let Content::Card(track) = found.content.clone() else {
        return Err(SimError::Refused("the message is no card".into()));
    };
    if found.recalled {
        return Err(SimError::Refused("the card was recalled".into()));
    }
    let card = state.cards.get(&track).ok_or_else(|| missing("card", &track))?;
    if !state
        .chat(&card.chat)
        .is_some_and(|c| c.members.iter().any(|m| m == person))
    {
        return Err(SimError::Refused(format!("{person} is not in the chat")));
    }
    let view = view(card, person);
    let shown = |name: &str| view.get(name).map(String::as_str).unwrap_or_default();
    let button = (1..=6).find(|i| !shown(&format!("button{i}")).is_empty() && shown(&format!("action{i}")) == action);
    let mut params = json!({ "action": action });
    let node = match button {
        Some(i) => format!("button{i}"),
        None if shown("form_action") == action && !action.is_empty() => {
            let form: Value = serde_json::from_str(shown("form")).unwrap_or(Value::Null);
            params["form"] = fill(&form, values)?;
            "form".to_owned()
        }
        None => return Err(SimError::Refused("the card has no such button".into())),
    };
    let content = json!({ "cardPrivateData": { "actionIds": [node], "params": params } }).to_string();
    let mut body = json!({
        "type": "actionCallback", "outTrackId": track, "corpId": state.corp, "userId": person, "userIdType": 1,
        "content": content, "value": content, "extension": "{}",
    });
    if state.chat(&card.chat).is_some_and(|c| c.group) {
        body["spaceType"] = "im".into();
        body["spaceId"] = card.chat.as_str().into();
    }
    let route = state.routes.get(&(card.app.clone(), card.route.clone())).cloned();
    let streamed = card
        .stream
        .then(|| stream::Push::card(&card.app, &body, core.streams.message_id()));
    let route = match route {
        Some(route) => route,
        // Never called: the press comes by stream or not at all.
        None if card.stream => Route {
            url: String::new(),
            secret: None,
        },
        None => return Err(SimError::Refused("no callback is registered for the card".into())),
    };
    let bytes = body.to_string().into_bytes();
    let request = CallbackRequest::new(format!("card callback {track}"), move |attempt| {
        let mut out = Outgoing::post_json(route.url.clone(), bytes.clone());
        if let Some(secret) = &route.secret {
            let timestamp = attempt.at.millis().to_string();
            let sign = seal::hmac_base64(secret.as_bytes(), timestamp.as_bytes());
            out.headers.push(("x-ddpaas-signature-timestamp".into(), timestamp));
            out.headers.push(("x-ddpaas-signature".into(), sign));
        }
        out
    })
    .once();
    let request = match streamed {
        Some(streamed) => core.streams.over(request, streamed),
        None => request,
    };
    requests.push((
        request,
        After::Card {
            track,
            person: person.to_owned(),
        },
    ));
    Ok(())
}

/// What one person sees: their own values over those of everybody.
pub fn view(card: &Card, person: &str) -> BTreeMap<String, String> {
    let mut all = card.params.clone();
    all.extend(card.private.get(person).cloned().unwrap_or_default());
    all
}

/// The form component's answer: choices with their index, everything else as text.
fn fill(form: &Value, values: &BTreeMap<String, Vec<String>>) -> Result<Value, SimError> {
    let mut out = json!({});
    let refused = |what: String| Err(SimError::Refused(what));
    for field in form.get("fields").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| field.get(key).and_then(Value::as_str).unwrap_or_default();
        let name = text("name");
        let given = values.get(name).cloned().unwrap_or_default();
        if given.iter().all(String::is_empty) {
            if field.get("required") == Some(&Value::Bool(true)) {
                return refused(format!("{name} must be filled in"));
            }
            continue;
        }
        let options: Vec<&str> = field
            .get("options")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|o| o.get("value").and_then(Value::as_str))
            .collect();
        let index = |value: &String| options.iter().position(|o| o == value);
        out[name] = match text("type") {
            "SELECT" => match given.first().and_then(|v| Some((index(v)?, v))) {
                Some((index, value)) => json!({ "index": index, "value": value }),
                None => return refused(format!("{name} has no such choice")),
            },
            "MULTI_SELECT" => {
                let indexes: Option<Vec<usize>> = given.iter().map(index).collect();
                match indexes {
                    Some(indexes) => json!({ "index": indexes, "value": given }),
                    None => return refused(format!("{name} has no such choice")),
                }
            }
            _ => given.join("\n").into(),
        };
    }
    Ok(out)
}

/// An event push, encrypted afresh for every attempt. An app that neither has a callback address nor
/// has chosen Stream mode gets none.
pub fn event(core: &Core, state: &State, push: &Push) -> Option<CallbackRequest> {
    let app = state.app(&push.app)?;
    if app.hook.is_none() && !core.streams.takes(&push.app, &stream::events()) {
        return None;
    }
    let hook = app.hook.clone().unwrap_or_default();
    Some(push::request(&core.streams, app.spec.clone(), hook, push, &state.corp))
}
