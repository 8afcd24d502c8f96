//! How long a rehearsal takes: 14 days, 500 groups of 40 people, 20 columns that appear weekly in all
//! of them.
//!
//! The copy of a real SQLite store is part of the time. `cargo bench --bench rehearse`; a table for
//! people, and one line of JSON at the end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that cannot go on ends"
)]

use std::time::{Duration, Instant};

use hutong::config::{FixedEnvironment, Loader};
use hutong::directory::Directory;
use hutong::rehearse::{self, Options};
use hutong::store::{Store, StoreOptions};
use hutong_model::{AppId, ChatId, ChatKind, CompanyId, ManualClock, PersonRecord, Platform, Timestamp, UserId};

const GROUPS: usize = 500;
const PEOPLE: usize = 2_000;
const IN_A_GROUP: usize = 40;
const COLUMNS: usize = 20;
const DAYS: u32 = 14;
const RUNS: usize = 5;
/// Tuesday 2026-11-24, 14:00 in Shanghai.
const START: Timestamp = Timestamp::from_secs(1_795_500_000);

fn config(url: &str, per_day: u32) -> hutong::config::Checked {
    let chats: Vec<String> = (0..GROUPS).map(|n| format!("\"oc_{n}\"")).collect();
    let mut text = format!(
        "[store]\nurl = \"{url}\"\n[limits]\nbot_messages_per_day = {per_day}\n[[app]]\nid = \"fs\"\nplatform = \"feishu\"\n\
         app_id = \"cli_1\"\napp_secret = {{ env = \"S\" }}\nverification_token = {{ env = \"S\" }}\n\
         encrypt_key = {{ env = \"S\" }}\n[points]\n[report]\n"
    );
    for n in 0..COLUMNS {
        let day = ["mon", "tue", "wed", "thu", "fri"][n % 5];
        text.push_str(&format!(
            "[[column]]\nid = \"c{n}\"\ntitle = \"栏目{n}\"\napp = \"fs\"\nchats = [{}]\n\
             every = {{ weekday = \"{day}\", time = \"{:02}:30\" }}\nitems = [\"第一条\", \"第二条\", \"第三条\"]\n",
            chats.join(", "),
            9 + n / 5
        ));
    }
    let env = FixedEnvironment::default()
        .variable("S", "0123456789abcdef0123456789abcdef")
        .clock(ManualClock::at(START));
    Loader::new(&env, hutong::adapters::ALL)
        .load(&text, "bench.toml")
        .unwrap_or_else(|p| panic!("{}", p.render(false)))
}

async fn fill(store: &Store) {
    let company = CompanyId::new("main").unwrap();
    let app = AppId::new("fs").unwrap();
    let mut tx = store.begin().await.unwrap();
    let mut directory = Directory::new(&mut tx);
    let mut people = Vec::new();
    for n in 0..PEOPLE {
        let record = PersonRecord {
            user: UserId::new(format!("ou_{n}")).unwrap(),
            aliases: vec![],
            name: format!("同事{n}"),
            employee_no: Some(format!("E{n}")),
            email: None,
            mobile: None,
            departments: vec![],
            leader: None,
            title: None,
            active: true,
            employment: None,
            joined_on: None,
            office: None,
        };
        people.push(
            directory
                .upsert_person(&company, Platform::Feishu, &record, START)
                .await
                .unwrap(),
        );
    }
    for n in 0..GROUPS {
        let chat = ChatId::new(format!("oc_{n}")).unwrap();
        directory
            .upsert_chat(&app, &chat, ChatKind::Group, Some(&format!("群{n}")), false, START)
            .await
            .unwrap();
        let members: Vec<_> = (0..IN_A_GROUP).map(|i| people[(n * 7 + i) % PEOPLE].clone()).collect();
        for person in &members {
            directory.joined(&app, &chat, person, START).await.unwrap();
        }
    }
    tx.commit().await.unwrap();
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("real.db").display());
    let store = Store::open(&url, &StoreOptions::default()).await.unwrap();
    fill(&store).await;
    println!("{GROUPS} groups, {COLUMNS} columns, {DAYS} days, {RUNS} runs each; the store is open in this process");
    println!("| budget a day | messages | median s | worst s |");
    println!("|---|---|---|---|");
    let mut worst_of_all = Duration::ZERO;
    let mut json = Vec::new();
    for per_day in [0, 3] {
        let config = config(&url, per_day);
        let options = Options {
            days: DAYS,
            from: START,
        };
        let mut times = Vec::new();
        let mut messages = 0;
        for _ in 0..RUNS {
            let begun = Instant::now();
            let outcome = rehearse::of_config(&config, options).await.unwrap();
            times.push(begun.elapsed());
            messages = outcome.entries.len();
        }
        times.sort();
        let (median, worst) = (times[RUNS / 2], times[RUNS - 1]);
        worst_of_all = worst_of_all.max(worst);
        println!(
            "| {per_day} | {messages} | {:.2} | {:.2} |",
            median.as_secs_f64(),
            worst.as_secs_f64()
        );
        json.push(serde_json::json!({
            "per_day": per_day, "messages": messages, "median_s": median.as_secs_f64(), "worst_s": worst.as_secs_f64()
        }));
    }
    store.close().await;
    println!("{}", serde_json::json!({ "bench": "rehearse", "runs": json }));
    if worst_of_all > Duration::from_secs(2) {
        println!("above two seconds");
    }
}
