//! Statistics, honours and files. Their pages name no error codes for most refusals: the codes here
//! are in the platform's style and no more than that.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::api_new::{Answer, Body, Ctx, Refusal, no};
use super::state::{Chat, DAY_MS, File, Msg};

/// An address for a file is good for so long.
pub const FILE_MS: i64 = 3_600_000;

/// Start of a day in China, from `YYYYMMDD`.
fn day_start(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    if text.len() != 8 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days from civil: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms".
    let y = year - i64::from(month <= 2);
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let mp = if month > 2 { month - 3 } else { month + 9 };
    let doy = (153 * mp + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    let days = era * 146_097 + doe - 719_468;
    Some(days * DAY_MS - 8 * 3_600_000)
}

struct Day<'a> {
    from: i64,
    chat: &'a Chat,
}

impl Day<'_> {
    fn messages(&self) -> impl Iterator<Item = &Msg> {
        let to = self.from + DAY_MS;
        let chat = self.chat;
        let from = self.from;
        chat.messages
            .iter()
            .filter(move |m| !m.bot && !m.from.is_empty() && (from..to).contains(&m.at_ms))
    }
    fn senders(&self) -> BTreeSet<&str> {
        self.messages().map(|m| m.from.as_str()).collect()
    }
    /// Whoever wrote or read something of that day has opened the group.
    fn openers(&self) -> usize {
        let to = self.from + DAY_MS;
        let read = self
            .chat
            .messages
            .iter()
            .filter(|m| (self.from..to).contains(&m.at_ms))
            .flat_map(|m| m.readers.iter().map(String::as_str));
        let mut all = self.senders();
        all.extend(read);
        all.len()
    }
}

