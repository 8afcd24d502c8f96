//! People choose interests, operators give tags and ask who is meant.

use std::sync::Arc;

use hutong_model::{Ability, Platform};

use super::*;
use crate::access::Scope;
use crate::rules::service::Service;
use crate::rules::testkit::{FakeAdapter, Kit, department, direct, env, record};
use crate::store::testing::{TestStore, all};

fn segment(id: &str, title: &str, condition: &str) -> Segment {
    Segment {
        id: id.to_owned(),
        title: title.to_owned(),
        condition: parse(condition).unwrap(),
    }
}

/// The account that the mention of a name in these tests means.
fn mentioned(name: &str) -> String {
    format!("u{}", crate::ids::short_hash(&[name], 8))
}

async fn kit(test: TestStore) -> Kit {
    let fs = FakeAdapter::new(
        "fs",
        Platform::Feishu,
        [Ability::SendToUser, Ability::SendToChat, Ability::Reply],
    );
    let interests = Interests {
        names: vec!["摄影".to_owned(), "Running".to_owned()],
    };
    let segments = vec![
        segment("embedded", "嵌入式的人", "dept under '嵌入式' or tag 'mcu'"),
        segment("new", "新同事", "tenure_days < 90"),
    ];
    let rule = Arc::new(Segments::new(segments, Some(interests), chrono_tz::Asia::Shanghai));
    let rules = Service::in_front_of(vec![rule]).unwrap().rules;
    let kit = Kit::new(test, env(vec![Arc::new(fs)]), rules);
    kit.directory(
        Platform::Feishu,
        &[
            department("1", None, "公司"),
            department("10", Some("1"), "研发中心"),
            department("11", Some("10"), "嵌入式"),
            department("20", Some("1"), "市场部"),
        ],
        &[
            record("ou_op", "陈晨", &["10"]),
            record(&mentioned("林立"), "林立", &["11"]),
            record("ou_b", "吴桐", &["11"]),
            record(&mentioned("钱进"), "钱进", &["20"]),
            record("ou_m", "何田", &["20"]),
        ],
    )
    .await;
    let (op, narrow) = (kit.person("fs", "ou_op").await, kit.person("fs", "ou_m").await);
    kit.roles(&[
        (&op.id, Role::Operator, Scope::All),
        (&narrow.id, Role::Operator, Scope::parse("dept:市场部").unwrap()),
    ])
    .await;
    kit
}

async fn says(kit: &Kit, who: &str, text: &str) -> String {
    kit.command("fs", who, &direct(who), text).await.said().join("\n")
}

#[tokio::test]
async fn operators_ask_who_is_meant_and_tags_count() {
    for test in all().await.unwrap() {
        let kit = kit(test).await;
        let answer = says(&kit, "ou_op", "/分层 查询 嵌入式的人").await;
        assert!(answer.contains("2 人,占能看到的 5 人中的 40.0 %"), "{answer}");
        assert!(answer.contains("嵌入式 2 人") && answer.contains("林立"), "{answer}");

        let answer = says(&kit, "ou_op", "/标签 加 @钱进 MCU").await;
        assert!(answer.contains("钱进") && answer.contains("mcu"), "{answer}");
        assert!(says(&kit, "ou_op", "/标签 加 @钱进 mcu").await.contains("没有变化"));
        let answer = says(&kit, "ou_op", "/分层 查询 embedded 部门=市场部").await;
        assert!(
            answer.contains("1 人") && answer.contains("钱进") && !answer.contains("林立"),
            "{answer}"
        );
        assert!(says(&kit, "ou_op", "/标签 去 @钱进 mcu").await.contains("已去掉"));
        assert!(
            says(&kit, "ou_op", "/分层 查询 embedded 部门=市场部")
                .await
                .contains("没有人符合")
        );

        // Nobody has told when people joined: unknown, and said so.
        let answer = says(&kit, "ou_op", "/分层 查询 新同事").await;
        assert!(
            answer.contains("没有人符合") && answer.contains("另有 5 人"),
            "{answer}"
        );
        let mut tx = kit.test.store.begin().await.unwrap();
        tx.query("UPDATE person SET joined_on = '2026-09-01' WHERE name = '吴桐'")
            .execute()
            .await
            .unwrap();
        tx.query("UPDATE person SET joined_on = '2026-08-26' WHERE name = '林立'")
            .execute()
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let answer = says(
            &kit,
            "ou_op",
            "/分层 查询 \"tenure_days < 90 and dept under \'研发中心\'\"",
        )
        .await;
        assert!(
            answer.contains("1 人") && answer.contains("吴桐") && answer.contains("另有 1 人"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn an_operator_of_one_department_sees_its_people_only() {
    for test in all().await.unwrap() {
        let kit = kit(test).await;
        let answer = says(&kit, "ou_m", "/分层 查询 \"platform \'feishu\'\"").await;
        assert!(answer.contains("2 人,占能看到的 2 人"), "{answer}");
        assert!(!answer.contains("林立") && !answer.contains("嵌入式"), "{answer}");
        assert!(!says(&kit, "ou_m", "/标签 加 @林立 mcu").await.contains("已给"));
        assert!(says(&kit, "ou_m", "/标签 加 @钱进 vip").await.contains("已给"));
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_with_its_place_and_changes_nothing() {
    for test in all().await.unwrap() {
        let kit = kit(test).await;
        for (text, parts) in [
            ("/分层 查询 没有这个", ["没有叫「没有这个」", "嵌入式的人"]),
            ("/分层 查询 \"tenure < 90\"", ["第 1 个字", "是不是 tenure_days"]),
            ("/分层 查询 \"dept under \'嵌入试\'\"", ["第 12 个字", "嵌入式"]),
            ("/加入 潜水", ["没有「潜水」", "摄影"]),
        ] {
            let answer = says(&kit, "ou_op", text).await;
            for part in parts {
                assert!(answer.contains(part), "{text}: {answer}");
            }
        }
        assert!(
            says(&kit, &mentioned("林立"), "/分层 查询 embedded")
                .await
                .contains("没有权限")
        );
    }
}

#[tokio::test]
async fn people_choose_their_interests() {
    for test in all().await.unwrap() {
        let kit = kit(test).await;
        assert!(
            says(&kit, &mentioned("林立"), "/加入 running")
                .await
                .contains("已加入「Running」")
        );
        assert!(says(&kit, &mentioned("林立"), "/加入 Running").await.contains("已在"));
        assert!(says(&kit, &mentioned("林立"), "/我").await.contains("兴趣:Running"));
        let answer = says(&kit, "ou_op", "/分层 查询 \"interest \'running\'\"").await;
        assert!(answer.contains("1 人") && answer.contains("林立"), "{answer}");
        assert!(says(&kit, &mentioned("林立"), "/退出 running").await.contains("已退出"));
        assert!(
            says(&kit, &mentioned("林立"), "/退出 摄影")
                .await
                .contains("本来就不在")
        );
        assert!(!says(&kit, &mentioned("林立"), "/我").await.contains("兴趣"));
    }
}
