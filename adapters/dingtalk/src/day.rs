//! Dates in China's time, as the platform writes them.

use hutong_model::Timestamp;

/// Year, month, day and second of the day at UTC+8.
/// Civil date from days: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms".
fn local(at: Timestamp) -> (i64, i64, i64, i64) {
    let local = at.secs() + 8 * 3600;
    let (days, seconds) = (local.div_euclid(86_400), local.rem_euclid(86_400));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    (year, month, day, seconds)
}

/// RFC 3339 with the offset, which the calendar call wants beside its time zone name.
pub fn rfc3339(at: Timestamp) -> String {
    let (year, month, day, seconds) = local(at);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}+08:00",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// `YYYY-MM`, the month that quotas are counted in.
pub fn month(at: Timestamp) -> String {
    let (year, month, ..) = local(at);
    format!("{year:04}-{month:02}")
}

/// `YYYY-MM-DD` as `YYYYMMDD`; `None` when it is no such date.
pub fn compact(day: &str) -> Option<String> {
    let mut parts = day.split('-');
    let mut digits = |n: usize| {
        parts
            .next()
            .filter(|p| p.len() == n && p.bytes().all(|b| b.is_ascii_digit()))
    };
    let (year, month, date) = (digits(4)?, digits(2)?, digits(2)?);
    let within = |text: &str, top: u8| text.parse::<u8>().is_ok_and(|n| (1..=top).contains(&n));
    (within(month, 12) && within(date, 31) && parts.next().is_none()).then(|| format!("{year}{month}{date}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_written_with_the_offset_of_china() {
        assert_eq!(rfc3339(Timestamp(1_767_682_800_000)), "2026-01-06T15:00:00+08:00");
        assert_eq!(rfc3339(Timestamp(0)), "1970-01-01T08:00:00+08:00");
        assert_eq!(rfc3339(Timestamp(951_782_400_000)), "2000-02-29T08:00:00+08:00");
        // Half past four in the afternoon in London is the next month in China.
        assert_eq!(month(Timestamp(1_767_198_600_000)), "2026-01");
    }

    #[test]
    fn only_dates_are_days() {
        assert_eq!(compact("2026-11-24").as_deref(), Some("20261124"));
        for bad in [
            "",
            "20261124",
            "2026-1-24",
            "2026-13-01",
            "2026-11-32",
            "2026-11-24-1",
            "２026-11-24",
        ] {
            assert_eq!(compact(bad), None, "{bad}");
        }
    }
}
