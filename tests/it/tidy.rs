//! House rules that no compiler checks, as searches in the text of the sources. Each says what to do
//! instead.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::root;

struct Source {
    /// Below the root, with `/`.
    path: String,
    text: String,
}

impl Source {
    fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap();
        self.path.contains("/tests/")
            || self.path.starts_with("tests/")
            || name == "tests.rs"
            || name.ends_with("_tests.rs")
            || matches!(name, "testkit.rs" | "testing.rs" | "fake.rs")
    }

    /// Lines of the program itself: comments and everything from the first `#[cfg(test)]` module on
    /// are left out.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut skip = 0i32;
        let mut inside = false;
        let mut armed = false;
        self.text.lines().enumerate().filter_map(move |(n, line)| {
            let trimmed = line.trim_start();
            if inside {
                skip += depth(line);
                inside = skip > 0;
                return None;
            }
            if trimmed.starts_with("#[cfg(test)]") || trimmed.starts_with("#[cfg(all(test") {
                armed = true;
                return None;
            }
            if armed {
                if trimmed.starts_with("#[") {
                    return None;
                }
                armed = false;
                skip = depth(line);
                inside = skip > 0;
                return None;
            }
            (!trimmed.starts_with("//")).then_some((n + 1, line))
        })
    }
}

fn depth(line: &str) -> i32 {
    let count = |c: char| i32::try_from(line.matches(c).count()).unwrap();
    count('{') - count('}')
}

fn read(folder: &str, extension: &str) -> Vec<Source> {
    let root = root();
    let mut list = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !matches!(name.as_str(), "target" | "node_modules" | ".git") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|e| e == extension) {
                list.push(source(&root, &path));
            }
        }
    }
    list.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!list.is_empty(), "{folder}: nothing found");
    list
}

fn source(root: &Path, path: &Path) -> Source {
    let shown = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
    Source {
        path: shown,
        text: fs::read_to_string(path).unwrap(),
    }
}

fn sources() -> Vec<Source> {
    let mut list = read("src", "rs");
    list.extend(read("adapters", "rs"));
    list
}

/// Fails with every finding and with what to do.
fn refuse(findings: Vec<String>, instead: &str) {
    assert!(findings.is_empty(), "{instead}\n  {}", findings.join("\n  "));
}

#[test]
fn sql_stands_in_stores_only() {
    const WORDS: [&str; 7] = [
        "SELECT ",
        "INSERT INTO ",
        "UPDATE ",
        "DELETE FROM ",
        "CREATE TABLE",
        "ALTER TABLE",
        "ON CONFLICT",
    ];
    // The demo shows the rows themselves; a src/demo/store.rs would be the better place.
    const OPEN: [&str; 2] = ["src/demo/backstage.rs", "src/demo/tour.rs"];
    let mut found = Vec::new();
    for file in read("src", "rs")
        .into_iter()
        .filter(|f| !OPEN.contains(&f.path.as_str()))
    {
        if file.path.ends_with("/store.rs") || file.path.starts_with("src/store/") || file.is_test() {
            continue;
        }
        for (n, line) in file.lines() {
            // In a string; `UPDATE` alone may be a word of a sentence.
            let sql = WORDS
                .iter()
                .any(|w| line.contains(&format!("\"{w}")) || line.trim_start().starts_with(w));
            if sql {
                found.push(format!("{}:{n}: {}", file.path, line.trim()));
            }
        }
    }
    refuse(
        found,
        "SQL stands in a file named store.rs: move the statement there and give it a name",
    );
}

#[test]
fn rules_know_no_platform() {
    const WORDS: [&str; 9] = [
        "feishu",
        "lark",
        "dingtalk",
        "wecom",
        "weixin",
        "飞书",
        "钉钉",
        "企业微信",
        "企微",
    ];
    let mut found = Vec::new();
    for file in read("src/rules", "rs").iter().filter(|f| !f.is_test()) {
        let comments = file.text.lines().enumerate().map(|(n, l)| (n + 1, l));
        let comments = comments.filter(|(_, l)| l.trim_start().starts_with("//"));
        for (n, line) in file.lines().chain(comments) {
            let lower = line.to_lowercase();
            if let Some(word) = WORDS.iter().find(|w| lower.contains(**w)) {
                found.push(format!("{}:{n}: {word}", file.path));
            }
        }
    }
    refuse(
        found,
        "a rule asks what an app can do (ctx.can, ctx.caps) and never which platform it is on",
    );
}

