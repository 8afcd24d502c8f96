//! What is sent in, and what editors do.

use std::sync::Arc;

use hutong_model::{Block, DeliveryClass, Inline, Message};

use super::store::{self, Item};
use super::{ColumnsRule, Entry};
use crate::access::store::audit;
use crate::commands::{AnswerPlace, Call};
use crate::directory::PersonId;
use crate::issues::{self, Content};
use crate::rules::{Ctx, RuleError};
use crate::store::Tx;
use crate::text::Lang;
use crate::text::columns::Say;

/// A submission, in characters.
pub(super) const SHORTEST: usize = 6;
const LONGEST: usize = 500;
/// Submissions of one person to one column that wait at the same time.
pub(super) const MOST_PENDING: i64 = 5;
/// What editors see of what waits.
const LISTED: i64 = 3;
/// No second issue by hand within these minutes: a command typed twice is not meant twice.
const PAUSE_MINUTES: u64 = 10;

impl ColumnsRule {
    fn say(&self, ctx: &mut Ctx, call: &Call, say: &Say<'_>) -> Result<(), RuleError> {
        let text = Message::text(say.in_lang(call.asker.lang));
        ctx.answer(&call.asker, AnswerPlace::Private, text)
    }

    /// By id or title, as people type them.
    pub(super) async fn named(&self, tx: &mut Tx, typed: &str) -> Result<Option<Arc<Entry>>, RuleError> {
        let typed = typed.trim();
        let all = self.all(tx).await?;
        Ok(all
            .into_iter()
            .find(|e| e.column.id.eq_ignore_ascii_case(typed) || e.column.title.eq_ignore_ascii_case(typed)))
    }

    /// The column a command names; says so when there is none.
    pub(super) async fn wanted(&self, ctx: &mut Ctx, call: &Call) -> Result<Option<Arc<Entry>>, RuleError> {
        let typed = call.text("column").unwrap_or_default();
        if let Some(entry) = self.named(ctx.tx(), typed).await? {
            return Ok(Some(entry));
        }
        let all = self.all(ctx.tx()).await?;
        let titles: Vec<&str> = all.iter().map(|e| e.column.title.as_str()).collect();
        let say = if titles.is_empty() {
            Say::ListEmpty
        } else {
            Say::NoSuchColumn { typed, titles: &titles }
        };
        self.say(ctx, call, &say)?;
        Ok(None)
    }

    pub(super) async fn submit(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let body = call.text("text").unwrap_or_default();
        if body.is_empty() && call.text("column").is_none() {
            return self.ask_for_text(ctx, &call.asker).await;
        }
        let Some(entry) = self.wanted(ctx, call).await? else {
            return Ok(());
        };
        self.take_in(ctx, &call.asker, &entry, body, "[]", None).await
    }

    pub(super) async fn list(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let lang = call.asker.lang;
        let all = self.all(ctx.tx()).await?;
        if all.is_empty() {
            return self.say(ctx, call, &Say::ListEmpty);
        }
        let mut card = Message::card(Say::ListTitle.in_lang(lang));
        for entry in all.iter().take(5) {
            let column = &entry.column;
            let row = Say::ListRow {
                title: &column.title,
                when: column.every.words(lang == Lang::Zh),
                paused: store::paused(ctx.tx(), &column.id).await?,
                approved: store::count(ctx.tx(), &column.id, "approved").await?,
                pending: store::count(ctx.tx(), &column.id, "pending").await?,
            };
            card = card.line(row.in_lang(lang));
            if let Some(last) = issues::last(ctx.tx(), &column.id, 1).await?.first() {
                let slot = last.slot.replace('T', " ");
                let row = Say::ListLast {
                    title: &column.title,
                    slot: &slot,
                    state: if last.why.is_empty() {
                        last.state.as_str()
                    } else {
                        &last.why
                    },
                };
                card = card.note(row.in_lang(lang));
            }
        }
        ctx.answer(&call.asker, AnswerPlace::Private, card)
    }

    pub(super) async fn preview(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let Some(entry) = self.wanted(ctx, call).await? else {
            return Ok(());
        };
        let lang = call.asker.lang;
        let pieces = self.pieces(ctx, &entry).await?;
        let ready = pieces.len();
        let content = Content {
            title: entry.column.title.clone(),
            pieces,
        };
        let mut card = issues::render(&content, 0, lang);
        for item in store::items(ctx.tx(), &entry.column.id, "pending", LISTED).await? {
            let head = Say::PendingRow {
                id: item.id,
                author: &item.author_name,
            };
            card = card.paragraph(vec![Inline::Text(head.in_lang(lang)), Inline::Text(item.body)]);
        }
        let note = Say::PreviewNote {
            ready,
            needed: usize::try_from(entry.column.min_items).unwrap_or(usize::MAX).max(1),
        };
        ctx.answer(&call.asker, AnswerPlace::Private, card.note(note.in_lang(lang)))
    }

