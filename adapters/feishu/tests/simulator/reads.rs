//! What the bot can read and do beyond talking: chats, figures, files, badges, text edits, urgent calls,
//! the directory through a narrow scope, and what it says about its own set-up.

use std::collections::BTreeMap;
use std::time::Duration;

use hutong_feishu::sim::{ContactScope, SimAppOptions};
use hutong_model::{
    Ability, Action, Adapter as _, Attachment, AttachmentKind, Block, CalendarEntry, CallError, DepartmentId, Finding,
    FindingState, Inline, Message, Outcome, StatScope, StatSubject, Target, UserId,
};
use hutong_simkit::{Simulator as _, Verb};
use serde_json::{Value, json};

use crate::stage::*;

#[tokio::test]
async fn the_chats_of_the_bot_are_listed_to_the_end() {
    let stage = stage().await;
    let first = stage.group(3).await;
    for _ in 0..104 {
        stage.group(2).await;
    }
    let gone = stage.group(2).await;
    let verb = Verb::Disband {
        chat: gone.as_str().into(),
        by: "u000".into(),
    };
    stage.sim.act(verb).await.unwrap();
    let (mut found, mut cursor, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = stage.bot().adapter.chats(cursor.as_deref()).await.unwrap();
        found.extend(page.items);
        pages += 1;
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!((found.len(), pages), (105, 2));
    let one = found.iter().find(|c| c.id == first).unwrap();
    assert_eq!((one.name.as_str(), one.external), ("研发一部", false));
    assert!(one.owner.is_some());
    assert!(found.iter().all(|c| c.id != gone));
    stage.no_complaints();
}

#[tokio::test]
async fn the_figures_of_a_day_are_out_the_next_morning() {
    let stage = stage().await;
    let chat = stage.group(5).await;
    for person in ["u001", "u001", "u002"] {
        stage.say(person, &chat, "早").await;
    }
    let adapter = &stage.bot().adapter;
    // START is 2026-11-24, 14:00 in China.
    let day = "2026-11-24";
    let read = |scope: StatScope| async move {
        let (mut rows, mut cursor) = (Vec::new(), None);
        loop {
            let page = adapter.statistics(&scope, day, cursor.as_deref()).await.unwrap();
            rows.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                return rows;
            }
        }
    };
    assert_eq!(read(StatScope::Departments).await, Vec::new(), "the day is not over");
    stage.clock.advance(Duration::from_secs(20 * 3600));
    let rows = read(StatScope::Departments).await;
    let value = |subject: &StatSubject, metric: &str| {
        rows.iter()
            .find(|r| r.subject == *subject && r.metric == metric)
            .map(|r| r.value)
    };
    assert!(rows.iter().all(|r| r.day == day));
    assert_eq!(value(&StatSubject::Company, "messages"), Some(3));
    assert_eq!(value(&StatSubject::Company, "active_people"), Some(2));
    assert_eq!(value(&StatSubject::Company, "members"), Some(131));
    // 72 departments, twenty to a page.
    let subjects: std::collections::HashSet<String> = rows.iter().map(|r| format!("{:?}", r.subject)).collect();
    assert_eq!(subjects.len(), 72);
    let people = read(StatScope::People).await;
    let u001 = StatSubject::Person(user("u001"));
    let of: Vec<(&str, i64)> = people
        .iter()
        .filter(|r| r.subject == u001)
        .map(|r| (&*r.metric, r.value))
        .collect();
    assert_eq!(of, [("messages", 2), ("active_people", 1)]);
    // Only these two figures of a person leave the platform.
    assert!(
        people
            .iter()
            .all(|r| ["messages", "active_people"].contains(&&*r.metric))
    );
    let of_chat = adapter.statistics(&StatScope::Chat(chat), day, None).await;
    assert!(matches!(of_chat, Err(CallError::NotPossible(_))));
    stage.no_complaints();
}

