//! Issues are written a working day ahead where they must be reviewed.

use chrono::Days;
use hutong_model::Timestamp;

use super::{ColumnsRule, Entry, store};
use crate::issues::{self, Content};
use crate::rules::{Ctx, RuleError};

/// Days that are looked ahead; longer than any run of days off.
const AHEAD: usize = 16;

impl ColumnsRule {
    /// Makes the next issue of every reviewed column a draft, once its last working day has begun and
    /// there is enough to say. What stands there already stays.
    pub(super) async fn ahead(&self, ctx: &mut Ctx) -> Result<(), RuleError> {
        for entry in &self.entries {
            let column = &entry.column;
            if !self.gate.reviews(&column.id) || store::paused(ctx.tx(), &column.id).await? {
                continue;
            }
            let Some((local, due)) = self.next_issue(ctx, entry) else {
                continue;
            };
            if issues::at_slot(ctx.tx(), &column.id, &local).await?.is_some() {
                continue;
            }
            let pieces = self.pieces(ctx, entry).await?;
            let needed = usize::try_from(column.min_items).unwrap_or(usize::MAX).max(1);
            if pieces.len() < needed {
                continue;
            }
            let title = column.title.clone();
            let (content, now) = (Content { title, pieces }, ctx.now());
            issues::draft(ctx.tx(), &column.id, &local, due, &content, None, now).await?;
        }
        Ok(())
    }

    /// The next issue, if it is time to write it: its minute on the working day before has come.
    fn next_issue(&self, ctx: &Ctx, entry: &Entry) -> Option<(String, Timestamp)> {
        let schedule = self.schedule_of(entry);
        let next = schedule
            .upcoming(ctx.now(), AHEAD)
            .into_iter()
            .find(|o| entry.when.issue_day(o.local.date()).is_some())?;
        let before = (1..=AHEAD as u64)
            .filter_map(|n| next.local.date().checked_sub_days(Days::new(n)))
            .find(|d| self.calendar.workdays.is_workday(*d))?;
        let now = crate::rules::local(schedule.zone, ctx.now()).naive_local();
        (now >= before.and_time(next.local.time())).then(|| (next.local_text(), next.slot))
    }
}
