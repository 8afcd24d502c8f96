//! The message tree as robot text, robot markdown or the variables of the card template.
//!
//! # The card template
//!
//! Buttons, forms and mentions outside of a reply need an interactive card, and a card needs a
//! template that an admin builds once in the card builder, publishes and links to the app. It shows,
//! from top to bottom, these variables (all text; an empty one hides its component):
//!
//! | variable | component |
//! |---|---|
//! | `title` | text, the header |
//! | `text1` … `text8` | markdown |
//! | `form` | form; value `{"fields":[{"name","label","type","required","options":[{"value","text"}]}]}` with types `TEXT`, `SELECT`, `MULTI_SELECT`, `DATE` |
//! | `form_submit` | the form's button; its callback has the parameters `action` = `form_action` and `form` = the values |
//! | `form_action` | (not shown) |
//! | `button1` … `button6` | buttons; the callback has the parameter `action` = `action1` … `action6` |
//! | `style1` … `style6` | `normal`, `primary` or `danger`, the look of the button |
//! | `action1` … `action6` | (not shown) |
//!
//! The form's value and its answer (`params.form`, choices as `{"index","value"}`) are those of the
//! platform's own example (gh:open-dingtalk/dingtalk-card-examples, 表单组件的使用与更新); it has one
//! kind of text field, so several lines are typed into one. Values hold at most 1 KB each
//! (`protocols/dingtalk.md`, 6.4): longer content is split over the text variables, and what does not
//! fit there is sent as messages before the card. That example's form is longer than 1 KB, so forms
//! may have 4 KB here.

use hutong_model::{
    Block, Button, ButtonStyle, Chart, ChartKind, Field, FieldKind, Form, Inline, Message, RenderError, Table, UserId,
};
use serde_json::{Map, Value, json};

use crate::escape;
use crate::notice::NOTICE_BYTES;

/// One robot message: `msgParam` holds 15000 bytes after JSON escaping, which at worst doubles.
pub const TEXT_BYTES: usize = 6000;
/// One card variable.
pub const VALUE_BYTES: usize = 1000;
pub const TEXTS: usize = 8;
pub const BUTTONS: usize = 6;
/// `sampleActionCard` to `sampleActionCard5`: buttons that open an address.
const LINK_BUTTONS: usize = 5;
/// The example's form has about as much.
pub const FORM_BYTES: usize = 4096;
const TITLE_CHARS: usize = 60;
const LABEL_CHARS: usize = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Markdown,
}

/// Where a mention stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A session webhook: the id in the text and in the list of the body.
    Webhook,
    /// A robot send: mentions are not possible, the name stands there as text.
    Robot,
    Card,
}

#[derive(Debug, Clone)]
enum Atom {
    /// May be cut between characters.
    Text(String),
    /// Must stay whole.
    Whole(String),
    At(UserId, String),
    All,
}

/// `before` goes in front of it unless it begins a part.
#[derive(Debug, Clone)]
struct Line {
    before: &'static str,
    atoms: Vec<Atom>,
}

impl Atom {
    fn put(&self, place: Place, style: Style, out: &mut String) {
        let name = |name: &str| match style {
            Style::Plain => escape::line(name, LABEL_CHARS),
            Style::Markdown => escape::markdown(&escape::line(name, LABEL_CHARS), " "),
        };
        match (self, place) {
            (Atom::Text(text) | Atom::Whole(text), _) => out.push_str(text),
            (Atom::At(user, _), Place::Webhook) => out.push_str(&format!(" @{user} ")),
            (Atom::At(_, who), Place::Robot) => out.push_str(&format!("@\u{200B}{}", name(who))),
            (Atom::At(user, who), Place::Card) => out.push_str(&format!("<a atId={user}>{}</a>", name(who))),
            (Atom::All, Place::Webhook) => out.push_str(" @所有人 "),
            (Atom::All, _) => out.push_str("@\u{200B}所有人"),
        }
    }

    /// The longest of its forms.
    fn bytes(&self) -> usize {
        match self {
            Atom::Text(text) | Atom::Whole(text) => text.len(),
            Atom::At(user, name) => user.as_str().len() + 4 * name.len().min(240) + 20,
            Atom::All => 16,
        }
    }
}

