//! From rows to a list: who reads it, why it moved, what it collides with, what it uses up.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use hutong_model::{ActionKind, AppId, ChatId, Counts, DeliveryClass, LimitRule, LimitScope, Timestamp};

use super::adapter::Rehearsing;
use super::run::Cause;
use super::store::{self, Ready};
use super::{Entry, Moved, Place, Problem, QuotaUse, RateUse};
use crate::config::Checked;
use crate::delivery::limits::{Caller, Permit, Priority};
use crate::delivery::{Limiter, LimiterConfig, retry};
use crate::noise::store as noise;
use crate::rules::{Env, Rule};
use crate::schedule::WorkdayTable;
use crate::store::{Store, StoreError, Tx};

/// Messages of different sources in one group that are nearer than this collide.
const NEAR: Duration = Duration::from_secs(30 * 60);
/// What a person reads first.
const TITLE_CHARS: usize = 40;

/// A row with its history.
pub(super) struct Raw {
    pub row: Ready,
    pub cause: Option<Cause>,
    pub now: Timestamp,
    pub dropped: bool,
}

pub(super) struct Judge<'a> {
    pub config: &'a Checked,
    pub env: &'a Env,
    pub apps: &'a BTreeMap<AppId, Arc<Rehearsing>>,
    pub rules: &'a [Arc<dyn Rule>],
    pub copy: &'a Store,
    pub from: Timestamp,
    pub end: Timestamp,
}

#[derive(Default)]
pub(super) struct Outcome {
    pub entries: Vec<Entry>,
    pub problems: Vec<Problem>,
    pub rates: Vec<RateUse>,
    pub quotas: Vec<QuotaUse>,
}

/// Rows of one app that wait for their permits.
#[derive(Default)]
struct Waiters {
    /// In order.
    queue: VecDeque<usize>,
    /// Held back by the limit of their destination, until then.
    later: BTreeSet<(Timestamp, usize)>,
    /// The app as a whole may ask again then.
    free_at: Timestamp,
}

impl Waiters {
    /// Who asks next, when, and whether it has been put off before.
    fn next(&self, raw: &[Raw]) -> Option<(Timestamp, usize, bool)> {
        let later = self.later.first().map(|(at, n)| ((*at).max(self.free_at), *n, true));
        let front = self.queue.front().and_then(|n| {
            let made = raw.get(*n)?.now;
            Some((made.max(self.free_at), *n, false))
        });
        match (later, front) {
            (Some(a), Some(b)) => Some(if a.0 <= b.0 { a } else { b }),
            (a, b) => a.or(b),
        }
    }

    fn take(&mut self, again: bool) {
        if again {
            self.later.pop_first();
        } else {
            self.queue.pop_front();
        }
    }
}

/// A call as the limits count it.
struct Called {
    at: Timestamp,
    api: String,
    to: Option<String>,
    weight: u64,
}

