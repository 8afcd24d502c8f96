//! How much the bot says: the morning on which what waited is sent, and the mute of a group.
//!
//! People who operate a group use `/静音 群 3天`, `/静音 取消`, `/静音 状态`. What the budget is and where it
//! is enforced stands in [`crate::noise`]; this rule ticks every day at `[noise] merge_at`, tells the
//! rules of merged messages what became of them, and forgets old counts.

use std::time::Duration;

use chrono::Days;
use hutong_model::{AppId, Body, BoxFuture, ChatId, ChatKind, Event, Message, Timestamp};

use super::{Ctx, Rule, RuleError};
use crate::access::Role;
use crate::access::store::audit;
use crate::commands::{AnswerPlace, ArgKind, ArgSpec, Call, CommandSpec};
use crate::inbox::tell_result;
use crate::noise::{admit, store};
use crate::schedule::{Misfire, Schedule, Spec};
use crate::text::Lang;
use crate::text::noise::Say;

pub const NAME: &str = admit::NAME;
/// The one schedule of this rule.
pub const MORNING: &str = "noise:morning";
/// A morning that was missed is made up for within this time; later the next one does.
const LATEST: Duration = Duration::from_secs(8 * 3600);
/// Counts are kept as long as a report may look at them, digests as long as their buttons are good.
const REMEMBER_DAYS: u64 = 120;
/// A mute is for days, not for ever.
const LONGEST_MUTE_DAYS: u64 = 30;

const OPERATORS: &[Role] = &[Role::Operator];

const fn spec(id: &'static str, args: &'static [ArgSpec]) -> CommandSpec {
    CommandSpec {
        id,
        bare: false,
        args,
        roles: OPERATORS,
        place: AnswerPlace::GroupLine,
    }
}

pub const COMMANDS: &[CommandSpec] = &[
    spec(
        "noise.mute",
        &[ArgSpec {
            name: "days",
            names: &["天数", "days"],
            kind: ArgKind::Text,
            positional: true,
            required: true,
        }],
    ),
    spec("noise.unmute", &[]),
    spec("noise.status", &[]),
];

/// The rule.
pub struct NoiseRule {
    zone: chrono_tz::Tz,
    merge_at: chrono::NaiveTime,
}

impl NoiseRule {
    pub fn new(zone: chrono_tz::Tz, merge_at: chrono::NaiveTime) -> Self {
        Self { zone, merge_at }
    }

    /// A digest went out, or did not: the rules whose messages stand in it hear of it.
    async fn digest_over(&self, ctx: &mut Ctx, event: &Event) -> Result<(), RuleError> {
        let Body::EffectDone {
            ok,
            code,
            receipt,
            failed,
            tag,
            ..
        } = &event.body
        else {
            return Ok(());
        };
        let Some(id) = tag.get("digest").and_then(serde_json::Value::as_str) else {
            return Ok(());
        };
        let Some(digest) = store::digest(ctx.tx(), id).await? else {
            return Ok(());
        };
        store::digest_sent(ctx.tx(), id, receipt.message.as_ref()).await?;
        let now = ctx.now();
        for section in digest.sections {
            let Some(tag) = section.tag else { continue };
            let body = Body::EffectDone {
                effect: section.id.clone(),
                rule: section.rule,
                action: hutong_model::ActionKind::Send,
                ok: *ok,
                code: code.clone(),
                receipt: receipt.clone(),
                failed: failed.clone(),
                tag,
            };
            tell_result(ctx.tx(), &event.app, &section.id, &body, now).await?;
        }
        Ok(())
    }

    async fn command(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let asker = &call.asker;
        let lang = asker.lang;
        let Some(chat) = asker.chat.as_ref().filter(|c| c.kind == ChatKind::Group) else {
            return ctx.answer(
                asker,
                AnswerPlace::GroupLine,
                Message::text(Say::OnlyInGroup.in_lang(lang)),
            );
        };
        // Messages of the bot's own accord go where the group is posted to.
        let env = ctx.env().clone();
        let (app, chat) = env.post_target(&asker.app, &chat.id);
        let now = ctx.now();
        let muted = store::mutes(ctx.tx())
            .await?
            .get(&(app.clone(), chat.clone()))
            .copied()
            .filter(|until| *until > now);
        let text = match call.id {
            "noise.mute" => {
                let typed = call.text("days").unwrap_or_default();
                let Some(days) = days(typed) else {
                    return Err(RuleError::refuse(Message::text(Say::BadDays { typed }.in_lang(lang))));
                };
                let until = now + Duration::from_secs(days * 86_400);
                self.set(ctx, call, app, chat, until, days).await?;
                let until = self.spell(ctx, until, lang);
                Say::Muted { until: &until }.in_lang(lang)
            }
            "noise.unmute" => match muted {
                None => Say::NotMuted.in_lang(lang),
                Some(_) => {
                    self.set(ctx, call, app, chat, now, 0).await?;
                    let waiting = waiting(ctx, app, chat).await?;
                    Say::Unmuted { waiting }.in_lang(lang)
                }
            },
            "noise.status" => self.status(ctx, app, chat, muted, lang).await?,
            other => return Err(RuleError::Fail(format!("no handler for the command {other}"))),
        };
        ctx.answer(asker, AnswerPlace::GroupLine, Message::text(text))
    }

