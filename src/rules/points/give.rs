//! Thanks: reading what was typed, the limits, and what the receiver gets for it.

use std::time::Duration;

use chrono::{Datelike as _, Days, NaiveDate};
use hutong_model::{Action, ChatKind, DeliveryClass, Inline, Mention, Message};

use super::PointsRule;
use super::ledger::{self, EntryKind, LedgerError, Note, POINT, Posting, income};
use super::store::{self, Posted, Thanks};
use super::weights::{pair_weight, shown, worth};
use crate::commands::{AnswerPlace, Asker, Call};
use crate::directory::Person;
use crate::rules::{Ctx, RuleError};
use crate::store::StoreError;
use crate::text::points::Say;

/// Code of the rule in the ledger.
pub const RULE: &str = "thanks";
/// Points given, per giver and week.
pub const CAP_GIVEN: &str = "thanks.given";
/// Acts per pair and day.
pub const CAP_PAIR: &str = "thanks.pair";
/// Thousandths received per person and day, and week.
pub const CAP_DAY: &str = "thanks.day";
pub const CAP_WEEK: &str = "thanks.week";

/// Points that thanks can bring a person in a day (the configured cap may be lower) and in a week.
const DAY_POINTS: i64 = 15;
const WEEK_POINTS: i64 = 40;
/// Gifts of a pair are counted over so many days.
const PAIR_DAYS: u64 = 30;
/// What the group sees of a reason, in characters; the receiver sees all of it.
const LINE_CHARS: usize = 80;
const CARD_CHARS: usize = 500;

/// What a person wrote after the names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reason {
    pub text: String,
    pub points: Option<i64>,
    pub value: Option<String>,
}

impl Reason {
    /// Characters that say something: letters and digits of any script.
    pub fn weight(&self) -> usize {
        self.text.chars().filter(|c| c.is_alphanumeric()).count()
    }
}

/// Reads a reason. Code, quotes and links say nothing and are left out (`C++` is no praise); `2分`
/// at either end is the amount; `#value` is a value of the company if it is one of `values`.
pub fn read_reason(typed: &str, values: &[String]) -> Reason {
    let mut text = String::new();
    for (i, part) in typed.split("```").enumerate() {
        if i % 2 == 0 {
            text.push_str(part);
            text.push(' ');
        }
    }
    let lines: Vec<String> = text
        .lines()
        .filter(|l| !l.trim_start().starts_with(['>', '》', '＞']))
        .map(|l| {
            let even = l.split('`').enumerate().filter(|(i, _)| i % 2 == 0);
            even.map(|(_, part)| part).collect::<Vec<_>>().join(" ")
        })
        .collect();
    let mut reason = Reason::default();
    let mut words: Vec<String> = Vec::new();
    for word in lines.join(" ").split_whitespace() {
        let lower = word.to_ascii_lowercase();
        if lower.starts_with("http://") || lower.starts_with("https://") || lower.starts_with("www.") {
            continue;
        }
        match value_in(word, values) {
            Some((value, rest)) if reason.value.is_none() => {
                reason.value = Some(value);
                if !rest.is_empty() {
                    words.push(rest);
                }
            }
            _ => words.push(word.to_owned()),
        }
    }
    if let Some(n) = words.first().and_then(|w| amount(w)) {
        reason.points = Some(n);
        words.remove(0);
    } else if let Some(n) = words.last().and_then(|w| amount(w)) {
        reason.points = Some(n);
        words.pop();
    }
    reason.text = words.join(" ");
    reason
}

/// A tag of a known value in a word, and the word without it.
fn value_in(word: &str, values: &[String]) -> Option<(String, String)> {
    let at = word.find(['#', '＃'])?;
    let (before, tag) = word.split_at(at);
    let tag = tag.trim_matches(['#', '＃']);
    // The longest value first: one may begin like another.
    let mut known: Vec<&String> = values.iter().filter(|v| tag.starts_with(v.as_str())).collect();
    known.sort_by_key(|v| std::cmp::Reverse(v.len()));
    let value = known.first()?;
    let rest = format!("{before}{}", tag.strip_prefix(value.as_str()).unwrap_or(""));
    Some(((*value).clone(), rest.trim_matches(['#', '＃']).to_owned()))
}

