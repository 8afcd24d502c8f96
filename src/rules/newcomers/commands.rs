//! What operators type: the list, another buddy, the welcome texts and what they bring.

use std::collections::BTreeMap;

use chrono::Days;
use hutong_model::{Mention, Message, SeeClass};

use super::config::{HEAVIEST, LONGEST_WORDS, Words};
use super::path::Effect;
use super::round::{tell_buddy, tell_newcomer, with_team};
use super::store::{self, Newcomer, State};
use super::words;
use super::{Newcomers, find};
use crate::access::store::{Allowed, audit, place_of_department, rights_of, verdict};
use crate::access::{Place, Role};
use crate::commands::{AnswerPlace, ArgKind, ArgSpec, Call, CommandSpec};
use crate::directory::Person;
use crate::rules::reports::metrics::wilson;
use crate::rules::{Ctx, RuleError};
use crate::text::Lang;
use crate::text::newcomers::{Say, Stage};

const OPERATORS: &[Role] = &[Role::Operator];
/// Rows of the list.
const LISTED: usize = 8;
/// Newcomers of so many days stand in the list.
const LIST_DAYS: u64 = 30;
/// Texts in the list, two lines each.
const WORDS_SHOWN: usize = 4;
/// Figures about fewer people are not shown.
pub const LEAST: u32 = 5;
/// Effects are counted over so many days.
const EFFECT_DAYS: u64 = 365;

const WORDS_ID: ArgSpec = ArgSpec {
    name: "id",
    names: &["编号", "id"],
    kind: ArgKind::Text,
    positional: true,
    required: true,
};

const fn operate(id: &'static str, args: &'static [ArgSpec]) -> CommandSpec {
    CommandSpec {
        id,
        bare: false,
        args,
        roles: OPERATORS,
        place: AnswerPlace::Private,
    }
}

pub const COMMANDS: &[CommandSpec] = &[
    operate("newcomers.list", &[]),
    operate(
        "newcomers.buddy",
        &[
            ArgSpec {
                name: "who",
                names: &["新人", "who"],
                kind: ArgKind::Person,
                positional: true,
                required: true,
            },
            ArgSpec {
                name: "buddy",
                names: &["搭子", "buddy"],
                kind: ArgKind::Person,
                positional: true,
                required: false,
            },
        ],
    ),
    operate("newcomers.words", &[]),
    operate(
        "newcomers.edit",
        &[
            WORDS_ID,
            ArgSpec {
                name: "text",
                names: &["内容", "text"],
                kind: ArgKind::Rest,
                positional: true,
                required: true,
            },
        ],
    ),
    operate(
        "newcomers.weight",
        &[
            WORDS_ID,
            ArgSpec {
                name: "weight",
                names: &["权重", "weight"],
                kind: ArgKind::Integer {
                    min: 0,
                    max: HEAVIEST as i64,
                },
                positional: true,
                required: true,
            },
        ],
    ),
];

fn refuse(say: &Say<'_>, lang: Lang) -> RuleError {
    RuleError::refuse(Message::text(say.in_lang(lang)))
}

/// Whether the asker's role reaches a department.
async fn reaches(ctx: &mut Ctx, asker: &Person, department: Option<&str>) -> Result<bool, RuleError> {
    let rights = rights_of(ctx.tx(), &asker.id).await?;
    let place = match department {
        Some(department) => place_of_department(ctx.tx(), department).await?,
        None => Place::default(),
    };
    Ok(matches!(verdict(rights, OPERATORS, &place), Allowed::Yes(_)))
}

