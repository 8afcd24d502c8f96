//! What a column does on its days.

use std::sync::Arc;
use std::time::Duration;

use chrono::{NaiveTime, Weekday};
use hutong_model::{Body, ChatId, MessageId};

use super::config::ColumnChat;
use super::when::Calendar;
use super::*;
use crate::access::store::{Grant, Subject, sync_config_roles};
use crate::access::{Role, Scope};
use crate::commands::ArgValue;
use crate::config::{OnHoliday, OnMakeupWorkday, ScheduleSpec};
use crate::directory::Person;
use crate::rules::fake::{Left, World, app_id, at, company, text};
use crate::schedule::WorkdayTable;
use crate::store::{Store, testing};

fn calendar() -> Calendar {
    Calendar {
        zone: chrono_tz::Asia::Shanghai,
        workdays: Arc::new(WorkdayTable::china().unwrap()),
        on_holiday: OnHoliday::NextWorkday,
        on_makeup_workday: OnMakeupWorkday::Normal,
        today: "2026-01-01".parse().unwrap(),
    }
}

fn column() -> Column {
    Column {
        id: "news".into(),
        title: "每周资讯".into(),
        app: app_id("fs"),
        chats: vec![
            ColumnChat::Chat(ChatId::new("oc_1").unwrap()),
            ColumnChat::Chat(ChatId::new("oc_2").unwrap()),
            ColumnChat::Chat(ChatId::new("oc_1").unwrap()),
            ColumnChat::GroupsOf("rd".into()),
        ],
        every: ScheduleSpec::Weekly {
            weekday: Weekday::Mon,
            time: NaiveTime::from_hms_opt(9, 30, 0).unwrap(),
        },
        zone: None,
        items: vec![],
        min_items: 2,
        lateness: Duration::from_secs(7200),
        on_holiday: None,
        on_makeup_workday: None,
        quiet: Default::default(),
        editors: vec![],
        deputies: vec![],
        reviewers: vec![],
        enabled: true,
    }
}

struct Desk {
    w: World,
    rule: ColumnsRule,
    editor: Person,
    author: Person,
}

impl Desk {
    async fn open(store: &Store) -> Self {
        let w = World::new(store, "2026-11-27T10:00");
        let editor = w.person("fs", "editor", "李敏").await;
        let author = w.person("fs", "author", "刘洋").await;
        let mut tx = store.begin().await.unwrap();
        let grant = Grant {
            company: company(),
            subject: Subject::Person(editor.id.clone()),
            role: Role::Editor,
            scope: Scope::All,
        };
        sync_config_roles(&mut tx, &[grant], w.now).await.unwrap();
        tx.commit().await.unwrap();
        Self {
            rule: ColumnsRule::new(vec![column()], calendar()).unwrap(),
            w,
            editor,
            author,
        }
    }
    async fn tick(&mut self, minute: &str) -> Left {
        let body = Body::Tick {
            schedule: "columns:news".into(),
            slot: at(minute),
            local: minute.into(),
        };
        self.w.event(&self.rule, &format!("tick {minute}"), body).await.unwrap()
    }
    async fn submit(&mut self, what: &str) -> Left {
        let author = self.author.clone();
        let args = [("column", text("每周资讯")), ("text", text(what))];
        self.w
            .command(&self.rule, "columns.submit", &author, None, &args)
            .await
            .unwrap()
    }
    async fn edit(&mut self, id: &'static str, args: &[(&'static str, ArgValue)]) -> String {
        self.edit_all(id, args).await.to("reply direct")
    }
    async fn edit_all(&mut self, id: &'static str, args: &[(&'static str, ArgValue)]) -> Left {
        let editor = self.editor.clone();
        self.w.command(&self.rule, id, &editor, None, args).await.unwrap()
    }
    async fn fill(&mut self, from: i64, n: i64) {
        for i in from..from + n {
            self.submit(&format!("半小时定位掉帧的办法 {i}")).await;
            self.edit("columns.accept", &[("number", ArgValue::Integer(i))]).await;
        }
    }
}