    async fn set(
        &self,
        ctx: &mut Ctx,
        call: &Call,
        app: &AppId,
        chat: &ChatId,
        until: Timestamp,
        days: u64,
    ) -> Result<(), RuleError> {
        let (now, by) = (ctx.now(), call.asker.person.id.as_str().to_owned());
        store::mute(ctx.tx(), app, chat, until, &by, now).await?;
        let detail = serde_json::json!({ "app": app.as_str(), "days": days });
        audit(ctx.tx(), now, &by, call.id, chat.as_str(), &detail).await?;
        Ok(())
    }

    async fn status(
        &self,
        ctx: &mut Ctx,
        app: &AppId,
        chat: &ChatId,
        muted: Option<Timestamp>,
        lang: Lang,
    ) -> Result<String, RuleError> {
        let env = ctx.env().clone();
        let now = ctx.now();
        let day = env.noise.day(now).to_string();
        let said = store::said(ctx.tx(), app, chat, &day, &day).await?;
        let waiting = waiting(ctx, app, chat).await?;
        let standing = Say::Standing {
            used: u32::try_from(said.posts).unwrap_or(u32::MAX),
            limit: env.noise.limit(app, chat),
            waiting,
        };
        let mut parts = vec![standing.in_lang(lang)];
        if let Some(until) = muted {
            let until = self.spell(ctx, until, lang);
            parts.push(Say::StandingMuted { until: &until }.in_lang(lang));
        }
        if waiting > 0
            && let Some(at) = env.noise.next_morning(muted.unwrap_or(now).max(now))
        {
            let at = self.spell(ctx, at, lang);
            parts.push(Say::NextMorning { at: &at }.in_lang(lang));
        }
        Ok(parts.join(if lang == Lang::Zh { ";" } else { "; " }))
    }

    fn spell(&self, ctx: &Ctx, at: Timestamp, lang: Lang) -> String {
        let local = ctx.local(at);
        match lang {
            Lang::Zh => local.format("%-m月%-d日 %H:%M").to_string(),
            Lang::En => local.format("%-d %b %H:%M").to_string(),
        }
    }
}

async fn waiting(ctx: &mut Ctx, app: &AppId, chat: &ChatId) -> Result<u32, RuleError> {
    let all = store::waiting_counts(ctx.tx()).await?;
    Ok(all.get(&(app.clone(), chat.clone())).copied().unwrap_or(0))
}

/// `3天`, `3d`, `3`, `1周`, `2w`.
fn days(typed: &str) -> Option<u64> {
    let typed = typed.trim();
    let end = typed.find(|c: char| !c.is_ascii_digit()).unwrap_or(typed.len());
    let (number, unit) = typed.split_at(end);
    let n: u64 = number.parse().ok()?;
    let days = match unit.trim() {
        "" | "天" | "日" | "d" | "day" | "days" => n,
        "周" | "星期" | "w" | "week" | "weeks" => n.checked_mul(7)?,
        _ => return None,
    };
    (1..=LONGEST_MUTE_DAYS).contains(&days).then_some(days)
}

impl Rule for NoiseRule {
    fn name(&self) -> &'static str {
        NAME
    }

    fn commands(&self) -> &'static [CommandSpec] {
        COMMANDS
    }

    fn schedules(&self) -> Vec<Schedule> {
        vec![Schedule {
            id: MORNING.to_owned(),
            rule: NAME.to_owned(),
            spec: Spec::Daily { time: self.merge_at },
            zone: self.zone,
            misfire: Misfire::Once,
            grace: LATEST,
        }]
    }

    fn on_event<'a>(&'a self, ctx: &'a mut Ctx, event: &'a Event) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move {
            match &event.body {
                Body::Tick { .. } => {
                    let (env, now) = (ctx.env().clone(), ctx.now());
                    admit::release(ctx.tx(), &env, &event.id, now).await?;
                    let oldest = env.noise.day(now).checked_sub_days(Days::new(REMEMBER_DAYS));
                    if let Some(oldest) = oldest {
                        let before = now - Duration::from_secs(REMEMBER_DAYS * 86_400);
                        store::forget(ctx.tx(), &oldest.to_string(), before).await?;
                    }
                    Ok(())
                }
                Body::EffectDone { .. } => self.digest_over(ctx, event).await,
                _ => Ok(()),
            }
        })
    }

    fn on_command<'a>(&'a self, ctx: &'a mut Ctx, call: &'a Call) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(self.command(ctx, call))
    }
}

#[cfg(test)]
mod tests;
