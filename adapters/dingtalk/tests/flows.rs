//! The adapter against the simulated platform over real HTTP: what goes right.

#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hutong_model::{
    Action, Block, Body, Button, ButtonStyle, CalendarEntry, ChatChange, ChatId, ChatKind, Field, FieldKind, Form,
    Inline, MentionAllPermit, Message, Timestamp, UserId,
};
use hutong_simkit::{ChatSel, ScreenPart, Simulator as _, Verb};
use world::{START, World, person, reply_to, said, to_user};

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

fn button(label: &str, action: &str) -> Button {
    Button {
        label: label.into(),
        action: action.into(),
        style: ButtonStyle::Primary,
    }
}

#[tokio::test]
async fn the_directory_is_read_whole() {
    let w = World::new().await;
    assert_eq!(*w.hook.challenges.lock().unwrap(), 1, "the address was checked");
    w.adapter.probe().await.unwrap();
    let mut departments = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = w.adapter.departments(cursor.as_deref()).await.unwrap();
        departments.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let tree: BTreeMap<&str, Option<&str>> = departments
        .iter()
        .map(|d| (d.id.as_str(), d.parent.as_ref().map(|p| p.as_str())))
        .collect();
    assert_eq!(
        tree,
        BTreeMap::from([
            ("1", None),
            ("100", Some("1")),
            ("101", Some("100")),
            ("102", Some("1"))
        ])
    );
    assert_eq!(
        departments.iter().find(|d| d.id.as_str() == "100").unwrap().leader,
        Some(user("u_chen"))
    );
    let mut people = BTreeSet::new();
    let mut pages = 0;
    for department in &departments {
        let mut cursor: Option<String> = None;
        loop {
            let page = w.adapter.people(&department.id, cursor.as_deref()).await.unwrap();
            pages += 1;
            people.extend(page.items.into_iter().map(|p| p.user));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
    }
    assert_eq!((people.len(), pages), (133, 5));
    let lin = w.adapter.person(&user("u_lin")).await.unwrap().unwrap();
    assert_eq!(
        (lin.name.as_str(), lin.leader, lin.employee_no.as_deref()),
        ("林立", Some(user("u_chen")), Some("no-u_lin"))
    );
    assert_eq!(w.adapter.person(&user("nobody")).await.unwrap(), None);
    assert_eq!(
        w.calls("/v1.0/oauth2/accessToken"),
        1,
        "the token of the probe serves all"
    );
    w.no_complaints();
}

#[tokio::test]
async fn only_what_is_meant_for_the_robot_reaches_it() {
    let w = World::new().await;
    let chat = w.group(&["u_chen", "u_lin"]).await;
    let first = w.arrived();
    assert!(
        matches!(&first[0].body, Body::Bot { added: true, external: false, chat: c, .. } if c.id == chat),
        "{first:?}"
    );
    for text in ["今天真热", "<@all> 开会", "<@u_lin> 在吗"] {
        let done = w.say("u_chen", &chat, text).await;
        assert_eq!((done.callbacks_ok, done.callbacks_failed), (0, 0));
    }
    assert!(w.arrived().is_empty());
    let done = w.say("u_chen", &chat, "<@bot> 感谢 <@u_lin> 帮我看日志").await;
    assert_eq!((done.callbacks_ok, done.callbacks_failed), (1, 0));
    let message = w.message();
    assert_eq!(message.text(), "感谢 @林立 帮我看日志");
    assert_eq!(message.mentions().next().unwrap().user, Some(user("u_lin")));
    assert_eq!((message.chat.kind, message.addressed), (ChatKind::Group, true));
    assert_eq!(Some(message.message.as_str()), done.message.as_deref());
    let direct = Verb::Say {
        person: "u_wu".into(),
        chat: ChatSel::DirectWith("bot".into()),
        text: "/帮助 `code`".into(),
        reply_to: None,
    };
    w.act(direct).await;
    let message = w.message();
    assert_eq!(
        (message.chat.kind, message.sender.user),
        (ChatKind::Direct, Some(user("u_wu")))
    );
    w.no_complaints();
}

#[tokio::test]
async fn sends_are_seen_read_and_recalled() {
    let w = World::new().await;
    let chat = w.group(&["u_chen", "u_lin"]).await;
    let receipt = w.send(&chat, Message::text("大家好 @all https://x.cn")).await;
    assert_eq!(said(&w.newest(&chat, "u_lin")), "大家好 @all https://x.cn");
    let id = w.newest_id(chat.as_str());
    for reader in ["u_chen", "u_lin"] {
        w.act(Verb::Read {
            person: reader.into(),
            message: id.clone(),
        })
        .await;
    }
    let message = receipt.message.unwrap();
    let readers = w
        .sent(&Action::Readers {
            message: message.clone(),
        })
        .await;
    assert_eq!(readers.users, [user("u_chen"), user("u_lin")]);
    w.sent(&Action::Recall { message }).await;
    assert!(w.sim.screen(chat.as_str(), "u_lin", 1)[0].recalled);
    // To one person, and to nobody.
    let receipt = w.sent(&to_user("u_lin", Message::card("标题").line("正文"))).await;
    let direct = w.direct("u_lin");
    assert_eq!(said(&w.newest(&direct, "u_lin")), "标题\n正文");
    let id = w.newest_id(direct.as_str());
    let message = receipt.message.unwrap();
    let action = Action::Readers {
        message: message.clone(),
    };
    assert!(w.sent(&action).await.users.is_empty());
    w.act(Verb::Read {
        person: "u_lin".into(),
        message: id,
    })
    .await;
    assert_eq!(w.sent(&action).await.users, [user("u_lin")]);
    w.sent(&Action::Recall { message }).await;
    let receipt = w.sent(&to_user("nobody", Message::text("x"))).await;
    assert_eq!(receipt.failed[0].receiver, "nobody");
    w.no_complaints();
}

#[tokio::test]
async fn a_reply_mentions_while_the_session_lives_and_goes_on_without() {
    let w = World::new().await;
    let chat = w.group(&["u_chen", "u_lin"]).await;
    w.say("u_chen", &chat, "<@bot> 你好").await;
    let message = w.message();
    let answer = Message::default().paragraph(vec![
        Inline::Mention {
            user: user("u_chen"),
            name: "陈晨".into(),
        },
        Inline::Text("收到".into()),
    ]);
    let receipt = w.sent(&reply_to(&message, answer.clone())).await;
    assert_eq!(receipt.message, None, "a session webhook names no message");
    let mention = |parts: &[ScreenPart]| parts.iter().any(|p| matches!(p, ScreenPart::Mention { .. }));
    assert!(mention(&w.newest(&chat, "u_lin")));
    assert_eq!(w.calls("/v1.0/robot/groupMessages/send"), 0);
    // Ninety minutes later the session is over: as the robot, the name as text.
    w.advance(Duration::from_secs(91 * 60));
    let receipt = w.sent(&reply_to(&message, answer.clone())).await;
    assert!(receipt.message.is_some());
    assert!(!mention(&w.newest(&chat, "u_lin")));
    assert_eq!(said(&w.newest(&chat, "u_lin")), "@陈晨收到");
    // The platform may forget it earlier than it said.
    w.say("u_chen", &chat, "<@bot> 再问").await;
    let message = w.message();
    w.fault(
        "sendBySession",
        hutong_simkit::FaultKind::Code {
            code: 300_001,
            text: "session 不存在".into(),
        },
    );
    assert!(w.sent(&reply_to(&message, answer)).await.message.is_some());
    assert_eq!(w.robot_messages(&chat), 3);
    w.no_complaints();
}

#[tokio::test]
async fn cards_are_pressed_filled_in_and_updated() {
    let w = World::new().await;
    let chat = w.group(&["u_chen", "u_lin"]).await;
    let form = Form {
        fields: vec![
            Field {
                name: "why".into(),
                label: "原因".into(),
                kind: FieldKind::Text {
                    max_chars: 100,
                    multiline: true,
                },
                required: true,
            },
            Field {
                name: "days".into(),
                label: "哪天".into(),
                kind: FieldKind::MultiSelect(vec![("1".into(), "周一".into()), ("2".into(), "周二".into())]),
                required: false,
            },
        ],
        submit: button("提交", "tok.form"),
    };
    let content = Message::card("投票")
        .paragraph(vec![
            Inline::Text("大家选一下 ".into()),
            Inline::MentionAll(MentionAllPermit::granted_by("a1")),
        ])
        .buttons(vec![button("赞成", "tok.yes"), button("反对", "tok.no")])
        .block(Block::Form(form));
    let receipt = w.send(&chat, content).await;
    let card = receipt.message.unwrap();
    let parts = w.newest(&chat, "u_lin");
    assert!(parts.contains(&ScreenPart::Mention {
        user: String::new(),
        name: "所有人".into(),
        everyone: true
    }));
    let buttons = parts.iter().find_map(|p| match p {
        ScreenPart::Buttons { buttons } => Some(buttons.clone()),
        _ => None,
    });
    assert_eq!(buttons.unwrap()[1].action, "tok.no");
    w.arrived();
    let id = w.newest_id(chat.as_str());
    let press = |action: &str, values: BTreeMap<String, Vec<String>>| Verb::Click {
        person: "u_lin".into(),
        message: id.clone(),
        action: action.into(),
        values,
    };
    let done = w.act(press("tok.no", BTreeMap::new())).await;
    assert_eq!((done.callbacks_ok, done.callbacks_failed), (1, 0));
    let click = w.click();
    assert_eq!((click.action.as_str(), &click.user), ("tok.no", &user("u_lin")));
    assert_eq!(click.chat.as_ref().unwrap().id, chat);
    let values = BTreeMap::from([
        ("why".to_owned(), vec!["因为".to_owned()]),
        ("days".to_owned(), vec!["1".to_owned(), "2".to_owned()]),
    ]);
    w.act(press("tok.form", values)).await;
    let filled = w.click();
    assert_eq!(filled.values["why"], ["因为"]);
    assert_eq!(filled.values["days"], ["1", "2"]);
    assert!(w.sim.act(press("tok.other", BTreeMap::new())).await.is_err());
    assert!(
        w.sim.act(press("tok.form", BTreeMap::new())).await.is_err(),
        "a required field"
    );
    // The id of a click and the id of the receipt both update the card.
    for (card, text) in [(click.card.unwrap(), "一票"), (card.clone(), "两票")] {
        w.sent(&Action::UpdateCard {
            card,
            context: None,
            content: Message::card("投票").line(text),
        })
        .await;
        let parts = w.newest(&chat, "u_chen");
        assert_eq!(said(&parts), format!("投票@所有人{text}"));
        assert!(!parts.iter().any(|p| matches!(p, ScreenPart::Buttons { .. })));
    }
    assert!(w.sim.act(press("tok.yes", BTreeMap::new())).await.is_err(), "gone");
    // A card can be asked for its readers and recalled like any message.
    w.act(Verb::Read {
        person: "u_chen".into(),
        message: id.clone(),
    })
    .await;
    assert_eq!(
        w.sent(&Action::Readers { message: card.clone() }).await.users,
        [user("u_chen")]
    );
    w.sent(&Action::Recall { message: card }).await;
    // To one person.
    let card = Message::card("私").buttons(vec![button("好", "tok.ok")]);
    w.sent(&to_user("u_wu", card)).await;
    let direct = w.direct("u_wu");
    w.act(Verb::Click {
        person: "u_wu".into(),
        message: w.newest_id(direct.as_str()),
        action: "tok.ok".into(),
        values: BTreeMap::new(),
    })
    .await;
    assert_eq!(w.click().action, "tok.ok");
    w.no_complaints();
}

#[tokio::test]
async fn long_content_arrives_in_parts() {
    let w = World::new().await;
    let chat = w.group(&["u_chen"]).await;
    let long = "这是一段很长的话。".repeat(1200);
    w.send(&chat, Message::text(long.clone())).await;
    let all: String = w
        .sim
        .screen(chat.as_str(), "u_chen", 100)
        .iter()
        .filter(|i| i.bot)
        .map(|i| said(&i.parts))
        .collect();
    assert_eq!(all, long);
    let before = w.robot_messages(&chat);
    let outcome = w
        .outcomes(&world::to_chat(
            &chat,
            Message::card("长").line(long).buttons(vec![button("好", "t")]),
        ))
        .await;
    assert!(
        outcome.iter().all(|o| matches!(o, hutong_model::Outcome::Sent(_))),
        "{outcome:?}"
    );
    assert!(w.robot_messages(&chat) > before + 2);
    w.no_complaints();
}

#[tokio::test]
async fn groups_are_made_changed_and_dissolved() {
    let w = World::new().await;
    let create = Action::CreateChat {
        name: "新人群".into(),
        owner: user("u_chen"),
        members: vec![user("u_lin"), user("u_chen")],
        description: None,
    };
    let prepared = w.adapter.prepare(&create).unwrap().remove(0);
    let key = w.key();
    let mut made: Vec<ChatId> = Vec::new();
    for _ in 0..2 {
        // The same key twice: one group.
        match w.adapter.deliver(&prepared, &key).await {
            hutong_model::Outcome::Sent(receipt) => made.push(receipt.chat.unwrap()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(made[0], made[1]);
    assert_eq!(w.sim.chats().len(), 1);
    let chat = made.remove(0);
    w.send(&chat, Message::text("欢迎")).await;
    w.sent(&Action::RenameChat {
        chat: chat.clone(),
        name: "新人营".into(),
    })
    .await;
    w.sent(&Action::AddMembers {
        chat: chat.clone(),
        users: vec![user("u_wu"), user("p1")],
    })
    .await;
    w.sent(&Action::RemoveMembers {
        chat: chat.clone(),
        users: vec![user("p1")],
    })
    .await;
    w.sent(&Action::SetOwner {
        chat: chat.clone(),
        owner: user("u_wu"),
    })
    .await;
    let listed = w.sent(&Action::ListMembers { chat: chat.clone() }).await;
    assert_eq!(listed.users, [user("u_chen"), user("u_lin"), user("u_wu")]);
    let shown = w.sim.chats().remove(0);
    assert_eq!((shown.name.as_str(), shown.owner.as_deref()), ("新人营", Some("u_wu")));
    w.sent(&Action::Disband { chat: chat.clone() }).await;
    assert!(w.sim.chats()[0].disbanded);
    let events = w.until(|seen| seen.len() >= 5).await;
    let joined: Vec<bool> = events
        .iter()
        .filter_map(|e| match &e.body {
            Body::Member { joined, .. } => Some(*joined),
            _ => None,
        })
        .collect();
    assert_eq!(joined, [true, false]);
    assert!(events.iter().any(|e| matches!(&e.body,
        Body::Chat { change: ChatChange::Updated { owner: Some(o), .. }, .. } if *o == user("u_wu"))));
    assert!(events.iter().any(|e| matches!(
        &e.body,
        Body::Chat {
            change: ChatChange::Disbanded,
            ..
        }
    )));
    assert!(events.iter().all(|e| e.lane == format!("chat:{chat}")));
    w.no_complaints();
}

#[tokio::test]
async fn people_come_move_and_go() {
    let w = World::new().await;
    let chat = w.group(&["u_chen", "u_wu"]).await;
    w.arrived();
    w.act(Verb::Hire {
        person: person("u_new", "新人", "101"),
    })
    .await;
    w.act(Verb::Transfer {
        person: "u_new".into(),
        department: "102".into(),
    })
    .await;
    w.act(Verb::Join {
        person: "u_new".into(),
        chat: chat.as_str().into(),
        by: Some("u_chen".into()),
    })
    .await;
    w.act(Verb::Leave {
        person: "u_wu".into(),
        chat: chat.as_str().into(),
    })
    .await;
    w.act(Verb::RenameChat {
        chat: chat.as_str().into(),
        name: "改名".into(),
        by: "u_chen".into(),
    })
    .await;
    w.act(Verb::Quit { person: "u_new".into() }).await;
    let kinds: Vec<String> = w
        .arrived()
        .iter()
        .map(|e| match &e.body {
            Body::Person { user, left, .. } => format!("person {user} {left}"),
            Body::Member { users, joined, by, .. } => {
                let who = users[0].user.as_ref().unwrap();
                format!("member {who} {joined} {}", by.as_ref().map_or("-", |b| b.as_str()))
            }
            Body::Chat {
                change: ChatChange::Updated { name, .. },
                ..
            } => format!("name {}", name.as_ref().unwrap()),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "person u_new false",
            "person u_new false",
            "member u_new true u_chen",
            "member u_wu false u_wu",
            "name 改名",
            "member u_new false -",
            "person u_new true",
        ]
    );
    assert_eq!(w.adapter.person(&user("u_new")).await.unwrap(), None);
    w.no_complaints();
}

#[tokio::test]
async fn files_dings_and_dates() {
    let w = World::new().await;
    let chat = w.group(&["u_chen", "u_lin"]).await;
    let upload = Action::Upload {
        name: "a.png".into(),
        media_type: "image/png".into(),
        data: "iVBORw0KGgo=".into(),
    };
    let handle = w.sent(&upload).await.handle.unwrap();
    let image = Message::card("图").block(Block::Image {
        handle: handle.clone(),
        alt: "曲线".into(),
    });
    let receipt = w.send(&chat, image).await;
    assert!(w.newest(&chat, "u_lin").contains(&ScreenPart::Image {
        handle,
        alt: "曲线".into()
    }));
    let urgent = Action::Urgent {
        message: receipt.message.unwrap(),
        users: vec![user("u_lin"), user("gone")],
    };
    let receipt = w.sent(&urgent).await;
    assert_eq!(receipt.failed.len(), 1);
    let entry = CalendarEntry {
        title: "培训".into(),
        description: "新人培训".into(),
        from: Timestamp(START),
        to: Timestamp(START + 3_600_000),
        attendees: vec![user("u_lin"), user("gone")],
    };
    let prepared = w.adapter.prepare(&Action::Calendar { entry }).unwrap().remove(0);
    let key = w.key();
    for _ in 0..2 {
        let hutong_model::Outcome::Sent(receipt) = w.adapter.deliver(&prepared, &key).await else {
            panic!()
        };
        assert_eq!(receipt.failed[0].receiver, "gone");
    }
    let (dings, entries) = w.sim.side_effects();
    assert_eq!((dings.len(), entries.len()), (1, 1));
    assert_eq!(dings[0].1, ["u_lin"]);
    assert_eq!(entries[0]["attendees"][0]["id"], "u_liniEiE");
    w.no_complaints();
}

#[tokio::test]
async fn read_events_come_where_they_are_ticked() {
    let w = World::with(|spec| spec.read_events = true).await;
    let chat = w.group(&["u_chen", "u_lin"]).await;
    let receipt = w.send(&chat, Message::text("看一下")).await;
    w.arrived();
    w.act(Verb::Read {
        person: "u_lin".into(),
        message: w.newest_id(chat.as_str()),
    })
    .await;
    let got = w.arrived();
    let Body::Read { messages, user: reader } = &got[0].body else {
        panic!("{got:?}")
    };
    assert_eq!(reader, &user("u_lin"));
    assert!(messages.contains(&receipt.message.unwrap()));
}

#[tokio::test]
async fn a_quote_and_a_repeat_are_recognised() {
    let w = World::new().await;
    let chat = w.group(&["u_chen", "u_lin"]).await;
    w.send(&chat, Message::text("问题？")).await;
    let quoted = w.newest_id(chat.as_str());
    w.arrived();
    w.act(Verb::Say {
        person: "u_lin".into(),
        chat: ChatSel::Chat(chat.as_str().into()),
        text: "<@bot> 这个怎么处理".into(),
        reply_to: Some(quoted.clone()),
    })
    .await;
    let first = w.arrived();
    let Body::Message(message) = &first[0].body else {
        panic!("{first:?}")
    };
    assert_eq!(message.reply_to.as_ref().unwrap().as_str(), quoted);
    let done = w.act(Verb::RepeatCallbacks { count: 1 }).await;
    assert_eq!(done.callbacks_ok, 1);
    assert_eq!(w.arrived(), first, "the same message, signed afresh");
    w.no_complaints();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_chats_at_once_and_fast() {
    let w = Arc::new(World::new().await);
    let mut chats = Vec::new();
    for _ in 0..20 {
        chats.push(w.group(&["u_chen", "u_lin"]).await);
    }
    w.arrived();
    let started = std::time::Instant::now();
    let mut tasks = Vec::new();
    for chat in &chats {
        let (w, chat) = (w.clone(), chat.clone());
        tasks.push(tokio::spawn(async move {
            for n in 0..100 {
                let text = if n % 10 == 0 {
                    format!("<@bot> 第{n}句")
                } else {
                    format!("第{n}句")
                };
                w.say("u_chen", &chat, &text).await;
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let seen = w.arrived();
    assert_eq!(seen.len(), 200);
    let keys: BTreeSet<&str> = seen.iter().map(|i| i.key.as_str()).collect();
    assert_eq!(keys.len(), 200, "every message has its own id");
    for chat in &chats {
        let lane = format!("chat:{chat}");
        let order: Vec<String> = seen
            .iter()
            .filter(|i| i.lane == lane)
            .map(|i| match &i.body {
                Body::Message(m) => m.text(),
                other => panic!("{other:?}"),
            })
            .collect();
        let expected: Vec<String> = (0..10).map(|n| format!("第{}句", n * 10)).collect();
        assert_eq!(order, expected);
    }
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    w.no_complaints();
}

/// The demo company's plant works in DingTalk: its four weeks, played as fast as they go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_history_plays_in_seconds() {
    use hutong_model::{ManualClock, Platform};
    use hutong_simkit::company::{self, PlatformApps, Player};
    let clock = ManualClock::at(Timestamp(START));
    let sim = hutong_dingtalk::sim::start(hutong_dingtalk::sim::SimOptions {
        org: company::org(Platform::DingTalk),
        clock: Arc::new(clock.clone()),
        listen: "127.0.0.1:0".parse().unwrap(),
        apps: vec![hutong_dingtalk::sim::SimAppSpec::new("bot", "胡同")],
        extra: None,
    })
    .await
    .unwrap();
    let w = World::on(sim, clock).await;
    let apps = PlatformApps {
        direct: "bot".into(),
        groups: vec!["bot".into()],
    };
    let mut player = Player::new(BTreeMap::from([(Platform::DingTalk, apps)]));
    let started = std::time::Instant::now();
    let mut played = 0;
    let (mut ok, mut failed) = (0, 0);
    for step in company::history(4, Timestamp(START), 7, company::monday_to_friday) {
        w.clock.set(step.at);
        if let Some(done) = player.play(w.sim.as_ref(), &step).await {
            let done = done.unwrap();
            ok += done.callbacks_ok;
            failed += done.callbacks_failed;
            played += 1;
        }
    }
    println!("{played} steps, {ok} callbacks in {:?}", started.elapsed());
    assert!(played > 300, "{played}");
    assert!(ok > 0 && failed == 0, "{ok} {failed}");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    w.no_complaints();
}
