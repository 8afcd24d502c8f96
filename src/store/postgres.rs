//! PostgreSQL: a pool, read committed, checked to keep what it acknowledges.

use std::borrow::Cow;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Executor};

use super::{Row, StoreError, StoreOptions, Value, bind, migrate, safe};

#[derive(Clone)]
pub(super) struct Postgres {
    pool: PgPool,
}

impl Postgres {
    pub(super) async fn open(url: &str, options: &StoreOptions) -> Result<Self, StoreError> {
        let connect: PgConnectOptions = url
            .parse::<PgConnectOptions>()
            .map_err(|e| StoreError::Broken(format!("the store URL: {e}")))?;
        let connect = connect
            .statement_cache_capacity(400)
            .application_name("hutong")
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(options.connections.max(2))
            .min_connections(0)
            .acquire_timeout(Duration::from_secs(5))
            .connect_with(connect)
            .await?;
        let row: (String, String) =
            sqlx::query_as("SELECT current_setting('fsync'), current_setting('synchronous_commit')")
                .fetch_one(&pool)
                .await?;
        if !options.allow_unsafe_durability && (row.0 != "on" || matches!(row.1.as_str(), "off")) {
            return Err(StoreError::Broken(format!(
                "PostgreSQL runs with fsync={} and synchronous_commit={}: it could lose what was acknowledged. Both must be on",
                row.0, row.1
            )));
        }
        migrate::run_postgres(&pool).await?;
        Ok(Self { pool })
    }

    pub(super) async fn begin(&self) -> Result<sqlx::Transaction<'static, sqlx::Postgres>, StoreError> {
        Ok(self.pool.begin().await?)
    }

    pub(super) async fn all(&self, sql: Cow<'static, str>, args: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        all(&self.pool, sql, args).await
    }

    pub(super) async fn execute(&self, sql: Cow<'static, str>, args: Vec<Value>) -> Result<u64, StoreError> {
        execute(&self.pool, sql, args).await
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

pub(super) async fn all<'e>(
    executor: impl Executor<'e, Database = sqlx::Postgres>,
    sql: Cow<'static, str>,
    args: Vec<Value>,
) -> Result<Vec<Row>, StoreError> {
    let rows = bind!(sqlx::query(safe(sql)), args).fetch_all(executor).await?;
    Ok(rows.into_iter().map(Row::Postgres).collect())
}

pub(super) async fn execute<'e>(
    executor: impl Executor<'e, Database = sqlx::Postgres>,
    sql: Cow<'static, str>,
    args: Vec<Value>,
) -> Result<u64, StoreError> {
    Ok(bind!(sqlx::query(safe(sql)), args)
        .execute(executor)
        .await?
        .rows_affected())
}
