//! Stream mode: the platform's long connection (`protocols/dingtalk.md`, section 4).
//!
//! A call with the app's credentials gives an address and a ticket ([`open`]); the WebSocket then
//! brings JSON frames ([`frame`]) whose data is what HTTP mode sends as a body; each is answered by
//! its kind once its events are stored ([`session`]). Everything that the bot says goes by the API, as
//! in HTTP mode.
//!
//! Several connections of one app may live; every push takes one of them, chosen at random (4.7). With
//! `connections = 2` a push that finds one connection at its announced end takes the other, so that hardly a
//! robot message falls between two connections.

mod frame;
mod open;
mod session;

use std::sync::Arc;

use hutong_model::{BoxFuture, Endpoint, Finding, FindingState, Link, LinkSession, LinkSpec, OpenError, Timestamp};
use serde_json::Value;

use crate::config::{Config, loopback};
use session::Session;

/// Robot messages: no part of the `EVENT *` subscription (4.1).
pub const ROBOT_TOPIC: &str = "/v1.0/im/bot/messages/get";
/// Messages that another robot has passed on. Not subscribed to; understood when they come.
pub const DELEGATE_TOPIC: &str = "/v1.0/im/bot/messages/delegate";
pub const CARD_TOPIC: &str = "/v1.0/card/instances/callback";

/// WebSocket pings are ours (the runner's); anything counts as a sign of life.
const QUIET_MS: u64 = 70_000;
const ROTATE_MS: u64 = 2 * 3_600_000;
/// Four times what the platform's own client takes (4.2).
const MAX_FRAME: usize = 1 << 20;

/// The long connection of one app.
pub struct Stream {
    config: Arc<Config>,
    client: reqwest::Client,
}

impl Stream {
    /// `client` has every timeout set and follows no redirects.
    pub fn new(config: Config, client: reqwest::Client) -> Self {
        Self {
            config: Arc::new(config),
            client,
        }
    }

    /// Whether a connection would be given. The ticket is thrown away.
    pub async fn diagnose(&self) -> Finding {
        match open::open(&self.client, &self.config).await {
            Ok(_) => Finding::new(
                "long_connection",
                FindingState::Good,
                "平台给出了 Stream 连接地址",
                "the platform gives an address for the Stream connection",
            ),
            Err(OpenError::Refused { code, text }) => Finding::new(
                "long_connection",
                FindingState::Missing,
                format!("Stream 连接被拒绝（{code}）：{text}"),
                format!("the Stream connection is refused ({code}): {text}"),
            ),
            Err(OpenError::Unavailable { reason, .. }) => Finding::new(
                "long_connection",
                FindingState::Missing,
                format!(
                    "连不上 Stream 网关（{reason}）：放行到 {} 和 wss-open-connection.dingtalk.com 的 443 端口",
                    self.config.api.host_str().unwrap_or("api.dingtalk.com")
                ),
                format!(
                    "no Stream gateway ({reason}): allow port 443 to {} and wss-open-connection.dingtalk.com",
                    self.config.api.host_str().unwrap_or("api.dingtalk.com")
                ),
            ),
        }
    }
}

impl Link for Stream {
    fn spec(&self) -> LinkSpec {
        let host = self.config.api.host_str().unwrap_or_default();
        let mut hosts = vec!["dingtalk.com".to_owned()];
        // The address outside of China, when the app is set to it.
        if host.ends_with(".dingtalk.io") {
            hosts.push("dingtalk.io".to_owned());
        }
        LinkSpec {
            name: "stream",
            exclusive: false,
            hosts,
            loopback: loopback(&self.config.api),
            quiet_ms: QUIET_MS,
            rotate_ms: ROTATE_MS,
            max_frame: MAX_FRAME,
        }
    }

    fn connections(&self) -> u32 {
        self.config.connections
    }

    fn open<'a>(&'a self) -> BoxFuture<'a, Result<Endpoint, OpenError>> {
        Box::pin(open::open(&self.client, &self.config))
    }

    fn session(&self, now: Timestamp) -> Box<dyn LinkSession> {
        Box::new(Session::new(self.config.clone(), now))
    }
}

/// Makes the press of a new card come over the connection. The choice is made for each card when it is
/// created (4.1): older ones go on calling the address that they were made with.
pub(crate) fn card_callback(body: &mut Value) {
    if let Some(body) = body.as_object_mut() {
        body.insert("callbackType".into(), "STREAM".into());
        body.remove("callbackRouteKey");
    }
}
