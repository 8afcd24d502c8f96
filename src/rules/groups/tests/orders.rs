//! The command line's side: a plan as a diff, and orders through the inbox.

use hutong_model::Clock as _;

use super::*;

async fn ordered(kit: &Kit, code: &str, who: &str) -> (Done, String, String) {
    let mut tx = kit.test.store.begin().await.unwrap();
    let person = order::person(&mut tx, &company(), who).await.unwrap().unwrap();
    let id = order::place(&mut tx, "dept-rd", code, &person, kit.clock.now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let waiting = kit
        .test
        .store
        .query("SELECT COUNT(*) AS n FROM inbox WHERE kind = 'tick'")
        .one()
        .await
        .unwrap();
    assert_eq!(waiting.get::<i64>("n").unwrap(), 1, "it goes through the inbox");
    kit.test
        .store
        .execute_alone("DELETE FROM inbox".into(), Vec::new())
        .await
        .unwrap();
    let tick = Body::Tick {
        schedule: format!("{}{id}", order::TICK),
        slot: Timestamp(1),
        local: String::new(),
    };
    let done = kit.event("fs", tick.clone()).await;
    assert_eq!(kit.event("fs", tick).await.effects.len(), 0, "once");
    let mut tx = kit.test.store.begin().await.unwrap();
    let (state, answer) = order::answer(&mut tx, &id).await.unwrap().unwrap();
    tx.rollback().await.unwrap();
    kit.clock.advance(Duration::from_secs(1));
    (done, state, answer)
}

async fn planned(kit: &Kit) -> report::Report {
    let mut ctx = kit.ctx().await;
    let report = report::of_rule(&mut ctx, &rule(), Alone::default(), Lang::Zh)
        .await
        .unwrap();
    ctx.into_parts().0.rollback().await.unwrap();
    report
}

#[tokio::test]
async fn a_plan_is_a_diff_with_reasons_and_an_order_carries_it_out() {
    for test in all().await.unwrap() {
        let kit = world(test, rule()).await;
        let first = planned(&kit).await;
        let text = first.text();
        for part in [
            "group rule dept-rd\n",
            "+ 嵌入式组·技术交流 (0 members)",
            "    ~ owner: 运营",
            "    + 员工1 (in the department)",
            "next: hutong groups apply --rule dept-rd --plan ",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        // The chat has the same code.
        assert_eq!(first.plan, Some(code(&kit).await));
        let first = first.plan.unwrap();
        let (done, state, answer) = ordered(&kit, &first, "OP").await;
        assert_eq!(state, "done", "{answer}");
        assert!(answer.contains("开始执行") && answer.contains(&first), "{answer}");
        platform(&kit, done, &[]).await;
        assert_eq!(members(&kit, EMB).await.len(), 5);
        let now = kit
            .test
            .store
            .query("SELECT actor FROM group_plan")
            .one()
            .await
            .unwrap();
        assert_eq!(
            now.get::<String>("actor").unwrap(),
            kit.person("fs", "op").await.id.as_str()
        );
        // A removal, as a diff; the second operator is asked like in a chat.
        kit.directory(Platform::Feishu, &[], &[record("u1", "员工1", &["mk"])])
            .await;
        let second = planned(&kit).await;
        assert!(
            second.second_operator && second.text().contains("    - 员工1 (no longer in the department)"),
            "{}",
            second.text()
        );
        let json = serde_json::to_value(&second).unwrap();
        assert_eq!(json["groups"][0]["remove"][0]["name"], "员工1");
        let (done, state, answer) = ordered(&kit, &second.plan.unwrap(), "OP").await;
        assert!(
            state == "done" && answer.contains("需要另一位运营确认"),
            "{state}: {answer}"
        );
        assert!(done.actions().iter().all(|a| users(a).is_empty()) && !done.buttons().is_empty());
        // The way back.
        let mut ctx = kit.ctx().await;
        let run = run_of(&mut ctx, &first, Lang::Zh).await.unwrap();
        let back = report::of_undo(&mut ctx, &rule(), run, Alone::default(), Lang::Zh)
            .await
            .unwrap();
        ctx.into_parts().0.commit().await.unwrap();
        assert!(
            back.text().contains("the way back from plan") && back.text().contains("- 嵌入式组·技术交流 (5 members)"),
            "{}",
            back.text()
        );
        let (_, state, answer) = ordered(&kit, &back.plan.unwrap(), "OP").await;
        assert!(state == "done" && answer.contains("另一位运营"), "{answer}");
    }
}

#[tokio::test]
async fn an_order_has_no_more_rights_than_the_person_it_is_for() {
    for test in all().await.unwrap() {
        let kit = world(test, rule()).await;
        let plan = code(&kit).await;
        for who in ["U1", "M1"] {
            let (done, state, answer) = ordered(&kit, &plan, who).await;
            assert!(
                state == "refused" && answer.contains("没有权限"),
                "{who} {state}: {answer}"
            );
            assert_eq!(done.effects.len(), 0);
        }
        let (done, state, answer) = ordered(&kit, "zzzzzz", "OP").await;
        assert!(state == "refused" && answer.contains("已作废"), "{answer}");
        assert_eq!(done.effects.len(), 0);
    }
}
