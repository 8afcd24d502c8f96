//! What group rules cost in a large company: 100,000 people in 2,000 departments, each with its
//! group, looked after by five rules, in a SQLite file of its own.
//!
//! `taskset -c 0 cargo bench --bench groups`: a table for people and one line of JSON at the end. The
//! process fails when a figure is above its limit; `-- --no-limits` only shows them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that cannot go on ends"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hutong::access::token::Signer;
use hutong::config::{FixedEnvironment, Loader};
use hutong::directory::{Directory, PersonId, facts};
use hutong::link::board::Board;
use hutong::rules::groups::{Alone, Groups, report};
use hutong::rules::{App, Ctx, Env, Rule};
use hutong::schedule::WorkdayTable;
use hutong::segment::{Answer, parse};
use hutong::store::{Store, StoreOptions, Value, placeholders};
use hutong::text::Lang;
use hutong_model::{
    AppId, Body, CompanyId, DepartmentId, Event, EventId, PersonRecord, Platform, Secret, Timestamp, UserId,
};

const PEOPLE: usize = 100_000;
const DEPARTMENTS: usize = 2_000;
const RULES: usize = 5;
/// People who have moved since the groups were right.
const MOVED: usize = 500;
const NOW: Timestamp = Timestamp(1_795_485_600_000);

fn company() -> CompanyId {
    CompanyId::new("hx").unwrap()
}

fn user(n: usize) -> UserId {
    UserId::new(format!("ou_{n:06}")).unwrap()
}

fn person(n: usize) -> PersonId {
    PersonId::derive(&company(), Platform::Feishu, &user(n))
}

fn department(n: usize) -> String {
    format!("hx:feishu:d{n}")
}

fn division(n: usize) -> String {
    format!("hx:feishu:v{n}")
}

fn configuration() -> String {
    let mut text = "[company]\nid = \"hx\"\n[[app]]\nid = \"fs\"\nplatform = \"feishu\"\napp_id = \"cli_a1b2c3d4\"\n\
         app_secret = { env = \"S\" }\nencrypt_key = { env = \"S\" }\nverification_token = { env = \"S\" }\n"
        .to_owned();
    for n in 0..RULES {
        text.push_str(&format!(
            "[[group_rule]]\nid = \"r{n}\"\napp = \"fs\"\ndepartment = \"事业部{n}\"\ndepth = 1\n\
             include_children = false\nauto = true\npreview_days = 0\nowner = [\"leader\", \"user:ou_000000\"]\n"
        ));
    }
    text
}

/// Rows of one table, many to a statement.
async fn fill(store: &Store, head: &str, width: usize, rows: impl Iterator<Item = Vec<Value>>) {
    let mut tx = store.begin().await.unwrap();
    let mut waiting: Vec<Value> = Vec::new();
    let most = 400;
    for row in rows {
        waiting.extend(row);
        if waiting.len() >= most * width {
            let sql = format!("{head} VALUES {}", placeholders(waiting.len() / width, width));
            tx.query(sql)
                .bind_all(std::mem::take(&mut waiting))
                .execute()
                .await
                .unwrap();
        }
    }
    if !waiting.is_empty() {
        let sql = format!("{head} VALUES {}", placeholders(waiting.len() / width, width));
        tx.query(sql).bind_all(waiting).execute().await.unwrap();
    }
    tx.commit().await.unwrap();
}

fn text(value: impl Into<String>) -> Value {
    Value::Text(Some(value.into()))
}

