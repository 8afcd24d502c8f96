use std::collections::BTreeSet;
use std::time::Duration;

use hutong_model::{Platform, Timestamp};

use super::*;
use crate::directory::facts;
use crate::rules::points::view::store as points;
use crate::rules::testkit::{START, company, record, user};
use crate::store::Dialect;
use crate::store::testing::all;

/// Every column of person ids stands in one of the two lists: a table that is forgotten would leave
/// its rows behind when two people turn out to be one.
#[tokio::test]
async fn every_column_of_person_ids_is_thought_of() {
    const NAMES: [&str; 24] = [
        "person",
        "actor",
        "author",
        "owner",
        "giver",
        "receiver",
        "leader",
        "given_by",
        "granted_by",
        "changed_by",
        "decided_by",
        "undone_by",
        "confirmed_by",
        "head",
        "gone",
        "other",
        "merged_into",
        "subject",
        "buddy",
        "newcomer",
        "reviewer",
        "sender",
        "operator",
        "member",
    ];
    let test = crate::store::testing::sqlite().await.unwrap();
    assert_eq!(test.store.dialect(), Dialect::Sqlite);
    let rows = test
        .store
        .query(
            "SELECT m.name AS t, c.name AS c FROM sqlite_master m JOIN pragma_table_info(m.name) c \
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' ORDER BY m.name, c.name",
        )
        .all()
        .await
        .unwrap();
    let columns: BTreeSet<(String, String)> = rows
        .iter()
        .map(|r| (r.get("t").unwrap(), r.get("c").unwrap()))
        .collect();
    let mut listed: BTreeSet<(String, String)> = BTreeSet::new();
    for place in store::PLACES {
        listed.insert((place.table.to_owned(), place.column.to_owned()));
        for key in place.key {
            assert!(
                columns.contains(&(place.table.to_owned(), (*key).to_owned())),
                "{place:?}: no column {key}"
            );
        }
    }
    listed.extend(store::STAYS.iter().map(|(t, c, _)| ((*t).to_owned(), (*c).to_owned())));
    // What is there under such a name and holds something else.
    let else_ = [("sync_person", "leader")].map(|(t, c)| (t.to_owned(), c.to_owned()));
    for column in &columns {
        assert!(
            !NAMES.contains(&column.1.as_str()) || listed.contains(column) || else_.contains(column),
            "{}.{} holds person ids? Add it to PLACES (it follows a merge) or to STAYS (with the reason) in src/directory/merge/store.rs",
            column.0,
            column.1
        );
    }
    for column in &listed {
        assert!(columns.contains(column), "{column:?} is listed and not there");
    }
}

async fn two(tx: &mut Tx) -> (PersonId, PersonId) {
    let c = company();
    let mut directory = Directory::new(tx);
    let mut one = record("f1", "陈晨", &["rd"]);
    one.employee_no = None;
    let a = directory
        .upsert_person(&c, Platform::Feishu, &one, START)
        .await
        .unwrap();
    let mut other = record("d1", "陈晨", &["plant"]);
    other.employee_no = None;
    let later = START + Duration::from_secs(60);
    let b = directory
        .upsert_person(&c, Platform::DingTalk, &other, later)
        .await
        .unwrap();
    assert_ne!(a, b);
    (a, b)
}

/// Everything there is, without what the two operations themselves write down.
async fn picture(tx: &mut Tx) -> Vec<String> {
    let mut out = Vec::new();
    for sql in [
        "SELECT person || ' ' || user_id AS x FROM identity ORDER BY 1",
        "SELECT person || ' ' || tag AS x FROM person_tag ORDER BY 1",
        "SELECT owner || ' ' || account || ' ' || CAST(amount AS TEXT) AS x FROM ledger_balance ORDER BY 1",
        "SELECT person || ' ' || chat_id AS x FROM chat_member ORDER BY 1",
        "SELECT person || ' ' || department AS x FROM person_department ORDER BY 1",
        "SELECT giver || ' ' || receiver || ' ' || cause AS x FROM thanks ORDER BY 1",
        "SELECT id || ' ' || name || ' ' || COALESCE(merged_into, '-') || CASE WHEN active THEN ' there' ELSE ' gone' END AS x FROM person ORDER BY 1",
    ] {
        for row in tx.query(sql).all().await.unwrap() {
            out.push(row.get::<String>("x").unwrap());
        }
    }
    out
}

