//! The demo's own assembly with long connections: real sockets on loopback, a real service.

use std::time::{Duration, Instant};

use hutong_model::{Clock as _, Platform, Timestamp};
use hutong_simkit::company::{self, monday_to_friday};
use hutong_simkit::{ChatSel, Fault, FaultKind, Verb};

use super::page::{Backstage as _, Reception as _};
use super::platforms::{Modes, Receive};
use super::stage::Stage;
use super::weeks::END;
use crate::rules::points::verify::verify;

const GROUPS: [(Platform, &str); 3] = [
    (Platform::Feishu, "rd_all"),
    (Platform::DingTalk, "quality"),
    (Platform::WeCom, "sales"),
];

fn link_fault(kind: FaultKind) -> Fault {
    Fault {
        path: String::new(),
        callbacks: false,
        times: 1,
        kind,
    }
}

/// The company's groups with the bot in them, before anybody has said anything.
async fn stage(folder: &std::path::Path) -> Stage {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let steps: Vec<_> = company::history(1, END, 7, monday_to_friday)
        .take_while(|s| matches!(s.verb, Verb::CreateChat { .. }))
        .collect();
    let stage = Stage::build(folder, steps[0].at, &steps).await.unwrap();
    stage.pass_quickly(END).await.unwrap();
    stage.rest().await.unwrap();
    stage
}

impl Stage {
    async fn entries(&self) -> i64 {
        let sql = "SELECT COUNT(*) AS n FROM ledger_tx";
        self.system().store.query(sql).one().await.unwrap().get("n").unwrap()
    }

    /// Somebody thanks somebody in a group; both are other people every time.
    async fn thank(&self, platform: Platform, key: &str, nth: usize) {
        let sim = self.sim(platform).unwrap();
        let chat = self.platforms.player.group(key).unwrap().to_owned();
        let members = sim.chats().into_iter().find(|c| c.id == chat).unwrap().members;
        let (giver, receiver) = (&members[2 * nth], &members[2 * nth + 1]);
        let before = self.entries().await;
        let done = sim
            .act(Verb::Say {
                person: giver.clone(),
                chat: ChatSel::Chat(chat.clone()),
                text: format!("<@bot> 感谢 <@{receiver}> 夜里来现场一起定位了驱动问题"),
                reply_to: None,
            })
            .await
            .unwrap();
        assert_eq!(done.callbacks_failed, 0, "{platform}: {done:?}");
        self.rest().await.unwrap();
        self.behind.look().await;
        assert_eq!(self.entries().await, before + 1, "{platform}: {:?}", self.complaints());
        let screen = sim.screen(&chat, giver, 40);
        assert!(screen.last().unwrap().bot, "{platform}: the bot answers in the group");
    }

    /// How the newest message of a platform came, as the page shows it.
    fn via(&self, platform: Platform) -> Option<String> {
        let items = self.behind.recent(0);
        let last = items
            .into_iter()
            .rfind(|i| i.platform == Some(platform) && i.kind == "message");
        last.and_then(|i| i.via)
    }

    fn reconnects(&self) -> Vec<(&'static str, u64)> {
        self.standing()
            .iter()
            .map(|s| (s.standing.unwrap_or("callback"), s.reconnects))
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thanks_on_three_platforms_over_long_connections_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path()).await;
    for (platform, key) in GROUPS {
        stage.thank(platform, key, 0).await;
        assert_eq!(stage.via(platform).as_deref(), Some("callback"), "{platform}");
    }

    let begin = Instant::now();
    stage.receive(Modes::all(Receive::LongConnection)).await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    assert_eq!(stage.reconnects(), [("ready", 0); 3]);
    for (platform, key) in GROUPS {
        stage.thank(platform, key, 1).await;
        assert_eq!(stage.via(platform).as_deref(), Some("long_connection"), "{platform}");
    }

    // One platform alone goes back; what was heard stays heard.
    stage.switch(Platform::DingTalk, Receive::Callback).await.unwrap();
    for ((platform, key), way) in GROUPS
        .into_iter()
        .zip(["long_connection", "callback", "long_connection"])
    {
        stage.thank(platform, key, 2).await;
        assert_eq!(stage.via(platform).as_deref(), Some(way), "{platform}");
    }
    assert_eq!(stage.standing()[1].standing, None);
    for sim in &stage.platforms.sims {
        let repeat = sim.act(Verb::RepeatCallbacks { count: 3 }).await;
        assert!(repeat.is_ok(), "{}: {repeat:?}", sim.platform());
    }
    stage.rest().await.unwrap();
    assert_eq!(stage.entries().await, 9, "repeats are repeats, whichever way they come");
    stage.receive(Modes::default()).await.unwrap();
    for (platform, key) in GROUPS {
        stage.thank(platform, key, 3).await;
        assert_eq!(stage.via(platform).as_deref(), Some("callback"), "{platform}");
    }
    assert!(verify(&stage.system().store).await.unwrap().ok());
    // Among others: a bot that may not begin a private chat leaves that to the app that may.
    assert_eq!(stage.complaints(), Vec::<String>::new());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leap_of_the_clock_costs_a_connection_at_most_once() {
    let folder = tempfile::tempdir().unwrap();
    let stage = std::sync::Arc::new(stage(folder.path()).await);
    stage.receive(Modes::all(Receive::LongConnection)).await.unwrap();
    // The clock runs as on the page: a moment for the pings of the beginning.
    stage.clock.run();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut before = stage.reconnects();
    let leaps: [fn(Timestamp) -> Timestamp; 2] = [
        |now| now + Duration::from_secs(3600),
        |now| now + Duration::from_secs(3 * 86_400),
    ];
    for (nth, leap) in leaps.iter().enumerate() {
        stage.jump(leap(stage.clock.now())).await.unwrap();
        let after = stage.reconnects();
        for ((_, old), (standing, new)) in before.iter().zip(&after) {
            assert_eq!(*standing, "ready", "{after:?}");
            assert!(new - old <= 1, "leap {nth}: {before:?}, then {after:?}");
        }
        before = after;
        // Whoever speaks right afterwards is heard.
        for (platform, key) in GROUPS {
            stage.thank(platform, key, nth).await;
            assert_eq!(stage.via(platform).as_deref(), Some("long_connection"), "{platform}");
        }
    }
    // Cut just before a leap: the leap ends when they are connected again, and the page says so.
    for sim in &stage.platforms.sims {
        sim.fault(link_fault(FaultKind::DropLink));
    }
    stage.jump(stage.clock.now() + Duration::from_secs(3600)).await.unwrap();
    for (shown, (_, old)) in stage.standing().iter().zip(&before) {
        assert_eq!(
            (shown.standing, shown.reconnects),
            (Some("ready"), old + 1),
            "{shown:?}"
        );
        assert_eq!(shown.why, Some(["连接中断", "the connection broke"]));
    }
    for (platform, key) in GROUPS {
        stage.thank(platform, key, leaps.len()).await;
    }
    for shown in stage.standing() {
        assert_eq!(shown.why.is_some(), shown.reconnects > 0, "{shown:?}");
    }
    stage.close().await;
}
