//! Calls beyond sending, against the simulated platform over real HTTP: work notices, DING, honours,
//! statistics, downloads, quotas, and what `check --online` says about an app that lacks something.

#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

mod world;

use std::time::Duration;

use hutong_dingtalk::sim::Rights;
use hutong_model::{
    Ability, Action, Attachment, AttachmentKind, Body, CallError, FailedReceiver, Finding, FindingState, Inline,
    Message, MessageId, Outcome, SeeClass, StatScope, StatSubject, UserId,
};
use hutong_simkit::{ChatSel, Simulator as _, Verb};
use world::{World, said, to_chat, to_user};

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

fn codes(failed: &[FailedReceiver]) -> Vec<(&str, &str)> {
    failed.iter().map(|f| (f.receiver.as_str(), f.code.as_str())).collect()
}

#[tokio::test]
async fn people_who_get_nothing_are_named_by_reason() {
    let w = World::with(|spec| {
        spec.rights.out_of_reach = vec!["u_wu".into()];
        spec.rights.flow_controlled = vec!["u_lin".into()];
    })
    .await;
    for (person, code) in [
        ("u_wu", "invalidStaffIdList"),
        ("u_lin", "flowControlledStaffIdList"),
        ("nobody", "invalidStaffIdList"),
    ] {
        let receipt = w.sent(&to_user(person, Message::text("你好"))).await;
        assert_eq!(codes(&receipt.failed), [(person, code)]);
    }
    assert!(
        w.sent(&to_user("u_chen", Message::text("你好")))
            .await
            .failed
            .is_empty()
    );
}

#[tokio::test]
async fn who_is_out_of_reach_gets_a_work_notice() {
    let w = World::with(|spec| {
        spec.agent_id = Some("1234567".into());
        spec.rights.out_of_reach = vec!["u_wu".into(), "u_lin".into()];
        spec.rights.slow_notices = true;
    })
    .await;
    let text = Message::card("公告").line("明天 9 点停电，请保存工作。");
    let receipt = w.sent(&to_user("u_wu", text.clone())).await;
    assert!(receipt.failed.is_empty(), "{:?}", receipt.failed);
    let notice = receipt.message.unwrap();
    assert!(notice.as_str().starts_with("n:u_wu:"), "{notice}");
    assert_eq!(
        w.calls("/topapi/message/corpconversation/getsendprogress"),
        2,
        "it was running first"
    );
    let direct = w.direct("u_wu");
    assert_eq!(said(&w.newest(&direct, "u_wu")), "公告\n明天 9 点停电，请保存工作。");
    // The same words to the same person on one day are accepted and dropped: the result says so.
    let again = w.sent(&to_user("u_wu", text.clone())).await;
    assert_eq!(codes(&again.failed), [("u_wu", "143106")]);
    assert_eq!(w.robot_messages(&direct), 1);
    // Somebody else is no duplicate.
    assert!(w.sent(&to_user("u_lin", text.clone())).await.failed.is_empty());
    // Nobody at all.
    let receipt = w.sent(&to_user("nobody", text)).await;
    assert_eq!(codes(&receipt.failed), [("nobody", "invalid_user_id")]);
    // Readers and recall know a notice by its id.
    let readers = Action::Readers {
        message: notice.clone(),
    };
    assert!(w.sent(&readers).await.users.is_empty());
    w.act(Verb::Read {
        person: "u_wu".into(),
        message: w.newest_id(direct.as_str()),
    })
    .await;
    assert_eq!(w.sent(&readers).await.users, [user("u_wu")]);
    w.sent(&Action::Recall { message: notice }).await;
    assert!(w.sim.screen(direct.as_str(), "u_wu", 1)[0].recalled);
    w.no_complaints();
}

#[tokio::test]
async fn long_notices_are_divided_within_their_limit() {
    let w = World::with(|spec| {
        spec.agent_id = Some("1".into());
        spec.rights.out_of_reach = vec!["u_wu".into()];
    })
    .await;
    let long: String = (0..300).map(|n| format!("第{n}行：*内容* ")).collect();
    let receipt = w
        .sent(&to_user("u_wu", Message::card("长公告").line(long.clone())))
        .await;
    assert!(receipt.failed.is_empty());
    let direct = w.direct("u_wu");
    let shown = w.sim.screen(direct.as_str(), "u_wu", 100);
    let all: String = shown.iter().map(|i| said(&i.parts)).collect();
    assert!(all.contains("第0行") && all.contains("第299行"));
    assert!(w.calls("/topapi/message/corpconversation/asyncsend_v2") >= 3);
    w.no_complaints();
}

