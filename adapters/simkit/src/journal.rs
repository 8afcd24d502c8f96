//! What a simulator writes down about its callers: how often each call came, and what the real
//! platform would not have accepted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Lines and paths kept.
const KEEP: usize = 1000;

/// Requests by path and complaints; bounded.
#[derive(Debug, Default)]
pub struct Journal {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    calls: BTreeMap<String, u64>,
    complaints: VecDeque<String>,
}

impl Journal {
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts a request. Give the route (`/messages/{id}`), not the path with ids in it.
    pub fn call(&self, route: &str) {
        let mut inner = self.lock();
        if let Some(count) = inner.calls.get_mut(route) {
            *count += 1;
        } else {
            let name = if inner.calls.len() < KEEP { route } else { "(other)" };
            *inner.calls.entry(name.to_owned()).or_default() += 1;
        }
    }

    /// Writes down a request that the real platform would have refused.
    pub fn complain(&self, line: impl Into<String>) {
        let mut inner = self.lock();
        if inner.complaints.len() == KEEP {
            inner.complaints.pop_front();
        }
        inner.complaints.push_back(line.into());
    }

    /// For [`crate::Simulator::calls`].
    pub fn calls(&self) -> Vec<(String, u64)> {
        self.lock().calls.iter().map(|(k, v)| (k.clone(), *v)).collect()
    }

    /// For [`crate::Simulator::complaints`], oldest first.
    pub fn complaints(&self) -> Vec<String> {
        self.lock().complaints.iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_and_stays_bounded() {
        let journal = Journal::new();
        journal.call("/send");
        journal.call("/send");
        journal.call("/token");
        assert_eq!(journal.calls(), [("/send".to_owned(), 2), ("/token".to_owned(), 1)]);
        for n in 0..3 * KEEP {
            journal.complain(format!("line {n}"));
            journal.call(&format!("/x/{n}"));
        }
        assert_eq!(journal.complaints().len(), KEEP);
        assert_eq!(
            journal.complaints().last().map(String::as_str),
            Some(format!("line {}", 3 * KEEP - 1).as_str())
        );
        assert!(journal.calls().len() <= KEEP + 1);
        assert_eq!(journal.calls().iter().map(|(_, n)| n).sum::<u64>(), 3 + 3 * KEEP as u64);
    }
}