/// `2分` or `+2`.
fn amount(word: &str) -> Option<i64> {
    let digits = word
        .strip_suffix('分')
        .map(|d| d.trim_start_matches('+'))
        .or_else(|| word.strip_prefix('+'))?;
    if digits.len() > 4 || digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// True when everybody is meant, by whatever name.
fn everybody(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    ["@所有人", "@全体", "@all", "@everyone"].iter().any(|w| {
        lower.match_indices(w).any(|(i, _)| {
            // `@allen` is a person.
            !lower[i + w.len()..].starts_with(|c: char| c.is_ascii_alphanumeric())
        })
    })
}

pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(most.saturating_sub(1)).collect();
    out.push('…');
    out
}

/// The Monday on which the allowance is full again.
pub(super) fn next_monday(date: NaiveDate) -> NaiveDate {
    let ahead = 7 - u64::from(date.weekday().num_days_from_monday());
    date.checked_add_days(Days::new(ahead)).unwrap_or(date)
}

/// The people a command names, or what is wrong with one of them.
pub(super) async fn people(
    ctx: &mut Ctx,
    asker: &Asker,
    mentions: &[Mention],
) -> Result<Result<Vec<Person>, Say<'static>>, RuleError> {
    let mut list: Vec<Person> = Vec::new();
    for mention in mentions {
        let name = mention.name.clone().unwrap_or_default();
        if everybody(&format!("@{name}")) {
            return Ok(Err(Say::Everybody));
        }
        if mention.bot {
            return Ok(Err(Say::Bot));
        }
        let Some(person) = ctx.person_mentioned(&asker.app, mention).await? else {
            return Ok(Err(Say::UnknownPerson { name }));
        };
        if person.id == asker.person.id {
            return Ok(Err(Say::Yourself));
        }
        if !person.active {
            return Ok(Err(Say::Left { name: person.name }));
        }
        if !list.iter().any(|p| p.id == person.id) {
            list.push(person);
        }
    }
    if list.is_empty() {
        return Ok(Err(Say::Nobody));
    }
    Ok(Ok(list))
}

impl From<LedgerError> for RuleError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Store(error) => RuleError::Store(error),
            other => RuleError::Fail(other.to_string()),
        }
    }
}

/// Salt for a note; the same when the item runs again.
pub(super) fn note(ctx: &Ctx, part: &str, body: &str) -> Note {
    use rand::Rng as _;
    let random: u64 = ctx.rng().next_u64();
    Note {
        salt: crate::ids::short_hash(&[&format!("{random:016x}"), part], 20),
        body: body.to_owned(),
    }
}

/// What one receiver got.
struct Got {
    person: Person,
    amount: i64,
}

impl PointsRule {
    pub(super) async fn thanks(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        match self.try_thanks(ctx, call).await? {
            Ok(()) => Ok(()),
            // Nothing was written: the reason why is nobody else's business.
            Err(say) => {
                let text = Message::text(say.in_lang(call.asker.lang));
                ctx.answer(&call.asker, AnswerPlace::Private, text)
            }
        }
    }

    async fn try_thanks(&self, ctx: &mut Ctx, call: &Call) -> Result<Result<(), Say<'static>>, RuleError> {
        let asker = &call.asker;
        let give = &self.config.give;
        let typed = call.text("reason").unwrap_or_default();
        let reason = read_reason(typed, &self.config.values);
        if everybody(typed) {
            return Ok(Err(Say::Everybody));
        }
        let receivers = match people(ctx, asker, call.people("to")).await? {
            Ok(list) => list,
            Err(say) => return Ok(Err(say)),
        };
        let points = call.integer("points").or(reason.points).unwrap_or(1);
        if !(1..=i64::from(give.max_per_act)).contains(&points) {
            return Ok(Err(Say::TooMany { max: give.max_per_act }));
        }
        if reason.weight() < usize::try_from(give.reason_min_chars).unwrap_or(usize::MAX) {
            return Ok(Err(Say::ShortReason {
                min: give.reason_min_chars,
            }));
        }

