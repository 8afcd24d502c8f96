//! The adapter against the simulated platform over real HTTP: what goes wrong.

#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

mod world;

use std::time::Duration;

use hutong_model::{Action, Button, ButtonStyle, CallError, LimitScope, Message, Outcome, SettingValue, UserId};
use hutong_simkit::{ChatSel, FaultKind, SimError, Simulator as _, Verb};
use world::{World, reply_to, to_chat, to_user};

const GROUP_SEND: &str = "/v1.0/robot/groupMessages/send";
const TOKEN: &str = "/v1.0/oauth2/accessToken";

#[tokio::test]
async fn a_send_whose_answer_is_lost_is_unknown_and_happened_once() {
    let w = World::new().await;
    let chat = w.group(&["u_chen"]).await;
    let send = to_chat(&chat, Message::text("公告"));
    for (kind, shown) in [
        (FaultKind::AcceptThenCut, 1),
        (FaultKind::Cut, 1),
        (FaultKind::Status { status: 504 }, 1),
    ] {
        w.fault(GROUP_SEND, kind.clone());
        let outcome = w.outcome(&send).await;
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{kind:?}: {outcome:?}");
        assert_eq!(w.robot_messages(&chat), shown, "{kind:?}");
    }
    assert!(w.adapter.prepare(&send).unwrap()[0].key_window_ms.is_none());
}

