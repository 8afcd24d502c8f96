//! `hutong groups`: the plan of a group rule as a diff, and carrying it out through the service.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use hutong_model::{Clock, Secret};

use super::serve::load;
use crate::clock::SystemClock;
use crate::config::Checked;
use crate::rules::groups::{Alone, order, report};
use crate::rules::{Ctx, RuleError};
use crate::store::{Store, StoreError, StoreOptions};
use crate::text::Lang;

/// How long the answer of the service is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Args)]
pub(super) struct Common {
    /// The configuration, see config/hutong.toml.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The id of the [[group_rule]].
    #[arg(long, value_name = "ID")]
    rule: String,
    /// One JSON object for tools, instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
pub(super) enum Groups {
    /// What the rule would change, as a diff. Changes nothing.
    Plan {
        #[command(flatten)]
        common: Common,
    },
    /// Let the service carry out exactly the plan with this code.
    Apply {
        #[command(flatten)]
        common: Common,
        /// The code that `plan` or `undo` has printed.
        #[arg(long, value_name = "CODE")]
        plan: String,
        /// The employee number of the operator who wants it: rights, second operator and audit are
        /// that person's.
        #[arg(long = "as", value_name = "EMPLOYEE_NO")]
        who: String,
    },
    /// What would take a plan of the last 30 days back, as a diff, with a code for `apply`.
    Undo {
        #[command(flatten)]
        common: Common,
        /// The code of the plan that was carried out.
        #[arg(long, value_name = "CODE")]
        plan: String,
    },
}

pub(super) async fn run(command: &Groups) -> anyhow::Result<ExitCode> {
    let (Groups::Plan { common } | Groups::Apply { common, .. } | Groups::Undo { common, .. }) = command;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let Some(config) = load(&common.config, clock.clone())? else {
        return Ok(ExitCode::from(2));
    };
    match command {
        Groups::Plan { common } => show(&config, common, None, clock.as_ref()).await,
        Groups::Undo { common, plan } => show(&config, common, Some(plan), clock.as_ref()).await,
        Groups::Apply { common, plan, who } => apply(&config, common, plan, who, clock.as_ref()).await,
    }
}

async fn open(config: &Checked) -> Result<Store, StoreError> {
    let options = StoreOptions {
        beside: true,
        connections: 2,
        ..StoreOptions::default()
    };
    Store::open(config.store.url.expose(), &options).await
}

async fn show(config: &Checked, common: &Common, undo: Option<&String>, clock: &dyn Clock) -> anyhow::Result<ExitCode> {
    let Some(rule) = config.rules.groups.iter().find(|r| r.id == common.rule) else {
        return Ok(no_rule(config, &common.rule));
    };
    let store = open(config)
        .await
        .with_context(|| format!("opening the store {}", config.store.shown()))?;
    // Nothing is signed here: a plan on the command line has no buttons.
    let env = crate::app::environment(config, Secret::new("none"), crate::link::board::Board::default());
    let lang = env.lang;
    let alone = Alone {
        people: config.limits.group_remove_people as usize,
        percent: usize::from(config.limits.group_remove_percent),
    };
    let mut ctx = Ctx::new(store.begin().await?, Arc::new(env), clock.now());
    let result = match undo {
        None => report::of_rule(&mut ctx, rule, alone, lang).await,
        Some(code) => undo_report(&mut ctx, rule, code, alone, lang).await,
    };
    let (tx, _) = ctx.into_parts();
    let code = match result {
        Ok(report) => {
            match undo {
                None => tx.rollback().await?,
                Some(_) => tx.commit().await?,
            }
            if common.json {
                println!("{}", serde_json::to_string(&report)?);
            } else {
                print!("{}", report.text());
            }
            ExitCode::SUCCESS
        }
        Err(RuleError::Refuse(message)) => {
            tx.rollback().await?;
            eprintln!("error: {}", message.plain());
            ExitCode::FAILURE
        }
        Err(error) => return Err(anyhow::anyhow!("{error}")),
    };
    store.close().await;
    Ok(code)
}

async fn undo_report(
    ctx: &mut Ctx,
    rule: &crate::rules::groups::config::GroupRule,
    code: &str,
    alone: Alone,
    lang: Lang,
) -> Result<report::Report, RuleError> {
    let run = crate::rules::groups::run_of(ctx, code, lang).await?;
    if run.rule != rule.id {
        let say = format!("plan {code} belongs to the rule {}: use --rule {}", run.rule, run.rule);
        return Err(RuleError::refuse(hutong_model::Message::text(say)));
    }
    report::of_undo(ctx, rule, run, alone, lang).await
}

fn no_rule(config: &Checked, id: &str) -> ExitCode {
    let known: Vec<&str> = config.rules.groups.iter().map(|r| r.id.as_str()).collect();
    let known = if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(", ")
    };
    eprintln!("error: there is no [[group_rule]] with id {id:?}; there are: {known}");
    ExitCode::FAILURE
}

async fn apply(
    config: &Checked,
    common: &Common,
    code: &str,
    who: &str,
    clock: &dyn Clock,
) -> anyhow::Result<ExitCode> {
    if !config.rules.groups.iter().any(|r| r.id == common.rule) {
        return Ok(no_rule(config, &common.rule));
    }
    // Beside the service: an order is a row of its own and a tick of our own, see `StoreOptions`.
    let store = open(config)
        .await
        .with_context(|| format!("opening the store {}", config.store.shown()))?;
    let mut tx = store.begin().await?;
    let Some(person) = order::person(&mut tx, &config.company.id, who).await? else {
        tx.rollback().await?;
        eprintln!(
            "error: nobody in the directory has the employee number {who:?}: use one of an operator of this rule"
        );
        return Ok(ExitCode::FAILURE);
    };
    let id = order::place(&mut tx, &common.rule, code, &person, clock.now()).await?;
    tx.commit().await?;
    let mut told = None;
    let begun = std::time::Instant::now();
    while told.is_none() && begun.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut tx = store.begin().await?;
        told = order::answer(&mut tx, &id)
            .await?
            .filter(|(state, _)| state != "waiting");
        tx.rollback().await?;
    }
    store.close().await;
    let (state, answer) = told.unwrap_or_else(|| {
        let say = "left in the inbox: the service carries it out when it runs, within 15 minutes";
        ("waiting".to_owned(), say.to_owned())
    });
    let refused = state == "refused";
    if common.json {
        println!(
            "{}",
            serde_json::json!({ "order": id, "state": state, "answer": answer })
        );
    } else if refused {
        eprintln!("error: {answer}");
    } else {
        println!("{state}: {answer}");
    }
    Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
