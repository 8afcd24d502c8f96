//! The ledger as pure values: accounts, lines, the text that is hashed and the chain of hashes.
//!
//! Double entry: the lines of a transaction sum to zero per currency. Amounts are whole thousandths
//! of a point. `hash = sha256(prev_hash_hex + "\n" + canonical_json)`, the first `prev` is 64 zeros.

use std::collections::BTreeMap;

use chrono::{Datelike as _, NaiveDate};
use hutong_model::Timestamp;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::directory::PersonId;
use crate::store::StoreError;

/// The hash before the first transaction.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// The largest amount of one line, in thousandths: a million points.
pub const MAX_LINE: i64 = 1_000_000_000;
/// One point.
pub const POINT: i64 = 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Currency {
    /// For boards and levels; belongs to a season, cannot be spent.
    Score,
    /// Can be redeemed.
    Coin,
}

impl Currency {
    pub fn as_str(self) -> &'static str {
        match self {
            Currency::Score => "score",
            Currency::Coin => "coin",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Currency::Score, Currency::Coin]
            .into_iter()
            .find(|c| c.as_str() == text)
    }
}

/// Where points are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// A person's score of a season (`2026-11`).
    Score {
        person: PersonId,
        season: String,
    },
    Coin(PersonId),
    /// What a person owes because a reversed gift had been spent; settled from later income.
    Receivable(PersonId),
    /// The company's side of a rule. Goes negative: points come from here.
    Issue(String),
    /// What was spent on an item.
    Redeem(String),
}

impl Account {
    pub fn name(&self) -> String {
        match self {
            Account::Score { person, season } => format!("score:{person}:{season}"),
            Account::Coin(person) => format!("coin:{person}"),
            Account::Receivable(person) => format!("fraud:{person}"),
            Account::Issue(rule) => format!("issue:{rule}"),
            Account::Redeem(item) => format!("redeem:{item}"),
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        Some(match kind {
            "score" => {
                let (person, season) = rest.split_once(':')?;
                Account::Score {
                    person: PersonId::parse(person)?,
                    season: season.to_owned(),
                }
            }
            "coin" => Account::Coin(PersonId::parse(rest)?),
            "fraud" => Account::Receivable(PersonId::parse(rest)?),
            "issue" => Account::Issue(rest.to_owned()),
            "redeem" => Account::Redeem(rest.to_owned()),
            _ => return None,
        })
    }

    /// The person the account belongs to.
    pub fn owner(&self) -> Option<&PersonId> {
        match self {
            Account::Score { person, .. } | Account::Coin(person) | Account::Receivable(person) => Some(person),
            Account::Issue(_) | Account::Redeem(_) => None,
        }
    }

    pub fn season(&self) -> &str {
        match self {
            Account::Score { season, .. } => season,
            _ => "",
        }
    }

    /// Only the company's side and debts go below zero.
    pub fn may_be_negative(&self) -> bool {
        matches!(self, Account::Issue(_) | Account::Receivable(_))
    }

    fn holds(&self, currency: Currency) -> bool {
        match self {
            Account::Score { .. } => currency == Currency::Score,
            Account::Coin(_) | Account::Receivable(_) | Account::Redeem(_) => currency == Currency::Coin,
            Account::Issue(_) => true,
        }
    }
}

/// One side of a movement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub account: Account,
    pub currency: Currency,
    /// Thousandths; never zero.
    pub amount: i64,
}

impl Line {
    pub fn new(account: Account, currency: Currency, amount: i64) -> Self {
        Self {
            account,
            currency,
            amount,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// Earned by a rule.
    Award,
    /// Given by an operator.
    Grant,
    Spend,
    Reversal,
}

impl EntryKind {
    pub fn as_str(self) -> &'static str {
        match self {
            EntryKind::Award => "award",
            EntryKind::Grant => "grant",
            EntryKind::Spend => "spend",
            EntryKind::Reversal => "reversal",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [
            EntryKind::Award,
            EntryKind::Grant,
            EntryKind::Spend,
            EntryKind::Reversal,
        ]
        .into_iter()
        .find(|k| k.as_str() == text)
    }
}

/// What is to be entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    pub kind: EntryKind,
    /// Code of the rule that decided it.
    pub rule: String,
    pub rule_version: i64,
    /// What caused it. The same cause is entered once.
    pub cause: String,
    /// The message that caused it, as (app, message).
    pub message: Option<(String, String)>,
    pub actor: Option<PersonId>,
    /// Free text for people; kept outside the chain.
    pub note: Option<Note>,
    pub at: Timestamp,
    pub local_date: NaiveDate,
    pub lines: Vec<Line>,
}

/// Free text with the salt that keeps its digest from being guessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub salt: String,
    pub body: String,
}

impl Note {
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.salt.as_bytes());
        hash.update([0]);
        hash.update(self.body.as_bytes());
        hex::encode(hash.finalize())
    }
}

/// A transaction as it stands in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub seq: i64,
    pub id: String,
    pub at: Timestamp,
    pub local_date: String,
    pub season: String,
    pub kind: EntryKind,
    pub rule: String,
    pub rule_version: i64,
    pub cause: String,
    pub actor: Option<String>,
    pub note: Option<String>,
    pub reverses: Option<i64>,
    pub prev_hash: String,
    pub hash: String,
    pub lines: Vec<Line>,
}

impl Entry {
    /// The text that is hashed: everything but the hashes.
    pub fn canonical(&self) -> String {
        let lines: Vec<Value> = self
            .lines
            .iter()
            .map(|l| serde_json::json!([l.account.name(), l.currency.as_str(), l.amount]))
            .collect();
        canonical(&serde_json::json!({
            "actor": self.actor,
            "at": self.at.millis(),
            "cause": self.cause,
            "date": self.local_date,
            "kind": self.kind.as_str(),
            "lines": lines,
            "note": self.note,
            "reason": self.rule,
            "reverses": self.reverses,
            "season": self.season,
            "seq": self.seq,
            "tx": self.id,
            "version": self.rule_version,
        }))
    }
}

