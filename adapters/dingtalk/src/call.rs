//! Our actions as the platform's calls. A [`Call`] is what a `Prepared` request holds; only the
//! access token, the idempotency key and (for a reply) the choice between session webhook and robot
//! send are left for the moment of sending.

use hutong_model::{Action, ActionKind, ChatKind, ChatRef, Message, MessageId, Prepared, RenderError, Target, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::Config;
use crate::day;
use crate::ids::{DingId, NoticeId, SentId};
use crate::normalise::ReplyContext;
use crate::render::{self, Part};
use crate::stream;

/// Names of the calls, as in the limits of [`crate::capabilities`].
pub mod api {
    pub const GROUP_SEND: &str = "robot_group_send";
    pub const USER_SEND: &str = "robot_oto_send";
    pub const CARD_CREATE: &str = "card_create";
    pub const CARD_UPDATE: &str = "card_update";
    pub const RECALL: &str = "robot_recall";
    pub const READERS: &str = "robot_readers";
    pub const GROUP_CREATE: &str = "scene_group_create";
    pub const GROUP_UPDATE: &str = "scene_group_update";
    pub const MEMBERS: &str = "scene_group_members";
    pub const MEMBER_LIST: &str = "scene_group_member_list";
    pub const UPLOAD: &str = "media_upload";
    pub const DING: &str = "ding";
    pub const DING_RECALL: &str = "ding_recall";
    pub const CALENDAR: &str = "calendar";
    pub const NOTICE: &str = "work_notice";
    pub const HONOUR: &str = "honour";
}

/// Calls whose repetition changes nothing may be repeated for as long as they matter.
const IDEMPOTENT_MS: i64 = 24 * 3_600_000;
/// `outTrackId` and the scene group's `uuid` are the caller's and unique; how long the platform
/// remembers them is not documented, so only an hour is relied on.
const OWN_ID_MS: i64 = 3_600_000;
/// `x-client-token` of the calendar: one day; an hour less for skew.
const CALENDAR_MS: i64 = 23 * 3_600_000;
/// Scene groups hold 1000 people (6.6).
const MEMBERS_MAX: usize = 1000;
/// Half of what the old API allowed in one call; the new one names no number.
pub const MEMBERS_PER_CALL: usize = 500;
/// DING inside the app: 200 people in one call (6.8).
const DING_MAX: usize = 200;
/// Honours: ten people in one call.
const HONOUR_MAX: usize = 10;
const UPLOAD_BYTES: usize = 20 << 20;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "snake_case")]
pub enum Call {
    /// A robot message; first by the session webhook while that is open.
    Send {
        to: Target,
        msg_key: String,
        msg_param: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        webhook: Option<Webhook>,
        /// The same as work notices, for a person whom the robot cannot reach.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        notices: Vec<Value>,
    },
    /// `outTrackId` is the idempotency key.
    CardCreate {
        to: Target,
        body: Value,
    },
    CardUpdate {
        track: String,
        body: Value,
    },
    Recall {
        to: Target,
        query: String,
    },
    Readers {
        to: Target,
        query: String,
    },
    /// `uuid` is the idempotency key.
    GroupCreate {
        body: Value,
    },
    GroupUpdate {
        body: Value,
    },
    Members {
        add: bool,
        body: Value,
    },
    Disband {
        chat: String,
    },
    MemberList {
        chat: String,
    },
    Upload {
        name: String,
        kind: String,
        media_type: String,
        /// base64
        data: String,
    },
    Ding {
        users: Vec<UserId>,
        content: String,
    },
    DingRecall {
        id: String,
    },
    NoticeRecall {
        task: String,
    },
    NoticeReaders {
        task: String,
    },
    Honour {
        honour: String,
        users: Vec<String>,
        given: bool,
    },
    /// `x-client-token` is the idempotency key. People are user ids here; the call wants union ids.
    Calendar {
        organiser: UserId,
        attendees: Vec<UserId>,
        body: Value,
    },
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Webhook {
    pub url: String,
    pub expires: i64,
    pub body: Value,
}

/// The address is a credential.
impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").field("expires", &self.expires).finish()
    }
}