/// One message of a conversation, in both of its forms.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// For `oToMessages/batchSend` and `groupMessages/send`.
    pub msg_key: &'static str,
    /// A JSON text, as the platform wants it.
    pub msg_param: String,
    /// The same for a session webhook, with its mention list.
    pub webhook: Value,
    /// The same as work notices, each within [`NOTICE_BYTES`].
    pub notices: Vec<Value>,
}

/// The people a message mentions, and whether it mentions everyone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mentions {
    pub users: Vec<(UserId, String)>,
    pub all: bool,
}

/// The card of a message and the messages that go before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    pub before: Vec<Part>,
    /// `cardParamMap`.
    pub params: Map<String, Value>,
    pub title: String,
    pub mentions: Mentions,
}

/// Robot messages, in order. Never empty.
pub fn parts(message: &Message) -> Result<Vec<Part>, RenderError> {
    let style = if needs_markdown(message) {
        Style::Markdown
    } else {
        Style::Plain
    };
    let title = title(message);
    if message.plain().trim().is_empty() {
        return Err(RenderError::Invalid("the message is empty".into()));
    }
    if let Some(part) = action_card(message, &title) {
        return Ok(vec![part]);
    }
    let lines = lines(message, style, true);
    Ok(split(&lines, TEXT_BYTES)
        .into_iter()
        .map(|chunk| part(&chunk, style, &title))
        .collect())
}

fn part(chunk: &[Line], style: Style, title: &str) -> Part {
    let robot = write(chunk, Place::Robot, style);
    let webhook = write(chunk, Place::Webhook, style);
    let mentions = mentions_of(chunk);
    let ids: Vec<&str> = mentions.users.iter().map(|(u, _)| u.as_str()).collect();
    let at = json!({ "atUserIds": ids, "isAtAll": mentions.all });
    let notices = notices(chunk, style, title);
    match style {
        Style::Plain => Part {
            msg_key: "sampleText",
            msg_param: json!({ "content": robot }).to_string(),
            webhook: json!({ "msgtype": "text", "text": { "content": webhook }, "at": at }),
            notices,
        },
        Style::Markdown => Part {
            msg_key: "sampleMarkdown",
            msg_param: json!({ "title": title, "text": robot }).to_string(),
            webhook: json!({ "msgtype": "markdown", "markdown": { "title": title, "text": webhook }, "at": at }),
            notices,
        },
    }
}

/// As work notices: shorter messages, the same words. JSON escapes count, so the room for text is
/// halved until every message fits.
fn notices(chunk: &[Line], style: Style, title: &str) -> Vec<Value> {
    let one = |lines: &[Line]| {
        let text = write(lines, Place::Robot, style);
        match style {
            Style::Plain => json!({ "msgtype": "text", "text": { "content": text } }),
            Style::Markdown => json!({ "msgtype": "markdown", "markdown": { "title": title, "text": text } }),
        }
    };
    let mut room = NOTICE_BYTES - 400;
    loop {
        let all: Vec<Value> = split(chunk, room).iter().map(|lines| one(lines)).collect();
        if room < 300 || all.iter().all(|m| m.to_string().len() <= NOTICE_BYTES) {
            return all;
        }
        room /= 2;
    }
}

