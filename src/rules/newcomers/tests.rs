//! Events in, effects out, on both databases.

use hutong_model::{Ability, Action, Clock as _, Platform, Target, Timestamp};

use super::config::{BuddyFrom, Link, Onboard, Place, Words};
use super::*;
use crate::access::{Role, Scope};
use crate::config::{OnHoliday, OnMakeupWorkday};
use crate::rules::service::Service;
use crate::rules::testkit::{Done, FakeAdapter, Kit, START, department, direct, env, group, record, user};
use crate::schedule::WorkdayTable;
use crate::store::testing::{TestStore, all};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

pub fn onboard() -> Onboard {
    let clock = |h| chrono::NaiveTime::from_hms_opt(h, 0, 0).unwrap();
    Onboard {
        groups: vec![Place::Chat(
            AppId::new("fs").unwrap(),
            hutong_model::ChatId::new("all").unwrap(),
        )],
        merge_window: 5 * MINUTE,
        mass_import_over: 20,
        checkins: vec![3, 10],
        buddy: BuddyFrom::SameDeptOtherTeam,
        links: vec![Link {
            label: "手册".to_owned(),
            url: "https://wiki.example.com/start".to_owned(),
        }],
        from: clock(9),
        until: clock(20),
        words: Vec::new(),
    }
}

/// A name after `@` in a typed command means this account.
fn mentioned(name: &str) -> String {
    format!("u{}", crate::ids::short_hash(&[name], 8))
}

async fn kit(test: TestStore, config: Onboard) -> Kit {
    let fs = FakeAdapter::new(
        "fs",
        Platform::Feishu,
        [
            Ability::SendToUser,
            Ability::SendToChat,
            Ability::Reply,
            Ability::FirstWord,
        ],
    );
    let calendar = Calendar {
        zone: chrono_tz::Asia::Shanghai,
        workdays: Arc::new(WorkdayTable::china().unwrap()),
        on_holiday: OnHoliday::NextWorkday,
        on_makeup_workday: OnMakeupWorkday::Normal,
        today: "2026-11-24".parse().unwrap(),
    };
    let rule = Arc::new(Newcomers::new(config, &calendar));
    let rules = Service::in_front_of(vec![rule]).unwrap().rules;
    let kit = Kit::new(test, env(vec![Arc::new(fs)]), rules);
    // They have been here for long.
    kit.clock.set(START - 100 * 24 * HOUR);
    kit.directory(
        Platform::Feishu,
        &[
            department("1", None, "公司"),
            department("10", Some("1"), "研发中心"),
            department("11", Some("10"), "嵌入式组"),
            department("12", Some("10"), "硬件组"),
            department("20", Some("1"), "市场部"),
        ],
        &[
            record("ou_op", "陈晨", &["10"]),
            record("ou_a", "吴桐", &["11"]),
            record(&mentioned("林立"), "林立", &["12"]),
            record("ou_c", "赵敏", &["12"]),
            record("ou_m", "何田", &["20"]),
            record("ou_n", "孙悦", &["20"]),
        ],
    )
    .await;
    kit.clock.set(START);
    let (op, narrow) = (kit.person("fs", "ou_op").await, kit.person("fs", "ou_m").await);
    kit.roles(&[
        (&op.id, Role::Operator, Scope::All),
        (&narrow.id, Role::Operator, Scope::parse("dept:市场部").unwrap()),
    ])
    .await;
    kit
}

async fn hire(kit: &Kit, id: &str, name: &str, dept: &str) {
    let body = Body::Person {
        user: user(id),
        record: Some(Box::new(record(id, name, &[dept]))),
        left: false,
    };
    let done = kit.event("fs", body).await;
    assert!(done.said().is_empty(), "nothing is said at once: {:?}", done.said());
}

async fn quit(kit: &Kit, id: &str) {
    let body = Body::Person {
        user: user(id),
        record: None,
        left: true,
    };
    kit.event("fs", body).await;
}

async fn tick(kit: &Kit) -> Done {
    let local = crate::rules::local(kit.env.zone, kit.clock.now());
    let body = Body::Tick {
        schedule: "newcomers:~round".to_owned(),
        slot: kit.clock.now(),
        local: local.format("%Y-%m-%dT%H:%M").to_string(),
    };
    kit.event("fs", body).await
}

