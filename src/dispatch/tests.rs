use std::sync::Arc;
use std::time::Duration;

use hutong_model::{
    AppId, Body, BoxFuture, ButtonStyle, EventHead, EventId, Message, MessageId, Platform, Timestamp, UserId,
};

use super::*;
use crate::directory::Directory;
use crate::rules::testkit::{FakeAdapter, Kit, direct, env, group};
use crate::rules::{PendingEffect, Who};
use crate::store::testing::{TestStore, all};

/// Sees every message and click, and has a button.
struct Spy;

impl Rule for Spy {
    fn name(&self) -> &'static str {
        "spy"
    }
    fn wants(&self, head: &EventHead<'_>) -> bool {
        matches!(head.kind, Kind::Message | Kind::Click)
    }
    fn on_event<'a>(&'a self, _: &'a mut Ctx, _: &'a Event) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async { Ok(()) })
    }
    fn on_click<'a>(&'a self, ctx: &'a mut Ctx, click: &'a Click) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move { ctx.answer(&click.asker, AnswerPlace::Private, Message::text("pressed")) })
    }
}

const AGES: Ages = Ages {
    command: Duration::from_secs(60),
    event: Duration::from_secs(3600),
};

fn world(test: TestStore) -> (Kit, Dispatcher) {
    let full = [Ability::SendToChat, Ability::SendToUser, Ability::Reply];
    let apps = vec![
        Arc::new(FakeAdapter::new("fs", Platform::Feishu, full)),
        Arc::new(FakeAdapter::new("answers", Platform::WeCom, [Ability::Reply])),
    ];
    let assembled = service::Service::in_front_of(vec![Arc::new(Spy)]).unwrap();
    let kit = Kit::new(test, env(apps), assembled.rules.clone());
    (kit, Dispatcher::new(assembled, AGES))
}

fn event(app: &str, key: &str, at: Timestamp, body: Body) -> Event {
    let app = AppId::new(app).unwrap();
    Event {
        id: EventId::derive(&app, key),
        seq: 1,
        app,
        key: key.to_owned(),
        lane: "lane".to_owned(),
        occurred_at: at,
        received_at: at,
        body,
    }
}

fn said(kit: &Kit, chat: &ChatRef, text: &str) -> Body {
    Body::Message(Box::new(kit.message("u1", chat, text)))
}

fn pressed(chat: &ChatRef, action: String) -> Body {
    Body::Click(Box::new(CardClick {
        user: UserId::new("u1").unwrap(),
        chat: Some(chat.clone()),
        card: Some(MessageId::new("card1").unwrap()),
        action,
        values: std::collections::BTreeMap::new(),
        reply_context: Some("url".to_owned()),
    }))
}

fn button(ctx: &mut Ctx) -> String {
    ctx.enter(EventId::from_bytes([1; 16]), "spy");
    let day = Duration::from_secs(86_400);
    ctx.button("x", "v", Vec::new(), ButtonStyle::Normal, Who::Anyone, day)
        .unwrap()
        .action
}

/// Rules of the items, `!` before those that are a command or a click.
async fn planned(ctx: &mut Ctx, dispatcher: &Dispatcher, event: &Event) -> Vec<String> {
    ctx.enter(event.id, "dispatch");
    let items = dispatcher.plan(ctx, event).await.unwrap();
    items
        .iter()
        .map(|i| match i.kind {
            ItemKind::Event => i.rule.to_owned(),
            _ => format!("!{}", i.rule),
        })
        .collect()
}

#[tokio::test]
async fn an_external_group_is_not_served() {
    for test in all().await.unwrap() {
        let (kit, dispatcher) = world(test);
        let mut ctx = kit.ctx().await;
        let (out, own, now) = (group("out"), group("own"), ctx.now());
        let app = AppId::new("fs").unwrap();
        for (chat, external) in [(&out, true), (&own, false)] {
            Directory::new(ctx.tx())
                .upsert_chat(&app, &chat.id, ChatKind::Group, None, external, now)
                .await
                .unwrap();
        }
        let action = button(&mut ctx);
        // A command, an unknown command (which is answered in the plan) and a press.
        for (key, chat, first) in [("1", &own, Some("!service")), ("2", &out, None)] {
            let command = event("fs", key, now, said(&kit, chat, "/帮助"));
            let plan = planned(&mut ctx, &dispatcher, &command).await;
            assert_eq!(plan.iter().find(|r| r.starts_with('!')).map(String::as_str), first);
            let press = event("fs", &format!("p{key}"), now, pressed(chat, action.clone()));
            let plan = planned(&mut ctx, &dispatcher, &press).await;
            assert_eq!(plan.iter().any(|r| r == "!spy"), first.is_some());
        }
        let unknown = event("fs", "3", now, said(&kit, &out, "/不知道"));
        planned(&mut ctx, &dispatcher, &unknown).await;
        assert!(ctx.effects_since(0).is_empty());
        assert!(
            Directory::new(ctx.tx())
                .chat(&app, &out.id)
                .await
                .unwrap()
                .unwrap()
                .external
        );
    }
}

