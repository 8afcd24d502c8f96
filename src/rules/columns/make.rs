//! Columns made and changed in chats: `/栏目 新建`, `改时间`, `排期`, `内容 日期`, `查看`, `到期`.

use std::time::Duration;

use hutong_model::{AppId, Message};

use super::config::{Column, ColumnChat, Quiet};
use super::issue::slot_text;
use super::when::When;
use super::{ColumnsRule, Entry, store, written};
use crate::access::store::audit;
use crate::commands::{AnswerPlace, Call};
use crate::config::{OnHoliday, ScheduleSpec, Who};
use crate::issues::{self, Content, Piece};
use crate::rules::{Ctx, RuleError};
use crate::text::Lang;
use crate::text::columns::Say;

/// Dates that `/栏目 排期` shows.
const SHOWN: usize = 8;
const MOST_COLUMNS: usize = 100;

impl ColumnsRule {
    /// People of a mention, as the configuration would name them.
    async fn whom(&self, ctx: &mut Ctx, call: &Call, name: &str) -> Result<Vec<Who>, RuleError> {
        let mut list = Vec::new();
        let app = call.asker.app.clone();
        for mention in call.people(name) {
            if let Some(person) = ctx.person_mentioned(&app, mention).await?
                && let Some(platform) = ctx.platform(&app)
                && let Some(user) = ctx.directory().identity_on(&person.id, platform).await?
            {
                list.push(Who::User { app: app.clone(), user });
            }
        }
        Ok(list)
    }

    /// The repetition that was typed; says what is wrong with it.
    fn every(&self, ctx: &mut Ctx, call: &Call) -> Result<Option<ScheduleSpec>, RuleError> {
        let day = call.text("every").unwrap_or_default();
        let Some(spec) = ScheduleSpec::typed(day, call.time("time")) else {
            self.reply(ctx, &call.asker, &Say::NoSuchDay { typed: day })?;
            return Ok(None);
        };
        let mut calendar = self.calendar.clone();
        calendar.today = ctx.local(ctx.now()).date_naive();
        if let Err(error) = When::new(&spec, &calendar, None, None) {
            self.reply(
                ctx,
                &call.asker,
                &Say::NeverFires {
                    why: &error.to_string(),
                },
            )?;
            return Ok(None);
        }
        Ok(Some(spec))
    }

    pub(super) async fn make(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let title: String = call
            .text("column")
            .unwrap_or_default()
            .trim()
            .chars()
            .take(40)
            .collect();
        let all = self.all(ctx.tx()).await?;
        if title.is_empty() || self.named(ctx.tx(), &title).await?.is_some() || all.len() >= MOST_COLUMNS {
            return self.reply(ctx, &call.asker, &Say::NameTaken { title: &title });
        }
        let Some(every) = self.every(ctx, call)? else {
            return Ok(());
        };
        let here = call
            .asker
            .chat
            .as_ref()
            .filter(|c| c.kind == hutong_model::ChatKind::Group);
        let mut chats: Vec<ColumnChat> = Vec::new();
        for text in call.text("chats").unwrap_or_default().split([',', ',']).map(str::trim) {
            match (text, here) {
                ("", Some(chat)) => chats.push(ColumnChat::Chat(chat.id.clone())),
                ("", None) => {}
                (text, _) => chats.extend(written::audience(text)),
            }
        }
        for chat in &chats {
            let known = match chat {
                ColumnChat::Segment(id) => self.segments.iter().any(|s| s.id == *id),
                ColumnChat::Chat(chat) => ctx.directory().chat(&call.asker.app, chat).await?.is_some(),
                ColumnChat::GroupsOf(_) | ColumnChat::Department(_) => true,
            };
            if !known {
                return self.reply(
                    ctx,
                    &call.asker,
                    &Say::NoSuchAudience {
                        typed: &chat.to_string(),
                    },
                );
            }
        }
        if chats.is_empty() {
            return self.reply(ctx, &call.asker, &Say::NoAudience);
        }
        let on_holiday = match call.text("on_holiday").map(str::trim) {
            None | Some("") => None,
            Some("顺延" | "next_workday") => Some(OnHoliday::NextWorkday),
            Some("提前" | "prev_workday") => Some(OnHoliday::PrevWorkday),
            Some("跳过" | "skip") => Some(OnHoliday::Skip),
            Some("照发" | "keep") => Some(OnHoliday::Keep),
            Some(typed) => return self.reply(ctx, &call.asker, &Say::NoSuchPolicy { typed }),
        };
        let column = Column {
            id: format!("c-{}", crate::ids::short_hash(&[title.as_str()], 8)),
            title: title.clone(),
            app: self.posting_app(ctx, &call.asker.app),
            chats,
            every,
            zone: None,
            items: Vec::new(),
            min_items: call
                .integer("min_items")
                .and_then(|n| u32::try_from(n).ok())
                .unwrap_or(2),
            lateness: Duration::from_secs(7_200),
            on_holiday,
            on_makeup_workday: None,
            quiet: Quiet::default(),
            editors: self.whom(ctx, call, "editors").await?,
            deputies: self.whom(ctx, call, "deputies").await?,
            reviewers: self.whom(ctx, call, "reviewers").await?,
            enabled: true,
        };
        self.keep(ctx, call, &column, "columns.new").await?;
        self.show_dates(ctx, call, &column, Say::Made { title: &title }).await
    }

