//! The session and the calls over it, with driven time and without a socket.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{NOW, build, secret, text};
use hutong_model::{
    Ability, Action, Adapter, Block, Body, Button, ButtonStyle, CardClick, ChatId, CloseReason, Frame, Incoming,
    LimitScope, LinkSession, Message, MessageEvent, MessageId, Outcome, Prepared, Rejection, Settings, Step, Table,
    Target, Timestamp, UserId,
};
use hutong_wecom::WeCom;
use proptest::prelude::*;
use serde_json::{Value, json};

fn settings() -> Settings {
    Settings::default()
        .with("name", text("小胡"))
        .with("receive", text("long_connection"))
        .with("bot_id", text("aib1"))
        .with("secret", secret("s3cret-of-the-bot"))
        .with("welcome", text("你好，我是小胡"))
}

/// An adapter and its connection, which is the test itself.
struct Wire {
    bot: Arc<WeCom>,
    session: Box<dyn LinkSession>,
    now: Timestamp,
}

fn frame(value: &Value) -> Frame {
    Frame::Text(value.to_string())
}

fn sent(steps: &[Step]) -> Vec<Value> {
    steps
        .iter()
        .filter_map(|s| match s {
            Step::Send(Frame::Text(text)) => Some(serde_json::from_str(text).unwrap()),
            _ => None,
        })
        .collect()
}

fn ack(of: &Value, code: i64) -> Value {
    json!({"headers": of["headers"], "errcode": code, "errmsg": "x"})
}

impl Wire {
    fn new() -> Self {
        let bot = Arc::new(WeCom::new(build("wecom_aibot", settings())).unwrap());
        let session = bot.link().unwrap().session(NOW);
        Self { bot, session, now: NOW }
    }

    fn subscribed() -> Self {
        let mut wire = Self::new();
        wire.subscribe();
        wire
    }

    fn subscribe(&mut self) {
        let first = sent(&self.session.opened(self.now)).remove(0);
        let steps = self.received(&ack(&first, 0));
        assert_eq!(steps, [Step::Ready]);
        assert!(self.bot.can_deliver());
    }

    fn reconnect(&mut self) {
        self.session = self.bot.link().unwrap().session(self.now);
        self.subscribe();
    }

    fn received(&mut self, value: &Value) -> Vec<Step> {
        self.session.received(frame(value), self.now)
    }

    /// A callback, stored.
    fn heard(&mut self, value: &Value) -> (Incoming, Vec<Step>) {
        let steps = self.received(value);
        let [Step::Store { receipt, events }] = &steps[..] else {
            panic!("{steps:?}")
        };
        let after = self.session.stored(*receipt, true, self.now);
        (events[0].clone(), after)
    }

    fn message(&mut self, req: &str) -> MessageEvent {
        match self.heard(&message(req)).0.body {
            Body::Message(message) => *message,
            other => panic!("{other:?}"),
        }
    }

    fn click(&mut self, req: &str) -> CardClick {
        match self.heard(&click(req)).0.body {
            Body::Click(click) => *click,
            other => panic!("{other:?}"),
        }
    }

    fn deliver(&self, prepared: &Prepared, key: &str) -> tokio::task::JoinHandle<Outcome> {
        let (bot, prepared, key) = (self.bot.clone(), prepared.clone(), key.to_owned());
        tokio::spawn(async move { bot.deliver(&prepared, &key).await })
    }

    /// The frames that a delivery causes now.
    async fn frames(&mut self) -> Vec<Value> {
        tokio::time::timeout(Duration::from_secs(5), self.session.woken())
            .await
            .unwrap();
        sent(&self.session.tick(self.now))
    }

    /// The next frame; a request that found no way back to its callback comes a second time.
    async fn frame(&mut self) -> Value {
        let mut frames = self.frames().await;
        if frames.is_empty() {
            frames = self.frames().await;
        }
        assert_eq!(frames.len(), 1, "{frames:?}");
        frames.remove(0)
    }

