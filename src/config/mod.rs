//! Configuration: TOML, checked once, all problems at once.
//!
//! [`load`] takes the text of a file and gives [`Checked`] or every [`Problem`] of it, each with
//! line, column, the offending text and what is allowed. What the file does not say comes from the
//! built-in file ([`builtin::TEXT`]), which is at the same time the commented sample. Nothing after
//! this module checks a configured value again.
//!
//! # A section of your own
//!
//! A rule reads its section in its own folder and knows nothing else of this module:
//!
//! ```ignore
//! // src/rules/pairs/config.rs
//! use crate::config::{Reader, ScheduleSpec, Section, Wrong};
//!
//! pub struct Pairs {
//!     pub when: ScheduleSpec,
//!     pub size: u8,
//!     pub pause: Duration,
//!     pub greeting: Option<String>,
//! }
//!
//! impl Section for Pairs {
//!     const NAME: &'static str = "pairs";
//!
//!     fn read(reader: &mut Reader<'_>) -> Option<Self> {
//!         // 1. Ask for every key and keep the results: each getter records its own problem.
//!         let when = reader.schedule("when").get();
//!         let size = reader.integer("size").range(2..=5).get();
//!         let pause = reader.duration("pause").get();
//!         let greeting = reader.text("greeting").length(1..=200).maybe();
//!         // 2. What needs several keys: point at the one to change.
//!         // reader.wrong("size", Wrong::new("what is wrong", "what to do"));
//!         // 3. Only now use `?`. `None` means: a problem is recorded.
//!         Some(Self { when: when?, size: size?, pause: pause?, greeting })
//!     }
//! }
//! ```
//!
//! Then one line in `sections!` of `rules.rs` (`switches` for `[pairs]`, `blocks` for `[[pairs]]`),
//! and a block in `config/hutong.toml`. Its values are the defaults, so that `get` has one; a key
//! without default is commented out and its comment begins with 必填 (required) or 可选 (optional).
//! Tests fail when the sample and the reader do not name the same keys. Keys nobody asks for are
//! refused by themselves. Tables and blocks inside a section: [`Reader::table`], [`Reader::tables`];
//! ids, references and secrets: [`Reader::id`], [`Reader::app`], [`Field::id_in`].

use std::collections::{BTreeMap, BTreeSet};

use hutong_model::{CompanyId, KeyKind, PlatformEntry};
use toml::de::{DeTable, DeValue};

mod app;
pub mod builtin;
mod chat_link;
mod env;
mod field;
mod identity;
mod nearest;
mod noise;
mod problem;
mod reader;
mod repeat;
mod role;
pub mod rules;
mod schedule_spec;
mod secret;
mod section;
mod service;
mod source;

#[cfg(test)]
pub(crate) mod tests;

pub use crate::calendar::CalendarConfig;
pub use app::App;
pub use chat_link::ChatLink;
pub use env::{Environment, FixedEnvironment, ProcessEnvironment};
pub use field::{Field, Located, Wrong, duration_text, parse_duration};
pub use identity::Identity;
pub use nearest::nearest;
pub use noise::Noise;
pub use problem::{Problem, Problems};
pub use reader::{Ids, Reader};
pub use role::{RoleGrant, Who};
pub use rules::RulesConfig;
pub use schedule_spec::{
    NthWorkday, ScheduleSpec, cron_form, parse_nth_weekday, parse_time, parse_weekday, weekday_zh,
};
pub use section::Section;
pub use service::{
    Company, HolidayFile, Holidays, Language, Limits, Log, LogFormat, LogLevel, MetricsFor, Misfire, Network,
    ON_HOLIDAY, ON_MAKEUP_WORKDAY, OnHoliday, OnMakeupWorkday, Retention, ScheduleDefaults, Server, Store, StoreKind,
};

use reader::Shared;
use section::Root;
use source::{Source, Span};

/// Says whether a repetition is valid and will ever happen; the error in a few words. The scheduler
/// brings the real one, see [`Loader::schedule_check`].
pub type ScheduleCheck<'a> = dyn Fn(&ScheduleSpec) -> Result<(), String> + 'a;

/// A checked configuration. Secrets inside print as `****`.
#[derive(Debug, Clone)]
pub struct Checked {
    pub server: Server,
    pub store: Store,
    pub company: Company,
    pub log: Log,
    pub limits: Limits,
    pub noise: Noise,
    pub retention: Retention,
    pub schedule: ScheduleDefaults,
    pub holidays: Holidays,
    pub calendar: CalendarConfig,
    /// In the order of the file.
    pub apps: Vec<App>,
    pub roles: Vec<RoleGrant>,
    pub chat_links: Vec<ChatLink>,
    pub identity: Identity,
    pub rules: RulesConfig,
}

