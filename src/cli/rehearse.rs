//! `hutong rehearse`: what the bot would say in the next days, without saying it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use hutong_model::Clock;
use serde::{Deserialize, Serialize};

use super::serve::{load, load_text};
use crate::clock::SystemClock;
use crate::config::{Checked, Language};
use crate::rehearse::{self, Options, Rehearsal, diff, report};
use crate::text::Lang;

#[derive(Args)]
pub(super) struct RehearseArguments {
    /// The configuration, see config/hutong.toml.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// How many days from now on.
    #[arg(long, value_name = "N", default_value_t = 14, value_parser = clap::value_parser!(u32).range(1..=i64::from(rehearse::MOST_DAYS)))]
    days: u32,
    /// Show what changes against another configuration, or against the one that the service was
    /// started with (`running`).
    #[arg(long, value_name = "FILE|running")]
    against: Option<String>,
    /// One JSON object for tools, instead of text; see docs/rehearsal.md.
    #[arg(long)]
    json: bool,
    /// The language of the text; absent: the company's.
    #[arg(long, value_enum)]
    lang: Option<Tongue>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Tongue {
    Zh,
    En,
}

/// The configuration of a service that was started, as `--against running` finds it in the store.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Running {
    /// Absolute.
    pub file: PathBuf,
    pub text: String,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: u32,
    good: bool,
    #[serde(flatten)]
    rehearsal: &'a Rehearsal,
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    diff: Option<&'a diff::Diff>,
}

/// 0: good; 1: something would be dropped, or a budget or quota exceeded; 2: bad configuration.
pub(super) async fn run(arguments: &RehearseArguments) -> anyhow::Result<ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let Some(config) = load(&arguments.config, clock.clone())? else {
        return Ok(ExitCode::from(2));
    };
    let options = Options {
        days: arguments.days,
        from: clock.now(),
    };
    let new = rehearse::of_config(&config, options)
        .await
        .with_context(|| format!("rehearsing on {}", config.store.shown()))?;
    let mut compared = None;
    if let Some(name) = &arguments.against {
        let Some(other) = other(name, &config, clock).await? else {
            return Ok(ExitCode::from(2));
        };
        // Both on the same state: only the configuration differs.
        let (copy, ground) = rehearse::copy_of(Some(config.store.url.expose())).await?;
        let old = rehearse::run(&other, &copy, ground, options).await?;
        copy.close().await;
        compared = Some((name.as_str(), diff::between(&old, &new)));
    }
    let lang = match (arguments.lang, config.company.language) {
        (Some(Tongue::Zh), _) | (None, Language::Chinese) => Lang::Zh,
        (Some(Tongue::En), _) | (None, Language::English) => Lang::En,
    };
    if arguments.json {
        let answer = Answer {
            schema: 1,
            good: new.good(),
            rehearsal: &new,
            against: compared.as_ref().map(|(name, _)| *name),
            diff: compared.as_ref().map(|(_, diff)| diff),
        };
        println!("{}", serde_json::to_string(&answer)?);
    } else {
        print!("{}", report::text(&new, lang));
        if let Some((name, diff)) = &compared {
            print!("{}", diff::text(diff, name, lang));
        }
    }
    Ok(if new.good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The configuration to compare with.
async fn other(name: &str, config: &Checked, clock: Arc<dyn Clock>) -> anyhow::Result<Option<Checked>> {
    if name != "running" {
        return load(&PathBuf::from(name), clock);
    }
    let (copy, _) = rehearse::copy_of(Some(config.store.url.expose())).await?;
    let found = rehearse::store::running(&copy).await?;
    copy.close().await;
    let Some(json) = found else {
        anyhow::bail!(
            "the store {} does not know the configuration of a running service: start the service once with this version, or name a file: --against OLD.toml",
            config.store.shown()
        );
    };
    let running: Running = serde_json::from_str(&json).context("reading what the service has left in its store")?;
    load_text(&running.file, &running.text, clock)
}
