//! Calls against the simulated platform: rights, receivers, groups, files, figures and menus.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod world;

use hutong_model::{
    Ability, Attachment, AttachmentKind, FailedReceiver, Finding, FindingState, MessageId, Secret, StatRow, StatScope,
    StatSubject,
};
use hutong_wecom::menu::MenuEntry;
use hutong_wecom::sim::{CustomerGroup, CustomerMember, FileKind, RIGHTS};
use world::*;

fn found<'a>(all: &'a [Finding], check: &str) -> &'a Finding {
    all.iter()
        .find(|f| f.check == check)
        .unwrap_or_else(|| panic!("{check} is not in {all:?}"))
}

fn states(all: &[Finding]) -> Vec<(&str, FindingState)> {
    all.iter().map(|f| (f.check.as_str(), f.state)).collect()
}

#[tokio::test]
async fn a_well_made_app_has_nothing_to_mend() {
    use FindingState::{Good, Unknown};
    let w = world().await;
    let all = w.app.diagnose(Some("https://bot.example/hook/oa")).await;
    assert_eq!(
        states(&all),
        [
            ("token", Good),
            ("trusted_ip", Good),
            ("agent", Good),
            ("visible_range", Good),
            ("contacts", Good),
            ("customer_contact", Good),
            ("events", Unknown),
            ("callback_sources", Good),
        ]
    );
    let events = found(&all, "events");
    assert!(events.zh.contains("https://bot.example/hook/oa") && events.en.contains("https://bot.example/hook/oa"));
    assert!(found(&all, "callback_sources").zh.contains("127.0.0.1"));
    assert!(w.sim.chats().is_empty(), "nothing is sent to anybody");
    w.clean();
    for door in [&w.bot, &w.robot] {
        let all = door.diagnose(None).await;
        assert!(!all.is_empty() && all.iter().all(|f| f.state == Unknown), "{all:?}");
    }
}

#[tokio::test]
async fn each_missing_right_is_named_with_its_remedy() {
    use FindingState::{Missing, Warning};
    let cases: [(&str, &str, FindingState, &str, &str); 4] = [
        ("trusted_ip", "trusted_ip", Missing, "127.0.0.1", "企业可信IP"),
        ("enabled", "agent", Missing, "停用", "disabled"),
        ("contacts", "contacts", Warning, "Secret", "ids only"),
        (
            "customer_contact",
            "customer_contact",
            Warning,
            "可调用接口的应用",
            "statistics",
        ),
    ];
    for (right, check, state, one, other) in cases {
        let w = world().await;
        w.sim.withhold("oa", right).unwrap();
        let all = w.app.diagnose(None).await;
        let finding = found(&all, check);
        assert_eq!(finding.state, state, "{right}: {all:?}");
        let both = format!("{} {}", finding.zh, finding.en);
        assert!(both.contains(one) && both.contains(other), "{both}");
        assert!(!finding.zh.is_empty() && !finding.en.is_empty());
        w.sim.grant("oa", right).unwrap();
        assert_ne!(
            found(&w.app.diagnose(None).await, check).state,
            state,
            "{right} was given back"
        );
    }
    let w = world().await;
    w.sim.show_to("oa", &["3"]).unwrap();
    let all = w.app.diagnose(None).await;
    assert_eq!(found(&all, "visible_range").state, Warning);
    assert!(found(&all, "create_chat").zh.contains("根部门"));
    w.sim.show_to("oa", &[]).unwrap();
    let all = w.app.diagnose(None).await;
    assert_eq!(
        (found(&all, "visible_range").state, found(&all, "contacts").state),
        (Missing, Missing)
    );
    // A wrong secret ends the questions: nothing else could be asked.
    let mut settings = Simulator::apps(&*w.sim).remove(0).settings;
    settings.set("secret", SettingValue::Secret(Secret::new("WRONG")));
    let wrong = WeCom::new(Build {
        app: AppId::new("x").unwrap(),
        company: CompanyId::new("main").unwrap(),
        kind: "wecom".into(),
        settings,
        clock: Arc::new(w.clock.clone()),
    })
    .unwrap();
    let all = wrong.diagnose(None).await;
    assert_eq!(states(&all)[0], ("token", Missing));
    assert!(
        all[0].zh.contains("Secret") && all[0].zh.contains("40001"),
        "{}",
        all[0].zh
    );
    // A proxy in between.
    let w = world().await;
    w.fault("gettoken", FaultKind::Status { status: 502 });
    let all = w.app.diagnose(None).await;
    assert_eq!(all[0].state, Missing);
    assert!(all[0].en.contains("proxy"), "{}", all[0].en);
    assert!(w.sim.withhold("oa", "nonsense").is_err() && RIGHTS.len() == 7);
}