/// Loads a config file: built-in defaults, then the file. `file_name` is for messages.
pub fn load(
    text: &str,
    file_name: &str,
    env: &dyn Environment,
    platforms: &[PlatformEntry],
) -> Result<Checked, Problems> {
    Loader::new(env, platforms).load(text, file_name)
}

/// [`load`] with more to choose.
pub struct Loader<'a> {
    env: &'a dyn Environment,
    platforms: &'a [PlatformEntry],
    schedule: &'a ScheduleCheck<'a>,
}

/// Larger files are not configurations.
const MAX_TEXT: usize = 1 << 20;
/// So many broken lines are shown one by one.
const MAX_SYNTAX: usize = 10;

impl<'a> Loader<'a> {
    pub fn new(env: &'a dyn Environment, platforms: &'a [PlatformEntry]) -> Self {
        Self {
            env,
            platforms,
            schedule: &schedule_form,
        }
    }

    /// Replaces the check of form by the scheduler's own check of every repetition.
    pub fn schedule_check(mut self, check: &'a ScheduleCheck<'a>) -> Self {
        self.schedule = check;
        self
    }

    pub fn load(&self, text: &str, file_name: &str) -> Result<Checked, Problems> {
        self.load_and_trace(text, file_name).0
    }

    /// Also says which keys were asked for, as patterns.
    fn load_and_trace(&self, text: &str, file_name: &str) -> (Result<Checked, Problems>, BTreeSet<String>) {
        let secret_names = self
            .platforms
            .iter()
            .flat_map(|entry| entry.kinds.iter().flat_map(|kind| (entry.keys)(kind)))
            .filter(|spec| spec.kind == KeyKind::Secret)
            .map(|spec| spec.name)
            .collect();
        let source = Source::new(file_name, text, secret_names);
        if text.len() > MAX_TEXT {
            let shared = Shared::new(&source, self.env, self.schedule, BTreeMap::new());
            let wrong = Wrong::new("the file is larger than 1 MiB", "is this the right file?");
            shared.refuse(0..0, "", wrong);
            return (Err(problems(&shared)), BTreeSet::new());
        }

        let (document, errors) = DeTable::parse_recoverable(text);
        let mut ids = BTreeMap::new();
        collect_ids("", document.get_ref(), &mut ids);
        let shared = Shared::new(&source, self.env, self.schedule, ids);
        if refuse_syntax(&shared, &errors) {
            return (Err(problems(&shared)), BTreeSet::new());
        }

        let root = Root::new(&shared, document.get_ref());
        let checked = self.read(&root);
        root.refuse_unknown();
        let result = match checked {
            Some(checked) if shared.count() == 0 => Ok(checked),
            _ => Err(problems(&shared)),
        };
        (result, shared.asked())
    }

    fn read(&self, root: &Root<'_>) -> Option<Checked> {
        let company = root.always::<Company>();
        let server = root.always();
        let store = root.always();
        let log = root.always();
        let limits = root.always();
        let noise = root.always();
        let retention = root.always();
        let schedule = root.always();
        let holidays = root.always::<Holidays>();
        let calendar = root.always::<CalendarConfig>();
        let context = app::AppContext {
            platforms: self.platforms,
            company: match &company {
                Some(company) => company.id.clone(),
                None => CompanyId::new("main").ok()?,
            },
            clock: self.env.clock(),
        };
        let apps = root.many_with("app", |reader| app::read(reader, &context));
        let roles = root.many();
        let chat_links = root.many();
        let identity = root.always();
        let rules = RulesConfig::read(root);
        let (mut holidays, calendar) = (holidays?, calendar?);
        holidays.national.clone_from(&calendar.national);
        holidays.days_off.clone_from(&calendar.days_off);
        Some(Checked {
            server: server?,
            store: store?,
            company: company?,
            log: log?,
            limits: limits?,
            noise: noise?,
            retention: retention?,
            schedule: schedule?,
            holidays,
            calendar,
            apps: apps?,
            roles: roles?,
            chat_links: chat_links?,
            identity: identity?,
            rules: rules?,
        })
    }
}

/// The check of form that is used when the scheduler brings no better one.
fn schedule_form(spec: &ScheduleSpec) -> Result<(), String> {
    match spec {
        ScheduleSpec::Cron(text) => cron_form(text),
        _ => Ok(()),
    }
}

