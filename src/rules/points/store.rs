//! SQL of the ledger: post, reverse, recall, caps. What reads for people is in [`super::view`].
//!
//! Every function that writes takes the ledger's lock first, so that the sequence has no gaps, caps
//! hold and a cause is paid once, whatever runs at the same time.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use hutong_model::{AppId, MessageId, Timestamp};

use super::ledger::{
    Account, Currency, Entry, EntryKind, LedgerError, Line, Note, Posting, Purse, chain_hash, check, entry_id, mirror,
    season,
};
use super::view::store as view;
use crate::directory::PersonId;
use crate::directory::facts::{self, Figure};
use crate::store::{StoreError, Tx, Value, placeholders};

/// How long a recall that came before its message is remembered.
const TOMBSTONE_DAYS: u64 = 30;

/// What became of a posting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Posted {
    New {
        seq: i64,
        id: String,
    },
    /// The cause has been entered before; nothing was changed.
    Repeat,
    /// The message was taken back before it could earn anything.
    Withdrawn,
}

/// What became of a reversal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reversed {
    Done { id: String, of: Box<Entry> },
    Already,
    NotFound,
    IsReversal,
}

/// Serialises with every other writer of the ledger until the end of the transaction.
pub async fn lock(tx: &mut Tx) -> Result<(), StoreError> {
    tx.lock("ledger").await
}

/// Enters a transaction once per cause.
pub async fn post(tx: &mut Tx, posting: &Posting) -> Result<Posted, LedgerError> {
    check(&posting.lines)?;
    lock(tx).await?;
    if let Some((app, message)) = &posting.message
        && recalled(tx, app, message).await?
    {
        return Ok(Posted::Withdrawn);
    }
    append(tx, posting, None).await
}

async fn append(tx: &mut Tx, posting: &Posting, reverses: Option<i64>) -> Result<Posted, LedgerError> {
    let head = tx
        .query("SELECT seq, hash FROM ledger_head WHERE one = 1")
        .one()
        .await?;
    let seq = head.get::<i64>("seq")? + 1;
    let claimed = tx
        .query(
            "INSERT INTO ledger_cause (cause, seq, app, message, state) VALUES ($1, $2, $3, $4, 'live') \
             ON CONFLICT (cause) DO NOTHING",
        )
        .bind(posting.cause.as_str())
        .bind(seq)
        .bind(posting.message.as_ref().map(|(app, _)| app.clone()))
        .bind(posting.message.as_ref().map(|(_, message)| message.clone()))
        .execute()
        .await?;
    if claimed == 0 {
        return Ok(Posted::Repeat);
    }
    for line in &posting.lines {
        move_balance(tx, line, seq).await?;
    }
    leave_scores(tx, posting).await?;
    let mut entry = Entry {
        seq,
        id: entry_id(posting.local_date, seq),
        at: posting.at,
        local_date: posting.local_date.to_string(),
        season: season(posting.local_date),
        kind: posting.kind,
        rule: posting.rule.clone(),
        rule_version: posting.rule_version,
        cause: posting.cause.clone(),
        actor: posting.actor.as_ref().map(|a| a.as_str().to_owned()),
        note: posting.note.as_ref().map(Note::digest),
        reverses,
        prev_hash: head.get("hash")?,
        hash: String::new(),
        lines: posting.lines.clone(),
    };
    entry.hash = chain_hash(&entry.prev_hash, &entry.canonical());
    insert(tx, &entry).await?;
    if let Some(note) = &posting.note {
        tx.query("INSERT INTO ledger_note (seq, salt, body) VALUES ($1, $2, $3)")
            .bind(seq)
            .bind(note.salt.as_str())
            .bind(note.body.as_str())
            .execute()
            .await?;
    }
    tx.query("UPDATE ledger_head SET seq = $1, hash = $2 WHERE one = 1 AND seq = $3")
        .bind(seq)
        .bind(entry.hash.as_str())
        .bind(seq - 1)
        .ensure_rows(1)
        .await?;
    Ok(Posted::New { seq, id: entry.id })
}

