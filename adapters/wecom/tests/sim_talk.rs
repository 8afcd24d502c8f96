//! People and the bot, over the simulated platform.

#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod world;

use world::*;

#[tokio::test]
async fn an_address_is_saved_only_when_it_decrypts() {
    let w = world().await;
    let wrong = w.sim.subscribe("oa", &format!("{}/aib", w.hook_url)).await;
    assert!(matches!(wrong, Err(SimError::Callback(_))), "{wrong:?}");
    let nobody = w.sim.subscribe("oa", "http://127.0.0.1:1/hook").await;
    assert!(matches!(nobody, Err(SimError::Callback(_))), "{nobody:?}");
    assert!(matches!(
        w.sim.subscribe("rob", &w.hook_url).await,
        Err(SimError::Refused(_))
    ));
    assert!(matches!(
        w.sim.subscribe("x", &w.hook_url).await,
        Err(SimError::NotFound(_))
    ));
    let client = hutong_simkit::ladder::loopback_client(Duration::from_secs(5)).unwrap();
    for (path, part) in [("extra", "extra"), ("_sim/info", "wecom")] {
        let text = client
            .get(format!("{}/{path}", w.sim.base_url()))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        assert!(text.contains(part), "{text}");
    }
    w.clean();
}

#[tokio::test]
async fn a_private_talk_with_the_app() {
    let w = world().await;
    let dm = ChatSel::DirectWith("oa".into());
    w.say("chenchen", &dm, "/积分 <@linjie> +5\n谢谢").await;
    let (app, incoming) = w.take().pop().unwrap();
    assert_eq!(
        (app.as_str(), incoming.lane.as_str(), incoming.occurred_at),
        ("oa", "user:chenchen", NOW)
    );
    let Body::Message(message) = incoming.body else {
        panic!()
    };
    assert_eq!(message.text(), "/积分 @林洁 +5\n谢谢");
    assert_eq!(message.chat.kind, ChatKind::Direct);
    let answer = Message::card("积分").line("林洁 +5").paragraph(vec![
        Inline::Strong("合计".into()),
        Inline::Text(" 46，<@all> 见".into()),
        Inline::Link {
            label: "规则".into(),
            url: "https://shiliu.example/r".into(),
        },
    ]);
    let receipt = sent(deliver(&w.app, &reply(&message, answer), &key(1)).await);
    let chat = w
        .sim
        .chats()
        .into_iter()
        .find(|c| c.person.as_deref() == Some("chenchen"))
        .unwrap();
    assert_eq!(
        words(&w.last(&chat.id, "chenchen")),
        "[积分]林洁 +5/合计 46，＜@all＞ 见规则(https://shiliu.example/r)"
    );
    let recall = Action::Recall {
        message: receipt.message.unwrap(),
    };
    sent(deliver(&w.app, &recall, &key(2)).await);
    assert!(w.last(&chat.id, "chenchen").recalled);
    w.clean();
    w.clock.advance(Duration::from_secs(25 * 3600));
    assert!(rejected_with(&deliver(&w.app, &recall, &key(3)).await, "42052"));
}

#[tokio::test]
async fn a_group_is_heard_only_when_the_bot_is_mentioned() {
    let w = world().await;
    let id = w.group(&["aib"]).await;
    let chat = ChatSel::Chat(id.clone());
    let first = w.say("linjie", &chat, "今天的站会改到十点").await;
    assert!(w.take().is_empty());
    let verb = Verb::Say {
        person: "chenchen".into(),
        chat: chat.clone(),
        text: "<@bot>感谢 <@linjie> 帮我看 `日志`".into(),
        reply_to: Some(first),
    };
    let said = w.sim.act(verb).await.unwrap().message.unwrap();
    let message = w.message();
    assert_eq!(message.text(), "感谢 @林洁 帮我看 日志");
    assert_eq!(
        (message.chat.id.as_str(), message.chat.kind),
        (id.as_str(), ChatKind::Group)
    );
    assert_eq!(message.attachments[0].handle, "今天的站会改到十点", "the quoted words");
    let table = Message::card("榜").block(Block::Table(Table {
        columns: vec!["名".into(), "分".into()],
        rows: vec![vec!["林洁".into(), "5".into()]],
    }));
    sent(deliver(&w.bot, &reply(&message, table), &key(1)).await);
    let item = w.last(&id, "wangwu");
    assert_eq!(
        item.reply_to.as_deref(),
        Some(said.as_str()),
        "in a group the answer quotes"
    );
    assert!(item.parts.contains(&ScreenPart::Table {
        columns: vec!["名".into(), "分".into()],
        rows: vec![vec!["林洁".into(), "5".into()]]
    }));
    w.clean();
    // Once means once, and an hour means an hour.
    assert!(rejected_with(
        &deliver(&w.bot, &reply(&message, Message::text("再")), &key(2)).await,
        "60140"
    ));
    assert_eq!(w.sim.complaints().len(), 1);
    w.say("chenchen", &chat, "<@aib> /help").await;
    let late = w.message();
    w.clock.advance(Duration::from_secs(3601));
    let before = w.calls("/cgi-bin/aibot/response");
    assert!(rejected_with(
        &deliver(&w.bot, &reply(&late, Message::text("x")), &key(3)).await,
        "60140"
    ));
    assert_eq!(
        w.calls("/cgi-bin/aibot/response"),
        before,
        "the adapter knows when the hour is over"
    );
}