#[tokio::test]
async fn an_issue_from_submission_to_useful() {
    for t in testing::all().await.unwrap() {
        let mut d = Desk::open(&t.store).await;
        let left = d.submit("半小时定位掉帧的办法 <font>").await;
        assert!(left.to("user editor").contains("/栏目 采用 1"), "{:?}", left.said());
        assert!(left.to("reply direct").contains("收到"));
        assert!(
            d.edit("columns.preview", &[("column", text("NEWS"))])
                .await
                .contains("待看 1 · 刘洋:半小时")
        );
        let left = d.edit_all("columns.accept", &[("number", ArgValue::Integer(1))]).await;
        assert!(left.to("user author").contains("已采用"));
        assert!(
            d.edit("columns.accept", &[("number", ArgValue::Integer(1))])
                .await
                .contains("已经处理过")
        );
        d.fill(2, 1).await;
        // On its day, once per chat, also when the tick comes twice or another replica has it.
        d.w.now = at("2026-11-30T09:30");
        let left = d.tick("2026-11-30T09:30").await;
        let said = left.said();
        let places: Vec<&str> = said.iter().map(|(p, _)| p.as_str()).collect();
        assert_eq!(places, ["chat oc_1", "chat oc_2"], "{}", t.name);
        let card = left.to("chat oc_1");
        assert!(
            card.starts_with("【每周资讯 第 1 期】\n1. 半小时定位掉帧的办法 <font> —— 刘洋\n2. "),
            "{card}"
        );
        assert!(card.contains("[有用]") && card.lines().count() <= 12);
        assert_ne!(left.effects[0].key, left.effects[1].key);
        assert!(d.tick("2026-11-30T09:30").await.effects.is_empty());
        // The receipts name the cards; presses count people.
        for (effect, card) in left.effects.iter().zip(["c1", "c2"]) {
            let done = World::done(effect, card);
            d.w.event(&d.rule, card, done).await.unwrap();
        }
        let button = left.buttons().into_iter().next().unwrap();
        let (author, editor) = (d.author.clone(), d.editor.clone());
        let pressed = d.w.click(&d.rule, &author, &button, Some("c1")).await.unwrap();
        assert!(pressed.to("card c1").contains("[有用 1]") && pressed.to("card c2").contains("[有用 1]"));
        assert_eq!(pressed.effects[0].state_key.as_deref(), Some("columns.card:fs:c1"));
        d.w.now = at("2026-11-30T09:45");
        let pressed = d.w.click(&d.rule, &author, &button, Some("c1")).await.unwrap();
        assert_eq!(pressed.effects.len(), 1);
        assert!(pressed.to("card c1").contains("[有用 1]"));
        let pressed = d.w.click(&d.rule, &editor, &button, None).await.unwrap();
        assert!(pressed.to("card c2").contains("[有用 2]"));
        // Items were used up: the next issue is not sent empty, and the editor hears why.
        d.w.now = at("2026-12-07T09:30");
        let left = d.tick("2026-12-07T09:30").await;
        assert_eq!(left.said().len(), 1);
        assert!(left.to("user editor").contains("至少要 2 条"), "{:?}", left.said());
        assert!(d.edit("columns.list", &[]).await.contains("内容不够,未发"));
    }
}