async fn tick_at(kit: &Kit, at: &str) -> Done {
    let at = format!("{at}+08:00").parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    kit.clock.set(Timestamp(at.timestamp_millis()));
    tick(kit).await
}

/// What a chat or a person got.
fn to(done: &Done, who: &str) -> Vec<String> {
    let mut list = done.actions();
    list.retain(|a| matches!(a, Action::Send { to, .. } if matches!(to, Target::User(_) | Target::Chat(_)) && to.as_str() == who));
    list.iter().map(Action::summary).collect()
}

async fn says(kit: &Kit, who: &str, text: &str) -> String {
    kit.command("fs", who, &direct(who), text).await.said().join("\n")
}

#[tokio::test]
async fn who_comes_within_minutes_is_one_welcome_without_names() {
    for test in all().await.unwrap() {
        let kit = kit(test, onboard()).await;
        tick(&kit).await;
        for (id, name) in [("ou_1", "周一"), ("ou_2", "周二"), ("ou_3", "周三")] {
            hire(&kit, id, name, "11").await;
            kit.clock.advance(MINUTE);
        }
        assert!(tick(&kit).await.said().is_empty(), "found, and not yet welcomed");
        kit.clock.advance(5 * MINUTE);
        let done = tick(&kit).await;
        let all = to(&done, "all");
        assert!(all.len() == 1 && all[0].contains("欢迎 3 位新同事"), "{all:?}");
        assert!(!all[0].contains('周'), "nobody is put on a stage: {all:?}");
        let mut buddies = Vec::new();
        for id in ["ou_1", "ou_2", "ou_3"] {
            let card = to(&done, id);
            assert_eq!(card.len(), 1, "{card:?}");
            for part in [
                "欢迎加入海星科技",
                "手册 https://wiki",
                "[我先看看] [打个招呼]",
                "搭子是",
            ] {
                assert!(card[0].contains(part), "{part}: {}", card[0]);
            }
            let buddy = ["林立", "赵敏", "陈晨", "吴桐"]
                .into_iter()
                .find(|b| card[0].contains(b));
            buddies.push(buddy.unwrap());
        }
        buddies.sort_unstable();
        buddies.dedup();
        assert_eq!(buddies.len(), 3, "the work is shared");
        assert!(!buddies.contains(&"吴桐"), "from another team: {buddies:?}");
        assert_eq!(to(&done, "ou_c").len(), 1, "a buddy is told: {:?}", done.said());
        kit.clock.advance(5 * MINUTE);
        assert!(tick(&kit).await.said().is_empty(), "once");
        // A change of an account is no arrival.
        hire(&kit, "ou_1", "周一", "12").await;
        hire(&kit, "ou_a", "吴桐", "12").await;
        kit.clock.advance(HOUR);
        assert!(tick(&kit).await.said().is_empty() && tick(&kit).await.said().is_empty());
    }
}

#[tokio::test]
async fn a_mass_import_is_no_news_for_groups() {
    for test in all().await.unwrap() {
        let kit = kit(test, onboard()).await;
        for n in 0..21 {
            hire(&kit, &format!("ou_x{n}"), &format!("新{n}"), "20").await;
        }
        tick(&kit).await;
        kit.clock.advance(5 * MINUTE);
        let done = tick(&kit).await;
        assert!(to(&done, "all").is_empty());
        assert_eq!(done.said().iter().filter(|s| s.contains("欢迎你来")).count(), 21);
        // One who comes a little later came with them; one of the afternoon did not.
        hire(&kit, "ou_late", "后来", "20").await;
        tick(&kit).await;
        kit.clock.advance(6 * MINUTE);
        let done = tick(&kit).await;
        assert!(to(&done, "all").is_empty() && to(&done, "ou_late").len() == 1);
        kit.clock.advance(3 * HOUR);
        hire(&kit, "ou_noon", "下午", "20").await;
        tick(&kit).await;
        kit.clock.advance(6 * MINUTE);
        assert_eq!(to(&tick(&kit).await, "all").len(), 1);
    }
}

