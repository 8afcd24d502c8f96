//! An in-memory platform for the page's own tests: no wire, no bot, only what the page can see.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use hutong_model::{BoxFuture, Clock, ManualClock, Platform, Timestamp};
use hutong_simkit::company::{self, HistoryStep};
use hutong_simkit::{
    ChatSel, Done, Fault, ScreenButton, ScreenChat, ScreenField, ScreenItem, ScreenPart, SimApp, SimError, SimPerson,
    Simulator, Verb,
};
use tokio::sync::watch;

pub struct Pretend {
    platform: Platform,
    people: Vec<SimPerson>,
    clock: ManualClock,
    inner: Mutex<Inner>,
    revision: watch::Sender<u64>,
}

#[derive(Default)]
struct Inner {
    chats: Vec<ScreenChat>,
    items: BTreeMap<String, Vec<ScreenItem>>,
    /// The chat of a message.
    place: BTreeMap<String, String>,
    next: u64,
    verbs: Vec<Verb>,
}

fn text(text: &str) -> ScreenPart {
    ScreenPart::Text { text: text.into() }
}

impl Pretend {
    /// A platform with the demo company's groups, empty.
    pub fn new(platform: Platform, clock: ManualClock) -> Arc<Self> {
        let mut inner = Inner::default();
        for group in company::groups().iter().filter(|g| g.platform == platform) {
            inner.chats.push(ScreenChat {
                id: format!("oc_{}", group.key),
                name: group.name.to_owned(),
                group: true,
                members: group.members.clone(),
                owner: Some(group.owner.clone()),
                apps: vec!["app1".into()],
                person: None,
                last_ms: 0,
                disbanded: false,
            });
        }
        Arc::new(Self {
            platform,
            people: company::org(platform).people,
            clock,
            inner: Mutex::new(inner),
            revision: watch::Sender::new(1),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    fn name(&self, id: &str) -> String {
        match self.people.iter().find(|p| p.id == id) {
            Some(person) => person.name.clone(),
            None => "胡同".to_owned(),
        }
    }

    /// Everything that was done, oldest first.
    pub fn verbs(&self) -> Vec<Verb> {
        self.lock().verbs.clone()
    }

    /// Replays talk of the company's script.
    pub fn replay(&self, steps: impl Iterator<Item = HistoryStep>) {
        let mut made: BTreeMap<String, String> = BTreeMap::new();
        for step in steps.filter(|s| s.platform == self.platform) {
            self.clock.set(step.at);
            match step.verb {
                Verb::Say {
                    person,
                    chat: ChatSel::Chat(chat),
                    text,
                    reply_to,
                } => {
                    let chat = format!("oc_{}", chat.trim_start_matches('$'));
                    let parts = self.parse(&text);
                    let id = self.put(&chat, &person, parts, reply_to.and_then(|r| made.get(&r).cloned()));
                    if text.contains("感谢 <@") {
                        self.put(&chat, "app1", vec![text_part(&self.name(&person))], None);
                    }
                    if let Some(handle) = step.makes {
                        made.insert(handle, id);
                    }
                }
                Verb::React {
                    person, message, emoji, ..
                } => {
                    if let Some(id) = made.get(&message) {
                        self.change(id, |item| react(item, &person, &emoji, true));
                    }
                }
                Verb::Recall { message, .. } => {
                    if let Some(id) = made.get(&message) {
                        self.change(id, |item| item.recalled = true);
                    }
                }
                _ => {}
            }
        }
    }

    fn parse(&self, source: &str) -> Vec<ScreenPart> {
        let mut parts = Vec::new();
        let mut rest = source;
        while let Some((before, after)) = rest.split_once("<@") {
            if !before.is_empty() {
                parts.push(text(before));
            }
            let (user, tail) = after.split_once('>').unwrap_or((after, ""));
            parts.push(ScreenPart::Mention {
                user: user.to_owned(),
                name: self.name(user),
                everyone: user == "all",
            });
            rest = tail;
        }
        if !rest.is_empty() {
            parts.push(text(rest));
        }
        parts
    }

    /// Puts an item into a chat; returns its id.
    pub fn put(&self, chat: &str, from: &str, parts: Vec<ScreenPart>, reply_to: Option<String>) -> String {
        let mut inner = self.lock();
        inner.next += 1;
        let id = format!("m{}", inner.next);
        let at_ms = self.clock.now().millis();
        let item = ScreenItem {
            id: id.clone(),
            at_ms,
            from: from.to_owned(),
            from_name: self.name(from),
            bot: from == "app1",
            recalled: false,
            edited: false,
            reply_to,
            parts,
            reactions: Vec::new(),
        };
        inner.items.entry(chat.to_owned()).or_default().push(item);
        inner.place.insert(id.clone(), chat.to_owned());
        if let Some(chat) = inner.chats.iter_mut().find(|c| c.id == chat) {
            chat.last_ms = at_ms;
        }
        drop(inner);
        self.revision.send_modify(|n| *n += 1);
        id
    }

    fn change(&self, message: &str, change: impl FnOnce(&mut ScreenItem)) -> bool {
        let mut inner = self.lock();
        let Some(chat) = inner.place.get(message).cloned() else {
            return false;
        };
        let found = inner
            .items
            .get_mut(&chat)
            .and_then(|items| items.iter_mut().find(|i| i.id == message));
        let Some(item) = found else { return false };
        change(item);
        drop(inner);
        self.revision.send_modify(|n| *n += 1);
        true
    }

    fn open_direct(&self, person: &str) -> String {
        let mut inner = self.lock();
        let id = format!("p2p_{person}");
        if !inner.chats.iter().any(|c| c.id == id) {
            inner.chats.push(ScreenChat {
                id: id.clone(),
                name: "胡同".into(),
                group: false,
                members: vec![person.to_owned()],
                owner: None,
                apps: vec!["app1".into()],
                person: Some(person.to_owned()),
                last_ms: 0,
                disbanded: false,
            });
        }
        drop(inner);
        self.revision.send_modify(|n| *n += 1);
        id
    }

    fn say(&self, person: &str, chat: ChatSel, said: &str, reply_to: Option<String>) -> Result<Done, SimError> {
        let (chat, addressed) = match chat {
            ChatSel::Chat(id) => (id, said.contains("<@bot>")),
            ChatSel::DirectWith(_) => (self.open_direct(person), true),
        };
        if !self.lock().chats.iter().any(|c| c.id == chat) {
            return Err(SimError::NotFound(format!("chat {chat}")));
        }
        let id = self.put(&chat, person, self.parse(said), reply_to);
        if addressed {
            let answer = match () {
                () if said.contains("感谢") => vec![text_part(&self.name(person))],
                () if said.contains("/周报") || said.contains("/report") => report_card(),
                () => help_card(),
            };
            self.put(&chat, "app1", answer, Some(id.clone()));
        }
        Ok(Done {
            message: Some(id),
            chat: Some(chat),
            callbacks_ok: u32::from(addressed),
            ..Done::default()
        })
    }
}

fn text_part(giver: &str) -> ScreenPart {
    text(&format!("🌱 {giver} 的感谢收到了，贡献分 +3"))
}

fn react(item: &mut ScreenItem, person: &str, emoji: &str, on: bool) {
    let at = item.reactions.iter().position(|(name, _)| name == emoji);
    let at = at.unwrap_or_else(|| {
        item.reactions.push((emoji.to_owned(), Vec::new()));
        item.reactions.len() - 1
    });
    item.reactions[at].1.retain(|p| p != person);
    if on {
        item.reactions[at].1.push(person.to_owned());
    }
}

fn button(label: &str, action: &str, style: &str) -> ScreenButton {
    ScreenButton {
        label: label.into(),
        action: action.into(),
        style: style.into(),
    }
}

/// One of everything.
pub fn report_card() -> Vec<ScreenPart> {
    vec![
        ScreenPart::Title {
            text: "研发中心·技术交流 | 第 47 周".into(),
            color: "blue".into(),
        },
        text("参与 "),
        ScreenPart::Strong {
            text: "41/126 人".into(),
        },
        text("（33%）▲4，数据来源：全部消息"),
        ScreenPart::Break,
        ScreenPart::ListItem {
            ordered: false,
            number: 1,
            text: "提问 18，已答 16，首答中位 1 小时 52 分".into(),
        },
        ScreenPart::ListItem {
            ordered: false,
            number: 2,
            text: "热议：#驱动移植 12 人，#招聘内推 9 人".into(),
        },
        ScreenPart::Table {
            columns: vec!["部门".into(), "发言".into(), "感谢".into(), "环比".into()],
            rows: vec![
                vec!["研发中心".into(), "212".into(), "18".into(), "▲4%".into()],
                vec!["市场部".into(), "96".into(), "7".into(), "▼2%".into()],
                vec!["供应链".into(), "41".into(), "3".into(), "▲11%".into()],
            ],
        },
        ScreenPart::Chart {
            title: "每日发言人数".into(),
            categories: ["周一", "周二", "周三", "周四", "周五"].map(str::to_owned).to_vec(),
            series: vec![
                ("本周".into(), vec![Some(31), Some(36), Some(28), Some(41), Some(25)]),
                ("上周".into(), vec![Some(27), Some(30), Some(33), None, Some(22)]),
            ],
            unit: "人".into(),
        },
        ScreenPart::Quote {
            text: "先观察，再提问，最后才动手".into(),
        },
        ScreenPart::Divider,
        ScreenPart::Buttons {
            buttons: vec![
                button("去看看", "see", "primary"),
                button("本周别找我", "mute", "normal"),
                button("撤下", "drop", "danger"),
            ],
        },
        ScreenPart::Note {
            text: "每周一 10:00 · 只统计人数，不看内容".into(),
        },
    ]
}

fn help_card() -> Vec<ScreenPart> {
    vec![
        ScreenPart::Title {
            text: "写一条建议".into(),
            color: "green".into(),
        },
        text("三句话就够，交给 "),
        ScreenPart::Mention {
            user: "x".into(),
            name: "运营".into(),
            everyone: false,
        },
        ScreenPart::Form {
            fields: vec![
                ScreenField {
                    name: "title".into(),
                    label: "标题".into(),
                    kind: "text".into(),
                    required: true,
                    options: vec![],
                },
                ScreenField {
                    name: "area".into(),
                    label: "方向".into(),
                    kind: "select".into(),
                    required: false,
                    options: vec![("a".into(), "流程".into()), ("b".into(), "工具".into())],
                },
                ScreenField {
                    name: "who".into(),
                    label: "受益的人".into(),
                    kind: "multi_select".into(),
                    required: false,
                    options: vec![("rd".into(), "研发".into()), ("pd".into(), "生产".into())],
                },
            ],
            submit: button("提交", "submit", "primary"),
        },
    ]
}

impl Simulator for Pretend {
    fn platform(&self) -> Platform {
        self.platform
    }
    fn base_url(&self) -> String {
        "http://127.0.0.1:1".into()
    }
    fn apps(&self) -> Vec<SimApp> {
        let app = |id: &str, kind, name: &str| SimApp {
            id: id.into(),
            kind,
            name: name.into(),
            settings: Default::default(),
        };
        vec![app("app1", "feishu", "胡同"), app("app2", "wecom_webhook", "群机器人")]
    }
    fn subscribe<'a>(&'a self, _app: &'a str, _url: &'a str) -> BoxFuture<'a, Result<(), SimError>> {
        Box::pin(async { Ok(()) })
    }
    fn act(&self, verb: Verb) -> BoxFuture<'_, Result<Done, SimError>> {
        Box::pin(async move {
            self.lock().verbs.push(verb.clone());
            match verb {
                Verb::Say {
                    person,
                    chat,
                    text,
                    reply_to,
                } => return self.say(&person, chat, &text, reply_to),
                Verb::React {
                    person,
                    message,
                    emoji,
                    on,
                } => {
                    self.change(&message, |item| react(item, &person, &emoji, on));
                }
                Verb::Recall { message, .. } => {
                    self.change(&message, |item| item.recalled = true);
                }
                Verb::Click {
                    message,
                    action,
                    values,
                    ..
                } => {
                    let answer = format!("已收到：{action} {values:?}");
                    self.change(&message, |item| {
                        item.edited = true;
                        item.parts.retain(|p| !matches!(p, ScreenPart::Toast { .. }));
                        item.parts.push(ScreenPart::Toast { text: answer });
                    });
                }
                Verb::Join { person, chat, .. } => {
                    let mut inner = self.lock();
                    if let Some(c) = inner.chats.iter_mut().find(|c| c.id == chat) {
                        c.members.push(person);
                    }
                }
                Verb::Leave { person, chat } => {
                    let mut inner = self.lock();
                    if let Some(c) = inner.chats.iter_mut().find(|c| c.id == chat) {
                        c.members.retain(|m| *m != person);
                    }
                }
                Verb::OpenDirect { person, .. } => {
                    self.open_direct(&person);
                }
                _ => return Err(SimError::Refused("this person may not do that".into())),
            }
            self.revision.send_modify(|n| *n += 1);
            Ok(Done::default())
        })
    }
    fn chats(&self) -> Vec<ScreenChat> {
        self.lock().chats.clone()
    }
    fn screen(&self, chat: &str, _viewer: &str, limit: usize) -> Vec<ScreenItem> {
        let inner = self.lock();
        let items = inner.items.get(chat).map(Vec::as_slice).unwrap_or_default();
        items[items.len().saturating_sub(limit)..].to_vec()
    }
    fn people(&self) -> Vec<SimPerson> {
        self.people.clone()
    }
    fn fault(&self, _fault: Fault) {}
    fn repeat_due(&self) -> BoxFuture<'_, usize> {
        Box::pin(async { 0 })
    }
    fn revision(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }
    fn complaints(&self) -> Vec<String> {
        Vec::new()
    }
    fn calls(&self) -> Vec<(String, u64)> {
        Vec::new()
    }
}

/// 2026-11-24 18:00 in Shanghai.
pub fn now() -> Timestamp {
    Timestamp::from_secs(1_795_514_400)
}
