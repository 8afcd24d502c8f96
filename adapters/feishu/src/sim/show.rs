//! What a person sees: the contents that arrived over the wire, drawn as the client would draw them.

use std::collections::BTreeMap;

use hutong_simkit::{ScreenButton, ScreenField, ScreenItem, ScreenPart};
use serde_json::{Value, json};

use super::state::{Author, Mentioned, Msg, World};

/// One message for one viewer.
pub fn item(world: &World, message: &Msg, viewer: &str) -> ScreenItem {
    let (from, from_name, bot) = match &message.from {
        Author::Person(user) => (user.clone(), world.name(user), false),
        Author::App(app) => (app.clone(), world.name(app), true),
        Author::System => (String::new(), String::new(), false),
    };
    let mut draw = Draw {
        world,
        message,
        app: from.clone(),
        parts: Vec::new(),
    };
    if !message.recalled {
        draw.content();
        if let Some(text) = message.toasts.get(viewer) {
            draw.parts.push(ScreenPart::Toast { text: text.clone() });
        }
    }
    let mut reactions: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for reaction in &message.reactions {
        let who = match &reaction.by {
            Author::Person(id) | Author::App(id) => id.clone(),
            Author::System => continue,
        };
        reactions.entry(&reaction.emoji).or_default().push(who);
    }
    ScreenItem {
        id: message.id.clone(),
        at_ms: message.at,
        from,
        from_name,
        bot,
        recalled: message.recalled,
        edited: message.edits > 0,
        reply_to: message.parent.clone(),
        parts: draw.parts,
        reactions: reactions
            .into_iter()
            .map(|(emoji, who)| (emoji.to_owned(), who))
            .collect(),
    }
}

struct Draw<'w> {
    world: &'w World,
    message: &'w Msg,
    /// Whose ids stand in the content.
    app: String,
    parts: Vec<ScreenPart>,
}

