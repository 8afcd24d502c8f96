//! Messages as JSON 2.0 cards (feishu.md 6.1): native tables, charts and forms, buttons whose token
//! comes back in a value object.

use hutong_model::{
    Block, Button, ButtonStyle, Chart, ChartKind, Field, FieldKind, Form, Inline, Message, RenderError, Table,
};
use serde_json::{Value, json};

use crate::escape;
use crate::normalise::{ACTION, PRIVATE};

/// The platform takes 30 KB for the whole request body of a card.
pub const CARD_BYTES: usize = 30 * 1024;
/// What one card may take as a JSON text inside JSON; the rest of the body needs the difference.
const BUDGET: usize = 29_000;
/// Objects with a `tag`; the platform's limit is 200.
const ELEMENTS: usize = 190;
const TABLES: usize = 5;
const CHARTS: usize = 5;
const SUMMARY_BYTES: usize = 300;
const TABLE_COLUMNS: usize = 50;
/// More than a phone shows, less than half a card.
const PARAGRAPH_BYTES: usize = 6_000;
const TABLE_BYTES: usize = 9_000;
/// Buttons in one row of a card; more begin a new row.
const ROW: usize = 10;

/// The cards of a message, in order: more than one when it is longer than a card holds.
/// `private`: they go to one person.
pub fn cards(message: &Message, private: bool) -> Result<Vec<String>, RenderError> {
    let mut elements = Vec::new();
    let mut draw = Draw { private, forms: 0 };
    for block in &message.blocks {
        draw.block(block, &mut elements);
    }
    if elements.is_empty() {
        // A card must have a body.
        elements.push(plain_div(" ", None));
    }
    let mut cards = Vec::new();
    let mut page = Page::default();
    for element in elements {
        let size = Size::of(&element);
        if size.bytes > BUDGET - 1_500 || size.tags > ELEMENTS {
            return Err(RenderError::TooLarge {
                what: "one block of a card",
                bytes: size.bytes,
                limit: BUDGET - 1_500,
            });
        }
        if !page.fits(size) {
            cards.push(page.finish(message, cards.len()));
            page = Page::default();
        }
        page.push(element, size);
    }
    cards.push(page.finish(message, cards.len()));
    Ok(cards)
}

/// The one card that replaces another: what does not fit cannot be sent.
pub fn single(message: &Message, private: bool) -> Result<String, RenderError> {
    let mut cards = cards(message, private)?;
    match (cards.pop(), cards.len()) {
        (Some(card), 0) => Ok(card),
        (_, more) => Err(RenderError::TooLarge {
            what: "a card",
            bytes: (more + 1) * BUDGET,
            limit: BUDGET,
        }),
    }
}

#[derive(Clone, Copy, Default)]
struct Size {
    bytes: usize,
    tags: usize,
    tables: usize,
    charts: usize,
}

impl Size {
    fn of(element: &Value) -> Self {
        Self {
            bytes: escaped_len(&element.to_string()) + 1,
            tags: tags(element),
            tables: usize::from(element["tag"] == "table"),
            charts: usize::from(element["tag"] == "chart"),
        }
    }
}

#[derive(Default)]
struct Page {
    elements: Vec<Value>,
    size: Size,
}

impl Page {
    fn fits(&self, more: Size) -> bool {
        self.elements.is_empty()
            || self.size.bytes + more.bytes <= BUDGET - 1_500
                && self.size.tags + more.tags <= ELEMENTS
                && self.size.tables + more.tables <= TABLES
                && self.size.charts + more.charts <= CHARTS
    }

    fn push(&mut self, element: Value, size: Size) {
        self.elements.push(element);
        self.size.bytes += size.bytes;
        self.size.tags += size.tags;
        self.size.tables += size.tables;
        self.size.charts += size.charts;
    }

    fn finish(self, message: &Message, index: usize) -> String {
        let mut card = json!({
            "schema": "2.0",
            // Without it in the first version no later one can replace it (feishu.md gotcha 21).
            "config": { "update_multi": true, "width_mode": "fill" },
            "body": { "elements": self.elements },
        });
        // The text twin: what the list of chats and a notification show instead of the card.
        let twin = escape::defused(&message.plain());
        let twin = escape::cut(twin.trim(), SUMMARY_BYTES).0;
        if index == 0 && !twin.is_empty() {
            card["config"]["summary"] = json!({ "content": twin });
        }
        if let Some(title) = message.title.as_deref() {
            let title = escape::printable(escape::cut(title, 400).0);
            let title = if index == 0 {
                title.into_owned()
            } else {
                format!("{title} ({})", index + 1)
            };
            card["header"] = json!({ "title": { "tag": "plain_text", "content": title }, "template": "blue" });
        }
        card.to_string()
    }
}

