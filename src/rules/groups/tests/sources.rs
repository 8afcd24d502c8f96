//! Segments, contractors, overflow groups, and several rules that feed one group.

use super::super::config::link;
use super::*;
use crate::rules::segments::config::Segment;

fn mcu() -> Segment {
    Segment {
        id: "mcu".into(),
        title: "单片机".into(),
        condition: crate::segment::parse("tag 'mcu'").unwrap(),
    }
}

fn of_segment(id: &str, into: Option<&str>) -> GroupRule {
    GroupRule {
        id: id.into(),
        name: "{segment}·交流群".into(),
        depth: 0,
        into: into.map(str::to_owned),
        source: Source {
            rule: id.into(),
            department: None,
            segment: Some(mcu()),
            ..rule().source
        },
        ..rule()
    }
}

async fn tagged(kit: &Kit, id: &str, on: bool) {
    let person = kit.person("fs", id).await;
    let mut tx = kit.test.store.begin().await.unwrap();
    crate::directory::facts::set_tag(&mut tx, &person.id, "mcu", on, &person.id, Timestamp(1))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn contractor(kit: &Kit, id: &str) {
    let person = kit.person("fs", id).await;
    kit.test
        .store
        .query("UPDATE person SET contractor = TRUE WHERE id = $1")
        .bind(person.id.as_str())
        .execute()
        .await
        .unwrap();
}

/// Carries the plan of a rule out, by the operator of everything where the rule is of no department.
async fn applied(kit: &Kit, rule: &str) -> Vec<Action> {
    let text = say(kit, "boss", &format!("/建群 预览 {rule}")).await.said().join("\n");
    let code = after(&text, "计划=");
    let done = say(kit, "boss", &format!("/建群 执行 {rule} {code}")).await;
    let done = match consent(&done) {
        Some(yes) => kit.press("fs", "boss2", &yes).await,
        None => done,
    };
    assert!(done.result.is_ok(), "{:?}", done.said());
    platform(kit, done, &[]).await
}

const MCU: &str = "单片机·交流群";

#[tokio::test]
async fn a_group_of_a_segment_follows_it_without_contractors() {
    for test in all().await.unwrap() {
        let mut segment = of_segment("mcu", None);
        segment.source.include_contractors = false;
        let kit = world_of(test, vec![segment], feishu()).await;
        // Nobody yet: refused.
        let none = say(&kit, "boss", "/建群 预览 mcu").await;
        assert!(none.said()[0].contains("一个人也没匹配到"), "{:?}", none.said());
        for id in ["u1", "u2", "m1"] {
            tagged(&kit, id, true).await;
        }
        contractor(&kit, "u2").await;
        // An operator of one department has no say in a rule of the company.
        let foreign = say(&kit, "op", "/建群 预览 mcu").await;
        assert!(foreign.said()[0].contains("不在你的负责范围"), "{:?}", foreign.said());
        let actions = applied(&kit, "mcu").await;
        let welcome = actions
            .iter()
            .find(|a| matches!(a, Action::Send { .. }) && a.summary().contains("欢迎来到"));
        assert!(welcome.unwrap().summary().contains("「单片机」"), "{actions:?}");
        let inside = members(&kit, MCU).await;
        assert!(
            inside.contains(&"员工1".to_owned()) && inside.contains(&"市场赵".to_owned()),
            "{inside:?}"
        );
        assert!(!inside.contains(&"员工2".to_owned()), "a contractor: {inside:?}");
        tagged(&kit, "m1", false).await;
        applied(&kit, "mcu").await;
        assert!(!members(&kit, MCU).await.contains(&"市场赵".to_owned()));
    }
}

#[tokio::test]
async fn the_last_claim_takes_a_person_out_and_not_the_first() {
    for test in all().await.unwrap() {
        let mut rules = vec![
            GroupRule {
                depth: 0,
                name: "研发大群".into(),
                ..rule()
            },
            of_segment("mcu", Some("dept-rd")),
        ];
        link(&mut rules, &[mcu()]);
        assert_eq!(rules[0].feeders.len(), 1);
        let kit = world_of(test, rules, feishu()).await;
        tagged(&kit, "u1", true).await;
        tagged(&kit, "m1", true).await;
        let feeds = say(&kit, "boss", "/建群 预览 mcu").await;
        assert!(feeds.said()[0].contains("都进规则 dept-rd 的群"), "{:?}", feeds.said());
        applied(&kit, "dept-rd").await;
        let group = "研发大群";
        assert!(
            members(&kit, group).await.contains(&"市场赵".to_owned()),
            "of the segment only"
        );
        // Out of the department, still in the segment; and the other way round.
        kit.directory(Platform::Feishu, &[], &[record("u1", "员工1", &["mk"])])
            .await;
        tagged(&kit, "u2", true).await;
        tagged(&kit, "u2", false).await;
        let text = say(&kit, "boss", "/建群 预览 dept-rd").await.said().join("\n");
        assert!(text.contains("没有要改动的"), "{text}");
        // The last one goes.
        tagged(&kit, "u1", false).await;
        applied(&kit, "dept-rd").await;
        assert!(!members(&kit, group).await.contains(&"员工1".to_owned()));
        assert!(members(&kit, group).await.contains(&"员工2".to_owned()));
    }
}

#[tokio::test]
async fn a_full_group_opens_a_second_one_and_moves_nobody() {
    for test in all().await.unwrap() {
        let one = GroupRule {
            depth: 0,
            name: "研发大群".into(),
            split_over: 4,
            auto: true,
            ..rule()
        };
        let kit = world_of(test, vec![one], feishu()).await;
        let text = say(&kit, "boss", "/建群 预览 dept-rd").await.said().join("\n");
        assert!(text.contains("新建 2 个群") && text.contains("研发大群·二群"), "{text}");
        applied(&kit, "dept-rd").await;
        let (first, second) = (members(&kit, "研发大群").await, members(&kit, "研发大群·二群").await);
        assert!(first.len() >= 4 && second.len() >= 2, "{first:?} {second:?}");
        // A newcomer finds the group with room.
        let new = Body::Person {
            user: user("n1"),
            record: Some(Box::new(record("n1", "新人", &["emb"]))),
            left: false,
        };
        let done = kit.event("fs", new).await;
        assert!(done.said().join("").contains("研发大群·二群"), "{:?}", done.said());
        platform(&kit, done, &[]).await;
        assert_eq!(members(&kit, "研发大群").await, first);
        let text = say(&kit, "boss", "/建群 预览 dept-rd").await.said().join("\n");
        assert!(text.contains("没有要改动的"), "{text}");
        // Both are groups of the department: its operator may look at them.
        let shown = say(&kit, "op", "/群 规则 查看 dept-rd").await.said().join("\n");
        assert!(shown.contains("研发大群·二群:正常"), "{shown}");
    }
}

#[tokio::test]
async fn a_name_of_another_rule_is_not_taken_and_a_wrong_segment_is_told_in_chinese() {
    for test in all().await.unwrap() {
        let twin = GroupRule {
            id: "twin".into(),
            depth: 0,
            name: "嵌入式组·技术交流".into(),
            ..rule()
        };
        let mut broken = of_segment("broken", None);
        broken.name = "坏的".into();
        broken.source.segment = Some(Segment {
            condition: crate::segment::parse("tag 'mcu' or dept under '火星部'").unwrap(),
            ..mcu()
        });
        let kit = world_of(test, vec![rule(), twin, broken], feishu()).await;
        applied(&kit, "dept-rd").await;
        let text = say(&kit, "boss", "/建群 预览 twin").await.said().join("\n");
        assert!(
            text.contains("1 个群名已被别的规则用了") && !text.contains("计划="),
            "{text}"
        );
        let text = say(&kit, "boss", "/建群 预览 broken").await.said().join("\n");
        assert!(
            text.contains("第 25 个字有问题:通讯录里没有部门「火星部」") && !text.contains("there is"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_plan_says_how_long_it_takes_and_rules_share_the_limit() {
    for test in all().await.unwrap() {
        let mut fs = feishu();
        let limit = hutong_model::LimitRule::calls("create_chat", hutong_model::LimitScope::Company, 1_000, 86_400_000);
        fs.caps.rates.push(limit);
        let other = GroupRule {
            id: "other".into(),
            name: "{dept}·另一群".into(),
            ..rule()
        };
        let kit = world_of(test, vec![rule(), other], fs).await;
        // Two groups: 2 * 86.4 s / 0.8.
        let text = say(&kit, "boss", "/建群 预览 dept-rd").await.said().join("\n");
        assert!(text.contains("约要 4 分钟"), "{text}");
        applied(&kit, "dept-rd").await;
        // In the database: a restart does not forget it, and the other rule stands behind.
        let clock = kit.clock;
        let mut kit = Kit::new(kit.test, kit.env, kit.rules);
        kit.clock = clock;
        let text = say(&kit, "boss", "/建群 预览 other").await.said().join("\n");
        assert!(text.contains("约要 8 分钟"), "{text}");
        kit.clock.advance(Duration::from_secs(600));
        let text = say(&kit, "boss", "/建群 预览 other").await.said().join("\n");
        assert!(text.contains("约要 4 分钟"), "{text}");
    }
}

fn tick() -> Body {
    Body::Tick {
        schedule: "groups:reconcile".into(),
        slot: Timestamp(1),
        local: "2026-11-24T10:00".into(),
    }
}

fn comes(id: &str, name: &str) -> Body {
    Body::Person {
        user: user(id),
        record: Some(Box::new(record(id, name, &["emb"]))),
        left: false,
    }
}

/// The names of the groups that were asked for.
fn asked_for(done: &Done) -> Vec<String> {
    let name = |a: Action| match a {
        Action::CreateChat { name, .. } => Some(name),
        _ => None,
    };
    done.actions().into_iter().filter_map(name).collect()
}

/// One group of six people, which is full; the seventh has to open another one.
fn small(auto: bool) -> GroupRule {
    GroupRule {
        depth: 0,
        name: "研发大群".into(),
        split_over: 6,
        auto,
        ..rule()
    }
}

#[tokio::test]
async fn a_newcomer_who_finds_no_room_opens_the_next_group() {
    for test in all().await.unwrap() {
        let kit = world_of(test, vec![small(true)], feishu()).await;
        applied(&kit, "dept-rd").await;
        let first = members(&kit, "研发大群").await;
        let done = kit.event("fs", comes("n1", "新人甲")).await;
        assert_eq!(asked_for(&done), ["研发大群·二群"]);
        assert!(
            done.said().join("").contains("我把你加入了:研发大群·二群"),
            "{:?}",
            done.said()
        );
        // Another one comes while it is being made: no third group.
        let meanwhile = kit.event("fs", comes("n2", "新人乙")).await;
        assert_eq!(asked_for(&meanwhile), Vec::<String>::new());
        platform(&kit, done, &[]).await;
        platform(&kit, meanwhile, &[]).await;
        let late = kit.event("fs", tick()).await;
        assert_eq!(asked_for(&late), Vec::<String>::new());
        platform(&kit, late, &[]).await;
        let second = members(&kit, "研发大群·二群").await;
        assert!(
            ["新人甲", "新人乙"].iter().all(|n| second.contains(&(*n).to_owned())),
            "{second:?}"
        );
        assert_eq!(members(&kit, "研发大群").await, first);
        let text = say(&kit, "boss", "/建群 预览 dept-rd").await.said().join("\n");
        assert!(text.contains("没有要改动的"), "{text}");
        let kept = kit
            .test
            .store
            .query("SELECT COUNT(*) AS n FROM group_change WHERE reason = '原群已满,开新群' AND actor = 'system'")
            .one()
            .await
            .unwrap();
        assert_eq!(
            kept.get::<i64>("n").unwrap(),
            3,
            "the group, its owner and the newcomer"
        );
        let trail = kit
            .test
            .store
            .query("SELECT COUNT(*) AS n FROM audit WHERE action = 'groups.open'")
            .one()
            .await
            .unwrap();
        assert_eq!(trail.get::<i64>("n").unwrap(), 1);
    }
}

#[tokio::test]
async fn the_next_look_opens_a_group_for_those_whom_no_event_told() {
    for test in all().await.unwrap() {
        let kit = world_of(test, vec![small(true)], feishu()).await;
        applied(&kit, "dept-rd").await;
        let two = [record("n1", "新人甲", &["emb"]), record("n2", "新人乙", &["emb"])];
        kit.directory(Platform::Feishu, &[], &two).await;
        let done = kit.event("fs", tick()).await;
        assert_eq!(asked_for(&done), ["研发大群·二群"]);
        // The platform refuses it: it is not tried again until somebody looks.
        let create = done.effects.iter().find(|e| e.tag.is_some()).unwrap();
        let mut no = outcome_of(create, false, Receipt::default());
        if let Body::EffectDone { code, .. } = &mut no {
            *code = Some("232000".into());
        }
        kit.event("fs", no).await;
        assert_eq!(asked_for(&kit.event("fs", tick()).await), Vec::<String>::new());
        let shown = say(&kit, "boss", "/群 规则 查看 dept-rd").await.said().join("\n");
        assert!(
            shown.contains("研发大群·二群:没建成") && shown.contains("232000"),
            "{shown}"
        );
        applied(&kit, "dept-rd").await;
        assert!(members(&kit, "研发大群·二群").await.len() >= 3);
    }
}

#[tokio::test]
async fn no_group_opens_by_itself_without_auto_in_the_first_days_while_paused_or_for_a_crowd() {
    for test in all().await.unwrap() {
        let kit = world_of(test, vec![small(false)], feishu()).await;
        applied(&kit, "dept-rd").await;
        assert_eq!(
            asked_for(&kit.event("fs", comes("n1", "新人甲")).await),
            Vec::<String>::new()
        );
        assert_eq!(asked_for(&kit.event("fs", tick()).await), Vec::<String>::new());
        // Who asks is told what it waits for.
        let asks = say(&kit, "n1", "/加入 群 研发大群").await;
        assert!(
            asks.said()[0].contains("满了") && asks.said()[0].contains("下一次计划"),
            "{:?}",
            asks.said()
        );
    }
    for test in all().await.unwrap() {
        let fresh = GroupRule {
            preview_days: 7,
            ..small(true)
        };
        let kit = world_of(test, vec![fresh], feishu()).await;
        applied(&kit, "dept-rd").await;
        assert_eq!(
            asked_for(&kit.event("fs", comes("n1", "新人甲")).await),
            Vec::<String>::new()
        );
        assert_eq!(asked_for(&kit.event("fs", tick()).await), Vec::<String>::new());
        kit.clock.advance(Duration::from_secs(8 * 86_400));
        say(&kit, "boss", "/群 规则 暂停 dept-rd").await;
        assert_eq!(asked_for(&kit.event("fs", tick()).await), Vec::<String>::new());
        say(&kit, "boss", "/群 规则 恢复 dept-rd").await;
        let crowd: Vec<PersonRecord> = (0..30).map(|i| record(&format!("c{i}"), "众", &["emb"])).collect();
        kit.directory(Platform::Feishu, &[], &crowd).await;
        assert_eq!(
            asked_for(&kit.event("fs", tick()).await),
            Vec::<String>::new(),
            "groups of six"
        );
    }
}

#[tokio::test]
async fn who_asks_to_join_a_full_group_comes_into_the_next_one() {
    for test in all().await.unwrap() {
        let kit = world_of(test, vec![small(true)], feishu()).await;
        applied(&kit, "dept-rd").await;
        // In the department, and the platform has sent no event about it.
        kit.directory(Platform::Feishu, &[], &[record("n1", "新人甲", &["emb"])])
            .await;
        let done = say(&kit, "n1", "/加入 群 研发大群").await;
        assert_eq!(asked_for(&done), ["研发大群·二群"], "{:?}", done.said());
        platform(&kit, done, &[]).await;
        assert!(members(&kit, "研发大群·二群").await.contains(&"新人甲".to_owned()));
    }
}

#[tokio::test]
async fn two_departments_of_one_name_are_told_apart_or_left_alone() {
    for test in all().await.unwrap() {
        let kit = world_of(test, vec![GroupRule { depth: 2, ..rule() }, other()], feishu()).await;
        // Another team with the name of the first one, below another department of the center.
        let twin = [
            department("hw", Some("rd"), "硬件部"),
            department("emb2", Some("hw"), "嵌入式组"),
        ];
        let people = [record("h1", "硬件1", &["emb2"]), record("h2", "硬件2", &["emb2"])];
        kit.directory(Platform::Feishu, &twin, &people).await;
        let text = say(&kit, "boss", "/建群 预览 dept-rd").await.said().join("\n");
        assert!(
            text.contains("1 个群名会重名(部门同名),先不建也不改名:嵌入式组·技术交流。请在规则的 name 里加 {parent}"),
            "{text}"
        );
        assert!(text.contains("新建 2 个群:") && text.lines().count() <= 12, "{text}");
        let names: Vec<String> = asked_for_of(&applied(&kit, "dept-rd").await);
        assert!(!names.contains(&EMB.to_owned()), "{names:?}");
        // With the department above in the name both have their group.
        let names = asked_for_of(&applied(&kit, "other").await);
        for name in ["研发中心/嵌入式组", "硬件部/嵌入式组", "海星/研发中心"] {
            assert!(names.contains(&name.to_owned()), "{names:?}");
        }
    }
}

fn other() -> GroupRule {
    GroupRule {
        id: "other".into(),
        depth: 2,
        name: "{parent}/{dept}".into(),
        ..rule()
    }
}

fn asked_for_of(actions: &[Action]) -> Vec<String> {
    let name = |a: &Action| match a {
        Action::CreateChat { name, .. } => Some(name.clone()),
        _ => None,
    };
    actions.iter().filter_map(name).collect()
}
