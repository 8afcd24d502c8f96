//! Reads contents as a client of the platform would, written apart from the renderer: what is a
//! mention, a link or markup in them. Wherever the documentation leaves open how lenient the client is
//! (case, spaces, quotes, unclosed tags), this reader is the lenient one.
#![allow(dead_code, reason = "each test binary uses a part")]

use serde_json::Value;

/// What a client would act upon.
#[derive(Debug, Default, PartialEq)]
pub struct Active {
    pub mentions: Vec<String>,
    pub links: Vec<String>,
    pub markup: Vec<String>,
}

/// A tag at the start of `source`: its lower-case name, its attributes, and what follows `>`.
struct Tag<'s> {
    name: String,
    attributes: Vec<(String, String)>,
    rest: &'s str,
}

fn tag(source: &str) -> Option<Tag<'_>> {
    let inside = source.strip_prefix('<')?.trim_start();
    let closing = inside.strip_prefix('/');
    let inside = closing.unwrap_or(inside).trim_start();
    let length = inside.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))?;
    if length == 0 || !inside.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let (name, after) = inside.split_at(length);
    let (body, rest) = after.split_once('>').unwrap_or((after, ""));
    let mut attributes = Vec::new();
    let mut left = body.trim_start();
    while let Some((key, value)) = left.split_once('=') {
        let key = key.trim().rsplit(char::is_whitespace).next().unwrap_or_default();
        let value = value.trim_start();
        let (value, next) = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].split_once(quote).unwrap_or((&value[1..], "")),
            _ => value.split_once(char::is_whitespace).unwrap_or((value, "")),
        };
        attributes.push((key.to_ascii_lowercase(), value.trim_matches(['/', ' ']).to_owned()));
        left = next;
    }
    Some(Tag {
        name: if closing.is_some() {
            format!("/{}", name.to_ascii_lowercase())
        } else {
            name.to_ascii_lowercase()
        },
        attributes,
        rest,
    })
}

/// `[label](target)` at the start of `source`.
fn bracket_link(source: &str) -> Option<(&str, &str)> {
    let (_, rest) = source.strip_prefix('[')?.split_once("](")?;
    let (target, rest) = rest.split_once(')').unwrap_or((rest, ""));
    Some((target.split_whitespace().next().unwrap_or_default(), rest))
}

fn short(source: &str) -> String {
    source.chars().take(12).collect()
}

impl Active {
    fn tag(&mut self, tag: &Tag<'_>) {
        match tag.name.as_str() {
            "at" => {
                let id = tag
                    .attributes
                    .iter()
                    .find(|(k, _)| k.ends_with("id") || k == "ids" || k == "email");
                let ids = id.map_or("?", |(_, v)| v.as_str());
                self.mentions.extend(ids.split(',').map(str::to_owned));
            }
            // The end of a mention adds nothing to it.
            "/at" => {}
            "a" | "link" => self
                .links
                .push(tag.attributes.first().map_or_else(String::new, |(_, v)| v.clone())),
            other => self.markup.push(other.to_owned()),
        }
    }

    /// The `text` of a text message: tags, bracket links, placeholders, entities.
    pub fn text(&mut self, mut source: &str) {
        while let Some(c) = source.chars().next() {
            if let Some(found) = tag(source) {
                self.tag(&found);
                source = found.rest;
                continue;
            }
            if let Some((target, rest)) = bracket_link(source) {
                self.links.push(target.to_owned());
                source = rest;
                continue;
            }
            if source.starts_with("@_all") || source.starts_with("@_user_") {
                self.mentions.push(short(source));
            } else if matches!(c, '<' | '>' | '&') {
                self.markup.push(short(source));
            }
            source = &source[c.len_utf8()..];
        }
    }

    /// Card markdown. A decoded entity is a letter and nothing more.
    pub fn markdown(&mut self, mut source: &str) {
        let mut line_start = true;
        while let Some(c) = source.chars().next() {
            if let Some(found) = tag(source) {
                self.tag(&found);
                source = found.rest;
            } else if let Some((target, rest)) = bracket_link(source) {
                self.links.push(target.to_owned());
                source = rest;
            } else if let Some(rest) = source.strip_prefix("**") {
                self.markup.push("strong".to_owned());
                source = rest;
            } else if let Some(length) = entity(source) {
                source = &source[length..];
            } else {
                let block = line_start && matches!(c, '#' | '>' | '-' | '+' | '=');
                let bare = source.starts_with("http://") || source.starts_with("https://");
                if bare {
                    self.links.push(short(source));
                } else if block && c != '=' || "<>[]()*_`~|$\\&".contains(c) {
                    self.markup.push(short(source));
                }
                source = &source[c.len_utf8()..];
            }
            line_start = c == '\n';
        }
    }

