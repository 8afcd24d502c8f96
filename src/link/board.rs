//! What is known about the long connections of this process: for `/health`, metrics and logs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hutong_link::{Cause, LinkNote};
use hutong_model::{AppId, Timestamp};

/// How one long connection stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Not begun yet.
    Idle,
    Connecting,
    Ready,
    /// Another replica holds it.
    Standby,
    /// Lost; it is tried again.
    Waiting,
    /// The platform refuses it: somebody must act.
    Refused {
        code: String,
        text: String,
    },
    /// Somebody else has taken it over.
    Evicted,
    Stopped,
}

impl Standing {
    pub fn as_str(&self) -> &'static str {
        match self {
            Standing::Idle => "idle",
            Standing::Connecting => "connecting",
            Standing::Ready => "ready",
            Standing::Standby => "standby",
            Standing::Waiting => "waiting",
            Standing::Refused { .. } => "refused",
            Standing::Evicted => "evicted",
            Standing::Stopped => "stopped",
        }
    }

    /// All names, for metrics.
    pub const NAMES: [&'static str; 8] = [
        "idle",
        "connecting",
        "ready",
        "standby",
        "waiting",
        "refused",
        "evicted",
        "stopped",
    ];
}

/// Why the connection was made anew last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    Lost(Cause),
    /// The platform had announced its end.
    Announced,
    /// It had reached its age.
    Rotated,
    Refused,
    Evicted,
    LeaseLost,
}

impl Why {
    pub fn as_str(self) -> &'static str {
        match self {
            Why::Lost(cause) => cause.as_str(),
            Why::Announced => "announced",
            Why::Rotated => "rotated",
            Why::Refused => "refused",
            Why::Evicted => "evicted",
            Why::LeaseLost => "lease_lost",
        }
    }
}

/// A look at one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub standing: Standing,
    /// Since when it stands like this.
    pub since: Timestamp,
    pub last_event: Option<Timestamp>,
    pub last_why: Option<Why>,
    /// Times that it became ready, the first one not counted.
    pub reconnects: u64,
}

#[derive(Debug)]
struct Seen {
    standing: Standing,
    /// Each of the connections side by side.
    lanes: BTreeMap<u32, Standing>,
    since: Timestamp,
    last_event: Option<Timestamp>,
    last_why: Option<Why>,
    ready: u64,
}

/// Figures of one app's connection.
#[derive(Debug)]
pub struct Figures {
    seen: Mutex<Seen>,
    pub events: AtomicU64,
    pub not_stored: AtomicU64,
    pub rejected: AtomicU64,
    pub panics: AtomicU64,
    why: Mutex<BTreeMap<&'static str, u64>>,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            seen: Mutex::new(Seen {
                standing: Standing::Idle,
                lanes: BTreeMap::new(),
                since: Timestamp(0),
                last_event: None,
                last_why: None,
                ready: 0,
            }),
            events: AtomicU64::new(0),
            not_stored: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            panics: AtomicU64::new(0),
            why: Mutex::default(),
        }
    }
}

impl Figures {
    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn snapshot(&self) -> Snapshot {
        let seen = self.seen();
        Snapshot {
            standing: seen.standing.clone(),
            since: seen.since,
            last_event: seen.last_event,
            last_why: seen.last_why,
            reconnects: seen.ready.saturating_sub(1),
        }
    }

    /// Ends and failed attempts so far, by cause.
    pub fn causes(&self) -> Vec<(&'static str, u64)> {
        let why = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        why.iter().map(|(name, n)| (*name, *n)).collect()
    }

    pub fn event(&self, now: Timestamp) {
        self.events.fetch_add(1, Ordering::Relaxed);
        self.seen().last_event = Some(now);
    }

    /// Follows what the one runner tells.
    pub fn note(&self, note: &LinkNote, now: Timestamp) {
        self.note_of(0, note, now);
    }

    /// Follows what the runner of one of several connections tells. The app is ready while any of them is;
    /// otherwise it stands as the one that spoke last.
    pub fn note_of(&self, lane: u32, note: &LinkNote, now: Timestamp) {
        let mut seen = self.seen();
        let before = seen.lanes.get(&lane).cloned().unwrap_or(Standing::Idle);
        let (standing, why) = match note {
            LinkNote::Standby => (Some(Standing::Standby), None),
            LinkNote::Connecting { .. } => match before {
                // The old one still works; and a refusal is a refusal until the next one is accepted.
                Standing::Ready | Standing::Refused { .. } => (None, None),
                _ => (Some(Standing::Connecting), None),
            },
            LinkNote::Ready { .. } => {
                seen.ready += 1;
                seen.since = now;
                (Some(Standing::Ready), None)
            }
            LinkNote::Replacing => (Some(Standing::Connecting), Some(Why::Announced)),
            LinkNote::Rotating => (None, Some(Why::Rotated)),
            LinkNote::Lost { cause, connected, .. } => {
                let refused = matches!(before, Standing::Refused { .. }) && !*connected;
                let standing = (!connected && !refused).then_some(Standing::Waiting);
                (standing, Some(Why::Lost(*cause)))
            }
            LinkNote::Refused {
                code, text, connected, ..
            } => {
                let refused = Standing::Refused {
                    code: code.clone(),
                    text: text.clone(),
                };
                ((!connected).then_some(refused), Some(Why::Refused))
            }
            LinkNote::Evicted { .. } => (Some(Standing::Evicted), Some(Why::Evicted)),
            LinkNote::LeaseLost => (Some(Standing::Standby), Some(Why::LeaseLost)),
            LinkNote::Panicked => {
                self.panics.fetch_add(1, Ordering::Relaxed);
                (None, None)
            }
            LinkNote::Stopped => (Some(Standing::Stopped), None),
        };
        if let Some(standing) = standing {
            seen.lanes.insert(lane, standing.clone());
            let any = seen.lanes.values().any(|s| *s == Standing::Ready);
            let standing = if any { Standing::Ready } else { standing };
            if standing != seen.standing {
                seen.standing = standing;
                seen.since = now;
            }
        }
        if let Some(why) = why {
            seen.last_why = Some(why);
            drop(seen);
            let mut counts = self.why.lock().unwrap_or_else(PoisonError::into_inner);
            *counts.entry(why.as_str()).or_default() += 1;
        }
    }
}

