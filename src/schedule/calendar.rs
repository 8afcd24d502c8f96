//! From wall-clock time to instants.
//!
//! A rule is evaluated on the clock on the wall and only then mapped to its zone, because a search
//! by instants skips or doubles days when clocks change. The mapping has two rules:
//!
//! * a minute that does not exist (clocks go forward) stands for the first instant after the gap;
//! * a minute that exists twice (clocks go back) stands for the earlier one.
//!
//! So a daily job fires exactly once for every date of its zone. A date that the zone left out as a
//! whole (Apia, 30 December 2011) has no occurrence. Several minutes of one gap share an instant and
//! fire once.

use chrono::{DateTime, Duration, MappedLocalTime, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;
use hutong_model::Timestamp;

use super::spec::Spec;

/// One planned firing. `local` is the wall-clock minute it stands for and, with the job's id, its
/// identity; `slot` the instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Occurrence {
    pub slot: Timestamp,
    pub local: NaiveDateTime,
}

impl Occurrence {
    /// `2026-11-24T09:30`.
    pub fn local_text(&self) -> String {
        self.local.format("%Y-%m-%dT%H:%M").to_string()
    }
}

/// The occurrences of a rule in a zone strictly after an instant, in order, each instant once.
#[derive(Debug, Clone)]
pub struct Occurrences<'a> {
    spec: &'a Spec,
    zone: Tz,
    /// Wall-clock position of the search; `None` when the instant is beyond the calendar.
    cursor: Option<NaiveDateTime>,
    floor: Timestamp,
}

impl<'a> Occurrences<'a> {
    pub fn after(spec: &'a Spec, zone: Tz, after: Timestamp) -> Self {
        Self {
            spec,
            zone,
            cursor: wall_clock(zone, after),
            floor: after,
        }
    }
}

impl Iterator for Occurrences<'_> {
    type Item = Occurrence;

    fn next(&mut self) -> Option<Occurrence> {
        loop {
            let local = self.spec.next_after(self.cursor?)?;
            self.cursor = Some(local);
            // Not later than the last one: the second pass of a repeated hour, or another minute of
            // the same gap.
            if let Some(slot) = instant(self.zone, local).filter(|slot| *slot > self.floor) {
                self.floor = slot;
                return Some(Occurrence { slot, local });
            }
        }
    }
}

/// The next occurrence strictly after `after`.
pub fn next_after(spec: &Spec, zone: Tz, after: Timestamp) -> Option<Occurrence> {
    Occurrences::after(spec, zone, after).next()
}

/// All occurrences later than `from` and not later than `to`.
pub fn between(spec: &Spec, zone: Tz, from: Timestamp, to: Timestamp) -> Vec<Occurrence> {
    Occurrences::after(spec, zone, from)
        .take_while(|o| o.slot <= to)
        .collect()
}

/// What the clock on the wall shows at an instant.
pub fn wall_clock(zone: Tz, at: Timestamp) -> Option<NaiveDateTime> {
    let utc = DateTime::<Utc>::from_timestamp_millis(at.millis())?;
    Some(zone.from_utc_datetime(&utc.naive_utc()).naive_local())
}

/// The instant a wall-clock time stands for, by the two rules above; `None` when the zone has no
/// such date.
pub fn instant(zone: Tz, local: NaiveDateTime) -> Option<Timestamp> {
    match zone.from_local_datetime(&local) {
        MappedLocalTime::Single(t) | MappedLocalTime::Ambiguous(t, _) => Some(Timestamp(t.timestamp_millis())),
        MappedLocalTime::None => after_gap(zone, local),
    }
}

fn after_gap(zone: Tz, local: NaiveDateTime) -> Option<Timestamp> {
    // Offsets lie within 14 h of UTC on both sides, so the end of the gap lies in this span; within
    // it the wall clock passes `local` exactly once.
    let shown = |utc: NaiveDateTime| zone.from_utc_datetime(&utc).naive_local();
    let (mut before, mut after) = (local - Duration::hours(28), local + Duration::hours(28));
    while after - before > Duration::seconds(1) {
        let middle = before + Duration::seconds((after - before).num_seconds() / 2);
        if shown(middle) >= local {
            after = middle;
        } else {
            before = middle;
        }
    }
    let whole_date_missing = shown(before).date() < local.date() && shown(after).date() > local.date();
    if whole_date_missing {
        return None;
    }
    Some(Timestamp(after.and_utc().timestamp_millis()))
}