    /// The app that posts for the one that was asked: itself, where it can.
    fn posting_app(&self, ctx: &Ctx, asked: &AppId) -> AppId {
        let able = ctx.can(asked, hutong_model::Ability::SendToChat);
        let other = self.entries.first().map(|e| e.column.app.clone());
        if able {
            asked.clone()
        } else {
            other.unwrap_or_else(|| asked.clone())
        }
    }

    async fn keep(&self, ctx: &mut Ctx, call: &Call, column: &Column, action: &str) -> Result<(), RuleError> {
        let (now, by) = (ctx.now(), call.asker.person.id.clone());
        written::keep(ctx.tx(), column, &by, now).await?;
        let detail = serde_json::json!({ "every": column.every.toml() });
        audit(ctx.tx(), now, by.as_str(), action, &column.id, &detail).await?;
        Ok(())
    }

    pub(super) async fn retime(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let Some(entry) = self.wanted(ctx, call).await? else {
            return Ok(());
        };
        let Some(every) = self.every(ctx, call)? else {
            return Ok(());
        };
        if !entry.stored {
            // The configuration wins: say so, and what to write there.
            let say = Say::ConfigWins {
                title: &entry.column.title,
                line: &format!("every = {}", every.toml()),
            };
            return self.reply(ctx, &call.asker, &say);
        }
        let column = Column {
            every,
            ..entry.column.clone()
        };
        self.keep(ctx, call, &column, "columns.move").await?;
        let title = column.title.clone();
        self.show_dates(ctx, call, &column, Say::Retimed { title: &title })
            .await
    }

    pub(super) async fn plan(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let Some(entry) = self.wanted(ctx, call).await? else {
            return Ok(());
        };
        let title = entry.column.title.clone();
        self.show_dates(ctx, call, &entry.column, Say::PlanTitle { title: &title })
            .await
    }

    async fn show_dates(&self, ctx: &mut Ctx, call: &Call, column: &Column, head: Say<'_>) -> Result<(), RuleError> {
        let lang = call.asker.lang;
        let entry = Entry::new(column.clone(), &self.calendar, true).map_err(|e| RuleError::Fail(e.to_string()))?;
        let mut card = Message::card(head.in_lang(lang));
        for next in self.next(ctx, &entry, SHOWN).await? {
            let moved = next.at.date() != next.of;
            let holiday = self.work.table.holiday(next.of);
            let reason = holiday.map(|(zh, en)| if lang == Lang::Zh { zh } else { en });
            let row = Say::PlanRow {
                at: next.at,
                of: moved.then_some(next.of),
                reason: reason.unwrap_or_default(),
                swallows: next.swallows.as_deref(),
            };
            card = card.line(row.in_lang(lang));
        }
        let zone = self.zone_of(&entry);
        ctx.answer(
            &call.asker,
            AnswerPlace::Private,
            card.note(Say::PlanNote { zone: zone.name() }.in_lang(lang)),
        )
    }

