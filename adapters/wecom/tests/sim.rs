//! The simulated platform and the adapter, against each other over real HTTP.

#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{Method, StatusCode};
use axum::routing::any;
use hutong_model::{
    Action, Adapter, AppId, Block, Body, Build, Button, ButtonStyle, CallError, CardClick, ChatId, ChatKind, Clock,
    CompanyId, DepartmentId, Field, FieldKind, Form, Incoming, Inline, ManualClock, Message, MessageEvent, Outcome,
    RawRequest, Receipt, Received, SettingValue, Table, Target, Timestamp, UserId,
};
use hutong_simkit::{
    ChatSel, Fault, FaultKind, Org, ScreenItem, ScreenPart, SimDepartment, SimError, SimPerson, Simulator, Verb,
};
use hutong_wecom::WeCom;
use hutong_wecom::sim::{AppSpec, Kind, SimOptions, WeComSim, start};
use hutong_wecom::verify::Keys;
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::from_secs(1_795_305_600);

type Doors = Arc<Mutex<HashMap<String, Arc<WeCom>>>>;
/// What a bot of the test's own says in the callback, from the opened request.
type Answering = Arc<Mutex<Option<Box<dyn FnMut(&Value) -> Value + Send>>>>;

#[derive(Clone)]
struct Hook {
    doors: Doors,
    clock: ManualClock,
    seen: Arc<Mutex<Vec<(String, Incoming)>>>,
    status: Arc<Mutex<u16>>,
    answering: Answering,
    keys: Arc<Mutex<Option<Keys>>>,
}

