//! The budget under random histories: never more than allowed, nothing lost, the order kept, also when
//! transactions fail and run again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hutong_model::{ActionKind, ButtonStyle, DeliveryClass, EventId, Prepared};
use proptest::prelude::*;

use super::admit::{NAME, admit, release};
use super::*;
use crate::rules::fake::{app_id, at, env};
use crate::rules::{Env, PendingEffect};
use crate::schedule::WorkdayTable;
use crate::store::{Store, testing};

const LIMIT: u32 = 3;

fn town() -> Env {
    let mut town = Arc::try_unwrap(env()).unwrap_or_else(|_| unreachable!("a fresh one"));
    town.noise.per_day = LIMIT;
    town.noise.priority = vec!["columns:news".to_owned()];
    town.noise.workdays = Arc::new(WorkdayTable::china().unwrap());
    town
}

fn chat(n: u8) -> ChatId {
    ChatId::new(format!("oc_{n}")).unwrap()
}

fn content(n: usize, buttons: bool) -> Message {
    let card = Message::card(format!("第 {n} 条")).line("内容");
    match buttons {
        true => card.buttons(vec![hutong_model::Button {
            label: "有用".to_owned(),
            action: "token".to_owned(),
            style: ButtonStyle::Normal,
        }]),
        false => card,
    }
}

fn effect(n: usize, group: u8, voice: Voice, class: DeliveryClass) -> PendingEffect {
    PendingEffect {
        key: format!("k{n:031}"),
        app: app_id("fs"),
        lane: format!("fs:oc_{group}"),
        class,
        rule: "columns",
        event: EventId::derive(&app_id("fs"), &format!("e{n}")),
        action: ActionKind::Send,
        part: 0,
        prepared: Prepared {
            api: "send".to_owned(),
            to: None,
            weight: 1,
            request: "{}".to_owned(),
            key_window_ms: None,
        },
        summary: String::new(),
        tag: Some(serde_json::json!({ "n": n })),
        state_key: None,
        interactive: class == DeliveryClass::Reply,
        voice,
    }
}

fn post(n: usize, group: u8, source: &str, must: bool, buttons: bool) -> PendingEffect {
    let voice = Voice::Post {
        chat: chat(group),
        content: Box::new(content(n, buttons)),
        source: source.to_owned(),
        must,
    };
    effect(n, group, voice, DeliveryClass::Once)
}

#[derive(Debug, Clone)]
enum Step {
    /// Group, with priority, must be read, with a button; the transaction fails once before.
    Post {
        group: u8,
        priority: bool,
        must: bool,
        buttons: bool,
        fails: bool,
    },
    Answer {
        group: u8,
    },
    Mute {
        group: u8,
        days: u8,
    },
    Unmute {
        group: u8,
    },
    /// The next morning comes; the transaction fails once before.
    Morning {
        fails: bool,
    },
    Hours(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0..2u8, prop::bool::weighted(0.15), prop::bool::weighted(0.1), any::<bool>(), prop::bool::weighted(0.2))
            .prop_map(|(group, priority, must, buttons, fails)| Step::Post { group, priority, must, buttons, fails }),
        1 => (0..2u8).prop_map(|group| Step::Answer { group }),
        1 => (0..2u8, 1..4u8).prop_map(|(group, days)| Step::Mute { group, days }),
        1 => (0..2u8).prop_map(|group| Step::Unmute { group }),
        4 => prop::bool::weighted(0.3).prop_map(|fails| Step::Morning { fails }),
        2 => (1..9u8).prop_map(Step::Hours),
    ];
    prop::collection::vec(step, 1..70)
}

/// What left for a group on a day.
#[derive(Default)]
struct Log {
    /// Key of each message that left, digests opened, by group; must-reads and answers are not in it.
    order: BTreeMap<u8, Vec<(usize, bool)>>,
    left: BTreeMap<usize, u32>,
    /// By group and day: messages (a digest is one) without priority, and all.
    days: BTreeMap<(u8, String), (u32, u32)>,
}

async fn outbox(store: &Store) -> Vec<(String, String, Option<i64>)> {
    let rows = store
        .query("SELECT id, rule, expires_at FROM outbox ORDER BY seq")
        .all()
        .await
        .unwrap();
    rows.iter()
        .map(|r| {
            (
                r.get("id").unwrap(),
                r.get("rule").unwrap(),
                r.get("expires_at").unwrap(),
            )
        })
        .collect()
}

