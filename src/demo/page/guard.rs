//! Who may ask, and what a browser may do with the answer.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::api::Shared;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Refuses requests under a foreign name and changes from a foreign page, and adds the headers.
pub(super) async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let mut response = if !known_host(headers, &shared.state.hosts) {
        (
            StatusCode::FORBIDDEN,
            "This name is not known to the demo. Use the IP address, localhost, or allow the name in its settings.\n",
        )
            .into_response()
    } else if request.method() != Method::GET && !same_origin(headers) {
        (StatusCode::FORBIDDEN, "This request comes from another page.\n").into_response()
    } else {
        next.run(request).await
    };
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
        .headers_mut()
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

fn authority<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|v| v.to_str().ok())
}

fn known_host(headers: &HeaderMap, hosts: &[String]) -> bool {
    let Some(host) = authority(headers, &header::HOST) else {
        return false;
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || address.parse::<IpAddr>().is_ok() || hosts.iter().any(|h| h == name)
}

/// Browsers send `Origin` with every POST; programs may leave it out.
fn same_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let origin = origin.to_str().unwrap_or("");
    let authority = authority(headers, &header::HOST).unwrap_or("");
    origin
        .split_once("://")
        .is_some_and(|(_, rest)| !rest.is_empty() && rest == authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &str, origin: Option<&str>) -> HeaderMap {
        let mut map = HeaderMap::new();
        map.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            map.insert(header::ORIGIN, origin.parse().unwrap());
        }
        map
    }

    #[test]
    fn names_that_others_control_are_refused() {
        let hosts = ["demo.test".to_owned()];
        for good in [
            "localhost:8080",
            "127.0.0.1:1",
            "192.0.2.7",
            "[::1]:80",
            "[::1]",
            "demo.test",
        ] {
            assert!(known_host(&headers(good, None), &hosts), "{good}");
        }
        for bad in ["evil.example", "127.0.0.1.evil.example:80", "localhost.evil.example"] {
            assert!(!known_host(&headers(bad, None), &hosts), "{bad}");
        }
        assert!(!known_host(&HeaderMap::new(), &hosts));
    }

    #[test]
    fn only_the_page_itself_may_change_something() {
        assert!(same_origin(&headers("127.0.0.1:1", None)));
        assert!(same_origin(&headers("127.0.0.1:1", Some("http://127.0.0.1:1"))));
        for bad in ["http://127.0.0.1:2", "https://evil.example", "null", ""] {
            assert!(!same_origin(&headers("127.0.0.1:1", Some(bad))), "{bad}");
        }
    }
}