/// The long connections of this process, by app. Apps that are not here receive callbacks.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<BTreeMap<AppId, Arc<Figures>>>);

impl Board {
    pub fn of(apps: impl IntoIterator<Item = AppId>) -> Self {
        Self(Arc::new(apps.into_iter().map(|app| (app, Arc::default())).collect()))
    }

    pub fn get(&self, app: &AppId) -> Option<&Arc<Figures>> {
        self.0.get(app)
    }

    pub fn all(&self) -> impl Iterator<Item = (&AppId, &Arc<Figures>)> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn lost(connected: bool) -> LinkNote {
        LinkNote::Lost {
            cause: Cause::Silence,
            reason: "nothing was heard for 70 s".into(),
            retry_in: Duration::from_secs(1),
            connected,
        }
    }

    fn refused(connected: bool) -> LinkNote {
        LinkNote::Refused {
            code: "514".into(),
            text: "bad secret".into(),
            retry_in: Duration::from_secs(300),
            connected,
        }
    }

    const READY: LinkNote = LinkNote::Ready {
        took: Duration::from_millis(80),
    };

    #[test]
    fn of_two_side_by_side_one_is_enough() {
        let figures = Figures::default();
        let tell = |lane, note: &LinkNote| {
            figures.note_of(lane, note, Timestamp(1000));
            figures.snapshot().standing.as_str()
        };
        assert_eq!(tell(0, &LinkNote::Connecting { attempt: 0 }), "connecting");
        assert_eq!(tell(0, &READY), "ready");
        assert_eq!(tell(1, &LinkNote::Connecting { attempt: 0 }), "ready");
        assert_eq!(tell(1, &refused(false)), "ready", "the other one hears");
        assert_eq!(tell(0, &LinkNote::Replacing), "connecting");
        assert_eq!(tell(1, &READY), "ready");
        assert_eq!(tell(0, &lost(false)), "ready");
        assert_eq!(tell(1, &lost(false)), "waiting", "now nobody hears");
    }

    #[test]
    fn it_follows_the_runner() {
        let figures = Figures::default();
        let mut at = 0;
        let mut tell = |note: &LinkNote| {
            at += 1000;
            figures.note(note, Timestamp(at));
            let s = figures.snapshot();
            (s.standing.as_str(), s.since.millis(), s.reconnects)
        };
        assert_eq!(tell(&LinkNote::Connecting { attempt: 0 }), ("connecting", 1000, 0));
        assert_eq!(tell(&READY), ("ready", 2000, 0));
        // Rotation: all the time one works.
        assert_eq!(tell(&LinkNote::Rotating), ("ready", 2000, 0));
        assert_eq!(tell(&LinkNote::Connecting { attempt: 0 }), ("ready", 2000, 0));
        assert_eq!(tell(&lost(true)), ("ready", 2000, 0));
        assert_eq!(tell(&refused(true)), ("ready", 2000, 0));
        assert_eq!(tell(&READY), ("ready", 7000, 1), "a new one");
        assert_eq!(tell(&lost(false)), ("waiting", 8000, 1));
        assert_eq!(tell(&LinkNote::Connecting { attempt: 1 }), ("connecting", 9000, 1));
        assert_eq!(tell(&refused(false)), ("refused", 10_000, 1));
        // Every five minutes it is tried; until it works, it is refused since then.
        assert_eq!(tell(&LinkNote::Connecting { attempt: 1 }), ("refused", 10_000, 1));
        assert_eq!(tell(&refused(false)), ("refused", 10_000, 1));
        assert_eq!(tell(&READY), ("ready", 13_000, 2));
        assert_eq!(tell(&LinkNote::Replacing), ("connecting", 14_000, 2));
        assert_eq!(tell(&READY), ("ready", 15_000, 3));
        let evicted = LinkNote::Evicted {
            retry_in: Duration::from_secs(300),
        };
        assert_eq!(tell(&evicted), ("evicted", 16_000, 3));
        assert_eq!(tell(&LinkNote::LeaseLost), ("standby", 17_000, 3));
        assert_eq!(tell(&LinkNote::Stopped), ("stopped", 18_000, 3));
        assert_eq!(figures.snapshot().last_why, Some(Why::LeaseLost));
        figures.note(&LinkNote::Panicked, Timestamp(19_000));
        assert_eq!(figures.panics.load(Ordering::Relaxed), 1);
        assert_eq!(
            figures.causes(),
            [
                ("announced", 1),
                ("evicted", 1),
                ("lease_lost", 1),
                ("refused", 3),
                ("rotated", 1),
                ("silence", 2)
            ]
        );
        for name in ["idle", "ready", "refused", "stopped"] {
            assert!(Standing::NAMES.contains(&name));
        }
    }
}
