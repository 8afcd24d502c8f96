//! Random histories of an organisation, told by events in any order and by listings that break off,
//! against a plain model: when the platform is quiet and two listings have been read, the mirror is
//! what the platform has.

use std::collections::{BTreeMap, BTreeSet};

use hutong_model::{ManualClock, Page, Platform};
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

use super::*;
use crate::rules::testkit::{FakeAdapter, START, company, department, user};
use crate::store::testing::{TestStore, postgres, sqlite};

/// What one platform has: account to (employee number, name, department).
type Roll = BTreeMap<String, (String, String, String)>;

const DEPARTMENTS: [&str; 4] = ["root", "rd", "lab", "ops"];
const MINUTE: Duration = Duration::from_secs(60);

struct Model {
    platforms: [(Platform, FakeAdapter, Roll); 2],
    /// Employee number to whether they ever left.
    next: usize,
    clock: ManualClock,
    /// Events that were not delivered yet: platform, account, when it happened, what it says.
    late: Vec<(usize, String, Timestamp, Option<PersonRecord>)>,
}

fn told(account: &str, (number, name, dept): &(String, String, String)) -> PersonRecord {
    PersonRecord {
        employee_no: Some(number.clone()),
        ..crate::rules::testkit::record(account, name, &[dept])
    }
}

impl Model {
    fn new() -> Self {
        let can = [Ability::ListDepartments, Ability::ListPeople];
        let one = |app, platform| {
            let adapter = FakeAdapter::new(app, platform, can);
            let tree = DEPARTMENTS.map(|d| department(d, (d != "root").then_some("root"), d));
            *adapter.departments.lock().unwrap() = vec![Ok(Page {
                items: tree.to_vec(),
                next: None,
            })];
            (platform, adapter, Roll::new())
        };
        Self {
            platforms: [one("fs", Platform::Feishu), one("dt", Platform::DingTalk)],
            next: 0,
            clock: ManualClock::at(START),
            late: Vec::new(),
        }
    }

    /// What the adapters answer from now on. `broken`: the listing of one department breaks off.
    fn publish(&self, broken: bool) {
        for (_, adapter, roll) in &self.platforms {
            let mut people = adapter.people.lock().unwrap();
            people.clear();
            for dept in DEPARTMENTS {
                let here: Vec<PersonRecord> = roll
                    .iter()
                    .filter(|(_, p)| p.2 == dept)
                    .map(|(account, p)| told(account, p))
                    .collect();
                let mut pages: Vec<Result<Page<PersonRecord>, CallError>> = Vec::new();
                let parts: Vec<_> = here.chunks(2).collect();
                for (n, part) in parts.iter().enumerate() {
                    let next = (n + 1 < parts.len()).then(|| (n + 1).to_string());
                    pages.push(Ok(Page {
                        items: part.to_vec(),
                        next,
                    }));
                }
                if broken && dept == "lab" {
                    pages.push(Err(CallError::Unavailable("500".into())));
                    if let Some(Ok(last)) = pages.iter_mut().rev().nth(1) {
                        last.next = Some(parts.len().to_string());
                    } else {
                        pages = vec![Err(CallError::Unavailable("500".into()))];
                    }
                }
                people.insert(dept.to_owned(), pages);
            }
        }
    }

    /// Something happens on a platform; its event is on the way.
    fn happen(&mut self, rng: &mut StdRng) {
        self.clock.advance(Duration::from_secs(rng.random_range(1..300)));
        let side = rng.random_range(0..2);
        let accounts: Vec<String> = self.platforms[side].2.keys().cloned().collect();
        let pick = |rng: &mut StdRng| accounts.get(rng.random_range(0..accounts.len().max(1))).cloned();
        let dept = DEPARTMENTS[rng.random_range(0..4)].to_owned();
        let fresh = self.next;
        let roll = &mut self.platforms[side].2;
        let account = match rng.random_range(0..10) {
            // Somebody joins; or comes back under another account; or gets one on the other side.
            0..=3 => {
                let number = match rng.random_bool(0.5) {
                    true => format!("E{}", rng.random_range(0..fresh.max(1))),
                    false => format!("E{fresh}"),
                };
                if roll.values().any(|p| p.0 == number) {
                    return;
                }
                self.next += 1;
                let account = format!("a{fresh}s{side}");
                roll.insert(account.clone(), (number, format!("姓名{fresh}"), dept));
                account
            }
            4 | 5 => {
                let Some(account) = pick(rng) else { return };
                // Never everybody: that is another story.
                if roll.len() < 3 {
                    return;
                }
                roll.remove(&account);
                account
            }
            6 | 7 => {
                let Some(account) = pick(rng) else { return };
                roll.get_mut(&account).unwrap().2 = dept;
                account
            }
            _ => {
                let Some(account) = pick(rng) else { return };
                roll.get_mut(&account).unwrap().1 = format!("新名{fresh}");
                self.next += 1;
                account
            }
        };
        let record = self.platforms[side].2.get(&account).map(|p| told(&account, p));
        self.late.push((side, account, self.clock.now(), record));
    }

