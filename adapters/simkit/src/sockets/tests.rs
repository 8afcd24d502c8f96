use super::*;
use crate::server::{Bound, Served};
use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::routing::any;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Wire;

/// Text frames: `ping` is answered with `pong`, `ack KEY` acknowledges, `bye` is closed.
struct Toy;

impl SocketProtocol for Toy {
    fn frame(&mut self, _: &SocketHandle, message: Message) -> Vec<Reply> {
        let Message::Text(text) = message else {
            return vec![Reply::Cut];
        };
        match text.split_once(' ') {
            Some(("ack", key)) => vec![Reply::Acked {
                key: key.to_owned(),
                answer: Answer {
                    status: 200,
                    body: b"thanks".to_vec(),
                },
            }],
            _ if text == "ping" => vec![Reply::Send("pong".into())],
            _ => vec![Reply::Close {
                code: 4000,
                reason: text.to_string(),
            }],
        }
    }
    fn announces(&self) -> bool {
        true
    }
    fn announce(&mut self) -> Vec<Reply> {
        vec![
            Reply::Send("disconnect".into()),
            Reply::CutIn(Duration::from_millis(100)),
        ]
    }
    fn evicts(&self) -> bool {
        true
    }
    fn evict(&mut self) -> Vec<Reply> {
        vec![
            Reply::Send("taken over".into()),
            Reply::Close {
                code: 4001,
                reason: String::new(),
            },
        ]
    }
}

type Client = WebSocketStream<TcpStream>;

async fn platform() -> (Served, Hub) {
    let bound = Bound::bind(0).await.unwrap();
    let hub = Hub::new(7, bound.stop_token());
    let h = hub.clone();
    let router = Router::new().route(
        "/ws",
        any(move |ws: WebSocketUpgrade| async move {
            ws.on_upgrade(move |socket| async move { h.serve("bot", socket, Toy).await })
        }),
    );
    (bound.serve(router), hub)
}

async fn client(served: &Served) -> Client {
    let stream = TcpStream::connect(served.addr()).await.unwrap();
    let url = format!("ws://{}/ws", served.addr());
    tokio_tungstenite::client_async(url, stream).await.unwrap().0
}

/// The next message that is not a control frame; `None` at the end or after half a second.
async fn next(client: &mut Client) -> Option<Wire> {
    loop {
        let message = tokio::time::timeout(Duration::from_millis(500), client.next())
            .await
            .ok()??;
        match message.ok()? {
            Wire::Ping(_) | Wire::Pong(_) => {}
            other => return Some(other),
        }
    }
}

/// Waits for the pong of a WebSocket ping.
async fn ponged(client: &mut Client) -> bool {
    client.send(Wire::Ping("x".into())).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_millis(300), async {
        while let Some(Ok(message)) = client.next().await {
            if matches!(message, Wire::Pong(_)) {
                return true;
            }
        }
        false
    });
    waited.await.unwrap_or(false)
}

fn fault(kind: FaultKind) -> Fault {
    Fault {
        path: String::new(),
        callbacks: false,
        times: 1,
        kind,
    }
}

const SOON: Duration = Duration::from_millis(300);
const LIMIT: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_push_returns_with_its_acknowledgement() {
    let (served, hub) = platform().await;
    assert!(hub.pick("bot").is_none());
    assert!(hub.carry("bot", SOON, |_| (vec![], String::new())).await.is_none());
    let mut bot = client(&served).await;
    assert!(hub.wait_live("bot", 1, LIMIT).await);
    assert_eq!(hub.live(), [("bot".to_owned(), 1)]);

    let answers = tokio::spawn(async move {
        assert_eq!(next(&mut bot).await, Some(Wire::text("part 1")));
        assert_eq!(next(&mut bot).await, Some(Wire::text("part 2")));
        bot.send(Wire::text("ack other")).await.unwrap();
        bot.send(Wire::text("ack k1")).await.unwrap();
        assert_eq!(next(&mut bot).await, Some(Wire::text("unanswered")));
        bot
    });
    let push = |frames: Vec<Message>, key: &'static str| {
        let hub = hub.clone();
        async move { hub.carry("bot", SOON, |_| (frames, key.to_owned())).await.unwrap() }
    };
    let answer = push(vec!["part 1".into(), "part 2".into()], "k1").await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"thanks"[..]));
    let why = push(vec!["unanswered".into()], "k2").await.unwrap_err();
    assert_eq!(why, "no acknowledgement in time");

    // The client goes: the waiting push learns it at once, and the hub forgets the connection.
    let bot = answers.await.unwrap();
    let begin = std::time::Instant::now();
    let handle = hub.pick("bot").unwrap();
    let (pushed, ()) = tokio::join!(handle.push(vec!["x".into()], "k3", LIMIT), async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(bot);
    });
    assert_eq!(pushed.unwrap_err(), "the connection ended before the acknowledgement");
    assert!(begin.elapsed() < Duration::from_secs(2));
    assert!(hub.pick("bot").is_none() && hub.handles("bot").is_empty());
    assert!(handle.push(vec!["x".into()], "k4", LIMIT).await.is_err());
    served.stop().await;
}