        store::lock(ctx.tx()).await?;
        let source = match &asker.message {
            Some(message) => {
                if store::recalled(ctx.tx(), asker.app.as_str(), message.as_str()).await? {
                    return Ok(Ok(()));
                }
                message.as_str().to_owned()
            }
            None => ctx.event_id().hex(),
        };
        let cause = |p: &Person| format!("thanks:{}:{source}:{}", asker.app, p.id);
        for person in &receivers {
            if store::thanks_known(ctx.tx(), &cause(person)).await? {
                return Ok(Ok(()));
            }
        }
        let date = ctx.local(ctx.now()).date_naive();
        if let Err(say) = self.take_allowance(ctx, asker, &receivers, points, date).await? {
            return Ok(Err(say));
        }
        let mut got = Vec::new();
        for person in receivers {
            let cause = cause(&person);
            let amount = self.award(ctx, asker, &person, points, date, cause, &reason).await?;
            got.push(Got { person, amount });
        }
        self.tell_all(ctx, asker, &got, &reason).await?;
        Ok(Ok(()))
    }

    /// Takes the points from the giver's week and the pairs' day; all or nothing.
    async fn take_allowance(
        &self,
        ctx: &mut Ctx,
        asker: &Asker,
        receivers: &[Person],
        points: i64,
        date: NaiveDate,
    ) -> Result<Result<(), Say<'static>>, RuleError> {
        let give = &self.config.give;
        let giver = asker.person.id.as_str();
        let (week, day) = (ledger::week(date), date.to_string());
        let allowance = i64::from(give.weekly_allowance);
        let cost = points.saturating_mul(i64::try_from(receivers.len()).unwrap_or(i64::MAX));
        let left = allowance - store::cap_used(ctx.tx(), CAP_GIVEN, giver, &week).await?;
        if cost > left {
            return Ok(Err(Say::Allowance {
                left: left.max(0),
                allowance,
                reset: next_monday(date),
            }));
        }
        let per_pair = i64::from(give.per_pair_per_day);
        let pair = |p: &Person| format!("{giver}>{}", p.id);
        for person in receivers {
            if store::cap_used(ctx.tx(), CAP_PAIR, &pair(person), &day).await? >= per_pair {
                return Ok(Err(Say::PairToday {
                    name: person.name.clone(),
                }));
            }
        }
        let mut taken = store::cap_take(ctx.tx(), CAP_GIVEN, giver, &week, cost, allowance).await?;
        for person in receivers {
            taken &= store::cap_take(ctx.tx(), CAP_PAIR, &pair(person), &day, 1, per_pair).await?;
        }
        if taken {
            Ok(Ok(()))
        } else {
            // Under the ledger's lock nobody else can have been faster; run again from the start.
            Err(RuleError::Retry("the allowance changed meanwhile".to_owned()))
        }
    }

    /// Enters what one receiver gets; returns the amount in thousandths.
    #[expect(clippy::too_many_arguments, reason = "one act, spelled out once")]
    async fn award(
        &self,
        ctx: &mut Ctx,
        asker: &Asker,
        person: &Person,
        points: i64,
        date: NaiveDate,
        cause: String,
        reason: &Reason,
    ) -> Result<i64, RuleError> {
        let give = &self.config.give;
        let now = ctx.now();
        let days = |n: u64| Duration::from_secs(n * 86_400);
        let giver = &asker.person;
        let before = store::pair_count(ctx.tx(), &giver.id, &person.id, now - days(PAIR_DAYS)).await?;
        let n = u32::try_from(before.max(0)).unwrap_or(u32::MAX).saturating_add(1);
        let payback = give.payback_window_days > 0
            && store::pair_count(
                ctx.tx(),
                &person.id,
                &giver.id,
                now - days(u64::from(give.payback_window_days)),
            )
            .await?
                > 0;
        let upward = giver.leader.as_ref() == Some(&person.id);
        let full = worth(points, pair_weight(n, give.pair_saturation), payback, upward);
        let amount = self.within_caps(ctx, person, date, full).await?;
        let mut seq = None;
        if amount > 0 {
            let debt = store::purse(ctx.tx(), &person.id).await?.owed;
            let posting = Posting {
                kind: EntryKind::Award,
                rule: RULE.to_owned(),
                rule_version: super::RULES_VERSION,
                cause: cause.clone(),
                message: asker
                    .message
                    .as_ref()
                    .map(|m| (asker.app.as_str().to_owned(), m.as_str().to_owned())),
                actor: Some(giver.id.clone()),
                note: Some(note(ctx, person.id.as_str(), &cut(&reason.text, CARD_CHARS))),
                at: now,
                local_date: date,
                lines: income(RULE, &person.id, &ledger::season(date), amount, amount, debt),
            };
            match store::post(ctx.tx(), &posting).await? {
                Posted::New { seq: new, .. } => seq = Some(new),
                Posted::Repeat | Posted::Withdrawn => {
                    return Err(RuleError::Fail(format!("{cause} was entered without its thanks")));
                }
            }
        }
        let thanks = Thanks {
            cause,
            app: asker.app.clone(),
            chat: asker
                .chat
                .as_ref()
                .filter(|c| c.kind == ChatKind::Group)
                .map(|c| c.id.as_str().to_owned()),
            message: asker.message.clone(),
            at: now,
            local_date: date,
            giver: giver.id.clone(),
            receiver: person.id.clone(),
            points,
            value: reason.value.clone(),
            cross_department: matches!((&giver.department, &person.department), (Some(a), Some(b)) if a != b),
            seq,
        };
        store::remember_thanks(ctx.tx(), &thanks).await?;
        Ok(amount)
    }

    /// As much of `full` as the receiver's day and week still take.
    async fn within_caps(&self, ctx: &mut Ctx, person: &Person, date: NaiveDate, full: i64) -> Result<i64, StoreError> {
        let subject = person.id.as_str();
        let (day, week) = (date.to_string(), ledger::week(date));
        let day_cap = DAY_POINTS.min(i64::from(self.config.score_daily_cap)) * POINT;
        let week_cap = WEEK_POINTS * POINT;
        let day_left = day_cap - store::cap_used(ctx.tx(), CAP_DAY, subject, &day).await?;
        let week_left = week_cap - store::cap_used(ctx.tx(), CAP_WEEK, subject, &week).await?;
        let amount = full.min(day_left).min(week_left).max(0);
        if amount > 0
            && !(store::cap_take(ctx.tx(), CAP_DAY, subject, &day, amount, day_cap).await?
                && store::cap_take(ctx.tx(), CAP_WEEK, subject, &week, amount, week_cap).await?)
        {
            return Err(StoreError::Conflict("a cap changed meanwhile".to_owned()));
        }
        Ok(amount)
    }

    /// One line where it was typed, a card for each receiver.
    async fn tell_all(&self, ctx: &mut Ctx, asker: &Asker, got: &[Got], reason: &Reason) -> Result<(), RuleError> {
        let lang = asker.lang;
        let names: Vec<String> = got.iter().map(|g| g.person.name.clone()).collect();
        let in_group = asker.chat.as_ref().is_some_and(|c| c.kind == ChatKind::Group);
        let before = if in_group {
            Say::GroupLine {
                receivers: &names,
                giver: &asker.person.name,
            }
        } else {
            Say::Delivered { receivers: &names }
        };
        let amounts: Vec<(String, String)> = got.iter().map(|g| (g.person.name.clone(), shown(g.amount))).collect();
        let line = Message {
            title: None,
            blocks: vec![hutong_model::Block::Paragraph(vec![
                Inline::Text(before.in_lang(lang)),
                Inline::Text(cut(&reason.text, LINE_CHARS)),
                Inline::Text(Say::Amounts { each: &amounts }.in_lang(lang)),
            ])],
            card: false,
        };
        match (&asker.chat, &asker.message) {
            // Tracked, so that the line can be taken back together with the message.
            (Some(chat), Some(message)) => {
                let action = Action::Reply {
                    message: message.clone(),
                    chat: chat.clone(),
                    context: asker.reply_context.clone(),
                    content: line,
                };
                let tag = serde_json::json!({ "line_of": message.as_str() });
                ctx.emit_tracked("line", &asker.app, DeliveryClass::Reply, action, tag)?;
            }
            _ => ctx.answer(asker, AnswerPlace::GroupLine, line)?,
        }
        for g in got {
            let month = self.month_score(ctx, &g.person.id).await?;
            let lang = language(ctx, &g.person);
            let mut card = Message::card(Say::ThanksTitle.in_lang(lang))
                .line(
                    Say::ThanksFrom {
                        giver: &asker.person.name,
                    }
                    .in_lang(lang),
                )
                .block(hutong_model::Block::Quote(vec![Inline::Text(cut(
                    &reason.text,
                    CARD_CHARS,
                ))]));
            if let Some(value) = &reason.value {
                card = card.line(Say::ThanksValue { value }.in_lang(lang));
            }
            let note = Say::ThanksNote {
                amount: shown(g.amount),
                month: shown(month),
            };
            let card = card.note(note.in_lang(lang));
            let part = format!("thanks:{}", g.person.id);
            ctx.tell(&part, &asker.app, &g.person.id, DeliveryClass::Reply, card)
                .await?;
        }
        Ok(())
    }
}

