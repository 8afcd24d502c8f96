//! The page itself and its assets.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use minijinja::value::Value;
use minijinja::{Environment, UndefinedBehavior, context};
use serde::Serialize;

use super::api::Shared;
use super::text::{Lang, examples, table};

const CSS: &str = include_str!("demo.css");
const JS: &str = include_str!("demo.js");
const PARTS: &str = include_str!("parts.js");
const ICON: &str = include_str!("icon.svg");
const COOKIE: &str = "hutong_demo_lang";

pub(super) fn templates() -> Environment<'static> {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    if let Err(error) = templates.add_template("page.html", include_str!("page.html")) {
        tracing::error!(%error, "the demo page's template cannot be read");
    }
    templates
}

/// What the script starts from.
#[derive(Serialize)]
struct Boot<'a> {
    lang: &'static str,
    tag: &'static str,
    text: &'a std::collections::BTreeMap<&'static str, &'static str>,
    now_ms: i64,
    examples: [(&'static str, &'static str); 5],
    platforms: Vec<BootPlatform>,
    receives: Vec<super::AppReceives>,
}

#[derive(Serialize)]
struct BootPlatform {
    id: &'static str,
    apps: Vec<BootApp>,
    people: Vec<BootPerson>,
    departments: Vec<BootDepartment>,
}

#[derive(Serialize)]
struct BootDepartment {
    id: String,
    path: String,
}

#[derive(Serialize)]
struct BootApp {
    id: String,
    kind: &'static str,
    name: String,
}

#[derive(Serialize)]
struct BootPerson {
    id: String,
    name: String,
    no: String,
    department: String,
    department_id: String,
    title: String,
    active: bool,
}

fn lang(query: Option<&str>, headers: &HeaderMap) -> (Lang, bool) {
    let asked = query
        .unwrap_or("")
        .split('&')
        .find_map(|pair| pair.strip_prefix("lang="))
        .and_then(Lang::parse);
    if let Some(lang) = asked {
        return (lang, true);
    }
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("");
    let remembered = text(header::COOKIE)
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .and_then(|(_, value)| Lang::parse(value));
    (
        remembered.unwrap_or_else(|| Lang::accepted(text(header::ACCEPT_LANGUAGE))),
        false,
    )
}

pub(super) async fn page(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let (lang, asked) = lang(query.as_deref(), &headers);
    let text = table(lang);
    let platforms: Vec<BootPlatform> = shared
        .state
        .sims
        .iter()
        .map(|s| BootPlatform {
            id: s.sim.platform().as_str(),
            apps: s
                .sim
                .apps()
                .into_iter()
                .map(|a| BootApp {
                    id: a.id,
                    kind: a.kind,
                    name: a.name,
                })
                .collect(),
            people: s
                .sim
                .people()
                .into_iter()
                .map(|p| BootPerson {
                    department: s.department_path(&p.department),
                    department_id: p.department,
                    id: p.id,
                    name: p.name,
                    no: p.employee_no,
                    title: p.title,
                    active: p.active,
                })
                .collect(),
            departments: s
                .departments
                .iter()
                .map(|d| BootDepartment {
                    id: d.id.clone(),
                    path: s.department_path(&d.id),
                })
                .collect(),
        })
        .collect();
    let ids: Vec<&str> = platforms.iter().map(|p| p.id).collect();
    let boot = Boot {
        lang: lang.as_str(),
        tag: lang.tag(),
        text: &text,
        now_ms: shared.state.time.now().millis(),
        examples: examples(lang),
        platforms,
        receives: shared.state.reception.standing(),
    };
    let rendered = inline_json(&boot).and_then(|boot| {
        let page = shared.templates.get_template("page.html").map_err(|e| e.to_string())?;
        page.render(context! {
            t => text,
            tag => lang.tag(),
            other => if lang == Lang::Zh { "en" } else { "zh" },
            other_tag => if lang == Lang::Zh { "en" } else { "zh-CN" },
            platforms => ids,
            version => version(),
            boot => Value::from_safe_string(boot),
        })
        .map_err(|e| e.to_string())
    });
    match rendered {
        Ok(html) => {
            let mut response = Html(html).into_response();
            if asked {
                let cookie = format!("{COOKIE}={}; Path=/; Max-Age=31536000; SameSite=Lax", lang.as_str());
                if let Ok(value) = cookie.parse() {
                    response.headers_mut().insert(header::SET_COOKIE, value);
                }
            }
            response
        }
        Err(error) => {
            tracing::error!(error, "the demo page cannot be rendered");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "The page cannot be shown; see the log.\n",
            )
                .into_response()
        }
    }
}

/// JSON that can stand inside a `script` element: no `<`, `>` or `&` in it.
fn inline_json(value: &impl Serialize) -> Result<String, String> {
    let json = serde_json::to_string(value).map_err(|e| e.to_string())?;
    Ok(json
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029"))
}

/// Changes with the assets, so that they can be cached for ever (FNV-1a).
fn version() -> String {
    let hash = [CSS, JS, PARTS, ICON]
        .iter()
        .flat_map(|s| s.bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
            (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    format!("{hash:016x}")
}

fn asset(kind: &'static str, body: &'static str) -> Response {
    (
        [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        ],
        body,
    )
        .into_response()
}

pub(super) async fn css() -> Response {
    asset("text/css; charset=utf-8", CSS)
}

pub(super) async fn js() -> Response {
    asset("text/javascript; charset=utf-8", JS)
}

pub(super) async fn parts() -> Response {
    asset("text/javascript; charset=utf-8", PARTS)
}

pub(super) async fn icon() -> Response {
    asset("image/svg+xml", ICON)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_end_the_script_element() {
        let json = inline_json(&["</script><b>&"]).unwrap();
        assert!(!json.contains(['<', '>', '&']), "{json}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&json).unwrap(), ["</script><b>&"]);
    }

    #[test]
    fn a_choice_of_language_wins_over_the_cookie_and_the_browser() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, "en".parse().unwrap());
        assert_eq!(lang(None, &headers), (Lang::En, false));
        headers.insert(header::COOKIE, format!("a=b; {COOKIE}=zh").parse().unwrap());
        assert_eq!(lang(None, &headers), (Lang::Zh, false));
        assert_eq!(lang(Some("p=feishu&lang=en"), &headers), (Lang::En, true));
        assert_eq!(lang(Some("lang=xx"), &headers), (Lang::Zh, false));
    }
}
