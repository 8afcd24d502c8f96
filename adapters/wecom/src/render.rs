//! From a message to request bodies, for each place a door can write to.
//!
//! | place | plain line | structured | buttons and choices |
//! |---|---|---|---|
//! | person, from the app | `text` | `markdown`; a short notice with a link is a card  | `template_card` |
//! | app group | `text` | `markdown` | words to type |
//! | group robot | `text` | `markdown`, or `markdown_v2` for tables; a short notice is a card | words to type |
//! | AI bot (one call per answer) | `markdown` | `markdown` | `template_card` |
//!
//! Limits are bytes of UTF-8 and the app's text is cut silently by the platform, so longer content
//! is split here, between lines where possible (documents 90236, 90248, 99110, 101138).

use hutong_model::{Block, Button, Chart, Field, FieldKind, Inline, Message, RenderError, Table};
use serde_json::{Value, json};

use crate::card::{CARD_TEXT, LONG_CARD_TEXT, card_body, cards};
use crate::text::{Dialect, cut, fit, guard, leaf, line_leaf, safe_url};

/// Bytes kept free in messages that get an invisible mark, see [`crate::api`].
pub const MARK_BYTES: usize = 48;
/// A message that would need more parts is refused: it is a document, not a message.
const MAX_PARTS: usize = 20;
/// Longest cell of a table, bytes: a row must fit into one message.
const CELL: usize = 120;

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// One person, from the app.
    Person,
    /// A group that the app created.
    AppChat,
    /// The answer of an AI bot: exactly one call.
    Answer,
    /// The group of a webhook robot.
    Robot,
}

impl Place {
    fn text_limit(self) -> usize {
        match self {
            Place::Person => 2048 - MARK_BYTES,
            Place::AppChat | Place::Robot => 2048,
            Place::Answer => 20_480,
        }
    }
    fn markdown_limit(self) -> usize {
        match self {
            Place::Person => 2048 - MARK_BYTES,
            Place::AppChat => 2048,
            Place::Robot => 4096,
            Place::Answer => 20_480,
        }
    }
    fn group(self) -> bool {
        matches!(self, Place::AppChat | Place::Robot)
    }
    fn cards(self) -> bool {
        matches!(self, Place::Person | Place::Answer)
    }
}

/// The bodies to send, in order: each has `msgtype` and the object of that name.
pub fn message(message: &Message, place: Place) -> Result<Vec<Value>, RenderError> {
    if place == Place::Answer {
        return answer(message).map(|body| vec![body]);
    }
    if matches!(place, Place::Person | Place::Robot)
        && let Some(card) = crate::notice::notice(message)
    {
        return Ok(vec![json!({"msgtype": "template_card", "template_card": card})]);
    }
    let mut out = Vec::new();
    let card = if place.cards() && message.interactive() {
        cards(message, CARD_TEXT)
    } else {
        None
    };
    match card {
        Some(cards) => {
            let body = card_body(message);
            if body.len() > CARD_TEXT {
                let words = Message {
                    title: message.title.clone(),
                    blocks: without_controls(message),
                    card: true,
                };
                out.extend(written(&words, place)?);
            }
            out.extend(
                cards
                    .into_iter()
                    .map(|card| json!({"msgtype": "template_card", "template_card": card})),
            );
        }
        None => out.extend(written(message, place)?),
    }
    // Pictures are messages of their own. A robot's upload is a file.
    let kind = if place == Place::Robot { "file" } else { "image" };
    for block in &message.blocks {
        if let Block::Image { handle, .. } = block
            && !shown_by_address(handle)
        {
            out.push(json!({"msgtype": kind, kind: {"media_id": handle}}));
        }
    }
    match out.len() {
        0 => Err(RenderError::Invalid("the message is empty".into())),
        n if n > MAX_PARTS => Err(RenderError::TooLarge {
            what: "a message",
            bytes: message.plain().len(),
            limit: MAX_PARTS * place.markdown_limit(),
        }),
        _ => Ok(out),
    }
}

/// An AI bot has one call for its answer: what does not fit is cut.
fn answer(message: &Message) -> Result<Value, RenderError> {
    if message.interactive()
        && card_body(message).len() <= LONG_CARD_TEXT
        && let Some(cards) = cards(message, LONG_CARD_TEXT)
        && let [card] = &cards[..]
    {
        return Ok(json!({"msgtype": "template_card", "template_card": card}));
    }
    let mut lines = Lines::of(message, Dialect::MarkdownV2, Mentions::Names);
    let mut parts = lines.pack(Place::Answer.markdown_limit() - '…'.len_utf8());
    if parts.is_empty() {
        return Err(RenderError::Invalid("the message is empty".into()));
    }
    let mut content = parts.swap_remove(0);
    if !parts.is_empty() {
        content.push('…');
    }
    Ok(json!({"msgtype": "markdown", "markdown": {"content": content}}))
}

