//! What is counted, and what a group is told of it.

use std::sync::Arc;

use chrono::{NaiveTime, Weekday};
use hutong_model::{Ability, Body, CardClick, ChatId, Mention, MessageEvent, MessageId, Platform, Segment, Sender};

use super::*;
use crate::commands::ArgValue;
use crate::config::{OnMakeupWorkday, ScheduleSpec};
use crate::directory::Directory;
use crate::rules::fake::{Left, World, app_id, at, company, group, user};
use crate::schedule::WorkdayTable;
use crate::store::{Store, testing};

fn rule() -> ReportsRule {
    let calendar = Calendar {
        zone: chrono_tz::Asia::Shanghai,
        workdays: Arc::new(WorkdayTable::china().unwrap()),
        on_holiday: OnHoliday::NextWorkday,
        on_makeup_workday: OnMakeupWorkday::Normal,
        today: "2026-01-01".parse().unwrap(),
    };
    let config = config::Report {
        when: ScheduleSpec::Weekly {
            weekday: Weekday::Mon,
            time: NaiveTime::from_hms_opt(10, 0, 0).unwrap(),
        },
        min_cell: 5,
    };
    ReportsRule::new(config, calendar).unwrap()
}

struct Town {
    w: World,
    rule: ReportsRule,
    serial: u32,
}

/// What a message is beside its text.
#[derive(Default)]
struct With<'a> {
    reply_to: Option<&'a str>,
    mention: Option<&'a str>,
    bot: bool,
}

impl Town {
    /// One group on each app with `members` people who have been there for long.
    async fn new(store: &Store, members: usize) -> Self {
        let w = World::new(store, "2026-11-01T10:00");
        for app in ["fs", "wc"] {
            let mut list = Vec::new();
            for n in 0..members {
                list.push(w.person(app, &format!("u{n}"), &format!("人{n}")).await);
            }
            let mut tx = store.begin().await.unwrap();
            let mut directory = Directory::new(&mut tx);
            let chat = ChatId::new("oc_1").unwrap();
            directory
                .upsert_chat(
                    &app_id(app),
                    &chat,
                    ChatKind::Group,
                    Some("研发中心·技术交流"),
                    false,
                    w.now,
                )
                .await
                .unwrap();
            for p in &list {
                directory.joined(&app_id(app), &chat, &p.id, w.now).await.unwrap();
            }
            tx.commit().await.unwrap();
        }
        Self {
            w,
            rule: rule(),
            serial: 0,
        }
    }

    async fn post(&mut self, app: &str, by: &str, text: &str, with: With<'_>) -> String {
        self.serial += 1;
        let id = format!("m{}", self.serial);
        let mut content = vec![Segment::Text(text.to_owned())];
        if let Some(name) = with.mention {
            content.push(Segment::Mention(Mention {
                user: Some(user(name)),
                name: None,
                bot: false,
            }));
        }
        let body = Body::Message(Box::new(MessageEvent {
            message: MessageId::new(id.as_str()).unwrap(),
            chat: group("oc_1"),
            sender: Sender {
                user: Some(user(by)),
                name: None,
                kind: if with.bot { SenderKind::Bot } else { SenderKind::Person },
            },
            content,
            attachments: vec![],
            reply_to: with.reply_to.map(|m| MessageId::new(m).unwrap()),
            thread: None,
            addressed: app == "wc",
            mentions_all: false,
            reply_context: None,
        }));
        self.w.event_of(app, &self.rule, &id, body).await.unwrap();
        id
    }

    async fn tick(&mut self, minute: &str) -> Left {
        self.w.now = at(minute);
        let body = Body::Tick {
            schedule: WEEKLY.into(),
            slot: at(minute),
            local: minute.into(),
        };
        self.w.event(&self.rule, &format!("tick {minute}"), body).await.unwrap()
    }

    async fn sums(&self, app: &str) -> store::Sums {
        let mut tx = self.w.store.begin().await.unwrap();
        let chat = ChatId::new("oc_1").unwrap();
        store::sums(&mut tx, &app_id(app), &chat, "2026-11-16", "2026-11-22")
            .await
            .unwrap()
    }