    async fn item(&self, ctx: &mut Ctx, call: &Call) -> Result<Option<(Item, String)>, RuleError> {
        let id = call.integer("number").unwrap_or(0);
        let item = store::item(ctx.tx(), id).await?;
        let entry = match &item {
            Some(item) => self.entry(ctx.tx(), &item.column).await?,
            None => None,
        };
        let found = item.zip(entry.map(|e| e.column.title.clone()));
        if found.is_none() {
            self.say(ctx, call, &Say::NoItem { id })?;
        }
        Ok(found)
    }

    pub(super) async fn accept(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let Some((item, title)) = self.item(ctx, call).await? else {
            return Ok(());
        };
        if !store::decide(ctx.tx(), item.id, "approved").await? {
            return self.say(ctx, call, &Say::AlreadyDecided { id: item.id });
        }
        let lang = self.language_of(ctx, &item.author).await?;
        let text = Message::text(Say::YourItemAccepted { title: &title }.in_lang(lang));
        ctx.tell("decided", &item.app, &item.author, DeliveryClass::Reply, text)
            .await?;
        let say = Say::Accepted {
            id: item.id,
            title: &title,
        };
        self.say(ctx, call, &say)
    }

    pub(super) async fn refuse(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let Some((item, title)) = self.item(ctx, call).await? else {
            return Ok(());
        };
        if !store::decide(ctx.tx(), item.id, "refused").await? {
            return self.say(ctx, call, &Say::AlreadyDecided { id: item.id });
        }
        let lang = self.language_of(ctx, &item.author).await?;
        let reason: String = call.text("reason").unwrap_or_default().chars().take(LONGEST).collect();
        let card = Message::card(Say::YourItemRefused { title: &title }.in_lang(lang))
            .block(Block::Quote(vec![Inline::Text(reason)]));
        ctx.tell("decided", &item.app, &item.author, DeliveryClass::Reply, card)
            .await?;
        self.say(ctx, call, &Say::Refused { id: item.id })
    }

    async fn language_of(&self, ctx: &mut Ctx, person: &PersonId) -> Result<Lang, RuleError> {
        let found = ctx.directory().person(person).await?;
        let own = found.and_then(|p| p.language).and_then(|l| Lang::parse(&l));
        Ok(own.unwrap_or(ctx.env().lang))
    }

    pub(super) async fn pause(&self, ctx: &mut Ctx, call: &Call, paused: bool) -> Result<(), RuleError> {
        let Some(entry) = self.wanted(ctx, call).await? else {
            return Ok(());
        };
        let now = ctx.now();
        store::set_paused(ctx.tx(), &entry.column.id, paused, &call.asker.person.id, now).await?;
        let action = if paused { "columns.pause" } else { "columns.resume" };
        let actor = call.asker.person.id.as_str();
        audit(ctx.tx(), now, actor, action, &entry.column.id, &serde_json::Value::Null).await?;
        if !paused {
            store::unhalve(ctx.tx(), &entry.column.id).await?;
        }
        let title = entry.column.title.as_str();
        let say = if paused {
            Say::Paused { title }
        } else {
            Say::Resumed { title }
        };
        self.say(ctx, call, &say)
    }

    /// An issue by hand, now. It needs something to say, though less than a regular one.
    pub(super) async fn send_now(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let Some(entry) = self.wanted(ctx, call).await? else {
            return Ok(());
        };
        let column = &entry.column;
        let title = column.title.as_str();
        ctx.tx().lock(&format!("column send {}", column.id)).await?;
        let now = ctx.now();
        let last = issues::last(ctx.tx(), &column.id, 1).await?;
        let pause = std::time::Duration::from_secs(PAUSE_MINUTES * 60);
        if last.iter().any(|i| i.number > 0 && now.since(i.at) < pause) {
            return self.say(ctx, call, &Say::JustSent { title });
        }
        let readers = self.readers(ctx, &entry).await?;
        if readers.is_empty() {
            return self.say(ctx, call, &Say::NoChats { title });
        }
        let pieces = self.pieces(ctx, &entry).await?;
        if pieces.is_empty() {
            return self.say(ctx, call, &Say::NothingToSend);
        }
        let zone = column.zone.unwrap_or(self.calendar.zone);
        // Marked as sent by hand, so that it never takes the place of the regular occurrence.
        let slot = format!("{}+", crate::rules::local(zone, now).format("%Y-%m-%dT%H:%M"));
        let content = Content {
            title: column.title.clone(),
            pieces,
        };
        let issue = issues::draft(ctx.tx(), &column.id, &slot, now, &content, None, now).await?;
        let actor = call.asker.person.id.clone();
        audit(
            ctx.tx(),
            now,
            actor.as_str(),
            "columns.send",
            &column.id,
            &serde_json::Value::Null,
        )
        .await?;
        match self.send(ctx, &entry, &issue, &readers, None).await? {
            Some(sent) => {
                let until = sent
                    .until
                    .map(|at| crate::rules::local(zone, at).format("%H:%M").to_string());
                let say = Say::Sent {
                    title,
                    number: sent.number,
                    chats: sent.sent,
                    until: until.as_deref(),
                };
                self.say(ctx, call, &say)
            }
            None => self.say(ctx, call, &Say::JustSent { title }),
        }
    }
}
