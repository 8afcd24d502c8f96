//! Faults, limits, tokens and refusals, over the simulated platform.

#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod world;

use world::*;

#[tokio::test]
async fn an_answer_whose_reply_was_lost_is_not_said_twice() {
    let w = world().await;
    let id = w.group(&["aib"]).await;
    w.say("chenchen", &ChatSel::Chat(id.clone()), "<@bot> /help").await;
    let action = reply(&w.message(), Message::text("命令一览"));
    w.fault("aibot/response", FaultKind::AcceptThenCut);
    assert!(matches!(
        deliver(&w.bot, &action, &key(1)).await,
        Outcome::Unknown { .. }
    ));
    sent(deliver(&w.bot, &action, &key(1)).await);
    assert_eq!(w.screen(&id, "chenchen").iter().filter(|i| i.bot).count(), 1);
}

#[tokio::test]
async fn an_update_whose_answer_was_lost_is_its_own() {
    let w = world().await;
    let receipt = sent(
        deliver(
            &w.app,
            &to_user("linjie", Message::card("投票").buttons(buttons(&[("好", "b")]))),
            &key(1),
        )
        .await,
    );
    let update = Action::UpdateCard {
        card: receipt.message.unwrap(),
        context: None,
        content: Message::card("投票").line("完"),
    };
    w.fault("update_template_card", FaultKind::AcceptThenCut);
    assert!(matches!(
        deliver(&w.app, &update, &key(2)).await,
        Outcome::Unknown { .. }
    ));
    sent(deliver(&w.app, &update, &key(2)).await);
}

#[tokio::test]
async fn a_send_whose_answer_was_lost_is_recognised_by_its_key() {
    let w = world().await;
    for (n, content) in [
        Message::text("公告：周五停电"),
        Message::card("公告").line("周五停电"),
        Message::card("公告")
            .line("周五停电")
            .buttons(buttons(&[("收到", "ack")])),
    ]
    .into_iter()
    .enumerate()
    {
        let action = to_user("linjie", content);
        w.fault("message/send", FaultKind::AcceptThenCut);
        let unknown = deliver(&w.app, &action, &key(n)).await;
        assert!(matches!(unknown, Outcome::Unknown { .. }), "{unknown:?}");
        sent(deliver(&w.app, &action, &key(n)).await);
        let chat = w.sim.chats()[0].id.clone();
        assert_eq!(w.screen(&chat, "linjie").len(), n + 1, "one message for one key");
        w.clean();
    }
    let chat = w.sim.chats()[0].id.clone();
    let before = w.screen(&chat, "linjie").len();
    let again = to_user("linjie", Message::text("公告：周五停电"));
    sent(deliver(&w.app, &again, &key(77)).await);
    assert_eq!(
        w.screen(&chat, "linjie").len(),
        before + 1,
        "the same words of another effect are another message"
    );
    // The memory of the platform ends.
    w.clock.advance(Duration::from_secs(4 * 3600 + 1));
    sent(deliver(&w.app, &again, &key(77)).await);
    assert_eq!(w.screen(&chat, "linjie").len(), before + 2);
    let window = w.app.prepare(&again).unwrap()[0].key_window_ms.unwrap();
    assert!(window < 4 * 3_600_000, "the promise ends before the memory does");
}

#[tokio::test]
async fn faults_become_the_outcomes_they_are() {
    let w = world().await;
    let action = to_user("linjie", Message::text("x"));
    for (kind, unknown) in [
        (FaultKind::Cut, true),
        (FaultKind::Status { status: 502 }, true),
        (
            FaultKind::Code {
                code: -1,
                text: "system busy".into(),
            },
            false,
        ),
    ] {
        w.fault("message/send", kind.clone());
        let outcome = deliver(&w.app, &action, &key(1)).await;
        match unknown {
            true => assert!(matches!(outcome, Outcome::Unknown { .. }), "{kind:?} {outcome:?}"),
            false => assert!(matches!(outcome, Outcome::NotSent { .. }), "{kind:?} {outcome:?}"),
        }
    }
    w.fault(
        "message/send",
        FaultKind::Code {
            code: 60020,
            text: "not allow to access from your ip".into(),
        },
    );
    let Outcome::Rejected { code, text } = deliver(&w.app, &action, &key(1)).await else {
        panic!()
    };
    assert_eq!(code, "60020");
    assert!(text.contains("127.0.0.1") && text.contains("可信IP"), "{text}");
    w.fault(
        "message/send",
        FaultKind::Code {
            code: 45009,
            text: "api freq out of limit".into(),
        },
    );
    assert!(matches!(
        deliver(&w.app, &action, &key(1)).await,
        Outcome::RateLimited { .. }
    ));
    w.fault("message/send", FaultKind::Delay { ms: 30 });
    sent(deliver(&w.app, &action, &key(1)).await);
    // No token, no send: nothing has happened.
    w.sim.fault(Fault {
        path: String::new(),
        callbacks: false,
        times: 1,
        kind: FaultKind::RevokeTokens,
    });
    w.fault("gettoken", FaultKind::Status { status: 500 });
    assert!(matches!(
        deliver(&w.app, &action, &key(2)).await,
        Outcome::NotSent { .. }
    ));
    assert!(rejected_with(
        &deliver(&w.app, &to_user("nobody", Message::text("x")), &key(3)).await,
        "81013"
    ));
    w.fault(
        "agent/get",
        FaultKind::Code {
            code: 60020,
            text: "not allow to access from your ip".into(),
        },
    );
    assert!(matches!(w.app.probe().await, Err(CallError::Rejected { .. })));
    w.app.probe().await.unwrap();
}

