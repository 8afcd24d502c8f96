//! What a message says: the platform's `content` JSON to segments and attachments.
//!
//! Text carries placeholders (`@_user_1`) that only the event's `mentions` can resolve; a person can
//! type the same characters, so that a placeholder without an entry stays text (feishu.md 4.2).
//! The mention of the bot itself is left out together with the space behind it.

use hutong_model::{Attachment, AttachmentKind, Mention, Segment};
use serde::Deserialize;

use crate::wire::Text;

/// One entry of `mentions`, resolved.
pub struct Named<'a> {
    pub key: &'a str,
    /// The bot that this adapter speaks for.
    pub own: bool,
    pub everyone: bool,
    pub mention: Mention,
}

#[derive(Debug, Default, PartialEq)]
pub struct Content {
    pub segments: Vec<Segment>,
    pub attachments: Vec<Attachment>,
    pub mentions_own: bool,
    pub mentions_all: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Flat<'a> {
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    image_key: Text<'a>,
    #[serde(borrow)]
    file_key: Text<'a>,
    #[serde(borrow)]
    file_name: Text<'a>,
    #[serde(borrow)]
    chat_id: Text<'a>,
    #[serde(borrow)]
    user_id: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Post<'a> {
    #[serde(borrow)]
    title: Text<'a>,
    #[serde(borrow)]
    content: Vec<Vec<Node<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Node<'a> {
    #[serde(borrow)]
    tag: Text<'a>,
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    href: Text<'a>,
    #[serde(borrow)]
    user_id: Text<'a>,
    #[serde(borrow)]
    user_name: Text<'a>,
    #[serde(borrow)]
    image_key: Text<'a>,
    #[serde(borrow)]
    file_key: Text<'a>,
    #[serde(borrow)]
    emoji_type: Text<'a>,
}

/// `content` can be empty or unreadable when the message was recalled before it was delivered; the
/// message is then one without text.
pub fn read(kind: &str, content: &str, message: &str, named: &[Named<'_>]) -> Content {
    let mut out = Builder::new(named);
    match kind {
        "text" => {
            if let Ok(flat) = serde_json::from_str::<Flat<'_>>(content) {
                out.scan(flat.text.as_str(), Scan::Text);
            }
        }
        "post" => {
            if let Ok(post) = serde_json::from_str::<Post<'_>>(content) {
                out.post(&post);
            }
        }
        // Written by the platform itself; nobody said it.
        "system" => {}
        _ => {
            let flat = serde_json::from_str::<Flat<'_>>(content).unwrap_or_default();
            out.attachment(kind, &flat, message);
        }
    }
    out.finish()
}

#[derive(Clone, Copy, PartialEq)]
enum Scan {
    /// A text message: placeholders, links and code.
    Text,
    /// A text node of a post: mentions and links are nodes of their own there.
    Node,
}

struct Builder<'n, 'a> {
    named: &'n [Named<'a>],
    out: Content,
    run: String,
    /// The own mention has just been left out: the space behind it goes too.
    swallow_space: bool,
}

