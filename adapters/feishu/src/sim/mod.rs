//! The platform itself, at wire level, on loopback: small but honest.
//!
//! Bots talk to it over HTTP only, as they talk to the real one; people act through
//! [`hutong_simkit::Simulator::act`]. Everything that the real platform would refuse is refused with
//! its code and written down as a complaint. What is not here: announcements of groups, documents and
//! search, user tokens.
//!
//! Reading order: [`state`], [`rest`] with its three families, [`events`], [`acts`], [`show`]; the long
//! connection is in [`stream`].

mod acts;
mod admin;
mod check;
mod console;
mod events;
mod pbbp2;
mod rest;
mod rest_admin;
mod rest_batch;
mod rest_chats;
mod rest_directory;
mod rest_files;
mod rest_messages;
mod scopes;
mod seal;
mod show;
mod state;
mod stream;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hutong_model::{BoxFuture, Clock, Platform, Secret, SettingValue, Settings};
use hutong_simkit::faults::{Faults, with_faults};
use hutong_simkit::journal::Journal;
use hutong_simkit::judge::Judge;
use hutong_simkit::ladder::{CallbackRequest, Callbacks, Delivered, Outgoing};
use hutong_simkit::server::{Bound, Served};
use hutong_simkit::sockets::Hub;
use hutong_simkit::{Done, Fault, Org, ScreenChat, ScreenItem, SimApp, SimError, SimPerson, Simulator, Verb, control};
use serde_json::{Value, json};
use tokio::sync::watch;

use events::Push;
use state::World;
use stream::Streams;

/// Waits after a failed push (feishu.md 2.6), on the simulator's clock.
const LADDER: [Duration; 4] = [
    Duration::from_secs(15),
    Duration::from_secs(5 * 60),
    Duration::from_secs(3600),
    Duration::from_secs(6 * 3600),
];
/// How long the platform waits for an answer.
const DEADLINE: Duration = Duration::from_secs(3);

/// An app as its developer registered it.
#[derive(Debug, Clone)]
pub struct SimAppOptions {
    /// `feishu` or `lark`.
    pub kind: &'static str,
    pub app_id: String,
    pub name: String,
    pub app_secret: String,
    pub encrypt_key: String,
    pub verification_token: String,
    /// Has the scope `im:message.group_msg`.
    pub sees_all: bool,
    /// Has the scope `contact:user.employee_id:readonly`.
    pub user_id_scope: bool,
    /// Set to receive over a long connection instead of a callback address.
    pub long_connection: bool,
    /// Scopes that the company has not granted; every other one it has.
    pub withheld: BTreeSet<String>,
    /// What the app may see of the directory; the whole company when absent.
    pub contact: Option<ContactScope>,
    /// 2 is enabled; 1 stopped by the company, 3 to be enabled.
    pub activate_status: i64,
    /// Whether the last version waits for approval.
    pub version_pending: bool,
}

/// Part of the directory: departments with everything below them, and single people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContactScope {
    pub departments: Vec<String>,
    pub people: Vec<String>,
}

impl SimAppOptions {
    /// An app with made-up credentials; `number` makes them differ.
    pub fn new(number: u32, name: impl Into<String>, sees_all: bool) -> Self {
        let number = number.to_string();
        let made = |what: &str| seal::digest(&["app", what, &number]);
        let short = |what: &str| made(what).chars().take(16).collect::<String>();
        Self {
            kind: "feishu",
            app_id: format!("cli_{}", short("id")),
            name: name.into(),
            app_secret: made("secret"),
            encrypt_key: short("encrypt"),
            verification_token: made("token"),
            sees_all,
            user_id_scope: true,
            withheld: BTreeSet::new(),
            contact: None,
            activate_status: 2,
            version_pending: false,
            long_connection: false,
        }
    }

    /// The same app without these scopes.
    #[must_use]
    pub fn without<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.withheld.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// The two scopes with a setting of their own follow it.
    pub fn has_scope(&self, scope: &str) -> bool {
        let own = match scope {
            "im:message.group_msg" | "im:message.group_msg:readonly" => self.sees_all,
            "contact:user.employee_id:readonly" => self.user_id_scope,
            _ => true,
        };
        own && !self.withheld.contains(scope)
    }
}

