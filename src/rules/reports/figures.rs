//! The figures of one group and week, and the card they are shown on.

use chrono::{Days, NaiveDate, TimeZone as _};
use hutong_model::{Ability, AppId, Block, Chart, ChartKind, ChatId, Message, SeeClass, Timestamp};
use serde::{Deserialize, Serialize};

use super::ReportsRule;
use super::metrics::{interaction_frequency, km_median, per_workday, percent, wilson, working_minutes};
use super::store::{self, Group};
use super::weeks::Period;
use crate::noise::store as noise;
use crate::rules::points::view::store as thanks;
use crate::rules::{Ctx, RuleError};
use crate::text::Lang;
use crate::text::reports::Say;

/// Below this many members an interval is printed with a rate.
const INTERVAL_BELOW: i64 = 200;
/// Smaller groups get counts and no rates.
const SMALLEST_GROUP: i64 = 8;

/// What the app sees of the group; figures of different classes are never compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Class {
    /// All messages.
    V1,
    /// Only what is addressed to the bot.
    V2,
}

/// Stored once per closed week, so that every look shows the same numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    pub class: Class,
    pub workdays: u32,
    /// Members on at least half of the workdays; 0 when the bot does not know the members.
    pub eligible: i64,
    /// Eligible members with any visible action.
    pub active: i64,
    /// All accounts with any visible action.
    pub people: i64,
    pub messages: i64,
    pub replies: i64,
    /// Reactions and clicks.
    pub light: i64,
    pub commands: i64,
    pub asked: i64,
    pub answered: i64,
    /// Kaplan–Meier median of the first answers, in minutes of office hours.
    pub median: Option<i64>,
    pub thanks: i64,
    pub thanks_across: i64,
    /// What the bot said in the group, answers included; absent in reports of before it was counted.
    #[serde(default)]
    pub bot: i64,
}

impl Figures {
    fn nothing(&self) -> bool {
        self.people == 0 && self.thanks == 0
    }

    /// Actions per eligible person and workday.
    pub fn frequency(&self) -> Option<f64> {
        let n = |v: i64| u32::try_from(v.max(0)).unwrap_or(u32::MAX);
        interaction_frequency(n(self.messages), n(self.light), n(self.eligible), self.workdays)
    }
}

impl ReportsRule {
    /// The figures of a period: the stored ones of a closed week, else computed now.
    pub(super) async fn figures(
        &self,
        ctx: &mut Ctx,
        app: &AppId,
        chat: &ChatId,
        period: &Period,
    ) -> Result<Figures, RuleError> {
        let today = ctx.local(ctx.now()).date_naive();
        let open = period.open(today);
        if !open && let Some(json) = store::snapshot(ctx.tx(), app, chat, &period.week).await? {
            return serde_json::from_str(&json).map_err(|e| RuleError::Fail(e.to_string()));
        }
        let figures = self.compute(ctx, app, chat, period).await?;
        if !open {
            let json = serde_json::to_string(&figures).map_err(|e| RuleError::Fail(e.to_string()))?;
            let now = ctx.now();
            store::keep_snapshot(ctx.tx(), app, chat, &period.week, &json, now).await?;
        }
        Ok(figures)
    }

