//! The page's own interface: JSON in, JSON out, and one event stream.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::future::select_all;
use futures_util::{StreamExt as _, stream};
use hutong_model::{Platform, Timestamp};
use hutong_simkit::company::{Date, minute_of_day};
use hutong_simkit::{ScreenItem, ScreenPart, SimError, Verb};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::watch;

use super::{AppReceives, DemoSim, DemoState};
use crate::demo::platforms::Receive;

/// Most items that a page may ask for.
const MAX_ITEMS: usize = 1000;
/// How often the backstage is looked at when nothing else happens.
const LOOK: Duration = Duration::from_millis(450);
/// Length of the preview in the list of chats, in characters.
const PREVIEW: usize = 60;

/// State of the handlers.
pub(super) struct Shared {
    pub state: DemoState,
    pub templates: minijinja::Environment<'static>,
    /// Time moves for one visitor after the other.
    moving: tokio::sync::Mutex<()>,
    /// People wait while the bot changes how it receives.
    switching: tokio::sync::RwLock<()>,
}

impl Shared {
    pub fn new(state: DemoState) -> Self {
        Self {
            state,
            templates: super::view::templates(),
            moving: tokio::sync::Mutex::new(()),
            switching: tokio::sync::RwLock::new(()),
        }
    }
}

/// A request that cannot be served, with a readable reason.
pub(super) struct Problem(StatusCode, String);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": "unreadable", "message": self.1}))).into_response()
    }
}

impl From<QueryRejection> for Problem {
    fn from(r: QueryRejection) -> Self {
        Problem(r.status(), r.body_text())
    }
}

impl From<JsonRejection> for Problem {
    fn from(r: JsonRejection) -> Self {
        Problem(r.status(), r.body_text())
    }
}

fn sim(shared: &Shared, platform: Platform) -> Result<&DemoSim, Problem> {
    shared
        .state
        .sim(platform)
        .ok_or_else(|| Problem(StatusCode::NOT_FOUND, format!("{platform} takes no part in this demo")))
}

#[derive(Deserialize)]
pub(super) struct ChatsQuery {
    platform: Platform,
    viewer: String,
}

#[derive(Serialize)]
struct ChatRow {
    /// Empty for a private chat that nobody has opened yet.
    id: String,
    name: String,
    group: bool,
    /// Whether the viewer is in it.
    member: bool,
    members: Vec<String>,
    owner: Option<String>,
    apps: Vec<String>,
    /// For a private chat: the app on the other side.
    app: Option<String>,
    last_ms: i64,
    preview: String,
}

/// The viewer's chats: own groups, private chats with every app, and groups that could be joined.
pub(super) async fn chats(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<ChatsQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(q) = query?;
    let sim = &sim(&shared, q.platform)?.sim;
    let mut rows: Vec<ChatRow> = Vec::new();
    let apps = sim.apps();
    for chat in sim.chats() {
        let own_direct = !chat.group && chat.person.as_deref() == Some(q.viewer.as_str());
        if chat.disbanded || !chat.group && !own_direct {
            continue;
        }
        let member = own_direct || chat.members.contains(&q.viewer);
        let preview = match member {
            true => sim
                .screen(&chat.id, &q.viewer, 1)
                .last()
                .map_or_else(String::new, preview),
            false => String::new(),
        };
        rows.push(ChatRow {
            app: if chat.group { None } else { chat.apps.first().cloned() },
            // A private chat is known by whom it is with.
            name: match apps.iter().find(|a| !chat.group && chat.apps.first() == Some(&a.id)) {
                Some(app) => app.name.clone(),
                None => chat.name,
            },
            id: chat.id,
            group: chat.group,
            member,
            members: chat.members,
            owner: chat.owner,
            apps: chat.apps,
            last_ms: chat.last_ms,
            preview,
        });
    }
    for app in apps {
        let open = rows.iter().any(|r| r.app.as_deref() == Some(app.id.as_str()));
        if !open && has_private_chats(app.kind) {
            rows.push(ChatRow {
                id: String::new(),
                name: app.name,
                group: false,
                member: true,
                members: vec![q.viewer.clone()],
                owner: None,
                apps: vec![app.id.clone()],
                app: Some(app.id),
                last_ms: 0,
                preview: String::new(),
            });
        }
    }
    // Newest first; what nobody has opened yet comes last.
    rows.sort_by_key(|r| std::cmp::Reverse(r.last_ms));
    let revision = *sim.revision().borrow();
    Ok(Json(json!({"chats": rows, "revision": revision})).into_response())
}

