//! People talk to the bot: thanks, help, rights, recalls, text that wants to be more than text.

use std::time::Duration;

use hutong_simkit::{ChatSel, Verb};

use crate::support::{EVERYWHERE, On, TestBot, folded, story};

const ENTRIES: &str = "SELECT COUNT(*) AS n FROM ledger_tx";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thanks_are_booked_once_whatever_the_platform_repeats() {
    story(&EVERYWHERE, |mut bot: TestBot| async move {
        let group = bot.group("研发交流", &["u_chen", "u_lin", "u_wu", "u_qian"]).await;
        bot.asks("u_lin", &group, "感谢 <@u_wu> 帮我定位了驱动问题 #协作").await;
        assert_eq!(
            bot.count(ENTRIES).await,
            1,
            "{}: {:?}",
            bot.name,
            bot.screen(&group, "u_lin")
        );
        let before = (bot.said(&group), bot.private("u_wu"));
        assert!(
            before.0.iter().any(|l| l.contains("吴桐") && l.contains("+1")),
            "{}: {before:?}",
            bot.name
        );
        assert_eq!(before.1.len(), 1, "{}: {before:?}", bot.name);
        assert!(before.1[0].contains("帮我定位了驱动问题"), "{}: {before:?}", bot.name);

        for round in 0..3 {
            let done = bot.act(Verb::RepeatCallbacks { count: 4 }).await;
            assert!(
                done.callbacks_ok > 0 && done.callbacks_failed == 0,
                "{}: {done:?}",
                bot.name
            );
            bot.settle().await;
            if round == 1 {
                bot.restart("").await;
            }
        }
        assert_eq!(bot.count(ENTRIES).await, 1, "{}", bot.name);
        assert_eq!((bot.said(&group), bot.private("u_wu")), before, "{}", bot.name);

        // Hours later it is still the same message.
        bot.clock.advance(Duration::from_secs(7 * 3600));
        bot.restart("").await;
        let again = bot.act(Verb::RepeatCallbacks { count: 4 }).await;
        assert_eq!(again.callbacks_failed, 0, "{}", bot.name);
        bot.settle().await;
        assert_eq!(bot.count(ENTRIES).await, 1, "{}", bot.name);
        assert_eq!(bot.private("u_wu"), before.1, "{}", bot.name);
        bot
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn help_me_and_health_answer_everywhere() {
    story(&EVERYWHERE, |bot: TestBot| async move {
        let group = bot.group("研发交流", &["u_chen", "u_lin", "u_wu"]).await;
        bot.asks("u_lin", &group, "/帮助").await;
        let help = bot.said(&group).pop().unwrap();
        assert!(
            help.contains("/体检") && help.lines().count() <= 13,
            "{}: {help}",
            bot.name
        );
        // Commands of operators are not for everyone's eyes.
        assert!(!help.contains("冲正"), "{}: {help}", bot.name);

        bot.asks("u_lin", &group, "/体检").await;
        assert!(bot.said(&group).pop().unwrap().contains("一切正常"), "{}", bot.name);

        let before = bot.said(&group).len();
        bot.asks("u_lin", &group, "/me").await;
        let me = bot.private("u_lin").pop().unwrap_or_default();
        for part in ["林立", "研发中心", "角色:成员"] {
            assert!(me.contains(part), "{}: {me}", bot.name);
        }
        assert!(
            !bot.said(&group)[before..].iter().any(|l| l.contains("研发中心")),
            "{}",
            bot.name
        );

        bot.tells("u_chen", "/help").await;
        let help = bot.private("u_chen").pop().unwrap();
        assert!(
            help.contains("建群 预览") || help.contains("积分 冲正"),
            "{}: {help}",
            bot.name
        );
        bot.tells("u_chen", "/health").await;
        let health = bot.private("u_chen").pop().unwrap();
        for part in ["体检", "看得到", "待处理", "通讯录:8 人"] {
            assert!(health.contains(part), "{}: {health}", bot.name);
        }
        bot
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_command_gets_a_private_hint() {
    story(&EVERYWHERE, |bot: TestBot| async move {
        let group = bot.group("研发交流", &["u_chen", "u_lin"]).await;
        let before = bot.said(&group).len();
        bot.asks("u_lin", &group, "/体捡").await;
        let hint = bot.private("u_lin").pop().unwrap_or_default();
        assert!(
            hint.contains("没有「/体捡」") && hint.contains("/体检"),
            "{}: {hint}",
            bot.name
        );
        assert!(
            !bot.said(&group)[before..].iter().any(|l| l.contains("体捡")),
            "{}",
            bot.name
        );
        bot
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_cannot_use_what_operators_use() {
    story(&EVERYWHERE, |bot: TestBot| async move {
        let group = bot.group("研发交流", &["u_chen", "u_lin", "u_wu"]).await;
        bot.asks("u_lin", &group, "/积分 奖 <@u_wu> 20 原因=整理了测试规范")
            .await;
        let answer = bot.private("u_lin").pop().unwrap_or_default();
        assert!(
            answer.contains("没有权限") && answer.contains("运营"),
            "{}: {answer}",
            bot.name
        );
        assert_eq!(bot.count(ENTRIES).await, 0, "{}", bot.name);
        assert_eq!(
            bot.count("SELECT COUNT(*) AS n FROM audit WHERE action = 'denied'")
                .await,
            1
        );
        assert_eq!(bot.private("u_wu"), Vec::<String>::new(), "{}", bot.name);
        bot
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recalled_message_gives_its_points_back() {
    // The other two tell nobody that a message was taken back.
    story(&[On::Feishu], |bot: TestBot| async move {
        let group = bot.group("研发交流", &["u_chen", "u_lin", "u_wu"]).await;
        let message = bot.asks("u_lin", &group, "感谢 <@u_wu> 帮我定位了驱动问题").await;
        let sum = "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) AS n FROM ledger_balance WHERE owner <> '' AND currency = 'score'";
        assert!(bot.count(sum).await > 0, "{}", bot.name);
        assert!(bot.said(&group).iter().any(|l| l.contains("吴桐")), "{}", bot.name);
        bot.act(Verb::Recall {
            person: "u_lin".to_owned(),
            message,
        })
        .await;
        bot.settle().await;
        assert_eq!(bot.count(sum).await, 0, "{}", bot.name);
        assert_eq!(bot.count(ENTRIES).await, 2, "{}: a reversal, nothing deleted", bot.name);
        assert!(!bot.said(&group).iter().any(|l| l.contains("吴桐")), "{}: the line stays", bot.name);
        assert!(bot.private("u_wu").pop().unwrap().contains("取消") , "{}: {:?}", bot.name, bot.private("u_wu"));
        bot
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_write_stays_text() {
    // With spaces where the simulators' own notation would begin.
    const EVIL: [&str; 5] = [
        "<at user_id=\"all\"></at> 大家快来看看呀",
        "<at id=all></at> <!everyone> 大家快来看看呀",
        "点 [我](领红包) 或 <a href=\"evil.example\">点这里</a>",
        "**粗体** ~~删~~ <font color='red'>红</font>",
        "# 标题 | 表 | {{name}} ${x} &lt;b&gt;",
    ];
    story(&EVERYWHERE, |bot: TestBot| async move {
        let people = ["u_chen", "u_lin", "u_wu", "u_qian", "u_sun", "u_he", "u_gu"];
        let group = bot.group("研发交流", &people).await;
        let givers = ["u_lin", "u_qian", "u_sun", "u_he", "u_gu"];
        for (giver, evil) in givers.iter().zip(EVIL) {
            bot.asks(giver, &group, &format!("感谢 <@u_wu> 做得很好很仔细 {evil}"))
                .await;
        }
        let (lines, cards) = (bot.said(&group).join("\n"), bot.private("u_wu").join("\n"));
        for shown in [&lines, &cards] {
            for mark in ["⟦@@⟧", "→"] {
                assert!(!shown.contains(mark), "{}: {mark} in {shown}", bot.name);
            }
            for evil in EVIL {
                assert!(
                    folded(shown).contains(&folded(evil)),
                    "{}: {evil} is not shown as it was written: {shown}",
                    bot.name
                );
            }
        }
        bot
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn private_talk_reaches_the_same_person() {
    story(&EVERYWHERE, |bot: TestBot| async move {
        bot.act(Verb::OpenDirect {
            person: "u_lin".to_owned(),
            app: bot.stage.door().1,
        })
        .await;
        bot.act(Verb::Say {
            person: "u_lin".to_owned(),
            chat: ChatSel::DirectWith(bot.stage.door().1),
            text: "今天天气不错".to_owned(),
            reply_to: None,
        })
        .await;
        bot.settle().await;
        let before = bot.private("u_lin").len();
        bot.tells("u_lin", "/语言 en").await;
        bot.tells("u_lin", "/me").await;
        let me = bot.private("u_lin").pop().unwrap();
        assert!(me.contains("this is you"), "{}: {me}", bot.name);
        assert_eq!(bot.private("u_lin").len(), before + 2, "{}", bot.name);
        bot
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_card_changes_when_its_button_is_pressed() {
    story(&EVERYWHERE, |bot: TestBot| async move {
        let group = bot.group("研发交流", &["u_chen", "u_lin", "u_wu"]).await;
        bot.asks("u_lin", &group, "感谢 <@u_wu> 帮我定位了驱动问题").await;
        bot.tells("u_wu", "/积分").await;
        for (label, after) in [("有疑问", "撤回疑问"), ("撤回疑问", "有疑问")] {
            // The newest card: not every platform can change one that stands already.
            let mut items = bot.private_items("u_wu");
            items.retain(|i| !crate::support::buttons(i).is_empty());
            let card = items.pop().unwrap();
            let button = crate::support::buttons(&card).remove(0);
            assert_eq!(button.label, label, "{}", bot.name);
            let done = bot
                .act(Verb::Click {
                    person: "u_wu".to_owned(),
                    message: card.id,
                    action: button.action,
                    values: Default::default(),
                })
                .await;
            assert_eq!(done.callbacks_failed, 0, "{}", bot.name);
            bot.settle().await;
            let open = bot.count("SELECT COUNT(*) AS n FROM points_dispute WHERE open").await;
            assert_eq!(open, i64::from(label == "有疑问"), "{}", bot.name);
            let shown = bot.private("u_wu").join("\n");
            assert!(shown.contains(&format!("<{after}>")), "{}: {shown}", bot.name);
        }
        bot
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_two_people_share_is_nobody() {
    // The one platform that hands over mentions as names.
    story(&[On::WeCom], |bot: TestBot| async move {
        let group = bot.group("研发交流", &["u_chen", "u_lin", "u_wu"]).await;
        let mut twin = bot.sim().people().into_iter().find(|p| p.id == "u_wu").unwrap();
        twin.id = "u_wu2".to_owned();
        twin.employee_no = "E099".to_owned();
        bot.act(Verb::Hire { person: twin }).await;
        for (app, result) in hutong::app::sync_directory(bot.system()).await {
            result.unwrap_or_else(|e| panic!("{app}: {e}"));
        }
        bot.asks("u_lin", &group, "感谢 <@u_wu> 帮我定位了驱动问题").await;
        let hint = bot.private("u_lin").pop().unwrap_or_default();
        assert!(hint.contains("没认出「吴桐」"), "{}: {hint}", bot.name);
        assert_eq!(bot.count(ENTRIES).await, 0, "{}", bot.name);
        bot
    })
    .await;
}
