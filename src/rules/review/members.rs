//! Words of the lexicon in messages of members: a private note to the author and nothing else. What is
//! kept is which word stood where, never the message.

use std::collections::BTreeMap;
use std::time::Duration;

use hutong_model::{AppId, ButtonStyle, DeliveryClass, Message, MessageEvent};

use super::store::{self, NewHit};
use super::{ReviewRule, language_of, people, reach};
use crate::access::Role;
use crate::commands::{AnswerPlace, Click};
use crate::lexicon::{Place, fold};
use crate::rules::{Ctx, RuleError, Who};
use crate::text::review::Say;

/// Words that one note names.
const NAMED: usize = 3;
/// Words of the weekly list.
const LISTED: i64 = 8;
const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// Names a word in the table without spelling it.
fn name_of(word: &str) -> String {
    crate::ids::short_hash(&["lexicon", &fold::squeezed(word)], 20)
}

impl ReviewRule {
    pub(super) async fn message(&self, ctx: &mut Ctx, app: &AppId, message: &MessageEvent) -> Result<(), RuleError> {
        let lexicon = self.desk.config.words.lexicon();
        let text = message.text();
        let hits = lexicon.scan(&text, Place::Group(&message.chat.id), self.desk.today(ctx));
        let Some(user) = message.sender.user.as_ref().filter(|_| !hits.is_empty()) else {
            return Ok(());
        };
        let (Some(company), Some(platform)) = (ctx.env().app(app).map(|a| a.company.clone()), ctx.platform(app)) else {
            return Ok(());
        };
        let now = ctx.now();
        let name = message.sender.name.as_deref();
        let person = ctx
            .directory()
            .ensure_person(&company, platform, user, name, now)
            .await?;
        let lang = language_of(ctx, &person.id).await?;
        let mut first = None;
        let mut card = Message::card(Say::NoteTitle.in_lang(lang));
        for (n, hit) in hits.iter().enumerate() {
            let word = name_of(&hit.entry.word);
            let new = NewHit {
                app,
                chat: &message.chat.id,
                message: &message.message,
                person: &person.id,
                word: &word,
                level: hit.level().as_str(),
                from: hit.start,
                to: hit.end,
                at: now,
            };
            let id = store::hit(ctx.tx(), &new).await?;
            first = first.or(id);
            if n < NAMED {
                // The word as the list spells it: what the author wrote is not repeated anywhere.
                let row = Say::NoteWord {
                    word: &hit.entry.word,
                    from: hit.start + 1,
                    to: hit.end,
                };
                card = card.line(row.in_lang(lang));
            }
        }
        let Some(first) = first else {
            return Ok(());
        };
        let button = ctx.button(
            Say::Mistaken.in_lang(lang),
            "mistaken",
            vec![first.to_string()],
            ButtonStyle::Normal,
            Who::Only(&person.id),
            WEEK,
        )?;
        let card = card.note(Say::NoteEnd.in_lang(lang)).buttons(vec![button]);
        let part = format!("note:{}", person.id);
        reach(ctx, &part, app, &person.id, DeliveryClass::Hint, card).await?;
        Ok(())
    }

    pub(super) async fn mistaken(&self, ctx: &mut Ctx, click: &Click) -> Result<(), RuleError> {
        let id = click.args.first().and_then(|a| a.parse::<i64>().ok()).unwrap_or(0);
        let say = match store::mistaken(ctx.tx(), id, &click.asker.person.id).await? {
            0 => Say::MistakenDone,
            _ => Say::MistakenThanks,
        };
        let text = Message::text(say.in_lang(click.asker.lang));
        ctx.answer(&click.asker, AnswerPlace::Private, text)
    }

    /// The list of the week, to operators.
    pub(super) async fn week(&self, ctx: &mut Ctx) -> Result<(), RuleError> {
        let since = ctx.now() - WEEK;
        let rows = store::week(ctx.tx(), since, LISTED).await?;
        if rows.is_empty() {
            return Ok(());
        }
        let lexicon = self.desk.config.words.lexicon();
        let words: BTreeMap<String, &str> = lexicon.entries().iter().map(|e| (name_of(&e.word), &*e.word)).collect();
        let apps: Vec<AppId> = ctx.env().apps.keys().cloned().collect();
        let mut told = Vec::new();
        for app in apps {
            for person in people(ctx, &app, &[Role::Operator]).await? {
                if told.contains(&person) {
                    continue;
                }
                let lang = language_of(ctx, &person).await?;
                let mut card = Message::card(Say::WeekTitle.in_lang(lang));
                for (name, hits, wrong) in &rows {
                    // A word that was taken out of the list since has only its name left.
                    let word = words.get(name).copied().unwrap_or("?");
                    let row = Say::WeekRow {
                        word,
                        hits: *hits,
                        wrong: *wrong,
                    };
                    card = card.line(row.in_lang(lang));
                }
                card = card.note(Say::WeekEnd.in_lang(lang));
                let part = format!("week:{person}");
                if reach(ctx, &part, &app, &person, DeliveryClass::Once, card).await? {
                    told.push(person);
                }
            }
        }
        Ok(())
    }
}
