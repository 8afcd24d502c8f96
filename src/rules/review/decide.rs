//! The decisions of a review, without store and without clock: who may say yes to what, and what may
//! be sent. Everything that sends or approves an issue asks here.

use std::time::Duration;

use hutong_model::Timestamp;

use crate::directory::PersonId;
use crate::issues::State;

/// A yes must be there this long before an issue is due.
pub const CUTOFF: Duration = Duration::from_secs(30 * 60);
/// After an urgent issue or a correction, somebody must have looked at it within this time.
pub const POST: Duration = Duration::from_secs(2 * 3_600);

/// An issue as the decisions see it.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    pub state: State,
    pub version: i64,
    /// Of the content as it is now.
    pub sha256: &'a str,
    pub due_at: Timestamp,
    /// Sent by hand, now: there is no time before it.
    pub by_hand: bool,
    /// Whoever wrote any of it.
    pub authors: &'a [PersonId],
    /// It has a word that may not be sent.
    pub blocked: bool,
}

/// Why somebody cannot say yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// They wrote it themselves.
    Own,
    /// They looked at another version than this one.
    OtherVersion(i64),
    /// It does not wait for a decision.
    Not(State),
    /// Its time is over.
    TooLate,
    /// A word of the lexicon forbids it.
    Blocked,
}

/// A yes: who, to what, when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    pub by: PersonId,
    pub version: i64,
    pub sha256: String,
    pub at: Timestamp,
}

/// May `by` approve what they saw, `version` with `sha256`? For a review after the fact, `sent` is
/// true: the issue is out, and time and words do not matter any more.
pub fn approve(
    facts: &Facts<'_>,
    by: &PersonId,
    version: i64,
    sha256: &str,
    sent: bool,
    now: Timestamp,
) -> Result<(), Refusal> {
    let waits = match sent {
        true => matches!(facts.state, State::Sent | State::Corrected),
        false => facts.state == State::Pending,
    };
    if facts.authors.contains(by) {
        Err(Refusal::Own)
    } else if (version, sha256) != (facts.version, facts.sha256) {
        Err(Refusal::OtherVersion(facts.version))
    } else if !waits {
        Err(Refusal::Not(facts.state))
    } else if sent {
        Ok(())
    } else if now > closes(facts.due_at) {
        Err(Refusal::TooLate)
    } else if facts.blocked {
        Err(Refusal::Blocked)
    } else {
        Ok(())
    }
}

/// The last moment for a yes.
pub fn closes(due_at: Timestamp) -> Timestamp {
    Timestamp(
        due_at
            .0
            .saturating_sub(i64::try_from(CUTOFF.as_millis()).unwrap_or(i64::MAX)),
    )
}

/// Whether an issue may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    Yes,
    /// Yes, and somebody must look at it afterwards.
    Afterwards,
    No(Hold),
}

/// Why an issue is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Nobody has said yes to this content in time.
    NoYes,
    /// A word of the lexicon forbids it.
    Blocked,
    /// Sent by hand, which the configuration does not allow.
    NotUrgent,
}

