//! An HTTP/1.1 server that does not wait for slow clients: deadlines for header, body and the whole
//! request, caps on connections, and a stop that lets requests in flight finish.
//!
//! `axum::serve` has none of the deadlines: partial headers and stalled bodies stay open for ever.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// How much a client may ask of the server.
#[derive(Debug, Clone)]
pub struct Limits {
    pub connections: usize,
    /// Per client address; not for loopback, where a proxy stands for many.
    pub per_client: usize,
    pub header: Duration,
    /// From the end of the headers to the answer. Pages that stream are not cut: it ends when the
    /// answer begins.
    pub request: Duration,
    /// How long requests in flight may take after the stop.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            per_client: 32,
            header: Duration::from_secs(10),
            request: Duration::from_secs(15),
            drain: Duration::from_secs(10),
        }
    }
}

/// Who is at the other end of the connection: a client, or the proxy in front of us.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Serves until cancelled, then until the requests in flight are answered or the drain time is over.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, cancel: CancellationToken) {
    let clients = Clients {
        limits: limits.clone(),
        open: Arc::default(),
    };
    let tracker = tokio_util::task::TaskTracker::new();
    loop {
        let (stream, address) = tokio::select! {
            () = cancel.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, for example: give the others time to end.
                    tracing::warn!(%error, "ingress.accept failed");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let Some(ticket) = clients.enter(address) else { continue };
        let _ = stream.set_nodelay(true);
        let (router, limits, cancel) = (router.clone(), limits.clone(), cancel.clone());
        tracker.spawn(async move {
            let _ticket = ticket;
            let deadline = limits.request;
            let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
                let router = router.clone();
                request.extensions_mut().insert(Peer(address));
                async move {
                    let answer = router.oneshot(request.map(Body::new));
                    match tokio::time::timeout(deadline, answer).await {
                        Ok(answer) => answer,
                        Err(_) => {
                            let mut late = Response::new(Body::empty());
                            *late.status_mut() = StatusCode::REQUEST_TIMEOUT;
                            Ok(late)
                        }
                    }
                }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits.header)
                .max_headers(100)
                .max_buf_size(64 * 1024)
                .serve_connection(TokioIo::new(stream), service);
            tokio::pin!(connection);
            let ended = tokio::select! {
                result = &mut connection => result,
                () = cancel.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    tokio::time::timeout(limits.drain, connection).await.unwrap_or(Ok(()))
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "ingress.connection ended");
            }
        });
    }
    drop(listener);
    tracker.close();
    let _ = tokio::time::timeout(limits.drain + Duration::from_secs(1), tracker.wait()).await;
}

#[derive(Clone)]
struct Clients {
    limits: Limits,
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

struct Ticket {
    clients: Clients,
    address: IpAddr,
}

impl Clients {
    fn enter(&self, address: SocketAddr) -> Option<Ticket> {
        let address = address.ip();
        let mut open = self.open.lock().unwrap_or_else(|e| e.into_inner());
        if open.total >= self.limits.connections {
            return None;
        }
        let own = open.by_address.entry(address).or_default();
        if *own >= self.limits.per_client && !address.is_loopback() {
            return None;
        }
        *own += 1;
        open.total += 1;
        Some(Ticket {
            clients: self.clone(),
            address,
        })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut open = self.clients.open.lock().unwrap_or_else(|e| e.into_inner());
        open.total = open.total.saturating_sub(1);
        if let Some(own) = open.by_address.get_mut(&self.address) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                open.by_address.remove(&self.address);
            }
        }
    }
}
