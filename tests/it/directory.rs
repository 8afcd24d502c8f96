//! The directory: a listing that breaks off, people who vanish, and what an operator does about it.

use std::time::Duration;

use hutong::directory::Directory;
use hutong_model::{CompanyId, PersonRecord, Platform, UserId};
use hutong_simkit::FaultKind;

use crate::support::{EVERYWHERE, On, TestBot, story};

const ACTIVE: &str = "SELECT COUNT(*) AS n FROM person WHERE active = TRUE";

fn platform(on: On) -> Platform {
    match on {
        On::Feishu => Platform::Feishu,
        On::DingTalk => Platform::DingTalk,
        On::WeCom => Platform::WeCom,
    }
}

/// People whom an earlier listing named and the platform no longer has.
async fn vanished(bot: &TestBot, count: usize) {
    let app = &bot.system().config.apps[0];
    let company: &CompanyId = &app.company;
    let mut tx = bot.system().store.begin().await.unwrap();
    let mut directory = Directory::new(&mut tx);
    let now = bot.system().clock.now();
    for n in 0..count {
        let user = UserId::new(format!("gone{n:02}")).unwrap();
        let record = PersonRecord {
            employee_no: Some(format!("X{n:02}")),
            ..PersonRecord::new(user.clone(), format!("旧人{n:02}"))
        };
        let person = directory
            .upsert_person(company, platform(bot.stage.on), &record, now)
            .await
            .unwrap();
        let at = now - Duration::from_secs(60);
        directory.noticed(&app.id, &user, &person, at).await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn read(bot: &TestBot) -> Vec<Result<hutong::directory::sync::SyncReport, String>> {
    let list = hutong::app::sync_directory(bot.system()).await;
    list.into_iter().map(|(_, r)| r.map_err(|e| e.to_string())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listing_that_breaks_off_changes_nothing() {
    story(&EVERYWHERE, |mut bot: TestBot| async move {
        bot.may_complain("500");
        let before = bot.count(ACTIVE).await;
        vanished(&bot, 1).await;
        let path = match bot.stage.on {
            On::Feishu => "find_by_department",
            On::DingTalk => "user/list",
            On::WeCom => "user/list",
        };
        for _ in 0..3 {
            bot.clock.advance(Duration::from_secs(700));
            bot.fault(path, 40, FaultKind::Status { status: 500 });
            let outcome = read(&bot).await;
            assert!(outcome.iter().any(Result::is_err), "{}: {outcome:?}", bot.name);
            bot.fault(path, 0, FaultKind::Status { status: 500 });
        }
        assert_eq!(bot.count(ACTIVE).await, before + 1, "{}", bot.name);
        bot.settle().await;
        let told = bot.private("u_chen").join("\n");
        assert!(told.contains("通讯录没有更新"), "{}: {told}", bot.name);
        bot
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_people_vanish_and_leave_after_a_word_and_two_listings() {
    story(&EVERYWHERE, |mut bot: TestBot| async move {
        // Each platform says in its own words that it does not know them.
        bot.may_complain("user");
        bot.may_complain("60121");
        let before = bot.count(ACTIVE).await;
        vanished(&bot, 30).await;
        let held: usize = read(&bot).await.iter().flatten().map(|r| r.held).sum();
        assert_eq!(held, 30, "{}", bot.name);
        bot.settle().await;
        let told = bot.private("u_chen").join("\n");
        assert!(told.contains("30 人不见了"), "{}: {told}", bot.name);
        let code = told.split("/通讯录 确认 ").nth(1).unwrap()[..6].to_owned();
        bot.clock.advance(Duration::from_secs(700));
        read(&bot).await;
        assert_eq!(
            bot.count(ACTIVE).await,
            before + 30,
            "{}: without a word nobody leaves",
            bot.name
        );
        bot.tells("u_chen", &format!("/通讯录 确认 {code}")).await;
        bot.settle().await;
        let left: usize = read(&bot).await.iter().flatten().map(|r| r.left.len()).sum();
        assert_eq!(left, 30, "{}: {:?}", bot.name, bot.private("u_chen"));
        assert_eq!(bot.count(ACTIVE).await, before, "{}", bot.name);
        bot.tells("u_chen", "/通讯录 状态").await;
        bot.settle().await;
        let status = bot.private("u_chen").pop().unwrap_or_default();
        assert!(status.contains("离开 30 人"), "{}: {status}", bot.name);
        bot
    })
    .await;
}
