//! A simulated DingTalk, the adapter, and a hook between them, over real HTTP.

#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use hutong_dingtalk::sim::{self, DingTalkSim, SimAppSpec, SimOptions};
use hutong_model::{
    Action, Adapter, AppId, Body, Build, CardClick, ChatId, ChatRef, Clock, CompanyId, Incoming, ManualClock, Message,
    MessageEvent, Outcome, RawRequest, Receipt, Received, Target, Timestamp, UserId,
};
use hutong_simkit::server::{Bound, Served};
use hutong_simkit::{ChatSel, Done, Fault, FaultKind, Org, ScreenPart, SimDepartment, SimPerson, Simulator, Verb};

pub const START: i64 = 1_795_500_000_000;

pub struct Hook {
    adapter: Arc<dyn Adapter>,
    clock: ManualClock,
    pub seen: Mutex<Vec<Incoming>>,
    pub challenges: Mutex<u32>,
}

pub struct World {
    pub sim: Arc<DingTalkSim>,
    pub adapter: Arc<dyn Adapter>,
    pub clock: ManualClock,
    pub hook: Arc<Hook>,
    pub hook_url: String,
    keys: Mutex<u32>,
    _served: Served,
}

async fn receive(
    State(hook): State<Arc<Hook>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let list: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
    let request = RawRequest {
        post: true,
        query: query.as_deref().unwrap_or(""),
        headers: &list,
        body: &body,
    };
    let answer = match hook.adapter.receive(&request, hook.clock.now()) {
        Received::Challenge(answer) => {
            *hook.challenges.lock().unwrap() += 1;
            answer
        }
        Received::Events { events, answer } => {
            hook.seen.lock().unwrap().extend(events);
            answer
        }
        Received::Rejected(why) => return (StatusCode::FORBIDDEN, why.as_str()).into_response(),
    };
    ([("content-type", answer.content_type)], answer.body).into_response()
}

pub fn person(id: &str, name: &str, department: &str) -> SimPerson {
    SimPerson {
        id: id.into(),
        name: name.into(),
        employee_no: format!("no-{id}"),
        department: department.into(),
        email: format!("{id}@example.example"),
        mobile: "10000000000".into(),
        title: "工程师".into(),
        leader: (id != "u_chen").then(|| "u_chen".into()),
        active: true,
        joined_on: None,
        office: None,
        employment: None,
    }
}

pub fn org() -> Org {
    let department = |id: &str, parent: Option<&str>, name: &str| SimDepartment {
        id: id.into(),
        parent: parent.map(str::to_owned),
        name: name.into(),
    };
    let mut people = vec![
        person("u_chen", "陈晨", "100"),
        person("u_lin", "林立", "100"),
        person("u_wu", "吴桐", "101"),
    ];
    for n in 0..130 {
        people.push(person(&format!("p{n}"), &format!("同事{n}"), "102"));
    }
    Org {
        departments: vec![
            department("100", None, "研发部"),
            department("101", Some("100"), "固件组"),
            department("102", None, "工厂"),
        ],
        people,
    }
}

