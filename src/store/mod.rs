//! The waist: one SQL text for SQLite and PostgreSQL.
//!
//! Rules of the waist (each was seen to matter): placeholders are `$1`, `$2`, ..; columns are TEXT,
//! BIGINT, BOOLEAN, DOUBLE PRECISION or `{{BYTES}}`; sums are cast (`CAST(SUM(x) AS BIGINT)`);
//! instead of `EXISTS` in a result use `COUNT`; never branch on a constraint name, say
//! `ON CONFLICT .. DO NOTHING` and look at the row count. SQL stands only in this folder and in
//! files named `store.rs`.

mod error;
pub mod file;
mod migrate;
mod postgres;
mod snapshot;
mod sqlite;
mod value;

#[doc(hidden)]
pub mod testing;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use hutong_model::Secret;
use sqlx::AssertSqlSafe;

pub use error::StoreError;
pub use value::{FromColumn, Row, Value};

/// Which database stands behind a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

/// How to open a store.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Connections for reading (SQLite) or for everything (PostgreSQL).
    pub connections: u32,
    /// Use a SQLite file that another process serves: no lock, no migration, no checkpoints. For
    /// operators' commands. They may write what is unique by a row of its own: the outbox, `work`,
    /// a way back that was shown, an order with its tick (`inbox::accept::insert_own`, whose number
    /// comes from the database and which no platform repeats). Never for an inbox that accepts
    /// events of platforms: the process that serves the file recognises repeats in its memory.
    pub beside: bool,
    /// Accept a PostgreSQL that may lose acknowledged commits (`fsync=off`); for tests only.
    pub allow_unsafe_durability: bool,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            connections: 4,
            beside: false,
            allow_unsafe_durability: false,
        }
    }
}

/// An open database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Inner,
    /// `None` in memory. May hold a password.
    url: Option<Secret>,
}

#[derive(Clone)]
enum Inner {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

impl Store {
    /// Opens `sqlite://PATH` (made when absent, one process at a time) or
    /// `postgres://USER:PASSWORD@HOST/DB`, and brings the schema up to date.
    ///
    /// Errors: [`StoreError::Unavailable`] when it cannot be reached or another process holds the
    /// file; [`StoreError::Broken`] when the schema is newer than this program or the database
    /// would not keep what it acknowledges.
    pub async fn open(url: &str, options: &StoreOptions) -> Result<Self, StoreError> {
        let inner = if let Some(path) = url.strip_prefix("sqlite:") {
            Inner::Sqlite(sqlite::Sqlite::open(path.trim_start_matches("//"), options).await?)
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Inner::Postgres(postgres::Postgres::open(url, options).await?)
        } else {
            return Err(StoreError::Broken(
                "the store URL must begin with sqlite:// or postgres://".to_owned(),
            ));
        };
        Ok(Self {
            inner,
            url: Some(Secret::new(url)),
        })
    }

    /// Where it was opened; `None` in memory.
    pub fn url(&self) -> Option<&Secret> {
        self.url.as_ref()
    }

    /// An empty database in memory, with the whole schema, for what must leave no trace. One process
    /// may have several; each is gone with its last clone.
    pub async fn memory() -> Result<Self, StoreError> {
        Ok(Self {
            inner: Inner::Sqlite(sqlite::Sqlite::memory().await?),
            url: None,
        })
    }

    /// Copies the rows of another database into this one, which must be SQLite and empty: one
    /// consistent state, read without a lock that anybody would wait for. Tables named in `without`
    /// stay empty; columns and tables that only one side knows are left out, so a database of an
    /// older or newer program can be copied. The other database is not changed, not even its schema.
    ///
    /// Errors: [`StoreError::Unavailable`] when there is no such database or it cannot be reached.
    pub async fn copy_from(&self, url: &str, without: &[&str]) -> Result<(), StoreError> {
        let Inner::Sqlite(db) = &self.inner else {
            return Err(StoreError::Broken("only a SQLite database takes a copy".to_owned()));
        };
        snapshot::copy(db, url, without).await
    }

    /// Fills this empty store with the rows of a SQLite file, all or nothing.
    pub async fn restore_from(&self, file: &std::path::Path) -> Result<(), StoreError> {
        match &self.inner {
            Inner::Sqlite(db) => snapshot::copy(db, &format!("sqlite://{}", file.display()), &[]).await,
            Inner::Postgres(db) => snapshot::into_postgres(db, file).await,
        }
    }