fn problems(shared: &Shared<'_>) -> Problems {
    if shared.count() == 0 {
        // Every reader that gives up has recorded why; this keeps the promise of `load` regardless.
        shared.refuse(
            0..0,
            "",
            Wrong::new("the file was refused without a reason", "please report this"),
        );
    }
    Problems {
        file: shared.source.name.to_owned(),
        list: shared.problems(),
    }
}

/// Records what the TOML parser found. True: the file is too broken to look further.
fn refuse_syntax(shared: &Shared<'_>, errors: &[toml::de::Error]) -> bool {
    let mut broken: BTreeMap<usize, (Span, String)> = BTreeMap::new();
    let mut twice: Vec<Span> = Vec::new();
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        // The parser says "duplicate key" and goes on with the first value: so do we.
        match error.message() {
            "duplicate key" => twice.push(span),
            message => {
                let message = match (span.is_empty(), message.starts_with("string values must be quoted")) {
                    (true, true) => "the value is missing",
                    _ => message,
                };
                broken
                    .entry(shared.source.line_of(span.start))
                    .or_insert_with(|| (span, message.to_owned()));
            }
        }
    }
    for span in &twice {
        let name = shared.source.slice(span);
        let wrong = Wrong::new(
            "stands twice",
            "keep one of the two; several blocks are written [[name]]",
        );
        shared.refuse(span.clone(), name, wrong);
    }
    for line in broken.keys() {
        hide_broken(shared, *line);
    }
    let lines: Vec<&str> = shared
        .source
        .text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    // An open bracket breaks all lines below it: with a section of ours it is our file all the same.
    let ours = lines.iter().any(|line| {
        let name = line.trim_start_matches('[').trim_end_matches(']');
        line.starts_with('[') && builtin::keys_of("").iter().any(|section| section == name)
    });
    if !ours && broken.len() > 3 && broken.len() * 3 > lines.len() {
        if let Some((span, _)) = broken.into_values().next() {
            let wrong = Wrong::new(
                "this is not a TOML file",
                "it has lines of the form key = \"value\" below [section]; `hutong init` writes a commented sample",
            );
            shared.refuse(span, "", wrong);
        }
        return true;
    }
    let any = !broken.is_empty();
    let rest = broken.len().saturating_sub(MAX_SYNTAX);
    for (n, (span, message)) in broken.into_values().take(MAX_SYNTAX).enumerate() {
        let mut hint = "this line is not TOML: write key = \"text\", key = 1, key = true or key = [\"...\"]".to_owned();
        if n + 1 == MAX_SYNTAX && rest > 0 {
            hint = format!("{hint}; {rest} more lines are broken");
        }
        shared.refuse(span, "", Wrong::new(message, hint));
    }
    any
}

/// A broken line is shown as far as it is understood: it may be the rest of a secret that a line
/// break has torn apart.
fn hide_broken(shared: &Shared<'_>, line: usize) {
    let (text, span) = (shared.source.line_text(line), shared.source.line_span(line));
    let indent = text.len() - text.trim_start().len();
    let body = text[indent..].trim_start_matches(['"', '\'']);
    if body.starts_with('[') {
        // The header of a section, and no more.
        let header = body.find(|c: char| !(c.is_alphanumeric() || matches!(c, '[' | ']' | '.' | '_' | '-')));
        if let Some(end) = header {
            shared.hide(span.start + text.len() - body.len() + end..span.end);
        }
        return;
    }
    let word: String = body
        .chars()
        .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
        .collect();
    let after = body[word.len()..].trim_start_matches(['"', '\'', ' ', '\t']);
    let from = match builtin::key_like(&word) {
        Some(key) if key == word && after.starts_with('=') => return,
        Some(_) => text.len() - body.len() + word.len(),
        None if shared.source.is_secret_name(&word) && after.starts_with('=') => return,
        None => 0,
    };
    shared.hide(span.start + from..span.end);
}

/// The `id` texts of all blocks, by section: `column`, `calendar.office`.
fn collect_ids(prefix: &str, table: &DeTable<'_>, ids: &mut BTreeMap<String, BTreeSet<String>>) {
    for (key, value) in table.iter() {
        let name = match prefix {
            "" => key.get_ref().to_string(),
            prefix => format!("{prefix}.{}", key.get_ref()),
        };
        match value.get_ref() {
            DeValue::Table(table) => collect_ids(&name, table, ids),
            DeValue::Array(array) => {
                let found = array
                    .iter()
                    .filter_map(|v| v.get_ref().as_table()?.get("id")?.get_ref().as_str());
                let found: Vec<String> = found.map(str::to_owned).collect();
                if !found.is_empty() {
                    ids.entry(name).or_default().extend(found);
                }
            }
            _ => {}
        }
    }
}
