//! An item that fails is tried again alone, and what was asked for is never dropped without a word.

use std::sync::atomic::{AtomicBool, AtomicUsize};

use hutong_model::{Ability, AppId, Body, BoxFuture, Clock as _, EventHead, Incoming, Kind, Platform};

use super::*;
use crate::access::Role;
use crate::commands::{AnswerPlace, Call, CommandSpec};
use crate::dispatch::Ages;
use crate::inbox::{Inbox, InboxOptions};
use crate::rules::service::Service;
use crate::rules::testkit::{FakeAdapter, Kit, direct, env};
use crate::rules::{Ctx, Rule, RuleError};
use crate::store::testing::all;

/// Listens to every message and has a command that can be broken.
#[derive(Default)]
struct Flaky {
    broken: AtomicBool,
    heard: AtomicUsize,
    done: AtomicUsize,
}

struct Shared(Arc<Flaky>);

impl Rule for Shared {
    fn name(&self) -> &'static str {
        "flaky"
    }
    fn commands(&self) -> &'static [CommandSpec] {
        // A command must have texts; this one's will do.
        &[CommandSpec {
            id: "segments.list",
            bare: false,
            args: &[],
            roles: &[Role::Member],
            place: AnswerPlace::Private,
        }]
    }
    fn wants(&self, head: &EventHead<'_>) -> bool {
        head.kind == Kind::Message
    }
    fn on_event<'a>(&'a self, _ctx: &'a mut Ctx, _event: &'a Event) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async {
            self.0.heard.fetch_add(1, Ordering::SeqCst);
            Ok(())
        })
    }
    fn on_command<'a>(&'a self, _ctx: &'a mut Ctx, _call: &'a Call) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async {
            if self.0.broken.load(Ordering::SeqCst) {
                return Err(RuleError::Retry("not now".to_owned()));
            }
            self.0.done.fetch_add(1, Ordering::SeqCst);
            Ok(())
        })
    }
}

struct Bench {
    kit: Kit,
    flaky: Arc<Flaky>,
    worker: Worker,
    inbox: Inbox,
}

async fn benches() -> Vec<Bench> {
    let mut list = Vec::new();
    for test in all().await.unwrap() {
        let flaky = Arc::new(Flaky::default());
        let assembled = Service::in_front_of(vec![Arc::new(Shared(flaky.clone()))]).unwrap();
        let adapter = FakeAdapter::new("fs", Platform::Feishu, [Ability::SendToUser, Ability::Reply]);
        let kit = Kit::new(test, env(vec![Arc::new(adapter)]), assembled.rules.clone());
        let clock: Arc<dyn hutong_model::Clock> = Arc::new(kit.clock.clone());
        let store = kit.test.store.clone();
        let inbox = Inbox::open(store.clone(), clock.clone(), InboxOptions::default())
            .await
            .unwrap();
        let worker = Worker {
            store,
            env: Arc::new(arc_swap::ArcSwap::from(kit.env.clone())),
            dispatcher: Arc::new(Dispatcher::new(assembled, Ages::default())),
            clock,
            work: inbox.work.clone(),
            effects: Arc::default(),
            metrics: Arc::default(),
            inbox: inbox.metrics.clone(),
            trace: Trace::default(),
            pace: Pace::default(),
        };
        list.push(Bench {
            kit,
            flaky,
            worker,
            inbox,
        });
    }
    list
}

impl Bench {
    async fn says(&self, key: &str, text: &str) {
        let now = self.kit.clock.now();
        let event = Incoming {
            key: key.to_owned(),
            lane: "lane".to_owned(),
            occurred_at: now,
            body: Body::Message(Box::new(self.kit.message("ou_a", &direct("ou_a"), text))),
        };
        let app = AppId::new("fs").unwrap();
        self.inbox.accept(&app, vec![event], now).await.unwrap();
        self.worker.run_until_idle().await.unwrap();
    }

    async fn later(&self, seconds: u64) {
        self.kit.clock.advance(Duration::from_secs(seconds));
        self.worker.run_until_idle().await.unwrap();
    }

    /// Name, attempts, state and error of what waits.
    async fn work(&self) -> Vec<(String, i64, i64, String)> {
        let rows = self
            .kit
            .test
            .store
            .query("SELECT rule, attempts, state, error FROM work ORDER BY seq, rule")
            .all()
            .await
            .unwrap();
        rows.iter()
            .map(|r| {
                (
                    r.get("rule").unwrap(),
                    r.get("attempts").unwrap(),
                    r.get("state").unwrap(),
                    r.get("error").unwrap(),
                )
            })
            .collect()
    }

    fn counts(&self) -> (usize, usize) {
        (
            self.flaky.heard.load(Ordering::SeqCst),
            self.flaky.done.load(Ordering::SeqCst),
        )
    }
}

#[tokio::test]
async fn a_command_that_fails_does_not_let_its_rule_hear_the_event_again() {
    for bench in benches().await {
        bench.flaky.broken.store(true, Ordering::SeqCst);
        bench.says("m1", "/分层 列表").await;
        // A batch is run twice when something in it has failed; what counts is what was committed.
        let heard = bench.counts().0;
        let work = bench.work().await;
        assert_eq!(work.len(), 1, "{work:?}");
        assert_eq!((work[0].0.as_str(), work[0].1, work[0].2), ("flaky/command", 1, 0));
        bench.later(60).await;
        assert_eq!(bench.counts(), (heard, 0), "only the command is tried again");
        assert_eq!(bench.work().await[0].1, 2);
        bench.flaky.broken.store(false, Ordering::SeqCst);
        bench.later(600).await;
        assert_eq!(bench.counts(), (heard, 1));
        assert_eq!(bench.work().await, []);
    }
}

#[tokio::test]
async fn a_command_that_fails_until_it_is_too_old_is_kept_for_a_person() {
    for bench in benches().await {
        bench.flaky.broken.store(true, Ordering::SeqCst);
        bench.says("m1", "/分层 列表").await;
        bench.flaky.broken.store(false, Ordering::SeqCst);
        bench.later(3600).await;
        assert_eq!(bench.counts().1, 0, "an hour later nobody expects it any more");
        let work = bench.work().await;
        assert_eq!((work.len(), work[0].0.as_str(), work[0].2), (1, "flaky/command", 1));
        assert!(work[0].3.contains("too old"), "{work:?}");
        bench.later(3600).await;
        assert_eq!(bench.work().await, work, "it stays where operators see it");
    }
}