impl Judge<'_> {
    pub fn local(&self, at: Timestamp) -> String {
        crate::rules::local(self.config.company.zone, at)
            .format("%Y-%m-%dT%H:%M")
            .to_string()
    }

    /// Under which name messages to this place are counted.
    fn group(&self, app: &AppId, to: &str) -> Option<(AppId, ChatId)> {
        let chat = ChatId::new(to).ok()?;
        Some(self.env.group_of(app, &chat))
    }

    fn limit(&self, app: &AppId, to: &str) -> u32 {
        self.group(app, to)
            .map_or(0, |(app, chat)| self.env.noise.limit(&app, &chat))
    }

    pub async fn judge(&self, raw: Vec<Raw>, ticks: &HashMap<String, Cause>) -> Result<Outcome, StoreError> {
        let groups = store::groups(self.copy).await?;
        let names = store::names(self.copy).await?;
        let days_off = crate::calendar::workdays(&self.config.holidays);
        let mut outcome = Outcome::default();
        let mut calls: BTreeMap<AppId, Vec<Called>> = BTreeMap::new();
        let left = self.leave(&raw, &mut calls);
        let mut used = self.already(&raw).await?;
        let mut waited: BTreeMap<(String, AppId, String), u32> = BTreeMap::new();
        let mut spoke: BTreeSet<(String, String)> = BTreeSet::new();
        let mut first = HashMap::new();
        let mut tx = self.copy.begin().await?;
        for (raw, leaves_at) in raw.iter().zip(left) {
            let row = &raw.row;
            let key = row.effect.clone().unwrap_or_else(|| row.id.clone());
            // Of a message in several parts the first stands for all.
            if let Some(index) = first.get(&key).copied() {
                if let Some(entry) = outcome.entries.get_mut::<usize>(index) {
                    entry.calls += 1;
                }
                continue;
            }
            let mut entry = self.entry(raw, leaves_at.unwrap_or(raw.now), &groups, &names, &days_off);
            if let Some(cause) = &raw.cause
                && matches!(entry.place, Place::Group { .. })
            {
                spoke.insert((cause.schedule.clone(), cause.local.clone()));
            }
            if row.rule == crate::noise::admit::NAME {
                self.merged(&mut tx, &mut entry, row, ticks, &mut waited, &mut spoke)
                    .await?;
            } else if let Some(Moved::Budget { from }) = &entry.moved {
                let day = from.get(..10).unwrap_or_default().to_owned();
                *waited
                    .entry((day, row.app.clone(), entry.place.id().to_owned()))
                    .or_default() += 1;
            }
            let of_own_accord = entry.action == ActionKind::Send && !row.interactive;
            if let Place::Group { chat, .. } = &entry.place
                && of_own_accord
                && !raw.dropped
                && let Some((app, chat)) = self.group(&row.app, chat)
            {
                let limit = self.env.noise.limit(&app, &chat);
                let n = used.entry((app, chat, entry.day().to_owned())).or_default();
                *n += 1;
                entry.budget = Some((*n, limit));
            }
            if raw.dropped || leaves_at.is_none() {
                outcome.problems.push(Problem::Dropped {
                    local: entry.local.clone(),
                    source: entry.source.clone(),
                    app: row.app.clone(),
                    place: entry.place.id().to_owned(),
                });
            }
            first.insert(key, outcome.entries.len());
            outcome.entries.push(entry);
        }
        outcome.entries.sort_by(|a, b| {
            (a.at, &a.source, &a.app, &a.place, &a.text).cmp(&(b.at, &b.source, &b.app, &b.place, &b.text))
        });
        collisions(self.env, &mut outcome.entries);
        let still = noise::waiting(&mut tx).await?;
        tx.rollback().await?;
        for cause in still.iter().filter_map(|w| ticks.get(&w.event.hex())) {
            spoke.insert((cause.schedule.clone(), cause.local.clone()));
        }
        self.silent(ticks, &spoke, &mut outcome.problems).await?;
        self.waits(waited, &groups, &mut outcome.problems).await?;
        for item in crate::inbox::dead_items(self.copy, 100).await? {
            outcome.problems.push(Problem::Failed {
                source: item.rule,
                error: item.error,
            });
        }
        let used = store::calls_of_month(self.copy).await?;
        for (app, calls) in &calls {
            self.rates(app, calls, &mut outcome.rates);
            self.quotas(app, calls, &used, &mut outcome);
        }
        Ok(outcome)
    }

    /// When each row may leave by the platforms' rates; `None`: not before it is worthless.
    fn leave(&self, raw: &[Raw], calls: &mut BTreeMap<AppId, Vec<Called>>) -> Vec<Option<Timestamp>> {
        let mut limiter = Limiter::new(LimiterConfig::default());
        let callers: BTreeMap<&AppId, (Caller, &[LimitRule])> = self
            .env
            .apps
            .iter()
            .map(|(id, app)| {
                let caller = Caller {
                    app: id.to_string(),
                    company: format!("{}/{}", app.adapter.platform(), app.company),
                };
                (id, (caller, app.adapter.capabilities().rates.as_slice()))
            })
            .collect();
        let mut lines: BTreeMap<&AppId, Waiters> = BTreeMap::new();
        for (n, one) in raw.iter().enumerate().filter(|(_, r)| !r.dropped) {
            lines.entry(&one.row.app).or_default().queue.push_back(n);
        }
        let mut left = vec![None; raw.len()];
        // The limiter is asked in the order of time, over all apps.
        loop {
            let next = lines
                .iter()
                .filter_map(|(app, line)| Some((line.next(raw)?, *app)))
                .min_by_key(|((at, ..), _)| *at);
            let Some(((at, n, again), app)) = next else { break };
            let (Some(line), Some(one)) = (lines.get_mut(app), raw.get(n)) else {
                break;
            };
            line.take(again);
            let row = &one.row;
            if at > deadline(row) {
                continue;
            }
            let Some((caller, rules)) = callers.get(&row.app) else {
                continue;
            };
            let priority = if row.interactive {
                Priority::Interactive
            } else {
                Priority::Bulk
            };
            match limiter.permit(at, caller, rules, &row.prepared, priority) {
                Permit::Now => {
                    if let Some(slot) = left.get_mut(n) {
                        *slot = Some(at);
                    }
                    calls.entry(row.app.clone()).or_default().push(Called {
                        at,
                        api: row.prepared.api.clone(),
                        to: row.prepared.to.clone(),
                        weight: u64::from(row.prepared.weight.max(1)),
                    });
                }
                Permit::At { at: next, everywhere } => {
                    let next = next.max(at + Duration::from_millis(1));
                    if everywhere {
                        // Whoever stands behind would be refused as well: only the first asks again.
                        line.free_at = next;
                        line.queue.push_front(n);
                    } else {
                        line.later.insert((next, n));
                    }
                }
            }
        }
        left
    }

    fn entry(
        &self,
        raw: &Raw,
        leaves_at: Timestamp,
        groups: &BTreeMap<(AppId, ChatId), (Option<String>, u32)>,
        names: &BTreeMap<String, String>,
        days_off: &WorkdayTable,
    ) -> Entry {
        let row = &raw.row;
        let action = serde_json::from_value(serde_json::Value::String(row.action.clone())).unwrap_or(ActionKind::Send);
        let to = row.lane.split_once(':').map_or(row.lane.as_str(), |(_, to)| to);
        let app = self.apps.get(&row.app);
        let says = matches!(action, ActionKind::Send | ActionKind::Reply);
        let (place, audience) = if !says {
            (Place::Other { what: to.to_owned() }, None)
        } else if app.is_some_and(|a| a.is_person(to)) {
            let (user, name) = (to.to_owned(), names.get(to).cloned());
            (Place::Person { user, name }, Some(1))
        } else {
            let known = ChatId::new(to.to_owned()).ok().map(|chat| (row.app.clone(), chat));
            let heard = known.as_ref().and_then(|key| {
                // A group that is posted to under another name than it is heard under.
                let heard = self
                    .env
                    .post_to
                    .iter()
                    .find(|(_, post)| *post == key)
                    .map(|(heard, _)| heard);
                groups
                    .get(key)
                    .or_else(|| heard.and_then(|h| groups.get(h)))
                    .cloned()
                    .or_else(|| {
                        heard
                            .and_then(|h| self.env.chat_names.get(h))
                            .map(|n| (Some(n.clone()), 0))
                    })
            });
            let (name, people) = heard.unwrap_or_default();
            let chat = to.to_owned();
            (Place::Group { chat, name }, (people > 0).then_some(people))
        };
        let local = self.local(raw.now);
        let source = raw
            .cause
            .as_ref()
            .map_or_else(|| row.rule.clone(), |c| c.schedule.clone());
        let moved = raw.cause.as_ref().and_then(|c| self.moved(c, raw, days_off));
        let title = row.summary.lines().next().unwrap_or_default();
        Entry {
            at: raw.now,
            leaves_at,
            local,
            app: row.app.clone(),
            platform: app.map_or("", |a| hutong_model::Adapter::capabilities(a.as_ref()).kind),
            action,
            place,
            audience,
            source,
            rule: row.rule.clone(),
            title: title.chars().take(TITLE_CHARS).collect(),
            text: row.summary.clone(),
            moved,
            collides: Vec::new(),
            budget: None,
            merges: Vec::new(),
            calls: 1,
        }
    }

    fn moved(&self, cause: &Cause, raw: &Raw, days_off: &WorkdayTable) -> Option<Moved> {
        let own = self.local(cause.slot);
        // Something that left on another day than its tick had waited for room.
        if raw.row.rule != crate::noise::admit::NAME && own.get(..10) != self.local(raw.now).get(..10) {
            return Some(Moved::Budget { from: own });
        }
        let day: NaiveDate = cause.local.get(..10)?.parse().ok()?;
        let from = self.issue_of(&cause.schedule, day)?;
        (from != day).then(|| {
            let holiday = days_off.holiday(from);
            Moved::DayOff {
                from,
                holiday_zh: holiday.map(|(zh, _)| zh.to_owned()),
                holiday_en: holiday.map(|(_, en)| en.to_owned()),
            }
        })
    }

    fn rule_of(&self, schedule: &str) -> Option<&Arc<dyn Rule>> {
        let name = schedule.split(':').next().unwrap_or_default();
        self.rules.iter().find(|r| r.name() == name)
    }

    fn issue_of(&self, schedule: &str, day: NaiveDate) -> Option<NaiveDate> {
        self.rule_of(schedule)?.issue_of(schedule, day)
    }

    /// What a digest stands for.
    async fn merged(
        &self,
        tx: &mut Tx,
        entry: &mut Entry,
        row: &Ready,
        ticks: &HashMap<String, Cause>,
        waited: &mut BTreeMap<(String, AppId, String), u32>,
        spoke: &mut BTreeSet<(String, String)>,
    ) -> Result<(), StoreError> {
        let Some(digest) = row.effect.as_deref().or(Some(row.id.as_str())) else {
            return Ok(());
        };
        let found = noise::digest(tx, digest).await?;
        let sections = found.map(|d| d.sections).unwrap_or_default();
        let day = entry.day().to_owned();
        *waited
            .entry((day, row.app.clone(), entry.place.id().to_owned()))
            .or_default() += u32::try_from(sections.len()).unwrap_or(u32::MAX);
        for section in sections {
            if let Some(cause) = ticks.get(&section.event) {
                spoke.insert((cause.schedule.clone(), cause.local.clone()));
            }
            let title = section.content.plain();
            entry.merges.push(title.lines().next().unwrap_or_default().to_owned());
        }
        Ok(())
    }

    /// Messages of the first day that the groups had before the rehearsal began.
    async fn already(&self, raw: &[Raw]) -> Result<HashMap<(AppId, ChatId, String), u32>, StoreError> {
        let today = self.local(self.from).get(..10).unwrap_or_default().to_owned();
        let mut used: HashMap<(AppId, ChatId, String), u32> = HashMap::new();
        for ((app, chat, day), n) in store::posts(self.copy, &today).await? {
            if day == today {
                let (app, chat) = self.env.group_of(&app, &chat);
                *used.entry((app, chat, day)).or_default() += n;
            }
        }
        // The copy has counted what was rehearsed as well.
        for one in raw
            .iter()
            .filter(|r| r.row.part == 0 && r.row.action == "send" && !r.row.interactive)
        {
            let day = self.local(one.now).get(..10).unwrap_or_default().to_owned();
            if day != today {
                continue;
            }
            let to = one.row.lane.split_once(':').map_or("", |(_, to)| to);
            if let Some((app, chat)) = self.group(&one.row.app, to)
                && let Some(n) = used.get_mut(&(app, chat, day))
            {
                *n = n.saturating_sub(1);
            }
        }
        Ok(used)
    }

    /// Planned issues that no group hears of.
    async fn silent(
        &self,
        ticks: &HashMap<String, Cause>,
        spoke: &BTreeSet<(String, String)>,
        problems: &mut Vec<Problem>,
    ) -> Result<(), StoreError> {
        let mut silent: Vec<&Cause> = ticks
            .values()
            .filter(|c| c.slot >= self.from && c.slot < self.end)
            .filter(|c| !spoke.contains(&(c.schedule.clone(), c.local.clone())))
            .collect();
        silent.sort_by(|a, b| (a.slot, &a.schedule).cmp(&(b.slot, &b.schedule)));
        for cause in silent {
            let day = cause.local.get(..10).and_then(|d| d.parse().ok());
            let Some((day, rule)) = day.zip(self.rule_of(&cause.schedule)) else {
                continue;
            };
            if rule.issue_of(&cause.schedule, day).is_none() {
                continue;
            }
            // What is about people's talk has nothing to say of days without any.
            if let Some((first, last)) = rule.issue_about(&cause.schedule, day)
                && !store::talked(self.copy, &first.to_string(), &last.to_string()).await?
            {
                continue;
            }
            problems.push(Problem::Silent {
                local: cause.local.clone(),
                source: cause.schedule.clone(),
            });
        }
        Ok(())
    }

    async fn waits(
        &self,
        waited: BTreeMap<(String, AppId, String), u32>,
        groups: &BTreeMap<(AppId, ChatId), (Option<String>, u32)>,
        problems: &mut Vec<Problem>,
    ) -> Result<(), StoreError> {
        let name_of = |app: &AppId, chat: &ChatId| groups.get(&(app.clone(), chat.clone())).and_then(|g| g.0.clone());
        for ((day, app, chat), messages) in waited {
            let id = ChatId::new(chat.clone()).ok();
            problems.push(Problem::Budget {
                day,
                name: id.as_ref().and_then(|c| name_of(&app, c)),
                limit: self.limit(&app, &chat),
                app,
                chat,
                messages,
            });
        }
        let mut tx = self.copy.begin().await?;
        let still = noise::waiting_counts(&mut tx).await?;
        tx.rollback().await?;
        problems.extend(still.into_iter().map(|((app, chat), messages)| Problem::StillWaiting {
            name: name_of(&app, &chat),
            app,
            chat: chat.as_str().to_owned(),
            messages,
        }));
        Ok(())
    }

    /// The worst moment of every published limit.
    fn rates(&self, app: &AppId, calls: &[Called], list: &mut Vec<RateUse>) {
        let Some(known) = self.env.app(app) else { return };
        for rule in &known.adapter.capabilities().rates {
            if rule.count == 0 || rule.window_ms == 0 {
                continue;
            }
            let per = |c: &Called| match rule.scope {
                LimitScope::Destination => c.to.clone(),
                LimitScope::App | LimitScope::Company => Some(String::new()),
            };
            let mut windows: HashMap<String, VecDeque<(Timestamp, u64)>> = HashMap::new();
            let mut sums: HashMap<String, u64> = HashMap::new();
            let (mut peak, mut when) = (0, None);
            for call in calls.iter().filter(|c| rule.api == "*" || rule.api == c.api) {
                let Some(key) = per(call) else { continue };
                let weight = match (rule.counts, rule.scope) {
                    (Counts::Calls, _) | (_, LimitScope::Destination) => 1,
                    (Counts::Receivers, _) => call.weight,
                };
                let window = windows.entry(key.clone()).or_default();
                let sum = sums.entry(key).or_default();
                let width = Duration::from_millis(rule.window_ms);
                while let Some((at, w)) = window.front().copied()
                    && at + width <= call.at
                {
                    window.pop_front();
                    *sum -= w;
                }
                window.push_back((call.at, weight));
                *sum += weight;
                if *sum > peak {
                    peak = *sum;
                    when = Some(call.at);
                }
            }
            if peak > 0 {
                list.push(RateUse {
                    app: app.clone(),
                    api: rule.api.to_owned(),
                    scope: match rule.scope {
                        LimitScope::App => "app",
                        LimitScope::Company => "company",
                        LimitScope::Destination => "destination",
                    },
                    window_ms: rule.window_ms,
                    limit: u64::from(rule.count),
                    peak,
                    at: when.map(|at| self.local(at)),
                });
            }
        }
    }

    fn quotas(&self, app: &AppId, calls: &[Called], used: &[(AppId, Timestamp, u64)], outcome: &mut Outcome) {
        let Some(first) = calls.first() else { return };
        let book = self.env.app(app).and_then(|a| a.adapter.quota());
        let limit = book.and_then(|book| book.usage(first.at).limit);
        let mut months: BTreeMap<String, u64> = BTreeMap::new();
        for call in calls {
            let month = self.local(call.at).get(..7).unwrap_or_default().to_owned();
            *months.entry(month).or_default() += 1;
        }
        let mut before: BTreeMap<String, u64> = BTreeMap::new();
        for (_, at, n) in used.iter().filter(|(of, ..)| of == app) {
            let month = self.local(*at).get(..7).unwrap_or_default().to_owned();
            *before.entry(month).or_default() += n;
        }
        for (month, calls) in months {
            let used = before.get(&month).copied().unwrap_or(0);
            let calls = calls + used;
            if let Some(limit) = limit.filter(|l| calls > *l) {
                outcome.problems.push(Problem::Quota {
                    app: app.clone(),
                    month: month.clone(),
                    calls,
                    limit,
                });
            }
            outcome.quotas.push(QuotaUse {
                app: app.clone(),
                month,
                calls,
                used,
                limit,
            });
        }
    }
}

