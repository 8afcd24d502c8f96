//! WeCom itself, on loopback: directory, messages, app groups, cards, AI bot and group robot at wire
//! level, in memory, at the clock that is handed in.
//!
//! What is judged here and how: real error codes for call limits, silence (and a complaint) for what
//! the platform drops silently, response codes and answer addresses that work once, tokens that
//! expire. Callbacks are encrypted as the platform does it, tried three times, and card clicks of an AI
//! bot once.
//!
//! A group is one conversation that people see. It may hold AI bots and one or more group robots, or be
//! an app's own group; its id on the screen is the app's for an app group and the AI bots' otherwise.

mod act;
mod api;
mod command;
mod contacts;
mod customers;
mod events;
mod files;
mod groups;
mod media;
mod office;
mod reply;
mod rights;
mod seal;
mod show;
mod state;
mod stream;
mod upload;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use hutong_model::{BoxFuture, Clock, Platform, Secret, SettingValue, Settings};
use hutong_simkit::faults::{Faults, with_faults};
use hutong_simkit::journal::Journal;
use hutong_simkit::judge::Judge;
use hutong_simkit::ladder::Callbacks;
use hutong_simkit::server::{Bound, Served};
use hutong_simkit::{Done, Fault, Org, ScreenChat, ScreenItem, SimApp, SimError, SimPerson, Simulator, Verb, control};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

pub use self::customers::{CustomerGroup, CustomerMember};
pub use self::files::FileKind;
pub use self::rights::RIGHTS;
pub use self::state::Kind;
use self::state::{App, State};
use self::stream::Links;
use crate::config::{AIBOT, APP, WEBHOOK};
pub use state::open_user_id;

/// How long the platform waits for the answer to a callback (documents 90238, 100719).
const CALLBACK_TIMEOUT: Duration = Duration::from_secs(5);
/// Three attempts in all; the wait between them is the time-out itself.
const LADDER: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(5)];

/// An app to register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppSpec {
    /// Also names it in [`hutong_simkit::ChatSel::DirectWith`].
    pub id: String,
    pub name: String,
    pub kind: Kind,
}

impl AppSpec {
    pub fn new(id: impl Into<String>, name: impl Into<String>, kind: Kind) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            kind,
        }
    }
}

pub struct SimOptions {
    pub org: Org,
    pub clock: Arc<dyn Clock>,
    /// On loopback; port 0 lets the system choose.
    pub listen: SocketAddr,
    pub apps: Vec<AppSpec>,
    /// Served beside the platform's paths and the control interface.
    pub extra: Option<Router>,
}

/// The running platform. Dropping it ends the server.
pub struct WeComSim {
    core: Arc<Core>,
    served: Mutex<Option<Served>>,
}

impl WeComSim {
    /// Ends the server and waits for what is under way.
    pub async fn stop(&self) {
        let served = self.served.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(served) = served {
            served.stop().await;
        }
    }

    /// Waits until an AI bot has a subscribed connection; false after `limit` (real time).
    pub async fn wait_link(&self, app: &str, limit: Duration) -> bool {
        self.core.links.hub.wait_live(app, 1, limit).await
    }

    /// Long connections ever subscribed.
    pub fn connections(&self) -> u64 {
        self.core.links.hub.opened()
    }