pub fn prepare(config: &Config, action: &Action) -> Result<Vec<Prepared>, RenderError> {
    let kind = action.kind();
    match action {
        Action::Send { to, content } => send(config, to, content, None, kind),
        Action::Reply {
            chat, context, content, ..
        } => reply(config, chat, context.as_deref(), content),
        Action::UpdateCard { card, content, .. } => update(card, content),
        Action::Recall { message } | Action::Readers { message } if NoticeId::decode(message).is_some() => {
            let NoticeId { user, task } = NoticeId::decode(message).ok_or_else(|| not(kind, "no such notice"))?;
            let call = match kind {
                ActionKind::Recall => Call::NoticeRecall { task },
                _ => Call::NoticeReaders { task },
            };
            plain(api::NOTICE, user.as_str(), &call)
        }
        Action::Recall { message } if DingId::decode(message).is_some() => {
            let DingId(id) = DingId::decode(message).ok_or_else(|| not(kind, "no such DING"))?;
            Ok(vec![prepared(
                api::DING_RECALL,
                None,
                Some(IDEMPOTENT_MS),
                &Call::DingRecall { id },
            )?])
        }
        Action::Recall { message } => {
            let (to, query) = sent(kind, message)?;
            one(
                api::RECALL,
                &to,
                Some(IDEMPOTENT_MS),
                &Call::Recall { to: to.clone(), query },
            )
        }
        Action::Readers { message } => {
            let (to, query) = sent(kind, message)?;
            one(
                api::READERS,
                &to,
                Some(IDEMPOTENT_MS),
                &Call::Readers { to: to.clone(), query },
            )
        }
        Action::CreateChat {
            name, owner, members, ..
        } => create_chat(config, name, owner, members),
        Action::RenameChat { chat, name } => plain(
            api::GROUP_UPDATE,
            chat.as_str(),
            &Call::GroupUpdate {
                body: json!({ "open_conversation_id": chat.as_str(), "title": group_name(name)? }),
            },
        ),
        Action::SetOwner { chat, owner } => plain(
            api::GROUP_UPDATE,
            chat.as_str(),
            &Call::GroupUpdate {
                body: json!({ "open_conversation_id": chat.as_str(), "owner_user_id": owner.as_str() }),
            },
        ),
        Action::AddMembers { users, .. }
        | Action::RemoveMembers { users, .. }
        | Action::Urgent { users, .. }
        | Action::Badge { users, .. }
            if users.is_empty() =>
        {
            Err(RenderError::Invalid("nobody is named".into()))
        }
        Action::AddMembers { chat, users } | Action::RemoveMembers { chat, users } => users
            .chunks(MEMBERS_PER_CALL)
            .map(|chunk| {
                let ids: Vec<&str> = chunk.iter().map(UserId::as_str).collect();
                prepared(
                    api::MEMBERS,
                    Some(chat.as_str()),
                    Some(IDEMPOTENT_MS),
                    &Call::Members {
                        add: kind == ActionKind::AddMembers,
                        body: json!({ "open_conversation_id": chat.as_str(), "user_ids": ids }),
                    },
                )
            })
            .collect(),
        Action::Disband { chat } => plain(
            api::GROUP_UPDATE,
            chat.as_str(),
            &Call::Disband {
                chat: chat.as_str().into(),
            },
        ),
        Action::ListMembers { chat } => plain(
            api::MEMBER_LIST,
            chat.as_str(),
            &Call::MemberList {
                chat: chat.as_str().into(),
            },
        ),
        Action::Upload { name, media_type, data } => upload(name, media_type, data),
        Action::Urgent { message, users } => {
            if NoticeId::decode(message).is_none() {
                sent(kind, message)?;
            }
            users
                .chunks(DING_MAX)
                .map(|chunk| {
                    prepared(
                        api::DING,
                        None,
                        None,
                        &Call::Ding {
                            users: chunk.to_vec(),
                            content: "请查看我刚才发的消息 / Please read the message I just sent".into(),
                        },
                    )
                })
                .collect()
        }
        Action::Calendar { entry } => {
            let organiser = config
                .calendar_user
                .as_deref()
                .and_then(|u| UserId::new(u).ok())
                .ok_or_else(|| not(kind, "set calendar_user to the person whose calendar holds the entries"))?;
            let body = json!({
                "summary": cut(&entry.title, 2048),
                "description": cut(&entry.description, 5000),
                "start": { "dateTime": day::rfc3339(entry.from), "timeZone": "Asia/Shanghai" },
                "end": { "dateTime": day::rfc3339(entry.to), "timeZone": "Asia/Shanghai" },
                "isAllDay": false,
                "reminders": [{ "method": "dingtalk", "minutes": 15 }],
            });
            if entry.attendees.len() > 500 {
                return Err(RenderError::TooLarge {
                    what: "attendees of a calendar entry",
                    bytes: entry.attendees.len(),
                    limit: 500,
                });
            }
            Ok(vec![prepared(
                api::CALENDAR,
                Some(organiser.as_str()),
                Some(CALENDAR_MS),
                &Call::Calendar {
                    organiser: organiser.clone(),
                    attendees: entry.attendees.clone(),
                    body,
                },
            )?])
        }
        Action::React { .. } => Err(not(kind, "robots cannot put reactions")),
        Action::Pin { .. } | Action::Unpin { .. } => Err(not(kind, "robots cannot pin messages")),
        Action::Badge { badge, users, given } => honour(config, badge, users, *given),
    }
}