/// What a simulated platform is started with.
pub struct SimOptions {
    pub org: Org,
    pub clock: Arc<dyn Clock>,
    /// On 127.0.0.1; 0 lets the system choose.
    pub port: u16,
    pub apps: Vec<SimAppOptions>,
    /// Judge rates as the platform does. Off for replays in which the clock stands still.
    pub limits: bool,
    /// Further routes of the same server.
    pub extra: Option<Router>,
}

/// A simulated Feishu.
pub struct FeishuSim {
    base: String,
    clock: Arc<dyn Clock>,
    world: Mutex<World>,
    faults: Arc<Faults>,
    callbacks: Callbacks,
    streams: Arc<Streams>,
    judge: Judge,
    journal: Journal,
    limits: bool,
    revision: watch::Sender<u64>,
}

impl fmt::Debug for FeishuSim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeishuSim").field("base", &self.base).finish()
    }
}

/// Starts the platform with its control interface. It ends when the second value is dropped or
/// stopped.
pub async fn start(options: SimOptions) -> Result<(Arc<FeishuSim>, Served), SimError> {
    let bound = Bound::bind(options.port)
        .await
        .map_err(|e| SimError::Refused(format!("127.0.0.1:{} cannot be used: {e}", options.port)))?;
    let faults = Arc::new(Faults::new());
    let sim = Arc::new(FeishuSim {
        base: bound.base_url(),
        callbacks: Callbacks::new(options.clock.clone(), LADDER.to_vec(), DEADLINE, faults.clone())?,
        clock: options.clock,
        world: Mutex::new(World::new(options.org, options.apps)),
        faults,
        streams: Arc::new(Streams::new(Hub::new(rand::random(), bound.stop_token()))),
        judge: Judge::new(),
        journal: Journal::new(),
        limits: options.limits,
        revision: watch::Sender::new(0),
    });
    let mut router = sim
        .router()
        .merge(stream::control(&sim))
        .merge(console::router(&sim))
        .merge(control::router(sim.clone(), bound.stop_token()));
    if let Some(extra) = options.extra {
        router = router.merge(extra);
    }
    Ok((sim, bound.serve(router)))
}

impl FeishuSim {
    /// The platform's own routes, faults included.
    fn router(self: &Arc<Self>) -> Router {
        let sim = self.clone();
        let router = Router::new().fallback(move |request: Request| rest::serve(sim.clone(), request));
        let router = with_faults(router, self.faults.clone(), |code, text| {
            rest::envelope_error(code, text, None)
        });
        router.merge(with_faults(stream::router(self), self.faults.clone(), stream::envelope))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.revision.send_modify(|n| *n += 1);
    }

    /// Sends events that a bot's own call has caused, without making the call wait for them.
    fn later(self: &Arc<Self>, pushes: Vec<Push>) {
        if pushes.is_empty() {
            return;
        }
        let sim = self.clone();
        tokio::spawn(async move {
            for push in pushes {
                sim.push(push, true).await;
            }
        });
    }

    /// Seals an event and makes its first attempt, over a long connection when the app has one.
    /// `None` when the app has no way to receive.
    async fn push(&self, push: Push, repeats: bool) -> Option<Delivered> {
        let (url, key, token, plain) = {
            let mut world = self.world();
            let plain = push.plain(&mut world)?;
            let app = world.apps.get(&push.app)?;
            let options = &app.options;
            (
                app.hook.clone(),
                options.encrypt_key.clone(),
                options.verification_token.clone(),
                plain,
            )
        };
        if url.is_none() && !self.streams.subscribed(&push.app) {
            return None;
        }
        let (unsigned, has_url) = (without_token(&plain, &token), url.is_some());
        let url = url.unwrap_or_default();
        let request = CallbackRequest::new(format!("{} {}", push.kind, push.about), move |attempt| {
            // A new initialisation vector, nonce and time for every attempt.
            let body = seal::encrypt(&key, &plain, rand::random());
            let timestamp = attempt.at.secs().to_string();
            let nonce = rand::random::<u32>().to_string();
            let mut out = Outgoing::post_json(&url, body.clone());
            out.headers.push((
                "x-lark-signature".to_owned(),
                seal::sign(&timestamp, &nonce, &key, &body),
            ));
            out.headers.push(("x-lark-request-timestamp".to_owned(), timestamp));
            out.headers.push(("x-lark-request-nonce".to_owned(), nonce));
            out
        });
        let (streams, app, card) = (self.streams.clone(), push.app, push.kind == "card.action.trigger");
        let request = request.over(move |attempt| {
            let (streams, app, plain) = (streams.clone(), app.clone(), unsigned.clone());
            Box::pin(async move {
                match streams.carry(&app, &plain, card, attempt).await {
                    None if !has_url => Some(Err("no connection of the app is live".to_owned())),
                    carried => carried,
                }
            })
        });
        let request = if repeats { request } else { request.once() };
        Some(self.callbacks.deliver(request).await)
    }