#[tokio::test]
async fn an_address_that_is_not_trusted_is_told_at_every_call() {
    let w = world().await;
    w.fault(
        "message/send",
        FaultKind::Code {
            code: 60020,
            text: "not allow to access from your ip".into(),
        },
    );
    let Outcome::Rejected { code, text } = deliver(&w.app, &to_user("linjie", Message::text("x")), &key(1)).await
    else {
        panic!()
    };
    assert_eq!(code, "60020");
    assert!(text.contains("企业可信IP") && text.contains("127.0.0.1"), "{text}");
    w.sim.withhold("oa", "trusted_ip").unwrap();
    let outcome = deliver(&w.app, &to_user("linjie", Message::text("x")), &key(2)).await;
    assert!(rejected_with(&outcome, "60020"), "{outcome:?}");
    assert!(w.app.probe().await.is_err(), "a token alone proves nothing");
    let upload = Action::Upload {
        name: "a.txt".into(),
        media_type: "text/plain".into(),
        data: "MDEyMzQ1Njc4OQ==".into(),
    };
    assert!(rejected_with(&deliver(&w.app, &upload, &key(3)).await, "60020"));
    w.sim.grant("oa", "trusted_ip").unwrap();
    sent(deliver(&w.app, &to_user("linjie", Message::text("x")), &key(4)).await);
}

