//! The long connection: the platform's events over a WebSocket that the bot opens, so that no
//! public address is needed (feishu.md 3).
//!
//! [`discovery`] asks where to connect, [`session`] is the protocol of one connection, [`frame`] its
//! codec. Sockets, clocks and waiting belong to whoever runs it.
//!
//! At most 50 connections per app; the platform gives every event to one of them at random, so that
//! several replicas share the work and a forgotten process steals events.

mod discovery;
mod frame;
mod session;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hutong_model::{BoxFuture, Clock, Endpoint, Link, LinkSession, LinkSpec, OpenError, Secret, Timestamp};

use crate::config::Config;
use crate::door::Door;
use discovery::{ClientConfig, Found};
use session::Session;

/// Nothing received for so long: the runner's own watchdog, behind the session's deadline for pongs.
const QUIET_MS: u64 = 70_000;
/// Connections can stay open and bring nothing: a new one every two hours (feishu.md 3.7).
const ROTATE_MS: u64 = 2 * 3600 * 1000;
/// Whole messages are at most one mebibyte; parts are smaller.
const MAX_FRAME: usize = 2 << 20;
/// After so many failures in a row the platform's own interval is kept, when it is longer than ours.
const OWN_TRIES: u32 = 3;
/// However long the platform wishes.
const LONGEST_WISH_MS: i64 = 600_000;

/// The long connection of one app.
pub struct Stream {
    door: Arc<Door>,
    http: reqwest::Client,
    hosts: Vec<String>,
    base: String,
    loopback: bool,
    app_id: String,
    app_secret: Secret,
    clock: Arc<dyn Clock>,
    wishes: Arc<Wishes>,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("app_id", &self.app_id)
            .finish_non_exhaustive()
    }
}

impl Stream {
    pub fn new(config: &Config, door: Arc<Door>, http: reqwest::Client, clock: Arc<dyn Clock>) -> Self {
        // msg-frontier.feishu.cn; msg-frontier.larksuite.com and msg-frontier-sg.larksuite.com.
        let host = if config.base.ends_with("larksuite.com") {
            "larksuite.com"
        } else {
            "feishu.cn"
        };
        Self {
            door,
            http,
            hosts: vec![host.to_owned()],
            base: config.base.clone(),
            loopback: config.loopback,
            app_id: config.app_id.clone(),
            app_secret: config.app_secret.clone(),
            clock,
            wishes: Arc::default(),
        }
    }

    async fn discover(&self) -> Result<Endpoint, OpenError> {
        if let Some(after_ms) = self.wishes.begin(self.clock.now()) {
            return Err(OpenError::Unavailable {
                reason: "the platform wishes a longer wait between tries".to_owned(),
                after_ms: Some(after_ms),
            });
        }
        let Found { url, service, config } =
            discovery::ask(&self.http, &self.base, &self.app_id, &self.app_secret).await?;
        self.wishes.found(service, config);
        Ok(Endpoint {
            url,
            headers: Vec::new(),
        })
    }
}

impl Link for Stream {
    fn spec(&self) -> LinkSpec {
        LinkSpec {
            name: "long_connection",
            exclusive: false,
            hosts: self.hosts.clone(),
            loopback: self.loopback,
            quiet_ms: QUIET_MS,
            rotate_ms: ROTATE_MS,
            max_frame: MAX_FRAME,
        }
    }

    fn open<'a>(&'a self) -> BoxFuture<'a, Result<Endpoint, OpenError>> {
        Box::pin(self.discover())
    }

    fn not_upgraded(&self, status: u16, headers: &[(&str, &str)]) -> OpenError {
        discovery::handshake(status, |name| {
            headers.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
        })
    }

    fn session(&self, _now: Timestamp) -> Box<dyn LinkSession> {
        Box::new(Session::new(self.door.clone(), self.wishes.clone()))
    }
}

/// What the platform said last, and how it went: shared by the connections of one app.
#[derive(Debug, Default)]
pub struct Wishes {
    inner: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    /// `service_id` of the newest address.
    service: i32,
    config: Option<ClientConfig>,
    /// Tries since a connection last worked.
    tries: u32,
    last_try: Option<Timestamp>,
}

impl Wishes {
    fn lock(&self) -> MutexGuard<'_, Told> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a try, or says how many milliseconds it is too early: after three failures the
    /// platform's own interval counts, once it has named one.
    fn begin(&self, now: Timestamp) -> Option<u64> {
        let mut told = self.lock();
        if let (Some(config), Some(last)) = (told.config, told.last_try)
            && told.tries >= OWN_TRIES
        {
            let interval = config.reconnect_interval.saturating_mul(1000).clamp(0, LONGEST_WISH_MS);
            let passed = now.0.saturating_sub(last.0);
            // A clock that was set back must not make it wait longer.
            if (0..interval).contains(&passed) {
                return u64::try_from(interval - passed).ok();
            }
        }
        told.tries = told.tries.saturating_add(1);
        told.last_try = Some(now);
        None
    }

    fn found(&self, service: i32, config: Option<ClientConfig>) {
        let mut told = self.lock();
        told.service = service;
        told.config = config.or(told.config);
    }

    fn told(&self, config: ClientConfig) {
        self.lock().config = Some(config);
    }

    fn connected(&self) {
        self.lock().tries = 0;
    }

    /// `service_id` and the wished seconds between pings.
    fn for_session(&self) -> (i32, i64) {
        let told = self.lock();
        (told.service, told.config.unwrap_or_default().ping_interval)
    }
}

#[cfg(test)]
mod tests;
