//! The clock of the demo: it stands still while weeks are played, runs at real speed afterwards, and
//! can be moved forward at any time. The platforms, the adapters and the bot all read the same one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use hutong_model::{Clock, Timestamp};

use crate::config::Environment;

/// See the module. Cheap to clone; clones are the same clock.
#[derive(Debug, Clone)]
pub struct DemoClock(Arc<Mutex<Hand>>);

#[derive(Debug)]
struct Hand {
    base: Timestamp,
    /// Since when it runs; `None`: it stands still.
    running: Option<Instant>,
}

impl Hand {
    fn now(&self) -> Timestamp {
        match self.running {
            Some(since) => self.base + since.elapsed(),
            None => self.base,
        }
    }
}

impl DemoClock {
    /// A clock that stands still.
    pub fn at(start: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Hand {
            base: start,
            running: None,
        })))
    }

    fn hand(&self) -> std::sync::MutexGuard<'_, Hand> {
        // Every write is one whole assignment, so a poisoned lock holds a good value.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves it forward; it never goes back.
    pub fn move_to(&self, to: Timestamp) {
        let mut hand = self.hand();
        let now = hand.now();
        hand.base = to.max(now);
        hand.running = hand.running.map(|_| Instant::now());
    }

    /// Lets it run at real speed.
    pub fn run(&self) {
        let mut hand = self.hand();
        hand.base = hand.now();
        hand.running = Some(Instant::now());
    }

    /// Stops it.
    pub fn stop(&self) {
        let mut hand = self.hand();
        hand.base = hand.now();
        hand.running = None;
    }
}

impl Clock for DemoClock {
    fn now(&self) -> Timestamp {
        self.hand().now()
    }
}

/// What the loader of the demo's configuration may ask for: the clock, and nothing of this machine.
#[derive(Debug, Clone)]
pub struct DemoEnvironment(pub Arc<dyn Clock>);

impl Environment for DemoEnvironment {
    fn variable(&self, _name: &str) -> Option<String> {
        None
    }
    fn file(&self, _path: &str) -> Result<String, String> {
        Err("the demo reads no files".to_owned())
    }
    fn clock(&self) -> Arc<dyn Clock> {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_stands_runs_and_never_goes_back() {
        let clock = DemoClock::at(Timestamp::from_secs(100));
        assert_eq!(clock.now(), Timestamp::from_secs(100));
        clock.move_to(Timestamp::from_secs(90));
        assert_eq!(clock.now(), Timestamp::from_secs(100));
        clock.run();
        std::thread::sleep(Duration::from_millis(5));
        assert!(clock.now() > Timestamp::from_secs(100));
        clock.move_to(Timestamp::from_secs(3700));
        assert!(clock.now() >= Timestamp::from_secs(3700));
        clock.stop();
        let stopped = clock.now();
        std::thread::sleep(Duration::from_millis(3));
        assert_eq!(clock.now(), stopped);
    }
}