impl Ctx<'_> {
    fn stat_day(&self, query: &BTreeMap<String, String>) -> Result<i64, Refusal> {
        let date = query.get("statDate").map(String::as_str).unwrap_or_default();
        day_start(date).ok_or_else(|| no("invalidParameter.statDate", date))
    }

    pub(super) fn active_groups(&mut self, query: &BTreeMap<String, String>) -> Answer {
        let from = self.stat_day(query)?;
        let number = |key: &str| query.get(key).and_then(|n| n.parse::<usize>().ok()).filter(|n| *n > 0);
        let page = number("pageNumber").ok_or_else(|| no("invalidParameter.pageNumber", "pageNumber"))?;
        let size = number("pageSize").filter(|n| *n <= 200);
        let size = size.ok_or_else(|| no("invalidParameter.pageSize", "pageSize"))?;
        let wanted = query.get("dingGroupId");
        let groups: Vec<&Chat> = self
            .state
            .chats
            .iter()
            .filter(|c| c.group && !c.disbanded && wanted.is_none_or(|id| c.id == *id))
            .collect();
        let data: Vec<Value> = groups
            .iter()
            .skip((page - 1) * size)
            .take(size)
            .map(|chat| {
                let day = Day { from, chat };
                json!({
                    "statDate": query.get("statDate"), "dingGroupId": chat.id, "groupName": chat.name,
                    "groupType": if chat.scene_of.is_some() { 4 } else { 3 },
                    "groupUserCnt1d": chat.members.len(), "sendMessageCnt1d": day.messages().count(),
                    "sendMessageUserCnt1d": day.senders().len(), "openConvUv1d": day.openers(),
                })
            })
            .collect();
        Ok(json!({ "totalCount": groups.len(), "data": data }))
    }

    /// Figures of the whole company; `messages` for those of group messages.
    pub(super) fn company_day(&mut self, query: &BTreeMap<String, String>, messages: bool) -> Answer {
        let from = self.stat_day(query)?;
        let days: Vec<Day<'_>> = self.state.chats.iter().map(|chat| Day { from, chat }).collect();
        let groups = || days.iter().filter(|d| d.chat.group);
        let senders: BTreeSet<&str> = days.iter().flat_map(Day::senders).collect();
        let figures = if messages {
            let sent: usize = groups().map(|d| d.messages().count()).sum();
            let active = groups().filter(|d| d.messages().next().is_some()).count();
            vec![("send_group_message_cnt_1d", sent), ("active_group_cnt_1d", active)]
        } else {
            let all = self.state.org.people.iter().filter(|p| p.active).count();
            vec![("act_usr_cnt_1d", senders.len()), ("mbr_cnt_std", all)]
        };
        let meta: Vec<Value> = figures
            .iter()
            .map(|(id, _)| json!({ "kpiId": id, "kpiName": id, "period": "1d", "unit": "个" }))
            .collect();
        let mut row = json!({ "stat_date": query.get("statDate") });
        for (id, value) in &figures {
            row[*id] = value.to_string().into();
        }
        Ok(json!({ "metaList": meta, "dataList": [row] }))
    }

    /// `/v1.0/orgCulture/honors/{honorId}/grant` and `/recall`.
    pub(super) fn honour(&mut self, path: &str, body: &Value) -> Answer {
        let (honour, verb) = path
            .strip_prefix("/v1.0/orgCulture/honors/")
            .and_then(|p| p.split_once('/'))
            .ok_or_else(|| no("paramError", path))?;
        let known = self
            .state
            .app(&self.app)
            .map(|a| a.spec.honours.clone())
            .unwrap_or_default();
        if !known.iter().any(|h| h == honour) {
            return Err(no("honor.notExist", honour));
        }
        match verb {
            "grant" => {
                let allowed = [
                    "senderUserId",
                    "receiverUserIds",
                    "grantReason",
                    "granterName",
                    "expirationTime",
                    "noticeSingle",
                    "noticeAnnouncer",
                    "openConversationIds",
                ];
                let body = Body::of(body, &allowed, "paramError")?;
                let within = |key: &str, chars: usize| match body.text(key, "paramError") {
                    Ok(text) if text.chars().count() <= chars => Ok(()),
                    Ok(_) => Err(no("paramError", format!("{key} 超过{chars}个字符"))),
                    Err(refusal) => Err(refusal),
                };
                within("grantReason", 50)?;
                within("granterName", 15)?;
                let sender = body.text("senderUserId", "paramError")?;
                if !self.state.active(sender) {
                    return Err(no("paramError", "senderUserId"));
                }
                let users = body.texts("receiverUserIds", "paramError")?;
                if users.is_empty() || users.len() > 10 {
                    return Err(no("paramError", "receiverUserIds"));
                }
                let (good, bad): (Vec<String>, Vec<String>) = users.into_iter().partition(|u| self.state.active(u));
                for user in &good {
                    self.state.honours.insert((honour.to_owned(), user.clone()));
                }
                Ok(json!({ "success": true, "result": { "successUserIds": good, "failedUserIds": bad } }))
            }
            "recall" => {
                let body = Body::of(body, &["userId"], "paramError")?;
                let user = body.text("userId", "paramError")?;
                if !self.state.honours.remove(&(honour.to_owned(), user.to_owned())) {
                    return Err(no("honor.notGranted", user));
                }
                Ok(json!({ "success": true, "result": { "honorId": honour } }))
            }
            other => Err(no("paramError", other)),
        }
    }

    pub(super) fn file(&mut self, body: &Value) -> Answer {
        let body = Body::of(body, &["downloadCode", "robotCode"], "invalidParameter.param.invalid")?;
        self.robot(&body)?;
        let code = body.text("downloadCode", "invalidParameter.robotCode.downloadCode")?;
        if !self.state.files.contains_key(code) {
            return Err(no("invalidParameter.robotCode.downloadCode", "downloadCode"));
        }
        let key = self.state.hex_id("");
        let link = File {
            code: code.to_owned(),
            expires: self.now + FILE_MS,
        };
        self.state.file_links.insert(key.clone(), link);
        Ok(json!({ "downloadUrl": format!("{}/file/{key}?Expires={}", self.core.base, (self.now + FILE_MS) / 1000) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_at_midnight_in_china() {
        assert_eq!(day_start("19700101"), Some(-8 * 3_600_000));
        assert_eq!(day_start("20261124"), Some(1_795_449_600_000));
        for bad in ["", "2026112", "20261324", "20261100", "2026-1-1", "abcdefgh"] {
            assert_eq!(day_start(bad), None, "{bad}");
        }
    }
}
