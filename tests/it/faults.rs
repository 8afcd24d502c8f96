//! The platform fails: it is slow, says no for a moment, or does what was asked and does not say so.

use std::time::Duration;

use hutong_model::Timestamp;
use hutong_simkit::FaultKind;

use crate::support::{EVERYWHERE, On, TestBot, story};

const WEDNESDAY: Timestamp = Timestamp::from_secs(1_795_570_200);
const MONDAY: Timestamp = Timestamp::from_secs(1_796_004_000);

/// What a platform says when it is asked too much, in its own words.
fn too_fast(on: On) -> FaultKind {
    let code = match on {
        On::Feishu => 99_991_400,
        On::DingTalk => 403,
        On::WeCom => 45_009,
    };
    // One of them tells its codes as words.
    let text = "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi".to_owned();
    FaultKind::Code { code, text }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platform_that_says_wait_gets_everything_once() {
    story(&EVERYWHERE, |bot: TestBot| async move {
        let group = bot.group("研发交流", &["u_chen", "u_lin", "u_wu"]).await;
        for (n, kind) in [FaultKind::Status { status: 429 }, too_fast(bot.stage.on)]
            .into_iter()
            .enumerate()
        {
            let before = (bot.said(&group).len(), bot.private("u_wu").len());
            bot.fault("", 2, kind.clone());
            let (giver, receiver) = [("u_lin", "u_wu"), ("u_chen", "u_wu")][n];
            bot.asks(giver, &group, &format!("感谢 <@{receiver}> 帮我定位了驱动问题"))
                .await;
            bot.settle().await;
            let after = (bot.said(&group).len(), bot.private("u_wu").len());
            assert_eq!(
                after,
                (before.0 + 1, before.1 + 1),
                "{}: {kind:?}: {:#?}",
                bot.name,
                bot.outbox().await
            );
        }
        bot
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_was_taken_back_is_renewed() {
    story(&EVERYWHERE, |bot: TestBot| async move {
        let group = bot.group("研发交流", &["u_chen", "u_lin", "u_wu"]).await;
        bot.asks("u_lin", &group, "/me").await;
        bot.fault("", 1, FaultKind::RevokeTokens);
        bot.asks("u_lin", &group, "/me").await;
        bot.asks("u_wu", &group, "/me").await;
        let seen = (bot.private("u_lin").len(), bot.private("u_wu").len());
        assert_eq!(seen, (2, 1), "{}: {:#?}", bot.name, bot.outbox().await);
        bot
    })
    .await;
}

async fn with_column(bot: &mut TestBot) -> crate::support::Group {
    let group = bot.group("研发交流", &["u_chen", "u_lin", "u_wu"]).await;
    let (app, chat) = match bot.stage.on {
        On::WeCom => ("wc-hook", "wc-hook".to_owned()),
        _ => (bot.stage.ear().0, group.0.clone()),
    };
    let more = format!(
        "{}[[column]]\nid = \"news\"\ntitle = \"每周资讯\"\napp = \"{app}\"\nchats = [\"{chat}\"]\n\
         every = {{ weekday = \"wed\", time = \"09:30\" }}\nitems = [\"新的测试台到了\", \"周五下午停电\"]\n",
        bot.link(&group)
    );
    bot.restart(&more).await;
    bot.settle().await;
    group
}

/// The path of the call that shows a column.
fn column_path(on: On) -> &'static str {
    match on {
        On::Feishu => "/im/v1/messages",
        On::DingTalk => "/card/instances/createAndDeliver",
        On::WeCom => "/webhook/send",
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_announcement_whose_answer_is_lost_is_on_the_screen_once() {
    story(&EVERYWHERE, |mut bot: TestBot| async move {
        let group = with_column(&mut bot).await;
        bot.fault(column_path(bot.stage.on), 1, FaultKind::AcceptThenCut);
        bot.clock.set(WEDNESDAY);
        bot.settle().await;
        let parked = "SELECT COUNT(*) AS n FROM outbox WHERE state = 'needs_decision'";
        // Where a key makes a repeat harmless it is repeated; elsewhere a person decides.
        let expected = i64::from(bot.stage.on == On::WeCom);
        bot.may_end_in("needs_decision");
        for _ in 0..3 {
            assert_eq!(bot.count(parked).await, expected, "{}", bot.name);
            let said = bot.said(&group);
            let shown = said.iter().filter(|l| l.contains("新的测试台到了")).count();
            assert_eq!(shown, 1, "{}: {said:#?}", bot.name);
            bot.restart("").await;
            bot.clock.advance(Duration::from_secs(40 * 60));
            bot.settle().await;
        }
        // The lane goes on behind it.
        bot.asks("u_lin", &group, "/体检").await;
        assert!(bot.said(&group).pop().unwrap().contains("一切正常"), "{}", bot.name);
        bot
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_announcement_that_may_be_lost_waits_for_a_decision() {
    // Without a key nobody can tell "lost" from "the answer was lost"; with one it is sent again.
    story(&EVERYWHERE, |mut bot: TestBot| async move {
        let group = with_column(&mut bot).await;
        bot.fault(column_path(bot.stage.on), 1, FaultKind::Cut);
        bot.clock.set(WEDNESDAY);
        bot.settle().await;
        bot.may_end_in("needs_decision");
        let shown = bot.said(&group).iter().filter(|l| l.contains("新的测试台到了")).count();
        let parked = bot
            .count("SELECT COUNT(*) AS n FROM outbox WHERE state = 'needs_decision'")
            .await;
        let expected = if bot.stage.on == On::WeCom { (0, 1) } else { (1, 0) };
        assert_eq!((shown, parked), expected, "{}", bot.name);
        bot
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_without_a_key_is_never_sent_twice() {
    story(&[On::DingTalk, On::WeCom], |mut bot: TestBot| async move {
        let people = ["u_chen", "u_lin", "u_wu", "u_zhao", "u_qian", "u_sun"];
        let group = bot.group("研发交流", &people).await;
        let link = bot.link(&group);
        bot.restart(&link).await;
        for person in people {
            bot.asks(person, &group, "今天谁有空看一下日志?").await;
        }
        let path = match bot.stage.on {
            On::WeCom => "/webhook/send",
            _ => "/robot/groupMessages/send",
        };
        // Something else first, so that the access token is a good one.
        bot.clock.set(MONDAY - Duration::from_secs(600));
        bot.asks("u_lin", &group, "/me").await;
        let before = bot.said(&group).len();
        bot.fault(path, 1, FaultKind::AcceptThenCut);
        bot.clock.set(MONDAY);
        bot.settle().await;
        bot.may_end_in("needs_decision");
        for _ in 0..2 {
            let said = bot.said(&group);
            assert_eq!(
                said.len(),
                before + 1,
                "{}: {:#?} {:#?}",
                bot.name,
                &said[before..],
                bot.outbox().await
            );
            assert_eq!(
                bot.count("SELECT COUNT(*) AS n FROM outbox WHERE state = 'needs_decision'")
                    .await,
                1,
                "{}",
                bot.name
            );
            bot.restart("").await;
            bot.clock.advance(Duration::from_secs(3600));
            bot.settle().await;
        }
        bot
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_callback_comes_again_and_counts_once() {
    // Robot messages of the third platform are sent once and never repeated.
    story(&[On::Feishu, On::WeCom], |mut bot: TestBot| async move {
        bot.may_complain("lost");
        let group = bot.group("研发交流", &["u_chen", "u_lin", "u_wu"]).await;
        let mut fault = hutong_simkit::Fault {
            path: String::new(),
            callbacks: true,
            times: 1,
            kind: FaultKind::LoseCallback,
        };
        bot.sim().fault(fault.clone());
        let say = |text: &str| hutong_simkit::Verb::Say {
            person: "u_lin".to_owned(),
            chat: hutong_simkit::ChatSel::Chat(group.0.clone()),
            text: text.to_owned(),
            reply_to: None,
        };
        bot.act(say("<@bot> 感谢 <@u_wu> 帮我定位了驱动问题")).await;
        bot.settle_for(Duration::ZERO).await;
        assert_eq!(
            bot.count("SELECT COUNT(*) AS n FROM ledger_tx").await,
            0,
            "{}",
            bot.name
        );
        bot.clock.advance(Duration::from_secs(16));
        assert_eq!(bot.sim().repeat_due().await, 1, "{}", bot.name);
        bot.settle().await;
        assert_eq!(
            bot.count("SELECT COUNT(*) AS n FROM ledger_tx").await,
            1,
            "{}",
            bot.name
        );

        fault.kind = FaultKind::Duplicate { times: 3 };
        bot.sim().fault(fault);
        bot.act(say("<@bot> 感谢 <@u_chen> 帮我定位了驱动问题")).await;
        bot.settle().await;
        assert_eq!(
            bot.count("SELECT COUNT(*) AS n FROM ledger_tx").await,
            2,
            "{}",
            bot.name
        );
        assert_eq!(bot.private("u_chen").len(), 1, "{}", bot.name);
        bot
    })
    .await;
}
