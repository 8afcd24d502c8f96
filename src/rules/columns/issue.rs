//! An issue: when it appears, what is in it, where it goes, and its button.

use std::time::Duration;

use chrono::{Datelike as _, NaiveDate, NaiveDateTime};
use chrono_tz::Tz;
use hutong_model::{Ability, Action, AppId, ButtonStyle, ChatId, Counts, DeliveryClass, Message, Receipt, Timestamp};

use super::audience::Reader;
use super::store;
use super::{ColumnsRule, Entry};
use crate::commands::{AnswerPlace, Click};
use crate::issues::{self, Content, Issue, Piece, State, Verdict, why};
use crate::rules::{Ctx, RuleError, Who};
use crate::text::Lang;
use crate::text::columns::{NotSent, Say};

/// Items of one issue at most: the card stays within a phone.
const MOST_ITEMS: usize = 8;
/// An issue that is later than this respects the quiet hours; one on time is what was asked for.
const LATE: Duration = Duration::from_secs(600);
/// Between two columns that a holiday has moved to the same minute.
const SPACING: Duration = Duration::from_secs(30 * 60);
/// How long the button of a card stays good.
const CARD_DAYS: u64 = 60;
/// Cards that are updated at once when somebody presses; the others follow with their next press.
const MOST_CARDS: i64 = 20;

/// An issue whose minute has come in one office.
struct Due {
    zone: Tz,
    slot: Timestamp,
    minute: NaiveDateTime,
    /// The date it stands for.
    of: NaiveDate,
    /// At home, and not in another office.
    home: bool,
}

/// What was sent.
pub(super) struct Broadcast {
    pub number: i64,
    pub sent: usize,
    /// Where the platform's pace makes it last: until when.
    pub until: Option<Timestamp>,
}