/// A card that ends in links and has nothing to press: the links become its buttons. Only where the
/// whole fits, nobody is mentioned (an action card cannot) and at most five links stand there.
fn action_card(message: &Message, title: &str) -> Option<Part> {
    let (last, before) = message.blocks.split_last()?;
    let Block::Paragraph(inlines) = last else { return None };
    let mut buttons = Vec::new();
    for inline in inlines {
        match inline {
            Inline::Link { label, url } => buttons.push((escape::line(label, LABEL_CHARS), escape::link(url)?)),
            Inline::Text(blank) if blank.trim().is_empty() => {}
            _ => return None,
        }
    }
    let pressed = before.iter().any(|b| matches!(b, Block::Buttons(_) | Block::Form(_)));
    let named = buttons.iter().all(|(label, _)| !label.is_empty());
    if !message.card || pressed || !named || before.is_empty() || !(1..=LINK_BUTTONS).contains(&buttons.len()) {
        return None;
    }
    let head = Message {
        blocks: before.to_vec(),
        ..message.clone()
    };
    let lines_before = lines(&head, Style::Markdown, true);
    let mentions = mentions_of(&lines_before);
    let [chunk] = split(&lines_before, TEXT_BYTES).try_into().ok()?;
    if mentions.all || !mentions.users.is_empty() {
        return None;
    }
    let text = write(&chunk, Place::Robot, Style::Markdown);
    let whole = lines(message, Style::Markdown, true);
    let mut param = Map::new();
    let mut put = |key: String, value: &str| param.insert(key, value.into());
    put("title".into(), title);
    put("text".into(), &text);
    let (msg_key, card) = match buttons.as_slice() {
        [(label, url)] => {
            put("singleTitle".into(), label);
            put("singleURL".into(), url);
            let card = json!({ "title": title, "text": text, "singleTitle": label, "singleURL": url });
            ("sampleActionCard", card)
        }
        several => {
            for (i, (label, url)) in several.iter().enumerate() {
                put(format!("actionTitle{}", i + 1), label);
                put(format!("actionURL{}", i + 1), url);
            }
            let all: Vec<Value> = several
                .iter()
                .map(|(label, url)| json!({ "title": label, "actionURL": url }))
                .collect();
            let key = match several.len() {
                2 => "sampleActionCard2",
                3 => "sampleActionCard3",
                4 => "sampleActionCard4",
                _ => "sampleActionCard5",
            };
            (
                key,
                json!({ "title": title, "text": text, "btnOrientation": "0", "btns": all }),
            )
        }
    };
    Some(Part {
        msg_key,
        msg_param: Value::Object(param).to_string(),
        webhook: json!({ "msgtype": "actionCard", "actionCard": card }),
        notices: notices(&whole, Style::Markdown, title),
    })
}

/// The card and what goes before it, when the text is longer than the template holds.
pub fn card(message: &Message) -> Result<Card, RenderError> {
    template(message, false)
}

/// The variables of a card that is there already: text that does not fit is cut off.
pub fn update(message: &Message) -> Result<Map<String, Value>, RenderError> {
    Ok(template(message, true)?.params)
}

/// Every variable is present, so that an update leaves nothing old behind.
fn template(message: &Message, cut: bool) -> Result<Card, RenderError> {
    let mut buttons: Vec<&Button> = Vec::new();
    let mut form: Option<&Form> = None;
    for block in &message.blocks {
        match block {
            Block::Buttons(list) => buttons.extend(list),
            Block::Form(f) if form.is_none() => form = Some(f),
            Block::Form(_) => return Err(RenderError::Invalid("a card holds one form".into())),
            _ => {}
        }
    }
    if buttons.len() > BUTTONS {
        return Err(RenderError::TooLarge {
            what: "buttons of a card",
            bytes: buttons.len(),
            limit: BUTTONS,
        });
    }
    let title = title(message);
    let lines = lines(message, Style::Markdown, false);
    let mentions = mentions_of(&lines);
    let chunks = split(&lines, VALUE_BYTES);
    let mut params = Map::new();
    let mut put = |key: String, value: String| params.insert(key, Value::String(value));
    put("title".into(), title.clone());
    let shown = |chunks: &[Vec<Line>]| -> Vec<String> {
        chunks.iter().map(|c| write(c, Place::Card, Style::Markdown)).collect()
    };
    let (before, texts) = if chunks.len() > TEXTS && cut {
        let mut texts = shown(chunks.get(..TEXTS - 1).unwrap_or_default());
        texts.push("……".into());
        (Vec::new(), texts)
    } else if chunks.len() > TEXTS {
        let before = parts_of(&lines, &title);
        let mut texts = vec![escape::markdown("内容见上方消息 / see the messages above", " ")];
        let mut at = String::new();
        for (user, name) in &mentions.users {
            Atom::At(user.clone(), name.clone()).put(Place::Card, Style::Markdown, &mut at);
            at.push(' ');
        }
        if !at.is_empty() && at.len() <= VALUE_BYTES {
            texts.push(at);
        }
        (before, texts)
    } else {
        (Vec::new(), shown(&chunks))
    };
    for i in 0..TEXTS {
        put(format!("text{}", i + 1), texts.get(i).cloned().unwrap_or_default());
    }
    for i in 0..BUTTONS {
        let button = buttons.get(i);
        put(
            format!("button{}", i + 1),
            button.map(|b| escape::line(&b.label, LABEL_CHARS)).unwrap_or_default(),
        );
        put(
            format!("action{}", i + 1),
            button.map(|b| action(b)).transpose()?.unwrap_or_default(),
        );
        put(
            format!("style{}", i + 1),
            button.map(|b| style_name(b.style)).unwrap_or_default().to_owned(),
        );
    }
    let (fields, submit, submit_action) = match form {
        Some(form) => (
            form_value(form)?,
            escape::line(&form.submit.label, LABEL_CHARS),
            action(&form.submit)?,
        ),
        None => Default::default(),
    };
    put("form".into(), fields);
    put("form_submit".into(), submit);
    put("form_action".into(), submit_action);
    Ok(Card {
        before,
        params,
        title,
        mentions,
    })
}

