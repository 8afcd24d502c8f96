//! Logs: structured, to standard error, without secrets and without what people wrote.
//!
//! Secrets cannot get in by accident: their type has no readable `Debug`. Query strings, which carry
//! tokens on two platforms, are never logged by us; libraries that log requests are kept at `warn`.

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Starts logging; later calls change nothing.
pub fn start(log: &Log) {
    let level = log.level.as_str();
    let filter = EnvFilter::new(format!(
        "warn,hutong={level},hutong_feishu={level},hutong_dingtalk={level},hutong_wecom={level}"
    ));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let _ = match log.format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.with_ansi(false).try_init(),
    };
}
