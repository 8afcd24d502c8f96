//! The ledger against plain maps, and against whoever edits it.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use hutong_model::{AppId, CompanyId, MessageId, Platform, Timestamp, UserId};
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::give::{CAP_DAY, CAP_WEEK, RULE};
use super::ledger::*;
use super::store::{self, Posted, Reversal, Reversed};
use super::verify::verify;
use super::view::store as view;
use crate::directory::PersonId;
use crate::store::testing::{self, TestStore};
use crate::store::{Store, Tx};

fn person(n: usize) -> PersonId {
    PersonId::derive(
        &CompanyId::new("acme").unwrap(),
        Platform::Feishu,
        &UserId::new(format!("u{n}")).unwrap(),
    )
}

#[test]
fn the_published_hashes() {
    let first: serde_json::Value =
        serde_json::from_str(r#"{"tx":"t1","seq":1,"reason":"answer","lines":[["issuance",-5],["u_alice",5]]}"#)
            .unwrap();
    let text = canonical(&first);
    assert_eq!(
        text,
        r#"{"lines":[["issuance",-5],["u_alice",5]],"reason":"answer","seq":1,"tx":"t1"}"#
    );
    let one = chain_hash(GENESIS, &text);
    assert_eq!(one, "53f880766ea0eee7bd9f31de38b59577e255df2b1a8c42929a15f7c7b1fc57b7");
    let second: serde_json::Value =
        serde_json::from_str(r#"{"lines":[["u_alice",-5],["issuance",5]],"reason":"reversal:t1","seq":2,"tx":"t2"}"#)
            .unwrap();
    assert_eq!(
        chain_hash(&one, &canonical(&second)),
        "1380b16ca0a0d9b75dc9ffb926c5137beffac651af856caa0b4d3806feb7dcf0"
    );
}

#[test]
fn lines_must_balance() {
    let p = person(1);
    let good = income(RULE, &p, "2026-11", 667, 667, 0);
    assert!(check(&good).is_ok());
    let mut bad = good.clone();
    bad[1].amount += 1;
    assert!(matches!(check(&bad), Err(LedgerError::Unbalanced("score"))));
    let mut bad = good.clone();
    bad[0].amount = i64::MIN;
    assert!(matches!(check(&bad), Err(LedgerError::BadLine(_))));
    let mut bad = good.clone();
    bad[3].currency = Currency::Score;
    assert!(matches!(check(&bad), Err(LedgerError::BadLine(_))));
    assert!(matches!(check(&good[..1]), Err(LedgerError::TooFewLines)));
    for line in &good {
        assert_eq!(Account::parse(&line.account.name()).as_ref(), Some(&line.account));
    }
}

#[test]
fn dates_and_numbers() {
    let day = NaiveDate::from_ymd_opt(2026, 11, 24).unwrap();
    assert_eq!((season(day), week(day)), ("2026-11".to_owned(), "2026-W48".to_owned()));
    assert_eq!(entry_id(day, 42), "L20261124-0042");
    // The week that belongs to the next year.
    assert_eq!(week(NaiveDate::from_ymd_opt(2025, 12, 29).unwrap()), "2026-W01");
}

proptest! {
    /// Settling a debt and making one never changes what a person has in all.
    #[test]
    fn income_and_its_mirror_cancel(score in 1i64..1_000_000, coin in 1i64..1_000_000, debt in 0i64..1_000_000, held in 0i64..2_000_000) {
        let p = person(1);
        let lines = income(RULE, &p, "2026-11", score, coin, debt);
        check(&lines).unwrap();
        let back = mirror(&lines, &BTreeMap::from([(p.clone(), Purse { held, owed: 0 })]));
        check(&back).unwrap();
        let mut sum = net(&lines);
        for (key, value) in net(&back) {
            *sum.entry(key).or_default() += value;
        }
        prop_assert!(sum.values().all(|v| *v == 0));
        let taken: i64 = back.iter().filter(|l| l.account == Account::Coin(p.clone())).map(|l| -l.amount).sum();
        prop_assert!(taken <= held);
    }
}

const PEOPLE: usize = 6;
const DAY_CAP: i64 = 15_000;
const WEEK_CAP: i64 = 40_000;

/// The ledger as it should be, in plain maps.
#[derive(Default)]
struct Model {
    /// By cause: sequence number, person, score, coin.
    live: BTreeMap<String, (i64, usize, i64, i64)>,
    spent: BTreeMap<usize, i64>,
    reversed: BTreeMap<i64, ()>,
    entered: BTreeMap<String, i64>,
    /// Score counted against the caps, by (person, window).
    caps: BTreeMap<(usize, String), i64>,
    recalled: BTreeMap<String, ()>,
    entries: i64,
}

impl Model {
    fn score(&self, p: usize) -> i64 {
        self.live.values().filter(|v| v.1 == p).map(|v| v.2).sum()
    }
    /// Coins after spending; negative means owed.
    fn coins(&self, p: usize) -> i64 {
        let income: i64 = self.live.values().filter(|v| v.1 == p).map(|v| v.3).sum();
        income - self.spent.get(&p).copied().unwrap_or(0)
    }
}

struct Run {
    model: Model,
    rng: StdRng,
    app: AppId,
    day: NaiveDate,
    messages: usize,
}

impl Run {
    fn new(seed: u64) -> Self {
        Self {
            model: Model::default(),
            rng: StdRng::seed_from_u64(seed),
            app: AppId::new("fs").unwrap(),
            day: NaiveDate::from_ymd_opt(2026, 11, 2).unwrap(),
            messages: 0,
        }
    }

    fn why(&self) -> Reversal {
        Reversal {
            rule: "recall",
            actor: None,
            note: None,
            at: Timestamp(1),
            local_date: self.day,
        }
    }

    async fn debt(tx: &mut Tx, p: usize) -> i64 {
        -store::balance(tx, &Account::Receivable(person(p)), Currency::Coin)
            .await
            .unwrap()
    }

    /// An award for a message, within the caps like the rule does it.
    async fn award(&mut self, tx: &mut Tx, message: usize, p: usize, want: i64) {
        let m = format!("m{message}");
        let cause = format!("thanks:fs:{m}:{}", person(p));
        let (day, wk) = (self.day.to_string(), week(self.day));
        store::lock(tx).await.unwrap();
        if self.model.entered.contains_key(&cause) || self.model.recalled.contains_key(&m) {
            // A repeat, or taken back before: must change nothing.
            let posting = self.posting(&cause, Some(&m), p, want, 0);
            let got = store::post(tx, &posting).await.unwrap();
            let expected = if self.model.recalled.contains_key(&m) {
                Posted::Withdrawn
            } else {
                Posted::Repeat
            };
            assert_eq!(got, expected);
            return;
        }
        let s = person(p);
        let room = (DAY_CAP - store::cap_used(tx, CAP_DAY, s.as_str(), &day).await.unwrap())
            .min(WEEK_CAP - store::cap_used(tx, CAP_WEEK, s.as_str(), &wk).await.unwrap());
        let used_day = self.model.caps.get(&(p, day.clone())).copied().unwrap_or(0);
        let used_week = self.model.caps.get(&(p, wk.clone())).copied().unwrap_or(0);
        assert_eq!(room, (DAY_CAP - used_day).min(WEEK_CAP - used_week));
        // One more than there is room for is refused and takes nothing.
        assert!(
            !store::cap_take(tx, CAP_DAY, s.as_str(), &day, room + 1, used_day + room)
                .await
                .unwrap()
        );
        let amount = want.min(room);
        if amount <= 0 {
            return;
        }
        assert!(
            store::cap_take(tx, CAP_DAY, s.as_str(), &day, amount, DAY_CAP)
                .await
                .unwrap()
        );
        assert!(
            store::cap_take(tx, CAP_WEEK, s.as_str(), &wk, amount, WEEK_CAP)
                .await
                .unwrap()
        );
        *self.model.caps.entry((p, day)).or_default() += amount;
        *self.model.caps.entry((p, wk)).or_default() += amount;
        let debt = Self::debt(tx, p).await;
        assert_eq!(debt, (-self.model.coins(p)).max(0));
        let posting = self.posting(&cause, Some(&m), p, amount, debt);
        let Posted::New { seq, .. } = store::post(tx, &posting).await.unwrap() else {
            panic!("a new cause was not entered");
        };
        self.model.entries += 1;
        assert_eq!(seq, self.model.entries);
        self.model.live.insert(cause.clone(), (seq, p, amount, amount));
        self.model.entered.insert(cause, seq);
    }

    fn posting(&self, cause: &str, message: Option<&str>, p: usize, amount: i64, debt: i64) -> Posting {
        Posting {
            kind: EntryKind::Award,
            rule: RULE.to_owned(),
            rule_version: 1,
            cause: cause.to_owned(),
            message: message.map(|m| ("fs".to_owned(), m.to_owned())),
            actor: Some(person(99)),
            note: Some(Note {
                salt: "s".into(),
                body: "谢谢".into(),
            }),
            at: Timestamp(1),
            local_date: self.day,
            lines: income(RULE, &person(p), "2026-11", amount, amount, debt),
        }
    }

    async fn recall(&mut self, tx: &mut Tx, message: usize) {
        let m = format!("m{message}");
        let taken = store::recall(tx, &self.app, &MessageId::new(m.as_str()).unwrap(), &self.why())
            .await
            .unwrap();
        let prefix = format!("thanks:fs:{m}:");
        let gone: Vec<String> = self
            .model
            .live
            .keys()
            .filter(|c| c.starts_with(&prefix))
            .cloned()
            .collect();
        assert_eq!(taken.len(), gone.len());
        for cause in gone {
            let (seq, ..) = self.model.live.remove(&cause).unwrap();
            self.model.reversed.insert(seq, ());
            self.model.entries += 1;
        }
        self.model.recalled.insert(m, ());
    }

    async fn reverse(&mut self, tx: &mut Tx) {
        let seq = self.rng.random_range(1..=self.model.entries + 1);
        let cause = self.model.live.iter().find(|(_, v)| v.0 == seq).map(|(c, _)| c.clone());
        let got = store::reverse(tx, seq, &self.why()).await.unwrap();
        match got {
            Reversed::Done { of, .. } => {
                self.model.entries += 1;
                self.model.reversed.insert(seq, ());
                match cause {
                    Some(cause) => {
                        self.model.live.remove(&cause);
                    }
                    None => {
                        // A spending that was taken back.
                        assert_eq!(of.kind, EntryKind::Spend);
                        let back = of.lines.iter().find(|l| l.amount > 0).unwrap().amount;
                        let p = (0..PEOPLE)
                            .find(|p| of.lines.iter().any(|l| l.account.owner() == Some(&person(*p))))
                            .unwrap();
                        *self.model.spent.get_mut(&p).unwrap() -= back;
                    }
                }
            }
            Reversed::Already => assert!(self.model.reversed.contains_key(&seq)),
            Reversed::NotFound => assert_eq!(seq, self.model.entries + 1),
            Reversed::IsReversal => assert!(cause.is_none() && !self.model.reversed.contains_key(&seq)),
        }
    }

    /// Spending is refused exactly when there is not enough.
    async fn spend(&mut self, tx: &mut Tx, p: usize, amount: i64, serial: usize) -> bool {
        let posting = Posting {
            kind: EntryKind::Spend,
            rule: "redeem".to_owned(),
            cause: format!("redeem:{serial}"),
            message: None,
            note: None,
            lines: vec![
                Line::new(Account::Coin(person(p)), Currency::Coin, -amount),
                Line::new(Account::Redeem("mug".into()), Currency::Coin, amount),
            ],
            ..self.posting("", None, p, 1, 0)
        };
        let has = store::balance(tx, &Account::Coin(person(p)), Currency::Coin)
            .await
            .unwrap();
        assert!(has >= 0);
        match store::post(tx, &posting).await {
            Ok(Posted::New { .. }) => {
                assert!(has >= amount);
                self.model.entries += 1;
                *self.model.spent.entry(p).or_default() += amount;
                true
            }
            Err(LedgerError::Insufficient { .. }) => {
                assert!(has < amount);
                false
            }
            other => panic!("{other:?}"),
        }
    }

    async fn step(&mut self, store: &Store, serial: usize) {
        let mut tx = store.begin().await.unwrap();
        let (p, n) = (self.rng.random_range(0..PEOPLE), self.rng.random_range(0..100));
        let message = if self.messages == 0 || self.rng.random_range(0..3) == 0 {
            self.messages += 1;
            self.messages
        } else {
            self.rng.random_range(1..=self.messages)
        };
        let amount = self.rng.random_range(1..4_000);
        let mut keep = true;
        match n {
            0..55 => self.award(&mut tx, message, p, amount).await,
            // Now and then of a message that has not come yet.
            55..68 => {
                let early = message + usize::from(n == 67) * 5;
                self.recall(&mut tx, early).await;
            }
            68..80 => self.reverse(&mut tx).await,
            80..92 => keep = self.spend(&mut tx, p, amount * 2, serial).await,
            92..95 => {
                // What was done in a transaction that is dropped never happened.
                let before = std::mem::take(&mut self.model);
                self.model.entries = before.entries;
                self.model.caps = before.caps.clone();
                self.model.spent = before.spent.clone();
                self.model.entered = before.entered.clone();
                self.model.recalled = before.recalled.clone();
                self.model.live = before.live.clone();
                self.award(&mut tx, message, p, amount).await;
                self.model = before;
                keep = false;
            }
            95..97 => {
                store::erase_notes(&mut tx, &person(p)).await.unwrap();
            }
            _ => self.day = self.day.succ_opt().unwrap(),
        }
        if keep {
            tx.commit().await.unwrap();
        } else {
            tx.rollback().await.unwrap();
        }
    }

    async fn compare(&self, store: &Store) {
        let mut tx = store.begin().await.unwrap();
        for p in 0..PEOPLE {
            let score = Account::Score {
                person: person(p),
                season: "2026-11".into(),
            };
            assert_eq!(
                store::balance(&mut tx, &score, Currency::Score).await.unwrap(),
                self.model.score(p)
            );
            let coin = store::balance(&mut tx, &Account::Coin(person(p)), Currency::Coin)
                .await
                .unwrap();
            let debt = Self::debt(&mut tx, p).await;
            assert_eq!(coin - debt, self.model.coins(p), "person {p}");
            assert!(coin >= 0 && debt >= 0);
        }
        drop(tx);
        let report = verify(store).await.unwrap();
        assert_eq!(report.problems, Vec::<String>::new());
        assert_eq!(report.transactions, self.model.entries);
        let all: i64 = view::balances(store).await.unwrap().values().sum();
        assert_eq!(all, 0);
    }
}

async fn run(t: &TestStore, seed: u64, steps: usize) {
    let mut run = Run::new(seed);
    for serial in 0..steps {
        run.step(&t.store, serial).await;
        if serial % 250 == 249 {
            run.compare(&t.store).await;
        }
    }
    run.compare(&t.store).await;
    assert!(run.model.entries > steps as i64 / 4, "the run did too little");
}

/// P1 to P12 as far as they apply: random awards, repeats, recalls (also early ones), reversals,
/// spending, dropped transactions, erasure and time, against plain maps.
#[tokio::test]
async fn the_ledger_is_what_the_maps_say() {
    let t = testing::sqlite().await.unwrap();
    run(&t, 1, 2500).await;
    if let Some(t) = testing::postgres().await.unwrap() {
        run(&t, 2, 400).await;
    }
}

/// P7: the same events in any order and with any repeats give the same balances.
#[tokio::test]
async fn order_and_repeats_do_not_matter() {
    let mut totals = Vec::new();
    for seed in 0..3 {
        let t = testing::sqlite().await.unwrap();
        let mut rng = StdRng::seed_from_u64(seed);
        let mut events: Vec<(usize, usize, i64, bool)> = (0..40)
            .flat_map(|m| [(m, m % PEOPLE, 300, false), (m, m % PEOPLE, 300, m % 4 == 0)])
            .chain((0..40).map(|m| (m, m % PEOPLE, 300, m % 4 == 0)))
            .collect();
        for i in (1..events.len()).rev() {
            events.swap(i, rng.random_range(0..=i));
        }
        let mut run = Run::new(seed);
        for (message, p, amount, recall) in events {
            let mut tx = t.store.begin().await.unwrap();
            if recall {
                run.recall(&mut tx, message).await;
            } else {
                run.award(&mut tx, message, p, amount).await;
            }
            tx.commit().await.unwrap();
        }
        run.compare(&t.store).await;
        let mut balances = view::balances(&t.store).await.unwrap();
        balances.retain(|_, v| *v != 0);
        totals.push(balances);
    }
    assert!(totals[0].len() > 4);
    assert_eq!(totals[0], totals[1]);
    assert_eq!(totals[1], totals[2]);
}

/// Many at once on one account: caps hold, nothing is spent twice, the chain has no gap.
#[tokio::test]
async fn at_the_same_time() {
    for t in testing::all().await.unwrap() {
        let mut tasks = Vec::new();
        for n in 0..24usize {
            let store = t.store.clone();
            tasks.push(tokio::spawn(async move {
                let mut run = Run::new(n as u64);
                let mut tx = store.begin().await.unwrap();
                store::lock(&mut tx).await.unwrap();
                let wk = week(run.day);
                let day = run.day.to_string();
                let s = person(0);
                let taken = store::cap_take(&mut tx, CAP_DAY, s.as_str(), &day, 1000, DAY_CAP)
                    .await
                    .unwrap()
                    && store::cap_take(&mut tx, CAP_WEEK, s.as_str(), &wk, 1000, WEEK_CAP)
                        .await
                        .unwrap();
                if !taken {
                    tx.rollback().await.unwrap();
                    return (false, false);
                }
                // Every cause twice, by two tasks.
                let posting = run.posting(&format!("grant:{}", n / 2), None, 0, 1000, 0);
                let new = matches!(store::post(&mut tx, &posting).await.unwrap(), Posted::New { .. });
                if !new {
                    tx.rollback().await.unwrap();
                    return (false, false);
                }
                tx.commit().await.unwrap();
                let mut tx = store.begin().await.unwrap();
                let spent = run.spend(&mut tx, 0, 700, n).await;
                if spent {
                    tx.commit().await.unwrap();
                } else {
                    tx.rollback().await.unwrap();
                }
                (new, spent)
            }));
        }
        let mut paid = 0;
        for task in tasks {
            paid += i64::from(task.await.unwrap().0);
        }
        assert_eq!(paid, 12, "{}", t.name);
        let report = verify(&t.store).await.unwrap();
        assert_eq!(report.problems, Vec::<String>::new(), "{}", t.name);
        let mut tx = t.store.begin().await.unwrap();
        let left = store::balance(&mut tx, &Account::Coin(person(0)), Currency::Coin)
            .await
            .unwrap();
        assert!((0..=12_000).contains(&left));
        assert_eq!(
            store::cap_used(&mut tx, CAP_DAY, person(0).as_str(), "2026-11-02")
                .await
                .unwrap(),
            12_000
        );
    }
}

/// P8: whoever edits the tables is refused; whoever removes the guard first is found.
#[tokio::test]
async fn edits_are_refused_or_found() {
    for t in testing::all().await.unwrap() {
        let mut run = Run::new(7);
        for message in 1..=3 {
            let mut tx = t.store.begin().await.unwrap();
            run.award(&mut tx, message, 0, 1000).await;
            tx.commit().await.unwrap();
        }
        assert!(verify(&t.store).await.unwrap().ok());
        for sql in [
            "UPDATE ledger_line SET amount = amount * 2",
            "UPDATE ledger_tx SET actor = NULL",
            "DELETE FROM ledger_tx WHERE seq = 3",
            "DELETE FROM ledger_line WHERE seq = 3",
        ] {
            let mut tx = t.store.begin().await.unwrap();
            let error = tx.query(sql).execute().await.unwrap_err().to_string();
            assert!(error.contains("append-only"), "{}: {error}", t.name);
            tx.rollback().await.unwrap();
        }
        let drop_guards: &[&str] = match t.store.dialect() {
            crate::store::Dialect::Sqlite => &[
                "DROP TRIGGER ledger_tx_no_update",
                "DROP TRIGGER ledger_tx_no_delete",
                "DROP TRIGGER ledger_line_no_update",
                "DROP TRIGGER ledger_line_no_delete",
            ],
            crate::store::Dialect::Postgres => &[
                "DROP TRIGGER ledger_tx_append_only ON ledger_tx",
                "DROP TRIGGER ledger_line_append_only ON ledger_line",
            ],
        };
        for sql in drop_guards {
            t.store.execute_alone((*sql).into(), vec![]).await.unwrap();
        }
        // What is done and undone again, and what the check must say meanwhile.
        let edits = [
            (
                "UPDATE ledger_line SET amount = 2 * amount WHERE seq = 2",
                "UPDATE ledger_line SET amount = amount / 2 WHERE seq = 2",
            ),
            (
                "UPDATE ledger_tx SET rule = 'grant' WHERE seq = 1",
                "UPDATE ledger_tx SET rule = 'thanks' WHERE seq = 1",
            ),
            (
                "UPDATE ledger_tx SET local_date = '2026-11-03' WHERE seq = 2",
                "UPDATE ledger_tx SET local_date = '2026-11-02' WHERE seq = 2",
            ),
            (
                "UPDATE ledger_balance SET amount = amount + 1 WHERE currency = 'score'",
                "UPDATE ledger_balance SET amount = amount - 1 WHERE currency = 'score'",
            ),
            (
                "UPDATE cap_counter SET used = used - 1",
                "UPDATE cap_counter SET used = used + 1",
            ),
            (
                "UPDATE ledger_cause SET cause = 'x' || cause",
                "UPDATE ledger_cause SET cause = substr(cause, 2)",
            ),
            ("UPDATE ledger_head SET seq = 4", "UPDATE ledger_head SET seq = 3"),
            (
                "INSERT INTO ledger_line (seq, line, account, currency, amount) VALUES (9, 0, 'issue:x', 'score', 5)",
                "DELETE FROM ledger_line WHERE seq = 9",
            ),
            (
                "UPDATE ledger_tx SET seq = 5 WHERE seq = 3",
                "UPDATE ledger_tx SET seq = 3 WHERE seq = 5",
            ),
        ];
        for (edit, undo) in edits {
            t.store.execute_alone(edit.into(), vec![]).await.unwrap();
            assert!(
                !verify(&t.store).await.unwrap().ok(),
                "{}: {edit} was not found",
                t.name
            );
            t.store.execute_alone(undo.into(), vec![]).await.unwrap();
            assert!(verify(&t.store).await.unwrap().ok(), "{}: {undo} did not undo", t.name);
        }
    }
}