    async fn ask(&mut self, message: Option<&str>, args: &[(&'static str, ArgValue)]) -> String {
        let by = self.w.person("fs", "u1", "人1").await;
        let left = self
            .w
            .command(&self.rule, "reports.week", &by, message, args)
            .await
            .unwrap();
        left.said().into_iter().map(|(_, t)| t).collect()
    }
}

#[tokio::test]
async fn events_become_counts_and_recalls_correct_them() {
    for t in testing::all().await.unwrap() {
        let mut town = Town::new(&t.store, 3).await;
        town.w.now = at("2026-11-17T10:00");
        let q = town.post("fs", "u0", "这个驱动怎么编译?", With::default()).await;
        town.w.now = at("2026-11-17T10:20");
        let own = With {
            reply_to: Some(&q),
            ..With::default()
        };
        town.post("fs", "u0", "补充一下日志", own).await;
        let answer = With {
            reply_to: Some(&q),
            ..With::default()
        };
        let a = town.post("fs", "u1", "先装工具链", answer).await;
        let noise = With {
            bot: true,
            ..With::default()
        };
        town.post("fs", "u2", "机器人通知吗?", noise).await;
        for added in [true, true, false] {
            let body = Body::Reaction {
                message: MessageId::new(a.as_str()).unwrap(),
                chat: None,
                user: user("u2"),
                emoji: "OK".into(),
                added,
            };
            town.serial += 1;
            let key = format!("r{}", town.serial);
            town.w.event(&town.rule, &key, body).await.unwrap();
        }
        let click = Body::Click(Box::new(CardClick {
            user: user("u1"),
            chat: Some(group("oc_1")),
            card: None,
            action: "x".into(),
            values: Default::default(),
            reply_context: None,
        }));
        town.w.event(&town.rule, "click", click).await.unwrap();
        let sums = town.sums("fs").await;
        let expected = store::Sums {
            people: 3,
            messages: 3,
            replies: 2,
            reactions: 1,
            clicks: 1,
            commands: 0,
        };
        assert_eq!(sums, expected, "{}", t.name);
        // The answer is taken back: the question waits again; then the question goes too.
        let questions = async |town: &Town| {
            let mut tx = town.w.store.begin().await.unwrap();
            let chat = ChatId::new("oc_1").unwrap();
            store::questions(&mut tx, &app_id("fs"), &chat, "2026-11-16", "2026-11-22")
                .await
                .unwrap()
        };
        assert_eq!(
            questions(&town).await,
            [(at("2026-11-17T10:00"), Some(at("2026-11-17T10:20")))]
        );
        for (n, message) in [&a, &a, &q].into_iter().enumerate() {
            let body = Body::Recall {
                message: MessageId::new(message.as_str()).unwrap(),
                chat: None,
                by: None,
            };
            town.w.event(&town.rule, &format!("recall{n}"), body).await.unwrap();
            let left = questions(&town).await;
            assert_eq!(left.len(), usize::from(n < 2));
            assert!(left.iter().all(|q| q.1.is_none()));
        }
        let sums = town.sums("fs").await;
        assert_eq!((sums.messages, sums.replies), (1, 1));
        // A mention soon after is an answer as well.
        town.post("fs", "u0", "周五开会吗", With::default()).await;
        let to = With {
            mention: Some("u0"),
            ..With::default()
        };
        town.post("fs", "u2", "开的", to).await;
        assert!(questions(&town).await[0].1.is_some());
    }
}

#[tokio::test]
async fn a_message_costs_two_statements_at_most() {
    let t = testing::sqlite().await.unwrap();
    let town = Town::new(&t.store, 1).await;
    for (app, expected) in [("fs", 2), ("wc", 1)] {
        let app = app_id(app);
        let mut ctx = town.w.ctx(
            t.store.begin().await.unwrap(),
            hutong_model::EventId::derive(&app, "m"),
            &town.rule,
        );
        let event = Event {
            id: ctx.event_id(),
            seq: 1,
            app,
            key: "m".into(),
            lane: "l".into(),
            occurred_at: town.w.now,
            received_at: town.w.now,
            body: Body::Message(Box::new(MessageEvent {
                message: MessageId::new("m").unwrap(),
                chat: group("oc_1"),
                sender: Sender {
                    user: Some(user("u0")),
                    name: None,
                    kind: SenderKind::Person,
                },
                content: vec![Segment::Text("已经修好了".into())],
                attachments: vec![],
                reply_to: None,
                thread: None,
                addressed: false,
                mentions_all: false,
                reply_context: None,
            })),
        };
        assert!(town.rule.wants(&event.head()));
        // Whether a group is external is looked up once in ten minutes, not for every message.
        let chat = group("oc_1").id;
        assert!(!town.rule.is_external(&mut ctx, &event.app, &chat).await.unwrap());
        let before = ctx.tx().writes();
        town.rule.on_event(&mut ctx, &event).await.unwrap();
        assert_eq!(ctx.tx().writes() - before, expected);
    }
}

#[tokio::test]
async fn nothing_is_recorded_in_an_external_group() {
    for t in testing::all().await.unwrap() {
        let mut town = Town::new(&t.store, 2).await;
        let mut tx = t.store.begin().await.unwrap();
        Directory::new(&mut tx)
            .set_external(&app_id("fs"), &group("oc_1").id, true, town.w.now)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        town.post("fs", "u0", "早", With::default()).await;
        let counted = async || -> i64 {
            let sql = "SELECT COUNT(*) AS n FROM activity";
            t.store.query(sql).one().await.unwrap().get("n").unwrap()
        };
        assert_eq!(counted().await, 0);
    }
}

#[tokio::test]
async fn the_weekly_card_of_a_group_that_is_seen() {
    for t in testing::all().await.unwrap() {
        let mut town = Town::new(&t.store, 20).await;
        // The week before: six people.
        town.w.now = at("2026-11-10T10:00");
        for n in 0..6 {
            town.post("fs", &format!("u{n}"), "早", With::default()).await;
        }
        town.w.now = at("2026-11-17T10:00");
        for n in 0..9 {
            town.post("fs", &format!("u{n}"), "早上好", With::default()).await;
        }
        // Somebody who is no member counts for no rate.
        town.post("fs", "guest", "路过", With::default()).await;
        let q = town.post("fs", "u0", "这个驱动怎么编译?", With::default()).await;
        town.post("fs", "u3", "求助,有人见过这个报错", With::default()).await;
        town.w.now = at("2026-11-17T11:52");
        let answer = With {
            reply_to: Some(&q),
            ..With::default()
        };
        town.post("fs", "u1", "先装工具链", answer).await;
        let left = town.tick("2026-11-23T10:00").await;
        let card = left.to("chat oc_1");
        let lines: Vec<&str> = card.lines().collect();
        assert_eq!(lines[0], "【研发中心·技术交流 | 第47周(5个工作日)】", "{}", t.name);
        assert_eq!(lines[1], "参与率 9/20 人(45%) ▲15");
        assert_eq!(lines[2], "95% 区间 26–66%");
        assert_eq!(lines[3], "每工作日 2.6 条消息(上周 1.2) · 回复 1 · 表情和点击 0");
        assert!(
            card.contains("提问 2 · 已答 1") && card.contains("首答中位 1小时52分(工作时间)"),
            "{card}"
        );
        assert!(card.contains("1 个问题还没人回答") && card.ends_with("数据来源:全部消息"));
        assert!(lines.len() <= 12 && !card.contains("人0"), "{card}");
        assert!(card.contains("上周: 参与 6, 提问 0"), "the chart's twin: {card}");
        // Once, whatever comes.
        assert!(town.tick("2026-11-23T10:00").await.effects.is_empty());
        assert!(town.tick("2026-11-24T10:00").await.effects.is_empty());
        // A closed week keeps its numbers.
        town.w.now = at("2026-11-18T10:00");
        town.post("fs", "u12", "迟到的一条", With::default()).await;
        town.w.now = at("2026-11-24T15:00");
        assert!(town.ask(Some("c1"), &[]).await.contains("参与率 9/20"));
        assert!(
            town.ask(Some("c2"), &[("week", ArgValue::Integer(47))])
                .await
                .contains("第47周")
        );
        assert!(
            town.ask(Some("c3"), &[("week", ArgValue::Integer(53))])
                .await
                .contains("没有可看的第 53 周")
        );
        assert!(town.ask(None, &[]).await.contains("请在群里"));
        assert!(
            town.ask(Some("c4"), &[("week", ArgValue::Integer(40))])
                .await
                .contains("还没有可以统计")
        );
        // The open week, as it goes.
        town.post("fs", "u1", "新的一周", With::default()).await;
        let open = town.ask(Some("c5"), &[("week", ArgValue::Integer(48))]).await;
        assert!(
            open.contains("第48周(至今,2个工作日)") && open.contains("少于 5 人的数字不公开"),
            "{open}"
        );
    }
}

#[tokio::test]
async fn no_rate_where_not_all_is_seen() {
    let t = testing::sqlite().await.unwrap();
    let mut town = Town::new(&t.store, 20).await;
    // Heard by one app under one id, posted by another under its own.
    let mut env = crate::rules::fake::env();
    Arc::get_mut(&mut env).unwrap().post_to.insert(
        (app_id("wc"), ChatId::new("oc_1").unwrap()),
        (app_id("fs"), ChatId::new("posted").unwrap()),
    );
    Arc::get_mut(&mut env)
        .unwrap()
        .chat_names
        .insert((app_id("wc"), ChatId::new("oc_1").unwrap()), "销售一群".to_owned());
    town.w.env = env;
    town.w.now = at("2026-11-17T10:00");
    for n in 0..7 {
        town.post("wc", &format!("u{n}"), "怎么请假?", With::default()).await;
    }
    // What the platform does not tell, the admin does.
    let mut tx = t.store.begin().await.unwrap();
    tx.query("UPDATE chat SET name = NULL WHERE app = 'wc'")
        .execute()
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let left = town.tick("2026-11-23T10:00").await;
    let card = left.to("chat posted");
    assert!(card.contains("机器人互动 7 人 · 7 次"), "{card}");
    assert!(
        card.contains("【销售一群 | "),
        "the platform tells no name, the admin does: {card}"
    );
    assert!(
        !card.contains("参与率 ") && !card.contains("提问") && card.contains("仅@机器人"),
        "{card}"
    );
    assert_eq!((left.effects.len(), left.effects[0].app.as_str()), (1, "fs"));
}

#[tokio::test]
async fn small_figures_stay_hidden() {
    for (members, active, expected) in [
        (20, 4, "不公开"),
        (20, 17, "不公开"),
        (20, 20, "20/20"),
        (7, 6, "每工作日"),
    ] {
        let t = testing::sqlite().await.unwrap();
        let mut town = Town::new(&t.store, members).await;
        town.w.now = at("2026-11-17T10:00");
        for n in 0..active {
            town.post("fs", &format!("u{n}"), "早", With::default()).await;
        }
        let card = town.tick("2026-11-23T10:00").await.to("chat oc_1");
        assert!(card.contains(expected), "{members} {active}: {card}");
        assert_eq!(card.contains("参与率"), expected == "20/20", "{card}");
    }
}

#[tokio::test]
async fn holidays_move_and_merge() {
    let t = testing::sqlite().await.unwrap();
    let mut town = Town::new(&t.store, 10).await;
    let mut tx = t.store.begin().await.unwrap();
    // These people were here in spring already.
    tx.query("UPDATE chat_member SET joined_at = 0")
        .execute()
        .await
        .unwrap();
    tx.commit().await.unwrap();
    for day in ["2026-02-10T10:00", "2026-02-18T10:00", "2026-02-25T10:00"] {
        town.w.now = at(day);
        for n in 0..10 {
            town.post("fs", &format!("u{n}"), "早", With::default()).await;
        }
    }
    assert!(town.tick("2026-02-16T10:00").await.effects.is_empty());
    assert!(town.tick("2026-02-23T10:00").await.effects.is_empty());
    assert!(
        town.tick("2026-02-24T10:00")
            .await
            .to("chat oc_1")
            .contains("第7周(6个工作日)")
    );
    let card = town.tick("2026-03-02T10:00").await.to("chat oc_1");
    assert!(
        card.contains("第9周(5个工作日)") && card.contains("含之前 1 周"),
        "{card}"
    );
    // Both weeks' twenty messages.
    assert!(card.contains("每工作日 4 条消息(上周 1.6)"), "{card}");
}

#[test]
fn schedule_texts_and_abilities() {
    let rule = rule();
    let schedules = rule.schedules();
    assert_eq!(
        (schedules[0].id.as_str(), schedules[0].rule.as_str()),
        (WEEKLY, "reports")
    );
    assert!(
        crate::text::reports::COMMANDS
            .iter()
            .any(|t| t.id == commands::COMMANDS[0].id)
    );
    let env = crate::rules::fake::env();
    let fs = env.app(&app_id("fs")).unwrap();
    assert!(fs.adapter.capabilities().can(Ability::SeesRecalls) && fs.company == company());
    assert_eq!(fs.adapter.platform(), Platform::Feishu);
}

#[tokio::test]
async fn segments_know_how_active_people_were() {
    use crate::segment::Activity;
    for t in testing::all().await.unwrap() {
        let mut town = Town::new(&t.store, 4).await;
        town.w.now = at("2026-11-20T10:00");
        town.post("fs", "u0", "周五发布", With::default()).await;
        let click = |user_id: &str| {
            Body::Click(Box::new(CardClick {
                user: user(user_id),
                chat: Some(group("oc_1")),
                card: None,
                action: String::new(),
                values: Default::default(),
                reply_context: None,
            }))
        };
        town.w.event_of("fs", &town.rule, "c1", click("u1")).await.unwrap();
        town.post("wc", "u3", "问一下", With::default()).await;
        let night = |minute: &str| Body::Tick {
            schedule: ACTIVITY.into(),
            slot: at(minute),
            local: minute.into(),
        };
        town.w.now = at("2026-11-21T03:50");
        town.w
            .event(&town.rule, "night 1", night("2026-11-21T03:50"))
            .await
            .unwrap();
        let seen = levels(&town).await;
        let env = town.w.env.clone();
        let sees_all = |app: &str| {
            let adapter = &env.app(&app_id(app)).unwrap().adapter;
            adapter.capabilities().sees.contains(&hutong_model::SeeClass::V1)
        };
        let nothing = |app: &str| sees_all(app).then_some(Activity::None);
        let expect = [
            ("fs:u0", Some(Activity::Contributing)),
            ("fs:u1", Some(Activity::Interactive)),
            ("fs:u2", nothing("fs")),
            ("wc:u2", nothing("wc")),
            ("wc:u3", Some(Activity::Contributing)),
        ];
        for (who, level) in expect {
            assert_eq!(seen[who], level, "{who}");
        }
        // 28 days later nothing of it counts any more.
        town.w.now = at("2026-12-18T03:50");
        town.w
            .event(&town.rule, "night 2", night("2026-12-18T03:50"))
            .await
            .unwrap();
        let later = levels(&town).await;
        assert_eq!(later["fs:u0"], nothing("fs"));
        assert_eq!(later["wc:u3"], nothing("wc"));
    }
}

/// The figure of everybody, by app and account.
async fn levels(town: &Town) -> std::collections::BTreeMap<String, Option<crate::segment::Activity>> {
    let mut out = std::collections::BTreeMap::new();
    let mut tx = town.w.store.begin().await.unwrap();
    let all = crate::directory::facts::all(&mut tx, &company()).await.unwrap();
    for app in ["fs", "wc"] {
        let platform = town.w.env.app(&app_id(app)).unwrap().adapter.platform();
        for n in 0..4 {
            let id = format!("u{n}");
            let person = Directory::new(&mut tx)
                .person_of(&company(), platform, &user(&id))
                .await
                .unwrap()
                .unwrap();
            let facts = all.iter().find(|p| p.id == person.id).unwrap();
            out.insert(format!("{app}:{id}"), facts.activity);
        }
    }
    out
}
