//! The driven days.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use hutong_model::{
    ActionKind, AppId, Body, BoxFuture, Clock, EventId, ManualClock, Receipt, Secret, Timestamp, UserId,
};
use tokio::sync::Notify;

use super::adapter::Rehearsing;
use super::judge::{Judge, Raw};
use super::store::{self, Ready, Told};
use super::{Ground, MOST_DAYS, Options, Rehearsal, RehearseError};
use crate::app::{calendar, enter_roles, environment};
use crate::config::Checked;
use crate::dispatch::{Ages, Dispatcher};
use crate::inbox::accept::InboxMetrics;
use crate::inbox::worker::{InboxSink, Pace, WorkMetrics, Worker};
use crate::link::board::Board;
use crate::rules::service::Service;
use crate::rules::{App, Rule};
use crate::schedule::{Schedule, Scheduler, TickSink};
use crate::store::{Store, StoreError, Tx};
use crate::trace::Trace;

/// Rounds at one moment: a chain of effects and answers that is longer goes in a circle.
const MOST_ROUNDS: usize = 200;

/// What caused an event of our own.
#[derive(Debug, Clone)]
pub(super) struct Cause {
    pub schedule: String,
    pub slot: Timestamp,
    pub local: String,
}

/// Lets ticks into the inbox and remembers which event each is.
struct Remembering {
    inner: InboxSink,
    seen: Mutex<HashMap<String, Cause>>,
}

impl Remembering {
    fn seen(&self) -> std::sync::MutexGuard<'_, HashMap<String, Cause>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TickSink for Remembering {
    fn tick<'a>(
        &'a self,
        tx: &'a mut Tx,
        schedule: &'a Schedule,
        slot: Timestamp,
        local: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        if let Ok(own) = AppId::new("hutong") {
            let id = EventId::derive(&own, &format!("tick:{}:{local}", schedule.id)).hex();
            let cause = Cause {
                schedule: schedule.id.clone(),
                slot,
                local: local.to_owned(),
            };
            self.seen().insert(id, cause);
        }
        self.inner.tick(tx, schedule, slot, local, now)
    }
}

/// Runs the modules of `config` on `copy`, a database in memory that nobody else uses, and lists what
/// they would send.
///
/// Errors: [`RehearseError::Days`]; a schedule or a set of commands that `check` would have refused.
pub async fn run(config: &Checked, copy: &Store, ground: Ground, options: Options) -> Result<Rehearsal, RehearseError> {
    if !(1..=MOST_DAYS).contains(&options.days) {
        return Err(RehearseError::Days(options.days));
    }
    let wrong = |e: &dyn std::fmt::Display| RehearseError::Config(e.to_string());
    let clock = ManualClock::at(options.from);
    let end = options.from + Duration::from_secs(u64::from(options.days) * 86_400);
    let mut apps: BTreeMap<AppId, Arc<Rehearsing>> = BTreeMap::new();
    let mut env = environment(config, Secret::new("rehearsal"), Board::default());
    for (id, app) in &mut env.apps {
        let rehearsing = Arc::new(Rehearsing::new(app.adapter.clone()));
        apps.insert(id.clone(), rehearsing.clone());
        *app = App {
            adapter: rehearsing,
            company: app.company.clone(),
        };
    }
    enter_roles(copy, config, options.from).await?;
    placeholders(config, copy, options.from).await?;
    let calendar = calendar(config, options.from);
    let rules = crate::rules::all(config, &calendar).map_err(|e| wrong(&e))?;
    let assembled = Service::in_front_of(rules).map_err(|problems| {
        let list: Vec<String> = problems.iter().map(ToString::to_string).collect();
        wrong(&list.join("; "))
    })?;
    let rules = assembled.rules.clone();
    let work = Arc::new(Notify::new());
    let sink = Arc::new(Remembering {
        inner: InboxSink::new(work.clone()),
        seen: Mutex::default(),
    });
    let driven: Arc<dyn Clock> = Arc::new(clock.clone());
    let schedules: Vec<Schedule> = rules.iter().flat_map(|r| r.schedules()).collect();
    let mut scheduler = Scheduler::new(copy.clone(), schedules, sink.clone(), driven.clone());
    let env = Arc::new(env);
    let ages = Ages {
        command: config.limits.command_max_age,
        event: config.limits.event_max_age,
    };
    let worker = Worker {
        store: copy.clone(),
        env: Arc::new(ArcSwap::new(env.clone())),
        dispatcher: Arc::new(Dispatcher::new(assembled, ages)),
        clock: driven,
        work,
        effects: Arc::new(Notify::new()),
        metrics: Arc::new(WorkMetrics::default()),
        inbox: Arc::new(InboxMetrics::default()),
        trace: Trace::default(),
        pace: Pace::default(),
    };
    let mut days = Days {
        copy,
        worker: &worker,
        sink: &sink,
        causes: HashMap::new(),
        raw: Vec::new(),
        told: HashSet::new(),
        number: 0,
    };
    loop {
        let ticks = scheduler.tick(clock.now()).await?;
        days.settle(clock.now()).await?;
        // A slot of this very moment that a rule has just begun to wait for comes with the next round.
        match ticks.next_at {
            Some(next) if next < end => clock.set(next.max(clock.now() + Duration::from_millis(1))),
            _ => break,
        }
    }
    let Days { raw, .. } = days;
    let ticks = sink.seen().clone();
    let judge = Judge {
        config,
        env: &env,
        apps: &apps,
        rules: &rules as &[Arc<dyn Rule>],
        copy,
        from: options.from,
        end,
    };
    let outcome = judge.judge(raw, &ticks).await?;
    Ok(Rehearsal {
        company: config.company.name.clone(),
        zone: config.company.zone,
        from: judge.local(options.from),
        to: judge.local(end),
        days: options.days,
        ground,
        entries: outcome.entries,
        problems: outcome.problems,
        rates: outcome.rates,
        quotas: outcome.quotas,
    })
}

