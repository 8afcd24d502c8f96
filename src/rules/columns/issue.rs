//! An issue: when it appears, what is in it, where it goes, and its button.

use std::time::Duration;

use chrono::{NaiveDateTime, NaiveTime};
use hutong_model::{Ability, Action, AppId, ButtonStyle, ChatId, DeliveryClass, Message, Receipt, Target, Timestamp};

use super::config::ColumnChat;
use super::store;
use super::{ColumnsRule, Entry};
use crate::access::{Place, Role, store::holders};
use crate::commands::{AnswerPlace, Click};
use crate::issues::{self, Content, Issue, Piece, Verdict, why};
use crate::rules::{Ctx, RuleError, Who};
use crate::text::Lang;
use crate::text::columns::{NotSent, Say};

/// Items of one issue at most: the card stays within a phone.
const MOST_ITEMS: usize = 8;
/// An issue that is later than this respects the quiet hours; one on time is what was asked for.
const LATE: Duration = Duration::from_secs(600);
/// Hours in which nothing late is sent.
const QUIET: ((u32, u32), (u32, u32)) = ((21, 0), (8, 30));
/// How long the button of a card stays good.
const CARD_DAYS: u64 = 60;
/// Cards that are updated at once when somebody presses; the others follow with their next press.
const MOST_CARDS: i64 = 20;

fn quiet(time: NaiveTime) -> bool {
    let clock = |(h, m)| NaiveTime::from_hms_opt(h, m, 0).unwrap_or(NaiveTime::MIN);
    time >= clock(QUIET.0) || time < clock(QUIET.1)
}

impl ColumnsRule {
    /// The content of the next issue: what stands in the configuration, then what was accepted.
    pub(super) async fn pieces(&self, ctx: &mut Ctx, entry: &Entry) -> Result<Vec<Piece>, RuleError> {
        let mut list: Vec<Piece> = entry
            .column
            .items
            .iter()
            .take(MOST_ITEMS)
            .map(|text| Piece {
                text: text.clone(),
                ..Piece::default()
            })
            .collect();
        let room = i64::try_from(MOST_ITEMS - list.len()).unwrap_or(0);
        for item in store::items(ctx.tx(), &entry.column.id, "approved", room).await? {
            list.push(Piece {
                text: item.body,
                by: Some(item.author_name),
                item: Some(item.id),
                ..Piece::default()
            });
        }
        Ok(list)
    }

    /// The scheduled minute has come.
    pub(super) async fn occurrence(
        &self,
        ctx: &mut Ctx,
        entry: &Entry,
        slot: Timestamp,
        local: &str,
    ) -> Result<(), RuleError> {
        let column = &entry.column;
        let Ok(minute) = NaiveDateTime::parse_from_str(local, "%Y-%m-%dT%H:%M") else {
            return Err(RuleError::Fail("a tick without a local minute".to_owned()));
        };
        if entry.when.issue_day(minute.date()).is_none() {
            return Ok(());
        }
        let now = ctx.now();
        let paused = store::paused(ctx.tx(), &column.id).await?;
        let late = now.since(slot);
        let zone = column.zone.unwrap_or(self.calendar.zone);
        let clock = crate::rules::local(zone, now).time();
        let issue = self.issue_for(ctx, entry, local, slot).await?;
        if !issue.state.open() {
            return Ok(());
        }
        let items = issue.content.pieces.len();
        let needed = usize::try_from(column.min_items).unwrap_or(usize::MAX).max(1);
        let reason = if paused {
            Some((why::PAUSED, None))
        } else if late > column.lateness.max(LATE) {
            Some((why::LATE, Some(NotSent::Late)))
        } else if late > LATE && quiet(clock) {
            Some((why::QUIET, Some(NotSent::Quiet)))
        } else if items < needed {
            Some((why::EMPTY, Some(NotSent::Empty { items, needed })))
        } else {
            None
        };
        match reason {
            Some((why, told)) => {
                if issues::miss(ctx.tx(), issue.id, why, now).await?
                    && let Some(told) = told
                {
                    self.tell_editors(ctx, entry, told).await?;
                }
            }
            None => {
                self.send(ctx, entry, &issue).await?;
            }
        }
        Ok(())
    }

