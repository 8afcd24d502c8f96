//! SQLite: one writer connection, a few readers, write-ahead log, full syncing.

use std::borrow::Cow;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{Row, StoreError, StoreOptions, Value, bind, migrate, safe};

/// The log is copied into the database when so many pages wait in it (32 MiB).
const CHECKPOINT_PAGES: i64 = 32 * 1024 * 1024 / PAGE as i64;
const PAGE: u32 = 8192;
/// Pages that the writer itself may copy at the end, and the passes beside it before that.
const FEW_PAGES: i64 = 64;
const MOST_PASSES: usize = 8;

#[derive(Clone)]
pub(super) struct Sqlite {
    writer: Arc<Mutex<Writer>>,
    readers: SqlitePool,
    shared: Arc<Shared>,
}

struct Shared {
    /// Set by the checkpointer: nearly all of the log is copied, the writer may finish the rest.
    finish_checkpoint: AtomicBool,
    stop: AtomicBool,
    /// Held as long as the store is open: SQLite means one process.
    lock: std::sync::Mutex<Option<File>>,
}

pub(super) struct Writer {
    connection: Option<SqliteConnection>,
    /// A transaction was dropped half-way: roll back before the next.
    dirty: bool,
}

impl Sqlite {
    pub(super) async fn open(path: &str, options: &StoreOptions) -> Result<Self, StoreError> {
        let path = PathBuf::from(path.split('?').next().unwrap_or(path));
        if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            fs::create_dir_all(folder)
                .map_err(|e| StoreError::Unavailable(format!("cannot make the folder {}: {e}", folder.display())))?;
        }
        if options.beside && !path.exists() {
            return Err(StoreError::Unavailable(format!(
                "there is no database {}",
                path.display()
            )));
        }
        let lock = if options.beside { None } else { Some(lock_file(&path)?) };
        let base = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(!options.beside)
            .page_size(PAGE)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5))
            .statement_cache_capacity(400)
            // What a statement may have to undo stays in memory: an update of many rows would make,
            // fill and remove a file otherwise.
            .pragma("temp_store", "MEMORY")
            // Checkpoints run beside the writer, see `checkpointer`.
            .pragma("wal_autocheckpoint", "0")
            .disable_statement_logging();
        let mut connection = base.clone().pragma("cache_size", "-6144").connect().await?;
        if !options.beside {
            migrate::run_sqlite(&mut connection).await?;
        }
        let level: i64 = sqlx::query_scalar("PRAGMA synchronous")
            .fetch_one(&mut connection)
            .await?;
        if level != 2 {
            return Err(StoreError::Broken(format!(
                "PRAGMA synchronous is {level}, but 2 (FULL) is needed to keep what was acknowledged"
            )));
        }
        let readers = SqlitePoolOptions::new()
            .max_connections(options.connections.max(1))
            .min_connections(0)
            .acquire_timeout(Duration::from_secs(5))
            .connect_lazy_with(base.clone().read_only(true).pragma("cache_size", "-1024"));
        let shared = Arc::new(Shared {
            finish_checkpoint: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            lock: std::sync::Mutex::new(lock),
        });
        if !options.beside {
            tokio::spawn(checkpointer(base, shared.clone()));
        }
        Ok(Self {
            writer: Arc::new(Mutex::new(Writer {
                connection: Some(connection),
                dirty: false,
            })),
            readers,
            shared,
        })
    }

    /// See [`super::Store::memory`]. The connections share one cache; readers see what the writer has
    /// not committed yet rather than to be refused.
    pub(super) async fn memory() -> Result<Self, StoreError> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let base = SqliteConnectOptions::new()
            .filename(format!("file:hutong-memory-{}-{number}", std::process::id()))
            .in_memory(true)
            .shared_cache(true)
            .journal_mode(SqliteJournalMode::Memory)
            .synchronous(SqliteSynchronous::Off)
            .foreign_keys(true)
            .statement_cache_capacity(400)
            .pragma("temp_store", "MEMORY")
            .pragma("read_uncommitted", "1")
            .disable_statement_logging();
        let mut connection = base.clone().connect().await?;
        migrate::run_sqlite(&mut connection).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(1)
            .min_connections(0)
            .acquire_timeout(Duration::from_secs(5))
            .connect_lazy_with(base);
        Ok(Self {
            writer: Arc::new(Mutex::new(Writer {
                connection: Some(connection),
                dirty: false,
            })),
            readers,
            shared: Arc::new(Shared {
                finish_checkpoint: AtomicBool::new(false),
                stop: AtomicBool::new(false),
                lock: std::sync::Mutex::new(None),
            }),
        })
    }

    /// The writer outside a transaction, for the copy of another database.
    pub(super) async fn alone(&self) -> Result<SqliteTurn, StoreError> {
        self.turn().await
    }

    async fn writer(&self) -> Result<OwnedMutexGuard<Writer>, StoreError> {
        let mut guard = self.writer.clone().lock_owned().await;
        let dirty = guard.dirty;
        let connection = guard.connection()?;
        if dirty {
            // Also when the connection has already left the transaction by itself (disk full).
            let _ = sqlx::query("ROLLBACK").execute(&mut *connection).await;
        }
        if self.shared.finish_checkpoint.swap(false, Ordering::AcqRel) {
            // Short: only what was written since the checkpointer's own pass. Never waits for readers.
            sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
                .execute(connection)
                .await?;
        }
        guard.dirty = false;
        Ok(guard)
    }

    pub(super) async fn begin(&self) -> Result<SqliteTx, StoreError> {
        let mut guard = self.writer().await?;
        // Not dirty only after a completed COMMIT or ROLLBACK.
        guard.dirty = true;
        sqlx::query("BEGIN IMMEDIATE").execute(guard.connection()?).await?;
        Ok(SqliteTx { guard })
    }

    pub(super) async fn turn(&self) -> Result<SqliteTurn, StoreError> {
        Ok(SqliteTurn {
            guard: self.writer().await?,
        })
    }

    pub(super) async fn write_one(&self, sql: Cow<'static, str>, args: Vec<Value>) -> Result<u64, StoreError> {
        let mut guard = self.writer().await?;
        execute(guard.connection()?, sql, args).await
    }

    pub(super) async fn read_all(&self, sql: Cow<'static, str>, args: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let rows = bind!(sqlx::query(safe(sql)), args).fetch_all(&self.readers).await?;
        Ok(rows.into_iter().map(Row::Sqlite).collect())
    }

    pub(super) async fn close(&self) {
        self.shared.stop.store(true, Ordering::Release);
        self.readers.close().await;
        let connection = self.writer.lock().await.connection.take();
        if let Some(connection) = connection {
            let _ = connection.close().await;
        }
        // Other clones may live on; the file is free for the next from here on.
        drop(self.shared.lock.lock().unwrap_or_else(|e| e.into_inner()).take());
    }
}

