//! Segments: who is meant by a condition, and what people say about themselves.
//!
//! People join and leave interests (`/加入 摄影`) and see them in `/我`. Operators give tags and ask
//! how many people a segment means and where they are (`/分层 查询`); only people inside the
//! operator's own scope are counted. Other rules address segments by name.

pub mod store;

#[cfg(test)]
mod tests;

pub use crate::config::rules::segments as config;

use std::collections::BTreeMap;

use chrono_tz::Tz;
use hutong_model::{BoxFuture, Event, Message};

use super::{Ctx, Rule, RuleError};
use crate::access::store::{Allowed, audit, place_of_department, rights_of, verdict};
use crate::access::{Place, Rights, Role};
use crate::commands::{AnswerPlace, ArgKind, ArgSpec, Call, CommandSpec};
use crate::directory::facts::{self, PersonFacts};
use crate::directory::{Person, PersonId};
use crate::segment::{Answer, Expr, parse};
use crate::text::Lang;
use crate::text::segments::Say;

use config::{Interests, Segment};

pub const NAME: &str = "segments";

/// Lines of departments in an answer.
const DEPARTMENTS_SHOWN: usize = 6;
const NAMES_SHOWN: usize = 8;
/// Segments in the list.
const LISTED: usize = 10;
const LONGEST_TAG: usize = 20;

const OPERATORS: &[Role] = &[Role::Operator];

const WHO: ArgSpec = ArgSpec {
    name: "who",
    names: &["人", "who"],
    kind: ArgKind::Person,
    positional: true,
    required: true,
};
const TAG: ArgSpec = ArgSpec {
    name: "tag",
    names: &["标签", "tag"],
    kind: ArgKind::Text,
    positional: true,
    required: true,
};
const INTEREST: ArgSpec = ArgSpec {
    name: "interest",
    names: &["兴趣", "interest"],
    kind: ArgKind::Rest,
    positional: true,
    required: true,
};

pub const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        id: "segments.query",
        bare: false,
        args: &[
            ArgSpec {
                name: "segment",
                names: &["分层", "条件", "segment"],
                kind: ArgKind::Text,
                positional: true,
                required: true,
            },
            ArgSpec {
                name: "dept",
                names: &["部门", "dept"],
                kind: ArgKind::Text,
                positional: false,
                required: false,
            },
        ],
        roles: OPERATORS,
        place: AnswerPlace::Private,
    },
    CommandSpec {
        id: "segments.list",
        bare: false,
        args: &[],
        roles: OPERATORS,
        place: AnswerPlace::Private,
    },
    CommandSpec {
        id: "segments.tag",
        bare: false,
        args: &[WHO, TAG],
        roles: OPERATORS,
        place: AnswerPlace::Private,
    },
    CommandSpec {
        id: "segments.untag",
        bare: false,
        args: &[WHO, TAG],
        roles: OPERATORS,
        place: AnswerPlace::Private,
    },
    CommandSpec {
        id: "segments.join",
        bare: false,
        args: &[INTEREST],
        roles: &[Role::Member],
        place: AnswerPlace::GroupLine,
    },
    CommandSpec {
        id: "segments.leave",
        bare: false,
        args: &[INTEREST],
        roles: &[Role::Member],
        place: AnswerPlace::GroupLine,
    },
];

/// See the module.
pub struct Segments {
    segments: Vec<Segment>,
    interests: Vec<String>,
    zone: Tz,
}

impl Segments {
    pub fn new(segments: Vec<Segment>, interests: Option<Interests>, zone: Tz) -> Self {
        Self {
            segments,
            interests: interests.map(|i| i.names).unwrap_or_default(),
            zone,
        }
    }

    /// By id or title, as people type them.
    fn named(&self, typed: &str) -> Option<&Segment> {
        self.segments
            .iter()
            .find(|s| s.id.eq_ignore_ascii_case(typed) || s.title.eq_ignore_ascii_case(typed))
    }