#[tokio::test]
async fn a_night_and_a_weekend_wait_for_the_next_working_morning() {
    for test in all().await.unwrap() {
        let kit = kit(test, onboard()).await;
        tick_at(&kit, "2026-11-27T21:00:00").await;
        hire(&kit, "ou_1", "周一", "11").await;
        for quiet in ["2026-11-27T22:00:00", "2026-11-28T10:00:00", "2026-11-30T08:55:00"] {
            assert!(tick_at(&kit, quiet).await.said().is_empty(), "{quiet}");
        }
        let done = tick_at(&kit, "2026-11-30T09:00:00").await;
        assert_eq!((to(&done, "ou_1").len(), to(&done, "all").len()), (1, 1));
        // The first day was the Friday.
        assert!(to(&tick_at(&kit, "2026-12-01T09:00:00").await, "ou_1").is_empty());
        assert_eq!(to(&tick_at(&kit, "2026-12-02T09:00:00").await, "ou_1").len(), 1);
    }
}

#[tokio::test]
async fn two_check_ins_and_then_silence() {
    for test in all().await.unwrap() {
        let kit = kit(test, onboard()).await;
        hire(&kit, "ou_1", "周一", "11").await;
        tick(&kit).await;
        kit.clock.advance(5 * MINUTE);
        tick(&kit).await;
        assert!(to(&tick_at(&kit, "2026-11-26T10:00:00").await, "ou_1").is_empty());
        let done = tick_at(&kit, "2026-11-27T09:00:00").await;
        let card = to(&done, "ou_1");
        assert!(
            card[0].contains("第 3 个工作日") && card[0].contains("[一切顺利] [想找人聊聊]"),
            "{card:?}"
        );
        let pressed = kit.press("fs", "ou_1", &done.buttons()[1]).await;
        assert!(
            pressed.said().iter().any(|s| s.contains("已告诉你的搭子")),
            "{:?}",
            pressed.said()
        );
        assert!(
            pressed.said().iter().any(|s| s.contains("周一 想找人聊聊")),
            "{:?}",
            pressed.said()
        );
        let other = kit.press("fs", "ou_n", &done.buttons()[1]).await;
        assert!(!other.said().join("").contains("搭子"), "{:?}", other.said());
        assert!(to(&tick_at(&kit, "2026-12-07T10:00:00").await, "ou_1").is_empty());
        let last = to(&tick_at(&kit, "2026-12-08T09:00:00").await, "ou_1");
        assert!(last[0].contains("第 10 个工作日"), "{last:?}");
        assert!(tick_at(&kit, "2027-01-08T10:00:00").await.said().is_empty());
    }
}

#[tokio::test]
async fn who_leaves_hears_nothing_more_and_a_buddy_who_leaves_is_replaced() {
    for test in all().await.unwrap() {
        let kit = kit(test, onboard()).await;
        hire(&kit, "ou_1", "周一", "20").await;
        hire(&kit, "ou_2", "周二", "11").await;
        hire(&kit, "ou_3", "周三", "20").await;
        quit(&kit, "ou_3").await;
        tick(&kit).await;
        kit.clock.advance(5 * MINUTE);
        let done = tick(&kit).await;
        assert!(to(&done, "ou_3").is_empty() && to(&done, "all")[0].contains("2 位"));
        // In a department without teams the buddy is from the own one.
        let card = to(&done, "ou_1").remove(0);
        let (first, other, id) = match card.contains("何田") {
            true => ("何田", "孙悦", "ou_m"),
            false => ("孙悦", "何田", "ou_n"),
        };
        assert!(card.contains(first), "{card}");
        quit(&kit, id).await;
        kit.clock.advance(5 * MINUTE);
        let done = tick(&kit).await;
        assert!(
            to(&done, "ou_1")[0].contains(&format!("换成了 {other}")),
            "{:?}",
            done.said()
        );
        quit(&kit, "ou_2").await;
        let done = tick_at(&kit, "2026-11-27T09:00:00").await;
        assert!(to(&done, "ou_2").is_empty() && to(&done, "ou_1").len() == 1);
        // Back after two months: known here, and no newcomer.
        kit.clock.advance(60 * 24 * HOUR);
        hire(&kit, "ou_2", "周二", "11").await;
        kit.clock.advance(HOUR);
        tick(&kit).await;
        kit.clock.advance(HOUR);
        assert!(to(&tick(&kit).await, "ou_2").is_empty());
        // Back after four months: new again.
        quit(&kit, "ou_2").await;
        let stamp = "2027-05-31T10:00:00";
        tick_at(&kit, stamp).await;
        hire(&kit, "ou_2", "周二", "11").await;
        tick_at(&kit, "2027-05-31T11:00:00").await;
        assert_eq!(to(&tick_at(&kit, "2027-05-31T11:10:00").await, "ou_2").len(), 1);
    }
}