fn parts_of(lines: &[Line], title: &str) -> Vec<Part> {
    split(lines, TEXT_BYTES)
        .iter()
        .map(|chunk| part(chunk, Style::Markdown, title))
        .collect()
}

fn action(button: &Button) -> Result<String, RenderError> {
    if button.action.is_empty() || button.action.len() > 512 || !button.action.is_ascii() {
        return Err(RenderError::Invalid(
            "a button's action must be 1 to 512 ASCII bytes".into(),
        ));
    }
    Ok(button.action.clone())
}

fn style_name(style: ButtonStyle) -> &'static str {
    match style {
        ButtonStyle::Normal => "normal",
        ButtonStyle::Primary => "primary",
        ButtonStyle::Danger => "danger",
    }
}

fn form_value(form: &Form) -> Result<String, RenderError> {
    let options = |choices: &[(String, String)]| -> Vec<Value> {
        choices
            .iter()
            .map(|(value, label)| json!({ "value": value, "text": escape::line(label, LABEL_CHARS) }))
            .collect()
    };
    let field = |field: &Field| {
        let mut out = json!({
            "name": field.name,
            "label": escape::line(&field.label, LABEL_CHARS),
            "required": field.required,
        });
        let (kind, choices) = match &field.kind {
            FieldKind::Text { .. } => ("TEXT", None),
            FieldKind::Select(choices) => ("SELECT", Some(options(choices))),
            FieldKind::MultiSelect(choices) => ("MULTI_SELECT", Some(options(choices))),
            FieldKind::Date => ("DATE", None),
        };
        out["type"] = kind.into();
        if let Some(choices) = choices {
            out["options"] = choices.into();
        }
        out
    };
    let text = json!({ "fields": form.fields.iter().map(field).collect::<Vec<_>>() }).to_string();
    if text.len() > FORM_BYTES {
        return Err(RenderError::TooLarge {
            what: "form of a card",
            bytes: text.len(),
            limit: FORM_BYTES,
        });
    }
    Ok(text)
}

/// Everyone the message mentions.
pub fn mentions(message: &Message) -> Mentions {
    mentions_of(&lines(message, Style::Plain, false))
}

fn mentions_of(lines: &[Line]) -> Mentions {
    let mut out = Mentions::default();
    for atom in lines.iter().flat_map(|l| &l.atoms) {
        match atom {
            Atom::At(user, name) if !out.users.iter().any(|(u, _)| u == user) => {
                out.users.push((user.clone(), name.clone()));
            }
            Atom::All => out.all = true,
            _ => {}
        }
    }
    out
}

/// What the conversation list and notifications show.
fn title(message: &Message) -> String {
    let text = match &message.title {
        Some(title) => title.clone(),
        None => message.plain(),
    };
    let title = escape::line(&text, TITLE_CHARS);
    if title.is_empty() { "消息".into() } else { title }
}

