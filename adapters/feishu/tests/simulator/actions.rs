//! The bot acts and reads.

use std::collections::BTreeSet;
use std::time::Duration;

use hutong_model::{
    Action, Adapter, Block, Body, CalendarEntry, ChatId, ChatKind, ChatRef, Inline, Message, MessageId, Outcome, Table,
    Target, UserId,
};
use hutong_simkit::{FaultKind, ScreenPart, Simulator, Verb};

use crate::stage::*;

#[tokio::test]
async fn the_directory_is_read_to_its_end() {
    let stage = stage().await;
    let adapter = &stage.bot().adapter;
    let mut departments = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = adapter.departments(cursor.as_deref()).await.unwrap();
        departments.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(departments.len(), 72, "the root, one department, seventy teams");
    let root = departments.iter().find(|d| d.parent.is_none()).unwrap();
    let engineering = departments.iter().find(|d| d.name == "工程部").unwrap();
    assert_eq!(engineering.parent.as_ref(), Some(&root.id));
    assert_eq!(
        departments
            .iter()
            .filter(|d| d.parent.as_ref() == Some(&engineering.id))
            .count(),
        70
    );
    let mut people = Vec::new();
    for (n, department) in departments.iter().enumerate() {
        // Fifty calls a second are allowed; the standing clock has to be helped along.
        if n % 25 == 24 {
            stage.clock.advance(Duration::from_secs(1));
        }
        let mut cursor: Option<String> = None;
        loop {
            let page = adapter.people(&department.id, cursor.as_deref()).await.unwrap();
            assert!(page.items.len() <= 50);
            people.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
    }
    let unique: BTreeSet<&str> = people.iter().map(|p| p.user.as_str()).collect();
    assert_eq!((unique.len(), people.len()), (131, 131));
    let one = people.iter().find(|p| p.user.as_str() == "u007").unwrap();
    assert_eq!(one.leader, Some(user("u000")));
    assert_eq!(one.employee_no.as_deref(), Some("E0007"));
    // A read waits out a limit.
    stage.fault(
        "/contact",
        1,
        FaultKind::Code {
            code: 99_991_400,
            text: "slowly".into(),
        },
    );
    assert_eq!(adapter.person(&one.user).await.unwrap().as_ref(), Some(one));
    // Any of the ids finds the person; an unknown one finds nobody.
    let open = one.aliases.iter().find(|a| a.as_str().starts_with("ou_")).unwrap();
    assert_eq!(adapter.person(&one.user).await.unwrap().as_ref(), Some(one));
    let same = adapter.person(open).await.unwrap().unwrap();
    assert_eq!((&same.user, &same.departments), (&one.user, &one.departments));
    stage.no_complaints();
    assert_eq!(adapter.person(&user("ou_nobody")).await.unwrap(), None);
}

#[tokio::test]
async fn every_action_does_what_it_says() {
    let stage = stage().await;
    let group = stage.group(5).await;
    let png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    let upload = |name: &str, media_type: &str| Action::Upload {
        name: name.into(),
        media_type: media_type.into(),
        data: png.into(),
    };
    let image = stage.sent(upload("图.png", "image/png")).await.handle.unwrap();
    let file = stage.sent(upload("手册.pdf", "application/pdf")).await.handle.unwrap();
    let card = Message::card("公告")
        .line("请看 <at id=all></at>")
        .paragraph(vec![
            Inline::Strong("重要".into()),
            Inline::Text(" & [x](https://evil.example) ".into()),
            Inline::Mention {
                user: user("u001"),
                name: "x".into(),
            },
            Inline::Link {
                label: "说明".into(),
                url: "https://hutong.example/a".into(),
            },
        ])
        .block(Block::Image {
            handle: image.clone(),
            alt: "图".into(),
        })
        .block(Block::Table(Table {
            columns: vec!["a".into()],
            rows: vec![vec!["<b>".into()]],
        }))
        .note("小字");
    let sent = stage.send(&group, card.clone()).await;
    stage
        .send(
            &group,
            Message::default().block(Block::Image {
                handle: file,
                alt: "手册".into(),
            }),
        )
        .await;
    let screen = stage.sim.screen(group.as_str(), "u001", 10);
    let parts = &screen.iter().find(|i| i.id == sent.as_str()).unwrap().parts;
    assert_eq!(
        parts[0],
        ScreenPart::Title {
            text: "公告".into(),
            color: "blue".into()
        }
    );
    assert_eq!(
        parts[1],
        ScreenPart::Text {
            text: "请看 <at id=all></at>".into()
        }
    );
    assert!(parts.contains(&ScreenPart::Text {
        text: " & [x](https://evil.example) ".into()
    }));
    assert!(parts.contains(&ScreenPart::Mention {
        user: "u001".into(),
        name: "员工1".into(),
        everyone: false
    }));
    assert!(parts.contains(&ScreenPart::Table {
        columns: vec!["a".into()],
        rows: vec![vec!["<b>".into()]]
    }));
    assert!(parts.contains(&ScreenPart::Image {
        handle: image,
        alt: "图".into()
    }));
    assert_eq!(parts.last(), Some(&ScreenPart::Note { text: "小字".into() }));

    let update = Action::UpdateCard {
        card: sent.clone(),
        context: None,
        content: Message::card("改").line("新"),
    };
    stage.sent(update).await;
    assert!(stage.texts(group.as_str())[0].starts_with("【改】新"));
    stage.sent(Action::Pin { message: sent.clone() }).await;
    stage
        .sent(Action::React {
            message: sent.clone(),
            emoji: "DONE".into(),
        })
        .await;
    let urgent = Action::Urgent {
        message: sent.clone(),
        users: vec![user("u001"), user("u099")],
    };
    let receipt = stage.sent(urgent).await;
    assert_eq!(
        receipt.failed.iter().map(|f| f.receiver.as_str()).collect::<Vec<_>>(),
        ["u099"]
    );
    stage
        .sim
        .act(Verb::Read {
            person: "u002".into(),
            message: sent.as_str().into(),
        })
        .await
        .unwrap();
    assert_eq!(
        stage.sent(Action::Readers { message: sent.clone() }).await.users,
        [user("u002")]
    );
    let entry = CalendarEntry {
        title: "分享会".into(),
        description: "线上".into(),
        from: START,
        to: START + Duration::from_secs(3600),
        attendees: vec![user("u001"), user("u002")],
    };
    assert!(stage.sent(Action::Calendar { entry }).await.handle.is_some());
    stage.sent(Action::Recall { message: sent.clone() }).await;
    stage.no_complaints();
    // A second time it is gone already, which is what was wanted.
    stage.sent(Action::Recall { message: sent.clone() }).await;
    assert!(matches!(
        stage
            .run(Action::Pin {
                message: MessageId::new("om_none").unwrap()
            })
            .await,
        Outcome::Rejected { .. }
    ));
}

#[tokio::test]
async fn groups_are_made_and_kept() {
    let stage = stage().await;
    stage.take();
    let all: Vec<UserId> = (0..120).map(|n| user(&format!("u{n:03}"))).collect();
    let create = Action::CreateChat {
        name: "工程部".into(),
        owner: user("u000"),
        members: all.clone(),
        description: Some("部门群".into()),
    };
    let key = fresh_key();
    let Outcome::Sent(receipt) = stage.with_key(&create, &key).await else {
        panic!()
    };
    let chat = receipt.chat.unwrap();
    assert!(receipt.failed.is_empty());
    let Outcome::Sent(again) = stage.with_key(&create, &key).await else {
        panic!()
    };
    assert_eq!(again.chat.as_ref(), Some(&chat), "the key makes one group");
    let mut members = stage.sent(Action::ListMembers { chat: chat.clone() }).await.users;
    members.sort();
    assert_eq!(members, all);
    stage.clock.advance(Duration::from_secs(1));
    let users = vec![user("u121"), user("nobody"), user("u122")];
    let receipt = stage
        .sent(Action::AddMembers {
            chat: chat.clone(),
            users,
        })
        .await;
    assert_eq!(receipt.failed.len(), 1);
    assert_eq!(
        (receipt.failed[0].receiver.as_str(), receipt.failed[0].code.as_str()),
        ("nobody", "not_existed_id_list")
    );
    stage
        .sent(Action::RemoveMembers {
            chat: chat.clone(),
            users: vec![user("u121")],
        })
        .await;
    stage
        .sent(Action::RenameChat {
            chat: chat.clone(),
            name: "工程大群".into(),
        })
        .await;
    stage
        .sent(Action::SetOwner {
            chat: chat.clone(),
            owner: user("u005"),
        })
        .await;
    let found = stage.sim.chats().into_iter().find(|c| c.id == chat.as_str()).unwrap();
    assert_eq!(
        (found.name.as_str(), found.owner.as_deref(), found.members.len()),
        ("工程大群", Some("u005"), 121)
    );
    // What the bot does itself is told to it as well.
    let heard = stage.wait(6).await;
    assert_eq!(
        heard
            .iter()
            .filter(|i| matches!(&i.body, Body::Member { joined: true, .. }))
            .count(),
        3
    );
    stage.sent(Action::Disband { chat: chat.clone() }).await;
    stage.no_complaints();
    stage.sent(Action::Disband { chat: chat.clone() }).await;
    let late = stage
        .run(Action::Send {
            to: Target::Chat(chat),
            content: Message::text("x"),
        })
        .await;
    assert!(
        matches!(&late, Outcome::Rejected { code, .. } if code == "232009"),
        "{late:?}"
    );
}

#[tokio::test]
async fn what_the_platform_refuses_is_written_down() {
    let stage = stage().await;
    let chat = stage.group(3).await;
    let gone = stage
        .run(Action::Send {
            to: Target::User(user("nobody")),
            content: Message::text("x"),
        })
        .await;
    assert!(
        matches!(&gone, Outcome::Rejected { code, .. } if code == "230034"),
        "{gone:?}"
    );
    stage.sim.act(Verb::Quit { person: "u009".into() }).await.unwrap();
    let left = stage
        .run(Action::Send {
            to: Target::User(user("u009")),
            content: Message::text("x"),
        })
        .await;
    assert!(
        matches!(&left, Outcome::Rejected { code, .. } if code == "230013"),
        "{left:?}"
    );
    // One unknown person fails the whole card, which is then sent with their name.
    let mention = |id: &str, name: &str| Inline::Mention {
        user: user(id),
        name: name.into(),
    };
    let unknown = Message::card("x").paragraph(vec![mention("nobody", "王*五*"), mention("u001", "员工1")]);
    let receipt = stage
        .sent(Action::Send {
            to: Target::Chat(chat.clone()),
            content: unknown,
        })
        .await;
    let failed: Vec<(&str, &str)> = receipt.failed.iter().map(|f| (&*f.receiver, &*f.code)).collect();
    assert_eq!(failed, [("nobody", "100290")]);
    assert_eq!(stage.texts(chat.as_str()), ["【x】@王*五*@员工1\n"]);
    let verb = Verb::RemoveBot {
        chat: chat.as_str().into(),
        app: stage.bot().id.clone(),
        by: "u000".into(),
    };
    stage.sim.act(verb).await.unwrap();
    let out = stage
        .run(Action::Send {
            to: Target::Chat(chat),
            content: Message::text("x"),
        })
        .await;
    assert!(
        matches!(&out, Outcome::Rejected { code, .. } if code == "230002"),
        "{out:?}"
    );
    assert_eq!(stage.sim.complaints().len(), 4, "{:?}", stage.sim.complaints());
}

#[tokio::test]
async fn the_control_interface_is_served_beside_the_platform() {
    let stage = stage().await;
    let client = hutong_simkit::ladder::loopback_client(Duration::from_secs(3)).unwrap();
    let info = client
        .get(format!("{}/_sim/info", stage.sim.base_url()))
        .send()
        .await
        .unwrap();
    assert_eq!(info.status(), 200);
    assert!(info.text().await.unwrap().contains(&stage.bot().id));
    let direct = ChatRef {
        id: ChatId::new("oc_x").unwrap(),
        kind: ChatKind::Direct,
        name: None,
    };
    let reply = Action::Reply {
        message: MessageId::new("om_x").unwrap(),
        chat: direct,
        context: None,
        content: Message::text("x"),
    };
    assert!(matches!(stage.run(reply).await, Outcome::Rejected { .. }));
}
