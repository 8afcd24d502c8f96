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
    let done = match done.buttons().first() {
        Some(yes) => kit.press("fs", "boss2", yes).await,
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