#[tokio::test]
async fn attachments_come_back_byte_for_byte_and_refusals_are_told_apart() {
    let stage = stage().await;
    let chat = stage.group(3).await;
    stage.take();
    let bytes: Vec<u8> = (0..50_000u32).map(|n| (n % 251) as u8).collect();
    let files = [
        ("image", "a.png"),
        ("file", "手册.pdf"),
        ("file", "not an error.json"),
        ("audio", ""),
        ("media", "x.mp4"),
    ];
    for (kind, name) in files {
        stage
            .sim
            .attach("u001", chat.as_str(), kind, name, bytes.clone())
            .await
            .unwrap();
        let event = stage.take().remove(0);
        let heard = message(&event);
        let found = &heard.attachments[0];
        let adapter = &stage.bot().adapter;
        assert_eq!(
            adapter.download(&heard.message, found, 50_000).await.unwrap(),
            bytes,
            "{name}"
        );
        let small = adapter.download(&heard.message, found, 49_999).await;
        assert!(
            matches!(&small, Err(CallError::Rejected { code, .. }) if code == "234037"),
            "{small:?}"
        );
    }
    stage
        .sim
        .attach("u001", chat.as_str(), "sticker", "", bytes.clone())
        .await
        .unwrap();
    let event = stage.take().remove(0);
    let heard = message(&event);
    let adapter = &stage.bot().adapter;
    let sticker = adapter.download(&heard.message, &heard.attachments[0], 1 << 20).await;
    assert!(matches!(sticker, Err(CallError::NotPossible(_))));
    stage.no_complaints();
    let foreign = Attachment {
        kind: AttachmentKind::File,
        name: None,
        bytes: None,
        handle: "file:file_v3_of_nobody".into(),
    };
    stage
        .sim
        .attach("u001", chat.as_str(), "file", "a.pdf", bytes)
        .await
        .unwrap();
    let event = stage.take().remove(0);
    let wrong = adapter.download(&message(&event).message, &foreign, 1 << 20).await;
    assert!(
        matches!(&wrong, Err(CallError::Rejected { code, .. }) if code == "234003"),
        "{wrong:?}"
    );
}

