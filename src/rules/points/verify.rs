//! The check of the whole ledger: every sum and every hash computed again.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::give::{CAP_DAY, CAP_WEEK, RULE as THANKS};
use super::ledger::{Account, Currency, Entry, EntryKind, GENESIS, chain_hash, check, net, week};
use super::view::store as view;
use crate::store::{Store, StoreError};

/// Transactions read at once.
const PART: i64 = 500;
/// Problems that are told at most; one broken link makes all later ones suspect.
const MOST_PROBLEMS: usize = 50;

/// What the check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub transactions: i64,
    /// Hash of the last transaction, as computed; tell it to the auditors.
    pub head: String,
    /// Empty when everything is in order. English, for operators; at most fifty.
    pub problems: Vec<String>,
}

impl Report {
    pub fn ok(&self) -> bool {
        self.problems.is_empty()
    }
}

/// What a transaction moved, by whose and currency.
type Net = BTreeMap<(String, Currency), i64>;

#[derive(Default)]
struct Check {
    transactions: i64,
    lines: i64,
    problems: Vec<String>,
    balances: BTreeMap<(String, String), i64>,
    reversed: BTreeSet<i64>,
    /// Net effect per transaction that may still be reversed.
    nets: BTreeMap<i64, (EntryKind, Net)>,
    causes: BTreeMap<String, i64>,
    caps: BTreeMap<&'static str, BTreeMap<(String, String), i64>>,
}

/// Sums and hashes the whole ledger again and compares. Reads only; call it while nothing writes,
/// or take a difference at the newest entries for what it is.
pub async fn verify(store: &Store) -> Result<Report, StoreError> {
    let mut c = Check::default();
    let mut prev = GENESIS.to_owned();
    let mut seq = 0;
    loop {
        let part = view::entries_after(store, seq, PART).await?;
        let Some(last) = part.last() else { break };
        let next = last.seq;
        for entry in &part {
            c.entry(entry, seq, &prev);
            prev = chain_hash(&prev, &entry.canonical());
            seq = entry.seq;
        }
        seq = next;
    }
    let (head_seq, head_hash) = view::head(store).await?;
    if head_seq != seq || head_hash != prev {
        c.say(format!(
            "the head says {head_seq}, the last transaction that fits is {seq}"
        ));
    }
    if view::line_count(store).await? != c.lines {
        c.say("there are lines without a transaction".to_owned());
    }
    c.compare_balances(view::balances(store).await?);
    if view::causes(store).await? != c.causes {
        c.say("the causes are not those of the transactions".to_owned());
    }
    for rule in [CAP_DAY, CAP_WEEK] {
        let mut counted = view::cap_counters(store, rule).await?;
        counted.retain(|_, used| *used != 0);
        if counted != c.caps.remove(rule).unwrap_or_default() {
            c.say(format!("the counters of {rule} are not the sums of what was awarded"));
        }
    }
    c.problems.truncate(MOST_PROBLEMS);
    Ok(Report {
        transactions: c.transactions,
        head: prev,
        problems: c.problems,
    })
}

impl Check {
    fn say(&mut self, problem: String) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(problem);
        }
    }

    fn entry(&mut self, entry: &Entry, before: i64, prev: &str) {
        let seq = entry.seq;
        self.transactions += 1;
        self.lines += i64::try_from(entry.lines.len()).unwrap_or(i64::MAX);
        if seq != before + 1 {
            self.say(format!("after {before} comes {seq}"));
        }
        if entry.prev_hash != prev || entry.hash != chain_hash(prev, &entry.canonical()) {
            self.say(format!(
                "{} does not fit the chain: it or one before it was changed",
                entry.id
            ));
        }
        if let Err(error) = check(&entry.lines) {
            self.say(format!("{}: {error}", entry.id));
        }
        for line in &entry.lines {
            let key = (line.account.name(), line.currency.as_str().to_owned());
            let sum = self.balances.entry(key).or_default();
            *sum = sum.saturating_add(line.amount);
        }
        self.causes.insert(entry.cause.clone(), seq);
        match (entry.kind, entry.reverses) {
            (EntryKind::Reversal, Some(of)) => self.reversal(entry, of),
            (EntryKind::Reversal, None) | (_, Some(_)) => {
                self.say(format!("{} is half a reversal", entry.id));
            }
            (kind, None) => {
                self.nets.insert(seq, (kind, net(&entry.lines)));
                self.count_caps(entry);
            }
        }
    }

    fn reversal(&mut self, entry: &Entry, of: i64) {
        if !self.reversed.insert(of) {
            self.say(format!("{of} was reversed twice"));
        }
        let opposite = net(&entry.lines).into_iter().map(|(k, v)| (k, -v)).collect();
        match self.nets.get(&of) {
            Some((kind, original)) if *kind != EntryKind::Reversal && *original == opposite => {}
            _ => self.say(format!("{} does not take back exactly {of}", entry.id)),
        }
    }

    /// What a rule awarded counts against its caps, also when it was taken back later.
    fn count_caps(&mut self, entry: &Entry) {
        if entry.rule != THANKS {
            return;
        }
        let Ok(date) = entry.local_date.parse::<NaiveDate>() else {
            self.say(format!("{} has no date", entry.id));
            return;
        };
        for line in &entry.lines {
            if let Account::Score { person, .. } = &line.account {
                for (rule, window) in [(CAP_DAY, entry.local_date.clone()), (CAP_WEEK, week(date))] {
                    *self
                        .caps
                        .entry(rule)
                        .or_default()
                        .entry((person.as_str().to_owned(), window))
                        .or_default() += line.amount;
                }
            }
        }
    }

    fn compare_balances(&mut self, stored: BTreeMap<(String, String), i64>) {
        let keys: BTreeSet<_> = stored.keys().chain(self.balances.keys()).cloned().collect();
        for key in keys {
            let (a, b) = (
                stored.get(&key).copied().unwrap_or(0),
                self.balances.get(&key).copied().unwrap_or(0),
            );
            if a != b {
                self.say(format!("{} holds {a}, its lines say {b}", key.0));
            }
            let allowed = Account::parse(&key.0).is_some_and(|account| account.may_be_negative());
            if b < 0 && !allowed {
                self.say(format!("{} is below zero", key.0));
            }
        }
    }
}
