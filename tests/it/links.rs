//! A company whose bot no platform can call: everything comes over a long connection.

use std::time::Duration;

use hutong_simkit::{Fault, FaultKind, Verb};

use crate::support::{Db, On, TestBot};

/// The platforms whose simulator keeps long connections.
const CONNECTED: [On; 2] = [On::Feishu, On::DingTalk];

const ENTRIES: &str = "SELECT COUNT(*) AS n FROM ledger_tx";

fn fault(kind: FaultKind) -> Fault {
    Fault {
        path: String::new(),
        callbacks: false,
        times: 1,
        kind,
    }
}

async fn metrics(bot: &TestBot, through_proxy: bool) -> (u16, String) {
    let client = hutong_simkit::ladder::loopback_client(Duration::from_secs(10)).unwrap();
    let mut call = client.get(format!("http://{}/metrics", bot.running().address));
    if through_proxy {
        call = call.header("x-forwarded-for", "203.0.113.9");
    }
    let answer = call.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_company_over_long_connections() {
    for on in CONNECTED {
        for db in [Db::Sqlite, Db::Postgres] {
            let Some(mut bot) = TestBot::start_connected(on, db).await else {
                continue;
            };
            let group = bot.group("研发交流", &["u_chen", "u_lin", "u_wu"]).await;
            bot.asks("u_lin", &group, "感谢 <@u_wu> 帮我定位了驱动问题").await;
            assert_eq!(bot.count(ENTRIES).await, 1, "{}", bot.name);
            let done = bot.act(Verb::RepeatCallbacks { count: 3 }).await;
            assert!(
                done.callbacks_ok > 0 && done.callbacks_failed == 0,
                "{}: {done:?}",
                bot.name
            );
            bot.settle().await;
            assert_eq!(bot.count(ENTRIES).await, 1, "{}: a repeat is a repeat", bot.name);

            // Cut without a word: it is connected again, and nothing is missing.
            bot.sim().fault(fault(FaultKind::DropLink));
            bot.connected().await;
            bot.asks("u_wu", &group, "感谢 <@u_chen> 一起排查了死锁").await;
            assert_eq!(bot.count(ENTRIES).await, 2, "{}: {:?}", bot.name, bot.said(&group));
            let (_, figures) = bot
                .system()
                .links
                .all()
                .map(|(app, f)| (app.clone(), f.snapshot()))
                .next()
                .unwrap();
            assert_eq!(
                (figures.standing.as_str(), figures.reconnects),
                ("ready", 1),
                "{}",
                bot.name
            );
            assert!(figures.last_event.is_some());

            // The operator sees how it receives.
            bot.tells("u_chen", "/体检").await;
            let said = bot.private("u_chen").join("\n");
            assert!(said.contains("接收:长连接,已连"), "{}: {said}", bot.name);
            assert!(said.contains("上次重连:连接中断"), "{}: {said}", bot.name);

            // A program on this machine reads the figures, nobody else does.
            let (status, text) = metrics(&bot, false).await;
            let app = bot.stage.ear().0;
            assert_eq!(status, 200);
            for line in [
                format!("hutong_link_state{{app=\"{app}\",state=\"ready\"}} 1"),
                format!("hutong_link_state{{app=\"{app}\",state=\"waiting\"}} 0"),
                format!("hutong_link_reconnects_total{{app=\"{app}\"}} 1"),
                format!("hutong_link_ends_total{{app=\"{app}\",cause=\"broken\"}} 1"),
                "hutong_ingress_requests_total 0".to_owned(),
                "hutong_delivery_outcomes_total{outcome=\"rejected\"} 0".to_owned(),
                "hutong_inbox_waiting 0".to_owned(),
            ] {
                assert!(text.lines().any(|l| l == line), "{}: {line} in\n{text}", bot.name);
            }
            assert!(
                text.lines()
                    .any(|l| l.starts_with("hutong_outbox_rows{state=\"sent\"} ")),
                "{text}"
            );
            assert_eq!(metrics(&bot, true).await.0, 404, "{}", bot.name);

            // A restart ends the connection in good order and opens another.
            bot.restart("").await;
            bot.connected().await;
            bot.asks("u_chen", &group, "感谢 <@u_lin> 审了我的补丁").await;
            assert_eq!(bot.count(ENTRIES).await, 3, "{}", bot.name);
            bot.finish().await;
        }
    }
}
