//! Databases for tests: a fresh SQLite file always, a fresh PostgreSQL database when
//! `TEST_DATABASE_URL` names a server. A missing server is said aloud, never passed over silently.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Store, StoreError, StoreOptions};

/// A store of its own, and what must be removed after it.
pub struct TestStore {
    pub store: Store,
    pub name: &'static str,
    pub url: String,
    folder: Option<PathBuf>,
}

impl Drop for TestStore {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

static COUNTER: AtomicU64 = AtomicU64::new(0);

fn unique() -> String {
    format!(
        "hutong_test_{}_{}",
        std::process::id(),
        COUNTER.fetch_add(1, Ordering::Relaxed)
    )
}

pub async fn sqlite() -> Result<TestStore, StoreError> {
    let folder = std::env::temp_dir().join(unique());
    let url = format!("sqlite://{}", folder.join("test.db").display());
    let store = Store::open(&url, &StoreOptions::default()).await?;
    Ok(TestStore {
        store,
        name: "sqlite",
        url,
        folder: Some(folder),
    })
}

/// `None` when no server is named.
pub async fn postgres() -> Result<Option<TestStore>, StoreError> {
    let Ok(server) = std::env::var("TEST_DATABASE_URL") else {
        eprintln!("skipped on PostgreSQL: TEST_DATABASE_URL is not set");
        return Ok(None);
    };
    let name = unique();
    {
        use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
        let mut admin = sqlx::PgConnection::connect(&server).await?;
        admin
            .execute(sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))))
            .await?;
    }
    let (address, query) = server.split_once('?').unwrap_or((server.as_str(), ""));
    let address = address.rsplit_once('/').map_or(address, |(base, _)| base);
    let url = format!("{address}/{name}?{query}");
    let store = Store::open(
        &url,
        &StoreOptions {
            connections: 8,
            allow_unsafe_durability: true,
            ..StoreOptions::default()
        },
    )
    .await?;
    Ok(Some(TestStore {
        store,
        name: "postgres",
        url,
        folder: None,
    }))
}

/// One store of each kind that can be had.
pub async fn all() -> Result<Vec<TestStore>, StoreError> {
    let mut list = vec![sqlite().await?];
    list.extend(postgres().await?);
    Ok(list)
}