    fn only(&self, action: &Action) -> Prepared {
        let mut all = self.bot.prepare(action).unwrap();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }
}

fn message(req: &str) -> Value {
    json!({"cmd": "aibot_msg_callback", "headers": {"req_id": req}, "body": {
        "msgid": format!("m-{req}"), "aibotid": "another", "chatid": "wrG1", "chattype": "group",
        "from": {"userid": "chenchen"}, "msgtype": "text", "text": {"content": "@小胡 /help"}}})
}

fn click(req: &str) -> Value {
    json!({"cmd": "aibot_event_callback", "headers": {"req_id": req}, "body": {
        "msgid": format!("c-{req}"), "create_time": NOW.secs(), "aibotid": "a", "chatid": "wrG1", "chattype": "group",
        "from": {"userid": "chenchen"}, "msgtype": "event", "event": {"eventtype": "template_card_event",
        "template_card_event": {"card_type": "button_interaction", "event_key": "ok", "task_id": "k0"}}}})
}

fn entered(req: &str) -> Value {
    json!({"cmd": "aibot_event_callback", "headers": {"req_id": req}, "body": {
        "msgid": format!("e-{req}"), "create_time": NOW.secs(), "aibotid": "a", "chattype": "single",
        "from": {"userid": "chenchen"}, "msgtype": "event", "event": {"eventtype": "enter_chat"}}})
}

fn reply(to: &MessageEvent, content: Message) -> Action {
    Action::Reply {
        message: to.message.clone(),
        chat: to.chat.clone(),
        context: to.reply_context.clone(),
        content,
    }
}

fn push(chat: &str, content: Message) -> Action {
    Action::Send {
        to: Target::Chat(ChatId::new(chat).unwrap()),
        content,
    }
}

fn update(click: &CardClick, content: Message) -> Action {
    Action::UpdateCard {
        card: click.card.clone().unwrap(),
        context: click.reply_context.clone(),
        content,
    }
}

fn card(title: &str) -> Message {
    Message::card(title).buttons(vec![Button {
        label: "好".into(),
        action: "ok".into(),
        style: ButtonStyle::Primary,
    }])
}

#[tokio::test]
async fn a_message_is_answered_on_its_connection_once_and_in_its_chat_afterwards() {
    let mut w = Wire::subscribed();
    let m = w.message("r1");
    assert_eq!(m.text(), "/help");
    let say = w.only(&reply(&m, Message::text("命令一览")));
    let done = w.deliver(&say, "k1");
    let frame = w.frame().await;
    assert_eq!(
        frame,
        json!({"cmd": "aibot_respond_msg", "headers": {"req_id": "r1"}, "body": {
            "msgtype": "stream", "stream": {"id": "k1", "finish": true, "content": "命令一览"}}})
    );
    assert_eq!(w.received(&ack(&frame, 0)), []);
    assert!(matches!(done.await.unwrap(), Outcome::Sent(_)));

    let done = w.deliver(&say, "k2");
    let frame = w.frame().await;
    assert_eq!(
        (frame["cmd"].as_str().unwrap(), &frame["body"]),
        (
            "aibot_send_msg",
            &json!({"chatid": "wrG1", "chat_type": 2, "msgtype": "markdown", "markdown": {"content": "命令一览"}})
        )
    );
    assert_eq!(w.received(&ack(&frame, 0)), []);
    assert!(matches!(done.await.unwrap(), Outcome::Sent(_)));
}

