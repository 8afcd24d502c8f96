//! What operators do: grant, reverse, look up, answer questions.

use hutong_model::{Block, DeliveryClass, Inline, Message};

use super::PointsRule;
use super::give::{cut, language, next_monday, note, people, read_reason};
use super::ledger::{self, Account, EntryKind, POINT, Posting, income};
use super::store::{self, Posted, Reversal, Reversed};
use super::view::store as view;
use super::weights::shown;
use crate::commands::{AnswerPlace, Call};
use crate::directory::{Person, PersonId};
use crate::rules::{Ctx, RuleError};
use crate::text::points::Say;

/// Points of one grant, of one operator in a week, and of a company in a month.
pub const GRANT_MAX: i64 = 50;
const OPERATOR_WEEK: i64 = 100;
const COMPANY_MONTH: i64 = 2000;
const CAP_OPERATOR: &str = "grant.week";
const CAP_BUDGET: &str = "grant.month";
/// Code of the rule in the ledger.
const GRANT: &str = "grant";
const OPERATOR: &str = "operator";
const NOTE_CHARS: usize = 500;
/// Open questions on one card.
const LISTED: i64 = 8;

impl PointsRule {
    fn say(&self, ctx: &mut Ctx, call: &Call, say: &Say<'_>) -> Result<(), RuleError> {
        let text = Message::text(say.in_lang(call.asker.lang));
        ctx.answer(&call.asker, AnswerPlace::Private, text)
    }

    pub(super) async fn grant(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let asker = &call.asker;
        let reason = read_reason(call.text("reason").unwrap_or_default(), &[]);
        let min = self.config.give.reason_min_chars;
        if reason.weight() < usize::try_from(min).unwrap_or(usize::MAX) {
            return self.say(ctx, call, &Say::ShortReason { min });
        }
        let receivers = match people(ctx, asker, call.people("to")).await? {
            Ok(list) => list,
            Err(say) => return self.say(ctx, call, &say),
        };
        let points = call.integer("points").unwrap_or(0);
        if !(1..=GRANT_MAX).contains(&points) {
            let max = u32::try_from(GRANT_MAX).unwrap_or(u32::MAX);
            return self.say(ctx, call, &Say::TooMany { max });
        }
        store::lock(ctx.tx()).await?;
        let date = ctx.local(ctx.now()).date_naive();
        let (week, month) = (ledger::week(date), ledger::season(date));
        let cost = points.saturating_mul(i64::try_from(receivers.len()).unwrap_or(i64::MAX));
        let operator = asker.person.id.as_str();
        let company = asker.person.company.as_str().to_owned();
        let left = OPERATOR_WEEK - store::cap_used(ctx.tx(), CAP_OPERATOR, operator, &week).await?;
        if cost > left {
            let say = Say::GrantWeek {
                left: left.max(0),
                cap: OPERATOR_WEEK,
                reset: next_monday(date),
            };
            return self.say(ctx, call, &say);
        }
        let budget = COMPANY_MONTH - store::cap_used(ctx.tx(), CAP_BUDGET, &company, &month).await?;
        if cost > budget {
            return self.say(ctx, call, &Say::GrantBudget { left: budget.max(0) });
        }
        let taken = store::cap_take(ctx.tx(), CAP_OPERATOR, operator, &week, cost, OPERATOR_WEEK).await?
            && store::cap_take(ctx.tx(), CAP_BUDGET, &company, &month, cost, COMPANY_MONTH).await?;
        if !taken {
            return Err(RuleError::Retry("the budget changed meanwhile".to_owned()));
        }
        let mut ids = Vec::new();
        for person in &receivers {
            let debt = store::purse(ctx.tx(), &person.id).await?.owed;
            let amount = points * POINT;
            let posting = Posting {
                kind: EntryKind::Grant,
                rule: GRANT.to_owned(),
                rule_version: super::RULES_VERSION,
                cause: format!("grant:{}:{}", ctx.event_id(), person.id),
                message: None,
                actor: Some(asker.person.id.clone()),
                note: Some(note(ctx, person.id.as_str(), &cut(&reason.text, NOTE_CHARS))),
                at: ctx.now(),
                local_date: date,
                lines: income(GRANT, &person.id, &month, amount, amount, debt),
            };
            match store::post(ctx.tx(), &posting).await? {
                Posted::New { id, .. } => ids.push(id),
                // The same event again: everything was done and told the first time.
                Posted::Repeat | Posted::Withdrawn => return Ok(()),
            }
        }
        let names: Vec<String> = receivers.iter().map(|p| p.name.clone()).collect();
        for person in &receivers {
            let lang = language(ctx, person);
            let from = Say::GrantFrom {
                operator: &asker.person.name,
                points,
            };
            let card = Message::card(Say::GrantTitle.in_lang(lang))
                .line(from.in_lang(lang))
                .block(Block::Quote(vec![Inline::Text(cut(&reason.text, NOTE_CHARS))]));
            let part = format!("grant:{}", person.id);
            ctx.tell(&part, &asker.app, &person.id, DeliveryClass::Reply, card)
                .await?;
        }
        let done = Say::GrantDone {
            ids: &ids,
            names: &names,
            points,
        };
        self.say(ctx, call, &done)
    }