    async fn click(&self, verb: Verb) -> Result<Done, SimError> {
        let Verb::Click {
            person,
            message,
            action,
            values,
        } = verb
        else {
            return Err(SimError::Refused("not a click".to_owned()));
        };
        let now = self.clock.now();
        let push = acts::click(&mut self.world(), &person, &message, &action, &values, now)?;
        let app = push.app.clone();
        let delivered = self.push(push, false).await;
        let Some(delivered) = delivered else {
            return Err(SimError::Callback("200340: the app has no callback address".to_owned()));
        };
        let mut done = Done {
            message: Some(message.clone()),
            ..Done::default()
        };
        delivered.add_to(&mut done);
        let mut world = self.world();
        done.chat = world.messages.get(&message).map(|m| m.chat.clone());
        let answer = match delivered.result {
            Ok(answer) => check::click_answer(&world, &app, answer.status, &answer.body),
            Err(why) => Err(format!("200341: {why}")),
        };
        let toast = match &answer {
            Ok(answer) => answer["toast"]["content"].as_str().map(str::to_owned),
            Err(why) => {
                done.callbacks_ok = 0;
                done.callbacks_failed = done.callbacks_failed.max(1);
                self.journal.complain(format!("card.action.trigger: {why}"));
                Some(format!(
                    "出错了，请稍后重试 code: {}",
                    why.split(':').next().unwrap_or_default()
                ))
            }
        };
        if let (Ok(answer), Some(found)) = (&answer, world.messages.get_mut(&message))
            && answer["card"]["type"] == "raw"
        {
            found.content = answer["card"]["data"].to_string();
            found.updated = now.0;
            found.edits += 1;
        }
        if let Some(found) = world.messages.get_mut(&message) {
            match toast {
                Some(toast) => found.toasts.insert(person, toast),
                None => found.toasts.remove(&person),
            };
        }
        drop(world);
        self.changed();
        Ok(done)
    }

    async fn act_now(&self, verb: Verb) -> Result<Done, SimError> {
        match verb {
            Verb::Click { .. } => self.click(verb).await,
            Verb::RepeatCallbacks { count } => {
                let mut done = Done::default();
                for delivered in self.callbacks.repeat_last(count).await {
                    delivered.add_to(&mut done);
                }
                Ok(done)
            }
            other => {
                let now = self.clock.now();
                let (mut done, pushes) = acts::apply(&mut self.world(), other, now)?;
                self.changed();
                for push in pushes {
                    if let Some(delivered) = self.push(push, true).await {
                        delivered.add_to(&mut done);
                    }
                }
                Ok(done)
            }
        }
    }

    /// The address check of the developer console: encrypted, and without signature headers.
    async fn check_address(&self, app: &str, url: &str) -> Result<(), SimError> {
        if url.is_empty() {
            // The console's way to long connections: no address is saved any more.
            return match self.world().apps.get_mut(app) {
                Some(app) => {
                    app.hook = None;
                    Ok(())
                }
                None => Err(SimError::NotFound(format!("app {app}"))),
            };
        }
        let (body, challenge) = {
            let mut world = self.world();
            let challenge = world.fresh("challenge");
            let Some(found) = world.apps.get(app) else {
                return Err(SimError::NotFound(format!("app {app}")));
            };
            let plain = json!({
                "challenge": challenge, "token": found.options.verification_token, "type": "url_verification",
            });
            (
                seal::encrypt(&found.options.encrypt_key, &plain.to_string(), rand::random()),
                challenge,
            )
        };
        let answer = self
            .callbacks
            .send(&Outgoing::post_json(url, body))
            .await
            .map_err(SimError::Callback)?;
        let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if answer.status != 200 || said["challenge"] != challenge.as_str() {
            return Err(SimError::Callback(format!(
                "the address check was answered with status {}",
                answer.status
            )));
        }
        if let Some(app) = self.world().apps.get_mut(app) {
            app.hook = Some(url.to_owned());
        }
        Ok(())
    }
}

