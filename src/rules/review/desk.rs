//! What reviewers and editors do: approve, return, ask for another time, edit, look at what waits.

use hutong_model::{Block, DeliveryClass, Inline, Message};

use super::config::{Columns, Urgent};
use super::decide::{Refusal, approve};
use super::gate::{Look, by_hand};
use super::store::{self, Review};
use super::{ReviewRule, day_of, language_of, numbered, people, reach, refuse};
use crate::access::Role;
use crate::access::store::{audit, rights_of};
use crate::commands::{AnswerPlace, Asker, Call, Click};
use crate::directory::{Person, PersonId};
use crate::issues::{self, Content, Issue, Piece, State};
use crate::lexicon::Level;
use crate::rules::{Ctx, RuleError};
use crate::text::review::{Say, state};

/// Lines of the list.
const LISTED: usize = 8;
/// Letters and digits of an item that an editor writes.
const SHORTEST: usize = 6;
const LONGEST: usize = 500;
const MOST_ITEMS: usize = 8;
/// Lines of the lexicon that end within so many days are named.
const ENDING_DAYS: i64 = 30;
const ENDING_SHOWN: usize = 3;

impl ReviewRule {
    /// Reviewers, and deputies by their employee number. Somebody who has left is neither.
    pub(super) async fn may_review(&self, ctx: &mut Ctx, person: &Person) -> Result<bool, RuleError> {
        let deputy = person
            .employee_no
            .as_ref()
            .is_some_and(|no| self.desk.config.deputies.contains(no));
        if !person.active {
            return Ok(false);
        }
        let rights = rights_of(ctx.tx(), &person.id).await?;
        Ok(deputy || rights.anywhere(&[Role::Reviewer]))
    }

    async fn reviewer_only(&self, ctx: &mut Ctx, asker: &Asker) -> Result<(), RuleError> {
        // As it is in this transaction: the click may have waited.
        let now = ctx.directory().person(&asker.person.id).await?;
        match now {
            Some(person) if self.may_review(ctx, &person).await? => Ok(()),
            _ => Err(refuse(&Say::NotReviewer, asker.lang)),
        }
    }

    async fn open_review(
        &self,
        ctx: &mut Ctx,
        issue: &Issue,
        version: i64,
        asker: &Asker,
    ) -> Result<Review, RuleError> {
        let found = store::review(ctx.tx(), issue.id, version).await?;
        found.ok_or_else(|| match version == issue.version {
            true => refuse(
                &Say::NotWaiting {
                    state: state(issue.state.as_str(), asker.lang),
                },
                asker.lang,
            ),
            false => refuse(
                &Say::OtherVersion {
                    version: issue.version,
                    number: issue.id,
                },
                asker.lang,
            ),
        })
    }

    fn why_not(&self, issue: &Issue, look: &Look, refusal: Refusal, asker: &Asker) -> RuleError {
        let (lang, title) = (asker.lang, issue.content.title.as_str());
        let words = look.blocked.join("、");
        let say = match refusal {
            Refusal::Own => Say::Own,
            Refusal::OtherVersion(version) => Say::OtherVersion {
                version,
                number: issue.id,
            },
            Refusal::Not(is) => Say::NotWaiting {
                state: state(is.as_str(), lang),
            },
            Refusal::TooLate => Say::TooLate { title },
            Refusal::Blocked => Say::Blocked { words: &words },
        };
        refuse(&say, lang)
    }