#[tokio::test]
async fn a_ding_is_taken_back_and_becomes_a_message_without_the_edition() {
    let w = World::new().await;
    let chat = w.group(&["u_chen", "u_lin"]).await;
    let message = w.send(&chat, Message::text("请确认")).await.message.unwrap();
    let urgent = Action::Urgent {
        message,
        users: vec![user("u_lin"), user("nobody")],
    };
    let receipt = w.sent(&urgent).await;
    assert_eq!(codes(&receipt.failed), [("nobody", "failedList")]);
    let ding = receipt.message.unwrap();
    w.sent(&Action::Recall { message: ding.clone() }).await;
    let direct = w.direct("u_lin");
    assert!(w.sim.screen(direct.as_str(), "u_lin", 1)[0].recalled);
    // Twice is an error of the platform, not a second recall.
    assert!(matches!(
        w.outcome(&Action::Recall { message: ding }).await,
        Outcome::Rejected { code, .. } if code == "recall.ding.exception"
    ));
    w.sim.set_rights(
        "bot",
        Rights {
            without: vec!["Premium.Ding.Write".into()],
            flow_controlled: vec!["u_wu".into()],
            ..Rights::default()
        },
    );
    let Action::Urgent { message, .. } = urgent else {
        panic!()
    };
    let mut users: Vec<UserId> = (0..25).map(|n| user(&format!("p{n}"))).collect();
    users.extend([user("nobody"), user("u_wu")]);
    let receipt = w.sent(&Action::Urgent { message, users }).await;
    assert_eq!(
        codes(&receipt.failed),
        [("nobody", "invalidStaffIdList"), ("u_wu", "flowControlledStaffIdList")]
    );
    assert_eq!(receipt.message, None);
    assert_eq!(w.calls("/v1.0/robot/oToMessages/batchSend"), 2, "twenty at a time");
    assert_eq!(w.robot_messages(&w.direct("p24")), 1);
}

#[tokio::test]
async fn honours_are_granted_and_taken_back() {
    let w = World::with(|spec| {
        spec.honours = vec!["5001".into()];
        spec.honour_user = Some("u_chen".into());
    })
    .await;
    assert!(w.adapter.capabilities().can(Ability::Badge));
    let badge = |honour: &str, users: &[&str], given| Action::Badge {
        badge: honour.into(),
        users: users.iter().map(|u| user(u)).collect(),
        given,
    };
    let eleven: Vec<String> = (0..11).map(|n| format!("p{n}")).collect();
    let mut people: Vec<&str> = eleven.iter().map(String::as_str).collect();
    people.push("nobody");
    let mut failed = Vec::new();
    for outcome in w.outcomes(&badge("5001", &people, true)).await {
        let Outcome::Sent(receipt) = outcome else {
            panic!("{outcome:?}")
        };
        failed.extend(receipt.failed);
    }
    assert_eq!(codes(&failed), [("nobody", "failedUserIds")]);
    assert_eq!(w.calls("/v1.0/orgCulture/honors/{honorId}/grant"), 2, "ten at a time");
    assert_eq!(w.sim.honours().len(), 11);
    assert_eq!(w.outcomes(&badge("5001", &["p0", "p1"], false)).await.len(), 2);
    assert_eq!(w.sim.honours().len(), 9);
    w.no_complaints();
    assert!(matches!(
        w.outcome(&badge("5001", &["p0"], false)).await,
        Outcome::Rejected { .. }
    ));
    assert!(matches!(
        w.outcome(&badge("404", &["p0"], true)).await,
        Outcome::Rejected { .. }
    ));
    assert!(w.adapter.prepare(&badge("../x", &["p0"], true)).is_err());
    let plain = World::new().await;
    assert!(!plain.adapter.capabilities().can(Ability::Badge));
    assert!(plain.adapter.prepare(&badge("5001", &["p0"], true)).is_err());
}

