//! People who go, come back, own a group, and are told.

use super::*;

fn left(id: &str) -> Body {
    Body::Person {
        user: user(id),
        record: None,
        left: true,
    }
}

async fn adds(done: &Done, who: &str) -> usize {
    let is_add = |a: &&Action| matches!(a, Action::AddMembers { .. }) && users(a) == [who];
    done.actions().iter().filter(is_add).count()
}

#[tokio::test]
async fn who_leaves_a_mandatory_group_is_brought_back_once() {
    for test in all().await.unwrap() {
        let must = GroupRule {
            optional: false,
            ..rule()
        };
        let kit = made(test, must).await;
        let done = kit.event("fs", member_event(EMB, "u1", false, None)).await;
        assert_eq!(adds(&done, "u1").await, 1);
        assert!(done.said().join("").contains("只这一次"), "{:?}", done.said());
        platform(&kit, done, &[]).await;
        assert!(members(&kit, EMB).await.contains(&"员工1".to_owned()));
        // A second time is a decision.
        let done = kit.event("fs", member_event(EMB, "u1", false, Some("u1"))).await;
        assert_eq!(done.effects.len(), 0, "{:?}", done.said());
        let text = say(&kit, "op", "/建群 预览 dept-rd").await.said().join("\n");
        assert!(text.contains("1 人次自己退过群"), "{text}");
        // Somebody taken out by an operator stays out at once.
        let done = kit.event("fs", member_event(EMB, "u2", false, Some("op"))).await;
        assert_eq!(done.effects.len(), 0);
        let refused = say(&kit, "u3", &format!("/退出 群 {EMB}")).await;
        assert!(refused.said()[0].contains("不能退出"), "{:?}", refused.said());
        let reason = kit
            .test
            .store
            .query("SELECT COUNT(*) AS n FROM group_change WHERE reason = '必进群,拉回一次'")
            .one()
            .await
            .unwrap();
        assert_eq!(reason.get::<i64>("n").unwrap(), 1);
    }
}

#[tokio::test]
async fn people_leave_an_optional_group_and_come_back_by_a_command() {
    for test in all().await.unwrap() {
        let kit = made(test, rule()).await;
        let done = say(&kit, "u1", &format!("/退出 群 {EMB}")).await;
        assert!(done.said()[0].contains("/加入 群"), "{:?}", done.said());
        platform(&kit, done, &[]).await;
        assert!(!members(&kit, EMB).await.contains(&"员工1".to_owned()));
        let text = say(&kit, "op", "/建群 预览 dept-rd").await.said().join("\n");
        assert!(text.contains("1 人次自己退过群"), "{text}");
        let done = say(&kit, "u1", &format!("/加入 群 {EMB}")).await;
        assert_eq!(adds(&done, "u1").await, 1);
        platform(&kit, done, &[]).await;
        assert!(members(&kit, EMB).await.contains(&"员工1".to_owned()));
        // Booked as before: a transfer takes them out.
        kit.directory(Platform::Feishu, &[], &[record("u1", "员工1", &["mk"])])
            .await;
        let text = say(&kit, "op", "/建群 预览 dept-rd").await.said().join("\n");
        assert!(text.contains("移出 2 人次:员工1"), "{text}");
        for (who, text, part) in [
            ("m1", format!("/加入 群 {EMB}"), "不面向你所在"),
            ("u2", format!("/加入 群 {EMB}"), "已经在"),
            ("u2", "/加入 群 没有".to_owned(), "没有找到群"),
            ("m1", format!("/退出 群 {EMB}"), "你不在"),
        ] {
            let done = say(&kit, who, &text).await;
            assert!(done.said()[0].contains(part), "{who} {text}: {:?}", done.said());
        }
    }
}

#[tokio::test]
async fn who_was_there_by_hand_and_goes_stays_out_too() {
    for test in all().await.unwrap() {
        let kit = made(test, rule()).await;
        kit.event("fs", member_event(EMB, "m1", true, Some("op"))).await;
        kit.event("fs", member_event(EMB, "m1", false, None)).await;
        kit.directory(Platform::Feishu, &[], &[record("m1", "市场赵", &["emb"])])
            .await;
        let text = say(&kit, "op", "/建群 预览 dept-rd").await.said().join("\n");
        assert!(text.contains("1 人次自己退过群"), "{text}");
    }
}