#[tokio::test]
async fn after_a_reconnect_answers_go_to_the_chat() {
    let mut w = Wire::subscribed();
    let m = w.message("r1");
    w.reconnect();
    let done = w.deliver(&w.only(&reply(&m, card("投票"))), "k1");
    let frame = w.frame().await;
    assert_eq!(frame["cmd"], "aibot_send_msg");
    assert_eq!(
        (&frame["body"]["chatid"], &frame["body"]["chat_type"]),
        (&json!("wrG1"), &json!(2))
    );
    assert_eq!(frame["body"]["template_card"]["task_id"], "k1");
    w.received(&ack(&frame, 0));
    let Outcome::Sent(receipt) = done.await.unwrap() else {
        panic!()
    };
    assert_eq!(receipt.message.unwrap().stem(), "k1");

    // The platform may know less than we: its refusals of the answer lead to the chat, too.
    for code in [846_604, 846_605, 846_606, 846_608] {
        let m = w.message(&format!("r{code}"));
        let done = w.deliver(&w.only(&reply(&m, Message::text("好"))), "k2");
        let answer = w.frame().await;
        assert_eq!(answer["cmd"], "aibot_respond_msg");
        w.received(&ack(&answer, code));
        let frame = w.frame().await;
        assert_eq!(frame["cmd"], "aibot_send_msg", "{code}");
        w.received(&ack(&frame, 0));
        assert!(matches!(done.await.unwrap(), Outcome::Sent(_)));
    }
}

#[tokio::test]
async fn a_card_changes_within_five_seconds_and_is_followed_by_a_message_later() {
    let mut w = Wire::subscribed();
    let c = w.click("r1");
    let action = update(&c, Message::card("投票").line("1 票"));
    let done = w.deliver(&w.only(&action), "k1");
    let frame = w.frame().await;
    assert_eq!(frame["cmd"], "aibot_respond_update_msg");
    assert_eq!(frame["headers"]["req_id"], "r1");
    assert_eq!(frame["body"]["response_type"], "update_template_card");
    assert_eq!(frame["body"]["template_card"]["task_id"], "k0", "the card's own");
    assert_eq!(frame["body"].get("userids"), None, "for everybody");
    w.received(&ack(&frame, 0));
    let Outcome::Sent(receipt) = done.await.unwrap() else {
        panic!()
    };
    assert_eq!(receipt.message.unwrap().stem(), "k0");

    w.now = NOW + Duration::from_secs(5);
    let done = w.deliver(&w.only(&action), "k2");
    let frame = w.frame().await;
    assert_eq!(frame["cmd"], "aibot_send_msg");
    assert_eq!(
        (&frame["body"]["chatid"], &frame["body"]["chat_type"]),
        (&json!("wrG1"), &json!(2))
    );
    assert!(frame["body"]["markdown"]["content"].as_str().unwrap().contains("1 票"));
    w.received(&ack(&frame, 0));
    assert!(matches!(done.await.unwrap(), Outcome::Sent(_)));

    // Without a click there is nothing to say it to.
    let nobody = Action::UpdateCard {
        card: MessageId::new("k0!").unwrap(),
        context: None,
        content: Message::card("投票"),
    };
    let outcome = w.bot.deliver(&w.only(&nobody), "k3").await;
    assert!(matches!(outcome, Outcome::Rejected { .. }), "{outcome:?}");
}

#[tokio::test]
async fn events_are_stored_before_anything_is_said() {
    let mut w = Wire::subscribed();
    let steps = w.received(&entered("r1"));
    let [Step::Store { receipt, events }] = &steps[..] else {
        panic!("{steps:?}")
    };
    assert!(matches!(events[0].body, Body::ChatEntered { .. }));
    let said = sent(&w.session.stored(*receipt, true, w.now));
    assert_eq!(
        said,
        [json!({"cmd": "aibot_respond_welcome_msg", "headers": {"req_id": "r1"},
            "body": {"msgtype": "text", "text": {"content": "你好，我是小胡"}}})]
    );
    assert_eq!(w.session.stored(*receipt, true, w.now), [], "once");
    assert_eq!(w.received(&ack(&said[0], 0)), []);

    // Too late, nothing is said.
    let steps = w.received(&entered("r2"));
    let [Step::Store { receipt, .. }] = &steps[..] else {
        panic!("{steps:?}")
    };
    assert_eq!(w.session.stored(*receipt, true, w.now + Duration::from_secs(5)), []);

    // What could not be stored is not swallowed in silence.
    let steps = w.received(&message("r3"));
    let [Step::Store { receipt, .. }] = &steps[..] else {
        panic!("{steps:?}")
    };
    let end = w.session.stored(*receipt, false, w.now);
    assert!(matches!(end[..], [Step::Close(CloseReason::Failed(_))]), "{end:?}");
    assert!(!w.bot.can_deliver());
}