impl Draw<'_> {
    fn content(&mut self) {
        let content: Value = serde_json::from_str(&self.message.content).unwrap_or_default();
        match self.message.msg_type.as_str() {
            "text" => self.text(content["text"].as_str().unwrap_or_default()),
            "post" => self.post(&content),
            "interactive" => self.card(&content),
            "image" => self.image(&content["image_key"], "图片"),
            "file" => self.image(&content["file_key"], "文件"),
            "system" => self.lines(content["template"].as_str().unwrap_or_default()),
            other => self.lines(&format!("[{other}]")),
        }
    }

    fn image(&mut self, key: &Value, alt: &str) {
        let handle = key.as_str().unwrap_or_default().to_owned();
        self.parts.push(ScreenPart::Image {
            handle,
            alt: alt.to_owned(),
        });
    }

    /// Literal text; every line break is a part.
    fn lines(&mut self, text: &str) {
        for (i, line) in text.split('\n').enumerate() {
            if i > 0 {
                self.parts.push(ScreenPart::Break);
            }
            self.run(line);
        }
    }

    fn run(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        match self.parts.last_mut() {
            Some(ScreenPart::Text { text: before }) => before.push_str(text),
            _ => self.parts.push(ScreenPart::Text { text: text.to_owned() }),
        }
    }

    fn mention(&mut self, id: &str) {
        let person = self.world.person_any(&self.app, id);
        let everyone = id == "all";
        let (user, name) = match person {
            Some(person) => (person.id.clone(), person.name.clone()),
            None if everyone => ("all".to_owned(), "所有人".to_owned()),
            None => (id.to_owned(), id.to_owned()),
        };
        self.parts.push(ScreenPart::Mention { user, name, everyone });
    }

    /// The text of a text message: tags of bots, placeholders of people, typed links.
    fn text(&mut self, text: &str) {
        let mut rest = text;
        while let Some(at) = rest.find(['<', '@', '[']) {
            let (before, from) = rest.split_at(at);
            self.lines(before);
            rest = self.special(from);
        }
        self.lines(rest);
    }

    fn special<'t>(&mut self, from: &'t str) -> &'t str {
        let bot = matches!(self.message.from, Author::App(_));
        if bot
            && let Some(tag) = from.strip_prefix("<at user_id=\"")
            && let Some((id, after)) = tag.split_once("\">")
            && let Some((_, after)) = after.split_once("</at>")
        {
            self.mention(id);
            return after;
        }
        if !bot && let Some(after) = from.strip_prefix("@_all") {
            self.mention("all");
            return after;
        }
        let longest = self
            .message
            .mentions
            .iter()
            .filter(|(k, _)| !bot && from.starts_with(k.as_str()));
        if let Some((key, who)) = longest.max_by_key(|(k, _)| k.len()) {
            match who {
                Mentioned::Everyone => self.mention("all"),
                Mentioned::Person(id) | Mentioned::App(id) => {
                    let part = ScreenPart::Mention {
                        user: id.clone(),
                        name: self.world.name(id),
                        everyone: false,
                    };
                    self.parts.push(part);
                }
            }
            return from.get(key.len()..).unwrap_or_default();
        }
        if let Some((label, url, after)) = link(from) {
            self.parts.push(ScreenPart::Link {
                label: label.to_owned(),
                url: url.to_owned(),
            });
            return after;
        }
        let (one, after) = from.split_at(1);
        self.run(one);
        after
    }

    fn post(&mut self, content: &Value) {
        let locale = ["zh_cn", "en_us", "ja_jp"]
            .into_iter()
            .find_map(|l| content.get(l))
            .unwrap_or(content);
        if let Some(title) = locale["title"].as_str().filter(|t| !t.is_empty()) {
            self.parts.push(ScreenPart::Strong { text: title.to_owned() });
            self.parts.push(ScreenPart::Break);
        }
        for (i, paragraph) in locale["content"].as_array().into_iter().flatten().enumerate() {
            if i > 0 {
                self.parts.push(ScreenPart::Break);
            }
            for node in paragraph.as_array().into_iter().flatten() {
                let text = node["text"].as_str().unwrap_or_default();
                match node["tag"].as_str().unwrap_or_default() {
                    "text" if node["style"].as_array().is_some_and(|s| s.contains(&json!("bold"))) => {
                        self.parts.push(ScreenPart::Strong { text: text.to_owned() });
                    }
                    "text" => self.lines(text),
                    "a" => {
                        let url = node["href"].as_str().unwrap_or_default().to_owned();
                        self.parts.push(ScreenPart::Link {
                            label: text.to_owned(),
                            url,
                        });
                    }
                    "at" => {
                        let id = node["user_id"].as_str().unwrap_or_default().to_owned();
                        self.mention(&id);
                    }
                    "img" => self.image(&node["image_key"], "图片"),
                    "hr" => self.parts.push(ScreenPart::Divider),
                    "md" => self.markdown(text),
                    _ => self.lines(text),
                }
            }
        }
    }

    fn card(&mut self, card: &Value) {
        if let Some(title) = card["header"]["title"]["content"].as_str() {
            let color = card["header"]["template"].as_str().unwrap_or("default").to_owned();
            self.parts.push(ScreenPart::Title {
                text: title.to_owned(),
                color,
            });
        }
        for element in card["body"]["elements"].as_array().into_iter().flatten() {
            self.element(element);
        }
    }

    fn element(&mut self, element: &Value) {
        match element["tag"].as_str().unwrap_or_default() {
            "div" => {
                let text = element["text"]["content"].as_str().unwrap_or_default();
                if element["text"]["text_size"] == "notation" {
                    self.parts.push(ScreenPart::Note { text: text.to_owned() });
                } else {
                    self.lines(text);
                    self.parts.push(ScreenPart::Break);
                }
            }
            "markdown" => {
                let content = element["content"].as_str().unwrap_or_default();
                if element["text_size"] == "notation" {
                    self.parts.push(ScreenPart::Note {
                        text: plain(self.world, &self.app, content),
                    });
                } else {
                    self.markdown(content);
                    self.parts.push(ScreenPart::Break);
                }
            }
            "hr" => self.parts.push(ScreenPart::Divider),
            "img" => {
                let alt = element["alt"]["content"].as_str().unwrap_or_default().to_owned();
                self.image(&element["img_key"], &alt);
            }
            "button" => self.parts.push(ScreenPart::Buttons {
                buttons: vec![button(element)],
            }),
            "column_set" => self.columns(element),
            "table" => self.table(element),
            "chart" => self.chart(&element["chart_spec"]),
            "form" => self.form(element),
            _ => {}
        }
    }

    fn columns(&mut self, element: &Value) {
        let inside: Vec<&Value> = element["columns"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|c| c["elements"].as_array().into_iter().flatten())
            .collect();
        if inside.iter().all(|e| e["tag"] == "button") && !inside.is_empty() {
            let buttons = inside.into_iter().map(button).collect();
            self.parts.push(ScreenPart::Buttons { buttons });
        } else if element["background_style"] == "grey" {
            for part in inside {
                let text = match part["tag"].as_str() {
                    Some("markdown") => plain(self.world, &self.app, part["content"].as_str().unwrap_or_default()),
                    _ => part["text"]["content"].as_str().unwrap_or_default().to_owned(),
                };
                self.parts.push(ScreenPart::Quote { text });
            }
        } else {
            inside.into_iter().for_each(|e| self.element(e));
        }
    }

    fn table(&mut self, element: &Value) {
        let columns: Vec<&Value> = element["columns"].as_array().into_iter().flatten().collect();
        let cell = |value: &Value| match value {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            Value::Array(items) => items
                .iter()
                .map(|i| match i.as_str().or(i["text"].as_str()) {
                    Some(id) => self
                        .world
                        .person_any(&self.app, id)
                        .map_or(id.to_owned(), |p| p.name.clone()),
                    None => i.to_string(),
                })
                .collect::<Vec<_>>()
                .join("、"),
            other => other.to_string(),
        };
        let rows = element["rows"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|row| {
                columns
                    .iter()
                    .map(|c| cell(&row[c["name"].as_str().unwrap_or_default()]))
                    .collect()
            })
            .collect();
        let columns = columns
            .iter()
            .map(|c| c["display_name"].as_str().unwrap_or_default().to_owned())
            .collect();
        self.parts.push(ScreenPart::Table { columns, rows });
    }

    /// Values are rounded: the page draws bars, not decimals.
    fn chart(&mut self, spec: &Value) {
        let pie = spec["type"] == "pie";
        let field = |name: &str, default: &str| -> String {
            let value = &spec[name];
            value
                .as_str()
                .or_else(|| value[0].as_str())
                .unwrap_or(default)
                .to_owned()
        };
        let (x, y) = if pie {
            (field("categoryField", "x"), field("valueField", "y"))
        } else {
            (field("xField", "x"), field("yField", "y"))
        };
        let by = field("seriesField", "");
        let mut categories: Vec<String> = Vec::new();
        let mut series: Vec<(String, BTreeMap<String, i64>)> = Vec::new();
        for value in spec["data"]["values"].as_array().into_iter().flatten() {
            let text = |key: &str| {
                value[key]
                    .as_str()
                    .map_or_else(|| value[key].to_string(), str::to_owned)
            };
            let category = text(&x);
            if !categories.contains(&category) {
                categories.push(category.clone());
            }
            let name = if by.is_empty() { String::new() } else { text(&by) };
            let at = match series.iter().position(|(n, _)| *n == name) {
                Some(at) => at,
                None => {
                    series.push((name, BTreeMap::new()));
                    series.len() - 1
                }
            };
            if let (Some(number), Some((_, values))) = (value[&y].as_f64(), series.get_mut(at)) {
                values.insert(category, number.round() as i64);
            }
        }
        let full = spec["title"]["text"].as_str().unwrap_or_default();
        let (title, unit) = match full.strip_suffix('）').and_then(|t| t.rsplit_once('（')) {
            Some((title, unit)) => (title, unit),
            None => (full, ""),
        };
        let series = series
            .into_iter()
            .map(|(name, values)| (name, categories.iter().map(|c| values.get(c).copied()).collect()))
            .collect();
        self.parts.push(ScreenPart::Chart {
            title: title.to_owned(),
            unit: unit.to_owned(),
            categories,
            series,
        });
    }

    fn form(&mut self, form: &Value) {
        let mut label = String::new();
        let mut fields = Vec::new();
        let mut submit = None;
        for element in form["elements"].as_array().into_iter().flatten() {
            let tag = element["tag"].as_str().unwrap_or_default();
            let kind = match tag {
                "div" => {
                    label = element["text"]["content"].as_str().unwrap_or_default().to_owned();
                    continue;
                }
                "markdown" => {
                    label = plain(self.world, &self.app, element["content"].as_str().unwrap_or_default());
                    continue;
                }
                "button" if element["form_action_type"] == "submit" => {
                    submit = Some(button(element));
                    continue;
                }
                "input" if element["input_type"] == "multiline_text" => "textarea",
                "input" => "text",
                "select_static" => "select",
                "multi_select_static" => "multi_select",
                "date_picker" => "date",
                _ => continue,
            };
            let own_label = element["label"]["content"].as_str().map(str::to_owned);
            let options = element["options"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|o| {
                    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
                    (text(&o["value"]), text(&o["text"]["content"]))
                })
                .collect();
            fields.push(ScreenField {
                name: element["name"].as_str().unwrap_or_default().to_owned(),
                label: own_label.unwrap_or_else(|| std::mem::take(&mut label)),
                kind: kind.to_owned(),
                required: element["required"] == true,
                options,
            });
        }
        if let Some(submit) = submit {
            self.parts.push(ScreenPart::Form { fields, submit });
        }
    }

    /// Card markdown: mentions, strong text, links, entities, list items.
    fn markdown(&mut self, source: &str) {
        for (i, line) in source.split('\n').enumerate() {
            if i > 0 {
                self.parts.push(ScreenPart::Break);
            }
            if let Some(text) = line.strip_prefix("- ") {
                let text = plain(self.world, &self.app, text);
                self.parts.push(ScreenPart::ListItem {
                    ordered: false,
                    number: 0,
                    text,
                });
                continue;
            }
            let mut rest = line;
            while let Some(at) = rest.find(['<', '[', '*', '&']) {
                let (before, from) = rest.split_at(at);
                self.run(before);
                rest = self.markdown_special(from);
            }
            self.run(rest);
        }
    }

    fn markdown_special<'t>(&mut self, from: &'t str) -> &'t str {
        if let Some(tag) = from.strip_prefix("<at id=")
            && let Some((id, after)) = tag.split_once('>')
        {
            self.mention(id.trim_matches(['"', '\'', '/']));
            return after.strip_prefix("</at>").unwrap_or(after);
        }
        if let Some(strong) = from.strip_prefix("**")
            && let Some((text, after)) = strong.split_once("**")
        {
            self.parts.push(ScreenPart::Strong { text: entities(text) });
            return after;
        }
        if let Some((label, url, after)) = link(from) {
            self.parts.push(ScreenPart::Link {
                label: entities(label),
                url: url.to_owned(),
            });
            return after;
        }
        if from.starts_with('&')
            && let Some((_, after)) = from.split_once(';')
        {
            let length = from.len() - after.len();
            let entity = from.get(..length).unwrap_or_default();
            let decoded = entities(entity);
            if decoded != entity {
                self.run(&decoded);
                return after;
            }
        }
        let (one, after) = from.split_at(1);
        self.run(one);
        after
    }
}

