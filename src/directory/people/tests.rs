use std::time::Duration;

use hutong_model::{CompanyId, PersonRecord, Platform, Timestamp};

use super::*;
use crate::access::Role;
use crate::access::store::{Grant, Subject, sync_config_roles};
use crate::directory::{Directory, Person};
use crate::rules::testkit::{START, company, record, user};
use crate::store::testing::{TestStore, all};

const DAY: Duration = Duration::from_secs(86_400);

fn with(id: &str, number: Option<&str>, email: Option<&str>, mobile: Option<&str>) -> PersonRecord {
    PersonRecord {
        employee_no: number.map(str::to_owned),
        email: email.map(str::to_owned),
        mobile: mobile.map(str::to_owned),
        ..record(id, "陈晨", &["rd"])
    }
}

/// Enters accounts one after the other, a second apart; returns whose they are.
async fn enter(tx: &mut Tx, list: &[(Platform, PersonRecord)]) -> Vec<PersonId> {
    let mut out = Vec::new();
    for (n, (platform, record)) in list.iter().enumerate() {
        let now = START + Duration::from_secs(n as u64);
        Directory::new(tx)
            .upsert_person(&company(), *platform, record, now)
            .await
            .unwrap();
    }
    for (platform, record) in list {
        let found = Directory::new(tx)
            .person_of(&company(), *platform, &record.user)
            .await
            .unwrap();
        out.push(found.unwrap().id);
    }
    out
}

async fn kinds(tx: &mut Tx) -> Vec<Conflict> {
    let (list, count) = store::conflicts(tx, &company(), 50).await.unwrap();
    assert_eq!(usize::try_from(count).unwrap(), list.len());
    list.into_iter().map(|c| c.kind).collect()
}

use Platform::{DingTalk, Feishu, WeCom};

#[tokio::test]
async fn one_human_is_one_person_on_all_platforms() {
    for test in all().await.unwrap() {
        let mut tx = test.store.begin().await.unwrap();
        let ids = enter(
            &mut tx,
            &[
                (Feishu, with("f1", Some("E1"), Some("Chen@x.example"), None)),
                (DingTalk, with("d1", Some("E1"), None, Some("+86 199-0000-0001"))),
                (WeCom, with("w1", None, Some(" chen@X.example"), None)),
                (WeCom, with("w2", Some("E2"), None, Some("19900000002"))),
                (DingTalk, with("d2", None, None, Some("008619900000002"))),
            ],
        )
        .await;
        assert!(ids[0] == ids[1] && ids[1] == ids[2], "{ids:?}");
        assert!(ids[3] == ids[4] && ids[3] != ids[0]);
        assert_eq!(kinds(&mut tx).await, []);
        let sql = "SELECT COUNT(*) AS n FROM identity WHERE record LIKE '%example%' OR record LIKE '%19900%'";
        let plain = tx.query(sql).one().await.unwrap();
        assert_eq!(
            plain.get::<i64>("n").unwrap(),
            0,
            "addresses and numbers are stored as digests only"
        );
    }
}