#[tokio::test]
async fn badges_are_given_and_taken_and_lists_by_hand_stay() {
    let stage = stage().await;
    stage.sim.add_badge("m_hero");
    let badge = |users: &[&str], given: bool| Action::Badge {
        badge: "m_hero".into(),
        users: users.iter().map(|u| user(u)).collect(),
        given,
    };
    let worn = || {
        let mut people = stage.sim.badge_people("m_hero");
        people.sort();
        people
    };
    stage.sent(badge(&["u001", "u002"], true)).await;
    assert_eq!(worn(), ["u001", "u002"]);
    // Twice is once.
    stage.sent(badge(&["u002", "u003"], true)).await;
    stage.sent(badge(&["u002", "u003"], true)).await;
    assert_eq!(worn(), ["u001", "u002", "u003"]);
    stage.sent(badge(&["u001", "u009"], false)).await;
    assert_eq!(worn(), ["u002", "u003"]);
    // An empty list is no list.
    stage.sent(badge(&["u002", "u003"], false)).await;
    assert_eq!(worn(), Vec::<String>::new());
    // By another kind of id.
    let person = stage.bot().adapter.person(&user("u004")).await.unwrap().unwrap();
    let open: Vec<UserId> = person
        .aliases
        .into_iter()
        .filter(|a| a.as_str().starts_with("ou_"))
        .collect();
    let by_open = Action::Badge {
        badge: "m_hero".into(),
        users: open,
        given: true,
    };
    stage.sent(by_open).await;
    assert_eq!(worn(), ["u004"]);
    stage.no_complaints();
    // One unknown id refuses the list: nobody got it, and everybody is told.
    let receipt = stage.sent(badge(&["u005", "nobody"], true)).await;
    assert_eq!(receipt.failed.len(), 2);
    assert_eq!(worn(), ["u004"]);
    let none = Action::Badge {
        badge: "m_none".into(),
        users: vec![user("u001")],
        given: true,
    };
    let refused = stage.run(none).await;
    assert!(
        matches!(&refused, Outcome::Rejected { code, .. } if code == "1051113"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn more_people_than_a_list_holds_go_on_in_the_next() {
    let mut many = org();
    many.people = (0..1_100).map(|n| person(n, "eng")).collect();
    let stage = stage_of(many, vec![SimAppOptions::new(1, "胡同", true)], false).await;
    stage.sim.add_badge("m_all");
    let action = |range: std::ops::Range<usize>, given| Action::Badge {
        badge: "m_all".into(),
        users: range.map(|n| user(&format!("u{n:03}"))).collect(),
        given,
    };
    stage.sent(action(0..1_100, true)).await;
    assert_eq!(stage.sim.badge_people("m_all").len(), 1_100);
    // Room in the first list is used again, and nobody is written down twice.
    stage.sent(action(0..10, false)).await;
    stage.sent(action(0..1_100, true)).await;
    let mut people = stage.sim.badge_people("m_all");
    people.sort();
    people.dedup();
    assert_eq!((people.len(), stage.sim.badge_people("m_all").len()), (1_100, 1_100));
    stage.no_complaints();
}

#[tokio::test]
async fn texts_are_edited_and_cards_are_replaced_whatever_comes_first() {
    let stage = stage().await;
    let chat = stage.group(3).await;
    let text = stage.send(&chat, Message::text("周五见")).await;
    let card = stage.send(&chat, Message::card("报名").line("还有 3 个名额")).await;
    let update = |id: &hutong_model::MessageId, content: Message| Action::UpdateCard {
        card: id.clone(),
        context: None,
        content,
    };
    stage.sent(update(&text, Message::text("周六见"))).await;
    stage.sent(update(&card, Message::card("报名").line("满了"))).await;
    assert_eq!(stage.texts(chat.as_str()), ["周六见", "【报名】满了\n"]);
    stage.no_complaints();
    // A card that became one line: the platform refuses the edit and takes the card.
    stage.sent(update(&card, Message::text("已结束"))).await;
    assert_eq!(stage.texts(chat.as_str())[1], "已结束\n");
    assert_eq!(stage.sim.complaints().len(), 1);
    // Twenty edits are all a text gets.
    for n in 0..19 {
        stage.clock.advance(Duration::from_secs(1));
        stage.sent(update(&text, Message::text(format!("{n}")))).await;
    }
    stage.clock.advance(Duration::from_secs(1));
    let once_more = stage.run(update(&text, Message::text("x"))).await;
    assert!(
        matches!(&once_more, Outcome::Rejected { code, .. } if code == "230072"),
        "{once_more:?}"
    );
}

#[tokio::test]
async fn pins_go_up_and_come_down() {
    let stage = stage().await;
    let chat = stage.group(3).await;
    let id = stage.send(&chat, Message::text("规则")).await;
    for action in [
        Action::Pin { message: id.clone() },
        Action::Unpin { message: id.clone() },
        Action::Unpin { message: id.clone() },
    ] {
        stage.sent(action).await;
    }
    assert_eq!(stage.count("DELETE /im/v1/pins/{id}"), 2);
    stage.no_complaints();
}

#[tokio::test]
async fn who_is_not_reached_is_named() {
    let stage = stage().await;
    let chat = stage.group(3).await;
    let id = stage.send(&chat, Message::text("请看")).await;
    let urgent = stage
        .sent(Action::Urgent {
            message: id,
            users: vec![user("u001"), user("u077")],
        })
        .await;
    let failed: Vec<&str> = urgent.failed.iter().map(|f| &*f.receiver).collect();
    assert_eq!(failed, ["u077"]);
    // One person has left: everybody else is invited all the same.
    stage.sim.act(Verb::Quit { person: "u005".into() }).await.unwrap();
    let entry = CalendarEntry {
        title: "分享会".into(),
        description: String::new(),
        from: START,
        to: START,
        attendees: ["u001", "u005", "u002"].map(user).to_vec(),
    };
    let receipt = stage.sent(Action::Calendar { entry }).await;
    let failed: Vec<(&str, &str)> = receipt.failed.iter().map(|f| (&*f.receiver, &*f.code)).collect();
    assert_eq!(failed, [("u005", "195100")]);
    assert!(receipt.handle.is_some());
    let members = stage
        .sent(Action::AddMembers {
            chat,
            users: ["u010", "u005", "nobody"].map(user).to_vec(),
        })
        .await;
    let mut failed: Vec<(&str, &str)> = members.failed.iter().map(|f| (&*f.receiver, &*f.code)).collect();
    failed.sort_unstable();
    assert_eq!(failed, [("nobody", "not_existed_id_list"), ("u005", "invalid_id_list")]);
}

async fn with_setting(key: &'static str, value: &str, options: SimAppOptions) -> (Stage, hutong_feishu::Feishu) {
    let stage = stage_with(vec![options], true).await;
    let app = stage.sim.apps().remove(0);
    let build = hutong_model::Build {
        app: hutong_model::AppId::new("fs").unwrap(),
        company: hutong_model::CompanyId::new("main").unwrap(),
        kind: app.kind.to_owned(),
        settings: app
            .settings
            .with(key, hutong_model::SettingValue::Text(value.to_owned())),
        clock: std::sync::Arc::new(stage.clock.clone()),
    };
    let adapter = hutong_feishu::Feishu::new(&build).unwrap();
    (stage, adapter)
}

#[tokio::test]
async fn urgent_messages_take_the_way_that_is_set() {
    for (setting, path) in [("app", "urgent_app"), ("sms", "urgent_sms"), ("phone", "urgent_phone")] {
        let (stage, adapter) = with_setting("urgent", setting, SimAppOptions::new(1, "胡同", true)).await;
        let chat = stage.group(3).await;
        let message = stage.send(&chat, Message::text("请看")).await;
        let action = Action::Urgent {
            message,
            users: vec![user("u001")],
        };
        let prepared = adapter.prepare(&action).unwrap();
        assert!(matches!(
            adapter.deliver(&prepared[0], &fresh_key()).await,
            Outcome::Sent(_)
        ));
        assert_eq!(stage.count(path), 1);
        assert_eq!(adapter.capabilities().remarks.len() - 2, usize::from(setting != "app"));
    }
}

#[tokio::test]
async fn a_narrow_contact_scope_is_read_to_its_ends() {
    let narrow = ContactScope {
        departments: vec!["t7".into(), "t8".into()],
        people: (0..120).map(|n| format!("u{n:03}")).collect(),
    };
    let mut options = SimAppOptions::new(1, "胡同", true);
    options.contact = Some(narrow);
    let stage = stage_with(vec![options], false).await;
    let adapter = &stage.bot().adapter;
    let (mut departments, mut cursor) = (Vec::new(), None);
    loop {
        let page = adapter.departments(cursor.as_deref()).await.unwrap();
        departments.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let names: Vec<&str> = departments.iter().map(|d| &*d.name).collect();
    assert_eq!(names, ["全公司", "小组7", "小组8"]);
    let mut people = BTreeMap::new();
    for department in &departments {
        let (mut cursor, mut count) = (None, 0);
        loop {
            let page = adapter.people(&department.id, cursor.as_deref()).await.unwrap();
            count += page.items.len();
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        people.insert(department.name.as_str(), count);
    }
    // The root holds those whom the scope names one by one.
    assert_eq!(people, BTreeMap::from([("全公司", 120), ("小组7", 10), ("小组8", 0)]));
    let outside = adapter.person(&user("u130")).await;
    assert!(
        matches!(&outside, Err(CallError::Rejected { code, text }) if code == "41050" && text.contains("contact scope"))
    );
    let elsewhere = adapter.people(&DepartmentId::new("od-unknown").unwrap(), None).await;
    assert!(matches!(elsewhere, Err(CallError::Rejected { .. })));
}

/// A platform whose listings never end.
#[tokio::test]
async fn a_listing_that_does_not_end_is_an_error() {
    use axum::routing::{get, post};
    let page = || async {
        let item =
            json!({ "open_department_id": "od-1", "name": "x", "chat_id": "oc_1", "open_id": "ou_1", "user_id": "u1" });
        axum::Json(json!({ "code": 0, "data": { "items": [item], "has_more": true, "page_token": "same" } }))
    };
    let token = || async { axum::Json(json!({ "code": 0, "tenant_access_token": "t-x", "expire": 7200 })) };
    let router = axum::Router::new()
        .route("/open-apis/auth/v3/tenant_access_token/internal", post(token))
        .fallback(get(page));
    let bound = hutong_simkit::server::Bound::bind(0).await.unwrap();
    let base = bound.base_url();
    let _served = bound.serve(router);
    let stage = stage().await;
    let app = stage.sim.apps().remove(0);
    let build = hutong_model::Build {
        app: hutong_model::AppId::new("fs").unwrap(),
        company: hutong_model::CompanyId::new("main").unwrap(),
        kind: "lark".to_owned(),
        settings: app.settings.with("base_url", hutong_model::SettingValue::Text(base)),
        clock: std::sync::Arc::new(stage.clock.clone()),
    };
    let adapter = hutong_feishu::Feishu::new(&build).unwrap();
    assert_eq!(adapter.capabilities().kind, "lark");
    let unavailable =
        |error: CallError| assert!(matches!(&error, CallError::Unavailable(why) if why.contains("does not end")));
    let first = adapter.departments(None).await.unwrap().next.unwrap();
    unavailable(adapter.departments(Some(&first)).await.unwrap_err());
    let department = DepartmentId::new("od-1").unwrap();
    assert_eq!(
        adapter.people(&department, None).await.unwrap().next.as_deref(),
        Some("same")
    );
    unavailable(adapter.people(&department, Some("same")).await.unwrap_err());
    unavailable(adapter.chats(Some("same")).await.unwrap_err());
    unavailable(
        adapter
            .statistics(&StatScope::People, "2026-11-24", Some("same"))
            .await
            .unwrap_err(),
    );
}

fn by_check(findings: &[Finding]) -> BTreeMap<&str, &Finding> {
    let map: BTreeMap<&str, &Finding> = findings.iter().map(|f| (f.check.as_str(), f)).collect();
    assert_eq!(map.len(), findings.len(), "one line per question");
    for finding in findings {
        let chinese = finding.zh.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
        assert!(chinese && !finding.en.is_empty(), "{finding:?}");
    }
    map
}

#[tokio::test]
async fn a_healthy_app_is_found_healthy() {
    let stage = stage().await;
    stage.group(2).await;
    let findings = stage
        .bot()
        .adapter
        .diagnose(Some("https://bot.example.com/hook/fs"))
        .await;
    let map = by_check(&findings);
    for finding in &findings {
        let expected = if finding.check == "events" {
            FindingState::Unknown
        } else {
            FindingState::Good
        };
        assert_eq!(finding.state, expected, "{finding:?}");
    }
    for check in [
        "token",
        "bot",
        "version",
        "contact_scope",
        "groups",
        "connections",
        "callback_address",
    ] {
        assert!(map.contains_key(check), "{check}");
    }
    assert!(map.keys().filter(|k| k.starts_with("scope:")).count() >= 22);
    // Asking does nothing.
    stage.no_complaints();
    assert!(
        !stage
            .sim
            .calls()
            .iter()
            .any(|(call, _)| call.starts_with("POST /im") || call.starts_with("DELETE"))
    );
}

#[tokio::test]
async fn what_is_withheld_is_named_one_by_one_with_its_fix() {
    let withheld = [
        "im:message.urgent",
        "im:message.urgent:app_send",
        "im:chat",
        "im:chat:read",
        "im:chat:readonly",
        "im:chat.group_info:readonly",
        "admin:admin_dept_stat:readonly",
        "application:application:self_manage",
        "admin:app.info:readonly",
    ];
    let mut options = SimAppOptions::new(1, "胡同", false).without(withheld);
    options.contact = Some(ContactScope {
        departments: vec!["t7".into()],
        people: vec![],
    });
    let id = options.app_id.clone();
    let stage = stage_with(vec![options], true).await;
    let findings = stage.bot().adapter.diagnose(None).await;
    let map = by_check(&findings);
    use FindingState::{Good, Unknown, Warning};
    for (check, state) in [
        ("token", Good),
        ("bot", Good),
        ("version", Unknown),
        ("scope:im:message.urgent", Warning),
        ("scope:im:chat:read", Warning),
        ("scope:admin:admin_dept_stat:readonly", Warning),
        ("scope:im:message.group_msg", Warning),
        ("scope:im:message:send_as_bot", Good),
        ("scope:admin:badge.grant", Good),
        ("contact_scope", Warning),
        ("groups", Unknown),
    ] {
        assert_eq!(map[check].state, state, "{:?}", map[check]);
    }
    let urgent = map["scope:im:message.urgent"];
    assert!(
        urgent.zh.contains(&format!("/app/{id}/auth?q=im:message.urgent")),
        "{}",
        urgent.zh
    );
    assert!(urgent.en.contains("publish a version"));
    // The call itself says the same, by name.
    let chat = stage.group(2).await;
    let message = stage.send(&chat, Message::text("x")).await;
    let refused = stage
        .run(Action::Urgent {
            message,
            users: vec![user("u001")],
        })
        .await;
    assert!(
        matches!(&refused, Outcome::Rejected { code, text } if code == "99991672" && text.contains("im:message.urgent")),
        "{refused:?}"
    );
    // Every call of ours falls under a scope that the diagnosis asks about, or that has its own line.
    assert!(map.contains_key("scope:im:chat:create"));
}

#[tokio::test]
async fn without_the_list_of_scopes_the_calls_themselves_are_tried() {
    let options = SimAppOptions::new(1, "胡同", true).without([
        "im:message",
        "im:message:send_as_bot",
        "im:message:send",
        "im:resource",
        "im:resource:upload",
    ]);
    let stage = stage_with(vec![options], true).await;
    stage.fault(
        "/application/v6/scopes",
        1,
        hutong_simkit::FaultKind::Code {
            code: 212_100,
            text: "app not install".into(),
        },
    );
    let findings = stage.bot().adapter.diagnose(None).await;
    let map = by_check(&findings);
    assert_eq!(map["scope:im:message:send_as_bot"].state, FindingState::Missing);
    assert_eq!(map["scope:im:resource"].state, FindingState::Warning);
    assert!(map["scope:im:resource"].en.contains("im:resource:upload"));
    assert_eq!(
        map["scope:im:message.urgent"].state,
        FindingState::Good,
        "refused for its message only"
    );
    // No call needs it: nothing is known.
    assert_eq!(map["scope:im:message.group_msg"].state, FindingState::Unknown);
    // And nothing was done.
    assert!(stage.sim.chats().is_empty());
}

#[tokio::test]
async fn a_sick_app_is_told_what_to_do_first() {
    use hutong_model::{Secret, SettingValue};
    let stage = stage().await;
    let state = |findings: &[Finding], check: &str| by_check(findings)[check].state;
    let id = stage.bot().id.clone();
    stage.sim.change_app(&id, |o| {
        o.activate_status = 1;
        o.version_pending = true;
    });
    let findings = stage.bot().adapter.diagnose(Some("https://10.0.0.1/hook/fs")).await;
    assert_eq!(state(&findings, "bot"), FindingState::Missing);
    assert_eq!(state(&findings, "version"), FindingState::Warning);
    let app = stage.sim.apps().remove(0);
    let build = hutong_model::Build {
        app: hutong_model::AppId::new("fs").unwrap(),
        company: hutong_model::CompanyId::new("main").unwrap(),
        kind: "feishu".to_owned(),
        settings: app
            .settings
            .with("app_secret", SettingValue::Secret(Secret::new("wrong"))),
        clock: std::sync::Arc::new(stage.clock.clone()),
    };
    let findings = hutong_feishu::Feishu::new(&build).unwrap().diagnose(None).await;
    assert_eq!(findings.len(), 1, "one cause, one line: {findings:?}");
    assert_eq!(state(&findings, "token"), FindingState::Missing);
    assert!(
        findings[0].en.contains("App Secret") && findings[0].en.contains("\"lark\""),
        "{}",
        findings[0].en
    );
}

#[tokio::test]
async fn what_the_capabilities_promise_is_there() {
    let stage = stage().await;
    let capabilities = stage.bot().adapter.capabilities();
    for ability in [
        Ability::ListChats,
        Ability::Statistics,
        Ability::Download,
        Ability::Unpin,
        Ability::Badge,
    ] {
        assert!(capabilities.can(ability), "{ability:?}");
    }
}

/// Messages to many people at once are the simulator's only: no feature sends them.
#[tokio::test]
async fn batches_tell_their_progress() {
    let stage = stage().await;
    let client = hutong_simkit::ladder::loopback_client(Duration::from_secs(3)).unwrap();
    let settings = stage.sim.apps().remove(0).settings;
    let base = format!("{}/open-apis", stage.sim.base_url());
    let credentials = json!({
        "app_id": settings.text("app_id").unwrap(), "app_secret": settings.secret("app_secret").unwrap().expose(),
    });
    let url = format!("{base}/auth/v3/tenant_access_token/internal");
    let token: Value = client
        .post(url)
        .json(&credentials)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let call = |method: &str, path: String, body: Value| {
        let request = client
            .request(method.parse().unwrap(), format!("{base}{path}"))
            .bearer_auth(token["tenant_access_token"].as_str().unwrap())
            .json(&body);
        async move { request.send().await.unwrap().json::<Value>().await.unwrap() }
    };
    let body = json!({ "user_ids": ["u001", "u002", "nobody"], "msg_type": "text", "content": { "text": "全员通知" } });
    let sent = call("POST", "/message/v4/batch_send/".into(), body).await;
    assert_eq!(sent["data"]["invalid_user_ids"], json!(["nobody"]));
    let id = sent["data"]["message_id"].as_str().unwrap().to_owned();
    let chat = stage
        .sim
        .chats()
        .into_iter()
        .find(|c| c.person.as_deref() == Some("u001"))
        .unwrap();
    let message = stage.sim.screen(&chat.id, "u001", 10)[0].id.clone();
    let read = Verb::Read {
        person: "u001".into(),
        message,
    };
    stage.sim.act(read).await.unwrap();
    let progress = call("GET", format!("/im/v1/batch_messages/{id}/get_progress"), Value::Null).await;
    assert_eq!(
        progress["data"]["batch_message_send_progress"],
        json!({ "valid_user_ids_count": 2, "success_user_ids_count": 2, "read_user_ids_count": 1 })
    );
    call("DELETE", format!("/im/v1/batch_messages/{id}"), Value::Null).await;
    let progress = call("GET", format!("/im/v1/batch_messages/{id}/get_progress"), Value::Null).await;
    assert_eq!(
        progress["data"]["batch_message_recall_progress"],
        json!({ "recall": true, "recall_count": 2 })
    );
}

#[tokio::test]
async fn a_card_too_rich_for_one_is_told_in_several() {
    let stage = stage().await;
    let chat = stage.group(3).await;
    let chart = |points: usize| {
        Block::Chart(hutong_model::Chart {
            kind: hutong_model::ChartKind::Line,
            title: "趋势".into(),
            categories: (0..points).map(|n| format!("第{n}天")).collect(),
            series: vec![("消息".into(), (0..points).map(|n| Some(n as f64)).collect())],
            unit: "条".into(),
        })
    };
    let wide = Block::Table(hutong_model::Table {
        columns: (0..120).map(|n| format!("列{n}")).collect(),
        rows: vec![(0..120).map(|n| n.to_string()).collect()],
    });
    let mut content = Message::card("周报").block(chart(900)).block(wide).paragraph(vec![
        Inline::Text("看 ".into()),
        Inline::Mention {
            user: user("u001"),
            name: "员工1".into(),
        },
    ]);
    for _ in 0..7 {
        content = content.block(chart(5));
    }
    let prepared = stage
        .bot()
        .adapter
        .prepare(&Action::Send {
            to: Target::Chat(chat),
            content,
        })
        .unwrap();
    assert!(prepared.len() >= 3);
    for part in prepared {
        stage.clock.advance(Duration::from_secs(1));
        // The platform checks elements, tables, columns and size of each.
        let outcome = stage.bot().adapter.deliver(&part, &fresh_key()).await;
        assert!(matches!(outcome, Outcome::Sent(_)), "{outcome:?}");
    }
    stage.no_complaints();
}

#[tokio::test]
async fn what_admins_do_arrives_as_events() {
    use hutong_model::Body;
    use hutong_simkit::SimDepartment;
    let stage = stage().await;
    let id = stage.bot().id.clone();
    let department = |name: &str| SimDepartment {
        id: "new".into(),
        parent: Some("eng".into()),
        name: name.into(),
    };
    stage.sim.put_department(department("测试部")).await;
    stage.sim.put_department(department("质量部")).await;
    stage.sim.remove_department("new").await.unwrap();
    stage.sim.choose_menu("u003", &id, "menu_my_points").await.unwrap();
    let scope = ContactScope {
        departments: vec!["t7".into()],
        people: vec![],
    };
    stage.sim.set_contact_scope(&id, Some(scope)).await;
    let bodies: Vec<Body> = stage.take().into_iter().map(|i| i.body).collect();
    let named = |body: &Body| match body {
        Body::Department { record, removed, .. } => (record.as_ref().map(|r| r.name.clone()), *removed),
        other => panic!("{other:?}"),
    };
    assert_eq!(named(&bodies[0]), (Some("测试部".into()), false));
    assert_eq!(named(&bodies[1]), (Some("质量部".into()), false));
    assert_eq!(named(&bodies[2]), (None, true));
    let menu = Body::Menu {
        user: user("u003"),
        key: "menu_my_points".into(),
    };
    assert_eq!(bodies[3], menu);
    assert_eq!(bodies[4], Body::DirectoryScope);
    // Whoever is outside the scope is not told of any more.
    let transfer = |person: &str, department: &str| Verb::Transfer {
        person: person.into(),
        department: department.into(),
    };
    stage.sim.act(transfer("u001", "t8")).await.unwrap();
    stage.sim.act(transfer("u002", "t7")).await.unwrap();
    let told: Vec<Body> = stage.take().into_iter().map(|i| i.body).collect();
    assert!(
        matches!(&told[..], [Body::Person { user: who, .. }] if *who == user("u002")),
        "{told:?}"
    );
    stage.no_complaints();
}

#[tokio::test]
async fn a_group_may_forbid_mentioning_everybody() {
    use hutong_model::MentionAllPermit;
    let stage = stage().await;
    let chat = stage.group(3).await;
    let permit = || Inline::MentionAll(MentionAllPermit::granted_by("ap-1"));
    stage.send(&chat, Message::default().paragraph(vec![permit()])).await;
    stage.sim.forbid_at_all(chat.as_str(), true);
    for card in [false, true] {
        let content = Message {
            card,
            ..Message::default().paragraph(vec![permit()])
        };
        let to = Target::Chat(chat.clone());
        let refused = stage.run(Action::Send { to, content }).await;
        assert!(
            matches!(&refused, Outcome::Rejected { code, .. } if code == "230018"),
            "{refused:?}"
        );
    }
    // Text that only looks like it goes through.
    stage
        .send(&chat, Message::text("<at user_id=\"all\"></at> @_all"))
        .await;
}

/// Of a person with every field filled in, what an app without these scopes is told.
async fn told_without(scopes: &[&str]) -> hutong_model::PersonRecord {
    let mut org = super::stage::org();
    org.people[7].joined_on = hutong_model::Day::new(2026, 9, 1);
    org.people[7].office = Some("杭州".into());
    org.people[7].employment = Some(hutong_model::Employment::Outsourced);
    let options = SimAppOptions::new(1, "胡同", true).without(scopes.iter().copied());
    let stage = super::stage::stage_of(org, vec![options], true).await;
    let adapter = &stage.bot().adapter;
    let alone = adapter.person(&user("u007")).await.unwrap().unwrap();
    let department = alone.departments.first().cloned();
    if let Some(department) = department {
        // The listing says the same as the single read.
        let mut cursor = None;
        loop {
            let page = adapter.people(&department, cursor.as_deref()).await.unwrap();
            if let Some(listed) = page.items.iter().find(|p| p.user == alone.user) {
                assert_eq!(*listed, alone);
                break;
            }
            cursor = page.next;
            assert!(cursor.is_some(), "u007 is listed");
        }
    }
    alone
}

#[tokio::test]
async fn fields_are_told_by_scope_and_unknown_without() {
    let all = told_without(&[]).await;
    assert_eq!(all.joined_on, hutong_model::Day::new(2026, 9, 1));
    assert_eq!(all.office.as_deref(), Some("杭州"));
    assert_eq!(all.employment, Some(hutong_model::Employment::Outsourced));
    assert!(all.email.is_some() && all.mobile.is_some() && all.employee_no.is_some() && all.leader.is_some());
    let less = told_without(&["contact:user.employee:readonly", "contact:user.phone:readonly"]).await;
    assert_eq!((less.joined_on, less.office, less.employment), (None, None, None));
    assert_eq!((less.employee_no, less.title, less.mobile), (None, None, None));
    assert_eq!((&less.name, &less.email), (&all.name, &all.email), "the rest is there");
    assert_eq!(told_without(&["contact:user.email:readonly"]).await.email, None);
    assert_eq!(
        told_without(&["contact:user.department:readonly"]).await.departments,
        []
    );
}