#[tokio::test]
async fn tokens_are_kept_renewed_and_replaced() {
    let w = world().await;
    let send = |n: usize| {
        let door = w.app.clone();
        async move { sent(deliver(&door, &to_user("linjie", Message::text(format!("{n}"))), &key(n)).await) }
    };
    send(1).await;
    send(2).await;
    assert_eq!(w.calls("/cgi-bin/gettoken"), 1);
    w.sim.fault(Fault {
        path: String::new(),
        callbacks: false,
        times: 1,
        kind: FaultKind::RevokeTokens,
    });
    let before = w.calls("/cgi-bin/message/send");
    send(3).await;
    assert_eq!(
        (w.calls("/cgi-bin/gettoken"), w.calls("/cgi-bin/message/send") - before),
        (2, 2),
        "one renewal, one repeat"
    );
    // Four fifths of two hours: renewed before it runs out, so the call is made once.
    w.clock.advance(Duration::from_secs(5761));
    send(4).await;
    assert_eq!(
        (w.calls("/cgi-bin/gettoken"), w.calls("/cgi-bin/message/send") - before),
        (3, 3)
    );
    // The early renewal may fail: there is time, and the token still works.
    w.clock.advance(Duration::from_secs(1200));
    w.fault("gettoken", FaultKind::Status { status: 500 });
    send(6).await;
    w.clock.advance(Duration::from_secs(7200));
    send(5).await;
    assert_eq!(w.calls("/cgi-bin/message/send") - before, 5);
    w.clean();
    // Many callers, one refused token: one renewal.
    w.sim.fault(Fault {
        path: String::new(),
        callbacks: false,
        times: 1,
        kind: FaultKind::RevokeTokens,
    });
    let before = w.calls("/cgi-bin/gettoken");
    let mut all = tokio::task::JoinSet::new();
    for n in 10..26 {
        all.spawn(send(n));
    }
    while let Some(done) = all.join_next().await {
        done.unwrap();
    }
    assert_eq!(w.calls("/cgi-bin/gettoken") - before, 1);
}

#[tokio::test]
async fn what_is_too_much_for_a_member_vanishes_silently_so_the_client_counts() {
    let w = world().await;
    for n in 0..30 {
        // The platform does not care how an id is written.
        let id = if n % 2 == 0 { "linjie" } else { "LinJie" };
        sent(deliver(&w.app, &to_user(id, Message::text(format!("第 {n} 条"))), &key(n)).await);
    }
    let thirty_first = to_user("linjie", Message::text("第 31 条"));
    let Outcome::RateLimited {
        code, scope, after_ms, ..
    } = deliver(&w.app, &thirty_first, &key(30)).await
    else {
        panic!()
    };
    assert_eq!(
        (code.as_str(), scope),
        ("member_limit", hutong_model::LimitScope::Destination)
    );
    assert!((1..=60_000).contains(&after_ms.unwrap()));
    assert_eq!(w.calls("/cgi-bin/message/send"), 30, "the one too many never left");
    assert_eq!(w.sim.dropped(), 0);
    let rule = |count| {
        w.app
            .capabilities()
            .rates
            .iter()
            .any(|r| r.api == "message/send" && r.count == count)
    };
    assert!(rule(30) && rule(1000), "the limiter of the core is told");
    // Another process of the same app: the platform says yes and drops it.
    let other = WeCom::new(Build {
        app: AppId::new("oa2").unwrap(),
        company: CompanyId::new("main").unwrap(),
        kind: "wecom".into(),
        settings: Simulator::apps(&*w.sim).remove(0).settings,
        clock: Arc::new(w.clock.clone()),
    })
    .unwrap();
    sent(deliver(&other, &thirty_first, &key(31)).await);
    let chat = w.sim.chats()[0].id.clone();
    assert_eq!(w.screen(&chat, "linjie").len(), 30, "the platform said yes to all 31");
    assert_eq!(w.sim.dropped(), 1);
    assert!(w.sim.complaints()[0].contains("dropped without an error"));
    w.clock.advance(Duration::from_secs(60));
    sent(deliver(&w.app, &to_user("linjie", Message::text("一分钟后")), &key(99)).await);
    assert_eq!(w.screen(&chat, "linjie").len(), 31);
}

