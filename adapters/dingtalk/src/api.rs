//! Carries out calls and reads the directory.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hutong_model::{
    CallError, ChatId, Clock, Day, DepartmentId, DepartmentRecord, Employment, FailedReceiver, Outcome, Page,
    PersonRecord, Prepared, Receipt, Target, Timestamp, UserId,
};
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;

use crate::call::{Call, Webhook};
use crate::codes::{Class, SESSION_GONE, USER_GONE, permission_missing};
use crate::config::Config;
use crate::http::{Failure, Http, Payload, Request};
use crate::ids::{DingId, SentId};
use crate::quota::Usage;
use crate::wire;

/// Read lists and member lists are followed for so many pages; 200 people each.
const PAGES: usize = 50;
/// A webhook that ends within this time is not tried any more.
const WEBHOOK_MARGIN_MS: i64 = 5_000;
/// Departments read for one page of the listing.
const DEPARTMENTS_PER_PAGE: usize = 20;
/// `batchSend` takes twenty people at once (6.2).
const BATCH: usize = 20;
/// The list that names people whom the robot cannot reach.
const INVALID: &str = "invalidStaffIdList";
/// Deeper than any company: ends the walk through a tree that is none.
const DEPTH: u32 = 30;

pub struct Api {
    pub config: Config,
    pub(crate) http: Http,
    card_route: OnceCell<()>,
}

fn ids(value: Option<&Value>) -> Vec<UserId> {
    value
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(wire::scalar)
        .filter_map(|id| UserId::new(id).ok())
        .collect()
}

fn text<'v>(body: &'v Value, key: &str) -> &'v str {
    body.get(key).and_then(Value::as_str).unwrap_or_default()
}

impl Api {
    pub fn new(config: Config, clock: Arc<dyn Clock>) -> Result<Self, String> {
        Ok(Self {
            http: Http::new(&config, clock)?,
            config,
            card_route: OnceCell::new(),
        })
    }

    /// How much of the month's quota of API calls this process has used.
    pub fn usage(&self) -> Usage {
        self.http.usage()
    }

    pub(crate) async fn call(&self, request: &Request) -> Result<Value, Failure> {
        self.http.call(&self.config, request).await
    }

    pub fn client(&self) -> reqwest::Client {
        self.http.client()
    }

    pub async fn probe(&self) -> Result<(), CallError> {
        self.http.fresh_token(&self.config).await.map_err(Failure::call_error)
    }

    pub async fn deliver(&self, prepared: &Prepared, key: &str, clock: &dyn Clock) -> Outcome {
        let call: Call = match serde_json::from_str(&prepared.request) {
            Ok(call) => call,
            Err(_) => {
                return Outcome::Rejected {
                    code: "request".into(),
                    text: "the stored request cannot be read".into(),
                };
            }
        };
        match self.carry_out(call, key, clock).await {
            Ok(receipt) => Outcome::Sent(receipt),
            Err(failure) => failure.outcome(),
        }
    }