fn not(kind: ActionKind, why: &str) -> RenderError {
    RenderError::NotPossible {
        app_kind: "dingtalk",
        action: kind.as_str(),
        why: why.to_owned(),
    }
}

fn prepared(api: &str, to: Option<&str>, key_window_ms: Option<i64>, call: &Call) -> Result<Prepared, RenderError> {
    Ok(Prepared {
        api: api.to_owned(),
        to: to.map(str::to_owned),
        weight: 1,
        request: serde_json::to_string(call).map_err(|e| RenderError::Invalid(e.to_string()))?,
        key_window_ms,
    })
}

fn one(api: &str, to: &Target, window: Option<i64>, call: &Call) -> Result<Vec<Prepared>, RenderError> {
    Ok(vec![prepared(api, Some(to.as_str()), window, call)?])
}

fn plain(api: &str, to: &str, call: &Call) -> Result<Vec<Prepared>, RenderError> {
    Ok(vec![prepared(api, Some(to), Some(IDEMPOTENT_MS), call)?])
}

/// Where a message of ours is, and its query key.
fn sent(kind: ActionKind, message: &MessageId) -> Result<(Target, String), RenderError> {
    match SentId::decode(message) {
        Some(SentId {
            to: Some(to), query, ..
        }) if !query.is_empty() => Ok((to, query)),
        Some(_) => Err(not(kind, "the platform gave no key for this card")),
        None => Err(not(kind, "only messages that this robot sent")),
    }
}

fn send(
    config: &Config,
    to: &Target,
    content: &Message,
    webhook: Option<(&str, i64)>,
    kind: ActionKind,
) -> Result<Vec<Prepared>, RenderError> {
    let mentions = render::mentions(content);
    let group = matches!(to, Target::Chat(_));
    // Outside of a reply only a card can mention anybody.
    let pings = group && kind == ActionKind::Send && (mentions.all || !mentions.users.is_empty());
    if config.card.is_some() && (content.interactive() || pings) {
        return card(config, to, content);
    }
    render::parts(content)?
        .into_iter()
        .map(|part| robot_message(config, to, part, webhook))
        .collect()
}

fn robot_message(
    config: &Config,
    to: &Target,
    part: Part,
    webhook: Option<(&str, i64)>,
) -> Result<Prepared, RenderError> {
    let api = match to {
        Target::Chat(_) => api::GROUP_SEND,
        Target::User(_) => api::USER_SEND,
    };
    let call = Call::Send {
        to: to.clone(),
        msg_key: part.msg_key.to_owned(),
        msg_param: part.msg_param,
        webhook: webhook.map(|(url, expires)| Webhook {
            url: url.to_owned(),
            expires,
            body: part.webhook,
        }),
        notices: match to {
            Target::User(_) if config.agent_id.is_some() => part.notices,
            _ => Vec::new(),
        },
    };
    // No idempotency key exists: never resent blindly.
    prepared(api, Some(to.as_str()), None, &call)
}

