//! `[[app]]`: one configured application, built by the crate of its platform.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use hutong_model::{
    Adapter, AppId, Build, Clock, CompanyId, KeyKind, KeyProblem, KeySpec, PlatformEntry, SettingValue, Settings,
};

use super::field::{Field, State, Wrong, quoted};
use super::nearest::nearest;
use super::reader::Reader;

/// A checked application with its adapter.
#[derive(Clone)]
pub struct App {
    pub id: AppId,
    /// The value of `platform`.
    pub kind: String,
    pub company: CompanyId,
    pub settings: Settings,
    pub adapter: Arc<dyn Adapter>,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("company", &self.company)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// What an app is built from beside its own table.
pub(super) struct AppContext<'a> {
    pub platforms: &'a [PlatformEntry],
    pub company: CompanyId,
    pub clock: Arc<dyn Clock>,
}

pub(super) fn read(reader: &mut Reader<'_>, context: &AppContext<'_>) -> Option<App> {
    let id = reader.id("id").parse(|text| Ok(AppId::new(text)?)).get();
    let company = reader
        .text("company")
        .parse(|text| match text == context.company.as_str() {
            true => Ok(context.company.clone()),
            false => Err(Wrong::new(
                format!("there is no company with id {}", quoted(&text)),
                format!("the id in [company] is {:?}", context.company.as_str()),
            )),
        })
        .or(context.company.clone());
    let kind = reader
        .text("platform")
        .parse(|text| platform(text, context.platforms))
        .get();
    let Some((kind, entry)) = kind else {
        // Without the platform nobody can say which keys belong here.
        reader.accept_all();
        return None;
    };

    let specs = (entry.keys)(kind);
    let local = specs.iter().any(|spec| spec.name == "base_url") && is_loopback(reader);
    let mut settings = Settings::default();
    for spec in specs {
        if let Some(value) = setting(reader, spec, local) {
            settings.set(spec.name, value);
        }
    }
    let (id, company) = (id?, company?);
    let build = Build {
        app: id.clone(),
        company: company.clone(),
        kind: kind.to_owned(),
        settings: settings.clone(),
        clock: Arc::clone(&context.clock),
    };
    match (entry.build)(build) {
        Ok(adapter) => {
            // A required key that the adapter did not miss is still a problem of the file.
            let missed = specs
                .iter()
                .any(|spec| reader.shared.has_problem_at(&reader.key(spec.name)));
            (!missed).then_some(App {
                id,
                kind: kind.to_owned(),
                company,
                settings,
                adapter,
            })
        }
        Err(problems) => {
            map_back(reader, &settings, specs, problems);
            None
        }
    }
}

/// Puts what the adapter says at the keys it says it about. A key that has a problem already is
/// not named again: the adapter only saw that it was absent.
fn map_back(reader: &mut Reader<'_>, settings: &Settings, specs: &[KeySpec], problems: Vec<KeyProblem>) {
    for problem in problems {
        if reader.shared.has_problem_at(&reader.key(problem.key)) {
            continue;
        }
        let clean = |mut text: String| {
            for secret in specs.iter().filter_map(|spec| settings.secret(spec.name)) {
                if !secret.is_empty() && text.contains(secret.expose()) {
                    text = text.replace(secret.expose(), "****");
                }
            }
            text
        };
        reader.wrong(problem.key, Wrong::new(clean(problem.what), clean(problem.hint)));
    }
}

fn platform(text: String, platforms: &[PlatformEntry]) -> Result<(&'static str, PlatformEntry), Wrong> {
    let kinds = || {
        platforms
            .iter()
            .flat_map(|entry| entry.kinds.iter().map(move |kind| (*kind, *entry)))
    };
    kinds().find(|(kind, _)| *kind == text).ok_or_else(|| {
        let names: Vec<&str> = kinds().map(|(kind, _)| kind).collect();
        let hint = match nearest(&text, names.iter().copied()) {
            Some(meant) => format!("did you mean {meant:?}? Known: {}", names.join(", ")),
            None => format!("known: {}", names.join(", ")),
        };
        Wrong::new(format!("{} is not a platform", quoted(&text)), hint)
    })
}

