use std::sync::Arc;

use hutong_model::{Ability, Platform, Timestamp};

use super::*;
use crate::access::Scope;
use crate::directory::sync::sync_app;
use crate::rules::testkit::{FakeAdapter, Kit, company, department, direct, env, record};
use crate::store::testing::{TestStore, all};

struct World {
    kit: Kit,
    adapter: Arc<FakeAdapter>,
}

async fn world(test: TestStore, people: usize) -> World {
    let can = [
        Ability::ListDepartments,
        Ability::ListPeople,
        Ability::SendToUser,
        Ability::FirstWord,
        Ability::SendToChat,
        Ability::Reply,
    ];
    let adapter = Arc::new(FakeAdapter::new("fs", Platform::Feishu, can));
    let kit = Kit::new(test, env(vec![adapter.clone()]), vec![Arc::new(DirectoryRule)]);
    let world = World { kit, adapter };
    *world.adapter.departments.lock().unwrap() = vec![Ok(hutong_model::Page {
        items: vec![department("rd", None, "研发中心")],
        next: None,
    })];
    world.list(people);
    world.sync().await;
    let op = world.kit.person("fs", "u0").await;
    let boss = world.kit.person("fs", "u1").await;
    world
        .kit
        .roles(&[
            (&op.id, Role::Operator, Scope::All),
            (&boss.id, Role::Admin, Scope::All),
        ])
        .await;
    world
}

impl World {
    fn list(&self, people: usize) {
        let items = (0..people)
            .map(|i| record(&format!("u{i}"), &format!("员工{i}"), &["rd"]))
            .collect();
        let page = hutong_model::Page { items, next: None };
        self.adapter
            .people
            .lock()
            .unwrap()
            .insert("rd".to_owned(), vec![Ok(page)]);
    }
    async fn sync(&self) {
        let _ = sync_app(&self.kit.test.store, self.adapter.as_ref(), &company(), &self.kit.clock).await;
    }
    async fn asks(&self, who: &str, text: &str) -> String {
        self.kit.command("fs", who, &direct("d"), text).await.said().join("\n")
    }
}

fn tick() -> Body {
    Body::Tick {
        schedule: NEWS.to_owned(),
        slot: Timestamp(0),
        local: String::new(),
    }
}

#[tokio::test]
async fn operators_are_told_once_and_confirm_what_they_saw() {
    for test in all().await.unwrap() {
        let world = world(test, 60).await;
        assert!(world.kit.event("fs", tick()).await.said().is_empty());
        assert!(world.asks("u0", "/通讯录 确认").await.contains("没有需要确认的"));
        world.list(30);
        world.sync().await;
        let told = world.kit.event("fs", tick()).await.said();
        assert_eq!(told.len(), 2, "an operator and an admin: {told:?}");
        assert!(told[0].contains("有 30 人不见了(现有 30 人)"), "{told:?}");
        assert!(told[0].contains("员工30(研发中心)"), "{told:?}");
        assert!(world.kit.event("fs", tick()).await.said().is_empty(), "once");
        let code = told[0].split("/通讯录 确认 ").nth(1).unwrap()[..6].to_owned();
        let shown = world.asks("u0", "/通讯录 确认").await;
        assert!(shown.contains(&code) && shown.contains("30 人"), "{shown}");
        // Another list than the one that was seen.
        world.list(29);
        world.sync().await;
        let refused = world.asks("u0", &format!("/通讯录 确认 {code}")).await;
        assert!(refused.contains("不一样了"), "{refused}");
        let status = world.asks("u0", "/directory status").await;
        assert!(
            status.contains("31 人不见了") && status.contains("29 人,1 个部门"),
            "{status}"
        );
        let code = status.split("/通讯录 确认 ").nth(1).unwrap()[..6].to_owned();
        assert!(
            world
                .asks("u5", &format!("/directory confirm {code}"))
                .await
                .contains("运营"),
            "members may not"
        );
        let done = world.asks("u0", &format!("/directory confirm {code}")).await;
        assert!(done.contains("31 人"), "{done}");
        assert!(world.asks("u0", "/通讯录 确认").await.contains("没有需要确认的"));
        world.kit.clock.advance(crate::directory::sync::AGREE_AFTER);
        world.sync().await;
        let status = world.asks("u0", "/通讯录").await;
        assert!(status.contains("离开 31 人"), "{status}");
    }
}

#[tokio::test]
async fn a_refused_listing_is_told_with_cause_and_next_step() {
    for test in all().await.unwrap() {
        let world = world(test, 5).await;
        world.adapter.departments.lock().unwrap().clear();
        world.sync().await;
        let told = world.kit.event("fs", tick()).await.said();
        assert!(
            told[0].contains("没有列出任何部门")
                && told[0].contains("可见范围")
                && told[0].contains("没有改动") | told[0].contains("都没有改动"),
            "{told:?}"
        );
        world.sync().await;
        assert!(
            world.kit.event("fs", tick()).await.said().is_empty(),
            "the same is told once"
        );
        let status = world.asks("u0", "/通讯录 状态").await;
        assert!(status.contains("2 次") && status.lines().count() <= 12, "{status}");
    }
}

#[tokio::test]
async fn merges_by_hand_give_nobody_rights() {
    for test in all().await.unwrap() {
        let world = world(test, 6).await;
        let asks = |who: &'static str, text: String| {
            let world = &world;
            async move {
                let mut message = world.kit.message(who, &direct("d"), &text);
                // `@uN` is that very account.
                for segment in &mut message.content {
                    if let hutong_model::Segment::Mention(m) = segment {
                        m.user = hutong_model::UserId::new(m.name.clone().unwrap()).ok();
                    }
                }
                world
                    .kit
                    .command_message("fs", who, &direct("d"), message)
                    .await
                    .said()
                    .join("\n")
            }
        };
        let yes = asks("u0", "/通讯录 合并 @u2 @u3".to_owned()).await;
        assert!(
            yes.contains("已把 员工2(研发中心) 和 员工3(研发中心) 合并为一人"),
            "{yes}"
        );
        assert_eq!(
            world.kit.person("fs", "u2").await.id,
            world.kit.person("fs", "u3").await.id
        );
        assert!(
            asks("u0", "/通讯录 合并 @u2 @u3".to_owned())
                .await
                .contains("已经是同一个人")
        );
        let own = asks("u0", "/directory merge @u0 @u2".to_owned()).await;
        assert!(own.contains("另一位运营"), "{own}");
        let above = asks("u0", "/directory merge @u1 @u4".to_owned()).await;
        assert!(above.contains("管理员"), "{above}");
        assert!(
            asks("u1", "/directory merge @u0 @u4".to_owned())
                .await
                .contains("合并为一人")
        );
        let back = asks("u1", "/通讯录 拆分 @u2".to_owned()).await;
        assert!(back.contains("又是两个人"), "{back}");
        assert_ne!(
            world.kit.person("fs", "u2").await.id,
            world.kit.person("fs", "u3").await.id
        );
        assert!(
            asks("u1", "/通讯录 拆分 @u2".to_owned())
                .await
                .contains("没有可拆的合并")
        );
        assert!(asks("u1", "/通讯录 合并 @u2".to_owned()).await.contains("请用 @ 选人"));
    }
}
