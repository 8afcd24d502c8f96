//! A SQLite database as a single file that is handed over: made for its owner only, without a log
//! beside it, synced before it gets its name.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use super::StoreError;

/// What stands beside a database file while it is open.
const BESIDE: [&str; 4] = ["", "-wal", "-shm", ".lock"];

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes an empty file that only its owner can read.
pub fn create_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path).map(|_| ())
}

/// Removes a database file and what stands beside it; absent ones are no error.
pub fn remove(path: &Path) -> io::Result<()> {
    for suffix in BESIDE {
        match fs::remove_file(with(path, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Gives the file its name, durably: the content is synced first, the folder afterwards. Never
/// replaces what has that name.
pub fn publish(part: &Path, target: &Path) -> io::Result<()> {
    File::open(part)?.sync_all()?;
    // A link fails where a rename would replace. Where there are no links, the look must do.
    if let Err(error) = fs::hard_link(part, target) {
        if error.kind() == io::ErrorKind::AlreadyExists || target.exists() {
            return Err(error);
        }
        fs::rename(part, target)?;
    }
    remove(part)?;
    let folder = target.parent().filter(|p| !p.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Folds the log into the file, so that it is whole by itself.
pub async fn finish(path: &Path) -> Result<(), StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .synchronous(SqliteSynchronous::Full);
    let mut last = None;
    // A store that was just closed lets go of its file a moment later, and this change of mode does
    // not wait for it.
    for _ in 0..100 {
        let mut connection = options.connect().await?;
        let mode: Result<String, _> = sqlx::query_scalar("PRAGMA journal_mode = DELETE")
            .fetch_one(&mut connection)
            .await;
        connection.close().await?;
        match mode {
            Ok(mode) if mode == "delete" => return Ok(()),
            Ok(mode) => last = Some(StoreError::Unavailable(format!("the journal mode stays {mode}"))),
            Err(error) => last = Some(error.into()),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(last.unwrap_or_else(|| StoreError::Unavailable(format!("{} is still open elsewhere", path.display()))))
}

async fn read_only(path: &Path) -> Result<SqliteConnection, StoreError> {
    Ok(SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .read_only(true)
        .connect()
        .await?)
}

/// What is wrong with the pages of the file; `None` when nothing is.
pub async fn check(path: &Path) -> Result<Option<String>, StoreError> {
    let mut connection = read_only(path).await?;
    let found: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check(3)")
        .fetch_all(&mut connection)
        .await?;
    connection.close().await?;
    Ok((found != ["ok"]).then(|| found.join("; ")))
}

/// The one text in a table that has one row.
pub async fn read_label(path: &Path, table: &'static str) -> Result<String, StoreError> {
    let mut connection = read_only(path).await?;
    let text = sqlx::query_scalar(AssertSqlSafe(format!("SELECT contents FROM {table}")))
        .fetch_one(&mut connection)
        .await;
    connection.close().await?;
    Ok(text?)
}
