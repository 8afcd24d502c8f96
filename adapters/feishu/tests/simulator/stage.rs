//! A platform, its people, and bots that only listen.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use hutong_feishu::Feishu;
use hutong_feishu::sim::{FeishuSim, SimAppOptions, SimOptions, start};
use hutong_model::{
    Action, Adapter, AppId, Body, Build, ChatId, Clock as _, CompanyId, Incoming, ManualClock, Message, MessageEvent,
    MessageId, Outcome, RawRequest, Receipt, Received, Target, Timestamp, UserId,
};
use hutong_simkit::server::{Bound, Served};
use hutong_simkit::{ChatSel, Done, Fault, FaultKind, Org, ScreenPart, SimDepartment, SimPerson, Simulator, Verb};

pub const START: Timestamp = Timestamp::from_secs(1_795_500_000);

/// A bot that only listens, and the platform it listens to.
pub struct Stage {
    pub sim: Arc<FeishuSim>,
    pub platform: Served,
    pub clock: ManualClock,
    pub apps: Vec<Bot>,
}

pub struct Bot {
    pub adapter: Arc<Feishu>,
    pub id: String,
    pub heard: Arc<Ear>,
    pub _served: Served,
}

pub struct Ear {
    pub adapter: Arc<Feishu>,
    pub clock: ManualClock,
    pub heard: Mutex<Vec<Incoming>>,
    pub rejected: Mutex<Vec<Received>>,
    /// The status of the next answers, and their body when it is not empty.
    pub status: AtomicU16,
    pub body: Mutex<String>,
}

pub async fn hook(State(ear): State<Arc<Ear>>, headers: HeaderMap, body: Bytes) -> Response {
    let headers: Vec<(&str, &str)> = headers.iter().map(|(k, v)| (k.as_str(), v.to_str().unwrap())).collect();
    let request = RawRequest {
        post: true,
        query: "",
        headers: &headers,
        body: &body,
    };
    let answer = match ear.adapter.receive(&request, ear.clock.now()) {
        Received::Challenge(answer) => answer,
        Received::Events { events, answer } => {
            ear.heard.lock().unwrap().extend(events);
            answer
        }
        rejected => {
            ear.rejected.lock().unwrap().push(rejected);
            return StatusCode::UNAUTHORIZED.into_response();
        }
    };
    let status = StatusCode::from_u16(ear.status.load(Ordering::SeqCst)).unwrap();
    let own = ear.body.lock().unwrap().clone();
    let body = if own.is_empty() { answer.body } else { own.into_bytes() };
    (status, [("content-type", answer.content_type)], body).into_response()
}

pub fn person(n: usize, department: &str) -> SimPerson {
    SimPerson {
        id: format!("u{n:03}"),
        name: format!("员工{n}"),
        employee_no: format!("E{n:04}"),
        department: department.to_owned(),
        email: format!("u{n}@hutong.example"),
        mobile: format!("+86130{n:08}"),
        title: "工程师".to_owned(),
        leader: (n > 0).then(|| "u000".to_owned()),
        active: true,
        joined_on: None,
        office: None,
        employment: None,
    }
}

pub fn org() -> Org {
    let mut departments = vec![SimDepartment {
        id: "eng".into(),
        parent: None,
        name: "工程部".into(),
    }];
    for n in 0..70 {
        departments.push(SimDepartment {
            id: format!("t{n}"),
            parent: Some("eng".into()),
            name: format!("小组{n}"),
        });
    }
    let mut people: Vec<SimPerson> = (0..130)
        .map(|n| person(n, if n < 120 { "eng" } else { "t7" }))
        .collect();
    people.push(person(130, "0"));
    Org { departments, people }
}

pub async fn stage_with(options: Vec<SimAppOptions>, limits: bool) -> Stage {
    stage_of(org(), options, limits).await
}

pub async fn stage_of(org: Org, options: Vec<SimAppOptions>, limits: bool) -> Stage {
    let clock = ManualClock::at(START);
    let (sim, platform) = start(SimOptions {
        org,
        clock: Arc::new(clock.clone()),
        port: 0,
        apps: options,
        limits,
        extra: None,
    })
    .await
    .unwrap();
    let mut apps = Vec::new();
    for app in sim.apps() {
        let build = Build {
            app: AppId::new("fs").unwrap(),
            company: CompanyId::new("main").unwrap(),
            kind: app.kind.to_owned(),
            settings: app.settings.clone(),
            clock: Arc::new(clock.clone()),
        };
        let adapter = Arc::new(Feishu::new(&build).unwrap());
        let heard = Arc::new(Ear {
            adapter: adapter.clone(),
            clock: clock.clone(),
            heard: Mutex::default(),
            rejected: Mutex::default(),
            status: AtomicU16::new(200),
            body: Mutex::default(),
        });
        let bound = Bound::bind(0).await.unwrap();
        let url = format!("{}/hook/fs", bound.base_url());
        let served = bound.serve(Router::new().route("/hook/fs", post(hook)).with_state(heard.clone()));
        adapter.probe().await.unwrap();
        sim.subscribe(&app.id, &url).await.unwrap();
        apps.push(Bot {
            adapter,
            id: app.id,
            heard,
            _served: served,
        });
    }
    Stage {
        sim,
        platform,
        clock,
        apps,
    }
}