async fn history(store: &Store, steps: &[Step]) {
    let town = town();
    let mut now = at("2026-09-28T09:30");
    let mut log = Log::default();
    let mut sent: BTreeMap<usize, (u8, bool, bool)> = BTreeMap::new();
    let mut muted: BTreeMap<u8, Timestamp> = BTreeMap::new();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for (n, step) in steps.iter().enumerate() {
        let before = now;
        match step.clone() {
            Step::Hours(hours) => now = now + Duration::from_secs(u64::from(hours) * 3600),
            Step::Post {
                group,
                priority,
                must,
                buttons,
                fails,
            } => {
                let source = if priority { "columns:news" } else { "columns:other" };
                sent.insert(n, (group, priority, must));
                for commit in [false, true].into_iter().skip(usize::from(!fails)) {
                    let mut tx = store.begin().await.unwrap();
                    let rows = admit(&mut tx, &town, vec![post(n, group, source, must, buttons)], now)
                        .await
                        .unwrap();
                    crate::delivery::store::insert(&mut tx, &rows, now).await.unwrap();
                    match commit {
                        true => tx.commit().await.unwrap(),
                        false => tx.rollback().await.unwrap(),
                    }
                }
                if must {
                    assert_eq!(
                        outbox(store).await.len(),
                        seen.len() + 1,
                        "a must-read waits for nothing"
                    );
                }
            }
            Step::Answer { group } => {
                let mut tx = store.begin().await.unwrap();
                let answer = effect(n, group, Voice::Answer(chat(group)), DeliveryClass::Reply);
                let rows = admit(&mut tx, &town, vec![answer], now).await.unwrap();
                assert_eq!(rows.len(), 1, "an answer waits for nothing");
                tx.commit().await.unwrap();
            }
            Step::Mute { group, days } => {
                let until = now + Duration::from_secs(u64::from(days) * 86_400);
                muted.insert(group, until);
                let mut tx = store.begin().await.unwrap();
                store::mute(&mut tx, &app_id("fs"), &chat(group), until, "p", now)
                    .await
                    .unwrap();
                tx.commit().await.unwrap();
            }
            Step::Unmute { group } => {
                muted.remove(&group);
                let mut tx = store.begin().await.unwrap();
                store::mute(&mut tx, &app_id("fs"), &chat(group), now, "p", now)
                    .await
                    .unwrap();
                tx.commit().await.unwrap();
            }
            Step::Morning { fails } => {
                now = town.noise.next_morning(now).unwrap();
                assert!(town.noise.workdays.is_workday(town.noise.day(now)));
                let event = EventId::derive(&app_id("fs"), &format!("tick{n}"));
                for commit in [false, true].into_iter().skip(usize::from(!fails)) {
                    let mut tx = store.begin().await.unwrap();
                    release(&mut tx, &town, &event, now).await.unwrap();
                    match commit {
                        true => tx.commit().await.unwrap(),
                        false => tx.rollback().await.unwrap(),
                    }
                }
            }
        }
        assert!(now >= before);
        // What is new in the outbox has left.
        let day = town.noise.day(now).to_string();
        for (id, rule, expires) in outbox(store).await {
            if !seen.insert(id.clone()) {
                continue;
            }
            let keys: Vec<usize> = if rule == NAME {
                let mut tx = store.begin().await.unwrap();
                let digest = store::digest(&mut tx, &id).await.unwrap().unwrap();
                tx.rollback().await.unwrap();
                assert!(digest.sections.len() > 1);
                digest.sections.iter().map(|s| s.id[1..].parse().unwrap()).collect()
            } else {
                vec![id[1..].parse().unwrap()]
            };
            let (group, priority, must) = sent[&keys[0]];
            for key in &keys {
                *log.left.entry(*key).or_default() += 1;
                assert_eq!(sent[key].0, group, "a digest of two groups");
            }
            if must || expires.is_some() {
                continue;
            }
            assert!(
                muted.get(&group).is_none_or(|until| *until <= now),
                "a muted group hears {keys:?}"
            );
            // What did not wait had priority, or there was room.
            let direct = keys == [n] && matches!(step, Step::Post { .. });
            let counts = log.days.entry((group, day.clone())).or_default();
            if !(direct && priority) {
                assert!(counts.1 < LIMIT, "{keys:?} is number {} of the day", counts.1 + 1);
                counts.0 += 1;
            }
            counts.1 += 1;
            log.order
                .entry(group)
                .or_default()
                .extend(keys.iter().map(|k| (*k, direct && priority)));
        }
    }
    assert!(log.days.values().all(|(plain, _)| *plain <= LIMIT));
    for list in log.order.values() {
        let plain: Vec<usize> = list.iter().filter(|(_, first)| !first).map(|(k, _)| *k).collect();
        assert!(plain.is_sorted(), "{plain:?}");
    }
    // Every message has left once or waits.
    let mut tx = store.begin().await.unwrap();
    let waiting: BTreeSet<usize> = store::waiting(&mut tx)
        .await
        .unwrap()
        .iter()
        .map(|w| w.id[1..].parse().unwrap())
        .collect();
    tx.rollback().await.unwrap();
    for key in sent.keys() {
        let left = log.left.get(key).copied().unwrap_or(0);
        assert_eq!(left + u32::from(waiting.contains(key)), 1, "message {key}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn never_too_much_never_lost_never_out_of_order(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = Store::memory().await.unwrap();
            history(&store, &steps).await;
            store.close().await;
        });
    }
}

