//! Misfire policies, without a database.

mod loops;

use super::*;
use chrono::{DateTime, NaiveDate, Utc};
use proptest::prelude::*;

fn schedule(cron: &str, misfire: Misfire, grace: Duration) -> Schedule {
    let today = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
    Schedule {
        id: "j".into(),
        rule: "columns".into(),
        spec: Spec::Cron(CronExpr::parse(cron, today).unwrap()),
        zone: Tz::UTC,
        misfire,
        grace,
    }
}
fn t(text: &str) -> Timestamp {
    Timestamp(
        format!("2026-11-{text}Z")
            .parse::<DateTime<Utc>>()
            .unwrap()
            .timestamp_millis(),
    )
}
/// Minutes that fire and minutes that are missed.
fn split(schedule: &Schedule, last: &str, now: &str) -> (Vec<String>, Vec<String>) {
    let (fire, missed): (Vec<Due>, Vec<Due>) = due(schedule, Some(t(last)), t(now))
        .into_iter()
        .partition(|d| d.verdict == Verdict::Fire);
    let texts = |list: Vec<Due>| list.iter().map(|d| d.occurrence.local_text()[8..].to_owned()).collect();
    (texts(fire), texts(missed))
}
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn down_at_nine_up_at_eleven() {
    let skip = schedule("0 9 * * *", Misfire::Skip, 12 * HOUR);
    assert_eq!(
        split(&skip, "23T09:00:00", "24T11:00:00"),
        (vec![], vec!["24T09:00".to_owned()])
    );
    let once = schedule("*/30 9-10 * * *", Misfire::Once, 12 * HOUR);
    let (fire, missed) = split(&once, "24T08:00:00", "24T11:00:00");
    assert_eq!(fire, ["24T10:30"]);
    assert_eq!(missed, ["24T09:00", "24T09:30", "24T10:00"]);
    let all = schedule("*/30 9-10 * * *", Misfire::All, 12 * HOUR);
    let (fire, missed) = split(&all, "24T08:00:00", "24T11:00:00");
    assert_eq!(fire, ["24T09:00", "24T09:30", "24T10:00", "24T10:30"]);
    assert!(missed.is_empty());
}

#[test]
fn grace_bounds_what_is_made_up_for() {
    let once = schedule("0 9 * * *", Misfire::Once, HOUR);
    assert_eq!(split(&once, "23T09:00:00", "24T10:00:00").0, ["24T09:00"]);
    assert!(split(&once, "23T09:00:00", "24T10:00:01").0.is_empty());
    let all = schedule("0 * * * *", Misfire::All, 2 * HOUR);
    assert_eq!(split(&all, "24T03:00:00", "24T11:30:00").0, ["24T10:00", "24T11:00"]);
    // A short stop over the minute is no misfire, even without any grace.
    let skip = schedule("0 9 * * *", Misfire::Skip, Duration::ZERO);
    assert_eq!(split(&skip, "23T09:00:00", "24T09:00:59").0, ["24T09:00"]);
}

#[test]
fn a_new_schedule_owes_nothing_and_a_clock_that_went_back_neither() {
    let all = schedule("* * * * *", Misfire::All, 12 * HOUR);
    assert!(due(&all, None, t("24T09:00:00")).is_empty());
    assert!(due(&all, Some(t("24T09:00:00")), t("24T08:00:00")).is_empty());
    assert!(due(&all, Some(t("24T09:00:00")), t("24T09:00:00")).is_empty());
    assert_eq!(due(&all, Some(t("24T09:00:00")), t("24T09:01:00")).len(), 1);
}

#[test]
fn a_year_of_absence_stays_small() {
    let all = schedule("* * * * *", Misfire::All, 12 * HOUR);
    let last = t("24T09:00:00") - Duration::from_secs(366 * 86_400);
    let list = due(&all, Some(last), t("24T09:00:00"));
    assert_eq!(list.len(), MOST_AT_ONCE);
    assert_eq!(list.last().unwrap().occurrence.local_text(), "2026-11-24T09:00");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// However the ticks fall, each occurrence is decided about exactly once.
    #[test]
    fn each_occurrence_is_decided_once(gaps in proptest::collection::vec(1i64..9000, 1..40), misfire in 0usize..3) {
        let misfire = [Misfire::Skip, Misfire::Once, Misfire::All][misfire];
        let s = schedule("*/7 * * * *", misfire, HOUR);
        let start = t("24T00:00:00");
        let mut last = start;
        let mut now = start;
        let mut seen = Vec::new();
        for gap in gaps {
            now = now + Duration::from_secs(gap as u64);
            let list = due(&s, Some(last), now);
            if let Some(newest) = list.last() {
                last = newest.occurrence.slot;
            }
            for d in list {
                let late = now.since(d.occurrence.slot);
                if d.verdict == Verdict::Fire {
                    prop_assert!(late <= HOUR);
                } else {
                    prop_assert!(late > ON_TIME || misfire == Misfire::Once);
                }
                seen.push(d.occurrence);
            }
        }
        prop_assert_eq!(seen, calendar::between(&s.spec, s.zone, start, now));
    }
}