#[tokio::test]
async fn the_platforms_own_figures_of_a_day() {
    let w = World::with(|spec| spec.statistics = true).await;
    assert!(w.adapter.capabilities().can(Ability::Statistics) && w.adapter.capabilities().sees(SeeClass::V3));
    let chat = w.group(&["u_chen", "u_lin", "u_wu"]).await;
    for (person, text) in [("u_chen", "早"), ("u_chen", "开会"), ("u_lin", "好")] {
        w.say(person, &chat, text).await;
    }
    let scope = StatScope::Chat(chat.clone());
    let page = w.adapter.statistics(&scope, "2026-11-24", None).await.unwrap();
    let got: Vec<(&str, i64)> = page.items.iter().map(|r| (r.metric.as_str(), r.value)).collect();
    assert_eq!(
        got,
        [
            ("members", 3),
            ("messages", 3),
            ("dingtalk.senders", 2),
            ("dingtalk.openers", 2)
        ]
    );
    assert!(page.items.iter().all(|r| r.subject == StatSubject::Chat(chat.clone())));
    let quiet = w.adapter.statistics(&scope, "2026-11-23", None).await.unwrap();
    assert_eq!(quiet.items[1].value, 0);
    // The company's day comes in two calls.
    let mut rows = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = w
            .adapter
            .statistics(&StatScope::Departments, "2026-11-24", cursor.as_deref())
            .await
            .unwrap();
        rows.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let find = |metric: &str| rows.iter().find(|r| r.metric == metric).map(|r| r.value);
    assert_eq!(find("dingtalk.act_usr_cnt_1d"), Some(2));
    assert_eq!(find("dingtalk.send_group_message_cnt_1d"), Some(3));
    assert!(rows.iter().all(|r| r.subject == StatSubject::Company));
    let people = w.adapter.statistics(&StatScope::People, "2026-11-24", None).await;
    assert!(matches!(people, Err(CallError::NotPossible(_))));
    let bad = w.adapter.statistics(&scope, "24.11.2026", None).await;
    assert!(matches!(bad, Err(CallError::Rejected { code, .. }) if code == "argument"));
    w.no_complaints();
    let plain = World::new().await;
    assert!(!plain.adapter.capabilities().can(Ability::Statistics));
    let off = plain
        .adapter
        .statistics(&StatScope::Departments, "2026-11-24", None)
        .await;
    assert!(matches!(off, Err(CallError::NotPossible(_))));
}

#[tokio::test]
async fn a_file_is_fetched_and_never_longer_than_allowed() {
    let w = World::new().await;
    let code = w.sim.put_file(vec![7; 5000]);
    let message = MessageId::new("msg1").unwrap();
    let attachment = |handle: &str| Attachment {
        kind: AttachmentKind::File,
        name: Some("a.pdf".into()),
        bytes: None,
        handle: handle.into(),
    };
    let got = w.adapter.download(&message, &attachment(&code), 5000).await.unwrap();
    assert_eq!(got, vec![7; 5000]);
    w.no_complaints();
    let long = w.adapter.download(&message, &attachment(&code), 4999).await;
    assert!(matches!(long, Err(CallError::Rejected { code, .. }) if code == "too_large"));
    let gone = w.adapter.download(&message, &attachment("codeX"), 5000).await;
    assert!(matches!(gone, Err(CallError::Rejected { code, .. }) if code == "invalidParameter.robotCode.downloadCode"));
    let none = w.adapter.download(&message, &attachment(""), 5000).await;
    assert!(matches!(none, Err(CallError::Rejected { .. })));
}

#[tokio::test]
async fn the_months_quota_ends_and_comes_back() {
    let w = World::with(|spec| spec.rights.monthly_calls = Some(3)).await;
    let chat = w.group(&["u_chen", "u_lin"]).await;
    for _ in 0..3 {
        w.send(&chat, Message::text("x")).await;
    }
    let over = w.outcome(&to_chat(&chat, Message::text("x"))).await;
    let Outcome::RateLimited { code, after_ms, .. } = over else {
        panic!("{over:?}")
    };
    assert_eq!(code, "Forbidden.AccessDenied.ApiCountLimitForOrg");
    assert!(after_ms.unwrap() >= 3_600_000);
    // Contacts are free and go on.
    assert!(w.adapter.person(&user("u_lin")).await.unwrap().is_some());
    let quota = |list: Vec<Finding>| list.into_iter().find(|f| f.check == "quota").unwrap();
    let found = quota(w.adapter.diagnose(None).await);
    assert_eq!(found.state, FindingState::Warning);
    assert!(found.zh.contains("2026-11 已调用 3 / 5000"), "{}", found.zh);
    w.advance(Duration::from_secs(8 * 86_400));
    w.send(&chat, Message::text("下个月")).await;
    w.sim.set_rights("bot", Rights::default());
    assert_eq!(quota(w.adapter.diagnose(None).await).state, FindingState::Good);
}