    async fn approve(
        &self,
        ctx: &mut Ctx,
        asker: &Asker,
        number: i64,
        version: i64,
        sha: &str,
    ) -> Result<(), RuleError> {
        self.reviewer_only(ctx, asker).await?;
        // Two reviewers at the same moment: the second one sees what the first has done.
        ctx.tx().lock(&format!("review {number}")).await?;
        let issue = numbered(ctx, number, asker).await?;
        let review = self.open_review(ctx, &issue, version, asker).await?;
        let now = ctx.now();
        let look = self.desk.look(ctx.tx(), &issue, now).await?;
        let post = review.state == "post";
        let shown = if review.sha256.starts_with(sha) {
            review.sha256.as_str()
        } else {
            sha
        };
        let by = &asker.person.id;
        if let Err(refusal) = approve(&look.facts(&issue), by, version, shown, post, now) {
            return Err(self.why_not(&issue, &look, refusal, asker));
        }
        let again = || {
            let state = state(issue.state.as_str(), asker.lang);
            refuse(&Say::NotWaiting { state }, asker.lang)
        };
        if !store::decided(ctx.tx(), &review, "approved", by, "", now).await? {
            return Err(again());
        }
        let (title, due) = (issue.content.title.as_str(), self.desk.time(issue.due_at, asker.lang));
        if !post {
            let (id, sha256) = (issue.id, review.sha256.as_str());
            let yes = issues::move_to(ctx.tx(), id, version, sha256, &[State::Pending], State::Approved, now).await?;
            let set = issues::move_to(ctx.tx(), id, version, sha256, &[State::Approved], State::Scheduled, now).await?;
            if !(yes && set) {
                return Err(again());
            }
        }
        let detail = serde_json::json!({ "version": version, "sha256": review.sha256, "after": post });
        audit(
            ctx.tx(),
            now,
            by.as_str(),
            "review.approve",
            &issue.id.to_string(),
            &detail,
        )
        .await?;
        let say = match post {
            true => Say::ApprovedAfter { title },
            false => Say::Approved { title, due: &due },
        };
        ctx.answer(asker, AnswerPlace::Private, Message::text(say.in_lang(asker.lang)))?;
        if !post {
            for person in self.writers(ctx, &issue, &look.authors).await? {
                let lang = language_of(ctx, &person).await?;
                let due = self.desk.time(issue.due_at, lang);
                let say = Say::ToldApproved {
                    title,
                    by: &asker.person.name,
                    due: &due,
                };
                let text = Message::text(say.in_lang(lang));
                self.tell(ctx, &issue, &format!("approved:{person}"), &person, text)
                    .await?;
            }
        }
        Ok(())
    }

    /// Whom a decision concerns: the author, or the editors of what was put together from the pool.
    pub(super) async fn writers(
        &self,
        ctx: &mut Ctx,
        issue: &Issue,
        authors: &[PersonId],
    ) -> Result<Vec<PersonId>, RuleError> {
        if issue.author.is_some() {
            return Ok(authors
                .iter()
                .filter(|a| Some(*a) == issue.author.as_ref())
                .cloned()
                .collect());
        }
        match self.desk.column(ctx.tx(), &issue.column).await? {
            Some(column) => people(ctx, &column.app, &[Role::Editor]).await,
            None => Ok(Vec::new()),
        }
    }

    pub(super) async fn tell(
        &self,
        ctx: &mut Ctx,
        issue: &Issue,
        part: &str,
        person: &PersonId,
        message: Message,
    ) -> Result<bool, RuleError> {
        let Some(column) = self.desk.column(ctx.tx(), &issue.column).await? else {
            return Ok(false);
        };
        let part = format!("{part}:{}:{}", issue.id, issue.version);
        reach(ctx, &part, &column.app, person, DeliveryClass::Once, message).await
    }

    async fn give_back(&self, ctx: &mut Ctx, asker: &Asker, number: i64, reason: &str) -> Result<(), RuleError> {
        self.reviewer_only(ctx, asker).await?;
        ctx.tx().lock(&format!("review {number}")).await?;
        let issue = numbered(ctx, number, asker).await?;
        let lang = asker.lang;
        let reason: String = reason.trim().chars().take(LONGEST).collect();
        if reason.is_empty() {
            return Err(refuse(&Say::NeedReason { number }, lang));
        }
        let now = ctx.now();
        let review = self.open_review(ctx, &issue, issue.version, asker).await?;
        let by = &asker.person.id;
        let moved = issues::move_to(
            ctx.tx(),
            issue.id,
            issue.version,
            &issue.sha256,
            &[State::Pending],
            State::Returned,
            now,
        )
        .await?;
        if !moved || !store::decided(ctx.tx(), &review, "returned", by, &reason, now).await? {
            let state = state(issue.state.as_str(), lang);
            return Err(refuse(&Say::NotWaiting { state }, lang));
        }
        let detail = serde_json::json!({ "version": issue.version });
        audit(
            ctx.tx(),
            now,
            by.as_str(),
            "review.return",
            &issue.id.to_string(),
            &detail,
        )
        .await?;
        let title = issue.content.title.as_str();
        let authors = issues::authors(ctx.tx(), &issue).await?;
        for person in self.writers(ctx, &issue, &authors).await? {
            let lang = language_of(ctx, &person).await?;
            let say = Say::ToldReturned {
                title,
                by: &asker.person.name,
                number,
            };
            let card = Message::text(say.in_lang(lang)).block(Block::Quote(vec![Inline::Text(reason.clone())]));
            self.tell(ctx, &issue, &format!("returned:{person}"), &person, card)
                .await?;
        }
        let text = Message::text(Say::Returned { title }.in_lang(lang));
        ctx.answer(asker, AnswerPlace::Private, text)
    }

