//! People talk, the bot hears.

use std::collections::BTreeSet;
use std::time::Instant;

use hutong_feishu::sim::SimAppOptions;
use hutong_model::Platform;
use hutong_model::{Action, Adapter, Body, ChatKind, Inline, Message, MessageEvent, Target};
use hutong_simkit::company::{self, PlatformApps, Player};
use hutong_simkit::{ChatSel, Simulator, Verb};

use crate::stage::*;

#[tokio::test]
async fn a_question_and_its_answer() {
    let stage = stage().await;
    let chat = stage.group(5).await;
    let added = stage.take();
    assert!(matches!(&added[0].body, Body::Bot { added: true, chat, .. } if chat.name.as_deref() == Some("研发一部")));

    let asked = stage.say("u001", &chat, "<@bot> 感谢 <@u002> 帮忙，`<@u003>`").await;
    assert_eq!((asked.callbacks_ok, asked.callbacks_failed), (1, 0));
    let heard = stage.take();
    let event = message(&heard[0]);
    assert_eq!(heard[0].key, asked.message.clone().unwrap());
    assert_eq!(heard[0].occurred_at, START);
    assert!(event.addressed);
    assert_eq!(event.text(), "感谢 @员工2 帮忙，@员工3");
    assert_eq!(
        event.mentions().map(|m| m.user.clone().unwrap()).collect::<Vec<_>>(),
        [user("u002")]
    );
    assert_eq!(event.sender.user, Some(user("u001")));

    let answer = Message::default().paragraph(vec![
        Inline::Text("已记录，".into()),
        Inline::Mention {
            user: user("u002"),
            name: "x".into(),
        },
        Inline::Text(" <at user_id=\"all\"></at>".into()),
    ]);
    let receipt = stage
        .sent(Action::Reply {
            message: event.message.clone(),
            chat: event.chat.clone(),
            context: None,
            content: answer,
        })
        .await;
    assert_eq!(receipt.chat, Some(chat.clone()));
    let items = stage.sim.screen(chat.as_str(), "u001", 10);
    let last = items.last().unwrap();
    assert_eq!(last.reply_to, asked.message);
    assert_eq!(
        shown(&last.parts),
        "已记录，@员工2 <at user_id=\"all\"></at>",
        "text is text"
    );
    stage.no_complaints();
}

#[tokio::test]
async fn an_app_without_the_scope_hears_what_is_addressed_to_it() {
    let stage = stage_with(
        vec![SimAppOptions::new(1, "甲", false), SimAppOptions::new(2, "乙", false)],
        true,
    )
    .await;
    let chat = stage.group(4).await;
    stage.apps.iter().for_each(|a| a.heard.heard.lock().unwrap().clear());
    assert_eq!(stage.say("u001", &chat, "大家好").await.callbacks_ok, 0);
    assert_eq!(stage.say("u001", &chat, "<@all> 大家好").await.callbacks_ok, 0);
    let second = stage.apps[1].id.clone();
    assert_eq!(
        stage
            .say("u001", &chat, &format!("<@{second}> 在吗"))
            .await
            .callbacks_ok,
        1
    );
    assert!(stage.apps[0].heard.heard.lock().unwrap().is_empty());
    let heard = std::mem::take(&mut *stage.apps[1].heard.heard.lock().unwrap());
    assert!(message(&heard[0]).addressed);
    // Mentioned together: each knows itself by its id.
    let first = stage.apps[0].id.clone();
    assert_eq!(
        stage
            .say("u001", &chat, &format!("<@{second}> <@{first}> 都在吗"))
            .await
            .callbacks_ok,
        2
    );
    for app in &stage.apps {
        let heard = std::mem::take(&mut *app.heard.heard.lock().unwrap());
        let event = message(&heard[0]);
        assert!(event.addressed);
        assert_eq!(event.mentions().filter(|m| m.bot).count(), 1, "the other bot stays");
    }
    // Private chats are always heard.
    let verb = Verb::Say {
        person: "u001".into(),
        chat: ChatSel::DirectWith(first),
        text: "/help".into(),
        reply_to: None,
    };
    assert_eq!(stage.sim.act(verb).await.unwrap().callbacks_ok, 1);
    let heard = std::mem::take(&mut *stage.apps[0].heard.heard.lock().unwrap());
    assert_eq!(message(&heard[0]).chat.kind, ChatKind::Direct);
    stage.no_complaints();
}