    async fn carry_out(&self, call: Call, key: &str, clock: &dyn Clock) -> Result<Receipt, Failure> {
        match call {
            Call::Send {
                to,
                msg_key,
                msg_param,
                webhook,
                notices,
            } => {
                if let Some(webhook) = webhook
                    && let Some(receipt) = self.by_webhook(webhook, clock).await?
                {
                    return Ok(receipt);
                }
                let receipt = self.robot_send(&to, &msg_key, &msg_param).await?;
                match &to {
                    // Not a person the robot can reach: as a work notice, when the app has those.
                    Target::User(user)
                        if receipt
                            .failed
                            .iter()
                            .any(|f| f.code == INVALID && f.receiver == user.as_str())
                            && !notices.is_empty() =>
                    {
                        Ok(self.notices(user, &notices).await?.unwrap_or(receipt))
                    }
                    _ => Ok(receipt),
                }
            }
            Call::CardCreate { to, body } => self.create_card(&to, body, key).await,
            Call::CardUpdate { track, body } => {
                let answer = self.call(&Request::put("v1.0/card/instances", body)).await?;
                succeeded(&answer)?;
                Ok(Receipt {
                    message: SentId::track(&track).encode(),
                    ..Receipt::default()
                })
            }
            Call::Recall { to, query } => self.recall(&to, &query).await,
            Call::Readers { to, query } => self.readers(&to, &query).await,
            Call::GroupCreate { mut body } => {
                body["uuid"] = key.into();
                let answer = self.call(&Request::post("v1.0/im/sceneGroup/create", body)).await?;
                let chat = ChatId::new(text(&answer, "open_conversation_id"))
                    .map_err(|_| Failure::unknown("the answer names no group"))?;
                Ok(Receipt {
                    chat: Some(chat),
                    ..Receipt::default()
                })
            }
            Call::GroupUpdate { body } => self.done("v1.0/im/sceneGroup/update", body).await,
            Call::Members { add, body } => {
                let path = if add {
                    "v1.0/im/sceneGroup/member/add"
                } else {
                    "v1.0/im/sceneGroup/member/delete"
                };
                self.done(path, body).await
            }
            Call::Disband { chat } => {
                self.done("v1.0/im/chat/scenegroup/disband", json!({ "openConversationId": chat }))
                    .await
            }
            Call::MemberList { chat } => self.member_list(&chat).await,
            Call::Upload {
                name,
                kind,
                media_type,
                data,
            } => {
                let bytes = STANDARD
                    .decode(data)
                    .map_err(|_| Failure::rejected("data", "the file is not base64"))?;
                let payload = Payload::File {
                    kind,
                    name,
                    media_type,
                    bytes,
                };
                let answer = self.call(&Request::upload(payload)).await?;
                match text(&answer, "media_id") {
                    "" => Err(Failure::unknown("the answer names no media id")),
                    id => Ok(Receipt {
                        handle: Some(id.to_owned()),
                        ..Receipt::default()
                    }),
                }
            }
            Call::Ding { users, content } => self.ding(&users, &content).await,
            Call::DingRecall { id } => {
                let body = json!({ "robotCode": self.config.robot_code, "openDingId": id });
                self.call(&Request::post("v1.0/robot/ding/recall", body)).await?;
                Ok(Receipt::default())
            }
            Call::NoticeRecall { task } => self.recall_notice(&task).await.map(|()| Receipt::default()),
            Call::NoticeReaders { task } => {
                let result = self.notice_result(&task).await?;
                Ok(Receipt {
                    users: result.read,
                    failed: result.failed,
                    ..Receipt::default()
                })
            }
            Call::Honour { honour, users, given } => self.honour(&honour, &users, given).await,
            Call::Calendar {
                organiser,
                attendees,
                body,
            } => self.calendar(&organiser, &attendees, body, key).await,
        }
    }

    async fn done(&self, path: &str, body: Value) -> Result<Receipt, Failure> {
        succeeded(&self.call(&Request::post(path, body)).await?)?;
        Ok(Receipt::default())
    }

    /// `None` when the session is over and nothing was sent.
    async fn by_webhook(&self, webhook: Webhook, clock: &dyn Clock) -> Result<Option<Receipt>, Failure> {
        if clock.now().millis() + WEBHOOK_MARGIN_MS >= webhook.expires {
            return Ok(None);
        }
        // Checked once more: what is stored may have been written by an older configuration.
        let Some(url) = self.config.webhook(&webhook.url) else {
            return Ok(None);
        };
        match self.http.webhook(url, &webhook.body).await {
            Ok(_) => Ok(Some(Receipt::default())),
            Err(f) if f.code == SESSION_GONE.to_string() => Ok(None),
            Err(f) => Err(f),
        }
    }

