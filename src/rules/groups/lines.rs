//! A plan as an operator reads it on a phone: never more than [`MOST`] lines, whatever it holds.

use hutong_model::Message;

use super::plan::Plan;
use super::undo;
use super::world::World;
use crate::directory::PersonId;
use crate::text::Lang;
use crate::text::groups::Say;

/// Lines of a card, its title included.
pub(super) const MOST: usize = 12;
/// Names in a line of the preview.
const NAMES_SHOWN: usize = 3;
/// Things left alone that the way back names.
const KEPT_SHOWN: usize = 6;

/// The last lines of a preview, where there is something to carry out.
pub(super) struct Tail {
    pub second: Option<Say>,
    pub takes: Option<Say>,
    pub apply: Say,
}

/// The card of `/建群 预览`.
pub(super) fn preview(rule: &str, world: &World, tail: Tail, lang: Lang) -> Message {
    let mut last = Vec::new();
    if !world.plan.is_empty() {
        last.extend(tail.second);
        last.extend(tail.takes);
        last.push(tail.apply);
    }
    let title = Say::PreviewTitle(rule.to_owned());
    card(title, Vec::new(), world, &last, lang)
}

/// The card of `/建群 撤销`.
pub(super) fn way_back(title: Say, of: Say, world: &World, last: &[Say], lang: Lang) -> Message {
    card(title, vec![of], world, last, lang)
}

/// The card for the second operator, without its buttons.
pub(super) fn approval(rule: &str, author: &str, world: &World, lang: Lang) -> Message {
    let title = Say::ApprovalTitle { rule: rule.to_owned() };
    let ask = Say::ApprovalAsk {
        author: author.to_owned(),
    };
    card(title, vec![ask], world, &[], lang)
}

fn card(title: Say, first: Vec<Say>, world: &World, last: &[Say], lang: Lang) -> Message {
    let room = MOST.saturating_sub(1 + first.len() + last.len());
    let middle = plan_lines(world, room, lang);
    let first = first.iter().map(|s| s.in_lang(lang));
    let last = last.iter().map(|s| s.in_lang(lang));
    let mut message = Message::card(title.in_lang(lang));
    for line in first.chain(middle).chain(last) {
        message = message.line(line);
    }
    message
}

pub(super) fn some_names<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let all: Vec<&str> = names.collect();
    let mut text = all.iter().take(NAMES_SHOWN).copied().collect::<Vec<_>>().join("、");
    if all.len() > NAMES_SHOWN {
        text.push('…');
    }
    text
}

fn kept_line(kept: &undo::Kept, world: &World, lang: Lang) -> String {
    let name = match &kept.item {
        undo::Item::Person(id) => world.names.get(id).map_or("?", String::as_str),
        undo::Item::Group(name) => name,
    };
    Say::KeptItem {
        name: name.to_owned(),
        why: kept.why,
    }
    .in_lang(lang)
}

