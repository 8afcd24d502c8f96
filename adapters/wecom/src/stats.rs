//! The platform's own figures: customer groups only (official API catalogue, customer groups:
//! `groupchat/statistic`, `groupchat/get`). The app must be listed under 客户联系 → 可调用接口的应用.
//!
//! Internal groups have no statistics. What there is counts per owner of customer groups and day, and
//! a group's detail says who is in it and since when.

use hutong_model::{CallError, ChatId, Page, StatRow, StatScope, StatSubject, Timestamp, UserId};
use serde_json::{Value, json};

use crate::api::{Client, Payload, read_error};

/// Owners per call.
const OWNERS: usize = 100;
/// Rows per call; 1,000 is the most.
const ROWS: u64 = 500;
const DAY: i64 = 86_400;
/// The platform's day is that of UTC+8.
const OFFSET: i64 = 8 * 3_600;
/// How far back days can be asked for.
const DAYS_BACK: i64 = 180;

/// What the platform counts, and the common name where there is one.
const METRICS: [(&str, &str); 7] = [
    ("msg_total", "messages"),
    ("member_has_msg", "active_people"),
    ("member_total", "members"),
    ("chat_total", "groups"),
    ("chat_has_msg", "wecom.chat_has_msg"),
    ("new_chat_cnt", "wecom.new_chat_cnt"),
    ("new_member_cnt", "wecom.new_member_cnt"),
];

/// The figures of one day, page by page.
pub async fn statistics(
    client: &Client,
    scope: &StatScope,
    day: &str,
    cursor: Option<&str>,
    now: Timestamp,
) -> Result<Page<StatRow>, CallError> {
    let begin = begin_of(day).ok_or_else(|| CallError::Rejected {
        code: "day".into(),
        text: format!("{day:?} 不是日期 / is no date; write YYYY-MM-DD"),
    })?;
    let today = (now.secs() + OFFSET).div_euclid(DAY);
    let asked = (begin + OFFSET).div_euclid(DAY);
    if asked >= today || asked < today - DAYS_BACK {
        return Err(CallError::Rejected {
            code: "day".into(),
            text: "企业微信只给昨天起往前 180 天的统计 / the platform tells the 180 days before today".into(),
        });
    }
    match scope {
        StatScope::People => owners(client, day, begin, cursor).await,
        StatScope::Chat(chat) => one_group(client, chat, day, begin).await,
        StatScope::Departments => Err(CallError::NotPossible("statistics of departments")),
    }
}

/// One row per owner of customer groups and metric. The cursor is the position among those who may
/// have customers, and the offset within their hundred.
async fn owners(client: &Client, day: &str, begin: i64, cursor: Option<&str>) -> Result<Page<StatRow>, CallError> {
    let (from, offset) = match cursor {
        None => (0, 0),
        Some(cursor) => cursor
            .split_once('+')
            .and_then(|(a, b)| Some((a.parse::<usize>().ok()?, b.parse::<u64>().ok()?)))
            .ok_or_else(|| CallError::Rejected {
                code: "cursor".into(),
                text: "not a cursor of this listing".into(),
            })?,
    };
    // Who has the right to serve customers: only they can own a customer group (document 92571).
    let all = client
        .call("externalcontact/get_follow_user_list", &[], Payload::Get)
        .await
        .map_err(read_error)?;
    let all: Vec<&str> = all
        .get("follow_user")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let asked = all.get(from..).unwrap_or_default();
    let asked = asked.get(..OWNERS).unwrap_or(asked);
    if asked.is_empty() {
        return Ok(Page {
            items: vec![],
            next: None,
        });
    }
    let body = statistic_body(begin, asked, offset);
    let answer = client
        .call("externalcontact/groupchat/statistic", &[], Payload::Json(&body))
        .await
        .map_err(read_error)?;
    let rows = answer
        .get("items")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let mut items = Vec::new();
    for row in &rows {
        let Some(owner) = row
            .get("owner")
            .and_then(Value::as_str)
            .and_then(|id| UserId::new(id).ok())
        else {
            continue;
        };
        for (field, metric) in METRICS {
            if let Some(value) = row.pointer(&format!("/data/{field}")).and_then(Value::as_i64) {
                items.push(StatRow {
                    day: day.to_owned(),
                    subject: StatSubject::Person(owner.clone()),
                    metric: metric.to_owned(),
                    value,
                });
            }
        }
    }
    let total = answer.get("total").and_then(Value::as_u64).unwrap_or(0);
    let next_offset = answer.get("next_offset").and_then(Value::as_u64).unwrap_or(total);
    let next = if !rows.is_empty() && next_offset > offset && next_offset < total {
        Some(format!("{from}+{next_offset}"))
    } else if from + asked.len() < all.len() {
        Some(format!("{}+0", from + asked.len()))
    } else {
        None
    };
    Ok(Page { items, next })
}

