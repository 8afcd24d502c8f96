//! The gate before every issue: the rule that sends columns knows only [`Gate`].

use std::sync::Arc;

use hutong_model::{BoxFuture, ChatId, Timestamp};

use super::Desk;
use super::config::Urgent;
use super::decide::{Facts, Hold, POST, Pass, pass};
use super::store;
use crate::directory::PersonId;
use crate::issues::{self, Content, Gate, Issue, Verdict};
use crate::lexicon::{Hit, Level, Place};
use crate::store::{StoreError, Tx};
use crate::text::Lang;
use crate::text::review::Say;

/// See the module.
pub struct ReviewGate(pub(super) Arc<Desk>);

/// An issue together with what the decisions need.
pub(super) struct Look {
    pub sha256: String,
    pub authors: Vec<PersonId>,
    /// Words that may not be sent.
    pub blocked: Vec<String>,
}

impl Look {
    pub fn facts<'a>(&'a self, issue: &Issue) -> Facts<'a> {
        Facts {
            state: issue.state,
            version: issue.version,
            sha256: &self.sha256,
            due_at: issue.due_at,
            by_hand: by_hand(issue),
            authors: &self.authors,
            blocked: !self.blocked.is_empty(),
        }
    }
}

/// Sent by an editor's command, now.
pub(super) fn by_hand(issue: &Issue) -> bool {
    issue.slot.ends_with('+')
}

impl Desk {
    /// What the lexicon finds in each line of a content.
    pub(super) fn words_in(
        &self,
        chats: &[ChatId],
        content: &Content,
        now: Timestamp,
        mut each: impl FnMut(&str, &[Hit<'_>]),
    ) {
        let lexicon = self.config.words.lexicon();
        let today = crate::rules::local(self.calendar.zone, now).date_naive();
        for line in content.lines() {
            each(&line, &lexicon.scan(&line, Place::Column(chats), today));
        }
        for file in content.pieces.iter().flat_map(|p| &p.files) {
            each(&file.name, &lexicon.scan(&file.name, Place::Column(chats), today));
        }
    }

    /// The groups that a column names.
    pub(super) async fn chats(&self, tx: &mut Tx, issue: &Issue) -> Result<Vec<ChatId>, StoreError> {
        let known = self.column(tx, &issue.column).await?;
        Ok(known.map(|c| c.chats).unwrap_or_default())
    }

    pub(super) async fn look(&self, tx: &mut Tx, issue: &Issue, now: Timestamp) -> Result<Look, StoreError> {
        let mut blocked: Vec<String> = Vec::new();
        let chats = self.chats(tx, issue).await?;
        self.words_in(&chats, &issue.content, now, |_, hits| {
            for hit in hits.iter().filter(|h| h.level() == Level::Block) {
                let word = hit.entry.word.to_string();
                if !blocked.contains(&word) {
                    blocked.push(word);
                }
            }
        });
        Ok(Look {
            // Of what would be sent, not what a column of the table says about it.
            sha256: issues::sha256_of(&issue.content),
            authors: issues::authors(tx, issue).await?,
            blocked,
        })
    }
}

impl Gate for ReviewGate {
    fn may_send<'a>(
        &'a self,
        tx: &'a mut Tx,
        issue: &'a Issue,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Verdict, StoreError>> {
        Box::pin(async move {
            let look = self.0.look(tx, issue, now).await?;
            let say = if !self.0.reviews(&issue.column) {
                match look.blocked.is_empty() {
                    true => return Ok(Verdict::Yes),
                    false => Hold::Blocked,
                }
            } else {
                let approvals = store::approvals(tx, issue.id).await?;
                let urgent = self.0.config.urgent == Urgent::PostReview;
                match pass(&look.facts(issue), &approvals, urgent) {
                    Pass::Yes => return Ok(Verdict::Yes),
                    Pass::Afterwards => {
                        store::begin(tx, issue, Some(now + POST)).await?;
                        return Ok(Verdict::Yes);
                    }
                    Pass::No(hold) => hold,
                }
            };
            let words = look.blocked.join("、");
            let say = match say {
                Hold::NoYes => Say::HeldNoYes,
                Hold::NotUrgent => Say::HeldNotUrgent,
                Hold::Blocked => Say::HeldBlocked { words: &words },
            };
            Ok(Verdict::No {
                zh: say.in_lang(Lang::Zh),
                en: say.in_lang(Lang::En),
            })
        })
    }

    fn reviews(&self, column: &str) -> bool {
        self.0.reviews(column)
    }
}
