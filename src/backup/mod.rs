//! Backups: one consistent copy of the whole store in one file, taken beside the running service, and
//! a store made from it again.
//!
//! The file is a SQLite database whatever the store is, so that one format serves both, it can be
//! looked into with common tools, and a company can move from SQLite to PostgreSQL with it. It holds
//! personal data and is written for its owner's eyes only (mode 0600 where the system has modes).
//!
//! What left after the copy was taken is not in it. So nothing of a restored store leaves by itself:
//! what waited is held, and sending is paused until an operator has looked (docs/backup.md).

mod store;

use std::path::{Path, PathBuf};
use std::time::Duration;

use hutong_model::{CompanyId, Timestamp};

use crate::access::store::audit;
use crate::delivery::store as outbox;
use crate::rules::points;
use crate::store::{Store, StoreError, StoreOptions, file};

/// Why there is no backup, or no restored store.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{0} is there already: choose another name, a backup is never written over")]
    Exists(PathBuf),
    #[error("{path} is no backup of this program: {why}")]
    NotABackup { path: PathBuf, why: String },
    #[error("{path} is damaged: {why}. Use another backup")]
    Damaged { path: PathBuf, why: String },
    #[error(
        "the backup is of the company {theirs:?}, the configuration is for {ours:?}: restore it with the configuration it belongs to"
    )]
    OtherCompany { theirs: String, ours: String },
    #[error(
        "the store is not empty ({what}): restore into an empty one, for example by moving the old file away or naming a new database in [store] url"
    )]
    NotEmpty { what: String },
    #[error("the ledger of the copy is not in order: {0}")]
    Ledger(String),
    #[error("{path}: {source}")]
    Io {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Contents {
    pub company: String,
    /// When the copy was begun, ms UTC.
    pub taken_at: i64,
    /// Version of the program that wrote it.
    pub program: String,
    pub rows: i64,
    pub ledger_transactions: i64,
    pub ledger_head: String,
}

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Restored {
    pub contents: Contents,
    /// Messages that waited to be sent and are held now.
    pub held: u64,
    /// Events that waited to be handled and will be when the service starts.
    pub waiting: i64,
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> BackupError + '_ {
    move |source| BackupError::Io {
        path: path.to_owned(),
        source,
    }
}

/// Writes a backup of the store at `url` to `target`, beside a running service, which neither waits
/// nor is waited for. The name appears only when the copy is whole, synced and checked: the pages of
/// the file, and the ledger from its first transaction.
pub async fn backup(url: &str, company: &CompanyId, target: &Path, now: Timestamp) -> Result<Contents, BackupError> {
    if target.exists() {
        return Err(BackupError::Exists(target.to_owned()));
    }
    let part = beside(target, ".part");
    file::remove(&part).map_err(io(&part))?;
    let result = write(url, company, &part, now).await;
    match result {
        Ok(contents) => {
            file::publish(&part, target).map_err(io(target))?;
            Ok(contents)
        }
        Err(error) => {
            let _ = file::remove(&part);
            Err(error)
        }
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

async fn write(url: &str, company: &CompanyId, part: &Path, now: Timestamp) -> Result<Contents, BackupError> {
    file::create_private(part).map_err(io(part))?;
    let copy = Store::open(&format!("sqlite://{}", part.display()), &alone()).await?;
    let contents = async {
        copy.copy_from(url, &[]).await?;
        let report = points::verify(&copy).await?;
        if !report.ok() {
            return Err(BackupError::Ledger(report.problems.join("; ")));
        }
        let contents = Contents {
            company: company.as_str().to_owned(),
            taken_at: now.millis(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            rows: store::rows(&copy).await?,
            ledger_transactions: report.transactions,
            ledger_head: report.head,
        };
        store::sign(&copy, &contents).await?;
        Ok(contents)
    }
    .await;
    copy.close().await;
    let contents = contents?;
    file::finish(part).await?;
    Ok(contents)
}

fn alone() -> StoreOptions {
    StoreOptions {
        connections: 1,
        ..StoreOptions::default()
    }
}

/// Reads what a backup is of, and checks that the file is whole. Changes nothing.
pub async fn inspect(path: &Path) -> Result<Contents, BackupError> {
    if !path.is_file() {
        return Err(BackupError::NotABackup {
            path: path.to_owned(),
            why: "there is no such file".to_owned(),
        });
    }
    match file::check(path).await {
        Ok(None) => {}
        Ok(Some(why)) => {
            return Err(BackupError::Damaged {
                path: path.to_owned(),
                why,
            });
        }
        Err(error) => {
            return Err(BackupError::NotABackup {
                path: path.to_owned(),
                why: error.to_string(),
            });
        }
    }
    let text = file::read_label(path, store::LABEL)
        .await
        .map_err(|error| BackupError::NotABackup {
            path: path.to_owned(),
            why: error.to_string(),
        })?;
    store::read_label(&text).ok_or_else(|| BackupError::NotABackup {
        path: path.to_owned(),
        why: "its label cannot be read".to_owned(),
    })
}

/// Fills the empty store at `url` from a backup, all or nothing. Afterwards nothing leaves by itself:
/// what waited is held and sending is paused.
pub async fn restore(
    url: &str,
    options: &StoreOptions,
    company: &CompanyId,
    from: &Path,
    now: Timestamp,
) -> Result<Restored, BackupError> {
    let contents = inspect(from).await?;
    if contents.company != company.as_str() {
        return Err(BackupError::OtherCompany {
            theirs: contents.company,
            ours: company.as_str().to_owned(),
        });
    }
    let target = Store::open(url, options).await?;
    let result = fill(&target, contents, from, now).await;
    target.close().await;
    result
}

async fn fill(target: &Store, contents: Contents, from: &Path, now: Timestamp) -> Result<Restored, BackupError> {
    if let Some(what) = store::not_empty(target).await? {
        return Err(BackupError::NotEmpty { what });
    }
    target.restore_from(from).await?;
    let report = points::verify(target).await?;
    if !report.ok() || report.head != contents.ledger_head {
        return Err(BackupError::Ledger(format!(
            "head {}, expected {}; {}",
            report.head,
            contents.ledger_head,
            report.problems.join("; ")
        )));
    }
    let mut tx = target.begin().await?;
    // "Older than" leaves out the present millisecond.
    let held = outbox::hold_older(&mut tx, now + Duration::from_millis(1)).await?;
    outbox::pause_all(&mut tx, true, now).await?;
    store::end_link_leases(&mut tx).await?;
    let detail = serde_json::json!({ "taken_at": contents.taken_at, "rows": contents.rows, "held": held });
    audit(&mut tx, now, "system", "store.restore", &contents.company, &detail).await?;
    tx.commit().await?;
    Ok(Restored {
        waiting: store::waiting_events(target).await?,
        contents,
        held,
    })
}
