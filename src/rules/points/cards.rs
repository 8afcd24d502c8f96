//! What people see of their points: the private card, the entries of a month, the boards.

use std::time::Duration;

use chrono::{Datelike as _, Days, NaiveDate};
use hutong_model::{Ability, Action, Block, ButtonStyle, Inline, Message, Timestamp};

use super::PointsRule;
use super::board::{Ranked, place, rank, rows};
use super::give::{CAP_GIVEN, cut, language};
use super::ledger::{self, Account, EntryKind};
use super::store;
use super::view::store as view;
use super::view::{Item, Scorer};
use super::weights::shown;
use crate::commands::{AnswerPlace, Call, Click};
use crate::directory::{Person, PersonId, shown_name};
use crate::rules::{Ctx, RuleError, Who};
use crate::text::Lang;
use crate::text::points::Say;

/// Entries on the private card, and in the list of a month.
const LATEST: i64 = 5;
const LISTED: i64 = 10;
/// What a line shows of a reason, in characters.
const NOTE_CHARS: usize = 24;
/// How long the buttons of a card stay good.
const CARD_DAYS: u64 = 30;

impl PointsRule {
    /// The person's score of the current month, in thousandths.
    pub(super) async fn month_score(&self, ctx: &mut Ctx, person: &PersonId) -> Result<i64, RuleError> {
        let season = ledger::season(ctx.local(ctx.now()).date_naive());
        Ok(view::score_of(ctx.tx(), person, &season).await?)
    }

    /// What the person can still give this week.
    async fn left_to_give(&self, ctx: &mut Ctx, person: &PersonId) -> Result<i64, RuleError> {
        let week = ledger::week(ctx.local(ctx.now()).date_naive());
        let used = store::cap_used(ctx.tx(), CAP_GIVEN, person.as_str(), &week).await?;
        Ok((i64::from(self.config.give.weekly_allowance) - used).max(0))
    }

    /// The lines of this rule on the card of `/我`.
    pub(super) async fn lines_for_me(
        &self,
        ctx: &mut Ctx,
        person: &PersonId,
        lang: Lang,
    ) -> Result<Vec<String>, RuleError> {
        let score = shown(self.month_score(ctx, person).await?);
        let left = self.left_to_give(ctx, person).await?;
        Ok(vec![Say::MeLine { score, left }.in_lang(lang)])
    }

    pub(super) async fn mine(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let card = self.mine_card(ctx, &call.asker.person, call.asker.lang, None).await?;
        ctx.answer(&call.asker, AnswerPlace::Private, card)
    }

    /// The private card. `about` is the entry a question is about, when the card is drawn again.
    async fn mine_card(
        &self,
        ctx: &mut Ctx,
        person: &Person,
        lang: Lang,
        about: Option<i64>,
    ) -> Result<Message, RuleError> {
        let date = ctx.local(ctx.now()).date_naive();
        let season = ledger::season(date);
        let score = self.month_score(ctx, &person.id).await?;
        let coin = view::coins_of(ctx.tx(), &person.id).await?;
        let left = self.left_to_give(ctx, &person.id).await?;
        let items = view::items(ctx.tx(), &person.id, &season, LATEST).await?;
        let mut card = Message::card(Say::MineTitle { month: date.month() }.in_lang(lang)).line(
            Say::MineSummary {
                score: shown(score),
                left,
                coin: shown(coin),
            }
            .in_lang(lang),
        );
        if score > 0 {
            let ranked = rank(view::season_scorers(ctx.tx(), &person.company, &season).await?);
            if let Some((first, last)) = place(&ranked, &person.id) {
                let of = ranked.len();
                card = card.line(Say::MinePlace { first, last, of }.in_lang(lang));
            }
        }
        if items.is_empty() {
            card = card.line(Say::MineEmpty.in_lang(lang));
        }
        for item in &items {
            card = card.paragraph(item_line(item, ctx.now(), lang, false));
        }
        let newest = about.or_else(|| items.first().map(|i| i.entry.seq));
        if let Some(seq) = newest {
            let open = view::disputed(ctx.tx(), seq, &person.id).await?;
            let (label, verb) = if open {
                card = card.line(Say::Disputed.in_lang(lang));
                (Say::ButtonUndispute, "undispute")
            } else {
                (Say::ButtonDispute, "dispute")
            };
            let button = ctx.button(
                label.in_lang(lang),
                verb,
                vec![seq.to_string()],
                ButtonStyle::Normal,
                Who::Only(&person.id),
                Duration::from_secs(CARD_DAYS * 86_400),
            )?;
            card = card.buttons(vec![button]);
        }
        Ok(card.note(Say::MineNote.in_lang(lang)))
    }