#[tokio::test]
async fn cards_are_pressed_and_updated() {
    let w = world().await;
    let card = Message::card("活动报名")
        .line("周五聚餐")
        .buttons(buttons(&[("参加", "rsvp:1:yes"), ("不去", "rsvp:1:no")]));
    let receipt = sent(deliver(&w.app, &to_user("LinJie", card), &key(1)).await);
    let chat = w
        .sim
        .chats()
        .into_iter()
        .find(|c| c.person.as_deref() == Some("linjie"))
        .unwrap()
        .id;
    let item = w.last(&chat, "linjie");
    assert!(
        matches!(&item.parts[..], [ScreenPart::Title { .. }, ScreenPart::Text { .. }, ScreenPart::Break, ScreenPart::Buttons { buttons }] if buttons[0].action == "rsvp:1:yes"),
        "{item:?}"
    );
    assert!(matches!(
        w.click("linjie", &item.id, "rsvp:1:maybe", &[]).await,
        Err(SimError::Refused(_))
    ));
    assert!(
        matches!(
            w.click("wangwu", &item.id, "rsvp:1:yes", &[]).await,
            Err(SimError::Refused(_))
        ),
        "not in that chat"
    );
    assert_eq!(
        w.click("linjie", &item.id, "rsvp:1:yes", &[])
            .await
            .unwrap()
            .callbacks_ok,
        1
    );
    let click = w.clicked();
    assert_eq!((click.action.as_str(), click.user.as_str()), ("rsvp:1:yes", "linjie"));
    assert!(
        receipt
            .message
            .as_ref()
            .unwrap()
            .as_str()
            .starts_with(click.card.as_ref().unwrap().as_str())
    );
    let update = Action::UpdateCard {
        card: click.card.clone().unwrap(),
        context: click.reply_context.clone(),
        content: Message::card("活动报名").line("林洁已报名"),
    };
    sent(deliver(&w.app, &update, &key(2)).await);
    let item = w.last(&chat, "linjie");
    assert_eq!(words(&item), "[活动报名]林洁已报名/已处理 Done");
    assert!(item.edited);
    assert!(
        matches!(
            w.click("linjie", &item.id, "rsvp:1:yes", &[]).await,
            Err(SimError::Refused(_))
        ),
        "it is grey"
    );
    w.clean();
    assert!(
        rejected_with(&deliver(&w.app, &update, &key(3)).await, "60140"),
        "a code works once"
    );
    // The code of the sending works once as well, without a click, and for 72 hours.
    let state = Action::UpdateCard {
        card: receipt.message.unwrap(),
        context: None,
        content: Message::card("活动报名").line("共 8 人"),
    };
    sent(deliver(&w.app, &state, &key(4)).await);
    assert!(words(&w.last(&chat, "linjie")).contains("共 8 人"));
    let other = sent(
        deliver(
            &w.app,
            &to_user("linjie", Message::card("二").buttons(buttons(&[("好", "b")]))),
            &key(5),
        )
        .await,
    );
    w.clock.advance(Duration::from_secs(72 * 3600 + 1));
    let late = Action::UpdateCard {
        card: other.message.unwrap(),
        context: None,
        content: Message::text("晚了"),
    };
    assert!(rejected_with(&deliver(&w.app, &late, &key(6)).await, "60140"));
}

