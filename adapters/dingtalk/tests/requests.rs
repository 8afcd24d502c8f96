//! What the adapter really writes on the wire, held against the published requests: same method, same
//! path, no key that the page does not have, the same JSON types; and the published answers are read.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

mod bench;

use bench::{Bench, Seen, find, published};
use hutong_model::{
    Action, Button, ButtonStyle, CalendarEntry, ChatId, ChatKind, ChatRef, DepartmentId, Inline, Message, MessageId,
    Target, Timestamp, UserId,
};
use serde_json::{Value, json};

/// Every key of ours stands in the page's sample, with the same kind of value. Maps whose keys are
/// ids or template variables are compared by the kind of their values only.
fn fits(ours: &Value, theirs: &Value, at: &str) {
    let kind = |v: &Value| match v {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    };
    assert_eq!(kind(ours), kind(theirs), "{at}");
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let free = ["cardParamMap", "atUserIds", "lastMessageI18n"]
                .iter()
                .any(|n| at.ends_with(n));
            for (key, value) in a {
                let other = if free { b.values().next() } else { b.get(key) };
                let other = other.unwrap_or_else(|| panic!("{at}.{key} is not on the page"));
                fits(value, other, &format!("{at}.{key}"));
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            for value in a {
                fits(value, &b[0], &format!("{at}[]"));
            }
        }
        _ => {}
    }
}

fn held_against(seen: &Seen, call: &Value) {
    let id = call["id"].as_str().unwrap();
    assert_eq!(seen.method, call["method"].as_str().unwrap(), "{id}");
    assert_eq!(seen.path(), call["path_template"].as_str().unwrap(), "{id}");
    assert_eq!(
        seen.headers.get("x-acs-dingtalk-access-token").map(String::as_str),
        Some("fw8ef8we8f76e6f7s8dxxxx"),
        "{id}"
    );
    let body = &call["documented_sample"]["body"];
    if body.is_null() {
        assert!(seen.body.is_empty(), "{id}");
    } else {
        fits(&seen.json(), body, id);
    }
}

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

fn chat() -> ChatId {
    ChatId::new("cid6KeBBLoveMJOGXoYKF5x7EeiodoA==").unwrap()
}

fn card() -> Message {
    Message::card("公告")
        .paragraph(vec![Inline::Mention {
            user: user("user4567"),
            name: "小钉".into(),
        }])
        .buttons(vec![Button {
            label: "收到".into(),
            action: "t".into(),
            style: ButtonStyle::Normal,
        }])
}