async fn hook(
    State(hook): State<Hook>,
    Path(app): Path<String>,
    method: Method,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> (StatusCode, Vec<u8>) {
    let door = hook.doors.lock().unwrap().get(&app).cloned().unwrap();
    let query = query.unwrap_or_default();
    let request = RawRequest {
        post: method == Method::POST,
        query: &query,
        headers: &[],
        body: &body,
    };
    let now = hook.clock.now();
    match door.receive(&request, now) {
        Received::Challenge(answer) => (StatusCode::OK, answer.body),
        Received::Events { events, answer } => {
            let status = *hook.status.lock().unwrap();
            if status != 200 {
                return (StatusCode::from_u16(status).unwrap(), vec![]);
            }
            for event in events {
                hook.seen.lock().unwrap().push((app.clone(), event));
            }
            let mut answering = hook.answering.lock().unwrap();
            if let (Some(say), Some(keys)) = (answering.as_mut(), hook.keys.lock().unwrap().as_ref()) {
                let q = hutong_wecom::verify::Query::read(&query).unwrap();
                let envelope: Value = serde_json::from_slice(&body).unwrap();
                let plain = keys.open(&q, envelope["encrypt"].as_str().unwrap(), now).unwrap();
                let reply = say(&serde_json::from_str(&plain).unwrap());
                return (StatusCode::OK, keys.seal_json(&reply.to_string(), now.secs(), &q.nonce));
            }
            (StatusCode::OK, answer.body)
        }
        Received::Rejected(_) => (StatusCode::FORBIDDEN, vec![]),
    }
}

struct World {
    sim: Arc<WeComSim>,
    clock: ManualClock,
    hook: Hook,
    hook_url: String,
    app: Arc<WeCom>,
    bot: Arc<WeCom>,
    robot: Arc<WeCom>,
}

fn org() -> Org {
    let person = |id: &str, name: &str, department: &str| SimPerson {
        id: id.into(),
        name: name.into(),
        employee_no: format!("P-{id}"),
        department: department.into(),
        email: format!("{id}@shiliu.example"),
        mobile: "19900000000".into(),
        title: "工程师".into(),
        leader: Some("chenchen".into()),
        active: true,
    };
    Org {
        departments: vec![
            SimDepartment {
                id: "2".into(),
                parent: None,
                name: "市场部".into(),
            },
            SimDepartment {
                id: "3".into(),
                parent: Some("2".into()),
                name: "海外组".into(),
            },
        ],
        people: vec![
            person("chenchen", "陈晨", "2"),
            person("linjie", "林洁", "2"),
            person("wangwu", "王五", "3"),
            person("zhaoliu", "赵六", "3"),
        ],
    }
}

async fn world() -> World {
    world_with(None).await
}

async fn world_with(welcome: Option<&str>) -> World {
    let clock = ManualClock::at(NOW);
    let sim = start(SimOptions {
        org: org(),
        clock: Arc::new(clock.clone()),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        apps: vec![
            AppSpec::new("oa", "社区助手", Kind::App),
            AppSpec::new("aib", "小胡", Kind::Aibot),
            AppSpec::new("rob", "公告机器人", Kind::Webhook),
        ],
        extra: Some(Router::new().route("/extra", any(|| async { "extra" }))),
    })
    .await
    .unwrap();
    let doors: HashMap<String, Arc<WeCom>> = Simulator::apps(&*sim)
        .into_iter()
        .map(|app| {
            let mut settings = app.settings;
            if let (Some(welcome), "aib") = (welcome, app.id.as_str()) {
                settings.set("welcome", SettingValue::Text(welcome.into()));
            }
            let build = Build {
                app: AppId::new(app.id.as_str()).unwrap(),
                company: CompanyId::new("main").unwrap(),
                kind: app.kind.into(),
                settings,
                clock: Arc::new(clock.clone()),
            };
            (app.id, Arc::new(WeCom::new(build).unwrap()))
        })
        .collect();
    let door = |id: &str| doors[id].clone();
    let (app, bot, robot) = (door("oa"), door("aib"), door("rob"));
    let hook_state = Hook {
        doors: Arc::new(Mutex::new(doors)),
        clock: clock.clone(),
        seen: Arc::default(),
        status: Arc::new(Mutex::new(200)),
        answering: Arc::default(),
        keys: Arc::default(),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hook_url = format!("http://{}/hook", listener.local_addr().unwrap());
    let router = Router::new()
        .route("/hook/{app}", any(hook))
        .with_state(hook_state.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    for app in ["oa", "aib"] {
        sim.subscribe(app, &format!("{hook_url}/{app}")).await.unwrap();
    }
    World {
        sim,
        clock,
        hook: hook_state,
        hook_url,
        app,
        bot,
        robot,
    }
}

impl World {
    fn take(&self) -> Vec<(String, Incoming)> {
        std::mem::take(&mut self.hook.seen.lock().unwrap())
    }

    fn message(&self) -> MessageEvent {
        let (_, incoming) = self.take().pop().expect("an event");
        match incoming.body {
            Body::Message(message) => *message,
            other => panic!("{other:?}"),
        }
    }

    fn clicked(&self) -> CardClick {
        let (_, incoming) = self.take().pop().expect("an event");
        match incoming.body {
            Body::Click(click) => *click,
            other => panic!("{other:?}"),
        }
    }

    async fn say(&self, person: &str, chat: &ChatSel, text: &str) -> String {
        let verb = Verb::Say {
            person: person.into(),
            chat: chat.clone(),
            text: text.into(),
            reply_to: None,
        };
        let done = self.sim.act(verb).await.unwrap();
        assert_eq!(done.callbacks_failed, 0);
        done.message.unwrap()
    }

    async fn group(&self, apps: &[&str]) -> String {
        let verb = Verb::CreateChat {
            name: "市场部日常".into(),
            owner: "chenchen".into(),
            members: vec!["linjie".into(), "wangwu".into()],
            apps: apps.iter().map(|a| (*a).to_owned()).collect(),
        };
        self.sim.act(verb).await.unwrap().chat.unwrap()
    }

    async fn click(
        &self,
        person: &str,
        message: &str,
        action: &str,
        values: &[(&str, &[&str])],
    ) -> Result<hutong_simkit::Done, SimError> {
        let values: BTreeMap<String, Vec<String>> = values
            .iter()
            .map(|(k, v)| ((*k).to_owned(), v.iter().map(|s| (*s).to_owned()).collect()))
            .collect();
        self.sim
            .act(Verb::Click {
                person: person.into(),
                message: message.into(),
                action: action.into(),
                values,
            })
            .await
    }

    fn screen(&self, chat: &str, viewer: &str) -> Vec<ScreenItem> {
        self.sim.screen(chat, viewer, 1000)
    }

    fn last(&self, chat: &str, viewer: &str) -> ScreenItem {
        self.screen(chat, viewer).pop().expect("an item")
    }

    fn fault(&self, path: &str, kind: FaultKind) {
        self.sim.fault(Fault {
            path: path.into(),
            callbacks: false,
            times: 1,
            kind,
        });
    }

    fn callback_fault(&self, kind: FaultKind) {
        self.sim.fault(Fault {
            path: String::new(),
            callbacks: true,
            times: 1,
            kind,
        });
    }

    fn calls(&self, path: &str) -> u64 {
        self.sim
            .calls()
            .into_iter()
            .find(|(p, _)| p == path)
            .map_or(0, |(_, n)| n)
    }

    /// No request so far that the real platform would have refused.
    fn clean(&self) {
        assert_eq!(self.sim.complaints(), Vec::<String>::new());
    }
}

fn key(n: usize) -> String {
    format!("{n:032}")
}

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

fn to_user(id: &str, content: Message) -> Action {
    Action::Send {
        to: Target::User(user(id)),
        content,
    }
}

fn to_chat(id: &str, content: Message) -> Action {
    Action::Send {
        to: Target::Chat(ChatId::new(id).unwrap()),
        content,
    }
}

fn reply(to: &MessageEvent, content: Message) -> Action {
    Action::Reply {
        message: to.message.clone(),
        chat: to.chat.clone(),
        context: to.reply_context.clone(),
        content,
    }
}

async fn deliver(door: &WeCom, action: &Action, key: &str) -> Outcome {
    let prepared = door.prepare(action).unwrap();
    assert_eq!(prepared.len(), 1, "{prepared:?}");
    door.deliver(&prepared[0], key).await
}

fn sent(outcome: Outcome) -> Receipt {
    match outcome {
        Outcome::Sent(receipt) => receipt,
        other => panic!("{other:?}"),
    }
}

fn buttons(labels: &[(&str, &str)]) -> Vec<Button> {
    labels
        .iter()
        .map(|(label, action)| Button {
            label: (*label).into(),
            action: (*action).into(),
            style: ButtonStyle::Primary,
        })
        .collect()
}

fn words(item: &ScreenItem) -> String {
    item.parts
        .iter()
        .map(|p| match p {
            ScreenPart::Text { text } | ScreenPart::Strong { text } | ScreenPart::Note { text } => text.clone(),
            ScreenPart::Title { text, .. } => format!("[{text}]"),
            ScreenPart::Mention { name, .. } => format!("@{name}"),
            ScreenPart::Link { label, url } => format!("{label}({url})"),
            ScreenPart::Break => "/".into(),
            other => format!("{other:?}"),
        })
        .collect()
}

fn rejected_with(outcome: &Outcome, wanted: &str) -> bool {
    matches!(outcome, Outcome::Rejected { code, .. } if code == wanted)
}

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
    w.clock.advance(Duration::from_secs(7200));
    send(5).await;
    assert_eq!(w.calls("/cgi-bin/message/send") - before, 4);
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
async fn what_is_too_much_for_a_member_vanishes_silently() {
    let w = world().await;
    for n in 0..31 {
        sent(deliver(&w.app, &to_user("linjie", Message::text(format!("第 {n} 条"))), &key(n)).await);
    }
    let chat = w.sim.chats()[0].id.clone();
    assert_eq!(w.screen(&chat, "linjie").len(), 30, "the platform said yes to all 31");
    assert_eq!(w.sim.dropped(), 1);
    assert!(w.sim.complaints()[0].contains("dropped without an error"));
    let rule = |count| {
        w.app
            .capabilities()
            .rates
            .iter()
            .any(|r| r.api == "message/send" && r.count == count)
    };
    assert!(rule(30) && rule(1000), "the limiter of the core is told");
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
