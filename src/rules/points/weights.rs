//! What a thank-you is worth, and how amounts are written.

/// Weight of the n-th gift of a pair in 30 days, in thousandths, rounded half up:
/// `1 / (1 + saturation * (n - 1))` gives 1000, 667, 500, 400, 333, 286 with 0.5.
pub fn pair_weight(n: u32, saturation: f64) -> i64 {
    // The only float is the configured number itself; from here on everything is a whole number.
    let saturation = thousandths(saturation);
    let divisor = 1000 + saturation * i64::from(n.saturating_sub(1));
    (2_000_000 + divisor) / (2 * divisor)
}

fn thousandths(value: f64) -> i64 {
    let clean = if value.is_finite() {
        value.clamp(0.0, 1000.0)
    } else {
        0.0
    };
    (clean * 1000.0).round() as i64
}

/// A gift back within the window, or to one's own manager, weighs half.
const HALF: i64 = 500;

/// What `points` are worth in thousandths, rounded down.
pub fn worth(points: i64, pair_weight: i64, payback: bool, upward: bool) -> i64 {
    let mut amount = points.max(0).saturating_mul(pair_weight);
    for applies in [payback, upward] {
        if applies {
            amount = amount * HALF / 1000;
        }
    }
    amount
}

/// Thousandths as people see them: rounded down to tenths, `.0` left out. `46`, `0.6`, `-2`.
pub fn shown(amount: i64) -> String {
    let tenths = amount.unsigned_abs() / 100;
    let sign = if amount < 0 && tenths > 0 { "-" } else { "" };
    match tenths % 10 {
        0 => format!("{sign}{}", tenths / 10),
        rest => format!("{sign}{}.{rest}", tenths / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_weights_are_the_published_ones() {
        let list: Vec<i64> = (1..=6).map(|n| pair_weight(n, 0.5)).collect();
        assert_eq!(list, [1000, 667, 500, 400, 333, 286]);
        assert_eq!(pair_weight(9, 0.0), 1000);
        assert_eq!(worth(3, 667, false, false), 2001);
        assert_eq!(worth(1, 1000, true, false), 500);
        assert_eq!(worth(1, 667, true, true), 166);
    }

    /// Twenty-two workdays, one point per pair and day, ten a week: what a ring earns per member.
    #[test]
    fn rings_earn_little() {
        let alone: i64 = (1..=22).map(|n| worth(1, pair_weight(n, 0.5), false, false)).sum();
        let back: i64 = (1..=22).map(|n| worth(1, pair_weight(n, 0.5), true, false)).sum();
        assert_eq!((shown(alone), shown(back)), ("5.4".to_owned(), "2.7".to_owned()));
        // Twelve colleagues, once each.
        let broad: i64 = (0..12).map(|_| worth(1, pair_weight(1, 0.5), false, false)).sum();
        assert_eq!(shown(broad), "12");
    }

    #[test]
    fn amounts_are_rounded_down() {
        let texts: Vec<String> = [0, 99, 667, 999, 1000, 46_000, -2000, -50, 1_250]
            .into_iter()
            .map(shown)
            .collect();
        assert_eq!(texts, ["0", "0", "0.6", "0.9", "1", "46", "-2", "0", "1.2"]);
    }

    proptest! {
        #[test]
        fn a_weight_falls_and_stays_between_zero_and_one(n in 1u32..500, s in 0.0f64..10.0) {
            let (a, b) = (pair_weight(n, s), pair_weight(n + 1, s));
            prop_assert!((0..=1000).contains(&a) && b <= a);
            prop_assert!(worth(3, a, true, false) <= worth(3, a, false, false));
        }
    }
}