    pub fn dialect(&self) -> Dialect {
        match &self.inner {
            Inner::Sqlite(_) => Dialect::Sqlite,
            Inner::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Begins a write transaction. On SQLite there is one writer: this waits for its turn.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        let inner = match &self.inner {
            Inner::Sqlite(db) => TxInner::Sqlite(db.begin().await?),
            Inner::Postgres(db) => TxInner::Postgres(db.begin().await?),
        };
        Ok(Tx { inner, writes: 0 })
    }

    /// A statement outside a transaction, for reading.
    pub fn query(&self, sql: impl Into<Cow<'static, str>>) -> Query<'_> {
        Query {
            exec: Exec::Read(self),
            sql: sql.into(),
            args: Vec::new(),
        }
    }

    /// One statement that is its own transaction, on the writer.
    pub async fn execute_alone(&self, sql: Cow<'static, str>, args: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        self.turn().await?.execute(sql, args).await
    }

    /// Waits for the turn to write, for callers that want to collect what they write until then.
    pub async fn turn(&self) -> Result<Turn, StoreError> {
        let inner = match &self.inner {
            Inner::Sqlite(db) => TurnInner::Sqlite(db.turn().await?),
            Inner::Postgres(db) => TurnInner::Postgres(db.clone()),
        };
        Ok(Turn { inner })
    }

    /// Answers when the database can be read.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.query("SELECT 1 AS one").one().await.map(|_| ())
    }

    /// Closes all connections and releases the lock on the file.
    pub async fn close(&self) {
        match &self.inner {
            Inner::Sqlite(db) => db.close().await,
            Inner::Postgres(db) => db.close().await,
        }
    }
}

/// The turn to write: on SQLite nobody else writes while it is held.
pub struct Turn {
    inner: TurnInner,
}

enum TurnInner {
    Sqlite(sqlite::SqliteTurn),
    Postgres(postgres::Postgres),
}

impl Turn {
    /// One statement that is its own transaction; durable when this returns.
    pub async fn execute(mut self, sql: Cow<'static, str>, args: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        match &mut self.inner {
            TurnInner::Sqlite(turn) => turn.execute(sql, args).await,
            TurnInner::Postgres(db) => db.all(sql, args).await,
        }
    }
}

/// A write transaction. Dropped without [`Tx::commit`], it is rolled back.
pub struct Tx {
    inner: TxInner,
    writes: u64,
}

enum TxInner {
    Sqlite(sqlite::SqliteTx),
    Postgres(sqlx::Transaction<'static, sqlx::Postgres>),
}

impl Tx {
    pub fn query(&mut self, sql: impl Into<Cow<'static, str>>) -> Query<'_> {
        Query {
            exec: Exec::Tx(self),
            sql: sql.into(),
            args: Vec::new(),
        }
    }

    pub fn dialect(&self) -> Dialect {
        match &self.inner {
            TxInner::Sqlite(_) => Dialect::Sqlite,
            TxInner::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Makes everything since [`Store::begin`] durable and visible. When this fails the outcome may
    /// be unknown: run the transaction again, its unique keys make that a no-op.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self.inner {
            TxInner::Sqlite(tx) => tx.commit().await,
            TxInner::Postgres(tx) => Ok(tx.commit().await?),
        }
    }

    pub async fn rollback(self) -> Result<(), StoreError> {
        match self.inner {
            TxInner::Sqlite(tx) => tx.rollback().await,
            TxInner::Postgres(tx) => Ok(tx.rollback().await?),
        }
    }

    /// Serialises with every other transaction that takes the same key, until the end of this one.
    /// On SQLite write transactions are serial anyway.
    pub async fn lock(&mut self, key: &str) -> Result<(), StoreError> {
        if self.dialect() == Dialect::Sqlite {
            return Ok(());
        }
        use sha2::{Digest as _, Sha256};
        let digest = Sha256::digest(key.as_bytes());
        let mut bytes = [0u8; 8];
        bytes.copy_from_slice(&digest[..8]);
        self.query("SELECT CAST(1 AS BIGINT) AS one FROM (SELECT pg_advisory_xact_lock($1)) AS held")
            .bind(i64::from_be_bytes(bytes))
            .execute()
            .await
            .map(|_| ())
    }

    /// How many statements have been executed for writing so far.
    pub fn writes(&self) -> u64 {
        self.writes
    }

    pub async fn savepoint(&mut self) -> Result<(), StoreError> {
        self.query("SAVEPOINT item").execute().await.map(|_| ())
    }

    pub async fn release(&mut self) -> Result<(), StoreError> {
        self.query("RELEASE SAVEPOINT item").execute().await.map(|_| ())
    }

    /// Undoes everything since [`Tx::savepoint`]; the savepoint is gone afterwards.
    pub async fn rollback_to_savepoint(&mut self) -> Result<(), StoreError> {
        self.query("ROLLBACK TO SAVEPOINT item").execute().await?;
        self.release().await
    }
}

enum Exec<'q> {
    Read(&'q Store),
    Tx(&'q mut Tx),
}

/// A statement with its arguments.
#[must_use = "a statement does nothing until it is executed"]
pub struct Query<'q> {
    exec: Exec<'q>,
    sql: Cow<'static, str>,
    args: Vec<Value>,
}

impl Query<'_> {
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.args.push(value.into());
        self
    }