#[tokio::test]
async fn a_connection_that_ends_says_what_is_known() {
    let mut w = Wire::new();
    let say = w.only(&push("wrG1", Message::text("早")));
    assert!(!w.bot.can_deliver());
    let outcome = w.bot.deliver(&say, "k1").await;
    assert!(matches!(outcome, Outcome::NotSent { .. }), "no connection: {outcome:?}");
    w.session.opened(w.now);
    assert!(!w.bot.can_deliver(), "not subscribed");

    let mut w = Wire::subscribed();
    let written = w.deliver(&say, "k1");
    assert_eq!(w.frames().await.len(), 1);
    let queued = w.deliver(&say, "k2");
    tokio::time::timeout(Duration::from_secs(5), w.session.woken())
        .await
        .unwrap();
    drop(w.session);
    assert!(
        matches!(written.await.unwrap(), Outcome::Unknown { .. }),
        "after the frame, before the answer"
    );
    assert!(
        matches!(queued.await.unwrap(), Outcome::NotSent { .. }),
        "before the frame"
    );
    assert!(!w.bot.can_deliver());
}

#[tokio::test]
async fn acknowledgements_become_outcomes() {
    let mut w = Wire::subscribed();
    let say = w.only(&push("wrG1", Message::text("早")));
    for (code, check) in [
        (846_607, "rate"),
        (45_009, "rate"),
        (45_033, "rate"),
        (93_006, "rejected"),
        (40_058, "rejected"),
        (-1, "not sent"),
    ] {
        let done = w.deliver(&say, "k1");
        let frame = w.frame().await;
        w.received(&ack(&frame, code));
        let outcome = done.await.unwrap();
        let is = match &outcome {
            Outcome::RateLimited { scope, after_ms, .. } => {
                assert!(after_ms.is_some());
                assert_eq!(*scope == LimitScope::Destination, code == 846_607);
                "rate"
            }
            Outcome::Rejected { .. } => "rejected",
            Outcome::NotSent { .. } => "not sent",
            other => panic!("{code}: {other:?}"),
        };
        assert_eq!(is, check, "{code}");
    }
    // No acknowledgement.
    let done = w.deliver(&say, "k1");
    w.frame().await;
    assert_eq!(w.session.next_tick(), Some(w.now + Duration::from_secs(5)));
    assert_eq!(w.session.tick(w.now + Duration::from_secs(5)), []);
    assert!(matches!(done.await.unwrap(), Outcome::Unknown { .. }));
    // The subscription is lost: nothing was done, and a new connection is needed.
    let done = w.deliver(&say, "k1");
    let frame = w.frame().await;
    let end = w.received(&ack(&frame, 846_609));
    assert!(matches!(end[..], [Step::Close(CloseReason::Failed(_))]), "{end:?}");
    assert!(matches!(done.await.unwrap(), Outcome::NotSent { .. }));
    assert!(!w.bot.can_deliver());
}

#[tokio::test]
async fn a_repeat_of_a_card_is_recognised() {
    let mut w = Wire::subscribed();
    let say = w.only(&push("wrG1", card("投票")));
    assert!(say.key_window_ms.is_some());
    let done = w.deliver(&say, "k1");
    let frame = w.frame().await;
    w.received(&ack(&frame, 846_625));
    assert!(
        matches!(done.await.unwrap(), Outcome::Sent(_)),
        "it was our own earlier attempt"
    );
    assert_eq!(w.only(&push("wrG1", Message::text("x"))).key_window_ms, None);
}