fn needs_markdown(message: &Message) -> bool {
    message.card
        || message.title.is_some()
        || message.blocks.iter().any(|block| match block {
            Block::Paragraph(i) | Block::Quote(i) | Block::Note(i) => has_link(i),
            Block::List { items, .. } => items.iter().any(|i| has_link(i)),
            Block::Table(_) | Block::Chart(_) | Block::Image { .. } => true,
            Block::Divider | Block::Buttons(_) | Block::Form(_) => false,
        })
}

fn has_link(inlines: &[Inline]) -> bool {
    inlines.iter().any(|i| matches!(i, Inline::Link { .. }))
}

/// Neighbouring texts are escaped as one, so that nothing active can be put together from two of them.
fn inline_atoms(inlines: &[Inline], style: Style, newline: &str) -> Vec<Atom> {
    let mut out: Vec<Atom> = Vec::new();
    let mut waiting = String::new();
    let flush = |waiting: &mut String, out: &mut Vec<Atom>| {
        if !waiting.is_empty() {
            let mut text = std::mem::take(waiting);
            // A bare address ends at a blank.
            if style == Style::Plain && matches!(out.last(), Some(Atom::Whole(_))) && !text.starts_with([' ', '\n']) {
                text.insert(0, ' ');
            }
            out.push(Atom::Text(match style {
                Style::Plain => escape::plain(&text),
                Style::Markdown => escape::inline(&text, newline, at_start(out)),
            }));
        }
    };
    for inline in inlines {
        match inline {
            Inline::Text(t) => waiting.push_str(t),
            Inline::Strong(t) if style == Style::Markdown && !t.trim().is_empty() => {
                // Blanks inside the marks would keep them from being marks.
                let bare = t.trim_start();
                waiting.push_str(t.get(..t.len() - bare.len()).unwrap_or_default());
                flush(&mut waiting, &mut out);
                let strong = bare.trim_end();
                out.push(Atom::Text(format!("**{}**", escape::inline(strong, newline, false))));
                waiting.push_str(bare.get(strong.len()..).unwrap_or_default());
            }
            Inline::Strong(t) => waiting.push_str(t),
            Inline::Mention { user, name } => {
                flush(&mut waiting, &mut out);
                out.push(Atom::At(user.clone(), name.clone()));
            }
            Inline::MentionAll(_) => {
                flush(&mut waiting, &mut out);
                out.push(Atom::All);
            }
            Inline::Link { label, url } => {
                flush(&mut waiting, &mut out);
                match (escape::link(url), style) {
                    (Some(url), Style::Markdown) => {
                        let label = escape::label(if label.is_empty() { &url } else { label }, 120);
                        out.push(Atom::Whole(format!("[{label}]({url})")));
                    }
                    (Some(url), Style::Plain) => {
                        out.push(Atom::Whole(format!("{} {url}", escape::line(label, 120))));
                    }
                    (None, _) => waiting.push_str(&format!("{label} {url}")),
                }
            }
        }
    }
    flush(&mut waiting, &mut out);
    out
}

/// Nothing to see stands on the line yet.
fn at_start(atoms: &[Atom]) -> bool {
    atoms.iter().all(|atom| match atom {
        Atom::Text(text) | Atom::Whole(text) => text.trim().is_empty(),
        Atom::At(..) | Atom::All => false,
    })
}