    pub(super) async fn approve_typed(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let number = call.integer("number").unwrap_or(0);
        let version = call.integer("draft").unwrap_or(0);
        // The number of a draft names one content for ever.
        self.approve(ctx, &call.asker, number, version, "").await
    }

    pub(super) async fn return_typed(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let number = call.integer("number").unwrap_or(0);
        self.give_back(ctx, &call.asker, number, call.text("reason").unwrap_or_default())
            .await
    }

    /// Issue, version and fingerprint that a button was made for.
    fn pressed(click: &Click) -> Result<(i64, i64, &str), RuleError> {
        match click.args.as_slice() {
            [issue, version, sha] => match (issue.parse(), version.parse()) {
                (Ok(issue), Ok(version)) => Ok((issue, version, sha)),
                _ => Err(RuleError::Fail("a button of a review without numbers".to_owned())),
            },
            _ => Err(RuleError::Fail("a button of a review with other arguments".to_owned())),
        }
    }

    pub(super) async fn yes(&self, ctx: &mut Ctx, click: &Click) -> Result<(), RuleError> {
        let (issue, version, sha) = Self::pressed(click)?;
        self.approve(ctx, &click.asker, issue, version, sha).await
    }

    /// A return needs a sentence, which a button has not.
    pub(super) async fn no(&self, ctx: &mut Ctx, click: &Click) -> Result<(), RuleError> {
        let (number, version, _) = Self::pressed(click)?;
        self.reviewer_only(ctx, &click.asker).await?;
        let issue = numbered(ctx, number, &click.asker).await?;
        let lang = click.asker.lang;
        let say = match issue.version == version {
            true => Say::NeedReason { number },
            false => Say::OtherVersion {
                version: issue.version,
                number,
            },
        };
        ctx.answer(&click.asker, AnswerPlace::Private, Message::text(say.in_lang(lang)))
    }

    pub(super) async fn other_time(&self, ctx: &mut Ctx, click: &Click) -> Result<(), RuleError> {
        let (number, ..) = Self::pressed(click)?;
        self.reviewer_only(ctx, &click.asker).await?;
        let issue = numbered(ctx, number, &click.asker).await?;
        let title = issue.content.title.as_str();
        if let Some(column) = self.desk.column(ctx.tx(), &issue.column).await? {
            for person in people(ctx, &column.app, &[Role::Editor]).await? {
                let lang = language_of(ctx, &person).await?;
                let by = click.asker.person.name.as_str();
                let text = Message::text(Say::ToldTime { title, by }.in_lang(lang));
                self.tell(ctx, &issue, &format!("time:{person}"), &person, text).await?;
            }
        }
        let say = Say::OtherTimeNext {
            title,
            day: day_of(&issue),
        };
        let text = Message::text(say.in_lang(click.asker.lang));
        ctx.answer(&click.asker, AnswerPlace::Private, text)
    }

    /// The content of an issue, one item a line, by an editor.
    pub(super) async fn edit(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let lang = call.asker.lang;
        let number = call.integer("number").unwrap_or(0);
        ctx.tx().lock(&format!("review {number}")).await?;
        let issue = numbered(ctx, number, &call.asker).await?;
        let content = content_of(&issue, call.text("text").unwrap_or_default())
            .ok_or_else(|| refuse(&Say::EditTooShort, lang))?;
        let now = ctx.now();
        let approved = matches!(issue.state, State::Approved | State::Scheduled);
        let changed = issues::set_content(ctx.tx(), issue.id, &content, Some(&call.asker.person.id), now).await?;
        let Some(changed) = changed else {
            let state = state(issue.state.as_str(), lang);
            return Err(refuse(&Say::NotWaiting { state }, lang));
        };
        if changed.version == issue.version {
            let state = state(issue.state.as_str(), lang);
            return Err(refuse(&Say::NotWaiting { state }, lang));
        }
        let detail = serde_json::json!({ "version": changed.version, "voids": approved });
        let by = call.asker.person.id.as_str();
        audit(ctx.tx(), now, by, "review.edit", &issue.id.to_string(), &detail).await?;
        let version = changed.version;
        self.ask(ctx, &changed).await?;
        let text = Message::text(Say::Edited { version }.in_lang(lang));
        ctx.answer(&call.asker, AnswerPlace::Private, text)
    }

