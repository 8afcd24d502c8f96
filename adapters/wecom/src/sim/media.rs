//! Uploads and downloads (documents 90253, 99110).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequest, Multipart, Query, Request, State as Ctx};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Core;
use super::api::{Answer, Params, finish, no};
use super::state::{Kind, Media};

const MEDIA_LIFE: Duration = Duration::from_secs(3 * 24 * 3600);

/// `media/upload` and `webhook/upload_media`.
pub async fn upload(Ctx(core): Ctx<Arc<Core>>, Query(params): Query<Params>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    core.journal.call(&path);
    let answer = receive_file(&core, &params, path.contains("/webhook/"), request).await;
    if let Err((code, words)) = &answer
        && !matches!(code, 42001 | 40014)
    {
        core.journal.complain(format!("{path}: {code} {words}"));
    }
    finish(answer)
}

async fn receive_file(core: &Core, params: &Params, robot: bool, request: Request) -> Answer {
    let now = core.clock.now();
    let robot = if robot {
        let key = params.get("key").cloned().unwrap_or_default();
        match core
            .state()
            .apps
            .iter()
            .find(|a| a.kind == Kind::Webhook && a.secret == key)
        {
            Some(app) => Some(app.id.clone()),
            None => return no(93000, "invalid webhook url"),
        }
    } else {
        core.authorised(params, now)?;
        None
    };
    let kind = params.get("type").cloned().unwrap_or_default();
    let limit = match (kind.as_str(), robot.is_some()) {
        ("image", false) | ("video", false) => 10 << 20,
        ("voice", _) => 2 << 20,
        ("file", _) => 20 << 20,
        _ => return no(40004, "invalid media type"),
    };
    let mut form = Multipart::from_request(request, &())
        .await
        .map_err(|_| (41005, "multipart is missing".to_owned()))?;
    while let Some(field) = form
        .next_field()
        .await
        .map_err(|_| (41005, "broken multipart".to_owned()))?
    {
        if field.name() != Some("media") {
            continue;
        }
        let Some(name) = field.file_name().map(str::to_owned) else {
            return no(41005, "the file has no name");
        };
        let bytes = field
            .bytes()
            .await
            .map_err(|_| (41005, "broken multipart".to_owned()))?;
        if bytes.len() <= 5 {
            return no(40006, "more than 5 bytes are needed");
        }
        if bytes.len() > limit {
            return no(40006, "too large");
        }
        let id = core.code("MEDIA");
        let media = Media {
            robot,
            kind: kind.clone(),
            name,
            bytes: bytes.to_vec(),
            until: now + MEDIA_LIFE,
        };
        core.state().media.insert(id.clone(), media);
        return Ok(json!({"type": kind, "media_id": id, "created_at": now.secs().to_string()}));
    }
    no(41005, "the field media is missing")
}

pub async fn download(Ctx(core): Ctx<Arc<Core>>, Query(params): Query<Params>) -> Response {
    core.journal.call("/cgi-bin/media/get");
    let now = core.clock.now();
    if let Err(refused) = core.authorised(&params, now) {
        return finish(Err(refused));
    }
    let state = core.state();
    match params
        .get("media_id")
        .and_then(|id| state.media.get(id))
        .filter(|m| m.until > now)
    {
        Some(media) => {
            let disposition = format!("attachment; filename=\"{}\"", media.name.replace('"', "_"));
            let kind = if media.kind == "image" {
                "image/png"
            } else {
                "application/octet-stream"
            };
            (
                StatusCode::OK,
                [
                    (header::CONTENT_DISPOSITION, disposition),
                    (header::CONTENT_TYPE, kind.to_owned()),
                ],
                media.bytes.clone(),
            )
                .into_response()
        }
        None => finish(no(40007, "invalid media_id")),
    }
}
