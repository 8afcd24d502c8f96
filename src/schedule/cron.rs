//! Cron expressions as operators know them: the five fields of crontab(5).
//!
//! The `cron` package does the searching, but its dialect is another one: seconds first, weekdays
//! from 1 = Sunday, both day fields combined with AND, no ranges that wrap. So every field is read
//! here, expanded to an explicit list of numbers, and only those lists are handed on. Where both day
//! fields are restricted, two schedules are kept and the earlier of their answers is taken: that is
//! crontab's OR.
//!
//! Everything here is wall-clock time without a zone; [`super::calendar`] maps it to instants.

use chrono::{Days, Months, NaiveDate, NaiveDateTime};

/// Why a cron expression was refused. Names the field and the piece of text that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    #[error(
        "a cron expression has five fields (minute hour day-of-month month day-of-week), this one has {found}; \
         for example `30 9 * * mon` is every Monday at 09:30"
    )]
    FieldCount { found: usize },
    #[error("{field} `{value}`: {why}")]
    Field {
        field: &'static str,
        value: String,
        why: String,
    },
    #[error("`{source_text}` never fires in the five years from {from}: no date has that day and month")]
    NeverFires { source_text: String, from: NaiveDate },
    /// The package below refused lists of numbers that we made ourselves.
    #[error("`{source_text}` could not be evaluated: {why}")]
    Engine { source_text: String, why: String },
}

/// How far a firing is searched before an expression counts as one that never fires.
const SEARCH_YEARS: u32 = 5;

/// A checked cron expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronExpr {
    source: String,
    /// One schedule, or two whose union is meant (both day fields restricted).
    parts: Vec<::cron::Schedule>,
}

struct FieldSpec {
    name: &'static str,
    min: u32,
    max: u32,
    /// Values in a full circle, for ranges that wrap.
    size: u32,
    names: &'static [&'static str],
    /// The number of the first name.
    first_name: u32,
}

const MINUTE: FieldSpec = FieldSpec {
    name: "minute",
    min: 0,
    max: 59,
    size: 60,
    names: &[],
    first_name: 0,
};
const HOUR: FieldSpec = FieldSpec {
    name: "hour",
    min: 0,
    max: 23,
    size: 24,
    names: &[],
    first_name: 0,
};
const DAY_OF_MONTH: FieldSpec = FieldSpec {
    name: "day of month",
    min: 1,
    max: 31,
    size: 31,
    names: &[],
    first_name: 1,
};
const MONTH: FieldSpec = FieldSpec {
    name: "month",
    min: 1,
    max: 12,
    size: 12,
    names: &[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ],
    first_name: 1,
};
/// 0 and 7 are both Sunday.
const DAY_OF_WEEK: FieldSpec = FieldSpec {
    name: "day of week",
    min: 0,
    max: 7,
    size: 7,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    first_name: 0,
};

impl FieldSpec {
    fn error(&self, value: &str, why: impl Into<String>) -> CronError {
        CronError::Field {
            field: self.name,
            value: value.chars().take(40).collect(),
            why: why.into(),
        }
    }

    fn value(&self, text: &str, whole: &str) -> Result<u32, CronError> {
        let lower = text.to_ascii_lowercase();
        if let Some(i) = self.names.iter().position(|n| *n == lower) {
            return Ok(self.first_name + i as u32);
        }
        let digits = !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
        let number = if digits { text.parse::<u32>().ok() } else { None };
        match number {
            Some(n) if (self.min..=self.max).contains(&n) => Ok(n),
            Some(n) => Err(self.error(whole, format!("{n} is outside {}-{}", self.min, self.max))),
            None if self.names.is_empty() => Err(self.error(whole, format!("`{text}` is not a number"))),
            None => Err(self.error(
                whole,
                format!("`{text}` is neither a number nor one of {}", self.names.join(" ")),
            )),
        }
    }

    /// All values a field stands for, sorted, each once; weekdays as 0-6.
    fn expand(&self, field: &str) -> Result<Vec<u32>, CronError> {
        let mut values = Vec::new();
        for item in field.split(',') {
            let (range, step) = match item.split_once('/') {
                Some((range, step)) => (range, Some(step)),
                None => (item, None),
            };
            let (from, to, is_range) = if range == "*" {
                (self.min, self.min + self.size - 1, true)
            } else if let Some((from, to)) = range.split_once('-') {
                let (from, to) = (self.value(from, item)?, self.value(to, item)?);
                // A range may pass the end of the circle: 22-2, fri-mon, nov-feb.
                (from, if from <= to { to } else { to + self.size }, true)
            } else {
                let value = self.value(range, item)?;
                (value, value, false)
            };
            let step = match step {
                None => 1,
                Some(_) if !is_range => {
                    return Err(self.error(
                        item,
                        format!(
                            "a step needs `*` or a range before the slash, for example `{range}-{}/…`",
                            self.max
                        ),
                    ));
                }
                Some(text) => {
                    let digits = !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
                    match text.parse::<u32>() {
                        Ok(step) if digits && step >= 1 && step < self.size => step,
                        _ => {
                            return Err(self.error(item, format!("the step must be 1 to {}", self.size - 1)));
                        }
                    }
                }
            };
            values.extend(
                (from..=to)
                    .step_by(step as usize)
                    .map(|v| self.min + (v - self.min) % self.size),
            );
        }
        values.sort_unstable();
        values.dedup();
        Ok(values)
    }
}

