use hutong_model::{ManualClock, Platform, UserId};

use hutong_model::Page;

use super::*;
use crate::rules::testkit::{FakeAdapter, START, company, department, record, user};
use crate::store::testing::all;

fn pages<T: Clone>(items: &[T], size: usize) -> Vec<Result<Page<T>, CallError>> {
    let chunks: Vec<&[T]> = items.chunks(size).collect();
    let page = |(i, chunk): (usize, &&[T])| {
        Ok(Page {
            items: chunk.to_vec(),
            next: (i + 1 < chunks.len()).then(|| (i + 1).to_string()),
        })
    };
    chunks.iter().enumerate().map(page).collect()
}

fn staff(n: usize) -> Vec<PersonRecord> {
    (0..n)
        .map(|i| record(&format!("u{i}"), &format!("员工{i}"), &["rd"]))
        .collect()
}

struct World {
    adapter: FakeAdapter,
    clock: ManualClock,
}

impl World {
    fn new(people: &[PersonRecord]) -> Self {
        let adapter = FakeAdapter::new("fs", Platform::Feishu, [Ability::ListDepartments, Ability::ListPeople]);
        let mut rd = department("rd", Some("root"), "研发中心");
        rd.leader = Some(user("u0"));
        *adapter.departments.lock().unwrap() = pages(&[department("root", None, "海星"), rd], 1);
        let world = Self {
            adapter,
            clock: ManualClock::at(START),
        };
        world.list(people);
        world
    }

    fn list(&self, people: &[PersonRecord]) {
        self.adapter
            .people
            .lock()
            .unwrap()
            .insert("rd".to_owned(), pages(people, 7));
    }

    async fn sync(&self, db: &Store) -> Result<SyncReport, SyncError> {
        sync_app(db, &self.adapter, &company(), &self.clock).await
    }
}

async fn active(db: &Store) -> usize {
    let row = db
        .query("SELECT COUNT(*) AS n FROM person WHERE active = TRUE")
        .one()
        .await
        .unwrap();
    usize::try_from(row.get::<i64>("n").unwrap()).unwrap()
}

#[tokio::test]
async fn everybody_is_entered_with_department_and_leader() {
    for test in all().await.unwrap() {
        let world = World::new(&staff(30));
        let report = world.sync(&test.store).await.unwrap();
        assert_eq!(
            (report.departments, report.people, report.held),
            (2, 30, 0),
            "{}",
            test.name
        );
        assert_eq!(active(&test.store).await, 30);
        let mut tx = test.store.begin().await.unwrap();
        let mut directory = Directory::new(&mut tx);
        let row = department_row_id(&company(), Platform::Feishu, "rd");
        assert_eq!(directory.people_in(&row).await.unwrap().len(), 30);
        let leader = directory.department_leader(&row).await.unwrap().unwrap();
        assert_eq!(directory.person(&leader).await.unwrap().unwrap().name, "员工0");
    }
}

#[tokio::test]
async fn a_leaver_leaves_when_two_listings_apart_agree_and_the_platform_confirms() {
    for test in all().await.unwrap() {
        let world = World::new(&staff(30));
        world.sync(&test.store).await.unwrap();
        world.list(&staff(29));
        world.clock.advance(Duration::from_secs(60));
        assert_eq!(world.sync(&test.store).await.unwrap().waiting, 1);
        world.clock.advance(Duration::from_secs(60));
        assert_eq!(world.sync(&test.store).await.unwrap().waiting, 1, "too soon");
        assert_eq!(active(&test.store).await, 30);
        // Back in between: the count begins anew.
        world.list(&staff(30));
        world.clock.advance(Duration::from_secs(600));
        assert_eq!(world.sync(&test.store).await.unwrap().waiting, 0);
        world.list(&staff(29));
        assert_eq!(world.sync(&test.store).await.unwrap().waiting, 1);
        world.clock.advance(Duration::from_secs(60));
        assert_eq!(world.sync(&test.store).await.unwrap().waiting, 1);
        world.clock.advance(AGREE_AFTER);
        let report = world.sync(&test.store).await.unwrap();
        assert_eq!((report.left.len(), report.waiting), (1, 0), "{}", test.name);
        assert_eq!(active(&test.store).await, 29);
        assert_eq!(world.sync(&test.store).await.unwrap().left, []);
    }
}