#[tokio::test]
async fn whoever_was_not_reached_is_named() {
    let w = world().await;
    w.sim.unlicense("LinJie");
    let failed = sent(deliver(&w.app, &to_user("LinJie", Message::text("x")), &key(1)).await).failed;
    let [FailedReceiver { receiver, code, text }] = &failed[..] else {
        panic!("{failed:?}")
    };
    assert_eq!((receiver.as_str(), code.as_str()), ("LinJie", "unlicenseduser"));
    assert!(text.contains("许可"));
    assert!(w.sim.chats().is_empty(), "nothing arrived");
    w.sim.show_to("oa", &["3"]).unwrap();
    let outcome = deliver(&w.app, &to_user("chenchen", Message::text("x")), &key(2)).await;
    assert!(
        rejected_with(&outcome, "81013"),
        "outside the visible range: {outcome:?}"
    );
    sent(deliver(&w.app, &to_user("wangwu", Message::text("x")), &key(3)).await);
    // What others send: departments and tags.
    let settings = Simulator::apps(&*w.sim).remove(0).settings;
    let base = w.sim.base_url();
    let client = hutong_simkit::ladder::loopback_client(Duration::from_secs(5)).unwrap();
    let (corp, secret) = (
        settings.text("corp_id").unwrap().to_owned(),
        settings.secret("secret").unwrap().expose().to_owned(),
    );
    let got: Value = client
        .get(format!("{base}/cgi-bin/gettoken?corpid={corp}&corpsecret={secret}"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let body = json!({"touser": "zhaoliu|linjie|nobody", "toparty": "3|2|99", "totag": "7",
        "agentid": settings.integer("agent_id").unwrap(), "msgtype": "text", "text": {"content": "x"}});
    let answer: Value = client
        .post(format!(
            "{base}/cgi-bin/message/send?access_token={}",
            got["access_token"].as_str().unwrap()
        ))
        .body(body.to_string())
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        (
            &answer["errcode"],
            &answer["invaliduser"],
            &answer["invalidparty"],
            &answer["invalidtag"]
        ),
        (&json!(0), &json!("linjie|nobody"), &json!("2|99"), &json!("7"))
    );
}

#[tokio::test]
async fn the_accounts_of_the_company_limit_the_day() {
    let w = world().await;
    w.sim.account_ceiling(1);
    let people = ["linjie", "wangwu", "zhaoliu", "chenchen"];
    let mut n = 0;
    let mut refused = 0;
    // 200 person-messages a day for one account, fewer than 30 a minute to anybody.
    for minute in 0..3 {
        for person in people {
            for _ in 0..20 {
                n += 1;
                match deliver(&w.app, &to_user(person, Message::text(format!("{n}"))), &key(n)).await {
                    Outcome::Sent(_) => assert!(n <= 200),
                    Outcome::RateLimited { code, .. } => {
                        assert_eq!(code, "45009");
                        refused += 1;
                    }
                    other => panic!("{minute}: {other:?}"),
                }
            }
        }
        w.clock.advance(Duration::from_secs(60));
    }
    assert_eq!((n, refused), (240, 40));
    // An app that knows its company keeps the limit by itself.
    let mut settings = Simulator::apps(&*w.sim).remove(0).settings;
    settings.set("account_ceiling", SettingValue::Integer(1));
    let build = |settings| {
        WeCom::new(Build {
            app: AppId::new("x").unwrap(),
            company: CompanyId::new("main").unwrap(),
            kind: "wecom".into(),
            settings,
            clock: Arc::new(w.clock.clone()),
        })
    };
    let door = build(settings.clone()).unwrap();
    assert!(door.capabilities().rates.iter().any(|r| r.api == "message/send"
        && r.count == 200
        && r.window_ms == 86_400_000
        && r.counts == hutong_model::Counts::Receivers));
    settings.set("account_ceiling", SettingValue::Integer(0));
    assert_eq!(build(settings).err().unwrap()[0].key, "account_ceiling");
}

fn create(members: &[&str]) -> Action {
    Action::CreateChat {
        name: "市场部".into(),
        owner: user(members[0]),
        members: members.iter().map(|m| user(m)).collect(),
        description: Some("大家好".into()),
    }
}

#[tokio::test]
async fn a_post_weighs_as_many_as_the_group_has() {
    let w = world().await;
    let weight = |id: &str| w.app.prepare(&to_chat(id, Message::text("x"))).unwrap()[0].weight;
    assert_eq!(weight("somebody"), 2_000, "unknown: the largest there can be");
    let chat = sent(deliver(&w.app, &create(&["chenchen", "linjie", "wangwu"]), &key(1)).await)
        .chat
        .unwrap();
    assert_eq!(weight(chat.as_str()), 3);
    let add = Action::AddMembers {
        chat: chat.clone(),
        users: vec![user("zhaoliu")],
    };
    sent(deliver(&w.app, &add, &key(2)).await);
    assert_eq!(weight(chat.as_str()), 4);
    let remove = Action::RemoveMembers {
        chat: chat.clone(),
        users: vec![user("ZhaoLiu"), user("wangwu")],
    };
    sent(deliver(&w.app, &remove, &key(3)).await);
    assert_eq!(weight(chat.as_str()), 2);
    // Somebody leaves by hand, which nobody tells; the next look does.
    let leave = Verb::Join {
        person: "wangwu".into(),
        chat: chat.to_string(),
        by: None,
    };
    w.sim.act(leave).await.unwrap();
    sent(deliver(&w.app, &Action::ListMembers { chat: chat.clone() }, &key(4)).await);
    assert_eq!(weight(chat.as_str()), 3);
    // After a restart the first post teaches the size.
    let again = WeCom::new(Build {
        app: AppId::new("oa").unwrap(),
        company: CompanyId::new("main").unwrap(),
        kind: "wecom".into(),
        settings: Simulator::apps(&*w.sim).remove(0).settings,
        clock: Arc::new(w.clock.clone()),
    })
    .unwrap();
    let post = to_chat(chat.as_str(), Message::text("x"));
    let first = again.prepare(&post).unwrap().remove(0);
    assert_eq!(first.weight, 2_000);
    sent(again.deliver(&first, &key(5)).await);
    let second = again.prepare(&post).unwrap().remove(0);
    assert_eq!(
        (second.weight, &second.request),
        (3, &first.request),
        "the bytes stay the same"
    );
    // The same creation once more: the group is found, and who is in it by now.
    let third = WeCom::new(Build {
        app: AppId::new("oa").unwrap(),
        company: CompanyId::new("main").unwrap(),
        kind: "wecom".into(),
        settings: Simulator::apps(&*w.sim).remove(0).settings,
        clock: Arc::new(w.clock.clone()),
    })
    .unwrap();
    assert_eq!(
        sent(deliver(&third, &create(&["chenchen", "linjie"]), &key(1)).await).chat,
        Some(chat.clone())
    );
    assert_eq!(third.prepare(&post).unwrap()[0].weight, 3);
    w.clean();
}

#[tokio::test]
async fn a_member_of_many_groups_gets_two_hundred_posts_a_minute() {
    let w = world().await;
    let mut chats = Vec::new();
    for n in 0..3 {
        let create = create(&["chenchen", if n == 2 { "zhaoliu" } else { "linjie" }]);
        chats.push(sent(deliver(&w.app, &create, &key(n)).await).chat.unwrap());
    }
    let mut posted = 3;
    let mut n = 10;
    let limited = loop {
        n += 1;
        match deliver(&w.app, &to_chat(chats[n % 3].as_str(), Message::text("x")), &key(n)).await {
            Outcome::Sent(_) => posted += 1,
            other => break other,
        }
        assert!(posted <= 200);
    };
    assert_eq!(posted, 200, "one member is in all three");
    assert!(
        matches!(limited, Outcome::RateLimited { after_ms: Some(_), .. }),
        "{limited:?}"
    );
    assert_eq!(w.sim.dropped(), 0);
    w.clock.advance(Duration::from_secs(60));
    sent(deliver(&w.app, &to_chat(chats[0].as_str(), Message::text("x")), &key(n + 1)).await);
    w.clean();
}

#[tokio::test]
async fn groups_need_the_root_department() {
    let w = world().await;
    w.sim.show_to("oa", &["2"]).unwrap();
    let outcome = deliver(&w.app, &create(&["chenchen", "linjie"]), &key(1)).await;
    let Outcome::Rejected { code, text } = outcome else {
        panic!()
    };
    assert_eq!(code, "48002");
    assert!(text.contains("根部门"), "{text}");
    w.sim.show_to("oa", &["1"]).unwrap();
    sent(deliver(&w.app, &create(&["chenchen", "linjie"]), &key(1)).await);
}

#[tokio::test]
async fn files_that_people_send_are_fetched() {
    let w = world().await;
    let id = || MessageId::new("m").unwrap();
    // Long enough for several blocks of the cipher.
    let bytes: Vec<u8> = (0..5_000u32).map(|n| (n % 251) as u8).collect();
    for (kind, expected) in [
        (FileKind::Image, AttachmentKind::Image),
        (FileKind::Video, AttachmentKind::Video),
        (FileKind::File, AttachmentKind::File),
    ] {
        for (app, door) in [("oa", &w.app), ("aib", &w.bot)] {
            w.sim.send_file("linjie", app, kind, "周报.pdf", &bytes).await.unwrap();
            let attachment = w.message().attachments.remove(0);
            assert_eq!(attachment.kind, expected);
            assert!(door.capabilities().can(Ability::Download));
            assert_eq!(
                door.download(&id(), &attachment, 5_000).await.unwrap(),
                bytes,
                "{app} {kind:?}"
            );
            let tight = door.download(&id(), &attachment, 4_999).await;
            assert!(matches!(tight, Err(CallError::Rejected { .. })), "{tight:?}");
        }
    }
    // A file that is JSON is a file, whatever stands in it.
    let tricky = br#"{"errcode": 40001, "errmsg": "not an answer"}"#;
    w.sim
        .send_file("linjie", "oa", FileKind::File, "a.json", tricky)
        .await
        .unwrap();
    let json_file = w.message().attachments.remove(0);
    assert_eq!(w.app.download(&id(), &json_file, 1_000).await.unwrap(), tricky);
    w.sim
        .send_file("linjie", "oa", FileKind::Voice, "a.amr", &bytes)
        .await
        .unwrap();
    let voice = w.message().attachments.remove(0);
    assert_eq!(voice.kind, AttachmentKind::Audio);
    w.sim.fault(Fault {
        path: String::new(),
        callbacks: false,
        times: 1,
        kind: FaultKind::RevokeTokens,
    });
    assert_eq!(
        w.app.download(&id(), &voice, 9_999).await.unwrap(),
        bytes,
        "with a new token"
    );
    w.sim
        .send_file("linjie", "aib", FileKind::Image, "a.png", &bytes)
        .await
        .unwrap();
    let image = w.message().attachments.remove(0);
    w.clock.advance(Duration::from_secs(301));
    assert!(
        w.bot.download(&id(), &image, 9_999).await.is_err(),
        "five minutes are over"
    );
    w.clock.advance(Duration::from_secs(3 * 24 * 3600));
    let Err(CallError::Rejected { code, .. }) = w.app.download(&id(), &voice, 9_999).await else {
        panic!()
    };
    assert_eq!(code, "40007", "three days are over");
    let foreign = Attachment {
        kind: AttachmentKind::File,
        name: None,
        bytes: None,
        handle: "http://169.254.169.254/latest".into(),
    };
    assert!(matches!(
        w.bot.download(&id(), &foreign, 10).await,
        Err(CallError::Rejected { .. })
    ));
    assert!(matches!(
        w.app.download(&id(), &foreign, 10).await,
        Err(CallError::NotPossible(_))
    ));
    assert!(matches!(
        w.robot.download(&id(), &foreign, 10).await,
        Err(CallError::NotPossible(_))
    ));
}

fn rows_of<'a>(rows: &'a [StatRow], who: &str) -> BTreeMap<&'a str, i64> {
    rows.iter()
        .filter(|r| matches!(&r.subject, StatSubject::Person(p) if p.as_str() == who))
        .map(|r| (r.metric.as_str(), r.value))
        .collect()
}

