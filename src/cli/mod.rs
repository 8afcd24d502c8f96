//! The command line.

mod backup;
mod calendar;
pub mod check;
mod demo;
mod groups;
mod online;
mod operate;
mod rehearse;
mod serve;
mod simulate;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

use self::check::Format;
use crate::clock::SystemClock;
use crate::config::ProcessEnvironment;

/// Runs a company's internal communities inside Feishu/Lark, DingTalk and WeCom.
#[derive(Parser)]
#[command(name = "hutong", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Receive, work and deliver until stopped.
    Serve {
        /// The configuration, see config/hutong.toml.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Group rules: what would change, carry it out, take it back.
    #[command(subcommand)]
    Groups(groups::Groups),
    /// Copy the whole store into one file, beside the running service.
    Backup(backup::BackupArguments),
    /// Fill an empty store from a backup. Afterwards nothing is sent until an operator has looked.
    Restore(backup::RestoreArguments),
    #[command(flatten)]
    Operate(operate::Operate),
    /// Say what a configuration does, or what is wrong with it.
    Check {
        /// The configuration, see config/hutong.toml.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// One JSON object for tools, instead of text.
        #[arg(long)]
        json: bool,
        /// Also ask the platforms: credentials, permissions and the callback address of every app,
        /// each with what to do about it. Exit code 1 when something is missing.
        #[arg(long)]
        online: bool,
    },
    /// The working calendar: this year's days off and worked weekends.
    Calendar {
        /// The configuration, see config/hutong.toml.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// A file for other calendars (RFC 5545), with the next issues of every column.
        #[arg(long)]
        ics: bool,
    },
    /// Columns: print those of a configuration as TOML.
    #[command(subcommand)]
    Columns(calendar::Columns),
    /// List every message that the bot would send in the next days, without sending any.
    /// Exit code 1 when something would be dropped, or a budget or quota exceeded.
    Rehearse(rehearse::RehearseArguments),
    /// Try it without an account anywhere: three simulated platforms, the service, and a page.
    Demo(demo::DemoArguments),
    /// Run the simulated platforms alone, to develop against them.
    Simulate(simulate::SimulateArguments),
}

/// Runs the program. 0: done; 1: failed; 2: the configuration or the arguments are wrong.
pub fn main() -> ExitCode {
    // The one place that chooses the TLS provider. A second call (tests) changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = match arguments.command {
        Command::Serve { config } => runtime.block_on(serve::serve(&config)),
        Command::Groups(command) => runtime.block_on(groups::run(&command)),
        Command::Backup(arguments) => runtime.block_on(backup::backup(&arguments)),
        Command::Restore(arguments) => runtime.block_on(backup::restore(&arguments)),
        Command::Operate(command) => runtime.block_on(operate::run(&command)),
        Command::Check { config, json, online } => match check_file(&config, json) {
            Ok(code) if online && code == ExitCode::SUCCESS => runtime.block_on(check_online(&config, json)),
            result => result,
        },
        Command::Calendar { config, ics } => calendar::calendar(&config, ics),
        Command::Columns(command) => runtime.block_on(calendar::columns(&command)),
        Command::Rehearse(arguments) => runtime.block_on(rehearse::run(&arguments)),
        Command::Demo(arguments) => runtime.block_on(demo::demo(&arguments)),
        Command::Simulate(arguments) => runtime.block_on(simulate::simulate(&arguments)),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// `hutong check`.
fn check_file(file: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("reading the configuration {}", file.display()))?;
    let env = ProcessEnvironment::beside(file, Arc::new(SystemClock));
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let format = if json { Format::Json } else { Format::Text { colour } };
    let (status, out) = check::with_dates(&text, &file.display().to_string(), &env, crate::adapters::ALL, format);
    print!("{out}");
    Ok(ExitCode::from(status.code()))
}

/// `hutong check --online`, after the file was found good.
async fn check_online(file: &Path, json: bool) -> anyhow::Result<ExitCode> {
    match serve::load(file, Arc::new(SystemClock))? {
        Some(config) => online::run(Arc::new(config), json).await,
        None => Ok(ExitCode::from(2)),
    }
}