    async fn query(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let lang = call.asker.lang;
        let typed = call.text("segment").unwrap_or_default().trim();
        let (title, mut condition) = match self.named(typed) {
            Some(segment) => (segment.title.clone(), segment.condition.clone()),
            // One word is a name, or one of the two conditions that are one word (`contractor`, `leader`).
            None if !typed.contains(' ') && parse(typed).is_err() => {
                let known: Vec<&str> = self.segments.iter().map(|s| s.title.as_str()).collect();
                let known = known.join("、");
                return Err(refuse(&Say::NoSuchSegment { typed, known: &known }, lang));
            }
            None => match parse(typed) {
                Ok(expr) => (expr.to_string(), expr),
                Err(error) => {
                    let say = Say::BadCondition {
                        at: error.at + 1,
                        what: &error.mistake.what(lang),
                        hint: &error.mistake.hint(lang),
                    };
                    return Err(refuse(&say, lang));
                }
            },
        };
        let only = call.text("dept").map(str::trim).filter(|d| !d.is_empty());
        if let Some(dept) = only {
            let under = crate::segment::Test::Dept {
                names: vec![crate::segment::Name {
                    text: dept.to_owned(),
                    at: 0,
                }],
                below: true,
            };
            condition = Expr::All(vec![Expr::Test(under), condition]);
        }
        let company = call.asker.person.company.clone();
        let departments = facts::departments(ctx.tx(), &company).await?;
        let bound = condition.bind(&departments).map_err(|error| {
            let say = Say::BadCondition {
                at: error.at + 1,
                what: &error.mistake.what(lang),
                hint: &error.mistake.hint(lang),
            };
            refuse(&say, lang)
        })?;
        let everyone = facts::for_condition(ctx.tx(), &company, &condition, None, true).await?;
        let seen = self.in_scope(ctx, &call.asker.person.id, everyone).await?;
        let today = ctx.local(ctx.now()).with_timezone(&self.zone).date_naive();
        let (mut yes, mut unknown) = (Vec::new(), 0);
        for person in &seen {
            match person.ask(today, |facts| bound.of(facts)) {
                Answer::Yes => yes.push(person),
                Answer::Unknown => unknown += 1,
                Answer::No => {}
            }
        }
        let card = answer_card(&title, only, &yes, unknown, seen.len(), lang);
        ctx.answer(&call.asker, AnswerPlace::Private, card)
    }

    /// The people whom the asker's role reaches: an operator of one department counts its people only.
    async fn in_scope(
        &self,
        ctx: &mut Ctx,
        asker: &PersonId,
        everyone: Vec<PersonFacts>,
    ) -> Result<Vec<PersonFacts>, RuleError> {
        let rights: Rights = rights_of(ctx.tx(), asker).await?;
        let mut reaches: BTreeMap<String, bool> = BTreeMap::new();
        let everywhere = matches!(verdict(rights.clone(), OPERATORS, &Place::default()), Allowed::Yes(_));
        if everywhere {
            return Ok(everyone);
        }
        for dept in everyone.iter().flat_map(|p| &p.departments) {
            if !reaches.contains_key(dept) {
                let place = place_of_department(ctx.tx(), dept).await?;
                let yes = matches!(verdict(rights.clone(), OPERATORS, &place), Allowed::Yes(_));
                reaches.insert(dept.clone(), yes);
            }
        }
        let reached = |p: &PersonFacts| p.departments.iter().any(|d| reaches.get(d) == Some(&true));
        Ok(everyone.into_iter().filter(reached).collect())
    }

    fn list(&self, ctx: &mut Ctx, call: &Call) -> Result<(), RuleError> {
        let lang = call.asker.lang;
        if self.segments.is_empty() {
            let text = Message::text(Say::NoSegments.in_lang(lang));
            return ctx.answer(&call.asker, AnswerPlace::Private, text);
        }
        let mut card = Message::card(Say::ListTitle.in_lang(lang));
        for segment in self.segments.iter().take(LISTED) {
            let condition = segment.condition.to_string();
            let row = Say::ListRow {
                title: &segment.title,
                id: &segment.id,
                condition: &condition,
            };
            card = card.line(row.in_lang(lang));
        }
        ctx.answer(&call.asker, AnswerPlace::Private, card)
    }

    async fn tag(&self, ctx: &mut Ctx, call: &Call, on: bool) -> Result<(), RuleError> {
        let lang = call.asker.lang;
        let tag = call.text("tag").unwrap_or_default().trim().to_lowercase();
        if tag.is_empty() || tag.chars().count() > LONGEST_TAG || tag.chars().any(char::is_control) {
            return Err(RuleError::refuse(Message::text(match lang {
                Lang::Zh => format!("标签要 1 到 {LONGEST_TAG} 个字。"),
                Lang::En => format!("A tag has 1 to {LONGEST_TAG} characters."),
            })));
        }
        let Some(who) = call.people("who").first().cloned() else {
            return Ok(());
        };
        let Some(person) = ctx.person_mentioned(&call.asker.app, &who).await? else {
            return Err(refuse(&Say::NobodyThere, lang));
        };
        let rights = rights_of(ctx.tx(), &call.asker.person.id).await?;
        let place = match &person.department {
            Some(dept) => place_of_department(ctx.tx(), dept).await?,
            None => Place::default(),
        };
        if !matches!(verdict(rights, OPERATORS, &place), Allowed::Yes(_)) {
            return Err(refuse(&Say::NobodyThere, lang));
        }
        let now = ctx.now();
        let changed = facts::set_tag(ctx.tx(), &person.id, &tag, on, &call.asker.person.id, now).await?;
        let (name, tag) = (person.name.as_str(), tag.as_str());
        let say = match (on, changed) {
            (true, true) => Say::TagGiven { name, tag },
            (true, false) => Say::TagAlready { name, tag },
            (false, true) => Say::TagTaken { name, tag },
            (false, false) => Say::TagAbsent { name, tag },
        };
        if changed {
            let action = if on { "segments.tag" } else { "segments.untag" };
            let detail = serde_json::json!({ "tag": tag });
            audit(
                ctx.tx(),
                now,
                call.asker.person.id.as_str(),
                action,
                person.id.as_str(),
                &detail,
            )
            .await?;
        }
        ctx.answer(&call.asker, AnswerPlace::Private, Message::text(say.in_lang(lang)))
    }

