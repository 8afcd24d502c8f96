//! The shapes that arrive in callbacks, borrowed from the decrypted text.
//!
//! Everything is optional: the platform leaves members out by permission, by client version and by
//! kind, so that only the one use that needs a member may say it is missing. One pass over the text:
//! the envelope's visitor reads `event` straight into the shape its header announced.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

/// A text member. Absent, `null` and empty mean the same ("no permission or empty", feishu.md
/// 4.9), numbers are taken as their digits because some members change type between events
/// (`order`), and anything else is read over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text<'a>(pub Cow<'a, str>);

impl Text<'_> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
    pub fn some(&self) -> Option<&str> {
        (!self.0.is_empty()).then_some(&*self.0)
    }
    pub fn owned(&self) -> Option<String> {
        self.some().map(str::to_owned)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Cow<'de, str>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a number")
            }
            fn visit_borrowed_str<E: de::Error>(self, v: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(v))
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(v.to_owned()))
            }
            fn visit_string<E: de::Error>(self, v: String) -> Result<Self::Value, E> {
                Ok(Cow::Owned(v))
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> Result<Self::Value, E> {
                Ok(Cow::Owned(v.to_string()))
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Self::Value, E> {
                Ok(Cow::Owned(v.to_string()))
            }
            fn visit_f64<E: de::Error>(self, v: f64) -> Result<Self::Value, E> {
                Ok(Cow::Owned(v.to_string()))
            }
            fn visit_bool<E: de::Error>(self, v: bool) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(if v { "true" } else { "false" }))
            }
            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(""))
            }
        }
        deserializer.deserialize_any(TextVisitor).map(Text)
    }
}

/// `null` where an object or a list could stand means "nothing", as Go writes empty lists.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// The three ids of an account. `user_id` is missing or empty without the employee-id scope.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Ids<'a> {
    #[serde(borrow)]
    pub open_id: Text<'a>,
    #[serde(borrow)]
    pub union_id: Text<'a>,
    #[serde(borrow)]
    pub user_id: Text<'a>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Header<'a> {
    #[serde(borrow)]
    pub event_id: Text<'a>,
    #[serde(borrow)]
    pub event_type: Text<'a>,
    #[serde(borrow)]
    pub create_time: Text<'a>,
    #[serde(borrow)]
    pub token: Text<'a>,
    #[serde(borrow)]
    pub app_id: Text<'a>,
    #[serde(borrow)]
    pub tenant_key: Text<'a>,
}