/// A group robot that is only an address to post to has no private chat.
fn has_private_chats(kind: &str) -> bool {
    !kind.ends_with("webhook")
}

/// One line of what an item says.
fn preview(item: &ScreenItem) -> String {
    if item.recalled {
        return String::new();
    }
    let mut out = String::new();
    if !item.from.is_empty() {
        out.push_str(&item.from_name);
        out.push_str(": ");
    }
    for part in &item.parts {
        match part {
            ScreenPart::Title { text, .. }
            | ScreenPart::Text { text }
            | ScreenPart::Strong { text }
            | ScreenPart::Quote { text }
            | ScreenPart::Note { text }
            | ScreenPart::ListItem { text, .. } => {
                out.push_str(text);
                if matches!(part, ScreenPart::Title { .. } | ScreenPart::ListItem { .. }) {
                    out.push(' ');
                }
            }
            ScreenPart::Mention { name, .. } => {
                out.push('@');
                out.push_str(name);
                out.push(' ');
            }
            ScreenPart::Link { label, .. } => out.push_str(label),
            ScreenPart::Break => out.push(' '),
            ScreenPart::Image { alt, .. } => {
                out.push('[');
                out.push_str(alt);
                out.push(']');
            }
            ScreenPart::Chart { title, .. } => out.push_str(title),
            ScreenPart::Divider
            | ScreenPart::Table { .. }
            | ScreenPart::Buttons { .. }
            | ScreenPart::Form { .. }
            | ScreenPart::Toast { .. } => {}
        }
        if out.len() > PREVIEW * 4 {
            break;
        }
    }
    let line: Vec<&str> = out.split_whitespace().collect();
    line.join(" ").chars().take(PREVIEW).collect()
}

#[derive(Deserialize)]
pub(super) struct ScreenQuery {
    platform: Platform,
    chat: String,
    viewer: String,
    #[serde(default = "sixty")]
    limit: usize,
}

fn sixty() -> usize {
    60
}

/// What the viewer sees in a chat. A group shows itself only to its members.
pub(super) async fn screen(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<ScreenQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(q) = query?;
    let sim = &sim(&shared, q.platform)?.sim;
    let chat = sim.chats().into_iter().find(|c| c.id == q.chat);
    let Some(chat) = chat else {
        return Err(Problem(StatusCode::NOT_FOUND, "no such chat".to_owned()));
    };
    let member = chat.members.contains(&q.viewer) || chat.person.as_deref() == Some(q.viewer.as_str());
    if !member {
        return Ok(Json(json!({"items": [], "more": false, "member": false})).into_response());
    }
    let limit = q.limit.clamp(1, MAX_ITEMS);
    let mut items = sim.screen(&q.chat, &q.viewer, limit + 1);
    let more = items.len() > limit;
    if more {
        items.drain(..items.len() - limit);
    }
    Ok(Json(json!({"items": items, "more": more && limit < MAX_ITEMS, "member": true})).into_response())
}

#[derive(Deserialize)]
pub(super) struct PictureQuery {
    platform: Platform,
    handle: String,
}

pub(super) async fn picture(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<PictureQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(q) = query?;
    let found = shared.state.pictures.picture(q.platform, &q.handle);
    match found {
        Some((kind, bytes)) if matches!(kind.as_str(), "image/png" | "image/jpeg" | "image/gif" | "image/webp") => {
            Ok(([(header::CONTENT_TYPE, kind)], bytes).into_response())
        }
        _ => Err(Problem(StatusCode::NOT_FOUND, "no such picture".to_owned())),
    }
}

#[derive(Deserialize)]
pub(super) struct Act {
    platform: Platform,
    verb: Verb,
}

/// Does what a person does.
pub(super) async fn act(
    State(shared): State<Arc<Shared>>,
    body: Result<Json<Act>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(act) = body?;
    let sim = &sim(&shared, act.platform)?.sim;
    let _still = shared.switching.read().await;
    Ok(match sim.act(act.verb).await {
        Ok(done) => Json(done).into_response(),
        Err(error) => error.into_response(),
    })
}