impl World {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut SimAppSpec)) -> Self {
        Self::with_people(change, |_| {}).await
    }

    pub async fn with_people(change: impl FnOnce(&mut SimAppSpec), people: impl FnOnce(&mut Vec<SimPerson>)) -> Self {
        let mut org = org();
        people(&mut org.people);
        let clock = ManualClock::at(Timestamp(START));
        let mut spec = SimAppSpec::new("bot", "胡同");
        spec.calendar_user = Some("u_chen".into());
        change(&mut spec);
        let sim = sim::start(SimOptions {
            org,
            clock: Arc::new(clock.clone()),
            listen: "127.0.0.1:0".parse().unwrap(),
            apps: vec![spec],
            extra: None,
        })
        .await
        .unwrap();
        Self::on(sim, clock).await
    }

    /// Around a simulator that runs already; its first app is ours.
    pub async fn on(sim: Arc<DingTalkSim>, clock: ManualClock) -> Self {
        let app = sim.apps().remove(0);
        let adapter = (hutong_dingtalk::ENTRY.build)(Build {
            app: AppId::new("dt").unwrap(),
            company: CompanyId::new("c").unwrap(),
            kind: app.kind.to_owned(),
            settings: app.settings,
            clock: Arc::new(clock.clone()),
        })
        .unwrap_or_else(|p| panic!("{p:?}"));
        let hook = Arc::new(Hook {
            adapter: adapter.clone(),
            clock: clock.clone(),
            seen: Mutex::default(),
            challenges: Mutex::default(),
        });
        let bound = Bound::bind(0).await.unwrap();
        let url = format!("{}/hook/dt", bound.base_url());
        let served = bound.serve(Router::new().route("/hook/dt", post(receive)).with_state(hook.clone()));
        sim.subscribe("bot", &url).await.unwrap();
        Self {
            sim,
            adapter,
            clock,
            hook,
            hook_url: url,
            keys: Mutex::new(0),
            _served: served,
        }
    }

    /// Another adapter for the same platform, with other settings.
    pub fn built(&self, settings: hutong_model::Settings) -> Arc<dyn Adapter> {
        (hutong_dingtalk::ENTRY.build)(Build {
            app: AppId::new("dt").unwrap(),
            company: CompanyId::new("c").unwrap(),
            kind: "dingtalk".into(),
            settings,
            clock: Arc::new(self.clock.clone()),
        })
        .unwrap_or_else(|p| panic!("{p:?}"))
    }

    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    pub fn key(&self) -> String {
        let mut n = self.keys.lock().unwrap();
        *n += 1;
        format!("{:032}", *n)
    }

    pub async fn act(&self, verb: Verb) -> Done {
        self.sim.act(verb).await.unwrap()
    }

    pub async fn group(&self, members: &[&str]) -> ChatId {
        let done = self
            .act(Verb::CreateChat {
                name: "测试群".into(),
                owner: members[0].into(),
                members: members.iter().map(|m| (*m).to_owned()).collect(),
                apps: vec!["bot".into()],
            })
            .await;
        ChatId::new(done.chat.unwrap()).unwrap()
    }

    pub async fn say(&self, person: &str, chat: &ChatId, text: &str) -> Done {
        self.act(Verb::Say {
            person: person.into(),
            chat: ChatSel::Chat(chat.as_str().into()),
            text: text.into(),
            reply_to: None,
        })
        .await
    }

    /// Everything that has arrived since the last call.
    pub fn arrived(&self) -> Vec<Incoming> {
        std::mem::take(&mut self.hook.seen.lock().unwrap())
    }

    pub fn message(&self) -> MessageEvent {
        let all = self.arrived();
        all.into_iter()
            .find_map(|i| match i.body {
                Body::Message(m) => Some(*m),
                _ => None,
            })
            .expect("a message has arrived")
    }

    pub fn click(&self) -> CardClick {
        let all = self.arrived();
        all.into_iter()
            .find_map(|i| match i.body {
                Body::Click(c) => Some(*c),
                _ => None,
            })
            .expect("a click has arrived")
    }

    pub async fn outcomes(&self, action: &Action) -> Vec<Outcome> {
        let mut out = Vec::new();
        for prepared in self.adapter.prepare(action).unwrap() {
            out.push(self.adapter.deliver(&prepared, &self.key()).await);
        }
        out
    }

    pub async fn outcome(&self, action: &Action) -> Outcome {
        self.outcomes(action).await.pop().unwrap()
    }

    pub async fn sent(&self, action: &Action) -> Receipt {
        match self.outcome(action).await {
            Outcome::Sent(receipt) => receipt,
            other => panic!("{other:?} for {:?}", action.kind()),
        }
    }

    pub async fn send(&self, chat: &ChatId, content: Message) -> Receipt {
        self.sent(&to_chat(chat, content)).await
    }

    /// The parts of the newest message of the robot in a chat.
    pub fn newest(&self, chat: &ChatId, viewer: &str) -> Vec<ScreenPart> {
        let items = self.sim.screen(chat.as_str(), viewer, 100);
        items
            .into_iter()
            .rfind(|i| i.bot)
            .expect("the robot has said something")
            .parts
    }

    pub fn robot_messages(&self, chat: &ChatId) -> usize {
        self.sim
            .screen(chat.as_str(), "u_chen", 10_000)
            .iter()
            .filter(|i| i.bot)
            .count()
    }

    pub fn newest_id(&self, chat: &str) -> String {
        let items = self.sim.screen(chat, "u_chen", 100);
        items.into_iter().rfind(|i| i.bot).unwrap().id
    }

    pub fn direct(&self, person: &str) -> ChatId {
        let chats = self.sim.chats();
        let chat = chats.into_iter().find(|c| c.person.as_deref() == Some(person));
        ChatId::new(chat.expect("a private chat").id).unwrap()
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

    /// Waits for events that come behind the answer of a call.
    pub async fn until(&self, what: impl Fn(&[Incoming]) -> bool) -> Vec<Incoming> {
        for _ in 0..200 {
            if what(&self.hook.seen.lock().unwrap()) {
                return self.arrived();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it never came: {:?}", self.arrived());
    }

    pub fn no_complaints(&self) {
        assert_eq!(self.sim.complaints(), Vec::<String>::new());
    }
}

pub fn to_chat(chat: &ChatId, content: Message) -> Action {
    Action::Send {
        to: Target::Chat(chat.clone()),
        content,
    }
}

pub fn to_user(user: &str, content: Message) -> Action {
    Action::Send {
        to: Target::User(UserId::new(user).unwrap()),
        content,
    }
}

pub fn reply_to(message: &MessageEvent, content: Message) -> Action {
    Action::Reply {
        message: message.message.clone(),
        chat: ChatRef {
            id: message.chat.id.clone(),
            kind: message.chat.kind,
            name: None,
        },
        context: message.reply_context.clone(),
        content,
    }
}

pub fn said(parts: &[ScreenPart]) -> String {
    parts
        .iter()
        .map(|p| match p {
            ScreenPart::Text { text } | ScreenPart::Strong { text } | ScreenPart::Title { text, .. } => text.clone(),
            ScreenPart::Mention { name, .. } => format!("@{name}"),
            ScreenPart::Break => "\n".into(),
            _ => String::new(),
        })
        .collect()
}