    async fn robot_send(&self, to: &Target, msg_key: &str, msg_param: &str) -> Result<Receipt, Failure> {
        let robot = &self.config.robot_code;
        match to {
            Target::Chat(chat) => {
                let mut body = json!({
                    "robotCode": robot, "openConversationId": chat.as_str(),
                    "msgKey": msg_key, "msgParam": msg_param,
                });
                if let Some(code) = &self.config.cool_app_code {
                    body["coolAppCode"] = code.as_str().into();
                }
                let answer = self.call(&Request::post("v1.0/robot/groupMessages/send", body)).await?;
                Ok(Receipt {
                    message: SentId::group(chat, text(&answer, "processQueryKey")).encode(),
                    ..Receipt::default()
                })
            }
            Target::User(user) => {
                let body = json!({
                    "robotCode": robot, "userIds": [user.as_str()], "msgKey": msg_key, "msgParam": msg_param,
                });
                let answer = self
                    .call(&Request::post("v1.0/robot/oToMessages/batchSend", body))
                    .await?;
                Ok(Receipt {
                    message: SentId::user(user, text(&answer, "processQueryKey")).encode(),
                    failed: unreached(&answer),
                    ..Receipt::default()
                })
            }
        }
    }

    /// Without the edition or the package for it: as robot messages, which buzz less and still arrive.
    async fn ding(&self, users: &[UserId], content: &str) -> Result<Receipt, Failure> {
        let robot = &self.config.robot_code;
        let body = json!({
            "robotCode": robot, "remindType": 1,
            "receiverUserIdList": users, "content": content,
        });
        match self.call(&Request::post("v1.0/robot/ding/send", body)).await {
            Ok(answer) => {
                let id = answer.get("openDingId").and_then(wire::scalar);
                Ok(Receipt {
                    message: id.clone().and_then(|id| DingId(id).encode()),
                    handle: id,
                    failed: failed_dings(answer.get("failedList")),
                    ..Receipt::default()
                })
            }
            Err(f) if permission_missing(&f.code) || f.code == "ding.serverquota.insufficient" => {
                let param = json!({ "content": content }).to_string();
                let mut receipt = Receipt::default();
                for chunk in users.chunks(BATCH) {
                    let body = json!({
                        "robotCode": robot, "userIds": chunk, "msgKey": "sampleText", "msgParam": param,
                    });
                    let sent = self
                        .call(&Request::post("v1.0/robot/oToMessages/batchSend", body))
                        .await;
                    match sent {
                        Ok(answer) => receipt.failed.extend(unreached(&answer)),
                        // Others have got it: those who have not are named.
                        Err(f) if f.class != Class::Unknown && receipt.handle.is_some() => {
                            receipt.failed.extend(chunk.iter().map(|u| FailedReceiver {
                                receiver: u.to_string(),
                                code: f.code.clone(),
                                text: f.text.clone(),
                            }));
                        }
                        Err(f) => return Err(f),
                    }
                    receipt.handle = Some("batchSend".into());
                }
                receipt.handle = None;
                Ok(receipt)
            }
            Err(f) => Err(f),
        }
    }

    async fn create_card(&self, to: &Target, mut body: Value, key: &str) -> Result<Receipt, Failure> {
        self.register_card_route().await?;
        body["outTrackId"] = key.into();
        let receipt = |carrier: &str| Receipt {
            message: SentId::card(key, to, carrier).encode(),
            ..Receipt::default()
        };
        let answer = match self
            .call(&Request::post("v1.0/card/instances/createAndDeliver", body))
            .await
        {
            Ok(answer) => answer,
            // Our own key again: an earlier attempt had arrived, its answer had not.
            Err(f) if f.code == "param.cardAlreadyExist" => return Ok(receipt("")),
            Err(f) => return Err(f),
        };
        succeeded(&answer)?;
        let results = answer.pointer("/result/deliverResults").and_then(Value::as_array);
        let result = results
            .and_then(|r| r.first())
            .ok_or_else(|| Failure::unknown("the answer says nothing about the delivery"))?;
        if result.get("success").and_then(wire::boolean) != Some(true) {
            return Err(Failure::rejected(
                "card.deliver",
                match text(result, "errorMsg") {
                    "" => "the card was not delivered",
                    why => why,
                },
            ));
        }
        Ok(receipt(text(result, "carrierId")))
    }