#[tokio::test]
async fn everything_people_do_arrives_as_its_event() {
    let stage = stage().await;
    let chat = stage.group(5).await;
    let asked = stage.say("u001", &chat, "你好").await.message.unwrap();
    let card = stage.send(&chat, Message::text("在")).await;
    let direct = stage
        .sent(Action::Send {
            to: Target::User(user("u001")),
            content: Message::text("私聊"),
        })
        .await;
    stage.take();
    let at = |verb: Verb| {
        let sim = stage.sim.clone();
        async move { sim.act(verb).await.unwrap() }
    };
    let react = |on| Verb::React {
        person: "u002".into(),
        message: asked.clone(),
        emoji: "THUMBSUP".into(),
        on,
    };
    at(react(true)).await;
    at(react(true)).await;
    at(react(false)).await;
    at(Verb::Recall {
        person: "u001".into(),
        message: asked.clone(),
    })
    .await;
    at(Verb::Read {
        person: "u002".into(),
        message: card.as_str().into(),
    })
    .await;
    at(Verb::Read {
        person: "u001".into(),
        message: direct.message.unwrap().as_str().into(),
    })
    .await;
    at(Verb::Join {
        person: "u050".into(),
        chat: chat.as_str().into(),
        by: Some("u000".into()),
    })
    .await;
    at(Verb::Leave {
        person: "u003".into(),
        chat: chat.as_str().into(),
    })
    .await;
    at(Verb::RenameChat {
        chat: chat.as_str().into(),
        name: "新名".into(),
        by: "u000".into(),
    })
    .await;
    at(Verb::Transfer {
        person: "u004".into(),
        department: "t3".into(),
    })
    .await;
    at(Verb::Hire {
        person: person(200, "eng"),
    })
    .await;
    at(Verb::Quit { person: "u004".into() }).await;
    at(Verb::OpenDirect {
        person: "u001".into(),
        app: stage.bot().id.clone(),
    })
    .await;
    at(Verb::RemoveBot {
        chat: chat.as_str().into(),
        app: stage.bot().id.clone(),
        by: "u000".into(),
    })
    .await;
    at(Verb::AddBot {
        chat: chat.as_str().into(),
        app: stage.bot().id.clone(),
        by: "u000".into(),
    })
    .await;
    at(Verb::Disband {
        chat: chat.as_str().into(),
        by: "u000".into(),
    })
    .await;
    let heard = stage.take();
    let kinds: Vec<&str> = heard.iter().map(|i| i.body.kind().as_str()).collect();
    assert_eq!(
        kinds,
        [
            "reaction",
            "reaction",
            "recall",
            "read",
            "member",
            "member",
            "chat",
            "person",
            "person",
            "person",
            "member",
            "chat_entered",
            "bot",
            "bot",
            "chat"
        ]
    );
    let Body::Person {
        record: Some(moved), ..
    } = &heard[7].body
    else {
        panic!("{:?}", heard[7])
    };
    let department = moved.departments[0].clone();
    assert_eq!(moved.user, user("u004"));
    assert_eq!(moved.aliases.len(), 2);
    assert!(
        matches!(
            &heard[8].body,
            Body::Person {
                record: None,
                left: false,
                ..
            }
        ),
        "ids only: ask the directory"
    );
    assert!(matches!(&heard[9].body, Body::Person { left: true, .. }));
    let people = stage.bot().adapter.people(&department, None).await.unwrap();
    assert!(people.items.is_empty(), "who has left is not listed");
    let unique: BTreeSet<&str> = heard.iter().map(|i| i.key.as_str()).collect();
    assert_eq!(unique.len(), heard.len());
    stage.no_complaints();
}

#[tokio::test]
async fn without_the_scope_people_are_named_by_open_id() {
    let mut options = SimAppOptions::new(3, "胡同", true);
    options.user_id_scope = false;
    let stage = stage_with(vec![options], true).await;
    let chat = stage.group(3).await;
    stage.take();
    stage.say("u001", &chat, "<@bot> 你好").await;
    let heard = stage.take();
    let sender = message(&heard[0]).sender.user.clone().unwrap();
    assert!(sender.as_str().starts_with("ou_"));
    let members = stage.sent(Action::ListMembers { chat: chat.clone() }).await.users;
    assert!(members.contains(&sender) && members.len() == 3);
    stage
        .sent(Action::Send {
            to: Target::User(sender),
            content: Message::text("hi"),
        })
        .await;
    stage.no_complaints();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_people_talk_at_once_and_every_chat_stays_in_order() {
    let stage = stage().await;
    let mut chats = Vec::new();
    for _ in 0..10 {
        chats.push(stage.group(3).await);
    }
    stage.take();
    let begin = Instant::now();
    let (sim, per_chat) = (stage.sim.clone(), 60);
    let all = chats.clone();
    futures(10, move |n| {
        let (sim, chat) = (sim.clone(), all[n].clone());
        async move {
            for i in 0..per_chat {
                let verb = Verb::Say {
                    person: "u001".into(),
                    chat: ChatSel::Chat(chat.as_str().into()),
                    text: format!("{i}"),
                    reply_to: None,
                };
                assert_eq!(sim.act(verb).await.unwrap().callbacks_ok, 1);
            }
        }
    })
    .await;
    let took = begin.elapsed();
    println!(
        "{} messages in {took:?}: {:?} each",
        10 * per_chat,
        took / (10 * per_chat)
    );
    let heard = stage.take();
    assert_eq!(heard.len(), 600);
    for chat in &chats {
        let texts: Vec<String> = heard
            .iter()
            .map(message)
            .filter(|m| m.chat.id == *chat)
            .map(MessageEvent::text)
            .collect();
        assert_eq!(texts, (0..per_chat).map(|i| i.to_string()).collect::<Vec<_>>());
    }
    stage.no_complaints();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_weeks_of_the_demo_company_are_played() {
    let org = company::org(Platform::Feishu);
    let stage = stage_of(org, vec![SimAppOptions::new(1, "胡同", true)], true).await;
    let app = stage.bot().id.clone();
    let apps = PlatformApps {
        direct: app.clone(),
        groups: vec![app],
    };
    let mut player = Player::new([(Platform::Feishu, apps)].into());
    let begin = Instant::now();
    let (mut steps, mut callbacks) = (0u32, 0);
    for step in company::history(4, START, 7, company::monday_to_friday) {
        if step.platform != Platform::Feishu {
            continue;
        }
        stage.clock.set(step.at);
        let done = player.play(stage.sim.as_ref(), &step).await.unwrap().unwrap();
        assert_eq!(done.callbacks_failed, 0, "{step:?}");
        steps += 1;
        callbacks += done.callbacks_ok;
    }
    println!("{steps} steps, {callbacks} callbacks in {:?}", begin.elapsed());
    assert!(steps > 500 && callbacks > 500);
    let heard = stage.take();
    assert_eq!(heard.len(), callbacks as usize);
    assert!(heard.iter().all(|i| !matches!(i.body, Body::Other { .. })));
    assert!(heard.windows(2).all(|w| w[0].occurred_at <= w[1].occurred_at));
    stage.no_complaints();
}