impl<'n, 'a> Builder<'n, 'a> {
    fn new(named: &'n [Named<'a>]) -> Self {
        Self {
            named,
            out: Content::default(),
            run: String::new(),
            swallow_space: false,
        }
    }

    fn finish(mut self) -> Content {
        self.flush();
        self.out
    }

    fn flush(&mut self) {
        if !self.run.is_empty() {
            self.out.segments.push(Segment::Text(std::mem::take(&mut self.run)));
        }
    }

    fn push(&mut self, segment: Segment) {
        self.flush();
        self.swallow_space = false;
        self.out.segments.push(segment);
    }

    fn text(&mut self, mut text: &str) {
        if self.swallow_space {
            text = text.trim_start_matches(|c: char| c.is_whitespace());
            if text.is_empty() {
                return;
            }
            self.swallow_space = false;
        }
        self.run.push_str(text);
    }

    fn named(&mut self, index: usize) {
        let Some(named) = self.named.get(index) else { return };
        if named.own {
            self.out.mentions_own = true;
            let at_edge = match (self.run.chars().next_back(), self.out.segments.last()) {
                (Some(c), _) => c.is_whitespace(),
                (None, last) => matches!(last, None | Some(Segment::Break)),
            };
            self.swallow_space = at_edge;
        } else if named.everyone {
            self.everyone();
        } else {
            self.push(Segment::Mention(named.mention.clone()));
        }
    }

    fn everyone(&mut self) {
        self.out.mentions_all = true;
        self.swallow_space = self.run.is_empty() && self.out.segments.is_empty();
    }

    /// The entry whose key begins `text` (`@_user_12` before `@_user_1`), and the key's length.
    fn placeholder(&self, text: &str) -> Option<(usize, usize)> {
        self.named
            .iter()
            .enumerate()
            .filter(|(_, n)| !n.key.is_empty() && text.starts_with(n.key))
            .max_by_key(|(_, n)| n.key.len())
            .map(|(i, n)| (i, n.key.len()))
    }

    fn scan(&mut self, text: &str, how: Scan) {
        let mut rest = text;
        while let Some(at) = rest.find(['@', '\n', '`', '[']) {
            let (before, from) = rest.split_at(at);
            if !before.is_empty() {
                self.text(before);
            }
            rest = self.special(from, how);
        }
        if !rest.is_empty() {
            self.text(rest);
        }
    }

    /// `from` begins with one of the four special characters; returns what is left to read.
    fn special<'t>(&mut self, from: &'t str, how: Scan) -> &'t str {
        match from.as_bytes().first() {
            Some(b'\n') => {
                self.push(Segment::Break);
                // The bot's mention on a line of its own leaves nothing behind.
                return &from[1..];
            }
            Some(b'@') if how == Scan::Text => {
                if let Some((index, length)) = self.placeholder(from) {
                    self.named(index);
                    return &from[length..];
                }
                // Everybody: the array may be missing for it.
                if let Some(after) = from.strip_prefix("@_all") {
                    self.everyone();
                    return after;
                }
            }
            Some(b'`') => {
                if let Some((code, after)) = code(from) {
                    let code = self.with_names(code);
                    self.push(Segment::Code(code));
                    return after;
                }
            }
            Some(b'[') if how == Scan::Text => {
                if let Some((label, url, after)) = link(from) {
                    self.push(Segment::Link {
                        label: label.to_owned(),
                        url: url.to_owned(),
                    });
                    return after;
                }
            }
            _ => {}
        }
        // All four are one byte long.
        let (one, after) = from.split_at(1);
        self.text(one);
        after
    }

    /// Code keeps its text; placeholders in it become names, mentioning nobody.
    fn with_names(&self, code: &str) -> String {
        let mut out = String::with_capacity(code.len());
        let mut rest = code;
        while let Some(at) = rest.find('@') {
            let (before, from) = rest.split_at(at);
            out.push_str(before);
            match self.placeholder(from) {
                Some((index, length)) => {
                    out.push('@');
                    let name = self.named.get(index).and_then(|n| n.mention.name.as_deref());
                    out.push_str(name.unwrap_or("?"));
                    rest = &from[length..];
                }
                None => {
                    out.push('@');
                    rest = &from[1..];
                }
            }
        }
        out.push_str(rest);
        out
    }

    fn post(&mut self, post: &Post<'_>) {
        if let Some(title) = post.title.some() {
            self.text(title);
            self.push(Segment::Break);
        }
        for (i, paragraph) in post.content.iter().enumerate() {
            if i > 0 {
                self.push(Segment::Break);
            }
            for node in paragraph {
                self.node(node);
            }
        }
    }

    fn node(&mut self, node: &Node<'_>) {
        match node.tag.as_str() {
            "text" | "md" => self.scan(node.text.as_str(), Scan::Node),
            "a" => {
                self.push(Segment::Link {
                    label: node.text.as_str().to_owned(),
                    url: node.href.as_str().to_owned(),
                });
            }
            "at" => {
                let id = node.user_id.as_str();
                if id == "all" || id == "@_all" {
                    self.everyone();
                } else if let Some(index) = self.named.iter().position(|n| n.key == id) {
                    self.named(index);
                } else {
                    let name = node.user_name.owned();
                    self.push(Segment::Mention(Mention {
                        user: None,
                        name,
                        bot: false,
                    }));
                }
            }
            "img" => self.attach(AttachmentKind::Image, None, "image", node.image_key.as_str()),
            "media" => self.attach(AttachmentKind::Video, None, "file", node.file_key.as_str()),
            "emotion" => self.push(Segment::Emoji(node.emoji_type.as_str().to_owned())),
            "code_block" => self.push(Segment::Code(node.text.as_str().to_owned())),
            "hr" => {}
            _ => self.text(node.text.as_str()),
        }
    }

    fn attach(&mut self, kind: AttachmentKind, name: Option<String>, how: &str, key: &str) {
        self.out.attachments.push(Attachment {
            kind,
            name,
            bytes: None,
            handle: format!("{how}:{key}"),
        });
    }

    /// `handle` says what to fetch: `image:KEY` and `file:KEY` are the two values of `type` of the
    /// resource call.
    fn attachment(&mut self, kind: &str, flat: &Flat<'_>, message: &str) {
        use AttachmentKind as K;
        let file = flat.file_key.as_str();
        match kind {
            "image" => self.attach(K::Image, None, "image", flat.image_key.as_str()),
            "file" | "folder" => self.attach(K::File, flat.file_name.owned(), "file", file),
            "audio" => self.attach(K::Audio, None, "file", file),
            "media" => self.attach(K::Video, flat.file_name.owned(), "file", file),
            "sticker" => self.attach(K::Sticker, None, "sticker", file),
            "share_chat" => self.attach(K::SharedChat, None, "chat", flat.chat_id.as_str()),
            "share_user" => self.attach(K::Other, None, "user", flat.user_id.as_str()),
            "merge_forward" => self.attach(K::Forwarded, None, "message", message),
            "location" => self.attach(K::Location, flat.name.owned(), "location", message),
            other => self.attach(K::Other, None, other, message),
        }
    }
}