async fn insert(tx: &mut Tx, entry: &Entry) -> Result<(), StoreError> {
    let sql = format!(
        "INSERT INTO ledger_tx (seq, id, at, local_date, season, kind, rule, rule_version, cause, actor, note, \
         reverses, prev_hash, hash) VALUES {}",
        placeholders(1, 14)
    );
    tx.query(sql)
        .bind(entry.seq)
        .bind(entry.id.as_str())
        .bind(entry.at)
        .bind(entry.local_date.as_str())
        .bind(entry.season.as_str())
        .bind(entry.kind.as_str())
        .bind(entry.rule.as_str())
        .bind(entry.rule_version)
        .bind(entry.cause.as_str())
        .bind(entry.actor.clone())
        .bind(entry.note.clone())
        .bind(entry.reverses)
        .bind(entry.prev_hash.as_str())
        .bind(entry.hash.as_str())
        .ensure_rows(1)
        .await?;
    let sql = format!(
        "INSERT INTO ledger_line (seq, line, account, currency, amount) VALUES {}",
        placeholders(entry.lines.len(), 5)
    );
    let values = entry.lines.iter().enumerate().flat_map(|(i, line)| {
        [
            Value::from(entry.seq),
            Value::from(i),
            Value::from(line.account.name()),
            Value::from(line.currency.as_str()),
            Value::from(line.amount),
        ]
    });
    tx.query(sql).bind_all(values).execute().await.map(|_| ())
}

/// Leaves the season's total of whom a posting concerns as a fact for segments, in whole points. What
/// belongs to a season that is over changes nothing.
async fn leave_scores(tx: &mut Tx, posting: &Posting) -> Result<(), StoreError> {
    let now = season(posting.local_date);
    for line in &posting.lines {
        if let Account::Score { person, season } = &line.account
            && line.currency == Currency::Score
            && *season == now
        {
            let amount = balance(tx, &line.account, Currency::Score).await?;
            facts::set_fact(tx, person, Figure::Score, amount.div_euclid(1000), posting.at).await?;
        }
    }
    Ok(())
}

/// A season has begun: everybody's score is nothing again. `began` is its first moment.
pub async fn new_season(tx: &mut Tx, began: Timestamp, now: Timestamp) -> Result<u64, StoreError> {
    tx.query("UPDATE person_fact SET value = 0, at = $1 WHERE field = $2 AND at < $3 AND value <> 0")
        .bind(now)
        .bind(Figure::Score.as_str())
        .bind(began)
        .execute()
        .await
}

async fn move_balance(tx: &mut Tx, line: &Line, seq: i64) -> Result<(), LedgerError> {
    let account = line.account.name();
    if line.amount < 0 && !line.account.may_be_negative() {
        // The condition is part of the statement: nothing can be spent twice.
        let changed = tx
            .query(
                "UPDATE ledger_balance SET amount = amount + $3, through_seq = $4 \
                 WHERE account = $1 AND currency = $2 AND amount + $3 >= 0",
            )
            .bind(account.as_str())
            .bind(line.currency.as_str())
            .bind(line.amount)
            .bind(seq)
            .execute()
            .await?;
        return if changed == 1 {
            Ok(())
        } else {
            Err(LedgerError::Insufficient { account })
        };
    }
    tx.query(
        "INSERT INTO ledger_balance (account, currency, owner, season, amount, through_seq) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (account, currency) DO UPDATE SET \
         amount = ledger_balance.amount + excluded.amount, through_seq = excluded.through_seq",
    )
    .bind(account.as_str())
    .bind(line.currency.as_str())
    .bind(line.account.owner().map_or("", PersonId::as_str))
    .bind(line.account.season())
    .bind(line.amount)
    .bind(seq)
    .execute()
    .await?;
    Ok(())
}

/// Why, when and by whom something is taken back.
#[derive(Debug, Clone)]
pub struct Reversal {
    /// Code of the reason: `recall`, `operator`.
    pub rule: &'static str,
    pub actor: Option<PersonId>,
    pub note: Option<Note>,
    pub at: Timestamp,
    pub local_date: NaiveDate,
}

/// Takes a transaction back in full, once. A reversal itself is never taken back.
pub async fn reverse(tx: &mut Tx, seq: i64, why: &Reversal) -> Result<Reversed, LedgerError> {
    lock(tx).await?;
    let Some(of) = view::entry(tx, seq).await? else {
        return Ok(Reversed::NotFound);
    };
    if of.kind == EntryKind::Reversal {
        return Ok(Reversed::IsReversal);
    }
    let mut purses = BTreeMap::new();
    for line in &of.lines {
        if let Account::Coin(person) | Account::Receivable(person) = &line.account {
            purses.insert(person.clone(), purse(tx, person).await?);
        }
    }
    let posting = Posting {
        kind: EntryKind::Reversal,
        rule: why.rule.to_owned(),
        rule_version: of.rule_version,
        cause: format!("reversal:{seq}"),
        message: None,
        actor: why.actor.clone(),
        note: why.note.clone(),
        at: why.at,
        local_date: why.local_date,
        lines: mirror(&of.lines, &purses),
    };
    match append(tx, &posting, Some(seq)).await? {
        Posted::New { id, .. } => {
            tx.query("UPDATE ledger_cause SET state = 'withdrawn' WHERE cause = $1")
                .bind(of.cause.as_str())
                .execute()
                .await?;
            tx.query("UPDATE thanks SET withdrawn = TRUE WHERE cause = $1")
                .bind(of.cause.as_str())
                .execute()
                .await?;
            Ok(Reversed::Done { id, of: Box::new(of) })
        }
        Posted::Repeat | Posted::Withdrawn => Ok(Reversed::Already),
    }
}

