//! What the platform refuses in contents: the limits of JSON 2.0 cards (feishu.md 6.1), the shapes of
//! the other kinds, and people who do not exist.

use std::collections::HashSet;

use serde_json::Value;

use super::state::World;

/// A code and its message.
pub type Refusal = (i64, String);

const KINDS: [&str; 9] = [
    "text",
    "post",
    "image",
    "file",
    "audio",
    "media",
    "sticker",
    "interactive",
    "share_chat",
];
/// Bytes of the request body.
const TEXT_BODY: usize = 150 * 1024;
const OTHER_BODY: usize = 30 * 1024;

/// Checks a message before it is stored.
pub fn message(world: &World, app: &str, msg_type: &str, content: &str, body_len: usize) -> Result<(), Refusal> {
    if !KINDS.contains(&msg_type) {
        return Err((230_001, format!("msg_type {msg_type} is not known")));
    }
    let limit = if msg_type == "text" { TEXT_BODY } else { OTHER_BODY };
    if body_len > limit {
        return Err((230_025, format!("the request has {body_len} bytes, at most {limit}")));
    }
    let value: Value = serde_json::from_str(content)
        .map_err(|_| (230_001, "content is not a string serialized by JSON".to_owned()))?;
    let text = |key: &str| value[key].as_str().filter(|t| !t.is_empty());
    match msg_type {
        "text" => text("text").map(|_| ()).ok_or((230_001, "text is empty".to_owned())),
        "post" => post(&value),
        "image" | "file" => {
            let key = text(if msg_type == "image" { "image_key" } else { "file_key" }).unwrap_or_default();
            own_file(world, app, key)
        }
        "interactive" => card(world, app, &value),
        _ => Ok(()),
    }
}

fn own_file(world: &World, app: &str, key: &str) -> Result<(), Refusal> {
    if world.apps.get(app).is_some_and(|a| a.files.contains(key)) {
        Ok(())
    } else {
        Err((230_017, format!("the app does not own {key:?}")))
    }
}

fn post(value: &Value) -> Result<(), Refusal> {
    let bad = |what: &str| Err((230_001, format!("post: {what}")));
    let Some(locale) = ["zh_cn", "en_us", "ja_jp"].into_iter().find_map(|l| value.get(l)) else {
        return bad("no locale");
    };
    let Some(paragraphs) = locale["content"].as_array().filter(|p| !p.is_empty()) else {
        return bad("no content");
    };
    for paragraph in paragraphs {
        let Some(nodes) = paragraph.as_array() else {
            return bad("a paragraph is not a list");
        };
        for node in nodes {
            match node["tag"].as_str() {
                Some("text") if node["text"].is_string() => {}
                Some("a") if node["href"].is_string() && node["text"].is_string() => {}
                Some("at") if node["user_id"].is_string() => {}
                Some("img") if node["image_key"].is_string() => {}
                Some("md") if nodes.len() == 1 => {}
                Some("media" | "emotion" | "hr" | "code_block") => {}
                other => return bad(&format!("node {other:?}")),
            }
        }
    }
    Ok(())
}

#[derive(Default)]
struct Found {
    tags: usize,
    tables: usize,
    names: HashSet<String>,
    ids: HashSet<String>,
}

fn refuse(code: u32, what: impl std::fmt::Display) -> Refusal {
    (
        230_099,
        format!("Failed to create card content, ext=ErrCode: {code}; ErrMsg: {what};"),
    )
}

/// A whole card, as sent, as patched and as answered to a click.
pub fn card(world: &World, app: &str, card: &Value) -> Result<(), Refusal> {
    if card["schema"] != "2.0" {
        return Err(refuse(200_861, "only cards of schema 2.0 are known here"));
    }
    known(card, &["schema", "config", "header", "body", "card_link"])?;
    if let Some(header) = card.get("header") {
        known(
            header,
            &["title", "subtitle", "template", "text_tag_list", "icon", "padding"],
        )?;
        if !header["title"]["content"].is_string() {
            return Err(refuse(200_621, "the header has no title"));
        }
    }
    let Some(elements) = card["body"]["elements"].as_array() else {
        return Err(refuse(200_621, "body.elements is not a list"));
    };
    let mut found = Found::default();
    if card.get("header").is_some() {
        count_tags(&card["header"], &mut found.tags);
    }
    for element in elements {
        self::element(world, app, element, 1, None, &mut found)?;
    }
    if found.tags > 200 {
        return Err(refuse(11_310, format!("{} elements, at most 200", found.tags)));
    }
    if found.tables > 5 {
        return Err(refuse(200_914, "more than 5 tables"));
    }
    Ok(())
}