#[tokio::test]
async fn an_owner_who_leaves_is_followed_by_the_next_of_the_list() {
    for test in all().await.unwrap() {
        let kit = made(test, rule()).await;
        let app = rule().app;
        let owner = |kit: &Kit| {
            let store = kit.test.store.clone();
            async move {
                let row = store
                    .query("SELECT owner FROM group_chat ORDER BY name LIMIT 1")
                    .one()
                    .await
                    .unwrap();
                row.get::<String>("owner").unwrap()
            }
        };
        let before = owner(&kit).await;
        let (first, next) = if before == kit.person("fs", "op").await.id.as_str() {
            ("op", "op2")
        } else {
            ("op2", "op")
        };
        let mut tx = kit.test.store.begin().await.unwrap();
        let id = kit_person(&mut tx, first).await;
        crate::directory::Directory::new(&mut tx)
            .person_left(&id, START)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let done = kit.event("fs", left(first)).await;
        let order: Vec<&str> = done
            .actions()
            .iter()
            .filter_map(|a| match a {
                Action::AddMembers { chat, .. } if *chat == chat_id(EMB) => Some("add"),
                Action::SetOwner { chat, .. } if *chat == chat_id(EMB) => Some("own"),
                Action::RemoveMembers { chat, .. } if *chat == chat_id(EMB) => Some("remove"),
                _ => None,
            })
            .collect();
        assert_eq!(
            order,
            ["add", "own", "remove"],
            "the next joins, owns, and then the old one goes"
        );
        platform(&kit, done, &[]).await;
        let mut tx = kit.test.store.begin().await.unwrap();
        let heir = kit_person(&mut tx, next).await;
        tx.rollback().await.unwrap();
        assert_eq!(owner(&kit).await, heir.as_str());
        let reasons = kit
            .test
            .store
            .query("SELECT COUNT(*) AS n FROM group_change WHERE reason = '群主离职,换群主' AND what = 'owner'")
            .one()
            .await
            .unwrap();
        assert_eq!(reasons.get::<i64>("n").unwrap(), 2, "{app}");
    }
}

/// By account, also when they have left.
async fn kit_person(tx: &mut crate::store::Tx, id: &str) -> PersonId {
    crate::directory::Directory::new(tx)
        .person_of(&company(), Platform::Feishu, &user(id))
        .await
        .unwrap()
        .unwrap()
        .id
}

#[tokio::test]
async fn without_anybody_to_own_it_a_group_loses_nobody_and_the_operators_above_are_told() {
    for test in all().await.unwrap() {
        let only = GroupRule {
            owner: vec![Owner::User(user("u1"))],
            ..rule()
        };
        let kit = made(test, only).await;
        let mut tx = kit.test.store.begin().await.unwrap();
        let id = kit_person(&mut tx, "u1").await;
        crate::directory::Directory::new(&mut tx)
            .person_left(&id, START)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let done = kit.event("fs", left("u1")).await;
        assert!(
            done.actions()
                .iter()
                .all(|a| !matches!(a, Action::RemoveMembers { .. })),
            "{:?}",
            done.actions()
        );
        let told = done.said();
        assert!(told.iter().any(|t| t.contains("owner 名单里没有人能接手")), "{told:?}");
        assert_eq!(kit.event("fs", left("u1")).await.effects.len(), 0, "told once");
        kit.directory(Platform::Feishu, &[], &[record("u2", "员工2", &["mk"])])
            .await;
        let text = say(&kit, "op", "/建群 预览 dept-rd").await.said().join("\n");
        assert!(
            text.contains("2 个群的群主已离开,没人接手") && !text.contains("移出 "),
            "{text}"
        );
        let shown = say(&kit, "op", "/群 规则 查看 dept-rd").await.said().join("\n");
        assert!(shown.contains("群主已离开,没人接手"), "{shown}");
        let shown = say(&kit, "op", "/group rule show dept-rd").await.said().join("\n");
        assert!(!shown.contains("no_owner"), "{shown}");
    }
}

