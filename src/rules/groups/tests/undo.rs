//! `/建群 撤销` from the chat, on both databases.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;

/// Carries a code out: at once, or with the other operator's consent.
async fn carry_out(kit: &Kit, code: &str) -> Vec<Action> {
    let done = say(kit, "op", &format!("/建群 执行 规则=dept-rd 计划={code}")).await;
    let done = match consent(&done) {
        Some(yes) => kit.press("fs", "op2", &yes).await,
        None => done,
    };
    assert!(done.result.is_ok(), "{:?}", done.said());
    platform(kit, done, &[]).await
}

async fn owner(kit: &Kit, name: &str) -> String {
    let row = kit
        .test
        .store
        .query("SELECT p.name AS name FROM chat c JOIN person p ON p.id = c.owner WHERE c.chat_id = $1")
        .bind(chat_id(name).as_str())
        .one()
        .await
        .unwrap();
    row.get("name").unwrap()
}

#[tokio::test]
async fn a_plan_is_taken_back_exactly_and_the_rule_pauses() {
    for test in all().await.unwrap() {
        let kit = made(test, rule()).await;
        let before = members(&kit, EMB).await;
        let owned = owner(&kit, EMB).await;
        // A new name, one person more, one less.
        kit.directory(
            Platform::Feishu,
            &[department("emb", Some("rd"), "端侧组")],
            &[record("u1", "员工1", &["mk"]), record("u5", "员工5", &["emb"])],
        )
        .await;
        let first = code(&kit).await;
        carry_out(&kit, &first).await;
        assert_ne!(members(&kit, EMB).await, before);
        let done = say(&kit, "op", &format!("/建群 撤销 计划={first}")).await;
        let text = done.said().join("\n");
        for part in [
            "撤销预览 · dept-rd",
            "运营王芳 执行的计划",
            "改名 1 个群:嵌入式组·技术交流",
            "加入 2 人次:员工1、员工1",
            "移出 2 人次:员工5、员工5",
            "这条规则会暂停",
            "需要另一位运营确认",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(text.lines().count() <= 12 && done.effects.len() == 1, "{text}");
        let back = after(&text, "计划=");
        assert_ne!(back, first);
        let actions = carry_out(&kit, &back).await;
        assert!(
            actions
                .iter()
                .any(|a| matches!(a, Action::RenameChat { name, .. } if name == EMB))
        );
        assert_eq!(members(&kit, EMB).await, before, "{}", kit.test.name);
        assert_eq!(owner(&kit, EMB).await, owned);
        // Paused, so the rule does not do it again; and a second undo finds it done.
        let shown = say(&kit, "op", "/群 规则 查看 dept-rd").await.said().join("\n");
        assert!(shown.contains("已暂停") && shown.contains(EMB), "{shown}");
        let again = say(&kit, "op", &format!("/建群 撤销 计划={first}")).await;
        assert!(again.said()[0].contains("已经撤销过"), "{:?}", again.said());
        let again = say(&kit, "op", &format!("/建群 执行 规则=dept-rd 计划={back}")).await;
        assert!(again.result.is_err(), "{:?}", again.said());
        // The way back is a plan too, and is taken back although the rule is paused.
        let text = say(&kit, "op", &format!("/group undo plan={back}"))
            .await
            .said()
            .join("\n");
        let forth = after(&text, "计划=");
        carry_out(&kit, &forth).await;
        assert!(members(&kit, EMB).await.contains(&"员工5".to_owned()));
        let reasons = kit
            .test
            .store
            .query("SELECT COUNT(*) AS n FROM group_change WHERE reason LIKE '撤销计划 %' AND outcome = 'ok'")
            .one()
            .await
            .unwrap();
        assert_eq!(reasons.get::<i64>("n").unwrap(), 2 * 5);
    }
}

#[tokio::test]
async fn new_groups_are_disbanded_and_may_be_made_again_later() {
    for test in all().await.unwrap() {
        let kit = world(test, rule()).await;
        let first = code(&kit).await;
        let done = say(&kit, "op", &format!("/建群 执行 规则=dept-rd 计划={first}")).await;
        // Nothing has come back yet.
        let early = say(&kit, "op", &format!("/建群 撤销 计划={first}")).await;
        assert!(early.said()[0].contains("还有 13 项没有结果"), "{:?}", early.said());
        platform(&kit, done, &["u3"]).await;
        let text = say(&kit, "op", &format!("/建群 撤销 计划={first}"))
            .await
            .said()
            .join("\n");
        assert!(
            text.contains("解散 2 个群(当时新建的)") && text.contains("需要另一位运营"),
            "{text}"
        );
        let back = after(&text, "计划=");
        let actions = carry_out(&kit, &back).await;
        assert_eq!(
            actions.iter().filter(|a| matches!(a, Action::Disband { .. })).count(),
            2
        );
        assert!(members(&kit, EMB).await.is_empty());
        assert!(say(&kit, "op", "/建群 预览 dept-rd").await.said()[0].contains("新建 2 个群"));
    }
}

#[tokio::test]
async fn what_others_did_since_is_named_and_a_change_voids_the_way_back() {
    for test in all().await.unwrap() {
        let kit = made(test, rule()).await;
        kit.directory(Platform::Feishu, &[], &[record("u5", "员工5", &["emb"])])
            .await;
        kit.directory(Platform::Feishu, &[], &[record("u6", "员工6", &["rd"])])
            .await;
        let first = code(&kit).await;
        carry_out(&kit, &first).await;
        kit.event("fs", member_event(EMB, "u5", false, None)).await;
        let text = say(&kit, "op", &format!("/建群 撤销 计划={first}"))
            .await
            .said()
            .join("\n");
        assert!(text.contains("保持原样 1 项:员工5(后来有变动)"), "{text}");
        assert!(text.contains("移出 2 人次"), "u5 and u6 from the center: {text}");
        let back = after(&text, "计划=");
        kit.event("fs", member_event(RD, "u6", false, None)).await;
        let void = say(&kit, "op", &format!("/建群 执行 规则=dept-rd 计划={back}")).await;
        assert!(void.said()[0].contains("这份撤销已作废"), "{:?}", void.said());
        // Unknown, foreign and old ones.
        let unknown = say(&kit, "op", "/建群 撤销 计划=zzzzzz").await;
        assert!(
            unknown.said()[0].contains("没有执行过计划「zzzzzz」"),
            "{:?}",
            unknown.said()
        );
        let foreign = say(&kit, "m1", &format!("/建群 撤销 计划={first}")).await;
        assert!(foreign.said()[0].contains("不在你的负责范围"), "{:?}", foreign.said());
        kit.clock.advance(Duration::from_secs(30 * 86_400 + 60));
        let old = say(&kit, "op", &format!("/建群 撤销 计划={first}")).await;
        assert!(old.said()[0].contains("超过 30 天"), "{:?}", old.said());
    }
}

/// What a group is: its name, its owner and its members, by department.
async fn picture(kit: &Kit) -> BTreeMap<String, (String, String, Vec<String>)> {
    let rows = kit
        .test
        .store
        .query(
            "SELECT g.department AS department, c.name AS name, o.name AS owner, p.name AS member FROM group_chat g \
             JOIN chat c ON c.app = g.app AND c.chat_id = g.chat_id LEFT JOIN person o ON o.id = c.owner \
             JOIN chat_member m ON m.app = g.app AND m.chat_id = g.chat_id AND m.left_at IS NULL \
             JOIN person p ON p.id = m.person WHERE c.active = TRUE ORDER BY g.department, p.name",
        )
        .all()
        .await
        .unwrap();
    let mut groups: BTreeMap<String, (String, String, Vec<String>)> = BTreeMap::new();
    for row in rows {
        let owner: Option<String> = row.get("owner").unwrap();
        let group = groups.entry(row.get("department").unwrap()).or_default();
        group.0 = row.get("name").unwrap();
        group.1 = owner.unwrap_or_default();
        group.2.push(row.get("member").unwrap());
    }
    groups
}

/// Random changes of a company, as long as nobody leaves it: whoever has left cannot be brought back.
async fn shuffle(kit: &Kit, rng: &mut StdRng) {
    let places: [&[&str]; 4] = [&["emb"], &["rd"], &["mk"], &["hw"]];
    let mut people = Vec::new();
    for n in 1..=8 {
        if rng.random_bool(0.5) {
            let place = places[rng.random_range(0..places.len())];
            people.push(record(&format!("u{n}"), &format!("员工{n}"), place));
        }
    }
    let name = ["嵌入式组", "端侧组", "芯片组"][rng.random_range(0..3)];
    let departments = [
        department("emb", Some("rd"), name),
        department("hw", Some("rd"), ["硬件部", "硬件中心"][rng.random_range(0..2)]),
    ];
    kit.directory(Platform::Feishu, &departments, &people).await;
    // Somebody has taken a group over in the client, and our books know no owner.
    if rng.random_bool(0.5) {
        let mut ctx = kit.ctx().await;
        let app = rule().app;
        for chat in store::chats(ctx.tx(), "dept-rd").await.unwrap() {
            let Some(id) = &chat.chat else { continue };
            let members = ctx.directory().members(&app, id).await.unwrap();
            let owner = &members[rng.random_range(0..members.len())];
            ctx.directory().set_chat_owner(&app, id, owner, START).await.unwrap();
            let lost = store::Chat { owner: None, ..chat };
            store::put_chat(ctx.tx(), &lost, START).await.unwrap();
        }
        ctx.into_parts().0.commit().await.unwrap();
    }
}

/// A plan of the real planner, whatever it holds, and the way back: members, owners and names are
/// what they were, and groups that it made are gone. Between the two a second plan has nothing to do.
#[tokio::test]
async fn random_plans_are_applied_once_and_taken_back_exactly() {
    let mut seen = BTreeSet::new();
    for seed in 0..6 {
        for test in all().await.unwrap() {
            let mut rng = StdRng::seed_from_u64(seed);
            let kit = made(test, rule()).await;
            shuffle(&kit, &mut rng).await;
            let before = picture(&kit).await;
            let text = say(&kit, "op", "/建群 预览 dept-rd").await.said().join("\n");
            assert!(text.lines().count() <= 12, "{text}");
            if !text.contains("计划=") {
                continue;
            }
            for mark in ["新建", "改名", "加入", "移出", "换群主"] {
                seen.extend(text.contains(&format!("{mark} ")).then_some(mark));
            }
            let first = after(&text, "计划=");
            carry_out(&kit, &first).await;
            let there = picture(&kit).await;
            assert_ne!(there, before, "seed {seed}");
            let twice = say(&kit, "op", "/建群 预览 dept-rd").await.said().join("\n");
            assert!(twice.contains("没有要改动的"), "seed {seed}: {twice}");
            let again = say(&kit, "op", &format!("/建群 执行 规则=dept-rd 计划={first}")).await;
            assert!(again.said()[0].contains("已作废"), "{:?}", again.said());
            assert_eq!(picture(&kit).await, there);
            let text = say(&kit, "op", &format!("/建群 撤销 计划={first}"))
                .await
                .said()
                .join("\n");
            assert!(!text.contains("保持原样"), "seed {seed}: {text}");
            carry_out(&kit, &after(&text, "计划=")).await;
            assert_eq!(picture(&kit).await, before, "seed {seed} on {}: {text}", kit.test.name);
        }
    }
    assert_eq!(seen.len(), 5, "every kind of change came up: {seen:?}");
}