#[tokio::test]
async fn a_group_robot_posts_to_its_group_twenty_times_a_minute() {
    let w = world().await;
    let post = |text: &str| to_chat("rob", Message::text(text));
    assert!(
        rejected_with(&deliver(&w.robot, &post("x"), &key(0)).await, "93000"),
        "it is in no group"
    );
    let id = w.group(&["aib", "rob"]).await;
    let ping = Message {
        blocks: vec![Block::Paragraph(vec![
            Inline::Mention {
                user: user("linjie"),
                name: "林洁".into(),
            },
            Inline::Text(" 看".into()),
        ])],
        card: true,
        title: Some("公告".into()),
    };
    sent(deliver(&w.robot, &to_chat("rob", ping), &key(1)).await);
    assert_eq!(words(&w.last(&id, "wangwu")), "[公告]@林洁 看");
    for n in 2..=20 {
        sent(deliver(&w.robot, &post("x"), &key(n)).await);
    }
    assert!(matches!(
        deliver(&w.robot, &post("x"), &key(21)).await,
        Outcome::RateLimited { .. }
    ));
    w.clock.advance(Duration::from_secs(60));
    let upload = Action::Upload {
        name: "海报.png".into(),
        media_type: "image/png".into(),
        data: "MDEyMzQ1Njc4OQ==".into(),
    };
    let handle = sent(deliver(&w.robot, &upload, &key(22)).await).handle.unwrap();
    let picture = Message {
        title: None,
        card: false,
        blocks: vec![Block::Image {
            handle,
            alt: "海报".into(),
        }],
    };
    let prepared = w.robot.prepare(&to_chat("rob", picture)).unwrap();
    for (n, one) in prepared.iter().enumerate() {
        sent(w.robot.deliver(one, &key(30 + n)).await);
    }
    assert!(matches!(w.last(&id, "wangwu").parts[..], [ScreenPart::Image { .. }]));
    let second = Verb::CreateChat {
        name: "二".into(),
        owner: "chenchen".into(),
        members: vec![],
        apps: vec!["rob".into()],
    };
    assert!(
        matches!(w.sim.act(second).await, Err(SimError::Refused(_))),
        "a robot has one group"
    );
    let app = Verb::AddBot {
        chat: id,
        app: "oa".into(),
        by: "chenchen".into(),
    };
    assert!(
        matches!(w.sim.act(app).await, Err(SimError::Refused(_))),
        "an app cannot be added"
    );
}

#[tokio::test]
async fn callbacks_climb_the_ladder_and_keep_their_keys() {
    let w = world().await;
    let dm = ChatSel::DirectWith("oa".into());
    w.callback_fault(FaultKind::LoseCallback);
    let verb = |text: &str| Verb::Say {
        person: "linjie".into(),
        chat: dm.clone(),
        text: text.into(),
        reply_to: None,
    };
    assert_eq!(w.sim.act(verb("一")).await.unwrap().callbacks_failed, 1);
    assert!(w.take().is_empty());
    w.clock.advance(Duration::from_secs(5));
    assert_eq!(w.sim.repeat_due().await, 1);
    assert_eq!(w.take().len(), 1);
    // Handled, and the answer lost: the repeat has the same key.
    w.callback_fault(FaultKind::AcceptThenCut);
    w.sim.act(verb("二")).await.unwrap();
    w.clock.advance(Duration::from_secs(5));
    w.sim.repeat_due().await;
    w.callback_fault(FaultKind::Duplicate { times: 3 });
    w.sim.act(verb("三")).await.unwrap();
    w.sim.act(Verb::RepeatCallbacks { count: 1 }).await.unwrap();
    let keys: Vec<String> = w.take().into_iter().map(|(_, i)| i.key).collect();
    assert_eq!(keys.len(), 6);
    assert_eq!(
        keys.iter().collect::<std::collections::BTreeSet<_>>().len(),
        2,
        "{keys:?}"
    );
    // Three attempts in all.
    *w.hook.status.lock().unwrap() = 503;
    w.sim.act(verb("四")).await.unwrap();
    for expected in [1, 1, 0] {
        w.clock.advance(Duration::from_secs(5));
        assert_eq!(w.sim.repeat_due().await, expected);
    }
    // A click on a card of the AI bot is sent once.
    *w.hook.status.lock().unwrap() = 200;
    let id = w.group(&["aib"]).await;
    w.say("chenchen", &ChatSel::Chat(id.clone()), "<@bot> 卡片").await;
    sent(
        deliver(
            &w.bot,
            &reply(&w.message(), Message::card("卡").buttons(buttons(&[("好", "b")]))),
            &key(1),
        )
        .await,
    );
    let card = w.last(&id, "linjie").id;
    *w.hook.status.lock().unwrap() = 503;
    w.click("linjie", &card, "b", &[]).await.unwrap();
    w.clock.advance(Duration::from_secs(60));
    assert_eq!(w.sim.repeat_due().await, 0);
    w.clean();
}

