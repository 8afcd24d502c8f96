//! The program as a process: what it says when its configuration is wrong, and how it stops.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Instant;

fn hutong(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hutong"))
        .args(arguments)
        .current_dir(folder)
        .env("IT_SECRET", "s3cret-of-the-environment")
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

const BROKEN: &str = r#"[server]
listen = "somewhere"
[company]
zone = "Mars/Olympus"
nmae = "x"
[[app]]
id = "fs"
platform = "feishu"
base_url = "http://127.0.0.1:1"
app_id = "cli_a1b2c3d4"
app_secret = "literal-s3cret-of-the-file"
encrypt_key = { env = "IT_NOT_SET" }
[[role]]
role = "emperor"
people = ["fs:ou_1"]
[[column]]
id = "news"
title = "t"
app = "nobody"
chats = ["oc_1"]
every = { weekday = "mon", time = "25:30" }
"#;

#[test]
fn all_problems_of_a_configuration_are_said_at_once_and_nothing_starts() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("broken.toml"), BROKEN).unwrap();
    let begin = Instant::now();
    let output = hutong(folder.path(), &["serve", "--config", "broken.toml"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(begin.elapsed().as_secs() < 5, "it tried to start");
    for line in [2, 4, 5, 12, 14, 19, 21] {
        assert!(text.contains(&format!("broken.toml:{line}:")), "line {line}: {text}");
    }
    for word in [
        "somewhere",
        "Mars/Olympus",
        "nmae",
        "IT_NOT_SET",
        "emperor",
        "nobody",
        "25:30",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 1, "something was made: {left:?}");
}

#[test]
fn secrets_are_never_printed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret.txt"), "s3cret-in-a-file\n").unwrap();
    // Secrets in every place where one can be mistaken for something else.
    let text = r#"[[app]]
id = "fs"
platform = "feishu"
app_id = "cli_a1b2c3d4"
app_secret = "literal-s3cret-one"
encrypt_key = { env = "IT_SECRET" }
verification_token = { file = "secret.txt", s3cret-four = 1 }
[[app]]
id = "wc"
platform = "wecom"
corp_id = "ww1"
agent_id = 1
secret = ["literal-s3cret-two"]
token = { env = "literal-s3cret-three" }
aes_key = { env = "IT_SECRET" }
[store]
url = "postgres://u:s3cret-five@127.0.0.1:1/x"
"#;
    std::fs::write(folder.path().join("c.toml"), text).unwrap();
    let output = hutong(folder.path(), &["serve", "--config", "c.toml"]);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
    assert!(said.contains("c.toml:5:"), "{said}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = hutong(folder.path(), &["serve", "--config", "none.toml"]);
    let text = said(&output);
    assert_ne!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("none.toml"), "{text}");
    assert!(!text.contains("panicked"), "{text}");
}