    pub(super) async fn todo(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let lang = call.asker.lang;
        self.reviewer_only(ctx, &call.asker).await?;
        let mut rows = Vec::new();
        for issue in issues::in_state(ctx.tx(), State::Pending, 100).await? {
            rows.push((issue, None));
        }
        for review in store::open_posts(ctx.tx(), 100).await? {
            if let Some(issue) = issues::issue(ctx.tx(), review.issue).await? {
                rows.push((issue, Some(review.until_at)));
            }
        }
        let mut card = Message::card(Say::TodoTitle.in_lang(lang));
        let mut shown = 0;
        for (issue, until) in rows {
            let authors = issues::authors(ctx.tx(), &issue).await?;
            if authors.contains(&call.asker.person.id) || shown == LISTED {
                continue;
            }
            shown += 1;
            let due = self.desk.time(until.unwrap_or(issue.due_at), lang);
            let row = Say::TodoRow {
                number: issue.id,
                title: &issue.content.title,
                due: &due,
                version: issue.version,
                post: until.is_some(),
            };
            card = card.line(row.in_lang(lang));
        }
        if shown == 0 {
            card = Message::text(Say::TodoEmpty.in_lang(lang));
        }
        ctx.answer(&call.asker, AnswerPlace::Private, card)
    }

    pub(super) fn rules(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let lang = call.asker.lang;
        let config = &self.desk.config;
        let lexicon = config.words.lexicon();
        let count = |level| lexicon.entries().iter().filter(|e| e.level == level).count();
        let two = config.columns == Columns::TwoPerson;
        let post = config.urgent == Urgent::PostReview;
        let words = Say::RulesWords {
            words: lexicon.len(),
            block: count(Level::Block),
            review: count(Level::Review),
            note: count(Level::Note),
            allow: count(Level::Allow),
        };
        let mut card = Message::card(Say::RulesTitle.in_lang(lang))
            .line(Say::RulesColumns { two }.in_lang(lang))
            .line(Say::RulesUrgent { post }.in_lang(lang))
            .line(Say::RulesMembers { on: config.members }.in_lang(lang))
            .line(words.in_lang(lang));
        if let Some(problem) = config.words.refused().first() {
            let problem = problem.to_string();
            card = card.line(Say::RulesRefused { problem: &problem }.in_lang(lang));
        }
        let today = self.desk.today(ctx);
        let mut ending: Vec<_> = lexicon
            .entries()
            .iter()
            .filter_map(|e| e.until.map(|d| (d, e)))
            .filter(|(d, _)| (*d - today).num_days() <= ENDING_DAYS)
            .collect();
        ending.sort_by_key(|(d, _)| std::cmp::Reverse(*d));
        for (until, entry) in ending.iter().take(ENDING_SHOWN) {
            let until = until.to_string();
            let row = Say::RulesEnding {
                word: &entry.word,
                owner: &entry.owner,
                until: &until,
            };
            card = card.note(row.in_lang(lang));
        }
        ctx.answer(&call.asker, AnswerPlace::Private, card)
    }
}

/// What an editor typed, one item a line. A line that stands in the issue unchanged keeps its author,
/// and so does every line when there are as many as before: its item is used up all the same. `None`:
/// too short.
pub(super) fn content_of(issue: &Issue, text: &str) -> Option<Content> {
    let known = issue.content.lines();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let same = lines.len() == known.len();
    let pieces: Vec<Piece> = lines
        .iter()
        .take(MOST_ITEMS)
        .enumerate()
        .map(|(n, line)| {
            let old = |at: usize| issue.content.pieces.get(at).cloned().unwrap_or_default();
            match known.iter().position(|k| k == line) {
                Some(at) => old(at),
                None => {
                    let before = if same { old(n) } else { Piece::default() };
                    let signed = before.by.as_ref().map(|by| format!(" —— {by}"));
                    let bare = signed.and_then(|s| line.strip_suffix(s.as_str())).unwrap_or(line);
                    Piece {
                        text: bare.chars().take(LONGEST).collect(),
                        ..before
                    }
                }
            }
        })
        .collect();
    let letters = pieces
        .iter()
        .flat_map(|p| p.text.chars())
        .filter(|c| c.is_alphanumeric())
        .count();
    (letters >= SHORTEST).then(|| Content {
        title: issue.content.title.clone(),
        pieces,
    })
}

/// An issue that waits for no minute.
pub(super) fn timed(issue: &Issue) -> bool {
    !by_hand(issue)
}
