//! Every quarter of an hour: drafts go to reviewers, deputies are asked, and what nobody has approved half an
//! hour before its time is not sent, and said so.

use std::time::Duration;

use hutong_model::{DeliveryClass, Message, Timestamp};

use super::decide::closes;
use super::desk::timed;
use super::store::{self, Review};
use super::{ReviewRule, language_of, people, reach};
use crate::access::Role;
use crate::directory::PersonId;
use crate::issues::{self, Issue, State, why};
use crate::rules::{Ctx, RuleError};
use crate::text::review::Say;

/// Issues that one look takes in.
const MOST: i64 = 200;
/// Deputies are asked at the latest this long before the last moment.
const LAST_CALL: Duration = Duration::from_secs(3_600);
/// Issues are looked at this long ahead; they are written some working days ahead.
const AHEAD: Duration = Duration::from_secs(31 * 86_400);

impl ReviewRule {
    pub(super) async fn watch(&self, ctx: &mut Ctx) -> Result<(), RuleError> {
        let now = ctx.now();
        for issue in issues::upcoming(ctx.tx(), now + AHEAD, MOST).await? {
            if timed(&issue) && self.reviews(&issue.column) {
                self.look_after(ctx, &issue).await?;
            }
        }
        for review in store::open_posts(ctx.tx(), MOST).await? {
            let Some(issue) = issues::issue(ctx.tx(), review.issue).await? else {
                continue;
            };
            // A correction since then has its own review.
            if issue.version != review.version {
                store::void(ctx.tx(), &review, now).await?;
                continue;
            }
            if review.asked_at == Timestamp(0) {
                self.send_cards(ctx, &issue, &review, false).await?;
            }
            if now >= review.until_at && !review.alerted {
                store::alerted(ctx.tx(), issue.id, issue.version).await?;
                let number = issue.id;
                self.alert(ctx, &issue, "overdue", |lang| {
                    let title = issue.content.title.as_str();
                    Message::text(Say::Overdue { title, number }.in_lang(lang))
                })
                .await?;
            }
        }
        Ok(())
    }