    pub fn bind_all(mut self, values: impl IntoIterator<Item = Value>) -> Self {
        self.args.extend(values);
        self
    }

    /// All rows.
    pub async fn all(self) -> Result<Vec<Row>, StoreError> {
        match self.exec {
            Exec::Read(Store {
                inner: Inner::Sqlite(db),
                ..
            }) => db.read_all(self.sql, self.args).await,
            Exec::Read(Store {
                inner: Inner::Postgres(db),
                ..
            }) => db.all(self.sql, self.args).await,
            Exec::Tx(tx) => {
                tx.writes += 1;
                match &mut tx.inner {
                    TxInner::Sqlite(c) => sqlite::all(c.connection()?, self.sql, self.args).await,
                    TxInner::Postgres(c) => postgres::all(&mut **c, self.sql, self.args).await,
                }
            }
        }
    }

    /// The first row, if there is one.
    pub async fn optional(self) -> Result<Option<Row>, StoreError> {
        Ok(self.all().await?.into_iter().next())
    }

    /// The first row; none is an error.
    pub async fn one(self) -> Result<Row, StoreError> {
        self.optional()
            .await?
            .ok_or_else(|| StoreError::Broken("a row was expected and none came".to_owned()))
    }

    /// Runs it; returns how many rows it changed.
    pub async fn execute(self) -> Result<u64, StoreError> {
        match self.exec {
            Exec::Read(Store {
                inner: Inner::Sqlite(db),
                ..
            }) => db.write_one(self.sql, self.args).await,
            Exec::Read(Store {
                inner: Inner::Postgres(db),
                ..
            }) => db.execute(self.sql, self.args).await,
            Exec::Tx(tx) => {
                tx.writes += 1;
                match &mut tx.inner {
                    TxInner::Sqlite(c) => sqlite::execute(c.connection()?, self.sql, self.args).await,
                    TxInner::Postgres(c) => postgres::execute(&mut **c, self.sql, self.args).await,
                }
            }
        }
    }

    /// Runs it; anything but `n` changed rows is an error.
    pub async fn ensure_rows(self, n: u64) -> Result<(), StoreError> {
        let changed = self.execute().await?;
        if changed == n {
            Ok(())
        } else {
            Err(StoreError::Broken(format!(
                "{n} rows should have changed, {changed} did"
            )))
        }
    }
}

macro_rules! bind {
    ($query:expr, $args:expr) => {{
        let mut query = $query;
        for arg in $args {
            query = match arg {
                Value::Text(v) => query.bind(v),
                Value::Int(v) => query.bind(v),
                Value::Real(v) => query.bind(v),
                Value::Bool(v) => query.bind(v),
                Value::Bytes(v) => query.bind(v),
            };
        }
        query
    }};
}
pub(in crate::store) use bind;

/// Every statement text is written by us, with values only as arguments.
fn safe(sql: Cow<'static, str>) -> AssertSqlSafe<Cow<'static, str>> {
    AssertSqlSafe(sql)
}

/// `$first, $first+1, ..` for `n` rows of `width` columns: `($1,$2),($3,$4)`.
pub fn placeholders(rows: usize, width: usize) -> String {
    let mut out = String::with_capacity(rows * width * 5);
    for row in 0..rows {
        out.push_str(if row == 0 { "(" } else { ",(" });
        for column in 0..width {
            if column > 0 {
                out.push(',');
            }
            out.push('$');
            out.push_str(&(row * width + column + 1).to_string());
        }
        out.push(')');
    }
    out
}