/// `whole` adds what a card shows elsewhere: the title, and labels of what cannot be pressed.
fn lines(message: &Message, style: Style, whole: bool) -> Vec<Line> {
    let block = if style == Style::Markdown { "\n\n" } else { "\n" };
    let item = "\n";
    let newline = if style == Style::Markdown { "  \n" } else { "\n" };
    let text = |t: &str| match style {
        Style::Plain => escape::plain(t),
        Style::Markdown => escape::markdown(t, newline),
    };
    let mut out: Vec<Line> = Vec::new();
    let mut push = |before: &'static str, atoms: Vec<Atom>| out.push(Line { before, atoms });
    if whole && let Some(title) = &message.title {
        let flat = escape::line(title, 120);
        let shown = match style {
            Style::Plain => format!("【{flat}】"),
            Style::Markdown => format!("#### {}", escape::markdown(title_line(title).as_str(), " ")),
        };
        push(block, vec![Atom::Text(shown)]);
    }
    for b in &message.blocks {
        match b {
            Block::Paragraph(inlines) => push(block, inline_atoms(inlines, style, newline)),
            Block::Note(inlines) => push(block, inline_atoms(inlines, style, newline)),
            Block::Quote(inlines) => {
                let mut atoms = vec![Atom::Text("> ".into())];
                let newline = if style == Style::Markdown { "  \n> " } else { "\n" };
                atoms.extend(inline_atoms(inlines, style, newline));
                push(block, atoms);
            }
            Block::List { ordered, items } => {
                for (i, inlines) in items.iter().enumerate() {
                    let mark = match (ordered, style) {
                        (true, _) => format!("{}. ", i + 1),
                        (false, Style::Markdown) => "- ".to_owned(),
                        (false, Style::Plain) => "· ".to_owned(),
                    };
                    let mut atoms = vec![Atom::Whole(mark)];
                    atoms.extend(inline_atoms(inlines, style, newline));
                    push(if i == 0 { block } else { item }, atoms);
                }
            }
            Block::Table(table) => table_lines(table, style, &mut push),
            Block::Chart(chart) => chart_lines(chart, style, &mut push),
            Block::Image { handle, alt } => {
                if style == Style::Markdown && media_id(handle) {
                    push(
                        block,
                        vec![Atom::Whole(format!("![{}]({handle})", escape::label(alt, LABEL_CHARS)))],
                    );
                } else {
                    push(block, vec![Atom::Text(format!("〔{}〕", text(alt)))]);
                }
            }
            Block::Divider => push(block, vec![Atom::Whole("———".into())]),
            Block::Buttons(buttons) if whole => {
                let labels: Vec<String> = buttons.iter().map(|b| format!("〔{}〕", text(&b.label))).collect();
                push(block, vec![Atom::Text(labels.join(" "))]);
            }
            Block::Form(form) if whole => {
                for field in &form.fields {
                    push(item, vec![Atom::Text(format!("{}：____", text(&field.label)))]);
                }
                push(item, vec![Atom::Text(format!("〔{}〕", text(&form.submit.label)))]);
            }
            Block::Buttons(_) | Block::Form(_) => {}
        }
    }
    out
}

fn title_line(title: &str) -> String {
    title.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Media ids begin with `@` or `$` and hold no character that could end the link.
fn media_id(handle: &str) -> bool {
    handle.starts_with(['@', '$'])
        && handle.len() > 1
        && handle
            .chars()
            .skip(1)
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '/' | '='))
}

/// The client draws no tables: a row becomes a list item.
fn table_lines(table: &Table, style: Style, push: &mut impl FnMut(&'static str, Vec<Atom>)) {
    let text = |t: &str| match style {
        Style::Plain => escape::line(t, 200),
        Style::Markdown => escape::markdown(&title_line(t), " "),
    };
    let columns: Vec<String> = table.columns.iter().map(|c| text(c)).collect();
    let head = columns.join(" · ");
    push(
        "\n\n",
        vec![Atom::Text(match style {
            Style::Markdown if !head.is_empty() => format!("**{head}**"),
            _ => head,
        })],
    );
    for (i, row) in table.rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().map(|c| text(c)).collect();
        push(
            if i == 0 { "\n\n" } else { "\n" },
            vec![Atom::Whole("- ".into()), Atom::Text(cells.join(" · "))],
        );
    }
}