/// A message was taken back: everything it earned is reversed, and whatever of it still arrives
/// earns nothing. Any number of times, before or after: the net effect of the message is zero.
pub async fn recall(tx: &mut Tx, app: &AppId, message: &MessageId, why: &Reversal) -> Result<Vec<Entry>, LedgerError> {
    lock(tx).await?;
    tx.query("INSERT INTO tombstone (app, message, at) VALUES ($1, $2, $3) ON CONFLICT (app, message) DO NOTHING")
        .bind(app)
        .bind(message)
        .bind(why.at)
        .execute()
        .await?;
    tx.query("DELETE FROM tombstone WHERE at < $1")
        .bind(why.at - std::time::Duration::from_secs(TOMBSTONE_DAYS * 86_400))
        .execute()
        .await?;
    tx.query("UPDATE thanks SET withdrawn = TRUE WHERE app = $1 AND message = $2")
        .bind(app)
        .bind(message)
        .execute()
        .await?;
    let rows = tx
        .query("SELECT seq FROM ledger_cause WHERE app = $1 AND message = $2 AND state = 'live' ORDER BY seq")
        .bind(app)
        .bind(message)
        .all()
        .await?;
    let mut out = Vec::new();
    for row in rows {
        if let Reversed::Done { of, .. } = reverse(tx, row.get("seq")?, why).await? {
            out.push(*of);
        }
    }
    Ok(out)
}

/// True when the message is known to have been taken back.
pub async fn recalled(tx: &mut Tx, app: &str, message: &str) -> Result<bool, StoreError> {
    let row = tx
        .query("SELECT COUNT(*) AS n FROM tombstone WHERE app = $1 AND message = $2")
        .bind(app)
        .bind(message)
        .one()
        .await?;
    Ok(row.get::<i64>("n")? > 0)
}

pub async fn balance(tx: &mut Tx, account: &Account, currency: Currency) -> Result<i64, StoreError> {
    let row = tx
        .query("SELECT amount FROM ledger_balance WHERE account = $1 AND currency = $2")
        .bind(account.name())
        .bind(currency.as_str())
        .optional()
        .await?;
    row.map_or(Ok(0), |r| r.get("amount"))
}

/// What a person holds in coins and owes.
pub async fn purse(tx: &mut Tx, person: &PersonId) -> Result<Purse, StoreError> {
    Ok(Purse {
        held: balance(tx, &Account::Coin(person.clone()), Currency::Coin).await?,
        owed: -balance(tx, &Account::Receivable(person.clone()), Currency::Coin).await?,
    })
}

/// How much of a cap is used.
pub async fn cap_used(tx: &mut Tx, rule: &str, subject: &str, window: &str) -> Result<i64, StoreError> {
    let row = tx
        .query("SELECT used FROM cap_counter WHERE rule = $1 AND subject = $2 AND window_start = $3")
        .bind(rule)
        .bind(subject)
        .bind(window)
        .optional()
        .await?;
    row.map_or(Ok(0), |r| r.get("used"))
}

/// Uses `n` of a cap, or nothing and `false` when that would pass it. One statement decides, so two
/// at the same time cannot both take the last of it.
pub async fn cap_take(
    tx: &mut Tx,
    rule: &str,
    subject: &str,
    window: &str,
    n: i64,
    cap: i64,
) -> Result<bool, StoreError> {
    // The first insert is not covered by the WHERE below.
    if n < 0 || n > cap {
        return Ok(false);
    }
    let changed = tx
        .query(
            "INSERT INTO cap_counter (rule, subject, window_start, used) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (rule, subject, window_start) DO UPDATE SET used = cap_counter.used + excluded.used \
             WHERE cap_counter.used + excluded.used <= $5",
        )
        .bind(rule)
        .bind(subject)
        .bind(window)
        .bind(n)
        .bind(cap)
        .execute()
        .await?;
    Ok(changed == 1)
}

/// A thank-you, as it is remembered beside the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thanks {
    pub cause: String,
    pub app: AppId,
    pub chat: Option<String>,
    pub message: Option<MessageId>,
    pub at: Timestamp,
    pub local_date: NaiveDate,
    pub giver: PersonId,
    pub receiver: PersonId,
    pub points: i64,
    pub value: Option<String>,
    pub cross_department: bool,
    pub seq: Option<i64>,
}