/// The question about one day: begin and end are the same day (both are rounded down to it).
pub fn statistic_body(begin: i64, owners: &[&str], offset: u64) -> Value {
    json!({
        "day_begin_time": begin,
        "day_end_time": begin,
        "owner_filter": {"userid_list": owners},
        "order_by": 1,
        "order_asc": 0,
        "offset": offset,
        "limit": ROWS,
    })
}

/// Of one group: who is in it now and had joined by the end of that day. Who has left since is not
/// told, so both are at least so many.
async fn one_group(client: &Client, chat: &ChatId, day: &str, begin: i64) -> Result<Page<StatRow>, CallError> {
    let body = json!({"chat_id": chat});
    let answer = client
        .call("externalcontact/groupchat/get", &[], Payload::Json(&body))
        .await
        .map_err(read_error)?;
    let end = begin + DAY;
    let members: Vec<(i64, i64)> = answer
        .pointer("/group_chat/member_list")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|m| Some((m.get("join_time")?.as_i64()?, m.get("type")?.as_i64()?)))
        .filter(|(joined, _)| *joined < end)
        .collect();
    let count = |f: &dyn Fn(&(i64, i64)) -> bool| i64::try_from(members.iter().filter(|m| f(m)).count()).unwrap_or(0);
    let row = |metric: &str, value| StatRow {
        day: day.to_owned(),
        subject: StatSubject::Chat(chat.clone()),
        metric: metric.to_owned(),
        value,
    };
    Ok(Page {
        items: vec![
            row("members", count(&|_| true)),
            row("wecom.external_members", count(&|(_, kind)| *kind == 2)),
            row("wecom.joined", count(&|(joined, _)| *joined >= begin)),
        ],
        next: None,
    })
}

/// The first second of a day of UTC+8.
fn begin_of(day: &str) -> Option<i64> {
    let mut parts = day.split('-');
    let mut next = |len: usize| {
        let part = parts.next()?;
        (part.len() == len && part.bytes().all(|b| b.is_ascii_digit()))
            .then(|| part.parse::<i64>().ok())
            .flatten()
    };
    let (year, month, date) = (next(4)?, next(2)?, next(2)?);
    if parts.next().is_some() || !(1..=12).contains(&month) || date < 1 {
        return None;
    }
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if date > length {
        return None;
    }
    // Days since 1970-01-01 in the proleptic Gregorian calendar, counted in years from March.
    let (y, m) = if month <= 2 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let days =
        365 * y + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + (153 * m + 2) / 5 + date - 1 - 719_468;
    Some(days * DAY - OFFSET)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_at_midnight_in_china() {
        assert_eq!(begin_of("1970-01-01"), Some(-8 * 3600));
        assert_eq!(begin_of("2026-11-21"), Some(1_795_190_400));
        assert_eq!(begin_of("2024-02-29"), Some(1_709_136_000));
        for bad in [
            "2026-02-29",
            "2026-13-01",
            "2026-1-01",
            "2026-11-21T",
            "",
            "x",
            "2026-00-10",
            "2026-11-00",
        ] {
            assert_eq!(begin_of(bad), None, "{bad}");
        }
    }
}