/// Bytes of `json` when it stands as a string in another JSON text.
pub fn escaped_len(json: &str) -> usize {
    json.len() + json.bytes().filter(|b| matches!(b, b'"' | b'\\')).count()
}

fn tags(value: &Value) -> usize {
    match value {
        Value::Object(map) => usize::from(map.contains_key("tag")) + map.values().map(tags).sum::<usize>(),
        Value::Array(items) => items.iter().map(tags).sum(),
        _ => 0,
    }
}

/// What the elements of one message share.
struct Draw {
    private: bool,
    forms: usize,
}

impl Draw {
    fn block(&mut self, block: &Block, out: &mut Vec<Value>) {
        match block {
            Block::Paragraph(inlines) => paragraph(inlines, None, out),
            Block::Note(inlines) => paragraph(inlines, Some("notation"), out),
            Block::Quote(inlines) => {
                let mut inside = Vec::new();
                paragraph(inlines, None, &mut inside);
                out.extend(inside.into_iter().map(|element| {
                    json!({
                        "tag": "column_set", "flex_mode": "none", "background_style": "grey",
                        "columns": [{ "tag": "column", "width": "weighted", "weight": 1, "elements": [element] }],
                    })
                }));
            }
            Block::List { ordered, items } => list(*ordered, items, out),
            Block::Table(table) => tables(table, out),
            Block::Chart(chart) => {
                let element = chart_element(chart);
                // A drawing that fits into no card is told in figures; they may go on in the next one.
                if Size::of(&element).bytes > BUDGET - 1_500 {
                    out.push(plain_div(&chart_title(chart), None));
                    tables(&figures(chart), out);
                } else {
                    out.push(element);
                }
            }
            Block::Image { handle, alt } => {
                out.push(json!({ "tag": "img", "img_key": handle, "alt": label(alt) }));
            }
            Block::Divider => out.push(json!({ "tag": "hr" })),
            Block::Buttons(buttons) => {
                for row in buttons.chunks(ROW) {
                    let columns: Vec<Value> = row
                        .iter()
                        .map(|b| json!({ "tag": "column", "width": "auto", "elements": [button(b, self.private)] }))
                        .collect();
                    out.push(json!({
                        "tag": "column_set", "flex_mode": "flow", "background_style": "default",
                        "horizontal_spacing": "8px", "columns": columns,
                    }));
                }
            }
            Block::Form(form) => {
                out.push(form_element(form, self.forms, self.private));
                self.forms += 1;
            }
        }
    }
}

/// Text that stands literally.
fn label(text: &str) -> Value {
    json!({ "tag": "plain_text", "content": escape::printable(text) })
}

fn plain_div(text: &str, size: Option<&str>) -> Value {
    let mut text = label(text);
    if let Some(size) = size {
        text["text_size"] = json!(size);
        text["text_color"] = json!("grey");
    }
    json!({ "tag": "div", "text": text })
}

fn markdown(content: String, size: Option<&str>) -> Value {
    match size {
        Some(size) => json!({ "tag": "markdown", "content": content, "text_size": size }),
        None => json!({ "tag": "markdown", "content": content }),
    }
}

/// Text alone stands where nothing is interpreted. With a mention, a link or strong text beside it,
/// it has to be markdown, escaped.
fn paragraph(inlines: &[Inline], size: Option<&str>, out: &mut Vec<Value>) {
    if let Some(text) = only_text(inlines) {
        let text = escape::printable(&text);
        let mut rest = &*text;
        loop {
            let (head, tail) = escape::cut(rest, PARAGRAPH_BYTES);
            out.push(plain_div(if head.is_empty() { " " } else { head }, size));
            if tail.is_empty() {
                break;
            }
            rest = tail;
        }
        return;
    }
    let mut current = String::new();
    for piece in pieces(inlines) {
        if !current.is_empty() && current.len() + piece.len() > PARAGRAPH_BYTES {
            out.push(markdown(std::mem::take(&mut current), size));
        }
        current.push_str(&piece);
    }
    out.push(markdown(current, size));
}

fn only_text(inlines: &[Inline]) -> Option<String> {
    inlines.iter().try_fold(String::new(), |mut all, inline| match inline {
        Inline::Text(text) => {
            all.push_str(text);
            Some(all)
        }
        _ => None,
    })
}