    /// `/栏目 查看 每周资讯`: the TOML that says the same.
    pub(super) async fn show(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let Some(entry) = self.wanted(ctx, call).await? else {
            return Ok(());
        };
        let lang = call.asker.lang;
        let mut card = Message::card(
            Say::TomlTitle {
                title: &entry.column.title,
                stored: entry.stored,
            }
            .in_lang(lang),
        );
        for line in written::toml(&entry.column).lines() {
            card = card.line(line);
        }
        ctx.answer(&call.asker, AnswerPlace::Private, card)
    }

    /// `/栏目 内容 每周资讯 日期=2026-11-30 内容=..`: what this issue says, one item each line.
    pub(super) async fn content(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let Some(entry) = self.wanted(ctx, call).await? else {
            return Ok(());
        };
        let text = call.text("text").map(str::trim).unwrap_or_default();
        if text.is_empty() {
            return self.preview(ctx, call).await;
        }
        let by = call.asker.person.id.clone();
        if !self.edits(ctx, &entry, &by).await? {
            return self.reply(
                ctx,
                &call.asker,
                &Say::NotAnEditor {
                    title: &entry.column.title,
                },
            );
        }
        let next = self.next(ctx, &entry, SHOWN).await?;
        let wanted = call.date("date");
        let found = next
            .iter()
            .find(|n| wanted.is_none_or(|d| d == n.of || d == n.at.date()));
        let Some(found) = found else {
            let dates: Vec<String> = next.iter().take(3).map(|n| n.at.date().to_string()).collect();
            return self.reply(ctx, &call.asker, &Say::NoIssueThen { dates: &dates });
        };
        let pieces = text
            .split(['\n', ';', ';'])
            .map(str::trim)
            .filter(|t| !t.is_empty())
            .take(8)
            .map(|t| Piece {
                text: t.chars().take(500).collect(),
                ..Piece::default()
            })
            .collect();
        let content = Content {
            title: entry.column.title.clone(),
            pieces,
        };
        let now = ctx.now();
        let id = entry.column.id.as_str();
        let draft = issues::draft(ctx.tx(), id, &found.slot, found.due, &content, Some(&by), now).await?;
        let Some(issue) = issues::set_content(ctx.tx(), draft.id, &content, Some(&by), now).await? else {
            return self.reply(ctx, &call.asker, &Say::TooLate);
        };
        let detail = serde_json::json!({ "version": issue.version, "sha256": issue.sha256 });
        audit(
            ctx.tx(),
            now,
            by.as_str(),
            "columns.content",
            &format!("{id} {}", issue.slot),
            &detail,
        )
        .await?;
        let lang = call.asker.lang;
        let note = Say::ContentSet {
            slot: &slot_text(found.at),
            version: issue.version,
        };
        let card = issues::render(&issue.content, 0, lang).note(note.in_lang(lang));
        ctx.answer(&call.asker, AnswerPlace::Private, card)
    }

    /// `/栏目 到期 12 2026-12-31`: until when an item of the pool is true.
    pub(super) async fn expiry(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let (id, until) = (call.integer("number").unwrap_or(0), call.date("date"));
        let Some(until) = until.map(|d| d.to_string()) else {
            return self.reply(ctx, &call.asker, &Say::NoItem { id });
        };
        let owner = call.asker.person.id.clone();
        let say = match store::set_expiry(ctx.tx(), id, &until, &owner).await? {
            true => Say::Renewed { until },
            false => Say::NoItem { id },
        };
        self.reply(ctx, &call.asker, &say)
    }
}
