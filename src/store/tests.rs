use super::testing;
use super::{Store, StoreError, StoreOptions, Value, placeholders};

async fn fill(store: &Store) {
    let mut tx = store.begin().await.unwrap();
    let sql = format!(
        "INSERT INTO inbox (app, dedupe, lane, kind, occurred_at, received_at, state, body) VALUES {}",
        placeholders(2, 8)
    );
    let row = |key: &str| -> Vec<Value> {
        vec![
            "fs".into(),
            key.into(),
            "chat:1".into(),
            "message".into(),
            1i64.into(),
            2i64.into(),
            0i64.into(),
            Option::<String>::None.into(),
        ]
    };
    let changed = tx
        .query(sql)
        .bind_all(row("a").into_iter().chain(row("b")))
        .execute()
        .await
        .unwrap();
    assert_eq!(changed, 2);
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn both_databases_behave_alike() {
    for t in testing::all().await.unwrap() {
        let store = &t.store;
        fill(store).await;
        let rows = store
            .query("SELECT seq, dedupe, body FROM inbox WHERE app = $1 ORDER BY seq")
            .bind("fs")
            .all()
            .await
            .unwrap();
        assert_eq!(rows.len(), 2, "{}", t.name);
        assert_eq!(rows[0].get::<String>("dedupe").unwrap(), "a");
        assert_eq!(rows[0].get::<Option<String>>("body").unwrap(), None);
        assert!(rows[0].get::<i64>("seq").unwrap() < rows[1].get::<i64>("seq").unwrap());
        assert!(matches!(rows[0].get::<String>("nothing"), Err(StoreError::Broken(_))));

        // A sum is a whole number on both.
        let row = store
            .query("SELECT CAST(COALESCE(SUM(received_at), 0) AS BIGINT) AS total FROM inbox")
            .one()
            .await
            .unwrap();
        assert_eq!(row.get::<i64>("total").unwrap(), 4);

        // A savepoint undoes its own part only.
        let mut tx = store.begin().await.unwrap();
        tx.query("UPDATE inbox SET state = 1 WHERE dedupe = $1")
            .bind("a")
            .ensure_rows(1)
            .await
            .unwrap();
        tx.savepoint().await.unwrap();
        tx.query("UPDATE inbox SET state = 1 WHERE dedupe = $1")
            .bind("b")
            .execute()
            .await
            .unwrap();
        tx.rollback_to_savepoint().await.unwrap();
        tx.commit().await.unwrap();
        let row = store
            .query("SELECT COUNT(*) AS n FROM inbox WHERE state = 1")
            .one()
            .await
            .unwrap();
        assert_eq!(row.get::<i64>("n").unwrap(), 1, "{}", t.name);

        // Dropped without commit: rolled back, and the next transaction works.
        {
            let mut tx = store.begin().await.unwrap();
            tx.query("DELETE FROM inbox").execute().await.unwrap();
        }
        let mut tx = store.begin().await.unwrap();
        tx.lock("points:a").await.unwrap();
        let row = tx.query("SELECT COUNT(*) AS n FROM inbox").one().await.unwrap();
        assert_eq!(row.get::<i64>("n").unwrap(), 2, "{}", t.name);
        assert!(
            tx.query("UPDATE inbox SET state = 1 WHERE dedupe = 'zzz'")
                .ensure_rows(1)
                .await
                .is_err()
        );
        tx.rollback().await.unwrap();
        store.close().await;
    }
}

#[tokio::test]
async fn eight_tasks_that_read_then_write_lose_nothing() {
    for t in testing::all().await.unwrap() {
        fill(&t.store).await;
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let store = t.store.clone();
                tokio::spawn(async move {
                    for _ in 0..10 {
                        let mut tx = store.begin().await.unwrap();
                        tx.lock("count").await.unwrap();
                        let n: i64 = tx
                            .query("SELECT received_at FROM inbox WHERE dedupe = 'a'")
                            .one()
                            .await
                            .unwrap()
                            .get("received_at")
                            .unwrap();
                        tx.query("UPDATE inbox SET received_at = $1 WHERE dedupe = 'a'")
                            .bind(n + 1)
                            .execute()
                            .await
                            .unwrap();
                        tx.commit().await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let row = t
            .store
            .query("SELECT received_at FROM inbox WHERE dedupe = 'a'")
            .one()
            .await
            .unwrap();
        assert_eq!(row.get::<i64>("received_at").unwrap(), 82, "{}", t.name);
        t.store.close().await;
    }
}

#[tokio::test]
async fn a_second_process_is_refused_with_a_way_out() {
    let t = testing::sqlite().await.unwrap();
    let error = Store::open(&t.url, &StoreOptions::default())
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("PostgreSQL"), "{error}");
    // Closed, it is free, although this clone is still there.
    t.store.close().await;
    let next = Store::open(&t.url, &StoreOptions::default()).await.unwrap();
    next.close().await;
}

#[tokio::test]
async fn an_unknown_url_is_refused() {
    assert!(matches!(
        Store::open("mysql://x", &StoreOptions::default()).await,
        Err(StoreError::Broken(_))
    ));
}