fn link(from: &str) -> Option<(&str, &str, &str)> {
    let (label, rest) = from.strip_prefix('[')?.split_once("](")?;
    let (url, after) = rest.split_once(')')?;
    let web = url.starts_with("https://") || url.starts_with("http://");
    (web && !label.contains('\n')).then_some((label, url, after))
}

/// Markdown as one text, for notes and quotes.
fn plain(world: &World, app: &str, source: &str) -> String {
    let mut out = String::new();
    let mut rest = source;
    while let Some(at) = rest.find("<at id=") {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let (id, after) = from.trim_start_matches("<at id=").split_once('>').unwrap_or((from, ""));
        out.push('@');
        out.push_str(
            &world
                .person_any(app, id)
                .map_or("所有人".to_owned(), |p| p.name.clone()),
        );
        rest = after.strip_prefix("</at>").unwrap_or(after);
    }
    out.push_str(rest);
    entities(&out.replace("**", ""))
}

fn entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let decoded = from.split_once(';').and_then(|(name, after)| {
            let c = match name {
                "&amp" => Some('&'),
                "&sim" => Some('~'),
                "&lt" => Some('<'),
                "&gt" => Some('>'),
                "&quot" => Some('"'),
                "&nbsp" => Some(' '),
                number => number.strip_prefix("&#").and_then(|n| char::from_u32(n.parse().ok()?)),
            };
            c.map(|c| (c, after))
        });
        match decoded {
            Some((c, after)) => {
                out.push(c);
                rest = after;
            }
            None => {
                out.push('&');
                rest = from.get(1..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    out
}

/// What a click names: the button's value, as text.
pub fn button_action(element: &Value) -> Option<String> {
    let callback = element["behaviors"]
        .as_array()?
        .iter()
        .find(|b| b["type"] == "callback")?;
    Some(match &callback["value"] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    })
}

fn button(element: &Value) -> ScreenButton {
    let style = match element["type"].as_str() {
        Some("primary" | "primary_filled") => "primary",
        Some("danger" | "danger_filled") => "danger",
        _ => "normal",
    };
    ScreenButton {
        label: element["text"]["content"].as_str().unwrap_or_default().to_owned(),
        action: button_action(element).unwrap_or_default(),
        style: style.to_owned(),
    }
}