fn deadline(row: &Ready) -> Timestamp {
    row.expires_at.unwrap_or(
        row.created_at
            + match row.class {
                DeliveryClass::Once => retry::ONCE_LIFE,
                DeliveryClass::Reply => retry::REPLY_LIFE,
                DeliveryClass::State => retry::STATE_LIFE,
                DeliveryClass::Hint => retry::HINT_LIFE,
            },
    )
}

/// Names for each message the other sources that are near it in its group. The list is in the order
/// of time.
fn collisions(env: &Env, entries: &mut [Entry]) {
    let mut by_group: HashMap<(AppId, ChatId), Vec<usize>> = HashMap::new();
    for (n, entry) in entries.iter().enumerate() {
        if let Place::Group { chat, .. } = &entry.place
            && entry.budget.is_some()
            && let Ok(chat) = ChatId::new(chat.clone())
        {
            by_group.entry(env.group_of(&entry.app, &chat)).or_default().push(n);
        }
    }
    let mut found: Vec<(usize, String)> = Vec::new();
    for list in by_group.values() {
        for (i, a) in list.iter().enumerate() {
            for b in list.iter().skip(i + 1) {
                let (Some(x), Some(y)) = (entries.get(*a), entries.get(*b)) else {
                    continue;
                };
                if y.at.since(x.at) >= NEAR {
                    break;
                }
                if x.source != y.source {
                    found.push((*a, y.source.clone()));
                    found.push((*b, x.source.clone()));
                }
            }
        }
    }
    for (n, source) in found {
        if let Some(entry) = entries.get_mut(n)
            && !entry.collides.contains(&source)
        {
            entry.collides.push(source);
        }
    }
}