/// `event` of `im.message.receive_v1`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct MessageReceived<'a> {
    #[serde(borrow)]
    pub sender: Sender<'a>,
    #[serde(borrow)]
    pub message: Message<'a>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Sender<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    pub sender_id: Ids<'a>,
    #[serde(borrow)]
    pub sender_type: Text<'a>,
    #[serde(borrow)]
    pub tenant_key: Text<'a>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Message<'a> {
    #[serde(borrow)]
    pub message_id: Text<'a>,
    #[serde(borrow)]
    pub root_id: Text<'a>,
    #[serde(borrow)]
    pub parent_id: Text<'a>,
    #[serde(borrow)]
    pub create_time: Text<'a>,
    #[serde(borrow)]
    pub chat_id: Text<'a>,
    #[serde(borrow)]
    pub chat_type: Text<'a>,
    #[serde(borrow)]
    pub message_type: Text<'a>,
    /// JSON inside a JSON string.
    #[serde(borrow)]
    pub content: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub mentions: Vec<Mention<'a>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Mention<'a> {
    #[serde(borrow)]
    pub key: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub id: Ids<'a>,
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow)]
    pub mentioned_type: Text<'a>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Reaction<'a> {
    #[serde(borrow)]
    pub message_id: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub reaction_type: ReactionType<'a>,
    #[serde(borrow)]
    pub operator_type: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub user_id: Ids<'a>,
    #[serde(borrow)]
    pub action_time: Text<'a>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ReactionType<'a> {
    #[serde(borrow)]
    pub emoji_type: Text<'a>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct MessageRead<'a> {
    #[serde(borrow)]
    pub reader: Reader<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub message_id_list: Vec<Text<'a>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Reader<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    pub reader_id: Ids<'a>,
    #[serde(borrow)]
    pub read_time: Text<'a>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Recalled<'a> {
    #[serde(borrow)]
    pub message_id: Text<'a>,
    #[serde(borrow)]
    pub chat_id: Text<'a>,
    #[serde(borrow)]
    pub recall_time: Text<'a>,
}

/// All `im.chat.*` events share one shape (feishu.md 4.6 to 4.8, 4.13).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ChatEvent<'a> {
    #[serde(borrow)]
    pub chat_id: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub operator_id: Ids<'a>,
    pub external: bool,
    #[serde(borrow, deserialize_with = "nullable")]
    pub users: Vec<ChatUser<'a>>,
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub after_change: ChatSettings<'a>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ChatUser<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub user_id: Ids<'a>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ChatSettings<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub owner_id: Ids<'a>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct UserEvent<'a> {
    #[serde(borrow)]
    pub object: User<'a>,
}

/// A person, in contact events and in directory answers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct User<'a> {
    #[serde(borrow)]
    pub open_id: Text<'a>,
    #[serde(borrow)]
    pub union_id: Text<'a>,
    #[serde(borrow)]
    pub user_id: Text<'a>,
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow)]
    pub email: Text<'a>,
    #[serde(borrow)]
    pub enterprise_email: Text<'a>,
    #[serde(borrow)]
    pub mobile: Text<'a>,
    #[serde(borrow)]
    pub job_title: Text<'a>,
    #[serde(borrow)]
    pub employee_no: Text<'a>,
    /// Seconds; 0 when not filled in.
    #[serde(borrow)]
    pub join_time: Text<'a>,
    #[serde(borrow)]
    pub city: Text<'a>,
    /// 1 to 5 have a meaning, higher numbers are kinds that the company has made up.
    #[serde(borrow)]
    pub employee_type: Text<'a>,
    #[serde(borrow)]
    pub leader_user_id: Text<'a>,
    #[serde(borrow)]
    pub department_ids: Option<Vec<Text<'a>>>,
    #[serde(deserialize_with = "nullable")]
    pub status: UserStatus,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub struct UserStatus {
    pub is_frozen: bool,
    pub is_resigned: bool,
    pub is_exited: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct DepartmentEvent<'a> {
    #[serde(borrow)]
    pub object: Department<'a>,
}

/// A department, in contact events and in directory answers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Department<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow)]
    pub parent_department_id: Text<'a>,
    #[serde(borrow)]
    pub open_department_id: Text<'a>,
    #[serde(borrow)]
    pub leader_user_id: Text<'a>,
    #[serde(deserialize_with = "nullable")]
    pub status: DepartmentStatus,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub struct DepartmentStatus {
    pub is_deleted: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct BotMenu<'a> {
    #[serde(borrow)]
    pub operator: MenuOperator<'a>,
    #[serde(borrow)]
    pub event_key: Text<'a>,
    #[serde(borrow)]
    pub timestamp: Text<'a>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct MenuOperator<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    pub operator_id: Ids<'a>,
}

/// `event` of `card.action.trigger`. Rare beside messages, so its free-form members are plain JSON
/// values.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct CardAction<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    pub operator: Ids<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub action: CardActionPart<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub context: CardContext<'a>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct CardActionPart<'a> {
    pub value: Value,
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(deserialize_with = "nullable")]
    pub form_value: serde_json::Map<String, Value>,
    pub input_value: Option<String>,
    pub option: Option<String>,
    pub options: Option<Vec<String>>,
    pub checked: Option<bool>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct CardContext<'a> {
    #[serde(borrow)]
    pub open_message_id: Text<'a>,
    #[serde(borrow)]
    pub open_chat_id: Text<'a>,
}