impl Newcomers {
    pub(super) async fn list(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let lang = call.asker.lang;
        let today = self.today(ctx);
        let from = today.checked_sub_days(Days::new(LIST_DAYS)).unwrap_or(today);
        let company = call.asker.person.company.clone();
        let mut shown: Vec<Newcomer> = Vec::new();
        let mut known: BTreeMap<Option<String>, bool> = BTreeMap::new();
        for newcomer in store::listed(ctx.tx(), &company, from).await? {
            let yes = match known.get(&newcomer.department) {
                Some(yes) => *yes,
                None => {
                    let yes = reaches(ctx, &call.asker.person, newcomer.department.as_deref()).await?;
                    known.insert(newcomer.department.clone(), yes);
                    yes
                }
            };
            if yes {
                shown.push(newcomer);
            }
        }
        let mut card = Message::card(Say::ListTitle { people: shown.len() }.in_lang(lang));
        if shown.is_empty() {
            card = card.line(Say::ListEmpty.in_lang(lang));
        }
        for newcomer in shown.iter().take(LISTED) {
            let stage = match newcomer.state {
                State::Waiting => Stage::Waiting,
                State::Stopped => Stage::Left,
                State::Path | State::Done if !newcomer.reached => Stage::NotReached,
                State::Path | State::Done if newcomer.contributed_at.is_some() => Stage::Contributed,
                State::Path | State::Done if newcomer.answered => Stage::Answered,
                State::Path | State::Done => Stage::Silent,
            };
            let name = with_team(&newcomer.name, newcomer.department_name.as_deref(), lang);
            let row = Say::ListRow {
                name: &name,
                day: (today - newcomer.started_on).num_days() + 1,
                buddy: newcomer.buddy_name.as_deref().filter(|_| newcomer.buddy_active),
                stage,
            };
            card = card.line(row.in_lang(lang));
        }
        if shown.len() > LISTED {
            card = card.note(
                Say::More {
                    n: shown.len() - LISTED,
                }
                .in_lang(lang),
            );
        }
        let over: Vec<&Newcomer> = shown.iter().filter(|n| n.state == State::Done).collect();
        if u32::try_from(over.len()).unwrap_or(u32::MAX) >= LEAST {
            let answered = over.iter().filter(|n| n.answered).count();
            let say = Say::Completed {
                answered,
                of: over.len(),
            };
            card = card.note(say.in_lang(lang));
        }
        ctx.answer(&call.asker, AnswerPlace::Private, card)
    }

    pub(super) async fn buddy(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let lang = call.asker.lang;
        // Both names may stand together, or each with its own key.
        let mentions: Vec<Mention> = call.people("who").iter().chain(call.people("buddy")).cloned().collect();
        let [who, buddy] = mentions.as_slice() else {
            return Err(refuse(&Say::TwoPeople, lang));
        };
        let app = call.asker.app.clone();
        let (Some(who), Some(buddy)) = (
            ctx.person_mentioned(&app, who).await?,
            ctx.person_mentioned(&app, buddy).await?,
        ) else {
            return Err(refuse(&Say::WhoIsThat, lang));
        };
        let row = store::one(ctx.tx(), &who.id).await?;
        let row = row.filter(|n| n.active && matches!(n.state, State::Waiting | State::Path));
        let reached = reaches(ctx, &call.asker.person, who.department.as_deref()).await?;
        // An operator of elsewhere does not learn who is new there.
        let Some(row) = row.filter(|_| reached) else {
            return Err(refuse(&Say::NoNewcomer { name: &who.name }, lang));
        };
        if who.id == buddy.id {
            return Err(refuse(&Say::OwnBuddy, lang));
        }
        if !buddy.active {
            return Err(refuse(&Say::BuddyLeft { name: &buddy.name }, lang));
        }
        if row.buddy.as_ref() != Some(&buddy.id) {
            let now = ctx.now();
            let actor = call.asker.person.id.as_str().to_owned();
            store::set_buddy(ctx.tx(), &who.id, Some(&buddy.id), &actor).await?;
            let detail = serde_json::json!({ "buddy": buddy.id.as_str() });
            audit(ctx.tx(), now, &actor, "newcomers.buddy", who.id.as_str(), &detail).await?;
            tell_buddy(ctx, &row, &buddy.id, &who).await?;
            // Who waits for the welcome reads it there.
            if row.state == State::Path {
                tell_newcomer(ctx, &row, &who, &buddy).await?;
            }
        }
        let say = Say::BuddySet {
            name: &who.name,
            buddy: &buddy.name,
        };
        ctx.answer(&call.asker, AnswerPlace::Private, Message::text(say.in_lang(lang)))
    }