/// The platform leaves the token of the header empty on connections (seen in the log of
/// larksuite/oapi-sdk-go#195). The header is first in the text.
fn without_token(plain: &str, token: &str) -> Arc<str> {
    let member = |token: &str| format!("\"token\":{}", json!(token));
    plain.replacen(&member(token), &member(""), 1).into()
}

impl Simulator for FeishuSim {
    fn platform(&self) -> Platform {
        Platform::Feishu
    }

    fn base_url(&self) -> String {
        self.base.clone()
    }

    fn apps(&self) -> Vec<SimApp> {
        let secret = |text: &str| SettingValue::Secret(Secret::new(text));
        self.world()
            .apps
            .values()
            .map(|app| {
                let o = &app.options;
                let id_type = if o.user_id_scope { "user_id" } else { "open_id" };
                let receive = if o.long_connection {
                    "long_connection"
                } else {
                    "callback"
                };
                SimApp {
                    id: o.app_id.clone(),
                    kind: o.kind,
                    name: o.name.clone(),
                    settings: Settings::default()
                        .with("receive", SettingValue::Text(receive.to_owned()))
                        .with("base_url", SettingValue::Text(self.base.clone()))
                        .with("app_id", SettingValue::Text(o.app_id.clone()))
                        .with("app_secret", secret(&o.app_secret))
                        .with("encrypt_key", secret(&o.encrypt_key))
                        .with("verification_token", secret(&o.verification_token))
                        .with("sees_all_messages", SettingValue::Bool(o.sees_all))
                        .with("user_id_type", SettingValue::Text(id_type.to_owned())),
                }
            })
            .collect()
    }

    fn subscribe<'a>(&'a self, app: &'a str, url: &'a str) -> BoxFuture<'a, Result<(), SimError>> {
        Box::pin(self.check_address(app, url))
    }

    fn act(&self, verb: Verb) -> BoxFuture<'_, Result<Done, SimError>> {
        Box::pin(self.act_now(verb))
    }

    fn chats(&self) -> Vec<ScreenChat> {
        let world = self.world();
        let mut chats: Vec<ScreenChat> = world
            .chats
            .values()
            .map(|chat| ScreenChat {
                id: chat.id.clone(),
                name: chat.name.clone(),
                group: chat.group,
                members: chat.members.clone(),
                owner: chat.owner.clone(),
                apps: chat.apps.clone(),
                person: if chat.group {
                    None
                } else {
                    chat.members.first().cloned()
                },
                last_ms: chat
                    .items
                    .last()
                    .and_then(|id| world.messages.get(id))
                    .map_or(chat.created, |m| m.at),
                disbanded: chat.disbanded,
            })
            .collect();
        chats.sort_by(|a, b| {
            b.group
                .cmp(&a.group)
                .then(b.last_ms.cmp(&a.last_ms))
                .then(a.id.cmp(&b.id))
        });
        chats
    }

    fn screen(&self, chat: &str, viewer: &str, limit: usize) -> Vec<ScreenItem> {
        let world = self.world();
        let Some(chat) = world.chats.get(chat) else {
            return Vec::new();
        };
        let skip = chat.items.len().saturating_sub(limit);
        chat.items
            .iter()
            .skip(skip)
            .filter_map(|id| world.messages.get(id))
            .map(|m| show::item(&world, m, viewer))
            .collect()
    }

    fn people(&self) -> Vec<SimPerson> {
        self.world().people.values().cloned().collect()
    }

    fn fault(&self, fault: Fault) {
        if self.streams.hub.fault(&fault).is_none() && self.faults.add(fault) {
            self.world().revoke_tokens();
        }
    }

    fn repeat_due(&self) -> BoxFuture<'_, usize> {
        Box::pin(self.callbacks.repeat_due())
    }

    fn revision(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    fn complaints(&self) -> Vec<String> {
        self.journal.complaints()
    }

    fn calls(&self) -> Vec<(String, u64)> {
        self.journal.calls()
    }

    fn links(&self) -> Vec<(String, usize)> {
        self.streams.hub.live()
    }
}
