//! People who move, and new rules, with the time driven by hand, on both databases.

use super::*;

const DAY: Duration = Duration::from_secs(86_400);

fn graceful() -> GroupRule {
    GroupRule {
        on_transfer: OnTransfer {
            grace_workdays: 7,
            notice: true,
        },
        ..rule()
    }
}

fn tick() -> Body {
    Body::Tick {
        schedule: "groups:reconcile".into(),
        slot: Timestamp(1),
        local: "2026-11-24T10:00".into(),
    }
}

/// The directory says so, and the platform sends its event.
async fn moves(kit: &Kit, id: &str, name: &str, to: &str) -> Done {
    let person = record(id, name, &[to]);
    kit.directory(Platform::Feishu, &[], std::slice::from_ref(&person))
        .await;
    let body = Body::Person {
        user: user(id),
        record: Some(Box::new(person)),
        left: false,
    };
    kit.event("fs", body).await
}

async fn shown(kit: &Kit) -> String {
    say(kit, "op", "/群 规则 查看 dept-rd").await.said().join("\n")
}

#[tokio::test]
async fn who_moves_stays_for_seven_working_days_and_is_told_once() {
    for test in all().await.unwrap() {
        let kit = made(test, graceful()).await;
        let done = moves(&kit, "u1", "员工1", "mk").await;
        assert_eq!(done.effects.len(), 1, "one notice for both groups: {:?}", done.said());
        let told = done.said().join("");
        assert!(
            told.contains(EMB) && told.contains(RD) && told.contains("2026-12-03(7 个工作日)"),
            "{told}"
        );
        assert!(
            shown(&kit).await.contains("调岗宽限 2 人次(留到):员工1(12-03)"),
            "{}",
            shown(&kit).await
        );
        let text = say(&kit, "op", "/建群 预览 dept-rd").await.said().join("\n");
        assert!(
            text.contains("没有要改动的") || text.contains("2 人次还在调岗宽限期"),
            "{text}"
        );
        // Through the last day, with a restart in between: the books are in the database.
        let clock = kit.clock;
        let mut kit = Kit::new(kit.test, kit.env, kit.rules);
        kit.clock = clock;
        kit.clock.advance(9 * DAY);
        assert_eq!(kit.event("fs", tick()).await.effects.len(), 0);
        assert!(members(&kit, EMB).await.contains(&"员工1".to_owned()));
        // Friday the 4th: out of both, by itself, with the reason kept.
        kit.clock.advance(DAY);
        let done = kit.event("fs", tick()).await;
        assert_eq!(
            done.actions().iter().filter(|a| users(a) == ["u1"]).count(),
            2,
            "{}",
            kit.test.name
        );
        platform(&kit, done, &[]).await;
        assert!(!members(&kit, EMB).await.contains(&"员工1".to_owned()));
        assert_eq!(kit.event("fs", tick()).await.effects.len(), 0);
        let row = kit
            .test
            .store
            .query("SELECT COUNT(*) AS n FROM group_change WHERE reason = '调岗宽限到期'")
            .one()
            .await
            .unwrap();
        assert_eq!(row.get::<i64>("n").unwrap(), 2);
    }
}

#[tokio::test]
async fn the_grace_ends_for_who_comes_back_leaves_or_goes_alone() {
    for test in all().await.unwrap() {
        let kit = made(test, graceful()).await;
        moves(&kit, "u1", "员工1", "mk").await;
        let done = moves(&kit, "u1", "员工1", "emb").await;
        assert_eq!(done.effects.len(), 0);
        assert!(!shown(&kit).await.contains("宽限"));
        // Found by a sync only: there and back again.
        kit.directory(Platform::Feishu, &[], &[record("u2", "员工2", &["mk"])])
            .await;
        assert_eq!(kit.event("fs", tick()).await.said().len(), 1);
        assert_eq!(kit.event("fs", tick()).await.effects.len(), 0, "told once");
        kit.directory(Platform::Feishu, &[], &[record("u2", "员工2", &["emb"])])
            .await;
        kit.event("fs", tick()).await;
        assert!(!shown(&kit).await.contains("宽限"));
        // Who leaves the company goes at once; who goes alone stays out.
        moves(&kit, "u3", "员工3", "mk").await;
        moves(&kit, "u4", "员工4", "mk").await;
        kit.event("fs", member_event(EMB, "u4", false, None)).await;
        kit.event("fs", member_event(RD, "u4", false, None)).await;
        let left = Body::Person {
            user: user("u3"),
            record: None,
            left: true,
        };
        let done = kit.event("fs", left).await;
        assert_eq!(done.actions().iter().filter(|a| users(a) == ["u3"]).count(), 2);
        platform(&kit, done, &[]).await;
        kit.clock.advance(30 * DAY);
        assert_eq!(kit.event("fs", tick()).await.effects.len(), 0);
    }
}

#[tokio::test]
async fn a_refused_removal_waits_for_a_plan_and_begins_no_second_grace() {
    for test in all().await.unwrap() {
        let kit = made(test, graceful()).await;
        moves(&kit, "u1", "员工1", "mk").await;
        kit.clock.advance(10 * DAY);
        let done = kit.event("fs", tick()).await;
        platform(&kit, done, &["u1"]).await;
        assert!(members(&kit, EMB).await.contains(&"员工1".to_owned()));
        assert_eq!(kit.event("fs", tick()).await.effects.len(), 0);
        let text = say(&kit, "op", "/建群 预览 dept-rd").await.said().join("\n");
        assert!(text.contains("移出 2 人次:员工1"), "{text}");
    }
}

#[tokio::test]
async fn a_new_rule_is_looked_at_by_two_and_does_nothing_by_itself() {
    for test in all().await.unwrap() {
        let new = GroupRule {
            auto: true,
            preview_days: 7,
            ..graceful()
        };
        let kit = world(test, new).await;
        let text = say(&kit, "op", "/建群 预览 dept-rd").await.said().join("\n");
        assert!(text.contains("新规则,12-01 10:00 前还在预览期"), "{text}");
        let code = after(&text, "计划=");
        let done = say(&kit, "op", &format!("/建群 执行 dept-rd {code}")).await;
        assert!(
            done.said().join("").contains("规则还在预览期,需要另一位运营确认"),
            "{:?}",
            done.said()
        );
        let yes = done.buttons()[0].clone();
        let done = kit.press("fs", "op2", &yes).await;
        platform(&kit, done, &[]).await;
        assert_eq!(members(&kit, EMB).await.len(), 5);
        // Neither newcomers nor movers are touched in that time.
        assert_eq!(moves(&kit, "n1", "新人", "emb").await.effects.len(), 0);
        assert_eq!(moves(&kit, "u1", "员工1", "mk").await.effects.len(), 0);
        assert_eq!(kit.event("fs", tick()).await.effects.len(), 0);
        let text = say(&kit, "op", "/建群 预览 dept-rd").await.said().join("\n");
        assert!(
            text.contains("进入宽限期:员工1") && text.contains("加入 2 人次:新人"),
            "{text}"
        );
        // Afterwards both happen.
        kit.clock.advance(7 * DAY);
        let done = kit.event("fs", tick()).await;
        assert_eq!(done.actions().iter().filter(|a| users(a) == ["n1"]).count(), 2);
        assert!(
            done.said().iter().any(|s| s.contains("你调到了别的部门")),
            "{:?}",
            done.said()
        );
        platform(&kit, done, &[]).await;
        let text = say(&kit, "op", "/建群 预览 dept-rd").await.said().join("\n");
        assert!(!text.contains("新规则"), "{text}");
    }
}