async fn balance(tx: &mut Tx, account: &str, owner: &PersonId, amount: i64) {
    tx.query("INSERT INTO ledger_balance (account, currency, owner, season, amount, through_seq) VALUES ($1, 'score', $2, '2026-11', $3, 1)")
        .bind(account)
        .bind(owner.as_str())
        .bind(amount)
        .execute()
        .await
        .unwrap();
}

#[tokio::test]
async fn everything_follows_and_goes_back_exactly() {
    for test in all().await.unwrap() {
        let mut tx = test.store.begin().await.unwrap();
        let (c, now) = (company(), START + Duration::from_secs(3600));
        let (a, b) = two(&mut tx).await;
        balance(&mut tx, "score:a:2026-11", &a, 4000).await;
        balance(&mut tx, "score:b:2026-11", &b, 3000).await;
        for (who, tag) in [(&a, "mcu"), (&b, "mcu"), (&b, "摄影|旅行")] {
            facts::set_tag(&mut tx, who, tag, true, &a, now).await.unwrap();
        }
        let app = hutong_model::AppId::new("dt").unwrap();
        let chat = hutong_model::ChatId::new("c1").unwrap();
        Directory::new(&mut tx).joined(&app, &chat, &b, now).await.unwrap();
        for (cause, giver, receiver) in [("x", &a, &b), ("y", &b, &a)] {
            tx.query("INSERT INTO thanks (cause, app, at, local_date, giver, receiver, points, cross_department, withdrawn) VALUES ($1, 'fs', 1, '2026-11-24', $2, $3, 1, FALSE, FALSE)")
                .bind(cause)
                .bind(giver.as_str())
                .bind(receiver.as_str())
                .execute()
                .await
                .unwrap();
        }
        let before = picture(&mut tx).await;

        let merged = merge(&mut tx, &c, &b, &a, Why::Operator, a.as_str(), now)
            .await
            .unwrap();
        assert_eq!((&merged.head, &merged.gone), (&a, &b), "who was known first stays");
        let mut directory = Directory::new(&mut tx);
        assert_eq!(
            directory.person(&b).await.unwrap().unwrap().id,
            a,
            "the old id leads to the person"
        );
        assert_eq!(directory.identities(&a).await.unwrap().len(), 2);
        assert!(directory.is_member(&app, &chat, &a).await.unwrap());
        assert_eq!(points::score_of(&mut tx, &a, "2026-11").await.unwrap(), 7000);
        let board = points::season_scorers(&mut tx, &c, "2026-11").await.unwrap();
        assert_eq!((board.len(), board[0].score), (1, 7000));
        assert_eq!(facts::tags_of(&mut tx, &a).await.unwrap().len(), 2);
        // What is told about either account reaches the one person.
        let again = record("d1", "陈晨", &["plant"]);
        let id = Directory::new(&mut tx)
            .upsert_person(&c, Platform::DingTalk, &again, now)
            .await
            .unwrap();
        assert_eq!(id, a);

        let undone = split(&mut tx, &c, &a, a.as_str(), now).await.unwrap().unwrap();
        assert_eq!(undone, merged);
        assert_eq!(picture(&mut tx).await, before, "{}", test.name);
        assert!(split(&mut tx, &c, &a, a.as_str(), now).await.unwrap().is_none());
        let audited = tx
            .query("SELECT COUNT(*) AS n FROM audit WHERE action LIKE 'person.%'")
            .one()
            .await
            .unwrap();
        assert_eq!(audited.get::<i64>("n").unwrap(), 2);
        // The same number does not join again what an operator has parted.
        let mut f = record("f1", "陈晨", &["rd"]);
        f.employee_no = Some("D1".to_owned());
        let id = Directory::new(&mut tx)
            .upsert_person(&c, Platform::Feishu, &f, now)
            .await
            .unwrap();
        assert_eq!(id, a);
        assert!(Directory::new(&mut tx).person(&b).await.unwrap().unwrap().active);
        // Merged a second time, it works as the first time.
        merge(&mut tx, &c, &a, &b, Why::Operator, a.as_str(), now)
            .await
            .unwrap();
        assert_eq!(points::score_of(&mut tx, &a, "2026-11").await.unwrap(), 7000);
    }
}