#[tokio::test]
async fn a_wrong_client_is_refused_and_written_down() {
    let w = world().await;
    let client = hutong_simkit::ladder::loopback_client(Duration::from_secs(5)).unwrap();
    let base = w.sim.base_url();
    let settings = Simulator::apps(&*w.sim)
        .into_iter()
        .find(|a| a.id == "oa")
        .unwrap()
        .settings;
    let get = |path: String| {
        let client = client.clone();
        async move { client.get(path).send().await.unwrap().json::<Value>().await.unwrap() }
    };
    let corp = settings.text("corp_id").unwrap();
    let wrong = get(format!("{base}/cgi-bin/gettoken?corpid={corp}&corpsecret=WRONG")).await;
    assert_eq!(wrong["errcode"], 40001);
    let secret = settings.secret("secret").unwrap().expose();
    let token = get(format!("{base}/cgi-bin/gettoken?corpid={corp}&corpsecret={secret}")).await["access_token"].clone();
    let same = get(format!("{base}/cgi-bin/gettoken?corpid={corp}&corpsecret={secret}")).await["access_token"].clone();
    assert_eq!(token, same, "the same token while it is valid");
    let token = token.as_str().unwrap().to_owned();
    let post = |api: &str, token: &str, body: Value| {
        let request = client
            .post(format!("{base}/cgi-bin/{api}?access_token={token}"))
            .body(body.to_string());
        async move {
            request.send().await.unwrap().json::<Value>().await.unwrap()["errcode"]
                .as_i64()
                .unwrap()
        }
    };
    let agent = settings.integer("agent_id").unwrap();
    let text = |to: &str| json!({"touser": to, "agentid": agent, "msgtype": "text", "text": {"content": "x"}});
    assert_eq!(post("message/send", "nonsense", text("linjie")).await, 40014);
    let mut other = text("linjie");
    other["agentid"] = json!(7);
    assert_eq!(post("message/send", &token, other).await, 301_002);
    assert_eq!(post("message/send", &token, text("")).await, 82001);
    assert_eq!(
        post(
            "message/send",
            &token,
            json!({"touser": "linjie", "agentid": agent, "msgtype": "nonsense"})
        )
        .await,
        40008
    );
    let card = |id: &str| {
        json!({"touser": "linjie", "agentid": agent, "msgtype": "template_card", "template_card":
        {"card_type": "button_interaction", "main_title": {"title": "t"}, "task_id": id, "button_list": [{"text": "b", "key": "k"}]}})
    };
    assert_eq!(post("message/send", &token, card("a b")).await, 42015);
    assert_eq!(post("message/send", &token, card("t1")).await, 0);
    assert_eq!(
        post("message/send", &token, card("t1")).await,
        846_625,
        "a task id is used once"
    );
    assert_eq!(
        post(
            "appchat/create",
            &token,
            json!({"name": "n", "userlist": ["linjie"], "chatid": "c1"})
        )
        .await,
        86006
    );
    let long = json!({"touser": "linjie", "agentid": agent, "msgtype": "text", "text": {"content": "字".repeat(1000)}});
    let before = w.sim.complaints().len();
    assert_eq!(post("message/send", &token, long).await, 0, "cut without telling");
    assert_eq!(w.sim.complaints().len(), before + 1);
    let chat = w.sim.chats()[0].id.clone();
    let ScreenPart::Text { text } = &w.last(&chat, "linjie").parts[0] else {
        panic!()
    };
    assert_eq!(text.len(), 2046);
    w.clock.advance(Duration::from_secs(7201));
    assert_eq!(post("message/send", &token, json!({})).await, 42001);
    assert!(w.sim.revision().borrow().to_owned() > 0);
}
