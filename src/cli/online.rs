//! `hutong check --online`: asks the platforms whether every app is set up as it must be, one
//! question after the other, each with what to do about it. Nothing is sent to anybody.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hutong_model::{CallError, Finding, FindingState, OpenError};
use serde_json::json;

use crate::config::{Checked, Language};

/// A platform that has not answered after so long will not be waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// An empty callback is refused with this by every Hutong, so that this answer says who is there.
const REFUSED: u16 = 401;

/// What was asked about one app.
pub struct Asked {
    pub app: String,
    pub kind: &'static str,
    pub findings: Vec<Finding>,
}

/// Asks about every app, one after the other: the questions count against the platforms' limits.
pub async fn ask(config: &Checked) -> anyhow::Result<Vec<Asked>> {
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(3))
        .timeout(Duration::from_secs(10))
        .build()
        .context("making an HTTP client")?;
    let mut all = Vec::with_capacity(config.apps.len());
    for app in &config.apps {
        let url = config
            .server
            .public_url
            .as_ref()
            .map(|base| format!("{}/hook/{}", base.trim_end_matches('/'), app.id));
        let mut findings = Vec::new();
        match tokio::time::timeout(PATIENCE, app.adapter.diagnose(url.as_deref())).await {
            Ok(found) => findings.extend(found),
            Err(_) => findings.push(silent()),
        }
        if findings.is_empty() {
            findings.push(credentials(app.adapter.probe().await));
        }
        match app.adapter.link() {
            Some(link) => findings.push(connection(link.open().await.map(|_| ()))),
            // What only posts is never called.
            None if app.adapter.capabilities().sees.is_empty() => {}
            None => findings.push(callback(&http, url.as_deref()).await),
        }
        all.push(Asked {
            app: app.id.to_string(),
            kind: app.adapter.capabilities().kind,
            findings,
        });
    }
    Ok(all)
}

fn silent() -> Finding {
    Finding::new(
        "answers",
        FindingState::Missing,
        "平台一分钟内没有答完：检查网络出口、代理和 base_url",
        "the platform did not answer within a minute: check the way out, the proxy and base_url",
    )
}

fn credentials(result: Result<(), CallError>) -> Finding {
    match result {
        Ok(()) => Finding::new(
            "credentials",
            FindingState::Good,
            "凭证和地址正确",
            "credentials and address are right",
        ),
        Err(CallError::NotPossible(_)) => Finding::new(
            "credentials",
            FindingState::Unknown,
            "这类应用没有可以查询的凭证",
            "this kind of app has no credentials to ask about",
        ),
        Err(error) => Finding::new(
            "credentials",
            FindingState::Missing,
            format!("平台没有认可：{error}"),
            format!("the platform did not agree: {error}"),
        ),
    }
}

fn connection(result: Result<(), OpenError>) -> Finding {
    const CHECK: &str = "long_connection";
    match result {
        Ok(()) => Finding::new(
            CHECK,
            FindingState::Good,
            "平台给出了长连接地址，不需要回调地址",
            "the platform gives an address for the long connection; no callback address is needed",
        ),
        Err(OpenError::Refused { code, text }) => Finding::new(
            CHECK,
            FindingState::Missing,
            format!("长连接被拒绝（{code}）：{text}"),
            format!("the long connection is refused ({code}): {text}"),
        ),
        Err(OpenError::Unavailable { reason, .. }) => Finding::new(
            CHECK,
            FindingState::Missing,
            format!("连不上：{reason}。检查能否访问公网，或配置代理（HTTPS_PROXY）"),
            format!("not reachable: {reason}. Check the way to the internet, or set a proxy (HTTPS_PROXY)"),
        ),
    }
}

