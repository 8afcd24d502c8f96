//! What the page shows of the bot's work: the newest events with their rules and effects, read from
//! the trace and from the outbox.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hutong_model::{Platform, Timestamp};
use hutong_simkit::{ScreenItem, ScreenPart, Simulator};

use super::page::{Backstage, TraceEffect, TraceItem, TraceRule};
use crate::config::Checked;
use crate::store::{Store, StoreError, placeholders};
use crate::trace::{self, Trace};

/// Newest events that are kept for the page.
const KEEP: usize = 300;
/// Newest messages of a chat in which the one of an event is looked for.
const NEAR: usize = 80;
/// Characters of a summary.
const SHORT: usize = 72;

/// See the module.
pub struct Behind {
    trace: Trace,
    store: Store,
    sims: Vec<Arc<dyn Simulator>>,
    /// Platform of each app.
    platforms: HashMap<String, Platform>,
    /// Names of schedules.
    titles: HashMap<String, String>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Trace items below this were taken.
    taken: u64,
    /// Grows with every change of an item.
    seq: u64,
    items: VecDeque<Entry>,
}

struct Entry {
    item: TraceItem,
    /// Keys of the effects whose rows may still change.
    open: Vec<String>,
}

impl Behind {
    pub fn new(trace: Trace, store: Store, config: &Checked, sims: Vec<Arc<dyn Simulator>>) -> Self {
        let platforms = config
            .apps
            .iter()
            .map(|a| (a.id.as_str().to_owned(), a.adapter.platform()))
            .collect();
        let mut titles: HashMap<String, String> = config
            .rules
            .columns
            .iter()
            .map(|c| (format!("columns:{}", c.id), c.title.clone()))
            .collect();
        titles.insert(crate::rules::reports::WEEKLY.to_owned(), "周报".to_owned());
        Self {
            trace,
            store,
            sims,
            platforms,
            titles,
            inner: Mutex::default(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what is new. Called after every step of the stage.
    pub async fn look(&self) {
        let since = self.inner().taken;
        let news = self.trace.since(since);
        if let Some(last) = news.last() {
            self.inner().taken = last.seq + 1;
        }
        for step in news {
            self.take(step);
        }
        let open: Vec<String> = self.inner().items.iter().flat_map(|e| e.open.clone()).collect();
        if open.is_empty() {
            return;
        }
        match self.effects(&open).await {
            Ok(rows) => self.put(rows),
            Err(error) => tracing::warn!(%error, "the outbox cannot be read for the page"),
        }
    }

    fn take(&self, step: trace::TraceItem) {
        // The result of an effect is seen at the effect itself, unless it leads to something new.
        // A schedule that found nothing to do is no news either.
        if matches!(step.kind, "effect_done" | "tick") && step.effects.is_empty() {
            return;
        }
        let rule = TraceRule {
            name: step.rule.clone(),
            state: "done".to_owned(),
            why: String::new(),
            ms: Some(step.took.as_secs_f64() * 1000.0),
        };
        let fresh = {
            let mut inner = self.inner();
            inner.seq += 1;
            let seq = inner.seq;
            match inner.items.iter_mut().rev().find(|e| e.item.id == step.event) {
                Some(entry) => {
                    entry.item.seq = seq;
                    entry.item.rules.push(rule.clone());
                    entry.open.extend(step.effects.iter().cloned());
                    return;
                }
                None => seq,
            }
        };
        let platform = match step.kind {
            "tick" => None,
            _ => self.platforms.get(&step.app).copied(),
        };
        // The inbox puts the app before the platform's own lane.
        let chat = step.lane.split_once("chat:").map(|(_, chat)| chat.to_owned());
        let item = TraceItem {
            summary: self.summary(&step, platform, chat.as_deref()),
            id: step.event,
            seq: fresh,
            at_ms: step.at.millis(),
            platform,
            app: step.app,
            chat: chat.or_else(|| self.direct(platform, step.user.as_deref())),
            kind: step.kind.to_owned(),
            via: step.via.map(|via| via.as_str().to_owned()),
            accepted_ms: None,
            rules: vec![rule],
            effects: Vec::new(),
        };
        let mut inner = self.inner();
        inner.items.push_back(Entry {
            item,
            open: step.effects,
        });
        if inner.items.len() > KEEP {
            inner.items.pop_front();
        }
    }

    fn sim(&self, platform: Option<Platform>) -> Option<&Arc<dyn Simulator>> {
        self.sims.iter().find(|s| Some(s.platform()) == platform)
    }

    /// The private chat of a person, for events that name no chat.
    fn direct(&self, platform: Option<Platform>, user: Option<&str>) -> Option<String> {
        let (sim, user) = (self.sim(platform)?, user?);
        sim.chats()
            .into_iter()
            .find(|c| !c.group && c.person.as_deref() == Some(user))
            .map(|c| c.id)
    }

    fn summary(&self, step: &trace::TraceItem, platform: Option<Platform>, chat: Option<&str>) -> String {
        if step.kind == "tick" {
            let id = step.about.as_deref().unwrap_or_default();
            return self.titles.get(id).cloned().unwrap_or_else(|| id.to_owned());
        }
        let Some(sim) = self.sim(platform) else {
            return step.about.clone().unwrap_or_default();
        };
        let name = step.user.as_deref().and_then(|user| {
            let people = sim.people();
            people.into_iter().find(|p| p.id == user).map(|p| p.name)
        });
        let name = name.unwrap_or_default();
        let chat = chat
            .map(str::to_owned)
            .or_else(|| self.direct(platform, step.user.as_deref()));
        let said = chat.as_deref().and_then(|chat| {
            let viewer = step.user.as_deref().unwrap_or_default();
            let items = sim.screen(chat, viewer, NEAR);
            let by_id = items.iter().find(|i| Some(i.id.as_str()) == step.message.as_deref());
            let newest = || match step.kind {
                // Some platforms give the bot another id than the screen has.
                "message" => items.iter().rev().find(|i| i.from == viewer),
                _ => None,
            };
            by_id.or_else(newest).map(words)
        });
        let place = || {
            let chats = sim.chats();
            let found = chats.into_iter().find(|c| Some(c.id.as_str()) == chat.as_deref());
            found.filter(|c| c.group).map(|c| c.name).unwrap_or_default()
        };
        let rest = match (step.kind, said) {
            ("reaction", _) => step.about.clone().unwrap_or_default(),
            ("message" | "recall", Some(text)) if !text.is_empty() => text,
            _ => place(),
        };
        let line: Vec<&str> = [name.as_str(), rest.as_str()]
            .into_iter()
            .filter(|t| !t.is_empty())
            .collect();
        short(&line.join(": "))
    }

    /// The rows of effects by key, with what became of them.
    async fn effects(&self, keys: &[String]) -> Result<Vec<Row>, StoreError> {
        let mut rows = Vec::new();
        for some in keys.chunks(100) {
            let list = placeholders(1, some.len());
            let sql = format!(
                "SELECT id, event_id, app, lane, rule, action, summary, state, attempts, created_at, done_at, error \
                 FROM outbox WHERE id IN {list} ORDER BY seq"
            );
            let found = self
                .store
                .query(sql)
                .bind_all(some.iter().map(|k| k.as_str().into()))
                .all()
                .await?;
            for row in &found {
                rows.push(Row {
                    id: row.get("id")?,
                    event: row.get("event_id")?,
                    app: row.get("app")?,
                    lane: row.get("lane")?,
                    rule: row.get("rule")?,
                    action: row.get("action")?,
                    summary: row.get("summary")?,
                    state: row.get("state")?,
                    attempts: row.get("attempts")?,
                    created_at: row.get("created_at")?,
                    done_at: row.get("done_at")?,
                    error: row.get("error")?,
                });
            }
        }
        Ok(rows)
    }

    fn put(&self, rows: Vec<Row>) {
        let mut by_event: BTreeMap<String, Vec<Row>> = BTreeMap::new();
        for row in rows {
            by_event.entry(row.event.clone()).or_default().push(row);
        }
        let mut inner = self.inner();
        let mut seq = inner.seq;
        for entry in &mut inner.items {
            let Some(rows) = by_event.remove(&entry.item.id) else {
                continue;
            };
            let mut changed = false;
            for row in rows {
                let effect = TraceEffect {
                    to: self.place(&row.app, &row.lane),
                    rule: row.rule,
                    summary: match row.error {
                        Some(error) if row.state != "sent" => short(&format!("{} ({error})", row.summary)),
                        _ => short(&row.summary),
                    },
                    action: row.action,
                    state: state(&row.state).to_owned(),
                    attempts: u32::try_from(row.attempts).unwrap_or(0),
                    ms: row.done_at.map(|at| at.since(row.created_at).as_secs_f64() * 1000.0),
                };
                if row.done_at.is_some() {
                    entry.open.retain(|key| *key != row.id);
                }
                let same =
                    |e: &TraceEffect| e.to == effect.to && e.action == effect.action && e.summary == effect.summary;
                match entry.item.effects.iter_mut().find(|e| same(e)) {
                    Some(old) if *old == effect => {}
                    Some(old) => {
                        *old = effect;
                        changed = true;
                    }
                    None => {
                        entry.item.effects.push(effect);
                        changed = true;
                    }
                }
            }
            if changed {
                seq += 1;
                entry.item.seq = seq;
            }
        }
        inner.seq = seq;
    }

    /// The chat or person at the end of a lane `app:id`, by name.
    fn place(&self, app: &str, lane: &str) -> String {
        let id = lane.strip_prefix(app).map_or(lane, |l| l.trim_start_matches(':'));
        let Some(sim) = self.sim(self.platforms.get(app).copied()) else {
            return String::new();
        };
        let chats = sim.chats();
        if let Some(chat) = chats.iter().find(|c| c.id == id) {
            let person = chat.person.as_deref().filter(|_| !chat.group);
            return match person.and_then(|p| sim.people().into_iter().find(|x| x.id == p)) {
                Some(person) => person.name,
                None => chat.name.clone(),
            };
        }
        if let Some(person) = sim.people().into_iter().find(|p| p.id == id) {
            return person.name;
        }
        // A group robot is the group that it is in.
        if let Some(chat) = chats.iter().find(|c| c.group && c.apps.iter().any(|a| a == id)) {
            return chat.name.clone();
        }
        // An id of a message or of a card says nothing to a visitor; a name of a new group does.
        if !id.is_ascii() {
            return id.to_owned();
        }
        String::new()
    }
}

struct Row {
    id: String,
    event: String,
    app: String,
    lane: String,
    rule: String,
    action: String,
    summary: String,
    state: String,
    attempts: i64,
    created_at: Timestamp,
    done_at: Option<Timestamp>,
    error: Option<String>,
}

fn state(stored: &str) -> &str {
    match stored {
        "ready" => "waiting",
        "needs_decision" | "held" => "parked",
        "dropped" => "expired",
        other => other,
    }
}

fn short(text: &str) -> String {
    let mut out: String = text.chars().take(SHORT).collect();
    if text.chars().count() > SHORT {
        out.push('…');
    }
    out
}

/// What an item says, in one line.
fn words(item: &ScreenItem) -> String {
    let mut out = String::new();
    for part in &item.parts {
        match part {
            ScreenPart::Title { text, .. }
            | ScreenPart::Text { text }
            | ScreenPart::Strong { text }
            | ScreenPart::Quote { text } => out.push_str(text),
            ScreenPart::Mention { name, .. } => {
                out.push('@');
                out.push_str(name);
            }
            ScreenPart::Link { label, .. } => out.push_str(label),
            ScreenPart::Break => out.push(' '),
            _ => {}
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Backstage for Behind {
    fn recent(&self, since: u64) -> Vec<TraceItem> {
        let inner = self.inner();
        inner
            .items
            .iter()
            .filter(|e| e.item.seq > since)
            .map(|e| e.item.clone())
            .collect()
    }
}