/// May this be sent now? `approvals` are all that were ever given for the issue, by people who were
/// reviewers at that time.
pub fn pass(facts: &Facts<'_>, approvals: &[Approval], urgent: bool) -> Pass {
    let closes = closes(facts.due_at);
    let good = |a: &Approval| {
        a.version == facts.version
            && a.sha256 == facts.sha256
            && !facts.authors.contains(&a.by)
            && (facts.by_hand || a.at <= closes)
    };
    if facts.blocked {
        Pass::No(Hold::Blocked)
    } else if matches!(facts.state, State::Approved | State::Scheduled) && approvals.iter().any(good) {
        Pass::Yes
    } else if !facts.by_hand {
        Pass::No(Hold::NoYes)
    } else if urgent {
        Pass::Afterwards
    } else {
        Pass::No(Hold::NotUrgent)
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt as _, SeedableRng as _};

    use super::*;

    fn person(n: u8) -> PersonId {
        PersonId::parse(&format!("p{n:0>20}")).unwrap()
    }

    /// What the store keeps of an issue, and nothing more.
    struct Stored {
        state: State,
        version: i64,
        content: u32,
        authors: Vec<PersonId>,
        approvals: Vec<Approval>,
    }

    const DUE: Timestamp = Timestamp(100_000_000);

    impl Stored {
        fn sha(&self) -> String {
            format!("sha{}", self.content)
        }
        fn facts<'a>(&'a self, sha256: &'a str, blocked: bool) -> Facts<'a> {
            Facts {
                state: self.state,
                version: self.version,
                sha256,
                due_at: DUE,
                by_hand: false,
                authors: &self.authors,
                blocked,
            }
        }
    }

    /// Ten thousand histories of edits, requests, approvals (also of old versions, by authors, by people
    /// who have left and too late), returns and ticks, against a model that only knows one sentence: what
    /// goes out is what somebody who did not write it, and was there, said yes to in time, untouched since.
    #[test]
    fn nothing_is_sent_without_a_valid_yes() {
        let mut rng = StdRng::seed_from_u64(20_261_124);
        let (mut sent, mut held, mut refused) = (0_u32, 0_u32, 0_u32);
        for _ in 0..10_000 {
            let mut issue = Stored {
                state: State::Draft,
                version: 1,
                content: rng.random_range(0..4),
                authors: vec![person(rng.random_range(0..4))],
                approvals: Vec::new(),
            };
            let mut gone = [false; 4];
            let mut now = Timestamp(DUE.0 - 10_000_000);
            // The model: a yes that stands, until somebody touches the content.
            let mut standing = false;
            for _ in 0..rng.random_range(3..20) {
                now = Timestamp(now.0 + rng.random_range(0..900_000));
                let sha = issue.sha();
                match rng.random_range(0..7) {
                    0 => {
                        let author = rng.random_range(0..4);
                        let content = rng.random_range(0..4);
                        if issue.state.open() && content != issue.content {
                            issue.content = content;
                            issue.version += 1;
                            issue.authors = vec![person(author)];
                            issue.state = State::Draft;
                            standing = false;
                        }
                    }
                    1 | 2 if issue.state == State::Draft => issue.state = State::Pending,
                    3 | 4 => {
                        let who = rng.random_range(0..4);
                        let version = issue.version - i64::from(rng.random_range(0..5) == 0);
                        let seen = if rng.random_range(0..6) == 0 {
                            "sha9".to_owned()
                        } else {
                            sha.clone()
                        };
                        let by = person(who);
                        let verdict = approve(&issue.facts(&sha, false), &by, version, &seen, false, now);
                        // Who has left is no reviewer: the rule asks that first.
                        if verdict.is_ok() && !gone[usize::from(who)] {
                            assert!(!issue.authors.contains(&by) && version == issue.version && seen == sha);
                            issue.approvals.push(Approval {
                                by,
                                version,
                                sha256: sha,
                                at: now,
                            });
                            issue.state = State::Scheduled;
                            standing = now.0 <= DUE.0 - 1_800_000;
                            assert!(standing, "a yes after the last moment was taken");
                        } else {
                            refused += 1;
                        }
                    }
                    5 => gone[usize::from(rng.random_range(0..4_u8))] = true,
                    6 if issue.state == State::Pending && rng.random_range(0..3) == 0 => issue.state = State::Returned,
                    _ => {}
                }
            }
            let sha = issue.sha();
            let blocked = rng.random_range(0..10) == 0;
            let passed = pass(&issue.facts(&sha, blocked), &issue.approvals, true);
            assert_eq!(
                passed == Pass::Yes,
                standing && !blocked,
                "{:?} {:?}",
                issue.state,
                issue.approvals
            );
            match passed {
                Pass::Yes => sent += 1,
                Pass::No(_) => held += 1,
                Pass::Afterwards => panic!("only by hand"),
            }
        }
        // The histories are of both kinds, or they prove nothing.
        assert!(
            sent > 1_000 && held > 1_000 && refused > 1_000,
            "{sent} {held} {refused}"
        );
    }

    #[test]
    fn urgent_issues_pass_only_where_they_may_and_never_with_a_forbidden_word() {
        let (authors, sha) = ([person(1)], "s");
        let facts = |blocked| Facts {
            state: State::Draft,
            version: 1,
            sha256: sha,
            due_at: DUE,
            by_hand: true,
            authors: &authors,
            blocked,
        };
        assert_eq!(pass(&facts(false), &[], true), Pass::Afterwards);
        assert_eq!(pass(&facts(false), &[], false), Pass::No(Hold::NotUrgent));
        assert_eq!(pass(&facts(true), &[], true), Pass::No(Hold::Blocked));
        let mut sent = facts(true);
        sent.state = State::Sent;
        assert_eq!(approve(&sent, &person(1), 1, sha, true, DUE), Err(Refusal::Own));
        assert_eq!(
            approve(&sent, &person(2), 2, sha, true, DUE),
            Err(Refusal::OtherVersion(1))
        );
        assert_eq!(
            approve(&sent, &person(2), 1, sha, false, DUE),
            Err(Refusal::Not(State::Sent))
        );
        assert_eq!(approve(&sent, &person(2), 1, sha, true, DUE), Ok(()));
    }
}