fn known(value: &Value, members: &[&str]) -> Result<(), Refusal> {
    match value.as_object() {
        Some(map) => match map.keys().find(|k| !members.contains(&k.as_str())) {
            Some(key) => Err(refuse(200_621, format!("unknown property {key}"))),
            None => Ok(()),
        },
        None => Err(refuse(200_621, "not an object")),
    }
}

fn count_tags(value: &Value, tags: &mut usize) {
    match value {
        Value::Object(map) => {
            *tags += usize::from(map.contains_key("tag"));
            map.values().for_each(|v| count_tags(v, tags));
        }
        Value::Array(items) => items.iter().for_each(|v| count_tags(v, tags)),
        _ => {}
    }
}

const COMMON: [&str; 4] = ["tag", "element_id", "margin", "confirm"];

fn element(
    world: &World,
    app: &str,
    value: &Value,
    depth: usize,
    form: Option<&str>,
    found: &mut Found,
) -> Result<(), Refusal> {
    if depth > 5 {
        return Err(refuse(200_621, "containers are nested more than five deep"));
    }
    let tag = value["tag"].as_str().unwrap_or_default();
    let (members, children): (&[&str], &str) = match tag {
        "div" => (&["text", "fields", "icon", "width"], ""),
        "markdown" => (&["content", "text_size", "text_align", "icon"], ""),
        "hr" => (&[], ""),
        "img" => (
            &[
                "img_key",
                "alt",
                "title",
                "mode",
                "preview",
                "scale_type",
                "size",
                "corner_radius",
            ],
            "",
        ),
        "button" => (
            &[
                "text",
                "type",
                "behaviors",
                "name",
                "size",
                "width",
                "icon",
                "disabled",
                "form_action_type",
                "required",
            ],
            "",
        ),
        "column_set" => (
            &[
                "columns",
                "flex_mode",
                "background_style",
                "horizontal_spacing",
                "horizontal_align",
                "action",
            ],
            "columns",
        ),
        "column" => (
            &[
                "elements",
                "width",
                "weight",
                "background_style",
                "padding",
                "vertical_align",
                "vertical_spacing",
            ],
            "elements",
        ),
        "form" => (&["name", "elements"], "elements"),
        "table" => (
            &[
                "columns",
                "rows",
                "page_size",
                "row_height",
                "header_style",
                "freeze_first_column",
            ],
            "",
        ),
        "chart" => (&["chart_spec", "aspect_ratio", "color_theme", "preview", "height"], ""),
        "input" => (
            &[
                "name",
                "required",
                "placeholder",
                "label",
                "label_position",
                "input_type",
                "rows",
                "max_length",
                "default_value",
                "width",
                "behaviors",
                "disabled",
                "auto_resize",
                "max_rows",
            ],
            "",
        ),
        "select_static"
        | "multi_select_static"
        | "date_picker"
        | "picker_time"
        | "picker_datetime"
        | "select_person"
        | "multi_select_person"
        | "overflow"
        | "checker" => (
            &[
                "name",
                "required",
                "placeholder",
                "options",
                "behaviors",
                "initial_option",
                "initial_date",
                "width",
                "type",
                "disabled",
                "text",
                "checked",
                "value",
                "selected_values",
            ],
            "",
        ),
        other => return Err(refuse(200_861, format!("unknown element tag {other:?}"))),
    };
    let allowed: Vec<&str> = members.iter().chain(&COMMON).copied().collect();
    known(value, &allowed)?;
    if children.is_empty() {
        count_tags(value, &mut found.tags);
    } else {
        found.tags += 1;
    }
    if let Some(id) = value["element_id"].as_str() {
        let shape = id.len() <= 20
            && id.starts_with(|c: char| c.is_ascii_alphabetic())
            && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !shape || !found.ids.insert(id.to_owned()) {
            return Err(refuse(200_621, format!("element_id {id} is not valid or not unique")));
        }
    }
    match tag {
        "markdown" => mentions(world, app, value["content"].as_str().unwrap_or_default())?,
        "img" => {
            let key = value["img_key"].as_str().unwrap_or_default();
            own_file(world, app, key).map_err(|_| refuse(200_570, format!("image key {key} is not valid")))?;
        }
        "table" => table(value, depth, found)?,
        "chart" if !value["chart_spec"]["type"].is_string() => {
            return Err(refuse(200_550, "chart_spec has no type"));
        }
        "form" if depth > 1 => return Err(refuse(200_621, "a form stands at the root only")),
        "form" => {
            name(value, found)?;
            let mut text = value["elements"].to_string();
            text.retain(|c| !c.is_whitespace());
            if !text.contains(r#""form_action_type":"submit""#) {
                return Err(refuse(200_621, "a form without a submit button"));
            }
        }
        _ => {}
    }
    if form.is_some() {
        match tag {
            "form" | "table" | "chart" => return Err(refuse(200_621, format!("no {tag} inside a form"))),
            "button" | "input" | "select_static" | "multi_select_static" | "date_picker" | "checker" => {
                name(value, found)?;
            }
            _ => {}
        }
    }
    let inside = if tag == "form" { value["name"].as_str() } else { form };
    for child in value[children].as_array().into_iter().flatten() {
        element(world, app, child, depth + 1, inside, found)?;
    }
    Ok(())
}