fn reply(
    config: &Config,
    chat: &ChatRef,
    context: Option<&str>,
    content: &Message,
) -> Result<Vec<Prepared>, RenderError> {
    let context: Option<ReplyContext> = context.and_then(|c| serde_json::from_str(c).ok());
    let to = match chat.kind {
        ChatKind::Group => Target::Chat(chat.id.clone()),
        // The id of a private chat cannot be sent to.
        ChatKind::Direct => match context.as_ref().and_then(|c| c.user.clone()) {
            Some(user) => Target::User(user),
            None => {
                return Err(not(
                    ActionKind::Reply,
                    "the sender of this private message has no user id here",
                ));
            }
        },
    };
    let webhook = context
        .as_ref()
        .and_then(|c| Some((config.webhook(c.webhook.as_deref()?)?.to_string(), c.expires)));
    send(
        config,
        &to,
        content,
        webhook.as_ref().map(|(url, expires)| (url.as_str(), *expires)),
        ActionKind::Reply,
    )
}

fn card(config: &Config, to: &Target, content: &Message) -> Result<Vec<Prepared>, RenderError> {
    let Some(settings) = &config.card else {
        return Err(not(ActionKind::Send, "set card_template_id"));
    };
    let card = render::card(content)?;
    let space = json!({
        "supportForward": false,
        "lastMessageI18n": { "ZH_CN": card.title },
        "notification": { "alertContent": card.title, "notificationOff": false },
    });
    let mut body = json!({
        "cardTemplateId": settings.template_id,
        "callbackType": "HTTP",
        "callbackRouteKey": settings.route_key,
        "cardData": { "cardParamMap": card.params },
        "userIdType": 1,
    });
    if config.streams() {
        stream::card_callback(&mut body);
    }
    match to {
        Target::Chat(chat) => {
            let mut deliver = json!({ "robotCode": config.robot_code });
            if card.mentions.all {
                deliver["atUserIds"] = json!({ "@ALL": "@ALL" });
            } else if !card.mentions.users.is_empty() {
                let people: serde_json::Map<String, Value> = card
                    .mentions
                    .users
                    .iter()
                    .map(|(user, name)| (user.as_str().to_owned(), crate::escape::line(name, 40).into()))
                    .collect();
                deliver["atUserIds"] = people.into();
            }
            if !card.mentions.users.is_empty() {
                let ids: Vec<&str> = card.mentions.users.iter().map(|(u, _)| u.as_str()).collect();
                body["cardAtUserIds"] = json!(ids);
            }
            body["openSpaceId"] = format!("dtv1.card//IM_GROUP.{chat}").into();
            body["imGroupOpenSpaceModel"] = space;
            body["imGroupOpenDeliverModel"] = deliver;
        }
        Target::User(user) => {
            body["openSpaceId"] = format!("dtv1.card//IM_ROBOT.{user}").into();
            body["imRobotOpenSpaceModel"] = space;
            body["imRobotOpenDeliverModel"] = json!({ "spaceType": "IM_ROBOT", "robotCode": config.robot_code });
        }
    }
    let mut out = card
        .before
        .into_iter()
        .map(|part| robot_message(config, to, part, None))
        .collect::<Result<Vec<_>, _>>()?;
    out.push(prepared(
        api::CARD_CREATE,
        Some(to.as_str()),
        Some(OWN_ID_MS),
        &Call::CardCreate { to: to.clone(), body },
    )?);
    Ok(out)
}

fn update(card: &MessageId, content: &Message) -> Result<Vec<Prepared>, RenderError> {
    let Some(SentId { track: Some(track), .. }) = SentId::decode(card) else {
        return Err(not(ActionKind::UpdateCard, "this message is not a card of the robot"));
    };
    // Without the option the platform would drop every variable that is not named.
    let body = json!({
        "outTrackId": track,
        "cardData": { "cardParamMap": render::update(content)? },
        "cardUpdateOptions": { "updateCardDataByKey": true, "updatePrivateDataByKey": true },
        "userIdType": 1,
    });
    Ok(vec![prepared(
        api::CARD_UPDATE,
        Some(&track),
        Some(IDEMPOTENT_MS),
        &Call::CardUpdate {
            track: track.clone(),
            body,
        },
    )?])
}

