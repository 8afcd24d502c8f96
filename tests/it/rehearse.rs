//! What a rehearsal lists is what is really sent; it leaves no trace; and the bot says no more of its
//! own accord than its budget.

use std::process::{Command, Output};
use std::time::Duration;

use hutong::rehearse::{self, Moved, Options, Place, Problem, Rehearsal};
use hutong_model::{ActionKind, Clock as _, Timestamp};

use crate::support::{Db, EVERYWHERE, Group, On, TestBot, story};

/// Wednesday 2026-11-25, 09:00 in Shanghai.
const WEDNESDAY: Timestamp = Timestamp::from_secs(1_795_568_400);
const WEEK: Duration = Duration::from_secs(7 * 86_400);

fn place(bot: &TestBot, group: &Group) -> (&'static str, String) {
    match bot.stage.on {
        On::WeCom => ("wc-hook", "wc-hook".to_owned()),
        _ => (bot.stage.ear().0, group.0.clone()),
    }
}

fn column(bot: &TestBot, group: &Group, id: &str, every: &str) -> String {
    let (app, chat) = place(bot, group);
    format!(
        "[[column]]\nid = \"{id}\"\ntitle = \"栏目{id}\"\napp = \"{app}\"\nchats = [\"{chat}\"]\n\
         every = {every}\nitems = [\"甲\", \"乙\"]\n"
    )
}

/// Five columns on Wednesday morning, and one on Friday.
fn six(bot: &TestBot, group: &Group) -> String {
    let mut text = bot.link(group);
    for n in 0..5 {
        let every = format!("{{ weekday = \"wed\", time = \"09:{}0\" }}", n + 1);
        text.push_str(&column(bot, group, &format!("w{n}"), &every));
    }
    text.push_str(&column(bot, group, "fri", "{ weekday = \"fri\", time = \"16:00\" }"));
    text
}

async fn rehearsed(bot: &TestBot, days: u32) -> Rehearsal {
    let (copy, ground) = rehearse::copy_of(Some(&bot.place.url)).await.unwrap();
    let options = Options {
        days,
        from: bot.clock.now(),
    };
    let outcome = rehearse::run(&bot.system().config, &copy, ground, options)
        .await
        .unwrap();
    copy.close().await;
    outcome
}

/// Minute, app, destination and text of what the bot sent of its own accord since.
async fn really_sent(bot: &TestBot, since: Timestamp) -> Vec<(i64, String, String, String)> {
    let sql = format!(
        "SELECT app, lane, summary, created_at FROM outbox WHERE state = 'sent' AND action = 'send' AND \
         interactive = FALSE AND part = 0 AND created_at > {} ORDER BY seq",
        since.millis()
    );
    let rows = bot.system().store.query(sql).all().await.unwrap();
    let mut list: Vec<_> = rows
        .iter()
        .map(|row| {
            let lane: String = row.get("lane").unwrap();
            (
                row.get::<i64>("created_at").unwrap() / 60_000,
                row.get("app").unwrap(),
                lane.split_once(':').unwrap().1.to_owned(),
                row.get("summary").unwrap(),
            )
        })
        .collect();
    list.sort();
    list
}