    /// Where card callbacks go: registered by the bot when it knows its own public address.
    pub(crate) async fn register_card_route(&self) -> Result<(), Failure> {
        let Some(card) = self.config.card.as_ref().filter(|_| !self.config.streams()) else {
            return Ok(());
        };
        let Some(url) = &card.callback_url else {
            return Ok(());
        };
        let register = || async {
            let body = json!({
                "callbackRouteKey": card.route_key, "callbackUrl": url,
                "apiSecret": card.secret.expose(), "forceUpdate": true,
            });
            self.call(&Request::post("v1.0/card/callbacks/register", body)).await
        };
        self.card_route
            .get_or_try_init(|| async {
                match register().await {
                    Ok(answer) => succeeded(&answer),
                    // The card itself was not sent.
                    Err(f) if f.class == Class::Unknown => Err(Failure {
                        class: Class::NotSent,
                        ..f
                    }),
                    Err(f) => Err(f),
                }
            })
            .await
            .copied()
    }

    async fn recall(&self, to: &Target, query: &str) -> Result<Receipt, Failure> {
        let mut body = json!({ "robotCode": self.config.robot_code, "processQueryKeys": [query] });
        let path = match to {
            Target::Chat(chat) => {
                body["openConversationId"] = chat.as_str().into();
                "v1.0/robot/groupMessages/recall"
            }
            // The platform spells it with a small t here.
            Target::User(_) => "v1.0/robot/otoMessages/batchRecall",
        };
        let answer = self.call(&Request::post(path, body)).await?;
        match answer
            .get("failedResult")
            .and_then(Value::as_object)
            .and_then(|f| f.values().next())
        {
            Some(why) => Err(Failure::rejected(
                "recall.failed",
                wire::scalar(why).unwrap_or_else(|| "not recalled".into()),
            )),
            None => Ok(Receipt::default()),
        }
    }

    async fn readers(&self, to: &Target, query: &str) -> Result<Receipt, Failure> {
        let robot = &self.config.robot_code;
        let mut users = Vec::new();
        match to {
            Target::Chat(chat) => {
                let mut next = String::new();
                for _ in 0..PAGES {
                    let mut body = json!({
                        "robotCode": robot, "openConversationId": chat.as_str(),
                        "processQueryKey": query, "maxResults": 200,
                    });
                    if !next.is_empty() {
                        body["nextToken"] = next.as_str().into();
                    }
                    let answer = self
                        .call(&Request::post("v1.0/robot/groupMessages/query", body))
                        .await?;
                    users.extend(ids(answer.get("readUserIds")));
                    next = answer.get("nextToken").and_then(wire::scalar).unwrap_or_default();
                    if answer.get("hasMore").and_then(wire::boolean) != Some(true) || next.is_empty() {
                        break;
                    }
                }
            }
            Target::User(_) => {
                let query = vec![("processQueryKey", query.to_owned()), ("robotCode", robot.clone())];
                let answer = self
                    .call(&Request::get("v1.0/robot/oToMessages/readStatus", query))
                    .await?;
                let people = answer.get("messageReadInfoList").and_then(Value::as_array);
                users.extend(
                    people
                        .into_iter()
                        .flatten()
                        .filter(|p| text(p, "readStatus") == "READ")
                        .filter_map(|p| UserId::new(text(p, "userId")).ok()),
                );
            }
        }
        users.sort();
        users.dedup();
        Ok(Receipt {
            users,
            ..Receipt::default()
        })
    }

    async fn member_list(&self, chat: &str) -> Result<Receipt, Failure> {
        let mut users = Vec::new();
        let mut next = String::new();
        for _ in 0..PAGES {
            let mut body = json!({ "openConversationId": chat, "maxResults": 1000 });
            if !next.is_empty() {
                body["nextToken"] = next.as_str().into();
            }
            if let Some(code) = &self.config.cool_app_code {
                body["coolAppCode"] = code.as_str().into();
            }
            let answer = self
                .call(&Request::post("v1.0/im/sceneGroups/members/batchQuery", body))
                .await?;
            succeeded(&answer)?;
            users.extend(ids(answer.get("memberUserIds")));
            next = answer.get("nextToken").and_then(wire::scalar).unwrap_or_default();
            if answer.get("hasMore").and_then(wire::boolean) != Some(true) || next.is_empty() {
                break;
            }
        }
        users.sort();
        users.dedup();
        Ok(Receipt {
            users,
            ..Receipt::default()
        })
    }