    pub(super) async fn words(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let lang = call.asker.lang;
        if !reaches(ctx, &call.asker.person, None).await? {
            return Err(refuse(&Say::WholeCompany, lang));
        }
        let today = self.today(ctx);
        let from = today.checked_sub_days(Days::new(EFFECT_DAYS)).unwrap_or(today);
        let company = call.asker.person.company.clone();
        let mut effects: BTreeMap<String, Effect> = BTreeMap::new();
        for (variant, started, at) in store::outcomes(ctx.tx(), &company, from).await? {
            let day = at.map(|at| ctx.local(at).date_naive());
            effects.entry(variant).or_default().count(started, day, today);
        }
        let mut list = words::effective(ctx, &self.config).await?;
        let total: u32 = list.iter().map(|w| w.weight).sum();
        if total == 0 {
            let name = Say::YourName.in_lang(lang);
            let company = ctx.env().company_name.clone();
            let text = Say::Welcome {
                name: &name,
                company: &company,
            };
            list.insert(
                0,
                Words {
                    id: words::BUILT_IN.to_owned(),
                    text: text.in_lang(lang),
                    weight: 1,
                },
            );
        }
        let mut card = Message::card(Say::WordsTitle.in_lang(lang));
        for one in list.iter().take(WORDS_SHOWN) {
            let effect = effects.get(&one.id).copied().unwrap_or_default();
            let row = Say::WordsRow {
                id: &one.id,
                share: (one.weight * 100).checked_div(total.max(1)).unwrap_or(0),
                from_config: self.config.words.iter().any(|w| w.id == one.id),
                text: &one.text,
            };
            card = card.line(row.in_lang(lang));
            let interval = wilson(effect.contributed, effect.people).filter(|_| effect.people >= LEAST);
            let say = match interval {
                None => Say::TooFew { open: effect.open },
                Some((low, high)) => Say::WordsEffect {
                    people: effect.people,
                    contributed: effect.contributed,
                    low: whole(low),
                    high: whole(high),
                },
            };
            card = card.note(say.in_lang(lang));
        }
        if list.len() > WORDS_SHOWN {
            card = card.note(
                Say::More {
                    n: list.len() - WORDS_SHOWN,
                }
                .in_lang(lang),
            );
        }
        let env = ctx.env().clone();
        let blind = find::homes(&env)
            .iter()
            .filter(|(_, c, _)| *c == company)
            .any(|(app, ..)| {
                !env.app(app)
                    .is_some_and(|a| a.adapter.capabilities().sees(SeeClass::V1))
            });
        if blind {
            card = card.note(Say::OnlyAddressed.in_lang(lang));
        }
        ctx.answer(&call.asker, AnswerPlace::Private, card)
    }

    pub(super) async fn edit(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let lang = call.asker.lang;
        let text = call.text("text").unwrap_or_default().trim();
        if text.chars().count() > LONGEST_WORDS || text.is_empty() {
            return Err(refuse(&Say::WordsLength { most: LONGEST_WORDS }, lang));
        }
        let id = self.own_words(ctx, call).await?;
        let known = store::words(ctx.tx()).await?.into_iter().find(|w| w.id == id);
        let changed = Words {
            id,
            text: text.to_owned(),
            weight: known.map_or(1, |w| w.weight),
        };
        self.keep(ctx, call, &changed, "newcomers.edit").await?;
        let say = Say::WordsKept { id: &changed.id };
        ctx.answer(&call.asker, AnswerPlace::Private, Message::text(say.in_lang(lang)))
    }

    pub(super) async fn weigh(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let lang = call.asker.lang;
        let id = self.own_words(ctx, call).await?;
        let list = store::words(ctx.tx()).await?;
        let Some(mut changed) = list.iter().find(|w| w.id == id).cloned() else {
            let known: Vec<&str> = list.iter().map(|w| w.id.as_str()).collect();
            return Err(refuse(
                &Say::NoSuchWords {
                    typed: &id,
                    known: &known,
                },
                lang,
            ));
        };
        changed.weight = call.integer("weight").and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        self.keep(ctx, call, &changed, "newcomers.weight").await?;
        let say = Say::WordsWeighed {
            id: &changed.id,
            weight: changed.weight,
        };
        ctx.answer(&call.asker, AnswerPlace::Private, Message::text(say.in_lang(lang)))
    }

    /// The id that was typed, when it may be changed by a command.
    async fn own_words(&self, ctx: &mut Ctx, call: &Call) -> Result<String, RuleError> {
        let lang = call.asker.lang;
        if !reaches(ctx, &call.asker.person, None).await? {
            return Err(refuse(&Say::WholeCompany, lang));
        }
        let id = call.text("id").unwrap_or_default().trim().to_lowercase();
        if !words::is_id(&id) || id == words::BUILT_IN {
            return Err(refuse(&Say::WordsId, lang));
        }
        if self.config.words.iter().any(|w| w.id == id) {
            return Err(refuse(&Say::WordsOfConfig { id: &id }, lang));
        }
        Ok(id)
    }

    async fn keep(&self, ctx: &mut Ctx, call: &Call, words: &Words, action: &str) -> Result<(), RuleError> {
        let now = ctx.now();
        let by = call.asker.person.id.clone();
        store::put_words(ctx.tx(), words, &by, now).await?;
        // Who changed what, and how; the text itself is the company's, not a message of a person.
        let detail = serde_json::json!({ "text": words.text, "weight": words.weight });
        audit(ctx.tx(), now, by.as_str(), action, &words.id, &detail).await?;
        Ok(())
    }
}

fn whole(share: f64) -> u32 {
    (share * 100.0).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_whole_percent() {
        let (low, high) = wilson(3, 10).unwrap();
        assert_eq!((whole(low), whole(high)), (11, 60));
    }
}
