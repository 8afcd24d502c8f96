//! Files: what the bot uploads, and what people send (feishu.md 5.6).

use serde_json::{Value, json};

use super::check::Refusal;
use super::rest::{Call, Handled, Reply, ok};
use super::state::{Author, SimFile, World};

/// The platform gives out at most this.
const MOST: usize = 100 << 20;

fn refuse<T>(code: i64, what: &str) -> Result<T, Refusal> {
    Err((code, what.to_owned()))
}

pub fn upload(world: &mut World, call: &Call, kind: &str) -> Handled {
    let Some(form) = &call.upload else {
        return refuse(234_001, "a multipart form is required");
    };
    let field = |name: &str| form.fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    if form.file.is_empty() {
        return refuse(234_010, "the file is empty");
    }
    let image = kind == "images";
    if form.file.len() > if image { 10 << 20 } else { 30 << 20 } {
        return refuse(234_006, "the file is too large");
    }
    if image {
        if !matches!(field("image_type"), Some("message" | "avatar")) {
            return refuse(234_001, "image_type is message or avatar");
        }
        let known = [
            b"\x89PNG".as_slice(),
            b"\xff\xd8\xff",
            b"GIF8",
            b"RIFF",
            b"BM",
            b"II*\0",
            b"MM\0*",
        ];
        if !known.iter().any(|magic| form.file.starts_with(magic)) {
            return refuse(234_011, "the image format is not supported");
        }
    } else {
        let kinds = ["opus", "mp4", "pdf", "doc", "xls", "ppt", "stream"];
        if !field("file_type").is_some_and(|t| kinds.contains(&t)) || field("file_name").is_none_or(str::is_empty) {
            return refuse(234_001, "file_type and file_name are required");
        }
    }
    let key = format!("{}_v3_{}", if image { "img" } else { "file" }, world.fresh("file"));
    if let Some(app) = world.apps.get_mut(&call.app) {
        app.files.insert(key.clone());
    }
    let file = SimFile {
        name: field("file_name").unwrap_or("image").to_owned(),
        media_type: if image { "image/png" } else { "application/octet-stream" }.to_owned(),
        bytes: form.file.clone(),
    };
    world.files.insert(key.clone(), file);
    ok(if image {
        json!({ "image_key": key })
    } else {
        json!({ "file_key": key })
    })
}

/// The bytes of what stands in a message.
pub fn resource(world: &World, call: &Call, id: &str, key: &str) -> Handled {
    let Some(message) = world.messages.get(id) else {
        return refuse(234_001, "Invalid request param.");
    };
    let chat = world.chats.get(&message.chat);
    if !chat.is_some_and(|c| !c.disbanded && c.has_app(&call.app)) {
        return refuse(234_004, "App not in chat.");
    }
    if message.recalled {
        return refuse(230_110, "Action unavailable as the message has been deleted.");
    }
    let kind = call.query("type").unwrap_or_default();
    if !matches!(kind, "image" | "file") || (kind == "image") != key.starts_with("img_") {
        return refuse(234_001, "Invalid request param.");
    }
    if matches!(message.msg_type.as_str(), "interactive" | "merge_forward" | "sticker")
        || !matches!(message.from, Author::Person(_))
    {
        return refuse(234_043, "Unsupported message type.");
    }
    let content: Value = serde_json::from_str(&message.content).unwrap_or_default();
    let inside = ["image_key", "file_key"].iter().any(|k| content[*k] == key);
    match world.files.get(key).filter(|_| inside) {
        None => refuse(234_003, "File not in message."),
        Some(file) if file.bytes.len() > MOST => refuse(234_037, "Downloaded file size exceeds limit."),
        Some(file) => Ok(Reply::File(file.clone())),
    }
}
