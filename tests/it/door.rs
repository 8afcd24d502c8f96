//! The door for callbacks: who is not the platform gets one and the same answer and leaves nothing;
//! what is genuine is stored or refused so that the platform comes again.

use std::time::Duration;

use hutong_model::Timestamp;
use hutong_simkit::{ChatSel, Verb};

use crate::support::{EVERYWHERE, On, Recorded, TestBot, story, unknown_event};

const ROWS: &str = "SELECT COUNT(*) AS n FROM inbox";

/// Status, headers without the date, body.
type Answer = (u16, Vec<(String, String)>, Vec<u8>);

async fn send(bot: &TestBot, request: &Recorded) -> Answer {
    let client = hutong_simkit::ladder::loopback_client(Duration::from_secs(10)).unwrap();
    let url = format!("http://{}{}", bot.running().address, request.path);
    let mut call = client.request(request.method.parse().unwrap(), url);
    for (name, value) in &request.headers {
        if !matches!(name.as_str(), "host" | "content-length" | "transfer-encoding") {
            call = call.header(name, value);
        }
    }
    let answer = call.body(request.body.clone()).send().await.unwrap();
    let status = answer.status().as_u16();
    let headers = answer
        .headers()
        .iter()
        .filter(|(n, _)| !matches!(n.as_str(), "date" | "connection"))
        .map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned()))
        .collect();
    (status, headers, answer.bytes().await.unwrap().to_vec())
}

fn refusals(bot: &TestBot) -> u64 {
    use std::sync::atomic::Ordering;
    let metrics = &bot.system().ingress.metrics;
    metrics.rejections().iter().map(|(_, n)| n).sum::<u64>() + metrics.unknown_app.load(Ordering::SeqCst)
}

/// Every way to spoil a genuine request, with its name.
fn spoiled(genuine: &Recorded, signs_body: bool) -> Vec<(String, Recorded)> {
    let mut list = Vec::new();
    let mut add = |name: String, change: &dyn Fn(&mut Recorded)| {
        let mut request = genuine.clone();
        change(&mut request);
        list.push((name, request));
    };
    if signs_body {
        let step = (genuine.body.len() / 60).max(1);
        for at in (0..genuine.body.len()).step_by(step) {
            for bit in [0, 5] {
                add(format!("bit {bit} of byte {at} of the body"), &|r| {
                    let mut body = r.body.to_vec();
                    body[at] ^= 1 << bit;
                    r.body = body.into();
                });
            }
        }
        for keep in [0, 1, genuine.body.len() / 2, genuine.body.len() - 1] {
            add(format!("only {keep} bytes of the body"), &|r| {
                r.body = r.body.slice(..keep)
            });
        }
        add("something behind the body".to_owned(), &|r| {
            let mut body = r.body.to_vec();
            body.push(b'x');
            r.body = body.into();
        });
    }
    let signed: Vec<&(String, String)> = genuine
        .headers
        .iter()
        .filter(|(n, _)| n.starts_with("x-lark-") || matches!(n.as_str(), "sign" | "timestamp"))
        .collect();
    for (name, value) in signed {
        add(format!("without the header {name}"), &|r| {
            r.headers.retain(|(n, _)| n != name)
        });
        add(format!("with two headers {name}"), &|r| {
            r.headers.push((name.clone(), value.clone()))
        });
        for at in [0, value.len() / 2, value.len() - 1] {
            add(format!("byte {at} of the header {name}"), &|r| {
                for (n, v) in &mut r.headers {
                    if n == name {
                        *v = changed(v, at);
                    }
                }
            });
        }
    }
    if let Some((path, query)) = genuine.path.split_once('?') {
        let pairs: Vec<(&str, &str)> = query.split('&').filter_map(|p| p.split_once('=')).collect();
        for (i, (name, value)) in pairs.iter().enumerate() {
            if !matches!(*name, "msg_signature" | "timestamp" | "nonce") {
                continue;
            }
            let join = |f: &dyn Fn(usize, &str, &str) -> Option<String>| {
                let kept: Vec<String> = pairs.iter().enumerate().filter_map(|(j, (n, v))| f(j, n, v)).collect();
                format!("{path}?{}", kept.join("&"))
            };
            let without = join(&|j, n, v| (i != j).then(|| format!("{n}={v}")));
            add(format!("without {name}"), &|r| r.path = without.clone());
            let twice = join(&|j, n, v| {
                Some(if i == j {
                    format!("{n}={v}&{n}={v}")
                } else {
                    format!("{n}={v}")
                })
            });
            add(format!("with two {name}"), &|r| r.path = twice.clone());
            for at in [0, value.len() / 2, value.len() - 1] {
                let other =
                    join(&|j, n, v| Some(format!("{n}={}", if i == j { changed(v, at) } else { v.to_owned() })));
                add(format!("byte {at} of {name}"), &|r| r.path = other.clone());
            }
        }
    }
    for method in ["GET", "PUT", "DELETE"] {
        add(format!("as {method}"), &|r| r.method = method.to_owned());
    }
    add("much too large".to_owned(), &|r| r.body = vec![b'a'; 2 << 20].into());
    add("to an app that is not there".to_owned(), &|r| {
        let query = r.path.split_once('?').map(|(_, q)| format!("?{q}")).unwrap_or_default();
        r.path = format!("/hook/nobody{query}");
    });
    list
}