#[tokio::test]
async fn a_bot_card_in_a_group_is_answered_by_everybody_for_themselves() {
    let w = world().await;
    let id = w.group(&["aib"]).await;
    w.say("chenchen", &ChatSel::Chat(id.clone()), "<@bot> 发起投票").await;
    let options = vec![("a".to_owned(), "爬山".to_owned()), ("b".to_owned(), "露营".to_owned())];
    let form = Form {
        fields: vec![Field {
            name: "where".into(),
            label: "去哪里".into(),
            kind: FieldKind::MultiSelect(options),
            required: true,
        }],
        submit: buttons(&[("提交", "vote:9")]).remove(0),
    };
    sent(
        deliver(
            &w.bot,
            &reply(&w.message(), Message::card("团建").block(Block::Form(form))),
            &key(1),
        )
        .await,
    );
    let item = w.last(&id, "wangwu");
    let Some(ScreenPart::Form { fields, submit }) = item.parts.last() else {
        panic!("{item:?}")
    };
    assert_eq!(
        (fields[0].kind.as_str(), submit.action.as_str()),
        ("multi_select", "vote:9")
    );
    assert!(
        matches!(
            w.click("wangwu", &item.id, "vote:9", &[]).await,
            Err(SimError::Refused(_))
        ),
        "nothing chosen"
    );
    assert!(matches!(
        w.click("wangwu", &item.id, "vote:9", &[("where", &["z"])]).await,
        Err(SimError::Refused(_))
    ));
    for (n, person) in ["wangwu", "linjie"].into_iter().enumerate() {
        w.click(person, &item.id, "vote:9", &[("where", &["a", "b"])])
            .await
            .unwrap();
        let click = w.clicked();
        assert_eq!(click.user.as_str(), person);
        assert_eq!(click.values["where"], ["a", "b"]);
        let thanks = Action::UpdateCard {
            card: click.card.unwrap(),
            context: click.reply_context,
            content: Message::text("收到"),
        };
        sent(deliver(&w.bot, &thanks, &key(10 + n)).await);
        assert_eq!(
            words(&w.last(&id, "wangwu")),
            "收到",
            "the new content is a new message"
        );
    }
    w.clean();
}

#[tokio::test]
async fn a_choice_of_several_has_a_neutral_default() {
    let w = world().await;
    let options = vec![
        ("5".to_owned(), "5 天".to_owned()),
        ("10".to_owned(), "10 天".to_owned()),
    ];
    let field = |n: &str| Field {
        name: n.into(),
        label: n.into(),
        kind: FieldKind::Select(options.clone()),
        required: true,
    };
    let form = Form {
        fields: vec![field("q1"), field("q2")],
        submit: buttons(&[("交卷", "quiz:3")]).remove(0),
    };
    sent(
        deliver(
            &w.app,
            &to_user("linjie", Message::card("小测").block(Block::Form(form))),
            &key(1),
        )
        .await,
    );
    let chat = w.sim.chats()[0].id.clone();
    let item = w.last(&chat, "linjie");
    w.click("linjie", &item.id, "quiz:3", &[("q2", &["10"])]).await.unwrap();
    assert_eq!(
        w.clicked().values,
        BTreeMap::from([("q2".to_owned(), vec!["10".to_owned()])]),
        "an untouched selection is no answer"
    );
    w.clean();
}