fn name(value: &Value, found: &mut Found) -> Result<(), Refusal> {
    match value["name"].as_str() {
        Some(name) if !name.is_empty() && found.names.insert(name.to_owned()) => Ok(()),
        Some(name) => Err(refuse(200_530, format!("name {name:?} is empty or not unique"))),
        None => Err(refuse(200_530, "a form item has no name")),
    }
}

fn table(value: &Value, depth: usize, found: &mut Found) -> Result<(), Refusal> {
    found.tables += 1;
    if depth > 1 {
        return Err(refuse(200_914, "a table stands at the root only"));
    }
    let columns = value["columns"].as_array().map(Vec::as_slice).unwrap_or_default();
    let page = value["page_size"].as_u64().unwrap_or(5);
    if columns.is_empty() || columns.len() > 50 || !(1..=10).contains(&page) {
        return Err(refuse(200_915, "1 to 50 columns, page_size 1 to 10"));
    }
    let names: HashSet<&str> = columns.iter().filter_map(|c| c["name"].as_str()).collect();
    for row in value["rows"].as_array().into_iter().flatten() {
        let cells = row
            .as_object()
            .ok_or_else(|| refuse(200_914, "a row is not an object"))?;
        if let Some(key) = cells.keys().find(|k| !names.contains(k.as_str())) {
            return Err(refuse(200_914, format!("no column {key}")));
        }
    }
    Ok(())
}

/// One unknown person fails the whole card.
fn mentions(world: &World, app: &str, markdown: &str) -> Result<(), Refusal> {
    for piece in markdown.split("<at ").skip(1) {
        let attribute = piece.split('>').next().unwrap_or_default();
        let ids = attribute
            .split_once('=')
            .map_or("", |(_, ids)| ids)
            .trim_matches(['"', '\'', '/']);
        for id in ids.split(',') {
            if id != "all" && world.person_any(app, id).is_none() {
                return Err(refuse(100_290, format!("person id {id} is not valid")));
            }
        }
    }
    Ok(())
}

/// Whether a content pings everybody in one of the ways of feishu.md 6.2. Only where it is interpreted:
/// the same letters in a literal node are text.
pub fn mentions_everyone(kind: &str, content: &str) -> bool {
    fn inside(value: &Value) -> bool {
        match value {
            Value::Object(map) => match map.get("tag").and_then(Value::as_str) {
                Some("at") => map.get("user_id").is_some_and(|id| id == "all"),
                Some("markdown" | "lark_md") => map
                    .get("content")
                    .and_then(Value::as_str)
                    .is_some_and(|c| c.contains("<at id=all>")),
                _ => map.values().any(inside),
            },
            Value::Array(items) => items.iter().any(inside),
            _ => false,
        }
    }
    let value: Value = serde_json::from_str(content).unwrap_or_default();
    match kind {
        "text" => value["text"]
            .as_str()
            .is_some_and(|t| t.contains("<at user_id=\"all\">")),
        _ => inside(&value),
    }
}

