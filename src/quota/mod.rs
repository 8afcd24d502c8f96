//! Monthly quotas of calls: what adapters count is written down, and what all apps of a company have
//! used is told to each of them, so that a restart and a second replica forget nothing.
//!
//! Written every few seconds: a process that dies at once loses the calls of the last ones.

pub mod store;

use std::sync::Arc;

use hutong_model::{Adapter, AppId, CompanyId, Timestamp};

use crate::store::{Store, StoreError};

/// The apps of one installation that have a quota.
#[derive(Clone)]
pub struct Quotas {
    apps: Vec<(AppId, CompanyId, Arc<dyn Adapter>)>,
}

impl Quotas {
    pub fn of(apps: impl IntoIterator<Item = (AppId, CompanyId, Arc<dyn Adapter>)>) -> Self {
        Self {
            apps: apps.into_iter().filter(|(_, _, a)| a.quota().is_some()).collect(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.apps.is_empty()
    }

    /// Writes down what was counted, and tells every app how the month stands.
    pub async fn write(&self, db: &Store, now: Timestamp) -> Result<(), StoreError> {
        let mut changed = false;
        for (app, _, adapter) in &self.apps {
            let Some(book) = adapter.quota() else { continue };
            let counts = book.drain(now);
            if counts.is_empty() {
                continue;
            }
            changed = true;
            let written = async {
                let mut tx = db.begin().await?;
                for count in &counts {
                    store::add(&mut tx, app, count, now).await?;
                }
                tx.commit().await
            };
            if let Err(error) = written.await {
                // Where the commit went through all the same these are counted twice: too careful.
                book.give_back(counts);
                return Err(error);
            }
        }
        if changed || db.dialect() == crate::store::Dialect::Postgres {
            self.read(db, now).await?;
        }
        Ok(())
    }

    /// Tells every app what is written down.
    pub async fn read(&self, db: &Store, now: Timestamp) -> Result<(), StoreError> {
        for (_, company, adapter) in &self.apps {
            let Some(book) = adapter.quota() else { continue };
            let month = book.month(now);
            let family: Vec<AppId> = self
                .apps
                .iter()
                .filter(|(_, c, a)| c == company && a.platform() == adapter.platform())
                .map(|(id, _, _)| id.clone())
                .collect();
            let (calls, used_up) = store::used(db, &family, &month).await?;
            book.learn(now, &month, calls, used_up);
        }
        Ok(())
    }
}
