//! Tells the operators when an app does not hear or cannot speak: a private message, through another
//! app of the company that works, else through the same one if it still can send. At most one a day
//! for each cause; and one line when it is well again.
//!
//! What counts as mended must be seen, not only no longer be seen as broken: another replica that
//! knows nothing about a connection does not declare it well.

pub mod store;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use hutong_model::{Ability, Action, AppId, CallError, DeliveryClass, EventId, Target, Timestamp};
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;

use crate::access::store::holders;
use crate::access::{Place, Role};
use crate::inbox::worker::write_effects;
use crate::link::board::Standing;
use crate::rules::{Ctx, Env, RuleError, local};
use crate::store::{Store, StoreError};
use crate::text::Lang;
use crate::text::alerts::{Say, Trouble};

/// The name under which alerts stand in the outbox.
pub const RULE: &str = "alerts";
/// A long connection that is away for so long is worth a message.
pub const DEAF: Duration = Duration::from_secs(5 * 60);

#[derive(Debug, thiserror::Error)]
pub enum AlertError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("writing the message: {0}")]
    Message(String),
}

impl From<RuleError> for AlertError {
    fn from(error: RuleError) -> Self {
        AlertError::Message(error.to_string())
    }
}

/// What is seen at one moment.
#[derive(Debug, Default)]
struct Seen {
    broken: Vec<(AppId, Trouble)>,
    /// Causes that are surely over.
    well: BTreeSet<(String, &'static str)>,
}

/// See the module. One per process.
#[derive(Clone)]
pub struct Alerts {
    store: Store,
    env: Arc<ArcSwap<Env>>,
    effects: Arc<Notify>,
    /// What the platform last said about each app's credentials; `None`: good.
    tokens: Arc<Mutex<BTreeMap<AppId, Option<String>>>>,
}

impl Alerts {
    /// `effects` is rung when messages were left in the outbox.
    pub fn new(store: Store, env: Arc<ArcSwap<Env>>, effects: Arc<Notify>) -> Self {
        Self {
            store,
            env,
            effects,
            tokens: Arc::default(),
        }
    }

    /// Asks every platform whether the credentials are still good. One cheap call per app.
    pub async fn probe(&self) {
        let apps: Vec<_> = self
            .env
            .load()
            .apps
            .iter()
            .map(|(id, app)| (id.clone(), app.adapter.clone()))
            .collect();
        for (app, adapter) in apps {
            let answer = adapter.probe().await;
            self.probed(&app, &answer);
        }
    }

    /// Takes note of what a platform has said. Not reachable is no answer.
    pub fn probed(&self, app: &AppId, answer: &Result<(), CallError>) {
        let said = match answer {
            Ok(()) => None,
            Err(CallError::Auth { code, text } | CallError::Rejected { code, text }) => Some(format!("{code}: {text}")),
            Err(CallError::RateLimited { .. } | CallError::Unavailable(_) | CallError::NotPossible(_)) => return,
        };
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.insert(app.clone(), said);
    }

    /// Looks once, and leaves messages about what is new. Returns how many were left.
    pub async fn look(&self, now: Timestamp) -> Result<usize, AlertError> {
        let env = self.env.load_full();
        let seen = self.see(&env, now).await?;
        let day = local(env.zone, now).format("%Y-%m-%d").to_string();
        let mut left = 0;
        for (app, trouble) in &seen.broken {
            if store::raised(&self.store, app, trouble.cause(), &day).await? {
                continue;
            }
            let say = Say::Broken {
                app: app.as_str(),
                trouble,
            };
            left += self.raise(&env, &seen, app, trouble, &say, &day, now).await?;
        }
        for (app, cause) in store::open(&self.store).await? {
            let over = Trouble::CAUSES.iter().find(|c| **c == cause);
            if let Some(cause) = over
                && seen.well.contains(&(app.clone(), *cause))
                && let Ok(app) = AppId::new(app)
            {
                left += self.mended(&env, &seen, &app, cause, now).await?;
            }
        }
        if left > 0 {
            self.effects.notify_one();
        }
        Ok(left)
    }

    async fn see(&self, env: &Env, now: Timestamp) -> Result<Seen, StoreError> {
        let mut seen = Seen::default();
        for (app, figures) in env.links.all() {
            let link = figures.snapshot();
            match &link.standing {
                Standing::Refused { code, text } => seen.broken.push((
                    app.clone(),
                    Trouble::Refused {
                        code: code.clone(),
                        text: text.clone(),
                    },
                )),
                Standing::Evicted => seen.broken.push((app.clone(), Trouble::Evicted)),
                Standing::Ready => {
                    seen.well
                        .extend(["refused", "evicted", "deaf"].map(|cause| (app.to_string(), cause)));
                }
                Standing::Connecting | Standing::Waiting => {
                    if let Some(since) = link.down_since.filter(|since| now.since(*since) >= DEAF) {
                        let minutes = now.since(since).as_secs() / 60;
                        seen.broken.push((app.clone(), Trouble::Deaf { minutes }));
                    }
                }
                Standing::Idle | Standing::Standby | Standing::Stopped => {}
            }
        }
        {
            let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
            for (app, said) in tokens.iter() {
                match said {
                    Some(why) => seen.broken.push((app.clone(), Trouble::Token { why: why.clone() })),
                    None => {
                        seen.well.insert((app.to_string(), "token"));
                    }
                }
            }
        }
        let parked = store::parked(&self.store).await?;
        for app in env.apps.keys() {
            match parked.iter().find(|(name, _)| name == app.as_str()) {
                Some((_, count)) => seen.broken.push((app.clone(), Trouble::Parked { count: *count })),
                None => {
                    seen.well.insert((app.to_string(), "parked"));
                }
            }
        }
        Ok(seen)
    }