#[cfg(test)]
mod tests {
    use super::super::cron::CronExpr;
    use super::*;
    use chrono::{Datelike, NaiveDate, NaiveTime};
    use proptest::prelude::*;

    fn daily(time: &str) -> Spec {
        Spec::Daily {
            time: NaiveTime::parse_from_str(time, "%H:%M").unwrap(),
        }
    }
    fn cron(text: &str) -> Spec {
        Spec::Cron(CronExpr::parse(text, NaiveDate::from_ymd_opt(2026, 1, 1).unwrap()).unwrap())
    }
    fn utc(text: &str) -> Timestamp {
        Timestamp(text.parse::<DateTime<Utc>>().unwrap().timestamp_millis())
    }
    /// Local minute and UTC instant of the first `n` occurrences.
    fn list(spec: &Spec, zone: Tz, after: &str, n: usize) -> Vec<(String, String)> {
        Occurrences::after(spec, zone, utc(after))
            .take(n)
            .map(|o| {
                let t = DateTime::<Utc>::from_timestamp_millis(o.slot.millis()).unwrap();
                (o.local_text(), t.format("%m-%dT%H:%MZ").to_string())
            })
            .collect()
    }
    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn shanghai_is_plain() {
        assert_eq!(
            list(&daily("09:30"), Tz::Asia__Shanghai, "2026-11-24T01:30:00Z", 2),
            pairs(&[
                ("2026-11-25T09:30", "11-25T01:30Z"),
                ("2026-11-26T09:30", "11-26T01:30Z")
            ])
        );
        assert_eq!(
            list(&daily("09:30"), Tz::Asia__Shanghai, "2026-11-24T01:29:59.999Z", 1),
            pairs(&[("2026-11-24T09:30", "11-24T01:30Z")])
        );
    }

    #[test]
    fn new_york_gap_and_fold() {
        // 2026-03-08 02:00 → 03:00 and 2026-11-01 02:00 → 01:00.
        for spec in [daily("02:30"), cron("30 2 * * *")] {
            assert_eq!(
                list(&spec, Tz::America__New_York, "2026-03-07T12:00:00Z", 2),
                pairs(&[
                    ("2026-03-08T02:30", "03-08T07:00Z"),
                    ("2026-03-09T02:30", "03-09T06:30Z")
                ])
            );
        }
        for spec in [daily("01:30"), cron("30 1 * * *")] {
            assert_eq!(
                list(&spec, Tz::America__New_York, "2026-10-31T12:00:00Z", 2),
                pairs(&[
                    ("2026-11-01T01:30", "11-01T05:30Z"),
                    ("2026-11-02T01:30", "11-02T06:30Z")
                ])
            );
            // Asked within the second pass, it does not go back in time.
            assert_eq!(
                list(&spec, Tz::America__New_York, "2026-11-01T06:15:00Z", 1),
                pairs(&[("2026-11-02T01:30", "11-02T06:30Z")])
            );
        }
    }

    #[test]
    fn the_minutes_of_a_gap_fire_once() {
        assert_eq!(
            list(&cron("*/20 * * * *"), Tz::America__New_York, "2026-03-08T06:30:00Z", 4),
            pairs(&[
                ("2026-03-08T01:40", "03-08T06:40Z"),
                ("2026-03-08T02:00", "03-08T07:00Z"),
                ("2026-03-08T03:20", "03-08T07:20Z"),
                ("2026-03-08T03:40", "03-08T07:40Z"),
            ])
        );
    }

    #[test]
    fn lord_howe_shifts_by_half_an_hour() {
        // 2026-10-04 02:00 → 02:30 (+10:30 → +11), 2026-04-05 02:00 → 01:30.
        assert_eq!(
            list(&daily("02:15"), Tz::Australia__Lord_Howe, "2026-10-03T00:00:00Z", 2),
            pairs(&[
                ("2026-10-04T02:15", "10-03T15:30Z"),
                ("2026-10-05T02:15", "10-04T15:15Z")
            ])
        );
        assert_eq!(
            list(&daily("01:45"), Tz::Australia__Lord_Howe, "2026-04-04T00:00:00Z", 2),
            pairs(&[
                ("2026-04-05T01:45", "04-04T14:45Z"),
                ("2026-04-06T01:45", "04-05T15:15Z")
            ])
        );
    }

    #[test]
    fn apia_had_no_30_december_2011() {
        let dates: Vec<String> = list(&daily("09:00"), Tz::Pacific__Apia, "2011-12-28T00:00:00Z", 4)
            .into_iter()
            .map(|(local, _)| local)
            .collect();
        assert_eq!(
            dates,
            [
                "2011-12-28T09:00",
                "2011-12-29T09:00",
                "2011-12-31T09:00",
                "2012-01-01T09:00"
            ]
        );
    }

