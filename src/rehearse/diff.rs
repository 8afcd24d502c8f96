//! Two rehearsals compared: what a changed configuration would change.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Entry, Rehearsal};
use crate::text::Lang;
use crate::text::rehearse::Say;

/// The differences, each in the order of time.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Diff {
    pub added: Vec<Entry>,
    pub removed: Vec<Entry>,
    pub moved: Vec<MovedEntry>,
}

/// The same message at another time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MovedEntry {
    pub from: String,
    pub entry: Entry,
}

impl Diff {
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.moved.is_empty()
    }
}

/// What `new` changes against `old`.
pub fn between(old: &Rehearsal, new: &Rehearsal) -> Diff {
    type What<'a> = (&'a str, &'a str, &'a str, &'a str);
    fn what(e: &Entry) -> What<'_> {
        (e.app.as_str(), e.place.id(), e.source.as_str(), e.text.as_str())
    }
    let mut before: BTreeMap<What<'_>, Vec<&Entry>> = BTreeMap::new();
    for entry in &old.entries {
        before.entry(what(entry)).or_default().push(entry);
    }
    let mut diff = Diff::default();
    let mut left: Vec<&Entry> = Vec::new();
    // What stays at its time is no difference, so it is taken out first.
    for entry in &new.entries {
        let same = before.get_mut(&what(entry)).and_then(|list| {
            let n = list.iter().position(|e| e.local == entry.local)?;
            Some(list.remove(n))
        });
        if same.is_none() {
            left.push(entry);
        }
    }
    for entry in left {
        match before.get_mut(&what(entry)).filter(|list| !list.is_empty()) {
            Some(list) => {
                let from = list.remove(0);
                diff.moved.push(MovedEntry {
                    from: from.local.clone(),
                    entry: entry.clone(),
                });
            }
            None => diff.added.push(entry.clone()),
        }
    }
    diff.removed = before.into_values().flatten().cloned().collect();
    diff.removed.sort_by(|a, b| (a.at, &a.place).cmp(&(b.at, &b.place)));
    diff
}

/// For a terminal: `+`, `-` and `~`, one line for the same message to many groups.
pub fn text(diff: &Diff, against: &str, lang: Lang) -> String {
    let mut lines = vec![Say::DiffTitle { against }.in_lang(lang)];
    if diff.is_empty() {
        lines.push(format!("  {}", Say::DiffNone.in_lang(lang)));
    }
    let mut together: BTreeMap<(String, &str, &str, String), Vec<&Entry>> = BTreeMap::new();
    let moved = diff.moved.iter().map(|m| (&m.entry, "~", m.from.clone()));
    let added = diff.added.iter().map(|e| (e, "+", Say::Added.in_lang(lang)));
    let removed = diff.removed.iter().map(|e| (e, "-", Say::Removed.in_lang(lang)));
    for (entry, mark, note) in moved.chain(added).chain(removed) {
        let key = (entry.local.clone(), mark, entry.title.as_str(), note);
        together.entry(key).or_default().push(entry);
    }
    for ((local, mark, title, note), entries) in together {
        let when = local.replace('T', " ");
        let place = match entries.as_slice() {
            [one] => match &one.place {
                super::Place::Group { chat: id, name } | super::Place::Person { user: id, name } => {
                    name.clone().unwrap_or_else(|| id.clone())
                }
                super::Place::Other { what } => what.clone(),
            },
            many => Say::Groups {
                groups: many.len(),
                people: None,
            }
            .in_lang(lang),
        };
        let note = match mark {
            "~" => Say::MovedTo {
                from: &note.replace('T', " "),
                to: &when,
            }
            .in_lang(lang),
            _ => note,
        };
        lines.push(format!("  {mark} {when} {title} → {place} ({note})"));
    }
    lines.push(String::new());
    lines.join("\n")
}
