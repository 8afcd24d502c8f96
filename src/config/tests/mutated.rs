//! Broken files of every kind: never a panic, always an answer with a place inside the file.

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::*;

/// One way to break a file. The numbers choose lines and places.
#[derive(Debug, Clone)]
enum Damage {
    DeleteLine(usize),
    DoubleLine(usize),
    SwapLines(usize, usize),
    RenameKey(usize, String),
    ReplaceValue(usize, &'static str),
    Cut(usize),
    Remove(usize, usize),
    Insert(usize, String),
}

fn damage() -> impl Strategy<Value = Damage> {
    let n = || any::<usize>();
    let values = proptest::sample::select(vec![
        "1",
        "-1",
        "1.5",
        "true",
        "\"\"",
        "\"周报\"",
        "[]",
        "{}",
        "[[]]",
        "{ a = 1 }",
        "2026-01-01",
        "09:30:00",
        "nan",
        "\"\"\"",
        "'",
        "99999999999999999999",
        "0x7fffffffffffffff",
        "[1, \"a\", {}]",
        "{ env = \"X\" }",
        "",
    ]);
    prop_oneof![
        n().prop_map(Damage::DeleteLine),
        n().prop_map(Damage::DoubleLine),
        (n(), n()).prop_map(|(a, b)| Damage::SwapLines(a, b)),
        (n(), "[a-z_.\"\\[\\]周]{0,12}").prop_map(|(at, name)| Damage::RenameKey(at, name)),
        (n(), values).prop_map(|(at, value)| Damage::ReplaceValue(at, value)),
        n().prop_map(Damage::Cut),
        (n(), 0_usize..80).prop_map(|(at, count)| Damage::Remove(at, count)),
        (n(), "[ -~\\n\\r\\t报\u{feff}\u{0}]{1,6}").prop_map(|(at, text)| Damage::Insert(at, text)),
    ]
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at % (text.len() + 1);
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn apply(text: String, damage: &Damage) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let count = lines.len().max(1);
    // Only lines with a key are worth renaming.
    let keyed = |lines: &[String], at: usize| {
        let with: Vec<usize> = (0..lines.len()).filter(|n| lines[*n].contains('=')).collect();
        (!with.is_empty()).then(|| with[at % with.len()])
    };
    match damage {
        Damage::DeleteLine(at) => {
            if !lines.is_empty() {
                lines.remove(at % count);
            }
        }
        Damage::DoubleLine(at) => {
            if let Some(line) = lines.get(at % count).cloned() {
                lines.insert(at % count, line);
            }
        }
        Damage::SwapLines(a, b) => {
            if !lines.is_empty() {
                lines.swap(a % count, b % count);
            }
        }
        Damage::RenameKey(at, name) => {
            if let Some(n) = keyed(&lines, *at) {
                let value = lines[n]
                    .split_once('=')
                    .map(|(_, value)| value.to_owned())
                    .unwrap_or_default();
                lines[n] = format!("{name} ={value}");
            }
        }
        Damage::ReplaceValue(at, value) => {
            if let Some(n) = keyed(&lines, *at) {
                let key = lines[n].split('=').next().unwrap_or_default().to_owned();
                lines[n] = format!("{key}= {value}");
            }
        }
        Damage::Cut(at) => return text[..floor(&text, *at)].to_owned(),
        Damage::Remove(at, count) => {
            let from = floor(&text, *at);
            let to = floor(&text, from.saturating_add(*count).min(text.len())).max(from);
            return format!("{}{}", &text[..from], &text[to..]);
        }
        Damage::Insert(at, new) => {
            let at = floor(&text, *at);
            return format!("{}{new}{}", &text[..at], &text[at..]);
        }
    }
    lines.join("\n")
}

fn answers(text: &str) {
    let Err(problems) = read(text) else { return };
    let lines = text.lines().count().max(1);
    assert!(problems.iter().count() > 0);
    for problem in &problems {
        assert!((1..=lines).contains(&problem.line()), "{problem:?} of {lines}");
        let width = text
            .lines()
            .nth(problem.line() - 1)
            .map_or(0, |line| line.chars().count());
        assert!(
            problem.column() <= width + 1 && problem.column() <= problem.end_column(),
            "{problem:?}"
        );
        assert!(!problem.what.is_empty(), "{problem:?}");
    }
    // Rendering is part of the answer.
    assert!(problems.render(false).contains("hutong.toml"));
    assert_eq!(problems.json_lines().lines().count(), problems.iter().count());
}

proptest! {
    #![proptest_config(Config { cases: 2_000, ..Config::default() })]

    #[test]
    fn a_damaged_file_gets_an_answer(damages in proptest::collection::vec(damage(), 1..4)) {
        let text = damages.iter().fold(full_sample(), apply);
        answers(&text);
    }
}

proptest! {
    #![proptest_config(Config { cases: 200, ..Config::default() })]

    #[test]
    fn any_text_gets_an_answer(text in "(\\PC|[\\[\\]=\"'{}.,\\n#]){0,120}") {
        answers(&text);
    }
}

/// A file with secrets written into it: on this machine they may stand there.
fn with_literals() -> String {
    let app = APP
        .replace("{ env = \"APP_SECRET\" }", "\"canary-1\"")
        .replace("{ file = \"/run/secret\" }", "'canary-2'");
    format!("[log]\nlevel = \"info\"\n{app}base_url = \"http://127.0.0.1:1\"\n[report]\nmin_cell = 5\n")
}

proptest! {
    #![proptest_config(Config { cases: 1_000, max_global_rejects: 100_000, ..Config::default() })]

    #[test]
    fn no_damage_brings_a_secret_to_light(damage in damage()) {
        // Renaming a key or joining two lines puts a secret under the name of another key: then it
        // is shown like any value of that key, and nobody could know better.
        let damage = match damage {
            Damage::RenameKey(at, _) => Damage::DeleteLine(at),
            other => other,
        };
        if matches!(damage, Damage::Remove(..)) {
            let (before, after) = (with_literals(), apply(with_literals(), &damage));
            prop_assume!(before.lines().count() == after.lines().count());
        }
        let text = apply(with_literals(), &damage);
        let printed = match read(&text) {
            Ok(checked) => format!("{checked:?}"),
            Err(problems) => format!("{problems} {problems:?} {}", problems.json_lines()),
        };
        prop_assert!(!printed.contains("canary"), "{}\n{}", text, printed);
    }
}
