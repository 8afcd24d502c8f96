//! What the bot says by itself: columns, reports, groups by department, and cards that change.

use std::time::Duration;

use hutong_model::Timestamp;
use hutong_simkit::Verb;

use crate::support::{Db, EVERYWHERE, Group, On, TestBot, buttons, folded, story, text_of};

/// Wednesday 2026-11-25, 09:30 in Shanghai.
const WEDNESDAY: Timestamp = Timestamp::from_secs(1_795_570_200);
/// Monday 2026-11-30, 10:00 in Shanghai.
const MONDAY: Timestamp = Timestamp::from_secs(1_796_004_000);

/// Where a column of this platform goes, as the configuration says it.
fn place(bot: &TestBot, group: &Group) -> (&'static str, String) {
    match bot.stage.on {
        On::WeCom => ("wc-hook", "wc-hook".to_owned()),
        _ => (bot.stage.ear().0, group.0.clone()),
    }
}

fn column(bot: &TestBot, group: &Group) -> String {
    let (app, chat) = place(bot, group);
    format!(
        "{}[[column]]\nid = \"news\"\ntitle = \"每周资讯\"\napp = \"{app}\"\nchats = [\"{chat}\"]\n\
         every = {{ weekday = \"wed\", time = \"09:30\" }}\nitems = [\"新的测试台到了\", \"周五下午停电\"]\n",
        bot.link(group)
    )
}

