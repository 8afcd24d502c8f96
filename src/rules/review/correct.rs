//! `/更正`: what went out wrong is put right, and those who saw it hear so: exactly they, where the
//! platform tells who has read a message; everybody in the group, where it does not.

use hutong_model::{Ability, Action, AppId, ChatId, DeliveryClass, Message, MessageId, Receipt, UserId};

use super::decide::POST;
use super::desk::content_of;
use super::{ReviewRule, language_of, reach, refuse, store};
use crate::access::store::audit;
use crate::commands::{AnswerPlace, Call};
use crate::directory::PersonId;
use crate::issues::{self, Issue, Post};
use crate::rules::{Ctx, RuleError};
use crate::text::review::Say;

/// Sent issues that are looked through for the day.
const LOOK_BACK: i64 = 100;
/// Groups of an issue.
const MOST_POSTS: i64 = 2_000;

impl ReviewRule {
    pub(super) async fn correct(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let lang = call.asker.lang;
        let typed = call.text("column").unwrap_or_default().trim();
        let named = |c: &&super::Known| c.id.eq_ignore_ascii_case(typed) || c.title.eq_ignore_ascii_case(typed);
        let all = self.desk.all(ctx.tx()).await?;
        let Some(column) = all.iter().find(named).cloned() else {
            let known: Vec<&str> = all.iter().map(|c| c.title.as_str()).collect();
            let known = known.join("、");
            return Err(refuse(&Say::NoColumn { typed, known: &known }, lang));
        };
        let day = call.date("day").map(|d| d.to_string()).unwrap_or_default();
        ctx.tx().lock(&format!("review correct {}", column.id)).await?;
        let sent = issues::last(ctx.tx(), &column.id, LOOK_BACK).await?;
        let Some(wrong) = sent.into_iter().find(|i| i.number > 0 && i.slot.starts_with(&day)) else {
            let title = column.title.as_str();
            return Err(refuse(&Say::NoSent { title, day: &day }, lang));
        };
        let content = content_of(&wrong, call.text("text").unwrap_or_default())
            .ok_or_else(|| refuse(&Say::EditTooShort, lang))?;
        let now = ctx.now();
        let mut right = wrong.clone();
        right.content = content;
        let look = self.desk.look(ctx.tx(), &right, now).await?;
        if !look.blocked.is_empty() {
            let words = look.blocked.join("、");
            return Err(refuse(&Say::Blocked { words: &words }, lang));
        }
        let by = &call.asker.person.id;
        let Some(right) = issues::corrected(ctx.tx(), wrong.id, &right.content, by, now).await? else {
            let (title, day) = (column.title.as_str(), day.as_str());
            return Err(refuse(&Say::NoSent { title, day }, lang));
        };
        if self.reviews(&right.column) {
            // It cannot wait for a second person, who looks at it afterwards.
            store::begin(ctx.tx(), &right, Some(now + POST)).await?;
        }
        let (mut readers, mut everybody) = (0, 0);
        for post in issues::posts(ctx.tx(), right.id, MOST_POSTS).await? {
            // One that failed was seen by nobody.
            if post.state == "failed" {
                continue;
            }
            match self.put_right(ctx, &right, &post, by).await? {
                true => readers += 1,
                false => everybody += 1,
            }
        }
        let detail = serde_json::json!({ "version": right.version, "sha256": right.sha256, "readers": readers, "all": everybody });
        audit(
            ctx.tx(),
            now,
            by.as_str(),
            "review.correct",
            &right.id.to_string(),
            &detail,
        )
        .await?;
        let say = Say::CorrectionStarted {
            title: &right.content.title,
            version: right.version,
            readers,
            everybody,
        };
        ctx.answer(&call.asker, AnswerPlace::Private, Message::text(say.in_lang(lang)))
    }

    /// Puts an issue right in one group. True: those who read it are asked for, and told alone.
    async fn put_right(&self, ctx: &mut Ctx, issue: &Issue, post: &Post, by: &PersonId) -> Result<bool, RuleError> {
        let lang = ctx.env().lang;
        let (app, chat) = (&post.app, &post.chat);
        if ctx.env().app(app).is_none() {
            return Ok(false);
        }
        let part = |what: &str| format!("correct:{what}:{}:{}:{app}:{chat}", issue.id, issue.version);
        let version = issue.version;
        let fresh =
            issues::render(&issue.content, issue.number, lang).note(Say::CorrectionMark { version }.in_lang(lang));
        let card = post.card.clone();
        let asked = card.as_ref().filter(|_| ctx.can(app, Ability::Readers)).cloned();
        if let Some(message) = &asked {
            // Before the message changes or goes: what was read until now is what was read wrongly. The
            // lane keeps the order.
            let tag = serde_json::json!({ "correct": issue.id, "version": version, "chat": chat.as_str(), "by": by.as_str() });
            let message = message.clone();
            ctx.emit_tracked(
                &part("readers"),
                app,
                DeliveryClass::Once,
                Action::Readers { message },
                tag,
            )?;
        }
        let mut shown = false;
        if let Some(card) = card {
            shown = self.replace(ctx, app, chat, &card, &fresh, &part)?;
        }
        if asked.is_some() {
            store::correction(ctx.tx(), issue, app, chat, "readers").await?;
            return Ok(true);
        }
        store::correction(ctx.tx(), issue, app, chat, "everybody").await?;
        // A card that changed silently tells nobody; one that was sent anew tells everybody.
        if shown || post.card.is_none() || !ctx.can(app, Ability::Recall) {
            self.announce(ctx, issue, app, chat, &part("all"))?;
        }
        Ok(false)
    }

