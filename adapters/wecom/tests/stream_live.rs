//! The AI bot's long connection over real sockets: the runner, the adapter and the simulated platform.

#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod world;

use hutong_link::{Hold, HttpTransport, LinkHost, LinkNote, Options, TimerClock};
use hutong_model::{BoxFuture, Endpoint, Link, LinkSession, LinkSpec, OpenError, Rejection};
use tokio_util::sync::CancellationToken;
use world::*;

/// A program that only writes down.
#[derive(Default)]
struct Host {
    seen: Mutex<Vec<Incoming>>,
    notes: Mutex<Vec<LinkNote>>,
}

impl LinkHost for Host {
    fn store(&self, events: Vec<Incoming>) -> BoxFuture<'_, bool> {
        self.seen.lock().unwrap().extend(events);
        Box::pin(async { true })
    }
    fn rejected(&self, rejection: Rejection) {
        panic!("{rejection:?}");
    }
    fn hold(&self) -> BoxFuture<'_, Hold> {
        Box::pin(async { Hold::Held(Duration::from_secs(60)) })
    }
    fn release(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
    fn note(&self, note: LinkNote) {
        self.notes.lock().unwrap().push(note);
    }
}

impl Host {
    fn noted(&self, wanted: impl Fn(&LinkNote) -> bool) -> usize {
        self.notes.lock().unwrap().iter().filter(|n| wanted(n)).count()
    }
}

/// The same link with a shorter patience, so that a test need not wait for 68 s.
struct Hasty(Arc<dyn Link>);

impl Link for Hasty {
    fn spec(&self) -> LinkSpec {
        LinkSpec {
            quiet_ms: 600,
            ..self.0.spec()
        }
    }
    fn open<'a>(&'a self) -> BoxFuture<'a, Result<Endpoint, OpenError>> {
        self.0.open()
    }
    fn session(&self, now: Timestamp) -> Box<dyn LinkSession> {
        self.0.session(now)
    }
}

/// One program with the bot.
struct Program {
    bot: Arc<WeCom>,
    host: Arc<Host>,
    cancel: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

fn built(sim: &WeComSim, change: impl FnOnce(&mut hutong_model::Settings)) -> WeCom {
    let app = Simulator::apps(sim).into_iter().find(|a| a.id == "aib").unwrap();
    let mut settings = app.settings;
    change(&mut settings);
    let build = Build {
        app: AppId::new("aib").unwrap(),
        company: CompanyId::new("main").unwrap(),
        kind: app.kind.into(),
        settings,
        clock: Arc::new(ManualClock::at(NOW)),
    };
    WeCom::new(build).unwrap()
}

impl Program {
    fn start(sim: &WeComSim, change: impl FnOnce(&mut hutong_model::Settings)) -> Self {
        let bot = Arc::new(built(sim, |settings| {
            settings.set("receive", SettingValue::Text("long_connection".into()));
            settings.set("welcome", SettingValue::Text("你好，我是小胡".into()));
            change(settings);
        }));
        let host = Arc::new(Host::default());
        let cancel = CancellationToken::new();
        let options = Options {
            backoff: (Duration::from_millis(20), Duration::from_millis(100)),
            evicted: Duration::from_secs(30),
            refused: Duration::from_secs(30),
            ..Options::default()
        };
        let link: Arc<dyn Link> = Arc::new(Hasty(bot.link().unwrap()));
        let task = tokio::spawn(hutong_link::run(
            link,
            host.clone(),
            Arc::new(HttpTransport::new().unwrap()),
            Arc::new(TimerClock::starting(NOW)),
            options,
            cancel.clone(),
        ));
        Self {
            bot,
            host,
            cancel,
            task,
        }
    }

    async fn stop(self) {
        self.cancel.cancel();
        tokio::time::timeout(Duration::from_secs(10), self.task)
            .await
            .unwrap()
            .unwrap();
    }

    /// The newest event, which may still be on its way.
    async fn event(&self) -> Body {
        until(|| self.host.seen.lock().unwrap().pop().map(|i| i.body)).await
    }