/// The company and its groups, as they are when the rules have worked for a while.
async fn populate(store: &Store) {
    let at = || Value::from(NOW);
    let departments = (0..RULES)
        .map(|n| (division(n), None, format!("事业部{n}"), format!("v{n}")))
        .chain((0..DEPARTMENTS).map(|n| {
            (
                department(n),
                Some(division(n % RULES)),
                format!("小组{n}"),
                format!("d{n}"),
            )
        }));
    let rows = departments.map(|(id, parent, name, own)| {
        vec![
            text(id),
            text("hx"),
            text("feishu"),
            text(own),
            Value::Text(parent),
            text(name),
            Value::from(true),
            at(),
        ]
    });
    let head = "INSERT INTO department (id, company, platform, dept_id, parent, name, active, updated_at)";
    fill(store, head, 8, rows).await;
    let home = |n: usize| department(n % DEPARTMENTS);
    let rows = (0..PEOPLE).map(|n| {
        vec![
            text(person(n).as_str()),
            text("hx"),
            text(format!("员工{n}")),
            text(format!("E{n}")),
            text(if n % 3 == 0 {
                "嵌入式工程师"
            } else {
                "测试工程师"
            }),
            text(home(n)),
            Value::from(true),
            at(),
            text(if n % 7 == 0 { "2026-10-01" } else { "2020-03-01" }),
            Value::from(n % 20 == 0),
        ]
    });
    let head = "INSERT INTO person (id, company, name, employee_no, title, department, active, created_at, joined_on, contractor)";
    fill(store, head, 10, rows).await;
    let rows = (0..PEOPLE).map(|n| {
        vec![
            text("hx"),
            text("feishu"),
            text(user(n).as_str()),
            text(person(n).as_str()),
            Value::from(true),
        ]
    });
    let head = "INSERT INTO identity (company, platform, user_id, person, is_main)";
    fill(store, head, 5, rows).await;
    // Some have moved to the next department since.
    let now = |n: usize| {
        if n % (PEOPLE / MOVED) == 1 {
            home(n + RULES)
        } else {
            home(n)
        }
    };
    let rows = (0..PEOPLE).map(|n| vec![text(person(n).as_str()), text(now(n))]);
    fill(store, "INSERT INTO person_department (person, department)", 2, rows).await;
    let rows = (0..DEPARTMENTS).map(|n| {
        vec![
            text(format!("r{}", n % RULES)),
            text(department(n)),
            text("fs"),
            text(format!("oc_{n}")),
            text(format!("小组{n}·技术交流")),
            text(person(n).as_str()),
            text("ready"),
            text(""),
            at(),
        ]
    });
    let head = "INSERT INTO group_chat (rule, department, app, chat_id, name, owner, state, detail, updated_at)";
    fill(store, head, 9, rows).await;
    let rows = (0..PEOPLE).map(|n| {
        vec![
            text(format!("r{}", n % DEPARTMENTS % RULES)),
            text(home(n)),
            text(person(n).as_str()),
            text("in"),
            text(""),
            at(),
        ]
    });
    let head = "INSERT INTO group_claim (rule, department, person, state, detail, updated_at)";
    fill(store, head, 6, rows).await;
    let rows = (0..PEOPLE).map(|n| {
        vec![
            text("fs"),
            text(format!("oc_{}", n % DEPARTMENTS)),
            text(person(n).as_str()),
            at(),
        ]
    });
    let head = "INSERT INTO chat_member (app, chat_id, person, joined_at)";
    fill(store, head, 4, rows).await;
    let rows = (0..PEOPLE / 10).map(|n| vec![text(person(n * 10).as_str()), text("mcu"), text("x"), at()]);
    fill(store, "INSERT INTO person_tag (person, tag, given_by, at)", 4, rows).await;
}

/// Largest resident memory of this process so far, in MiB.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or("0");
    let kib: u64 = line.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0);
    kib / 1024
}