/// The markdown of each inline, long texts in several pieces; no piece may be cut inside.
fn pieces(inlines: &[Inline]) -> Vec<String> {
    let mut out = Vec::new();
    for inline in inlines {
        match inline {
            Inline::Text(text) | Inline::Strong(text) => {
                let strong = matches!(inline, Inline::Strong(_));
                // An escaped character takes up to six bytes.
                let text = escape::printable(text);
                let mut rest = &*text;
                while !rest.is_empty() {
                    let (head, tail) = escape::cut(rest, PARAGRAPH_BYTES / 6);
                    let mut piece = String::new();
                    if strong {
                        piece.push_str("**");
                    }
                    escape::markdown(head, &mut piece);
                    if strong {
                        piece.push_str("**");
                    }
                    out.push(piece);
                    rest = tail;
                }
            }
            Inline::Mention { user, name } => out.push(if escape::may_be_mentioned(user) {
                // The name is the platform's to show; ours would be text inside a tag.
                format!("<at id={user}></at>")
            } else {
                let mut piece = "@".to_owned();
                escape::markdown(name, &mut piece);
                piece
            }),
            Inline::MentionAll(_) => out.push("<at id=all></at>".to_owned()),
            Inline::Link { label, url } => {
                let mut piece = String::new();
                match escape::url(url) {
                    Some(url) => {
                        piece.push('[');
                        escape::markdown(label, &mut piece);
                        piece.push_str("](");
                        piece.push_str(&url);
                        piece.push(')');
                    }
                    None => escape::markdown(&format!("{label} {url}"), &mut piece),
                }
                out.push(piece);
            }
        }
    }
    out
}

/// One element for the whole list while it is text only, so that long lists stay far below the
/// platform's 200 elements.
fn list(ordered: bool, items: &[Vec<Inline>], out: &mut Vec<Value>) {
    let mut text = String::new();
    for (i, item) in items.iter().enumerate() {
        let mark = if ordered {
            format!("{}. ", i + 1)
        } else {
            "· ".to_owned()
        };
        match only_text(item) {
            Some(line) => {
                if !text.is_empty() {
                    text.push('\n');
                }
                text.push_str(&mark);
                text.push_str(&line);
            }
            None => {
                if !text.is_empty() {
                    paragraph(&[Inline::Text(std::mem::take(&mut text))], None, out);
                }
                let mut inlines = vec![Inline::Text(mark)];
                inlines.extend(item.iter().cloned());
                paragraph(&inlines, None, out);
            }
        }
    }
    if !text.is_empty() {
        paragraph(&[Inline::Text(text)], None, out);
    }
}

/// Cells of type `text` are literal. Long tables go on in a further table with the same columns, wide
/// ones in a further table that begins with the same first column.
fn tables(table: &Table, out: &mut Vec<Value>) {
    if table.columns.is_empty() {
        return;
    }
    if table.columns.len() > TABLE_COLUMNS {
        let part = |cells: &[String], from: usize| -> Vec<String> {
            let rest = cells.iter().skip(from).take(TABLE_COLUMNS - 1);
            cells.iter().take(1).chain(rest).cloned().collect()
        };
        for from in (1..table.columns.len()).step_by(TABLE_COLUMNS - 1) {
            let narrow = Table {
                columns: part(&table.columns, from),
                rows: table.rows.iter().map(|row| part(row, from)).collect(),
            };
            tables(&narrow, out);
        }
        return;
    }
    let columns: Vec<Value> = table
        .columns
        .iter()
        .take(TABLE_COLUMNS)
        .enumerate()
        .map(|(i, name)| json!({ "name": format!("c{i}"), "display_name": escape::printable(name), "data_type": "text", "width": "auto" }))
        .collect();
    let mut rows = Vec::new();
    let mut bytes = 0;
    let mut finish = |rows: &mut Vec<Value>| {
        out.push(json!({
            "tag": "table",
            "page_size": rows.len().clamp(1, 10),
            "row_height": "low",
            "header_style": { "background_style": "grey", "bold": true },
            "columns": columns,
            "rows": std::mem::take(rows),
        }));
    };
    for row in &table.rows {
        let cells: serde_json::Map<String, Value> = row
            .iter()
            .take(columns.len())
            .enumerate()
            .map(|(i, cell)| {
                (
                    format!("c{i}"),
                    Value::String(escape::printable(escape::cut(cell, 1_000).0).into_owned()),
                )
            })
            .collect();
        let row = Value::Object(cells);
        let size = escaped_len(&row.to_string());
        if !rows.is_empty() && bytes + size > TABLE_BYTES {
            finish(&mut rows);
            bytes = 0;
        }
        bytes += size;
        rows.push(row);
    }
    finish(&mut rows);
}

fn chart_title(chart: &Chart) -> String {
    if chart.unit.is_empty() {
        escape::printable(&chart.title).into_owned()
    } else {
        escape::printable(&format!("{}（{}）", chart.title, chart.unit)).into_owned()
    }
}