#[tokio::test]
async fn groups_of_the_app_have_a_life_and_ids_of_their_own() {
    let w = world().await;
    let create = Action::CreateChat {
        name: "海外项目组".into(),
        owner: user("chenchen"),
        members: vec![user("linjie"), user("wangwu")],
        description: Some("每周一同步".into()),
    };
    w.fault("appchat/create", FaultKind::AcceptThenCut);
    assert!(matches!(
        deliver(&w.app, &create, &key(1)).await,
        Outcome::Unknown { .. }
    ));
    assert!(w.sim.chats().is_empty(), "invisible until something is said");
    let chat = sent(deliver(&w.app, &create, &key(1)).await).chat.unwrap();
    assert_eq!(chat.as_str(), key(1));
    assert_eq!(w.sim.chats().len(), 1, "made once");
    assert_eq!(words(&w.last(chat.as_str(), "linjie")), "每周一同步");
    for (n, action) in [
        Action::RenameChat {
            chat: chat.clone(),
            name: "海外项目组（2026）".into(),
        },
        Action::AddMembers {
            chat: chat.clone(),
            users: vec![user("zhaoliu")],
        },
        Action::RemoveMembers {
            chat: chat.clone(),
            users: vec![user("wangwu")],
        },
        Action::SetOwner {
            chat: chat.clone(),
            owner: user("linjie"),
        },
        to_chat(chat.as_str(), Message::card("周报").line("第 12 期")),
    ]
    .into_iter()
    .enumerate()
    {
        sent(deliver(&w.app, &action, &key(10 + n)).await);
    }
    let shown = w.sim.chats().remove(0);
    assert_eq!(
        (shown.name.as_str(), shown.owner.as_deref()),
        ("海外项目组（2026）", Some("linjie"))
    );
    assert_eq!(shown.members, ["chenchen", "linjie", "zhaoliu"]);
    let listed = sent(deliver(&w.app, &Action::ListMembers { chat: chat.clone() }, &key(20)).await);
    assert_eq!(listed.users.len(), 3);
    w.clean();
    // An AI bot that somebody adds hears it under another id, which is no address for the app.
    w.sim
        .act(Verb::AddBot {
            chat: chat.to_string(),
            app: "aib".into(),
            by: "linjie".into(),
        })
        .await
        .unwrap();
    w.say("linjie", &ChatSel::Chat(chat.to_string()), "<@bot> /help").await;
    let heard = w.message();
    assert_ne!(heard.chat.id, chat);
    sent(deliver(&w.bot, &reply(&heard, Message::text("在")), &key(30)).await);
    assert_eq!(
        words(&w.last(chat.as_str(), "linjie")),
        "在",
        "for people it is one conversation"
    );
    assert!(rejected_with(
        &deliver(&w.app, &to_chat(heard.chat.id.as_str(), Message::text("x")), &key(31)).await,
        "86001"
    ));
    let others = w.group(&["aib"]).await;
    assert!(rejected_with(
        &deliver(&w.app, &to_chat(&others, Message::text("x")), &key(32)).await,
        "86008"
    ));
    let alone = Action::RemoveMembers {
        chat: chat.clone(),
        users: vec![user("chenchen"), user("zhaoliu")],
    };
    assert!(
        rejected_with(&deliver(&w.app, &alone, &key(33)).await, "86006"),
        "two must stay"
    );
    let all = Action::CreateChat {
        name: "n".into(),
        owner: user("chenchen"),
        members: vec![user("nobody")],
        description: None,
    };
    assert!(rejected_with(&deliver(&w.app, &all, &key(34)).await, "86216"));
    w.fault("appchat/send", FaultKind::AcceptThenCut);
    assert!(matches!(
        deliver(&w.app, &to_chat(chat.as_str(), Message::text("x")), &key(35)).await,
        Outcome::Unknown { .. }
    ));
}

#[tokio::test]
async fn the_directory_is_read_and_newcomers_are_heard_of() {
    let w = world().await;
    let departments = w.app.departments(None).await.unwrap().items;
    let names: Vec<_> = departments
        .iter()
        .map(|d| (d.id.as_str(), d.parent.as_ref().map(|p| p.as_str()), d.name.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("1", None, "全公司"),
            ("2", Some("1"), "市场部"),
            ("3", Some("2"), "海外组")
        ]
    );
    let three = DepartmentId::new("3").unwrap();
    let people = w.app.people(&three, None).await.unwrap();
    assert_eq!(
        people.items.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(),
        ["王五", "赵六"]
    );
    assert_eq!(people.items[0].employee_no.as_deref(), Some("P-wangwu"));
    assert_eq!(
        (people.items[0].email.as_ref(), people.items[0].mobile.as_ref()),
        (None, None),
        "an app may not see them"
    );
    let newcomer = SimPerson {
        id: "qianqi".into(),
        name: "钱七".into(),
        ..w.sim.people()[0].clone()
    };
    w.sim.act(Verb::Hire { person: newcomer }).await.unwrap();
    let (app, incoming) = w.take().pop().unwrap();
    assert_eq!((app.as_str(), incoming.lane.as_str()), ("oa", "directory"));
    assert!(matches!(incoming.body, Body::Person { left: false, ref user, .. } if user.as_str() == "qianqi"));
    assert_eq!(w.app.person(&user("qianqi")).await.unwrap().unwrap().name, "钱七");
    w.sim
        .act(Verb::Transfer {
            person: "qianqi".into(),
            department: "3".into(),
        })
        .await
        .unwrap();
    assert!(w.take().is_empty(), "an ordinary app is not told of transfers");
    assert_eq!(w.app.people(&three, None).await.unwrap().items.len(), 3);
    w.sim
        .act(Verb::Quit {
            person: "qianqi".into(),
        })
        .await
        .unwrap();
    assert!(matches!(
        w.take().pop().unwrap().1.body,
        Body::Person { left: true, .. }
    ));
    assert!(!w.app.person(&user("qianqi")).await.unwrap().unwrap().active);
    assert_eq!(w.app.person(&user("nobody")).await.unwrap(), None);
    assert!(matches!(w.bot.departments(None).await, Err(CallError::NotPossible(_))));
}