    async fn message(&self) -> MessageEvent {
        match self.event().await {
            Body::Message(message) => *message,
            other => panic!("{other:?}"),
        }
    }
}

async fn until<T>(what: impl Fn() -> Option<T>) -> T {
    for _ in 0..1000 {
        if let Some(value) = what() {
            return value;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never came");
}

async fn platform() -> (Arc<WeComSim>, ManualClock, String) {
    let clock = ManualClock::at(NOW);
    let sim = start(SimOptions {
        org: org(),
        clock: Arc::new(clock.clone()),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        apps: vec![AppSpec::new("aib", "小胡", Kind::Aibot)],
        extra: None,
    })
    .await
    .unwrap();
    let verb = Verb::CreateChat {
        name: "市场部日常".into(),
        owner: "chenchen".into(),
        members: vec!["linjie".into(), "wangwu".into()],
        apps: vec!["aib".into()],
    };
    let group = sim.act(verb).await.unwrap().chat.unwrap();
    (sim, clock, group)
}

async fn said(sim: &WeComSim, chat: &str, text: &str) -> String {
    let verb = Verb::Say {
        person: "chenchen".into(),
        chat: ChatSel::Chat(chat.into()),
        text: text.into(),
        reply_to: None,
    };
    let done = sim.act(verb).await.unwrap();
    assert_eq!((done.callbacks_ok, done.callbacks_failed), (1, 0));
    done.message.unwrap()
}

fn of_the_bot(sim: &WeComSim, chat: &str) -> Vec<ScreenItem> {
    sim.screen(chat, "chenchen", 100)
        .into_iter()
        .filter(|i| i.bot)
        .collect()
}

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_message_a_reply_a_card_and_its_click() {
    let (sim, _, group) = platform().await;
    let p = Program::start(&sim, |_| {});
    assert!(sim.wait_link("aib", SOON).await);
    until(|| p.bot.can_deliver().then_some(())).await;
    assert_eq!(sim.links(), [("aib".to_owned(), 1)]);

    let question = said(&sim, &group, "<@bot> /help").await;
    let message = p.message().await;
    assert_eq!(
        (message.text().as_str(), message.chat.id.as_str()),
        ("/help", group.as_str())
    );
    sent(deliver(&p.bot, &reply(&message, Message::text("命令一览")), &key(1)).await);
    let shown = of_the_bot(&sim, &group);
    assert_eq!(
        (words(&shown[0]).as_str(), shown[0].reply_to.as_ref()),
        ("命令一览", Some(&question))
    );

    // A card by itself, because somebody has spoken to the bot here; and its click.
    let card = Message::card("投票")
        .line("去哪")
        .buttons(buttons(&[("爬山", "a"), ("露营", "b")]));
    let receipt = sent(deliver(&p.bot, &to_chat(&group, card), &key(2)).await);
    let shown = of_the_bot(&sim, &group).pop().unwrap();
    let click = Verb::Click {
        person: "linjie".into(),
        message: shown.id.clone(),
        action: "a".into(),
        values: BTreeMap::new(),
    };
    assert_eq!(sim.act(click).await.unwrap().callbacks_ok, 1);
    let Body::Click(click) = p.event().await else {
        panic!("a click")
    };
    let pressed = click.card.clone().unwrap();
    assert_eq!(
        (click.action.as_str(), pressed.stem()),
        ("a", receipt.message.unwrap().stem())
    );
    let update = Action::UpdateCard {
        card: pressed,
        context: click.reply_context.clone(),
        content: Message::card("投票").line("爬山 1 票"),
    };
    sent(deliver(&p.bot, &update, &key(3)).await);
    let all = of_the_bot(&sim, &group);
    assert_eq!(all.len(), 2, "changed in its place");
    assert!(all[1].edited && words(&all[1]).contains("爬山 1 票"), "{:?}", all[1]);

    // A file, in pieces, and into the chat.
    let bytes = vec![7u8; 600_000];
    let upload = Action::Upload {
        name: "plan.png".into(),
        media_type: "image/png".into(),
        data: base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &bytes),
    };
    let handle = sent(deliver(&p.bot, &upload, &key(4)).await).handle.unwrap();
    let picture = p
        .bot
        .prepare(&to_chat(
            &group,
            Message::text("计划").block(Block::Image {
                handle,
                alt: "图".into(),
            }),
        ))
        .unwrap();
    for (n, one) in picture.iter().enumerate() {
        sent(p.bot.deliver(one, &key(10 + n)).await);
    }
    assert!(matches!(
        of_the_bot(&sim, &group).pop().unwrap().parts[0],
        ScreenPart::Image { .. }
    ));
    assert_eq!(sim.complaints(), Vec::<String>::new());
    p.stop().await;
    assert_eq!(sim.links(), []);
}

#[tokio::test]
async fn whoever_opens_the_private_chat_is_welcomed_once() {
    let (sim, _, _) = platform().await;
    let p = Program::start(&sim, |_| {});
    assert!(sim.wait_link("aib", SOON).await);
    let open = || Verb::OpenDirect {
        person: "linjie".into(),
        app: "aib".into(),
    };
    let chat = sim.act(open()).await.unwrap().chat.unwrap();
    assert!(matches!(p.event().await, Body::ChatEntered { .. }));
    until(|| {
        of_the_bot(&sim, &chat)
            .pop()
            .filter(|i| words(i).contains("你好，我是小胡"))
    })
    .await;
    sim.act(open()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(of_the_bot(&sim, &chat).len(), 1);
    // Entering is not speaking: the bot must not begin.
    let outcome = deliver(&p.bot, &to_user("linjie", Message::text("在吗")), &key(1)).await;
    assert!(
        matches!(&outcome, Outcome::RateLimited { code, .. } if code == "846607"),
        "{outcome:?}"
    );
    p.stop().await;
}

#[tokio::test]
async fn late_acknowledgements_and_repeated_callbacks() {
    let (sim, _, group) = platform().await;
    let p = Program::start(&sim, |_| {});
    assert!(sim.wait_link("aib", SOON).await);
    until(|| p.bot.can_deliver().then_some(())).await;
    let fault = |path: &str, callbacks, kind| {
        sim.fault(Fault {
            path: path.into(),
            callbacks,
            times: 1,
            kind,
        });
    };
    fault("", true, FaultKind::Duplicate { times: 2 });
    let verb = Verb::Say {
        person: "chenchen".into(),
        chat: ChatSel::Chat(group.clone()),
        text: "<@bot> 早".into(),
        reply_to: None,
    };
    assert_eq!(sim.act(verb).await.unwrap().callbacks_ok, 2);
    until(|| (p.host.seen.lock().unwrap().len() == 2).then_some(())).await;
    {
        let seen = p.host.seen.lock().unwrap();
        assert_eq!(seen[0].key, seen[1].key, "the inbox takes it once");
    }
    let message = p.message().await;
    fault("aibot_respond_msg", false, FaultKind::Delay { ms: 150 });
    let begin = Instant::now();
    let (slow, quick) = (
        reply(&message, Message::text("慢")),
        to_chat(&group, Message::text("快")),
    );
    let (slow_key, quick_key) = (key(1), key(2));
    let (slow, quick) = tokio::join!(
        async { (deliver(&p.bot, &slow, &slow_key).await, begin.elapsed()) },
        async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            (deliver(&p.bot, &quick, &quick_key).await, begin.elapsed())
        }
    );
    sent(slow.0);
    sent(quick.0);
    assert!(
        quick.1 < slow.1 && slow.1 >= Duration::from_millis(150),
        "nobody waits for another's answer"
    );
    p.stop().await;
}

#[tokio::test]
async fn a_takeover_is_reported_and_not_fought() {
    let (sim, _, group) = platform().await;
    let first = Program::start(&sim, |_| {});
    assert!(sim.wait_link("aib", SOON).await);
    until(|| first.bot.can_deliver().then_some(())).await;
    let second = Program::start(&sim, |_| {});
    until(|| (first.host.noted(|n| matches!(n, LinkNote::Evicted { .. })) == 1).then_some(())).await;
    assert!(!first.bot.can_deliver());
    until(|| second.bot.can_deliver().then_some(())).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(sim.connections(), 2, "nobody has come back");
    assert_eq!(sim.links(), [("aib".to_owned(), 1)]);
    said(&sim, &group, "<@bot> 谁在").await;
    let message = second.message().await;
    assert!(first.host.seen.lock().unwrap().is_empty());
    let outcome = deliver(&first.bot, &reply(&message, Message::text("我")), &key(1)).await;
    assert!(matches!(outcome, Outcome::NotSent { .. }), "{outcome:?}");
    sent(deliver(&second.bot, &reply(&message, Message::text("我")), &key(1)).await);
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn a_mute_connection_is_cut_off_and_the_answer_finds_its_chat() {
    let (sim, clock, group) = platform().await;
    let p = Program::start(&sim, |_| {});
    assert!(sim.wait_link("aib", SOON).await);
    until(|| p.bot.can_deliver().then_some(())).await;
    said(&sim, &group, "<@bot> /慢").await;
    let message = p.message().await;
    let begin = Instant::now();
    sim.fault(Fault {
        path: String::new(),
        callbacks: false,
        times: 1,
        kind: FaultKind::MuteLink,
    });
    // Said into the void: written, never acknowledged.
    let outcome = deliver(&p.bot, &reply(&message, Message::text("一")), &key(1)).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    until(|| (sim.connections() == 2 && p.bot.can_deliver()).then_some(())).await;
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert_eq!(of_the_bot(&sim, &group).len(), 0);
    // The old callback is not known on the new connection: the answer goes to the chat.
    sent(deliver(&p.bot, &reply(&message, Message::text("二")), &key(2)).await);
    let shown = of_the_bot(&sim, &group);
    assert_eq!((words(&shown[0]).as_str(), &shown[0].reply_to), ("二", &None));
    assert_eq!(
        sim.complaints(),
        Vec::<String>::new(),
        "no call that the platform refuses"
    );
    clock.advance(Duration::from_secs(1));
    p.stop().await;
}

#[tokio::test]
async fn what_the_platform_refuses_is_understood() {
    let (sim, clock, group) = platform().await;
    let wrong = Program::start(&sim, |s| {
        s.set("secret", SettingValue::Secret(hutong_model::Secret::new("x")))
    });
    until(|| {
        let refused = |n: &LinkNote| matches!(n, LinkNote::Refused { code, text, .. } if code == "853000" && text.contains("Secret"));
        (wrong.host.noted(refused) == 1).then_some(())
    })
    .await;
    wrong.stop().await;

    let p = Program::start(&sim, |_| {});
    assert!(sim.wait_link("aib", SOON).await);
    until(|| p.bot.can_deliver().then_some(())).await;
    let outcome = deliver(&p.bot, &to_chat(&group, Message::text("早")), &key(1)).await;
    assert!(
        matches!(&outcome, Outcome::RateLimited { code, .. } if code == "846607"),
        "nobody has spoken here: {outcome:?}"
    );
    let outcome = deliver(&p.bot, &to_chat("wrNOWHERE", Message::text("早")), &key(1)).await;
    assert!(rejected_with(&outcome, "93006"), "{outcome:?}");
    said(&sim, &group, "<@bot> 早").await;
    p.message().await;
    for n in 0..30 {
        sent(deliver(&p.bot, &to_chat(&group, Message::text("早")), &key(100 + n)).await);
    }
    let outcome = deliver(&p.bot, &to_chat(&group, Message::text("早")), &key(2)).await;
    assert!(matches!(&outcome, Outcome::RateLimited { code, after_ms: Some(60_000), .. } if code == "846607"));
    clock.advance(Duration::from_secs(60));
    sent(deliver(&p.bot, &to_chat(&group, Message::text("早")), &key(2)).await);

    // The subscription gets lost behind our back: nothing was sent, and a new connection is made.
    sim.fault(Fault {
        path: "aibot_send_msg".into(),
        callbacks: false,
        times: 1,
        kind: FaultKind::Code {
            code: 846_609,
            text: "not subscribed".into(),
        },
    });
    let outcome = deliver(&p.bot, &to_chat(&group, Message::text("早")), &key(3)).await;
    assert!(matches!(outcome, Outcome::NotSent { .. }), "{outcome:?}");
    until(|| (sim.connections() == 2 && p.bot.can_deliver()).then_some(())).await;
    // Cut after it was done, before it was acknowledged.
    sim.fault(Fault {
        path: "aibot_send_msg".into(),
        callbacks: false,
        times: 1,
        kind: FaultKind::AcceptThenCut,
    });
    let outcome = deliver(&p.bot, &to_chat(&group, Message::text("末")), &key(4)).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert_eq!(words(&of_the_bot(&sim, &group).pop().unwrap()), "末");
    until(|| (sim.connections() == 3 && p.bot.can_deliver()).then_some(())).await;

    // A callback address is saved: the other mode is off.
    let hook = Router::new()
        .route("/hook", any(echo))
        .with_state(Arc::new(built(&sim, |_| {})));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, hook).await });
    sim.subscribe("aib", &url).await.unwrap();
    until(|| {
        let off = |n: &LinkNote| matches!(n, LinkNote::Refused { code, .. } if code == "846601");
        (p.host.noted(off) == 1).then_some(())
    })
    .await;
    p.stop().await;
    sim.subscribe("aib", "").await.unwrap();
    let again = Program::start(&sim, |_| {});
    assert!(sim.wait_link("aib", SOON).await);
    again.stop().await;
}

