use std::time::Duration;

use hutong_link::{Cause, LinkNote};
use hutong_model::{CallError, Platform};

use super::*;
use crate::access::Scope;
use crate::access::store::{Grant, Subject, grant};
use crate::link::board::Board;
use crate::rules::App;
use crate::rules::fake::{World, app_id, at, company, env, user};
use crate::store::testing;

const MINUTE: Duration = Duration::from_secs(60);

/// One process of the installation: its own connections, the common store.
struct Process {
    alerts: Alerts,
    links: Board,
}

impl Process {
    /// `fs` with a long connection; with `spare`, another app beside it that works.
    fn new(store: &Store, spare: bool) -> Self {
        let mut env = Arc::try_unwrap(env()).ok().unwrap();
        env.links = Board::of([app_id("fs")]);
        if spare {
            let twin = App {
                adapter: env.apps[&app_id("fs")].adapter.clone(),
                company: company(),
            };
            env.apps.insert(app_id("fs2"), twin);
        }
        let links = env.links.clone();
        let env = Arc::new(ArcSwap::from_pointee(env));
        Self {
            alerts: Alerts::new(store.clone(), env, Arc::default()),
            links,
        }
    }

    fn note(&self, note: LinkNote, now: Timestamp) {
        self.links.get(&app_id("fs")).unwrap().note(&note, now);
    }
}

async fn with_operator(store: &Store) -> Timestamp {
    let now = at("2026-11-24T10:00");
    let mut world = World::new(store, "2026-11-24T10:00");
    let chen = world.person("fs", "u_chen", "陈晨").await;
    world.person("fs", "u_lin", "林立").await;
    let mut tx = store.begin().await.unwrap();
    let operator = Grant {
        company: company(),
        subject: Subject::Account(Platform::Feishu, user("u_chen")),
        role: Role::Operator,
        scope: Scope::All,
    };
    grant(&mut tx, &operator, &chen.id, now).await.unwrap();
    tx.commit().await.unwrap();
    world.now = now;
    now
}

/// App and text of everything that was left in the outbox.
async fn left(store: &Store) -> Vec<(String, String)> {
    let rows = store
        .query("SELECT app, prepared, rule FROM outbox WHERE rule = 'alerts' ORDER BY seq")
        .all()
        .await
        .unwrap();
    rows.iter()
        .map(|r| (r.get("app").unwrap(), r.get("prepared").unwrap()))
        .collect()
}

fn refused() -> LinkNote {
    LinkNote::Refused {
        code: "514".into(),
        text: "请开启长连接 / switch the long connection on".into(),
        retry_in: 5 * MINUTE,
        connected: false,
    }
}

#[tokio::test]
async fn a_refused_connection_is_told_once_a_day_and_again_when_it_is_mended() {
    for db in testing::all().await.unwrap() {
        let store = &db.store;
        let now = with_operator(store).await;
        let (holder, other) = (Process::new(store, true), Process::new(store, true));
        other.note(LinkNote::Standby, now);
        holder.note(refused(), now);
        assert_eq!(holder.alerts.look(now).await.unwrap(), 1, "{}", db.name);
        let told = left(store).await;
        assert_eq!(told.len(), 1, "only the operator");
        assert_eq!(told[0].0, "fs2", "through the app that works");
        for part in [
            "告警:应用 fs",
            "原因:平台拒绝了长连接(514)",
            "要求:",
            "下一步:请开启长连接",
            "u_chen",
        ] {
            assert!(told[0].1.contains(part), "{part} in {}", told[0].1);
        }
        for minutes in [1u32, 5, 600] {
            assert_eq!(holder.alerts.look(now + minutes * MINUTE).await.unwrap(), 0);
            assert_eq!(other.alerts.look(now + minutes * MINUTE).await.unwrap(), 0);
        }
        let tomorrow = now + 24 * 60 * MINUTE;
        assert_eq!(
            holder.alerts.look(tomorrow).await.unwrap(),
            1,
            "still so on the next day"
        );
        assert_eq!(
            other.alerts.look(tomorrow).await.unwrap(),
            0,
            "who knows nothing mends nothing"
        );
        holder.note(LinkNote::Ready { took: MINUTE }, tomorrow);
        assert_eq!(holder.alerts.look(tomorrow + MINUTE).await.unwrap(), 1);
        assert_eq!(holder.alerts.look(tomorrow + 2 * MINUTE).await.unwrap(), 0);
        let told = left(store).await;
        assert_eq!(told.len(), 3);
        assert!(told[2].1.contains("已恢复:应用 fs,长连接已重新连上"), "{}", told[2].1);
    }
}