/// Code between backquotes: three of them over several lines, or one within a line.
fn code(from: &str) -> Option<(&str, &str)> {
    if let Some(block) = from.strip_prefix("```")
        && let Some(end) = block.find("```")
    {
        let (inside, after) = block.split_at(end);
        return Some((inside.trim_matches('\n'), &after[3..]));
    }
    let inline = from.strip_prefix('`')?;
    let end = inline.find(['`', '\n'])?;
    let (inside, after) = inline.split_at(end);
    let after = after.strip_prefix('`')?;
    (!inside.is_empty()).then_some((inside, after))
}

/// `[label](https://...)`, as typed links arrive. Bounded, so that a text of brackets stays cheap.
fn link(from: &str) -> Option<(&str, &str, &str)> {
    let label_end = from.bytes().take(300).position(|b| b == b']')?;
    let label = from.get(1..label_end)?;
    let rest = from.get(label_end + 1..)?.strip_prefix('(')?;
    if label.contains(['[', '\n']) || !(rest.starts_with("https://") || rest.starts_with("http://")) {
        return None;
    }
    let url_end = rest.bytes().take(2048).position(|b| matches!(b, b')' | b'\n' | b' '))?;
    let url = rest.get(..url_end)?;
    let after = rest.get(url_end..)?.strip_prefix(')')?;
    Some((label, url, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hutong_model::UserId;
    use proptest::prelude::*;

    fn named() -> Vec<Named<'static>> {
        let person = |key: &'static str, name: &str| Named {
            key,
            own: false,
            everyone: false,
            mention: Mention {
                user: UserId::new(name).ok(),
                name: Some(name.to_owned()),
                bot: false,
            },
        };
        let mut bot = person("@_user_1", "bot");
        bot.own = true;
        vec![bot, person("@_user_2", "li"), person("@_user_12", "han")]
    }

    fn text(text: &str) -> Content {
        read(
            "text",
            &serde_json::json!({ "text": text }).to_string(),
            "om_1",
            &named(),
        )
    }

    fn mention(name: &str) -> Segment {
        Segment::Mention(Mention {
            user: UserId::new(name).ok(),
            name: Some(name.to_owned()),
            bot: false,
        })
    }

    #[test]
    fn the_longest_placeholder_wins_and_the_bot_is_left_out() {
        let content = text("@_user_1\u{a0}/give @_user_12 5 @_user_2");
        assert!(content.mentions_own && !content.mentions_all);
        assert_eq!(
            content.segments,
            [
                Segment::Text("/give ".into()),
                mention("han"),
                Segment::Text(" 5 ".into()),
                mention("li")
            ]
        );
        assert_eq!(text("a @_user_1 b").segments, [Segment::Text("a b".into())]);
        assert_eq!(text("a@_user_1 b").segments, [Segment::Text("a b".into())]);
        assert_eq!(text("@_user_9 x").segments, [Segment::Text("@_user_9 x".into())]);
    }

    #[test]
    fn everyone_is_known_without_the_array() {
        let content = text("@_all 今天");
        assert!(content.mentions_all && !content.mentions_own);
        assert_eq!(content.segments, [Segment::Text("今天".into())]);
    }

    #[test]
    fn code_is_never_a_mention() {
        let content = text("see `@_user_2 谢谢` and\n```\nfn x() {}\n```");
        assert_eq!(
            content.segments,
            [
                Segment::Text("see ".into()),
                Segment::Code("@li 谢谢".into()),
                Segment::Text(" and".into()),
                Segment::Break,
                Segment::Code("fn x() {}".into())
            ]
        );
        assert_eq!(text("a ` b").segments, [Segment::Text("a ` b".into())]);
        assert_eq!(text("``").segments, [Segment::Text("``".into())]);
    }

    #[test]
    fn links_are_read_and_lookalikes_are_text() {
        let content = text("[飞书](https://open.feishu.cn) [x](javascript:1) [y");
        assert_eq!(
            content.segments,
            [
                Segment::Link {
                    label: "飞书".into(),
                    url: "https://open.feishu.cn".into()
                },
                Segment::Text(" [x](javascript:1) [y".into())
            ]
        );
    }

    #[test]
    fn unreadable_content_is_an_empty_message() {
        assert_eq!(read("text", "", "om_1", &[]), Content::default());
        assert_eq!(read("post", "[", "om_1", &[]), Content::default());
        assert_eq!(read("hongbao", "", "om_1", &[]).attachments[0].handle, "hongbao:om_1");
    }

    proptest! {
        #[test]
        fn no_text_is_lost_or_panics(input in r"[a-z`@_\[\]()\n 一-三]{0,60}") {
            let content = read("text", &serde_json::json!({ "text": input }).to_string(), "om_1", &[]);
            let letters = |t: &str| t.chars().filter(char::is_ascii_lowercase).count();
            let mut seen = 0;
            for segment in &content.segments {
                match segment {
                    Segment::Text(t) | Segment::Code(t) => seen += letters(t),
                    Segment::Link { label, url } => seen += letters(label) + letters(url),
                    _ => {}
                }
            }
            let all = input.matches("@_all").count() * 3;
            prop_assert!(seen + all >= letters(&input) && seen <= letters(&input));
        }
    }
}
