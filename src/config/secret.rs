//! Secrets: named in the file, kept outside of it.

use hutong_model::Secret;
use toml::de::{DeTable, DeValue};

use super::env::{Environment, is_variable, secret_of_file};
use super::field::{Field, State, Wrong, quoted};
use super::reader::{Found, Reader, kind_of};
use super::source::Span;

impl<'r> Reader<'r> {
    /// `{ env = "NAME" }` or `{ file = "PATH" }`; a literal only where `literal` allows it.
    pub(super) fn secret(&mut self, name: &'static str, literal: bool) -> Field<'r, Secret> {
        let shared = self.shared;
        let found = self.find(name);
        let key = self.key(name);
        let form = format!("{name} = {{ env = \"NAME\" }} or {{ file = \"PATH\" }}");
        let refuse = |span: Span, what: String, hint: String| {
            shared.refuse(span, &key, Wrong::new(what, hint));
            State::Refused
        };
        let state = match found {
            None => State::Missing,
            Some(Found { value, span }) => match value {
                DeValue::String(text) => {
                    shared.hide(span.clone());
                    match (literal, text.is_empty()) {
                        (true, false) => State::Value(Secret::new(text.as_ref()), span),
                        (_, true) => refuse(span, "the secret is empty".to_owned(), format!("write {form}")),
                        (false, false) => refuse(
                            span,
                            "the secret is written into the file".to_owned(),
                            format!("write {form}; a literal is taken only when base_url is on this machine"),
                        ),
                    }
                }
                DeValue::Table(table) => match secret_source(table) {
                    Some((source, text, at)) => match resolve(shared.env, source, text) {
                        Ok(secret) => State::Value(secret, span),
                        Err((what, hint, show)) => {
                            if !show {
                                shared.hide(at.clone());
                            }
                            refuse(at, what, hint)
                        }
                    },
                    None => {
                        shared.hide(span.clone());
                        refuse(
                            span,
                            "it must name one variable or one file".to_owned(),
                            format!("write {form}"),
                        )
                    }
                },
                other => {
                    shared.hide(span.clone());
                    refuse(
                        span,
                        format!("{} cannot be a secret", kind_of(other)),
                        format!("write {form}"),
                    )
                }
            },
        };
        Field {
            shared,
            key: key.clone(),
            header: self.header.clone(),
            form,
            state,
            incomplete: false,
        }
    }
}

#[derive(Clone, Copy)]
enum SecretSource {
    Env,
    File,
}

fn secret_source<'t>(table: &'t DeTable<'_>) -> Option<(SecretSource, &'t str, Span)> {
    let mut entries = table.iter();
    let ((key, value), None) = (entries.next()?, entries.next()) else {
        return None;
    };
    let source = match key.get_ref().as_ref() {
        "env" => SecretSource::Env,
        "file" => SecretSource::File,
        _ => return None,
    };
    Some((source, value.get_ref().as_str()?, value.span()))
}

/// The secret, or what is wrong, what to do, and whether the name may be shown.
fn resolve(env: &dyn Environment, source: SecretSource, name: &str) -> Result<Secret, (String, String, bool)> {
    match source {
        SecretSource::Env if !is_variable(name) => Err((
            "this is not the name of a variable".to_owned(),
            "use A-Z, 0-9 and _, for example FEISHU_APP_SECRET".to_owned(),
            false,
        )),
        SecretSource::Env => match env.variable(name) {
            Some(value) if !value.is_empty() => Ok(Secret::new(value)),
            Some(_) => Err((
                format!("the variable {name} is empty"),
                "give it the value of the secret before the start".to_owned(),
                true,
            )),
            None => Err((
                format!("the variable {name} is not set"),
                "set it before the start, or use { file = \"PATH\" }".to_owned(),
                true,
            )),
        },
        SecretSource::File => match env.file(name).map(secret_of_file) {
            Ok(secret) if !secret.is_empty() => Ok(secret),
            Ok(_) => Err((
                format!("the file {} is empty", quoted(name)),
                "write the secret into it".to_owned(),
                true,
            )),
            Err(why) => Err((
                format!("the file {} cannot be read: {why}", quoted(name)),
                "relative paths begin at the folder of this file".to_owned(),
                true,
            )),
        },
    }
}