#[tokio::test]
async fn pushes_of_the_month_end_in_a_notice_without_text() {
    let w = World::with(|spec| spec.rights.monthly_pushes = Some(1)).await;
    let say = |text: &str| Verb::Say {
        person: "u_wu".into(),
        chat: ChatSel::DirectWith("bot".into()),
        text: text.into(),
        reply_to: None,
    };
    w.act(say("一")).await;
    assert_eq!(w.message().text(), "一");
    w.act(say("二")).await;
    let all = w.arrived();
    assert!(
        matches!(&all[0].body, Body::Other { name } if name == "robot_over_quota"),
        "{all:?}"
    );
}

fn state<'f>(list: &'f [Finding], check: &str) -> &'f Finding {
    list.iter()
        .find(|f| f.check == check)
        .unwrap_or_else(|| panic!("no {check} in {list:?}"))
}

#[tokio::test]
async fn a_healthy_app_is_found_healthy() {
    let w = World::with(|spec| {
        spec.honours = vec!["5001".into()];
        spec.honour_user = Some("u_chen".into());
        spec.statistics = true;
        spec.agent_id = Some("7".into());
    })
    .await;
    let list = w.adapter.diagnose(Some("https://bot.example.com/hook/dt")).await;
    let open: Vec<&str> = list
        .iter()
        .filter(|f| f.state != FindingState::Good)
        .map(|f| f.check.as_str())
        .collect();
    assert_eq!(
        open,
        ["group_template", "work_notice", "events", "callback"],
        "{list:?}"
    );
    assert!(
        list.iter()
            .filter(|f| open.contains(&f.check.as_str()))
            .all(|f| f.state == FindingState::Unknown)
    );
    for check in [
        "token",
        "bot",
        "scope:qyapi_robot_sendmsg",
        "scope:qyapi_get_department_list",
        "scope:qyapi_get_department_member",
        "scope:qyapi_get_member",
        "contact_scope",
        "scope:qyapi_chat_manage",
        "scope:Card.Instance.Write",
        "card_template",
        "scope:Premium.Ding.Write",
        "scope:Calendar.Event.Write",
        "scope:OrgCulture.Honor.Write",
        "scope:Custom.Common.Read",
        "trusted_ip",
        "quota",
    ] {
        assert_eq!(state(&list, check).state, FindingState::Good, "{check}");
    }
    assert!(state(&list, "callback").en.contains("https://bot.example.com/hook/dt"));
    // Nothing was said, made or taken by asking.
    assert!(w.sim.chats().is_empty() && w.sim.side_effects().1.is_empty());
}

#[tokio::test]
async fn every_missing_permission_is_named_with_its_fix() {
    let names = [
        "qyapi_robot_sendmsg",
        "qyapi_get_department_list",
        "qyapi_get_department_member",
        "qyapi_get_member",
        "qyapi_chat_manage",
        "Card.Instance.Write",
        "Premium.Ding.Write",
        "OrgCulture.Honor.Write",
        "Custom.Common.Read",
        "Calendar.Event.Write",
    ];
    let w = World::with(|spec| {
        spec.honour_user = Some("u_chen".into());
        spec.statistics = true;
    })
    .await;
    for name in names {
        w.sim.set_rights(
            "bot",
            Rights {
                without: vec![name.into()],
                ..Rights::default()
            },
        );
        let list = w.adapter.diagnose(None).await;
        let found = state(&list, &format!("scope:{name}"));
        let expected = match name {
            "Premium.Ding.Write" => FindingState::Warning,
            _ => FindingState::Missing,
        };
        assert_eq!(found.state, expected, "{name}");
        assert!(found.zh.contains(name) && found.zh.contains("权限管理"), "{}", found.zh);
        assert!(found.en.contains(name) && found.en.contains("grant it"), "{}", found.en);
        let others = list
            .iter()
            .filter(|f| f.check.starts_with("scope:") && f.state != FindingState::Good);
        // Without reading people there is no one to ask the calendar for.
        assert_eq!(others.count(), 1, "{name}: {list:?}");
        let hurt = list.iter().filter(|f| f.state == FindingState::Missing).count();
        assert!(hurt <= 2, "{name}: {list:?}");
    }
    // A send without the permission says so too.
    w.sim.set_rights(
        "bot",
        Rights {
            without: vec!["qyapi_robot_sendmsg".into()],
            ..Rights::default()
        },
    );
    let Outcome::Rejected { text, .. } = w.outcome(&to_user("u_lin", Message::text("x"))).await else {
        panic!()
    };
    assert!(
        text.contains("qyapi_robot_sendmsg") && text.contains("权限管理"),
        "{text}"
    );
}