#[test]
fn arguments_that_make_no_sense_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let output = hutong(folder.path(), &["sreve"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("serve"), "no hint: {text}");
    let help = hutong(folder.path(), &["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(said(&help).contains("serve"));
}

const GROUPS: &str = r#"
[company]
id = "hx"
[[app]]
id = "fs"
platform = "feishu"
app_id = "cli_a1b2c3d4"
app_secret = { env = "IT_SECRET" }
encrypt_key = { env = "IT_SECRET" }
verification_token = { env = "IT_SECRET" }
[[group_rule]]
id = "rd"
app = "fs"
department = "研发中心"
depth = 0
name = "{dept}·技术交流"
owner = ["user:u1"]
preview_days = 0
"#;

/// Research with three people.
async fn research(store: &hutong::store::Store) {
    use hutong_model::{CompanyId, DepartmentId, DepartmentRecord, PersonRecord, Platform, Timestamp, UserId};
    let company = CompanyId::new("hx").unwrap();
    let rd = DepartmentId::new("od_rd").unwrap();
    let mut tx = store.begin().await.unwrap();
    let mut directory = hutong::directory::Directory::new(&mut tx);
    let department = DepartmentRecord {
        id: rd.clone(),
        parent: None,
        name: "研发中心".to_owned(),
        leader: None,
    };
    directory
        .upsert_department(&company, Platform::Feishu, &department, Timestamp(1))
        .await
        .unwrap();
    for (id, name) in [("u1", "陈晨"), ("u2", "林晓"), ("u3", "王芳")] {
        let person = PersonRecord {
            user: UserId::new(id).unwrap(),
            aliases: Vec::new(),
            name: name.to_owned(),
            employee_no: Some(id.to_uppercase()),
            email: None,
            mobile: None,
            departments: vec![rd.clone()],
            leader: None,
            title: None,
            active: true,
            joined_on: None,
            office: None,
            employment: None,
        };
        directory
            .upsert_person(&company, Platform::Feishu, &person, Timestamp(1))
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_plan_is_a_diff_and_apply_goes_through_the_inbox() {
    for test in hutong::store::testing::all().await.unwrap() {
        // The program refuses a server that may lose what it acknowledged, which tests run on.
        if test.url.starts_with("postgres") {
            let row = test.store.query("SHOW fsync").one().await.unwrap();
            if row.get::<String>("fsync").unwrap() != "on" {
                eprintln!("skipped on PostgreSQL: the server runs with fsync=off");
                continue;
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let file = format!("{GROUPS}[store]\nurl = \"{}\"\n", test.url);
        std::fs::write(folder.path().join("c.toml"), file).unwrap();
        let empty = hutong(folder.path(), &["groups", "plan", "--config", "c.toml", "--rule", "rd"]);
        assert_eq!(empty.status.code(), Some(1), "{}", said(&empty));
        assert!(said(&empty).contains("找不到部门「研发中心」"), "{}", said(&empty));
        research(&test.store).await;
        let other = hutong(folder.path(), &["groups", "plan", "--config", "c.toml", "--rule", "x"]);
        assert!(said(&other).contains("there are: rd"), "{}", said(&other));
        let plan = hutong(folder.path(), &["groups", "plan", "--config", "c.toml", "--rule", "rd"]);
        let text = said(&plan);
        assert_eq!(plan.status.code(), Some(0), "{text}");
        for line in [
            "+ 研发中心·技术交流 (0 members)",
            "    ~ owner: 陈晨",
            "    + 王芳 (in the department)",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        let json = hutong(
            folder.path(),
            &["groups", "plan", "--config", "c.toml", "--rule", "rd", "--json"],
        );
        let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!(json["groups"][0]["add"].as_array().unwrap().len(), 3);
        let code = json["plan"].as_str().unwrap().to_owned();
        assert!(text.contains(&format!("--plan {code}")), "{text}");
        let undo = hutong(
            folder.path(),
            &["groups", "undo", "--config", "c.toml", "--rule", "rd", "--plan", &code],
        );
        assert!(said(&undo).contains("没有执行过计划"), "{}", said(&undo));
        let place = folder.path().to_owned();
        let apply = tokio::task::spawn_blocking(move || {
            let arguments = [
                "groups", "apply", "--config", "c.toml", "--rule", "rd", "--as", "U1", "--plan", &code,
            ];
            hutong(&place, &arguments)
        });
        // In the place of the service: it finds the order in its inbox, and answers.
        let mut waiting = 0;
        for _ in 0..100 {
            let row = test
                .store
                .query("SELECT COUNT(*) AS n FROM inbox i JOIN group_order o ON i.dedupe = 'order:' || o.id")
                .one()
                .await
                .unwrap();
            waiting = row.get::<i64>("n").unwrap();
            if waiting == 1 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        assert_eq!(waiting, 1);
        let answer = "UPDATE group_order SET state = 'refused', answer = '这份计划已作废'";
        test.store.execute_alone(answer.into(), Vec::new()).await.unwrap();
        let output = apply.await.unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains("这份计划已作废"), "{}", said(&output));
    }
}
