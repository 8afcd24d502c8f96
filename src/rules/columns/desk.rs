//! The desk: twice an hour it looks at what is to come. It reminds editors in working time,
//! sends what had to wait, asks whether items are still true, and suggests to appear less often when
//! nothing is written.

use std::time::Duration;

use chrono::{Days, NaiveDateTime};
use hutong_model::{ButtonStyle, DeliveryClass, Message, Timestamp};

use super::audience::Reader;
use super::issue::slot_text;
use super::{ColumnsRule, Entry, store};
use crate::access::store::audit;
use crate::calendar::worktime::working_hours_before;
use crate::commands::{AnswerPlace, Click};
use crate::issues::{self, Content, Issue, why};
use crate::rules::{Ctx, RuleError, Who};
use crate::schedule::calendar::{instant, wall_clock};
use crate::text::columns::Say;

/// Editors are reminded when this much working time is left, in hours; the last one first.
const REMIND: [u32; 2] = [4, 24];
/// Owners are asked so many days before an item's time ends.
const ASK_DAYS: u64 = 7;
/// A renewed item is true for so many days more.
const RENEW_DAYS: u64 = 90;
/// Questions about items at one look.
const MOST_ASKED: i64 = 20;
const BUTTON: Duration = Duration::from_secs(14 * 86_400);

/// The next issue of a column.
pub(super) struct Next {
    pub slot: String,
    pub due: Timestamp,
    pub at: NaiveDateTime,
    pub of: chrono::NaiveDate,
    /// The slot of an earlier issue that falls on the same day.
    pub swallows: Option<String>,
}

impl ColumnsRule {
    /// The next `n` issues of a column at home, after now.
    pub(super) async fn next(&self, ctx: &mut Ctx, entry: &Entry, n: usize) -> Result<Vec<Next>, RuleError> {
        let desk = self.home(ctx, entry).await?;
        let Some(now) = wall_clock(desk.zone, ctx.now()) else {
            return Ok(Vec::new());
        };
        let halved = store::halved(ctx.tx(), &entry.column.id).await?;
        let planned = entry
            .when
            .on(&desk.days)
            .upcoming(now, if halved { n * 2 + 1 } else { n });
        let list = planned.into_iter().filter_map(|p| {
            use chrono::Datelike as _;
            if halved && p.at.date().iso_week().week() % 2 == 1 {
                return None;
            }
            Some(Next {
                slot: slot_text(p.of.and_time(p.at.time())),
                due: instant(desk.zone, p.at)?,
                at: p.at,
                of: p.of,
                swallows: p.swallows.map(|d| slot_text(d.and_time(p.at.time()))),
            })
        });
        Ok(list.take(n).collect())
    }

    pub(super) async fn desk(&self, ctx: &mut Ctx) -> Result<(), RuleError> {
        let now = ctx.now();
        for entry in self.all(ctx.tx()).await? {
            if !entry.column.enabled || store::paused(ctx.tx(), &entry.column.id).await? {
                continue;
            }
            self.send_waiting(ctx, &entry).await?;
            if let Some(next) = self.next(ctx, &entry, 1).await?.into_iter().next() {
                self.remind(ctx, &entry, &next).await?;
            }
        }
        self.ask_owners(ctx).await?;
        store::prune_forwards(ctx.tx(), now - Duration::from_secs(7 * 86_400)).await?;
        Ok(())
    }

    /// The wait of an issue behind another column is over.
    pub(super) async fn waited(&self, ctx: &mut Ctx, id: i64) -> Result<(), RuleError> {
        let now = ctx.now();
        let Some(issue) = issues::issue(ctx.tx(), id)
            .await?
            .filter(|i| i.state.open() && i.due_at <= now)
        else {
            return Ok(());
        };
        if let Some(entry) = self.entry(ctx.tx(), &issue.column).await? {
            let zone = self.zone_of(&entry);
            let groups = self.readers_of(ctx, &entry, zone).await?;
            let readers = groups.into_iter().flat_map(|(_, list)| list).collect();
            self.overdue(ctx, &entry, &issue, readers).await?;
        }
        Ok(crate::schedule::touch(ctx.tx()).await?)
    }

    /// Issues that were spaced from another column, or that the gate let wait.
    async fn send_waiting(&self, ctx: &mut Ctx, entry: &Entry) -> Result<(), RuleError> {
        let now = ctx.now();
        let soon = Timestamp(now.millis() + 1);
        for issue in issues::upcoming(ctx.tx(), soon, 200).await? {
            if issue.column != entry.column.id || issue.slot.ends_with('+') {
                continue;
            }
            let spaced = store::told(ctx.tx(), &format!("spaced:{}", issue.id)).await?;
            // Its own tick comes first.
            if !spaced && now.since(issue.due_at) < Duration::from_secs(60) {
                continue;
            }
            let zone = self.zone_of(entry);
            let groups = self.readers_of(ctx, entry, zone).await?;
            let readers: Vec<Reader> = groups.into_iter().flat_map(|(_, list)| list).collect();
            self.overdue(ctx, entry, &issue, readers).await?;
        }
        Ok(())
    }

