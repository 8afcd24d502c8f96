//! Dates in Asia/Shanghai, which has been UTC+8 without summer time since 1992.

use hutong_model::Timestamp;

const DAY_MS: i64 = 86_400_000;
const OFFSET_MS: i64 = 8 * 3_600_000;

/// A day of the calendar in Shanghai.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Date {
    /// Days since 1970-01-01.
    days: i64,
}

impl Date {
    /// The day on which `at` falls in Shanghai.
    pub fn of(at: Timestamp) -> Self {
        Self {
            days: at.millis().saturating_add(OFFSET_MS).div_euclid(DAY_MS),
        }
    }

    pub fn plus(self, days: i64) -> Self {
        Self {
            days: self.days.saturating_add(days),
        }
    }

    /// Days from `self` to `later`.
    pub fn until(self, later: Date) -> i64 {
        later.days - self.days
    }

    /// 1 is Monday, 7 is Sunday.
    pub fn weekday(self) -> u32 {
        // 1970-01-01 was a Thursday.
        u32::try_from((self.days + 3).rem_euclid(7)).unwrap_or(0) + 1
    }

    /// The Monday of its week.
    pub fn monday(self) -> Self {
        self.plus(1 - i64::from(self.weekday()))
    }

    /// The instant at which the clocks of Shanghai show this minute of the day.
    pub fn at_minute(self, minute: i64) -> Timestamp {
        Timestamp(self.days * DAY_MS + minute * 60_000 - OFFSET_MS)
    }

    /// Year, month (1 to 12) and day of the month.
    pub fn ymd(self) -> (i64, u32, u32) {
        // Days from civil, inverted: eras of 400 years that begin on 1 March.
        let z = self.days + 719_468;
        let era = z.div_euclid(146_097);
        let doe = z.rem_euclid(146_097);
        let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let day = doy - (153 * mp + 2) / 5 + 1;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        let year = yoe + era * 400 + i64::from(month <= 2);
        (year, u32::try_from(month).unwrap_or(1), u32::try_from(day).unwrap_or(1))
    }
}

/// Minute of the day in Shanghai.
pub fn minute_of_day(at: Timestamp) -> i64 {
    at.millis().saturating_add(OFFSET_MS).rem_euclid(DAY_MS) / 60_000
}

/// Without holidays and make-up workdays; the program knows better and hands in its own.
pub fn monday_to_friday(date: Date) -> bool {
    date.weekday() <= 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_minutes_of_shanghai() {
        // 2026-11-24T15:30:00Z is 23:30 on a Tuesday in Shanghai; half an hour later is Wednesday.
        let at = Timestamp::from_secs(1_795_534_200);
        let date = Date::of(at);
        assert_eq!((date.ymd(), date.weekday()), ((2026, 11, 24), 2));
        assert_eq!(minute_of_day(at), 23 * 60 + 30);
        let next = Date::of(Timestamp::from_secs(1_795_534_200 + 1800));
        assert_eq!((next.ymd(), next.weekday()), ((2026, 11, 25), 3));
        assert_eq!(date.at_minute(23 * 60 + 30), at);
        assert_eq!(date.monday().ymd(), (2026, 11, 23));
        assert_eq!(date.monday().until(date), 1);
        assert_eq!(Date::of(Timestamp(0)).ymd(), (1970, 1, 1));
        assert_eq!(Date::of(Timestamp::from_secs(951_782_400)).ymd(), (2000, 2, 29));
        assert!(monday_to_friday(date) && !monday_to_friday(date.monday().plus(5)));
    }
}