impl CronExpr {
    /// Reads `minute hour day-of-month month day-of-week`. `today` is where the search begins that
    /// refuses an expression without a firing in the next five years.
    pub fn parse(text: &str, today: NaiveDate) -> Result<Self, CronError> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(CronError::FieldCount { found: fields.len() });
        };
        let minutes = list(&MINUTE.expand(minute)?);
        let hours = list(&HOUR.expand(hour)?);
        let days = list(&DAY_OF_MONTH.expand(day)?);
        let months = list(&MONTH.expand(month)?);
        // The package counts weekdays from 1 = Sunday.
        let weekdays: Vec<u32> = DAY_OF_WEEK.expand(weekday)?.iter().map(|d| d % 7 + 1).collect();
        let weekdays = list(&weekdays);

        let source = fields.join(" ");
        let build = |days: &str, weekdays: &str| {
            format!("0 {minutes} {hours} {days} {months} {weekdays}")
                .parse::<::cron::Schedule>()
                .map_err(|e| CronError::Engine {
                    source_text: source.clone(),
                    why: e.to_string(),
                })
        };
        let parts = if !day.starts_with('*') && !weekday.starts_with('*') {
            vec![build(&days, "*")?, build("*", &weekdays)?]
        } else {
            vec![build(&days, &weekdays)?]
        };
        let expr = Self { source, parts };

        let before = today.pred_opt().unwrap_or(today).and_time(chrono::NaiveTime::MIN);
        let limit = today
            .checked_add_months(Months::new(12 * SEARCH_YEARS))
            .and_then(|d| d.checked_add_days(Days::new(1)))
            .unwrap_or(NaiveDate::MAX)
            .and_time(chrono::NaiveTime::MIN);
        match expr.next_after(before) {
            Some(first) if first < limit => Ok(expr),
            _ => Err(CronError::NeverFires {
                source_text: expr.source,
                from: today,
            }),
        }
    }

    /// The expression with single spaces between its fields.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// The first wall-clock minute strictly after `after`, or `None` when there is none before the
    /// year 2101 (the package's last year is 2100).
    pub fn next_after(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        // Wall-clock time is handed over as if it were UTC: so no zone rule interferes.
        self.parts
            .iter()
            .filter_map(|s| s.after(&after.and_utc()).next())
            .map(|t| t.naive_utc())
            .min()
    }
}