/// 1 to 30 characters (6.6).
fn group_name(name: &str) -> Result<String, RenderError> {
    let name = crate::escape::line(name, 30);
    if name.is_empty() {
        return Err(RenderError::Invalid("a group needs a name".into()));
    }
    Ok(name.chars().take(30).collect())
}

fn create_chat(config: &Config, name: &str, owner: &UserId, members: &[UserId]) -> Result<Vec<Prepared>, RenderError> {
    // A plain group made by API has no robot in it, so the bot could not speak there.
    let Some(template) = &config.group_template_id else {
        return Err(not(
            ActionKind::CreateChat,
            "set group_template_id to a scene group template that holds the robot",
        ));
    };
    let mut ids = vec![owner.as_str()];
    for member in members {
        if !ids.contains(&member.as_str()) {
            ids.push(member.as_str());
        }
    }
    if ids.len() > MEMBERS_MAX {
        return Err(RenderError::TooLarge {
            what: "members of a scene group",
            bytes: ids.len(),
            limit: MEMBERS_MAX,
        });
    }
    let body = json!({
        "title": group_name(name)?,
        "template_id": template,
        "owner_user_id": owner.as_str(),
        "user_ids": ids,
        // Only the owner manages and mentions everyone; newcomers see the history and need nobody's consent;
        // not found by search; everybody may speak.
        "management_options": {
            "mention_all_authority": 1, "management_type": 1, "show_history_type": 1, "searchable": 0,
            "validation_type": 0, "chat_banned_type": 0,
        },
    });
    Ok(vec![prepared(
        api::GROUP_CREATE,
        None,
        Some(OWN_ID_MS),
        &Call::GroupCreate { body },
    )?])
}

fn honour(config: &Config, honour: &str, users: &[UserId], given: bool) -> Result<Vec<Prepared>, RenderError> {
    let Some(granter) = &config.honour_user else {
        return Err(not(
            ActionKind::Badge,
            "set honour_user to the person in whose name honours are granted",
        ));
    };
    if honour.is_empty()
        || !honour
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    {
        return Err(RenderError::Invalid(format!("{honour:?} is not the id of an honour")));
    }
    users
        .chunks(if given { HONOUR_MAX } else { 1 })
        .map(|chunk| {
            prepared(
                api::HONOUR,
                Some(granter.as_str()),
                // Taken back twice is taken back; granted twice may be two honours.
                (!given).then_some(IDEMPOTENT_MS),
                &Call::Honour {
                    honour: honour.to_owned(),
                    users: chunk.iter().map(|u| u.as_str().to_owned()).collect(),
                    given,
                },
            )
        })
        .collect()
}

fn upload(name: &str, media_type: &str, data: &str) -> Result<Vec<Prepared>, RenderError> {
    let (kind, limit) = match media_type.split('/').next().unwrap_or_default() {
        "image" => ("image", UPLOAD_BYTES),
        "audio" => ("voice", 2 << 20),
        "video" => ("video", UPLOAD_BYTES),
        _ => ("file", UPLOAD_BYTES),
    };
    let bytes = data.len() / 4 * 3;
    if bytes > limit {
        return Err(RenderError::TooLarge {
            what: "upload",
            bytes,
            limit,
        });
    }
    // Uploading twice only makes a second name for the same bytes.
    Ok(vec![prepared(
        api::UPLOAD,
        None,
        Some(IDEMPOTENT_MS),
        &Call::Upload {
            name: name
                .chars()
                .filter(|c| !matches!(c, '"' | '/' | '\\') && !c.is_control())
                .collect(),
            kind: kind.to_owned(),
            media_type: media_type.to_owned(),
            data: data.to_owned(),
        },
    )?])
}

