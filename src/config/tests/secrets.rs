//! No secret leaves the loader by way of a message.

use hutong_model::Secret;

use super::*;
use crate::config::{Loader, StoreKind};

/// Loads a file and collects everything that could be printed.
fn printed(text: &str) -> String {
    match read(text) {
        Ok(checked) => format!("{checked:?} {checked:#?} {}", checked.store.shown()),
        Err(problems) => {
            let lines: Vec<&str> = problems.iter().map(|p| p.line_text()).collect();
            format!(
                "{problems} {problems:?} {problems:#?} {} {} {lines:?}",
                problems.render(true),
                problems.json_lines()
            )
        }
    }
}

#[test]
fn secrets_come_from_variables_and_files() {
    let checked = read(APP).unwrap();
    let app = &checked.apps[0];
    assert_eq!(
        app.settings.secret("app_secret").map(Secret::expose),
        Some("canary-of-variable")
    );
    assert_eq!(
        app.settings.secret("encrypt_key").map(Secret::expose),
        Some("canary-of-file")
    );
    assert!(!printed(APP).contains("canary"));
    assert!(printed(APP).contains("****"));

    let text = "[store]\nurl = { env = \"DATABASE_URL\" }\n";
    let store = read(text).unwrap().store;
    assert_eq!(
        (store.kind, store.url.expose()),
        (StoreKind::Postgres, "postgres://hutong:canary-of-database@db/hutong")
    );
    assert_eq!(store.shown(), "postgres://****@db/hutong");
    assert!(!printed(text).contains("canary"));
}

#[test]
fn a_literal_is_taken_on_this_machine_only() {
    let app = |url: &str| {
        format!(
            "[[app]]\nid = \"fs\"\nplatform = \"fake\"\napp_id = \"cli_1\"\napp_secret = \"canary-1\"\n\
             encrypt_key = \"canary-2\"\n{url}\n"
        )
    };
    let checked = read(&app("base_url = \"http://127.0.0.1:9000\"")).unwrap();
    assert_eq!(
        checked.apps[0].settings.secret("app_secret").map(Secret::expose),
        Some("canary-1")
    );
    for url in [
        "",
        "base_url = \"https://open.example.com\"",
        "base_url = \"http://127.0.0.1.example.com\"",
        "base_url = \"http://127.0.0.1@example.com\"",
        "base_url = 1",
    ] {
        let problems = read(&app(url)).unwrap_err();
        let refused = problems
            .iter()
            .filter(|p| p.what == "the secret is written into the file")
            .count();
        assert_eq!(refused, 2, "{url}");
        assert!(!printed(&app(url)).contains("canary"), "{url}");
    }
}

#[test]
fn a_missing_secret_is_told_by_name_only() {
    let what = |secret: &str| {
        let text = APP.replace("{ env = \"APP_SECRET\" }", secret);
        assert!(!printed(&text).contains("canary"), "{}", printed(&text));
        let problems = read(&text).unwrap_err();
        let problem = problems.iter().next().unwrap();
        assert_eq!(
            (problem.key.as_str(), problem.line()),
            ("app[1].app_secret", 6),
            "{problems}"
        );
        problem.what.clone()
    };
    assert_eq!(what("{ env = \"NO_SUCH\" }"), "the variable NO_SUCH is not set");
    assert_eq!(what("{ env = \"EMPTY\" }"), "the variable EMPTY is empty");
    assert_eq!(
        what("{ file = \"/run/none\" }"),
        "the file \"/run/none\" cannot be read: entity not found"
    );
    assert_eq!(what("{ file = \"/run/empty\" }"), "the file \"/run/empty\" is empty");
    assert_eq!(
        what("{ env = \"canary-pasted\" }"),
        "this is not the name of a variable"
    );
    assert_eq!(
        what("{ env = \"A\", file = \"canary\" }"),
        "it must name one variable or one file"
    );
    assert_eq!(what("{ value = \"canary\" }"), "it must name one variable or one file");
    assert_eq!(what("{ env = 1 }"), "it must name one variable or one file");
    assert_eq!(what("[\"canary\"]"), "a list cannot be a secret");
    assert_eq!(what("20261124"), "a whole number cannot be a secret");
    assert_eq!(what("\"\""), "the secret is empty");
}

#[test]
fn no_broken_file_shows_a_secret() {
    for text in [
        // Misspelled, in a wrong place, twice, without quotes, unfinished, in one line.
        "[[app]]\nid = \"fs\"\nplatform = \"fake\"\napp_secert = \"canary\"\n",
        "[[app]]\nid = \"fs\"\nplatform = \"fake\"\nwhatever = \"canary\"\n",
        "[[app]]\nid = \"fs\"\nplatform = \"nothing\"\napp_secret = \"canary\"\n",
        "app_secret = \"canary\"\n",
        "[server]\napp_secret = \"canary\"\n",
        "[secrets]\nx = \"canary\"\n",
        "[[app]]\nid = \"fs\"\napp_secret = \"canary\"\napp_secret = \"canary\"\n",
        "[[app]]\nid = \"fs\"\napp_secret = canary\n",
        "[[app]]\nid = \"fs\"\napp_secret = \"canary\n",
        "[[app]]\nid = \"fs\"\napp_secret = \"\"\"\ncanary\n",
        "[[app]]\nid = \"fs\"\napp_secret \"canary\"\n",
        "[[app]]\nid = \"fs\"\napp_secret: canary\n",
        "[[app]]\napp_secret = { env = \"canary\"\n",
        "[[app]]\napp_secret = { value = \"canary\"\n",
        "app = [{ id = 1, platform = \"fake\", app_secret = \"canary\" }]\n",
        "app = [{ id = 1, platform = \"fake\", app_secret = \"canary\", bad }]\n",
        "[store]\nurl = \"postgres://hutong:canary@db/hutong\"\n",
        "[store]\nurl = \"postgres://hutong:canary@db/hutong\n",
        "[store]\nurl = \"postgres://db/hutong?password=canary\"\n",
        "[store]\nurl = [\"postgres://hutong:canary@db/hutong\"]\n",
        "[server]\nlisten = \"tcp://u:canary@bot.example.com\"\n",
        "[[app]]\nid = \"fs\"\n= \"canary\"\n",
        "[server]\nsome = \"canary\"\n",
        "[[app]]\napp_secret = \"first\ncanary==\"\n",
        "[[app]]\napp_secret = { env = \"A\" }\n\"canary\"\n",
        "[server]\npublic_url = \"https://u:canary@bot.example.com\"\n",
        "[[app]]\nid = \"fs\"\nplatform = \"fake\"\nbase_url = \"https://u:canary@x.example\"\n",
    ] {
        let printed = printed(text);
        assert!(read(text).is_err(), "{text}");
        assert!(!printed.contains("canary"), "{text}\n{printed}");
    }
}

#[test]
fn an_adapter_that_repeats_a_secret_is_covered() {
    let env = FixedEnvironment::default()
        .variable("APP_SECRET", "canary-in-adapter")
        .file("/run/secret", "x");
    let problems = Loader::new(&env, &PLATFORMS).load(APP, "f").unwrap_err();
    assert_eq!(problems.iter().next().unwrap().what, "**** is not a secret");
    assert!(!format!("{problems} {problems:?}").contains("canary"));
}