#[tokio::test]
async fn somebody_who_is_only_out_of_sight_does_not_leave() {
    for test in all().await.unwrap() {
        let world = World::new(&staff(30));
        world.sync(&test.store).await.unwrap();
        // Not in the listing of any department that is read, but the platform knows the person.
        world.list(&staff(29));
        world
            .adapter
            .people
            .lock()
            .unwrap()
            .insert("hidden".to_owned(), pages(&[record("u29", "员工29", &["rd"])], 1));
        for _ in 0..3 {
            world.clock.advance(AGREE_AFTER);
            assert_eq!(world.sync(&test.store).await.unwrap().left, []);
        }
        assert_eq!(active(&test.store).await, 30);
    }
}

#[tokio::test]
async fn a_listing_that_breaks_off_removes_nobody() {
    for test in all().await.unwrap() {
        let world = World::new(&staff(30));
        world.sync(&test.store).await.unwrap();
        let broken = |second: Result<Page<PersonRecord>, CallError>| {
            let first = Page {
                items: staff(7),
                next: Some("1".into()),
            };
            world
                .adapter
                .people
                .lock()
                .unwrap()
                .insert("rd".to_owned(), vec![Ok(first), second]);
        };
        for round in 0..3 {
            world.clock.advance(AGREE_AFTER);
            broken(Err(CallError::Unavailable("500".into())));
            assert!(
                matches!(world.sync(&test.store).await, Err(SyncError::Call(_))),
                "{round}"
            );
            // The second page points at itself.
            broken(Ok(Page {
                items: vec![],
                next: Some("1".into()),
            }));
            assert!(matches!(
                world.sync(&test.store).await,
                Err(SyncError::Endless("people"))
            ));
        }
        world.list(&[]);
        assert!(matches!(world.sync(&test.store).await, Err(SyncError::Nobody)));
        world.list(&staff(30));
        world.adapter.departments.lock().unwrap().clear();
        assert!(matches!(world.sync(&test.store).await, Err(SyncError::Empty)));
        // What was refused stands where operators see it, and only once.
        let mut tx = test.store.begin().await.unwrap();
        let notices = store::notices(&mut tx).await.unwrap();
        assert_eq!((notices.len(), notices[0].code.as_str()), (1, "empty"));
        let staged = tx.query("SELECT COUNT(*) AS n FROM sync_person").one().await.unwrap();
        assert_eq!(staged.get::<i64>("n").unwrap(), 0);
        drop(tx);
        assert_eq!(active(&test.store).await, 30, "{}", test.name);
    }
}

#[tokio::test]
async fn many_leavers_at_once_are_reported_and_not_applied() {
    for test in all().await.unwrap() {
        for (before, after) in [(30, 27), (500, 479)] {
            let world = World::new(&staff(before));
            world.sync(&test.store).await.unwrap();
            world.list(&staff(after));
            for _ in 0..3 {
                world.clock.advance(AGREE_AFTER);
                let report = world.sync(&test.store).await.unwrap();
                assert_eq!(
                    (report.held, report.left.len()),
                    (before - after, 0),
                    "{before} {after}"
                );
            }
            assert_eq!(active(&test.store).await, before);
            // So that the next case begins with what it lists.
            let mut tx = test.store.begin().await.unwrap();
            for table in [
                "sync_seen",
                "sync_state",
                "sync_notice",
                "identity",
                "person_department",
                "person_stay",
                "person",
            ] {
                tx.query(format!("DELETE FROM {table}")).execute().await.unwrap();
            }
            tx.commit().await.unwrap();
        }
    }
}

