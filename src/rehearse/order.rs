//! Rehearsals that were asked for in a chat: run by the service beside the events, on a copy, and
//! answered through the inbox like everything else that happens.

use std::time::Duration;

use hutong_model::{ActionKind, AppId, Body, Clock, Receipt, UserId};
use serde::{Deserialize, Serialize};

use super::{Options, RehearseError, copy_of, report, run, store};
use crate::config::Checked;
use crate::inbox::tell_result;
use crate::store::{Store, StoreError};
use crate::text::Lang;

/// The rule that asks and is told.
pub const RULE: &str = "rehearsal";
/// Answers stay so long, for their next pages.
const KEEP: Duration = Duration::from_secs(7 * 86_400);

/// Who asked, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    pub app: AppId,
    pub user: UserId,
    pub person: String,
    pub lang: String,
}

/// Runs the requests that wait; returns how many were answered.
pub async fn run_asked(config: &Checked, real: &Store, clock: &dyn Clock) -> Result<usize, StoreError> {
    let mut answered = 0;
    while let Some(request) = store::next_request(real).await? {
        let asked: Asked = serde_json::from_str(&request.asker).map_err(|e| StoreError::Broken(e.to_string()))?;
        let lang = Lang::parse(&asked.lang).unwrap_or_default();
        let options = Options {
            days: request.days,
            from: clock.now(),
        };
        let (state, lines) = match of_store(config, real, options).await {
            Ok(outcome) => ("done", report::chat_lines(&outcome, lang)),
            Err(error) => {
                tracing::warn!(%error, "rehearse.asked failed");
                ("failed", vec![error.to_string()])
            }
        };
        let lines = serde_json::to_string(&lines).map_err(|e| StoreError::Broken(e.to_string()))?;
        let now = clock.now();
        let mut tx = real.begin().await?;
        if store::answer(&mut tx, &request.id, state, &lines, now - KEEP).await? {
            let body = Body::EffectDone {
                effect: request.id.clone(),
                rule: RULE.to_owned(),
                action: ActionKind::Send,
                ok: state == "done",
                code: None,
                receipt: Receipt::default(),
                failed: Vec::new(),
                tag: serde_json::json!({ "rehearsal": request.id }),
            };
            tell_result(&mut tx, &asked.app, &format!("rehearsal-{}", request.id), &body, now).await?;
            answered += 1;
        }
        tx.commit().await?;
    }
    Ok(answered)
}

async fn of_store(config: &Checked, real: &Store, options: Options) -> Result<super::Rehearsal, RehearseError> {
    let (copy, ground) = copy_of(real.url().map(|u| u.expose())).await?;
    let outcome = run(config, &copy, ground, options).await;
    copy.close().await;
    outcome
}