/// The same figures as a table: one row per category.
fn figures(chart: &Chart) -> Table {
    let series = chart.series.iter().map(|(name, _)| name.clone());
    let rows = chart.categories.iter().enumerate().map(|(i, category)| {
        let cell = |(_, values): &(String, Vec<Option<f64>>)| match values.get(i).copied().flatten() {
            Some(value) => value.to_string(),
            None => "–".to_owned(),
        };
        std::iter::once(category.clone())
            .chain(chart.series.iter().map(cell))
            .collect()
    });
    Table {
        columns: std::iter::once(String::new()).chain(series).collect(),
        rows: rows.collect(),
    }
}

fn chart_element(chart: &Chart) -> Value {
    let title = chart_title(chart);
    let wanted = if chart.kind == ChartKind::Pie {
        1
    } else {
        chart.series.len()
    };
    let values: Vec<Value> = chart
        .series
        .iter()
        .take(wanted)
        .flat_map(|(series, values)| {
            chart
                .categories
                .iter()
                .zip(values)
                .map(move |(x, y)| json!({ "x": escape::printable(x), "y": y, "s": escape::printable(series) }))
        })
        .collect();
    let legends = json!({ "visible": chart.series.len() > 1 || chart.kind == ChartKind::Pie, "orient": "bottom" });
    let base = json!({ "title": { "text": title }, "data": { "values": values }, "legends": legends, "label": { "visible": true } });
    let more = match chart.kind {
        ChartKind::Bar if chart.series.len() > 1 => {
            json!({ "type": "bar", "xField": ["x", "s"], "yField": "y", "seriesField": "s" })
        }
        ChartKind::Bar => json!({ "type": "bar", "xField": "x", "yField": "y", "seriesField": "s" }),
        ChartKind::Line => {
            json!({ "type": "line", "xField": "x", "yField": "y", "seriesField": "s", "point": { "visible": true } })
        }
        ChartKind::Pie => json!({ "type": "pie", "categoryField": "x", "valueField": "y" }),
    };
    let mut spec = serde_json::Map::new();
    for part in [base, more] {
        if let Value::Object(map) = part {
            spec.extend(map);
        }
    }
    json!({ "tag": "chart", "aspect_ratio": "16:9", "color_theme": "brand", "chart_spec": spec })
}

fn button(button: &Button, private: bool) -> Value {
    let mut value = json!({ ACTION: button.action });
    if private {
        value[PRIVATE] = json!(1);
    }
    let style = match button.style {
        ButtonStyle::Normal => "default",
        ButtonStyle::Primary => "primary",
        ButtonStyle::Danger => "danger",
    };
    json!({
        "tag": "button",
        "text": label(&button.label),
        "type": style,
        // Always an object: official clients refuse a string (feishu.md 2.8).
        "behaviors": [{ "type": "callback", "value": value }],
    })
}

fn form_element(form: &Form, index: usize, private: bool) -> Value {
    let mut elements = Vec::new();
    for field in &form.fields {
        field_elements(field, &mut elements);
    }
    let mut submit = button(&form.submit, private);
    submit["name"] = json!(format!("submit_{index}"));
    submit["form_action_type"] = json!("submit");
    elements.push(submit);
    json!({ "tag": "form", "name": format!("form_{index}"), "elements": elements })
}

fn field_elements(field: &Field, out: &mut Vec<Value>) {
    let mark = if field.required { " *" } else { "" };
    let options = |choices: &[(String, String)]| -> Vec<Value> {
        choices
            .iter()
            .map(|(value, text)| json!({ "text": label(text), "value": value }))
            .collect()
    };
    let placeholder = json!({ "tag": "plain_text", "content": "请选择 / choose" });
    out.push(plain_div(&format!("{}{mark}", field.label), None));
    out.push(match &field.kind {
        FieldKind::Text { max_chars, multiline } => {
            let mut input = json!({
                "tag": "input", "name": field.name, "required": field.required,
                "max_length": (*max_chars).clamp(1, 1000),
                "placeholder": { "tag": "plain_text", "content": "请输入 / type here" },
            });
            if *multiline {
                input["input_type"] = json!("multiline_text");
                input["rows"] = json!(3);
            }
            input
        }
        FieldKind::Select(choices) => json!({
            "tag": "select_static", "name": field.name, "required": field.required,
            "placeholder": placeholder, "options": options(choices),
        }),
        FieldKind::MultiSelect(choices) => json!({
            "tag": "multi_select_static", "name": field.name, "required": field.required,
            "placeholder": placeholder, "options": options(choices),
        }),
        FieldKind::Date => json!({
            "tag": "date_picker", "name": field.name, "required": field.required, "placeholder": placeholder,
        }),
    });
}