#[tokio::test]
async fn one_callback_is_answered_by_one_frame_at_a_time() {
    let mut w = Wire::subscribed();
    let c = w.click("r1");
    let first = w.deliver(&w.only(&update(&c, Message::card("1"))), "k1");
    let one = w.frame().await;
    let second = w.deliver(&w.only(&update(&c, Message::card("2"))), "k2");
    assert_eq!(w.frames().await, Vec::<Value>::new(), "the first is not acknowledged");
    let other = w.deliver(&w.only(&push("wrG1", Message::text("x"))), "k3");
    let mine = w.frame().await;
    assert_eq!(mine["cmd"], "aibot_send_msg", "others do not wait for it");
    let next = sent(&w.received(&ack(&one, 0)));
    assert_eq!(next.len(), 1);
    assert_eq!(next[0]["headers"]["req_id"], "r1");
    w.received(&ack(&next[0], 0));
    w.received(&ack(&mine, 0));
    for done in [first, second, other] {
        assert!(matches!(done.await.unwrap(), Outcome::Sent(_)));
    }
}

#[tokio::test]
async fn an_upload_goes_in_pieces() {
    use base64::Engine;
    let mut w = Wire::subscribed();
    let bytes: Vec<u8> = (0..525_288_u32).map(|n| (n % 251) as u8).collect();
    let base64 = base64::engine::general_purpose::STANDARD;
    let action = Action::Upload {
        name: "report.txt".into(),
        media_type: "text/plain".into(),
        data: base64.encode(&bytes),
    };
    let done = w.deliver(&w.only(&action), "k1");
    let init = w.frame().await;
    let mut about = init["body"].clone();
    let md5 = about["md5"].take();
    assert!(md5.as_str().is_some_and(|m| m.len() == 32));
    assert_eq!(
        about,
        json!({"type": "file", "filename": "report.txt", "total_size": 525_288, "total_chunks": 2, "md5": null}),
        "as recorded in upload-media.json"
    );
    let mut begun = ack(&init, 0);
    begun["body"] = json!({"upload_id": "U1"});
    w.received(&begun);
    let mut whole = vec![];
    for index in 0..2 {
        let chunk = w.frame().await;
        assert_eq!(chunk["cmd"], "aibot_upload_media_chunk");
        assert_eq!(
            (&chunk["body"]["upload_id"], &chunk["body"]["chunk_index"]),
            (&json!("U1"), &json!(index))
        );
        let part = base64.decode(chunk["body"]["base64_data"].as_str().unwrap()).unwrap();
        assert!(part.len() <= 512 << 10);
        whole.extend(part);
        w.received(&ack(&chunk, 0));
    }
    assert_eq!(whole, bytes);
    let finish = w.frame().await;
    assert_eq!(finish["body"], json!({"upload_id": "U1"}));
    let mut end = ack(&finish, 0);
    end["body"] = json!({"type": "file", "media_id": "MEDIA", "created_at": "1"});
    w.received(&end);
    let Outcome::Sent(receipt) = done.await.unwrap() else {
        panic!()
    };
    assert_eq!(receipt.handle.as_deref(), Some("MEDIA"));

    // Half an upload is none: nobody can have seen it.
    let done = w.deliver(&w.only(&action), "k2");
    w.frame().await;
    w.session.tick(w.now + Duration::from_secs(5));
    assert!(matches!(done.await.unwrap(), Outcome::NotSent { .. }));
}

