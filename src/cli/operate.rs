//! What an operator does on the host: look at what waits and what was given up, and decide about it.
//! Works beside a running `hutong serve`, which notices within a second.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use hutong_model::{Clock, Timestamp};
use tokio::sync::Notify;

use super::serve::load;
use crate::access::store::audit;
use crate::clock::SystemClock;
use crate::delivery::store as outbox;
use crate::inbox;
use crate::inbox::worker::InboxSink;
use crate::store::{Store, StoreOptions};

/// Rows shown of a list.
const SHOWN: usize = 50;

#[derive(Args)]
pub(super) struct Where {
    /// The configuration, see config/hutong.toml.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Subcommand)]
pub(super) enum Operate {
    /// What waits, what was given up, how old the oldest is.
    Status(Where),
    /// Events that could not be handled.
    Inbox {
        #[command(flatten)]
        place: Where,
        #[command(subcommand)]
        what: InboxCommand,
    },
    /// Messages whose fate is not known.
    Outbox {
        #[command(flatten)]
        place: Where,
        #[command(subcommand)]
        what: OutboxCommand,
    },
    /// The points ledger.
    Ledger {
        #[command(flatten)]
        place: Where,
        #[command(subcommand)]
        what: LedgerCommand,
    },
}

#[derive(Subcommand)]
pub(super) enum InboxCommand {
    /// Items that were given up, newest first.
    Dead,
    /// Another round of attempts for one of them.
    Retry { seq: i64, rule: String },
}

#[derive(Subcommand)]
pub(super) enum OutboxCommand {
    /// Messages that wait for a decision: the platform may or may not have shown them.
    Parked,
    /// "Send it again": look into the chat first, it may be there already.
    Resend {
        id: String,
    },
    /// "It has arrived": nothing is sent.
    Settle {
        id: String,
    },
    /// "Leave it": never sent.
    Abandon {
        id: String,
    },
    /// Messages that are held after a restore, newest first.
    Held,
    /// Hold what waits to be sent now: after a restore, what was made from it meanwhile.
    Hold,
    /// Let held messages go: one, or `--all`.
    Release(Which),
    /// Never send held messages: one, or `--all`.
    Discard(Which),
    /// Stop sending anything, until `resume`.
    Pause,
    Resume,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct Which {
    /// The id that `held` shows.
    id: Option<String>,
    /// All of them.
    #[arg(long)]
    all: bool,
}

#[derive(Subcommand)]
pub(super) enum LedgerCommand {
    /// Adds every book up again and recomputes the chain. Exit code 1 when something is wrong.
    Verify,
}

async fn open(place: &Where) -> anyhow::Result<Option<(Store, Timestamp)>> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let now = clock.now();
    let Some(config) = load(&place.config, clock)? else {
        return Ok(None);
    };
    let options = StoreOptions {
        beside: true,
        connections: 2,
        ..StoreOptions::default()
    };
    let store = Store::open(config.store.url.expose(), &options)
        .await
        .with_context(|| format!("opening the store {}", config.store.shown()))?;
    Ok(Some((store, now)))
}

pub(super) async fn run(command: &Operate) -> anyhow::Result<ExitCode> {
    let place = match command {
        Operate::Status(place)
        | Operate::Inbox { place, .. }
        | Operate::Outbox { place, .. }
        | Operate::Ledger { place, .. } => place,
    };
    let Some((store, now)) = open(place).await? else {
        return Ok(ExitCode::from(2));
    };
    let code = match command {
        Operate::Status(_) => status(&store, now).await?,
        Operate::Inbox { what, .. } => inbox_command(&store, what, now).await?,
        Operate::Outbox { what, .. } => outbox_command(&store, what, now).await?,
        Operate::Ledger {
            what: LedgerCommand::Verify,
            ..
        } => verify(&store).await?,
    };
    store.close().await;
    Ok(code)
}

async fn status(store: &Store, now: Timestamp) -> anyhow::Result<ExitCode> {
    let (ready, waiting, dead, oldest) = inbox::counts(store).await?;
    let age = oldest.map_or_else(String::new, |at| format!(", oldest {} s", now.since(at).as_secs()));
    println!("inbox   {ready} to handle{age}; {waiting} to try again; {dead} given up");
    let counts = outbox::counts(store, now).await?;
    let states: Vec<String> = counts
        .by_state
        .iter()
        .map(|(state, n)| format!("{n} {state}"))
        .collect();
    let states = if states.is_empty() {
        "empty".to_owned()
    } else {
        states.join("; ")
    };
    println!("outbox  {states}; oldest due {} s", counts.oldest_age(now).as_secs());
    if outbox::all_paused(store).await? {
        println!("sending is paused: `hutong outbox --config FILE resume`");
    }
    if dead > 0 {
        println!("next: `hutong inbox --config FILE dead`");
    }
    if counts.of("needs_decision") > 0 {
        println!("next: `hutong outbox --config FILE parked`");
    }
    if counts.of("held") > 0 {
        println!("next: `hutong outbox --config FILE held`, then release or discard");
    }
    Ok(ExitCode::SUCCESS)
}

async fn inbox_command(store: &Store, what: &InboxCommand, now: Timestamp) -> anyhow::Result<ExitCode> {
    match what {
        InboxCommand::Dead => {
            let items = inbox::dead_items(store, SHOWN).await?;
            for item in &items {
                println!(
                    "{} {}  {} event, {} attempts, {} s ago: {}",
                    item.seq,
                    item.rule,
                    item.kind,
                    item.attempts,
                    now.since(item.at).as_secs(),
                    item.error
                );
            }
            if items.is_empty() {
                println!("nothing was given up");
            }
            Ok(ExitCode::SUCCESS)
        }
        InboxCommand::Retry { seq, rule } => {
            let found = inbox::retry_dead(store, *seq, rule, now).await?;
            let target = format!("inbox {seq} {rule}");
            done(store, found, "inbox.retry", &target, now).await
        }
    }
}

async fn outbox_command(store: &Store, what: &OutboxCommand, now: Timestamp) -> anyhow::Result<ExitCode> {
    // The running service looks at its tables every second; nobody needs to be rung from here.
    let sink = InboxSink::new(Arc::new(Notify::new()));
    let mut tx = store.begin().await?;
    let (action, target, found) = match what {
        OutboxCommand::Parked | OutboxCommand::Held => {
            tx.rollback().await?;
            let held = matches!(what, OutboxCommand::Held);
            let rows = if held {
                outbox::held(store, SHOWN).await?
            } else {
                outbox::parked(store, SHOWN).await?
            };
            for row in &rows {
                println!(
                    "{}  {} {} of {} to {}, {} s old, {} attempts: {}",
                    row.id,
                    row.state,
                    row.action,
                    row.rule,
                    row.lane,
                    now.since(row.created_at).as_secs(),
                    row.attempts,
                    row.error.as_deref().unwrap_or("no answer")
                );
                for line in row.summary.lines().take(3) {
                    println!("    {line}");
                }
            }
            if rows.is_empty() && held {
                println!("nothing is held");
            } else if rows.is_empty() {
                println!("nothing waits for a decision");
            }
            return Ok(ExitCode::SUCCESS);
        }
        OutboxCommand::Hold => {
            let held = outbox::hold_older(&mut tx, now).await?;
            tx.commit().await?;
            return done(store, true, "outbox.hold", &format!("{held} messages"), now).await;
        }
        OutboxCommand::Release(which) => {
            let released = outbox::release_held(&mut tx, which.id.as_deref(), now).await?;
            tx.commit().await?;
            return some(store, released, "outbox.release", which, now).await;
        }
        OutboxCommand::Discard(which) => {
            let discarded = outbox::abandon_held(&mut tx, &sink, which.id.as_deref(), now).await?;
            tx.commit().await?;
            return some(store, discarded, "outbox.discard", which, now).await;
        }
        OutboxCommand::Resend { id } => ("outbox.resend", id.as_str(), outbox::resend(&mut tx, id, now).await?),
        OutboxCommand::Settle { id } => (
            "outbox.settle",
            id.as_str(),
            outbox::settle(&mut tx, &sink, id, now).await?,
        ),
        OutboxCommand::Abandon { id } => (
            "outbox.abandon",
            id.as_str(),
            outbox::abandon(&mut tx, &sink, id, now).await?,
        ),
        OutboxCommand::Pause => {
            outbox::pause_all(&mut tx, true, now).await?;
            ("outbox.pause", "all", true)
        }
        OutboxCommand::Resume => {
            outbox::pause_all(&mut tx, false, now).await?;
            ("outbox.resume", "all", true)
        }
    };
    tx.commit().await?;
    done(store, found, action, target, now).await
}

/// The same for one or all of the held messages.
async fn some(store: &Store, n: u64, action: &str, which: &Which, now: Timestamp) -> anyhow::Result<ExitCode> {
    match &which.id {
        Some(id) => done(store, n > 0, action, id, now).await,
        None => done(store, true, action, &format!("{n} messages"), now).await,
    }
}

/// Says what happened, and writes down that the host's operator did it.
async fn done(store: &Store, found: bool, action: &str, target: &str, now: Timestamp) -> anyhow::Result<ExitCode> {
    if !found {
        eprintln!("error: {target} is not there, or no longer waits for a decision");
        return Ok(ExitCode::FAILURE);
    }
    let mut tx = store.begin().await?;
    audit(
        &mut tx,
        now,
        "system",
        action,
        target,
        &serde_json::json!({ "by": "command line" }),
    )
    .await?;
    tx.commit().await?;
    println!("done: {action} {target}");
    Ok(ExitCode::SUCCESS)
}

async fn verify(store: &Store) -> anyhow::Result<ExitCode> {
    let report = crate::rules::points::verify(store).await?;
    println!("{} transactions, head {}", report.transactions, report.head);
    for problem in &report.problems {
        println!("wrong: {problem}");
    }
    println!(
        "{}",
        if report.ok() {
            "the ledger is in order"
        } else {
            "the ledger is NOT in order"
        }
    );
    Ok(if report.ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