/// How far the visitor lets the time pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Jump {
    Hour,
    /// 09:30 of the next working day.
    Workday,
    /// 09:30 of the working day after the next three working days are over.
    ThreeWorkdays,
    /// 10:00 of the next Monday.
    Monday,
}

#[derive(Deserialize)]
pub(super) struct Move {
    jump: Jump,
}

/// Where a jump from `now` leads.
pub(crate) fn target(now: Timestamp, jump: Jump, is_workday: impl Fn(Date) -> bool) -> Timestamp {
    let today = Date::of(now);
    match jump {
        Jump::Hour => now + Duration::from_secs(3600),
        Jump::Workday => {
            let minute = 9 * 60 + 30;
            // The longest holiday in China is nine days.
            (0..30)
                .map(|n| today.plus(n))
                .find(|d| is_workday(*d) && d.at_minute(minute) > now)
                .unwrap_or_else(|| today.plus(1))
                .at_minute(minute)
        }
        Jump::ThreeWorkdays => {
            let work = (1..60).map(|n| today.plus(n)).filter(|d| is_workday(*d));
            work.take(4)
                .last()
                .unwrap_or_else(|| today.plus(4))
                .at_minute(9 * 60 + 30)
        }
        Jump::Monday => {
            let this = today.monday().at_minute(10 * 60);
            if this > now {
                this
            } else {
                today.monday().plus(7).at_minute(10 * 60)
            }
        }
    }
}

pub(super) async fn time(
    State(shared): State<Arc<Shared>>,
    body: Result<Json<Move>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(Move { jump }) = body?;
    let Ok(_moving) = shared.moving.try_lock() else {
        return Ok(SimError::Refused("the time is being moved already".to_owned()).into_response());
    };
    let time = &shared.state.time;
    let to = target(time.now(), jump, |date| time.is_workday(date));
    Ok(match time.advance_to(to).await {
        Ok(()) => Json(clock(time.now())).into_response(),
        Err(why) => SimError::Refused(why).into_response(),
    })
}

#[derive(Deserialize)]
pub(super) struct Switch {
    platform: Platform,
    receive: Receive,
}

/// Changes how the bot receives on a platform.
pub(super) async fn receive(
    State(shared): State<Arc<Shared>>,
    body: Result<Json<Switch>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(Switch { platform, receive }) = body?;
    sim(&shared, platform)?;
    let Ok(_moving) = shared.moving.try_lock() else {
        return Ok(SimError::Refused("the time is being moved, or another switch is".to_owned()).into_response());
    };
    let _switching = shared.switching.write().await;
    let reception = &shared.state.reception;
    Ok(match reception.switch(platform, receive).await {
        Ok(()) => Json(reception.standing()).into_response(),
        Err(why) => SimError::Refused(why).into_response(),
    })
}

fn clock(now: Timestamp) -> serde_json::Value {
    json!({"now_ms": now.millis(), "minute": minute_of_day(now)})
}

#[derive(Deserialize)]
pub(super) struct EventsQuery {
    #[serde(default)]
    since: u64,
}

struct Watch {
    shared: Arc<Shared>,
    sims: Vec<(Platform, watch::Receiver<u64>)>,
    since: u64,
    now: Option<Timestamp>,
    receives: Vec<AppReceives>,
    ready: VecDeque<Event>,
}

impl Watch {
    /// Collects what is new.
    fn look(&mut self) {
        for (platform, revision) in &mut self.sims {
            if revision.has_changed().unwrap_or(false) {
                let now = *revision.borrow_and_update();
                push(
                    &mut self.ready,
                    "revision",
                    &json!({"platform": platform, "revision": now}),
                );
            }
        }
        let now = self.shared.state.time.now();
        if self.now != Some(now) {
            self.now = Some(now);
            push(&mut self.ready, "time", &clock(now));
        }
        let receives = self.shared.state.reception.standing();
        if self.receives != receives {
            push(&mut self.ready, "receive", &receives);
            self.receives = receives;
        }
        let items = self.shared.state.backstage.recent(self.since);
        if let Some(last) = items.iter().map(|i| i.seq).max() {
            self.since = self.since.max(last);
            push(&mut self.ready, "trace", &items);
        }
    }

