//! Changes of groups with the events that they cause, whoever makes them.

use serde_json::{Value, json};

use super::state::{State, union_id};

fn event(state: &State, chat: &str, by: Option<&str>, now: i64) -> Value {
    let mut fields = json!({
        "timeStamp": now, "openConversationId": chat, "corpId": state.corp,
        "chatId": state.chat(chat).map(|c| c.old_id.clone()),
    });
    if let Some(by) = by {
        fields["operator"] = by.into();
        fields["operatorUnionId"] = union_id(by).into();
    }
    fields
}

fn with_people(mut fields: Value, users: &[String]) -> Value {
    fields["userId"] = json!(users);
    fields["unionId"] = users.iter().map(|u| union_id(u)).collect();
    fields
}

pub fn join(state: &mut State, chat: &str, users: &[String], by: Option<&str>, now: i64) {
    let Some(group) = state.chat_mut(chat) else { return };
    let new: Vec<String> = users.iter().filter(|u| !group.members.contains(u)).cloned().collect();
    if new.is_empty() {
        return;
    }
    group.members.extend(new.iter().cloned());
    let names: Vec<String> = new.iter().map(|u| state.name(u)).collect();
    state.notice(chat, now, format!("{} 加入了群聊", names.join("、")));
    let mut fields = with_people(event(state, chat, by, now), &new);
    fields["eventType"] = "chat_add_member".into();
    state.push_chat(chat, "chat_add_member", fields);
}

pub fn remove(state: &mut State, chat: &str, users: &[String], by: Option<&str>, now: i64) {
    let Some(group) = state.chat_mut(chat) else { return };
    let gone: Vec<String> = users.iter().filter(|u| group.members.contains(u)).cloned().collect();
    if gone.is_empty() {
        return;
    }
    group.members.retain(|m| !gone.contains(m));
    let names: Vec<String> = gone.iter().map(|u| state.name(u)).collect();
    state.notice(chat, now, format!("{} 被移出群聊", names.join("、")));
    let fields = with_people(event(state, chat, by, now), &gone);
    state.push_chat(chat, "chat_remove_member", fields);
}

pub fn quit(state: &mut State, chat: &str, user: &str, now: i64) {
    let Some(group) = state.chat_mut(chat) else { return };
    group.members.retain(|m| m != user);
    let text = format!("{} 退出了群聊", state.name(user));
    state.notice(chat, now, text);
    let fields = event(state, chat, Some(user), now);
    state.push_chat(chat, "chat_quit", fields);
}

pub fn rename(state: &mut State, chat: &str, title: &str, by: Option<&str>, now: i64) {
    let Some(group) = state.chat_mut(chat) else { return };
    group.name = title.to_owned();
    state.notice(chat, now, format!("群名改为「{title}」"));
    let mut fields = event(state, chat, by, now);
    fields["title"] = title.into();
    state.push_chat(chat, "chat_update_title", fields);
}

pub fn owner(state: &mut State, chat: &str, user: &str, now: i64) {
    let Some(group) = state.chat_mut(chat) else { return };
    group.owner = Some(user.to_owned());
    let text = format!("{} 成为群主", state.name(user));
    state.notice(chat, now, text);
    // The current sample has neither chatId nor operator.
    let fields = json!({ "owner": user, "timeStamp": now, "corpId": state.corp, "openConversationId": chat });
    state.push_chat(chat, "chat_update_owner", fields);
}

pub fn disband(state: &mut State, chat: &str, by: Option<&str>, now: i64) {
    let Some(group) = state.chat_mut(chat) else { return };
    group.disbanded = true;
    state.notice(chat, now, "群聊已解散".into());
    let fields = event(state, chat, by, now);
    state.push_chat(chat, "chat_disband", fields);
}

/// The robot comes or goes. Only a group app reports it; the other kind stays silent (5.3).
pub fn robot(state: &mut State, chat: &str, app: &str, by: &str, added: bool, now: i64) {
    let Some(group) = state.chat_mut(chat) else { return };
    group.apps.retain(|a| a != app);
    if added {
        group.apps.push(app.to_owned());
    }
    let Some(spec) = state.app(app).map(|a| a.spec.clone()) else {
        return;
    };
    let verb = if added { "被添加到群聊" } else { "被移出群聊" };
    state.notice(chat, now, format!("机器人 {} {verb}", spec.name));
    if let Some(code) = spec.cool_app_code {
        let fields = json!({
            "coolAppCode": code, "operateTime": now.to_string(), "openConversationCorpId": state.corp,
            "robotCode": spec.robot_code, "openConversationId": chat, "operator": by,
        });
        let name = if added {
            "im_cool_app_install"
        } else {
            "im_cool_app_uninstall"
        };
        state.pushes.push(super::state::Push {
            app: app.to_owned(),
            name,
            fields,
        });
    }
}