    async fn calendar(
        &self,
        organiser: &UserId,
        attendees: &[UserId],
        mut body: Value,
        key: &str,
    ) -> Result<Receipt, Failure> {
        let mut receipt = Receipt::default();
        let mut people = Vec::new();
        for user in attendees {
            match self.union_id(user).await? {
                Some(id) => people.push(json!({ "id": id, "isOptional": false })),
                None => receipt.failed.push(FailedReceiver {
                    receiver: user.to_string(),
                    code: "60121".into(),
                    text: "no such person".into(),
                }),
            }
        }
        let organiser = self
            .union_id(organiser)
            .await?
            .ok_or_else(|| Failure::rejected("60121", "calendar_user names nobody in the company"))?;
        body["attendees"] = people.into();
        let mut request = Request::post("v1.0/calendar/users", body);
        request
            .path
            .extend([organiser.as_str(), "calendars", "primary", "events"].map(str::to_owned));
        request.client_token = Some(key.to_owned());
        let answer = self.call(&request).await?;
        receipt.handle = answer.get("id").and_then(wire::scalar);
        Ok(receipt)
    }

    async fn union_id(&self, user: &UserId) -> Result<Option<String>, Failure> {
        let found = self.user(user).await.map_err(|f| match f.class {
            // The entry itself was not made.
            Class::Unknown => Failure {
                class: Class::NotSent,
                ..f
            },
            _ => f,
        })?;
        Ok(found.and_then(|u| u.get("unionid").and_then(wire::scalar)))
    }

    async fn user(&self, user: &UserId) -> Result<Option<Value>, Failure> {
        let body = json!({ "userid": user.as_str(), "language": "zh_CN" });
        match self.call(&Request::old("topapi/v2/user/get", body)).await {
            Ok(mut answer) => Ok(answer.get_mut("result").map(Value::take)),
            Err(f) if USER_GONE.contains(&f.code.as_str()) => Ok(None),
            Err(f) => Err(f),
        }
    }

    pub async fn person(&self, user: &UserId) -> Result<Option<PersonRecord>, CallError> {
        let found = self.user(user).await.map_err(Failure::call_error)?;
        Ok(found
            .as_ref()
            .and_then(|one| person(one, &self.config.employment_fields)))
    }

    pub async fn people(
        &self,
        department: &DepartmentId,
        cursor: Option<&str>,
    ) -> Result<Page<PersonRecord>, CallError> {
        let bad = |what: &str| CallError::Rejected {
            code: "argument".into(),
            text: format!("{what} is not a number"),
        };
        let dept_id: i64 = department.as_str().parse().map_err(|_| bad("the department id"))?;
        let cursor: i64 = cursor.unwrap_or("0").parse().map_err(|_| bad("the cursor"))?;
        let body = json!({
            "dept_id": dept_id, "cursor": cursor, "size": 100,
            "order_field": "entry_asc", "contain_access_limit": false, "language": "zh_CN",
        });
        let answer = self
            .call(&Request::old("topapi/v2/user/list", body))
            .await
            .map_err(Failure::call_error)?;
        let result = answer.get("result");
        let read = |one: &Value| person(one, &self.config.employment_fields);
        let items = match result.and_then(|r| r.get("list")) {
            Some(Value::Array(list)) => list.iter().filter_map(&read).collect(),
            // A page sample shows one object in place of the array.
            Some(one @ Value::Object(_)) => read(one).into_iter().collect(),
            _ => Vec::new(),
        };
        let more = result.and_then(|r| r.get("has_more")).and_then(wire::boolean) == Some(true);
        let next = result.and_then(|r| r.get("next_cursor")).and_then(wire::scalar);
        Ok(Page {
            items,
            next: next.filter(|_| more),
        })
    }