#[tokio::test]
async fn contradictions_are_listed_and_not_merged() {
    for test in all().await.unwrap() {
        let cases: Vec<(Conflict, Vec<(Platform, PersonRecord)>)> = vec![
            (
                Conflict::NumberTwice,
                vec![
                    (Feishu, with("f1", Some("E1"), None, None)),
                    (Feishu, with("f2", Some("E1"), None, None)),
                ],
            ),
            (
                Conflict::EmailNumbers,
                vec![
                    (Feishu, with("f1", Some("E1"), Some("a@x.example"), None)),
                    (DingTalk, with("d1", Some("E2"), Some("a@x.example"), None)),
                ],
            ),
            (
                Conflict::MobileNumbers,
                vec![
                    (Feishu, with("f1", Some("E1"), None, Some("19900000001"))),
                    (WeCom, with("w1", Some("E2"), None, Some("19900000001"))),
                ],
            ),
            (
                Conflict::EmailTwice,
                vec![
                    (Feishu, with("f1", None, Some("team@x.example"), None)),
                    (Feishu, with("f2", None, Some("team@x.example"), None)),
                ],
            ),
            (
                Conflict::NumberOther,
                vec![
                    (Feishu, with("f1", Some("E1"), Some("a@x.example"), None)),
                    (DingTalk, with("d1", Some("E1"), None, None)),
                    (DingTalk, with("d1", Some("E7"), None, None)),
                ],
            ),
        ];
        for (kind, list) in cases {
            let mut tx = test.store.begin().await.unwrap();
            let ids = enter(&mut tx, &list).await;
            assert_eq!(kinds(&mut tx).await, [kind], "{}", test.name);
            if kind != Conflict::NumberOther {
                assert_ne!(ids[0], ids[1], "{kind:?}");
            }
            // The contradiction is gone when the platform's data is put right.
            if kind == Conflict::NumberTwice {
                let right = with("f2", Some("E9"), None, None);
                let mut directory = Directory::new(&mut tx);
                directory
                    .upsert_person(&company(), Feishu, &right, START + DAY)
                    .await
                    .unwrap();
                assert_eq!(kinds(&mut tx).await, [], "a corrected number ends it");
            }
            tx.rollback().await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_address_alone_gives_nobody_a_role() {
    for test in all().await.unwrap() {
        let mut tx = test.store.begin().await.unwrap();
        let grant = Grant {
            company: company(),
            subject: Subject::Employee("E1".to_owned()),
            role: Role::Admin,
            scope: crate::access::Scope::All,
        };
        sync_config_roles(&mut tx, &[grant], START).await.unwrap();
        let list = [
            (Feishu, with("boss", Some("E1"), Some("boss@x.example"), None)),
            (DingTalk, with("d9", None, None, None)),
            (DingTalk, with("d9", None, Some("boss@x.example"), None)),
        ];
        let ids = enter(&mut tx, &list).await;
        assert_ne!(ids[0], ids[2]);
        assert_eq!(kinds(&mut tx).await, [Conflict::Privileged]);
    }
}

#[tokio::test]
async fn the_administrators_map_joins_what_nothing_else_does() {
    for test in all().await.unwrap() {
        let mut tx = test.store.begin().await.unwrap();
        let map = [
            ("0".to_owned(), Feishu, user("f1")),
            ("0".to_owned(), WeCom, user("w1")),
        ];
        set_policy(&mut tx, &company(), &[By::EmployeeNo], &map, START)
            .await
            .unwrap();
        let ids = enter(
            &mut tx,
            &[
                (Feishu, with("f1", None, Some("a@x.example"), None)),
                (WeCom, with("w1", None, None, None)),
                (DingTalk, with("d1", None, Some("a@x.example"), None)),
            ],
        )
        .await;
        assert_eq!(ids[0], ids[1]);
        assert_ne!(ids[0], ids[2], "e-mail is not asked for here");
    }
}

async fn look(tx: &mut Tx, platform: Platform, id: &str) -> Person {
    Directory::new(tx)
        .person_of(&company(), platform, &user(id))
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test]
async fn who_comes_back_is_the_same_person_and_known_as_returned_for_ninety_days() {
    for test in all().await.unwrap() {
        for (days, returned) in [(89, true), (91, false)] {
            let mut tx = test.store.begin().await.unwrap();
            let c = company();
            enter(&mut tx, &[(Feishu, with("old", Some("E1"), None, None))]).await;
            let before = look(&mut tx, Feishu, "old").await;
            let left = START + DAY;
            let mut directory = Directory::new(&mut tx);
            directory
                .account_left(&c, Feishu, &user("old"), left, left)
                .await
                .unwrap();
            let gone = look(&mut tx, Feishu, "old").await;
            assert!(!gone.active && gone.left_at == Some(left) && gone.returned_at.is_none());
            let back = left + DAY * days;
            let new = with("new", Some("E1"), None, None);
            Directory::new(&mut tx)
                .upsert_person(&c, Feishu, &new, back)
                .await
                .unwrap();
            let person = look(&mut tx, Feishu, "new").await;
            assert_eq!(person.id, before.id, "the same account of points and everything else");
            assert!(person.active);
            assert_eq!(person.left_at, Some(left));
            assert_eq!(person.returned_at.is_some(), returned, "{days} days");
            assert_eq!(kinds(&mut tx).await, []);
            let mut directory = Directory::new(&mut tx);
            assert_eq!(
                directory.identity_on(&person.id, Feishu).await.unwrap(),
                Some(user("new"))
            );
            tx.rollback().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_person_has_left_when_no_account_is_in_use() {
    for test in all().await.unwrap() {
        let mut tx = test.store.begin().await.unwrap();
        let (c, later) = (company(), START + DAY);
        enter(
            &mut tx,
            &[
                (Feishu, with("f1", Some("E1"), None, None)),
                (DingTalk, with("d1", Some("E1"), None, None)),
            ],
        )
        .await;
        Directory::new(&mut tx)
            .account_left(&c, Feishu, &user("f1"), later, later)
            .await
            .unwrap();
        assert!(look(&mut tx, DingTalk, "d1").await.active);
        Directory::new(&mut tx)
            .account_left(&c, DingTalk, &user("d1"), later, later)
            .await
            .unwrap();
        let person = look(&mut tx, DingTalk, "d1").await;
        assert!(!person.active);
        use crate::text::Lang;
        assert_eq!(person.shown_name(later + DAY * 29, Lang::Zh), "陈晨");
        assert_eq!(person.shown_name(later + DAY * 31, Lang::Zh), "已离职同事");
        // An old word about it changes nothing.
        let old = with("f1", Some("E1"), None, None);
        let learned = Directory::new(&mut tx)
            .learn(&c, Feishu, &old, START, later)
            .await
            .unwrap();
        assert_eq!(learned, Learned::Stale);
    }
}

#[tokio::test]
async fn where_people_stood_is_known_by_moment() {
    for test in all().await.unwrap() {
        let mut tx = test.store.begin().await.unwrap();
        let c = company();
        let rd = department_row_id(&c, Feishu, "rd");
        let lab = department_row_id(&c, Feishu, "lab");
        let mut person = record("f1", "陈晨", &["rd"]);
        let id = Directory::new(&mut tx)
            .upsert_person(&c, Feishu, &person, START)
            .await
            .unwrap();
        person.departments = record("f1", "陈晨", &["lab"]).departments;
        Directory::new(&mut tx)
            .upsert_person(&c, Feishu, &person, START + DAY * 15)
            .await
            .unwrap();
        let mut directory = Directory::new(&mut tx);
        assert_eq!(directory.departments_at(&id, START + DAY * 14).await.unwrap(), [rd]);
        assert_eq!(directory.departments_at(&id, START + DAY * 15).await.unwrap(), [lab]);
        directory
            .account_left(&c, Feishu, &user("f1"), START + DAY * 20, START + DAY * 20)
            .await
            .unwrap();
        assert!(
            directory
                .departments_at(&id, START + DAY * 21)
                .await
                .unwrap()
                .is_empty()
        );
    }
}

/// What is told does not depend on the order of platforms: accounts of one number in any order make
/// one person with the same looks.
async fn any_order(test: &TestStore, order: Vec<usize>) {
    let list = [
        (
            Feishu,
            PersonRecord {
                title: None,
                ..with("f1", Some("E1"), None, None)
            },
        ),
        (
            DingTalk,
            PersonRecord {
                name: "陈晨晨".into(),
                title: Some("组长".into()),
                ..with("d1", Some("E1"), None, None)
            },
        ),
        (
            WeCom,
            PersonRecord {
                name: "CC".into(),
                title: Some("专员".into()),
                ..with("w1", Some("E1"), None, None)
            },
        ),
    ];
    let mut tx = test.store.begin().await.unwrap();
    let ordered: Vec<_> = order.iter().map(|i| list[*i].clone()).collect();
    let ids = enter(&mut tx, &ordered).await;
    assert!(ids.windows(2).all(|w| w[0] == w[1]));
    let person = look(&mut tx, Feishu, "f1").await;
    assert_eq!(
        (person.name.as_str(), person.title.as_deref()),
        ("陈晨晨", Some("组长")),
        "{order:?}"
    );
    tx.rollback().await.unwrap();
}

#[tokio::test]
async fn the_order_of_platforms_does_not_matter() {
    for test in all().await.unwrap() {
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0], [0, 2, 1], [2, 0, 1]] {
            any_order(&test, order.to_vec()).await;
        }
    }
}

#[test]
fn the_company_is_part_of_everything() {
    let other = CompanyId::new("other").unwrap();
    assert_ne!(
        PersonId::derive(&company(), Feishu, &user("u1")),
        PersonId::derive(&other, Feishu, &user("u1"))
    );
    assert!(Timestamp(0) < START);
}