#[tokio::test]
async fn the_first_day_decides_where_it_is_known() {
    for test in all().await.unwrap() {
        let kit = kit(test, onboard()).await;
        let mut tx = kit.test.store.begin().await.unwrap();
        for (name, day) in [("赵敏", "2026-11-23"), ("孙悦", "2026-11-10"), ("吴桐", "2026-11-30")] {
            let sql = "UPDATE person SET joined_on = $1 WHERE name = $2";
            tx.query(sql).bind(day).bind(name).execute().await.unwrap();
        }
        tx.commit().await.unwrap();
        tick(&kit).await;
        kit.clock.advance(5 * MINUTE);
        let done = tick(&kit).await;
        let got = |done: &Done, id: &str| to(done, id).iter().filter(|s| s.contains("欢迎你来")).count();
        assert_eq!((got(&done, "ou_c"), got(&done, "ou_n"), got(&done, "ou_a")), (1, 0, 0));
        assert!(to(&done, "all")[0].contains("1 位"));
        let done = tick_at(&kit, "2026-11-30T09:00:00").await;
        assert_eq!(got(&done, "ou_a"), 1, "on the first day: {:?}", done.said());
        // Nobody on probation looks after others.
        let rows = kit.test.store.query("SELECT buddy FROM newcomer").all().await.unwrap();
        let names = [kit.person("fs", "ou_c").await.id, kit.person("fs", "ou_n").await.id];
        for row in rows {
            let buddy: Option<String> = row.get("buddy").unwrap();
            assert!(!names.iter().any(|n| Some(n.as_str()) == buddy.as_deref()));
        }
    }
}

#[tokio::test]
async fn a_name_is_said_when_its_owner_asks_for_it() {
    for test in all().await.unwrap() {
        let kit = kit(test, onboard()).await;
        hire(&kit, "ou_1", "周一", "11").await;
        hire(&kit, "ou_2", "周二", "12").await;
        tick(&kit).await;
        kit.clock.advance(5 * MINUTE);
        let done = tick(&kit).await;
        let buttons = done.buttons();
        assert_eq!(buttons.len(), 4);
        let look = kit.press("fs", "ou_1", &buttons[0]).await;
        assert!(look.said()[0].contains("慢慢看"));
        let hello = kit.press("fs", "ou_1", &buttons[1]).await;
        assert!(
            hello.said().iter().any(|s| s.contains("稍后替你在群里问好")),
            "{:?}",
            hello.said()
        );
        let again = kit.press("fs", "ou_1", &buttons[1]).await;
        assert_eq!(again.said(), ["已经替你打过招呼了。"]);
        assert!(to(&tick(&kit).await, "all").is_empty());
        kit.press("fs", "ou_2", &buttons[3]).await;
        kit.clock.advance(5 * MINUTE);
        let line = to(&tick(&kit).await, "all");
        assert_eq!(line.len(), 1);
        assert!(line[0].contains("周一(嵌入式组)、周二(硬件组) 向大家问好"), "{line:?}");
        kit.clock.advance(HOUR);
        assert!(to(&tick(&kit).await, "all").is_empty());
    }
}