#[tokio::test]
async fn days_off_lateness_and_quiet_hours() {
    let t = testing::sqlite().await.unwrap();
    let mut d = Desk::open(&t.store).await;
    d.fill(1, 6).await;
    // Asked every day; only the days that count send.
    d.w.now = at("2026-12-01T09:30");
    assert!(d.tick("2026-12-01T09:30").await.effects.is_empty());
    // A holiday Monday moves to the next workday.
    d.w.now = at("2026-10-05T09:30");
    assert!(d.tick("2026-10-05T09:30").await.effects.is_empty());
    d.w.now = at("2026-10-08T09:30");
    assert_eq!(d.tick("2026-10-08T09:30").await.effects.len(), 2);
    // Too late, and late at night.
    d.fill(7, 6).await;
    d.w.now = at("2026-11-30T11:31");
    let left = d.tick("2026-11-30T09:30").await;
    assert!(left.to("user editor").contains("已经过了"), "{:?}", left.said());
    d.w.now = at("2026-12-07T11:00");
    assert_eq!(d.tick("2026-12-07T09:30").await.effects.len(), 2);
    let mut late = column();
    late.every = ScheduleSpec::Weekly {
        weekday: Weekday::Mon,
        time: NaiveTime::from_hms_opt(20, 30, 0).unwrap(),
    };
    d.rule = ColumnsRule::new(vec![late], calendar()).unwrap();
    d.fill(13, 2).await;
    d.w.now = at("2026-12-14T21:30");
    let left = d.tick("2026-12-14T20:30").await;
    assert!(left.to("user editor").contains("休息时间"), "{:?}", left.said());
}

#[tokio::test]
async fn editors_hold_the_reins() {
    let t = testing::sqlite().await.unwrap();
    let mut d = Desk::open(&t.store).await;
    let news = [("column", text("每周资讯"))];
    assert!(d.edit("columns.send", &news).await.contains("没有备好"));
    assert!(d.edit("columns.pause", &news).await.contains("已暂停"));
    d.fill(1, 3).await;
    d.w.now = at("2026-11-30T09:30");
    assert!(d.tick("2026-11-30T09:30").await.effects.is_empty());
    assert!(d.edit("columns.list", &[]).await.contains("(已暂停)"));
    assert!(d.edit("columns.resume", &news).await.contains("已恢复"));
    let left = d.edit_all("columns.send", &news).await;
    assert_eq!(left.effects.len(), 3);
    assert!(left.to("reply direct").contains("发往 2 个群"));
    assert!(d.edit("columns.send", &news).await.contains("刚发过"));
    // Refused and withdrawn.
    d.submit("这条还需要补充结论").await;
    let args = [("number", ArgValue::Integer(4)), ("reason", text("请补充结论"))];
    let left = d.edit_all("columns.refuse", &args).await;
    assert!(left.to("user author").contains("请补充结论"));
    for n in 0..6 {
        let left = d.submit(&format!("一条还没有看的投稿 {n}")).await;
        assert_eq!(left.to("reply direct").contains("等一条有结果"), n == 5);
    }
    let body = Body::Recall {
        message: MessageId::new("private").unwrap(),
        chat: None,
        by: None,
    };
    d.w.event(&d.rule, "recall", body).await.unwrap();
    assert!(
        d.edit("columns.accept", &[("number", ArgValue::Integer(5))])
            .await
            .contains("没有编号为 5")
    );
    assert!(d.submit("短").await.to("reply direct").contains("至少写 6 个字"));
    let left = d.edit("columns.preview", &[("column", text("周报"))]).await;
    assert!(left.contains("没有叫「周报」的栏目。现有栏目:每周资讯"), "{left}");
}

#[test]
fn schedules_and_texts() {
    let rule = ColumnsRule::new(vec![column()], calendar()).unwrap();
    let schedules = rule.schedules();
    assert_eq!(
        (schedules[0].id.as_str(), schedules[0].rule.as_str()),
        ("columns:news", "columns")
    );
    // Down over Monday morning: on Tuesday Monday's minute is still looked at, so that it is told.
    let due = crate::schedule::due(&schedules[0], Some(at("2026-11-27T10:00")), at("2026-12-01T08:00"));
    let fired = due.iter().filter(|d| d.verdict == crate::schedule::Verdict::Fire);
    assert_eq!(
        fired.map(|d| d.occurrence.local_text()).collect::<Vec<_>>(),
        ["2026-11-30T09:30"]
    );
    for spec in commands::COMMANDS {
        assert!(
            crate::text::columns::COMMANDS.iter().any(|t| t.id == spec.id),
            "{}",
            spec.id
        );
    }
    let off = Column {
        enabled: false,
        ..column()
    };
    assert!(ColumnsRule::new(vec![off], calendar()).unwrap().schedules().is_empty());
}