#[tokio::test]
async fn callbacks_are_spread_over_the_connections() {
    let (served, hub) = platform().await;
    let clients = [client(&served).await, client(&served).await, client(&served).await];
    assert!(hub.wait_live("bot", 3, LIMIT).await);
    let mut counts: BTreeMap<u64, u32> = BTreeMap::new();
    for _ in 0..300 {
        *counts.entry(hub.pick("bot").unwrap().id()).or_default() += 1;
    }
    assert_eq!(counts.len(), 3);
    assert!(counts.values().all(|n| *n > 60), "{counts:?}");
    let third = hub.pick_where("bot", |h| h.id() == 3).unwrap();
    assert_eq!(third.id(), 3);
    assert!(hub.pick("other").is_none());
    drop(clients);
    served.stop().await;
}

#[tokio::test]
async fn a_mute_connection_is_open_and_silent() {
    let (served, hub) = platform().await;
    let mut bot = client(&served).await;
    assert!(hub.wait_live("bot", 1, LIMIT).await);
    assert!(ponged(&mut bot).await);
    assert_eq!(hub.fault(&fault(FaultKind::MuteLink)), Some(1));
    assert!(!ponged(&mut bot).await, "no pong");
    bot.send(Wire::text("ping")).await.unwrap();
    assert_eq!(next(&mut bot).await, None, "no answer of the application");
    // The platform does not know it: what it pushes is lost.
    let handle = hub.pick("bot").unwrap();
    assert_eq!(handle.state(), SocketState::Mute);
    assert!(handle.push(vec!["x".into()], "k", SOON).await.is_err());
    assert_eq!(next(&mut bot).await, None);
    assert!(hub.live().is_empty(), "it does not count as working");
    assert_eq!(hub.fault(&fault(FaultKind::DropLink)), Some(1));
    assert!(
        matches!(bot.next().await, None | Some(Err(_))),
        "cut without a close frame"
    );
    served.stop().await;
}

#[tokio::test]
async fn a_zombie_answers_pings_and_delivers_nothing() {
    let (served, hub) = platform().await;
    let mut bot = client(&served).await;
    assert!(hub.wait_live("bot", 1, LIMIT).await);
    assert_eq!(hub.fault(&fault(FaultKind::ZombieLink)), Some(1));
    assert!(ponged(&mut bot).await);
    bot.send(Wire::text("ping")).await.unwrap();
    assert_eq!(next(&mut bot).await, Some(Wire::text("pong")));
    let handle = hub.pick("bot").unwrap();
    assert!(handle.push(vec!["x".into()], "k", SOON).await.is_err());
    assert_eq!(next(&mut bot).await, None);
    served.stop().await;
}

#[tokio::test]
async fn ends_come_abruptly_announced_by_eviction_and_in_order() {
    let (served, hub) = platform().await;
    let mut bot = client(&served).await;
    assert!(hub.wait_live("bot", 1, LIMIT).await);
    assert_eq!(hub.fault(&fault(FaultKind::DropLink)), Some(1));
    assert!(matches!(bot.next().await, None | Some(Err(_))));

    let mut bot = client(&served).await;
    assert!(hub.wait_live("bot", 1, LIMIT).await);
    assert_eq!(hub.fault(&fault(FaultKind::AnnounceLink)), Some(1));
    assert!(hub.pick("bot").is_none(), "nothing is pushed any more");
    assert_eq!(next(&mut bot).await, Some(Wire::text("disconnect")));
    bot.send(Wire::text("ping")).await.unwrap();
    assert_eq!(
        next(&mut bot).await,
        Some(Wire::text("pong")),
        "it is read until the end"
    );
    assert!(matches!(bot.next().await, None | Some(Err(_))));

    let mut bot = client(&served).await;
    assert!(hub.wait_live("bot", 1, LIMIT).await);
    let only_others = Fault {
        path: "other".into(),
        ..fault(FaultKind::EvictLink)
    };
    assert_eq!(hub.fault(&only_others), Some(0));
    assert_eq!(hub.fault(&fault(FaultKind::EvictLink)), Some(1));
    assert_eq!(next(&mut bot).await, Some(Wire::text("taken over")));
    assert!(matches!(next(&mut bot).await, Some(Wire::Close(Some(f))) if u16::from(f.code) == 4001));

    let mut bot = client(&served).await;
    bot.send(Wire::text("bye")).await.unwrap();
    assert!(matches!(next(&mut bot).await, Some(Wire::Close(Some(f))) if f.reason == "bye"));
    assert_eq!(hub.opened(), 4);
    assert_eq!(hub.fault(&fault(FaultKind::Cut)), None, "not a fault of connections");
    served.stop().await;
}

#[tokio::test]
async fn connections_end_with_the_server() {
    let (served, hub) = platform().await;
    let mut bot = client(&served).await;
    assert!(hub.wait_live("bot", 1, LIMIT).await);
    served.stop().await;
    assert!(matches!(next(&mut bot).await, Some(Wire::Close(Some(f))) if u16::from(f.code) == 1001));
    assert!(next(&mut bot).await.is_none());
    assert!(!hub.wait_live("bot", 1, Duration::from_millis(50)).await);
}