    async fn interest(&self, ctx: &mut Ctx, call: &Call, on: bool) -> Result<(), RuleError> {
        let lang = call.asker.lang;
        let typed = call.text("interest").unwrap_or_default().trim();
        if self.interests.is_empty() {
            return Err(refuse(&Say::NoInterests, lang));
        }
        // Somebody may leave what is no longer offered.
        let mine = facts::interests_of(ctx.tx(), &call.asker.person.id).await?;
        let offered = self.interests.iter().chain(mine.iter().filter(|_| !on));
        let Some(interest) = offered.into_iter().find(|i| i.eq_ignore_ascii_case(typed)).cloned() else {
            let known = self.interests.join("、");
            return Err(refuse(&Say::NoSuchInterest { typed, known: &known }, lang));
        };
        let now = ctx.now();
        let changed = facts::set_interest(ctx.tx(), &call.asker.person.id, &interest, on, now).await?;
        let interest = interest.as_str();
        let say = match (on, changed) {
            (true, true) => Say::Joined { interest },
            (true, false) => Say::JoinedAlready { interest },
            (false, true) => Say::Left { interest },
            (false, false) => Say::LeftAlready { interest },
        };
        ctx.answer(&call.asker, AnswerPlace::GroupLine, Message::text(say.in_lang(lang)))
    }
}

fn refuse(say: &Say<'_>, lang: Lang) -> RuleError {
    RuleError::refuse(Message::text(say.in_lang(lang)))
}

fn answer_card(
    title: &str,
    only: Option<&str>,
    yes: &[&PersonFacts],
    unknown: usize,
    of: usize,
    lang: Lang,
) -> Message {
    let mut card = Message::card(Say::Title { title }.in_lang(lang));
    if let Some(department) = only {
        card = card.line(Say::Only { department }.in_lang(lang));
    }
    card = match yes.len() {
        0 => card.line(Say::NobodyThere.in_lang(lang)),
        people => card.line(Say::Count { people, of }.in_lang(lang)),
    };
    let mut by_dept: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    for person in yes {
        *by_dept.entry(person.department_name.as_deref()).or_default() += 1;
    }
    let mut rows: Vec<(Option<&str>, usize)> = by_dept.into_iter().collect();
    rows.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    for (name, people) in rows.iter().take(DEPARTMENTS_SHOWN) {
        let nameless = Say::Nameless.in_lang(lang);
        let name = name.unwrap_or(&nameless);
        card = card.line(Say::Department { name, people: *people }.in_lang(lang));
    }
    if let Some(rest) = rows.get(DEPARTMENTS_SHOWN..).filter(|r| !r.is_empty()) {
        let people = rest.iter().map(|r| r.1).sum();
        let departments = rest.len();
        card = card.line(Say::OtherDepartments { departments, people }.in_lang(lang));
    }
    if !yes.is_empty() {
        let mut names: Vec<&str> = yes.iter().take(NAMES_SHOWN).map(|p| p.name.as_str()).collect();
        if yes.len() > NAMES_SHOWN {
            names.push("…");
        }
        let names = names.join("、");
        card = card.note(Say::Names { names: &names }.in_lang(lang));
    }
    if unknown > 0 {
        card = card.note(Say::UnknownPeople { people: unknown }.in_lang(lang));
    }
    card
}

impl Rule for Segments {
    fn name(&self) -> &'static str {
        NAME
    }

    fn commands(&self) -> &'static [CommandSpec] {
        COMMANDS
    }

    fn checks_scope(&self, command: &str) -> bool {
        matches!(
            command,
            "segments.query" | "segments.tag" | "segments.untag" | "segments.list"
        )
    }

    fn on_event<'a>(&'a self, _ctx: &'a mut Ctx, _event: &'a Event) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async { Ok(()) })
    }

    fn on_command<'a>(&'a self, ctx: &'a mut Ctx, call: &'a Call) -> BoxFuture<'a, Result<(), RuleError>> {
        Box::pin(async move {
            match call.id {
                "segments.query" => self.query(ctx, call).await,
                "segments.list" => self.list(ctx, call),
                "segments.tag" => self.tag(ctx, call, true).await,
                "segments.untag" => self.tag(ctx, call, false).await,
                "segments.join" => self.interest(ctx, call, true).await,
                "segments.leave" => self.interest(ctx, call, false).await,
                other => Err(RuleError::Fail(format!("segments has no command {other}"))),
            }
        })
    }

    fn me_lines<'a>(
        &'a self,
        ctx: &'a mut Ctx,
        person: &'a Person,
        lang: Lang,
    ) -> BoxFuture<'a, Result<Vec<String>, RuleError>> {
        Box::pin(async move {
            let mine = facts::interests_of(ctx.tx(), &person.id).await?;
            Ok(match mine.is_empty() {
                true => Vec::new(),
                false => vec![
                    Say::Mine {
                        interests: &mine.join("、"),
                    }
                    .in_lang(lang),
                ],
            })
        })
    }
}
