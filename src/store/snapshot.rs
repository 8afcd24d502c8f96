//! Copies the rows of a database into another: into one in memory for what must leave no trace, into
//! a file for a backup, and back.
//!
//! SQLite: the file is attached read-only and read in one read transaction, which in write-ahead mode
//! neither waits for the writer nor holds it up. PostgreSQL: one read-only transaction at repeatable
//! read; a row travels as JSON, so that no list of columns must be kept.

use std::path::Path;

use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};

use super::StoreError;
use super::postgres::Postgres;
use super::sqlite::Sqlite;

/// What belongs to a database and not to its content.
const OWN: [&str; 2] = ["_sqlx_migrations", "sqlite_sequence"];
/// Rows fetched from PostgreSQL at once.
const PAGE: usize = 500;

pub(super) async fn copy(db: &Sqlite, url: &str, without: &[&str]) -> Result<(), StoreError> {
    let mut turn = db.alone().await?;
    let target = turn.connection()?;
    let tables = tables_of(target, "main").await?;
    let wanted: Vec<String> = tables
        .into_iter()
        .filter(|t| !OWN.contains(&t.as_str()) && !without.contains(&t.as_str()))
        .collect();
    match url.strip_prefix("sqlite:") {
        Some(path) => {
            let path = path.trim_start_matches("//");
            from_sqlite(target, path.split('?').next().unwrap_or(path), &wanted).await
        }
        None => from_postgres(target, url, &wanted).await,
    }
}

async fn tables_of(connection: &mut SqliteConnection, schema: &str) -> Result<Vec<String>, StoreError> {
    let text = format!("SELECT name FROM {schema}.sqlite_master WHERE type = 'table' ORDER BY name");
    Ok(sqlx::query_scalar(AssertSqlSafe(text)).fetch_all(connection).await?)
}

/// Name and declared type of each column.
async fn columns_of(
    connection: &mut SqliteConnection,
    schema: &str,
    table: &str,
) -> Result<Vec<(String, String)>, StoreError> {
    let text = format!("SELECT name, type FROM pragma_table_info('{table}', '{schema}')");
    Ok(sqlx::query_as(AssertSqlSafe(text)).fetch_all(connection).await?)
}

async fn run(connection: &mut SqliteConnection, text: String) -> Result<(), StoreError> {
    sqlx::query(AssertSqlSafe(text)).execute(connection).await?;
    Ok(())
}

async fn from_sqlite(target: &mut SqliteConnection, path: &str, wanted: &[String]) -> Result<(), StoreError> {
    if !Path::new(path).exists() {
        return Err(StoreError::Unavailable(format!("there is no database {path}")));
    }
    // `?` and `#` end the path in a URI, `%` begins an escape.
    let escaped = path.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    sqlx::query("ATTACH DATABASE $1 AS real")
        .bind(format!("file:{escaped}?mode=ro"))
        .execute(&mut *target)
        .await?;
    let copied = copy_attached(target, wanted).await;
    if copied.is_err() {
        let _ = sqlx::query("ROLLBACK").execute(&mut *target).await;
    }
    run(target, "DETACH DATABASE real".to_owned()).await?;
    copied
}

async fn copy_attached(target: &mut SqliteConnection, wanted: &[String]) -> Result<(), StoreError> {
    run(target, "BEGIN".to_owned()).await?;
    let known = tables_of(target, "real").await?;
    for table in wanted.iter().filter(|t| known.contains(t)) {
        let theirs = columns_of(target, "real", table).await?;
        let ours = columns_of(target, "main", table).await?;
        let both: Vec<&str> = ours
            .iter()
            .filter(|(name, _)| theirs.iter().any(|(n, _)| n == name))
            .map(|(name, _)| name.as_str())
            .collect();
        let list = both.join(", ");
        // Rows that the schema brings along give way.
        run(
            target,
            format!("INSERT OR REPLACE INTO main.{table} ({list}) SELECT {list} FROM real.{table}"),
        )
        .await?;
    }
    run(target, "COMMIT".to_owned()).await
}

async fn from_postgres(target: &mut SqliteConnection, url: &str, wanted: &[String]) -> Result<(), StoreError> {
    let mut source = PgConnection::connect(url).await?;
    sqlx::query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .execute(&mut source)
        .await?;
    let known: Vec<String> =
        sqlx::query_scalar("SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = current_schema()")
            .fetch_all(&mut source)
            .await?;
    run(target, "BEGIN".to_owned()).await?;
    for table in wanted.iter().filter(|t| known.contains(t)) {
        let columns = columns_of(target, "main", table).await?;
        copy_table(target, &mut source, table, &columns).await?;
    }
    run(target, "COMMIT".to_owned()).await?;
    sqlx::query("COMMIT").execute(&mut source).await?;
    source.close().await?;
    Ok(())
}