#[tokio::test]
async fn operators_see_and_change_what_is_theirs() {
    for test in all().await.unwrap() {
        let kit = kit(test, onboard()).await;
        assert!(says(&kit, "ou_op", "/新人").await.contains("没有新同事"));
        hire(&kit, &mentioned("周一"), "周一", "11").await;
        hire(&kit, "ou_2", "周二", "20").await;
        tick(&kit).await;
        let list = says(&kit, "ou_op", "/新人 名单").await;
        assert!(
            list.contains("新同事 2 位") && list.contains("周一(嵌入式组) · 第 1 天 · 还没有搭子 · 等待欢迎"),
            "{list}"
        );
        let narrow = says(&kit, "ou_m", "/newcomer list").await;
        assert!(narrow.contains("周二") && !narrow.contains("周一"), "{narrow}");
        assert!(
            says(&kit, "ou_m", "/新人 搭子 @周一 @林立")
                .await
                .contains("不在新同事名单里")
        );
        assert!(says(&kit, "ou_n", "/新人 名单").await.contains("没有权限"));

        let done = kit
            .command("fs", "ou_op", &direct("ou_op"), "/新人 搭子 @周一 @林立")
            .await;
        assert!(
            done.said().iter().any(|s| s.contains("周一 的搭子是 林立")),
            "{:?}",
            done.said()
        );
        assert_eq!(to(&done, &mentioned("林立")).len(), 1);
        assert!(says(&kit, "ou_op", "/新人 搭子 @周一").await.contains("请 @ 两个人"));
        assert!(
            says(&kit, "ou_op", "/新人 搭子 新人=@周一 搭子=@周一")
                .await
                .contains("自己不能")
        );
        assert!(
            says(&kit, "ou_op", "/newcomer buddy @林立 @周一")
                .await
                .contains("不在新同事名单里")
        );
        kit.clock.advance(5 * MINUTE);
        let done = tick(&kit).await;
        assert!(
            to(&done, &mentioned("周一"))[0].contains("搭子是 林立(硬件组)"),
            "{:?}",
            done.said()
        );
        assert!(to(&done, &mentioned("林立")).is_empty(), "told already");
        let audited = kit
            .test
            .store
            .query("SELECT COUNT(*) AS n FROM audit WHERE action = 'newcomers.buddy'");
        assert_eq!(audited.one().await.unwrap().get::<i64>("n").unwrap(), 1);
    }
}

#[tokio::test]
async fn welcome_texts_are_kept_weighed_and_measured() {
    for test in all().await.unwrap() {
        let mut config = onboard();
        config.words = vec![Words {
            id: "warm".to_owned(),
            text: "{name},{dept}等你很久了".to_owned(),
            weight: 1,
        }];
        let kit = kit(test, config).await;
        let told = says(&kit, "ou_op", "/新人 话术 编辑 warm 别的").await;
        assert!(told.contains("以配置为准"), "{told}");
        assert!(says(&kit, "ou_m", "/新人 话术 编辑 b 别的").await.contains("没有权限"));
        assert!(says(&kit, "ou_op", "/新人 话术 权重 b 3").await.contains("没有「b」"));
        assert!(
            says(&kit, "ou_op", "/新人 话术 编辑 b 你好{name},{{name}} 茶在左边")
                .await
                .contains("已保存「b」")
        );
        assert!(
            says(&kit, "ou_op", "/newcomer words weight b 0")
                .await
                .contains("已停用")
        );
        let list = says(&kit, "ou_op", "/新人 话术").await;
        assert!(
            list.contains("b · 占 0 %") && list.contains("warm(配置) · 占 100 %") && list.contains("不足 5 人"),
            "{list}"
        );

        tick(&kit).await;
        for n in 0..6 {
            hire(&kit, &format!("ou_x{n}"), &format!("新{n}"), "20").await;
        }
        tick(&kit).await;
        kit.clock.advance(5 * MINUTE);
        let done = tick(&kit).await;
        assert!(
            to(&done, "ou_x0")[0].contains("新0,市场部等你很久了"),
            "{:?}",
            done.said()
        );
        // Two speak, one only types a command.
        for (id, text) in [
            ("ou_x0", "大家好"),
            ("ou_x1", "请教一下"),
            ("ou_x1", "再来"),
            ("ou_x2", "/帮助"),
        ] {
            let message = kit.message(id, &group("any"), text);
            kit.event("fs", Body::Message(Box::new(message))).await;
        }
        let list = says(&kit, "ou_op", "/新人 名单").await;
        assert!(list.matches("已在群里开口").count() == 2, "{list}");
        assert!(says(&kit, "ou_op", "/新人 话术").await.contains("还在路上 6 人"));
        kit.clock.advance(15 * 24 * HOUR);
        let list = says(&kit, "ou_op", "/新人 话术").await;
        assert!(list.contains("6 人中 2 人(10–70 %)"), "{list}");
    }
}