    /// The platform lists direct children only: the cursor is the list of departments still to read.
    pub async fn departments(&self, cursor: Option<&str>) -> Result<Page<DepartmentRecord>, CallError> {
        let mut pending: Vec<(i64, u32)> = match cursor {
            None => self.config.root_departments.iter().map(|id| (*id, 0)).collect(),
            Some(text) => serde_json::from_str(text).map_err(|_| CallError::Rejected {
                code: "argument".into(),
                text: "the cursor is not ours".into(),
            })?,
        };
        let mut items = Vec::new();
        for _ in 0..DEPARTMENTS_PER_PAGE {
            let Some((id, depth)) = pending.pop() else { break };
            let body = json!({ "dept_id": id, "language": "zh_CN" });
            let answer = self
                .call(&Request::old("topapi/v2/department/get", body))
                .await
                .map_err(Failure::call_error)?;
            items.extend(answer.get("result").and_then(|r| department(r, depth == 0)));
            if depth >= DEPTH {
                continue;
            }
            let answer = self
                .call(&Request::old(
                    "topapi/v2/department/listsubid",
                    json!({ "dept_id": id }),
                ))
                .await
                .map_err(Failure::call_error)?;
            let children = answer.pointer("/result/dept_id_list").and_then(Value::as_array);
            pending.extend(
                children
                    .into_iter()
                    .flatten()
                    .filter_map(wire::number)
                    .map(|child| (child, depth + 1)),
            );
        }
        let next = if pending.is_empty() {
            None
        } else {
            serde_json::to_string(&pending).ok()
        };
        Ok(Page { items, next })
    }
}

pub(crate) fn succeeded(answer: &Value) -> Result<(), Failure> {
    match answer.get("success").and_then(wire::boolean) {
        Some(false) => Err(Failure::rejected(
            "success",
            "the platform answered that it did not do it",
        )),
        _ => Ok(()),
    }
}

/// HTTP 200 with people who got nothing.
fn unreached(answer: &Value) -> Vec<FailedReceiver> {
    let list = |key: &str, why: &str| -> Vec<FailedReceiver> {
        answer
            .get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(wire::scalar)
            .map(|receiver| FailedReceiver {
                receiver,
                code: key.to_owned(),
                text: why.to_owned(),
            })
            .collect()
    };
    let mut out = list(INVALID, "not a person the robot can reach");
    out.extend(list("flowControlledStaffIdList", "held back by the platform's limits"));
    out
}

/// The list's shape is not documented: ids, or an object by id.
fn failed_dings(list: Option<&Value>) -> Vec<FailedReceiver> {
    let one = |receiver: String, text: String| FailedReceiver {
        receiver,
        code: "failedList".into(),
        text,
    };
    match list {
        Some(Value::Array(items)) => items
            .iter()
            .filter_map(wire::scalar)
            .map(|id| one(id, "not reached".into()))
            .collect(),
        Some(Value::Object(map)) => map
            .iter()
            .map(|(id, why)| one(id.clone(), wire::scalar(why).unwrap_or_default()))
            .collect(),
        _ => Vec::new(),
    }
}

/// Fields of `user/get` and `user/list`; samples show text where others have numbers and booleans. The
/// platform has no kind of employment: a company writes it into a field of its own (`employment`), which
/// comes as JSON in `extension`.
fn person(value: &Value, employment: &[String]) -> Option<PersonRecord> {
    let map: &Map<String, Value> = value.as_object()?;
    let get = |key: &str| map.get(key).and_then(wire::scalar);
    let departments = match map.get("dept_id_list") {
        Some(Value::Array(list)) => list.iter().filter_map(wire::scalar).collect(),
        Some(one) => wire::unfold(Some(one))
            .and_then(|v| v.as_array().cloned())
            .unwrap_or_default()
            .iter()
            .filter_map(wire::scalar)
            .collect(),
        None => Vec::new(),
    };
    Some(PersonRecord {
        user: UserId::new(get("userid")?).ok()?,
        aliases: get("unionid").and_then(|u| UserId::new(u).ok()).into_iter().collect(),
        name: get("name").unwrap_or_default(),
        employee_no: get("job_number"),
        email: get("org_email").or_else(|| get("email")),
        mobile: get("mobile"),
        departments: departments
            .into_iter()
            .filter_map(|d| DepartmentId::new(d).ok())
            .collect(),
        leader: get("manager_userid").and_then(|u| UserId::new(u).ok()),
        title: get("title"),
        // Milliseconds.
        joined_on: map
            .get("hired_date")
            .and_then(wire::number)
            .and_then(|ms| Day::in_china(Timestamp(ms))),
        office: get("work_place"),
        employment: extension(map.get("extension"), employment),
        active: map.get("active").and_then(wire::boolean).unwrap_or(true),
    })
}

