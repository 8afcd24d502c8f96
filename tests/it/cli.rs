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