fn cut(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{config, settings};
    use hutong_model::{Button, ButtonStyle, CalendarEntry, ChatId, Inline, SettingValue, Timestamp};

    fn call(prepared: &Prepared) -> Call {
        serde_json::from_str(&prepared.request).unwrap()
    }

    fn group() -> Target {
        Target::Chat(ChatId::new("cidSimGroup0000000000001==").unwrap())
    }

    fn user(id: &str) -> UserId {
        UserId::new(id).unwrap()
    }

    #[test]
    fn plain_sends_have_no_key_and_cards_do() {
        let config = config(&settings());
        let send = |content| prepare(&config, &Action::Send { to: group(), content }).unwrap();
        let text = send(Message::text("你好"));
        assert_eq!((text[0].api.as_str(), text[0].key_window_ms), (api::GROUP_SEND, None));
        assert_eq!(text[0].to.as_deref(), Some("cidSimGroup0000000000001=="));
        let card = send(Message::card("公告").buttons(vec![Button {
            label: "收到".into(),
            action: "t".into(),
            style: ButtonStyle::Normal,
        }]));
        assert_eq!(card[0].api, api::CARD_CREATE);
        assert!(card[0].key_window_ms.is_some());
        // Outside of a reply a mention needs a card; without a template it is text.
        let mention = Message::default().paragraph(vec![Inline::Mention {
            user: user("u1"),
            name: "陈晨".into(),
        }]);
        let Call::CardCreate { body, .. } = call(&send(mention.clone())[0]) else {
            panic!()
        };
        assert_eq!(body["imGroupOpenDeliverModel"]["atUserIds"], json!({"u1": "陈晨"}));
        let bare =
            crate::config::tests::config(&settings().with("card_template_id", SettingValue::Text(String::new())));
        let got = prepare(
            &bare,
            &Action::Send {
                to: group(),
                content: mention,
            },
        )
        .unwrap();
        assert_eq!(got[0].api, api::GROUP_SEND);
    }

    #[test]
    fn a_reply_holds_both_ways() {
        let config = config(&settings());
        let context = json!({"w": "https://oapi.dingtalk.com/robot/sendBySession?session=s", "e": 9, "u": "u1"});
        let reply = |kind, context: Option<String>| {
            prepare(
                &config,
                &Action::Reply {
                    message: MessageId::new("m").unwrap(),
                    chat: ChatRef {
                        id: ChatId::new("cid1").unwrap(),
                        kind,
                        name: None,
                    },
                    context,
                    content: Message::text("好"),
                },
            )
        };
        let Call::Send { to, webhook, .. } = call(&reply(ChatKind::Direct, Some(context.to_string())).unwrap()[0])
        else {
            panic!()
        };
        assert_eq!(to, Target::User(user("u1")));
        assert_eq!(webhook.unwrap().expires, 9);
        // A stored address of somewhere else is never called.
        let foreign = json!({"w": "https://evil.example/x", "e": 9});
        let Call::Send { webhook, .. } = call(&reply(ChatKind::Group, Some(foreign.to_string())).unwrap()[0]) else {
            panic!()
        };
        assert_eq!(webhook, None);
        assert!(reply(ChatKind::Direct, None).is_err());
    }

    #[test]
    fn what_robots_cannot_do_is_said() {
        let config = config(&settings());
        let message = MessageId::new("msgSim0001==").unwrap();
        for action in [
            Action::React {
                message: message.clone(),
                emoji: "OK".into(),
            },
            Action::Pin {
                message: message.clone(),
            },
            Action::Recall {
                message: message.clone(),
            },
            Action::Readers { message },
        ] {
            assert!(
                matches!(prepare(&config, &action), Err(RenderError::NotPossible { .. })),
                "{action:?}"
            );
        }
    }

    #[test]
    fn long_lists_are_divided() {
        let config = config(&settings());
        let users: Vec<UserId> = (0..1001).map(|i| user(&format!("u{i}"))).collect();
        let add = prepare(
            &config,
            &Action::AddMembers {
                chat: ChatId::new("cid1").unwrap(),
                users: users.clone(),
            },
        )
        .unwrap();
        assert_eq!(add.len(), 3);
        assert!(matches!(
            prepare(
                &config,
                &Action::CreateChat {
                    name: "研发部".into(),
                    owner: user("u0"),
                    members: users,
                    description: None
                }
            ),
            Err(RenderError::TooLarge { .. })
        ));
        let entry = CalendarEntry {
            title: "培训".into(),
            description: "新人培训".into(),
            from: Timestamp(1_767_682_800_000),
            to: Timestamp(1_767_686_400_000),
            attendees: vec![user("u1")],
        };
        let got = prepare(&config, &Action::Calendar { entry }).unwrap();
        let Call::Calendar { body, .. } = call(&got[0]) else {
            panic!()
        };
        assert_eq!(body["start"]["dateTime"], "2026-01-06T15:00:00+08:00");
    }
}
