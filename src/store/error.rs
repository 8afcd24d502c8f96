//! What can go wrong with the database, in the four kinds that callers treat differently.

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else holds the lock; try the whole transaction again.
    #[error("the database is busy: {0}")]
    Busy(String),
    /// Serialisation failure or deadlock; try the whole transaction again.
    #[error("the transaction conflicts with another: {0}")]
    Conflict(String),
    /// Not reachable, disk full, read-only: nothing can be stored now.
    #[error("the database cannot store now: {0}")]
    Unavailable(String),
    /// A statement or a stored value is wrong: a defect, not a condition that passes.
    #[error("the database refused: {0}")]
    Broken(String),
}

impl StoreError {
    /// True when the same transaction may succeed if it is run again at once.
    pub fn again(&self) -> bool {
        matches!(self, StoreError::Busy(_) | StoreError::Conflict(_))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(db) => {
                let code = db.code().unwrap_or_default().into_owned();
                let text = format!("{} ({code})", db.message());
                // SQLite extended codes keep the primary code in the low byte.
                let primary = code.parse::<i64>().ok().filter(|_| code.len() < 5).map(|c| c & 0xff);
                match (primary, code.as_str()) {
                    (Some(5 | 6), _) => StoreError::Busy(text),
                    // READONLY, IOERR, CORRUPT, FULL, CANTOPEN
                    (Some(8 | 10 | 13 | 14), _) => StoreError::Unavailable(text),
                    (_, "40001" | "40P01" | "55P03") => StoreError::Conflict(text),
                    // Class 08 connection, 53 resources, 57P0x shutdown, 58 system, 25006 read-only
                    (_, c)
                        if c.len() == 5
                            && (c.starts_with("08")
                                || c.starts_with("53")
                                || c.starts_with("57P")
                                || c.starts_with("58")
                                || c == "25006") =>
                    {
                        StoreError::Unavailable(text)
                    }
                    _ => StoreError::Broken(text),
                }
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => StoreError::Unavailable(error.to_string()),
            _ => StoreError::Broken(error.to_string()),
        }
    }
}