#[tokio::test]
async fn what_else_can_be_wrong_is_found() {
    let w = World::with(|spec| spec.rights.contact_scope = Some(vec![100])).await;
    let list = w.adapter.diagnose(None).await;
    let scope = state(&list, "contact_scope");
    assert_eq!(scope.state, FindingState::Missing);
    assert!(scope.en.contains("root_departments"), "{}", scope.en);
    // Reading says the same, and what is inside the scope is read.
    assert!(matches!(
        w.adapter.departments(None).await,
        Err(CallError::Rejected { code, .. }) if code == "50004"
    ));
    assert!(
        w.adapter.person(&user("u_wu")).await.unwrap().is_some(),
        "101 is below 100"
    );
    assert!(matches!(
        w.adapter.person(&user("p1")).await,
        Err(CallError::Rejected { code, .. }) if code == "50002"
    ));
    w.sim.set_rights(
        "bot",
        Rights {
            ip_refused: true,
            ..Rights::default()
        },
    );
    let list = w.adapter.diagnose(None).await;
    assert_eq!(state(&list, "trusted_ip").state, FindingState::Missing);
    assert!(state(&list, "trusted_ip").zh.contains("出口 IP"));
    assert_eq!(state(&list, "scope:qyapi_get_member").state, FindingState::Unknown);

    // A wrong secret, a wrong robot, a wrong template: each by itself.
    for (key, check) in [
        ("client_secret", "token"),
        ("robot_code", "bot"),
        ("card_template_id", "card_template"),
    ] {
        let w = World::new().await;
        let mut settings = w.sim.apps().remove(0).settings;
        let value = match key {
            "client_secret" => hutong_model::SettingValue::Secret(hutong_model::Secret::new("wrong")),
            _ => hutong_model::SettingValue::Text("wrong".into()),
        };
        settings.set(key, value);
        let list = w.built(settings).diagnose(None).await;
        assert_eq!(state(&list, check).state, FindingState::Missing, "{list:?}");
        let missing = list.iter().filter(|f| f.state == FindingState::Missing).count();
        assert_eq!(missing, 1, "{list:?}");
    }
    let w = World::with(|spec| {
        spec.card_template_id = None;
        spec.group_template_id = None;
        spec.calendar_user = Some("nobody".into());
    })
    .await;
    let list = w.adapter.diagnose(None).await;
    assert_eq!(state(&list, "card_template").state, FindingState::Warning);
    assert_eq!(state(&list, "group_template").state, FindingState::Warning);
    assert_eq!(state(&list, "calendar_user").state, FindingState::Missing);
}

#[tokio::test]
async fn links_at_the_end_of_a_card_become_its_buttons() {
    let w = World::with(|spec| spec.card_template_id = None).await;
    let chat = w.group(&["u_chen"]).await;
    let link = |label: &str| Inline::Link {
        label: label.into(),
        url: format!("https://bot.example.com/{}", label.len()),
    };
    for n in 1..=5 {
        let mut links = Vec::new();
        for label in ["一", "二二", "三三三", "四四四四", "五五五五五"].iter().take(n) {
            links.push(link(label));
            links.push(Inline::Text(" ".into()));
        }
        let message = Message::card("周报").line("本周 *12* 条").paragraph(links);
        let prepared = w.adapter.prepare(&to_chat(&chat, message.clone())).unwrap();
        let key = if n == 1 {
            "sampleActionCard\"".to_owned()
        } else {
            format!("sampleActionCard{n}\"")
        };
        assert!(prepared[0].request.contains(&key), "{}", prepared[0].request);
        w.send(&chat, message).await;
        let shown = w.newest(&chat, "u_chen");
        let links = shown
            .iter()
            .filter(|p| matches!(p, hutong_simkit::ScreenPart::Link { .. }))
            .count();
        assert_eq!(links, n, "{shown:?}");
    }
    w.no_complaints();
}
