//! Uploads of an AI bot over its long connection, in pieces of 512 KiB (document 101463). Which code is for
//! which fault of 846611..846616 is not documented.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use hutong_model::Timestamp;
use hutong_simkit::judge::{Limit, Verdict};
use md5::{Digest, Md5};
use serde_json::{Value, json};

use super::Core;
use super::api::{HOUR, MINUTE, no, text};
use super::state::{App, Media};
use super::stream::{Done, lock};

const CHUNK: usize = 512 << 10;
const CHUNKS: u64 = 100;
const UPLOAD_LIFE: Duration = Duration::from_secs(30 * 60);
const MEDIA_LIFE: Duration = Duration::from_secs(3 * 24 * 3600);
const UPLOAD_BYTES: u64 = 20 << 20;

/// An upload that is not finished.
#[derive(Debug)]
pub(super) struct Upload {
    app: String,
    kind: String,
    name: String,
    size: u64,
    chunks: u64,
    md5: String,
    parts: BTreeMap<u64, Vec<u8>>,
    since: Timestamp,
}

impl Core {
    pub(super) fn upload_begin(&self, app: &App, body: &Value, now: Timestamp) -> Done {
        let name = format!("aibot-upload/{}", app.id);
        let limits = [Limit::new(name.clone(), 30, MINUTE), Limit::new(name, 1_000, HOUR)];
        if let Verdict::Over { .. } = self.judge.hit_all(&limits, now, 1) {
            return no(45_009, "api freq out of limit");
        }
        let number = |name: &str| body.get(name).and_then(Value::as_u64).unwrap_or(0);
        let (size, chunks) = (number("total_size"), number("total_chunks"));
        let kind = text(body, "type");
        if !matches!(kind, "file" | "image" | "voice" | "video") {
            return no(40_004, "invalid media type");
        }
        if !(5..=UPLOAD_BYTES).contains(&size) {
            return no(40_006, "invalid media size");
        }
        if chunks == 0 || chunks > CHUNKS || size > chunks * CHUNK as u64 {
            return no(846_612, "total_chunks does not fit total_size");
        }
        let md5 = text(body, "md5");
        if md5.len() != 32 || text(body, "filename").is_empty() {
            return no(40_058, "md5 and filename are needed");
        }
        let id = self.code("UP");
        let upload = Upload {
            app: app.id.clone(),
            kind: kind.to_owned(),
            name: text(body, "filename").to_owned(),
            size,
            chunks,
            md5: md5.to_owned(),
            parts: BTreeMap::new(),
            since: now,
        };
        let mut uploads = lock(&self.links.uploads);
        uploads.retain(|_, u| now.since(u.since) <= UPLOAD_LIFE);
        uploads.insert(id.clone(), upload);
        Ok(json!({"upload_id": id}))
    }

    pub(super) fn upload_chunk(&self, app: &App, body: &Value, now: Timestamp) -> Done {
        let mut uploads = lock(&self.links.uploads);
        let upload = uploads
            .get_mut(text(body, "upload_id"))
            .filter(|u| u.app == app.id && now.since(u.since) <= UPLOAD_LIFE);
        let Some(upload) = upload else {
            return no(846_611, "invalid upload_id");
        };
        let index = body.get("chunk_index").and_then(Value::as_u64);
        let Some(index) = index.filter(|n| *n < upload.chunks) else {
            return no(846_612, "invalid chunk_index");
        };
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(text(body, "base64_data"))
            .map_err(|_| (846_613, "base64_data does not decode".to_owned()))?;
        if bytes.is_empty() || bytes.len() > CHUNK {
            return no(846_614, "a chunk has 1 to 524288 bytes");
        }
        // The same piece again replaces itself.
        upload.parts.insert(index, bytes);
        Ok(Value::Null)
    }

    pub(super) fn upload_end(&self, app: &App, body: &Value, now: Timestamp) -> Done {
        let id = text(body, "upload_id");
        let upload = {
            let mut uploads = lock(&self.links.uploads);
            match uploads.get(id) {
                Some(u) if u.app == app.id && now.since(u.since) <= UPLOAD_LIFE => {
                    if u.parts.len() as u64 != u.chunks {
                        return no(846_615, "chunks are missing");
                    }
                }
                _ => return no(846_611, "invalid upload_id"),
            }
            uploads.remove(id)
        };
        let Some(upload) = upload else {
            return no(846_611, "invalid upload_id");
        };
        let bytes: Vec<u8> = upload.parts.into_values().flatten().collect();
        if bytes.len() as u64 != upload.size || !hex::encode(Md5::digest(&bytes)).eq_ignore_ascii_case(&upload.md5) {
            return no(846_616, "size or md5 differ from what was announced");
        }
        let media_id = self.code("BM");
        let media = Media {
            robot: Some(app.id.clone()),
            kind: upload.kind.clone(),
            name: upload.name,
            bytes,
            until: now + MEDIA_LIFE,
        };
        self.state().media.insert(media_id.clone(), media);
        Ok(json!({"type": upload.kind, "media_id": media_id, "created_at": now.secs().to_string()}))
    }
}
