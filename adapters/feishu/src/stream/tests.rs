//! The session against recorded conversations of the official clients, and against nonsense.

use std::collections::HashSet;
use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hutong_model::{
    Adapter as _, AppId, Body, Build, CloseReason, CompanyId, Frame as Wire, ManualClock, Rejection, Settings, Step,
};
use hutong_model::{SettingValue, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::frame::Frame;
use super::*;
use crate::Feishu;

const NOW: Timestamp = Timestamp::from_secs(1_760_000_001);
const SERVICE: i32 = 33_554_678;
const PONG: &str = "0800100018f681801020002a0c0a04747970651204706f6e67";

fn settings() -> Settings {
    Settings::default()
        .with("app_id", SettingValue::Text("cli_a1b2c3d4e5f60718".into()))
        .with("app_secret", SettingValue::Secret(Secret::new("fake-app-secret-0001")))
        .with("receive", SettingValue::Text("long_connection".into()))
}

fn app(kind: &str, settings: Settings, clock: &ManualClock) -> Result<Feishu, Vec<hutong_model::KeyProblem>> {
    Feishu::new(&Build {
        app: AppId::new("fs").unwrap(),
        company: CompanyId::new("main").unwrap(),
        kind: kind.into(),
        settings,
        clock: Arc::new(clock.clone()),
    })
}

/// A stream that has been told where to connect, and its session.
fn session_with(extra: Settings) -> (Arc<Wishes>, Session) {
    let app = app("feishu", extra, &ManualClock::at(NOW)).unwrap();
    let stream = app.link.clone().unwrap();
    stream.wishes.found(SERVICE, None);
    let session = Session::new(stream.door.clone(), stream.wishes.clone());
    (stream.wishes.clone(), session)
}

/// One app for most tests: a client with its certificates is not made in no time.
fn session() -> Session {
    static STREAM: LazyLock<Arc<Stream>> =
        LazyLock::new(|| app("feishu", settings(), &ManualClock::at(NOW)).unwrap().link.unwrap());
    let wishes = Arc::new(Wishes::default());
    wishes.found(SERVICE, None);
    Session::new(STREAM.door.clone(), wishes)
}

fn vectors() -> &'static Value {
    static VECTORS: LazyLock<Value> =
        LazyLock::new(|| serde_json::from_str(include_str!("../../tests/vectors/ws_frames.json")).unwrap());
    &VECTORS
}

fn recorded(name: &str) -> Vec<u8> {
    let frames = vectors()["frames"].as_array().unwrap();
    let found = frames
        .iter()
        .find(|f| f["name"] == name)
        .unwrap_or_else(|| panic!("{name}"));
    hex::decode(found["hex"].as_str().unwrap()).unwrap()
}

fn later(ms: u64) -> Timestamp {
    NOW + Duration::from_millis(ms)
}