    async fn remind(&self, ctx: &mut Ctx, entry: &Entry, next: &Next) -> Result<(), RuleError> {
        let now = ctx.now();
        let column = &entry.column;
        let desk = self.home(ctx, entry).await?;
        let hours = self.work.hours;
        let reached = REMIND.into_iter().find(|count| {
            working_hours_before(&desk, hours, next.due, *count).is_some_and(|at| now >= at && now < next.due)
        });
        let Some(reached) = reached else { return Ok(()) };
        let prepared = issues::at_slot(ctx.tx(), &column.id, &next.slot).await?;
        let ready = match &prepared {
            Some(issue) => issue.content.pieces.len(),
            None => self.pieces(ctx, entry).await?.len(),
        };
        let needed = usize::try_from(column.min_items).unwrap_or(usize::MAX).max(1);
        if self.gate.reviews(&column.id) && prepared.is_none() && ready >= needed {
            // Reviewers need something to look at.
            self.issue_for(ctx, entry, &next.slot, next.due).await?;
        }
        self.offer_merge(ctx, entry, next).await?;
        if ready >= needed
            || !store::tell_once(ctx.tx(), &format!("remind:{}:{}:{reached}", column.id, next.slot), now).await?
        {
            return Ok(());
        }
        let (people, deputy) = self.on_duty(ctx, entry).await?;
        let lang = ctx.env().lang;
        let when = next.at.format("%m-%d %H:%M").to_string();
        let say = Say::Reminder {
            title: &column.title,
            when: &when,
            ready,
            needed,
            hours: reached,
        };
        let mut card = Message::card(say.in_lang(lang)).line(Say::ReminderHow { title: &column.title }.in_lang(lang));
        if deputy {
            card = card.note(Say::Deputy.in_lang(lang));
        }
        for person in people {
            let part = format!("remind:{}:{person}", column.id);
            ctx.tell(&part, &column.app, &person, DeliveryClass::Once, card.clone())
                .await?;
        }
        Ok(())
    }

    /// Two issues on one day: what was written for the earlier one can be taken into the later one.
    async fn offer_merge(&self, ctx: &mut Ctx, entry: &Entry, next: &Next) -> Result<(), RuleError> {
        let Some(slot) = &next.swallows else {
            return Ok(());
        };
        let (now, column) = (ctx.now(), &entry.column);
        let Some(earlier) = issues::at_slot(ctx.tx(), &column.id, slot).await? else {
            return Ok(());
        };
        if !earlier.state.open()
            || earlier.content.pieces.is_empty()
            || !store::tell_once(ctx.tx(), &format!("merge:{}", earlier.id), now).await?
        {
            return Ok(());
        }
        let lang = ctx.env().lang;
        let card = Message::card(
            Say::MergeTitle {
                title: &column.title,
                of: slot,
                into: &next.slot,
            }
            .in_lang(lang),
        );
        let (people, _) = self.on_duty(ctx, entry).await?;
        for person in people {
            let args = vec![earlier.id.to_string(), next.slot.clone()];
            let label = Say::MergeButton.in_lang(lang);
            let button = ctx.button(label, "merge", args, ButtonStyle::Primary, Who::Only(&person), BUTTON)?;
            let part = format!("merge:{}:{person}", earlier.id);
            let card = card.clone().buttons(vec![button]);
            ctx.tell(&part, &column.app, &person, DeliveryClass::Once, card).await?;
        }
        Ok(())
    }

    pub(super) async fn merge(&self, ctx: &mut Ctx, click: &Click) -> Result<(), RuleError> {
        let (id, slot) = (click.args.first().and_then(|a| a.parse().ok()), click.args.get(1));
        let (Some(id), Some(slot)) = (id, slot) else {
            return Err(RuleError::Fail("a button without its issue".to_owned()));
        };
        let lang = click.asker.lang;
        let now = ctx.now();
        let earlier = issues::issue(ctx.tx(), id).await?.filter(|i| i.state.open());
        let entry = match &earlier {
            Some(earlier) => self.entry(ctx.tx(), &earlier.column).await?,
            None => None,
        };
        let say = match (earlier, entry) {
            (Some(earlier), Some(entry)) => {
                let next = self.next(ctx, &entry, 2).await?.into_iter().find(|n| n.slot == *slot);
                let done = match next {
                    Some(next) => {
                        let later = self.issue_for(ctx, &entry, slot, next.due).await?;
                        self.merge_into(ctx, &earlier, &later, &click.asker.person.id, now)
                            .await?
                    }
                    None => false,
                };
                if done { Say::Merged } else { Say::TooLate }
            }
            _ => Say::TooLate,
        };
        ctx.answer(&click.asker, AnswerPlace::Private, Message::text(say.in_lang(lang)))
    }