fn listed(outcome: &Rehearsal) -> Vec<(i64, String, String, String)> {
    let mut list: Vec<_> = outcome
        .entries
        .iter()
        .filter(|e| e.action == ActionKind::Send)
        .map(|e| {
            (
                e.at.millis() / 60_000,
                e.app.as_str().to_owned(),
                e.place.id().to_owned(),
                e.text.clone(),
            )
        })
        .collect();
    list.sort();
    list
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_rehearsed_is_what_is_sent() {
    story(&EVERYWHERE, |mut bot: TestBot| async move {
        let group = bot.group("研发交流", &["u_chen", "u_lin", "u_wu"]).await;
        let more = six(&bot, &group);
        bot.restart(&more).await;
        bot.settle().await;
        bot.says("u_lin", &group, "今天的构建坏了吗?").await;
        bot.asks("u_wu", &group, "/我").await;
        let begin = bot.clock.now();
        let outcome = rehearsed(&bot, 7).await;
        bot.settle_for(WEEK - Duration::from_millis(1)).await;
        let (listed, sent) = (listed(&outcome), really_sent(&bot, begin).await);
        assert_eq!(listed, sent, "{}", bot.name);
        // Three of five columns on Wednesday, two together on Thursday, one on Friday, a report on Monday
        // where the group is seen.
        assert!(sent.len() >= 5, "{}: {sent:#?}", bot.name);
        let digest = outcome.entries.iter().find(|e| !e.merges.is_empty());
        assert_eq!(
            digest.map(|e| (e.merges.len(), e.day())),
            Some((2, "2026-11-26")),
            "{}",
            bot.name
        );
        assert!(
            matches!(
                outcome.problems.as_slice(),
                [Problem::Budget {
                    messages: 2,
                    limit: 3,
                    ..
                }]
            ),
            "{}: {:?}",
            bot.name,
            outcome.problems
        );
        let crowded = outcome.entries.iter().find(|e| e.source == "columns:w1").unwrap();
        assert!(crowded.collides.contains(&"columns:w0".to_owned()), "{}", bot.name);
        assert_eq!(crowded.budget, Some((2, 3)), "{}", bot.name);
        assert!(matches!(crowded.place, Place::Group { .. }));
        bot
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_hears_three_a_day_and_the_rest_in_the_morning() {
    // A group robot of WeCom draws no buttons; its digest is text.
    story(&[On::Feishu, On::DingTalk], |mut bot: TestBot| async move {
        let group = bot.group("研发交流", &["u_chen", "u_lin", "u_wu"]).await;
        let more = six(&bot, &group);
        bot.restart(&more).await;
        bot.settle().await;
        bot.clock.set(WEDNESDAY);
        bot.settle_for(Duration::from_secs(3600)).await;
        let columns = |bot: &TestBot| {
            bot.said(&group)
                .into_iter()
                .filter(|t| t.contains("栏目"))
                .collect::<Vec<_>>()
        };
        let shown = columns(&bot);
        assert_eq!(shown.len(), 3, "{}: {shown:#?}", bot.name);
        let status = bot.asks("u_chen", &group, "/静音 状态").await;
        let said = bot.said(&group).join("\n");
        assert!(
            said.contains("今天主动发言 3/3 条,等待 2 条"),
            "{} {status}: {said}",
            bot.name
        );
        // A restart and a second replica change nothing.
        bot.restart("").await;
        bot.settle_for(Duration::from_secs(86_400)).await;
        let shown = columns(&bot);
        assert_eq!(shown.len(), 4, "{}: {shown:#?}", bot.name);
        assert!(
            shown[3].contains("汇总 · 2 条") && shown[3].contains("栏目w3") && shown[3].contains("栏目w4"),
            "{}: {}",
            bot.name,
            shown[3]
        );
        // A press on a button inside the digest changes that part and leaves the rest.
        let item = bot
            .items(&group.0, "u_lin")
            .into_iter()
            .rev()
            .find(|i| crate::support::text_of(i).contains("汇总"));
        let item = item.unwrap();
        let button = crate::support::buttons(&item).remove(0);
        bot.act(hutong_simkit::Verb::Click {
            person: "u_lin".to_owned(),
            message: item.id.clone(),
            action: button.action,
            values: Default::default(),
        })
        .await;
        bot.settle().await;
        let item = bot
            .items(&group.0, "u_lin")
            .into_iter()
            .find(|i| i.id == item.id)
            .unwrap();
        let text = crate::support::text_of(&item);
        assert!(
            text.contains("栏目w3") && text.contains("栏目w4"),
            "{}: {text}",
            bot.name
        );
        let labels: Vec<String> = crate::support::buttons(&item).into_iter().map(|b| b.label).collect();
        assert!(labels.iter().any(|l| l == "有用 1"), "{}: {labels:?}", bot.name);
        bot
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_muted_group_hears_answers_only_until_it_ends() {
    story(&EVERYWHERE, |mut bot: TestBot| async move {
        let group = bot.group("研发交流", &["u_chen", "u_lin", "u_wu"]).await;
        let more = six(&bot, &group);
        bot.restart(&more).await;
        bot.settle().await;
        bot.asks("u_lin", &group, "/静音 群 3天").await;
        bot.asks("u_chen", &group, "/静音 群 三天").await;
        let ear = bot.stage.ear().0;
        assert_eq!(
            bot.count("SELECT COUNT(*) AS n FROM noise_mute").await,
            0,
            "{}: {ear}",
            bot.name
        );
        bot.asks("u_chen", &group, "/静音 群 3天").await;
        assert_eq!(
            bot.count("SELECT COUNT(*) AS n FROM noise_mute").await,
            1,
            "{}",
            bot.name
        );
        bot.clock.set(WEDNESDAY);
        bot.settle_for(Duration::from_secs(86_400)).await;
        let columns = |bot: &TestBot| bot.said(&group).iter().filter(|t| t.contains("栏目w")).count();
        assert_eq!(columns(&bot), 0, "{}", bot.name);
        bot.asks("u_lin", &group, "/帮助").await;
        assert_eq!(
            bot.count("SELECT COUNT(*) AS n FROM noise_waiting").await,
            5,
            "{}",
            bot.name
        );
        bot.asks("u_chen", &group, "/静音 取消").await;
        bot.settle_for(Duration::from_secs(86_400)).await;
        assert_eq!(
            bot.count("SELECT COUNT(*) AS n FROM noise_waiting").await,
            0,
            "{}",
            bot.name
        );
        assert!(columns(&bot) > 0, "{}: {:#?}", bot.name, bot.said(&group));
        // What is left of the morning's messages leaves at the pace of the platform.
        bot.settle().await;
        bot
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rehearsal_asked_for_in_a_chat_comes_in_private_page_by_page() {
    story(&EVERYWHERE, |mut bot: TestBot| async move {
        let group = bot.group("研发交流", &["u_chen", "u_lin", "u_wu"]).await;
        let more = six(&bot, &group);
        bot.restart(&more).await;
        bot.settle().await;
        let outbox = bot.count("SELECT COUNT(*) AS n FROM outbox WHERE part = 0").await;
        bot.tells("u_chen", "/预演 14天").await;
        let private = bot.private("u_chen").join("\n");
        assert!(
            private.contains("预演 · 未来 14 天") && private.contains("超出每天 3 条") && private.contains("第 1/"),
            "{}: {private}",
            bot.name
        );
        // Two answers and nothing else: what was rehearsed was not sent.
        assert_eq!(
            bot.count("SELECT COUNT(*) AS n FROM outbox WHERE part = 0").await,
            outbox + 2,
            "{}",
            bot.name
        );
        assert_eq!(
            bot.count("SELECT COUNT(*) AS n FROM column_issue").await,
            0,
            "{}",
            bot.name
        );
        bot.tells("u_chen", "/预演 多少天").await;
        assert!(
            bot.private("u_chen").join("\n").contains("请写 1 到 92 天"),
            "{}",
            bot.name
        );
        bot.tells("u_lin", "/预演 14天").await;
        assert!(!bot.private("u_lin").join("\n").contains("未来 14 天"), "{}", bot.name);
        bot
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holiday_moves_an_issue_and_an_empty_one_is_named() {
    let mut bot = TestBot::start(On::Feishu, Db::Sqlite).await.unwrap();
    let group = bot.group("研发交流", &["u_chen", "u_lin"]).await;
    let mut more = column(&bot, &group, "mon", "{ weekday = \"mon\", time = \"09:30\" }");
    more.push_str(
        &column(&bot, &group, "empty", "{ weekday = \"tue\", time = \"09:30\" }").replace("[\"甲\", \"乙\"]", "[]"),
    );
    bot.restart(&more).await;
    // 2026-09-29, before the National Day break.
    bot.clock.set(Timestamp::from_secs(1_790_668_800));
    let options = Options {
        days: 14,
        from: bot.clock.now(),
    };
    let (copy, ground) = rehearse::copy_of(None).await.unwrap();
    let outcome = rehearse::run(&bot.system().config, &copy, ground, options)
        .await
        .unwrap();
    let moved: Vec<_> = outcome
        .entries
        .iter()
        .filter_map(|e| e.moved.as_ref().map(|m| (e.day(), m)))
        .collect();
    let [("2026-10-08", Moved::DayOff { from, holiday_zh, .. })] = moved.as_slice() else {
        panic!("{moved:?}");
    };
    assert_eq!(
        (from.to_string().as_str(), holiday_zh.as_deref()),
        ("2026-10-05", Some("国庆节"))
    );
    let silent = outcome
        .problems
        .iter()
        .filter(|p| matches!(p, Problem::Silent { source, .. } if source == "columns:empty"));
    assert!(silent.count() >= 1, "{:?}", outcome.problems);
    let text = rehearse::report::text(&outcome, hutong::text::Lang::En);
    assert!(text.contains("moved from 10-05 (National Day)"), "{text}");
    bot.finish().await;
}

/// A file of the bot's configuration beside its database, for the program as a process.
fn file(bot: &TestBot, folder: &std::path::Path, name: &str, more: &str) -> String {
    let text = format!(
        "[store]\nurl = {:?}\n[company]\nname = \"石榴巷\"\n{}[points]\n[report]\n{more}",
        bot.place.url,
        bot.stage.config()
    );
    std::fs::write(folder.join(name), text).unwrap();
    name.to_owned()
}

async fn hutong(folder: &std::path::Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hutong"));
    command.args(arguments).current_dir(folder);
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_works_beside_a_running_service_and_leaves_no_trace() {
    for db in [Db::Sqlite, Db::Postgres] {
        let Some(bot) = TestBot::start(On::Feishu, db).await else {
            continue;
        };
        let group = bot.group("研发交流", &["u_chen", "u_lin", "u_wu"]).await;
        let folder = tempfile::tempdir().unwrap();
        let one = column(&bot, &group, "news", "{ weekday = \"wed\", time = \"09:30\" }");
        let good = file(&bot, folder.path(), "good.toml", &one);
        let later = file(&bot, folder.path(), "later.toml", &one.replace("09:30", "15:00"));
        let six = six(&bot, &group);
        let loud = file(&bot, folder.path(), "loud.toml", &six);
        let bad = file(&bot, folder.path(), "bad.toml", &one.replace("\"wed\"", "1"));

        let mut before = Vec::new();
        let tables = [
            "noise_day",
            "column_issue",
            "schedule_state",
            "occurrence",
            "outbox",
            "inbox",
            "rehearsal",
            "setting",
        ];
        for table in tables {
            before.push(bot.count(&format!("SELECT COUNT(*) AS n FROM {table}")).await);
        }
        let output = hutong(
            folder.path(),
            &["rehearse", "--config", &good, "--days", "14", "--json"],
        )
        .await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{db:?} {said} {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let json: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!((json["schema"].as_i64(), json["good"].as_bool()), (Some(1), Some(true)));
        assert_eq!(json["ground"]["made_from"], "store");
        let entries = json["entries"].as_array().unwrap();
        let news: Vec<_> = entries.iter().filter(|e| e["source"] == "columns:news").collect();
        assert!(!news.is_empty(), "{said}");
        assert_eq!(news[0]["place"]["name"], "研发交流");
        assert_eq!(news[0]["audience"], 3);
        for (table, n) in tables.iter().zip(before) {
            assert_eq!(
                bot.count(&format!("SELECT COUNT(*) AS n FROM {table}")).await,
                n,
                "{db:?} {table}"
            );
        }

        let output = hutong(
            folder.path(),
            &["rehearse", "--config", &loud, "--days", "14", "--lang", "en"],
        )
        .await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{db:?} {said}");
        assert!(
            said.contains("above 3 a day") && said.contains("研发交流, 3 people"),
            "{said}"
        );

        let arguments = ["rehearse", "--config", &later, "--days", "14", "--against", &good];
        let output = hutong(folder.path(), &arguments).await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{db:?} {said}");
        assert!(
            said.contains("与 good.toml 相比") && said.contains("  ~ ") && said.contains("09:30 改到"),
            "{said}"
        );

        let output = hutong(folder.path(), &["rehearse", "--config", &good, "--against", "running"]).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("start the service once"), "{said}");

        let output = hutong(folder.path(), &["rehearse", "--config", &bad]).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("bad.toml:"), "{said}");
        let output = hutong(folder.path(), &["rehearse", "--config", &good, "--days", "0"]).await;
        assert_eq!(output.status.code(), Some(2));

        // The service lives on.
        bot.asks("u_lin", &group, "/帮助").await;
        bot.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_running_configuration_is_known_and_without_a_store_the_file_alone_is_rehearsed() {
    let bot = TestBot::start(On::Feishu, Db::Sqlite).await.unwrap();
    let group = bot.group("研发交流", &["u_chen", "u_lin"]).await;
    let folder = tempfile::tempdir().unwrap();
    let one = column(&bot, &group, "news", "{ weekday = \"wed\", time = \"09:30\" }");
    let good = file(&bot, folder.path(), "good.toml", &one);
    // As the service leaves it: its secrets for this machine are not in it, and it is still understood.
    let text = std::fs::read_to_string(folder.path().join(&good))
        .unwrap()
        .replace("09:30", "11:00");
    let secrets: Vec<&str> = text
        .lines()
        .filter(|l| {
            ["app_secret", "verification_token", "encrypt_key"]
                .iter()
                .any(|k| l.starts_with(k))
        })
        .filter_map(|l| l.split('"').nth(1))
        .collect();
    assert_eq!(secrets.len(), 3, "{text}");
    let kept = rehearse::running::without_secrets(&text, hutong::adapters::ALL).unwrap();
    assert!(secrets.iter().all(|s| !kept.contains(s)), "{kept}");
    let running = serde_json::json!({ "file": folder.path().join("old.toml"), "text": kept });
    rehearse::store::remember_running(&bot.system().store, &running.to_string(), bot.clock.now())
        .await
        .unwrap();
    let output = hutong(
        folder.path(),
        &["rehearse", "--config", &good, "--against", "running", "--json"],
    )
    .await;
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let moved = json["diff"]["moved"].as_array().unwrap();
    assert!(
        !moved.is_empty() && moved[0]["from"].as_str().unwrap().ends_with("11:00"),
        "{json}"
    );

    let text = std::fs::read_to_string(folder.path().join(&good)).unwrap();
    let gone = format!("sqlite://{}", folder.path().join("none/none.db").display());
    std::fs::write(folder.path().join("fresh.toml"), text.replace(&bot.place.url, &gone)).unwrap();
    let output = hutong(folder.path(), &["rehearse", "--config", "fresh.toml"]).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains("没有数据库,只按配置") && said.contains("栏目news"),
        "{said}"
    );
    assert!(!folder.path().join("none").exists(), "a rehearsal made a database");
    bot.finish().await;
}