    async fn compute(&self, ctx: &mut Ctx, app: &AppId, chat: &ChatId, period: &Period) -> Result<Figures, RuleError> {
        let (Some(company), Some(platform)) = (ctx.env().app(app).map(|a| a.company.clone()), ctx.platform(app)) else {
            return Err(RuleError::Fail(format!("the app {app} is not configured")));
        };
        let class = match ctx.caps(app) {
            Some(caps) if caps.sees(SeeClass::V1) => Class::V1,
            _ => Class::V2,
        };
        let (from, to) = (period.from.to_string(), period.to.to_string());
        let sums = store::sums(ctx.tx(), app, chat, &from, &to).await?;
        let (mut eligible, mut active) = (0, 0);
        if let (Class::V1, Some((join, leave))) = (class, period.half()) {
            let group = Group {
                app,
                chat,
                company: &company,
                platform,
                joined_before: self.midnight(next(join)),
                there_until: self.midnight(next(leave)),
            };
            eligible = store::eligible(ctx.tx(), group).await?;
            active = store::active(ctx.tx(), group, &from, &to).await?;
        }
        let end = self.midnight(next(period.to)).min(ctx.now());
        let questions = store::questions(ctx.tx(), app, chat, &from, &to).await?;
        let waits: Vec<(i64, bool)> = questions
            .iter()
            .map(|(asked, answered)| {
                let until = answered.unwrap_or(end);
                let clock = |t: Timestamp| crate::rules::local(self.calendar.zone, t).naive_local();
                let minutes = working_minutes(clock(*asked), clock(until), |d| self.calendar.workdays.is_workday(d));
                (minutes, answered.is_some())
            })
            .collect();
        // The group may be posted to under another name than it is heard under.
        let env = ctx.env().clone();
        let mut bot = noise::said(ctx.tx(), app, chat, &from, &to).await?.all();
        let post = env.post_target(app, chat);
        if post != (app, chat) {
            bot += noise::said(ctx.tx(), post.0, post.1, &from, &to).await?.all();
        }
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let thanks = thanks::thanks_in_chat(ctx.tx(), app, chat, &from, &to).await?;
        Ok(Figures {
            class,
            workdays: u32::try_from(period.workdays.len()).unwrap_or(u32::MAX),
            eligible,
            active,
            people: sums.people,
            messages: sums.messages,
            replies: sums.replies,
            light: sums.reactions + sums.clicks,
            commands: sums.commands,
            asked: count(waits.len()),
            answered: count(waits.iter().filter(|w| w.1).count()),
            median: km_median(&waits),
            thanks: thanks.all,
            thanks_across: thanks.across,
            bot,
        })
    }

    fn midnight(&self, date: NaiveDate) -> Timestamp {
        let naive = date.and_time(chrono::NaiveTime::MIN);
        let time = self.calendar.zone.from_local_datetime(&naive).earliest();
        Timestamp(time.map_or_else(|| naive.and_utc().timestamp_millis(), |t| t.timestamp_millis()))
    }

    /// The card of a group and week. `None` when there is nothing to tell.
    pub(super) async fn card(
        &self,
        ctx: &mut Ctx,
        app: &AppId,
        chat: &ChatId,
        period: &Period,
        lang: Lang,
        charts: bool,
    ) -> Result<Option<Message>, RuleError> {
        let this = self.figures(ctx, app, chat, period).await?;
        if this.nothing() {
            return Ok(None);
        }
        let earlier = super::weeks::before(period, self.calendar.workdays.as_ref());
        let before = self.figures(ctx, app, chat, &earlier).await?;
        let before = Some(before).filter(|b| !b.nothing() && b.class == this.class);
        let group = ctx.chat_name(app, chat).await?;
        let today = ctx.local(ctx.now()).date_naive();
        let open = period.open(today);
        let workdays = if open {
            period.workdays.iter().filter(|d| **d <= today).count()
        } else {
            period.workdays.len()
        };
        let title = Say::Title {
            group: group.as_deref(),
            week: period.number,
            workdays,
            open,
        };
        let mut card = Message::card(title.in_lang(lang));
        for line in self.lines(&this, before.as_ref(), workdays) {
            card = card.line(line.in_lang(lang));
        }
        if charts
            && ctx.can(app, Ability::Charts)
            && let Some(before) = &before
        {
            card = card.block(Block::Chart(self.chart(&this, before, lang)));
        }
        if period.merged > 0 {
            card = card.note(Say::Merged { weeks: period.merged }.in_lang(lang));
        }
        let source = match this.class {
            Class::V1 => Say::SourceAll,
            Class::V2 => Say::SourceAddressed,
        };
        Ok(Some(card.note(source.in_lang(lang))))
    }