pub async fn remember_thanks(tx: &mut Tx, t: &Thanks) -> Result<(), StoreError> {
    let sql = format!(
        "INSERT INTO thanks (cause, app, chat, message, at, local_date, giver, receiver, points, value, \
         cross_department, seq, withdrawn) VALUES {} ON CONFLICT (cause) DO NOTHING",
        placeholders(1, 13)
    );
    tx.query(sql)
        .bind(t.cause.as_str())
        .bind(&t.app)
        .bind(t.chat.clone())
        .bind(t.message.as_ref().map(|m| m.as_str().to_owned()))
        .bind(t.at)
        .bind(t.local_date.to_string())
        .bind(t.giver.as_str())
        .bind(t.receiver.as_str())
        .bind(t.points)
        .bind(t.value.clone())
        .bind(t.cross_department)
        .bind(t.seq)
        .bind(false)
        .execute()
        .await
        .map(|_| ())
}

/// True when this act was handled before.
pub async fn thanks_known(tx: &mut Tx, cause: &str) -> Result<bool, StoreError> {
    let row = tx
        .query("SELECT COUNT(*) AS n FROM thanks WHERE cause = $1")
        .bind(cause)
        .one()
        .await?;
    Ok(row.get::<i64>("n")? > 0)
}

/// How often `giver` thanked `receiver` since `since`; what was taken back does not count.
pub async fn pair_count(
    tx: &mut Tx,
    giver: &PersonId,
    receiver: &PersonId,
    since: Timestamp,
) -> Result<i64, StoreError> {
    let row = tx
        .query("SELECT COUNT(*) AS n FROM thanks WHERE giver = $1 AND receiver = $2 AND at >= $3 AND withdrawn = FALSE")
        .bind(giver.as_str())
        .bind(receiver.as_str())
        .bind(since)
        .one()
        .await?;
    row.get("n")
}

/// Opens or closes a person's question about an entry. Returns false when it already was so.
pub async fn set_dispute(
    tx: &mut Tx,
    seq: i64,
    person: &PersonId,
    open: bool,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let changed = tx
        .query(
            "INSERT INTO points_dispute (seq, person, at, open) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (seq, person) DO UPDATE SET open = excluded.open, at = excluded.at \
             WHERE points_dispute.open <> excluded.open",
        )
        .bind(seq)
        .bind(person.as_str())
        .bind(at)
        .bind(open)
        .execute()
        .await?;
    Ok(changed == 1)
}

/// Whether the person is left out of boards.
pub async fn set_hidden(tx: &mut Tx, person: &PersonId, hidden: bool) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO points_person (person, hidden) VALUES ($1, $2) \
         ON CONFLICT (person) DO UPDATE SET hidden = excluded.hidden",
    )
    .bind(person.as_str())
    .bind(hidden)
    .execute()
    .await
    .map(|_| ())
}

/// Erases the free texts of a person's entries (both that they wrote and that they got). No amount,
/// no total and no hash changes.
pub async fn erase_notes(tx: &mut Tx, person: &PersonId) -> Result<u64, StoreError> {
    let mut erased = 0;
    let own = tx
        .query("DELETE FROM ledger_note WHERE seq IN (SELECT seq FROM ledger_tx WHERE actor = $1)")
        .bind(person.as_str())
        .execute()
        .await?;
    erased += own;
    let got = tx
        .query("DELETE FROM ledger_note WHERE seq IN (SELECT seq FROM thanks WHERE receiver = $1 AND seq IS NOT NULL)")
        .bind(person.as_str())
        .execute()
        .await?;
    Ok(erased + got)
}

/// Remembers what the bot wrote in answer to a message.
pub async fn remember_line(tx: &mut Tx, app: &AppId, message: &MessageId, line: &MessageId) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO thanks_line (app, message, line) VALUES ($1, $2, $3) \
         ON CONFLICT (app, message) DO UPDATE SET line = excluded.line",
    )
    .bind(app)
    .bind(message)
    .bind(line)
    .execute()
    .await
    .map(|_| ())
}

/// Hands out, once, what the bot wrote in answer to a message.
pub async fn take_line(tx: &mut Tx, app: &AppId, message: &MessageId) -> Result<Option<MessageId>, StoreError> {
    let row = tx
        .query("DELETE FROM thanks_line WHERE app = $1 AND message = $2 RETURNING line")
        .bind(app)
        .bind(message)
        .optional()
        .await?;
    row.map(|r| r.get("line")).transpose()
}
