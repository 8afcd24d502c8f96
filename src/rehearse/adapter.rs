//! An app that draws everything and sends nothing.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use hutong_model::{
    Action, Adapter, AppId, BoxFuture, CallError, Capabilities, DepartmentId, DepartmentRecord, Outcome, Page,
    PersonRecord, Platform, Prepared, QuotaBook, RawRequest, Received, Rejection, RenderError, Target, Timestamp,
    UserId,
};

/// The real app, as far as it works without the platform: what it can do and how it draws.
pub struct Rehearsing {
    real: Arc<dyn Adapter>,
    /// Whom messages went to in private: tells people from chats among the destinations.
    people: Mutex<BTreeSet<String>>,
}

impl Rehearsing {
    pub fn new(real: Arc<dyn Adapter>) -> Self {
        Self {
            real,
            people: Mutex::default(),
        }
    }

    /// True for a destination that is a person.
    pub fn is_person(&self, id: &str) -> bool {
        self.people.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }
}

fn not_here<T>() -> Result<T, CallError> {
    Err(CallError::Unavailable("this is a rehearsal".to_owned()))
}

impl Adapter for Rehearsing {
    fn app(&self) -> &AppId {
        self.real.app()
    }
    fn platform(&self) -> Platform {
        self.real.platform()
    }
    fn capabilities(&self) -> &Capabilities {
        self.real.capabilities()
    }
    fn receive(&self, _: &RawRequest<'_>, _: Timestamp) -> Received {
        Received::Rejected(Rejection::Malformed)
    }
    fn prepare(&self, action: &Action) -> Result<Vec<Prepared>, RenderError> {
        if let Action::Send {
            to: Target::User(user), ..
        } = action
        {
            let mut people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
            if !people.contains(user.as_str()) {
                people.insert(user.as_str().to_owned());
            }
        }
        self.real.prepare(action)
    }
    fn deliver<'a>(&'a self, _: &'a Prepared, _: &'a str) -> BoxFuture<'a, Outcome> {
        Box::pin(async {
            Outcome::NotSent {
                reason: "this is a rehearsal".to_owned(),
            }
        })
    }
    fn departments<'a>(&'a self, _: Option<&'a str>) -> BoxFuture<'a, Result<Page<DepartmentRecord>, CallError>> {
        Box::pin(async { not_here() })
    }
    fn people<'a>(
        &'a self,
        _: &'a DepartmentId,
        _: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page<PersonRecord>, CallError>> {
        Box::pin(async { not_here() })
    }
    fn person<'a>(&'a self, _: &'a UserId) -> BoxFuture<'a, Result<Option<PersonRecord>, CallError>> {
        Box::pin(async { not_here() })
    }
    fn probe<'a>(&'a self) -> BoxFuture<'a, Result<(), CallError>> {
        Box::pin(async { not_here() })
    }
    fn quota(&self) -> Option<&dyn QuotaBook> {
        self.real.quota()
    }
}
