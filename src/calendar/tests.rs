//! The figures of 2026, files that are refused, offices, working time, and the file for others.

use chrono::{Datelike as _, Days, NaiveDate, Weekday};
use hutong_model::Timestamp;
use proptest::prelude::*;

use super::national::{read, year_in_name};
use super::worktime::{at_work, working_hours_before};
use super::*;
use crate::schedule::calendar::{instant, wall_clock};
use crate::schedule::{Coverage, NthWorkday};

const YEARS: [(i32, &str); 3] = [
    (2024, include_str!("../../config/holidays-cn/2024.json")),
    (2025, include_str!("../../config/holidays-cn/2025.json")),
    (2026, include_str!("../../config/holidays-cn/2026.json")),
];

fn d(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// Only from the shipped files, nothing built in.
fn from_files() -> WorkdayTable {
    let mut table = WorkdayTable::default();
    for (year, text) in YEARS {
        table.add_year(&read(text, Some(year)).unwrap());
    }
    table
}

#[test]
fn the_shipped_files_say_what_the_built_in_table_says() {
    let (files, table) = (from_files(), WorkdayTable::china().unwrap());
    for date in d("2024-01-01").iter_days().take_while(|x| *x <= d("2026-12-31")) {
        assert_eq!(files.is_workday(date), table.is_workday(date), "{date}");
        assert_eq!(files.is_makeup(date), table.is_makeup(date), "{date}");
    }
    for (year, _) in YEARS {
        assert_eq!(files.coverage(year), Coverage::Published);
    }
    assert_eq!(files.coverage(2027), Coverage::Missing);
}

#[test]
fn the_figures_of_2026() {
    let table = from_files();
    let year: Vec<NaiveDate> = d("2026-01-01").iter_days().take(365).collect();
    let mut months = [0; 12];
    for date in &year {
        months[date.month0() as usize] += usize::from(table.is_workday(*date));
    }
    assert_eq!(months, [21, 16, 22, 21, 19, 21, 23, 21, 22, 18, 21, 23]);
    let first = |month: u32| NthWorkday::First(1).find(NaiveDate::from_ymd_opt(2026, month, 1).unwrap(), &table);
    let last = |month: u32| NthWorkday::Last(1).find(NaiveDate::from_ymd_opt(2026, month, 1).unwrap(), &table);
    assert_eq!((first(1), first(5)), (Some(d("2026-01-04")), Some(d("2026-05-06"))));
    assert_eq!((first(10), last(2)), (Some(d("2026-10-08")), Some(d("2026-02-28"))));
    assert_eq!(
        [
            d("2026-01-04").weekday(),
            d("2026-05-06").weekday(),
            d("2026-10-08").weekday(),
            d("2026-02-28").weekday()
        ],
        [Weekday::Sun, Weekday::Wed, Weekday::Thu, Weekday::Sat]
    );
    let mut weeks = std::collections::BTreeMap::new();
    for date in year.iter().filter(|x| table.is_workday(**x)) {
        *weeks.entry(date.iso_week().week()).or_insert(0) += 1;
    }
    assert_eq!(weeks.get(&8), None);
    assert_eq!((weeks[&40], weeks[&41], weeks[&7], weeks[&38]), (3, 3, 6, 6));
}

#[test]
fn a_file_is_refused_with_line_and_reason() {
    let file =
        |year: i32, days: &str| format!("{{\n \"year\": {year},\n \"papers\": [],\n \"days\": [\n{days}\n ]\n}}\n");
    let day = |date: &str| format!("  {{\"name\": \"元旦\", \"date\": \"{date}\", \"isOffDay\": true}}");
    for (text, expected, line, part) in [
        (file(2026, &day("2026-01-01")), Some(2027), 2, "its name says 2027"),
        (
            file(2027, &[day("2027-01-01"), day("2026-05-01")].join(",\n")),
            None,
            6,
            "not in 2027",
        ),
        (
            file(2027, &[day("2027-01-01"), day("2027-02-30")].join(",\n")),
            None,
            6,
            "not a date",
        ),
        (
            file(2027, &[day("2027-01-01"), day("2027-01-01")].join(",\n")),
            None,
            5,
            "twice",
        ),
        (file(2027, ""), None, 4, "no days"),
        (
            "{\n \"year\": 2027,\n \"days\": [\n".to_owned(),
            None,
            4,
            "published layout",
        ),
    ] {
        let error = read(&text, expected).unwrap_err();
        assert_eq!(error.line, line, "{error}");
        assert!(error.what.contains(part), "{error}");
    }
    assert_eq!(year_in_name("config/2027.json"), Some(2027));
    assert_eq!(year_in_name("holidays-2027.json"), Some(2027));
    assert_eq!(year_in_name("holidays.json"), None);
}

#[test]
fn december_days_may_come_with_the_next_year() {
    let mut table = from_files();
    assert!(table.is_workday(d("2026-12-31")));
    let next = read(
        r#"{"year": 2027, "papers": [], "days": [
            {"name": "元旦", "date": "2026-12-31", "isOffDay": true},
            {"name": "元旦", "date": "2027-01-01", "isOffDay": true},
            {"name": "元旦", "date": "2026-12-27", "isOffDay": false}]}"#,
        Some(2027),
    )
    .unwrap();
    table.add_year(&next);
    assert!(!table.is_workday(d("2026-12-31")) && table.is_makeup(d("2026-12-27")));
    // The rest of 2026 stands.
    assert!(!table.is_workday(d("2026-10-01")) && table.is_makeup(d("2026-10-10")));
}