    /// Changes the message, or takes it back and sends the right one. True when it was changed in place.
    fn replace(
        &self,
        ctx: &mut Ctx,
        app: &AppId,
        chat: &ChatId,
        card: &MessageId,
        fresh: &Message,
        part: &impl Fn(&str) -> String,
    ) -> Result<bool, RuleError> {
        if ctx.can(app, Ability::UpdateCard) {
            // The same name as the rule that sent it gives its versions: the newest one wins.
            let key = format!("columns.card:{app}:{}", card.stem());
            let action = Action::UpdateCard {
                card: card.clone(),
                context: None,
                content: fresh.clone(),
            };
            ctx.emit_state(&part("card"), app, &key, action)?;
            return Ok(true);
        }
        if ctx.can(app, Ability::Recall) {
            let message = card.clone();
            ctx.emit(&part("recall"), app, DeliveryClass::Once, Action::Recall { message })?;
            let to = issues::target(chat);
            let content = fresh.clone();
            ctx.emit(&part("again"), app, DeliveryClass::Once, Action::Send { to, content })?;
        }
        Ok(false)
    }

    fn announce(&self, ctx: &mut Ctx, issue: &Issue, app: &AppId, chat: &ChatId, part: &str) -> Result<(), RuleError> {
        let lang = ctx.env().lang;
        let title = issue.content.title.as_str();
        let mut card = issues::render(&issue.content, issue.number, lang);
        card.title = Some(Say::CorrectionTitle { title }.in_lang(lang));
        let content = card.note(Say::CorrectionMark { version: issue.version }.in_lang(lang));
        let to = issues::target(chat);
        ctx.emit(part, app, DeliveryClass::Once, Action::Send { to, content })?;
        Ok(())
    }

    /// The platform said who has read the wrong version, or could not.
    pub(super) async fn read_by(
        &self,
        ctx: &mut Ctx,
        app: &AppId,
        ok: bool,
        receipt: &Receipt,
        tag: &serde_json::Value,
    ) -> Result<(), RuleError> {
        let number = |key: &str| tag.get(key).and_then(serde_json::Value::as_i64);
        let text = |key: &str| tag.get(key).and_then(serde_json::Value::as_str);
        let (Some(id), Some(version)) = (number("correct"), number("version")) else {
            return Ok(());
        };
        let (Some(Ok(chat)), Some(by)) = (text("chat").map(ChatId::new), text("by").and_then(PersonId::parse)) else {
            return Ok(());
        };
        let Some(issue) = issues::issue(ctx.tx(), id).await?.filter(|i| i.version == version) else {
            // Corrected once more since: that one asks again.
            return Ok(());
        };
        let name = ctx.chat_name(app, &chat).await?.unwrap_or_else(|| chat.to_string());
        let lang = language_of(ctx, &by).await?;
        let told = if ok {
            let people = self.tell_readers(ctx, &issue, app, &receipt.users).await?;
            store::correction_told(ctx.tx(), &issue, app, &chat, people).await?;
            Say::CorrectionReached { chat: &name, people }.in_lang(lang)
        } else {
            store::correction(ctx.tx(), &issue, app, &chat, "everybody").await?;
            self.announce(
                ctx,
                &issue,
                app,
                &chat,
                &format!("correct:all:{id}:{version}:{app}:{chat}"),
            )?;
            Say::CorrectionAll { chat: &name }.in_lang(lang)
        };
        let part = format!("correct:reached:{id}:{version}:{app}:{chat}");
        reach(ctx, &part, app, &by, DeliveryClass::Reply, Message::text(told)).await?;
        Ok(())
    }

    async fn tell_readers(
        &self,
        ctx: &mut Ctx,
        issue: &Issue,
        app: &AppId,
        users: &[UserId],
    ) -> Result<usize, RuleError> {
        let (Some(company), Some(platform)) = (ctx.env().app(app).map(|a| a.company.clone()), ctx.platform(app)) else {
            return Ok(0);
        };
        let (title, mut told) = (issue.content.title.as_str(), 0);
        for user in users {
            let Some(person) = ctx.directory().person_of(&company, platform, user).await? else {
                continue;
            };
            let lang = super::language_of(ctx, &person.id).await?;
            let mut card = issues::render(&issue.content, issue.number, lang);
            card.title = Some(Say::CorrectionTitle { title }.in_lang(lang));
            let mut blocks = Message::text(Say::CorrectionRead { title }.in_lang(lang)).blocks;
            blocks.append(&mut card.blocks);
            card.blocks = blocks;
            let part = format!("correct:read:{}:{}:{}", issue.id, issue.version, person.id);
            told += usize::from(reach(ctx, &part, app, &person.id, DeliveryClass::Once, card).await?);
        }
        Ok(told)
    }
}