    #[expect(clippy::too_many_arguments, reason = "one caller")]
    async fn raise(
        &self,
        env: &Arc<Env>,
        seen: &Seen,
        app: &AppId,
        trouble: &Trouble,
        say: &Say<'_>,
        day: &str,
        now: Timestamp,
    ) -> Result<usize, AlertError> {
        let mut tx = self.store.begin().await?;
        if !store::raise(&mut tx, app, trouble.cause(), day, now).await? {
            return Ok(0);
        }
        let mut ctx = Ctx::new(tx, env.clone(), now);
        ctx.enter(event_of(&[app.as_str(), trouble.cause(), day]), RULE);
        let told = tell(&mut ctx, seen, app, say).await?;
        let (mut tx, effects) = ctx.into_parts();
        if told == 0 {
            // Nobody can be reached now; perhaps at the next look.
            tx.rollback().await?;
            tracing::error!(%app, cause = trouble.cause(), "alert: no operator can be reached by a private message");
            return Ok(0);
        }
        write_effects(&mut tx, env, effects, now).await?;
        store::told(&mut tx, app, trouble.cause(), day, told).await?;
        tx.commit().await?;
        tracing::warn!(%app, cause = trouble.cause(), people = told, "alert: operators are told");
        Ok(told)
    }

    async fn mended(
        &self,
        env: &Arc<Env>,
        seen: &Seen,
        app: &AppId,
        cause: &'static str,
        now: Timestamp,
    ) -> Result<usize, AlertError> {
        let mut tx = self.store.begin().await?;
        if !store::mend(&mut tx, app.as_str(), cause, now).await? {
            return Ok(0);
        }
        let mut ctx = Ctx::new(tx, env.clone(), now);
        ctx.enter(event_of(&[app.as_str(), cause, "mended", &now.to_string()]), RULE);
        let say = Say::Mended {
            app: app.as_str(),
            cause,
        };
        let told = tell(&mut ctx, seen, app, &say).await?;
        let (mut tx, effects) = ctx.into_parts();
        write_effects(&mut tx, env, effects, now).await?;
        tx.commit().await?;
        tracing::info!(%app, cause, people = told, "alert: mended");
        Ok(told)
    }
}

/// Writes to every operator of the app's company, each through the first app that can.
async fn tell(ctx: &mut Ctx, seen: &Seen, app: &AppId, say: &Say<'_>) -> Result<usize, AlertError> {
    let env = ctx.env().clone();
    let Some(own) = env.app(app) else { return Ok(0) };
    let doors = doors(&env, seen, app);
    let mut told = 0;
    for person in holders(ctx.tx(), &own.company, &[Role::Operator], &Place::default()).await? {
        let language = ctx.directory().person(&person).await?.and_then(|p| p.language);
        let lang = language.as_deref().and_then(Lang::parse).unwrap_or(env.lang);
        for door in &doors {
            let Some(platform) = ctx.platform(door) else { continue };
            let Some(user) = ctx.directory().identity_on(&person, platform).await? else {
                continue;
            };
            let action = Action::Send {
                to: Target::User(user),
                content: say.message(lang),
            };
            ctx.emit(&person.to_string(), door, DeliveryClass::Once, action)?;
            told += 1;
            break;
        }
    }
    Ok(told)
}

/// The apps to tell it through: others that work, those first that may begin a private chat; then the
/// one that it is about, unless its credentials are what is broken.
fn doors(env: &Env, seen: &Seen, app: &AppId) -> Vec<AppId> {
    let Some(own) = env.app(app) else { return Vec::new() };
    let troubled = |id: &AppId, parked_too: bool| {
        seen.broken
            .iter()
            .any(|(a, t)| a == id && (parked_too || !matches!(t, Trouble::Parked { .. })))
    };
    let mut others: Vec<(bool, &AppId)> = env
        .apps
        .iter()
        .filter(|(id, a)| *id != app && a.company == own.company && !troubled(id, false))
        .filter(|(_, a)| a.adapter.capabilities().can(Ability::SendToUser) && a.adapter.can_deliver())
        .map(|(id, a)| (!a.adapter.capabilities().can(Ability::FirstWord), id))
        .collect();
    others.sort();
    let mut list: Vec<AppId> = others.into_iter().map(|(_, id)| id.clone()).collect();
    let no_token = seen
        .broken
        .iter()
        .any(|(a, t)| a == app && matches!(t, Trouble::Token { .. }));
    if !no_token && own.adapter.capabilities().can(Ability::SendToUser) && own.adapter.can_deliver() {
        // With nothing wrong but parked messages it is the nearest.
        if troubled(app, false) {
            list.push(app.clone());
        } else {
            list.insert(0, app.clone());
        }
    }
    list
}

fn event_of(parts: &[&str]) -> EventId {
    let mut hash = Sha256::new();
    hash.update(RULE.as_bytes());
    for part in parts {
        hash.update([0]);
        hash.update(part.as_bytes());
    }
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    EventId::from_bytes(bytes)
}