/// The answer to a click: a toast, a card, both or nothing (feishu.md 2.8).
pub fn click_answer(world: &World, app: &str, status: u16, body: &[u8]) -> Result<Value, String> {
    if status != 200 {
        return Err(format!("200671: status {status}"));
    }
    let answer: Value = serde_json::from_slice(body).map_err(|_| "200672: not JSON".to_owned())?;
    let map = answer.as_object().ok_or("200672: not an object")?;
    if let Some(toast) = map.get("toast") {
        let kind = toast["type"].as_str().unwrap_or("info");
        if !matches!(kind, "info" | "success" | "error" | "warning") || !toast["content"].is_string() {
            return Err("200672: the toast is not valid".to_owned());
        }
    }
    if let Some(card) = map.get("card") {
        match card["type"].as_str() {
            Some("raw") if card["data"].is_object() => {
                self::card(world, app, &card["data"]).map_err(|(_, what)| format!("200673: {what}"))?;
            }
            Some("template") => {}
            _ => return Err("200672: the card is not valid".to_owned()),
        }
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::SimAppOptions;
    use hutong_simkit::Org;
    use serde_json::json;

    fn world() -> (World, String) {
        let options = SimAppOptions::new(1, "x", true);
        let app = options.app_id.clone();
        (World::new(Org::default(), vec![options]), app)
    }

    #[test]
    fn the_recorded_cards_pass_and_unknown_people_fail_the_whole_card() {
        let (world, app) = world();
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/cards");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let value: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            let result = card(&world, &app, &value);
            if path.ends_with("mentions.json") {
                assert!(result.unwrap_err().1.contains("100290"));
            } else {
                assert_eq!(result, Ok(()), "{path:?}");
            }
            seen += 1;
        }
        assert!(seen >= 9);
    }

    #[test]
    fn what_a_card_may_not_have() {
        let (world, app) = world();
        let with = |elements: Value| json!({ "schema": "2.0", "body": { "elements": elements } });
        let button = |name: &str| json!({ "tag": "button", "name": name, "form_action_type": "submit" });
        let table = json!({ "tag": "table", "columns": [{ "name": "a" }], "rows": [] });
        let bad = [
            (json!({ "elements": [] }), "200861"),
            (with(json!([{ "tag": "note" }])), "200861"),
            (with(json!([{ "tag": "hr", "colour": "red" }])), "200621"),
            (with(json!([{ "tag": "img", "img_key": "img_of_nobody" }])), "200570"),
            (with(Value::from(vec![table.clone(); 6])), "200914"),
            (
                with(json!([{ "tag": "table", "columns": [{ "name": "a" }], "rows": [{ "b": 1 }] }])),
                "200914",
            ),
            (
                with(json!([{ "tag": "table", "columns": [{ "name": "a" }], "page_size": 11 }])),
                "200915",
            ),
            (with(Value::from(vec![json!({ "tag": "hr" }); 201])), "11310"),
            (
                with(json!([{ "tag": "form", "name": "f", "elements": [button("a"), button("a")] }])),
                "200530",
            ),
            (
                with(json!([{ "tag": "form", "name": "f", "elements": [{ "tag": "hr" }] }])),
                "200621",
            ),
            (
                with(json!([{ "tag": "form", "name": "f", "elements": [button("a"), table] }])),
                "200914",
            ),
            (with(json!([{ "tag": "chart", "chart_spec": {} }])), "200550"),
        ];
        for (value, code) in bad {
            let (got, what) = card(&world, &app, &value).unwrap_err();
            assert!(got == 230_099 && what.contains(code), "{value}: {what}");
        }
    }

    #[test]
    fn the_recorded_answers_to_clicks() {
        let (world, app) = world();
        let vectors: Value =
            serde_json::from_str(include_str!("../../tests/vectors/card_callback_response.json")).unwrap();
        for case in vectors["cases"].as_array().unwrap() {
            let body = case["http_reply"]["body"].to_string();
            assert!(
                click_answer(&world, &app, 200, body.as_bytes()).is_ok(),
                "{}",
                case["name"]
            );
        }
        for case in vectors["rejected_by_platform"].as_array().unwrap() {
            let status = case["status"].as_u64().map_or(200, |s| u16::try_from(s).unwrap());
            let body = case["body"].to_string();
            assert!(click_answer(&world, &app, status, body.as_bytes()).is_err(), "{case}");
        }
    }
}
