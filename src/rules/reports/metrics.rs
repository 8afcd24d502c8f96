//! Formulas of the figures, pure.

use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime};

/// 95 % Wilson score interval of `k` of `n`, as shares. `None` without anybody. Source: Wilson
/// (1927), z = 1.96.
pub fn wilson(k: u32, n: u32) -> Option<(f64, f64)> {
    if n == 0 {
        return None;
    }
    const Z: f64 = 1.96;
    let (k, n) = (f64::from(k.min(n)), f64::from(n));
    let p = k / n;
    let z2 = Z * Z;
    let centre = p + z2 / (2.0 * n);
    let spread = Z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z2 / n;
    Some((
        ((centre - spread) / scale).clamp(0.0, 1.0),
        ((centre + spread) / scale).clamp(0.0, 1.0),
    ))
}

/// Actions per eligible person and workday: a post or reply weighs 1, a reaction or click 0.3.
pub fn interaction_frequency(posts: u32, light: u32, eligible: u32, workdays: u32) -> Option<f64> {
    let divisor = f64::from(eligible) * f64::from(workdays);
    (divisor > 0.0).then(|| (f64::from(posts) + 0.3 * f64::from(light)) / divisor)
}

/// Kaplan–Meier median of waiting times: (minutes, whether it was answered). Unanswered ones are
/// censored at their age, so that they count as long as they waited. `None` when less than half
/// were answered in any time that was seen.
pub fn km_median(waits: &[(i64, bool)]) -> Option<i64> {
    let mut sorted: Vec<(i64, bool)> = waits.to_vec();
    // Of equal times the answered come first: they were at risk until then.
    sorted.sort_by_key(|(minutes, answered)| (*minutes, !*answered));
    let mut survival = 1.0;
    let total = sorted.len();
    for (i, (minutes, answered)) in sorted.into_iter().enumerate() {
        if answered {
            let at_risk = total - i;
            survival *= 1.0 - 1.0 / at_risk as f64;
            if survival <= 0.5 + 1e-9 {
                return Some(minutes);
            }
        }
    }
    None
}

/// Characters in which a question shows itself.
const QUESTION_CHARS: usize = 120;
const QUESTION_WORDS: [&str; 7] = ["请问", "求助", "怎么", "如何", "哪里", "有没有人", "吗"];

/// Whether a text is a question: it ends in a question mark, or has one of a few words within its
/// first 120 characters. Quotes are no questions.
pub fn is_question(text: &str) -> bool {
    let text = text.trim();
    if text.is_empty() || text.starts_with(['>', '》', '/', '／']) {
        return false;
    }
    // Also the full-width forms of exclamation mark, tilde and question mark.
    let end =
        text.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '!' | '\u{ff01}' | '~' | '\u{ff5e}' | '。'));
    if end.ends_with(['?', '\u{ff1f}']) {
        return true;
    }
    let start: String = text.chars().take(QUESTION_CHARS).collect();
    QUESTION_WORDS.iter().any(|w| start.contains(w))
}

/// Office hours in which waiting counts.
const OPENS: (u32, u32) = (9, 0);
const CLOSES: (u32, u32) = (18, 0);

/// Minutes between two wall-clock times within office hours of workdays.
pub fn working_minutes(from: NaiveDateTime, to: NaiveDateTime, is_workday: impl Fn(NaiveDate) -> bool) -> i64 {
    let clock = |(h, m)| NaiveTime::from_hms_opt(h, m, 0).unwrap_or(NaiveTime::MIN);
    let mut total = 0;
    let mut day = from.date();
    // A question that nobody answered in a year counts as a year.
    for _ in 0..366 {
        if day > to.date() {
            break;
        }
        if is_workday(day) {
            let open = NaiveDateTime::new(day, clock(OPENS)).max(from);
            let close = NaiveDateTime::new(day, clock(CLOSES)).min(to);
            total += (close - open).num_minutes().max(0);
        }
        match day.checked_add_days(Days::new(1)) {
            Some(next) => day = next,
            None => break,
        }
    }
    total
}

/// A figure per workday, to one decimal, so that a short week is no drop.
pub fn per_workday(n: i64, workdays: u32) -> String {
    let tenths = n.max(0).saturating_mul(10) / i64::from(workdays.max(1));
    if tenths % 10 == 0 {
        (tenths / 10).to_string()
    } else {
        format!("{}.{}", tenths / 10, tenths % 10)
    }
}

