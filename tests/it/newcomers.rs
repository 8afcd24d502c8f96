//! Newcomers through the platforms: the merged welcome, the private path, the buddy, and a name that
//! is said only when its owner asks for it.

use std::time::Duration;

use hutong_model::Timestamp;
use hutong_simkit::{SimPerson, Verb};

use crate::support::{EVERYWHERE, Group, On, TestBot, buttons, folded, story, text_of};

/// Friday 2026-11-27, 10:00 in Shanghai.
const FRIDAY: Timestamp = Timestamp::from_secs(1_795_744_800);

fn newcomer(n: usize, name: &str, department: &str) -> SimPerson {
    let mut person = crate::support::org().people.remove(0);
    person.id = format!("u_new{n}");
    person.name = name.to_owned();
    person.employee_no = format!("N{n:03}");
    person.department = department.to_owned();
    person.email = format!("new{n}@shiliu.example");
    person.mobile = format!("198000001{n:02}");
    person.leader = Some("u_chen".to_owned());
    // The directory knows no first day of theirs: they are new because they were not there before.
    person.joined_on = None;
    person
}

/// Where the group hears of newcomers.
fn config(bot: &TestBot, group: &Group) -> String {
    format!(
        "{}[onboard]\ngroups = [\"{}:{}\"]\nlinks = [\"手册 https://wiki.example.com/start\"]\n",
        bot.link(group),
        bot.stage.ear().0,
        group.0
    )
}

async fn hire(bot: &TestBot, person: SimPerson) {
    let done = bot.act(Verb::Hire { person }).await;
    assert_eq!(done.callbacks_failed, 0, "{}", bot.name);
    bot.settle().await;
    // Some platforms tell the id alone: then the directory is read.
    for (app, result) in hutong::app::sync_directory(bot.system()).await {
        result.unwrap_or_else(|e| panic!("{}: {app}: {e}", bot.name));
    }
}

/// The next look at newcomers, and what follows.
async fn later(bot: &TestBot, minutes: u64) {
    bot.clock.advance(Duration::from_secs(minutes * 60));
    bot.settle().await;
}

async fn press(bot: &TestBot, person: &str, label: &str) {
    let items = bot.private_items(person);
    let (item, button) = items
        .iter()
        .rev()
        .find_map(|i| Some((i, buttons(i).into_iter().find(|b| b.label == label)?)))
        .unwrap_or_else(|| panic!("{}: no button {label}: {:#?}", bot.name, bot.private(person)));
    let verb = Verb::Click {
        person: person.to_owned(),
        message: item.id.clone(),
        action: button.action,
        values: Default::default(),
    };
    assert_eq!(bot.act(verb).await.callbacks_failed, 0, "{}", bot.name);
    bot.settle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn newcomers_are_received_on_every_platform() {
    story(&EVERYWHERE, |mut bot: TestBot| async move {
        let group = bot.group("研发交流", &["u_chen", "u_lin", "u_wu"]).await;
        let more = config(&bot, &group);
        bot.restart(&more).await;
        // The first look notes who is here already.
        bot.settle().await;
        later(&bot, 5).await;
        for (n, name) in ["周一", "周二"].into_iter().enumerate() {
            hire(&bot, newcomer(n, name, "102")).await;
        }
        later(&bot, 5).await;
        later(&bot, 6).await;
        let said = bot.said(&group);
        let welcomes: Vec<&String> = said.iter().filter(|l| l.contains("位新同事")).collect();
        assert!(
            welcomes.len() == 1 && welcomes[0].contains("欢迎 2 位新同事"),
            "{}: {said:#?}",
            bot.name
        );
        assert!(!said.iter().any(|l| l.contains("周一")), "{}: {said:#?}", bot.name);
        // They are in no group at all, and are written to all the same.
        let cards = bot.private("u_new0");
        assert_eq!(cards.len(), 1, "{}: {cards:#?}", bot.name);
        let card = folded(&cards[0]);
        for part in ["欢迎加入石榴巷", "手册", "你的搭子是"] {
            assert!(card.contains(part), "{}: {part}: {card}", bot.name);
        }
        // From the same department and another team.
        let buddy = ["林立", "顾盼", "陈晨"].into_iter().find(|b| card.contains(b));
        assert!(buddy.is_some(), "{}: {card}", bot.name);

        press(&bot, "u_new0", "打个招呼").await;
        later(&bot, 10).await;
        let said = bot.said(&group);
        let hello: Vec<&String> = said.iter().filter(|l| l.contains("周一")).collect();
        assert_eq!(hello.len(), 1, "{}: {said:#?}", bot.name);
        assert!(!said.iter().any(|l| l.contains("周二")), "{}: {said:#?}", bot.name);

        bot.tells("u_chen", "/新人 名单").await;
        let list = bot.private("u_chen").pop().unwrap_or_default();
        assert!(
            list.contains("新同事 2 位") && list.contains("有回应") && list.contains("还没有动静"),
            "{}: {list}",
            bot.name
        );
        bot.tells("u_chen", "/新人 话术").await;
        let words = bot.private("u_chen").pop().unwrap_or_default();
        assert!(words.contains("还在路上 2 人"), "{}: {words}", bot.name);
        assert_eq!(
            words.contains("只看得到"),
            bot.stage.on != On::Feishu,
            "{}: {words}",
            bot.name
        );

        // One leaves; three working days later only the other one is asked.
        bot.act(Verb::Quit {
            person: "u_new1".to_owned(),
        })
        .await;
        bot.settle().await;
        bot.clock.set(FRIDAY);
        bot.settle().await;
        later(&bot, 5).await;
        let cards = bot.private("u_new0");
        let asked = cards.iter().filter(|c| c.contains("第 3 个工作日,")).count();
        assert_eq!(asked, 1, "{}: {cards:#?}", bot.name);
        press(&bot, "u_new0", "想找人聊聊").await;
        let last = bot.private("u_new0").pop().unwrap_or_default();
        assert!(last.contains("已告诉你的搭子"), "{}: {last}", bot.name);
        let items = bot.private_items("u_new1");
        assert!(
            !items.iter().map(text_of).any(|t| t.contains("第 3 个工作日,")),
            "{}",
            bot.name
        );
        bot
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_says_per_app_what_works_and_what_is_missing() {
    story(&EVERYWHERE, |mut bot: TestBot| async move {
        if bot.stage.on == On::DingTalk {
            // Permissions show in how the platform refuses a question about something that is not there.
            for part in ["processQueryKey", "groupPermissionDenied", "hutong-check"] {
                bot.may_complain(part);
            }
        }
        hutong::app::diagnose(bot.system()).await.unwrap();
        let door = bot.stage.door().0;
        for (text, part) in [
            (format!("/体检 应用={door}"), "正常:"),
            (format!("/health app={door}"), "分钟前向平台核对过"),
        ] {
            bot.tells("u_chen", &text).await;
            let card = bot.private("u_chen").pop().unwrap_or_default();
            assert!(card.contains(part), "{}: {card}", bot.name);
            assert!(card.trim().lines().count() <= 13, "{}: {card}", bot.name);
        }
        bot.tells("u_chen", "/体检 应用=nosuch").await;
        let card = bot.private("u_chen").pop().unwrap_or_default();
        assert!(card.contains("没有应用") && card.contains(door), "{}: {card}", bot.name);
        bot
    })
    .await;
}