pub async fn stage() -> Stage {
    stage_with(vec![SimAppOptions::new(1, "胡同", true)], true).await
}

pub fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

pub static KEYS: AtomicU16 = AtomicU16::new(0);

pub fn fresh_key() -> String {
    format!("{:0>32}", KEYS.fetch_add(1, Ordering::SeqCst))
}

impl Stage {
    pub fn bot(&self) -> &Bot {
        &self.apps[0]
    }

    pub async fn group(&self, members: usize) -> ChatId {
        let done = self
            .sim
            .act(Verb::CreateChat {
                name: "研发一部".into(),
                owner: "u000".into(),
                members: (1..members).map(|n| format!("u{n:03}")).collect(),
                apps: self.apps.iter().map(|a| a.id.clone()).collect(),
            })
            .await
            .unwrap();
        ChatId::new(done.chat.unwrap()).unwrap()
    }

    pub async fn say(&self, person: &str, chat: &ChatId, text: &str) -> Done {
        let verb = Verb::Say {
            person: person.into(),
            chat: ChatSel::Chat(chat.as_str().into()),
            text: text.into(),
            reply_to: None,
        };
        self.sim.act(verb).await.unwrap()
    }

    pub async fn with_key(&self, action: &Action, key: &str) -> Outcome {
        let bot = self.bot();
        let mut last = Outcome::NotSent {
            reason: "nothing to send".into(),
        };
        for (n, prepared) in bot.adapter.prepare(action).unwrap().iter().enumerate() {
            let key = if n == 0 { key.to_owned() } else { fresh_key() };
            last = bot.adapter.deliver(prepared, &key).await;
        }
        last
    }

    pub async fn run(&self, action: Action) -> Outcome {
        self.with_key(&action, &fresh_key()).await
    }

    pub async fn sent(&self, action: Action) -> Receipt {
        match self.run(action.clone()).await {
            Outcome::Sent(receipt) => receipt,
            other => panic!("{action:?}: {other:?}"),
        }
    }

    pub async fn send(&self, chat: &ChatId, content: Message) -> MessageId {
        self.sent(Action::Send {
            to: Target::Chat(chat.clone()),
            content,
        })
        .await
        .message
        .unwrap()
    }

    pub fn texts(&self, chat: &str) -> Vec<String> {
        self.sim
            .screen(chat, "u000", 1000)
            .iter()
            .filter(|i| i.bot)
            .map(|i| shown(&i.parts))
            .collect()
    }

    pub fn take(&self) -> Vec<Incoming> {
        std::mem::take(&mut *self.bot().heard.heard.lock().unwrap())
    }

    /// Events that follow the bot's own calls come a moment later.
    pub async fn wait(&self, count: usize) -> Vec<Incoming> {
        for _ in 0..200 {
            if self.bot().heard.heard.lock().unwrap().len() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.take()
    }

    pub fn fault(&self, path: &str, times: u32, kind: FaultKind) {
        self.sim.fault(Fault {
            path: path.into(),
            callbacks: false,
            times,
            kind,
        });
    }

    pub fn count(&self, path: &str) -> u64 {
        self.sim
            .calls()
            .iter()
            .filter(|(p, _)| p.contains(path))
            .map(|(_, n)| n)
            .sum()
    }

    pub fn no_complaints(&self) {
        assert_eq!(self.sim.complaints(), Vec::<String>::new());
        for app in &self.apps {
            assert_eq!(*app.heard.rejected.lock().unwrap(), Vec::new());
        }
    }
}

pub fn shown(parts: &[ScreenPart]) -> String {
    parts
        .iter()
        .map(|part| match part {
            ScreenPart::Title { text, .. } => format!("【{text}】"),
            ScreenPart::Text { text } | ScreenPart::Strong { text } | ScreenPart::Note { text } => text.clone(),
            ScreenPart::Quote { text } => format!("> {text}"),
            ScreenPart::Mention { name, .. } => format!("@{name}"),
            ScreenPart::Link { label, url } => format!("{label} {url}"),
            ScreenPart::Break => "\n".into(),
            ScreenPart::Toast { text } => format!("({text})"),
            other => format!("{other:?}"),
        })
        .collect()
}

pub fn message(incoming: &Incoming) -> &MessageEvent {
    match &incoming.body {
        Body::Message(message) => message,
        other => panic!("{other:?}"),
    }
}

/// Runs `count` futures at the same time.
pub async fn futures<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    count: usize,
    make: impl Fn(usize) -> F,
) -> Vec<T> {
    let tasks: Vec<_> = (0..count).map(|n| tokio::spawn(make(n))).collect();
    let mut out = Vec::new();
    for task in tasks {
        out.push(task.await.unwrap());
    }
    out
}
