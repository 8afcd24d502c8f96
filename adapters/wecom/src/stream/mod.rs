//! The AI bot's long connection (长连接, document 101463): callbacks come and calls go over one
//! WebSocket, so that no address has to be reachable from outside.
//!
//! * [`frame`]: what stands on the wire.
//! * [`session`]: the state of one connection.
//! * [`outbound`]: requests on their way to it.
//! * [`calls`]: from an action to requests, and from their answers to an outcome.
//!
//! One connection per bot may live: the runner holds it under a lease, and a connection that was
//! taken over ([`CloseReason::Evicted`](hutong_model::CloseReason::Evicted)) is not fought for.

pub mod calls;
pub mod frame;
pub mod outbound;
pub mod session;

use std::sync::Arc;

use hutong_model::{BoxFuture, Endpoint, Link, LinkSession, LinkSpec, OpenError, Secret, Timestamp};
use url::Url;

use self::outbound::Outbound;
use self::session::Session;

/// Where the platform keeps long connections.
pub const WS_URL: &str = "wss://openws.work.weixin.qq.com";
/// The connection is open and not subscribed.
pub(crate) const NOT_SUBSCRIBED: i64 = 846_609;
/// Nothing received for so long: dead. Pings are answered every 30 s; two missed ones end the
/// connection after 65 s already.
const QUIET_MS: u64 = 68_000;
/// A connection that answers pings and delivers nothing looks like a quiet one, and no second one may
/// be opened beside it to compare: it is replaced at this age, with a gap of a moment.
const ROTATE_MS: u64 = 2 * 3600 * 1000;
/// Messages of people are small; files come as URLs.
const MAX_FRAME: usize = 1 << 20;

/// Who subscribes.
#[derive(Debug)]
pub struct Bot {
    /// The name that stands behind `@` in a group.
    pub name: String,
    pub bot_id: String,
    pub secret: Secret,
    pub welcome: Option<String>,
}

/// The link of one AI bot.
#[derive(Debug)]
pub struct BotLink {
    bot: Arc<Bot>,
    url: Url,
    loopback: bool,
    out: Arc<Outbound>,
}

impl BotLink {
    /// `url` was checked by [`crate::config`]. Calls travel through the returned link's
    /// [`BotLink::outbound`].
    pub fn new(bot: Bot, url: Url, loopback: bool) -> Self {
        Self {
            bot: Arc::new(bot),
            url,
            loopback,
            out: Arc::default(),
        }
    }

    pub fn outbound(&self) -> &Arc<Outbound> {
        &self.out
    }
}

impl Link for BotLink {
    fn spec(&self) -> LinkSpec {
        LinkSpec {
            name: "aibot",
            exclusive: true,
            hosts: vec!["weixin.qq.com".into()],
            loopback: self.loopback,
            quiet_ms: QUIET_MS,
            rotate_ms: ROTATE_MS,
            max_frame: MAX_FRAME,
        }
    }

    fn open<'a>(&'a self) -> BoxFuture<'a, Result<Endpoint, OpenError>> {
        // The address is fixed and carries no ticket; who we are is said in the first frame.
        let endpoint = Endpoint {
            url: Secret::new(self.url.as_str()),
            headers: vec![],
        };
        Box::pin(async move { Ok(endpoint) })
    }

    fn session(&self, now: Timestamp) -> Box<dyn LinkSession> {
        Box::new(Session::new(self.bot.clone(), self.out.clone(), now))
    }
}