#[test]
fn pings_keep_it_alive_and_two_missed_ones_end_it() {
    let mut w = Wire::subscribed();
    for _ in 0..10 {
        w.now = w.session.next_tick().unwrap();
        let ping = sent(&w.session.tick(w.now)).remove(0);
        assert_eq!((ping["cmd"].as_str(), ping.get("body")), (Some("ping"), None));
        assert_eq!(w.received(&ack(&ping, 0)), []);
    }
    assert_eq!(w.now, NOW + Duration::from_secs(300));
    let mut end = vec![];
    for _ in 0..10 {
        w.now = w.session.next_tick().unwrap();
        end = w.session.tick(w.now);
        if sent(&end).is_empty() {
            break;
        }
    }
    assert!(matches!(end[..], [Step::Close(CloseReason::Failed(_))]), "{end:?}");
    assert!(w.now <= NOW + Duration::from_secs(370), "deaf for at most 70 s");
    let spec = w.bot.link().unwrap().spec();
    assert!(spec.quiet_ms <= 70_000 && spec.exclusive && !spec.loopback && spec.rotate_ms == 7_200_000);
    assert_eq!(spec.hosts, ["weixin.qq.com"]);
}

#[test]
fn subscribing_is_refused_with_the_fix() {
    for (code, wanted) in [(853_000, "bot_id"), (846_601, "长连接")] {
        let mut w = Wire::new();
        let first = sent(&w.session.opened(NOW)).remove(0);
        let steps = w.received(&ack(&first, code));
        let [Step::Close(CloseReason::Refused { code: said, text })] = &steps[..] else {
            panic!("{steps:?}")
        };
        assert_eq!(*said, code.to_string());
        assert!(text.contains(wanted) && text.contains(" / "), "{text}");
        assert!(!w.bot.can_deliver());
    }
    let mut w = Wire::new();
    let first = sent(&w.session.opened(NOW)).remove(0);
    let busy = w.received(&ack(&first, -1));
    assert!(matches!(busy[..], [Step::Close(CloseReason::Failed(_))]));
    let mut w = Wire::new();
    w.session.opened(NOW);
    let at = w.session.next_tick().unwrap();
    assert!(matches!(w.session.tick(at)[..], [Step::Close(CloseReason::Failed(_))]));
}

#[test]
fn a_takeover_ends_it_without_a_fight() {
    let mut w = Wire::subscribed();
    let event = json!({"cmd": "aibot_event_callback", "headers": {"req_id": "r"}, "body": {
        "msgid": "m", "create_time": 1, "aibotid": "a", "msgtype": "event", "event": {"eventtype": "disconnected_event"}}});
    assert_eq!(w.received(&event), [Step::Close(CloseReason::Evicted)]);
    assert!(!w.bot.can_deliver());
    assert_eq!(w.received(&message("r1")), [], "nothing after the end");
    assert_eq!(w.session.next_tick(), None);
}

