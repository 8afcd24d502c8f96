//! What `check --online` found about an app, one line per question.

/// An answer to one question about an app's set-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Stable name of the question: `token`, `bot`, `scope:<name>`, `events`, `callback`,
    /// `trusted_ip`, `long_connection`, ...
    pub check: String,
    pub state: FindingState,
    /// What was found and, when something is missing, where to set it: Chinese, English.
    pub zh: String,
    pub en: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingState {
    Good,
    /// The app works without it, but something is not possible.
    Warning,
    Missing,
    /// The platform has no way to ask.
    Unknown,
}

impl Finding {
    pub fn new(check: impl Into<String>, state: FindingState, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            check: check.into(),
            state,
            zh: zh.into(),
            en: en.into(),
        }
    }
}