    /// The card's button: a question about an entry, or taking it back. Pressed again, it answers
    /// with how things stand.
    pub(super) async fn dispute(&self, ctx: &mut Ctx, click: &Click, open: bool) -> Result<(), RuleError> {
        let person = &click.asker.person;
        let seq = click.args.first().and_then(|s| s.parse::<i64>().ok());
        let entry = match seq {
            Some(seq) => view::entry(ctx.tx(), seq).await?,
            None => None,
        };
        let Some(entry) = entry.filter(|e| e.lines.iter().any(|l| l.account.owner() == Some(&person.id))) else {
            return Err(RuleError::Fail("a question about an entry of somebody else".to_owned()));
        };
        let now = ctx.now();
        store::set_dispute(ctx.tx(), entry.seq, &person.id, open, now).await?;
        let card = self.mine_card(ctx, person, click.asker.lang, Some(entry.seq)).await?;
        match &click.card {
            Some(id) if ctx.can(&click.asker.app, Ability::UpdateCard) => {
                let action = Action::UpdateCard {
                    card: id.clone(),
                    context: click.asker.reply_context.clone(),
                    content: card,
                };
                let key = format!("points.mine:{}:{}", click.asker.app, id.stem());
                ctx.emit_state("card", &click.asker.app, &key, action).map(|_| ())
            }
            _ => ctx.answer(&click.asker, AnswerPlace::Private, card),
        }
    }

    /// The entries of a month; of the person who asks, or of somebody an operator looks up.
    pub(super) async fn entries(&self, ctx: &mut Ctx, call: &Call, of: &Person) -> Result<(), RuleError> {
        let lang = call.asker.lang;
        let season = call
            .text("month")
            .and_then(read_month)
            .unwrap_or_else(|| ledger::season(ctx.local(ctx.now()).date_naive()));
        let items = view::items(ctx.tx(), &of.id, &season, LISTED).await?;
        let title = Say::EntriesTitle {
            name: &of.name,
            season: &season,
        };
        let mut card = Message::card(title.in_lang(lang));
        if items.is_empty() {
            card = card.line(Say::MineEmpty.in_lang(lang));
        }
        for item in &items {
            card = card.paragraph(item_line(item, ctx.now(), lang, true));
        }
        ctx.answer(
            &call.asker,
            AnswerPlace::Private,
            card.note(Say::MineNote.in_lang(lang)),
        )
    }

    pub(super) async fn board(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let lang = call.asker.lang;
        let me = &call.asker.person;
        let date = ctx.local(ctx.now()).date_naive();
        let week = matches!(call.text("period"), Some("本周" | "week"));
        let scope = match call.text("dept") {
            None => None,
            Some("部门" | "dept") => match &me.department_name {
                Some(name) => Some(name.clone()),
                None => {
                    let text = Message::text(Say::NoDepartment.in_lang(lang));
                    return ctx.answer(&call.asker, AnswerPlace::Private, text);
                }
            },
            Some(name) => Some(name.to_owned()),
        };
        let mut scorers: Vec<Scorer> = if week {
            let (from, to) = week_of(date);
            view::period_scorers(ctx.tx(), &me.company, &from.to_string(), &to.to_string()).await?
        } else {
            view::season_scorers(ctx.tx(), &me.company, &ledger::season(date)).await?
        };
        if let Some(scope) = &scope {
            scorers.retain(|s| s.department.as_deref() == Some(scope));
        }
        let shown_rows = rows(&rank(scorers), &me.id);
        let title = Say::BoardTitle {
            week,
            scope: scope.as_deref(),
        };
        let mut card = Message::card(title.in_lang(lang));
        if shown_rows.top.is_empty() {
            card = card.line(Say::BoardEmpty.in_lang(lang));
        }
        for row in &shown_rows.top {
            card = card.paragraph(board_line(row, me, lang));
        }
        if !shown_rows.near.is_empty() {
            card = card.block(Block::Divider);
        }
        for row in &shown_rows.near {
            card = card.paragraph(board_line(row, me, lang));
        }
        let listed = shown_rows.top.iter().chain(&shown_rows.near);
        let is_listed = listed.into_iter().any(|r| r.who.person == me.id);
        if let Some(own) = shown_rows.me.filter(|_| !is_listed) {
            let text = Say::BoardMine {
                score: shown(own.who.score),
                helped: own.who.helped,
            };
            card = card.line(text.in_lang(lang));
        }
        let note = Say::BoardNote {
            people: shown_rows.people,
        };
        ctx.answer(&call.asker, AnswerPlace::Private, card.note(note.in_lang(lang)))
    }

