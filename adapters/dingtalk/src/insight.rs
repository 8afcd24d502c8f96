//! What the platform knows about the company: its own statistics, its honours, and files in messages.
//!
//! | call | what |
//! |---|---|
//! | GET `/v1.0/exclusive/data/activeGroups` | one group's day: members, senders, messages, people who opened it |
//! | GET `/v1.0/datacenter/activeUserData` | the company's day: figures by `kpiId`, named in `metaList` |
//! | GET `/v1.0/datacenter/groupMessageData` | the same for group messages |
//! | POST `/v1.0/orgCulture/honors/{id}/grant`, `/recall` | honours, at most ten people at once; recall one by one |
//! | POST `/v1.0/robot/messageFiles/download` | a short-lived address of a file that was sent to the robot |
//!
//! Paths and fields: pages obtains-the-group-activity-details-list (permission `Custom.Common.Read`) and
//! revoke-an-employee-s-medal-of-honor (`OrgCulture.Honor.Write`), and the official SDK's `exclusive_1_0`,
//! `datacenter_1_0` and `org_culture_1_0`. Not confirmed: which editions have the statistics, whether an
//! internal app may ask, and whether `dingGroupId` is the `openConversationId`.

use hutong_model::{Attachment, CallError, ChatId, FailedReceiver, Page, Receipt, StatRow, StatScope, StatSubject};
use serde_json::{Value, json};
use url::Url;

use crate::api::{Api, succeeded};
use crate::config::loopback;
use crate::day;
use crate::http::{Failure, Request};
use crate::wire;

/// Fields of a group's day, as the common model calls them.
const GROUP_FIELDS: [(&str, &str); 4] = [
    ("groupUserCnt1d", "members"),
    ("sendMessageCnt1d", "messages"),
    ("sendMessageUserCnt1d", "dingtalk.senders"),
    ("openConvUv1d", "dingtalk.openers"),
];
/// The reason that stands on an honour (at most 50 characters) and the granter's name (at most 15).
const REASON: &str = "社区荣誉 / Community honour";
const GRANTER: &str = "社区";

fn argument(text: impl Into<String>) -> CallError {
    CallError::Rejected {
        code: "argument".into(),
        text: text.into(),
    }
}

/// Counts come as numbers and as text with decimals.
fn count(value: &Value) -> Option<i64> {
    wire::number(value).or_else(|| {
        let number: f64 = match value {
            Value::Number(n) => n.as_f64()?,
            Value::String(text) => text.trim().parse().ok()?,
            _ => return None,
        };
        number.is_finite().then_some(number.round() as i64)
    })
}

/// One group's rows.
fn group_rows(answer: &Value, chat: &ChatId, day: &str) -> Vec<StatRow> {
    let groups = answer.get("data").and_then(Value::as_array);
    let Some(group) = groups.and_then(|g| g.first()) else {
        return Vec::new();
    };
    GROUP_FIELDS
        .iter()
        .filter_map(|(field, metric)| {
            Some(StatRow {
                day: day.to_owned(),
                subject: StatSubject::Chat(chat.clone()),
                metric: (*metric).to_owned(),
                value: count(group.get(*field)?)?,
            })
        })
        .collect()
}

/// The company's rows: `dingtalk.{kpiId}`. `dataList` holds maps from `kpiId` to a value; anything that
/// is no number (dates, names) is left out.
fn company_rows(answer: &Value, day: &str) -> Vec<StatRow> {
    let known: Vec<String> = answer
        .get("metaList")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|m| m.get("kpiId").and_then(wire::scalar))
        .collect();
    let days = answer.get("dataList").and_then(Value::as_array);
    let mut rows = Vec::new();
    for (key, value) in days.into_iter().flatten().filter_map(Value::as_object).flatten() {
        if let (true, Some(value)) = (known.contains(key), count(value)) {
            rows.push(StatRow {
                day: day.to_owned(),
                subject: StatSubject::Company,
                metric: format!("dingtalk.{key}"),
                value,
            });
        }
    }
    rows
}

