//! `hutong backup` and `hutong restore`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use chrono::DateTime;
use clap::Args;
use hutong_model::Clock;

use super::serve::load;
use crate::backup::{self, BackupError, Contents};
use crate::clock::SystemClock;
use crate::store::StoreOptions;

#[derive(Args)]
pub(super) struct BackupArguments {
    /// The configuration, see config/hutong.toml.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The file to write; must not be there yet.
    #[arg(value_name = "BACKUP")]
    target: PathBuf,
    /// One JSON object for tools, instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct RestoreArguments {
    /// The configuration whose [store] url names the empty store to fill.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// What `hutong backup` has written.
    #[arg(value_name = "BACKUP")]
    from: PathBuf,
    /// Only say what the backup holds and whether it is whole.
    #[arg(long)]
    dry_run: bool,
    /// One JSON object for tools, instead of text.
    #[arg(long)]
    json: bool,
}

/// What went wrong, and its exit code: 1, as for every command that could not do its work.
fn failed(error: &BackupError) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::FAILURE
}

fn describe(contents: &Contents) -> String {
    let taken = DateTime::from_timestamp_millis(contents.taken_at).map_or_else(
        || contents.taken_at.to_string(),
        |t| t.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
    );
    format!(
        "{} rows of the company {}, taken {taken} by hutong {}\nledger  {} transactions, head {}",
        contents.rows, contents.company, contents.program, contents.ledger_transactions, contents.ledger_head
    )
}

pub(super) async fn backup(arguments: &BackupArguments) -> anyhow::Result<ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let Some(config) = load(&arguments.config, clock.clone())? else {
        return Ok(ExitCode::from(2));
    };
    let began = Instant::now();
    let done = backup::backup(
        config.store.url.expose(),
        &config.company.id,
        &arguments.target,
        clock.now(),
    )
    .await;
    let contents = match done {
        Ok(contents) => contents,
        Err(error) => return Ok(failed(&error)),
    };
    if arguments.json {
        println!("{}", serde_json::to_string(&contents)?);
        return Ok(ExitCode::SUCCESS);
    }
    let size = std::fs::metadata(&arguments.target).map_or(0, |m| m.len());
    println!(
        "{}: {:.1} MiB in {:.1} s, checked\n{}\nIt holds personal data: keep it where the store itself might be kept.",
        arguments.target.display(),
        size as f64 / (1024.0 * 1024.0),
        began.elapsed().as_secs_f64(),
        describe(&contents)
    );
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn restore(arguments: &RestoreArguments) -> anyhow::Result<ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let Some(config) = load(&arguments.config, clock.clone())? else {
        return Ok(ExitCode::from(2));
    };
    if arguments.dry_run {
        return match backup::inspect(&arguments.from).await {
            Ok(contents) if arguments.json => {
                println!("{}", serde_json::to_string(&contents)?);
                Ok(ExitCode::SUCCESS)
            }
            Ok(contents) => {
                println!("{}: whole\n{}", arguments.from.display(), describe(&contents));
                Ok(ExitCode::SUCCESS)
            }
            Err(error) => Ok(failed(&error)),
        };
    }
    let done = backup::restore(
        config.store.url.expose(),
        &StoreOptions::default(),
        &config.company.id,
        &arguments.from,
        clock.now(),
    )
    .await;
    let restored = match done {
        Ok(restored) => restored,
        Err(error) => return Ok(failed(&error)),
    };
    if arguments.json {
        println!("{}", serde_json::to_string(&restored)?);
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "restored into {}: {}\n{} messages are held, {} events wait to be handled, sending is paused.\n\
         next: start `hutong serve`, then `hutong status`; when its inbox is empty `hutong outbox hold`, \
         `hutong outbox resume`, and look at `hutong outbox held` (docs/backup.md)",
        config.store.shown(),
        describe(&restored.contents),
        restored.held,
        restored.waiting
    );
    Ok(ExitCode::SUCCESS)
}
