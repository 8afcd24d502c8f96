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

impl Desk {
    async fn everything(&mut self, tick: &str, minute: &str) -> Left {
        self.w.now = at(minute);
        let body = Body::Tick {
            schedule: tick.into(),
            slot: at(minute),
            local: minute.into(),
        };
        self.w
            .event(&self.rule, &format!("{tick} {minute}"), body)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn a_column_is_made_in_a_chat_and_lives_in_the_database() {
    for t in testing::all().await.unwrap() {
        let mut d = Desk::open(&t.store).await;
        let args = |every: &str, time: (u32, u32)| {
            [
                ("column", text("经验分享")),
                ("every", text(every)),
                (
                    "time",
                    ArgValue::Time(NaiveTime::from_hms_opt(time.0, time.1, 0).unwrap()),
                ),
                ("chats", text("dept:*")),
                ("on_holiday", text("提前")),
            ]
        };
        // Numbers of weekdays and dates that never come are answered, and nothing is made.
        let no = d.edit("columns.new", &args("1", (9, 30))).await;
        assert!(no.contains("星期只用名字"), "{no}");
        let no = d.edit("columns.new", &args("30 9 30 2 *", (9, 30))).await;
        assert!(no.contains("永远不会到"), "{no}");
        assert!(
            d.edit("columns.plan", &[("column", text("经验分享"))])
                .await
                .contains("没有叫")
        );
        let made = d.edit("columns.new", &args("周一", (9, 30))).await;
        assert!(made.contains("11-30 周一 09:30"), "{made}");
        let again = d.edit("columns.new", &args("周二", (9, 30))).await;
        assert!(again.contains("已有同名栏目"), "{again}");
        let mut tx = t.store.begin().await.unwrap();
        let stored = d.rule.stored_schedules(&mut tx).await.unwrap();
        tx.rollback().await.unwrap();
        assert!(stored.iter().any(|s| s.id.starts_with("columns:c-")), "{stored:?}");
        let moved = d.edit("columns.move", &args("2nd mon", (10, 0))).await;
        assert!(moved.contains("12-14 周一 10:00"), "{moved}");
        let toml = d.edit("columns.show", &[("column", text("经验分享"))]).await;
        assert!(
            toml.contains("every = { nth = \"2nd mon\", time = \"10:00\" }"),
            "{toml}"
        );
        assert!(toml.contains("on_holiday = \"prev_workday\""), "{toml}");
        // What stands in the configuration is not changed in a chat.
        let config = [
            ("column", text("news")),
            ("every", text("周二")),
            args("", (10, 0))[2].clone(),
        ];
        let no = d.edit("columns.move", &config).await;
        assert!(
            no.contains("以配置为准") && no.contains("every = { weekday = \"tue\""),
            "{no}"
        );
    }
}

#[test]
fn what_a_column_says_as_toml_reads_back() {
    for every in [
        ScheduleSpec::typed("周一", NaiveTime::from_hms_opt(9, 30, 0)).unwrap(),
        ScheduleSpec::typed("每月1日", NaiveTime::from_hms_opt(9, 30, 0)).unwrap(),
        ScheduleSpec::typed("最后工作日", NaiveTime::from_hms_opt(17, 0, 0)).unwrap(),
        ScheduleSpec::typed("last fri", NaiveTime::from_hms_opt(17, 0, 0)).unwrap(),
        ScheduleSpec::typed("30 9 * * 1-5", None).unwrap(),
    ] {
        let column = Column {
            every,
            title: "a \"b\" \\ c".into(),
            items: vec!["一\n二".into()],
            on_holiday: Some(OnHoliday::Skip),
            on_makeup_workday: Some(OnMakeupWorkday::Skip),
            editors: vec![crate::config::Who::Employee("E1".into())],
            ..column()
        };
        assert_eq!(written::parse(&written::toml(&column)), Some(column));
    }
    assert_eq!(ScheduleSpec::typed("1", NaiveTime::from_hms_opt(9, 30, 0)), None);
}

#[tokio::test]
async fn editors_are_reminded_in_working_time_and_deputies_stand_in() {
    for t in testing::all().await.unwrap() {
        let mut d = Desk::open(&t.store).await;
        // 24 working hours before Monday 09:30 is Wednesday 12:30, 4 are Friday 14:30.
        assert!(
            d.everything("columns:~desk", "2026-11-25T12:00")
                .await
                .said()
                .is_empty()
        );
        let left = d.everything("columns:~desk", "2026-11-25T12:30").await;
        assert!(left.to("user editor").contains("还差内容"), "{:?}", left.said());
        assert!(
            d.everything("columns:~desk", "2026-11-25T13:00")
                .await
                .said()
                .is_empty()
        );
        let left = d.everything("columns:~desk", "2026-11-27T14:30").await;
        assert!(
            left.to("user editor").contains("剩约 4 个工作小时"),
            "{:?}",
            left.said()
        );
        // Nothing is sent, the editor hears why; the second empty issue in a row suggests less.
        let left = d.everything("columns:news", "2026-11-30T09:30").await;
        assert!(
            !left.said().iter().any(|(to, _)| to.starts_with("chat")),
            "{:?}",
            left.said()
        );
        let left = d.everything("columns:news", "2026-12-07T09:30").await;
        let all = left.to("user editor");
        assert!(all.contains("改为隔周"), "{all}");
    }
}

#[tokio::test]
async fn prepared_content_is_what_is_sent_and_an_edit_makes_a_new_version() {
    for t in testing::all().await.unwrap() {
        let mut d = Desk::open(&t.store).await;
        let write = |what: &str| {
            [
                ("column", text("每周资讯")),
                ("date", ArgValue::Date("2026-11-30".parse().unwrap())),
                ("text", text(what)),
            ]
        };
        assert!(
            d.edit("columns.content", &write("高铁不再预审;住宿标准上调"))
                .await
                .contains("第 1 稿")
        );
        assert!(
            d.edit("columns.content", &write("高铁不再预审;发票 15 天"))
                .await
                .contains("第 2 稿")
        );
        let mut wrong = write("甲;乙");
        wrong[1].1 = ArgValue::Date("2026-12-01".parse().unwrap());
        assert!(d.edit("columns.content", &wrong).await.contains("那天没有这个栏目"));
        let left = d.everything("columns:news", "2026-11-30T09:30").await;
        let shown = left.to("chat oc_1");
        assert!(shown.contains("发票 15 天") && !shown.contains("住宿"), "{shown}");
        assert!(shown.contains("[有用] [想看更多] [投稿]"), "{shown}");
    }
}

#[tokio::test]
async fn a_holiday_moves_an_issue_and_the_card_says_why() {
    for t in testing::all().await.unwrap() {
        let mut d = Desk::open(&t.store).await;
        d.rule = ColumnsRule::new(
            vec![
                column(),
                Column {
                    id: "share".into(),
                    title: "分享".into(),
                    ..column()
                },
            ],
            calendar(),
        )
        .unwrap()
        .with_work(Arc::new(crate::calendar::WorkCalendar::plain(
            chrono_tz::Asia::Shanghai,
            WorkdayTable::china().unwrap(),
        )));
        d.w.now = at("2026-09-29T10:00");
        d.fill(1, 4).await;
        // National Day: Monday 5 October is a day off, the issue appears on Thursday the 8th.
        assert!(d.everything("columns:news", "2026-10-05T09:30").await.said().is_empty());
        let left = d.everything("columns:news", "2026-10-08T09:30").await;
        let shown = left.to("chat oc_1");
        assert!(shown.contains("原定 10-05 ,因国庆节改到今天"), "{shown}");
        let mut tx = t.store.begin().await.unwrap();
        let issue = crate::issues::at_slot(&mut tx, "news", "2026-10-05T09:30")
            .await
            .unwrap()
            .unwrap();
        assert_eq!(issue.state, crate::issues::State::Sent);
        // The other column has the same shifted minute: half an hour later.
        tx.rollback().await.unwrap();
        let write = [("column", text("分享")), ("text", text("一条经验;两条经验"))];
        d.w.now = at("2026-10-07T10:00");
        d.edit("columns.content", &write).await;
        assert!(
            d.everything("columns:share", "2026-10-08T09:30")
                .await
                .said()
                .is_empty()
        );
        let mut tx = t.store.begin().await.unwrap();
        let waiting = store::spaced(&mut tx).await.unwrap();
        tx.rollback().await.unwrap();
        assert_eq!(waiting.len(), 1);
        let wake = format!("columns:!{}", waiting[0].id);
        let left = d.everything(&wake, "2026-10-08T10:00").await;
        assert!(left.to("chat oc_1").contains("一条经验"), "{:?}", left.said());
        assert!(d.everything(&wake, "2026-10-09T10:00").await.said().is_empty());
    }
}

#[tokio::test]
async fn each_office_has_an_issue_at_its_own_time_and_each_group_once() {
    for t in testing::all().await.unwrap() {
        let mut d = Desk::open(&t.store).await;
        let mut work = crate::calendar::WorkCalendar::plain(chrono_tz::Asia::Shanghai, WorkdayTable::china().unwrap());
        work.offices.push(crate::calendar::Office {
            id: "ber".into(),
            zone: chrono_tz::Europe::Berlin,
            groups: vec!["fs:oc_2".into()],
            departments: vec![],
            weekends_only: true,
            days_off: vec![],
        });
        d.rule = ColumnsRule::new(vec![column()], calendar())
            .unwrap()
            .with_work(Arc::new(work));
        let ids: Vec<String> = d.rule.schedules().into_iter().map(|s| s.id).collect();
        assert_eq!(ids, ["columns:news", "columns:news@Europe/Berlin", "columns:~desk"]);
        d.fill(1, 3).await;
        let left = d.everything("columns:news", "2026-11-30T09:30").await;
        let places: Vec<String> = left.said().into_iter().map(|(to, _)| to).collect();
        assert_eq!(places, ["chat oc_1"]);
        d.w.now = at("2026-11-30T16:30");
        let body = Body::Tick {
            schedule: "columns:news@Europe/Berlin".into(),
            slot: at("2026-11-30T16:30"),
            local: "2026-11-30T09:30".into(),
        };
        for (name, expected) in [("berlin", vec!["chat oc_2"]), ("again", vec![])] {
            let left = d.w.event(&d.rule, name, body.clone()).await.unwrap();
            let places: Vec<String> = left.said().into_iter().map(|(to, _)| to).collect();
            assert_eq!(places, expected);
        }
    }
}
