//! `[points]`: thanks and what they count for.

use crate::config::{Reader, Section};

/// Limits of the points system.
#[derive(Debug, Clone, PartialEq)]
pub struct Points {
    /// The most score a person gets on one day, awards not counted.
    pub score_daily_cap: u32,
    /// Values of the company that a thank-you can carry as a tag.
    pub values: Vec<String>,
    pub give: Give,
}

/// `[points.give]`: giving points to colleagues.
#[derive(Debug, Clone, PartialEq)]
pub struct Give {
    /// Points a person can give in one week; they do not carry over.
    pub weekly_allowance: u32,
    pub max_per_act: u32,
    /// Acts from one person to the same person on one day.
    pub per_pair_per_day: u32,
    /// Shortest reason, in characters.
    pub reason_min_chars: u32,
    /// The n-th gift of a pair in 30 days weighs `1 / (1 + pair_saturation * (n - 1))`.
    pub pair_saturation: f64,
    /// A gift back within so many days weighs half. 0: off.
    pub payback_window_days: u32,
}

impl Section for Points {
    const NAME: &'static str = "points";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let score_daily_cap = reader.integer("score_daily_cap").range(1..=10_000).get();
        let values = reader.list("values").count(0..=20).unique().texts().get();
        let give = reader.table("give", |give| {
            let weekly_allowance = give.integer("weekly_allowance").range(0..=1_000).get();
            let max_per_act = give.integer("max_per_act").range(1..=100).get();
            let per_pair_per_day = give.integer("per_pair_per_day").range(1..=100).get();
            let reason_min_chars = give.integer("reason_min_chars").range(0..=100).get();
            let pair_saturation = give.number("pair_saturation").range(0.0..=10.0).get();
            let payback_window_days = give.integer("payback_window_days").range(0..=90).get();
            Some(Give {
                weekly_allowance: weekly_allowance?,
                max_per_act: max_per_act?,
                per_pair_per_day: per_pair_per_day?,
                reason_min_chars: reason_min_chars?,
                pair_saturation: pair_saturation?,
                payback_window_days: payback_window_days?,
            })
        });
        Some(Self {
            score_daily_cap: score_daily_cap?,
            values: values?,
            give: give?,
        })
    }
}