    fn post(&mut self, post: &Value) {
        let locales = post.as_object().expect("a post is an object");
        for node in locales
            .values()
            .flat_map(|locale| locale["content"].as_array().expect("content"))
            .flat_map(|p| p.as_array().expect("a paragraph"))
        {
            match node["tag"].as_str().expect("a tag") {
                "text" | "hr" | "img" => {}
                "at" => self.mentions.push(node["user_id"].as_str().expect("an id").to_owned()),
                "a" => self.links.push(node["href"].as_str().expect("an address").to_owned()),
                "md" => self.markdown(node["text"].as_str().expect("a text")),
                other => self.markup.push(other.to_owned()),
            }
        }
    }

    /// A card or a part of one. Only what `tag` calls literal is literal.
    pub fn card(&mut self, value: &Value) {
        match value {
            Value::Object(map) => {
                if let Some(address) = map.get("default_url").or(map.get("url")) {
                    self.links.push(address.to_string());
                }
                match map.get("tag").and_then(Value::as_str) {
                    Some("plain_text") => return,
                    Some("markdown" | "lark_md") => return self.markdown(map["content"].as_str().expect("content")),
                    Some("table") => return self.table(map),
                    Some("chart") => return self.chart(&map["chart_spec"]),
                    _ => {}
                }
                map.values().for_each(|v| self.card(v));
            }
            Value::Array(items) => items.iter().for_each(|v| self.card(v)),
            _ => {}
        }
    }

    fn table(&mut self, table: &serde_json::Map<String, Value>) {
        for column in table["columns"].as_array().expect("columns") {
            let name = &column["name"];
            match column["data_type"].as_str() {
                Some("text" | "number") => {}
                // Interpreted, or a list of people.
                _ => {
                    for row in table["rows"].as_array().into_iter().flatten() {
                        match &row[name.as_str().expect("a name")] {
                            Value::String(cell) => self.markdown(cell),
                            other => self.markup.push(other.to_string()),
                        }
                    }
                }
            }
        }
    }

    /// VChart takes texts as they are, but for templates and rich text, which must be asked for.
    fn chart(&mut self, spec: &Value) {
        match spec {
            Value::Object(map) => {
                for key in ["formatter", "formatMethod", "richText", "html"] {
                    if map.contains_key(key) {
                        self.markup.push(key.to_owned());
                    }
                }
                if map.get("type").is_some_and(|t| t == "rich" || t == "html") {
                    self.markup.push("rich".to_owned());
                }
                map.values().for_each(|v| self.chart(v));
            }
            Value::Array(items) => items.iter().for_each(|v| self.chart(v)),
            _ => {}
        }
    }

    /// `content` of a message, parsed.
    pub fn message(&mut self, kind: &str, content: &Value) {
        match kind {
            "text" => self.text(content["text"].as_str().expect("a text")),
            "post" => self.post(content),
            "interactive" => {
                // It is not known whether the preview line is interpreted: it has to be clean as a text
                // and as markdown.
                if let Some(summary) = content["config"]["summary"]["content"].as_str() {
                    self.text(summary);
                    self.summary(summary);
                }
                self.card(&content["header"]);
                self.card(&content["body"]);
            }
            _ => {}
        }
    }

    fn summary(&mut self, summary: &str) {
        for c in summary.chars().filter(|c| "<>[]*`~&@".contains(*c)) {
            self.markup.push(format!("summary {c}"));
        }
    }

    /// HTML: a calendar entry's description.
    pub fn html(&mut self, mut source: &str) {
        while let Some(c) = source.chars().next() {
            if let Some(found) = tag(source) {
                self.tag(&found);
                source = found.rest;
                continue;
            }
            if let Some(length) = entity(source) {
                source = &source[length..];
                continue;
            }
            if matches!(c, '<' | '>' | '&') {
                self.markup.push(short(source));
            }
            source = &source[c.len_utf8()..];
        }
    }
}

/// The length of an entity at the start of `source`, if it is one that shows a single character.
fn entity(source: &str) -> Option<usize> {
    let rest = source.strip_prefix('&')?;
    let end = rest.find(';').filter(|n| (1..=8).contains(n))?;
    let name = &rest[..end];
    let known = ["amp", "lt", "gt", "quot", "apos", "sim", "nbsp"].contains(&name)
        || name
            .strip_prefix('#')
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    known.then_some(end + 2)
}