fn office(id: &str, zone: Tz, weekends_only: bool) -> Office {
    Office {
        id: id.to_owned(),
        zone,
        groups: vec![format!("fs:oc_{id}")],
        departments: vec![format!("{id}部")],
        weekends_only,
        days_off: vec![DayOff {
            date: d("2026-11-09"),
            name: "Deepavali".to_owned(),
        }],
    }
}

#[test]
fn dates_are_those_of_the_office_that_reads() {
    let mut calendar = WorkCalendar::plain(chrono_tz::Asia::Shanghai, from_files());
    calendar.offices = vec![
        office("sgp", chrono_tz::Asia::Singapore, true),
        office("ber", chrono_tz::Europe::Berlin, false),
    ];
    let (app, chat) = (AppId::new("fs").unwrap(), ChatId::new("oc_sgp").unwrap());
    let by_group = calendar.office_of(Some((&app, &chat)), &Place::default());
    assert_eq!(by_group.map(|o| o.id.as_str()), Some("sgp"));
    let place = Place {
        chat: None,
        departments: vec![
            "d7".to_owned(),
            "嵌入式组".to_owned(),
            "d1".to_owned(),
            "ber部".to_owned(),
        ],
    };
    assert_eq!(calendar.office_of(None, &place).map(|o| o.id.as_str()), Some("ber"));
    let entered = [
        store::Entered {
            scope: store::COMPANY.to_owned(),
            date: d("2026-12-30"),
            name: "公司调休".to_owned(),
        },
        store::Entered {
            scope: store::office_scope("ber"),
            date: d("2026-12-29"),
            name: String::new(),
        },
    ];
    let (sgp, ber) = (
        calendar.desk(calendar.offices.first(), &entered),
        calendar.desk(calendar.offices.get(1), &entered),
    );
    // Not the Chinese holidays, but its own and the company's.
    assert!(sgp.days.is_workday(d("2026-10-01")) && !ber.days.is_workday(d("2026-10-01")));
    assert!(!sgp.days.is_workday(d("2026-11-09")) && !sgp.days.is_workday(d("2026-12-30")));
    assert!(sgp.days.is_workday(d("2026-12-29")) && !ber.days.is_workday(d("2026-12-29")));
    assert_eq!(calendar.zones().len(), 3);
}

#[test]
fn working_hours_back_from_a_monday() {
    let calendar = WorkCalendar::plain(chrono_tz::Asia::Shanghai, from_files());
    let desk = calendar.desk(None, &[]);
    let at = |text: &str| instant(desk.zone, text.parse().unwrap()).unwrap();
    let shown = |t: Timestamp| wall_clock(desk.zone, t).unwrap().to_string();
    let hours = Hours::default();
    // Monday 09:30: half an hour of Monday, the rest of Friday.
    let monday = at("2026-11-30T09:30:00");
    let back = |n| working_hours_before(&desk, hours, monday, n).map(shown);
    assert_eq!(back(4).as_deref(), Some("2026-11-27 14:30:00"));
    assert_eq!(back(24).as_deref(), Some("2026-11-25 12:30:00"));
    // Over the National Day: 8 October is a Thursday after a week off.
    let thursday = at("2026-10-08T09:30:00");
    assert_eq!(
        working_hours_before(&desk, hours, thursday, 4).map(shown).as_deref(),
        Some("2026-09-30 14:30:00")
    );
    assert!(at_work(&desk, hours, at("2026-10-10T10:00:00")) && !at_work(&desk, hours, at("2026-10-01T10:00:00")));
    assert!(!at_work(&desk, hours, at("2026-11-30T18:00:00")));
    assert_eq!(
        Hours::parse("9:00-18:30").map(|h| h.to.to_string()).as_deref(),
        Some("18:30:00")
    );
    assert!(Hours::parse("18:00-09:00").is_none() && Hours::parse("9").is_none());
}