fn issues(bot: &TestBot, group: &Group) -> Vec<String> {
    let mut said = bot.said(group);
    said.retain(|l| l.contains("新的测试台到了"));
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_appears_once_at_its_time() {
    story(&EVERYWHERE, |mut bot: TestBot| async move {
        let group = bot.group("研发交流", &["u_chen", "u_lin", "u_wu"]).await;
        let more = column(&bot, &group);
        bot.restart(&more).await;
        bot.settle().await;
        bot.clock.set(WEDNESDAY - Duration::from_secs(61));
        bot.settle_for(Duration::ZERO).await;
        assert_eq!(issues(&bot, &group), Vec::<String>::new(), "{}: early", bot.name);

        bot.clock.set(WEDNESDAY);
        bot.settle().await;
        let shown = issues(&bot, &group);
        assert_eq!(shown.len(), 1, "{}: {:#?}", bot.name, bot.screen(&group, "u_lin"));
        assert!(
            shown[0].contains("每周资讯 第 1 期") && shown[0].contains("周五下午停电"),
            "{}: {shown:?}",
            bot.name
        );

        bot.restart("").await;
        bot.settle().await;
        bot.clock.advance(Duration::from_secs(3600));
        bot.settle().await;
        assert_eq!(issues(&bot, &group), shown, "{}: again", bot.name);
        bot
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_systems_on_one_database_send_a_column_once() {
    for on in EVERYWHERE {
        let Some(mut bot) = TestBot::start(on, Db::Postgres).await else {
            return;
        };
        let group = bot.group("研发交流", &["u_chen", "u_lin", "u_wu"]).await;
        let more = column(&bot, &group);
        bot.restart(&more).await;
        bot.settle().await;
        let twin = bot.replica().await;
        twin.system.settle().await.unwrap();
        for week in 0..3u64 {
            bot.clock.set(WEDNESDAY + Duration::from_secs(week * 7 * 86_400));
            let (a, b) = tokio::join!(bot.system().settle(), twin.system.settle());
            a.unwrap();
            b.unwrap();
            bot.settle().await;
            twin.system.settle().await.unwrap();
            let shown = issues(&bot, &group);
            assert_eq!(shown.len() as u64, week + 1, "{}: {shown:#?}", bot.name);
        }
        twin.end().await;
        bot.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_press_of_a_button_changes_the_card() {
    // On WeCom a group robot's cards have no buttons: the private card is pressed below.
    story(&[On::Feishu, On::DingTalk], |mut bot: TestBot| async move {
        let group = bot.group("研发交流", &["u_chen", "u_lin", "u_wu"]).await;
        let more = column(&bot, &group);
        bot.restart(&more).await;
        bot.settle().await;
        bot.clock.set(WEDNESDAY);
        bot.settle().await;
        let find = |bot: &TestBot| {
            let items = bot.items(&group.0, "u_lin");
            items
                .into_iter()
                .find(|i| text_of(i).contains("新的测试台到了"))
                .unwrap()
        };
        for (presses, person) in ["u_lin", "u_wu", "u_wu"].into_iter().enumerate() {
            let card = find(&bot);
            let button = buttons(&card).remove(0);
            let done = bot
                .act(Verb::Click {
                    person: person.to_owned(),
                    message: card.id.clone(),
                    action: button.action,
                    values: Default::default(),
                })
                .await;
            assert_eq!(done.callbacks_failed, 0, "{}", bot.name);
            bot.settle().await;
            // Every person counts once.
            let expected = format!("有用 {}", (presses + 1).min(2));
            let card = find(&bot);
            assert_eq!(buttons(&card)[0].label, expected, "{}: {}", bot.name, text_of(&card));
        }
        assert_eq!(issues(&bot, &group).len(), 1, "{}", bot.name);
        bot
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_send_in_for_a_column_stays_text() {
    story(&EVERYWHERE, |mut bot: TestBot| async move {
        let group = bot.group("研发交流", &["u_chen", "u_lin", "u_gu"]).await;
        let more = column(&bot, &group);
        bot.restart(&more).await;
        bot.settle().await;
        let typed = "@所有人 请看 [红包](http://evil.example/x) <at user_id=\"all\"></at>";
        bot.tells("u_lin", &format!("/投稿 每周资讯 {typed}")).await;
        // The editor sees it, and so does everyone once it is taken.
        let card = bot.private("u_gu").pop().unwrap_or_default();
        assert!(folded(&card).contains("http://evil.example/x"), "{}: {card}", bot.name);
        bot.tells("u_gu", "/栏目 采用 1").await;
        bot.clock.set(WEDNESDAY);
        bot.settle().await;
        let shown = issues(&bot, &group);
        assert_eq!(shown.len(), 1, "{}: {shown:?}", bot.name);
        for text in [&card, &shown[0]] {
            assert!(!text.contains("⟦"), "{}: it is more than text: {text}", bot.name);
            for part in ["所有人", "http://evil.example/x", "user_id"] {
                assert!(folded(text).contains(part), "{}: {part} is lost: {text}", bot.name);
            }
        }
        bot
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_week_later_every_group_has_its_report() {
    story(&EVERYWHERE, |mut bot: TestBot| async move {
        let people = ["u_chen", "u_lin", "u_wu", "u_zhao", "u_qian", "u_sun"];
        let group = bot.group("研发交流", &people).await;
        let link = bot.link(&group);
        bot.restart(&link).await;
        bot.settle().await;
        for person in people {
            bot.asks(person, &group, "今天谁有空看一下日志?").await;
        }
        bot.asks("u_lin", &group, "感谢 <@u_wu> 帮我定位了驱动问题").await;
        bot.clock.set(MONDAY - Duration::from_secs(120));
        bot.settle_for(Duration::ZERO).await;
        let before = bot.said(&group).len();
        bot.clock.set(MONDAY);
        bot.settle().await;
        let said = bot.said(&group);
        let report: Vec<&String> = said[before..].iter().filter(|l| l.contains("周")).collect();
        assert_eq!(report.len(), 1, "{}: {:#?}", bot.name, &said[before..]);
        let parts: &[&str] = match bot.stage.on {
            On::Feishu => &["第48周", "全部消息", "感谢 1 次", "提问"],
            _ => &["第48周", "仅@机器人的消息", "感谢 1 次"],
        };
        for part in parts {
            assert!(report[0].contains(part), "{}: no {part}: {}", bot.name, report[0]);
        }
        bot.restart("").await;
        bot.settle().await;
        assert_eq!(bot.said(&group).len(), said.len(), "{}: again", bot.name);
        bot
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_follow_the_departments() {
    story(&EVERYWHERE, |mut bot: TestBot| async move {
        let app = bot.stage.door().0;
        let more = format!(
            "[[group_rule]]\nid = \"rd\"\napp = \"{app}\"\ndepartment = \"研发中心\"\ndepth = 1\npreview_days = 0\n\
             owner = [\"leader\", \"bot_operator\", \"user:u_chen\"]\n"
        );
        bot.restart(&more).await;
        bot.settle().await;
        bot.tells("u_chen", "/建群 预览 规则=rd").await;
        let plan = bot.private("u_chen").pop().unwrap();
        assert!(plan.contains("新建 2 个群"), "{}: {plan}", bot.name);
        assert!(
            !bot.sim().chats().iter().any(|c| c.group),
            "{}: nothing is done yet",
            bot.name
        );
        let command = plan
            .split("确认后发:")
            .nth(1)
            .unwrap()
            .lines()
            .next()
            .unwrap()
            .trim()
            .to_owned();
        bot.tells("u_chen", &command).await;
        bot.settle().await;
        bot.settle().await;

        let mut groups: Vec<_> = bot.sim().chats().into_iter().filter(|c| c.group).collect();
        groups.sort_by_key(|g| g.members.len());
        let all = bot.private("u_chen");
        assert_eq!(groups.len(), 2, "{}: {all:#?}", bot.name);
        let mut small = groups[0].members.clone();
        small.sort();
        assert!(groups[0].name.contains("固件组"), "{}: {}", bot.name, groups[0].name);
        // The operator owns the group of a department without a leader there, and is in it.
        for person in ["u_wu", "u_zhao"] {
            assert!(small.contains(&person.to_owned()), "{}: {small:?}", bot.name);
        }
        let large = &groups[1].members;
        for person in ["u_chen", "u_lin", "u_gu", "u_wu", "u_zhao"] {
            assert!(large.contains(&person.to_owned()), "{}: {large:?}", bot.name);
        }
        for stranger in ["u_qian", "u_sun", "u_he"] {
            assert!(!large.contains(&stranger.to_owned()), "{}: {large:?}", bot.name);
        }
        for group in &groups {
            let said = bot.said(&Group(group.id.clone()));
            let welcome = said.iter().filter(|l| l.contains("欢迎来到")).count();
            assert_eq!(welcome, 1, "{}: {}: {said:#?}", bot.name, group.name);
        }

        // The plan is carried out: nothing is left to do, and the old plan is void.
        bot.tells("u_chen", "/建群 预览 规则=rd").await;
        let again = bot.private("u_chen").pop().unwrap();
        assert!(again.contains("没有要改动的"), "{}: {again}", bot.name);
        bot.tells("u_chen", &command).await;
        let chats = bot.sim().chats().into_iter().filter(|c| c.group).count();
        assert_eq!(chats, 2, "{}", bot.name);
        bot
    })
    .await;
}
