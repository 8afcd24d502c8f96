//! The contract for readers of sections, with sections that exist only here.

use std::collections::BTreeMap;
use std::time::Duration;

use toml::de::DeTable;

use super::*;
use crate::config::reader::Shared;
use crate::config::section::Root;
use crate::config::source::Source;
use crate::config::{Reader, Section, Wrong};

/// `[[calendar.office]]` with blocks and a table inside.
#[derive(Debug, PartialEq)]
struct Office {
    id: String,
    zone: chrono_tz::Tz,
    share: f64,
    breaks: Vec<Duration>,
    note: Option<String>,
    seats: u8,
}

impl Section for Office {
    const NAME: &'static str = "calendar.office";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let id = reader.id("id").get();
        let zone = reader.zone("zone").or(chrono_tz::Asia::Shanghai);
        let share = reader.number("share").range(0.0..=1.0).get();
        let breaks = reader.tables("break", |inner| inner.duration("length").get());
        let note = reader.text("note").length(1..=10).maybe();
        let seats = reader.table("room", |room| room.integer("seats").range(1..=40).get());
        Some(Self {
            id: id?,
            zone: zone?,
            share: share?,
            breaks: breaks?,
            note,
            seats: seats?,
        })
    }
}

/// Gives up without a word, against the contract.
#[derive(Debug)]
struct Silent;

impl Section for Silent {
    const NAME: &'static str = "silent";

    fn read(_: &mut Reader<'_>) -> Option<Self> {
        None
    }
}

/// Asks for one key and stops.
#[derive(Debug)]
struct Hasty;

impl Section for Hasty {
    const NAME: &'static str = "points";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        reader.integer("score_daily_cap").range(1..=10).get()?;
        reader.list("values").texts().get()?;
        reader.wrong("values", Wrong::new("never reached", ""));
        None
    }
}

fn with_root<T>(text: &str, read: impl FnOnce(&Root<'_>) -> T) -> (T, Vec<String>) {
    let (env, source) = (environment(), Source::new("t", text, Vec::new()));
    let document = DeTable::parse(text).unwrap();
    let shared = Shared::new(&source, &env, &|_| Ok(()), BTreeMap::new());
    let root = Root::new(&shared, document.get_ref());
    let value = read(&root);
    root.refuse_unknown();
    let told = shared
        .problems()
        .iter()
        .map(|p| format!("{}:{} {}: {}", p.line(), p.column(), p.key, p.what))
        .collect();
    (value, told)
}

#[test]
fn blocks_with_dotted_names_and_inner_tables() {
    let text = "\
[[calendar.office]]
id = \"bj\"
share = 1
room = { seats = 12 }
[[calendar.office.break]]
length = \"1h30m\"
[[calendar.office]]
id = \"bln\"
zone = \"Europe/Berlin\"
share = 0.25
note = \"Büro\"
[calendar.office.room]
seats = 4
";
    let (offices, told) = with_root(text, |root| root.many::<Office>());
    assert_eq!(told, Vec::<String>::new());
    let offices = offices.unwrap();
    assert_eq!(offices[0].breaks, [Duration::from_secs(5_400)]);
    assert_eq!(
        (offices[0].zone, offices[0].share, offices[0].seats),
        (chrono_tz::Asia::Shanghai, 1.0, 12)
    );
    assert_eq!(
        (offices[1].zone, offices[1].share, offices[1].seats),
        (chrono_tz::Europe::Berlin, 0.25, 4)
    );
    assert_eq!(
        (offices[1].id.as_str(), offices[1].note.as_deref()),
        ("bln", Some("Büro"))
    );
}

#[test]
fn problems_inside_name_the_whole_way() {
    let text = "\
[[calendar.office]]
id = \"bj\"
share = 1.5
room = { seats = 0, floor = 2 }
[[calendar.office.break]]
length = 5
[[calendar.office]]
id = \"bj\"
share = nan
[calendar.offices]
x = 1
";
    let (offices, told) = with_root(text, |root| root.many::<Office>());
    assert_eq!(offices, None);
    assert_eq!(
        told,
        [
            "3:9 calendar.office[1].share: 1.5 is out of range",
            "4:18 calendar.office[1].room.seats: 0 is out of range",
            "4:21 calendar.office[1].room.floor: there is no such key",
            "6:10 calendar.office[1].break[1].length: 5 is a whole number, a duration is needed",
            "7:1 calendar.office[2].room.seats: is missing",
            "8:6 calendar.office[2].id: the id \"bj\" stands twice",
            "9:9 calendar.office[2].share: nan is a number with a fraction, a number is needed",
            "10:11 calendar.offices: there is no such section",
        ]
    );
    let (_, told) = with_root("calendar = 3\n", |root| root.many::<Office>());
    assert_eq!(told, ["1:1 calendar: a whole number stands where a table is needed"]);
}

#[test]
fn a_reader_that_gives_up_silently_is_told_on() {
    let ((none, some), told) = with_root("[silent]\n", |root| (root.switch::<Silent>(), root.many::<Office>()));
    assert!(none.is_none() && some.is_some());
    assert_eq!(told, ["1:1 silent: cannot be used"]);
    let (absent, told) = with_root("", |root| root.switch::<Silent>());
    assert!(matches!(absent, Some(None)) && told.is_empty());
}

#[test]
fn keys_behind_an_early_end_are_not_called_unknown() {
    let (_, told) = with_root("[points]\nscore_daily_cap = 99\nvalues = []\nvalue = 1\n", |root| {
        root.switch::<Hasty>()
    });
    assert_eq!(
        told,
        [
            "2:19 points.score_daily_cap: 99 is out of range",
            "4:1 points.value: there is no such key"
        ]
    );
}