#[tokio::test]
async fn an_eviction_and_five_minutes_of_silence_are_told() {
    let db = testing::sqlite().await.unwrap();
    let now = with_operator(&db.store).await;
    let process = Process::new(&db.store, false);
    process.note(LinkNote::Ready { took: MINUTE }, now);
    let lost = |connected| LinkNote::Lost {
        cause: Cause::Closed,
        reason: "closed".into(),
        retry_in: MINUTE,
        connected,
    };
    // Another one is open already: nothing is wrong.
    process.note(lost(true), now);
    assert_eq!(process.alerts.look(now + 10 * MINUTE).await.unwrap(), 0);
    process.note(lost(false), now);
    for n in 1..5u32 {
        process.note(LinkNote::Connecting { attempt: n }, now + n * MINUTE);
        assert_eq!(process.alerts.look(now + n * MINUTE).await.unwrap(), 0, "{n}");
        process.note(lost(false), now + n * MINUTE);
    }
    assert_eq!(process.alerts.look(now + 5 * MINUTE).await.unwrap(), 1);
    let told = left(&db.store).await;
    assert_eq!(told[0].0, "fs", "there is no other app; this one can still send");
    assert!(told[0].1.contains("长连接已断开 5 分钟"), "{}", told[0].1);
    process.note(LinkNote::Evicted { retry_in: 5 * MINUTE }, now + 6 * MINUTE);
    assert_eq!(process.alerts.look(now + 6 * MINUTE).await.unwrap(), 1);
    assert!(left(&db.store).await[1].1.contains("被别处的同一个机器人占用"));
    process.note(LinkNote::Ready { took: MINUTE }, now + 12 * MINUTE);
    assert_eq!(
        process.alerts.look(now + 12 * MINUTE).await.unwrap(),
        2,
        "both are mended"
    );
}

#[tokio::test]
async fn refused_credentials_are_told_through_another_app() {
    for db in testing::all().await.unwrap() {
        let now = with_operator(&db.store).await;
        let fs = app_id("fs");
        let refused = Err(CallError::Auth {
            code: "99991663".into(),
            text: "token invalid".into(),
        });
        // The only app cannot write: nobody is told, and it is tried again as long as it lasts.
        let alone = Process::new(&db.store, false);
        alone.alerts.probed(&fs, &refused);
        assert_eq!(alone.alerts.look(now).await.unwrap(), 0);
        let process = Process::new(&db.store, true);
        process.alerts.probed(&fs, &refused);
        assert_eq!(process.alerts.look(now).await.unwrap(), 1, "{}", db.name);
        let told = left(&db.store).await;
        assert_eq!(told[0].0, "fs2");
        assert!(told[0].1.contains("99991663"), "{}", told[0].1);
        // Not reachable says nothing about the credentials.
        process
            .alerts
            .probed(&fs, &Err(CallError::Unavailable("timed out".into())));
        assert_eq!(process.alerts.look(now + MINUTE).await.unwrap(), 0);
        process.alerts.probed(&fs, &Ok(()));
        assert_eq!(process.alerts.look(now + MINUTE).await.unwrap(), 1);
        assert!(left(&db.store).await[1].1.contains("凭证重新有效"));
    }
}

#[tokio::test]
async fn messages_that_wait_for_a_decision_are_told_but_alerts_are_not() {
    let db = testing::sqlite().await.unwrap();
    let now = with_operator(&db.store).await;
    let process = Process::new(&db.store, false);
    let park = |rule: &'static str, id: &'static str| {
        db.store
            .query(
                "INSERT INTO outbox (id, app, lane, class, rule, event_id, action, part, prepared, summary, interactive, \
                 state, attempts, tries, next_at, created_at, wants_result) VALUES ($1, 'fs', 'l', 'once', $2, 'e', 'send', 0, \
                 '{}', '', FALSE, 'needs_decision', 1, 1, 0, 0, FALSE)",
            )
            .bind(id)
            .bind(rule)
            .execute()
    };
    park(RULE, "a").await.unwrap();
    assert_eq!(
        process.alerts.look(now).await.unwrap(),
        0,
        "an alert about alerts would never end"
    );
    park("columns", "b").await.unwrap();
    assert_eq!(process.alerts.look(now).await.unwrap(), 1);
    assert!(
        left(&db.store)
            .await
            .iter()
            .any(|(_, text)| text.contains("1 条消息不确定是否送达"))
    );
    db.store
        .query("UPDATE outbox SET state = 'sent', done_at = 1 WHERE id = 'b'")
        .execute()
        .await
        .unwrap();
    assert_eq!(process.alerts.look(now + MINUTE).await.unwrap(), 1);
}
