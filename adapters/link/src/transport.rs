//! From an endpoint to an open socket: the allowlist, and the upgrade through an HTTP client, so that
//! proxies, trust roots and timeouts are the same as for all other calls.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hutong_model::{BoxFuture, Endpoint, LinkSpec};
use reqwest::header::{self, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// A socket after the upgrade.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Why there is no socket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The endpoint is not where this platform's endpoints are: nothing was sent.
    #[error("the endpoint is not allowed: {0}")]
    NotAllowed(&'static str),
    /// Not 101; [`hutong_model::Link::not_upgraded`] says what it means.
    #[error("the endpoint answered {status}")]
    Status {
        status: u16,
        headers: Vec<(String, String)>,
    },
    #[error("{0}")]
    Failed(String),
}

/// Opens sockets.
pub trait Transport: Send + Sync {
    fn connect<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        spec: &'a LinkSpec,
    ) -> BoxFuture<'a, Result<Box<dyn Io>, ConnectError>>;
}

/// Whether an endpoint may be connected to, and its parsed form. `wss` to a host of the platform;
/// only for an app whose base URL is loopback, `ws` or `wss` to loopback and nothing else.
pub fn allowed(url: &str, spec: &LinkSpec) -> Result<Url, &'static str> {
    let url = Url::parse(url).map_err(|_| "not a URL")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a URL with a password");
    }
    let host = url.host_str().ok_or("no host")?.to_ascii_lowercase();
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    let local = address.is_some_and(|a| a.is_loopback()) || host == "localhost";
    match (spec.loopback, url.scheme()) {
        (true, "ws" | "wss") if local => return Ok(url),
        (true, "ws" | "wss") => return Err("not on this machine, as the app's base URL is"),
        (false, "wss") => {}
        (false, "ws") => return Err("not encrypted"),
        _ => return Err("not a WebSocket"),
    }
    if address.is_some() {
        return Err("an address instead of a host of the platform");
    }
    let host = host.trim_end_matches('.');
    let of_platform = spec.hosts.iter().any(|suffix| {
        host == suffix
            || host
                .strip_suffix(suffix.as_str())
                .is_some_and(|rest| rest.ends_with('.') && !suffix.is_empty())
    });
    if of_platform {
        Ok(url)
    } else {
        Err("not a host of the platform")
    }
}

#[derive(Debug, thiserror::Error)]
#[error("cannot make an HTTP client: {0}")]
pub struct TransportError(String);

/// The real one: an HTTP/1.1 upgrade. Proxies of the environment are used, except to loopback.
#[derive(Debug, Clone)]
pub struct HttpTransport {
    outside: Client,
    local: Client,
}

impl HttpTransport {
    pub fn new() -> Result<Self, TransportError> {
        // The error says that a provider is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = || {
            Client::builder()
                // Otherwise ALPN may choose h2, where there is no upgrade.
                .http1_only()
                .redirect(Policy::none())
                .connect_timeout(Duration::from_secs(5))
                .tcp_keepalive(Duration::from_secs(30))
                .pool_max_idle_per_host(0)
        };
        let made = |b: reqwest::ClientBuilder| b.build().map_err(|e| TransportError(e.to_string()));
        Ok(Self {
            outside: made(builder())?,
            local: made(builder().no_proxy().tls_certs_only([]))?,
        })
    }

    async fn upgrade(&self, endpoint: &Endpoint, spec: &LinkSpec) -> Result<Box<dyn Io>, ConnectError> {
        let mut url = allowed(endpoint.url.expose(), spec).map_err(ConnectError::NotAllowed)?;
        let scheme = if url.scheme() == "wss" { "https" } else { "http" };
        url.set_scheme(scheme)
            .map_err(|()| ConnectError::NotAllowed("not a WebSocket"))?;
        let key = STANDARD.encode(rand::random::<[u8; 16]>());
        let client = if spec.loopback { &self.local } else { &self.outside };
        let mut request = client
            .get(url)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, &key);
        for (name, value) in &endpoint.headers {
            let mut value = HeaderValue::from_str(value.expose())
                .map_err(|_| ConnectError::Failed(format!("the header {name} cannot be sent")))?;
            value.set_sensitive(true);
            request = request.header(*name, value);
        }
        let answer = request.send().await.map_err(plain)?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            let headers = answer
                .headers()
                .iter()
                .filter_map(|(n, v)| Some((n.as_str().to_owned(), v.to_str().ok()?.to_owned())))
                .collect();
            return Err(ConnectError::Status {
                status: answer.status().as_u16(),
                headers,
            });
        }
        let said = |name| answer.headers().get(name).and_then(|v: &HeaderValue| v.to_str().ok());
        if !said(header::UPGRADE).is_some_and(|u| u.eq_ignore_ascii_case("websocket")) {
            return Err(ConnectError::Failed(
                "it was upgraded to something else than WebSocket".into(),
            ));
        }
        // RFC 6455 4.1: whoever answers must have understood this very request (not a cache).
        if said(header::SEC_WEBSOCKET_ACCEPT).map(str::trim) != Some(derive_accept_key(key.as_bytes()).as_str()) {
            return Err(ConnectError::Failed("the accept key of the upgrade is wrong".into()));
        }
        let socket = answer.upgrade().await.map_err(plain)?;
        Ok(Box::new(socket))
    }
}

