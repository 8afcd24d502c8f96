//! What a month's quota has been used for is known after a restart, and to the operator.

use hutong_model::{Clock as _, QuotaUse};

use crate::support::{Db, On, TestBot};

fn usage(bot: &TestBot) -> QuotaUse {
    let app = bot.system().config.apps.iter().find(|a| a.id.as_str() == "dt").unwrap();
    app.adapter.quota().unwrap().usage(bot.clock.now())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_monthly_count_survives_a_restart() {
    for db in [Db::Sqlite, Db::Postgres] {
        let Some(mut bot) = TestBot::start(On::DingTalk, db).await else {
            continue;
        };
        let group = bot.group("研发交流", &["u_chen", "u_lin", "u_wu"]).await;
        bot.asks("u_lin", &group, "感谢 <@u_wu> 帮我定位了驱动问题").await;
        bot.settle().await;
        let before = usage(&bot);
        assert!(before.calls > 0, "{}: {before:?}", bot.name);
        bot.restart("").await;
        assert_eq!(usage(&bot), before, "{}", bot.name);
        bot.asks("u_chen", &group, "感谢 <@u_lin> 审了我的补丁").await;
        bot.settle().await;
        assert!(usage(&bot).calls > before.calls, "{}", bot.name);

        // Near the end of the month's calls the operator sees what is left.
        bot.execute("UPDATE api_quota SET calls = 4600").await;
        bot.restart("").await;
        bot.tells("u_chen", "/体检").await;
        let said = bot.private("u_chen").join("\n");
        assert!(
            said.contains("本月额度剩 400/5000 次,已暂停提示类消息"),
            "{}: {said}",
            bot.name
        );
        bot.may_end_in("dropped");
        bot.finish().await;
    }
}