    fn lines(&self, this: &Figures, before: Option<&Figures>, workdays: usize) -> Vec<Say<'static>> {
        let mut lines = self.people_lines(this, before);
        let days = u32::try_from(workdays).unwrap_or(u32::MAX);
        if this.class == Class::V1 {
            lines.push(Say::Posts {
                per_day: per_workday(this.messages, days),
                before: before.map(|b| per_workday(b.messages, b.workdays)),
                replies: this.replies,
                light: this.light,
            });
            if this.asked > 0 {
                lines.push(Say::Questions {
                    asked: this.asked,
                    answered: this.answered,
                });
                lines.push(match this.median {
                    Some(minutes) => Say::Median {
                        minutes,
                        before: before.and_then(|b| b.median),
                    },
                    None => Say::MedianUnknown,
                });
            }
        }
        if this.thanks > 0 {
            lines.push(Say::Thanks {
                all: this.thanks,
                across: this.thanks_across,
            });
        }
        if this.bot > 0 {
            lines.push(match this.class {
                Class::V1 => Say::BotShare {
                    bot: this.bot,
                    all: this.bot + this.messages,
                    percent: percent(this.bot, this.bot + this.messages),
                },
                Class::V2 => Say::BotSaid {
                    bot: this.bot,
                    seen: this.messages,
                },
            });
        }
        if this.class == Class::V1 && this.asked > this.answered {
            lines.push(Say::Waiting {
                questions: this.asked - this.answered,
            });
        }
        lines
    }

    /// Who took part: a rate only where all is seen, the members are known and enough of them.
    fn people_lines(&self, this: &Figures, before: Option<&Figures>) -> Vec<Say<'static>> {
        let least = i64::from(self.config.min_cell);
        if this.class == Class::V2 {
            let actions = this.commands + this.light;
            return vec![if this.people >= least {
                Say::BotOnly {
                    people: this.people,
                    actions,
                }
            } else {
                Say::BotFew { actions }
            }];
        }
        if this.eligible < SMALLEST_GROUP {
            // The members are not known, or so few that any figure is about somebody.
            return if this.people >= least.max(SMALLEST_GROUP) {
                vec![Say::ActiveOnly { people: this.people }]
            } else {
                Vec::new()
            };
        }
        let quiet = this.eligible - this.active;
        // A small rest would tell as much as a small part.
        if this.active < least || (quiet > 0 && quiet < least) {
            return vec![Say::FewPeople {
                least: self.config.min_cell,
            }];
        }
        let rate = percent(this.active, this.eligible);
        let change = before
            .filter(|b| b.eligible >= SMALLEST_GROUP && b.active >= least)
            .map(|b| rate - percent(b.active, b.eligible));
        let mut lines = vec![Say::Active {
            active: this.active,
            members: this.eligible,
            percent: rate,
            change,
        }];
        let n = |v: i64| u32::try_from(v.max(0)).unwrap_or(u32::MAX);
        if this.eligible < INTERVAL_BELOW
            && let Some((low, high)) = wilson(n(this.active), n(this.eligible))
        {
            let whole = |share: f64| (share * 100.0).round() as i64;
            lines.push(Say::Interval {
                low: whole(low),
                high: whole(high),
            });
        }
        lines
    }

    fn chart(&self, this: &Figures, before: &Figures, lang: Lang) -> Chart {
        let least = i64::from(self.config.min_cell);
        let people = |f: &Figures| {
            let quiet = f.eligible - f.active;
            let hidden =
                f.class == Class::V2 || f.eligible < SMALLEST_GROUP || f.active < least || (quiet > 0 && quiet < least);
            (!hidden).then_some(f.active as f64)
        };
        let values = |f: &Figures| {
            vec![
                people(f),
                Some(f.asked as f64),
                Some(f.answered as f64),
                Some(f.thanks as f64),
            ]
        };
        Chart {
            kind: ChartKind::Bar,
            title: Say::ChartTitle.in_lang(lang),
            categories: [Say::ChartActive, Say::ChartAsked, Say::ChartAnswered, Say::ChartThanks]
                .iter()
                .map(|s| s.in_lang(lang))
                .collect(),
            series: vec![
                (Say::ChartBefore.in_lang(lang), values(before)),
                (Say::ChartThis.in_lang(lang), values(this)),
            ],
            unit: String::new(),
        }
    }
}

fn next(date: NaiveDate) -> NaiveDate {
    date.checked_add_days(Days::new(1)).unwrap_or(date)
}