#[test]
fn rules_stay_in_their_room() {
    const BANNED: [(&str, &str); 5] = [
        (
            "tokio::",
            "a rule neither waits nor spawns: leave an effect or ask for a schedule",
        ),
        ("reqwest", "a rule talks to no network: leave an effect"),
        ("axum", "a rule knows no HTTP"),
        ("sqlx", "a rule uses the store's waist: ctx.tx()"),
        (
            "std::fs",
            "a rule reads no files: give it a section of the configuration",
        ),
    ];
    // Another rule's rows are its own. What may be used from outside, and why.
    const OPEN: [(&str, &str); 6] = [
        ("points::view", "the read model of points, made for others"),
        ("points::shown", "how amounts are written"),
        ("columns::when::", "which days are workdays"),
        ("columns::written::stored", "which columns there are, as written"),
        ("config::rules::columns::", "what the configuration says, made for all"),
        (
            "reports::metrics::wilson",
            "the interval of a share, a formula without rows",
        ),
    ];
    const RULES: [&str; 7] = [
        "columns",
        "groups",
        "newcomers",
        "points",
        "reports",
        "review",
        "service",
    ];
    let mut found = Vec::new();
    for file in read("src/rules", "rs").iter().filter(|f| !f.is_test()) {
        let own = file.path.split('/').nth(2).unwrap();
        if !RULES.contains(&own) {
            continue;
        }
        for (n, line) in file.lines() {
            for (word, instead) in BANNED {
                if line.contains(word) {
                    found.push(format!("{}:{n}: {word}: {instead}", file.path));
                }
            }
            for other in RULES.iter().filter(|r| **r != own) {
                let used = [format!("rules::{other}::"), format!("super::super::{other}::")];
                if used.iter().any(|u| line.contains(u)) && !OPEN.iter().any(|(open, _)| line.contains(open)) {
                    found.push(format!(
                        "{}:{n}: the room of {other}: use its read model, or what happened",
                        file.path
                    ));
                }
            }
        }
    }
    refuse(found, "a rule uses its own folder, Ctx and the directory");
}

#[test]
fn the_wall_clock_is_read_in_one_place() {
    const READS: [&str; 4] = ["SystemTime::now", "Utc::now", "Local::now", "UNIX_EPOCH.elapsed"];
    let mut found = Vec::new();
    for file in sources().iter().filter(|f| f.path != "src/clock.rs") {
        for (n, line) in file.lines() {
            if READS.iter().any(|r| line.contains(r)) {
                found.push(format!("{}:{n}: {}", file.path, line.trim()));
            }
        }
    }
    refuse(
        found,
        "time comes in as Timestamp or Clock; only src/clock.rs reads the machine's",
    );
}

#[test]
fn nothing_from_outside_can_make_it_panic() {
    let mut found = Vec::new();
    for file in sources().iter().filter(|f| !f.is_test()) {
        let all: Vec<&str> = file.text.lines().collect();
        for (n, line) in file.lines() {
            let risky = [".unwrap()", ".expect(\"", "panic!(", "unreachable!("]
                .iter()
                .any(|w| line.contains(w));
            // A stated invariant: the lint is expected, with a reason, on the item above.
            let stated = all[n.saturating_sub(25)..n]
                .iter()
                .any(|l| l.contains("#[expect(clippy::") || l.contains("reason = "));
            if risky && !stated {
                found.push(format!("{}:{n}: {}", file.path, line.trim()));
            }
        }
    }
    refuse(
        found,
        "return an error; where our own code cannot be wrong, say so: #[expect(clippy::expect_used, reason = \"..\")]",
    );
}

#[test]
fn every_rule_has_its_parts() {
    let folder = root().join("src/rules");
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_dir() {
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let mut missing = |file: &str, why: &str| {
            if !path.join(file).exists() {
                found.push(format!("src/rules/{name}/{file} is missing: {why}"));
            }
        };
        missing("mod.rs", "the rule");
        missing("tests.rs", "events in, effects out");
        // The service itself cannot be switched off and has nothing to configure; calendar, directory,
        // noise and rehearsal are the chat side of rooms of their own, where their tables are.
        if !["service", "calendar", "directory", "noise", "rehearsal"].contains(&name.as_str()) {
            missing("config.rs", "its section of the configuration");
            missing("store.rs", "its tables");
        }
        let text = fs::read_to_string(path.join("mod.rs")).unwrap_or_default();
        if !text.starts_with("//!")
            || !text.contains("People ") && !text.contains("people ") && !text.contains("a group sees")
        {
            found.push(format!(
                "src/rules/{name}/mod.rs does not begin with what people see of it"
            ));
        }
    }
    refuse(
        found,
        "a rule is a folder with a module doc, a section, a store and tests",
    );
}

