//! Brings the schema up to date: forward only, one file per change, one text for both databases.
//!
//! `{{SEQ}}` stands for a growing integer primary key and `{{BYTES}}` for raw bytes. A file whose
//! name ends in `.sqlite.sql` or `.postgres.sql` runs on that database only.

use std::borrow::Cow;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::PgPool;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, SqlSafeStr as _};

use super::{Dialect, StoreError};

include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

fn migrator(dialect: Dialect) -> Result<Migrator, StoreError> {
    let mut list = Vec::new();
    for (name, text) in FILES {
        let (own, other) = match dialect {
            Dialect::Sqlite => (".sqlite.sql", ".postgres.sql"),
            Dialect::Postgres => (".postgres.sql", ".sqlite.sql"),
        };
        if name.ends_with(other) {
            continue;
        }
        let stem = name
            .strip_suffix(own)
            .or_else(|| name.strip_suffix(".sql"))
            .unwrap_or(name);
        let (number, title) = stem.split_once('_').unwrap_or((stem, stem));
        let number: i64 = number
            .parse()
            .map_err(|_| StoreError::Broken(format!("migration {name} has no number")))?;
        let sql = match dialect {
            Dialect::Sqlite => text
                .replace("{{SEQ}}", "INTEGER PRIMARY KEY")
                .replace("{{BYTES}}", "BLOB"),
            Dialect::Postgres => text
                .replace("{{SEQ}}", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY")
                .replace("{{BYTES}}", "BYTEA"),
        };
        list.push(Migration::new(
            number,
            Cow::Borrowed(title),
            MigrationType::Simple,
            AssertSqlSafe(sql).into_sql_str(),
            false,
        ));
    }
    Ok(Migrator::with_migrations(list))
}

fn explain(error: sqlx::migrate::MigrateError) -> StoreError {
    use sqlx::migrate::MigrateError;
    match error {
        MigrateError::VersionMissing(v) => StoreError::Broken(format!(
            "the database has schema step {v}, which this program does not know: it is older than the database. Start the newer version"
        )),
        MigrateError::VersionMismatch(v) => StoreError::Broken(format!(
            "schema step {v} in the database is not the one this program carries"
        )),
        MigrateError::Execute(e) | MigrateError::ExecuteMigration(e, _) => StoreError::from(e),
        other => StoreError::Broken(other.to_string()),
    }
}

pub(super) async fn run_sqlite(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    migrator(Dialect::Sqlite)?
        .run_direct(None, connection, false)
        .await
        .map_err(explain)
}

pub(super) async fn run_postgres(pool: &PgPool) -> Result<(), StoreError> {
    migrator(Dialect::Postgres)?.run(pool).await.map_err(explain)
}