#[test]
fn long_words_cards_and_pictures_become_messages_of_their_own() {
    let w = Wire::new();
    let bodies = |content: Message| -> Vec<Value> {
        let all = w.bot.prepare(&push("wrG1", content)).unwrap();
        all.iter()
            .map(|p| {
                assert_eq!((p.api.as_str(), p.to.as_deref()), ("aibot_send_msg", Some("wrG1")));
                serde_json::from_str::<Value>(&p.request).unwrap()["body"].clone()
            })
            .collect()
    };
    let long: String = "汉".repeat(9000);
    let parts = bodies(Message::text(&long));
    assert_eq!(parts.len(), 2);
    let words: Vec<&str> = parts
        .iter()
        .map(|p| p["markdown"]["content"].as_str().unwrap())
        .collect();
    assert!(words.iter().all(|w| w.len() <= 20_480));
    assert_eq!(words.concat(), long);
    assert!(
        w.bot
            .prepare(&push("wrG1", Message::text("汉".repeat(90_000))))
            .is_err()
    );
    let both = bodies(card("投票").line("字".repeat(400)).block(Block::Image {
        handle: "M1".into(),
        alt: "图".into(),
    }));
    let kinds: Vec<&str> = both.iter().map(|b| b["msgtype"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["markdown", "template_card", "image"]);
    assert_eq!(both[2]["image"]["media_id"], "M1");
    let table = bodies(Message::card("榜").block(Block::Table(Table {
        columns: vec!["名".into()],
        rows: vec![vec!["<@all>".into()]],
    })));
    assert!(table[0]["markdown"]["content"].as_str().unwrap().contains("＜@all＞"));
}

#[test]
fn the_way_to_receive_decides_which_keys_are_needed() {
    let problems = |settings: Settings| -> Vec<&'static str> {
        match WeCom::new(build("wecom_aibot", settings)) {
            Ok(_) => vec![],
            Err(problems) => problems.iter().map(|p| p.key).collect(),
        }
    };
    assert_eq!(problems(settings()), Vec::<&str>::new());
    let named = || Settings::default().with("name", text("小胡"));
    assert_eq!(problems(named()), ["token", "aes_key"]);
    assert_eq!(
        problems(named().with("receive", text("callback"))),
        ["token", "aes_key"]
    );
    assert_eq!(
        problems(named().with("receive", text("long_connection"))),
        ["bot_id", "secret"]
    );
    assert_eq!(problems(settings().with("receive", text("websocket"))), ["receive"]);
    for bad in [
        "http://127.0.0.1:1/",
        "ws://openws.work.weixin.qq.com",
        "wss://openws.work.weixin.qq.com.evil.example",
        "wss://evilweixin.qq.com",
        "wss://a@openws.work.weixin.qq.com",
        "wss://openws.work.weixin.qq.com:8443",
        "wss://169.254.169.254/",
    ] {
        assert_eq!(problems(settings().with("ws_url", text(bad))), ["ws_url"], "{bad}");
    }
    let bot = WeCom::new(build(
        "wecom_aibot",
        settings().with("ws_url", text("ws://127.0.0.1:4/x")),
    ))
    .unwrap();
    assert!(bot.link().unwrap().spec().loopback);
    let shown = format!("{:?}", bot);
    assert!(!shown.contains("s3cret"), "{shown}");
    // A callback is not accepted in this mode.
    let request = hutong_model::RawRequest {
        post: true,
        query: "msg_signature=a&timestamp=1795305600&nonce=1",
        headers: &[],
        body: b"{\"encrypt\":\"AAAA\"}",
    };
    assert_eq!(
        bot.receive(&request, NOW),
        hutong_model::Received::Rejected(Rejection::WrongApp)
    );
    let urls = WeCom::new(build(
        "wecom_aibot",
        common::bot_settings("T1", "hglp0csbjp0dWw1xoG2WRmsbcUetmg3y3PPrapRMyn0"),
    ));
    let urls = urls.unwrap();
    assert!(urls.link().is_none() && urls.can_deliver());
    assert!(bot.capabilities().can(Ability::SendToChat) && !urls.capabilities().can(Ability::SendToChat));
    assert_eq!(bot.capabilities().rates.len(), 4);
}

