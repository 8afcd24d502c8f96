//! Names of messages that the bot sent: what a later recall, update or read query needs, in one id.
//!
//! | form | what |
//! |---|---|
//! | `g:{openConversationId}:{processQueryKey}` | a robot message in a group |
//! | `u:{staffId}:{processQueryKey}` | a robot message to one person |
//! | `card:{outTrackId}!g:{openConversationId}:{carrierId}` | a card in a group |
//! | `card:{outTrackId}!u:{staffId}:{carrierId}` | a card to one person |
//! | `card:{outTrackId}` | a card as a click names it: enough to update it |
//! | `n:{staffId}:{task_id}` | a work notice to one person ([`NoticeId`]) |
//! | `ding:{openDingId}` | a DING ([`DingId`]) |
//!
//! Messages of people keep the platform's own id and are none of these.

use hutong_model::{ChatId, MessageId, Target, UserId};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentId {
    /// Set for cards.
    pub track: Option<String>,
    pub to: Option<Target>,
    /// `processQueryKey`, or the card's `carrierId`; empty when the platform gave none.
    pub query: String,
}

impl SentId {
    pub fn group(chat: &ChatId, query: &str) -> Self {
        Self {
            track: None,
            to: Some(Target::Chat(chat.clone())),
            query: query.to_owned(),
        }
    }

    pub fn user(user: &UserId, query: &str) -> Self {
        Self {
            track: None,
            to: Some(Target::User(user.clone())),
            query: query.to_owned(),
        }
    }

    pub fn card(track: &str, to: &Target, carrier: &str) -> Self {
        Self {
            track: Some(track.to_owned()),
            to: Some(to.clone()),
            query: carrier.to_owned(),
        }
    }

    pub fn track(track: &str) -> Self {
        Self {
            track: Some(track.to_owned()),
            to: None,
            query: String::new(),
        }
    }

    /// `None` when a part cannot stand in an id.
    pub fn encode(&self) -> Option<MessageId> {
        let place = self.to.as_ref().map(|to| match to {
            Target::Chat(id) => format!("g:{id}:{}", self.query),
            Target::User(id) => format!("u:{id}:{}", self.query),
        });
        let text = match (&self.track, place) {
            (Some(track), Some(place)) => format!("card:{track}!{place}"),
            (Some(track), None) => format!("card:{track}"),
            (None, Some(place)) => place,
            (None, None) => return None,
        };
        MessageId::new(text).ok()
    }

    pub fn decode(id: &MessageId) -> Option<Self> {
        let place = |text: &str| {
            let (kind, rest) = text.split_once(':')?;
            let (to, query) = rest.rsplit_once(':')?;
            let to = match kind {
                "g" => Target::Chat(ChatId::new(to).ok()?),
                "u" => Target::User(UserId::new(to).ok()?),
                _ => return None,
            };
            Some((to, query.to_owned()))
        };
        match id.as_str().strip_prefix("card:") {
            Some(rest) => match rest.split_once('!') {
                Some((track, rest)) => {
                    let (to, query) = place(rest)?;
                    Some(Self {
                        track: Some(track.to_owned()),
                        to: Some(to),
                        query,
                    })
                }
                None => Some(Self::track(rest)),
            },
            None => {
                let (to, query) = place(id.as_str())?;
                Some(Self {
                    track: None,
                    to: Some(to),
                    query,
                })
            }
        }
    }
}

/// A work notice: the task that sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeId {
    pub user: UserId,
    pub task: String,
}

impl NoticeId {
    pub fn encode(&self) -> Option<MessageId> {
        MessageId::new(format!("n:{}:{}", self.user, self.task)).ok()
    }

    pub fn decode(id: &MessageId) -> Option<Self> {
        let (user, task) = id.as_str().strip_prefix("n:")?.split_once(':')?;
        Some(Self {
            user: UserId::new(user).ok()?,
            task: Some(task)
                .filter(|t| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit()))?
                .to_owned(),
        })
    }
}

/// A DING: enough to take it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DingId(pub String);

impl DingId {
    pub fn encode(&self) -> Option<MessageId> {
        MessageId::new(format!("ding:{}", self.0)).ok()
    }

    pub fn decode(id: &MessageId) -> Option<Self> {
        let id = id.as_str().strip_prefix("ding:").filter(|id| !id.is_empty())?;
        Some(Self(id.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_reads_back() {
        let chat = ChatId::new("cid6KeBB/LoveMJOGXoYKF5x7Ee+oodoA==").unwrap();
        let user = UserId::new("manager.1@corp").unwrap();
        for id in [
            SentId::group(&chat, "QZSom+GA/K="),
            SentId::user(&user, "k"),
            SentId::card("track1", &Target::Chat(chat.clone()), "c+/="),
            SentId::card("track1", &Target::User(user), ""),
            SentId::track("track1"),
        ] {
            assert_eq!(SentId::decode(&id.encode().unwrap()), Some(id));
        }
        assert_eq!(SentId::decode(&MessageId::new("msgSim0001==").unwrap()), None);
        let notice = NoticeId {
            user: UserId::new("manager.1@corp").unwrap(),
            task: "256271667526".into(),
        };
        assert_eq!(NoticeId::decode(&notice.encode().unwrap()), Some(notice.clone()));
        assert_eq!(SentId::decode(&notice.encode().unwrap()), None);
        let ding = DingId("54165:x".into());
        assert_eq!(DingId::decode(&ding.encode().unwrap()), Some(ding.clone()));
        assert_eq!(SentId::decode(&ding.encode().unwrap()), None);
        // What a click says and what the receipt said are the same card.
        let sent = SentId::card("track1", &Target::Chat(chat), "c").encode().unwrap();
        assert_eq!(sent.stem(), SentId::track("track1").encode().unwrap().stem());
    }
}
