//! A simulated WeCom, the adapter in front of it, and a bot that only writes down what it hears.
#![allow(dead_code, unused_imports, reason = "each test binary uses its part")]

pub use std::collections::{BTreeMap, HashMap};
pub use std::net::SocketAddr;
pub use std::sync::{Arc, Mutex};
pub use std::time::{Duration, Instant};

pub use axum::Router;
pub use axum::body::Bytes;
pub use axum::extract::{Path, RawQuery, State};
pub use axum::http::{Method, StatusCode};
pub use axum::routing::any;
pub use hutong_model::{
    Action, Adapter, AppId, Block, Body, Build, Button, ButtonStyle, CallError, CardClick, ChatId, ChatKind, Clock,
    CompanyId, DepartmentId, Field, FieldKind, Form, Incoming, Inline, ManualClock, Message, MessageEvent, Outcome,
    RawRequest, Receipt, Received, SettingValue, Table, Target, Timestamp, UserId,
};
pub use hutong_simkit::{
    ChatSel, Fault, FaultKind, Org, ScreenItem, ScreenPart, SimDepartment, SimError, SimPerson, Simulator, Verb,
};
pub use hutong_wecom::WeCom;
pub use hutong_wecom::sim::{AppSpec, Kind, SimOptions, WeComSim, start};
pub use hutong_wecom::verify::Keys;
pub use serde_json::{Value, json};

pub const NOW: Timestamp = Timestamp::from_secs(1_795_305_600);

pub type Doors = Arc<Mutex<HashMap<String, Arc<WeCom>>>>;
/// What a bot of the test's own says in the callback, from the opened request.
pub type Answering = Arc<Mutex<Option<Box<dyn FnMut(&Value) -> Value + Send>>>>;

#[derive(Clone)]
pub struct Hook {
    pub doors: Doors,
    pub clock: ManualClock,
    pub seen: Arc<Mutex<Vec<(String, Incoming)>>>,
    pub status: Arc<Mutex<u16>>,
    pub answering: Answering,
    pub keys: Arc<Mutex<Option<Keys>>>,
}

pub async fn hook(
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

pub struct World {
    pub sim: Arc<WeComSim>,
    pub clock: ManualClock,
    pub hook: Hook,
    pub hook_url: String,
    pub app: Arc<WeCom>,
    pub bot: Arc<WeCom>,
    pub robot: Arc<WeCom>,
}

pub fn org() -> Org {
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
        joined_on: None,
        office: None,
        employment: None,
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

pub async fn world() -> World {
    world_with(None).await
}

pub async fn world_with(welcome: Option<&str>) -> World {
    world_of(org(), welcome).await
}

pub async fn world_of(org: Org, welcome: Option<&str>) -> World {
    let clock = ManualClock::at(NOW);
    let sim = start(SimOptions {
        org,
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
    pub fn take(&self) -> Vec<(String, Incoming)> {
        std::mem::take(&mut self.hook.seen.lock().unwrap())
    }

    pub fn message(&self) -> MessageEvent {
        let (_, incoming) = self.take().pop().expect("an event");
        match incoming.body {
            Body::Message(message) => *message,
            other => panic!("{other:?}"),
        }
    }

    pub fn clicked(&self) -> CardClick {
        let (_, incoming) = self.take().pop().expect("an event");
        match incoming.body {
            Body::Click(click) => *click,
            other => panic!("{other:?}"),
        }
    }

    pub async fn say(&self, person: &str, chat: &ChatSel, text: &str) -> String {
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

    pub async fn group(&self, apps: &[&str]) -> String {
        let verb = Verb::CreateChat {
            name: "市场部日常".into(),
            owner: "chenchen".into(),
            members: vec!["linjie".into(), "wangwu".into()],
            apps: apps.iter().map(|a| (*a).to_owned()).collect(),
        };
        self.sim.act(verb).await.unwrap().chat.unwrap()
    }

    pub async fn click(
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

    pub fn screen(&self, chat: &str, viewer: &str) -> Vec<ScreenItem> {
        self.sim.screen(chat, viewer, 1000)
    }

    pub fn last(&self, chat: &str, viewer: &str) -> ScreenItem {
        self.screen(chat, viewer).pop().expect("an item")
    }

    pub fn fault(&self, path: &str, kind: FaultKind) {
        self.sim.fault(Fault {
            path: path.into(),
            callbacks: false,
            times: 1,
            kind,
        });
    }

    pub fn callback_fault(&self, kind: FaultKind) {
        self.sim.fault(Fault {
            path: String::new(),
            callbacks: true,
            times: 1,
            kind,
        });
    }

    pub fn calls(&self, path: &str) -> u64 {
        self.sim
            .calls()
            .into_iter()
            .find(|(p, _)| p == path)
            .map_or(0, |(_, n)| n)
    }

    /// No request so far that the real platform would have refused.
    pub fn clean(&self) {
        assert_eq!(self.sim.complaints(), Vec::<String>::new());
    }
}

pub fn key(n: usize) -> String {
    format!("{n:032}")
}

pub fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

pub fn to_user(id: &str, content: Message) -> Action {
    Action::Send {
        to: Target::User(user(id)),
        content,
    }
}

pub fn to_chat(id: &str, content: Message) -> Action {
    Action::Send {
        to: Target::Chat(ChatId::new(id).unwrap()),
        content,
    }
}

pub fn reply(to: &MessageEvent, content: Message) -> Action {
    Action::Reply {
        message: to.message.clone(),
        chat: to.chat.clone(),
        context: to.reply_context.clone(),
        content,
    }
}

pub async fn deliver(door: &WeCom, action: &Action, key: &str) -> Outcome {
    let prepared = door.prepare(action).unwrap();
    assert_eq!(prepared.len(), 1, "{prepared:?}");
    door.deliver(&prepared[0], key).await
}

pub fn sent(outcome: Outcome) -> Receipt {
    match outcome {
        Outcome::Sent(receipt) => receipt,
        other => panic!("{other:?}"),
    }
}

pub fn buttons(labels: &[(&str, &str)]) -> Vec<Button> {
    labels
        .iter()
        .map(|(label, action)| Button {
            label: (*label).into(),
            action: (*action).into(),
            style: ButtonStyle::Primary,
        })
        .collect()
}

pub fn words(item: &ScreenItem) -> String {
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

pub fn rejected_with(outcome: &Outcome, wanted: &str) -> bool {
    matches!(outcome, Outcome::Rejected { code, .. } if code == wanted)
}