/// A picture with an address of its own is a link in the words, or drawn in `markdown_v2`.
fn shown_by_address(handle: &str) -> bool {
    handle.starts_with("https://") && safe_url(handle).is_some()
}

fn written(message: &Message, place: Place) -> Result<Vec<Value>, RenderError> {
    let inlines = || message.blocks.iter().flat_map(inlines_of);
    let everyone = inlines().any(|i| matches!(i, Inline::MentionAll(_)));
    let people = inlines().any(|i| matches!(i, Inline::Mention { .. }));
    let tables = message
        .blocks
        .iter()
        .any(|b| matches!(b, Block::Table(_) | Block::Chart(_)));
    let structured = message.card
        || message.title.is_some()
        || message
            .blocks
            .iter()
            .any(|b| !matches!(b, Block::Paragraph(_) | Block::Image { .. }))
        || inlines().any(|i| matches!(i, Inline::Strong(_)));
    // Pinging everyone is documented for text only.
    let dialect = match place {
        _ if everyone && place.group() => plain_of(place),
        _ if !structured => plain_of(place),
        Place::Robot if tables && !people => Dialect::MarkdownV2,
        _ => Dialect::Markdown,
    };
    let mentions = match (place.group(), dialect) {
        (false, _) | (true, Dialect::MarkdownV2) => Mentions::Names,
        (true, Dialect::Markdown) => Mentions::Tags,
        (true, _) => Mentions::Listed,
    };
    let mut lines = Lines::of(message, dialect, mentions);
    let limit = if dialect.is_markdown() {
        place.markdown_limit()
    } else {
        place.text_limit()
    };
    let listed = std::mem::take(&mut lines.listed);
    let kind = match dialect {
        Dialect::Markdown => "markdown",
        Dialect::MarkdownV2 => "markdown_v2",
        Dialect::Plain | Dialect::Anchors => "text",
    };
    let mut out: Vec<Value> = lines
        .pack(limit)
        .into_iter()
        .map(|content| json!({"msgtype": kind, kind: {"content": content}}))
        .collect();
    // The ping belongs to the first part.
    if !listed.is_empty()
        && let Some(first) = out.first_mut()
    {
        first[kind]["mentioned_list"] = json!(listed);
    }
    Ok(out)
}

fn plain_of(place: Place) -> Dialect {
    match place {
        Place::Robot => Dialect::Plain,
        _ => Dialect::Anchors,
    }
}

pub(crate) fn inlines_of(block: &Block) -> Vec<&Inline> {
    match block {
        Block::Paragraph(i) | Block::Quote(i) | Block::Note(i) => i.iter().collect(),
        Block::List { items, .. } => items.iter().flatten().collect(),
        _ => vec![],
    }
}

