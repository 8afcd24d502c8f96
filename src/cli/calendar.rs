//! `hutong calendar` and `hutong columns`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use chrono::Datelike as _;
use clap::Subcommand;
use hutong_model::Clock as _;

use super::serve;
use crate::calendar::{WorkCalendar, ics};
use crate::clock::SystemClock;
use crate::rules::columns::written;
use crate::schedule::Coverage;
use crate::store::{Store, StoreOptions};

/// `hutong columns`
#[derive(Subcommand)]
pub enum Columns {
    /// Print every column as TOML, those made in chats included, to be put into the configuration.
    Export {
        /// The configuration, see config/hutong.toml.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

/// Prints the calendar.
pub fn calendar(file: &Path, as_ics: bool) -> anyhow::Result<ExitCode> {
    let clock = Arc::new(SystemClock);
    let Some(config) = serve::load(file, clock.clone())? else {
        return Ok(ExitCode::from(2));
    };
    let now = clock.now();
    if as_ics {
        print!("{}", ics::of(&config, &[], now));
        return Ok(ExitCode::SUCCESS);
    }
    let calendar = WorkCalendar::of(&config);
    let year = crate::rules::local(calendar.zone, now).year();
    for year in [year, year + 1] {
        let known = match calendar.table.coverage(year) {
            Coverage::Published => "the yearly notice is in",
            Coverage::StatutoryOnly => "only statutory holidays are known",
            Coverage::Missing => "nothing is known: Monday to Friday",
        };
        println!("{year}: {known}");
        let first = chrono::NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or_default();
        for date in first.iter_days().take_while(|d| d.year() == year) {
            match calendar.table.holiday(date) {
                Some((zh, en)) => println!("  {date} {} off   {zh} {en}", date.weekday()),
                None if calendar.table.is_makeup(date) => println!("  {date} {} work", date.weekday()),
                None => {}
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints columns.
pub async fn columns(command: &Columns) -> anyhow::Result<ExitCode> {
    let Columns::Export { config: file } = command;
    let Some(config) = serve::load(file, Arc::new(SystemClock))? else {
        return Ok(ExitCode::from(2));
    };
    for column in &config.rules.columns {
        println!("{}", written::toml(column));
    }
    let options = StoreOptions {
        beside: true,
        ..StoreOptions::default()
    };
    let store = Store::open(config.store.url.expose(), &options).await?;
    let mut tx = store.begin().await?;
    for column in written::stored(&mut tx).await? {
        if config.rules.columns.iter().all(|c| c.id != column.id) {
            println!("{}", written::toml(&column));
        }
    }
    tx.rollback().await?;
    store.close().await;
    Ok(ExitCode::SUCCESS)
}