    pub(super) async fn reverse(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let id = call.text("id").unwrap_or_default().to_ascii_uppercase();
        let reason = cut(call.text("reason").unwrap_or_default().trim(), NOTE_CHARS);
        store::lock(ctx.tx()).await?;
        let Some(entry) = self.entry_of_company(ctx, call, &id).await? else {
            return self.say(ctx, call, &Say::ReverseNotFound { id: &id });
        };
        let why = Reversal {
            rule: OPERATOR,
            actor: Some(call.asker.person.id.clone()),
            note: Some(note(ctx, &id, &reason)),
            at: ctx.now(),
            local_date: ctx.local(ctx.now()).date_naive(),
        };
        let (by, of) = match store::reverse(ctx.tx(), entry, &why).await? {
            Reversed::Done { id, of } => (id, of),
            Reversed::Already => return self.say(ctx, call, &Say::ReverseAlready { id: &id }),
            Reversed::NotFound => return self.say(ctx, call, &Say::ReverseNotFound { id: &id }),
            Reversed::IsReversal => return self.say(ctx, call, &Say::ReverseIsReversal { id: &id }),
        };
        let mut told: Vec<PersonId> = Vec::new();
        for line in &of.lines {
            let Account::Score { person, .. } = &line.account else {
                continue;
            };
            if told.contains(person) {
                continue;
            }
            told.push(person.clone());
            let Some(receiver) = ctx.directory().person(person).await? else {
                continue;
            };
            let lang = language(ctx, &receiver);
            let text = Say::TakenByOperator {
                id: &id,
                amount: shown(line.amount),
            };
            let card = Message::card(Say::TakenTitle.in_lang(lang))
                .line(text.in_lang(lang))
                .block(Block::Quote(vec![Inline::Text(reason.clone())]));
            let part = format!("taken:{person}");
            ctx.tell(&part, &call.asker.app, person, DeliveryClass::Reply, card)
                .await?;
        }
        self.say(ctx, call, &Say::ReverseDone { id: &id, by: &by })
    }

    /// The entry with this number, if it concerns somebody of the operator's company.
    async fn entry_of_company(&self, ctx: &mut Ctx, call: &Call, id: &str) -> Result<Option<i64>, RuleError> {
        let Some(seq) = view::seq_of(ctx.tx(), id).await? else {
            return Ok(None);
        };
        let Some(entry) = view::entry(ctx.tx(), seq).await? else {
            return Ok(None);
        };
        for line in &entry.lines {
            if let Some(owner) = line.account.owner() {
                let person = ctx.directory().person(owner).await?;
                let same = person.is_some_and(|p| p.company == call.asker.person.company);
                return Ok(same.then_some(seq));
            }
        }
        Ok(None)
    }

    /// The one person an operator names.
    async fn named(&self, ctx: &mut Ctx, call: &Call) -> Result<Option<Person>, RuleError> {
        match people(ctx, &call.asker, call.people("to")).await? {
            Ok(list) => Ok(list.into_iter().next()),
            Err(Say::Yourself) => Ok(Some(call.asker.person.clone())),
            Err(say) => {
                self.say(ctx, call, &say)?;
                Ok(None)
            }
        }
    }

    pub(super) async fn lookup(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        match self.named(ctx, call).await? {
            Some(person) => self.entries(ctx, call, &person).await,
            None => Ok(()),
        }
    }

    pub(super) async fn disputes(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let lang = call.asker.lang;
        let list = view::disputes(ctx.tx(), &call.asker.person.company, LISTED).await?;
        if list.is_empty() {
            return self.say(ctx, call, &Say::DisputesNone);
        }
        let mut card = Message::card(Say::DisputesTitle.in_lang(lang));
        for d in &list {
            let row = Say::DisputeRow {
                id: &d.id,
                name: &d.person_name,
                date: ctx.local(d.at).format("%m-%d").to_string(),
            };
            card = card.line(row.in_lang(lang));
        }
        let card = card.note(Say::DisputesNote.in_lang(lang));
        ctx.answer(&call.asker, AnswerPlace::Private, card)
    }

    /// Closes a person's question with an answer that they are told.
    pub(super) async fn answer_dispute(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let id = call.text("id").unwrap_or_default().to_ascii_uppercase();
        let Some(person) = self.named(ctx, call).await? else {
            return Ok(());
        };
        let seq = self.entry_of_company(ctx, call, &id).await?;
        let now = ctx.now();
        let open = match seq {
            Some(seq) => view::disputed(ctx.tx(), seq, &person.id).await?,
            None => false,
        };
        let (Some(seq), true) = (seq, open) else {
            return self.say(ctx, call, &Say::DisputesNone);
        };
        store::set_dispute(ctx.tx(), seq, &person.id, false, now).await?;
        let lang = language(ctx, &person);
        let text = cut(call.text("reason").unwrap_or_default().trim(), NOTE_CHARS);
        let card = Message::card(
            Say::AnswerTitle {
                id: &id,
                operator: &call.asker.person.name,
            }
            .in_lang(lang),
        )
        .block(Block::Quote(vec![Inline::Text(text)]));
        ctx.tell("answer", &call.asker.app, &person.id, DeliveryClass::Reply, card)
            .await?;
        self.say(ctx, call, &Say::AnswerDone { name: &person.name })
    }
}
