//! What goes wrong between the two, and what becomes of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hutong_feishu::Feishu;
use hutong_model::{Action, Adapter, AppId, Build, CallError, CompanyId, LimitScope, Message, Outcome, Target};
use hutong_simkit::{Fault, FaultKind, Simulator, Verb};

use crate::stage::*;

#[tokio::test]
async fn outcomes_say_whether_the_platform_may_have_acted() {
    let stage = stage().await;
    let chat = stage.group(3).await;
    let send = |text: &str| Action::Send {
        to: Target::Chat(chat.clone()),
        content: Message::text(text),
    };
    stage.fault("/messages", 1, FaultKind::AcceptThenCut);
    let key = fresh_key();
    let first = stage.with_key(&send("一"), &key).await;
    assert!(matches!(first, Outcome::Unknown { .. }), "{first:?}");
    let Outcome::Sent(second) = stage.with_key(&send("一"), &key).await else {
        panic!()
    };
    assert!(second.message.is_some());
    assert_eq!(stage.texts(chat.as_str()), ["一"], "the key kept it to one");

    for (kind, expected) in [
        (FaultKind::Cut, "unknown"),
        (FaultKind::Status { status: 502 }, "unknown"),
        (FaultKind::Status { status: 200 }, "unknown"),
        (FaultKind::Status { status: 404 }, "rejected"),
        (FaultKind::Status { status: 429 }, "app"),
        (
            FaultKind::Code {
                code: 230_020,
                text: "x".into(),
            },
            "destination",
        ),
        (
            FaultKind::Code {
                code: 99_991_400,
                text: "x".into(),
            },
            "app",
        ),
        (
            FaultKind::Code {
                code: 230_049,
                text: "x".into(),
            },
            "unknown",
        ),
        (
            FaultKind::Code {
                code: 230_013,
                text: "x".into(),
            },
            "rejected",
        ),
        (FaultKind::Delay { ms: 30 }, "sent"),
    ] {
        stage.fault("/messages", 1, kind.clone());
        let outcome = stage.run(send("二")).await;
        let seen = match &outcome {
            Outcome::Sent(_) => "sent",
            Outcome::Rejected { .. } => "rejected",
            Outcome::RateLimited {
                scope: LimitScope::App, ..
            } => "app",
            Outcome::RateLimited {
                scope: LimitScope::Destination,
                ..
            } => "destination",
            Outcome::Unknown { .. } => "unknown",
            _ => "other",
        };
        assert_eq!(seen, expected, "{kind:?} gave {outcome:?}");
    }
    assert_eq!(stage.texts(chat.as_str()), ["一", "二"]);
    stage.no_complaints();

    let action = send("三");
    stage.platform.stop().await;
    let prepared = stage.apps[0].adapter.prepare(&action).unwrap();
    let gone = stage.apps[0].adapter.deliver(&prepared[0], &fresh_key()).await;
    assert!(matches!(gone, Outcome::NotSent { .. }), "{gone:?}");
    assert!(matches!(
        stage.apps[0].adapter.departments(None).await,
        Err(CallError::Unavailable(_))
    ));
}

#[tokio::test]
async fn tokens_are_fetched_once_and_replaced_when_they_must_be() {
    let stage = stage().await;
    let chat = stage.group(3).await;
    let adapter = &stage.bot().adapter;
    let fetched = || stage.count("tenant_access_token");
    assert_eq!(fetched(), 1);
    let send = |n: usize| Action::Send {
        to: Target::User(user(&format!("u{n:03}"))),
        content: Message::text("x"),
    };
    stage.sim.fault(Fault {
        path: String::new(),
        callbacks: false,
        times: 1,
        kind: FaultKind::RevokeTokens,
    });
    let all = futures(20, |n| {
        let (adapter, action) = (adapter.clone(), send(n));
        async move {
            let prepared = adapter.prepare(&action).unwrap();
            adapter.deliver(&prepared[0], &fresh_key()).await
        }
    })
    .await;
    assert!(all.iter().all(|o| matches!(o, Outcome::Sent(_))), "{all:?}");
    assert_eq!(fetched(), 2, "one refresh for twenty refused calls");
    // Early: at 80 % of its life, while the old one is still good.
    stage.clock.advance(Duration::from_secs(5700));
    stage.send(&chat, Message::text("a")).await;
    assert_eq!(fetched(), 2);
    stage.clock.advance(Duration::from_secs(120));
    stage.send(&chat, Message::text("b")).await;
    assert_eq!(fetched(), 3);
    // A refusal that a new token does not cure.
    stage.fault(
        "/messages",
        2,
        FaultKind::Code {
            code: 99_991_663,
            text: "no".into(),
        },
    );
    let refused = stage
        .run(Action::Send {
            to: Target::Chat(chat),
            content: Message::text("x"),
        })
        .await;
    assert!(matches!(refused, Outcome::AuthExpired { .. }), "{refused:?}");
    assert_eq!(fetched(), 4);
    stage.no_complaints();
}