/// What a plan says, a line each where `room` allows: otherwise what it leaves alone stands in one
/// line, and the mere numbers in another.
pub(super) fn plan_lines(world: &World, room: usize, lang: Lang) -> Vec<String> {
    let plan: &Plan = &world.plan;
    let person = |id: &PersonId| world.names.get(id).map_or("?", String::as_str);
    let mut says = Vec::new();
    let (creates, renames) = (plan.creates().count(), plan.renames().count());
    if creates > 0 {
        says.push(Say::Create {
            count: creates,
            names: some_names(plan.creates().map(|c| c.name.as_str())),
        });
    }
    if renames > 0 {
        says.push(Say::Rename {
            count: renames,
            names: some_names(plan.renames().map(|c| c.name.as_str())),
        });
    }
    if plan.added().next().is_some() {
        says.push(Say::Add {
            count: plan.added().count(),
            names: some_names(plan.added().map(person)),
        });
    }
    if plan.removed().next().is_some() {
        says.push(Say::Remove {
            count: plan.removed().count(),
            names: some_names(plan.removed().map(person)),
        });
    }
    let owners = plan.changes.iter().filter(|c| c.new_owner.is_some()).count();
    if owners > 0 {
        says.push(Say::NewOwners(owners));
    }
    if plan.disbands().next().is_some() {
        says.push(Say::Disband {
            count: plan.disbands().count(),
            names: some_names(plan.disbands().map(|c| c.name.as_str())),
        });
    }
    if !plan.grace.is_empty() {
        says.push(Say::GraceBegins {
            count: plan.grace.len(),
            names: some_names(plan.grace.iter().map(|(_, p)| person(p))),
        });
    }
    if says.is_empty() {
        says.push(match &world.back {
            None => Say::NothingToDo,
            Some(_) => Say::NothingToUndo,
        });
    }
    if let Some(back) = world.back.as_ref().filter(|b| !b.kept.is_empty()) {
        let told: Vec<String> = back.kept.iter().map(|k| kept_line(k, world, lang)).collect();
        says.push(Say::Kept {
            count: told.len(),
            items: told.iter().take(KEPT_SHOWN).cloned().collect::<Vec<_>>().join("、"),
            more: told.len().saturating_sub(KEPT_SHOWN),
        });
    }
    let of = |list: &[String], say: fn(usize, String) -> Say| match list.len() {
        0 => None,
        n => Some(say(n, some_names(list.iter().map(String::as_str)))),
    };
    let alone = [
        of(&plan.no_owner, |count, names| Say::NoOwner { count, names }),
        of(&plan.blocked, |count, names| Say::Blocked { count, names }),
        of(&plan.taken, |count, names| Say::Taken { count, names }),
        of(&plan.twice, |count, names| Say::Twice { count, names }),
    ];
    let alone: Vec<Say> = alone.into_iter().flatten().collect();
    let rest = [
        (plan.too_small.len(), Say::TooSmall as fn(usize) -> Say),
        (world.unreachable, Say::Unreachable),
        (plan.stay_out, Say::StayOut),
        (plan.in_grace, Say::InGrace),
        (plan.orphans, Say::Orphans),
    ];
    let rest = rest.into_iter().filter(|(n, _)| *n > 0).map(|(n, say)| say(n));
    let parts = [says, alone, rest.collect()];
    let mut parts = parts.map(|list| list.iter().map(|s| s.in_lang(lang)).collect::<Vec<_>>());
    let glue = match lang {
        Lang::Zh => ";",
        Lang::En => "; ",
    };
    for at in [2, 1] {
        if parts.iter().map(Vec::len).sum::<usize>() > room
            && let Some(part) = parts.get_mut(at).filter(|p| p.len() > 1)
        {
            *part = vec![part.join(glue)];
        }
    }
    parts.concat()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::back::Back;
    use super::super::plan::Change;
    use super::super::store::Run;
    use super::*;
    use crate::text::groups::KeptWhy;

    fn person(n: usize) -> PersonId {
        PersonId::parse(&format!("p{n:020}")).unwrap()
    }

    /// A plan with each of the things that the bits of `has` switch on.
    fn world(has: u32, undo: bool) -> World {
        let on = |bit: u32| has & (1 << bit) != 0;
        let names = |bit: u32| match on(bit) {
            true => (0..5)
                .map(|n| format!("{}群{bit}{n}", "很长的部门名".repeat(3)))
                .collect(),
            false => Vec::new(),
        };
        let people = |bit: u32| match on(bit) {
            true => (0..30).map(person).collect(),
            false => Vec::new(),
        };
        let count = |bit: u32| if on(bit) { 7 } else { 0 };
        let change = Change {
            department: "d".into(),
            name: "群".into(),
            rename: on(1),
            new_owner: on(2).then(|| person(1)),
            add: people(3),
            remove: people(4),
            disband: undo && on(0),
            create: (!undo && on(0)).then(|| person(1)),
            ..Change::default()
        };
        let mut plan = Plan::default();
        plan.changes.push(change);
        plan.changes.retain(|c| !c.is_empty());
        if undo {
            let run = Run {
                id: "r".into(),
                rule: "dept-rd".into(),
                code: "abcdef".into(),
                at: hutong_model::Timestamp(0),
                actor: "a".into(),
                undone: false,
            };
            let item = |n| undo::Kept {
                item: undo::Item::Person(person(n)),
                why: KeptWhy::ChangedSince,
            };
            let kept = if on(5) { (0..9).map(item).collect() } else { Vec::new() };
            return of(plan, 0, Some(Back { run, kept }));
        }
        plan.grace = people(5).into_iter().map(|p| ("d".to_owned(), p)).collect();
        plan.no_owner = names(6);
        plan.blocked = names(7);
        plan.taken = names(8);
        plan.twice = names(9);
        plan.too_small = names(10);
        (plan.stay_out, plan.in_grace, plan.orphans) = (count(11), count(12), count(13));
        of(plan, count(14), None)
    }

    fn of(plan: Plan, unreachable: usize, back: Option<Back>) -> World {
        World {
            app: hutong_model::AppId::new("fs").unwrap(),
            root: None,
            accounts: BTreeMap::new(),
            names: BTreeMap::new(),
            chats: Vec::new(),
            unreachable,
            plan,
            nobody: false,
            back,
        }
    }

    fn lines(message: &Message) -> usize {
        message.plain().lines().count()
    }

    /// Every number that a plan may have stands in its lines, also when they are drawn together.
    fn told(has: u32, text: &str) -> bool {
        let marks = [
            (6, "没有合适的群主"),
            (7, "没人接手"),
            (8, "已被别的规则用了"),
            (9, "{parent}"),
            (10, "不到两人"),
            (11, "自己退过群"),
            (12, "还在调岗宽限期"),
            (13, "已不在规则里"),
            (14, "没有账号"),
        ];
        marks
            .iter()
            .all(|(bit, mark)| text.contains(mark) == (has & (1 << bit) != 0))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_preview_is_longer_than_a_phone(seed in any::<u32>()) {
            // With the full one, and each of the others in 512 steps from a random one.
            for has in (0..512u32).map(|n| seed.wrapping_add(n.wrapping_mul(97)) % (1 << 17)).chain([(1 << 17) - 1]) {
                let world = world(has, false);
                for lang in [Lang::Zh, Lang::En] {
                    let tail = Tail {
                        second: (has & (1 << 15) != 0).then(|| Say::Fresh("12-01 10:00".into())),
                        takes: (has & (1 << 16) != 0).then_some(Say::Takes(90)),
                        apply: Say::ToApply { rule: "dept-rd".into(), code: "abcdef".into() },
                    };
                    let shown = preview("dept-rd", &world, tail, lang);
                    prop_assert!(lines(&shown) <= MOST, "{}", shown.plain());
                    let asked = approval("dept-rd", "王芳", &world, lang);
                    prop_assert!(lines(&asked) <= MOST, "{}", asked.plain());
                    prop_assert!(lang == Lang::En || (told(has, &shown.plain()) && told(has, &asked.plain())));
                }
            }
        }
    }

    #[test]
    fn no_way_back_is_longer_than_a_phone() {
        for has in 0..64 {
            let world = world(has, true);
            let title = Say::UndoTitle {
                rule: "dept-rd".into(),
                code: "abcdef".into(),
            };
            let of = Say::UndoOf {
                at: "2026-11-24 10:00".into(),
                by: "王芳".into(),
            };
            let apply = Say::ToApply {
                rule: "dept-rd".into(),
                code: "fedcba".into(),
            };
            let last = [Say::UndoPauses, Say::SecondNeeded, apply];
            for lang in [Lang::Zh, Lang::En] {
                let shown = way_back(title.clone(), of.clone(), &world, &last, lang);
                assert!(lines(&shown) <= MOST, "{}", shown.plain());
                assert!(lines(&approval("dept-rd", "王芳", &world, lang)) <= MOST);
            }
        }
    }
}