#[tokio::test]
async fn customer_groups_are_counted_by_owner_and_day() {
    let w = world().await;
    // The clock stands at 2026-11-22 08:00 in China.
    let yesterday = 1_795_190_400;
    let member = |id: &str, external, joined| CustomerMember {
        id: id.into(),
        external,
        joined,
    };
    w.sim.add_customer_group(CustomerGroup {
        id: "wrCUSTOMER0001".into(),
        name: "用户交流群".into(),
        owner: "linjie".into(),
        created: yesterday - 86_400,
        members: vec![
            member("linjie", false, yesterday - 86_400),
            member("wmONE", true, yesterday + 60),
            member("wmTWO", true, yesterday + 86_400 + 60),
        ],
        said: BTreeMap::from([(yesterday, (77, 12))]),
    });
    // More owners than one question takes.
    for n in 0..140 {
        w.sim.add_customer_group(CustomerGroup {
            id: format!("wrMANY{n:04}"),
            name: "x".into(),
            owner: format!("owner{n:03}"),
            created: yesterday,
            members: vec![member("a", false, yesterday)],
            said: BTreeMap::new(),
        });
    }
    assert!(w.app.capabilities().can(Ability::Statistics));
    let mut rows = Vec::new();
    let mut cursor: Option<String> = None;
    let mut pages = 0;
    loop {
        let page = w
            .app
            .statistics(&StatScope::People, "2026-11-21", cursor.as_deref())
            .await
            .unwrap();
        rows.extend(page.items);
        pages += 1;
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert_eq!((pages, rows.len()), (2, 141 * 7));
    assert_eq!(
        rows_of(&rows, "linjie"),
        BTreeMap::from([
            ("messages", 77),
            ("active_people", 12),
            ("members", 2),
            ("groups", 1),
            ("wecom.chat_has_msg", 1),
            ("wecom.new_chat_cnt", 0),
            ("wecom.new_member_cnt", 1),
        ])
    );
    assert_eq!(rows_of(&rows, "owner139")["wecom.new_chat_cnt"], 1);
    let chat = StatScope::Chat(ChatId::new("wrCUSTOMER0001").unwrap());
    let one = w.app.statistics(&chat, "2026-11-21", None).await.unwrap();
    let values: Vec<(&str, i64)> = one.items.iter().map(|r| (r.metric.as_str(), r.value)).collect();
    assert_eq!(
        values,
        [("members", 2), ("wecom.external_members", 1), ("wecom.joined", 1)]
    );
    for (scope, day) in [
        (&StatScope::People, "2026-11-22"),
        (&StatScope::People, "2026-05-01"),
        (&StatScope::People, "yesterday"),
    ] {
        let got = w.app.statistics(scope, day, None).await;
        assert!(matches!(got, Err(CallError::Rejected { .. })), "{day}: {got:?}");
    }
    assert!(matches!(
        w.app.statistics(&StatScope::Departments, "2026-11-21", None).await,
        Err(CallError::NotPossible(_))
    ));
    assert!(matches!(
        w.bot.statistics(&StatScope::People, "2026-11-21", None).await,
        Err(CallError::NotPossible(_))
    ));
    w.clean();
    w.sim.withhold("oa", "customer_contact").unwrap();
    let Err(CallError::Rejected { code, .. }) = w.app.statistics(&StatScope::People, "2026-11-21", None).await else {
        panic!()
    };
    assert_eq!(code, "48002");
}

#[tokio::test]
async fn a_menu_is_set_within_its_limits() {
    let w = world().await;
    let click = |name: &str, key: &str| MenuEntry::Click {
        name: name.into(),
        key: key.into(),
    };
    let folder = |name: &str, entries| MenuEntry::Folder {
        name: name.into(),
        entries,
    };
    w.app
        .set_menu(&[
            click("积分", "points"),
            folder("更多", vec![click("反馈给我们", "feedback")]),
        ])
        .await
        .unwrap();
    assert_eq!(w.calls("/cgi-bin/menu/create"), 1);
    w.sim.press_menu("linjie", "oa", "反馈给我们").await.unwrap();
    let (_, event) = w.take().pop().unwrap();
    assert_eq!(
        event.body,
        Body::Menu {
            user: user("linjie"),
            key: "feedback".into()
        }
    );
    assert!(w.sim.press_menu("linjie", "oa", "没有的").await.is_err());
    for bad in [
        vec![],
        vec![click("a", "k"); 4],
        vec![click("一个太长的名字", "k")],
        vec![click("a", &"k".repeat(129))],
        vec![click("", "k")],
        vec![folder("x", vec![])],
        vec![folder("x", vec![folder("y", vec![click("a", "k")])])],
        vec![MenuEntry::View {
            name: "x".into(),
            url: "javascript:alert(1)".into(),
        }],
    ] {
        assert!(w.app.set_menu(&bad).await.is_err(), "{bad:?}");
    }
    assert_eq!(w.calls("/cgi-bin/menu/create"), 1, "what does not fit is not sent");
    assert!(matches!(
        w.bot.set_menu(&[click("a", "k")]).await,
        Err(CallError::NotPossible(_))
    ));
    w.clean();
}

#[tokio::test]
async fn a_schedule_is_made_for_those_who_come() {
    let w = world().await;
    let entry = |attendees: &[&str]| Action::Calendar {
        entry: hutong_model::CalendarEntry {
            title: "新人午餐".into(),
            description: "一起吃饭".into(),
            from: NOW + Duration::from_secs(3600),
            to: NOW + Duration::from_secs(7200),
            attendees: attendees.iter().map(|a| user(a)).collect(),
        },
    };
    let receipt = sent(deliver(&w.app, &entry(&["linjie", "wangwu"]), &key(1)).await);
    assert!(receipt.handle.is_some());
    let stranger = deliver(&w.app, &entry(&["linjie", "nobody"]), &key(2)).await;
    assert!(rejected_with(&stranger, "60111"), "{stranger:?}");
    w.sim.withhold("oa", "schedule").unwrap();
    assert!(rejected_with(
        &deliver(&w.app, &entry(&["linjie"]), &key(3)).await,
        "48002"
    ));
}

#[tokio::test]
async fn a_secret_that_reads_ids_only_still_reads() {
    let w = world().await;
    w.sim.withhold("oa", "contacts").unwrap();
    let departments = w.app.departments(None).await.unwrap().items;
    assert!(
        departments.iter().any(|d| d.id.as_str() == "3" && d.name == "3"),
        "{departments:?}"
    );
    let people = w.app.people(&DepartmentId::new("2").unwrap(), None).await.unwrap();
    let ids: Vec<&str> = people.items.iter().map(|p| p.user.as_str()).collect();
    assert_eq!((ids, people.next), (vec!["chenchen", "linjie"], None));
    w.sim.grant("oa", "contacts").unwrap();
    w.sim.show_to("oa", &["3"]).unwrap();
    let departments = w.app.departments(None).await.unwrap().items;
    assert_eq!(departments.len(), 1);
    assert_eq!(
        departments[0].parent.as_ref().map(|p| p.as_str()),
        Some("2"),
        "a parent outside the range is named and not listed"
    );
    assert!(w.app.people(&DepartmentId::new("2").unwrap(), None).await.is_err());
    assert_eq!(w.app.person(&user("chenchen")).await.unwrap(), None);
    assert_eq!(w.app.person(&user("wangwu")).await.unwrap().unwrap().name, "王五");
}

#[tokio::test]
async fn a_notice_needs_no_callback_and_gives_no_code() {
    let w = world().await;
    let notice = Message::card("周报")
        .line("本周 12 人参加")
        .paragraph(vec![Inline::Link {
            label: "打开".into(),
            url: "https://example.org/weekly/47".into(),
        }]);
    let receipt = sent(deliver(&w.app, &to_user("linjie", notice.clone()), &key(1)).await);
    let handle = hutong_wecom::prepare::CardHandle::read(&receipt.message.unwrap());
    assert!(handle.task.is_some() && handle.code.is_none(), "{handle:?}");
    let chat = w.sim.chats()[0].id.clone();
    let item = w.last(&chat, "linjie");
    assert!(words(&item).contains("[周报]") && words(&item).contains("打开(https://example.org/weekly/47)"));
    // A group robot may post it too.
    let id = w.group(&["aib", "rob"]).await;
    sent(deliver(&w.robot, &to_chat("rob", notice), &key(2)).await);
    assert!(words(&w.last(&id, "wangwu")).contains("[周报]"));
    w.clean();
}

#[tokio::test]
async fn a_code_updates_once_within_three_days() {
    let w = world().await;
    let vote = Message::card("投票")
        .line("去哪里")
        .buttons(buttons(&[("爬山", "a"), ("露营", "b")]));
    let card = sent(deliver(&w.app, &to_user("linjie", vote.clone()), &key(1)).await)
        .message
        .unwrap();
    let update = |context: Option<String>, words: &str| Action::UpdateCard {
        card: card.clone(),
        context,
        content: Message::card("投票").line(words),
    };
    let chat = w.sim.chats()[0].id.clone();
    // Without a click: once, with the code of the sending.
    sent(deliver(&w.app, &update(None, "已截止"), &key(2)).await);
    assert!(words(&w.last(&chat, "linjie")).contains("已截止"));
    let again = deliver(&w.app, &update(None, "再改"), &key(3)).await;
    assert!(rejected_with(&again, "60140"), "{again:?}");
    // A click brings a code of its own, good for one update within 72 hours.
    let second = sent(deliver(&w.app, &to_user("linjie", vote.clone()), &key(4)).await);
    assert!(second.message.is_some());
    let item = w.last(&chat, "linjie").id;
    w.click("linjie", &item, "a", &[]).await.unwrap();
    let first = w.clicked();
    w.click("linjie", &item, "b", &[]).await.unwrap();
    let other = w.clicked();
    assert_eq!(first.card, other.card);
    let context = |click: &CardClick| click.reply_context.clone();
    w.clock.advance(Duration::from_secs(72 * 3600 - 1));
    sent(deliver(&w.app, &update(context(&first), "你选了爬山"), &key(5)).await);
    assert!(words(&w.last(&chat, "linjie")).contains("你选了爬山"));
    assert!(w.click("linjie", &item, "a", &[]).await.is_err(), "the button is grey");
    w.clock.advance(Duration::from_secs(1));
    let late = deliver(&w.app, &update(context(&other), "太晚"), &key(6)).await;
    let Outcome::Rejected { code, text } = late else {
        panic!()
    };
    assert_eq!(code, "60140");
    assert!(text.contains("72"), "{text}");
    // Whoever has left is named in the answer, which is a list here.
    sent(deliver(&w.app, &to_user("wangwu", vote), &key(7)).await);
    let chat = w
        .sim
        .chats()
        .into_iter()
        .find(|c| c.person.as_deref() == Some("wangwu"))
        .unwrap()
        .id;
    let item = w.last(&chat, "wangwu").id;
    w.click("wangwu", &item, "a", &[]).await.unwrap();
    let click = w.clicked();
    w.sim
        .act(Verb::Quit {
            person: "wangwu".into(),
        })
        .await
        .unwrap();
    let failed = sent(deliver(&w.app, &update(context(&click), "x"), &key(8)).await).failed;
    assert_eq!(
        (failed[0].receiver.as_str(), failed[0].code.as_str()),
        ("wangwu", "invaliduser")
    );
}

#[tokio::test]
async fn a_message_to_a_person_is_taken_back_within_a_day() {
    let w = world().await;
    let send = |n: usize| to_user("linjie", Message::text(format!("第 {n} 条")));
    let recall = |receipt: Receipt| Action::Recall {
        message: receipt.message.unwrap(),
    };
    let first = sent(deliver(&w.app, &send(1), &key(1)).await);
    let second = sent(deliver(&w.app, &send(2), &key(2)).await);
    sent(deliver(&w.app, &recall(first), &key(3)).await);
    let chat = w.sim.chats()[0].id.clone();
    let recalled: Vec<bool> = w.screen(&chat, "linjie").iter().map(|i| i.recalled).collect();
    assert_eq!(recalled, [true, false]);
    w.clock.advance(Duration::from_secs(24 * 3600 + 1));
    let late = deliver(&w.app, &recall(second), &key(4)).await;
    assert!(rejected_with(&late, "42052"), "{late:?}");
    // A post into a group has no id to take it back by.
    let chat = sent(deliver(&w.app, &create(&["chenchen", "linjie"]), &key(5)).await)
        .chat
        .unwrap();
    let post = sent(deliver(&w.app, &to_chat(chat.as_str(), Message::text("x")), &key(6)).await);
    assert_eq!(post.message, None);
}
