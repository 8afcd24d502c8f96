//! What a person is told about a broken file: every problem, at its place.

use super::*;
use crate::config::{Loader, ScheduleSpec};

/// Each problem as `line:column key: what`.
#[track_caller]
fn told(text: &str) -> Vec<String> {
    let problems = match read(text) {
        Ok(_) => panic!("no problem found in {text}"),
        Err(problems) => problems,
    };
    problems
        .iter()
        .map(|p| format!("{}:{} {}: {}", p.line(), p.column(), p.key, p.what))
        .collect()
}

#[test]
fn a_person_sees_every_problem_with_its_line() {
    let text = "\
listen = 1
[server]
listen = 8080
trusted_proxy = [\"10.0.0.0/8\", 3, \"nonsense\"]
public_ulr = \"https://x\"
[company]
name = \"某某科技\" # 名
zone = \"Asia/Shangai\" # 时区
[[app]]
id = \"fs\"
platform = \"fake\"
ap_id = \"x\"
app_secret = \"canary\"
[[column]]
id = \"周报\"
title = \"周报\"
app = \"ft\"
chats = []
every = { weekday = \"周八\", time = \"9:75\", day = 3 }
lateness = 2
[points.give]
weekly_allowance = -1
max_per_act = 99999999999999999999
[reprt]
min_cell = 5
";
    insta::assert_snapshot!(read(text).unwrap_err(), @r##"
    error: listen: there is no such key outside of sections
     --> hutong.toml:1:1
      |
    1 | listen = ****
      | ^^^^^^
      |
      = help: it belongs into [server]

    error: server.listen: 8080 is a whole number, a text is needed
     --> hutong.toml:3:10
      |
    3 | listen = 8080
      |          ^^^^
      |
      = help: write listen = "..."

    error: server.trusted_proxy: 3 is a whole number, a text is needed
     --> hutong.toml:4:32
      |
    4 | trusted_proxy = ["10.0.0.0/8", 3, "nonsense"]
      |                                ^
      |
      = help: write trusted_proxy = ["..."]

    error: server.trusted_proxy: "nonsense" is not an address or network
     --> hutong.toml:4:35
      |
    4 | trusted_proxy = ["10.0.0.0/8", 3, "nonsense"]
      |                                   ^^^^^^^^^^
      |
      = help: write for example "127.0.0.1", "10.0.0.0/8" or "fd00::/8"

    error: server.public_ulr: there is no such key
     --> hutong.toml:5:1
      |
    5 | public_ulr = ****
      | ^^^^^^^^^^
      |
      = help: did you mean public_url?

    error: company.zone: "Asia/Shangai" is not a known time zone
     --> hutong.toml:8:8
      |
    8 | zone = "Asia/Shangai" # 时区
      |        ^^^^^^^^^^^^^^
      |
      = help: did you mean "Asia/Shanghai"?

    error: app[1].app_id: is missing
     --> hutong.toml:9:1
      |
    9 | [[app]]
      | ^^^^^^^
      |
      = help: add app_id = "...". Shown on the page of the app.

    error: app[1].encrypt_key: there is no verification secret
     --> hutong.toml:9:1
      |
    9 | [[app]]
      | ^^^^^^^
      |
      = help: without it anybody could send events

    error: app[1].ap_id: there is no such key
      --> hutong.toml:12:1
       |
    12 | ap_id = ****
       | ^^^^^
       |
       = help: did you mean app_id?

    error: app[1].app_secret: the secret is written into the file
      --> hutong.toml:13:14
       |
    13 | app_secret = ****
       |              ^^^^
       |
       = help: write app_secret = { env = "NAME" } or { file = "PATH" }; a literal is taken only when base_url is on this machine

    error: column[1].id: "周报" is not an id: use a-z, 0-9, - and _
      --> hutong.toml:15:6
       |
    15 | id = "周报"
       |      ^^^^^^
       |
       = help: an id has 1 to 32 characters of a-z, 0-9, - and _

    error: column[1].app: there is no [[app]] with id "ft"
      --> hutong.toml:17:7
       |
    17 | app = "ft"
       |       ^^^^
       |
       = help: did you mean "fs"?

    error: column[1].chats: the list is empty
      --> hutong.toml:18:9
       |
    18 | chats = []
       |         ^^
       |
       = help: name at least 1

    error: column[1].every.weekday: "周八" is not a weekday
      --> hutong.toml:19:21
       |
    19 | every = { weekday = "周八", time = "9:75", day = 3 }
       |                     ^^^^^^
       |
       = help: use mon, tue, wed, thu, fri, sat, sun or 周一 to 周日; names only, no numbers

    error: column[1].every.time: "9:75" is not a time of day
      --> hutong.toml:19:34
       |
    19 | every = { weekday = "周八", time = "9:75", day = 3 }
       |                                    ^^^^^^
       |
       = help: write hours and minutes, from "00:00" to "23:59"

    error: column[1].every.day: weekday and day exclude each other
      --> hutong.toml:19:48
       |
    19 | every = { weekday = "周八", time = "9:75", day = 3 }
       |                                                  ^
       |
       = help: use one of { weekday = "mon", time = "09:30" }, { day = 1, time = "09:30" }, { nth = "last_workday", time = "17:00" }, { cron = "30 9 * * 1-5" }

    error: column[1].lateness: 2 is a whole number, a duration is needed
      --> hutong.toml:20:12
       |
    20 | lateness = 2
       |            ^
       |
       = help: write lateness = "2h"

    error: points.give.weekly_allowance: -1 is out of range
      --> hutong.toml:22:20
       |
    22 | weekly_allowance = -1
       |                    ^^
       |
       = help: use a whole number from 0 to 1000

    error: points.give.max_per_act: 99999999999999999999 is a number that is too large, a whole number is needed
      --> hutong.toml:23:15
       |
    23 | max_per_act = 99999999999999999999
       |               ^^^^^^^^^^^^^^^^^^^^
       |
       = help: write max_per_act = 1

    error: reprt: there is no such section
      --> hutong.toml:24:2
       |
    24 | [reprt]
       |  ^^^^^
       |
       = help: did you mean report?

    hutong.toml: 20 problems
"##);
}

#[test]
fn tools_get_one_object_per_line() {
    let out = read("[server]\nlisten = 8080\n[stor]\n").unwrap_err().json_lines();
    insta::assert_snapshot!(out, @r#"
    {"column":10,"end_column":14,"file":"hutong.toml","hint":"write listen = \"...\"","key":"server.listen","line":2,"what":"8080 is a whole number, a text is needed"}
    {"column":2,"end_column":6,"file":"hutong.toml","hint":"did you mean store?","key":"stor","line":3,"what":"there is no such section"}
    "#);
}

#[test]
fn a_file_that_is_not_toml_is_one_problem() {
    let json = "{\n  \"server\": { \"listen\": 1 },\n  \"store\": 2,\n  \"log\": 3,\n  \"x\": 4\n}\n";
    let yaml = "server:\n  listen: 1\nstore:\n  url: x\nlog:\n  level: info\n";
    let page = "<html>\n<head>\n<title>x</title>\n</head>\n<body>\n</body>\n";
    for text in [json, yaml, page] {
        let told = told(text);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("this is not a TOML file"), "{told:?}");
    }
}

#[test]
fn broken_lines_are_told_one_by_one() {
    let text = "[server]\nlisten = \n[store]\nurl = \"abc\n[log]\nlevel = \"info\"\nformat = \"text\"\n[server]\n";
    assert_eq!(
        told(text),
        [
            "2:9 : the value is missing",
            "4:10 : invalid basic string, expected `\"`",
            "8:2 server: stands twice",
        ]
    );
}

#[test]
fn a_key_that_stands_twice_does_not_hide_other_problems() {
    assert_eq!(
        told("[log]\nlevel = \"info\"\nlevel = \"debug\"\nformat = \"xml\"\n"),
        [
            "3:1 level: stands twice",
            "4:10 log.format: \"xml\" is not one of the words for this key"
        ]
    );
}

#[test]
fn every_wrong_element_of_a_list_is_told() {
    let text =
        format!("{APP}[[role]]\nrole = \"admin\"\npeople = [\"fs:@all\", 3, \"E1\", \"E1\", \"ft:u\", \"a b\"]\n");
    let lines: Vec<String> = told(&text)
        .into_iter()
        .map(|line| line.split_once(": ").unwrap().1.to_owned())
        .collect();
    assert_eq!(
        lines,
        [
            "\"fs:@all\" is not a person: it must not begin with @",
            "3 is a whole number, a text is needed",
            "\"E1\" stands twice",
            "\"ft:u\": there is no app \"ft\"",
            "\"a b\" is not a person",
        ]
    );
}

#[test]
fn references_and_repetitions_point_at_the_value() {
    let cases = [
        (
            "app = \"ft\"",
            "[[group_rule]]\nid=\"g\"\ndepartment=\"d\"\n",
            "there is no [[app]] with id \"ft\"",
        ),
        (
            "chats = [\"rule:x\"]",
            COLUMN,
            "there is no [[group_rule]] with id \"x\"",
        ),
        ("zone = \"Mars\"", COLUMN, "\"Mars\" is not a known time zone"),
        ("cron = \"0 9 * * *\"", COLUMN, "does not stand here"),
        (
            "name = \"技术\"",
            GROUP,
            "all groups of this rule would have the same name",
        ),
        (
            "name = \"{team}\"",
            GROUP,
            "\"{team}\" has a placeholder that is not known",
        ),
        ("owner = [\"boss\"]", GROUP, "\"boss\" cannot own a group"),
        ("people = []", "[[role]]\nrole = \"admin\"\n", "the list is empty"),
        (
            "scope = \"chat:oc_1\"",
            ROLE,
            "\"chat:oc_1\" is not a scope: the app is missing",
        ),
        (
            "scope = \"chat:ft:oc_1\"",
            ROLE,
            "\"chat:ft:oc_1\": there is no app \"ft\"",
        ),
        (
            "scope = \"dept:\"",
            ROLE,
            "\"dept:\" is not a scope: it has another form",
        ),
    ];
    for (line, block, what) in cases {
        let text = format!("{APP}{block}{line}\n");
        let told = told(&text);
        let place = format!("{}:", text.lines().count());
        let hit = told
            .iter()
            .find(|t| t.contains(what))
            .unwrap_or_else(|| panic!("{line}: {told:?}"));
        assert!(hit.starts_with(&place), "{hit}");
    }
}

const COLUMN: &str = "[[column]]\nid = \"c\"\ntitle = \"t\"\napp = \"fs\"\n";
const GROUP: &str = "[[group_rule]]\nid = \"g\"\napp = \"fs\"\ndepartment = \"d\"\n";
const ROLE: &str = "[[role]]\nrole = \"admin\"\npeople = [\"E1\"]\n";

#[test]
fn every_form_of_a_repetition_is_read_or_told() {
    let when =
        |form: &str| read(&format!("[report]\nwhen = {form}\n")).map(|c| c.rules.report.unwrap().when.to_string());
    for (form, text) in [
        ("{ weekday = \"周三\", time = \"18:00\" }", "every Wed 18:00"),
        ("{ weekday = \"tue\" }", "every Tue 10:00"),
        ("{ time = \"11:00\" }", "every Mon 11:00"),
        ("{ day = 31, time = 08:00:00 }", "day 31 of every month 08:00"),
        (
            "{ nth = \"3rd_workday\", time = \"08:00\" }",
            "workday 3 of every month 08:00",
        ),
        ("{ cron = \"0  9 * * 1-5\" }", "cron 0 9 * * 1-5"),
    ] {
        assert_eq!(when(form).unwrap(), text, "{form}");
    }
    for (form, what) in [
        (
            "{ weekday = 1, time = \"18:00\" }",
            "1 is a whole number, a text is needed",
        ),
        (
            "{ weekday = \"mon\", time = \"24:00\" }",
            "\"24:00\" is not a time of day",
        ),
        (
            "{ weekday = \"mon\", time = 08:00:30 }",
            "\"08:00:30\" is not a time of day",
        ),
        (
            "{ weekday = \"mon\", day = 2, time = \"08:00\" }",
            "weekday and day exclude each other",
        ),
        ("{ day = 32, time = \"08:00\" }", "32 is out of range"),
        (
            "{ cron = \"0 9 * * 8\" }",
            "this repetition is not valid: weekday \"8\": use 0 to 7",
        ),
        (
            "{ cron = \"0 9 * * 1\", time = \"08:00\" }",
            "a cron expression already says the time",
        ),
        ("{ weekdy = \"mon\" }", "there is no such key"),
        ("\"mon 10:00\"", "\"mon 10:00\" is a text, a table is needed"),
    ] {
        let problems = when(form).unwrap_err();
        assert!(
            problems.iter().any(|p| p.what == what && p.line() == 2),
            "{form}: {problems:?}"
        );
    }
    // A column has no default time.
    let told = told(&format!(
        "{APP}{COLUMN}chats = [\"oc\"]\nevery = {{ weekday = \"mon\" }}\n"
    ));
    assert_eq!(told.len(), 1);
    assert!(told[0].ends_with("column[1].every.time: is missing"), "{told:?}");
}

#[test]
fn group_rules_of_segments_are_read_or_told() {
    let segment = "[[segment]]\nid = \"mcu\"\ntitle = \"单片机\"\nwhere = \"tag 'mcu'\"\n";
    let rule = |id: &str, rest: &str| format!("[[group_rule]]\nid = \"{id}\"\napp = \"fs\"\n{rest}\n");
    let both = format!(
        "{APP}{segment}{}{}",
        rule(
            "big",
            "source = { department = \"研发\", depth = 0, include_contractors = false }\nname = \"大群\""
        ),
        rule("more", "source = { segment = \"mcu\" }\ninto = \"big\""),
    );
    let rules = read(&both).unwrap_or_else(|p| panic!("{p}")).rules.groups;
    assert_eq!(
        (rules[0].source.department.as_deref(), rules[0].depth),
        (Some("研发"), 0)
    );
    assert!(!rules[0].source.include_contractors && rules[1].source.include_contractors);
    assert_eq!((rules[0].split_over, rules[0].optional), (0, true));
    // What feeds a group stands with it, with its condition.
    let fed = rules[0].feeders[0].segment.as_ref().unwrap();
    assert_eq!(
        (fed.title.as_str(), fed.condition.to_string().as_str()),
        ("单片机", "tag in ('mcu')")
    );
    for (rest, what) in [
        ("source = { segment = \"mcu\" }", "has no department to be named after"),
        (
            "department = \"研发\"\nname = \"{segment}{dept}\"",
            "has no segment to be named after",
        ),
        (
            "source = { segment = \"mcx\" }\nname = \"n\"",
            "there is no [[segment]] with id \"mcx\"",
        ),
        (
            "department = \"研发\"\ninto = \"x\"",
            "there is no [[group_rule]] with id \"x\"",
        ),
        (
            "department = \"研发\"\nname = \"{who}\"",
            "has a placeholder that is not known",
        ),
        (
            "department = \"研发\"\nsource = { department = \"市场\" }",
            "source says",
        ),
        ("depth = 1", "is missing"),
    ] {
        let told = told(&format!("{APP}{segment}{}", rule("g", rest)));
        assert!(told.len() == 1 && told[0].contains(what), "{rest}: {told:?}");
    }
}

#[test]
fn rules_that_lead_into_others_are_read_or_told() {
    let rule = |id: &str, app: &str, into: &str| {
        let into = match into {
            "" => format!("name = \"{id}群\"\ndepth = 0"),
            into => format!("into = \"{into}\""),
        };
        format!("[[group_rule]]\nid = \"{id}\"\napp = \"{app}\"\ndepartment = \"研发\"\n{into}\n")
    };
    let other = APP.replace("\"fs\"", "\"fs2\"");
    assert_ne!(other, APP);
    let text = |rules: &[String]| format!("{APP}{other}{}", rules.concat());
    let told = |rules: &[String]| told(&text(rules));
    let lines = APP.lines().count() + other.lines().count();
    // A chain is good.
    let chain = read(&text(&[
        rule("a", "fs", "b"),
        rule("b", "fs", "c"),
        rule("c", "fs", ""),
    ]));
    assert_eq!(chain.unwrap_or_else(|p| panic!("{p}")).rules.groups[2].feeders.len(), 2);
    // A ring, once, with its line; also when another rule leads into it.
    let ring = told(&[
        rule("x", "fs", "a"),
        rule("a", "fs", "b"),
        rule("b", "fs", "c"),
        rule("c", "fs", "a"),
    ]);
    assert_eq!(
        ring,
        [format!(
            "{}:8 group_rule[2].into: the rules a -> b -> c -> a lead in a ring, so none of them has a group",
            lines + 10
        )]
    );
    // Into itself is no ring: that is where its people go anyway.
    let alone = read(&text(&[rule("a", "fs", "a")])).unwrap_or_else(|p| panic!("{p}"));
    assert_eq!(alone.rules.groups[0].into, None);
    let apps = told(&[rule("a", "fs2", "b"), rule("b", "fs", "")]);
    assert!(
        apps.len() == 1
            && apps[0].starts_with(&format!("{}:8 group_rule[1].into: ", lines + 5))
            && apps[0].contains("\"fs2\", and \"b\" has \"fs\""),
        "{apps:?}"
    );
    let unknown = told(&[rule("a", "fs", "z")]);
    assert!(
        unknown.len() == 1
            && unknown[0].starts_with(&format!("{}:8 group_rule[1].into: ", lines + 5))
            && unknown[0].contains("there is no [[group_rule]] with id \"z\""),
        "{unknown:?}"
    );
}

#[test]
fn group_rules_that_contradict_are_told() {
    let second = GROUP.replace("\"g\"", "\"h\"");
    let twice = told(&format!(
        "{APP}{GROUP}name = \"{{dept}}群\"\n{second}name = \"{{dept}}群\"\n"
    ));
    assert_eq!(twice.len(), 1, "{twice:?}");
    assert!(
        twice[0].contains("group_rule[2].name")
            && twice[0].contains("would be the name of a group of another rule too"),
        "{twice:?}"
    );
    // Of another department, or on another template, it is another group.
    let other = second.replace("\"d\"", "\"e\"");
    assert!(read(&format!("{APP}{GROUP}{other}")).is_ok());
    let fixed = "depth = 0\nname = \"全员群\"\n";
    assert_eq!(told(&format!("{APP}{GROUP}{fixed}{other}{fixed}")).len(), 1);
    let grace = told(&format!(
        "{APP}{GROUP}on_leave = \"keep\"\non_transfer = {{ grace_workdays = 3 }}\n"
    ));
    assert_eq!(grace.len(), 1, "{grace:?}");
    assert!(grace[0].contains("so there is no grace period"), "{grace:?}");
    let transfer = read(&format!("{APP}{GROUP}on_transfer = {{ grace_workdays = 3 }}\n"))
        .unwrap()
        .rules
        .groups[0]
        .on_transfer;
    assert!(transfer.grace_workdays == 3 && transfer.notice);
}

#[test]
fn blocks_and_tables_are_told_apart() {
    assert_eq!(
        told("points = 3\n[[report]]\nmin_cell = 5\n[column]\nid = \"c\"\n"),
        [
            "1:10 points: a whole number stands where a section is needed",
            "2:1 report: this section stands once, not in blocks",
            "4:1 column: a single table stands where blocks are needed",
        ]
    );
    assert_eq!(
        told("column = [1]\n"),
        ["1:11 column: a whole number stands where a block is needed"]
    );
    assert_eq!(
        told("[points]\ngive = 1\n"),
        ["2:8 points.give: 1 is a whole number, a table is needed"]
    );
}

#[test]
fn what_the_adapter_says_stands_at_its_key() {
    let text = APP
        .replace("cli_1", "cl_1")
        .replace("{ file = \"/run/secret\" }", "{ file = \"/run/none\" }");
    assert_eq!(
        told(&text),
        [
            "5:10 app[1].app_id: it must begin with cli_",
            "7:24 app[1].encrypt_key: the file \"/run/none\" cannot be read: entity not found",
        ]
    );
    // Without its verification secret an app is refused, at its block.
    let text = APP
        .lines()
        .filter(|line| !line.starts_with("encrypt_key"))
        .collect::<Vec<_>>()
        .join("\n");
    assert_eq!(told(&text), ["2:1 app[1].encrypt_key: there is no verification secret"]);
}

#[test]
fn apps_are_checked_key_by_key() {
    let text =
        format!("{APP}agent = \"7\"\nsees_all = 1\nbase_url = \"ftp://x\"\ncompany = \"other\"\nextra = 1\n{APP}");
    assert_eq!(
        told(&text),
        [
            "8:9 app[1].agent: \"7\" is a text, a whole number is needed",
            "9:12 app[1].sees_all: 1 is a whole number, true or false is needed",
            "10:12 app[1].base_url: this is not an address for an app: it must begin with http:// or https://",
            "11:11 app[1].company: there is no company with id \"other\"",
            "12:1 app[1].extra: there is no such key",
            "15:6 app[2].id: the id \"fs\" stands twice",
        ]
    );
}

#[test]
fn a_misspelled_word_finds_its_neighbour() {
    let hint = |text: &str| read(text).unwrap_err().iter().next().unwrap().hint.clone();
    assert_eq!(hint("[limits]\nbody_kb = 1\n"), "did you mean body_kib?");
    assert_eq!(
        hint("[retention]\nxyz = 1\n"),
        "known here: audit, backup, dedupe, inbox, mirror, outbox"
    );
    assert_eq!(
        hint("[log]\nlevel = \"debgu\"\n"),
        "did you mean \"debug\"? Allowed: \"error\", \"warn\", \"info\", \"debug\", \"trace\""
    );
    assert_eq!(hint("[[colum]]\nid = 1\n"), "did you mean column?");
    assert_eq!(
        hint("lateness = \"2h\"\n"),
        "known sections: app, calendar, chat_link, column, company, group_rule, holidays, identity, interests, limits, log, noise, onboard, points, report, retention, review, role, schedule, segment, server, store"
    );
    assert_eq!(hint("zone = \"Asia/Shanghai\"\n"), "it belongs into [company]");
    assert_eq!(
        hint("[[app]]\nid = \"a\"\nplatform = \"fak\"\n"),
        "did you mean \"fake\"? Known: fake, fake_private"
    );
}

#[test]
fn contradictions_between_keys_are_told() {
    assert_eq!(
        told("[limits]\nbody_kib = 8192\nin_flight_mib = 1\n"),
        ["3:17 limits.in_flight_mib: one callback of the largest size does not fit"]
    );
    assert_eq!(
        told("[retention]\ndedupe = \"6d\"\n"),
        ["2:10 retention.dedupe: \"6d\" is out of range"]
    );
    assert_eq!(
        told("[server]\npublic_url = \"http://bot.example.com\"\n"),
        ["2:14 server.public_url: http is for this machine only, pages carry personal data"]
    );
    assert_eq!(
        told("[holidays]\npath = \"none.toml\"\n"),
        ["2:8 holidays.path: the file \"none.toml\" cannot be read: entity not found"]
    );
    assert_eq!(
        told("[holidays]\npath = \"broken.toml\"\n"),
        ["2:8 holidays.path: the holiday file has schema 2, this program reads schema 1"]
    );
}

#[test]
fn the_scheduler_checks_every_repetition() {
    let (env, seen) = (environment(), std::cell::RefCell::new(Vec::new()));
    let check = |spec: &ScheduleSpec| {
        seen.borrow_mut().push(spec.to_string());
        Err("never".to_owned())
    };
    let text = format!("{APP}{COLUMN}chats = [\"oc\"]\nevery = {{ day = 1, time = \"09:00\" }}\n[report]\n");
    let problems = Loader::new(&env, &PLATFORMS)
        .schedule_check(&check)
        .load(&text, "f")
        .unwrap_err();
    assert_eq!(problems.iter().count(), 2);
    seen.borrow_mut().sort();
    assert_eq!(*seen.borrow(), ["day 1 of every month 09:00", "every Mon 10:00"]);
}

/// The trap of the `Section` contract: a `?` before all keys were asked for hides later problems.
#[test]
fn no_reader_stops_at_its_first_problem() {
    let sample: toml::Table = crate::config::builtin::sample().parse().unwrap();
    fn spoil(value: &mut toml::Value, count: &mut usize) {
        match value {
            toml::Value::Table(table) => {
                let forms = ["weekday", "day", "nth", "cron"];
                // A repetition counts as one value: its keys depend on each other.
                match forms.iter().any(|form| table.contains_key(*form)) {
                    true => {
                        *value = toml::Value::Float(1.5);
                        *count += 1;
                    }
                    false => table.iter_mut().for_each(|(_, value)| spoil(value, count)),
                }
            }
            toml::Value::Array(list) if list.iter().any(toml::Value::is_table) => {
                list.iter_mut().for_each(|value| spoil(value, count));
            }
            other => {
                *other = toml::Value::Datetime("2026-01-01".parse().unwrap());
                *count += 1;
            }
        }
    }
    let mut sections = 0;
    for (name, mut value) in sample {
        if name == "app" {
            continue;
        }
        let mut count = 0;
        spoil(&mut value, &mut count);
        let text = toml::Table::from_iter([(name.clone(), value)]).to_string();
        let told = told(&text);
        assert_eq!(told.len(), count, "{text}\n{told:#?}");
        sections += 1;
    }
    assert!(sections >= 12, "{sections}");
}