/// What a stranger could do to a session: frames of any kind, in any order, at any time.
#[derive(Debug, Clone)]
enum Event {
    Text(String),
    Binary(Vec<u8>),
    Message(u8),
    Click(u8),
    Ack(u8, i64),
    Evict,
    Stored(u64, bool),
    Tick(u32),
    Say(u8),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let one = prop_oneof![
        "\\PC{0,40}".prop_map(Event::Text),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Event::Binary),
        (0u8..6).prop_map(Event::Message),
        (0u8..6).prop_map(Event::Click),
        (
            any::<u8>(),
            prop_oneof![Just(0i64), Just(846_605), Just(846_609), any::<i64>()]
        )
            .prop_map(|(n, code)| Event::Ack(n, code)),
        Just(Event::Evict),
        (0u64..8, any::<bool>()).prop_map(|(n, ok)| Event::Stored(n, ok)),
        (0u32..40_000).prop_map(Event::Tick),
        (0u8..6).prop_map(Event::Say),
    ];
    prop::collection::vec(one, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Nothing panics; after the end nothing is sent; every request is answered; and a frame never
    /// goes out twice under one id before it was acknowledged.
    #[test]
    fn a_session_stands_anything(events in events()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut w = Wire::subscribed();
            let mut open: Vec<String> = vec![];
            let mut asked = vec![];
            let mut ended = false;
            for event in events {
                let steps = match event {
                    Event::Text(text) => w.session.received(Frame::Text(text), w.now),
                    Event::Binary(bytes) => w.session.received(Frame::Binary(bytes), w.now),
                    Event::Message(n) => w.received(&message(&format!("r{n}"))),
                    Event::Click(n) => w.received(&click(&format!("c{n}"))),
                    Event::Ack(n, code) => {
                        let id = match open.is_empty() {
                            true => format!("x{n}"),
                            false => open.remove(usize::from(n) % open.len()),
                        };
                        w.received(&json!({"headers": {"req_id": id}, "errcode": code}))
                    }
                    Event::Evict => w.received(&json!({"cmd": "aibot_event_callback", "headers": {"req_id": "z"},
                        "body": {"msgid": "z", "msgtype": "event", "event": {"eventtype": "disconnected_event"}}})),
                    Event::Stored(n, ok) => w.session.stored(n, ok, w.now),
                    Event::Tick(ms) => {
                        w.now = w.now + Duration::from_millis(ms.into());
                        // Overdue ids are free again.
                        let steps = w.session.tick(w.now);
                        open.clear();
                        steps
                    }
                    Event::Say(n) => {
                        let context = json!({"req": format!("r{n}"), "chat": "wrG1", "group": true}).to_string();
                        let action = Action::Reply {
                            message: MessageId::new("m").unwrap(),
                            chat: hutong_model::ChatRef { id: ChatId::new("wrG1").unwrap(), kind: hutong_model::ChatKind::Group, name: None },
                            context: Some(context),
                            content: Message::text("x"),
                        };
                        asked.push(w.deliver(&w.only(&action), "k1"));
                        tokio::task::yield_now().await;
                        w.session.tick(w.now)
                    }
                };
                assert!(!ended || steps.is_empty(), "{steps:?} after the end");
                for frame in sent(&steps) {
                    let id = frame["headers"]["req_id"].as_str().unwrap().to_owned();
                    assert!(!open.contains(&id), "{id} is under way");
                    open.push(id);
                }
                ended |= steps.iter().any(|s| matches!(s, Step::Close(_)));
                if ended {
                    assert!(!w.bot.can_deliver());
                }
                tokio::task::yield_now().await;
            }
            drop(w.session);
            for outcome in asked {
                let outcome = tokio::time::timeout(Duration::from_secs(5), outcome).await;
                assert!(outcome.is_ok(), "a request without an answer");
            }
        });
    }

    /// However long a message is, it arrives whole, in parts that the platform takes.
    #[test]
    fn words_arrive_whole(words in prop::collection::vec("[a-z汉字 ]{1,200}", 1..60)) {
        let w = Wire::new();
        let text = words.join("\n").trim().to_owned();
        prop_assume!(!text.is_empty());
        let user = Action::Send { to: Target::User(UserId::new("chenchen").unwrap()), content: Message::text(&text) };
        let mut got = String::new();
        for prepared in w.bot.prepare(&user).unwrap() {
            let call: Value = serde_json::from_str(&prepared.request).unwrap();
            prop_assert_eq!(&call["group"], &json!(false));
            let content = call["body"]["markdown"]["content"].as_str().unwrap().to_owned();
            prop_assert!(content.len() <= 20_480);
            got.push_str(&content);
        }
        let letters = |t: &str| t.chars().filter(|c| c.is_alphabetic()).collect::<String>();
        prop_assert_eq!(letters(&got), letters(&text));
    }
}