#[tokio::test]
async fn people_who_were_met_before_the_number_was_known_are_merged_with_their_points() {
    for test in all().await.unwrap() {
        let mut tx = test.store.begin().await.unwrap();
        let c = company();
        let mut directory = Directory::new(&mut tx);
        directory
            .upsert_person(&c, Platform::Feishu, &record("f1", "陈晨", &["rd"]), START)
            .await
            .unwrap();
        let met = directory
            .ensure_person(
                &c,
                Platform::DingTalk,
                &user("d1"),
                Some("陈晨"),
                START + Duration::from_secs(5),
            )
            .await
            .unwrap();
        balance(&mut tx, "score:b:2026-11", &met.id, 3000).await;
        let mut known = record("d1", "陈晨", &["plant"]);
        known.employee_no = Some("F1".to_owned());
        let at = START + Duration::from_secs(9);
        let id = Directory::new(&mut tx)
            .upsert_person(&c, Platform::DingTalk, &known, at)
            .await
            .unwrap();
        assert_ne!(id, met.id);
        assert_eq!(points::score_of(&mut tx, &id, "2026-11").await.unwrap(), 3000);
        let merged = store::newest(&mut tx, &id).await.unwrap().unwrap();
        assert_eq!(merged.gone, met.id);
    }
}

#[tokio::test]
async fn an_account_is_parted_from_its_person() {
    for test in all().await.unwrap() {
        let mut tx = test.store.begin().await.unwrap();
        let (c, later) = (company(), START + Duration::from_secs(3600));
        let mut directory = Directory::new(&mut tx);
        let f = record("f1", "陈晨", &["rd"]);
        let a = directory.upsert_person(&c, Platform::Feishu, &f, START).await.unwrap();
        let mut d = record("d1", "别人", &["plant"]);
        d.employee_no = Some("F1".to_owned());
        assert_eq!(
            directory
                .upsert_person(&c, Platform::DingTalk, &d, START)
                .await
                .unwrap(),
            a
        );
        assert!(
            detach(&mut tx, &c, &a, Platform::WeCom, "system", later)
                .await
                .unwrap()
                .is_none()
        );
        let new = detach(&mut tx, &c, &a, Platform::DingTalk, "system", later)
            .await
            .unwrap()
            .unwrap();
        assert_ne!(new, a);
        let mut directory = Directory::new(&mut tx);
        assert_eq!(directory.person(&new).await.unwrap().unwrap().name, "别人");
        assert_eq!(
            directory
                .upsert_person(&c, Platform::DingTalk, &d, later)
                .await
                .unwrap(),
            new,
            "and stays parted"
        );
        assert!(
            detach(&mut tx, &c, &a, Platform::Feishu, "system", later)
                .await
                .unwrap()
                .is_none(),
            "the last account"
        );
    }
}

#[tokio::test]
async fn merges_of_merges_come_apart_one_by_one() {
    for test in all().await.unwrap() {
        let mut tx = test.store.begin().await.unwrap();
        let c = company();
        let (a, b) = two(&mut tx).await;
        let mut third = record("w1", "陈晨", &["sales"]);
        third.employee_no = None;
        let z = Directory::new(&mut tx)
            .upsert_person(&c, Platform::WeCom, &third, Timestamp(START.0 - 1))
            .await
            .unwrap();
        let before = picture(&mut tx).await;
        for (n, (one, two)) in [(&a, &b), (&a, &z)].into_iter().enumerate() {
            merge(
                &mut tx,
                &c,
                one,
                two,
                Why::Operator,
                "system",
                START + Duration::from_secs(n as u64),
            )
            .await
            .unwrap();
        }
        let mut directory = Directory::new(&mut tx);
        assert_eq!(
            directory.person(&b).await.unwrap().unwrap().id,
            z,
            "the chain leads to its end"
        );
        let now = START + Duration::from_secs(9);
        assert_eq!(split(&mut tx, &c, &z, "system", now).await.unwrap().unwrap().gone, a);
        assert_eq!(Directory::new(&mut tx).person(&b).await.unwrap().unwrap().id, a);
        assert_eq!(split(&mut tx, &c, &a, "system", now).await.unwrap().unwrap().gone, b);
        assert_eq!(picture(&mut tx).await, before);
    }
}
