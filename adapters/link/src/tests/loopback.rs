//! Real sockets: the HTTP upgrade, and the simulators' side of long connections.

use super::*;
use crate::HttpTransport;
use axum::Router;
use axum::extract::ws::{Message as SimMessage, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{any, get};
use hutong_simkit::ladder::Answer;
use hutong_simkit::server::{Bound, Served};
use hutong_simkit::sockets::{Hub, Reply, SocketHandle, SocketProtocol};
use hutong_simkit::{Fault, FaultKind};

/// The server's half of the made-up protocol.
struct Toy;

impl SocketProtocol for Toy {
    fn opened(&mut self, _: &SocketHandle) -> Vec<Reply> {
        vec![Reply::Ready, Reply::Send("hello".into())]
    }
    fn frame(&mut self, _: &SocketHandle, message: SimMessage) -> Vec<Reply> {
        let SimMessage::Text(text) = message else {
            return Vec::new();
        };
        match text.split_once(' ') {
            Some(("ack", key)) => vec![Reply::Acked {
                key: key.to_owned(),
                answer: Answer {
                    status: 200,
                    body: Vec::new(),
                },
            }],
            _ => Vec::new(),
        }
    }
    fn announces(&self) -> bool {
        true
    }
    fn announce(&mut self) -> Vec<Reply> {
        vec![
            Reply::Send("bye 10000".into()),
            Reply::CutIn(Duration::from_millis(300)),
        ]
    }
}

/// As [`FakeLink`], with an endpoint of one's choice.
struct At {
    world: Arc<World>,
    url: String,
}

impl Link for At {
    fn spec(&self) -> LinkSpec {
        self.world.spec.clone()
    }
    fn open<'a>(&'a self) -> BoxFuture<'a, Result<Endpoint, OpenError>> {
        Box::pin(async {
            Ok(Endpoint {
                url: Secret::new(self.url.clone()),
                headers: vec![("x-ticket", Secret::new("t1"))],
            })
        })
    }
    fn session(&self, _: Timestamp) -> Box<dyn LinkSession> {
        Box::new(FakeSession::default())
    }
}

fn start(world: &Arc<World>, url: String) -> Running {
    let cancel = CancellationToken::new();
    let host = Arc::new(Program {
        world: world.clone(),
        lease: None,
    });
    let task = tokio::spawn(run(
        Arc::new(At {
            world: world.clone(),
            url,
        }),
        host,
        Arc::new(HttpTransport::new().unwrap()),
        Arc::new(TimerClock::starting(Timestamp(0))),
        Options {
            backoff: (Duration::from_millis(20), Duration::from_millis(100)),
            retire: Duration::from_millis(500),
            ..Options::default()
        },
        cancel.clone(),
    ));
    Running { task, cancel }
}

async fn platform() -> (Served, Hub) {
    let bound = Bound::bind(0).await.unwrap();
    let hub = Hub::new(1, bound.stop_token());
    let h = hub.clone();
    let router = Router::new()
        .route(
            "/ws",
            any(move |headers: HeaderMap, ws: WebSocketUpgrade| async move {
                assert_eq!(headers["x-ticket"], "t1");
                ws.on_upgrade(move |socket| async move { h.serve("bot", socket, Toy).await })
            }),
        )
        .route("/forbidden", get(|| async { StatusCode::FORBIDDEN }))
        .route("/busy", get(|| async { StatusCode::SERVICE_UNAVAILABLE }))
        .route("/plain", get(|| async { "hello" }))
        .route(
            "/elsewhere",
            get(|| async { (StatusCode::FOUND, [("location", "/ws")]) }),
        );
    (bound.serve(router), hub)
}

fn ws(served: &Served, path: &str) -> String {
    format!("ws://{}{path}", served.addr())
}

const LIMIT: Duration = Duration::from_secs(5);

async fn push(hub: &Hub, key: &str) -> Result<Answer, String> {
    assert!(hub.wait_live("bot", 1, LIMIT).await, "connected");
    let (frame, key) = (format!("event {key}"), key.to_owned());
    hub.carry("bot", Duration::from_secs(2), |_| (vec![frame.into()], key))
        .await
        .expect("a connection")
}

