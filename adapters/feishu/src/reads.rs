//! Reads beside the directory: the bot's chats, the platform's daily figures, attachments.

use hutong_model::{
    Attachment, CallError, ChatId, ChatRecord, DepartmentId, MessageId, OwnMessage, Page, StatRow, StatScope,
    StatSubject, Timestamp, UserId,
};
use serde_json::Value;

use crate::api::{Api, Failure, page_after};
use crate::calls::segment;
use crate::normalise::{ROOT, View};

fn pairs(query: &[(&str, &str)], cursor: Option<&str>) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = query.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    if let Some(cursor) = cursor {
        out.push(("page_token".to_owned(), cursor.to_owned()));
    }
    out
}

fn items(data: &Value) -> &[Value] {
    data["items"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Pages of a chat's history that are read at most: 1,000 messages in the minutes of an attempt.
const HISTORY_PAGES: usize = 20;

/// What the app has posted in a chat between two times (feishu.md 5.3). A group's history needs the
/// permission `im:message.group_msg`; whole seconds on the wire.
pub async fn own_messages(
    api: &Api,
    app_id: &str,
    chat: &ChatId,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<OwnMessage>, CallError> {
    let (start, end) = (from.secs().to_string(), (until.secs() + 1).to_string());
    let mut found = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..HISTORY_PAGES {
        let query = pairs(
            &[
                ("container_id_type", "chat"),
                ("container_id", chat.as_str()),
                ("start_time", &start),
                ("end_time", &end),
                ("sort_type", "ByCreateTimeAsc"),
                ("page_size", "50"),
            ],
            cursor.as_deref(),
        );
        let answer = api
            .get("/open-apis/im/v1/messages".to_owned(), query)
            .await
            .map_err(Failure::error)?;
        let data = &answer["data"];
        found.extend(items(data).iter().filter_map(|item| own(item, app_id)));
        cursor = page_after(data, cursor.as_deref())?;
        if cursor.is_none() {
            return Ok(found);
        }
    }
    // Half a history decides nothing.
    Err(CallError::Unavailable(
        "the history of the chat has too many pages".to_owned(),
    ))
}

fn own(item: &Value, app_id: &str) -> Option<OwnMessage> {
    let sender = &item["sender"];
    if sender["sender_type"].as_str() != Some("app") || sender["id"].as_str() != Some(app_id) {
        return None;
    }
    let at = match &item["create_time"] {
        Value::String(ms) => ms.parse().ok()?,
        other => other.as_i64()?,
    };
    Some(OwnMessage {
        id: MessageId::new(item["message_id"].as_str()?).ok()?,
        at: Timestamp(at),
    })
}

/// The groups that the bot is in (feishu.md 5.7). Private chats are not listed; the listing does not
/// count members.
pub async fn chats(api: &Api, view: View<'_>, cursor: Option<&str>) -> Result<Page<ChatRecord>, CallError> {
    let query = pairs(
        &[
            ("user_id_type", view.user_id_type.as_str()),
            ("sort_type", "ByCreateTimeAsc"),
            ("page_size", "100"),
        ],
        cursor,
    );
    let answer = api
        .get("/open-apis/im/v1/chats".to_owned(), query)
        .await
        .map_err(Failure::error)?;
    let data = &answer["data"];
    Ok(Page {
        items: items(data).iter().filter_map(chat).collect(),
        next: page_after(data, cursor)?,
    })
}

fn chat(item: &Value) -> Option<ChatRecord> {
    // A dissolved group stays in the list when its history was kept.
    if item["chat_status"].as_str().is_some_and(|s| s != "normal") {
        return None;
    }
    let text = |key: &str| item[key].as_str().filter(|t| !t.is_empty());
    Some(ChatRecord {
        id: ChatId::new(text("chat_id")?).ok()?,
        name: text("name").unwrap_or_default().to_owned(),
        // Absent while the bot owns the group.
        owner: text("owner_id").and_then(|id| UserId::new(id).ok()),
        external: item["external"].as_bool().unwrap_or(false),
        // A text in the page of one group; the listing has none.
        members: match &item["user_count"] {
            Value::String(n) => n.parse().ok(),
            n => n.as_u64().and_then(|n| u32::try_from(n).ok()),
        },
    })
}

/// The figures of one day, out at about 9:30 the next morning (official pages
/// admin-v1/data-report-management, scopes `admin:admin_dept_stat:readonly` and
/// `admin:admin_user_stat:readonly`). Unconfirmed: whether a department's row counts the people of the
/// departments below it.
///
/// Of a person only two figures are taken: how much was sent, and whether they were there at all.
pub async fn statistics(
    api: &Api,
    view: View<'_>,
    scope: &StatScope,
    day: &str,
    cursor: Option<&str>,
) -> Result<Page<StatRow>, CallError> {
    let (path, query): (&str, Vec<(&str, &str)>) = match scope {
        StatScope::Departments => (
            "/open-apis/admin/v1/admin_dept_stats",
            vec![
                ("department_id_type", "open_department_id"),
                ("start_date", day),
                ("end_date", day),
                ("department_id", ROOT),
                ("contains_child_dept", "true"),
                ("page_size", "20"),
            ],
        ),
        StatScope::People => (
            "/open-apis/admin/v1/admin_user_stats",
            vec![
                ("user_id_type", view.user_id_type.as_str()),
                ("department_id_type", "open_department_id"),
                ("start_date", day),
                ("end_date", day),
                ("page_size", "60"),
            ],
        ),
        StatScope::Chat(_) => return Err(CallError::NotPossible("statistics of one group")),
    };
    let answer = api
        .get(path.to_owned(), pairs(&query, cursor))
        .await
        .map_err(Failure::error)?;
    let data = &answer["data"];
    let rows = items(data).iter().flat_map(|item| match scope {
        StatScope::Departments => department_rows(item, day),
        _ => person_rows(item, day),
    });
    Ok(Page {
        items: rows.collect(),
        next: page_after(data, cursor)?,
    })
}

/// A whole number, also as text: the mail and search figures are texts.
fn number(item: &Value, key: &str) -> Option<i64> {
    match item.get(key)? {
        Value::String(text) => text.trim().parse().ok(),
        value => value.as_i64(),
    }
}

fn rows(item: &Value, day: &str, subject: &StatSubject, fields: &[(&str, &str)]) -> Vec<StatRow> {
    // The row says itself which day it is of.
    let day = item["date"].as_str().filter(|d| !d.is_empty()).unwrap_or(day);
    fields
        .iter()
        .filter_map(|(field, metric)| {
            Some(StatRow {
                day: day.to_owned(),
                subject: subject.clone(),
                metric: (*metric).to_owned(),
                value: number(item, field)?,
            })
        })
        .collect()
}

fn department_rows(item: &Value, day: &str) -> Vec<StatRow> {
    let Some(id) = item["department_id"].as_str() else {
        return Vec::new();
    };
    let subject = match DepartmentId::new(id) {
        _ if id == ROOT => StatSubject::Company,
        Ok(id) => StatSubject::Department(id),
        Err(_) => return Vec::new(),
    };
    let fields = [
        ("total_user_num", "members"),
        ("im_dau", "active_people"),
        ("send_messenger_num", "messages"),
        ("send_messenger_user_num", "feishu.send_messenger_user_num"),
        ("active_user_num", "feishu.active_user_num"),
        ("suite_dau", "feishu.suite_dau"),
        ("new_user_num", "feishu.new_user_num"),
        ("resign_user_num", "feishu.resign_user_num"),
        ("docs_dau", "feishu.docs_dau"),
        ("cal_dau", "feishu.cal_dau"),
        ("vc_dau", "feishu.vc_dau"),
    ];
    rows(item, day, &subject, &fields)
}

fn person_rows(item: &Value, day: &str) -> Vec<StatRow> {
    let Some(user) = item["user_id"].as_str().and_then(|id| UserId::new(id).ok()) else {
        return Vec::new();
    };
    let fields = [("send_messenger_num", "messages"), ("im_active_flag", "active_people")];
    rows(item, day, &StatSubject::Person(user), &fields)
}

/// An attachment of a message that a person sent (feishu.md 5.6). The platform gives out at most 100 MB,
/// and neither stickers nor what stands inside a merged forward.
pub async fn download(
    api: &Api,
    message: &MessageId,
    attachment: &Attachment,
    limit: usize,
) -> Result<Vec<u8>, CallError> {
    let (kind, key) = match attachment.handle.split_once(':') {
        Some((kind @ ("image" | "file"), key)) if !key.is_empty() => (kind, key),
        _ => return Err(CallError::NotPossible("downloading this kind of attachment")),
    };
    let path = format!(
        "/open-apis/im/v1/messages/{}/resources/{}",
        segment(message.as_str()),
        segment(key)
    );
    api.download(&path, kind, limit).await.map_err(Failure::error)
}