fn many() -> Vec<Step> {
    let post = |buttons| Step::Post {
        group: 0,
        priority: false,
        must: false,
        buttons,
        fails: true,
    };
    let mut steps: Vec<Step> = (0..9).map(|n| post(n % 2 == 0)).collect();
    steps.extend([
        Step::Morning { fails: true },
        post(true),
        Step::Morning { fails: false },
    ]);
    steps
}

#[tokio::test]
async fn the_same_on_both_databases() {
    for t in testing::all().await.unwrap() {
        history(&t.store, &many()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_together_keep_one_budget() {
    let Some(t) = testing::postgres().await.unwrap() else {
        return;
    };
    let town = Arc::new(town());
    let now = at("2026-11-24T10:00");
    let tasks: Vec<_> = (0..12)
        .map(|n| {
            let (store, town) = (t.store.clone(), town.clone());
            tokio::spawn(async move {
                let mut tx = store.begin().await.unwrap();
                let rows = admit(&mut tx, &town, vec![post(n, 0, "columns:other", false, false)], now)
                    .await
                    .unwrap();
                crate::delivery::store::insert(&mut tx, &rows, now).await.unwrap();
                tx.commit().await.unwrap();
                rows.len()
            })
        })
        .collect();
    let mut left = 0;
    for task in tasks {
        left += task.await.unwrap();
    }
    assert_eq!(left, LIMIT as usize);
    let mut tx = t.store.begin().await.unwrap();
    assert_eq!(store::waiting(&mut tx).await.unwrap().len(), 12 - LIMIT as usize);
    tx.rollback().await.unwrap();
}

#[tokio::test]
async fn a_card_in_a_digest_changes_and_goes_within_it() {
    let store = Store::memory().await.unwrap();
    let (town, now) = (town(), at("2026-11-24T10:00"));
    let mut tx = store.begin().await.unwrap();
    let posts = (0..5).map(|n| post(n, 0, "columns:other", false, true)).collect();
    let rows = admit(&mut tx, &town, posts, now).await.unwrap();
    assert_eq!(rows.len(), 3);
    let morning = town.noise.next_morning(now).unwrap();
    let event = EventId::derive(&app_id("fs"), "tick");
    release(&mut tx, &town, &event, morning).await.unwrap();
    tx.commit().await.unwrap();
    let rows = outbox(&store).await;
    let id = rows.iter().find(|(_, rule, _)| rule == NAME).unwrap().0.clone();
    let mut tx = store.begin().await.unwrap();
    let message = MessageId::new("om_1!x").unwrap();
    store::digest_sent(&mut tx, &id, Some(&message)).await.unwrap();
    // A press on the second message's button: the platform may know the card by another id.
    let card = MessageId::new("om_1!y").unwrap();
    let changed = content(4, true).line("已有 1 人觉得有用");
    let voice = Voice::Change {
        card: card.clone(),
        context: None,
        content: Box::new(changed),
    };
    let rows = admit(&mut tx, &town, vec![effect(7, 0, voice, DeliveryClass::State)], morning)
        .await
        .unwrap();
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    assert!(row.summary.contains("第 3 条") && row.summary.contains("第 4 条") && row.summary.contains("已有 1 人"));
    assert_eq!(row.action, ActionKind::UpdateCard);
    // Taken back: the other one stays.
    let rows = admit(
        &mut tx,
        &town,
        vec![effect(8, 0, Voice::Recall(card), DeliveryClass::Once)],
        morning,
    )
    .await
    .unwrap();
    assert!(
        !rows[0].summary.contains("第 3 条") && rows[0].summary.contains("第 4 条"),
        "{}",
        rows[0].summary
    );
    tx.rollback().await.unwrap();
}

#[test]
fn mornings_are_on_workdays() {
    let budget = town().noise;
    let morning = |from: &str| {
        let next = budget.next_morning(at(from)).unwrap();
        budget.local(next).format("%Y-%m-%dT%H:%M").to_string()
    };
    // Before the National Day break, before a Saturday that is worked, and on the minute itself.
    assert_eq!(morning("2026-09-30T18:00"), "2026-10-08T09:00");
    assert_eq!(morning("2026-10-09T10:00"), "2026-10-10T09:00");
    assert_eq!(morning("2026-11-24T09:00"), "2026-11-25T09:00");
    assert_eq!(morning("2026-11-24T08:59"), "2026-11-24T09:00");
}

#[test]
fn priority_is_by_schedule_or_module() {
    let mut budget = town().noise;
    budget.priority = vec!["columns:news".to_owned(), "reports".to_owned()];
    for (source, expected) in [
        ("columns:news", true),
        ("columns:news:Asia/Tokyo", true),
        ("columns:newsletter", false),
        ("reports:weekly", true),
        ("columns", false),
    ] {
        assert_eq!(budget.has_priority(source), expected, "{source}");
    }
}