/// The language a person is spoken to in.
pub(super) fn language(ctx: &Ctx, person: &Person) -> crate::text::Lang {
    person
        .language
        .as_deref()
        .and_then(crate::text::Lang::parse)
        .unwrap_or(ctx.env().lang)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_what_a_person_said() {
        let values = vec!["客户第一".to_owned(), "客户".to_owned(), "协作".to_owned()];
        let read = |t: &str| read_reason(t, &values);
        let r = read("  帮我定位了驱动问题 #客户第一");
        assert_eq!(
            (r.text.as_str(), r.value.as_deref(), r.points),
            ("帮我定位了驱动问题", Some("客户第一"), None)
        );
        assert_eq!(read("2分 帮我定位了驱动问题").points, Some(2));
        assert_eq!(read("帮我定位了驱动问题 +3").points, Some(3));
        assert_eq!(read("帮我定位了驱动问题#协作#").text, "帮我定位了驱动问题");
        // Not a value of the company: stays what it is.
        assert_eq!(read("看了 #周报").text, "看了 #周报");
        for nothing in [
            "`C++ 真好用呀呀`",
            "```\nlong code here\n```",
            "> 别人说的一句话",
            "https://a.example/很长的路径",
        ] {
            assert_eq!(read(nothing).weight(), 0, "{nothing}");
        }
        assert_eq!(read("C++").weight(), 1);
        assert_eq!(read("。。。。。。。").weight(), 0);
        assert_eq!(read("三分之一的时间 99999分").points, None);
    }

    #[test]
    fn everybody_is_nobody() {
        assert!(everybody("感谢 @所有人 的付出") && everybody("thanks @ALL") && everybody("@everyone!"));
        assert!(!everybody("thanks @allen for it") && !everybody("all good"));
    }

    #[test]
    fn the_allowance_returns_on_monday() {
        let day = |d| NaiveDate::from_ymd_opt(2026, 11, d).unwrap();
        assert_eq!(next_monday(day(24)), day(30));
        assert_eq!(next_monday(day(29)), day(30));
        assert_eq!(next_monday(day(23)), day(30));
    }
}
