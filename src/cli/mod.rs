//! The command line.

pub mod check;
mod operate;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
    #[command(flatten)]
    Operate(operate::Operate),
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
        Command::Operate(command) => runtime.block_on(operate::run(&command)),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