#[tokio::test]
async fn people_are_told_once_and_a_crowd_in_its_group() {
    for test in all().await.unwrap() {
        let kit = world(test, rule()).await;
        let first = code(&kit).await;
        let done = say(&kit, "op", &format!("/建群 执行 dept-rd {first}")).await;
        let told: Vec<String> = done.said().into_iter().filter(|t| t.contains("我把你加入了")).collect();
        assert_eq!(told.len(), 6, "everybody once for both groups: {told:?}");
        assert!(
            told.iter()
                .any(|t| t.contains(EMB) && t.contains(RD) && t.contains("/退出 群")),
            "{told:?}"
        );
        platform(&kit, done, &[]).await;
        let crowd: Vec<PersonRecord> = (0..25).map(|i| record(&format!("c{i}"), "众", &["rd"])).collect();
        kit.directory(Platform::Feishu, &[], &crowd).await;
        let second = code(&kit).await;
        let done = say(&kit, "op", &format!("/建群 执行 dept-rd {second}")).await;
        assert!(
            done.said().iter().all(|t| !t.contains("我把你加入了")),
            "{:?}",
            done.said()
        );
        assert_eq!(done.said().iter().filter(|t| t.contains("25 位同事")).count(), 1);
    }
}

#[tokio::test]
async fn the_card_that_says_why_takes_out_of_an_optional_group() {
    for test in all().await.unwrap() {
        let kit = made(test, GroupRule { auto: true, ..rule() }).await;
        let new = Body::Person {
            user: user("n1"),
            record: Some(Box::new(record("n1", "新人", &["emb"]))),
            left: false,
        };
        let done = kit.event("fs", new.clone()).await;
        assert!(done.said().iter().all(|t| t.lines().count() <= 12), "{:?}", done.said());
        let (emb, rd) = (format!("退出 {EMB}"), format!("退出 {RD}"));
        let button = labelled(&done, &emb).unwrap();
        assert!(labelled(&done, &rd).is_some(), "one for each group");
        // Not there yet.
        let early = kit.press("fs", "n1", &button).await;
        assert!(early.said()[0].contains("你不在"), "{:?}", early.said());
        platform(&kit, done, &[]).await;
        // It is for them alone.
        assert!(kit.press("fs", "u1", &button).await.result.is_err());
        let done = kit.press("fs", "n1", &button).await;
        assert!(done.said()[0].contains("以后不会再拉你"), "{:?}", done.said());
        platform(&kit, done, &[]).await;
        let inside = members(&kit, EMB).await;
        assert!(
            !inside.contains(&"新人".to_owned()) && inside.contains(&"员工1".to_owned()),
            "{inside:?}"
        );
        assert!(members(&kit, RD).await.contains(&"新人".to_owned()));
        assert_eq!(kit.event("fs", new).await.effects.len(), 0, "they stay out");
        let again = kit.press("fs", "n1", &button).await;
        assert!(again.said()[0].contains("你不在"), "{:?}", again.said());
    }
    // A mandatory group has no such button.
    for test in all().await.unwrap() {
        let must = GroupRule {
            optional: false,
            auto: true,
            ..rule()
        };
        let kit = made(test, must).await;
        let new = Body::Person {
            user: user("n1"),
            record: Some(Box::new(record("n1", "新人", &["emb"]))),
            left: false,
        };
        let done = kit.event("fs", new).await;
        assert!(done.said().join("").contains("工作必需的群"), "{:?}", done.said());
        assert!(done.buttons().is_empty());
    }
}

#[tokio::test]
async fn a_single_operator_is_told_the_way_out() {
    for test in all().await.unwrap() {
        let kit = made(test, rule()).await;
        let op = kit.person("fs", "op").await.id;
        kit.roles(&[(&op, Role::Operator, Scope::All)]).await;
        kit.directory(Platform::Feishu, &[], &[record("u1", "员工1", &["mk"])])
            .await;
        let code = code(&kit).await;
        let done = say(&kit, "op", &format!("/建群 执行 dept-rd {code}")).await;
        let text = done.said().join("");
        assert!(
            text.contains("只有一位运营") && text.contains("group_remove_people"),
            "{text}"
        );
        assert!(done.result.is_err() && done.effects.is_empty());
    }
}