fn list(values: &[u32]) -> String {
    let texts: Vec<String> = values.iter().map(u32::to_string).collect();
    texts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{Datelike, Duration, Timelike, Weekday};
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    fn today() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 1, 1).unwrap()
    }
    fn parse(text: &str) -> Result<CronExpr, CronError> {
        CronExpr::parse(text, today())
    }
    fn at(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M").unwrap()
    }
    fn next(text: &str, after: &str, n: usize) -> Vec<String> {
        let expr = parse(text).unwrap();
        let mut t = at(after);
        let mut out = Vec::new();
        for _ in 0..n {
            t = expr.next_after(t).unwrap();
            out.push(t.format("%Y-%m-%dT%H:%M").to_string());
        }
        out
    }

    #[test]
    fn weekdays_are_those_of_crontab() {
        // 2026-11-24 is a Tuesday.
        assert_eq!(
            next("0 9 * * 1-5", "2026-11-26T10:00", 3),
            ["2026-11-27T09:00", "2026-11-30T09:00", "2026-12-01T09:00"]
        );
        let sunday = ["2026-11-29T09:00", "2026-12-06T09:00"];
        for text in ["0 9 * * 0", "0 9 * * 7", "0 9 * * sun", "0 9 * * SUN", "0 9 * * 7-7"] {
            assert_eq!(next(text, "2026-11-24T00:00", 2), sunday, "{text}");
        }
    }

    #[test]
    fn ranges_wrap_and_names_mix_with_numbers() {
        let long_weekend = [
            "2026-11-27T09:00",
            "2026-11-28T09:00",
            "2026-11-29T09:00",
            "2026-11-30T09:00",
        ];
        for text in ["0 9 * * fri-mon", "0 9 * * 5-1", "0 9 * * fri-1", "0 9 * * 5-7,1"] {
            assert_eq!(next(text, "2026-11-24T10:00", 4), long_weekend, "{text}");
        }
        assert_eq!(
            next("0 22-2/2 * * *", "2026-11-24T21:00", 4),
            [
                "2026-11-24T22:00",
                "2026-11-25T00:00",
                "2026-11-25T02:00",
                "2026-11-25T22:00"
            ]
        );
        assert_eq!(
            next("0 0 1 nov-feb *", "2026-11-24T00:00", 4),
            [
                "2026-12-01T00:00",
                "2027-01-01T00:00",
                "2027-02-01T00:00",
                "2027-11-01T00:00"
            ]
        );
    }

    #[test]
    fn restricted_day_fields_are_ored_and_starred_ones_anded() {
        assert_eq!(
            next("0 0 13 * fri", "2026-11-01T00:00", 4),
            [
                "2026-11-06T00:00",
                "2026-11-13T00:00",
                "2026-11-20T00:00",
                "2026-11-27T00:00"
            ]
        );
        assert_eq!(
            next("0 0 */10 * 1", "2026-11-01T00:00", 3),
            ["2026-12-21T00:00", "2027-01-11T00:00", "2027-02-01T00:00"],
            "a day field that begins with * is ANDed, as crontab(5) says"
        );
    }

    #[test]
    fn errors_name_the_field_and_the_text() {
        for (text, part) in [
            ("0 9 * *", "this one has 4"),
            ("0 0 9 * * 1", "this one has 6"),
            ("@daily", "this one has 1"),
            ("60 9 * * *", "minute `60`: 60 is outside 0-59"),
            ("0 24 * * *", "hour `24`: 24 is outside 0-23"),
            ("0 9 0 * *", "day of month `0`: 0 is outside 1-31"),
            ("0 9 * 13 *", "month `13`: 13 is outside 1-12"),
            ("0 9 * * 8", "day of week `8`: 8 is outside 0-7"),
            ("0 9 * * monday", "day of week `monday`"),
            ("0 9 L * *", "day of month `L`: `L` is not a number"),
            ("5/10 * * * *", "a step needs `*` or a range"),
            ("*/0 * * * *", "the step must be 1 to 59"),
            ("*/90 * * * *", "the step must be 1 to 59"),
            ("*/+5 * * * *", "the step must be 1 to 59"),
            ("1,,2 * * * *", "minute ``"),
            ("1- * * * *", "minute `1-`"),
            ("-1 * * * *", "minute `-1`"),
            ("0 0 30 2 *", "never fires in the five years"),
            ("0 0 31 apr,jun *", "never fires in the five years"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains('\n'), "{text}: {error}");
        }
        assert!(parse("0 0 29 2 *").is_ok());
        // Both day fields must hold here, and 29 February is a Sunday in 2032, not before.
        let late = "0 0 29 2 */6";
        assert!(
            matches!(parse(late), Err(CronError::NeverFires { .. })),
            "2028-02-29 is a Tuesday"
        );
        assert!(CronExpr::parse(late, NaiveDate::from_ymd_opt(2028, 1, 1).unwrap()).is_ok());
    }

    /// A second reading of crontab(5), by bit masks and a scan of every minute, that shares nothing
    /// with the code above.
    struct Oracle {
        minute: u64,
        hour: u64,
        day: u64,
        month: u64,
        weekday: u64,
        either_day: bool,
    }

    impl Oracle {
        fn read(text: &str) -> Self {
            let f: Vec<&str> = text.split(' ').collect();
            let names = |s: &str| {
                let mut s = s.to_lowercase();
                for (i, n) in DAY_OF_WEEK.names.iter().enumerate() {
                    s = s.replace(n, &i.to_string());
                }
                for (i, n) in MONTH.names.iter().enumerate() {
                    s = s.replace(n, &(i + 1).to_string());
                }
                s
            };
            let mask = |text: &str, lo: u64, hi: u64| {
                let mut mask = 0u64;
                for item in names(text).split(',') {
                    let mut halves = item.split('/');
                    let range = halves.next().unwrap();
                    let step: u64 = halves.next().map_or(1, |s| s.parse().unwrap());
                    let ends: Vec<u64> = if range == "*" {
                        vec![lo, hi]
                    } else {
                        range.split('-').map(|n| n.parse().unwrap()).collect()
                    };
                    let (from, to) = (ends[0], *ends.last().unwrap());
                    // The walk in words: forward to `to`, or to the end and on from the beginning.
                    let walk: Vec<u64> = if from <= to {
                        (from..=to).collect()
                    } else if hi == 6 && from == 7 {
                        (0..=to).collect()
                    } else {
                        (from..=hi).chain(lo..=to).collect()
                    };
                    for v in walk.iter().step_by(step as usize) {
                        mask |= 1 << v;
                    }
                }
                mask
            };
            let mut weekday = mask(f[4], 0, 6);
            if weekday & (1 << 7) != 0 {
                weekday |= 1;
            }
            Self {
                minute: mask(f[0], 0, 59),
                hour: mask(f[1], 0, 23),
                day: mask(f[2], 1, 31),
                month: mask(f[3], 1, 12),
                weekday,
                either_day: !f[2].starts_with('*') && !f[4].starts_with('*'),
            }
        }

        fn day_matches(&self, d: NaiveDate) -> bool {
            let day = self.day & (1 << d.day()) != 0;
            let weekday = self.weekday & (1 << d.weekday().num_days_from_sunday()) != 0;
            self.month & (1 << d.month()) != 0
                && if self.either_day {
                    day || weekday
                } else {
                    day && weekday
                }
        }

        fn next(&self, after: NaiveDateTime, limit: NaiveDateTime) -> Option<NaiveDateTime> {
            let mut t = after + Duration::minutes(1);
            while t < limit {
                if !self.day_matches(t.date()) {
                    t = (t.date() + Days::new(1)).and_time(chrono::NaiveTime::MIN);
                    continue;
                }
                if self.hour & (1 << t.hour()) != 0 && self.minute & (1 << t.minute()) != 0 {
                    return Some(t);
                }
                t += Duration::minutes(1);
            }
            None
        }
    }

    fn random_field(rng: &mut StdRng, spec: &FieldSpec) -> String {
        let value = |rng: &mut StdRng| {
            let v = rng.random_range(spec.min..=spec.max);
            if !spec.names.is_empty() && rng.random_bool(0.4) {
                let i = (v - spec.first_name) as usize % spec.names.len();
                let name = spec.names[i];
                return if rng.random_bool(0.5) {
                    name.to_uppercase()
                } else {
                    name.to_owned()
                };
            }
            v.to_string()
        };
        let items = if rng.random_bool(0.25) {
            rng.random_range(2..4)
        } else {
            1
        };
        let mut out = Vec::new();
        for _ in 0..items {
            out.push(match rng.random_range(0..10) {
                0..4 => "*".to_owned(),
                4..6 => value(rng),
                6 => format!("*/{}", rng.random_range(1..spec.size)),
                7 => format!("{}-{}/{}", value(rng), value(rng), rng.random_range(1..spec.size)),
                _ => format!("{}-{}", value(rng), value(rng)),
            });
        }
        out.join(",")
    }

    #[test]
    fn two_thousand_random_expressions_agree_with_a_minute_scan() {
        let seed = 20_261_124;
        let mut rng = StdRng::seed_from_u64(seed);
        let limit = at("2031-01-02T00:00");
        let (mut compared, mut never) = (0, 0);
        while compared < 2_000 {
            let text = [&MINUTE, &HOUR, &DAY_OF_MONTH, &MONTH, &DAY_OF_WEEK]
                .map(|spec| random_field(&mut rng, spec))
                .join(" ");
            let oracle = Oracle::read(&text);
            let first = oracle.next(at("2025-12-31T00:00"), limit);
            match parse(&text) {
                Ok(expr) => {
                    let mut t = at("2026-01-01T00:00") + Duration::minutes(rng.random_range(0..500_000));
                    for _ in 0..3 {
                        let Some(expected) = oracle.next(t, limit) else { break };
                        assert_eq!(expr.next_after(t), Some(expected), "seed {seed}: `{text}` after {t}");
                        t = expected;
                    }
                    assert!(first.is_some(), "seed {seed}: `{text}` should have been refused");
                    compared += 1;
                }
                Err(CronError::NeverFires { .. }) => {
                    assert_eq!(first, None, "seed {seed}: `{text}` fires and was refused");
                    never += 1;
                    compared += 1;
                }
                Err(other) => panic!("seed {seed}: `{text}`: {other}"),
            }
        }
        assert!(never < 400, "{never} of 2000 never fire: the generator is too narrow");
    }

    #[test]
    fn the_oracle_itself_reads_wrapping_weekdays() {
        for (text, days) in [
            ("* * * * 5-7", vec![5, 6, 0]),
            ("* * * * 6-1", vec![6, 0, 1]),
            ("* * * * 7-2", vec![0, 1, 2]),
            ("* * * * 0-7", vec![0, 1, 2, 3, 4, 5, 6]),
            ("* * * * FRI-mon", vec![5, 6, 0, 1]),
        ] {
            let mut want = 0u64;
            for d in days {
                want |= 1 << d;
            }
            assert_eq!(Oracle::read(text).weekday & 0x7f, want, "{text}");
        }
        assert_eq!(today().weekday(), Weekday::Thu);
    }
}