#[tokio::test]
async fn wrong_credentials_and_foreign_tokens_are_refused() {
    let stage = stage().await;
    let app = &stage.sim.apps()[0];
    let with = |key: &str, value: &str| Build {
        app: AppId::new("fs").unwrap(),
        company: CompanyId::new("main").unwrap(),
        kind: "feishu".into(),
        settings: app.settings.clone().with(
            key,
            match key {
                "app_secret" => hutong_model::SettingValue::Secret(hutong_model::Secret::new(value)),
                _ => hutong_model::SettingValue::Text(value.into()),
            },
        ),
        clock: Arc::new(stage.clock.clone()),
    };
    for (key, value, code) in [
        ("app_secret", "wrong", "10015"),
        ("app_id", "cli_0000000000000000", "10014"),
    ] {
        let adapter = Feishu::new(&with(key, value)).unwrap();
        match adapter.probe().await {
            Err(CallError::Rejected { code: seen, text }) => {
                assert_eq!(seen, code);
                assert!(!text.is_empty());
            }
            other => panic!("{other:?}"),
        }
    }
    let client = hutong_simkit::ladder::loopback_client(Duration::from_secs(3)).unwrap();
    let url = format!("{}/open-apis/bot/v3/info", stage.sim.base_url());
    for (header, code) in [
        (None, 99_991_661),
        (Some("Bearer x-1"), 99_991_671),
        (Some("Bearer t-1"), 99_991_663),
    ] {
        let mut request = client.get(&url);
        if let Some(header) = header {
            request = request.header("authorization", header);
        }
        let answer: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["code"], code);
    }
    assert_eq!(stage.sim.complaints().len(), 5, "{:?}", stage.sim.complaints());
}

#[tokio::test]
async fn the_sixth_message_of_a_second_is_refused_and_keys_end_after_an_hour() {
    let stage = stage().await;
    let chat = stage.group(3).await;
    for n in 0..5 {
        stage.send(&chat, Message::text(n.to_string())).await;
    }
    let sixth = stage
        .run(Action::Send {
            to: Target::Chat(chat.clone()),
            content: Message::text("6"),
        })
        .await;
    assert!(
        matches!(
            sixth,
            Outcome::RateLimited {
                scope: LimitScope::Destination,
                ..
            }
        ),
        "{sixth:?}"
    );
    assert!(stage.sim.complaints()[0].contains("230020"));
    stage.clock.advance(Duration::from_millis(1000));
    let key = fresh_key();
    let send = Action::Send {
        to: Target::Chat(chat.clone()),
        content: Message::text("七"),
    };
    for _ in 0..3 {
        assert!(matches!(stage.with_key(&send, &key).await, Outcome::Sent(_)));
    }
    let count = || stage.texts(chat.as_str()).iter().filter(|t| *t == "七").count();
    assert_eq!(count(), 1);
    stage.clock.advance(Duration::from_secs(50 * 60));
    stage.with_key(&send, &key).await;
    assert_eq!(count(), 1, "inside the window that the adapter promises");
    stage.clock.advance(Duration::from_secs(11 * 60));
    stage.with_key(&send, &key).await;
    assert_eq!(count(), 2, "the platform forgets after an hour");

    let mut app = 0;
    for n in 0..60 {
        let to = Target::User(user(&format!("u{n:03}")));
        let outcome = stage
            .run(Action::Send {
                to,
                content: Message::text("x"),
            })
            .await;
        app += u32::from(matches!(
            &outcome,
            Outcome::RateLimited {
                scope: LimitScope::App,
                after_ms: Some(1000),
                ..
            }
        ));
    }
    assert!(app >= 10, "fifty calls a second: {app}");
}

#[tokio::test]
async fn failed_callbacks_climb_the_ladder() {
    let stage = stage().await;
    let chat = stage.group(3).await;
    stage.take();
    stage.bot().heard.status.store(500, Ordering::SeqCst);
    let done = stage.say("u001", &chat, "一").await;
    assert_eq!((done.callbacks_ok, done.callbacks_failed), (0, 1));
    let mut seen = Vec::new();
    for (wait, name) in [(15, "15 s"), (300, "5 min"), (3600, "1 h"), (6 * 3600, "6 h")] {
        stage.clock.advance(Duration::from_secs(wait - 1));
        assert_eq!(stage.sim.repeat_due().await, 0, "{name}: too early");
        stage.clock.advance(Duration::from_secs(1));
        assert_eq!(stage.sim.repeat_due().await, 1, "{name}");
        seen.extend(stage.take());
    }
    stage.clock.advance(Duration::from_secs(48 * 3600));
    assert_eq!(stage.sim.repeat_due().await, 0, "four repeats and no more");
    let keys: BTreeSet<&str> = seen.iter().map(|i| i.key.as_str()).collect();
    assert_eq!((seen.len(), keys.len()), (5, 1), "five attempts of one event");
    assert!(seen.iter().all(|i| i.occurred_at == START));

    stage.bot().heard.status.store(200, Ordering::SeqCst);
    stage.sim.fault(Fault {
        path: String::new(),
        callbacks: true,
        times: 1,
        kind: FaultKind::LoseCallback,
    });
    let done = stage.say("u001", &chat, "二").await;
    assert_eq!((done.callbacks_failed, stage.take().len()), (1, 0));
    stage.clock.advance(Duration::from_secs(15));
    assert_eq!(stage.sim.repeat_due().await, 1);
    assert_eq!(stage.take().len(), 1);
    stage.sim.fault(Fault {
        path: String::new(),
        callbacks: true,
        times: 1,
        kind: FaultKind::Duplicate { times: 3 },
    });
    stage.say("u001", &chat, "三").await;
    let heard = stage.take();
    assert_eq!(heard.len(), 3);
    assert!(heard.iter().all(|i| i.key == heard[0].key));
    let again = stage.sim.act(Verb::RepeatCallbacks { count: 2 }).await.unwrap();
    assert_eq!(again.callbacks_ok, 2);
    assert_eq!(stage.take().len(), 2);
    assert!(stage.bot().heard.rejected.lock().unwrap().is_empty());
}