async fn ctx(store: &Store, env: &Arc<Env>) -> Ctx {
    Ctx::new(store.begin().await.unwrap(), env.clone(), NOW)
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let env = FixedEnvironment::default().variable("S", "0123456789abcdef");
    let config = Loader::new(&env, hutong::adapters::ALL)
        .load(&configuration(), "bench.toml")
        .unwrap_or_else(|p| panic!("{}", p.render(false)));
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("groups.db").display());
    let store = Store::open(&url, &StoreOptions::default()).await.unwrap();
    populate(&store).await;
    let rules = config.rules.groups.clone();
    let apps = config.apps.iter().map(|a| {
        let app = App {
            adapter: a.adapter.clone(),
            company: a.company.clone(),
        };
        (a.id.clone(), app)
    });
    let env = Arc::new(Env {
        apps: apps.collect(),
        signer: Signer::new(Secret::new("bench")),
        zone: chrono_tz::Asia::Shanghai,
        lang: Lang::Zh,
        company_name: "海星".to_owned(),
        post_to: BTreeMap::new(),
        chat_names: BTreeMap::new(),
        public_url: None,
        links: Board::default(),
        noise: hutong::noise::Budget {
            per_day: 0,
            groups: BTreeMap::new(),
            priority: Vec::new(),
            merge_at: chrono::NaiveTime::default(),
            zone: chrono_tz::Asia::Shanghai,
            workdays: Arc::new(hutong::schedule::workdays::MondayToFriday),
        },
    });
    println!("{PEOPLE} people, {DEPARTMENTS} groups, {RULES} rules, {MOVED} people moved");

    let before = peak_mib();
    let begun = Instant::now();
    let mut moves = 0;
    for rule in &rules {
        let mut ctx = ctx(&store, &env).await;
        let plan = report::of_rule(&mut ctx, rule, Alone::default(), Lang::Zh)
            .await
            .unwrap();
        moves += plan.groups.iter().map(|g| g.add.len() + g.remove.len()).sum::<usize>();
        ctx.into_parts().0.rollback().await.unwrap();
    }
    let plan = begun.elapsed();
    let peak = peak_mib();
    // Everybody who moved comes into one group and leaves one, or stays as its owner.
    assert!(moves > MOVED && moves <= 2 * MOVED, "{moves} moves");

    // A newcomer: the event, its plan for five rules and the effects.
    let groups = Groups::new(
        rules,
        chrono_tz::Asia::Shanghai,
        Alone::default(),
        Arc::new(WorkdayTable::china().unwrap()),
    );
    let mut longest = Duration::ZERO;
    let mut all = Vec::new();
    for n in 0..100 {
        let record = PersonRecord {
            user: user(PEOPLE + n),
            aliases: Vec::new(),
            name: format!("新人{n}"),
            employee_no: None,
            email: None,
            mobile: None,
            departments: vec![DepartmentId::new(format!("d{n}")).unwrap()],
            leader: None,
            title: None,
            active: true,
            employment: None,
            joined_on: None,
            office: None,
        };
        let mut ctx = ctx(&store, &env).await;
        ctx.directory()
            .upsert_person(&company(), Platform::Feishu, &record, NOW)
            .await
            .unwrap();
        let app = AppId::new("fs").unwrap();
        let event = Event {
            id: EventId::derive(&app, &format!("n{n}")),
            seq: 1,
            app,
            key: format!("n{n}"),
            lane: String::new(),
            occurred_at: NOW,
            received_at: NOW,
            body: Body::Person {
                user: record.user.clone(),
                record: Some(Box::new(record)),
                left: false,
            },
        };
        ctx.enter(event.id, groups.name());
        let begun = Instant::now();
        groups.on_event(&mut ctx, &event).await.unwrap();
        let took = begun.elapsed();
        longest = longest.max(took);
        all.push(took);
        let (tx, effects) = ctx.into_parts();
        assert_eq!(effects.len(), 2, "the group and the word about it");
        tx.rollback().await.unwrap();
    }
    all.sort();
    let median = all[all.len() / 2];

    let condition = parse("dept under '事业部1' and (tenure_days < 90 or tag 'mcu') and not contractor").unwrap();
    let mut tx = store.begin().await.unwrap();
    let _ = Directory::new(&mut tx);
    let begun = Instant::now();
    let bound = condition
        .bind(&facts::departments(&mut tx, &company()).await.unwrap())
        .unwrap();
    let people = facts::for_condition(&mut tx, &company(), &condition, None, true)
        .await
        .unwrap();
    let read = begun.elapsed();
    let today = chrono::NaiveDate::from_ymd_opt(2026, 11, 24).unwrap();
    let begun = Instant::now();
    let yes = people
        .iter()
        .filter(|p| p.ask(today, |f| bound.of(f)) == Answer::Yes)
        .count();
    let asked = begun.elapsed();
    tx.rollback().await.unwrap();
    assert!(yes > 0 && yes < PEOPLE);
    store.close().await;

    let ms = |d: Duration| d.as_secs_f64() * 1000.0;
    println!("plan of {RULES} rules        {:>9.0} ms   (limit 5,000)", ms(plan));
    println!("peak memory              {peak:>9} MiB  (limit 300; {before} before the plan)");
    println!(
        "event to plan, median    {:>9.2} ms   (limit 10; longest of 100: {:.2})",
        ms(median),
        ms(longest)
    );
    println!(
        "segment, asked           {:>9.0} ms   (reading the people {:.0} ms; limit of both 1,000)",
        ms(asked),
        ms(read)
    );
    let line = serde_json::json!({
        "bench": "groups",
        "people": PEOPLE,
        "groups": DEPARTMENTS,
        "rules": RULES,
        "moves": moves,
        "plan_ms": ms(plan),
        "peak_mib": peak,
        "event_ms_median": ms(median),
        "event_ms_max": ms(longest),
        "segment_read_ms": ms(read),
        "segment_ask_ms": ms(asked),
        "segment_people": yes,
    });
    println!("{line}");
    let kept = plan < Duration::from_secs(5)
        && peak < 300
        && median < Duration::from_millis(10)
        && read + asked < Duration::from_secs(1);
    if !kept && !std::env::args().any(|a| a == "--no-limits") {
        eprintln!("a figure is above its limit");
        std::process::exit(1);
    }
}