    async fn merge_into(
        &self,
        ctx: &mut Ctx,
        earlier: &Issue,
        later: &Issue,
        by: &crate::directory::PersonId,
        now: Timestamp,
    ) -> Result<bool, RuleError> {
        let mut content = Content {
            title: later.content.title.clone(),
            pieces: earlier.content.pieces.clone(),
        };
        for piece in &later.content.pieces {
            if !content.pieces.iter().any(|p| p.text == piece.text) {
                content.pieces.push(piece.clone());
            }
        }
        let done = issues::set_content(ctx.tx(), later.id, &content, Some(by), now)
            .await?
            .is_some();
        if done {
            issues::miss(ctx.tx(), earlier.id, why::MERGED, now).await?;
        }
        Ok(done)
    }

    /// The second empty issue in a row: better half as often.
    pub(super) async fn after_an_empty_one(&self, ctx: &mut Ctx, entry: &Entry) -> Result<(), RuleError> {
        let column = &entry.column;
        let last = issues::last(ctx.tx(), &column.id, 2).await?;
        if last.len() < 2 || last.iter().any(|i| i.why != why::EMPTY) || store::halved(ctx.tx(), &column.id).await? {
            return Ok(());
        }
        let lang = ctx.env().lang;
        let (people, _) = self.on_duty(ctx, entry).await?;
        for person in people {
            let label = Say::HalveButton.in_lang(lang);
            let args = vec![column.id.clone()];
            let button = ctx.button(label, "halve", args, ButtonStyle::Primary, Who::Only(&person), BUTTON)?;
            let card = Message::card(Say::Halve { title: &column.title }.in_lang(lang)).buttons(vec![button]);
            ctx.tell(
                &format!("halve:{person}"),
                &column.app,
                &person,
                DeliveryClass::Once,
                card,
            )
            .await?;
        }
        Ok(())
    }

    pub(super) async fn halve(&self, ctx: &mut Ctx, click: &Click) -> Result<(), RuleError> {
        let id = click.args.first().map(String::as_str).unwrap_or_default();
        let Some(entry) = self.entry(ctx.tx(), id).await? else {
            return Ok(());
        };
        let now = ctx.now();
        if store::tell_once(ctx.tx(), &format!("halved:{id}"), now).await? {
            let actor = click.asker.person.id.as_str();
            audit(ctx.tx(), now, actor, "columns.halve", id, &serde_json::Value::Null).await?;
        }
        let say = Say::Halved {
            title: &entry.column.title,
        };
        ctx.answer(
            &click.asker,
            AnswerPlace::Private,
            Message::text(say.in_lang(click.asker.lang)),
        )
    }

    /// "This item ends on .., renew it?"
    async fn ask_owners(&self, ctx: &mut Ctx) -> Result<(), RuleError> {
        let now = ctx.now();
        let today = ctx.local(now).date_naive();
        let until = today.checked_add_days(Days::new(ASK_DAYS)).unwrap_or(today).to_string();
        for item in store::expiring(ctx.tx(), &until, MOST_ASKED).await? {
            store::tell_once(ctx.tx(), &format!("expiry:{}:{}", item.id, item.expires), now).await?;
            let lang = ctx.env().lang;
            let owner = item.owner.clone().unwrap_or_else(|| item.author.clone());
            let title = match self.entry(ctx.tx(), &item.column).await? {
                Some(entry) => entry.column.title.clone(),
                None => item.column.clone(),
            };
            let say = Say::Expires {
                title: &title,
                id: item.id,
                until: &item.expires,
            };
            let label = Say::Renew { days: RENEW_DAYS }.in_lang(lang);
            let args = vec![item.id.to_string(), item.expires.clone()];
            let button = ctx.button(label, "renew", args, ButtonStyle::Primary, Who::Only(&owner), BUTTON)?;
            let body: String = item.body.chars().take(60).collect();
            let card = Message::card(say.in_lang(lang)).line(body).buttons(vec![button]);
            ctx.tell(
                &format!("expiry:{}", item.id),
                &item.app,
                &owner,
                DeliveryClass::Once,
                card,
            )
            .await?;
        }
        Ok(())
    }

    pub(super) async fn renew(&self, ctx: &mut Ctx, click: &Click) -> Result<(), RuleError> {
        let id = click.args.first().and_then(|a| a.parse().ok()).unwrap_or(0);
        let item = store::item(ctx.tx(), id).await?;
        let was = click.args.get(1).cloned().unwrap_or_default();
        let say = match item {
            Some(item) if item.expires == was => {
                let today = ctx.local(ctx.now()).date_naive();
                let from = was.parse().unwrap_or(today).max(today);
                let until = from.checked_add_days(Days::new(RENEW_DAYS)).unwrap_or(from).to_string();
                store::set_expiry(ctx.tx(), id, &until, &click.asker.person.id).await?;
                Say::Renewed { until }
            }
            Some(item) => Say::Renewed { until: item.expires },
            None => Say::NoItem { id },
        };
        ctx.answer(
            &click.asker,
            AnswerPlace::Private,
            Message::text(say.in_lang(click.asker.lang)),
        )
    }
}