/// `2026-11-30T09:30`
pub(super) fn slot_text(minute: NaiveDateTime) -> String {
    minute.format("%Y-%m-%dT%H:%M").to_string()
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
        let today = crate::rules::local(self.zone_of(entry), ctx.now())
            .date_naive()
            .to_string();
        for item in store::items(ctx.tx(), &entry.column.id, "approved", room).await? {
            // What is not true any more waits until its owner has renewed it.
            if !item.expires.is_empty() && item.expires < today {
                continue;
            }
            list.push(Piece {
                files: serde_json::from_str(&item.files).unwrap_or_default(),
                text: item.body,
                by: Some(item.author_name),
                item: Some(item.id),
            });
        }
        Ok(list)
    }

    /// The scheduled minute has come, on the clock of `zone` (`None`: the column's own).
    pub(super) async fn occurrence(
        &self,
        ctx: &mut Ctx,
        entry: &Entry,
        zone: Option<Tz>,
        slot: Timestamp,
        local: &str,
    ) -> Result<(), RuleError> {
        let Ok(minute) = NaiveDateTime::parse_from_str(local, "%Y-%m-%dT%H:%M") else {
            return Err(RuleError::Fail("a tick without a local minute".to_owned()));
        };
        let home = self.zone_of(entry);
        let zone = zone.unwrap_or(home);
        if store::halved(ctx.tx(), &entry.column.id).await? && minute.date().iso_week().week() % 2 == 1 {
            return Ok(());
        }
        for (desk, readers) in self.readers_of(ctx, entry, zone).await? {
            let when = entry.when.on(&desk.days);
            let Some(of) = when.issue_day(minute.date()) else {
                continue;
            };
            let due = Due {
                zone,
                slot,
                minute,
                of,
                home: zone == home && desk.office.is_empty(),
            };
            if due.home
                && let Some(earlier) = when.swallowed(minute.date(), of)
            {
                self.swallow(ctx, entry, earlier.and_time(minute.time()), slot).await?;
            }
            self.due(ctx, entry, &due, readers).await?;
        }
        Ok(())
    }

    /// An issue whose day was moved onto that of a later one does not appear.
    async fn swallow(
        &self,
        ctx: &mut Ctx,
        entry: &Entry,
        earlier: NaiveDateTime,
        slot: Timestamp,
    ) -> Result<(), RuleError> {
        let (now, id) = (ctx.now(), entry.column.id.as_str());
        let empty = Content {
            title: entry.column.title.clone(),
            pieces: Vec::new(),
        };
        let issue = issues::draft(ctx.tx(), id, &slot_text(earlier), slot, &empty, None, now).await?;
        issues::miss(ctx.tx(), issue.id, why::MERGED, now).await?;
        Ok(())
    }

    async fn due(&self, ctx: &mut Ctx, entry: &Entry, due: &Due, readers: Vec<Reader>) -> Result<(), RuleError> {
        let column = &entry.column;
        let now = ctx.now();
        let moved = (due.minute.date() != due.of).then_some(due.of);
        let slot = slot_text(due.of.and_time(due.minute.time()));
        let issue = self.issue_for(ctx, entry, &slot, due.slot).await?;
        if matches!(issue.state, State::Sent | State::Corrected) {
            // Another office had it before; here it is its minute now.
            if now.since(due.slot) <= column.lateness.max(LATE) {
                self.post(ctx, &issue, &readers, moved).await?;
            }
            return Ok(());
        }
        if !issue.state.open() {
            return Ok(());
        }
        let paused = store::paused(ctx.tx(), &column.id).await?;
        let late = now.since(due.slot);
        let clock = crate::rules::local(due.zone, now).time();
        let items = issue.content.pieces.len();
        let needed = usize::try_from(column.min_items).unwrap_or(usize::MAX).max(1);
        let reason = if paused {
            Some((why::PAUSED, None))
        } else if late > column.lateness.max(LATE) {
            Some((why::LATE, Some(NotSent::Late)))
        } else if late > LATE && column.quiet.holds(clock) {
            Some((why::QUIET, Some(NotSent::Quiet)))
        } else if items < needed {
            Some((why::EMPTY, Some(NotSent::Empty { items, needed })))
        } else {
            None
        };
        if let Some((why, told)) = reason {
            if issues::miss(ctx.tx(), issue.id, why, now).await?
                && let Some(told) = told
            {
                self.tell_editors(ctx, entry, told).await?;
                if why == why::EMPTY {
                    self.after_an_empty_one(ctx, entry).await?;
                }
            }
            return Ok(());
        }
        if due.home && late < LATE {
            let wait = self.behind(ctx, entry, due).await?;
            if !wait.is_zero() && self.postpone(ctx, &issue, due.slot + wait).await? {
                return Ok(());
            }
        }
        self.send(ctx, entry, &issue, &readers, moved).await?;
        Ok(())
    }

    /// An issue whose minute has passed without it: it had to wait.
    pub(super) async fn overdue(
        &self,
        ctx: &mut Ctx,
        entry: &Entry,
        issue: &Issue,
        readers: Vec<Reader>,
    ) -> Result<(), RuleError> {
        let zone = self.zone_of(entry);
        let Some(minute) = crate::schedule::calendar::wall_clock(zone, issue.due_at) else {
            return Ok(());
        };
        let of = issue
            .slot
            .get(..10)
            .and_then(|d| d.parse().ok())
            .unwrap_or(minute.date());
        let nominal = issue.slot.get(11..16).and_then(crate::config::parse_time);
        let due = Due {
            zone,
            slot: issue.due_at,
            minute: minute.date().and_time(nominal.unwrap_or(minute.time())),
            of,
            home: false,
        };
        self.due(ctx, entry, &due, readers).await
    }

    /// How long this column waits behind others whose shifted issue has the same minute.
    async fn behind(&self, ctx: &mut Ctx, entry: &Entry, due: &Due) -> Result<Duration, RuleError> {
        let mut before = 0;
        let mut shifted = due.of != due.minute.date();
        for other in self.all(ctx.tx()).await? {
            if other.column.id == entry.column.id {
                break;
            }
            if self.zone_of(&other) != due.zone || other.column.every.time() != Some(due.minute.time()) {
                continue;
            }
            let desk = self.home(ctx, &other).await?;
            if let Some(of) = other.when.on(&desk.days).issue_day(due.minute.date()) {
                before += 1;
                shifted |= of != due.minute.date();
            }
        }
        Ok(if shifted { SPACING * before } else { Duration::ZERO })
    }

    /// Lets an issue wait until `at`; a schedule of its own wakes it then.
    async fn postpone(&self, ctx: &mut Ctx, issue: &Issue, at: Timestamp) -> Result<bool, RuleError> {
        let now = ctx.now();
        let key = format!("spaced:{}", issue.id);
        if !store::tell_once(ctx.tx(), &key, now).await? {
            return Ok(false);
        }
        let moved = issues::set_due(ctx.tx(), issue.id, at).await?;
        crate::schedule::touch(ctx.tx()).await?;
        Ok(moved)
    }

    /// The issue for a local minute: what an editor has prepared, else what the pool holds now.
    pub(super) async fn issue_for(
        &self,
        ctx: &mut Ctx,
        entry: &Entry,
        slot: &str,
        due: Timestamp,
    ) -> Result<Issue, RuleError> {
        let column = &entry.column;
        if let Some(issue) = issues::at_slot(ctx.tx(), &column.id, slot).await? {
            return Ok(issue);
        }
        let content = Content {
            title: column.title.clone(),
            pieces: self.pieces(ctx, entry).await?,
        };
        let now = ctx.now();
        Ok(issues::draft(ctx.tx(), &column.id, slot, due, &content, None, now).await?)
    }

    /// Sends an issue to every reader that has not had it, if the gate lets it pass. `None`: it was
    /// sent before, or the gate says no.
    pub(super) async fn send(
        &self,
        ctx: &mut Ctx,
        entry: &Entry,
        issue: &Issue,
        readers: &[Reader],
        moved: Option<NaiveDate>,
    ) -> Result<Option<Broadcast>, RuleError> {
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
        let sent = self.post(ctx, &issue, readers, moved).await?;
        let broadcast = Broadcast {
            number: issue.number,
            sent: sent.len(),
            until: self.planned_end(ctx, &sent).await?,
        };
        if let Some(until) = broadcast.until {
            self.tell_end(ctx, entry, &issue, &broadcast, until).await?;
        }
        Ok(Some(broadcast))
    }

    /// Claims the issue for each of these readers and leaves its message in the same transaction.
    async fn post(
        &self,
        ctx: &mut Ctx,
        issue: &Issue,
        readers: &[Reader],
        moved: Option<NaiveDate>,
    ) -> Result<Vec<Reader>, RuleError> {
        let lang = ctx.env().lang;
        let mut content = self.card(ctx, issue, lang).await?;
        if let Some(of) = moved {
            let reason = self
                .work
                .table
                .holiday(of)
                .map(|(zh, en)| if lang == Lang::Zh { zh } else { en });
            content = content.note(
                Say::Moved {
                    of,
                    reason: reason.unwrap_or_default(),
                }
                .in_lang(lang),
            );
        }
        let env = ctx.env().clone();
        let mut targets: Vec<(Reader, (AppId, ChatId))> = Vec::new();
        for reader in readers {
            let reader = match reader {
                Reader::Chat(app, chat) => {
                    let (app, chat) = env.post_target(app, chat);
                    Reader::Chat(app.clone(), chat.clone())
                }
                person => person.clone(),
            };
            let app = reader.app().clone();
            if let Some(claim) = reader.claim().filter(|_| env.app(&app).is_some()) {
                targets.push((reader, (app, claim)));
            }
        }
        let claims: Vec<(AppId, ChatId)> = targets.iter().map(|(_, claim)| claim.clone()).collect();
        let claimed = issues::claim_posts(ctx.tx(), issue.id, &claims).await?;
        let mut sent = Vec::new();
        for (reader, (app, claim)) in targets {
            if !claimed.contains(&(app.clone(), claim.clone())) {
                continue;
            }
            let action = Action::Send {
                to: reader.target(),
                content: content.clone(),
            };
            let part = format!("issue:{app}:{claim}");
            let tag = serde_json::json!({ "issue": issue.id, "chat": claim.as_str() });
            ctx.emit_tracked(&part, &app, DeliveryClass::Once, action, tag)?;
            sent.push(reader);
        }
        Ok(sent)
    }

    /// When the last of these messages will have left, by the limits that the platform publishes for
    /// receivers; `None`: within a minute.
    async fn planned_end(&self, ctx: &mut Ctx, sent: &[Reader]) -> Result<Option<Timestamp>, RuleError> {
        let mut longest = Duration::ZERO;
        let mut people: std::collections::BTreeMap<AppId, u64> = std::collections::BTreeMap::new();
        for reader in sent {
            let n = match reader {
                Reader::Chat(app, chat) => store::members(ctx.tx(), app, chat).await?,
                Reader::Person(..) => 1,
            };
            *people.entry(reader.app().clone()).or_default() += u64::try_from(n).unwrap_or(1);
        }
        for (app, n) in people {
            let Some(caps) = ctx.caps(&app) else { continue };
            for rule in caps
                .rates
                .iter()
                .filter(|r| r.counts == Counts::Receivers && r.count > 0)
            {
                let time = Duration::from_millis(n.saturating_mul(rule.window_ms) / u64::from(rule.count));
                longest = longest.max(time);
            }
        }
        Ok((longest > Duration::from_secs(60)).then(|| ctx.now() + longest))
    }

    async fn tell_end(
        &self,
        ctx: &mut Ctx,
        entry: &Entry,
        issue: &Issue,
        broadcast: &Broadcast,
        until: Timestamp,
    ) -> Result<(), RuleError> {
        let clock = crate::rules::local(self.zone_of(entry), until)
            .format("%H:%M")
            .to_string();
        let say = Say::BroadcastUntil {
            title: &issue.content.title,
            chats: broadcast.sent,
            clock: &clock,
        };
        let text = Message::text(say.in_lang(ctx.env().lang));
        self.to_editors(ctx, entry, &format!("until:{}", issue.id), &text).await
    }

    pub(super) async fn card(&self, ctx: &mut Ctx, issue: &Issue, lang: Lang) -> Result<Message, RuleError> {
        let count = store::votes(ctx.tx(), issue.id).await?;
        let more = store::mores(ctx.tx(), issue.id).await?;
        let valid = Duration::from_secs(CARD_DAYS * 86_400);
        let args = || vec![issue.id.to_string()];
        let (normal, anyone) = (ButtonStyle::Normal, Who::Anyone);
        let buttons = vec![
            ctx.button(
                Say::Useful { count }.in_lang(lang),
                "useful",
                args(),
                normal,
                anyone,
                valid,
            )?,
            ctx.button(
                Say::More { count: more }.in_lang(lang),
                "more",
                args(),
                normal,
                anyone,
                valid,
            )?,
            ctx.button(Say::Write.in_lang(lang), "write", args(), normal, anyone, valid)?,
        ];
        let title = issue.content.title.as_str();
        Ok(issues::render(&issue.content, issue.number, lang)
            .buttons(buttons)
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
        let (people, _) = self.on_duty(ctx, entry).await?;
        for person in people {
            let part = format!("{part}:{person}");
            ctx.tell(&part, app, &person, DeliveryClass::Once, card.clone()).await?;
        }
        Ok(())
    }

    /// The result of a post: the card's name, for updates.
    pub(super) async fn posted(
        &self,
        ctx: &mut Ctx,
        app: &AppId,
        ok: bool,
        receipt: &Receipt,
        tag: &serde_json::Value,
    ) -> Result<(), RuleError> {
        let issue = tag.get("issue").and_then(serde_json::Value::as_i64);
        let chat = tag.get("chat").and_then(serde_json::Value::as_str).map(ChatId::new);
        let (Some(issue), Some(Ok(chat))) = (issue, chat) else {
            return Ok(());
        };
        issues::posted(ctx.tx(), issue, app, &chat, receipt.message.as_ref(), ok).await?;
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
        let person = click.asker.person.id.clone();
        let new = match click.verb.as_str() {
            "more" => {
                let before = store::mores(ctx.tx(), issue.id).await?;
                store::more(ctx.tx(), issue.id, &person, now).await? > before
            }
            _ => store::vote(ctx.tx(), issue.id, &person, now).await?,
        };
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