#[tokio::test]
async fn what_is_too_old_is_not_run_and_not_counted() {
    for test in all().await.unwrap() {
        let (kit, dispatcher) = world(test);
        let mut ctx = kit.ctx().await;
        let now = ctx.now();
        let chat = group("own");
        for (age, wanted) in [
            (59, vec!["!service", "service", "spy"]),
            (61, vec!["service", "spy"]),
            (3601, vec!["service"]),
        ] {
            let at = now - Duration::from_secs(age);
            let old = event("fs", &age.to_string(), at, said(&kit, &chat, "/帮助"));
            assert_eq!(planned(&mut ctx, &dispatcher, &old).await, wanted, "{age}");
        }
    }
}

#[tokio::test]
async fn an_app_that_can_only_answer_answers_the_card_that_was_pressed() {
    for test in all().await.unwrap() {
        let (kit, dispatcher) = world(test);
        let mut ctx = kit.ctx().await;
        let action = button(&mut ctx);
        let press = event("answers", "1", ctx.now(), pressed(&direct("d"), action));
        ctx.enter(press.id, "dispatch");
        let items = dispatcher.plan(&mut ctx, &press).await.unwrap();
        let item = items.iter().find(|i| matches!(i.kind, ItemKind::Click(_))).unwrap();
        ctx.enter(press.id, "spy");
        dispatcher.run(&mut ctx, &press, item).await.unwrap();
        let [effect] = ctx.effects_since(0) else { panic!() };
        assert_eq!(effect.action, hutong_model::ActionKind::Reply);
        assert!(effect.prepared.request.contains("card1") && effect.prepared.request.contains("url"));
    }
}

/// An item that runs again alone must leave the same keys as in its batch, else its answer is sent
/// twice.
#[tokio::test]
async fn the_keys_of_answers_do_not_depend_on_the_rest_of_the_batch() {
    for test in all().await.unwrap() {
        let (kit, dispatcher) = world(test);
        let mut ctx = kit.ctx().await;
        let (now, chat) = (ctx.now(), direct("d"));
        let run = async |ctx: &mut Ctx, key: &str| -> Vec<PendingEffect> {
            let event = event("fs", key, now, said(&kit, &chat, "/我"));
            ctx.enter(event.id, "dispatch");
            let mark = ctx.effects_mark();
            for item in dispatcher.plan(ctx, &event).await.unwrap() {
                ctx.enter(event.id, item.rule);
                dispatcher.run(ctx, &event, &item).await.unwrap();
            }
            ctx.effects_since(mark).to_vec()
        };
        let first = run(&mut ctx, "a").await;
        let in_batch = run(&mut ctx, "b").await;
        ctx.effects_truncate(0);
        let alone = run(&mut ctx, "b").await;
        assert_eq!(first.len(), 1);
        let keys = |list: &[PendingEffect]| list.iter().map(|e| e.key.clone()).collect::<Vec<_>>();
        assert_eq!(keys(&in_batch), keys(&alone), "{}", kit.test.name);
        assert_ne!(keys(&first), keys(&alone));
    }
}

/// What a click says of a card and what its receipt said are one queue.
#[tokio::test]
async fn updates_of_one_card_share_a_lane() {
    for test in all().await.unwrap() {
        let (kit, _) = world(test);
        let mut ctx = kit.ctx().await;
        ctx.enter(EventId::from_bytes([1; 16]), "spy");
        let app = AppId::new("fs").unwrap();
        for (part, card) in [
            ("a", "card:t1!g:c:k"),
            ("b", "card:t1"),
            ("c", "task2!"),
            ("d", "task2!m!c!u"),
        ] {
            let action = hutong_model::Action::UpdateCard {
                card: MessageId::new(card).unwrap(),
                context: None,
                content: Message::text("x"),
            };
            ctx.emit_state(part, &app, part, action).unwrap();
        }
        let lanes: Vec<&str> = ctx.effects_since(0).iter().map(|e| e.lane.as_str()).collect();
        assert_eq!(lanes, ["fs:card:t1", "fs:card:t1", "fs:task2", "fs:task2"]);
    }
}
