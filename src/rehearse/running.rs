//! The configuration that a service runs with, as it is left in the store for comparisons: without
//! comments and without a single secret.

use std::collections::BTreeSet;

use hutong_model::{KeyKind, PlatformEntry};
use toml::{Table, Value};

/// The file without what it must not tell: comments go, and every secret that is written out (one may
/// be where `base_url` is on this machine) becomes another of the same length. Names of variables and
/// files stay. `None`: the text is no TOML.
pub fn without_secrets(text: &str, platforms: &[PlatformEntry]) -> Option<String> {
    let mut document: Table = text.parse().ok()?;
    let names: BTreeSet<&str> = platforms
        .iter()
        .flat_map(|entry| entry.kinds.iter().flat_map(|kind| (entry.keys)(kind)))
        .filter(|spec| spec.kind == KeyKind::Secret)
        .map(|spec| spec.name)
        .collect();
    let mut secrets = BTreeSet::new();
    collect(&document, &names, &mut secrets);
    // A rehearsal works on the store of the command that asks for it; this address is never opened, and
    // it may have a password in a form that nobody knows.
    if let Some(Value::Table(store)) = document.get_mut("store")
        && store.get("url").is_some_and(Value::is_str)
    {
        store.insert("url".to_owned(), Value::String("sqlite://running.db".to_owned()));
    }
    for (_, value) in document.iter_mut() {
        hide(value, &secrets);
    }
    toml::to_string(&document).ok()
}

/// Every secret that is written out, wherever a key has the name of one.
fn collect(table: &Table, names: &BTreeSet<&str>, found: &mut BTreeSet<String>) {
    for (key, value) in table {
        collect_in(key, value, names, found);
    }
}

fn collect_in(key: &str, value: &Value, names: &BTreeSet<&str>, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if names.contains(key) && !text.is_empty() => {
            found.insert(text.clone());
        }
        Value::Table(table) => collect(table, names, found),
        Value::Array(list) => list.iter().for_each(|v| collect_in(key, v, names, found)),
        _ => {}
    }
}

/// Where the text of a secret stands is hidden everywhere, not only under its own key.
fn hide(value: &mut Value, secrets: &BTreeSet<String>) {
    match value {
        Value::String(text) if secrets.contains(text.as_str()) => {
            // The same length and characters that every form of key knows: it must still be read.
            *text = "A".repeat(text.chars().count());
        }
        Value::Table(table) => table.iter_mut().for_each(|(_, v)| hide(v, secrets)),
        Value::Array(list) => list.iter_mut().for_each(|v| hide(v, secrets)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# app_secret was hunter2hunter2\n[store]\nurl = \"postgres://me@db/x?sslpassword=topsecret\"\n\
        [company]\nname = \"thesecretitself0\"\n\
        [[app]]\nid = \"fs\"\nplatform = \"feishu\"\nbase_url = \"http://127.0.0.1:9\"\napp_id = \"cli_1\"\n\
        app_secret = \"thesecretitself0\" # and a comment\nverification_token = { env = \"TOKEN\" }\n\
        encrypt_key = \"0123456789abcdef\"\n";

    #[test]
    fn no_secret_stays_not_even_one_for_this_machine() {
        let kept = without_secrets(TEXT, crate::adapters::ALL).unwrap();
        for gone in [
            "hunter2",
            "thesecretitself0",
            "0123456789abcdef",
            "topsecret",
            "comment",
        ] {
            assert!(!kept.contains(gone), "{gone} in {kept}");
        }
        let table: Table = kept.parse().unwrap();
        let app = table["app"].as_array().unwrap()[0].as_table().unwrap();
        assert_eq!(app["app_secret"].as_str().unwrap().len(), 16);
        assert_eq!(app["verification_token"]["env"].as_str(), Some("TOKEN"));
        assert_eq!(app["app_id"].as_str(), Some("cli_1"));
        assert_eq!(without_secrets("[[", crate::adapters::ALL), None);
    }

    #[test]
    fn every_key_that_holds_a_secret_is_known() {
        for entry in crate::adapters::ALL {
            for kind in entry.kinds {
                for spec in (entry.keys)(kind).iter().filter(|s| s.kind == KeyKind::Secret) {
                    let text = format!("[[app]]\nplatform = \"{kind}\"\n{} = \"s3cr3t-of-mine\"\n", spec.name);
                    let kept = without_secrets(&text, crate::adapters::ALL).unwrap();
                    assert!(!kept.contains("s3cr3t-of-mine"), "{kind} {}: {kept}", spec.name);
                }
            }
        }
    }
}