#[tokio::test]
async fn opening_a_private_chat_is_told_and_welcomed_once_a_day() {
    let w = world_with(Some("你好，我是小胡")).await;
    let open = |app: &str| Verb::OpenDirect {
        person: "linjie".into(),
        app: app.into(),
    };
    let chat = w.sim.act(open("aib")).await.unwrap().chat.unwrap();
    assert!(matches!(w.take().pop().unwrap().1.body, Body::ChatEntered { .. }));
    assert_eq!(words(&w.last(&chat, "linjie")), "你好，我是小胡");
    w.sim.act(open("aib")).await.unwrap();
    assert!(w.take().is_empty(), "not again on the same day");
    w.clock.advance(Duration::from_secs(86_400));
    w.sim.act(open("aib")).await.unwrap();
    assert_eq!(w.screen(&chat, "linjie").len(), 2);
    w.take();
    w.sim.act(open("oa")).await.unwrap();
    assert!(matches!(w.take().pop().unwrap().1.body, Body::ChatEntered { .. }));
    w.clean();
}

#[tokio::test]
async fn answers_in_the_callback_are_honoured() {
    let w = world().await;
    let settings = Simulator::apps(&*w.sim)
        .into_iter()
        .find(|a| a.id == "aib")
        .unwrap()
        .settings;
    let keys = Keys::new(
        settings.secret("token").unwrap().clone(),
        settings.secret("aes_key").unwrap(),
        "",
    )
    .unwrap();
    *w.hook.keys.lock().unwrap() = Some(keys);
    let mut frames = 0;
    *w.hook.answering.lock().unwrap() = Some(Box::new(move |request| {
        frames += 1;
        let id = request.pointer("/stream/id").cloned().unwrap_or(json!("s1"));
        json!({"msgtype": "stream", "stream": {"id": id, "finish": frames == 3, "content": format!("第 {frames} 步")}})
    }));
    let id = w.group(&["aib"]).await;
    w.say("chenchen", &ChatSel::Chat(id.clone()), "<@bot> 查询").await;
    let answers: Vec<_> = w.screen(&id, "linjie").into_iter().filter(|i| i.bot).collect();
    assert_eq!(
        (answers.len(), words(&answers[0]).as_str()),
        (1, "第 3 步"),
        "the content replaces what was said"
    );
    // A card, and its change in the answer to the click.
    let card = |title: &str| json!({"card_type": "button_interaction", "main_title": {"title": title}, "task_id": "t1", "button_list": [{"text": "好", "style": 1, "key": "ok"}]});
    *w.hook.answering.lock().unwrap() = Some(Box::new(
        move |_| json!({"msgtype": "template_card", "template_card": card("开始")}),
    ));
    w.say("chenchen", &ChatSel::Chat(id.clone()), "<@bot> 卡片").await;
    let item = w.last(&id, "linjie");
    *w.hook.answering.lock().unwrap() = Some(Box::new(
        move |_| json!({"response_type": "update_template_card", "userids": ["linjie"], "template_card": card("林洁点过了")}),
    ));
    w.click("linjie", &item.id, "ok", &[]).await.unwrap();
    assert!(words(&w.last(&id, "linjie")).starts_with("[林洁点过了]"));
    assert!(words(&w.last(&id, "wangwu")).starts_with("[开始]"));
    w.clean();
    *w.hook.answering.lock().unwrap() = Some(Box::new(
        |_| json!({"msgtype": "text", "text": {"content": "plain text is not possible here"}}),
    ));
    w.say("chenchen", &ChatSel::Chat(id), "<@bot> x").await;
    assert_eq!(w.sim.complaints().len(), 1);
}

