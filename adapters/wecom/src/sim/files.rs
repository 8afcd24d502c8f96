//! Files that people send to an app or an AI bot (documents 90239, 100719).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State as Ctx};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hutong_simkit::{Done, ScreenPart, SimError};
use serde_json::{Value, json};

use super::reply::Context;
use super::seal::cdata;
use super::state::{Item, Kind, Media};
use super::{Core, WeComSim};

/// How long an AI bot's address works.
const FILE_LIFE: Duration = Duration::from_secs(300);
const MEDIA_LIFE: Duration = Duration::from_secs(3 * 24 * 3600);

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    Image,
    Voice,
    Video,
    /// An app hears of files only by what one official plug-in expects; the documentation has no such
    /// message.
    File,
}

impl FileKind {
    fn word(self) -> &'static str {
        match self {
            FileKind::Image => "image",
            FileKind::Voice => "voice",
            FileKind::Video => "video",
            FileKind::File => "file",
        }
    }
}

impl WeComSim {
    /// A person sends a file in the private chat with an app or an AI bot.
    pub async fn send_file(
        &self,
        person: &str,
        app: &str,
        kind: FileKind,
        name: &str,
        bytes: &[u8],
    ) -> Result<Done, SimError> {
        let done = self.core.send_file(person, app, kind, name, bytes).await;
        self.core.changed();
        done
    }
}

/// The encrypted file behind an address that a bot was given.
pub async fn serve(Ctx(core): Ctx<Arc<Core>>, Path(code): Path<String>) -> Response {
    core.journal.call("/file");
    let now = core.clock.now();
    match core.state().files.get(&code).filter(|(_, until)| *until > now) {
        Some((bytes, _)) => bytes.clone().into_response(),
        None => StatusCode::FORBIDDEN.into_response(),
    }
}

impl Core {
    async fn send_file(
        &self,
        person: &str,
        app: &str,
        kind: FileKind,
        name: &str,
        bytes: &[u8],
    ) -> Result<Done, SimError> {
        let now = self.clock.now();
        let (app, from, at, message, number) = {
            let mut state = self.state();
            let from = state
                .active(person)
                .map(|p| (p.id.clone(), p.name.clone()))
                .ok_or_else(|| SimError::NotFound(format!("person {person}")))?;
            let app = state
                .app(app)
                .cloned()
                .ok_or_else(|| SimError::NotFound(format!("app {app}")))?;
            if app.kind == Kind::Webhook {
                return Err(SimError::Refused("nobody can talk to a group robot".into()));
            }
            let at = state.direct(&app.id, &from.0);
            let item = Item {
                at: now,
                from: from.0.clone(),
                from_name: from.1,
                parts: vec![ScreenPart::Image {
                    handle: String::new(),
                    alt: format!("[{name}]"),
                }],
                ..Item::default()
            };
            let message = state.push(at, item);
            let number = state.next();
            (app, from.0, at, message, number)
        };
        let mut done = Done {
            message: Some(message.clone()),
            chat: self.state().chats.get(at).map(|c| c.id.clone()),
            ..Done::default()
        };
        let label = format!("{} {message}", kind.word());
        let context = Context::Message {
            chat: at,
            item: message.clone(),
            user: from.clone(),
        };
        if app.kind == Kind::App {
            let id = self.code("MEDIA");
            let media = Media {
                robot: None,
                kind: kind.word().to_owned(),
                name: name.to_owned(),
                bytes: bytes.to_vec(),
                until: now + MEDIA_LIFE,
            };
            self.state().media.insert(id.clone(), media);
            let more = match kind {
                FileKind::Image => format!("<PicUrl>{}</PicUrl>", cdata("https://wework.qpic.cn/sim")),
                FileKind::Voice => format!("<Format>{}</Format>", cdata("amr")),
                FileKind::Video => format!("<ThumbMediaId>{}</ThumbMediaId>", cdata(&id)),
                FileKind::File => format!("<FileName>{}</FileName>", cdata(name)),
            };
            let fields = format!(
                "<MsgType>{}</MsgType>{more}<MediaId>{}</MediaId><MsgId>{}</MsgId>",
                cdata(kind.word()),
                cdata(&id),
                7_204_513_000_000_000_000_u64 + number
            );
            self.app_event(&app, &from, &label, &fields, context, &mut done).await;
            return Ok(done);
        }
        let mut body = self.bot_head(&app, at, &from);
        body["response_url"] = json!(self.answer_address(&app, at, &message));
        body["msgtype"] = json!(kind.word());
        body[kind.word()] = match kind {
            // The platform sends the words it has heard, never the sound.
            FileKind::Voice => json!({"content": String::from_utf8_lossy(bytes)}),
            _ => json!({"url": self.file_address(&app, bytes)?}),
        };
        self.bot_event(&app, &label, &body, false, context, &mut done).await;
        Ok(done)
    }

    fn file_address(&self, app: &super::state::App, bytes: &[u8]) -> Result<Value, SimError> {
        let seal = self
            .seal(app)
            .ok_or_else(|| SimError::Refused("no callback key".into()))?;
        let code = self.code("F");
        let until = self.clock.now() + FILE_LIFE;
        let mut state = self.state();
        let now = self.clock.now();
        state.files.retain(|_, (_, until)| *until > now);
        state.files.insert(code.clone(), (seal.encrypt_file(bytes), until));
        Ok(json!(format!("{}/file/{code}", self.base)))
    }
}