    pub(super) async fn hide(&self, ctx: &mut Ctx, call: &Call, hidden: bool) -> Result<(), RuleError> {
        store::set_hidden(ctx.tx(), &call.asker.person.id, hidden).await?;
        let say = if hidden { Say::Hidden } else { Say::Shown };
        ctx.answer(
            &call.asker,
            AnswerPlace::Private,
            Message::text(say.in_lang(call.asker.lang)),
        )
    }

    /// Tells a person that a message that had earned them something was taken back.
    pub(super) async fn tell_recalled(
        &self,
        ctx: &mut Ctx,
        app: &hutong_model::AppId,
        entry: &ledger::Entry,
    ) -> Result<(), RuleError> {
        let Some((person, amount)) = entry.lines.iter().find_map(|l| match &l.account {
            Account::Score { person, .. } => Some((person.clone(), l.amount)),
            _ => None,
        }) else {
            return Ok(());
        };
        let Some(receiver) = ctx.directory().person(&person).await? else {
            return Ok(());
        };
        let giver = match entry.actor.as_deref().and_then(PersonId::parse) {
            Some(id) => ctx.directory().person(&id).await?.map(|p| p.name),
            None => None,
        };
        let lang = language(ctx, &receiver);
        let text = Say::TakenByRecall {
            giver: giver.as_deref().unwrap_or("?"),
            amount: shown(amount),
        };
        let message = Message::text(text.in_lang(lang));
        let part = format!("recalled:{}", entry.seq);
        ctx.tell(&part, app, &person, hutong_model::DeliveryClass::Hint, message)
            .await?;
        Ok(())
    }
}

/// `+1 陈晨 感谢:帮我定位了驱动问题 11-20`. What people wrote stands alone, verbatim.
fn item_line(item: &Item, now: Timestamp, lang: Lang, with_id: bool) -> Vec<Inline> {
    let entry = &item.entry;
    let sign = if item.score < 0 { "" } else { "+" };
    let actor = item.actor_name.as_deref().unwrap_or("?");
    let actor = shown_name(actor, item.actor_active, item.actor_left, now, lang);
    let actor = actor.as_str();
    let what = match (entry.kind, entry.rule.as_str()) {
        (EntryKind::Grant, _) => Say::EntryGrant { operator: actor },
        (EntryKind::Reversal, rule) => Say::EntryReversal {
            recalled: rule == super::RECALL,
        },
        (_, super::give::RULE) => Say::EntryThanks { giver: actor },
        _ => Say::EntryOther,
    };
    let mut inlines = vec![Inline::Text(format!(
        "{sign}{} {}",
        shown(item.score),
        what.in_lang(lang)
    ))];
    if let Some(note) = item.note.as_deref().filter(|n| !n.is_empty()) {
        inlines.push(Inline::Text(":".to_owned()));
        inlines.push(Inline::Text(cut(note, NOTE_CHARS)));
    }
    let day = entry.local_date.get(5..).unwrap_or_default();
    let mut tail = format!(" {day}");
    if with_id {
        tail.push_str(&format!(" {}", entry.id));
    }
    if item.reversed {
        tail.push_str(&format!(" ({})", Say::EntryTaken.in_lang(lang)));
    }
    inlines.push(Inline::Text(tail));
    inlines
}

fn board_line(row: &Ranked, me: &Person, lang: Lang) -> Vec<Inline> {
    let text = Say::BoardRow {
        rank: row.rank,
        name: &row.who.name,
        score: shown(row.who.score),
        helped: row.who.helped,
    }
    .in_lang(lang);
    if row.who.person == me.id {
        vec![Inline::Strong(text)]
    } else {
        vec![Inline::Text(text)]
    }
}

/// `2026-11`
pub(super) fn read_month(text: &str) -> Option<String> {
    let first = format!("{text}-01").parse::<NaiveDate>().ok()?;
    Some(ledger::season(first))
}

/// Monday and Sunday of the week of a day.
fn week_of(date: NaiveDate) -> (NaiveDate, NaiveDate) {
    let monday = date
        .checked_sub_days(Days::new(u64::from(date.weekday().num_days_from_monday())))
        .unwrap_or(date);
    (monday, monday.checked_add_days(Days::new(6)).unwrap_or(date))
}