#[tokio::test]
async fn history_is_fast_and_chats_are_independent() {
    let w = world().await;
    let mut groups = Vec::new();
    for _ in 0..6 {
        groups.push(w.group(&["aib"]).await);
    }
    let begin = Instant::now();
    for n in 0..3000 {
        w.say(
            "linjie",
            &ChatSel::Chat(groups[n % 6].clone()),
            "今天的站会改到十点 <@chenchen> 看一下",
        )
        .await;
    }
    let quiet = begin.elapsed();
    assert!(quiet < Duration::from_secs(5), "{quiet:?}");
    let w = Arc::new(w);
    let begin = Instant::now();
    let mut all = tokio::task::JoinSet::new();
    for (g, id) in groups.iter().cloned().enumerate() {
        let w = w.clone();
        all.spawn(async move {
            for n in 0..50 {
                w.say("wangwu", &ChatSel::Chat(id.clone()), &format!("<@bot> /积分 {g} {n}"))
                    .await;
            }
        });
    }
    while let Some(done) = all.join_next().await {
        done.unwrap();
    }
    let loud = begin.elapsed();
    let seen = w.take();
    assert_eq!(seen.len(), 300);
    assert!(loud < Duration::from_secs(15), "{loud:?}");
    for id in &groups {
        let order: Vec<String> = seen
            .iter()
            .filter(|(_, i)| i.lane == format!("chat:{id}"))
            .map(|(_, i)| match &i.body {
                Body::Message(m) => m.text().rsplit(' ').next().unwrap().to_owned(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(
            order,
            (0..50).map(|n| n.to_string()).collect::<Vec<_>>(),
            "in the order of saying"
        );
    }
    w.clean();
}

#[tokio::test]
async fn four_weeks_of_the_demo_company_are_played() {
    use hutong_model::Platform;
    use hutong_simkit::company::{PlatformApps, Player, history, monday_to_friday, org};
    let end = Timestamp::from_secs(1_795_305_600);
    let clock = ManualClock::at(end);
    let sim = start(SimOptions {
        org: org(Platform::WeCom),
        clock: Arc::new(clock.clone()),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        apps: vec![
            AppSpec::new("oa", "社区助手", Kind::App),
            AppSpec::new("aib", "小胡", Kind::Aibot),
        ],
        extra: None,
    })
    .await
    .unwrap();
    let apps = PlatformApps {
        direct: "oa".into(),
        groups: vec!["aib".into()],
    };
    let mut player = Player::new(BTreeMap::from([(Platform::WeCom, apps)]));
    let (mut played, mut failed) = (0, Vec::new());
    let begin = Instant::now();
    for step in history(4, end, 7, monday_to_friday) {
        clock.set(step.at);
        match player.play(&*sim, &step).await {
            Some(Ok(_)) => played += 1,
            Some(Err(error)) => failed.push(format!("{:?}: {error}", step.verb)),
            None => {}
        }
    }
    assert_eq!(failed, Vec::<String>::new());
    assert!(played > 200, "{played}");
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert!(sim.complaints().is_empty());
    sim.stop().await;
}

#[tokio::test]
async fn fields_of_the_companys_own_are_read_and_can_be_withheld() {
    let mut org = world::org();
    let wang = org.people.iter_mut().find(|p| p.id == "wangwu").unwrap();
    wang.joined_on = hutong_model::Day::new(2026, 9, 1);
    wang.office = Some("深圳".into());
    wang.employment = Some(hutong_model::Employment::Contractor);
    let w = world::world_of(org, None).await;
    let got = w.app.person(&user("wangwu")).await.unwrap().unwrap();
    assert_eq!(got.joined_on, hutong_model::Day::new(2026, 9, 1));
    assert_eq!(got.office.as_deref(), Some("深圳"));
    assert_eq!(got.employment, Some(hutong_model::Employment::Contractor));
    w.sim.withhold("oa", "own_fields").unwrap();
    let got = w.app.person(&user("wangwu")).await.unwrap().unwrap();
    assert_eq!(
        (got.joined_on, got.office, got.employment, got.employee_no),
        (None, None, None, None),
        "unknown, not empty"
    );
    assert_eq!(got.name, "王五");
}

#[tokio::test]
async fn an_encrypted_id_is_resolved_by_the_app() {
    let w = world::world().await;
    let plain = user("wangwu");
    let open = user(&hutong_wecom::sim::open_user_id("wangwu"));
    let got = w.app.person(&open).await.unwrap().unwrap();
    assert_eq!((&got.user, got.aliases.as_slice()), (&plain, [open].as_slice()));
    let nobody = user("woNOBODYHASTHISID000000000000000");
    assert_eq!(w.app.person(&nobody).await.unwrap(), None);
    assert!(w.app.person(&plain).await.unwrap().unwrap().aliases.is_empty());
}