#[tokio::test]
async fn a_card_is_made_once_for_one_key() {
    let w = World::new().await;
    let chat = w.group(&["u_chen"]).await;
    let content = Message::card("公告").buttons(vec![Button {
        label: "收到".into(),
        action: "t".into(),
        style: ButtonStyle::Normal,
    }]);
    let prepared = w.adapter.prepare(&to_chat(&chat, content)).unwrap().remove(0);
    let key = w.key();
    w.fault("createAndDeliver", FaultKind::AcceptThenCut);
    assert!(matches!(
        w.adapter.deliver(&prepared, &key).await,
        Outcome::Unknown { .. }
    ));
    let Outcome::Sent(receipt) = w.adapter.deliver(&prepared, &key).await else {
        panic!()
    };
    assert_eq!(w.robot_messages(&chat), 1);
    // The id that came without an answer still updates the card.
    let update = Action::UpdateCard {
        card: receipt.message.unwrap(),
        context: None,
        content: Message::card("公告").line("改"),
    };
    w.sent(&update).await;
    w.no_complaints();
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_and_for_everybody() {
    let w = World::new().await;
    let chat = w.group(&["u_chen"]).await;
    w.send(&chat, Message::text("一")).await;
    assert_eq!(w.calls(TOKEN), 1);
    w.fault("", FaultKind::RevokeTokens);
    let send = to_chat(&chat, Message::text("二"));
    let all = tokio::join!(w.sent(&send), w.sent(&send), w.sent(&send), w.sent(&send));
    drop(all);
    assert_eq!(w.calls(TOKEN), 2, "four calls, one new token");
    assert_eq!(w.robot_messages(&chat), 5);
    // Two hours later, by the platform's clock, the old one is no longer known.
    w.advance(Duration::from_secs(7300));
    w.send(&chat, Message::text("三")).await;
    assert_eq!(w.calls(TOKEN), 3);
    w.no_complaints();
    // A platform that refuses every token: said once, no loop.
    for _ in 0..2 {
        w.fault(
            GROUP_SEND,
            FaultKind::Code {
                code: 400,
                text: "InvalidAuthentication".into(),
            },
        );
    }
    let before = w.calls(TOKEN);
    assert!(matches!(w.outcome(&send).await, Outcome::AuthExpired { .. }));
    assert_eq!(w.calls(TOKEN), before + 1);
}

#[tokio::test]
async fn codes_of_both_generations_are_told_apart() {
    let w = World::new().await;
    let chat = w.group(&["u_chen"]).await;
    let send = to_chat(&chat, Message::text("x"));
    let code = |code, text: &str| FaultKind::Code {
        code,
        text: text.into(),
    };
    w.fault(GROUP_SEND, code(403, "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi"));
    assert!(matches!(
        w.outcome(&send).await,
        Outcome::RateLimited {
            scope: LimitScope::App,
            after_ms: Some(1000),
            ..
        }
    ));
    w.fault(
        GROUP_SEND,
        code(403, "Forbidden.AccessDenied.AccessTokenPermissionDenied"),
    );
    let Outcome::Rejected { text, .. } = w.outcome(&send).await else {
        panic!()
    };
    assert!(text.contains("权限管理"), "{text}");
    w.fault(GROUP_SEND, code(500, "system.error"));
    assert!(matches!(w.outcome(&send).await, Outcome::Unknown { .. }));
    w.say("u_chen", &chat, "<@bot> 你好").await;
    let message = w.message();
    w.fault("sendBySession", code(130_101, "too fast"));
    assert!(matches!(
        w.outcome(&reply_to(&message, Message::text("好"))).await,
        Outcome::RateLimited {
            scope: LimitScope::Destination,
            ..
        }
    ));
    w.fault("sendBySession", code(-1, "系统繁忙"));
    assert!(matches!(
        w.outcome(&reply_to(&message, Message::text("好"))).await,
        Outcome::NotSent { .. }
    ));
    w.fault("user/get", code(90_018, "limit"));
    let who = UserId::new("u_lin").unwrap();
    assert!(matches!(
        w.adapter.person(&who).await,
        Err(CallError::RateLimited { .. })
    ));
    w.fault("user/get", code(50_002, "scope"));
    assert!(matches!(w.adapter.person(&who).await, Err(CallError::Rejected { .. })));
    assert_eq!(w.robot_messages(&chat), 0);
}

#[tokio::test]
async fn a_message_without_a_token_or_a_platform_was_not_sent() {
    let w = World::new().await;
    let chat = w.group(&["u_chen"]).await;
    let send = to_chat(&chat, Message::text("x"));
    w.fault(TOKEN, FaultKind::Cut);
    assert!(matches!(w.outcome(&send).await, Outcome::NotSent { .. }));
    w.fault(
        TOKEN,
        FaultKind::Code {
            code: 400,
            text: "invalidClientIdOrSecret".into(),
        },
    );
    assert!(matches!(w.outcome(&send).await, Outcome::AuthExpired { .. }));
    // Nobody listens there.
    let free = hutong_simkit::server::Bound::bind(0).await.unwrap().base_url();
    let mut settings = w.sim.apps().remove(0).settings;
    settings.set("base_url", SettingValue::Text(free.clone()));
    settings.set("oapi_url", SettingValue::Text(free));
    let lost = (hutong_dingtalk::ENTRY.build)(hutong_model::Build {
        app: hutong_model::AppId::new("dt").unwrap(),
        company: hutong_model::CompanyId::new("c").unwrap(),
        kind: "dingtalk".into(),
        settings,
        clock: std::sync::Arc::new(w.clock.clone()),
    })
    .unwrap_or_else(|p| panic!("{p:?}"));
    let prepared = lost.prepare(&send).unwrap().remove(0);
    assert!(matches!(
        lost.deliver(&prepared, &w.key()).await,
        Outcome::NotSent { .. }
    ));
    assert!(matches!(lost.probe().await, Err(CallError::Unavailable(_))));
}

#[tokio::test]
async fn twenty_a_minute_then_ten_minutes_of_silence() {
    let w = World::new().await;
    let chat = w.group(&["u_chen"]).await;
    for _ in 0..20 {
        w.send(&chat, Message::text("刷屏")).await;
        w.advance(Duration::from_millis(2_900));
    }
    let outcome = w.outcome(&to_chat(&chat, Message::text("刷屏"))).await;
    assert!(
        matches!(
            outcome,
            Outcome::RateLimited {
                scope: LimitScope::Destination,
                after_ms: Some(600_000),
                ..
            }
        ),
        "{outcome:?}"
    );
    assert!(
        w.sim.complaints()[0].contains("send.too.fast"),
        "{:?}",
        w.sim.complaints()
    );
    w.advance(Duration::from_secs(120));
    assert!(matches!(
        w.outcome(&to_chat(&chat, Message::text("x"))).await,
        Outcome::RateLimited { .. }
    ));
    // Other places are free, and so is this one later.
    w.sent(&to_user("u_chen", Message::text("x"))).await;
    w.advance(Duration::from_secs(600));
    w.send(&chat, Message::text("x")).await;
}

#[tokio::test]
async fn more_than_twenty_calls_a_second_are_complained_about() {
    let w = World::new().await;
    let mut limited = 0;
    for _ in 0..25 {
        if let Outcome::RateLimited { scope, .. } = w.outcome(&to_user("u_chen", Message::text("x"))).await {
            assert_eq!(scope, LimitScope::App);
            limited += 1;
        }
    }
    assert_eq!((limited, w.sim.complaints().len()), (5, 5));
}

#[tokio::test]
async fn lost_events_are_repeated_and_lost_messages_are_not() {
    let w = World::new().await;
    let chat = w.group(&["u_chen"]).await;
    w.arrived();
    w.callback_fault(FaultKind::LoseCallback);
    let done = w
        .act(Verb::Join {
            person: "u_lin".into(),
            chat: chat.as_str().into(),
            by: None,
        })
        .await;
    assert_eq!((done.callbacks_ok, done.callbacks_failed), (0, 1));
    assert_eq!(w.sim.repeat_due().await, 0);
    w.advance(Duration::from_secs(10));
    assert_eq!(w.sim.repeat_due().await, 1);
    assert_eq!(w.arrived().len(), 1);
    // An answer that is lost: the same event twice, under one key.
    w.callback_fault(FaultKind::AcceptThenCut);
    w.act(Verb::Leave {
        person: "u_lin".into(),
        chat: chat.as_str().into(),
    })
    .await;
    w.advance(Duration::from_secs(10));
    assert_eq!(w.sim.repeat_due().await, 1);
    let twice = w.arrived();
    assert_eq!(twice.len(), 2);
    assert_eq!(twice[0], twice[1]);
    // Robot messages are fire and forget.
    w.callback_fault(FaultKind::LoseCallback);
    w.say("u_chen", &chat, "<@bot> 在吗").await;
    w.advance(Duration::from_secs(60));
    assert_eq!(w.sim.repeat_due().await, 0);
    assert!(w.arrived().is_empty());
    w.callback_fault(FaultKind::Duplicate { times: 3 });
    w.say("u_chen", &chat, "<@bot> 在吗").await;
    let three = w.arrived();
    assert_eq!(three.len(), 3);
    assert!(three.iter().all(|i| i.key == three[0].key));
}

#[tokio::test]
async fn an_address_that_does_not_answer_right_is_not_accepted() {
    let w = World::new().await;
    let wrong = format!("{}/_sim/info", w.sim.base_url());
    assert!(matches!(
        w.sim.subscribe("bot", &wrong).await,
        Err(SimError::Callback(_))
    ));
    assert!(matches!(
        w.sim.subscribe("nobody", "http://127.0.0.1:1/").await,
        Err(SimError::NotFound(_))
    ));
}

#[tokio::test]
async fn what_the_platform_would_refuse_is_written_down() {
    let w = World::with(|spec| spec.cool_app_code = None).await;
    let chat = w.group(&["u_chen"]).await;
    assert!(w.arrived().is_empty(), "a plain robot is not told that it was added");
    w.act(Verb::RemoveBot {
        chat: chat.as_str().into(),
        app: "bot".into(),
        by: "u_chen".into(),
    })
    .await;
    let outcome = w.outcome(&to_chat(&chat, Message::text("x"))).await;
    let Outcome::Rejected { code, text } = outcome else {
        panic!()
    };
    assert_eq!(code, "robot.notExsit");
    assert!(text.contains("机器人不在该群中"), "{text}");
    // Only groups of its own can be managed.
    let outcome = w
        .outcome(&Action::RenameChat {
            chat: chat.clone(),
            name: "x".into(),
        })
        .await;
    assert!(matches!(outcome, Outcome::Rejected { .. }));
    let client = hutong_simkit::ladder::loopback_client(Duration::from_secs(2)).unwrap();
    let base = w.sim.base_url();
    for (path, body, code) in [
        (TOKEN, r#"{"appKey":"x","appSecret":"y"}"#, "invalidClientIdOrSecret"),
        (GROUP_SEND, "{}", "AuthenticationFailed.MissingParameter"),
    ] {
        let answer = client.post(format!("{base}{path}")).body(body).send().await.unwrap();
        assert_eq!(answer.status(), 400);
        assert!(answer.text().await.unwrap().contains(code));
    }
    let answer = client.get(format!("{base}/nowhere")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(w.sim.complaints().len(), 5, "{:?}", w.sim.complaints());
    // Somebody who is not there cannot speak.
    let verb = Verb::Say {
        person: "u_wu".into(),
        chat: ChatSel::Chat(chat.as_str().into()),
        text: "x".into(),
        reply_to: None,
    };
    assert!(matches!(w.sim.act(verb).await, Err(SimError::Refused(_))));
}

/// Calls that the adapter does not need, for developers of other bots.
#[tokio::test]
async fn the_other_ways_of_the_platform_work_too() {
    use serde_json::{Value, json};
    let w = World::new().await;
    let group = w.group(&["u_chen", "u_lin"]).await;
    let settings = w.sim.apps().remove(0).settings;
    let client = hutong_simkit::ladder::loopback_client(Duration::from_secs(2)).unwrap();
    let base = w.sim.base_url();
    let post = async |path: &str, token: &str, body: Value| -> Value {
        let answer = client
            .post(format!("{base}{path}"))
            .header("x-acs-dingtalk-access-token", token)
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    };
    let login = json!({
        "appKey": settings.text("client_id"),
        "appSecret": settings.secret("client_secret").unwrap().expose(),
    });
    let token = post(TOKEN, "", login).await["accessToken"].as_str().unwrap().to_owned();
    // Two steps for a card.
    let made = post(
        "/v1.0/card/instances",
        &token,
        json!({
            "cardTemplateId": settings.text("card_template_id"), "outTrackId": "t1", "callbackType": "HTTP",
            "callbackRouteKey": settings.text("card_route_key"), "cardData": {"cardParamMap": {"title": "两步"}},
            "imGroupOpenSpaceModel": {"supportForward": true},
        }),
    )
    .await;
    assert_eq!(made["result"], "t1");
    assert_eq!(w.robot_messages(&group), 0);
    let robot = json!({"robotCode": settings.text("robot_code")});
    let body = json!({
        "outTrackId": "t1", "openSpaceId": format!("dtv1.card//im_group.{group}"), "imGroupOpenDeliverModel": robot,
    });
    let shown = post("/v1.0/card/instances/deliver", &token, body).await;
    assert_eq!(shown["result"][0]["success"], true);
    assert_eq!(world::said(&w.newest(&group, "u_lin")), "两步");
    // A plain group, without the robot.
    let made = post(
        "/v1.0/im/group/create",
        &token,
        json!({"name": "普通群", "owner": "u_chen", "ownerType": "emp", "useridlist": ["u_lin"]}),
    )
    .await;
    let chat = hutong_model::ChatId::new(made["openConversationId"].as_str().unwrap()).unwrap();
    let old = made["chatid"].as_str().unwrap();
    let body = json!({"chatid": old, "name": "改名群", "add_useridlist": ["u_wu"], "del_useridlist": ["u_lin"]});
    assert_eq!(post("/v1.0/im/group/update", &token, body).await["success"], true);
    let path = format!("/v1.0/im/chat/{old}/convertToOpenConversationId");
    assert_eq!(
        post(&path, &token, Value::Null).await["openConversationId"],
        chat.as_str()
    );
    let shown = w.sim.chats().into_iter().find(|c| c.id == chat.as_str()).unwrap();
    assert_eq!(
        (shown.name.as_str(), shown.members.as_slice()),
        ("改名群", &["u_chen".to_owned(), "u_wu".to_owned()][..])
    );
    w.no_complaints();
    assert!(matches!(
        w.outcome(&to_chat(&chat, Message::text("x"))).await,
        Outcome::Rejected { .. }
    ));
}
