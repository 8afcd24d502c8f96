//! Work notices (工作通知): how a person is reached whom the robot cannot reach.
//!
//! A notice is no chat: nobody can answer it, and its buttons only open addresses, so it carries text.
//! The call only accepts: what became of it is asked afterwards. Over the limits (500 a day for one
//! person, the same content once a day) the platform accepts and drops in silence; the result names
//! those people with a code (6.9).

use std::time::Duration;

use hutong_model::{FailedReceiver, Receipt, UserId};
use serde_json::{Value, json};

use crate::api::Api;
use crate::http::{Failure, Request};
use crate::ids::NoticeId;
use crate::wire;

/// The whole `msg` object.
pub const NOTICE_BYTES: usize = 2048;
/// Pauses before the state of a task is asked; a notice to one person is usually done at once.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(300),
    Duration::from_millis(1_000),
    Duration::from_millis(2_000),
];
const SEND: &str = "topapi/message/corpconversation/asyncsend_v2";
const PROGRESS: &str = "topapi/message/corpconversation/getsendprogress";
const RESULT: &str = "topapi/message/corpconversation/getsendresult";
const RECALL: &str = "topapi/message/corpconversation/recall";

/// What became of a task.
#[derive(Debug, Default, PartialEq)]
pub struct NoticeResult {
    pub read: Vec<UserId>,
    pub failed: Vec<FailedReceiver>,
}

fn failed(receiver: String, code: &str) -> FailedReceiver {
    let text = match code {
        "143104" => "工作通知：一分钟内人数超限 / work notices: too many people in one minute",
        "143105" => "工作通知：超过每人每天上限 / work notices: more than one person may get in a day",
        "143106" => "工作通知：同样内容今天已发过 / work notices: the same text was sent today already",
        "invalid_user_id" => "找不到该用户或不在应用可见范围 / nobody, or outside the app's visible range",
        _ => "工作通知未送达 / the work notice was not delivered",
    };
    FailedReceiver {
        receiver,
        code: code.to_owned(),
        text: text.to_owned(),
    }
}

/// Reads `send_result`. People in `forbidden_user_id_list` stand in `forbidden_list` with the reason.
pub fn result(answer: &Value) -> NoticeResult {
    let all = answer.get("send_result");
    let list = |key: &str| -> Vec<String> {
        all.and_then(|r| r.get(key))
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(wire::scalar)
            .collect()
    };
    let mut out = NoticeResult {
        read: list("read_user_id_list")
            .into_iter()
            .filter_map(|u| UserId::new(u).ok())
            .collect(),
        failed: Vec::new(),
    };
    let mut add = |receiver: String, code: &str| {
        if !out.failed.iter().any(|f| f.receiver == receiver) {
            out.failed.push(failed(receiver, code));
        }
    };
    let reasons = all.and_then(|r| r.get("forbidden_list")).and_then(Value::as_array);
    for reason in reasons.into_iter().flatten() {
        let get = |key: &str| reason.get(key).and_then(wire::scalar);
        if let (Some(user), Some(code)) = (get("userid"), get("code")) {
            add(user, &code);
        }
    }
    for (key, code) in [
        ("invalid_user_id_list", "invalid_user_id"),
        ("forbidden_user_id_list", "forbidden_user_id"),
        ("failed_user_id_list", "failed_user_id"),
    ] {
        for user in list(key) {
            add(user, code);
        }
    }
    out
}

impl Api {
    /// Sends one person's notices. `None` when the app has no `agent_id`. Once the first is accepted
    /// this does not fail any more: what is not known yet stays unknown and can be asked as readers.
    pub(crate) async fn notices(&self, user: &UserId, messages: &[Value]) -> Result<Option<Receipt>, Failure> {
        let Some(agent) = &self.config.agent_id else {
            return Ok(None);
        };
        let mut receipt = Receipt::default();
        for message in messages {
            let body = json!({
                "agent_id": agent, "userid_list": user.as_str(), "to_all_user": "false", "msg": message,
            });
            let answer = match self.call(&Request::old(SEND, body)).await {
                Ok(answer) => answer,
                Err(f) if receipt.message.is_none() => return Err(f),
                Err(f) => {
                    receipt.failed.push(FailedReceiver {
                        receiver: user.to_string(),
                        code: f.code,
                        text: format!("a later part of the notice: {}", f.text),
                    });
                    break;
                }
            };
            let Some(task) = answer.get("task_id").and_then(wire::scalar) else {
                return Err(Failure::unknown("the answer names no task"));
            };
            let id = NoticeId {
                user: user.clone(),
                task,
            };
            receipt.message = id.encode();
            for failed in self.settled(&id.task).await.failed {
                if !receipt.failed.contains(&failed) {
                    receipt.failed.push(failed);
                }
            }
        }
        Ok(receipt.message.is_some().then_some(receipt))
    }

    /// Waits a little for a task to be done; an empty result when it is not, or cannot be asked.
    async fn settled(&self, task: &str) -> NoticeResult {
        for pause in PAUSES {
            tokio::time::sleep(pause).await;
            let Ok(answer) = self.call(&self.about(PROGRESS, "task_id", task)).await else {
                return NoticeResult::default();
            };
            if answer.pointer("/progress/status").and_then(wire::number) == Some(2) {
                return self.notice_result(task).await.unwrap_or_default();
            }
        }
        NoticeResult::default()
    }

    fn about(&self, path: &str, key: &str, task: &str) -> Request {
        let agent = self.config.agent_id.as_deref().unwrap_or_default();
        let mut body = json!({ "agent_id": agent });
        body[key] = task.into();
        Request::old(path, body)
    }

    pub(crate) async fn notice_result(&self, task: &str) -> Result<NoticeResult, Failure> {
        Ok(result(&self.call(&self.about(RESULT, "task_id", task)).await?))
    }

    pub(crate) async fn recall_notice(&self, task: &str) -> Result<(), Failure> {
        self.call(&self.about(RECALL, "msg_task_id", task)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_result_names_who_got_nothing_and_why() {
        let all: Value = serde_json::from_str(include_str!("../tests/vectors/rest_oapi.json")).unwrap();
        let calls = all["calls"].as_array().unwrap();
        let answer = calls.iter().find(|c| c["id"] == "message.getsendresult").unwrap();
        let got = result(&answer["response_body"]);
        assert_eq!(got.read, [UserId::new("manager1234").unwrap()]);
        assert_eq!(got.failed.len(), 1, "once, although two lists name the person");
        assert_eq!(
            (got.failed[0].receiver.as_str(), got.failed[0].code.as_str()),
            ("user1", "143106")
        );
        let got = result(&json!({"send_result": {"invalid_user_id_list": ["a"], "failed_user_id_list": ["b"]}}));
        let codes: Vec<&str> = got.failed.iter().map(|f| f.code.as_str()).collect();
        assert_eq!(codes, ["invalid_user_id", "failed_user_id"]);
        assert_eq!(result(&json!({})), NoticeResult::default());
    }
}