    /// Messages that the platform dropped without telling, so far.
    pub fn dropped(&self) -> u64 {
        *self.core.dropped.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the platform.
pub async fn start(options: SimOptions) -> Result<Arc<WeComSim>, SimError> {
    if !options.listen.ip().is_loopback() {
        return Err(SimError::Refused("a simulator listens on loopback only".into()));
    }
    let bound = Bound::bind(options.listen.port())
        .await
        .map_err(|e| SimError::Refused(format!("cannot listen on {}: {e}", options.listen)))?;
    let faults = Arc::new(Faults::new());
    let callbacks = Callbacks::new(options.clock.clone(), LADDER.to_vec(), CALLBACK_TIMEOUT, faults.clone())?;
    let links = Arc::new(Links::new(bound.stop_token(), options.clock.clone()));
    let apps = options
        .apps
        .iter()
        .enumerate()
        .map(|(i, spec)| register(i, spec))
        .collect();
    let core = Arc::new(Core {
        base: bound.base_url(),
        corp_id: format!("ww{}", &hex::encode(Sha256::digest(b"corp"))[..16]),
        clock: options.clock,
        state: Mutex::new(State::new(options.org, apps)),
        faults: faults.clone(),
        callbacks,
        links,
        judge: Judge::new(),
        journal: Journal::new(),
        revision: watch::Sender::new(0),
        dropped: Mutex::new(0),
    });
    let wire = with_faults(api::router(core.clone()), faults, api::envelope);
    let mut router = wire
        .merge(stream::router(core.clone()))
        .merge(control::router(core.clone(), bound.stop_token()));
    if let Some(extra) = options.extra {
        router = router.merge(extra);
    }
    Ok(Arc::new(WeComSim {
        core,
        served: Mutex::new(Some(bound.serve(router))),
    }))
}

/// Credentials are made from the id, so that they are the same every time.
fn register(index: usize, spec: &AppSpec) -> App {
    let letters = |what: &str, n: usize| -> String {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let mut out = String::new();
        for round in 0u32.. {
            let digest = Sha256::digest(format!("{}|{what}|{round}", spec.id).as_bytes());
            out.extend(
                digest
                    .iter()
                    .map(|b| char::from(ALPHABET[usize::from(*b) % ALPHABET.len()])),
            );
            if out.len() >= n {
                break;
            }
        }
        out.truncate(n);
        out
    };
    App {
        id: spec.id.clone(),
        name: spec.name.clone(),
        kind: spec.kind,
        agent_id: 1_000_002 + i64::try_from(index).unwrap_or(0),
        secret: letters("secret", 43),
        token: letters("token", 24),
        aes_key: letters("aes", 43),
        bot_id: format!("aib{}", letters("bot", 20)),
        hook: None,
    }
}

pub(crate) struct Core {
    base: String,
    corp_id: String,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    faults: Arc<Faults>,
    callbacks: Callbacks,
    links: Arc<Links>,
    judge: Judge,
    journal: Journal,
    revision: watch::Sender<u64>,
    dropped: Mutex<u64>,
}

impl Core {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.revision.send_modify(|n| *n += 1);
    }

    /// Bytes that nobody has to guess, only to tell apart; the same in every run.
    fn draw(&self, what: &str) -> [u8; 32] {
        let n = self.state().next();
        Sha256::digest(format!("{what}|{n}").as_bytes()).into()
    }

    fn code(&self, what: &str) -> String {
        format!("{what}{}", &hex::encode(self.draw(what))[..32])
    }

    fn settings(&self, app: &App) -> Settings {
        let text = |t: &str| SettingValue::Text(t.to_owned());
        let secret = |t: &str| SettingValue::Secret(Secret::new(t));
        let base = Settings::default().with("base_url", text(&self.base));
        match app.kind {
            Kind::App => base
                .with("corp_id", text(&self.corp_id))
                .with("agent_id", SettingValue::Integer(app.agent_id))
                .with("secret", secret(&app.secret))
                .with("token", secret(&app.token))
                .with("aes_key", secret(&app.aes_key)),
            Kind::Aibot => base
                .with("name", text(&app.name))
                .with("bot_id", text(&app.bot_id))
                // For `receive = "long_connection"`.
                .with("secret", secret(&app.secret))
                .with("ws_url", text(&self.ws_url()))
                .with("token", secret(&app.token))
                .with("aes_key", secret(&app.aes_key)),
            Kind::Webhook => base.with("key", secret(&app.secret)).with("chat", text(&app.id)),
        }
    }
}

impl Simulator for Core {
    fn platform(&self) -> Platform {
        Platform::WeCom
    }

    fn base_url(&self) -> String {
        self.base.clone()
    }

    fn apps(&self) -> Vec<SimApp> {
        let state = self.state();
        state
            .apps
            .iter()
            .map(|app| SimApp {
                id: app.id.clone(),
                kind: match app.kind {
                    Kind::App => APP,
                    Kind::Aibot => AIBOT,
                    Kind::Webhook => WEBHOOK,
                },
                name: app.name.clone(),
                settings: self.settings(app),
            })
            .collect()
    }

    fn subscribe<'a>(&'a self, app: &'a str, url: &'a str) -> BoxFuture<'a, Result<(), SimError>> {
        Box::pin(self.save_hook(app, url))
    }

    fn act(&self, verb: Verb) -> BoxFuture<'_, Result<Done, SimError>> {
        Box::pin(async move {
            let done = self.perform(verb).await;
            self.changed();
            done
        })
    }

    fn chats(&self) -> Vec<ScreenChat> {
        self.state().screen_chats()
    }

    fn screen(&self, chat: &str, viewer: &str, limit: usize) -> Vec<ScreenItem> {
        self.state().screen(chat, viewer, limit)
    }

    fn people(&self) -> Vec<SimPerson> {
        self.state().people.values().cloned().collect()
    }

    fn fault(&self, fault: Fault) {
        if self.links.hub.fault(&fault).is_some() {
            return;
        }
        if self.faults.add(fault) {
            self.state().tokens.clear();
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
        self.links.hub.live()
    }
}

impl Simulator for WeComSim {
    fn platform(&self) -> Platform {
        self.core.platform()
    }
    fn base_url(&self) -> String {
        self.core.base_url()
    }
    fn apps(&self) -> Vec<SimApp> {
        Simulator::apps(&*self.core)
    }
    fn subscribe<'a>(&'a self, app: &'a str, url: &'a str) -> BoxFuture<'a, Result<(), SimError>> {
        self.core.subscribe(app, url)
    }
    fn act(&self, verb: Verb) -> BoxFuture<'_, Result<Done, SimError>> {
        self.core.act(verb)
    }
    fn chats(&self) -> Vec<ScreenChat> {
        self.core.chats()
    }
    fn screen(&self, chat: &str, viewer: &str, limit: usize) -> Vec<ScreenItem> {
        self.core.screen(chat, viewer, limit)
    }
    fn people(&self) -> Vec<SimPerson> {
        self.core.people()
    }
    fn fault(&self, fault: Fault) {
        self.core.fault(fault);
    }
    fn repeat_due(&self) -> BoxFuture<'_, usize> {
        self.core.repeat_due()
    }
    fn revision(&self) -> watch::Receiver<u64> {
        self.core.revision()
    }
    fn complaints(&self) -> Vec<String> {
        self.core.complaints()
    }
    fn calls(&self) -> Vec<(String, u64)> {
        self.core.calls()
    }
    fn links(&self) -> Vec<(String, usize)> {
        self.core.links()
    }
}