/// The client draws no charts: bars of text, one line per category.
fn chart_lines(chart: &Chart, style: Style, push: &mut impl FnMut(&'static str, Vec<Atom>)) {
    let text = |t: &str| match style {
        Style::Plain => escape::line(t, 200),
        Style::Markdown => escape::markdown(&title_line(t), " "),
    };
    push("\n\n", vec![Atom::Text(text(&chart.title))]);
    let top = chart
        .series
        .iter()
        .flat_map(|(_, values)| values.iter().flatten())
        .fold(0.0_f64, |a, b| a.max(*b));
    for (name, values) in &chart.series {
        if chart.series.len() > 1 || !name.is_empty() {
            push("\n\n", vec![Atom::Text(text(name))]);
        }
        for (i, (category, value)) in chart.categories.iter().zip(values).enumerate() {
            let shown = match value {
                Some(v) => {
                    let bar = match chart.kind {
                        ChartKind::Bar | ChartKind::Line if top > 0.0 && *v > 0.0 => {
                            "▇".repeat(((v / top) * 10.0).round().clamp(1.0, 10.0) as usize)
                        }
                        _ => String::new(),
                    };
                    format!("{bar} {v}{}", text(&chart.unit))
                }
                None => "–".into(),
            };
            push(
                if i == 0 { "\n\n" } else { "\n" },
                vec![
                    Atom::Whole("- ".into()),
                    Atom::Text(format!("{} {shown}", text(category))),
                ],
            );
        }
    }
}

fn write(lines: &[Line], place: Place, style: Style) -> String {
    let mut out = String::new();
    for (i, line) in lines.iter().enumerate() {
        if i > 0 {
            out.push_str(line.before);
        }
        for atom in &line.atoms {
            atom.put(place, style, &mut out);
        }
    }
    out
}

/// Cuts between lines, and inside a line only when it is longer than a part, between characters and
/// never after an escaping backslash.
fn split(lines: &[Line], limit: usize) -> Vec<Vec<Line>> {
    let mut chunks: Vec<Vec<Line>> = Vec::new();
    let mut current: Vec<Line> = Vec::new();
    let mut used = 0;
    for line in lines {
        let size: usize = line.before.len() + line.atoms.iter().map(Atom::bytes).sum::<usize>();
        if used + size <= limit {
            used += size;
            current.push(line.clone());
            continue;
        }
        if !current.is_empty() {
            chunks.push(std::mem::take(&mut current));
            used = 0;
        }
        if size <= limit {
            used = size;
            current.push(line.clone());
            continue;
        }
        for piece in split_line(line, limit) {
            chunks.push(vec![piece]);
        }
        if let Some(last) = chunks.pop() {
            used = last.iter().flat_map(|l| &l.atoms).map(Atom::bytes).sum::<usize>() + line.before.len();
            current = last;
        }
    }
    if !current.is_empty() {
        chunks.push(current);
    }
    chunks
}

fn split_line(line: &Line, limit: usize) -> Vec<Line> {
    let mut out: Vec<Line> = Vec::new();
    let mut atoms: Vec<Atom> = Vec::new();
    let mut used = line.before.len();
    let mut flush = |atoms: &mut Vec<Atom>, used: &mut usize| {
        if !atoms.is_empty() {
            out.push(Line {
                before: line.before,
                atoms: std::mem::take(atoms),
            });
        }
        // What goes on must not begin a list or a heading.
        atoms.push(Atom::Whole("\u{200B}".into()));
        *used = line.before.len() + 3;
    };
    for atom in &line.atoms {
        let mut rest = atom.clone();
        loop {
            if used + rest.bytes() <= limit {
                used += rest.bytes();
                atoms.push(rest);
                break;
            }
            let Atom::Text(text) = &rest else {
                flush(&mut atoms, &mut used);
                used += rest.bytes();
                atoms.push(rest);
                break;
            };
            let at = cut(text, limit.saturating_sub(used));
            let (head, tail) = text.split_at(at);
            if !head.is_empty() {
                atoms.push(Atom::Text(head.to_owned()));
            }
            rest = Atom::Text(tail.to_owned());
            flush(&mut atoms, &mut used);
        }
    }
    flush(&mut atoms, &mut used);
    out
}

fn cut(text: &str, room: usize) -> usize {
    let mut at = text.floor_char_boundary(room.min(text.len()));
    loop {
        let slashes = text
            .get(..at)
            .map_or(0, |head| head.chars().rev().take_while(|c| *c == '\\').count());
        if slashes % 2 == 0 {
            return at;
        }
        at -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hutong_model::MentionAllPermit;

    fn user(id: &str) -> UserId {
        UserId::new(id).unwrap()
    }

    #[test]
    fn a_line_of_text_stays_a_line_of_text() {
        let parts = parts(&Message::text("你好 @all https://x.cn")).unwrap();
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].msg_key, "sampleText");
        let param: Value = serde_json::from_str(&parts[0].msg_param).unwrap();
        assert_eq!(param["content"], "你好 @\u{200B}all https:\u{200B}//x.\u{200B}cn");
        assert_eq!(
            parts[0].webhook,
            json!({"msgtype": "text", "text": {"content": param["content"]},
                "at": {"atUserIds": [], "isAtAll": false}})
        );
    }

    #[test]
    fn mentions_stand_where_each_way_can_carry_them() {
        let message = Message::text("感谢 ").paragraph(vec![
            Inline::Mention {
                user: user("u1"),
                name: "<陈>".into(),
            },
            Inline::MentionAll(MentionAllPermit::granted_by("a1")),
        ]);
        let part = &parts(&message).unwrap()[0];
        assert_eq!(part.webhook["at"], json!({"atUserIds": ["u1"], "isAtAll": true}));
        assert!(part.webhook["text"]["content"].as_str().unwrap().contains(" @u1 "));
        let robot: Value = serde_json::from_str(&part.msg_param).unwrap();
        assert_eq!(robot["content"], "感谢 \n@\u{200B}＜陈＞@\u{200B}所有人");
        let card = card(&message).unwrap();
        assert_eq!(card.mentions.users, [(user("u1"), "<陈>".to_owned())]);
        assert!(card.mentions.all);
        assert!(
            card.params["text1"].as_str().unwrap().contains("<a atId=u1>＜陈＞</a>"),
            "{:?}",
            card.params["text1"]
        );
    }

    #[test]
    fn blanks_between_spans_stay() {
        let spans = vec![
            Inline::Strong(" +2 ".into()),
            Inline::Text("  11-24".into()),
            Inline::Text(" 致谢".into()),
        ];
        let card = card(&Message::card("积分").paragraph(spans)).unwrap();
        assert_eq!(card.params["text1"], "**\\+2**   11\\-24 致谢");
    }

    #[test]
    fn a_card_has_every_variable() {
        let message = Message::card("公告").line("正文").buttons(vec![Button {
            label: "收到".into(),
            action: "tok.1".into(),
            style: ButtonStyle::Primary,
        }]);
        let card = card(&message).unwrap();
        assert_eq!(card.params.len(), 1 + TEXTS + 3 * BUTTONS + 3);
        assert!(card.params.values().all(Value::is_string));
        assert_eq!(card.params["button1"], "收到");
        assert_eq!(card.params["action1"], "tok.1");
        assert_eq!(card.params["style1"], "primary");
        assert_eq!(card.params["button2"], "");
        assert!(card.before.is_empty());
    }

    #[test]
    fn long_text_is_cut_at_characters_and_nothing_is_lost() {
        let long = "很长的一行\\*".repeat(1500);
        let all = parts(&Message::text(long.clone())).unwrap();
        assert!(all.len() > 2);
        let mut joined = String::new();
        for part in &all {
            assert!(part.msg_param.len() <= 15_000);
            let param: Value = serde_json::from_str(&part.msg_param).unwrap();
            joined.push_str(param["content"].as_str().unwrap().trim_start_matches('\u{200B}'));
        }
        assert_eq!(joined, long);
        // A card that is there already holds the beginning.
        let changed = update(&Message::card("t").line(long.clone())).unwrap();
        assert_eq!(changed["text8"], "……");
        assert!(changed["text1"].as_str().unwrap().starts_with("很长的一行"));
        // As a card: the text goes before, the card follows with its buttons.
        let card = card(&Message::card("t").line(long)).unwrap();
        assert!(card.before.len() > 2);
        assert!(card.params.values().all(|v| v.as_str().unwrap().len() <= 1024));
    }

    #[test]
    fn too_many_buttons_are_an_error() {
        let button = Button {
            label: "x".into(),
            action: "a".into(),
            style: ButtonStyle::Normal,
        };
        assert!(card(&Message::card("t").buttons(vec![button; 7])).is_err());
    }
}