#[tokio::test]
async fn people_known_from_messages_only_are_never_missed() {
    for test in all().await.unwrap() {
        let mut tx = test.store.begin().await.unwrap();
        Directory::new(&mut tx)
            .ensure_person(&company(), Platform::Feishu, &user("guest"), None, START)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let world = World::new(&staff(30));
        for _ in 0..3 {
            world.clock.advance(AGREE_AFTER);
            assert_eq!(world.sync(&test.store).await.unwrap().left, []);
        }
        assert_eq!(active(&test.store).await, 31);
    }
}

#[tokio::test]
async fn events_that_only_name_a_person_are_looked_up() {
    for test in all().await.unwrap() {
        let world = World::new(&staff(3));
        let app = world.adapter.app.clone();
        let mut tx = test.store.begin().await.unwrap();
        let mut directory = Directory::new(&mut tx);
        for who in ["u1", "nobody"] {
            directory
                .ask_sync(&app, Some(&UserId::new(who).unwrap()), START)
                .await
                .unwrap();
        }
        tx.commit().await.unwrap();
        assert!(
            !refresh(&test.store, &world.adapter, &company(), &world.clock)
                .await
                .unwrap()
        );
        let mut tx = test.store.begin().await.unwrap();
        let mut directory = Directory::new(&mut tx);
        let found = directory
            .person_of(&company(), Platform::Feishu, &user("u1"))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.name, "员工1");
        assert_eq!(directory.sync_todo(&app, 9).await.unwrap(), []);
        directory.ask_sync(&app, None, START).await.unwrap();
        tx.commit().await.unwrap();
        assert!(
            refresh(&test.store, &world.adapter, &company(), &world.clock)
                .await
                .unwrap()
        );
        world.sync(&test.store).await.unwrap();
        assert!(
            !refresh(&test.store, &world.adapter, &company(), &world.clock)
                .await
                .unwrap()
        );
    }
}

#[tokio::test]
async fn departments_that_do_not_hang_together_change_nothing() {
    for test in all().await.unwrap() {
        let world = World::new(&staff(3));
        world.sync(&test.store).await.unwrap();
        let rd = |parent| department("rd", parent, "改名");
        let cases = [
            (
                vec![
                    department("root", None, "海星"),
                    rd(Some("lab")),
                    department("lab", Some("rd"), "实验室"),
                ],
                "cycle",
            ),
            (vec![department("root", None, "海星"), rd(Some("rd"))], "cycle"),
            (vec![department("root", None, "海星"), rd(Some("gone"))], "orphan"),
            // Without the root: a superior that earlier listings named is missed.
            (vec![rd(Some("root"))], "orphan"),
            (
                vec![department("root", None, "海星"), rd(None), rd(Some("root"))],
                "torn",
            ),
        ];
        for (listed, code) in cases {
            *world.adapter.departments.lock().unwrap() = pages(&listed, 2);
            world.clock.advance(AGREE_AFTER);
            world.list(&staff(1));
            let error = world.sync(&test.store).await.unwrap_err();
            assert_eq!(error.code(), Some(code), "{error}");
            let text = error.to_string();
            assert!(text.contains("othing was changed"), "{text}");
        }
        assert_eq!(active(&test.store).await, 3);
        let row = test
            .store
            .query("SELECT COUNT(*) AS n FROM department WHERE name = '改名'")
            .one()
            .await
            .unwrap();
        assert_eq!(row.get::<i64>("n").unwrap(), 0);
        // An app that may only see a part names superiors outside of it, and always has.
        let part = FakeAdapter::new(
            "fs2",
            Platform::DingTalk,
            [Ability::ListDepartments, Ability::ListPeople],
        );
        *part.departments.lock().unwrap() = pages(&[department("plant", Some("1"), "工厂")], 1);
        part.people
            .lock()
            .unwrap()
            .insert("plant".to_owned(), pages(&staff(1), 7));
        assert_eq!(
            sync_app(&test.store, &part, &company(), &world.clock)
                .await
                .unwrap()
                .people,
            1
        );
    }
}