fn setting(reader: &mut Reader<'_>, spec: &KeySpec, local: bool) -> Option<SettingValue> {
    fn end<T>(field: Field<'_, T>, spec: &KeySpec) -> Option<T> {
        if spec.required && matches!(field.state, State::Missing) {
            let hint = format!("add {}. {}", field.form, spec.doc);
            field
                .shared
                .refuse(field.header.clone(), &field.key, Wrong::new("is missing", hint));
        }
        field.maybe()
    }
    match spec.kind {
        KeyKind::Text => end(reader.text(spec.name).length(1..=500), spec).map(SettingValue::Text),
        KeyKind::Url => end(reader.text(spec.name).parse(url), spec).map(SettingValue::Text),
        KeyKind::Integer => end(reader.integer(spec.name), spec).map(SettingValue::Integer),
        KeyKind::Bool => end(reader.boolean(spec.name), spec).map(SettingValue::Bool),
        KeyKind::Secret => end(reader.secret(spec.name, local), spec).map(SettingValue::Secret),
    }
}

/// Whether the app talks to this machine only: then, and only then, a secret may be a literal.
fn is_loopback(reader: &mut Reader<'_>) -> bool {
    reader
        .peek_text("base_url")
        .and_then(|text| parse_url(&text).ok())
        .is_some_and(|url| url.loopback)
}

pub(super) struct Url {
    pub https: bool,
    pub loopback: bool,
}

fn url(text: String) -> Result<String, Wrong> {
    match parse_url(&text) {
        Ok(_) => Ok(text),
        Err(why) => Err(Wrong::new(
            format!("this is not an address for an app: {why}"),
            "write http:// or https://, a host, and nothing after the path",
        )),
    }
}

/// The form that addresses in the config have: scheme, host, port, path; no user, query, fragment.
/// The text is not part of the error: it may hold a password.
pub(super) fn parse_url(text: &str) -> Result<Url, &'static str> {
    let (scheme, rest) = text.split_once("://").ok_or("it has no http:// or https://")?;
    let https = match scheme {
        "http" => false,
        "https" => true,
        _ => return Err("it must begin with http:// or https://"),
    };
    if rest.contains(['?', '#']) {
        return Err("it has a query or fragment");
    }
    if rest.contains(|c: char| c.is_control() || c.is_whitespace() || matches!(c, '\\' | '"' | '<' | '>')) {
        return Err("it has a character that is not allowed");
    }
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.contains('@') {
        return Err("it has a user name or password");
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(v6) => {
            let (host, after) = v6.split_once(']').ok_or("the ] of the host is missing")?;
            match after {
                "" => (host, None),
                after => (host, Some(after.strip_prefix(':').ok_or("the host is not valid")?)),
            }
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let bracket = authority.starts_with('[');
    let good = match bracket {
        true => host.parse::<std::net::Ipv6Addr>().is_ok(),
        false => {
            !host.is_empty()
                && host
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        }
    };
    if !good {
        return Err("the host is not valid");
    }
    if port.is_some_and(|port| port.parse::<u16>().is_err() || !port.bytes().all(|b| b.is_ascii_digit())) {
        return Err("the port is not valid");
    }
    let loopback = host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    Ok(Url { https, loopback })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for local in [
            "http://127.0.0.1:1",
            "http://localhost/x",
            "https://[::1]:2/",
            "http://127.1.2.3",
            "http://LOCALHOST",
        ] {
            assert!(parse_url(local).unwrap().loopback, "{local}");
        }
        for far in [
            "https://open.feishu.cn",
            "http://127.0.0.1.evil.example",
            "http://localhost.evil.example",
            "http://10.0.0.1",
            "http://0.0.0.0",
            "http://2130706433",
            "http://[::ffff:8.8.8.8]",
        ] {
            assert!(!parse_url(far).unwrap().loopback, "{far}");
        }
        for bad in [
            "",
            "127.0.0.1",
            "ftp://127.0.0.1",
            "http://",
            "http://127.0.0.1@evil.example",
            "http://127.0.0.1\\@evil.example",
            "http://127.0.0.1?x",
            "http://127.0.0.1#x",
            "http://127.0.0.1:99999",
            "http://127.0.0.1:+1",
            "http://[::1",
            "http://[::1]x",
            "http://a b",
            "http://中文.example",
        ] {
            assert!(parse_url(bad).is_err(), "{bad}");
        }
    }
}