pub(crate) fn without_controls(message: &Message) -> Vec<Block> {
    message
        .blocks
        .iter()
        .filter(|b| !matches!(b, Block::Buttons(_) | Block::Form(_) | Block::Image { .. }))
        .cloned()
        .collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mentions {
    /// `<@userid>` in the content.
    Tags,
    /// `@name` in the content and the id in `mentioned_list`.
    Listed,
    /// `@name`, which pings nobody: private chats and the AI bot.
    Names,
}

/// A run of text with markup around it. Markup is ours, text is foreign.
#[derive(Debug, Clone, Default)]
struct Span {
    open: String,
    text: String,
    close: String,
    /// Loses its meaning when cut.
    whole: bool,
}

impl Span {
    fn len(&self) -> usize {
        self.open.len() + self.text.len() + self.close.len()
    }
    fn push_to(&self, out: &mut String) {
        out.push_str(&self.open);
        out.push_str(&self.text);
        out.push_str(&self.close);
    }
    fn ours(text: impl Into<String>) -> Self {
        Span {
            open: text.into(),
            whole: true,
            ..Span::default()
        }
    }
}

#[derive(Debug, Clone, Default)]
struct Line {
    prefix: String,
    spans: Vec<Span>,
    /// Lines to repeat when a part begins with this one: the head of its table.
    head: Option<String>,
}

pub(crate) struct Lines {
    dialect: Dialect,
    mentions: Mentions,
    lines: Vec<Line>,
    listed: Vec<String>,
}

impl Lines {
    pub(crate) fn of(message: &Message, dialect: Dialect, mentions: Mentions) -> Self {
        let mut lines = Lines {
            dialect,
            mentions,
            lines: vec![],
            listed: vec![],
        };
        if let Some(title) = &message.title {
            let title = line_leaf(title, dialect);
            if dialect.is_markdown() {
                lines.push(
                    "### ",
                    vec![Span {
                        text: title,
                        ..Span::default()
                    }],
                );
            } else {
                lines.push(
                    "",
                    vec![Span {
                        text: format!("【{title}】"),
                        ..Span::default()
                    }],
                );
            }
        }
        for block in &message.blocks {
            lines.block(block);
        }
        lines
    }

    fn push(&mut self, prefix: impl Into<String>, spans: Vec<Span>) {
        self.lines.push(Line {
            prefix: prefix.into(),
            spans,
            head: None,
        });
    }

    fn text(&mut self, prefix: &str, text: &str) {
        let text = line_leaf(text, self.dialect);
        self.push(
            prefix,
            vec![Span {
                text,
                ..Span::default()
            }],
        );
    }

    fn block(&mut self, block: &Block) {
        let markdown = self.dialect.is_markdown();
        match block {
            Block::Paragraph(inlines) => self.paragraph("", inlines),
            Block::Quote(inlines) => self.paragraph(if markdown { "> " } else { "│ " }, inlines),
            Block::Note(inlines) => match self.dialect {
                Dialect::Markdown => {
                    let from = self.lines.len();
                    self.paragraph("", inlines);
                    for span in self.lines.iter_mut().skip(from).flat_map(|l| &mut l.spans) {
                        if span.open.is_empty() && !span.text.is_empty() {
                            span.open = "<font color=\"comment\">".into();
                            span.close = "</font>".into();
                        }
                    }
                }
                _ => self.paragraph("", inlines),
            },
            Block::List { ordered, items } => {
                for (i, item) in items.iter().enumerate() {
                    let mark = match (ordered, self.dialect) {
                        (true, _) => format!("{}. ", i + 1),
                        (false, Dialect::MarkdownV2) => "- ".to_owned(),
                        (false, _) => "· ".to_owned(),
                    };
                    let mut spans: Vec<Span> = Vec::new();
                    for line in self.inline_lines(item) {
                        if !spans.is_empty() {
                            spans.push(Span {
                                text: " ".into(),
                                ..Span::default()
                            });
                        }
                        spans.extend(line);
                    }
                    self.push(mark, spans);
                }
            }
            Block::Table(table) => self.table(table),
            Block::Chart(chart) => self.chart(chart),
            // Sent as a message of its own where the door can; its words stand here in any case.
            Block::Image { handle, alt } if shown_by_address(handle) => {
                let link = Inline::Link {
                    label: alt.clone(),
                    url: handle.clone(),
                };
                let mut span = self.span(&link);
                if self.dialect == Dialect::MarkdownV2 {
                    span.open.insert(0, '!');
                }
                self.push("", vec![span]);
            }
            Block::Image { alt, .. } => self.text("", &format!("（{alt}）")),
            Block::Divider => match self.dialect {
                Dialect::MarkdownV2 => {
                    self.push("", vec![]);
                    self.push("---", vec![]);
                    self.push("", vec![]);
                }
                _ => self.push("————", vec![]),
            },
            Block::Buttons(buttons) => self.words(buttons),
            Block::Form(form) => {
                for field in &form.fields {
                    self.field(field);
                }
                self.words(std::slice::from_ref(&form.submit));
            }
        }
    }

    fn paragraph(&mut self, prefix: &str, inlines: &[Inline]) {
        for spans in self.inline_lines(inlines) {
            self.push(prefix, spans);
        }
    }

    fn inline_lines(&mut self, inlines: &[Inline]) -> Vec<Vec<Span>> {
        let mut lines = vec![Vec::new()];
        let dialect = self.dialect;
        for inline in inlines {
            match inline {
                Inline::Text(text) => {
                    for (i, line) in leaf(text, dialect).split('\n').enumerate() {
                        if i > 0 {
                            lines.push(Vec::new());
                        }
                        if let (Some(last), false) = (lines.last_mut(), line.is_empty()) {
                            last.push(Span {
                                text: line.to_owned(),
                                ..Span::default()
                            });
                        }
                    }
                }
                other => {
                    let span = self.span(other);
                    if let (Some(last), true) = (lines.last_mut(), span.len() > 0) {
                        last.push(span);
                    }
                }
            }
        }
        lines
    }

    fn span(&mut self, inline: &Inline) -> Span {
        let dialect = self.dialect;
        match inline {
            Inline::Text(text) => Span {
                text: line_leaf(text, dialect),
                ..Span::default()
            },
            Inline::Strong(text) => {
                let text = line_leaf(text, dialect);
                let text = text.trim();
                let mark = if dialect.is_markdown() && !text.is_empty() {
                    "**"
                } else {
                    ""
                };
                Span {
                    open: mark.into(),
                    text: text.to_owned(),
                    close: mark.into(),
                    whole: false,
                }
            }
            Inline::Mention { user, name } => {
                let shown = format!("@{}", line_leaf(name, dialect));
                match self.mentions {
                    Mentions::Tags => Span::ours(format!("<@{user}>")),
                    Mentions::Listed => {
                        if !self.listed.iter().any(|id| id == user.as_str()) {
                            self.listed.push(user.to_string());
                        }
                        Span {
                            text: shown,
                            ..Span::default()
                        }
                    }
                    Mentions::Names => Span {
                        text: shown,
                        ..Span::default()
                    },
                }
            }
            Inline::MentionAll(_) => {
                if self.mentions == Mentions::Listed && !self.listed.iter().any(|id| id == "@all") {
                    self.listed.push("@all".to_owned());
                }
                Span {
                    text: "@所有人".into(),
                    ..Span::default()
                }
            }
            Inline::Link { label, url } => {
                let words = line_leaf(if label.is_empty() { "链接" } else { label }, dialect);
                match (safe_url(url), dialect) {
                    (None, _) => Span {
                        text: words,
                        ..Span::default()
                    },
                    (Some(url), Dialect::Markdown | Dialect::MarkdownV2) => Span {
                        open: "[".into(),
                        text: words,
                        close: format!("]({url})"),
                        whole: true,
                    },
                    (Some(url), Dialect::Anchors) => Span {
                        open: format!("<a href=\"{url}\">"),
                        text: words,
                        close: "</a>".into(),
                        whole: true,
                    },
                    (Some(url), Dialect::Plain) => Span {
                        open: String::new(),
                        text: words,
                        close: format!(" {url} "),
                        whole: true,
                    },
                }
            }
        }
    }

    fn table(&mut self, table: &Table) {
        if self.dialect == Dialect::MarkdownV2 && !table.columns.is_empty() {
            let row = |cells: &[String]| {
                let mut line = String::from("|");
                for i in 0..table.columns.len() {
                    let cell = cells.get(i).map_or("", String::as_str);
                    line.push(' ');
                    line.push_str(&cut(&line_leaf(cell, Dialect::MarkdownV2), CELL));
                    line.push_str(" |");
                }
                line
            };
            let head = format!("{}\n|{}", row(&table.columns), " --- |".repeat(table.columns.len()));
            self.push("", vec![]);
            self.push("", vec![Span::ours(head.clone())]);
            for cells in &table.rows {
                self.lines.push(Line {
                    prefix: String::new(),
                    spans: vec![Span::ours(row(cells))],
                    head: Some(head.clone()),
                });
            }
            self.push("", vec![]);
            return;
        }
        let dialect = self.dialect;
        let join = |cells: &[String]| {
            cells
                .iter()
                .map(|c| line_leaf(c, dialect))
                .collect::<Vec<_>>()
                .join(" ｜ ")
        };
        let mark = if dialect.is_markdown() && !table.columns.is_empty() {
            "**"
        } else {
            ""
        };
        self.push(
            "",
            vec![Span {
                open: mark.into(),
                text: join(&table.columns),
                close: mark.into(),
                whole: false,
            }],
        );
        for cells in &table.rows {
            self.push(
                "",
                vec![Span {
                    text: join(cells),
                    ..Span::default()
                }],
            );
        }
    }

    /// No door draws charts: the figures as a table, or as lines.
    fn chart(&mut self, chart: &Chart) {
        let title = Inline::Strong(chart.title.clone());
        let span = self.span(&title);
        self.push("", vec![span]);
        let value = |v: &Option<f64>| v.map_or("–".to_owned(), |v| format!("{}{}", number(v), chart.unit));
        if self.dialect == Dialect::MarkdownV2 {
            let mut columns = vec![String::new()];
            columns.extend(chart.series.iter().map(|(name, _)| name.clone()));
            let rows = chart
                .categories
                .iter()
                .enumerate()
                .map(|(i, category)| {
                    let mut row = vec![category.clone()];
                    row.extend(chart.series.iter().map(|(_, v)| v.get(i).map_or("–".to_owned(), value)));
                    row
                })
                .collect();
            self.table(&Table { columns, rows });
            return;
        }
        for (name, values) in &chart.series {
            let cells: Vec<String> = chart
                .categories
                .iter()
                .zip(values)
                .map(|(category, v)| format!("{category} {}", value(v)))
                .collect();
            let text = if name.is_empty() {
                cells.join("，")
            } else {
                format!("{name}：{}", cells.join("，"))
            };
            self.text("· ", &text);
        }
    }

    fn field(&mut self, field: &Field) {
        let hint = match &field.kind {
            FieldKind::Select(options) | FieldKind::MultiSelect(options) => options
                .iter()
                .map(|(_, label)| label.as_str())
                .collect::<Vec<_>>()
                .join(" / "),
            FieldKind::Date => "2026-01-31".to_owned(),
            FieldKind::Text { .. } => "____".to_owned(),
        };
        let mark = if field.required { "*" } else { "" };
        self.text("· ", &format!("{}{mark}：{hint}", field.label));
    }

    /// Where nothing can be pressed: what to type instead. An action that is a command is shown.
    fn words(&mut self, buttons: &[Button]) {
        for button in buttons {
            let label = line_leaf(&button.label, self.dialect);
            let text = if button.action.starts_with('/') {
                format!("{label}：发送 send {}", line_leaf(&button.action, self.dialect))
            } else {
                format!("{label}：把这几个字发给机器人 send these words to the bot")
            };
            self.push(
                "▸ ",
                vec![Span {
                    text,
                    ..Span::default()
                }],
            );
        }
    }

    /// Joins the lines into parts of at most `limit` bytes.
    pub(crate) fn pack(&mut self, limit: usize) -> Vec<String> {
        let mut parts: Vec<String> = Vec::new();
        let mut part = String::new();
        for line in &self.lines {
            for (i, piece) in split_line(line, self.dialect, limit).into_iter().enumerate() {
                let fresh = part.is_empty();
                if !fresh && part.len() + 1 + piece.len() > limit {
                    parts.push(std::mem::take(&mut part));
                }
                if part.is_empty() {
                    if let (Some(head), 0, false) = (&line.head, i, parts.is_empty())
                        && head.len() + 1 + piece.len() <= limit
                    {
                        part.push_str(head);
                        part.push('\n');
                    }
                } else {
                    part.push('\n');
                }
                part.push_str(&piece);
            }
        }
        parts.push(part);
        parts
            .into_iter()
            .map(|p| p.trim_matches('\n').to_owned())
            .filter(|p| !p.trim().is_empty())
            .collect()
    }
}

fn split_line(line: &Line, dialect: Dialect, limit: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = line.prefix.clone();
    // A quote goes on in the next part; a list mark stands once.
    let again = if line.prefix.starts_with(['>', '│']) {
        line.prefix.as_str()
    } else {
        ""
    };
    // True until something of the line's content stands in the piece.
    let mut start = true;
    for span in &line.spans {
        let mut text = span.text.as_str().to_owned();
        let (mut open, mut close) = (span.open.as_str(), span.close.as_str());
        if span.whole && span.len() > limit {
            // A link longer than a message: only its words remain. Our own markup is never that long.
            (open, close) = ("", "");
        }
        if span.whole && !open.is_empty() && piece.len() + span.len() > limit {
            pieces.push(std::mem::replace(&mut piece, again.to_owned()));
            start = true;
        }
        if span.whole && !open.is_empty() {
            span.push_to(&mut piece);
            start = false;
            continue;
        }
        while !text.is_empty() {
            if start && open.is_empty() {
                text = guard(&text, dialect);
            }
            let used = piece.len() + open.len() + close.len();
            let take = fit(&text, limit.saturating_sub(used));
            if take == 0 {
                if start && piece.len() <= again.len() {
                    break;
                }
                pieces.push(std::mem::replace(&mut piece, again.to_owned()));
                start = true;
                continue;
            }
            piece.push_str(open);
            piece.push_str(&text[..take]);
            piece.push_str(close);
            start = false;
            text.drain(..take);
        }
    }
    pieces.push(piece);
    pieces
}

fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned()
    }
}

/// A group name: at most 50 characters, which the platform would cut to silently (document 90245).
pub fn chat_name(name: &str) -> Result<String, RenderError> {
    let name = line_leaf(name, Dialect::Plain);
    let name: String = name.trim().chars().take(50).collect();
    if name.is_empty() {
        return Err(RenderError::Invalid("a group needs a name".into()));
    }
    Ok(name)
}
