//! `[report]`: the weekly activity report of every group.

use crate::config::{Reader, ScheduleSpec, Section};

/// When the report appears and what it may show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub when: ScheduleSpec,
    /// A figure about fewer people is not shown.
    pub min_cell: u32,
}

impl Section for Report {
    const NAME: &'static str = "report";

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let when = reader.schedule("when").get();
        let min_cell = reader.integer("min_cell").range(3..=50).get();
        Some(Self {
            when: when?,
            min_cell: min_cell?,
        })
    }
}