/// What stands in `event`, by the type the header announced.
#[derive(Debug, Clone)]
pub enum EventPart<'a> {
    Message(Box<MessageReceived<'a>>),
    Reaction {
        added: bool,
        event: Box<Reaction<'a>>,
    },
    Read(Box<MessageRead<'a>>),
    Recalled(Box<Recalled<'a>>),
    Chat {
        kind: ChatEventKind,
        event: Box<ChatEvent<'a>>,
    },
    User {
        deleted: bool,
        event: Box<UserEvent<'a>>,
    },
    Department {
        deleted: bool,
        event: Box<DepartmentEvent<'a>>,
    },
    Scope,
    Menu(Box<BotMenu<'a>>),
    Click(Box<CardAction<'a>>),
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatEventKind {
    MembersAdded,
    MembersGone,
    BotAdded,
    BotGone,
    Disbanded,
    Updated,
    DirectEntered,
}

/// A decrypted callback.
#[derive(Debug, Clone)]
pub struct Envelope<'a> {
    pub header: Header<'a>,
    pub event: EventPart<'a>,
    /// Schema 1.0 and address checks carry these at the top.
    pub kind: Text<'a>,
    pub token: Text<'a>,
    pub challenge: Text<'a>,
    pub uuid: Text<'a>,
    pub ts: Text<'a>,
    /// True when `header` was present: schema 2.0.
    pub has_header: bool,
    /// Schema 1.0: `event.app_id` and `event.type`.
    pub legacy: Legacy<'a>,
    event_before_header: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Legacy<'a> {
    #[serde(borrow)]
    pub app_id: Text<'a>,
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
}

/// Reads a decrypted callback. When `event` does not have the shape its type announces, the result
/// is the envelope with [`EventPart::Other`]: such an event is counted, not refused, because the
/// platform would only repeat it.
pub fn read(text: &str) -> Result<Envelope<'_>, serde_json::Error> {
    match serde_json::from_str::<Envelope<'_>>(text) {
        Ok(envelope) if envelope.event_before_header => with_known_type(text, &envelope),
        Ok(envelope) => Ok(envelope),
        Err(_) => {
            let mut envelope = serde_json::from_str::<Untyped<'_>>(text)?.0;
            envelope.event = EventPart::Other;
            Ok(envelope)
        }
    }
}

/// The rare order `event` before `header` needs a second pass; the platform sends `header` first.
fn with_known_type<'a>(text: &'a str, first: &Envelope<'a>) -> Result<Envelope<'a>, serde_json::Error> {
    let mut second = first.clone();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let visitor = EnvelopeVisitor {
        forced: Some(first.header.event_type.as_str()),
        typed: true,
    };
    match deserializer.deserialize_map(visitor) {
        Ok(envelope) => Ok(envelope),
        Err(_) => {
            second.event = EventPart::Other;
            Ok(second)
        }
    }
}

struct Untyped<'a>(Envelope<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Untyped<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_map(EnvelopeVisitor {
                forced: None,
                typed: false,
            })
            .map(Untyped)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Envelope<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EnvelopeVisitor {
            forced: None,
            typed: true,
        })
    }
}

struct EnvelopeVisitor<'t> {
    forced: Option<&'t str>,
    typed: bool,
}

impl<'de> Visitor<'de> for EnvelopeVisitor<'_> {
    type Value = Envelope<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a callback object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope<'de>, A::Error> {
        let mut out = Envelope {
            header: Header::default(),
            event: EventPart::Other,
            kind: Text::default(),
            token: Text::default(),
            challenge: Text::default(),
            uuid: Text::default(),
            ts: Text::default(),
            has_header: false,
            legacy: Legacy::default(),
            event_before_header: false,
        };
        let mut seen_event = false;
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match key.as_str() {
                "header" => {
                    // Twice the same member lets two readers see two different events.
                    if out.has_header {
                        return Err(de::Error::duplicate_field("header"));
                    }
                    out.header = map.next_value()?;
                    out.has_header = true;
                }
                "event" => {
                    if seen_event {
                        return Err(de::Error::duplicate_field("event"));
                    }
                    seen_event = true;
                    match self.forced {
                        _ if !self.typed => {
                            map.next_value::<IgnoredAny>()?;
                        }
                        Some(kind) => out.event = part(kind, &mut map)?,
                        None if out.has_header => out.event = part(out.header.event_type.as_str(), &mut map)?,
                        None => {
                            out.legacy = map.next_value()?;
                            out.event_before_header = true;
                        }
                    }
                }
                "type" => out.kind = map.next_value()?,
                "token" => out.token = map.next_value()?,
                "challenge" => out.challenge = map.next_value()?,
                "uuid" => out.uuid = map.next_value()?,
                "ts" => out.ts = map.next_value()?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        out.event_before_header &= out.has_header;
        Ok(out)
    }
}