#[test]
fn every_file_begins_with_its_purpose_and_fits_in_a_head() {
    let mut found = Vec::new();
    for file in sources() {
        let lines = file.text.lines().count();
        if lines > 900 {
            found.push(format!("{}: {lines} lines", file.path));
        }
        let first = file
            .text
            .lines()
            .find(|l| !l.trim().is_empty() && !l.starts_with("#!["))
            .unwrap_or("");
        if !file.is_test() && !first.starts_with("//!") {
            found.push(format!("{}: begins with {first:?}", file.path));
        }
    }
    refuse(
        found,
        "at most 900 lines, and first a line `//!` that says what the file is for",
    );
}

#[test]
fn migrations_speak_to_both_databases() {
    const BANNED: [(&str, &str); 6] = [
        ("SERIAL", "write {{SEQ}}"),
        ("AUTOINCREMENT", "write {{SEQ}}"),
        ("JSONB", "write TEXT"),
        ("TIMESTAMP", "write BIGINT, milliseconds"),
        ("INTEGER", "write BIGINT"),
        ("?", "placeholders are $1, $2"),
    ];
    let mut found = Vec::new();
    for file in read("migrations", "sql") {
        for (n, line) in file.text.lines().enumerate() {
            let sql = line.split("--").next().unwrap().to_uppercase();
            for (word, instead) in BANNED {
                if sql.contains(word) {
                    found.push(format!("{}:{}: {word}: {instead}", file.path, n + 1));
                }
            }
        }
    }
    refuse(found, "one text for SQLite and PostgreSQL");
}

#[test]
fn no_path_of_a_machine_is_in_the_repository() {
    let words = ["/ro", "/ho", "/wo"].map(|start| {
        let rest = match start {
            "/ro" => "ot/",
            "/ho" => "me/",
            _ => "rk/",
        };
        format!("{start}{rest}")
    });
    let mut all = sources();
    for (folder, extension) in [
        ("tests", "rs"),
        ("tests", "sh"),
        ("config", "toml"),
        ("migrations", "sql"),
        ("adapters", "toml"),
    ] {
        all.extend(read(folder, extension));
    }
    let root = root();
    all.extend(
        ["Cargo.toml", "README.md"]
            .iter()
            .map(|f| root.join(f))
            .filter(|p| p.exists())
            .map(|p| source(&root, &p)),
    );
    let mut found = Vec::new();
    for file in all {
        for (n, line) in file.text.lines().enumerate() {
            let path = |word: &String| {
                line.match_indices(word.as_str()).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    before.is_none_or(|c| matches!(c, ' ' | '"' | '\'' | '=' | '(' | '`' | ':'))
                })
            };
            if words.iter().any(path) {
                found.push(format!("{}:{}: {}", file.path, n + 1, line.trim()));
            }
        }
    }
    refuse(
        found,
        "paths are relative to the repository, or come from the environment",
    );
}

#[test]
fn deliveries_are_made_in_one_place() {
    let calls: Vec<String> = read("src", "rs")
        .iter()
        .filter(|f| !f.is_test())
        .flat_map(|f| {
            f.lines()
                .filter(|(_, l)| l.contains(".deliver(&"))
                .map(|(n, _)| format!("{}:{n}", f.path))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(
        calls.len() == 1 && calls[0].starts_with("src/delivery/worker.rs"),
        "everything leaves through the outbox: leave an effect instead of calling an adapter: {calls:?}"
    );
}

#[test]
fn the_searches_find_what_they_are_for() {
    let text = "//! Doc.\nfn a() { x.unwrap(); }\n// SELECT\n#[cfg(test)]\nmod tests {\n  fn b() { y.unwrap(); }\n}\nfn c() {}\n";
    let file = Source {
        path: "src/x.rs".to_owned(),
        text: text.to_owned(),
    };
    let lines: Vec<usize> = file.lines().map(|(n, _)| n).collect();
    assert_eq!(lines, [2, 8]);
    let test = |path: &str| {
        Source {
            path: path.to_owned(),
            text: String::new(),
        }
        .is_test()
    };
    assert!(test("src/rules/points/ledger_tests.rs") && test("adapters/x/tests/a.rs") && !test("src/latests.rs"));
    assert_eq!(PathBuf::from("a").join("b"), Path::new("a/b"));
}