    /// The issue for a local minute: what an editor has prepared, else what the pool holds now.
    async fn issue_for(&self, ctx: &mut Ctx, entry: &Entry, local: &str, due: Timestamp) -> Result<Issue, RuleError> {
        let column = &entry.column;
        if let Some(issue) = issues::at_slot(ctx.tx(), &column.id, local).await? {
            return Ok(issue);
        }
        let content = Content {
            title: column.title.clone(),
            pieces: self.pieces(ctx, entry).await?,
        };
        let now = ctx.now();
        Ok(issues::draft(ctx.tx(), &column.id, local, due, &content, None, now).await?)
    }

    /// Sends an issue to every chat that has not had it. `None`: it was sent before, or the gate says
    /// no. Otherwise the issue's number and the chats it goes to.
    pub(super) async fn send(
        &self,
        ctx: &mut Ctx,
        entry: &Entry,
        issue: &Issue,
    ) -> Result<Option<(i64, usize)>, RuleError> {
        let now = ctx.now();
        match self.gate.may_send(ctx.tx(), issue, now).await? {
            Verdict::Yes => {}
            Verdict::Wait => return Ok(None),
            Verdict::No { zh, en } => {
                if issues::miss(ctx.tx(), issue.id, why::HELD, now).await? {
                    let why = NotSent::Held { zh: &zh, en: &en };
                    self.tell_editors(ctx, entry, why).await?;
                }
                return Ok(None);
            }
        }
        let Some(issue) = issues::start_sending(ctx.tx(), issue.id, now).await? else {
            return Ok(None);
        };
        for item in issue.content.pieces.iter().filter_map(|p| p.item) {
            store::mark_used(ctx.tx(), item, issue.id).await?;
        }
        let lang = ctx.env().lang;
        let content = self.card(ctx, &issue, lang).await?;
        let day = ctx.local(now).date_naive().to_string();
        let mut sent = 0;
        for (app, chat) in self.chats(ctx, entry).await? {
            let env = ctx.env().clone();
            let (app, chat) = env.post_target(&app, &chat);
            if env.app(app).is_none() || !issues::claim_post(ctx.tx(), issue.id, app, chat).await? {
                continue;
            }
            let action = Action::Send {
                to: Target::Chat(chat.clone()),
                content: content.clone(),
            };
            let part = format!("issue:{app}:{chat}");
            let tag = serde_json::json!({ "issue": issue.id, "chat": chat.as_str() });
            ctx.emit_tracked(&part, app, DeliveryClass::Once, action, tag)?;
            store::count_post(ctx.tx(), app, chat, &day).await?;
            sent += 1;
        }
        Ok(Some((issue.number, sent)))
    }

    /// Where a column appears now, each chat once.
    pub(super) async fn chats(&self, ctx: &mut Ctx, entry: &Entry) -> Result<Vec<(AppId, ChatId)>, RuleError> {
        let mut list: Vec<(AppId, ChatId)> = Vec::new();
        for chat in &entry.column.chats {
            let found = match chat {
                ColumnChat::Chat(chat) => vec![(entry.column.app.clone(), chat.clone())],
                ColumnChat::GroupsOf(rule) => store::chats_of_rule(ctx.tx(), rule).await?,
            };
            for one in found {
                if !list.contains(&one) {
                    list.push(one);
                }
            }
        }
        Ok(list)
    }

    pub(super) async fn card(&self, ctx: &mut Ctx, issue: &Issue, lang: Lang) -> Result<Message, RuleError> {
        let count = store::votes(ctx.tx(), issue.id).await?;
        let button = ctx.button(
            Say::Useful { count }.in_lang(lang),
            "useful",
            vec![issue.id.to_string()],
            ButtonStyle::Normal,
            Who::Anyone,
            Duration::from_secs(CARD_DAYS * 86_400),
        )?;
        let title = issue.content.title.as_str();
        Ok(issues::render(&issue.content, issue.number, lang)
            .buttons(vec![button])
            .note(Say::IssueNote { title }.in_lang(lang)))
    }

