//! Serving a simulator on loopback, and ending it.
//!
//! ```ignore
//! let bound = Bound::bind(0).await?;               // the address is known before the router is made
//! let state = Arc::new(State::new(bound.base_url()));
//! let router = wire::router(state.clone()).merge(control::router(sim, bound.stop_token()));
//! let served = bound.serve(router);                // keep it: dropping it ends the server
//! ```
//!
//! Keep [`Served`] outside of everything that the router holds an `Arc` to, or neither is ever
//! dropped.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long an ending server waits for answers that are under way.
const DRAIN: Duration = Duration::from_secs(2);

/// A loopback address that is taken and not served yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    stop: CancellationToken,
}

impl Bound {
    /// Takes `127.0.0.1:port`; 0 lets the system choose. Fails when the port is taken.
    pub async fn bind(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        Ok(Self {
            listener,
            address,
            stop: CancellationToken::new(),
        })
    }

    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Cancelled when the server is to end: endless answers (server-sent events) must end with it.
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Serves until [`Served::stop`] or until the returned value is dropped.
    pub fn serve(self, router: Router) -> Served {
        let stop = self.stop.clone();
        let task = tokio::spawn(async move {
            let served = axum::serve(self.listener, router).with_graceful_shutdown(stop.cancelled_owned());
            if let Err(error) = served.await {
                tracing::warn!(%error, "a simulator has ended");
            }
        });
        Served {
            address: self.address,
            stop: self.stop,
            task: Some(task),
        }
    }
}

/// A server that is running.
#[derive(Debug)]
pub struct Served {
    address: SocketAddr,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Served {
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Takes no new requests and waits for those under way, two seconds at most.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(mut task) = self.task.take()
            && tokio::time::timeout(DRAIN, &mut task).await.is_err()
        {
            task.abort();
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;

    #[tokio::test]
    async fn a_dropped_server_frees_its_port() {
        let served = Bound::bind(0)
            .await
            .unwrap()
            .serve(Router::new().route("/", get(|| async { "ok" })));
        let port = served.addr().port();
        assert!(Bound::bind(port).await.is_err(), "taken while it runs");
        drop(served);
        for _ in 0..50 {
            if Bound::bind(port).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("port {port} is still taken");
    }

    #[tokio::test]
    async fn stopping_waits_for_the_answer_under_way() {
        let router = Router::new().route(
            "/slow",
            get(|| async {
                tokio::time::sleep(Duration::from_millis(150)).await;
                "done"
            }),
        );
        let served = Bound::bind(0).await.unwrap().serve(router);
        let client = crate::ladder::loopback_client(Duration::from_secs(2)).unwrap();
        let url = format!("{}/slow", served.base_url());
        let asked = tokio::spawn(async move { client.get(url).send().await.unwrap().text().await.unwrap() });
        tokio::time::sleep(Duration::from_millis(50)).await;
        served.stop().await;
        assert_eq!(asked.await.unwrap(), "done");
    }
}
