//! Points: thanks between colleagues, a ledger under them, boards above them.
//!
//! People type `感谢 @陈晨 帮我定位了驱动问题 #客户第一` and the group sees one line; Chen gets a card.
//! `/积分` shows one's own points in private, `/排行` who contributed, operators grant and reverse.
//! Messages earn nothing: volume rules are what people farm. What is taken back is reversed.

pub mod board;
mod cards;
pub mod commands;
pub mod give;
pub mod ledger;
mod operate;
pub mod store;
pub mod verify;
pub mod view;
mod weights;

#[cfg(test)]
mod ledger_tests;
#[cfg(test)]
mod tests;

use std::time::Duration;

use chrono::{Datelike as _, NaiveTime, TimeZone as _};
use chrono_tz::Tz;
use hutong_model::{
    Ability, Action, AppId, Body, BoxFuture, DeliveryClass, Event, EventHead, Kind, MessageId, Timestamp,
};

pub use crate::config::rules::points as config;

use crate::commands::{Call, Click, CommandSpec};
use crate::directory::Person;
use crate::rules::{Ctx, Rule, RuleError};
use crate::schedule::{Misfire, Schedule, Spec};
use crate::text::Lang;

pub use verify::{Report, verify};
pub use weights::shown;

/// Stands in every transaction: which version of these rules decided it.
pub const RULES_VERSION: i64 = 1;
pub const NAME: &str = "points";
/// The one schedule of this rule.
pub const SEASON: &str = "points:season";
/// Code of a reversal that a recalled message caused.
const RECALL: &str = "recall";

/// The rule module.
pub struct PointsRule {
    config: config::Points,
    zone: Tz,
}

impl PointsRule {
    /// `zone` is that of the company: seasons begin at its midnight.
    pub fn new(config: config::Points, zone: Tz) -> Self {
        Self { config, zone }
    }

    /// The first of a month: the scores that segments ask about begin again.
    async fn season_began(&self, ctx: &mut Ctx) -> Result<(), RuleError> {
        let now = ctx.now();
        let today = ctx.local(now).date_naive();
        let first = today.with_day(1).unwrap_or(today).and_time(NaiveTime::MIN);
        // A zone without a midnight on that day: its first moment is near enough to now.
        let began = self.zone.from_local_datetime(&first).earliest();
        let began = began.map_or(now, |at| Timestamp(at.timestamp_millis()));
        store::new_season(ctx.tx(), began, now).await?;
        Ok(())
    }

    /// A message was taken back: so is what it earned, and the line the bot wrote about it.
    async fn recalled(&self, ctx: &mut Ctx, app: &AppId, message: &MessageId) -> Result<(), RuleError> {
        let now = ctx.now();
        let why = store::Reversal {
            rule: RECALL,
            actor: None,
            note: None,
            at: now,
            local_date: ctx.local(now).date_naive(),
        };
        let taken = store::recall(ctx.tx(), app, message, &why).await?;
        for entry in &taken {
            self.tell_recalled(ctx, app, entry).await?;
        }
        if let Some(line) = store::take_line(ctx.tx(), app, message).await? {
            take_back(ctx, app, line)?;
        }
        Ok(())
    }

    /// The bot's line about a message was sent.
    async fn line_sent(
        &self,
        ctx: &mut Ctx,
        app: &AppId,
        message: &MessageId,
        line: &MessageId,
    ) -> Result<(), RuleError> {
        store::lock(ctx.tx()).await?;
        if store::recalled(ctx.tx(), app.as_str(), message.as_str()).await? {
            return take_back(ctx, app, line.clone());
        }
        if ctx.can(app, Ability::Recall) && ctx.can(app, Ability::SeesRecalls) {
            store::remember_line(ctx.tx(), app, message, line).await?;
        }
        Ok(())
    }
}

fn take_back(ctx: &mut Ctx, app: &AppId, message: MessageId) -> Result<(), RuleError> {
    if ctx.can(app, Ability::Recall) {
        ctx.emit("take_back", app, DeliveryClass::Reply, Action::Recall { message })?;
    }
    Ok(())
}

impl Rule for PointsRule {
    fn name(&self) -> &'static str {
        NAME
    }

    fn commands(&self) -> &'static [CommandSpec] {
        commands::COMMANDS
    }

    fn schedules(&self) -> Vec<Schedule> {
        vec![Schedule {
            id: SEASON.to_owned(),
            rule: NAME.to_owned(),
            spec: Spec::Monthly {
                day: 1,
                time: NaiveTime::from_hms_opt(0, 5, 0).unwrap_or_default(),
            },
            zone: self.zone,
            misfire: Misfire::Once,
            grace: Duration::from_secs(28 * 86_400),
        }]
    }

    fn wants(&self, head: &EventHead<'_>) -> bool {
        head.kind == Kind::Recall
    }

    fn on_event<'a>(&'a self, ctx: &'a mut Ctx, event: &'a Event) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move {
            match &event.body {
                Body::Recall { message, .. } => self.recalled(ctx, &event.app, message).await,
                Body::Tick { .. } => self.season_began(ctx).await,
                Body::EffectDone {
                    ok: true, receipt, tag, ..
                } => {
                    let of = tag.get("line_of").and_then(|v| v.as_str());
                    match (of.map(MessageId::new), &receipt.message) {
                        (Some(Ok(message)), Some(line)) => self.line_sent(ctx, &event.app, &message, line).await,
                        _ => Ok(()),
                    }
                }
                _ => Ok(()),
            }
        })
    }

    fn on_command<'a>(&'a self, ctx: &'a mut Ctx, call: &'a Call) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move {
            match call.id {
                "points.thanks" => self.thanks(ctx, call).await,
                "points.mine" => self.mine(ctx, call).await,
                "points.entries" => self.entries(ctx, call, &call.asker.person).await,
                "points.board" => self.board(ctx, call).await,
                "points.hide" => self.hide(ctx, call, true).await,
                "points.show" => self.hide(ctx, call, false).await,
                "points.grant" => self.grant(ctx, call).await,
                "points.reverse" => self.reverse(ctx, call).await,
                "points.lookup" => self.lookup(ctx, call).await,
                "points.disputes" => self.disputes(ctx, call).await,
                "points.answer" => self.answer_dispute(ctx, call).await,
                other => Err(RuleError::Fail(format!("points has no command {other}"))),
            }
        })
    }

    fn me_lines<'a>(
        &'a self,
        ctx: &'a mut Ctx,
        person: &'a Person,
        lang: Lang,
    ) -> BoxFuture<'a, Result<Vec<String>, RuleError>> {
        Box::pin(self.lines_for_me(ctx, &person.id, lang))
    }

    fn on_click<'a>(&'a self, ctx: &'a mut Ctx, click: &'a Click) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move {
            match click.verb.as_str() {
                "dispute" => self.dispute(ctx, click, true).await,
                "undispute" => self.dispute(ctx, click, false).await,
                other => Err(RuleError::Fail(format!("points has no button {other}"))),
            }
        })
    }
}