/// A share in whole percent, half up.
pub fn percent(k: i64, n: i64) -> i64 {
    if n <= 0 { 0 } else { (200 * k + n) / (2 * n) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tenths(k: u32, n: u32) -> (i64, i64) {
        let (low, high) = wilson(k, n).unwrap();
        ((low * 1000.0).round() as i64, (high * 1000.0).round() as i64)
    }

    #[test]
    fn wilson_as_published() {
        assert_eq!(tenths(27, 100), (193, 364));
        assert_eq!(tenths(4, 10), (168, 687));
        assert_eq!(tenths(0, 12), (0, 243));
        assert_eq!(wilson(0, 0), None);
    }

    #[test]
    fn the_unanswered_count_too() {
        assert_eq!(
            km_median(&[(5, true), (12, true), (30, true), (60, false), (480, false)]),
            Some(30)
        );
        assert_eq!(km_median(&[(5, true), (12, true), (30, true)]), Some(12));
        assert_eq!(km_median(&[(5, true), (60, false), (480, false)]), None);
        assert_eq!(km_median(&[]), None);
    }

    #[test]
    fn questions() {
        for yes in [
            "这个驱动怎么编译",
            "周五开会吗",
            "在哪里可以看到?",
            "Does it work??",
            "请问谁负责这块",
            "有没有人试过!",
            "真的?!",
            "在这里\u{ff1f}",
            "真的\u{ff1f}\u{ff01}",
        ] {
            assert!(is_question(yes), "{yes}");
        }
        for no in ["已经修好了", "> 怎么编译", "/周报 怎么", "", "Fixed it.", "what a day"] {
            assert!(!is_question(no), "{no}");
        }
        let far = format!("{}吗", "长".repeat(130));
        assert!(!is_question(&far));
    }

    #[test]
    fn waiting_counts_in_office_hours() {
        let t = |s: &str| NaiveDateTime::parse_from_str(s, "%Y-%m-%dT%H:%M").unwrap();
        let work = |d: NaiveDate| chrono::Datelike::weekday(&d).number_from_monday() <= 5;
        // Friday 17:00 to Monday 10:00: one hour and one hour.
        assert_eq!(working_minutes(t("2026-11-27T17:00"), t("2026-11-30T10:00"), work), 120);
        assert_eq!(working_minutes(t("2026-11-28T10:00"), t("2026-11-28T12:00"), work), 0);
        assert_eq!(working_minutes(t("2026-11-24T09:30"), t("2026-11-24T11:22"), work), 112);
        assert_eq!(working_minutes(t("2026-11-24T11:22"), t("2026-11-24T09:30"), work), 0);
    }

    #[test]
    fn numbers_for_people() {
        assert_eq!(
            (per_workday(210, 5), per_workday(11, 4), per_workday(3, 0)),
            ("42".into(), "2.7".into(), "3".into())
        );
        assert_eq!((percent(41, 126), percent(1, 2), percent(0, 0)), (33, 50, 0));
        let frequency = interaction_frequency(100, 50, 23, 5).unwrap();
        assert!((frequency - 1.0).abs() < 1e-9);
        assert_eq!(interaction_frequency(1, 1, 0, 5), None);
    }

    proptest! {
        #[test]
        fn the_interval_holds_the_share(n in 1u32..5000, k in 0u32..5000) {
            let k = k.min(n);
            let (low, high) = wilson(k, n).unwrap();
            let p = f64::from(k) / f64::from(n);
            prop_assert!(low <= p + 1e-9 && p <= high + 1e-9 && (0.0..=1.0).contains(&low) && high <= 1.0);
        }

        #[test]
        fn a_median_is_one_of_the_answers(waits in proptest::collection::vec((0i64..1000, any::<bool>()), 0..40)) {
            if let Some(m) = km_median(&waits) {
                prop_assert!(waits.contains(&(m, true)));
                let mut answered: Vec<i64> = waits.iter().filter(|w| w.1).map(|w| w.0).collect();
                answered.sort_unstable();
                // Those who still wait can only make it longer.
                prop_assert!(m >= answered[(answered.len() - 1) / 2]);
            }
        }
    }
}