async fn copy_table(
    target: &mut SqliteConnection,
    source: &mut PgConnection,
    table: &str,
    columns: &[(String, String)],
) -> Result<(), StoreError> {
    run_pg(
        source,
        format!("DECLARE rows NO SCROLL CURSOR FOR SELECT CAST(row_to_json(t) AS TEXT) FROM {table} t"),
    )
    .await?;
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    // SQLite reads the values out of the JSON itself; bytes arrive as `\x` and hexadecimal digits.
    let values: Vec<String> = columns
        .iter()
        .map(|(name, kind)| match kind.as_str() {
            "BLOB" => format!("unhex(substr(json_extract(value, '$.{name}'), 3))"),
            _ => format!("json_extract(value, '$.{name}')"),
        })
        .collect();
    let insert = format!(
        "INSERT OR REPLACE INTO {table} ({}) SELECT {} FROM json_each($1)",
        names.join(", "),
        values.join(", ")
    );
    loop {
        let rows = sqlx::query(AssertSqlSafe(format!("FETCH {PAGE} FROM rows")))
            .fetch_all(&mut *source)
            .await?;
        if rows.is_empty() {
            break;
        }
        let mut page = String::from("[");
        for (n, row) in rows.iter().enumerate() {
            if n > 0 {
                page.push(',');
            }
            page.push_str(row.try_get::<&str, _>(0)?);
        }
        page.push(']');
        sqlx::query(AssertSqlSafe(insert.clone()))
            .bind(page)
            .execute(&mut *target)
            .await?;
    }
    run_pg(source, "CLOSE rows".to_owned()).await
}

async fn run_pg(connection: &mut PgConnection, text: String) -> Result<(), StoreError> {
    sqlx::query(AssertSqlSafe(text)).execute(connection).await?;
    Ok(())
}

/// Fills an empty PostgreSQL from a SQLite file, in one transaction. A row travels as JSON here, too.
pub(super) async fn into_postgres(db: &Postgres, file: &Path) -> Result<(), StoreError> {
    let mut source = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(false)
        .read_only(true)
        .connect()
        .await?;
    let theirs = tables_of(&mut source, "main").await?;
    let mut target = db.begin().await?;
    let ours: Vec<String> = sqlx::query_scalar(
        "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename",
    )
    .fetch_all(&mut *target)
    .await?;
    for table in ours.iter().filter(|t| !OWN.contains(&t.as_str()) && theirs.contains(t)) {
        fill_table(&mut target, &mut source, table).await?;
    }
    target.commit().await?;
    source.close().await?;
    Ok(())
}

async fn fill_table(target: &mut PgConnection, source: &mut SqliteConnection, table: &str) -> Result<(), StoreError> {
    let known: Vec<(String, String)> = sqlx::query_as(
        "SELECT CAST(column_name AS TEXT), CAST(is_identity AS TEXT) FROM information_schema.columns \
         WHERE table_schema = current_schema() AND table_name = $1",
    )
    .bind(table)
    .fetch_all(&mut *target)
    .await?;
    let columns: Vec<(String, String)> = columns_of(source, "main", table)
        .await?
        .into_iter()
        .filter(|(name, _)| known.iter().any(|(n, _)| n == name))
        .collect();
    if columns.is_empty() {
        return Ok(());
    }
    // Rows that the schema brings along give way. Not asked for where there are none: some tables
    // refuse every deletion.
    let present: bool = sqlx::query_scalar(AssertSqlSafe(format!("SELECT EXISTS (SELECT 1 FROM {table})")))
        .fetch_one(&mut *target)
        .await?;
    if present {
        run_pg(target, format!("DELETE FROM {table}")).await?;
    }
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let pairs: Vec<String> = columns
        .iter()
        .map(|(name, kind)| match kind.as_str() {
            "BLOB" => format!("'{name}', '\\x' || lower(hex({name}))"),
            _ => format!("'{name}', {name}"),
        })
        .collect();
    // Some hundred columns would be too many arguments for one call; no table has so many.
    let select = format!(
        "SELECT rowid, json_object({}) FROM {table} WHERE rowid > $1 ORDER BY rowid LIMIT {PAGE}",
        pairs.join(", ")
    );
    let list = names.join(", ");
    let insert = format!(
        "INSERT INTO {table} ({list}) OVERRIDING SYSTEM VALUE SELECT {list} FROM json_populate_recordset(NULL::{table}, CAST($1 AS JSON))"
    );
    let mut after = i64::MIN;
    loop {
        let rows: Vec<(i64, String)> = sqlx::query_as(AssertSqlSafe(select.clone()))
            .bind(after)
            .fetch_all(&mut *source)
            .await?;
        let Some((last, _)) = rows.last() else { break };
        after = *last;
        let texts: Vec<&str> = rows.iter().map(|(_, text)| text.as_str()).collect();
        sqlx::query(AssertSqlSafe(insert.clone()))
            .bind(format!("[{}]", texts.join(",")))
            .execute(&mut *target)
            .await?;
    }
    for (name, identity) in &known {
        if identity == "YES" {
            run_pg(
                target,
                format!(
                    "SELECT setval(pg_get_serial_sequence('{table}', '{name}'), GREATEST((SELECT COALESCE(MAX({name}), 0) FROM {table}), 1), \
                     (SELECT COUNT(*) > 0 FROM {table}))"
                ),
            )
            .await?;
        }
    }
    Ok(())
}
