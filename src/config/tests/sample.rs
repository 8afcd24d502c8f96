//! The built-in file: it loads, its values are the defaults, it shows every key.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{NaiveTime, Weekday};
use hutong_model::Secret;

use super::*;
use crate::config::rules::{points, reports};
use crate::config::*;

const DAY: Duration = Duration::from_secs(86_400);

/// What the program does without any file, as code: the other half of the comparison.
fn expected() -> Checked {
    Checked {
        server: Server {
            listen: "127.0.0.1:8080".parse().unwrap(),
            public_url: None,
            trusted_proxy: Vec::new(),
            metrics: MetricsFor::Loopback,
        },
        store: Store {
            kind: StoreKind::Sqlite,
            url: Secret::new("sqlite://data/hutong.db"),
        },
        company: Company {
            id: "main".parse().unwrap(),
            name: "本公司".to_owned(),
            zone: chrono_tz::Asia::Shanghai,
            language: Language::Chinese,
        },
        log: Log {
            level: LogLevel::Info,
            format: LogFormat::Text,
        },
        limits: crate::config::Limits {
            body_bytes: 1 << 20,
            in_flight_bytes: 32 << 20,
            command_max_age: Duration::from_secs(900),
            event_max_age: 7 * DAY,
            bot_messages_per_day: 3,
            group_remove_people: 20,
            group_remove_percent: 10,
        },
        noise: Noise {
            merge_at: NaiveTime::from_hms_opt(9, 0, 0).unwrap(),
            priority: Vec::new(),
            groups: Vec::new(),
        },
        retention: Retention {
            dedupe: 7 * DAY,
            inbox: 30 * DAY,
            outbox: 7 * DAY,
            audit: 1_096 * DAY,
            mirror: 7 * DAY,
            backup: 30 * DAY,
        },
        schedule: ScheduleDefaults {
            misfire: Misfire::Once,
            grace: DAY / 2,
            on_holiday: OnHoliday::NextWorkday,
            on_makeup_workday: OnMakeupWorkday::Normal,
        },
        holidays: Holidays::default(),
        calendar: CalendarConfig::default(),
        apps: Vec::new(),
        roles: Vec::new(),
        chat_links: Vec::new(),
        identity: crate::config::Identity {
            by: crate::directory::people::By::ALL.to_vec(),
            map: Vec::new(),
        },
        rules: RulesConfig::default(),
    }
}

fn points() -> points::Points {
    points::Points {
        score_daily_cap: 40,
        values: vec!["客户第一".to_owned(), "协作".to_owned()],
        give: points::Give {
            weekly_allowance: 10,
            max_per_act: 3,
            per_pair_per_day: 1,
            reason_min_chars: 6,
            pair_saturation: 0.5,
            payback_window_days: 7,
        },
    }
}

fn report() -> reports::Report {
    reports::Report {
        when: ScheduleSpec::Weekly {
            weekday: Weekday::Mon,
            time: NaiveTime::from_hms_opt(10, 0, 0).unwrap(),
        },
        min_cell: 5,
    }
}

#[test]
fn an_empty_file_is_all_defaults_and_no_features() {
    let checked = read("").unwrap();
    assert_eq!(format!("{checked:?}"), format!("{:?}", expected()));
    // `Debug` hides the address of the store.
    assert_eq!(checked.store, expected().store);
}

#[test]
fn the_built_in_file_loads_and_switches_points_and_report_on() {
    let mut expected = expected();
    expected.rules.points = Some(points());
    expected.rules.report = Some(report());
    assert_eq!(format!("{:?}", read(builtin::TEXT).unwrap()), format!("{expected:?}"));
}

#[test]
fn a_section_without_keys_is_the_section_with_defaults() {
    let rules = read("[points]\n[report]\n").unwrap().rules;
    assert_eq!(rules.points, Some(points()));
    assert_eq!(rules.report, Some(report()));
    let rules = read("[points.give]\nweekly_allowance = 20\n").unwrap().rules;
    let mut changed = points();
    changed.give.weekly_allowance = 20;
    assert_eq!((rules.points, rules.report), (Some(changed), None));
}

#[test]
fn every_key_of_every_section_is_in_the_sample_and_loads() {
    let (env, text) = (environment(), full_sample());
    let loader = Loader::new(&env, &PLATFORMS);
    let (result, asked) = loader.load_and_trace(&text, "sample");
    let checked = result.unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(
        (
            checked.roles.len(),
            checked.rules.groups.len(),
            checked.rules.columns.len()
        ),
        (1, 1, 1)
    );
    assert!(checked.server.public_url.is_some() && checked.holidays.file.is_some());

    // The four forms of a repetition are shown once, in comments.
    let once: BTreeSet<&str> = ["weekday", "day", "nth", "cron", "time"].into();
    let missing: Vec<String> = asked
        .into_iter()
        .filter(|pattern| {
            let (table, key) = pattern.rsplit_once('.').unwrap_or(("", pattern));
            let shown = builtin::keys_of(table).iter().any(|k| k == key);
            !shown && !once.contains(key) && table != "app[]"
        })
        .collect();
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn defaults_of_blocks_come_from_the_sample() {
    let text = format!(
        "{APP}[[group_rule]]\nid = \"g\"\napp = \"fs\"\ndepartment = \"研发\"\n\
         [[column]]\nid = \"c\"\ntitle = \"t\"\napp = \"fs\"\nchats = [\"rule:g\"]\n\
         every = {{ nth = \"last_workday\", time = 17:00 }}\n"
    );
    let rules = read(&text).unwrap_or_else(|problems| panic!("{problems}")).rules;
    let (group, column) = (&rules.groups[0], &rules.columns[0]);
    assert_eq!(
        (group.depth, group.name.as_str(), group.owner.len()),
        (1, "{dept}·技术交流", 3)
    );
    assert_eq!((column.min_items, column.lateness, column.enabled), (2, DAY / 12, true));
    assert_eq!((column.zone, column.on_holiday), (None, None));
    assert_eq!(
        column.every,
        ScheduleSpec::NthWorkday {
            nth: NthWorkday::LAST,
            time: NaiveTime::from_hms_opt(17, 0, 0).unwrap(),
        }
    );
}

#[test]
fn gaps_between_sample_and_platforms_are_named() {
    let gaps = builtin::sample_gaps(&PLATFORMS);
    assert_eq!(gaps, ["fake: no block", "fake_private: no block"]);
    let other = PlatformEntry {
        kinds: &["wecom_webhook"],
        keys: |_| &KEYS[..2],
        build,
    };
    let gaps = builtin::sample_gaps(&[other]);
    assert_eq!(
        gaps,
        [
            "wecom_webhook: app_id is not shown",
            "wecom_webhook: chat is not a key",
            "wecom_webhook: key is not a key"
        ]
    );
}

#[test]
fn the_sample_shows_every_key_of_every_platform() {
    assert_eq!(builtin::sample_gaps(crate::adapters::ALL), Vec::<String>::new());
}

#[test]
fn the_apps_of_the_sample_are_read_key_by_key() {
    // Only the variables are missing, and values that an adapter checks are examples.
    let problems = load(builtin::sample(), "sample", &environment(), crate::adapters::ALL).unwrap_err();
    for problem in &problems {
        let known = problem.what.starts_with("the variable ") || problem.key.starts_with("app[");
        assert!(
            known && problem.what != "there is no such key" && problem.what != "is missing",
            "{problem:?}"
        );
    }
}