impl Transport for HttpTransport {
    fn connect<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        spec: &'a LinkSpec,
    ) -> BoxFuture<'a, Result<Box<dyn Io>, ConnectError>> {
        Box::pin(self.upgrade(endpoint, spec))
    }
}

/// The error without the URL, whose query carries the ticket.
fn plain(error: reqwest::Error) -> ConnectError {
    let what = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "cannot connect"
    } else {
        "no complete answer"
    };
    let mut text = format!("{what}: {}", error.without_url());
    text.truncate(text.floor_char_boundary(200));
    ConnectError::Failed(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(loopback: bool) -> LinkSpec {
        LinkSpec {
            name: "test",
            exclusive: false,
            hosts: vec!["feishu.cn".into(), "dingtalk.com".into()],
            loopback,
            quiet_ms: 70_000,
            rotate_ms: 0,
            max_frame: 1 << 20,
        }
    }

    #[test]
    fn only_hosts_of_the_platform_and_only_encrypted() {
        for good in [
            "wss://feishu.cn/x",
            "wss://msg-frontier.feishu.cn/ws/v2?ticket=1",
            "wss://A.B.FEISHU.CN:443/",
            "wss://wss-open-connection.dingtalk.com/connect",
            "wss://feishu.cn./x",
        ] {
            assert!(allowed(good, &spec(false)).is_ok(), "{good}");
        }
        for bad in [
            "ws://feishu.cn/x",
            "https://feishu.cn/x",
            "wss://evilfeishu.cn/x",
            "wss://feishu.cn.evil.com/",
            "wss://evil.com/feishu.cn",
            "wss://feishu.cn@evil.com/",
            "wss://user:pw@feishu.cn/",
            "wss://10.0.0.8/",
            "wss://127.0.0.1/",
            "wss://[::1]/",
            "wss://localhost/",
            "wss://0x7f000001/",
            "feishu.cn",
            "",
        ] {
            assert!(allowed(bad, &spec(false)).is_err(), "{bad}");
        }
        for good in [
            "ws://127.0.0.1:80/x",
            "ws://localhost:1/",
            "ws://[::1]:7/",
            "wss://127.9.9.9/",
        ] {
            assert!(allowed(good, &spec(true)).is_ok(), "{good}");
        }
        for bad in [
            "wss://feishu.cn/",
            "ws://10.0.0.8/",
            "http://127.0.0.1/",
            "ws://localhost.evil.com/",
        ] {
            assert!(allowed(bad, &spec(true)).is_err(), "{bad}");
        }
        let none = LinkSpec {
            hosts: vec![String::new()],
            ..spec(false)
        };
        assert!(
            allowed("wss://evil.com/", &none).is_err(),
            "an empty suffix allows nothing"
        );
    }
}