impl Api {
    /// The platform knows days of groups and of the whole company; a company without departments of
    /// its own is what [`StatScope::Departments`] gets.
    pub async fn statistics(
        &self,
        scope: &StatScope,
        day: &str,
        cursor: Option<&str>,
    ) -> Result<Page<StatRow>, CallError> {
        if !self.config.statistics {
            return Err(CallError::NotPossible("reading statistics (set statistics = true)"));
        }
        let compact = day::compact(day).ok_or_else(|| argument(format!("{day:?} is not a day like 2026-11-24")))?;
        let date = ("statDate", compact);
        let ask = |path: &'static str, query| async move {
            self.call(&Request::get(path, query)).await.map_err(Failure::call_error)
        };
        match (scope, cursor) {
            (StatScope::Chat(chat), None) => {
                let query = vec![
                    date,
                    ("dingGroupId", chat.as_str().to_owned()),
                    ("pageNumber", "1".to_owned()),
                    ("pageSize", "1".to_owned()),
                ];
                let answer = ask("v1.0/exclusive/data/activeGroups", query).await?;
                Ok(Page {
                    items: group_rows(&answer, chat, day),
                    next: None,
                })
            }
            (StatScope::Departments, None) => {
                let answer = ask("v1.0/datacenter/activeUserData", vec![date]).await?;
                Ok(Page {
                    items: company_rows(&answer, day),
                    next: Some("groupMessageData".into()),
                })
            }
            (StatScope::Departments, Some("groupMessageData")) => {
                let answer = ask("v1.0/datacenter/groupMessageData", vec![date]).await?;
                Ok(Page {
                    items: company_rows(&answer, day),
                    next: None,
                })
            }
            (StatScope::People, _) => Err(CallError::NotPossible("statistics of single people")),
            _ => Err(argument("the cursor is not ours")),
        }
    }

    /// Gives an honour to at most ten people, or takes it from each of them.
    pub(crate) async fn honour(&self, honour: &str, users: &[String], given: bool) -> Result<Receipt, Failure> {
        let request = |verb: &str, body: Value| {
            let mut request = Request::post("v1.0/orgCulture/honors", body);
            request.path.extend([honour, verb].map(str::to_owned));
            request
        };
        let mut receipt = Receipt::default();
        if given {
            let sender = self.config.honour_user.as_ref().map(|u| u.as_str()).unwrap_or_default();
            let body = json!({
                "senderUserId": sender, "receiverUserIds": users, "grantReason": REASON, "granterName": GRANTER,
            });
            let answer = self.call(&request("grant", body)).await?;
            succeeded(&answer)?;
            let missed = answer.pointer("/result/failedUserIds").and_then(Value::as_array);
            receipt.failed = missed
                .into_iter()
                .flatten()
                .filter_map(wire::scalar)
                .map(|receiver| FailedReceiver {
                    receiver,
                    code: "failedUserIds".into(),
                    text: "未颁发 / the honour was not granted".into(),
                })
                .collect();
            return Ok(receipt);
        }
        let mut last = None;
        for user in users {
            match self.call(&request("recall", json!({ "userId": user }))).await {
                Ok(answer) if succeeded(&answer).is_ok() => {}
                Ok(_) => receipt.failed.push(FailedReceiver {
                    receiver: user.clone(),
                    code: "success".into(),
                    text: "未撤销 / the honour was not taken back".into(),
                }),
                // A refusal of one person is theirs alone; anything else ends the call.
                Err(f) if f.class == crate::codes::Class::Reject && users.len() > 1 => {
                    receipt.failed.push(FailedReceiver {
                        receiver: user.clone(),
                        code: f.code.clone(),
                        text: f.text.clone(),
                    });
                    last = Some(f);
                }
                Err(f) => return Err(f),
            }
        }
        match last {
            Some(f) if receipt.failed.len() == users.len() => Err(f),
            _ => Ok(receipt),
        }
    }

    /// The platform gives an address for the file; it is signed, ends soon, and may be plain http.
    pub async fn download(&self, attachment: &Attachment, limit: usize) -> Result<Vec<u8>, CallError> {
        if attachment.handle.is_empty() {
            return Err(argument("the message carried no download code"));
        }
        let body = json!({ "downloadCode": attachment.handle, "robotCode": self.config.robot_code });
        let answer = self
            .call(&Request::post("v1.0/robot/messageFiles/download", body))
            .await
            .map_err(Failure::call_error)?;
        let url = answer.get("downloadUrl").and_then(Value::as_str).unwrap_or_default();
        let url = self.file_address(url).ok_or_else(|| CallError::Rejected {
            code: "downloadUrl".into(),
            text: "the platform answered with an address that is not followed".into(),
        })?;
        self.http.file(url, limit).await.map_err(Failure::call_error)
    }

    /// Only named hosts of the internet; addresses of this machine only where the app's own base is one.
    fn file_address(&self, text: &str) -> Option<Url> {
        let url = Url::parse(text).ok()?;
        let named = matches!(url.host(), Some(url::Host::Domain(name)) if name.contains('.') && !name.ends_with('.'))
            && !["local", "internal", "localhost"]
                .iter()
                .any(|top| url.host_str().is_some_and(|h| h.ends_with(&format!(".{top}"))));
        let local = loopback(&self.config.api) && loopback(&url);
        let plain = url.username().is_empty() && url.password().is_none();
        (matches!(url.scheme(), "http" | "https") && plain && (named || local)).then_some(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{config, settings};
    use hutong_model::{ManualClock, SettingValue, Timestamp};
    use std::sync::Arc;

    fn api(base: &str) -> Api {
        let settings = settings()
            .with("base_url", SettingValue::Text(base.into()))
            .with("oapi_url", SettingValue::Text(base.replace("api.", "oapi.")));
        Api::new(config(&settings), Arc::new(ManualClock::at(Timestamp(0)))).unwrap()
    }

    #[test]
    fn a_file_is_fetched_from_the_internet_only() {
        let real = api("https://api.dingtalk.com");
        for good in [
            "https://down.example.com/a?Signature=x%3D",
            "http://wukong-file.example.com/x",
        ] {
            assert!(real.file_address(good).is_some(), "{good}");
        }
        for bad in [
            "http://127.0.0.1/x",
            "http://[::1]/x",
            "http://10.0.0.1/x",
            "http://169.254.169.254/latest",
            "http://localhost/x",
            "http://intranet/x",
            "http://db.internal/x",
            "https://u:p@a.example.com/",
            "file:///etc/passwd",
            "",
        ] {
            assert!(real.file_address(bad).is_none(), "{bad}");
        }
        assert!(api("http://127.0.0.1:9").file_address("http://127.0.0.1:9/f").is_some());
    }

    #[test]
    fn the_days_become_rows() {
        let chat = ChatId::new("cid1==").unwrap();
        let answer = json!({"totalCount": 1, "data": [{"statDate": "20261123", "dingGroupId": "g",
            "groupUserCnt1d": 30, "sendMessageCnt1d": 210, "sendMessageUserCnt1d": 12, "openConvUv1d": "25"}]});
        let rows = group_rows(&answer, &chat, "2026-11-23");
        let got: Vec<_> = rows.iter().map(|r| (r.metric.as_str(), r.value)).collect();
        assert_eq!(
            got,
            [
                ("members", 30),
                ("messages", 210),
                ("dingtalk.senders", 12),
                ("dingtalk.openers", 25)
            ]
        );
        assert!(group_rows(&json!({"data": []}), &chat, "2026-11-23").is_empty());
        let answer = json!({"metaList": [{"kpiId": "act_usr_cnt_1d", "kpiName": "活跃用户数"}, {"kpiId": "stat_date"}],
            "dataList": [{"act_usr_cnt_1d": "88.0", "stat_date": "2026-11-23", "other": 3}]});
        let rows = company_rows(&answer, "2026-11-23");
        assert_eq!(rows.len(), 1);
        assert_eq!(
            (rows[0].metric.as_str(), rows[0].value),
            ("dingtalk.act_usr_cnt_1d", 88)
        );
        assert_eq!(rows[0].subject, StatSubject::Company);
    }
}