#[tokio::test]
async fn calls_of_the_new_generation_are_the_published_ones() {
    let (new, _) = published();
    let bench = Bench::new().await;
    let group = Target::Chat(chat());
    let send = |to: Target, content: Message| Action::Send { to, content };

    let (receipt, seen) = bench.sent(&send(group.clone(), Message::text("你好"))).await;
    held_against(&seen[0], find(&new, "robot.groupMessages.send"));
    assert_eq!(seen[0].json()["msgParam"], r#"{"content":"你好"}"#);
    let group_message = receipt.message.unwrap();
    assert_eq!(
        group_message.as_str(),
        "g:cid6KeBBLoveMJOGXoYKF5x7EeiodoA==:jkasdfb8va9hndjksnvzkj"
    );

    let to_user = Target::User(user("manager1234"));
    let (receipt, seen) = bench
        .sent(&send(to_user.clone(), Message::card("公告").line("正文")))
        .await;
    held_against(&seen[0], find(&new, "robot.oToMessages.batchSend"));
    let failed: Vec<&str> = receipt.failed.iter().map(|f| f.receiver.as_str()).collect();
    assert_eq!(failed, ["manage25231", "manage25232"]);
    let user_message = receipt.message.unwrap();

    let (receipt, seen) = bench
        .sent(&Action::Readers {
            message: group_message.clone(),
        })
        .await;
    held_against(&seen[0], find(&new, "robot.groupMessages.query"));
    assert_eq!(receipt.users, [user("manager1234")]);
    let spicy = MessageId::new("u:manager1234:QZSomGAKQlQzXnvT2i0VvsH4ApF+BZtd6uQaeFuBKrc=").unwrap();
    let (receipt, seen) = bench.sent(&Action::Readers { message: spicy }).await;
    held_against(&seen[0], find(&new, "robot.oToMessages.readStatus"));
    assert_eq!(
        seen[0].target,
        "/v1.0/robot/oToMessages/readStatus?processQueryKey=QZSomGAKQlQzXnvT2i0VvsH4ApF%2BBZtd6uQaeFuBKrc%3D&\
         robotCode=dingexampleappkey00"
    );
    assert_eq!(receipt.users, [user("201382020")]);

    let (_, seen) = bench
        .sent(&Action::Recall {
            message: group_message.clone(),
        })
        .await;
    held_against(&seen[0], find(&new, "robot.groupMessages.recall"));
    let (_, seen) = bench.sent(&Action::Recall { message: user_message }).await;
    held_against(&seen[0], find(&new, "robot.otoMessages.batchRecall"));

    // The page's sample of a delivery carries errorMsg beside success true.
    let (receipt, seen) = bench.sent(&send(group, card())).await;
    held_against(&seen[0], find(&new, "card.callbacks.register"));
    held_against(&seen[1], find(&new, "card.createAndDeliver"));
    assert_eq!(seen[1].json()["outTrackId"], "0123456789abcdef0123456789abcdef");
    assert_eq!(
        seen[1].json()["imGroupOpenDeliverModel"]["atUserIds"],
        json!({"user4567": "小钉"})
    );
    let card_id = receipt.message.unwrap();
    assert!(
        card_id.as_str().ends_with(":4v+AzUEDuC0dKuO*********J0w8="),
        "{card_id}"
    );
    let (_, seen) = bench.sent(&send(to_user, card())).await;
    assert_eq!(seen.len(), 1, "registered once");
    held_against(&seen[0], find(&new, "card.createAndDeliver"));
    let update = Action::UpdateCard {
        card: card_id,
        context: None,
        content: card(),
    };
    let (_, seen) = bench.sent(&update).await;
    held_against(&seen[0], find(&new, "card.instances.update"));

    let create = Action::CreateChat {
        name: "研发部".into(),
        owner: user("manager1234"),
        members: vec![user("user4567")],
        description: None,
    };
    let (receipt, seen) = bench.sent(&create).await;
    held_against(&seen[0], find(&new, "im.sceneGroup.create"));
    assert_eq!(seen[0].json()["user_ids"], json!(["manager1234", "user4567"]));
    assert_eq!(receipt.chat.unwrap().as_str(), "cidxxxxxx==");
    let users = vec![user("user4567")];
    let rename = Action::RenameChat {
        chat: chat(),
        name: "客户群".into(),
    };
    let owner = Action::SetOwner {
        chat: chat(),
        owner: user("user4567"),
    };
    for (action, id) in [
        (rename, "im.sceneGroup.update"),
        (owner, "im.sceneGroup.update"),
        (
            Action::AddMembers {
                chat: chat(),
                users: users.clone(),
            },
            "im.sceneGroup.member.add",
        ),
        (
            Action::RemoveMembers {
                chat: chat(),
                users: users.clone(),
            },
            "im.sceneGroup.member.delete",
        ),
        (Action::Disband { chat: chat() }, "im.chat.scenegroup.disband"),
        (
            Action::ListMembers { chat: chat() },
            "im.sceneGroups.members.batchQuery",
        ),
        (
            Action::Urgent {
                message: group_message,
                users,
            },
            "robot.ding.send",
        ),
    ] {
        let (receipt, seen) = bench.sent(&action).await;
        held_against(&seen[0], find(&new, id));
        if matches!(action, Action::ListMembers { .. }) {
            assert_eq!(receipt.users, [user("manager7675")]);
        }
    }
}

#[tokio::test]
async fn the_calendar_call_is_the_project_example() {
    let (new, _) = published();
    let examples = new["project_examples"].as_array().unwrap();
    let example = examples.iter().find(|c| c["id"] == "calendar.events.create").unwrap();
    let bench = Bench::new().await;
    let entry = CalendarEntry {
        title: "培训".into(),
        description: "新人培训".into(),
        from: Timestamp(1_767_682_800_000),
        to: Timestamp(1_767_686_400_000),
        attendees: vec![user("user4567")],
    };
    let (receipt, seen) = bench.sent(&Action::Calendar { entry }).await;
    assert_eq!(receipt.handle.as_deref(), Some("iiiP35sJadba8aBSgjrwPRKgiEiF"));
    let call = seen.last().unwrap();
    assert_eq!(call.headers["x-client-token"], "0123456789abcdef0123456789abcdef");
    let body = call.json();
    for key in ["summary", "description", "start", "end", "isAllDay", "reminders"] {
        assert_eq!(body[key], example["body"][key], "{key}");
    }
    fits(&body["attendees"], &example["body"]["attendees"], "attendees");
    // Both ids were looked up as union ids.
    assert_eq!(seen.len(), 3);
    assert!(seen[0].target.starts_with("/topapi/v2/user/get?access_token="));
}

#[tokio::test]
async fn calls_of_the_old_generation_are_the_published_ones() {
    let (_, old) = published();
    let bench = Bench::new().await;
    let person = bench.adapter.person(&user("user4567")).await.unwrap().unwrap();
    assert_eq!(person.name, "张三");
    let page = bench
        .adapter
        .people(&DepartmentId::new("100").unwrap(), None)
        .await
        .unwrap();
    assert_eq!((page.items.len(), page.next.as_deref()), (1, Some("10")));
    let seen = std::mem::take(&mut *bench.seen.lock().unwrap());
    for (path, id) in [
        ("/topapi/v2/user/get", "user.get"),
        ("/topapi/v2/user/list", "user.list"),
    ] {
        let got = seen.iter().find(|s| s.path() == path).unwrap();
        let vector = find(&old, id);
        assert_eq!(got.method, vector["method"].as_str().unwrap());
        assert!(got.target.contains("?access_token=fw8ef8we8f76e6f7s8dxxxx"));
        // The SDK writes every scalar as text; the keys must be the same.
        for key in got.json().as_object().unwrap().keys() {
            assert!(vector["body"].get(key).is_some(), "{id}: {key}");
        }
    }
    let upload = Action::Upload {
        name: "a.png".into(),
        media_type: "image/png".into(),
        data: "iVBORw0KGgo=".into(),
    };
    let (receipt, seen) = bench.sent(&upload).await;
    assert_eq!(receipt.handle.as_deref(), Some("$iAEKAqNwbmcDBgTNAk"));
    assert!(seen[0].target.starts_with("/media/upload?access_token="));
    let body = String::from_utf8_lossy(&seen[0].body);
    for part in [
        "name=\"type\"\r\n\r\nimage\r\n",
        "name=\"media\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n",
    ] {
        assert!(body.contains(part), "{body}");
    }
}

#[tokio::test]
async fn replies_by_session_webhook_are_the_published_ones() {
    let all: Value = serde_json::from_str(include_str!("vectors/session_webhook.json")).unwrap();
    let requests = all["requests"].as_array().unwrap();
    let find = |id: &str| requests.iter().find(|r| r["id"] == id).unwrap();
    let bench = Bench::new().await;
    let reply = |content: Message| Action::Reply {
        message: MessageId::new("msgSim000000000000000101==").unwrap(),
        chat: ChatRef {
            id: chat(),
            kind: ChatKind::Group,
            name: None,
        },
        context: Some(
            json!({
                "w": format!("{}/robot/sendBySession?session=exampleSession", bench.base),
                "e": 1_751_605_501_200_i64, "u": "user123",
            })
            .to_string(),
        ),
        content,
    };
    let mention = Inline::Mention {
        user: user("user123"),
        name: "小钉".into(),
    };
    let text = Message::text("收到").paragraph(vec![mention.clone()]);
    let mut markdown = Message::card("标题").line("收到").paragraph(vec![mention]);
    markdown.card = true;
    for (content, id) in [
        (text, "bot_text_group: reply_text"),
        (markdown, "bot_text_group: reply_markdown"),
    ] {
        let (_, seen) = bench.sent(&reply(content)).await;
        let vector = find(id);
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].target, vector["request_target"].as_str().unwrap());
        assert!(
            !seen[0].headers.contains_key("x-acs-dingtalk-access-token"),
            "no token goes there"
        );
        let mut body = seen[0].json();
        // Said out loud by us, left to its default by the SDK.
        assert_eq!(body["at"]["isAtAll"], false);
        body["at"].as_object_mut().unwrap().remove("isAtAll");
        fits(&body, &vector["body"], id);
        assert_eq!(body["at"], vector["body"]["at"]);
    }
}