fn extension(text: Option<&Value>, names: &[String]) -> Option<Employment> {
    let fields = wire::unfold(text)?;
    names
        .iter()
        .find_map(|name| fields.get(name).and_then(wire::scalar))
        .and_then(|words| Employment::from_words(&words))
}

fn department(value: &Value, root: bool) -> Option<DepartmentRecord> {
    let id = value.get("dept_id").and_then(wire::scalar)?;
    let parent = value
        .get("parent_id")
        .and_then(wire::scalar)
        .filter(|p| !root && p != "0");
    let managers = value.get("dept_manager_userid_list").and_then(Value::as_array);
    Some(DepartmentRecord {
        id: DepartmentId::new(id).ok()?,
        parent: parent.and_then(|p| DepartmentId::new(p).ok()),
        name: value.get("name").and_then(wire::scalar).unwrap_or_default(),
        leader: managers
            .and_then(|m| m.first())
            .and_then(wire::scalar)
            .and_then(|u| UserId::new(u).ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_read_from_both_published_shapes() {
        let all: Value = serde_json::from_str(include_str!("../tests/vectors/rest_oapi.json")).unwrap();
        let calls = all["calls"].as_array().unwrap();
        let find = |id: &str| calls.iter().find(|c| c["id"] == id).unwrap()["response_body"].clone();
        let fields = ["用工类型".to_owned()];
        let person = |value: &Value| person(value, &fields);
        let got = person(&find("user.get")["result"]).unwrap();
        assert_eq!(got.joined_on.unwrap().to_string(), "2020-08-16");
        assert_eq!(
            (got.office, got.employment),
            (None, None),
            "empty and absent are unknown"
        );
        assert_eq!(got.name, "张三");
        assert_eq!(got.leader.unwrap().as_str(), "manager1234");
        assert_eq!(got.aliases[0].as_str(), "unionExample00001");
        assert_eq!(got.departments.len(), 2);
        let listed = person(&find("user.list")["result"]["list"][0]).unwrap();
        assert_eq!(listed.employee_no.as_deref(), Some("4"));
        assert_eq!(listed.email, None);
        // The page's own samples write booleans and lists as text.
        let loose = json!({
            "userid": "u1", "name": "x", "active": "false", "dept_id_list": "[2,3]", "hired_date": "1597573616828",
            "work_place": "苏州", "extension": "{\"爱好\":\"旅游\",\"用工类型\":\"外包\"}",
        });
        let got = person(&loose).unwrap();
        assert_eq!(got.joined_on.unwrap().to_string(), "2020-08-16");
        assert_eq!(
            (got.office.as_deref(), got.employment),
            (Some("苏州"), Some(Employment::Outsourced))
        );
        assert!(!got.active);
        assert_eq!(got.departments.len(), 2);
        let d = department(&find("department.get")["result"], false).unwrap();
        assert_eq!((d.id.as_str(), d.parent.unwrap().as_str()), ("100", "1"));
        assert_eq!(d.leader.unwrap().as_str(), "manager1234");
    }

    #[test]
    fn people_who_got_nothing_are_named() {
        let answer = json!({"processQueryKey": "k", "invalidStaffIdList": ["a"], "flowControlledStaffIdList": ["b"]});
        let got: Vec<_> = unreached(&answer).into_iter().map(|f| (f.receiver, f.code)).collect();
        assert_eq!(
            got,
            [
                ("a".to_owned(), "invalidStaffIdList".to_owned()),
                ("b".to_owned(), "flowControlledStaffIdList".to_owned())
            ]
        );
    }
}