/// What our own calls never do, said to the platform all the same: its windows and refusals.
#[tokio::test]
async fn the_platform_keeps_its_windows() {
    use hutong_wecom::stream::outbound::{Reply, Want};
    use hutong_wecom::stream::{Bot, BotLink, frame};
    let (sim, clock, group) = platform().await;
    let app = Simulator::apps(&*sim).into_iter().find(|a| a.id == "aib").unwrap();
    let bot = Bot {
        name: "小胡".into(),
        bot_id: app.settings.text("bot_id").unwrap().into(),
        secret: app.settings.secret("secret").unwrap().clone(),
        welcome: None,
    };
    let url = url::Url::parse(app.settings.text("ws_url").unwrap()).unwrap();
    let link = Arc::new(BotLink::new(bot, url, true));
    let out = link.outbound().clone();
    let host = Arc::new(Host::default());
    let cancel = CancellationToken::new();
    let task = tokio::spawn(hutong_link::run(
        link,
        host.clone(),
        Arc::new(HttpTransport::new().unwrap()),
        Arc::new(TimerClock::starting(NOW)),
        Options::default(),
        cancel.clone(),
    ));
    assert!(sim.wait_link("aib", SOON).await);
    until(|| out.live().then_some(())).await;
    let request = async || -> String {
        said(&sim, &group, "<@bot> /慢").await;
        let body = until(|| host.seen.lock().unwrap().pop().map(|i| i.body)).await;
        let Body::Message(message) = body else { panic!() };
        let context: Value = serde_json::from_str(&message.reply_context.unwrap()).unwrap();
        context["req"].as_str().unwrap().to_owned()
    };
    let answer = async |req: &str, body: Value| -> i64 {
        let want = Want::Answer {
            cmd: frame::RESPOND,
            req_id: req.to_owned(),
            body,
        };
        match out.request(want).await {
            Reply::Done(_) => 0,
            Reply::Refused { code, .. } => code,
            other => panic!("{other:?}"),
        }
    };
    let stream = |id: &str, finish: bool, content: &str| json!({"msgtype": "stream", "stream": {"id": id, "finish": finish, "content": content}});

    let req = request().await;
    assert_eq!(answer(&req, stream("s", false, "一")).await, 0);
    clock.advance(Duration::from_secs(360));
    assert_eq!(answer(&req, stream("s", false, "一二")).await, 0);
    assert_eq!(
        of_the_bot(&sim, &group).iter().map(words).collect::<Vec<_>>(),
        ["一二"],
        "in its place"
    );
    clock.advance(Duration::from_secs(1));
    assert_eq!(answer(&req, stream("s", true, "一二三")).await, 846_608);

    let req = request().await;
    clock.advance(Duration::from_secs(24 * 3600 + 1));
    assert_eq!(answer(&req, stream("t", false, "一")).await, 846_604);
    let req = request().await;
    assert_eq!(answer(&req, stream("u", false, &"汉".repeat(7000))).await, 40_058);
    let req = request().await;
    assert_eq!(
        answer(&req, json!({"msgtype": "text", "text": {"content": "x"}})).await,
        40_008
    );

    // Two windows: 30 a minute and 1,000 an hour.
    let body = json!({"chatid": group, "chat_type": 2, "msgtype": "markdown", "markdown": {"content": "x"}});
    let send = async || -> i64 {
        let want = Want::Own {
            cmd: frame::SEND,
            body: body.clone(),
        };
        match out.request(want).await {
            Reply::Done(_) => 0,
            Reply::Refused { code, .. } => code,
            other => panic!("{other:?}"),
        }
    };
    clock.advance(Duration::from_secs(3600));
    for minute in 0..34 {
        for n in 0..30 {
            let wanted = if minute * 30 + n < 1000 { 0 } else { 846_607 };
            assert_eq!(send().await, wanted, "{minute}:{n}");
        }
        clock.advance(Duration::from_secs(60));
    }
    clock.advance(Duration::from_secs(3600 - 34 * 60));
    assert_eq!(send().await, 0);
    cancel.cancel();
    task.await.unwrap();
}

/// Answers the address check.
async fn echo(State(bot): State<Arc<WeCom>>, RawQuery(query): RawQuery) -> Vec<u8> {
    let query = query.unwrap_or_default();
    let request = RawRequest {
        post: false,
        query: &query,
        headers: &[],
        body: &[],
    };
    match bot.receive(&request, NOW + Duration::from_secs(60)) {
        Received::Challenge(answer) => answer.body,
        other => panic!("{other:?}"),
    }
}