/// Another digit or letter at `at`.
fn changed(text: &str, at: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    bytes[at] = match bytes[at] {
        b'9' => b'8',
        b'0'..=b'8' => bytes[at] + 1,
        b'z' | b'Z' => bytes[at] - 1,
        other => other + 1,
    };
    String::from_utf8(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_not_the_platform_learns_nothing_and_leaves_nothing() {
    story(&EVERYWHERE, |bot: TestBot| async move {
        let group = bot.group("研发交流", &["u_chen", "u_lin", "u_wu"]).await;
        bot.asks("u_lin", &group, "/体检").await;
        let message = bot.recorder.last();
        let mut all = Vec::new();
        if bot.stage.on == On::DingTalk {
            // The robot's messages are signed by time alone; events are sealed.
            all.extend(spoiled(&message, false));
            let settings = bot.sim().apps()[0].settings.clone();
            let event = unknown_event(On::DingTalk, &settings, "e0", bot.clock_now());
            all.extend(spoiled(&event, true));
        } else {
            all.extend(spoiled(&message, true));
        }
        if bot.stage.on == On::WeCom {
            let mut other = message.clone();
            other.path = other.path.replace("/hook/wc-bot", "/hook/wc");
            all.push(("to another app of ours".to_owned(), other));
        }
        let (rows, refused) = (bot.count(ROWS).await, refusals(&bot));
        let mut first: Option<Answer> = None;
        for (n, (name, request)) in all.iter().enumerate() {
            let answer = send(&bot, request).await;
            assert_eq!(
                answer.0,
                401,
                "{}: {name}: {:?}",
                bot.name,
                String::from_utf8_lossy(&answer.2)
            );
            assert!(answer.2.is_empty(), "{}: {name}", bot.name);
            let expected = first.get_or_insert_with(|| answer.clone());
            assert_eq!(&answer, expected, "{}: {name} is answered otherwise", bot.name);
            assert_eq!(
                refusals(&bot),
                refused + n as u64 + 1,
                "{}: {name} is not counted",
                bot.name
            );
        }
        // Long after, what was genuine is stale.
        bot.clock.advance(Duration::from_secs(9 * 3600));
        let answer = send(&bot, &message).await;
        assert_eq!(Some(answer), first, "{}: an old one", bot.name);
        let kinds: Vec<&str> = bot
            .system()
            .ingress
            .metrics
            .rejections()
            .into_iter()
            .filter(|(_, n)| *n > 0)
            .map(|(k, _)| k)
            .collect();
        for kind in [
            "too_large",
            "bad_signature",
            "stale",
            "missing_header",
            "doubled_header",
            "malformed",
        ] {
            assert!(
                kinds.contains(&kind),
                "{}: {kind} was never counted: {kinds:?}",
                bot.name
            );
        }
        assert_eq!(bot.count(ROWS).await, rows, "{}: something was stored", bot.name);
        bot
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_we_do_not_know_is_taken_and_ignored() {
    story(&EVERYWHERE, |bot: TestBot| async move {
        let app = bot.stage.ear().1;
        let apps = bot.sim().apps();
        let settings = &apps.iter().find(|a| a.id == app).unwrap().settings;
        let rows = bot.count(ROWS).await;
        for (id, more) in [("e1", 1), ("e1", 1), ("e2", 2)] {
            let request = unknown_event(bot.stage.on, settings, id, bot.clock_now());
            let answer = send(&bot, &request).await;
            assert_eq!(answer.0, 200, "{}", bot.name);
            assert_eq!(bot.count(ROWS).await, rows + more, "{}", bot.name);
        }
        let ignored = "SELECT COUNT(*) AS n FROM inbox WHERE state = 2 AND body IS NULL";
        assert!(bot.count(ignored).await >= 2, "{}", bot.name);
        bot.settle().await;
        bot
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_stored_is_not_acknowledged_and_counts_once_later() {
    story(&EVERYWHERE, |mut bot: TestBot| async move {
        bot.may_complain("503");
        let group = bot.group("研发交流", &["u_chen", "u_lin", "u_wu"]).await;
        bot.execute("ALTER TABLE inbox RENAME TO inbox_away").await;
        bot.clock.advance(Duration::from_secs(2));
        let verb = Verb::Say {
            person: "u_lin".to_owned(),
            chat: ChatSel::Chat(group.0.clone()),
            text: "<@bot> 感谢 <@u_wu> 帮我定位了驱动问题".to_owned(),
            reply_to: None,
        };
        let done = bot.sim().act(verb).await.unwrap();
        assert_eq!((done.callbacks_ok, done.callbacks_failed), (0, 1), "{}", bot.name);
        bot.execute("ALTER TABLE inbox_away RENAME TO inbox").await;
        assert_eq!(
            bot.count("SELECT COUNT(*) AS n FROM ledger_tx").await,
            0,
            "{}",
            bot.name
        );
        for _ in 0..3 {
            let done = bot.act(Verb::RepeatCallbacks { count: 1 }).await;
            assert_eq!((done.callbacks_ok, done.callbacks_failed), (1, 0), "{}", bot.name);
            bot.settle().await;
        }
        assert_eq!(
            bot.count("SELECT COUNT(*) AS n FROM ledger_tx").await,
            1,
            "{}",
            bot.name
        );
        assert_eq!(bot.private("u_wu").len(), 1, "{}", bot.name);
        bot
    })
    .await;
}

impl TestBot {
    fn clock_now(&self) -> Timestamp {
        use hutong_model::Clock as _;
        self.clock.now()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_large_bodies_do_not_take_all_memory() {
    use tokio::io::AsyncWriteExt as _;
    story(&[On::Feishu], |mut bot: TestBot| async move {
        bot.restart("[limits]\nbody_kib = 1024\nin_flight_mib = 1\n").await;
        let app = bot.stage.ear().0;
        let probe = Recorded {
            method: "POST".to_owned(),
            path: format!("/hook/{app}"),
            headers: Vec::new(),
            body: b"{}".to_vec().into(),
            status: 0,
        };
        assert_eq!(send(&bot, &probe).await.0, 401);
        let mut slow = tokio::net::TcpStream::connect(bot.running().address).await.unwrap();
        let head = format!("POST /hook/{app} HTTP/1.1\r\nhost: x\r\ncontent-length: 1048576\r\n\r\n{{");
        slow.write_all(head.as_bytes()).await.unwrap();
        let mut status = 0;
        for _ in 0..200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            status = send(&bot, &probe).await.0;
            if status == 503 {
                break;
            }
        }
        assert_eq!(status, 503, "the platform is asked to come again");
        drop(slow);
        for _ in 0..200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            status = send(&bot, &probe).await.0;
            if status == 401 {
                break;
            }
        }
        assert_eq!(status, 401, "the room is free again");
        bot
    })
    .await;
}