/// Why a posting was not entered.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("a transaction needs at least two lines")]
    TooFewLines,
    #[error("a line of {0} is zero, too large or in a currency the account does not hold")]
    BadLine(String),
    #[error("the lines in {0} do not sum to zero")]
    Unbalanced(&'static str),
    #[error("{account} holds less than that")]
    Insufficient { account: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Checks the lines of one transaction.
pub fn check(lines: &[Line]) -> Result<(), LedgerError> {
    if lines.len() < 2 {
        return Err(LedgerError::TooFewLines);
    }
    let mut sums: BTreeMap<Currency, i64> = BTreeMap::new();
    for line in lines {
        let fits = line.amount != 0 && line.amount.checked_abs().is_some_and(|a| a <= MAX_LINE);
        if !fits || !line.account.holds(line.currency) {
            return Err(LedgerError::BadLine(line.account.name()));
        }
        let sum = sums.entry(line.currency).or_default();
        *sum = sum
            .checked_add(line.amount)
            .ok_or_else(|| LedgerError::BadLine(line.account.name()))?;
    }
    match sums.iter().find(|(_, sum)| **sum != 0) {
        Some((currency, _)) => Err(LedgerError::Unbalanced(currency.as_str())),
        None => Ok(()),
    }
}

/// JSON with sorted keys, no spaces, UTF-8: the same value always gives the same bytes.
pub fn canonical(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            // Sorted here: the map's own order depends on how the JSON crate was built.
            let sorted: BTreeMap<&String, &Value> = map.iter().collect();
            out.push('{');
            for (i, (key, item)) in sorted.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(&Value::String(key.clone()), out);
                out.push(':');
                write(item, out);
            }
            out.push('}');
        }
        leaf => out.push_str(&leaf.to_string()),
    }
}

/// The next link of the chain.
pub fn chain_hash(prev_hex: &str, canonical: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(prev_hex.as_bytes());
    hash.update(b"\n");
    hash.update(canonical.as_bytes());
    hex::encode(hash.finalize())
}

/// The number people see.
pub fn entry_id(date: NaiveDate, seq: i64) -> String {
    format!("L{}-{seq:04}", date.format("%Y%m%d"))
}

/// The season of a day: its month.
pub fn season(date: NaiveDate) -> String {
    date.format("%Y-%m").to_string()
}

/// The ISO week of a day, `2026-W48`.
pub fn week(date: NaiveDate) -> String {
    let week = date.iso_week();
    format!("{}-W{:02}", week.year(), week.week())
}

/// The lines of an income from a rule. `debt` is what the person owes: coins settle it first.
pub fn income(rule: &str, person: &PersonId, season: &str, score: i64, coin: i64, debt: i64) -> Vec<Line> {
    let mut lines = Vec::new();
    if score > 0 {
        lines.push(Line::new(Account::Issue(rule.to_owned()), Currency::Score, -score));
        let account = Account::Score {
            person: person.clone(),
            season: season.to_owned(),
        };
        lines.push(Line::new(account, Currency::Score, score));
    }
    if coin > 0 {
        lines.push(Line::new(Account::Issue(rule.to_owned()), Currency::Coin, -coin));
        let settled = coin.min(debt.max(0));
        if settled > 0 {
            lines.push(Line::new(Account::Receivable(person.clone()), Currency::Coin, settled));
        }
        if coin > settled {
            lines.push(Line::new(Account::Coin(person.clone()), Currency::Coin, coin - settled));
        }
    }
    lines
}

/// What a person holds in coins and owes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purse {
    pub held: i64,
    pub owed: i64,
}

/// The lines that take a transaction back: everything the other way. Coins that are no longer there
/// become a debt, and coins that come back settle a debt first, so that nobody owes and holds.
pub fn mirror(lines: &[Line], purses: &BTreeMap<PersonId, Purse>) -> Vec<Line> {
    let mut coins: BTreeMap<&PersonId, i64> = BTreeMap::new();
    let mut out = Vec::with_capacity(lines.len());
    for line in lines {
        match &line.account {
            Account::Coin(person) | Account::Receivable(person) => {
                let sum = coins.entry(person).or_default();
                *sum = sum.saturating_sub(line.amount);
            }
            account => out.push(Line::new(account.clone(), line.currency, -line.amount)),
        }
    }
    for (person, change) in coins {
        let purse = purses.get(person).copied().unwrap_or_default();
        let (coin, debt) = if change < 0 {
            let taken = (-change).min(purse.held.max(0));
            (-taken, change + taken)
        } else {
            let settled = change.min(purse.owed.max(0));
            (change - settled, settled)
        };
        for (account, amount) in [
            (Account::Coin(person.clone()), coin),
            (Account::Receivable(person.clone()), debt),
        ] {
            if amount != 0 {
                out.push(Line::new(account, Currency::Coin, amount));
            }
        }
    }
    out
}

/// What a transaction moved per person (or company account) and currency; a reversal moves exactly
/// the opposite.
pub fn net(lines: &[Line]) -> BTreeMap<(String, Currency), i64> {
    let mut out = BTreeMap::new();
    for line in lines {
        let whose = line
            .account
            .owner()
            .map_or_else(|| line.account.name(), |p| p.as_str().to_owned());
        let sum: &mut i64 = out.entry((whose, line.currency)).or_default();
        *sum = sum.saturating_add(line.amount);
    }
    out.retain(|_, sum| *sum != 0);
    out
}