fn part<'de, A: MapAccess<'de>>(kind: &str, map: &mut A) -> Result<EventPart<'de>, A::Error> {
    use ChatEventKind as C;
    let chat = |kind, event| EventPart::Chat { kind, event };
    Ok(match kind {
        "im.message.receive_v1" => EventPart::Message(map.next_value()?),
        "im.message.reaction.created_v1" => EventPart::Reaction {
            added: true,
            event: map.next_value()?,
        },
        "im.message.reaction.deleted_v1" => EventPart::Reaction {
            added: false,
            event: map.next_value()?,
        },
        "im.message.message_read_v1" => EventPart::Read(map.next_value()?),
        "im.message.recalled_v1" => EventPart::Recalled(map.next_value()?),
        "im.chat.member.user.added_v1" => chat(C::MembersAdded, map.next_value()?),
        // A withdrawn invitation and a departure end the same way: the people are not in the chat.
        "im.chat.member.user.deleted_v1" | "im.chat.member.user.withdrawn_v1" => {
            chat(C::MembersGone, map.next_value()?)
        }
        "im.chat.member.bot.added_v1" => chat(C::BotAdded, map.next_value()?),
        "im.chat.member.bot.deleted_v1" => chat(C::BotGone, map.next_value()?),
        "im.chat.disbanded_v1" => chat(C::Disbanded, map.next_value()?),
        "im.chat.updated_v1" => chat(C::Updated, map.next_value()?),
        "im.chat.access_event.bot_p2p_chat_entered_v1" => chat(C::DirectEntered, map.next_value()?),
        "contact.user.created_v3" | "contact.user.updated_v3" => EventPart::User {
            deleted: false,
            event: map.next_value()?,
        },
        "contact.user.deleted_v3" => EventPart::User {
            deleted: true,
            event: map.next_value()?,
        },
        "contact.department.created_v3" | "contact.department.updated_v3" => EventPart::Department {
            deleted: false,
            event: map.next_value()?,
        },
        "contact.department.deleted_v3" => EventPart::Department {
            deleted: true,
            event: map.next_value()?,
        },
        "contact.scope.updated_v3" => {
            map.next_value::<IgnoredAny>()?;
            EventPart::Scope
        }
        "application.bot.menu_v6" => EventPart::Menu(map.next_value()?),
        "card.action.trigger" => EventPart::Click(map.next_value()?),
        _ => {
            map.next_value::<IgnoredAny>()?;
            EventPart::Other
        }
    })
}

/// The outer body of an encrypted callback.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Outer<'a> {
    #[serde(borrow)]
    pub encrypt: Text<'a>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECEIVE: &str = r#"{"schema":"2.0","header":{"event_id":"e","event_type":"im.message.recalled_v1","app_id":"a"},"event":{"message_id":"om_1","chat_id":"oc_1"}}"#;

    #[test]
    fn the_order_of_the_members_does_not_matter() {
        let turned = r#"{"event":{"message_id":"om_1","chat_id":"oc_1"},"header":{"event_id":"e","event_type":"im.message.recalled_v1","app_id":"a"}}"#;
        for text in [RECEIVE, turned] {
            let envelope = read(text).unwrap();
            assert_eq!(envelope.header.event_id.as_str(), "e");
            let EventPart::Recalled(recalled) = envelope.event else {
                panic!("{text}")
            };
            assert_eq!(recalled.message_id.as_str(), "om_1");
        }
    }

    #[test]
    fn a_known_type_with_a_strange_shape_is_still_an_event() {
        let strange = RECEIVE.replace(
            r#""event":{"message_id":"om_1","chat_id":"oc_1"}"#,
            r#""event":{"message_id":{"deep":1}}"#,
        );
        let envelope = read(&strange).unwrap();
        assert!(matches!(envelope.event, EventPart::Other));
        assert_eq!(envelope.header.event_type.as_str(), "im.message.recalled_v1");
    }

    #[test]
    fn doubled_members_are_refused() {
        let doubled = RECEIVE.replace(r#""header""#, r#""header":{"app_id":"x"},"header""#);
        assert!(read(&doubled).is_err());
        assert!(read("[]").is_err());
        assert!(read("{}x").is_err());
    }

    #[test]
    fn a_plain_text_is_borrowed_and_an_escaped_one_owned() {
        let ids: Ids<'_> = serde_json::from_str(r#"{"open_id":"ou_1","user_id":null,"union_id":"a\n"}"#).unwrap();
        assert!(matches!(ids.open_id.0, Cow::Borrowed("ou_1")));
        assert!(ids.user_id.is_empty());
        assert!(matches!(&ids.union_id.0, Cow::Owned(t) if t == "a\n"));
    }
}