#[tokio::test]
async fn many_leavers_leave_when_an_operator_has_said_so_and_two_listings_agree() {
    for test in all().await.unwrap() {
        let world = World::new(&staff(60));
        world.sync(&test.store).await.unwrap();
        world.list(&staff(30));
        assert_eq!(world.sync(&test.store).await.unwrap().held, 30);
        let by = PersonId::derive(&company(), Platform::Feishu, &user("boss"));
        let mut tx = test.store.begin().await.unwrap();
        let held = store::notices(&mut tx).await.unwrap();
        assert_eq!(
            (held.len(), held[0].kind.as_str(), held[0].detail.as_str()),
            (1, "held", "30 30 0")
        );
        let n = store::confirm(&mut tx, &world.adapter.app, &company(), Platform::Feishu, &by, START)
            .await
            .unwrap();
        assert_eq!(n, 30);
        tx.commit().await.unwrap();
        world.clock.advance(Duration::from_secs(60));
        let report = world.sync(&test.store).await.unwrap();
        assert_eq!((report.held, report.waiting, report.left.len()), (0, 30, 0));
        assert!(report.again_after().is_some());
        // Many more meanwhile: they need a word of their own, and the confirmed ones go.
        world.list(&staff(5));
        world.clock.advance(AGREE_AFTER);
        let report = world.sync(&test.store).await.unwrap();
        assert_eq!((report.held, report.left.len()), (25, 30));
        assert_eq!(active(&test.store).await, 30);
        world.list(&staff(30));
        world.clock.advance(AGREE_AFTER);
        world.sync(&test.store).await.unwrap();
        let mut tx = test.store.begin().await.unwrap();
        assert!(
            store::notices(&mut tx).await.unwrap().is_empty(),
            "nothing waits any more"
        );
    }
}

#[tokio::test]
async fn an_event_is_not_undone_by_a_listing_that_was_read_before_it() {
    for test in all().await.unwrap() {
        let world = World::new(&staff(3));
        world.sync(&test.store).await.unwrap();
        let later = world.clock.now() + Duration::from_secs(5);
        let mut tx = test.store.begin().await.unwrap();
        let mut moved = record("u1", "员工1", &["rd"]);
        moved.title = Some("组长".to_owned());
        let mut directory = Directory::new(&mut tx);
        directory
            .learn(&company(), Platform::Feishu, &moved, later, later)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        // The listing that is entered now was read before that.
        world.sync(&test.store).await.unwrap();
        let mut tx = test.store.begin().await.unwrap();
        let mut directory = Directory::new(&mut tx);
        let person = directory
            .person_of(&company(), Platform::Feishu, &user("u1"))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(person.title.as_deref(), Some("组长"));
        let todo = directory.sync_todo(&world.adapter.app, 9).await.unwrap();
        assert_eq!(todo.len(), 1, "the platform is asked how it stands");
        // And an event that is older than what is known changes nothing.
        let old = directory
            .learn(&company(), Platform::Feishu, &record("u1", "旧名", &[]), START, later)
            .await
            .unwrap();
        assert_eq!(old, Learned::Stale);
    }
}

#[tokio::test]
async fn a_department_ends_after_two_listings() {
    for test in all().await.unwrap() {
        let world = World::new(&staff(3));
        let lab = department("lab", Some("root"), "实验室");
        let some = [
            department("root", None, "海星"),
            department("rd", Some("root"), "研发中心"),
            lab,
        ];
        *world.adapter.departments.lock().unwrap() = pages(&some, 5);
        world.sync(&test.store).await.unwrap();
        *world.adapter.departments.lock().unwrap() = pages(&some[..2], 5);
        assert_eq!(world.sync(&test.store).await.unwrap().departments_removed, 0);
        world.clock.advance(AGREE_AFTER);
        assert_eq!(world.sync(&test.store).await.unwrap().departments_removed, 1);
    }
}