    async fn wait(&mut self) {
        // Clones, because `changed` marks as seen what `look` wants to find.
        let mut copies: Vec<watch::Receiver<u64>> = self.sims.iter().map(|(_, r)| r.clone()).collect();
        let any = copies.iter_mut().map(|r| {
            Box::pin(async move {
                if r.changed().await.is_err() {
                    // A simulator that has ended never changes again.
                    std::future::pending::<()>().await;
                }
            })
        });
        if self.sims.is_empty() {
            tokio::time::sleep(LOOK).await;
        } else {
            let _ = tokio::time::timeout(LOOK, select_all(any)).await;
        }
    }
}

fn push(ready: &mut VecDeque<Event>, name: &str, data: &impl Serialize) {
    if let Ok(event) = Event::default().event(name).json_data(data) {
        ready.push_back(event);
    }
}

/// Changes as they happen: `revision` of a platform, `trace` of the bot, `time`.
pub(super) async fn events(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<EventsQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(q) = query?;
    let watch = Watch {
        sims: shared
            .state
            .sims
            .iter()
            .map(|s| (s.sim.platform(), s.sim.revision()))
            .collect(),
        since: q.since,
        now: None,
        receives: Vec::new(),
        ready: VecDeque::new(),
        shared: shared.clone(),
    };
    let stream = stream::unfold(watch, |mut watch| async move {
        loop {
            if let Some(event) = watch.ready.pop_front() {
                return Some((Ok::<_, Infallible>(event), watch));
            }
            watch.look();
            if watch.ready.is_empty() {
                watch.wait().await;
            }
        }
    })
    .take_until(shared.state.stop.clone().cancelled_owned());
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hutong_simkit::company::monday_to_friday;

    #[test]
    fn where_the_time_goes() {
        // Friday 2026-11-27, 17:10 in Shanghai.
        let friday = Timestamp::from_secs(1_795_770_600);
        let to = |now, jump| target(now, jump, monday_to_friday);
        let show = |at: Timestamp| (Date::of(at).ymd(), minute_of_day(at));
        assert_eq!(show(friday), ((2026, 11, 27), 17 * 60 + 10));
        assert_eq!(show(to(friday, Jump::Hour)), ((2026, 11, 27), 18 * 60 + 10));
        assert_eq!(show(to(friday, Jump::Workday)), ((2026, 11, 30), 9 * 60 + 30));
        assert_eq!(show(to(friday, Jump::Monday)), ((2026, 11, 30), 10 * 60));
        let monday_early = Date::of(friday).monday().plus(7).at_minute(8 * 60);
        assert_eq!(show(to(monday_early, Jump::Workday)), ((2026, 11, 30), 9 * 60 + 30));
        assert_eq!(show(to(monday_early, Jump::Monday)), ((2026, 11, 30), 10 * 60));
        let after = to(monday_early, Jump::Monday);
        assert_eq!(show(to(after, Jump::Monday)), ((2026, 12, 7), 10 * 60));
        assert_eq!(show(target(friday, Jump::Workday, |_| false)).1, 9 * 60 + 30);
        // Monday, Tuesday and Wednesday are over.
        assert_eq!(show(to(friday, Jump::ThreeWorkdays)), ((2026, 12, 3), 9 * 60 + 30));
        assert_eq!(show(target(friday, Jump::ThreeWorkdays, |_| false)).0, (2026, 12, 1));
    }

    #[test]
    fn a_preview_is_one_short_line() {
        let item = ScreenItem {
            id: "m".into(),
            at_ms: 0,
            from: "u".into(),
            from_name: "陆远山".into(),
            bot: false,
            recalled: false,
            edited: false,
            reply_to: None,
            parts: vec![
                ScreenPart::Mention {
                    user: "b".into(),
                    name: "胡同".into(),
                    everyone: false,
                },
                ScreenPart::Text {
                    text: "感谢\n帮忙 ".repeat(40),
                },
            ],
            reactions: vec![],
        };
        let line = preview(&item);
        assert!(line.starts_with("陆远山: @胡同 感谢 帮忙") && line.chars().count() <= PREVIEW && !line.contains('\n'));
        assert_eq!(preview(&ScreenItem { recalled: true, ..item }), "");
    }
}