/// Groups that do not exist yet stand in the list under the name of their rule.
async fn placeholders(config: &Checked, copy: &Store, now: Timestamp) -> Result<(), StoreError> {
    for rule in &config.rules.groups {
        if !store::has_groups(copy, &rule.id).await? {
            store::placeholder(copy, &rule.id, &rule.app, &format!("rule:{}", rule.id), now).await?;
        }
    }
    Ok(())
}

struct Days<'a> {
    copy: &'a Store,
    worker: &'a Worker,
    sink: &'a Remembering,
    /// What caused the answers that rules were told.
    causes: HashMap<String, Cause>,
    raw: Vec<Raw>,
    /// Effects whose rule has been told.
    told: HashSet<String>,
    number: u64,
}

impl Days<'_> {
    /// Everything that can be done at this moment: events, effects, and what follows from "sent".
    async fn settle(&mut self, now: Timestamp) -> Result<(), RehearseError> {
        for _ in 0..MOST_ROUNDS {
            let step = self.worker.run_until_idle().await?;
            let rows = store::take_ready(self.copy).await?;
            if step.events == 0 && step.items == 0 && rows.is_empty() {
                break;
            }
            let mut told = Vec::new();
            for row in rows {
                self.number += 1;
                let cause = self
                    .sink
                    .seen()
                    .get(&row.event)
                    .or_else(|| self.causes.get(&row.event))
                    .cloned();
                let dropped = row.expires_at.is_some_and(|end| now > end);
                if let Some(tag) = &row.tag {
                    let effect = row.effect.clone().unwrap_or_else(|| row.id.clone());
                    if self.told.insert(effect.clone()) {
                        told.push(self.answer(&row, &effect, tag, cause.as_ref(), !dropped).await?);
                    }
                }
                self.raw.push(Raw {
                    row,
                    cause,
                    now,
                    dropped,
                });
            }
            store::tell(self.copy, &told, now).await?;
        }
        store::forget_events(self.copy).await?;
        Ok(())
    }

    /// The answer that a rule gets.
    async fn answer(
        &mut self,
        row: &Ready,
        effect: &str,
        tag: &str,
        cause: Option<&Cause>,
        ok: bool,
    ) -> Result<Told, RehearseError> {
        let action = serde_json::from_value::<ActionKind>(serde_json::Value::String(row.action.clone()))
            .map_err(|e| RehearseError::Config(e.to_string()))?;
        let mut receipt = if ok {
            store::receipt(self.number, action)
        } else {
            Receipt::default()
        };
        if action == ActionKind::ListMembers {
            let chat = row.lane.split_once(':').map_or("", |(_, chat)| chat);
            let there = store::accounts_in(self.copy, &row.app, chat).await?;
            receipt.users = there.into_iter().filter_map(|u| UserId::new(u).ok()).collect();
        }
        let body = Body::EffectDone {
            effect: effect.to_owned(),
            rule: row.rule.clone(),
            action,
            ok,
            code: (!ok).then(|| "expired".to_owned()),
            receipt,
            failed: Vec::new(),
            tag: serde_json::from_str(tag).map_err(|e| RehearseError::Config(e.to_string()))?,
        };
        if let Some(cause) = cause {
            let event = EventId::derive(&row.app, &format!("done:{effect}"));
            self.causes.insert(event.hex(), cause.clone());
        }
        Ok(Told {
            app: row.app.clone(),
            effect: effect.to_owned(),
            body: serde_json::to_string(&body).map_err(|e| RehearseError::Config(e.to_string()))?,
        })
    }
}