    async fn deliver(&mut self, db: &Store, rng: &mut StdRng) {
        if self.late.is_empty() {
            return;
        }
        let n = rng.random_range(0..self.late.len());
        let (side, account, at, record) = match rng.random_range(0..4) {
            // Told twice, or never.
            0 => self.late[n].clone(),
            _ => self.late.remove(n),
        };
        if rng.random_bool(0.15) {
            return;
        }
        let (platform, adapter, _) = &self.platforms[side];
        let (c, now, who) = (company(), self.clock.now(), user(&account));
        let mut tx = db.begin().await.unwrap();
        let mut directory = Directory::new(&mut tx);
        // As the rule of the service does it.
        let learned = match &record {
            Some(record) if rng.random_bool(0.7) => {
                let learned = directory.learn(&c, *platform, record, at, now).await.unwrap();
                if let Learned::Entered(person) = &learned {
                    directory
                        .noticed(&adapter.app, &who, person, at.min(now))
                        .await
                        .unwrap();
                }
                learned
            }
            // Only the id is told.
            Some(_) => Learned::Stale,
            None => directory.account_left(&c, *platform, &who, at, now).await.unwrap(),
        };
        if learned == Learned::Stale {
            directory.ask_sync(&adapter.app, Some(&who), now).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    async fn read(&self, db: &Store) {
        for (_, adapter, _) in &self.platforms {
            let _ = refresh(db, adapter, &company(), &self.clock).await;
            let _ = sync_app(db, adapter, &company(), &self.clock).await;
        }
    }

    /// People as the platforms have them: number to (accounts, name, departments).
    fn people(&self) -> BTreeMap<String, (BTreeSet<String>, String, BTreeSet<String>)> {
        let mut out: BTreeMap<String, (BTreeSet<String>, String, BTreeSet<String>)> = BTreeMap::new();
        // In the order of the platforms' names: dingtalk, feishu.
        for (platform, _, roll) in self.platforms.iter().rev() {
            for (account, (number, name, dept)) in roll {
                let one = out.entry(number.clone()).or_default();
                one.0.insert(format!("{platform}:{account}"));
                if one.1.is_empty() {
                    one.1.clone_from(name);
                }
                one.2.insert(department_row_id(&company(), *platform, dept));
            }
        }
        out
    }
}

async fn mirror(db: &Store) -> BTreeMap<String, (BTreeSet<String>, String, BTreeSet<String>)> {
    let mut out = BTreeMap::new();
    let people = db
        .query("SELECT id, employee_no, name FROM person WHERE active = TRUE ORDER BY id")
        .all()
        .await
        .unwrap();
    for row in &people {
        let id: String = row.get("id").unwrap();
        let set = |rows: Vec<crate::store::Row>| rows.iter().map(|r| r.get("x").unwrap()).collect::<BTreeSet<String>>();
        let accounts = db
            .query("SELECT platform || ':' || user_id AS x FROM identity WHERE person = $1 AND active = TRUE AND is_main = TRUE")
            .bind(id.as_str())
            .all()
            .await
            .unwrap();
        let departments = db
            .query("SELECT department AS x FROM person_department WHERE person = $1")
            .bind(id.as_str())
            .all()
            .await
            .unwrap();
        let open = db
            .query("SELECT department AS x FROM person_stay WHERE person = $1 AND ended_at IS NULL")
            .bind(id.as_str())
            .all()
            .await
            .unwrap();
        let departments = set(departments);
        assert_eq!(set(open), departments, "the history ends where they stand");
        let number: String = row.get("employee_no").unwrap();
        let before = out.insert(number, (set(accounts), row.get("name").unwrap(), departments));
        assert!(before.is_none(), "two people with one number");
    }
    out
}

async fn clean(db: &Store) {
    let mut tx = db.begin().await.unwrap();
    for table in [
        "sync_seen",
        "sync_state",
        "sync_notice",
        "sync_todo",
        "sync_person",
        "identity",
        "identity_conflict",
        "person_merge",
        "person_merge_row",
        "person_department",
        "person_stay",
        "person",
        "department",
    ] {
        tx.query(format!("DELETE FROM {table}")).execute().await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn history(test: &TestStore, seed: u64) {
    let db = &test.store;
    let mut rng = StdRng::seed_from_u64(seed);
    let mut model = Model::new();
    for _ in 0..3 {
        model.happen(&mut rng);
    }
    for _ in 0..rng.random_range(5..25) {
        match rng.random_range(0..10) {
            0..=4 => model.happen(&mut rng),
            5..=7 => model.deliver(db, &mut rng).await,
            8 => {
                model.publish(rng.next_u32() % 3 == 0);
                model.read(db).await;
            }
            // A listing that was read before what has happened since.
            _ => model.read(db).await,
        }
    }
    while !model.late.is_empty() && rng.random_bool(0.8) {
        model.deliver(db, &mut rng).await;
    }
    // The platform is quiet; operators confirm what is many for so small a company.
    model.publish(false);
    for _ in 0..4 {
        model.clock.advance(AGREE_AFTER + MINUTE);
        model.read(db).await;
        let by = PersonId::derive(&company(), Platform::Feishu, &user("op"));
        let mut tx = db.begin().await.unwrap();
        for (platform, adapter, _) in &model.platforms {
            store::confirm(&mut tx, &adapter.app, &company(), *platform, &by, model.clock.now())
                .await
                .unwrap();
        }
        tx.commit().await.unwrap();
    }
    let expected = model.people();
    let empty = model.platforms.iter().any(|(_, _, roll)| roll.is_empty());
    if !empty {
        assert_eq!(mirror(db).await, expected, "{} seed {seed}", test.name);
    }
    clean(db).await;
}

/// 10,000 with `HUTONG_HISTORIES=10000`; a tenth of them on PostgreSQL.
#[tokio::test]
async fn after_any_history_the_mirror_is_what_the_platforms_have() {
    let wanted = std::env::var("HUTONG_HISTORIES").ok().and_then(|n| n.parse().ok());
    let n: u64 = wanted.unwrap_or(60);
    let test = sqlite().await.unwrap();
    for seed in 0..n {
        history(&test, seed).await;
    }
    if let Some(test) = postgres().await.unwrap() {
        for seed in 0..n.div_ceil(10) {
            history(&test, seed).await;
        }
    }
}