    async fn look_after(&self, ctx: &mut Ctx, issue: &Issue) -> Result<(), RuleError> {
        let now = ctx.now();
        if !matches!(issue.state, State::Approved | State::Scheduled) && now >= closes(issue.due_at) {
            if issues::miss(ctx.tx(), issue.id, why::HELD, now).await? {
                self.alert(ctx, issue, "held", |lang| {
                    let title = issue.content.title.as_str();
                    Message::card(Say::HeldTitle { title }.in_lang(lang))
                        .line(Say::HeldNoYes.in_lang(lang))
                        .note(Say::HeldNext { title }.in_lang(lang))
                })
                .await?;
            }
            return Ok(());
        }
        match issue.state {
            State::Draft => self.ask(ctx, issue).await,
            State::Pending => {
                let review = store::review(ctx.tx(), issue.id, issue.version).await?;
                let Some(review) = review.filter(|r| r.asked_at > Timestamp(0)) else {
                    return self.ask(ctx, issue).await;
                };
                let waited = now.since(review.asked_at) >= self.desk.config.deputy_after;
                let late = now + LAST_CALL >= closes(issue.due_at);
                if review.deputies_at == Timestamp(0) && (waited || late) {
                    self.send_cards(ctx, issue, &review, true).await?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Hands a draft to the reviewers.
    pub(super) async fn ask(&self, ctx: &mut Ctx, issue: &Issue) -> Result<(), RuleError> {
        let now = ctx.now();
        if !self.reviews(&issue.column) || !timed(issue) || issue.content.pieces.is_empty() {
            return Ok(());
        }
        let from = [State::Draft, State::Pending];
        let moved = issues::move_to(
            ctx.tx(),
            issue.id,
            issue.version,
            &issue.sha256,
            &from,
            State::Pending,
            now,
        )
        .await?;
        if !moved {
            return Ok(());
        }
        store::begin(ctx.tx(), issue, None).await?;
        let Some(review) = store::review(ctx.tx(), issue.id, issue.version).await? else {
            return Ok(());
        };
        // Somebody had approved what it said before.
        let before = store::approvals(ctx.tx(), issue.id).await?;
        if let Some(void) = before.iter().map(|a| a.version).max() {
            let authors = issues::authors(ctx.tx(), issue).await?;
            for person in self.writers(ctx, issue, &authors).await? {
                let lang = language_of(ctx, &person).await?;
                let title = issue.content.title.as_str();
                let text = Message::text(Say::ToldVoid { title, version: void }.in_lang(lang));
                self.tell(ctx, issue, &format!("void:{person}"), &person, text).await?;
            }
        }
        self.send_cards(ctx, issue, &review, false).await
    }

    /// Cards to those who may decide and wrote none of it. With nobody left, the operators hear it.
    async fn send_cards(&self, ctx: &mut Ctx, issue: &Issue, review: &Review, deputies: bool) -> Result<(), RuleError> {
        let Some(column) = self.desk.column(ctx.tx(), &issue.column).await? else {
            return Ok(());
        };
        let now = ctx.now();
        let authors = issues::authors(ctx.tx(), issue).await?;
        let reviewers = people(ctx, &column.app, &[Role::Reviewer]).await?;
        let stand_ins = self.deputies(ctx, &column.app).await?;
        let others = |list: Vec<PersonId>| list.into_iter().filter(|p| !authors.contains(p)).collect::<Vec<_>>();
        let (reviewers, stand_ins) = (others(reviewers), others(stand_ins));
        let now_deputies = deputies || reviewers.is_empty();
        let list = match now_deputies {
            // Who is a reviewer as well has a card already.
            true => stand_ins.iter().filter(|p| !reviewers.contains(p)).cloned().collect(),
            false => reviewers.clone(),
        };
        store::asked(ctx.tx(), issue.id, issue.version, now).await?;
        if now_deputies {
            store::deputies_asked(ctx.tx(), issue.id, issue.version, now).await?;
        }
        let mut reached = 0;
        for person in &list {
            let lang = language_of(ctx, person).await?;
            let card = self.desk.card(ctx, issue, review, lang, person).await?;
            let part = format!("card:{}:{}:{person}", issue.id, issue.version);
            reached += usize::from(reach(ctx, &part, &column.app, person, DeliveryClass::Once, card).await?);
        }
        if reached == 0 && (reviewers.is_empty() || !deputies) {
            self.alert(ctx, issue, "nobody", |lang| {
                let title = issue.content.title.as_str();
                Message::card(Say::NobodyTitle { title }.in_lang(lang)).line(Say::Nobody.in_lang(lang))
            })
            .await?;
        }
        Ok(())
    }

    async fn deputies(&self, ctx: &mut Ctx, app: &hutong_model::AppId) -> Result<Vec<PersonId>, RuleError> {
        let Some(company) = ctx.env().app(app).map(|a| a.company.clone()) else {
            return Ok(Vec::new());
        };
        let mut list = Vec::new();
        for number in &self.desk.config.deputies {
            list.extend(ctx.directory().person_numbered(&company, number).await?);
        }
        Ok(list)
    }

    /// To everybody who edits or operates.
    pub(super) async fn alert(
        &self,
        ctx: &mut Ctx,
        issue: &Issue,
        part: &str,
        message: impl Fn(crate::text::Lang) -> Message,
    ) -> Result<(), RuleError> {
        let Some(column) = self.desk.column(ctx.tx(), &issue.column).await? else {
            return Ok(());
        };
        for person in people(ctx, &column.app, &[Role::Editor, Role::Operator]).await? {
            let lang = language_of(ctx, &person).await?;
            self.tell(ctx, issue, &format!("{part}:{person}"), &person, message(lang))
                .await?;
        }
        Ok(())
    }
}