/// A reader of its own for the file: unfolds, takes the events apart, undoes the escapes.
fn parse_ics(text: &str) -> Vec<std::collections::BTreeMap<String, String>> {
    assert!(text.ends_with("END:VCALENDAR\r\n"));
    assert!(text.split("\r\n").all(|line| line.len() <= 75 && !line.contains('\n')));
    let unfolded = text.replace("\r\n ", "");
    let mut events = Vec::new();
    let mut current = None;
    for line in unfolded.split("\r\n").filter(|l| !l.is_empty()) {
        let (name, value) = line.split_once(':').expect("a name and a value");
        match (name, value) {
            ("BEGIN", "VEVENT") => current = Some(std::collections::BTreeMap::new()),
            ("END", "VEVENT") => events.push(current.take().expect("an event that was begun")),
            _ => {
                if let Some(event) = &mut current {
                    let mut plain = String::new();
                    let mut chars = value.chars();
                    while let Some(c) = chars.next() {
                        match c {
                            '\\' => match chars.next() {
                                Some('n') => plain.push('\n'),
                                Some(c) => plain.push(c),
                                None => panic!("a backslash at the end"),
                            },
                            c => plain.push(c),
                        }
                    }
                    event.insert(name.to_owned(), plain);
                }
            }
        }
    }
    events
}

#[test]
fn the_file_is_read_by_another_parser() {
    let entries = [
        ics::Entry {
            uid: "day-2026-10-01".to_owned(),
            summary: "国庆节; \"a, b\" \\ 两行\n再一行".to_owned(),
            when: ics::When::Day(d("2026-10-01")),
        },
        ics::Entry {
            uid: "column-news".to_owned(),
            summary: "每周资讯".repeat(20),
            when: ics::When::Minute {
                local: "2026-11-30T09:30:00".parse().unwrap(),
                zone: chrono_tz::Asia::Shanghai,
            },
        },
    ];
    let text = ics::file("海星科技", &entries, Timestamp(0));
    let events = parse_ics(&text);
    assert_eq!(events.len(), 2);
    assert_eq!(events[0]["SUMMARY"], entries[0].summary);
    assert_eq!(events[0]["DTSTART;VALUE=DATE"], "20261001");
    assert_eq!(events[0]["DTEND;VALUE=DATE"], "20261002");
    assert_eq!(events[1]["SUMMARY"], entries[1].summary);
    assert_eq!(events[1]["DTSTART"], "20261130T013000Z");
    assert_eq!(events[1]["DTSTAMP"], "19700101T000000Z");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a day is called, another parser reads the same.
    #[test]
    fn any_name_survives_the_file(summary in "[^\\p{C}]{1,60}") {
        let entry = ics::Entry { uid: "x".into(), summary: summary.clone(), when: ics::When::Day(d("2026-01-01")) };
        let events = parse_ics(&ics::file("n", &[entry], Timestamp(0)));
        prop_assert_eq!(&events[0]["SUMMARY"], &summary);
    }

    /// Counting working hours back and then forth again comes to the same count.
    #[test]
    fn hours_back_are_hours_forth(day in 0u64..365, minute in 0i64..1440, count in 1u32..40) {
        let calendar = WorkCalendar::plain(chrono_tz::Asia::Shanghai, from_files());
        let desk = calendar.desk(None, &[]);
        let hours = Hours::default();
        let date = d("2025-02-01") + Days::new(day);
        let until = date.and_time(chrono::NaiveTime::MIN) + chrono::TimeDelta::minutes(minute);
        let end = instant(desk.zone, until).unwrap();
        let from = working_hours_before(&desk, hours, end, count).unwrap();
        let mut worked = 0;
        let mut t = from;
        while t < end {
            worked += u32::from(at_work(&desk, hours, t));
            t = t + std::time::Duration::from_secs(60);
        }
        prop_assert_eq!(worked, count * 60);
    }
}