fn sent(step: &Step) -> Frame {
    match step {
        Step::Send(Wire::Binary(bytes)) => Frame::decode(bytes).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Code of a reply and the JSON inside.
fn told(frame: &Frame) -> (i64, Option<Value>) {
    let payload: Value = serde_json::from_slice(frame.payload.as_deref().unwrap()).unwrap();
    let data = payload["data"]
        .as_str()
        .map(|d| serde_json::from_slice(&STANDARD.decode(d).unwrap()).unwrap());
    (payload["code"].as_i64().unwrap(), data)
}

/// Feeds a frame of which one event must come; returns its receipt and the event.
fn event_of(session: &mut Session, bytes: Vec<u8>) -> (u64, hutong_model::Incoming) {
    let steps = session.received(Wire::Binary(bytes), NOW);
    let mut stores: Vec<_> = steps
        .into_iter()
        .filter_map(|s| match s {
            Step::Store { receipt, mut events } if events.len() == 1 => Some((receipt, events.remove(0))),
            Step::Ready => None,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(stores.len(), 1);
    stores.remove(0)
}

#[test]
fn the_setting_decides_and_no_key_is_needed_for_a_connection() {
    let clock = ManualClock::at(NOW);
    let with =
        |kind: &str, key: &str, value: &str| app(kind, settings().with(key, SettingValue::Text(value.into())), &clock);
    let feishu = app("feishu", settings(), &clock).unwrap();
    let spec = feishu.link().unwrap().spec();
    assert_eq!(
        (spec.hosts.as_slice(), spec.loopback, spec.exclusive),
        (["feishu.cn".to_owned()].as_slice(), false, false)
    );
    assert!(spec.quiet_ms <= 70_000 && spec.rotate_ms == 7_200_000);
    let lark = app("lark", settings(), &clock).unwrap().link().unwrap().spec();
    assert_eq!(lark.hosts, ["larksuite.com"]);
    let local = with("feishu", "base_url", "http://127.0.0.1:1")
        .unwrap()
        .link()
        .unwrap()
        .spec();
    assert!(local.loopback);

    let problems = with("feishu", "receive", "callback").err().unwrap();
    assert!(problems.iter().any(|p| p.key == "encrypt_key"), "{problems:?}");
    let problems = with("feishu", "receive", "carrier pigeon").err().unwrap();
    assert_eq!(problems.iter().map(|p| p.key).collect::<Vec<_>>(), ["receive"]);
    let both = settings()
        .with("receive", SettingValue::Text("callback".into()))
        .with("encrypt_key", SettingValue::Secret(Secret::new("k")));
    assert!(app("feishu", both, &clock).unwrap().link().is_none());

    // Without a key no callback is genuine, an address check included.
    let body = json!({ "challenge": "c", "token": "t", "type": "url_verification" }).to_string();
    let request = hutong_model::RawRequest {
        post: true,
        query: "",
        headers: &[],
        body: body.as_bytes(),
    };
    let received = feishu.receive(&request, NOW);
    assert_eq!(received, hutong_model::Received::Rejected(Rejection::BadSignature));
}

#[test]
fn pings_are_the_recorded_ones_and_a_silent_connection_is_given_up() {
    let mut session = session();
    assert_eq!(session.next_tick(), None);
    let steps = session.opened(NOW);
    assert_eq!(steps, [Step::Send(Wire::Binary(recorded("ping")))]);
    assert_eq!(session.next_tick(), Some(later(30_000)));
    assert_eq!(session.tick(later(29_999)), []);
    let pong = || Wire::Binary(hex::decode(PONG).unwrap());
    assert_eq!(session.received(pong(), later(100)), [Step::Ready]);
    assert_eq!(session.received(pong(), later(101)), [], "ready once");
    assert_eq!(
        session.tick(later(30_000)),
        [Step::Send(Wire::Binary(recorded("ping")))]
    );
    // From now on nothing comes.
    assert_eq!(session.tick(later(60_000)).len(), 1, "pings go on");
    assert_eq!(session.tick(later(64_999)), []);
    assert_eq!(session.next_tick(), Some(later(65_000)));
    let steps = session.tick(later(65_000));
    assert!(
        matches!(steps.as_slice(), [Step::Close(CloseReason::Failed(_))]),
        "{steps:?}"
    );
}

#[test]
fn anything_that_comes_keeps_the_connection_alive_and_wishes_are_adopted_at_once() {
    let (wishes, mut session) = session_with(settings());
    session.opened(NOW);
    let event = recorded("event_single");
    assert_eq!(session.received(Wire::Binary(event), later(20_000)).len(), 2);
    assert_eq!(session.tick(later(30_000)).len(), 1);
    assert_eq!(
        session.tick(later(36_000)),
        [],
        "the first ping was never answered, but an event came"
    );

    let pong = |ping: i64| {
        let config = json!({ "ReconnectCount": -1, "ReconnectInterval": 7, "ReconnectNonce": 1, "PingInterval": ping });
        let mut frame = Frame::decode(&hex::decode(PONG).unwrap()).unwrap();
        frame.payload = Some(config.to_string().into_bytes());
        Wire::Binary(frame.encode())
    };
    session.received(pong(5), later(40_000));
    assert_eq!(session.next_tick(), Some(later(45_000)));
    assert_eq!(wishes.lock().config.unwrap().reconnect_interval, 7);
    for wish in [120, 0, -1, i64::MAX] {
        session.received(pong(wish), later(41_000));
        assert_eq!(session.next_tick(), Some(later(71_000)), "{wish}: every 30 s at least");
    }
    session.received(Wire::Binary(recorded("pong_with_config")), later(42_000));
    assert_eq!(wishes.for_session(), (SERVICE, 120));
    let mut broken = Frame::decode(&hex::decode(PONG).unwrap()).unwrap();
    broken.payload = Some(b"{".to_vec());
    let steps = session.received(Wire::Binary(broken.encode()), later(43_000));
    assert_eq!(steps, [Step::Rejected(Rejection::Malformed)]);
}

#[test]
fn replies_are_the_recorded_ones_and_come_after_the_store_only() {
    let mut session = session();
    let (receipt, event) = event_of(&mut session, recorded("event_single"));
    assert!(matches!(event.body, Body::Message(_)));
    assert_eq!(
        session.stored(receipt, true, later(12)),
        [Step::Send(Wire::Binary(recorded("reply_ok")))]
    );
    assert_eq!(session.stored(receipt, true, later(13)), [], "one reply per message");
    assert_eq!(session.stored(99, true, later(13)), []);

    let (receipt, _) = event_of(&mut session, recorded("event_large_log_id"));
    let mut refusal = sent(&session.stored(receipt, false, later(12))[0]);
    assert_eq!(refusal.log_id, 7_000_000_000_000_000_001);
    assert_eq!(refusal.headers.pop().unwrap(), ("biz_rt".to_owned(), "12".to_owned()));
    let official = Frame::decode(&recorded("reply_error")).unwrap();
    assert_eq!(
        (&refusal.headers, &refusal.payload),
        (&official.headers, &official.payload)
    );

    // The reply to a click carries what the person sees; both kinds of frame are answered.
    for name in ["card_callback_as_event", "card_callback_as_card"] {
        let (receipt, event) = event_of(&mut session, recorded(name));
        assert!(matches!(event.body, Body::Click(_)), "{:?}", event.body);
        let reply = sent(&session.stored(receipt, true, later(8))[0]);
        assert_eq!(told(&reply), (200, Some(json!({}))));
        let received = Frame::decode(&recorded(name)).unwrap();
        assert_eq!(
            (reply.seq_id, reply.headers.len()),
            (received.seq_id, received.headers.len() + 1)
        );
    }
    let toast = r#"{"toast":{"type":"success","content":"已确认"}}"#;
    let click = Frame::decode(&recorded("card_callback_as_event")).unwrap();
    let payload = format!(r#"{{"code":200,"data":"{}"}}"#, STANDARD.encode(toast)).into_bytes();
    assert_eq!(click.reply(8, payload).encode(), recorded("reply_ok_with_data"));
}

#[test]
fn split_messages_are_joined_as_bytes_in_any_order() {
    let joined = vectors()["split_joined_payload_utf8"].as_str().unwrap().to_owned();
    let parts = [0, 1, 2].map(|n| recorded(&format!("event_split_{n}_of_3")));
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut session = session();
        for &n in &order[..2] {
            let steps = session.received(Wire::Binary(parts[n].clone()), NOW);
            assert!(steps.iter().all(|s| *s == Step::Ready), "{steps:?}");
        }
        let (receipt, event) = event_of(&mut session, parts[order[2]].clone());
        let Body::Message(message) = event.body else { panic!() };
        assert!(joined.contains(message.message.as_str()));
        let reply = sent(&session.stored(receipt, true, NOW)[0]);
        assert_eq!(
            reply.seq_id,
            2 + order[2] as u64,
            "the reply belongs to the frame that completed it"
        );
        assert_eq!(reply.header("seq"), Some(order[2].to_string().as_str()));
    }
    // A part too late starts a new set, which never completes.
    let mut session = session();
    session.received(Wire::Binary(parts[0].clone()), NOW);
    session.received(Wire::Binary(parts[1].clone()), NOW);
    assert_eq!(session.received(Wire::Binary(parts[2].clone()), later(10_000)), []);
}

#[test]
fn what_is_not_for_us_is_refused() {
    let other = settings().with("app_id", SettingValue::Text("cli_ffffffffffffffff".into()));
    let (_, mut session) = session_with(other);
    let steps = session.received(Wire::Binary(recorded("event_single")), NOW);
    assert_eq!(steps[1], Step::Rejected(Rejection::WrongApp));
    assert_eq!(told(&sent(&steps[2])), (500, None));

    let tenant = settings().with("tenant_key", SettingValue::Text("another".into()));
    let (_, mut session) = session_with(tenant);
    let steps = session.received(Wire::Binary(recorded("event_single")), NOW);
    assert_eq!(steps[1], Step::Rejected(Rejection::WrongApp));

    // The platform leaves the token empty here, so that it is not compared.
    let token = settings().with("verification_token", SettingValue::Secret(Secret::new("another")));
    let (_, mut session) = session_with(token);
    event_of(&mut session, recorded("event_single"));

    let with = |change: &dyn Fn(&mut Frame)| {
        let mut frame = Frame::decode(&recorded("event_single")).unwrap();
        change(&mut frame);
        Wire::Binary(frame.encode())
    };
    let set = |frame: &mut Frame, name: &str, value: &str| {
        for header in frame.headers.iter_mut().filter(|(n, _)| n == name) {
            header.1 = value.to_owned();
        }
    };
    let mut refused = |frame: Wire, expected: &[Rejection]| {
        let steps = session.received(frame, NOW);
        let seen: Vec<Rejection> = steps
            .iter()
            .filter_map(|s| match s {
                Step::Rejected(r) => Some(*r),
                Step::Store { .. } => panic!("stored"),
                _ => None,
            })
            .collect();
        assert_eq!(seen, expected);
        steps
            .into_iter()
            .filter(|s| matches!(s, Step::Send(_)))
            .collect::<Vec<_>>()
    };
    for bad in ["x", "-1", "1.5", "99999999999999999999999"] {
        refused(with(&|f| set(f, "sum", bad)), &[Rejection::Malformed]);
        refused(with(&|f| set(f, "seq", bad)), &[Rejection::Malformed]);
    }
    refused(with(&|f| set(f, "sum", "65")), &[Rejection::TooLarge]);
    refused(
        with(&|f| {
            set(f, "sum", "2");
            set(f, "message_id", "");
        }),
        &[Rejection::Malformed],
    );
    refused(Wire::Text("{}".to_owned()), &[Rejection::Malformed]);
    refused(Wire::Binary(vec![0xff; 9]), &[Rejection::Malformed]);
    refused(Wire::Binary(Vec::new()), &[Rejection::Malformed]);
    refused(with(&|f| f.method = 7), &[]);
    assert_eq!(
        refused(with(&|f| set(f, "type", "novelty")), &[]),
        [],
        "no reply to what is not known"
    );
    for payload in [&b"{"[..], b"\xff\xfe", b"[]"] {
        let steps = refused(with(&|f| f.payload = Some(payload.to_vec())), &[Rejection::Malformed]);
        assert_eq!(told(&sent(&steps[0])).0, 500);
    }
    let huge = vec![b' '; crate::verify::MAX_BODY + 1];
    refused(with(&|f| f.payload = Some(huge.clone())), &[Rejection::TooLarge]);
}

/// Whole conversations of the official clients, played to this session: what they stored it stores,
/// where they stayed silent or failed for want of a handler it answers.
#[test]
fn recorded_conversations() {
    for text in [
        include_str!("../../tests/vectors/ws_session_capture_python.json"),
        include_str!("../../tests/vectors/ws_session_capture_node.json"),
    ] {
        let capture: Value = serde_json::from_str(text).unwrap();
        let mut replies = capture["client_to_server_in_order"].as_array().unwrap().iter();
        let mut session = session();
        let ping = session.opened(NOW);
        assert_eq!(
            ping,
            [Step::Send(Wire::Binary(
                hex::decode(replies.next().unwrap()["hex"].as_str().unwrap()).unwrap()
            ))]
        );
        let (mut events, mut waiting) = (0, 0);
        for frame in capture["server_to_client_in_order"].as_array().unwrap() {
            let name = frame["name"].as_str().unwrap();
            let bytes = hex::decode(frame["hex"].as_str().unwrap()).unwrap();
            for step in session.received(Wire::Binary(bytes), NOW) {
                let Step::Store {
                    receipt,
                    events: stored,
                } = step
                else {
                    assert_eq!(step, Step::Ready, "{name}");
                    continue;
                };
                events += stored.len();
                let ours = sent(&session.stored(receipt, true, NOW)[0]);
                assert_eq!(told(&ours).0, 200, "{name}");
                let theirs = replies.next().unwrap();
                let Some(theirs) = theirs["hex"].as_str() else {
                    assert_eq!(name, "card_callback_as_card");
                    waiting += 1;
                    continue;
                };
                let theirs = Frame::decode(&hex::decode(theirs).unwrap()).unwrap();
                let plain = |f: &Frame| {
                    let mut headers = f.headers.clone();
                    headers.retain(|(n, _)| n != "biz_rt");
                    (f.seq_id, f.service, f.method, headers)
                };
                assert_eq!(plain(&ours), plain(&theirs), "{name}");
            }
        }
        assert_eq!((events, waiting, replies.next()), (6, 1, None));
    }
}

#[test]
fn after_three_failures_the_platforms_own_interval_counts() {
    let wishes = Wishes::default();
    for n in 0..10 {
        assert_eq!(wishes.begin(later(n)), None, "nothing was wished yet");
    }
    wishes.found(SERVICE, Some(ClientConfig::default()));
    assert_eq!(wishes.begin(later(1_009)), Some(119_000));
    assert_eq!(wishes.begin(later(120_009)), None);
    wishes.connected();
    for n in 0..3 {
        assert_eq!(wishes.begin(later(120_100 + n)), None, "own back-off first");
    }
    assert_eq!(wishes.begin(later(120_103)), Some(119_999));
    assert_eq!(wishes.begin(NOW), None, "the clock was set back");
    wishes.told(ClientConfig {
        reconnect_interval: i64::MAX,
        ..ClientConfig::default()
    });
    assert_eq!(wishes.begin(NOW), Some(600_000));
    wishes.told(ClientConfig {
        reconnect_interval: -5,
        ..ClientConfig::default()
    });
    assert_eq!(wishes.begin(NOW), None);
}

#[derive(Debug, Clone)]
enum Happens {
    Bytes(Vec<u8>),
    Text(String),
    /// A recorded frame with one byte changed, perhaps.
    Frame {
        index: usize,
        flip: Option<(usize, u8)>,
    },
    Stored {
        which: usize,
        good: bool,
    },
    Passes(u32),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        1 => proptest::collection::vec(any::<u8>(), 0..80).prop_map(Happens::Bytes),
        1 => ".{0,9}".prop_map(Happens::Text),
        6 => (any::<usize>(), proptest::option::of((any::<usize>(), any::<u8>())))
            .prop_map(|(index, flip)| Happens::Frame { index, flip }),
        4 => (any::<usize>(), any::<bool>()).prop_map(|(which, good)| Happens::Stored { which, good }),
        2 => (0u32..40_000).prop_map(Happens::Passes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever comes in whatever order: nothing panics, no message is acknowledged before it is
    /// stored, each is answered once, pings go out, and silence ends in a close.
    #[test]
    fn nothing_breaks_a_session(script in proptest::collection::vec(happens(), 0..120)) {
        let frames: Vec<Vec<u8>> = vectors()["frames"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| hex::decode(f["hex"].as_str().unwrap()).unwrap())
            .collect();
        let mut session = session();
        let mut now = NOW;
        let mut open: Vec<u64> = Vec::new();
        let mut ever = HashSet::new();
        let mut closed = false;
        let mut heard = NOW;
        let mut first = session.opened(now);
        prop_assert_eq!(first.len(), 1);
        first.clear();
        for what in script {
            if closed {
                break;
            }
            let steps = match what {
                Happens::Bytes(bytes) => session.received(Wire::Binary(bytes), now),
                Happens::Text(text) => session.received(Wire::Text(text), now),
                Happens::Frame { index, flip } => {
                    let mut bytes = frames[index % frames.len()].clone();
                    if let Some((at, to)) = flip {
                        let at = at % bytes.len();
                        bytes[at] = to;
                    }
                    let good = Frame::decode(&bytes).is_some();
                    let steps = session.received(Wire::Binary(bytes), now);
                    if good {
                        heard = now;
                    }
                    steps
                }
                Happens::Stored { which, good } => {
                    if open.is_empty() {
                        prop_assert_eq!(session.stored(7_777_777, good, now), vec![]);
                        continue;
                    }
                    let receipt = open.swap_remove(which % open.len());
                    let steps = session.stored(receipt, good, now);
                    prop_assert_eq!(steps.len(), 1);
                    prop_assert_eq!(told(&sent(&steps[0])).0, if good { 200 } else { 500 });
                    continue;
                }
                Happens::Passes(ms) => {
                    let until = now + Duration::from_millis(u64::from(ms));
                    let mut all = Vec::new();
                    while let Some(next) = session.next_tick().filter(|at| *at <= until) {
                        now = next.max(now);
                        let steps = session.tick(now);
                        for step in &steps {
                            if let Step::Send(_) = step {
                                prop_assert_eq!(sent(step), Frame::ping(SERVICE));
                            }
                        }
                        if matches!(steps.last(), Some(Step::Close(_))) {
                            closed = true;
                        }
                        all.extend(steps);
                        if closed {
                            break;
                        }
                    }
                    now = until.max(now);
                    prop_assert!(closed || now.since(heard) <= Duration::from_secs(70), "a dead connection lives");
                    all.retain(|s| !matches!(s, Step::Send(_) | Step::Close(_)));
                    all
                }
            };
            for step in steps {
                match step {
                    Step::Store { receipt, events } => {
                        prop_assert!(ever.insert(receipt), "a receipt twice");
                        prop_assert_eq!(events.len(), 1);
                        open.push(receipt);
                    }
                    Step::Send(_) => prop_assert_eq!(told(&sent(&step)).0, 500, "acknowledged before the store"),
                    Step::Ready | Step::Rejected(_) => {}
                    other => prop_assert!(false, "{other:?}"),
                }
            }
        }
    }
}