impl Writer {
    fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        self.connection
            .as_mut()
            .ok_or_else(|| StoreError::Unavailable("the store is closed".to_owned()))
    }
}

/// The writer, outside a transaction.
pub(super) struct SqliteTurn {
    guard: OwnedMutexGuard<Writer>,
}

impl SqliteTurn {
    pub(super) fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        self.guard.connection()
    }

    pub(super) async fn execute(&mut self, sql: Cow<'static, str>, args: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        all(self.guard.connection()?, sql, args).await
    }
}

pub(super) struct SqliteTx {
    guard: OwnedMutexGuard<Writer>,
}

impl SqliteTx {
    pub(super) fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        self.guard.connection()
    }

    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        sqlx::query("COMMIT").execute(self.guard.connection()?).await?;
        self.guard.dirty = false;
        Ok(())
    }

    pub(super) async fn rollback(mut self) -> Result<(), StoreError> {
        sqlx::query("ROLLBACK").execute(self.guard.connection()?).await?;
        self.guard.dirty = false;
        Ok(())
    }
}

pub(super) async fn all(
    connection: &mut SqliteConnection,
    sql: Cow<'static, str>,
    args: Vec<Value>,
) -> Result<Vec<Row>, StoreError> {
    let rows = bind!(sqlx::query(safe(sql)), args).fetch_all(connection).await?;
    Ok(rows.into_iter().map(Row::Sqlite).collect())
}

pub(super) async fn execute(
    connection: &mut SqliteConnection,
    sql: Cow<'static, str>,
    args: Vec<Value>,
) -> Result<u64, StoreError> {
    Ok(bind!(sqlx::query(safe(sql)), args)
        .execute(connection)
        .await?
        .rows_affected())
}

/// One process at a time: two writers with their own memory of seen events would accept one twice.
fn lock_file(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = File::create(&name)
        .map_err(|e| StoreError::Unavailable(format!("cannot make the lock file of {}: {e}", path.display())))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => Err(StoreError::Unavailable(format!(
            "{} is in use by another process. SQLite serves one process; for several replicas set [store] url to a PostgreSQL database",
            path.display()
        ))),
    }
}

/// Copies the log into the database on a connection of its own, so that no commit waits for it.
async fn checkpointer(options: SqliteConnectOptions, shared: Arc<Shared>) {
    let mut connection: Option<SqliteConnection> = None;
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        if shared.stop.load(Ordering::Acquire) {
            return;
        }
        if connection.is_none() {
            connection = options.connect().await.ok();
        }
        let Some(c) = connection.as_mut() else { continue };
        match copy_log(c).await {
            Ok(true) => shared.finish_checkpoint.store(true, Ordering::Release),
            Ok(false) => {}
            Err(_) => connection = None,
        }
    }
}

/// True when the log was long and is now nearly copied.
async fn copy_log(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    if not_copied(connection).await? < CHECKPOINT_PAGES {
        return Ok(false);
    }
    // Each pass copies what was written during the one before, until hardly anything is left for the
    // writer.
    for _ in 0..MOST_PASSES {
        sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
            .execute(&mut *connection)
            .await?;
        if not_copied(connection).await? < FEW_PAGES {
            break;
        }
    }
    Ok(true)
}

/// Pages in the log that are not in the database yet.
async fn not_copied(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    let (_, in_log, copied): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(NOOP)")
        .fetch_one(&mut *connection)
        .await?;
    Ok(in_log - copied.max(0))
}
