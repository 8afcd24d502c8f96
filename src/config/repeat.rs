//! Reading when something repeats.

use super::field::{Field, State, Wrong, quoted};
use super::reader::Reader;
use super::schedule_spec::{NthWorkday, ScheduleSpec, parse_nth_weekday, parse_weekday};

const FORMS: &str = "use one of { weekday = \"mon\", time = \"09:30\" }, { day = 1, time = \"09:30\" }, \
                     { nth = \"last_workday\", time = \"17:00\" }, { cron = \"30 9 * * 1-5\" }";

impl<'r> Reader<'r> {
    /// When something repeats: `{ weekday, time }`, `{ day, time }`, `{ nth, time }` or `{ cron }`.
    pub fn schedule(&mut self, name: &'static str) -> Field<'r, ScheduleSpec> {
        const EXAMPLE: &str = "{ weekday = \"mon\", time = \"09:30\" }";
        let key = self.key(name);
        let header = self.header.clone();
        let present = self.has(name) || self.defaults.is_some_and(|t| t.contains_key(name));
        let place = self.place_of(name);
        let state = match present {
            false => {
                self.ask(name);
                State::Missing
            }
            true => match self.table(name, read_schedule) {
                Some(spec) => State::Value(spec, place),
                None => State::Refused,
            },
        };
        Field {
            shared: self.shared,
            key,
            header,
            form: format!("{name} = {EXAMPLE}"),
            state,
            incomplete: false,
        }
    }
}

#[derive(Clone)]
enum Nth {
    Workday(NthWorkday),
    Weekday(i8, chrono::Weekday),
}

fn read_schedule(reader: &mut Reader<'_>) -> Option<ScheduleSpec> {
    let weekday = reader.text("weekday").parse(|text| {
        let hint = "use mon, tue, wed, thu, fri, sat, sun or 周一 to 周日; names only, no numbers";
        parse_weekday(&text).ok_or_else(|| Wrong::new(format!("{} is not a weekday", quoted(&text)), hint))
    });
    let weekday = weekday.maybe();
    let day = reader.integer("day").range(1..=31).maybe();
    let nth = reader.text("nth").parse(|text| {
        let hint = "use first_workday, 2nd_workday to 10th_workday, last_workday, or a weekday: 2nd mon, last fri";
        let workday = NthWorkday::parse(&text).map(Nth::Workday);
        let weekday = || parse_nth_weekday(&text).map(|(nth, weekday)| Nth::Weekday(nth, weekday));
        workday
            .or_else(weekday)
            .ok_or_else(|| Wrong::new(format!("{} is not a workday of a month", quoted(&text)), hint))
    });
    let nth = nth.maybe();
    let cron = reader.text("cron").maybe();
    let time = reader.time("time");

    // What the file says, else what the default says: never a mixture of the two.
    let choices = ["weekday", "day", "nth", "cron"];
    let mut named: Vec<&'static str> = choices.into_iter().filter(|name| reader.has(name)).collect();
    if named.is_empty() {
        named = choices.into_iter().filter(|name| reader.has_default(name)).collect();
    }
    let only = match named.as_slice() {
        [only] => *only,
        [] => {
            reader.shared.refuse(
                reader.header.clone(),
                &reader.path,
                Wrong::new("it does not say on which day", FORMS),
            );
            return None;
        }
        [_, second, ..] => {
            let what = format!("{} exclude each other", named.join(" and "));
            reader.wrong(second, Wrong::new(what, FORMS));
            return None;
        }
    };
    if only == "cron" {
        if reader.has("time") {
            reader.wrong(
                "time",
                Wrong::new("a cron expression already says the time", "take one of the two out"),
            );
            return None;
        }
        let text = cron?.split_whitespace().collect::<Vec<_>>().join(" ");
        return checked(reader, only, ScheduleSpec::Cron(text));
    }
    let time = time.get();
    let spec = match only {
        "weekday" => ScheduleSpec::Weekly {
            weekday: weekday?,
            time: time?,
        },
        "day" => ScheduleSpec::Monthly { day: day?, time: time? },
        _ => match nth? {
            Nth::Workday(nth) => ScheduleSpec::NthWorkday { nth, time: time? },
            Nth::Weekday(nth, weekday) => ScheduleSpec::NthWeekday {
                nth,
                weekday,
                time: time?,
            },
        },
    };
    checked(reader, only, spec)
}

/// Asks the scheduler whether this repetition makes sense.
fn checked(reader: &mut Reader<'_>, name: &'static str, spec: ScheduleSpec) -> Option<ScheduleSpec> {
    let check = reader.shared.schedule;
    match check(&spec) {
        Ok(()) => Some(spec),
        Err(why) => {
            reader.wrong(name, Wrong::new(format!("this repetition is not valid: {why}"), FORMS));
            None
        }
    }
}
