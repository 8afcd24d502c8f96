//! The life of an issue on every database.

use hutong_model::{CompanyId, Platform, Timestamp, UserId};

use super::*;
use crate::store::testing;

fn content(lines: &[&str]) -> Content {
    Content {
        title: "每周资讯".to_owned(),
        pieces: lines
            .iter()
            .map(|text| Piece {
                text: (*text).to_owned(),
                ..Piece::default()
            })
            .collect(),
    }
}

fn person(id: &str) -> PersonId {
    PersonId::derive(
        &CompanyId::new("hx").unwrap(),
        Platform::Feishu,
        &UserId::new(id).unwrap(),
    )
}

#[tokio::test]
async fn what_was_decided_holds_for_one_version() {
    for db in testing::all().await.unwrap() {
        let mut tx = db.store.begin().await.unwrap();
        let (at, ann) = (Timestamp(1_000), person("ann"));
        let first = draft(&mut tx, "news", "2026-11-30T09:30", at, &content(&["一"]), None, at)
            .await
            .unwrap();
        assert_eq!((first.state, first.version, first.number), (State::Draft, 1, 0));
        // A second draft for the minute is the first one.
        let again = draft(&mut tx, "news", "2026-11-30T09:30", at, &content(&["二"]), None, at)
            .await
            .unwrap();
        assert_eq!(again, first);
        let open = [State::Draft, State::Pending];
        let ok = move_to(&mut tx, first.id, 1, &first.sha256, &open, State::Approved, at).await;
        assert!(ok.unwrap());
        // Any edit voids it, also for those who hold the old version.
        let edited = set_content(&mut tx, first.id, &content(&["三"]), Some(&ann), at)
            .await
            .unwrap()
            .unwrap();
        assert_eq!((edited.state, edited.version), (State::Draft, 2));
        assert_eq!(edited.author.as_ref(), Some(&ann));
        for (version, sha) in [(1, &first.sha256), (2, &first.sha256), (1, &edited.sha256)] {
            let ok = move_to(&mut tx, first.id, version, sha, &open, State::Approved, at).await;
            assert!(!ok.unwrap());
        }
        let same = set_content(&mut tx, first.id, &content(&["三"]), None, at)
            .await
            .unwrap();
        assert_eq!(same.unwrap().version, 2);
        let sent = start_sending(&mut tx, first.id, at).await.unwrap().unwrap();
        assert_eq!((sent.state, sent.number), (State::Sent, 1));
        assert!(start_sending(&mut tx, first.id, at).await.unwrap().is_none());
        assert!(!miss(&mut tx, first.id, why::LATE, at).await.unwrap());
        assert!(
            set_content(&mut tx, first.id, &content(&["四"]), None, at)
                .await
                .unwrap()
                .is_none()
        );
        let right = corrected(&mut tx, first.id, &content(&["五"]), &ann, at).await.unwrap();
        assert_eq!(
            right.map(|i| (i.state, i.version, i.number)),
            Some((State::Corrected, 3, 1))
        );
        let list = versions(&mut tx, first.id).await.unwrap();
        let texts: Vec<&str> = list.iter().map(|v| v.content.pieces[0].text.as_str()).collect();
        assert_eq!(texts, ["一", "三", "五"]);
        let next = draft(&mut tx, "news", "2026-12-07T09:30", at, &content(&["六"]), None, at)
            .await
            .unwrap();
        assert_eq!(start_sending(&mut tx, next.id, at).await.unwrap().unwrap().number, 2);
        assert_eq!(last(&mut tx, "news", 5).await.unwrap().len(), 2);
        tx.rollback().await.unwrap();
    }
}

#[test]
fn the_fingerprint_is_of_what_is_read() {
    let one = content(&["高铁二等座不再预审"]);
    assert_eq!(sha256_of(&one), sha256_of(&one.clone()));
    assert_eq!(sha256_of(&one).len(), 64);
    let mut other = one.clone();
    other.pieces[0].by = Some("刘洋".into());
    assert_ne!(sha256_of(&one), sha256_of(&other));
    let mut image = one.clone();
    image.pieces[0].files.push(File {
        name: "a.png".into(),
        image: Some("k1".into()),
    });
    let mut changed = image.clone();
    changed.pieces[0].files[0].image = Some("k2".into());
    assert_ne!(sha256_of(&image), sha256_of(&changed));
    // Where it came from in the pool is not read by anybody.
    let mut pooled = one.clone();
    pooled.pieces[0].item = Some(7);
    assert_eq!(sha256_of(&one), sha256_of(&pooled));
}

#[test]
fn rows_from_before_versions_are_read() {
    let old = Content::parse(r#"[{"text":"一","by":"刘洋"},{"text":"二"}]"#).unwrap();
    assert_eq!(old.pieces.len(), 2);
    assert_eq!(old.lines(), ["一 —— 刘洋", "二"]);
    assert!(Content::parse("{").is_none());
}