    #[test]
    fn a_gap_that_ends_at_midnight_keeps_its_date() {
        // Nuuk, 2025-03-29 23:00 → 2025-03-30 00:00.
        assert_eq!(
            list(&daily("23:30"), Tz::America__Nuuk, "2025-03-29T12:00:00Z", 2),
            pairs(&[
                ("2025-03-29T23:30", "03-30T01:00Z"),
                ("2025-03-30T23:30", "03-31T00:30Z")
            ])
        );
    }

    #[test]
    fn casey_once_lost_three_hours() {
        // 2020-10-04 00:01 → 03:01; a search that gives up after an hour never fires again.
        assert_eq!(
            list(&daily("00:30"), Tz::Antarctica__Casey, "2020-10-03T12:00:00Z", 2),
            pairs(&[
                ("2020-10-04T00:30", "10-03T16:01Z"),
                ("2020-10-05T00:30", "10-04T13:30Z")
            ])
        );
    }

    /// Every date of the zone in `years` has exactly one firing, in order.
    fn one_firing_per_date(zone: Tz, time: &str, years: std::ops::Range<i32>) -> u64 {
        let spec = daily(time);
        let from = NaiveDate::from_ymd_opt(years.start, 1, 1).unwrap();
        let to = NaiveDate::from_ymd_opt(years.end, 1, 1).unwrap();
        let start = instant(zone, from.and_time(NaiveTime::MIN)).unwrap();
        let mut expected = from;
        let mut fired = 0;
        let mut last = Timestamp(start.millis() - 1);
        for o in Occurrences::after(&spec, zone, last) {
            if o.local.date() >= to {
                break;
            }
            assert_eq!(o.local.date(), expected, "{zone} {time}");
            assert!(o.slot > last, "{zone} {time} {expected}");
            // The clock shows the wanted minute, or a little more where that minute does not exist.
            let shown = wall_clock(zone, o.slot).unwrap();
            let late = (shown - o.local).num_minutes();
            assert!((0..=180).contains(&late), "{zone} {time} {expected}: shown {shown}");
            last = o.slot;
            expected = expected.succ_opt().unwrap();
            fired += 1;
        }
        assert_eq!(expected, to, "{zone} {time}");
        fired
    }

    #[test]
    fn daily_jobs_fire_once_per_local_day_in_every_zone() {
        const TIMES: [&str; 6] = ["00:00", "00:30", "01:30", "02:00", "02:30", "03:00"];
        let all = std::env::var("HUTONG_SOAK").is_ok_and(|v| v == "night");
        let mut fired = 0;
        for (i, zone) in chrono_tz::TZ_VARIANTS.iter().enumerate() {
            for (j, time) in TIMES.iter().enumerate() {
                if all {
                    fired += one_firing_per_date(*zone, time, 2020..2030);
                } else if (i + j) % 6 == 0 {
                    // Every zone with one of the times in one year, which one differs by zone.
                    let year = 2020 + (i % 10) as i32;
                    fired += one_firing_per_date(*zone, time, year..year + 1);
                }
            }
        }
        let zones = chrono_tz::TZ_VARIANTS.len() as u64;
        let least = if all { zones * 6 * 3650 } else { zones * 365 };
        assert!(fired >= least, "{fired} firings in {zones} zones");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Asking step by step, with a fresh search each time, gives the same list as one search.
        #[test]
        fn stepping_equals_iterating(zone in 0..chrono_tz::TZ_VARIANTS.len(), day in 0i64..3650, minutes in 1u32..59) {
            let zone = chrono_tz::TZ_VARIANTS[zone];
            let spec = cron(&format!("*/{minutes} */5 * * *"));
            let start = Timestamp::from_secs(1_577_836_800 + day * 86_400);
            let listed: Vec<Occurrence> = Occurrences::after(&spec, zone, start).take(40).collect();
            let mut t = start;
            for o in &listed {
                let next = next_after(&spec, zone, t).unwrap();
                prop_assert_eq!(next, *o);
                prop_assert!(o.slot > t);
                t = o.slot;
            }
            let last = listed[listed.len() - 1].slot;
            prop_assert_eq!(between(&spec, zone, start, last), listed);
            prop_assert!(wall_clock(zone, last).unwrap().year() >= 2019);
        }
    }
}