fn fault(kind: FaultKind) -> Fault {
    Fault {
        path: String::new(),
        callbacks: false,
        times: 1,
        kind,
    }
}

#[tokio::test]
async fn through_a_real_upgrade_with_every_fault() {
    let (served, hub) = platform().await;
    let world = World::new(LinkSpec {
        quiet_ms: 600,
        ..spec()
    });
    let running = start(&world, ws(&served, "/ws"));
    assert_eq!(push(&hub, "first").await.unwrap().status, 200);
    assert!(
        world.committed.lock().unwrap().contains("first"),
        "committed before the answer"
    );

    // Quiet for a while: pings keep it alive.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(hub.opened(), 1);

    assert_eq!(hub.fault(&fault(FaultKind::DropLink)), Some(1));
    world.until("after a cut", LIMIT, |w| w.ready() == 2).await;
    assert!(push(&hub, "second").await.is_ok());

    assert_eq!(hub.fault(&fault(FaultKind::MuteLink)), Some(1));
    world.until("after silence", LIMIT, |w| w.ready() == 3).await;
    assert_eq!(
        hub.fault(&fault(FaultKind::DropLink)),
        Some(2),
        "the mute one and the new one"
    );
    world.until("again", LIMIT, |w| w.ready() == 4).await;

    assert_eq!(hub.fault(&fault(FaultKind::AnnounceLink)), Some(1));
    assert!(push(&hub, "third").await.is_ok());
    world.until("replaced", LIMIT, |w| w.ready() == 5).await;
    assert_eq!(world.count(|n| *n == LinkNote::Replacing), 1);
    running.stop().await;
    assert!(hub.live().is_empty());
    served.stop().await;
}

#[tokio::test]
async fn no_upgrade_is_an_answer_with_a_meaning() {
    let (served, _) = platform().await;
    for (path, refused, says) in [
        ("/forbidden", true, "403"),
        ("/busy", false, "503"),
        ("/plain", false, "200"),
        ("/elsewhere", false, "302"),
        ("/missing", false, "404"),
    ] {
        let world = World::new(spec());
        let running = start(&world, ws(&served, path));
        world.until(path, LIMIT, |w| w.notes().len() >= 2).await;
        let (_, note) = world.notes().remove(1);
        match note {
            LinkNote::Refused { code, .. } => assert!(refused && code == says, "{path}: {code}"),
            LinkNote::Lost { reason, .. } => assert!(!refused && reason.contains(says), "{path}: {reason}"),
            other => panic!("{path}: {other:?}"),
        }
        running.stop().await;
    }
    // Nothing is sent to where the platform cannot be.
    let world = World::new(LinkSpec {
        loopback: false,
        ..spec()
    });
    let running = start(&world, ws(&served, "/ws"));
    world.until("not allowed", LIMIT, |w| w.notes().len() >= 2).await;
    assert!(matches!(&world.notes()[1].1, LinkNote::Refused { code, .. } if code == "endpoint"));
    running.stop().await;
    served.stop().await;
}

/// Answers the upgrade as a cache would, that has once seen somebody else's.
#[tokio::test]
async fn the_accept_key_is_checked() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut head = vec![0; 4096];
        let read = socket.read(&mut head).await.unwrap();
        let head = String::from_utf8_lossy(&head[..read]).to_ascii_lowercase();
        let answer = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        socket.write_all(answer.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest).await;
        (head, rest)
    });
    let world = World::new(spec());
    let running = start(&world, url);
    world
        .until("refused", LIMIT, |w| {
            w.count(|n| matches!(n, LinkNote::Lost { reason, .. } if reason.contains("accept key"))) == 1
        })
        .await;
    running.stop().await;
    let (head, rest) = server.await.unwrap();
    assert!(head.starts_with("get / http/1.1\r\n") && head.contains("sec-websocket-version: 13"));
    assert!(rest.is_empty(), "not one frame was sent");
}