/// Whether this program answers at the address that the platform is to call. Seen from here: the
/// platform may still be kept out by a firewall.
async fn callback(http: &reqwest::Client, url: Option<&str>) -> Finding {
    const CHECK: &str = "callback";
    let Some(url) = url else {
        return Finding::new(
            CHECK,
            FindingState::Unknown,
            "没有设置 [server] public_url，无法检查回调地址",
            "[server] public_url is not set: the callback address cannot be checked",
        );
    };
    match http.post(url).send().await {
        Ok(answer) if answer.status().as_u16() == REFUSED => Finding::new(
            CHECK,
            FindingState::Good,
            format!("{url} 有胡同在应答（空请求被拒绝，符合预期）。还要确认平台一侧能访问它"),
            format!(
                "Hutong answers at {url} (it refuses an empty request, as it should). Make sure that the platform can reach it, too"
            ),
        ),
        Ok(answer) => {
            let status = answer.status().as_u16();
            Finding::new(
                CHECK,
                FindingState::Missing,
                format!("{url} 应答 {status}，不是胡同：检查反向代理是否原样转发 /hook/ 路径"),
                format!(
                    "{url} answers {status}, which is not Hutong: check that the reverse proxy passes /hook/ on unchanged"
                ),
            )
        }
        Err(error) => {
            let why = error.without_url();
            Finding::new(
                CHECK,
                FindingState::Missing,
                format!(
                    "{url} 访问不到（{why}）：先启动 hutong serve，再检查域名、证书和反向代理；没有公网地址就改用 receive = \"long_connection\""
                ),
                format!(
                    "{url} cannot be reached ({why}): start hutong serve, then check name, certificate and reverse proxy; without a public address set receive = \"long_connection\""
                ),
            )
        }
    }
}

/// What was found, for people.
pub fn text(asked: &[Asked], language: Language) -> String {
    let mut out = String::new();
    for one in asked {
        let _ = writeln!(out, "\n{} ({})", one.app, one.kind);
        for finding in &one.findings {
            let mark = match finding.state {
                FindingState::Good => "✓",
                FindingState::Warning => "!",
                FindingState::Missing => "✗",
                FindingState::Unknown => "?",
            };
            let words = match language {
                Language::Chinese => &finding.zh,
                Language::English => &finding.en,
            };
            let _ = writeln!(out, "  {mark} {:<18} {words}", finding.check);
        }
    }
    out
}

/// One object per app and question, for machines.
pub fn json_lines(asked: &[Asked]) -> String {
    let mut out = String::new();
    for one in asked {
        for finding in &one.findings {
            let state = match finding.state {
                FindingState::Good => "good",
                FindingState::Warning => "warning",
                FindingState::Missing => "missing",
                FindingState::Unknown => "unknown",
            };
            let line = json!({
                "app": one.app,
                "platform": one.kind,
                "check": finding.check,
                "state": state,
                "zh": finding.zh,
                "en": finding.en,
            });
            let _ = writeln!(out, "{line}");
        }
    }
    out
}

/// 1 when something is missing, so that a deployment can stop on it.
pub fn exit_code(asked: &[Asked]) -> ExitCode {
    let missing = asked
        .iter()
        .flat_map(|a| &a.findings)
        .any(|f| f.state == FindingState::Missing);
    if missing { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

pub(super) async fn run(config: Arc<Checked>, json: bool) -> anyhow::Result<ExitCode> {
    let asked = ask(&config).await?;
    if json {
        print!("{}", json_lines(&asked));
    } else {
        print!("{}", text(&asked, config.company.language));
    }
    Ok(exit_code(&asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_address_is_judged_by_who_answers() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = axum::Router::new().route(
            "/hook/ours",
            axum::routing::post(|| async { axum::http::StatusCode::UNAUTHORIZED }),
        );
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        let ours = callback(&http, Some(&format!("{base}/hook/ours"))).await;
        assert_eq!(ours.state, FindingState::Good);
        let other = callback(&http, Some(&format!("{base}/hook/other"))).await;
        assert_eq!(other.state, FindingState::Missing);
        assert!(other.en.contains("404"), "{}", other.en);
        server.abort();
        let _ = server.await;
        let gone = callback(&http, Some(&format!("{base}/hook/ours"))).await;
        assert_eq!(gone.state, FindingState::Missing);
        assert!(gone.zh.contains("long_connection"), "{}", gone.zh);
        assert_eq!(callback(&http, None).await.state, FindingState::Unknown);
    }

    #[test]
    fn what_is_missing_fails_the_command() {
        let asked = |state| {
            vec![Asked {
                app: "fs".to_owned(),
                kind: "feishu",
                findings: vec![Finding::new("token", state, "凭证", "token")],
            }]
        };
        assert_eq!(exit_code(&asked(FindingState::Warning)), ExitCode::SUCCESS);
        assert_eq!(exit_code(&asked(FindingState::Missing)), ExitCode::FAILURE);
        let shown = text(&asked(FindingState::Missing), Language::English);
        assert!(shown.contains("fs (feishu)") && shown.contains("✗ token"), "{shown}");
        assert!(json_lines(&asked(FindingState::Good)).contains(r#""state":"good""#));
    }
}