    async fn tell_editors(&self, ctx: &mut Ctx, entry: &Entry, why: NotSent<'_>) -> Result<(), RuleError> {
        let column = &entry.column;
        let (title, lang) = (column.title.as_str(), ctx.env().lang);
        let card = Message::card(Say::NotSentTitle { title }.in_lang(lang))
            .line(Say::NotSent { why }.in_lang(lang))
            .note(Say::NotSentNext { title }.in_lang(lang));
        self.to_editors(ctx, entry, "not_sent", &card).await
    }

    /// Writes to everybody who edits, in private.
    pub(super) async fn to_editors(
        &self,
        ctx: &mut Ctx,
        entry: &Entry,
        part: &str,
        card: &Message,
    ) -> Result<(), RuleError> {
        let app = &entry.column.app;
        let Some(company) = ctx.env().app(app).map(|a| a.company.clone()) else {
            return Ok(());
        };
        for person in holders(ctx.tx(), &company, &[Role::Editor], &Place::default()).await? {
            let part = format!("{part}:{person}");
            ctx.tell(&part, app, &person, DeliveryClass::Once, card.clone()).await?;
        }
        Ok(())
    }

    /// The result of a post: the card's name, for updates.
    pub(super) async fn posted(
        &self,
        ctx: &mut Ctx,
        ok: bool,
        receipt: &Receipt,
        tag: &serde_json::Value,
    ) -> Result<(), RuleError> {
        let issue = tag.get("issue").and_then(serde_json::Value::as_i64);
        let chat = tag.get("chat").and_then(serde_json::Value::as_str).map(ChatId::new);
        let (Some(issue), Some(Ok(chat))) = (issue, chat) else {
            return Ok(());
        };
        for post in issues::posts(ctx.tx(), issue, i64::MAX).await? {
            if post.chat == chat {
                issues::posted(ctx.tx(), issue, &post.app, &chat, receipt.message.as_ref(), ok).await?;
            }
        }
        Ok(())
    }

    /// Somebody found it useful. Every person counts once; pressed again, the card shows how things
    /// stand.
    pub(super) async fn useful(&self, ctx: &mut Ctx, click: &Click) -> Result<(), RuleError> {
        let id = click.args.first().and_then(|a| a.parse::<i64>().ok());
        let issue = match id {
            Some(id) => issues::issue(ctx.tx(), id).await?,
            None => None,
        };
        let Some(issue) = issue else {
            return Err(RuleError::Fail("a button of an issue that is not there".to_owned()));
        };
        let now = ctx.now();
        let new = store::vote(ctx.tx(), issue.id, &click.asker.person.id, now).await?;
        let lang = ctx.env().lang;
        let card = self.card(ctx, &issue, lang).await?;
        let update = |ctx: &mut Ctx, app: &AppId, id: &hutong_model::MessageId, context: Option<String>| {
            if !ctx.can(app, Ability::UpdateCard) {
                return Ok(false);
            }
            let action = Action::UpdateCard {
                card: id.clone(),
                context,
                content: card.clone(),
            };
            let key = format!("columns.card:{app}:{}", id.stem());
            ctx.emit_state(&format!("card:{app}:{}", id.stem()), app, &key, action)?;
            Ok::<bool, RuleError>(true)
        };
        // The pressed card first: its reader waits for it.
        let mut shown = false;
        if let Some(pressed) = &click.card {
            let app = click.asker.app.clone();
            shown = update(ctx, &app, pressed, click.asker.reply_context.clone())?;
        }
        if new {
            let pressed = click.card.as_ref().map(hutong_model::MessageId::stem);
            for post in issues::posts(ctx.tx(), issue.id, MOST_CARDS).await? {
                let Some(id) = post.card.filter(|c| Some(c.stem()) != pressed) else {
                    continue;
                };
                shown |= update(ctx, &post.app, &id, None)?;
            }
        }
        if !shown {
            let count = store::votes(ctx.tx(), issue.id).await?;
            let text = Message::text(Say::Useful { count }.in_lang(click.asker.lang));
            ctx.answer(&click.asker, AnswerPlace::Private, text)?;
        }
        Ok(())
    }
}
